package gbdt

import (
	"math"
)

// forest is a model's trees laid out for speed. All nodes stand in one array;
// leaves are nodes that lead to themselves, so that several rows (or several
// trees) can be walked in step without asking which have arrived. A step has no
// branch that depends on data:
//
//   - A number is compared with <=. What is missing has been replaced before by
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

// flatNode is a node of a forest.
type flatNode struct {
	bound       float64
	lane        uint32
	slot        uint32
	set         uint32 // where its bits start
	left, right int32
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
	splits := len(t.SplitFeature)
	at := func(child int) int32 {
		if child >= 0 {
			return root + int32(child)
		}
		return root + int32(splits+^child)
	}
	for node := range splits {
		n := flatNode{left: at(t.Left[node]), right: at(t.Right[node])}
		if t.DecisionType[node]&decisionCategorical != 0 {
			flat.categorical = true
			n.slot = b.slotOf[t.SplitFeature[node]]
			n.set = uint32(len(b.bits))
			n.bound = math.Inf(-1)
			k := int(t.Threshold[node])
			set := t.CategoryBits[t.CategoryStart[k]:t.CategoryStart[k+1]]
			b.bits = append(b.bits, set...)
			// One word more, always empty, is where every category that no set
			// knows points.
			for range int(b.slots[n.slot].words) + 1 - len(set) {
				b.bits = append(b.bits, 0)
			}
		} else {
			n.lane, n.bound = b.numeric(t, node)
		}
		b.nodes = append(b.nodes, n)
		b.values = append(b.values, 0)
	}
	for leaf, v := range t.LeafValue {
		self := root + int32(splits+leaf)
		b.nodes = append(b.nodes, flatNode{left: self, right: self})
		b.values = append(b.values, v)
	}
	b.trees = append(b.trees, flat)
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
			var leaves [inStep]int32
			if tree.categorical {
				leaves = f.walkMixed(tree.root, tree.root, tree.root, tree.root,
					p.lanes[r*lanes:][:lanes], p.lanes[r1*lanes:][:lanes], p.lanes[r2*lanes:][:lanes], p.lanes[r3*lanes:][:lanes],
					p.slots[r*slots:][:slots], p.slots[r1*slots:][:slots], p.slots[r2*slots:][:slots], p.slots[r3*slots:][:slots])
			} else {
				leaves = f.walkNumeric(tree.root, tree.root, tree.root, tree.root,
					p.lanes[r*lanes:][:lanes], p.lanes[r1*lanes:][:lanes], p.lanes[r2*lanes:][:lanes], p.lanes[r3*lanes:][:lanes])
			}
			for i := range min(inStep, n-r) {
				p.scores[(r+i)*f.classes+class] += f.values[leaves[i]]
			}
		}
	}
}

// walkNumeric walks four rows from four nodes to their leaves, through trees
// without categorical nodes.
func (f *forest) walkNumeric(a, b, c, d int32, ra, rb, rc, rd []float64) [inStep]int32 {
	nodes := f.nodes
	for {
		na, nb, nc, nd := &nodes[a], &nodes[b], &nodes[c], &nodes[d]
		a2, b2, c2, d2 := na.right, nb.right, nc.right, nd.right
		if ra[na.lane] <= na.bound {
			a2 = na.left
		}
		if rb[nb.lane] <= nb.bound {
			b2 = nb.left
		}
		if rc[nc.lane] <= nc.bound {
			c2 = nc.left
		}
		if rd[nd.lane] <= nd.bound {
			d2 = nd.left
		}
		if (a2^a)|(b2^b)|(c2^c)|(d2^d) == 0 {
			return [inStep]int32{a, b, c, d}
		}
		a, b, c, d = a2, b2, c2, d2
	}
}

// walkMixed does what walkNumeric does, through trees with categorical nodes.
func (f *forest) walkMixed(a, b, c, d int32, ra, rb, rc, rd []float64, sa, sb, sc, sd []uint32) [inStep]int32 {
	nodes, bits := f.nodes, f.bits
	for {
		na, nb, nc, nd := &nodes[a], &nodes[b], &nodes[c], &nodes[d]
		a2 := step(na, ra, sa, bits)
		b2 := step(nb, rb, sb, bits)
		c2 := step(nc, rc, sc, bits)
		d2 := step(nd, rd, sd, bits)
		if (a2^a)|(b2^b)|(c2^c)|(d2^d) == 0 {
			return [inStep]int32{a, b, c, d}
		}
		a, b, c, d = a2, b2, c2, d2
	}
}

// step is the child of a node, by number or by category.
func step(n *flatNode, lanes []float64, slots []uint32, bits []uint32) int32 {
	next := n.right
	if lanes[n.lane] <= n.bound {
		next = n.left
	}
	code := slots[n.slot]
	if bits[n.set+code>>5]>>(code&31)&1 != 0 {
		next = n.left
	}
	return next
}

// scoreRow adds the forest's outputs for one prepared row to score, by class.
// Four trees are walked at once.
func (f *forest) scoreRow(p *prepared, row []float64, score []float64) {
	lanes, slots := p.lanes, p.slots
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
		var leaves [inStep]int32
		switch {
		case slow:
			for i := t; i < min(t+inStep, n); i++ {
				score[i%f.classes] += f.oneTree(i, p, row)
			}
			continue
		case mixed:
			leaves = f.walkMixed(roots[0], roots[1], roots[2], roots[3], lanes, lanes, lanes, lanes, slots, slots, slots, slots)
		default:
			leaves = f.walkNumeric(roots[0], roots[1], roots[2], roots[3], lanes, lanes, lanes, lanes)
		}
		for i := range min(inStep, n-t) {
			score[(t+i)%f.classes] += f.values[leaves[i]]
		}
	}
}

// oneTree is a tree's output for one row.
func (f *forest) oneTree(t int, p *prepared, row []float64) float64 {
	tree := &f.trees[t]
	if tree.slow != nil {
		return tree.slow.value(row)
	}
	root := tree.root
	leaves := f.walkMixed(root, root, root, root, p.lanes, p.lanes, p.lanes, p.lanes, p.slots, p.slots, p.slots, p.slots)
	return f.values[leaves[0]]
}
