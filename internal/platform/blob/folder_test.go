package blob_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bodega-hq/bodega/internal/platform/blob"
	"github.com/bodega-hq/bodega/internal/platform/fault"
)

func openFolder(t *testing.T, dir string) *blob.Folder {
	t.Helper()
	f, err := blob.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func put(t *testing.T, b blob.Bucket, key, content string) {
	t.Helper()
	n, err := b.Put(t.Context(), key, strings.NewReader(content))
	if err != nil || n != int64(len(content)) {
		t.Fatalf("put %s: %d bytes, %v", key, n, err)
	}
}

func wantContent(t *testing.T, b blob.Bucket, key, want string) {
	t.Helper()
	got, err := blob.ReadAll(t.Context(), b, key)
	if err != nil || string(got) != want {
		t.Errorf("%s holds %.40q (%v), want %.40q", key, got, err, want)
	}
}

// files lists every file below a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			found = append(found, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	b := openFolder(t, dir)
	want := map[string]bool{"prod/raw/a/f1": true, "prod/raw/a-b/f2": true, "prod/raw/f3": true}
	for key := range want {
		put(t, b, key, "x")
	}
	put(t, b, "prod2/raw/f4", "x")
	put(t, b, "prod/rawer", "x")
	written := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(filepath.Join(dir, "prod", "raw", "f3"), written, written); err != nil {
		t.Fatal(err)
	}
	for o, err := range b.List(t.Context(), "prod/raw") {
		if err != nil || !want[o.Key] {
			t.Errorf("%q is listed, %v", o.Key, err)
		}
		if o.Key == "prod/raw/f3" && !o.Written.Equal(written) {
			t.Errorf("it was written %s, not %s", written, o.Written)
		}
		delete(want, o.Key)
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
	next, giveUp := iter.Pull2(b.List(t.Context(), "prod"))
	if _, err, ok := next(); err != nil || !ok {
		t.Errorf("the first of a walk that is given up: %v, %t", err, ok)
	}
	giveUp()
	for o, err := range b.List(t.Context(), "nothing/here") {
		t.Errorf("in an absent folder %q is listed, %v", o.Key, err)
	}
	for _, err := range b.List(t.Context(), "..") {
		if err == nil {
			t.Error("a folder outside of the bucket is listed")
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range b.List(ended, "prod") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a walk that was ended says %v", err)
		}
	}
}

func TestObjects(t *testing.T) {
	dir := t.TempDir()
	b := openFolder(t, filepath.Join(dir, "deep", "objects"))
	put(t, b, "raw/corner/f1", "one")
	put(t, b, "raw/corner/f2", "")
	wantContent(t, b, "raw/corner/f1", "one")
	wantContent(t, b, "raw/corner/f2", "")
	put(t, b, "raw/corner/f1", "another, longer")
	wantContent(t, b, "raw/corner/f1", "another, longer")
	if n, err := b.Size(t.Context(), "raw/corner/f1"); err != nil || n != 15 {
		t.Errorf("size %d, %v", n, err)
	}
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
	for range 2 { // the second time it is not there
		if err := b.Delete(t.Context(), "raw/corner/f1"); err != nil {
			t.Error(err)
		}
	}
	// A bucket that is opened again has what was in it.
	wantContent(t, openFolder(t, filepath.Join(dir, "deep", "objects")), "raw/corner/f2", "")
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("files %q, want one object alone", got)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	b := openFolder(t, t.TempDir())
	put(t, b, "raw/f1", "one")
	// A folder is no object, and nothing is below an object.
	for _, key := range []string{"raw/f2", "nothing/at/all", "raw", "raw/f1/below"} {
		if _, err := blob.ReadAll(t.Context(), b, key); !errors.Is(err, blob.ErrNotFound) || fault.KindOf(err) != fault.NotFound {
			t.Errorf("read %s: %v, want ErrNotFound", key, err)
		}
		if _, err := b.Size(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
			t.Errorf("size of %s: %v, want ErrNotFound", key, err)
		}
		if err := b.Delete(t.Context(), key); err != nil {
			t.Errorf("delete %s: %v", key, err)
		}
	}
	wantContent(t, b, "raw/f1", "one")
}

func TestKeysStayInside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := openFolder(t, filepath.Join(dir, "objects"))
	for _, key := range []string{
		"", "/", "..", ".", "../secret", "a/../../secret", "a/..", "./a", "a//b", "/etc/passwd", "a/", "a/./b", "a\x00b",
		".incoming", ".incoming/x",
	} {
		if _, err := b.Put(t.Context(), key, strings.NewReader("x")); err == nil {
			t.Errorf("put %q passes", key)
		}
		if _, err := blob.ReadAll(t.Context(), b, key); err == nil || errors.Is(err, blob.ErrNotFound) {
			t.Errorf("read %q: %v, want a refusal", key, err)
		}
		if _, err := b.Size(t.Context(), key); err == nil {
			t.Errorf("size of %q passes", key)
		}
		if err := b.Delete(t.Context(), key); err == nil {
			t.Errorf("delete %q passes", key)
		}
	}
	if got := files(t, dir); len(got) != 1 || got[0] != "secret" {
		t.Errorf("files %q, want the secret alone", got)
	}
}

func TestRanges(t *testing.T) {
	b := openFolder(t, t.TempDir())
	put(t, b, "k", "0123456789")
	for _, c := range []struct {
		offset, length int64
		want           string
	}{
		{0, -1, "0123456789"}, {0, 0, ""}, {0, 4, "0123"}, {3, 4, "3456"}, {8, 100, "89"}, {3, -1, "3456789"}, {10, -1, ""}, {99, 5, ""},
	} {
		r, err := b.Open(t.Context(), "k", c.offset, c.length)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != c.want {
			t.Errorf("from %d, %d bytes: %q (%v), want %q", c.offset, c.length, got, err, c.want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// gate is a reader that calls f before it gives its second piece.
type gate struct {
	f      func() error
	pieces int
}

func (g *gate) Read(p []byte) (int, error) {
	g.pieces++
	switch g.pieces {
	case 1:
		return copy(p, "first "), nil
	case 2:
		if err := g.f(); err != nil {
			return 0, err
		}
		return copy(p, "second"), nil
	}
	return 0, io.EOF
}

func TestReadersSeeAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	b := openFolder(t, dir)
	put(t, b, "old", "old")
	for _, key := range []string{"new", "old"} {
		_, err := b.Put(t.Context(), key, &gate{f: func() error {
			if key == "old" {
				wantContent(t, b, key, "old")
			} else if _, err := b.Size(t.Context(), key); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("half an object is there: %v", err)
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		wantContent(t, b, key, "first second")
	}
	// Who began to read before a replacement reads the old object to its end.
	r, err := b.Open(t.Context(), "old", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	put(t, b, "old", "newer")
	if got, err := io.ReadAll(r); err != nil || string(got) != "first second" {
		t.Errorf("a reader from before got %q, %v", got, err)
	}
}

func TestBrokenPutLeavesNothing(t *testing.T) {
	broken := errors.New("connection reset")
	for name, c := range map[string]struct {
		f    func(cancel func()) error
		want error
	}{
		"reader breaks":    {func(func()) error { return broken }, broken},
		"context is ended": {func(cancel func()) error { cancel(); return nil }, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := openFolder(t, dir)
			put(t, b, "kept", "kept")
			for _, key := range []string{"fresh/key", "kept"} {
				ctx, cancel := context.WithCancel(t.Context())
				_, err := b.Put(ctx, key, &gate{f: func() error { return c.f(cancel) }})
				cancel()
				if !errors.Is(err, c.want) {
					t.Errorf("put %s: %v, want %v", key, err, c.want)
				}
			}
			wantContent(t, b, "kept", "kept")
			if got := files(t, dir); len(got) != 1 || got[0] != "kept" {
				t.Errorf("files %q, want the object that was there alone", got)
			}
		})
	}
}

// Puts of one key at once leave one of them, whole.
func TestPutsOfOneKeyAtOnce(t *testing.T) {
	dir := t.TempDir()
	b := openFolder(t, dir)
	written := map[string]bool{}
	for i := range 16 {
		written[strings.Repeat(fmt.Sprintf("%02d", i), 40_000+i)] = true
	}
	var wg sync.WaitGroup
	for content := range written {
		wg.Go(func() {
			if _, err := b.Put(t.Context(), "same/new/folder/key", strings.NewReader(content)); err != nil {
				t.Error(err)
			}
			got, err := blob.ReadAll(t.Context(), b, "same/new/folder/key")
			if err != nil || !written[string(got)] {
				t.Errorf("read %d bytes that nobody wrote (%v)", len(got), err)
			}
		})
	}
	wg.Wait()
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("files %q, want one", got)
	}
}

// What a killed writer left goes when the bucket is opened; what another
// process is still writing stays.
func TestLeftoversAreSwept(t *testing.T) {
	dir := t.TempDir()
	openFolder(t, dir)
	// A process that has ended, and one that lives as long as the test.
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	alive := exec.Command("sleep", "600")
	if err := alive.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = alive.Process.Kill()
		_ = alive.Wait() // it was killed
	})
	left := filepath.Join(".incoming", fmt.Sprintf("%d-1234", dead.Process.Pid))
	living := filepath.Join(".incoming", fmt.Sprintf("%d-1234", alive.Process.Pid))
	odd := filepath.Join(".incoming", "odd")
	for _, name := range []string{left, living, odd} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := openFolder(t, dir)
	if got := files(t, dir); len(got) != 1 || got[0] != living {
		t.Errorf("files %q, want %q alone", got, living)
	}
	put(t, b, "k", "v")
}

// A full disk is a full disk to the caller, leaves nothing, and is over once
// there is space.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root: not checked that a full disk leaves nothing of an object")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mount a small file system: %v: not checked that a full disk leaves nothing of an object", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	b := openFolder(t, dir)
	put(t, b, "kept", strings.Repeat("k", 100<<10))
	for _, key := range []string{"fresh", "kept"} {
		_, err := b.Put(t.Context(), key, io.LimitReader(rand.Reader, 1<<20))
		if !errors.Is(err, blob.ErrNoSpace) || fault.KindOf(err) != fault.ResourceExhausted {
			t.Errorf("put %s on a full disk: %v, want ErrNoSpace", key, err)
		}
	}
	wantContent(t, b, "kept", strings.Repeat("k", 100<<10))
	if got := files(t, dir); len(got) != 1 || got[0] != "kept" {
		t.Errorf("files %q, want the object that was there alone", got)
	}
	put(t, b, "fresh", strings.Repeat("f", 100<<10)) // there is space for what fits
}
