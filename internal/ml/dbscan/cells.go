package dbscan

import "slices"

// cells is what the grid and the tree share: distinct points in cells whose
// points are all neighbours of each other (Gunawan, "A faster algorithm for
// DBSCAN", 2013; Gan and Tao, "DBSCAN Revisited", SIGMOD 2015). Then
//
//   - a cell whose weight reaches min_samples has core points only;
//   - all core points of a cell are in one cluster, so union-find runs over
//     cells, and two cells that are joined already need no distance;
//   - two cells are joined by the first core pair found within eps.
//
// Crowded cells carry a k-d tree, so that no pair of cells costs the product
// of their sizes.
type cells struct {
	*tree
	ball ball
	need int64

	start  []int32   // first position of each cell, and the end
	bounds []float64 // 2*dims values per cell
	mass   []int64   // weight of each cell
	crowd  []int32   // root of each crowded cell's tree, -1 elsewhere
	cellOf []int32   // by distinct point
	// pairs visits, once, every two cells that may hold points within eps.
	pairs func(t *tracker, visit func(a, b int32))

	core   []bool  // by position
	cores  []int32 // core points of each cell
	joined *forest // over cells
	// open are the pairs that counting leaves to be looked at again, nil where
	// they became too many to keep.
	open []cellPair
}

type cellPair struct{ a, b int32 }

// openPairsPerPoint bounds the memory that open takes; past it, the later
// steps go through all pairs again.
const openPairsPerPoint = 16

func (c *cells) size(a int32) int { return int(c.start[a+1] - c.start[a]) }

func (c *cells) bound(a int32) []float64 {
	return c.bounds[int(a)*2*c.dims : (int(a)+1)*2*c.dims]
}

// nearAt is ball.near of two positions, with the usual dimensions unrolled.
func (c *cells) nearAt(i, k int32) bool {
	switch c.dims {
	case 2:
		p, q := c.coords[2*i:2*i+2], c.coords[2*k:2*k+2]
		return c.ball.square(p[0]-q[0])+c.ball.square(p[1]-q[1]) <= c.ball.limit
	case 3:
		p, q := c.coords[3*i:3*i+3], c.coords[3*k:3*k+3]
		return c.ball.square(p[0]-q[0])+c.ball.square(p[1]-q[1])+c.ball.square(p[2]-q[2]) <= c.ball.limit
	}
	return c.ball.near(c.at(i), c.at(k))
}

// heavy cells hold core points only.
func (c *cells) heavy(a int32) bool { return c.mass[a] >= c.need }

// findCores counts for every point of the light cells, which start with their
// own cell's weight, what the cells near by add, until it suffices. Two heavy
// cells need no count, and are joined on the way: in dense points nearly all
// pairs are such.
func (c *cells) findCores(t *tracker, core []bool) error {
	counts := make([]int64, len(c.order))
	short := make([]int32, len(c.mass)) // points of each cell still short of min_samples
	c.core = make([]bool, len(c.order))
	c.cores = make([]int32, len(c.mass))
	c.joined = newForest(len(c.mass))
	for a := range int32(len(c.mass)) {
		for i := c.start[a]; i < c.start[a+1]; i++ {
			counts[i] = c.mass[a]
			c.core[i] = c.heavy(a)
		}
		if c.heavy(a) {
			c.cores[a] = int32(c.size(a))
		} else {
			short[a] = int32(c.size(a))
		}
	}
	c.countCores(c.core) // of the heavy cells, for joining them
	add := func(i int32, cell int32, weight int64) {
		counts[i] += weight
		if !c.core[i] && counts[i] >= c.need {
			c.core[i] = true
			short[cell]--
		}
	}
	// addFrom adds to each short point of a what b holds within eps of it.
	addFrom := func(a, b int32) {
		for i := c.start[a]; i < c.start[a+1] && short[a] > 0 && t.err == nil; i++ {
			if !c.core[i] {
				add(i, a, c.weightFrom(b, c.at(i), c.need-counts[i], t))
			}
		}
	}
	c.open = make([]cellPair, 0, len(c.order))
	most := openPairsPerPoint * len(c.order)
	c.pairs(t, func(a, b int32) {
		if c.heavy(a) && c.heavy(b) {
			c.join(a, b, t)
			return
		}
		work := c.size(a) * c.size(b)
		if work == 1 {
			if !c.nearAt(c.start[a], c.start[b]) {
				return
			}
		} else if !c.ball.boxesMeet(c.bound(a), c.bound(b)) {
			return
		}
		if len(c.open) < most {
			if len(c.open) == cap(c.open) {
				c.open = slices.Grow(c.open, len(c.open))
			}
			c.open = append(c.open, cellPair{a, b})
		} else {
			most = 0
		}
		switch {
		case short[a] == 0 && short[b] == 0:
		case work == 1:
			add(c.start[a], a, c.weight[c.start[b]])
			add(c.start[b], b, c.weight[c.start[a]])
		case c.crowd[a] >= 0 || c.crowd[b] >= 0:
			addFrom(a, b)
			addFrom(b, a)
		default:
			t.poll(work)
			for i := c.start[a]; i < c.start[a+1]; i++ {
				for k := c.start[b]; k < c.start[b+1]; k++ {
					if c.core[i] && c.core[k] || !c.nearAt(i, k) {
						continue
					}
					add(i, a, c.weight[k])
					add(k, b, c.weight[i])
				}
			}
		}
	})
	if t.err != nil {
		return t.err
	}
	if most == 0 {
		c.open = nil
	}
	for a := range short {
		c.cores[a] = int32(c.size(int32(a))) - short[a]
	}
	for i, p := range c.order {
		core[p] = c.core[i]
	}
	c.countCores(c.core)
	return nil
}

// revisit visits the pairs that are still open.
func (c *cells) revisit(t *tracker, visit func(a, b int32)) {
	if c.open == nil {
		c.pairs(t, visit)
		return
	}
	for _, pair := range c.open {
		visit(pair.a, pair.b)
		if t.poll(1) {
			return
		}
	}
	t.advance(len(c.order))
}

// weightFrom is the weight of a cell within eps of p, cut off at enough.
func (c *cells) weightFrom(cell int32, p []float64, enough int64, t *tracker) int64 {
	if c.crowd[cell] >= 0 {
		return c.weightNear(c.ball, c.crowd[cell], p, enough, t)
	}
	t.poll(c.size(cell))
	if !c.ball.boxMeets(p, c.bound(cell)) {
		return 0
	}
	weight := int64(0)
	for i := c.start[cell]; i < c.start[cell+1]; i++ {
		if c.ball.near(p, c.at(i)) {
			weight += c.weight[i]
		}
	}
	return weight
}

// coreFrom says whether a cell holds a core point within eps of p.
func (c *cells) coreFrom(cell int32, p []float64, t *tracker) bool {
	if c.crowd[cell] >= 0 {
		return c.coreNear(c.ball, c.crowd[cell], p, c.core, t)
	}
	t.poll(c.size(cell))
	if !c.ball.boxMeets(p, c.bound(cell)) {
		return false
	}
	for i := c.start[cell]; i < c.start[cell+1]; i++ {
		if c.core[i] && c.ball.near(p, c.at(i)) {
			return true
		}
	}
	return false
}

func (c *cells) joinCores(t *tracker) error {
	c.revisit(t, func(a, b int32) { c.join(a, b, t) })
	return t.err
}

func (c *cells) join(a, b int32, t *tracker) {
	if c.cores[a] > 0 && c.cores[b] > 0 && c.joined.find(a) != c.joined.find(b) && c.coresMeet(a, b, t) {
		c.joined.union(a, b)
	}
}

func (c *cells) coresMeet(a, b int32, t *tracker) bool {
	if c.size(a) == 1 && c.size(b) == 1 {
		return c.nearAt(c.start[a], c.start[b])
	}
	if !c.ball.boxesMeet(c.bound(a), c.bound(b)) {
		return false
	}
	if c.ball.boxesTouchWholly(c.bound(a), c.bound(b)) {
		return true
	}
	if c.cores[a] > c.cores[b] {
		a, b = b, a
	}
	for i := c.start[a]; i < c.start[a+1] && t.err == nil; i++ {
		if c.core[i] && c.coreFrom(b, c.at(i), t) {
			return true
		}
	}
	return false
}

func (c *cells) component(p int32) int32 { return c.joined.find(c.cellOf[p]) }

func (c *cells) components() int { return len(c.mass) }

func (c *cells) adoptBorders(t *tracker, labelOf, labels []int32) error {
	labelOfCell := make([]int32, len(c.mass))
	for a := range labelOfCell {
		labelOfCell[a] = Noise
		if c.cores[a] == 0 {
			continue
		}
		labelOfCell[a] = labelOf[c.joined.find(int32(a))]
		for i := c.start[a]; i < c.start[a+1]; i++ {
			labels[c.order[i]] = labelOfCell[a]
		}
	}
	// Most pairs are core cells only, or noise only; those end at one look.
	const gives, takes = 1, 2
	role := make([]uint8, len(c.mass))
	for a := range role {
		if c.cores[a] > 0 {
			role[a] = gives
		}
		if int(c.cores[a]) < c.size(int32(a)) {
			role[a] |= takes
		}
	}
	adopt := func(a, b int32) {
		label := labelOfCell[b]
		for i := c.start[a]; i < c.start[a+1] && t.err == nil; i++ {
			if p := c.order[i]; !c.core[i] && (labels[p] == Noise || label < labels[p]) && c.coreFrom(b, c.at(i), t) {
				labels[p] = label
			}
		}
	}
	c.revisit(t, func(a, b int32) {
		if role[a]&takes != 0 && role[b]&gives != 0 {
			adopt(a, b)
		}
		if role[b]&takes != 0 && role[a]&gives != 0 {
			adopt(b, a)
		}
	})
	return t.err
}

// newTreeCells makes the cells by splitting each layer until all points of a
// part are neighbours.
func newTreeCells(points *pointSet, b ball, need int64, t *tracker) (*cells, error) {
	order := make([]int32, points.len())
	for i := range order {
		order[i] = int32(i)
	}
	order = groupStably(order, points.layer, points.layers)
	c := &cells{tree: newTree(points, order), ball: b, need: need}
	inCell := int32(0) // positions before it belong to a cell
	split := func(n int32) bool {
		nd := &c.nodes[n]
		if nd.first >= inCell && b.boxesTouchWholly(c.box(n), c.box(n)) {
			inCell = nd.last
			nd.cell = int32(len(c.mass))
			c.addCell(nd.first, nd.weight, c.box(n))
			if nd.last-nd.first > leafSize {
				c.crowd[nd.cell] = n
			}
		}
		return nd.first >= inCell || nd.last-nd.first > leafSize
	}
	var roots []int32
	for first := 0; first < len(order); {
		last := first
		for last < len(order) && points.layer[order[last]] == points.layer[order[first]] {
			last++
		}
		roots = append(roots, c.plant(int32(first), int32(last), split, t))
		first = last
	}
	c.pairs = func(t *tracker, visit func(a, b int32)) {
		for _, root := range roots {
			c.pairsBelow(root, t, visit)
		}
	}
	c.finishCells()
	return c, t.err
}

// reserve makes room for a known number of cells.
func (c *cells) reserve(count int) {
	c.start = make([]int32, 0, count+1)
	c.mass = make([]int64, 0, count)
	c.bounds = make([]float64, 0, count*2*c.dims)
	c.crowd = make([]int32, 0, count)
}

func (c *cells) addCell(first int32, weight int64, box []float64) {
	c.start = append(c.start, first)
	c.mass = append(c.mass, weight)
	c.bounds = append(c.bounds, box...)
	c.crowd = append(c.crowd, -1)
}

// finishCells closes the last cell and maps points to cells, once the order is
// final.
func (c *cells) finishCells() {
	c.start = append(c.start, int32(len(c.order)))
	c.cellOf = make([]int32, len(c.order))
	for a := range c.mass {
		for i := c.start[a]; i < c.start[a+1]; i++ {
			c.cellOf[c.order[i]] = int32(a)
		}
	}
}

func (c *cells) pairsBelow(n int32, t *tracker, visit func(a, b int32)) {
	if c.nodes[n].cell >= 0 {
		t.advance(c.size(c.nodes[n].cell))
		return
	}
	left := c.nodes[n].left
	if t.poll(1) || left == 0 { // a tree cut short by cancellation
		return
	}
	c.pairsBelow(left, t, visit)
	c.pairsBelow(left+1, t, visit)
	c.pairsAcross(left, left+1, t, visit)
}

func (c *cells) pairsAcross(n, o int32, t *tracker, visit func(a, b int32)) {
	if t.poll(1) || !c.ball.boxesMeet(c.box(n), c.box(o)) {
		return
	}
	x, y := &c.nodes[n], &c.nodes[o]
	switch {
	case x.cell >= 0 && y.cell >= 0:
		visit(x.cell, y.cell)
	case y.cell >= 0 || x.cell < 0 && x.last-x.first >= y.last-y.first:
		c.pairsAcross(x.left, o, t, visit)
		c.pairsAcross(x.left+1, o, t, visit)
	default:
		c.pairsAcross(n, y.left, t, visit)
		c.pairsAcross(n, y.left+1, t, visit)
	}
}
