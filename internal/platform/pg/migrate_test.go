package pg_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"pgregory.net/rapid"

	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

// folder makes files out of pairs of name and content.
func folder(pairs ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		files[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return files
}

const (
	first  = "CREATE TABLE item (id bigint PRIMARY KEY);\nINSERT INTO item VALUES (1);\n"
	second = "ALTER TABLE item ADD COLUMN name text; -- a ; in a comment\nCREATE INDEX item_by_name ON item (name);"
)

func TestMigrate(t *testing.T) {
	pool := postgres.New(t)
	ctx := t.Context()
	files := folder("0001_items.sql", first, "README.md", "not SQL")
	if got, err := pg.MigrateStatus(ctx, pool, "prod_inventory", files); err != nil || len(got) != 1 || !got[0].AppliedAt.IsZero() {
		t.Errorf("status of an empty database: %+v, %v", got, err)
	}
	for range 2 {
		if err := pg.Migrate(ctx, pool, "prod_inventory", files); err != nil {
			t.Fatal(err)
		}
	}
	files["0002_names.sql"] = &fstest.MapFile{Data: []byte(second)}
	files["0010_later.sql"] = &fstest.MapFile{Data: []byte("")}
	if got, err := pg.MigrateStatus(ctx, pool, "prod_inventory", files); err != nil || len(got) != 3 || got[0].AppliedAt.IsZero() || !got[1].AppliedAt.IsZero() {
		t.Errorf("status half-way: %+v, %v", got, err)
	}
	if err := pg.Migrate(ctx, pool, "prod_inventory", files); err != nil {
		t.Fatal(err)
	}
	got, err := pg.MigrateStatus(ctx, pool, "prod_inventory", files)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{1, 2, 10} {
		if got[i].Version != want || got[i].AppliedAt.IsZero() || len(got[i].Checksum) != 64 {
			t.Errorf("status %d: %+v, want version %d applied", i, got[i], want)
		}
	}
	// Another schema has a history of its own.
	if err := pg.Migrate(ctx, pool, "test_inventory", files); err != nil {
		t.Fatal(err)
	}
	tables := value[[]string](t, pool, `SELECT array_agg(table_schema || '.' || table_name ORDER BY 1) FROM information_schema.tables WHERE table_name = 'item'`)
	if !slices.Equal(tables, []string{"prod_inventory.item", "test_inventory.item"}) {
		t.Errorf("tables %v", tables)
	}
	// A line end rewritten by a checkout is no change.
	files["0001_items.sql"] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(first, "\n", "\r\n"))}
	if err := pg.Migrate(ctx, pool, "prod_inventory", files); err != nil {
		t.Errorf("with other line ends: %v", err)
	}
	if n := pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections were not given back", n)
	}
	if path := value[string](t, pool, `SHOW search_path`); strings.Contains(path, "inventory") {
		t.Errorf("the pool's search_path became %s", path)
	}
}

func TestMigrateDisagreements(t *testing.T) {
	applied := []string{"0001_items.sql", first, "0003_names.sql", second}
	for name, test := range map[string]struct {
		files fs.FS
		is    error
		want  string
	}{
		"edited":            {folder("0001_items.sql", first+" ", "0003_names.sql", second), pg.ErrMigrationChanged, "0001_items.sql"},
		"removed":           {folder("0001_items.sql", first), pg.ErrMigrationUnknown, "0003_names.sql"},
		"late":              {folder(append(applied, "0002_late.sql", "")...), pg.ErrMigrationOrder, "0002_late.sql"},
		"name out of form":  {folder(append(applied, "4_x.sql", "")...), nil, `"4_x.sql" is not named`},
		"upper case":        {folder(append(applied, "0004_X.sql", "")...), nil, `"0004_X.sql" is not named`},
		"number zero":       {folder(append(applied, "0000_x.sql", "")...), nil, "start at 0001"},
		"same number twice": {folder(append(applied, "0003_other.sql", "")...), nil, "the same number"},
		"syntax error":      {folder(append(applied, "0004_x.sql", "SELECT 1;\n\nSELEKT é;")...), nil, "0004_x.sql, line 3"},
		"second statement":  {folder(append(applied, "0004_x.sql", "DROP TABLE item;\nSELECT nowhere FROM item;")...), nil, "0004_x.sql"},
		"commits":           {folder(append(applied, "0004_x.sql", "DROP TABLE IF EXISTS nothing; COMMIT;")...), nil, "ends the transaction"},
		"rolls back":        {folder(append(applied, "0004_x.sql", "ROLLBACK;")...), nil, "ends the transaction"},
	} {
		t.Run(name, func(t *testing.T) {
			pool := postgres.New(t)
			if err := pg.Migrate(t.Context(), pool, "prod_inventory", folder(applied...)); err != nil {
				t.Fatal(err)
			}
			err := pg.Migrate(t.Context(), pool, "prod_inventory", test.files)
			if err == nil || !strings.Contains(err.Error(), test.want) || (test.is != nil && !errors.Is(err, test.is)) {
				t.Errorf("migrate says %v, want %q", err, test.want)
			}
			t.Log(err)
			if n := value[int64](t, pool, `SELECT count(*) FROM prod_inventory.item`); n != 1 {
				t.Errorf("%d items, want 1", n)
			}
			if n := value[int64](t, pool, `SELECT count(*) FROM prod_inventory.schema_migrations WHERE version > 0`); n != 2 {
				t.Errorf("%d migrations recorded, want 2", n)
			}
			if test.is != nil {
				if _, err := pg.MigrateStatus(t.Context(), pool, "prod_inventory", test.files); !errors.Is(err, test.is) {
					t.Errorf("status says %v, want %v", err, test.is)
				}
			}
		})
	}
}

func TestMigrateManyAtOnce(t *testing.T) {
	pool := postgres.New(t)
	files := fstest.MapFS{}
	for i := 1; i <= 8; i++ {
		// Running any of them twice is an error.
		files[fmt.Sprintf("%04d_step.sql", i)] = &fstest.MapFile{Data: fmt.Appendf(nil, "CREATE TABLE step_%d (id bigint PRIMARY KEY)", i)}
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if err := pg.Migrate(t.Context(), pool, "prod_inventory", files); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := value[int64](t, pool, `SELECT count(*) FROM prod_inventory.schema_migrations WHERE version > 0`); n != 8 {
		t.Errorf("%d migrations recorded, want 8", n)
	}
}

// Cut short at any file and run again, or run whole: the same tables.
func TestMigrateInStepsIsMigrateAtOnce(t *testing.T) {
	pool := postgres.New(t)
	var run int
	rapid.Check(t, func(rt *rapid.T) {
		run++
		n := rapid.IntRange(1, 6).Draw(rt, "files")
		cut := rapid.IntRange(0, n).Draw(rt, "cut")
		all, some := fstest.MapFS{}, fstest.MapFS{}
		for i := 1; i <= n; i++ {
			name, file := fmt.Sprintf("%04d_step.sql", i*i), &fstest.MapFile{Data: fmt.Appendf(nil, "CREATE TABLE step_%d (id bigint)", i)}
			all[name] = file
			if i <= cut {
				some[name] = file
			}
		}
		for schema, steps := range map[string][]fs.FS{fmt.Sprintf("a%d_x", run): {some, all}, fmt.Sprintf("b%d_x", run): {all}} {
			for _, files := range steps {
				if err := pg.Migrate(t.Context(), pool, schema, files); err != nil {
					rt.Fatal(err)
				}
			}
			const count = `SELECT count(*) FROM information_schema.tables WHERE table_schema = $1 AND table_name LIKE 'step%'`
			if got := value[int64](t, pool, count, schema); got != int64(n) {
				rt.Errorf("%d tables in %s, want %d", got, schema, n)
			}
			exec(t, pool, `DROP SCHEMA `+schema+` CASCADE`)
		}
	})
}
