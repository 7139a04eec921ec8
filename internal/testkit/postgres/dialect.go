package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// foreign lists what is in the database and outside the dialect that
// PostgreSQL and CockroachDB share, or against the rules for tables. The
// catalogue is asked rather than the migrations' text, since bigserial, say,
// hides a sequence.
const foreign = `
WITH own AS (
	SELECT c.oid, c.relkind, c.relpersistence, format('%I.%I', n.nspname, c.relname) AS name
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_%'
)
SELECT 'sequence ' || name || ': keys are natural, or made by the program' FROM own WHERE relkind = 'S'
UNION ALL
SELECT 'unlogged table ' || name FROM own WHERE relkind IN ('r', 'p') AND relpersistence = 'u'
UNION ALL
SELECT 'table ' || name || ' has no primary key' FROM own
	WHERE relkind IN ('r', 'p') AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conrelid = own.oid AND k.contype = 'p')
UNION ALL
SELECT 'trigger ' || t.tgname || ' on ' || name FROM own JOIN pg_trigger t ON t.tgrelid = own.oid WHERE NOT t.tgisinternal
UNION ALL
SELECT 'exclusion constraint ' || k.conname || ' on ' || name FROM own JOIN pg_constraint k ON k.conrelid = own.oid WHERE k.contype = 'x'
UNION ALL
SELECT 'column ' || a.attname || ' of ' || name || ' is a ' || format_type(a.atttypid, a.atttypmod) ||
	CASE WHEN t.typname IN ('timestamp', 'time') THEN ': say "with time zone"' ELSE ', which CockroachDB does not have' END
	FROM own JOIN pg_attribute a ON a.attrelid = own.oid JOIN pg_type t ON t.oid = a.atttypid
	WHERE own.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
	AND (t.typtype IN ('r', 'm') OR t.typname IN ('timestamp', 'time', 'money', 'xml', 'cidr', 'macaddr', 'macaddr8', 'point', 'line', 'lseg', 'box', 'path', 'polygon', 'circle'))
UNION ALL
SELECT 'extension ' || extname FROM pg_extension WHERE extname <> 'plpgsql'
ORDER BY 1`

// CheckDialect fails the test for everything in the database's tables that
// CockroachDB does not have, and for tables without a primary key and times
// without a zone. Call it after the migrations.
func CheckDialect(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	rows, err := pool.Query(t.Context(), foreign)
	if err != nil {
		t.Fatalf("check dialect: %v", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("check dialect: %v", err)
	}
	for _, what := range found {
		t.Errorf("dialect: %s", what)
	}
}
