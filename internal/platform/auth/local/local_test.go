package local_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/auth/local"
)

func open(t *testing.T) (*local.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bodega")
	s, err := local.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func TestWriteThenFind(t *testing.T) {
	s, dir := open(t)
	c, cleanup, err := s.Write("127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080", "0.0.0.0:8080", "[::]:8080", ":8080"} {
		if got, err := s.Find(address); err != nil || got.Secret != c.Secret || got.PID != os.Getpid() {
			t.Errorf("Find(%s) = %v, %v", address, got, err)
		}
	}
	for _, address := range []string{"127.0.0.1:8081", "example.com:8080", "192.0.2.1:8080"} {
		if _, err := s.Find(address); !errors.Is(err, local.ErrNone) {
			t.Errorf("Find(%s) = %v", address, err)
		}
	}
	for _, address := range []string{"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1:../../etc"} {
		if _, err := s.Find(address); err == nil || errors.Is(err, local.ErrNone) {
			t.Errorf("Find(%q) = %v", address, err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	cleanup()
	if _, err := s.Find("127.0.0.1:8080"); !errors.Is(err, local.ErrNone) {
		t.Errorf("after the clean-up: %v", err)
	}
}

func TestEachStartReplacesTheCredential(t *testing.T) {
	s, _ := open(t)
	first, cleanFirst, err := s.Write("127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	second, _, err := s.Write("127.0.0.1:8080")
	if err != nil || first.Secret == second.Secret {
		t.Fatal(first, second, err)
	}
	cleanFirst() // a server that ends late must not take the newer one's away
	if got, err := s.Find("127.0.0.1:8080"); err != nil || got.Secret != second.Secret {
		t.Errorf("Find = %v, %v", got, err)
	}
}

func TestManyStartsAtOnceLeaveOneWholeFile(t *testing.T) {
	s, dir := open(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, _, err := s.Write("127.0.0.1:8080"); err != nil {
				t.Error(err)
			}
			if _, err := s.Find("127.0.0.1:8080"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestPlantedFoldersAreRefused(t *testing.T) {
	base := t.TempDir()
	loose := filepath.Join(base, "loose")
	if err := os.Mkdir(loose, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(base, "link")
	real := filepath.Join(base, "real")
	if err := errors.Join(os.Mkdir(real, 0o700), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{loose: "others may enter", link: "is not a folder", file: "is not a folder", filepath.Join(base, "a", "b"): "no such file"} {
		if _, err := local.OpenDir(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("OpenDir(%s) = %v, want %q", filepath.Base(dir), err, want)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("only root can make a folder of another user: not checked that such a folder is refused")
	}
	foreign := filepath.Join(base, "foreign")
	if err := errors.Join(os.Mkdir(foreign, 0o700), os.Chown(foreign, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	if _, err := local.OpenDir(foreign); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("OpenDir of another user's folder = %v", err)
	}
}

func TestPlantedFilesAreRefused(t *testing.T) {
	s, dir := open(t)
	path := filepath.Join(dir, "port-8080.json")
	good := []byte(`{"address":"127.0.0.1:8080","secret":"bodl_x","pid":1}`)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, good, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, plant := range map[string]func() error{
		"readable by others": func() error { return errors.Join(os.WriteFile(path, good, 0o600), os.Chmod(path, 0o644)) },
		"a link":             func() error { return os.Symlink(elsewhere, path) },
		"a folder":           func() error { return os.Mkdir(path, 0o700) },
		"empty":              func() error { return os.WriteFile(path, nil, 0o600) },
		"half written":       func() error { return os.WriteFile(path, good[:30], 0o600) },
		"no secret":          func() error { return os.WriteFile(path, []byte(`{"secret":""}`), 0o600) },
		"a header in it":     func() error { return os.WriteFile(path, []byte(`{"secret":"bodl_x\r\nX-Evil: 1"}`), 0o600) },
		"huge":               func() error { return os.WriteFile(path, make([]byte, 1<<20), 0o600) },
	} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		if c, err := s.Find("127.0.0.1:8080"); err == nil || errors.Is(err, local.ErrNone) {
			t.Errorf("%s: Find = %v, %v", name, c, err)
		}
	}
}

func TestOpenFollowsTheEnvironment(t *testing.T) {
	runtime := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	if _, err := local.Open(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(runtime, "bodega")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	temp := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", "relative") // the specification has it ignored
	t.Setenv("TMPDIR", temp)
	if _, err := local.Open(); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(temp); err != nil || len(files) != 1 || !strings.HasPrefix(files[0].Name(), "bodega-") {
		t.Errorf("%v, %v", files, err)
	}
}

func TestOpenWithoutTheRuntimeFolder(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("XDG_RUNTIME_DIR", filepath.Join(temp, "gone"))
	if _, err := local.Open(); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(temp); err != nil || len(files) != 1 || !strings.HasPrefix(files[0].Name(), "bodega-") {
		t.Errorf("%v, %v", files, err)
	}
}

func TestAuthenticator(t *testing.T) {
	s, _ := open(t)
	c, _, err := s.Write("127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	a, err := c.Authenticator()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		name, header, peer string
		want               error
	}{
		{"right", "Bearer " + c.Secret, "127.0.0.1:4711", nil},
		{"right, by IPv6", "Bearer " + c.Secret, "[::1]:4711", nil},
		{"from another machine", "Bearer " + c.Secret, "192.0.2.1:4711", auth.ErrCredential},
		{"from nowhere", "Bearer " + c.Secret, "@", auth.ErrCredential},
		{"a stale one", "Bearer bodl_stale", "127.0.0.1:4711", auth.ErrCredential},
		{"an API token", "Bearer bod_x", "127.0.0.1:4711", auth.ErrNoCredential},
		{"none", "", "127.0.0.1:4711", auth.ErrNoCredential},
	} {
		r := &http.Request{Header: http.Header{}, RemoteAddr: one.peer}
		r.Header.Set("Authorization", one.header)
		caller, err := a.Authenticate(t.Context(), r)
		if !errors.Is(err, one.want) || (err == nil) != (one.want == nil) {
			t.Errorf("%s: %v", one.name, err)
		}
		if err == nil && (caller.Role != auth.RoleAdmin || caller.Credential != auth.Local || !strings.HasPrefix(caller.Subject, "local:")) {
			t.Errorf("%s: %v", one.name, caller)
		}
	}
}

// FuzzFind reads files of any content: none may panic, and what comes out can
// stand in a header.
func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"address":"127.0.0.1:8080","secret":"bodl_x","pid":1}`))
	f.Add([]byte(`{"secret":"bodl_\u0000"}`))
	f.Add([]byte(`[]`))
	dir := filepath.Join(f.TempDir(), "bodega")
	s, err := local.OpenDir(dir)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, "port-8080.json"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := s.Find("127.0.0.1:8080")
		if err == nil && (!strings.HasPrefix(c.Secret, "bodl_") || strings.ContainsAny(c.Secret, "\r\n\x00 ")) {
			t.Errorf("secret %q", c.Secret)
		}
	})
}
