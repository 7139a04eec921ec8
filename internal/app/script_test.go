package app

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bodega-hq/bodega/internal/testkit/script"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		// Nothing that these scripts do serves, so nothing has to be linked in.
		"bodega": func() { os.Exit(Main(context.Background(), os.Args[1:], Parts{})) },
	})
}

// TestScripts runs what needs no server.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), Cmds: script.Commands(), RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_RUNTIME_DIR", env.WorkDir)
			return os.Chmod(env.WorkDir, 0o700)
		},
	})
}
