package clusterhealth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	sigsyaml "sigs.k8s.io/yaml"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth"
	"github.com/bodega-hq/bodega/internal/clusterhealth/kubetest"
)

// The control plane that the tests of this package share. Tests keep out of
// each other's way by the names they give.
var cluster *kubetest.Cluster

// logFile is what kwok serves as the log of every container named logger.
var logFile string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctrl.SetLogger(logr.Discard())
	dir, err := os.MkdirTemp("", "bodega-clusterhealth-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	logFile = filepath.Join(dir, "container.log")
	if err := os.WriteFile(logFile, nil, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cluster, err = kubetest.Start(context.Background(), kubetest.Options{
		Controllers: true, Kwok: true, Logs: map[string]string{"logger": logFile},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// testConfig is the operator's default configuration, with addresses that two
// operators in one process can share a machine with.
func testConfig() clusterhealth.Config {
	return clusterhealth.Config{
		Namespace: "default", LeaderElect: false,
		LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 500 * time.Millisecond,
		MetricsAddress: "0", HealthAddress: "0", Concurrency: 256, PerTarget: 4, WriteBudget: 50,
		Webhook: "off", WebhookPort: 9443,
	}
}

// operate runs an operator until the test ends or stop is called; stop waits
// for its end and returns what Run did.
func operate(t *testing.T, cfg clusterhealth.Config) (stop func() error) {
	t.Helper()
	return operateWith(t, cluster.Config, cfg)
}

func operateWith(t *testing.T, config *rest.Config, cfg clusterhealth.Config) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	go func() { done <- clusterhealth.Run(ctx, config, cfg, log) }()
	var once sync.Once
	var result error
	stop = func() error {
		once.Do(func() {
			cancel()
			result = <-done
		})
		return result
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("the operator ended with: %v", err)
		}
	})
	return stop
}

// target is a loopback HTTP server whose answer can be changed.
type target struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	hits   int
}

func newTarget(t *testing.T) *target {
	t.Helper()
	out := &target{status: http.StatusOK}
	out.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out.mu.Lock()
		defer out.mu.Unlock()
		out.hits++
		w.WriteHeader(out.status)
	}))
	t.Cleanup(out.Close)
	return out
}

func (s *target) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *target) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits
}

// parseSpec reads the spec part of a ClusterHealthSpec.
func parseSpec(t *testing.T, name, text string) *health.ClusterHealthSpec {
	t.Helper()
	out := &health.ClusterHealthSpec{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := sigsyaml.UnmarshalStrict([]byte(text), &out.Spec); err != nil {
		t.Fatalf("parse spec %s: %v", name, err)
	}
	return out
}

// create stores a spec and deletes it with the test.
func create(t *testing.T, spec *health.ClusterHealthSpec) {
	t.Helper()
	if err := cluster.Client.Create(t.Context(), spec); err != nil {
		t.Fatalf("create spec %s: %v", spec.Name, err)
	}
	t.Cleanup(func() {
		if err := cluster.Client.Delete(context.Background(), spec); client.IgnoreNotFound(err) != nil {
			t.Errorf("delete spec %s: %v", spec.Name, err)
		}
	})
}

// patience is how long a test waits for what is bound to happen; it only ever
// passes in full when a test fails.
const patience = 90 * time.Second

// eventually waits until probe returns nothing to wait for.
func eventually(t *testing.T, probe func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		why := probe()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting: %s", why)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func awaitSpec(t *testing.T, name string, want func(s *health.ClusterHealthSpec) bool) *health.ClusterHealthSpec {
	t.Helper()
	var spec health.ClusterHealthSpec
	eventually(t, func() string {
		if err := cluster.Client.Get(t.Context(), client.ObjectKey{Name: name}, &spec); err != nil {
			return err.Error()
		}
		if !want(&spec) {
			text, _ := json.Marshal(spec.Status)
			return fmt.Sprintf("spec %s: %s", name, text)
		}
		return ""
	})
	return &spec
}

func awaitOverall(t *testing.T, name string, want health.Result) *health.ClusterHealthSpec {
	t.Helper()
	return awaitSpec(t, name, func(s *health.ClusterHealthSpec) bool { return s.Status.Overall == want })
}

func awaitCheck(t *testing.T, spec, name string, want func(c *health.ClusterHealthCheck) bool) *health.ClusterHealthCheck {
	t.Helper()
	var chc health.ClusterHealthCheck
	eventually(t, func() string {
		if err := cluster.Client.Get(t.Context(), client.ObjectKey{Name: health.CheckObjectName(spec, name)}, &chc); err != nil {
			return err.Error()
		}
		if !want(&chc) {
			text, _ := json.Marshal(chc.Status)
			return fmt.Sprintf("check %s: %s", chc.Name, text)
		}
		return ""
	})
	return &chc
}

func checksOf(t *testing.T, spec string) []health.ClusterHealthCheck {
	t.Helper()
	var list health.ClusterHealthCheckList
	if err := cluster.Client.List(t.Context(), &list, client.MatchingLabels{health.LabelSpec: spec}); err != nil {
		t.Fatalf("list the checks of %s: %v", spec, err)
	}
	return list.Items
}

// namespace makes a namespace and a node for its pods.
func namespace(t *testing.T, name string) {
	t.Helper()
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "localhost"}},
	} {
		if err := client.IgnoreAlreadyExists(cluster.Client.Create(t.Context(), object)); err != nil {
			t.Fatalf("create %s: %v", object.GetName(), err)
		}
	}
}

// pod makes a pod on kwok's node.
func pod(t *testing.T, namespace, name string, labels map[string]string, containers ...string) *corev1.Pod {
	t.Helper()
	out := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
	out.Spec.NodeName = "localhost"
	if len(containers) == 0 {
		containers = []string{"main"}
	}
	for _, container := range containers {
		out.Spec.Containers = append(out.Spec.Containers, corev1.Container{Name: container, Image: "none"})
	}
	eventually(t, func() string {
		// The service account controller needs a moment for a new namespace.
		if err := client.IgnoreAlreadyExists(cluster.Client.Create(t.Context(), out)); err != nil {
			return err.Error()
		}
		return ""
	})
	return out
}

// closedPort is an address that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// get fetches a page, whatever its status; nothing where nobody answers.
func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(body)
}
