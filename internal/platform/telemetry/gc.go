package telemetry

import (
	"os"
	"runtime/debug"
)

// RelaxGC lets the heap grow to three times what is live before garbage is
// collected, in the place of twice, unless GOGC in the environment says
// something else: a feed's rows are garbage as soon as they are merged.
func RelaxGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(200)
	}
}
