package gbdt

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// synthetic is a table with numbers, missing values and categories, and a label
// that depends on them.
func synthetic(rows int, objective Objective) Dataset {
	r := rand.New(rand.NewPCG(7, uint64(rows)))
	d := Dataset{Features: []Feature{{Name: "a"}, {Name: "b"}, {Name: "c", Categorical: true}, {Name: "flat"}}}
	for range rows {
		a, b, c := r.NormFloat64(), math.Round(r.NormFloat64()*4)/4, float64(r.IntN(12))
		score := a + math.Sin(2*b) + 0.4*float64(int(c*7)%5) + 0.3*r.NormFloat64()
		if r.IntN(10) == 0 {
			a = math.NaN()
		}
		for i, v := range []float64{a, b, c, 3} {
			d.Features[i].Values = append(d.Features[i].Values, v)
		}
		switch objective {
		case Binary:
			d.Label = append(d.Label, float64(boolInt(score > 0.8)))
		case Multiclass:
			d.Label = append(d.Label, float64(boolInt(score > 0)+boolInt(score > 1.2)))
		default:
			d.Label = append(d.Label, score)
		}
	}
	return d
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func quickParams(objective Objective) Params {
	p := DefaultParams()
	p.Objective, p.NumIterations, p.NumLeaves, p.NumThreads = objective, 8, 12, 2
	if objective == Multiclass {
		p.NumClass = 3
	}
	return p
}

func mustTrain(t *testing.T, p Params, d Dataset, valid ...Validation) *Model {
	t.Helper()
	m, err := Train(t.Context(), p, d, valid, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func modelText(t *testing.T, m *Model) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(b.String(), "\nparameters:")
	return text
}

// The model is the same, to the last digit, for any number of threads, also
// where leaves are so large that several goroutines divide them.
func TestTrainIndependentOfThreads(t *testing.T) {
	for _, objective := range []Objective{Regression, Binary, Multiclass} {
		t.Run(string(objective), func(t *testing.T) {
			d := synthetic(3*parallelRows, objective)
			p := quickParams(objective)
			p.BaggingFraction, p.BaggingFreq, p.FeatureFraction = 0.8, 1, 0.7
			p.NumIterations = 3
			p.NumThreads = 1
			want := modelText(t, mustTrain(t, p, d))
			for _, threads := range []int{2, 5, 16} {
				p.NumThreads = threads
				if got := modelText(t, mustTrain(t, p, d)); got != want {
					t.Fatalf("%d threads give another model than 1", threads)
				}
			}
		})
	}
}

// The scores that training keeps are those that the finished model predicts.
func TestTrainingScoresMatchModel(t *testing.T) {
	for _, objective := range []Objective{Regression, Binary, Multiclass} {
		t.Run(string(objective), func(t *testing.T) {
			d := synthetic(900, objective)
			p := quickParams(objective)
			p.BaggingFraction, p.BaggingFreq = 0.6, 2
			p.TrainingMetric = true
			for _, metric := range metricsOf(objective) {
				p.Metric = append(p.Metric, metric.name)
			}
			var last []Evaluation
			m, err := Train(t.Context(), p, d, []Validation{{"same", d}}, func(r Round) { last = r.Evaluations })
			if err != nil {
				t.Fatal(err)
			}
			want, err := m.Evaluate(t.Context(), &d, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(last) != 2*len(want) {
				t.Fatalf("%d evaluations, want %d on each of two sets", len(last), len(want))
			}
			for i, e := range last {
				compare(t, e.Set+" "+e.Metric, e.Value, want[i%len(want)].Value, 1e-9)
			}
		})
	}
}

func TestEarlyStopping(t *testing.T) {
	d, valid := synthetic(600, Binary), synthetic(301, Binary)
	p := quickParams(Binary)
	p.NumIterations, p.LearningRate, p.EarlyStoppingRound = 400, 0.5, 5
	var values []float64
	m, err := Train(t.Context(), p, d, []Validation{{"valid", valid}}, func(r Round) {
		values = append(values, r.Evaluations[0].Value)
	})
	if err != nil {
		t.Fatal(err)
	}
	best := 0
	for i, v := range values {
		if v < values[best] {
			best = i
		}
	}
	if m.Iterations() != best+1 || len(values) != best+1+p.EarlyStoppingRound {
		t.Errorf("model of %d rounds after %d; the best was round %d", m.Iterations(), len(values), best+1)
	}
}

func TestTrainCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := quickParams(Regression)
	p.NumIterations = 1000
	rounds := 0
	_, err := Train(ctx, p, synthetic(500, Regression), nil, func(Round) {
		if rounds++; rounds == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || rounds != 3 {
		t.Errorf("%v after %d rounds, want cancelled after 3", err, rounds)
	}
}

func TestMonotone(t *testing.T) {
	d := synthetic(2000, Regression)
	p := quickParams(Regression)
	p.NumIterations, p.MonotoneConstraints = 20, []int{1, 0, 0, 0}
	m := mustTrain(t, p, d)
	row, out := make([]float64, 4), make([]float64, 1)
	for i := range 200 {
		for j := range row {
			row[j] = d.Features[j].Values[i]
		}
		before := math.Inf(-1)
		for a := -4.0; a <= 4; a += 0.05 {
			row[0] = a
			if err := m.Predict(row, out); err != nil {
				t.Fatal(err)
			}
			if out[0] < before-1e-12 {
				t.Fatalf("row %d falls from %v to %v at a = %v", i, before, out[0], a)
			}
			before = out[0]
		}
	}
}

// Hopeless cuts are told without a division; with the test off, nothing may
// change.
func TestHopelessDropsNoWinner(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := &scanner{l2: 0.5, plain: true}
	leaf := &leafSums{}
	for range 200000 {
		left := entry{r.NormFloat64() * 10, r.Float64() * 5}
		right := entry{r.NormFloat64() * 10, r.Float64() * 5}
		gain := s.splitGain(left, right, s.l2, 1, 1, 0, leaf)
		floor := gain * (1 + (r.Float64()-0.5)*math.Pow(10, -float64(r.IntN(16))))
		if s.hopeless(left, right, floor) && gain >= floor {
			t.Fatalf("gain %v is called hopeless against %v", gain, floor)
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	good := func() Dataset { return synthetic(100, Multiclass) }
	for _, tt := range []struct {
		name   string
		change func(p *Params, d *Dataset)
		kind   error
		want   string
	}{
		{"no rows", func(_ *Params, d *Dataset) { *d = Dataset{} }, ErrData, "no rows"},
		{"no features", func(_ *Params, d *Dataset) { d.Features = nil }, ErrData, "no features"},
		{"short column", func(_ *Params, d *Dataset) { d.Features[1].Values = d.Features[1].Values[:5] }, ErrData, `"b" has 5 values for 100 labels`},
		{"NaN label", func(_ *Params, d *Dataset) { d.Label[7] = math.NaN() }, ErrData, "row 7"},
		{"infinite label", func(_ *Params, d *Dataset) { d.Label[7] = math.Inf(1) }, ErrData, "row 7"},
		{"class out of range", func(_ *Params, d *Dataset) { d.Label[3] = 3 }, ErrData, "label 3 of row 3"},
		{"negative class", func(_ *Params, d *Dataset) { d.Label[3] = -1 }, ErrData, "label -1 of row 3"},
		{"broken class", func(_ *Params, d *Dataset) { d.Label[3] = 1.5 }, ErrData, "label 1.5 of row 3"},
		{"negative weight", func(_ *Params, d *Dataset) { d.Weight = make([]float64, 100); d.Weight[2] = -1 }, ErrData, "weight -1 of row 2"},
		{"no weight", func(_ *Params, d *Dataset) { d.Weight = make([]float64, 100) }, ErrData, "all weights are 0"},
		{"weights of other rows", func(_ *Params, d *Dataset) { d.Weight = make([]float64, 99) }, ErrData, "99 weights"},
		{"name twice", func(_ *Params, d *Dataset) { d.Features[1].Name = "a" }, ErrData, `"a" appears twice`},
		{"name of JSON", func(_ *Params, d *Dataset) { d.Features[1].Name = "a:b" }, ErrData, `"a:b"`},
		{"no name", func(_ *Params, d *Dataset) { d.Features[1].Name = "" }, ErrData, "feature 1 has no name"},
		{"one class", func(p *Params, _ *Dataset) { p.NumClass = 1 }, ErrParameter, "num_class"},
		{"metric of another objective", func(p *Params, _ *Dataset) { p.Metric = []string{"auc"} }, ErrParameter, `metric "auc"`},
		{"constraints of other features", func(p *Params, _ *Dataset) { p.MonotoneConstraints = []int{1} }, ErrParameter, "1 entries for 4"},
		{"no leaves", func(p *Params, _ *Dataset) { p.NumLeaves = 1 }, ErrParameter, "num_leaves"},
		{"NaN rate", func(p *Params, _ *Dataset) { p.LearningRate = math.NaN() }, ErrParameter, "learning_rate"},
		{"unknown objective", func(p *Params, _ *Dataset) { p.Objective = "lambdarank" }, ErrParameter, `"lambdarank"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, d := quickParams(Multiclass), good()
			tt.change(&p, &d)
			_, err := Train(t.Context(), p, d, nil, nil)
			if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %v with %q", err, tt.kind, tt.want)
			}
		})
	}
	t.Run("class out of range in validation", func(t *testing.T) {
		d := good()
		d.Label[4] = 9
		_, err := Train(t.Context(), quickParams(Multiclass), good(), []Validation{{"v", d}}, nil)
		if !errors.Is(err, ErrData) || !strings.Contains(err.Error(), "validation data v") || !strings.Contains(err.Error(), "row 4") {
			t.Errorf("%v", err)
		}
	})
}

// Data that cannot teach anything still gives a model, which predicts the start.
func TestTrainOnLittle(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name      string
		objective Objective
		d         Dataset
		want      []float64
	}{
		{"one row", Regression, Dataset{Features: []Feature{{Name: "x", Values: []float64{5}}}, Label: []float64{3}}, []float64{3}},
		{"constant feature", Regression, Dataset{Features: []Feature{{Name: "x", Values: []float64{5, 5}}}, Label: []float64{3, 4}}, []float64{3.5}},
		{"fewer rows than a leaf needs", Regression, Dataset{Features: []Feature{{Name: "x", Values: []float64{1, 2, 3}}}, Label: []float64{1, 2, 3}}, []float64{2}},
		{"all missing", Regression, Dataset{Features: []Feature{{Name: "x", Values: []float64{nan, nan}}}, Label: []float64{3, 4}}, []float64{3.5}},
		{"all categories missing", Regression, Dataset{Features: []Feature{{Name: "x", Values: []float64{nan, -4}, Categorical: true}}, Label: []float64{3, 4}}, []float64{3.5}},
		{"one class of two", Binary, Dataset{Features: []Feature{{Name: "x", Values: []float64{1, 2, 3}}}, Label: []float64{1, 1, 1}}, []float64{1}},
		{"one class of three", Multiclass, Dataset{Features: []Feature{{Name: "x", Values: []float64{1, 2, 3}}}, Label: []float64{1, 1, 1}}, []float64{0, 1, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mustTrain(t, quickParams(tt.objective), tt.d)
			out := make([]float64, m.TreesPerIteration)
			if err := m.Predict([]float64{5}, out); err != nil {
				t.Fatal(err)
			}
			for k := range out {
				compare(t, fmt.Sprintf("output %d", k), out[k], tt.want[k], 1e-12)
			}
			again, err := ReadModel(strings.NewReader(modelText(t, m)))
			if err != nil {
				t.Fatal(err)
			}
			if again.Iterations() != m.Iterations() {
				t.Errorf("%d rounds after reading, %d before", again.Iterations(), m.Iterations())
			}
		})
	}
}

// Infinite and huge values, in training and after it, are values like others.
func TestInfiniteValues(t *testing.T) {
	d := synthetic(400, Regression)
	for i := range 40 {
		d.Features[0].Values[i] = math.Inf(1 - 2*(i%2))
		d.Features[1].Values[i] = math.MaxFloat64 * float64(1-2*(i%2))
		d.Features[2].Values[i] = math.Inf(1)
	}
	m := mustTrain(t, quickParams(Regression), d)
	scores, err := m.PredictBatch(t.Context(), dataColumns(&d, 400), 1)
	if err != nil {
		t.Fatal(err)
	}
	row := make([]float64, 4)
	for i, got := range scores[0] {
		want := 0.0
		for j := range row {
			row[j] = d.Features[j].Values[i]
		}
		for _, tree := range m.Trees {
			want += tree.value(row)
		}
		compare(t, fmt.Sprintf("row %d", i), got, want, 1e-12)
	}
}

// A category that training never saw goes where missing ones go.
func TestUnseenCategory(t *testing.T) {
	d := synthetic(800, Regression)
	m := mustTrain(t, quickParams(Regression), d)
	predict := func(category float64) float64 {
		out := make([]float64, 1)
		if err := m.Predict([]float64{0.3, 0.5, category, 3}, out); err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	want := predict(math.NaN())
	for _, category := range []float64{12, 1e6, -1, 1e300, math.Inf(1), math.Inf(-1)} {
		if got := predict(category); got != want {
			t.Errorf("category %v gives %v, a missing one %v", category, got, want)
		}
	}
}

// Categories by the thousand do not fit a byte.
func TestManyCategories(t *testing.T) {
	const rows = 6000
	r := rand.New(rand.NewPCG(3, 3))
	d := Dataset{Features: []Feature{{Name: "id", Categorical: true}, {Name: "x"}}}
	for range rows {
		id := float64(r.IntN(900))
		d.Features[0].Values = append(d.Features[0].Values, id)
		d.Features[1].Values = append(d.Features[1].Values, r.NormFloat64())
		d.Label = append(d.Label, float64(int(id)%3)+0.1*r.NormFloat64())
	}
	p := quickParams(Regression)
	p.NumIterations, p.CatSmooth, p.MinDataPerGroup, p.MinDataInLeaf = 40, 1, 5, 5
	e, err := mustTrain(t, p, d).Evaluate(t.Context(), &d, 1)
	if err != nil {
		t.Fatal(err)
	}
	if e[0].Value > 0.3 {
		t.Errorf("l2 %v, the label's own variance is 0.67", e[0].Value)
	}
}

// Classes that validation lacks leave its metrics finite.
func TestValidationWithoutAClass(t *testing.T) {
	valid := synthetic(200, Multiclass)
	for i := range valid.Label {
		valid.Label[i] = min(valid.Label[i], 1)
	}
	p := quickParams(Multiclass)
	p.Metric = []string{"multi_logloss", "multi_error", "auc_mu"}
	_, err := Train(t.Context(), p, synthetic(600, Multiclass), []Validation{{"v", valid}}, func(r Round) {
		for _, e := range r.Evaluations {
			if e.Value-e.Value != 0 {
				t.Errorf("round %d: %s is %v", r.Iteration, e.Metric, e.Value)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Numbers of rows are estimated from hessians while cuts are compared. With
// weights far apart the estimate can see rows where there are none; no leaf may
// come of it.
func TestNoEmptyLeaves(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 5))
		d := synthetic(150, Binary)
		d.Weight = make([]float64, 150)
		for i := range d.Weight {
			d.Weight[i] = math.Exp(6 * r.NormFloat64())
		}
		p := quickParams(Binary)
		p.MinDataInLeaf, p.MinSumHessianInLeaf, p.NumLeaves, p.CatSmooth = 0, 0, 40, 0
		for _, tree := range mustTrain(t, p, d).Trees {
			for leaf, rows := range tree.LeafCount {
				if rows == 0 && tree.Leaves() > 1 {
					t.Fatalf("seed %d: leaf %d of %d has no rows", seed, leaf, tree.Leaves())
				}
			}
		}
	}
}

// Where every ratio is a number, the order is that of any stable sort.
func TestSortRanks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		ranks := make([]rank, n)
		for i := range ranks {
			ranks[i] = rank{float64(random.IntN(1 + n/2)), i}
		}
		want := slices.Clone(ranks)
		slices.SortStableFunc(want, func(a, b rank) int { return cmp.Compare(a.ratio, b.ratio) })
		if sortRanks(ranks, make([]rank, n)); !slices.Equal(ranks, want) {
			t.Fatalf("%d ranks come out as %v, not %v", n, ranks, want)
		}
	}
}
