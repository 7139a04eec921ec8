// Package admission judges a ClusterHealthSpec before it is stored: what its
// CEL rules cannot see, and whether its author may do what its checks will do
// with the operator's permissions.
package admission

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrladmission "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
)

// Path that the webhook is served at.
const Path = "/validate-health-bodega-dev-v1alpha1-clusterhealthspec"

// Validator implements the validating webhook for ClusterHealthSpec.
type Validator struct {
	// Client creates access reviews.
	Client client.Client
	// Mapper knows the kinds that the cluster serves.
	Mapper meta.RESTMapper
	Log    *slog.Logger
}

// ValidateCreate reviews every check.
func (v *Validator) ValidateCreate(ctx context.Context, spec *health.ClusterHealthSpec) (ctrladmission.Warnings, error) {
	return nil, v.review(ctx, spec, nil)
}

// ValidateUpdate reviews what changed: a check that stays as it is was reviewed
// with the author who wrote it.
func (v *Validator) ValidateUpdate(ctx context.Context, old, spec *health.ClusterHealthSpec) (ctrladmission.Warnings, error) {
	if apiequality.Semantic.DeepEqual(old.Spec, spec.Spec) {
		return nil, nil
	}
	return nil, v.review(ctx, spec, old)
}

// ValidateDelete lets everything be deleted.
func (v *Validator) ValidateDelete(context.Context, *health.ClusterHealthSpec) (ctrladmission.Warnings, error) {
	return nil, nil
}

// concurrentReviews bounds how many reviews of one spec are asked for at once.
const concurrentReviews = 16

// needs are the checks of a spec that one access is for.
type needs struct {
	access check.Access
	at     []*field.Path
}

func (v *Validator) review(ctx context.Context, spec, old *health.ClusterHealthSpec) error {
	errs := check.Validate(spec.Name, &spec.Spec)
	if len(errs) > 0 {
		return invalid(spec, errs)
	}
	wanted, errs := v.accesses(spec, old)
	if len(errs) > 0 {
		return invalid(spec, errs)
	}
	req, err := ctrladmission.RequestFromContext(ctx)
	if err != nil {
		return fmt.Errorf("review ClusterHealthSpec %s: %w", spec.Name, err)
	}

	reviews := &reviewer{client: v.Client, author: req.UserInfo}
	errs, err = reviews.refusals(ctx, wanted)
	if err != nil {
		return fmt.Errorf("review the access of ClusterHealthSpec %s: %w", spec.Name, err)
	}
	if len(errs) > 0 {
		slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Field+a.Detail, b.Field+b.Detail) })
		v.Log.Info("a spec is refused", "spec", spec.Name, "user", req.UserInfo.Username, "refusals", len(errs))
		return invalid(spec, errs)
	}
	return nil
}

// accesses are all that the new and the changed checks of a spec will do, each
// once.
func (v *Validator) accesses(spec, old *health.ClusterHealthSpec) ([]needs, field.ErrorList) {
	before := map[string]*health.Check{}
	if old != nil {
		for i := range old.Spec.Checks {
			before[old.Spec.Checks[i].Name] = &old.Spec.Checks[i]
		}
	}
	var errs field.ErrorList
	var out []needs
	index := map[check.Access]int{}
	for i := range spec.Spec.Checks {
		c := &spec.Spec.Checks[i]
		if apiequality.Semantic.DeepEqual(before[c.Name], c) {
			continue
		}
		t, _ := check.TypeOf(c)
		at := field.NewPath("spec", "checks").Index(i).Child(t.Name)
		accesses, err := t.Access(c, v.Mapper)
		if err != nil {
			errs = append(errs, field.Invalid(at, c.Name, err.Error()))
			continue
		}
		for _, access := range accesses {
			k, known := index[access]
			if !known {
				k = len(out)
				index[access] = k
				out = append(out, needs{access: access})
			}
			out[k].at = append(out[k].at, at)
		}
	}
	return out, errs
}

// reviewer asks the API server what the author of a spec and the operator may
// do.
type reviewer struct {
	client client.Client
	author authenticationv1.UserInfo
	// authorMay and operatorMay are what either may do anywhere.
	authorMay, operatorMay map[check.Access]bool
}

// anywhere is an access to all objects of all namespaces, which includes it.
func anywhere(a check.Access) check.Access {
	a.Namespace, a.Name = "", ""
	return a
}

// refusals says which accesses the author or the operator is denied, and stops
// asking when there are enough to refuse the spec with. Whoever may do something
// anywhere is not asked about each place: a spec of 500 checks would take longer
// than an API server waits for a webhook.
func (r *reviewer) refusals(ctx context.Context, wanted []needs) (field.ErrorList, error) {
	r.authorMay, r.operatorMay = map[check.Access]bool{}, map[check.Access]bool{}
	for _, need := range wanted {
		broad := anywhere(need.access)
		if _, asked := r.authorMay[broad]; asked {
			continue
		}
		var err error
		if r.authorMay[broad], err = r.askAuthor(ctx, broad); err != nil {
			return nil, err
		}
		if r.operatorMay[broad], err = r.askOperator(ctx, broad); err != nil {
			return nil, err
		}
	}

	var mu sync.Mutex
	var errs field.ErrorList
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(errs) > maxProblems
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrentReviews)
	for _, need := range wanted {
		if enough() {
			break
		}
		group.Go(func() error {
			refusal, err := r.refusal(ctx, need.access)
			if err != nil || refusal == "" {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			for _, at := range need.at {
				errs = append(errs, field.Forbidden(at, refusal))
			}
			return nil
		})
	}
	err := group.Wait()
	return errs, err
}

// refusal says who of the author and the operator may not do something.
func (r *reviewer) refusal(ctx context.Context, access check.Access) (string, error) {
	broad := anywhere(access)
	author, operator := r.authorMay[broad], r.operatorMay[broad]
	var err error
	if !author && access != broad {
		if author, err = r.askAuthor(ctx, access); err != nil {
			return "", err
		}
	}
	if !author {
		return fmt.Sprintf("%s may not %s, so neither may a check of theirs", r.author.Username, access), nil
	}
	if !operator && access != broad {
		if operator, err = r.askOperator(ctx, access); err != nil {
			return "", err
		}
	}
	if !operator {
		return fmt.Sprintf("the operator may not %s; `bodega-operator rbac -f` prints what to grant", access), nil
	}
	return "", nil
}

func attributes(access check.Access) *authorizationv1.ResourceAttributes {
	return &authorizationv1.ResourceAttributes{
		Verb: access.Verb, Group: access.Group, Resource: access.Resource, Subresource: access.Subresource,
		Namespace: access.Namespace, Name: access.Name,
	}
}

func (r *reviewer) askAuthor(ctx context.Context, access check.Access) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		ResourceAttributes: attributes(access), User: r.author.Username, Groups: r.author.Groups, UID: r.author.UID,
		Extra: map[string]authorizationv1.ExtraValue{},
	}}
	for key, values := range r.author.Extra {
		review.Spec.Extra[key] = authorizationv1.ExtraValue(values)
	}
	if err := r.client.Create(ctx, review); err != nil {
		return false, fmt.Errorf("ask whether %s may %s: %w", r.author.Username, access, err)
	}
	return review.Status.Allowed, nil
}

func (r *reviewer) askOperator(ctx context.Context, access check.Access) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: attributes(access)}}
	if err := r.client.Create(ctx, review); err != nil {
		return false, fmt.Errorf("ask whether the operator may %s: %w", access, err)
	}
	return review.Status.Allowed, nil
}

// maxProblems is how many problems an author is told of at once.
const maxProblems = 20

func invalid(spec *health.ClusterHealthSpec, errs field.ErrorList) error {
	if len(errs) > maxProblems {
		errs = append(errs[:maxProblems:maxProblems], field.Forbidden(field.NewPath("spec", "checks"), "and more"))
	}
	return apierrors.NewInvalid(health.GroupVersion.WithKind("ClusterHealthSpec").GroupKind(), spec.Name, errs)
}
