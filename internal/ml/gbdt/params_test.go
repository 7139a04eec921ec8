package gbdt

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseConfig(t *testing.T) {
	got, err := ParseConfig(strings.NewReader("\uFEFF# all comment\n\n task = train \nobjective=multiclass # five classes\r\nmetric = multi_logloss,auc_mu\nname = \"a b\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Parameter{{"task", "train"}, {"objective", "multiclass"}, {"metric", "multi_logloss,auc_mu"}, {"name", "a b"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, err := ParseConfig(strings.NewReader("a = 1\nnonsense\n")); !errors.Is(err, ErrParameter) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v, want an error of line 2", err)
	}
}

func TestParseParams(t *testing.T) {
	p, err := ParseParams([]Parameter{
		{"app", "softmax"}, {"num_classes", "4"}, {"n_estimators", "7"}, {"eta", "0.25"}, {"reg_lambda", "1e-2"}, {"sub_row", "0.5"},
		{"is_training_metric", "true"}, {"mc", "1,-1, 0"}, {"auc_mu_weights", "0,1.5"}, {"metric", "softmax,multi_error"},
		{"tree_learner", "data"}, {"is_enable_sparse", "true"}, {"boosting_type", "gbrt"}, {"use_quantized_grad", "false"}, {"drop_rate", "0.10"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultParams()
	want.Objective, want.NumClass, want.NumIterations, want.LearningRate = Multiclass, 4, 7, 0.25
	want.LambdaL2, want.BaggingFraction, want.TrainingMetric = 0.01, 0.5, true
	want.MonotoneConstraints, want.AUCMuWeights, want.Metric = []int{1, -1, 0}, []float64{0, 1.5}, []string{"softmax", "multi_error"}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("%+v, want %+v", p, want)
	}
}

// The seeds that seed = 99 spreads are those of LightGBM (whose own file of a
// model trained so is in the golden data).
func TestSeedSpreads(t *testing.T) {
	m, _ := goldenModel(t, "binary_balanced")
	p, err := ParseParams([]Parameter{{"seed", "99"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range p.list() {
		if !strings.HasSuffix(entry.Name, "_seed") || entry.Name == "drop_seed" || entry.Name == "objective_seed" || entry.Name == "extra_seed" {
			continue
		}
		if want, ok := m.Parameter(entry.Name); !ok || entry.Value != want {
			t.Errorf("%s is %s, want %s", entry.Name, entry.Value, want)
		}
	}
	overridden, err := ParseParams([]Parameter{{"bagging_seed", "5"}, {"seed", "99"}})
	if err != nil || overridden.BaggingSeed != 5 || overridden.FeatureFractionSeed != p.FeatureFractionSeed {
		t.Errorf("a seed of its own is %d, %v", overridden.BaggingSeed, err)
	}
}

// The defaults are those that LightGBM writes for a model trained with nothing
// but an objective.
func TestDefaultsAreLightGBMs(t *testing.T) {
	m, _ := goldenModel(t, "binary")
	p := DefaultParams()
	given := map[string]bool{
		"objective": true, "metric": true, "num_iterations": true, "num_leaves": true, "num_threads": true,
		"deterministic": true, "force_col_wise": true, "verbosity": true, "categorical_feature": true,
	}
	ours := p.list()
	if len(ours) != len(m.Parameters) {
		t.Fatalf("%d parameters, LightGBM lists %d", len(ours), len(m.Parameters))
	}
	for i, entry := range ours {
		want := m.Parameters[i]
		if entry.Name != want.Name || entry.Value != want.Value && !given[entry.Name] {
			t.Errorf("parameter %d is %v, want %v", i, entry, want)
		}
	}
}

// docs/ml/gbdt.md says of every parameter what it does here, and its default.
func TestParametersAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "ml", "gbdt.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	at := func(start string) string {
		i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, start) })
		if i < 0 {
			t.Fatalf("no line starts with %q", start)
		}
		return lines[i]
	}
	lists := map[standing]string{indifferent: at("These choose, in LightGBM,"), unsupported: at("These may be given with their defaults alone")}
	for _, p := range append(slices.Clone(listedParameters), unlistedParameters...) {
		if p.standing == effective {
			at(strings.ReplaceAll("| `"+p.name+"` | "+p.fallback+" |", "  ", " "))
		} else if !strings.Contains(lists[p.standing], "`"+p.name+"`") {
			t.Errorf("%s is not listed", p.name)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add("task = train\nobjective = binary # x\n")
	f.Add("seed=1\nmax_bin=1e3\nauc_mu_weights=0,nan")
	f.Fuzz(func(t *testing.T, text string) {
		given, err := ParseConfig(strings.NewReader(text))
		if err != nil {
			return
		}
		p, err := ParseParams(given)
		if err == nil {
			err = p.Validate()
		}
		if err != nil && !errors.Is(err, ErrParameter) {
			t.Fatalf("an error of another kind: %v", err)
		}
	})
}

// Bins keep the order of values, each value is in the bin whose bounds hold it,
// and the bound that a split writes divides values as their bins do.
func TestBins(t *testing.T) {
	value := rapid.OneOf(
		rapid.Float64Range(-10, 10), rapid.Map(rapid.IntRange(-5, 5), func(i int) float64 { return float64(i) }),
		rapid.SampledFrom([]float64{0, math.NaN(), 1e-36, 1e300, -1e300, math.Inf(1), math.Inf(-1)}),
	)
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(value, 1, 200).Draw(t, "values")
		p := binParams{
			maxBin: rapid.IntRange(2, 40).Draw(t, "max_bin"), minDataInBin: rapid.IntRange(1, 5).Draw(t, "min_data_in_bin"),
			useMissing: rapid.Bool().Draw(t, "use_missing"), zeroMissing: rapid.Bool().Draw(t, "zero_as_missing"),
		}
		m := newBinMapper(append([]float64(nil), values...), false, p)
		if m.numBin > p.maxBin {
			t.Fatalf("%d bins, at most %d", m.numBin, p.maxBin)
		}
		for _, v := range values {
			bin := m.bin(v)
			if bin < 0 || bin >= m.numBin {
				t.Fatalf("%v is in bin %d of %d", v, bin, m.numBin)
			}
			if v != v {
				continue
			}
			for threshold := range m.numBin - 1 {
				if bound := m.bounds[threshold]; bound == bound && (v <= bound) != (bin <= threshold) {
					t.Fatalf("%v is in bin %d, and %v <= %v, the bound of bin %d, is %v", v, bin, v, bound, threshold, v <= bound)
				}
			}
		}
	})
}

// Many categories, few of which are frequent: each has a bin of its own or is
// counted among the rare ones.
func TestCategoryBins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		codes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(-2, 6), rapid.IntRange(0, 400)), 1, 300).Draw(t, "codes")
		values := make([]float64, len(codes))
		for i, c := range codes {
			values[i] = float64(c)
		}
		m := newBinMapper(append([]float64(nil), values...), true, binParams{maxBin: 20, minDataInBin: 3, useMissing: true})
		if m.useless {
			return
		}
		for _, v := range slices.Concat(values, []float64{math.NaN(), 1e20, -7}) {
			bin := m.bin(v)
			if bin > 0 && float64(m.categories[bin]) != v {
				t.Fatalf("category %v is in the bin of %d", v, m.categories[bin])
			}
			if (v != v || v < 0 || v > 1e9) && bin != 0 {
				t.Fatalf("%v is in bin %d", v, bin)
			}
		}
	})
}
