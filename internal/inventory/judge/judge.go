// Package judge runs the stages over a store's rows and gives each row one
// disposition. It is pure: what the stages rest on comes in as Inputs, what
// should be stored and told goes out as Outcomes. Explain tells one row's
// story by the very same path.
package judge

import (
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
)

// Disposition is what became of a row. Every row has exactly one, so that a
// feed's rows add up: read = applied + unchanged + stale + held + rejected +
// duplicate.
type Disposition uint8

// The dispositions.
const (
	Applied   Disposition = iota + 1 // the store item is written
	Unchanged                        // the result is what is stored already
	Stale                            // older than what is known
	Held                             // the price is held; other attributes may still be written
	Rejected                         // the row cannot stand
	Duplicate                        // a later row of the same item is in the chunk
)

// String is the word that feeds are accounted with.
func (d Disposition) String() string {
	switch d {
	case Applied:
		return "applied"
	case Unchanged:
		return "unchanged"
	case Stale:
		return "stale"
	case Held:
		return "held"
	case Rejected:
		return "rejected"
	case Duplicate:
		return "duplicate"
	}
	return "unknown"
}

// Cause is why rows are judged.
type Cause uint8

// The causes. With any but Arrived the rows are kept ones: none is stale, and
// each keeps the provenance of its state.
const (
	Arrived         Cause = iota // a feed brought the rows
	CatalogChanged               // a product of the catalogue did
	SettingsChanged              // the store's settings or limits did
	SignalChanged                // shoppers' signals or the model did
	TimePassed                   // State.RejudgeAt has come
)

// Known is what is known of one store item before its row is judged.
type Known struct {
	// State is what is stored, nil for an item never seen.
	State *State
	// Kept is the row that State came from: what the merchant last said column
	// by column. A delta is laid over it. It may be nil where State is, and for
	// full files where State.AvailabilityTime is not after the file's.
	Kept *feed.Row
	// Confirmed is the newest source time that confirmed the item without
	// rewriting it, and ConfirmedAvailability the newest that confirmed its
	// availability; zero where State's own times are the newest.
	Confirmed             time.Time
	ConfirmedAvailability time.Time
	Median                guard.Median
	History               availability.ItemHistory
}

// Inputs are what a store's rows are judged with. They are read, never
// changed, so that chunks of one store may share them.
type Inputs struct {
	Store   string
	FeedID  string
	Kind    feed.Kind
	Cause   Cause
	Mapping *feed.Mapping
	// Location reads times that name no zone; nil is UTC.
	Location *time.Location
	// SourceTime is the file's; Watermark the newest source time of a full file
	// of this store that was applied; Now the time of judging.
	SourceTime time.Time
	Watermark  time.Time
	Now        time.Time

	Settings     price.Settings
	Limits       guard.Limits
	Availability availability.Policy
	// Predictor is asked once for many rows; nil leaves the merchant's word.
	Predictor  availability.Predictor
	Categories map[string]availability.Counts
	Products   map[normalize.GTIN]hydrate.Product
	// Known is by the merchant's item id.
	Known map[string]Known
}

// Outcome is what became of one row and what should be stored.
type Outcome struct {
	SKU         string
	Row         int64
	Disposition Disposition
	// Write says that State and Kept should be stored: true for Applied, and
	// for Held where something changed. Otherwise State is what it was.
	Write bool
	State State
	// Kept is what the merchant has said column by column, this row included.
	// It is the row itself for a full file; nil unless Write.
	Kept *feed.Row
	// Hold is the step of the item's hold; its Effect is NoHold for most rows.
	Hold guard.Transition
	// Confirmed is the source time that an unchanged row of a delta confirms,
	// and ConfirmedAvailability that of its availability; zero where nothing
	// need be noted, since a full file confirms its store by the watermark and a
	// written row by State's own times.
	Confirmed             time.Time
	ConfirmedAvailability time.Time
	// Problems are the row's; one is of severity Rejected where the row is.
	Problems []normalize.Problem
	// Rules are those that decided, stage by stage.
	Rules Rules
}

// Rules name what decided about a row in each stage; empty for the stages that
// it did not come to.
type Rules struct {
	Hydrate      hydrate.Rule
	Price        price.Rule
	Guard        guard.Rule
	Availability availability.Rule
}

// Tally counts dispositions.
type Tally struct {
	Read, Applied, Unchanged, Stale, Held, Rejected, Duplicate int64
}

// Count adds outcomes.
func (t *Tally) Count(outcomes []Outcome) {
	for i := range outcomes {
		t.Read++
		switch outcomes[i].Disposition {
		case Applied:
			t.Applied++
		case Unchanged:
			t.Unchanged++
		case Stale:
			t.Stale++
		case Held:
			t.Held++
		case Rejected:
			t.Rejected++
		case Duplicate:
			t.Duplicate++
		}
	}
}

// Closes says that every row read has exactly one disposition.
func (t Tally) Closes() bool {
	return t.Read == t.Applied+t.Unchanged+t.Stale+t.Held+t.Rejected+t.Duplicate
}

// Chunk judges rows of one store. Outcomes are in the order of rows, one each.
// Outcomes hold on to rows.
func Chunk(rows []feed.Row, in *Inputs) []Outcome {
	c := newChunk(in)
	outcomes := make([]Outcome, len(rows))
	passage := make([]work, min(len(rows), block))
	last := lastOf(rows)
	for start := 0; start < len(rows); start += block {
		rows, outcomes := rows[start:min(start+block, len(rows))], outcomes[start:min(start+block, len(rows))]
		for i := range rows {
			passage[i] = work{out: &outcomes[i]}
			if id := rows[i].Values[feed.ItemID]; last != nil && last[id] != start+i {
				outcomes[i] = Outcome{SKU: id, Row: rows[i].Number, Disposition: Duplicate}
				continue
			}
			c.read(&rows[i], &passage[i])
		}
		c.predict(passage[:len(rows)])
		for i := range rows {
			if outcomes[i].Disposition == 0 {
				c.decide(&passage[i])
			}
			outcomes[i].Rules = passage[i].rules()
		}
	}
	return outcomes
}

// lastOf finds the last row of each item, nil where the rows ascend by item, as
// a split file's do, so that none can come twice.
func lastOf(rows []feed.Row) map[string]int {
	ascending := true
	for i := 1; i < len(rows) && ascending; i++ {
		ascending = rows[i-1].Values[feed.ItemID] < rows[i].Values[feed.ItemID]
	}
	if ascending {
		return nil
	}
	last := make(map[string]int, len(rows))
	for i := range rows {
		last[rows[i].Values[feed.ItemID]] = i
	}
	return last
}
