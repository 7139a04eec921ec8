package check

import (
	"fmt"
	"net"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/verdict"
)

const maxChecks = 500

// Validate finds everything that is wrong with a spec and can be seen without a
// cluster: what the schema and its CEL rules say, so that a spec can be judged
// before there is an API server, and what they cannot say.
func Validate(name string, spec *health.ClusterHealthSpecSpec) field.ErrorList {
	var errs field.ErrorList
	errs = append(errs, validateLabel(name, field.NewPath("metadata", "name"), validation.IsDNS1123Subdomain)...)
	errs = append(errs, tooLong(name, field.NewPath("metadata", "name"), 63)...)
	at := field.NewPath("spec")
	errs = append(errs, validateDuration(spec.Interval, at.Child("interval"), time.Second, 24*time.Hour)...)

	checks := at.Child("checks")
	switch {
	case len(spec.Checks) == 0:
		return append(errs, field.Required(checks, "a spec without checks says nothing about a cluster"))
	case len(spec.Checks) > maxChecks:
		return append(errs, field.TooMany(checks, len(spec.Checks), maxChecks))
	}
	names := map[string]int{}
	for i := range spec.Checks {
		c := &spec.Checks[i]
		if _, twice := names[c.Name]; twice {
			errs = append(errs, field.Duplicate(checks.Index(i).Child("name"), c.Name))
		}
		names[c.Name] = i
	}
	for i := range spec.Checks {
		errs = append(errs, validateCheck(spec, &spec.Checks[i], checks.Index(i), names)...)
	}
	errs = append(errs, dependencyCycle(spec.Checks, names, checks)...)
	return append(errs, validateWindows(spec, at.Child("maintenanceWindows"), names)...)
}

func validateCheck(spec *health.ClusterHealthSpecSpec, c *health.Check, at *field.Path, names map[string]int) field.ErrorList {
	var errs field.ErrorList
	errs = append(errs, validateLabel(c.Name, at.Child("name"), validation.IsDNS1123Label)...)
	errs = append(errs, tooLong(c.Description, at.Child("description"), 256)...)
	errs = append(errs, validateDuration(c.Interval, at.Child("interval"), time.Second, 24*time.Hour)...)
	errs = append(errs, validateDuration(c.Timeout, at.Child("timeout"), 10*time.Millisecond, 10*time.Minute)...)
	if c.Timeout != nil && c.Timeout.Duration > Interval(spec, c) {
		errs = append(errs, field.Invalid(at.Child("timeout"), c.Timeout.Duration.String(),
			fmt.Sprintf("is more than the interval of %s, so that the check would overtake itself", Interval(spec, c))))
	}
	for name, value := range map[string]*int32{
		"failureThreshold": c.FailureThreshold, "failureWindow": c.FailureWindow, "recoveryThreshold": c.RecoveryThreshold,
	} {
		if value != nil && (*value < 1 || *value > 60) {
			errs = append(errs, field.Invalid(at.Child(name), *value, "is not from 1 to 60"))
		}
	}
	if p := verdict.PolicyOf(c); p.FailureThreshold > p.FailureWindow {
		errs = append(errs, field.Invalid(at.Child("failureThreshold"), p.FailureThreshold,
			fmt.Sprintf("is more than the failureWindow of %d", p.FailureWindow)))
	}
	if len(c.DependsOn) > 16 {
		errs = append(errs, field.TooMany(at.Child("dependsOn"), len(c.DependsOn), 16))
	}
	for i, dep := range c.DependsOn {
		if _, known := names[dep]; !known {
			errs = append(errs, field.NotFound(at.Child("dependsOn").Index(i), dep))
		} else if slices.Contains(c.DependsOn[:i], dep) {
			errs = append(errs, field.Duplicate(at.Child("dependsOn").Index(i), dep))
		}
	}

	var present []string
	var known []string
	for _, t := range Types {
		known = append(known, t.Name)
		if t.Present(c) {
			present = append(present, t.Name)
			errs = append(errs, t.Validate(c, at.Child(t.Name))...)
		}
	}
	switch len(present) {
	case 0:
		errs = append(errs, field.Required(at, fmt.Sprintf("a check has exactly one of %v", known)))
	case 1:
	default:
		errs = append(errs, field.Invalid(at, c.Name, fmt.Sprintf("has %v; a check has exactly one type", present)))
	}
	return errs
}

// dependencyCycle finds one cycle among the dependencies. On a cycle nothing
// explains anything, so it is a mistake of the author's.
func dependencyCycle(checks []health.Check, names map[string]int, at *field.Path) field.ErrorList {
	const (
		unseen = iota
		onPath
		done
	)
	color := make([]byte, len(checks))
	var visit func(i int) field.ErrorList
	visit = func(i int) field.ErrorList {
		color[i] = onPath
		for k, dep := range checks[i].DependsOn {
			j, known := names[dep]
			if !known {
				continue
			}
			if color[j] == onPath {
				return field.ErrorList{field.Invalid(at.Index(i).Child("dependsOn").Index(k), dep, "closes a cycle of dependencies")}
			}
			if color[j] == unseen {
				if errs := visit(j); errs != nil {
					return errs
				}
			}
		}
		color[i] = done
		return nil
	}
	for i := range checks {
		if color[i] == unseen {
			if errs := visit(i); errs != nil {
				return errs
			}
		}
	}
	return nil
}

func validateWindows(spec *health.ClusterHealthSpecSpec, at *field.Path, names map[string]int) field.ErrorList {
	var errs field.ErrorList
	if len(spec.MaintenanceWindows) > 20 {
		return field.ErrorList{field.TooMany(at, len(spec.MaintenanceWindows), 20)}
	}
	seen := map[string]bool{}
	for i := range spec.MaintenanceWindows {
		w := &spec.MaintenanceWindows[i]
		if w.Name == "" {
			errs = append(errs, field.Required(at.Index(i).Child("name"), "names the window in status and messages"))
		}
		errs = append(errs, tooLong(w.Name, at.Index(i).Child("name"), 63)...)
		if seen[w.Name] {
			errs = append(errs, field.Duplicate(at.Index(i).Child("name"), w.Name))
		}
		seen[w.Name] = true
		if _, err := verdict.CompileWindow(w); err != nil {
			errs = append(errs, field.Invalid(at.Index(i), w.Name, err.Error()))
		}
		for k, name := range w.Checks {
			if _, known := names[name]; !known {
				errs = append(errs, field.NotFound(at.Index(i).Child("checks").Index(k), name))
			}
		}
	}
	return errs
}

func validateDuration(d *metav1.Duration, at *field.Path, least, most time.Duration) field.ErrorList {
	if d == nil || d.Duration >= least && d.Duration <= most {
		return nil
	}
	return field.ErrorList{field.Invalid(at, d.Duration.String(), fmt.Sprintf("is not from %s to %s", least, most))}
}

func tooLong(value string, at *field.Path, limit int) field.ErrorList {
	if len(value) <= limit {
		return nil
	}
	return field.ErrorList{field.TooLong(at, value, limit)}
}

// Bounds of a regular expression. RE2 takes time linear in its input whatever
// the expression, but also linear in the expression's size, and a few repetitions
// make a short one large: "(.{0,10}){100}x" takes seconds for every 64 KiB.
const (
	maxPattern      = 512
	maxInstructions = 1000
)

// compilePattern compiles an expression that is not too large to be matched.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("is longer than %d characters", maxPattern)
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	if n := len(program.Inst); n > maxInstructions {
		return nil, fmt.Errorf("expands to %d instructions, and at most %d are matched in time; repeat less", n, maxInstructions)
	}
	return compiled, nil
}

func validatePattern(pattern string, at *field.Path) field.ErrorList {
	if errs := tooLong(pattern, at, maxPattern); errs != nil {
		return errs
	}
	if _, err := compilePattern(pattern); err != nil {
		return field.ErrorList{field.Invalid(at, pattern, err.Error())}
	}
	return nil
}

func validateAddress(address string, at *field.Path) field.ErrorList {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return field.ErrorList{field.Invalid(at, address, "is not host:port")}
	}
	if host == "" || !validPort(port) {
		return field.ErrorList{field.Invalid(at, address, "is not host:port with a port from 1 to 65535")}
	}
	return nil
}

func validPort(port string) bool {
	n, err := strconv.Atoi(port)
	return err == nil && n >= 1 && n <= 65535
}

func validateNamespace(namespace string, at *field.Path) field.ErrorList {
	if namespace == "" {
		return field.ErrorList{field.Required(at, "names the namespace to look in")}
	}
	return validateLabel(namespace, at, validation.IsDNS1123Label)
}

func validateLabel(name string, at *field.Path, problems func(string) []string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	var errs field.ErrorList
	for _, problem := range problems(name) {
		errs = append(errs, field.Invalid(at, name, problem))
	}
	return errs
}

func validateName(name string, at *field.Path) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(at, "names the object")}
	}
	return tooLong(name, at, 253)
}

// validatePods checks that exactly one of a workload and a selector is given.
func validatePods(w *health.WorkloadReference, s *health.LabelSelector, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if (w != nil) == (s != nil) {
		errs = append(errs, field.Invalid(at, "", "has exactly one of workload and selector"))
	}
	return append(errs, validateWorkloadAndSelector(w, s, at)...)
}

func validateWorkloadAndSelector(w *health.WorkloadReference, s *health.LabelSelector, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if w != nil {
		if _, known := workloadKinds[w.Kind]; !known {
			errs = append(errs, field.NotSupported(at.Child("workload", "kind"), w.Kind,
				[]string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}))
		}
		errs = append(errs, validateName(w.Name, at.Child("workload", "name"))...)
	}
	if s != nil {
		if _, err := selectorOf(s); err != nil {
			errs = append(errs, field.Invalid(at.Child("selector"), "", err.Error()))
		}
	}
	return errs
}

// selectorOf compiles a selector; an empty one is an error.
func selectorOf(s *health.LabelSelector) (labels.Selector, error) {
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return nil, fmt.Errorf("holds neither a label nor an expression and would select everything")
	}
	return metav1.LabelSelectorAsSelector(&metav1.LabelSelector{
		MatchLabels: s.MatchLabels, MatchExpressions: s.MatchExpressions,
	})
}
