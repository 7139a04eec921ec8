package gbdt

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// The golden files come from LightGBM 4.6.0 by testdata/make_golden.py.

type goldenCase struct {
	Label         string
	Params        map[string]any
	Objective     string
	NumLeaves     int `json:"num_leaves"`
	Categorical   []string
	Weighted      bool
	Trainable     bool
	Raw           []string
	Predicted     []string
	Contributions []string
	Metrics       map[string]string
}

func goldenCases(t *testing.T) map[string]goldenCase {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]goldenCase
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// goldenRows reads a golden table by column name; an empty cell is NaN.
func goldenRows(t *testing.T) (names []string, columns map[string][]float64) {
	t.Helper()
	f, err := os.Open("testdata/rows.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	columns = make(map[string][]float64)
	for _, record := range records[1:] {
		for i, cell := range record {
			v := math.NaN()
			if cell != "" {
				if v, err = strconv.ParseFloat(cell, 64); err != nil {
					t.Fatal(err)
				}
			}
			columns[records[0][i]] = append(columns[records[0][i]], v)
		}
	}
	return records[0], columns
}

var goldenFeatures = []string{"x0", "x1", "x2", "x3", "x4", "x5", "c0", "c1", "c2"}

func goldenDataset(t *testing.T, c *goldenCase) Dataset {
	t.Helper()
	_, columns := goldenRows(t)
	d := Dataset{Label: columns[c.Label]}
	if c.Weighted {
		d.Weight = columns["weight"]
	}
	for _, name := range goldenFeatures {
		f := Feature{Name: name, Values: columns[name]}
		for _, categorical := range c.Categorical {
			f.Categorical = f.Categorical || categorical == name
		}
		d.Features = append(d.Features, f)
	}
	return d
}

// goldenParams are the parameters that the case was trained with.
func goldenParams(t *testing.T, c *goldenCase) Params {
	t.Helper()
	given := []Parameter{{"objective", c.Objective}, {"num_iterations", "12"}}
	if _, ok := c.Params["num_leaves"]; !ok {
		given = append(given, Parameter{"num_leaves", strconv.Itoa(c.NumLeaves)})
	}
	for name, value := range c.Params {
		text := fmt.Sprint(value)
		if list, ok := value.([]any); ok {
			items := make([]string, len(list))
			for i, v := range list {
				items[i] = fmt.Sprint(v)
			}
			text = strings.Join(items, ",")
		}
		given = append(given, Parameter{name, text})
	}
	p, err := ParseParams(given)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func goldenModel(t *testing.T, name string) (*Model, []byte) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".model.txt"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadModel(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return m, text
}

func forEachGolden(t *testing.T, f func(t *testing.T, name string, c goldenCase)) {
	t.Helper()
	cases := goldenCases(t)
	names := make([]string, 0, len(cases))
	for name := range cases {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) { f(t, name, cases[name]) })
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func compare(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*max(1, math.Abs(want)) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// dataColumns are the columns of the golden rows as the model's features.
func dataColumns(d *Dataset, rows int) [][]float64 {
	columns := make([][]float64, len(d.Features))
	for i := range d.Features {
		columns[i] = d.Features[i].Values[:rows]
	}
	return columns
}

func TestGoldenPredictions(t *testing.T) {
	forEachGolden(t, func(t *testing.T, name string, c goldenCase) {
		if name == "pandas" {
			t.Skip("its features are text; the command line's tests read them")
		}
		m, _ := goldenModel(t, name)
		d := goldenDataset(t, &c)
		rows := len(c.Raw) / m.TreesPerIteration
		columns := dataColumns(&d, rows)
		check := func(what string, predict func() ([][]float64, error), want []string) {
			got, err := predict()
			if err != nil {
				t.Fatal(err)
			}
			for i, text := range want {
				compare(t, fmt.Sprintf("%s %d", what, i), got[i%m.TreesPerIteration][i/m.TreesPerIteration], number(t, text), 1e-12)
			}
		}
		check("raw score", func() ([][]float64, error) { return m.PredictBatchRaw(t.Context(), columns, 2) }, c.Raw)
		check("prediction", func() ([][]float64, error) { return m.PredictBatch(t.Context(), columns, 2) }, c.Predicted)
		check("raw score of a row", func() ([][]float64, error) {
			out := newScores(m.TreesPerIteration, rows)
			row, scores := make([]float64, m.Features()), make([]float64, m.TreesPerIteration)
			for r := range rows {
				for i := range columns {
					row[i] = columns[i][r]
				}
				if err := m.PredictRaw(row, scores); err != nil {
					return nil, err
				}
				for k, v := range scores {
					out[k][r] = v
				}
			}
			return out, nil
		}, c.Raw)
		if c.Contributions == nil {
			if _, err := m.Contributions(t.Context(), columns, 1); err == nil {
				t.Error("contributions of linear leaves came without an error")
			}
			return
		}
		perRow := m.TreesPerIteration * (m.Features() + 1)
		explained := len(c.Contributions) / perRow
		got, err := m.Contributions(t.Context(), dataColumns(&d, explained), 2)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range c.Contributions {
			compare(t, fmt.Sprintf("contribution %d", i), got[i], number(t, text), 1e-12)
		}
	})
}

// A model that is read and written again is the same text, but for numbers
// that the file rounds twice.
func TestGoldenRoundTrip(t *testing.T) {
	forEachGolden(t, func(t *testing.T, name string, _ goldenCase) {
		m, want := goldenModel(t, name)
		var got bytes.Buffer
		if _, err := m.WriteTo(&got); err != nil {
			t.Fatal(err)
		}
		// Categories are JSON; only the spaces differ.
		spaceless := func(s string) string {
			models, categories, _ := strings.Cut(s, "pandas_categorical:")
			return models + strings.ReplaceAll(categories, ", ", ",")
		}
		compareModelText(t, spaceless(got.String()), spaceless(string(want)), nil)
	})
}

// looseLines are lines of a model file whose numbers are sums that the order of
// additions, or another exponential function, moves in the last digits.
var looseLines = map[string]float64{
	"split_gain": 1e-5, "leaf_value": 1e-9, "leaf_weight": 1e-9, "internal_value": 1e-4, "internal_weight": 1e-5,
	"leaf_const": 1e-12, "leaf_coeff": 1e-12,
}

func compareModelText(t *testing.T, got, want string, skip func(key string) bool) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	tree, bad := "header", 0
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) {
			t.Errorf("%d lines, want %d", len(g), len(w))
			return
		}
		key, value, _ := strings.Cut(w[i], "=")
		if key == "Tree" {
			tree = w[i]
		}
		if g[i] == w[i] || skip != nil && skip(key) {
			continue
		}
		if tolerance, ok := looseLines[key]; ok {
			gotKey, gotValue, _ := strings.Cut(g[i], "=")
			if gotKey == key && closeLists(gotValue, value, tolerance) {
				continue
			}
		}
		if bad++; bad <= 5 {
			t.Errorf("%s, line %d:\n got %.300s\nwant %.300s", tree, i+1, g[i], w[i])
		}
	}
}

func closeLists(a, b string, tolerance float64) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		v, errV := strconv.ParseFloat(x[i], 64)
		w, errW := strconv.ParseFloat(y[i], 64)
		if errV != nil || errW != nil || math.Abs(v-w) > tolerance*max(1e-3, math.Abs(w)) {
			return false
		}
	}
	return true
}

// Trained on the same rows with the same parameters, the models are the same:
// every split, threshold, category set and count.
func TestGoldenTraining(t *testing.T) {
	forEachGolden(t, func(t *testing.T, name string, c goldenCase) {
		if !c.Trainable {
			t.Skip("its objective is only served, not trained")
		}
		_, want := goldenModel(t, name)
		for _, threads := range []int{1, 3} {
			p := goldenParams(t, &c)
			p.NumThreads = threads
			p.TrainingMetric = true
			for metric := range c.Metrics {
				p.Metric = append(p.Metric, metric)
			}
			last := map[string]float64{}
			m, err := Train(context.Background(), p, goldenDataset(t, &c), nil, func(r Round) {
				for _, e := range r.Evaluations {
					last[e.Metric] = e.Value
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := m.WriteTo(&got); err != nil {
				t.Fatal(err)
			}
			beforeParameters := func(s string) string { s, _, _ = strings.Cut(s, "\nparameters:"); return s }
			compareModelText(t, beforeParameters(got.String()), beforeParameters(string(want)), func(key string) bool { return key == "tree_sizes" })
			for metric, text := range c.Metrics {
				compare(t, metric, last[metric], number(t, text), 1e-9)
			}
		}
	})
}
