package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/identity"
	"github.com/bodega-hq/bodega/internal/inventory"
	"github.com/bodega-hq/bodega/internal/platform/rpc"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
)

// Settings are everything that a server is configured by: a flag, then
// BODEGA_ and its name in the environment, then a key of the configuration
// file, then the default.
type Settings struct {
	ConfigFile string `name:"config" placeholder:"FILE" help:"Configuration file in YAML, with the names of these flags as keys. Unknown keys are errors."`

	DataDir         string   `default:".bodega" placeholder:"DIR" help:"Folder of the embedded database, workflows and objects."`
	DatabaseURL     string   `placeholder:"URL" help:"PostgreSQL or CockroachDB to use instead of the embedded PostgreSQL."`
	TemporalAddress string   `placeholder:"HOST:PORT" help:"Temporal cluster to use instead of the embedded server."`
	BlobURL         string   `placeholder:"URL" help:"Where objects are kept: file:///dir, s3://bucket, gs://bucket or azblob://container. A folder below the data folder without it."`
	Roles           []string `default:"all" placeholder:"ROLE,..." help:"Parts of the system that this process runs: api, worker, schedule; all of them by default."`
	Tenants         []string `default:"prod,test" placeholder:"NAME,..." help:"Tenants; the first is the default."`
	Demo            bool     `help:"Fill the prod tenant with the demo marketplace, and let demo users sign in."`
	DemoSeed        uint64   `default:"1" help:"Seed of the demo marketplace."`
	StepsAtOnce     int      `default:"8" help:"Steps of workflows that this process works on at once."`

	Server    rpc.ServerConfig    `embed:""`
	Log       telemetry.LogConfig `embed:""`
	Identity  identity.Config     `embed:""`
	Inventory inventory.Config    `embed:"" prefix:"inventory-"`
}

// Validate says everything that is wrong at once.
func (s *Settings) Validate() error {
	var errs []error
	for _, role := range s.Roles {
		if !slices.Contains(roleNames(), role) {
			errs = append(errs, fmt.Errorf("roles: %q is none of %s", role, strings.Join(roleNames(), ", ")))
		}
	}
	if s.StepsAtOnce < 1 {
		errs = append(errs, fmt.Errorf("steps-at-once %d: want at least 1", s.StepsAtOnce))
	}
	return errors.Join(append(errs, s.Server.Validate(), s.Log.Validate(), s.Identity.Validate(), s.Inventory.Validate())...)
}

// withConfigFile lets a configuration file resolve flags that neither the
// command line nor the environment sets.
func withConfigFile(parser *kong.Kong, args []string) error {
	path := os.Getenv("BODEGA_CONFIG")
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--config="); ok {
			path = value
		} else if arg == "--config" && i+1 < len(args) {
			path = args[i+1]
		}
	}
	// Only commands that take the settings take the file.
	if path == "" || len(args) == 0 || !slices.Contains([]string{"serve", "config", "migrate"}, args[0]) {
		return nil
	}
	values, err := readConfigFile(path, parser.Model)
	if err != nil {
		return err
	}
	return kong.Resolvers(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		value, ok := values[flag.Name]
		if !ok || inEnvironment(flag) { // which kong lets a resolver override
			return nil, nil
		}
		return value, nil
	})).Apply(parser)
}

func inEnvironment(flag *kong.Flag) bool {
	return slices.ContainsFunc(flag.Envs, func(name string) bool {
		_, set := os.LookupEnv(name)
		return set
	})
}

// readConfigFile reads a YAML file of flags by name. Every key has to be a
// flag of `bodega serve`.
func readConfigFile(path string, model *kong.Application) (map[string]any, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("configuration file %s does not exist", path)
	}
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return nil, fmt.Errorf("configuration file %s: %w", path, err)
	}
	values := map[string]any{}
	if len(document.Content) == 0 {
		return values, nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("configuration file %s: line %d: want keys and values", path, root.Line)
	}
	known := settingNames(model)
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if !slices.Contains(known, key.Value) || key.Value == "config" {
			return nil, fmt.Errorf("configuration file %s: line %d: unknown key %q", path, key.Line, key.Value)
		}
		if _, twice := values[key.Value]; twice {
			return nil, fmt.Errorf("configuration file %s: line %d: key %q is given twice", path, key.Line, key.Value)
		}
		switch value.Kind {
		case yaml.ScalarNode:
			values[key.Value] = value.Value
		case yaml.SequenceNode:
			var list []string
			if err := value.Decode(&list); err != nil {
				return nil, fmt.Errorf("configuration file %s: line %d: %s: %w", path, value.Line, key.Value, err)
			}
			values[key.Value] = strings.Join(list, ",")
		default:
			return nil, fmt.Errorf("configuration file %s: line %d: %s: want a value or a list", path, value.Line, key.Value)
		}
	}
	return values, nil
}

func settingNames(model *kong.Application) []string {
	var names []string
	for _, node := range model.Children {
		if node.Name == "serve" {
			for _, flag := range node.Flags {
				names = append(names, flag.Name)
			}
		}
	}
	return names
}

// ConfigCmd looks at a configuration without running it.
type ConfigCmd struct {
	Check ConfigCheckCmd `cmd:"" help:"Say whether the configuration is valid."`
	Diff  ConfigDiffCmd  `cmd:"" help:"Show the settings that differ from their defaults."`
}

// ConfigCheckCmd is `bodega config check`.
type ConfigCheckCmd struct {
	Settings `embed:""`
}

// Run says whether the configuration is valid; kong has validated it by now.
func (c *ConfigCheckCmd) Run(t *term.Terminal) error {
	return t.Print(map[string]bool{"valid": true}, textLine("The configuration is valid."))
}

// ConfigDiffCmd is `bodega config diff`.
type ConfigDiffCmd struct {
	Settings `embed:""`
}

// setting is one line of a configuration's difference.
type setting struct {
	Name    string `json:"name"`
	Default string `json:"default"`
	Value   string `json:"value"`
}

// Run prints the settings that differ from their defaults.
func (c *ConfigDiffCmd) Run(t *term.Terminal, parsed *kong.Context) error {
	diff := []setting{}
	for _, flag := range parsed.Selected().Flags {
		if flag.Name == "config" {
			continue
		}
		value := settingText(flag.Target)
		standard := zeroOf(flag)
		if flag.HasDefault {
			standard = kongDefault(flag)
		}
		if was := settingText(standard); was != value {
			diff = append(diff, setting{flag.Name, was, redact(flag.Name, value)})
		}
	}
	rows := make([][]string, len(diff))
	for i, d := range diff {
		rows[i] = []string{d.Name, d.Default, d.Value}
	}
	return t.Print(diff, textTable([]string{"setting", "default", "value"}, rows, "Every setting is at its default."))
}
