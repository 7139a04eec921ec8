package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/engine"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// written notes what reaches the API server, and may refuse it. What the
// server does with it is tested against a real one; here it is when and how
// often that matters, in fake time.
type written struct {
	mu    sync.Mutex
	times map[string][]time.Time
	runs  map[string][]time.Time // times of the runs in the last write
	down  bool
	// gone says that there are no objects; tries counts all that is asked.
	gone  bool
	tries int
}

func (w *written) client(t *testing.T) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := health.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		SubResourceApply: func(_ context.Context, _ client.Client, _ string, obj runtime.ApplyConfiguration, _ ...client.SubResourceApplyOption) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.tries++
			switch {
			case w.down:
				return errors.New("connection refused")
			case w.gone:
				return apierrors.NewNotFound(health.GroupVersion.WithResource("clusterhealthchecks").GroupResource(), "gone")
			}
			body := obj.(*applied)
			name := body.Metadata.Name
			w.times[name] = append(w.times[name], time.Now())
			if status, ok := body.Status.(*health.ClusterHealthCheckStatus); ok {
				w.runs[name] = nil
				for _, run := range status.Runs {
					w.runs[name] = append(w.runs[name], run.Time.Time)
				}
			}
			return nil
		},
	}).Build()
}

func (w *written) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, times := range w.times {
		n += len(times)
	}
	return n
}

// source makes up statuses; the runs of a check are those noted.
type source struct {
	mu   sync.Mutex
	runs map[engine.Key][]verdict.Run
}

func (s *source) ran(key engine.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs[key] = append([]verdict.Run{{At: time.Now(), Result: health.Success}}, s.runs[key]...)
	s.runs[key] = s.runs[key][:min(len(s.runs[key]), verdict.RunsKept)]
}

func (s *source) Check(key engine.Key) (engine.CheckStatus, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs := append([]verdict.Run(nil), s.runs[key]...)
	return engine.CheckStatus{Key: key, Result: health.Success, LastRun: time.Now(), Since: time.Now(), Runs: runs}, true
}

func (s *source) Spec(name string) (engine.SpecStatus, bool) {
	return engine.SpecStatus{Name: name, Summary: verdict.Summary{Overall: health.Success}, Since: time.Now(), ValidUntil: time.Now()}, true
}

func startWriter(t *testing.T, w *written, budget float64) (*Writer, *source, func()) {
	t.Helper()
	out := NewWriter(w.client(t), budget, slog.New(slog.DiscardHandler), func(engine.Transition) {})
	from := &source{runs: map[engine.Key][]verdict.Run{}}
	out.SetSource(from)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		out.Run(ctx)
	}()
	return out, from, func() {
		cancel()
		<-done
	}
}

func newWritten() *written {
	return &written{times: map[string][]time.Time{}, runs: map[string][]time.Time{}}
}

// A thousand checks that run every 30 s share ten writes a second: no more is
// written, no check is left out, and no run between two writes is missing.
func TestWriteBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newWritten()
		w, from, stop := startWriter(t, sink, 10)
		const checks = 1000
		for range 20 {
			for i := range checks {
				key := engine.Key{Spec: "s", Check: fmt.Sprint("c", i)}
				from.ran(key)
				w.CheckRan(key, false)
			}
			time.Sleep(30 * time.Second)
		}
		stop()
		total := sink.count()
		if limit := 20*30*10 + 10; total > limit || total < limit*9/10 {
			t.Errorf("%d writes in ten minutes, budget %d", total, limit)
		}
		for i := range checks {
			name := health.CheckObjectName("s", fmt.Sprint("c", i))
			times := sink.times[name]
			if len(times) < 4 {
				t.Errorf("%s was written %d times in ten minutes", name, len(times))
			}
			for k := 1; k < len(times); k++ {
				if gap := times[k].Sub(times[k-1]); gap > w.Delay(checks) {
					t.Errorf("%s was not written for %s, promised %s", name, gap, w.Delay(checks))
				}
			}
			if len(sink.runs[name]) != verdict.RunsKept {
				t.Errorf("%s was last written with %d runs", name, len(sink.runs[name]))
			}
		}
	})
}

// A transition passes by whatever waits.
func TestTransitionsAreWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newWritten()
		w, from, stop := startWriter(t, sink, 1)
		for i := range 500 {
			key := engine.Key{Spec: "s", Check: fmt.Sprint("c", i)}
			from.ran(key)
			w.CheckRan(key, false)
		}
		time.Sleep(10 * time.Second)
		begin := time.Now()
		for i := range 100 {
			w.CheckRan(engine.Key{Spec: "s", Check: fmt.Sprint("t", i)}, true)
		}
		w.SpecChanged("s", true)
		synctest.Wait()
		for i := range 100 {
			if times := sink.times[health.CheckObjectName("s", fmt.Sprint("t", i))]; len(times) != 1 || times[0] != begin {
				t.Fatalf("transition %d was written at %v, happened at %v", i, times, begin)
			}
		}
		if len(sink.times["s"]) != 1 {
			t.Errorf("the overall status was written %d times", len(sink.times["s"]))
		}
		stop()
	})
}

// While the API server is away nothing is lost and it is not stormed.
func TestWritesWaitForTheAPIServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newWritten()
		sink.down = true
		w, _, stop := startWriter(t, sink, 50)
		for i := range 200 {
			w.CheckRan(engine.Key{Spec: "s", Check: fmt.Sprint("c", i)}, true)
		}
		time.Sleep(time.Minute)
		if w.Backlog() != 200 {
			t.Errorf("%d statuses wait, want 200", w.Backlog())
		}
		if stalled := w.Stalled(); stalled < 55*time.Second {
			t.Errorf("stalled for %s after a minute", stalled)
		}
		sink.mu.Lock()
		sink.down = false
		sink.mu.Unlock()
		time.Sleep(10 * time.Second)
		if sink.count() != 200 || w.Backlog() != 0 || w.Stalled() != 0 {
			t.Errorf("%d written, %d wait, stalled %s", sink.count(), w.Backlog(), w.Stalled())
		}
		stop()
	})
}

// Statuses of objects that are gone are tried again within the budget, and
// written once the objects are back.
func TestMissingObjectsAreNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newWritten()
		sink.gone = true
		w, _, stop := startWriter(t, sink, 50)
		const checks = 1000
		for i := range checks {
			w.CheckRan(engine.Key{Spec: "s", Check: fmt.Sprint("c", i)}, true)
		}
		time.Sleep(time.Minute)
		sink.mu.Lock()
		if limit := checks + 60*50 + 50; sink.tries > limit {
			t.Errorf("%d tries in a minute, want at most %d", sink.tries, limit)
		}
		sink.gone = false
		sink.mu.Unlock()
		time.Sleep(w.Delay(checks))
		if n := sink.count(); n != checks {
			t.Errorf("%d of %d statuses are written once their objects are back", n, checks)
		}
		stop()
	})
}

// A standby whose wall clock was set back still sees that nobody renews.
func TestWatchdogClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		offset := time.Duration(0)
		w := NewWatchdog(nil, nil, nil, func() time.Time { return time.Now().Add(offset) }, slog.New(slog.DiscardHandler))
		spec := &health.ClusterHealthSpec{}
		spec.Name = "s"
		spec.Spec.Checks = []health.Check{{Name: "c", TCP: &health.TCPCheck{Address: "h:1"}}}
		renew := func() {
			until := metav1.NewTime(time.Now().Add(70 * time.Second))
			spec.Status.ValidUntil, spec.Status.Overall = &until, health.Success
		}
		renew()
		for range 10 {
			if w.ranOut(spec) {
				t.Fatal("ran out while it is renewed")
			}
			time.Sleep(35 * time.Second)
			renew()
		}
		offset = -24 * time.Hour
		for range 60 {
			if time.Sleep(time.Second); w.ranOut(spec) {
				t.Fatal("ran out before its time")
			}
		}
		time.Sleep(30 * time.Second)
		if !w.ranOut(spec) {
			t.Error("with the clock set back by a day, what nobody renews stays valid")
		}
		offset = 24 * time.Hour
		renew()
		if !w.ranOut(spec) {
			t.Error("with the clock set forward, a promise of yesterday holds")
		}
	})
}
