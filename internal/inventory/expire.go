package inventory

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// replacedFor is how long an object stays that nothing refers to any more: a
// reader that opened it before may take that long to come to its end.
const replacedFor = time.Hour

// expireObjects notes, in the transaction that drops the last reference to
// objects, that they are to be deleted. Empty keys name none.
func (s *store) expireObjects(ctx context.Context, tx pgx.Tx, keys []string, now time.Time) error {
	_, err := tx.Exec(ctx, `
INSERT INTO object_expiry (object_key, due_at) SELECT DISTINCT k, $2::timestamptz FROM unnest($1::text[]) AS gone (k) WHERE k <> ''
ON CONFLICT (object_key) DO NOTHING`, keys, now.Add(replacedFor))
	if err != nil {
		return fmt.Errorf("note %d objects that nothing refers to: %w", len(keys), err)
	}
	return nil
}

// expireBatch bounds the objects that are deleted before they are forgotten.
const expireBatch = 500

// expire deletes what is over in the tenant of ctx: objects that nothing
// refers to any more, and signals whose repetitions need not be known.
func (s *Service) expire(ctx context.Context) error {
	pool, err := s.store.pool(ctx)
	if err != nil {
		return err
	}
	if _, err := pg.Expire(ctx, pool, pg.Expiry{
		Table: "signal", Column: "expires_at", Key: []string{"merchant_id", "store_id", "item_id", "signal_id"},
	}); err != nil {
		return err
	}
	for {
		rows, err := pool.Query(ctx, `
SELECT object_key FROM object_expiry WHERE due_at <= $1 ORDER BY due_at LIMIT $2`, s.now(), expireBatch)
		if err != nil {
			return fmt.Errorf("list objects that are due: %w", err)
		}
		keys, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fmt.Errorf("list objects that are due: %w", err)
		}
		// The object goes first: one that is gone is deleted again without harm,
		// one that is forgotten would stay for ever.
		for _, key := range keys {
			if err := s.deps.Bucket.Delete(ctx, key); err != nil {
				return fmt.Errorf("delete object %s: %w", key, err)
			}
		}
		if _, err := pool.Exec(ctx, `DELETE FROM object_expiry WHERE object_key = ANY($1)`, keys); err != nil {
			return fmt.Errorf("forget %d deleted objects: %w", len(keys), err)
		}
		if len(keys) < expireBatch {
			return nil
		}
	}
}
