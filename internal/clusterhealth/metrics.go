package clusterhealth

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/engine"
)

// Labels: spec and check are names that the cluster's owner gave, type is a
// check type, status is a Result. Messages are never labels.
var (
	checkLabels = []string{"spec", "check", "type"}

	checkStatus = prometheus.NewDesc("bodega_clusterhealth_check_status",
		"1 for the status that a check has.", append(checkLabels, "status"), nil)
	checkAlerting = prometheus.NewDesc("bodega_clusterhealth_check_alerting",
		"Whether a check is in Failure, Error or Unknown that neither a dependency nor a maintenance window explains.", append(checkLabels, "status"), nil)
	checkFlapping = prometheus.NewDesc("bodega_clusterhealth_check_flapping",
		"Whether a check changes its result too often to announce each change.", checkLabels, nil)
	checkDuration = prometheus.NewDesc("bodega_clusterhealth_check_duration_seconds",
		"How long the last run of a check took.", checkLabels, nil)
	checkLastRun = prometheus.NewDesc("bodega_clusterhealth_check_last_run_timestamp_seconds",
		"When a check last ran.", checkLabels, nil)
	overallStatus = prometheus.NewDesc("bodega_clusterhealth_overall_status",
		"1 for the overall status of a spec, 0 for the others.", []string{"spec", "status"}, nil)
	overallValidUntil = prometheus.NewDesc("bodega_clusterhealth_overall_valid_until_timestamp_seconds",
		"When the overall status of a spec runs out unless it is renewed.", []string{"spec"}, nil)
	specChecks = prometheus.NewDesc("bodega_clusterhealth_checks",
		"Checks of a spec, by status.", []string{"spec", "status"}, nil)

	specsWaiting = prometheus.NewDesc("bodega_clusterhealth_specs_waiting",
		"Specs, or changes of them, that the leader has yet to take up.", nil, nil)

	engineRunning = prometheus.NewDesc("bodega_clusterhealth_runs_in_progress",
		"Runs going on.", nil, nil)
	engineHung = prometheus.NewDesc("bodega_clusterhealth_runs_hanging",
		"Runs that were given up after their deadline and have not ended.", nil, nil)
	engineOverdue = prometheus.NewDesc("bodega_clusterhealth_scheduler_overdue_seconds",
		"How late the latest check is that has not begun.", nil, nil)
	leaderDesc = prometheus.NewDesc("bodega_clusterhealth_leader",
		"Whether this replica leads and runs the checks.", nil, nil)
	webhookExpiry = prometheus.NewDesc("bodega_clusterhealth_webhook_certificate_expiry_timestamp_seconds",
		"When the certificate of the admission webhook expires.", nil, nil)
)

// collector reads what the engine knows when it is asked, so that the metrics
// of ten thousand checks cost nothing in between.
type collector struct {
	engine   *engine.Engine
	operator *operator
}

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		checkStatus, checkAlerting, checkFlapping, checkDuration, checkLastRun, overallStatus, overallValidUntil,
		specChecks, specsWaiting, engineRunning, engineHung, engineOverdue, leaderDesc, webhookExpiry,
	} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	// The engine is locked while it is read, so what is read is kept and sent
	// on afterwards.
	var checks []engine.CheckStatus
	var specs []engine.SpecStatus
	c.engine.Each(
		func(s engine.CheckStatus) { checks = append(checks, s) },
		func(s engine.SpecStatus) { specs = append(specs, s) },
	)
	for i := range checks {
		s := &checks[i]
		gauge(checkStatus, 1, s.Key.Spec, s.Key.Check, s.Type, string(s.Result))
		bad := s.Result == health.Failure || s.Result == health.Error || s.Result == health.Unknown
		gauge(checkAlerting, number(bad && s.SuppressedBy == "" && s.Maintenance == ""), s.Key.Spec, s.Key.Check, s.Type, string(s.Result))
		gauge(checkFlapping, number(s.Flapping), s.Key.Spec, s.Key.Check, s.Type)
		if !s.LastRun.IsZero() {
			gauge(checkDuration, s.LastDuration.Seconds(), s.Key.Spec, s.Key.Check, s.Type)
			gauge(checkLastRun, float64(s.LastRun.UnixMilli())/1000, s.Key.Spec, s.Key.Check, s.Type)
		}
	}
	for _, s := range specs {
		counts := map[health.Result]int32{
			health.Success: s.Summary.Counts.Success, health.Failure: s.Summary.Counts.Failure, health.Error: s.Summary.Counts.Error,
			health.Unknown: s.Summary.Counts.Unknown, health.Pending: s.Summary.Counts.Pending,
		}
		for _, result := range health.Results() {
			gauge(overallStatus, number(s.Summary.Overall == result), s.Name, string(result))
			gauge(specChecks, float64(counts[result]), s.Name, string(result))
		}
		gauge(overallValidUntil, float64(s.ValidUntil.UnixMilli())/1000, s.Name)
	}
	p := c.engine.Progress()
	gauge(engineRunning, float64(p.Running))
	gauge(engineHung, float64(p.Hung))
	gauge(engineOverdue, p.Overdue.Seconds())
	gauge(leaderDesc, number(c.operator.leads()))
	if c.operator.leads() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		// A leader whose cache has yet to fill has nothing to tell.
		if waiting, err := c.operator.waiting(ctx); err == nil {
			gauge(specsWaiting, float64(len(waiting)))
		}
	}
	if expiry := c.operator.webhookExpiry(); !expiry.IsZero() {
		gauge(webhookExpiry, float64(expiry.Unix()))
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
