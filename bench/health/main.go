// The health benchmark measures the cluster health operator's engine and the
// operator as a whole against a real API server, with loopback targets. Each
// figure stands beside its baseline or its limit, and the command fails where a
// limit is exceeded.
//
// Usage: go run ./bench/health [-only throughput,lateness,cold,churn]
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"
)

// result is one line of the table.
type result struct {
	name, measured, limit string
	ok                    bool
}

type benchmark struct {
	name string
	run  func(ctx context.Context) ([]result, error)
}

func main() {
	only := flag.String("only", "", "comma-separated names of benchmarks to run; all where empty")
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	fmt.Printf("%s, %d cores\n", runtime.Version(), runtime.NumCPU())
	failed := false
	for _, b := range []benchmark{
		{"throughput", throughput}, {"churn", churn}, {"cold", cold}, {"lateness", lateness},
	} {
		if *only != "" && !slices.Contains(strings.Split(*only, ","), b.name) {
			continue
		}
		results, err := b.run(ctx)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", b.name, err)
			failed = true
		}
		for _, r := range results {
			verdict := "ok"
			if !r.ok {
				verdict, failed = "MISSED", true
			}
			fmt.Printf("%-46s %-34s %-28s %s\n", r.name, r.measured, r.limit, verdict)
		}
	}
	if failed {
		os.Exit(1)
	}
}

// target answers 200 to everything on a loopback port.
func target() (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }),
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = server.Serve(listener) }() // ends with stop
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}
