#!/usr/bin/env bash
# Lists the packages that are tested with the race detector, and those that
# are not because they link Temporal's server, whose build with it takes
# longer than all tests together.
set -euo pipefail
cd "$(dirname "$0")/.."
slow='/(cmd/bodega|internal/platform/durable/embedded|bench/.*)$'
case ${1:?race or plain} in
  race) go list ./... | grep -vE "$slow" ;;
  plain) go list ./... | grep -E "$slow" ;;
esac
