#!/usr/bin/env bash
# Runs the server and the console's development server; rebuilds and restarts
# the server when a Go file changes. BODEGA_LISTEN names another address for the
# server than 127.0.0.1:8080.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
export BODEGA_LOG_LEVEL=${BODEGA_LOG_LEVEL:-warn}
export BODEGA_LISTEN=${BODEGA_LISTEN:-127.0.0.1:8080}
server=
vite=
end() { [ -z "$1" ] || { kill "$1" && wait "$1"; } 2>/dev/null || true; }
trap 'end "$server"; end "$vite"' EXIT
trap 'exit 0' INT TERM HUP

# By itself: npm would not pass the signal on that ends it.
(cd console && BODEGA_URL=http://$BODEGA_LISTEN exec node_modules/.bin/vite --clearScreen false) &
vite=$!
changed() { find cmd internal gen console/console.go go.mod \( -name '*.go' -o -name '*.sql' -o -name '*.yaml' -o -name go.mod \) -newer bin/.built -print -quit; }
build() { touch bin/.built && go build -o bin/bodega ./cmd/bodega; }
runs() { [ -n "$server" ] && kill -0 "$server" 2>/dev/null; }

while :; do
  if build; then
    end "$server"
    ./bin/bodega serve --demo --data-dir .bodega &
    server=$!
  elif runs; then
    echo "== the build has errors; the old server goes on, the next save builds again" >&2
  else
    echo "== the build has errors; the next save builds again" >&2
  fi
  until [ -n "$(changed)" ]; do
    if [ -n "$server" ] && ! runs; then
      server=
      echo "== the server has ended; the next save starts it again" >&2
    fi
    sleep 0.5
  done
  echo "== rebuild"
done
