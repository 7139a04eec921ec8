package pg_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

type countingTracer struct{ queries atomic.Int64 }

func (c *countingTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.queries.Add(1)
	return ctx
}
func (*countingTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestOpen(t *testing.T) {
	tracer := &countingTracer{}
	pool, err := pg.Open(t.Context(), postgres.URL(t), pg.Options{
		ApplicationName: "bodega api", MaxConns: 2, SearchPath: []string{`a "b", c`, "prod_inventory"}, Tracer: tracer,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	exec(t, pool, `CREATE SCHEMA "a ""b"", c"`, `CREATE TABLE item (id bigint PRIMARY KEY)`)
	if got := value[string](t, pool, `SELECT table_schema::text FROM information_schema.tables WHERE table_name = 'item'`); got != `a "b", c` {
		t.Errorf("the table is in schema %q", got)
	}
	if got := value[string](t, pool, `SHOW application_name`); got != "bodega api" {
		t.Errorf("application name %q", got)
	}
	if got := pool.Config().MaxConns; got != 2 {
		t.Errorf("%d connections at most, want 2", got)
	}
	if tracer.queries.Load() == 0 {
		t.Error("the tracer saw nothing")
	}
}

func TestOpenKeepsThePasswordToItself(t *testing.T) {
	_, err := pg.Open(t.Context(), "postgres://bodega:hunter2@127.0.0.1:1/bodega", pg.Options{})
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("open says %v", err)
	}
	t.Log(err)
}
