package operatorapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"text/tabwriter"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	sigsyaml "sigs.k8s.io/yaml"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
)

type checkCommand struct {
	File         string `short:"f" required:"" help:"File with one ClusterHealthSpec; - for standard input."`
	Kubeconfig   string `type:"path" help:"Kubeconfig of the cluster; needed by checks that ask its API."`
	Output       string `short:"o" enum:"text,json" default:"text" help:"What to print: ${enum}."`
	ValidateOnly bool   `help:"Only say whether the spec is valid; needs no cluster."`
	Concurrency  int    `default:"64" help:"Checks that run at once."`
	PerTarget    int    `default:"4" help:"Checks that meet one target at once."`
}

// problem is something wrong with a spec.
type problem struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// judgement is what --validate-only prints as JSON.
type judgement struct {
	Valid    bool      `json:"valid"`
	Problems []problem `json:"problems,omitempty"`
}

// refusal is what is printed as JSON of a spec that cannot be checked.
type refusal struct {
	clusterhealth.Report
	Problems []problem `json:"problems"`
}

func (c *checkCommand) Run(ctx context.Context, io streams) error {
	if c.Concurrency < 1 || c.PerTarget < 1 {
		return errors.New("--concurrency and --per-target are at least 1")
	}
	spec, err := c.read(io.in)
	if err != nil {
		return c.refuse(io, err, []problem{{Message: err.Error()}})
	}
	if errs := check.Validate(spec.Name, &spec.Spec); len(errs) > 0 {
		var problems []problem
		for _, e := range errs {
			problems = append(problems, problem{Field: e.Field, Message: e.ErrorBody()})
		}
		return c.refuse(io, nil, problems)
	}
	if c.ValidateOnly {
		if c.Output == "json" {
			return printJSON(io.out, judgement{Valid: true})
		}
		_, err := fmt.Fprintf(io.out, "%s: valid, %d checks\n", spec.Name, len(spec.Spec.Checks))
		return err
	}

	env, err := c.env(spec)
	if err != nil {
		return c.refuse(io, err, []problem{{Message: err.Error()}})
	}
	report := clusterhealth.CheckOnce(ctx, spec, env, c.Concurrency, c.PerTarget)
	if c.Output == "json" {
		err = printJSON(io.out, report)
	} else {
		err = printReport(io.out, report)
	}
	if err != nil {
		return err
	}
	switch report.Overall {
	case health.Success:
		return nil
	case health.Failure:
		return exitCode(exitFailed)
	default:
		return exitCode(exitUnknown)
	}
}

func (c *checkCommand) refuse(io streams, err error, problems []problem) error {
	if c.Output == "json" {
		var answer any = judgement{Problems: problems}
		if !c.ValidateOnly {
			// Whoever reads the result of a check finds one.
			answer = refusal{Report: clusterhealth.Report{Overall: health.Error, Checks: []clusterhealth.CheckReport{}}, Problems: problems}
		}
		if err := printJSON(io.out, answer); err != nil {
			return err
		}
		return exitCode(exitUnknown)
	}
	if err != nil {
		return err
	}
	for _, p := range problems {
		fmt.Fprintf(io.err, "%s: %s: %s\n", c.File, p.Field, p.Message)
	}
	return exitCode(exitUnknown)
}

func (c *checkCommand) read(in io.Reader) (*health.ClusterHealthSpec, error) {
	text, err := readFile(c.File, in)
	if err != nil {
		return nil, err
	}
	specs, err := check.ParseSpecs(text)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.File, err)
	}
	if len(specs) != 1 {
		return nil, fmt.Errorf("read %s: holds %d ClusterHealthSpecs, want one", c.File, len(specs))
	}
	return &specs[0], nil
}

// maxSpecFile is more than an API server stores.
const maxSpecFile = 4 << 20

func readFile(path string, in io.Reader) ([]byte, error) {
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, maxSpecFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(text) > maxSpecFile {
		return nil, fmt.Errorf("read %s: is larger than %d MiB", path, maxSpecFile>>20)
	}
	return text, nil
}

// env finds a cluster only if a check asks for one. Where there is none, those
// checks say so and the others run.
func (c *checkCommand) env(spec *health.ClusterHealthSpec) (*check.Env, error) {
	// Whoever runs a check from their own machine may reach what they like.
	var deny []netip.Prefix
	needed := false
	for i := range spec.Spec.Checks {
		needed = needed || needsCluster(&spec.Spec.Checks[i])
	}
	if !needed {
		return check.NewEnv(nil, deny), nil
	}
	config, err := clusterConfig(c.Kubeconfig)
	if errors.Is(err, rest.ErrNotInCluster) {
		return check.NewEnv(nil, deny), nil
	}
	if err != nil {
		return nil, err
	}
	cluster, err := check.NewCluster(config)
	if err != nil {
		return nil, err
	}
	return check.NewEnv(cluster, deny), nil
}

func needsCluster(c *health.Check) bool {
	if c.Resource != nil {
		return true
	}
	t, _ := check.TypeOf(c)
	access, err := t.Access(c, nil)
	return err != nil || len(access) > 0
}

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

func printReport(w io.Writer, report clusterhealth.Report) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "CHECK\tTYPE\tSTATUS\tTIME\tMESSAGE")
	for _, c := range report.Checks {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d ms\t%s\n", c.Name, c.Type, c.Status, c.DurationMilliseconds, c.Message)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\noverall: %s\n", report.Overall)
	return err
}

type rbacCommand struct {
	File           []string `short:"f" required:"" sep:"none" help:"File with ClusterHealthSpecs; may be repeated."`
	Kubeconfig     string   `type:"existingfile" help:"Kubeconfig of a cluster that knows the kinds of resource checks; without it their resource names are guessed."`
	OptIn          []string `help:"Namespaces in which checks may read the secrets they name, read logs and run commands."`
	Namespace      string   `default:"bodega-operator" help:"Namespace of the operator."`
	ServiceAccount string   `default:"bodega-operator" help:"Service account of the operator."`
}

func (c *rbacCommand) Run(io streams) error {
	var specs []health.ClusterHealthSpec
	for _, path := range c.File {
		text, err := readFile(path, io.in)
		if err != nil {
			return err
		}
		found, err := check.ParseSpecs(text)
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		specs = append(specs, found...)
	}
	var mapper meta.RESTMapper = guessingMapper{}
	if c.Kubeconfig != "" {
		config, err := clusterConfig(c.Kubeconfig)
		if err != nil {
			return err
		}
		cluster, err := check.NewCluster(config)
		if err != nil {
			return err
		}
		mapper = cluster.Mapper
	}
	grants, err := clusterhealth.RBAC(specs, mapper, c.ServiceAccount, c.Namespace, c.OptIn)
	if err != nil {
		return err
	}
	for _, object := range grants.Objects {
		text, err := sigsyaml.Marshal(object)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(io.out, "---\n%s", text); err != nil {
			return err
		}
	}
	for _, access := range grants.LeftOut {
		why := fmt.Sprintf("since %s is not opted in", access.Namespace)
		if access.Resource == "secrets" && access.Name == "" {
			why = "since secrets are granted by name only"
		}
		fmt.Fprintf(io.err, "left out, %s: %s\n", why, access)
	}
	return nil
}

// guessingMapper names a kind's resource by the rules of English, as nearly
// all kinds do.
type guessingMapper struct{ meta.RESTMapper }

func (guessingMapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	version := "v1"
	if len(versions) > 0 {
		version = versions[0]
	}
	full := kind.WithVersion(version)
	return &meta.RESTMapping{Resource: full.GroupVersion().WithResource(plural(kind.Kind)), GroupVersionKind: full}, nil
}

func plural(kind string) string {
	name := strings.ToLower(kind)
	switch {
	case name == "endpoints":
		return name
	case esEnding.MatchString(name):
		return name + "es"
	case iesEnding.MatchString(name):
		return strings.TrimSuffix(name, "y") + "ies"
	default:
		return name + "s"
	}
}

var (
	esEnding  = regexp.MustCompile(`(s|x|ch|sh)$`)
	iesEnding = regexp.MustCompile(`[^aeiou]y$`)
)
