package feed

import "strings"

// Kind is what a file claims to be, which decides what its silence means.
type Kind string

// The kinds of feed.
const (
	// KindFull lists everything that the merchant sells: an item of the store
	// that is absent is no longer sold there.
	KindFull Kind = "full"
	// KindDelta lists what changed: an absent item is unchanged.
	KindDelta Kind = "delta"
	// KindAvailability lists stock only: prices and descriptions are not in it.
	KindAvailability Kind = "availability"
)

// Field is what a column can mean to the platform.
type Field uint8

// The fields, in the order in which they are printed. The numbers may change
// between versions; stored data names fields by Field.String.
const (
	StoreID       Field = iota // merchant's own identifier of the store
	ItemID                     // merchant's own identifier of the item, leading zeros kept
	GTIN                       // barcode: GTIN-8, -12, -13 or -14, leading zeros kept
	Name                       // title as shown to customers
	Description                // long text
	Brand                      //
	Category                   // merchant's category, or a path in its taxonomy
	Price                      // regular price of one sale unit, maybe with a currency: "15.00 USD"
	SalePrice                  // reduced price; where it is set it is the effective one
	SalePeriod                 // when SalePrice holds: ISO 8601 start/end
	Currency                   // ISO 4217 code of the prices that name none
	UnitPrice                  // price per kilogram, litre or piece, for comparison and for weighted items
	UnitPriceBase              // what UnitPrice refers to: "1 kg", "100 ml"
	Unit                       // how it is sold: each, or by weight (see Mapping.Word)
	Size                       // net content of one package: "0.41 kg", "6 x 330 ml"
	AverageWeight              // of one piece of a weighted item: "0.18 kg"
	Availability               // in stock or not (see Mapping.Word)
	Quantity                   // number on hand
	SourceTime                 // when the merchant's system last knew this to be true
	ImageURL                   //
	ProductURL                 //

	NumFields // how many fields there are
)

var fieldNames = [NumFields]string{
	StoreID: "store_id", ItemID: "item_id", GTIN: "gtin", Name: "name",
	Description: "description", Brand: "brand", Category: "category",
	Price: "price", SalePrice: "sale_price", SalePeriod: "sale_period",
	Currency: "currency", UnitPrice: "unit_price", UnitPriceBase: "unit_price_base",
	Unit: "unit", Size: "size", AverageWeight: "average_weight",
	Availability: "availability", Quantity: "quantity", SourceTime: "source_time",
	ImageURL: "image_url", ProductURL: "product_url",
}

// String is the field's name in mappings, segments and messages: "sale_price".
func (f Field) String() string {
	if f >= NumFields {
		return "unknown"
	}
	return fieldNames[f]
}

// ParseField finds the field that String names.
func ParseField(name string) (Field, bool) {
	for f, n := range fieldNames {
		if n == name {
			return Field(f), true
		}
	}
	return 0, false
}

// Row is one item of a file.
type Row struct {
	// Number counts the data rows from 1. Rows that could not be read have a
	// number too; blank lines and the header have none.
	Number int64
	// Line is the line on which the row begins, counted from 1 in the
	// uncompressed file; 0 where the source knows no lines.
	Line int64
	// Values is the text as the file has it, decoded to UTF-8, unquoted and
	// without surrounding white space; "" means absent or empty. Digits are
	// never rewritten: "007" stays "007" and 1.10 of a JSON number "1.10".
	// The strings of one row share one allocation of their own, so a row stays
	// valid after the next call to Reader.Next.
	Values [NumFields]string
}

// Clone copies the row so that it holds on to nothing but its own values.
// Rows of a Reader keep their line alive, rows of a segment their chunk.
func (r *Row) Clone() Row {
	n := 0
	for _, v := range r.Values {
		n += len(v)
	}
	var b strings.Builder
	b.Grow(n)
	for _, v := range r.Values {
		b.WriteString(v)
	}
	all := b.String()
	c := Row{Number: r.Number, Line: r.Line}
	for f, v := range r.Values {
		c.Values[f], all = all[:len(v)], all[len(v):]
	}
	return c
}
