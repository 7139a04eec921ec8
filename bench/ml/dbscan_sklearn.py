"""Clusters one point set with scikit-learn and compares: dbscan_sklearn.py FOLDER/SHAPE-POINTS

Prints one line of figures; exits 1 where the core partition differs.
"""

import json
import sys
import time

import numpy as np
from sklearn.cluster import DBSCAN

name = sys.argv[1]
with open(name + ".json") as file:
    ours = json.load(file)
points = np.fromfile(name + ".points", dtype="<f8").reshape(-1, ours["dims"])
labels = np.fromfile(name + ".labels", dtype="<i4")
core = np.fromfile(name + ".core", dtype=np.uint8).astype(bool)

started = time.perf_counter()
fitted = DBSCAN(eps=ours["eps"], min_samples=ours["min_samples"]).fit(points)
seconds = time.perf_counter() - started

peer_core = np.zeros(len(points), dtype=bool)
peer_core[fitted.core_sample_indices_] = True
same_core = np.array_equal(core, peer_core)
# The partitions are equal when pairing the labels is one to one.
pairs = set(zip(labels[core].tolist(), fitted.labels_[core].tolist()))
same_partition = same_core and len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})
differing = int((labels != fitted.labels_).sum())
print(
    f"{ours['shape']:8} {ours['points']:9d} points: scikit-learn {seconds:.3f} s, "
    f"bodega {ours['seconds']:.3f} s, {seconds / ours['seconds']:.0f} times; "
    f"core partition {'identical' if same_partition else 'DIFFERENT'}, labels that differ: {differing}"
)
sys.exit(0 if same_partition else 1)
