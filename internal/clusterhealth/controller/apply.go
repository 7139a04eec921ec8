package controller

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/engine"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// Field owners. The reconciler and the health writer each own their part of a
// status, so that neither can undo the other's.
const (
	reconcileOwner = client.FieldOwner("bodega-operator")
	healthOwner    = client.FieldOwner("bodega-operator-health")
)

// applied is what is sent in a server-side apply: only the fields that its
// owner means, so that what it leaves out is given up.
type applied struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        appliedMetadata `json:"metadata"`
	Spec            any             `json:"spec,omitempty"`
	Status          any             `json:"status,omitempty"`
}

type appliedMetadata struct {
	Name            string                  `json:"name"`
	UID             string                  `json:"uid,omitempty"`
	ResourceVersion string                  `json:"resourceVersion,omitempty"`
	Labels          map[string]string       `json:"labels,omitempty"`
	OwnerReferences []metav1.OwnerReference `json:"ownerReferences,omitempty"`
}

func (*applied) IsApplyConfiguration()    {}
func (a *applied) GetName() *string       { return &a.Metadata.Name }
func (a *applied) GetNamespace() *string  { return nil }
func (a *applied) GetKind() *string       { return &a.Kind }
func (a *applied) GetAPIVersion() *string { return &a.APIVersion }

func typeMeta(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: health.GroupVersion.String(), Kind: kind}
}

const (
	specKind  = "ClusterHealthSpec"
	checkKind = "ClusterHealthCheck"
)

// specHealth is the part of a spec's status that the health writer owns.
type specHealth struct {
	Overall            health.Result      `json:"overall"`
	HealthGeneration   int64              `json:"healthGeneration"`
	Message            string             `json:"message"`
	Passing            string             `json:"passing"`
	Counts             *health.Counts     `json:"counts,omitempty"`
	Culprits           []health.Culprit   `json:"culprits,omitempty"`
	LastTransitionTime *metav1.Time       `json:"lastTransitionTime,omitempty"`
	ValidUntil         *metav1.Time       `json:"validUntil,omitempty"`
	Conditions         []metav1.Condition `json:"conditions"`
}

// specConditions is the part that the reconciler owns.
type specConditions struct {
	ObservedGeneration int64              `json:"observedGeneration"`
	Conditions         []metav1.Condition `json:"conditions"`
}

// applySpecHealth writes the health of a spec. Where a version is given, it is a
// conflict if the spec is no longer as it was then.
func applySpecHealth(ctx context.Context, c client.Client, s engine.SpecStatus, version string) error {
	body := &applied{
		// With the UID, a spec that was deleted and created anew meanwhile does
		// not get the status of its predecessor.
		TypeMeta: typeMeta(specKind), Metadata: appliedMetadata{Name: s.Name, UID: s.UID, ResourceVersion: version},
		Status: &specHealth{
			Overall: s.Summary.Overall, HealthGeneration: s.Generation, Message: s.Summary.Message,
			Passing: fmt.Sprintf("%d/%d", s.Summary.Counts.Success, s.Summary.Counts.Total),
			Counts:  &s.Summary.Counts, Culprits: s.Summary.Culprits,
			LastTransitionTime: timeOf(s.Since), ValidUntil: timeOf(s.ValidUntil),
			Conditions: []metav1.Condition{healthy(s.Summary.Overall, s.Summary.Message, s.Generation, s.Since)},
		},
	}
	return c.Status().Apply(ctx, body, healthOwner, client.ForceOwnership)
}

// applyCheckStatus writes the status of a check, with a version as applySpecHealth
// does.
func applyCheckStatus(ctx context.Context, c client.Client, s engine.CheckStatus, version string) error {
	status := health.ClusterHealthCheckStatus{
		SpecGeneration: s.Generation, Definition: s.Definition,
		Result: s.Result, Message: verdict.Truncate(s.Message, 512),
		LastTransitionTime: timeOf(s.Since), LastRunTime: timeOf(s.LastRun), ValidUntil: timeOf(s.ValidUntil),
		SuppressedBy: s.SuppressedBy, Maintenance: s.Maintenance, Flapping: s.Flapping,
		Conditions: checkConditions(s),
	}
	for _, run := range s.Runs {
		status.Runs = append(status.Runs, health.Run{
			Time: metav1.NewMicroTime(run.At), DurationMilliseconds: run.Duration.Milliseconds(),
			Result: run.Result, Message: run.Message,
		})
	}
	return c.Status().Apply(ctx, &applied{
		TypeMeta: typeMeta(checkKind), Metadata: appliedMetadata{Name: health.CheckObjectName(s.Key.Spec, s.Key.Check), ResourceVersion: version},
		Status: &status,
	}, healthOwner, client.ForceOwnership)
}

func checkConditions(s engine.CheckStatus) []metav1.Condition {
	since := s.Since
	result := s.Result
	if s.Maintenance != "" && result == health.Failure {
		result = health.Pending
	}
	// The operator's own work on a check is done once it runs, whatever it finds.
	ready := metav1.Condition{
		Type: health.ConditionReady, Status: metav1.ConditionTrue, Reason: "Running",
		Message: "the check runs", LastTransitionTime: transition(since),
	}
	switch {
	case s.LastRun.IsZero():
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "Scheduled", "the check has yet to complete its first run"
	case s.Result == health.Error:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "CannotRun", s.Message
	case s.Result == health.Unknown:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "ResultExpired", s.Message
	}
	out := []metav1.Condition{ready, healthy(result, s.Message, 0, since)}
	if s.LastRun.IsZero() {
		out = append(out, metav1.Condition{
			Type: health.ConditionReconciling, Status: metav1.ConditionTrue, Reason: ready.Reason,
			Message: ready.Message, LastTransitionTime: ready.LastTransitionTime,
		})
	}
	for i := range out {
		out[i].Message = verdict.Truncate(out[i].Message, 512)
	}
	return out
}

func timeOf(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t}
}

// transition is when a condition last changed; one that never did changes now.
func transition(since time.Time) metav1.Time {
	if since.IsZero() {
		return metav1.Now()
	}
	return metav1.NewTime(since)
}

// healthy is the condition about the target.
func healthy(result health.Result, message string, generation int64, since time.Time) metav1.Condition {
	c := metav1.Condition{
		Type: health.ConditionHealthy, Message: message, ObservedGeneration: generation,
		LastTransitionTime: transition(since),
	}
	switch result {
	case health.Success:
		c.Status, c.Reason = metav1.ConditionTrue, "Succeeded"
	case health.Failure:
		c.Status, c.Reason = metav1.ConditionFalse, "Failed"
	case health.Error:
		c.Status, c.Reason = metav1.ConditionUnknown, "CannotRun"
	case health.Unknown:
		c.Status, c.Reason = metav1.ConditionUnknown, "ResultExpired"
	default:
		c.Status, c.Reason = metav1.ConditionUnknown, "Pending"
	}
	return c
}
