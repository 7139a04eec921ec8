// Command inventory measures the inventory's whole pipeline in rows a second,
// beside baselines on the same rows in the same process and database: one-row
// upserts, a pipelined batch of a thousand statements, and a bare COPY into a
// staging table plus one merge, which is the limit of what the database takes.
//
// Absolute figures vary with the machine; the ratios are what to hold on to.
package main

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bodega-hq/bodega/internal/inventory"
	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/blob"
	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/platform/pg/embedded"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

func main() {
	rows := flag.Int("rows", 20_000, "rows of a store's file")
	runs := flag.Int("runs", 7, "rounds of each measurement; the median counts")
	flag.Parse()
	telemetry.RelaxGC() // as the server does
	if err := run(context.Background(), *rows, *runs); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rows, runs int) error {
	dir, err := os.MkdirTemp("", "bodega-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := embedded.Start(ctx, embedded.Config{DataDir: filepath.Join(dir, "postgres")})
	if err != nil {
		return err
	}
	defer func() {
		if err := server.Stop(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, "bench: stop database:", err)
		}
	}()
	if err := server.EnsureDatabase(ctx, "bench"); err != nil {
		return err
	}
	b := &bench{rows: rows, runs: runs, dir: dir, statements: &counter{}}
	if b.tenants, err = pg.OpenTenants(ctx, server.URL("bench"), []string{"prod"}, []string{inventory.System}, pg.Options{MaxConns: 8, Tracer: b.statements}); err != nil {
		return err
	}
	defer b.tenants.Close()
	if err := b.tenants.Migrate(ctx, inventory.System, inventory.Migrations()); err != nil {
		return err
	}
	if b.pool, err = b.tenants.Pool("prod"); err != nil {
		return err
	}
	return b.report(tenant.With(ctx, tenant.Prod))
}

type bench struct {
	rows, runs int
	dir        string
	tenants    *pg.Tenants
	pool       *pgxpool.Pool
	statements *counter
	price      int
}

// way is a way to write a store's rows, timed on what it has ready.
type way struct {
	name  string
	rows  int
	ready func() any
	once  func(any) error
	rates []float64 // rows a second, run by run
}

// run takes the time of one run, on what is ready before it.
func (w *way) run() error {
	with := w.ready()
	start := time.Now()
	if err := w.once(with); err != nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	w.rates = append(w.rates, float64(w.rows)/time.Since(start).Seconds())
	return nil
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

// beside is the median of w's rates in multiples of another's of the same
// round, so that what slows the machine for a while slows both.
func (w *way) beside(other *way) float64 {
	ratios := make([]float64, len(w.rates))
	for i := range ratios {
		ratios[i] = w.rates[i] / other.rates[i]
	}
	return median(ratios)
}

// baseline is a way to write rows that are ready.
func (b *bench) baseline(ctx context.Context, name string, rows int, write func(context.Context, []baselineRow) error) *way {
	return &way{name: name, rows: rows, ready: func() any { return b.ready(rows) }, once: func(with any) error { return write(ctx, with.([]baselineRow)) }}
}

func (b *bench) report(ctx context.Context) error {
	fmt.Printf("PostgreSQL in its durable settings, %d rows of one store, every row changed, medians of %d rounds\n\n", b.rows, b.runs)
	if err := b.prepare(ctx); err != nil {
		return err
	}
	chunk := inventory.DefaultConfig().ChunkRows
	oneRow := b.baseline(ctx, "one-row upserts", min(b.rows, 4000), b.oneRow)
	batch := b.baseline(ctx, "pipelined batch of 1,000 statements", b.rows, b.batch)
	limit := b.baseline(ctx, "COPY to staging plus one merge (the limit)", b.rows, b.limit)
	whole, statements, err := b.pipeline(ctx, chunk)
	if err != nil {
		return err
	}
	ways := []*way{oneRow, batch, limit, whole}
	for range b.runs {
		for _, w := range ways {
			if err := w.run(); err != nil {
				return err
			}
		}
	}
	for _, w := range ways {
		fmt.Printf("%-46s %9.0f rows/s\n", w.name, median(w.rates))
	}
	fmt.Printf("  %5.1f times the one-row upsert\n  %5.2f times the pipelined batch\n  %5.2f of the limit\n  %5.2f SQL statements per 1,000 items\n\n",
		whole.beside(oneRow), whole.beside(batch), whole.beside(limit), statements())

	fmt.Println("the whole pipeline, by chunk size:")
	var sweep []*way
	for _, rows := range []int{500, 1000, 2000, 4000, 8000, 20000} {
		w, statements, err := b.pipeline(ctx, rows)
		if err != nil {
			return err
		}
		w.name = fmt.Sprintf("chunks of %6d rows, %5.2f statements per 1,000 items", rows, statements())
		sweep = append(sweep, w)
	}
	for range b.runs {
		for _, w := range sweep {
			if err := w.run(); err != nil {
				return err
			}
		}
	}
	best := slices.MaxFunc(sweep, func(a, b *way) int { return cmp.Compare(median(a.rates), median(b.rates)) })
	for _, w := range sweep {
		fmt.Printf("  %s  %9.0f rows/s\n", w.name, median(w.rates))
	}
	fmt.Printf("best: %s; the default is %d\n", best.name, chunk)
	return nil
}

// prepare makes the merchant, the store and the baselines' tables: the same
// columns and storage as the inventory's own.
func (b *bench) prepare(ctx context.Context) error {
	_, err := b.pool.Exec(ctx, `
CREATE TABLE bench_item (LIKE item INCLUDING ALL) WITH (fillfactor = 50);
CREATE TABLE bench_staging (LIKE item_staging INCLUDING ALL);
INSERT INTO merchant (merchant_id, name, currency) VALUES ('bench', 'Bench', 'USD');
INSERT INTO store (merchant_id, store_id, name) VALUES ('bench', '1', 'Store 1'), ('bench', 'baseline', 'Baselines');
INSERT INTO store_fence (merchant_id, store_id) VALUES ('bench', '1')`)
	return err
}

// state is a document of the size and shape that the pipeline writes.
func (b *bench) state(i int) []byte {
	return fmt.Appendf(nil, `{"gtin":"0400638133%04d","name":"Bench item number %d with a name","brand":"Brand %d","category":"Category %d","size":[1,410000,2],`+
		`"price":{"currency":"USD","minor":%d},"merchant":1,"available":"predicted_in_stock","feed":"f06h0npfohhruh9lsu6mu9e4fu8","row":%d,`+
		`"shelf_time":"2026-07-03T06:00:00Z","rests":"8d4fa1505b783448","model":"d40e21a6b8c70143","hash":"%016x","percent":90}`,
		i%10000, i, i%50, i%20, 100+b.price, i, i+b.price*7919)
}

func (b *bench) kept(i int) []byte {
	return fmt.Appendf(nil, "M\x10d40e21a6b8c70143i\x08%08dn\x20Bench item number %07d with namep\x04%4dc\x0bCategory %02d", i, i, 100+b.price, i%20)
}

const upsert = `
INSERT INTO bench_item (merchant_id, store_id, item_id, state, kept, source_time, change_feed, change_chunk, changed_at)
VALUES ('bench', 'baseline', $1, $2, $3, $4, 'f06h0npfohhruh9lsu6mu9e4fu8', 0, $4)
ON CONFLICT (merchant_id, store_id, item_id) DO UPDATE SET state = excluded.state, kept = excluded.kept,
  source_time = excluded.source_time, change_feed = excluded.change_feed, change_chunk = excluded.change_chunk, changed_at = excluded.changed_at`

func itemID(i int) string { return fmt.Sprintf("%08d", i) }

// baselineRow is a row that is ready to be sent.
type baselineRow struct {
	id          string
	state, kept []byte
}

// ready makes the rows of a baseline before its time is taken, each changed.
func (b *bench) ready(n int) []baselineRow {
	b.price++
	rows := make([]baselineRow, n)
	for i := range rows {
		rows[i] = baselineRow{itemID(i), b.state(i), b.kept(i)}
	}
	return rows
}

func (b *bench) oneRow(ctx context.Context, rows []baselineRow) error {
	for i := range rows {
		if _, err := b.pool.Exec(ctx, upsert, rows[i].id, rows[i].state, rows[i].kept, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) batch(ctx context.Context, rows []baselineRow) error {
	for part := range slices.Chunk(rows, 1000) {
		batch := &pgx.Batch{}
		for i := range part {
			batch.Queue(upsert, part[i].id, part[i].state, part[i].kept, time.Now())
		}
		if err := b.pool.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
	}
	return nil
}

// limit is what is left when everything but the database's own work is taken
// away: the rows are ready, nothing is read, judged, accounted or published.
func (b *bench) limit(ctx context.Context, rows []baselineRow) error {
	return pg.RunTx(ctx, b.pool, func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(ctx, pgx.Identifier{"bench_staging"}, []string{"load", "item_id", "state", "kept", "source_time"},
			pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
				return []any{int64(1), rows[i].id, rows[i].state, rows[i].kept, time.Now()}, nil
			}))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
WITH moved AS (DELETE FROM bench_staging WHERE load = 1 RETURNING item_id, state, kept, source_time)
INSERT INTO bench_item (merchant_id, store_id, item_id, state, kept, source_time, change_feed, change_chunk, changed_at)
SELECT 'bench', 'baseline', item_id, state, kept, source_time, 'f06h0npfohhruh9lsu6mu9e4fu8', 0, source_time FROM moved
ON CONFLICT (merchant_id, store_id, item_id) DO UPDATE SET state = excluded.state, kept = excluded.kept,
  source_time = excluded.source_time, change_feed = excluded.change_feed, change_chunk = excluded.change_chunk, changed_at = excluded.changed_at`)
		return err
	})
}

// file is a full feed of the store in which every price differs from the one
// before, within what the guard lets pass.
func (b *bench) file() []byte {
	b.price++
	var out bytes.Buffer
	out.WriteString("item_id,gtin,name,brand,category,size,price,availability\n")
	for i := range b.rows {
		fmt.Fprintf(&out, "%08d,,Bench item number %07d with a name,Brand %d,Category %d,410 g,%d.%02d,in stock\n", i, i, i%50, i%20, 3+i%40, b.price%100)
	}
	return out.Bytes()
}

// pipeline is a feed from its intake to the menu that shows it, after a first
// one that brings the items. statements is how many the last feed took for
// 1,000 items.
func (b *bench) pipeline(ctx context.Context, chunk int) (w *way, statements func() float64, err error) {
	folder, err := blob.OpenFolder(filepath.Join(b.dir, "objects"))
	if err != nil {
		return nil, nil, err
	}
	cfg := inventory.DefaultConfig()
	cfg.ChunkRows = chunk
	service := inventory.New(cfg, inventory.Deps{
		Pools: b.tenants, Bucket: folder, Starter: none{}, Predictor: availability.DefaultBackOff(),
		Metrics: inventory.NewMetrics(telemetry.NewMetrics()), Logger: slog.New(slog.DiscardHandler), Now: time.Now,
		SpillDir: filepath.Join(b.dir, "spill"),
	})
	var made int64
	send := func(body any) error {
		before := b.statements.n.Load()
		receipt, err := service.Submit(ctx, inventory.Submission{
			Merchant: "bench", Store: "1", Kind: feed.KindFull, FileName: "bench.csv", By: "bench", Cause: inventory.CauseFeed,
		}, bytes.NewReader(body.([]byte)))
		if err != nil {
			return err
		}
		if err := service.RunFeed(ctx, receipt.Feed); err != nil {
			return err
		}
		made = b.statements.n.Load() - before
		return b.check(ctx, receipt.Feed)
	}
	for range 2 { // the first brings the items, the second their next versions
		if err := send(b.file()); err != nil {
			return nil, nil, err
		}
	}
	w = &way{name: fmt.Sprintf("the whole pipeline, chunks of %d rows", chunk), rows: b.rows, ready: func() any { return b.file() }, once: send}
	return w, func() float64 { return float64(made) * 1000 / float64(b.rows) }, nil
}

// check insists that every row was applied: a pipeline that skips its work
// would be fast.
func (b *bench) check(ctx context.Context, id inventory.FeedID) error {
	var applied int
	if err := b.pool.QueryRow(ctx, `SELECT applied FROM feed WHERE feed_id = $1 AND status = 'done'`, id).Scan(&applied); err != nil {
		return err
	}
	if applied != b.rows {
		return fmt.Errorf("feed %s applied %d of %d rows", id, applied, b.rows)
	}
	return nil
}
