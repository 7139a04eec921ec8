package gbdt

import (
	"errors"
	"fmt"
)

// ErrParameter marks a parameter that is unknown, unsupported, malformed or out
// of range.
var ErrParameter = errors.New("bad parameter")

// Objective names what is minimized.
type Objective string

// The objectives that can be trained.
const (
	Regression Objective = "regression"
	Binary     Objective = "binary"
	Multiclass Objective = "multiclass"
)

// Params are LightGBM's parameters by its names, as far as they are supported;
// DefaultParams has its defaults. ParseParams reads them, aliases included.
// Fractions are above 0 and at most 1; counts are of rows, rounds or classes.
type Params struct {
	Objective     Objective
	NumClass      int      // classes of Multiclass, else 1
	Metric        []string // LightGBM's names; empty is the objective's own
	NumIterations int      // rounds
	LearningRate  float64  // what a tree's outputs are scaled by
	NumLeaves     int
	MaxDepth      int // 0 or less is no limit
	NumThreads    int // 0 is one per processor
	Seed          int // fills in the other seeds where it is given

	// What a leaf must have and how its output is held back: rows, sum of second
	// derivatives, the terms l1 and l2 of its output, the gain of a split, the
	// largest output (0 is no bound), and the pull towards the parent's output.
	MinDataInLeaf       int
	MinSumHessianInLeaf float64
	LambdaL1, LambdaL2  float64
	MinGainToSplit      float64
	MaxDeltaStep        float64
	PathSmooth          float64

	// Which rows and features a tree, and a node of it, sees. A bag is drawn
	// every BaggingFreq rounds, 0 is never.
	BaggingFraction, PosBaggingFraction, NegBaggingFraction float64
	BaggingFreq, BaggingSeed                                int
	FeatureFraction, FeatureFractionByNode                  float64
	FeatureFractionSeed                                     int

	EarlyStoppingRound    int     // rounds without improvement; 0 is never
	EarlyStoppingMinDelta float64 // the smallest improvement that counts
	FirstMetricOnly       bool    // only the first metric stops
	MetricFreq            int     // rounds between reports
	TrainingMetric        bool    // is_provide_training_metric

	// How values become bins: at most so many per feature, of so many rows at
	// least, found from a sample of rows.
	MaxBin                  int
	MaxBinByFeature         []int // empty is MaxBin for all
	MinDataInBin            int
	BinConstructSampleCount int
	DataRandomSeed          int
	FeaturePreFilter        bool // leave out features that no cut divides
	UseMissing              bool // else NaN is 0
	ZeroAsMissing           bool

	// How categories are split: one against the rest up to MaxCatToOnehot of
	// them, else by sets of at most MaxCatThreshold, with MinDataPerGroup rows
	// between two cuts; ratios are smoothed by CatSmooth, sides by CatL2.
	MaxCatToOnehot, MaxCatThreshold, MinDataPerGroup int
	CatSmooth, CatL2                                 float64

	// MonotoneConstraints holds -1, 0 or 1 per feature; empty is none.
	MonotoneConstraints []int
	MonotonePenalty     float64 // keeps constrained features from the first levels

	BoostFromAverage bool      // start from the best constant
	Sigmoid          float64   // steepness of Binary's link
	IsUnbalance      bool      // weight Binary's classes alike
	ScalePosWeight   float64   // weight of Binary's positive class
	MultiErrorTopK   int       // multi_error takes the k likeliest for right
	AUCMuWeights     []float64 // NumClass^2 weights, row by row; empty is 1 each

	// SavedFeatureImportanceType is 0 for splits and 1 for gain, in the model
	// file's own list.
	SavedFeatureImportanceType int

	// What a training file says of its columns, kept as text.
	Header                                                      bool
	LabelColumn, WeightColumn, IgnoreColumn, CategoricalFeature string

	// NumLeavesGiven keeps max_depth from lowering num_leaves.
	NumLeavesGiven bool
}

// DefaultParams are LightGBM 4.6's defaults.
func DefaultParams() Params {
	return Params{
		Objective: Regression, NumClass: 1, NumIterations: 100, LearningRate: 0.1, NumLeaves: 31, MaxDepth: -1,
		MinDataInLeaf: 20, MinSumHessianInLeaf: 1e-3,
		BaggingFraction: 1, PosBaggingFraction: 1, NegBaggingFraction: 1, BaggingSeed: 3,
		FeatureFraction: 1, FeatureFractionByNode: 1, FeatureFractionSeed: 2, MetricFreq: 1,
		MaxBin: 255, MinDataInBin: 3, BinConstructSampleCount: 200000, DataRandomSeed: 1,
		FeaturePreFilter: true, UseMissing: true,
		MaxCatToOnehot: 4, MaxCatThreshold: 32, MinDataPerGroup: 100, CatSmooth: 10, CatL2: 10,
		BoostFromAverage: true, Sigmoid: 1, ScalePosWeight: 1, MultiErrorTopK: 1,
	}
}

// spreadSeed draws the other seeds from seed.
func (p *Params) spreadSeed() {
	const most = 32767
	random := lcg(uint32(p.Seed))
	p.DataRandomSeed = random.shortBetween(0, most)
	p.BaggingSeed = random.shortBetween(0, most)
	random.shortBetween(0, most) // drop_seed
	p.FeatureFractionSeed = random.shortBetween(0, most)
}

// limit is the range a parameter may be in.
type limit struct {
	name  string
	value float64
	ok    bool
	want  string
}

// Validate says what does not fit, alone or together. It is called by Train.
func (p *Params) Validate() error {
	fraction := func(name string, v float64) limit {
		return limit{name, v, v > 0 && v <= 1, "above 0 and at most 1"}
	}
	atLeast := func(name string, v, least float64) limit {
		return limit{name, v, v >= least, fmt.Sprintf("at least %v", least)}
	}
	above := func(name string, v float64) limit { return limit{name, v, v > 0, "above 0"} }
	for _, l := range []limit{
		{"num_iterations", float64(p.NumIterations), p.NumIterations >= 0 && p.NumIterations <= 1e6, "from 0 to 1000000"},
		above("learning_rate", p.LearningRate),
		{"num_leaves", float64(p.NumLeaves), p.NumLeaves > 1 && p.NumLeaves <= 131072, "from 2 to 131072"},
		{"num_class", float64(p.NumClass), p.NumClass >= 1 && p.NumClass <= 1e5, "from 1 to 100000"},
		atLeast("num_threads", float64(p.NumThreads), 0),
		atLeast("min_data_in_leaf", float64(p.MinDataInLeaf), 0),
		atLeast("min_sum_hessian_in_leaf", p.MinSumHessianInLeaf, 0),
		atLeast("lambda_l1", p.LambdaL1, 0), atLeast("lambda_l2", p.LambdaL2, 0),
		atLeast("min_gain_to_split", p.MinGainToSplit, 0), atLeast("path_smooth", p.PathSmooth, 0),
		fraction("bagging_fraction", p.BaggingFraction),
		fraction("pos_bagging_fraction", p.PosBaggingFraction), fraction("neg_bagging_fraction", p.NegBaggingFraction),
		fraction("feature_fraction", p.FeatureFraction), fraction("feature_fraction_bynode", p.FeatureFractionByNode),
		atLeast("early_stopping_min_delta", p.EarlyStoppingMinDelta, 0),
		above("metric_freq", float64(p.MetricFreq)),
		{"max_bin", float64(p.MaxBin), p.MaxBin > 1 && p.MaxBin <= 1<<20, "from 2 to 1048576"},
		above("min_data_in_bin", float64(p.MinDataInBin)),
		above("bin_construct_sample_cnt", float64(p.BinConstructSampleCount)),
		above("max_cat_to_onehot", float64(p.MaxCatToOnehot)), above("max_cat_threshold", float64(p.MaxCatThreshold)),
		above("min_data_per_group", float64(p.MinDataPerGroup)),
		atLeast("cat_smooth", p.CatSmooth, 0), atLeast("cat_l2", p.CatL2, 0),
		atLeast("monotone_penalty", p.MonotonePenalty, 0),
		above("sigmoid", p.Sigmoid), above("scale_pos_weight", p.ScalePosWeight),
		above("multi_error_top_k", float64(p.MultiErrorTopK)),
		{"saved_feature_importance_type", float64(p.SavedFeatureImportanceType), p.SavedFeatureImportanceType == 0 || p.SavedFeatureImportanceType == 1, "0 or 1"},
	} {
		if !l.ok {
			return fmt.Errorf("%w: %s = %v must be %s", ErrParameter, l.name, l.value, l.want)
		}
	}
	return p.validateTogether()
}

func (p *Params) validateTogether() error {
	for _, m := range p.MonotoneConstraints {
		if m < -1 || m > 1 {
			return fmt.Errorf("%w: monotone_constraints holds %d, only -1, 0 and 1 have a meaning", ErrParameter, m)
		}
	}
	for i, n := range p.MaxBinByFeature {
		if n <= 1 || n > 1<<20 {
			return fmt.Errorf("%w: max_bin_by_feature holds %d for feature %d, must be from 2 to 1048576", ErrParameter, n, i)
		}
	}
	switch p.Objective {
	case Multiclass:
		if p.NumClass <= 1 {
			return fmt.Errorf("%w: objective multiclass needs num_class above 1, not %d", ErrParameter, p.NumClass)
		}
	case Binary, Regression:
		if p.NumClass != 1 {
			return fmt.Errorf("%w: num_class = %d goes with objective multiclass, not with %s", ErrParameter, p.NumClass, p.Objective)
		}
	default:
		return fmt.Errorf("%w: objective %q cannot be trained; regression, binary and multiclass can", ErrParameter, p.Objective)
	}
	if p.IsUnbalance && p.ScalePosWeight != 1 {
		return fmt.Errorf("%w: is_unbalance and scale_pos_weight exclude each other", ErrParameter)
	}
	if n := len(p.AUCMuWeights); n > 0 && n != p.NumClass*p.NumClass {
		return fmt.Errorf("%w: auc_mu_weights has %d numbers, num_class %d needs %d", ErrParameter, n, p.NumClass, p.NumClass*p.NumClass)
	}
	for i, w := range p.AUCMuWeights {
		if w == 0 && i/p.NumClass != i%p.NumClass {
			return fmt.Errorf("%w: auc_mu_weights holds a 0 beside the diagonal, at %d", ErrParameter, i)
		}
	}
	_, err := p.metrics()
	return err
}

// settled is p with what follows from other parameters filled in.
func (p Params) settled() Params {
	if p.MaxDepth > 0 && p.MaxDepth < 17 && !p.NumLeavesGiven {
		p.NumLeaves = min(p.NumLeaves, 1<<p.MaxDepth)
	}
	// Counts are estimated from hessians, so that a smoothed leaf of one row
	// could be of none.
	if p.PathSmooth > epsilon && p.MinDataInLeaf < 2 {
		p.MinDataInLeaf = 2
	}
	if p.MinDataInLeaf <= 0 && p.MinSumHessianInLeaf <= epsilon {
		p.MinDataInLeaf = 1
	}
	return p
}

// bags says whether rows are sampled.
func (p *Params) bags() bool {
	return p.BaggingFreq > 0 && (p.BaggingFraction < 1 || p.balancedBags())
}

// samples says whether rounds see different rows or features.
func (p *Params) samples() bool {
	return p.bags() || p.FeatureFraction < 1 || p.FeatureFractionByNode < 1
}

// balancedBags says whether the classes of a binary objective are sampled at
// rates of their own.
func (p *Params) balancedBags() bool {
	return p.Objective == Binary && (p.PosBaggingFraction < 1 || p.NegBaggingFraction < 1)
}
