// Package gbdt trains, stores and serves gradient-boosted decision trees in
// the manner of LightGBM 4: histogram bins, leaf-wise growth, native
// categorical splits, missing values, and the v4 text model, so that a model
// trained by one of the two is served by the other.
//
// The flow of training:
//
//	Dataset (columns, label, weight)
//	  -> binMapper per feature      bin.go       value -> bin number
//	  -> binned                     binned.go    columns and packed words of bins
//	  -> per round: gradients       objective.go first and second derivatives
//	     -> per class: grower       grow.go      histograms, best splits, partition
//	        -> Tree                 tree.go
//	     -> metrics, early stopping train.go, metric.go
//	  -> Model                      model.go     read and written as text
//
// The flow of serving: Model -> forest (forest.go), which lays the nodes of all
// trees out flat and walks many rows through one tree at a time.
//
// A leaf whose rows' derivatives add up to G and H, with T(G) the soft
// threshold sign(G) max(0, |G| - l1), has
//
//	output = -T(G) / (H + l2), times the learning rate
//	gain   = T(G)^2 / (H + l2)
//
// and is split where gain(left) + gain(right) - gain(leaf) is largest.
// docs/ml/gbdt.md has the derivatives of each objective, every parameter, the
// file format and the measurements.
//
// Sources: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision
// Tree" (NeurIPS 2017); Friedman, "Greedy Function Approximation" (2001);
// Fisher, "On Grouping for Maximum Homogeneity" (1958) for categorical splits;
// Lundberg and Lee, arXiv:1706.06060 and 1802.03888 for contributions; Kleiman
// and Page, "AUC mu" (ICML 2019). Parameters carry LightGBM's names and
// defaults.
//
// Results do not depend on the number of threads: work is divided by feature
// or by row, and every sum is taken in row order by one goroutine.
package gbdt
