package inventory

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/money"
	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// stored is one item as a chunk finds it.
type stored struct {
	State       judge.State
	Kept        feed.Row
	Mapping     mappingRef
	ChangeFeed  FeedID
	ChangeChunk int
	ChangedAt   time.Time
	// What State, Kept and Mapping were decoded from.
	stateBytes, keptBytes []byte
}

const selectKnown = `
SELECT i.item_id, i.state, i.kept, i.source_time, i.change_feed, i.change_chunk, i.changed_at, c.source_time, c.shelf_time
FROM item i
LEFT JOIN item_confirmation c ON c.merchant_id = i.merchant_id AND c.store_id = i.store_id AND c.item_id = i.item_id
WHERE i.merchant_id = $1 AND i.store_id = $2 AND i.item_id = ANY($3)`

// known reads what is known of items of a store before their rows are judged:
// one statement each for states, medians and histories, whatever the number
// of items.
func (s *store) known(ctx context.Context, q querier, key StoreKey, ids []string) (map[string]judge.Known, map[string]*stored, error) {
	known := make(map[string]judge.Known, len(ids))
	items := make(map[string]*stored, len(ids))
	block := make([]stored, len(ids))
	rows, err := q.Query(ctx, selectKnown, planned, key.Merchant, key.Store, ids)
	if err != nil {
		return nil, nil, fmt.Errorf("read %d items of store %s: %w", len(ids), key, err)
	}
	var id string
	var state, kept []byte
	var sourceTime time.Time
	var confirmed, shelf *time.Time
	var it stored
	_, err = pgx.ForEachRow(rows, []any{&id, &state, &kept, &sourceTime, &it.ChangeFeed, &it.ChangeChunk, &it.ChangedAt, &confirmed, &shelf}, func() error {
		row := &block[len(items)]
		row.ChangeFeed, row.ChangeChunk, row.ChangedAt = it.ChangeFeed, it.ChangeChunk, it.ChangedAt
		if err := row.decode(id, state, kept, sourceTime); err != nil {
			return err
		}
		items[id] = row
		known[id] = judge.Known{State: &row.State, Kept: &row.Kept, Confirmed: orZero(confirmed), ConfirmedAvailability: orZero(shelf)}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read %d items of store %s: %w", len(ids), key, err)
	}
	if err := s.addMedians(ctx, q, key, ids, known); err != nil {
		return nil, nil, err
	}
	return known, items, nil
}

func (it *stored) decode(id string, state, kept []byte, sourceTime time.Time) error {
	var err error
	if it.State, err = decodeState(state); err != nil {
		return fmt.Errorf("decode state of item %s: %w", id, err)
	}
	if it.Kept, it.Mapping, err = decodeKept(kept); err != nil {
		return fmt.Errorf("decode kept row of item %s: %w", id, err)
	}
	it.State.SKU, it.State.SourceTime = id, sourceTime
	it.Kept.Number = it.State.Row
	it.stateBytes, it.keptBytes = state, kept
	return nil
}

const selectMedians = `
SELECT item_id, price_minor, per, stores FROM item_median WHERE merchant_id = $1 AND item_id = ANY($2)`

func (s *store) addMedians(ctx context.Context, q querier, key StoreKey, ids []string, known map[string]judge.Known) error {
	rows, err := q.Query(ctx, selectMedians, planned, key.Merchant, ids)
	if err != nil {
		return fmt.Errorf("read medians for store %s: %w", key, err)
	}
	var id string
	var m guard.Median
	_, err = pgx.ForEachRow(rows, []any{&id, (*int64)(&m.Price), (*int64)(&m.Per), &m.Stores}, func() error {
		k := known[id]
		k.Median = m
		known[id] = k
		return nil
	})
	if err != nil {
		return fmt.Errorf("read medians for store %s: %w", key, err)
	}
	return nil
}

const selectHistories = `
SELECT level, key, found, not_found, at, last_found, last_at FROM signal_count
WHERE merchant_id = $1 AND store_id = $2 AND (level = 'category' OR key = ANY($3))
UNION ALL
SELECT 'everywhere', key, found, not_found, at, last_found, last_at FROM signal_count
WHERE merchant_id = $1 AND store_id = '' AND level = 'item' AND key = ANY($3)`

// histories reads the signals' counts for items of a store, and puts those
// of the items into known.
func (s *store) histories(ctx context.Context, q querier, key StoreKey, ids []string, known map[string]judge.Known) (map[string]availability.Counts, error) {
	rows, err := q.Query(ctx, selectHistories, planned, key.Merchant, key.Store, ids)
	if err != nil {
		return nil, fmt.Errorf("read signal histories of store %s: %w", key, err)
	}
	categories := map[string]availability.Counts{}
	var level, name string
	var c availability.Counts
	var last availability.Signal
	_, err = pgx.ForEachRow(rows, []any{&level, &name, &c.Found, &c.NotFound, &c.At, &last.Found, &last.At}, func() error {
		k := known[name]
		switch level {
		case "category":
			categories[name] = c
			return nil
		case "everywhere":
			k.History.Item = c
		default:
			k.History.ItemStore, k.History.Last = c, last
		}
		known[name] = k
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read signal histories of store %s: %w", key, err)
	}
	return categories, nil
}

// write is one item's new state, and what it had before; nil for a new item.
type write struct {
	ID      string
	Before  *stored
	State   *judge.State
	Kept    *feed.Row
	Mapping mappingRef

	// State, and Kept with Mapping, as they are stored.
	stateBytes, keptBytes []byte
}

// encode makes the bytes of writes, which the database and the before/after
// object both take.
func encode(writes []write) {
	var arena []byte
	take := func(from int) []byte { return arena[from:len(arena):len(arena)] }
	for i := range writes {
		w := &writes[i]
		// What was cut from an arena before it grew stays good.
		from := len(arena)
		arena = appendState(arena, w.State)
		w.stateBytes = take(from)
		from = len(arena)
		arena = appendKept(arena, w.Kept, w.Mapping)
		w.keptBytes = take(from)
		if i == 0 {
			arena = slices.Grow(arena, len(writes)*len(arena)*5/4)
		}
	}
}

const mergeItems = `
WITH moved AS (
  DELETE FROM item_staging WHERE load = $1 RETURNING item_id, state, kept, source_time, rejudge_at
)
INSERT INTO item (merchant_id, store_id, item_id, state, kept, source_time, change_feed, change_chunk, changed_at, rejudge_at)
SELECT $2, $3, item_id, state, kept, source_time, $4, $5, $6, rejudge_at FROM moved
ON CONFLICT (merchant_id, store_id, item_id) DO UPDATE SET state = excluded.state, kept = excluded.kept,
  source_time = excluded.source_time, change_feed = excluded.change_feed, change_chunk = excluded.change_chunk,
  changed_at = excluded.changed_at, rejudge_at = excluded.rejudge_at`

// mergeWrites brings a chunk's writes in: COPY into staging, then one merge.
// The caller's transaction holds the store's fence.
func (s *store) mergeWrites(ctx context.Context, tx pgx.Tx, l *ledger, writes []write) error {
	// Only this transaction ever sees the load's rows, so that a number which
	// nobody else uses at the same time is enough.
	load := rand.Int64()
	source := pgx.CopyFromSlice(len(writes), func(i int) ([]any, error) {
		w := &writes[i]
		return []any{load, w.ID, w.stateBytes, w.keptBytes, w.State.SourceTime, orNull(w.State.RejudgeAt)}, nil
	})
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"item_staging"}, []string{"load", "item_id", "state", "kept", "source_time", "rejudge_at"}, source); err != nil {
		return fmt.Errorf("stage %d items of store %s: %w", len(writes), l.Key, err)
	}
	if _, err := tx.Exec(ctx, mergeItems, load, l.Key.Merchant, l.Key.Store, l.Feed, l.Chunk, l.At); err != nil {
		return fmt.Errorf("merge %d items of store %s: %w", len(writes), l.Key, err)
	}
	return nil
}

// confirmation is what an unchanged row of a partial file confirms.
type confirmation struct {
	ID    string
	Row   time.Time // of the whole row; zero for its availability alone
	Shelf time.Time
}

const mergeConfirmations = `
INSERT INTO item_confirmation (merchant_id, store_id, item_id, source_time, shelf_time)
SELECT $1, $2, i, t, h FROM unnest($3::text[], $4::timestamptz[], $5::timestamptz[]) AS c (i, t, h)
ON CONFLICT (merchant_id, store_id, item_id) DO UPDATE SET
  source_time = greatest(item_confirmation.source_time, excluded.source_time),
  shelf_time = greatest(item_confirmation.shelf_time, excluded.shelf_time)`

func (s *store) mergeConfirmations(ctx context.Context, tx pgx.Tx, key StoreKey, confirmed []confirmation) error {
	if len(confirmed) == 0 {
		return nil
	}
	ids := make([]string, len(confirmed))
	rows, shelves := make([]time.Time, len(confirmed)), make([]time.Time, len(confirmed))
	for i, c := range confirmed {
		ids[i], rows[i], shelves[i] = c.ID, c.Row, c.Shelf
	}
	if _, err := tx.Exec(ctx, mergeConfirmations, key.Merchant, key.Store, ids, rows, shelves); err != nil {
		return fmt.Errorf("confirm %d items of store %s: %w", len(ids), key, err)
	}
	return nil
}

// listed is one line of a store's items: what planning removals needs.
type listed struct {
	ID       string
	Delisted bool
	Known    time.Time
}

const selectListed = `
SELECT i.item_id, i.state->>'hidden' = 'delisted', greatest(i.source_time, c.source_time)
FROM item i
LEFT JOIN item_confirmation c ON c.merchant_id = i.merchant_id AND c.store_id = i.store_id AND c.item_id = i.item_id
WHERE i.merchant_id = $1 AND i.store_id = $2 ORDER BY i.item_id`

// eachListed calls f for each item of a store, in the order of their ids.
func (s *store) eachListed(ctx context.Context, q querier, key StoreKey, f func(listed) error) error {
	rows, err := q.Query(ctx, selectListed, key.Merchant, key.Store)
	if err != nil {
		return fmt.Errorf("list items of store %s: %w", key, err)
	}
	var l listed
	var delisted *bool
	_, err = pgx.ForEachRow(rows, []any{&l.ID, &delisted, &l.Known}, func() error {
		l.Delisted = delisted != nil && *delisted
		return f(l)
	})
	if err != nil {
		return fmt.Errorf("list items of store %s: %w", key, err)
	}
	return nil
}

// itemIDsAfter pages through a store's item ids, those of some products only
// where gtins are given.
func (s *store) itemIDsAfter(ctx context.Context, key StoreKey, gtins []string, after string, limit int) ([]string, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, `
SELECT item_id FROM item
WHERE merchant_id = $1 AND store_id = $2 AND item_id > $3 AND (cardinality($4::text[]) = 0 OR state->>'gtin' = ANY($4))
ORDER BY item_id LIMIT $5`, key.Merchant, key.Store, after, gtins, limit)
	if err != nil {
		return nil, fmt.Errorf("list items of store %s: %w", key, err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// storesOfProducts counts, per store, the items of some products.
func (s *store) storesOfProducts(ctx context.Context, q querier, gtins []string) (map[StoreKey]int64, error) {
	rows, err := q.Query(ctx, `
SELECT merchant_id, store_id, count(*) FROM item WHERE state->>'gtin' = ANY($1) GROUP BY merchant_id, store_id`, gtins)
	if err != nil {
		return nil, fmt.Errorf("find stores of %d products: %w", len(gtins), err)
	}
	found := map[StoreKey]int64{}
	var key StoreKey
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&key.Merchant, &key.Store, &n}, func() error { found[key] = n; return nil })
	if err != nil {
		return nil, fmt.Errorf("find stores of %d products: %w", len(gtins), err)
	}
	return found, nil
}

// An item that some stores sell by another measure has the median of the
// measure that most of them sell it by.
const computeMedians = `
WITH noted AS (UPDATE merchant SET medians_at = $2 WHERE merchant_id = $1)
INSERT INTO item_median (merchant_id, item_id, price_minor, per, stores)
SELECT DISTINCT ON (item_id) $1, item_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY minor), per, count(*) FROM (
  SELECT item_id, (state->'price'->>'minor')::int8 AS minor, coalesce((state->'price'->>'per')::int8, 0) AS per
  FROM item WHERE merchant_id = $1 AND state->'price'->>'minor' IS NOT NULL AND coalesce(state->>'hidden', '') <> 'delisted'
) AS priced
GROUP BY item_id, per
ORDER BY item_id, count(*) DESC, per
ON CONFLICT (merchant_id, item_id) DO UPDATE SET price_minor = excluded.price_minor, per = excluded.per, stores = excluded.stores`

// mediansDue finds merchants, or says whether the one that $1 names is one,
// with a menu that is newer than their medians. Those rest on all items of a
// merchant: the more there are, the longer they stand, up to ten minutes. The
// items of a single store have no other to be compared with.
const mediansDue = `
SELECT m.merchant_id FROM merchant m JOIN store s ON s.merchant_id = m.merchant_id
WHERE ($1 = '' OR m.merchant_id = $1) AND s.menu_version > 0
GROUP BY m.merchant_id, m.medians_at
HAVING count(*) > 1 AND (m.medians_at IS NULL OR max(s.menu_at) > m.medians_at
  AND m.medians_at <= $2::timestamptz - least(sum(s.items)::float8 * interval '50 microseconds', interval '10 minutes'))`

func (s *store) refreshMedians(ctx context.Context, only string, now time.Time) error {
	pool, err := s.pool(ctx)
	if err != nil {
		return err
	}
	rows, err := pool.Query(ctx, mediansDue, only, now)
	if err != nil {
		return fmt.Errorf("find medians that are due: %w", err)
	}
	merchants, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("find medians that are due: %w", err)
	}
	for _, merchant := range merchants {
		err := pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `DELETE FROM item_median WHERE merchant_id = $1`, merchant); err != nil {
				return fmt.Errorf("clear medians of merchant %s: %w", merchant, err)
			}
			if _, err := tx.Exec(ctx, computeMedians, merchant, now); err != nil {
				return fmt.Errorf("compute medians of merchant %s: %w", merchant, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const selectItems = `
SELECT i.merchant_id, i.store_id, i.item_id, s.name, m.name, i.state, i.kept, i.source_time,
  i.change_feed, i.change_chunk, i.changed_at, coalesce(h.hold_id, '')
FROM item i
JOIN store s ON s.merchant_id = i.merchant_id AND s.store_id = i.store_id
JOIN merchant m ON m.merchant_id = i.merchant_id
LEFT JOIN hold h ON h.merchant_id = i.merchant_id AND h.store_id = i.store_id AND h.item_id = i.item_id AND h.state = 'open'`

func scanItem(row pgx.CollectableRow) (Item, error) {
	var it Item
	var st stored
	var state, kept []byte
	var sourceTime time.Time
	if err := row.Scan(&it.Key.Merchant, &it.Key.Store, &it.ID, &it.StoreName, &it.MerchantName, &state, &kept, &sourceTime,
		&it.ChangeFeed, &it.ChangeChunk, &it.ChangedAt, &it.HoldID); err != nil {
		return it, err
	}
	if err := st.decode(it.ID, state, kept, sourceTime); err != nil {
		return it, err
	}
	it.State, it.Kept, it.Mapping = st.State, st.Kept, st.Mapping
	return it, nil
}

func (s *store) item(ctx context.Context, key StoreKey, id string) (Item, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return Item{}, err
	}
	rows, err := pool.Query(ctx, selectItems+` WHERE i.merchant_id = $1 AND i.store_id = $2 AND i.item_id = $3`, key.Merchant, key.Store, id)
	if err != nil {
		return Item{}, fmt.Errorf("read item %s of store %s: %w", id, key, err)
	}
	it, err := pgx.CollectExactlyOneRow(rows, scanItem)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrItemUnknown
	}
	if err != nil {
		return Item{}, fmt.Errorf("read item %s of store %s: %w", id, key, err)
	}
	return it, nil
}

// itemFilter narrows a search.
type itemFilter struct {
	Merchant string
	Store    string
	// Query is found anywhere in name, brand, item id and GTIN.
	Query      string
	Visibility string
	Category   string
	After      Item
	Limit      int
}

const searchItems = selectItems + `
WHERE ($1 = '' OR i.merchant_id = $1) AND ($2 = '' OR i.store_id = $2)
  AND ($3 = '' OR i.state->>'name' ILIKE $3 OR i.state->>'brand' ILIKE $3 OR i.item_id ILIKE $3 OR i.state->>'gtin' LIKE $3)
  AND ($4 <> 'shown' OR coalesce(i.state->>'hidden', '') = '')
  AND ($4 <> 'hidden' OR coalesce(i.state->>'hidden', '') <> '')
  AND ($4 <> 'held' OR h.hold_id IS NOT NULL)
  AND ($5 = '' OR i.state->>'category' = $5)
  AND (i.merchant_id, i.store_id, i.item_id) > ($6, $7, $8)
ORDER BY i.merchant_id, i.store_id, i.item_id LIMIT $9`

func (s *store) searchItems(ctx context.Context, f itemFilter) ([]Item, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, searchItems, f.Merchant, f.Store, likePattern(f.Query), f.Visibility, f.Category,
		f.After.Key.Merchant, f.After.Key.Store, f.After.ID, f.Limit)
	if err != nil {
		return nil, fmt.Errorf("search items: %w", err)
	}
	items, err := pgx.CollectRows(rows, scanItem)
	if err != nil {
		return nil, fmt.Errorf("search items: %w", err)
	}
	return items, nil
}

// likePattern matches the text anywhere, with LIKE's own signs taken as text.
func likePattern(text string) string {
	if text == "" {
		return ""
	}
	escaped := make([]byte, 0, len(text)+2)
	escaped = append(escaped, '%')
	for i := range len(text) {
		if c := text[i]; c == '%' || c == '_' || c == '\\' {
			escaped = append(escaped, '\\')
		}
		escaped = append(escaped, text[i])
	}
	return string(append(escaped, '%'))
}

// menuSnapshot calls f for each item of a store, in the order of ids, in one
// snapshot together with the count of writes that it includes.
func (s *store) menuSnapshot(ctx context.Context, key StoreKey, f func(*judge.State)) (writes int64, version int64, err error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return 0, 0, err
	}
	err = pg.RunTxOptions(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `
SELECT fc.writes, s.menu_version FROM store_fence fc JOIN store s ON s.merchant_id = fc.merchant_id AND s.store_id = fc.store_id
WHERE fc.merchant_id = $1 AND fc.store_id = $2`, key.Merchant, key.Store).Scan(&writes, &version); err != nil {
			return fmt.Errorf("read menu pointer of store %s: %w", key, err)
		}
		rows, err := tx.Query(ctx, `
SELECT item_id, state FROM item WHERE merchant_id = $1 AND store_id = $2 ORDER BY item_id`, key.Merchant, key.Store)
		if err != nil {
			return fmt.Errorf("read items of store %s: %w", key, err)
		}
		var id string
		var raw []byte
		_, err = pgx.ForEachRow(rows, []any{&id, &raw}, func() error {
			st, err := decodeState(raw)
			if err != nil {
				return fmt.Errorf("decode state of item %s: %w", id, err)
			}
			st.SKU = id
			f(&st)
			return nil
		})
		return err
	})
	return writes, version, err
}

// flipMenu is one statement, so that the pointer, the mark and the end of the
// old menu come together.
const flipMenu = `
WITH old AS (
  SELECT merchant_id, store_id, menu_key FROM store WHERE merchant_id = $1 AND store_id = $2 AND menu_version = $3 FOR UPDATE
), flipped AS (
  UPDATE store SET menu_version = $3 + 1, menu_key = $4, menu_at = $5, items = $6, shown = $7, hidden = $8
  FROM old WHERE store.merchant_id = old.merchant_id AND store.store_id = old.store_id AND store.menu_version = $3
  RETURNING store.merchant_id, store.store_id
), marked AS (
  UPDATE store_fence SET published = greatest(published, $9) FROM flipped
  WHERE store_fence.merchant_id = flipped.merchant_id AND store_fence.store_id = flipped.store_id
), over AS (
  INSERT INTO object_expiry (object_key, due_at)
  SELECT menu_key, $10 FROM old WHERE menu_key <> '' AND EXISTS (SELECT 1 FROM flipped)
  ON CONFLICT (object_key) DO NOTHING
)
SELECT EXISTS (SELECT 1 FROM flipped)`

// flipMenu points readers to a new menu, unless somebody flipped it since the
// version that it was made from.
func (s *store) flipMenu(ctx context.Context, key StoreKey, from int64, objectKey string, counts menuCounts, writes int64, now time.Time) (bool, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return false, err
	}
	var flipped bool
	if err := pool.QueryRow(ctx, flipMenu, key.Merchant, key.Store, from, objectKey, now, counts.Items, counts.Shown, counts.Hidden,
		writes, now.Add(replacedFor)).Scan(&flipped); err != nil {
		return false, fmt.Errorf("flip menu of store %s: %w", key, err)
	}
	return flipped, nil
}

// menuBehind says that a store's items changed since its menu was made.
func (s *store) menuBehind(ctx context.Context, key StoreKey) (behind bool, err error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return false, err
	}
	if err := pool.QueryRow(ctx, `
SELECT writes > published FROM store_fence WHERE merchant_id = $1 AND store_id = $2`, key.Merchant, key.Store).Scan(&behind); err != nil {
		return false, fmt.Errorf("compare menu of store %s: %w", key, err)
	}
	return behind, nil
}

// unpublished lists stores whose items changed since their menu was made and
// that no feed is applying to.
func (s *store) unpublished(ctx context.Context, limit int) ([]StoreKey, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, `
SELECT merchant_id, store_id FROM store_fence WHERE writes > published AND feed_id = '' LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("list stores with changes: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[StoreKey])
}

func minorPointer(m money.Minor) *int64 {
	v := int64(m)
	return &v
}

func gtinTexts(gtins []uint64) []string {
	texts := make([]string, len(gtins))
	for i, g := range gtins {
		texts[i] = normalize.GTIN(g).String()
	}
	return texts
}
