package clusterhealth_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	sigsyaml "sigs.k8s.io/yaml"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
)

func env(t *testing.T) *check.Env {
	t.Helper()
	reached, err := check.NewCluster(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	return check.NewEnv(reached, nil)
}

// compile makes a check of YAML.
func compile(t *testing.T, env *check.Env, text string) check.Check {
	t.Helper()
	var c health.Check
	if err := sigsyaml.UnmarshalStrict([]byte(text), &c); err != nil {
		t.Fatalf("parse check: %v", err)
	}
	spec := health.ClusterHealthSpecSpec{Checks: []health.Check{c}}
	if errs := check.Validate("test", &spec); len(errs) > 0 {
		t.Fatalf("check is invalid: %v", errs)
	}
	out, err := check.New(&c, env)
	if err != nil {
		t.Fatalf("compile check: %v", err)
	}
	return out
}

// once runs a check with the time that a real one has.
func once(t *testing.T, c check.Check) check.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return check.Do(ctx, c)
}

func awaitOutcome(t *testing.T, c check.Check, want health.Result, message string) {
	t.Helper()
	eventually(t, func() string {
		out := once(t, c)
		if out.Result != want || !strings.Contains(out.Message, message) {
			return fmt.Sprintf("%s: %q, want %s: %q", out.Result, out.Message, want, message)
		}
		return ""
	})
}

func TestPodStatus(t *testing.T) {
	namespace(t, "pods")
	e := env(t)
	labels := map[string]string{"app": "web"}
	bySelector := compile(t, e, `{name: c, podStatus: {namespaces: [pods], selector: {matchLabels: {app: web}}, gracePeriod: 0s}}`)
	awaitOutcome(t, bySelector, health.Failure, "1 missing")

	pod(t, "pods", "web-1", labels)
	awaitOutcome(t, bySelector, health.Success, "1 pods ready")

	// A pod that never gets ready: kwok knows no such node.
	stuck := pod(t, "pods", "stuck", map[string]string{"app": "stuck"})
	_ = stuck
	lost := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "pods", Name: "lost", Labels: map[string]string{"app": "lost"}}}
	lost.Spec.NodeName = "nowhere"
	lost.Spec.Containers = []corev1.Container{{Name: "main", Image: "none"}}
	if err := cluster.Client.Create(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	awaitOutcome(t, compile(t, e, `{name: c, podStatus: {namespaces: [pods], selector: {matchLabels: {app: lost}}, gracePeriod: 1h}}`),
		health.Pending, "within the grace period")
	awaitOutcome(t, compile(t, e, `{name: c, podStatus: {namespaces: [pods], selector: {matchLabels: {app: lost}}, gracePeriod: 0s}}`),
		health.Failure, "lost Pending")

	// A pod that fails while it runs.
	pod(t, "pods", "web-2", map[string]string{"app": "web", "pod-container-running-failed.stage.kwok.x-k8s.io": "true"})
	awaitOutcome(t, bySelector, health.Failure, "exit code 1")

	// A workload is judged by its replicas.
	byWorkload := compile(t, e, `{name: c, podStatus: {namespaces: [pods], workload: {kind: Deployment, name: api}, gracePeriod: 0s}}`)
	awaitOutcome(t, byWorkload, health.Failure, "does not exist")
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "pods", Name: "api"}}
	deployment.Spec.Replicas = ptr.To[int32](2)
	deployment.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "api"}}
	deployment.Spec.Template.Labels = map[string]string{"app": "api"}
	deployment.Spec.Template.Spec.NodeName = "localhost"
	deployment.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: "none"}}
	if err := cluster.Client.Create(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	awaitOutcome(t, byWorkload, health.Success, "2 pods ready")
}

func TestResource(t *testing.T) {
	namespace(t, "resources")
	e := env(t)
	object := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "resources", Name: "settings", Labels: map[string]string{"kind": "settings"}},
		Data:       map[string]string{"mode": "on", "count": "3"},
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "resources", Name: "key"}, Data: map[string][]byte{"k": []byte("hunter2")},
	}
	for _, o := range []client.Object{object, secret} {
		if err := cluster.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, resource string
		want           health.Result
		message        string
	}{
		{"equal", `{apiVersion: v1, kind: ConfigMap, namespace: resources, name: settings, conditions: [{jsonPath: "{.data.mode}", operator: Equals, value: "on"}]}`, health.Success, ""},
		{"greater", `{apiVersion: v1, kind: ConfigMap, namespace: resources, name: settings, conditions: [{jsonPath: "{.data.count}", operator: GreaterThan, value: 2}]}`, health.Success, ""},
		{"not equal", `{apiVersion: v1, kind: ConfigMap, namespace: resources, name: settings, conditions: [{jsonPath: "{.data.mode}", operator: Equals, value: "off"}]}`, health.Failure, "it is on"},
		{"absent", `{apiVersion: v1, kind: ConfigMap, namespace: resources, name: gone}`, health.Failure, "does not exist"},
		{"selector", `{apiVersion: v1, kind: ConfigMap, namespace: resources, selector: {matchLabels: {kind: settings}}}`, health.Success, "1 ConfigMap"},
		{"too few", `{apiVersion: v1, kind: ConfigMap, namespace: resources, selector: {matchLabels: {kind: settings}}, minCount: 2}`, health.Failure, "want at least 2"},
		{"unknown kind", `{apiVersion: example.com/v1, kind: Gadget, name: x}`, health.Error, "does not know kind Gadget"},
		{"ready", `{apiVersion: v1, kind: ConfigMap, namespace: resources, name: settings, ready: true}`, health.Success, ""},
		{"secret", `{apiVersion: v1, kind: Secret, namespace: resources, name: key, conditions: [{jsonPath: "{.data.k}", operator: Equals, value: x}]}`, health.Failure, "does not hold"},
		{"secret in lower case", `{apiVersion: v1, kind: secret, namespace: resources, name: key, conditions: [{jsonPath: "{.data.k}", operator: Equals, value: x}]}`, health.Failure, "does not hold"},
		{"secrets in lower case", `{apiVersion: /v1, kind: secret, namespace: resources, conditions: [{jsonPath: "{.data.k}", operator: Equals, value: x}]}`, health.Failure, "does not hold"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := once(t, compile(t, e, "{name: c, resource: "+tt.resource+"}"))
			if out.Result != tt.want || !strings.Contains(out.Message, tt.message) {
				t.Errorf("%s: %q, want %s: %q", out.Result, out.Message, tt.want, tt.message)
			}
			if strings.Contains(out.Message, "aHVudGVyMg") {
				t.Errorf("the message tells a secret: %q", out.Message)
			}
		})
	}
}

// Probes show the certificate and the headers that secrets hold, as they are at
// the time of the run, and tell none of it.
func TestSecretsOfProbes(t *testing.T) {
	namespace(t, "probes")
	e := env(t)
	secret := certificateSecret(t, "probes", "client")
	secret.Data["token"] = []byte("Bearer hunter2\n")
	authority := secret.Data[corev1.TLSCertKey]
	if err := cluster.Client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}

	own, err := tls.X509KeyPair(authority, secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		t.Fatal(err)
	}
	settings := &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12}
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	web.TLS = settings
	web.StartTLS()
	t.Cleanup(web.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(settings)))
	healthpb.RegisterHealthServer(server, grpchealth.NewServer())
	go func() { _ = server.Serve(listener) }() // ends with the test
	t.Cleanup(server.Stop)

	bundle, err := json.Marshal(string(authority))
	if err != nil {
		t.Fatal(err)
	}
	with := func(secret string) string {
		return fmt.Sprintf("{serverName: probe, caBundle: %s, clientCertificate: {namespace: probes, name: %s}}", bundle, secret)
	}
	header := func(secret, key string) string {
		return fmt.Sprintf("headers: [{name: Authorization, valueFrom: {namespace: probes, name: %s, key: %s}}]", secret, key)
	}
	address := listener.Addr().String()
	alone := fmt.Sprintf("{serverName: probe, caBundle: %s}", bundle)
	for _, tt := range []struct {
		name, check string
		want        health.Result
		message     string
	}{
		{"http", fmt.Sprintf("http: {url: %q, tls: %s, %s}", web.URL, with("client"), header("client", "token")), health.Success, "status 200"},
		{"http without its header", fmt.Sprintf("http: {url: %q, tls: %s}", web.URL, with("client")), health.Failure, "status 401"},
		{"http without a certificate", fmt.Sprintf("http: {url: %q, tls: %s}", web.URL, alone), health.Failure, "certificate required"},
		{"http of an unknown authority", fmt.Sprintf("http: {url: %q}", web.URL), health.Failure, "failed to verify certificate"},
		{"http for another name", fmt.Sprintf("http: {url: %q, tls: {caBundle: %s}}", web.URL, bundle), health.Failure, "failed to verify certificate"},
		{"absent secret", fmt.Sprintf("http: {url: %q, %s}", web.URL, header("none", "token")), health.Error, "secret probes/none does not exist"},
		{"absent key", fmt.Sprintf("http: {url: %q, tls: %s, %s}", web.URL, with("client"), header("client", "none")), health.Error, "secret probes/client has no key none"},
		{"grpc", fmt.Sprintf("grpc: {address: %q, tls: %s}", address, with("client")), health.Success, "SERVING"},
		{"grpc without a certificate", fmt.Sprintf("grpc: {address: %q, tls: %s}", address, alone), health.Failure, "Unavailable"},
		{"grpc in plain text", fmt.Sprintf("grpc: {address: %q}", address), health.Failure, "Unavailable"},
		{"grpc with an absent secret", fmt.Sprintf("grpc: {address: %q, tls: %s}", address, with("none")), health.Error, "does not exist"},
		{"tls", fmt.Sprintf("tls: {address: %q, minValidity: 10m, tls: %s}", address, with("client")), health.Success, "valid until"},
		{"tls that ends soon", fmt.Sprintf("tls: {address: %q, tls: %s}", address, with("client")), health.Failure, "want at least 168h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := once(t, compile(t, e, "{name: c, "+tt.check+"}"))
			if out.Result != tt.want || !strings.Contains(out.Message, tt.message) {
				t.Errorf("%+v, want %s: %q", out, tt.want, tt.message)
			}
			if strings.Contains(out.Message, "hunter2") {
				t.Errorf("the message tells a secret: %q", out.Message)
			}
		})
	}

	// A secret that is rotated is used at once, by a check that runs already.
	rotated := compile(t, e, fmt.Sprintf("{name: c, http: {url: %q, tls: %s, %s}}", web.URL, with("client"), header("client", "token")))
	awaitOutcome(t, rotated, health.Success, "status 200")
	secret.Data["token"] = []byte("Bearer changed")
	if err := cluster.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	awaitOutcome(t, rotated, health.Failure, "status 401")
}

func TestPodExec(t *testing.T) {
	namespace(t, "execs")
	e := env(t)
	any := `{name: c, podExec: {namespace: execs, selector: {matchLabels: {app: db}}, command: [sh, -c, %q]%s}}`
	awaitOutcome(t, compile(t, e, fmt.Sprintf(any, "true", "")), health.Failure, "no running pod")
	pod(t, "execs", "db-1", map[string]string{"app": "db"})
	pod(t, "execs", "db-2", map[string]string{"app": "db"})
	awaitOutcome(t, compile(t, e, fmt.Sprintf(any, "true", "")), health.Success, "in 1 pods")
	awaitOutcome(t, compile(t, e, fmt.Sprintf(any, "true", ", pods: All")), health.Success, "in 2 pods")
	awaitOutcome(t, compile(t, e, fmt.Sprintf(any, "true", ", expectedExitCode: 3")), health.Failure, "exit code 0, want 3")
	awaitOutcome(t, compile(t, e, fmt.Sprintf(any, "exit 3", ", expectedExitCode: 3")), health.Success, "exited with 3")
	awaitOutcome(t, compile(t, e, fmt.Sprintf(any, "exit 2", "")), health.Failure, "exit code 2, want 0")
	awaitOutcome(t, compile(t, e, fmt.Sprintf(any, "echo accepting", ", outputMatches: '^accepting'")), health.Success, "")
	awaitOutcome(t, compile(t, e, fmt.Sprintf(any, "echo hunter2", ", outputMatches: '^accepting'")), health.Failure, "does not match")

	// A command that never ends is the target's failure, and ends with the run.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if out := check.Do(ctx, compile(t, e, fmt.Sprintf(any, "sleep 60", ""))); out.Result != health.Failure || !strings.Contains(out.Message, "not ended") {
		t.Errorf("a command that hangs: %+v", out)
	}
}

// logLine appends a line as a container runtime does.
func logLine(t *testing.T, at time.Time, text string) {
	t.Helper()
	file, err := os.OpenFile(logFile, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := fmt.Fprintf(file, "%s stdout F %s\n", at.UTC().Format(time.RFC3339Nano), text); err != nil {
		t.Fatal(err)
	}
}

func TestLogGrep(t *testing.T) {
	namespace(t, "logs")
	e := env(t)
	pod(t, "logs", "app-1", map[string]string{"app": "logs"}, "logger")
	definition := `{name: c, logGrep: {namespace: logs, selector: {matchLabels: {app: logs}}, patterns: ["seal(ed|ing) failed", "boom"], threshold: 3, window: %s}}`

	logLine(t, time.Now(), "started")
	c := compile(t, e, fmt.Sprintf(definition, "5m"))
	awaitOutcome(t, c, health.Success, "0 lines")

	// Streaming: lines that come later count without being read again.
	stream := func(window string) (check.Check, func()) {
		streaming := compile(t, e, fmt.Sprintf(definition, window))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			streaming.(check.Streaming).Stream(ctx)
		}()
		return streaming, func() {
			t.Helper()
			cancel()
			select {
			case <-ended:
			case <-time.After(patience):
				t.Error("the stream outlives its check")
			}
		}
	}
	streaming, stop := stream("5m")
	awaitOutcome(t, streaming, health.Success, "0 lines")
	logLine(t, time.Now(), "boom 1")
	logLine(t, time.Now(), "sealing failed")
	awaitOutcome(t, streaming, health.Success, "2 lines")
	logLine(t, time.Now(), "all is well")
	logLine(t, time.Now(), "boom 2")
	awaitOutcome(t, streaming, health.Failure, "at least 3 lines")
	stop()

	// The window clears.
	streaming, stop = stream("3s")
	eventually(t, func() string {
		for range 3 {
			logLine(t, time.Now(), "boom")
		}
		if out := once(t, streaming); out.Result != health.Failure {
			return fmt.Sprintf("%s: %q", out.Result, out.Message)
		}
		return ""
	})
	awaitOutcome(t, streaming, health.Success, "0 lines")
	stop()

	// Reading once sees what the longer window covers.
	awaitOutcome(t, c, health.Failure, "at least 3 lines")
	awaitOutcome(t, compile(t, e, `{name: c, logGrep: {namespace: logs, selector: {matchLabels: {app: none}}, patterns: [x]}}`),
		health.Error, "no running container")
}

// TestLogGrepReplacedPod: a pod that takes the name of another has a log of its
// own, whose lines count once.
func TestLogGrepReplacedPod(t *testing.T) {
	namespace(t, "replaced")
	e := env(t)
	labels := map[string]string{"app": "replaced"}
	c := compile(t, e, `{name: c, logGrep: {namespace: replaced, selector: {matchLabels: {app: replaced}}, patterns: [replaced-boom], threshold: 3, idleTimeout: 1s}}`)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.(check.Streaming).Stream(ctx)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	first := pod(t, "replaced", "app-0", labels, "logger")
	awaitOutcome(t, c, health.Success, "0 lines of 1 containers")
	if err := cluster.Client.Delete(t.Context(), first, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if err := cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(first), first); client.IgnoreNotFound(err) != nil || err == nil {
			return "the pod is still there"
		}
		return ""
	})
	pod(t, "replaced", "app-0", labels, "logger")
	eventually(t, func() string {
		var now corev1.Pod
		if err := cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: "replaced", Name: "app-0"}, &now); err != nil {
			return err.Error()
		}
		if len(now.Status.ContainerStatuses) == 0 || now.Status.ContainerStatuses[0].State.Running == nil {
			return "the pod does not run yet"
		}
		return ""
	})
	// The simulated node does not end the stream of a pod that is gone, so it has
	// to be found silent; then there is time to open the log anew.
	time.Sleep(3 * time.Second)
	logLine(t, time.Now(), "replaced-boom")
	logLine(t, time.Now(), "replaced-boom")
	time.Sleep(5 * time.Second)
	awaitOutcome(t, c, health.Success, "2 lines of 1 containers")
}
