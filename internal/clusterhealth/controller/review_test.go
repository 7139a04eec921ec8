package controller

import (
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
)

// What reads secrets or logs or runs commands runs only for a spec whose author
// was surely reviewed.
func TestUnreviewedChecksAreRefused(t *testing.T) {
	installed := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	fail, ignore := admissionregistrationv1.Fail, admissionregistrationv1.Ignore
	headers := health.Check{Name: "c", HTTP: &health.HTTPCheck{URL: "http://h", Headers: []health.HTTPHeader{
		{Name: "A", ValueFrom: &health.SecretKeyReference{Namespace: "n", Name: "s", Key: "k"}},
	}}}
	exec := health.Check{Name: "c", PodExec: &health.PodExecCheck{Namespace: "n", Pod: "p", Command: []string{"true"}}}
	logs := health.Check{Name: "c", LogGrep: &health.LogGrepCheck{Namespace: "n", Selector: &health.LabelSelector{}, Patterns: []string{"x"}}}
	client := health.Check{Name: "c", TLS: &health.TLSCheck{Address: "h:1", TLS: &health.TLSClient{ClientCertificate: &health.SecretReference{Namespace: "n", Name: "s"}}}}
	secrets := health.Check{Name: "c", Resource: &health.ResourceCheck{APIVersion: "v1", Kind: "Secret"}}
	lowerCase := health.Check{Name: "c", Resource: &health.ResourceCheck{APIVersion: "v1", Kind: "secret"}}
	emptyGroup := health.Check{Name: "c", Resource: &health.ResourceCheck{APIVersion: "/v1", Kind: "Secret"}}
	pods := health.Check{Name: "c", Resource: &health.ResourceCheck{APIVersion: "v1", Kind: "Pod"}}
	plain := health.Check{Name: "c", HTTP: &health.HTTPCheck{URL: "http://h"}}
	for _, tt := range []struct {
		name    string
		check   health.Check
		webhook string
		policy  *admissionregistrationv1.FailurePolicyType
		created time.Duration // of the spec, after the webhook's
		want    string        // in the refusal; none where empty
	}{
		{"reviewed", exec, "w", &fail, time.Minute, ""},
		{"reviewed by default policy", exec, "w", nil, time.Minute, ""},
		{"no webhook", exec, "", &fail, time.Minute, "with its admission webhook"},
		{"another webhook", exec, "gone", &fail, time.Minute, "is absent"},
		{"webhook that lets pass", exec, "w", &ignore, time.Minute, "unreviewed"},
		{"older than the webhook", exec, "w", &fail, -time.Minute, "older than the admission webhook"},
		{"of the webhook's own second", exec, "w", &fail, 0, "older than the admission webhook"},
		{"before every API server asks", exec, "w", &fail, 4 * time.Second, "older than the admission webhook"},
		{"logs", logs, "", &fail, time.Minute, "get pods/log in namespace n"},
		{"secret header", headers, "", &fail, time.Minute, "get secrets s in namespace n"},
		{"client certificate", client, "", &fail, time.Minute, "get secrets s in namespace n"},
		{"secret as a resource", secrets, "", &fail, time.Minute, "get secrets"},
		{"secret in lower case", lowerCase, "", &fail, time.Minute, "get secrets"},
		{"secret of an empty group", emptyGroup, "", &fail, time.Minute, "get secrets"},
		{"other resource", pods, "", &fail, time.Minute, ""},
		{"outside probe", plain, "", &fail, time.Minute, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := &admissionregistrationv1.ValidatingWebhookConfiguration{
				ObjectMeta: metav1.ObjectMeta{Name: "w", CreationTimestamp: installed},
				Webhooks:   []admissionregistrationv1.ValidatingWebhook{{Name: "w", FailurePolicy: tt.policy}},
			}
			scheme := runtime.NewScheme()
			if err := admissionregistrationv1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			r := &Reconciler{reader: fake.NewClientBuilder().WithScheme(scheme).WithObjects(config).Build(), webhook: tt.webhook}
			spec := &health.ClusterHealthSpec{ObjectMeta: metav1.ObjectMeta{Name: "s", CreationTimestamp: metav1.NewTime(installed.Add(tt.created))}}
			kind, ok := check.TypeOf(&tt.check)
			if !ok {
				t.Fatal("the check has not exactly one type")
			}
			refusal, err := r.refuse(t.Context(), spec, kind, &tt.check)
			if err != nil {
				t.Fatal(err)
			}
			if (tt.want == "") != (refusal == nil) {
				t.Fatalf("refusal %v, want %q", refusal, tt.want)
			}
			if refusal == nil {
				return
			}
			if out := refusal.Run(t.Context()); out.Result != health.Error || !strings.Contains(out.Message, tt.want) {
				t.Errorf("%+v, want %q", out, tt.want)
			}
		})
	}
}
