package gbdt

import "strings"

// aliasLists holds the other names of each parameter.
var aliasLists = map[string]string{
	"config":                      "config_file",
	"task":                        "task_type",
	"objective":                   "app application loss objective_type",
	"boosting":                    "boost boosting_type",
	"data":                        "data_filename train train_data train_data_file",
	"valid":                       "test test_data test_data_file valid_data valid_data_file valid_filenames",
	"num_iterations":              "max_iter n_estimators n_iter nrounds num_boost_round num_iteration num_round num_rounds num_tree num_trees",
	"learning_rate":               "eta shrinkage_rate",
	"num_leaves":                  "max_leaf max_leaf_nodes max_leaves num_leaf",
	"tree_learner":                "tree tree_learner_type tree_type",
	"num_threads":                 "n_jobs nthread nthreads num_thread",
	"device_type":                 "device",
	"seed":                        "random_seed random_state",
	"histogram_pool_size":         "hist_pool_size",
	"min_data_in_leaf":            "min_child_samples min_data min_data_per_leaf min_samples_leaf",
	"min_sum_hessian_in_leaf":     "min_child_weight min_hessian min_sum_hessian min_sum_hessian_per_leaf",
	"bagging_fraction":            "bagging sub_row subsample",
	"pos_bagging_fraction":        "pos_bagging pos_sub_row pos_subsample",
	"neg_bagging_fraction":        "neg_bagging neg_sub_row neg_subsample",
	"bagging_freq":                "subsample_freq",
	"bagging_seed":                "bagging_fraction_seed",
	"feature_fraction":            "colsample_bytree sub_feature",
	"feature_fraction_bynode":     "colsample_bynode sub_feature_bynode",
	"extra_trees":                 "extra_tree",
	"early_stopping_round":        "early_stopping early_stopping_rounds n_iter_no_change",
	"max_delta_step":              "max_leaf_output max_tree_output",
	"lambda_l1":                   "l1_regularization reg_alpha",
	"lambda_l2":                   "l2_regularization lambda reg_lambda",
	"min_gain_to_split":           "min_split_gain",
	"drop_rate":                   "rate_drop",
	"top_k":                       "topk",
	"monotone_constraints":        "mc monotone_constraint monotonic_cst",
	"monotone_constraints_method": "mc_method monotone_constraining_method",
	"monotone_penalty":            "mc_penalty monotone_splits_penalty ms_penalty",
	"feature_contri":              "fc feature_contrib feature_penalty fp",
	"forcedsplits_filename":       "forced_splits forced_splits_file forced_splits_filename fs",
	"verbosity":                   "verbose",
	"input_model":                 "model_in model_input",
	"output_model":                "model_out model_output",
	"snapshot_freq":               "save_period",
	"linear_tree":                 "linear_trees",
	"max_bin":                     "max_bins",
	"bin_construct_sample_cnt":    "subsample_for_bin",
	"data_random_seed":            "data_seed",
	"is_enable_sparse":            "enable_sparse is_sparse sparse",
	"enable_bundle":               "bundle is_enable_bundle",
	"pre_partition":               "is_pre_partition",
	"two_round":                   "two_round_loading use_two_round_loading",
	"header":                      "has_header",
	"label_column":                "label",
	"weight_column":               "weight",
	"group_column":                "group group_id query query_column query_id",
	"ignore_column":               "blacklist ignore_feature",
	"categorical_feature":         "cat_column cat_feature categorical_column categorical_features",
	"save_binary":                 "is_save_binary is_save_binary_file",
	"predict_raw_score":           "is_predict_raw_score predict_rawscore raw_score",
	"predict_leaf_index":          "is_predict_leaf_index leaf_index",
	"predict_contrib":             "contrib is_predict_contrib",
	"output_result":               "name_pred pred_name predict_name predict_result prediction_name prediction_result",
	"convert_model":               "convert_model_file",
	"num_class":                   "num_classes",
	"is_unbalance":                "unbalance unbalanced_sets",
	"metric":                      "metric_types metrics",
	"metric_freq":                 "output_freq",
	"is_provide_training_metric":  "is_training_metric train_metric training_metric",
	"eval_at":                     "map_at map_eval_at ndcg_at ndcg_eval_at",
	"num_machines":                "num_machine",
	"local_listen_port":           "local_port port",
	"machine_list_filename":       "machine_list machine_list_file mlist",
	"machines":                    "nodes workers",
}

// aliases leads from another name to the parameter's own.
var aliases = func() map[string]string {
	m := make(map[string]string)
	for name, list := range aliasLists {
		for _, alias := range strings.Fields(list) {
			m[alias] = name
		}
	}
	return m
}()

// CanonicalName is a parameter's own name for any of its aliases; what is no
// alias comes back as it is.
func CanonicalName(name string) string {
	if own, ok := aliases[name]; ok {
		return own
	}
	return name
}
