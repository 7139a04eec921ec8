"""Makes the golden data of package gbdt with real LightGBM.

Run by hand, in an environment of its own, from any folder:

    python3 -m venv /some/where && /some/where/bin/pip install lightgbm==4.6.0 pandas
    /some/where/bin/python internal/ml/gbdt/testdata/make_golden.py

It writes, beside itself:

    rows.csv          the training rows: features, three labels, a weight
    <case>.model.txt  a model as LightGBM saves it
    golden.json       per case: parameters, categorical columns, label, metrics,
                      raw scores, predictions and contributions of some rows

One thread, column-wise histograms and the deterministic switch fix the order of
LightGBM's sums, so that trees can be compared split for split.
"""

import json
import pathlib

import lightgbm as lgb
import numpy as np
import pandas as pd

HERE = pathlib.Path(__file__).parent
NUMERIC = ["x0", "x1", "x2", "x3", "x4", "x5"]
CATEGORICAL = ["c0", "c1", "c2"]
FEATURES = NUMERIC + CATEGORICAL
FIXED = dict(num_threads=1, deterministic=True, force_col_wise=True, verbose=-1)
SHOWN = 60  # rows whose scores are stored
EXPLAINED = 8  # rows whose contributions are stored


def make_rows(n=700):
    rng = np.random.default_rng(20260101)
    x = np.round(rng.standard_normal((n, 6)), 3)
    x[:, 1] = np.round(x[:, 1], 1)  # few distinct values
    x[rng.random(n) < 0.6, 2] = 0  # mostly zero
    x[rng.random(n) < 0.15, 3] = np.nan
    x[:, 4] = np.abs(x[:, 4]) * 100
    x[rng.random(n) < 0.9, 5] = np.nan  # mostly missing
    c = np.stack(
        [
            rng.integers(0, 3, n),
            np.minimum(rng.geometric(0.15, n), 25),
            rng.integers(0, 40, n) * 3,
        ],
        1,
    ).astype(float)
    c[rng.random(n) < 0.05, 1] = np.nan
    effect = rng.standard_normal((121, 3))
    f = np.nan_to_num(x)
    z = np.stack([f[:, 0] + f[:, 2], f[:, 1] - f[:, 3], np.sin(2 * f[:, 0]) + f[:, 4] / 100], 1)
    z += effect[c[:, 2].astype(int)] + 0.7 * effect[np.nan_to_num(c[:, 1]).astype(int)] + 0.3 * c[:, :1]
    noisy = z + rng.gumbel(size=z.shape) * 0.5
    frame = pd.DataFrame(np.hstack([x, c]), columns=FEATURES)
    frame["regression"] = np.round(z[:, 0] * 2 + 0.3 * rng.standard_normal(n), 3)
    frame["binary"] = (noisy[:, 0] > noisy[:, 1]).astype(int)
    frame["multiclass"] = noisy.argmax(1)
    frame["weight"] = np.round(rng.uniform(0.2, 3, n), 2)
    return frame


# name: (label, parameters, options). "trainable" cases are trained again by the
# Go tests and compared; the others only load and predict.
CASES = {
    "regression": ("regression", {}, {}),
    "regression_regularized": ("regression", dict(lambda_l1=0.7, lambda_l2=3.5, min_gain_to_split=0.05, num_leaves=9), dict(weight=True)),
    "regression_numeric": ("regression", dict(max_bin=15, min_data_in_leaf=5, num_leaves=20), dict(categorical=[])),
    "regression_monotone": ("regression", dict(monotone_constraints=[1, -1, 0, 0, 1, 0, 0, 0, 0], monotone_penalty=0.6), {}),
    "regression_smooth": ("regression", dict(path_smooth=4.0, max_delta_step=0.8, num_leaves=12), {}),
    "regression_nostart": ("regression", dict(boost_from_average=False, max_depth=3), {}),
    "binary": ("binary", {}, {}),
    "binary_sampled": ("binary", dict(bagging_fraction=0.7, bagging_freq=2, feature_fraction=0.6, num_leaves=10), {}),
    "binary_balanced": ("binary", dict(pos_bagging_fraction=0.8, neg_bagging_fraction=0.5, bagging_freq=1, seed=99, feature_fraction_bynode=0.5), {}),
    "binary_unbalanced": ("binary", dict(is_unbalance=True, sigmoid=0.7, min_sum_hessian_in_leaf=2.0), dict(weight=True)),
    "binary_zero_missing": ("binary", dict(zero_as_missing=True), {}),
    "binary_no_missing": ("binary", dict(use_missing=False), {}),
    "multiclass": ("multiclass", dict(num_class=3), {}),
    "multiclass_weighted": ("multiclass", dict(num_class=3, learning_rate=0.3, num_leaves=6), dict(weight=True)),
    "multiclass_onehot": ("multiclass", dict(num_class=3, max_cat_to_onehot=60, min_data_in_leaf=8), {}),
    "multiclass_cats": ("multiclass", dict(num_class=3, cat_smooth=2, cat_l2=1, min_data_per_group=10, max_cat_threshold=7), {}),
    # Ratios of 0/0, whose order is the sort's.
    "multiclass_unsmoothed": ("multiclass", dict(num_class=3, cat_smooth=0, cat_l2=1, min_data_per_group=5), {}),
    "multiclass_stumps": ("multiclass", dict(num_class=3, num_leaves=2, feature_pre_filter=False), {}),
    # Only to load and predict.
    "forest": ("binary", dict(boosting="rf", bagging_fraction=0.6, bagging_freq=1), dict(trainable=False)),
    "ova": ("multiclass", dict(objective="multiclassova", num_class=3), dict(trainable=False)),
    "poisson": ("weight", dict(objective="poisson"), dict(trainable=False)),
    "linear": ("regression", dict(linear_tree=True, num_leaves=4), dict(trainable=False, categorical=[])),
    "pandas": ("binary", dict(num_leaves=8), dict(trainable=False, pandas=True)),
}

METRICS = dict(regression=["l2", "rmse", "l1"], binary=["binary_logloss", "auc", "binary_error"], multiclass=["multi_logloss", "multi_error", "auc_mu"])


def numbers(a):
    return [repr(float(v)) for v in np.asarray(a).ravel()]


def as_frame(frame):
    """The features as a frame with text categories, as pandas users have them."""
    f = frame[FEATURES].copy()
    f["c0"] = f["c0"].map({0: "red", 1: "green", 2: "deep blue"}).astype("category")
    f["c1"] = f["c1"].astype("category")  # numbers, and missing ones
    f["c2"] = f["c2"].astype(int).map(lambda v: f"k{v}").astype("category")
    return f


def main():
    frame = make_rows()
    frame.to_csv(HERE / "rows.csv", index=False)
    golden = {}
    for name, (label, extra, options) in CASES.items():
        params = dict(objective=label, num_leaves=15, **FIXED)
        params.update(extra)
        kind = label if label in METRICS and "objective" not in extra else None
        if kind:
            params["metric"] = METRICS[kind]
        categorical = options.get("categorical", CATEGORICAL)
        weight = frame["weight"].to_numpy() if options.get("weight") else None
        if options.get("pandas"):
            table = as_frame(frame)
            data = lgb.Dataset(table, label=frame[label])
        else:
            table = frame[FEATURES].to_numpy()
            data = lgb.Dataset(
                table,
                label=frame[label],
                weight=weight,
                feature_name=FEATURES,
                categorical_feature=[FEATURES.index(c) for c in categorical],
                params=params,
            )
        history = {}
        booster = lgb.train(
            params, data, num_boost_round=12, valid_sets=[data], valid_names=["training"],
            callbacks=[lgb.record_evaluation(history)],
        )
        booster.save_model(HERE / f"{name}.model.txt")
        shown = table[:SHOWN] if not options.get("pandas") else table.iloc[:SHOWN]
        case = dict(
            label=label,
            params={k: v for k, v in extra.items()},
            objective=params["objective"],
            num_leaves=params["num_leaves"],
            categorical=categorical,
            weighted=bool(options.get("weight")),
            trainable=options.get("trainable", True),
            raw=numbers(booster.predict(shown, raw_score=True)),
            predicted=numbers(booster.predict(shown)),
        )
        if "linear_tree" not in extra:
            case["contributions"] = numbers(booster.predict(shown[:EXPLAINED], pred_contrib=True))
        if kind:
            case["metrics"] = {m: repr(float(v[-1])) for m, v in history["training"].items()}
        golden[name] = case
        if options.get("pandas"):
            table.iloc[:SHOWN].to_csv(HERE / "pandas.csv", index=False)
    with open(HERE / "golden.json", "w") as f:
        json.dump(golden, f, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
