"""Trains and serves the same models with bodega and with LightGBM, and compares.

    make bench-ml        # makes the virtual environment
    go build -o /tmp/bodega ./cmd/bodega
    ~/.cache/bodega/bench-venv/bin/python bench/ml/agree.py /tmp/bodega
    ~/.cache/bodega/bench-venv/bin/python bench/ml/agree.py /tmp/bodega 300 7

For every set of parameters below, with and without weights: LightGBM's model
served by bodega, bodega's model served by LightGBM, contributions, and the
predictions of the two trainings. Then models of objectives and kinds of trees
that bodega serves and does not train. The second command instead draws 300
tables and sets of parameters at random, from seed 7. Exits 1 where anything
differs by more than rounding. Run by hand, when either side changes.
"""

import csv
import io
import pathlib
import subprocess
import sys
import tempfile

import lightgbm as lgb
import numpy as np
import pandas as pd

NUMERIC = [f"x{i}" for i in range(7)]
CATEGORICAL = ["c0", "c1", "c2"]
FEATURES = NUMERIC + CATEGORICAL
FIXED = dict(num_threads=1, deterministic=True, force_col_wise=True, verbose=-1)
ROUNDS = 30
TRAINED = [
    dict(objective="binary"),
    dict(objective="multiclass", num_class=5),
    dict(objective="regression"),
    dict(objective="binary", bagging_fraction=0.6, bagging_freq=1, bagging_seed=11),
    dict(objective="multiclass", num_class=5, feature_fraction=0.5, feature_fraction_seed=9),
    dict(objective="regression", feature_fraction_bynode=0.6, lambda_l2=3),
    dict(objective="regression", monotone_constraints=[1, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
    dict(objective="binary", monotone_constraints=[1, -1, 0, 0, 0, 0, 0, 0, 0, 0], monotone_penalty=1.5),
    dict(objective="multiclass", num_class=5, max_cat_to_onehot=20, min_data_in_leaf=5),
    dict(objective="binary", zero_as_missing=True),
    dict(objective="binary", use_missing=False),
    dict(objective="binary", max_depth=4),
    dict(objective="regression", max_depth=3, num_leaves=31),
    dict(objective="regression", lambda_l1=2.5, max_delta_step=0.7),
    dict(objective="regression", path_smooth=10.0),
    dict(objective="binary", is_unbalance=True),
    dict(objective="binary", scale_pos_weight=3.0),
    dict(objective="binary", sigmoid=2.0),
    dict(objective="multiclass", num_class=5, boost_from_average=False),
    dict(objective="regression", boost_from_average=False),
    dict(objective="binary", max_bin=20, min_data_in_bin=10),
    dict(objective="binary", max_bin_by_feature=[5, 10, 200, 30, 255, 20, 20, 10, 10, 10]),
    dict(objective="binary", max_bin=1000),
    dict(objective="regression", seed=123, bagging_fraction=0.5, bagging_freq=3, feature_fraction=0.7),
    dict(objective="binary", cat_smooth=1.0, cat_l2=0.0, min_data_per_group=5, max_cat_threshold=60),
    dict(objective="regression", cat_smooth=0.0),
    dict(objective="multiclass", num_class=5, cat_smooth=0.0, cat_l2=0.0, min_data_per_group=5, min_data_in_leaf=5),
    dict(objective="binary", bin_construct_sample_cnt=500),
    dict(objective="regression", min_gain_to_split=5.0),
    dict(objective="binary", pos_bagging_fraction=0.4, neg_bagging_fraction=0.9, bagging_freq=2),
    dict(objective="regression", min_data_in_leaf=1, min_sum_hessian_in_leaf=0.0, num_leaves=200),
    dict(objective="binary", min_data_in_leaf=0, num_leaves=255, learning_rate=0.3),
    dict(objective="multiclass", num_class=5, feature_pre_filter=False, min_data_in_leaf=100),
]
# Label and parameters of models that are served only.
SERVED = [
    ("regression", dict(objective="regression_l1")),
    ("regression", dict(objective="huber")),
    ("regression", dict(objective="quantile", alpha=0.3)),
    ("regression", dict(objective="regression", reg_sqrt=True)),
    ("positive", dict(objective="mape")),
    ("positive", dict(objective="poisson")),
    ("positive", dict(objective="gamma")),
    ("positive", dict(objective="tweedie")),
    ("share", dict(objective="cross_entropy")),
    ("share", dict(objective="cross_entropy_lambda")),
    ("multiclass", dict(objective="multiclassova", num_class=5)),
    ("binary", dict(objective="binary", boosting="dart")),
    ("binary", dict(objective="binary", boosting="rf", bagging_fraction=0.5, bagging_freq=1)),
    ("multiclass", dict(objective="multiclass", num_class=5, boosting="rf", bagging_fraction=0.5, bagging_freq=1)),
    ("multiclass", dict(objective="multiclass", num_class=5, data_sample_strategy="goss")),
    ("binary", dict(objective="binary", extra_trees=True)),
    ("regression", dict(objective="regression", num_leaves=2000, min_data_in_leaf=1)),
]


def make_table(rows, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 7))
    x[:, 1] = np.round(x[:, 1], 1)
    x[rng.random(rows) < 0.2, 2] = np.nan
    x[rng.random(rows) < 0.5, 3] = 0
    x[:, 4] = np.exp(3 * x[:, 4])
    c = np.stack([rng.integers(0, 3, rows), rng.integers(0, 12, rows), np.minimum(rng.geometric(0.05, rows), 90)], 1).astype(float)
    c[rng.random(rows) < 0.07, 1] = np.nan
    effect = np.random.default_rng(1).standard_normal((100, 5))
    f = np.nan_to_num(x)
    z = np.stack([f[:, 0] + f[:, 2], f[:, 1] - f[:, 3], np.sin(2 * f[:, 0]), f[:, 5] * f[:, 6], np.log1p(f[:, 4]) / 2], 1)
    z += 0.7 * effect[c[:, 2].astype(int)] + 0.5 * effect[np.nan_to_num(c[:, 1]).astype(int)] + 0.5 * rng.gumbel(size=z.shape)
    value = np.round(2 * z[:, 0] + z[:, 1], 3)
    labels = dict(
        regression=value,
        positive=np.exp(value / 5),
        share=1 / (1 + np.exp(-value)),
        binary=(z[:, 0] > z[:, 1]).astype(float),
        multiclass=z.argmax(1).astype(float),
    )
    frame = pd.DataFrame(np.hstack([x, c]), columns=FEATURES)
    return frame, labels, rng.uniform(0.2, 2, rows).round(2)


def draw_table(rng):
    """A table of 30 to 4,000 rows with the oddities that columns have."""
    rows = int(rng.integers(30, 4000))
    columns, categorical = {}, []
    for number in range(rng.integers(1, 8)):
        x = rng.standard_normal(rows)
        match rng.integers(0, 7):
            case 1:
                x = np.round(x)
            case 2:
                x[rng.random(rows) < 0.8] = 0
            case 3:
                x[rng.random(rows) < 0.3] = np.nan
            case 4:
                x *= 10.0 ** rng.integers(-30, 30)
            case 5:
                x[:] = 3
            case 6:
                x = np.where(rng.random(rows) < 0.95, np.nan, np.abs(x))
        columns[f"x{number}"] = x
    for number in range(rng.integers(0, 4)):
        c = np.minimum(rng.geometric(rng.uniform(0.01, 0.5), rows), rng.integers(1, 300)).astype(float)
        if rng.random() < 0.4:
            c[rng.random(rows) < 0.1] = np.nan
        if rng.random() < 0.2:
            c[rng.random(rows) < 0.05] = -1
        categorical.append(f"c{number}")
        columns[categorical[-1]] = c
    z = np.nan_to_num(columns["x0"])
    z = z / (np.abs(z).max() or 1) + 0.3 * rng.standard_normal(rows)
    if categorical:
        z += 0.5 * np.sin(np.nan_to_num(columns["c0"]))
    return pd.DataFrame(columns), categorical, z


def draw_params(rng, frame, categorical, z):
    """Parameters, most of them at their defaults, and the label that goes with them."""
    objective = rng.choice(["binary", "multiclass", "regression"])
    params = dict(objective=str(objective))
    if objective == "multiclass":
        classes = params["num_class"] = int(rng.integers(2, 6))
        label = np.digitize(z, np.quantile(z, np.linspace(0, 1, classes + 1)[1:-1])).astype(float)
        if rng.random() < 0.2:
            label[label == classes - 1] = 0  # a class without rows
    elif objective == "binary":
        label = (z > np.quantile(z, rng.uniform(0.02, 0.98))).astype(float)
    else:
        label = np.round(z * 10.0 ** rng.integers(-3, 6), 6)
    choices = dict(
        num_leaves=range(2, 100), max_depth=range(1, 8), min_data_in_leaf=range(2, 60), learning_rate=[0.01, 0.3, 1.0],
        lambda_l1=[0.1, 1.0, 10.0], lambda_l2=[0.1, 1.0, 10.0], min_gain_to_split=[0.05], min_sum_hessian_in_leaf=[0.0, 0.1, 5.0],
        max_bin=[2, 3, 15, 63, 500, 1000], min_data_in_bin=range(1, 20), bagging_fraction=[0.7], bagging_freq=[1, 2, 3],
        feature_fraction=[0.6], feature_fraction_bynode=[0.6], max_cat_to_onehot=range(1, 20), max_cat_threshold=range(1, 60),
        cat_smooth=[0.0, 1.0, 50.0], cat_l2=[0.0, 1.0, 50.0], min_data_per_group=range(1, 200), path_smooth=[1.0, 20.0],
        max_delta_step=[0.5], zero_as_missing=[True], use_missing=[False], boost_from_average=[False],
        feature_pre_filter=[False], seed=range(1000),
    )
    for name, values in choices.items():
        if rng.random() < 0.25:
            params[name] = values[rng.integers(len(values))]
    if objective != "multiclass" and rng.random() < 0.2:
        params["monotone_constraints"] = [0 if name in categorical else int(rng.integers(-1, 2)) for name in frame]
    if objective == "binary" and rng.random() < 0.2:
        params["is_unbalance"] = True
    return params, label


class Comparison:
    def __init__(self, bodega, folder):
        self.bodega, self.folder = bodega, pathlib.Path(folder)
        self.bad = 0

    def run(self, *args):
        done = subprocess.run([self.bodega, "model", *map(str, args)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"bodega model {' '.join(map(str, args))}: {done.stderr}")
        return done.stdout

    def predict(self, model, *more):
        text = self.run("predict", "--model", model, "--data", self.folder / "test.csv", *more)
        return np.array(list(csv.reader(io.StringIO(text)))[1:], float)

    def differences(self, booster, features, model):
        """How far bodega's predictions and contributions of a model are from LightGBM's."""
        want = booster.predict(features).reshape(len(features), -1)
        scale = max(1, np.abs(want).max())
        explained = booster.predict(features, pred_contrib=True)
        return dict(
            predictions=np.abs(self.predict(model) - want).max() / scale,
            contributions=np.abs(self.predict(model, "--contrib") - explained).max() / max(1, np.abs(explained).max()),
        )

    def report(self, name, differences, most=1e-12):
        wrong = {k: v for k, v in differences.items() if not v <= most}
        self.bad += bool(wrong)
        print(f"{'DIFFERS' if wrong else 'agrees '} {name}: " + ", ".join(f"{k} {v:.1g}" for k, v in differences.items()), flush=True)

    def train_both(self, params, number, weighted):
        frame, labels, weight = make_table(3000, number)
        test, _, _ = make_table(1000, 1000 + number)
        label = labels[params["objective"]]
        self.compare(f"{params}{' weighted' if weighted else ''}", params, frame, label, test, CATEGORICAL, weight if weighted else None)

    def train_random(self, rng):
        frame, categorical, z = draw_table(rng)
        params, label = draw_params(rng, frame, categorical, z)
        self.compare(f"{params} on {len(frame)} rows of {', '.join(frame)}", params, frame, label, frame, categorical)

    def compare(self, name, params, frame, label, test, categorical, weight=None):
        """Trains on both sides and lets each serve both models on the rows of test."""
        train_csv, ours = self.folder / "train.csv", self.folder / "ours.txt"
        frame.assign(y=label).to_csv(train_csv, index=False)
        test.assign(y=0).to_csv(self.folder / "test.csv", index=False)
        weights = self.folder / "train.csv.weight"
        weights.unlink(missing_ok=True)
        if weight is not None:
            np.savetxt(weights, weight, fmt="%.2f")

        given = ["--param", f"num_iterations={ROUNDS}"]
        for key, value in params.items():
            given += ["--param", f"{key}={','.join(map(str, value)) if isinstance(value, list) else value}"]
        if categorical:
            given += ["--categorical", ",".join(categorical)]
        self.run("train", "--data", train_csv, "--label", "y", *given, "--out", ours)
        theirs = self.train_theirs(frame, label, params, categorical, weight)

        features = test.to_numpy()
        self.report(f"{name}, LightGBM's model", self.differences(theirs, features, self.folder / "theirs.txt"))
        self.report(f"{name}, bodega's model", self.differences(lgb.Booster(model_file=ours), features, ours))
        want = theirs.predict(features).reshape(len(features), -1)
        apart = np.abs(self.predict(ours) - want).max() / max(1, np.abs(want).max())
        self.report(f"{name}, the trainings", dict(predictions=apart), 1e-9)

    def train_theirs(self, frame, label, params, categorical, weight=None):
        data = lgb.Dataset(
            frame.to_numpy(),
            label=label,
            weight=weight,
            feature_name=list(frame),
            categorical_feature=[list(frame).index(c) for c in categorical],
            params=dict(params, **FIXED),
        )
        booster = lgb.train(dict(params, **FIXED), data, ROUNDS)
        booster.save_model(self.folder / "theirs.txt")
        return booster

    def serve_theirs(self, label, params):
        frame, labels, _ = make_table(3000, 7)
        test, _, _ = make_table(1000, 8)
        test.to_csv(self.folder / "test.csv", index=False)
        booster = self.train_theirs(frame, labels[label], params, CATEGORICAL)
        self.report(f"{params}, served", self.differences(booster, test.to_numpy(), self.folder / "theirs.txt"))


def main():
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(sys.argv[1], folder)
        if len(sys.argv) == 4:
            rng = np.random.default_rng(int(sys.argv[3]))
            for _ in range(int(sys.argv[2])):
                comparison.train_random(rng)
        else:
            for weighted in (False, True):
                for number, params in enumerate(TRAINED):
                    comparison.train_both(params, number, weighted)
            for label, params in SERVED:
                comparison.serve_theirs(label, params)
    print(f"{comparison.bad} comparisons differ")
    sys.exit(1 if comparison.bad else 0)


if __name__ == "__main__":
    main()
