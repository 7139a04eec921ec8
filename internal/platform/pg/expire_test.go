package pg_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

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

// CockroachDB does not run here: a scripted server stands in for what it
// reports at the start, and the test reads the statement that it gets.
func TestExpireOnCockroach(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	statements := make(chan string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go speakCockroach(conn, statements)
		}
	}()
	pool, err := pgxpool.New(t.Context(), "postgres://bodega@"+listener.Addr().String()+"/bodega?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	n, err := pg.Expire(context.WithoutCancel(t.Context()), pool, pg.Expiry{Schema: "prod_creative", Table: "draft", Column: "expires_at", Key: []string{"id"}})
	if err != nil || n != 0 {
		t.Errorf("expire says %d, %v", n, err)
	}
	want := `ALTER TABLE "prod_creative"."draft" SET (ttl_expiration_expression = '"expires_at"', ttl_job_cron = '@hourly')`
	if got := <-statements; got != want {
		t.Errorf("the server got\n%s\nwant\n%s", got, want)
	}
}

func speakCockroach(conn net.Conn, statements chan<- string) {
	defer conn.Close()
	backend := pgproto3.NewBackend(conn, conn)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: "13.0.0"})
	backend.Send(&pgproto3.ParameterStatus{Name: "crdb_version", Value: "CockroachDB CCL v25.2.0"})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for backend.Flush() == nil {
		message, err := backend.Receive()
		if errors.Is(err, io.ErrUnexpectedEOF) || err != nil {
			return
		}
		if query, ok := message.(*pgproto3.Query); ok {
			statements <- query.String
			backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("ALTER TABLE")})
			backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		}
	}
}
