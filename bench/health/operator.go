package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/kubetest"
)

// process is an operator in a process of its own, so that its memory is its
// own as well.
type process struct {
	cmd     *exec.Cmd
	metrics string
}

func buildOperator(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "bodega-operator")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, filepath.Join(kubetest.Root(), "cmd", "bodega-operator"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the operator: %w: %s", err, out)
	}
	return path, nil
}

func startOperator(path, kubeconfig string) (*process, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	listener.Close()
	p := &process{metrics: "http://" + address + "/metrics"}
	p.cmd = exec.Command(path, "run", "--kubeconfig="+kubeconfig, "--no-leader-elect",
		"--metrics-address="+address, "--health-address=0", "--log-level=warn")
	p.cmd.Stderr = os.Stderr
	// The setting that the chart makes from its memory limit.
	p.cmd.Env = append(os.Environ(), "GOMEMLIMIT=256MiB")
	return p, p.cmd.Start()
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait() // it ends by a signal
}

// resident is the process's resident memory in bytes.
func (p *process) resident() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err
		}
	}
	return 0, errors.New("no VmRSS in /proc")
}

// scrape reads the metrics whose names begin with prefix, by name and labels.
func (p *process) scrape(prefix string) (map[string]float64, error) {
	resp, err := http.Get(p.metrics)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := map[string]float64{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, prefix) {
			continue
		}
		if i := strings.LastIndexByte(line, ' '); i > 0 {
			if value, err := strconv.ParseFloat(line[i+1:], 64); err == nil {
				out[line[:i]] = value
			}
		}
	}
	return out, lines.Err()
}

func makeSpecs(ctx context.Context, c client.Client, prefix string, specs, checks int, interval time.Duration, addresses []string) error {
	for s := range specs {
		spec := &health.ClusterHealthSpec{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%03d", prefix, s)}}
		spec.Spec.Interval = &metav1.Duration{Duration: interval}
		for i := range checks {
			spec.Spec.Checks = append(spec.Spec.Checks, health.Check{
				Name: fmt.Sprintf("check-%03d", i), HTTP: &health.HTTPCheck{URL: "http://" + addresses[(s*checks+i)%len(addresses)] + "/"},
			})
		}
		if err := c.Create(ctx, spec); err != nil {
			return err
		}
	}
	return nil
}

// awaitAll waits until want holds for every spec, and says how long it took.
func awaitAll(ctx context.Context, c client.Client, specs int, begin time.Time, want func(*health.ClusterHealthSpec) bool) (time.Duration, error) {
	for {
		var list health.ClusterHealthSpecList
		if err := c.List(ctx, &list); err != nil {
			return 0, err
		}
		done := 0
		for i := range list.Items {
			if want(&list.Items[i]) {
				done++
			}
		}
		if done == specs {
			return time.Since(begin), nil
		}
		if time.Since(begin) > 5*time.Minute {
			return 0, fmt.Errorf("%d of %d specs after five minutes", done, specs)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// awaitRuns waits until so many checks have run since a time.
func (p *process) awaitRuns(ctx context.Context, checks int, begin time.Time) (time.Duration, error) {
	for ctx.Err() == nil && time.Since(begin) < 5*time.Minute {
		runs, err := p.scrape("bodega_clusterhealth_check_last_run_timestamp_seconds{")
		ran := 0
		for _, at := range runs {
			if at >= float64(begin.UnixMilli())/1000 {
				ran++
			}
		}
		if err == nil && ran == checks {
			return time.Since(begin), nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return 0, fmt.Errorf("not all of %d checks ran within %s", checks, time.Since(begin).Round(time.Second))
}

func healthySince(begin time.Time) func(*health.ClusterHealthSpec) bool {
	return func(s *health.ClusterHealthSpec) bool {
		ready := false
		for _, c := range s.Status.Conditions {
			ready = ready || c.Type == health.ConditionReady && c.Status == metav1.ConditionTrue && c.ObservedGeneration == s.Generation
		}
		return ready && s.Status.Overall == health.Success && s.Status.HealthGeneration == s.Generation &&
			s.Status.ValidUntil != nil && s.Status.ValidUntil.After(begin.Add(30*time.Second))
	}
}

// targets opens several loopback targets: one port's worth of closed
// connections would run out of ports before the checks run out.
func targets(n int) (addresses []string, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range stops {
			s()
		}
	}
	for range n {
		address, end, err := target()
		if err != nil {
			stop()
			return nil, nil, err
		}
		addresses, stops = append(addresses, address), append(stops, end)
	}
	return addresses, stop, nil
}

// cold measures how soon 100 specs of 20 checks stand after a start: a cold one
// that finds only specs, and a warm one that finds their checks as well.
func cold(ctx context.Context) (out []result, err error) {
	cluster, err := kubetest.Start(ctx, kubetest.Options{Controllers: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	path, err := buildOperator(ctx, cluster.Dir)
	if err != nil {
		return nil, err
	}
	addresses, stop, err := targets(8)
	if err != nil {
		return nil, err
	}
	defer stop()
	const specs, checks = 100, 20
	if err := makeSpecs(ctx, cluster.Client, "bench", specs, checks, 30*time.Second, addresses); err != nil {
		return nil, err
	}
	for _, start := range []struct {
		name  string
		limit time.Duration
	}{{"cold", 30 * time.Second}, {"warm", 10 * time.Second}} {
		begin := time.Now()
		p, err := startOperator(path, cluster.Kubeconfig)
		if err != nil {
			return out, err
		}
		took, err := awaitAll(ctx, cluster.Client, specs, begin, healthySince(begin))
		if err == nil {
			// What a former process wrote does not count: each check must have run
			// in this one.
			took, err = p.awaitRuns(ctx, specs*checks, begin)
		}
		p.stop()
		if err != nil {
			return out, err
		}
		out = append(out, result{
			fmt.Sprintf("%d specs x %d checks, %s start", specs, checks, start.name), took.Round(100 * time.Millisecond).String(),
			"<= " + start.limit.String(), took <= start.limit,
		})
	}
	return out, nil
}

// lateness runs 10,000 checks at 30 s, held by a real API server, and looks at
// how late they begin, at the operator's memory and at what it writes.
func lateness(ctx context.Context) (out []result, err error) {
	cluster, err := kubetest.Start(ctx, kubetest.Options{Controllers: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	path, err := buildOperator(ctx, cluster.Dir)
	if err != nil {
		return nil, err
	}
	addresses, stop, err := targets(32)
	if err != nil {
		return nil, err
	}
	defer stop()
	const specs, checks = 100, 100
	if err := makeSpecs(ctx, cluster.Client, "bench", specs, checks, 30*time.Second, addresses); err != nil {
		return nil, err
	}
	begin := time.Now()
	p, err := startOperator(path, cluster.Kubeconfig)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	took, err := awaitAll(ctx, cluster.Client, specs, begin, healthySince(begin))
	if err != nil {
		return nil, err
	}
	out = append(out, result{"10,000 checks, cold start", took.Round(time.Second).String(), "no limit", true})

	// Steady state: the first runs and what they wrote are over.
	time.Sleep(45 * time.Second)
	before, err := p.scrape("bodega_clusterhealth_")
	if err != nil {
		return out, err
	}
	const span = 2 * time.Minute
	var most int64
	for range int(span / (5 * time.Second)) {
		time.Sleep(5 * time.Second)
		rss, err := p.resident()
		if err != nil {
			return out, err
		}
		most = max(most, rss)
	}
	after, err := p.scrape("bodega_clusterhealth_")
	if err != nil {
		return out, err
	}
	grown := func(name string) float64 { return after[name] - before[name] }
	runs := grown("bodega_clusterhealth_scheduler_lateness_seconds_count")
	within := grown(`bodega_clusterhealth_scheduler_lateness_seconds_bucket{le="0.25"}`)
	p99 := "above 5s"
	for _, le := range []string{"0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "5"} {
		if grown(fmt.Sprintf("bodega_clusterhealth_scheduler_lateness_seconds_bucket{le=%q}", le)) >= 0.99*runs {
			p99 = "<= " + le + " s"
			break
		}
	}
	routine := (grown(`bodega_clusterhealth_status_writes_total{kind="check",reason="routine"}`)) / span.Seconds()
	limit := int64(80<<20 + 8<<10*specs*checks)
	return append(out,
		result{"10,000 checks at 30 s: runs a second", fmt.Sprintf("%.0f", runs/span.Seconds()), ">= 330", runs/span.Seconds() >= 330},
		result{"lateness, p99", p99, "< 0.25 s", runs > 0 && within >= 0.99*runs},
		result{"resident memory, most", fmt.Sprintf("%d MB", most>>20), fmt.Sprintf("<= %d MB", limit>>20), most <= limit},
		result{"routine status writes a second", fmt.Sprintf("%.1f", routine), "<= 50 (the budget)", routine <= 51},
	), nil
}
