package clusterhealth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/admission"
	"github.com/bodega-hq/bodega/internal/clusterhealth/kubetest"
)

const operatorNamespace = "bodega-operator"

// render renders the chart with more values.
func render(t *testing.T, values ...string) []*unstructured.Unstructured {
	t.Helper()
	assets, err := kubetest.Assets()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"template", "test", filepath.Join(kubetest.Root(), "deploy", "operator", "chart"), "--namespace", operatorNamespace, "--include-crds"}
	for _, v := range values {
		args = append(args, "--set-json", v)
	}
	out, err := exec.Command(filepath.Join(assets, "helm"), args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("render the chart: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	return decode(t, out)
}

func decode(t *testing.T, text []byte) []*unstructured.Unstructured {
	t.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// install applies the objects and removes what would disturb other tests.
func install(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	for _, object := range objects {
		if err := cluster.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("install"), client.ForceOwnership); err != nil {
			t.Fatalf("apply %s %s: %v", object.GetKind(), object.GetName(), err)
		}
		if object.GetKind() == "ValidatingWebhookConfiguration" {
			t.Cleanup(func() {
				if err := cluster.Client.Delete(context.Background(), object); client.IgnoreNotFound(err) != nil {
					t.Error(err)
				}
			})
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// routeWebhook makes the API server reach the webhook's service on a port of
// this machine, which a cluster's network does in a real one.
func routeWebhook(t *testing.T, port int) {
	t.Helper()
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "bodega-operator-webhook"}}
	if err := client.IgnoreNotFound(cluster.Client.Delete(t.Context(), service)); err != nil {
		t.Fatal(err)
	}
	service = &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "bodega-operator-webhook"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "127.0.0.1"},
	}
	if err := cluster.Client.Create(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	var config admissionregistrationv1.ValidatingWebhookConfiguration
	if err := cluster.Client.Get(t.Context(), client.ObjectKey{Name: "bodega-operator"}, &config); err != nil {
		t.Fatal(err)
	}
	config.Webhooks[0].ClientConfig.Service.Port = ptr.To(int32(port))
	if err := cluster.Client.Update(t.Context(), &config); err != nil {
		t.Fatal(err)
	}
}

// serviceAccount is how a pod with that account connects: with what is granted
// to it, and nothing else.
func serviceAccount(t *testing.T, namespace, name string) *rest.Config {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	request := &authenticationv1.TokenRequest{}
	if err := cluster.Client.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatalf("get a token for %s: %v", name, err)
	}
	config := rest.AnonymousClientConfig(cluster.Config)
	config.BearerToken = request.Status.Token
	config.QPS = -1
	return config
}

func connect(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	out, err := client.New(config, client.Options{Scheme: cluster.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// awaitWebhook waits until specs go through the webhook: until one is refused
// by what only the webhook knows.
func awaitWebhook(t *testing.T) {
	t.Helper()
	eventually(t, func() string {
		probe := parseSpec(t, "webhook-probe", `checks: [{name: a, http: {url: "http://localhost", bodyMatches: "("}}]`)
		err := cluster.Client.Create(t.Context(), probe, client.DryRunAll)
		if err == nil || !strings.Contains(err.Error(), "missing closing") {
			return fmt.Sprintf("the webhook does not answer yet: %v", err)
		}
		return ""
	})
}

// The chart grants secrets, logs and commands by opt-in alone.
func TestChartRefusesSensitiveResourceRules(t *testing.T) {
	assets, err := kubetest.Assets()
	if err != nil {
		t.Fatal(err)
	}
	for rules, refused := range map[string]bool{
		`[{"apiGroups":[""],"resources":["configmaps","secrets"]}]`: true,
		`[{"apiGroups":["*"],"resources":["*"]}]`:                   true,
		`[{"apiGroups":["","apps"],"resources":["pods/log"]}]`:      true,
		`[{"apiGroups":[""],"resources":["*/exec"]}]`:               true,
		`[{"apiGroups":[""],"resources":["configmaps","nodes"]}]`:   false,
		`[{"apiGroups":["argoproj.io"],"resources":["*"]}]`:         false,
	} {
		cmd := exec.CommandContext(t.Context(), filepath.Join(assets, "helm"), "template", "test", deployFile("chart"), "--set-json", "resourceRules="+rules)
		out, err := cmd.CombinedOutput()
		if refused != (err != nil) || refused && !strings.Contains(string(out), "granted by optIn") {
			t.Errorf("%s: %v\n%.300s", rules, err, out)
		}
	}
}

// Two opt-ins of one namespace would be two roles of one name.
func TestChartRefusesOptInTwice(t *testing.T) {
	assets, err := kubetest.Assets()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(assets, "helm"), "template", "test", deployFile("chart"),
		"--set-json", `optIn=[{"namespace":"vault","logs":true},{"namespace":"vault","secrets":["token"]}]`)
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), `names namespace "vault" twice`) {
		t.Errorf("%v\n%.300s", err, out)
	}
}

// With everything switched on, what the chart renders fits together, and the
// operator understands the arguments it is started with.
func TestChartVariants(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []string
		args   string
		kinds  []string
	}{
		{"defaults", nil, "--webhook=self-signed", []string{"Deployment", "PodDisruptionBudget", "ValidatingWebhookConfiguration", "ClusterRole", "Role"}},
		{"no webhook", []string{"webhook.enabled=false"}, "--webhook=off", []string{"Deployment"}},
		{"memory in another unit", []string{`resources.limits.memory="300M"`}, "--webhook=self-signed", nil},
		{
			"nothing that has a default", []string{"resources.limits=null", "dashboards.enabled=true", "dashboards.labels=null"},
			"--webhook=self-signed", []string{"ConfigMap"},
		},
		{
			"everything", []string{
				"webhook.certManager=true", "prometheusRule.enabled=true", "serviceMonitor.enabled=true", "dashboards.enabled=true",
				`denyCIDRs=["10.0.0.0/8"]`, `extraArgs=["--per-target=2"]`, "replicas=3",
			}, "--webhook=files", []string{"Certificate", "Issuer", "PrometheusRule", "ServiceMonitor", "ConfigMap"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			byKind := map[string]*unstructured.Unstructured{}
			var links []string
			for _, object := range render(t, tt.values...) {
				byKind[object.GetKind()] = object
				links = append(links, serviceLinks(object)...)
			}
			for _, kind := range tt.kinds {
				if byKind[kind] == nil {
					t.Errorf("no %s", kind)
				}
			}
			if tt.name == "no webhook" && byKind["ValidatingWebhookConfiguration"] != nil {
				t.Error("specs would wait for a webhook that nobody serves")
			}
			containers, _, err := unstructured.NestedSlice(byKind["Deployment"].Object, "spec", "template", "spec", "containers")
			if err != nil || len(containers) != 1 {
				t.Fatalf("containers: %v, %v", containers, err)
			}
			args, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
			if err != nil || !slices.Contains(args, tt.args) {
				t.Fatalf("arguments %v, %v", args, err)
			}
			path, err := binary()
			if err != nil {
				t.Fatal(err)
			}
			// It comes as far as to look for its cluster.
			cmd := exec.CommandContext(t.Context(), path, args...)
			cmd.Env = append(append(os.Environ(), links...), "KUBECONFIG=", "KUBERNETES_SERVICE_HOST=")
			variables, _, _ := unstructured.NestedSlice(containers[0].(map[string]any), "env")
			for _, variable := range variables {
				if v := variable.(map[string]any); v["value"] != nil {
					cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%s", v["name"], v["value"]))
				}
			}
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "find a cluster") {
				t.Errorf("%v: %v: %s", args, err, out)
			}
			if certificate := byKind["Certificate"]; certificate != nil {
				secret, _, _ := unstructured.NestedString(certificate.Object, "spec", "secretName")
				names, _, _ := unstructured.NestedStringSlice(certificate.Object, "spec", "dnsNames")
				volumes, _, _ := unstructured.NestedSlice(byKind["Deployment"].Object, "spec", "template", "spec", "volumes")
				mounted, _, _ := unstructured.NestedString(volumes[0].(map[string]any), "secret", "secretName")
				if secret == "" || secret != mounted || !slices.Equal(names, []string{"bodega-operator-webhook." + operatorNamespace + ".svc"}) {
					t.Errorf("certificate for %v in secret %q, mounted is %q", names, secret, mounted)
				}
				from := byKind["ValidatingWebhookConfiguration"].GetAnnotations()["cert-manager.io/inject-ca-from"]
				if from != certificate.GetNamespace()+"/"+certificate.GetName() {
					t.Errorf("the authority is injected from %q", from)
				}
			}
		})
	}
}

// serviceLinks are the variables that the kubelet sets for a service in the pods
// of its namespace.
func serviceLinks(object *unstructured.Unstructured) []string {
	if object.GetKind() != "Service" {
		return nil
	}
	name := strings.ToUpper(strings.ReplaceAll(object.GetName(), "-", "_"))
	return []string{
		name + "_SERVICE_HOST=10.0.0.1", name + "_SERVICE_PORT=443",
		name + "_PORT=tcp://10.0.0.1:443", name + "_PORT_443_TCP=tcp://10.0.0.1:443",
	}
}

// awaitSettled waits until specs that are created are surely reviewed.
func awaitSettled(t *testing.T) {
	t.Helper()
	eventually(t, func() string {
		var config admissionregistrationv1.ValidatingWebhookConfiguration
		if err := cluster.Client.Get(t.Context(), client.ObjectKey{Name: "bodega-operator"}, &config); err != nil {
			return err.Error()
		}
		if age := time.Since(config.CreationTimestamp.Time); age < 7*time.Second {
			return "the webhook is new"
		}
		return ""
	})
}

func TestInstalledOperator(t *testing.T) {
	for _, ns := range []string{operatorNamespace, "opted", "other"} {
		namespace(t, ns)
	}
	install(t, render(t,
		`optIn=[{"namespace":"opted","logs":true,"exec":true,"secrets":["token"]}]`,
		`resourceRules=[{"apiGroups":[""],"resources":["configmaps","nodes"]}]`,
		`checkTypes=["podStatus","http","resource","podExec","logGrep"]`))
	cfg := testConfig()
	cfg.Namespace, cfg.LeaderElect = operatorNamespace, true
	cfg.Webhook, cfg.WebhookHost, cfg.WebhookPort = "self-signed", "127.0.0.1", freePort(t)
	cfg.WebhookSecret, cfg.WebhookService, cfg.WebhookConfiguration = "bodega-operator-webhook", "bodega-operator-webhook", "bodega-operator"
	routeWebhook(t, cfg.WebhookPort)
	operateWith(t, serviceAccount(t, operatorNamespace, "bodega-operator"), cfg)
	awaitWebhook(t)
	awaitSettled(t)

	pod(t, "opted", "db-1", map[string]string{"app": "db"}, "logger")
	if err := cluster.Client.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "opted", Name: "token"}, Data: map[string][]byte{"value": []byte("Bearer x")},
	}); err != nil {
		t.Fatal(err)
	}
	specs := rbacv1.PolicyRule{APIGroups: []string{health.GroupVersion.Group}, Resources: []string{"clusterhealthspecs"}, Verbs: []string{"*"}}
	core := func(verbs []string, resources ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: resources, Verbs: verbs}
	}
	user := func(name string, rules ...rbacv1.PolicyRule) client.Client {
		config, err := cluster.UserConfig(t.Context(), name, append(rules, specs))
		if err != nil {
			t.Fatal(err)
		}
		return connect(t, config)
	}
	plain := user("plain")
	trusted := user("trusted", core([]string{"get", "list"}, "pods", "secrets", "configmaps"), core([]string{"get", "create"}, "pods/exec", "pods/log"))

	// May do everything, in one namespace.
	landlord := user("landlord")
	everything := []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"*"}}}
	for _, object := range []client.Object{
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: "opted", Name: "landlord"}, Rules: everything},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "opted", Name: "landlord"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: "landlord", APIGroup: rbacv1.GroupName}},
			RoleRef:    rbacv1.RoleRef{Kind: "Role", Name: "landlord", APIGroup: rbacv1.GroupName},
		},
	} {
		if err := cluster.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}

	// The largest spec, each check of which asks for something else, is reviewed
	// within the API server's patience with webhooks.
	large := &health.ClusterHealthSpec{ObjectMeta: metav1.ObjectMeta{Name: "large"}}
	for i := range 500 {
		large.Spec.Checks = append(large.Spec.Checks, health.Check{Name: fmt.Sprintf("c-%d", i), PodStatus: &health.PodStatusCheck{
			Namespaces: []string{fmt.Sprintf("ns-%d", i)}, Workload: &health.WorkloadReference{Kind: "Deployment", Name: "web"},
		}})
	}
	largest := large.DeepCopy()
	begin := time.Now()
	if err := cluster.Client.Create(t.Context(), large, client.DryRunAll); err != nil {
		t.Errorf("500 checks, reviewed in %s: %v", time.Since(begin), err)
	}
	t.Logf("500 checks are reviewed in %s", time.Since(begin))
	if err := plain.Create(t.Context(), largest, client.DryRunAll); err == nil ||
		!strings.Contains(err.Error(), "and more") || len(err.Error()) > 8<<10 {
		t.Errorf("500 checks of who may do none of them: %v", err)
	}

	server := newTarget(t)
	exec := func(ns string) string {
		return fmt.Sprintf(`checks: [{name: c, podExec: {namespace: %s, selector: {matchLabels: {app: db}}, command: ["true"]}}]`, ns)
	}
	secret := func(ns, name string) string {
		return fmt.Sprintf(`checks: [{name: c, http: {url: %q, headers: [{name: Authorization, valueFrom: {namespace: %s, name: %s, key: value}}]}}]`, server.URL, ns, name)
	}
	logs := `checks: [{name: c, logGrep: {namespace: opted, selector: {matchLabels: {app: db}}, patterns: [never-seen]}}]`
	pods := `checks: [{name: c, podStatus: {namespaces: [opted], selector: {matchLabels: {app: db}}}}]`
	for _, tt := range []struct {
		name   string
		author client.Client
		spec   string
		want   string // in the refusal; accepted where empty
	}{
		{"outside probes need nothing", plain, fmt.Sprintf(`checks: [{name: c, http: {url: %q}}]`, server.URL), ""},
		{"exec by who may not", plain, exec("opted"), "plain may not create pods/exec"},
		{"exec where not opted in", trusted, exec("other"), "the operator may not create pods/exec in namespace other"},
		{"exec by who may", trusted, exec("opted"), ""},
		{"secret by who may not", plain, secret("opted", "token"), "plain may not get secrets token in namespace opted"},
		{"secret not opted in", trusted, secret("opted", "other"), "the operator may not get secrets other"},
		{"secret by who may", trusted, secret("opted", "token"), ""},
		{"secret in lower case", plain, `checks: [{name: c, resource: {apiVersion: v1, kind: secret, namespace: opted, name: token}}]`, "plain may not get secrets token in namespace opted"},
		{"client certificate by who may not", plain, `checks: [{name: c, tls: {address: "h:1", tls: {clientCertificate: {namespace: opted, name: token}}}}]`, "plain may not get secrets token in namespace opted"},
		{"pods by who may not", plain, pods, "plain may not list pods in namespace opted"},
		{"pods by who may", trusted, pods, ""},
		{"logs by who may not", plain, logs, "plain may not get pods/log"},
		{"logs by who may", trusted, logs, ""},
		{"resource by who may not", plain, `checks: [{name: c, resource: {apiVersion: v1, kind: ConfigMap}}]`, "plain may not list configmaps in the whole cluster"},
		{"resource by who may", trusted, `checks: [{name: c, resource: {apiVersion: v1, kind: ConfigMap}}]`, ""},
		{"namespace of a kind without one", landlord, `checks: [{name: c, resource: {apiVersion: v1, kind: Node, namespace: opted, name: localhost}}]`, "is not namespaced"},
		{"kind without a namespace by who has one", landlord, `checks: [{name: c, resource: {apiVersion: v1, kind: Node, name: localhost}}]`, "landlord may not get nodes localhost in the whole cluster"},
		{"all in one's own namespace", landlord, exec("opted"), ""},
		{"elsewhere", landlord, exec("other"), "landlord may not create pods/exec in namespace other"},
		{"secret as a resource", trusted, `checks: [{name: c, resource: {apiVersion: v1, kind: Secret, namespace: opted}}]`, "the operator may not list secrets in namespace opted"},
		{"unknown kind", trusted, `checks: [{name: c, resource: {apiVersion: example.com/v1, kind: Gadget}}]`, "no matches for kind"},
		{"bad JSONPath", trusted, `checks: [{name: c, resource: {apiVersion: v1, kind: ConfigMap, conditions: [{jsonPath: "{.a[", operator: Exists}]}}]`, "jsonPath"},
		{"cycle", plain, `checks: [{name: a, dependsOn: [b], tcp: {address: "h:1"}}, {name: b, dependsOn: [a], tcp: {address: "h:1"}}]`, "closes a cycle"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := parseSpec(t, "admitted", tt.spec)
			if tt.want != "" {
				err := tt.author.Create(t.Context(), spec)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				if err == nil {
					t.Cleanup(func() { _ = cluster.Client.Delete(context.Background(), spec) }) // the test has failed already
				}
				return
			}
			// The API server takes a moment to know a role that was just made.
			eventually(t, func() string {
				if err := tt.author.Create(t.Context(), spec); err != nil {
					return "refused: " + err.Error()
				}
				return ""
			})
			// What was admitted runs, with what the chart grants.
			awaitOverall(t, "admitted", health.Success)

			// Somebody without the author's access may change its timing, but
			// not what it does.
			if strings.Contains(tt.name, "exec by who may") {
				spec.Spec.Checks[0].Description = "changed"
				spec.Spec.Suspend = true
				patch := []byte(`{"spec":{"suspend":true}}`)
				if err := plain.Patch(t.Context(), spec.DeepCopy(), client.RawPatch("application/merge-patch+json", patch)); err != nil {
					t.Errorf("suspending by another user: %v", err)
				}
				spec.Spec.Checks[0].PodExec.Command = []string{"id"}
				err := plain.Patch(t.Context(), spec.DeepCopy(), client.RawPatch("application/merge-patch+json",
					[]byte(`{"spec":{"checks":[{"name":"c","podExec":{"namespace":"opted","selector":{"matchLabels":{"app":"db"}},"command":["id"]}}]}}`)))
				if err == nil || !strings.Contains(err.Error(), "plain may not create pods/exec") {
					t.Errorf("changing the command by another user: %v", err)
				}
			}
			if err := cluster.Client.Delete(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() string {
				if err := cluster.Client.Get(t.Context(), client.ObjectKeyFromObject(spec), spec); err == nil || len(checksOf(t, "admitted")) > 0 {
					return "the spec is still there"
				}
				return ""
			})
		})
	}

	// What one author was allowed, another cannot turn to an end of theirs.
	t.Run("other hands", func(t *testing.T) {
		spec := parseSpec(t, "shared", fmt.Sprintf(`
interval: 1s
checks:
- {name: secret, http: {url: %[1]q, headers: [{name: Authorization, valueFrom: {namespace: opted, name: token, key: value}}]}}
- {name: exec, podExec: {namespace: opted, selector: {matchLabels: {app: db}}, command: ["true"]}}
- {name: plain, http: {url: %[1]q}}
`, server.URL))
		if err := trusted.Create(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := cluster.Client.Delete(context.Background(), spec); err != nil {
				t.Error(err)
			}
		})
		awaitOverall(t, "shared", health.Success)
		const noSecret, noExec = "plain may not get secrets token", "plain may not create pods/exec"
		for _, tt := range []struct {
			name   string
			change func(checks []health.Check) []health.Check
			want   string // in the refusal; accepted where empty
		}{
			{"send the secret elsewhere", func(c []health.Check) []health.Check { c[0].HTTP.URL = "http://other.example"; return c }, noSecret},
			{"send the secret with another check", func(c []health.Check) []health.Check { c[2].HTTP.Headers = c[0].HTTP.Headers; return c }, noSecret},
			{"swap names", func(c []health.Check) []health.Check { c[0].Name, c[1].Name = c[1].Name, c[0].Name; return c }, noExec},
			{"run by another name", func(c []health.Check) []health.Check { c[1].Name = "mine"; return c }, noExec},
			{"depend on another check", func(c []health.Check) []health.Check { c[1].DependsOn = []string{"plain"}; return c }, noExec},
			{"change what is one's own", func(c []health.Check) []health.Check { c[2].FailureThreshold = ptr.To[int32](2); return c }, ""},
			{"reorder", func(c []health.Check) []health.Check { slices.Reverse(c); return c }, ""},
			{"remove", func(c []health.Check) []health.Check { return c[2:] }, ""},
		} {
			eventually(t, func() string {
				var now health.ClusterHealthSpec
				if err := plain.Get(t.Context(), client.ObjectKeyFromObject(spec), &now); err != nil {
					return err.Error()
				}
				now.Spec.Checks = tt.change(now.Spec.Checks)
				err := plain.Update(t.Context(), &now, client.DryRunAll)
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
					return fmt.Sprintf("%s: error %v, want %q", tt.name, err, tt.want)
				}
				return ""
			})
		}
		// Whoever acts for another has what the other may do, and no more.
		acting := rest.CopyConfig(cluster.Config)
		acting.Impersonate.UserName = "plain"
		if err := connect(t, acting).Create(t.Context(), parseSpec(t, "acting", exec("opted")), client.DryRunAll); err == nil || !strings.Contains(err.Error(), noExec) {
			t.Errorf("creating for another: %v", err)
		}

		// What a namespace allowed ends when it allows it no longer.
		binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "opted", Name: "bodega-operator-opt-in"}}
		if err := cluster.Client.Delete(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"secret", "exec"} {
			awaitCheck(t, "shared", name, func(c *health.ClusterHealthCheck) bool {
				return c.Status.Result == health.Error && strings.Contains(c.Status.Message, "is forbidden")
			})
		}
		awaitOverall(t, "shared", health.Error)
	})
}

// TestSelfSignedCertificate: it is made once for all replicas, renewed long
// before its end, replaced where it is unusable, and trusted by the API server.
func TestSelfSignedCertificate(t *testing.T) {
	namespace(t, operatorNamespace)
	install(t, render(t))
	clock := time.Now()
	replica := func() *admission.SelfSigned {
		return &admission.SelfSigned{
			Client: cluster.Client, Secret: client.ObjectKey{Namespace: operatorNamespace, Name: "self-signed"},
			DNSName: "bodega-operator-webhook." + operatorNamespace + ".svc", Webhook: "bodega-operator",
			Now: func() time.Time { return clock }, Log: slog.New(slog.DiscardHandler),
		}
	}
	served := func(s *admission.SelfSigned) string {
		t.Helper()
		if err := s.Ensure(t.Context()); err != nil {
			t.Fatal(err)
		}
		pair, err := s.GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		var config admissionregistrationv1.ValidatingWebhookConfiguration
		if err := cluster.Client.Get(t.Context(), client.ObjectKey{Name: "bodega-operator"}, &config); err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(config.Webhooks[0].ClientConfig.CABundle)
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: s.DNSName}); err != nil {
			t.Errorf("the API server would not trust it: %v", err)
		}
		return leaf.SerialNumber.String()
	}
	first, second := replica(), replica()
	if _, err := first.GetCertificate(nil); err == nil {
		t.Error("serves a certificate before there is one")
	}
	serial := served(first)
	if other := served(second); other != serial {
		t.Error("two replicas serve two certificates")
	}
	clock = first.Expiry().Add(-119 * 24 * time.Hour)
	renewed := served(first)
	if renewed == serial {
		t.Error("not renewed with less than 120 days left")
	}
	clock = time.Now()

	secret := &corev1.Secret{}
	if err := cluster.Client.Get(t.Context(), first.Secret, secret); err != nil {
		t.Fatal(err)
	}
	secret.Data["tls.key"] = []byte("garbage")
	if err := cluster.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if served(second) == renewed {
		t.Error("a spoilt certificate is kept")
	}
}

// TestUnreviewedSpec: what reads logs or secrets or runs commands does so only
// for specs that went through the webhook, even with an operator that could.
func TestUnreviewedSpec(t *testing.T) {
	for _, ns := range []string{operatorNamespace, "unreviewed"} {
		namespace(t, ns)
	}
	pod(t, "unreviewed", "db-1", map[string]string{"app": "db"})
	early := parseSpec(t, "early", `{interval: 1s, checks: [{name: c, podExec: {namespace: unreviewed, selector: {matchLabels: {app: db}}, command: ["true"]}}]}`)
	create(t, early)
	stop := operate(t, testConfig())
	awaitCheck(t, "early", "c", func(c *health.ClusterHealthCheck) bool {
		return c.Status.Result == health.Error && strings.Contains(c.Status.Message, "admission webhook")
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	// The webhook comes later, and the spec is still nobody's.
	install(t, render(t))
	cfg := testConfig()
	cfg.Namespace, cfg.Webhook, cfg.WebhookHost, cfg.WebhookPort = operatorNamespace, "self-signed", "127.0.0.1", freePort(t)
	cfg.WebhookSecret, cfg.WebhookService, cfg.WebhookConfiguration = "bodega-operator-webhook", "bodega-operator-webhook", "bodega-operator"
	routeWebhook(t, cfg.WebhookPort)
	operate(t, cfg)
	awaitWebhook(t)
	awaitCheck(t, "early", "c", func(c *health.ClusterHealthCheck) bool {
		return c.Status.Result == health.Error && strings.Contains(c.Status.Message, "older than the admission webhook")
	})
	if err := cluster.Client.Delete(t.Context(), early); err != nil {
		t.Fatal(err)
	}
	anew := parseSpec(t, "early", "interval: 1s")
	anew.Spec.Checks = early.Spec.Checks
	awaitSettled(t)
	eventually(t, func() string {
		if err := cluster.Client.Create(t.Context(), anew); err != nil {
			return err.Error()
		}
		return ""
	})
	awaitOverall(t, "early", health.Success)
}

// TestWebhookCertificateExpired: specs can then not be written, which is said
// clearly, and those that exist are checked on.
func TestWebhookCertificateExpired(t *testing.T) {
	namespace(t, operatorNamespace)
	server := newTarget(t)
	operate(t, testConfig())
	create(t, parseSpec(t, "expired-webhook", fmt.Sprintf(`{interval: 1s, checks: [{name: c, http: {url: %q}}]}`, server.URL)))
	awaitOverall(t, "expired-webhook", health.Success)

	install(t, render(t))
	dir := t.TempDir()
	authority := writeCertificate(t, dir, "bodega-operator-webhook."+operatorNamespace+".svc", time.Now().Add(-time.Hour))
	cfg := testConfig()
	cfg.Namespace, cfg.LeaderElect = operatorNamespace, true
	cfg.Webhook, cfg.WebhookHost, cfg.WebhookPort, cfg.WebhookCertDir = "files", "127.0.0.1", freePort(t), dir
	cfg.HealthAddress = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	routeWebhook(t, cfg.WebhookPort)
	var config admissionregistrationv1.ValidatingWebhookConfiguration
	if err := cluster.Client.Get(t.Context(), client.ObjectKey{Name: "bodega-operator"}, &config); err != nil {
		t.Fatal(err)
	}
	config.Webhooks[0].ClientConfig.CABundle = authority
	if err := cluster.Client.Update(t.Context(), &config); err != nil {
		t.Fatal(err)
	}
	stop := operate(t, cfg)

	eventually(t, func() string {
		err := cluster.Client.Create(t.Context(), parseSpec(t, "late", `checks: [{name: c, tcp: {address: "h:1"}}]`), client.DryRunAll)
		if err == nil || !strings.Contains(err.Error(), "certificate has expired") {
			return fmt.Sprintf("creating a spec: %v", err)
		}
		return ""
	})
	eventually(t, func() string {
		body := get(t, "http://"+cfg.HealthAddress+"/readyz?verbose")
		if !strings.Contains(body, "progress failed") {
			return "readiness: " + body
		}
		return ""
	})
	// The statuses of what exists are still written.
	server.answer(500)
	awaitOverall(t, "expired-webhook", health.Failure)

	// A renewed certificate is picked up without a restart.
	authority = writeCertificate(t, dir, "bodega-operator-webhook."+operatorNamespace+".svc", time.Now().Add(time.Hour))
	eventually(t, func() string {
		if err := cluster.Client.Get(t.Context(), client.ObjectKey{Name: "bodega-operator"}, &config); err != nil {
			return err.Error()
		}
		config.Webhooks[0].ClientConfig.CABundle = authority
		if err := cluster.Client.Update(t.Context(), &config); err != nil {
			return err.Error()
		}
		return ""
	})
	awaitWebhook(t)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// writeCertificate writes a self-signed tls.crt and tls.key that end at a time,
// and returns the authority to trust.
func writeCertificate(t *testing.T, dir, name string, end time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: end.Add(-24 * time.Hour), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, content := range map[string][]byte{
		"tls.crt": certificate, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate
}
