package judge

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

var start = time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)

// store is a shop kept in memory, for tests that send it one file after the
// other.
type store struct {
	in   *Inputs
	kept map[string]feed.Row
}

func newStore() *store {
	limits := guard.DefaultLimits("USD")
	limits.Version = 1
	return &store{
		in: &Inputs{
			Store: "1", Kind: feed.KindFull, SourceTime: start, Now: start,
			Settings: price.Settings{Currency: "USD", Version: 1}, Limits: limits,
			Availability: availability.Policy{Threshold: 0.35, Version: 1}, Predictor: availability.DefaultBackOff(),
			Known: map[string]Known{}, Products: map[normalize.GTIN]hydrate.Product{},
		},
		kept: map[string]feed.Row{},
	}
}

// send judges a file of the given kind and source time and stores what it
// says.
func (s *store) send(kind feed.Kind, at time.Time, rows ...feed.Row) []Outcome {
	s.in.Kind, s.in.SourceTime, s.in.FeedID = kind, at, string(kind)+at.Format("-15:04")
	if at.After(s.in.Now) {
		s.in.Now = at
	}
	outcomes := Chunk(rows, s.in)
	s.store(outcomes)
	if kind == feed.KindFull && at.After(s.in.Watermark) {
		s.in.Watermark = at
	}
	return outcomes
}

func (s *store) store(outcomes []Outcome) {
	for _, o := range outcomes {
		if o.Disposition == Duplicate || o.Disposition == Rejected && o.SKU == "" {
			continue
		}
		k := s.in.Known[o.SKU]
		if o.Write {
			state := o.State
			k.State = &state
			s.kept[o.SKU] = o.Kept.Clone()
			kept := s.kept[o.SKU]
			k.Kept = &kept
		}
		k.Confirmed = latest(k.Confirmed, o.Confirmed)
		k.ConfirmedAvailability = latest(k.ConfirmedAvailability, o.ConfirmedAvailability)
		s.in.Known[o.SKU] = k
	}
}

// again judges the kept rows for a cause.
func (s *store) again(cause Cause, at time.Time) []Outcome {
	s.in.Cause, s.in.Kind, s.in.Now = cause, feed.KindFull, at
	var rows []feed.Row
	for _, row := range s.kept {
		rows = append(rows, row)
	}
	outcomes := Chunk(rows, s.in)
	s.in.Cause = Arrived
	s.store(outcomes)
	return outcomes
}

func (s *store) state(sku string) *State { return s.in.Known[sku].State }

// row is an item's row; values alternate field and text.
func row(sku string, values ...any) feed.Row {
	r := feed.Row{Number: 1, Line: 2}
	r.Values[feed.ItemID] = sku
	for i := 0; i < len(values); i += 2 {
		r.Values[values[i].(feed.Field)] = values[i+1].(string)
	}
	return r
}

func oats(amount string, values ...any) feed.Row {
	return row("042", append([]any{feed.Name, "Oat bar", feed.Price, amount, feed.Availability, "in stock"}, values...)...)
}

func expect(t *testing.T, what string, outcomes []Outcome, want Disposition) Outcome {
	t.Helper()
	if len(outcomes) != 1 || outcomes[0].Disposition != want {
		t.Fatalf("%s: %v, want %s; %v", what, outcomes[0].Disposition, want, outcomes[0].Problems)
	}
	return outcomes[0]
}

func TestFullFile(t *testing.T) {
	s := newStore()
	o := expect(t, "first", s.send(feed.KindFull, start, oats("2.99")), Applied)
	if st := o.State; st.Price.Effective != 299 || !st.Shown() || st.SKU != "042" || st.Row != 1 || st.FeedID != "full-06:00" || !st.SourceTime.Equal(start) {
		t.Errorf("state is %+v", st)
	}
	o = expect(t, "again", s.send(feed.KindFull, start.Add(time.Hour), oats("2.99")), Unchanged)
	if o.Write || o.Kept != nil || o.State.FeedID != "full-06:00" || !o.Confirmed.IsZero() {
		t.Errorf("an unchanged row: %+v", o)
	}
	expect(t, "older", s.send(feed.KindFull, start.Add(30*time.Minute), oats("3.09")), Stale)
	expect(t, "of the same time", s.send(feed.KindFull, start.Add(time.Hour), oats("3.09")), Applied)
	// A row's own old time is when the price last changed: the file vouches for
	// it.
	expect(t, "with an old row", s.send(feed.KindFull, start.Add(2*time.Hour), oats("3.19", feed.SourceTime, "2025-01-01T00:00:00Z")), Applied)
}

func TestVersions(t *testing.T) {
	s := newStore()
	s.in.Products[36000291452] = hydrate.Product{GTIN: 36000291452, Name: "Oat Bar", Version: 1}
	file := oats("2.99", feed.GTIN, "036000291452")
	expect(t, "first", s.send(feed.KindFull, start, file), Applied)
	for name, change := range map[string]func(){
		"settings": func() { s.in.Settings.Version++ },
		"limits":   func() { s.in.Limits.Version++ },
		"policy":   func() { s.in.Availability.Version++ },
		"mapping":  func() { s.in.Mapping = &feed.Mapping{Version: "2"} },
		"catalogue": func() {
			p := s.in.Products[36000291452]
			p.Version++
			s.in.Products[36000291452] = p
		},
		"model": func() { s.in.Predictor = availability.LastSignal{Prior: 0.5} },
	} {
		change()
		expect(t, "after another version of "+name, s.send(feed.KindFull, s.in.Now.Add(time.Hour), file), Applied)
		expect(t, "the second time", s.send(feed.KindFull, s.in.Now.Add(time.Hour), file), Unchanged)
	}
}

func TestDelta(t *testing.T) {
	s := newStore()
	expect(t, "nameless", s.send(feed.KindDelta, start, row("042", feed.Price, "2.99")), Rejected)
	expect(t, "full", s.send(feed.KindFull, start, oats("2.99", feed.SalePrice, "2.49", feed.Brand, "Northfield")), Applied)
	at := start.Add(time.Hour)
	o := expect(t, "a brand", s.send(feed.KindDelta, at, row("042", feed.Brand, "Southfield")), Applied)
	if o.State.Price.Effective != 249 || o.State.Price.Regular != 299 || o.State.Brand != "Southfield" || o.State.Name != "Oat bar" {
		t.Errorf("a brand alone makes %+v", o.State)
	}
	o = expect(t, "a price", s.send(feed.KindDelta, at, row("042", feed.Price, "3.19")), Applied)
	if o.State.Price.Effective != 319 || o.State.Price.Regular != 0 {
		t.Errorf("a price without a sale leaves %+v", o.State.Price)
	}
	o = expect(t, "the same", s.send(feed.KindDelta, at.Add(time.Hour), row("042", feed.Price, "3.19")), Unchanged)
	if !o.Confirmed.Equal(at.Add(time.Hour)) || !o.ConfirmedAvailability.IsZero() {
		t.Errorf("an unchanged delta confirms %s and %s", o.Confirmed, o.ConfirmedAvailability)
	}
	expect(t, "older than the confirmation", s.send(feed.KindDelta, at.Add(time.Minute), row("042", feed.Price, "2.19")), Stale)
	expect(t, "a full file older than it", s.send(feed.KindFull, at.Add(time.Minute), oats("2.19")), Stale)
	expect(t, "by the row's own time", s.send(feed.KindDelta, at.Add(3*time.Hour), row("042", feed.Price, "2.19", feed.SourceTime, "2026-03-01T07:01:00Z")), Stale)
}

func TestAvailabilityFile(t *testing.T) {
	s := newStore()
	o := expect(t, "unknown", s.send(feed.KindAvailability, start, row("042", feed.Availability, "no")), Rejected)
	if o.Problems[0].Rule != UnknownItem || o.Problems[0].Fix == "" {
		t.Errorf("problem is %+v", o.Problems)
	}
	expect(t, "full", s.send(feed.KindFull, start, oats("2.99")), Applied)
	at := start.Add(time.Hour)
	s.in.Settings.Inflation, s.in.Settings.Version = 1000, 2
	o = expect(t, "out", s.send(feed.KindAvailability, at, row("042", feed.Availability, "no", feed.Price, "999")), Applied)
	if o.State.Hidden != HiddenMerchant || o.State.Price.Effective != 299 || o.State.FeedID != "full-06:00" {
		t.Errorf("out of stock: %+v", o.State)
	}
	if o.Kept.Values[feed.Price] != "2.99" || o.Kept.Values[feed.Availability] != "no" {
		t.Errorf("the kept row is %v", o.Kept.Values)
	}
	s.in.Settings.Inflation, s.in.Settings.Version = 0, 1
	o = expect(t, "out again", s.send(feed.KindAvailability, at.Add(time.Minute), row("042", feed.Availability, "no")), Unchanged)
	if !o.ConfirmedAvailability.Equal(at.Add(time.Minute)) || !o.Confirmed.IsZero() {
		t.Errorf("it confirms %s and %s", o.Confirmed, o.ConfirmedAvailability)
	}
	expect(t, "an older word", s.send(feed.KindAvailability, at, row("042", feed.Availability, "yes")), Stale)
	// A full file between the two is newer than the price and older than the
	// word of availability.
	o = expect(t, "a price between", s.send(feed.KindFull, at.Add(30*time.Second), oats("3.19")), Applied)
	if o.State.Price.Effective != 319 || o.State.Hidden != HiddenMerchant || !o.State.AvailabilityTime.Equal(at.Add(time.Minute)) {
		t.Errorf("a file between: %+v", o.State)
	}
	o = expect(t, "back in stock", s.send(feed.KindFull, at.Add(time.Hour), oats("3.19")), Applied)
	if !o.State.Shown() {
		t.Errorf("back in stock: %+v", o.State)
	}
	o = expect(t, "none left", s.send(feed.KindAvailability, at.Add(2*time.Hour), row("042", feed.Quantity, "0")), Applied)
	if o.State.Hidden != HiddenMerchant || o.State.Available != availability.NoneLeft {
		t.Errorf("none left: %+v", o.State)
	}
}

func TestDuplicates(t *testing.T) {
	s := newStore()
	a, b := oats("2.99"), oats("3.09")
	b.Number = 2
	outcomes := s.send(feed.KindFull, start, a, row("100", feed.Name, "Gum", feed.Price, "1.00"), b)
	if outcomes[0].Disposition != Duplicate || outcomes[1].Disposition != Applied || outcomes[2].Disposition != Applied || s.state("042").Price.Effective != 309 {
		t.Errorf("dispositions %s, %s, %s and price %d", outcomes[0].Disposition, outcomes[1].Disposition, outcomes[2].Disposition, s.state("042").Price.Effective)
	}
}

// TestHoldLife walks one price from the first mistake to its end.
func TestHoldLife(t *testing.T) {
	s := newStore()
	at := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	expect(t, "good", s.send(feed.KindFull, at(0), oats("2.99")), Applied)
	o := expect(t, "times 100", s.send(feed.KindFull, at(1), oats("299")), Held)
	hold := s.state("042").Hold
	if o.Hold.Effect != guard.OpenHold || hold == nil || hold.Price.Effective != 29900 || hold.Verdict.Rule != guard.PowerOfTen || hold.FeedID != "full-07:00" {
		t.Fatalf("the hold is %+v", hold)
	}
	if st := s.state("042"); st.Price.Effective != 299 || !st.Shown() {
		t.Errorf("while held: %+v", st)
	}
	o = expect(t, "times 100 again", s.send(feed.KindFull, at(2), oats("299")), Held)
	if o.Hold.Effect != guard.KeepHold || o.Write || s.state("042").Hold != hold {
		t.Errorf("the same held value: %+v", o.Hold)
	}
	o = expect(t, "times 100, out of stock", s.send(feed.KindFull, at(3), oats("299", feed.Availability, "out of stock")), Held)
	if o.Hold.Effect != guard.KeepHold || !o.Write || o.State.Hidden != HiddenMerchant || o.State.Price.Effective != 299 {
		t.Errorf("availability while held: %+v", o.State)
	}
	o = expect(t, "an availability file", s.send(feed.KindAvailability, at(4), row("042", feed.Availability, "in stock")), Applied)
	if o.State.Hold == nil || !o.State.Shown() {
		t.Errorf("availability alone while held: %+v", o.State)
	}
	o = expect(t, "times 1000", s.send(feed.KindFull, at(5), oats("2990")), Held)
	if o.Hold.Effect != guard.ReplaceHold || o.Hold.Closed.Status != guard.Superseded || o.State.Hold.Price.Effective != 299000 {
		t.Errorf("another mistake: %+v", o.Hold)
	}
	// A person looks at the first one too late.
	_, _, err := Decide(*s.state("042"), *s.state("042").Hold, guard.Decision{Status: guard.Approved, Price: 29900, By: "ana", At: at(5)})
	if !errors.Is(err, guard.ErrPriceChanged) {
		t.Errorf("approving what is not held: %v", err)
	}
	decided, closed, err := Decide(*s.state("042"), *s.state("042").Hold, guard.Decision{Status: guard.Discarded, Price: 299000, By: "ana", At: at(5)})
	if err != nil || closed.Status != guard.Discarded || decided.Hold != nil || decided.Price.Effective != 299 {
		t.Fatalf("discarded: %+v, %+v, %v", decided, closed, err)
	}
	s.in.Known["042"] = Known{State: &decided}
	o = expect(t, "the discarded again", s.send(feed.KindFull, at(6), oats("2990")), Unchanged)
	if o.Hold.Effect != guard.Ignored || o.State.Price.Effective != 299 {
		t.Errorf("the discarded again: %+v, %+v", o.Hold, o.State)
	}
	expect(t, "a good one", s.send(feed.KindFull, at(7), oats("3.09")), Applied)
	o = expect(t, "the discarded after a good one", s.send(feed.KindFull, at(8), oats("2990")), Unchanged)
	if o.Hold.Effect != guard.Ignored || o.State.Price.Effective != 309 {
		t.Errorf("the discarded after a good one: %+v, %+v", o.Hold, o.State)
	}
	expect(t, "a jump", s.send(feed.KindFull, at(9), oats("12.00")), Held)
	approved, _, err := Decide(*s.state("042"), *s.state("042").Hold, guard.Decision{Status: guard.Approved, Price: 1200, By: "ana", At: at(9)})
	if err != nil || approved.Price.Effective != 1200 || approved.Hold != nil || !approved.Shown() {
		t.Fatalf("approved: %+v, %v", approved, err)
	}
	s.in.Known["042"] = Known{State: &approved}
	expect(t, "the approved again", s.send(feed.KindFull, at(10), oats("12.00")), Unchanged)
	o = expect(t, "a mistake", s.send(feed.KindFull, at(11), oats("1200")), Held)
	o = expect(t, "and its correction", s.send(feed.KindFull, at(12), oats("12.50")), Applied)
	if o.Hold.Effect != guard.CloseHold || o.Hold.Closed.Status != guard.Superseded || o.State.Hold != nil || o.State.Price.Effective != 1250 {
		t.Errorf("a correction: %+v, %+v", o.Hold, o.State)
	}
}

func TestFirstPriceHeld(t *testing.T) {
	s := newStore()
	o := expect(t, "free", s.send(feed.KindFull, start, oats("0.00")), Held)
	if o.State.Hidden != HiddenNoPrice || o.State.Price.Effective != 0 || o.State.Price.Currency != "USD" || o.State.Name != "Oat bar" {
		t.Errorf("a first price that is held: %+v", o.State)
	}
	if o = expect(t, "free again", s.send(feed.KindFull, start.Add(time.Hour), oats("0.00")), Held); o.Write {
		t.Error("the same held price is written twice")
	}
	expect(t, "priced", s.send(feed.KindFull, start.Add(2*time.Hour), oats("2.99")), Applied)
	if st := s.state("042"); !st.Shown() || st.Hold != nil {
		t.Errorf("once priced: %+v", st)
	}
}

func TestDelist(t *testing.T) {
	s := newStore()
	expect(t, "listed", s.send(feed.KindFull, start, oats("2.99")), Applied)
	k := s.in.Known["042"]
	if _, ok := Delist(&k, start.Add(-time.Hour)); ok {
		t.Error("a file older than the item delists it")
	}
	gone, ok := Delist(&k, start.Add(time.Hour))
	if !ok || gone.Hidden != HiddenDelisted || gone.Price.Effective != 299 || gone.Hash == k.State.Hash {
		t.Fatalf("delisted: %+v, %t", gone, ok)
	}
	k.State = &gone
	if _, ok := Delist(&k, start.Add(2*time.Hour)); ok {
		t.Error("an item is delisted twice")
	}
	s.in.Known["042"] = k
	if o := expect(t, "an availability file", s.send(feed.KindAvailability, start.Add(2*time.Hour), row("042", feed.Availability, "out of stock")), Applied); o.State.Hidden != HiddenDelisted {
		t.Errorf("availability lists it again: %+v", o.State)
	}
	o := expect(t, "listed again, in error", s.send(feed.KindFull, start.Add(3*time.Hour), oats("299")), Held)
	if o.State.Hidden != Visible || o.State.Price.Effective != 299 {
		t.Errorf("listed again: %+v", o.State)
	}
}

func TestJudgedAgain(t *testing.T) {
	s := newStore()
	expect(t, "first", s.send(feed.KindFull, start, oats("2.00", feed.SalePrice, "1.50", feed.SalePeriod, "/2026-03-02T00:00:00Z")), Applied)
	if got := s.state("042").RejudgeAt; !got.Equal(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("the price changes by itself at %s", got)
	}
	s.in.FeedID = "another"
	expect(t, "nothing changed", s.again(SignalChanged, start.Add(time.Hour)), Unchanged)
	o := expect(t, "the sale is over", s.again(TimePassed, start.Add(24*time.Hour)), Applied)
	if o.State.Price.Effective != 200 || !o.State.RejudgeAt.IsZero() || o.State.FeedID != "full-06:00" || !o.State.SourceTime.Equal(start) {
		t.Errorf("after the sale: %+v", o.State)
	}
	s.in.Settings.Inflation, s.in.Settings.Version = 1000, 2
	o = expect(t, "inflation", s.again(SettingsChanged, start.Add(25*time.Hour)), Applied)
	if o.State.Price.Effective != 220 {
		t.Errorf("with inflation: %+v", o.State.Price)
	}
	k := s.in.Known["042"]
	k.History = availability.ItemHistory{ItemStore: availability.Counts{NotFound: 6, At: s.in.Now}, Last: availability.Signal{At: s.in.Now}}
	s.in.Known["042"] = k
	o = expect(t, "missed by shoppers", s.again(SignalChanged, start.Add(26*time.Hour)), Applied)
	if o.State.Hidden != HiddenPredicted || o.State.Percent > 30 || o.State.Price.Effective != 220 {
		t.Errorf("missed by shoppers: %+v", o.State)
	}
	s.in.Settings.Inflation, s.in.Settings.Version = 90_000, 3
	o = expect(t, "a mistaken rate", s.again(SettingsChanged, start.Add(27*time.Hour)), Held)
	if o.State.Price.Effective != 220 || o.State.Hold.FeedID != "full-06:00" {
		t.Errorf("a mistaken rate: %+v", o.State)
	}
}

// genRow draws rows that are good, odd and broken.
func genRow(t *rapid.T, number int64) feed.Row {
	pick := func(label string, texts ...string) string { return rapid.SampledFrom(texts).Draw(t, label) }
	r := row(pick("sku", "1", "2", "3", "4", "007", ""),
		feed.Name, pick("name", "Oat bar", "Oat bar", "Gum", ""),
		feed.Price, pick("price", "2.99", "2.99", "3.09", "29.90", "299", "0", "-1", "NaN", "", "1,234"),
		feed.SalePrice, pick("sale", "", "", "", "1.99", "x"),
		feed.Availability, pick("availability", "", "in stock", "out of stock", "perhaps"),
		feed.Quantity, pick("quantity", "", "", "0", "5"),
		feed.GTIN, pick("gtin", "", "036000291452", "12"),
		feed.SourceTime, pick("time", "", "", "2026-03-01T05:00:00Z", "2026-03-01T07:30:00Z", "?"))
	r.Number = number
	return r
}

// Whatever files come in whatever order: every row has one disposition, what is
// shown has a price above zero that was never held, and judging is repeatable.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStore()
		for range rapid.IntRange(1, 6).Draw(t, "files") {
			kind := rapid.SampledFrom([]feed.Kind{feed.KindFull, feed.KindDelta, feed.KindAvailability}).Draw(t, "kind")
			at := start.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "hour")) * time.Hour)
			var rows []feed.Row
			for i := range rapid.IntRange(0, 8).Draw(t, "rows") {
				rows = append(rows, genRow(t, int64(i+1)))
			}
			s.in.Now = start.Add(6 * time.Hour)
			known := len(s.in.Known)
			before := map[string]Known{}
			for sku, k := range s.in.Known {
				before[sku] = k
			}
			outcomes := s.send(kind, at, rows...)
			var tally Tally
			tally.Count(outcomes)
			if tally.Read != int64(len(rows)) || !tally.Closes() {
				t.Fatalf("%d rows are tallied %+v", len(rows), tally)
			}
			for i, o := range outcomes {
				if o.SKU != rows[i].Values[feed.ItemID] || o.Row != rows[i].Number {
					t.Fatalf("outcome %d is of item %q, row %d", i, o.SKU, o.Row)
				}
				rejected := false
				for _, p := range o.Problems {
					rejected = rejected || p.Severity == normalize.Rejected
				}
				if rejected != (o.Disposition == Rejected) {
					t.Fatalf("a row is %s with %v", o.Disposition, o.Problems)
				}
				if o.Write != (o.Kept != nil) || o.Write && o.Disposition != Applied && o.Disposition != Held {
					t.Fatalf("a %s row is written: %t", o.Disposition, o.Write)
				}
				if o.Write && kind == feed.KindAvailability && o.State.Price != before[o.SKU].State.Price {
					t.Fatalf("availability changed the price from %+v to %+v", before[o.SKU].State.Price, o.State.Price)
				}
				if o.Disposition == Held && o.Hold.Effect == guard.OpenHold && o.State.Price != priceBefore(before, o.SKU) {
					t.Fatalf("a held row changed the price to %+v", o.State.Price)
				}
				if o.State.Shown() && o.State.SKU != "" && o.State.Price.Effective <= 0 {
					t.Fatalf("an item is shown without a price: %+v", o.State)
				}
				if o.State.Hold != nil && (o.State.Hold.Status != guard.Open || o.State.Price.Effective > 0 && o.State.Hold.Holds(&o.State.Price)) {
					t.Fatalf("the open hold is %+v where %+v is shown", o.State.Hold, o.State.Price)
				}
			}
			// The same file again changes nothing.
			for i, o := range s.send(kind, at, rows...) {
				if o.Write {
					t.Fatalf("the same file again writes %+v after %+v; %d items known before", o, outcomes[i], known)
				}
			}
		}
	})
}

func priceBefore(known map[string]Known, sku string) price.Priced {
	if k := known[sku]; k.State != nil {
		return k.State.Price
	}
	return price.Priced{Currency: "USD"}
}

// Explain comes to the same outcome as Chunk, and tells it in whole sentences.
func TestExplainAgrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newStore()
		for sku := range 5 {
			s.send(feed.KindFull, start, row(fmt.Sprint(sku), feed.Name, "Oat bar", feed.Price, "2.99"))
		}
		kind := rapid.SampledFrom([]feed.Kind{feed.KindFull, feed.KindDelta, feed.KindAvailability}).Draw(t, "kind")
		r := genRow(t, 3)
		s.in.Kind, s.in.SourceTime = kind, start.Add(time.Hour)
		s.in.Now = s.in.SourceTime
		want := Chunk([]feed.Row{r}, s.in)[0]
		story, got := Explain(&r, s.in)
		if got.Disposition != want.Disposition || got.State.Hash != want.State.Hash || got.Write != want.Write || story.Disposition != want.Disposition {
			t.Fatalf("explained as %+v, judged as %+v", got, want)
		}
		if len(story.Steps) < 2 || story.Steps[len(story.Steps)-1].Stage != StageResult {
			t.Fatalf("the story is %+v", story.Steps)
		}
		for _, step := range story.Steps {
			if step.Verdict == "" || step.Rule == "" || step.Detail == "" || step.At.IsZero() && step.Stage != StageAvailability {
				t.Fatalf("a step says too little: %+v", step)
			}
			if (step.Verdict == Refused || step.Verdict == OnHold) && step.Fix == "" {
				t.Fatalf("a step says no way out: %+v", step)
			}
		}
	})
}

func TestApprovedPriceIsShown(t *testing.T) {
	s := newStore()
	expect(t, "free", s.send(feed.KindFull, start, oats("0")), Held)
	_, _, err := Decide(*s.state("042"), *s.state("042").Hold, guard.Decision{Status: guard.Approved, Price: 0, By: "ana", At: start})
	if !errors.Is(err, guard.ErrZero) {
		t.Errorf("a price of zero is approved: %v", err)
	}
	state, _, err := Decide(*s.state("042"), *s.state("042").Hold, guard.Decision{Status: guard.Discarded, Price: 0, By: "ana", At: start})
	if err != nil || state.Hidden != HiddenNoPrice {
		t.Errorf("discarded: %+v, %v", state, err)
	}
	for range 2 * MaxDiscarded {
		state.Hold = &guard.Hold{Price: price.Priced{Currency: "USD", Effective: money.Minor(len(state.Discarded)) * 1000}, Status: guard.Open}
		if state, _, err = Decide(state, *state.Hold, guard.Decision{Status: guard.Discarded, Price: state.Hold.Price.Effective, By: "ana", At: start}); err != nil {
			t.Fatal(err)
		}
	}
	if len(state.Discarded) != MaxDiscarded {
		t.Errorf("%d discarded prices are remembered", len(state.Discarded))
	}
}

// Chunks of one store share their inputs: judged at once they come to what they
// come to one after the other.
func TestChunksAtOnce(t *testing.T) {
	s := newStore()
	var rows []feed.Row
	for i := range 2000 {
		rows = append(rows, row(fmt.Sprintf("%05d", i), feed.Name, "Oat bar", feed.Price, fmt.Sprintf("%d.99", i%40), feed.Availability, "in stock"))
	}
	s.send(feed.KindFull, start, rows...)
	for i := range rows {
		rows[i].Values[feed.Price] = fmt.Sprintf("%d.99", i%90)
	}
	s.in.SourceTime = start.Add(time.Hour)
	want := Chunk(rows, s.in)
	var wait sync.WaitGroup
	got := make([][]Outcome, 8)
	for i := range got {
		wait.Go(func() { got[i] = Chunk(rows[i*250:(i+1)*250], s.in) })
	}
	wait.Wait()
	for i := range want {
		o := got[i/250][i%250]
		if o.Disposition != want[i].Disposition || o.State.Hash != want[i].State.Hash {
			t.Fatalf("row %d is %s at once and %s in turn", i, o.Disposition, want[i].Disposition)
		}
	}
}
