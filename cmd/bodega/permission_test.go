package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nobody is the user who owns nothing.
const nobody = 65534

// Where the user of the server may not work in a folder, it ends before it
// serves, and says which folder and what to do.
func TestFoldersOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT RUN: folders that the server's user may not work in, and another user to run it, need root")
	}
	base, err := os.MkdirTemp("", "bodega-permission-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	folder := func(name string, mode os.FileMode, owner int) string {
		t.Helper()
		path := filepath.Join(base, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, owner, owner); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	binary := copyOfItself(t, filepath.Join(folder("bin", 0o755, 0), "bodega"))
	own, runtime := folder("own", 0o700, nobody), folder("runtime", 0o700, nobody)
	readable, shut, unwritable := folder("readable", 0o755, 0), folder("shut", 0o700, 0), folder("unwritable", 0o500, nobody)
	data := filepath.Join(own, "data")
	for _, c := range []struct {
		name, runtime string
		args          []string
		want          []string
	}{
		{"data folder cannot be made", runtime, []string{"--data-dir", filepath.Join(readable, "data")}, []string{filepath.Join(readable, "data"), "--data-dir"}},
		{"data folder cannot be reached", runtime, []string{"--data-dir", filepath.Join(shut, "data")}, []string{filepath.Join(shut, "data"), "--data-dir"}},
		{"data folder cannot be entered", runtime, []string{"--data-dir", shut}, []string{shut, "--data-dir"}},
		{"data folder cannot be written", runtime, []string{"--data-dir", unwritable}, []string{unwritable, "--data-dir"}},
		{"runtime folder cannot be written", readable, []string{"--data-dir", data}, []string{readable, "XDG_RUNTIME_DIR"}},
		{"runtime folder cannot be entered", shut, []string{"--data-dir", data}, []string{shut, "XDG_RUNTIME_DIR"}},
		{"object folder cannot be made", runtime, []string{"--data-dir", data, "--blob-url", "file://" + filepath.Join(readable, "objects")}, []string{filepath.Join(readable, "objects"), "--blob-url"}},
		{"object folder cannot be entered", runtime, []string{"--data-dir", data, "--blob-url", "file://" + shut}, []string{shut, "--blob-url"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := serveAs(t, binary, own, c.runtime, c.args...)
			last := said[strings.LastIndex(said, "\n")+1:]
			for _, want := range append(c.want, "permission denied") {
				if !strings.Contains(last, want) {
					t.Errorf("the server says nothing of %q:\n%s", want, said)
				}
			}
		})
	}
}

// copyOfItself is this program where everybody may run it. Under the name
// bodega it is the command line.
func copyOfItself(t *testing.T, path string) string {
	t.Helper()
	itself, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer itself.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, itself); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// serveAs runs a server as nobody, which is not to come to serve, and returns
// what it says.
func serveAs(t *testing.T, binary, home, runtime string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir = home
	// Root's server keeps a PostgreSQL that it fetched in /var/cache.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CACHE_HOME=/var/cache", "XDG_RUNTIME_DIR=" + runtime}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err == nil || ctx.Err() != nil {
		t.Fatalf("the server ends in %v (%v):\n%s", err, ctx.Err(), out)
	}
	return strings.TrimSpace(string(out))
}
