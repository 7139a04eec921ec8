package tenant_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

func TestNewSet(t *testing.T) {
	set, err := tenant.NewSet("prod", "test")
	if err != nil || set.Default() != tenant.Prod || !set.Has(tenant.Test) || set.Has("staging") || len(set.IDs()) != 2 {
		t.Errorf("NewSet = %v, %v", set, err)
	}
	set.IDs()[0] = "changed"
	if set.Default() != tenant.Prod {
		t.Error("the set can be changed from outside")
	}
	for name, ids := range map[string][]string{
		"none": {}, "empty": {""}, "twice": {"prod", "prod"}, "upper case": {"Prod"}, "digit first": {"1st"},
		"quote": {`a"b`}, "long": {"abcdefghijklmnopq"}, "dash": {"a-b"}, "underscore": {"prod_inventory"},
	} {
		if _, err := tenant.NewSet(ids...); err == nil {
			t.Errorf("%s: %q passed", name, ids)
		}
	}
}

func TestContext(t *testing.T) {
	if _, err := tenant.From(t.Context()); !errors.Is(err, tenant.ErrNone) {
		t.Errorf("From = %v", err)
	}
	if id, err := tenant.From(tenant.With(t.Context(), "test")); err != nil || id != "test" {
		t.Errorf("From = %q, %v", id, err)
	}
}

func TestFromBaggage(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   tenant.ID
		bad    bool
	}{
		{nil, "", false},
		{[]string{""}, "", false},
		{[]string{"tenant=test"}, "test", false},
		{[]string{" a=1 , tenant = test ;secure, b=2"}, "test", false},
		{[]string{"a=1", "tenant=test"}, "test", false},
		{[]string{"tenant=te%73t"}, "test", false},
		{[]string{"tenants=test"}, "", false},
		{[]string{"tenant"}, "", true},
		{[]string{"=x"}, "", true},
	} {
		got, err := tenant.FromBaggage(c.values)
		if got != c.want || (err != nil) != c.bad || (c.bad && fault.KindOf(err) != fault.Invalid) {
			t.Errorf("FromBaggage(%q) = %q, %v", c.values, got, err)
		}
	}
}

func TestIntoBaggageKeepsTheOthers(t *testing.T) {
	for before, want := range map[string]tenant.ID{"": "test", "a=1,b=2": "test", "tenant=prod": "test", "not baggage": "test"} {
		value, err := tenant.IntoBaggage(before, want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tenant.FromBaggage([]string{value}); err != nil || got != want {
			t.Errorf("%q with the tenant is %q: %q, %v", before, value, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		id := tenant.ID(rapid.StringMatching(`[a-z][a-z0-9]{0,15}`).Draw(t, "id"))
		value, err := tenant.IntoBaggage("trace=7", id)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tenant.FromBaggage([]string{value}); err != nil || got != id {
			t.Fatalf("%q came back as %q, %v", id, got, err)
		}
	})
}

// FuzzFromBaggage throws headers at the parser: none may panic, and a tenant
// that comes out goes in again.
func FuzzFromBaggage(f *testing.F) {
	f.Add("tenant=test")
	f.Add("a=1;b,tenant=%E2%82%AC")
	f.Add(",,;=")
	f.Fuzz(func(t *testing.T, value string) {
		id, err := tenant.FromBaggage([]string{value})
		if err != nil || id == "" {
			return
		}
		again, err := tenant.IntoBaggage("", id)
		if err != nil {
			return // a value that baggage can be read from but not written to
		}
		if got, err := tenant.FromBaggage([]string{again}); err != nil || got != id {
			t.Errorf("%q came back as %q, %v", id, got, err)
		}
	})
}
