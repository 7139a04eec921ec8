// Package hydrate joins what a merchant says of an item with what the
// catalogue knows of the product. The catalogue is asked once for a store's
// rows, never once an item; the join itself is pure.
package hydrate

import (
	"context"
	"strings"

	"github.com/bodega-hq/bodega/internal/inventory/normalize"
)

// Product is the catalogue's entry of a GTIN, the same in every store.
type Product struct {
	GTIN     normalize.GTIN
	Name     string
	Brand    string
	Category string
	Size     normalize.Size
	Sold     normalize.Sold
	// AverageWeight is of one piece of a product sold by weight, zero where
	// unknown.
	AverageWeight normalize.Microgram
	// Version changes whenever anything above does. A result rests on it.
	Version uint64
}

// Catalog looks products up. One call serves all rows of a store or chunk; a
// GTIN that the catalogue does not know is absent from the result.
type Catalog interface {
	Products(ctx context.Context, gtins []normalize.GTIN) (map[normalize.GTIN]Product, error)
}

// Attributes says which attributes of an item came from the catalogue.
type Attributes uint8

// One bit each.
const (
	Name Attributes = 1 << iota
	Brand
	Category
	Size
	Sold
	AverageWeight
)

// Rule names how an item was joined.
type Rule string

// The rules of this stage.
const (
	Matched    Rule = "catalog_match"     // the catalogue knows the GTIN
	Unmatched  Rule = "catalog_unknown"   // it does not; the merchant's attributes stand
	NoGTIN     Rule = "no_gtin"           // there is nothing to look up
	InHouse    Rule = "gtin_in_house"     // a store's own number, which no shared catalogue may be asked for
	NotApplied Rule = "availability_only" // the row does not touch attributes
)

// Verdict is what the stage did.
type Verdict struct {
	Rule Rule
	// FromCatalog are the attributes that the catalogue gave or overruled.
	FromCatalog Attributes
	// Version is the catalogue entry's, zero without one.
	Version uint64
}

// Wanted collects the GTINs to look up for items: each once, without those
// that no shared catalogue can know.
func Wanted(items []normalize.Item) []normalize.GTIN {
	seen := make(map[normalize.GTIN]struct{}, len(items))
	wanted := make([]normalize.GTIN, 0, len(items))
	for i := range items {
		g := items[i].GTIN
		if g == 0 || g.Restricted() {
			continue
		}
		if _, ok := seen[g]; ok {
			continue
		}
		seen[g] = struct{}{}
		wanted = append(wanted, g)
	}
	return wanted
}

// Merge joins the item with its product, in place. The catalogue wins for
// name, brand, category and size, which are the same in every store and which
// it curates; the merchant wins for how it sells the item and for its average
// weight, which differ by store. Either fills what the other lacks, but for one
// thing: a row that gives a price of a piece is not turned into one sold by
// weight because the catalogue thinks so. product is nil where the catalogue
// knows none.
func Merge(item *normalize.Item, product *Product) Verdict {
	if product == nil || item.GTIN == 0 || item.GTIN.Restricted() {
		switch {
		case item.GTIN == 0:
			return Verdict{Rule: NoGTIN}
		case item.GTIN.Restricted():
			return Verdict{Rule: InHouse}
		}
		return Verdict{Rule: Unmatched}
	}
	v := Verdict{Rule: Matched, Version: product.Version}
	overrule := func(mine *string, theirs string, a Attributes) {
		if theirs != "" {
			*mine = theirs
			v.FromCatalog |= a
		}
	}
	overrule(&item.Name, product.Name, Name)
	overrule(&item.Brand, product.Brand, Brand)
	overrule(&item.Category, product.Category, Category)
	if product.Size.Unit != normalize.NoUnit {
		item.Size = product.Size
		v.FromCatalog |= Size
	}
	if item.Sold == normalize.SoldUnknown && product.Sold != normalize.SoldUnknown {
		piece := item.Price.Set || item.Sale.Set
		if product.Sold == normalize.ByEach || !piece && item.UnitPrice.Set && item.UnitBase > 0 {
			item.Sold = product.Sold
			v.FromCatalog |= Sold
		}
		if item.Sold == normalize.ByWeight {
			item.Base = item.UnitBase
		}
	}
	if item.AverageWeight == 0 && product.AverageWeight > 0 {
		item.AverageWeight = product.AverageWeight
		v.FromCatalog |= AverageWeight
	}
	return v
}

// String lists the attributes, such as "name, brand and size".
func (a Attributes) String() string {
	names := make([]string, 0, 6)
	for i, name := range [...]string{"name", "brand", "category", "size", "way of selling", "average weight"} {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 0:
		return "nothing"
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
