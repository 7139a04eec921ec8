package clusterhealth_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/kubetest"
	"github.com/bodega-hq/bodega/internal/testkit/promtool"
)

func deployFile(parts ...string) string {
	return filepath.Join(append([]string{kubetest.Root(), "deploy", "operator"}, parts...)...)
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = deployFile()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func TestRules(t *testing.T) {
	promtool.Run(t, deployFile(), "check", "rules", "chart/rules/clusterhealth.yaml")
	promtool.Run(t, deployFile(), "test", "rules", "rules_test.yaml")
}

// What kustomize installs is what the chart does.
func TestKustomizeMatchesChart(t *testing.T) {
	command(t, "./kustomize/render.sh", "verify")
}

// Dashboards and alerts ask for metrics that exist, and no metric holds the
// text of an error.
func TestDashboardsAndRulesMatchMetrics(t *testing.T) {
	server := newTarget(t)
	cfg := testConfig()
	cfg.MetricsAddress = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	// The webhook's certificate is among the metrics.
	namespace(t, operatorNamespace)
	install(t, render(t))
	cfg.Namespace, cfg.Webhook, cfg.WebhookHost, cfg.WebhookPort = operatorNamespace, "self-signed", "127.0.0.1", freePort(t)
	cfg.WebhookSecret, cfg.WebhookService, cfg.WebhookConfiguration = "bodega-operator-webhook", "bodega-operator-webhook", "bodega-operator"
	routeWebhook(t, cfg.WebhookPort)
	operate(t, cfg)
	awaitWebhook(t)
	measured := parseSpec(t, "measured", fmt.Sprintf(`{interval: 1s, checks: [{name: up, http: {url: %q}}, {name: down, tcp: {address: %q}}]}`, server.URL, closedPort(t)))
	create(t, measured)
	awaitOverall(t, "measured", health.Failure)
	awaitCheck(t, "measured", "up", func(c *health.ClusterHealthCheck) bool { return c.Status.Result == health.Success })

	page := get(t, "http://"+cfg.MetricsAddress+"/metrics")
	exists := map[string]bool{}
	for line := range strings.Lines(page) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(strings.TrimSpace(rest), " ")
			exists[name] = true
			if kind == "histogram" {
				exists[name+"_bucket"], exists[name+"_count"], exists[name+"_sum"] = true, true, true
			}
		}
	}
	if strings.Contains(page, "connection refused") {
		t.Error("the metrics hold the text of an error")
	}
	for _, want := range []string{
		`bodega_clusterhealth_check_status{check="down",spec="measured",status="Failure",type="tcp"} 1`,
		`bodega_clusterhealth_check_alerting{check="down",spec="measured",status="Failure",type="tcp"} 1`,
		`bodega_clusterhealth_check_alerting{check="up",spec="measured",status="Success",type="http"} 0`,
		`bodega_clusterhealth_overall_status{spec="measured",status="Failure"} 1`,
		`bodega_clusterhealth_overall_status{spec="measured",status="Success"} 0`,
		`bodega_clusterhealth_specs_waiting 0`,
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(ownMetrics(page))
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}

	files, err := filepath.Glob(deployFile("chart", "dashboards", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("dashboards: %v, %v", files, err)
	}
	// A counter that has yet to count is not served.
	exists["bodega_clusterhealth_status_write_errors_total"] = true
	for _, file := range files {
		promtool.Dashboard(t, file)
	}
	for _, file := range append(files, deployFile("chart", "rules", "clusterhealth.yaml")) {
		promtool.Exist(t, file, exists)
	}

	if err := cluster.Client.Delete(t.Context(), measured); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		for line := range strings.Lines(get(t, "http://"+cfg.MetricsAddress+"/metrics")) {
			if strings.Contains(line, `spec="measured"`) {
				return "a deleted spec leaves " + line
			}
		}
		return ""
	})
}

// A spec that is not taken up has no metrics of its own; that there is one shows.
func TestSpecNotRunShows(t *testing.T) {
	read := []string{"get", "list", "watch"}
	config, err := cluster.UserConfig(t.Context(), "reader", []rbacv1.PolicyRule{
		{APIGroups: []string{health.GroupVersion.Group}, Resources: []string{"clusterhealthspecs", "clusterhealthchecks"}, Verbs: read},
		{APIGroups: []string{health.GroupVersion.Group}, Resources: []string{"clusterhealthspecs/status"}, Verbs: []string{"patch"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.MetricsAddress = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	operateWith(t, config, cfg)
	create(t, parseSpec(t, "not-run", `checks: [{name: c, tcp: {address: "h:1"}}]`))
	eventually(t, func() string {
		if page := get(t, "http://"+cfg.MetricsAddress+"/metrics"); !strings.Contains(page, "\nbodega_clusterhealth_specs_waiting 1\n") {
			return "no spec waits"
		}
		return ""
	})
	awaitSpec(t, "not-run", func(s *health.ClusterHealthSpec) bool {
		ready := meta.FindStatusCondition(s.Status.Conditions, health.ConditionReady)
		return ready != nil && ready.Reason == "Retrying" && strings.Contains(ready.Message, "cannot patch resource")
	})
}

// ownMetrics leaves out what libraries name.
func ownMetrics(page string) string {
	var out strings.Builder
	for line := range strings.Lines(page) {
		if strings.Contains(line, "bodega_") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// The health script says of a spec what Argo CD should show.
func TestArgoHealth(t *testing.T) {
	script, err := os.ReadFile(deployFile("argocd", "health.lua"))
	if err != nil {
		t.Fatal(err)
	}
	status := func(text string) string {
		return fmt.Sprintf(`{"metadata":{"generation":2},"spec":{},"status":{"observedGeneration":2,"healthGeneration":2,"validUntil":%q,%s}}`,
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339), text)
	}
	const ranOut = `{"metadata":{"generation":2},"spec":{},"status":{"observedGeneration":2,"healthGeneration":2,"validUntil":"2000-01-01T00:00:00Z",%s}}`
	for _, tt := range []struct{ name, object, want string }{
		{"new", `{"metadata":{"generation":1},"spec":{}}`, "Progressing"},
		{"not taken up", `{"metadata":{"generation":1},"spec":{},"status":{}}`, "Progressing"},
		{"of a former generation", `{"metadata":{"generation":2},"spec":{},"status":{"observedGeneration":2,"healthGeneration":1,"overall":"Success"}}`, "Progressing"},
		{"scheduled before", `{"metadata":{"generation":2},"spec":{},"status":{"observedGeneration":1,"healthGeneration":1,"overall":"Failure"}}`, "Progressing"},
		{"healthy", status(`"overall":"Success"`), "Healthy"},
		{"failed", status(`"overall":"Failure","message":"failed: dns"`), "Degraded"},
		{"error", status(`"overall":"Error"`), "Degraded"},
		{"pending", status(`"overall":"Pending"`), "Progressing"},
		{"unknown", status(`"overall":"Unknown"`), "Unknown"},
		{"success that ran out", fmt.Sprintf(ranOut, `"overall":"Success"`), "Unknown"},
		{"failure that ran out", fmt.Sprintf(ranOut, `"overall":"Failure"`), "Unknown"},
		{"suspended", `{"metadata":{"generation":2},"spec":{"suspend":true},"status":{"observedGeneration":2,"healthGeneration":2,"overall":"Unknown"}}`, "Suspended"},
		{"stalled", `{"metadata":{"generation":2},"spec":{},"status":{"observedGeneration":2,"conditions":[{"type":"Stalled","status":"True","message":"bad"}]}}`, "Degraded"},
		{"mended", `{"metadata":{"generation":3},"spec":{},"status":{"observedGeneration":2,"conditions":[{"type":"Stalled","status":"True","message":"bad"}]}}`, "Progressing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var object any
			if err := json.Unmarshal([]byte(tt.object), &object); err != nil {
				t.Fatal(err)
			}
			// Argo CD opens no libraries but these, and of the last only the times.
			state := lua.NewState(lua.Options{SkipOpenLibs: true})
			defer state.Close()
			for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenOs} {
				state.Push(state.NewFunction(open))
				state.Call(0, 0)
			}
			state.SetGlobal("obj", toLua(state, object))
			if err := state.DoString(string(script)); err != nil {
				t.Fatal(err)
			}
			got, ok := state.Get(-1).(*lua.LTable)
			if !ok || got.RawGetString("status").String() != tt.want {
				t.Errorf("status %v, want %s", got.RawGetString("status"), tt.want)
			}
		})
	}
}

func toLua(state *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case map[string]any:
		out := state.NewTable()
		for key, value := range v {
			out.RawSetString(key, toLua(state, value))
		}
		return out
	case []any:
		out := state.NewTable()
		for _, value := range v {
			out.Append(toLua(state, value))
		}
		return out
	case string:
		return lua.LString(v)
	case float64:
		return lua.LNumber(v)
	case bool:
		return lua.LBool(v)
	default:
		return lua.LNil
	}
}
