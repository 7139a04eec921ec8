package pg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Sentinels of [Migrate] and [MigrateStatus].
var (
	// ErrMigrationChanged says that a file differs from what the database ran.
	ErrMigrationChanged = errors.New("a migration was edited after it had been applied")
	// ErrMigrationUnknown says that the database ran a migration which this
	// program does not have, so a newer program was here.
	ErrMigrationUnknown = errors.New("the database has a migration that this program does not know")
	// ErrMigrationOrder says that a file is numbered below one already applied.
	ErrMigrationOrder = errors.New("a new migration is numbered below one that was already applied")
)

// Migration is one numbered file, and when the database ran it.
type Migration struct {
	Version int64
	// Name is the file's name.
	Name string
	// Checksum is the SHA-256 of the file in hexadecimal, its line ends read as
	// "\n", so that a checkout which rewrites them changes nothing.
	Checksum string
	// AppliedAt is zero for a migration that is still to come.
	AppliedAt time.Time

	sql string
}

// lockVersion is the row of schema_migrations that runs take turns on.
const lockVersion = 0

var migrationName = regexp.MustCompile(`^([0-9]{4})_[a-z0-9_]+\.sql$`)

// Migrate brings schema, which it creates where it is absent, up to the newest
// of the numbered files (0001_feeds.sql, 0002_...) in the top folder of files.
// Each file runs once, in order, in a transaction of its own that also records
// it with its checksum in the table schema_migrations of that schema; an error
// leaves the files before it applied. Unqualified names in a file belong to
// schema. Processes that migrate the same schema at once take turns on a locked
// row, and the later one finds nothing left to do.
//
// Errors wrap [ErrMigrationChanged], [ErrMigrationUnknown] or
// [ErrMigrationOrder] where files and database disagree; nothing is run then.
func Migrate(ctx context.Context, pool *pgxpool.Pool, schema string, files fs.FS) error {
	known, err := readMigrations(files)
	if err != nil {
		return fmt.Errorf("migrate schema %s: %w", schema, err)
	}
	conn, err := connectTo(ctx, pool, schema)
	if err != nil {
		return fmt.Errorf("migrate schema %s: %w", schema, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	m := migrator{conn: conn, schema: schema, table: pgx.Identifier{schema, "schema_migrations"}.Sanitize()}
	if err := m.prepare(ctx); err != nil {
		return fmt.Errorf("migrate schema %s: %w", schema, err)
	}
	for {
		applied, err := m.next(ctx, known)
		if err != nil {
			return fmt.Errorf("migrate schema %s: %w", schema, err)
		}
		if !applied {
			return nil
		}
	}
}

// MigrateStatus lists the migrations in files in order and says when schema ran
// each. It changes nothing, and reports the same disagreements as [Migrate].
func MigrateStatus(ctx context.Context, pool *pgxpool.Pool, schema string, files fs.FS) ([]Migration, error) {
	known, err := readMigrations(files)
	if err != nil {
		return nil, fmt.Errorf("migration status of schema %s: %w", schema, err)
	}
	table := pgx.Identifier{schema, "schema_migrations"}.Sanitize()
	var exists bool
	const find = `SELECT count(*) > 0 FROM information_schema.tables WHERE table_schema = $1 AND table_name = 'schema_migrations'`
	if err := pool.QueryRow(ctx, find, schema).Scan(&exists); err != nil {
		return nil, fmt.Errorf("migration status of schema %s: look for its history: %w", schema, err)
	}
	if !exists {
		return known, nil
	}
	history, err := readHistory(ctx, pool, table)
	if err != nil {
		return nil, fmt.Errorf("migration status of schema %s: %w", schema, err)
	}
	merged, err := compare(known, history)
	if err != nil {
		return nil, fmt.Errorf("migration status of schema %s: %w", schema, err)
	}
	return merged, nil
}

// connectTo opens a connection outside the pool whose search_path is schema
// alone, since no shared connection may have its search_path changed.
func connectTo(ctx context.Context, pool *pgxpool.Pool, schema string) (*pgx.Conn, error) {
	cfg := pool.Config().ConnConfig
	cfg.RuntimeParams["search_path"] = searchPath([]string{schema})
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if !isCockroach(conn) {
		return conn, nil
	}
	// From version 25.1 on it would commit a migration's transaction before
	// each change of a schema, and with that give up the turn:
	// https://www.cockroachlabs.com/docs/stable/session-variables
	_, err = conn.Exec(ctx, `SET autocommit_before_ddl = off`)
	if err != nil && SQLState(err) != undefinedObject {
		return nil, errors.Join(fmt.Errorf("keep schema changes inside their transaction: %w", err), conn.Close(ctx))
	}
	return conn, nil
}

type migrator struct {
	conn   *pgx.Conn
	schema string
	table  string // quoted and qualified
}

// prepare makes the schema, its history and the row to take turns on. Two
// processes that do so at once can both see "absent" and one then meets a
// duplicate in the catalogue, for which IF NOT EXISTS is no cure: it looks again.
func (m migrator) prepare(ctx context.Context) error {
	statements := []string{
		`CREATE SCHEMA IF NOT EXISTS ` + pgx.Identifier{m.schema}.Sanitize(),
		`CREATE TABLE IF NOT EXISTS ` + m.table + ` (
			version    bigint PRIMARY KEY,
			name       text NOT NULL,
			checksum   text NOT NULL,
			applied_at timestamptz NOT NULL DEFAULT now())`,
		`INSERT INTO ` + m.table + ` (version, name, checksum) VALUES (0, 'row that runs take turns on', '')
			ON CONFLICT (version) DO NOTHING`,
	}
	for _, statement := range statements {
		for attempt := 1; ; attempt++ {
			_, err := m.conn.Exec(ctx, statement)
			if err == nil {
				break
			}
			if attempt == txAttempts || !(isDuplicateObject(err) || IsConflict(err)) {
				return fmt.Errorf("prepare the history of migrations: %w", err)
			}
			if !sleep(ctx, jitter(txFirstPause)) {
				return fmt.Errorf("prepare the history of migrations: %w", err)
			}
		}
	}
	return nil
}

func isDuplicateObject(err error) bool {
	switch SQLState(err) {
	case uniqueViolation, duplicateSchema, duplicateTable, duplicateObject:
		return true
	}
	return false
}

// next applies the first migration that the database has not run and says
// whether there was one.
func (m migrator) next(ctx context.Context, known []Migration) (applied bool, err error) {
	err = RunTx(ctx, m.conn, func(tx pgx.Tx) error {
		applied = false
		var locked int64
		if err := tx.QueryRow(ctx, `SELECT version FROM `+m.table+` WHERE version = $1 FOR UPDATE`, lockVersion).Scan(&locked); err != nil {
			return fmt.Errorf("wait for a turn: %w", err)
		}
		history, err := readHistory(ctx, tx, m.table)
		if err != nil {
			return err
		}
		merged, err := compare(known, history)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(merged, func(m Migration) bool { return m.AppliedAt.IsZero() })
		if i < 0 {
			return nil
		}
		applied = true
		return m.apply(ctx, tx, merged[i])
	})
	return applied, err
}

func (m migrator) apply(ctx context.Context, tx pgx.Tx, migration Migration) error {
	// The simple protocol takes a whole file of statements.
	if _, err := tx.Conn().PgConn().Exec(ctx, migration.sql).ReadAll(); err != nil {
		return fmt.Errorf("%s%s: %w", migration.Name, atLine(migration.sql, err), err)
	}
	if tx.Conn().PgConn().TxStatus() != 'T' {
		return fmt.Errorf("%s ends the transaction that it runs in, and was not recorded: take COMMIT and ROLLBACK out of it, and undo what it did before a COMMIT", migration.Name)
	}
	_, err := tx.Exec(ctx, `INSERT INTO `+m.table+` (version, name, checksum) VALUES ($1, $2, $3)`,
		migration.Version, migration.Name, migration.Checksum)
	if err != nil {
		return fmt.Errorf("record %s: %w", migration.Name, err)
	}
	return nil
}

// atLine names the line of a file that the database's error points at.
func atLine(sql string, err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Position < 1 {
		return ""
	}
	// Position counts characters from one.
	before, line := int(pgErr.Position)-1, 1
	for _, r := range sql {
		if before == 0 {
			break
		}
		before--
		if r == '\n' {
			line++
		}
	}
	return fmt.Sprintf(", line %d", line)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func readHistory(ctx context.Context, db querier, table string) ([]Migration, error) {
	rows, err := db.Query(ctx, `SELECT version, name, checksum, applied_at FROM `+table+` WHERE version > $1 ORDER BY version`, lockVersion)
	if err != nil {
		return nil, fmt.Errorf("read the history of migrations: %w", err)
	}
	history, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Migration, error) {
		var m Migration
		err := row.Scan(&m.Version, &m.Name, &m.Checksum, &m.AppliedAt)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the history of migrations: %w", err)
	}
	return history, nil
}

// compare returns known with what history says of each, or why the two do not
// go together. Both are in order of version.
func compare(known, history []Migration) ([]Migration, error) {
	merged := slices.Clone(known)
	var newest int64
	for _, ran := range history {
		i, ok := slices.BinarySearchFunc(merged, ran.Version, func(m Migration, v int64) int { return int(m.Version - v) })
		if !ok {
			return nil, fmt.Errorf("%w: %s, run at %s; use the program that brought it, or a newer one",
				ErrMigrationUnknown, ran.Name, ran.AppliedAt.Format(time.RFC3339))
		}
		if merged[i].Checksum != ran.Checksum {
			return nil, fmt.Errorf("%w: %s, run at %s with checksum %.12s, has checksum %.12s now; restore the file and put the change into a new one",
				ErrMigrationChanged, merged[i].Name, ran.AppliedAt.Format(time.RFC3339), ran.Checksum, merged[i].Checksum)
		}
		merged[i].AppliedAt = ran.AppliedAt
		newest = ran.Version
	}
	for _, m := range merged {
		if m.AppliedAt.IsZero() && m.Version < newest {
			return nil, fmt.Errorf("%w: %s comes before version %04d; give it the next free number", ErrMigrationOrder, m.Name, newest)
		}
	}
	return merged, nil
}

// readMigrations reads the numbered files in order. Another kind of file is
// passed over, but an .sql file with a name out of form is an error, since it
// would otherwise never run and nobody would know.
func readMigrations(files fs.FS) ([]Migration, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var migrations []Migration
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || !strings.HasSuffix(name, ".sql") {
			continue
		}
		match := migrationName.FindStringSubmatch(name)
		if match == nil {
			return nil, fmt.Errorf("migration %q is not named like 0001_what_it_does.sql (lower case)", name)
		}
		version, err := strconv.ParseInt(match[1], 10, 64)
		if err != nil || version == lockVersion {
			return nil, fmt.Errorf("migration %q: numbers start at 0001", name)
		}
		if n := len(migrations); n > 0 && migrations[n-1].Version == version {
			return nil, fmt.Errorf("migrations %q and %q have the same number", migrations[n-1].Name, name)
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		sql := strings.ReplaceAll(string(content), "\r\n", "\n")
		sum := sha256.Sum256([]byte(sql))
		migrations = append(migrations, Migration{Version: version, Name: name, Checksum: hex.EncodeToString(sum[:]), sql: sql})
	}
	return migrations, nil
}
