package price

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func set(amount money.Minor) normalize.Price { return normalize.Price{Minor: amount, Set: true} }

func TestEffective(t *testing.T) {
	const gram = normalize.Kilogram / 1000
	for name, c := range map[string]struct {
		item     normalize.Item
		settings Settings
		want     Priced
		rule     Rule
		sale     SaleState
		rounded  bool
	}{
		"a piece": {
			item: normalize.Item{Price: set(199)},
			want: Priced{Effective: 199}, rule: PerPiece,
		},
		"a banana": { // 1.69 a kilogram, 118 g a piece: 0.19942
			item: normalize.Item{Sold: normalize.ByWeight, Base: normalize.Kilogram, Price: set(169), AverageWeight: 118 * gram},
			want: Priced{Effective: 20}, rule: AverageWeight, rounded: true,
		},
		"apples by the pound": { // 1.99 a pound, 0.5 lb
			item: normalize.Item{Sold: normalize.ByWeight, Base: normalize.Pound, Price: set(199), AverageWeight: normalize.Pound / 2},
			want: Priced{Effective: 100}, rule: AverageWeight, rounded: true,
		},
		"ham without a known weight": {
			item: normalize.Item{Sold: normalize.ByWeight, Base: normalize.Kilogram, Price: set(1299)},
			want: Priced{Effective: 1299, Per: normalize.Kilogram}, rule: PerWeight,
		},
		"a weight that the store does not want used": {
			item:     normalize.Item{Sold: normalize.ByWeight, Base: normalize.Kilogram, Price: set(1299), AverageWeight: 500 * gram},
			settings: Settings{PerWeight: true},
			want:     Priced{Effective: 1299, Per: normalize.Kilogram}, rule: PerWeight,
		},
		"a unit price alone": {
			item: normalize.Item{Sold: normalize.ByWeight, UnitPrice: set(80), UnitBase: 100 * gram, AverageWeight: 250 * gram},
			want: Priced{Effective: 200}, rule: AverageWeight,
		},
		"inflation": { // 1.99 and 2.5 %: 2.03975
			item: normalize.Item{Price: set(199)}, settings: Settings{Inflation: 250},
			want: Priced{Effective: 204}, rule: PerPiece, rounded: true,
		},
		"deflation": {
			item: normalize.Item{Price: set(200)}, settings: Settings{Inflation: -1000},
			want: Priced{Effective: 180}, rule: PerPiece,
		},
		"weight and inflation round once": { // 0.105 * 1.10 = 0.1155: 0.12, where rounding twice gives 0.121 from 0.11
			item:     normalize.Item{Sold: normalize.ByWeight, Base: normalize.Kilogram, Price: set(105), AverageWeight: 100 * gram},
			settings: Settings{Inflation: 1000},
			want:     Priced{Effective: 12}, rule: AverageWeight, rounded: true,
		},
		"cash": {
			item: normalize.Item{Price: set(198)}, settings: Settings{Step: 5},
			want: Priced{Effective: 200}, rule: PerPiece, rounded: true,
		},
		"a tie to even": {
			item: normalize.Item{Price: set(125)}, settings: Settings{Step: 10, Rounding: money.HalfEven},
			want: Priced{Effective: 120}, rule: PerPiece, rounded: true,
		},
		"a sale": {
			item: normalize.Item{Price: set(199), Sale: set(149)},
			want: Priced{Effective: 149, Regular: 199}, rule: PerPiece, sale: SaleHolds,
		},
		"a sale without a regular price": {
			item: normalize.Item{Sale: set(149)},
			want: Priced{Effective: 149}, rule: PerPiece, sale: SaleHolds,
		},
		"a sale by weight": {
			item: normalize.Item{Sold: normalize.ByWeight, Base: normalize.Kilogram, Sale: set(1000), Price: set(2000), AverageWeight: 500 * gram},
			want: Priced{Effective: 500, Regular: 1000}, rule: AverageWeight, sale: SaleHolds,
		},
		"a sale to come": {
			item: normalize.Item{Price: set(199), Sale: set(149), SaleFrom: noon.Add(time.Second)},
			want: Priced{Effective: 199}, rule: PerPiece, sale: SaleNotYet,
		},
		"a sale that ends now": {
			item: normalize.Item{Price: set(199), Sale: set(149), SaleUntil: noon},
			want: Priced{Effective: 199}, rule: PerPiece, sale: SaleOver,
		},
		"a sale that begins now": {
			item: normalize.Item{Price: set(199), Sale: set(149), SaleFrom: noon},
			want: Priced{Effective: 149, Regular: 199}, rule: PerPiece, sale: SaleHolds,
		},
		"a sale that is over, and no other price": {
			item: normalize.Item{Sale: set(149), SaleUntil: noon}, rule: NoPrice, sale: SaleOver,
		},
		"a sale above the regular price": {
			item: normalize.Item{Price: set(199), Sale: set(299)},
			want: Priced{Effective: 199}, rule: PerPiece, sale: SaleAboveRegular,
		},
		"a price that was rounded on reading": {
			item: normalize.Item{Price: normalize.Price{Minor: 459, Set: true, Rounded: true}},
			want: Priced{Effective: 459}, rule: PerPiece, rounded: true,
		},
		"zero":     {item: normalize.Item{Price: set(0)}, rule: PerPiece},
		"no price": {rule: NoPrice},
		"too much": {
			item: normalize.Item{Price: set(math.MaxInt64)}, settings: Settings{Inflation: 1}, rule: OutOfRange,
		},
		"a rate that gives goods away": {
			item: normalize.Item{Price: set(100)}, settings: Settings{Inflation: -10000}, rule: OutOfRange,
		},
		"a weight out of this world": {
			item: normalize.Item{Sold: normalize.ByWeight, Base: normalize.Kilogram, Price: set(1), AverageWeight: math.MaxInt64},
			rule: OutOfRange,
		},
	} {
		c.settings.Currency = "CAD"
		if c.rule != NoPrice && c.rule != OutOfRange {
			c.want.Currency = "CAD"
		}
		got, v := Effective(&c.item, &c.settings, noon)
		if got != c.want || v.Rule != c.rule || v.Sale != c.sale || v.Rounded != c.rounded {
			t.Errorf("%s: %+v by %+v; want %+v by %s, sale %d, rounded %t", name, got, v, c.want, c.rule, c.sale, c.rounded)
		}
	}
}

// The price is what unbounded arithmetic gives, off by less than a step.
func TestEffectiveAgainstBig(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64Range(0, 10_000_000).Draw(t, "amount")
		weight := rapid.Int64Range(1, 50_000_000_000).Draw(t, "weight")
		base := rapid.SampledFrom([]normalize.Microgram{normalize.Kilogram, normalize.Pound, normalize.Ounce, normalize.Kilogram / 10}).Draw(t, "base")
		s := Settings{
			Inflation: BasisPoints(rapid.Int32Range(-5000, 20000).Draw(t, "inflation")),
			Step:      money.Minor(rapid.SampledFrom([]int64{0, 1, 5, 10, 100}).Draw(t, "step")),
			Rounding:  money.Rounding(rapid.IntRange(0, 3).Draw(t, "rounding")),
		}
		item := normalize.Item{Sold: normalize.ByWeight, Base: base, Price: set(money.Minor(amount)), AverageWeight: normalize.Microgram(weight)}
		got, v := Effective(&item, &s, noon)
		if v.Rule != AverageWeight {
			t.Fatalf("rule is %s", v.Rule)
		}
		exact := new(big.Rat).SetFrac(
			new(big.Int).Mul(big.NewInt(amount), new(big.Int).Mul(big.NewInt(weight), big.NewInt(int64(one+s.Inflation)))),
			new(big.Int).Mul(big.NewInt(int64(base)), big.NewInt(int64(one))))
		step := max(int64(s.Step), 1)
		off := new(big.Rat).Sub(new(big.Rat).SetInt64(int64(got.Effective)), exact)
		if off.Abs(off).Cmp(new(big.Rat).SetInt64(step)) >= 0 || int64(got.Effective)%step != 0 {
			t.Fatalf("%d at %d µg is %d by %+v, exactly %s", amount, weight, got.Effective, s, exact.FloatString(4))
		}
		if v.Rounded == (off.Sign() == 0) {
			t.Fatalf("rounded is %t, and the price is off by %s", v.Rounded, off.FloatString(6))
		}
	})
}

// A dearer item stays the dearer one.
func TestEffectiveMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Range(0, 1e9).Draw(t, "a"), rapid.Int64Range(0, 1e9).Draw(t, "b")
		s := Settings{Inflation: BasisPoints(rapid.Int32Range(-9999, 20000).Draw(t, "inflation")), Step: 5}
		pa, _ := Effective(&normalize.Item{Price: set(money.Minor(min(a, b)))}, &s, noon)
		pb, _ := Effective(&normalize.Item{Price: set(money.Minor(max(a, b)))}, &s, noon)
		if pa.Effective > pb.Effective {
			t.Fatalf("%d becomes %d, and %d becomes %d", min(a, b), pa.Effective, max(a, b), pb.Effective)
		}
	})
}

func TestNextChange(t *testing.T) {
	before, after := noon.Add(-time.Hour), noon.Add(time.Hour)
	for _, c := range []struct {
		item normalize.Item
		want time.Time
	}{
		{normalize.Item{SaleUntil: after}, time.Time{}},
		{normalize.Item{Sale: set(1), SaleFrom: after, SaleUntil: after.Add(1)}, after},
		{normalize.Item{Sale: set(1), SaleFrom: before, SaleUntil: after}, after},
		{normalize.Item{Sale: set(1), SaleFrom: before, SaleUntil: before}, time.Time{}},
		{normalize.Item{Sale: set(1)}, time.Time{}},
	} {
		if got := NextChange(&c.item, noon); !got.Equal(c.want) {
			t.Errorf("a sale from %s until %s next changes at %s, want %s", c.item.SaleFrom, c.item.SaleUntil, got, c.want)
		}
	}
}
