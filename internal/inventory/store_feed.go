package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/platform/pg"
)

const feedColumns = `
  f.feed_id, f.merchant_id, coalesce(m.name, ''), f.store_id, f.region, f.kind, f.cause, f.status,
  f.file_name, f.size_bytes, f.sha256, f.raw_key, f.mapping_name, f.mapping_version,
  f.source_time, f.submitted_at, f.submitted_by, f.started_at, f.finished_at,
  coalesce(f.idempotency_key, ''), f.detail, f.split_at, f.rejects_key, f.truncated, f.error,
  f.rows_read, f.applied, f.unchanged, f.stale, f.held, f.rejected, f.duplicates, f.removed, f.removals_held`

const selectFeed = `SELECT` + feedColumns + ` FROM feed f LEFT JOIN merchant m ON m.merchant_id = f.merchant_id`

func scanFeed(row pgx.CollectableRow) (Feed, error) {
	var f Feed
	var started, finished, split *time.Time
	var detail []byte
	err := row.Scan(&f.ID, &f.Merchant, &f.MerchantName, &f.Store, &f.Region, &f.Kind, &f.Cause, &f.Status,
		&f.FileName, &f.SizeBytes, &f.SHA256, &f.RawKey, &f.MappingName, &f.MappingVersion,
		&f.SourceTime, &f.SubmittedAt, &f.SubmittedBy, &started, &finished,
		&f.IdempotencyKey, &detail, &split, &f.RejectsKey, &f.Truncated, &f.Error,
		&f.Account.RowsRead, &f.Account.Applied, &f.Account.Unchanged, &f.Account.Stale, &f.Account.Held,
		&f.Account.Rejected, &f.Account.Duplicates, &f.Account.Removed, &f.Account.RemovalsHeld)
	if err != nil {
		return f, err
	}
	f.StartedAt, f.FinishedAt, f.SplitAt = orZero(started), orZero(finished), orZero(split)
	if err := json.Unmarshal(detail, &f.Detail); err != nil {
		return f, fmt.Errorf("decode detail of feed %s: %w", f.ID, err)
	}
	return f, nil
}

func (s *store) feed(ctx context.Context, id FeedID) (Feed, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return Feed{}, err
	}
	return s.feedWhere(ctx, pool, `f.feed_id = $1`, id)
}

// feedWhere is the first feed that a condition finds, or ErrFeedUnknown.
func (s *store) feedWhere(ctx context.Context, q querier, condition string, args ...any) (Feed, error) {
	rows, err := q.Query(ctx, selectFeed+` WHERE `+condition+` LIMIT 1`, args...)
	if err != nil {
		return Feed{}, fmt.Errorf("read feed: %w", err)
	}
	f, err := pgx.CollectExactlyOneRow(rows, scanFeed)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrFeedUnknown
	}
	if err != nil {
		return Feed{}, fmt.Errorf("read feed: %w", err)
	}
	return f, nil
}

// feedByKey finds the feed that a merchant has sent, first or again, under a
// key of idempotency.
func (s *store) feedByKey(ctx context.Context, tx pgx.Tx, merchant, key string) (Feed, error) {
	return s.feedWhere(ctx, tx, `f.feed_id = (
  SELECT feed_id FROM feed WHERE merchant_id = $1 AND idempotency_key = $2
  UNION ALL SELECT feed_id FROM feed_resend WHERE merchant_id = $1 AND idempotency_key = $2)`, merchant, key)
}

// insertResend takes the key of a submission that turned out to be a feed that
// is there already.
func (s *store) insertResend(ctx context.Context, tx pgx.Tx, merchant, key string, id FeedID) error {
	if _, err := tx.Exec(ctx, `INSERT INTO feed_resend (merchant_id, idempotency_key, feed_id) VALUES ($1, $2, $3)`, merchant, key, id); err != nil {
		return fmt.Errorf("note key %q of feed %s: %w", key, id, err)
	}
	return nil
}

const insertFeed = `
INSERT INTO feed (feed_id, merchant_id, store_id, region, kind, cause, status, file_name, size_bytes, sha256,
  raw_key, mapping_name, mapping_version, source_time, submitted_at, submitted_by, idempotency_key, detail,
  split_at, started_at, finished_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, nullif($17, ''), $18, $19, $20, $21)`

func (s *store) insertFeed(ctx context.Context, tx pgx.Tx, f *Feed) error {
	detail, err := json.Marshal(f.Detail)
	if err != nil {
		return fmt.Errorf("encode detail of feed %s: %w", f.ID, err)
	}
	_, err = tx.Exec(ctx, insertFeed, f.ID, f.Merchant, f.Store, f.Region, f.Kind, f.Cause, f.Status, f.FileName,
		f.SizeBytes, f.SHA256, f.RawKey, f.MappingName, f.MappingVersion, f.SourceTime, f.SubmittedAt, f.SubmittedBy,
		f.IdempotencyKey, detail, orNull(f.SplitAt), orNull(f.StartedAt), orNull(f.FinishedAt))
	if err != nil {
		return fmt.Errorf("insert feed %s: %w", f.ID, err)
	}
	return nil
}

const insertFeedStores = `
INSERT INTO feed_store (feed_id, merchant_id, store_id, segment_key, rows, chunks)
SELECT $1, $2, s, k, r, c FROM unnest($3::text[], $4::text[], $5::int8[], $6::int4[]) AS part (s, k, r, c)
ON CONFLICT (feed_id, store_id) DO UPDATE SET segment_key = excluded.segment_key, rows = excluded.rows, chunks = excluded.chunks`

func (s *store) insertFeedStores(ctx context.Context, tx pgx.Tx, id FeedID, merchant string, parts []FeedStore) error {
	var stores, keys []string
	var rows []int64
	var chunks []int32
	for i := range parts {
		p := &parts[i]
		stores, keys = append(stores, p.Key.Store), append(keys, p.SegmentKey)
		rows, chunks = append(rows, p.Rows), append(chunks, int32(p.Chunks))
	}
	if _, err := tx.Exec(ctx, insertFeedStores, id, merchant, stores, keys, rows, chunks); err != nil {
		return fmt.Errorf("insert %d stores of feed %s: %w", len(parts), id, err)
	}
	return nil
}

// split is what the split of a file found outside the stores' segments.
type split struct {
	Parts      []FeedStore
	RejectsKey string
	// Account counts the rows that reached no store: those that could not be
	// read or placed, and those that a later row of the file overrules.
	Account   Account
	Truncated bool
	// Columns are those of Detail.
	Columns map[string]string
	// Note is what a person should know of a truncated file.
	Note string
}

// finishSplit records a split in one transaction: a feed is split or it is not.
func (s *store) finishSplit(ctx context.Context, f *Feed, sp *split, now time.Time) error {
	pool, err := s.pool(ctx)
	if err != nil {
		return err
	}
	detail, err := json.Marshal(Detail{Columns: sp.Columns})
	if err != nil {
		return fmt.Errorf("encode columns of feed %s: %w", f.ID, err)
	}
	return pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
UPDATE feed SET split_at = $2, rejects_key = $3, truncated = $4, error = $5, rejected = $6,
  duplicates = $7, rows_read = $8, detail = detail || $9
WHERE feed_id = $1 AND split_at IS NULL AND status = 'running'`, f.ID, now, sp.RejectsKey, sp.Truncated, sp.Note,
			sp.Account.Rejected, sp.Account.Duplicates, sp.Account.RowsRead, detail)
		if err != nil {
			return fmt.Errorf("record split of feed %s: %w", f.ID, err)
		}
		if tag.RowsAffected() == 0 {
			return nil // an earlier attempt has recorded it, or the feed was canceled
		}
		return s.insertFeedStores(ctx, tx, f.ID, f.Merchant, sp.Parts)
	})
}

// startFeed turns a queued feed into a running one and says what it is now.
func (s *store) startFeed(ctx context.Context, id FeedID, now time.Time) (Feed, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return Feed{}, err
	}
	if _, err := pool.Exec(ctx, `
UPDATE feed SET status = 'running', started_at = $2 WHERE feed_id = $1 AND status = 'queued'`, id, now); err != nil {
		return Feed{}, fmt.Errorf("start feed %s: %w", id, err)
	}
	return s.feed(ctx, id)
}

const feedStores = `
SELECT fs.merchant_id, fs.store_id, coalesce(s.name, ''), fs.segment_key, fs.rows, fs.chunks,
  fs.planned_at IS NOT NULL, fs.removals_key, fs.removals, fs.removals_held, fs.finished_at IS NOT NULL,
  count(c.chunk), coalesce(sum(c.rows), 0)::int8, coalesce(sum(c.applied), 0)::int8, coalesce(sum(c.unchanged), 0)::int8,
  coalesce(sum(c.stale), 0)::int8, coalesce(sum(c.held), 0)::int8, coalesce(sum(c.rejected), 0)::int8,
  coalesce(sum(c.removed), 0)::int8
FROM feed_store fs
LEFT JOIN store s ON s.merchant_id = fs.merchant_id AND s.store_id = fs.store_id
LEFT JOIN feed_chunk c ON c.feed_id = fs.feed_id AND c.store_id = fs.store_id
WHERE fs.feed_id = $1 AND ($2 = '' OR fs.store_id = $2)
GROUP BY fs.feed_id, fs.merchant_id, fs.store_id, s.name
ORDER BY fs.store_id`

// feedStore reads a feed's part for one store.
func (s *store) feedStore(ctx context.Context, id FeedID, storeID string) (FeedStore, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return FeedStore{}, err
	}
	parts, err := s.feedStoresOf(ctx, pool, id, storeID)
	if err != nil {
		return FeedStore{}, err
	}
	if len(parts) == 0 {
		return FeedStore{}, fmt.Errorf("feed %s has no part for store %s: %w", id, storeID, ErrStoreUnknown)
	}
	return parts[0], nil
}

// feedStores reads a feed's stores, each with what the ledger says of it.
func (s *store) feedStores(ctx context.Context, q querier, id FeedID) ([]FeedStore, error) {
	return s.feedStoresOf(ctx, q, id, "")
}

// feedStoresOf reads one of a feed's stores, or all of them where it names none.
func (s *store) feedStoresOf(ctx context.Context, q querier, id FeedID, storeID string) ([]FeedStore, error) {
	rows, err := q.Query(ctx, feedStores, id, storeID)
	if err != nil {
		return nil, fmt.Errorf("read stores of feed %s: %w", id, err)
	}
	parts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (FeedStore, error) {
		var p FeedStore
		a := &p.Account
		err := row.Scan(&p.Key.Merchant, &p.Key.Store, &p.Name, &p.SegmentKey, &p.Rows, &p.Chunks,
			&p.Planned, &p.RemovalsKey, &p.Removals, &p.RemovalsHeld, &p.Finished,
			&p.ChunksDone, &a.RowsRead, &a.Applied, &a.Unchanged, &a.Stale, &a.Held, &a.Rejected, &a.Removed)
		if p.RemovalsHeld {
			a.RemovalsHeld = p.Removals
		}
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("read stores of feed %s: %w", id, err)
	}
	return parts, nil
}

// planRemovals records, once, what a full file leaves out of a store.
func (s *store) planRemovals(ctx context.Context, tx pgx.Tx, id FeedID, key StoreKey, listKey string, removals int, held bool, now time.Time) error {
	_, err := tx.Exec(ctx, `
UPDATE feed_store SET planned_at = $3, removals_key = $4, removals = $5, removals_held = $6
WHERE feed_id = $1 AND store_id = $2 AND planned_at IS NULL`, id, key.Store, now, listKey, removals, held)
	if err != nil {
		return fmt.Errorf("plan removals of feed %s in store %s: %w", id, key, err)
	}
	return nil
}

// finishFeedStore ends a feed's work on a store: the watermark moves, the
// fence is free for the next. writes is how often the store was written to,
// this time included.
func (s *store) finishFeedStore(ctx context.Context, f *Feed, key StoreKey, token string, now time.Time) (writes int64, err error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return 0, err
	}
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		var err error
		if writes, err = s.lockFence(ctx, tx, key, token); err != nil {
			return err
		}
		if f.movesWatermark() {
			if _, err := tx.Exec(ctx, moveWatermark, key.Merchant, key.Store, f.SourceTime, f.ID); err != nil {
				return fmt.Errorf("move watermark of store %s: %w", key, err)
			}
			if _, err := tx.Exec(ctx, `
DELETE FROM item_confirmation WHERE merchant_id = $1 AND store_id = $2 AND source_time <= $3 AND shelf_time <= $3`,
				key.Merchant, key.Store, f.SourceTime); err != nil {
				return fmt.Errorf("clear confirmations of store %s: %w", key, err)
			}
		}
		if _, err := tx.Exec(ctx, releaseFence, key.Merchant, key.Store, f.ID, now); err != nil {
			return fmt.Errorf("finish feed %s in store %s: %w", f.ID, key, err)
		}
		return nil
	})
	return writes, err
}

const releaseFence = `
WITH finished AS (
  UPDATE feed_store SET finished_at = $4 WHERE feed_id = $3 AND store_id = $2
)
UPDATE store_fence SET feed_id = '', token = '' WHERE merchant_id = $1 AND store_id = $2`

// The usual distance between full files is a moving average that follows a
// change of rhythm within a few files.
const moveWatermark = `
UPDATE store SET
  full_interval_ms = CASE
    WHEN watermark IS NULL OR watermark >= $3 THEN full_interval_ms
    WHEN full_interval_ms = 0 THEN (extract(epoch FROM $3 - watermark) * 1000)::int8
    ELSE (full_interval_ms * 3 + (extract(epoch FROM $3 - watermark) * 1000)::int8) / 4 END,
  watermark = $3, watermark_feed = $4
WHERE merchant_id = $1 AND store_id = $2 AND (watermark IS NULL OR watermark <= $3)`

// A step that was given up may still be at work when its unit ends. Without
// the fence it changes nothing more, and what it is changing is waited for.
const releaseFences = `
UPDATE store_fence SET feed_id = '', token = ''
WHERE feed_id = $1 AND (merchant_id, store_id) IN (SELECT merchant_id, store_id FROM feed_store WHERE feed_id = $1)`

// finishFeed ends a unit of work with the sum of its ledger, and frees what it
// holds.
func (s *store) finishFeed(ctx context.Context, id FeedID, status Status, reason string, now time.Time) (Feed, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return Feed{}, err
	}
	var f Feed
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		var err error
		if f, err = s.feedWhere(ctx, tx, `f.feed_id = $1`, id); err != nil || f.Status.Final() {
			return err
		}
		if _, err := tx.Exec(ctx, releaseFences, id); err != nil {
			return fmt.Errorf("release fences of feed %s: %w", id, err)
		}
		// After the fences, so that the sum has all that was applied.
		parts, err := s.feedStores(ctx, tx, id)
		if err != nil {
			return err
		}
		a := f.Account
		for i := range parts {
			a.add(parts[i].Account)
		}
		if status == Done && !a.Closes() {
			return fmt.Errorf("account of feed %s does not close: %+v", id, a)
		}
		if reason == "" {
			reason = f.Error
		}
		_, err = tx.Exec(ctx, `
UPDATE feed SET status = $2, error = $3, finished_at = $4, rows_read = $5, applied = $6, unchanged = $7, stale = $8,
  held = $9, rejected = $10, duplicates = $11, removed = $12, removals_held = $13
WHERE feed_id = $1`, id, status, reason, now, a.RowsRead, a.Applied, a.Unchanged, a.Stale, a.Held, a.Rejected,
			a.Duplicates, a.Removed, a.RemovalsHeld)
		if err != nil {
			return fmt.Errorf("finish feed %s: %w", id, err)
		}
		var segments []string
		for i := range parts {
			segments = append(segments, parts[i].SegmentKey)
		}
		f.Status, f.Error, f.FinishedAt, f.Account = status, reason, now, a
		return s.expireObjects(ctx, tx, segments, now)
	})
	return f, err
}

// closeUnit ends a unit of work that one transaction completes.
func (s *store) closeUnit(ctx context.Context, tx pgx.Tx, id FeedID, a Account, now time.Time) error {
	if _, err := tx.Exec(ctx, `
UPDATE feed SET status = 'done', finished_at = $2, rows_read = $3, applied = $4, unchanged = $5, held = $6, rejected = $7
WHERE feed_id = $1`, id, now, a.RowsRead, a.Applied, a.Unchanged, a.Held, a.Rejected); err != nil {
		return fmt.Errorf("close unit %s: %w", id, err)
	}
	if _, err := tx.Exec(ctx, `UPDATE feed_store SET finished_at = $2 WHERE feed_id = $1`, id, now); err != nil {
		return fmt.Errorf("close stores of unit %s: %w", id, err)
	}
	return nil
}

// feedFilter narrows a list of feeds.
type feedFilter struct {
	Merchant  string
	Store     string
	Statuses  []string
	AllCauses bool
	// Before is the last feed of the page before.
	BeforeTime time.Time
	BeforeID   FeedID
	Limit      int
}

const listFeeds = selectFeed + `
WHERE ($1 = '' OR f.merchant_id = $1)
  AND ($2 = '' OR EXISTS (SELECT 1 FROM feed_store fs WHERE fs.feed_id = f.feed_id AND fs.store_id = $2))
  AND (cardinality($3::text[]) = 0 OR f.status = ANY($3))
  AND ($4 OR f.cause = 'feed')
  AND ($5::timestamptz IS NULL OR (f.submitted_at, f.feed_id) < ($5, $6))
ORDER BY f.submitted_at DESC, f.feed_id DESC LIMIT $7`

func (s *store) feeds(ctx context.Context, filter feedFilter) ([]Feed, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	if filter.Statuses == nil {
		filter.Statuses = []string{}
	}
	rows, err := pool.Query(ctx, listFeeds, filter.Merchant, filter.Store, filter.Statuses, filter.AllCauses,
		orNull(filter.BeforeTime), filter.BeforeID, filter.Limit)
	if err != nil {
		return nil, fmt.Errorf("list feeds: %w", err)
	}
	feeds, err := pgx.CollectRows(rows, scanFeed)
	if err != nil {
		return nil, fmt.Errorf("list feeds: %w", err)
	}
	return feeds, nil
}

// openFeeds lists units of work that have not ended and were stored before a
// time: what a sweep makes sure of.
func (s *store) openFeeds(ctx context.Context, before time.Time) ([]FeedID, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, `
SELECT feed_id FROM feed WHERE status IN ('queued', 'running') AND submitted_at < $1 ORDER BY submitted_at LIMIT 1000`, before)
	if err != nil {
		return nil, fmt.Errorf("list open feeds: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[FeedID])
}

func (s *store) countOpenFeeds(ctx context.Context) (int64, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return 0, err
	}
	var n int64
	if err := pool.QueryRow(ctx, `SELECT count(*) FROM feed WHERE status IN ('queued', 'running')`).Scan(&n); err != nil {
		return 0, fmt.Errorf("count open feeds: %w", err)
	}
	return n, nil
}

// A unit gets the fence of a store when no other holds it and none that was
// submitted earlier still waits for it: files apply in the order of intake. One
// that holds it already takes it again whoever waits, or the two would wait
// for each other: an upload that began earlier may have ended later.
const takeFence = `
UPDATE store_fence SET feed_id = $3, token = $4
WHERE merchant_id = $1 AND store_id = $2
  AND (feed_id IN ('', $3) OR feed_id IN (SELECT f.feed_id FROM feed f WHERE f.feed_id = store_fence.feed_id AND f.status NOT IN ('queued', 'running')))
  AND (feed_id = $3 OR NOT EXISTS (
    SELECT 1 FROM feed_store fs JOIN feed f ON f.feed_id = fs.feed_id
    WHERE fs.merchant_id = $1 AND fs.store_id = $2 AND fs.finished_at IS NULL
      AND f.status IN ('queued', 'running') AND fs.feed_id < $3))
RETURNING writes`

// takeFence makes an attempt the one that applies to a store, and says how
// often the store was written to by then. False means that another unit of work
// comes first.
func (s *store) takeFence(ctx context.Context, key StoreKey, id FeedID, token string) (got bool, writes int64, err error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return false, 0, err
	}
	err = pool.QueryRow(ctx, takeFence, key.Merchant, key.Store, id, token).Scan(&writes)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, fmt.Errorf("take fence of store %s for feed %s: %w", key, id, err)
	}
	return true, writes, nil
}

// releaseFence frees a store's fence where this attempt still holds it.
func (s *store) releaseFence(ctx context.Context, key StoreKey, token string) error {
	pool, err := s.pool(ctx)
	if err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, `
UPDATE store_fence SET feed_id = '', token = '' WHERE merchant_id = $1 AND store_id = $2 AND token = $3`, key.Merchant, key.Store, token); err != nil {
		return fmt.Errorf("release fence of store %s: %w", key, err)
	}
	return nil
}

// lockFence holds the store's fence until the transaction ends, and counts a
// write to the store. A token that is not empty must still be the fence's.
func (s *store) lockFence(ctx context.Context, tx pgx.Tx, key StoreKey, token string) (writes int64, err error) {
	var holder string
	err = tx.QueryRow(ctx, `
UPDATE store_fence SET writes = writes + 1 WHERE merchant_id = $1 AND store_id = $2 RETURNING token, writes`,
		key.Merchant, key.Store).Scan(&holder, &writes)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrStoreUnknown
	}
	if err == nil && token != "" && holder != token {
		err = errFenceLost
	}
	if err != nil {
		return 0, fmt.Errorf("lock fence of store %s: %w", key, err)
	}
	return writes, nil
}

// writes is how often a store was written to.
func (s *store) writes(ctx context.Context, q querier, key StoreKey) (writes int64, err error) {
	err = q.QueryRow(ctx, `SELECT writes FROM store_fence WHERE merchant_id = $1 AND store_id = $2`, key.Merchant, key.Store).Scan(&writes)
	if err != nil {
		return 0, fmt.Errorf("read fence of store %s: %w", key, err)
	}
	return writes, nil
}

const insertLedger = `
WITH ledger AS (
  INSERT INTO feed_chunk (feed_id, store_id, chunk, rows, applied, unchanged, stale, held, rejected, removed, done_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
)
INSERT INTO inventory_outbox (feed_id, store_id, chunk, merchant_id, cause, object_key, changes, created_at)
SELECT $1, $2, $3, $12, $13, $14, $15, $11 WHERE $14 <> ''`

// ledger is what a chunk did, written in the transaction that did it.
type ledger struct {
	Feed      FeedID
	Key       StoreKey
	Chunk     int
	Cause     Cause
	Account   Account
	ObjectKey string
	Changes   int
	At        time.Time
}

func (s *store) insertLedger(ctx context.Context, tx pgx.Tx, l *ledger) error {
	a := l.Account
	_, err := tx.Exec(ctx, insertLedger, l.Feed, l.Key.Store, l.Chunk, a.RowsRead, a.Applied, a.Unchanged, a.Stale,
		a.Held, a.Rejected, a.Removed, l.At, l.Key.Merchant, l.Cause, l.ObjectKey, l.Changes)
	if err != nil {
		return fmt.Errorf("write ledger of feed %s, store %s, chunk %d: %w", l.Feed, l.Key, l.Chunk, err)
	}
	return nil
}

// chunksDone lists the chunks of a store that the ledger has.
func (s *store) chunksDone(ctx context.Context, id FeedID, key StoreKey) (map[int]bool, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, `SELECT chunk FROM feed_chunk WHERE feed_id = $1 AND store_id = $2`, id, key.Store)
	if err != nil {
		return nil, fmt.Errorf("read ledger of feed %s, store %s: %w", id, key, err)
	}
	done := map[int]bool{}
	var chunk int
	if _, err := pgx.ForEachRow(rows, []any{&chunk}, func() error { done[chunk] = true; return nil }); err != nil {
		return nil, fmt.Errorf("read ledger of feed %s, store %s: %w", id, key, err)
	}
	return done, nil
}

// outboxObject is where a chunk's before/after object is; empty where the
// chunk changed nothing.
func (s *store) outboxObject(ctx context.Context, id FeedID, storeID string, chunk int) (string, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return "", err
	}
	var key string
	err = pool.QueryRow(ctx, `
SELECT object_key FROM inventory_outbox WHERE feed_id = $1 AND store_id = $2 AND chunk = $3`, id, storeID, chunk).Scan(&key)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read outbox of feed %s, store %s, chunk %d: %w", id, storeID, chunk, err)
	}
	return key, nil
}

// rejectObjects lists the objects that hold a feed's rejected rows, in order.
func (s *store) rejectObjects(ctx context.Context, f *Feed) ([]string, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, `
SELECT o.object_key FROM feed_chunk c
JOIN inventory_outbox o ON o.feed_id = c.feed_id AND o.store_id = c.store_id AND o.chunk = c.chunk
WHERE c.feed_id = $1 AND c.rejected > 0 ORDER BY c.store_id, c.chunk`, f.ID)
	if err != nil {
		return nil, fmt.Errorf("list rejects of feed %s: %w", f.ID, err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list rejects of feed %s: %w", f.ID, err)
	}
	if f.RejectsKey != "" {
		keys = append([]string{f.RejectsKey}, keys...)
	}
	return keys, nil
}
