// Package money holds amounts as whole numbers of a currency's smallest unit.
// Nothing in it touches floating point: a decimal text becomes an exact
// Decimal, and a Decimal becomes a Minor by one named rounding.
package money

import (
	"math"
	"math/bits"
	"strconv"
)

// Minor is an amount in the smallest unit of its currency: cents for USD, yen
// for JPY, fils (a thousandth) for KWD. The currency travels beside it.
type Minor int64

// Rounding says which whole number a value between two of them becomes.
type Rounding uint8

const (
	// HalfAwayFromZero sends a tie to the neighbor of larger magnitude: 0.5
	// becomes 1 and -0.5 becomes -1. Shelf prices are rounded this way.
	HalfAwayFromZero Rounding = iota
	// HalfEven sends a tie to the even neighbor, so that many roundings do not
	// drift upwards together.
	HalfEven
	// Down cuts towards zero.
	Down
	// Up goes to the neighbor of larger magnitude whatever the remainder.
	Up
)

// String names the rounding as settings spell it.
func (r Rounding) String() string {
	switch r {
	case HalfAwayFromZero:
		return "half_away_from_zero"
	case HalfEven:
		return "half_even"
	case Down:
		return "down"
	case Up:
		return "up"
	}
	return "rounding(" + strconv.Itoa(int(r)) + ")"
}

// MulDiv is a*num/den rounded once at the end; the product is held in 128
// bits, so that only the result can overflow. exact is false where something
// was rounded off. ok is false where the result does not fit or den is zero.
func MulDiv(a Minor, num, den int64, r Rounding) (result Minor, exact, ok bool) {
	if den == 0 {
		return 0, false, false
	}
	negative := (a < 0) != (num < 0) != (den < 0)
	hi, lo := bits.Mul64(magnitude(int64(a)), magnitude(num))
	d := magnitude(den)
	if hi >= d {
		return 0, false, false
	}
	q, rem := bits.Div64(hi, lo, d)
	if roundsUp(q, rem, d, r) {
		q++
	}
	if q > math.MaxInt64 {
		return 0, false, false
	}
	if negative {
		return Minor(-int64(q)), rem == 0, true
	}
	return Minor(q), rem == 0, true
}

// roundsUp says whether quotient q with remainder rem of divisor d moves one
// away from zero.
func roundsUp(q, rem, d uint64, r Rounding) bool {
	if rem == 0 {
		return false
	}
	switch r {
	case Down:
		return false
	case Up:
		return true
	}
	// rem against d-rem compares with the half without overflowing.
	switch rest := d - rem; {
	case rem > rest:
		return true
	case rem < rest:
		return false
	}
	return r == HalfAwayFromZero || q%2 == 1
}

func magnitude(v int64) uint64 {
	if v < 0 {
		return uint64(-(v + 1)) + 1
	}
	return uint64(v)
}

// Format writes the amount with its currency's decimals and code, as
// "12.34 USD", "1500 JPY" or "1.250 KWD". A currency that is not known is
// written with two decimals.
func Format(a Minor, c Currency) string {
	return string(append(append(AppendDecimal(nil, a, c), ' '), c...))
}

// AppendDecimal appends the amount's decimals without the currency.
func AppendDecimal(b []byte, a Minor, c Currency) []byte {
	if a < 0 {
		b = append(b, '-')
	}
	exp := c.Exponent()
	digits := strconv.AppendUint(make([]byte, 0, 24), magnitude(int64(a)), 10)
	for len(digits) <= exp {
		digits = append(digits, 0)
		copy(digits[1:], digits)
		digits[0] = '0'
	}
	whole := len(digits) - exp
	b = append(b, digits[:whole]...)
	if exp > 0 {
		b = append(b, '.')
		b = append(b, digits[whole:]...)
	}
	return b
}
