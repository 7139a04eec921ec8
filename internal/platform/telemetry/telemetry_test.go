package telemetry_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bodega-hq/bodega/internal/platform/telemetry"
)

var outcomes = telemetry.Metric{
	Name: "bodega_test_feeds_total", Help: "Feeds.",
	Labels: []telemetry.Label{{Name: "outcome", Values: []string{"done", "failed"}}, {Name: "kind", Values: []string{"full"}}},
}

func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestListedSeriesExistFromTheStart(t *testing.T) {
	m := telemetry.NewMetrics()
	m.Counter(outcomes).WithLabelValues("done", "full").Inc()
	m.Histogram(telemetry.Metric{Name: "bodega_test_wait_seconds", Help: "Waits."})
	open := telemetry.Metric{Name: "bodega_test_calls_total", Help: "Calls.", Labels: []telemetry.Label{{Name: "procedure", Of: "the procedures"}}}
	m.Counter(open)
	text := scrape(t, m)
	for _, line := range []string{
		`bodega_test_feeds_total{kind="full",outcome="done"} 1`,
		`bodega_test_feeds_total{kind="full",outcome="failed"} 0`,
		`bodega_test_wait_seconds_count 0`,
		"# HELP bodega_test_feeds_total Feeds.",
		"go_goroutines", "process_open_fds", "bodega_build_info{",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in the metrics", line)
		}
	}
	if strings.Contains(text, "bodega_test_calls_total{") {
		t.Error("a series exists whose labels nobody knows yet")
	}
	names := map[string]telemetry.Type{}
	for _, one := range m.List() {
		names[one.Name] = one.Type
	}
	if len(names) != 4 || names["bodega_test_feeds_total"] != telemetry.Counter || names["bodega_test_wait_seconds"] != telemetry.Histogram || names["bodega_build_info"] != telemetry.Gauge {
		t.Errorf("listed %v", names)
	}
}

func TestTheSameMetricIsMadeOnce(t *testing.T) {
	m := telemetry.NewMetrics()
	m.Counter(outcomes).WithLabelValues("done", "full").Inc()
	m.Counter(outcomes).WithLabelValues("done", "full").Inc()
	if !strings.Contains(scrape(t, m), `bodega_test_feeds_total{kind="full",outcome="done"} 2`) {
		t.Error("two counters of one name")
	}
	other := outcomes
	other.Help = "Other feeds."
	defer func() {
		if recover() == nil {
			t.Error("two descriptions share a name")
		}
	}()
	m.Counter(other)
}

func TestCheckRefuses(t *testing.T) {
	labels := func(l ...telemetry.Label) []telemetry.Label { return l }
	for name, d := range map[string]telemetry.Metric{
		"is bodega_<system>":     {Name: "feeds_total", Help: "x"},
		"no help":                {Name: "bodega_test_feeds_total"},
		"ends in _total":         {Name: "bodega_test_feeds_done", Help: "x", Type: telemetry.Counter},
		"would have no bound":    {Name: "bodega_test_feeds_total", Help: "x", Labels: labels(telemetry.Label{Name: "merchant_id", Of: "merchants"})},
		"tenant would":           {Name: "bodega_test_feeds_total", Help: "x", Labels: labels(telemetry.Label{Name: "tenant", Values: []string{"prod"}})},
		"is no name for a label": {Name: "bodega_test_feeds_total", Help: "x", Labels: labels(telemetry.Label{Name: "Outcome", Values: []string{"a"}})},
		"\"le\" is no name":      {Name: "bodega_test_feeds_total", Help: "x", Labels: labels(telemetry.Label{Name: "le", Values: []string{"a"}})},
		"neither lists":          {Name: "bodega_test_feeds_total", Help: "x", Labels: labels(telemetry.Label{Name: "outcome"})},
	} {
		if err := d.Check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: Check = %v", name, err)
		}
	}
	if err := outcomes.Check(); err != nil {
		t.Error(err)
	}
}

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	log, err := telemetry.NewLogger(&b, telemetry.LogConfig{Format: "json", Level: "warn"})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("feed late", "late_by_ms", 5)
	var line map[string]any
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line["msg"] != "feed late" || line["late_by_ms"] != 5.0 {
		t.Errorf("logged %s, %v", b.Bytes(), err)
	}
	for _, c := range []telemetry.LogConfig{{Format: "xml", Level: "info"}, {Format: "text", Level: "loud"}, {}} {
		if _, err := telemetry.NewLogger(io.Discard, c); err == nil || c.Validate() == nil {
			t.Errorf("%+v passed", c)
		}
	}
}
