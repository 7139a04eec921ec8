package check

import (
	"strings"
	"testing"
)

func TestParseSpecs(t *testing.T) {
	const head = "apiVersion: health.bodega.dev/v1alpha1\nkind: ClusterHealthSpec\nmetadata: {name: a}\n"
	for _, tt := range []struct {
		name, text string
		specs      int
		want       string
	}{
		{"one", head + "spec: {checks: []}\n", 1, ""},
		{"two", head + "---\n" + head, 2, ""},
		{"comments", "# nothing\n---\n" + head, 1, ""},
		{"empty", "", 0, "holds no ClusterHealthSpec"},
		{"another kind", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n", 0, "document 1: is a Pod of v1"},
		{"another kind with fields of its own", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n", 0, "document 1: is a ConfigMap of v1"},
		{"after another kind", "apiVersion: v1\nkind: Namespace\n---\n" + head, 0, "document 1: is a Namespace of v1"},
		{"no kind", "a: b\n", 0, "lacks apiVersion or kind"},
		{"a word", "hello\n", 0, "is no Kubernetes object"},
		{"a list", "[1, 2]\n", 0, "is no Kubernetes object"},
		{"Windows line ends", strings.ReplaceAll(head+"---\n"+head, "\n", "\r\n"), 2, ""},
		{"byte order mark", "\ufeff" + head, 1, ""},
		{"JSON", `{"apiVersion": "health.bodega.dev/v1alpha1", "kind": "ClusterHealthSpec", "metadata": {"name": "a"}}`, 1, ""},
		{"number for text", head + "spec: {checks: [{name: a, tcp: {address: 12}}]}\n", 0, "spec.checks[0].tcp.address: found number, want a text in quotes"},
		{"text for a number", head + "spec: {checks: [{name: a, http: {url: x, expectedStatus: [ok]}}]}\n", 0, "spec.checks[0].http.expectedStatus: found string, want a whole number"},
		{"number for a list", head + "spec: {checks: [{name: a, http: {url: x, expectedStatus: 200}}]}\n", 0, "spec.checks[0].http.expectedStatus: found number, want a list"},
		{"text for a check", head + "spec: {checks: [{name: a, tcp: here}]}\n", 0, "spec.checks[0].tcp: found string, want fields of its own"},
		{"duration without a unit", head + "spec: {checks: [{name: a, timeout: 5}]}\n", 0, "spec.checks[0].timeout: found number, want a text in quotes"},
		{"boolean value", head + "spec: {checks: [{name: z}, {name: a, resource: {conditions: [{value: true}]}}]}\n", 0, "spec.checks[1].resource.conditions.value: found bool, want a text in quotes"},
		{"unknown field", head + "spec: {cheks: []}\n", 0, `unknown field "spec.cheks"`},
		{"key twice", head + "spec: {interval: 1s, interval: 2s}\n", 0, `key "interval" already set`},
		{"bad duration", head + "spec: {interval: soon}\n", 0, "spec: time: invalid duration"},
		{"bad duration of a check", head + "spec: {checks: [{name: a, timeout: soon}]}\n", 0, "spec.checks[0]: time: invalid duration"},
		{"large value", head + "spec: {checks: [{name: a, resource: {conditions: [{value: 3000000000, values: [1, x]}]}}]}\n", 1, ""},
		{"fraction", head + "spec: {checks: [{name: a, resource: {conditions: [{values: [0.5]}]}}]}\n", 0, "spec.checks[0]: 0.5 is no whole number; write it in quotes"},
		{"checks that are no list", head + "spec: {checks: {a: b}}\n", 0, "spec.checks: found object, want a list"},
		{"not YAML", head + "spec: {\n", 0, "document 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			specs, err := ParseSpecs([]byte(tt.text))
			if len(specs) != tt.specs || (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%d specs, %v; want %d, %q", len(specs), err, tt.specs, tt.want)
			}
		})
	}
}

// FuzzParseSpecs: whatever a file holds, it is parsed and judged, or refused.
func FuzzParseSpecs(f *testing.F) {
	f.Add([]byte("apiVersion: health.bodega.dev/v1alpha1\nkind: ClusterHealthSpec\nmetadata: {name: a}\nspec: {checks: [{name: a, tcp: {address: \"h:1\"}}]}\n"))
	f.Add([]byte("---\n---\n- a\n"))
	f.Add([]byte("{\"kind\": 1}"))
	const head = "apiVersion: health.bodega.dev/v1alpha1\nkind: ClusterHealthSpec\nmetadata: {name: a}\nspec: "
	for _, spec := range []string{
		`{checks: [{name: a, http: {url: "http://h", bodyMatches: "(a|b)*"}}]}`,
		`{checks: [{name: a, resource: {apiVersion: v1, kind: Node, conditions: [{jsonPath: "{.a[?(@.b)]}", operator: In, values: [1, x]}]}}]}`,
		`{checks: [{name: a, logGrep: {namespace: n1, selector: {matchLabels: {a: b}}, patterns: [x]}}], maintenanceWindows: [{name: w, schedule: "0 4 * * *", duration: 1h}]}`,
	} {
		f.Add([]byte(head + spec + "\n"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		specs, err := ParseSpecs(text)
		if err != nil {
			return
		}
		for i := range specs {
			Validate(specs[i].Name, &specs[i].Spec)
		}
	})
}
