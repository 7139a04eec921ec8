package inventory

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/platform/auth"
)

// How many rows of each kind a page of the console shows at first.
const (
	todayRows    = 8
	overviewRows = 1000
	findRows     = 8
	chartSteps   = 48
)

// GetToday says what needs a person now.
func (h *Handlers) GetToday(ctx context.Context, _ *inventoryv1.GetTodayRequest) (*inventoryv1.GetTodayResponse, error) {
	scope, err := auth.MerchantScope(ctx)
	if err != nil {
		return nil, err
	}
	s := h.service
	out := &inventoryv1.GetTodayResponse{}
	if out.OpenHolds, err = s.store.countOpenHolds(ctx, scope); err != nil {
		return nil, err
	}
	holds, err := s.store.holds(ctx, holdFilter{Merchant: scope, Limit: todayRows})
	if err != nil {
		return nil, err
	}
	out.Holds = mapOut(holds, holdOut)
	if out.HeldFeeds, err = s.store.heldFeeds(ctx, scope, todayRows); err != nil {
		return nil, err
	}
	stores, err := s.store.stores(ctx, scope, StoreKey{}, overviewRows)
	if err != nil {
		return nil, err
	}
	now := s.now()
	for i := range stores {
		st := &stores[i]
		if behind, late := st.Late(now); late {
			out.LateStores = append(out.LateStores, &inventoryv1.LateStore{
				Store: storeOut(st, now), LastFeedAt: stamp(st.Watermark),
				UsualIntervalMs: st.FullInterval.Milliseconds(), LateByMs: behind.Milliseconds(),
			})
		}
		if st.Items > 0 && st.Hidden[string(judge.HiddenPredicted)]*2 > st.Items {
			out.EmptyingStores = append(out.EmptyingStores, storeOut(st, now))
		}
	}
	if out.FeedsToSee, err = h.feedsToSee(ctx, scope, now); err != nil {
		return nil, err
	}
	running, err := s.store.feeds(ctx, feedFilter{
		Merchant: scope, Statuses: []string{string(Queued), string(Running)}, AllCauses: true, Limit: todayRows,
	})
	if err != nil {
		return nil, err
	}
	out.Running = mapOut(running, feedOut)
	return out, nil
}

// feedsToSee are the feeds of the last week that failed, were cut off, or had
// rows rejected or removals held.
func (h *Handlers) feedsToSee(ctx context.Context, merchant string, now time.Time) ([]*inventoryv1.Feed, error) {
	feeds, err := h.service.store.feeds(ctx, feedFilter{Merchant: merchant, Limit: 200})
	if err != nil {
		return nil, err
	}
	var out []*inventoryv1.Feed
	for i := range feeds {
		f := &feeds[i]
		troubled := f.Status == Failed || f.Truncated || f.Account.Rejected > 0 || f.Account.RemovalsHeld > 0
		if troubled && now.Sub(f.SubmittedAt) < 7*24*time.Hour && len(out) < todayRows {
			out = append(out, feedOut(f))
		}
	}
	return out, nil
}

// GetOverview answers the inventory's overview page.
func (h *Handlers) GetOverview(ctx context.Context, req *inventoryv1.GetOverviewRequest) (*inventoryv1.GetOverviewResponse, error) {
	merchant, err := auth.MerchantFilter(ctx, req.GetMerchantId())
	if err != nil {
		return nil, err
	}
	s := h.service
	merchants, err := s.store.merchants(ctx, merchant, "", overviewRows)
	if err != nil {
		return nil, err
	}
	stores, err := s.store.stores(ctx, merchant, StoreKey{}, overviewRows)
	if err != nil {
		return nil, err
	}
	now := s.now()
	out := &inventoryv1.GetOverviewResponse{
		Merchants: mapOut(merchants, merchantOut),
		Stores:    mapOut(stores, func(st *Store) *inventoryv1.Store { return storeOut(st, now) }),
	}
	hidden := map[string]int64{}
	for i := range stores {
		st := &stores[i]
		out.Items += st.Items
		out.Shown += st.Shown
		out.Held += st.Held
		for reason, n := range st.Hidden {
			hidden[reason] += n
		}
	}
	out.Hidden = out.Items - out.Shown
	for _, reason := range []judge.Hidden{judge.HiddenMerchant, judge.HiddenPredicted, judge.HiddenNoPrice} {
		if n := hidden[string(reason)]; n > 0 {
			out.HiddenReasons = append(out.HiddenReasons, &inventoryv1.HiddenReason{Reason: string(reason), Items: n})
		}
	}
	reach := time.Duration(req.GetHours()) * time.Hour
	if reach <= 0 {
		if reach, err = s.store.busyReach(ctx, merchant, now); err != nil {
			return nil, err
		}
	}
	step := reach / chartSteps
	out.StepMs = step.Milliseconds()
	if out.Throughput, err = s.store.throughput(ctx, merchant, now, step); err != nil {
		return nil, err
	}
	feeds, err := s.store.feeds(ctx, feedFilter{Merchant: merchant, Limit: todayRows})
	if err != nil {
		return nil, err
	}
	out.RecentFeeds = mapOut(feeds, feedOut)
	return out, nil
}

// busyReach is the least of a few ranges of time that shows all of the last
// day's work: a chart of a day tells little of a marketplace that began an hour
// ago.
func (s *store) busyReach(ctx context.Context, merchant string, now time.Time) (time.Duration, error) {
	const day = 24 * time.Hour
	pool, err := s.pool(ctx)
	if err != nil {
		return 0, err
	}
	var first *time.Time
	if err := pool.QueryRow(ctx, `
SELECT min(c.done_at) FROM feed_chunk c JOIN feed f ON f.feed_id = c.feed_id
WHERE c.done_at >= $2 AND ($1 = '' OR f.merchant_id = $1)`, merchant, now.Add(-day)).Scan(&first); err != nil {
		return 0, fmt.Errorf("find the first work of the day: %w", err)
	}
	if first == nil {
		return day, nil
	}
	for _, reach := range []time.Duration{time.Hour, 6 * time.Hour} {
		if now.Sub(*first) < reach {
			return reach, nil
		}
	}
	return day, nil
}

const selectThroughput = `
SELECT floor(extract(epoch FROM c.done_at - $2) / $4)::int8, sum(c.applied)::int8, sum(c.unchanged)::int8, sum(c.held)::int8,
  sum(c.rejected)::int8, count(DISTINCT c.feed_id)
FROM feed_chunk c JOIN feed f ON f.feed_id = c.feed_id
WHERE c.done_at >= $2 AND c.done_at < $3 AND ($1 = '' OR f.merchant_id = $1)
GROUP BY 1`

// throughput sums the ledger in equal steps that end now, the oldest first.
func (s *store) throughput(ctx context.Context, merchant string, now time.Time, step time.Duration) ([]*inventoryv1.ThroughputPoint, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	from := now.Add(-step * chartSteps)
	points := make([]*inventoryv1.ThroughputPoint, chartSteps)
	for i := range points {
		points[i] = &inventoryv1.ThroughputPoint{At: stamp(from.Add(step * time.Duration(i)))}
	}
	rows, err := pool.Query(ctx, selectThroughput, merchant, from, now, step.Seconds())
	if err != nil {
		return nil, fmt.Errorf("sum the ledger: %w", err)
	}
	var at int64
	var p inventoryv1.ThroughputPoint
	_, err = pgx.ForEachRow(rows, []any{&at, &p.Applied, &p.Unchanged, &p.Held, &p.Rejected, &p.Feeds}, func() error {
		if at >= 0 && at < chartSteps {
			to := points[at]
			to.Applied, to.Unchanged, to.Held, to.Rejected, to.Feeds = p.Applied, p.Unchanged, p.Held, p.Rejected, p.Feeds
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sum the ledger: %w", err)
	}
	return points, nil
}

// Find answers the command palette: stores, items and feeds.
func (h *Handlers) Find(ctx context.Context, req *inventoryv1.FindRequest) (*inventoryv1.FindResponse, error) {
	scope, err := auth.MerchantScope(ctx)
	if err != nil {
		return nil, err
	}
	s := h.service
	now := s.now()
	stores, err := s.store.findStores(ctx, scope, req.GetQuery(), findRows)
	if err != nil {
		return nil, err
	}
	items, err := s.store.searchItems(ctx, itemFilter{Merchant: scope, Query: req.GetQuery(), Limit: findRows})
	if err != nil {
		return nil, err
	}
	feeds, err := s.store.findFeeds(ctx, scope, req.GetQuery(), findRows)
	if err != nil {
		return nil, err
	}
	return &inventoryv1.FindResponse{
		Stores: mapOut(stores, func(st *Store) *inventoryv1.Store { return storeOut(st, now) }),
		Items:  mapOut(items, itemOut), Feeds: mapOut(feeds, feedOut),
	}, nil
}

func (s *store) findStores(ctx context.Context, merchant, query string, limit int) ([]Store, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, selectStore+`
WHERE ($1 = '' OR s.merchant_id = $1) AND (s.name ILIKE $2 OR s.store_id ILIKE $2 OR m.name ILIKE $2)
ORDER BY s.merchant_id, s.store_id LIMIT $3`, merchant, likePattern(query), limit)
	if err != nil {
		return nil, fmt.Errorf("find stores: %w", err)
	}
	return pgx.CollectRows(rows, scanStore)
}

func (s *store) findFeeds(ctx context.Context, merchant, query string, limit int) ([]Feed, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, selectFeed+`
WHERE ($1 = '' OR f.merchant_id = $1) AND f.cause = 'feed' AND (f.file_name ILIKE $2 OR f.feed_id ILIKE $2)
ORDER BY f.submitted_at DESC LIMIT $3`, merchant, likePattern(query), limit)
	if err != nil {
		return nil, fmt.Errorf("find feeds: %w", err)
	}
	return pgx.CollectRows(rows, scanFeed)
}
