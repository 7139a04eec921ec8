#!/usr/bin/env bash
# Times ml/gbdt and ml/dbscan, and where Python is present LightGBM and
# scikit-learn on the same data in the same run. Python's packages go into a
# virtual environment outside the repository; what is missing is said, and this
# side is then measured alone.
#
#   bench/ml/run.sh [gbdt|dbscan]...      both where none is named
#
# RUNS and THREADS are for the trees. SIZES, PEER_SECONDS and PEER_MEMORY_KIB are
# for the clusters: sizes grow until scikit-learn does not finish within them.
# BODEGA_BENCH_PYTHON is a Python to take as it is.
set -euo pipefail
cd "$(dirname "$0")/../.."

RUNS=${RUNS:-3}
THREADS=${THREADS:-1,2}
SIZES=${SIZES:-"10000 20000 50000 100000 200000 500000 1000000"}
PEER_SECONDS=${PEER_SECONDS:-300}
PEER_MEMORY_KIB=${PEER_MEMORY_KIB:-8388608}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# find_python sets python to one that has the peers, or to nothing.
find_python() {
	local packages='lightgbm==4.6.0 scikit-learn==1.9.1 pandas==3.1.1'
	local check='import lightgbm, sklearn, numpy, pandas, sys; print("peers: Python", sys.version.split()[0], "LightGBM", lightgbm.__version__, "scikit-learn", sklearn.__version__, "numpy", numpy.__version__)'
	python=${BODEGA_BENCH_PYTHON:-}
	if [ -n "$python" ]; then
		"$python" -c "$check" 2>/dev/null || { echo "without peers: $python lacks one of: $packages"; python=; }
		return
	fi
	local venv=${XDG_CACHE_HOME:-$HOME/.cache}/bodega/bench-venv
	if "$venv/bin/python" -c "$check" 2>/dev/null; then
		python=$venv/bin/python
	elif ! command -v python3 >/dev/null; then
		echo "without peers: there is no python3"
	elif ! python3 -m venv "$venv" >"$work/log" 2>&1; then
		echo "without peers: python3 -m venv does not work here (Debian: apt-get install python3-venv): $(tail -n 1 "$work/log")"
	elif ! "$venv/bin/python" -m pip install --quiet $packages >"$work/log" 2>&1; then
		echo "without peers: pip cannot install $packages: $(tail -n 1 "$work/log")"
	elif "$venv/bin/python" -c "$check" 2>"$work/log"; then
		python=$venv/bin/python
	else
		# LightGBM needs OpenMP, which is a package of the system.
		echo "without peers: what pip installed does not load (Debian: apt-get install libgomp1): $(tail -n 1 "$work/log")"
	fi
}

trees() {
	go build -o "$work/bench-gbdt" ./bench/ml/gbdt
	"$work/bench-gbdt" -runs "$RUNS" -threads "$THREADS" -python "$python"
}

clusters() {
	local shape points compare code status=0
	go build -o "$work/bench-dbscan" ./bench/ml/dbscan
	for shape in journals hourly numeric; do
		compare=$python
		for points in $SIZES; do
			"$work/bench-dbscan" -shape "$shape" -points "$points" -out "$work"
			if [ -n "$compare" ]; then
				code=0
				(
					ulimit -v "$PEER_MEMORY_KIB"
					OPENBLAS_NUM_THREADS=1 timeout "$PEER_SECONDS" "$compare" bench/ml/dbscan_sklearn.py "$work/$shape-$points"
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
	return $status
}

[ $# -gt 0 ] || set -- gbdt dbscan
for part; do
	case $part in
	gbdt | dbscan) ;;
	*)
		echo "there is no benchmark $part; there are gbdt and dbscan" >&2
		exit 2
		;;
	esac
done
find_python
for part; do
	printf '\n== %s\n' "$part"
	case $part in
	gbdt) trees ;;
	dbscan) clusters ;;
	esac
done
