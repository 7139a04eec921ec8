package embedded_test

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/bodega-hq/bodega/internal/platform/durable/embedded"
)

func double(_ workflow.Context, n int) (int, error) { return 2 * n, nil }

// A workflow's result is there after the server stopped and started again on
// the same folder, and nobody without the process's certificate gets in.
func TestServerKeepsWorkflowsAndKeepsOthersOut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "temporal")
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	start := func() (*embedded.Server, client.Client) {
		server, err := embedded.Start(dir, []string{"prod"}, logger)
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.DialContext(ctx, client.Options{
			HostPort: server.Address(), Namespace: "prod",
			ConnectionOptions: client.ConnectionOptions{TLS: server.TLS()},
		})
		if err != nil {
			t.Fatal(err)
		}
		return server, c
	}

	server, c := start()
	w := worker.New(c, "test", worker.Options{})
	w.RegisterWorkflow(double)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "double-21", TaskQueue: "test"}, double, 21)
	if err != nil {
		t.Fatal(err)
	}
	var got int
	if err := run.Get(ctx, &got); err != nil || got != 42 {
		t.Fatalf("result %d, error %v", got, err)
	}

	strangers := []client.ConnectionOptions{{}, {TLS: nil}}
	for _, stranger := range strangers {
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		if _, err := client.DialContext(short, client.Options{HostPort: server.Address(), Namespace: "prod", ConnectionOptions: stranger}); err == nil {
			t.Error("a client without a certificate got in")
		}
		cancel()
	}

	w.Stop()
	c.Close()
	if err := server.Stop(ctx); err != nil {
		t.Fatal(err)
	}

	before := server.Address()
	server, c = start()
	if host, _, _ := net.SplitHostPort(server.Address()); !net.ParseIP(host).IsLoopback() ||
		runtime.GOOS == "linux" && strings.HasPrefix(before, host+":") {
		t.Errorf("the server listens at %s, and before at %s: want loopback addresses of their own", server.Address(), before)
	}
	defer func() {
		c.Close()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	got = 0
	if err := c.GetWorkflow(ctx, "double-21", "").Get(ctx, &got); err != nil || got != 42 {
		t.Fatalf("after a restart: result %d, error %v", got, err)
	}
}
