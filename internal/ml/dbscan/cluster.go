package dbscan

import (
	"context"
	"fmt"
	"math"
)

// Noise is the label of a point that belongs to no cluster.
const Noise = -1

// Method is how neighbours are found. All methods give the same labels; they
// differ in speed.
type Method string

const (
	// Auto takes the fastest method that the points allow.
	Auto Method = ""
	// Rows keeps one sorted array per combination of layer and of every
	// dimension but one, and answers a neighbourhood as one interval in each
	// array near by. It is for columns such as (amount, day of month), where
	// all dimensions but one have few distinct values, and for one dimension.
	Rows Method = "rows"
	// Grid cuts two or three dimensions into cells so small that all points of
	// a cell are neighbours.
	Grid Method = "grid"
	// Tree is a k-d tree, for any number of dimensions.
	Tree Method = "tree"
)

// Options of Cluster.
type Options struct {
	// Eps is the largest distance between neighbours, in scaled units. It is
	// inclusive.
	Eps float64
	// MinSamples is how many points, the point itself counted, must lie within
	// Eps to make it a core point.
	MinSamples int
	// Method is Auto unless a caller wants to compare.
	Method Method
	// Progress, where set, is told now and then how much of the work is done.
	// It is called from the goroutine that called Cluster.
	Progress func(done, total int64)
}

// Validate checks what does not depend on the points.
func (o Options) Validate() error {
	if !(o.Eps > 0) || math.IsInf(o.Eps, 0) {
		return fmt.Errorf("%w: eps is %v; it must be a positive finite number", ErrInvalidInput, o.Eps)
	}
	if o.MinSamples < 1 {
		return fmt.Errorf("%w: min_samples is %d; it counts the point itself, so it must be at least 1", ErrInvalidInput, o.MinSamples)
	}
	return nil
}

// Clustering is the outcome, one element per input point.
type Clustering struct {
	// Labels are cluster numbers from 0, or Noise. Clusters are numbered by
	// their first core point in input order; a border point that several
	// clusters reach belongs to the lowest of them.
	Labels []int32
	// Core says which points have at least MinSamples points within Eps.
	Core []bool
	// Clusters is how many there are.
	Clusters int
	// Distinct is how many different points the input held.
	Distinct int
	// Method is the one that was used.
	Method Method
}

// NoisePoints counts the points without a cluster.
func (c *Clustering) NoisePoints() int {
	noise := 0
	for _, label := range c.Labels {
		if label == Noise {
			noise++
		}
	}
	return noise
}

// neighbours is one method of finding them, over the distinct points.
type neighbours interface {
	// findCores marks the points with enough weight within eps.
	findCores(t *tracker, core []bool) error
	// joinCores puts core points within eps of each other into one component.
	joinCores(t *tracker) error
	// component of a core point: a number below the second result of size.
	component(p int32) int32
	// components bounds the component numbers.
	components() int
	// adoptBorders labels every other point with the lowest label among the
	// core points within eps; labelOf gives the label of a component.
	adoptBorders(t *tracker, labelOf, labels []int32) error
}

// Cluster runs DBSCAN (Ester, Kriegel, Sander, Xu: "A Density-Based Algorithm
// for Discovering Clusters in Large Spatial Databases with Noise", KDD 1996)
// with the labels that scikit-learn's DBSCAN gives. Errors are
// ErrInvalidInput, or the context's.
func Cluster(ctx context.Context, columns Columns, options Options) (*Clustering, error) {
	if err := options.Validate(); err != nil {
		return nil, err
	}
	n, err := columns.length()
	if err != nil {
		return nil, err
	}
	t := &tracker{ctx: ctx, report: options.Progress, total: 4 * int64(n)}
	points, err := distinct(columns, t)
	if err != nil {
		return nil, fmt.Errorf("cluster points: %w", err)
	}
	near, method, err := chooseMethod(points, options, t)
	if err != nil {
		return nil, fmt.Errorf("cluster points: %w", err)
	}
	m := points.len()
	core := make([]bool, m)
	if err := near.findCores(t.stage(n, 2, m), core); err != nil {
		return nil, fmt.Errorf("find core points: %w", err)
	}
	if err := near.joinCores(t.stage(n, 3, m)); err != nil {
		return nil, fmt.Errorf("join core points: %w", err)
	}
	labels, labelOf, clusters := numberClusters(near, core)
	if err := near.adoptBorders(t.stage(n, 4, m), labelOf, labels); err != nil {
		return nil, fmt.Errorf("assign border points: %w", err)
	}
	result := &Clustering{
		Labels: make([]int32, n), Core: make([]bool, n),
		Clusters: clusters, Distinct: m, Method: method,
	}
	for i, p := range points.of {
		result.Labels[i], result.Core[i] = labels[p], core[p]
	}
	t.finish()
	return result, nil
}

// numberClusters labels the core points. Distinct points are numbered by first
// appearance, so going through them in order numbers clusters by their first
// core point in the input.
func numberClusters(near neighbours, core []bool) (labels, labelOf []int32, clusters int) {
	labels = make([]int32, len(core))
	labelOf = make([]int32, near.components())
	for i := range labelOf {
		labelOf[i] = Noise
	}
	for p := range labels {
		if !core[p] {
			labels[p] = Noise
			continue
		}
		component := near.component(int32(p))
		if labelOf[component] == Noise {
			labelOf[component] = int32(clusters)
			clusters++
		}
		labels[p] = labelOf[component]
	}
	return labels, labelOf, clusters
}

func chooseMethod(points *pointSet, options Options, t *tracker) (neighbours, Method, error) {
	b := newBall(options.Eps)
	need := int64(options.MinSamples)
	switch options.Method {
	case Auto:
		if r := newRows(points, b, need, rowBudget(points), t); r != nil {
			return r, Rows, t.err
		}
		if points.dims <= gridDims {
			c, err := newGrid(points, b, need, t)
			return c, Grid, err
		}
		c, err := newTreeCells(points, b, need, t)
		return c, Tree, err
	case Rows:
		return newRows(points, b, need, unlimited, t), Rows, t.err
	case Grid:
		if points.dims < 2 || points.dims > gridDims {
			return nil, "", fmt.Errorf("%w: the grid takes 2 or 3 dimensions, not %d", ErrInvalidInput, points.dims)
		}
		c, err := newGrid(points, b, need, t)
		return c, Grid, err
	case Tree:
		c, err := newTreeCells(points, b, need, t)
		return c, Tree, err
	}
	return nil, "", fmt.Errorf("%w: unknown method %q; there are %q, %q and %q", ErrInvalidInput, options.Method, Rows, Grid, Tree)
}

// tracker carries cancellation and progress through the loops. Its methods say
// whether to stop; the reason stays in err.
type tracker struct {
	ctx    context.Context
	report func(done, total int64)
	done   int64
	total  int64
	// Where the points of a stage are fewer than the input's, each counts for
	// more; share is how much, and ceiling where the stage ends.
	share   float64
	ceiling int64
	stageAt int64
	stepped float64
	since   int
	err     error
}

// pollEvery is the number of elementary steps between looks at the context:
// well under a millisecond of work.
const pollEvery = 1 << 14

// stage begins the stage that ends at part quarters of the work and has steps
// steps.
func (t *tracker) stage(n, part, steps int) *tracker {
	t.stageAt = int64(n) * int64(part-1)
	t.ceiling = int64(n) * int64(part)
	t.done, t.stepped = t.stageAt, 0
	t.share = float64(n) / float64(max(steps, 1))
	return t
}

// advance counts steps of progress and polls.
func (t *tracker) advance(steps int) bool {
	if t.ceiling == 0 {
		t.done += int64(steps)
	} else {
		t.stepped += float64(steps) * t.share
		t.done = min(t.stageAt+int64(t.stepped), t.ceiling)
	}
	return t.poll(steps)
}

// poll counts work that is no progress of its own.
func (t *tracker) poll(work int) bool {
	t.since += work
	if t.since < pollEvery {
		return t.err != nil
	}
	t.since = 0
	if t.err == nil && t.ctx.Err() != nil {
		t.err = context.Cause(t.ctx)
	}
	if t.err == nil && t.report != nil {
		t.report(t.done, t.total)
	}
	return t.err != nil
}

func (t *tracker) finish() {
	if t.report != nil {
		t.report(t.total, t.total)
	}
}
