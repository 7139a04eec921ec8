package app

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/demo"
	"github.com/bodega-hq/bodega/internal/identity"
	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/blob"
)

// demoUsers may sign in on demo data; their passwords are drawn once.
var demoUsers = []identity.User{
	{Email: "olivia@bodega.demo", Name: "Olivia (operator)", Role: auth.RoleOperator},
	{Email: "mara@corner.demo", Name: "Mara (Corner & Co.)", Role: auth.RoleMerchant, MerchantID: "corner"},
	{Email: "sam@bodega.demo", Name: "Sam (support)", Role: auth.RoleSupport},
	{Email: "ada@bodega.demo", Name: "Ada (admin)", Role: auth.RoleAdmin},
}

// demoMark says how far the demo marketplace has come, in an object of its
// own: a start that was cut short goes on with the same world.
type demoMark struct {
	Seed uint64    `json:"seed"`
	Now  time.Time `json:"now"`
	Done bool      `json:"done"`
}

const demoMarkKey = "demo/mark"

// fillDemo fills the marketplace through the API that everybody uses, and
// says where the console is and who may sign in.
func (p *process) fillDemo(ctx context.Context, t *term.Terminal, base, secret string) error {
	signIns, err := p.identity.EnsureDemo(ctx, demoUsers)
	if err != nil {
		return err
	}
	mark, err := p.readDemoMark(ctx)
	if err != nil {
		return err
	}
	if !mark.Done {
		a, err := dial(base, secret, nil)
		if err != nil {
			return err
		}
		fmt.Fprintf(t.Err, "\nFilling the demo marketplace. The console is open already: %s\n", base)
		f := &demoFill{api: a, t: t, world: demo.Generate(mark.Seed, mark.Now)}
		if err := f.run(ctx); err != nil {
			return fmt.Errorf("fill the demo marketplace: %w", err)
		}
		mark.Done = true
		if err := p.writeDemoMark(ctx, mark); err != nil {
			return err
		}
	}
	fmt.Fprintf(t.Err, "\nBodega is ready, on demo data: %s\n\nSign in as\n", base)
	for _, s := range signIns {
		fmt.Fprintf(t.Err, "  %-22s %s   %s\n", s.Email, s.Password, s.Name)
	}
	fmt.Fprintln(t.Err, "\nStop with Ctrl-C; the data stays and the next start is quick.")
	return nil
}

func (p *process) readDemoMark(ctx context.Context) (demoMark, error) {
	mark := demoMark{Seed: p.settings.DemoSeed, Now: p.now().UTC().Truncate(time.Second)}
	encoded, err := blob.ReadAll(ctx, p.bucket, demoMarkKey)
	switch {
	case errors.Is(err, blob.ErrNotFound):
		return mark, p.writeDemoMark(ctx, mark)
	case err != nil:
		return mark, err
	}
	return mark, json.Unmarshal(encoded, &mark)
}

func (p *process) writeDemoMark(ctx context.Context, mark demoMark) error {
	encoded, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	_, err = p.bucket.Put(ctx, demoMarkKey, bytes.NewReader(encoded))
	return err
}

// demoFill brings a world into a server. Every step may be repeated.
type demoFill struct {
	api   *api
	t     *term.Terminal
	world *demo.World
}

func (f *demoFill) run(ctx context.Context) error {
	if err := f.merchants(ctx); err != nil {
		return err
	}
	if err := f.catalogue(ctx); err != nil {
		return err
	}
	// What shoppers met is known before today's files come.
	day := f.world.Now.Add(-12 * time.Hour)
	if err := f.feeds(ctx, "files of earlier days", func(at time.Time) bool { return at.Before(day) }); err != nil {
		return err
	}
	if err := f.signals(ctx); err != nil {
		return err
	}
	return f.feeds(ctx, "today's files", func(at time.Time) bool { return !at.Before(day) && !at.After(f.world.Now) })
}

func (f *demoFill) merchants(ctx context.Context) error {
	for _, m := range f.world.Merchants {
		if _, err := f.api.merchants.CreateMerchant(ctx, &inventoryv1.CreateMerchantRequest{
			MerchantId: m.ID, Name: m.Name, Currency: string(m.Currency),
		}); err != nil {
			return err
		}
		if _, err := f.api.merchants.ApplyMapping(ctx, &inventoryv1.ApplyMappingRequest{MerchantId: m.ID, Yaml: []byte(m.Profile)}); err != nil {
			return err
		}
		for _, s := range m.Stores {
			if _, err := f.api.merchants.CreateStore(ctx, &inventoryv1.CreateStoreRequest{
				MerchantId: m.ID, StoreId: s.ID, Name: s.Name, Region: s.City,
			}); err != nil {
				return err
			}
			if _, err := f.api.merchants.SetPriceSettings(ctx, &inventoryv1.SetPriceSettingsRequest{
				MerchantId: m.ID, StoreId: s.ID, Settings: &inventoryv1.PriceSettings{
					InflationBasisPoints: int32(s.Settings.Inflation), RoundToMinor: int32(s.Settings.Step),
				},
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// catalogue loads the world's products as the file that an operator would.
func (f *demoFill) catalogue(ctx context.Context) error {
	var file bytes.Buffer
	w := csv.NewWriter(&file)
	if err := w.Write([]string{"gtin", "brand", "name", "category", "unit", "size", "average_weight"}); err != nil {
		return err
	}
	for i := range f.world.Products {
		if err := w.Write(productRow(&f.world.Products[i])); err != nil {
			return err
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	out, err := f.api.loadCatalog(ctx, &file)
	if err != nil {
		return err
	}
	if out.GetRejected() > 0 {
		return fmt.Errorf("the catalogue refused %d products, the first in row %d: %s", out.GetRejected(), out.GetProblems()[0].GetRow(), out.GetProblems()[0].GetReason())
	}
	return nil
}

func productRow(p *hydrate.Product) []string {
	unit := map[normalize.Sold]string{normalize.ByEach: "each", normalize.ByWeight: "kg"}[p.Sold]
	size, weight := "", ""
	if p.Size.Unit != normalize.NoUnit {
		size = p.Size.String()
	}
	if p.AverageWeight > 0 {
		weight = strconv.FormatFloat(float64(p.AverageWeight)/1e6, 'f', -1, 64) + " g"
	}
	return []string{p.GTIN.String(), p.Brand, p.Name, p.Category, unit, size, weight}
}

// feeds sends the files that arrive when due says, and waits for each.
func (f *demoFill) feeds(ctx context.Context, label string, due func(time.Time) bool) error {
	var files []*demo.Feed
	for i := range f.world.Feeds {
		if due(f.world.Feeds[i].ArrivesAt) {
			files = append(files, &f.world.Feeds[i])
		}
	}
	bar := f.t.Progress(label, int64(len(files)))
	for i, file := range files {
		bar.Set(int64(i), file.FileName)
		content, err := f.world.Bytes(file)
		if err != nil {
			return err
		}
		id, err := f.api.putFeed(ctx, file.Merchant.ID, url.Values{
			"kind": {string(file.Kind)}, "file_name": {file.FileName}, "source_time": {file.SourceTime.Format(time.RFC3339)},
			"idempotency_key": {"demo-" + file.ID},
		}, bytes.NewReader(content), int64(len(content)))
		if err != nil {
			return fmt.Errorf("send %s: %w", file.FileName, err)
		}
		// The demo's own bar shows instead of the feed's.
		done, err := f.api.awaitFeed(ctx, &term.Terminal{Err: io.Discard}, id)
		if err != nil {
			return err
		}
		if done.GetStatus() != inventoryv1.FeedStatus_FEED_STATUS_DONE {
			return fmt.Errorf("%s %s: %s", file.FileName, feedStatus(done), done.GetError())
		}
	}
	bar.Set(int64(len(files)), "")
	bar.Finish()
	return nil
}

// demoSignalBatch is how many signals one call carries.
const demoSignalBatch = 1000

// signals reports what shoppers found and did not find, store by store.
func (f *demoFill) signals(ctx context.Context) error {
	byStore := map[string][]*inventoryv1.Signal{}
	total := int64(0)
	for i := range f.world.Orders {
		o := &f.world.Orders[i]
		for line, l := range o.Lines {
			byStore[o.Store.ID] = append(byStore[o.Store.ID], &inventoryv1.Signal{
				StoreId: o.Store.ID, ItemId: l.SKU, Found: l.Found, At: timestamppb.New(o.At), SignalId: o.ID + "-" + strconv.Itoa(line),
			})
			total++
		}
	}
	bar := f.t.Progress("60 days of shoppers' signals", total)
	sent := int64(0)
	for _, m := range f.world.Merchants {
		for _, s := range m.Stores {
			for signals := byStore[s.ID]; len(signals) > 0; {
				n := min(demoSignalBatch, len(signals))
				if _, err := f.api.feeds.ReportSignals(ctx, &inventoryv1.ReportSignalsRequest{MerchantId: m.ID, Signals: signals[:n]}); err != nil {
					return err
				}
				signals = signals[n:]
				sent += int64(n)
				bar.Set(sent, s.Name)
			}
		}
	}
	bar.Finish()
	return nil
}
