package engine

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"time"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// minValidity is how long a result holds at least: a check that runs every
// second must not make its operator write every second.
const minValidity = 30 * time.Second

// Validity of a result of a check: two intervals and a timeout, so that one
// late run does not make it run out.
func Validity(interval, timeout time.Duration) time.Duration {
	return max(minValidity, 2*interval+timeout)
}

// Apply makes the engine run spec in place of what it ran under that name. A
// check whose definition is unchanged keeps its state and its streams; every
// check runs soon, since the overall status is Success only when each ran for
// this generation.
func (e *Engine) Apply(spec Spec) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.specs[spec.Name]
	known := old != nil
	if old != nil && old.UID != spec.UID {
		e.remove(old)
		old = nil
	}
	if old != nil && old.Generation == spec.Generation {
		// Somebody did something to what is written about it, or it would not
		// come again.
		for _, entry := range old.order {
			e.sink.CheckRan(entry.key, false)
		}
		return nil
	}
	compiled := make([]check.Check, len(spec.Checks))
	for i := range spec.Checks {
		if def := &spec.Checks[i]; old == nil || !old.has(def) {
			var err error
			if compiled[i], err = def.Compile(); err != nil {
				return err
			}
		}
	}
	next := &specState{Spec: spec, entries: make(map[string]*entry, len(spec.Checks)), since: spec.Since}
	next.summary.Overall = spec.Overall
	if old != nil {
		next.since, next.summary, next.generation = old.since, old.summary, old.generation
	}
	now := time.Now()
	kept := map[*entry]bool{}
	for i, def := range spec.Checks {
		var current *entry
		if compiled[i] != nil {
			current = e.newEntry(Key{spec.Name, def.Name}, def, compiled[i])
			if (known || def.Obsolete) && def.Restored == nil {
				// What is written about a former definition no longer holds.
				e.sink.CheckRan(current.key, true)
			}
		} else {
			current = old.entries[def.Name]
		}
		kept[current] = true
		current.def.Interval, current.def.Timeout = def.Interval, def.Timeout
		current.def.Policy, current.def.DependsOn = def.Policy, def.DependsOn
		current.spec = next
		next.entries[def.Name] = current
		next.order = append(next.order, current)
	}
	// Definitions and restored states were needed once.
	next.Spec.Checks = nil
	if old != nil {
		for _, gone := range old.order {
			if !kept[gone] {
				e.drop(gone)
			}
		}
	}
	e.specs[spec.Name] = next
	e.count()
	for _, entry := range next.order {
		// What a former process left may have run out since: no word is given on it.
		e.expire(entry, now)
		e.soon(entry, now)
	}
	e.summarize(next, true)
	e.nudge()
	return nil
}

func (s *specState) has(def *Check) bool {
	current := s.entries[def.Name]
	return current != nil && current.def.Definition == def.Definition
}

func (e *Engine) newEntry(key Key, def Check, compiled check.Check) *entry {
	entry := &entry{key: key, def: def, check: compiled, state: &verdict.State{}, index: -1}
	entry.def.Compile, entry.def.Restored = nil, nil
	if r := def.Restored; r != nil {
		entry.state, entry.generation, entry.lastRun = r.State, r.Generation, r.LastRun
		// What is left of its validity runs on by this process's own clock.
		entry.validFor = Validity(def.Interval, def.Timeout)
		left := min(r.ValidUntil.Sub(e.opts.Now()), entry.validFor)
		entry.renewed = time.Now().Add(left - entry.validFor)
	}
	if e.base != nil {
		e.launch(entry)
	}
	return entry
}

// launch gives an entry the context that its runs and its stream live under.
func (e *Engine) launch(entry *entry) {
	entry.ctx, entry.cancel = context.WithCancel(e.base)
	if streaming, ok := entry.check.(check.Streaming); ok {
		e.active.Add(1)
		ctx := entry.ctx
		go func() {
			defer e.active.Done()
			streaming.Stream(ctx)
		}()
	}
}

// soon plans a run within the spread of first runs.
func (e *Engine) soon(entry *entry, now time.Time) {
	if entry.index >= 0 {
		heap.Remove(&e.queue, entry.index)
	}
	if entry.waiting || entry.runID != 0 {
		// The end of what is going on plans what follows.
		return
	}
	e.push(entry, now.Add(rand.N(min(e.opts.FirstRunSpread, entry.def.Interval)+1)))
}

// Remove ends everything of a spec. Runs that are going on end with it.
func (e *Engine) Remove(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.specs[name]; s != nil {
		e.remove(s)
	}
}

func (e *Engine) remove(s *specState) {
	for _, entry := range s.order {
		e.drop(entry)
	}
	delete(e.specs, s.Name)
	e.count()
}

func (e *Engine) drop(entry *entry) {
	entry.removed = true
	if entry.hanging {
		e.hung--
		entry.hanging = false
	}
	if entry.index >= 0 {
		heap.Remove(&e.queue, entry.index)
	}
	if entry.cancel != nil {
		entry.cancel()
	}
}

func (e *Engine) count() {
	e.checks = 0
	for _, s := range e.specs {
		e.checks += len(s.order)
	}
}

// sweep finds what changed without a run. The caller holds the lock.
func (e *Engine) sweep(now time.Time) {
	for _, s := range e.specs {
		changed := false
		for _, entry := range s.order {
			if e.expire(entry, now) {
				changed = true
			}
		}
		if changed || len(s.Windows) > 0 || s.summary.Overall == "" {
			e.summarize(s, false)
		}
		if !s.renewBefore.IsZero() && !now.Before(s.renewBefore) {
			s.renewBefore = time.Time{}
			e.sink.SpecChanged(s.Name, false)
		}
	}
}

// expire turns a result Unknown that no run renewed in time.
func (e *Engine) expire(entry *entry, now time.Time) bool {
	result := entry.state.Result()
	if entry.renewed.IsZero() || result == health.Unknown || now.Sub(entry.renewed) <= entry.validFor {
		return false
	}
	why := "no run has completed in time"
	if entry.spec.Suspend {
		why = "the spec is suspended"
	}
	entry.state.Expire(e.opts.Now(), why)
	e.announce(entry, result)
	e.sink.CheckRan(entry.key, true)
	return true
}

// summarize computes the overall status of a spec and what its members owe to
// each other, and tells the sink what changed.
func (e *Engine) summarize(s *specState, force bool) {
	at := e.opts.Now()
	open := verdict.OpenWindows(s.Windows, at)
	members := make([]verdict.Member, len(s.order))
	for i, entry := range s.order {
		if window := verdict.Covering(open, entry.key.Check); window != entry.maintenance {
			entry.maintenance = window
			e.sink.CheckRan(entry.key, true)
		}
		members[i] = verdict.Member{
			Name: entry.key.Check, Result: entry.state.Result(), Message: entry.state.Message(),
			Fresh: entry.generation == s.Generation, DependsOn: entry.def.DependsOn, Maintenance: entry.maintenance,
		}
	}
	before := s.summary
	if s.Invalid != "" {
		s.summary = verdict.Summary{Overall: health.Error, Message: verdict.Truncate("the spec cannot be run: "+s.Invalid, 1024)}
	} else {
		s.summary = verdict.Overall(members)
	}
	s.generation = s.Generation
	for i, entry := range s.order {
		if by := s.summary.SuppressedBy[i]; by != entry.suppressedBy {
			entry.suppressedBy = by
			e.sink.CheckRan(entry.key, true)
		}
	}
	if before.Overall != s.summary.Overall {
		s.since = at
		// The first word on a spec is no news unless it is bad.
		if before.Overall != "" && (before.Overall != health.Pending || s.summary.Overall != health.Success) && s.summary.Overall != health.Pending {
			e.sink.Announce(Transition{Key: Key{Spec: s.Name}, UID: s.UID, From: before.Overall, To: s.summary.Overall, Message: s.summary.Message})
		}
	}
	if force || before.Overall != s.summary.Overall || before.Message != s.summary.Message || before.Counts != s.summary.Counts {
		e.sink.SpecChanged(s.Name, force || before.Overall != s.summary.Overall)
	}
}

// announce tells of a check's transition where it is news: not of the first
// success, not of what a dependency explains, and not while it flaps or is
// maintained.
func (e *Engine) announce(entry *entry, from health.Result) {
	to := entry.state.Result()
	switch {
	case entry.suppressedBy != "" || entry.maintenance != "" || entry.state.Flapping():
		return
	case to == health.Pending, from == health.Pending && to == health.Success:
		return
	}
	e.sink.Announce(Transition{Key: entry.key, UID: entry.spec.UID, From: from, To: to, Message: entry.state.Message()})
}

// dueQueue is a heap of entries by when they are due.
type dueQueue []*entry

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *dueQueue) Push(x any) {
	entry := x.(*entry)
	entry.index = len(*q)
	*q = append(*q, entry)
}

func (q *dueQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	last.index = -1
	*q = old[:len(old)-1]
	return last
}
