package app

import (
	"runtime"
	"runtime/debug"

	"github.com/bodega-hq/bodega/internal/app/term"
)

// VersionCmd is `bodega version`.
type VersionCmd struct{}

// Run prints what this binary was built from.
func (VersionCmd) Run(t *term.Terminal) error {
	revision := ""
	if b, ok := debug.ReadBuildInfo(); ok {
		for _, s := range b.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	return t.Print(map[string]string{"version": version(), "revision": revision, "go_version": runtime.Version()},
		textLine("bodega %s (%s, %s/%s)", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH))
}

func version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "unknown"
}
