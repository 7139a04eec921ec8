package embedded

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

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
	server, err := Start(t.Context(), Config{DataDir: t.TempDir(), RuntimeDir: sockets, Settings: map[string]string{"work_mem": "3MB"}})
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

func TestLocate(t *testing.T) {
	dir := t.TempDir()
	if _, err := Locate(dir, "bodega"); err == nil || !strings.Contains(err.Error(), "no postgres runs") {
		t.Errorf("without a server: %v", err)
	}
	server := startServer(t, Config{DataDir: dir})
	url, err := Locate(dir, "bodega")
	if err != nil || url != server.URL("bodega") {
		t.Errorf("found %s (%v), want %s", url, err, server.URL("bodega"))
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := Locate(dir, "bodega"); err == nil {
		t.Error("a stopped server was found")
	}
	for _, content := range []string{"", "garbage", "1\n\n\n\nrelative\n\n"} {
		if err := os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Locate(dir, "bodega"); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("with the pid file %q: %v", content, err)
		}
	}
}

func TestRender(t *testing.T) {
	got := render(map[string]string{"b": `it's C:\x`, "a": ""})
	want := "# Written by bodega at every start. ALTER SYSTEM settings are read after this file.\na = ''\nb = 'it''s C:\\\\x'\n"
	if got != want {
		t.Errorf("rendered\n%s\nwant\n%s", got, want)
	}
}

func TestWrongSetting(t *testing.T) {
	_, err := Start(t.Context(), quick(Config{DataDir: t.TempDir(), Settings: map[string]string{"shared_bufers": "1GB"}}))
	if err == nil || !strings.Contains(err.Error(), "shared_bufers") {
		t.Errorf("an unknown setting: %v", err)
	}
	t.Log(err)
}

func TestSmallSharedMemory(t *testing.T) {
	asRoot(t)
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skipf("%v: a container's small shared memory was not checked", err)
	}
	// A namespace of mounts with a shared memory as small as a container's.
	small := []string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$0"`}
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("%s: a container's small shared memory was not checked", out)
	}
	p := startParent(t, t.TempDir(), nil, small...)
	if p.failure != "" {
		t.Fatal(p.failure)
	}
	if got := query[string](t, p.url, `SHOW dynamic_shared_memory_type`); got != "mmap" {
		t.Errorf("memory is shared by %s, want mmap", got)
	}
}
