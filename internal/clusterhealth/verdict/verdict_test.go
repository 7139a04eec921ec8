package verdict

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var letters = map[rune]health.Result{'S': health.Success, 'F': health.Failure, 'E': health.Error, 'P': health.Pending}

// results feeds runs and returns the result after each, by first letter.
func results(p Policy, runs string) string {
	var s State
	var out strings.Builder
	for i, c := range runs {
		s.Observe(p, Run{At: t0.Add(time.Duration(i) * time.Minute), Result: letters[c], Message: "m"})
		out.WriteByte(string(s.Result())[0])
	}
	return out.String()
}

func TestObserve(t *testing.T) {
	once := Policy{1, 1, 1}
	for _, tt := range []struct {
		name   string
		policy Policy
		runs   string
		want   string
	}{
		{"each run counts", once, "SFSES", "SFSES"},
		{"three in a row", Policy{3, 3, 1}, "SFFSFFFS", "SSSSSSFS"},
		{"two of five", Policy{2, 5, 1}, "SFSSFSS", "SSSSFSS"},
		{"a failure falls out of the window", Policy{2, 3, 1}, "SFSSF", "SSSSS"},
		{"recovery takes two in a row", Policy{1, 1, 2}, "FSFSS", "FFFFS"},
		{"what led to a failure is paid for by a recovery", Policy{2, 5, 1}, "FFSF", "PFSS"},
		{"not yet failed is not success", Policy{3, 3, 1}, "FF", "PP"},
		{"errors say nothing of the target", once, "FE", "FE"},
		{"an error is no recovery", Policy{1, 1, 2}, "FESS", "FEES"},
		{"failures and errors together are too many", Policy{2, 2, 1}, "SFE", "SSE"},
		{"waiting is not success", once, "SP", "SP"},
		{"waiting hides no failure", once, "FPP", "FFF"},
		{"a first success needs no threshold", Policy{3, 3, 5}, "S", "S"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := results(tt.policy, tt.runs); got != tt.want {
				t.Errorf("runs %s give %s, want %s", tt.runs, got, tt.want)
			}
		})
	}
}

func TestFlapping(t *testing.T) {
	p := Policy{1, 1, 1}
	var s State
	at := t0
	feed := func(runs string) {
		for _, c := range runs {
			at = at.Add(time.Minute)
			s.Observe(p, Run{At: at, Result: letters[c]})
		}
	}
	feed("SFSFS")
	if s.Flapping() {
		t.Fatal("flaps after four changes")
	}
	feed("FS")
	if !s.Flapping() {
		t.Fatal("does not flap after six changes in seven runs")
	}
	if s.Result() != health.Failure {
		t.Errorf("a check that flaps is %s after a single success", s.Result())
	}
	feed(strings.Repeat("S", flapRuns))
	if s.Flapping() || s.Result() != health.Success {
		t.Errorf("after it calmed down: flapping %v, %s", s.Flapping(), s.Result())
	}
}

// A check is Success only if its latest run that said anything about the
// target, unless tolerated by a threshold, was one.
func TestObserveLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.IntRange(1, 5).Draw(t, "m")
		p := Policy{FailureThreshold: m, FailureWindow: rapid.IntRange(m, 8).Draw(t, "n"), RecoveryThreshold: rapid.IntRange(1, 4).Draw(t, "recovery")}
		var s State
		var history []health.Result
		for i := range rapid.IntRange(1, 60).Draw(t, "runs") {
			result := rapid.SampledFrom([]health.Result{health.Success, health.Failure, health.Error, health.Pending}).Draw(t, "result")
			before := s.Result()
			changed := s.Observe(p, Run{At: t0.Add(time.Duration(i) * time.Second), Result: result, Message: "m"})
			history = append(history, result)
			if changed != (before != s.Result()) {
				t.Fatalf("changed is %v from %s to %s", changed, before, s.Result())
			}
			if len(s.Runs()) != min(i+1, RunsKept) || s.Runs()[0].Result != result {
				t.Fatalf("runs %v after %v", s.Runs(), history)
			}
			successes := 0
			for _, r := range history {
				if r == health.Success {
					successes++
				}
			}
			if s.Result() == health.Success && successes == 0 {
				t.Fatalf("Success without one: %v", history)
			}
			tail := history[max(0, len(history)-p.FailureWindow):]
			failures := 0
			for _, r := range tail {
				if r == health.Failure {
					failures++
				}
			}
			if s.Result() == health.Success && result == health.Failure && failures >= p.FailureThreshold && !contains(tail, health.Success) {
				t.Fatalf("Success although the last %d runs failed: %v", len(tail), history)
			}
			if p.FailureThreshold == 1 && result == health.Failure && s.Result() != health.Failure {
				t.Fatalf("%s after a failure with threshold 1", s.Result())
			}
		}
		// A restored state behaves as the one it was restored from, as far as
		// the kept runs tell.
		restored := Restore(p, s.Result(), s.Message(), s.Since(), s.Flapping(), s.Runs())
		if restored.Result() != s.Result() || !restored.Since().Equal(s.Since()) || len(restored.Runs()) != len(s.Runs()) {
			t.Fatalf("restored %s, was %s", restored.Result(), s.Result())
		}
		if restored.Result() == health.Failure {
			restored.Observe(Policy{1, 1, 60}, Run{At: t0, Result: health.Success})
			if restored.Result() != health.Failure {
				t.Fatalf("a restart forgot a failure")
			}
		}
	})
}

func contains(results []health.Result, want health.Result) bool {
	for _, r := range results {
		if r == want {
			return true
		}
	}
	return false
}

func TestExpire(t *testing.T) {
	var s State
	s.Observe(Policy{1, 1, 2}, Run{At: t0, Result: health.Failure})
	if !s.Expire(t0.Add(time.Hour), "gone") || s.Result() != health.Unknown {
		t.Fatalf("expired: %s", s.Result())
	}
	s.Observe(Policy{1, 1, 2}, Run{At: t0, Result: health.Success})
	if s.Result() == health.Success {
		t.Error("running out counts as a recovery")
	}
}

func member(name string, result health.Result, deps ...string) Member {
	return Member{Name: name, Result: result, Message: name + " broke", Fresh: true, DependsOn: deps}
}

func TestOverall(t *testing.T) {
	stale := member("stale", health.Success)
	stale.Fresh = false
	maintained := member("maintained", health.Failure)
	maintained.Maintenance = "upgrade"
	upgraded := member("mid", health.Failure, "db")
	upgraded.Maintenance = "upgrade"
	good := member("good", health.Success)
	for _, tt := range []struct {
		name     string
		members  []Member
		want     health.Result
		culprits string
		message  string
	}{
		{"none", nil, health.Pending, "", "no checks"},
		{"all good", []Member{good}, health.Success, "", "all 1 checks succeed"},
		{"failure wins", []Member{good, member("e", health.Error), member("f", health.Failure), member("p", health.Pending)}, health.Failure, "f", "failed: f"},
		{"error before unknown", []Member{member("u", health.Unknown), member("e", health.Error)}, health.Error, "e", "could not run: e"},
		{"unknown before pending", []Member{member("u", health.Unknown), member("p", health.Pending)}, health.Unknown, "u", "went stale: u"},
		{"of another generation", []Member{good, stale}, health.Pending, "stale", "pending: stale"},
		{"in maintenance", []Member{good, maintained}, health.Pending, "maintained", "pending: maintained"},
		{"explained", []Member{member("app", health.Failure, "db"), member("db", health.Failure)}, health.Failure, "db", "failed: db (explaining 1 more)"},
		{"explained through another", []Member{member("a", health.Failure, "b"), member("b", health.Failure, "c"), member("c", health.Failure)}, health.Failure, "c", "failed: c (explaining 2 more)"},
		{"maintenance explains nothing", []Member{member("app", health.Failure, "maintained"), maintained}, health.Failure, "app", "failed: app"},
		{"explained through maintenance", []Member{member("app", health.Failure, "mid"), upgraded, member("db", health.Failure)}, health.Failure, "db", "failed: db (explaining 1 more)"},
		{"a success explains nothing", []Member{member("app", health.Failure, "db"), member("db", health.Success)}, health.Failure, "app", "failed: app"},
		{"an error explains nothing", []Member{member("app", health.Failure, "db"), member("db", health.Error)}, health.Failure, "app", "failed: app"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sum := Overall(tt.members)
			var names []string
			for _, c := range sum.Culprits {
				names = append(names, c.Name)
			}
			if sum.Overall != tt.want || strings.Join(names, ",") != tt.culprits || sum.Message != tt.message {
				t.Errorf("%s, culprits %v, %q; want %s, %s, %q", sum.Overall, names, sum.Message, tt.want, tt.culprits, tt.message)
			}
		})
	}
}

func TestOverallLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		members := make([]Member, n)
		for i := range members {
			members[i] = Member{
				Name: fmt.Sprint("c", i), Result: rapid.SampledFrom(health.Results()).Draw(t, "result"), Fresh: rapid.Bool().Draw(t, "fresh"),
				Message: rapid.StringN(0, 400, 400).Draw(t, "message"),
			}
			if rapid.IntRange(0, 4).Draw(t, "maintained") == 0 {
				members[i].Maintenance = "w"
			}
			for range rapid.IntRange(0, 3).Draw(t, "deps") {
				members[i].DependsOn = append(members[i].DependsOn, fmt.Sprint("c", rapid.IntRange(0, n).Draw(t, "dep")))
			}
		}
		sum := Overall(members)
		clean, failed := true, false
		for i, m := range members {
			clean = clean && m.Result == health.Success && m.Fresh
			failed = failed || m.Result == health.Failure && m.Maintenance == ""
			if by := sum.SuppressedBy[i]; by != "" {
				root := -1
				for k := range members {
					if members[k].Name == by {
						root = k
					}
				}
				if root < 0 || members[root].Result != health.Failure || m.Result != health.Failure || root == i {
					t.Fatalf("%s is explained by %q, which did not fail", m.Name, by)
				}
			}
		}
		if (sum.Overall == health.Success) != clean {
			t.Fatalf("overall %s, clean %v", sum.Overall, clean)
		}
		if (sum.Overall == health.Failure) != failed {
			t.Fatalf("overall %s, failed %v", sum.Overall, failed)
		}
		c := sum.Counts
		if c.Success+c.Failure+c.Error+c.Unknown+c.Pending != c.Total || int(c.Total) != n {
			t.Fatalf("counts do not add up: %+v", c)
		}
		if len(sum.Culprits) > culpritsKept || len(sum.Message) > messageSize {
			t.Fatalf("status is not bounded: %d culprits, %d bytes", len(sum.Culprits), len(sum.Message))
		}
		for _, culprit := range sum.Culprits {
			if len(culprit.Message) > culpritMessageSize {
				t.Fatalf("a culprit's message has %d bytes", len(culprit.Message))
			}
		}
		// A failed check is silent only if another speaks for it.
		if sum.Overall != health.Success && len(sum.Culprits) == 0 {
			t.Fatal("everyone is explained by another and nobody is named")
		}
	})
}

func TestWindow(t *testing.T) {
	at := func(s string) time.Time {
		out, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	weekly := health.MaintenanceWindow{Name: "w", Schedule: "0 4 * * 2", TimeZone: "America/Los_Angeles", Duration: &metav1.Duration{Duration: time.Hour}}
	start, end := metav1.NewTime(at("2026-03-03T10:00:00Z")), metav1.NewTime(at("2026-03-03T11:00:00Z"))
	single := health.MaintenanceWindow{Name: "s", Start: &start, End: &end, Checks: []string{"a"}}
	for _, tt := range []struct {
		window health.MaintenanceWindow
		check  string
		at     string
		want   bool
	}{
		{weekly, "a", "2026-03-03T11:59:59Z", false},
		{weekly, "a", "2026-03-03T12:00:00Z", true}, // 04:00 in winter
		{weekly, "a", "2026-03-03T12:59:59Z", true},
		{weekly, "a", "2026-03-03T13:00:00Z", false},
		{weekly, "a", "2026-03-10T11:30:00Z", true}, // 04:30 in summer
		{weekly, "a", "2026-03-11T11:30:00Z", false},
		{single, "a", "2026-03-03T10:00:00Z", true},
		{single, "b", "2026-03-03T10:00:00Z", false},
		{single, "a", "2026-03-03T11:00:00Z", false},
	} {
		w, err := CompileWindow(&tt.window)
		if err != nil {
			t.Fatal(err)
		}
		if got := Covering(OpenWindows([]Window{w}, at(tt.at)), tt.check) != ""; got != tt.want {
			t.Errorf("window %s at %s: %v, want %v", tt.window.Name, tt.at, got, tt.want)
		}
	}
}

func FuzzCompileWindow(f *testing.F) {
	f.Add("0 4 * * 2", "Europe/Berlin", int64(time.Hour))
	f.Add("TZ=", "", int64(time.Minute))
	f.Add("*/61 * * * *", "Nowhere", int64(0))
	f.Fuzz(func(t *testing.T, schedule, zone string, duration int64) {
		w, err := CompileWindow(&health.MaintenanceWindow{Name: "w", Schedule: schedule, TimeZone: zone, Duration: &metav1.Duration{Duration: time.Duration(duration)}})
		if err == nil {
			w.Open(t0)
		}
	})
}

func TestTruncate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		limit := rapid.IntRange(8, 64).Draw(t, "limit")
		got := Truncate(text, limit)
		if len(got) > limit || !utf8.ValidString(got) || len(text) <= limit && got != text {
			t.Fatalf("Truncate(%q, %d) = %q", text, limit, got)
		}
	})
}
