package app

import (
	"slices"
	"strings"
	"testing"
)

func TestSharedFlagsMayComeFirst(t *testing.T) {
	for given, want := range map[string]string{
		"":                                "",
		"version":                         "version",
		"--server http://h feed show f":   "feed show f --server http://h",
		"--server=http://h -o json item":  "item --server=http://h -o json",
		"feed show --server http://h f":   "feed show --server http://h f",
		"--tenant test feed show -- -f":   "feed show --tenant test -- -f",
		"--token":                         "--token",
		"--demo serve":                    "--demo serve",
		"--token t --tenant test hold ls": "hold ls --token t --tenant test",
	} {
		if got := commandFirst(strings.Fields(given)); !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q becomes %q, want %q", given, strings.Join(got, " "), want)
		}
	}
}
