package gbdt

import (
	"math"
	"strconv"
)

// formatExact writes v with the 17 digits that bring it back whole, as C's
// %.17g does.
func formatExact(v float64) string { return format(v, 17) }

// formatShort writes v with 6 digits, as C's %g does.
func formatShort(v float64) string { return format(v, 6) }

func format(v float64, digits int) string {
	switch {
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	case v != v:
		return "nan"
	}
	return strconv.FormatFloat(v, 'g', digits, 64)
}
