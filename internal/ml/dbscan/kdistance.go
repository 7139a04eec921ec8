package dbscan

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
)

// maxQueries is how many distinct points are asked for their k-distance; of
// more, an even sample is, since the curve's shape needs no more.
const maxQueries = 100_000

// Curve is the sorted k-distance curve: for each point the distance to its
// K-th nearest point in its layer, the point itself being the first. A point
// is a core point for min_samples = K exactly when eps reaches that distance.
type Curve struct {
	K int
	// Distances rise; Weights say how many of the asked points share each.
	Distances []float64
	Weights   []int64
	// Asked is the number of points on the curve, of Points in the input.
	Asked, Points int64
	// Alone counts asked points whose layer holds fewer than K points: no eps
	// makes them core points, and they are not on the curve.
	Alone int64
}

// KDistances computes the curve for K = minSamples (Sander, Ester, Kriegel,
// Xu: "Density-Based Clustering in Spatial Databases", 1998). Progress, where
// set, is called as Options.Progress is.
func KDistances(ctx context.Context, columns Columns, minSamples int, progress func(done, total int64)) (*Curve, error) {
	if minSamples < 1 {
		return nil, fmt.Errorf("%w: min_samples is %d; it counts the point itself, so it must be at least 1", ErrInvalidInput, minSamples)
	}
	n, err := columns.length()
	if err != nil {
		return nil, err
	}
	t := &tracker{ctx: ctx, report: progress, total: 2 * int64(n)}
	points, err := distinct(columns, t)
	if err != nil {
		return nil, fmt.Errorf("measure k-distances: %w", err)
	}
	asked := askedPoints(points)
	curve, err := measure(points, asked, minSamples, t.stage(n, 2, len(asked)))
	if err != nil {
		return nil, fmt.Errorf("measure k-distances: %w", err)
	}
	t.finish()
	return curve, nil
}

type askedPoint struct {
	p     int32
	times int64
}

// askedPoints are all distinct points with their weights, or, of very many, the
// points at every so-many-th input position.
func askedPoints(points *pointSet) []askedPoint {
	times := make([]int64, points.len())
	if points.len() <= maxQueries {
		copy(times, points.weight)
	} else {
		for s := range maxQueries {
			times[points.of[s*len(points.of)/maxQueries]]++
		}
	}
	var asked []askedPoint
	for p, count := range times {
		if count > 0 {
			asked = append(asked, askedPoint{int32(p), count})
		}
	}
	return asked
}

func measure(points *pointSet, asked []askedPoint, minSamples int, t *tracker) (*Curve, error) {
	order := make([]int32, points.len())
	for i := range order {
		order[i] = int32(i)
	}
	k := newTree(points, groupStably(order, points.layer, points.layers))
	split := func(n int32) bool { return k.nodes[n].last-k.nodes[n].first > leafSize }
	roots := make([]int32, points.layers)
	for first := int32(0); first < int32(len(k.order)); {
		layer := points.layer[k.order[first]]
		last := first
		for last < int32(len(k.order)) && points.layer[k.order[last]] == layer {
			last++
		}
		roots[layer] = k.plant(first, last, split, t)
		first = last
	}
	curve := &Curve{K: minSamples, Points: int64(len(points.of))}
	search := nearest{tree: k, ball: ball{unit: extentUnit(points)}, want: int64(minSamples)}
	type step struct {
		distance float64
		weight   int64
	}
	var steps []step
	for _, a := range asked {
		curve.Asked += a.times
		root := roots[points.layer[a.p]]
		if k.nodes[root].weight < search.want {
			curve.Alone += a.times
		} else {
			steps = append(steps, step{search.distance(root, points.at(a.p), t), a.times})
		}
		if t.advance(1) {
			return nil, t.err
		}
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(a.distance, b.distance) })
	for _, s := range steps {
		if last := len(curve.Distances) - 1; last >= 0 && curve.Distances[last] == s.distance {
			curve.Weights[last] += s.weight
			continue
		}
		curve.Distances = append(curve.Distances, s.distance)
		curve.Weights = append(curve.Weights, s.weight)
	}
	return curve, t.err
}

// extentUnit is a power of two that keeps the squares of the points'
// differences inside a float64.
func extentUnit(points *pointSet) float64 {
	box := make([]float64, 2*points.dims)
	emptyBox(box)
	for p := range points.len() {
		growBox(box, points.at(int32(p)))
	}
	widest := 0.0
	for j := range points.dims {
		widest = max(widest, box[points.dims+j]-box[j])
	}
	switch {
	case widest > 0x1p500:
		return 0x1p-600
	case widest < 0x1p-400:
		return 0x1p600
	}
	return 1
}

// nearest searches a tree for the closest points that together weigh want.
type nearest struct {
	*tree
	ball ball
	want int64
	// heap is a max-heap by distance of the points held, weighing held.
	heap []candidate
	held int64
}

type candidate struct {
	square float64
	weight int64
}

// distance is the smallest radius around p that holds the wanted weight.
func (s *nearest) distance(root int32, p []float64, t *tracker) float64 {
	s.heap, s.held = s.heap[:0], 0
	s.visit(root, p, t)
	if len(s.heap) == 0 { // cancelled
		return 0
	}
	return math.Sqrt(s.heap[0].square) / s.ball.unit
}

func (s *nearest) visit(n int32, p []float64, t *tracker) {
	nd := &s.nodes[n]
	if s.held >= s.want && s.ball.gap(p, s.box(n)) >= s.heap[0].square || t.poll(1) {
		return
	}
	if nd.left == 0 {
		t.poll(int(nd.last - nd.first))
		for i := nd.first; i < nd.last; i++ {
			sum := 0.0
			for j, v := range s.at(i) {
				sum += s.ball.square(p[j] - v)
			}
			s.offer(candidate{sum, s.weight[i]})
		}
		return
	}
	near, far := nd.left, nd.left+1
	if s.ball.gap(p, s.box(far)) < s.ball.gap(p, s.box(near)) {
		near, far = far, near
	}
	s.visit(near, p, t)
	s.visit(far, p, t)
}

// offer holds the candidate, and lets go of the farthest while the others
// suffice.
func (s *nearest) offer(c candidate) {
	if s.held >= s.want && c.square >= s.heap[0].square {
		return
	}
	s.held += c.weight
	s.heap = append(s.heap, c)
	for i := len(s.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if s.heap[parent].square >= s.heap[i].square {
			break
		}
		s.heap[parent], s.heap[i] = s.heap[i], s.heap[parent]
		i = parent
	}
	for s.held-s.heap[0].weight >= s.want {
		s.held -= s.heap[0].weight
		last := len(s.heap) - 1
		s.heap[0] = s.heap[last]
		s.heap = s.heap[:last]
		for i := 0; ; {
			child := 2*i + 1
			if child >= last {
				break
			}
			if child+1 < last && s.heap[child+1].square > s.heap[child].square {
				child++
			}
			if s.heap[i].square >= s.heap[child].square {
				break
			}
			s.heap[i], s.heap[child] = s.heap[child], s.heap[i]
			i = child
		}
	}
}

// Quantile is the distance that the share q of the points on the curve, from 0
// to 1, does not exceed; NaN where the curve is empty.
func (c *Curve) Quantile(q float64) float64 {
	total := int64(0)
	for _, w := range c.Weights {
		total += w
	}
	below := int64(0)
	for i, w := range c.Weights {
		if below += w; float64(below) >= q*float64(total) {
			return c.Distances[i]
		}
	}
	return math.NaN()
}

// outlierShare is the top of the curve that Knee leaves out: a few amounts a
// million times the others would otherwise set the scale, and everything else
// would lie flat.
const outlierShare = 0.01

// Knee suggests an eps: the distance at the curve's knee, where it turns from
// the flat part of points inside clusters to the steep part of noise. The knee
// is the point farthest below the chord of the curve, as in Kneedle (Satopaa,
// Albrecht, Irwin, Raghavan: "Finding a 'Kneedle' in a Haystack", 2011),
// without its smoothing and its sensitivity parameter. Distances of 0 (points
// with K-1 identical ones) and the top hundredth are left out. ok is false
// where no distance is positive; every eps below the gaps between the points
// then gives the same clusters.
func (c *Curve) Knee() (eps float64, ok bool) {
	top := c.Quantile(1 - outlierShare)
	if !(top > 0) {
		top = math.Inf(1)
	}
	from, to := 0, len(c.Distances)
	for from < to && c.Distances[from] == 0 {
		from++
	}
	for to > from && c.Distances[to-1] > top {
		to--
	}
	if from == to {
		return 0, false
	}
	distances, rank := c.Distances[from:to], make([]float64, to-from)
	sum := int64(0)
	for i, w := range c.Weights[from:to] {
		sum += w
		rank[i] = float64(sum)
	}
	last := len(rank) - 1
	best := math.Inf(-1)
	for i, distance := range distances {
		below := 0.0
		if last > 0 {
			below = (rank[i]-rank[0])/(rank[last]-rank[0]) - (distance-distances[0])/(distances[last]-distances[0])
		}
		if below > best {
			best, eps = below, distance
		}
	}
	return eps, true
}
