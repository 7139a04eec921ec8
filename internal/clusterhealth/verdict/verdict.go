// Package verdict turns the runs of a check into its result, and the results
// of all checks into the overall status. It is pure: time and outcomes come in
// as arguments.
package verdict

import (
	"fmt"
	"math/bits"
	"time"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

// RunsKept is how many runs a check keeps.
const RunsKept = 5

// Flap detection over the last flapRuns runs that said success or not: a check
// flaps from flapStart changes between the two, and calms down at flapStop.
// The gap between both keeps the flag itself from flapping.
const (
	flapRuns  = 20
	flapStart = 6
	flapStop  = 2
)

// Policy says how runs become a result. Every field is at least 1 and at most
// 60, and FailureThreshold is at most FailureWindow.
type Policy struct {
	FailureThreshold  int
	FailureWindow     int
	RecoveryThreshold int
}

// PolicyOf reads the policy of a check, with defaults filled in.
func PolicyOf(c *health.Check) Policy {
	p := Policy{FailureThreshold: 1, RecoveryThreshold: 1}
	if c.FailureThreshold != nil {
		p.FailureThreshold = int(*c.FailureThreshold)
	}
	p.FailureWindow = p.FailureThreshold
	if c.FailureWindow != nil {
		p.FailureWindow = int(*c.FailureWindow)
	}
	if c.RecoveryThreshold != nil {
		p.RecoveryThreshold = int(*c.RecoveryThreshold)
	}
	return p
}

// Run is one run of a check.
type Run struct {
	At       time.Time
	Duration time.Duration
	Result   health.Result
	Message  string
}

// State is what the runs of one check have come to. The zero value has seen no
// run; Result reads it as Pending.
type State struct {
	result  health.Result
	message string
	since   time.Time

	// One bit a run, newest lowest: did it fail, could it not run.
	failures uint64
	errors   uint64

	successes int
	// failed stays set from the run that crossed the failure threshold until
	// enough runs in a row succeeded, through Error and Unknown as well, so that
	// an outage of the operator's own does not count as a recovery.
	failed bool

	outcomes uint32 // one bit a run that said success or not, newest lowest
	observed int    // how many of those bits are real
	flapping bool

	runs [RunsKept]Run // newest first
	kept int
}

// Result of the check; Pending before the first run.
func (s *State) Result() health.Result {
	if s.result == "" {
		return health.Pending
	}
	return s.result
}

// Message says why the result is what it is.
func (s *State) Message() string { return s.message }

// Since is when the result last changed; zero before the first change.
func (s *State) Since() time.Time { return s.since }

// Flapping says that the result changes too often to announce each change.
func (s *State) Flapping() bool { return s.flapping }

// Runs are the last five, newest first. The slice is the state's own.
func (s *State) Runs() []Run { return s.runs[:s.kept] }

// Restore rebuilds the state that a former process left behind. Of the runs
// that counted towards a threshold, only those kept are known.
func Restore(p Policy, result health.Result, message string, since time.Time, flapping bool, runs []Run) *State {
	s := &State{}
	for i := min(len(runs), RunsKept) - 1; i >= 0; i-- {
		s.Observe(p, runs[i])
	}
	s.result, s.message, s.since = result, message, since
	s.failed = result == health.Failure || (s.failed && result != health.Success)
	s.flapping = flapping
	return s
}

// Observe takes in a run and reports whether the result changed.
func (s *State) Observe(p Policy, run Run) bool {
	copy(s.runs[1:], s.runs[:RunsKept-1])
	s.runs[0] = run
	s.kept = min(s.kept+1, RunsKept)

	s.observeFlap(run.Result)
	if run.Result == health.Pending {
		// The target is given time. What failed before stays failed: a pod that
		// is replaced again and again must not hide behind its grace period.
		if s.failed {
			return s.set(s.Result(), run.Message, run.At)
		}
		s.successes = 0
		return s.set(health.Pending, run.Message, run.At)
	}

	s.failures = s.failures<<1 | bit(run.Result == health.Failure)
	s.errors = s.errors<<1 | bit(run.Result != health.Failure && run.Result != health.Success)

	if run.Result == health.Success {
		return s.succeed(p, run)
	}
	s.successes = 0

	window := uint64(1)<<p.FailureWindow - 1
	failures := bits.OnesCount64(s.failures & window)
	unusable := failures + bits.OnesCount64(s.errors&window)
	switch {
	case failures >= p.FailureThreshold:
		s.failed = true
		return s.set(health.Failure, run.Message, run.At)
	case unusable >= p.FailureThreshold:
		return s.set(health.Error, run.Message, run.At)
	default:
		// Not enough to change the result. One that is not Success must not
		// look it either, so it keeps what it was.
		return s.set(s.Result(), fmt.Sprintf("%s (%d of %d before this counts)", run.Message, unusable, p.FailureThreshold), run.At)
	}
}

func (s *State) succeed(p Policy, run Run) bool {
	s.successes++
	recovering := s.failed || s.result == health.Error
	if !recovering {
		return s.set(health.Success, run.Message, run.At)
	}
	switch {
	case s.successes < p.RecoveryThreshold:
		return s.set(s.result, fmt.Sprintf("recovering: %d of %d successes in a row", s.successes, p.RecoveryThreshold), run.At)
	case s.failed && s.flapping:
		return s.set(s.result, "flapping: succeeds now, and stays failed until it calms down", run.At)
	}
	// The failures that led here are paid for; left in the window they would
	// fail the check again at the next single one.
	s.failed, s.failures, s.errors = false, 0, 0
	return s.set(health.Success, run.Message, run.At)
}

// Expire turns the result Unknown because no run renewed it in time.
func (s *State) Expire(at time.Time, message string) bool {
	s.successes = 0
	return s.set(health.Unknown, message, at)
}

func (s *State) set(result health.Result, message string, at time.Time) bool {
	before := s.Result()
	s.result, s.message = result, message
	if before == result && !s.since.IsZero() {
		return false
	}
	s.since = at
	return before != result
}

func (s *State) observeFlap(result health.Result) {
	if result == health.Pending {
		return
	}
	s.outcomes = s.outcomes<<1 | uint32(bit(result == health.Success))
	s.observed = min(s.observed+1, flapRuns)
	// A change is a bit that differs from its elder; the eldest has none.
	mask := uint32(1)<<(s.observed-1) - 1
	changes := bits.OnesCount32((s.outcomes ^ s.outcomes>>1) & mask)
	switch {
	case changes >= flapStart:
		s.flapping = true
	case changes <= flapStop:
		s.flapping = false
	}
}

func bit(set bool) uint64 {
	if set {
		return 1
	}
	return 0
}

// Truncate cuts text to at most limit bytes without splitting a character, and
// marks the cut.
func Truncate(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const mark = "…"
	cut := limit - len(mark)
	for cut > 0 && text[cut]&0xC0 == 0x80 {
		cut--
	}
	return text[:cut] + mark
}
