package clusterhealth_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth"
)

// TestCheckCommand runs the checks of a spec once against the API server, as a
// pipeline does before it goes on.
func TestCheckCommand(t *testing.T) {
	namespace(t, "command")
	pod(t, "command", "web-1", map[string]string{"app": "web"})
	server := newTarget(t)
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(t.TempDir(), "kubeconfig")
	config, err := clientcmd.LoadFromFile(cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range config.Clusters {
		c.Server = "https://" + closedPort(t)
	}
	if err := clientcmd.WriteToFile(*config, nowhere); err != nil {
		t.Fatal(err)
	}

	outside := fmt.Sprintf("  - {name: web, http: {url: %q}}\n", server.URL)
	pods := "  - {name: pods, podStatus: {namespaces: [command], selector: {matchLabels: {app: web}}, gracePeriod: 0s}}\n"
	absent := "  - {name: absent, resource: {apiVersion: v1, kind: ConfigMap, namespace: command, name: absent}}\n"
	young := "  - {name: young, podStatus: {namespaces: [command], selector: {matchLabels: {app: web}}, minReady: 2, gracePeriod: 1h}}\n"
	exec1 := "  - {name: run, podExec: {namespace: command, pod: web-1, command: [sh, -c, \"exit 3\"], expectedExitCode: 3}}\n"
	for _, tt := range []struct {
		name       string
		checks     string
		kubeconfig string
		code       int
		overall    health.Result
		statuses   string
		message    string
	}{
		{"healthy", outside + pods + exec1, cluster.Kubeconfig, 0, health.Success, "Success Success Success", ""},
		{"failed", outside + absent, cluster.Kubeconfig, 1, health.Failure, "Success Failure", "does not exist"},
		{"missing pods", young, cluster.Kubeconfig, 1, health.Failure, "Failure", "1 missing"},
		{"no API server", outside + pods, nowhere, 2, health.Error, "Success Error", "cannot be reached"},
		{"outside probes ask no API server", outside, nowhere, 0, health.Success, "Success", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "chs.yaml")
			text := "apiVersion: health.bodega.dev/v1alpha1\nkind: ClusterHealthSpec\nmetadata: {name: command}\nspec:\n  checks:\n" + tt.checks
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			report, code := checkCommand(t, path, "-f", file, "--kubeconfig", tt.kubeconfig)
			var statuses, messages []string
			for _, c := range report.Checks {
				statuses, messages = append(statuses, string(c.Status)), append(messages, c.Message)
			}
			if code != tt.code || report.Overall != tt.overall || strings.Join(statuses, " ") != tt.statuses || !strings.Contains(strings.Join(messages, "\n"), tt.message) {
				t.Errorf("exit %d, %+v; want %d, %s, %s, %q", code, report, tt.code, tt.overall, tt.statuses, tt.message)
			}
		})
	}
}

func checkCommand(t *testing.T, path string, args ...string) (clusterhealth.Report, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, append([]string{"check", "-o", "json"}, args...)...)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var report clusterhealth.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatalf("%v in %s%s", err, out.String(), errOut.String())
	}
	return report, cmd.ProcessState.ExitCode()
}
