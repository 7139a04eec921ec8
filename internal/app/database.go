package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/identity"
	"github.com/bodega-hq/bodega/internal/inventory"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/platform/pg/embedded"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// databaseName is the embedded server's database.
const databaseName = "bodega"

// systems are those that have a schema in every tenant.
var systems = []string{inventory.System}

// database is the one that the settings name, or the embedded server.
type database struct {
	url    string
	config embedded.Config
	logger *slog.Logger

	mu       sync.Mutex
	server   *embedded.Server // nil for a database of somebody else
	stopping bool
}

func openDatabase(ctx context.Context, s *Settings, logger *slog.Logger) (*database, error) {
	d := &database{url: s.DatabaseURL, logger: logger}
	if d.url != "" {
		return d, nil
	}
	d.config = embedded.Config{DataDir: filepath.Join(s.DataDir, "postgres"), Logger: logger.With("component", "postgres")}
	server, err := embedded.Start(ctx, d.config)
	if err != nil {
		return nil, err
	}
	if err := server.EnsureDatabase(ctx, databaseName); err != nil {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return nil, errors.Join(err, server.Stop(stopping))
	}
	d.server, d.url = server, server.URL(databaseName)
	return d, nil
}

func (d *database) pools(ctx context.Context, tenants tenant.Set) (*pg.Tenants, *pgxpool.Pool, error) {
	var names []string
	for _, id := range tenants.IDs() {
		names = append(names, string(id))
	}
	opts := pg.Options{ApplicationName: "bodega", MaxConns: 24, Wait: 30 * time.Second}
	pools, err := pg.OpenTenants(ctx, d.url, names, systems, opts)
	if err != nil {
		return nil, nil, err
	}
	opts.SearchPath, opts.MaxConns = []string{identity.Schema}, 8
	shared, err := pg.Open(ctx, d.url, opts)
	if err != nil {
		pools.Close()
		return nil, nil, err
	}
	return pools, shared, nil
}

func (d *database) stop(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopping = true
	if d.server == nil {
		return nil
	}
	return d.server.Stop(ctx)
}

// restarts of an embedded server that died by itself, before its process
// gives up: a folder that it cannot run on will not mend itself.
const restarts = 5

// supervise starts the embedded server again when it dies by itself; calls
// that meet the gap are retried where that is safe.
func (d *database) supervise(ctx context.Context, giveUp context.CancelCauseFunc) {
	if d.server == nil {
		return
	}
	attempt := 0
	for {
		started := time.Now()
		select {
		case <-ctx.Done():
			return
		case <-d.server.Done():
		}
		if time.Since(started) > time.Minute {
			attempt = 0
		}
		d.logger.ErrorContext(ctx, "PostgreSQL ended by itself and is started again", "error", fmt.Sprint(d.server.Err()))
		for {
			if attempt++; attempt > restarts {
				giveUp(fmt.Errorf("the embedded PostgreSQL keeps ending: %w", d.server.Err()))
				return
			}
			err := d.restart(ctx)
			if err == nil {
				break
			}
			d.logger.ErrorContext(ctx, "start PostgreSQL again", "error", err.Error(), "attempt", attempt)
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Duration(attempt) * time.Second):
			}
		}
	}
}

// errStopping says that the process takes the database down itself.
var errStopping = errors.New("the process is stopping")

func (d *database) restart(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopping {
		return errStopping
	}
	server, err := embedded.Start(ctx, d.config)
	if err != nil {
		return err
	}
	d.server = server
	return nil
}

// migrate brings every schema up to date.
func migrate(ctx context.Context, pools *pg.Tenants, shared *pgxpool.Pool) error {
	if err := pg.Migrate(ctx, shared, identity.Schema, identity.Migrations()); err != nil {
		return fmt.Errorf("migrate identity: %w", err)
	}
	if err := pools.Migrate(ctx, inventory.System, inventory.Migrations()); err != nil {
		return fmt.Errorf("migrate inventory: %w", err)
	}
	for _, name := range pools.Names() {
		pool, err := pools.Pool(name)
		if err != nil {
			return err
		}
		if err := inventory.KeepPresets(ctx, pool); err != nil {
			return fmt.Errorf("tenant %s: %w", name, err)
		}
	}
	return nil
}

// classify sorts the database's errors by what they mean to a caller.
func classify(err error) fault.Kind {
	switch {
	case pg.IsUnavailable(err):
		return fault.Unavailable
	case pg.IsConflict(err):
		return fault.Stale
	case pg.SQLState(err) == characterNotInRepertoire:
		return fault.Invalid
	}
	return fault.Internal
}

// characterNotInRepertoire is the SQLSTATE of text that holds NUL, which
// protobuf and URLs carry and PostgreSQL does not.
const characterNotInRepertoire = "22021"

// MigrateCmd is `bodega migrate`.
type MigrateCmd struct {
	Settings `embed:""`
}

// migrationLine is one migration of one schema.
type migrationLine struct {
	Schema  string `json:"schema"`
	Name    string `json:"name"`
	Applied string `json:"applied_at"`
}

// Run brings the schemas up to date and lists their migrations.
func (c *MigrateCmd) Run(ctx context.Context, t *term.Terminal) (err error) {
	logger, err := telemetry.NewLogger(t.Err, c.Log)
	if err != nil {
		return err
	}
	tenants, err := tenant.NewSet(c.Tenants...)
	if err != nil {
		return err
	}
	db, err := openDatabase(ctx, &c.Settings, logger)
	if err != nil {
		return err
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = errors.Join(err, db.stop(stopping))
	}()
	pools, shared, err := db.pools(ctx, tenants)
	if err != nil {
		return err
	}
	defer pools.Close()
	defer shared.Close()
	if err := migrate(ctx, pools, shared); err != nil {
		return err
	}
	lines, err := migrations(ctx, tenants, pools, shared)
	if err != nil {
		return err
	}
	rows := make([][]string, len(lines))
	for i, l := range lines {
		rows[i] = []string{l.Schema, l.Name, l.Applied}
	}
	return t.Print(lines, textTable([]string{"schema", "migration", "applied"}, rows, "There is nothing to migrate."))
}

func migrations(ctx context.Context, tenants tenant.Set, pools *pg.Tenants, shared *pgxpool.Pool) ([]migrationLine, error) {
	var lines []migrationLine
	add := func(schema string, list []pg.Migration) {
		for _, m := range list {
			lines = append(lines, migrationLine{schema, m.Name, m.AppliedAt.UTC().Format(time.RFC3339)})
		}
	}
	list, err := pg.MigrateStatus(ctx, shared, identity.Schema, identity.Migrations())
	if err != nil {
		return nil, err
	}
	add(identity.Schema, list)
	for _, id := range tenants.IDs() {
		pool, err := pools.Pool(string(id))
		if err != nil {
			return nil, err
		}
		schema := pg.Schema(string(id), inventory.System)
		if list, err = pg.MigrateStatus(ctx, pool, schema, inventory.Migrations()); err != nil {
			return nil, err
		}
		add(schema, list)
	}
	return lines, nil
}
