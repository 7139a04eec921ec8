package pg

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options shape a pool. The zero value is usable.
type Options struct {
	// ApplicationName names this process in pg_stat_activity.
	ApplicationName string
	// MaxConns bounds the open connections; 0 leaves pgxpool's default, four or
	// one per processor, whichever is more.
	MaxConns int32
	// SearchPath lists the schemas that unqualified names are looked up in. It
	// is a startup parameter of every connection, so no query can leave a
	// different one behind for the next.
	SearchPath []string
	// Wait is how long Open keeps trying while the database is unavailable, as
	// during a restart. Zero tries once.
	Wait time.Duration
	// Tracer sees every query; nil traces nothing.
	Tracer pgx.QueryTracer
}

// Open makes a pool for the database at url, a postgres:// URL or a keyword and
// value string, and returns once a connection has answered.
func Open(ctx context.Context, url string, opts Options) (*pgxpool.Pool, error) {
	cfg, err := config(url, opts)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open pool for %s: %w", where(cfg), err)
	}
	if err := ping(ctx, pool, opts.Wait); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connect to %s: %w", where(cfg), err)
	}
	return pool, nil
}

func config(url string, opts Options) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		// pgx redacts the password in its parse errors.
		return nil, fmt.Errorf("parse database url: %w", err)
	}
	if opts.MaxConns > 0 {
		cfg.MaxConns = opts.MaxConns
	}
	params := cfg.ConnConfig.RuntimeParams
	if opts.ApplicationName != "" {
		params["application_name"] = opts.ApplicationName
	}
	if len(opts.SearchPath) > 0 {
		params["search_path"] = searchPath(opts.SearchPath)
	}
	cfg.ConnConfig.Tracer = atCrashPoints(opts.Tracer)
	return cfg, nil
}

// searchPath quotes each schema, so that a name is never read as two.
func searchPath(schemas []string) string {
	quoted := make([]string, len(schemas))
	for i, schema := range schemas {
		quoted[i] = pgx.Identifier{schema}.Sanitize()
	}
	return strings.Join(quoted, ", ")
}

// where names a database without its password.
func where(cfg *pgxpool.Config) string {
	c := cfg.ConnConfig
	return fmt.Sprintf("database %q at %s:%d", c.Database, c.Host, c.Port)
}

func ping(ctx context.Context, pool *pgxpool.Pool, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := pool.Ping(ctx)
		if err == nil || !IsUnavailable(err) || time.Now().Add(pause).After(deadline) {
			return err
		}
		if !sleep(ctx, pause) {
			return err
		}
	}
}

// sleep waits for d and says whether it could: false means that ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
