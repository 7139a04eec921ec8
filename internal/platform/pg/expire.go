package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Expiry says when the rows of a table end.
type Expiry struct {
	// Schema of the table; empty means the first of the pool's search_path
	// that has it.
	Schema string
	Table  string
	// Column holds the timestamptz at which a row ends. A row with NULL stays.
	Column string
	// Key lists the columns of the primary key.
	Key []string
	// Batch is how many rows one transaction deletes; zero means 1,000.
	Batch int
}

// Expire sees to it that rows past their end go away, and returns how many this
// call deleted. On PostgreSQL it deletes them, in batches that each hold few
// locks for a short time; call it from a schedule. On CockroachDB it tells the
// table to do so by itself ([row-level TTL]), which it may be told any number
// of times, and returns 0. Several processes may run it at once.
//
// [row-level TTL]: https://www.cockroachlabs.com/docs/stable/row-level-ttl
func Expire(ctx context.Context, pool *pgxpool.Pool, e Expiry) (int64, error) {
	if e.Table == "" || e.Column == "" || len(e.Key) == 0 {
		return 0, errors.New("expire rows: an Expiry needs Table, Column and Key")
	}
	deleted, err := e.run(ctx, pool)
	if err != nil {
		return deleted, fmt.Errorf("expire rows of %s: %w", e.table(), err)
	}
	return deleted, nil
}

func (e Expiry) run(ctx context.Context, pool *pgxpool.Pool) (int64, error) {
	var cockroach bool
	err := pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		cockroach = isCockroach(conn.Conn())
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("ask which database this is: %w", err)
	}
	if cockroach {
		_, err := pool.Exec(ctx, e.ttl())
		return 0, err
	}
	batch := e.Batch
	if batch <= 0 {
		batch = 1000
	}
	var total int64
	for {
		var deleted int64
		err := RunTx(ctx, pool, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, e.reap(), batch)
			deleted = tag.RowsAffected()
			return err
		})
		if err != nil {
			return total, err
		}
		total += deleted
		if deleted < int64(batch) {
			return total, nil
		}
	}
}

func (e Expiry) table() string {
	if e.Schema == "" {
		return pgx.Identifier{e.Table}.Sanitize()
	}
	return pgx.Identifier{e.Schema, e.Table}.Sanitize()
}

// ttl is CockroachDB's: the expression is a string that holds a quoted name.
func (e Expiry) ttl() string {
	expression := strings.ReplaceAll(pgx.Identifier{e.Column}.Sanitize(), `'`, `''`)
	return `ALTER TABLE ` + e.table() + ` SET (ttl_expiration_expression = '` + expression + `', ttl_job_cron = '@hourly')`
}

// reap deletes one batch. A row that another transaction holds is left for the
// next run, since waiting for it would hold up the whole batch.
func (e Expiry) reap() string {
	quoted := make([]string, len(e.Key))
	for i, column := range e.Key {
		quoted[i] = pgx.Identifier{column}.Sanitize()
	}
	key, column := strings.Join(quoted, ", "), pgx.Identifier{e.Column}.Sanitize()
	return `DELETE FROM ` + e.table() + ` WHERE (` + key + `) IN (
		SELECT ` + key + ` FROM ` + e.table() + ` WHERE ` + column + ` <= now()
		ORDER BY ` + column + ` LIMIT $1 FOR UPDATE SKIP LOCKED)`
}

// isCockroach reads what the server reported when the connection was made.
func isCockroach(conn *pgx.Conn) bool {
	return conn.PgConn().ParameterStatus("crdb_version") != ""
}
