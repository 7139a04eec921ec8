package inventory

import (
	"testing"

	"github.com/bodega-hq/bodega/internal/inventory/guard"
)

// ahead stores a full file and brings its only store to where its chunks are
// judged before their turns.
func (w *world) ahead(body string) (*unit, []*chunk) {
	w.t.Helper()
	receipt, err := w.submit(submission{}, body)
	if err != nil {
		w.t.Fatal(err)
	}
	parts, _, err := w.service.begin(w.ctx, receipt.Feed, func(int64) {})
	if err != nil {
		w.t.Fatal(err)
	}
	f := w.feed(receipt.Feed)
	u := &unit{Feed: &f, Token: attempt(), menu: newDraft()}
	var got bool
	if got, u.since, err = w.service.store.takeFence(w.ctx, parts[0].Key, f.ID, u.Token); err != nil || !got {
		w.t.Fatalf("the fence: %t, %v", got, err)
	}
	if u.Store, err = w.service.store.storeByKey(w.ctx, parts[0].Key); err != nil {
		w.t.Fatal(err)
	}
	if u.Mapping, err = w.service.mappings.byVersion(w.ctx, f.Merchant, f.MappingVersion); err != nil {
		w.t.Fatal(err)
	}
	seg, err := w.service.segment(w.ctx, parts[0].SegmentKey)
	if err != nil {
		w.t.Fatal(err)
	}
	var chunks []*chunk
	for c, err := range segmentChunks(seg, &parts[0], nil) {
		if err != nil {
			w.t.Fatal(err)
		}
		chunks = append(chunks, c)
	}
	return u, chunks
}

func (w *world) judgeAhead(u *unit, c *chunk) *applied {
	w.t.Helper()
	if err := w.service.judgeAhead(w.ctx, u, c); err != nil {
		w.t.Fatal(err)
	}
	return c.ahead
}

// What a person decides between a chunk's judgement and its turn has to count:
// the chunk is judged again.
func TestDecisionBetweenJudgementAndTurnCounts(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(0, 120, "4.00"))
	w.send(submission{}, file(0, 60, "4.10")+file(60, 60, "400.00")[len("item_id,name,price,category\n"):])
	holds := w.holds()
	if len(holds) != 60 {
		t.Fatalf("%d holds, want 60", len(holds))
	}

	u, chunks := w.ahead(file(0, 60, "4.20") + file(60, 60, "400.00")[len("item_id,name,price,category\n"):])
	judged := w.judgeAhead(u, chunks[2])
	if len(judged.writes) != 0 {
		t.Fatalf("%d writes before anybody decided, want none: the prices are held as before", len(judged.writes))
	}
	var last *Hold
	for i := range holds {
		if holds[i].Item == "00119" {
			last = &holds[i]
		}
	}
	if _, _, err := w.service.decidePrices(w.ctx, []Hold{*last}, guard.Approved, "user:ops@example.com"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.apply(w.ctx, u, chunks[2]); err != nil {
		t.Fatal(err)
	}
	if u.alone(u.since, u.turns[len(u.turns)-1]+1) {
		t.Error("the unit takes itself for the only one that wrote to the store")
	}
	item := w.item("1", "00119")
	if item.State.Price.Effective != 40000 || item.State.Hold != nil {
		t.Errorf("the approved item is %+v, want 400.00 and no hold", item.State)
	}
	if other := w.item("1", "00118"); other.State.Price.Effective != 400 || other.State.Hold == nil {
		t.Errorf("an item that nobody decided on is %+v, want 4.00 and a hold", other.State)
	}
}

// Without anybody in between, what was judged ahead is what is merged: chunks
// of one unit do not make each other's judgement void.
func TestJudgementAheadIsMerged(t *testing.T) {
	w := newWorld(t)
	w.send(submission{}, file(0, 150, "4.00"))
	u, chunks := w.ahead(file(0, 150, "4.20"))
	if len(chunks) != 3 {
		t.Fatalf("%d chunks, want 3", len(chunks))
	}
	for _, c := range chunks {
		if judged := w.judgeAhead(u, c); len(judged.writes) != 50 {
			t.Fatalf("%d writes, want 50", len(judged.writes))
		}
	}
	for _, c := range chunks {
		// What only this judgement says shows whether it is the one that counts.
		c.ahead.ledger.Account.Stale = 7
		account, err := w.service.apply(w.ctx, u, c)
		if err != nil {
			t.Fatal(err)
		}
		if account.Stale != 7 {
			t.Errorf("chunk %d was judged again", c.Number)
		}
	}
	if got := u.menu.counts; got.Items != 150 || got.Shown != 150 {
		t.Errorf("the menu counts %+v, want 150 items, all shown", got)
	}
}

func TestAlone(t *testing.T) {
	for _, c := range []struct {
		turns        []int64
		since, until int64
		want         bool
	}{
		{nil, 4, 5, true},
		{nil, 4, 6, false},
		{[]int64{5}, 4, 6, true},
		{[]int64{5}, 5, 6, true},
		{[]int64{5}, 5, 7, false},
		{[]int64{5, 6, 8}, 6, 8, false},
		{[]int64{5, 6, 8}, 7, 9, true},
		{[]int64{5, 6, 8}, 4, 9, false},
		{[]int64{5, 6, 7}, 4, 8, true},
	} {
		if got := (&unit{turns: c.turns}).alone(c.since, c.until); got != c.want {
			t.Errorf("turns %v: alone between %d and %d is %t, want %t", c.turns, c.since, c.until, got, c.want)
		}
	}
}
