package inventory

import (
	"slices"
	"testing"
	"time"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
)

func TestTodaySumsHoldsByTheirFeed(t *testing.T) {
	w := newWorld(t)
	h := &Handlers{service: w.service}
	w.send(submission{Store: "1"}, file(1, 20, "3.00"))
	w.send(submission{Store: "2"}, file(1, 20, "3.00"))
	slipped := w.send(submission{Store: "1"}, file(1, 20, "300.00"))
	cut := w.send(submission{Store: "2"}, file(1, 2, "3.00"))

	today, err := h.GetToday(w.ctx, &inventoryv1.GetTodayRequest{})
	if err != nil {
		t.Fatal(err)
	}
	held := today.GetHeldFeeds()
	if len(held) != 2 {
		t.Fatalf("%d feeds have holds: %v", len(held), held)
	}
	sum := int64(0)
	for _, f := range held {
		sum += f.GetHolds()
		if f.GetSample().GetFeedId() != f.GetFeedId() || f.GetStores() != 1 || len(f.GetGuards()) == 0 || !slices.Contains(f.GetGuards(), f.GetSample().GetGuard()) {
			t.Errorf("held feed %v", f)
		}
		switch f.GetFeedId() {
		case string(slipped.ID):
			if f.GetPrices() != 20 || f.GetRemovals() != 0 || f.GetTypicalRatio() < 99.9 || f.GetTypicalRatio() > 100.1 {
				t.Errorf("slipped prices: %v", f)
			}
		case string(cut.ID):
			if f.GetPrices() != 0 || f.GetRemovals() != 18 || f.GetTypicalRatio() != 0 {
				t.Errorf("removals: %v", f)
			}
		default:
			t.Errorf("feed %s has holds", f.GetFeedId())
		}
	}
	if sum != today.GetOpenHolds() {
		t.Errorf("the feeds have %d holds of %d", sum, today.GetOpenHolds())
	}
}

func TestOverviewReachesAsFarAsTheDaysWork(t *testing.T) {
	w := newWorld(t)
	h := &Handlers{service: w.service}
	reach := func(hours int32) time.Duration {
		t.Helper()
		got, err := h.GetOverview(w.ctx, &inventoryv1.GetOverviewRequest{Hours: hours})
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(got.GetStepMs()) * time.Millisecond * chartSteps
	}
	if got := reach(0); got != 24*time.Hour {
		t.Errorf("of nothing it shows %s", got)
	}
	w.send(submission{Store: "1"}, file(1, 5, "3.00"))
	for _, step := range []struct{ later, want time.Duration }{
		{time.Minute, time.Hour}, {2 * time.Hour, 6 * time.Hour}, {6 * time.Hour, 24 * time.Hour}, {24 * time.Hour, 24 * time.Hour},
	} {
		w.clock = w.clock.Add(step.later)
		if got := reach(0); got != step.want {
			t.Errorf("%s later it shows %s, want %s", step.later, got, step.want)
		}
	}
	if got := reach(168); got != 168*time.Hour {
		t.Errorf("asked for a week it shows %s", got)
	}
}
