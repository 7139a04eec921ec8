package judge

import (
	"encoding/csv"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// konzumMapping reads the columns of the published price files.
func konzumMapping() *feed.Mapping {
	m := &feed.Mapping{Name: "konzum", Version: "konzum-1"}
	for f, column := range map[feed.Field]string{
		feed.ItemID: "ProductId", feed.GTIN: "Barcode", feed.Name: "Product", feed.Brand: "Brand", feed.Category: "Category",
		feed.Price: "Price", feed.SalePrice: "SpecialPrice", feed.UnitPrice: "UnitPrice", feed.Unit: "Unit", feed.Size: "Quantity",
	} {
		m.Fields[f] = feed.Source{Columns: []feed.Column{{Name: column}}, Decimal: feed.DecimalPoint}
	}
	m.Fields[feed.Unit].Words = map[string]string{"ko": feed.WordEach, "kg": feed.WordKg}
	return m
}

// konzumStores is where the corpus lies, in the order in which it is loaded.
var konzumStores = []string{"0204", "0530", "0901", "1601"}

func konzumRows(tb testing.TB, store string, m *feed.Mapping) []feed.Row {
	tb.Helper()
	root := os.Getenv("BODEGA_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(root, "feeds", "konzum", store+"-2025-07-03.csv"))
	if err != nil {
		tb.Skipf("four stores of real prices were not judged: %v", err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		tb.Fatal(err)
	}
	at := make(map[string]int)
	for i, name := range records[0] {
		at[name] = i
	}
	rows := make([]feed.Row, 0, len(records)-1)
	for i, record := range records[1:] {
		row := feed.Row{Number: int64(i + 1), Line: int64(i + 2)}
		for f := range feed.NumFields {
			if columns := m.Fields[f].Columns; len(columns) > 0 {
				row.Values[f] = strings.TrimSpace(record[at[columns[0].Name]])
			}
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b feed.Row) int {
		return strings.Compare(a.Values[feed.ItemID], b.Values[feed.ItemID])
	})
	return rows
}

func konzumInputs(store string, m *feed.Mapping) *Inputs {
	day := time.Date(2025, 7, 3, 5, 0, 0, 0, time.UTC)
	limits := guard.DefaultLimits("EUR")
	limits.Version = 1
	return &Inputs{
		Store: store, FeedID: store + "-2025-07-03", Kind: feed.KindFull, Mapping: m,
		SourceTime: day, Now: day.Add(time.Hour),
		Settings: price.Settings{Currency: "EUR", Version: 1}, Limits: limits,
		Availability: availability.Policy{Threshold: 0.35, Version: 1}, Predictor: availability.DefaultBackOff(),
		Known: map[string]Known{},
	}
}

// konzumLoad judges the four stores in order, each compared with the median of
// those before it, and returns the outcomes by store and item.
func konzumLoad(t *testing.T, m *feed.Mapping) (map[string]map[string]Outcome, Tally) {
	t.Helper()
	var tally Tally
	loaded := map[string]map[string]Outcome{}
	for _, store := range konzumStores {
		in := konzumInputs(store, m)
		for sku, median := range konzumMedians(loaded) {
			in.Known[sku] = Known{Median: median}
		}
		outcomes := Chunk(konzumRows(t, store, m), in)
		tally.Count(outcomes)
		loaded[store] = make(map[string]Outcome, len(outcomes))
		for _, o := range outcomes {
			loaded[store][o.SKU] = o
		}
	}
	return loaded, tally
}

func konzumMedians(loaded map[string]map[string]Outcome) map[string]guard.Median {
	prices, per := map[string][]money.Minor{}, map[string]normalize.Microgram{}
	for _, items := range loaded {
		for sku, o := range items {
			if o.State.Price.Effective > 0 {
				prices[sku] = append(prices[sku], o.State.Price.Effective)
				per[sku] = o.State.Price.Per
			}
		}
	}
	medians := make(map[string]guard.Median, len(prices))
	for sku, p := range prices {
		slices.Sort(p)
		medians[sku] = guard.Median{Price: p[(len(p)-1)/2], Per: per[sku], Stores: len(p)}
	}
	return medians
}

// TestKonzumFirstLoad: real prices with nothing to compare with but each other
// pass whole.
func TestKonzumFirstLoad(t *testing.T) {
	loaded, tally := konzumLoad(t, konzumMapping())
	if want := (Tally{Read: 35205, Applied: 35205}); tally != want {
		t.Errorf("tally is %+v, want %+v", tally, want)
	}
	problems, perKilogram, noGTIN, onSale := map[normalize.Rule]int{}, 0, 0, 0
	for _, items := range loaded {
		for _, o := range items {
			for _, p := range o.Problems {
				problems[p.Rule]++
			}
			if o.State.Price.Per == normalize.Kilogram {
				perKilogram++
			}
			if o.State.GTIN == 0 {
				noGTIN++
			}
			if o.Kept.Values[feed.SalePrice] != "" {
				onSale++
			}
		}
	}
	// The sizes are "0.00 kg"; the price is 4.589.
	if want := map[normalize.Rule]int{normalize.BadSize: 19, normalize.PriceRounded: 1}; !maps.Equal(problems, want) {
		t.Errorf("problems are %v, want %v", problems, want)
	}
	if perKilogram != 1620 || noGTIN != 603 || onSale != 2385 {
		t.Errorf("%d per kilogram, %d without GTIN, %d on sale; want 1620, 603, 2385", perKilogram, noGTIN, onSale)
	}
	if _, ok := loaded["0204"]["01647057"]; !ok {
		t.Error("id 01647057 lost its zero")
	}
}

// TestKonzumAgainstAnchor takes each item's regulated price of two months
// before as its last good price. Where the anchor itself is the mistake, three
// stores that agree overrule it; where one store alone has the item, a person
// must look.
func TestKonzumAgainstAnchor(t *testing.T) {
	m := konzumMapping()
	loaded, _ := konzumLoad(t, m)
	medians := konzumMedians(loaded)
	// The anchor takes the place of the price column.
	anchors := konzumMapping()
	anchors.Fields[feed.Price].Columns[0].Name = "AnchorPrice"
	anchors.Fields[feed.SalePrice].Columns = nil
	var tally Tally
	rules := map[guard.Rule]int{}
	verdicts := map[string]guard.Rule{}
	for _, store := range konzumStores {
		in := konzumInputs(store, m)
		for _, o := range Chunk(konzumRows(t, store, anchors), in) {
			in.Known[o.SKU] = Known{State: &o.State, Median: medians[o.SKU]}
		}
		rows := konzumRows(t, store, m)
		in.SourceTime, in.Now = in.SourceTime.Add(time.Hour), in.Now.Add(time.Hour)
		outcomes := Chunk(rows, in)
		tally.Count(outcomes)
		for i, o := range outcomes {
			if o.Disposition == Held {
				rules[o.Hold.Opened.Verdict.Rule]++
				verdicts[o.State.Name] = o.Hold.Opened.Verdict.Rule
				continue
			}
			story, _ := Explain(&rows[i], in)
			for _, step := range story.Steps {
				if step.Stage == StageGuard {
					if step.Rule == string(guard.MedianAgrees) {
						verdicts[o.State.Name] = guard.MedianAgrees
					}
				}
			}
		}
	}
	t.Logf("%+v, held by %v", tally, rules)
	for name, want := range map[string]guard.Rule{
		"SIR POLUTV GOUDA cca 3kg LANA MILK":    guard.MedianAgrees,   // 6.49 in three stores, anchored at 0.10
		"SALV PALOMA US TWIG 33X33 3SL 20/1":    guard.JumpOnPrevious, // 0.10, anchored at 2.29
		"BOLERO MIX NATURA 150g":                guard.JumpOnPrevious, // 3.29 in one store, anchored at 20
		"ŽICA ČELIČNA XXL GRILL&OUTDOOR REKORD": guard.MedianAgrees,   // 0.99 in three stores, anchored at 0.10
		"DET LIKVI ULTRA FRESH 4L":              guard.JumpOnPrevious, // 5.99 in two stores, anchored at 0.10
	} {
		if got := verdicts[name]; got != want {
			t.Errorf("%s: rule %q, want %q", name, got, want)
		}
	}
	if !tally.Closes() || tally.Held == 0 || tally.Held*1000 > tally.Read*2 {
		t.Errorf("%+v: more than 2 in 1000 honest prices are held, or none of the mistakes", tally)
	}
}

// TestKonzumResent: the same file again writes nothing; the same file in cents
// is held but for what no limit can tell.
func TestKonzumResent(t *testing.T) {
	m := konzumMapping()
	rows := konzumRows(t, "1601", m)
	in := konzumInputs("1601", m)
	for _, o := range Chunk(rows, in) {
		in.Known[o.SKU] = Known{State: &o.State}
	}
	in.SourceTime = in.SourceTime.Add(time.Hour)
	var again Tally
	again.Count(Chunk(rows, in))
	if want := (Tally{Read: 5984, Unchanged: 5984}); again != want {
		t.Errorf("the file again: %+v, want %+v", again, want)
	}
	cents := slices.Clone(rows)
	for i := range cents {
		for _, f := range []feed.Field{feed.Price, feed.SalePrice, feed.UnitPrice} {
			if v := cents[i].Values[f]; v != "" {
				d, err := money.ParseDecimal(v, money.Point)
				if err != nil {
					t.Fatal(err)
				}
				minor, _, _ := d.Shift(2, money.HalfAwayFromZero)
				cents[i].Values[f] = strconv.FormatInt(minor, 10)
			}
		}
	}
	var wrong Tally
	wrong.Count(Chunk(cents, in))
	if want := (Tally{Read: 5984, Held: 5984}); wrong != want {
		t.Errorf("the file in cents: %+v, want %+v", wrong, want)
	}
}

func BenchmarkChunk(b *testing.B) {
	m := konzumMapping()
	rows := konzumRows(b, "0530", m)
	for _, c := range []string{"first", "unchanged"} {
		b.Run(c, func(b *testing.B) {
			in := konzumInputs("0530", m)
			if c == "unchanged" {
				for _, o := range Chunk(rows, in) {
					state := o.State
					in.Known[o.SKU] = Known{State: &state}
				}
			}
			b.ReportAllocs()
			began := processorTime(b)
			for b.Loop() {
				Chunk(rows, in)
			}
			b.ReportMetric(float64(len(rows))*float64(b.N)/(processorTime(b)-began).Seconds(), "rows/cpu-s")
		})
	}
}

// processorTime is what the process has used on all cores, collecting garbage
// included: a figure that others on the machine do not change.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
