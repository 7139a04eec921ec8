package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

// Cluster is the API server that checks ask. Checks read it without a cache:
// what they look at is small and different for each, and a cache of every pod
// of a cluster would be neither.
type Cluster struct {
	Client client.Client
	Mapper meta.RESTMapper
	config *rest.Config
	core   corev1client.CoreV1Interface
}

// NewCluster connects lazily: an API server that is away is found out by the
// first check that asks it.
func NewCluster(config *rest.Config) (*Cluster, error) {
	// Checks are limited per target and bounded in number; a second limit in
	// the client would only make them late.
	config = rest.CopyConfig(config)
	config.QPS = -1
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("map the kinds of %s: %w", config.Host, err)
	}
	reader, err := client.New(config, client.Options{HTTPClient: httpClient, Mapper: mapper, Scheme: clientscheme.Scheme})
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	core, err := corev1client.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", config.Host, err)
	}
	return &Cluster{Client: reader, Mapper: mapper, config: config, core: core}, nil
}

// apiError classifies an error of the API server's. Only a missing object is
// the target's fault, and that the caller handles.
func apiError(doing string, err error) Outcome {
	var op *net.OpError
	switch {
	case apierrors.IsForbidden(err):
		return Errorf("%s: the operator may not: %s; see bodega-operator rbac", doing, short(err))
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf("%s: the API server did not answer in time", doing)
	case errors.As(err, &op):
		return Errorf("%s: the API server cannot be reached: %v", doing, op.Err)
	default:
		return Errorf("%s: %s", doing, short(err))
	}
}

func short(err error) string {
	text := err.Error()
	if line, _, more := strings.Cut(text, "\n"); more {
		text = line
	}
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

// fromCache lets the API server answer from its watch cache: a check looks
// again soon, and need not cost a quorum read.
type fromCache struct{}

// ApplyToList makes options of its own for each list, since the client writes
// the list's selector into them.
func (fromCache) ApplyToList(o *client.ListOptions) {
	o.Raw = &metav1.ListOptions{ResourceVersion: "0"}
}

// workloadKinds are the kinds whose pods can be meant, and their resources.
var workloadKinds = map[string]string{
	"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets", "ReplicaSet": "replicasets",
}

// workload is what is known of a workload: its pods and how many it wants.
type workload struct {
	selector labels.Selector
	replicas int
	created  time.Time
}

func (c *Cluster) workload(ctx context.Context, namespace string, ref *health.WorkloadReference) (workload, error) {
	key := client.ObjectKey{Namespace: namespace, Name: ref.Name}
	var selector *metav1.LabelSelector
	var replicas *int32
	var created time.Time
	var err error
	switch ref.Kind {
	case "Deployment":
		var o appsv1.Deployment
		err = c.Client.Get(ctx, key, &o)
		selector, replicas, created = o.Spec.Selector, o.Spec.Replicas, o.CreationTimestamp.Time
	case "StatefulSet":
		var o appsv1.StatefulSet
		err = c.Client.Get(ctx, key, &o)
		selector, replicas, created = o.Spec.Selector, o.Spec.Replicas, o.CreationTimestamp.Time
	case "ReplicaSet":
		var o appsv1.ReplicaSet
		err = c.Client.Get(ctx, key, &o)
		selector, replicas, created = o.Spec.Selector, o.Spec.Replicas, o.CreationTimestamp.Time
	case "DaemonSet":
		var o appsv1.DaemonSet
		err = c.Client.Get(ctx, key, &o)
		selector, created = o.Spec.Selector, o.CreationTimestamp.Time
		// Until its controller has seen it, it is not known to want none.
		if o.Status.ObservedGeneration > 0 {
			replicas = &o.Status.DesiredNumberScheduled
		}
	default:
		return workload{}, fmt.Errorf("workload kind %q is not known", ref.Kind)
	}
	if err != nil {
		return workload{}, err
	}
	out := workload{replicas: 1, created: created}
	if replicas != nil {
		out.replicas = int(*replicas)
	}
	out.selector, err = metav1.LabelSelectorAsSelector(selector)
	return out, err
}

func (c *Cluster) pods(ctx context.Context, namespace string, selector labels.Selector) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := c.Client.List(ctx, &list, fromCache{}, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, err
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return list.Items, nil
}

// podsOf finds the pods of a workload or a selector. A workload that does not
// exist is an Outcome of the target's, since the check wants its pods.
func (c *Cluster) podsOf(ctx context.Context, namespace string, ref *health.WorkloadReference, selector labels.Selector) ([]corev1.Pod, workload, *Outcome) {
	var w workload
	if ref != nil {
		var err error
		w, err = c.workload(ctx, namespace, ref)
		if apierrors.IsNotFound(err) {
			out := failure("%s %s/%s does not exist", ref.Kind, namespace, ref.Name)
			return nil, w, &out
		}
		if err != nil {
			out := apiError(fmt.Sprintf("get %s %s/%s", ref.Kind, namespace, ref.Name), err)
			return nil, w, &out
		}
		selector = w.selector
	}
	pods, err := c.pods(ctx, namespace, selector)
	if err != nil {
		out := apiError("list pods in "+namespace, err)
		return nil, w, &out
	}
	return pods, w, nil
}

// podsAccess is the access that podsOf needs.
func podsAccess(namespace string, ref *health.WorkloadReference) []Access {
	out := []Access{{Verb: "list", Resource: "pods", Namespace: namespace}}
	if ref != nil {
		out = append(out, Access{Verb: "get", Group: "apps", Resource: workloadKinds[ref.Kind], Namespace: namespace, Name: ref.Name})
	}
	return out
}

// podsTarget names the pods as what runs are limited by.
func podsTarget(namespace string, ref *health.WorkloadReference) string {
	if ref != nil {
		return "pods/" + namespace + "/" + ref.Kind + "/" + ref.Name
	}
	return "pods/" + namespace
}

func running(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && pod.Status.Phase == corev1.PodRunning
}

func ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
