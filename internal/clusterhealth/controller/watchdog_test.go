package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

// A standby turns Unknown only what nobody renewed: neither what its cache has
// yet to hear of, nor what is written while it looks. A spec that cannot be
// written keeps none of the others.
func TestWatchdogWritesOnlyWhatRanOut(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := health.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	objects := func(name string, left time.Duration) []client.Object {
		until := metav1.NewTime(now.Add(left))
		spec := &health.ClusterHealthSpec{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "u"}}
		spec.Spec.Checks = []health.Check{{Name: "c", TCP: &health.TCPCheck{Address: "h:1"}}}
		spec.Status.Overall, spec.Status.ValidUntil = health.Success, &until
		check := &health.ClusterHealthCheck{ObjectMeta: metav1.ObjectMeta{
			Name: health.CheckObjectName(name, "c"), Labels: map[string]string{health.LabelSpec: name},
		}}
		check.Spec = health.ClusterHealthCheckSpec{SpecName: name, CheckName: "c", Type: "tcp"}
		check.Status.Result, check.Status.ValidUntil = health.Success, &until
		return []client.Object{spec, check}
	}
	var cached, stored []client.Object
	for _, name := range []string{"blocked", "renewed", "stale"} {
		cached = append(cached, objects(name, -time.Minute)...)
	}
	stored = append(append(append(stored, objects("blocked", -time.Minute)...), objects("renewed", time.Minute)...), objects("stale", -time.Minute)...)

	var wrote []string
	write := func(_ context.Context, _ client.Client, _ string, obj runtime.ApplyConfiguration, _ ...client.SubResourceApplyOption) error {
		body := obj.(*applied)
		if body.Metadata.ResourceVersion == "" {
			t.Errorf("%s is written whatever it has become", body.Metadata.Name)
		}
		if strings.HasPrefix(body.Metadata.Name, "blocked") {
			return errors.New("refused by a policy")
		}
		wrote = append(wrote, body.Metadata.Name)
		return nil
	}
	cache := fake.NewClientBuilder().WithScheme(scheme).WithObjects(cached...).
		WithInterceptorFuncs(interceptor.Funcs{SubResourceApply: write}).Build()
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(stored...).Build()
	w := NewWatchdog(cache, reader, nil, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	if err := w.look(t.Context()); err == nil || !strings.Contains(err.Error(), "refused by a policy") {
		t.Errorf("error %v", err)
	}
	if got := fmt.Sprint(wrote); got != "[stale.c stale]" {
		t.Errorf("wrote %s", got)
	}
}
