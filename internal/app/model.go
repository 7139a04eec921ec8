package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/ml/gbdt"
	"github.com/bodega-hq/bodega/internal/ml/gbdt/table"
)

// ModelCmd trains and serves gradient-boosted trees: `bodega model`.
type ModelCmd struct {
	Train   ModelTrainCmd   `cmd:"" help:"Train a model on a table."`
	Predict ModelPredictCmd `cmd:"" help:"Score the rows of a table."`
	Eval    ModelEvalCmd    `cmd:"" help:"Measure a model on labelled rows."`
	Show    ModelShowCmd    `cmd:"" help:"Say what a model is made of."`
}

// ModelPredictCmd scores rows: `bodega model predict`.
type ModelPredictCmd struct {
	Model   string       `required:"" placeholder:"MODEL.txt" help:"Model in LightGBM's text format."`
	Data    string       `required:"" placeholder:"F.csv" help:"Rows to score: comma- or tab-separated with or without a header, or LibSVM; - reads standard input."`
	Label   string       `placeholder:"COL" help:"Column to leave out, by name or number from 0, where the file holds labels."`
	Header  table.Header `enum:"auto,yes,no" default:"auto" help:"Whether the file starts with a line of column names: ${enum}."`
	Contrib bool         `help:"Print what each feature contributes to each row's raw score (SHAP), the expected score last."`
	Raw     bool         `help:"Print raw scores instead of probabilities."`
	Threads int          `default:"0" help:"Goroutines that score; 0 is one per processor."`
}

// Help is the long help text.
func (c *ModelPredictCmd) Help() string {
	return `Prints a line of column names and a line per row: a probability per class, or the predicted value. Columns are found by name where model and file have names, else by place.

  bodega model predict --model MODEL.txt --data rows.csv > predictions.csv`
}

// modelPredictions is what `model predict -o json` prints.
type modelPredictions struct {
	Columns []string    `json:"columns"`
	Rows    [][]float64 `json:"rows"`
}

// Run scores the rows and writes them.
func (c *ModelPredictCmd) Run(ctx context.Context, t *term.Terminal) error {
	if c.Contrib && c.Raw {
		return errors.New("model predict: --contrib explains raw scores already; leave --raw out")
	}
	model, err := modelLoad(t, c.Model)
	if err != nil {
		return fmt.Errorf("model predict: %w", err)
	}
	read, err := modelReadTable(t, c.Data, c.Header)
	if err != nil {
		return fmt.Errorf("model predict: %w", err)
	}
	schema, err := modelSchemaOf(model, read)
	if err != nil {
		return fmt.Errorf("model predict with %s: %w", c.Model, err)
	}
	columns, err := schema.columns(read, c.Label)
	if err != nil {
		return fmt.Errorf("model predict of %s: %w", c.Data, err)
	}
	out, err := c.score(ctx, model, columns, read.Rows)
	if err != nil {
		return fmt.Errorf("model predict: %w", err)
	}
	if err := t.Print(out, out.write); err != nil {
		return fmt.Errorf("write predictions: %w", err)
	}
	return nil
}

func (c *ModelPredictCmd) score(ctx context.Context, model *gbdt.Model, columns [][]float64, rows int) (*modelPredictions, error) {
	out := &modelPredictions{Rows: make([][]float64, rows)}
	if c.Contrib {
		values, err := model.Contributions(ctx, columns, c.Threads)
		if err != nil {
			return nil, err
		}
		for _, class := range modelOutputs(model) {
			for _, name := range model.FeatureNames {
				out.Columns = append(out.Columns, modelJoin(model, class, name))
			}
			out.Columns = append(out.Columns, modelJoin(model, class, "expected_value"))
		}
		for r := range out.Rows {
			out.Rows[r] = values[r*len(out.Columns) : (r+1)*len(out.Columns)]
		}
		return out, nil
	}
	predict := model.PredictBatch
	if c.Raw {
		predict = model.PredictBatchRaw
	}
	scores, err := predict(ctx, columns, c.Threads)
	if err != nil {
		return nil, err
	}
	out.Columns = modelOutputs(model)
	flat := make([]float64, rows*len(scores))
	for r := range out.Rows {
		out.Rows[r] = flat[r*len(scores) : (r+1)*len(scores)]
		for k := range scores {
			out.Rows[r][k] = scores[k][r]
		}
	}
	return out, nil
}

// modelOutputs names what a model predicts.
func modelOutputs(model *gbdt.Model) []string {
	if model.TreesPerIteration == 1 {
		return []string{"prediction"}
	}
	names := make([]string, model.TreesPerIteration)
	for k := range names {
		names[k] = fmt.Sprintf("class_%d", k)
	}
	return names
}

func modelJoin(model *gbdt.Model, class, name string) string {
	if model.TreesPerIteration == 1 {
		return name
	}
	return class + ":" + name
}

// write prints predictions with all their digits.
func (p *modelPredictions) write(w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	out.WriteString(strings.Join(p.Columns, ","))
	out.WriteByte('\n')
	var line []byte
	for _, row := range p.Rows {
		line = line[:0]
		for k, v := range row {
			if k > 0 {
				line = append(line, ',')
			}
			line = strconv.AppendFloat(line, v, 'g', -1, 64)
		}
		out.Write(append(line, '\n')) // its error comes back from Flush
	}
	return out.Flush()
}

// ModelEvalCmd measures a model: `bodega model eval`.
type ModelEvalCmd struct {
	Model   string       `required:"" placeholder:"MODEL.txt" help:"Model in LightGBM's text format."`
	Data    string       `required:"" placeholder:"F.csv" help:"Labelled rows; weights beside them in F.csv.weight count."`
	Label   string       `placeholder:"COL" help:"Column of the label, by name or number from 0; the model's own where it is not given."`
	Weight  string       `placeholder:"COL" help:"Column of the rows' weights, by name or number from 0."`
	Header  table.Header `enum:"auto,yes,no" default:"auto" help:"Whether the file starts with a line of column names: ${enum}."`
	Threads int          `default:"0" help:"Goroutines that score; 0 is one per processor."`
}

// Help is the long help text.
func (c *ModelEvalCmd) Help() string {
	return `Prints every metric that goes with the model's objective, under LightGBM's names: multi_logloss, multi_error and auc_mu; binary_logloss, auc and binary_error; or l2, rmse and l1.

  bodega model eval --model MODEL.txt --data test.csv --label root_cause -o json`
}

// Run measures the model and prints the metrics.
func (c *ModelEvalCmd) Run(ctx context.Context, t *term.Terminal) error {
	model, err := modelLoad(t, c.Model)
	if err != nil {
		return fmt.Errorf("model eval: %w", err)
	}
	read, err := modelReadTable(t, c.Data, c.Header)
	if err != nil {
		return fmt.Errorf("model eval: %w", err)
	}
	schema, err := modelSchemaOf(model, read)
	if err != nil {
		return fmt.Errorf("model eval with %s: %w", c.Model, err)
	}
	label := c.Label
	if label == "" {
		label = strconv.Itoa(model.LabelIndex)
	}
	data, err := schema.dataset(t, read, c.Data, label, c.Weight)
	if err != nil {
		return fmt.Errorf("model eval of %s: %w", c.Data, err)
	}
	evaluations, err := model.Evaluate(ctx, data, c.Threads)
	if err != nil {
		return fmt.Errorf("model eval of %s: %w", c.Data, err)
	}
	metrics := modelMetricsOf(evaluations)
	return t.Print(metrics, func(w io.Writer) error {
		rows := make([][]string, len(metrics))
		for i, m := range metrics {
			rows[i] = []string{m.name, strconv.FormatFloat(m.value, 'g', -1, 64)}
		}
		return term.Table(w, []string{"metric", "value"}, rows)
	})
}

// modelMetrics prints as an object whose keys keep their order.
type modelMetrics []modelMetric

type modelMetric struct {
	name  string
	value float64
}

func modelMetricsOf(evaluations []gbdt.Evaluation) modelMetrics {
	metrics := make(modelMetrics, len(evaluations))
	for i, e := range evaluations {
		metrics[i] = modelMetric{e.Metric, e.Value}
	}
	return metrics
}

// MarshalJSON writes {"name": value, ...}. What is no finite number is null.
func (m modelMetrics) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, metric := range m {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(strconv.AppendQuote(out, metric.name), ':')
		if metric.value-metric.value != 0 {
			out = append(out, "null"...)
		} else {
			out = strconv.AppendFloat(out, metric.value, 'g', -1, 64)
		}
	}
	return append(out, '}'), nil
}

// modelLoad reads a model file.
func modelLoad(t *term.Terminal, path string) (*gbdt.Model, error) {
	if path == "-" {
		return gbdt.ReadModel(t.In)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err // it names the operation and the file
	}
	defer f.Close()
	model, err := gbdt.ReadModel(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return model, nil
}

// modelReadTable reads a table of rows.
func modelReadTable(t *term.Terminal, path string, header table.Header) (*table.Table, error) {
	var content []byte
	var err error
	if path == "-" {
		content, err = io.ReadAll(t.In)
	} else {
		content, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	read, err := table.Parse(content, header)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return read, nil
}
