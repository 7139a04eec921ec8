package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrMajorVersion says that the data folder was made by a major version of
// PostgreSQL that is not to be had.
var ErrMajorVersion = errors.New("the data folder needs another major version of PostgreSQL")

// choose picks the programs for a data folder made by major, or the newest for
// a new one (major 0).
func choose(ctx context.Context, cfg Config, major int) (Binaries, error) {
	var found []Binaries
	if cfg.BinDir != "" {
		b, err := inspect(ctx, cfg.BinDir)
		if err != nil {
			return b, err
		}
		found = []Binaries{b}
	} else {
		var err error
		if found, err = Find(ctx); err != nil {
			return Binaries{}, err
		}
	}
	if major == 0 {
		return found[0], nil
	}
	if i := slices.IndexFunc(found, func(b Binaries) bool { return b.Major == major }); i >= 0 {
		return found[i], nil
	}
	return Binaries{}, fmt.Errorf("%w: it was made by %d, found is %s (%s)", ErrMajorVersion, major, found[0].Version, found[0].Dir)
}
