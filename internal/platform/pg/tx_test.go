package pg_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

func exec(t testing.TB, pool *pgxpool.Pool, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func value[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := pool.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func TestRunTxCommitsOrLeavesNothing(t *testing.T) {
	pool := postgres.New(t)
	exec(t, pool, `CREATE TABLE item (id bigint PRIMARY KEY)`)
	insert := func(id int64) func(pgx.Tx) error {
		return func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO item VALUES ($1)`, id)
			return err
		}
	}
	if err := pg.RunTx(t.Context(), pool, insert(1)); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := pg.RunTx(t.Context(), pool, func(tx pgx.Tx) error { return errors.Join(insert(2)(tx), boom) })
	if !errors.Is(err, boom) {
		t.Errorf("the work's error came back as %v", err)
	}
	err = pg.RunTx(t.Context(), pool, insert(1))
	if pg.SQLState(err) != "23505" {
		t.Errorf("a duplicate key came back as %v", err)
	}
	// Work that swallows a statement's error must not look committed.
	err = pg.RunTx(t.Context(), pool, func(tx pgx.Tx) error {
		_ = insert(3)(tx)
		_ = insert(1)(tx)
		return nil
	})
	if !errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, pg.ErrAmbiguousCommit) {
		t.Errorf("a swallowed error came back as %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = pg.RunTx(t.Context(), pool, func(tx pgx.Tx) error {
			_ = insert(4)(tx)
			panic("in the midst of work")
		})
	}()
	if got := value[[]int64](t, pool, `SELECT array_agg(id) FROM item`); !slices.Equal(got, []int64{1}) {
		t.Errorf("items %v, want [1]", got)
	}
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections were not given back", n)
	}
}

// Money moves between accounts in both directions at once, and the sum holds.
func TestRunTxUnderConflict(t *testing.T) {
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.Serializable} {
		t.Run(string(level), func(t *testing.T) {
			pool := postgres.New(t)
			exec(t, pool, `CREATE TABLE account (id bigint PRIMARY KEY, minor bigint NOT NULL)`,
				`INSERT INTO account SELECT i, 1000 FROM generate_series(0, 3) i`)
			var tries, done atomic.Int64
			var wg sync.WaitGroup
			const workers, transfers = 4, 25
			for w := range workers {
				wg.Go(func() {
					for i := range transfers {
						from, to := (w+i)%4, (w+i*3+1)%4
						err := pg.RunTxOptions(t.Context(), pool, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
							tries.Add(1)
							for _, step := range []struct{ id, change int }{{from, -1}, {to, 1}} {
								var minor int64
								if err := tx.QueryRow(t.Context(), `SELECT minor FROM account WHERE id = $1 FOR UPDATE`, step.id).Scan(&minor); err != nil {
									return err
								}
								if _, err := tx.Exec(t.Context(), `UPDATE account SET minor = $2 WHERE id = $1`, step.id, minor+int64(step.change)); err != nil {
									return err
								}
							}
							return nil
						})
						switch {
						case err == nil:
							done.Add(1)
						case !pg.IsConflict(err):
							t.Errorf("transfer: %v", err)
						}
					}
				})
			}
			wg.Wait()
			if got := value[int64](t, pool, `SELECT sum(minor)::bigint FROM account`); got != 4000 {
				t.Errorf("the accounts hold %d, want 4000", got)
			}
			t.Logf("%d of %d transfers done in %d tries", done.Load(), workers*transfers, tries.Load())
			if done.Load() == 0 {
				t.Error("every transfer gave up")
			}
		})
	}
}

func TestRunTxTriesAgainAfterASerializationFailure(t *testing.T) {
	pool := postgres.New(t)
	exec(t, pool, `CREATE TABLE account (id bigint PRIMARY KEY, minor bigint NOT NULL)`, `INSERT INTO account VALUES (1, 100)`)
	tries := 0
	err := pg.RunTxOptions(t.Context(), pool, pgx.TxOptions{IsoLevel: pgx.Serializable}, func(tx pgx.Tx) error {
		var minor int64
		if err := tx.QueryRow(t.Context(), `SELECT minor FROM account WHERE id = 1`).Scan(&minor); err != nil {
			return err
		}
		if tries++; tries == 1 {
			// Somebody else is quicker.
			exec(t, pool, `UPDATE account SET minor = minor + 5 WHERE id = 1`)
		}
		_, err := tx.Exec(t.Context(), `UPDATE account SET minor = $1 WHERE id = 1`, minor+10)
		return err
	})
	if err != nil || tries != 2 {
		t.Errorf("after %d tries: %v, want success at the second", tries, err)
	}
	if got := value[int64](t, pool, `SELECT minor FROM account`); got != 115 {
		t.Errorf("the account holds %d, want 115", got)
	}
}

func TestRunTxTriesAgainAfterADeadlock(t *testing.T) {
	pool := postgres.New(t)
	exec(t, pool, `CREATE TABLE account (id bigint PRIMARY KEY, minor bigint NOT NULL)`, `INSERT INTO account VALUES (1, 0), (2, 0)`)
	var tries atomic.Int64
	var wg, bothHold sync.WaitGroup
	bothHold.Add(2)
	for _, order := range [][]int{{1, 2}, {2, 1}} {
		wg.Go(func() {
			first := true
			err := pg.RunTx(t.Context(), pool, func(tx pgx.Tx) error {
				tries.Add(1)
				for i, id := range order {
					if i == 1 && first {
						first = false
						bothHold.Done()
						bothHold.Wait()
					}
					if _, err := tx.Exec(t.Context(), `UPDATE account SET minor = minor + 1 WHERE id = $1`, id); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := value[int64](t, pool, `SELECT sum(minor)::bigint FROM account`); got != 4 || tries.Load() != 3 {
		t.Errorf("sum %d after %d tries, want 4 after 3", got, tries.Load())
	}
}

func TestRunTxStopsTrying(t *testing.T) {
	pool := postgres.New(t)
	tries := 0
	conflict := func(tx pgx.Tx) error {
		tries++
		_, err := tx.Exec(t.Context(), `DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '40001'; END $$`)
		return fmt.Errorf("move money: %w", err)
	}
	err := pg.RunTx(t.Context(), pool, conflict)
	if tries != 10 || !pg.IsConflict(err) || !strings.Contains(err.Error(), "10 attempts") {
		t.Errorf("after %d tries: %v", tries, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	tries = 0
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		if tries == 2 {
			cancel()
		}
		return conflict(tx)
	})
	if !errors.Is(err, context.Canceled) || tries > 3 {
		t.Errorf("cancelled after %d tries: %v", tries, err)
	}
}

// A plan that a migration made stale is no error of the caller's.
func TestRunTxPlansAgainAfterMigration(t *testing.T) {
	pool := postgres.New(t)
	exec(t, pool, `CREATE TABLE item (id bigint PRIMARY KEY)`, `INSERT INTO item VALUES (1)`)
	read := func() error {
		return pg.RunTx(t.Context(), pool, func(tx pgx.Tx) error {
			rows, err := tx.Query(t.Context(), `SELECT * FROM item`)
			if err != nil {
				return err
			}
			rows.Close()
			return rows.Err()
		})
	}
	for range 3 {
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, pool, `ALTER TABLE item ADD COLUMN name text`)
	if err := read(); err != nil {
		t.Errorf("after a migration: %v", err)
	}
}

func TestRunTxAcrossARestart(t *testing.T) {
	db := postgres.Server(t)
	pool, err := pg.Open(t.Context(), db.URL(), pg.Options{MaxConns: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	exec(t, pool, `CREATE TABLE item (id bigint PRIMARY KEY)`)
	// Every connection of the pool goes stale at once.
	var held []*pgxpool.Conn
	for range 8 {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	for _, conn := range held {
		conn.Release()
	}
	for i, disturb := range []func(){db.Restart, func() { db.Kill(); db.Start() }} {
		tries := 0
		err = pg.RunTx(t.Context(), pool, func(tx pgx.Tx) error {
			if tries++; tries == 1 {
				if _, err := tx.Exec(t.Context(), `INSERT INTO item VALUES (99)`); err != nil {
					return err
				}
				disturb()
			}
			_, err := tx.Exec(t.Context(), `INSERT INTO item VALUES ($1)`, i)
			return err
		})
		if err != nil || tries < 2 {
			t.Errorf("after %d tries: %v", tries, err)
		}
	}
	if got := value[[]int64](t, pool, `SELECT array_agg(id ORDER BY id) FROM item`); !slices.Equal(got, []int64{0, 1}) {
		t.Errorf("items %v, want [0 1]", got)
	}
}

// breaker stands between client and server and cuts the line when told.
type breaker struct {
	net.Conn
	cut func(sent []byte) bool
}

func (b *breaker) Write(p []byte) (int, error) {
	if b.cut(p) {
		// The server gets it; its answer does not come back.
		n, err := b.Conn.Write(p)
		if err != nil {
			return n, err
		}
		time.AfterFunc(50*time.Millisecond, func() { b.Conn.Close() })
		return n, nil
	}
	return b.Conn.Write(p)
}

func (b *breaker) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.cut(nil) {
		return 0, net.ErrClosed
	}
	return n, err
}

func TestCommitWhoseAnswerIsLost(t *testing.T) {
	url := postgres.URL(t)
	plain, err := pg.Open(t.Context(), url, pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plain.Close)
	exec(t, plain, `CREATE TABLE item (id bigint PRIMARY KEY)`)

	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	var broken atomic.Bool
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &breaker{Conn: conn, cut: func(sent []byte) bool {
			if strings.Contains(strings.ToLower(string(sent)), "commit") {
				broken.Store(true)
			}
			return broken.Load()
		}}, nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	tries := 0
	err = pg.RunTx(t.Context(), pool, func(tx pgx.Tx) error {
		tries++
		_, err := tx.Exec(t.Context(), `INSERT INTO item VALUES (1)`)
		return err
	})
	if !errors.Is(err, pg.ErrAmbiguousCommit) || tries != 1 {
		t.Errorf("after %d tries: %v, want ErrAmbiguousCommit after one", tries, err)
	}
	if pg.IsUnavailable(err) {
		t.Error("an unknown outcome counts as unavailable, so a caller might run the work again unawares")
	}
	// It was committed: running it again would have been wrong.
	deadline, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for value[int64](t, plain, `SELECT count(*) FROM item`) != 1 {
		if deadline.Err() != nil {
			t.Fatal("the commit never arrived")
		}
	}
}

func TestCommitThatIsRefusedIsNoRiddle(t *testing.T) {
	pool := postgres.New(t)
	exec(t, pool, `CREATE TABLE item (id bigint PRIMARY KEY, of bigint REFERENCES item DEFERRABLE INITIALLY DEFERRED)`)
	err := pg.RunTx(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO item VALUES (1, 2)`)
		return err
	})
	if pg.SQLState(err) != "23503" || errors.Is(err, pg.ErrAmbiguousCommit) {
		t.Errorf("a commit that a constraint refused came back as %v", err)
	}
	// Cancelled before COMMIT could be sent: nothing happened.
	ctx, cancel := context.WithCancel(t.Context())
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO item VALUES (3, 3)`)
		cancel()
		return err
	})
	if err == nil || errors.Is(err, pg.ErrAmbiguousCommit) || !errors.Is(err, context.Canceled) {
		t.Errorf("a commit that was never sent came back as %v", err)
	}
	if n := value[int64](t, pool, `SELECT count(*) FROM item`); n != 0 {
		t.Errorf("%d items, want 0", n)
	}
}

func TestIsUnavailable(t *testing.T) {
	db := postgres.Server(t)
	pool, err := pg.Open(t.Context(), db.URL(), pg.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	kick := func() error {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			return err
		}
		defer conn.Release()
		_, err = conn.Exec(t.Context(), `SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	}
	if err := kick(); pg.SQLState(err) != "57P01" || !pg.IsUnavailable(err) {
		t.Errorf("terminated by an administrator: %v is not unavailable", err)
	}
	if _, err := pgx.Connect(t.Context(), strings.Replace(db.URL(), "/test?", "/nowhere?", 1)); err == nil || pg.IsUnavailable(err) {
		t.Errorf("a database that does not exist: %v is unavailable", err)
	}
	if _, err := pgx.Connect(t.Context(), strings.Replace(db.URL(), "bodega@", "stranger@", 1)); err == nil || pg.IsUnavailable(err) {
		t.Errorf("a role that is refused: %v is unavailable", err)
	}
	if _, err := pool.Exec(t.Context(), `SELECT 1/0`); pg.IsUnavailable(err) {
		t.Errorf("%v is unavailable", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	if _, err := pool.Exec(ctx, `SELECT pg_sleep(60)`); err == nil || pg.IsUnavailable(err) {
		t.Errorf("the caller's deadline: %v is unavailable", err)
	}
	cancel()
	if _, err := pool.Exec(ctx, `SELECT 1`); err == nil || pg.IsUnavailable(err) {
		t.Errorf("the caller's cancellation: %v is unavailable", err)
	}
	db.Stop()
	if _, err := pool.Exec(t.Context(), `SELECT 1`); !pg.IsUnavailable(err) {
		t.Errorf("the server is down: %v is not unavailable", err)
	}
	if _, err := pg.Open(t.Context(), db.URL(), pg.Options{}); !pg.IsUnavailable(err) {
		t.Errorf("open while the server is down: %v is not unavailable", err)
	}
	db.Start()
	for code, want := range map[string]bool{"57P01": true, "57P02": true, "57P03": true, "53300": true, "08006": true, "40001": false, "23505": false, "28P01": false, "57014": false} {
		if got := pg.IsUnavailable(fmt.Errorf("read: %w", &pgconn.PgError{Code: code})); got != want {
			t.Errorf("SQLSTATE %s is unavailable: %v, want %v", code, got, want)
		}
	}
	if pg.IsUnavailable(nil) {
		t.Error("no error is unavailable")
	}
}

func TestOpenWaits(t *testing.T) {
	db := postgres.Server(t)
	db.Stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		pool, err := pg.Open(t.Context(), db.URL(), pg.Options{Wait: time.Minute})
		if err != nil {
			t.Errorf("open while the server starts: %v", err)
			return
		}
		pool.Close()
	})
	db.Start()
	wg.Wait()
	// What will not pass is not waited for.
	if _, err := pg.Open(t.Context(), strings.Replace(db.URL(), "/test?", "/nowhere?", 1), pg.Options{Wait: time.Hour}); pg.SQLState(err) != "3D000" {
		t.Errorf("open a database that does not exist: %v", err)
	}
	for _, url := range []string{"postgres://user:secret@[broken", "host=x port=secret"} {
		_, err := pg.Open(t.Context(), url, pg.Options{})
		if err == nil || strings.Contains(err.Error(), "user:secret") {
			t.Errorf("open %q: %v", url, err)
		}
	}
}
