package postgres

import (
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/bodega-hq/bodega/internal/platform/pg/embedded"
)

// Database is a server of one test's own, which the test may stop, kill and
// start again. What was committed survives all three.
type Database struct {
	t      testing.TB
	cfg    embedded.Config
	server *embedded.Server
}

// Server starts a server for this test alone. Tests that only need a database
// use [New], which costs a twentieth.
func Server(t testing.TB) *Database {
	t.Helper()
	dir, err := makeDir()
	if err != nil {
		t.Fatalf("test server: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	d := &Database{t: t, cfg: config(dir)}
	d.Start()
	t.Cleanup(d.Stop)
	if err := d.server.EnsureDatabase(t.Context(), "test"); err != nil {
		t.Fatalf("test server: %v", err)
	}
	return d
}

// URL is the address of an empty database on the server. It stays the same when
// the server starts again.
func (d *Database) URL() string { return d.server.URL("test") }

// Start starts the server after Stop or Kill and waits until it answers.
func (d *Database) Start() {
	d.t.Helper()
	server, err := embedded.Start(d.t.Context(), d.cfg)
	if err != nil {
		d.t.Fatalf("test server: %v", err)
	}
	d.server = server
}

// Stop ends the server as bodega does: sessions are cut off.
func (d *Database) Stop() {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := d.server.Stop(ctx); err != nil {
		d.t.Fatalf("test server: %v", err)
	}
}

// Restart is Stop and Start.
func (d *Database) Restart() {
	d.t.Helper()
	d.Stop()
	d.Start()
}

// Kill ends the server's main process as a crash does (SIGKILL), and returns
// when it is gone. Start recovers the data.
func (d *Database) Kill() {
	d.t.Helper()
	if err := syscall.Kill(d.server.PID(), syscall.SIGKILL); err != nil {
		d.t.Fatalf("kill test server: %v", err)
	}
	<-d.server.Done()
	d.Stop() // frees the folder
}
