package gbdt

import (
	"math"
)

// candidate is the best split of a leaf found so far, in one column or in all.
type candidate struct {
	column int // -1 is none
	// gain is what the split wins over the leaf as it is, less
	// min_gain_to_split.
	gain float64
	// threshold is the last bin that goes left, of a numeric column.
	threshold   int
	defaultLeft bool
	// categories are the bins that go left, of a categorical column.
	categories []int
	left       side
	right      side
	monotone   int8
}

// side is one half of a split.
type side struct {
	sum entry
	// rows is an estimate from hessians until the rows are really divided.
	rows   int
	output float64
}

// better says whether c wins over other: by gain, ties by the lower column.
func (c *candidate) better(other *candidate) bool {
	if c.gain != other.gain {
		return c.gain > other.gain
	}
	return uint(c.column) < uint(other.column) // -1 is the largest
}

// leafSums is what a scan knows of the leaf that it divides.
type leafSums struct {
	sum    entry
	rows   int
	output float64 // the leaf's own output, to which path_smooth pulls
	// lower and upper bound the outputs below this leaf (monotone constraints).
	lower, upper float64
	depth        int
}

// scanner finds the best split of one column. It holds what all columns share.
type scanner struct {
	l1, l2, maxDelta, smooth float64
	minGain                  float64
	minRows                  int
	minHessian               float64
	catL2, catSmooth         float64
	maxOneHot, maxCategories int
	minGroupRows             int
	monotonePenalty          float64
	// monotone constraint of each column; nil is none anywhere, which spares
	// computing the outputs of every cut.
	monotone []int8
	// plain says that a leaf's gain is G^2/(H+l2): no l1, no bound on outputs.
	plain bool
}

func newScanner(p *Params, columns []column) *scanner {
	s := &scanner{
		l1: p.LambdaL1, l2: p.LambdaL2, maxDelta: p.MaxDeltaStep, smooth: p.PathSmooth,
		minGain: p.MinGainToSplit, minRows: p.MinDataInLeaf, minHessian: p.MinSumHessianInLeaf,
		catL2: p.CatL2, catSmooth: p.CatSmooth, maxOneHot: p.MaxCatToOnehot,
		maxCategories: p.MaxCatThreshold, minGroupRows: p.MinDataPerGroup,
		monotonePenalty: p.MonotonePenalty,
	}
	if len(p.MonotoneConstraints) > 0 {
		s.monotone = make([]int8, len(columns))
		for i, c := range columns {
			s.monotone[i] = int8(p.MonotoneConstraints[c.feature])
		}
	}
	s.plain = s.l1 == 0 && s.maxDelta <= 0 && !s.smoothing() && s.monotone == nil
	return s
}

func (s *scanner) smoothing() bool { return s.smooth > epsilon }

// shrunk is the soft threshold of g by l1.
func (s *scanner) shrunk(g float64) float64 {
	if s.l1 == 0 {
		return g
	}
	return math.Copysign(max(0, math.Abs(g)-s.l1), g)
}

// output is the value of a leaf with these sums: -T(G)/(H+l2), bounded by
// max_delta_step, pulled to the parent's by path_smooth, and then within the
// leaf's monotone bounds.
func (s *scanner) output(sum entry, l2 float64, rows int, leaf *leafSums) float64 {
	v := s.freeOutput(sum, l2, rows, leaf)
	if s.monotone != nil {
		if v < leaf.lower {
			v = leaf.lower
		} else if v > leaf.upper {
			v = leaf.upper
		}
	}
	return v
}

func (s *scanner) freeOutput(sum entry, l2 float64, rows int, leaf *leafSums) float64 {
	v := -s.shrunk(sum.g) / (sum.h + l2)
	if s.maxDelta > 0 && math.Abs(v) > s.maxDelta {
		v = math.Copysign(s.maxDelta, v)
	}
	if s.smoothing() {
		n := float64(rows) / s.smooth
		v = float64(v*n)/(n+1) + leaf.output/(n+1)
	}
	return v
}

// gainAt is how much a leaf of these sums lowers the loss with output v.
func (s *scanner) gainAt(sum entry, l2, v float64) float64 {
	return -(float64(2*s.shrunk(sum.g)*v) + float64((sum.h+l2)*v*v))
}

// gain is how much a leaf of these sums lowers the loss with its own output,
// before monotone bounds.
func (s *scanner) gain(sum entry, l2 float64, rows int, leaf *leafSums) float64 {
	if s.maxDelta <= 0 && !s.smoothing() {
		g := s.shrunk(sum.g)
		return float64(g*g) / (sum.h + l2)
	}
	return s.gainAt(sum, l2, s.freeOutput(sum, l2, rows, leaf))
}

// splitGain is the gain of both sides; 0 where they break the constraint.
func (s *scanner) splitGain(left, right entry, l2 float64, leftRows, rightRows int, monotone int8, leaf *leafSums) float64 {
	if s.monotone == nil {
		return s.gain(left, l2, leftRows, leaf) + s.gain(right, l2, rightRows, leaf)
	}
	lv := s.output(left, l2, leftRows, leaf)
	rv := s.output(right, l2, rightRows, leaf)
	if monotone > 0 && lv > rv || monotone < 0 && lv < rv {
		return 0
	}
	return s.gainAt(left, l2, lv) + s.gainAt(right, l2, rv)
}

// numericScan is the state of one column's search.
type numericScan struct {
	*scanner
	column   *column
	bins     []entry
	leaf     *leafSums
	sum      entry // of the leaf, its hessian with both guards added
	perH     float64
	minShift float64
	monotone int8
	found    bool
}

// findNumeric searches a numeric column's cuts into best, and says whether any
// cut wins at all. Missing values try both sides where that makes a difference:
// first left (scanning from the right), then right.
func (s *scanner) findNumeric(c *column, index int, hist []entry, leaf *leafSums, best *candidate) bool {
	scan := numericScan{scanner: s, column: c, bins: hist[c.offset : c.offset+c.numBin], leaf: leaf}
	scan.sum = entry{leaf.sum.g, leaf.sum.h + 2*epsilon}
	scan.perH = float64(leaf.rows) / scan.sum.h
	scan.minShift = s.gain(scan.sum, s.l2, leaf.rows, leaf) + s.minGain
	if s.monotone != nil {
		scan.monotone = s.monotone[index]
	}
	best.column, best.gain, best.defaultLeft = index, math.Inf(-1), true
	best.monotone = scan.monotone
	best.categories = best.categories[:0]

	if c.numBin <= 2 || c.missing == missingNone {
		scan.fromRight(best, c.numBin-1, -1)
		if c.missing == missingNaN {
			best.defaultLeft = false
		}
	} else {
		skip, last := -1, c.numBin-1
		if c.missing == missingZero {
			skip = c.defaultBin
		} else {
			last--
		}
		scan.fromRight(best, last, skip)
		scan.fromLeft(best, skip)
	}
	if scan.monotone != 0 && scan.found {
		best.gain *= s.penalty(leaf.depth)
	}
	return scan.found
}

// penalty discourages monotone splits near the root.
func (s *scanner) penalty(depth int) float64 {
	p := s.monotonePenalty
	switch {
	case p >= float64(depth)+1:
		return epsilon
	case p <= 1:
		return 1 - p/math.Exp2(float64(depth)) + epsilon
	}
	return 1 - math.Exp2(p-1-float64(depth)) + epsilon
}

// slack is by how much the quick test of a cut may be wrong and still not drop
// a winner: far above the rounding of its four products.
const slack = 1e-12

// hopeless says quickly, without a division, that the plain gain of a cut is
// below floor.
func (s *scanner) hopeless(left, right entry, floor float64) bool {
	a, b := left.h+s.l2, right.h+s.l2
	ab := a * b
	return ab > 0 && left.g*left.g*b+right.g*right.g*a < floor*(1-slack)*ab
}

// fromRight scans cuts from the last bin down; what is missing stays left.
func (n *numericScan) fromRight(best *candidate, last, skip int) {
	minRows, minHessian, perH, rows := n.minRows, n.minHessian, n.perH, n.leaf.rows
	bins, sum := n.bins, n.sum
	right := entry{0, epsilon}
	rightRows := 0
	bestGain, floor := math.Inf(-1), n.minShift
	var bestLeft entry
	var bestRows, bestThreshold int
	for bin := last; bin >= 1; bin-- {
		if bin == skip {
			continue
		}
		e := bins[bin]
		right.g += e.g
		right.h += e.h
		rightRows += int(e.h*perH + 0.5)
		if rightRows < minRows || right.h < minHessian {
			continue
		}
		leftRows := rows - rightRows
		left := entry{sum.g - right.g, sum.h - right.h}
		if leftRows < minRows || left.h < minHessian {
			break
		}
		if n.plain && n.hopeless(left, right, floor) {
			continue
		}
		gain := n.splitGain(left, right, n.l2, leftRows, rightRows, n.monotone, n.leaf)
		if gain <= n.minShift {
			continue
		}
		n.found = true
		if gain > bestGain {
			bestGain, floor = gain, gain
			bestLeft, bestRows, bestThreshold = left, leftRows, bin-1
		}
	}
	n.record(best, bestGain, bestLeft, bestRows, bestThreshold, true)
}

// fromLeft scans cuts from the first bin up; what is missing goes right.
func (n *numericScan) fromLeft(best *candidate, skip int) {
	bins, sum, rows := n.bins, n.sum, n.leaf.rows
	left := entry{0, epsilon}
	leftRows := 0
	first := 0
	if n.column.frequentBin == 0 {
		// Bin 0 is what the other bins leave over; for zero-as-missing it
		// takes no part.
		first = 1
		if n.column.missing == missingNaN {
			left = entry{sum.g, sum.h - epsilon}
			leftRows = rows
			for _, e := range bins[1:] {
				left.g -= e.g
				left.h -= e.h
				leftRows -= int(e.h*n.perH + 0.5)
			}
			first = 0
		}
	}
	preset := first == 0 && n.column.frequentBin == 0
	bestGain, floor := math.Inf(-1), n.minShift
	var bestLeft entry
	var bestRows, bestThreshold int
	for bin := first; bin <= len(bins)-2; bin++ {
		if bin == skip {
			continue
		}
		if !(preset && bin == 0) {
			e := bins[bin]
			left.g += e.g
			left.h += e.h
			leftRows += int(e.h*n.perH + 0.5)
		}
		if leftRows < n.minRows || left.h < n.minHessian {
			continue
		}
		rightRows := rows - leftRows
		right := entry{sum.g - left.g, sum.h - left.h}
		if rightRows < n.minRows || right.h < n.minHessian {
			break
		}
		if n.plain && n.hopeless(left, right, floor) {
			continue
		}
		gain := n.splitGain(left, right, n.l2, leftRows, rightRows, n.monotone, n.leaf)
		if gain <= n.minShift {
			continue
		}
		n.found = true
		if gain > bestGain {
			bestGain, floor = gain, gain
			bestLeft, bestRows, bestThreshold = left, leftRows, bin
		}
	}
	n.record(best, bestGain, bestLeft, bestRows, bestThreshold, false)
}

// record keeps the scan's best cut where it beats what best holds already.
func (n *numericScan) record(best *candidate, gain float64, left entry, leftRows, threshold int, defaultLeft bool) {
	if !n.found || !(gain > best.gain+n.minShift) {
		return
	}
	best.threshold, best.defaultLeft = threshold, defaultLeft
	n.setSides(best, left, leftRows, n.sum, n.l2, n.leaf)
	best.gain = gain - n.minShift
}

// setSides fills in both sides of a split from the left one.
func (s *scanner) setSides(best *candidate, left entry, leftRows int, sum entry, l2 float64, leaf *leafSums) {
	right := entry{sum.g - left.g, sum.h - left.h}
	rightRows := leaf.rows - leftRows
	best.left = side{
		sum: entry{left.g, left.h - epsilon}, rows: leftRows,
		output: s.output(left, l2, leftRows, leaf),
	}
	best.right = side{
		sum: entry{right.g, right.h - epsilon}, rows: rightRows,
		output: s.output(right, l2, rightRows, leaf),
	}
}
