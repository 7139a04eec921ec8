"""Real LightGBM on the table that bench/ml/gbdt wrote: one training, one batch
prediction, single rows. Prints one JSON object of seconds, and of how far its
predictions of the model in FOLDER/model.txt are from those in FOLDER/scores.f64.

    python3 bench/ml/gbdt_peer.py FOLDER THREADS
"""

import json
import pathlib
import resource
import sys
import time

import lightgbm as lgb
import numpy as np


def clock():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), usage.ru_utime + usage.ru_stime


def timed(name, out, work):
    wall, cpu = clock()
    result = work()
    wall2, cpu2 = clock()
    out[name + "_s"] = wall2 - wall
    out[name + "_cpu_s"] = cpu2 - cpu
    return result


def main():
    folder, threads = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    shape = json.loads((folder / "shape.json").read_text())
    table = np.fromfile(folder / "features.f64").reshape(shape["features"], shape["rows"]).T.copy()
    label = np.fromfile(folder / "label.f64")
    params = dict(shape["params"], num_threads=threads, verbose=-1)
    rounds = params.pop("num_iterations")
    out = {"version": lgb.__version__}

    def train():
        data = lgb.Dataset(table, label=label, categorical_feature=shape["categorical"], params=params)
        return lgb.train(params, data, rounds)

    booster = timed("train", out, train)
    scores = timed("batch", out, lambda: booster.predict(table, num_threads=threads))
    right = scores[np.arange(len(label)), label.astype(int)]
    out["logloss"] = float(-np.log(np.maximum(right, 1e-15)).mean())
    scores.T.tofile(folder / "peer_scores.f64")
    given = np.fromfile(folder / "scores.f64").reshape(-1, shape["rows"]).T
    served = lgb.Booster(model_file=folder / "model.txt").predict(table, num_threads=threads)
    out["model_here"] = float(np.abs(served - given).max())
    booster.save_model(folder / "peer.txt")
    first = lgb.Booster(model_file=folder / "peer.txt")
    rounds_of_100 = 100 // shape["params"]["num_class"]
    first.predict(table[:1], num_iteration=rounds_of_100)
    calls = 300
    timed("single", out, lambda: [first.predict(table[i : i + 1], num_iteration=rounds_of_100, num_threads=1) for i in range(calls)])
    out["single_s"] /= calls
    out["single_cpu_s"] /= calls
    print(json.dumps(out))


if __name__ == "__main__":
    main()
