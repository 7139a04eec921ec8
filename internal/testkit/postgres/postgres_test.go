package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/platform/pg"
)

func TestServerIsNotInUTC(t *testing.T) {
	var zone, fsync string
	if err := New(t).QueryRow(t.Context(), `SELECT current_setting('timezone'), current_setting('fsync')`).Scan(&zone, &fsync); err != nil {
		t.Fatal(err)
	}
	if zone != TimeZone || fsync != "off" {
		t.Errorf("time zone %q, fsync %q, want %q and off", zone, fsync, TimeZone)
	}
}

func TestDatabasesAreApart(t *testing.T) {
	a, b := New(t), New(t)
	if _, err := a.Exec(t.Context(), `CREATE TABLE only_here (id bigint PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	var seen bool
	if err := b.QueryRow(t.Context(), `SELECT to_regclass('only_here') IS NOT NULL`).Scan(&seen); err != nil {
		t.Fatal(err)
	}
	if seen {
		t.Error("a table of one test's database shows in another's")
	}
}

func TestServerStopsAndStarts(t *testing.T) {
	d := Server(t)
	pool, err := pg.Open(t.Context(), d.URL(), pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), `CREATE TABLE item (id bigint PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	for i, disturb := range []func(){d.Restart, func() { d.Kill(); d.Start() }} {
		if _, err := pool.Exec(t.Context(), `INSERT INTO item VALUES ($1)`, i); err != nil {
			t.Fatal(err)
		}
		disturb()
		var n int
		err := pg.RunTx(t.Context(), pool, func(tx pgx.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT count(*) FROM item`).Scan(&n)
		})
		if err != nil || n != i+1 {
			t.Errorf("%d rows (%v), want %d", n, err, i+1)
		}
	}
	d.Stop()
	if _, err := pool.Exec(t.Context(), `SELECT 1`); !pg.IsUnavailable(err) {
		t.Errorf("on a stopped server: %v, want one that IsUnavailable", err)
	}
}

// recorder takes down what a test would have failed with.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestPrepareFindsBrokenStatements(t *testing.T) {
	pool := New(t)
	if _, err := pool.Exec(t.Context(), `CREATE TABLE item (id bigint PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	r := &recorder{TB: t}
	Prepare(r, pool, `SELECT id FROM item WHERE id = $1`, `SELECT name FROM item`, `INSERT INTO item VALUES ($1)`, `SELEKT 1`)
	if len(r.failures) != 2 || !strings.Contains(r.failures[0], `"name" does not exist`) || !strings.Contains(r.failures[1], "syntax error") {
		t.Errorf("found %q", r.failures)
	}
}

func TestCheckDialect(t *testing.T) {
	pool := New(t)
	if err := pg.Migrate(t.Context(), pool, "prod_inventory", fstest.MapFS{"0001_items.sql": {Data: []byte(
		`CREATE TABLE item (store text, sku text, at timestamptz, PRIMARY KEY (store, sku)); CREATE INDEX ON item (at)`)}}); err != nil {
		t.Fatal(err)
	}
	r := &recorder{TB: t}
	CheckDialect(r, pool)
	if len(r.failures) > 0 {
		t.Errorf("found %q in tables that are all right", r.failures)
	}
	for _, sql := range []string{
		`CREATE TABLE a (id bigserial PRIMARY KEY)`,
		`CREATE TABLE b (id bigint)`,
		`CREATE UNLOGGED TABLE c (id bigint PRIMARY KEY)`,
		`CREATE TABLE d (id bigint PRIMARY KEY, at timestamp, during tstzrange, price money)`,
		`CREATE TABLE e (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY)`,
		`CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'`,
		`CREATE TRIGGER t BEFORE INSERT ON d FOR EACH ROW EXECUTE FUNCTION f()`,
		`ALTER TABLE d ADD CONSTRAINT x EXCLUDE USING gist (during WITH &&)`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	CheckDialect(r, pool)
	want := []string{
		`dialect: column at of public.d is a timestamp without time zone: say "with time zone"`,
		`dialect: column during of public.d is a tstzrange, which CockroachDB does not have`,
		`dialect: column price of public.d is a money, which CockroachDB does not have`,
		`dialect: exclusion constraint x on public.d`,
		`dialect: sequence public.a_id_seq: keys are natural, or made by the program`,
		`dialect: sequence public.e_id_seq: keys are natural, or made by the program`,
		`dialect: table public.b has no primary key`,
		`dialect: trigger t on public.d`,
		`dialect: unlogged table public.c`,
	}
	if !slices.Equal(r.failures, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(r.failures, "\n"), strings.Join(want, "\n"))
	}
}
