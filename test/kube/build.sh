#!/bin/sh
# Builds what the operator's tests run against, once for a machine: the control
# plane (etcd, kube-apiserver, kube-controller-manager), kwok for nodes and
# pods, and helm for the chart. All are kept in the user's cache folder under
# their versions, so that a second run finds them and does nothing.
#
# Usage: build.sh        build what is absent, print the folder
#        build.sh path   print the folder only
set -eu

KUBE=v1.37.1
KWOK=v0.8.0
HELM=v4.3.1
# Raised when what the control plane links or how it is built changes.
REVISION=1

here=$(cd "$(dirname "$0")" && pwd)
cache=${BODEGA_KUBE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bodega/kube}
dir=$cache/$KUBE-kwok-$KWOK-helm-$HELM-$REVISION

if [ "${1:-}" = path ]; then
	echo "$dir"
	exit 0
fi

mkdir -p "$dir"
# Two test runs that start at once build once: the second waits here.
exec 9>"$dir/.lock"
flock 9

# build NAME COMMAND...: run COMMAND with the output path as $out, then move
# the finished file into place, so that a build that was killed leaves nothing
# that looks complete.
build() {
	name=$1
	shift
	[ -x "$dir/$name" ] && return 0
	echo "building $name (once for this machine) ..." >&2
	start=$(date +%s)
	"$@"
	mv "$dir/.build/$name" "$dir/$name"
	echo "built $name in $(($(date +%s) - start)) s" >&2
}

control_plane() {
	version=k8s.io/component-base/version
	(cd "$here" && go build -trimpath -o "$dir/.build/controlplane" \
		-ldflags "-s -w -X $version.gitVersion=$KUBE -X $version.gitMajor=1 -X $version.gitMinor=37 -X $version.gitTreeState=clean" \
		./controlplane)
}
kwok() { GOBIN="$dir/.build" GOFLAGS= go install -trimpath "-ldflags=-s -w" "sigs.k8s.io/kwok/cmd/kwok@$KWOK"; }
helm() { GOBIN="$dir/.build" GOFLAGS= go install -trimpath "-ldflags=-s -w" "helm.sh/helm/v4/cmd/helm@$HELM"; }

mkdir -p "$dir/.build"
build controlplane control_plane
for name in etcd kube-apiserver kube-controller-manager; do
	ln -sf controlplane "$dir/$name"
done
build kwok kwok
build helm helm

# kwok starts with no stages of its own; these make nodes and pods come up at
# once and let a label make a pod fail.
if [ ! -f "$dir/kwok.yaml" ]; then
	source=$(go mod download -json "sigs.k8s.io/kwok@$KWOK" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	for file in \
		stage/node/fast/node-initialize.yaml \
		stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml \
		stage/pod/fast/pod-ready.yaml \
		stage/pod/fast/pod-complete.yaml \
		stage/pod/fast/pod-delete.yaml \
		stage/pod/chaos/pod-container-running-failed.yaml; do
		echo "---"
		cat "$source/kustomize/$file"
	done >"$dir/.build/kwok.yaml"
	mv "$dir/.build/kwok.yaml" "$dir/kwok.yaml"
fi
echo "$dir"
