package gbdt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// ErrModel marks a model file that cannot be read or served.
var ErrModel = errors.New("bad model")

// Model is a trained or loaded set of trees. It is safe for concurrent use as
// long as nobody changes its fields.
type Model struct {
	// NumClass is the number of outputs per row, TreesPerIteration the number
	// of trees that a round adds.
	NumClass, TreesPerIteration int
	// LabelIndex is the label's column in the training file.
	LabelIndex int
	// Objective is the objective with its own parameters, as in
	// "multiclass num_class:5"; empty for a custom one.
	Objective string
	// AverageOutput divides the sum of trees by the number of rounds before the
	// objective's link (random forests); raw scores and contributions stay sums.
	AverageOutput       bool
	FeatureNames        []string
	FeatureInfos        []string
	MonotoneConstraints []int
	// Parameters are those the model was trained with, as the file lists them.
	Parameters []Parameter
	// PandasCategorical holds the categories of each categorical column of the
	// training frame, in order: a value's code is its place in the list. Values
	// are strings, json.Number or bool. Nil where the file has none.
	PandasCategorical [][]any
	Trees             []*Tree

	once     sync.Once
	flat     *forest
	prepared sync.Pool
}

// Parameter is a name and a value, both as text.
type Parameter struct{ Name, Value string }

// newTrainedModel is a model without trees yet.
func newTrainedModel(p *Params, d *Dataset, mappers []*binMapper) *Model {
	m := &Model{
		NumClass: p.NumClass, TreesPerIteration: p.NumClass,
		MonotoneConstraints: p.MonotoneConstraints,
		Parameters:          p.list(),
	}
	switch p.Objective {
	case Multiclass:
		m.Objective = fmt.Sprintf("multiclass num_class:%d", p.NumClass)
	case Binary:
		m.Objective = "binary sigmoid:" + formatShort(p.Sigmoid)
	default:
		m.Objective = string(p.Objective)
	}
	for i := range d.Features {
		m.FeatureNames = append(m.FeatureNames, storedName(d.Features[i].Name))
		m.FeatureInfos = append(m.FeatureInfos, mappers[i].info())
	}
	return m
}

// Features is the number of features that a row has.
func (m *Model) Features() int { return len(m.FeatureNames) }

// Iterations is the number of rounds.
func (m *Model) Iterations() int { return len(m.Trees) / m.TreesPerIteration }

// Parameter returns what the model was trained with; ok is false where the
// file does not say.
func (m *Model) Parameter(name string) (value string, ok bool) {
	for _, p := range m.Parameters {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// ObjectiveName is the objective without its own parameters.
func (m *Model) ObjectiveName() Objective {
	name, _, _ := strings.Cut(m.Objective, " ")
	return Objective(name)
}

// sigmoid is the steepness that a binary objective carries.
func (m *Model) sigmoid() float64 {
	for _, field := range strings.Fields(m.Objective) {
		if text, ok := strings.CutPrefix(field, "sigmoid:"); ok {
			if v, err := strconv.ParseFloat(text, 64); err == nil {
				return v
			}
		}
	}
	return 1
}

// convert turns raw scores into predictions in place: probabilities for
// classification, the value itself for regression.
func (m *Model) convert(raw []float64) { m.converter()(raw) }

// converter is convert with the objective's text read once.
func (m *Model) converter() func(raw []float64) {
	each := func(f func(float64) float64) func([]float64) {
		return func(raw []float64) {
			for i, v := range raw {
				raw[i] = f(v)
			}
		}
	}
	logistic := func(steep float64) func([]float64) {
		return each(func(v float64) float64 { return 1 / (1 + math.Exp(-steep*v)) })
	}
	switch m.ObjectiveName() {
	case Multiclass:
		return toProbabilities
	case Binary, "multiclassova":
		return logistic(m.sigmoid())
	case "cross_entropy":
		return logistic(1)
	case "cross_entropy_lambda":
		return each(func(v float64) float64 { return math.Log1p(math.Exp(v)) })
	case "poisson", "gamma", "tweedie":
		return each(math.Exp)
	}
	if strings.HasSuffix(m.Objective, " sqrt") {
		return each(func(v float64) float64 { return math.Copysign(v*v, v) })
	}
	return func([]float64) {}
}

func (m *Model) forest() *forest {
	m.once.Do(func() {
		m.flat = newForest(m.Trees, m.TreesPerIteration)
		m.prepared.New = func() any { return m.flat.newPrepared(1) }
	})
	return m.flat
}

// PredictRaw adds up the trees for one row of features (NaN is missing) and
// writes a raw score per class into scores. It allocates nothing once warm.
// Lengths other than Features and TreesPerIteration are errors.
func (m *Model) PredictRaw(row, scores []float64) error {
	if len(row) != m.Features() || len(scores) != m.TreesPerIteration {
		return fmt.Errorf("%w: a row of %d features into %d scores, the model has %d and %d", ErrData, len(row), len(scores), m.Features(), m.TreesPerIteration)
	}
	f := m.forest()
	p := m.prepared.Get().(*prepared)
	clear(scores)
	f.prepareRow(p, row)
	f.scoreRow(p, row, scores)
	m.prepared.Put(p)
	return nil
}

// Predict is PredictRaw followed by the objective's link: probabilities for
// classification.
func (m *Model) Predict(row, predictions []float64) error {
	if err := m.PredictRaw(row, predictions); err != nil {
		return err
	}
	m.average(predictions)
	m.convert(predictions)
	return nil
}

func (m *Model) average(scores []float64) {
	if !m.AverageOutput {
		return
	}
	n := float64(max(m.Iterations(), 1))
	for k := range scores {
		scores[k] /= n
	}
}

// checkColumns returns the number of rows of columns.
func (m *Model) checkColumns(columns [][]float64) (rows int, err error) {
	if len(columns) != m.Features() {
		return 0, fmt.Errorf("%w: %d columns, the model has %d features", ErrData, len(columns), m.Features())
	}
	if len(columns) == 0 {
		return 0, nil
	}
	for i, c := range columns {
		if len(c) != len(columns[0]) {
			return 0, fmt.Errorf("%w: column %d has %d rows, column 0 has %d", ErrData, i, len(c), len(columns[0]))
		}
	}
	return len(columns[0]), nil
}

// PredictBatchRaw scores all rows of columns, one slice per feature, on as many
// goroutines as threads (0 is one per processor). The result is by class, then
// row.
func (m *Model) PredictBatchRaw(ctx context.Context, columns [][]float64, threads int) ([][]float64, error) {
	rows, err := m.checkColumns(columns)
	if err != nil {
		return nil, err
	}
	f := m.forest()
	scores := newScores(m.TreesPerIteration, rows)
	w := threadsOf(threads)
	// Pieces are large enough to keep all threads busy and small enough to
	// notice a cancelled context soon.
	const piece = 64 * rowsPerTask
	for from := 0; from < rows; from += piece {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		to := min(from+piece, rows)
		part := make([][]float64, len(columns))
		for i := range columns {
			part[i] = columns[i][from:to]
		}
		out := make([][]float64, len(scores))
		for k := range scores {
			out[k] = scores[k][from:to]
		}
		f.addBatch(part, to-from, w, out)
	}
	return scores, nil
}

func threadsOf(threads int) workers {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return workers{threads}
}

// PredictBatch is PredictBatchRaw followed by the objective's link.
func (m *Model) PredictBatch(ctx context.Context, columns [][]float64, threads int) ([][]float64, error) {
	scores, err := m.PredictBatchRaw(ctx, columns, threads)
	if err != nil || len(scores) == 0 {
		return scores, err
	}
	threadsOf(threads).ranges(len(scores[0]), func(from, to int) {
		convert := m.converter()
		p := make([]float64, len(scores))
		for i := from; i < to; i++ {
			for k := range p {
				p[k] = scores[k][i]
			}
			m.average(p)
			convert(p)
			for k := range p {
				scores[k][i] = p[k]
			}
		}
	})
	return scores, ctx.Err()
}

// Evaluate measures the model on labelled data with every metric that goes with
// its objective, by LightGBM's names. auc_mu uses the weights that the model
// was trained with.
func (m *Model) Evaluate(ctx context.Context, data *Dataset, threads int) ([]Evaluation, error) {
	if err := data.validate(); err != nil {
		return nil, err
	}
	columns := make([][]float64, len(data.Features))
	for i := range data.Features {
		columns[i] = data.Features[i].Values
	}
	t := newTarget(data)
	if o := m.ObjectiveName(); o == Multiclass || o == "multiclassova" {
		if err := checkClasses(&t, m.NumClass); err != nil {
			return nil, err
		}
	}
	scores, err := m.PredictBatchRaw(ctx, columns, threads)
	if err != nil {
		return nil, err
	}
	for k := range scores {
		m.average(scores[k])
	}
	e := &evaluation{target: t, score: scores, convert: m.converter(), topK: 1, workers: threadsOf(threads)}
	if text, ok := m.Parameter("auc_mu_weights"); ok && text != "" {
		weights, err := parseFloats(text)
		if err == nil && len(weights) == m.NumClass*m.NumClass {
			e.muWeights = weights
		}
	}
	var out []Evaluation
	for _, metric := range metricsOf(m.ObjectiveName()) {
		out = append(out, Evaluation{Metric: metric.name, Value: metric.eval(e)})
	}
	return out, nil
}

// Importance is how much the model uses each feature: the number of splits on
// it, or with gain the sum of their gains. Splits without gain do not count.
func (m *Model) Importance(gain bool) []float64 {
	importance := make([]float64, m.Features())
	for _, t := range m.Trees {
		for node, feature := range t.SplitFeature {
			switch {
			case !(t.SplitGain[node] > 0):
			case gain:
				importance[feature] += t.SplitGain[node]
			default:
				importance[feature]++
			}
		}
	}
	return importance
}
