package gbdt

// standing says what a parameter of LightGBM does here.
type standing uint8

const (
	// effective parameters do what they do in LightGBM.
	effective standing = iota
	// indifferent parameters choose there between ways to the same result, or
	// where work and logs go; here any value is right.
	indifferent
	// unsupported parameters may only have their default.
	unsupported
)

// parameter is an entry of the table of parameters.
type parameter struct {
	name string
	// fallback is the default, as a model file writes it.
	fallback string
	// field is where Params keeps it.
	field    func(p *Params) any
	standing standing
}

// listedParameters are those that a model file lists, in its order.
var listedParameters = []parameter{
	{"boosting", "gbdt", nil, unsupported},
	{"objective", "regression", func(p *Params) any { return &p.Objective }, effective},
	{"metric", "", func(p *Params) any { return &p.Metric }, effective},
	{"tree_learner", "serial", nil, indifferent},
	{"device_type", "cpu", nil, unsupported},
	{"data_sample_strategy", "bagging", nil, unsupported},
	{"data", "", nil, indifferent},
	{"valid", "", nil, indifferent},
	{"num_iterations", "100", func(p *Params) any { return &p.NumIterations }, effective},
	{"learning_rate", "0.1", func(p *Params) any { return &p.LearningRate }, effective},
	{"num_leaves", "31", func(p *Params) any { return &p.NumLeaves }, effective},
	{"num_threads", "0", func(p *Params) any { return &p.NumThreads }, effective},
	{"seed", "0", func(p *Params) any { return &p.Seed }, effective},
	{"deterministic", "0", nil, indifferent},
	{"force_col_wise", "0", nil, indifferent},
	{"force_row_wise", "0", nil, indifferent},
	{"histogram_pool_size", "-1", nil, indifferent},
	{"max_depth", "-1", func(p *Params) any { return &p.MaxDepth }, effective},
	{"min_data_in_leaf", "20", func(p *Params) any { return &p.MinDataInLeaf }, effective},
	{"min_sum_hessian_in_leaf", "0.001", func(p *Params) any { return &p.MinSumHessianInLeaf }, effective},
	{"bagging_fraction", "1", func(p *Params) any { return &p.BaggingFraction }, effective},
	{"pos_bagging_fraction", "1", func(p *Params) any { return &p.PosBaggingFraction }, effective},
	{"neg_bagging_fraction", "1", func(p *Params) any { return &p.NegBaggingFraction }, effective},
	{"bagging_freq", "0", func(p *Params) any { return &p.BaggingFreq }, effective},
	{"bagging_seed", "3", func(p *Params) any { return &p.BaggingSeed }, effective},
	{"bagging_by_query", "0", nil, unsupported},
	{"feature_fraction", "1", func(p *Params) any { return &p.FeatureFraction }, effective},
	{"feature_fraction_bynode", "1", func(p *Params) any { return &p.FeatureFractionByNode }, effective},
	{"feature_fraction_seed", "2", func(p *Params) any { return &p.FeatureFractionSeed }, effective},
	{"extra_trees", "0", nil, unsupported},
	{"extra_seed", "6", nil, indifferent},
	{"early_stopping_round", "0", func(p *Params) any { return &p.EarlyStoppingRound }, effective},
	{"early_stopping_min_delta", "0", func(p *Params) any { return &p.EarlyStoppingMinDelta }, effective},
	{"first_metric_only", "0", func(p *Params) any { return &p.FirstMetricOnly }, effective},
	{"max_delta_step", "0", func(p *Params) any { return &p.MaxDeltaStep }, effective},
	{"lambda_l1", "0", func(p *Params) any { return &p.LambdaL1 }, effective},
	{"lambda_l2", "0", func(p *Params) any { return &p.LambdaL2 }, effective},
	{"linear_lambda", "0", nil, unsupported},
	{"min_gain_to_split", "0", func(p *Params) any { return &p.MinGainToSplit }, effective},
	{"drop_rate", "0.1", nil, unsupported},
	{"max_drop", "50", nil, unsupported},
	{"skip_drop", "0.5", nil, unsupported},
	{"xgboost_dart_mode", "0", nil, unsupported},
	{"uniform_drop", "0", nil, unsupported},
	{"drop_seed", "4", nil, indifferent},
	{"top_rate", "0.2", nil, unsupported},
	{"other_rate", "0.1", nil, unsupported},
	{"min_data_per_group", "100", func(p *Params) any { return &p.MinDataPerGroup }, effective},
	{"max_cat_threshold", "32", func(p *Params) any { return &p.MaxCatThreshold }, effective},
	{"cat_l2", "10", func(p *Params) any { return &p.CatL2 }, effective},
	{"cat_smooth", "10", func(p *Params) any { return &p.CatSmooth }, effective},
	{"max_cat_to_onehot", "4", func(p *Params) any { return &p.MaxCatToOnehot }, effective},
	{"top_k", "20", nil, indifferent},
	{"monotone_constraints", "", func(p *Params) any { return &p.MonotoneConstraints }, effective},
	{"monotone_constraints_method", "basic", nil, unsupported},
	{"monotone_penalty", "0", func(p *Params) any { return &p.MonotonePenalty }, effective},
	{"feature_contri", "", nil, unsupported},
	{"forcedsplits_filename", "", nil, unsupported},
	{"refit_decay_rate", "0.9", nil, unsupported},
	{"cegb_tradeoff", "1", nil, unsupported},
	{"cegb_penalty_split", "0", nil, unsupported},
	{"cegb_penalty_feature_lazy", "", nil, unsupported},
	{"cegb_penalty_feature_coupled", "", nil, unsupported},
	{"path_smooth", "0", func(p *Params) any { return &p.PathSmooth }, effective},
	{"interaction_constraints", "", nil, unsupported},
	{"verbosity", "1", nil, indifferent},
	{"saved_feature_importance_type", "0", func(p *Params) any { return &p.SavedFeatureImportanceType }, effective},
	{"use_quantized_grad", "0", nil, unsupported},
	{"num_grad_quant_bins", "4", nil, unsupported},
	{"quant_train_renew_leaf", "0", nil, unsupported},
	{"stochastic_rounding", "1", nil, unsupported},
	{"linear_tree", "0", nil, unsupported},
	{"max_bin", "255", func(p *Params) any { return &p.MaxBin }, effective},
	{"max_bin_by_feature", "", func(p *Params) any { return &p.MaxBinByFeature }, effective},
	{"min_data_in_bin", "3", func(p *Params) any { return &p.MinDataInBin }, effective},
	{"bin_construct_sample_cnt", "200000", func(p *Params) any { return &p.BinConstructSampleCount }, effective},
	{"data_random_seed", "1", func(p *Params) any { return &p.DataRandomSeed }, effective},
	{"is_enable_sparse", "1", nil, indifferent},
	{"enable_bundle", "1", nil, indifferent},
	{"use_missing", "1", func(p *Params) any { return &p.UseMissing }, effective},
	{"zero_as_missing", "0", func(p *Params) any { return &p.ZeroAsMissing }, effective},
	{"feature_pre_filter", "1", func(p *Params) any { return &p.FeaturePreFilter }, effective},
	{"pre_partition", "0", nil, indifferent},
	{"two_round", "0", nil, indifferent},
	{"header", "0", func(p *Params) any { return &p.Header }, effective},
	{"label_column", "", func(p *Params) any { return &p.LabelColumn }, effective},
	{"weight_column", "", func(p *Params) any { return &p.WeightColumn }, effective},
	{"group_column", "", nil, unsupported},
	{"ignore_column", "", func(p *Params) any { return &p.IgnoreColumn }, effective},
	{"categorical_feature", "", func(p *Params) any { return &p.CategoricalFeature }, effective},
	{"forcedbins_filename", "", nil, unsupported},
	{"precise_float_parser", "0", nil, indifferent},
	{"parser_config_file", "", nil, unsupported},
	{"objective_seed", "5", nil, indifferent},
	{"num_class", "1", func(p *Params) any { return &p.NumClass }, effective},
	{"is_unbalance", "0", func(p *Params) any { return &p.IsUnbalance }, effective},
	{"scale_pos_weight", "1", func(p *Params) any { return &p.ScalePosWeight }, effective},
	{"sigmoid", "1", func(p *Params) any { return &p.Sigmoid }, effective},
	{"boost_from_average", "1", func(p *Params) any { return &p.BoostFromAverage }, effective},
	{"reg_sqrt", "0", nil, unsupported},
	{"alpha", "0.9", nil, unsupported},
	{"fair_c", "1", nil, unsupported},
	{"poisson_max_delta_step", "0.7", nil, unsupported},
	{"tweedie_variance_power", "1.5", nil, unsupported},
	{"lambdarank_truncation_level", "30", nil, unsupported},
	{"lambdarank_norm", "1", nil, unsupported},
	{"label_gain", "", nil, unsupported},
	{"lambdarank_position_bias_regularization", "0", nil, unsupported},
	{"eval_at", "", nil, indifferent},
	{"multi_error_top_k", "1", func(p *Params) any { return &p.MultiErrorTopK }, effective},
	{"auc_mu_weights", "", func(p *Params) any { return &p.AUCMuWeights }, effective},
	{"num_machines", "1", nil, unsupported},
	{"local_listen_port", "12400", nil, indifferent},
	{"time_out", "120", nil, indifferent},
	{"machine_list_filename", "", nil, indifferent},
	{"machines", "", nil, unsupported},
	{"gpu_platform_id", "-1", nil, indifferent},
	{"gpu_device_id", "-1", nil, indifferent},
	{"gpu_use_dp", "0", nil, indifferent},
	{"num_gpu", "1", nil, indifferent},
}

// unlistedParameters are those that it does not.
var unlistedParameters = []parameter{
	{"metric_freq", "1", func(p *Params) any { return &p.MetricFreq }, effective},
	{"is_provide_training_metric", "0", func(p *Params) any { return &p.TrainingMetric }, effective},
	{"snapshot_freq", "-1", nil, unsupported},
	{"save_binary", "0", nil, unsupported},
}
