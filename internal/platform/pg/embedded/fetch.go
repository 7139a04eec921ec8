package embedded

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// mavenCentral serves the server programs that the zonky project builds for
// embedding, one jar per platform and version:
// https://github.com/zonkyio/embedded-postgres-binaries
const mavenCentral = "https://repo1.maven.org/maven2"

// mirrorVariable of the environment names another Maven repository.
const mirrorVariable = "BODEGA_POSTGRES_MIRROR"

// artifact is one jar, known by its checksum, so that no mirror has to be trusted.
type artifact struct {
	version string
	sha256  string
}

// fetchedMajor is what a new data folder is made with where programs have to be
// fetched. The other majors are for data folders that already exist.
const fetchedMajor = 17

// artifacts by major version and platform. A version is replaced by a newer one
// of the same major together with all its checksums.
var artifacts = map[int]map[string]artifact{
	17: {
		"linux/amd64":  {"17.11.0", "0dd7b72b6f335b8ecfb355fa24c5781e8a93edd09880bb77eb52ebbf29b3e96d"},
		"linux/arm64":  {"17.11.0", "8b042e0ea418b1927d95399207950da0734d27fe01e29503ade3bdc464ad4c2b"},
		"darwin/amd64": {"17.11.0", "d464ff178e9860ba204662ac23fa547504b7fd392392ff2fb92e3fd73b5bdb64"},
		"darwin/arm64": {"17.11.0", "a1c2786acb0c398f9b2d76806fc52f5dc8b222cbc8e9383a9b9702084daaf3a5"},
	},
	16: {
		"linux/amd64":  {"16.15.0", "653abc065c682b85d3da50168fb95dc524bd85426cdec9ce3695a550ef431df2"},
		"linux/arm64":  {"16.15.0", "f846a9989d686b7977d6eca9bc9d8b2b69e3f70c7eb60e032197d9c574a6136c"},
		"darwin/amd64": {"16.15.0", "1229188b99515d2160d5cb6222bc96d9c5f3a248268df3bc2dfe0047e6c233d8"},
		"darwin/arm64": {"16.15.0", "65b953905f0a4d46030767a6b44a52360170d69a7985f1b02aa435f2f6256a83"},
	},
	15: {
		"linux/amd64":  {"15.19.0", "95f0b66fe72d4ca66c815773c44cb1196ea38552463e89a35f18114b3ed1565f"},
		"linux/arm64":  {"15.19.0", "95baf4bd4af31b91b3050118df59388ed0064756b556b850669e0300aa7b9911"},
		"darwin/amd64": {"15.19.0", "11d0a55e26f4c74c6ea6c72c5e4e6ac959b29a06cc6da5e5ac8162f9fd9f8055"},
		"darwin/arm64": {"15.19.0", "9bfc44d3f50298bb14fa125da4b67a36f382f8134ab2fc95349b72bcd5ec4e87"},
	},
}

// maxJar is several times the size of the jars, about 15 MiB.
const maxJar = 128 << 20

// fetcher gets server programs from a Maven repository into a cache folder.
type fetcher struct {
	mirror   string
	cacheDir string
	logger   *slog.Logger
}

func newFetcher(cfg Config) (fetcher, error) {
	dir, err := cacheDir(cfg)
	if err != nil {
		return fetcher{}, err
	}
	mirror := cmp.Or(cfg.Mirror, os.Getenv(mirrorVariable), mavenCentral)
	return fetcher{mirror: strings.TrimRight(mirror, "/"), cacheDir: dir, logger: cfg.Logger}, nil
}

func cacheDir(cfg Config) (string, error) {
	if cfg.CacheDir != "" {
		return filepath.Join(cfg.CacheDir, "postgres"), nil
	}
	home, err := cacheHome()
	if err != nil {
		return "", fmt.Errorf("find the folder to keep fetched programs in: %w", err)
	}
	return filepath.Join(home, "bodega", "postgres"), nil
}

// cacheHome is the user's cache folder. Root's lies where no other user goes,
// and it is another user who has to run the programs.
func cacheHome() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache", nil
	}
	return os.UserCacheDir()
}

// mavenPlatform is the artifact's own name of a platform.
var mavenPlatform = map[string]string{
	"linux/amd64":  "linux-amd64",
	"linux/arm64":  "linux-arm64v8",
	"darwin/amd64": "darwin-amd64",
	"darwin/arm64": "darwin-arm64v8",
}

// fetch returns the folder of the programs of a major version for this
// platform, and gets them where the cache does not have them.
func (f fetcher) fetch(ctx context.Context, major int) (string, error) {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	a, ok := artifacts[major][platform]
	if !ok {
		return "", fmt.Errorf("no programs of PostgreSQL %d are published for %s", major, platform)
	}
	if muslOnly("/") {
		return "", errors.New("the published programs need glibc, and this system has musl")
	}
	return f.get(ctx, a, mavenPlatform[platform])
}

// muslOnly says that a Linux system below root runs no program made for glibc,
// as Alpine does not.
func muslOnly(root string) bool {
	musl, _ := filepath.Glob(filepath.Join(root, "lib", "ld-musl-*.so.1")) // the only error is a malformed pattern
	glibc, _ := filepath.Glob(filepath.Join(root, "lib*", "ld-linux*.so.*"))
	return len(musl) > 0 && len(glibc) == 0
}

func (f fetcher) get(ctx context.Context, a artifact, platform string) (string, error) {
	home := filepath.Join(f.cacheDir, a.version+"-"+platform)
	bin := filepath.Join(home, "bin")
	if err := os.MkdirAll(f.cacheDir, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	// The second of two processes waits, and then finds the work done.
	turn, err := waitLock(ctx, filepath.Join(f.cacheDir, "lock"))
	if err != nil {
		return "", err
	}
	defer turn.Close()
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	name := "embedded-postgres-binaries-" + platform
	address := fmt.Sprintf("%s/io/zonky/test/postgres/%s/%s/%s-%s.jar", f.mirror, name, a.version, name, a.version)
	f.logger.Info("fetching postgres", slog.String("version", a.version), slog.String("from", address))
	jar, err := os.CreateTemp(f.cacheDir, "fetch-*.jar")
	if err != nil {
		return "", fmt.Errorf("make file in cache folder: %w", err)
	}
	defer os.Remove(jar.Name())
	defer jar.Close()
	size, err := download(ctx, address, a.sha256, jar)
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", address, err)
	}
	unpacked, err := os.MkdirTemp(f.cacheDir, "unpack-*")
	if err != nil {
		return "", fmt.Errorf("make folder in cache folder: %w", err)
	}
	defer os.RemoveAll(unpacked) // nothing is there any more after the rename
	if err := os.Chmod(unpacked, 0o755); err != nil {
		return "", fmt.Errorf("open cache folder: %w", err)
	}
	if err := unpackJar(jar, size, unpacked); err != nil {
		return "", fmt.Errorf("unpack %s: %w", address, err)
	}
	if _, err := os.Stat(filepath.Join(unpacked, "bin", "initdb")); err != nil {
		return "", fmt.Errorf("unpack %s: it has no bin/initdb", address)
	}
	if err := os.Rename(unpacked, home); err != nil {
		return "", fmt.Errorf("put fetched programs in place: %w", err)
	}
	return bin, nil
}

const fetchAttempts = 3

// download writes the body at address into w, which is rewound for each
// attempt, and checks it against the SHA-256 sum in hexadecimal.
func download(ctx context.Context, address, sum string, w *os.File) (int64, error) {
	for attempt := 1; ; attempt++ {
		size, again, err := downloadOnce(ctx, address, sum, w)
		if err == nil {
			return size, nil
		}
		if !again || attempt == fetchAttempts {
			return 0, err
		}
		select {
		case <-time.After(time.Duration(attempt) * 500 * time.Millisecond):
		case <-ctx.Done():
			return 0, err
		}
	}
}

func downloadOnce(ctx context.Context, address, sum string, w *os.File) (size int64, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, false, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, ctx.Err() == nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests, fmt.Errorf("answered %s", response.Status)
	}
	if _, err := w.Seek(0, io.SeekStart); err != nil {
		return 0, false, err
	}
	if err := w.Truncate(0); err != nil {
		return 0, false, err
	}
	hash := sha256.New()
	size, err = io.Copy(io.MultiWriter(w, hash), io.LimitReader(response.Body, maxJar))
	if err != nil {
		return 0, ctx.Err() == nil, fmt.Errorf("read after %d bytes: %w", size, err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != sum {
		return 0, false, fmt.Errorf("the %d bytes have SHA-256 %s, and %s was expected: the file was changed on its way or on the mirror", size, got, sum)
	}
	return size, false, nil
}

// waitLock takes the lock file and waits for it as long as ctx lasts.
func waitLock(ctx context.Context, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for %s: %w", path, context.Cause(ctx)), f.Close())
		}
	}
}
