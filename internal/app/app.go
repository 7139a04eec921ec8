// Package app is the only package that knows every system: it holds the role
// table, puts the parts together, and is the command line.
package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/platform/blob"
)

// Parts are what only the main binary links, because it is large or has to be
// built first.
type Parts struct {
	Console       http.Handler
	OpenBucket    func(ctx context.Context, url string) (blob.Bucket, error)
	StartTemporal func(dir string, namespaces []string, logger *slog.Logger) (TemporalServer, error)
}

// TemporalServer is a Temporal server in this process.
type TemporalServer interface {
	Address() string
	TLS() *tls.Config
	Stop(ctx context.Context) error
}

// commands is the command line.
type commands struct {
	Output term.Format `short:"o" enum:"text,json" default:"text" help:"What to print: ${enum}."`

	Serve         ServeCmd         `cmd:"" help:"Run the services and the console."`
	Merchant      MerchantCmd      `cmd:"" help:"Make and list merchants."`
	Store         StoreCmd         `cmd:"" help:"Make and list stores, and set how their prices are computed."`
	Mapping       MappingCmd       `cmd:"" help:"Apply and show mapping profiles."`
	Catalog       CatalogCmd       `cmd:"" help:"Load the catalogue."`
	Feed          FeedCmd          `cmd:"" help:"Check, send and follow feeds."`
	Item          ItemCmd          `cmd:"" help:"Find items, and ask why one is or is not shown."`
	Hold          HoldCmd          `cmd:"" help:"List held prices and removals, and decide on them."`
	User          UserCmd          `cmd:"" help:"Make and list users."`
	Token         TokenCmd         `cmd:"" help:"Make, list and revoke API tokens."`
	Model         ModelCmd         `cmd:"" help:"Train, use and inspect gradient-boosted trees."`
	ClusterPoints ClusterPointsCmd `cmd:"" help:"Group the rows of a table by density (DBSCAN)."`
	Config        ConfigCmd        `cmd:"" help:"Check a configuration, or show where it differs from the defaults."`
	Migrate       MigrateCmd       `cmd:"" help:"Bring the database's schemas up to date."`
	Version       VersionCmd       `cmd:"" help:"Print the version."`
}

// exitError ends the process with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// Main runs a command and returns the process's exit code.
func Main(ctx context.Context, args []string, parts Parts) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, args, parts, term.Standard())
}

func run(ctx context.Context, args []string, parts Parts, t *term.Terminal) (code int) {
	args = commandFirst(args)
	var cli commands
	exited := -1
	parser, err := kong.New(&cli,
		kong.Name("bodega"),
		kong.Description("The back office of a local-commerce marketplace."),
		kong.UsageOnError(),
		kong.DefaultEnvars("BODEGA"),
		kong.Writers(t.Out, t.Err),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Bind(t, &parts),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		fmt.Fprintf(t.Err, "bodega: %v\n", err)
		return 1
	}
	if err := withConfigFile(parser, args); err != nil {
		fmt.Fprintf(t.Err, "bodega: %v\n", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited // --help has printed what it had to
	}
	if err != nil {
		fmt.Fprintf(t.Err, "bodega: %v\nRun `bodega %s--help` for what it takes.\n", err, commandPrefix(err))
		return 2
	}
	t.Format = cli.Output
	err = parsed.Run(parsed)
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintf(t.Err, "bodega: %s\n", explain(exit.err))
		}
		return exit.code
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return 130
	}
	fmt.Fprintf(t.Err, "bodega: %s\n", explain(err))
	return 1
}

// leading are the flags that many commands share, which people put before the
// command as well as after it.
var leading = []string{"-o", "--output", "--server", "--token", "--tenant", "--ca-cert"}

// commandFirst moves shared flags that come before the command behind it,
// where the command's own flags are.
func commandFirst(args []string) []string {
	n := 0
	for n < len(args) {
		name, _, whole := strings.Cut(args[n], "=")
		if !slices.Contains(leading, name) {
			break
		}
		if n++; !whole && n < len(args) {
			n++
		}
	}
	end := len(args)
	if at := slices.Index(args[n:], "--"); at >= 0 {
		end = n + at
	}
	return slices.Concat(args[n:end], args[:n], args[end:])
}

// commandPrefix is the command that a mistake was made in, for pointing to its help.
func commandPrefix(err error) string {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil || parse.Context.Selected() == nil {
		return ""
	}
	return parse.Context.Selected().Path() + " "
}
