package normalize

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

var fileTime = time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)

func rules() *Rules {
	return &Rules{Currency: "USD", FileTime: fileTime, Latest: fileTime.Add(time.Hour), Kind: feed.KindFull}
}

func row(values map[feed.Field]string) *feed.Row {
	r := &feed.Row{Number: 7, Line: 8}
	r.Values[feed.ItemID], r.Values[feed.Name], r.Values[feed.Price] = "0042", "Oat bar", "1.99"
	for f, v := range values {
		r.Values[f] = v
	}
	return r
}

func TestGTIN(t *testing.T) {
	for _, c := range []struct{ text, key, digits string }{
		{"96385074", "00000096385074", "96385074"},
		{"036000291452", "00036000291452", "036000291452"},
		{"4006381333931", "04006381333931", "4006381333931"},
		{"04006381333931", "04006381333931", "04006381333931"},
		{"0036000291452", "00036000291452", "0036000291452"},
		{"4 006381 333931", "04006381333931", "4006381333931"},
		{"4-006381-333931", "04006381333931", "4006381333931"},
	} {
		g, digits, err := ParseGTIN(c.text)
		if err != nil || g.String() != c.key || digits != c.digits {
			t.Errorf("ParseGTIN(%q) = %s, %q, %v; want %s, %q", c.text, g, digits, err, c.key, c.digits)
		}
	}
	for text, reason := range map[string]string{
		"4006381333932":       "check digit is 1",
		"36000291452":         "has 11 digits",
		"":                    "has 0 digits",
		"0000000000000":       "all zeros",
		"4.00638E+12":         "as a number",
		"4006381333931.0":     "as a number",
		"ABC":                 `holds 'A'`,
		"400638133393１":       "holds",
		"4006381333931400638": "has 19 digits",
	} {
		_, _, err := ParseGTIN(text)
		var e *GTINError
		if !errors.As(err, &e) || !strings.Contains(e.Reason, reason) || e.Fix == "" {
			t.Errorf("ParseGTIN(%q): %v, want a *GTINError with %q", text, err, reason)
		}
	}
	for text, restricted := range map[string]bool{
		"2000000000008": true, "2999999999994": true, "0212345678901": false, "4006381333931": false, "9521234543213": false,
	} {
		var v uint64
		for _, d := range text[:12] {
			v = v*10 + uint64(d-'0')
		}
		if g := GTIN(v*10 + uint64(CheckDigit(v))); g.Restricted() != (restricted || strings.HasPrefix(text, "02")) {
			t.Errorf("%s: Restricted is %t", g, g.Restricted())
		}
	}
}

// One wrong digit is always found, and so is a swap of neighbors but of those
// that differ by five.
func TestGTINCheckDigit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.Uint64Range(1, 999_999_999_999).Draw(t, "body")
		text := GTIN(body*10 + uint64(CheckDigit(body))).String()[1:]
		g, digits, err := ParseGTIN(text)
		if err != nil || digits != text || g.String()[1:] != text {
			t.Fatalf("ParseGTIN(%q) = %s, %q, %v", text, g, digits, err)
		}
		i := rapid.IntRange(0, 12).Draw(t, "at")
		by := rapid.IntRange(1, 9).Draw(t, "by")
		wrong := []byte(text)
		wrong[i] = '0' + (wrong[i]-'0'+byte(by))%10
		if _, _, err := ParseGTIN(string(wrong)); err == nil {
			t.Fatalf("ParseGTIN(%q) took %q for a GTIN", text, wrong)
		}
		if i < 12 {
			swapped := []byte(text)
			swapped[i], swapped[i+1] = swapped[i+1], swapped[i]
			difference := int(text[i]) - int(text[i+1])
			if _, _, err := ParseGTIN(string(swapped)); err == nil && difference%5 != 0 {
				t.Fatalf("ParseGTIN(%q) took %q for a GTIN", text, swapped)
			}
		}
	})
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0.41 kg":      {1, 410_000, Gram},
		"60.02 ko":     {1, 60_020, Each},
		"6x330ml":      {6, 330_000, Milliliter},
		"4 x 1.5 L":    {4, 1_500_000, Milliliter},
		"12 pack":      {1, 12_000, Each},
		"500G":         {1, 500_000, Gram},
		"1,5 l":        {1, 1_500_000, Milliliter},
		"2 lb":         {1, 907_185, Gram},
		"16 fl oz":     {1, 473_176, Milliliter},
		"12 oz.":       {1, 340_194, Gram},
		"6×0,33 l":     {6, 330_000, Milliliter},
		"2.00 m":       {1, 2_000_000, Millimeter},
		"1\u00a0kg":    {1, 1_000_000, Gram},
		"0.0000001 kg": {},
		"0.00 kg":      {},
		"-1 kg":        {},
		"kg":           {},
		"1 furlong":    {},
		"1.250 kg":     {},
		"0x5 g":        {},
		"1.5x5 g":      {},
		"9e9 kg":       {},
		"99999999 kg":  {},
		"":             {},
	} {
		got, err := ParseSize(text, money.Auto)
		if (err == nil) != (want.Unit != NoUnit) || got != want {
			t.Errorf("ParseSize(%q) = %+v, %v; want %+v", text, got, err, want)
		}
	}
	if w, ok := (Size{6, 410_000, Gram}).Weight(); !ok || w != 2_460_000_000 {
		t.Errorf("the weight of 6x410 g is %d, %t", w, ok)
	}
}

// A size that is written reads back to itself.
func TestSizeWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := Size{
			Count: rapid.Uint32Range(1, 1000).Draw(t, "count"), Milli: rapid.Int64Range(1, 1e9).Draw(t, "milli"),
			Unit: Unit(rapid.IntRange(int(Each), int(Millimeter)).Draw(t, "unit")),
		}
		if got, err := ParseSize(size.String(), money.Point); err != nil || got != size {
			t.Fatalf("%+v is written %q and read back as %+v, %v", size, size, got, err)
		}
	})
}

func TestInstant(t *testing.T) {
	zone := time.FixedZone("west", -5*3600)
	for text, want := range map[string]string{
		"2026-03-01T06:00:00Z":            "2026-03-01T06:00:00Z",
		"2026-03-01T06:00:00.25+02:00":    "2026-03-01T04:00:00.25Z",
		"2026-03-01T06:00:00+0200":        "2026-03-01T04:00:00Z",
		"2026-03-01T06:00Z":               "2026-03-01T06:00:00Z",
		"2026-03-01 06:00:00":             "2026-03-01T11:00:00Z",
		"2026-03-01 06:00":                "2026-03-01T11:00:00Z",
		"2026-03-01 06:00:00 UTC":         "2026-03-01T06:00:00Z",
		"2026-03-01":                      "2026-03-01T05:00:00Z",
		"20260301":                        "2026-03-01T05:00:00Z",
		"20260301T060000Z":                "2026-03-01T06:00:00Z",
		"01.03.2026 06:00":                "2026-03-01T11:00:00Z",
		"Sun, 01 Mar 2026 06:00:00 GMT":   "2026-03-01T06:00:00Z",
		"Sun, 01 Mar 2026 06:00:00 +0100": "2026-03-01T05:00:00Z",
		"1772344800":                      "2026-03-01T06:00:00Z",
		"1772344800123":                   "2026-03-01T06:00:00.123Z",
		"03/01/2026":                      "",
		"2026-02-30":                      "",
		"2026-03-01 06:00:00 EST":         "",
		"yesterday":                       "",
		"0001-01-01":                      "",
		"0000000000":                      "",
	} {
		got, _, err := parseInstant(text, zone)
		if want == "" {
			if err == nil {
				t.Errorf("parseInstant(%q) = %s, want an error", text, got)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("parseInstant(%q) = %s, %v; want %s", text, got.Format(time.RFC3339Nano), err, want)
		}
	}
	from, until, err := parsePeriod("2026-03-01/2026-03-07", zone)
	if err != nil || from.Format(time.RFC3339) != "2026-03-01T05:00:00Z" || until.Format(time.RFC3339) != "2026-03-08T05:00:00Z" {
		t.Errorf("a period of days is from %s until %s, %v; want its last day whole", from, until, err)
	}
	for _, text := range []string{"2026-03-01", "2026-03-02/2026-03-01", "x/y", "2026-03-01T00:00Z/2026-03-01T00:00Z"} {
		if _, _, err := parsePeriod(text, zone); err == nil {
			t.Errorf("parsePeriod(%q) is taken", text)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"Oat bar":                  "Oat bar",
		"  Oat \t\n bar ":          "Oat bar",
		"Cafe\u0301":               "Café",
		"A\u0000B\u0007C":          "ABC",
		"evil\u202etxt.exe":        "eviltxt.exe",
		"a\u00adb\u200bc":          "abc",
		"👩\u200d🍳":                 "👩\u200d🍳",
		"a\u00a0\u3000b":           "a b",
		"\u0301x":                  "\u0301x",
		"e\u200b\u0301":            "é",
		"":                         "",
		" ":                        "",
		strings.Repeat("é", 200):   strings.Repeat("é", 150),
		strings.Repeat("ab ", 101): strings.TrimSpace(strings.Repeat("ab ", 100)),
	} {
		if got, _ := clean(text); got != want {
			t.Errorf("clean(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestRow(t *testing.T) {
	r := row(map[feed.Field]string{
		feed.GTIN: "036000291452", feed.Brand: "Northfield", feed.Category: "Snacks", feed.SalePrice: "1.49 USD",
		feed.SalePeriod: "2026-02-27/2026-03-02", feed.Size: "6 x 30 g", feed.Availability: "In Stock", feed.Quantity: "12",
		feed.SourceTime: "2026-03-01T05:30:00Z",
	})
	item, problems, ok := Row(r, rules(), nil)
	want := Item{
		SKU: "0042", GTIN: 36000291452, GTINText: "036000291452", Name: "Oat bar", Brand: "Northfield", Category: "Snacks",
		Size: Size{6, 30_000, Gram}, Currency: "USD", Price: Price{199, true, false}, Sale: Price{149, true, false},
		SaleFrom: time.Date(2026, 2, 27, 0, 0, 0, 0, time.UTC), SaleUntil: time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC),
		Availability: InStock, Quantity: 12, QuantityKnown: true, SourceTime: time.Date(2026, 3, 1, 5, 30, 0, 0, time.UTC),
	}
	if !ok || len(problems) > 0 || item != want {
		t.Errorf("Row = %+v, %v, %t;\nwant %+v", item, problems, ok, want)
	}
}

func TestRowProblems(t *testing.T) {
	for _, c := range []struct {
		field    feed.Field
		value    string
		rule     Rule
		severity Severity
		check    func(*Item) bool
	}{
		{feed.ItemID, "", NoItemID, Rejected, nil},
		{feed.ItemID, strings.Repeat("x", 201), NoItemID, Rejected, func(i *Item) bool { return len(i.SKU) == 200 }},
		{feed.GTIN, "036000291453", BadGTIN, Dropped, func(i *Item) bool { return i.GTIN == 0 && i.GTINText == "" }},
		{feed.Price, "free", BadPrice, Rejected, nil},
		{feed.Price, "-1", NegativePrice, Rejected, nil},
		{feed.Price, "NaN", BadPrice, Rejected, nil},
		{feed.Price, "1e308", BadPrice, Rejected, nil},
		{feed.Price, "1,234", BadPrice, Rejected, nil},
		{feed.Price, "15.00 EUR", BadPrice, Rejected, nil},
		{feed.Price, "1.999", PriceRounded, Noted, nil},
		{feed.Price, "1.9990001", PriceRounded, Noted, func(i *Item) bool { return i.Price == Price{200, true, true} }},
		{feed.Price, "99999999999999999", BadPrice, Rejected, nil},
		{feed.SalePrice, "x", BadSalePrice, Rejected, nil},
		{feed.UnitPrice, "x", BadUnitPrice, Dropped, func(i *Item) bool { return !i.UnitPrice.Set }},
		{feed.UnitPriceBase, "1 mile", BadUnitPrice, Dropped, func(i *Item) bool { return i.UnitBase == 0 }},
		{feed.Currency, "EUR", WrongCurrency, Rejected, nil},
		{feed.Currency, "dollars", BadCurrency, Rejected, nil},
		{feed.Unit, "bushel", BadUnit, Dropped, func(i *Item) bool { return i.Sold == SoldUnknown }},
		{feed.Unit, "l", BadUnit, Noted, func(i *Item) bool { return i.Sold == ByEach }},
		{feed.Size, "large", BadSize, Dropped, func(i *Item) bool { return i.Size == Size{} }},
		{feed.AverageWeight, "1 l", BadAverageWeight, Dropped, func(i *Item) bool { return i.AverageWeight == 0 }},
		{feed.Availability, "perhaps", BadAvailability, Dropped, func(i *Item) bool { return i.Availability == Unstated }},
		{feed.Quantity, "many", BadQuantity, Dropped, func(i *Item) bool { return !i.QuantityKnown }},
		{feed.Quantity, "-3", BadQuantity, Noted, func(i *Item) bool { return i.QuantityKnown && i.Quantity == 0 }},
		{feed.SourceTime, "noon", BadSourceTime, Dropped, func(i *Item) bool { return i.SourceTime.Equal(fileTime) }},
		{feed.SourceTime, "2031-01-01", FutureSourceTime, Dropped, func(i *Item) bool { return i.SourceTime.Equal(fileTime) }},
		{feed.Name, strings.Repeat("long ", 80), TextCut, Noted, func(i *Item) bool { return len(i.Name) <= 300 }},
	} {
		if c.field == feed.Price && c.value == "1.999" {
			// Three decimals can be thousands: only a mapping settles it.
			if _, problems, ok := Row(row(map[feed.Field]string{feed.Price: c.value}), rules(), nil); ok || problems[0].Rule != BadPrice {
				t.Errorf("an ambiguous price: %v", problems)
			}
			continue
		}
		item, problems, ok := Row(row(map[feed.Field]string{c.field: c.value}), rules(), nil)
		if len(problems) != 1 {
			t.Errorf("%s %q: problems are %v, want one", c.field, c.value, problems)
			continue
		}
		p := problems[0]
		if p.Rule != c.rule || p.Severity != c.severity || ok != (c.severity != Rejected) {
			t.Errorf("%s %q: %s, %s, ok %t; want %s, %s", c.field, c.value, p.Rule, p.Severity, ok, c.rule, c.severity)
		}
		if p.Row != 7 || p.Line != 8 || p.Column != c.field.String() || p.Reason == "" || p.Fix == "" || len(p.Value) > 84 {
			t.Errorf("%s %q: %+v does not say where, why or what to do", c.field, c.value, p)
		}
		if c.check != nil && !c.check(&item) {
			t.Errorf("%s %q: item is %+v", c.field, c.value, item)
		}
	}
}

func TestRowSalePeriod(t *testing.T) {
	item, problems, ok := Row(row(map[feed.Field]string{feed.SalePrice: "1.00", feed.SalePeriod: "next week"}), rules(), nil)
	if !ok || len(problems) != 1 || problems[0].Rule != BadSalePeriod || item.Sale.Set || item.Price.Minor != 199 {
		t.Errorf("a sale of unknown period: %+v, %v", item, problems)
	}
}

func TestRowByWeight(t *testing.T) {
	for _, c := range []struct {
		unit, base, unitBase string
		sold                 Sold
		want                 Microgram
	}{
		{"kg", "", "", ByWeight, Kilogram},
		{"KG", "", "", ByWeight, Kilogram},
		{"100g", "", "", ByWeight, Kilogram / 10},
		{"lb", "", "", ByWeight, Pound},
		{"oz", "", "", ByWeight, Ounce},
		{"weight", "100 g", "", ByWeight, Kilogram / 10},
		{"weight", "kg", "", ByWeight, Kilogram},
		{"weight", "", "", ByWeight, Kilogram},
		{"each", "", "", ByEach, 0},
	} {
		item, problems, ok := Row(row(map[feed.Field]string{feed.Unit: c.unit, feed.UnitPriceBase: c.base, feed.AverageWeight: "180 g"}), rules(), nil)
		if !ok || len(problems) > 0 || item.Sold != c.sold || item.Base != c.want || item.AverageWeight != 180_000_000 {
			t.Errorf("unit %q of %q: %s by %d µg, %v; want %s by %d µg", c.unit, c.base, item.Sold, item.Base, problems, c.sold, c.want)
		}
	}
}

func TestRowMapping(t *testing.T) {
	m := &feed.Mapping{}
	m.Fields[feed.Price] = feed.Source{Columns: []feed.Column{{Name: "Preis"}}, Decimal: feed.DecimalComma}
	m.Fields[feed.SalePrice] = feed.Source{Columns: []feed.Column{{Index: 3}}, Decimal: feed.DecimalPoint, MinorUnits: true}
	m.Fields[feed.Availability] = feed.Source{Words: map[string]string{"ja": feed.WordIn, "nein": feed.WordOut}}
	r := rules()
	r.Mapping = m
	item, problems, ok := Row(row(map[feed.Field]string{feed.Price: "1.234,50", feed.SalePrice: "99900", feed.Availability: "Nein"}), r, nil)
	if !ok || len(problems) > 0 || item.Price.Minor != 123450 || item.Sale.Minor != 99900 || item.Availability != OutOfStock {
		t.Errorf("by mapping: %+v, %v", item, problems)
	}
	_, problems, _ = Row(row(map[feed.Field]string{feed.Price: "12.34", feed.SalePrice: "1.5x"}), r, nil)
	if len(problems) != 2 || problems[0].Column != "Preis" || problems[1].Column != "column 3" {
		t.Errorf("columns are named %v", problems)
	}
}

// TestRowAvailabilityOnly: nothing but availability is read, so nothing else
// can be wrong.
func TestRowAvailabilityOnly(t *testing.T) {
	r := rules()
	r.Kind = feed.KindAvailability
	item, problems, ok := Row(row(map[feed.Field]string{feed.Price: "free", feed.Availability: "no"}), r, nil)
	if !ok || len(problems) > 0 || item.Availability != OutOfStock || item.Price.Set {
		t.Errorf("availability alone: %+v, %v, %t", item, problems, ok)
	}
}

// written is the row that says what the item says, in the plainest words.
func written(item *Item) *feed.Row {
	r := &feed.Row{Number: 7, Line: 8}
	decimal := func(p Price) string {
		if !p.Set {
			return ""
		}
		return string(money.AppendDecimal(nil, p.Minor, item.Currency))
	}
	weight := func(w Microgram) string {
		if w == 0 {
			return ""
		}
		return Size{1, int64(w) / 1000, Gram}.String()
	}
	for f, v := range map[feed.Field]string{
		feed.ItemID: item.SKU, feed.GTIN: item.GTINText, feed.Name: item.Name, feed.Brand: item.Brand, feed.Category: item.Category,
		feed.Price: decimal(item.Price), feed.SalePrice: decimal(item.Sale), feed.UnitPrice: decimal(item.UnitPrice),
		feed.Currency: string(item.Currency), feed.Size: item.Size.String(), feed.AverageWeight: weight(item.AverageWeight),
		feed.UnitPriceBase: weight(item.UnitBase), feed.SourceTime: item.SourceTime.Format(time.RFC3339Nano),
	} {
		r.Values[f] = v
	}
	switch {
	case item.Sold == ByEach:
		r.Values[feed.Unit] = "each"
	case item.Base == Kilogram:
		r.Values[feed.Unit] = "kg"
	case item.Base == Pound:
		r.Values[feed.Unit] = "lb"
	case item.Base == Kilogram/10:
		r.Values[feed.Unit] = "100g"
	}
	if item.Availability != Unstated {
		r.Values[feed.Availability] = item.Availability.String()
	}
	if item.QuantityKnown {
		r.Values[feed.Quantity] = strconv.FormatInt(item.Quantity, 10)
	}
	if !item.SaleFrom.IsZero() || !item.SaleUntil.IsZero() {
		period := ""
		if !item.SaleFrom.IsZero() {
			period = item.SaleFrom.Format(time.RFC3339Nano)
		}
		period += "/"
		if !item.SaleUntil.IsZero() {
			period += item.SaleUntil.Format(time.RFC3339Nano)
		}
		r.Values[feed.SalePeriod] = period
	}
	return r
}

// Normalizing twice is normalizing once.
func TestRowIdempotent(t *testing.T) {
	pick := func(t *rapid.T, label string, texts ...string) string { return rapid.SampledFrom(texts).Draw(t, label) }
	rapid.Check(t, func(t *rapid.T) {
		r := row(map[feed.Field]string{
			feed.ItemID:        rapid.StringMatching(`[0-9A-Z]{1,12}`).Draw(t, "id"),
			feed.GTIN:          pick(t, "gtin", "", "036000291452", "4 006381 333931", "123", "96385074"),
			feed.Name:          rapid.OneOf(rapid.String(), rapid.StringN(290, 400, -1)).Draw(t, "name"),
			feed.Brand:         rapid.String().Draw(t, "brand"),
			feed.Price:         pick(t, "price", "1.99", "1,99", "$2.00", "0", "1.9999", "1,234.56", "2.50 USD"),
			feed.SalePrice:     pick(t, "sale", "", "1.49", "0.99501", "USD 1"),
			feed.SalePeriod:    pick(t, "period", "", "2026-02-27/2026-03-02", "/2026-03-02", "20260227/", "soon", "2026-02-27T10:00:00.5Z/.."),
			feed.UnitPrice:     pick(t, "unit price", "", "3.98", "x"),
			feed.UnitPriceBase: pick(t, "base", "", "1 kg", "100 g", "lb", "1 l", "?"),
			feed.Unit:          pick(t, "unit", "", "kg", "lb", "100g", "each", "weight", "l", "sack"),
			feed.Size:          pick(t, "size", "", "6 x 330 ml", "1.5 oz", "0.41 kg", "big", "12 pack"),
			feed.AverageWeight: pick(t, "weight", "", "180 g", "0.4 lb", "1 l"),
			feed.Availability:  pick(t, "availability", "", "in stock", "OUT", "maybe"),
			feed.Quantity:      pick(t, "quantity", "", "3", "0.4", "-2", "1,5"),
			feed.SourceTime:    pick(t, "time", "", "2026-03-01 05:00", "1772344800123", "2031-01-01", "tomorrow"),
		})
		once, problems, ok := Row(r, rules(), nil)
		if !ok {
			return
		}
		for _, p := range problems {
			if p.Fix == "" || p.Reason == "" {
				t.Fatalf("problem %+v says too little", p)
			}
		}
		if !utf8.ValidString(once.Name) || !norm.NFC.IsNormalString(once.Name) || len(once.Name) > maxText {
			t.Fatalf("the name %q is not clean", once.Name)
		}
		plain := rules()
		plain.Mapping = &feed.Mapping{}
		for f := range plain.Mapping.Fields {
			plain.Mapping.Fields[f].Decimal = feed.DecimalPoint
		}
		twice, problems, ok := Row(written(&once), plain, nil)
		// What was rounded is told once.
		once.Price.Rounded, once.Sale.Rounded, once.UnitPrice.Rounded = false, false, false
		if !ok || len(problems) > 0 || twice != once {
			t.Fatalf("once %+v\ntwice %+v\n%v", once, twice, problems)
		}
	})
}

// FuzzRow: no text makes the stage panic, and every problem says what to do.
func FuzzRow(f *testing.F) {
	f.Add("1.99", "0.41 kg", "036000291452", "2026-03-01", "in stock", "kg", "Oat bar")
	f.Add("-1e308", "6x330ml", "4.0E+12", "2026-02-27/..", "\xff", "\x00", "\u202e")
	f.Fuzz(func(t *testing.T, price, size, gtin, when, word, unit, name string) {
		r := row(map[feed.Field]string{
			feed.Price: price, feed.SalePrice: price, feed.UnitPrice: price, feed.Size: size, feed.AverageWeight: size, feed.UnitPriceBase: size,
			feed.GTIN: gtin, feed.SourceTime: when, feed.SalePeriod: when, feed.Availability: word, feed.Unit: unit, feed.Quantity: price,
			feed.Name: name, feed.Brand: name,
		})
		item, problems, ok := Row(r, rules(), nil)
		rejected := false
		for _, p := range problems {
			rejected = rejected || p.Severity == Rejected
			if p.Reason == "" || p.Fix == "" || len(p.Value) > 84 {
				t.Fatalf("problem %+v says too little or too much", p)
			}
		}
		if ok == rejected {
			t.Fatalf("ok is %t with problems %v", ok, problems)
		}
		if ok && (item.Price.Minor < 0 || item.Sale.Minor < 0 || item.AverageWeight < 0 || item.Size.Milli < 0) {
			t.Fatalf("a negative amount in %+v", item)
		}
		if again, _ := clean(item.Name); again != item.Name {
			t.Fatalf("cleaning %q again makes %q", item.Name, again)
		}
	})
}

func BenchmarkRow(b *testing.B) {
	r := row(map[feed.Field]string{feed.GTIN: "036000291452", feed.Size: "0.41 kg", feed.Availability: "in stock", feed.Unit: "each"})
	limits := rules()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, ok := Row(r, limits, nil); !ok {
			b.Fatal("rejected")
		}
	}
}

// Merchants call both a count and a yes or no "stock".
func TestQuantityThatIsAWord(t *testing.T) {
	for _, c := range []struct {
		quantity, availability string
		want                   Availability
	}{
		{"no", "", OutOfStock}, {"Sold out", "", OutOfStock}, {"yes", "", InStock}, {"no", "in stock", InStock},
	} {
		item, problems, ok := Row(row(map[feed.Field]string{feed.Quantity: c.quantity, feed.Availability: c.availability}), rules(), nil)
		if !ok || len(problems) > 0 || item.QuantityKnown || item.Availability != c.want {
			t.Errorf("quantity %q and availability %q: %v, known %v, problems %v", c.quantity, c.availability, item.Availability, item.QuantityKnown, problems)
		}
	}
}
