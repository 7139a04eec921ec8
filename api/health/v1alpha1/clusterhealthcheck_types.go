package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Labels of a ClusterHealthCheck, so that kubectl can select by them.
const (
	LabelSpec  = "health.bodega.dev/spec"
	LabelCheck = "health.bodega.dev/check"
	LabelType  = "health.bodega.dev/type"
)

// CheckObjectName is the name of the ClusterHealthCheck of one check of a spec.
// Check names hold no dot, so that no two pairs share a name.
func CheckObjectName(spec, check string) string { return spec + "." + check }

// ClusterHealthCheck is the state of one check of a ClusterHealthSpec. The
// operator creates it, and it goes with the spec that owns it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=chc,categories=health
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Result",type=string,JSONPath=`.status.result`
// +kubebuilder:printcolumn:name="Last Run",type=date,JSONPath=`.status.lastRunTime`
// +kubebuilder:printcolumn:name="Since",type=date,JSONPath=`.status.lastTransitionTime`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.message`
// +kubebuilder:printcolumn:name="Suppressed By",type=string,priority=1,JSONPath=`.status.suppressedBy`
// +kubebuilder:printcolumn:name="Flapping",type=boolean,priority=1,JSONPath=`.status.flapping`
// +kubebuilder:printcolumn:name="Valid Until",type=string,priority=1,JSONPath=`.status.validUntil`
type ClusterHealthCheck struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ClusterHealthCheckSpec `json:"spec"`
	// +optional
	Status ClusterHealthCheckStatus `json:"status,omitempty"`
}

// ClusterHealthCheckList is a list of ClusterHealthCheck.
//
// +kubebuilder:object:root=true
type ClusterHealthCheckList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterHealthCheck `json:"items"`
}

// ClusterHealthCheckSpec says which check this is the state of.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a ClusterHealthCheck stands for one check; the operator replaces it instead of changing it"
type ClusterHealthCheckSpec struct {
	// SpecName is the name of the ClusterHealthSpec.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	SpecName string `json:"specName"`

	// CheckName is the name of the check in that spec.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	CheckName string `json:"checkName"`

	// Type of the check, as "http".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Type string `json:"type"`
}

// ClusterHealthCheckStatus is the state of one check. Its size is bounded: it
// holds the last five runs, with short messages.
type ClusterHealthCheckStatus struct {
	// SpecGeneration is the generation of the ClusterHealthSpec that Result was
	// obtained for.
	//
	// +optional
	SpecGeneration int64 `json:"specGeneration,omitempty"`

	// Definition is a hash of the check as it was when it ran, by which a
	// restarted operator knows whether the state still applies.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Definition string `json:"definition,omitempty"`

	// Result after thresholds; the runs hold what each run said.
	//
	// +optional
	Result Result `json:"result,omitempty"`

	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`

	// +optional
	LastRunTime *metav1.Time `json:"lastRunTime,omitempty"`

	// LastTransitionTime is when Result last changed.
	//
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`

	// ValidUntil is when Result stops being true unless it is renewed before.
	//
	// +optional
	ValidUntil *metav1.Time `json:"validUntil,omitempty"`

	// SuppressedBy is the failed check that explains this one's failure.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	SuppressedBy string `json:"suppressedBy,omitempty"`

	// Maintenance is the name of the maintenance window that is open.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Maintenance string `json:"maintenance,omitempty"`

	// Flapping says that Result changed so often lately that its changes are no
	// longer announced one by one.
	//
	// +optional
	Flapping bool `json:"flapping,omitempty"`

	// Runs are the last five, newest first.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	Runs []Run `json:"runs,omitempty"`

	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Run is one run of a check.
type Run struct {
	Time metav1.MicroTime `json:"time"`
	// DurationMilliseconds from start to end of the run.
	DurationMilliseconds int64  `json:"durationMilliseconds"`
	Result               Result `json:"result"`
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}
