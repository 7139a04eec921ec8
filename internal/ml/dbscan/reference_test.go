package dbscan

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// reference is DBSCAN as the definition says it, looking at every pair.
func reference(columns Columns, eps float64, minSamples int) (labels []int32, core []bool) {
	n := len(columns.Dimensions[0].Values)
	unit := 1.0
	if eps < 0x1p-500 {
		unit = 0x1p600
	} else if eps > 0x1p500 {
		unit = 0x1p-600
	}
	limit := (eps * unit) * (eps * unit)
	near := func(i, k int) bool {
		for _, layer := range columns.Layers {
			if layer.Codes[i] != layer.Codes[k] {
				return false
			}
		}
		sum := 0.0
		for _, dim := range columns.Dimensions {
			scale := dim.Scale
			if scale == 0 {
				scale = 1
			}
			d := (dim.Values[i]/scale - dim.Values[k]/scale) * unit
			sum += float64(d * d)
		}
		return sum <= limit
	}
	adjacent := make([][]int, n)
	for i := range n {
		for k := range n {
			if near(i, k) {
				adjacent[i] = append(adjacent[i], k)
			}
		}
	}
	labels, core = make([]int32, n), make([]bool, n)
	for i := range n {
		labels[i] = Noise
		core[i] = len(adjacent[i]) >= minSamples
	}
	next := int32(0)
	for i := range n {
		if !core[i] || labels[i] != Noise {
			continue
		}
		labels[i] = next
		for stack := []int{i}; len(stack) > 0; {
			p := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if !core[p] {
				continue
			}
			for _, q := range adjacent[p] {
				if labels[q] == Noise {
					labels[q] = next
					stack = append(stack, q)
				}
			}
		}
		next++
	}
	return labels, core
}

func methodsFor(dims int) []Method {
	if dims == 2 || dims == 3 {
		return []Method{Auto, Rows, Grid, Tree}
	}
	return []Method{Auto, Rows, Tree}
}

// drawColumns draws points that are likely to sit exactly eps apart, repeat,
// and share coordinates.
func drawColumns(t *rapid.T) (columns Columns, eps float64, minSamples int) {
	n := rapid.IntRange(1, 90).Draw(t, "n")
	dims := rapid.IntRange(1, 5).Draw(t, "dims")
	values := []*rapid.Generator[float64]{
		rapid.Map(rapid.IntRange(-4, 12), func(i int) float64 { return float64(i) }),
		rapid.Map(rapid.IntRange(0, 60), func(i int) float64 { return float64(i) / 10 }),
		rapid.Float64Range(-3, 3),
		rapid.Map(rapid.IntRange(0, 400), func(i int) float64 { return float64(i)*0.01 - 1e6 }),
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1e308, -1e308, math.MaxFloat64, 1, 1 + 0x1p-52}),
		rapid.SampledFrom([]float64{0, 5e-324, 1e-323, -5e-324, 2e-323, 1e-320, 1e-310, 2.5e-308}),
	}
	for j := range dims {
		kind := rapid.SampledFrom(values).Draw(t, "kind")
		if rapid.IntRange(0, 5).Draw(t, "constant") == 0 {
			kind = rapid.Just(kind.Draw(t, "the constant"))
		}
		columns.Dimensions = append(columns.Dimensions, Dimension{
			Name:   fmt.Sprint("x", j),
			Values: rapid.SliceOfN(kind, n, n).Draw(t, "values"),
			Scale:  rapid.SampledFrom([]float64{0, 1, 1, 3, 2.5, 10}).Draw(t, "scale"),
		})
	}
	for j := range rapid.IntRange(0, 2).Draw(t, "layers") {
		columns.Layers = append(columns.Layers, Layer{
			Name:  fmt.Sprint("layer", j),
			Codes: rapid.SliceOfN(rapid.SampledFrom([]uint32{0, 7, math.MaxUint32}), n, n).Draw(t, "codes"),
		})
	}
	eps = rapid.OneOf(
		rapid.SampledFrom([]float64{0.1, 0.3, 1, math.Sqrt2, 2, 5, 0.01, 1e308, math.MaxFloat64, 5e-324, 1e-323, 1e-310, 1e-160, 1e160}),
		rapid.Float64Range(0.001, 4),
	).Draw(t, "eps")
	minSamples = rapid.IntRange(1, 12).Draw(t, "min_samples")
	return columns, eps, minSamples
}

func TestEveryMethodEqualsBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns, eps, minSamples := drawColumns(t)
		wantLabels, wantCore := reference(columns, eps, minSamples)
		for _, method := range methodsFor(len(columns.Dimensions)) {
			got, err := Cluster(context.Background(), columns, Options{Eps: eps, MinSamples: minSamples, Method: method})
			if err != nil {
				t.Fatalf("method %q: %v", method, err)
			}
			if !slices.Equal(got.Core, wantCore) {
				t.Fatalf("method %q: core points\n got %v\nwant %v", method, got.Core, wantCore)
			}
			if !slices.Equal(got.Labels, wantLabels) {
				t.Fatalf("method %q: labels\n got %v\nwant %v", method, got.Labels, wantLabels)
			}
		}
	})
}

// Crowded cells and rows of many points, which the small draws above do not
// reach: clumps much denser than eps, sheets just out of reach of each other,
// and repeats.
func TestEveryMethodEqualsBruteForceOnCrowds(t *testing.T) {
	shapes := map[string]func(r *rand.Rand, i int) float64{
		"uniform":    func(r *rand.Rand, _ int) float64 { return r.Float64() * 3 },
		"clumps":     func(r *rand.Rand, i int) float64 { return float64(i%3)*1.7 + r.NormFloat64()*0.2 },
		"sheets":     func(r *rand.Rand, i int) float64 { return float64(i%4)*1.0000001 + r.Float64()*1e-9 },
		"lattice":    func(r *rand.Rand, _ int) float64 { return float64(r.IntN(9)) / 3 },
		"heavy tail": func(r *rand.Rand, _ int) float64 { return math.Exp(r.NormFloat64() * 4) },
	}
	for name, shape := range shapes {
		for dims := 1; dims <= 5; dims++ {
			for _, minSamples := range []int{1, 4, 60, 300} {
				t.Run(fmt.Sprintf("%s/%d dimensions/min_samples %d", name, dims, minSamples), func(t *testing.T) {
					r := rand.New(rand.NewPCG(uint64(dims), uint64(minSamples)))
					const n = 900
					columns := Columns{Layers: []Layer{{Name: "currency", Codes: make([]uint32, n)}}}
					for i := range n {
						if r.IntN(4) == 0 {
							columns.Layers[0].Codes[i] = 3
						}
					}
					for j := range dims {
						values := make([]float64, n)
						for i := range values {
							values[i] = shape(r, i/(j+1))
						}
						columns.Dimensions = append(columns.Dimensions, Dimension{Name: fmt.Sprint(j), Values: values})
					}
					wantLabels, wantCore := reference(columns, 1, minSamples)
					for _, method := range methodsFor(dims) {
						got, err := Cluster(context.Background(), columns, Options{Eps: 1, MinSamples: minSamples, Method: method})
						if err != nil {
							t.Fatal(err)
						}
						if !slices.Equal(got.Core, wantCore) || !slices.Equal(got.Labels, wantLabels) {
							t.Errorf("method %q differs from brute force", method)
						}
					}
				})
			}
		}
	}
}

// Clusters survive a forgotten pair of cells in most points; this does not.
func TestEveryNeighbourIsInACellThatIsVisitedOnce(t *testing.T) {
	for dims := 2; dims <= 4; dims++ {
		for seed := range uint64(8) {
			t.Run(fmt.Sprintf("%d dimensions/%d", dims, seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, uint64(dims)))
				const n = 1500
				columns := Columns{Layers: []Layer{{Codes: make([]uint32, n)}}}
				for i := range n {
					columns.Layers[0].Codes[i] = uint32(r.IntN(2))
				}
				for range dims {
					values := make([]float64, n)
					for i := range values {
						values[i] = r.Float64() * 4
					}
					columns.Dimensions = append(columns.Dimensions, Dimension{Values: values})
				}
				tr := &tracker{ctx: t.Context()}
				points, err := distinct(columns, tr)
				if err != nil {
					t.Fatal(err)
				}
				b := newBall(1)
				trees, err := newTreeCells(points, b, 5, tr)
				if err != nil {
					t.Fatal(err)
				}
				built := map[Method]*cells{Tree: trees}
				if dims <= gridDims {
					if built[Grid], err = newGrid(points, b, 5, tr); err != nil {
						t.Fatal(err)
					}
				}
				for method, c := range built {
					visits := map[[2]int32]int{}
					c.pairs(tr, func(x, y int32) { visits[[2]int32{min(x, y), max(x, y)}]++ })
					for p := range int32(n) {
						for q := range p {
							x, y := c.cellOf[p], c.cellOf[q]
							near := points.layer[p] == points.layer[q] && b.near(points.at(p), points.at(q))
							if x == y {
								if !near {
									t.Fatalf("method %q: points %d and %d share a cell and are not neighbours", method, p, q)
								}
							} else if near && visits[[2]int32{min(x, y), max(x, y)}] == 0 {
								t.Fatalf("method %q: points %d and %d are neighbours in cells that are not visited together", method, p, q)
							}
						}
					}
					for pair, times := range visits {
						if times != 1 || pair[0] == pair[1] {
							t.Fatalf("method %q: cells %v are visited %d times", method, pair, times)
						}
					}
				}
			})
		}
	}
}
