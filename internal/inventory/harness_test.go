package inventory

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/blob"
	"github.com/bodega-hq/bodega/internal/platform/durable"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
	"github.com/bodega-hq/bodega/internal/testkit/postgres"
)

// world is a whole inventory on a real database and a real folder. Its units
// of work run in the test's own goroutines, by the steps that the workflow
// has; the workflow itself is tested with Temporal's own environment.
type world struct {
	t       *testing.T
	ctx     context.Context
	pool    *pgxpool.Pool
	bucket  *faultyBucket
	objects string // the bucket's folder
	service *Service

	mu    sync.Mutex
	clock time.Time
}

// one pool serves every tenant of a test.
type onePool struct{ pool *pgxpool.Pool }

func (p onePool) Pool(string) (*pgxpool.Pool, error) { return p.pool, nil }

// faultyBucket fails writes on demand.
type faultyBucket struct {
	blob.Bucket
	mu   sync.Mutex
	fail func(key string) error
}

func (b *faultyBucket) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail != nil {
		if err := fail(key); err != nil {
			return 0, err
		}
	}
	return b.Bucket.Put(ctx, key, r)
}

func (b *faultyBucket) failOn(f func(key string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = f
}

// manual stores what should be started; the test runs it when it wants.
type manual struct{ w *world }

func (m manual) StartFeed(context.Context, FeedID) (bool, error)  { return true, nil }
func (m manual) CancelFeed(context.Context, FeedID) (bool, error) { return false, nil }

func newWorld(t *testing.T) *world {
	t.Helper()
	pool := postgres.New(t)
	return worldOn(t, pool)
}

func worldOn(t *testing.T, pool *pgxpool.Pool) *world {
	t.Helper()
	objects := t.TempDir()
	folder, err := blob.OpenFolder(objects)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, pool: pool, bucket: &faultyBucket{Bucket: folder}, objects: objects, clock: time.Date(2026, 7, 3, 6, 0, 0, 0, time.UTC),
		ctx: auth.WithCaller(tenant.With(t.Context(), tenant.Prod), auth.Caller{Subject: "user:ops@example.com", Role: auth.RoleAdmin}),
	}
	cfg := DefaultConfig()
	cfg.ChunkRows = 50
	schema := "prod_inventory"
	if err := pg.Migrate(w.ctx, pool, schema, Migrations()); err != nil {
		t.Fatal(err)
	}
	w.service = New(cfg, Deps{
		Pools: onePool{searching(t, pool, schema)}, Bucket: w.bucket, Starter: manual{w}, Predictor: availability.DefaultBackOff(),
		Metrics: NewMetrics(telemetry.NewMetrics()), Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: w.now, SpillDir: t.TempDir(),
	})
	w.merchant("corner", "USD", "1", "2", "3")
	return w
}

// searching is the same database with the schema in its search path.
func searching(t *testing.T, pool *pgxpool.Pool, schema string) *pgxpool.Pool {
	t.Helper()
	p, err := pg.Open(t.Context(), pool.Config().ConnString(), pg.Options{SearchPath: []string{schema}, MaxConns: 12})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(time.Millisecond) // no two events at once
	return w.clock
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func (w *world) merchant(id, currency string, stores ...string) {
	w.t.Helper()
	if _, err := w.service.store.createMerchant(w.ctx, Merchant{ID: id, Name: id + " & Co.", Currency: moneyCurrency(currency)}); err != nil {
		w.t.Fatal(err)
	}
	for _, s := range stores {
		if _, err := w.service.store.createStore(w.ctx, StoreKey{id, s}, "Store "+s, "north"); err != nil {
			w.t.Fatal(err)
		}
	}
}

// submission is a full feed of corner's store 1 unless it says otherwise.
type submission struct {
	Merchant, Store, Region, Kind, Mapping, Key string
	At                                          time.Time
	Stores                                      bool // the rows name their stores
}

func (w *world) submit(s submission, body string) (Receipt, error) {
	w.t.Helper()
	if s.Merchant == "" {
		s.Merchant = "corner"
	}
	if s.Store == "" && s.Region == "" && !s.Stores {
		s.Store = "1"
	}
	if s.Kind == "" {
		s.Kind = "full"
	}
	w.pass(time.Minute)
	return w.service.Submit(w.ctx, Submission{
		Merchant: s.Merchant, Store: s.Store, Region: s.Region, Kind: feed.Kind(s.Kind), Mapping: s.Mapping, SourceTime: s.At,
		FileName: "items.csv", IdempotencyKey: s.Key, By: "user:ops@example.com", Cause: CauseFeed,
	}, strings.NewReader(body))
}

// run takes a unit of work to its end by the workflow's steps.
func (w *world) run(id FeedID) Feed {
	w.t.Helper()
	if err := w.steps(id); err != nil {
		if err := w.service.finish(w.ctx, id, Failed, durable.UserMessage(durable.Fault(err))); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.feed(id)
}

func (w *world) steps(id FeedID) error { return w.service.RunFeed(w.ctx, id) }

// send submits a feed, runs it, and insists that it is done and accounted for.
func (w *world) send(s submission, body string) Feed {
	w.t.Helper()
	receipt, err := w.submit(s, body)
	if err != nil {
		w.t.Fatal(err)
	}
	f := w.run(receipt.Feed)
	if f.Status != Done {
		w.t.Fatalf("feed %s is %s: %s", f.ID, f.Status, f.Error)
	}
	if !f.Account.Closes() {
		w.t.Fatalf("the account does not close: %+v", f.Account)
	}
	w.menusAreWhole(f.Merchant)
	return f
}

// menusAreWhole holds the menus of a merchant's stores, which feeds collect
// while they are applied, against the stores' items.
func (w *world) menusAreWhole(merchant string) {
	w.t.Helper()
	ids, err := w.service.store.storeIDs(w.ctx, merchant, "")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range ids {
		st, err := w.service.store.storeByKey(w.ctx, StoreKey{merchant, id})
		if err != nil {
			w.t.Fatal(err)
		}
		if behind, err := w.service.store.menuBehind(w.ctx, st.Key); err != nil || behind || st.MenuVersion == 0 {
			continue // what changed outside of a feed is not published here
		}
		got, err := w.service.readMenu(w.ctx, &st)
		if err != nil {
			w.t.Fatal(err)
		}
		d := newDraft()
		if _, _, err := w.service.store.menuSnapshot(w.ctx, st.Key, d.add); err != nil {
			w.t.Fatal(err)
		}
		for _, c := range d.shelves.Tree().Categories {
			for i := range c.Items {
				c.Items[i].Category = "" // menus do not repeat it
			}
		}
		if want := d.shelves.Tree(); !reflect.DeepEqual(got.Categories, want.Categories) {
			w.t.Fatalf("the menu of store %s is\n%+v\nand its items make\n%+v", st.Key, got, want)
		}
		if st.Items != d.counts.Items || st.Shown != d.counts.Shown || !maps.Equal(st.Hidden, d.counts.Hidden) {
			w.t.Fatalf("store %s has %d items, %d shown, hidden %v; its items make %+v", st.Key, st.Items, st.Shown, st.Hidden, d.counts)
		}
	}
}

func (w *world) feed(id FeedID) Feed {
	w.t.Helper()
	f, err := w.service.store.feed(w.ctx, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// drain runs every unit of work that waits.
func (w *world) drain() {
	w.t.Helper()
	ids, err := w.service.store.openFeeds(w.ctx, w.now().Add(time.Hour))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range ids {
		if f := w.run(id); f.Status != Done {
			w.t.Fatalf("unit %s is %s: %s", id, f.Status, f.Error)
		}
	}
	if err := w.service.publishChanged(w.ctx); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) item(store, id string) Item {
	w.t.Helper()
	it, err := w.service.store.item(w.ctx, StoreKey{"corner", store}, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return it
}

// menu is what shoppers read of a store: item id to price.
func (w *world) menu(store string) map[string]int64 {
	w.t.Helper()
	st, err := w.service.store.storeByKey(w.ctx, StoreKey{"corner", store})
	if err != nil {
		w.t.Fatal(err)
	}
	tree, err := w.service.readMenu(w.ctx, &st)
	if err != nil {
		w.t.Fatal(err)
	}
	prices := map[string]int64{}
	for _, c := range tree.Categories {
		for _, it := range c.Items {
			prices[it.ID] = int64(it.Price)
		}
	}
	return prices
}

func (w *world) holds() []Hold {
	w.t.Helper()
	holds, err := w.service.store.holds(w.ctx, holdFilter{Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	return holds
}

// file is a CSV file of n items from a first one on, all at one price.
func file(first, n int, price string) string {
	var b strings.Builder
	b.WriteString("item_id,name,price,category\n")
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&b, "%05d,Item %d,%s,Shelf %d\n", i, i, price, i%3)
	}
	return b.String()
}

func rows(lines ...string) string {
	return "item_id,name,price,category\n" + strings.Join(lines, "\n") + "\n"
}

func wantKind(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if fault.KindOf(err) != kind {
		t.Fatalf("error %v is %s, want %s", err, fault.KindOf(err), kind)
	}
}

func wantAccount(t *testing.T, f Feed, want Account) {
	t.Helper()
	if f.Account != want {
		t.Fatalf("account %+v\nwant    %+v", f.Account, want)
	}
}

// units counts the units of work, of whatever cause.
func (w *world) units() int {
	w.t.Helper()
	feeds, err := w.service.store.feeds(w.ctx, feedFilter{AllCauses: true, Limit: 10_000})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(feeds)
}
