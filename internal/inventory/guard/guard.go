// Package guard judges a price before customers see it. It holds the price,
// never the item: while a price is held the last good one stays shown, and
// availability still applies.
package guard

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
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
	TooManyAbsent   Rule = "too_many_absent"     // of a file: it would delist too much of the store
)

// The rules that pass.
const (
	Unchanged       Rule = "price_unchanged"     // the last good price again
	WithinLimits    Rule = "price_within_limits" //
	FirstSeen       Rule = "price_first_seen"    // nothing to compare with but the limits of all prices
	MedianAgrees    Rule = "median_agrees"       // far from the previous price, close to other stores'
	ApprovedBefore  Rule = "approved_before"     // a person approved this very price
	DiscardedBefore Rule = "discarded_before"    // a person discarded this very price: ignored
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
	// Absences limits what one full file may delist.
	Absences Absences
	// Version changes whenever anything above does. A result rests on it.
	Version uint64
}

// Median is an item's median effective price over the merchant's stores.
type Median struct {
	Price  money.Minor
	Per    normalize.Microgram
	Stores int
}

// Evidence is what a proposed price is compared with.
type Evidence struct {
	// LastGood is the price that is shown now; its Effective is zero where none
	// ever was.
	LastGood price.Priced
	// Approved is a price that a person has approved for this store item.
	Approved money.Minor
	Median   Median
}

// Verdict is what the guard says of a proposed price.
type Verdict struct {
	Rule Rule
	Held bool
	// Against is the price that the rule compared with, zero where the rule
	// compares with a limit.
	Against money.Minor
	// Times is how many times the larger of the two prices is the smaller, and
	// Rise says that the proposed one is the larger.
	Times Ratio
	Rise  bool
	// Limit is the bound that was passed: a Ratio in thousandths for the rules
	// that compare prices, minor units for floor and ceiling.
	Limit int64
}

// agreement is how many times a price may be above or below the median to
// agree with it.
const agreement Ratio = 1500

// Judge compares a proposed price with the limits and with what else is known.
// The first of these decides:
//
//  1. Zero or less is held, whatever else is known.
//  2. A price that a person has approved, or the last good price again, passes.
//  3. Another currency than before is held; so is a price outside floor and
//     ceiling.
//  4. Against the last good price: a step beyond the band's limits is held,
//     named power_of_ten where that is what it looks like, unless the median
//     over stores agrees with the new price. A sale whose row gives the regular
//     price that was shown is no such step, nor is the return from it.
//  5. Against the median: a price beyond the band's limits is held, unless the
//     last good price was no nearer, so that a store that is dear by habit is
//     not held for ever.
func Judge(proposed *price.Priced, e *Evidence, l *Limits) Verdict {
	amount, last := proposed.Effective, &e.LastGood
	if amount <= 0 {
		return Verdict{Rule: ZeroPrice, Held: true}
	}
	known := last.Effective > 0
	if known && last.Currency != proposed.Currency {
		return Verdict{Rule: CurrencyChanged, Held: true, Against: last.Effective}
	}
	if amount == e.Approved && (!known || last.Per == proposed.Per) {
		return Verdict{Rule: ApprovedBefore, Against: e.Approved, Times: 1000}
	}
	comparable := known && last.Per == proposed.Per
	if comparable && amount == last.Effective {
		return Verdict{Rule: Unchanged, Against: last.Effective, Times: 1000}
	}
	if l.Floor > 0 && amount < l.Floor {
		return Verdict{Rule: BelowFloor, Held: true, Limit: int64(l.Floor)}
	}
	if l.Ceiling > 0 && amount > l.Ceiling {
		return Verdict{Rule: AboveCeiling, Held: true, Limit: int64(l.Ceiling)}
	}
	median := e.Median
	if median.Stores < max(l.MinStores, 1) || median.Per != proposed.Per {
		median.Price = 0
	}
	passed := Verdict{Rule: FirstSeen}
	if comparable {
		v := compare(amount, last.Effective)
		v.Rule = WithinLimits
		band := l.band(last.Effective)
		if v.beyond(band.Up, band.Down) && !returns(amount, last) && !declares(proposed, last) {
			if median.Price > 0 {
				if m := compare(amount, median.Price); m.Times <= agreement {
					m.Rule = MedianAgrees
					return m
				}
			}
			v.Held, v.Rule = true, JumpOnPrevious
			if v.powerOfTen() {
				v.Rule = PowerOfTen
			}
			return v
		}
		passed = v
	}
	if median.Price > 0 {
		v := compare(amount, median.Price)
		band := l.band(median.Price)
		if v.beyond(band.MedianUp, band.MedianDown) {
			if comparable {
				if before := compare(last.Effective, median.Price); before.Rise == v.Rise && before.Times >= v.Times {
					return passed
				}
			}
			v.Held, v.Rule = true, OffMedian
			if v.powerOfTen() {
				v.Rule = PowerOfTen
			}
			return v
		}
		if !comparable {
			v.Rule, v.Limit = WithinLimits, 0
			return v
		}
	}
	return passed
}

// declared is how many times a sale may be below the regular price where the
// same row gives that too, and it is what was shown: five sixths off. A slip in
// the sale column alone is ten times or more.
const declared Ratio = 6000

// declares says that the row itself owns up to the reduction: its regular price
// is about the last good one, or the regular one of that.
func declares(proposed, last *price.Priced) bool {
	if proposed.Regular <= proposed.Effective {
		return false
	}
	if compare(proposed.Regular, max(last.Effective, last.Regular)).Times > 1100 {
		return false
	}
	return compare(proposed.Effective, proposed.Regular).Times <= declared
}

// returns says that the price goes back to about the regular price that the
// last good one was a reduction of.
func returns(amount money.Minor, last *price.Priced) bool {
	if last.Regular <= last.Effective || amount < last.Effective {
		return false
	}
	return compare(amount, last.Regular).Times <= 1100
}

// compare puts two prices above zero in proportion.
func compare(amount, against money.Minor) Verdict {
	v := Verdict{Against: against, Rise: amount > against}
	larger, smaller := max(amount, against), min(amount, against)
	times, _, ok := money.MulDiv(larger, 1000, int64(smaller), money.HalfAwayFromZero)
	if !ok {
		times = math.MaxInt64
	}
	v.Times = Ratio(times)
	return v
}

// beyond compares with the limit of the price's direction and notes it.
func (v *Verdict) beyond(up, down Ratio) bool {
	limit := down
	if v.Rise {
		limit = up
	}
	v.Limit = int64(limit)
	return limit > 0 && v.Times > limit
}

// powerOfTen says that a decimal point slipped by one, two or three places, give
// or take the quarter that the price may have moved by itself.
func (v *Verdict) powerOfTen() bool {
	for p := Ratio(10_000); p <= 1_000_000; p *= 10 {
		if v.Times >= p*4/5 && v.Times <= p*5/4 {
			return true
		}
	}
	return false
}

// band is the one that a price lies in.
func (l *Limits) band(p money.Minor) *Band {
	for i := range l.Bands {
		if i == len(l.Bands)-1 || p < l.Bands[i].Below {
			return &l.Bands[i]
		}
	}
	return &Band{}
}

// DefaultLimits are for a merchant that has set none. Cheap goods may move in
// larger steps; a reduction of 60 % passes in every band, and so does its end.
func DefaultLimits(c money.Currency) Limits {
	unit := c.Unit()
	if c.Exponent() == 0 {
		unit = 100 // one hundred yen, won or francs buy about what a dollar does
	}
	return Limits{
		Ceiling:   100_000 * unit,
		MinStores: 3,
		Bands: []Band{
			{Below: unit, Up: 5000, Down: 5000, MedianUp: 5000, MedianDown: 6000},
			{Below: 20 * unit, Up: 3500, Down: 4000, MedianUp: 4000, MedianDown: 5000},
			{Up: 3000, Down: 3500, MedianUp: 3000, MedianDown: 4000},
		},
		Absences: Absences{Share: 300, AtLeast: 20},
	}
}

// Validate refuses limits that would hold everything or nothing by mistake.
func (l *Limits) Validate() error {
	if len(l.Bands) == 0 {
		return errors.New("limits: no bands: give at least one")
	}
	if l.Floor < 0 || l.Ceiling < 0 || l.Ceiling > 0 && l.Ceiling <= l.Floor {
		return fmt.Errorf("limits: floor %d and ceiling %d: neither may be negative, and the ceiling must be above the floor", l.Floor, l.Ceiling)
	}
	for i, b := range l.Bands {
		if i > 0 && i < len(l.Bands)-1 && b.Below <= l.Bands[i-1].Below {
			return fmt.Errorf("limits: band %d ends at %d, before the one below it", i+1, b.Below)
		}
		for _, r := range [...]Ratio{b.Up, b.Down, b.MedianUp, b.MedianDown} {
			if r != 0 && r <= 1000 {
				return fmt.Errorf("limits: band %d: a ratio of %d thousandths would hold every change: use more than 1000, or 0 for no limit", i+1, r)
			}
		}
	}
	return nil
}

// Absences limits how much of a store one full file may delist: a file cut off
// in transfer would otherwise empty the shop.
type Absences struct {
	// Share of the listed items, in thousandths, above which nothing is
	// delisted without a person; 0 is no limit.
	Share Ratio
	// AtLeast is how many items must be absent before the share counts, so that
	// a small store may drop a few.
	AtLeast int
}

// JudgeAbsences says whether a full file may delist absent of listed items.
func JudgeAbsences(listed, absent int, a Absences) Verdict {
	v := Verdict{Rule: WithinLimits, Limit: int64(a.Share)}
	if listed <= 0 || a.Share <= 0 || absent < a.AtLeast {
		return v
	}
	if v.Times = Ratio(int64(absent) * 1000 / int64(listed)); v.Times > a.Share {
		v.Rule, v.Held = TooManyAbsent, true
	}
	return v
}

// Sentence tells the verdict with its values.
func (v Verdict) Sentence(proposed *price.Priced) string {
	c := proposed.Currency
	amount, against, limit := money.Format(proposed.Effective, c), money.Format(v.Against, c), Ratio(v.Limit)
	// "4 times X", or "4 times below X".
	times := v.Times.String() + " times"
	if !v.Rise {
		times += " below"
	}
	switch v.Rule {
	case ZeroPrice:
		return amount + " is not above zero."
	case BelowFloor:
		return fmt.Sprintf("%s is below the merchant's floor of %s.", amount, money.Format(money.Minor(v.Limit), c))
	case AboveCeiling:
		return fmt.Sprintf("%s is above the merchant's ceiling of %s.", amount, money.Format(money.Minor(v.Limit), c))
	case CurrencyChanged:
		return amount + " is in another currency than the price before."
	case JumpOnPrevious:
		return fmt.Sprintf("%s is %s the previous %s; the limit is %s.", amount, times, against, limit)
	case OffMedian:
		return fmt.Sprintf("%s is %s the median of the merchant's stores, %s; the limit is %s.", amount, times, against, limit)
	case PowerOfTen:
		return fmt.Sprintf("%s is %s %s: a decimal point seems to have slipped.", amount, times, against)
	case Unchanged:
		return amount + " is the price that is shown already."
	case ApprovedBefore:
		return amount + " was approved by a person."
	case MedianAgrees:
		return fmt.Sprintf("%s is far from the previous price, but the median of the merchant's stores, %s, agrees with it.", amount, against)
	case FirstSeen:
		return amount + " has no price of the same measure before it, and too few other stores have one to compare with."
	}
	return fmt.Sprintf("%s is within the limits around %s.", amount, against)
}

// String writes the ratio as a decimal, such as "2.5".
func (r Ratio) String() string {
	b := strconv.AppendInt(nil, int64(r)/1000, 10)
	if rest := int64(r) % 1000; rest != 0 {
		b = append(append(b, '.'), strings.TrimRight(strconv.FormatInt(1000+rest, 10)[1:], "0")...)
	}
	return string(b)
}
