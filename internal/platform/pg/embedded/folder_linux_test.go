package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

func TestBrokenDataFolders(t *testing.T) {
	found, err := Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  string
		is    error
	}{
		"strange files":    {files: map[string]string{"notes.txt": "hello"}, want: "no PG_VERSION"},
		"garbage version":  {files: map[string]string{"PG_VERSION": "fifteen\n"}, want: "not a version"},
		"no such version":  {files: map[string]string{"PG_VERSION": "9\n"}, is: ErrMajorVersion, want: "made by 9"},
		"only the version": {files: map[string]string{"PG_VERSION": fmt.Sprintln(found[0].Major)}, want: "ended at its start"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			pgdata := filepath.Join(dir, "data")
			if err := os.Mkdir(pgdata, 0o700); err != nil {
				t.Fatal(err)
			}
			var attr *syscall.SysProcAttr
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

// The root of a container often lacks the rights to look into other users'
// processes and to lend others the right to pass closed folders.
func TestRootWithFewRights(t *testing.T) {
	asRoot(t)
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Skipf("%v: a root with few rights was not checked", err)
	}
	few := []string{"setpriv", "--bounding-set=-sys_ptrace,-dac_read_search", "--inh-caps=-sys_ptrace,-dac_read_search"}
	dir := filepath.Join(openDir(t), "server")
	for range 2 {
		p := startParent(t, dir, nil, few...)
		if p.failure != "" {
			t.Fatal(p.failure)
		}
		// The next one finds the server of this one still ending.
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait()
	}
	closed := filepath.Join(openDir(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	p := startParent(t, filepath.Join(closed, "server"), nil, few...)
	if !strings.Contains(p.failure, "CAP_DAC_READ_SEARCH") || !strings.Contains(p.failure, "chmod o+x") {
		t.Errorf("below a closed folder it says %q", p.failure)
	}
	t.Log(p.failure)
}

func TestOSUser(t *testing.T) {
	asRoot(t)
	server := startServer(t, Config{DataDir: filepath.Join(openDir(t), "server"), OSUser: "nobody"})
	if owner, err := ownerOf(fmt.Sprintf("/proc/%d", server.PID())); err != nil || owner != credentialOf(t, "nobody").Credential.Uid {
		t.Errorf("the server runs as user id %d (%v), want nobody", owner, err)
	}
	for _, name := range []string{"root", "no such user"} {
		_, err := Start(t.Context(), quick(Config{DataDir: t.TempDir(), OSUser: name}))
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("as %s: %v", name, err)
		}
		t.Log(err)
	}
}

func TestDiskThatFillsUp(t *testing.T) {
	asRoot(t)
	dir := openDir(t)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size=150m"); err != nil {
		t.Skipf("mount a small file system: %v: a disk that fills up was not checked", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	cfg := Config{DataDir: filepath.Join(dir, "bodega")}
	server := startServer(t, cfg)
	run(t, server.URL("bodega"), `CREATE TABLE item (id bigint PRIMARY KEY, filler text)`, `INSERT INTO item VALUES (1, '')`)
	conn, err := pgx.Connect(t.Context(), server.URL("bodega"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `INSERT INTO item SELECT i, repeat(md5(i::text), 60) FROM generate_series(2, 200000) i`); err == nil {
		t.Error("200,000 rows of 2 kB fit on 150 MB")
	} else {
		t.Log(err)
	}
	// The server is alive, or is down with nothing lost; both end here.
	if err := server.Stop(t.Context()); err != nil {
		t.Log(err)
	}
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	f.Close()
	if again, err := Start(t.Context(), quick(cfg)); err == nil {
		t.Log("a full disk is no hindrance to this start")
		if err := again.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	} else if t.Log(err); !strings.Contains(strings.ToLower(err.Error()), "no space left on device") {
		t.Errorf("start on a full disk says %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "mode=0755,size=1g"); err != nil {
		t.Fatal(err)
	}
	again := startServer(t, cfg)
	if n := query[int64](t, again.URL("bodega"), `SELECT count(*) FROM item`); n != 1 {
		t.Errorf("%d items after the disk had been full, want 1", n)
	}
}
