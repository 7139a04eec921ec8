package inventory

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
	"github.com/bodega-hq/bodega/internal/platform/money"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

// anyText is text as it may come from anywhere: quotes, control characters,
// bytes that are no UTF-8.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringN(0, 20, -1),
		rapid.SampledFrom([]string{"", `"`, `\`, "\u2028", "\x00", "\x1f\x7f", "\xff\xfe", "a\xc3", "é\x00\"", "<script>&", "\ufeffx", "\U0010ffff", "\xed\xa0\x80"}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) string { return string(b) }),
	)
}

// storable is text as it comes back out of the database: of broken UTF-8 and
// zero bytes, which a JSONB column cannot hold, the replacement character is left.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

func anyPrice(t *rapid.T, label string) price.Priced {
	p := price.Priced{
		Currency:  money.Currency(rapid.SampledFrom([]string{"USD", "EUR", "JPY"}).Draw(t, label+" currency")),
		Effective: money.Minor(rapid.Int64().Draw(t, label+" effective")),
		Regular:   money.Minor(rapid.Int64().Draw(t, label+" regular")),
		Per:       normalize.Microgram(rapid.Int64().Draw(t, label+" per")),
	}
	if p.Effective == 0 && p.Regular == 0 {
		return price.Priced{} // no price is kept without an amount
	}
	return p
}

func anyTime(t *rapid.T, label string) time.Time {
	if rapid.Bool().Draw(t, label+" zero") {
		return time.Time{}
	}
	zone := time.FixedZone("", rapid.IntRange(-14*3600, 14*3600).Draw(t, label+" zone"))
	return time.Unix(rapid.Int64Range(-62135510400, 253402207200).Draw(t, label+" second"), rapid.Int64Range(0, 999_999_999).Draw(t, label+" nano")).In(zone)
}

// anyState draws every field; the two that live in columns of their own, SKU
// and SourceTime, stay zero.
func anyState(t *rapid.T) judge.State {
	text := anyText()
	// Hidden and Available are words of the program, drawn as any text here.
	s := judge.State{
		GTIN: normalize.GTIN(rapid.Uint64Range(0, 99_999_999_999_999).Draw(t, "gtin")),
		Name: text.Draw(t, "name"), Brand: text.Draw(t, "brand"), Category: text.Draw(t, "category"),
		Size: normalize.Size{
			Count: rapid.Uint32().Draw(t, "count"), Milli: rapid.Int64().Draw(t, "milli"), Unit: normalize.Unit(rapid.Uint8().Draw(t, "unit")),
		},
		ImageURL: text.Draw(t, "image"), Price: anyPrice(t, "price"), RejudgeAt: anyTime(t, "rejudge"),
		Hidden: judge.Hidden(text.Draw(t, "hidden")), Merchant: normalize.Availability(rapid.Uint8().Draw(t, "merchant")),
		Available: availability.Rule(text.Draw(t, "available")), Percent: rapid.Int8().Draw(t, "percent"),
		Approved: money.Minor(rapid.Int64().Draw(t, "approved")),
		FeedID:   text.Draw(t, "feed"), Row: rapid.Int64().Draw(t, "row"), AvailabilityTime: anyTime(t, "shelf"),
		Rests: rapid.Uint64().Draw(t, "rests"), Model: rapid.Uint64().Draw(t, "model"), Hash: rapid.Uint64().Draw(t, "hash"),
	}
	for range rapid.IntRange(0, judge.MaxDiscarded).Draw(t, "discarded") {
		s.Discarded = append(s.Discarded, guard.Discard{
			Price: money.Minor(rapid.Int64().Draw(t, "discarded price")), LastGood: money.Minor(rapid.Int64().Draw(t, "discarded last good")),
		})
	}
	if rapid.Bool().Draw(t, "held") {
		s.Hold = &guard.Hold{
			Price: anyPrice(t, "held"), LastGood: anyPrice(t, "last good"), Status: guard.Open,
			OpenedAt: anyTime(t, "opened"), FeedID: text.Draw(t, "held feed"), Row: rapid.Int64().Draw(t, "held row"),
			Verdict: guard.Verdict{
				Rule: guard.Rule(text.Draw(t, "rule")), Held: true, Against: money.Minor(rapid.Int64().Draw(t, "against")),
				Times: guard.Ratio(rapid.Int64().Draw(t, "times")), Rise: rapid.Bool().Draw(t, "rise"), Limit: rapid.Int64().Draw(t, "limit"),
			},
		}
	}
	return s
}

// walk visits every text and time of a value.
func walk(v reflect.Value, visit func(reflect.Value)) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time](), v.Kind() == reflect.String:
		visit(v)
	case v.Kind() == reflect.Pointer && !v.IsNil():
		walk(v.Elem(), visit)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), visit)
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), visit)
		}
	}
}

// asStored is a state as it should come back: times in UTC, texts storable.
func asStored(s judge.State) judge.State {
	if s.Hold != nil {
		h := *s.Hold
		s.Hold = &h
	}
	walk(reflect.ValueOf(&s), func(v reflect.Value) {
		if v.Kind() == reflect.String {
			v.SetString(storable(v.String()))
			return
		}
		if at := v.Interface().(time.Time); !at.IsZero() {
			v.Set(reflect.ValueOf(at.UTC()))
		}
	})
	return s
}

func TestStatesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := anyState(t)
		raw := appendState([]byte("kept"), &state)[len("kept"):]
		if !json.Valid(raw) || !utf8.Valid(raw) {
			t.Fatalf("no JSON: %q", raw)
		}
		got, err := decodeState(raw)
		if err != nil {
			t.Fatalf("decode %s: %v", raw, err)
		}
		if want := asStored(state); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v\nof   %s", got, want, raw)
		}
		if again, err := decodeState(appendState(nil, &got)); err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("a second time it is\n%+v (%v), not\n%+v", again, err, got)
		}
	})
}

// A field that is added to the state and forgotten here or in the document
// would be lost without a word.
func TestAnyStateDrawsEveryField(t *testing.T) {
	columns := map[string]bool{"SKU": true, "SourceTime": true}
	// What an open hold does not have yet.
	closed := map[string]bool{"ClosedAt": true, "ClosedBy": true}
	seen := map[string]bool{}
	draw := rapid.Custom(anyState)
	var mark func(v reflect.Value, path string)
	mark = func(v reflect.Value, path string) {
		if !v.IsZero() {
			seen[path] = true
		}
		if v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		}
		if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				mark(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		}
	}
	for seed := range 200 {
		mark(reflect.ValueOf(draw.Example(seed)), "")
	}
	var check func(typ reflect.Type, path string)
	check = func(typ reflect.Type, path string) {
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() {
			if !seen[path] {
				t.Errorf("%s is never drawn: extend anyState, and the document", path)
			}
			return
		}
		for i := range typ.NumField() {
			name := typ.Field(i).Name
			if path == "" && columns[name] || path == ".Hold" && closed[name] {
				continue
			}
			check(typ.Field(i).Type, path+"."+name)
		}
	}
	check(reflect.TypeFor[judge.State](), "")
}

// What appendState writes has to be what the database takes and gives back.
func TestStatesFitTheDatabase(t *testing.T) {
	pool := postgres.New(t)
	draw := rapid.Custom(anyState)
	for seed := range 150 {
		state := draw.Example(seed)
		var back []byte
		if err := pool.QueryRow(t.Context(), `SELECT $1::jsonb`, string(appendState(nil, &state))).Scan(&back); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		got, err := decodeState(back)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if want := asStored(state); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: got  %+v\nwant %+v", seed, got, want)
		}
	}
}

func anyRow(t *rapid.T) feed.Row {
	var row feed.Row
	for f := range row.Values {
		row.Values[f] = anyText().Draw(t, "value")
	}
	// A length that takes two bytes, and one that takes three.
	long := rapid.SampledFrom([]int{0, 127, 128, 16383, 16384}).Draw(t, "long")
	row.Values[rapid.IntRange(0, len(row.Values)-1).Draw(t, "field")] = strings.Repeat("x", long)
	return row
}

func TestKeptRowsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row, ref := anyRow(t), mappingRef(anyText().Draw(t, "mapping"))
		raw := appendKept(nil, &row, ref)
		got, gotRef, err := decodeKept(raw)
		if err != nil || got.Values != row.Values || gotRef != ref {
			t.Fatalf("got %+v of %q (%v), want %+v of %q", got.Values, gotRef, err, row.Values, ref)
		}
		// Rows of a later version have fields that this one passes over.
		later := appendKeptText(raw, '!', "of a later version")
		if got, _, err := decodeKept(later); err != nil || got.Values != row.Values {
			t.Fatalf("with an unknown field: %+v, %v", got.Values, err)
		}
		// Cut anywhere inside a value, it is an error and not another row.
		if cut := rapid.IntRange(1, len("of a later version")).Draw(t, "cut"); true {
			if _, _, err := decodeKept(later[:len(later)-cut]); err == nil {
				t.Fatalf("cut by %d bytes it still reads", cut)
			}
		}
	})
}

func TestKeptCodesAreTheirOwn(t *testing.T) {
	taken := map[byte]feed.Field{keptMapping: feed.NumFields}
	for f, code := range keptCodes {
		if code == 0 {
			t.Errorf("field %s has no letter", feed.Field(f))
		}
		if other, ok := taken[code]; ok {
			t.Errorf("fields %s and %s share the letter %q", feed.Field(f), other, code)
		}
		taken[code] = feed.Field(f)
	}
}

func FuzzDecodeKept(f *testing.F) {
	var row feed.Row
	row.Values[feed.Name], row.Values[feed.Price] = "Milk", "1.00"
	f.Add(appendKept(nil, &row, "v1"))
	f.Add([]byte{'n', 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Add([]byte{'n', 0x80})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, ref, err := decodeKept(raw)
		if err != nil {
			return
		}
		again, againRef, err := decodeKept(appendKept(nil, &got, ref))
		if err != nil || again.Values != got.Values || againRef != ref {
			t.Errorf("%q read and written is %+v of %q (%v), not %+v of %q", raw, again.Values, againRef, err, got.Values, ref)
		}
	})
}

func FuzzDecodeState(f *testing.F) {
	f.Add([]byte(`{"name":"Milk","price":{"currency":"USD","minor":100},"percent":-1,"hash":"ff"}`))
	f.Add([]byte(`{"size":[1,2],"discarded":[[1]],"hold":{}}`))
	f.Add([]byte(`{"gtin":"x"}`))
	f.Add([]byte(`{"hash":"-1"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		state, err := decodeState(raw)
		if err != nil {
			return
		}
		written := appendState(nil, &state)
		if !json.Valid(written) || !utf8.Valid(written) {
			t.Errorf("%q is written as %q", raw, written)
		}
	})
}
