//go:build faults

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/bodega-hq/bodega/internal/inventory"
	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/blob"
	"github.com/bodega-hq/bodega/internal/platform/durable"
	"github.com/bodega-hq/bodega/internal/platform/durable/embedded"
	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

var update = flag.Bool("update", false, "store the histories of this run in internal/inventory/testdata/histories")

type onePool struct{ pool *pgxpool.Pool }

func (p onePool) Pool(string) (*pgxpool.Pool, error) { return p.pool, nil }

// hiccups fails some writes of objects, as a disk that is full for a moment.
type hiccups struct {
	blob.Bucket
	left atomic.Int32
}

func (h *hiccups) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	if strings.Contains(key, "/changes/") && h.left.Add(-1) >= 0 {
		return 0, blob.ErrNoSpace
	}
	return h.Bucket.Put(ctx, key, r)
}

// TestHistories runs feeds to each of their ends in a real Temporal server.
// With -update it stores their histories, by which later versions of the
// workflow are checked in internal/inventory.
func TestHistories(t *testing.T) {
	ctx, cancel := context.WithTimeout(tenant.With(t.Context(), tenant.Prod), 3*time.Minute)
	defer cancel()
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	server, err := embedded.Start(t.TempDir(), []string{durable.Namespace}, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	c, err := durable.Dial(ctx, server.Address(), server.TLS(), logger)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	schema := pg.Schema(string(tenant.Prod), inventory.System)
	url := postgres.URL(t)
	pool, err := pg.Open(ctx, url, pg.Options{SearchPath: []string{schema}, MaxConns: 12})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := pg.Migrate(ctx, pool, schema, inventory.Migrations()); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		`INSERT INTO merchant (merchant_id, name, currency) VALUES ('corner', 'Corner & Co.', 'USD')`,
		`INSERT INTO store (merchant_id, store_id, name) SELECT 'corner', n::text, 'Store ' || n FROM generate_series(1, 3) AS n`,
		`INSERT INTO store_fence (merchant_id, store_id) SELECT merchant_id, store_id FROM store`,
	} {
		if _, err := pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := blob.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	bucket := &hiccups{Bucket: folder}
	cfg := inventory.DefaultConfig()
	cfg.ChunkRows, cfg.StoresAtOnce = 50, 2
	service := inventory.New(cfg, inventory.Deps{
		Pools: onePool{pool}, Bucket: bucket, Predictor: availability.DefaultBackOff(),
		Starter: &inventory.TemporalStarter{Client: c, Config: cfg},
		Metrics: inventory.NewMetrics(telemetry.NewMetrics()), Logger: logger, Now: time.Now, SpillDir: t.TempDir(),
	})
	w := durable.NewWorker(c, inventory.TaskQueue, 8)
	service.RegisterWorker(w)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()

	submit := func(body string) inventory.FeedID {
		t.Helper()
		receipt, err := service.Submit(ctx, inventory.Submission{
			Merchant: "corner", Kind: feed.KindFull, FileName: "items.csv", By: "user:ops@example.com", Cause: inventory.CauseFeed,
		}, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return receipt.Feed
	}
	workflow := func(id inventory.FeedID) string { return fmt.Sprintf("inventory-feed/%s/%s", tenant.Prod, id) }
	ended := func(id inventory.FeedID) {
		t.Helper()
		if err := c.GetWorkflow(ctx, workflow(id), "").Get(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(name string, id inventory.FeedID, want inventory.Status) {
		t.Helper()
		ended(id)
		var status inventory.Status
		if err := pool.QueryRow(ctx, `SELECT status FROM feed WHERE feed_id = $1`, id).Scan(&status); err != nil || status != want {
			t.Errorf("%s: feed %s is %s, want %s (%v)", name, id, status, want, err)
		}
		record(ctx, t, c, name, workflow(id))
	}

	keep("done", submit(threeStores("2.00")), inventory.Done)
	keep("failed", submit("store_id,item_id,name\n1,00001,No price here\n"), inventory.Failed)

	bucket.left.Store(3)
	keep("retried", submit(threeStores("2.10")), inventory.Done)

	// Another holds the fence of store 2 until the workflow has waited for it.
	holder := submit(threeStores("2.20"))
	ended(holder)
	if _, err := pool.Exec(ctx, `UPDATE feed SET status = 'running' WHERE feed_id = $1`, holder); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, `UPDATE store_fence SET feed_id = $1 WHERE store_id = '2'`, holder); err != nil {
		t.Fatal(err)
	}
	waiting := submit(threeStores("2.30"))
	awaitTimer(ctx, t, c, workflow(waiting))
	canceled := submit(threeStores("2.40"))
	awaitTimer(ctx, t, c, workflow(canceled))
	if _, err := (&inventory.TemporalStarter{Client: c}).CancelFeed(ctx, canceled); err != nil {
		t.Fatal(err)
	}
	keep("canceled", canceled, inventory.Canceled)
	if _, err := pool.Exec(ctx, `UPDATE store_fence SET feed_id = '' WHERE store_id = '2'`); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, `UPDATE feed SET status = 'done' WHERE feed_id = $1`, holder); err != nil {
		t.Fatal(err)
	}
	keep("waited", waiting, inventory.Done)
}

func threeStores(price string) string {
	var b strings.Builder
	b.WriteString("store_id,item_id,name,price,category\n")
	for store := 1; store <= 3; store++ {
		for i := range 60 {
			fmt.Fprintf(&b, "%d,%05d,Item %d,%s,Shelf %d\n", store, i, i, price, i%3)
		}
	}
	return b.String()
}

// awaitTimer returns once the workflow has slept.
func awaitTimer(ctx context.Context, t *testing.T, c client.Client, id string) {
	t.Helper()
	events := c.GetWorkflowHistory(ctx, id, "", true, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.GetEventType() == enumspb.EVENT_TYPE_TIMER_FIRED {
			return
		}
	}
	t.Fatal("the workflow ended before it slept")
}

// record reads a whole history, which with -update it stores.
func record(ctx context.Context, t *testing.T, c client.Client, name, id string) {
	t.Helper()
	history := &historypb.History{}
	events := c.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		anonymize(e)
		history.Events = append(history.Events, e)
	}
	if !*update {
		return
	}
	raw, err := protojson.Marshal(history)
	if err != nil {
		t.Fatal(err)
	}
	// protojson varies its white space from build to build.
	var indented bytes.Buffer
	if err := json.Indent(&indented, raw, "", " "); err != nil {
		t.Fatal(err)
	}
	indented.WriteByte('\n')
	dir := filepath.Join("..", "..", "internal", "inventory", "testdata", "histories")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name+".json"), indented.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// anonymize takes the machine's name out of an event.
func anonymize(e *historypb.HistoryEvent) {
	if a := e.GetWorkflowExecutionStartedEventAttributes(); a != nil {
		a.Identity = "worker"
	}
	if a := e.GetWorkflowExecutionCancelRequestedEventAttributes(); a != nil {
		a.Identity = "worker"
	}
	if a := e.GetWorkflowTaskStartedEventAttributes(); a != nil {
		a.Identity = "worker"
	}
	if a := e.GetWorkflowTaskCompletedEventAttributes(); a != nil {
		a.Identity = "worker"
	}
	if a := e.GetActivityTaskStartedEventAttributes(); a != nil {
		a.Identity = "worker"
	}
	if a := e.GetActivityTaskCompletedEventAttributes(); a != nil {
		a.Identity = "worker"
	}
	if a := e.GetActivityTaskFailedEventAttributes(); a != nil {
		a.Identity = "worker"
	}
}
