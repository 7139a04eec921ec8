package engine

import (
	"time"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// CheckStatus is what is known of a check.
type CheckStatus struct {
	Key          Key
	UID          string // of the spec
	Type         string
	Definition   string
	Generation   int64
	Result       health.Result
	Message      string
	Since        time.Time
	LastRun      time.Time
	LastDuration time.Duration
	ValidUntil   time.Time
	SuppressedBy string
	Maintenance  string
	Flapping     bool
	Runs         []verdict.Run
}

// SpecStatus is the overall status of a spec.
type SpecStatus struct {
	Name       string
	UID        string
	Generation int64
	Summary    verdict.Summary
	Since      time.Time
	ValidUntil time.Time
}

// Check is the status of one check; ok is false if the engine does not run it.
func (e *Engine) Check(key Key) (status CheckStatus, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.specs[key.Spec]
	if s == nil || s.entries[key.Check] == nil {
		return CheckStatus{}, false
	}
	return e.status(s.entries[key.Check], true), true
}

func (e *Engine) status(entry *entry, runs bool) CheckStatus {
	out := CheckStatus{
		Key: entry.key, UID: entry.spec.UID, Type: entry.def.Type, Definition: entry.def.Definition,
		Generation: entry.generation,
		Result:     entry.state.Result(), Message: entry.state.Message(), Since: entry.state.Since(),
		LastRun: entry.lastRun, SuppressedBy: entry.suppressedBy, Maintenance: entry.maintenance,
		Flapping: entry.state.Flapping(),
	}
	if known := entry.state.Runs(); len(known) > 0 {
		out.LastDuration = known[0].Duration
	}
	if runs {
		out.Runs = append(out.Runs, entry.state.Runs()...)
	}
	if !entry.renewed.IsZero() {
		// The age is by the monotonic clock, so that a wall clock set back does
		// not make a result last longer.
		left := entry.validFor - time.Since(entry.renewed) + e.opts.WriteDelay(e.checks)
		out.ValidUntil = e.opts.Now().Add(left)
	}
	return out
}

// Spec is the overall status of a spec, which the caller undertakes to write;
// the sink hears when it is to be renewed. ok is false if the engine does not
// run it.
func (e *Engine) Spec(name string) (status SpecStatus, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.specs[name]
	if s == nil {
		return SpecStatus{}, false
	}
	left := s.validity()
	s.renewBefore = time.Now().Add(max(left/2, sweepEvery))
	return e.specStatus(s, left), true
}

func (e *Engine) specStatus(s *specState, left time.Duration) SpecStatus {
	return SpecStatus{
		Name: s.Name, UID: s.UID, Generation: s.generation, Summary: s.summary, Since: s.since,
		ValidUntil: e.opts.Now().Add(left),
	}
}

// validity is how long the overall status is true: as long as each of its
// parts. What never ran or has run out limits nothing. It is below zero where a
// part ran out and nothing has noticed, which nothing but a metric tells then.
func (s *specState) validity() time.Duration {
	left, limited := minValidity, false
	for _, entry := range s.order {
		if entry.renewed.IsZero() || entry.state.Result() == health.Unknown {
			continue
		}
		if l := entry.validFor - time.Since(entry.renewed); !limited || l < left {
			left, limited = l, true
		}
	}
	return left
}

// Each calls visit with every check's status, without its runs, and then with
// the overall status of its spec.
func (e *Engine) Each(visitCheck func(CheckStatus), visitSpec func(SpecStatus)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.specs {
		for _, entry := range s.order {
			visitCheck(e.status(entry, false))
		}
		visitSpec(e.specStatus(s, s.validity()))
	}
}

// Runs says whether the engine runs a spec as of a generation.
func (e *Engine) Runs(spec, uid string, generation int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.specs[spec]
	return s != nil && s.UID == uid && s.Generation >= generation
}

// Progress is how the engine itself is doing.
type Progress struct {
	// SinceTick is how long ago the scheduler last turned, if it is Started.
	SinceTick time.Duration
	Started   bool
	// Overdue is how late the latest check is that has not begun.
	Overdue time.Duration
	// SinceRun is how long ago a run last ended; zero if none has.
	SinceRun time.Duration
	Checks   int
	Running  int
	Hung     int
	Finished int64
}

// Progress of the engine now.
func (e *Engine) Progress() Progress {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	p := Progress{Checks: e.checks, Running: e.running, Hung: e.hung, Finished: e.finished}
	if !e.tick.IsZero() {
		p.SinceTick, p.Started = now.Sub(e.tick), true
	}
	if !e.lastRun.IsZero() {
		p.SinceRun = now.Sub(e.lastRun)
	}
	late := func(entry *entry) {
		if !entry.removed {
			p.Overdue = max(p.Overdue, now.Sub(entry.due))
		}
	}
	if len(e.queue) > 0 {
		late(e.queue[0])
	}
	for _, entry := range e.ready {
		late(entry)
	}
	for _, t := range e.targets {
		for _, entry := range t.waiting {
			late(entry)
		}
	}
	return p
}
