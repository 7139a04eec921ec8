package judge

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestStories reads as an operator would: one file of stories, each a row and
// what became of it.
func TestStories(t *testing.T) {
	at := start.Add(24 * time.Hour)
	misses := availability.ItemHistory{
		ItemStore: availability.Counts{Found: 0.2, NotFound: 4, At: at}, Last: availability.Signal{At: at.Add(-time.Hour)},
	}
	for _, c := range []struct {
		name string
		kind feed.Kind
		set  func(*store)
		row  feed.Row
	}{
		{"a new price", feed.KindFull, nil, oats("3.19")},
		{"a price in cents", feed.KindFull, nil, oats("299")},
		{"a price in cents for the second time", feed.KindFull, func(s *store) {
			s.send(feed.KindFull, start.Add(time.Hour), oats("299"))
		}, oats("299")},
		{"a discarded price", feed.KindFull, func(s *store) {
			s.state("042").Discarded = []guard.Discard{{Price: 29900, LastGood: 299}}
		}, oats("299")},
		{"a jump that other stores agree with", feed.KindFull, func(s *store) {
			k := s.in.Known["042"]
			k.Median = guard.Median{Price: 1210, Stores: 4}
			s.in.Known["042"] = k
		}, oats("12.00")},
		{"no readable price", feed.KindFull, nil, oats("1,234", feed.GTIN, "036000291453")},
		{"no price at all", feed.KindFull, nil, oats("", feed.SalePrice, "1.00", feed.SalePeriod, "2026-01-01/2026-01-31")},
		{"late", feed.KindFull, func(s *store) { s.in.Watermark = at.Add(time.Hour) }, oats("3.19")},
		{"apples by weight, with inflation", feed.KindFull, func(s *store) {
			s.in.Settings.Inflation = 250
			s.in.Products[9521234500018] = hydrate.Product{
				GTIN: 9521234500018, Name: "Orchard Apples", Category: "Produce", AverageWeight: 180_000_000, Sold: normalize.ByWeight, Version: 4,
			}
		}, row("77", feed.Name, "APPLES", feed.GTIN, normalize.GTIN(9521234500018).String(), feed.Unit, "kg", feed.Price, "3.49")},
		{"missed by shoppers", feed.KindFull, func(s *store) {
			k := s.in.Known["042"]
			k.History = misses
			s.in.Known["042"] = k
		}, oats("2.99")},
		{"out of stock, and found since", feed.KindAvailability, func(s *store) {
			k := s.in.Known["042"]
			k.History = availability.ItemHistory{ItemStore: availability.Counts{Found: 1, At: at}, Last: availability.Signal{Found: true, At: at.Add(time.Hour)}}
			s.in.Known["042"] = k
		}, row("042", feed.Availability, "sold out")},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore()
			s.send(feed.KindFull, start, oats("2.99"))
			if c.set != nil {
				c.set(s)
			}
			s.in.Kind, s.in.SourceTime, s.in.Now, s.in.FeedID = c.kind, at, at, "full-2026-03-02"
			story, _ := Explain(&c.row, s.in)
			got := render(story)
			golden := filepath.Join("testdata", strings.ReplaceAll(strings.ReplaceAll(c.name, " ", "-"), ",", "")+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the story is\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func render(s Story) string {
	var b strings.Builder
	fmt.Fprintf(&b, "store %s, item %s, feed %s, row %d, line %d: %s\n", s.Store, s.SKU, s.FeedID, s.Row, s.Line, s.Disposition)
	for _, step := range s.Steps {
		fmt.Fprintf(&b, "%-12s  %-8s  %-22s  %s  %s\n", step.Stage, step.Verdict, step.Rule, step.At.UTC().Format("2006-01-02T15:04"), step.Detail)
		if step.Fix != "" {
			fmt.Fprintf(&b, "%-12s  to do: %s\n", "", step.Fix)
		}
	}
	return b.String()
}

func TestStoryCurrency(t *testing.T) {
	s := newStore()
	s.in.Settings = price.Settings{Currency: "JPY"}
	s.in.Limits = guard.DefaultLimits("JPY")
	r := oats("150")
	story, _ := Explain(&r, s.in)
	if text := render(story); !strings.Contains(text, "Customers see Oat bar for 150 JPY.") {
		t.Errorf("the story is\n%s", text)
	}
}
