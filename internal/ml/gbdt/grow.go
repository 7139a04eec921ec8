package gbdt

import (
	"context"
	"math"
)

// grower grows one tree at a time over the same binned rows. It keeps its
// buffers between trees.
type grower struct {
	data *binned
	p    *Params
	scan *scanner
	workers

	random lcg // draws features
	// usedByTree says which columns the tree may split on, and usedColumns is
	// the same as a list.
	usedByTree  []bool
	usedColumns []int

	// order holds the row numbers, the rows of a leaf next to each other.
	order, scratch []int32
	ordered        []derivative
	leaves         []leafState
	// found holds the best split per column of the smaller and larger leaf.
	found   [2][]candidate
	ranks   []ranking // by column
	goes    []uint8
	splits  []candidate // by node, for rows outside the bag
	blocks  []int
	parents []int // node above each leaf
}

// leafState is a leaf that may still be split.
type leafState struct {
	leafSums
	first int // of order
	hist  []entry
	// splittable says, by column, whether any cut of it won; where none did,
	// none is looked for further down.
	splittable []bool
	best       candidate
}

func newGrower(data *binned, p *Params, w workers) *grower {
	n := len(data.columns)
	g := &grower{
		data: data, p: p, scan: newScanner(p, data.columns), workers: w,
		random:     lcg(uint32(p.FeatureFractionSeed)),
		usedByTree: make([]bool, n),
		order:      make([]int32, data.rows), scratch: make([]int32, data.rows),
		ordered: make([]derivative, data.rows),
		ranks:   make([]ranking, n),
	}
	for i := range g.found {
		g.found[i] = make([]candidate, n)
	}
	// The reference draws once when it is set up, before the first tree.
	g.drawFeatures()
	return g
}

// drawCount is how many of n a fraction is: rounded, and at least one.
func drawCount(n int, fraction float64) int {
	return max(int(float64(n)*fraction+0.5), min(1, n))
}

// drawFeatures chooses the columns of the next tree.
func (g *grower) drawFeatures() {
	n := len(g.data.columns)
	if g.p.FeatureFraction >= 1 {
		if g.usedColumns == nil {
			for i := range n {
				g.usedColumns = append(g.usedColumns, i)
				g.usedByTree[i] = true
			}
		}
		return
	}
	clear(g.usedByTree)
	g.usedColumns = g.random.sample(n, drawCount(n, g.p.FeatureFraction))
	for _, i := range g.usedColumns {
		g.usedByTree[i] = true
	}
}

// drawNode chooses the columns of one node; nil is all.
func (g *grower) drawNode() []bool {
	if g.p.FeatureFractionByNode >= 1 {
		return nil
	}
	allowed := make([]bool, len(g.data.columns))
	for _, i := range g.random.sample(len(g.usedColumns), drawCount(len(g.usedColumns), g.p.FeatureFractionByNode)) {
		allowed[g.usedColumns[i]] = true
	}
	return allowed
}

// grow builds a tree on the rows of bag (nil is all rows) from the rows'
// derivatives. The tree is nil where no split wins.
func (g *grower) grow(ctx context.Context, derivatives []derivative, bag []int32) (*Tree, error) {
	g.drawFeatures()
	rows := g.begin(bag)
	root := &g.leaves[0]
	root.sum = sumOf(derivatives, bag)
	root.lower, root.upper = math.Inf(-1), math.Inf(1)
	// The root is not smoothed: its own output stands for its parent's.
	free := *g.scan
	free.smooth, free.monotone = 0, nil
	root.output = free.output(root.sum, g.p.LambdaL2, rows, &root.leafSums)
	tree := &Tree{
		LeafValue: []float64{root.output}, LeafWeight: []float64{0}, LeafCount: []int{rows}, Shrinkage: 1,
	}
	left, right := 0, -1
	for len(g.leaves) < g.p.NumLeaves {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if g.worthSearching(left, right) {
			g.search(left, right, derivatives)
		} else {
			g.leaves[left].best.gain = math.Inf(-1)
			if right >= 0 {
				g.leaves[right].best.gain = math.Inf(-1)
			}
		}
		if left, right = g.splitBest(tree); right < 0 {
			break
		}
	}
	if tree.Leaves() == 1 {
		return nil, nil
	}
	return tree, nil
}

// begin resets the grower to one leaf of all rows, and returns their number.
func (g *grower) begin(bag []int32) int {
	rows := g.data.rows
	if bag == nil {
		for i := range g.order {
			g.order[i] = int32(i)
		}
	} else {
		rows = copy(g.order, bag)
	}
	g.splits = g.splits[:0]
	g.parents = append(g.parents[:0], -1)
	for i := range g.leaves {
		g.leaves[i].best.column = -1
	}
	g.leaves = g.leaves[:0]
	g.addLeaf()
	g.leaves[0].rows = rows
	return rows
}

// addLeaf takes the next leaf, with the buffers it had in the tree before.
func (g *grower) addLeaf() *leafState {
	n := len(g.leaves)
	if n < cap(g.leaves) {
		g.leaves = g.leaves[:n+1]
	} else {
		g.leaves = append(g.leaves, leafState{})
	}
	leaf := &g.leaves[n]
	leaf.leafSums, leaf.first = leafSums{}, 0
	leaf.best.column, leaf.best.gain = -1, math.Inf(-1)
	return leaf
}

func sumOf(derivatives []derivative, rows []int32) entry {
	var sum entry
	if rows == nil {
		for _, d := range derivatives {
			sum.g += float64(d.g)
			sum.h += float64(d.h)
		}
		return sum
	}
	for _, row := range rows {
		sum.g += float64(derivatives[row].g)
		sum.h += float64(derivatives[row].h)
	}
	return sum
}

// worthSearching says whether either of two fresh leaves can be split at all.
func (g *grower) worthSearching(left, right int) bool {
	if g.p.MaxDepth > 0 && g.leaves[left].depth >= g.p.MaxDepth {
		return false
	}
	rows := g.leaves[left].rows
	if right >= 0 {
		rows = max(rows, g.leaves[right].rows)
	}
	return rows >= 2*g.p.MinDataInLeaf
}

// search finds the best split of one or two fresh leaves. Only the smaller
// one's histograms are built from rows; the other's are what the parent, whose
// histograms the left leaf holds, has more.
func (g *grower) search(left, right int, derivatives []derivative) {
	small, large := &g.leaves[left], (*leafState)(nil)
	if right >= 0 {
		large = &g.leaves[right]
		if small.rows < large.rows {
			// The large leaf takes over the parent's histograms.
			small.hist, large.hist = large.hist, small.hist
			small.splittable, large.splittable = large.splittable, small.splittable
		} else {
			small, large = large, small
		}
	}
	if small.hist == nil {
		small.hist = g.data.newHistogram()
		small.splittable = make([]bool, len(g.data.columns))
	}
	ordered := derivatives
	var rows []int32
	if small.rows < g.data.rows {
		rows = g.order[small.first : small.first+small.rows]
		ordered = g.ordered[:small.rows]
		g.ranges(len(rows), func(from, to int) {
			for i := from; i < to; i++ {
				ordered[i] = derivatives[rows[i]]
			}
		})
	}
	smallAllowed := g.drawNode()
	var largeAllowed []bool
	if large != nil {
		largeAllowed = g.drawNode()
	}
	g.each(len(g.data.groups), func(i int) {
		g.searchGroup(&g.data.groups[i], small, large, rows, ordered)
	})
	g.choose(small, g.found[0], smallAllowed)
	if large != nil {
		g.choose(large, g.found[1], largeAllowed)
	}
}

// searchGroup builds the histograms of a group's columns and finds the best
// split of each.
func (g *grower) searchGroup(group *group, small, large *leafState, rows []int32, ordered []derivative) {
	wanted := 0
	for i := group.first; i < group.first+group.n; i++ {
		for side := range g.found {
			g.found[side][i].column = -1
		}
		if g.wanted(i, large) {
			wanted++
		}
	}
	switch {
	case wanted == 0:
	case 2*wanted > group.n:
		g.data.fill(group, small.hist, rows, ordered)
	default:
		for i := group.first; i < group.first+group.n; i++ {
			if g.wanted(i, large) {
				c := &g.data.columns[i]
				clear(small.hist[c.offset : c.offset+c.numBin])
				g.data.fillColumn(c, small.hist, rows, ordered)
			}
		}
	}
	for i := group.first; i < group.first+group.n; i++ {
		if !g.wanted(i, large) {
			small.splittable[i] = false
			continue
		}
		c := &g.data.columns[i]
		c.completeFrequent(small.hist[:], small.sum)
		small.splittable[i] = g.find(i, small, &g.found[0][i])
		if large != nil {
			c.subtract(large.hist, small.hist)
			large.splittable[i] = g.find(i, large, &g.found[1][i])
		}
	}
}

// wanted says whether a column is to be searched: chosen for the tree, and
// splittable in the parent, whose flags the large leaf holds.
func (g *grower) wanted(column int, large *leafState) bool {
	return g.usedByTree[column] && (large == nil || large.splittable[column])
}

func (g *grower) find(i int, leaf *leafState, best *candidate) bool {
	c := &g.data.columns[i]
	if c.categorical {
		return g.scan.findCategorical(c, i, leaf.hist, &leaf.leafSums, best, &g.ranks[i])
	}
	return g.scan.findNumeric(c, i, leaf.hist, &leaf.leafSums, best)
}

// choose keeps the best of the columns' splits as the leaf's.
func (g *grower) choose(leaf *leafState, found []candidate, allowed []bool) {
	best := -1
	for i := range found {
		if found[i].column < 0 || allowed != nil && !allowed[i] {
			continue
		}
		if best < 0 || found[i].better(&found[best]) {
			best = i
		}
	}
	if best < 0 {
		leaf.best.column, leaf.best.gain = -1, math.Inf(-1)
		return
	}
	categories := append(leaf.best.categories[:0], found[best].categories...)
	leaf.best = found[best]
	leaf.best.categories = categories
}

func (g *grower) bestLeaf() int {
	best := 0
	for i := range g.leaves {
		if g.leaves[i].best.better(&g.leaves[best].best) {
			best = i
		}
	}
	return best
}

// splitBest splits the leaf that gains most, and returns the numbers of its two
// halves; right is -1 where none gains anything.
func (g *grower) splitBest(tree *Tree) (left, right int) {
	for {
		leaf := g.bestLeaf()
		if !(g.leaves[leaf].best.gain > 0) {
			return leaf, -1
		}
		if right := g.split(tree, leaf); right >= 0 {
			return leaf, right
		}
	}
}

// split carries out a leaf's best split in the rows and in the tree, and
// returns the number of the new, right leaf. Numbers of rows are estimates
// until now: where all rows turn out to be on one side, the leaf stays whole,
// and the result is -1.
func (g *grower) split(tree *Tree, number int) int {
	right := len(g.leaves)
	g.addLeaf()
	leaf, added := &g.leaves[number], &g.leaves[right]
	best := &leaf.best
	c := &g.data.columns[best.column]
	leftRows := g.partition(leaf.first, leaf.rows, c, best)
	if leftRows == 0 || leftRows == leaf.rows {
		best.column, best.gain = -1, math.Inf(-1)
		g.leaves = g.leaves[:right]
		return -1
	}
	best.left.rows, best.right.rows = leftRows, leaf.rows-leftRows

	node := tree.split(number, g.parents[number], c.feature, best.gain+g.p.MinGainToSplit, &best.left, &best.right)
	g.parents[number] = node
	g.parents = append(g.parents, node)
	decision := uint8(c.missing) << decisionMissing
	if c.categorical {
		codes := make([]int32, len(best.categories))
		for i, bin := range best.categories {
			codes[i] = c.categories[bin]
		}
		tree.Threshold = append(tree.Threshold, float64(tree.addSet(codes)))
		decision |= decisionCategorical
	} else {
		tree.Threshold = append(tree.Threshold, c.bounds[best.threshold])
		if best.defaultLeft {
			decision |= decisionDefaultLeft
		}
	}
	tree.DecisionType = append(tree.DecisionType, decision)

	added.first, added.rows = leaf.first+leftRows, best.right.rows
	leaf.rows = leftRows
	leaf.depth++
	added.depth = leaf.depth
	leaf.sum, added.sum = best.left.sum, best.right.sum
	leaf.output, added.output = best.left.output, best.right.output
	added.lower, added.upper = leaf.lower, leaf.upper
	if !c.categorical && best.monotone != 0 {
		middle := (best.left.output + best.right.output) / 2
		if best.monotone > 0 {
			leaf.upper, added.lower = min(leaf.upper, middle), max(added.lower, middle)
		} else {
			leaf.lower, added.upper = max(leaf.lower, middle), min(added.upper, middle)
		}
	}
	kept := *best
	kept.categories = append([]int(nil), best.categories...)
	g.splits = append(g.splits, kept)
	best.column, best.gain = -1, math.Inf(-1)
	return right
}
