#!/bin/sh
# Renders the chart into the manifests that kustomize builds on, so that both
# ways to install say the same.
#
# Usage: render.sh          write them
#        render.sh verify   fail where what is committed differs
set -eu
cd "$(dirname "$0")"
helm=$(../../../test/kube/build.sh path)/helm
[ -x "$helm" ] || { echo "helm is absent: run test/kube/build.sh" >&2; exit 1; }
out=.
if [ "${1:-}" = verify ]; then
	out=$(mktemp -d)
	trap 'rm -rf "$out"' EXIT
	mkdir -p "$out/monitoring"
fi
cat ../chart/crds/*.yaml >"$out/crds.yaml"
render() { "$helm" template bodega-operator ../chart --namespace bodega-operator "$@" | sed '/^# Source: /d; /managed-by: Helm/d'; }
render >"$out/operator.yaml"
render --set prometheusRule.enabled=true,serviceMonitor.enabled=true,dashboards.enabled=true \
	--show-only templates/monitoring.yaml >"$out/monitoring/monitoring.yaml"
if [ "${1:-}" = verify ]; then
	for file in crds.yaml operator.yaml monitoring/monitoring.yaml; do
		cmp "$file" "$out/$file" || { echo "deploy/operator/kustomize/$file differs from the chart; run render.sh and commit" >&2; exit 1; }
	done
fi
