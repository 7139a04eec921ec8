package dbscan

import "math"

// ball answers "is this within eps". Every method asks this one question with
// this one arithmetic: the coordinate differences squared and added in column
// order, compared with eps squared. That is what a brute-force loop computes
// and what scikit-learn's k-d tree compares in its leaves, so points exactly
// on the boundary fall on the same side everywhere.
//
// All pruning relies on rounding being monotone: if |a| <= |b| then
// fl(a*a) <= fl(b*b), and fl(a+c) <= fl(b+c). A box's smallest differences
// therefore never give a larger sum than any of its points, bit for bit.
type ball struct {
	eps   float64
	limit float64 // (eps*unit)^2
	// unit is a power of two, 1 except where eps squared would leave the range
	// of a float64. Multiplying by a power of two rounds nothing.
	unit float64
}

func newBall(eps float64) ball {
	unit := 1.0
	switch {
	case eps < 0x1p-500:
		unit = 0x1p600
	case eps > 0x1p500:
		unit = 0x1p-600
	}
	scaled := eps * unit
	return ball{eps: eps, limit: scaled * scaled, unit: unit}
}

// square is one term of the sum. The conversion forbids fusing the product
// with the addition that follows, which would round differently from one
// processor to the next.
func (b ball) square(difference float64) float64 {
	d := difference * b.unit
	return float64(d * d)
}

func (b ball) near(p, q []float64) bool {
	sum := 0.0
	for j, v := range p {
		sum += b.square(v - q[j])
	}
	return sum <= b.limit
}

// A box is the lowest coordinates followed by the highest.

func emptyBox(box []float64) {
	dims := len(box) / 2
	for j := range dims {
		box[j], box[dims+j] = math.Inf(1), math.Inf(-1)
	}
}

func growBox(box, p []float64) {
	dims := len(p)
	for j, v := range p {
		if v < box[j] {
			box[j] = v
		}
		if v > box[dims+j] {
			box[dims+j] = v
		}
	}
}

// boxMeets says whether some place in the box is within eps of p.
func (b ball) boxMeets(p, box []float64) bool { return b.gap(p, box) <= b.limit }

// gap is the squared distance from p to the box.
func (b ball) gap(p, box []float64) float64 {
	dims := len(p)
	sum := 0.0
	for j, v := range p {
		if v < box[j] {
			sum += b.square(box[j] - v)
		} else if v > box[dims+j] {
			sum += b.square(v - box[dims+j])
		}
	}
	return sum
}

// boxInside says whether the whole box is within eps of p.
func (b ball) boxInside(p, box []float64) bool {
	dims := len(p)
	sum := 0.0
	for j, v := range p {
		sum += b.square(max(math.Abs(v-box[j]), math.Abs(box[dims+j]-v)))
	}
	return sum <= b.limit
}

// boxesMeet says whether two boxes come within eps of each other.
func (b ball) boxesMeet(x, y []float64) bool {
	dims := len(x) / 2
	sum := 0.0
	for j := range dims {
		if x[dims+j] < y[j] {
			sum += b.square(y[j] - x[dims+j])
		} else if y[dims+j] < x[j] {
			sum += b.square(x[j] - y[dims+j])
		}
	}
	return sum <= b.limit
}

// boxesTouchWholly says whether every point of one box is within eps of every
// point of the other; of a box with itself, that its points are all neighbours.
func (b ball) boxesTouchWholly(x, y []float64) bool {
	dims := len(x) / 2
	sum := 0.0
	for j := range dims {
		sum += b.square(max(math.Abs(y[dims+j]-x[j]), math.Abs(x[dims+j]-y[j])))
	}
	return sum <= b.limit
}

// reachAlong is the largest difference along one axis that keeps two points
// within eps when the squares of the other axes are given: before and after
// hold them in column order around the axis. ok is false where even difference
// 0 is too far. Because the comparison is monotone in the difference, "y - x
// <= reach" then decides exactly as near would.
func (b ball) reachAlong(before float64, after []float64) (reach float64, ok bool) {
	holds := func(difference float64) bool {
		sum := before + b.square(difference)
		for _, c := range after {
			sum += c
		}
		return sum <= b.limit
	}
	if !holds(0) {
		return 0, false
	}
	if holds(math.MaxFloat64) {
		return math.MaxFloat64, true
	}
	rest := b.limit - before
	for _, c := range after {
		rest -= c
	}
	low, high := 0.0, math.MaxFloat64
	// The estimate is nearly always right to a few units in the last place.
	// Where the rest cancels to almost nothing it is not, and the bisection
	// runs over the whole range.
	if guess := math.Sqrt(max(rest, 0)) / b.unit; guess > 0 {
		if g := guess * (1 - 0x1p-48); holds(g) {
			low = g
		}
		if g := guess * (1 + 0x1p-48); !holds(g) {
			high = g
		}
	}
	// Positive floats are ordered as their bits are.
	l, h := math.Float64bits(low), math.Float64bits(high)
	for h-l > 1 {
		mid := l + (h-l)/2
		if holds(math.Float64frombits(mid)) {
			l = mid
		} else {
			h = mid
		}
	}
	return math.Float64frombits(l), true
}
