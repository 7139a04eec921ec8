package clusterhealth

import (
	"context"
	"sync"
	"time"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
	"github.com/bodega-hq/bodega/internal/clusterhealth/engine"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// Report is what one run of every check of a spec says.
type Report struct {
	Overall health.Result `json:"overall"`
	Checks  []CheckReport `json:"checks"`
}

// CheckReport is what one run of a check says. Status is Success, Failure,
// Error or Pending.
type CheckReport struct {
	Name                 string        `json:"name"`
	Type                 string        `json:"type"`
	Status               health.Result `json:"status"`
	Message              string        `json:"message"`
	DurationMilliseconds int64         `json:"duration_ms"`
}

// CheckOnce runs every check of a valid spec once, some at a time. A single
// run has no thresholds: what it says is the status. Dependencies and
// maintenance windows count in the overall status as they do for the operator.
func CheckOnce(ctx context.Context, spec *health.ClusterHealthSpec, env *check.Env, concurrency, perTarget int) Report {
	checks := spec.Spec.Checks
	report := Report{Checks: make([]CheckReport, len(checks))}
	slots := make(chan struct{}, concurrency)
	targets := map[string]chan struct{}{}
	var running sync.WaitGroup
	for i := range checks {
		c := &checks[i]
		t, _ := check.TypeOf(c)
		key := t.Target(c)
		if targets[key] == nil {
			targets[key] = make(chan struct{}, perTarget)
		}
		target := targets[key]
		running.Add(1)
		go func() {
			defer running.Done()
			target <- struct{}{}
			defer func() { <-target }()
			slots <- struct{}{}
			defer func() { <-slots }()
			report.Checks[i] = runOnce(ctx, &spec.Spec, c, t, env)
		}()
	}
	running.Wait()

	var windows []verdict.Window
	for i := range spec.Spec.MaintenanceWindows {
		// One that does not compile is not valid, and covers nothing.
		if window, err := verdict.CompileWindow(&spec.Spec.MaintenanceWindows[i]); err == nil {
			windows = append(windows, window)
		}
	}
	windows = verdict.OpenWindows(windows, env.Now())
	members := make([]verdict.Member, len(checks))
	for i := range checks {
		members[i] = verdict.Member{
			Name: checks[i].Name, Result: report.Checks[i].Status, Message: report.Checks[i].Message, Fresh: true,
			DependsOn: checks[i].DependsOn, Maintenance: verdict.Covering(windows, checks[i].Name),
		}
		if window := members[i].Maintenance; window != "" {
			report.Checks[i].Message += " (in maintenance window " + window + ")"
		}
	}
	sum := verdict.Overall(members)
	for i, by := range sum.SuppressedBy {
		if by != "" {
			report.Checks[i].Message += " (explained by " + by + ")"
		}
	}
	report.Overall = sum.Overall
	return report
}

func runOnce(ctx context.Context, spec *health.ClusterHealthSpecSpec, c *health.Check, t check.Type, env *check.Env) CheckReport {
	ctx, cancel := context.WithTimeout(ctx, check.Timeout(spec, c))
	defer cancel()
	start := time.Now()
	var out check.Outcome
	compiled, err := check.New(c, env)
	if err != nil {
		out = check.Errorf("%v", err)
	} else {
		out = runBounded(ctx, compiled)
	}
	return CheckReport{
		Name: c.Name, Type: t.Name, Status: out.Result, Message: out.Message,
		DurationMilliseconds: time.Since(start).Milliseconds(),
	}
}

// runBounded gives up a run that does not notice its deadline, as the engine
// does.
func runBounded(ctx context.Context, c check.Check) check.Outcome {
	ended := make(chan check.Outcome, 1)
	go func() { ended <- check.Do(ctx, c) }()
	select {
	case out := <-ended:
		return out
	case <-ctx.Done():
	}
	select {
	case out := <-ended:
		return out
	case <-time.After(engine.HangAllowance):
		return check.Errorf("the run had not ended %s after its deadline", engine.HangAllowance)
	}
}
