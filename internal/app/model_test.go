package app

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/ml/gbdt"
	"github.com/bodega-hq/bodega/internal/ml/gbdt/table"
)

// modelRunCommand runs the command line as main would.
func modelRunCommand(t *testing.T, format term.Format, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var cli commands
	parser, err := kong.New(&cli, kong.Name("bodega"), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(append([]string{"model"}, args...))
	if err != nil {
		return "", "", err
	}
	var out, progress strings.Builder
	parsed.BindTo(t.Context(), (*context.Context)(nil))
	err = parsed.Run(&term.Terminal{Format: format, In: strings.NewReader(""), Out: &out, Err: &progress})
	return out.String(), progress.String(), err
}

// The binary has the command, the server's variables mean nothing to it, and
// scripts can tell a bad command line from bad data.
func TestModelExitCodes(t *testing.T) {
	t.Setenv("BODEGA_CONFIG", filepath.Join(t.TempDir(), "absent.yaml"))
	data := modelFile(t, "F.csv", modelNumbers(60))
	out := filepath.Join(t.TempDir(), "MODEL.txt")
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"model", "train", "--data", data, "--label", "y", "--param", "objective=binary", "--out", out}, 0, "binary"},
		{[]string{"model", "show", out}, 0, "binary"},
		{[]string{"model", "train", "--data", data, "--label", "z", "--out", out}, 1, `no such column: "z"`},
		{[]string{"model", "train", "--date", data}, 2, "Run `bodega model train --help`"},
		{[]string{"cluster-points", "--eps", "-1"}, 2, "Run `bodega cluster-points --help`"},
		{[]string{"feed", "--date"}, 2, "Run `bodega feed --help`"},
	} {
		var printed strings.Builder
		terminal := &term.Terminal{In: strings.NewReader(""), Out: &printed, Err: &printed}
		if code := run(t.Context(), tt.args, Parts{}, terminal); code != tt.code || !strings.Contains(printed.String(), tt.says) {
			t.Errorf("bodega %s: exit code %d, want %d; printed %q", strings.Join(tt.args, " "), code, tt.code, printed.String())
		}
	}
}

// modelMust runs a command that has to succeed and prints JSON into v.
func modelMust(t *testing.T, v any, args ...string) (stderr string) {
	t.Helper()
	out, stderr, err := modelRunCommand(t, term.JSON, args...)
	if err != nil {
		t.Fatalf("bodega model %s: %v", strings.Join(args, " "), err)
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("%v in %.300s", err, out)
	}
	return stderr
}

func modelFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// modelVariances is a table such as accountants label: text categories, missing
// amounts, a root cause.
func modelVariances(rows int) string {
	var b strings.Builder
	b.WriteString("root_cause,amount,currency,event name,day\n")
	currencies, events := []string{"USD", "CAD", "AUD"}, []string{"refund", "order cart, adjusted", "tip", "payout"}
	for i := range rows {
		x := uint32(i)*2654435761 + 12345
		currency, event := int(x>>8)%3, int(x>>16)%4
		amount := float64(int(x>>4)%2000)/10 - 100
		cause := 0
		if event == 1 || amount > 60 {
			cause = 1
		} else if currency == 2 {
			cause = 2
		}
		cell := strconv.FormatFloat(amount, 'f', 1, 64)
		if i%17 == 0 {
			cell = ""
		}
		fmt.Fprintf(&b, "%d,%s,%s,%q,%d\n", cause, cell, currencies[currency], events[event], 1+int(x>>20)%28)
	}
	return b.String()
}

type modelReportJSON struct {
	Iterations int
	Trees      int
	Features   int
	Stopped    bool `json:"stopped_early"`
	Metrics    map[string]map[string]float64
}

type modelRowsJSON struct {
	Columns []string
	Rows    [][]float64
}

func TestModelTrainPredictEval(t *testing.T) {
	data, valid := modelFile(t, "F.csv", modelVariances(900)), modelFile(t, "G.csv", modelVariances(300))
	out := filepath.Join(t.TempDir(), "MODEL.txt")
	var trained modelReportJSON
	modelMust(t, &trained, "train", "--data", data, "--label", "root_cause", "--categorical", "currency,event name",
		"--param", "objective=multiclass", "--param", "num_class=3", "--param", "num_trees=30", "--param", "metric=multi_logloss,multi_error",
		"--valid", valid, "--out", out)
	if trained.Iterations != 30 || trained.Trees != 90 || trained.Features != 4 {
		t.Errorf("report %+v", trained)
	}
	metrics := map[string]float64{}
	modelMust(t, &metrics, "eval", "--model", out, "--data", valid, "--label", "root_cause")
	for _, name := range []string{"multi_logloss", "multi_error", "auc_mu"} {
		if _, ok := metrics[name]; !ok {
			t.Errorf("eval prints no %s: %v", name, metrics)
		}
	}
	if got, want := metrics["multi_logloss"], trained.Metrics[valid]["multi_logloss"]; math.Abs(got-want) > 1e-12 {
		t.Errorf("eval says %v, training said %v", got, want)
	}
	if metrics["multi_error"] > 0.1 {
		t.Errorf("multi_error %v on a label that follows a rule", metrics["multi_error"])
	}
	var predicted, raw, contributions modelRowsJSON
	modelMust(t, &predicted, "predict", "--model", out, "--data", valid)
	modelMust(t, &raw, "predict", "--model", out, "--data", valid, "--raw")
	modelMust(t, &contributions, "predict", "--model", out, "--data", valid, "--contrib")
	if len(predicted.Rows) != 300 || len(predicted.Columns) != 3 || len(contributions.Columns) != 3*5 {
		t.Fatalf("%d rows of %v, contributions of %v", len(predicted.Rows), predicted.Columns, contributions.Columns)
	}
	for r, row := range predicted.Rows {
		if sum := row[0] + row[1] + row[2]; math.Abs(sum-1) > 1e-12 {
			t.Errorf("row %d: probabilities add up to %v", r, sum)
		}
		for k := range row {
			sum := 0.0
			for _, v := range contributions.Rows[r][k*5 : k*5+5] {
				sum += v
			}
			if math.Abs(sum-raw.Rows[r][k]) > 1e-9 {
				t.Errorf("row %d, class %d: contributions add up to %v, the raw score is %v", r, k, sum, raw.Rows[r][k])
			}
		}
	}
	text, _, err := modelRunCommand(t, term.Text, "predict", "--model", out, "--data", valid)
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) != 301 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	if v, err := strconv.ParseFloat(records[1][2], 64); err != nil || v != predicted.Rows[0][2] {
		t.Errorf("as text %s, as JSON %v", records[1][2], predicted.Rows[0][2])
	}
	var shown struct {
		Objective string
		Trees     int
		Features  []struct {
			Name, Kind string
			Splits     int
			Categories []any
		}
	}
	modelMust(t, &shown, "show", out)
	if shown.Trees != 90 || len(shown.Features) != 4 || shown.Objective != "multiclass num_class:3" {
		t.Errorf("show %+v", shown)
	}
	for _, f := range shown.Features {
		if f.Name == "event_name" && (f.Kind != "categorical" || len(f.Categories) != 4) {
			t.Errorf("event name is shown as %+v", f)
		}
	}
}

// Columns may stand in another order, more of them, and hold categories that
// training never saw.
func TestModelPredictByName(t *testing.T) {
	data := modelFile(t, "F.csv", modelVariances(600))
	out := filepath.Join(t.TempDir(), "MODEL.txt")
	var report modelReportJSON
	modelMust(t, &report, "train", "--data", data, "--label", "0", "--categorical", "2,event name",
		"--param", "objective=multiclass", "--param", "num_class=3", "--param", "num_iterations=5", "--out", out)
	var a, b modelRowsJSON
	modelMust(t, &a, "predict", "--model", out, "--data", modelFile(t, "a.csv", "root_cause,amount,currency,event name,day\n0,12.5,USD,tip,3\n1,12.5,,tip,3\n"))
	modelMust(t, &b, "predict", "--model", out, "--data", modelFile(t, "b.csv", "memo,day,event name,currency,amount\nx,3,tip,USD,12.5\ny,3,tip,EUR,12.5\n"))
	if fmt.Sprint(a.Rows) != fmt.Sprint(b.Rows) {
		t.Errorf("%v by one order, %v by another; a category never seen counts as missing", a.Rows, b.Rows)
	}
}

// Categories that are true and false are booleans to pandas, and so they are in
// the model's list.
func TestModelBooleanCategories(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("y,flag,odd\n")
	for i := range 300 {
		fmt.Fprintf(&rows, "%d,%s,%s\n", i%2, []string{"False", "True"}[i%2], []string{"true", "maybe", ""}[i%3])
	}
	out := filepath.Join(t.TempDir(), "MODEL.txt")
	var report modelReportJSON
	modelMust(t, &report, "train", "--data", modelFile(t, "F.csv", rows.String()), "--label", "y", "--categorical", "flag,odd",
		"--param", "objective=binary", "--param", "num_iterations=5", "--out", out)
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if want := `pandas_categorical:[[false,true],["maybe","true"]]`; !strings.Contains(string(text), want) {
		t.Errorf("no %s in the model", want)
	}
	var got modelRowsJSON
	modelMust(t, &got, "predict", "--model", out, "--data", modelFile(t, "G.csv", "flag,odd\nTrue,\ntrue,\nFALSE,\n"))
	if got.Rows[0][0] != got.Rows[1][0] || got.Rows[0][0] <= got.Rows[2][0] {
		t.Errorf("True, true and FALSE give %v", got.Rows)
	}
}

// Rows that teach nothing still give a model, and the command says why it
// predicts the same for all.
func TestModelTrainOnLittle(t *testing.T) {
	var constant strings.Builder
	constant.WriteString("y,a\n")
	for i := range 100 {
		fmt.Fprintf(&constant, "%d,7\n", i%2)
	}
	for _, tt := range []struct{ name, content, says string }{
		{"fewer rows than a leaf needs", "y,a\n0,1\n1,2\n0,3\n", "3 rows are fewer than twice min_data_in_leaf = 20"},
		{"one class only", "y,a\n" + strings.Repeat("1,5\n1,6\n", 50), "every label is 1"},
		{"constant feature", constant.String(), "no feature has values that divide the rows"},
		{"infinities and NaN", "y,a\n0,inf\n1,-inf\n0,nan\n", "3 rows are fewer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, out := modelFile(t, "F.csv", tt.content), filepath.Join(t.TempDir(), "MODEL.txt")
			var report modelReportJSON
			stderr := modelMust(t, &report, "train", "--data", data, "--label", "y", "--param", "objective=binary", "--out", out)
			if !strings.Contains(stderr, tt.says) {
				t.Errorf("standard error %q does not say %q", stderr, tt.says)
			}
			var got modelRowsJSON
			modelMust(t, &got, "predict", "--model", out, "--data", data)
			for i, row := range got.Rows {
				if row[0] != got.Rows[0][0] || !(row[0] >= 0 && row[0] <= 1) {
					t.Fatalf("row %d has prediction %v, row 0 %v", i, row[0], got.Rows[0][0])
				}
			}
		})
	}
}

// A model of a pandas frame keeps its categories' texts only in its last line.
func TestModelPredictPandas(t *testing.T) {
	dir := filepath.Join("..", "ml", "gbdt", "testdata")
	text, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]struct{ Predicted []string }
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	var got modelRowsJSON
	modelMust(t, &got, "predict", "--model", filepath.Join(dir, "pandas.model.txt"), "--data", filepath.Join(dir, "pandas.csv"))
	want := golden["pandas"].Predicted
	if len(got.Rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(got.Rows), len(want))
	}
	for i, text := range want {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got.Rows[i][0]-v) > 1e-12 {
			t.Errorf("row %d: %v, want %v", i, got.Rows[i][0], v)
		}
	}
}

func TestModelTrainConfig(t *testing.T) {
	dir := t.TempDir()
	data := modelFile(t, "train.tsv", strings.ReplaceAll(strings.ReplaceAll(modelNumbers(400), ",", "\t"), "y\ta\tb\n", ""))
	conf := modelFile(t, "train.conf", fmt.Sprintf(`# a comment
task = train
objective = binary   # binary log loss
data = %s
valid_data = %s
num_trees = 7
num_leaf = 5
is_training_metric = true
metric = binary_logloss,auc
output_model = %s
machine_list_file = mlist.txt
`, data, data, filepath.Join(dir, "unused.txt")))
	out := filepath.Join(dir, "MODEL.txt")
	var report modelReportJSON
	stderr := modelMust(t, &report, "train", "--config", conf, "--param", "num_iterations=4", "--out", out)
	if report.Iterations != 4 || len(report.Metrics["training"]) != 2 || len(report.Metrics) != 1 {
		t.Errorf("report %+v", report)
	}
	for _, want := range []string{"num_trees = 7 is overridden by --param", "output_model = ", "overridden by --out"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr does not say %q:\n%s", want, stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "unused.txt")); !errors.Is(err, os.ErrNotExist) {
		t.Error("the overridden model was written")
	}
}

// modelNumbers is a table of y, a, b with y above 0 where a - b is.
func modelNumbers(rows int) string {
	var b strings.Builder
	b.WriteString("y,a,b\n")
	for i := range rows {
		x := uint32(i)*2654435761 + 99
		first, second := float64(int(x>>7)%200)/10, float64(int(x>>17)%200)/10
		y := 0
		if first > second {
			y = 1
		}
		fmt.Fprintf(&b, "%d,%g,%g\n", y, first, second)
	}
	return b.String()
}

// Weights beside the file count, in training and in evaluation.
func TestModelWeights(t *testing.T) {
	data := modelFile(t, "F.csv", modelNumbers(400))
	dir := t.TempDir()
	train := func(name string) map[string]float64 {
		out := filepath.Join(dir, name)
		var report modelReportJSON
		modelMust(t, &report, "train", "--data", data, "--label", "y", "--param", "objective=binary", "--param", "num_iterations=5", "--out", out)
		metrics := map[string]float64{}
		modelMust(t, &metrics, "eval", "--model", out, "--data", data, "--label", "y")
		return metrics
	}
	plain := train("plain.txt")
	if err := os.WriteFile(data+".weight", []byte(strings.Repeat("3\n0.5\n", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	weighted := train("weighted.txt")
	if plain["binary_logloss"] == weighted["binary_logloss"] {
		t.Error("weights change nothing")
	}
	withColumn := strings.Split(strings.TrimSpace(modelNumbers(400)), "\n")
	for i := range withColumn {
		withColumn[i] += "," + []string{"w", "3", "0.5"}[min(i, 1)+(1-i%2)*min(i, 1)]
	}
	byColumn := modelFile(t, "W.csv", strings.Join(withColumn, "\n"))
	out := filepath.Join(dir, "column.txt")
	var report modelReportJSON
	modelMust(t, &report, "train", "--data", byColumn, "--label", "y", "--weight", "w", "--param", "objective=binary", "--param", "num_iterations=5", "--out", out)
	metrics := map[string]float64{}
	modelMust(t, &metrics, "eval", "--model", out, "--data", byColumn, "--label", "y", "--weight", "w")
	if math.Abs(metrics["binary_logloss"]-weighted["binary_logloss"]) > 1e-12 {
		t.Errorf("weights of a column give %v, those of a file %v", metrics["binary_logloss"], weighted["binary_logloss"])
	}
}

// Zeros that a LibSVM file leaves out are zeros, and a file that ends before the
// last feature is whole.
func TestModelSparse(t *testing.T) {
	var sparse, dense strings.Builder
	for i := range 300 {
		x := uint32(i)*2654435761 + 7
		a, b := int(x>>9)%3, int(x>>15)%4
		y := 0
		if a > 0 || b == 3 {
			y = 1
		}
		fmt.Fprintf(&sparse, "%d", y)
		for j, v := range []int{a, b} {
			if v != 0 {
				fmt.Fprintf(&sparse, " %d:%d", j, v)
			}
		}
		sparse.WriteByte('\n')
		fmt.Fprintf(&dense, "%d,%d,%d\n", y, a, b)
	}
	out := filepath.Join(t.TempDir(), "MODEL.txt")
	var report modelReportJSON
	modelMust(t, &report, "train", "--data", modelFile(t, "F.libsvm", sparse.String()), "--categorical", "1",
		"--param", "objective=binary", "--param", "num_iterations=5", "--out", out)
	var a, b, short modelRowsJSON
	modelMust(t, &a, "predict", "--model", out, "--data", modelFile(t, "F.libsvm", sparse.String()))
	modelMust(t, &b, "predict", "--model", out, "--data", modelFile(t, "F.csv", dense.String()))
	modelMust(t, &short, "predict", "--model", out, "--data", modelFile(t, "S.libsvm", "1 0:2\n0 0:1\n"))
	if fmt.Sprint(a) != fmt.Sprint(b) {
		t.Error("the sparse and the dense file give different predictions")
	}
	if len(short.Rows) != 2 {
		t.Errorf("a file without the last feature gives %d rows", len(short.Rows))
	}
}

func TestModelTrainRefuses(t *testing.T) {
	good := modelNumbers(60)
	for _, tt := range []struct {
		name, content string
		args          []string
		kind          error
		want          string
	}{
		{"missing label column", good, []string{"--label", "z"}, table.ErrColumn, `label: no such column: "z"; there are y, a, b`},
		{"missing categorical column", good, []string{"--label", "y", "--categorical", "c"}, table.ErrColumn, `--categorical: no such column: "c"`},
		{"label as category", good, []string{"--label", "y", "--categorical", "0"}, nil, "is the label"},
		{"text as number", "y,a\n1,2\n0,x\n", []string{"--label", "y"}, table.ErrText, `column "a", line 3: "x" is not a number; name the column in --categorical`},
		{"text as label", "y,a\nyes,2\n", []string{"--label", "y"}, table.ErrText, `column "y", line 2: "yes"`},
		{"no label", "y,a\n,2\n1,3\n", []string{"--label", "y"}, nil, `column "y", line 2: there is no value`},
		{"NaN label", "y,a\nnan,2\n1,3\n", []string{"--label", "y"}, nil, `column "y", line 2: there is no value`},
		{"infinite label", "y,a\n1,2\ninf,3\n", []string{"--label", "y"}, nil, `column "y", line 3: the value is infinite`},
		{"empty file", "", []string{"--label", "y"}, table.ErrFormat, "empty"},
		{"header only", "y,a\n", []string{"--label", "y"}, table.ErrFormat, "no rows"},
		{"ragged", "y,a\n1,2\n1\n", []string{"--label", "y"}, table.ErrFormat, "line 3 has 1 cells"},
		{"unknown parameter", good, []string{"--label", "y", "--param", "depth=3"}, gbdt.ErrParameter, "depth is not a parameter"},
		{"unsupported parameter", good, []string{"--label", "y", "--param", "boosting=dart"}, gbdt.ErrParameter, "boosting = dart is not supported"},
		{"unsupported objective", good, []string{"--label", "y", "--param", "objective=lambdarank"}, gbdt.ErrParameter, "lambdarank"},
		{"value of another kind", good, []string{"--label", "y", "--param", "num_leaves=many"}, gbdt.ErrParameter, `num_leaves = "many"`},
		{"value out of range", good, []string{"--label", "y", "--param", "bagging_fraction=2"}, gbdt.ErrParameter, "bagging_fraction = 2"},
		{"two values", good, []string{"--label", "y", "--param", "num_trees=2", "--param", "num_iterations=3"}, gbdt.ErrParameter, "two things"},
		{"no value", good, []string{"--label", "y", "--param", "num_trees"}, gbdt.ErrParameter, "name=value"},
		{"class out of range", good, []string{"--label", "a", "--param", "objective=multiclass", "--param", "num_class=2"}, gbdt.ErrData, "num_class = 2"},
		{"nowhere to write", good, []string{"--label", "y", "--out", filepath.Join(t.TempDir(), "absent", "M.txt")}, os.ErrNotExist, "--out"},
		{"other task", good, []string{"--label", "y", "--param", "task=predict"}, nil, "this command trains"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "MODEL.txt")
			args := append([]string{"train", "--data", modelFile(t, "F.csv", tt.content), "--out", out}, tt.args...)
			_, _, err := modelRunCommand(t, term.Text, args...)
			if err == nil || tt.kind != nil && !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want something of %q", err, tt.want)
			}
			if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
				t.Error("a model was written nevertheless")
			}
		})
	}
}

func TestModelPredictRefuses(t *testing.T) {
	out := filepath.Join(t.TempDir(), "MODEL.txt")
	var report modelReportJSON
	modelMust(t, &report, "train", "--data", modelFile(t, "F.csv", modelNumbers(200)), "--label", "y",
		"--param", "objective=binary", "--param", "num_iterations=3", "--out", out)
	model, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, model, data, want string }{
		{"column missing", string(model), "a,c\n1,2\n", `no column "b"`},
		{"text as number", string(model), "a,b\n1,x\n", `column "b", line 2: "x"`},
		{"too few columns", string(model), "1\n2\n", "1 columns, the model has 2 features"},
		{"too many features", string(model), "1 0:1 5:2\n", "feature 5"},
		{"truncated model", string(model[:len(model)/2]), "a,b\n1,2\n", "truncated"},
		{"no model", "hello\n", "a,b\n1,2\n", "not a text model"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := modelRunCommand(t, term.Text, "predict", "--model", modelFile(t, "M.txt", tt.model), "--data", modelFile(t, "F.csv", tt.data))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want something of %q", err, tt.want)
			}
		})
	}
}

// The metrics of LightGBM 4.6.0 on its own examples, with the parameters of
// their train.conf; "training" where the example has no test file.
func TestModelExamples(t *testing.T) {
	corpora := os.Getenv("BODEGA_CORPORA")
	if corpora == "" {
		corpora = filepath.Join("..", "..", "..", "shared", "data")
	}
	for _, tt := range []struct {
		name, config, data, valid string
		want                      map[string]float64
	}{
		{
			"multiclass", "lightgbm-examples/multiclass_classification.train.conf",
			"lightgbm-examples/multiclass_classification.multiclass.train", "lightgbm-examples/multiclass_classification.multiclass.test",
			map[string]float64{"multi_logloss": 1.2339480864724062, "auc_mu": 0.7534493560617952},
		},
		{
			"binary", "lightgbm-examples/binary_classification.train.conf",
			"lightgbm-examples/binary_classification.binary.train", "lightgbm-examples/binary_classification.binary.test",
			map[string]float64{"binary_logloss": 0.5031374101043904, "auc": 0.8315622683960234},
		},
		{
			"categorical", "lightgbm-categorical/train.conf",
			"lightgbm-categorical/categorical.data", "lightgbm-categorical/categorical.data",
			map[string]float64{"binary_logloss": 0.39429744775152514, "auc": 0.8352272125702925, "binary_error": 0.18057142857142858},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := func(name string) string { return filepath.Join(corpora, "ml", filepath.FromSlash(name)) }
			if _, err := os.Stat(at(tt.data)); err != nil {
				t.Skipf("not checked: that LightGBM's example %s reaches LightGBM's metric; its data is not at %s", tt.name, at(tt.data))
			}
			out := filepath.Join(t.TempDir(), "MODEL.txt")
			var report modelReportJSON
			modelMust(t, &report, "train", "--config", at(tt.config), "--data", at(tt.data), "--out", out)
			metrics := map[string]float64{}
			modelMust(t, &metrics, "eval", "--model", out, "--data", at(tt.valid))
			for name, want := range tt.want {
				if math.Abs(metrics[name]-want) > 0.005*want {
					t.Errorf("%s: %v, LightGBM has %v", name, metrics[name], want)
				}
			}
		})
	}
}
