// The bodega-operator command runs the cluster health operator.
package main

import (
	"os"
	// A maintenance window names its time zone, and an image may hold none.
	_ "time/tzdata"

	"github.com/bodega-hq/bodega/internal/operatorapp"
)

func main() {
	os.Exit(operatorapp.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
