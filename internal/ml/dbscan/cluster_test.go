package dbscan

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestBadInput(t *testing.T) {
	one := func(values ...float64) Columns {
		return Columns{Dimensions: []Dimension{{Name: "amount", Values: values}}}
	}
	fine := Options{Eps: 1, MinSamples: 2}
	for _, c := range []struct {
		name    string
		columns Columns
		options Options
		says    string
	}{
		{"NaN", one(1, math.NaN()), fine, `dimension "amount", point 1 is NaN`},
		{"infinity", one(math.Inf(1)), fine, `point 0 is +Inf`},
		{"negative infinity", one(2, 3, math.Inf(-1)), fine, `point 2 is -Inf`},
		{"no points", one(), fine, "no points"},
		{"no dimension", Columns{}, fine, "no dimension"},
		{"eps 0", one(1), Options{Eps: 0, MinSamples: 1}, "eps is 0"},
		{"eps negative", one(1), Options{Eps: -1, MinSamples: 1}, "eps is -1"},
		{"eps NaN", one(1), Options{Eps: math.NaN(), MinSamples: 1}, "eps is NaN"},
		{"eps infinite", one(1), Options{Eps: math.Inf(1), MinSamples: 1}, "eps is +Inf"},
		{"min_samples 0", one(1), Options{Eps: 1}, "min_samples is 0"},
		{"min_samples negative", one(1), Options{Eps: 1, MinSamples: -3}, "min_samples is -3"},
		{"unknown method", one(1), Options{Eps: 1, MinSamples: 1, Method: "ball"}, `unknown method "ball"`},
		{"grid of one dimension", one(1), Options{Eps: 1, MinSamples: 1, Method: Grid}, "2 or 3 dimensions, not 1"},
		{"uneven dimensions", Columns{Dimensions: []Dimension{
			{Name: "amount", Values: []float64{1, 2}}, {Name: "day", Values: []float64{1}},
		}}, fine, `dimension "amount" has 2 values and dimension "day" has 1`},
		{"uneven layer", Columns{
			Dimensions: []Dimension{{Name: "amount", Values: []float64{1, 2}}},
			Layers:     []Layer{{Name: "currency", Codes: []uint32{1}}},
		}, fine, `layer "currency" has 1`},
		{"scale negative", Columns{Dimensions: []Dimension{{Name: "amount", Values: []float64{1}, Scale: -2}}}, fine, "has scale -2"},
		{"scale NaN", Columns{Dimensions: []Dimension{{Name: "amount", Values: []float64{1}, Scale: math.NaN()}}}, fine, "has scale NaN"},
		{"scale infinite", Columns{Dimensions: []Dimension{{Name: "amount", Values: []float64{1}, Scale: math.Inf(1)}}}, fine, "has scale +Inf"},
		{"scaled out of range", Columns{Dimensions: []Dimension{{Name: "amount", Values: []float64{1e308}, Scale: 1e-9}}}, fine,
			"1e+308 divided by scale 1e-09 is out of a float64's range"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Cluster(context.Background(), c.columns, c.options)
			if !errors.Is(err, ErrInvalidInput) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}
	if _, err := KDistances(context.Background(), one(1, math.NaN()), 2, nil); !errors.Is(err, ErrInvalidInput) {
		t.Errorf("k-distances of NaN: %v", err)
	}
	if _, err := KDistances(context.Background(), one(1), 0, nil); !errors.Is(err, ErrInvalidInput) {
		t.Errorf("k-distances with min_samples 0: %v", err)
	}
	if _, err := KDistances(context.Background(), one(), 1, nil); !errors.Is(err, ErrInvalidInput) {
		t.Errorf("k-distances of nothing: %v", err)
	}
}

func TestExtremeMagnitudes(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float64
		eps    float64
		want   []int32
	}{
		{"differences overflow", []float64{math.MaxFloat64, -math.MaxFloat64, math.MaxFloat64}, math.MaxFloat64, []int32{0, -1, 0}},
		{"eps squared overflows", []float64{0, 1e200, 3e200, 3.5e200}, 1e200, []int32{0, 0, 1, 1}},
		{"eps squared vanishes", []float64{0, 1e-200, 1e-190, 1.00000000005e-190}, 1e-200, []int32{0, 0, 1, 1}},
		{"denormals", []float64{0, 5e-324, 2e-323, 2.5e-323, 1e-320}, 5e-324, []int32{0, 0, 1, 1, -1}},
		{"signs of zero", []float64{0, math.Copysign(0, -1)}, 5e-324, []int32{0, 0}},
		{"huge values, small eps", []float64{1e308, 1e308, -1e308}, 1e-9, []int32{0, 0, -1}},
	} {
		for dims := 1; dims <= 4; dims++ {
			for _, method := range methodsFor(dims) {
				t.Run(fmt.Sprintf("%s/%d dimensions/%s", c.name, dims, method), func(t *testing.T) {
					columns := Columns{Dimensions: []Dimension{{Name: "x", Values: c.values}}}
					for len(columns.Dimensions) < dims {
						columns.Dimensions = append(columns.Dimensions, Dimension{Name: "constant", Values: slices.Repeat([]float64{4}, len(c.values))})
					}
					got, err := Cluster(context.Background(), columns, Options{Eps: c.eps, MinSamples: 2, Method: method})
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(got.Labels, c.want) {
						t.Errorf("labels %v, want %v", got.Labels, c.want)
					}
				})
			}
		}
	}
}

// A quadratic step would make any of these run for hours: what they check is
// that they end, with the right answer.
func TestMillionPointsAtOnePlaceOrWithinEps(t *testing.T) {
	const n = 1_000_000
	r := rand.New(rand.NewPCG(1, 1))
	identical, close, half := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range n {
		identical[i], close[i] = 12.5, r.Float64()
		half[i] = r.Float64()*0.01 + float64(i%2)*1.02
	}
	for _, c := range []struct {
		name     string
		columns  [][]float64
		need     int
		clusters int
		noise    int
	}{
		{"identical", [][]float64{identical, identical, identical}, n, 1, 0},
		{"identical, one short of min_samples", [][]float64{identical, identical}, n + 1, 0, n},
		{"all within eps, one dimension", [][]float64{close}, 5, 1, 0},
		{"all within eps, one dimension constant", [][]float64{close, identical}, n, 1, 0},
		{"two crowds just out of reach", [][]float64{half, half}, 5, 2, 0},
		{"two crowds just out of reach in three dimensions", [][]float64{half, identical, close[:n:n]}, 1000, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var columns Columns
			for _, values := range c.columns {
				columns.Dimensions = append(columns.Dimensions, Dimension{Values: values})
			}
			got, err := Cluster(context.Background(), columns, Options{Eps: 1, MinSamples: c.need})
			if err != nil {
				t.Fatal(err)
			}
			if got.Clusters != c.clusters || got.NoisePoints() != c.noise {
				t.Errorf("%d clusters and %d noise, want %d and %d", got.Clusters, got.NoisePoints(), c.clusters, c.noise)
			}
		})
	}
}

func TestAutoTakesTheMethodThatSuits(t *testing.T) {
	for _, c := range []struct {
		name    string
		columns Columns
		eps     float64
		want    Method
	}{
		{"amount, day and currency", journals(20_000), 0.6, Rows},
		{"one dimension", blobs(5_000, 1), 0.1, Rows},
		{"two true dimensions", blobs(20_000, 2), 0.5, Grid},
		{"three true dimensions", blobs(20_000, 3), 2, Grid},
		{"four dimensions", blobs(5_000, 4), 4, Tree},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Cluster(context.Background(), c.columns, Options{Eps: c.eps, MinSamples: 5})
			if err != nil {
				t.Fatal(err)
			}
			if got.Method != c.want {
				t.Errorf("method %q, want %q", got.Method, c.want)
			}
		})
	}
}

func TestProgressRisesToItsTotal(t *testing.T) {
	for _, method := range methodsFor(3) {
		last, total, calls := int64(0), int64(0), 0
		progress := func(d, of int64) {
			calls++
			if d < last || d > of || total != 0 && of != total {
				t.Errorf("method %q: progress went from %d of %d to %d of %d", method, last, total, d, of)
			}
			last, total = d, of
		}
		options := Options{Eps: 1, MinSamples: 5, Method: method, Progress: progress}
		if method == Rows {
			options.Eps = 0.1
		}
		columns := blobs(60_000, 3)
		if method == Rows {
			columns = journals(60_000)
		}
		if _, err := Cluster(context.Background(), columns, options); err != nil {
			t.Fatal(err)
		}
		if last != total || calls < 5 {
			t.Errorf("method %q: ended at %d of %d after %d calls", method, last, total, calls)
		}
	}
}

// Wherever cancellation strikes, the error is the context's cause and nothing
// panics on half-built structures.
func TestCancellationStopsEveryStage(t *testing.T) {
	stop := errors.New("the operator pressed Ctrl-C")
	run := func(t *testing.T, columns Columns, method Method) {
		for after := 0; ; after += 1 + after/3 {
			ctx, cancel := context.WithCancelCause(context.Background())
			calls := 0
			_, err := Cluster(ctx, columns, Options{Eps: 0.7, MinSamples: 5, Method: method, Progress: func(int64, int64) {
				if calls++; calls > after {
					cancel(stop)
				}
			}})
			cancel(nil)
			if err == nil {
				if after < 5 {
					t.Errorf("method %q: only %d reports in the whole run", method, after)
				}
				return
			}
			if !errors.Is(err, stop) {
				t.Fatalf("method %q, cancelled after %d reports: %v", method, after, err)
			}
		}
	}
	run(t, journals(60_000), Rows)
	run(t, blobs(60_000, 3), Grid)
	run(t, blobs(60_000, 3), Tree)

	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(stop)
	if _, err := KDistances(ctx, blobs(60_000, 2), 5, nil); !errors.Is(err, stop) {
		t.Errorf("k-distances with a cancelled context: %v", err)
	}
}

// The order of the input changes numbers and nothing else: which points are
// core, and which core points share a cluster.
func TestCorePartitionIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns, eps, minSamples := drawColumns(t)
		n := len(columns.Dimensions[0].Values)
		shuffled := rapid.Permutation(func() []int {
			order := make([]int, n)
			for i := range order {
				order[i] = i
			}
			return order
		}()).Draw(t, "order")
		moved := Columns{}
		for _, dim := range columns.Dimensions {
			values := make([]float64, n)
			for i, from := range shuffled {
				values[i] = dim.Values[from]
			}
			moved.Dimensions = append(moved.Dimensions, Dimension{Values: values, Scale: dim.Scale})
		}
		for _, layer := range columns.Layers {
			codes := make([]uint32, n)
			for i, from := range shuffled {
				codes[i] = layer.Codes[from]
			}
			moved.Layers = append(moved.Layers, Layer{Codes: codes})
		}
		options := Options{Eps: eps, MinSamples: minSamples}
		a, err := Cluster(context.Background(), columns, options)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Cluster(context.Background(), moved, options)
		if err != nil {
			t.Fatal(err)
		}
		there, back := map[int32]int32{}, map[int32]int32{}
		for i, from := range shuffled {
			if b.Core[i] != a.Core[from] || (b.Labels[i] == Noise) != (a.Labels[from] == Noise) {
				t.Fatalf("point %d is core %v label %d, and moved it is core %v label %d", from, a.Core[from], a.Labels[from], b.Core[i], b.Labels[i])
			}
			if !b.Core[i] {
				continue
			}
			x, y := a.Labels[from], b.Labels[i]
			if seen, ok := there[x]; ok && seen != y {
				t.Fatalf("cluster %d became %d and %d", x, seen, y)
			}
			if seen, ok := back[y]; ok && seen != x {
				t.Fatalf("clusters %d and %d became %d", x, seen, y)
			}
			there[x], back[y] = y, x
		}
	})
}

func TestKDistancesEqualBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 80).Draw(t, "n")
		dims := rapid.IntRange(1, 4).Draw(t, "dims")
		columns := Columns{Layers: []Layer{{Codes: rapid.SliceOfN(rapid.Uint32Range(0, 2), n, n).Draw(t, "codes")}}}
		kind := rapid.SampledFrom([]*rapid.Generator[float64]{
			rapid.Map(rapid.IntRange(0, 4), func(i int) float64 { return float64(i) }),
			rapid.Float64Range(-1, 1),
			rapid.SampledFrom([]float64{1e200, -1e200, 3e200, 1.5e200}),
			rapid.SampledFrom([]float64{1e-200, -1e-200, 3e-200, 0}),
		}).Draw(t, "kind")
		for range dims {
			columns.Dimensions = append(columns.Dimensions, Dimension{Values: rapid.SliceOfN(kind, n, n).Draw(t, "values")})
		}
		k := rapid.IntRange(1, 10).Draw(t, "k")
		extent := 0.0
		for _, dim := range columns.Dimensions {
			extent = max(extent, slices.Max(dim.Values)-slices.Min(dim.Values))
		}
		var want []float64
		alone := int64(0)
		for i := range n {
			var all []float64
			for o := range n {
				if columns.Layers[0].Codes[i] != columns.Layers[0].Codes[o] {
					continue
				}
				d := 0.0
				for _, dim := range columns.Dimensions {
					d = math.Hypot(d, dim.Values[i]-dim.Values[o])
				}
				all = append(all, d)
			}
			slices.Sort(all)
			if len(all) < k {
				alone++
				continue
			}
			want = append(want, all[k-1])
		}
		slices.Sort(want)
		curve, err := KDistances(context.Background(), columns, k, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []float64
		for i, d := range curve.Distances {
			got = append(got, slices.Repeat([]float64{d}, int(curve.Weights[i]))...)
		}
		if curve.Alone != alone || len(got) != len(want) || curve.Asked != int64(n) {
			t.Fatalf("%d points on the curve and %d alone of %d, want %d and %d of %d", len(got), curve.Alone, curve.Asked, len(want), alone, n)
		}
		for i := range got {
			// Squares of distances that are 1e-150 of the whole extent vanish.
			if math.Abs(got[i]-want[i]) > 1e-12*want[i]+1e-150*extent {
				t.Fatalf("distance %d is %v, want %v", i, got[i], want[i])
			}
		}
	})
}

// The suggestion is a starting point, and it is a good one where clusters are
// plain: it must find them, noise or not, and whatever a few outliers do.
func TestKneeFindsPlainClusters(t *testing.T) {
	for _, c := range []struct {
		name     string
		noise    float64
		outliers int
	}{{"clean", 0, 0}, {"a fifth is noise", 0.2, 0}, {"half is noise", 0.5, 0}, {"outliers a million times as far", 0.05, 5}} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			const n = 3000
			x, y := make([]float64, n), make([]float64, n)
			for i := range n {
				x[i], y[i] = float64(i%4)*10+r.NormFloat64()/2, float64(i%2)*10+r.NormFloat64()/2
				if r.Float64() < c.noise {
					x[i], y[i] = r.Float64()*40, r.Float64()*40
				}
				if i < c.outliers {
					x[i] *= 1e6
				}
			}
			columns := Columns{Dimensions: []Dimension{{Values: x}, {Values: y}}}
			curve, err := KDistances(context.Background(), columns, 5, nil)
			if err != nil {
				t.Fatal(err)
			}
			eps, ok := curve.Knee()
			if !ok {
				t.Fatal("no suggestion")
			}
			got, err := Cluster(context.Background(), columns, Options{Eps: eps, MinSamples: 5})
			if err != nil {
				t.Fatal(err)
			}
			size := map[int32]int{}
			for _, label := range got.Labels {
				size[label]++
			}
			large := 0
			for label, points := range size {
				if label != Noise && points > n/20 {
					large++
				}
			}
			noise := float64(got.NoisePoints()) / n
			if large != 4 || noise > c.noise+0.15 {
				t.Errorf("eps %v gives %d large clusters and %.0f%% noise", eps, large, 100*noise)
			}
		})
	}
}

func TestKneeOfIdenticalPoints(t *testing.T) {
	curve, err := KDistances(context.Background(), Columns{Dimensions: []Dimension{{Values: make([]float64, 50)}}}, 5, nil)
	if err != nil {
		t.Fatal(err)
	}
	if eps, ok := curve.Knee(); ok {
		t.Errorf("suggested %v where every distance is 0", eps)
	}
	if got := curve.Quantile(1); got != 0 {
		t.Errorf("largest k-distance %v, want 0", got)
	}
	empty, err := KDistances(context.Background(), Columns{Dimensions: []Dimension{{Values: []float64{1, 2}}}}, 3, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := empty.Knee(); ok || empty.Alone != 2 || !math.IsNaN(empty.Quantile(0.5)) {
		t.Errorf("two points have no third nearest, yet the curve is %+v", empty)
	}
}
