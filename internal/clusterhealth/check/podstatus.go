package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

const defaultGracePeriod = 2 * time.Minute

var podStatusType = Type{
	Name:    "podStatus",
	Present: func(c *health.Check) bool { return c.PodStatus != nil },
	Validate: func(c *health.Check, at *field.Path) field.ErrorList {
		p := c.PodStatus
		errs := validatePods(p.Workload, p.Selector, at)
		switch {
		case len(p.Namespaces) == 0:
			errs = append(errs, field.Required(at.Child("namespaces"), "names the namespaces to look in"))
		case len(p.Namespaces) > 50:
			errs = append(errs, field.TooMany(at.Child("namespaces"), len(p.Namespaces), 50))
		case p.Workload != nil && len(p.Namespaces) != 1:
			errs = append(errs, field.Invalid(at.Child("namespaces"), p.Namespaces, "a workload is in exactly one namespace"))
		}
		for i, ns := range p.Namespaces {
			errs = append(errs, validateNamespace(ns, at.Child("namespaces").Index(i))...)
			if slices.Contains(p.Namespaces[:i], ns) {
				errs = append(errs, field.Duplicate(at.Child("namespaces").Index(i), ns))
			}
		}
		if p.MinReady != nil && *p.MinReady < 1 {
			errs = append(errs, field.Invalid(at.Child("minReady"), *p.MinReady, "is less than 1"))
		}
		return append(errs, validateDuration(p.GracePeriod, at.Child("gracePeriod"), 0, 24*time.Hour)...)
	},
	Target: func(c *health.Check) string { return podsTarget(c.PodStatus.Namespaces[0], c.PodStatus.Workload) },
	Access: func(c *health.Check, _ meta.RESTMapper) ([]Access, error) {
		var out []Access
		for _, ns := range c.PodStatus.Namespaces {
			out = append(out, podsAccess(ns, c.PodStatus.Workload)...)
		}
		return out, nil
	},
	New: newPodStatus,
}

type podStatus struct {
	spec     *health.PodStatusCheck
	env      *Env
	selector labels.Selector
	grace    time.Duration
}

func newPodStatus(c *health.Check, env *Env) (Check, error) {
	if env.Cluster == nil {
		return nil, ErrNoCluster
	}
	p := &podStatus{spec: c.PodStatus, env: env, grace: defaultGracePeriod}
	if p.spec.GracePeriod != nil {
		p.grace = p.spec.GracePeriod.Duration
	}
	if p.spec.Selector != nil {
		selector, err := selectorOf(p.spec.Selector)
		if err != nil {
			return nil, fmt.Errorf("selector: %w", err)
		}
		p.selector = selector
	}
	return p, nil
}

// Run looks at the pods of every namespace; the worst of them decides.
func (p *podStatus) Run(ctx context.Context) Outcome {
	total := 0
	var waiting *Outcome
	for _, ns := range p.spec.Namespaces {
		count, out := p.namespace(ctx, ns)
		switch out.Result {
		case health.Success:
			total += count
		case health.Pending:
			waiting = &out
		default:
			return out
		}
	}
	if waiting != nil {
		return *waiting
	}
	return success("%d pods ready", total)
}

func (p *podStatus) namespace(ctx context.Context, ns string) (int, Outcome) {
	pods, w, bad := p.env.Cluster.podsOf(ctx, ns, p.spec.Workload, p.selector)
	if bad != nil {
		return 0, *bad
	}
	want := 1
	if p.spec.Workload != nil {
		want = w.replicas
	}
	if p.spec.MinReady != nil {
		want = int(*p.spec.MinReady)
	}
	now := p.env.Now()
	found, readyCount := 0, 0
	var young, broken []string
	for i := range pods {
		pod := &pods[i]
		if gone(pod) {
			continue
		}
		found++
		switch {
		case running(pod) && ready(pod):
			readyCount++
		case pod.Status.Phase != corev1.PodFailed && now.Sub(pod.CreationTimestamp.Time) < p.grace:
			young = append(young, pod.Name)
		default:
			broken = append(broken, pod.Name+" "+why(pod))
		}
	}

	enough := readyCount >= want
	if enough && (p.spec.MinReady != nil || len(broken)+len(young) == 0) {
		return readyCount, success("%d pods ready in %s", readyCount, ns)
	}
	where := fmt.Sprintf("%d of %d pods ready in %s", readyCount, max(want, found), ns)
	switch {
	case len(broken) > 0:
		return 0, failure("%s: %s", where, some(broken))
	case len(young) > 0:
		return 0, pending("%s: %s within the grace period of %s", where, some(young), p.grace)
	}
	// Fewer pods exist than there should be. One that does not exist has no age
	// to measure its grace by; its workload has.
	if p.spec.Workload != nil && now.Sub(w.created) < p.grace {
		return 0, pending("%s: %d missing within the grace period of %s", where, want-found, p.grace)
	}
	return 0, failure("%s: %d missing", where, want-found)
}

// gone says that a pod is on its way out or a leftover that its controller has
// replaced, and says nothing about the workload.
func gone(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded {
		return true
	}
	switch pod.Status.Reason {
	case "Evicted", "NodeAffinity", "NodeShutdown", "Terminated", "Preempting", "Shutdown":
		return pod.Status.Phase == corev1.PodFailed
	}
	return false
}

func why(pod *corev1.Pod) string {
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, s := range statuses {
			switch {
			case s.State.Waiting != nil && s.State.Waiting.Reason != "" && s.State.Waiting.Reason != "PodInitializing":
				return s.State.Waiting.Reason
			case s.State.Terminated != nil && s.State.Terminated.ExitCode != 0:
				return fmt.Sprintf("%s (exit code %d)", s.State.Terminated.Reason, s.State.Terminated.ExitCode)
			}
		}
	}
	if pod.Status.Phase == corev1.PodRunning {
		return "not ready"
	}
	if pod.Status.Reason != "" {
		return pod.Status.Reason
	}
	return string(pod.Status.Phase)
}

// some names the first few.
func some(names []string) string {
	const shown = 3
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
