package clusterhealth_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth"
	"github.com/bodega-hq/bodega/internal/clusterhealth/kubetest"
)

var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(cluster.Dir, "bodega-operator")
	out, err := exec.Command("go", "build", "-o", path, filepath.Join(kubetest.Root(), "cmd", "bodega-operator")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the operator: %w: %s", err, out)
	}
	return path, nil
})

// replica is an operator in a process of its own, as in a cluster.
type replica struct {
	cmd    *exec.Cmd
	health string
	log    bytes.Buffer
	done   chan struct{}
}

func startReplica(t *testing.T) *replica {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{health: fmt.Sprintf("127.0.0.1:%d", freePort(t)), done: make(chan struct{})}
	r.cmd = exec.Command(path, "run", "--kubeconfig="+cluster.Kubeconfig,
		"--lease-duration=3s", "--renew-deadline=2s", "--retry-period=500ms",
		"--metrics-address=0", "--health-address="+r.health, "--log-level=warn")
	r.cmd.Stderr = &r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		_ = r.cmd.Wait() // tests read how it ended from ProcessState
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Signal(syscall.SIGCONT)
		_ = r.cmd.Process.Kill()
		<-r.done
		if t.Failed() {
			t.Logf("what the replica logged:\n%s", r.log.String())
		}
	})
	return r
}

func (r *replica) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *replica) awaitReady(t *testing.T) {
	t.Helper()
	eventually(t, func() string {
		if body := get(t, "http://"+r.health+"/readyz"); body != "ok" {
			return "readiness: " + body
		}
		return ""
	})
}

// holder is who holds the lease.
func holder(t *testing.T) string {
	t.Helper()
	var lease coordinationv1.Lease
	err := cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: clusterhealth.LeaseName}, &lease)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

func dropLease(t *testing.T) {
	t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: clusterhealth.LeaseName}}
	if err := client.IgnoreNotFound(cluster.Client.Delete(context.Background(), lease)); err != nil {
		t.Fatal(err)
	}
}

// TestLeaderKilled kills a leader in the middle of a run; the other replica
// goes on from what it knew.
func TestLeaderKilled(t *testing.T) {
	dropLease(t)
	var bad atomic.Bool
	began := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case began <- struct{}{}:
		default:
		}
		time.Sleep(200 * time.Millisecond) // long enough to be killed in
		if bad.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	create(t, parseSpec(t, "killed", fmt.Sprintf(`{interval: 1s, checks: [{name: c, http: {url: %q}}]}`, server.URL)))

	first := startReplica(t)
	before := awaitOverall(t, "killed", health.Success)
	leader := holder(t)
	second := startReplica(t)
	second.awaitReady(t)

	select {
	case <-began:
	default:
	}
	<-began
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if now := holder(t); now == leader || now == "" {
			return "the lease is still held by " + now
		}
		return ""
	})
	bad.Store(true)
	awaitOverall(t, "killed", health.Failure)
	bad.Store(false)
	after := awaitOverall(t, "killed", health.Success)
	if after.Status.LastTransitionTime.Before(before.Status.LastTransitionTime) {
		t.Errorf("transition times went back: %s, %s", before.Status.LastTransitionTime, after.Status.LastTransitionTime)
	}
	if n := len(checksOf(t, "killed")); n != 1 {
		t.Errorf("%d checks after a takeover, want 1", n)
	}
}

// TestLeaderSuspended stops a leader without ending it, as a machine does that
// is suspended: on waking it must end at once instead of going on.
func TestLeaderSuspended(t *testing.T) {
	dropLease(t)
	server := newTarget(t)
	create(t, parseSpec(t, "suspended-leader", fmt.Sprintf(`{interval: 1s, checks: [{name: c, http: {url: %q}}]}`, server.URL)))
	first := startReplica(t)
	awaitOverall(t, "suspended-leader", health.Success)
	leader := holder(t)
	second := startReplica(t)
	second.awaitReady(t)
	if err := first.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if now := holder(t); now == leader || now == "" {
			return "the lease is still held by " + now
		}
		return ""
	})
	if err := first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if !first.ended() {
			return "the former leader still runs"
		}
		return ""
	})
	if code := first.cmd.ProcessState.ExitCode(); code == 0 {
		t.Errorf("a leader that lost its lease exits with %d", code)
	}
	if !strings.Contains(first.log.String(), "leader election lost") {
		t.Errorf("it does not say why it ended: %s", first.log.String())
	}
	server.answer(500)
	awaitOverall(t, "suspended-leader", health.Failure)
}

// TestStandbyTurnsUnknown: somebody holds the lease and checks nothing.
func TestStandbyTurnsUnknown(t *testing.T) {
	dropLease(t)
	server := newTarget(t)
	create(t, parseSpec(t, "stale", fmt.Sprintf(`{interval: 1s, checks: [{name: c, http: {url: %q}}]}`, server.URL)))
	first := startReplica(t)
	awaitOverall(t, "stale", health.Success)
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-first.done

	// The lease changes hands to one who does nothing but keep it.
	dropLease(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	held := make(chan struct{})
	go func() {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: clusterhealth.LeaseName}}
		once := sync.OnceFunc(func() { close(held) })
		for ctx.Err() == nil {
			lease.Spec = coordinationv1.LeaseSpec{
				HolderIdentity: ptr.To("idler"), LeaseDurationSeconds: ptr.To[int32](60),
				RenewTime: ptr.To(metav1.NowMicro()), AcquireTime: ptr.To(metav1.NowMicro()),
			}
			if lease.ResourceVersion == "" {
				_ = cluster.Client.Create(ctx, lease) // the next turn tries again
			} else {
				_ = cluster.Client.Update(ctx, lease)
			}
			once()
			time.Sleep(500 * time.Millisecond)
		}
	}()
	<-held
	standby := startReplica(t)
	standby.awaitReady(t)

	got := awaitOverall(t, "stale", health.Unknown)
	if meta.IsStatusConditionTrue(got.Status.Conditions, health.ConditionHealthy) {
		t.Errorf("an expired spec is healthy: %+v", got.Status.Conditions)
	}
	chc := awaitCheck(t, "stale", "c", func(c *health.ClusterHealthCheck) bool { return c.Status.Result == health.Unknown })
	if len(chc.Status.Runs) == 0 {
		t.Error("the runs of an expired check are gone")
	}
	if holder(t) != "idler" {
		t.Fatal("the standby took the lease, so this showed nothing")
	}
	cancel()
	dropLease(t)
	awaitOverall(t, "stale", health.Success)
}

// TestAPIServerGone takes the API server away for a minute: half of it refuses
// connections, half of it takes them and says nothing.
func TestAPIServerGone(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute: an operator without its API server is not checked")
	}
	server := newTarget(t)
	logLine(t, time.Now(), "nothing to see")
	namespace(t, "outage")
	pod(t, "outage", "app-1", map[string]string{"app": "outage"}, "logger")
	cfg := testConfig()
	cfg.HealthAddress = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	gate := newGate(t, cluster.Config.Host)
	config := rest.CopyConfig(cluster.Config)
	config.Host = "https://" + gate.address
	operateWith(t, config, cfg)
	create(t, parseSpec(t, "outage", fmt.Sprintf(`
interval: 1s
checks:
- {name: http, http: {url: %q}}
- {name: pods, podStatus: {namespaces: [outage], selector: {matchLabels: {app: outage}}}}
`, server.URL)))
	awaitOverall(t, "outage", health.Success)
	readiness := func() string { return get(t, "http://"+cfg.HealthAddress+"/readyz") }
	if body := readiness(); body != "ok" {
		t.Errorf("readiness before the outage: %s", body)
	}
	goroutines := runtime.NumGoroutine()

	gate.set(refusing)
	time.Sleep(30 * time.Second)
	during := runtime.NumGoroutine()
	hits := server.count()
	gate.set(silent)
	time.Sleep(30 * time.Second)
	if server.count() < hits+20 {
		t.Errorf("%d runs in half a minute without an API server; probes do not need one", server.count()-hits)
	}
	// Sixteen writes at most wait for an answer, each on a connection of a few
	// goroutines here and in the gate.
	if grown := runtime.NumGoroutine() - during; grown > 100 {
		t.Errorf("%d more goroutines after half a minute of silence", grown)
	}
	// What was last written has run out by its own word, or will soon: no reader
	// takes it for the present.
	var stale health.ClusterHealthSpec
	if err := cluster.Client.Get(t.Context(), client.ObjectKey{Name: "outage"}, &stale); err != nil {
		t.Fatal(err)
	}
	if stale.Status.ValidUntil.After(time.Now()) {
		t.Errorf("a minute after the last write the status is still valid until %s", stale.Status.ValidUntil)
	}
	// Nor does it take itself for well.
	if body := readiness(); body == "ok" || body == "" {
		t.Errorf("readiness of an operator that writes nothing: %q", body)
	}
	server.answer(503)
	gate.set(open)
	awaitOverall(t, "outage", health.Failure)
	eventually(t, func() string {
		if body := readiness(); body != "ok" {
			return "readiness after the outage: " + body
		}
		return ""
	})
	server.answer(200)
	awaitOverall(t, "outage", health.Success)
	chc := awaitCheck(t, "outage", "pods", func(c *health.ClusterHealthCheck) bool { return c.Status.Result == health.Success })
	if len(chc.Status.Runs) != 5 {
		t.Errorf("%d runs after an outage, want 5", len(chc.Status.Runs))
	}
	eventually(t, func() string {
		if now := runtime.NumGoroutine(); now > goroutines+20 {
			return fmt.Sprintf("%d goroutines, %d before the outage", now, goroutines)
		}
		return ""
	})
}

// gate stands between an operator and its API server.
type gate struct {
	address string
	target  string

	mu    sync.Mutex
	state gateState
	conns map[net.Conn]bool
}

type gateState int

const (
	open gateState = iota
	refusing
	silent
)

func newGate(t *testing.T, host string) *gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{address: listener.Addr().String(), target: strings.Trim(strings.TrimPrefix(host, "https:"), "/"), conns: map[net.Conn]bool{}}
	t.Cleanup(func() {
		listener.Close()
		g.set(refusing)
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go g.carry(conn)
		}
	}()
	return g
}

// set changes what becomes of connections, and drops those there are.
func (g *gate) set(state gateState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state = state
	for conn := range g.conns {
		conn.Close()
	}
	clear(g.conns)
}

func (g *gate) carry(conn net.Conn) {
	g.mu.Lock()
	state := g.state
	if state == refusing {
		g.mu.Unlock()
		conn.Close()
		return
	}
	g.conns[conn] = true
	g.mu.Unlock()
	defer conn.Close()
	if state == silent {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	upstream, err := net.Dial("tcp", g.target)
	if err != nil {
		return
	}
	defer upstream.Close()
	go func() {
		_, _ = io.Copy(upstream, conn)
		upstream.Close()
	}()
	_, _ = io.Copy(conn, upstream)
}
