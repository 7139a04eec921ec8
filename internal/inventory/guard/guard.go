// Package guard judges a price before customers see it. It holds the price,
// never the item: while a price is held the last good one stays shown, and
// availability still applies.
package guard

import (
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// Rule names what held a price or let it pass.
type Rule string

// The rules that hold.
const (
	ZeroPrice       Rule = "zero_price"          // zero or less: always held
	BelowFloor      Rule = "below_floor"         // below the merchant's floor
	AboveCeiling    Rule = "above_ceiling"       // above the merchant's ceiling
	CurrencyChanged Rule = "currency_changed"    // another currency than before
	JumpOnPrevious  Rule = "price_jump_previous" // too far from the previous price
	OffMedian       Rule = "price_off_median"    // too far from the item's median over stores
	PowerOfTen      Rule = "power_of_ten"        // about ten or a hundred times, or a tenth or hundredth
)

// The rules that pass.
const (
	Unchanged      Rule = "price_unchanged"     // the last good price again
	WithinLimits   Rule = "price_within_limits" //
	FirstSeen      Rule = "price_first_seen"    // nothing to compare with but the limits of all prices
	MedianAgrees   Rule = "median_agrees"       // far from the previous price, close to other stores'
	ApprovedBefore Rule = "approved_before"     // a person approved this very price
)

// Ratio is a quotient of prices in thousandths: 2500 is two and a half times.
type Ratio int64

// Band is the limits for prices below a bound: cheap goods move in larger
// steps than dear ones.
type Band struct {
	// Below is the previous price, or the median, that the band ends before.
	// The last band's is ignored.
	Below money.Minor
	// Up and Down are how many times a price may rise and fall at once.
	Up   Ratio
	Down Ratio
	// MedianUp and MedianDown are how many times it may be above or below the
	// median over stores.
	MedianUp   Ratio
	MedianDown Ratio
}

// Limits are one merchant's, in one currency.
type Limits struct {
	Floor   money.Minor // below it a price is held; 0 is none
	Ceiling money.Minor // above it a price is held; 0 is none
	// Bands are in ascending order of Below. At least one.
	Bands []Band
	// MinStores is how many stores a median must rest on to count.
	MinStores int
	Version   uint64
}

// Median is an item's median effective price over the merchant's stores.
type Median struct {
	Price  money.Minor
	Per    normalize.Milligram
	Stores int
}

// Evidence is what a proposed price is compared with.
type Evidence struct {
	// LastGood is the price that is shown now, zero where none ever was.
	LastGood money.Minor
	Currency money.Currency
	Per      normalize.Milligram
	// Approved is a price that a person has approved for this store item.
	Approved money.Minor
	Median   Median
}

// Verdict is what the guard says of a proposed price.
type Verdict struct {
	Rule Rule
	Held bool
	// Against is the price that the rule compared with, and Ratio the proposed
	// price divided by it; zero where the rule compares with a limit.
	Against money.Minor
	Ratio   Ratio
	// Limit is the bound that was passed: a Ratio in thousandths for the rules
	// that compare prices, minor units for floor and ceiling.
	Limit int64
}

// Status is where a hold stands.
type Status uint8

// The statuses. Open is the only one that is not final.
const (
	Open Status = iota + 1
	Approved
	Discarded
	Superseded
)

// Hold is one held price of one store item.
type Hold struct {
	Price    money.Minor
	Currency money.Currency
	Per      normalize.Milligram
	LastGood money.Minor // what is shown meanwhile, zero for nothing
	Verdict  Verdict
	Status   Status
	OpenedAt time.Time
	ClosedAt time.Time
	ClosedBy string // who decided; empty where a newer price superseded it
	FeedID   string
	Row      int64
}

// Effect is what a proposed price does to an item's hold.
type Effect uint8

// The effects.
const (
	NoHold      Effect = iota // nothing held before or after
	OpenHold                  // a hold begins
	KeepHold                  // the held price came again: the same hold
	ReplaceHold               // another price is held: the old hold is superseded
	CloseHold                 // a good price supersedes the hold
	Ignored                   // the price was discarded before: nothing begins
)

// Transition is the step of an item's hold that one row causes.
type Transition struct {
	Effect Effect
	// Closed is the superseded hold, for ReplaceHold and CloseHold.
	Closed *Hold
	// Opened is the new hold, for OpenHold and ReplaceHold.
	Opened *Hold
}

// Judge compares a proposed price with the limits and what else is known.
func Judge(proposed money.Minor, currency money.Currency, per normalize.Milligram, e *Evidence, l *Limits) Verdict {
	panic("not written yet")
}

// Next is the step from the open hold (nil for none) and the discarded prices
// that a verdict on a proposed price causes. proposed carries the price, its
// provenance and the verdict.
func Next(open *Hold, discarded []money.Minor, proposed Hold) Transition {
	panic("not written yet")
}

// Decision is what a person decided about an open hold.
type Decision struct {
	Status Status // Approved or Discarded
	// Price is the one that the person saw. The decision fails where another is
	// held by now.
	Price money.Minor
	By    string
	At    time.Time
}

// Decide closes the hold by compare-and-set on its price.
func Decide(h Hold, d Decision) (Hold, error) {
	panic("not written yet")
}
