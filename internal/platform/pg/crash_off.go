//go:build !faults

package pg

import "github.com/jackc/pgx/v5"

// atCrashPoints is where the fault tests' binary watches what is committed.
func atCrashPoints(t pgx.QueryTracer) pgx.QueryTracer { return t }
