// Package price computes what a customer pays for one piece, or for one
// weight, from the merchant's price and the store's settings. It is integer
// arithmetic throughout, rounded once at the end.
package price

import (
	"context"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// BasisPoints is a rate in hundredths of a percent: 250 is 2.5 %.
type BasisPoints int32

// Settings are one store's policy, read once per store.
type Settings struct {
	Currency money.Currency
	// Inflation is added on top of the merchant's price; negative lowers it.
	Inflation BasisPoints
	// Rounding and Step say to which multiple of minor units, and how, the
	// result is rounded. Step 0 is 1.
	Rounding money.Rounding
	Step     money.Minor
	// PerWeight keeps every weighted item priced per weight, also where an
	// average weight is known.
	PerWeight bool
	// Version changes whenever anything above does. A result rests on it.
	Version uint64
}

// SettingsReader reads a store's settings: one read serves all rows of a
// store. A store without settings of its own has its merchant's.
type SettingsReader interface {
	PriceSettings(ctx context.Context, store string) (Settings, error)
}

// Priced is a computed price.
type Priced struct {
	Currency money.Currency
	// Effective is what a customer pays: the sale price while it holds, else
	// the regular one.
	Effective money.Minor
	// Regular is the price without the sale, zero where the merchant gave none
	// or no sale holds.
	Regular money.Minor
	// Per is the weight that the price is for, zero for one piece.
	Per normalize.Milligram
}

// OnSale says that a reduced price is the effective one.
func (p Priced) OnSale() bool { return p.Regular > p.Effective }

// Rule names how a price came about.
type Rule string

// The rules of this stage.
const (
	PerPiece      Rule = "per_piece"         // the merchant's price of one piece
	AverageWeight Rule = "average_weight"    // unit price times the average weight
	PerWeight     Rule = "per_weight"        // sold by weight, no average weight known
	NoPrice       Rule = "no_price"          // the row has none: rejected
	OutOfRange    Rule = "out_of_range"      // the product does not fit: rejected
	Untouched     Rule = "availability_only" // the row does not touch the price
)

// Verdict is what the stage did.
type Verdict struct {
	Rule Rule
	// Base is the merchant's price that was used, before weight and inflation.
	Base   money.Minor
	Weight normalize.Milligram
	// Sale says what became of the sale price.
	Sale SaleState
	// Rounded says that arithmetic or settings rounded something off.
	Rounded bool
}

// SaleState is what became of a sale price.
type SaleState uint8

// The states of a sale price.
const (
	NoSale SaleState = iota
	SaleHolds
	SaleNotYet
	SaleOver
	SaleAboveRegular // not below the regular price: passed over
)

// Effective computes the price of a hydrated item. at decides whether a sale
// holds.
func Effective(item *normalize.Item, s *Settings, at time.Time) (Priced, Verdict) {
	panic("not written yet")
}
