package gbdt

import (
	"math"
)

// rank is a category's place in the order that its cuts are tried in.
type rank struct {
	ratio float64 // sum of gradients over smoothed sum of hessians
	bin   int
}

// ranking is a column's order of categories, and what sorting it needs.
type ranking struct {
	order, scratch []rank
}

// findCategorical searches the sets of a categorical column's categories that
// go left. Few categories are tried one against the rest; many are put in
// order of gradient over hessian, which makes the best two-way grouping a cut
// in that order (Fisher 1958), and tried from both ends. Bin 0, which holds
// missing and rare categories, always stays right. buffers are scratch.
func (s *scanner) findCategorical(c *column, index int, hist []entry, leaf *leafSums, best *candidate, buffers *ranking) bool {
	best.column, best.gain, best.defaultLeft = index, math.Inf(-1), false
	best.monotone = 0
	best.categories = best.categories[:0]
	scan := categoricalScan{scanner: s, bins: hist[c.offset : c.offset+c.numBin], leaf: leaf, best: best}
	scan.sum = entry{leaf.sum.g, leaf.sum.h + 2*epsilon}
	scan.perH = float64(leaf.rows) / scan.sum.h
	// What the leaf is worth unsplit carries lambda_l2 alone; cat_l2 is only
	// for the sides.
	if s.smoothing() {
		scan.minShift = s.gainAt(scan.sum, s.l2, leaf.output) + s.minGain
	} else {
		scan.minShift = s.gain(scan.sum, s.l2, leaf.rows, leaf) + s.minGain
	}
	if c.numBin <= s.maxOneHot {
		return scan.oneAgainstRest()
	}
	return scan.grouped(buffers)
}

type categoricalScan struct {
	*scanner
	bins     []entry
	leaf     *leafSums
	sum      entry
	perH     float64
	minShift float64
	best     *candidate
}

func (n *categoricalScan) oneAgainstRest() bool {
	bestGain, bestBin, bestRows := math.Inf(-1), 0, 0
	for bin := 1; bin < len(n.bins); bin++ {
		e := n.bins[bin]
		rows := int(e.h*n.perH + 0.5)
		if rows < n.minRows || e.h < n.minHessian {
			continue
		}
		otherRows := n.leaf.rows - rows
		other := entry{n.sum.g - e.g, n.sum.h - e.h - epsilon}
		if otherRows < n.minRows || other.h < n.minHessian {
			continue
		}
		gain := n.splitGain(other, entry{e.g, e.h + epsilon}, n.l2, otherRows, rows, 0, n.leaf)
		if gain > n.minShift && gain > bestGain {
			bestGain, bestBin, bestRows = gain, bin, rows
		}
	}
	if math.IsInf(bestGain, -1) {
		return false
	}
	n.best.categories = append(n.best.categories, bestBin)
	left := n.bins[bestBin]
	left.h += epsilon
	n.setSides(n.best, left, bestRows, n.sum, n.l2, n.leaf)
	n.best.gain = bestGain - n.minShift
	return true
}

func (n *categoricalScan) grouped(buffers *ranking) bool {
	if buffers.order == nil {
		*buffers = ranking{make([]rank, len(n.bins)), make([]rank, len(n.bins))}
	}
	order := buffers.order[:0]
	for bin := 1; bin < len(n.bins); bin++ {
		e := n.bins[bin]
		if math.Trunc(e.h*n.perH+0.5) >= n.catSmooth {
			order = append(order, rank{e.g / (e.h + n.catSmooth), bin})
		}
	}
	sortRanks(order, buffers.scratch)
	l2 := n.l2 + n.catL2
	most := min(n.maxCategories, (len(order)+1)/2)
	bestGain, bestCount, bestRows, bestFromEnd := math.Inf(-1), 0, 0, false
	var bestLeft entry
	for _, fromEnd := range []bool{false, true} {
		left := entry{0, epsilon}
		leftRows, groupRows := 0, 0
		for i := range most {
			at := i
			if fromEnd {
				at = len(order) - 1 - i
			}
			e := n.bins[order[at].bin]
			rows := int(e.h*n.perH + 0.5)
			left.g += e.g
			left.h += e.h
			leftRows += rows
			groupRows += rows
			if leftRows < n.minRows || left.h < n.minHessian {
				continue
			}
			rightRows := n.leaf.rows - leftRows
			if rightRows < n.minRows || rightRows < n.minGroupRows {
				break
			}
			right := entry{n.sum.g - left.g, n.sum.h - left.h}
			if right.h < n.minHessian {
				break
			}
			if groupRows < n.minGroupRows {
				continue
			}
			groupRows = 0
			gain := n.splitGain(left, right, l2, leftRows, rightRows, 0, n.leaf)
			if gain > n.minShift && gain > bestGain {
				bestGain, bestCount, bestRows, bestFromEnd, bestLeft = gain, i+1, leftRows, fromEnd, left
			}
		}
	}
	if bestCount == 0 {
		return false
	}
	for i := range bestCount {
		at := i
		if bestFromEnd {
			at = len(order) - 1 - i
		}
		n.best.categories = append(n.best.categories, order[at].bin)
	}
	n.setSides(n.best, bestLeft, bestRows, n.sum, l2, n.leaf)
	n.best.gain = bestGain - n.minShift
	return true
}
