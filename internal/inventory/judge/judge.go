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
	"github.com/bodega-hq/bodega/internal/platform/money"
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

// Cause is why rows are judged.
type Cause uint8

// The causes. With any but Arrived the rows are kept ones and no row is stale.
const (
	Arrived         Cause = iota // a feed brought the rows
	CatalogChanged               // a product of the catalogue did
	SettingsChanged              // the store's settings or limits did
	SignalChanged                // shoppers' signals or the model did
)

// Hidden is why an item is not shown.
type Hidden string

// The reasons, the first that applies.
const (
	Visible         Hidden = ""
	HiddenDelisted  Hidden = "delisted"   // absent from a full file
	HiddenNoPrice   Hidden = "price_held" // its only price is held
	HiddenMerchant  Hidden = "merchant_out_of_stock"
	HiddenPredicted Hidden = "predicted_out_of_stock"
)

// State is what is stored of one store item.
type State struct {
	SKU      string
	GTIN     normalize.GTIN
	Name     string
	Brand    string
	Category string
	Size     normalize.Size

	// Price is what is shown: the last good price. Its Effective is zero where
	// none ever was.
	Price  price.Priced
	Hidden Hidden
	// Merchant is the merchant's word; Percent the predicted probability of
	// being on the shelf in steps of five, -1 where nothing predicts.
	Merchant normalize.Availability
	Percent  int8
	// Approved is the price a person last approved, Discarded those discarded,
	// newest last, at most MaxDiscarded.
	Approved  money.Minor
	Discarded []money.Minor
	// Hold is the open hold, nil for none.
	Hold *guard.Hold

	// FeedID and Row are where the kept row came from.
	FeedID string
	Row    int64
	// SourceTime is when the merchant knew what the row says, AvailableTime
	// when it knew its word of availability.
	SourceTime    time.Time
	AvailableTime time.Time
	// Hash is of all of the above but times and provenance, and of the versions
	// that it rests on. Equal hashes need no write.
	Hash uint64
}

// Shown says whether customers see the item.
func (s *State) Shown() bool { return s.Hidden == Visible }

// MaxDiscarded is how many discarded prices a store item remembers.
const MaxDiscarded = 8

// Known is what is known of one store item before its row is judged.
type Known struct {
	// State is what is stored, nil for an item never seen.
	State *State
	// Kept is the row that State came from: what the merchant last said column
	// by column. A delta is laid over it. nil where State is nil.
	Kept *feed.Row
	// Confirmed is the newest source time that confirmed the item without
	// rewriting it, zero where State.SourceTime is the newest.
	Confirmed time.Time
	Median    guard.Median
	History   availability.ItemHistory
}

// Inputs are what a store's rows are judged with.
type Inputs struct {
	Store   string
	FeedID  string
	Kind    feed.Kind
	Cause   Cause
	Mapping *feed.Mapping
	// Currency is the store's.
	Location *time.Location
	// SourceTime is the file's; Watermark the newest source time of a full file
	// of this store that was applied; Now the time of judging.
	SourceTime time.Time
	Watermark  time.Time
	Now        time.Time

	Settings     price.Settings
	Limits       guard.Limits
	Availability availability.Policy
	// Predictor is asked once per chunk; nil leaves the merchant's word.
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
	// for Held where something changed.
	Write bool
	State State
	Kept  feed.Row
	// Hold is the step of the item's hold; its Effect is NoHold for most rows.
	Hold guard.Transition
	// Confirmed is the source time that the row confirms, also where nothing is
	// rewritten; zero where the row confirms nothing.
	Confirmed time.Time
	// Problems are the row's, one of them of severity Rejected where the row
	// is.
	Problems []normalize.Problem
}

// Chunk judges rows of one store. Outcomes are in the order of rows, one each.
func Chunk(rows []feed.Row, in *Inputs) []Outcome {
	panic("not written yet")
}

// Story is what became of one row, stage by stage.
type Story struct {
	Store       string
	SKU         string
	FeedID      string
	Row         int64
	Line        int64
	Disposition Disposition
	Stages      []Step
}

// Step is one stage's part of a story.
type Step struct {
	Stage   string // normalize, freshness, hydrate, price, availability, guard, result
	Verdict string // one word: passed, noted, dropped, held, rejected, …
	Rule    string // the stage's rule, for counting by
	Detail  string // a sentence with the values
	Fix     string // what to do, empty where nothing is to be done
	At      time.Time
}

// Explain tells the story of one row by the path that Chunk takes.
func Explain(row *feed.Row, in *Inputs) (Story, Outcome) {
	panic("not written yet")
}
