package money

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text     string
		currency Currency
		style    Style
		want     Minor
		rounded  bool
		named    Currency
	}{
		{"0", "USD", Auto, 0, false, ""},
		{"12.34", "USD", Auto, 1234, false, ""},
		{"12,34", "EUR", Auto, 1234, false, ""},
		{" 12.34 ", "USD", Auto, 1234, false, ""},
		{".99", "USD", Auto, 99, false, ""},
		{"12.", "USD", Auto, 1200, false, ""},
		{"1.234,56", "EUR", Auto, 123456, false, ""},
		{"1,234.56", "USD", Auto, 123456, false, ""},
		{"1,234,567", "USD", Auto, 123456700, false, ""},
		{"1.234.567,8", "EUR", Auto, 123456780, false, ""},
		{"1,234", "USD", Point, 123400, false, ""},
		{"1,234", "EUR", Comma, 123, true, ""},
		{"1.234", "EUR", Comma, 123400, false, ""},
		{"0.125", "USD", Auto, 13, true, ""},
		{"0.125", "KWD", Auto, 125, false, ""},
		{"4.589", "EUR", Point, 459, true, ""},
		{"4.5850000000000000000000000", "EUR", Point, 459, true, ""},
		{"1 234,50", "EUR", Auto, 123450, false, ""},
		{"1\u00a0234,50", "EUR", Auto, 123450, false, ""},
		{"1'234.50", "CHF", Auto, 123450, false, ""},
		{"1500", "JPY", Auto, 1500, false, ""},
		{"1500.5", "JPY", Auto, 1501, true, ""},
		{"1.250", "KWD", Point, 1250, false, ""},
		{"15.00 USD", "USD", Auto, 1500, false, "USD"},
		{"15.00USD", "USD", Auto, 1500, false, "USD"},
		{"usd 15", "USD", Auto, 1500, false, "USD"},
		{"$15.00", "CAD", Auto, 1500, false, "CAD"},
		{"CA$15.00", "CAD", Auto, 1500, false, "CAD"},
		{"€ 15", "EUR", Auto, 1500, false, "EUR"},
		{"15,00 €", "EUR", Auto, 1500, false, "EUR"},
		{"-$1.00", "USD", Auto, -100, false, "USD"},
		{"kr. 15", "DKK", Auto, 1500, false, "DKK"},
		{"-1", "USD", Auto, -100, false, ""},
		{"−1", "USD", Auto, -100, false, ""},
		{"+1", "USD", Auto, 100, false, ""},
		{"00012.50", "USD", Auto, 1250, false, ""},
		{"92233720368547758.07", "USD", Auto, math.MaxInt64, false, ""},
	} {
		got, err := Parse(c.text, c.currency, c.style, HalfAwayFromZero)
		if err != nil {
			t.Errorf("Parse(%q, %s, %s): %v", c.text, c.currency, c.style, err)
			continue
		}
		if got != (Amount{c.want, c.named, c.rounded}) {
			t.Errorf("Parse(%q, %s, %s) = %+v, want %d, rounded %t, naming %q", c.text, c.currency, c.style, got, c.want, c.rounded, c.named)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		text, reason string
		style        Style
	}{
		{"", "is empty", Auto},
		{"NaN", "no number does", Auto},
		{"Inf", "no number does", Auto},
		{"1e308", "scientific", Auto},
		{"1,234", "thousands or as decimals", Auto},
		{"1.234", "thousands or as decimals", Auto},
		{"1,23,4", "in threes", Auto},
		{"1.2.3", "in threes", Auto},
		{"12,34", "in threes", Point},
		{"12.34", "in threes", Comma},
		{"1.234,56", "after its decimal point", Point},
		{"1,234.56", "after its decimal comma", Comma},
		{"1.2,3.4", "more than one decimal", Auto},
		{"(12.00)", "brackets", Auto},
		{"--1", "no number does", Auto},
		{"1-2", "no number does", Auto},
		{".", "no digits", Auto},
		{"-", "no digits", Auto},
		{"12.34 5", "separator among its decimals", Auto},
		{"٣٫٥", "digits 0 to 9", Auto},
		{"92233720368547758.08", "more digits", Auto},
		{"922337203685477580", "too large", Auto},
		{strings.Repeat("9", 40), "more digits", Auto},
		{"15.00 EUR", "is in EUR", Auto},
		{"€15", "symbol €", Auto},
		{"15 apples", "no number does", Auto},
		{"2 for 5.00", "no number does", Auto},
		{"\x00", "no number does", Auto},
	} {
		got, err := Parse(c.text, "USD", c.style, HalfAwayFromZero)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("Parse(%q, %s) = %+v, %v; want a *SyntaxError", c.text, c.style, got, err)
			continue
		}
		if !strings.Contains(syntax.Reason, c.reason) || syntax.Fix == "" || syntax.Text != c.text {
			t.Errorf("Parse(%q, %s): %+v; want a reason with %q and a fix", c.text, c.style, syntax, c.reason)
		}
	}
}

// A decimal written in any style reads back to itself.
func TestParseReadsWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := Minor(rapid.Int64().Draw(t, "amount"))
		currency := rapid.SampledFrom([]Currency{"USD", "JPY", "KWD"}).Draw(t, "currency")
		text := string(AppendDecimal(nil, amount, currency))
		style := Point
		if rapid.Bool().Draw(t, "comma") {
			text, style = strings.Replace(text, ".", ",", 1), Comma
		}
		got, err := Parse(text, currency, style, HalfAwayFromZero)
		if amount == math.MinInt64 {
			return // its magnitude has no positive int64
		}
		if err != nil || got.Minor != amount || got.Rounded {
			t.Fatalf("Parse(%q, %s) = %+v, %v; want %d", text, currency, got, err, amount)
		}
	})
}

// MulDiv agrees with arithmetic of unbounded precision.
func TestMulDivAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, num := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "num")
		den := rapid.Int64().Filter(func(d int64) bool { return d != 0 }).Draw(t, "den")
		r := Rounding(rapid.IntRange(0, int(Up)).Draw(t, "rounding"))
		want := bigRound(new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(a), big.NewInt(num)), big.NewInt(den)), r)
		got, exact, ok := MulDiv(Minor(a), num, den, r)
		if fits := want.IsInt64() && want.Int64() != math.MinInt64; ok != fits {
			t.Fatalf("MulDiv(%d, %d, %d, %s): ok is %t, and the result is %s", a, num, den, r, ok, want)
		}
		if ok && int64(got) != want.Int64() {
			t.Fatalf("MulDiv(%d, %d, %d, %s) = %d, want %s", a, num, den, r, got, want)
		}
		product := new(big.Int).Mul(big.NewInt(a), big.NewInt(num))
		if ok && exact != (new(big.Int).Rem(product, big.NewInt(den)).Sign() == 0) {
			t.Fatalf("MulDiv(%d, %d, %d, %s): exact is %t", a, num, den, r, exact)
		}
	})
}

func bigRound(x *big.Rat, r Rounding) *big.Int {
	half := big.NewRat(1, 2)
	magnitude := new(big.Rat).Abs(x)
	floor := new(big.Int).Quo(magnitude.Num(), magnitude.Denom())
	rest := new(big.Rat).Sub(magnitude, new(big.Rat).SetInt(floor))
	up := false
	switch r {
	case HalfAwayFromZero:
		up = rest.Cmp(half) >= 0
	case HalfEven:
		up = rest.Cmp(half) > 0 || rest.Cmp(half) == 0 && floor.Bit(0) == 1
	case Up:
		up = rest.Sign() > 0
	}
	if up {
		floor.Add(floor, big.NewInt(1))
	}
	if x.Sign() < 0 {
		floor.Neg(floor)
	}
	return floor
}

func TestFormat(t *testing.T) {
	for want, amount := range map[string]struct {
		Minor
		Currency
	}{
		"12.34 USD": {1234, "USD"}, "0.05 USD": {5, "USD"}, "-0.05 USD": {-5, "USD"}, "1500 JPY": {1500, "JPY"},
		"1.250 KWD": {1250, "KWD"}, "0 JPY": {0, "JPY"}, "-92233720368547758.08 EUR": {math.MinInt64, "EUR"},
	} {
		if got := Format(amount.Minor, amount.Currency); got != want {
			t.Errorf("Format(%d, %s) = %q, want %q", amount.Minor, amount.Currency, got, want)
		}
	}
}

func TestCurrency(t *testing.T) {
	for code, exponent := range map[string]int{"usd": 2, "JPY": 0, " KWD ": 3, "ISK": 0, "CLP": 0} {
		c, err := ParseCurrency(code)
		if err != nil || c.Exponent() != exponent {
			t.Errorf("ParseCurrency(%q) = %s with %d decimals, %v; want %d", code, c, c.Exponent(), err, exponent)
		}
	}
	for _, code := range []string{"", "US", "USDX", "XXX", "HRK", "DOLLAR"} {
		if c, err := ParseCurrency(code); err == nil {
			t.Errorf("ParseCurrency(%q) = %s, want an error", code, c)
		}
	}
	for _, s := range []Style{Auto, Point, Comma} {
		if got, err := ParseStyle(s.String()); got != s || err != nil {
			t.Errorf("ParseStyle(%q) = %s, %v", s, got, err)
		}
	}
}

// FuzzParse: any text is an amount that is written and read back to the same,
// or a *SyntaxError that says what to do.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"12.34", "1.234,56", "1,234", "$ 15", "15 USD", "1e308", "NaN", "-0", "kr. 1", "٣", "1'000", "(1)", "−5", "+", ""} {
		f.Add(seed, uint8(0))
	}
	f.Fuzz(func(t *testing.T, text string, style uint8) {
		for _, c := range []Currency{"USD", "JPY", "KWD", "DKK"} {
			a, err := Parse(text, c, Style(style%3), HalfEven)
			if err != nil {
				var syntax *SyntaxError
				if !errors.As(err, &syntax) || syntax.Reason == "" || syntax.Fix == "" || len(err.Error()) > 400 {
					t.Fatalf("Parse(%q): %v", text, err)
				}
				continue
			}
			again, err := Parse(Format(a.Minor, c), c, Point, HalfEven)
			if err != nil || again.Minor != a.Minor || again.Rounded || again.Currency != c {
				t.Fatalf("Parse(%q) = %+v, written %q and read back as %+v, %v", text, a, Format(a.Minor, c), again, err)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, text := range []string{"12.34", "1.234,56", "15.00 USD"} {
		b.Run(text, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(text, "USD", Auto, HalfAwayFromZero); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
