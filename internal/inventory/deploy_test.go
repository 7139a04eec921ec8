package inventory

import (
	"path/filepath"
	"testing"

	"github.com/bodega-hq/bodega/internal/platform/rpc"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
	"github.com/bodega-hq/bodega/internal/testkit/promtool"
)

// What is shown and alerted on exists, and Prometheus can read it.
func TestDashboardAndRules(t *testing.T) {
	metrics := telemetry.NewMetrics()
	NewMetrics(metrics)
	metrics.Counter(rpc.RequestsTotal)
	metrics.Histogram(rpc.RequestSeconds)
	metrics.Gauge(rpc.RequestsInFlight)
	metrics.Gauge(rpc.BreakerOpen)
	exists := promtool.Names(metrics.List())
	deploy := filepath.Join("..", "..", "deploy")
	promtool.Dashboard(t, filepath.Join(deploy, "dashboards", "inventory.json"))
	promtool.Run(t, filepath.Join(deploy, "rules"), "check", "rules", "inventory.yaml")
	promtool.Run(t, filepath.Join(deploy, "rules"), "test", "rules", "inventory_test.yaml")
	for _, file := range []string{"dashboards/inventory.json", "rules/inventory.yaml", "rules/inventory_test.yaml"} {
		promtool.Exist(t, filepath.Join(deploy, filepath.FromSlash(file)), exists)
	}
}
