package inventory

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/worker"

	"github.com/bodega-hq/bodega/gen/bodega/inventory/v1/inventoryv1connect"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/rpc"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// System is the inventory's name in schemas, routes and metrics.
const System = "inventory"

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations is the inventory's schema, the same in every tenant.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return files
}

// Server is what the handlers are hung on.
type Server interface {
	Options() []connect.HandlerOption
	Handle(path string, h http.Handler)
	HandleHTTP(pattern string, permission auth.Permission, h rpc.HTTPHandler)
}

// Register hangs the inventory's RPCs and routes on a server.
func (s *Service) Register(server Server) {
	h := &Handlers{service: s}
	server.Handle(inventoryv1connect.NewMerchantServiceHandler(h, server.Options()...))
	server.Handle(inventoryv1connect.NewFeedServiceHandler(h, server.Options()...))
	server.Handle(inventoryv1connect.NewItemServiceHandler(h, server.Options()...))
	server.Handle(inventoryv1connect.NewConsoleServiceHandler(h, server.Options()...))
	server.HandleHTTP("PUT /v1/feeds/{merchant}", "inventory.feed.submit", h.PutFeed)
	server.HandleHTTP("POST /v1/feeds/{merchant}/preview", "inventory.feed.submit", h.PreviewFeed)
	server.HandleHTTP("GET /v1/feeds/{feed}/rejects.csv", "inventory.feed.read", h.GetRejects)
	server.HandleHTTP("GET /v1/feeds/{feed}/raw", "inventory.feed.read", h.GetRaw)
}

// RegisterWorker gives a worker of TaskQueue the inventory's workflow and steps.
func (s *Service) RegisterWorker(w worker.Registry) {
	w.RegisterWorkflow(FeedWorkflow)
	w.RegisterActivity(&Activities{service: s})
}

// Run does the background work of a tenant until ctx ends, and returns when
// all of it has.
func (s *Service) Run(ctx context.Context, id tenant.ID) {
	ctx = tenant.With(ctx, id)
	var wg sync.WaitGroup
	first := true
	s.loop(ctx, &wg, "sweep", s.cfg.SweepEvery, func(ctx context.Context) error {
		age := s.cfg.SweepEvery
		if first {
			age = 0 // at start nothing is on its way yet
		}
		first = false
		return s.sweep(ctx, age)
	})
	s.loop(ctx, &wg, "publish", s.cfg.PublishEvery, s.publishChanged)
	s.loop(ctx, &wg, "rejudge", time.Minute, s.rejudgeDue)
	s.loop(ctx, &wg, "medians", 5*time.Second, func(ctx context.Context) error {
		return s.store.refreshMedians(ctx, "", s.now())
	})
	s.loop(ctx, &wg, "expire", 10*time.Minute, s.expire)
	s.loop(ctx, &wg, "collect", 6*time.Hour, s.collect)
	s.loop(ctx, &wg, "gauges", 15*time.Second, func(ctx context.Context) error { return s.measure(ctx, id) })
	wg.Wait()
}

// rejudgeDue judges items again whose sale has begun or ended.
func (s *Service) rejudgeDue(ctx context.Context) error {
	pool, err := s.store.pool(ctx)
	if err != nil {
		return err
	}
	rows, err := pool.Query(ctx, `
SELECT merchant_id, store_id, array_agg(item_id ORDER BY item_id) FROM (
  SELECT merchant_id, store_id, item_id FROM item WHERE rejudge_at <= $1 ORDER BY rejudge_at LIMIT $2
) AS due GROUP BY merchant_id, store_id`, s.now(), s.cfg.ChunkRows)
	if err != nil {
		return fmt.Errorf("find items to judge again: %w", err)
	}
	type due struct {
		Key   StoreKey
		Items []string
	}
	stores, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d due, err error) {
		return d, row.Scan(&d.Key.Merchant, &d.Key.Store, &d.Items)
	})
	if err != nil {
		return fmt.Errorf("find items to judge again: %w", err)
	}
	var errs []error
	for _, d := range stores {
		errs = append(errs, s.rejudge(ctx, d.Key, d.Items))
	}
	return errors.Join(errs...)
}

// rejudge judges items of a store again whose time has come. Each is judged
// once, also where its row can no longer stand.
func (s *Service) rejudge(ctx context.Context, key StoreKey, items []string) error {
	u, err := s.synchronous(ctx, key, CauseSchedule, fmt.Sprintf("sales of %d items began or ended", len(items)), "schedule")
	if err != nil {
		return err
	}
	_, err = s.complete(ctx, u, &chunk{IDs: items, Also: func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
UPDATE item SET rejudge_at = NULL
WHERE merchant_id = $1 AND store_id = $2 AND item_id = ANY($3) AND rejudge_at <= $4`, key.Merchant, key.Store, items, u.Feed.SourceTime)
		if err != nil {
			return fmt.Errorf("mark %d items of store %s as judged: %w", len(items), key, err)
		}
		return nil
	}})
	return err
}

// waiting is what a tenant has open.
type waiting struct{ holds, feeds int64 }

// measure sets the gauges that no event moves, each the sum over tenants.
func (s *Service) measure(ctx context.Context, id tenant.ID) error {
	var now waiting
	var err error
	if now.holds, err = s.store.countOpenHolds(ctx, ""); err != nil {
		return err
	}
	if now.feeds, err = s.store.countOpenFeeds(ctx); err != nil {
		return err
	}
	s.measured.Lock()
	defer s.measured.Unlock()
	s.measured.waiting[id] = now
	var sum waiting
	for _, w := range s.measured.waiting {
		sum.holds += w.holds
		sum.feeds += w.feeds
	}
	s.deps.Metrics.openHolds.Set(float64(sum.holds))
	s.deps.Metrics.openFeeds.Set(float64(sum.feeds))
	return nil
}
