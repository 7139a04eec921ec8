// Command bodega is the back office of a local-commerce marketplace: all
// services, the command line and the console in one binary.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/bodega-hq/bodega/console"
	"github.com/bodega-hq/bodega/internal/app"
	"github.com/bodega-hq/bodega/internal/platform/blob/cloud"
	"github.com/bodega-hq/bodega/internal/platform/durable/embedded"
)

func main() {
	os.Exit(app.Main(context.Background(), os.Args[1:], app.Parts{
		Console:    console.Handler(),
		OpenBucket: cloud.Open,
		StartTemporal: func(dir string, namespaces []string, logger *slog.Logger) (app.TemporalServer, error) {
			return embedded.Start(dir, namespaces, logger)
		},
	}))
}
