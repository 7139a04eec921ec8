package dbscan

import (
	"math"
	"sync"
)

// gridDims is the most dimensions that the grid takes: a cell has up to
// 5^dims - 1 cells near it.
const gridDims = 3

// reachCells is how far, in cells along one dimension, a neighbour can be. A
// slab starts more than one side after the one before it, so points of slabs
// three apart differ by more than two sides, and two sides exceed eps in two
// dimensions (1.41 eps) and in three (1.15 eps).
const reachCells = 2

// newGrid cuts each dimension into slabs no wider than eps/sqrt(dims), so that
// the diagonal of a cell is at most eps. Slabs start at a value that occurs
// rather than at multiples of the side: their numbers then stay below the
// number of points, whatever the magnitudes, and empty space costs nothing.
func newGrid(points *pointSet, b ball, need int64, t *tracker) (*cells, error) {
	m := points.len()
	side := b.side(points.dims)
	// One goroutine per dimension: the sorts are a good part of the run, and
	// they do not depend on each other.
	var i, j, k slabs
	var sorts sync.WaitGroup
	sorts.Go(func() { i = cutSlabs(points, 0, side, true) })
	if points.dims == gridDims {
		sorts.Go(func() { j = cutSlabs(points, 1, side, false) })
	} else {
		j = slabs{of: make([]uint32, m), count: 1}
	}
	k = cutSlabs(points, points.dims-1, side, false)
	sorts.Wait()
	if t.poll(points.dims * m) {
		return nil, t.err
	}
	c := &cells{
		tree: newTree(points, groupStably(groupStably(k.order, j.of, j.count), i.of, i.count)),
		ball: b, need: need,
	}
	var strips []strip
	along := c.cutCells(i.of, j.of, k.of)
	for a, first := range c.start {
		p := c.order[first]
		if key := stripKey(int64(i.of[p]), int64(j.of[p])); len(strips) == 0 || strips[len(strips)-1].key != key {
			strips = append(strips, strip{key, int32(a)})
		}
	}
	strips = append(strips, strip{math.MaxInt64, int32(len(c.mass))})
	crowded := func(n int32) bool { return c.nodes[n].last-c.nodes[n].first > leafSize }
	for a := range c.mass {
		first, end := c.start[a], int32(m)
		if a+1 < len(c.mass) {
			end = c.start[a+1]
		}
		if end-first > leafSize {
			c.crowd[a] = c.plant(first, end, crowded, t)
		}
	}
	c.pairs = func(t *tracker, visit func(a, b int32)) { stripPairs(c, strips, along, t, visit) }
	c.finishCells()
	return c, t.err
}

// side is the largest edge of a cube whose corners are within eps of each
// other.
func (b ball) side(dims int) float64 {
	side := b.eps / math.Sqrt(float64(dims))
	for {
		sum := 0.0
		for range dims {
			sum += b.square(side)
		}
		if sum <= b.limit {
			return side
		}
		side = math.Nextafter(side, 0)
	}
}

// slabs are the slabs of one dimension: the number of each point's, the points
// in ascending order, and how many numbers there are.
type slabs struct {
	of    []uint32
	order []int32
	count int
}

// cutSlabs with perLayer starts every layer anew, out of reach of the one
// before it.
func cutSlabs(points *pointSet, axis int, side float64, perLayer bool) slabs {
	order, values := ascending(points.column(axis))
	if perLayer && points.layers > 1 {
		order = groupStably(order, points.layer, points.layers)
		for at, p := range order {
			values[at] = points.at(p)[axis]
		}
	}
	of := make([]uint32, len(order))
	number, start := uint32(0), values[0]
	for at, p := range order {
		v := values[at]
		if perLayer && at > 0 && points.layer[p] != points.layer[order[at-1]] {
			number += reachCells + 1
			start = v
		} else if v-start > side {
			number++
			start = v
		}
		of[p] = number
	}
	return slabs{of: of, order: order, count: int(number) + 1}
}

// cutCells makes a cell of each stretch of positions that agree in their slabs
// i, j and k, and returns the k of each cell.
func (c *cells) cutCells(i, j, k []uint32) []uint32 {
	same := func(p, q int32) bool { return k[p] == k[q] && j[p] == j[q] && i[p] == i[q] }
	count := 1
	for at := 1; at < len(c.order); at++ {
		if !same(c.order[at-1], c.order[at]) {
			count++
		}
	}
	c.reserve(count)
	along := make([]uint32, 0, count)
	box := make([]float64, 2*c.dims)
	for first := 0; first < len(c.order); {
		emptyBox(box)
		weight := int64(0)
		end := first
		for end < len(c.order) && (end == first || same(c.order[end-1], c.order[end])) {
			growBox(box, c.at(int32(end)))
			weight += c.weight[end]
			end++
		}
		along = append(along, k[c.order[first]])
		c.addCell(int32(first), weight, box)
		first = end
	}
	return along
}

// strip is the cells that agree in all slabs but the last dimension's, first
// being the first of them. Cells are sorted, so strips are too.
type strip struct {
	key   int64
	first int32
}

// stripKey orders by i, then j. j is lifted so that going back reachCells does
// not borrow from i.
func stripKey(i, j int64) int64 { return i<<31 + j + reachCells }

// stripPairs visits each cell with the cells after it that are at most
// reachCells slabs away in every dimension. Two strips are gone through side
// by side, so that finding the cells near by takes no look-up.
func stripPairs(c *cells, strips []strip, along []uint32, t *tracker, visit func(a, b int32)) {
	count := len(strips) - 1
	for s := range count {
		for a := strips[s].first; a < strips[s+1].first; a++ {
			for b := a + 1; b < strips[s+1].first && along[b]-along[a] <= reachCells; b++ {
				visit(a, b)
			}
		}
		if t.poll(int(strips[s+1].first - strips[s].first)) {
			return
		}
	}
	// The nearest strips come first: points find their min_samples early and
	// cells join early, and both make the rest cheap.
	type offset struct{ i, j int64 }
	offsets := []offset{{1, 0}}
	if c.dims == gridDims {
		offsets = []offset{
			{0, 1}, {1, 0}, {1, -1}, {1, 1}, {0, 2}, {2, 0},
			{1, -2}, {1, 2}, {2, -1}, {2, 1}, {2, -2}, {2, 2},
		}
	} else {
		offsets = append(offsets, offset{2, 0})
	}
	for _, off := range offsets {
		step := off.i<<31 + off.j
		other := 0
		for s := range count {
			target := strips[s].key + step
			for strips[other].key < target {
				other++
			}
			if t.advance(0) {
				return
			}
			if strips[other].key != target {
				continue
			}
			low := strips[other].first
			for a := strips[s].first; a < strips[s+1].first; a++ {
				for low < strips[other+1].first && along[low]+reachCells < along[a] {
					low++
				}
				for b := low; b < strips[other+1].first && along[b] <= along[a]+reachCells; b++ {
					visit(a, b)
				}
			}
			if t.poll(int(strips[s+1].first - strips[s].first)) {
				return
			}
		}
		t.advance(len(c.order) / len(offsets))
	}
}
