package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// twoMajors finds programs of two versions on this machine, the fetched ones
// in a cache of the tests' own (see TestFetchFromMavenCentral) among them.
func twoMajors(t *testing.T) (older, newer Binaries, cache string) {
	t.Helper()
	cache = testCache(t)
	found := find(t.Context(), Config{CacheDir: cache})
	for _, b := range found {
		if _, err := clientTools(b, b); err == nil && b.Major < found[0].Major {
			return b, found[0], cache
		}
	}
	t.Skipf("this machine has %v, not two major versions of which the older has pg_dump: an upgrade was not checked", found)
	return
}

func testCache(t *testing.T) string {
	t.Helper()
	home, err := cacheHome()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(home, "bodega-test")
}

// TestFetchFromMavenCentral gets the real programs and starts them.
func TestFetchFromMavenCentral(t *testing.T) {
	if os.Getenv("BODEGA_TEST_FETCH") == "" {
		t.Skip("BODEGA_TEST_FETCH is not set: fetching the real programs from Maven Central was not checked")
	}
	cfg, err := Config{DataDir: t.TempDir(), CacheDir: testCache(t)}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFetcher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := f.fetch(t.Context(), fetchedMajor)
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, Config{DataDir: t.TempDir(), BinDir: dir})
	if got := query[string](t, server.URL("bodega"), `SELECT current_setting('server_version')`); got != server.Version() {
		t.Errorf("the server is %s, its programs say %s", got, server.Version())
	}
}

func TestUpgrade(t *testing.T) {
	older, newer, cache := twoMajors(t)
	dir := t.TempDir()
	cfg := Config{DataDir: dir, BinDir: older.Dir, CacheDir: cache}
	server := startServer(t, cfg)
	run(t, server.URL("bodega"),
		`CREATE SCHEMA prod_inventory`,
		`CREATE TABLE prod_inventory.item (store text, sku text, attributes jsonb, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (store, sku))`,
		`INSERT INTO prod_inventory.item SELECT 's' || i % 7, 'é' || i, jsonb_build_object('n', i) FROM generate_series(1, 5000) i`,
		`CREATE INDEX ON prod_inventory.item (at)`)
	if err := server.EnsureDatabase(t.Context(), "a second one"); err != nil {
		t.Fatal(err)
	}
	const digest = `SELECT md5(string_agg(i::text, ',' ORDER BY store, sku)) FROM prod_inventory.item i`
	before := query[string](t, server.URL("bodega"), digest)

	cfg.BinDir = ""
	if err := Upgrade(t.Context(), quick(cfg), newer.Major); !errors.Is(err, ErrInUse) {
		t.Errorf("upgrade under a running bodega says %v, want ErrInUse", err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	// With the new programs alone in sight, the old folder is refused.
	_, err := Start(t.Context(), quick(Config{DataDir: dir, BinDir: newer.Dir}))
	if !errors.Is(err, ErrMajorVersion) {
		t.Errorf("start with %s says %v, want ErrMajorVersion", newer.Version, err)
	}
	t.Log(err)
	if err := Upgrade(t.Context(), quick(cfg), newer.Major); err != nil {
		t.Fatal(err)
	}
	if err := Upgrade(t.Context(), quick(cfg), newer.Major); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if err := Upgrade(t.Context(), quick(cfg), older.Major); err == nil {
		t.Error("the data was moved to an older version")
	}
	again := startServer(t, cfg)
	if got := query[string](t, again.URL("bodega"), `SELECT current_setting('server_version')`); got != newer.Version {
		t.Errorf("runs %s after the upgrade, want %s", got, newer.Version)
	}
	if got := query[string](t, again.URL("bodega"), digest); got != before {
		t.Error("the data is not what it was")
	}
	if got := query[string](t, again.URL("a second one"), `SELECT current_database()`); got != "a second one" {
		t.Errorf("database %q", got)
	}
	// The role still owns everything.
	run(t, again.URL("bodega"), `ALTER TABLE prod_inventory.item ADD COLUMN name text`, `CREATE SCHEMA test_inventory`, `CREATE TABLE public.x (id bigint)`)
	if _, err := os.Stat(filepath.Join(dir, "upgrade")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the working folder is still there: %v", err)
	}
	if err := again.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Cut off between its last two steps: nothing starts empty.
	if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), quick(cfg))
	if err == nil || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("start without data beside old data says %v", err)
	}
	t.Log(err)
}

func TestUpgradeThatEndsInAnErrorLeavesTheData(t *testing.T) {
	older, newer, cache := twoMajors(t)
	dir := t.TempDir()
	cfg := Config{DataDir: dir, BinDir: older.Dir, CacheDir: cache}
	server := startServer(t, cfg)
	run(t, server.URL("bodega"), `CREATE TABLE item (id bigint PRIMARY KEY)`, `INSERT INTO item VALUES (1)`)
	// A grant to a role that the new server does not have.
	run(t, server.url(superuser, "bodega"), `CREATE ROLE reporting`, `GRANT SELECT ON item TO reporting`)
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	cfg.BinDir = ""
	err := Upgrade(t.Context(), quick(cfg), newer.Major)
	if err == nil || !strings.Contains(err.Error(), "reporting") {
		t.Errorf("upgrade says %v, want the missing role", err)
	}
	t.Log(err)
	again := startServer(t, cfg)
	if got := query[int64](t, again.URL("bodega"), `SELECT count(*) FROM item`); got != 1 || again.cluster.binaries.Major != older.Major {
		t.Errorf("%d rows on %s", got, again.Version())
	}
	if _, err := os.Stat(filepath.Join(dir, "upgrade")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the working folder is still there: %v", err)
	}
}
