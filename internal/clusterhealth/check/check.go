// Package check holds the types of checks. Each type is one file that says how
// its fields are validated, which access it needs and how it runs, and one row
// of the table in Types.
package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation/field"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/platform/probe"
)

// Outcome is what one run says. Result is Success, Failure, Error or Pending.
type Outcome struct {
	Result  health.Result
	Message string
}

func success(format string, args ...any) Outcome {
	return Outcome{health.Success, fmt.Sprintf(format, args...)}
}

func failure(format string, args ...any) Outcome {
	return Outcome{health.Failure, fmt.Sprintf(format, args...)}
}

func pending(format string, args ...any) Outcome {
	return Outcome{health.Pending, fmt.Sprintf(format, args...)}
}

// Errorf is an Outcome that says that the check itself could not run.
func Errorf(format string, args ...any) Outcome {
	return Outcome{health.Error, fmt.Sprintf(format, args...)}
}

// Check is one check, compiled. Run is never called twice at once for one
// Check, and returns soon after ctx ends.
type Check interface {
	Run(ctx context.Context) Outcome
}

// Do runs a check and keeps what goes wrong with its code from being taken for
// something about its target.
func Do(ctx context.Context, c Check) (out Outcome) {
	defer func() {
		if cause := recover(); cause != nil {
			out = Errorf("the check panicked, which is a fault of the operator's: %v", cause)
		}
	}()
	out = c.Run(ctx)
	switch out.Result {
	case health.Success, health.Failure, health.Error, health.Pending:
		return out
	default:
		return Errorf("the check said %q, which is no outcome", out.Result)
	}
}

// Streaming is a Check that works between its runs. Stream returns when ctx
// ends; Run may be called with or without it.
type Streaming interface {
	Check
	Stream(ctx context.Context)
}

// Env is what checks run with.
type Env struct {
	// Cluster is nil where there is none; checks that need one are Errors.
	Cluster *Cluster
	Dialer  *probe.Dialer
	// Now is the wall clock.
	Now func() time.Time
	// Streams counts open log streams; may be nil.
	Streams interface{ Add(delta float64) }

	transports *transports
}

// NewEnv is an Env whose probes reach every address but those denied.
func NewEnv(cluster *Cluster, deny []netip.Prefix) *Env {
	return &Env{
		Cluster: cluster, Dialer: &probe.Dialer{Deny: deny}, Now: time.Now,
		transports: &transports{open: map[string]*http.Transport{}},
	}
}

// ErrNoCluster is the error of a check that needs a cluster where there is none.
var ErrNoCluster = errors.New("needs a cluster; name one with --kubeconfig")

// Access is one thing that a check does with the cluster's API.
type Access struct {
	Verb, Group, Resource, Subresource, Namespace, Name string
}

// Sensitive says that the access reads secrets or logs or runs commands, which
// an operator gets only for namespaces that were opted in.
func (a Access) Sensitive() bool {
	if a.Group != "" {
		return false
	}
	return a.Resource == "secrets" || a.Resource == "pods" && (a.Subresource == "exec" || a.Subresource == "log")
}

func (a Access) String() string {
	resource := a.Resource
	if a.Group != "" {
		resource += "." + a.Group
	}
	if a.Subresource != "" {
		resource += "/" + a.Subresource
	}
	text := a.Verb + " " + resource
	if a.Name != "" {
		text += " " + a.Name
	}
	if a.Namespace != "" {
		return text + " in namespace " + a.Namespace
	}
	return text + " in the whole cluster"
}

// Type is a type of check.
type Type struct {
	// Name of the type and of its field in a Check.
	Name string
	// Present says whether a check is of this type.
	Present func(c *health.Check) bool
	// Validate finds what is wrong with the fields of this type.
	Validate func(c *health.Check, at *field.Path) field.ErrorList
	// Target is what runs are limited by: no more than a few at once meet one.
	Target func(c *health.Check) string
	// Access that a run needs; the mapper knows the cluster's kinds.
	Access func(c *health.Check, mapper meta.RESTMapper) ([]Access, error)
	// New compiles a valid check.
	New func(c *health.Check, env *Env) (Check, error)
}

// Types is the table of all types of checks.
var Types = []Type{
	podStatusType,
	httpType,
	grpcType,
	logGrepType,
	resourceType,
	podExecType,
	dnsType,
	tcpType,
	tlsType,
}

// TypeOf is the type of a check; ok is false unless it has exactly one.
func TypeOf(c *health.Check) (t Type, ok bool) {
	found := 0
	for _, candidate := range Types {
		if candidate.Present(c) {
			t = candidate
			found++
		}
	}
	return t, found == 1
}

// New compiles a check that Validate found nothing wrong with.
func New(c *health.Check, env *Env) (Check, error) {
	t, ok := TypeOf(c)
	if !ok {
		return nil, fmt.Errorf("check %s has not exactly one type", c.Name)
	}
	compiled, err := t.New(c, env)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", c.Name, err)
	}
	return compiled, nil
}

// Defaults of a check's timing.
const (
	DefaultInterval = 30 * time.Second
	DefaultTimeout  = 10 * time.Second
)

// Interval between two runs of a check of a spec.
func Interval(spec *health.ClusterHealthSpecSpec, c *health.Check) time.Duration {
	switch {
	case c.Interval != nil:
		return c.Interval.Duration
	case spec.Interval != nil:
		return spec.Interval.Duration
	default:
		return DefaultInterval
	}
}

// Timeout of one run of a check, never more than its interval.
func Timeout(spec *health.ClusterHealthSpecSpec, c *health.Check) time.Duration {
	timeout := DefaultTimeout
	if c.Timeout != nil {
		timeout = c.Timeout.Duration
	}
	return min(timeout, Interval(spec, c))
}

// outcome translates what a probe found.
func outcome(res probe.Result) Outcome {
	switch res.Verdict {
	case probe.Up:
		return Outcome{health.Success, res.Message}
	case probe.Down:
		return Outcome{health.Failure, res.Message}
	default:
		return Outcome{health.Error, res.Message}
	}
}

// noAccess is the Access of checks that never meet the cluster's API.
func noAccess(*health.Check, meta.RESTMapper) ([]Access, error) { return nil, nil }
