package app

import (
	"context"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/bodega-hq/bodega/internal/app/term"
)

// modelRunCommand runs the command line as main would.
func modelRunCommand(t *testing.T, format term.Format, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var cli struct {
		Model ModelCmd `cmd:""`
	}
	parser, err := kong.New(&cli, kong.Name("bodega"), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(append([]string{"model"}, args...))
	if err != nil {
		return "", "", err
	}
	var out, progress strings.Builder
	parsed.BindTo(t.Context(), (*context.Context)(nil))
	err = parsed.Run(&term.Terminal{Format: format, In: strings.NewReader(""), Out: &out, Err: &progress})
	return out.String(), progress.String(), err
}
