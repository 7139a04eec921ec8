package clusterhealth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	sigsyaml "sigs.k8s.io/yaml"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
)

// TestGrants: with the roles that are worked out from a spec, and nothing else,
// checks of every type run; without any part of them, one does not.
func TestGrants(t *testing.T) {
	namespace(t, "granted")
	namespace(t, "granted-one")
	objects := []client.Object{
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "granted", Name: "checker"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "granted", Name: "token"}, StringData: map[string]string{"value": "x"}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "granted", Name: "settings"}},
		&appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "granted", Name: "db"},
			Spec: appsv1.DeploymentSpec{
				Replicas: ptr.To(int32(1)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "db"}},
					Spec:       corev1.PodSpec{NodeName: "localhost", Containers: []corev1.Container{{Name: "logger", Image: "none"}}},
				},
			},
		},
		certificateSecret(t, "granted", "client"),
	}
	for _, object := range objects {
		if err := cluster.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	pod(t, "granted-one", "single", map[string]string{"app": "single"})
	server := newTarget(t)
	spec := parseSpec(t, "granted", fmt.Sprintf(`checks:
- {name: selected, podStatus: {namespaces: [granted], selector: {matchLabels: {app: db}}}}
- {name: workload, podStatus: {namespaces: [granted], workload: {kind: Deployment, name: db}}}
- {name: header, http: {url: %q, headers: [{name: Authorization, valueFrom: {namespace: granted, name: token, key: value}}]}}
- {name: client, http: {url: %q, tls: {clientCertificate: {namespace: granted, name: client}}}}
- {name: log, logGrep: {namespace: granted, workload: {kind: Deployment, name: db}, patterns: [never-seen]}}
- {name: run, podExec: {namespace: granted, workload: {kind: Deployment, name: db}, command: ["true"]}}
- {name: single, podExec: {namespace: granted-one, pod: single, command: ["true"]}}
- {name: object, resource: {apiVersion: v1, kind: ConfigMap, namespace: granted, name: settings}}
- {name: nodes, resource: {apiVersion: v1, kind: Node}}
`, server.URL, server.URL))

	admin, err := check.NewCluster(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	grants, err := clusterhealth.RBAC([]health.ClusterHealthSpec{*spec}, admin.Mapper, "checker", "granted", []string{"granted", "granted-one"})
	if err != nil || len(grants.LeftOut) > 0 {
		t.Fatalf("left out: %v, %v", grants.LeftOut, err)
	}
	for _, object := range grants.Objects {
		if err := cluster.Client.Create(t.Context(), object.(client.Object)); err != nil {
			t.Fatal(err)
		}
	}
	checker, err := check.NewCluster(serviceAccount(t, "granted", "checker"))
	if err != nil {
		t.Fatal(err)
	}
	run := func() clusterhealth.Report {
		return clusterhealth.CheckOnce(t.Context(), spec, check.NewEnv(checker, nil), 64, 64)
	}
	eventually(t, func() string {
		if report := run(); report.Overall != health.Success {
			return fmt.Sprintf("with all that is granted: %+v", report)
		}
		return ""
	})

	for _, object := range grants.Objects {
		var rules *[]rbacv1.PolicyRule
		switch role := object.(type) {
		case *rbacv1.ClusterRole:
			rules = &role.Rules
		case *rbacv1.Role:
			rules = &role.Rules
		default:
			continue
		}
		granted := *rules
		for i, rule := range granted {
			for _, verb := range rule.Verbs {
				if verb == "get" && rule.Resources[0] == "pods/exec" {
					continue // it is needed only where something refuses SPDY
				}
				*rules = slices.Clone(granted)
				(*rules)[i].Verbs = slices.DeleteFunc(slices.Clone(rule.Verbs), func(v string) bool { return v == verb })
				if len((*rules)[i].Verbs) == 0 {
					*rules = slices.Delete(*rules, i, i+1)
				}
				if err := cluster.Client.Update(t.Context(), object.(client.Object)); err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("cannot %s resource %q", verb, rule.Resources[0])
				eventually(t, func() string {
					report := run()
					if text := fmt.Sprintf("%+v", report); report.Overall != health.Error || !strings.Contains(text, want) {
						return fmt.Sprintf("%s of %v %v is not missed: %s", verb, rule.Resources, rule.ResourceNames, text)
					}
					return ""
				})
			}
		}
		*rules = granted
		if err := cluster.Client.Update(t.Context(), object.(client.Object)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSamplesAreGranted: the chart grants a sample what its checks do with the
// values that the sample names, as its comment says.
func TestSamplesAreGranted(t *testing.T) {
	mapper := meta.NewDefaultRESTMapper(nil)
	for kind, scope := range map[schema.GroupVersionKind]meta.RESTScope{
		{Group: "argoproj.io", Version: "v1alpha1", Kind: "Application"}:       meta.RESTScopeNamespace,
		{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "Gateway"}:   meta.RESTScopeNamespace,
		{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}:   meta.RESTScopeRoot,
		{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}: meta.RESTScopeNamespace,
		{Group: "apps", Version: "v1", Kind: "Deployment"}:                     meta.RESTScopeNamespace,
		{Version: "v1", Kind: "Node"}:                                          meta.RESTScopeRoot,
	} {
		resource := kind.GroupVersion().WithResource(strings.ToLower(kind.Kind) + "s")
		mapper.AddSpecific(kind, resource, resource, scope)
	}
	for _, ns := range []string{operatorNamespace, "vault", "db"} {
		namespace(t, ns)
	}
	samples, err := filepath.Glob(deployFile("samples", "*.yaml"))
	if err != nil || len(samples) == 0 {
		t.Fatalf("samples: %v, %v", samples, err)
	}
	for _, path := range samples {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var named strings.Builder
			for line := range strings.Lines(string(text)) {
				if value, ok := strings.CutPrefix(line, "#   "); ok {
					named.WriteString(value)
				}
			}
			var values map[string]any
			if err := sigsyaml.Unmarshal([]byte(named.String()), &values); err != nil || len(values) == 0 {
				t.Fatalf("values %q: %v", named.String(), err)
			}
			var set []string
			for key, value := range values {
				text, err := json.Marshal(value)
				if err != nil {
					t.Fatal(err)
				}
				set = append(set, key+"="+string(text))
			}
			objects := render(t, set...)
			install(t, objects)
			t.Cleanup(func() {
				for _, object := range objects {
					if object.GetName() == "bodega-operator-opt-in" {
						if err := cluster.Client.Delete(context.Background(), object); err != nil {
							t.Error(err)
						}
					}
				}
			})

			specs, err := check.ParseSpecs(text)
			if err != nil {
				t.Fatal(err)
			}
			operator := connect(t, serviceAccount(t, operatorNamespace, "bodega-operator"))
			for i := range specs[0].Spec.Checks {
				c := &specs[0].Spec.Checks[i]
				kind, _ := check.TypeOf(c)
				accesses, err := kind.Access(c, mapper)
				if err != nil {
					t.Fatal(err)
				}
				for _, access := range accesses {
					eventually(t, func() string {
						review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
							ResourceAttributes: &authorizationv1.ResourceAttributes{
								Verb: access.Verb, Group: access.Group, Resource: access.Resource, Subresource: access.Subresource,
								Namespace: access.Namespace, Name: access.Name,
							},
						}}
						if err := operator.Create(t.Context(), review); err != nil {
							return err.Error()
						}
						if !review.Status.Allowed {
							return fmt.Sprintf("check %s: may not %s", c.Name, access)
						}
						return ""
					})
				}
			}
		})
	}
}

// certificateSecret is a secret of type kubernetes.io/tls, whose certificate is
// for the name probe and its own authority.
func certificateSecret(t *testing.T, namespace, name string) *corev1.Secret {
	t.Helper()
	dir := t.TempDir()
	writeCertificate(t, dir, "probe", time.Now().Add(time.Hour))
	out := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Type: corev1.SecretTypeTLS, Data: map[string][]byte{}}
	for _, file := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		out.Data[file] = text
	}
	return out
}
