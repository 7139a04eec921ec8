package postgres

import (
	"testing"
)

func TestServerIsNotInUTC(t *testing.T) {
	var zone, fsync string
	if err := New(t).QueryRow(t.Context(), `SELECT current_setting('timezone'), current_setting('fsync')`).Scan(&zone, &fsync); err != nil {
		t.Fatal(err)
	}
	if zone != TimeZone || fsync != "off" {
		t.Errorf("time zone %q, fsync %q, want %q and off", zone, fsync, TimeZone)
	}
}

func TestDatabasesAreApart(t *testing.T) {
	a, b := New(t), New(t)
	if _, err := a.Exec(t.Context(), `CREATE TABLE only_here (id bigint PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	var seen bool
	if err := b.QueryRow(t.Context(), `SELECT to_regclass('only_here') IS NOT NULL`).Scan(&seen); err != nil {
		t.Fatal(err)
	}
	if seen {
		t.Error("a table of one test's database shows in another's")
	}
}
