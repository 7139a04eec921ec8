#!/bin/sh
# Generates deep copies and CRDs from the API types. Kustomize's copy of the
# CRDs is rendered from the chart's, by kustomize/render.sh.
#
# Usage: generate.sh          write them
#        generate.sh verify   fail where what is committed differs
set -eu

VERSION=v0.23.0

cd "$(dirname "$0")/../.."
tools=${BODEGA_TOOLS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bodega/tools}/controller-gen-$VERSION
if [ ! -x "$tools/controller-gen" ]; then
	GOBIN=$tools GOFLAGS= go install "sigs.k8s.io/controller-tools/cmd/controller-gen@$VERSION"
fi

"$tools/controller-gen" \
	object crd:maxDescLen=512 \
	paths=./api/health/v1alpha1 \
	output:crd:dir=deploy/operator/chart/crds

if [ "${1:-}" = verify ]; then
	changed=$(git status --porcelain -- api/health deploy/operator/chart/crds)
	if [ -n "$changed" ]; then
		echo "generated files differ from the API types; run deploy/operator/generate.sh and commit:" >&2
		echo "$changed" >&2
		exit 1
	fi
fi
