package v1alpha1

import (
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Check is one check of a spec: a name, exactly one type, and how its runs
// become a result.
//
// +kubebuilder:validation:XValidation:rule="[has(self.podStatus), has(self.http), has(self.grpc), has(self.logGrep), has(self.resource), has(self.podExec), has(self.dns), has(self.tcp), has(self.tls)].filter(x, x).size() == 1",message="a check has exactly one of podStatus, http, grpc, logGrep, resource, podExec, dns, tcp and tls"
// +kubebuilder:validation:XValidation:rule="!has(self.failureWindow) || (has(self.failureThreshold) ? self.failureThreshold : 1) <= self.failureWindow",message="failureThreshold is at most failureWindow"
// +kubebuilder:validation:XValidation:rule="!has(self.dependsOn) || !(self.name in self.dependsOn)",message="a check does not depend on itself"
// +kubebuilder:validation:XValidation:rule="!has(self.timeout) || !has(self.interval) || duration(self.timeout) <= duration(self.interval)",message="timeout is at most interval, so that a check never overtakes itself"
type Check struct {
	// Name of the check, unique in the spec: a DNS label.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Description says to whoever is woken by it what the check is about.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Description string `json:"description,omitempty"`

	// Interval between two runs; the spec's where absent.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="interval is from 1s to 24h"
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Timeout of a run: 10s where absent, and never more than the interval.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10ms') && duration(self) <= duration('10m')",message="timeout is from 10ms to 10m"
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// FailureThreshold is how many of the last FailureWindow runs must fail
	// until the check does; 1 where absent.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	FailureThreshold *int32 `json:"failureThreshold,omitempty"`

	// FailureWindow is the number of last runs that FailureThreshold counts in;
	// FailureThreshold itself where absent, so that failures must be in a row.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	FailureWindow *int32 `json:"failureWindow,omitempty"`

	// RecoveryThreshold is how many runs in a row must succeed until a check that
	// failed succeeds again; 1 where absent.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	RecoveryThreshold *int32 `json:"recoveryThreshold,omitempty"`

	// DependsOn names checks of the same spec whose failure explains a failure of
	// this one.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=63
	DependsOn []string `json:"dependsOn,omitempty"`

	// +optional
	PodStatus *PodStatusCheck `json:"podStatus,omitempty"`
	// +optional
	HTTP *HTTPCheck `json:"http,omitempty"`
	// +optional
	GRPC *GRPCCheck `json:"grpc,omitempty"`
	// +optional
	LogGrep *LogGrepCheck `json:"logGrep,omitempty"`
	// +optional
	Resource *ResourceCheck `json:"resource,omitempty"`
	// +optional
	PodExec *PodExecCheck `json:"podExec,omitempty"`
	// +optional
	DNS *DNSCheck `json:"dns,omitempty"`
	// +optional
	TCP *TCPCheck `json:"tcp,omitempty"`
	// +optional
	TLS *TLSCheck `json:"tls,omitempty"`
}

// WorkloadReference names a workload whose pods are meant.
type WorkloadReference struct {
	// +required
	// +kubebuilder:validation:Enum=Deployment;StatefulSet;DaemonSet;ReplicaSet
	Kind string `json:"kind"`
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// LabelSelector selects objects by labels; at least one label or expression.
//
// +kubebuilder:validation:XValidation:rule="(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)",message="a selector holds at least one label or expression; an empty one would select everything"
type LabelSelector struct {
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	MatchExpressions []metav1.LabelSelectorRequirement `json:"matchExpressions,omitempty"`
}

// PodStatusCheck wants pods to exist, to run, and to be ready.
//
// +kubebuilder:validation:XValidation:rule="has(self.workload) != has(self.selector)",message="podStatus has exactly one of workload and selector"
// +kubebuilder:validation:XValidation:rule="!has(self.workload) || size(self.namespaces) == 1",message="a workload is in exactly one namespace"
type PodStatusCheck struct {
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces"`
	// +optional
	Workload *WorkloadReference `json:"workload,omitempty"`
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`
	// MinReady is how many ready pods there must be in each namespace: the
	// workload's replicas, or 1 with a selector, where absent. Without it every
	// pod found must be ready.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinReady *int32 `json:"minReady,omitempty"`
	// GracePeriod that a new pod has to become ready, in which it is Pending
	// instead of a Failure; 2m where absent.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('24h')",message="gracePeriod is from 0s to 24h"
	GracePeriod *metav1.Duration `json:"gracePeriod,omitempty"`
}

// SecretKeyReference names one key of a secret.
type SecretKeyReference struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key"`
}

// SecretReference names a secret.
type SecretReference struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// TLSClient is how a probe speaks TLS.
type TLSClient struct {
	// ServerName to ask for and to verify; the host of the address where absent.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ServerName string `json:"serverName,omitempty"`
	// CABundle is PEM; the system's roots where absent.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	CABundle string `json:"caBundle,omitempty"`
	// +optional
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
	// ClientCertificate is a secret of type kubernetes.io/tls.
	//
	// +optional
	ClientCertificate *SecretReference `json:"clientCertificate,omitempty"`
}

// HTTPHeader is a header with a value, or with one from a secret.
//
// +kubebuilder:validation:XValidation:rule="has(self.value) != has(self.valueFrom)",message="a header has exactly one of value and valueFrom"
type HTTPHeader struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9!#$%&'*+.^_|~-]+$`
	Name string `json:"name"`
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value *string `json:"value,omitempty"`
	// +optional
	ValueFrom *SecretKeyReference `json:"valueFrom,omitempty"`
}

// HTTPCheck wants an HTTP response.
//
// +kubebuilder:validation:XValidation:rule="!has(self.body) || !has(self.method) || self.method in ['POST', 'PUT', 'PATCH']",message="only POST, PUT and PATCH send a body"
// +kubebuilder:validation:XValidation:rule="!has(self.body) || has(self.method)",message="only POST, PUT and PATCH send a body"
type HTTPCheck struct {
	// URL with scheme http or https, without user information.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != ''",message="url is absolute, with scheme http or https"
	URL string `json:"url"`
	// Method; GET where absent.
	//
	// +optional
	// +kubebuilder:validation:Enum=GET;HEAD;POST;PUT;PATCH;DELETE;OPTIONS
	Method string `json:"method,omitempty"`
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Headers []HTTPHeader `json:"headers,omitempty"`
	// Body to send.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=8192
	Body string `json:"body,omitempty"`
	// ExpectedStatus codes; any of 200 to 299 where absent.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:Minimum=100
	// +kubebuilder:validation:items:Maximum=599
	ExpectedStatus []int32 `json:"expectedStatus,omitempty"`
	// BodyMatches is a regular expression (RE2) that the first MiB of the
	// response body must match.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=512
	BodyMatches string `json:"bodyMatches,omitempty"`
	// MaxLatency that the response may take, from dialling to the last byte read.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) > duration('0s') && duration(self) <= duration('10m')",message="maxLatency is above 0s and at most 10m"
	MaxLatency *metav1.Duration `json:"maxLatency,omitempty"`
	// FollowRedirects to the same host, at most ten; else a redirect is a
	// response like any other.
	//
	// +optional
	FollowRedirects bool `json:"followRedirects,omitempty"`
	// +optional
	TLS *TLSClient `json:"tls,omitempty"`
}

// GRPCCheck asks the standard health service (grpc.health.v1) for a service.
type GRPCCheck struct {
	// Address as host:port.
	//
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:Pattern=`^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$`
	Address string `json:"address"`
	// Service to ask for; the server as a whole where absent.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Service string `json:"service,omitempty"`
	// TLS where present; plain text where absent.
	//
	// +optional
	TLS *TLSClient `json:"tls,omitempty"`
	// Authority to send instead of the host of Address.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Authority string `json:"authority,omitempty"`
}

// LogGrepCheck streams the logs of pods and fails while matching lines of the
// last Window reach Threshold.
//
// +kubebuilder:validation:XValidation:rule="has(self.workload) != has(self.selector)",message="logGrep has exactly one of workload and selector"
type LogGrepCheck struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// +optional
	Workload *WorkloadReference `json:"workload,omitempty"`
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`
	// Container to read; all of a pod's where absent.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Container string `json:"container,omitempty"`
	// Patterns are regular expressions (RE2); a line that matches one counts once.
	//
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Patterns []string `json:"patterns"`
	// Threshold of matching lines; 1 where absent.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Threshold *int32 `json:"threshold,omitempty"`
	// Window that matching lines count in; 5m where absent.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="window is from 1s to 24h"
	Window *metav1.Duration `json:"window,omitempty"`
	// IdleTimeout after which a silent stream is opened anew; 5m where absent.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="idleTimeout is from 1s to 24h"
	IdleTimeout *metav1.Duration `json:"idleTimeout,omitempty"`
}

// Operator compares what a JSONPath finds with a value.
//
// +kubebuilder:validation:Enum=Equals;NotEquals;Exists;NotExists;Empty;NotEmpty;RegexMatch;NotRegexMatch;ListContains;NotListContains;In;NotIn;GreaterThan;GreaterThanOrEqual;LessThan;LessThanOrEqual
type Operator string

// The operators. Where a JSONPath finds several values, each must hold; where
// it finds none, only NotExists, Empty and NotListContains hold.
const (
	Equals             Operator = "Equals"
	NotEquals          Operator = "NotEquals"
	Exists             Operator = "Exists"
	NotExists          Operator = "NotExists"
	Empty              Operator = "Empty"
	NotEmpty           Operator = "NotEmpty"
	RegexMatch         Operator = "RegexMatch"
	NotRegexMatch      Operator = "NotRegexMatch"
	ListContains       Operator = "ListContains"
	NotListContains    Operator = "NotListContains"
	In                 Operator = "In"
	NotIn              Operator = "NotIn"
	GreaterThan        Operator = "GreaterThan"
	GreaterThanOrEqual Operator = "GreaterThanOrEqual"
	LessThan           Operator = "LessThan"
	LessThanOrEqual    Operator = "LessThanOrEqual"
)

// Scalar is a text. A whole number is read as its digits, of however many there
// are: an object that the API server stores must never fail to decode.
//
// +kubebuilder:validation:Type=""
// +kubebuilder:validation:XIntOrString
type Scalar string

// UnmarshalJSON reads a text or a whole number.
func (s *Scalar) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, (*string)(s))
	}
	var number json.Number
	if err := json.Unmarshal(text, &number); err != nil {
		return err
	}
	if strings.ContainsAny(number.String(), ".eE") {
		return fmt.Errorf("%s is no whole number; write it in quotes", number)
	}
	*s = Scalar(number)
	return nil
}

// FieldCondition is a condition on a field of an object.
//
// +kubebuilder:validation:XValidation:rule="self.operator in ['Exists', 'NotExists', 'Empty', 'NotEmpty'] ? !has(self.value) && !has(self.values) : (self.operator in ['In', 'NotIn'] ? has(self.values) && !has(self.value) : has(self.value) && !has(self.values))",message="Exists, NotExists, Empty and NotEmpty have no value, In and NotIn have values, the others have value"
type FieldCondition struct {
	// JSONPath in braces, as {.status.phase}.
	//
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=512
	JSONPath string `json:"jsonPath"`
	// +required
	Operator Operator `json:"operator"`
	// Value to compare with, as text: a boolean is written "true". GreaterThan and
	// its like read numbers and Kubernetes quantities.
	//
	// +optional
	Value *Scalar `json:"value,omitempty"`
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Values []Scalar `json:"values,omitempty"`
}

// ResourceCheck wants objects of any kind to exist and to fulfil conditions.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.name) && has(self.selector))",message="resource has at most one of name and selector"
// +kubebuilder:validation:XValidation:rule="!has(self.minCount) || !has(self.name)",message="minCount is for selectors; a name means exactly one object"
type ResourceCheck struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	APIVersion string `json:"apiVersion"`
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`
	// Namespace to look in; all namespaces where absent and the kind is
	// namespaced.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// Name of one object; all that Selector selects, or all of the kind, where
	// absent.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`
	// MinCount of objects that must exist; 1 where absent. 0 allows none.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	MinCount *int32 `json:"minCount,omitempty"`
	// Conditions that each object must fulfil.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Conditions []FieldCondition `json:"conditions,omitempty"`
	// Ready wants each object to be ready as kstatus computes it: Deployments
	// rolled out, conditions Ready true, observedGeneration current.
	//
	// +optional
	Ready bool `json:"ready,omitempty"`
}

// PodExecCheck runs a command in a container and wants its exit code.
//
// +kubebuilder:validation:XValidation:rule="[has(self.pod), has(self.workload), has(self.selector)].filter(x, x).size() == 1",message="podExec has exactly one of pod, workload and selector"
type PodExecCheck struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Pod string `json:"pod,omitempty"`
	// +optional
	Workload *WorkloadReference `json:"workload,omitempty"`
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`
	// Container; the pod's default or first where absent.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Container string `json:"container,omitempty"`
	// Command and its arguments; no shell is involved.
	//
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=1024
	Command []string `json:"command"`
	// ExpectedExitCode; 0 where absent.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=255
	ExpectedExitCode *int32 `json:"expectedExitCode,omitempty"`
	// OutputMatches is a regular expression (RE2) that the first 64 KiB of
	// standard output must match.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=512
	OutputMatches string `json:"outputMatches,omitempty"`
	// Pods to run in: Any takes the first running one, All wants every running
	// one to succeed; Any where absent.
	//
	// +optional
	// +kubebuilder:validation:Enum=Any;All
	Pods string `json:"pods,omitempty"`
}

// DNSCheck resolves a name.
type DNSCheck struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// RecordType; A where absent.
	//
	// +optional
	// +kubebuilder:validation:Enum=A;AAAA;CNAME;TXT;MX;NS;SRV
	RecordType string `json:"recordType,omitempty"`
	// Server as host:port; the operator's own resolver where absent.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:Pattern=`^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$`
	Server string `json:"server,omitempty"`
	// ExpectedValues that must be among the answers.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=255
	ExpectedValues []string `json:"expectedValues,omitempty"`
}

// TCPCheck opens a connection.
type TCPCheck struct {
	// Address as host:port.
	//
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:Pattern=`^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$`
	Address string `json:"address"`
}

// TLSCheck completes a TLS handshake and wants the certificate to stay valid.
type TLSCheck struct {
	// Address as host:port.
	//
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=320
	// +kubebuilder:validation:Pattern=`^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$`
	Address string `json:"address"`
	// MinValidity that the certificates presented must still have; 168h where
	// absent.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('8760h')",message="minValidity is from 0s to 8760h"
	MinValidity *metav1.Duration `json:"minValidity,omitempty"`
	// +optional
	TLS *TLSClient `json:"tls,omitempty"`
}
