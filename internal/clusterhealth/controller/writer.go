package controller

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bodega-hq/bodega/internal/clusterhealth/engine"
)

// Writer writes what the engine knows to the API server. Transitions are
// written at once. Everything else waits for its turn within a budget of writes
// a second, and is written as it is by then: a check that ran three times
// meanwhile is written once, with all three runs.
type Writer struct {
	client client.Client
	source statusSource
	budget *rate.Limiter
	log    *slog.Logger
	events func(engine.Transition)

	mu       sync.Mutex
	urgent   fifo
	routine  fifo
	inFlight map[engine.Key]bool
	wake     chan struct{}
	slots    chan struct{}
	// pauseUntil and pause hold back all writes after the API server did not
	// take one.
	pauseUntil time.Time
	pause      time.Duration
	// failingSince is when the first of the writes failed since one succeeded.
	failingSince time.Time

	writes *prometheus.CounterVec // kind: spec or check; reason: transition or routine
	errors *prometheus.CounterVec // kind: spec or check
}

// statusSource is what a Writer asks of the engine.
type statusSource interface {
	Check(engine.Key) (engine.CheckStatus, bool)
	Spec(string) (engine.SpecStatus, bool)
}

// writers is how many writes are under way at once.
const writers = 16

// NewWriter makes a Writer that spends budget writes a second on what is not
// a transition. Its source is set by SetSource before Run.
func NewWriter(c client.Client, budget float64, log *slog.Logger, events func(engine.Transition)) *Writer {
	return &Writer{
		client: c, budget: rate.NewLimiter(rate.Limit(budget), max(1, int(budget))), log: log, events: events,
		inFlight: map[engine.Key]bool{}, wake: make(chan struct{}, 1), slots: make(chan struct{}, writers),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bodega_clusterhealth_status_writes_total",
			Help: "Statuses written, by kind and by whether a transition or a routine renewal caused it.",
		}, []string{"kind", "reason"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bodega_clusterhealth_status_write_errors_total",
			Help: "Statuses that the API server did not take; they are tried again.",
		}, []string{"kind"}),
	}
}

// SetSource names what statuses are read from.
func (w *Writer) SetSource(source statusSource) { w.source = source }

// Delay is how long a routine write may wait when so many checks share the
// budget: two turns of all of them.
func (w *Writer) Delay(checks int) time.Duration {
	return time.Duration(2 * float64(checks) / float64(w.budget.Limit()) * float64(time.Second))
}

// CheckRan implements engine.Sink.
func (w *Writer) CheckRan(key engine.Key, transition bool) { w.enqueue(key, transition) }

// SpecChanged implements engine.Sink. A renewal is written at once as well:
// specs are few, and their validity is what gates.
func (w *Writer) SpecChanged(spec string, _ bool) { w.enqueue(engine.Key{Spec: spec}, true) }

// Announce implements engine.Sink.
func (w *Writer) Announce(t engine.Transition) { w.events(t) }

func (w *Writer) enqueue(key engine.Key, urgent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(key, urgent)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *Writer) add(key engine.Key, urgent bool) {
	if urgent {
		w.routine.remove(key)
		w.urgent.push(key)
	} else if !w.urgent.has(key) {
		w.routine.push(key)
	}
}

// Run writes until ctx ends.
func (w *Writer) Run(ctx context.Context) {
	var active sync.WaitGroup
	defer active.Wait()
	for {
		key, urgent, wait, ok := w.next()
		if !ok {
			timer := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-w.wake:
			case <-timer.C:
			}
			timer.Stop()
			continue
		}
		select {
		case <-ctx.Done():
			return
		case w.slots <- struct{}{}:
		}
		active.Add(1)
		go func() {
			defer active.Done()
			defer func() { <-w.slots }()
			w.write(ctx, key, urgent)
		}()
	}
}

// next takes the next status to write, or says how long there is none.
func (w *Writer) next() (key engine.Key, urgent bool, wait time.Duration, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if pause := w.pauseUntil.Sub(now); pause > 0 {
		return key, false, pause, false
	}
	// What is being written must not be written a second time at once, or the
	// older of the two might land last.
	if key, ok = w.urgent.pop(w.inFlight); ok {
		w.inFlight[key] = true
		return key, true, 0, true
	}
	if w.routine.len() == 0 {
		return key, false, time.Hour, false
	}
	if !w.budget.AllowN(now, 1) {
		return key, false, time.Duration(float64(time.Second) / float64(w.budget.Limit())), false
	}
	if key, ok = w.routine.pop(w.inFlight); !ok {
		return key, false, 10 * time.Millisecond, false
	}
	w.inFlight[key] = true
	return key, false, 0, true
}

// writeTimeout bounds one write: a connection that hangs must not hold back
// what other connections could carry.
const writeTimeout = 10 * time.Second

func (w *Writer) write(ctx context.Context, key engine.Key, urgent bool) {
	bounded, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	kind, found, err := "check", false, error(nil)
	if key.Check == "" {
		kind = "spec"
		var status engine.SpecStatus
		if status, found = w.source.Spec(key.Spec); found {
			err = applySpecHealth(bounded, w.client, status, "")
		}
	} else {
		var status engine.CheckStatus
		if status, found = w.source.Check(key); found {
			err = applyCheckStatus(bounded, w.client, status, "")
		}
	}

	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.inFlight, key)
	defer func() {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}()
	switch {
	case !found || ctx.Err() != nil:
	case err == nil:
		reason := "routine"
		if urgent {
			reason = "transition"
		}
		w.writes.WithLabelValues(kind, reason).Inc()
		w.failingSince, w.pause = time.Time{}, 0
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		// The object is yet to be created, or is another by that name; the
		// reconciler sees to it, and this is tried again for as long as the
		// engine runs the check. It takes its turn, since thousands may be gone.
		time.AfterFunc(200*time.Millisecond, func() { w.enqueue(key, false) })
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		w.errors.WithLabelValues(kind).Inc()
		w.log.Error("a status is refused", "kind", kind, "spec", key.Spec, "check", key.Check, "error", err)
	default:
		w.errors.WithLabelValues(kind).Inc()
		if w.pause == 0 {
			w.log.Warn("the API server takes no status; writes wait", "error", err)
		}
		if w.failingSince.IsZero() {
			w.failingSince = time.Now()
		}
		w.pause = min(max(2*w.pause, 100*time.Millisecond), 5*time.Second)
		w.pauseUntil = time.Now().Add(w.pause)
		w.add(key, urgent)
	}
}

// Stalled is how long no write has succeeded although some were tried; zero
// when all is well.
func (w *Writer) Stalled() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failingSince.IsZero() {
		return 0
	}
	return time.Since(w.failingSince)
}

// Backlog is how many statuses wait to be written or are being written.
func (w *Writer) Backlog() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.urgent.len() + w.routine.len() + len(w.inFlight)
}

// Collectors are the writer's metrics, to be registered.
func (w *Writer) Collectors() []prometheus.Collector {
	return []prometheus.Collector{w.writes, w.errors, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bodega_clusterhealth_status_write_backlog",
		Help: "Statuses that wait to be written.",
	}, func() float64 { return float64(w.Backlog()) })}
}

// fifo is a queue of keys, each in it once.
type fifo struct {
	keys   []engine.Key
	member map[engine.Key]bool
}

func (q *fifo) len() int                { return len(q.member) }
func (q *fifo) has(key engine.Key) bool { return q.member[key] }

func (q *fifo) push(key engine.Key) {
	if q.member == nil {
		q.member = map[engine.Key]bool{}
	}
	if !q.member[key] {
		q.member[key] = true
		q.keys = append(q.keys, key)
	}
}

// remove leaves the key in line, where pop passes over it.
func (q *fifo) remove(key engine.Key) { delete(q.member, key) }

// pop takes the first key that is not busy.
func (q *fifo) pop(busy map[engine.Key]bool) (engine.Key, bool) {
	for i := 0; i < len(q.keys); i++ {
		key := q.keys[i]
		switch {
		case !q.member[key]:
			q.keys = append(q.keys[:i], q.keys[i+1:]...)
			i--
		case !busy[key]:
			q.keys = append(q.keys[:i], q.keys[i+1:]...)
			delete(q.member, key)
			return key, true
		}
	}
	return engine.Key{}, false
}
