package pg_test

import (
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// CockroachDB does not run here: a scripted server stands in for what it
// reports at the start, and the tests read the statements that it gets. It
// answers each with success, and CREATE SCHEMA with a refusal.
func cockroach(t *testing.T) (pool *pgxpool.Pool, statements chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	statements = make(chan string, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go speakCockroach(conn, statements)
		}
	}()
	pool, err = pgxpool.New(t.Context(), "postgres://bodega@"+listener.Addr().String()+"/bodega?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, statements
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
		if err != nil {
			return
		}
		query, ok := message.(*pgproto3.Query)
		if !ok {
			continue
		}
		statements <- query.String
		if strings.HasPrefix(query.String, "CREATE SCHEMA") {
			backend.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42501", Message: "not for you"})
		} else {
			backend.Send(&pgproto3.CommandComplete{CommandTag: []byte("SET")})
		}
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
}

func TestExpireOnCockroach(t *testing.T) {
	pool, statements := cockroach(t)
	n, err := pg.Expire(t.Context(), pool, pg.Expiry{Schema: "prod_creative", Table: "draft", Column: "expires_at", Key: []string{"id"}})
	if err != nil || n != 0 {
		t.Errorf("expire says %d, %v", n, err)
	}
	want := `ALTER TABLE "prod_creative"."draft" SET (ttl_expiration_expression = '"expires_at"', ttl_job_cron = '@hourly')`
	if got := <-statements; got != want {
		t.Errorf("the server got\n%s\nwant\n%s", got, want)
	}
}

func TestMigrateOnCockroach(t *testing.T) {
	pool, statements := cockroach(t)
	if err := pg.Migrate(t.Context(), pool, "prod_creative", folder("0001_x.sql", "SELECT 1")); pg.SQLState(err) != "42501" {
		t.Errorf("migrate says %v, want the scripted refusal", err)
	}
	for _, want := range []string{`SET autocommit_before_ddl = off`, `CREATE SCHEMA IF NOT EXISTS "prod_creative"`} {
		if got := <-statements; got != want {
			t.Errorf("the server got %s, want %s", got, want)
		}
	}
}
