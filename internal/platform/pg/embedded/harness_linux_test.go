package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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
		dir, err := os.MkdirTemp("/tmp", "bodega-test-sockets-")
		if err == nil {
			// Servers of several users put their sockets here.
			err = os.Chmod(dir, 0o1777)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		sockets = dir
		code := m.Run()
		os.RemoveAll(dir)
		os.Exit(code)
	}
}

// sockets is the runtime folder of every server under test.
var sockets string

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

// startParent runs serve in a process of its own, as the user of attr, and by
// way of wrapper, a program with arguments that runs another.
func startParent(t *testing.T, dataDir string, attr *syscall.SysProcAttr, wrapper ...string) *parent {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if attr != nil {
		// go test keeps its binary where only its user goes.
		binary = copyFor(t, binary)
	}
	line := append(wrapper, binary)
	p := &parent{Cmd: exec.Command(line[0], line[1:]...)}
	p.Env = append(os.Environ(), "EMBEDDED_TEST_PROCESS=serve", "DATA_DIR="+dataDir, "RUNTIME_DIR="+sockets, "VOLATILE=1")
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
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("process that runs the server said nothing: %v", err)
	}
	if failure, ok := strings.CutPrefix(strings.TrimSpace(said), "error "); ok {
		p.failure = failure
		return p
	}
	if _, err := fmt.Sscanf(said, "ready %d %s", &p.postmaster, &p.url); err != nil {
		t.Fatalf("process that runs the server said %q: %v", said, err)
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
	cfg.RuntimeDir = sockets
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
		t.Skip("not root: what only root can bring about was not checked")
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
