package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrMajorVersion says that the data folder was made by a major version of
// PostgreSQL that is not to be had. Versions share no data format.
var ErrMajorVersion = errors.New("the data folder needs another major version of PostgreSQL")

// choose picks the programs for a data folder made by major, or the newest for
// a new one (major 0), and fetches what the machine does not have.
func choose(ctx context.Context, cfg Config, major int) (Binaries, error) {
	var found []Binaries
	if cfg.BinDir == "" {
		found = find(ctx, cfg)
	} else {
		b, err := inspect(ctx, cfg.BinDir)
		if err != nil {
			return b, err
		}
		if !slices.Contains(supported, b.Major) {
			return b, fmt.Errorf("postgres programs in %s have version %s: bodega runs on the majors %v", b.Dir, b.Version, supported)
		}
		found = []Binaries{b}
	}
	if major == 0 && len(found) > 0 {
		return found[0], nil
	}
	if i := slices.IndexFunc(found, func(b Binaries) bool { return b.Major == major }); i >= 0 {
		return found[i], nil
	}
	if ctx.Err() != nil {
		return Binaries{}, fmt.Errorf("look for PostgreSQL: %w", context.Cause(ctx))
	}
	fetched, err := fetchMajor(ctx, cfg, major)
	switch {
	case err == nil:
		return fetched, nil
	case ctx.Err() != nil:
		return Binaries{}, err
	case major == 0:
		return Binaries{}, fmt.Errorf("%w, and none could be fetched (%w): %s", ErrNoBinaries, err, remedy)
	}
	return Binaries{}, fmt.Errorf("%w: it was made by %d; %s; %d could not be fetched (%w). %s", ErrMajorVersion, major, describe(found), major, err, passage(major))
}

func fetchMajor(ctx context.Context, cfg Config, major int) (Binaries, error) {
	if cfg.BinDir != "" {
		return Binaries{}, fmt.Errorf("only %s is to be used", cfg.BinDir)
	}
	if major == 0 {
		major = fetchedMajor
	}
	f, err := newFetcher(cfg)
	if err != nil {
		return Binaries{}, err
	}
	dir, err := f.fetch(ctx, major)
	if err != nil {
		return Binaries{}, err
	}
	return inspect(ctx, dir)
}

func describe(found []Binaries) string {
	if len(found) == 0 {
		return "this machine has none"
	}
	each := make([]string, len(found))
	for i, b := range found {
		each[i] = fmt.Sprintf("%s (%s)", b.Version, b.Dir)
	}
	return "this machine has " + strings.Join(each, ", ")
}

// passage says how to come through a change of major version.
func passage(major int) string {
	if !slices.Contains(supported, major) {
		return fmt.Sprintf("bodega does not run on %d (it runs on %d to %d): dump the databases with a PostgreSQL %d by hand, move the folder away, start bodega and restore the dump",
			major, supported[len(supported)-1], supported[0], major)
	}
	return fmt.Sprintf("Install PostgreSQL %d beside it (Debian, Ubuntu: apt-get install postgresql-%d) and start bodega again; the data stays with %d until a database upgrade dumps it and restores it in a newer version",
		major, major, major)
}
