package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/blob"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// errFenceBusy says that another unit of work applies to the store first.
var errFenceBusy = fault.New(fault.Unavailable, "another feed applies to this store first")

// runStore does all of a unit's work on one store: it plans the removals of a
// full file, applies each chunk that the ledger has not, publishes the menu
// and frees the fence. It is safe to repeat from any point.
func (s *Service) runStore(ctx context.Context, id FeedID, storeID string, beat func(chunk int)) error {
	f, err := s.store.feed(ctx, id)
	if err != nil || f.Status.Final() {
		return err
	}
	u := &unit{Feed: &f, Token: attempt()}
	part, err := s.store.feedStore(ctx, id, storeID)
	if err != nil {
		return err
	}
	if part.Finished {
		return s.publishBehind(ctx, part.Key)
	}
	var got bool
	if got, u.since, err = s.store.takeFence(ctx, part.Key, id, u.Token); err != nil {
		return err
	}
	if !got {
		return fmt.Errorf("feed %s in store %s: %w", id, part.Key, errFenceBusy)
	}
	// Whoever held the fence until now may have come further than what was read
	// before, and the unit may have ended.
	if f, err = s.store.feed(ctx, id); err != nil {
		return err
	}
	if f.Status.Final() {
		return s.store.releaseFence(ctx, part.Key, u.Token)
	}
	if part, err = s.store.feedStore(ctx, id, storeID); err != nil {
		return err
	}
	if part.Finished {
		if err := s.store.releaseFence(ctx, part.Key, u.Token); err != nil {
			return err
		}
		return s.publishBehind(ctx, part.Key)
	}
	if u.Store, err = s.store.storeByKey(ctx, part.Key); err != nil {
		return err
	}
	done, err := s.store.chunksDone(ctx, id, part.Key)
	if err != nil {
		return err
	}
	switch {
	case f.RawKey != "":
		err = s.runSegment(ctx, u, &part, done, beat)
	default:
		err = s.runKept(ctx, u, done, beat)
	}
	if err != nil {
		return err
	}
	writes, err := s.store.finishFeedStore(ctx, &f, part.Key, u.Token, s.now())
	if err != nil {
		return err
	}
	if u.menu != nil && u.alone(u.since, writes) {
		if flipped, err := s.flip(ctx, part.Key, u.menu, u.Store.MenuVersion, writes, s.deps.Now()); err != nil || flipped {
			return err
		}
	}
	return s.publish(ctx, part.Key)
}

// movesWatermark says that the feed is the newest word on every item of its
// stores: a whole full file. A cut-off one is not.
func (f *Feed) movesWatermark() bool {
	return f.Cause == CauseFeed && f.Kind == feed.KindFull && !f.Truncated
}

// runSegment applies a feed's segment, then what it leaves out.
func (s *Service) runSegment(ctx context.Context, u *unit, part *FeedStore, done map[int]bool, beat func(int)) error {
	f := u.Feed
	mapping, err := s.mappings.byVersion(ctx, f.Merchant, f.MappingVersion)
	if err != nil {
		return err
	}
	u.Mapping = mapping
	var seg *feed.SegmentReader
	if part.Chunks > 0 {
		if seg, err = s.segment(ctx, part.SegmentKey); err != nil {
			return fmt.Errorf("open segment of feed %s, store %s: %w", f.ID, part.Key, err)
		}
	}
	first := nothing
	if f.Kind == feed.KindFull {
		ahead, err := s.scanSegment(ctx, seg)
		if err != nil {
			return fmt.Errorf("scan segment of feed %s, store %s: %w", f.ID, part.Key, err)
		}
		if u.Products, err = s.productsOf(ctx, ahead.gtins); err != nil {
			return err
		}
		if len(done) == 0 && !part.Planned {
			u.menu = newDraft()
		}
		first = func(ctx context.Context) error { return s.plan(ctx, u, part, ahead.items) }
	}
	if err := s.applyAll(ctx, u, segmentChunks(seg, part, done), beat, first); err != nil {
		return fmt.Errorf("feed %s: %w", f.ID, err)
	}
	return s.removeAbsent(ctx, u, part, done, beat)
}

// segmentChunks reads those chunks of a store's segment that are not done.
func segmentChunks(seg *feed.SegmentReader, part *FeedStore, done map[int]bool) iter.Seq2[*chunk, error] {
	return func(yield func(*chunk, error) bool) {
		for k := range part.Chunks {
			if done[k] {
				continue
			}
			rows, err := seg.ReadChunk(nil, k)
			ids := make([]string, len(rows))
			for i := range rows {
				rows[i].Values[feed.StoreID] = part.Key.Store
				ids[i] = rows[i].Values[feed.ItemID]
			}
			if !yield(&chunk{Number: k, IDs: ids, Rows: rows}, err) {
				return
			}
		}
	}
}

// nothing comes before a unit's first chunk.
func nothing(context.Context) error { return nil }

// scan is what one pass over a segment tells before any of it is judged.
type scan struct {
	items []string
	gtins map[normalize.GTIN]struct{}
}

// scanSegment reads through a segment; nil is one without rows.
func (s *Service) scanSegment(ctx context.Context, seg *feed.SegmentReader) (*scan, error) {
	out := &scan{gtins: map[normalize.GTIN]struct{}{}}
	if seg == nil {
		return out, nil
	}
	var rows []feed.Row
	for k := range seg.Chunks() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		if rows, err = seg.ReadChunk(rows[:0], k); err != nil {
			return nil, err
		}
		for i := range rows {
			out.items = append(out.items, strings.Clone(rows[i].Values[feed.ItemID]))
		}
		collectGTINs(rows, out.gtins)
	}
	return out, nil
}

// productsOf is the store's one lookup in the catalogue. A feed that is laid
// over kept rows looks up per chunk instead, as a kept row may know a GTIN
// that the feed does not repeat.
func (s *Service) productsOf(ctx context.Context, gtins map[normalize.GTIN]struct{}) (map[normalize.GTIN]hydrate.Product, error) {
	pool, err := s.store.pool(ctx)
	if err != nil {
		return nil, err
	}
	return s.lookUp(ctx, pool, gtins)
}

// plan works out, once and before anything is applied, what a full file
// leaves out, and whether that is too much to go without a person.
func (s *Service) plan(ctx context.Context, u *unit, part *FeedStore, items []string) error {
	f := u.Feed
	if part.Planned || f.SourceTime.Before(u.Store.Watermark) {
		u.menu = nil
		return nil
	}
	started := s.deps.Now()
	pool, err := s.store.pool(ctx)
	if err != nil {
		return err
	}
	var absent []string
	listedItems, stay := 0, 0
	at := 0
	err = s.store.eachListed(ctx, pool, part.Key, func(l listed) error {
		if l.Delisted {
			return nil
		}
		listedItems++
		for at < len(items) && items[at] < l.ID {
			at++
		}
		switch {
		case at < len(items) && items[at] == l.ID:
		case l.Known.After(f.SourceTime):
			stay++
		default:
			absent = append(absent, l.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	limits := s.limits(&u.Store)
	verdict := guard.JudgeAbsences(listedItems, len(absent), limits.Absences)
	held := len(absent) > 0 && (verdict.Held || f.Truncated)
	if held || stay > 0 {
		u.menu = nil // it has items that the file does not name
	}
	listKey := ""
	if len(absent) > 0 {
		listKey = s.key(ctx, "removals", string(f.ID), part.Key.Store+"-"+attempt())
		encoded, err := json.Marshal(absent)
		if err != nil {
			return fmt.Errorf("encode removals of store %s: %w", part.Key, err)
		}
		if _, err := s.deps.Bucket.Put(ctx, listKey, bytes.NewReader(encoded)); err != nil {
			return fmt.Errorf("keep removals of store %s: %w", part.Key, err)
		}
	}
	var turn int64
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		var err error
		if turn, err = s.store.lockFence(ctx, tx, part.Key, u.Token); err != nil {
			return err
		}
		if held {
			if err := s.store.holdRemovals(ctx, tx, s.removalHold(u, part, len(absent), listedItems, listKey, limits.Absences)); err != nil {
				return err
			}
		} else if err := s.store.changeHolds(ctx, tx, part.Key, &holdChanges{Close: []string{""}}, s.now()); err != nil {
			return err
		}
		return s.store.planRemovals(ctx, tx, f.ID, part.Key, listKey, len(absent), held, s.now())
	})
	if err != nil {
		return err
	}
	u.turns = append(u.turns, turn)
	part.Planned, part.RemovalsKey, part.Removals, part.RemovalsHeld = true, listKey, int64(len(absent)), held
	s.deps.Metrics.stage("plan", s.deps.Now().Sub(started))
	return nil
}

// The rules that hold removals.
const (
	ruleRemovalsShare     = "removals_share"
	ruleRemovalsTruncated = "removals_truncated"
)

func (s *Service) removalHold(u *unit, part *FeedStore, absent, listedItems int, listKey string, limit guard.Absences) *Hold {
	h := &Hold{
		ID: stableID("h", part.Key.Merchant, part.Key.Store, "", string(u.Feed.ID)), Key: part.Key, Guard: ruleRemovalsShare,
		Currency: string(u.Store.Currency), Feed: u.Feed.ID, Removals: int64(absent), RemovalsKey: listKey, CreatedAt: s.now(),
	}
	h.Detail = fmt.Sprintf("The file leaves out %d of the store's %d items, more than %.4g%%: nothing is removed until a person agrees.",
		absent, listedItems, float64(limit.Share)/10)
	if u.Feed.Truncated {
		h.Guard = ruleRemovalsTruncated
		h.Detail = fmt.Sprintf("The file is cut off, so that %d of the store's %d items are not in it: nothing is removed until a person agrees.", absent, listedItems)
	}
	return h
}

// removeAbsent delists what a full file leaves out, in chunks of the ledger
// that follow those of its rows.
func (s *Service) removeAbsent(ctx context.Context, u *unit, part *FeedStore, done map[int]bool, beat func(int)) error {
	if part.Removals == 0 || part.RemovalsHeld {
		return nil
	}
	return s.delistAll(ctx, u, part.RemovalsKey, part.Chunks, done, beat)
}

func (s *Service) delistAll(ctx context.Context, u *unit, listKey string, first int, done map[int]bool, beat func(int)) error {
	encoded, err := blob.ReadAll(ctx, s.deps.Bucket, listKey)
	if err != nil {
		return fmt.Errorf("read removals of store %s: %w", u.Store.Key, err)
	}
	var absent []string
	if err := json.Unmarshal(encoded, &absent); err != nil {
		return fmt.Errorf("decode removals of store %s: %w", u.Store.Key, err)
	}
	return s.applyAll(ctx, u, func(yield func(*chunk, error) bool) {
		k := first
		for ids := range slices.Chunk(absent, s.chunkRows(u.Feed)) {
			if !done[k] && !yield(&chunk{Number: k, IDs: ids, Delist: true}, nil) {
				return
			}
			k++
		}
	}, beat, nothing)
}

// chunkRows is the size of a unit's chunks that no segment has laid down.
func (s *Service) chunkRows(f *Feed) int {
	if n := f.Detail.ChunkRows; n > 0 {
		return n
	}
	return s.cfg.ChunkRows
}

// runKept judges a store's kept rows again because of something that they
// rest on, or carries out a person's decision on held removals.
func (s *Service) runKept(ctx context.Context, u *unit, done map[int]bool, beat func(int)) error {
	f := u.Feed
	if f.Detail.RemovalsOf != "" {
		pool, err := s.store.pool(ctx)
		if err != nil {
			return err
		}
		holds, err := s.store.holdsByID(ctx, pool, f.Merchant, []string{f.Detail.RemovalsOf})
		if err != nil {
			return err
		}
		if len(holds) == 0 {
			return nil
		}
		return s.delistAll(ctx, u, holds[0].RemovalsKey, 0, done, beat)
	}
	u.Cause = judgeCause(f.Cause)
	return s.applyAll(ctx, u, s.keptChunks(ctx, u, done), beat, nothing)
}

// keptChunks pages through the items that a unit judges again.
func (s *Service) keptChunks(ctx context.Context, u *unit, done map[int]bool) iter.Seq2[*chunk, error] {
	only, gtins := u.Feed.Detail.Items, gtinTexts(u.Feed.Detail.GTINs)
	return func(yield func(*chunk, error) bool) {
		after := ""
		for k := 0; ; k++ {
			ids, err := only, error(nil)
			if len(only) == 0 {
				ids, err = s.store.itemIDsAfter(ctx, u.Store.Key, gtins, after, s.chunkRows(u.Feed))
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if len(ids) == 0 || !done[k] && !yield(&chunk{Number: k, IDs: ids}, nil) || len(only) > 0 {
				return
			}
			after = ids[len(ids)-1]
		}
	}
}

func judgeCause(c Cause) judge.Cause {
	switch c {
	case CauseCatalog:
		return judge.CatalogChanged
	case CauseSettings:
		return judge.SettingsChanged
	case CauseSignal:
		return judge.SignalChanged
	case CauseSchedule:
		return judge.TimePassed
	}
	return judge.Arrived
}

// begin marks a unit as running, splits its file if it has one that was not
// split yet, and reads its stores. ended is true where nothing is left to do.
func (s *Service) begin(ctx context.Context, id FeedID, beat func(rows int64)) (parts []FeedStore, ended bool, err error) {
	f, err := s.store.startFeed(ctx, id, s.now())
	if err != nil || f.Status.Final() {
		return nil, err == nil, err
	}
	if f.SplitAt.IsZero() {
		sp, err := s.splitFeed(ctx, &f, beat)
		if err != nil {
			return nil, false, err
		}
		if err := s.store.finishSplit(ctx, &f, sp, s.now()); err != nil {
			return nil, false, err
		}
	}
	pool, err := s.store.pool(ctx)
	if err != nil {
		return nil, false, err
	}
	parts, err = s.store.feedStores(ctx, pool, id)
	return parts, false, err
}

// RunFeed takes a unit of work from where it stands to its end in the
// caller's goroutine, store by store: the steps of FeedWorkflow without
// Temporal, for tests and measurements. An error leaves the unit unfinished.
func (s *Service) RunFeed(ctx context.Context, id FeedID) error {
	parts, ended, err := s.begin(ctx, id, func(int64) {})
	if err != nil || ended {
		return err
	}
	for _, p := range parts {
		if p.Finished {
			continue
		}
		if err := s.runStore(ctx, id, p.Key.Store, func(int) {}); err != nil {
			return err
		}
	}
	return s.finish(ctx, id, Done, "")
}

// finish ends a unit of work and sees to what rests on all of it.
func (s *Service) finish(ctx context.Context, id FeedID, status Status, reason string) error {
	f, err := s.store.finishFeed(ctx, id, status, reason, s.now())
	if err != nil {
		return err
	}
	s.deps.Metrics.feeds.WithLabelValues(string(f.Status), string(f.Cause)).Inc()
	s.deps.Metrics.feedSeconds.Observe(f.FinishedAt.Sub(f.SubmittedAt).Seconds())
	if f.Status != Done {
		return nil
	}
	started := s.deps.Now()
	if err := s.store.refreshMedians(ctx, f.Merchant, s.now()); err != nil {
		return err
	}
	s.deps.Metrics.stage("medians", s.deps.Now().Sub(started))
	return nil
}

// enqueue stores a unit of work that no file caused, for stores that it names.
func (s *Service) enqueue(ctx context.Context, tx pgx.Tx, cause Cause, merchant string, parts []FeedStore, detail Detail, by string) (FeedID, error) {
	return s.enqueueAs(ctx, tx, &Feed{Kind: feed.KindDelta, SourceTime: s.now()}, cause, merchant, parts, detail, by)
}

// enqueueAs is enqueue for a unit of another kind and source time.
func (s *Service) enqueueAs(ctx context.Context, tx pgx.Tx, f *Feed, cause Cause, merchant string, parts []FeedStore, detail Detail, by string) (FeedID, error) {
	id, err := newFeedID()
	if err != nil {
		return "", err
	}
	now := s.now()
	f.ID, f.Merchant, f.Cause, f.Status, f.Detail = id, merchant, cause, Queued, detail
	f.SubmittedAt, f.SplitAt, f.SubmittedBy = now, now, by
	f.Detail.ChunkRows = s.cfg.ChunkRows
	if len(parts) == 1 {
		f.Store = parts[0].Key.Store
	}
	if err := s.store.insertFeed(ctx, tx, f); err != nil {
		return "", err
	}
	return id, s.store.insertFeedStores(ctx, tx, id, merchant, parts)
}

// start starts a stored unit of work; one that cannot be started now is found
// by the sweep.
func (s *Service) start(ctx context.Context, id FeedID) {
	if _, err := s.deps.Starter.StartFeed(ctx, id); err != nil && !errors.Is(err, context.Canceled) {
		s.deps.Logger.WarnContext(ctx, "start feed later", "feed_id", string(id), "error", err.Error())
	}
}

// canceled is what a feed says that a person ended.
const canceled = "canceled; the stores that were done by then stay as they are"

// cancel asks a unit of work to end. One whose workflow never started ends at
// once, or the sweep would start it all the same.
func (s *Service) cancel(ctx context.Context, id FeedID) error {
	running, err := s.deps.Starter.CancelFeed(ctx, id)
	if err != nil || running {
		return err
	}
	return s.finish(ctx, id, Canceled, canceled)
}

// sweep starts what was stored and never started, in the tenant of ctx.
func (s *Service) sweep(ctx context.Context, olderThan time.Duration) error {
	ids, err := s.store.openFeeds(ctx, s.now().Add(-olderThan))
	if err != nil {
		return err
	}
	for _, id := range ids {
		started, err := s.deps.Starter.StartFeed(ctx, id)
		if err != nil {
			return fmt.Errorf("start feed %s: %w", id, err)
		}
		if started {
			s.deps.Metrics.swept.Inc()
		}
	}
	return nil
}
