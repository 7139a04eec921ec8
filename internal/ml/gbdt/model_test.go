package gbdt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The laid-out forest gives what walking the trees one by one gives, for any
// rows, missing and odd values included.
func TestForestMatchesTrees(t *testing.T) {
	for _, name := range []string{"binary", "binary_zero_missing", "binary_no_missing", "multiclass_cats", "multiclass_onehot", "linear", "pandas"} {
		m, _ := goldenModel(t, name)
		value := rapid.OneOf(
			rapid.Float64Range(-3, 3), rapid.Float64Range(-1e3, 1e3),
			rapid.Map(rapid.IntRange(-2, 130), func(i int) float64 { return float64(i) }),
			rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), 1e-36, -1e-36, math.MaxFloat64, 1e10, -0.5, math.Copysign(0, -1)}),
		)
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			rows := rapid.IntRange(1, 70).Draw(t, "rows")
			columns := make([][]float64, m.Features())
			for i := range columns {
				columns[i] = rapid.SliceOfN(value, rows, rows).Draw(t, "column")
			}
			got, err := m.PredictBatchRaw(context.Background(), columns, 1)
			if err != nil {
				t.Fatal(err)
			}
			row, scores := make([]float64, m.Features()), make([]float64, m.TreesPerIteration)
			for r := range rows {
				for i := range columns {
					row[i] = columns[i][r]
				}
				want := make([]float64, m.TreesPerIteration)
				for i, tree := range m.Trees {
					want[i%m.TreesPerIteration] += tree.value(row)
				}
				if err := m.PredictRaw(row, scores); err != nil {
					t.Fatal(err)
				}
				for k := range want {
					if got[k][r] != want[k] && want[k] == want[k] || scores[k] != want[k] && want[k] == want[k] {
						t.Fatalf("row %v: batch %v, single %v, trees %v", row, got[k][r], scores[k], want[k])
					}
				}
			}
		}))
	}
}

// Contributions are the Shapley values of the tree's expectation, found here by
// going through all subsets of features.
func TestContributionsAreShapleyValues(t *testing.T) {
	d := synthetic(500, Regression)
	p := quickParams(Regression)
	p.NumIterations, p.NumLeaves = 3, 7
	m := mustTrain(t, p, d)
	features := m.Features()
	for r := range 12 {
		row := make([]float64, features)
		one := make([][]float64, features)
		for i := range row {
			row[i] = d.Features[i].Values[r]
			one[i] = row[i : i+1]
		}
		got, err := m.Contributions(t.Context(), one, 1)
		if err != nil {
			t.Fatal(err)
		}
		worth := func(known int) float64 {
			sum := 0.0
			for _, tree := range m.Trees {
				sum += expectation(tree, row, known, 0)
			}
			return sum
		}
		compare(t, "expected value", got[features], worth(0), 1e-12)
		sum := got[features]
		for i := range features {
			want := 0.0
			for known := range 1 << features {
				if known>>i&1 != 0 {
					continue
				}
				size := 0
				for j := range features {
					size += known >> j & 1
				}
				want += factorial(size) * factorial(features-size-1) / factorial(features) * (worth(known|1<<i) - worth(known))
			}
			compare(t, fmt.Sprintf("row %d, feature %d", r, i), got[i], want, 1e-9)
			sum += got[i]
		}
		compare(t, "sum", sum, worth(1<<features-1), 1e-9)
	}
}

// expectation is the tree's mean output for rows that agree with row in the
// known features.
func expectation(t *Tree, row []float64, known, node int) float64 {
	if node < 0 {
		return t.LeafValue[^node]
	}
	if len(t.Left) == 0 {
		return t.LeafValue[0]
	}
	f := t.SplitFeature[node]
	if known>>f&1 != 0 {
		return expectation(t, row, known, t.next(node, row[f]))
	}
	all := float64(t.rows(node))
	return float64(t.rows(t.Left[node]))/all*expectation(t, row, known, t.Left[node]) +
		float64(t.rows(t.Right[node]))/all*expectation(t, row, known, t.Right[node])
}

func factorial(n int) float64 {
	v := 1.0
	for i := 2; i <= n; i++ {
		v *= float64(i)
	}
	return v
}

func TestPredictRefusesOtherShapes(t *testing.T) {
	m, _ := goldenModel(t, "binary")
	if err := m.Predict(make([]float64, 3), make([]float64, 1)); !errors.Is(err, ErrData) {
		t.Errorf("a short row: %v", err)
	}
	if _, err := m.PredictBatch(t.Context(), make([][]float64, 2), 1); !errors.Is(err, ErrData) {
		t.Errorf("few columns: %v", err)
	}
	ragged := make([][]float64, m.Features())
	ragged[3] = []float64{1}
	if _, err := m.PredictBatch(t.Context(), ragged, 1); !errors.Is(err, ErrData) {
		t.Errorf("ragged columns: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	full := make([][]float64, m.Features())
	for i := range full {
		full[i] = make([]float64, 10)
	}
	if _, err := m.PredictBatch(ctx, full, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A file that ends anywhere before its last tree does is refused.
func TestReadTruncated(t *testing.T) {
	_, text := goldenModel(t, "multiclass_stumps")
	whole := string(text)
	end := strings.Index(whole, "end of trees")
	for at := 0; at < end; at += 97 {
		if _, err := ReadModel(strings.NewReader(whole[:at])); !errors.Is(err, ErrModel) {
			t.Fatalf("cut at byte %d of %d: %v", at, end, err)
		}
	}
}

func TestReadHostile(t *testing.T) {
	_, text := goldenModel(t, "binary")
	good := string(text)
	line := func(key, value string) func(string) string {
		return func(s string) string {
			at := strings.Index(s, "\n"+key+"=") + 1
			end := at + strings.Index(s[at:], "\n")
			return s[:at] + key + "=" + value + s[end:]
		}
	}
	part := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	for _, tt := range []struct {
		name   string
		change func(string) string
		want   string
	}{
		{"other file", func(string) string { return "%PDF-1.4\n" }, "not a text model"},
		{"empty", func(string) string { return "" }, "not a text model"},
		{"version", line("version", "v9"), "version"},
		{"many leaves", line("num_leaves", "2000000000"), "num_leaves"},
		{"negative leaves", line("num_leaves", "-3"), "num_leaves"},
		{"many sets", line("num_cat", "1999999999"), "num_cat"},
		{"many classes", line("num_class", "2000000000"), "num_class"},
		{"many trees a round", line("num_tree_per_iteration", "7"), "num_tree_per_iteration"},
		{"many features", line("max_feature_idx", "2000000000"), "feature_names"},
		{"few names", line("feature_names", "a b"), "2 feature_names"},
		{"sizes of other trees", line("tree_sizes", "1 2"), "announces 2 trees"},
		{"child out of range", part("left_child=", "left_child=999 "), "left_child"},
		{"root as child", line("left_child", "0 0 0 0 0 0 0 0 0 0 0 0 0 0"), "no tree"},
		{"far child", line("left_child", "-99 2 3 4 5 6 7 8 9 10 11 12 13 -1"), "beyond"},
		{"feature out of range", line("split_feature", "99 0 0 0 0 0 0 0 0 0 0 0 0 0"), "feature 99"},
		{"negative feature", line("split_feature", "-1 0 0 0 0 0 0 0 0 0 0 0 0 0"), "feature -1"},
		{"decision", line("decision_type", "255 0 0 0 0 0 0 0 0 0 0 0 0 0"), "decision_type 255"},
		{"text as number", line("threshold", "x 0 0 0 0 0 0 0 0 0 0 0 0 0"), `"x"`},
		{"NaN threshold", line("threshold", "nan 0 0 0 0 0 0 0 0 0 0 0 0 0"), "no number as the threshold"},
		{"set out of range", func(s string) string {
			return line("threshold", "77 77 77 77 77 77 77 77 77 77 77 77 77 77")(s)
		}, "set 77"},
		{"boundaries", line("cat_boundaries", "0 5 2"), "cat_boundaries"},
		{"infinite leaf", part("leaf_value=", "leaf_value=inf "), "leaf_value"},
		{"no key", part("num_cat=", "num_cat"), "not key=value"},
		{"categories", part("pandas_categorical:null", "pandas_categorical:{"), "pandas_categorical"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changed := tt.change(good)
			if changed == good {
				t.Fatal("the case changes nothing")
			}
			_, err := ReadModel(strings.NewReader(changed))
			if !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want something of %q", err, tt.want)
			}
		})
	}
}

// A few bytes that ask for huge sets of categories do not get them.
func TestHugeSetsAreNotPadded(t *testing.T) {
	wide := &Tree{
		SplitFeature: []int{0}, SplitGain: []float64{1}, Threshold: []float64{0}, DecisionType: []uint8{1},
		Left: []int{-1}, Right: []int{-2}, LeafValue: []float64{1, 2},
		CategoryStart: []int{0, 1 << 20}, CategoryBits: make([]uint32, 1<<20),
	}
	wide.CategoryBits[1<<20-1] = 1
	trees := []*Tree{wide}
	for range 64 {
		trees = append(trees, &Tree{
			SplitFeature: []int{0}, SplitGain: []float64{1}, Threshold: []float64{0}, DecisionType: []uint8{1},
			Left: []int{-1}, Right: []int{-2}, LeafValue: []float64{1, 2},
			CategoryStart: []int{0, 1}, CategoryBits: []uint32{2},
		})
	}
	m := &Model{NumClass: 1, TreesPerIteration: 1, FeatureNames: []string{"c"}, FeatureInfos: []string{"none"}, Trees: trees}
	out := make([]float64, 1)
	for category, want := range map[float64]float64{1: 2 + 64, 5: 2 + 128, 32 * (1<<20 - 1): 1 + 128} {
		if err := m.Predict([]float64{category}, out); err != nil || out[0] != want {
			t.Errorf("category %v: %v, want %v (%v)", category, out[0], want, err)
		}
	}
	if n := len(m.forest().bits); n > 1<<20 {
		t.Errorf("%d words of sets for %d of the file", n, 1<<20+64)
	}
}

func FuzzReadModel(f *testing.F) {
	for _, name := range []string{"binary", "linear", "pandas", "multiclass_stumps", "forest"} {
		text, err := os.ReadFile("testdata/" + name + ".model.txt")
		if err != nil {
			f.Fatal(err)
		}
		// Two trees are enough to change things in.
		head, _, _ := strings.Cut(string(text), "Tree=2")
		f.Add(head + "end of trees\n")
		f.Add(string(text))
	}
	f.Fuzz(surviveModel)
}

// surviveModel reads a text that may be anything. What is accepted has to serve
// and to be written so that it can be read again.
func surviveModel(t *testing.T, text string) {
	m, err := ReadModel(strings.NewReader(text))
	if err != nil {
		if !errors.Is(err, ErrModel) {
			t.Fatalf("an error of another kind: %v", err)
		}
		return
	}
	columns := make([][]float64, m.Features())
	for i := range columns {
		columns[i] = []float64{0, 1, math.NaN(), -5, 1e9, math.Inf(1)}
	}
	if _, err := m.PredictBatch(t.Context(), columns, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Contributions(t.Context(), columns, 1); err != nil && !errors.Is(err, ErrModel) {
		t.Fatal(err)
	}
	var out strings.Builder
	if _, err := m.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadModel(strings.NewReader(out.String())); err != nil {
		t.Fatalf("what was written is not read: %v", err)
	}
}

// Bytes changed at random seldom get past the first checks. Here lines and
// numbers of good models are changed, so that the deeper ones are reached.
func TestReadChanged(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	for _, name := range []string{"binary", "linear", "pandas", "multiclass_cats", "forest", "ova"} {
		_, text := goldenModel(t, name)
		head, _, _ := strings.Cut(string(text), "Tree=3")
		_, tail, _ := strings.Cut(string(text), "end of trees")
		for range 700 {
			lines := strings.Split(head+"end of trees"+tail, "\n")
			for i, line := range lines {
				if strings.HasPrefix(line, "tree_sizes=") {
					lines[i] = "tree_sizes=1 1 1" // as many as are left
				}
			}
			for range 1 + r.IntN(3) {
				// Three of four changes hit the header or a tree.
				most := len(lines)
				if r.IntN(4) > 0 {
					most = min(most, strings.Count(head, "\n"))
				}
				lines = changeLine(r, lines, r.IntN(most))
			}
			surviveModel(t, strings.Join(lines, "\n"))
		}
	}
}

// changeLine cuts the file at a line, repeats it, drops it, or puts something
// odd in the place of one of its numbers.
func changeLine(r *rand.Rand, lines []string, at int) []string {
	odd := []string{"-1", "0", "1", "-2147483648", "2147483647", "4294967295", "99999999999", "1e308", "-1e308", "1e-320", "nan", "inf", "0.5", "", "x", "7 7"}
	switch r.IntN(12) {
	case 0:
		return lines[:at+1]
	case 1:
		return slices.Insert(lines, r.IntN(len(lines)), lines[at])
	case 2:
		if len(lines) > 1 {
			return slices.Delete(lines, at, at+1)
		}
	}
	key, value, _ := strings.Cut(lines[at], "=")
	numbers := strings.Split(value, " ")
	numbers[r.IntN(len(numbers))] = odd[r.IntN(len(odd))]
	lines[at] = key + "=" + strings.Join(numbers, " ")
	return lines
}
