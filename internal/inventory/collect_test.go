package inventory

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// age makes an object as old as it is to be.
func (w *world) age(key string, old time.Duration) {
	w.t.Helper()
	written := w.now().Add(-old)
	if err := os.Chtimes(filepath.Join(w.objects, filepath.FromSlash(key)), written, written); err != nil {
		w.t.Fatal(err)
	}
}

// leave puts an object as a crash leaves it.
func (w *world) leave(key string, old time.Duration) {
	w.t.Helper()
	path := filepath.Join(w.objects, filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("left"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.age(key, old)
}

// kept lists the objects of all tenants.
func (w *world) kept() []string {
	w.t.Helper()
	var keys []string
	for _, top := range []string{"prod", "prod2"} {
		for o, err := range w.bucket.List(w.ctx, top) {
			if err != nil {
				w.t.Fatal(err)
			}
			keys = append(keys, o.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

func TestObjectsThatNothingNamesAreCollected(t *testing.T) {
	w := newWorld(t)
	key := func(parts ...string) string { return w.service.key(w.ctx, parts...) }
	// Every kind of object, all of them named: a menu that was replaced, an
	// ended feed's segments, rows that were refused, and removals that go, that
	// wait for a person, and that a person let go.
	w.send(submission{}, file(1, 120, "2.00"))
	w.send(submission{}, file(1, 119, "2.10"))
	held := w.send(submission{}, file(1, 20, "2.20")+",nameless,1.00,\n")
	w.send(submission{Store: "2"}, file(1, 10, "3.00"))
	open, err := w.submit(submission{Store: "3"}, file(1, 60, "4.00"))
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := newFeedID()
	if err != nil {
		t.Fatal(err)
	}
	const old, young = unnamedFor + time.Minute, unnamedFor - time.Minute
	if _, err := w.pool.Exec(w.ctx, `UPDATE prod_inventory.merchant SET created_at = $1`, w.now().Add(-2*old)); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, k := range w.kept() {
		w.age(k, old)
		for _, kind := range collected {
			if rel, err := filepath.Rel(key(kind), k); err == nil && filepath.IsLocal(rel) {
				kinds[kind]++
			}
		}
	}
	if len(kinds) != len(collected) {
		t.Fatalf("there are objects of the kinds %v, want all of %v", kinds, collected)
	}
	// What is not there to be deleted: another tenant's whose name begins alike,
	// what is young, what is older than the database, what is of a feed that has
	// not ended, what is none of these.
	other := w.service.key(tenant.With(t.Context(), "prod2"), "raw", "corner", string(unknown))
	w.leave(other, old)
	w.leave(key("segments", string(open.Feed), "3"), old)
	w.leave(key("rejects", string(open.Feed)+"-ABCDEFGHIJ"), old)
	w.leave(key("later", string(unknown)), old)
	left := map[string][]string{
		"raw":      {key("raw", "corner", string(unknown)), key("raw", "corner", "no id of a feed")},
		"segments": {key("segments", string(unknown), "1"), key("segments", string(held.ID), "elsewhere")},
		"rejects":  {key("rejects", string(held.ID)+"-ABCDEFGHIJ")},
		"removals": {key("removals", string(held.ID), "1-ABCDEFGHIJ")},
		"changes":  {key("changes", string(held.ID), "1", "000000-ABCDEFGHIJ")},
		"menus":    {key("menus", "corner", "1", "000000009-ABCDEFGHIJ")},
	}
	for n := range 2*collectBatch + 1 { // beside named ones, over several statements
		left["changes"] = append(left["changes"], key("changes", string(held.ID), "1", fmt.Sprintf("%06d-A", n)))
	}
	for _, keys := range left {
		w.leave(keys[0]+"Y", young)
		w.leave(keys[0]+"Z", 3*old)
	}
	want := w.kept()
	for _, keys := range left {
		for _, k := range keys {
			w.leave(k, old)
		}
	}
	for range 2 { // the second time finds nothing
		if err := w.service.collect(w.ctx); err != nil {
			t.Fatal(err)
		}
		got := w.kept()
		if !slices.Equal(got, want) {
			there, expected := map[string]bool{}, map[string]bool{}
			for _, k := range got {
				there[k] = true
			}
			for _, k := range want {
				expected[k] = true
			}
			maps.DeleteFunc(there, func(k string, _ bool) bool { return expected[k] })
			maps.DeleteFunc(expected, func(k string, _ bool) bool { return slices.Contains(got, k) })
			t.Fatalf("too much is left: %v; too much is gone: %v", slices.Sorted(maps.Keys(there)), slices.Sorted(maps.Keys(expected)))
		}
		for kind, keys := range left {
			if n := testutil.ToFloat64(w.service.deps.Metrics.collected.WithLabelValues(kind)); n != float64(len(keys)) {
				t.Errorf("the metric counts %g objects of %s, want %d", n, kind, len(keys))
			}
		}
	}
	if f := w.run(open.Feed); f.Status != Done {
		t.Errorf("the feed that had not ended is %s: %s", f.Status, f.Error)
	}
}
