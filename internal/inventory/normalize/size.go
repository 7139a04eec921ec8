package normalize

import "strconv"

// Unit is what a size is counted in. Sizes are kept in three units only, so
// that "0.41 kg" and "410 g" are the same size.
type Unit uint8

// The units of a size.
const (
	NoUnit Unit = iota
	Each
	Gram
	Millilitre
	Millimetre
)

// Size is how much one package holds: Count inner packages of Milli
// thousandths of the Unit each. "6x330ml" is {6, 330_000, Millilitre}.
type Size struct {
	Count uint32
	Milli int64
	Unit  Unit
}

// Milligram is a weight in milligrams.
type Milligram int64

// Kilogram is 1 kg.
const Kilogram Milligram = 1_000_000

// Weight is the whole package's weight, and false where the size is no weight.
func (s Size) Weight() (Milligram, bool) {
	if s.Unit != Gram {
		return 0, false
	}
	return Milligram(s.Milli) * Milligram(s.Count), true
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
	case Millilitre:
		suffix = " ml"
	case Millimetre:
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
