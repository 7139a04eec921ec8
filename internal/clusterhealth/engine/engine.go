// Package engine runs checks: each at its time, none twice at once, no more
// than a few at one target, and every one with a deadline. It holds what their
// runs came to, and tells a Sink what changed; it writes nothing itself.
//
// Time is kept by the monotonic clock, so that a wall clock that jumps neither
// stops the checks nor makes a result look younger than it is. The wall clock
// only dates results.
package engine

import (
	"container/heap"
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// Key names a check.
type Key struct{ Spec, Check string }

// Spec is what the engine runs for one ClusterHealthSpec.
type Spec struct {
	Name       string
	UID        string
	Generation int64
	Suspend    bool
	Windows    []verdict.Window
	Checks     []Check
	// Overall and Since are what a former process knew; used when the engine does
	// not know the spec yet.
	Overall health.Result
	Since   time.Time
	// Invalid says why the spec cannot be run at all; it then has no checks, and
	// its overall status is Error.
	Invalid string
}

// Check is one check of a Spec.
type Check struct {
	Name      string
	Type      string
	Target    string
	Interval  time.Duration
	Timeout   time.Duration
	Policy    verdict.Policy
	DependsOn []string
	// Definition tells a changed check from one that only changed its timing:
	// while it stays the same, what was known stays known.
	Definition string
	// Compile makes the check; it is called only if the definition is new.
	Compile func() (check.Check, error)
	// Restored is what a former process knew, if it still applies; Obsolete says
	// that it knew something that no longer does.
	Restored *Restored
	Obsolete bool
}

// Restored is the state that a former process left behind.
type Restored struct {
	State      *verdict.State
	Generation int64
	LastRun    time.Time
	ValidUntil time.Time
}

// Sink hears of what happened. Its methods are called with the engine locked,
// so they take note and return; they never call back.
type Sink interface {
	// CheckRan says that the status of a check is newer than before; with a
	// transition, its result, suppression or maintenance changed.
	CheckRan(key Key, transition bool)
	// SpecChanged says that the overall status changed (a transition) or should
	// be renewed.
	SpecChanged(spec string, transition bool)
	// Announce is called for each transition worth an event.
	Announce(Transition)
}

// Transition is a change of a check's or, with an empty Check, of an overall
// result.
type Transition struct {
	Key     Key
	UID     string // of the spec
	From    health.Result
	To      health.Result
	Message string
}

// Options of an Engine. The zero value of each field takes its default.
type Options struct {
	// Concurrency is how many checks run at once; 256.
	Concurrency int
	// PerTarget is how many checks meet one target at once; 4.
	PerTarget int
	// FirstRunSpread is the time that first runs are spread over; 2s.
	FirstRunSpread time.Duration
	// Now is the wall clock.
	Now func() time.Time
	// WriteDelay says how long a result may wait to be written, by which its
	// validity is stretched; none.
	WriteDelay func(checks int) time.Duration
	Metrics    *Metrics
}

// Engine runs checks while Run does.
type Engine struct {
	opts Options
	sink Sink

	mu      sync.Mutex
	specs   map[string]*specState
	checks  int
	queue   dueQueue
	targets map[string]*target
	ready   []*entry // their target has room, but too much runs already
	running int
	hung    int
	wake    chan struct{}
	// base is the context of everything that the engine starts; nil while it is
	// not running.
	base     context.Context
	active   sync.WaitGroup
	tick     time.Time // when the loop last turned
	lastRun  time.Time // when a run last ended
	finished int64
}

type target struct {
	running int
	waiting []*entry
}

type specState struct {
	Spec
	entries map[string]*entry
	order   []*entry
	// summary as last computed, and since when its overall result is what it is.
	summary     verdict.Summary
	since       time.Time
	generation  int64 // that summary speaks of
	renewBefore time.Time
}

type entry struct {
	key   Key
	spec  *specState
	def   Check
	check check.Check
	state *verdict.State

	ctx    context.Context
	cancel context.CancelFunc

	due     time.Time
	index   int // in queue; -1 when not there
	waiting bool
	runID   int64 // of the run that is going on; 0 when none is
	begun   int64
	hanging bool

	generation   int64 // of the spec, for which the last run was
	lastRun      time.Time
	renewed      time.Time // monotonic; zero before the first run of any process
	validFor     time.Duration
	suppressedBy string
	maintenance  string
	removed      bool
}

// New makes an Engine that tells sink what happens.
func New(sink Sink, opts Options) *Engine {
	if opts.Concurrency == 0 {
		opts.Concurrency = 256
	}
	if opts.PerTarget == 0 {
		opts.PerTarget = 4
	}
	if opts.FirstRunSpread == 0 {
		opts.FirstRunSpread = 2 * time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.WriteDelay == nil {
		opts.WriteDelay = func(int) time.Duration { return 0 }
	}
	if opts.Metrics == nil {
		opts.Metrics = NewMetrics()
	}
	return &Engine{
		opts: opts, sink: sink, specs: map[string]*specState{}, targets: map[string]*target{},
		wake: make(chan struct{}, 1),
	}
}

// HangAllowance is how long after its deadline a run may take to notice it
// before it is given up.
const HangAllowance = 2 * time.Second

// Run runs what Apply gave and gives, until ctx ends; then it ends every run
// and stream, and waits for those that notice.
func (e *Engine) Run(ctx context.Context) {
	base, cancel := context.WithCancel(ctx)
	e.mu.Lock()
	e.base = base
	for _, s := range e.specs {
		for _, entry := range s.order {
			e.launch(entry)
		}
	}
	e.mu.Unlock()

	e.loop(ctx)

	cancel()
	e.mu.Lock()
	e.base = nil
	e.mu.Unlock()
	done := make(chan struct{})
	go func() {
		e.active.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(HangAllowance):
	}
}

// sweepEvery is how often the engine looks for what changes without a run:
// results that ran out, maintenance windows, overall statuses to renew.
const sweepEvery = time.Second

func (e *Engine) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var nextSweep time.Time
	for {
		e.mu.Lock()
		now := time.Now()
		e.tick = now
		e.dispatch(now)
		if !now.Before(nextSweep) {
			e.sweep(now)
			nextSweep = now.Add(sweepEvery)
		}
		wait := nextSweep.Sub(now)
		if len(e.queue) > 0 {
			wait = min(wait, max(0, e.queue[0].due.Sub(now)))
		}
		e.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-e.wake:
		}
	}
}

func (e *Engine) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// dispatch starts what is due. The caller holds the lock.
func (e *Engine) dispatch(now time.Time) {
	for len(e.queue) > 0 && !e.queue[0].due.After(now) {
		entry := heap.Pop(&e.queue).(*entry)
		e.opts.Metrics.due.Inc()
		if entry.hanging {
			// Its last run never ended. Another would only hang as well.
			entry.generation = entry.spec.Generation
			e.conclude(entry, verdict.Run{
				At: e.opts.Now(), Result: health.Error,
				Message: "an earlier run has not ended, long after its deadline",
			})
			continue
		}
		t := e.targets[entry.def.Target]
		if t == nil {
			t = &target{}
			e.targets[entry.def.Target] = t
		}
		entry.waiting = true
		if t.running >= e.opts.PerTarget {
			t.waiting = append(t.waiting, entry)
			continue
		}
		t.running++
		e.ready = append(e.ready, entry)
	}
	e.startReady(now)
}

func (e *Engine) startReady(now time.Time) {
	for len(e.ready) > 0 && e.running < e.opts.Concurrency {
		entry := e.ready[0]
		e.ready[0] = nil
		e.ready = e.ready[1:]
		if entry.removed || entry.spec.Suspend {
			entry.waiting = false
			e.leaveTarget(entry.def.Target)
			continue
		}
		e.start(entry, now)
	}
	if len(e.ready) == 0 {
		e.ready = nil
	}
}

func (e *Engine) start(entry *entry, now time.Time) {
	e.opts.Metrics.lateness.Observe(max(0, now.Sub(entry.due).Seconds()))
	entry.waiting = false
	entry.begun++
	id := entry.begun
	entry.runID = id
	e.running++
	generation := entry.spec.Generation
	deadline := entry.def.Timeout
	checked, name := entry.check, entry.def.Target
	began := e.opts.Now()

	abandon := time.AfterFunc(deadline+HangAllowance, func() {
		e.finish(entry, id, name, generation, true, verdict.Run{
			At: began, Duration: deadline + HangAllowance, Result: health.Error,
			Message: fmt.Sprintf("the run had not ended %s after its deadline of %s", HangAllowance, deadline),
		})
	})
	e.active.Add(1)
	go func() {
		defer e.active.Done()
		ctx, cancel := context.WithTimeout(entry.ctx, deadline)
		defer cancel()
		start := time.Now()
		out := check.Do(ctx, checked)
		took := time.Since(start)
		abandon.Stop()
		e.finish(entry, id, name, generation, false, verdict.Run{
			At: began, Duration: took, Result: out.Result, Message: verdict.Truncate(out.Message, runMessageSize),
		})
	}()
}

const runMessageSize = 256

// finish takes in the end of a run, or that it is given up.
func (e *Engine) finish(entry *entry, id int64, targetName string, generation int64, abandoned bool, run verdict.Run) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if entry.runID != id {
		// It was given up before and has ended now after all.
		if !abandoned && entry.hanging && entry.begun == id {
			entry.hanging = false
			e.hung--
		}
		return
	}
	entry.runID = 0
	if abandoned {
		entry.hanging = true
		e.hung++
	}
	e.running--
	e.leaveTarget(targetName)
	e.startReady(time.Now())

	// A run that ended because its check did, or the engine, says nothing.
	if entry.removed || entry.ctx.Err() != nil {
		return
	}
	e.finished++
	e.opts.Metrics.observe(entry.def.Type, run)
	entry.generation = generation
	e.conclude(entry, run)
	e.nudge()
}

func (e *Engine) leaveTarget(name string) {
	t := e.targets[name]
	t.running--
	for len(t.waiting) > 0 {
		next := t.waiting[0]
		t.waiting[0] = nil
		t.waiting = t.waiting[1:]
		if !next.removed {
			t.running++
			e.ready = append(e.ready, next)
			return
		}
	}
	if t.running == 0 {
		delete(e.targets, name)
	}
}

// conclude records a run and plans the next.
func (e *Engine) conclude(entry *entry, run verdict.Run) {
	now := time.Now()
	e.lastRun = now
	before := entry.state.Result()
	changed := entry.state.Observe(entry.def.Policy, run)
	entry.lastRun, entry.renewed = run.At, now
	entry.validFor = Validity(entry.def.Interval, entry.def.Timeout)
	if entry.generation == entry.spec.Generation {
		e.plan(entry, now)
	} else {
		e.soon(entry, now)
	}

	// A success among successes changes nothing of the overall status.
	if changed || entry.state.Result() != health.Success || entry.spec.summary.Overall != health.Success {
		e.summarize(entry.spec, false)
	}
	if changed {
		e.announce(entry, before)
	}
	e.sink.CheckRan(entry.key, changed)
}

// plan puts an entry where its next run is due: on its grid, with a little
// jitter so that checks that met once part again.
func (e *Engine) plan(entry *entry, now time.Time) {
	interval := entry.def.Interval
	e.opts.Metrics.missed.Add(float64(now.Sub(entry.due) / interval))
	e.push(entry, nextOnGrid(entry.key, interval, now).Add(rand.N(interval/20+1)))
}

func (e *Engine) push(entry *entry, due time.Time) {
	entry.due = due
	if entry.spec.Suspend {
		return
	}
	heap.Push(&e.queue, entry)
}

// nextOnGrid is the next regular time of a check. Regular times are spread over
// the interval by name, so that an engine full of checks is evenly busy however
// they were applied. The result keeps now's monotonic reading.
func nextOnGrid(key Key, interval time.Duration, now time.Time) time.Time {
	h := fnv.New64a()
	h.Write([]byte(key.Spec))
	h.Write([]byte{'.'})
	h.Write([]byte(key.Check))
	phase := time.Duration(h.Sum64() % uint64(interval))
	into := time.Duration(uint64(now.UnixNano()) % uint64(interval))
	wait := phase - into
	for wait <= interval/20 {
		// Not before the jitter of the last one has passed.
		wait += interval
	}
	return now.Add(wait)
}
