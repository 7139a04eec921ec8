// Package price computes what a customer pays for one piece, or for one
// weight, from the merchant's price and the store's settings. It is integer
// arithmetic throughout, rounded once at the end.
package price

import (
	"context"
	"math"
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
	Per normalize.Microgram
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
	Weight normalize.Microgram
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
// holds. A price of zero is computed like any other: judging it is not this
// stage's. Priced is zero where the rule is NoPrice or OutOfRange.
func Effective(item *normalize.Item, s *Settings, at time.Time) (Priced, Verdict) {
	regular, base := item.Price, item.Base
	if item.Sold != normalize.ByWeight {
		base = 0
	} else if !regular.Set && !item.Sale.Set && item.UnitPrice.Set && item.UnitBase > 0 {
		regular, base = item.UnitPrice, item.UnitBase
	}
	v := Verdict{Sale: saleState(item, regular, at)}
	effective := regular
	if v.Sale == SaleHolds {
		effective = item.Sale
	}
	if !effective.Set {
		v.Rule = NoPrice
		return Priced{}, v
	}
	v.Base, v.Rounded = effective.Minor, effective.Rounded
	priced := Priced{Currency: s.Currency}
	num, den := int64(1), int64(1)
	switch {
	case base == 0:
		v.Rule = PerPiece
	case item.AverageWeight > 0 && !s.PerWeight:
		v.Rule, v.Weight = AverageWeight, item.AverageWeight
		num, den = int64(item.AverageWeight), int64(base)
	default:
		v.Rule, priced.Per = PerWeight, base
	}
	var ok, exact bool
	if priced.Effective, exact, ok = s.scale(effective.Minor, num, den); !ok {
		return Priced{}, Verdict{Rule: OutOfRange, Base: v.Base, Weight: v.Weight}
	}
	v.Rounded = v.Rounded || !exact
	if v.Sale == SaleHolds && regular.Set && regular.Minor > effective.Minor {
		// A regular price that does not fit is only not shown.
		if amount, _, ok := s.scale(regular.Minor, num, den); ok && amount > priced.Effective {
			priced.Regular = amount
		}
	}
	return priced, v
}

func saleState(item *normalize.Item, regular normalize.Price, at time.Time) SaleState {
	switch {
	case !item.Sale.Set:
		return NoSale
	case !item.SaleFrom.IsZero() && at.Before(item.SaleFrom):
		return SaleNotYet
	case !item.SaleUntil.IsZero() && !at.Before(item.SaleUntil):
		return SaleOver
	case regular.Set && item.Sale.Minor > regular.Minor:
		return SaleAboveRegular
	}
	return SaleHolds
}

// NextChange is the first instant after at when a sale's beginning or end
// changes the price by itself, zero where none does.
func NextChange(item *normalize.Item, at time.Time) time.Time {
	switch {
	case !item.Sale.Set:
	case item.SaleFrom.After(at):
		return item.SaleFrom
	case item.SaleUntil.After(at):
		return item.SaleUntil
	}
	return time.Time{}
}

// one is a rate of 100 %.
const one BasisPoints = 10_000

// scale is amount * num/den * (1 + inflation), rounded once to the step. exact
// is false where something was rounded off.
func (s *Settings) scale(amount money.Minor, num, den int64) (result money.Minor, exact, ok bool) {
	step := max(int64(s.Step), 1)
	if s.Inflation == 0 && num == den && step == 1 {
		return amount, true, true
	}
	if s.Inflation <= -one {
		return 0, false, false
	}
	num, okNum := multiply(num, int64(one+s.Inflation))
	den, okDen := multiply(den, int64(one))
	den, okStep := multiply(den, step)
	if !okNum || !okDen || !okStep {
		return 0, false, false
	}
	steps, exact, ok := money.MulDiv(amount, num, den, s.Rounding)
	if !ok {
		return 0, false, false
	}
	v, ok := multiply(int64(steps), step)
	return money.Minor(v), exact, ok
}

func multiply(a, b int64) (int64, bool) {
	if a < 0 || b < 0 || b != 0 && a > math.MaxInt64/b {
		return 0, false
	}
	return a * b, true
}
