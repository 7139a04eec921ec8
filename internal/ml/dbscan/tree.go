package dbscan

import "math/rand/v2"

// leafSize is how many points are cheaper to look at one by one than to split.
const leafSize = 24

// tree is a k-d tree (Bentley, "Multidimensional binary search trees used for
// associative searching", CACM 1975) with the tight box and the weight of
// every node. It owns the order of the points: a node is a range of positions.
type tree struct {
	dims   int
	order  []int32   // distinct point by position
	coords []float64 // dims values by position
	weight []int64   // by position
	nodes  []node
	boxes  []float64 // 2*dims values per node
	random *rand.Rand
}

type node struct {
	first, last int32 // positions, last excluded
	left        int32 // the right child is left+1; 0 is a leaf
	cell        int32 // the cell that the node is, or -1
	cores       int32 // core points, once they are known
	weight      int64
}

// newTree takes the points in the given order; nodes come by plant.
func newTree(points *pointSet, order []int32) *tree {
	dims := points.dims
	k := &tree{
		dims: dims, order: order,
		coords: make([]float64, len(order)*dims),
		weight: make([]int64, len(order)),
		// Pivots are random so that no order of the input is a bad one; the
		// seed is fixed so that a run repeats.
		random: rand.New(rand.NewPCG(1, 2)),
	}
	for i, p := range order {
		copy(k.coords[i*dims:], points.at(p))
		k.weight[i] = points.weight[p]
	}
	return k
}

func (k *tree) at(i int32) []float64 {
	return k.coords[int(i)*k.dims : (int(i)+1)*k.dims]
}

func (k *tree) box(n int32) []float64 {
	return k.boxes[int(n)*2*k.dims : (int(n)+1)*2*k.dims]
}

// plant adds a root over the positions and splits it while split says so. A
// node whose points are all equal is never asked.
func (k *tree) plant(first, last int32, split func(n int32) bool, t *tracker) int32 {
	root := k.add(first, last)
	k.divide(root, split, t)
	return root
}

func (k *tree) add(first, last int32) int32 {
	n := int32(len(k.nodes))
	nd := node{first: first, last: last, cell: -1}
	k.boxes = append(k.boxes, make([]float64, 2*k.dims)...)
	box := k.box(n)
	emptyBox(box)
	for i := first; i < last; i++ {
		growBox(box, k.at(i))
		nd.weight += k.weight[i]
	}
	k.nodes = append(k.nodes, nd)
	return n
}

func (k *tree) divide(n int32, split func(n int32) bool, t *tracker) {
	first, last := k.nodes[n].first, k.nodes[n].last
	if !split(n) || last-first < 2 || t.poll(int(last-first)) {
		return
	}
	box := k.box(n)
	axis, widest := 0, 0.0
	for j := range k.dims {
		if width := box[k.dims+j] - box[j]; width > widest {
			axis, widest = j, width
		}
	}
	middle := first + (last-first)/2
	k.selectAt(first, last, middle, axis)
	left := k.add(first, middle)
	k.add(middle, last)
	k.nodes[n].left = left
	k.divide(left, split, t)
	k.divide(left+1, split, t)
}

// selectAt is Hoare's quickselect: afterwards nothing before the position
// exceeds, along the axis, anything from it on.
func (k *tree) selectAt(first, last, position int32, axis int) {
	value := func(i int32) float64 { return k.coords[int(i)*k.dims+axis] }
	low, high := first, last-1
	for low < high {
		pivot := value(low + int32(k.random.IntN(int(high-low+1))))
		i, j := low, high
		for i <= j {
			for value(i) < pivot {
				i++
			}
			for value(j) > pivot {
				j--
			}
			if i <= j {
				k.swap(i, j)
				i++
				j--
			}
		}
		switch {
		case position <= j:
			high = j
		case position >= i:
			low = i
		default:
			return
		}
	}
}

func (k *tree) swap(i, j int32) {
	if i == j {
		return
	}
	k.order[i], k.order[j] = k.order[j], k.order[i]
	k.weight[i], k.weight[j] = k.weight[j], k.weight[i]
	p, q := k.at(i), k.at(j)
	for c := range p {
		p[c], q[c] = q[c], p[c]
	}
}

// weightNear adds the weight within eps of p below the node, and stops at
// enough.
func (k *tree) weightNear(b ball, n int32, p []float64, enough int64, t *tracker) int64 {
	nd := &k.nodes[n]
	box := k.box(n)
	t.poll(1)
	if !b.boxMeets(p, box) {
		return 0
	}
	if b.boxInside(p, box) {
		return nd.weight
	}
	if nd.left == 0 {
		t.poll(int(nd.last - nd.first))
		weight := int64(0)
		for i := nd.first; i < nd.last; i++ {
			if b.near(p, k.at(i)) {
				weight += k.weight[i]
			}
		}
		return weight
	}
	weight := k.weightNear(b, nd.left, p, enough, t)
	if weight < enough && t.err == nil {
		weight += k.weightNear(b, nd.left+1, p, enough-weight, t)
	}
	return weight
}

// coreNear says whether a core point below the node is within eps of p.
func (k *tree) coreNear(b ball, n int32, p []float64, core []bool, t *tracker) bool {
	nd := &k.nodes[n]
	box := k.box(n)
	if nd.cores == 0 || t.poll(1) || !b.boxMeets(p, box) {
		return false
	}
	if b.boxInside(p, box) {
		return true
	}
	if nd.left == 0 {
		t.poll(int(nd.last - nd.first))
		for i := nd.first; i < nd.last; i++ {
			if core[i] && b.near(p, k.at(i)) {
				return true
			}
		}
		return false
	}
	// Either child may hold the point; the one that p lies nearer to is asked
	// first.
	near, far := nd.left, nd.left+1
	if b.gap(p, k.box(far)) < b.gap(p, k.box(near)) {
		near, far = far, near
	}
	return k.coreNear(b, near, p, core, t) || k.coreNear(b, far, p, core, t)
}

// countCores fills the nodes' core counts. Children follow their parents, so
// going backwards meets them first.
func (k *tree) countCores(core []bool) {
	for n := len(k.nodes) - 1; n >= 0; n-- {
		nd := &k.nodes[n]
		nd.cores = 0
		if nd.left != 0 {
			nd.cores = k.nodes[nd.left].cores + k.nodes[nd.left+1].cores
			continue
		}
		for i := nd.first; i < nd.last; i++ {
			if core[i] {
				nd.cores++
			}
		}
	}
}
