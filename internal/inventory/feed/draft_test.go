package feed

import (
	"strings"
	"testing"
)

func TestDraft(t *testing.T) {
	names := func(names ...string) (uses []ColumnUse) {
		for i, n := range names {
			uses = append(uses, ColumnUse{Name: n, Index: i + 1})
		}
		return uses
	}
	for _, tc := range []struct {
		name    string
		columns []ColumnUse
		want    string
	}{
		{"misspelt", names("ProdID", "Nam", "Price", "Prise", "Naziv \"x\"\n"),
			"name: draft\nfields:\n  item_id: \"ProdID\"\n  name: \"Nam\"\n  price: \"Price\"\n  # not read: \"Prise\"\n  # not read: \"Naziv \\\"x\\\"\\n\"\n"},
		{"nothing known", names("Šifra", "", "Naziv"), "name: draft\nfields:\n  # item_id: which column?\n  # not read: \"Šifra\"\n  # not read: \"Naziv\"\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Draft(tc.columns)
			if got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
			if !strings.Contains(got, "which column?") {
				if _, err := ParseMapping([]byte(got)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
