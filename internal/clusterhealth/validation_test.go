package clusterhealth_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	sigsyaml "sigs.k8s.io/yaml"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
	"github.com/bodega-hq/bodega/internal/clusterhealth/kubetest"
)

// Specs that are wrong in one way each. The API server refuses those marked so
// by its schema and CEL rules alone; the others are for the webhook. Validate
// refuses every one, so that a spec can be judged without a cluster.
var invalidSpecs = []struct {
	name string
	spec string
	cel  bool
}{
	{"no checks", `checks: []`, true},
	{"no type", `checks: [{name: a}]`, true},
	{"two types", `checks: [{name: a, tcp: {address: "h:1"}, dns: {name: h}}]`, true},
	{"same name twice", `checks: [{name: a, tcp: {address: "h:1"}}, {name: a, tcp: {address: "h:2"}}]`, true},
	{"no name", `checks: [{tcp: {address: "h:1"}}]`, true},
	{"name with capitals", `checks: [{name: Abc, tcp: {address: "h:1"}}]`, true},
	{"name with a dot", `checks: [{name: a.b, tcp: {address: "h:1"}}]`, true},
	{"interval too short", `{interval: 10ms, checks: [{name: a, tcp: {address: "h:1"}}]}`, true},
	{"interval too long", `{interval: 25h, checks: [{name: a, tcp: {address: "h:1"}}]}`, true},
	{"timeout above interval", `checks: [{name: a, interval: 5s, timeout: 6s, tcp: {address: "h:1"}}]`, true},
	{"timeout above the spec's interval", `{interval: 5s, checks: [{name: a, timeout: 6s, tcp: {address: "h:1"}}]}`, false},
	{"threshold above window", `checks: [{name: a, failureThreshold: 4, failureWindow: 3, tcp: {address: "h:1"}}]`, true},
	{"threshold of none", `checks: [{name: a, failureThreshold: 0, tcp: {address: "h:1"}}]`, true},
	{"depends on itself", `checks: [{name: a, dependsOn: [a], tcp: {address: "h:1"}}]`, true},
	{"depends on nobody", `checks: [{name: a, dependsOn: [b], tcp: {address: "h:1"}}]`, false},
	{"depends in a circle", `checks: [{name: a, dependsOn: [b], tcp: {address: "h:1"}}, {name: b, dependsOn: [a], tcp: {address: "h:1"}}]`, false},
	{"no URL", `checks: [{name: a, http: {url: ""}}]`, true},
	{"relative URL", `checks: [{name: a, http: {url: "/healthz"}}]`, true},
	{"other scheme", `checks: [{name: a, http: {url: "file:///etc/passwd"}}]`, true},
	{"password in URL", `checks: [{name: a, http: {url: "http://u:p@h/"}}]`, false},
	{"port of a URL out of range", `checks: [{name: a, http: {url: "http://h:99999/"}}]`, false},
	{"unknown method", `checks: [{name: a, http: {url: "http://h", method: BREW}}]`, true},
	{"body with GET", `checks: [{name: a, http: {url: "http://h", body: x}}]`, true},
	{"impossible status", `checks: [{name: a, http: {url: "http://h", expectedStatus: [99]}}]`, true},
	{"header without a value", `checks: [{name: a, http: {url: "http://h", headers: [{name: X}]}}]`, true},
	{"header with two values", `checks: [{name: a, http: {url: "http://h", headers: [{name: X, value: v, valueFrom: {namespace: shop, name: s1, key: k1}}]}}]`, true},
	{"header with a line break", `checks: [{name: a, http: {url: "http://h", headers: [{name: X, value: "a\r\nb: c"}]}}]`, false},
	{"bad pattern", `checks: [{name: a, http: {url: "http://h", bodyMatches: "("}}]`, false},
	{"exploding pattern", `checks: [{name: a, http: {url: "http://h", bodyMatches: "((a{100}){100}){100}"}}]`, false},
	{"pattern that expands", `checks: [{name: a, http: {url: "http://h", bodyMatches: "(.{0,10}){100}x"}}]`, false},
	{"log pattern that expands", `checks: [{name: a, logGrep: {namespace: shop, selector: {matchLabels: {a: b}}, patterns: ["(a?b?c?){500}d"]}}]`, false},
	{"long pattern", `checks: [{name: a, http: {url: "http://h", bodyMatches: "` + strings.Repeat("a", 513) + `"}}]`, true},
	{"bad CA", `checks: [{name: a, http: {url: "https://h", tls: {caBundle: nonsense}}}]`, false},
	{"address without port", `checks: [{name: a, grpc: {address: orders}}]`, true},
	{"port out of range", `checks: [{name: a, tcp: {address: "h:70000"}}]`, false},
	{"empty selector", `checks: [{name: a, podStatus: {namespaces: [shop], selector: {}}}]`, true},
	{"selector and workload", `checks: [{name: a, podStatus: {namespaces: [shop], selector: {matchLabels: {a: b}}, workload: {kind: Deployment, name: d}}}]`, true},
	{"workload in two namespaces", `checks: [{name: a, podStatus: {namespaces: [shop, mall], workload: {kind: Deployment, name: d}}}]`, true},
	{"unknown workload kind", `checks: [{name: a, podStatus: {namespaces: [shop], workload: {kind: CronJob, name: d}}}]`, true},
	{"bad label", `checks: [{name: a, podStatus: {namespaces: [shop], selector: {matchLabels: {"a b": c}}}}]`, false},
	{"bad expression", `checks: [{name: a, podStatus: {namespaces: [shop], selector: {matchExpressions: [{key: a, operator: Near}]}}}]`, false},
	{"no patterns", `checks: [{name: a, logGrep: {namespace: shop, selector: {matchLabels: {a: b}}, patterns: []}}]`, true},
	{"empty pattern", `checks: [{name: a, logGrep: {namespace: shop, selector: {matchLabels: {a: b}}, patterns: [""]}}]`, true},
	{"bad log pattern", `checks: [{name: a, logGrep: {namespace: shop, selector: {matchLabels: {a: b}}, patterns: ["["]}}]`, false},
	{"threshold out of range", `checks: [{name: a, logGrep: {namespace: shop, selector: {matchLabels: {a: b}}, patterns: [x], threshold: 1001}}]`, true},
	{"JSONPath without braces", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: .status.phase, operator: Exists}]}}]`, false},
	{"bad JSONPath", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{.a[}", operator: Exists}]}}]`, false},
	{"JSONPath that explodes", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{..*..*..*}", operator: Exists}]}}]`, false},
	{"JSONPath that is a template", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{range .a[*]}{.b}{end}", operator: Exists}]}}]`, false},
	{"pattern that expands in a condition", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{.a}", operator: RegexMatch, value: "(.{0,10}){100}x"}]}}]`, false},
	{"unknown operator", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{.a}", operator: Resembles, value: x}]}}]`, true},
	{"Exists with a value", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{.a}", operator: Exists, value: x}]}}]`, true},
	{"Equals without a value", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{.a}", operator: Equals}]}}]`, true},
	{"In with a value", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{.a}", operator: In, value: x}]}}]`, true},
	{"greater than a word", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{.a}", operator: GreaterThan, value: many}]}}]`, false},
	{"bad pattern in a condition", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{.a}", operator: RegexMatch, value: "("}]}}]`, false},
	{"name and selector", `checks: [{name: a, resource: {apiVersion: v1, kind: Node, name: node1, selector: {matchLabels: {a: b}}}}]`, true},
	{"bad apiVersion", `checks: [{name: a, resource: {apiVersion: a/b/c, kind: Node}}]`, false},
	{"no command", `checks: [{name: a, podExec: {namespace: shop, pod: p, command: []}}]`, true},
	{"pod and selector", `checks: [{name: a, podExec: {namespace: shop, pod: p, selector: {matchLabels: {a: b}}, command: [x]}}]`, true},
	{"impossible exit code", `checks: [{name: a, podExec: {namespace: shop, pod: p, command: [x], expectedExitCode: 256}}]`, true},
	{"unknown record", `checks: [{name: a, dns: {name: h, recordType: HINFO}}]`, true},
	{"window of nothing", `{checks: [{name: a, tcp: {address: "h:1"}}], maintenanceWindows: [{name: w}]}`, true},
	{"window that ends before it starts", `{checks: [{name: a, tcp: {address: "h:1"}}], maintenanceWindows: [{name: w, start: "2026-01-02T00:00:00Z", end: "2026-01-01T00:00:00Z"}]}`, true},
	{"bad schedule", `{checks: [{name: a, tcp: {address: "h:1"}}], maintenanceWindows: [{name: w, schedule: "often", duration: 1h}]}`, false},
	{"schedule that panics parsers", `{checks: [{name: a, tcp: {address: "h:1"}}], maintenanceWindows: [{name: w, schedule: "TZ=", duration: 1h}]}`, false},
	{"unknown zone", `{checks: [{name: a, tcp: {address: "h:1"}}], maintenanceWindows: [{name: w, schedule: "0 4 * * *", timeZone: Mars/Base, duration: 1h}]}`, false},
	{"window of an unknown check", `{checks: [{name: a, tcp: {address: "h:1"}}], maintenanceWindows: [{name: w, schedule: "0 4 * * *", duration: 1h, checks: [b]}]}`, false},
}

func TestInvalidSpecs(t *testing.T) {
	for _, tt := range invalidSpecs {
		t.Run(tt.name, func(t *testing.T) {
			errs := check.Validate("invalid", &parseSpec(t, "invalid", tt.spec).Spec)
			if len(errs) == 0 {
				t.Error("Validate finds nothing wrong")
			}
			for _, err := range errs {
				if err.Field == "" {
					t.Errorf("%v does not say where", err)
				}
			}
			// As the author wrote it, since a typed client would drop what is empty.
			object := &unstructured.Unstructured{Object: map[string]any{}}
			var body map[string]any
			if err := sigsyaml.Unmarshal([]byte(tt.spec), &body); err != nil {
				t.Fatal(err)
			}
			object.SetGroupVersionKind(health.GroupVersion.WithKind("ClusterHealthSpec"))
			object.SetName("invalid")
			object.Object["spec"] = body
			err := cluster.Client.Create(t.Context(), object, client.DryRunAll)
			if tt.cel != (err != nil) {
				t.Errorf("the API server says %v, want a refusal: %v", err, tt.cel)
			}
		})
	}
}

// What is valid is valid to both.
func TestSamples(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(kubetest.Root(), "deploy", "operator", "samples", "*.yaml"))
	if err != nil || len(files) < 4 {
		t.Fatalf("samples: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			specs, err := check.ParseSpecs(text)
			if err != nil {
				t.Fatal(err)
			}
			for i := range specs {
				if errs := check.Validate(specs[i].Name, &specs[i].Spec); len(errs) > 0 {
					t.Errorf("%s: %v", specs[i].Name, errs)
				}
				if err := cluster.Client.Create(t.Context(), &specs[i], client.DryRunAll); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// As many checks as a spec may hold are stored, run, and summed up within
// bounds; one more is refused.
func TestFiveHundredChecks(t *testing.T) {
	server := newTarget(t)
	refusing := closedPort(t)
	spec := &health.ClusterHealthSpec{ObjectMeta: metav1.ObjectMeta{Name: "many"}}
	spec.Spec.Interval = &metav1.Duration{Duration: 10e9}
	for i := range 500 {
		c := health.Check{Name: fmt.Sprintf("c-%03d", i), HTTP: &health.HTTPCheck{URL: server.URL}}
		if i%10 == 0 {
			c.HTTP.URL = "http://" + refusing
		}
		spec.Spec.Checks = append(spec.Spec.Checks, c)
	}
	more := spec.DeepCopy()
	more.Name = "too-many"
	more.Spec.Checks = append(more.Spec.Checks, health.Check{Name: "one-more", TCP: &health.TCPCheck{Address: "h:1"}})
	if err := cluster.Client.Create(t.Context(), more, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "must have at most 500 items") {
		t.Errorf("501 checks: %v", err)
	}
	operate(t, testConfig())
	create(t, spec)
	got := awaitSpec(t, "many", func(s *health.ClusterHealthSpec) bool {
		return s.Status.Counts != nil && s.Status.Counts.Success == 450 && s.Status.Counts.Failure == 50
	})
	if got.Status.Overall != health.Failure || len(got.Status.Culprits) != 10 || !strings.Contains(got.Status.Message, "40 more") {
		t.Errorf("status: %+v", got.Status)
	}
	if n := len(checksOf(t, "many")); n != 500 {
		t.Errorf("%d checks, want 500", n)
	}
}

// What the API server stores, the operator decodes: one object that it cannot
// would keep it from seeing any.
func TestWhatIsStoredDecodes(t *testing.T) {
	const condition = `checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{.a}", operator: %s}]}}]`
	const window = `{checks: [{name: a, tcp: {address: "h:1"}}], maintenanceWindows: [{name: w, start: %q, end: "2027-01-01T00:00:00Z"}]}`
	stored := 0
	for name, text := range map[string]string{
		"large value":      fmt.Sprintf(condition, "GreaterThan, value: 3000000000"),
		"small value":      fmt.Sprintf(condition, "GreaterThan, value: -3000000000"),
		"fraction":         fmt.Sprintf(condition, "GreaterThan, value: 0.5"),
		"boolean":          fmt.Sprintf(condition, "Equals, value: true"),
		"large values":     fmt.Sprintf(condition, "In, values: [1, 3000000000]"),
		"largest value":    fmt.Sprintf(condition, "In, values: [2147483647, -2147483648, 3000000000x]"),
		"many ready":       `checks: [{name: a, podStatus: {namespaces: [n], selector: {matchLabels: {a: b}}, minReady: 3000000000}}]`,
		"many objects":     `checks: [{name: a, resource: {apiVersion: v1, kind: Node, minCount: 3000000000}}]`,
		"long threshold":   `checks: [{name: a, failureThreshold: 3000000000, tcp: {address: "h:1"}}]`,
		"duration of days": `checks: [{name: a, interval: 1d, tcp: {address: "h:1"}}]`,
		"bare duration":    `checks: [{name: a, interval: "0", tcp: {address: "h:1"}}]`,
		"lower-case time":  fmt.Sprintf(window, "2026-01-01t00:00:00z"),
		"no such zone":     fmt.Sprintf(window, "2026-01-01T00:00:00+99:99"),
		"local time":       fmt.Sprintf(window, "2026-01-01T00:00:00"),
		"odd fraction":     fmt.Sprintf(window, "2026-01-01T00:00:00x5Z"),
	} {
		t.Run(name, func(t *testing.T) {
			var body map[string]any
			if err := sigsyaml.Unmarshal([]byte(text), &body); err != nil {
				t.Fatal(err)
			}
			object := &unstructured.Unstructured{Object: map[string]any{"spec": body}}
			object.SetGroupVersionKind(health.GroupVersion.WithKind("ClusterHealthSpec"))
			object.SetName("decodes")
			if err := cluster.Client.Create(t.Context(), object, client.DryRunAll); err != nil {
				t.Logf("refused: %.200s", err)
				return
			}
			stored++
			text, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			var spec health.ClusterHealthSpec
			if err := json.Unmarshal(text, &spec); err != nil {
				t.Errorf("is stored, and does not decode: %v", err)
			}
		})
	}
	if stored < 4 {
		t.Errorf("%d of these are stored, want the whole numbers at least", stored)
	}
}
