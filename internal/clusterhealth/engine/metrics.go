package engine

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// Metrics of the engine itself. The results of checks are collected from its
// state when they are asked for, so that they cost nothing in between.
type Metrics struct {
	lateness prometheus.Histogram
	due      prometheus.Counter
	missed   prometheus.Counter
	runs     *prometheus.CounterVec   // type: a check type; result: a Result but Unknown
	duration *prometheus.HistogramVec // type: a check type
}

// NewMetrics makes the metrics, registered nowhere.
func NewMetrics() *Metrics {
	return &Metrics{
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "bodega_clusterhealth_scheduler_lateness_seconds",
			Help:    "How much later than it was due a run began.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30},
		}),
		due: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bodega_clusterhealth_runs_due_total",
			Help: "Runs that became due.",
		}),
		missed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bodega_clusterhealth_runs_missed_total",
			Help: "Runs left out because an earlier one of the same check began or ended too late.",
		}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bodega_clusterhealth_runs_total",
			Help: "Runs that ended, by check type and by what they said.",
		}, []string{"type", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "bodega_clusterhealth_run_duration_seconds",
			Help:    "How long runs took, by check type.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"type"}),
	}
}

// Collectors are all metrics, to be registered.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.lateness, m.due, m.missed, m.runs, m.duration}
}

// Collectors are the engine's metrics, to be registered.
func (e *Engine) Collectors() []prometheus.Collector { return e.opts.Metrics.Collectors() }

func (m *Metrics) observe(checkType string, run verdict.Run) {
	m.runs.WithLabelValues(checkType, string(run.Result)).Inc()
	m.duration.WithLabelValues(checkType).Observe(run.Duration.Seconds())
}
