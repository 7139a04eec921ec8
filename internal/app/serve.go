package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"github.com/bodega-hq/bodega/gen/bodega/identity/v1/identityv1connect"
	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/identity"
	"github.com/bodega-hq/bodega/internal/inventory"
	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/auth/local"
	"github.com/bodega-hq/bodega/internal/platform/blob"
	"github.com/bodega-hq/bodega/internal/platform/durable"
	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/platform/rpc"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// ServeCmd is `bodega serve`.
type ServeCmd struct {
	Settings `embed:""`
}

// Run starts everything that the roles need, serves until ctx ends, and takes
// it all down again in the opposite order.
func (c *ServeCmd) Run(ctx context.Context, t *term.Terminal, parts *Parts) (err error) {
	logger, err := telemetry.NewLogger(t.Err, c.Log)
	if err != nil {
		return err
	}
	telemetry.RelaxGC()
	// The address is taken first: one that is in use should not cost a start
	// and a stop of everything else. Who calls early waits.
	ln, err := listen(c.Server.Listen)
	if err != nil {
		return err
	}
	defer ln.Close() // of a server that came to serve it is closed by now
	credentials, err := local.Open()
	if err != nil {
		return err
	}
	p := &process{settings: &c.Settings, parts: parts, logger: logger, metrics: telemetry.NewMetrics(), now: time.Now}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.start(ctx); err != nil {
		return err
	}
	return p.serve(ctx, t, ln, credentials)
}

func listen(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: the address is in use by another program: stop that one, or choose another address with --listen", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return ln, nil
}

// process is everything that runs.
type process struct {
	settings *Settings
	parts    *Parts
	logger   *slog.Logger
	metrics  *telemetry.Metrics
	now      func() time.Time

	tenants   tenant.Set
	database  *database
	pools     *pg.Tenants
	shared    *pgxpool.Pool
	bucket    blob.Bucket
	temporal  client.Client
	identity  *identity.Module
	inventory *inventory.Service

	// undo takes down what was started, the last first.
	undo []undo
}

type undo struct {
	what string
	f    func(context.Context) error
}

func (p *process) onStop(what string, f func(context.Context) error) {
	p.undo = append(p.undo, undo{what, f})
}

// stopTimeout bounds how long each part has to come to its end.
const stopTimeout = 20 * time.Second

func (p *process) stop() error {
	var errs []error
	for i := len(p.undo) - 1; i >= 0; i-- {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		if err := p.undo[i].f(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", p.undo[i].what, err))
		}
		cancel()
	}
	p.undo = nil
	return errors.Join(errs...)
}

// start brings up what the systems stand on, then the systems.
func (p *process) start(ctx context.Context) error {
	var err error
	if p.tenants, err = tenant.NewSet(p.settings.Tenants...); err != nil {
		return err
	}
	if err := os.MkdirAll(p.settings.DataDir, 0o700); err != nil {
		return p.inDataDir(fmt.Errorf("make data folder: %w", err))
	}
	if err := p.startDatabase(ctx); err != nil {
		return p.inDataDir(err)
	}
	if err := p.startBucket(ctx); err != nil {
		return err
	}
	if err := p.startTemporal(ctx); err != nil {
		return p.inDataDir(err)
	}
	return p.startSystems(ctx)
}

// inDataDir says what to do where an error is that this user may not work in
// the data folder.
func (p *process) inDataDir(err error) error {
	folder, abs := filepath.Abs(p.settings.DataDir)
	var denied *fs.PathError
	if abs != nil || !errors.As(err, &denied) {
		return err
	}
	if at, abs := filepath.Abs(denied.Path); abs != nil || at != folder && !strings.HasPrefix(at, folder+string(filepath.Separator)) {
		return err
	}
	return permitted(err, folder, "--data-dir")
}

func permitted(err error, folder, flag string) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return fmt.Errorf("%w: user %d may not work in the folder %s: make it that user's own, or choose another one with %s", err, os.Geteuid(), folder, flag)
}

func (p *process) startDatabase(ctx context.Context) error {
	var err error
	if p.database, err = openDatabase(ctx, p.settings, p.logger); err != nil {
		return err
	}
	p.onStop("database", p.database.stop)
	if p.pools, p.shared, err = p.database.pools(ctx, p.tenants); err != nil {
		return err
	}
	p.onStop("connections", func(context.Context) error {
		p.pools.Close()
		p.shared.Close()
		return nil
	})
	return migrate(ctx, p.pools, p.shared)
}

func (p *process) startBucket(ctx context.Context) error {
	var err error
	if p.settings.BlobURL != "" {
		p.bucket, err = p.parts.OpenBucket(ctx, p.settings.BlobURL)
		return permitted(err, p.settings.BlobURL, "--blob-url")
	}
	p.bucket, err = blob.OpenFolder(filepath.Join(p.settings.DataDir, "objects"))
	return p.inDataDir(err)
}

func (p *process) startTemporal(ctx context.Context) error {
	address := p.settings.TemporalAddress
	if address != "" {
		c, err := durable.Dial(ctx, address, nil, p.logger)
		if err != nil {
			return err
		}
		p.temporal = c
	} else {
		server, err := p.parts.StartTemporal(filepath.Join(p.settings.DataDir, "temporal"), []string{durable.Namespace}, p.logger)
		if err != nil {
			return err
		}
		p.onStop("Temporal", server.Stop)
		if p.temporal, err = durable.Dial(ctx, server.Address(), server.TLS(), p.logger); err != nil {
			return err
		}
	}
	p.onStop("Temporal client", func(context.Context) error { p.temporal.Close(); return nil })
	return nil
}

func (p *process) startSystems(ctx context.Context) error {
	spillDir := filepath.Join(p.settings.DataDir, "spill")
	if err := os.RemoveAll(spillDir); err != nil {
		return fmt.Errorf("empty spill folder: %w", err)
	}
	p.inventory = inventory.New(p.settings.Inventory, inventory.Deps{
		Pools: p.pools, Bucket: p.bucket, Predictor: availability.DefaultBackOff(),
		Starter: &inventory.TemporalStarter{Client: p.temporal, Config: p.settings.Inventory},
		Metrics: inventory.NewMetrics(p.metrics), Logger: p.logger.With("system", inventory.System), Now: p.now, SpillDir: spillDir,
	})
	var err error
	if p.identity, err = identity.New(p.settings.Identity, identity.Deps{
		Pool: p.shared, Tenants: p.tenants, Merchants: p.inventory, Now: p.now, SecureCookies: p.settings.Server.TLS(), Demo: p.settings.Demo,
	}); err != nil {
		return err
	}
	if err := p.identity.Start(ctx); err != nil {
		return err
	}
	if p.settings.runs(roleWorker) {
		w := durable.NewWorker(p.temporal, inventory.TaskQueue, p.settings.StepsAtOnce)
		p.inventory.RegisterWorker(w)
		if err := w.Start(); err != nil {
			return fmt.Errorf("start inventory worker: %w", err)
		}
		p.onStop("inventory worker", func(context.Context) error { w.Stop(); return nil })
	}
	if p.settings.runs(roleSchedule) {
		p.startLoops(ctx)
	}
	return nil
}

// startLoops runs the background work of each tenant until the process stops.
func (p *process) startLoops(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	for _, id := range p.tenants.IDs() {
		wg.Go(func() { p.inventory.Run(ctx, id) })
	}
	wg.Go(func() { p.expire(ctx) })
	p.onStop("background work", func(context.Context) error {
		cancel()
		wg.Wait()
		return nil
	})
}

// expireEvery is how often rows that are over are deleted.
const expireEvery = 10 * time.Minute

func (p *process) expire(ctx context.Context) {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		if err := p.identity.Expire(ctx); err != nil && ctx.Err() == nil {
			p.logger.WarnContext(ctx, "expiry will be tried again", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// serve answers on ln until ctx ends.
func (p *process) serve(ctx context.Context, t *term.Terminal, ln net.Listener, credentials *local.Store) error {
	address := ln.Addr().String()
	authenticators := []auth.Authenticator{p.identity.Authenticator()}
	secret, localUser, forget, err := localCredential(credentials, address)
	switch {
	case err == nil:
		defer forget()
		authenticators = append([]auth.Authenticator{localUser}, authenticators...)
	case errors.Is(err, local.ErrNone):
		p.logger.InfoContext(ctx, "no local credential: the address is not this machine's alone, so the command line needs a token", "address", address)
	default:
		return errors.Join(err, ln.Close())
	}
	server, err := rpc.NewServer(p.settings.Server, rpc.ServerDeps{
		Logger: p.logger, Metrics: p.metrics, Tenants: p.tenants, Now: p.now, Classify: classify,
		Authenticator: auth.FirstOf(authenticators...),
	})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	p.register(server)
	served := make(chan error, 1)
	serving, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { served <- server.Serve(serving, ln) }()
	go p.database.supervise(serving, cancel)
	if err := p.greet(serving, t, address, secret); err != nil && serving.Err() == nil {
		cancel(err)
		return errors.Join(err, <-served)
	}
	err = <-served
	if cause := context.Cause(serving); ctx.Err() == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// localCredential leaves a credential for the user who started the server, by
// which the command line on this machine calls it.
func localCredential(credentials *local.Store, address string) (secret string, localUser auth.Authenticator, forget func(), err error) {
	credential, forget, err := credentials.Write(address)
	if err != nil {
		return "", nil, nil, err
	}
	localUser, err = credential.Authenticator()
	return credential.Secret, localUser, forget, err
}

// register hangs on the server what the roles answer. Health and metrics are
// answered by every role.
func (p *process) register(server *rpc.Server) {
	server.HandleHTTP("GET /healthz", auth.Public, func(w http.ResponseWriter, _ *http.Request) error {
		_, err := fmt.Fprintln(w, "ok")
		return err
	})
	server.HandleHTTP("GET /readyz", auth.Public, p.ready)
	server.HandleHTTP("GET /metrics", auth.Public, func(w http.ResponseWriter, r *http.Request) error {
		p.metrics.Handler().ServeHTTP(w, r)
		return nil
	})
	if !p.settings.runs(roleAPI) {
		return
	}
	server.Handle(identityv1connect.NewIdentityServiceHandler(p.identity.Handler(), server.Options()...))
	p.inventory.Register(server)
	server.HandleHTTP("/", auth.Public, func(w http.ResponseWriter, r *http.Request) error {
		p.parts.Console.ServeHTTP(w, r)
		return nil
	})
}

// greet says where the console is and, on demo data, fills the marketplace.
func (p *process) greet(ctx context.Context, t *term.Terminal, address, secret string) error {
	scheme := "http"
	if p.settings.Server.TLS() {
		scheme = "https"
	}
	base := scheme + "://" + address
	p.logger.InfoContext(ctx, "serving", "address", base, "roles", p.settings.Roles)
	if !p.settings.Demo {
		return nil
	}
	if secret == "" {
		return errors.New("--demo fills the marketplace through the API and needs the local credential: listen on a loopback address")
	}
	return p.fillDemo(ctx, t, base, secret)
}
