#!/usr/bin/env bash
# Times ml/dbscan on simulated points and, where Python is present, scikit-learn
# on the same points, up to the largest size that it finishes within
# PEER_SECONDS and PEER_MEMORY_KIB. The virtual environment is made outside the
# repository.
set -euo pipefail
cd "$(dirname "$0")/../.."

PEER_SECONDS=${PEER_SECONDS:-300}
PEER_MEMORY_KIB=${PEER_MEMORY_KIB:-8388608}
SIZES=${SIZES:-"10000 20000 50000 100000 200000 500000 1000000"}
venv=${BODEGA_BENCH_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/bodega/bench-venv}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/dbscan" ./bench/ml/dbscan

peer=
if command -v python3 >/dev/null; then
	[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
	"$venv/bin/python" -c 'import sklearn' 2>/dev/null || "$venv/bin/pip" install --quiet 'scikit-learn==1.9.1'
	peer=$venv/bin/python
	"$peer" -c 'import sklearn, numpy; print("peer: scikit-learn", sklearn.__version__, "numpy", numpy.__version__)'
else
	echo "python3 is absent: scikit-learn is not timed and nothing is compared with it"
fi

status=0
for shape in journals numeric; do
	compare=$peer
	for points in $SIZES; do
		"$work/dbscan" -shape "$shape" -points "$points" -out "$work"
		if [ -n "$compare" ]; then
			code=0
			(
				ulimit -v "$PEER_MEMORY_KIB"
				OPENBLAS_NUM_THREADS=1 timeout "$PEER_SECONDS" "$peer" bench/ml/dbscan_sklearn.py "$work/$shape-$points"
			) 2>"$work/stderr" || code=$?
			# 1 with figures printed is a difference; anything else did not finish.
			if [ "$code" -ne 0 ] && { [ "$code" -ne 1 ] || [ -s "$work/stderr" ]; }; then
				echo "$shape $points points: scikit-learn did not finish ($(tail -n 1 "$work/stderr" | cut -c1-120); exit $code; limits $PEER_SECONDS s, $PEER_MEMORY_KIB KiB)"
				compare=
			elif [ "$code" -ne 0 ]; then
				status=1
			fi
		fi
		rm -f "$work/$shape-$points".*
	done
done
exit $status
