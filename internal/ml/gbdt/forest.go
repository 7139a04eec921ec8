package gbdt

import (
	"math"
)

// forest is a model's trees laid out for speed. All nodes stand in one array;
// leaves are nodes that lead to themselves, so that several rows (or several
// trees) can be walked in step without asking which have arrived. A step has no
// branch that depends on data:
//
//   - A number above the node's bound goes right. What is missing has been replaced before by
//     -Inf or +Inf, in a lane of the feature for each rule of missing values
//     that some node follows.
//   - A category is a bit in the node's set. Numeric nodes own an empty set and
//     categorical nodes a bound that nothing is below, so that a step may do
//     both and take either answer.
type forest struct {
	classes int
	lanes   []lane
	slots   []slot
	nodes   []flatNode
	values  []float64 // by node, of leaves
	bits    []uint32
	trees   []flatTree
}

// flatNode is a node of a forest. Its right child stands after its left one; a
// leaf is its own left child.
type flatNode struct {
	bound float64
	lane  uint32
	slot  uint32
	set   uint32 // where its bits start
	left  int32
}

// flatTree is a tree of a forest.
type flatTree struct {
	root        int32
	categorical bool
	slow        *Tree // walked as it is, where leaves hold models or sets are huge
}

// fillRule is what a lane puts in place of missing values.
type fillRule uint8

const (
	nanLow  fillRule = iota // NaN -> -Inf, goes left
	nanHigh                 // NaN -> +Inf, goes right
	zeroLow                 // NaN and zero -> -Inf
	zeroHigh
)

// lane is a feature under a rule of missing values.
type lane struct {
	feature int
	rule    fillRule
}

// slot is a categorical feature; words is the size of its nodes' sets.
type slot struct {
	feature int
	words   uint32
}

// inStep is how many walks are taken at once.
const inStep = 4

// blockRows is how many rows are prepared together: their lanes stay in the
// first-level cache while every tree passes over them.
const blockRows = 64

func newForest(trees []*Tree, classes int) *forest {
	f := &forest{classes: classes}
	// Slot 0 and the bits of word 0 are of numeric nodes: category 0, no bit.
	f.slots = append(f.slots, slot{feature: -1, words: 1})
	f.bits = append(f.bits, 0)
	// Lane 0 is a constant 0, for leaves, so that they need no feature.
	f.lanes = append(f.lanes, lane{feature: -1})
	b := forestBuilder{forest: f, laneOf: map[lane]uint32{}, slotOf: map[int]uint32{}}
	nodes := make(map[int]uint32)
	for _, t := range trees {
		b.measure(t, nodes)
	}
	padded := uint64(0)
	for feature, at := range b.slotOf {
		padded += uint64(nodes[feature]) * uint64(b.slots[at].words+1)
	}
	b.oversized = padded > mostSetWords
	for _, t := range trees {
		b.add(t)
	}
	return f
}

// mostSetWords bounds the padding of sets of categories, so that one huge set
// does not make all others huge.
const mostSetWords = 1 << 24

type forestBuilder struct {
	*forest
	laneOf map[lane]uint32
	slotOf map[int]uint32
	// oversized says that sets are not laid out at all.
	oversized bool
}

// measure finds the longest set of each feature, to which all its sets are
// padded, and counts the feature's categorical nodes.
func (b *forestBuilder) measure(t *Tree, nodes map[int]uint32) {
	if t.Linear != nil {
		return
	}
	for node, feature := range t.SplitFeature {
		if t.DecisionType[node]&decisionCategorical == 0 {
			continue
		}
		at, ok := b.slotOf[feature]
		if !ok {
			at = uint32(len(b.slots))
			b.slotOf[feature] = at
			b.slots = append(b.slots, slot{feature: feature})
		}
		nodes[feature]++
		k := int(t.Threshold[node])
		b.slots[at].words = max(b.slots[at].words, uint32(t.CategoryStart[k+1]-t.CategoryStart[k]))
	}
}

func (b *forestBuilder) add(t *Tree) {
	root := int32(len(b.nodes))
	flat := flatTree{root: root}
	if t.Linear != nil || b.oversized && len(t.CategoryStart) > 0 {
		flat.slow = t
		b.trees = append(b.trees, flat)
		return
	}
	b.grow(1)
	type place struct {
		child int // of t
		at    int32
	}
	first := place{0, root}
	if len(t.Left) == 0 {
		first.child = ^0
	}
	for stack := []place{first}; len(stack) > 0; {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if p.child < 0 {
			b.nodes[p.at].left = p.at
			b.values[p.at] = t.LeafValue[^p.child]
			continue
		}
		n := flatNode{left: int32(len(b.nodes))}
		if t.DecisionType[p.child]&decisionCategorical != 0 {
			flat.categorical = true
			b.categories(&n, t, p.child)
		} else {
			n.lane, n.bound = b.numeric(t, p.child)
		}
		b.nodes[p.at] = n
		b.grow(2)
		stack = append(stack, place{t.Right[p.child], n.left + 1}, place{t.Left[p.child], n.left})
	}
	b.trees = append(b.trees, flat)
}

// grow makes room for n more nodes.
func (b *forestBuilder) grow(n int) {
	b.nodes = append(b.nodes, make([]flatNode, n)...)
	b.values = append(b.values, make([]float64, n)...)
}

// categories lays out the set of a categorical node.
func (b *forestBuilder) categories(n *flatNode, t *Tree, node int) {
	n.slot = b.slotOf[t.SplitFeature[node]]
	n.set = uint32(len(b.bits))
	n.bound = math.Inf(-1)
	k := int(t.Threshold[node])
	set := t.CategoryBits[t.CategoryStart[k]:t.CategoryStart[k+1]]
	b.bits = append(b.bits, set...)
	// One word more, always empty, is where every category that no set knows
	// points.
	b.bits = append(b.bits, make([]uint32, int(b.slots[n.slot].words)+1-len(set))...)
}

// numeric returns the lane and the bound of a numeric node.
func (b *forestBuilder) numeric(t *Tree, node int) (uint32, float64) {
	bound := t.Threshold[node]
	left := t.DecisionType[node]&decisionDefaultLeft != 0
	l := lane{feature: t.SplitFeature[node]}
	switch missingType(t.DecisionType[node] >> decisionMissing & 3) {
	case missingZero:
		l.rule = zeroHigh
		if left {
			l.rule = zeroLow
		}
	case missingNaN:
		l.rule = nanHigh
		if left {
			l.rule = nanLow
		}
	default:
		// NaN counts as 0 and goes where 0 goes.
		l.rule = nanHigh
		if 0 <= bound {
			l.rule = nanLow
		}
	}
	at, ok := b.laneOf[l]
	if !ok {
		at = uint32(len(b.lanes))
		b.laneOf[l] = at
		b.lanes = append(b.lanes, l)
	}
	// "Everything that is there goes left, what is missing right": infinite
	// values are cut to the largest number in lanes, so that +Inf is left for
	// what is missing.
	return at, min(bound, math.MaxFloat64)
}

// prepared is a block of rows as a forest's nodes read them.
type prepared struct {
	lanes  []float64 // row-major
	slots  []uint32
	scores []float64 // row-major, by class
}

func (f *forest) newPrepared(rows int) *prepared {
	return &prepared{
		lanes:  make([]float64, rows*len(f.lanes)),
		slots:  make([]uint32, rows*len(f.slots)),
		scores: make([]float64, rows*f.classes),
	}
}

func (l lane) fill(v float64) float64 {
	if l.rule >= zeroLow && math.Abs(v) <= zeroThreshold {
		v = math.NaN()
	}
	switch {
	case v != v && (l.rule == nanLow || l.rule == zeroLow):
		return math.Inf(-1)
	case v != v:
		return math.Inf(1)
	}
	return min(v, math.MaxFloat64)
}

// fill is the place of the category v among a slot's bits.
func (s slot) fill(v float64) uint32 {
	return min(uint32(category(v)), s.words*32)
}

// prepareColumns fills in rows from..from+n of columns.
func (f *forest) prepareColumns(p *prepared, columns [][]float64, from, n int) {
	for i := 1; i < len(f.lanes); i++ {
		l := f.lanes[i]
		for r, v := range columns[l.feature][from : from+n] {
			p.lanes[r*len(f.lanes)+i] = l.fill(v)
		}
	}
	for i := 1; i < len(f.slots); i++ {
		s := f.slots[i]
		for r, v := range columns[s.feature][from : from+n] {
			p.slots[r*len(f.slots)+i] = s.fill(v)
		}
	}
}

// prepareRow fills in one row.
func (f *forest) prepareRow(p *prepared, row []float64) {
	for i := 1; i < len(f.lanes); i++ {
		p.lanes[i] = f.lanes[i].fill(row[f.lanes[i].feature])
	}
	for i := 1; i < len(f.slots); i++ {
		p.slots[i] = f.slots[i].fill(row[f.slots[i].feature])
	}
}

// addBatch adds the forest's outputs for rows of columns to score, by class and
// row.
func (f *forest) addBatch(columns [][]float64, rows int, w workers, score [][]float64) {
	w.ranges(rows, func(from, to int) {
		p := f.newPrepared(blockRows)
		for ; from < to; from += blockRows {
			n := min(blockRows, to-from)
			f.prepareColumns(p, columns, from, n)
			for k := range score {
				for r := range n {
					p.scores[r*f.classes+k] = score[k][from+r]
				}
			}
			f.walkBlock(p, n, columns, from)
			for k := range score {
				for r := range n {
					score[k][from+r] = p.scores[r*f.classes+k]
				}
			}
		}
	})
}

// walkBlock adds every tree's output to the scores of n prepared rows.
func (f *forest) walkBlock(p *prepared, n int, columns [][]float64, from int) {
	lanes, slots := len(f.lanes), len(f.slots)
	for t := range f.trees {
		tree := &f.trees[t]
		class := t % f.classes
		if tree.slow != nil {
			row := make([]float64, len(columns))
			for r := range n {
				for i := range columns {
					row[i] = columns[i][from+r]
				}
				p.scores[r*f.classes+class] += tree.slow.value(row)
			}
			continue
		}
		for r := 0; r < n; r += inStep {
			// The last step of a block may walk some row more than once.
			r1, r2, r3 := min(r+1, n-1), min(r+2, n-1), min(r+3, n-1)
			at := [inStep]int32{tree.root, tree.root, tree.root, tree.root}
			if tree.categorical {
				f.walkMixed(&at, p.lanes, p.slots, r*lanes, r1*lanes, r2*lanes, r3*lanes, r*slots, r1*slots, r2*slots, r3*slots)
			} else {
				f.walkNumeric(&at, p.lanes, r*lanes, r1*lanes, r2*lanes, r3*lanes)
			}
			for i := range min(inStep, n-r) {
				p.scores[(r+i)*f.classes+class] += f.values[at[i]]
			}
		}
	}
}

// walkNumeric walks from four nodes to their leaves, for rows whose lanes start
// at ra to rd, through trees without categorical nodes.
func (f *forest) walkNumeric(at *[inStep]int32, lanes []float64, ra, rb, rc, rd int) {
	nodes := f.nodes
	a, b, c, d := at[0], at[1], at[2], at[3]
	for {
		na, nb, nc, nd := &nodes[a], &nodes[b], &nodes[c], &nodes[d]
		a2, b2 := na.left, nb.left
		c2, d2 := nc.left, nd.left
		a2 += above(lanes[ra+int(na.lane)], na.bound)
		b2 += above(lanes[rb+int(nb.lane)], nb.bound)
		c2 += above(lanes[rc+int(nc.lane)], nc.bound)
		d2 += above(lanes[rd+int(nd.lane)], nd.bound)
		if (a2^a)|(b2^b)|(c2^c)|(d2^d) == 0 {
			at[0], at[1], at[2], at[3] = a, b, c, d
			return
		}
		a, b, c, d = a2, b2, c2, d2
	}
}

// above is 1 where v is above bound: the step to the right child.
func above(v, bound float64) int32 {
	var right int32
	if v > bound {
		right = 1
	}
	return right
}

// walkMixed does what walkNumeric does, through trees with categorical nodes;
// the rows' categories start at sa to sd.
func (f *forest) walkMixed(at *[inStep]int32, lanes []float64, slots []uint32, ra, rb, rc, rd, sa, sb, sc, sd int) {
	nodes, bits := f.nodes, f.bits
	a, b, c, d := at[0], at[1], at[2], at[3]
	for {
		na, nb := &nodes[a], &nodes[b]
		a2 := na.left + above(lanes[ra+int(na.lane)], na.bound)&outside(bits, na.set, slots[sa+int(na.slot)])
		b2 := nb.left + above(lanes[rb+int(nb.lane)], nb.bound)&outside(bits, nb.set, slots[sb+int(nb.slot)])
		nc, nd := &nodes[c], &nodes[d]
		c2 := nc.left + above(lanes[rc+int(nc.lane)], nc.bound)&outside(bits, nc.set, slots[sc+int(nc.slot)])
		d2 := nd.left + above(lanes[rd+int(nd.lane)], nd.bound)&outside(bits, nd.set, slots[sd+int(nd.slot)])
		if (a2^a)|(b2^b)|(c2^c)|(d2^d) == 0 {
			at[0], at[1], at[2], at[3] = a, b, c, d
			return
		}
		a, b, c, d = a2, b2, c2, d2
	}
}

// outside is 1 where the category code is not in the set of bits.
func outside(bits []uint32, set, code uint32) int32 {
	return int32(^bits[set+code>>5]>>(code&31)) & 1
}

// scoreRow adds the forest's outputs for one prepared row to score, by class.
// Four trees are walked at once.
func (f *forest) scoreRow(p *prepared, row []float64, score []float64) {
	n := len(f.trees)
	for t := 0; t < n; t += inStep {
		var roots [inStep]int32
		slow, mixed := false, false
		for i := range inStep {
			tree := &f.trees[min(t+i, n-1)]
			roots[i] = tree.root
			slow = slow || tree.slow != nil
			mixed = mixed || tree.categorical
		}
		switch {
		case slow:
			for i := t; i < min(t+inStep, n); i++ {
				score[i%f.classes] += f.oneTree(i, p, row)
			}
			continue
		case mixed:
			f.walkMixed(&roots, p.lanes, p.slots, 0, 0, 0, 0, 0, 0, 0, 0)
		default:
			f.walkNumeric(&roots, p.lanes, 0, 0, 0, 0)
		}
		for i := range min(inStep, n-t) {
			score[(t+i)%f.classes] += f.values[roots[i]]
		}
	}
}

// oneTree is a tree's output for one row.
func (f *forest) oneTree(t int, p *prepared, row []float64) float64 {
	tree := &f.trees[t]
	if tree.slow != nil {
		return tree.slow.value(row)
	}
	at := [inStep]int32{tree.root, tree.root, tree.root, tree.root}
	f.walkMixed(&at, p.lanes, p.slots, 0, 0, 0, 0, 0, 0, 0, 0)
	return f.values[at[0]]
}
