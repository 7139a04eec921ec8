package gbdt

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
)

// Validation is a set of rows that training reports metrics on and that early
// stopping watches. Its features are those of the training set, in its order.
type Validation struct {
	Name string
	Dataset
}

// Evaluation is a metric's value on a set after a round.
type Evaluation struct {
	Set    string // "training" or the Validation's name
	Metric string // LightGBM's name
	Value  float64
}

// Round is what training reports after each round.
type Round struct {
	// Iteration counts from 1; Of is how many there will be at most.
	Iteration, Of int
	Evaluations   []Evaluation
}

// Progress is called after each round, from the goroutine that trains.
type Progress func(Round)

// Train boosts trees on data until num_iterations rounds are done, no split
// wins any more (where rows or features are sampled, the next sample is tried,
// and the round is lost), or a metric of a validation set has not improved for
// early_stopping_round rounds; in the last case the model ends with the best
// round. Cancelling ctx ends training with ctx's error.
//
// Errors wrap ErrParameter or ErrData.
func Train(ctx context.Context, params Params, data Dataset, valid []Validation, progress Progress) (*Model, error) {
	if err := params.Validate(); err != nil {
		return nil, err
	}
	p := params.settled()
	if err := data.validate(); err != nil {
		return nil, fmt.Errorf("training data: %w", err)
	}
	if err := p.validateFeatures(&data); err != nil {
		return nil, err
	}
	t := &trainer{p: &p, workers: workers{p.NumThreads}, target: newTarget(&data), progress: progress}
	if t.threads == 0 {
		t.threads = runtime.GOMAXPROCS(0)
	}
	var err error
	if t.objective, err = newObjective(&p, &t.target); err != nil {
		return nil, fmt.Errorf("training data: %w", err)
	}
	if t.metrics, err = p.metrics(); err != nil {
		return nil, err
	}
	if err := t.addValidations(&data, valid); err != nil {
		return nil, err
	}
	mappers, err := newMappers(ctx, &data, &p, t.workers)
	if err != nil {
		return nil, err
	}
	if t.binned, err = newBinned(ctx, &data, mappers, t.workers); err != nil {
		return nil, err
	}
	t.model = newTrainedModel(&params, &data, mappers)
	if err := t.boost(ctx); err != nil {
		return nil, err
	}
	return t.model, nil
}

// validateFeatures checks feature names and the parameters that hold a value
// per feature.
func (p *Params) validateFeatures(d *Dataset) error {
	if n := len(p.MonotoneConstraints); n > 0 && n != len(d.Features) {
		return fmt.Errorf("%w: monotone_constraints has %d entries for %d features", ErrParameter, n, len(d.Features))
	}
	if n := len(p.MaxBinByFeature); n > 0 && n != len(d.Features) {
		return fmt.Errorf("%w: max_bin_by_feature has %d entries for %d features", ErrParameter, n, len(d.Features))
	}
	seen := make(map[string]bool, len(d.Features))
	for i := range d.Features {
		name := storedName(d.Features[i].Name)
		switch {
		case name == "":
			return fmt.Errorf("%w: feature %d has no name", ErrData, i)
		case strings.ContainsAny(name, "\"\\,:[]{}\n\r\t"):
			return fmt.Errorf("%w: feature name %q holds one of \" \\ , : [ ] { }, which a model file cannot", ErrData, name)
		case seen[name]:
			return fmt.Errorf("%w: feature name %q appears twice", ErrData, name)
		}
		seen[name] = true
	}
	return nil
}

// storedName is a feature's name as a model file holds it.
func storedName(name string) string { return strings.ReplaceAll(name, " ", "_") }

// trainer is one run of training.
type trainer struct {
	p *Params
	workers
	target
	objective objective
	metrics   []metric
	binned    *binned
	model     *Model
	progress  Progress

	grower      *grower
	score       [][]float64
	derivatives [][]derivative
	bag         *bagger
	valid       []*watched
}

// watched is a validation set with its scores so far.
type watched struct {
	name    string
	target  target
	columns [][]float64
	score   [][]float64
	best    []float64 // by metric, turned so that higher is better
	bestAt  []int
}

func (t *trainer) addValidations(data *Dataset, valid []Validation) error {
	for i := range valid {
		v := &valid[i]
		if err := v.validate(); err != nil {
			return fmt.Errorf("validation data %s: %w", v.Name, err)
		}
		if len(v.Features) != len(data.Features) {
			return fmt.Errorf("%w: validation data %s has %d features, training data %d", ErrData, v.Name, len(v.Features), len(data.Features))
		}
		w := &watched{name: v.Name, target: newTarget(&v.Dataset)}
		if t.p.Objective == Multiclass {
			if err := checkClasses(&w.target, t.p.NumClass); err != nil {
				return fmt.Errorf("validation data %s: %w", v.Name, err)
			}
		}
		for j := range v.Features {
			if storedName(v.Features[j].Name) != storedName(data.Features[j].Name) {
				return fmt.Errorf("%w: feature %d is %q in validation data %s and %q in training data", ErrData, j, v.Features[j].Name, v.Name, data.Features[j].Name)
			}
			w.columns = append(w.columns, v.Features[j].Values)
		}
		w.score = newScores(t.p.NumClass, v.Rows())
		for range t.metrics {
			w.best = append(w.best, math.Inf(-1))
			w.bestAt = append(w.bestAt, 0)
		}
		t.valid = append(t.valid, w)
	}
	return nil
}

func newScores(classes, rows int) [][]float64 {
	scores := make([][]float64, classes)
	for k := range scores {
		scores[k] = make([]float64, rows)
	}
	return scores
}

// boost runs the rounds.
func (t *trainer) boost(ctx context.Context) error {
	classes, rows := t.p.NumClass, len(t.label)
	t.grower = newGrower(t.binned, t.p, t.workers)
	t.score = newScores(classes, rows)
	t.derivatives = make([][]derivative, classes)
	for k := range t.derivatives {
		t.derivatives[k] = make([]derivative, rows)
	}
	if t.p.bags() {
		t.bag = newBagger(t.p, t.label)
	}
	iteration := 0
	for range t.p.NumIterations {
		if err := ctx.Err(); err != nil {
			return err
		}
		grown, err := t.round(ctx, iteration)
		if err != nil {
			return err
		}
		if !grown {
			// The first round stays, for its start scores.
			if len(t.model.Trees) > classes {
				t.model.Trees = t.model.Trees[:len(t.model.Trees)-classes]
			}
			if t.p.samples() {
				// Other rows or features may still be split.
				continue
			}
			return nil
		}
		iteration++
		stop, keep := t.evaluate(len(t.model.Trees) / classes)
		if stop {
			t.model.Trees = t.model.Trees[:keep*classes]
			return nil
		}
	}
	return nil
}

// round adds a tree per class and says whether any class could be split.
// iteration counts the rounds that could.
func (t *trainer) round(ctx context.Context, iteration int) (grown bool, err error) {
	starts := make([]float64, t.p.NumClass)
	first := len(t.model.Trees) == 0
	if first && (t.p.BoostFromAverage || len(t.binned.columns) == 0) {
		for k := range starts {
			if start := t.objective.start(k); math.Abs(start) > epsilon {
				starts[k] = start
				t.shift(k, start)
			}
		}
	}
	t.ranges(len(t.label), func(from, to int) { t.objective.derive(t.score, t.derivatives, from, to) })
	var bag, rest []int32
	if t.bag != nil {
		if iteration%t.p.BaggingFreq == 0 {
			t.bag.draw()
		}
		bag, rest = t.bag.in, t.bag.out
	}
	for k := range t.p.NumClass {
		var tree *Tree
		if t.objective.trains(k) && len(t.binned.columns) > 0 {
			if tree, err = t.grower.grow(ctx, t.derivatives[k], bag); err != nil {
				return false, err
			}
		}
		switch {
		case tree != nil:
			grown = true
			tree.shrink(t.p.LearningRate)
			t.addScores(tree, k, rest)
			if math.Abs(starts[k]) > epsilon {
				tree.addBias(starts[k])
			}
		case first:
			if starts[k] == 0 && !t.p.BoostFromAverage {
				starts[k] = t.objective.start(k)
				t.shift(k, starts[k])
			}
			tree = constantTree(starts[k], len(t.label))
		default:
			tree = constantTree(0, len(t.label))
		}
		t.model.Trees = append(t.model.Trees, tree)
	}
	return grown, nil
}

// shift adds a constant to all scores of a class.
func (t *trainer) shift(class int, by float64) {
	for i := range t.score[class] {
		t.score[class][i] += by
	}
	for _, v := range t.valid {
		for i := range v.score[class] {
			v.score[class][i] += by
		}
	}
}

// addScores adds the last grown tree's outputs to the scores of its class; rest
// are the rows outside the bag.
func (t *trainer) addScores(tree *Tree, class int, rest []int32) {
	score := t.score[class]
	t.each(tree.Leaves(), func(leaf int) {
		at, value := &t.grower.leaves[leaf], tree.LeafValue[leaf]
		for _, row := range t.grower.order[at.first : at.first+at.rows] {
			score[row] += value
		}
	})
	if len(rest) > 0 {
		t.grower.route(tree, rest, func(row int32, leaf int) { score[row] += tree.LeafValue[leaf] })
	}
	if len(t.valid) == 0 {
		return
	}
	one := newForest([]*Tree{tree}, 1)
	for _, v := range t.valid {
		one.addBatch(v.columns, len(v.target.label), t.workers, v.score[class:class+1])
	}
}

// evaluate reports the round's metrics, and says whether training is to stop
// and how many rounds to keep.
func (t *trainer) evaluate(iteration int) (stop bool, keep int) {
	round := Round{Iteration: iteration, Of: t.p.NumIterations}
	report := iteration%t.p.MetricFreq == 0
	if report && t.p.TrainingMetric {
		for i := range t.metrics {
			value := t.metrics[i].eval(t.evaluation(t.target, t.score))
			round.Evaluations = append(round.Evaluations, Evaluation{"training", t.metrics[i].name, value})
		}
	}
	for _, v := range t.valid {
		if !report && t.p.EarlyStoppingRound <= 0 {
			break
		}
		for i := range t.metrics {
			m := &t.metrics[i]
			value := m.eval(t.evaluation(v.target, v.score))
			round.Evaluations = append(round.Evaluations, Evaluation{v.name, m.name, value})
			if t.p.EarlyStoppingRound <= 0 || stop || t.p.FirstMetricOnly && i > 0 {
				continue
			}
			if !m.higher {
				value = -value
			}
			if value-v.best[i] > t.p.EarlyStoppingMinDelta {
				v.best[i], v.bestAt[i] = value, iteration
			} else if iteration-v.bestAt[i] >= t.p.EarlyStoppingRound {
				stop, keep = true, max(v.bestAt[i], 1)
			}
		}
	}
	if t.progress != nil {
		round.Evaluations = slices.Clip(round.Evaluations)
		t.progress(round)
	}
	return stop, keep
}

func (t *trainer) evaluation(of target, score [][]float64) *evaluation {
	return &evaluation{
		target: of, score: score, convert: t.model.convert,
		topK: t.p.MultiErrorTopK, muWeights: t.p.AUCMuWeights, workers: t.workers,
	}
}
