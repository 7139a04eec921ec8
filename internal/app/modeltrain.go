package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/ml/gbdt"
	"github.com/bodega-hq/bodega/internal/ml/gbdt/table"
)

// ModelTrainCmd trains a model: `bodega model train`.
type ModelTrainCmd struct {
	Data        string   `placeholder:"F.csv" help:"Training rows: comma- or tab-separated with or without a header, or LibSVM; weights beside them in F.csv.weight count."`
	Label       string   `placeholder:"COL" help:"Column of the label, by name or number from 0; the first where it is not given."`
	Categorical []string `placeholder:"COL,..." help:"Columns that hold categories, by name or number from 0 as in the file; their cells may be text."`
	Weight      string   `placeholder:"COL" help:"Column of the rows' weights, by name or number from 0."`
	// BODEGA_CONFIG is the server's configuration, so this flag has no variable.
	Config string   `placeholder:"train.conf" env:"-" help:"Parameters in LightGBM's form, a line each: name = value."`
	Param  []string `placeholder:"K=V" sep:"none" help:"A parameter by LightGBM's name; it overrides the configuration. Can be repeated."`
	Valid  []string `placeholder:"G.csv" sep:"none" help:"Rows to report metrics on and to stop early by. Can be repeated."`
	Out    string   `placeholder:"MODEL.txt" help:"Where to write the model, in LightGBM's text format."`
}

// Help is the long help text.
func (c *ModelTrainCmd) Help() string {
	return `Parameters have LightGBM's names, aliases and defaults; one that is not supported is an error. A configuration's own data, valid, output_model and label_column hold where the flag is not given; its numbers of columns do not count the label, as LightGBM has it, while the flags' numbers are those of the file.

  bodega model train --data train.csv --label root_cause --categorical currency,event --param objective=multiclass --param num_class=5 --valid test.csv --param early_stopping_round=10 --out MODEL.txt
  bodega model train --config train.conf --out MODEL.txt`
}

// modelTrained is what `model train -o json` prints.
type modelTrained struct {
	Model      string                  `json:"model"`
	Objective  string                  `json:"objective"`
	Rows       int                     `json:"rows"`
	Features   int                     `json:"features"`
	Iterations int                     `json:"iterations"`
	Trees      int                     `json:"trees"`
	Stopped    bool                    `json:"stopped_early"`
	Metrics    map[string]modelMetrics `json:"metrics"`
	sets       []string
}

// modelRun is a training command with its configuration read.
type modelRun struct {
	*ModelTrainCmd
	params gbdt.Params
	header table.Header
	// label and weight are the training table's columns, -1 for none, and
	// labelName and weightName what it calls them.
	label, weight         int
	labelName, weightName string
}

// Run reads everything, trains and writes the model.
func (c *ModelTrainCmd) Run(ctx context.Context, t *term.Terminal) error {
	run, err := c.configure(t)
	if err != nil {
		return fmt.Errorf("model train: %w", err)
	}
	read, err := modelReadTable(t, c.Data, run.header)
	if err != nil {
		return fmt.Errorf("model train: %w", err)
	}
	data, schema, categories, err := run.trainingData(t, read)
	if err != nil {
		return fmt.Errorf("model train on %s: %w", c.Data, err)
	}
	valid, err := run.validations(t, schema)
	if err != nil {
		return fmt.Errorf("model train: %w", err)
	}
	if run.params.EarlyStoppingRound > 0 && len(valid) == 0 {
		fmt.Fprintln(t.Err, "early_stopping_round has nothing to watch without --valid: training runs to the end")
	}
	var rounds []gbdt.Round
	bar := t.Progress("train", int64(run.params.NumIterations))
	model, err := gbdt.Train(ctx, run.params, *data, valid, func(r gbdt.Round) {
		rounds = append(rounds, r)
		bar.Set(int64(r.Iteration), modelNote(r))
	})
	if len(rounds) > 0 {
		bar.Finish()
	}
	if err != nil {
		return fmt.Errorf("model train on %s: %w", c.Data, err)
	}
	if reason := modelUnlearned(model, data, &run.params); reason != "" {
		fmt.Fprintf(t.Err, "nothing was learned, and every row gets the same prediction: %s\n", reason)
	}
	model.LabelIndex = schema.label
	model.PandasCategorical = categories
	if err := modelSave(model, c.Out); err != nil {
		return fmt.Errorf("model train: %w", err)
	}
	report := modelReport(c.Out, model, data.Rows(), rounds)
	return t.Print(report, report.text)
}

// modelNote is the metric beside the progress bar: of validation rows where
// there are any.
func modelNote(r gbdt.Round) string {
	if len(r.Evaluations) == 0 {
		return ""
	}
	at := max(slices.IndexFunc(r.Evaluations, func(e gbdt.Evaluation) bool { return e.Set != "training" }), 0)
	e := r.Evaluations[at]
	return fmt.Sprintf("%s %s %.6g", filepath.Base(e.Set), e.Metric, e.Value) // a long path would wrap the bar
}

// configure settles flags, parameters and configuration file, in this order.
func (c *ModelTrainCmd) configure(t *term.Terminal) (*modelRun, error) {
	var given []gbdt.Parameter
	set := make(map[string]bool)
	for _, text := range c.Param {
		p, err := gbdt.ParseParameter(text)
		if err != nil {
			return nil, fmt.Errorf("--param: %w", err)
		}
		given = append(given, p)
		set[gbdt.CanonicalName(p.Name)] = true
	}
	if c.Config != "" {
		fromFile, err := modelReadConfig(c.Config)
		if err != nil {
			return nil, err
		}
		for _, p := range fromFile {
			if set[gbdt.CanonicalName(p.Name)] {
				fmt.Fprintf(t.Err, "%s: %s = %s is overridden by --param\n", c.Config, p.Name, p.Value)
				continue
			}
			given = append(given, p)
		}
	}
	rest, err := c.takeOwn(t, given)
	if err != nil {
		return nil, err
	}
	run := &modelRun{ModelTrainCmd: c, header: table.Auto}
	if run.params, err = gbdt.ParseParams(rest); err != nil {
		return nil, err
	}
	if err := run.params.Validate(); err != nil {
		return nil, err
	}
	for _, p := range rest {
		if gbdt.CanonicalName(p.Name) == "header" {
			run.header = table.No
			if run.params.Header {
				run.header = table.Yes
			}
		}
	}
	switch {
	case c.Data == "":
		return nil, errors.New("there is no training data: give --data, or data in the configuration")
	case c.Out == "":
		return nil, errors.New("there is nowhere to write the model: give --out, or output_model in the configuration")
	}
	// Hours of training are not to end in this error.
	if _, err := os.Stat(filepath.Dir(c.Out)); err != nil {
		return nil, fmt.Errorf("--out %s: %w", c.Out, err)
	}
	return run, nil
}

func modelReadConfig(path string) ([]gbdt.Parameter, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	parameters, err := gbdt.ParseConfig(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return parameters, nil
}

// takeOwn uses the parameters that are about files and the task, and returns
// the others.
func (c *ModelTrainCmd) takeOwn(t *term.Terminal, given []gbdt.Parameter) ([]gbdt.Parameter, error) {
	var rest []gbdt.Parameter
	var valid []string
	dataGiven := c.Data != ""
	override := func(p gbdt.Parameter, flag string, value *string) {
		switch {
		case *value == "":
			*value = p.Value
		case *value != p.Value:
			fmt.Fprintf(t.Err, "%s = %s is overridden by --%s %s\n", p.Name, p.Value, flag, *value)
		}
	}
	for _, p := range given {
		switch name := gbdt.CanonicalName(strings.ToLower(p.Name)); name {
		case "task":
			if p.Value != "train" && p.Value != "training" {
				return nil, fmt.Errorf("task = %s: this command trains; see bodega model --help for the others", p.Value)
			}
		case "data":
			p.Value = c.resolve(p.Value)
			override(p, "data", &c.Data)
		case "output_model":
			override(p, "out", &c.Out)
		case "valid":
			if len(c.Valid) > 0 {
				fmt.Fprintf(t.Err, "%s = %s is overridden by --valid %s\n", p.Name, p.Value, strings.Join(c.Valid, " --valid "))
				continue
			}
			for _, path := range strings.Split(p.Value, ",") {
				if path = strings.TrimSpace(path); path == "" {
					continue
				}
				path = c.resolve(path)
				// Beside data of the command line, a configuration's own
				// validation files may well be absent.
				if _, err := os.Stat(path); dataGiven && errors.Is(err, fs.ErrNotExist) {
					fmt.Fprintf(t.Err, "%s = %s is left out: there is no such file, and --data is not the configuration's own; give --valid to validate\n", p.Name, p.Value)
					continue
				}
				valid = append(valid, path)
			}
		case "output_result", "start_iteration_predict", "num_iteration_predict", "predict_raw_score", "predict_leaf_index", "predict_contrib", "predict_disable_shape_check":
			fmt.Fprintf(t.Err, "%s = %s is about predicting and has no part in training\n", p.Name, p.Value)
		default:
			rest = append(rest, p)
		}
	}
	c.Valid = append(c.Valid, valid...)
	return rest, nil
}

// resolve finds a file that a configuration names: from here, as LightGBM does,
// else from the configuration's own folder.
func (c *ModelTrainCmd) resolve(path string) string {
	if c.Config == "" || filepath.IsAbs(path) {
		return path
	}
	if _, err := os.Stat(path); err == nil {
		return path
	}
	beside := filepath.Join(filepath.Dir(c.Config), path)
	if _, err := os.Stat(beside); err == nil {
		return beside
	}
	return path
}

// trainingData makes columns of a table into features. Categories that are text
// are numbered in the order of their texts, as pandas does, and listed for the
// model.
func (r *modelRun) trainingData(t *term.Terminal, read *table.Table) (*gbdt.Dataset, *modelSchema, [][]any, error) {
	fail := func(err error) (*gbdt.Dataset, *modelSchema, [][]any, error) { return nil, nil, nil, err }
	roles, err := r.assignRoles(read)
	if err != nil {
		return fail(err)
	}
	data := &gbdt.Dataset{}
	if data.Label, err = modelLabel(read, strconv.Itoa(max(roles.label, 0))); err != nil {
		return fail(err)
	}
	if data.Weight, err = modelWeights(t, read, r.Data, roles.weight); err != nil {
		return fail(err)
	}
	schema := &modelSchema{label: max(roles.label, 0), levels: make(map[int]*modelLevels)}
	var lists [][]any
	var categorical []string
	for column := range read.Columns {
		if column == roles.label {
			continue
		}
		number := len(data.Features)
		f := gbdt.Feature{Name: fmt.Sprintf("Column_%d", number), Categorical: roles.categorical[column]}
		if read.Names != nil {
			f.Name = read.Names[column]
		}
		switch {
		case roles.ignored[column]:
			// It keeps its place, so that numbers of features stay true.
			f.Values, f.Categorical = make([]float64, read.Rows), false
		case f.Categorical && !read.Numeric(column):
			list, codes, err := modelCategories(read, column)
			if err != nil {
				return fail(err)
			}
			f.Values = codes
			lists = append(lists, list)
			schema.levels[number] = modelLevelsOf(list)
		default:
			if f.Values, err = read.Numbers(column); err != nil {
				return fail(fmt.Errorf("%w; name the column in --categorical to use its cells as categories", err))
			}
		}
		if f.Categorical {
			categorical = append(categorical, strconv.Itoa(number))
		}
		data.Features = append(data.Features, f)
		schema.names = append(schema.names, strings.ReplaceAll(f.Name, " ", "_"))
	}
	r.params.CategoricalFeature = strings.Join(categorical, ",")
	r.label, r.weight = roles.label, roles.weight
	if read.Names != nil {
		r.labelName = read.Names[roles.label]
		if roles.weight >= 0 {
			r.weightName = read.Names[roles.weight]
		}
	}
	return data, schema, lists, nil
}

// modelCategories numbers the texts of a column; missing cells have no number.
// Where all texts are true or false they are listed as booleans, as pandas
// does, so that a frame read from the same file finds its categories again.
func modelCategories(read *table.Table, column int) (list []any, codes []float64, err error) {
	cells, err := read.Texts(column)
	if err != nil {
		return nil, nil, err
	}
	var texts []string
	for _, cell := range cells {
		if v, isNumber := table.Number(cell); isNumber && v != v {
			continue
		}
		texts = append(texts, cell)
	}
	slices.Sort(texts)
	texts = slices.Compact(texts)
	if boolean := modelBooleans(texts); boolean != nil {
		list = boolean
	} else {
		for _, text := range texts {
			list = append(list, text)
		}
	}
	return list, modelLevelsOf(list).codes(cells), nil
}

// modelBooleans are the booleans that the texts say; nil where one says none.
func modelBooleans(texts []string) []any {
	var list []any
	rest := len(texts)
	for _, v := range []bool{false, true} {
		n := 0
		for _, text := range texts {
			if slices.Contains(modelBoolTexts[v], text) {
				n++
			}
		}
		if n > 0 {
			list = append(list, v)
		}
		rest -= n
	}
	if rest > 0 {
		return nil
	}
	return list
}

// modelRoles says what a table's columns are for; -1 is none.
type modelRoles struct {
	label, weight        int
	categorical, ignored []bool
}

func (r *modelRun) assignRoles(read *table.Table) (*modelRoles, error) {
	roles := &modelRoles{label: -1, weight: -1, categorical: make([]bool, read.Columns), ignored: make([]bool, read.Columns)}
	var err error
	if read.Format != table.LibSVM {
		label := r.Label
		if label == "" {
			label = strings.TrimPrefix(r.params.LabelColumn, "name:")
		}
		if label == "" {
			label = "0"
		}
		if roles.label, err = read.Index(label); err != nil {
			return nil, fmt.Errorf("label: %w", err)
		}
	} else if r.Label != "" && r.Label != "0" && r.Label != "label" {
		return nil, fmt.Errorf("--label %s: a LibSVM line starts with its label", r.Label)
	}
	if r.Weight != "" {
		if roles.weight, err = read.Index(r.Weight); err != nil {
			return nil, fmt.Errorf("--weight: %w", err)
		}
	} else if r.params.WeightColumn != "" {
		columns, err := roles.fromParameter(read, "weight_column", r.params.WeightColumn)
		if err != nil {
			return nil, err
		}
		roles.weight = columns[0]
	}
	if roles.weight >= 0 {
		roles.ignored[roles.weight] = true
	}
	ignored, err := roles.fromParameter(read, "ignore_column", r.params.IgnoreColumn)
	if err != nil {
		return nil, err
	}
	for _, column := range ignored {
		roles.ignored[column] = true
	}
	var categorical []int
	if len(r.Categorical) > 0 {
		for _, name := range r.Categorical {
			column, err := read.Index(strings.TrimSpace(name))
			if err != nil {
				return nil, fmt.Errorf("--categorical: %w", err)
			}
			categorical = append(categorical, column)
		}
	} else if categorical, err = roles.fromParameter(read, "categorical_feature", r.params.CategoricalFeature); err != nil {
		return nil, err
	}
	for _, column := range categorical {
		if column == roles.label {
			return nil, fmt.Errorf("column %q is the label and cannot be a categorical feature; --categorical takes the file's own numbers, the label counted", read.Name(column))
		}
		roles.categorical[column] = true
	}
	return roles, nil
}

// fromParameter reads columns as LightGBM's parameters name them:
// "name:a,b", or numbers that do not count the label.
func (m *modelRoles) fromParameter(read *table.Table, parameter, text string) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	names, byName := strings.CutPrefix(text, "name:")
	var columns []int
	for _, item := range strings.Split(names, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		var column int
		var err error
		if byName {
			column, err = read.Index(item)
		} else {
			column, err = strconv.Atoi(item)
			if m.label >= 0 && column >= m.label {
				column++
			}
			if err == nil && (column < 0 || column >= read.Columns) {
				err = fmt.Errorf("there is no feature %s", item)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s = %s: %w", parameter, text, err)
		}
		columns = append(columns, column)
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("%s = %s names no column", parameter, text)
	}
	return columns, nil
}

// validations reads the validation files. The training file among them only
// asks for its metrics.
func (r *modelRun) validations(t *term.Terminal, schema *modelSchema) ([]gbdt.Validation, error) {
	var valid []gbdt.Validation
	for _, path := range r.Valid {
		if path == r.Data {
			r.params.TrainingMetric = true
			continue
		}
		read, err := modelReadTable(t, path, r.header)
		if err != nil {
			return nil, err
		}
		label, weight := strconv.Itoa(max(r.label, 0)), ""
		if r.weight >= 0 {
			weight = strconv.Itoa(r.weight)
		}
		if read.Names != nil && r.labelName != "" {
			label, weight = r.labelName, r.weightName
		}
		data, err := schema.dataset(t, read, path, label, weight)
		if err != nil {
			return nil, fmt.Errorf("validation rows %s: %w", path, err)
		}
		valid = append(valid, gbdt.Validation{Name: path, Dataset: *data})
	}
	return valid, nil
}

// modelUnlearned says why no tree has a split; empty where one has.
func modelUnlearned(model *gbdt.Model, data *gbdt.Dataset, p *gbdt.Params) string {
	if slices.ContainsFunc(model.Trees, func(tree *gbdt.Tree) bool { return tree.Leaves() > 1 }) {
		return ""
	}
	switch {
	case p.NumIterations == 0:
		return "num_iterations is 0"
	case data.Rows() < 2*p.MinDataInLeaf:
		return fmt.Sprintf("%d rows are fewer than twice min_data_in_leaf = %d", data.Rows(), p.MinDataInLeaf)
	case slices.Min(data.Label) == slices.Max(data.Label):
		return fmt.Sprintf("every label is %v", data.Label[0])
	case !slices.ContainsFunc(model.FeatureInfos, func(info string) bool { return info != "none" }):
		return fmt.Sprintf("no feature has values that divide the rows into two parts of at least min_data_in_leaf = %d", p.MinDataInLeaf)
	}
	return "no split of any feature lowers the loss"
}

// modelSave writes a model file that is whole or not there.
func modelSave(model *gbdt.Model, path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".model-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if _, err := model.WriteTo(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func modelReport(path string, model *gbdt.Model, rows int, rounds []gbdt.Round) *modelTrained {
	report := &modelTrained{
		Model: path, Objective: model.Objective, Rows: rows, Features: model.Features(),
		Iterations: model.Iterations(), Trees: len(model.Trees), Metrics: make(map[string]modelMetrics),
	}
	report.Stopped = len(rounds) > report.Iterations
	// The metrics are those of the last round that the model has, or of the
	// last before it that reported any.
	for i := min(report.Iterations, len(rounds)) - 1; i >= 0 && len(report.sets) == 0; i-- {
		for _, e := range rounds[i].Evaluations {
			if report.Metrics[e.Set] == nil {
				report.sets = append(report.sets, e.Set)
			}
			if !math.IsNaN(e.Value) {
				report.Metrics[e.Set] = append(report.Metrics[e.Set], modelMetric{e.Metric, e.Value})
			}
		}
	}
	return report
}

func (r *modelTrained) text(w io.Writer) error {
	stopped := ""
	if r.Stopped {
		stopped = ", the best round before training stopped early"
	}
	if _, err := fmt.Fprintf(w, "%s: %s, %d trees in %d rounds%s, from %d rows of %d features\n",
		r.Model, r.Objective, r.Trees, r.Iterations, stopped, r.Rows, r.Features); err != nil {
		return err
	}
	if len(r.sets) == 0 {
		return nil
	}
	var rows [][]string
	for _, set := range r.sets {
		for _, m := range r.Metrics[set] {
			rows = append(rows, []string{set, m.name, strconv.FormatFloat(m.value, 'g', 8, 64)})
		}
	}
	return term.Table(w, []string{"rows", "metric", "value"}, rows)
}
