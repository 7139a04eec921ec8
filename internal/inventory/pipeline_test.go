package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/platform/blob"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

func moneyCurrency(code string) money.Currency { return money.Currency(code) }

func TestFullFileBecomesAMenu(t *testing.T) {
	w := newWorld(t)
	f := w.send(submission{}, file(1, 120, "2.50"))
	wantAccount(t, f, Account{RowsRead: 120, Applied: 120})
	menu := w.menu("1")
	if len(menu) != 120 || menu["00007"] != 250 {
		t.Fatalf("menu of %d items, item 7 at %d", len(menu), menu["00007"])
	}
	if len(w.menu("2")) != 0 {
		t.Fatal("another store has a menu")
	}
}

func TestUnchangedRowsAreNotRewritten(t *testing.T) {
	w := newWorld(t)
	first := w.send(submission{}, file(1, 60, "2.50"))
	second := w.send(submission{At: w.now()}, file(1, 60, "2.50"))
	wantAccount(t, second, Account{RowsRead: 60, Unchanged: 60})
	if it := w.item("1", "00001"); it.ChangeFeed != first.ID {
		t.Fatalf("item 1 was written by %s, not by %s", it.ChangeFeed, first.ID)
	}
	third := w.send(submission{}, strings.Replace(file(1, 60, "2.50"), "00005,Item 5,2.50", "00005,Item 5,2.60", 1))
	wantAccount(t, third, Account{RowsRead: 60, Applied: 1, Unchanged: 59})
	if got := w.menu("1")["00005"]; got != 260 {
		t.Fatalf("item 5 at %d", got)
	}
}

func TestResendIsTheSameFeedAndABAIsNot(t *testing.T) {
	w := newWorld(t)
	a, b := file(1, 3, "1.00"), file(1, 3, "1.10")
	first := w.send(submission{}, a)
	again, err := w.submit(submission{}, a)
	if err != nil || again.Feed != first.ID || !again.Resend {
		t.Fatalf("resend is %+v, error %v, want feed %s", again, err, first.ID)
	}
	second := w.send(submission{}, b)
	third := w.send(submission{}, a)
	if third.ID == first.ID || third.ID == second.ID {
		t.Fatal("the same content after something newer is not a feed of its own")
	}
	if got := w.menu("1")["00001"]; got != 100 {
		t.Fatalf("item 1 at %d after A, B, A", got)
	}
	other, err := w.submit(submission{Store: "2"}, a)
	if err != nil || other.Resend {
		t.Fatalf("the same content for another store is %+v, error %v", other, err)
	}
}

func TestIdempotencyKey(t *testing.T) {
	w := newWorld(t)
	one, err := w.submit(submission{Key: "k1"}, file(1, 3, "1.00"))
	if err != nil {
		t.Fatal(err)
	}
	w.run(one.Feed)
	w.send(submission{}, file(1, 3, "1.10"))
	same, err := w.submit(submission{Key: "k1"}, file(1, 3, "1.00"))
	if err != nil || same.Feed != one.Feed {
		t.Fatalf("same key, same content: %+v, error %v", same, err)
	}
	_, err = w.submit(submission{Key: "k1"}, file(1, 3, "1.20"))
	wantKind(t, err, fault.AlreadyExists)
}

func TestResendsTakeTheirKeys(t *testing.T) {
	w := newWorld(t)
	first := w.send(submission{}, file(1, 3, "1.00"))
	for _, key := range []string{"k1", "k2", "k1"} {
		again, err := w.submit(submission{Key: key}, file(1, 3, "1.00"))
		if err != nil || again.Feed != first.ID || !again.Resend {
			t.Fatalf("key %s, same content: %+v, error %v", key, again, err)
		}
	}
	_, err := w.submit(submission{Key: "k2"}, file(1, 3, "1.20"))
	wantKind(t, err, fault.AlreadyExists)
	// Also after something newer, the key means what was sent under it.
	w.send(submission{}, file(1, 3, "1.10"))
	late, err := w.submit(submission{Key: "k1"}, file(1, 3, "1.00"))
	if err != nil || late.Feed != first.ID {
		t.Fatalf("key k1 after a newer feed: %+v, error %v", late, err)
	}
}

func TestEqualSubmissionsAtOnceAreOne(t *testing.T) {
	w := newWorld(t)
	ids := make([]FeedID, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			r, err := w.submit(submission{}, file(1, 5, "1.00"))
			if err != nil {
				t.Error(err)
			}
			ids[i] = r.Feed
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("equal submissions became %v", ids)
		}
	}
}

func TestAbsentItemsAreDelisted(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 100, "1.00"))
	f := w.send(submission{}, file(11, 90, "1.00"))
	wantAccount(t, f, Account{RowsRead: 90, Unchanged: 90, Removed: 10})
	if menu := w.menu("1"); len(menu) != 90 || menu["00001"] != 0 {
		t.Fatalf("menu has %d items", len(menu))
	}
	back := w.send(submission{}, file(1, 100, "1.00"))
	wantAccount(t, back, Account{RowsRead: 100, Applied: 10, Unchanged: 90})
	if len(w.menu("1")) != 100 {
		t.Fatal("items that came back are not on the menu")
	}
}

func TestTooManyRemovalsWaitForAPerson(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 100, "1.00"))
	f := w.send(submission{}, file(1, 60, "1.00"))
	wantAccount(t, f, Account{RowsRead: 60, Unchanged: 60, RemovalsHeld: 40})
	if len(w.menu("1")) != 100 {
		t.Fatal("held removals took effect")
	}
	holds := w.holds()
	if len(holds) != 1 || !holds[0].ofRemovals() || holds[0].Removals != 40 {
		t.Fatalf("holds %+v", holds)
	}
	d, err := w.service.decide(w.ctx, "", []choice{{ID: holds[0].ID}}, guard.Approved, "user:ops@example.com")
	if err != nil || d.Decided != 1 || len(d.Left) != 0 || len(d.Feeds) != 1 {
		t.Fatalf("decided %+v, error %v", d, err)
	}
	w.drain()
	if n := len(w.menu("1")); n != 60 {
		t.Fatalf("menu has %d items after the approval", n)
	}
	if d, _ := w.service.decide(w.ctx, "", []choice{{ID: holds[0].ID}}, guard.Approved, "user:b@example.com"); len(d.Left) != 1 {
		t.Fatal("a hold was decided twice")
	}
}

func TestANewerFullFileSupersedesHeldRemovals(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 100, "1.00"))
	w.send(submission{}, file(1, 60, "1.00"))
	w.send(submission{}, file(1, 99, "1.00"))
	if holds := w.holds(); len(holds) != 0 {
		t.Fatalf("holds %+v", holds)
	}
	if n := len(w.menu("1")); n != 99 {
		t.Fatalf("menu has %d items", n)
	}
}

func TestOlderRowsAreStale(t *testing.T) {
	w := newWorld(t)
	t1, t2, t3 := w.now().Add(time.Minute), w.now().Add(2*time.Minute), w.now().Add(3*time.Minute)
	w.send(submission{At: t2}, file(1, 3, "2.00"))
	full := w.send(submission{At: t1}, file(1, 3, "1.00"))
	wantAccount(t, full, Account{RowsRead: 3, Stale: 3})
	// Equal content confirms without rewriting; what is older than the
	// confirmation is stale all the same.
	w.send(submission{Kind: "delta", At: t3}, file(1, 1, "2.00"))
	between := t2.Add(30 * time.Second)
	delta := w.send(submission{Kind: "delta", At: between}, rows("00001,Item 1,2.10,Shelf 1", "00002,Item 2,2.10,Shelf 2"))
	wantAccount(t, delta, Account{RowsRead: 2, Applied: 1, Stale: 1})
	if m := w.menu("1"); m["00001"] != 200 || m["00002"] != 210 {
		t.Fatalf("menu %v", m)
	}
}

func TestDeltaAndAvailabilityTouchOnlyWhatTheyName(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 5, "2.00"))
	delta := w.send(submission{Kind: "delta"}, "item_id,price\n00002,2.20\n")
	wantAccount(t, delta, Account{RowsRead: 1, Applied: 1})
	if it := w.item("1", "00002"); it.State.Name != "Item 2" || it.State.Price.Effective != 220 {
		t.Fatalf("item 2 is %q at %d", it.State.Name, it.State.Price.Effective)
	}
	w.send(submission{Kind: "availability"}, "item_id,availability\n00003,out of stock\n")
	menu := w.menu("1")
	if _, shown := menu["00003"]; shown || len(menu) != 4 {
		t.Fatalf("menu %v", menu)
	}
	if it := w.item("1", "00003"); it.State.Hidden != judge.HiddenMerchant || it.State.Price.Effective != 200 {
		t.Fatalf("item 3 is hidden for %q at %d", it.State.Hidden, it.State.Price.Effective)
	}
	w.send(submission{Kind: "availability"}, "item_id,availability\n00003,in stock\n")
	if len(w.menu("1")) != 5 {
		t.Fatal("an item that is back is not on the menu")
	}
}

func TestPartialRowsMeetRowsOfAnotherMapping(t *testing.T) {
	w := newWorld(t)
	profile := []byte("name: german\nfields:\n  item_id: {column: Artikel}\n  name: {column: Name}\n  price: {column: Preis, decimal: comma}\n")
	h := &Handlers{service: w.service}
	if _, err := h.ApplyMapping(w.ctx, mappingRequest("corner", profile)); err != nil {
		t.Fatal(err)
	}
	w.send(submission{Mapping: "german"}, "Artikel;Name;Preis\nA1;Brot;\"1.234,50\"\nA2;Milch;0,99\n")
	if got := w.item("1", "A1").State.Price.Effective; got != 123450 {
		t.Fatalf("price %d", got)
	}
	// An operator speaks in bodega's own columns.
	f := w.send(submission{Kind: "delta", Mapping: "bodega"}, "item_id,name\nA2,Vollmilch\n")
	wantAccount(t, f, Account{RowsRead: 1, Applied: 1})
	if it := w.item("1", "A2"); it.State.Price.Effective != 99 || it.State.Name != "Vollmilch" {
		t.Fatalf("item %q at %d", it.State.Name, it.State.Price.Effective)
	}
}

func TestStoreColumnAndRegion(t *testing.T) {
	w := newWorld(t)
	f := w.send(submission{Stores: true}, "store_id,item_id,name,price\n1,a,A,1.00\n2,a,A,1.10\n2,b,B,2.00\n9,a,A,1.00\n,c,C,1.00\n")
	wantAccount(t, f, Account{RowsRead: 5, Applied: 3, Rejected: 2})
	if a, b := w.menu("1"), w.menu("2"); a["a"] != 100 || b["a"] != 110 || b["b"] != 200 {
		t.Fatalf("menus %v and %v", a, b)
	}
	r := w.send(submission{Region: "north"}, rows("z,Zest,3.00,Fruit", "y,Yam,4.00,Fruit"))
	if r.Account.RowsRead != 6 || r.Account.Applied != 6 {
		t.Fatalf("account of a region of three stores %+v", r.Account)
	}
	for _, store := range []string{"1", "2", "3"} {
		if w.menu(store)["z"] != 300 {
			t.Fatalf("store %s lacks the region's item", store)
		}
	}
}

func TestMerchantsNumberTheirStoresAlike(t *testing.T) {
	w := newWorld(t)
	w.merchant("verdure", "CAD", "1")
	w.send(submission{}, rows("x,Corner's,1.00,A"))
	w.send(submission{Merchant: "verdure"}, rows("x,Verdure's,9.00,A"))
	if it := w.item("1", "x"); it.State.Name != "Corner's" || it.State.Price.Effective != 100 {
		t.Fatalf("corner's item is %q", it.State.Name)
	}
}

func TestDuplicatesAndRejectsAreAccountedFor(t *testing.T) {
	w := newWorld(t)
	f := w.send(submission{}, rows("1,One,1.00,A", "2,Two,NaN,A", "3,Three,-1,A", "4,Four,1e308,A", `5,Five,"1.234,56",A`, "1,One again,1.50,A", ",Nameless,1.00,A"))
	wantAccount(t, f, Account{RowsRead: 7, Applied: 2, Rejected: 4, Duplicates: 1})
	if it := w.item("1", "1"); it.State.Name != "One again" || it.State.Price.Effective != 150 {
		t.Fatalf("of two equal rows the first counted: %q", it.State.Name)
	}
	var got []Reject
	if err := w.service.eachReject(w.ctx, f.ID, rejectCursor{}, func(r *Reject, _ rejectCursor) error {
		got = append(got, *r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 {
		t.Fatalf("%d rejects: %+v", len(got), got)
	}
	for _, r := range got {
		if r.Row == 0 || r.Column == "" || r.Reason == "" {
			t.Errorf("a reject without its place or reason: %+v", r)
		}
	}
}

func TestRejectsNameTheColumnsOfTheFile(t *testing.T) {
	w := newWorld(t)
	f, err := w.submit(submission{Stores: true}, "SKU,Title,List Price,Branch\n1,One,NaN,1\n2,Two,2.00,ghost\n,Three,3.00,1\n4,Four,4.00,\n")
	if err != nil {
		t.Fatal(err)
	}
	w.run(f.Feed)
	type place struct {
		Row                        int64
		Store, Item, Column, Value string
	}
	var got []place
	if err := w.service.eachReject(w.ctx, f.Feed, rejectCursor{}, func(r *Reject, _ rejectCursor) error {
		got = append(got, place{r.Row, r.Store, r.Item, r.Column, r.Value})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []place{{2, "ghost", "2", "Branch", "ghost"}, {3, "1", "", "SKU", ""}, {4, "", "4", "Branch", ""}, {1, "1", "1", "List Price", "NaN"}}
	if !slices.Equal(got, want) {
		t.Errorf("rejects\n%+v, want\n%+v", got, want)
	}
}

func TestGuardHoldsThePriceAndAvailabilityStillApplies(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 3, "3.00"))
	f := w.send(submission{}, rows("00001,Item 1,300.00,Shelf 1", "00002,Item 2,3.00,Shelf 2", "00003,Item 3,3.00,Shelf 0"))
	wantAccount(t, f, Account{RowsRead: 3, Held: 1, Unchanged: 2})
	if got := w.menu("1")["00001"]; got != 300 {
		t.Fatalf("the shown price is %d", got)
	}
	w.send(submission{Kind: "availability"}, "item_id,availability\n00001,out of stock\n")
	if _, shown := w.menu("1")["00001"]; shown {
		t.Fatal("availability did not apply to an item whose price is held")
	}
	// The same held value again is the same hold.
	before := w.holds()
	w.send(submission{At: w.now()}, rows("00001,Item 1,300.00,Shelf 1", "00002,Item 2,3.00,Shelf 2", "00003,Item 3,3.10,Shelf 0"))
	after := w.holds()
	if len(before) != 1 || len(after) != 1 || before[0].ID != after[0].ID {
		t.Fatalf("holds %+v and %+v", before, after)
	}
	// A newer good price supersedes it.
	w.send(submission{}, file(1, 3, "3.20"))
	if holds := w.holds(); len(holds) != 0 || w.menu("1")["00001"] != 320 {
		t.Fatalf("holds %+v, price %d", holds, w.menu("1")["00001"])
	}
}

func TestApproveIsCompareAndSetAndCanBeTakenBack(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 2, "3.00"))
	w.send(submission{}, rows("00001,Item 1,300.00,Shelf 1", "00002,Item 2,3.00,Shelf 2"))
	h := w.holds()[0]
	seen := int64(29999)
	if d, err := w.service.decide(w.ctx, "", []choice{{ID: h.ID, After: &seen}}, guard.Approved, "a"); err != nil || d.Decided != 0 || len(d.Left) != 1 {
		t.Fatalf("approving another value than the held one: %+v, %v", d, err)
	}
	if d, err := w.service.decide(w.ctx, "", []choice{{ID: h.ID, After: h.After}}, guard.Approved, "a"); err != nil || d.Decided != 1 {
		t.Fatalf("approve: %+v, %v", d, err)
	}
	w.drain()
	if got := w.menu("1")["00001"]; got != 30000 {
		t.Fatalf("the approved price is shown as %d", got)
	}
	// A resend of what was approved is no hold.
	again := w.send(submission{At: w.now()}, rows("00001,Item 1,300.00,Shelf 1", "00002,Item 2,3.00,Shelf 2"))
	wantAccount(t, again, Account{RowsRead: 2, Unchanged: 2})
	if n, left, err := w.service.reopen(w.ctx, "", []string{h.ID}, "a"); err != nil || n != 1 {
		t.Fatalf("reopen: %d, %v, %v", n, left, err)
	}
	w.drain()
	if got := w.menu("1")["00001"]; got != 300 || len(w.holds()) != 1 {
		t.Fatalf("after taking back: price %d, holds %+v", got, w.holds())
	}
}

func TestDiscardedValueStaysDiscarded(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 2, "3.00"))
	bad := rows("00001,Item 1,300.00,Shelf 1", "00002,Item 2,3.00,Shelf 2")
	w.send(submission{}, bad)
	h := w.holds()[0]
	if d, err := w.service.decide(w.ctx, "", []choice{{ID: h.ID}}, guard.Discarded, "a"); err != nil || d.Decided != 1 {
		t.Fatalf("discard: %+v, %v", d, err)
	}
	w.send(submission{At: w.now()}, bad)
	if holds := w.holds(); len(holds) != 0 {
		t.Fatalf("the discarded value is held again: %+v", holds)
	}
	if got := w.menu("1")["00001"]; got != 300 {
		t.Fatalf("the shown price is %d", got)
	}
}

func TestSignalsJudgeTheirItemAtOnce(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 3, "1.00"))
	var signals []Signal
	for i := range 12 {
		signals = append(signals, Signal{Store: "1", Item: "00001", Found: false, At: w.now(), ID: fmt.Sprint("s", i)})
	}
	signals = append(signals, Signal{Store: "1", Item: "nothing", Found: true, ID: "x"})
	c, err := w.service.reportSignals(w.ctx, "corner", signals, "shopper")
	if err != nil || c.Accepted != 12 || c.UnknownItems != 1 {
		t.Fatalf("counted %+v, error %v", c, err)
	}
	if it := w.item("1", "00001"); it.State.Hidden != judge.HiddenPredicted {
		t.Fatalf("after twelve misses the item is %q at %d%%", it.State.Hidden, it.State.Percent)
	}
	if c, err = w.service.reportSignals(w.ctx, "corner", signals[:12], "shopper"); err != nil || c.Duplicates != 12 || c.Accepted != 0 {
		t.Fatalf("the same signals again count %+v, error %v", c, err)
	}
	for i := range 30 {
		if _, err := w.service.reportSignals(w.ctx, "corner", []Signal{{Store: "1", Item: "00001", Found: true, At: w.now(), ID: fmt.Sprint("f", i)}}, "shopper"); err != nil {
			t.Fatal(err)
		}
	}
	if it := w.item("1", "00001"); !it.State.Shown() {
		t.Fatalf("after thirty finds the item is %q at %d%%", it.State.Hidden, it.State.Percent)
	}
}

func TestWhatItemsRestOnChanges(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, "item_id,gtin,name,price\na,4006381333931,merchant's name,1.00\n")
	catalogue := "gtin,brand,name,category,unit,size\n4006381333931,Stabilo,Point 88,Pens,each,\n"
	load, err := w.service.loadCatalog(w.ctx, strings.NewReader(catalogue), "ops")
	if err != nil || load.Loaded != 1 || load.Feed == "" {
		t.Fatalf("load %+v, error %v", load, err)
	}
	w.drain()
	if it := w.item("1", "a"); it.State.Name != "Point 88" || it.State.Category != "Pens" {
		t.Fatalf("item %q in %q", it.State.Name, it.State.Category)
	}
	if load, err = w.service.loadCatalog(w.ctx, strings.NewReader(catalogue), "ops"); err != nil || load.Unchanged != 1 || load.Feed != "" {
		t.Fatalf("the same catalogue again: %+v, error %v", load, err)
	}
	if _, err := w.service.setSettings(w.ctx, StoreKey{"corner", "1"}, Settings{InflationBasisPoints: 1000}, "ops"); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if got := w.menu("1")["a"]; got != 110 {
		t.Fatalf("with 10%% inflation the price is %d", got)
	}
}

func TestTruncatedFileAppliesWhatItHas(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 100, "1.00"))
	whole := gzipped(t, file(1, 100, "1.05"))
	f := w.send(submission{}, string(whole[:len(whole)-20]))
	if !f.Truncated || f.Account.Applied == 0 || f.Account.Removed != 0 {
		t.Fatalf("truncated %t, account %+v, error %q", f.Truncated, f.Account, f.Error)
	}
	if n := len(w.menu("1")); n != 100 {
		t.Fatalf("menu has %d items", n)
	}
	st, err := w.service.store.storeByKey(w.ctx, StoreKey{"corner", "1"})
	if err != nil || st.Watermark.Equal(f.SourceTime) {
		t.Fatalf("a cut-off file moved the watermark, error %v", err)
	}
}

func TestUnreadableFilesFailWithAClearErrorAndChangeNothing(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 3, "1.00"))
	before := w.menu("1")
	for name, body := range map[string]string{
		"binary":      "PK\x03\x04\x14\x00\x06\x00\x08\x00" + strings.Repeat("\x00\x01\x02", 50),
		"header only": "item_id,name,price\n",
		"no columns":  "foo,bar\n1,2\n",
		"not a feed":  "once upon a time there was a feed",
		"bad xml":     "<?xml version=\"1.0\"?><items><item><id>1</id></items>",
		"xml bomb":    `<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY c "&a;&a;&a;">]><items><item><id>&c;</id></item></items>`,
	} {
		t.Run(name, func(t *testing.T) {
			receipt, err := w.submit(submission{}, body)
			if err != nil {
				t.Fatal(err)
			}
			f := w.run(receipt.Feed)
			if f.Status != Failed || f.Error == "" || strings.Contains(f.Error, "internal") {
				t.Fatalf("feed is %s: %q, account %+v", f.Status, f.Error, f.Account)
			}
			t.Log(f.Error)
		})
	}
	_, err := w.submit(submission{}, "")
	wantKind(t, err, fault.Invalid)
	if after := w.menu("1"); len(after) != len(before) {
		t.Fatalf("menu %v became %v", before, after)
	}
}

func TestUnknownPlacesAreRefusedAtIntake(t *testing.T) {
	w := newWorld(t)
	for name, s := range map[string]submission{
		"merchant": {Merchant: "nobody"}, "store": {Store: "99"}, "region": {Region: "moon"}, "mapping": {Mapping: "nothing"},
	} {
		if _, err := w.submit(s, file(1, 1, "1.00")); fault.KindOf(err) != fault.NotFound {
			t.Errorf("unknown %s: %v", name, err)
		}
	}
	_, err := w.submit(submission{At: w.now().Add(24 * time.Hour)}, file(1, 1, "1.00"))
	wantKind(t, err, fault.Invalid)
}

func TestFullDiskIsTold(t *testing.T) {
	w := newWorld(t)
	full := fmt.Errorf("write: %w", errors.Join(errNoSpace(), context.DeadlineExceeded))
	w.bucket.failOn(func(string) error { return full })
	_, err := w.submit(submission{}, file(1, 3, "1.00"))
	wantKind(t, err, fault.ResourceExhausted)
	w.bucket.failOn(nil)
	w.send(submission{}, file(1, 3, "1.00"))
	// A disk that fills up while a feed applies stops it, and it goes on later.
	receipt, err := w.submit(submission{}, file(1, 3, "1.10"))
	if err != nil {
		t.Fatal(err)
	}
	w.bucket.failOn(func(key string) error {
		if strings.Contains(key, "/changes/") {
			return full
		}
		return nil
	})
	if err := w.steps(receipt.Feed); err == nil {
		t.Fatal("a full disk went unnoticed")
	}
	if got := w.menu("1")["00001"]; got != 100 {
		t.Fatalf("a change without its before/after object is shown: %d", got)
	}
	w.bucket.failOn(nil)
	if f := w.run(receipt.Feed); f.Status != Done || f.Account.Applied != 3 {
		t.Fatalf("feed is %s, account %+v", f.Status, f.Account)
	}
}

// A merchant's stores may sell the same item by the piece and by weight.
func TestMedianOfAnItemThatStoresSellByOtherMeasures(t *testing.T) {
	w := newWorld(t)
	byWeight := "item_id,name,unit,price,average_weight\nham,Ham,kg,12.00,\n"
	w.send(submission{Store: "1"}, byWeight)
	w.send(submission{Store: "2"}, byWeight)
	w.send(submission{Store: "3"}, "item_id,name,unit,price,average_weight\nham,Ham,each,3.00,\n")
	pool, err := w.service.store.pool(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	known, _, err := w.service.store.known(w.ctx, pool, StoreKey{"corner", "3"}, []string{"ham"}, withKept)
	if err != nil {
		t.Fatal(err)
	}
	if m := known["ham"].Median; m.Price != 1200 || m.Stores != 2 {
		t.Fatalf("median %+v, want that of the two stores that sell by weight", m)
	}
}

func TestCatalogueTellsSizeAndUnitApart(t *testing.T) {
	for _, c := range []struct{ unit, size, sold, whole string }{
		{"g", "250", "", "250 g"},
		{"ea", "6", "each", "6 ea"},
		{"ko", "60.02 ko", "each", "60.02 ko"},
		{"kg", "0.41 kg", "kg", "0.41 kg"},
		{"KG", "", "kg", ""},
		{"", "330 ml", "", "330 ml"},
		{"crate", "", "", ""},
	} {
		if sold, whole := catalogUnit(c.unit, c.size); sold != c.sold || whole != c.whole {
			t.Errorf("unit %q and size %q are sold %q in %q, want %q in %q", c.unit, c.size, sold, whole, c.sold, c.whole)
		}
	}
}

// What items rest on may change for an item that the store no longer lists.
func TestDelistedItemsStayDelistedWhenJudgedAgain(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(1, 50, "2.00"))
	w.send(submission{}, file(2, 49, "2.00"))
	if _, err := w.service.setSettings(w.ctx, StoreKey{"corner", "1"}, Settings{InflationBasisPoints: 1000}, "ops"); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if menu := w.menu("1"); len(menu) != 49 || menu["00002"] != 220 {
		t.Fatalf("the menu has %d items, and 00002 at %d", len(menu), menu["00002"])
	}
	if it := w.item("1", "00001"); it.State.Shown() {
		t.Fatal("an item that the newest full file leaves out is shown again")
	}
}

// A sale price may be the only one that a row has.
func TestSaleThatEndsAndLeavesNoPrice(t *testing.T) {
	w := newWorld(t)
	from, until := w.now(), w.now().Add(24*time.Hour)
	w.send(submission{}, "item_id,name,price,sale_price,sale_period\n"+
		fmt.Sprintf("a,A,,2.00,%s/%s\n", from.Format(time.RFC3339), until.Format(time.RFC3339))+
		fmt.Sprintf("b,B,3.00,2.00,%s/%s\n", from.Format(time.RFC3339), until.Format(time.RFC3339)))
	if menu := w.menu("1"); menu["a"] != 200 || menu["b"] != 200 {
		t.Fatalf("on sale the menu is %v", menu)
	}
	w.pass(25 * time.Hour)
	if err := w.service.rejudgeDue(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.drain()
	menu := w.menu("1")
	if _, shown := menu["a"]; shown || menu["b"] != 300 {
		t.Fatalf("after the sale the menu is %v, want b at 3.00 only", menu)
	}
	units := w.units()
	if err := w.service.rejudgeDue(w.ctx); err != nil {
		t.Fatal(err)
	}
	a := w.item("1", "a")
	if detail, _ := whyHidden(&a.State); !strings.Contains(detail, "sale is over") {
		t.Fatalf("a is hidden because: %s", detail)
	}
	if again := w.units(); again != units {
		t.Fatalf("judging again what is judged made %d more units of work", again-units)
	}
}

// A new version of bodega may bring other presets; rows that were read with
// the old ones are still read as they were.
func TestRowsOutliveThePresetsThatReadThem(t *testing.T) {
	w := newWorld(t)
	pool, err := w.service.store.pool(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := KeepPresets(w.ctx, pool); err != nil {
		t.Fatal(err)
	}
	const old = "name: bodega\nfields: {item_id: {column: code, required: true}, price: cost}\n"
	parsed, err := feed.ParseMapping([]byte(old))
	if err != nil {
		t.Fatal(err)
	}
	ref := string(refOf(&parsed))
	if _, err := w.service.mappings.byVersion(w.ctx, "corner", ref); !errors.Is(err, ErrMappingUnknown) {
		t.Fatalf("before it was kept: %v", err)
	}
	if err := keepPreset(w.ctx, pool, parsed.Version, []byte(old)); err != nil {
		t.Fatal(err)
	}
	found, err := w.service.mappings.byVersion(w.ctx, "corner", ref)
	if err != nil || found.Version != parsed.Version {
		t.Fatalf("found %+v, error %v", found, err)
	}
	if err := KeepPresets(w.ctx, pool); err != nil {
		t.Fatalf("the second time: %v", err)
	}
}

func TestWhatNothingRefersToIsDeletedAWhileLater(t *testing.T) {
	w := newWorld(t)
	menuKey := func() string {
		st, err := w.service.store.storeByKey(w.ctx, StoreKey{"corner", "1"})
		if err != nil {
			t.Fatal(err)
		}
		return st.MenuKey
	}
	exists := func(key string) bool {
		_, err := w.bucket.Size(w.ctx, key)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	expire := func() {
		if err := w.service.expire(w.ctx); err != nil {
			t.Fatal(err)
		}
	}
	first := w.send(submission{}, file(1, 120, "2.00"))
	part, err := w.service.store.feedStore(w.ctx, first.ID, "1")
	if err != nil {
		t.Fatal(err)
	}
	old := menuKey()
	w.send(submission{}, file(1, 120, "2.10"))
	expire()
	if !exists(old) || !exists(part.SegmentKey) {
		t.Fatal("what a reader may still be at is gone at once")
	}
	w.pass(2 * replacedFor)
	expire()
	expire() // a second time finds nothing to do
	if exists(old) || exists(part.SegmentKey) {
		t.Fatal("a menu that was replaced, or the segment of a feed that has ended, is still there")
	}
	if got := w.menu("1"); len(got) != 120 || !exists(first.RawKey) {
		t.Fatalf("the menu has %d items, or the file as it came is gone", len(got))
	}
	if story, err := w.service.explain(w.ctx, StoreKey{"corner", "1"}, "00001"); err != nil || len(story.Changes) != 2 {
		t.Fatalf("the item's story is %+v, error %v", story, err)
	}
}

func TestMerchantsHaveLimitsOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	h := &Handlers{service: w.service}
	limits := func() *inventoryv1.GetGuardLimitsResponse {
		t.Helper()
		got, err := h.GetGuardLimits(w.ctx, &inventoryv1.GetGuardLimitsRequest{MerchantId: "corner"})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	set := func(l *inventoryv1.GuardLimits) (string, error) {
		got, err := h.SetGuardLimits(w.ctx, &inventoryv1.SetGuardLimitsRequest{MerchantId: "corner", Limits: l})
		return got.GetFeedId(), err
	}
	standard := limits()
	if !standard.GetStandard() || len(standard.GetLimits().GetBands()) != 3 || standard.GetLimits().GetRemovalShare() != 0.3 {
		t.Fatalf("standard limits %v", standard)
	}
	w.send(submission{}, file(1, 10, "2.00"))
	if f := w.send(submission{}, file(1, 10, "4.00")); f.Account.Applied != 10 {
		t.Fatalf("twice the price under the standard limits: %+v", f.Account)
	}

	strict := &inventoryv1.GuardLimits{MinStores: 3, RemovalShare: 0.05, Bands: []*inventoryv1.GuardBand{{BelowMinor: 1000, Up: 1.5, Down: 1.5}, {Up: 1.2, Down: 1.2}}}
	unit, err := set(strict)
	if err != nil || unit == "" {
		t.Fatalf("unit %q, error %v", unit, err)
	}
	w.drain()
	if got := limits(); got.GetStandard() || got.GetLimits().String() != strict.String() {
		t.Fatalf("limits %v, want %v", got, strict)
	}
	if len(w.menu("1")) != 10 || len(w.holds()) != 0 {
		t.Fatal("prices that were good stay good")
	}
	if f := w.send(submission{}, file(1, 10, "8.00")); f.Account.Held != 10 {
		t.Fatalf("twice the price under strict limits: %+v", f.Account)
	}
	if hold := w.holds()[0]; !strings.Contains(hold.Detail, "the limit is 1.5") {
		t.Fatalf("the hold says %q", hold.Detail)
	}
	if f := w.send(submission{}, file(2, 9, "4.00")); f.Account.RemovalsHeld != 1 {
		t.Fatalf("one of ten items is left out, where one of twenty may be: %+v", f.Account)
	}

	w.send(submission{}, file(1, 10, "8.00"))
	if again, err := set(strict); err != nil || again != "" {
		t.Fatalf("the same limits again make unit %q, error %v", again, err)
	}
	if _, err := set(nil); err != nil {
		t.Fatal(err)
	}
	w.drain()
	if holds := w.holds(); !limits().GetStandard() || len(holds) != 0 || w.menu("1")["00001"] != 800 {
		t.Fatalf("with the standard limits again %d holds are left, and the price is %d", len(holds), w.menu("1")["00001"])
	}

	_, err = set(&inventoryv1.GuardLimits{Bands: []*inventoryv1.GuardBand{{Up: 0.5}}})
	wantKind(t, err, fault.Invalid)
}
