package controller

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
	"github.com/bodega-hq/bodega/internal/clusterhealth/engine"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// Watchdog runs in every replica that does not lead, and turns Unknown what its
// leader let run out: a leader that lives and checks nothing must not leave its
// last good word standing.
type Watchdog struct {
	client client.Client
	reader client.Reader // past the cache
	log    *slog.Logger
	now    func() time.Time
	leads  <-chan struct{}

	seen   map[string]sighting
	ticked atomic.Int64 // unix nanoseconds of the last complete look, monotonic enough for readiness
}

// sighting is when a promise was first seen, by this process's own clock.
type sighting struct {
	validUntil time.Time
	uid        string
	deadline   time.Time
}

const (
	watchEvery = time.Second
	// A leader's clock and a standby's may differ a little.
	clockSkew = 5 * time.Second
)

// NewWatchdog makes a Watchdog that stops when leads is closed.
func NewWatchdog(c client.Client, reader client.Reader, leads <-chan struct{}, now func() time.Time, log *slog.Logger) *Watchdog {
	return &Watchdog{client: c, reader: reader, leads: leads, now: now, log: log, seen: map[string]sighting{}}
}

// NeedLeaderElection says that the watchdog runs in every replica.
func (*Watchdog) NeedLeaderElection() bool { return false }

// Start watches until this replica leads or ctx ends.
func (w *Watchdog) Start(ctx context.Context) error {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.leads:
			return nil
		case <-ticker.C:
		}
		if err := w.look(ctx); err != nil {
			w.log.Warn("look for results that ran out", "error", err)
			continue
		}
		w.ticked.Store(time.Now().UnixNano())
	}
}

// SinceLook is how long ago a look last completed.
func (w *Watchdog) SinceLook() time.Duration {
	return time.Duration(time.Now().UnixNano() - w.ticked.Load())
}

func (w *Watchdog) look(ctx context.Context) error {
	var specs health.ClusterHealthSpecList
	if err := w.client.List(ctx, &specs, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	var errs []error
	present := make(map[string]bool, len(specs.Items))
	for i := range specs.Items {
		spec := &specs.Items[i]
		present[spec.Name] = true
		if w.ranOut(spec) {
			errs = append(errs, w.turnUnknown(ctx, spec.Name))
		}
	}
	for name := range w.seen {
		if !present[name] {
			delete(w.seen, name)
		}
	}
	return errors.Join(errs...)
}

// ranOut says whether the overall status of a spec is no longer true, by the
// wall clock or by the time since it was first seen. The second holds where the
// first was set back.
func (w *Watchdog) ranOut(spec *health.ClusterHealthSpec) bool {
	s := &spec.Status
	if s.ValidUntil == nil || s.Overall == "" || s.Overall == health.Unknown {
		delete(w.seen, spec.Name)
		return false
	}
	seen, known := w.seen[spec.Name]
	if !known || !seen.validUntil.Equal(s.ValidUntil.Time) || seen.uid != string(spec.UID) {
		left := min(s.ValidUntil.Sub(w.now()), longestValidity(&spec.Spec))
		seen = sighting{validUntil: s.ValidUntil.Time, uid: string(spec.UID), deadline: time.Now().Add(left + clockSkew)}
		w.seen[spec.Name] = seen
	}
	return w.now().After(s.ValidUntil.Add(clockSkew)) || time.Now().After(seen.deadline)
}

func longestValidity(spec *health.ClusterHealthSpecSpec) time.Duration {
	longest := time.Duration(0)
	for i := range spec.Checks {
		c := &spec.Checks[i]
		longest = max(longest, engine.Validity(check.Interval(spec, c), check.Timeout(spec, c)))
	}
	return longest
}

const ranOutMessage = "the last result ran out and no newer one came: the operator's leader is not checking"

// turnUnknown turns a spec and its checks Unknown, unless somebody writes them
// meanwhile: the cache may lag behind a leader that has just taken over, and what
// that says must not be undone.
func (w *Watchdog) turnUnknown(ctx context.Context, name string) error {
	spec := &health.ClusterHealthSpec{}
	if err := w.reader.Get(ctx, client.ObjectKey{Name: name}, spec); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !w.ranOut(spec) {
		return nil
	}
	var checks health.ClusterHealthCheckList
	options := &client.ListOptions{Limit: restorePage}
	client.MatchingLabels{health.LabelSpec: spec.Name}.ApplyToList(options)
	for {
		if err := w.reader.List(ctx, &checks, options); err != nil {
			return err
		}
		for i := range checks.Items {
			if err := w.turnCheckUnknown(ctx, &checks.Items[i]); ignoreChanged(err) != nil {
				return err
			}
		}
		if options.Continue = checks.Continue; options.Continue == "" {
			break
		}
	}
	counts := health.Counts{Total: int32(len(spec.Spec.Checks)), Unknown: int32(len(spec.Spec.Checks))}
	err := applySpecHealth(ctx, w.client, engine.SpecStatus{
		Name: spec.Name, UID: string(spec.UID), Generation: spec.Status.HealthGeneration,
		Summary: verdict.Summary{Overall: health.Unknown, Message: ranOutMessage, Counts: counts},
		Since:   w.now(), ValidUntil: spec.Status.ValidUntil.Time,
	}, spec.ResourceVersion)
	if err == nil {
		w.log.Warn("a spec's result ran out while another replica leads", "spec", name, "valid_until", spec.Status.ValidUntil)
	}
	return ignoreChanged(err)
}

// ignoreChanged drops the error of a write that came too late.
func ignoreChanged(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}

func (w *Watchdog) turnCheckUnknown(ctx context.Context, chc *health.ClusterHealthCheck) error {
	s := &chc.Status
	if s.Result == "" || s.Result == health.Unknown {
		return nil
	}
	// The spec's promise is the shorter one: it already says that nobody
	// checks. What a check's own promise covers beyond it was for writes that
	// wait, and none will come.
	runs := former("", s).runs
	return applyCheckStatus(ctx, w.client, engine.CheckStatus{
		Key:        engine.Key{Spec: chc.Spec.SpecName, Check: chc.Spec.CheckName},
		Definition: s.Definition, Generation: s.SpecGeneration, Result: health.Unknown, Message: ranOutMessage,
		Since: w.now(), LastRun: timeAt(s.LastRunTime), ValidUntil: timeAt(s.ValidUntil), Flapping: s.Flapping, Runs: runs,
	}, chc.ResourceVersion)
}
