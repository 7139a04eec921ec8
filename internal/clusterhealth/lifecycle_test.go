package clusterhealth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

func TestSpecLifecycle(t *testing.T) {
	server := newTarget(t)
	stop := operate(t, testConfig())
	spec := parseSpec(t, "lifecycle", fmt.Sprintf(`
interval: 1s
checks:
- {name: up, http: {url: %q}}
- {name: port, tcp: {address: %q}}
`, server.URL, server.Listener.Addr()))
	create(t, spec)

	// Success, with everything a reader relies on.
	got := awaitOverall(t, "lifecycle", health.Success)
	if got.Status.Passing != "2/2" || got.Status.HealthGeneration != got.Generation || got.Status.ValidUntil == nil {
		t.Errorf("status of a healthy spec: %+v", got.Status)
	}
	got = awaitSpec(t, "lifecycle", func(s *health.ClusterHealthSpec) bool {
		return meta.IsStatusConditionTrue(s.Status.Conditions, health.ConditionReady)
	})
	if got.Status.ObservedGeneration != got.Generation {
		t.Errorf("observedGeneration %d, generation %d", got.Status.ObservedGeneration, got.Generation)
	}
	if !meta.IsStatusConditionTrue(got.Status.Conditions, health.ConditionHealthy) {
		t.Errorf("conditions: %+v", got.Status.Conditions)
	}
	for _, chc := range checksOf(t, "lifecycle") {
		if owner := metav1.GetControllerOf(&chc); owner == nil || owner.UID != got.UID {
			t.Errorf("check %s is not owned by its spec: %+v", chc.Name, chc.OwnerReferences)
		}
	}

	// What kubectl prints.
	columns, row := printed(t, "clusterhealthspecs/lifecycle")
	if want := []string{"Name", "Overall", "Passing", "Ready", "Age", "Message", "Valid Until"}; !slices.Equal(columns, want) {
		t.Errorf("columns of a spec: %v, want %v", columns, want)
	}
	if want := []any{"lifecycle", "Success", "2/2", "True"}; !slices.Equal(row[:4], want) || row[5] != "all 2 checks succeed" {
		t.Errorf("a spec is printed as %v", row)
	}
	columns, row = printed(t, "clusterhealthchecks/lifecycle.port")
	if want := []string{"Name", "Type", "Result", "Last Run", "Since", "Message", "Suppressed By", "Flapping", "Valid Until"}; !slices.Equal(columns, want) {
		t.Errorf("columns of a check: %v, want %v", columns, want)
	}
	if want := []any{"lifecycle.port", "tcp", "Success"}; !slices.Equal(row[:3], want) {
		t.Errorf("a check is printed as %v", row)
	}

	// A real outage: Healthy turns False, Ready stays True.
	server.answer(503)
	got = awaitOverall(t, "lifecycle", health.Failure)
	if len(got.Status.Culprits) != 1 || got.Status.Culprits[0].Name != "up" || !strings.Contains(got.Status.Message, "up") {
		t.Errorf("the culprit is not named: %+v", got.Status)
	}
	if !meta.IsStatusConditionFalse(got.Status.Conditions, health.ConditionHealthy) ||
		!meta.IsStatusConditionTrue(got.Status.Conditions, health.ConditionReady) {
		t.Errorf("conditions in an outage: %+v", got.Status.Conditions)
	}
	server.answer(200)
	awaitOverall(t, "lifecycle", health.Success)

	// The last five runs are kept, and no more.
	chc := awaitCheck(t, "lifecycle", "up", func(c *health.ClusterHealthCheck) bool { return len(c.Status.Runs) == 5 })
	for i := 1; i < len(chc.Status.Runs); i++ {
		if !chc.Status.Runs[i].Time.Time.Before(chc.Status.Runs[i-1].Time.Time) {
			t.Errorf("runs are not newest first: %+v", chc.Status.Runs)
		}
	}

	// Events on transitions only: one there and one back, however many runs.
	eventually(t, func() string {
		var events eventsv1.EventList
		if err := cluster.Client.List(t.Context(), &events, client.InNamespace("default")); err != nil {
			return err.Error()
		}
		count := map[string]int{}
		for _, e := range events.Items {
			if e.Regarding.Name == "lifecycle.up" || e.Regarding.Name == "lifecycle" {
				count[e.Regarding.Name+" "+e.Reason]++
			}
		}
		for _, want := range []string{"lifecycle.up CheckFailure", "lifecycle.up CheckSuccess", "lifecycle OverallFailure", "lifecycle OverallSuccess"} {
			if count[want] != 1 {
				return fmt.Sprintf("events: %v, want one %s", count, want)
			}
		}
		return ""
	})

	// A changed spec prunes what is obsolete, and what changed its type is
	// another check.
	update(t, "lifecycle", func(s *health.ClusterHealthSpec) {
		s.Spec.Checks = s.Spec.Checks[:1]
		s.Spec.Checks[0].HTTP, s.Spec.Checks[0].TCP = nil, &health.TCPCheck{Address: server.Listener.Addr().String()}
	})
	eventually(t, func() string {
		checks := checksOf(t, "lifecycle")
		if len(checks) != 1 || checks[0].Spec.Type != "tcp" {
			return fmt.Sprintf("%d checks, first of %+v", len(checks), checks[0].Spec)
		}
		return ""
	})
	awaitSpec(t, "lifecycle", func(s *health.ClusterHealthSpec) bool {
		return s.Status.Overall == health.Success && s.Status.HealthGeneration == s.Generation && s.Status.Passing == "1/1"
	})

	// A restart leaves no orphans: what was removed while no operator ran goes.
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	update(t, "lifecycle", func(s *health.ClusterHealthSpec) { s.Spec.Checks[0].Name = "renamed" })
	operate(t, testConfig())
	eventually(t, func() string {
		checks := checksOf(t, "lifecycle")
		if len(checks) != 1 || checks[0].Spec.CheckName != "renamed" {
			return fmt.Sprintf("checks after a restart: %v", checks)
		}
		return ""
	})

	// Deleting the spec removes its checks, and nothing of it runs on.
	if err := cluster.Client.Delete(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if left := len(checksOf(t, "lifecycle")); left != 0 {
			return fmt.Sprintf("%d checks are left", left)
		}
		return ""
	})
}

// printed is an object as kubectl get -o wide shows it.
func printed(t *testing.T, path string) (columns []string, row []any) {
	t.Helper()
	api, err := rest.UnversionedRESTClientFor(dynamic.ConfigFor(cluster.Config))
	if err != nil {
		t.Fatal(err)
	}
	text, err := api.Get().AbsPath("/apis", health.GroupVersion.String(), path).
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").DoRaw(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var table metav1.Table
	if err := json.Unmarshal(text, &table); err != nil || len(table.Rows) != 1 {
		t.Fatalf("table %s: %v", text, err)
	}
	for _, column := range table.ColumnDefinitions {
		columns = append(columns, column.Name)
	}
	return columns, table.Rows[0].Cells
}

// TestRemovedCheckComesBack: a ClusterHealthCheck that somebody removes is made
// anew with what is known, however long it is until the check runs next.
func TestRemovedCheckComesBack(t *testing.T) {
	server := newTarget(t)
	operate(t, testConfig())
	create(t, parseSpec(t, "removed", fmt.Sprintf(`{interval: 1h, checks: [{name: c, http: {url: %q}}]}`, server.URL)))
	before := awaitCheck(t, "removed", "c", func(c *health.ClusterHealthCheck) bool { return c.Status.Result == health.Success })
	if err := cluster.Client.Delete(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	after := awaitCheck(t, "removed", "c", func(c *health.ClusterHealthCheck) bool {
		return c.UID != before.UID && c.Status.Result == health.Success
	})
	if !after.Status.LastRunTime.Equal(before.Status.LastRunTime) {
		t.Errorf("it ran at %s, which is not when it had run: %s", after.Status.LastRunTime, before.Status.LastRunTime)
	}
}

func update(t *testing.T, name string, change func(*health.ClusterHealthSpec)) {
	t.Helper()
	eventually(t, func() string {
		var spec health.ClusterHealthSpec
		if err := cluster.Client.Get(t.Context(), client.ObjectKey{Name: name}, &spec); err != nil {
			return err.Error()
		}
		change(&spec)
		if err := cluster.Client.Update(t.Context(), &spec); err != nil {
			return err.Error()
		}
		return ""
	})
}

func TestRestartKeepsState(t *testing.T) {
	server := newTarget(t)
	stop := operate(t, testConfig())
	create(t, parseSpec(t, "restart", fmt.Sprintf(`
interval: 1s
checks: [{name: up, recoveryThreshold: 60, http: {url: %q}}]
`, server.URL)))
	awaitOverall(t, "restart", health.Success)
	server.answer(500)
	before := awaitOverall(t, "restart", health.Failure)
	server.answer(200)
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	// The new process knows that the check failed: one success is no recovery.
	operate(t, testConfig())
	seen := server.count()
	eventually(t, func() string {
		if server.count() < seen+3 {
			return "no runs yet"
		}
		return ""
	})
	after := awaitOverall(t, "restart", health.Failure)
	if !after.Status.LastTransitionTime.Equal(before.Status.LastTransitionTime) {
		t.Errorf("a restart moved the last transition from %s to %s", before.Status.LastTransitionTime, after.Status.LastTransitionTime)
	}
	chc := awaitCheck(t, "restart", "up", func(c *health.ClusterHealthCheck) bool {
		return strings.HasPrefix(c.Status.Message, "recovering")
	})
	if chc.Status.Result != health.Failure {
		t.Errorf("result %s while recovering", chc.Status.Result)
	}
}

// TestSuspend: a suspended spec is not checked, and at once no longer healthy.
// That its results run out later is tested in the engine, in fake time.
func TestSuspend(t *testing.T) {
	server := newTarget(t)
	operate(t, testConfig())
	create(t, parseSpec(t, "suspended", fmt.Sprintf(`
interval: 1s
checks: [{name: up, http: {url: %q}}]
`, server.URL)))
	awaitOverall(t, "suspended", health.Success)
	update(t, "suspended", func(s *health.ClusterHealthSpec) { s.Spec.Suspend = true })
	got := awaitSpec(t, "suspended", func(s *health.ClusterHealthSpec) bool {
		ready := meta.FindStatusCondition(s.Status.Conditions, health.ConditionReady)
		return s.Status.HealthGeneration == s.Generation && ready != nil && ready.Reason == "Suspended"
	})
	if got.Status.Overall == health.Success || meta.IsStatusConditionTrue(got.Status.Conditions, health.ConditionHealthy) {
		t.Errorf("a suspended spec is healthy: %+v", got.Status)
	}
	// A run that began before may still have come in.
	hits := server.count()
	time.Sleep(3 * time.Second)
	if n := server.count() - hits; n > 1 {
		t.Errorf("a suspended spec is checked %d times in three seconds", n)
	}
	update(t, "suspended", func(s *health.ClusterHealthSpec) { s.Spec.Suspend = false })
	awaitSpec(t, "suspended", func(s *health.ClusterHealthSpec) bool {
		return s.Status.HealthGeneration == s.Generation && s.Status.Overall == health.Success
	})
}

// TestDeletedWhileRunning deletes a spec in the middle of its runs: they end,
// and nothing of the spec comes back.
func TestDeletedWhileRunning(t *testing.T) {
	began, ended := make(chan struct{}, 100), make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	}))
	t.Cleanup(server.Close)
	operate(t, testConfig())
	spec := parseSpec(t, "deleted", fmt.Sprintf(`
interval: 1h
checks:
- {name: slow, timeout: 10m, http: {url: %q}}
- {name: quick, interval: 1s, tcp: {address: %q}}
`, server.URL, server.Listener.Addr()))
	create(t, spec)
	awaitCheck(t, "deleted", "quick", func(c *health.ClusterHealthCheck) bool { return c.Status.Result == health.Success })
	<-began
	if got := awaitSpec(t, "deleted", func(s *health.ClusterHealthSpec) bool { return s.Status.Overall != "" }); got.Status.Overall != health.Pending {
		t.Errorf("overall %s while a check has yet to complete", got.Status.Overall)
	}
	if err := cluster.Client.Delete(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the run goes on")
	}
	eventually(t, func() string {
		if left := len(checksOf(t, "deleted")); left != 0 {
			return fmt.Sprintf("%d checks are left", left)
		}
		return ""
	})
	// The quick check would have run and been written a few times by now.
	time.Sleep(3 * time.Second)
	if left := checksOf(t, "deleted"); len(left) != 0 {
		t.Errorf("checks came back: %v", left)
	}
	if len(began) != 0 {
		t.Error("the check was started again")
	}
}

// TestDeletedWithFinalizer: a spec that something keeps from going is checked no
// longer, and says so.
func TestDeletedWithFinalizer(t *testing.T) {
	server := newTarget(t)
	operate(t, testConfig())
	spec := parseSpec(t, "held", fmt.Sprintf(`{interval: 1s, checks: [{name: up, http: {url: %q}}]}`, server.URL))
	spec.Finalizers = []string{"example.com/held"}
	create(t, spec)
	t.Cleanup(func() {
		release := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		if err := cluster.Client.Patch(context.Background(), spec, release); err != nil {
			t.Error(err)
		}
	})
	awaitOverall(t, "held", health.Success)
	if err := cluster.Client.Delete(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	got := awaitOverall(t, "held", health.Unknown)
	if meta.IsStatusConditionTrue(got.Status.Conditions, health.ConditionHealthy) || !strings.Contains(got.Status.Message, "being deleted") {
		t.Errorf("status of a spec that is being deleted: %+v", got.Status)
	}
}

// TestInvalidSpecIsStalled: what CEL cannot see and no webhook saw is said in
// the conditions, and what ran under the name before does not look healthy.
func TestInvalidSpecIsStalled(t *testing.T) {
	server := newTarget(t)
	operate(t, testConfig())
	create(t, parseSpec(t, "stalled", fmt.Sprintf(`{interval: 1s, checks: [{name: up, http: {url: %q}}]}`, server.URL)))
	awaitOverall(t, "stalled", health.Success)
	update(t, "stalled", func(s *health.ClusterHealthSpec) { s.Spec.Checks[0].HTTP.BodyMatches = "(" })
	got := awaitSpec(t, "stalled", func(s *health.ClusterHealthSpec) bool {
		return meta.IsStatusConditionTrue(s.Status.Conditions, health.ConditionStalled) && s.Status.Overall == health.Error
	})
	if !meta.IsStatusConditionFalse(got.Status.Conditions, health.ConditionReady) || got.Status.ObservedGeneration != got.Generation ||
		meta.IsStatusConditionTrue(got.Status.Conditions, health.ConditionHealthy) || !strings.Contains(got.Status.Message, "bodyMatches") {
		t.Errorf("status of an invalid spec: %+v", got.Status)
	}
	eventually(t, func() string {
		if left := len(checksOf(t, "stalled")); left != 0 {
			return fmt.Sprintf("%d checks are left", left)
		}
		return ""
	})
	update(t, "stalled", func(s *health.ClusterHealthSpec) { s.Spec.Checks[0].HTTP.BodyMatches = "" })
	got = awaitSpec(t, "stalled", func(s *health.ClusterHealthSpec) bool {
		return s.Status.Overall == health.Success && meta.IsStatusConditionTrue(s.Status.Conditions, health.ConditionReady)
	})
	if meta.FindStatusCondition(got.Status.Conditions, health.ConditionStalled) != nil {
		t.Errorf("a valid spec is still stalled: %+v", got.Status.Conditions)
	}
}
