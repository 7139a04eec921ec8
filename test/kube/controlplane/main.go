// The controlplane binary is the Kubernetes control plane that the operator's
// tests run against: etcd, kube-apiserver and kube-controller-manager linked
// into one file that looks at the name it was started by. One file links the
// shared code once, so it takes a third of the time to build and of the space
// to keep; envtest finds the three under their own names as links to it.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	switch name := filepath.Base(os.Args[0]); name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(controllermanager.NewControllerManagerCommand()))
	default:
		fmt.Fprintf(os.Stderr, "started as %q: this binary answers to etcd, kube-apiserver and kube-controller-manager\n", name)
		os.Exit(2)
	}
}
