package inventory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
)

const closeHolds = `
UPDATE hold SET state = 'superseded', decided_at = $4
WHERE merchant_id = $1 AND store_id = $2 AND item_id = ANY($3) AND state = 'open'`

const openHoldRows = `
INSERT INTO hold (hold_id, merchant_id, store_id, item_id, item_name, guard, before_minor, after_minor, median_minor,
  currency, feed_id, row, detail, state, created_at)
SELECT h, $1, $2, i, n, g, b, a, m, c, f, r, d, 'open', $14
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::int8[], $8::int8[], $9::int8[], $10::text[],
  $11::text[], $12::int8[], $13::text[]) AS opened (h, i, n, g, b, a, m, c, f, r, d)
ON CONFLICT (hold_id) DO UPDATE SET state = 'open', created_at = excluded.created_at, decided_at = NULL, decided_by = '',
  decided_feed = '', before_minor = excluded.before_minor, median_minor = excluded.median_minor, detail = excluded.detail`

// changeHolds takes the steps of a chunk's holds: first the superseded ones
// close, then new ones open, so that an item never has two.
func (s *store) changeHolds(ctx context.Context, tx pgx.Tx, key StoreKey, h *holdChanges, now time.Time) error {
	if len(h.Close) > 0 {
		if _, err := tx.Exec(ctx, closeHolds, planned, key.Merchant, key.Store, h.Close, now); err != nil {
			return fmt.Errorf("supersede %d holds of store %s: %w", len(h.Close), key, err)
		}
	}
	if len(h.Open) == 0 {
		return nil
	}
	n := len(h.Open)
	ids, items, names, guards := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	currencies, feeds, details := make([]string, n), make([]string, n), make([]string, n)
	before, after, medians, rows := make([]*int64, n), make([]*int64, n), make([]*int64, n), make([]int64, n)
	for i := range h.Open {
		o := &h.Open[i]
		ids[i], items[i], names[i], guards[i] = o.ID, o.Item, o.ItemName, o.Guard
		currencies[i], feeds[i], details[i] = o.Currency, string(o.Feed), o.Detail
		before[i], after[i], medians[i], rows[i] = o.Before, o.After, o.Median, o.Row
	}
	if _, err := tx.Exec(ctx, openHoldRows, key.Merchant, key.Store, ids, items, names, guards, before, after, medians,
		currencies, feeds, rows, details, now); err != nil {
		return fmt.Errorf("open %d holds of store %s: %w", n, key, err)
	}
	return nil
}

// holdRemovals opens the hold on a full file's removals, and supersedes an
// older one of the store: the newest file says what is absent.
func (s *store) holdRemovals(ctx context.Context, tx pgx.Tx, h *Hold) error {
	if err := s.changeHolds(ctx, tx, h.Key, &holdChanges{Close: []string{""}}, h.CreatedAt); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `
INSERT INTO hold (hold_id, merchant_id, store_id, item_id, guard, currency, feed_id, detail, removals, removals_key, state, created_at)
VALUES ($1, $2, $3, '', $4, $5, $6, $7, $8, $9, 'open', $10) ON CONFLICT (hold_id) DO NOTHING`,
		h.ID, h.Key.Merchant, h.Key.Store, h.Guard, h.Currency, h.Feed, h.Detail, h.Removals, h.RemovalsKey, h.CreatedAt)
	if err != nil {
		return fmt.Errorf("hold removals of store %s: %w", h.Key, err)
	}
	return nil
}

const selectHold = `
SELECT h.hold_id, h.merchant_id, h.store_id, coalesce(s.name, ''), coalesce(m.name, ''), h.item_id, h.item_name, h.guard,
  h.before_minor, h.after_minor, h.median_minor, h.currency, h.feed_id, h.row, h.detail, h.removals, h.removals_key,
  h.state, h.created_at, h.decided_at, h.decided_by, h.decided_feed
FROM hold h
LEFT JOIN store s ON s.merchant_id = h.merchant_id AND s.store_id = h.store_id
LEFT JOIN merchant m ON m.merchant_id = h.merchant_id`

func scanHold(row pgx.CollectableRow) (Hold, error) {
	var h Hold
	var decided *time.Time
	err := row.Scan(&h.ID, &h.Key.Merchant, &h.Key.Store, &h.StoreName, &h.MerchantName, &h.Item, &h.ItemName, &h.Guard,
		&h.Before, &h.After, &h.Median, &h.Currency, &h.Feed, &h.Row, &h.Detail, &h.Removals, &h.RemovalsKey,
		&h.State, &h.CreatedAt, &decided, &h.DecidedBy, &h.DecidedFeed)
	h.DecidedAt = orZero(decided)
	return h, err
}

// holdFilter narrows a list of holds.
type holdFilter struct {
	Merchant   string
	Store      string
	Feed       FeedID
	All        bool
	BeforeTime time.Time
	BeforeID   string
	Limit      int
}

const listHolds = selectHold + `
WHERE ($1 = '' OR h.merchant_id = $1) AND ($2 = '' OR h.store_id = $2) AND ($3 = '' OR h.feed_id = $3)
  AND ($4 OR h.state = 'open')
  AND ($5::timestamptz IS NULL OR (h.created_at, h.hold_id) < ($5, $6))
ORDER BY h.created_at DESC, h.hold_id DESC LIMIT $7`

func (s *store) holds(ctx context.Context, f holdFilter) ([]Hold, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, listHolds, f.Merchant, f.Store, f.Feed, f.All, orNull(f.BeforeTime), f.BeforeID, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	holds, err := pgx.CollectRows(rows, scanHold)
	if err != nil {
		return nil, fmt.Errorf("list holds: %w", err)
	}
	return holds, nil
}

// holdsByID reads holds, those of one merchant only where it is given.
func (s *store) holdsByID(ctx context.Context, q querier, merchant string, ids []string) ([]Hold, error) {
	rows, err := q.Query(ctx, selectHold+` WHERE h.hold_id = ANY($1) AND ($2 = '' OR h.merchant_id = $2)`, ids, merchant)
	if err != nil {
		return nil, fmt.Errorf("read %d holds: %w", len(ids), err)
	}
	holds, err := pgx.CollectRows(rows, scanHold)
	if err != nil {
		return nil, fmt.Errorf("read %d holds: %w", len(ids), err)
	}
	return holds, nil
}

// openHold is the open hold of an item, nil where it has none.
func (s *store) openHold(ctx context.Context, key StoreKey, item string) (*Hold, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, selectHold+`
WHERE h.merchant_id = $1 AND h.store_id = $2 AND h.item_id = $3 AND h.state = 'open'`, key.Merchant, key.Store, item)
	if err != nil {
		return nil, fmt.Errorf("read hold of item %s of store %s: %w", item, key, err)
	}
	h, err := pgx.CollectExactlyOneRow(rows, scanHold)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read hold of item %s of store %s: %w", item, key, err)
	}
	return &h, nil
}

// selectHeldFeeds takes any hold of a feed as its sample.
const selectHeldFeeds = `
SELECT g.feed_id, coalesce(f.file_name, ''), g.holds, g.prices, g.removals, g.stores, g.guards, g.ratio, g.sample
FROM (
  SELECT h.feed_id, count(*) AS holds, count(*) FILTER (WHERE h.item_id <> '') AS prices, sum(h.removals)::int8 AS removals,
    count(DISTINCT (h.merchant_id, h.store_id)) AS stores, array_agg(DISTINCT h.guard) AS guards,
    coalesce(exp(avg(ln(h.after_minor::float8 / h.before_minor)) FILTER (WHERE h.after_minor > 0 AND h.before_minor > 0)), 0) AS ratio,
    min(h.hold_id) AS sample, max(h.created_at) AS newest
  FROM hold h WHERE h.state = 'open' AND ($1 = '' OR h.merchant_id = $1)
  GROUP BY h.feed_id ORDER BY newest DESC, h.feed_id LIMIT $2
) g
LEFT JOIN feed f ON f.feed_id = g.feed_id
ORDER BY g.newest DESC, g.feed_id`

// heldFeeds sums the open holds by the feed that brought them, newest first.
func (s *store) heldFeeds(ctx context.Context, merchant string, limit int) ([]*inventoryv1.HeldFeed, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, selectHeldFeeds, merchant, limit)
	if err != nil {
		return nil, fmt.Errorf("sum holds by feed: %w", err)
	}
	var samples []string
	held, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*inventoryv1.HeldFeed, error) {
		var h inventoryv1.HeldFeed
		var sample string
		err := row.Scan(&h.FeedId, &h.FileName, &h.Holds, &h.Prices, &h.Removals, &h.Stores, &h.Guards, &h.TypicalRatio, &sample)
		samples = append(samples, sample)
		return &h, err
	})
	if err != nil {
		return nil, fmt.Errorf("sum holds by feed: %w", err)
	}
	rows, err = pool.Query(ctx, selectHold+` WHERE h.hold_id = ANY($1)`, samples)
	if err != nil {
		return nil, fmt.Errorf("read a hold of each feed: %w", err)
	}
	holds, err := pgx.CollectRows(rows, scanHold)
	if err != nil {
		return nil, fmt.Errorf("read a hold of each feed: %w", err)
	}
	for i := range holds {
		for _, h := range held {
			if h.FeedId == string(holds[i].Feed) {
				h.Sample = holdOut(&holds[i])
			}
		}
	}
	return held, nil
}

// closedHold is the newest hold on a price of an item that was decided or
// superseded; nil where none was.
func (s *store) closedHold(ctx context.Context, key StoreKey, item string, after int64) (*Hold, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, selectHold+`
WHERE h.merchant_id = $1 AND h.store_id = $2 AND h.item_id = $3 AND h.after_minor = $4 AND h.state <> 'open'
ORDER BY h.decided_at DESC LIMIT 1`, key.Merchant, key.Store, item, after)
	if err != nil {
		return nil, fmt.Errorf("read closed holds of item %s of store %s: %w", item, key, err)
	}
	h, err := pgx.CollectExactlyOneRow(rows, scanHold)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read closed holds of item %s of store %s: %w", item, key, err)
	}
	return &h, nil
}

func (s *store) countOpenHolds(ctx context.Context, merchant string) (int64, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return 0, err
	}
	var n int64
	if err := pool.QueryRow(ctx, `
SELECT count(*) FROM hold WHERE state = 'open' AND ($1 = '' OR merchant_id = $1)`, merchant).Scan(&n); err != nil {
		return 0, fmt.Errorf("count open holds: %w", err)
	}
	return n, nil
}

// decideHold sets a hold's state if it still has the one expected, and says
// whether it had.
func (s *store) decideHold(ctx context.Context, tx pgx.Tx, id string, from, to HoldState, by string, unit FeedID, now time.Time) (bool, error) {
	tag, err := tx.Exec(ctx, `
UPDATE hold SET state = $3, decided_by = $4, decided_feed = $5, decided_at = $6 WHERE hold_id = $1 AND state = $2`,
		id, from, to, by, unit, orNull(now))
	if err != nil {
		return false, fmt.Errorf("decide hold %s: %w", id, err)
	}
	return tag.RowsAffected() == 1, nil
}
