package embedded

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ulikunitz/xz"
)

func tarXZ(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	compressed, err := xz.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := compressed.Write(tarOf(t, entries...)); err != nil {
		t.Fatal(err)
	}
	if err := compressed.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func tarOf(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	for _, header := range entries {
		content := ""
		if header.Typeflag == tar.TypeReg {
			content = "content of " + header.Name
			header.Size = int64(len(content))
		}
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func jar(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for name, content := range files {
		w, err := archive.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func programs(t testing.TB) []byte {
	return jar(t, map[string][]byte{
		"META-INF/MANIFEST.MF": []byte("Manifest-Version: 1.0\n"),
		"postgres-test.txz": tarXZ(t,
			tar.Header{Name: "./", Typeflag: tar.TypeDir, Mode: 0o700},
			tar.Header{Name: "bin/initdb", Typeflag: tar.TypeReg, Mode: 0o700},
			tar.Header{Name: "bin/postgres", Typeflag: tar.TypeReg, Mode: 0o4755},
			tar.Header{Name: "lib/libpq.so.5.17", Typeflag: tar.TypeReg, Mode: 0o600},
			tar.Header{Name: "lib/libpq.so.5", Typeflag: tar.TypeSymlink, Linkname: "libpq.so.5.17"},
		),
	})
}

func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "programs.jar")
	if err := os.WriteFile(path, programs(t), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unpackJar(f, info.Size(), out); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"bin/initdb": 0o755, "bin/postgres": 0o755, "lib/libpq.so.5.17": 0o644, "lib/libpq.so.5": 0o644} {
		info, err := os.Stat(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v: the owner's rights are for all, and nothing more", name, info.Mode(), mode)
		}
	}
	content, err := os.ReadFile(filepath.Join(out, "lib", "libpq.so.5"))
	if err != nil || string(content) != "content of lib/libpq.so.5.17" {
		t.Errorf("through the link: %q, %v", content, err)
	}
}

func TestUnpackRefuses(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"a name above":            {{Name: "../evil", Typeflag: tar.TypeReg}},
		"an absolute name":        {{Name: "/tmp/evil", Typeflag: tar.TypeReg}},
		"a name above in between": {{Name: "bin/../../evil", Typeflag: tar.TypeReg}},
		"a link above":            {{Name: "lib/evil", Typeflag: tar.TypeSymlink, Linkname: "../../evil"}},
		"an absolute link":        {{Name: "evil", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}},
		"a device":                {{Name: "evil", Typeflag: tar.TypeChar}},
		"a hard link":             {{Name: "evil", Typeflag: tar.TypeLink, Linkname: "bin"}},
		"the same file twice":     {{Name: "evil", Typeflag: tar.TypeReg}, {Name: "evil", Typeflag: tar.TypeReg}},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "out")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			err := unpackTXZ(bytes.NewReader(tarXZ(t, entries...)), dir)
			if err == nil || !strings.Contains(err.Error(), entries[0].Name) {
				t.Errorf("unpacked, or named no entry: %v", err)
			}
			if _, err := os.Lstat(filepath.Join(parent, "evil")); err == nil {
				t.Error("something came out above the folder")
			}
		})
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(tarOf(f, tar.Header{Name: "bin/initdb", Typeflag: tar.TypeReg, Mode: 0o755}))
	f.Add(tarOf(f, tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "b"}, tar.Header{Name: "a/c", Typeflag: tar.TypeReg}))
	f.Add(tarOf(f, tar.Header{Name: "a/b", Typeflag: tar.TypeDir}, tar.Header{Name: "a/l", Typeflag: tar.TypeSymlink, Linkname: "../a"}))
	f.Fuzz(func(t *testing.T, content []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "out")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = unpackTar(bytes.NewReader(content), dir)
		entries, err := os.ReadDir(parent)
		if err != nil || len(entries) != 1 {
			t.Errorf("%d entries beside the folder (%v)", len(entries)-1, err)
		}
	})
}

// mirror serves one jar and counts how often it was asked for it.
func mirror(t *testing.T, content []byte, answer func(w http.ResponseWriter, request int64) bool) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := requests.Add(1)
		if r.URL.Path != "/maven/io/zonky/test/postgres/embedded-postgres-binaries-linux-test/17.0.0/embedded-postgres-binaries-linux-test-17.0.0.jar" {
			http.NotFound(w, r)
			return
		}
		if answer == nil || answer(w, n) {
			_, _ = w.Write(content)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/maven/", requests
}

func sumOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func testFetcher(t *testing.T, dir, url string) fetcher {
	t.Helper()
	cfg, err := Config{DataDir: dir, CacheDir: dir, Mirror: url}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFetcher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFetchOnceForMany(t *testing.T) {
	content := programs(t)
	url, requests := mirror(t, content, func(w http.ResponseWriter, request int64) bool {
		if request == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // gets another try
		}
		return request > 1
	})
	dir := t.TempDir()
	a := artifact{version: "17.0.0", sha256: sumOf(content)}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			bin, err := testFetcher(t, dir, url).get(t.Context(), a, "linux-test")
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(bin, "initdb")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests, want the refused one and one more", n)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "postgres"))
	if err != nil || len(entries) != 2 {
		t.Errorf("the cache holds %v (%v), want the programs and the lock file alone", entries, err)
	}
}

func TestFetchRefuses(t *testing.T) {
	content := programs(t)
	noInitdb := jar(t, map[string][]byte{"x.txz": tarXZ(t, tar.Header{Name: "bin/postgres", Typeflag: tar.TypeReg, Mode: 0o755})})
	for name, test := range map[string]struct {
		sum    string
		serve  []byte
		answer func(http.ResponseWriter, int64) bool
		want   string
	}{
		"another content": {sum: sumOf([]byte("else")), serve: content, want: "was expected"},
		"half of it":      {sum: sumOf(content), serve: content[:len(content)/2], want: "was expected"},
		"not found": {sum: sumOf(content), serve: content, want: "404 Not Found",
			answer: func(w http.ResponseWriter, _ int64) bool { w.WriteHeader(http.StatusNotFound); return false }},
		"cut off": {sum: sumOf(content), serve: content, want: "unexpected EOF",
			answer: func(w http.ResponseWriter, _ int64) bool { w.Header().Set("Content-Length", "1000000"); return true }},
		"no jar":      {sum: sumOf([]byte("hello")), serve: []byte("hello"), want: "read jar"},
		"no programs": {sum: sumOf(noInitdb), serve: noInitdb, want: "no bin/initdb"},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := mirror(t, test.serve, test.answer)
			dir := t.TempDir()
			_, err := testFetcher(t, dir, url).get(t.Context(), artifact{version: "17.0.0", sha256: test.sum}, "linux-test")
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), url[:len(url)-1]) {
				t.Errorf("fetch says %v, want %q and the address", err, test.want)
			}
			entries, readErr := os.ReadDir(filepath.Join(dir, "postgres"))
			if readErr != nil || len(entries) != 1 {
				t.Errorf("the cache holds %v (%v), want the lock file alone", entries, readErr)
			}
		})
	}
}

func TestArtifactsAreComplete(t *testing.T) {
	for major, platforms := range artifacts {
		if len(platforms) != len(mavenPlatform) {
			t.Errorf("PostgreSQL %d is known for %d platforms of %d", major, len(platforms), len(mavenPlatform))
		}
		for platform, a := range platforms {
			if sum, err := hex.DecodeString(a.sha256); err != nil || len(sum) != sha256.Size {
				t.Errorf("PostgreSQL %d for %s: %q is no SHA-256", major, platform, a.sha256)
			}
			if mavenPlatform[platform] == "" {
				t.Errorf("PostgreSQL %d is listed for the unknown platform %s", major, platform)
			}
		}
	}
	if artifacts[fetchedMajor] == nil {
		t.Errorf("PostgreSQL %d is what a new folder is made with, and has no artifacts", fetchedMajor)
	}
}

func TestNoBinaries(t *testing.T) {
	// Without programs in PATH, in the places of packages, in the cache or on
	// the mirror, the error says what to do.
	saved := installed
	installed = nil
	t.Cleanup(func() { installed = saved })
	t.Setenv("PATH", t.TempDir())
	if os.Geteuid() == 0 {
		if fetched, _ := filepath.Glob("/var/cache/bodega/postgres/*-*/bin"); len(fetched) > 0 {
			t.Skipf("%v is there: a machine without PostgreSQL was not checked", fetched)
		}
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if _, err := Find(t.Context()); !errors.Is(err, ErrNoBinaries) || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("Find says %v", err)
	}
	url, _ := mirror(t, nil, nil)
	_, err := Start(t.Context(), Config{DataDir: t.TempDir(), CacheDir: t.TempDir(), Mirror: url + "elsewhere"})
	if !errors.Is(err, ErrNoBinaries) || !strings.Contains(err.Error(), "404") || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("Start says %v", err)
	}
	t.Log(err)
}

func TestWrongBinDir(t *testing.T) {
	dir := t.TempDir()
	script := func(name, says string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+says+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ says, want string }{
		{"", "not a version"},
		{"echo postgres '(PostgreSQL)' 9.6.24", "runs on"},
		{"exit 3", "exit status 3"},
	} {
		script("initdb", test.says)
		script("postgres", test.says)
		if _, err := Start(t.Context(), Config{DataDir: t.TempDir(), BinDir: dir}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("with programs that say %q: %v, want %q", test.says, err, test.want)
		}
	}
	if _, err := Start(t.Context(), Config{DataDir: t.TempDir(), BinDir: t.TempDir()}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("with an empty folder: %v", err)
	}
}

func TestMuslOnly(t *testing.T) {
	for name, test := range map[string]struct {
		files []string
		want  bool
	}{
		"Alpine":                     {[]string{"lib/ld-musl-x86_64.so.1"}, true},
		"Debian":                     {[]string{"lib64/ld-linux-x86-64.so.2"}, false},
		"Debian with musl beside it": {[]string{"lib/ld-musl-x86_64.so.1", "lib64/ld-linux-x86-64.so.2"}, false},
		"arm64":                      {[]string{"lib/ld-linux-aarch64.so.1"}, false},
		"macOS":                      {nil, false},
	} {
		root := t.TempDir()
		for _, file := range test.files {
			path := filepath.Join(root, file)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o755)); err != nil {
				t.Fatal(err)
			}
		}
		if got := muslOnly(root); got != test.want {
			t.Errorf("%s runs only musl's: %v, want %v", name, got, test.want)
		}
	}
}

func TestRuntimeDir(t *testing.T) {
	dir := t.TempDir()
	for name, test := range map[string]struct{ parent, want string }{
		"too long":    {filepath.Join(dir, strings.Repeat("x", 100)), "at most"},
		"not there":   {filepath.Join(dir, "nowhere"), "nowhere"},
		"has a comma": {filepath.Join(dir, "a,b"), "a,b"},
	} {
		if name != "not there" {
			if err := os.Mkdir(test.parent, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		got, err := runtimeDir(Config{DataDir: "/data", RuntimeDir: test.parent})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	one, err := runtimeDir(Config{DataDir: "/data", RuntimeDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	other, err := runtimeDir(Config{DataDir: "/data2", RuntimeDir: dir})
	if err != nil || one == other {
		t.Errorf("two data folders share %s (%v)", one, err)
	}
}
