// Package controller keeps the API server and the engine in step: specs become
// checks that run, and what their runs come to is written back.
package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
	"github.com/bodega-hq/bodega/internal/clusterhealth/engine"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

// Reconciler makes the engine run what the specs say, and each check of a spec
// have a ClusterHealthCheck.
type Reconciler struct {
	client client.Client // of specs whole, of checks as metadata
	engine *engine.Engine
	env    *check.Env
	former *formerStates
	// reader reads past the cache.
	reader client.Reader
	// webhook is the ValidatingWebhookConfiguration by which specs are reviewed:
	// whether their author may do what their checks do. Where it is empty, checks
	// that read secrets or logs or run commands are refused.
	webhook string
}

// NewReconciler makes a Reconciler. The reader reads past the cache; webhook is
// empty where specs are not reviewed.
func NewReconciler(c client.Client, reader client.Reader, e *engine.Engine, env *check.Env, webhook string) *Reconciler {
	return &Reconciler{client: c, engine: e, env: env, former: &formerStates{reader: reader}, reader: reader, webhook: webhook}
}

// SetupWithManager registers the reconciler with a manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	// Statuses change all the time and mean nothing to the reconciler; what a
	// check is and whether it exists does.
	removed := predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return !maps.Equal(e.ObjectOld.GetLabels(), e.ObjectNew.GetLabels()) ||
				len(e.ObjectOld.GetOwnerReferences()) != len(e.ObjectNew.GetOwnerReferences())
		},
		DeleteFunc:  func(event.DeleteEvent) bool { return true },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("clusterhealthspec").
		For(&health.ClusterHealthSpec{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&health.ClusterHealthCheck{}, builder.OnlyMetadata, builder.WithPredicates(removed)).
		WithOptions(ctrlcontroller.Options{MaxConcurrentReconciles: 4}).
		Complete(r)
}

// errInvalid is the error of a spec that will not work until it is changed.
var errInvalid = errors.New("the spec is invalid")

// Reconcile brings one spec about, in steps, and reports in its conditions how
// far it came.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	var spec health.ClusterHealthSpec
	if err := r.client.Get(ctx, req.NamespacedName, &spec); err != nil {
		if apierrors.IsNotFound(err) {
			r.engine.Remove(req.Name)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("get ClusterHealthSpec %s: %w", req.Name, err)
	}
	if !spec.DeletionTimestamp.IsZero() {
		// Its checks are owned and go with it.
		r.engine.Remove(req.Name)
		return ctrl.Result{}, r.retire(ctx, &spec)
	}

	var err error
	for _, step := range []func(context.Context, *health.ClusterHealthSpec) error{
		r.restore, r.validate, r.reconcileChecks, r.schedule,
	} {
		if err = step(ctx, &spec); err != nil {
			break
		}
	}
	if patchErr := r.report(ctx, &spec, err); patchErr != nil && !apierrors.IsNotFound(patchErr) {
		err = errors.Join(err, patchErr)
	}
	if errors.Is(err, errInvalid) {
		// Trying again cannot help; a change of the spec will bring it back.
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, err
}

// retire takes back what was said of a spec that is on its way out: a finalizer
// may hold it for long, and nobody checks it any more.
func (r *Reconciler) retire(ctx context.Context, spec *health.ClusterHealthSpec) error {
	if spec.Status.Overall == "" || spec.Status.Overall == health.Unknown {
		return nil
	}
	now := time.Now()
	return ignoreChanged(applySpecHealth(ctx, r.client, engine.SpecStatus{
		Name: spec.Name, UID: string(spec.UID), Generation: spec.Status.HealthGeneration,
		Summary: verdict.Summary{Overall: health.Unknown, Message: "the spec is being deleted and is no longer checked"},
		Since:   now, ValidUntil: now,
	}, ""))
}

func (r *Reconciler) restore(ctx context.Context, _ *health.ClusterHealthSpec) error {
	return r.former.load(ctx)
}

// validate stops a spec that the admission webhook did not see. What ran under
// its name before no longer does, so that a mistake cannot look healthy.
func (r *Reconciler) validate(ctx context.Context, spec *health.ClusterHealthSpec) error {
	problems := check.Validate(spec.Name, &spec.Spec)
	if len(problems) == 0 {
		return nil
	}
	message := verdict.Truncate(problems.ToAggregate().Error(), 900)
	if err := r.engine.Apply(engine.Spec{
		Name: spec.Name, UID: string(spec.UID), Generation: spec.Generation, Invalid: message,
		Overall: spec.Status.Overall, Since: timeAt(spec.Status.LastTransitionTime),
	}); err != nil {
		return err
	}
	if err := r.prune(ctx, spec, nil); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", errInvalid, message)
}

// reconcileChecks creates what is missing and deletes what is obsolete.
func (r *Reconciler) reconcileChecks(ctx context.Context, spec *health.ClusterHealthSpec) error {
	wanted := make(map[string]*applied, len(spec.Spec.Checks))
	for i := range spec.Spec.Checks {
		object := checkObject(spec, &spec.Spec.Checks[i])
		wanted[object.Metadata.Name] = object
	}
	if err := r.prune(ctx, spec, wanted); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for name, object := range wanted {
		if object == nil {
			continue
		}
		group.Go(func() error {
			if err := r.client.Apply(ctx, object, reconcileOwner, client.ForceOwnership); err != nil {
				return fmt.Errorf("apply ClusterHealthCheck %s: %w", name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// prune deletes the checks of a spec that are not wanted, or that stand for
// something else, and strikes those that are as wanted from the map.
func (r *Reconciler) prune(ctx context.Context, spec *health.ClusterHealthSpec, wanted map[string]*applied) error {
	var existing metav1.PartialObjectMetadataList
	existing.SetGroupVersionKind(health.GroupVersion.WithKind(checkKind + "List"))
	if err := r.client.List(ctx, &existing, client.MatchingLabels{health.LabelSpec: spec.Name}); err != nil {
		return fmt.Errorf("list the ClusterHealthChecks of %s: %w", spec.Name, err)
	}
	for i := range existing.Items {
		item := &existing.Items[i]
		owner := metav1.GetControllerOf(item)
		owned := owner != nil && owner.UID == spec.UID
		if want := wanted[item.Name]; want != nil && owned && item.Labels[health.LabelType] == want.Metadata.Labels[health.LabelType] {
			if maps.Equal(item.Labels, want.Metadata.Labels) {
				wanted[item.Name] = nil
			}
			continue
		}
		if owner != nil && !owned && owner.Kind == specKind && owner.Name != spec.Name {
			// It belongs to another spec and only carries this one's label.
			continue
		}
		err := r.client.Delete(ctx, item, client.Preconditions{UID: &item.UID})
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
			return fmt.Errorf("delete the obsolete ClusterHealthCheck %s: %w", item.Name, err)
		}
	}
	return nil
}

func checkObject(spec *health.ClusterHealthSpec, c *health.Check) *applied {
	t, _ := check.TypeOf(c)
	return &applied{
		TypeMeta: typeMeta(checkKind),
		Metadata: appliedMetadata{
			Name:   health.CheckObjectName(spec.Name, c.Name),
			Labels: map[string]string{health.LabelSpec: spec.Name, health.LabelCheck: c.Name, health.LabelType: t.Name},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: health.GroupVersion.String(), Kind: specKind, Name: spec.Name, UID: spec.UID,
				Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true),
			}},
		},
		Spec: health.ClusterHealthCheckSpec{SpecName: spec.Name, CheckName: c.Name, Type: t.Name},
	}
}

// schedule hands the spec to the engine.
func (r *Reconciler) schedule(ctx context.Context, spec *health.ClusterHealthSpec) error {
	out := engine.Spec{
		Name: spec.Name, UID: string(spec.UID), Generation: spec.Generation, Suspend: spec.Spec.Suspend,
		Overall: spec.Status.Overall, Since: timeAt(spec.Status.LastTransitionTime),
	}
	for i := range spec.Spec.MaintenanceWindows {
		window, err := verdict.CompileWindow(&spec.Spec.MaintenanceWindows[i])
		if err != nil {
			return fmt.Errorf("%w: maintenance window %s %w", errInvalid, spec.Spec.MaintenanceWindows[i].Name, err)
		}
		out.Windows = append(out.Windows, window)
	}
	for i := range spec.Spec.Checks {
		c := &spec.Spec.Checks[i]
		def, err := r.define(ctx, spec, c)
		if err != nil {
			return err
		}
		def.Restored, def.Obsolete = r.former.take(spec, &def)
		out.Checks = append(out.Checks, def)
	}
	if err := r.engine.Apply(out); err != nil {
		return fmt.Errorf("%w: %w", errInvalid, err)
	}
	return nil
}

func (r *Reconciler) define(ctx context.Context, spec *health.ClusterHealthSpec, c *health.Check) (engine.Check, error) {
	t, ok := check.TypeOf(c)
	if !ok {
		return engine.Check{}, fmt.Errorf("%w: check %s has not exactly one type", errInvalid, c.Name)
	}
	definition, err := definitionOf(c)
	if err != nil {
		return engine.Check{}, fmt.Errorf("hash check %s: %w", c.Name, err)
	}
	refusal, err := r.refuse(ctx, spec, t, c)
	if err != nil {
		return engine.Check{}, err
	}
	if refusal != nil {
		// Another check than the one that is not refused, which takes its place
		// once it no longer is.
		definition += "-refused"
	}
	// The engine keeps what a check compiles to, not the spec it came from.
	own := c.DeepCopy()
	return engine.Check{
		Name: c.Name, Type: t.Name, Target: t.Target(c), Definition: definition,
		Interval: check.Interval(&spec.Spec, c), Timeout: check.Timeout(&spec.Spec, c),
		Policy: verdict.PolicyOf(c), DependsOn: own.DependsOn,
		Compile: func() (check.Check, error) {
			if refusal != nil {
				return refusal, nil
			}
			return check.New(own, r.env)
		},
	}, nil
}

// definitionOf is a hash of what a check does, without its timing.
func definitionOf(c *health.Check) (string, error) {
	bare := *c
	bare.Description, bare.Interval, bare.Timeout = "", nil, nil
	bare.FailureThreshold, bare.FailureWindow, bare.RecoveryThreshold, bare.DependsOn = nil, nil, nil, nil
	text, err := json.Marshal(&bare)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

// refused stands in for a check that nobody vouched for.
type refused struct{ why string }

func (r refused) Run(context.Context) check.Outcome { return check.Errorf("%s", r.why) }

// webhookSettles is the time within which every API server of a cluster asks a
// new webhook: creation times are whole seconds, and configurations are watched.
const webhookSettles = 5 * time.Second

// refuse says whether a check reads secrets or logs or runs commands although
// nobody asked whether its author may: because there is no admission webhook,
// or because the spec is older than the webhook is. A spec cannot make itself
// younger, and every change since went through the webhook.
func (r *Reconciler) refuse(ctx context.Context, spec *health.ClusterHealthSpec, t check.Type, c *health.Check) (check.Check, error) {
	access, sensitive := sensitiveAccess(t, c)
	if !sensitive {
		return nil, nil
	}
	if r.webhook == "" {
		return refused{fmt.Sprintf("would %s, which is only done for specs whose author was reviewed; run the operator with its admission webhook", access)}, nil
	}
	var config admissionregistrationv1.ValidatingWebhookConfiguration
	err := r.reader.Get(ctx, client.ObjectKey{Name: r.webhook}, &config)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("get ValidatingWebhookConfiguration %s: %w", r.webhook, err)
	}
	strict := err == nil && len(config.Webhooks) > 0
	for _, w := range config.Webhooks {
		strict = strict && (w.FailurePolicy == nil || *w.FailurePolicy == admissionregistrationv1.Fail)
	}
	switch {
	case !strict:
		return refused{fmt.Sprintf("would %s, but ValidatingWebhookConfiguration %s is absent or lets specs pass unreviewed", access, r.webhook)}, nil
	case spec.CreationTimestamp.Sub(config.CreationTimestamp.Time) < webhookSettles:
		return refused{fmt.Sprintf("would %s, but the spec is older than the admission webhook, or younger by less than %s, so nobody may have reviewed its author; delete it and create it anew", access, webhookSettles)}, nil
	default:
		return nil, nil
	}
}

// sensitiveAccess is the first sensitive access of a check. Secrets, logs and
// commands are in the core group, which needs no cluster to be known.
func sensitiveAccess(t check.Type, c *health.Check) (check.Access, bool) {
	if c.Resource != nil {
		access := check.Access{Verb: "get", Resource: "secrets", Namespace: c.Resource.Namespace, Name: c.Resource.Name}
		return access, check.ReadsSecrets(c.Resource)
	}
	accesses, err := t.Access(c, nil)
	if err != nil {
		return check.Access{}, false
	}
	for _, a := range accesses {
		if a.Sensitive() {
			return a, true
		}
	}
	return check.Access{}, false
}

// report writes the conditions about the operator's own work.
func (r *Reconciler) report(ctx context.Context, spec *health.ClusterHealthSpec, err error) error {
	ready := metav1.Condition{Type: health.ConditionReady, ObservedGeneration: spec.Generation}
	var extra *metav1.Condition
	switch {
	case err == nil:
		ready.Status, ready.Reason = metav1.ConditionTrue, "Scheduled"
		ready.Message = fmt.Sprintf("%d checks are scheduled", len(spec.Spec.Checks))
		if spec.Spec.Suspend {
			ready.Reason, ready.Message = "Suspended", "the spec is suspended; no check runs"
		}
	case errors.Is(err, errInvalid):
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "InvalidSpec", err.Error()
		extra = &metav1.Condition{Type: health.ConditionStalled}
	default:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, "Retrying", err.Error()
		extra = &metav1.Condition{Type: health.ConditionReconciling}
	}
	ready.Message = verdict.Truncate(ready.Message, 1024)
	conditions := []metav1.Condition{ready}
	if extra != nil {
		extra.Status, extra.Reason, extra.Message, extra.ObservedGeneration = metav1.ConditionTrue, ready.Reason, ready.Message, spec.Generation
		conditions = append(conditions, *extra)
	}

	changed := spec.Status.ObservedGeneration != spec.Generation
	for _, t := range []string{health.ConditionReconciling, health.ConditionStalled} {
		if (extra == nil || extra.Type != t) && meta.FindStatusCondition(spec.Status.Conditions, t) != nil {
			changed = true
		}
	}
	for i := range conditions {
		current := meta.FindStatusCondition(spec.Status.Conditions, conditions[i].Type)
		conditions[i].LastTransitionTime = metav1.Now()
		if current != nil && current.Status == conditions[i].Status {
			conditions[i].LastTransitionTime = current.LastTransitionTime
		}
		if current == nil || *current != conditions[i] {
			changed = true
		}
	}
	if !changed {
		return nil
	}
	body := &applied{
		TypeMeta: typeMeta(specKind), Metadata: appliedMetadata{Name: spec.Name, UID: string(spec.UID)},
		Status: &specConditions{ObservedGeneration: spec.Generation, Conditions: conditions},
	}
	if err := r.client.Status().Apply(ctx, body, reconcileOwner, client.ForceOwnership); err != nil {
		return fmt.Errorf("apply the conditions of ClusterHealthSpec %s: %w", spec.Name, err)
	}
	return nil
}
