package pg_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

func TestTenantsSeeTheirOwnTables(t *testing.T) {
	ctx := t.Context()
	tenants, err := pg.OpenTenants(ctx, postgres.URL(t), []string{"test", "prod"}, []string{"inventory", "support"}, pg.Options{MaxConns: 3, ApplicationName: "tenants"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tenants.Close)
	if got := tenants.Names(); !slices.Equal(got, []string{"prod", "test"}) {
		t.Errorf("tenants %v", got)
	}
	for system, files := range map[string]string{"inventory": first, "support": "CREATE TABLE ticket (id bigint PRIMARY KEY, tenant text)"} {
		if err := tenants.Migrate(ctx, system, folder("0001_start.sql", files)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tenants.Migrate(ctx, "creative", folder()); err == nil {
		t.Error("a system that the tenants do not have was migrated")
	}
	// All at once, on few connections, with transactions that fail in between.
	var wg sync.WaitGroup
	for _, name := range tenants.Names() {
		pool, err := tenants.Pool(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			wg.Go(func() {
				err := pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, `INSERT INTO ticket VALUES ($1, $2)`, i, name)
					if err == nil && i%2 == 1 {
						err = errors.New("changed my mind")
					}
					return err
				})
				if (err != nil) != (i%2 == 1) {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	for _, name := range tenants.Names() {
		pool, _ := tenants.Pool(name)
		if n := value[int64](t, pool, `SELECT count(*) FROM ticket WHERE tenant = $1`, name); n != 4 {
			t.Errorf("%s has %d tickets of its own, want 4", name, n)
		}
		if n := value[int64](t, pool, `SELECT count(*) FROM ticket`); n != 4 {
			t.Errorf("%s sees %d tickets, want 4", name, n)
		}
		if app := value[string](t, pool, `SHOW application_name`); app != "tenants" {
			t.Errorf("application name %q", app)
		}
		// What is in no schema of the tenant's is not found, and nothing lands there.
		if _, err := pool.Exec(ctx, `SELECT 1 FROM schema_of_nobody`); pg.SQLState(err) != "42P01" {
			t.Errorf("a table that is not there: %v", err)
		}
	}
	if _, err := tenants.Pool("nobody"); !errors.Is(err, pg.ErrUnknownTenant) || !strings.Contains(err.Error(), `"nobody"`) {
		t.Errorf("an unknown tenant: %v", err)
	}
}

func TestOpenTenantsRefuses(t *testing.T) {
	url := postgres.URL(t)
	for name, test := range map[string]struct {
		tenants, systems []string
		want             string
	}{
		"an underscore":      {[]string{"prod_eu"}, []string{"inventory"}, "prod_eu"},
		"an injection":       {[]string{`x", public; --`}, []string{"inventory"}, "is no name"},
		"capitals":           {[]string{"Prod"}, []string{"inventory"}, "Prod"},
		"a system's name":    {[]string{"prod"}, []string{"in-ventory"}, "in-ventory"},
		"the same one twice": {[]string{"prod", "prod"}, []string{"inventory"}, "twice"},
		"no tenants":         {nil, []string{"inventory"}, "0 tenants"},
		"no systems":         {[]string{"prod"}, nil, "0 systems"},
		"a long name":        {[]string{strings.Repeat("a", 31)}, []string{"inventory"}, "30"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pg.OpenTenants(t.Context(), url, test.tenants, test.systems, pg.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("says %v, want %q", err, test.want)
			}
		})
	}
}

func TestStageReplacesOneLoad(t *testing.T) {
	pool := postgres.New(t)
	ctx := t.Context()
	exec(t, pool, `CREATE TABLE staged_item (load text, sku text, minor bigint, PRIMARY KEY (load, sku))`)
	staging := pg.Staging{Schema: "public", Table: "staged_item", LoadColumn: "load", Columns: []string{"sku", "minor"}}
	stage := func(load string, rows int, fail error) (n int64, err error) {
		err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
			n, err = pg.Stage(ctx, tx, staging, load, pgx.CopyFromSlice(rows, func(i int) ([]any, error) {
				if i == rows/2 && fail != nil {
					return nil, fail
				}
				return []any{fmt.Sprint("sku", i), int64(i)}, nil
			}))
			return err
		})
		return n, err
	}
	for _, test := range []struct {
		load string
		rows int
	}{{"a", 1000}, {"b", 10}, {"a", 1000}, {"a", 400}, {"b", 0}} {
		if n, err := stage(test.load, test.rows, nil); err != nil || n != int64(test.rows) {
			t.Errorf("load %s: %d rows, %v, want %d", test.load, n, err, test.rows)
		}
		if n := value[int64](t, pool, `SELECT count(*) FROM staged_item WHERE load = $1`, test.load); n != int64(test.rows) {
			t.Errorf("load %s has %d rows, want %d", test.load, n, test.rows)
		}
	}
	broken := errors.New("row 200 of the file is broken")
	if _, err := stage("a", 400, broken); !errors.Is(err, broken) || !strings.Contains(err.Error(), "load a") {
		t.Errorf("a broken file: %v", err)
	}
	if n := value[int64](t, pool, `SELECT count(*) FROM staged_item WHERE load = 'a'`); n != 400 {
		t.Errorf("%d rows after a broken file, want the 400 from before", n)
	}
	staging.Columns = []string{"sku", "price"}
	if _, err := stage("c", 1, nil); err == nil || !strings.Contains(err.Error(), "staged_item") {
		t.Errorf("a column that is not there: %v", err)
	}
}
