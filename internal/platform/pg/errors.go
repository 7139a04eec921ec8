package pg

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes that decide what happens next. See appendix A of the
// PostgreSQL manual; 40003 is also CockroachDB's word for an unknown outcome.
const (
	serializationFailure       = "40001"
	statementCompletionUnknown = "40003"
	deadlockDetected           = "40P01"
	featureNotSupported        = "0A000"
	uniqueViolation            = "23505"
	undefinedObject            = "42704"
	duplicateObject            = "42710"
	duplicateSchema            = "42P06"
	duplicateTable             = "42P07"
	tooManyConnections         = "53300"
	adminShutdown              = "57P01"
	crashShutdown              = "57P02"
	cannotConnectNow           = "57P03"
)

// SQLState returns the five-character code that the database gave err, or ""
// where err did not come from the database.
func SQLState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// IsConflict says that err is the database's request to run the transaction
// again: a serialization failure, a deadlock, or a statement planned before a
// migration changed its result.
func IsConflict(err error) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	switch pgErr.Code {
	case serializationFailure, deadlockDetected:
		return true
	case featureNotSupported:
		return strings.Contains(pgErr.Message, "cached plan must not change result type")
	}
	return false
}

// IsUnavailable says that err means "the database cannot be reached now": it
// refuses connections, is starting, is shutting down, or the connection broke.
// The same call may succeed once the database is back. A wrong password or a
// database that does not exist is not unavailability, nor is the caller's own
// cancellation or deadline, nor a commit whose outcome is unknown.
func IsUnavailable(err error) bool {
	if err == nil || errors.Is(err, ErrAmbiguousCommit) {
		return false
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		switch pgErr.Code {
		case adminShutdown, crashShutdown, cannotConnectNow, tooManyConnections:
			return true
		}
		return strings.HasPrefix(pgErr.Code, "08")
	}
	if errors.Is(err, context.Canceled) {
		return false
	}
	// A connection attempt that ran out of time counts: nobody answered.
	var connectErr *pgconn.ConnectError
	if errors.As(err, &connectErr) {
		return true
	}
	// context.DeadlineExceeded is a net.Error too.
	if errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var netErr net.Error
	return errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err)
}
