package check

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

var resourceType = Type{
	Name:     "resource",
	Present:  func(c *health.Check) bool { return c.Resource != nil },
	Validate: validateResource,
	Target:   func(c *health.Check) string { return "resource/" + c.Resource.APIVersion + "/" + c.Resource.Kind },
	Access: func(c *health.Check, mapper meta.RESTMapper) ([]Access, error) {
		r := c.Resource
		gv, err := schema.ParseGroupVersion(r.APIVersion)
		if err != nil {
			return nil, fmt.Errorf("apiVersion %q: %w", r.APIVersion, err)
		}
		mapping, err := mapper.RESTMapping(gv.WithKind(r.Kind).GroupKind(), gv.Version)
		if err != nil {
			return nil, fmt.Errorf("kind %s of %s: %w", r.Kind, r.APIVersion, err)
		}
		// A namespace that means nothing to the kind must not stand in the question
		// whether somebody may: whoever may do all in it may not do all elsewhere.
		switch scope := mapping.Scope; {
		case scope == nil: // a mapper that does not know the cluster
		case scope.Name() == meta.RESTScopeNameRoot && r.Namespace != "":
			return nil, fmt.Errorf("kind %s of %s is not namespaced, so namespace %s means nothing", r.Kind, r.APIVersion, r.Namespace)
		case scope.Name() == meta.RESTScopeNameNamespace && r.Namespace == "" && r.Name != "":
			return nil, fmt.Errorf("kind %s of %s is namespaced, so name %s needs a namespace", r.Kind, r.APIVersion, r.Name)
		}
		access := Access{Verb: "list", Group: gv.Group, Resource: mapping.Resource.Resource, Namespace: r.Namespace}
		if r.Name != "" {
			access.Verb, access.Name = "get", r.Name
		}
		return []Access{access}, nil
	},
	New: newResource,
}

func validateResource(c *health.Check, at *field.Path) field.ErrorList {
	r := c.Resource
	var errs field.ErrorList
	if gv, err := schema.ParseGroupVersion(r.APIVersion); err != nil || gv.Version == "" {
		errs = append(errs, field.Invalid(at.Child("apiVersion"), r.APIVersion, "is not group/version, or v1"))
	}
	errs = append(errs, tooLong(r.APIVersion, at.Child("apiVersion"), 317)...)
	errs = append(errs, validateName(r.Kind, at.Child("kind"))...)
	errs = append(errs, tooLong(r.Kind, at.Child("kind"), 63)...)
	if r.Namespace != "" {
		errs = append(errs, validateNamespace(r.Namespace, at.Child("namespace"))...)
	}
	errs = append(errs, tooLong(r.Name, at.Child("name"), 253)...)
	if r.Name != "" && r.Selector != nil {
		errs = append(errs, field.Invalid(at, r.Name, "has at most one of name and selector"))
	}
	if r.Name != "" && r.MinCount != nil {
		errs = append(errs, field.Invalid(at.Child("minCount"), *r.MinCount, "is for selectors; a name means exactly one object"))
	}
	if r.MinCount != nil && *r.MinCount < 0 {
		errs = append(errs, field.Invalid(at.Child("minCount"), *r.MinCount, "is less than 0"))
	}
	errs = append(errs, validateWorkloadAndSelector(nil, r.Selector, at)...)
	if len(r.Conditions) > 16 {
		errs = append(errs, field.TooMany(at.Child("conditions"), len(r.Conditions), 16))
	}
	for i := range r.Conditions {
		_, err := compileCondition(&r.Conditions[i])
		if err != nil {
			errs = append(errs, field.Invalid(at.Child("conditions").Index(i), r.Conditions[i].JSONPath, err.Error()))
		}
	}
	return errs
}

// ReadsSecrets says that a check of a resource is about secrets. The API server's
// kinds are found in lower case as well, and its core group before a slash.
func ReadsSecrets(r *health.ResourceCheck) bool {
	gv, err := schema.ParseGroupVersion(r.APIVersion)
	return err == nil && gv.Group == "" && strings.EqualFold(r.Kind, "Secret")
}

// pageSize bounds how many objects of a kind are in memory at once.
const pageSize = 200

type resourceCheck struct {
	spec       *health.ResourceCheck
	env        *Env
	gvk        schema.GroupVersionKind
	selector   labels.Selector
	conditions []condition
	minCount   int
	hidden     bool
}

func newResource(c *health.Check, env *Env) (Check, error) {
	if env.Cluster == nil {
		return nil, ErrNoCluster
	}
	gv, err := schema.ParseGroupVersion(c.Resource.APIVersion)
	if err != nil {
		return nil, fmt.Errorf("apiVersion: %w", err)
	}
	r := &resourceCheck{spec: c.Resource, env: env, gvk: gv.WithKind(c.Resource.Kind), minCount: 1}
	// What a secret holds must not appear in a message that others may read.
	r.hidden = ReadsSecrets(c.Resource)
	if c.Resource.MinCount != nil {
		r.minCount = int(*c.Resource.MinCount)
	}
	if c.Resource.Selector != nil {
		if r.selector, err = selectorOf(c.Resource.Selector); err != nil {
			return nil, fmt.Errorf("selector: %w", err)
		}
	}
	for i := range c.Resource.Conditions {
		compiled, err := compileCondition(&c.Resource.Conditions[i])
		if err != nil {
			return nil, fmt.Errorf("conditions[%d]: %w", i, err)
		}
		r.conditions = append(r.conditions, compiled)
	}
	return r, nil
}

func (r *resourceCheck) Run(ctx context.Context) Outcome {
	if r.spec.Name != "" {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(r.gvk)
		err := r.env.Cluster.Client.Get(ctx, client.ObjectKey{Namespace: r.spec.Namespace, Name: r.spec.Name}, object)
		switch {
		case meta.IsNoMatchError(err):
			return Errorf("the cluster does not know kind %s of %s", r.gvk.Kind, r.spec.APIVersion)
		case apierrors.IsNotFound(err):
			return failure("%s does not exist", r.describe(r.spec.Namespace, r.spec.Name))
		case err != nil:
			return apiError("get "+r.describe(r.spec.Namespace, r.spec.Name), err)
		}
		if out := r.judge(ctx, object); out.Result != health.Success {
			return out
		}
		return success("%s is as expected", r.describe(r.spec.Namespace, r.spec.Name))
	}
	return r.list(ctx)
}

func (r *resourceCheck) list(ctx context.Context) Outcome {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(r.gvk.GroupVersion().WithKind(r.gvk.Kind + "List"))
	options := &client.ListOptions{Namespace: r.spec.Namespace, LabelSelector: r.selector, Limit: pageSize}
	count, bad := 0, 0
	var worst Outcome
	for {
		err := r.env.Cluster.Client.List(ctx, list, options)
		switch {
		case meta.IsNoMatchError(err):
			return Errorf("the cluster does not know kind %s of %s", r.gvk.Kind, r.spec.APIVersion)
		case err != nil:
			return apiError("list "+r.gvk.Kind, err)
		}
		for i := range list.Items {
			count++
			out := r.judge(ctx, &list.Items[i])
			if out.Result == health.Success {
				continue
			}
			bad++
			if worst.Result == "" || worst.Result == health.Pending && out.Result != health.Pending {
				worst = out
			}
		}
		if options.Continue = list.GetContinue(); options.Continue == "" {
			break
		}
	}
	switch {
	case bad > 1:
		worst.Message = fmt.Sprintf("%d of %d %s objects are not as expected; %s", bad, count, r.gvk.Kind, worst.Message)
		return worst
	case bad == 1:
		return worst
	case count < r.minCount:
		return failure("%d %s objects%s, want at least %d", count, r.gvk.Kind, r.scope(), r.minCount)
	}
	return success("%d %s objects are as expected", count, r.gvk.Kind)
}

func (r *resourceCheck) judge(ctx context.Context, object *unstructured.Unstructured) Outcome {
	name := r.describe(object.GetNamespace(), object.GetName())
	if r.spec.Ready {
		if out := judgeReady(name, object); out.Result != health.Success {
			return out
		}
	}
	for i := range r.conditions {
		holds, why, err := r.conditions[i].holds(ctx, object.Object)
		if err != nil {
			return Errorf("%s: %v", name, err)
		}
		if !holds {
			if r.hidden {
				why = r.conditions[i].text + " does not hold"
			}
			return failure("%s: %s", name, why)
		}
	}
	return success("%s", name)
}

// judgeReady reads an object as kstatus does. What is in progress is Pending,
// unless the object itself says of its current generation that it is not
// ready.
func judgeReady(name string, object *unstructured.Unstructured) Outcome {
	res, err := status.Compute(object)
	if err != nil {
		return Errorf("%s: compute its status: %v", name, err)
	}
	switch res.Status {
	case status.CurrentStatus:
		return success("%s", name)
	case status.InProgressStatus:
		if reason, refused := notReady(object); refused {
			return failure("%s is not ready: %s", name, reason)
		}
		return pending("%s is in progress: %s", name, res.Message)
	default:
		return failure("%s is %s: %s", name, res.Status, res.Message)
	}
}

func notReady(object *unstructured.Unstructured) (string, bool) {
	observed, found, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if found && observed < object.GetGeneration() {
		return "", false
	}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	for _, c := range conditions {
		fields, ok := c.(map[string]any)
		if ok && fields["type"] == "Ready" && fields["status"] == "False" {
			return strings.TrimSpace(fmt.Sprintf("%v: %v", fields["reason"], fields["message"])), true
		}
	}
	return "", false
}

func (r *resourceCheck) describe(namespace, name string) string {
	if namespace == "" {
		return r.gvk.Kind + " " + name
	}
	return r.gvk.Kind + " " + namespace + "/" + name
}

func (r *resourceCheck) scope() string {
	text := ""
	if r.spec.Namespace != "" {
		text += " in " + r.spec.Namespace
	}
	if r.selector != nil {
		text += " match the selector"
	}
	return text
}

// jsonText is a JSON value as text: strings without quotes, the rest as JSON.
func jsonText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case nil:
		return ""
	case time.Time:
		return v.Format(time.RFC3339)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(out)
}
