package operatorapp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// invoke runs the command line as a shell would.
func invoke(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return invokeWith(t, "", stdin, args...)
}

func invokeWith(t *testing.T, kubeconfigs, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Setenv("KUBECONFIG", kubeconfigs)
	var out, errOut bytes.Buffer
	code = run(t.Context(), args, streams{strings.NewReader(stdin), &out, &errOut})
	return code, out.String(), errOut.String()
}

func specFile(t *testing.T, checks string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "chs.yaml")
	text := "apiVersion: health.bodega.dev/v1alpha1\nkind: ClusterHealthSpec\nmetadata: {name: test}\nspec:\n  checks:\n" + checks
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheck(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer up.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := listener.Addr().String()
	listener.Close()

	good := fmt.Sprintf("  - {name: good, http: {url: %q}}\n", up.URL)
	bad := fmt.Sprintf("  - {name: bad, tcp: {address: %q}, dependsOn: []}\n", refused)
	cluster := "  - {name: pods, podStatus: {namespaces: [shop], selector: {matchLabels: {a: b}}}}\n"
	for _, tt := range []struct {
		name     string
		checks   string
		code     int
		overall  string
		statuses string
	}{
		{"healthy", good, 0, "Success", "good http Success"},
		{"failed", good + bad, 1, "Failure", "good http Success, bad tcp Failure"},
		{"error", good + cluster, 2, "Error", "good http Success, pods podStatus Error"},
		{"failure before error", bad + cluster, 1, "Failure", "bad tcp Failure, pods podStatus Error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := invoke(t, "", "check", "-f", specFile(t, tt.checks), "-o", "json")
			var report struct {
				Overall string `json:"overall"`
				Checks  []struct {
					Name, Type, Status, Message string
					DurationMS                  *int64 `json:"duration_ms"`
				} `json:"checks"`
			}
			decoder := json.NewDecoder(strings.NewReader(stdout))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&report); err != nil {
				t.Fatalf("%v in %s%s", err, stdout, stderr)
			}
			var statuses []string
			for _, c := range report.Checks {
				statuses = append(statuses, c.Name+" "+c.Type+" "+c.Status)
				if c.Message == "" || c.DurationMS == nil {
					t.Errorf("incomplete: %+v", c)
				}
			}
			if code != tt.code || report.Overall != tt.overall || strings.Join(statuses, ", ") != tt.statuses {
				t.Errorf("exit %d, overall %s, %v; want %d, %s, %s", code, report.Overall, statuses, tt.code, tt.overall, tt.statuses)
			}
		})
	}
}

func TestValidateOnly(t *testing.T) {
	code, _, stderr := invoke(t, "", "check", "-f", specFile(t, "  - {name: a, tcp: {address: \"h:1\"}}\n"), "--validate-only")
	if code != 0 {
		t.Errorf("a valid spec exits with %d: %s", code, stderr)
	}
	for _, tt := range []struct{ name, checks, want string }{
		{"bad pattern", "  - {name: a, http: {url: \"http://h\", bodyMatches: \"(\"}}\n", "spec.checks[0].http.bodyMatches"},
		{"misspelt field", "  - {name: a, htpp: {url: \"http://h\"}}\n", `unknown field "spec.checks[0].htpp"`},
		{"not YAML", "  - {name: [\n", "yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := specFile(t, tt.checks)
			code, _, stderr := invoke(t, "", "check", "-f", path, "--validate-only")
			if code != 2 || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, path) {
				t.Errorf("exit %d, %q; want 2, %q and the file", code, stderr, tt.want)
			}
			code, stdout, _ := invoke(t, "", "check", "-f", path, "--validate-only", "-o", "json")
			var answer struct {
				Valid    bool
				Problems []problem
			}
			if err := json.Unmarshal([]byte(stdout), &answer); err != nil || code != 2 || answer.Valid || len(answer.Problems) == 0 {
				t.Errorf("exit %d, %s: %v", code, stdout, err)
			}
		})
	}
}

// A spec that cannot be checked is an Error in the form of every other result.
func TestCheckInvalid(t *testing.T) {
	for _, path := range []string{specFile(t, "  - {name: a, tcp: {address: h}}\n"), filepath.Join(t.TempDir(), "absent.yaml")} {
		code, stdout, _ := invoke(t, "", "check", "-f", path, "-o", "json")
		var answer refusal
		if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
			t.Fatalf("%v in %s", err, stdout)
		}
		if code != 2 || answer.Overall != "Error" || answer.Checks == nil || len(answer.Problems) == 0 {
			t.Errorf("exit %d, %s", code, stdout)
		}
	}
}

// A kubeconfig that cannot be read is an Error in the same form, where a check
// asks for a cluster; one that KUBECONFIG lists and does not exist is left out,
// as kubectl does.
func TestCheckKubeconfig(t *testing.T) {
	pods := specFile(t, "  - {name: pods, podStatus: {namespaces: [shop], selector: {matchLabels: {a: b}}}}\n")
	outside := specFile(t, "  - {name: port, tcp: {address: \"127.0.0.1:1\"}}\n")
	absent := filepath.Join(t.TempDir(), "absent")
	refusing := kubeconfigFile(t, "{cluster: c, user: u}")
	for _, tt := range []struct {
		name, spec, flag, variable string
		code                       int
		want                       string
	}{
		{"absent", pods, absent, "", 2, "no such file"},
		{"not a kubeconfig", pods, pods, "", 2, "read kubeconfig"},
		{"empty", pods, "/dev/null", "", 2, "names no cluster"},
		{"outside probes need none", outside, absent, "", 1, "connection refused"},
		{"refusing", pods, refusing, "", 2, "the API server cannot be reached"},
		{"listed", pods, "", absent + string(filepath.ListSeparator) + refusing, 2, "the API server cannot be reached"},
		{"listed and absent", pods, "", absent, 2, "names no cluster"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"check", "-f", tt.spec, "-o", "json"}
			if tt.flag != "" {
				args = append(args, "--kubeconfig", tt.flag)
			}
			code, stdout, stderr := invokeWith(t, tt.variable, "", args...)
			var report refusal
			if err := json.Unmarshal([]byte(stdout), &report); err != nil {
				t.Fatalf("%v in %s%s", err, stdout, stderr)
			}
			if code != tt.code || report.Overall == "" || report.Checks == nil || !strings.Contains(stdout, tt.want) {
				t.Errorf("exit %d, %s; want %d, %q", code, stdout, tt.code, tt.want)
			}
		})
	}
}

// A failure in a maintenance window is shown, and counts as Pending.
func TestCheckInMaintenance(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chs.yaml")
	text := `apiVersion: health.bodega.dev/v1alpha1
kind: ClusterHealthSpec
metadata: {name: test}
spec:
  checks: [{name: down, tcp: {address: "127.0.0.1:1"}}]
  maintenanceWindows: [{name: always, start: "2000-01-01T00:00:00Z", end: "2999-01-01T00:00:00Z"}]
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := invoke(t, "", "check", "-f", path, "-o", "json")
	var report struct {
		Overall string
		Checks  []struct{ Status, Message string }
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v in %s%s", err, stdout, stderr)
	}
	if code != 2 || report.Overall != "Pending" || report.Checks[0].Status != "Failure" || !strings.Contains(report.Checks[0].Message, "window always") {
		t.Errorf("exit %d, %s", code, stdout)
	}
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"help", []string{"--help"}, 0, "Usage: bodega-operator"},
		{"choices", []string{"check", "--help"}, 0, "text,json"},
		{"nothing", nil, 2, "expected"},
		{"unknown flag", []string{"check", "--speed=fast"}, 2, "unknown flag"},
		{"no such file", []string{"check", "-f", "/no/such/file"}, 2, "/no/such/file"},
		{"nothing at once", []string{"check", "-f", "-", "--concurrency=0"}, 2, "at least 1"},
		{"bad output", []string{"check", "-f", "-", "-o", "xml"}, 2, "xml"},
		{"bad configuration", []string{"run", "--kubeconfig=/dev/null", "--lease-duration=1s"}, 2, "ascending"},
		{"bad network", []string{"run", "--kubeconfig=/dev/null", "--deny-cidr=10.0.0.1"}, 2, "deny-cidr"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := invoke(t, "", tt.args...)
			if code != tt.code || !strings.Contains(stdout+stderr, tt.want) {
				t.Errorf("exit %d, %s%s; want %d, %q", code, stdout, stderr, tt.code, tt.want)
			}
		})
	}
}

func TestRBAC(t *testing.T) {
	path := specFile(t, `  - {name: log, logGrep: {namespace: vault, selector: {matchLabels: {a: b}}, patterns: [x]}}
  - {name: run, podExec: {namespace: db, selector: {matchLabels: {a: b}}, command: [x]}}
  - {name: key, http: {url: "http://h", headers: [{name: A, valueFrom: {namespace: vault, name: token, key: k}}]}}
  - {name: node, resource: {apiVersion: v1, kind: Node}}
  - {name: keys, resource: {apiVersion: v1, kind: Secret, namespace: vault}}
  - {name: all-keys, resource: {apiVersion: v1, kind: Secret}}
`)
	code, stdout, stderr := invoke(t, "", "rbac", "-f", path, "--opt-in", "vault")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, want := range []string{"pods/log", "resourceNames:\n  - token", "kind: ClusterRole\n", "- nodes"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
	if strings.Count(stdout, "  - secrets\n") != 1 || strings.Count(stderr, "secrets are granted by name only: list secrets") != 2 {
		t.Errorf("secrets are granted without a name: %s\n%s", stdout, stderr)
	}
	if strings.Contains(stdout, "pods/exec") || !strings.Contains(stderr, "left out, since db is not opted in: create pods/exec") {
		t.Errorf("commands are granted where nobody opted in: %s\n%s", stderr, stdout)
	}
}

// Without a cluster, resource names are guessed as kinds' authors form them.
func TestRBACGuesses(t *testing.T) {
	for kind, want := range map[string]string{
		"Gateway": "gateways", "NetworkPolicy": "networkpolicies", "IngressClass": "ingressclasses", "Endpoints": "endpoints",
		"Mailbox": "mailboxes", "ServiceMesh": "servicemeshes", "Application": "applications",
	} {
		path := specFile(t, fmt.Sprintf("  - {name: a, resource: {apiVersion: example.com/v1, kind: %s}}\n", kind))
		code, stdout, stderr := invoke(t, "", "rbac", "-f", path)
		if code != 0 || !strings.Contains(stdout, "  - "+want+"\n") {
			t.Errorf("%s: exit %d, want %s in\n%s%s", kind, code, want, stdout, stderr)
		}
	}
}

// The operator runs in every cluster. What it must not link, and why.
var banned = map[string]string{
	"go.temporal.io/":                            "the workflow engine is the back office's; checks are short and their state is in the API server",
	"github.com/jackc/pgx":                       "the operator has no database: a cluster's health must not depend on one",
	"github.com/bodega-hq/bodega/console":        "the console is served by the main binary",
	"github.com/pressly/goose":                   "nothing to migrate",
	"gocloud.dev/":                               "clients of every cloud's storage would double the binary",
	"github.com/aws/":                            "clients of every cloud would double the binary",
	"github.com/twmb/franz-go":                   "the operator writes no events but Kubernetes'",
	"modernc.org/":                               "the operator has no database",
	"sigs.k8s.io/controller-runtime/pkg/envtest": "a control plane for tests belongs into tests",
	"k8s.io/kubernetes":                          "the operator asks an API server and is none",
	"github.com/yuin/gopher-lua":                 "Argo CD runs the health script; here only its test does",
	"connectrpc.com/":                            "the operator serves metrics, health and its webhook, and no API of its own",
}

func TestDependencies(t *testing.T) {
	_, file, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..")
	cmd := exec.CommandContext(context.Background(), "go", "list", "-deps", "./cmd/bodega-operator")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.FieldsSeq(string(out)) {
		for prefix, reason := range banned {
			if strings.HasPrefix(dep, prefix) {
				t.Errorf("the operator links %s, but: %s", dep, reason)
			}
		}
		if strings.HasPrefix(dep, "github.com/bodega-hq/bodega/internal/") {
			allowed := false
			for _, own := range []string{"clusterhealth", "operatorapp", "platform/probe"} {
				allowed = allowed || strings.HasPrefix(dep, "github.com/bodega-hq/bodega/internal/"+own)
			}
			if !allowed {
				t.Errorf("the operator links %s, which belongs to another system", dep)
			}
		}
	}
}

// The namespace of the lease is that of the kubeconfig, so that the operator
// runs against any cluster without being told.
func TestClusterNamespace(t *testing.T) {
	t.Setenv("KUBECONFIG", "")
	for name, tt := range map[string]struct{ context, want string }{
		"named":   {"{cluster: c, user: u, namespace: tools}", "tools"},
		"unnamed": {"{cluster: c, user: u}", "default"},
	} {
		path := kubeconfigFile(t, tt.context)
		if got, err := clusterNamespace(path); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tt.want)
		}
		t.Setenv("KUBECONFIG", path)
		if got, err := clusterNamespace(""); err != nil || got != tt.want {
			t.Errorf("%s by KUBECONFIG: %q, %v; want %q", name, got, err, tt.want)
		}
		t.Setenv("KUBECONFIG", "")
	}
}

// kubeconfigFile is a kubeconfig whose context is given and whose API server
// refuses connections.
func kubeconfigFile(t *testing.T, context string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\ncurrent-context: x\nclusters: [{name: c, cluster: {server: \"https://127.0.0.1:1\"}}]\n" +
		"users: [{name: u, user: {token: t}}]\ncontexts: [{name: x, context: " + context + "}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
