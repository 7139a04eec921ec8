package inventory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.temporal.io/sdk/workflow"

	"github.com/bodega-hq/bodega/internal/platform/fault"
)

// A wait without an end in sight does not fill the history of one run: the
// workflow goes on in a new one, and what is done stays done.
func TestFeedWorkflowWaitsInNewRuns(t *testing.T) {
	s := newStage(t)
	first, err := s.submit(submission{Store: "2"}, file(1, 60, "1.00"))
	if err != nil {
		t.Fatal(err)
	}
	second := s.threeStores("2.00")
	s.env.SetContinueAsNewSuggested(true)
	err = s.perform(second)
	var next *workflow.ContinueAsNewError
	if !errors.As(err, &next) {
		t.Fatalf("a run whose history is full ends in %v", err)
	}
	if f := s.feed(second); f.Status != Running {
		t.Fatalf("feed is %s: %s", f.Status, f.Error)
	}
	if f := s.run(first.Feed); f.Status != Done {
		t.Fatalf("the feed that it waits for is %s: %s", f.Status, f.Error)
	}
	again := stageOf(t, s.world)
	if f := again.mustPerform(second); f.Status != Done || f.Account.Applied != 360 {
		t.Errorf("feed is %s: %s %+v", f.Status, f.Error, f.Account)
	}
	if got, want := again.order(), []string{"Begin", "ApplyStore 2", "Finish"}; !slices.Equal(got, want) {
		t.Errorf("the new run takes steps %q, want %q", got, want)
	}
	if price := s.menu("2")["00007"]; price != 200 {
		t.Errorf("item 7 at %d: the later feed does not have the last word", price)
	}
}

// chain is a full file of three stores that leaves out the last ten of 120
// items of each, and whose item 7 has a price that a guard holds.
func (w *world) chain() FeedID {
	w.t.Helper()
	var b strings.Builder
	b.WriteString("store_id,item_id,name,price,category\n")
	for store := 1; store <= 3; store++ {
		for i := range 110 {
			price := "2.10"
			if i == 7 {
				price = "999.00"
			}
			fmt.Fprintf(&b, "%d,%05d,Item %d,%s,Shelf %d\n", store, i, i, price, i%3)
		}
	}
	receipt, err := w.submit(submission{Stores: true}, b.String())
	if err != nil {
		w.t.Fatal(err)
	}
	return receipt.Feed
}

// stocked is a stage whose three stores have the items that chain changes.
func stocked(t *testing.T) *stage {
	t.Helper()
	w := newWorld(t)
	if f := w.run(w.threeStores("2.00")); f.Status != Done {
		t.Fatalf("feed is %s: %s", f.Status, f.Error)
	}
	return stageOf(t, w)
}

// Removals and holds repeat as safely as rows: every step fails once before
// it begins, and loses its answer twice.
func TestFeedWorkflowRepeatsRemovalsAndHolds(t *testing.T) {
	undisturbed := stocked(t)
	id := undisturbed.chain()
	if f := undisturbed.mustPerform(id); f.Status != Done || f.Account != (Account{RowsRead: 330, Applied: 327, Held: 3, Removed: 30}) {
		t.Fatalf("feed is %s: %s %+v", f.Status, f.Error, f.Account)
	}
	want := undisturbed.left(id)
	s := stocked(t)
	s.around = func(_ context.Context, at step, do func() error) error {
		if at.Attempt == 1 {
			return errScripted
		}
		if err := do(); err != nil || at.Attempt > 3 {
			return err
		}
		return errScripted
	}
	id = s.chain()
	if f := s.mustPerform(id); f.Status != Done {
		t.Fatalf("feed is %s: %s", f.Status, f.Error)
	}
	got := s.left(id)
	// A fence names no feed now, and counts the same writes.
	sameLeft(t, got, want)
	if holds := s.holds(); len(holds) != 3 {
		t.Errorf("%d holds, want one in each store", len(holds))
	}
}

// A step that breaks in the middle ends its feed: the chunks before that stay
// applied and accounted for, the menu shows the items as they are, and the
// stores are free for the next feed.
func TestFeedWorkflowUnwindsFromWithinAStep(t *testing.T) {
	for object, nth := range map[string]int{"/segments/": 1, "/removals/": 2, "/changes/": 2, "/menus/": 2} {
		t.Run(strings.Trim(object, "/"), func(t *testing.T) {
			s := stocked(t)
			var mu sync.Mutex
			count := 0
			s.bucket.failOn(func(key string) error {
				mu.Lock()
				defer mu.Unlock()
				if strings.Contains(key, object) {
					if count++; count == nth {
						return fault.New(fault.Invalid, "the object is scripted to fail")
					}
				}
				return nil
			})
			id := s.chain()
			f := s.mustPerform(id)
			if f.Status != Failed || f.Error != "the object is scripted to fail" {
				t.Fatalf("feed is %s: %q", f.Status, f.Error)
			}
			if !f.Account.Closes() {
				t.Errorf("the account does not close: %+v", f.Account)
			}
			if l := s.left(id); strings.Contains(l.Fences, string(id)) {
				t.Errorf("the feed has ended and holds a fence: %s", l.Fences)
			}
			s.menusShowItems()
			next := stageOf(t, s.world)
			if f := next.mustPerform(s.chain()); f.Status != Done || f.Account.RowsRead != 330 {
				t.Fatalf("the next feed is %s: %s %+v", f.Status, f.Error, f.Account)
			}
			s.menusShowItems()
			for _, store := range []string{"1", "2", "3"} {
				if m := s.menu(store); len(m) != 110 || m["00007"] != 200 || m["00008"] != 210 {
					t.Errorf("menu of store %s has %d items, the held one at %d, a changed one at %d", store, len(m), m["00007"], m["00008"])
				}
			}
		})
	}
}

// menusShowItems insists that shoppers see the items as they are.
func (w *world) menusShowItems() {
	w.t.Helper()
	if err := w.service.publishChanged(w.ctx); err != nil {
		w.t.Fatal(err)
	}
	for _, store := range []string{"1", "2", "3"} {
		shown := map[string]int64{}
		for i := range 120 {
			id := fmt.Sprintf("%05d", i)
			if it := w.item(store, id); it.State.Shown() {
				shown[id] = int64(it.State.Price.Effective)
			}
		}
		if menu := w.menu(store); !maps.Equal(menu, shown) {
			w.t.Errorf("the menu of store %s has %d items, %d are shown, or their prices differ", store, len(menu), len(shown))
		}
	}
}

// An upload that began first and ended last has the smaller id, and is stored
// while the other feed applies. Cut off there, that one goes on all the same:
// neither waits for the other for ever.
func TestFeedGoesOnThoughAnEarlierUploadEndsLater(t *testing.T) {
	w := newWorld(t)
	var quick FeedID
	uploading := false
	w.bucket.failOn(func(key string) error {
		switch {
		case strings.Contains(key, "/raw/") && !uploading:
			uploading = true
			receipt, err := w.submit(submission{}, file(1, 120, "2.00"))
			if err != nil {
				return err
			}
			quick = receipt.Feed
			if err := w.steps(quick); !errors.Is(err, errScripted) {
				t.Errorf("the quick feed is cut off by %v", err)
			}
		case strings.Contains(key, "/changes/"):
			return errScripted
		}
		return nil
	})
	slow, err := w.submit(submission{}, file(1, 120, "2.10"))
	w.bucket.failOn(nil)
	if err != nil {
		t.Fatal(err)
	}
	if slow.Feed >= quick {
		t.Fatalf("the slow upload is %s, the quick one %s: the test is about the other order", slow.Feed, quick)
	}
	wantKind(t, w.steps(slow.Feed), fault.Unavailable)
	for _, id := range []FeedID{quick, slow.Feed} {
		if f := w.run(id); f.Status != Done || f.Account.RowsRead != 120 {
			t.Errorf("feed %s is %s: %s %+v", id, f.Status, f.Error, f.Account)
		}
	}
	if price := w.menu("1")["00001"]; price != 210 {
		t.Errorf("item 1 at %d, want the price of the file that was stored last", price)
	}
}
