package clusterhealth

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
)

// Grants are the roles that the checks of some specs need.
type Grants struct {
	// Objects are ClusterRoles, Roles and their bindings, in a stable order.
	Objects []any
	// LeftOut is the sensitive access in namespaces that were not opted in, and
	// access to secrets without a name.
	LeftOut []check.Access
}

// RBAC works out what the operator must be granted to run the checks of specs.
// Access to secrets, logs and commands is granted only in namespaces that
// opted in, and to secrets only by name.
func RBAC(specs []health.ClusterHealthSpec, mapper meta.RESTMapper, serviceAccount, namespace string, optIn []string) (Grants, error) {
	wanted := map[check.Access]bool{}
	for i := range specs {
		for k := range specs[i].Spec.Checks {
			c := &specs[i].Spec.Checks[k]
			t, ok := check.TypeOf(c)
			if !ok {
				return Grants{}, fmt.Errorf("spec %s, check %s: has not exactly one type", specs[i].Name, c.Name)
			}
			accesses, err := t.Access(c, mapper)
			if err != nil {
				return Grants{}, fmt.Errorf("spec %s, check %s: %w", specs[i].Name, c.Name, err)
			}
			for _, a := range accesses {
				wanted[a] = true
			}
		}
	}
	var out Grants
	byNamespace := map[string][]check.Access{}
	for _, a := range slices.SortedFunc(maps.Keys(wanted), compareAccess) {
		// A namespace opts in to the secrets that specs name, never to all it has.
		everySecret := a.Group == "" && a.Resource == "secrets" && a.Name == ""
		if a.Sensitive() && (everySecret || !slices.Contains(optIn, a.Namespace)) {
			out.LeftOut = append(out.LeftOut, a)
			continue
		}
		byNamespace[a.Namespace] = append(byNamespace[a.Namespace], a)
	}
	const name = "bodega-operator-checks"
	subject := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: serviceAccount, Namespace: namespace}}
	for _, ns := range slices.Sorted(maps.Keys(byNamespace)) {
		rules := rulesOf(byNamespace[ns])
		object := metav1.ObjectMeta{Name: name, Namespace: ns}
		if ns == "" {
			out.Objects = append(out.Objects,
				&rbacv1.ClusterRole{TypeMeta: rbacType("ClusterRole"), ObjectMeta: object, Rules: rules},
				&rbacv1.ClusterRoleBinding{
					TypeMeta: rbacType("ClusterRoleBinding"), ObjectMeta: object, Subjects: subject,
					RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
				})
			continue
		}
		out.Objects = append(out.Objects,
			&rbacv1.Role{TypeMeta: rbacType("Role"), ObjectMeta: object, Rules: rules},
			&rbacv1.RoleBinding{
				TypeMeta: rbacType("RoleBinding"), ObjectMeta: object, Subjects: subject,
				RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			})
	}
	return out, nil
}

func rbacType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: kind}
}

func compareAccess(a, b check.Access) int {
	return cmp.Or(
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource),
		cmp.Compare(a.Subresource, b.Subresource), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Verb, b.Verb),
	)
}

// rulesOf merges accesses, which are sorted, into one rule per resource and
// name.
func rulesOf(accesses []check.Access) []rbacv1.PolicyRule {
	var out []rbacv1.PolicyRule
	for i, a := range accesses {
		if i > 0 {
			last := accesses[i-1]
			last.Verb = a.Verb
			if last == a {
				rule := &out[len(out)-1]
				rule.Verbs = append(rule.Verbs, a.Verb)
				continue
			}
		}
		resource := a.Resource
		if a.Subresource != "" {
			resource += "/" + a.Subresource
		}
		rule := rbacv1.PolicyRule{APIGroups: []string{a.Group}, Resources: []string{resource}, Verbs: []string{a.Verb}}
		if a.Name != "" {
			rule.ResourceNames = []string{a.Name}
		}
		out = append(out, rule)
	}
	return out
}
