package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// supported lists the major versions that bodega runs on, newest first: those
// that the PostgreSQL project maintains (https://www.postgresql.org/support/versioning/).
var supported = []int{18, 17, 16, 15}

// ErrNoBinaries says that no PostgreSQL server was found.
var ErrNoBinaries = errors.New("no PostgreSQL server programs were found")

// Binaries are one installed PostgreSQL.
type Binaries struct {
	// Dir holds initdb and postgres.
	Dir string
	// Major is the version that decides the data format, such as 15.
	Major int
	// Version is the whole of it, such as "15.14".
	Version string
}

func (b Binaries) path(program string) string { return filepath.Join(b.Dir, program) }

// installed lists where packages put server programs: Debian and Ubuntu, the
// PostgreSQL project's own for Red Hat, Alpine, and Homebrew.
var installed = []string{
	"/usr/lib/postgresql/*/bin",
	"/usr/pgsql-*/bin",
	"/usr/libexec/postgresql*",
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/usr/local/pgsql/bin",
}

// Find lists the servers of a supported version on this machine, newest first:
// in PATH, where packages install them, and fetched by an earlier [Start]. It
// fetches nothing. Without any it returns an error that wraps [ErrNoBinaries]
// and says how to get one.
func Find(ctx context.Context) ([]Binaries, error) {
	found := find(ctx, Config{})
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoBinaries, remedy)
	}
	return found, nil
}

// remedy is what to do on a machine without PostgreSQL.
const remedy = "install PostgreSQL 15 to 18 (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; Alpine: apk add postgresql; macOS: brew install postgresql@17), or give bodega the URL of a database that already runs"

func find(ctx context.Context, cfg Config) []Binaries {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	patterns := installed
	if cache, err := cacheDir(cfg); err == nil {
		patterns = append(slices.Clone(installed), filepath.Join(cache, "*-*", "bin"))
	}
	for _, pattern := range patterns {
		matches, _ := filepath.Glob(pattern) // the only error is a malformed pattern
		dirs = append(dirs, matches...)
	}
	var found []Binaries
	seen := map[string]bool{}
	for _, dir := range dirs {
		// A link to a program stands for the program's own folder.
		program, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil || seen[program] {
			continue
		}
		seen[program] = true
		b, err := inspect(ctx, filepath.Dir(program))
		if err == nil && slices.Contains(supported, b.Major) {
			found = append(found, b)
		}
	}
	slices.SortStableFunc(found, func(a, b Binaries) int { return b.Major - a.Major })
	return found
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) ((\d+)[.\w]*)`)

// inspect asks the server program in dir for its version.
func inspect(ctx context.Context, dir string) (Binaries, error) {
	b := Binaries{Dir: dir}
	if _, err := os.Stat(b.path("initdb")); err != nil {
		return b, fmt.Errorf("postgres programs in %s: %w", dir, err)
	}
	out, err := exec.CommandContext(ctx, b.path("postgres"), "--version").Output()
	if err != nil {
		return b, fmt.Errorf("postgres programs in %s: ask for the version: %w", dir, err)
	}
	match := versionLine.FindStringSubmatch(string(out))
	if match == nil {
		return b, fmt.Errorf("postgres programs in %s: %q is not a version of PostgreSQL", dir, strings.TrimSpace(string(out)))
	}
	b.Version = match[1]
	if b.Major, err = strconv.Atoi(match[2]); err != nil {
		return b, fmt.Errorf("postgres programs in %s: %w", dir, err)
	}
	return b, nil
}
