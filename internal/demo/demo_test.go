package demo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

var reference = time.Date(2026, 3, 20, 15, 30, 0, 0, time.UTC)

// world is the one that most tests look at; it takes a second to make.
var world = Generate(1, reference)

func TestShape(t *testing.T) {
	want := map[string]struct {
		stores   int
		currency string
		country  string
	}{"corner": {5, "USD", "US"}, "verdure": {4, "CAD", "CA"}, "kiosk24": {3, "AUD", "AU"}}
	listings := 0
	for _, m := range world.Merchants {
		w := want[m.ID]
		if len(m.Stores) != w.stores || string(m.Currency) != w.currency || m.Country != w.country {
			t.Errorf("%s has %d stores in %s, paid in %s", m.Name, len(m.Stores), m.Country, m.Currency)
		}
		if err := m.Limits.Validate(); err != nil {
			t.Errorf("%s: %v", m.ID, err)
		}
		for _, s := range m.Stores {
			listings += len(s.Listings)
		}
	}
	if listings != 25_000 {
		t.Errorf("there are %d store items, want 25,000", listings)
	}
}

func TestCatalog(t *testing.T) {
	seen := map[normalize.GTIN]bool{}
	for i := range world.Products {
		p := &world.Products[i]
		g, _, err := normalize.ParseGTIN(p.GTIN.String())
		if err != nil || g != p.GTIN || g.Restricted() || !strings.HasPrefix(g.String(), "0952") {
			t.Fatalf("%s: %v", p.GTIN, err)
		}
		if seen[g] || p.Name == "" || p.Category == "" || p.Version == 0 || p.Sold == normalize.ByEach && p.Size.Unit == normalize.NoUnit {
			t.Fatalf("product %+v", p)
		}
		seen[g] = true
	}
	if len(seen) < 6500 {
		t.Errorf("the catalogue has %d products", len(seen))
	}
	for _, m := range world.Merchants {
		skus := map[string]bool{}
		for _, item := range m.Items {
			if skus[item.SKU] || item.List < 20 || item.Name == "" {
				t.Fatalf("item %+v of %s", item, m.ID)
			}
			skus[item.SKU] = true
			if item.GTIN != "" {
				if _, _, err := normalize.ParseGTIN(item.GTIN); err != nil {
					t.Fatalf("item %s: %v", item.SKU, err)
				}
			}
		}
	}
}

// TestDeterministic: the same seed and time make the same world, another seed
// another, and a later time the same goods.
func TestDeterministic(t *testing.T) {
	sum := func(w *World) string {
		h := sha256.New()
		for i := range w.Feeds {
			if err := w.WriteFeed(h, &w.Feeds[i]); err != nil {
				t.Fatal(err)
			}
		}
		for _, o := range w.Orders {
			fmt.Fprint(h, o.ID, o.At)
			for _, line := range o.Lines {
				fmt.Fprint(h, line.SKU)
			}
		}
		return hex.EncodeToString(h.Sum(nil)[:8])
	}
	first := sum(world)
	if again := sum(Generate(1, reference)); again != first {
		t.Errorf("the same seed makes %s and %s", first, again)
	}
	if other := sum(Generate(2, reference)); other == first {
		t.Errorf("two seeds make %s", first)
	}
	later := Generate(1, reference.Add(100*time.Hour))
	if !slices.Equal(later.Products, world.Products) {
		t.Error("the catalogue depends on the time")
	}
}

// read reads a file by its merchant's own profile.
func read(t testing.TB, f *Feed) (rows []feed.Row, refused int, end error) {
	t.Helper()
	content, err := world.Bytes(f)
	if err != nil {
		t.Fatal(err)
	}
	m, err := feed.ParseMapping([]byte(f.Merchant.Profile))
	if err != nil {
		t.Fatalf("%s: %v", f.Merchant.ID, err)
	}
	r, err := feed.NewReader(bytes.NewReader(content), m, feed.ForKind(f.Kind))
	if err != nil {
		t.Fatalf("%s: %v", f.FileName, err)
	}
	if syntax := r.Format().Syntax; syntax != f.Merchant.Syntax {
		t.Errorf("%s is taken for %s", f.FileName, syntax)
	}
	for {
		var row feed.Row
		err := r.Next(&row)
		var refusal *feed.RowError
		switch {
		case err == nil:
			rows = append(rows, row)
		case errors.Is(err, io.EOF):
			return rows, refused, nil
		case errors.As(err, &refusal):
			refused++
		default:
			return rows, refused, err
		}
	}
}

func rulesOf(t *testing.T, f *Feed) *normalize.Rules {
	m, err := feed.ParseMapping([]byte(f.Merchant.Profile))
	if err != nil {
		t.Fatal(err)
	}
	return &normalize.Rules{Mapping: &m, Currency: f.Merchant.Currency, FileTime: f.SourceTime, Kind: f.Kind}
}

// TestFiles reads every file by its merchant's profile: every row of a sound
// file stands without a problem, and the faults are as they are meant.
func TestFiles(t *testing.T) {
	faults := map[Fault]int{}
	for i := range world.Feeds {
		f := &world.Feeds[i]
		faults[f.Fault]++
		rows, refused, end := read(t, f)
		if f.Fault == Truncated {
			if end == nil && refused == 0 {
				t.Errorf("%s is cut off, and nobody notices", f.FileName)
			}
		} else if end != nil || refused > 0 {
			t.Errorf("%s: %d rows refused, %v", f.FileName, refused, end)
		}
		if len(rows) < 30 {
			t.Errorf("%s has %d rows", f.FileName, len(rows))
		}
		rules := rulesOf(t, f)
		for j := range rows {
			item, problems, ok := normalize.Row(&rows[j], rules, nil)
			if !ok || len(problems) > 0 {
				t.Fatalf("%s: %v", f.FileName, problems)
			}
			if f.Kind != feed.KindAvailability && item.Price.Minor <= item.Sale.Minor {
				t.Fatalf("%s: %+v", f.FileName, item)
			}
			if f.Fault == InCents && f.Kind == feed.KindFull {
				s := world.Store(rows[j].Values[feed.StoreID])
				regular := s.Listings[s.bySKU[item.SKU]].quotes[fileDays-1].regular
				want := regular
				if s.ID == centsStore {
					want *= 100
				}
				if item.Price.Minor != want {
					t.Fatalf("%s in %s is %s, want %s", item.SKU, s.ID, money.Format(item.Price.Minor, "CAD"), money.Format(want, "CAD"))
				}
			}
		}
		if late := f.ArrivesAt.After(world.Now); late != (f.Fault == Late) {
			t.Errorf("%s arrives at %s, and its fault is %q", f.FileName, f.ArrivesAt, f.Fault)
		}
	}
	for _, fault := range []Fault{Late, InCents, Truncated} {
		if faults[fault] != 1 {
			t.Errorf("%d files are %s", faults[fault], fault)
		}
	}
	if !slices.IsSortedFunc(world.Feeds, func(a, b Feed) int { return a.ArrivesAt.Compare(b.ArrivesAt) }) {
		t.Error("the files are not in the order of arrival")
	}
}

func TestOrders(t *testing.T) {
	lines, found, agree := 0, 0, 0
	for i, o := range world.Orders {
		if i > 0 && o.At.Before(world.Orders[i-1].At) || !o.At.Before(world.Now) || o.At.Before(world.Now.Add(-Days*24*time.Hour)) {
			t.Fatalf("order %s is of %s", o.ID, o.At)
		}
		if len(o.Lines) == 0 {
			t.Fatalf("order %s is empty", o.ID)
		}
		for _, line := range o.Lines {
			on, ok := world.OnShelf(o.Store.ID, line.SKU, o.At)
			if !ok {
				t.Fatalf("order %s asks for %s, which the store does not sell", o.ID, line.SKU)
			}
			lines++
			if line.Found {
				found++
			}
			if on == line.Found {
				agree++
			}
		}
	}
	t.Logf("demo data: %d orders, %d lines, %.1f %% found, %.1f %% as the shelf was", len(world.Orders), lines,
		100*float64(found)/float64(lines), 100*float64(agree)/float64(lines))
	if float64(agree) < 0.96*float64(lines) {
		t.Error("shoppers are wrong about more than 4 in 100 shelves")
	}
}

// TestPrediction scores predictors against the truth on five of the last twenty-one
// days, over every item of every store, in a world of another seed than the one
// that the default parameters were chosen on. It prints the figures that
// docs/inventory/stages.md quotes.
func TestPrediction(t *testing.T) {
	world := Generate(20260320, reference)
	model := availability.DefaultBackOff()
	scores := []*score{{model: model}, {model: availability.LastSignal{Prior: 0.92}}, {model: flat(0.92)}}
	for day := 21; day >= 1; day -= 5 {
		at := world.Now.Add(-time.Duration(day)*24*time.Hour + 12*time.Hour)
		for _, m := range world.Merchants {
			for _, s := range m.Stores {
				h := world.History(s, at, model.HalfLife)
				features := make([]availability.Features, len(s.Listings))
				truth := make([]bool, len(s.Listings))
				for i := range s.Listings {
					item := s.Listings[i].Item
					known := h.Items[item.SKU]
					features[i] = availability.Features{
						ItemStore: known.ItemStore, Item: known.Item, Category: h.Categories[item.Category], Last: known.Last, At: at,
					}
					truth[i], _ = world.OnShelf(s.ID, item.SKU, at)
				}
				for _, sc := range scores {
					sc.add(features, truth)
				}
			}
		}
	}
	for _, sc := range scores {
		t.Logf("demo data: %-40s Brier %.4f, AUC %.4f, calibration error %.4f, over %d predictions",
			sc.model.Version(), sc.brier(), sc.auc(), sc.calibration(), len(sc.points))
	}
	if off := scores[0].calibration(); off > 0.05 {
		t.Errorf("the model's probabilities are off by %.3f on average", off)
	}
	if scores[0].brier() >= scores[1].brier() || scores[0].brier() >= scores[2].brier() || scores[0].auc() <= scores[1].auc() {
		t.Error("the model is no better than the last signal, or than no model")
	}
}

type flat float64

func (p flat) Version() string { return "always-0.92" }

func (p flat) Predict(_ []availability.Features, out []availability.Prediction) {
	for i := range out {
		out[i] = availability.Prediction{Probability: float64(p)}
	}
}

type point struct {
	p  float64
	on bool
}

type score struct {
	model  availability.Predictor
	points []point
}

func (s *score) add(features []availability.Features, truth []bool) {
	out := make([]availability.Prediction, len(features))
	s.model.Predict(features, out)
	for i := range out {
		s.points = append(s.points, point{out[i].Probability, truth[i]})
	}
}

func (s *score) brier() float64 {
	sum := 0.0
	for _, p := range s.points {
		y := 0.0
		if p.on {
			y = 1
		}
		sum += (p.p - y) * (p.p - y)
	}
	return sum / float64(len(s.points))
}

// calibration is how far the predicted probability is from the share that was
// on the shelf, in bins of a tenth, on average over predictions.
func (s *score) calibration() float64 {
	var predicted, on, n [11]float64
	for _, p := range s.points {
		bin := int(p.p * 10)
		predicted[bin] += p.p
		n[bin]++
		if p.on {
			on[bin]++
		}
	}
	off := 0.0
	for bin := range n {
		off += math.Abs(predicted[bin] - on[bin])
	}
	return off / float64(len(s.points))
}

// auc is the probability that an item on its shelf is ranked above one that is
// not; equal predictions count half.
func (s *score) auc() float64 {
	sorted := slices.Clone(s.points)
	slices.SortFunc(sorted, func(a, b point) int {
		switch {
		case a.p < b.p:
			return -1
		case a.p > b.p:
			return 1
		}
		return 0
	})
	ranks, on := 0.0, 0.0
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j].p == sorted[i].p {
			j++
		}
		for _, p := range sorted[i:j] {
			if p.on {
				ranks += float64(i+j+1) / 2
				on++
			}
		}
		i = j
	}
	off := float64(len(sorted)) - on
	return (ranks - on*(on+1)/2) / math.Max(on*off, 1)
}

// TestOutage: of the store that deliveries do not reach, most is predicted out
// of stock; of the others, little.
func TestOutage(t *testing.T) {
	model := availability.DefaultBackOff()
	for _, m := range world.Merchants {
		for _, s := range m.Stores {
			h := world.History(s, world.Now, model.HalfLife)
			out, wrong := 0, 0
			for i := range s.Listings {
				item := s.Listings[i].Item
				known := h.Items[item.SKU]
				f := availability.Features{ItemStore: known.ItemStore, Item: known.Item, Category: h.Categories[item.Category], Last: known.Last, At: world.Now}
				p := make([]availability.Prediction, 1)
				model.Predict([]availability.Features{f}, p)
				if v := availability.Judge(&f, false, p[0], true, &m.Policy); !v.Available {
					out++
					if on, _ := world.OnShelf(s.ID, item.SKU, world.Now.Add(-time.Minute)); on {
						wrong++
					}
				}
			}
			share := float64(out) / float64(len(s.Listings))
			t.Logf("demo data: %s: %.1f %% predicted out of stock, %d of %d wrongly", s.ID, 100*share, wrong, out)
			if (share > 0.5) != (s.ID == outageStore) || share > 0.15 && s.ID != outageStore {
				t.Errorf("%s: %.1f %% predicted out of stock", s.ID, 100*share)
			}
		}
	}
}
