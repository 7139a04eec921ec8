package inventory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// unit is one store's part of a unit of work: what all its chunks share.
type unit struct {
	Feed  *Feed
	Store Store
	// Token is the fence's; empty for work that one transaction completes.
	Token string
	// Mapping reads the rows of a feed; nil where kept rows are judged again.
	Mapping *feed.Mapping
	// Products were looked up for the whole store; nil looks up per chunk.
	Products map[normalize.GTIN]hydrate.Product
	Cause    judge.Cause
	// since is the store's count of writes when this attempt took the fence, and
	// turns are the counts at which it wrote itself, ascending.
	since int64
	turns []int64
	// menu collects what a full file leaves on the store's menu; nil where that
	// is not the whole menu.
	menu *draft
}

// alone says that between two counts of the store's writes nobody but this
// unit wrote to it.
func (u *unit) alone(since, until int64) bool {
	between := until - since - 1
	first := int64(len(u.turns)) - between
	return between == 0 || first >= 0 && u.turns[first] == since+1 && u.turns[len(u.turns)-1] == until-1
}

// chunk is a number of rows that one transaction judges and merges.
type chunk struct {
	Number int
	// IDs are the items, sorted.
	IDs []string
	// Rows are a feed's; nil judges the items' kept rows again.
	Rows []feed.Row
	// Delist takes the items off the menu instead of judging them.
	Delist bool
	// Revise changes items by a person's decision instead of judging them.
	Revise func(id string, it *stored) (judge.State, bool, error)
	// Before runs in the transaction once the fence is held, before anything
	// is read.
	Before func(ctx context.Context, tx pgx.Tx) error
	// Also runs in the transaction once the chunk is merged.
	Also func(ctx context.Context, tx pgx.Tx) error

	// ahead is what judging came to before the chunk's turn, and since the
	// store's count of writes at the time.
	ahead *applied
	since int64
}

// applied is what a chunk came to.
type applied struct {
	ledger   ledger
	writes   []write
	rejects  []Reject
	holds    holdChanges
	confirms []confirmation
	verdicts verdicts
	// states are those that the rows' items have now.
	states []*judge.State
}

// applyAll applies chunks in their order, once first is done. While one merges
// the next is judged, so that the process and the database work at the same time.
func (s *Service) applyAll(ctx context.Context, u *unit, chunks iter.Seq2[*chunk, error], beat func(chunk int), first func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	judged := make(chan *chunk)
	group.Go(func() error {
		defer close(judged)
		for c, err := range chunks {
			if err != nil {
				return err
			}
			if err := s.judgeAhead(ctx, u, c); err != nil {
				return err
			}
			select {
			case judged <- c:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	group.Go(func() error {
		if err := first(ctx); err != nil {
			return err
		}
		for c := range judged {
			beat(c.Number)
			if _, err := s.apply(ctx, u, c); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

// judgeAhead judges a chunk before its turn.
func (s *Service) judgeAhead(ctx context.Context, u *unit, c *chunk) error {
	pool, err := s.store.pool(ctx)
	if err != nil {
		return err
	}
	// The count is read first: what is written after it is noticed at the turn.
	if c.since, err = s.store.writes(ctx, pool, u.Store.Key); err != nil {
		return err
	}
	c.ahead, err = s.judgeChunk(ctx, pool, u, c)
	return err
}

// apply merges what a chunk changes, in one transaction that holds the store's
// fence. It is safe to repeat: the ledger's key refuses a chunk that is in it
// already, and then nothing of the repetition stays.
func (s *Service) apply(ctx context.Context, u *unit, c *chunk) (Account, error) {
	pool, err := s.store.pool(ctx)
	if err != nil {
		return Account{}, err
	}
	started := s.deps.Now()
	var a *applied
	var turn int64
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		a, turn, err = s.applyTx(ctx, tx, u, c)
		return err
	})
	if constraintOf(err) == "feed_chunk_pkey" {
		u.menu = nil
		return Account{}, nil // the ledger has the chunk already
	}
	if errors.Is(err, pg.ErrAmbiguousCommit) {
		// Whether it happened is for the ledger to say, on the next attempt.
		return Account{}, fmt.Errorf("apply chunk %d of feed %s to store %s: %w", c.Number, u.Feed.ID, u.Store.Key, err)
	}
	if err != nil {
		return Account{}, err
	}
	u.turns = append(u.turns, turn)
	if u.menu != nil {
		for _, st := range a.states {
			u.menu.add(st)
		}
	}
	s.deps.Metrics.stage("chunk", s.deps.Now().Sub(started))
	s.deps.Metrics.chunk(a)
	return a.ledger.Account, nil
}

// applyTx does the work of apply inside the caller's transaction. turn is the
// store's count of writes, this one included.
func (s *Service) applyTx(ctx context.Context, tx pgx.Tx, u *unit, c *chunk) (a *applied, turn int64, err error) {
	if turn, err = s.store.lockFence(ctx, tx, u.Store.Key, u.Token); err != nil {
		return nil, 0, err
	}
	if c.Before != nil {
		if err := c.Before(ctx, tx); err != nil {
			return nil, 0, err
		}
	}
	if a = c.ahead; a == nil || !u.alone(c.since, turn) {
		if a, err = s.judgeChunk(ctx, tx, u, c); err != nil {
			return nil, 0, err
		}
	}
	merging := s.deps.Now()
	if err := s.write(ctx, tx, u, a); err != nil {
		return nil, 0, err
	}
	s.deps.Metrics.stage("merge", s.deps.Now().Sub(merging))
	if c.Also != nil {
		if err := c.Also(ctx, tx); err != nil {
			return nil, 0, err
		}
	}
	return a, turn, nil
}

// judgeChunk reads what is known of a chunk's items and works out what becomes
// of them. It writes nothing.
func (s *Service) judgeChunk(ctx context.Context, q querier, u *unit, c *chunk) (*applied, error) {
	loading := s.deps.Now()
	known, items, err := s.store.known(ctx, q, u.Store.Key, c.IDs)
	if err != nil {
		return nil, err
	}
	s.deps.Metrics.stage("load", s.deps.Now().Sub(loading))
	a := &applied{
		ledger:   ledger{Feed: u.Feed.ID, Key: u.Store.Key, Chunk: c.Number, Cause: u.Feed.Cause, At: s.now()},
		verdicts: verdicts{},
	}
	switch {
	case c.Delist:
		a.delist(c.IDs, known, items, u.Feed.SourceTime)
	case c.Revise != nil:
		err = a.revise(c, items)
	default:
		err = s.judge(ctx, q, u, c, known, items, a)
	}
	encode(a.writes)
	return a, err
}

// write merges what a chunk came to. The before/after object is made durable
// while the database merges, and before the transaction commits.
func (s *Service) write(ctx context.Context, tx pgx.Tx, u *unit, a *applied) error {
	stored := make(chan error, 1)
	if len(a.writes) > 0 || len(a.rejects) > 0 {
		a.ledger.ObjectKey = s.key(ctx, "changes", string(u.Feed.ID), u.Store.Key.Store, fmt.Sprintf("%06d-%s", a.ledger.Chunk, attempt()))
		a.ledger.Changes = len(a.writes)
		go func() { stored <- s.putChanges(ctx, a.ledger.ObjectKey, a) }()
	} else {
		stored <- nil
	}
	err := func() error {
		if len(a.writes) > 0 {
			if err := s.store.mergeWrites(ctx, tx, &a.ledger, a.writes); err != nil {
				return err
			}
		}
		if err := s.store.mergeConfirmations(ctx, tx, u.Store.Key, a.confirms); err != nil {
			return err
		}
		if err := s.store.changeHolds(ctx, tx, u.Store.Key, &a.holds, a.ledger.At); err != nil {
			return err
		}
		return s.store.insertLedger(ctx, tx, &a.ledger)
	}()
	return errors.Join(err, <-stored)
}

// attempt is a text that no other attempt has, so that an attempt which was
// given up and goes on all the same overwrites nobody's object.
func attempt() string { return rand.Text()[:10] }

// judge runs the stages over the chunk, once for each mapping that its rows
// are read with.
func (s *Service) judge(ctx context.Context, q querier, u *unit, c *chunk, known map[string]judge.Known, items map[string]*stored, a *applied) error {
	categories, err := s.store.histories(ctx, q, u.Store.Key, c.IDs, known)
	if err != nil {
		return err
	}
	groups, err := s.group(ctx, u, c, known, items)
	if err != nil {
		return err
	}
	products := u.Products
	if products == nil {
		wanted := map[normalize.GTIN]struct{}{}
		for i := range groups {
			collectGTINs(groups[i].rows, wanted)
		}
		// A partial row is laid over one that may know the GTIN it leaves out.
		for _, it := range items {
			collectGTINs([]feed.Row{it.Kept}, wanted)
		}
		if products, err = s.lookUp(ctx, q, wanted); err != nil {
			return err
		}
	}
	judging := s.deps.Now()
	for _, g := range groups {
		in := judge.Inputs{
			Store: u.Store.Key.Store, FeedID: string(u.Feed.ID), Kind: u.Feed.Kind, Cause: u.Cause, Mapping: g.mapping,
			SourceTime: u.Feed.SourceTime, Watermark: u.Store.Watermark, Now: a.ledger.At,
			Settings: priceSettings(&u.Store), Limits: s.limits(&u.Store), Availability: s.cfg.availabilityPolicy(),
			Predictor: s.deps.Predictor, Categories: categories, Products: products, Known: known,
		}
		if u.Cause != judge.Arrived {
			in.Kind = feed.KindFull
		}
		a.take(u, refOf(g.mapping), judge.Chunk(g.rows, &in), items, known)
	}
	s.deps.Metrics.stage("judge", s.deps.Now().Sub(judging))
	return nil
}

// group puts rows together that one mapping reads. A row of a partial file
// that is laid over a row which another mapping reads meets it in bodega's
// own columns.
type group struct {
	mapping *feed.Mapping
	rows    []feed.Row
}

func (s *Service) group(ctx context.Context, u *unit, c *chunk, known map[string]judge.Known, items map[string]*stored) ([]group, error) {
	if c.Rows == nil {
		return s.groupKept(ctx, u, c.IDs, items)
	}
	if u.Feed.Kind == feed.KindFull {
		return []group{{u.Mapping, c.Rows}}, nil
	}
	own, mixed := group{mapping: u.Mapping}, group{mapping: canonicalMapping()}
	ref := refOf(u.Mapping)
	for i := range c.Rows {
		row := &c.Rows[i]
		id := row.Values[feed.ItemID]
		have, ok := items[id]
		if !ok || have.Mapping == ref {
			own.rows = append(own.rows, *row)
			continue
		}
		theirs, err := s.mappings.byVersion(ctx, u.Store.Key.Merchant, string(have.Mapping))
		if err != nil {
			return nil, err
		}
		kept := canonical(&have.Kept, theirs, u.Store.Currency)
		k := known[id]
		k.Kept = &kept
		known[id] = k
		mixed.rows = append(mixed.rows, canonical(row, u.Mapping, u.Store.Currency))
	}
	groups := []group{own, mixed}
	if len(mixed.rows) == 0 {
		groups = groups[:1]
	}
	return groups, nil
}

func (s *Service) groupKept(ctx context.Context, u *unit, ids []string, items map[string]*stored) ([]group, error) {
	byRef := map[mappingRef]int{}
	var groups []group
	for _, id := range ids {
		it, ok := items[id]
		if !ok {
			continue
		}
		at, ok := byRef[it.Mapping]
		if !ok {
			m, err := s.mappings.byVersion(ctx, u.Store.Key.Merchant, string(it.Mapping))
			if err != nil {
				return nil, err
			}
			at = len(groups)
			byRef[it.Mapping] = at
			groups = append(groups, group{mapping: m})
		}
		row := it.Kept
		row.Number = it.State.Row
		groups[at].rows = append(groups[at].rows, row)
	}
	return groups, nil
}

// take notes what became of rows.
func (a *applied) take(u *unit, ref mappingRef, outcomes []judge.Outcome, items map[string]*stored, known map[string]judge.Known) {
	for i := range outcomes {
		o := &outcomes[i]
		a.ledger.Account.count(o.Disposition)
		if o.State.SKU != "" {
			a.states = append(a.states, &o.State)
		}
		a.verdicts.take(o)
		switch {
		case o.Write:
			a.writes = append(a.writes, write{ID: o.SKU, Before: items[o.SKU], State: &o.State, Kept: o.Kept, Mapping: ref})
		case !o.Confirmed.IsZero() || !o.ConfirmedAvailability.IsZero():
			a.confirms = append(a.confirms, confirmation{o.SKU, o.Confirmed, o.ConfirmedAvailability})
		}
		if o.Disposition == judge.Rejected {
			a.rejects = append(a.rejects, rejectsOf(u.Store.Key.Store, o)...)
		}
		a.holds.take(u, o, known[o.SKU].Median)
	}
}

// delist takes items off the menu that a full file does not name.
func (a *applied) delist(ids []string, known map[string]judge.Known, items map[string]*stored, sourceTime time.Time) {
	for _, id := range ids {
		k, ok := known[id]
		if !ok || k.State == nil {
			continue
		}
		state, ok := judge.Delist(&k, sourceTime)
		if !ok {
			continue
		}
		it := items[id]
		a.ledger.Account.Removed++
		a.writes = append(a.writes, write{ID: id, Before: it, State: &state, Kept: &it.Kept, Mapping: it.Mapping})
	}
}

// revise changes items by a decision.
func (a *applied) revise(c *chunk, items map[string]*stored) error {
	for _, id := range c.IDs {
		it, ok := items[id]
		if !ok {
			continue
		}
		state, changed, err := c.Revise(id, it)
		if err != nil {
			return err
		}
		a.ledger.Account.RowsRead++
		if !changed {
			a.ledger.Account.Unchanged++
			continue
		}
		a.ledger.Account.Applied++
		a.writes = append(a.writes, write{ID: id, Before: it, State: &state, Kept: &it.Kept, Mapping: it.Mapping})
	}
	return nil
}

// Reject is a row that did not become an item, and why.
type Reject struct {
	Row    int64  `json:"row"`
	Line   int64  `json:"line,omitempty"`
	Store  string `json:"store,omitempty"`
	Item   string `json:"item,omitempty"`
	Column string `json:"column,omitempty"`
	Value  string `json:"value,omitempty"`
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
	Fix    string `json:"fix,omitempty"`
}

func rejectsOf(storeID string, o *judge.Outcome) []Reject {
	for i := range o.Problems {
		p := &o.Problems[i]
		if p.Severity != normalize.Rejected {
			continue
		}
		return []Reject{{
			Row: o.Row, Line: p.Line, Store: storeID, Item: o.SKU, Column: p.Column, Value: p.Value,
			Rule: string(p.Rule), Reason: p.Reason, Fix: p.Fix,
		}}
	}
	return []Reject{{Row: o.Row, Store: storeID, Item: o.SKU, Rule: "rejected", Reason: "the row cannot stand"}}
}

// collectGTINs adds the GTINs that rows name and that a shared catalogue can know.
func collectGTINs(rows []feed.Row, wanted map[normalize.GTIN]struct{}) {
	for i := range rows {
		text := rows[i].Values[feed.GTIN]
		if text == "" {
			continue
		}
		if g, _, err := normalize.ParseGTIN(text); err == nil && !g.Restricted() {
			wanted[g] = struct{}{}
		}
	}
}

// lookUp asks the catalogue once for a set of products.
func (s *Service) lookUp(ctx context.Context, q querier, wanted map[normalize.GTIN]struct{}) (map[normalize.GTIN]hydrate.Product, error) {
	if len(wanted) == 0 {
		return map[normalize.GTIN]hydrate.Product{}, nil
	}
	gtins := make([]normalize.GTIN, 0, len(wanted))
	for g := range wanted {
		gtins = append(gtins, g)
	}
	return s.store.products(ctx, q, gtins)
}

// holdChanges are the steps of holds that a chunk causes.
type holdChanges struct {
	Close []string // items whose open hold is superseded
	Open  []Hold
}

func (h *holdChanges) take(u *unit, o *judge.Outcome, median guard.Median) {
	if o.Hold.Closed != nil {
		h.Close = append(h.Close, o.SKU)
	}
	held := o.Hold.Opened
	if held == nil {
		return
	}
	opened := Hold{
		ID: holdID(u.Store.Key, o.SKU, FeedID(held.FeedID), held.Price.Effective), Key: u.Store.Key, Item: o.SKU, ItemName: o.State.Name,
		Guard: string(held.Verdict.Rule), After: minorPointer(held.Price.Effective), Currency: string(held.Price.Currency),
		Feed: u.Feed.ID, Row: o.Row, Detail: held.Verdict.Sentence(&held.Price), State: HoldOpen,
	}
	if held.LastGood.Effective > 0 {
		opened.Before = minorPointer(held.LastGood.Effective)
	}
	if median.Stores > 0 {
		opened.Median = minorPointer(median.Price)
	}
	h.Open = append(h.Open, opened)
}
