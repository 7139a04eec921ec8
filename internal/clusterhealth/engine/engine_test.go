package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// notes is a Sink that remembers.
type notes struct {
	mu          sync.Mutex
	transitions map[Key]int
	routine     map[Key]int
	specs       map[string]int
	announced   []Transition
}

func newNotes() *notes {
	return &notes{transitions: map[Key]int{}, routine: map[Key]int{}, specs: map[string]int{}}
}

func (n *notes) CheckRan(key Key, transition bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if transition {
		n.transitions[key]++
	} else {
		n.routine[key]++
	}
}

func (n *notes) SpecChanged(spec string, _ bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.specs[spec]++
}

func (n *notes) Announce(t Transition) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.announced = append(n.announced, t)
}

// said is what was announced so far.
func (n *notes) said() []Transition {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.announced)
}

// spoke is how often anything about a check was heard.
func (n *notes) spoke() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.transitions) + len(n.routine) + len(n.announced)
}

// scripted is a check whose behaviour a test sets.
type scripted struct {
	run func(ctx context.Context) check.Outcome
}

func (s scripted) Run(ctx context.Context) check.Outcome { return s.run(ctx) }

func definition(name string, run func(ctx context.Context) check.Outcome) Check {
	return Check{
		Name: name, Type: "test", Target: name, Interval: 30 * time.Second, Timeout: 10 * time.Second,
		Policy: verdict.Policy{FailureThreshold: 1, FailureWindow: 1, RecoveryThreshold: 1}, Definition: name + "-1",
		Compile: func() (check.Check, error) { return scripted{run}, nil },
	}
}

func succeed(context.Context) check.Outcome { return check.Outcome{Result: health.Success} }

// start runs an engine in a bubble of fake time until the test ends.
func start(t *testing.T, sink Sink, opts Options) (e *Engine, stop func()) {
	t.Helper()
	e = New(sink, opts)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(stop)
	return e, stop
}

func apply(t *testing.T, e *Engine, spec Spec) {
	t.Helper()
	if spec.Generation == 0 {
		spec.Generation = 1
	}
	if err := e.Apply(spec); err != nil {
		t.Fatal(err)
	}
}

func overall(t *testing.T, e *Engine, spec string) health.Result {
	t.Helper()
	s, ok := e.Spec(spec)
	if !ok {
		t.Fatalf("the engine does not run %s", spec)
	}
	return s.Summary.Overall
}

func TestRunsKeepTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Time
		e, stop := start(t, newNotes(), Options{})
		apply(t, e, Spec{Name: "s", Checks: []Check{definition("c", func(context.Context) check.Outcome {
			starts = append(starts, time.Now())
			return check.Outcome{Result: health.Success}
		})}})
		time.Sleep(10 * time.Minute)
		stop()
		if n := len(starts); n < 19 || n > 21 {
			t.Fatalf("%d runs in ten minutes at an interval of 30 s", n)
		}
		for i := 2; i < len(starts); i++ {
			// A tenth of the interval is what jitter may add on both sides.
			if gap := starts[i].Sub(starts[i-1]); gap < 28*time.Second || gap > 32*time.Second {
				t.Errorf("gap %s before run %d", gap, i)
			}
		}
	})
}

func TestOverallWaitsForEveryCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		e, stop := start(t, newNotes(), Options{})
		apply(t, e, Spec{Name: "s", Checks: []Check{
			definition("fast", succeed),
			definition("slow", func(ctx context.Context) check.Outcome {
				select {
				case <-release:
					return check.Outcome{Result: health.Success}
				case <-ctx.Done():
					return check.Outcome{Result: health.Failure, Message: "slow"}
				}
			}),
		}})
		time.Sleep(5 * time.Second)
		if got := overall(t, e, "s"); got != health.Pending {
			t.Errorf("overall %s before every check completed", got)
		}
		close(release)
		time.Sleep(time.Second)
		if got := overall(t, e, "s"); got != health.Success {
			t.Errorf("overall %s", got)
		}
		// A new generation has to be earned again, and an unchanged check keeps
		// its history.
		apply(t, e, Spec{Name: "s", Generation: 2, Checks: []Check{definition("fast", succeed)}})
		if got := overall(t, e, "s"); got != health.Pending {
			t.Errorf("overall %s right after a change", got)
		}
		time.Sleep(5 * time.Second)
		if got := overall(t, e, "s"); got != health.Success {
			t.Errorf("overall %s some time after a change", got)
		}
		if s, _ := e.Check(Key{"s", "fast"}); len(s.Runs) != 2 {
			t.Errorf("%d runs of an unchanged check, want 2", len(s.Runs))
		}
		if _, ok := e.Check(Key{"s", "slow"}); ok {
			t.Error("a removed check is still known")
		}
		stop()
	})
}

// At no time do more runs meet a target than may, nor does a check meet itself.
func TestLimitPerTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most, runs atomic.Int64
		var twice atomic.Bool
		var checks []Check
		for i := range 40 {
			var going atomic.Bool
			def := definition(fmt.Sprint("c", i), func(context.Context) check.Outcome {
				if going.Swap(true) {
					twice.Store(true)
				}
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(100 * time.Millisecond)
				now.Add(-1)
				going.Store(false)
				runs.Add(1)
				return check.Outcome{Result: health.Success}
			})
			def.Target, def.Interval = "one", 5*time.Second
			checks = append(checks, def)
		}
		e, stop := start(t, newNotes(), Options{PerTarget: 3})
		apply(t, e, Spec{Name: "s", Checks: checks})
		time.Sleep(time.Minute)
		stop()
		if most.Load() != 3 {
			t.Errorf("%d runs met one target at once, want 3", most.Load())
		}
		if twice.Load() {
			t.Error("a check met itself")
		}
		// 40 checks each 5 s take 4 s of 3 slots' 15.
		if n := runs.Load(); n < 40*11 {
			t.Errorf("%d runs in a minute, want %d", n, 40*12)
		}
	})
}

// A check that ignores its deadline becomes an Error, holds nobody up, and is
// not started again until it ends.
func TestHangingCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, others atomic.Int64
		release := make(chan struct{})
		hang := definition("hang", func(context.Context) check.Outcome {
			if begun.Add(1) == 1 {
				<-release
			}
			return check.Outcome{Result: health.Success}
		})
		other := definition("other", func(context.Context) check.Outcome {
			others.Add(1)
			return check.Outcome{Result: health.Success}
		})
		hang.Target, other.Target = "same", "same"
		e, stop := start(t, newNotes(), Options{PerTarget: 1, Concurrency: 1})
		apply(t, e, Spec{Name: "s", Checks: []Check{hang, other}})
		time.Sleep(5 * time.Minute)
		if got := overall(t, e, "s"); got != health.Error {
			t.Errorf("overall %s while a check hangs", got)
		}
		if begun.Load() != 1 {
			t.Errorf("the hanging check was started %d times", begun.Load())
		}
		if others.Load() < 8 {
			t.Errorf("the other check ran %d times in five minutes", others.Load())
		}
		if p := e.Progress(); p.Hung != 1 || p.Running != 0 {
			t.Errorf("progress %+v", p)
		}
		close(release)
		time.Sleep(2 * time.Minute)
		if got := overall(t, e, "s"); got != health.Success || e.Progress().Hung != 0 {
			t.Errorf("overall %s after it ended, %+v", got, e.Progress())
		}
		stop()
	})
}

// What is due and has not begun shows: waiting for a slot, or for its target.
func TestOverdueShows(t *testing.T) {
	for name, opts := range map[string]Options{"slots": {Concurrency: 1}, "target": {PerTarget: 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				slow := func(ctx context.Context) check.Outcome {
					<-ctx.Done()
					return check.Outcome{Result: health.Failure}
				}
				first, second := definition("first", slow), definition("second", slow)
				first.Target, second.Target = "same", "same"
				first.Interval, first.Timeout = time.Hour, time.Minute
				second.Interval, second.Timeout = time.Hour, time.Minute
				e, stop := start(t, newNotes(), opts)
				apply(t, e, Spec{Name: "s", Checks: []Check{first, second}})
				time.Sleep(40 * time.Second)
				if p := e.Progress(); p.Overdue < 35*time.Second || p.Running != 1 || p.SinceTick > 2*time.Second {
					t.Errorf("progress %+v", p)
				}
				time.Sleep(3 * time.Minute)
				if p := e.Progress(); p.Overdue > 0 {
					t.Errorf("progress after both ran: %+v", p)
				}
				stop()
			})
		})
	}
}

func TestPanicIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, stop := start(t, newNotes(), Options{})
		apply(t, e, Spec{Name: "s", Checks: []Check{
			definition("bad", func(context.Context) check.Outcome { panic("boom") }), definition("good", succeed),
		}})
		time.Sleep(5 * time.Second)
		if got := overall(t, e, "s"); got != health.Error {
			t.Errorf("overall %s", got)
		}
		stop()
	})
}

// Runs that go on when their spec is removed end, and say nothing any more.
func TestRemoveEndsRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newNotes()
		ended := make(chan struct{})
		e, stop := start(t, sink, Options{})
		apply(t, e, Spec{Name: "s", Checks: []Check{definition("c", func(ctx context.Context) check.Outcome {
			<-ctx.Done()
			close(ended)
			return check.Outcome{Result: health.Failure}
		})}})
		time.Sleep(3 * time.Second)
		e.Remove("s")
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("the run goes on")
		}
		time.Sleep(time.Minute)
		if n := sink.spoke(); n != 0 {
			t.Errorf("a removed check spoke %d times", n)
		}
		if p := e.Progress(); p.Checks != 0 || p.Running != 0 {
			t.Errorf("progress %+v", p)
		}
		stop()
	})
}

// jumpy is a wall clock that can be set.
type jumpy struct {
	mu     sync.Mutex
	offset time.Duration
}

func (j *jumpy) now() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Now().Add(j.offset)
}

func (j *jumpy) jump(d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.offset += d
}

// A wall clock that jumps neither stops runs nor makes them storm, and a result
// never promises to hold for longer than it does.
func TestClockJumps(t *testing.T) {
	for _, by := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				clock := &jumpy{}
				var runs atomic.Int64
				e, stop := start(t, newNotes(), Options{Now: clock.now})
				apply(t, e, Spec{Name: "s", Checks: []Check{definition("c", func(context.Context) check.Outcome {
					runs.Add(1)
					return check.Outcome{Result: health.Success}
				})}})
				time.Sleep(5 * time.Minute)
				before := runs.Load()
				clock.jump(by)
				time.Sleep(5 * time.Minute)
				if n := runs.Load() - before; n < 9 || n > 11 {
					t.Errorf("%d runs in the five minutes after a jump", n)
				}
				if got := overall(t, e, "s"); got != health.Success {
					t.Errorf("overall %s after a jump", got)
				}
				s, _ := e.Spec("s")
				if left := s.ValidUntil.Sub(clock.now()); left <= 0 || left > Validity(30*time.Second, 10*time.Second) {
					t.Errorf("valid for another %s", left)
				}
				stop()
			})
		})
	}
}

func TestResultsRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newNotes()
		e, stop := start(t, sink, Options{})
		apply(t, e, Spec{Name: "s", Checks: []Check{definition("c", succeed)}})
		time.Sleep(time.Minute)
		spec := Spec{Name: "s", Generation: 2, Suspend: true, Checks: []Check{definition("c", succeed)}}
		apply(t, e, spec)
		time.Sleep(Validity(30*time.Second, 10*time.Second) + 2*time.Second)
		if got := overall(t, e, "s"); got != health.Unknown {
			t.Errorf("overall %s after every result ran out", got)
		}
		spec.Generation, spec.Suspend = 3, false
		apply(t, e, spec)
		time.Sleep(5 * time.Second)
		if got := overall(t, e, "s"); got != health.Success {
			t.Errorf("overall %s after it was resumed", got)
		}
		stop()
	})
}

// A check that waits for its target when its spec is suspended does not run any
// more, so that the suspended spec is not found healthy.
func TestSuspendedWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		busy := definition("busy", func(context.Context) check.Outcome {
			time.Sleep(20 * time.Second)
			return check.Outcome{Result: health.Success}
		})
		waits := definition("waits", func(context.Context) check.Outcome {
			runs.Add(1)
			return check.Outcome{Result: health.Success}
		})
		busy.Target, busy.Interval, busy.Timeout = "same", time.Hour, time.Minute
		waits.Target = "same"
		e, stop := start(t, newNotes(), Options{PerTarget: 1})
		apply(t, e, Spec{Name: "other", Checks: []Check{busy}})
		time.Sleep(3 * time.Second)
		apply(t, e, Spec{Name: "s", Checks: []Check{waits}})
		time.Sleep(3 * time.Second)
		apply(t, e, Spec{Name: "s", Generation: 2, Suspend: true, Checks: []Check{waits}})
		time.Sleep(time.Minute)
		if got := overall(t, e, "s"); got != health.Pending || runs.Load() != 0 {
			t.Errorf("overall %s of a suspended spec, after %d runs", got, runs.Load())
		}
		apply(t, e, Spec{Name: "s", Generation: 3, Checks: []Check{waits}})
		time.Sleep(5 * time.Second)
		if got := overall(t, e, "s"); got != health.Success || e.Progress().Overdue > 0 {
			t.Errorf("overall %s after it was resumed, %+v", got, e.Progress())
		}
		stop()
	})
}

// What a former process left holds for as long as it said and no longer: no
// word is given on what has run out since.
func TestRestoredResults(t *testing.T) {
	for _, tt := range []struct {
		name string
		left time.Duration
		want health.Result
	}{
		{"holds", 20 * time.Second, health.Success},
		{"has run out", -time.Second, health.Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				def := definition("c", func(ctx context.Context) check.Outcome {
					<-ctx.Done()
					return check.Outcome{Result: health.Pending}
				})
				def.Interval, def.Timeout = time.Minute, time.Minute
				runs := []verdict.Run{{At: begin.Add(-time.Minute), Result: health.Success}}
				def.Restored = &Restored{
					State:      verdict.Restore(def.Policy, health.Success, "", begin.Add(-time.Hour), false, runs),
					Generation: 1, LastRun: runs[0].At, ValidUntil: begin.Add(tt.left),
				}
				e, stop := start(t, newNotes(), Options{})
				apply(t, e, Spec{Name: "s", Overall: health.Success, Checks: []Check{def}})
				s, _ := e.Spec("s")
				if s.Summary.Overall != tt.want {
					t.Errorf("overall %s, want %s", s.Summary.Overall, tt.want)
				}
				if tt.want == health.Success && s.ValidUntil.After(begin.Add(tt.left)) {
					t.Errorf("valid for %s, the former process said %s", s.ValidUntil.Sub(begin), tt.left)
				}
				time.Sleep(22 * time.Second)
				if got := overall(t, e, "s"); got != health.Unknown {
					t.Errorf("overall %s of what has run out", got)
				}
				stop()
			})
		})
	}
}

// What is written about a check that another took the place of is written anew,
// and so is what somebody may have changed or removed.
func TestStaleStatusesAreWrittenAnew(t *testing.T) {
	spec := Spec{Name: "s", UID: "1", Generation: 1, Checks: []Check{definition("c", succeed)}}
	key := Key{"s", "c"}
	sink := newNotes()
	e := New(sink, Options{})
	apply(t, e, spec)
	if n := sink.spoke(); n != 0 {
		t.Errorf("of a check that nothing is written about, %d things are to be written", n)
	}
	apply(t, e, spec)
	if sink.routine[key] != 1 || sink.transitions[key] != 0 {
		t.Errorf("applied again: %d writes in turn and %d at once, want 1 and 0", sink.routine[key], sink.transitions[key])
	}
	spec.UID = "2"
	apply(t, e, spec)
	if sink.transitions[key] != 1 {
		t.Errorf("made anew under its name: %d writes at once, want 1", sink.transitions[key])
	}
	spec.Name, spec.Checks[0].Obsolete = "restarted", true
	apply(t, e, spec)
	if sink.transitions[Key{"restarted", "c"}] != 1 {
		t.Error("what a former process wrote of another definition is not written at once")
	}
}

// A shorter interval does not end what was promised with the longer one.
func TestIntervalShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newNotes()
		def := definition("c", func(context.Context) check.Outcome {
			time.Sleep(5 * time.Second)
			return check.Outcome{Result: health.Success}
		})
		def.Interval = time.Hour
		e, stop := start(t, sink, Options{})
		apply(t, e, Spec{Name: "s", Checks: []Check{def}})
		time.Sleep(30 * time.Minute)
		def.Interval = 10 * time.Second
		apply(t, e, Spec{Name: "s", Generation: 2, Checks: []Check{def}})
		time.Sleep(2 * time.Minute)
		if got := overall(t, e, "s"); got != health.Success {
			t.Errorf("overall %s", got)
		}
		if said := sink.said(); len(said) != 0 {
			t.Errorf("announced although all was well: %v", said)
		}
		s, _ := e.Check(Key{"s", "c"})
		if left := time.Until(s.ValidUntil); left > Validity(10*time.Second, 10*time.Second) {
			t.Errorf("valid for %s at the shorter interval", left)
		}
		stop()
	})
}

// A scheduler that no longer turns finds nothing that ran out; that nobody
// renews the overall status shows all the same.
func TestRunningOutShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, stop := start(t, newNotes(), Options{})
		apply(t, e, Spec{Name: "s", Checks: []Check{definition("c", succeed)}})
		time.Sleep(time.Minute)
		stop()
		left := func() (left time.Duration) {
			e.Each(func(CheckStatus) {}, func(s SpecStatus) { left = time.Until(s.ValidUntil) })
			return left
		}
		if left := left(); left <= 0 {
			t.Errorf("%s left while checks run", left)
		}
		time.Sleep(10 * time.Minute)
		if left := left(); left > -8*time.Minute {
			t.Errorf("%s left after ten minutes without a run", left)
		}
	})
}

func TestAnnouncements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newNotes()
		var result atomic.Value
		result.Store(health.Success)
		say := func(context.Context) check.Outcome {
			return check.Outcome{Result: result.Load().(health.Result), Message: "m"}
		}
		root, leaf := definition("root", say), definition("leaf", say)
		leaf.DependsOn = []string{"root"}
		e, stop := start(t, sink, Options{})
		apply(t, e, Spec{Name: "s", Checks: []Check{root, leaf}})
		time.Sleep(3 * time.Minute)
		if early := sink.said(); len(early) != 0 {
			t.Errorf("announced although all was well: %v", early)
		}
		result.Store(health.Failure)
		time.Sleep(3 * time.Minute)
		var said []string
		for _, a := range sink.said() {
			said = append(said, a.Key.Check+" "+string(a.To))
		}
		slices.Sort(said)
		// The leaf may fail before its root does and speak for itself; once the
		// root has failed nothing more is said, however often both fail.
		if !slices.Contains(said, "root Failure") || !slices.Contains(said, " Failure") || len(said) > 3 {
			t.Errorf("announced %v", said)
		}
		if s, _ := e.Check(Key{"s", "leaf"}); s.SuppressedBy != "root" {
			t.Errorf("leaf is suppressed by %q", s.SuppressedBy)
		}
		stop()
	})
}

// Neither the failure of a check in an open maintenance window nor the changes
// of one that flaps is news; both are measured, and shown.
func TestWindowsAndFlappingAreNoNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newNotes()
		var flips atomic.Int64
		fail := func(context.Context) check.Outcome { return check.Outcome{Result: health.Failure, Message: "m"} }
		flap := func(context.Context) check.Outcome {
			if flips.Add(1)%2 == 0 {
				return check.Outcome{Result: health.Failure, Message: "m"}
			}
			return check.Outcome{Result: health.Success}
		}
		opens := metav1.NewTime(time.Now())
		closes := metav1.NewTime(opens.Add(10 * time.Minute))
		window, err := verdict.CompileWindow(&health.MaintenanceWindow{Name: "upgrade", Start: &opens, End: &closes, Checks: []string{"maintained"}})
		if err != nil {
			t.Fatal(err)
		}
		e, stop := start(t, sink, Options{})
		apply(t, e, Spec{Name: "upgraded", Windows: []verdict.Window{window}, Checks: []Check{definition("maintained", fail), definition("good", succeed)}})
		apply(t, e, Spec{Name: "flapping", Checks: []Check{definition("flap", flap)}})
		time.Sleep(9 * time.Minute)
		if got := overall(t, e, "upgraded"); got != health.Pending {
			t.Errorf("overall %s with a failure in maintenance", got)
		}
		s, _ := e.Check(Key{"upgraded", "maintained"})
		if s.Result != health.Failure || s.Maintenance != "upgrade" || len(s.Runs) != verdict.RunsKept {
			t.Errorf("status in maintenance: %+v", s)
		}
		flapping, _ := e.Check(Key{"flapping", "flap"})
		if !flapping.Flapping || flapping.Result != health.Failure {
			t.Errorf("status of a check that flaps: %+v", flapping)
		}
		count := func(key Key) (n int) {
			for _, a := range sink.said() {
				if a.Key == key {
					n++
				}
			}
			return n
		}
		if n := count(Key{"upgraded", "maintained"}) + count(Key{Spec: "upgraded"}); n != 0 {
			t.Errorf("%d announcements of a check in maintenance", n)
		}
		// It changed with each of its runs until it was found to flap.
		before := count(Key{"flapping", "flap"})
		if before < 4 || before > 7 {
			t.Errorf("%d announcements of a check that flaps, in %d runs", before, flips.Load())
		}
		time.Sleep(5 * time.Minute)
		if n := count(Key{"flapping", "flap"}); n != before {
			t.Errorf("%d more announcements while it flaps", n-before)
		}
		// The window closed in between, without a run's help, and then it is news.
		if got := overall(t, e, "upgraded"); got != health.Failure {
			t.Errorf("overall %s after the window closed", got)
		}
		if n := count(Key{Spec: "upgraded"}); n != 1 {
			t.Errorf("the overall failure was announced %d times", n)
		}
		stop()
	})
}

// The largest spec, with the most windows there may be, each of which takes long
// to be asked, does not hold up the engine: every check of it runs.
func TestManyWindows(t *testing.T) {
	spec := Spec{Name: "s"}
	for i := range 20 {
		window, err := verdict.CompileWindow(&health.MaintenanceWindow{
			Name: fmt.Sprint("w", i), Schedule: "0 0 30 2 *", Duration: &metav1.Duration{Duration: time.Hour},
		})
		if err != nil {
			t.Fatal(err)
		}
		spec.Windows = append(spec.Windows, window)
	}
	for i := range 500 {
		spec.Checks = append(spec.Checks, definition(fmt.Sprint("c", i), func(context.Context) check.Outcome {
			return check.Outcome{Result: health.Failure}
		}))
	}
	e, stop := start(t, newNotes(), Options{})
	defer stop()
	apply(t, e, spec)
	deadline := time.Now().Add(time.Minute)
	ran := int64(0)
	for ran < 500 && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
		ran = e.Progress().Finished
	}
	// An engine that is held up answers late as well.
	if ran < 500 || time.Now().After(deadline) {
		t.Errorf("%d of 500 checks ran in a minute", ran)
	}
}

type streaming struct{ open *atomic.Int64 }

func (streaming) Run(context.Context) check.Outcome { return check.Outcome{Result: health.Success} }
func (s streaming) Stream(ctx context.Context) {
	s.open.Add(1)
	<-ctx.Done()
	s.open.Add(-1)
}

// Streams end with the check, with its definition, and with the engine.
func TestStreamsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int64
		def := func(definition string) Check {
			return Check{
				Name: "c", Type: "test", Target: "t", Interval: time.Minute, Timeout: time.Second,
				Policy: verdict.Policy{FailureThreshold: 1, FailureWindow: 1, RecoveryThreshold: 1}, Definition: definition,
				Compile: func() (check.Check, error) { return streaming{&open}, nil },
			}
		}
		e, stop := start(t, newNotes(), Options{})
		synctest.Wait()
		expect := func(when string, want int64) {
			t.Helper()
			synctest.Wait()
			if got := open.Load(); got != want {
				t.Errorf("%s: %d streams, want %d", when, got, want)
			}
		}
		apply(t, e, Spec{Name: "s", Generation: 1, Checks: []Check{def("a")}})
		expect("applied", 1)
		apply(t, e, Spec{Name: "s", Generation: 2, Checks: []Check{def("a")}})
		expect("unchanged", 1)
		apply(t, e, Spec{Name: "s", Generation: 3, Checks: []Check{def("b")}})
		expect("changed", 1)
		e.Remove("s")
		expect("removed", 0)
		apply(t, e, Spec{Name: "s", Generation: 1, Checks: []Check{def("a")}})
		expect("applied again", 1)
		stop()
		expect("stopped", 0)
	})
}

// Adding and removing checks leaves nothing behind.
func TestNoGrowth(t *testing.T) {
	cycles := 10_000
	if testing.Short() {
		cycles = 500
	}
	e, stop := start(t, newNotes(), Options{FirstRunSpread: time.Millisecond})
	defer stop()
	var open atomic.Int64
	cycle := func(i int) {
		name := fmt.Sprint("s", i%100)
		def := definition("c", succeed)
		def.Compile = func() (check.Check, error) { return streaming{&open}, nil }
		apply(t, e, Spec{Name: name, UID: fmt.Sprint(i), Checks: []Check{def, definition("d", succeed)}})
		if i%3 == 0 {
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
		}
		e.Remove(name)
	}
	settle := func() (goroutines int, heap uint64) {
		deadline := time.Now().Add(time.Minute)
		for open.Load() > 0 && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapAlloc
	}
	for i := range 200 {
		cycle(i)
	}
	goroutines, heap := settle()
	for i := range cycles {
		cycle(i)
	}
	after, heapAfter := settle()
	if after > goroutines+5 {
		t.Errorf("%d goroutines after %d cycles, %d before", after, cycles, goroutines)
	}
	if heapAfter > heap+4<<20 {
		t.Errorf("%d bytes of heap after %d cycles, %d before", heapAfter, cycles, heap)
	}
	t.Logf("%d cycles: goroutines %d to %d, heap %d to %d bytes", cycles, goroutines, after, heap, heapAfter)
}
