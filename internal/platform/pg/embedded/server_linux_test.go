package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// The test binary is also the bodega that tests kill and the stranger who tries
// to connect: both need a process of their own.
func TestMain(m *testing.M) {
	switch os.Getenv("EMBEDDED_TEST_PROCESS") {
	case "serve":
		serve()
	case "connect":
		connect()
	default:
		os.Exit(m.Run())
	}
}

// serve starts a server, says so on standard output and lives until it is
// killed or its standard input ends.
func serve() {
	server, err := Start(context.Background(), Config{
		DataDir: os.Getenv("DATA_DIR"), RuntimeDir: os.Getenv("RUNTIME_DIR"), Volatile: os.Getenv("VOLATILE") != "",
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	if err := server.EnsureDatabase(context.Background(), "bodega"); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("ready", server.process.Pid, server.URL("bodega"))
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := server.Stop(context.Background()); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
}

func connect() {
	conn, err := pgx.Connect(context.Background(), os.Getenv("URL"))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	_ = conn.Close(context.Background())
	fmt.Println("connected")
}

// parent is a process that runs a server.
type parent struct {
	*exec.Cmd
	stdin      io.Closer
	postmaster int
	url        string
	// failure is what serve said where it could not start.
	failure string
}

// startParent runs serve in a process of its own, as the user of attr.
func startParent(t *testing.T, dataDir string, attr *syscall.SysProcAttr) *parent {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if attr != nil {
		// go test keeps its binary where only its user goes.
		binary = copyFor(t, binary)
	}
	p := &parent{Cmd: exec.Command(binary)}
	p.Env = append(os.Environ(), "EMBEDDED_TEST_PROCESS=serve", "DATA_DIR="+dataDir, "RUNTIME_DIR=/tmp", "VOLATILE=1")
	p.Stderr = os.Stderr
	p.Dir = "/"
	p.SysProcAttr = attr
	if p.stdin, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stdin.Close()
		_ = p.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("process that runs the server said nothing: %v", err)
	}
	if failure, ok := strings.CutPrefix(strings.TrimSpace(line), "error "); ok {
		p.failure = failure
		return p
	}
	if _, err := fmt.Sscanf(line, "ready %d %s", &p.postmaster, &p.url); err != nil {
		t.Fatalf("process that runs the server said %q: %v", line, err)
	}
	return p
}

func copyFor(t *testing.T, binary string) string {
	t.Helper()
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(openDir(t), "test-binary")
	if err := os.WriteFile(copied, content, 0o755); err != nil {
		t.Fatal(err)
	}
	return copied
}

// openDir is a temporary folder that every user may pass through.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "bodega-embedded-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// startServer starts a server that the test's end stops.
func startServer(t *testing.T, cfg Config) *Server {
	t.Helper()
	server, err := Start(t.Context(), quick(cfg))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := server.EnsureDatabase(t.Context(), "bodega"); err != nil {
		t.Fatal(err)
	}
	return server
}

func quick(cfg Config) Config {
	cfg.Volatile = true
	cfg.RuntimeDir = "/tmp"
	return cfg
}

func query[T any](t *testing.T, url, sql string, args ...any) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var value T
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func run(t *testing.T, url string, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// eventually waits for something that other processes bring about.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("still waiting: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root: running PostgreSQL under another user was not checked")
	}
}

func credentialOf(t *testing.T, name string) *syscall.SysProcAttr {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("no user %s on this machine: running as that user was not checked", name)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

func TestDataOutlivesTheServer(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{DataDir: dir}
	server := startServer(t, cfg)
	if err := server.EnsureDatabase(t.Context(), "bodega"); err != nil {
		t.Fatal(err)
	}
	if err := server.EnsureDatabase(t.Context(), "bodega"); err != nil {
		t.Errorf("the second time: %v", err)
	}
	run(t, server.URL("bodega"), `CREATE TABLE item (id bigint PRIMARY KEY)`, `INSERT INTO item VALUES (7)`)
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Errorf("stopping twice: %v", err)
	}
	select {
	case <-server.Done():
	default:
		t.Error("Done is open after Stop")
	}
	if err := server.Err(); err != nil {
		t.Errorf("after a clean stop: %v", err)
	}
	if _, err := os.Stat(server.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's folder is still there: %v", err)
	}
	again := startServer(t, cfg)
	if got := query[int64](t, again.URL("bodega"), `SELECT id FROM item`); got != 7 {
		t.Errorf("found item %d, want 7", got)
	}
}

func TestServerIsSetUpForDurableBytewiseUTF8(t *testing.T) {
	// Not Volatile: what production runs with.
	server, err := Start(t.Context(), Config{DataDir: t.TempDir(), RuntimeDir: "/tmp", Settings: map[string]string{"work_mem": "3MB"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	if err := server.EnsureDatabase(t.Context(), "bodega"); err != nil {
		t.Fatal(err)
	}
	for setting, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"listen_addresses": "", "server_encoding": "UTF8", "timezone": "UTC", "work_mem": "3MB",
	} {
		if got := query[string](t, server.URL("bodega"), `SELECT current_setting($1)`, setting); got != want {
			t.Errorf("%s is %q, want %q", setting, got, want)
		}
	}
	order := query[[]string](t, server.URL("bodega"), `SELECT array_agg(v ORDER BY v) FROM unnest(ARRAY['b','é','B','a','Z','_']) v`)
	if want := []string{"B", "Z", "_", "a", "b", "é"}; !slices.Equal(order, want) {
		t.Errorf("sorted as %q, want byte order %q", order, want)
	}
	if got := query[string](t, server.URL("bodega"), `SELECT upper('éß')`); got != "Éß" {
		t.Errorf("upper('éß') = %q, want %q", got, "Éß")
	}
}

func TestRoleIsNoSuperuser(t *testing.T) {
	server := startServer(t, Config{DataDir: t.TempDir()})
	if query[bool](t, server.URL("bodega"), `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`) {
		t.Error("bodega's role is a superuser")
	}
	conn, err := pgx.Connect(t.Context(), server.URL("bodega"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{`SELECT pg_read_file('/etc/passwd')`, `COPY (SELECT 1) TO PROGRAM 'true'`} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("bodega's role may run %s", sql)
		}
	}
}

func TestOnlyTheUserWhoRunsItComesIn(t *testing.T) {
	asRoot(t)
	server := startServer(t, Config{DataDir: t.TempDir()})
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary = copyFor(t, binary)
	// The server's own account passes the folder, and is refused by the server.
	for _, name := range []string{"daemon", server.cluster.account.name} {
		for _, role := range []string{Role, superuser} {
			cmd := exec.Command(binary)
			cmd.Env = []string{"EMBEDDED_TEST_PROCESS=connect", "URL=" + server.url(role, "postgres")}
			cmd.Dir = "/"
			cmd.SysProcAttr = credentialOf(t, name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "error") {
				t.Errorf("user %s came in as %s: %s", name, role, out)
			}
			t.Logf("user %s as %s: %s", name, role, strings.TrimSpace(string(out)))
		}
	}
}

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

func TestCtrlCDoesNotReachTheServer(t *testing.T) {
	server := startServer(t, Config{DataDir: t.TempDir()})
	group, err := unix.Getpgid(server.process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if group == unix.Getpgrp() {
		t.Error("the server is in this process's group, so Ctrl-C would stop it before bodega is done")
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
	if err := server.Stop(t.Context()); err != nil {
		t.Errorf("stop a server that ended by itself: %v", err)
	}
	if syscall.Kill(int(backend), 0) != nil {
		t.Log("the busy session was gone already: starting beside one was not checked")
	}
	again := startServer(t, cfg)
	wg.Wait()
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
			if err := os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700); err != nil {
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

func TestBrokenDataFolders(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string
		is    error
	}{
		"strange files":    {files: map[string]string{"notes.txt": "hello"}, want: "no PG_VERSION"},
		"garbage version":  {files: map[string]string{"PG_VERSION": "fifteen\n"}, want: "not a version"},
		"no such version":  {files: map[string]string{"PG_VERSION": "9\n"}, is: ErrMajorVersion, want: "made by 9"},
		"only the version": {files: map[string]string{"PG_VERSION": "15\n"}, want: "ended at its start"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			pgdata := filepath.Join(dir, "data")
			if err := os.Mkdir(pgdata, 0o700); err != nil {
				t.Fatal(err)
			}
			attr := &syscall.SysProcAttr{}
			if os.Geteuid() == 0 {
				attr = credentialOf(t, "nobody")
				if err := os.Chown(pgdata, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
					t.Fatal(err)
				}
			}
			for name, content := range test.files {
				if err := os.WriteFile(filepath.Join(pgdata, name), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Start(t.Context(), quick(Config{DataDir: dir}))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("start says %v, want %q", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("start says %v, want %v", err, test.is)
			}
			t.Log(err)
			// The folder is free again.
			if held, err := lock(filepath.Join(dir, "lock")); err != nil {
				t.Error(err)
			} else {
				held.Close()
			}
		})
	}
}

func TestDeepFolderBelowClosedOnes(t *testing.T) {
	// t.TempDir lies below folders that only this user may enter.
	closed := filepath.Join(t.TempDir(), "closed to others")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(closed, strings.Repeat("a long name with spaces, 'quotes' and é ", 5), strings.Repeat("d", 100))
	if len(dir) < 300 {
		t.Fatalf("path of %d bytes is not deep", len(dir))
	}
	cfg := Config{DataDir: dir}
	server := startServer(t, cfg)
	if os.Geteuid() == 0 && !server.cluster.confined {
		t.Error("the server's account was thought to reach a closed folder")
	}
	run(t, server.URL("bodega"), `CREATE TABLE item (id bigint PRIMARY KEY)`)
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	startServer(t, cfg)
}

func TestFolderNeedsNoCapabilityWhereItIsOpen(t *testing.T) {
	asRoot(t)
	server := startServer(t, Config{DataDir: filepath.Join(openDir(t), "server")})
	if server.cluster.confined {
		t.Error("the server got a capability that it does not need")
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", server.process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "CapEff:") && strings.TrimSpace(strings.TrimPrefix(line, "CapEff:")) != "0000000000000000" {
			t.Errorf("the server has capabilities: %s", line)
		}
	}
}

func TestRunsAsAnOrdinaryUser(t *testing.T) {
	asRoot(t)
	attr := credentialOf(t, "nobody")
	dir := openDir(t)
	own := filepath.Join(dir, "own")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(own, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
		t.Fatal(err)
	}
	p := startParent(t, own, attr)
	if p.failure != "" {
		t.Fatal(p.failure)
	}
	if owner, err := ownerOf(fmt.Sprintf("/proc/%d", p.postmaster)); err != nil || owner != attr.Credential.Uid {
		t.Errorf("the server runs as user id %d (%v), want %d", owner, err, attr.Credential.Uid)
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	pgdata := filepath.Join(own, "data")
	eventually(t, "the server to end after its parent was killed", func() bool { return len(leftovers(pgdata)) == 0 })

	// Root takes the folder over as its owner; afterwards the owner still can.
	server, err := Start(t.Context(), quick(Config{DataDir: own}))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := startParent(t, own, attr); again.failure != "" {
		t.Error(again.failure)
	}

	// Another ordinary user is told whose it is.
	other := startParent(t, own, credentialOf(t, "daemon"))
	if other.failure == "" {
		t.Error("another user could use the folder")
	}
	t.Log(other.failure)
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	asRoot(t)
	dir := filepath.Join(openDir(t), "readonly")
	if err := os.Mkdir(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	p := startParent(t, dir, credentialOf(t, "nobody"))
	if !strings.Contains(p.failure, dir) || !strings.Contains(p.failure, "permission denied") {
		t.Errorf("start in a read-only folder says %q", p.failure)
	}
	t.Log(p.failure)
}

func TestFullDisk(t *testing.T) {
	asRoot(t)
	for _, size := range []string{"8m", "30m"} {
		t.Run(size, func(t *testing.T) {
			dir := openDir(t)
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size="+size); err != nil {
				t.Skipf("mount a small file system: %v: a full disk was not checked", err)
			}
			t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
			data := filepath.Join(dir, "bodega")
			_, err := Start(t.Context(), quick(Config{DataDir: data}))
			if err == nil || !strings.Contains(err.Error(), "No space left on device") {
				t.Errorf("start on a full disk says %v", err)
			}
			t.Log(err)
			if _, err := os.Stat(filepath.Join(data, "data")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a half-made data folder is in place: %v", err)
			}
			// With room, the same folder works.
			if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "mode=0755,size=300m"); err != nil {
				t.Fatal(err)
			}
			server, err := Start(t.Context(), quick(Config{DataDir: data}))
			if err != nil {
				t.Fatal(err)
			}
			if err := server.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
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

func TestSocketFolderOfAStranger(t *testing.T) {
	asRoot(t)
	dir := t.TempDir()
	cfg, err := quick(Config{DataDir: dir}).withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	socket, err := runtimeDir(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(socket) })
	if err := os.Mkdir(socket, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(socket, 1, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "belongs to user id 1") {
		t.Errorf("start with a socket folder of somebody else's says %v", err)
	}
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	// A link to a folder is no folder either.
	if err := os.Symlink("/tmp", socket); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("start with a link for a socket folder says %v", err)
	}
}
