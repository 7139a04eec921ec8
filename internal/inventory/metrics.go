package inventory

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
)

// The metrics of the inventory, one family per stage of the pipeline.
var (
	feedsTotal = telemetry.Metric{
		Name: "bodega_inventory_feeds_total", Help: "Units of work that ended, by how they ended.",
		Labels: []telemetry.Label{
			{Name: "status", Values: []string{"done", "failed", "canceled"}},
			{Name: "cause", Values: []string{"feed", "catalog", "settings", "signal", "operator", "schedule", "rollback"}},
		},
	}
	intakeBytesTotal = telemetry.Metric{
		Name: "bodega_inventory_intake_bytes_total", Help: "Bytes of feeds that were made durable.",
	}
	intakeFeedsTotal = telemetry.Metric{
		Name: "bodega_inventory_intake_feeds_total", Help: "Feeds taken in, by what they turned out to be.",
		Labels: []telemetry.Label{{Name: "result", Values: []string{"stored", "resend", "refused"}}},
	}
	rowsTotal = telemetry.Metric{
		Name: "bodega_inventory_rows_total", Help: "Rows accounted for, by what became of them.",
		Labels: []telemetry.Label{{Name: "disposition", Values: []string{
			"applied", "unchanged", "stale", "held", "rejected", "duplicate", "removed",
		}}},
	}
	verdictsTotal = telemetry.Metric{
		Name: "bodega_inventory_verdicts_total", Help: "Verdicts of the stages that judge rows, by the rule that decided.",
		Labels: []telemetry.Label{
			{Name: "stage", Values: []string{stageNormalize, stageHydrate, stagePrice, stageAvailability, stageGuard}},
			{Name: "rule", Of: "the rules of that stage, a few dozen in all"},
		},
	}
	stageSeconds = telemetry.Metric{
		Name: "bodega_inventory_stage_seconds", Help: "Time that a step of a feed took: load, judge and merge are parts of a chunk.",
		Labels: []telemetry.Label{{Name: "stage", Values: []string{
			"intake", "split", "plan", "load", "judge", "merge", "chunk", "publish", "medians",
		}}},
		Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300},
	}
	feedSeconds = telemetry.Metric{
		Name: "bodega_inventory_feed_seconds", Help: "Time from a feed's intake to the menu that shows it.",
		Buckets: []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600},
	}
	signalsTotal = telemetry.Metric{
		Name: "bodega_inventory_signals_total", Help: "Shoppers' signals, by what they say.",
		Labels: []telemetry.Label{{Name: "signal", Values: []string{"found", "not_found", "duplicate", "unknown_item"}}},
	}
	holdsDecidedTotal = telemetry.Metric{
		Name: "bodega_inventory_holds_decided_total", Help: "Holds that a person decided on.",
		Labels: []telemetry.Label{{Name: "decision", Values: []string{"approved", "discarded", "reopened"}}},
	}
	openHolds = telemetry.Metric{
		Name: "bodega_inventory_open_holds", Help: "Prices and removals that wait for a person, in all tenants.",
	}
	openFeeds = telemetry.Metric{
		Name: "bodega_inventory_open_feeds", Help: "Feeds queued or running, in all tenants.",
	}
	sweptTotal = telemetry.Metric{
		Name: "bodega_inventory_swept_feeds_total", Help: "Stored feeds that a sweep had to start.",
	}
	collectedTotal = telemetry.Metric{
		Name: "bodega_inventory_collected_objects_total", Help: "Objects deleted that a crash had left and no row named.",
		Labels: []telemetry.Label{{Name: "kind", Values: collected}},
	}
)

// The stages that judge rows, by which verdicts are counted.
const (
	stageNormalize    = "normalize"
	stageHydrate      = "hydrate"
	stagePrice        = "price"
	stageAvailability = "availability"
	stageGuard        = "guard"
)

// verdict is a stage and the rule that decided in it.
type verdict struct{ stage, rule string }

// verdicts count what the stages said of a chunk's rows.
type verdicts map[verdict]int64

func (v verdicts) take(o *judge.Outcome) {
	for i := range o.Problems {
		v[verdict{stageNormalize, string(o.Problems[i].Rule)}]++
	}
	for _, said := range [...]verdict{
		{stageHydrate, string(o.Rules.Hydrate)}, {stagePrice, string(o.Rules.Price)},
		{stageAvailability, string(o.Rules.Availability)}, {stageGuard, string(o.Rules.Guard)},
	} {
		if said.rule != "" {
			v[said]++
		}
	}
}

// Metrics count what the inventory does.
type Metrics struct {
	feeds, intakeFeeds, rows, verdicts, signals, decided, collected *prometheus.CounterVec
	intakeBytes, swept                                              prometheus.Counter
	stages                                                          *prometheus.HistogramVec
	feedSeconds                                                     prometheus.Observer
	openHolds, openFeeds                                            prometheus.Gauge
}

// NewMetrics registers the inventory's metrics.
func NewMetrics(m *telemetry.Metrics) *Metrics {
	return &Metrics{
		feeds: m.Counter(feedsTotal), intakeFeeds: m.Counter(intakeFeedsTotal), rows: m.Counter(rowsTotal),
		verdicts: m.Counter(verdictsTotal),
		signals:  m.Counter(signalsTotal), decided: m.Counter(holdsDecidedTotal),
		collected:   m.Counter(collectedTotal),
		intakeBytes: m.Counter(intakeBytesTotal).WithLabelValues(), swept: m.Counter(sweptTotal).WithLabelValues(),
		stages: m.Histogram(stageSeconds), feedSeconds: m.Histogram(feedSeconds).WithLabelValues(),
		openHolds: m.Gauge(openHolds).WithLabelValues(), openFeeds: m.Gauge(openFeeds).WithLabelValues(),
	}
}

func (m *Metrics) stage(name string, took time.Duration) {
	m.stages.WithLabelValues(name).Observe(took.Seconds())
}

func (m *Metrics) chunk(a *applied) {
	m.account(a.ledger.Account)
	for said, n := range a.verdicts {
		m.verdicts.WithLabelValues(said.stage, said.rule).Add(float64(n))
	}
}

func (m *Metrics) account(a Account) {
	for _, d := range []struct {
		name string
		n    int64
	}{
		{"applied", a.Applied}, {"unchanged", a.Unchanged}, {"stale", a.Stale}, {"held", a.Held},
		{"rejected", a.Rejected}, {"duplicate", a.Duplicates}, {"removed", a.Removed},
	} {
		if d.n > 0 {
			m.rows.WithLabelValues(d.name).Add(float64(d.n))
		}
	}
}
