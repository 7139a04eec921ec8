// Package normalize turns a mapped row of text into an item with types: a
// verified GTIN, money in whole minor units, a size in three units, in stock
// or out of it, an instant. What cannot be read becomes a
// Problem that names row, column, value, reason and fix; whether the row can
// stand without it is decided here too. Normalizing twice is normalizing once.
package normalize

import (
	"time"

	"github.com/bodega-hq/bodega/internal/platform/money"
)

// Item is one row with types. Texts are trimmed, in Unicode NFC and free of
// control characters.
type Item struct {
	// SKU is the merchant's own id of the item, leading zeros kept.
	SKU string
	// GTIN is the verified trade item number, zero where the row has none that
	// can be trusted. GTINText is the form the merchant gave.
	GTIN     GTIN
	GTINText string
	Name     string
	Brand    string
	Category string
	Size     Size
	Sold     Sold
	// AverageWeight is the merchant's own average weight of one piece of an
	// item sold by weight, and zero where it gives none.
	AverageWeight Microgram
	// Currency is the one all amounts of the row are in.
	Currency money.Currency
	// Price is the regular price: of one piece, or of Base where Sold is
	// ByWeight.
	Price Price
	// Base is the weight that prices are for where Sold is ByWeight: Kilogram,
	// a hundred grams, Pound. Zero otherwise.
	Base Microgram
	// Sale is the sale price in the same measure, with its window. Zero times
	// leave the window open at that end.
	Sale      Price
	SaleFrom  time.Time
	SaleUntil time.Time
	// UnitPrice is the price of UnitBase, where the row gives it apart from
	// Price and UnitBase is a weight.
	UnitPrice Price
	UnitBase  Microgram

	Availability Availability
	// Quantity is the merchant's count on hand; QuantityKnown tells zero from
	// nothing said.
	Quantity      int64
	QuantityKnown bool
	// SourceTime is when the merchant knew what the row says: the row's own
	// time where it has one, else the file's.
	SourceTime time.Time
}

// Price is an amount that a row may lack, and whether it was given finer than
// the currency's minor unit.
type Price struct {
	Minor   money.Minor
	Set     bool
	Rounded bool
}

// Sold is how an item is sold.
type Sold uint8

// The ways of selling. SoldUnknown is a row that does not say; it is treated
// as ByEach unless the catalogue knows better.
const (
	SoldUnknown Sold = iota
	ByEach
	ByWeight
)

func (s Sold) String() string {
	switch s {
	case ByEach:
		return "each"
	case ByWeight:
		return "weight"
	}
	return "unknown"
}

// Availability is the merchant's word.
type Availability uint8

// The merchant's words. Unstated is a row without one; what can only be ordered
// ahead counts as OutOfStock, as it cannot be bought now.
const (
	Unstated Availability = iota
	InStock
	OutOfStock
)

func (a Availability) String() string {
	switch a {
	case InStock:
		return "in_stock"
	case OutOfStock:
		return "out_of_stock"
	}
	return "unstated"
}
