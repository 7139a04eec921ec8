package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// leftover is a server process that a crashed bodega, or a crashed postmaster,
// left behind on a data folder.
type leftover struct {
	pid int
	// postmaster is the one that answers for the others.
	postmaster bool
}

// How long a leftover may take to end by itself and by each signal.
const (
	leftoverFast      = 60 * time.Second // writes a checkpoint
	leftoverImmediate = 10 * time.Second
)

// clearLeftovers ends what still runs on the data folder and removes the pid
// file that would keep a new server from starting. The caller holds the lock of
// the folder, so no other bodega does the same.
//
// PostgreSQL itself trusts the pid file: it refuses to start where the file
// names any living process, which after a restart of the machine may be a
// stranger, and where the file is garbage. Here the processes themselves are
// asked what they work on.
func clearLeftovers(ctx context.Context, pgdata string, logger *slog.Logger) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{
		// A second fast shutdown does not disturb the one that the parent's death began.
		{syscall.SIGINT, leftoverFast},
		{syscall.SIGQUIT, leftoverImmediate},
		{syscall.SIGKILL, leftoverImmediate},
	} {
		found := leftovers(pgdata)
		if len(found) == 0 {
			break
		}
		if err := stopLeftovers(ctx, found, pgdata, step.signal, step.wait, logger); err != nil {
			return err
		}
	}
	if found := leftovers(pgdata); len(found) > 0 {
		return fmt.Errorf("process %d still works on %s and does not end: end it (kill %d) and start again", found[0].pid, pgdata, found[0].pid)
	}
	if err := os.Remove(filepath.Join(pgdata, "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stale pid file: %w", err)
	}
	return nil
}

// stopLeftovers signals the processes and waits until none is left or the time
// is over. A postmaster ends its children itself; without one each is told.
func stopLeftovers(ctx context.Context, found []leftover, pgdata string, signal syscall.Signal, wait time.Duration, logger *slog.Logger) error {
	headless := true
	for _, p := range found {
		headless = headless && !p.postmaster
	}
	if headless {
		// Children that lost their postmaster know no fast shutdown, and the
		// idle ones are ending already.
		wait = min(wait, leftoverImmediate)
		if signal == syscall.SIGINT {
			signal = syscall.SIGQUIT
		}
	}
	for _, p := range found {
		if !headless && !p.postmaster && signal != syscall.SIGKILL {
			continue
		}
		logger.Warn("stopping a postgres process that was left behind", slog.Int("pid", p.pid), slog.String("data_dir", pgdata), slog.String("signal", signal.String()))
		if err := syscall.Kill(p.pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop process %d, left behind on %s: %w", p.pid, pgdata, err)
		}
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(wait)
	defer late.Stop()
	for len(leftovers(pgdata)) > 0 {
		select {
		case <-tick.C:
		case <-late.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("wait for process %d, left behind on %s, to end: %w", found[0].pid, pgdata, context.Cause(ctx))
		}
	}
	return nil
}

// serves says whether a command line is that of a postmaster on pgdata.
func serves(args []string, pgdata string) bool {
	if filepath.Base(args[0]) != "postgres" {
		return false
	}
	for i, arg := range args[1:] {
		if arg == "-D"+pgdata || (arg == pgdata && args[i] == "-D") {
			return true
		}
	}
	return false
}
