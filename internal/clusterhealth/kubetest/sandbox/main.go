// The sandbox command leaves a control plane running with the operator and a
// sample spec, so that anyone can look at it with kubectl. It ends, with all
// that it started, when it is interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	sigsyaml "sigs.k8s.io/yaml"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/kubetest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

const sample = `
interval: 5s
checks:
- {name: web, description: "A web server on this machine.", http: {url: "http://%s/healthz"}}
- {name: port, tcp: {address: "%s"}, dependsOn: [web]}
- {name: pods, podStatus: {namespaces: [shop], selector: {matchLabels: {app: shop}}, gracePeriod: 10s}}
- {name: nodes, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: '{.status.conditions[?(@.type=="Ready")].status}', operator: Equals, value: "True"}]}}
`

// run prints to out how to look around, and to progress what it waits for. An
// interrupt ends whatever is going on, which is no failure.
func run(ctx context.Context, out, progress io.Writer) (err error) {
	unlessInterrupted := func(err error) error {
		select {
		case <-ctx.Done():
			return nil
		default:
			return err
		}
	}
	dir, err := os.MkdirTemp("", "bodega-sandbox-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	logs := filepath.Join(dir, "shop.log")
	line := fmt.Sprintf("%s stdout F shop is open\n", time.Now().UTC().Format(time.RFC3339Nano))
	if err := os.WriteFile(logs, []byte(line), 0o600); err != nil {
		return err
	}
	fmt.Fprintln(progress, "starting etcd, kube-apiserver, kube-controller-manager and kwok ...")
	cluster, err := kubetest.Start(ctx, kubetest.Options{
		Controllers: true, Kwok: true, Dir: dir, Logs: map[string]string{"shop": logs},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()

	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }),
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = server.Serve(web) }() // ends with the command
	defer func() { _ = server.Close() }() // it ends with the command
	if err := populate(ctx, cluster.Client, web.Addr().String()); err != nil {
		return unlessInterrupted(err)
	}

	fmt.Fprintln(progress, "building and starting the operator ...")
	binary := filepath.Join(dir, "bodega-operator")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, filepath.Join(kubetest.Root(), "cmd", "bodega-operator"))
	build.Dir = kubetest.Root()
	if text, err := build.CombinedOutput(); err != nil {
		return unlessInterrupted(fmt.Errorf("build the operator: %w: %s", err, text))
	}
	log, err := os.Create(filepath.Join(dir, "bodega-operator.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	metrics, err := kubetest.FreeAddress()
	if err != nil {
		return err
	}
	operator := exec.CommandContext(ctx, binary, "run", "--kubeconfig="+cluster.Kubeconfig,
		"--metrics-address="+metrics, "--health-address=0")
	operator.Stdout, operator.Stderr = log, log
	operator.Cancel = func() error { return operator.Process.Signal(syscall.SIGTERM) }
	operator.WaitDelay = 10 * time.Second
	if err := operator.Start(); err != nil {
		return fmt.Errorf("start the operator: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- operator.Wait() }()
	healthy := make(chan error, 1)
	go func() { healthy <- awaitHealthy(ctx, cluster.Client, progress) }()
	select {
	case err = <-ended:
	case err = <-healthy:
		if err == nil {
			fmt.Fprintf(out, guide, cluster.Kubeconfig, metrics, dir)
		}
		err = errors.Join(err, <-ended)
	}
	text, _ := os.ReadFile(log.Name()) // the folder goes with the command
	return unlessInterrupted(fmt.Errorf("the operator ended: %w; it said:\n%s", err, text))
}

const guide = `
The control plane runs, and the sample spec is healthy. Look around:

  export KUBECONFIG=%s
  kubectl get chs
  kubectl get chc -o wide
  kubectl describe chs sandbox
  kubectl label pod -n shop shop-1 pod-container-running-failed.stage.kwok.x-k8s.io=true   # break a pod
  kubectl delete pod -n shop shop-1                                                       # and mend it
  curl -s http://%s/metrics | grep ^bodega_

Logs of every process are in %s. Interrupt to end it all.
`

// awaitHealthy waits until the sample spec is, which takes a few seconds; when it
// takes more, it says what it waits for.
func awaitHealthy(ctx context.Context, c client.Client, progress io.Writer) error {
	tell := time.NewTicker(15 * time.Second)
	defer tell.Stop()
	for {
		var spec health.ClusterHealthSpec
		err := c.Get(ctx, client.ObjectKey{Name: "sandbox"}, &spec)
		if err == nil && spec.Status.Overall == health.Success {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tell.C:
			why := "it has no status; bodega-operator.log beside the kubeconfig may say why"
			switch {
			case err != nil:
				why = err.Error()
			case spec.Status.Overall != "":
				why = fmt.Sprintf("%s, %s", spec.Status.Overall, spec.Status.Message)
			}
			fmt.Fprintf(progress, "waiting for the sample spec to be healthy: %s\n", why)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// populate makes a node, two pods and a spec about them.
func populate(ctx context.Context, c client.Client, web string) error {
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "localhost"}},
	}
	for _, name := range []string{"shop-1", "shop-2"} {
		objects = append(objects, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{"app": "shop"}},
			Spec:       corev1.PodSpec{NodeName: "localhost", Containers: []corev1.Container{{Name: "shop", Image: "none"}}},
		})
	}
	spec := &health.ClusterHealthSpec{ObjectMeta: metav1.ObjectMeta{Name: "sandbox"}}
	if err := sigsyaml.UnmarshalStrict(fmt.Appendf(nil, sample, web, web), &spec.Spec); err != nil {
		return fmt.Errorf("parse the sample: %w", err)
	}
	for _, object := range append(objects, spec) {
		if err := create(ctx, c, object); err != nil {
			return err
		}
	}
	return nil
}

// create tries again while the namespace's service account is being made.
func create(ctx context.Context, c client.Client, object client.Object) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := c.Create(ctx, object)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("create %s: %w", object.GetName(), err)
		case <-time.After(200 * time.Millisecond):
		}
		if client.IgnoreAlreadyExists(err) == nil {
			return nil
		}
	}
}
