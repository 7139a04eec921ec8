package check

import (
	"encoding/json"
	"strings"
	"testing"

	sigsyaml "sigs.k8s.io/yaml"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

const object = `
metadata: {name: web, labels: {tier: front}}
spec: {replicas: 3, paused: false, ratio: 0.5, memory: 512Mi, empty: "", none: [], zones: [a, b], ports: [{port: 80}, {port: 443}]}
status:
  phase: Running
  conditions: [{type: Ready, status: "True"}, {type: Synced, status: "False"}]
`

func TestConditions(t *testing.T) {
	var o map[string]any
	if err := sigsyaml.Unmarshal([]byte(object), &o); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		condition string
		want      bool
	}{
		{`{jsonPath: "{.status.phase}", operator: Equals, value: Running}`, true},
		{`{jsonPath: "{.status.phase}", operator: Equals, value: Run}`, false},
		{`{jsonPath: "{.status.phase}", operator: NotEquals, value: Failed}`, true},
		{`{jsonPath: "{.spec.replicas}", operator: Equals, value: 3}`, true},
		{`{jsonPath: "{.spec.replicas}", operator: Equals, value: "3"}`, true},
		{`{jsonPath: "{.spec.paused}", operator: Equals, value: "false"}`, true},
		{`{jsonPath: "{.spec.replicas}", operator: GreaterThan, value: 2}`, true},
		{`{jsonPath: "{.spec.replicas}", operator: GreaterThan, value: 3}`, false},
		{`{jsonPath: "{.spec.replicas}", operator: GreaterThanOrEqual, value: 3}`, true},
		{`{jsonPath: "{.spec.ratio}", operator: LessThan, value: "0.6"}`, true},
		{`{jsonPath: "{.spec.ratio}", operator: LessThanOrEqual, value: "0.4"}`, false},
		{`{jsonPath: "{.spec.memory}", operator: LessThan, value: 1Gi}`, true},
		{`{jsonPath: "{.spec.memory}", operator: LessThan, value: 3000000000}`, true},
		{`{jsonPath: "{.spec.replicas}", operator: In, values: [3, 3000000000]}`, true},
		{`{jsonPath: "{.status.phase}", operator: GreaterThan, value: 2}`, false},
		{`{jsonPath: "{.status.phase}", operator: RegexMatch, value: "^Run"}`, true},
		{`{jsonPath: "{.status.phase}", operator: NotRegexMatch, value: "^Run"}`, false},
		{`{jsonPath: "{.spec.zones}", operator: ListContains, value: b}`, true},
		{`{jsonPath: "{.spec.zones[*]}", operator: ListContains, value: b}`, true},
		{`{jsonPath: "{.spec.zones}", operator: ListContains, value: c}`, false},
		{`{jsonPath: "{.spec.zones}", operator: NotListContains, value: c}`, true},
		{`{jsonPath: "{.spec.ports[*].port}", operator: ListContains, value: 443}`, true},
		{`{jsonPath: "{.spec.ports[*].port}", operator: GreaterThan, value: 100}`, false},
		{`{jsonPath: "{.spec.ports[*].port}", operator: GreaterThan, value: 79}`, true},
		{`{jsonPath: "{.status.phase}", operator: In, values: [Pending, Running]}`, true},
		{`{jsonPath: "{.status.phase}", operator: NotIn, values: [Pending, Running]}`, false},
		{`{jsonPath: "{.metadata.labels.tier}", operator: Exists}`, true},
		{`{jsonPath: "{.metadata.labels.none}", operator: Exists}`, false},
		{`{jsonPath: "{.metadata.labels.none}", operator: NotExists}`, true},
		{`{jsonPath: "{.spec.empty}", operator: Empty}`, true},
		{`{jsonPath: "{.spec.none}", operator: Empty}`, true},
		{`{jsonPath: "{.spec.gone}", operator: Empty}`, true},
		{`{jsonPath: "{.spec.zones}", operator: NotEmpty}`, true},
		{`{jsonPath: "{.spec.gone}", operator: Equals, value: x}`, false},
		{`{jsonPath: "{.spec.gone}", operator: NotEquals, value: x}`, false},
		{`{jsonPath: "{.spec.zones[1]}", operator: Equals, value: b}`, true},
		{`{jsonPath: "{.spec.zones[-1]}", operator: Equals, value: b}`, true},
		{`{jsonPath: "{.spec.zones[2]}", operator: Equals, value: b}`, false},
		{`{jsonPath: "{.spec.zones[2]}", operator: NotExists}`, true},
		{`{jsonPath: "{..port}", operator: ListContains, value: 443}`, true},
		{`{jsonPath: "{.spec['replicas','ratio']}", operator: GreaterThan, value: 0}`, true},
		{`{jsonPath: '{.status.conditions[?(@.type=="Ready")].status}', operator: Equals, value: "True"}`, true},
		{`{jsonPath: '{.status.conditions[?(@.type=="Synced")].status}', operator: Equals, value: "True"}`, false},
		{`{jsonPath: '{.status.conditions[?(@.type=="None")].status}', operator: Equals, value: "True"}`, false},
	} {
		var c health.FieldCondition
		if err := sigsyaml.UnmarshalStrict([]byte(tt.condition), &c); err != nil {
			t.Fatal(err)
		}
		compiled, err := compileCondition(&c)
		if err != nil {
			t.Errorf("%s: %v", tt.condition, err)
			continue
		}
		holds, why, err := compiled.holds(t.Context(), o)
		if err != nil || holds != tt.want {
			t.Errorf("%s: %v, %q, %v; want %v", tt.condition, holds, why, err, tt.want)
		}
		if !holds && !strings.Contains(why, c.JSONPath) {
			t.Errorf("%s: %q does not say where", tt.condition, why)
		}
	}
}

// Paths whose results multiply are refused: evaluation cannot be stopped.
func TestExplodingPaths(t *testing.T) {
	for _, path := range []string{
		"{" + strings.Repeat("..*", 100) + "}",
		"{..a..b}",
		"{.a[?(@..b==1)]..c}",
		"{" + strings.Repeat(".spec['a','a','a']", 25) + "}",
		"{" + strings.Repeat("['a','b','c','d','e','f','g','h','i']", 2) + "}",
		"{range .a[*]}{.b}{end}",
		"{.a}{.b}",
		"{.a} and {.b}",
	} {
		_, err := compileCondition(&health.FieldCondition{JSONPath: path, Operator: health.Exists})
		if err == nil || !strings.Contains(err.Error(), "jsonPath: ") {
			t.Errorf("%.60s: %v", path, err)
		}
	}
}

// FuzzCondition: no path, operator or object makes a condition panic.
func FuzzCondition(f *testing.F) {
	f.Add(`{.status.phase}`, "Equals", "Running", `{"status":{"phase":"Running"}}`)
	f.Add(`{.a[?(@.b==1)].c}`, "GreaterThan", "1", `{"a":[{"b":1,"c":2}]}`)
	f.Add(`{.a[-1:]}`, "ListContains", "1e999999999", `{"a":[1]}`)
	f.Add(`{range .a[*]}{.b}{end}`, "RegexMatch", "(", `{"a":null}`)
	f.Fuzz(func(t *testing.T, path, operator, value, text string) {
		var o map[string]any
		if json.Unmarshal([]byte(text), &o) != nil {
			return
		}
		v := health.Scalar(value)
		c, err := compileCondition(&health.FieldCondition{JSONPath: path, Operator: health.Operator(operator), Value: &v})
		if err != nil {
			return
		}
		// An error is an answer; a panic is caught by Do, and is none here.
		_, _, _ = c.holds(t.Context(), o)
	})
}
