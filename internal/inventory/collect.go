package inventory

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// unnamedFor is how long an object stays that no row names. Its row is
// committed seconds after its last byte, or never: a day is far beyond the
// longest step, and beyond any two clocks.
const unnamedFor = 24 * time.Hour

// collectBatch bounds the objects that one statement looks for.
const collectBatch = 1000

// collected are the kinds of objects that a crash can leave without a row.
var collected = []string{"raw", "segments", "rejects", "removals", "changes", "menus"}

// collect deletes the objects of the tenant of ctx that a crash left and no
// row names. What is older than the tenant's first merchant another database
// knows, one that was lost perhaps: it stays.
func (s *Service) collect(ctx context.Context) error {
	first, err := s.store.firstMerchant(ctx)
	if err != nil || first.IsZero() {
		return err
	}
	before := s.now().Add(-unnamedFor)
	for _, kind := range collected {
		folder := s.key(ctx, kind)
		var batch []string
		for o, err := range s.deps.Bucket.List(ctx, folder) {
			if err != nil {
				return err
			}
			if o.Written.After(before) || o.Written.Before(first) {
				continue
			}
			if batch = append(batch, o.Key); len(batch) == collectBatch {
				if err := s.collectUnnamed(ctx, kind, folder, batch); err != nil {
					return err
				}
				batch = batch[:0]
			}
		}
		if err := s.collectUnnamed(ctx, kind, folder, batch); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) collectUnnamed(ctx context.Context, kind, folder string, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	units := make([]FeedID, len(keys))
	for i, key := range keys {
		units[i] = unitOf(kind, strings.TrimPrefix(key, folder+"/"))
	}
	named, open, err := s.store.named(ctx, keys, units)
	if err != nil {
		return err
	}
	for i, key := range keys {
		if named[key] || open[units[i]] {
			continue
		}
		if err := s.deps.Bucket.Delete(ctx, key); err != nil {
			return fmt.Errorf("delete object %s that nothing names: %w", key, err)
		}
		s.deps.Metrics.collected.WithLabelValues(kind).Inc()
	}
	return nil
}

// unitOf is the unit of work that an object is of, by its key within its kind;
// menus are of none.
func unitOf(kind, key string) FeedID {
	switch kind {
	case "raw":
		_, key, _ = strings.Cut(key, "/")
	case "rejects":
		key, _, _ = strings.Cut(key, "-")
	case "menus":
		return ""
	default:
		key, _, _ = strings.Cut(key, "/")
	}
	return FeedID(key)
}

// firstMerchant is since when a tenant has merchants; zero where it has none.
func (s *store) firstMerchant(ctx context.Context) (time.Time, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return time.Time{}, err
	}
	var at *time.Time
	if err := pool.QueryRow(ctx, `SELECT min(created_at) FROM merchant`).Scan(&at); err != nil {
		return time.Time{}, fmt.Errorf("find the first merchant: %w", err)
	}
	return orZero(at), nil
}

const namedObjects = `
SELECT raw_key FROM feed WHERE feed_id = ANY($2) AND raw_key = ANY($1)
UNION ALL SELECT rejects_key FROM feed WHERE feed_id = ANY($2) AND rejects_key = ANY($1)
UNION ALL SELECT removals_key FROM feed_store WHERE feed_id = ANY($2) AND removals_key = ANY($1)
UNION ALL SELECT removals_key FROM hold WHERE feed_id = ANY($2) AND removals_key = ANY($1)
UNION ALL SELECT object_key FROM inventory_outbox WHERE feed_id = ANY($2) AND object_key = ANY($1)
UNION ALL SELECT menu_key FROM store WHERE menu_key = ANY($1)
UNION ALL SELECT object_key FROM object_expiry WHERE object_key = ANY($1)`

// named says which objects a row names, and which of their units of work have
// not ended: what is theirs may be written or read at any time. The segments of
// one that has ended are named by their expiry alone.
func (s *store) named(ctx context.Context, keys []string, units []FeedID) (named map[string]bool, open map[FeedID]bool, err error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, nil, err
	}
	// Units that end between the two have named their objects by then.
	rows, err := pool.Query(ctx, `SELECT feed_id FROM feed WHERE feed_id = ANY($1) AND status IN ('queued', 'running')`, units)
	if err == nil {
		open, err = collectSet(rows, pgx.RowTo[FeedID])
	}
	if err != nil {
		return nil, nil, fmt.Errorf("find which of %d units are open: %w", len(units), err)
	}
	rows, err = pool.Query(ctx, namedObjects, keys, units)
	if err == nil {
		named, err = collectSet(rows, pgx.RowTo[string])
	}
	if err != nil {
		return nil, nil, fmt.Errorf("find which of %d objects are named: %w", len(keys), err)
	}
	return named, open, nil
}

func collectSet[T comparable](rows pgx.Rows, scan pgx.RowToFunc[T]) (map[T]bool, error) {
	found, err := pgx.CollectRows(rows, scan)
	set := make(map[T]bool, len(found))
	for _, v := range found {
		set[v] = true
	}
	return set, err
}
