package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ClusterHealthSpec lists the checks that decide whether a cluster is healthy.
// Its status holds the one signal that rollouts are gated on.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=chs,categories=health
// +kubebuilder:printcolumn:name="Overall",type=string,JSONPath=`.status.overall`
// +kubebuilder:printcolumn:name="Passing",type=string,JSONPath=`.status.passing`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.message`
// +kubebuilder:printcolumn:name="Valid Until",type=string,priority=1,JSONPath=`.status.validUntil`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of a ClusterHealthSpec has at most 63 characters, since it labels the checks"
type ClusterHealthSpec struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec ClusterHealthSpecSpec `json:"spec"`
	// +optional
	Status ClusterHealthSpecStatus `json:"status,omitempty"`
}

// ClusterHealthSpecList is a list of ClusterHealthSpec.
//
// +kubebuilder:object:root=true
type ClusterHealthSpecList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ClusterHealthSpec `json:"items"`
}

// ClusterHealthSpecSpec is what a cluster's owner asks to be checked.
type ClusterHealthSpecSpec struct {
	// Interval between two runs of a check that names none of its own, from one
	// second to a day; 30s where absent.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="interval is from 1s to 24h"
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Suspend stops the runs; results run out and the overall status turns
	// Unknown, never Success.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// Checks, by name.
	//
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=500
	Checks []Check `json:"checks"`

	// MaintenanceWindows are times in which the failure of a check is expected:
	// it is still measured and shown, but neither counted as Failure nor alerted.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=20
	MaintenanceWindows []MaintenanceWindow `json:"maintenanceWindows,omitempty"`
}

// MaintenanceWindow is either one span of time, or a schedule and a duration.
//
// +kubebuilder:validation:XValidation:rule="has(self.schedule) ? has(self.duration) && !has(self.start) && !has(self.end) : has(self.start) && has(self.end) && !has(self.duration)",message="a maintenance window has either schedule and duration, or start and end"
// +kubebuilder:validation:XValidation:rule="!has(self.start) || !has(self.end) || self.start < self.end",message="a maintenance window starts before it ends"
type MaintenanceWindow struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// Schedule is a cron expression of five fields that says when the window
	// opens.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Schedule string `json:"schedule,omitempty"`

	// TimeZone is the IANA name of the zone that Schedule is read in; UTC where
	// absent.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`

	// Duration that the window stays open, from one minute to a week.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('168h')",message="duration is from 1m to 168h"
	Duration *metav1.Duration `json:"duration,omitempty"`

	// +optional
	Start *metav1.Time `json:"start,omitempty"`
	// +optional
	End *metav1.Time `json:"end,omitempty"`

	// Checks that the window is about; all of the spec's where empty.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=500
	// +kubebuilder:validation:items:MaxLength=63
	Checks []string `json:"checks,omitempty"`
}

// Result is what is known about a check, or about all of them.
//
// +kubebuilder:validation:Enum=Success;Failure;Error;Unknown;Pending
type Result string

const (
	// Success: the target is as the check wants it.
	Success Result = "Success"
	// Failure: the target is not as the check wants it. A refused connection is
	// a Failure.
	Failure Result = "Failure"
	// Error: the check itself could not run, so nothing is known of the target.
	Error Result = "Error"
	// Unknown: the last result ran out and no newer one came.
	Unknown Result = "Unknown"
	// Pending: the check has yet to complete, or waits for the target with good
	// reason (a grace period, a maintenance window).
	Pending Result = "Pending"
)

// Results lists every Result, worst first: the order in which they decide the
// overall status.
func Results() []Result { return []Result{Failure, Error, Unknown, Pending, Success} }

// The condition types. Ready, Reconciling and Stalled are about the operator's
// own work, so that a tool waiting for them does not hang on a real outage;
// Healthy is about the target.
const (
	ConditionReady       = "Ready"
	ConditionReconciling = "Reconciling"
	ConditionStalled     = "Stalled"
	ConditionHealthy     = "Healthy"
)

// ClusterHealthSpecStatus is the overall status. Its size is bounded: it names
// at most ten culprits.
type ClusterHealthSpecStatus struct {
	// ObservedGeneration is the generation that Ready, Reconciling and Stalled
	// speak of.
	//
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Overall is Failure if any check failed; else Error or Unknown if any could
	// not run or went stale; else Pending if any has yet to complete; Success
	// only when all are fresh for HealthGeneration.
	//
	// +optional
	Overall Result `json:"overall,omitempty"`

	// HealthGeneration is the generation of the spec that Overall speaks of.
	//
	// +optional
	HealthGeneration int64 `json:"healthGeneration,omitempty"`

	// Message says in one line why Overall is what it is.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// Passing is the number of checks that succeed of the number there are, as
	// "19/20".
	//
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Passing string `json:"passing,omitempty"`

	// Counts of checks by result.
	//
	// +optional
	Counts *Counts `json:"counts,omitempty"`

	// Culprits are the checks that Overall is due to, at most ten, in the order
	// of the spec. A failure that a dependency explains is not among them.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=10
	Culprits []Culprit `json:"culprits,omitempty"`

	// LastTransitionTime is when Overall last changed.
	//
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`

	// ValidUntil is when Overall stops being true unless it is renewed before.
	//
	// +optional
	ValidUntil *metav1.Time `json:"validUntil,omitempty"`

	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Counts of checks by result. Suppressed and Maintenance count checks that are
// also counted by their result.
type Counts struct {
	Total       int32 `json:"total"`
	Success     int32 `json:"success"`
	Failure     int32 `json:"failure"`
	Error       int32 `json:"error"`
	Unknown     int32 `json:"unknown"`
	Pending     int32 `json:"pending"`
	Suppressed  int32 `json:"suppressed"`
	Maintenance int32 `json:"maintenance"`
}

// Culprit is a check that keeps the overall status from Success.
type Culprit struct {
	// +kubebuilder:validation:MaxLength=63
	Name   string `json:"name"`
	Result Result `json:"result"`
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}
