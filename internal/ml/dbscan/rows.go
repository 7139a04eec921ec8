package dbscan

import (
	"cmp"
	"math"
	"slices"
)

// rows finds neighbours by sorted arrays. The axis is the dimension with the
// many values (an amount); a row holds the points of one layer that agree in
// every other dimension (one currency, one day), sorted along the axis. The
// neighbours of a point are then one interval in its own row and one in each
// row near by, and as the point moves along its row the intervals only move
// forward. With R rows near each row, counting, joining and border assignment
// take O(R) steps per distinct point.
type rows struct {
	points *pointSet
	ball   ball
	need   int64
	axis   int

	order  []int32   // distinct points, row by row, ascending along the axis
	x      []float64 // their axis coordinate
	sum    []int64   // sum[i] is the weight of the points before position i
	start  []int32   // first position of each row, and the end
	joined []rowPair

	// Core points alone, as positions are above.
	core      []bool // by position
	coreX     []float64
	coreStart []int32
	run       []int32 // run of each core position
	runOf     []int32 // run by distinct point, -1 where not core
	runs      *forest
}

// rowPair says that points of rows a <= b are neighbours when they differ by
// at most reach along the axis.
type rowPair struct {
	a, b  int32
	reach float64
}

// A budget bounds what finding rows and sweeping their pairs may cost, in
// steps; beyond it the grid or the tree is the better method.
const unlimited = math.MaxInt64

// pairCost is what looking at one pair of rows costs, in steps of a sweep.
const pairCost = 16

func rowBudget(points *pointSet) int64 {
	if points.dims == 1 {
		return unlimited
	}
	return 64*int64(points.len()) + 1<<16
}

// newRows returns nil where the budget does not suffice, or on cancellation.
func newRows(points *pointSet, b ball, need, budget int64, t *tracker) *rows {
	axis, rowOf, keys := chooseAxis(points, budget, t)
	if axis < 0 {
		return nil
	}
	r := &rows{points: points, ball: b, need: need, axis: axis}
	order, rank := sortRows(keys)
	if !r.pairRows(keys, order, budget, t, rowOf) {
		return nil
	}
	for p, row := range rowOf {
		rowOf[p] = rank[row]
	}
	along, _ := ascending(points.column(axis))
	r.order = groupStably(along, rowOf, len(order))
	r.x = make([]float64, len(r.order))
	r.sum = make([]int64, len(r.order)+1)
	r.start = make([]int32, len(order)+1)
	for i, p := range r.order {
		r.x[i] = points.coords[int(p)*points.dims+axis]
		r.sum[i+1] = r.sum[i] + points.weight[p]
		r.start[rowOf[p]+1] = int32(i + 1)
	}
	return r
}

// chooseAxis takes the dimension that leaves the fewest rows. keys holds each
// row's layer and its other coordinates. axis is -1 where every choice leaves
// more rows than an eighth of the points.
func chooseAxis(points *pointSet, budget int64, t *tracker) (axis int, rowOf []uint32, keys *keyTable) {
	axis = -1
	m := points.len()
	most := max(m/8, 1<<10)
	if budget == unlimited {
		most = m
	}
	key := make([]uint64, points.dims)
	for candidate := range points.dims {
		table := newKeyTable(points.dims)
		of := make([]uint32, m)
		for p := 0; p < m && table.len() <= most; p++ {
			key[0] = uint64(points.layer[p])
			at := 1
			for j, v := range points.at(int32(p)) {
				if j != candidate {
					key[at] = math.Float64bits(v)
					at++
				}
			}
			row, _ := table.add(key)
			of[p] = uint32(row)
			if t.poll(1) {
				return -1, nil, nil
			}
		}
		if table.len() <= most {
			axis, rowOf, keys, most = candidate, of, table, table.len()-1
		}
	}
	return axis, rowOf, keys
}

// sortRows orders rows by layer and then by their coordinates, in column
// order. rank is the inverse of order.
func sortRows(keys *keyTable) (order []int32, rank []uint32) {
	order = make([]int32, keys.len())
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		x, y := keys.words[int(a)*keys.width:], keys.words[int(b)*keys.width:]
		if c := cmp.Compare(x[0], y[0]); c != 0 {
			return c
		}
		for j := 1; j < keys.width; j++ {
			if c := cmp.Compare(math.Float64frombits(x[j]), math.Float64frombits(y[j])); c != 0 {
				return c
			}
		}
		return 0
	})
	rank = make([]uint32, len(order))
	for i, row := range order {
		rank[row] = uint32(i)
	}
	return order, rank
}

// pairRows lists the rows within eps of each other; false where that, or the
// sweeps over them, would cost more than the budget.
func (r *rows) pairRows(keys *keyTable, order []int32, budget int64, t *tracker, rowOf []uint32) bool {
	size := make([]int64, keys.len())
	for _, row := range rowOf {
		size[row]++
	}
	others := keys.width - 1
	squares := make([]float64, others)
	for i, row := range order {
		x := keys.words[int(row)*keys.width : (int(row)+1)*keys.width]
		for k := i; k < len(order); k++ {
			other := order[k]
			y := keys.words[int(other)*keys.width : (int(other)+1)*keys.width]
			if x[0] != y[0] {
				break // the next layer
			}
			for j := range others {
				squares[j] = r.ball.square(math.Float64frombits(x[j+1]) - math.Float64frombits(y[j+1]))
			}
			if others > 0 && squares[0] > r.ball.limit {
				break // rows rise in their first coordinate, so all later ones are farther
			}
			budget -= pairCost
			if t.poll(1) || budget < 0 {
				return false
			}
			before := 0.0
			for _, c := range squares[:r.axis] {
				before += c
			}
			reach, ok := r.ball.reachAlong(before, squares[r.axis:])
			if !ok {
				continue
			}
			budget -= size[row] + size[other]
			r.joined = append(r.joined, rowPair{int32(i), int32(k), reach})
		}
	}
	return budget >= 0
}

// window moves low and high forward so that they bound the values within reach
// of x; values rise.
func window(values []float64, x, reach float64, low, high int) (int, int) {
	for low < len(values) && values[low] < x && x-values[low] > reach {
		low++
	}
	high = max(high, low)
	for high < len(values) && (values[high] <= x || values[high]-x <= reach) {
		high++
	}
	return low, high
}

func (r *rows) findCores(t *tracker, core []bool) error {
	counts := make([]int64, len(r.order))
	count := func(from, to int32, reach float64) {
		values, first := r.x[r.start[to]:r.start[to+1]], int(r.start[to])
		low, high := 0, 0
		for i := r.start[from]; i < r.start[from+1]; i++ {
			low, high = window(values, r.x[i], reach, low, high)
			counts[i] += r.sum[first+high] - r.sum[first+low]
		}
		t.poll(int(r.start[from+1]-r.start[from]) + len(values))
	}
	for _, pair := range r.joined {
		count(pair.a, pair.b, pair.reach)
		if pair.a != pair.b {
			count(pair.b, pair.a, pair.reach)
		}
		if t.err != nil {
			return t.err
		}
	}
	r.core = make([]bool, len(r.order))
	for i, p := range r.order {
		r.core[i] = counts[i] >= r.need
		core[p] = r.core[i]
	}
	t.advance(len(r.order))
	return t.err
}

// joinCores first cuts each row's core points into runs whose gaps are within
// eps, then joins runs across rows. Runs of one row lie more than eps apart,
// and an interval is at most 2 eps long, so it meets at most three of them.
func (r *rows) joinCores(t *tracker) error {
	r.coreStart = make([]int32, len(r.start))
	r.runOf = make([]int32, len(r.order))
	alone := make([]float64, len(r.start)-1)
	for _, pair := range r.joined {
		if pair.a == pair.b {
			alone[pair.a] = pair.reach
		}
	}
	runs := int32(-1)
	for row := range alone {
		fresh := true
		for i := r.start[row]; i < r.start[row+1]; i++ {
			p := r.order[i]
			r.runOf[p] = -1
			if !r.core[i] {
				continue
			}
			if fresh || r.x[i]-r.coreX[len(r.coreX)-1] > alone[row] {
				runs++
			}
			fresh = false
			r.coreX = append(r.coreX, r.x[i])
			r.run = append(r.run, runs)
			r.runOf[p] = runs
		}
		r.coreStart[row+1] = int32(len(r.coreX))
	}
	r.runs = newForest(int(runs + 1))
	for _, pair := range r.joined {
		if pair.a == pair.b {
			continue
		}
		first := int(r.coreStart[pair.b])
		values := r.coreX[first:r.coreStart[pair.b+1]]
		low, high := 0, 0
		for i := r.coreStart[pair.a]; i < r.coreStart[pair.a+1]; i++ {
			low, high = window(values, r.coreX[i], pair.reach, low, high)
			if low == high {
				continue
			}
			for run := r.run[first+low]; run <= r.run[first+high-1]; run++ {
				r.runs.union(r.run[i], run)
			}
		}
		if t.poll(int(r.coreStart[pair.a+1]-r.coreStart[pair.a]) + len(values)) {
			return t.err
		}
	}
	t.advance(len(r.order))
	return t.err
}

func (r *rows) component(p int32) int32 { return r.runs.find(r.runOf[p]) }

func (r *rows) components() int { return len(r.runs.parent) }

func (r *rows) adoptBorders(t *tracker, labelOf, labels []int32) error {
	labelOfRun := make([]int32, len(labelOf))
	for run := range labelOfRun {
		labelOfRun[run] = labelOf[r.runs.find(int32(run))]
	}
	adopt := func(from, to int32, reach float64) {
		first := int(r.coreStart[to])
		values := r.coreX[first:r.coreStart[to+1]]
		t.poll(int(r.start[from+1]-r.start[from]) + len(values))
		if len(values) == 0 {
			return
		}
		low, high := 0, 0
		for i := r.start[from]; i < r.start[from+1]; i++ {
			if r.core[i] {
				continue
			}
			low, high = window(values, r.x[i], reach, low, high)
			if low == high {
				continue
			}
			p := r.order[i]
			for run := r.run[first+low]; run <= r.run[first+high-1]; run++ {
				if label := labelOfRun[run]; labels[p] == Noise || label < labels[p] {
					labels[p] = label
				}
			}
		}
	}
	for _, pair := range r.joined {
		adopt(pair.a, pair.b, pair.reach)
		if pair.a != pair.b {
			adopt(pair.b, pair.a, pair.reach)
		}
		if t.err != nil {
			return t.err
		}
	}
	t.advance(len(r.order))
	return t.err
}
