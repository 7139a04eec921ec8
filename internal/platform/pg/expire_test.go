package pg_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

func TestExpire(t *testing.T) {
	pool := postgres.New(t)
	ctx := t.Context()
	exec(t, pool, `CREATE TABLE draft (store text, id bigint, "ends At" timestamptz, PRIMARY KEY (store, id))`,
		`INSERT INTO draft SELECT 's', i, now() - interval '1 second' * i FROM generate_series(1, 2500) i`,
		`INSERT INTO draft VALUES ('s', -1, now() + interval '1 hour'), ('s', -2, NULL)`)
	expiry := pg.Expiry{Table: "draft", Column: "ends At", Key: []string{"store", "id"}, Batch: 700}
	// A row that somebody works on is left for the next run.
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `UPDATE draft SET "ends At" = "ends At" WHERE id = 17`); err != nil {
		t.Fatal(err)
	}
	// Two reapers at once share the work.
	var total atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			n, err := pg.Expire(ctx, pool, expiry)
			if err != nil {
				t.Error(err)
			}
			total.Add(n)
		})
	}
	wg.Wait()
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	// The one that stopped at the other's locks may have left rows to it.
	n, err := pg.Expire(ctx, pool, expiry)
	if err != nil {
		t.Fatal(err)
	}
	if total.Load()+n != 2500 {
		t.Errorf("%d rows deleted, want 2500", total.Load()+n)
	}
	if left := value[[]int64](t, pool, `SELECT array_agg(id ORDER BY id) FROM draft`); !slices.Equal(left, []int64{-2, -1}) {
		t.Errorf("left are %v, want the one to come and the one without an end", left)
	}
	if n, err := pg.Expire(ctx, pool, expiry); n != 0 || err != nil {
		t.Errorf("again: %d, %v", n, err)
	}
}

func TestExpireRefuses(t *testing.T) {
	pool := postgres.New(t)
	for name, expiry := range map[string]pg.Expiry{
		"Key":     {Table: "draft", Column: "at"},
		"nowhere": {Table: "nowhere", Column: "at", Key: []string{"id"}},
		`no"w`:    {Schema: `no"w`, Table: "draft", Column: "at", Key: []string{"id"}},
	} {
		if _, err := pg.Expire(t.Context(), pool, expiry); err == nil || !strings.Contains(err.Error(), name[:2]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
