// Package postgres gives tests a real PostgreSQL. A machine without one fails
// the test: a store that was not tested on its database was not tested.
//
// One server serves a test process, in memory or in a temporary folder that goes
// away with the process. Its time zone is far from UTC, so that a test notices a
// timestamp without a zone, and it does not sync to disk.
package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sys/unix"

	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/platform/pg/embedded"
)

// TimeZone is the server's, half an hour off the full hours of UTC.
const TimeZone = "Asia/Kolkata"

// New returns a pool on an empty database of the test's own, which is dropped
// when the test ends.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := pg.Open(t.Context(), URL(t), pg.Options{ApplicationName: "test"})
	if err != nil {
		t.Fatalf("test database: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

var databases atomic.Int64

// URL returns the address of an empty database of the test's own, for tests
// that open their own pools.
func URL(t testing.TB) string {
	t.Helper()
	server := shared(t)
	name := fmt.Sprintf("test_%d", databases.Add(1))
	admin := func(ctx context.Context, sql string) error {
		conn, err := pgx.Connect(ctx, server.URL("postgres"))
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, sql)
		return err
	}
	// Copying files takes a tenth of the time of writing them through the log.
	if err := admin(t.Context(), "CREATE DATABASE "+name+" STRATEGY file_copy"); err != nil {
		t.Fatalf("make test database %s: %v", name, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := admin(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop test database %s: %v", name, err)
		}
	})
	return server.URL(name)
}

// Prepare asks the database to plan each statement, which finds wrong names,
// types and syntax without running anything.
func Prepare(t testing.TB, pool *pgxpool.Pool, statements ...string) {
	t.Helper()
	ctx := t.Context()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatalf("prepare statements: %v", err)
	}
	defer conn.Release()
	for _, sql := range statements {
		// The unnamed statement: the next one replaces it.
		if _, err := conn.Conn().Prepare(ctx, "", sql); err != nil {
			t.Errorf("prepare: %v\n%s", err, strings.TrimSpace(sql))
		}
	}
}

var shared = func() func(testing.TB) *embedded.Server {
	start := sync.OnceValues(func() (*embedded.Server, error) {
		dir, err := makeDir()
		if err != nil {
			return nil, err
		}
		if err := removeWithProcess(dir); err != nil {
			return nil, err
		}
		return embedded.Start(context.Background(), config(dir))
	})
	return func(t testing.TB) *embedded.Server {
		t.Helper()
		server, err := start()
		if err != nil {
			t.Fatalf("test database: %v", err)
		}
		return server
	}
}()

// makeDir makes a folder for a server, in memory where there is plenty: making
// a database is making hundreds of files.
func makeDir() (string, error) {
	const memory, plenty = "/dev/shm", 4 << 30
	parent := ""
	var free unix.Statfs_t
	if err := unix.Statfs(memory, &free); err == nil && free.Bavail*uint64(free.Bsize) > plenty {
		parent = memory
	}
	dir, err := os.MkdirTemp(parent, "bodega-test-postgres-")
	if err != nil {
		return "", err
	}
	// The server may run as another user, who has to pass through.
	return dir, os.Chmod(dir, 0o711)
}

func config(dir string) embedded.Config {
	return embedded.Config{
		DataDir:    filepath.Join(dir, "server"),
		RuntimeDir: dir,
		Volatile:   true,
		Settings: map[string]string{
			"timezone": TimeZone,
			// A test that makes a deadlock does not wait a second for its end.
			"deadlock_timeout": "50ms",
			// A database cannot be dropped while a superuser's process is in it, and
			// none lives long enough to need a vacuum.
			"autovacuum": "off",
		},
	}
}

// removeWithProcess removes dir once this process has ended, in whichever way,
// and the server with it. A test process has no hook at its end that a panic or
// a time-out would not skip; a shell that reads from a pipe notices every end.
func removeWithProcess(dir string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	script := `cat >/dev/null; i=0; while [ -e "$1/server/data/postmaster.pid" ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done; rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir)
	cmd.Stdin = read
	cmd.Dir = "/"
	// Ctrl-C is for the tests.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the cleaner of %s: %w", dir, err)
	}
	untilTheEnd = write
	return nil
}

// untilTheEnd is the end of the pipe that stays open as long as the process.
//
//nolint:unused // holding on to it is its use
var untilTheEnd *os.File
