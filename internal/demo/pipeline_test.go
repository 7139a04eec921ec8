package demo

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// marketplace keeps what is known of the marketplace in memory while files arrive.
type marketplace struct {
	products   map[normalize.GTIN]hydrate.Product
	known      map[string]map[string]judge.Known // by store and item
	watermarks map[string]time.Time
}

func open() *marketplace {
	m := &marketplace{
		products: map[normalize.GTIN]hydrate.Product{}, known: map[string]map[string]judge.Known{}, watermarks: map[string]time.Time{},
	}
	for _, p := range world.Products {
		m.products[p.GTIN] = p
	}
	return m
}

// medians are an item's over the merchant's stores.
func (mp *marketplace) medians(m *Merchant) map[string]guard.Median {
	prices := map[string][]money.Minor{}
	per := map[string]normalize.Microgram{}
	for _, s := range m.Stores {
		for sku, k := range mp.known[s.ID] {
			if k.State != nil && k.State.Price.Effective > 0 {
				prices[sku] = append(prices[sku], k.State.Price.Effective)
				per[sku] = k.State.Price.Per
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

func (mp *marketplace) inputs(f *Feed, s *Store, mapping *feed.Mapping, medians map[string]guard.Median, history availability.History) *judge.Inputs {
	in := &judge.Inputs{
		Store: s.ID, FeedID: f.ID, Kind: f.Kind, Mapping: mapping, SourceTime: f.SourceTime, Watermark: mp.watermarks[s.ID], Now: f.ArrivesAt,
		Settings: s.Settings, Limits: s.Merchant.Limits, Availability: s.Merchant.Policy, Predictor: availability.DefaultBackOff(),
		Categories: history.Categories, Products: mp.products, Known: map[string]judge.Known{},
	}
	for sku, median := range medians {
		k := mp.known[s.ID][sku]
		k.Median, k.History = median, history.Items[sku]
		in.Known[sku] = k
	}
	return in
}

func (mp *marketplace) store(s *Store, outcomes []judge.Outcome) {
	if mp.known[s.ID] == nil {
		mp.known[s.ID] = map[string]judge.Known{}
	}
	for i := range outcomes {
		o := &outcomes[i]
		k := mp.known[s.ID][o.SKU]
		if o.Write {
			k.State, k.Kept = &o.State, o.Kept
		}
		if o.Confirmed.After(k.Confirmed) {
			k.Confirmed = o.Confirmed
		}
		if o.ConfirmedAvailability.After(k.ConfirmedAvailability) {
			k.ConfirmedAvailability = o.ConfirmedAvailability
		}
		mp.known[s.ID][o.SKU] = k
	}
}

// TestPipeline lets every file arrive, and looks at what the stages make of the
// faults.
func TestPipeline(t *testing.T) {
	mp := open()
	for i := range world.Feeds {
		f := &world.Feeds[i]
		mapping, err := feed.ParseMapping([]byte(f.Merchant.Profile))
		if err != nil {
			t.Fatal(err)
		}
		rows, refused, end := read(t, f)
		medians := mp.medians(f.Merchant)
		var total judge.Tally
		for _, s := range f.Merchant.Stores {
			history := world.History(s, f.ArrivesAt, availability.DefaultBackOff().HalfLife)
			var own []feed.Row
			for _, row := range rows {
				if row.Values[feed.StoreID] == s.ID {
					own = append(own, row)
				}
			}
			slices.SortStableFunc(own, func(a, b feed.Row) int {
				return strings.Compare(a.Values[feed.ItemID], b.Values[feed.ItemID])
			})
			in := mp.inputs(f, s, &mapping, medians, history)
			outcomes := judge.Chunk(own, in)
			var tally judge.Tally
			tally.Count(outcomes)
			total.Count(outcomes)
			if !tally.Closes() || tally.Read != int64(len(own)) || tally.Rejected > 0 || tally.Duplicate > 0 {
				t.Errorf("%s: %s is tallied %+v", f.ID, s.ID, tally)
			}
			listed, absent := mp.absent(s, own)
			mp.check(t, f, s, tally, listed, absent)
			mp.store(s, outcomes)
			if f.Kind == feed.KindFull && f.Fault != Truncated {
				mp.watermarks[s.ID] = f.SourceTime
			}
		}
		t.Logf("demo data: %-40s %-9s %+v, %d refused, end %v", f.ID, f.Fault, total, refused, end)
	}
	hidden := map[string]map[judge.Hidden]int{}
	for id, items := range mp.known {
		hidden[id] = map[judge.Hidden]int{}
		for _, k := range items {
			if k.State != nil {
				hidden[id][k.State.Hidden]++
			}
		}
		predicted, all := hidden[id][judge.HiddenPredicted], len(items)
		if (2*predicted > all) != (id == outageStore) {
			t.Errorf("%s hides %d of %d items as predicted out of stock", id, predicted, all)
		}
	}
	t.Logf("demo data: items hidden by reason: %v", hidden)
}

// absent counts the items listed before that rows do not list.
func (mp *marketplace) absent(s *Store, rows []feed.Row) (listed, absent int) {
	present := make(map[string]bool, len(rows))
	for i := range rows {
		present[rows[i].Values[feed.ItemID]] = true
	}
	for sku, k := range mp.known[s.ID] {
		if k.State != nil && k.State.Hidden != judge.HiddenDelisted {
			listed++
			if !present[sku] {
				absent++
			}
		}
	}
	return listed, absent
}

// check is what each kind of file must come to.
func (mp *marketplace) check(t *testing.T, f *Feed, s *Store, tally judge.Tally, listed, absent int) {
	t.Helper()
	if f.Kind != feed.KindFull {
		if tally.Held*20 > tally.Read {
			t.Errorf("%s: %d of %d rows of %s are held", f.ID, tally.Held, tally.Read, s.ID)
		}
		return
	}
	verdict := guard.JudgeAbsences(listed, absent, s.Merchant.Limits.Absences)
	switch {
	case f.Fault == InCents && s.ID == centsStore:
		if tally.Held*1000 < tally.Read*995 {
			t.Errorf("%s: prices in cents, and only %d of %d rows are held", f.ID, tally.Held, tally.Read)
		}
	case f.Fault == Truncated && tally.Read == 0:
		if !verdict.Held {
			t.Errorf("%s: the file ends before %s, which would be emptied", f.ID, s.ID)
		}
	case f.Fault == Truncated:
	default:
		if tally.Held*500 > tally.Read || verdict.Held {
			t.Errorf("%s: %d of %d honest rows of %s are held, absences are %+v", f.ID, tally.Held, tally.Read, s.ID, verdict)
		}
	}
}

// BenchmarkChunk judges the largest store's rows with everything known: states,
// medians, histories and the catalogue.
func BenchmarkChunk(b *testing.B) {
	mp := open()
	m := world.Merchant("verdure")
	mapping, err := feed.ParseMapping([]byte(m.Profile))
	if err != nil {
		b.Fatal(err)
	}
	var first, last *Feed
	for i := range world.Feeds {
		if f := &world.Feeds[i]; f.Merchant == m && f.Kind == feed.KindFull && f.Fault == NoFault {
			if first == nil {
				first = f
			}
			last = f
		}
	}
	s := m.Stores[0]
	rows := func(f *Feed) []feed.Row {
		all, _, _ := read(b, f)
		own := slices.DeleteFunc(all, func(row feed.Row) bool { return row.Values[feed.StoreID] != s.ID })
		slices.SortFunc(own, func(x, y feed.Row) int { return strings.Compare(x.Values[feed.ItemID], y.Values[feed.ItemID]) })
		return own
	}
	history := world.History(s, world.Now, availability.DefaultBackOff().HalfLife)
	before := rows(first)
	mp.store(s, judge.Chunk(before, mp.inputs(first, s, &mapping, nil, history)))
	in := mp.inputs(last, s, &mapping, mp.medians(m), history)
	now := rows(last)
	b.ReportAllocs()
	began := processorTime(b)
	for b.Loop() {
		judge.Chunk(now, in)
	}
	b.ReportMetric(float64(len(now))*float64(b.N)/(processorTime(b)-began).Seconds(), "rows/cpu-s")
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
