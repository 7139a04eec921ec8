package pg

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrAmbiguousCommit says that the connection broke after COMMIT was sent: the
// transaction may or may not have happened. Work that is safe to repeat may be
// run again; any other must first look whether it happened.
var ErrAmbiguousCommit = errors.New("the outcome of the commit is unknown")

// Beginner starts transactions: a *pgxpool.Pool or a *pgx.Conn.
type Beginner interface {
	BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error)
}

const (
	txAttempts   = 10
	txFirstPause = 5 * time.Millisecond
	txMaxPause   = 500 * time.Millisecond
)

// RunTx runs work inside a transaction and commits it. Where the database asks
// for another try (SQLSTATE 40001, 40P01) or goes away before the commit was
// sent, the transaction is rolled back and work runs again, up to ten times
// with jittered pauses of at most half a second. So work must leave nothing
// behind outside the transaction that a second run would double.
//
// An error of work comes back as it is, after a rollback. An error that wraps
// [ErrAmbiguousCommit] is the one case in which the transaction may have been
// committed.
func RunTx(ctx context.Context, db Beginner, work func(pgx.Tx) error) error {
	return RunTxOptions(ctx, db, pgx.TxOptions{}, work)
}

// RunTxOptions is [RunTx] with an isolation level or access mode.
func RunTxOptions(ctx context.Context, db Beginner, opts pgx.TxOptions, work func(pgx.Tx) error) error {
	pause := txFirstPause
	for attempt := 1; ; attempt++ {
		err := runOnce(ctx, db, opts, work)
		if err == nil || errors.Is(err, ErrAmbiguousCommit) || !(IsConflict(err) || IsUnavailable(err)) {
			return err
		}
		if attempt == txAttempts {
			return fmt.Errorf("transaction gave up after %d attempts: %w", attempt, err)
		}
		if !sleep(ctx, jitter(pause)) {
			return fmt.Errorf("transaction stopped by its caller (%w) while retrying after: %w", context.Cause(ctx), err)
		}
		pause = min(2*pause, txMaxPause)
	}
}

// jitter returns between half of d and all of it, so that transactions which
// collided do not come back at the same moment.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

func runOnce(ctx context.Context, db Beginner, opts pgx.TxOptions, work func(pgx.Tx) error) error {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	// A rollback after a commit does nothing. It gets a context of its own:
	// the caller's may be what ended the transaction, and a connection that
	// could not roll back is closed rather than reused.
	defer func() {
		rollback, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(rollback)
	}()
	if err := work(tx); err != nil {
		return err
	}
	return commit(ctx, tx)
}

func commit(ctx context.Context, tx pgx.Tx) error {
	// Once COMMIT is on its way, pgx's word on what was sent is not to be had:
	// a connection that breaks then reports "conn closed, safe to retry". So
	// what keeps it from being sent is looked for first.
	if ctx.Err() != nil {
		return fmt.Errorf("commit: %w", context.Cause(ctx))
	}
	if tx.Conn().IsClosed() {
		return fmt.Errorf("commit: the connection broke before: %w", net.ErrClosed)
	}
	err := tx.Commit(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return fmt.Errorf("commit: an earlier statement of the transaction had an error that was not returned: %w", err)
	case rolledBack(err):
		return fmt.Errorf("commit: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrAmbiguousCommit, err)
}

// rolledBack says that a commit which ended in err certainly did not happen,
// because the database said so, or work had ended the transaction itself. The
// shutdown codes do not count, since a server may say goodbye in place of an
// answer.
func rolledBack(err error) bool {
	switch code := SQLState(err); code {
	case "":
		return errors.Is(err, pgx.ErrTxClosed)
	case statementCompletionUnknown, adminShutdown, crashShutdown:
		return false
	default:
		return !strings.HasPrefix(code, "08")
	}
}
