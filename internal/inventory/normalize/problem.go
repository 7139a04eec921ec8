package normalize

import (
	"fmt"
	"strings"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
)

// Severity says whether a row can stand with its problem.
type Severity uint8

// The severities. Noted rows stand with a value read in a way worth telling;
// Dropped rows stand without the value; Rejected rows do not stand.
const (
	Noted Severity = iota
	Dropped
	Rejected
)

func (s Severity) String() string {
	switch s {
	case Noted:
		return "noted"
	case Dropped:
		return "dropped"
	}
	return "rejected"
}

// Rule names what went wrong: a word for counting by, stable across versions.
type Rule string

// The rules of this stage.
const (
	NoItemID         Rule = "no_item_id"
	NoName           Rule = "no_name"
	BadGTIN          Rule = "bad_gtin"
	BadPrice         Rule = "bad_price"
	NegativePrice    Rule = "negative_price"
	PriceRounded     Rule = "price_rounded"
	BadSalePrice     Rule = "bad_sale_price"
	BadSalePeriod    Rule = "bad_sale_period"
	BadUnitPrice     Rule = "bad_unit_price"
	BadCurrency      Rule = "bad_currency"
	WrongCurrency    Rule = "wrong_currency"
	BadUnit          Rule = "bad_unit"
	BadSize          Rule = "bad_size"
	BadAverageWeight Rule = "bad_average_weight"
	BadAvailability  Rule = "bad_availability"
	BadQuantity      Rule = "bad_quantity"
	BadSourceTime    Rule = "bad_source_time"
	FutureSourceTime Rule = "future_source_time"
	TextCut          Rule = "text_cut"
)

// Problem is what was wrong with one value of one row.
type Problem struct {
	Row  int64 // number of the data row, from 1
	Line int64 // line of the file, 0 where unknown
	// Column is the file's own name of the column where the mapping knows one,
	// else the field's name.
	Column   string
	Field    feed.Field
	Value    string // cut to 80 bytes
	Severity Severity
	Rule     Rule
	Reason   string // what is wrong, as the end of a sentence about the value
	Fix      string // what to change, in the imperative
}

// String is the whole sentence.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "row %d", p.Row)
	if p.Line > 0 {
		fmt.Fprintf(&b, " (line %d)", p.Line)
	}
	fmt.Fprintf(&b, ", column %q: %q %s; %s", p.Column, p.Value, p.Reason, p.Fix)
	return b.String()
}
