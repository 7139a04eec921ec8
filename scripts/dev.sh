#!/usr/bin/env bash
# Runs the server and the console's development server; rebuilds and restarts
# the server when a Go file changes.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
export BODEGA_LOG_LEVEL=${BODEGA_LOG_LEVEL:-warn}
server=
stop() { [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true; server=; }
trap 'stop; kill 0 2>/dev/null || true' EXIT INT TERM

(cd console && npm run dev) &
changed() { find cmd internal gen console/console.go \( -name '*.go' -o -name '*.sql' -o -name '*.yaml' \) -newer bin/.built -print -quit; }
build() { touch bin/.built && go build -o bin/bodega ./cmd/bodega; }

while :; do
  if build; then
    stop
    ./bin/bodega serve --demo --data-dir .bodega &
    server=$!
  else
    echo "== the build has errors; the old server goes on" >&2
  fi
  until [ -n "$(changed)" ]; do sleep 0.5; done
  echo "== rebuild"
done
