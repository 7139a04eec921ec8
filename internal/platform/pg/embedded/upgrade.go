package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Upgrade moves the data in cfg.DataDir to a newer major version: it starts the
// server of the old version, a second one of the new version on an empty data
// folder, copies every database by pg_dump and psql, compares the number of rows
// of every table, and then puts the new data folder in the old one's place. The
// old one stays beside it as "data.15" (its major), for the operator to remove.
// No bodega may run on the folder meanwhile. An error leaves the old data as it
// was. The disk must have room for a second copy.
//
// Roles other than bodega's own are not copied; where a database has grants to
// one, the upgrade ends in an error.
func Upgrade(ctx context.Context, cfg Config, major int) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	if err := upgrade(ctx, cfg, major); err != nil {
		return fmt.Errorf("upgrade postgres in %s to %d: %w", cfg.DataDir, major, err)
	}
	return nil
}

func upgrade(ctx context.Context, cfg Config, major int) (err error) {
	before, err := majorOf(filepath.Join(cfg.DataDir, dataName))
	switch {
	case err != nil:
		return err
	case before == 0:
		return errors.New("there is no data to upgrade")
	case before == major:
		return nil
	case before > major:
		return fmt.Errorf("the data was made by %d: a newer version's data does not go into an older one", before)
	}
	target := cfg
	if target.BinDir != "" {
		// What cfg names runs the new data; the old needs its own.
		cfg.BinDir = ""
	}
	programs, err := choose(ctx, target, major)
	if err != nil {
		return err
	}
	kept := filepath.Join(cfg.DataDir, fmt.Sprintf("%s.%d", dataName, before))
	if _, err := os.Stat(kept); err == nil {
		return fmt.Errorf("%s is there from an earlier upgrade: remove it first", kept)
	}
	old, err := start(ctx, cfg)
	if err != nil {
		return fmt.Errorf("start the old version: %w", err)
	}
	// Whatever happens, both servers end before the folder is free again.
	defer func() {
		err = errors.Join(err, old.Stop(context.WithoutCancel(ctx)))
	}()
	target.DataDir = filepath.Join(old.cfg.DataDir, "upgrade")
	target.BinDir = programs.Dir
	target.OSUser = old.cluster.account.name
	if err := clearLeftovers(ctx, filepath.Join(target.DataDir, dataName), cfg.Logger); err != nil {
		return err
	}
	if err := os.RemoveAll(target.DataDir); err != nil {
		return fmt.Errorf("clear an upgrade that was cut short: %w", err)
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(target.DataDir))
	}()
	fresh, err := start(ctx, target)
	if err != nil {
		return fmt.Errorf("start the new version: %w", err)
	}
	defer func() {
		err = errors.Join(err, fresh.Stop(context.WithoutCancel(ctx)))
	}()
	if err := copyDatabases(ctx, old, fresh, cfg.Logger); err != nil {
		return err
	}
	if err := errors.Join(fresh.shutDown(ctx), old.shutDown(ctx)); err != nil {
		return err
	}
	// Between the two renames there is no data folder under the usual name:
	// refuseHalfUpgraded keeps a start from making an empty one.
	if err := os.Rename(old.cluster.pgdata, kept); err != nil {
		return fmt.Errorf("put the old data aside: %w", err)
	}
	if err := os.Rename(fresh.cluster.pgdata, old.cluster.pgdata); err != nil {
		return errors.Join(fmt.Errorf("put the new data in place: %w", err), os.Rename(kept, old.cluster.pgdata))
	}
	if err := syncDir(old.cfg.DataDir); err != nil {
		return fmt.Errorf("put the new data in place: %w", err)
	}
	cfg.Logger.Info("postgres upgraded", slog.Int("from", before), slog.Int("to", major), slog.String("old_data", kept))
	return nil
}

// refuseHalfUpgraded keeps bodega from starting empty where an upgrade was cut
// off between its last two steps.
func refuseHalfUpgraded(dataDir string) error {
	kept, _ := filepath.Glob(filepath.Join(escapeGlob(dataDir), dataName+".[0-9]*")) // the only error is a malformed pattern
	if len(kept) == 0 {
		return nil
	}
	return fmt.Errorf("there is %s and no %s: a database upgrade was cut short, or a folder was removed by hand; rename %s to %s to go on with the old data",
		kept[0], dataName, kept[0], dataName)
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// copyDatabases copies what bodega's role owns. The superuser does it, so that
// extensions come along.
func copyDatabases(ctx context.Context, from, to *Server, logger *slog.Logger) error {
	tools, err := clientTools(to.cluster.binaries, from.cluster.binaries)
	if err != nil {
		return err
	}
	names, err := databases(ctx, from)
	if err != nil {
		return err
	}
	for _, name := range names {
		logger.Info("postgres database is copied", slog.String("database", name))
		if err := to.EnsureDatabase(ctx, name); err != nil {
			return err
		}
		if err := copyDatabase(ctx, tools, from.url(superuser, name), to.url(superuser, name)); err != nil {
			return fmt.Errorf("copy database %s: %w", name, err)
		}
		if err := compareCounts(ctx, from.url(superuser, name), to.url(superuser, name)); err != nil {
			return fmt.Errorf("compare the copy of database %s: %w", name, err)
		}
	}
	return nil
}

// clientTools is the first folder with pg_dump and psql, which fetched programs
// lack.
func clientTools(candidates ...Binaries) (Binaries, error) {
	for _, b := range candidates {
		_, dump := os.Stat(b.path("pg_dump"))
		_, psql := os.Stat(b.path("psql"))
		if dump == nil && psql == nil {
			return b, nil
		}
	}
	return Binaries{}, fmt.Errorf("neither %s nor %s has pg_dump and psql: install PostgreSQL's client programs (Debian, Ubuntu: apt-get install postgresql-client)",
		candidates[0].Dir, candidates[1].Dir)
}

func databases(ctx context.Context, s *Server) ([]string, error) {
	conn, err := pgx.Connect(ctx, s.url(superuser, "postgres"))
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY datname`)
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	return names, nil
}

func copyDatabase(ctx context.Context, tools Binaries, from, to string) error {
	var dumpSaid, loadSaid strings.Builder
	dump := exec.CommandContext(ctx, tools.path("pg_dump"), "--dbname="+from)
	dump.Env, dump.Dir, dump.Stderr = environment(), "/", &dumpSaid
	load := exec.CommandContext(ctx, tools.path("psql"), "--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1", "--dbname="+to)
	load.Env, load.Dir, load.Stderr = environment(), "/", &loadSaid
	pipe, err := dump.StdoutPipe()
	if err != nil {
		return err
	}
	load.Stdin = pipe
	if err := load.Start(); err != nil {
		return fmt.Errorf("run psql: %w", err)
	}
	if err := dump.Start(); err != nil {
		return errors.Join(fmt.Errorf("run pg_dump: %w", err), load.Process.Kill(), load.Wait())
	}
	loadErr := load.Wait()
	// Where psql gave up, pg_dump must not wait for a reader.
	pipe.Close()
	dumpErr := dump.Wait()
	if loadErr != nil {
		return fmt.Errorf("psql: %w: %s", loadErr, complaint(loadSaid.String()))
	}
	if dumpErr != nil {
		return fmt.Errorf("pg_dump: %w: %s", dumpErr, complaint(dumpSaid.String()))
	}
	return nil
}

func compareCounts(ctx context.Context, from, to string) error {
	want, err := counts(ctx, from)
	if err != nil {
		return err
	}
	got, err := counts(ctx, to)
	if err != nil {
		return err
	}
	for _, table := range slices.Sorted(maps.Keys(want)) {
		n, ok := got[table]
		if !ok {
			return fmt.Errorf("table %s is missing", table)
		}
		if n != want[table] {
			return fmt.Errorf("table %s has %d rows, and %d before", table, n, want[table])
		}
	}
	return nil
}

// counts numbers the rows of every table by its qualified name.
func counts(ctx context.Context, url string) (map[string]int64, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("count rows: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	n := make(map[string]int64, len(tables))
	for _, table := range tables {
		var count int64
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM `+table).Scan(&count); err != nil {
			return nil, fmt.Errorf("count rows of %s: %w", table, err)
		}
		n[table] = count
	}
	return n, nil
}
