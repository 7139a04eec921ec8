"""Writes golden.json: small inputs and what scikit-learn's DBSCAN says of them.

Run by hand, in an environment with scikit-learn:

    python3 testdata/make_golden.py > testdata/golden.json

Coordinates are multiples of 1/64, so that JSON, division by the scales and
squares are exact, and many points lie exactly eps apart. A layer reaches
scikit-learn as one more coordinate that is far larger than any distance.
"""

import json
import sys

import numpy as np
import sklearn
from sklearn.cluster import DBSCAN

rng = np.random.default_rng(20260101)


def exact(values):
    return np.round(np.asarray(values) * 64) / 64


def case(name, columns, scales, eps, min_samples, layers=None):
    points = np.column_stack([c / s for c, s in zip(columns, scales)])
    for layer in layers or []:
        points = np.column_stack([points, np.asarray(layer, dtype=float) * 2.0**20])
    # Small inputs would be searched by matrix products, whose rounding moves
    # boundary points; the k-d tree compares sums of squared differences.
    fitted = DBSCAN(eps=eps, min_samples=min_samples, algorithm="kd_tree").fit(points)
    core = np.zeros(len(points), dtype=bool)
    core[fitted.core_sample_indices_] = True
    return {
        "name": name,
        "columns": [c.tolist() for c in columns],
        "scales": scales,
        "layers": [np.asarray(l).tolist() for l in layers or []],
        "eps": eps,
        "min_samples": min_samples,
        "labels": fitted.labels_.tolist(),
        "core": "".join("1" if c else "0" for c in core),
    }


def blobs(n, dims, spread):
    centres = rng.integers(0, 8, size=(4, dims))
    return [exact(centres[rng.integers(0, 4, n), j] + rng.normal(0, spread, n)) for j in range(dims)]


cases = []
n = 240
amount = exact(np.where(rng.random(n) < 0.6, rng.integers(-4, 5, n) * 2.5, rng.normal(0, 12, n)))
day = rng.integers(1, 32, n).astype(float)
currency = rng.integers(0, 3, n)
country = rng.integers(0, 2, n)
for min_samples in (1, 3, 6):
    cases.append(case(f"amount and day by currency, min_samples {min_samples}", [amount, day], [1, 2], 2.5, min_samples, [currency]))
cases.append(case("amount and day by currency and country", [amount, day], [2, 4], 1.25, 3, [currency, country]))
cases.append(case("amount and day without a layer", [amount, day], [1, 1], 1.5, 4))
for dims in (1, 2, 3, 4):
    for spread in (0.1, 0.4):
        cases.append(case(f"blobs in {dims} dimensions, spread {spread}", blobs(150, dims, spread), [1] * dims, 0.5, 4))
for dims in (1, 2, 3, 4):
    grid = [rng.integers(0, 5, 120).astype(float) for _ in range(dims)]
    cases.append(case(f"lattice in {dims} dimensions, neighbours exactly eps apart", grid, [1] * dims, 1.0, 5))
    cases.append(case(f"lattice in {dims} dimensions, scale 2", grid, [2] * dims, 0.5, 5))
same = [np.full(40, 3.25)] * 2
cases.append(case("identical points, enough", same, [1, 1], 0.25, 40))
cases.append(case("identical points, one short", same, [1, 1], 0.25, 41))
cases.append(case("one dimension constant", [exact(rng.normal(0, 3, 100)), np.full(100, 7.0)], [1, 1], 0.25, 4))

json.dump({"scikit-learn": sklearn.__version__, "cases": cases}, sys.stdout, separators=(",", ":"))
