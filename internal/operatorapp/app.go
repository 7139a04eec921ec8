// Package operatorapp is the command line of bodega-operator. It links neither
// the workflow engine nor a database nor the console, so that the operator
// stays small enough to run in every cluster.
package operatorapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/bodega-hq/bodega/internal/clusterhealth"
)

// Exit codes.
const (
	exitHealthy = 0
	exitFailed  = 1
	// exitUnknown: what was asked could not be found out, or was not understood.
	exitUnknown = 2
)

type cli struct {
	Run   runCommand   `cmd:"" help:"Run the operator."`
	Check checkCommand `cmd:"" help:"Run the checks of a ClusterHealthSpec once."`
	RBAC  rbacCommand  `cmd:"" name:"rbac" help:"Print the roles that the checks of ClusterHealthSpecs need."`
}

// streams of the process.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// exitCode is an error that only says how to exit; what there was to say has
// been said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Main runs the command line and returns its exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, args, streams{in, out, errOut})
}

func run(ctx context.Context, args []string, io streams) int {
	// Parsing ends by a panic where kong would end the process after --help.
	code, exited := exitHealthy, false
	func() {
		defer func() {
			if cause := recover(); cause != nil {
				if asked, ok := cause.(exitCode); ok {
					code, exited = int(asked), true
					return
				}
				panic(cause)
			}
		}()
		code = dispatch(ctx, args, io)
	}()
	if exited && code != exitHealthy {
		return exitUnknown
	}
	return code
}

func dispatch(ctx context.Context, args []string, io streams) int {
	var commands cli
	parser, err := kong.New(&commands,
		kong.Name("bodega-operator"),
		kong.Description("Says of a cluster whether it is healthy, and who broke it."),
		kong.Writers(io.out, io.err),
		kong.Exit(func(code int) { panic(exitCode(code)) }),
		kong.DefaultEnvars("BODEGA_OPERATOR"),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		fmt.Fprintln(io.err, "bodega-operator:", err)
		return exitUnknown
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(io.err, "bodega-operator:", err)
		return exitUnknown
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(io)
	var code exitCode
	switch {
	case err == nil:
		return exitHealthy
	case errors.As(err, &code):
		return int(code)
	default:
		fmt.Fprintln(io.err, "bodega-operator:", err)
		return exitUnknown
	}
}

type runCommand struct {
	Kubeconfig string `type:"existingfile" help:"Kubeconfig of the cluster; the pod's own account where absent."`
	LogLevel   string `enum:"debug,info,warn,error" default:"info" help:"Least severe log lines to write: ${enum}."`
	LogFormat  string `enum:"json,text" default:"json" help:"How log lines are written: ${enum}."`

	clusterhealth.Config `embed:""`
}

func (c *runCommand) Run(ctx context.Context, io streams) error {
	log, err := c.logger(io.err)
	if err != nil {
		return err
	}
	slog.SetDefault(log)
	// The operator runs in every cluster and allocates little a second: memory
	// is worth more to it than the collector's time.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40)
	}
	klog.SetSlogLogger(log)
	config, err := clusterConfig(c.Kubeconfig)
	if err != nil {
		return err
	}
	if c.Namespace == "" {
		if c.Namespace, err = clusterNamespace(c.Kubeconfig); err != nil {
			return err
		}
	}
	return clusterhealth.Run(ctx, config, c.Config, log)
}

func (c *runCommand) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return nil, fmt.Errorf("log-level %q: %w", c.LogLevel, err)
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, options)), nil
	}
	return slog.New(slog.NewJSONHandler(w, options)), nil
}

// kubeconfig finds a kubeconfig: the file named, else those that KUBECONFIG
// lists; nil where there is neither.
func kubeconfig(path string) clientcmd.ClientConfig {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: path}
	if path == "" {
		listed := os.Getenv(clientcmd.RecommendedConfigPathEnvVar)
		if listed == "" {
			return nil
		}
		rules.Precedence = filepath.SplitList(listed)
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{})
}

// clusterConfig is how to connect to the cluster of the kubeconfig, else to
// the one that this is a pod of.
func clusterConfig(path string) (*rest.Config, error) {
	loaded := kubeconfig(path)
	if loaded == nil {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("find a cluster: no --kubeconfig, no KUBECONFIG, and not in a pod: %w", err)
		}
		return config, nil
	}
	config, err := loaded.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		err = errors.New("it names no cluster") // the library's own words are about itself
	}
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig %s: %w", cmp.Or(path, os.Getenv(clientcmd.RecommendedConfigPathEnvVar)), err)
	}
	return config, nil
}

// podNamespaceFile is where Kubernetes tells a pod its namespace.
const podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// clusterNamespace is the namespace that goes with clusterConfig: that of the
// kubeconfig's context, "default" where it names none, else the pod's own.
func clusterNamespace(path string) (string, error) {
	loaded := kubeconfig(path)
	if loaded == nil {
		text, err := os.ReadFile(podNamespaceFile)
		if err != nil {
			return "", fmt.Errorf("find the operator's namespace: no --namespace, and %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	namespace, _, err := loaded.Namespace()
	if err != nil {
		return "", fmt.Errorf("read kubeconfig %s: %w", path, err)
	}
	return namespace, nil
}
