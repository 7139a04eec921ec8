package normalize

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/bodega-hq/bodega/internal/platform/money"
)

// Unit is what a size is counted in. Sizes are kept in three units only, so
// that "0.41 kg" and "410 g" are the same size.
type Unit uint8

// The units of a size.
const (
	NoUnit Unit = iota
	Each
	Gram
	Milliliter
	Millimeter
)

// Size is how much one package holds: Count inner packages of Milli
// thousandths of the Unit each. "6x330ml" is {6, 330_000, Milliliter}.
type Size struct {
	Count uint32
	Milli int64
	Unit  Unit
}

// Microgram is a weight in millionths of a gram, in which a pound is a whole
// number.
type Microgram int64

// Weights that prices are quoted for.
const (
	Kilogram Microgram = 1_000_000_000
	Pound    Microgram = 453_592_370
	Ounce    Microgram = 28_349_523
)

// Weight is the whole package's weight, and false where the size is no weight.
func (s Size) Weight() (Microgram, bool) {
	if s.Unit != Gram {
		return 0, false
	}
	return Microgram(s.Milli) * 1000 * Microgram(s.Count), true
}

// String writes the size in the form that ParseSize reads back to the same
// size, such as "410 g" or "6x330 ml", and empty for no size.
func (s Size) String() string {
	var suffix string
	switch s.Unit {
	case Each:
		suffix = " pc"
	case Gram:
		suffix = " g"
	case Milliliter:
		suffix = " ml"
	case Millimeter:
		suffix = " mm"
	default:
		return ""
	}
	b := make([]byte, 0, 24)
	if s.Count > 1 {
		b = append(strconv.AppendUint(b, uint64(s.Count), 10), 'x')
	}
	b = strconv.AppendInt(b, s.Milli/1000, 10)
	if rest := s.Milli % 1000; rest != 0 {
		digits := strconv.AppendInt(nil, 1000+rest, 10)[1:]
		for digits[len(digits)-1] == '0' {
			digits = digits[:len(digits)-1]
		}
		b = append(append(b, '.'), digits...)
	}
	return string(append(b, suffix...))
}

// measures are the unit words of sizes, in lower case, with their thousandths
// of the kept unit as the fraction num/den.
var measures = []struct {
	word     string
	unit     Unit
	num, den int64
}{
	{"kg", Gram, 1_000_000, 1}, {"g", Gram, 1000, 1}, {"gr", Gram, 1000, 1}, {"mg", Gram, 1, 1}, {"dag", Gram, 10_000, 1},
	{"lb", Gram, 45_359_237, 100}, {"lbs", Gram, 45_359_237, 100}, {"oz", Gram, 28_349_523, 1000},
	{"l", Milliliter, 1_000_000, 1}, {"lt", Milliliter, 1_000_000, 1}, {"ltr", Milliliter, 1_000_000, 1},
	{"litre", Milliliter, 1_000_000, 1}, {"liter", Milliliter, 1_000_000, 1},
	{"dl", Milliliter, 100_000, 1}, {"cl", Milliliter, 10_000, 1}, {"ml", Milliliter, 1000, 1},
	{"fl oz", Milliliter, 295_735_296, 10_000}, {"floz", Milliliter, 295_735_296, 10_000}, {"pt", Milliliter, 473_176_473, 1000},
	{"qt", Milliliter, 946_352_946, 1000}, {"gal", Milliliter, 3_785_411_784, 1000},
	{"m", Millimeter, 1_000_000, 1}, {"cm", Millimeter, 10_000, 1}, {"mm", Millimeter, 1000, 1},
	{"ko", Each, 1000, 1}, {"kom", Each, 1000, 1}, {"pc", Each, 1000, 1}, {"pcs", Each, 1000, 1}, {"ct", Each, 1000, 1},
	{"each", Each, 1000, 1}, {"ea", Each, 1000, 1}, {"piece", Each, 1000, 1}, {"pieces", Each, 1000, 1}, {"count", Each, 1000, 1},
	{"pack", Each, 1000, 1}, {"pk", Each, 1000, 1}, {"stk", Each, 1000, 1}, {"st", Each, 1000, 1}, {"unit", Each, 1000, 1}, {"units", Each, 1000, 1},
}

// SizeError says why a text is not a size, and what to change.
type SizeError struct {
	Text   string
	Reason string
	Fix    string
}

func (e *SizeError) Error() string { return fmt.Sprintf("size %q %s: %s", e.Text, e.Reason, e.Fix) }

// ParseSize reads a number and a unit, perhaps after how many inner packages
// there are: "0.41 kg", "60.02 ko", "6x330ml", "4 x 1.5 L", "12 pack". The
// error is always a *SizeError.
func ParseSize(text string, style money.Style) (Size, error) {
	s := strings.TrimSpace(text)
	end := len(s)
	for end > 0 && (s[end-1] < '0' || s[end-1] > '9') {
		end--
	}
	if end == 0 {
		return Size{}, &SizeError{text, "has no number", `write a number and a unit, such as "330 ml"`}
	}
	word := strings.TrimRight(strings.TrimLeft(s[end:], " \u00a0-"), ". ")
	size := Size{Count: 1}
	num, den := int64(0), int64(0)
	for i := range measures {
		if strings.EqualFold(measures[i].word, word) {
			size.Unit, num, den = measures[i].unit, measures[i].num, measures[i].den
			break
		}
	}
	if den == 0 {
		return Size{}, &SizeError{text, fmt.Sprintf("has the unknown unit %q", word), "use kg, g, lb, oz, l, ml, fl oz, m, cm or pc"}
	}
	number := s[:end]
	if x := strings.IndexAny(number, "xX×*"); x >= 0 {
		count, err := money.ParseDecimal(number[:x], style)
		if err != nil || count.Scale > 0 || count.Unscaled < 1 || count.Unscaled > math.MaxInt32 {
			return Size{}, &SizeError{text, "has no whole number of packages before the x", `write it as "6 x 330 ml"`}
		}
		size.Count = uint32(count.Unscaled)
		number = strings.TrimLeft(number[x:], "xX×*")
	}
	d, err := money.ParseDecimal(number, style)
	if err != nil {
		e := &SizeError{text, "holds no number that can be read", `write a number and a unit, such as "330 ml"`}
		if amount := (*money.SyntaxError)(nil); errors.As(err, &amount) {
			e.Reason, e.Fix = amount.Reason, amount.Fix
		}
		return Size{}, e
	}
	// The decimals are divided off last, so that thirds of an ounce round once.
	scaled, _, ok := money.MulDiv(money.Minor(d.Unscaled), num, den, money.HalfAwayFromZero)
	if d.Scale > 0 {
		scale := money.Decimal{Unscaled: 1}
		pow, _, _ := scale.Shift(int(d.Scale), money.Down)
		if den > math.MaxInt64/pow {
			ok = false
		} else {
			scaled, _, ok = money.MulDiv(money.Minor(d.Unscaled), num, den*pow, money.HalfAwayFromZero)
		}
	}
	// A package of more than a thousand tonnes is a mistake, and weights are
	// multiplied later.
	const most = 1_000_000_000_000
	if !ok || scaled > most/money.Minor(size.Count) {
		return Size{}, &SizeError{text, "is too large", "write the content of one package"}
	}
	if scaled <= 0 {
		return Size{}, &SizeError{text, "is not above zero", "leave the column empty where the content is not known"}
	}
	size.Milli = int64(scaled)
	return size, nil
}
