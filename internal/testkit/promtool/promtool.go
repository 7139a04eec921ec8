// Package promtool holds dashboards and alert rules against Prometheus's own
// parser and against the metrics that exist.
package promtool

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bodega-hq/bodega/internal/platform/telemetry"
)

// Run runs promtool in a folder and fails the test with what it says.
func Run(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "promtool", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Names are the series that metrics are served under: a histogram's three too.
func Names(metrics []telemetry.Metric) map[string]bool {
	names := map[string]bool{}
	for _, m := range metrics {
		names[m.Name] = true
		if m.Type == telemetry.Histogram {
			names[m.Name+"_bucket"], names[m.Name+"_count"], names[m.Name+"_sum"] = true, true, true
		}
	}
	return names
}

var metricName = regexp.MustCompile(`\b(bodega|process|go)_[a-z_]+\b`)

// Exist fails the test for each metric that a file names and that does not exist.
func Exist(t *testing.T, file string, exists map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := metricName.FindAllString(string(text), -1)
	if len(found) == 0 {
		t.Errorf("%s names no metric", filepath.Base(file))
	}
	for _, name := range found {
		if !exists[name] {
			t.Errorf("%s asks for %s, which does not exist", filepath.Base(file), name)
		}
	}
}

// What Grafana puts in before it asks: spans of time, and what was chosen.
var (
	intervals = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$__interval", "1m")
	variable  = regexp.MustCompile(`\$[a-z]+`)
)

// Dashboard checks that every expression of a Grafana dashboard is PromQL, that
// no two panels have one id, and that a number says which of its values is bad.
func Dashboard(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		UID, Title string
		Panels     []struct {
			ID          int
			Type, Title string
			Targets     []struct{ Expr string }
			FieldConfig struct {
				Defaults struct {
					Thresholds struct{ Steps []any }
				}
			}
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatalf("%s: %v", filepath.Base(file), err)
	}
	if board.UID == "" || board.Title == "" || len(board.Panels) == 0 {
		t.Errorf("%s lacks an id, a title or panels", filepath.Base(file))
	}
	// promtool reads expressions in rule files only.
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	ids := map[int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("%s: two panels have the id %d", filepath.Base(file), p.ID)
		}
		ids[p.ID] = true
		if len(p.Targets) == 0 {
			t.Errorf("%s: panel %q asks for nothing", filepath.Base(file), p.Title)
		}
		if p.Type == "stat" && len(p.FieldConfig.Defaults.Thresholds.Steps) == 0 {
			t.Errorf("%s: panel %q has no thresholds, and Grafana's own are green below 80 and red above", filepath.Base(file), p.Title)
		}
		for i, target := range p.Targets {
			expr := variable.ReplaceAllString(intervals.Replace(target.Expr), ".*")
			fmt.Fprintf(&rules, "  - record: panel_%d:target_%d\n    expr: %q\n", p.ID, i, expr)
		}
	}
	compiled := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(compiled, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	Run(t, filepath.Dir(compiled), "check", "rules", "--lint-fatal", compiled)
}
