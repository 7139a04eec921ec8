package feed

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseMappingRefuses(t *testing.T) {
	for _, tc := range []struct{ name, profile, want string }{
		{"empty", "", "the profile is empty"},
		{"comment only", "# nothing\n", "the profile is empty"},
		{"a list", "- a\n", "line 1: the profile must be a list of keys with values"},
		{"no YAML", "fields: [", "line 1"},
		{"unknown key", "name: x\nfeilds: {item_id: id}\n", `line 2: the profile has no key "feilds", did you mean "fields"?`},
		{"unknown field", "fields:\n  item_id: id\n  colour: c\n", `line 3: fields has no key "colour", known are store_id, item_id`},
		{"unknown source key", "fields:\n  item_id:\n    colum: id\n", `line 3: item_id has no key "colum", did you mean "column"?`},
		{"unknown format key", "format: {delimeter: ';'}\nfields: {item_id: id}\n", `line 1: format has no key "delimeter", did you mean "delimiter"?`},
		{"key twice", "fields:\n  item_id: a\n  item_id: b\n", `line 3: fields has the key "item_id" twice`},
		{"nothing mapped", "name: x\n", "the profile maps no column to any field"},
		{"constants only", "fields: {currency: {constant: EUR}}\n", "the profile maps no column to any field"},
		{"empty source", "fields:\n  item_id: {required: true}\n", "line 2: item_id has neither column, index nor constant"},
		{"empty list", "fields: {item_id: []}\n", "line 1: the list of columns is empty"},
		{"blank column", "fields: {item_id: ' _ '}\n", "line 1: a column has no name"},
		{"null column", "fields: {item_id: ~}\n", "line 1: column must be a text"},
		{"nested column", "fields: {item_id: [[a]]}\n", "line 1: column must be a text"},
		{"bad decimal", "decimal: dot\nfields: {item_id: id}\n", `line 1: decimal is "dot", but must be one of auto, point, comma`},
		{"bad bool", "fields: {item_id: {column: id, required: 1}}\n", `line 1: required is "1", but must be one of true, false`},
		{"bad index", "fields: {item_id: {index: 0}}\n", `line 1: index is "0", but must be the number of a column, from 1`},
		{"bad delimiter", "format: {delimiter: ab}\nfields: {item_id: id}\n", `line 1: delimiter is "ab", but must be one sign such as ";", or tab`},
		{"quote as delimiter", "format: {delimiter: '\"'}\nfields: {item_id: id}\n", "line 1: delimiter is"},
		{"bad encoding", "format: {encoding: koi8-r}\nfields: {item_id: id}\n", `line 1: encoding "koi8-r" is not read`},
		{"name without header", "format: {header: false}\nfields: {item_id: id}\n", `item_id names column "id", but format says that there is no header: use index`},
		{"words of a price", "fields: {price: {column: p, words: {in: [x]}}}\n", "line 1: price takes no words"},
		{"unknown word", "fields: {availability: {column: a, words: {inn: [x]}}}\n", `line 1: words of availability has no key "inn", did you mean "in"?`},
		{"ambiguous word", "fields:\n  availability:\n    column: a\n    words:\n      in: [Yes]\n      out: ['y e s']\n", `line 6: the word "y e s" stands for both in and out`},
		{"alias", "name: &a x\nfields: {item_id: *a}\n", "line 1: anchors and aliases are not read"},
		{"alias bomb", "a: &a [x,x]\nb: &b [*a,*a]\nfields: {item_id: *b}\n", `line 1: the profile has no key "a"`},
		{"two documents", "fields: {item_id: id}\n---\nfields: {item_id: id}\n", "more than one YAML document"},
		{"not UTF-8", "name: \xff\n", "not valid UTF-8"},
		{"too large", strings.Repeat("#", maxMappingBytes+1), "are more than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := ParseMapping([]byte(tc.profile))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "parse mapping: ") {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if m.Version != "" {
				t.Errorf("a refused mapping has version %s", m.Version)
			}
		})
	}
}

func TestParseMappingReadsEverything(t *testing.T) {
	m, err := ParseMapping([]byte(`
name: Test
decimal: comma
format: {encoding: CP1250, delimiter: tab, record: /a/b/, pad_short_rows: true}
fields:
  item_id: {column: [A, 0204], required: true}
  store_id: {constant: 0204}
  price: {column: Price, decimal: point, minor_units: true}
  quantity: Qty
  availability: {column: Stock, words: {in: [Na Zalihi, 1], out: 0}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "Test" || m.Layout != (Layout{Encoding: Windows1250, Delimiter: '\t', Record: "a/b", PadShortRows: true}) {
		t.Errorf("%q %+v", m.Name, m.Layout)
	}
	id := m.Fields[ItemID]
	if fmt.Sprint(id.Columns) != "[{A 0} {0204 0}]" || !id.Required {
		t.Errorf("%+v", id)
	}
	if m.Fields[StoreID].Constant != "0204" {
		t.Errorf("the constant lost its zero: %q", m.Fields[StoreID].Constant)
	}
	if m.Decimal(Price) != DecimalPoint || !m.Fields[Price].MinorUnits || m.Decimal(Quantity) != DecimalComma {
		t.Errorf("%+v %+v", m.Fields[Price], m.Fields[Quantity])
	}
	for text, want := range map[string]string{"na_zalihi": WordIn, "NA ZALIHI": WordIn, "1": WordIn, "0": WordOut} {
		if got, ok := m.Word(Availability, text); got != want || !ok {
			t.Errorf("%q is %q %v, want %q", text, got, ok, want)
		}
	}
	if got, ok := m.Word(Availability, "maybe"); ok {
		t.Errorf("an unknown word is %q", got)
	}
}

// The version is of what a mapping does, not of how it is written.
func TestMappingVersion(t *testing.T) {
	version := func(profile string) string {
		t.Helper()
		m, err := ParseMapping([]byte(profile))
		if err != nil {
			t.Fatalf("%v, of %s", err, profile)
		}
		if len(m.Version) != 64 {
			t.Fatalf("version %q", m.Version)
		}
		return m.Version
	}
	base := version("fields: {item_id: Item ID, price: [a, b]}")
	for _, same := range []string{
		"name: other\n# with a comment\nfields:\n  price:\n    column: [a, b]\n  item_id: {column: item_id, required: false}\n",
		"decimal: auto\nfields: {price: {column: [A, B], decimal: auto, minor_units: false}, item_id: ITEM-ID}",
		"format: {header: true}\nfields: {item_id: Item ID, price: [a, b]}",
	} {
		if got := version(same); got != base {
			t.Errorf("version changed with the writing: %s", same)
		}
	}
	seen := map[string]string{base: "the base"}
	for _, different := range []string{
		"fields: {item_id: Item ID, price: [b, a]}",
		"fields: {item_id: Item ID, price: [a]}",
		"fields: {item_id: Item ID, sale_price: [a, b]}",
		"fields: {item_id: Item ID, price: {index: [1, 2]}}",
		"decimal: comma\nfields: {item_id: Item ID, price: [a, b]}",
		"format: {delimiter: ';'}\nfields: {item_id: Item ID, price: [a, b]}",
		"format: {record: x}\nfields: {item_id: Item ID, price: [a, b]}",
		"format: {encoding: windows-1250}\nfields: {item_id: Item ID, price: [a, b]}",
		"format: {pad_short_rows: true}\nfields: {item_id: Item ID, price: [a, b]}",
		"fields: {item_id: {column: Item ID, required: true}, price: [a, b]}",
		"fields: {item_id: Item ID, price: {column: [a, b], minor_units: true}}",
		"fields: {item_id: Item ID, price: {column: [a, b], constant: 1}}",
		"fields: {item_id: Item ID, price: [a, b], unit: {column: u, words: {kg: [x]}}}",
		"fields: {item_id: Item ID, price: [a, b], unit: {column: u, words: {lb: [x]}}}",
	} {
		got := version(different)
		if other, taken := seen[got]; taken {
			t.Errorf("%s has the version of %s", different, other)
		}
		seen[got] = different
	}
	m, _ := ParseMapping([]byte("fields: {item_id: id}"))
	a, b := m.WithConstant(StoreID, "1"), m.WithConstant(StoreID, "2")
	if a.Version == m.Version || a.Version == b.Version || m.Fields[StoreID].Constant != "" {
		t.Error("a constant is part of the version, and of the copy only")
	}
}

func TestPresets(t *testing.T) {
	if got := fmt.Sprint(PresetNames()); got != "[bodega google-merchant konzum]" {
		t.Errorf("presets are %s", got)
	}
	for _, name := range PresetNames() {
		m, ok := Preset(name)
		if !ok || m.Name != name || !m.Fields[ItemID].Required {
			t.Errorf("preset %q: %v %q", name, ok, m.Name)
		}
		text, ok := PresetSource(name)
		again, err := ParseMapping([]byte(text))
		if !ok || err != nil || again.Version != m.Version {
			t.Errorf("source of preset %q: %v %v", name, ok, err)
		}
	}
	for _, name := range []string{"", "nope", "../presets/konzum", "konzum.yaml"} {
		if _, ok := Preset(name); ok {
			t.Errorf("there is a preset %q", name)
		}
		if _, ok := PresetSource(name); ok {
			t.Errorf("there is a source of preset %q", name)
		}
	}
	// Every field has its own name as first column of the canonical profile.
	m := mustPreset(t, DefaultPreset)
	for f := range NumFields {
		if len(m.Fields[f].Columns) == 0 || m.Fields[f].Columns[0].Name != f.String() {
			t.Errorf("%s is not read from a column of its name: %+v", f, m.Fields[f].Columns)
		}
		if got, ok := ParseField(f.String()); !ok || got != f {
			t.Errorf("%s parses to %s", f, got)
		}
	}
	if NumFields.String() != "unknown" {
		t.Error(NumFields.String())
	}
	g := mustPreset(t, "google-merchant")
	for text, want := range map[string]string{"in_stock": WordIn, "In Stock": WordIn, "out of stock": WordOut, "preorder": WordOut, "backorder": WordOut, "limited_availability": WordIn} {
		if got, _ := g.Word(Availability, text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestRowClone(t *testing.T) {
	row := Row{Number: 3, Line: 4}
	row.Values[ItemID], row.Values[ProductURL] = "007", "x"
	if c := row.Clone(); c != row {
		t.Errorf("%v became %v", row, c)
	}
}

func FuzzParseMapping(f *testing.F) {
	for _, name := range PresetNames() {
		text, _ := PresetSource(name)
		f.Add([]byte(text))
	}
	f.Add([]byte("fields: {item_id: {index: 1}}\nformat: {header: false}"))
	f.Fuzz(func(t *testing.T, profile []byte) {
		m, err := ParseMapping(profile)
		if err != nil {
			return
		}
		again, err := ParseMapping(profile)
		if err != nil || again.Version != m.Version {
			t.Fatalf("%v: version %s, then %s", err, m.Version, again.Version)
		}
		// A mapping that parsed serves a reader.
		r, err := NewReader(strings.NewReader("id,price\n1,2\n"), m)
		if err == nil {
			var row Row
			_ = r.Next(&row)
		}
	})
}
