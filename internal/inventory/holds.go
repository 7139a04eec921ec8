package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/platform/money"
	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// choice is a hold that a person decides on, and the value they saw.
type choice struct {
	ID    string
	After *int64
}

// skipped is a hold that a decision left alone.
type skipped struct {
	ID     string
	Reason string
}

// errSkip ends the transaction of a store whose holds are all left alone.
var errSkip = errors.New("nothing to decide")

// decisions are what became of holds that a person decided on.
type decisions struct {
	Decided int64
	Left    []skipped
	Feeds   []FeedID // the units of work that carry approved removals out
}

// decide carries a decision out on holds: store by store, each in one
// transaction with the items it changes. A hold that has moved on since the
// person saw it is left alone and said to be.
func (s *Service) decide(ctx context.Context, merchant string, choices []choice, status guard.Status, by string) (out decisions, err error) {
	pool, err := s.store.pool(ctx)
	if err != nil {
		return out, err
	}
	holds, missing, err := s.chosen(ctx, pool, merchant, choices)
	if err != nil {
		return out, err
	}
	out.Left = missing
	left := func(id, reason string) { out.Left = append(out.Left, skipped{id, reason}) }
	seen := make(map[string]*int64, len(choices))
	for _, c := range choices {
		seen[c.ID] = c.After
	}
	for _, group := range byStore(holds) {
		var prices []Hold
		for i := range group {
			h := &group[i]
			switch {
			case h.State != HoldOpen:
				left(h.ID, "it is "+string(h.State)+" already")
			case seen[h.ID] != nil && h.After != nil && *seen[h.ID] != *h.After:
				left(h.ID, "another price is held by now: look again")
			case h.ofRemovals():
				done, feed, err := s.decideRemovals(ctx, h, status, by)
				if err != nil {
					return out, err
				}
				if !done {
					left(h.ID, "somebody else decided first")
					continue
				}
				out.Decided++
				if feed != "" {
					out.Feeds = append(out.Feeds, feed)
				}
			default:
				prices = append(prices, *h)
			}
		}
		if len(prices) == 0 {
			continue
		}
		n, skips, err := s.decidePrices(ctx, prices, status, by)
		if err != nil {
			return out, err
		}
		out.Decided += n
		out.Left = append(out.Left, skips...)
	}
	s.deps.Metrics.decided.WithLabelValues(status.String()).Add(float64(out.Decided))
	return out, nil
}

func (s *Service) chosen(ctx context.Context, q querier, merchant string, choices []choice) (holds []Hold, missing []skipped, err error) {
	ids := make([]string, len(choices))
	for i, c := range choices {
		ids[i] = c.ID
	}
	holds, err = s.store.holdsByID(ctx, q, merchant, ids)
	if err != nil {
		return nil, nil, err
	}
	found := make(map[string]bool, len(holds))
	for i := range holds {
		found[holds[i].ID] = true
	}
	for _, id := range ids {
		if !found[id] {
			missing = append(missing, skipped{id, "there is no such hold"})
		}
	}
	return holds, missing, nil
}

// byStore groups holds by their store, items in order.
func byStore(holds []Hold) [][]Hold {
	slices.SortFunc(holds, func(a, b Hold) int {
		return cmp.Or(cmp.Compare(a.Key.Merchant, b.Key.Merchant), cmp.Compare(a.Key.Store, b.Key.Store), cmp.Compare(a.Item, b.Item), cmp.Compare(a.ID, b.ID))
	})
	var groups [][]Hold
	for i := 0; i < len(holds); {
		j := i
		for j < len(holds) && holds[j].Key == holds[i].Key {
			j++
		}
		groups = append(groups, holds[i:j])
		i = j
	}
	return groups
}

// synchronous is a unit of work that one transaction completes: what a person
// or a shopper did to a few items of one store.
func (s *Service) synchronous(ctx context.Context, key StoreKey, cause Cause, note, by string) (*unit, error) {
	st, err := s.store.storeByKey(ctx, key)
	if err != nil {
		return nil, err
	}
	id, err := newFeedID()
	if err != nil {
		return nil, err
	}
	now := s.now()
	f := &Feed{
		ID: id, Merchant: key.Merchant, Store: key.Store, Kind: feed.KindDelta, Cause: cause, Status: Running,
		SourceTime: now, SubmittedAt: now, StartedAt: now, SplitAt: now, SubmittedBy: by, Detail: Detail{Note: note},
	}
	return &unit{Feed: f, Store: st, Cause: judgeCause(cause)}, nil
}

// complete runs a synchronous unit's only chunk: the unit's own row, the
// items, the ledger and the account come to be together or not at all.
func (s *Service) complete(ctx context.Context, u *unit, c *chunk) (Account, error) {
	pool, err := s.store.pool(ctx)
	if err != nil {
		return Account{}, err
	}
	var a *applied
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		if err := s.store.insertFeed(ctx, tx, u.Feed); err != nil {
			return err
		}
		part := FeedStore{Key: u.Store.Key, Rows: int64(len(c.IDs))}
		if err := s.store.insertFeedStores(ctx, tx, u.Feed.ID, u.Feed.Merchant, []FeedStore{part}); err != nil {
			return err
		}
		if a, _, err = s.applyTx(ctx, tx, u, c); err != nil {
			return err
		}
		return s.store.closeUnit(ctx, tx, u.Feed.ID, a.ledger.Account, s.now())
	})
	if err != nil {
		return Account{}, err
	}
	s.deps.Metrics.chunk(a)
	s.deps.Metrics.feeds.WithLabelValues(string(Done), string(u.Feed.Cause)).Inc()
	return a.ledger.Account, nil
}

func (s *Service) decidePrices(ctx context.Context, holds []Hold, status guard.Status, by string) (int64, []skipped, error) {
	u, err := s.synchronous(ctx, holds[0].Key, CauseOperator, fmt.Sprintf("%s: %d held prices", status, len(holds)), by)
	if err != nil {
		return 0, nil, err
	}
	byItem := make(map[string]*Hold, len(holds))
	ids := make([]string, len(holds))
	for i := range holds {
		byItem[holds[i].Item], ids[i] = &holds[i], holds[i].Item
	}
	var left []skipped
	var done []string
	c := &chunk{IDs: ids}
	c.Before = func(context.Context, pgx.Tx) error {
		left, done = nil, nil // the transaction may be tried again
		return nil
	}
	c.Revise = func(id string, it *stored) (judge.State, bool, error) {
		h := byItem[id]
		skip := func(reason string) (judge.State, bool, error) {
			left = append(left, skipped{h.ID, reason})
			return it.State, false, nil
		}
		if it.State.Hold == nil || h.After == nil || int64(it.State.Hold.Price.Effective) != *h.After {
			return skip("another price is held by now: look again")
		}
		state, _, err := judge.Decide(it.State, *it.State.Hold, guard.Decision{
			Status: status, Price: money.Minor(*h.After), By: by, At: s.now(),
		})
		if err != nil {
			return skip(err.Error())
		}
		done = append(done, h.ID)
		return state, true, nil
	}
	c.Also = func(ctx context.Context, tx pgx.Tx) error {
		if len(done) == 0 {
			return errSkip
		}
		to := HoldApproved
		if status == guard.Discarded {
			to = HoldDiscarded
		}
		for _, id := range done {
			ok, err := s.store.decideHold(ctx, tx, id, HoldOpen, to, by, u.Feed.ID, s.now())
			if err != nil {
				return err
			}
			if !ok {
				return fmt.Errorf("decide hold %s: %w", id, errFenceLost)
			}
		}
		return nil
	}
	_, err = s.complete(ctx, u, c)
	if errors.Is(err, errSkip) {
		return 0, left, nil
	}
	return int64(len(done)), left, err
}

// decideRemovals closes a hold on removals. Approved ones are carried out by a
// unit of work that is stored in the same transaction, and named.
func (s *Service) decideRemovals(ctx context.Context, h *Hold, status guard.Status, by string) (done bool, id FeedID, err error) {
	pool, err := s.store.pool(ctx)
	if err != nil {
		return false, "", err
	}
	source, err := s.store.feed(ctx, h.Feed)
	if err != nil {
		return false, "", err
	}
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		to := HoldDiscarded
		id = ""
		if status == guard.Approved {
			to = HoldApproved
			unit := &Feed{Kind: feed.KindFull, SourceTime: source.SourceTime}
			if id, err = s.enqueueAs(ctx, tx, unit, CauseOperator, h.Key.Merchant, []FeedStore{{Key: h.Key, Rows: h.Removals}},
				Detail{RemovalsOf: h.ID, Note: fmt.Sprintf("approved: %d removals", h.Removals)}, by); err != nil {
				return err
			}
		}
		done, err = s.store.decideHold(ctx, tx, h.ID, HoldOpen, to, by, id, s.now())
		if err == nil && !done {
			return errSkip
		}
		return err
	})
	if errors.Is(err, errSkip) {
		return false, "", nil
	}
	if err == nil && id != "" {
		s.start(ctx, id)
	}
	return done, id, err
}

// reopen takes decisions back. It leaves a hold alone whose item something
// else has changed since, and removals that were carried out.
func (s *Service) reopen(ctx context.Context, merchant string, ids []string, by string) (int64, []skipped, error) {
	pool, err := s.store.pool(ctx)
	if err != nil {
		return 0, nil, err
	}
	choices := make([]choice, len(ids))
	for i, id := range ids {
		choices[i].ID = id
	}
	holds, left, err := s.chosen(ctx, pool, merchant, choices)
	if err != nil {
		return 0, nil, err
	}
	var reopened int64
	for _, group := range byStore(holds) {
		for i := range group {
			h := &group[i]
			reason, err := s.reopenOne(ctx, h, by)
			if err != nil {
				return reopened, left, err
			}
			if reason != "" {
				left = append(left, skipped{h.ID, reason})
				continue
			}
			reopened++
		}
	}
	s.deps.Metrics.decided.WithLabelValues("reopened").Add(float64(reopened))
	return reopened, left, nil
}

func (s *Service) reopenOne(ctx context.Context, h *Hold, by string) (reason string, err error) {
	switch {
	case h.State == HoldOpen:
		return "it is open", nil
	case h.State == HoldSuperseded:
		return "a newer price has superseded it", nil
	case h.ofRemovals() && h.State == HoldApproved:
		return "its removals are being carried out: a new full file brings the items back", nil
	}
	u, err := s.synchronous(ctx, h.Key, CauseOperator, "decision taken back", by)
	if err != nil {
		return "", err
	}
	c := &chunk{Also: func(ctx context.Context, tx pgx.Tx) error {
		if reason != "" {
			return errSkip
		}
		ok, err := s.store.decideHold(ctx, tx, h.ID, h.State, HoldOpen, "", "", s.now())
		if err == nil && !ok {
			reason = "somebody else was faster"
			return errSkip
		}
		return err
	}}
	if !h.ofRemovals() {
		before, err := s.beforeDecision(ctx, h)
		if err != nil {
			return "", err
		}
		c.IDs = []string{h.Item}
		c.Revise = func(_ string, it *stored) (judge.State, bool, error) {
			reason = ""
			if it.ChangeFeed != h.DecidedFeed || before == nil {
				reason = "the item has changed since the decision"
				return it.State, false, nil
			}
			state := *before
			state.SourceTime = it.State.SourceTime
			return state, true, nil
		}
	}
	_, err = s.complete(ctx, u, c)
	if errors.Is(err, errSkip) {
		return reason, nil
	}
	if constraintOf(err) == "hold_open" {
		return "another price of the item is held by now", nil
	}
	return "", err
}

// beforeDecision is the item's state before its hold was decided on.
func (s *Service) beforeDecision(ctx context.Context, h *Hold) (*judge.State, error) {
	line, err := s.changeOf(ctx, h.DecidedFeed, h.Key.Store, 0, h.Item)
	if err != nil || line == nil {
		return nil, err
	}
	return line.before()
}
