package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestServerEndsWithItsParent(t *testing.T) {
	dir := t.TempDir()
	p := startParent(t, dir, nil)
	run(t, p.url, `CREATE TABLE item (id bigint PRIMARY KEY)`, `INSERT INTO item VALUES (1)`)
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	pgdata := filepath.Join(dir, "data")
	eventually(t, "the server to end after its parent was killed", func() bool { return len(leftovers(pgdata)) == 0 })
	server := startServer(t, Config{DataDir: dir})
	if got := query[int64](t, server.URL("bodega"), `SELECT count(*) FROM item`); got != 1 {
		t.Errorf("%d rows after the parent was killed, want 1", got)
	}
}

func TestStartWaitsForTheServerOfAKilledParent(t *testing.T) {
	dir := t.TempDir()
	for range 5 {
		p := startParent(t, dir, nil)
		if p.failure != "" {
			t.Fatal(p.failure)
		}
		// An open transaction keeps a session busy while the server goes down.
		conn, err := pgx.Connect(t.Context(), p.url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), `BEGIN; CREATE TABLE never_there (id bigint)`); err != nil {
			t.Fatal(err)
		}
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait()
		server, err := Start(t.Context(), quick(Config{DataDir: dir}))
		if err != nil {
			t.Fatal(err)
		}
		if query[bool](t, server.URL("bodega"), `SELECT to_regclass('never_there') IS NOT NULL`) {
			t.Error("an uncommitted table is there")
		}
		if err := server.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close(context.Background())
	}
}

func TestKilledPostmaster(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{DataDir: dir}
	server := startServer(t, cfg)
	url := server.URL("bodega")
	run(t, url, `CREATE TABLE item (id bigint PRIMARY KEY)`, `INSERT INTO item VALUES (1)`)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `BEGIN; INSERT INTO item VALUES (2)`); err != nil {
		t.Fatal(err)
	}
	// A session in the midst of a computation does not notice that its
	// postmaster is gone.
	busy, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close(context.Background())
	backend := busy.PgConn().PID()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = busy.Exec(context.Background(), `SELECT count(*) FROM generate_series(1, 1e9) a`)
	})
	if err := syscall.Kill(server.process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.Done():
	case <-time.After(time.Minute):
		t.Fatal("Done stays open though the postmaster was killed")
	}
	if err := server.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("Err() = %v, want one that says it was killed", err)
	}
	if syscall.Kill(int(backend), 0) != nil {
		t.Log("the busy session was gone already: starting beside one was not checked")
	}
	again := startServer(t, cfg)
	wg.Wait()
	if err := server.Stop(t.Context()); err != nil {
		t.Errorf("stop a server that ended by itself: %v", err)
	}
	if got := query[[]int64](t, again.URL("bodega"), `SELECT array_agg(id) FROM item`); !slices.Equal(got, []int64{1}) {
		t.Errorf("items %v after the crash, want only the committed [1]", got)
	}
}

func TestOneServerPerFolder(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	p := startParent(t, dir, nil)
	for _, path := range []string{dir, link} {
		_, err := Start(t.Context(), quick(Config{DataDir: path}))
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", p.Process.Pid)) {
			t.Errorf("start on %s: %v, want ErrInUse that names process %d", path, err, p.Process.Pid)
		}
	}
	if got := query[int64](t, p.url, `SELECT 1`); got != 1 {
		t.Errorf("the first server answers %d", got)
	}
}

func TestManyStartsAtOnce(t *testing.T) {
	dir := t.TempDir()
	const starts = 4
	servers := make(chan *Server, starts)
	var wg sync.WaitGroup
	for range starts {
		wg.Go(func() {
			server, err := Start(t.Context(), quick(Config{DataDir: dir}))
			switch {
			case err == nil:
				servers <- server
			case !errors.Is(err, ErrInUse):
				t.Errorf("start beside another: %v, want ErrInUse", err)
			}
		})
	}
	wg.Wait()
	close(servers)
	if len(servers) != 1 {
		t.Errorf("%d of %d starts succeeded, want 1", len(servers), starts)
	}
	for server := range servers {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{DataDir: dir}
	server := startServer(t, cfg)
	run(t, server.URL("bodega"), `CREATE TABLE item (id bigint PRIMARY KEY)`)
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := server.cluster
	pid := filepath.Join(c.pgdata, "postmaster.pid")
	stranger := exec.Command("sleep", "600")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stranger.Process.Kill()
		_ = stranger.Wait()
	})
	for name, leave := range map[string]func(t *testing.T){
		"garbage pid file": func(t *testing.T) { writeFile(t, c, pid, "\x00\xffnot a number\n\n\n") },
		"empty pid file":   func(t *testing.T) { writeFile(t, c, pid, "") },
		"negative pid":     func(t *testing.T) { writeFile(t, c, pid, "-1\n"+c.pgdata+"\n") },
		"a stranger's pid": func(t *testing.T) {
			writeFile(t, c, pid, fmt.Sprintf("%d\n%s\n0\n5432\n", stranger.Process.Pid, c.pgdata))
		},
		"a stranger's lock": func(t *testing.T) {
			writeSocketFile(t, server, fmt.Sprintf("%d\n%s\n0\n5432\n", stranger.Process.Pid, c.pgdata))
		},
		"garbage lock": func(t *testing.T) { writeSocketFile(t, server, "\x00\xff") },
		"half-made data folder": func(t *testing.T) {
			if err := os.MkdirAll(filepath.Join(dir, newPrefix+"123", "base"), 0o700); err != nil {
				t.Fatal(err)
			}
		},
		"a running postmaster": func(t *testing.T) {
			if err := makeRuntimeDir(server.socket, c.account); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(c.binaries.path("postgres"), "-D", c.pgdata, "-c", "listen_addresses=", "-c", "unix_socket_directories="+server.socket)
			cmd.Env, cmd.Dir = environment(), "/"
			cmd.SysProcAttr = attributes(c.account, c.confined)
			cmd.SysProcAttr.Pdeathsig = 0
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = cmd.Wait() })
			eventually(t, "a postmaster to run", func() bool {
				content, _ := os.ReadFile(pid)
				return strings.Contains(string(content), "ready")
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			leave(t)
			again, err := Start(t.Context(), quick(cfg))
			if err != nil {
				t.Fatal(err)
			}
			if got := query[int64](t, again.URL("bodega"), `SELECT count(*) FROM item`); got != 0 {
				t.Errorf("%d items, want 0", got)
			}
			if err := again.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger whose pid was in a file is gone: %v", err)
	}
}

func writeFile(t *testing.T, c cluster, path, content string) {
	t.Helper()
	if err := c.account.write(path, content); err != nil {
		t.Fatal(err)
	}
}

func writeSocketFile(t *testing.T, s *Server, content string) {
	t.Helper()
	if err := os.MkdirAll(s.socket, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.cluster.account.give(s.socket); err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.cluster, filepath.Join(s.socket, socketName()), "not a socket")
	writeFile(t, s.cluster, filepath.Join(s.socket, socketName()+".lock"), content)
}

func TestStartGivenUp(t *testing.T) {
	dir := t.TempDir()
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		server, err := Start(ctx, quick(Config{DataDir: dir}))
		cancel()
		if err == nil {
			if err := server.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("given up after %s: %v", after, err)
		}
		t.Log(err)
		if left := leftovers(filepath.Join(dir, "data")); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
	}
	startServer(t, Config{DataDir: dir})
}

// A parent killed while initdb runs leaves nothing that the next one trips over.
func TestParentKilledWhileItMakesTheFolder(t *testing.T) {
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for range 4 {
		cmd := exec.Command(binary)
		cmd.Env = append(os.Environ(), "EMBEDDED_TEST_PROCESS=serve", "DATA_DIR="+dir, "RUNTIME_DIR="+sockets, "VOLATILE=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "initdb to have begun", func() bool { return len(halfMade(t, dir)) > 0 })
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
	server := startServer(t, Config{DataDir: dir})
	if got := query[string](t, server.URL("bodega"), `SELECT current_database()`); got != "bodega" {
		t.Errorf("database %q", got)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	startServer(t, Config{DataDir: dir})
}

// halfMade lists folders in which initdb has got to work.
func halfMade(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, newPrefix+"*", "base"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestStopThatMayNotWait(t *testing.T) {
	dir := t.TempDir()
	server := startServer(t, Config{DataDir: dir})
	run(t, server.URL("bodega"), `CREATE TABLE item (id bigint PRIMARY KEY)`, `INSERT INTO item SELECT generate_series(1, 20000)`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Stop(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("stop says %v", err)
	}
	if left := leftovers(server.cluster.pgdata); len(left) > 0 {
		t.Errorf("processes left: %v", left)
	}
	again := startServer(t, Config{DataDir: dir})
	if n := query[int64](t, again.URL("bodega"), `SELECT count(*) FROM item`); n != 20000 {
		t.Errorf("%d items, want 20000", n)
	}
}

func TestDataFolderRemovedUnderneath(t *testing.T) {
	dir := t.TempDir()
	server := startServer(t, Config{DataDir: dir})
	if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	// PostgreSQL looks for its pid file every minute; a stop does not wait for that.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := server.Stop(ctx); errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop says %v", err)
	}
	startServer(t, Config{DataDir: dir})
}
