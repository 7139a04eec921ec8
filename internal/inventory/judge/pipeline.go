package judge

import (
	"math"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
)

// block is how many rows share a predictor's call and stay in the processor's
// cache between the two passes over them.
const block = 512

// chunk is what the rows of one call share.
type chunk struct {
	in          *Inputs
	rules       normalize.Rules
	rests       uint64
	model       uint64
	scratch     []byte
	problems    []normalize.Problem
	features    []availability.Features
	predictions []availability.Prediction
	asked       []*work
}

// work is one row on its way, with each stage's verdict: the story is told from
// it afterwards.
type work struct {
	row   *feed.Row
	kept  *feed.Row
	out   *Outcome
	known Known

	item         normalize.Item
	at           time.Time // source time of the row
	availability time.Time // source time of its word of availability
	older        bool      // its word of availability is older than what is known
	bar          time.Time // what a stale row is older than

	product  hydrate.Product
	hydrated hydrate.Verdict
	features availability.Features
	guess    availability.Prediction
	onShelf  availability.Verdict
	proposed price.Priced
	priced   price.Verdict
	guarded  guard.Verdict
}

func (w *work) rules() Rules {
	return Rules{Hydrate: w.hydrated.Rule, Price: w.priced.Rule, Guard: w.guarded.Rule, Availability: w.onShelf.Rule}
}

func newChunk(in *Inputs) *chunk {
	c := &chunk{in: in, rules: normalize.Rules{
		Mapping: in.Mapping, Currency: in.Settings.Currency, Location: in.Location, FileTime: in.SourceTime, Kind: in.Kind,
		Latest: in.Now.Add(clockSkew),
	}}
	if in.Now.IsZero() {
		c.rules.Latest = time.Time{}
	}
	c.scratch = make([]byte, 0, 1024)
	if in.Mapping != nil {
		c.scratch = appendText(c.scratch, in.Mapping.Version)
	}
	c.scratch = appendNumber(c.scratch, in.Settings.Version)
	c.scratch = appendNumber(c.scratch, in.Limits.Version)
	c.rests = fingerprint(c.scratch)
	c.scratch = appendNumber(c.scratch[:0], in.Availability.Version)
	if in.Predictor != nil {
		c.scratch = appendText(c.scratch, in.Predictor.Version())
	}
	c.model = fingerprint(c.scratch)
	return c
}

// clockSkew is how far a merchant's clock may run ahead of ours.
const clockSkew = 15 * time.Minute

// read takes a row through the stages that need no prediction.
func (c *chunk) read(row *feed.Row, w *work) {
	w.row, w.kept = row, row
	w.out.SKU, w.out.Row = row.Values[feed.ItemID], row.Number
	w.known = c.in.Known[w.out.SKU]
	state := w.known.State
	if state != nil {
		w.out.State = *state
	}
	if !c.normalize(w) || !c.fresh(w) {
		return
	}
	if c.in.Kind == feed.KindAvailability {
		w.hydrated = hydrate.Verdict{Rule: hydrate.NotApplied}
		w.item.Category = state.Category
	} else {
		var product *hydrate.Product
		if p, ok := c.in.Products[w.item.GTIN]; ok {
			w.product = p
			product = &w.product
		}
		w.hydrated = hydrate.Merge(&w.item, product)
		if w.item.Name == "" {
			c.reject(w, feed.Name, normalize.NoName, "is empty and the catalogue knows no name either", "send a name, or a GTIN that the catalogue knows")
			return
		}
	}
	w.features = availability.Features{
		ItemStore: w.known.History.ItemStore, Item: w.known.History.Item, Category: c.in.Categories[w.item.Category],
		Last: w.known.History.Last, Merchant: w.item.Availability, MerchantAt: w.availability, At: c.in.Now,
	}
}

// normalize lays a delta over the kept row and reads the result.
func (c *chunk) normalize(w *work) bool {
	state, arrived := w.known.State, c.in.Cause == Arrived
	if state == nil && c.in.Kind == feed.KindAvailability {
		c.reject(w, feed.ItemID, UnknownItem, "is an item that no file has described yet", "send the item with its price in a full or delta file first")
		return false
	}
	rules := &c.rules
	switch {
	case !arrived && state != nil:
		// A kept row is as old as its state, whenever it is judged again.
		again := c.rules
		again.FileTime = state.SourceTime
		rules = &again
	case arrived && w.known.Kept != nil && c.in.Kind != feed.KindFull:
		w.kept = overlay(w.known.Kept, w.row, c.in.Kind)
	}
	row := w.kept
	if c.in.Kind == feed.KindAvailability {
		row = w.row
	}
	before := len(c.problems)
	var ok bool
	w.item, c.problems, ok = normalize.Row(row, rules, c.problems)
	if len(c.problems) > before {
		w.out.Problems = c.problems[before:len(c.problems):len(c.problems)]
	}
	if !ok {
		w.out.Disposition = Rejected
	}
	return ok
}

// knownAvailability is the newest source time of what is known of the shelf.
func (c *chunk) knownAvailability(w *work) time.Time {
	if w.known.State == nil {
		return time.Time{}
	}
	return latest(w.known.State.AvailabilityTime, w.known.ConfirmedAvailability)
}

// fresh works out how old the row's words are. A full file is as old as its
// whole, whatever its rows' own times say: those are often when a price last
// changed, and the file vouches that it still holds.
func (c *chunk) fresh(w *work) bool {
	state := w.known.State
	if c.in.Cause != Arrived && state != nil {
		w.at, w.availability = state.SourceTime, state.AvailabilityTime
		return true
	}
	w.at = w.item.SourceTime
	if c.in.Kind == feed.KindFull {
		w.at = c.in.SourceTime
	}
	w.availability = w.at
	w.bar = c.in.Watermark
	if state != nil {
		if c.in.Kind == feed.KindAvailability {
			w.bar = latest(w.bar, c.knownAvailability(w))
		} else {
			w.bar = latest(w.bar, latest(state.SourceTime, w.known.Confirmed))
		}
	}
	if w.at.Before(w.bar) {
		w.out.Disposition = Stale
		return false
	}
	if shelf := c.knownAvailability(w); state != nil && c.in.Kind != feed.KindAvailability {
		silent := c.in.Kind == feed.KindDelta && w.row.Values[feed.Availability] == "" && w.row.Values[feed.Quantity] == ""
		if w.older = shelf.After(w.at); w.older || silent {
			w.availability = shelf
		}
		if w.older && !silent && w.known.Kept != nil {
			c.keepShelf(w)
		}
	}
	return true
}

// keepShelf takes the columns of availability from the kept row: the row is
// newer than what is known of the price, and older than what is known of the
// shelf.
func (c *chunk) keepShelf(w *work) {
	merged := *w.kept
	merged.Values[feed.Availability] = w.known.Kept.Values[feed.Availability]
	merged.Values[feed.Quantity] = w.known.Kept.Values[feed.Quantity]
	w.kept = &merged
	rules := c.rules
	rules.Kind = feed.KindAvailability
	shelf, _, _ := normalize.Row(&merged, &rules, nil) // what is wrong with it was told when it came
	w.item.Availability, w.item.Quantity, w.item.QuantityKnown = shelf.Availability, shelf.Quantity, shelf.QuantityKnown
}

// predict asks the predictor for all rows of the block that still need it.
func (c *chunk) predict(block []work) {
	if c.in.Predictor == nil {
		return
	}
	c.features, c.asked = c.features[:0], c.asked[:0]
	for i := range block {
		if w := &block[i]; w.out.Disposition == 0 {
			c.features, c.asked = append(c.features, w.features), append(c.asked, w)
		}
	}
	if cap(c.predictions) < len(c.features) {
		c.predictions = make([]availability.Prediction, max(len(c.features), cap(c.features)))
	}
	c.predictions = c.predictions[:len(c.features)]
	c.in.Predictor.Predict(c.features, c.predictions)
	for i, w := range c.asked {
		w.guess = c.predictions[i]
	}
}

// decide takes the row through the remaining stages and settles its state.
func (c *chunk) decide(w *work) {
	next := c.start(w)
	if c.in.Kind != feed.KindAvailability && !c.price(w, &next) {
		return
	}
	w.onShelf = availability.Judge(&w.features, w.item.QuantityKnown && w.item.Quantity == 0, w.guess, c.in.Predictor != nil, &c.in.Availability)
	next.Merchant, next.Available, next.Percent = w.item.Availability, w.onShelf.Rule, -1
	next.AvailabilityTime, next.Model = w.availability, c.model
	if c.in.Predictor != nil {
		next.Percent = percent(w.guess.Probability, w.known.State)
	}
	if next.Hidden == HiddenDelisted && c.in.Cause == Arrived && c.in.Kind != feed.KindAvailability {
		next.Hidden = Visible // a row that arrives and describes the item lists it again
	}
	c.scratch = next.settle(c.scratch)

	previous, out := w.known.State, w.out
	out.Write = previous == nil || previous.Hash != next.Hash
	switch effect := out.Hold.Effect; {
	case effect == guard.OpenHold, effect == guard.KeepHold, effect == guard.ReplaceHold:
		out.Disposition = Held
	case out.Write:
		out.Disposition = Applied
	default:
		out.Disposition = Unchanged
	}
	if out.Write {
		out.State, out.Kept = next, w.kept
		return
	}
	if c.in.Cause != Arrived || c.in.Kind == feed.KindFull {
		return
	}
	if c.in.Kind == feed.KindDelta && w.at.After(latest(previous.SourceTime, w.known.Confirmed)) {
		out.Confirmed = w.at
	}
	if w.availability.After(c.knownAvailability(w)) {
		out.ConfirmedAvailability = w.availability
	}
}

// percent is the probability in steps of five. What is stored already stands as
// long as it is less than ten off: histories fade by the hour, and rows are not
// rewritten for that.
func percent(p float64, previous *State) int8 {
	p = 100 * min(max(p, 0), 1)
	if previous != nil && previous.Percent >= 0 && math.Abs(p-float64(previous.Percent)) < 10 {
		return previous.Percent
	}
	return int8(math.Round(p/5)) * 5
}

// start is the state that the row's outcome is written over.
func (c *chunk) start(w *work) State {
	previous := w.known.State
	if c.in.Kind == feed.KindAvailability {
		return *previous
	}
	item := &w.item
	next := State{
		SKU: item.SKU, GTIN: item.GTIN, Name: item.Name, Brand: item.Brand, Category: item.Category, Size: item.Size,
		ImageURL: w.kept.Values[feed.ImageURL], RejudgeAt: price.NextChange(item, c.in.Now),
		FeedID: c.in.FeedID, Row: w.row.Number, SourceTime: w.at, Rests: mix(c.rests, w.hydrated.Version),
	}
	next.Price.Currency = c.in.Settings.Currency
	if previous != nil {
		next.Price, next.Hold = previous.Price, previous.Hold
		next.Approved, next.Discarded, next.Hidden = previous.Approved, previous.Discarded, previous.Hidden
		if c.in.Cause != Arrived {
			next.FeedID, next.Row = previous.FeedID, previous.Row
		}
	}
	return next
}

// price computes the price, has it judged and takes the step of the hold.
func (c *chunk) price(w *work, next *State) bool {
	w.proposed, w.priced = price.Effective(&w.item, &c.in.Settings, c.in.Now)
	switch w.priced.Rule {
	case price.NoPrice:
		if c.in.Cause != Arrived {
			// The sale that was its only price is over: nothing is left to show.
			next.Price = price.Priced{Currency: c.in.Settings.Currency}
			return true
		}
		c.reject(w, feed.Price, NoPrice, "is empty and so is every other price that holds now", "send the price that a customer pays")
		return false
	case price.OutOfRange:
		c.reject(w, feed.Price, PriceOutOfRange, "becomes too large with weight and inflation", "check the average weight, and the store's inflation rate")
		return false
	}
	evidence := guard.Evidence{LastGood: next.Price, Approved: next.Approved, Median: w.known.Median}
	w.guarded = guard.Judge(&w.proposed, &evidence, &c.in.Limits)
	if !w.guarded.Held && next.Hold == nil && len(next.Discarded) == 0 {
		next.Price = w.proposed
		return true
	}
	proposed := guard.Hold{
		Price: w.proposed, LastGood: next.Price, Verdict: w.guarded, OpenedAt: c.in.Now, FeedID: next.FeedID, Row: next.Row,
	}
	w.out.Hold = guard.Next(next.Hold, next.Discarded, &proposed)
	switch w.out.Hold.Effect {
	case guard.NoHold, guard.CloseHold:
		next.Price, next.Hold = w.proposed, nil
	case guard.OpenHold, guard.ReplaceHold:
		next.Hold = w.out.Hold.Opened
	case guard.Ignored:
		next.Hold = nil
	}
	return true
}

// The rules by which this package rejects rows that the stages could read.
const (
	UnknownItem     normalize.Rule = "unknown_item"
	NoPrice         normalize.Rule = "no_price"
	PriceOutOfRange normalize.Rule = "price_out_of_range"
)

func (c *chunk) reject(w *work, f feed.Field, rule normalize.Rule, reason, fix string) {
	w.out.Disposition = Rejected
	w.out.Hold = guard.Transition{}
	problem := normalize.About(w.kept, c.in.Mapping, f, normalize.Rejected, rule, reason, fix)
	w.out.Problems = append(w.out.Problems, problem)
}

// mix joins two fingerprints.
func mix(a, b uint64) uint64 {
	h := a ^ b*0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

// prices are the columns that a delta replaces together: a row that gives one
// of them without a sale price ends the sale.
var prices = [...]feed.Field{feed.Price, feed.SalePrice, feed.SalePeriod, feed.Currency, feed.UnitPrice, feed.UnitPriceBase}

// overlay lays what a row says over what the merchant said before. An empty
// column leaves what is known, but the columns of prices go together, and a
// time is only ever the row's own.
func overlay(kept, row *feed.Row, kind feed.Kind) *feed.Row {
	merged := *kept
	merged.Number, merged.Line = row.Number, row.Line
	merged.Values[feed.SourceTime] = row.Values[feed.SourceTime]
	if kind == feed.KindAvailability {
		merged.Values[feed.Availability] = row.Values[feed.Availability]
		merged.Values[feed.Quantity] = row.Values[feed.Quantity]
		return &merged
	}
	for _, f := range prices {
		if row.Values[f] != "" {
			for _, f := range prices {
				merged.Values[f] = row.Values[f]
			}
			break
		}
	}
	if row.Values[feed.Availability] != "" || row.Values[feed.Quantity] != "" {
		merged.Values[feed.Availability] = row.Values[feed.Availability]
		merged.Values[feed.Quantity] = row.Values[feed.Quantity]
	}
	for f := range feed.NumFields {
		if row.Values[f] != "" {
			merged.Values[f] = row.Values[f]
		}
	}
	return &merged
}
