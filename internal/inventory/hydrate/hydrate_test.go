package hydrate

import (
	"slices"
	"testing"

	"github.com/bodega-hq/bodega/internal/inventory/normalize"
)

func product() *Product {
	return &Product{
		GTIN: 36000291452, Name: "Oat Bar Original", Brand: "Northfield", Category: "Snacks",
		Size: normalize.Size{Count: 1, Milli: 30_000, Unit: normalize.Gram}, Sold: normalize.ByEach, Version: 9,
	}
}

func TestMerge(t *testing.T) {
	item := normalize.Item{GTIN: 36000291452, Name: "OAT BAR ORIG", Brand: "", Category: "Misc", AverageWeight: 5}
	v := Merge(&item, product())
	if v != (Verdict{Matched, Name | Brand | Category | Size | Sold, 9}) {
		t.Errorf("verdict is %+v from %s", v, v.FromCatalog)
	}
	if item.Name != "Oat Bar Original" || item.Brand != "Northfield" || item.Category != "Snacks" || item.AverageWeight != 5 {
		t.Errorf("item is %+v", item)
	}
	sparse := normalize.Item{GTIN: 36000291452, Name: "Oat bar", Brand: "N"}
	if v := Merge(&sparse, &Product{GTIN: 36000291452, AverageWeight: 7, Version: 3}); v.FromCatalog != AverageWeight || sparse.Name != "Oat bar" || sparse.AverageWeight != 7 {
		t.Errorf("an empty catalogue entry gave %s: %+v", v.FromCatalog, sparse)
	}
}

func TestMergeWithoutProduct(t *testing.T) {
	for gtin, rule := range map[normalize.GTIN]Rule{0: NoGTIN, 2000000000008: InHouse, 36000291452: Unmatched} {
		item := normalize.Item{GTIN: gtin, Name: "Oat bar"}
		if v := Merge(&item, nil); v.Rule != rule || v.FromCatalog != 0 || item.Name != "Oat bar" {
			t.Errorf("GTIN %s: %+v, want %s", gtin, v, rule)
		}
	}
	item := normalize.Item{GTIN: 2000000000008, Name: "Cheese slice"}
	if v := Merge(&item, product()); v.Rule != InHouse || item.Name != "Cheese slice" {
		t.Errorf("a store's own number took the catalogue's name: %+v", item)
	}
}

// The catalogue cannot turn the price of a piece into one of a kilogram.
func TestMergeWeight(t *testing.T) {
	byWeight := &Product{GTIN: 1, Sold: normalize.ByWeight, AverageWeight: normalize.Kilogram / 5}
	piece := normalize.Item{GTIN: 36000291452, Price: normalize.Price{Minor: 25, Set: true}}
	if Merge(&piece, byWeight); piece.Sold != normalize.SoldUnknown {
		t.Errorf("the price of a piece is sold by %s", piece.Sold)
	}
	loose := normalize.Item{GTIN: 36000291452, UnitPrice: normalize.Price{Minor: 25, Set: true}, UnitBase: normalize.Pound}
	if Merge(&loose, byWeight); loose.Sold != normalize.ByWeight || loose.Base != normalize.Pound {
		t.Errorf("a unit price alone is sold by %s of %d µg", loose.Sold, loose.Base)
	}
}

func TestWanted(t *testing.T) {
	items := []normalize.Item{{GTIN: 36000291452}, {}, {GTIN: 2000000000008}, {GTIN: 36000291452}, {GTIN: 4006381333931}}
	if got, want := Wanted(items), []normalize.GTIN{36000291452, 4006381333931}; !slices.Equal(got, want) {
		t.Errorf("Wanted is %v, want %v", got, want)
	}
}

func TestAttributes(t *testing.T) {
	for a, want := range map[Attributes]string{0: "nothing", Brand: "brand", Name | Size: "name and size", Name | Sold | AverageWeight: "name, way of selling and average weight"} {
		if got := a.String(); got != want {
			t.Errorf("%b is %q, want %q", a, got, want)
		}
	}
}
