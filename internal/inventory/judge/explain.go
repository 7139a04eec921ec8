package judge

import (
	"fmt"
	"strings"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// Story is what became of one row, stage by stage.
type Story struct {
	Store       string
	SKU         string
	FeedID      string // of the row that is told about
	Row         int64
	Line        int64 // of the file, 0 where unknown
	Disposition Disposition
	Hidden      Hidden // why customers do not see the item, empty where they do
	Steps       []Step
}

// Stage names a step's place in the pipeline.
type Stage string

// The stages, in order.
const (
	StageNormalize    Stage = "normalize"
	StageFreshness    Stage = "freshness"
	StageHydrate      Stage = "hydrate"
	StagePrice        Stage = "price"
	StageAvailability Stage = "availability"
	StageGuard        Stage = "guard"
	StageResult       Stage = "result"
)

// Judgement is what a stage said, in one word.
type Judgement string

// The judgements.
const (
	Passed  Judgement = "passed"   // nothing to remark
	Remark  Judgement = "noted"    // passed, with something worth telling
	Refused Judgement = "rejected" // the row ends here
	TooOld  Judgement = "stale"    // the row ends here
	OnHold  Judgement = "held"     // the price is held
	Hides   Judgement = "hidden"   // customers do not see the item
	Shows   Judgement = "shown"    // customers see it
)

// Step is one stage's part of a story.
type Step struct {
	Stage   Stage
	Verdict Judgement
	Rule    string    // the stage's own rule, stable for counting by
	Detail  string    // sentences with the values
	Fix     string    // what to do, empty where nothing is to be done
	At      time.Time // when what the step rests on was so
}

// Explain tells the story of one row by the path that Chunk takes: it runs the
// stages, and then reads what they left behind.
func Explain(row *feed.Row, in *Inputs) (Story, Outcome) {
	var outcome Outcome
	c := newChunk(in)
	passage := []work{{out: &outcome}}
	w := &passage[0]
	c.read(row, w)
	if outcome.Disposition == 0 {
		c.predict(passage)
		c.decide(w)
	}
	story := Story{
		Store: in.Store, SKU: outcome.SKU, FeedID: in.FeedID, Row: row.Number, Line: row.Line,
		Disposition: outcome.Disposition, Hidden: outcome.State.Hidden,
	}
	if in.Cause != Arrived && w.known.State != nil {
		story.FeedID, story.Row = w.known.State.FeedID, w.known.State.Row
	}
	t := teller{in: in, w: w}
	for _, tell := range []func() (Step, bool){t.normalize, t.freshness, t.hydrate, t.price, t.guard, t.availability} {
		step, more := tell()
		story.Steps = append(story.Steps, step)
		if !more {
			break
		}
	}
	story.Steps = append(story.Steps, t.result())
	return story, outcome
}

// teller puts verdicts into sentences.
type teller struct {
	in *Inputs
	w  *work
}

// rejection is the problem that ended the row, and whether it is one of rules.
func (t *teller) rejection(rules ...normalize.Rule) (normalize.Problem, bool) {
	for _, p := range t.w.out.Problems {
		if p.Severity != normalize.Rejected {
			continue
		}
		for _, rule := range rules {
			if p.Rule == rule {
				return p, true
			}
		}
	}
	return normalize.Problem{}, false
}

func refused(stage Stage, p normalize.Problem, at time.Time) Step {
	return Step{Stage: stage, Verdict: Refused, Rule: string(p.Rule), Detail: sentence(p), Fix: p.Fix, At: at}
}

func sentence(p normalize.Problem) string {
	if p.Value == "" {
		return fmt.Sprintf("Column %q %s.", p.Column, p.Reason)
	}
	return fmt.Sprintf("%q in column %q %s.", p.Value, p.Column, p.Reason)
}

func (t *teller) normalize() (Step, bool) {
	step := Step{Stage: StageNormalize, Verdict: Passed, Rule: "readable", At: t.in.Now}
	var told, fixes []string
	for _, p := range t.w.out.Problems {
		switch {
		case p.Rule == normalize.NoName, p.Rule == NoPrice, p.Rule == PriceOutOfRange:
			continue // told by the stage that found it
		case p.Severity == normalize.Rejected:
			return refused(StageNormalize, p, t.in.Now), false
		}
		if step.Verdict == Passed {
			step.Verdict, step.Rule = Remark, string(p.Rule)
		}
		told, fixes = append(told, sentence(p)), append(fixes, p.Fix)
	}
	step.Detail, step.Fix = strings.Join(told, " "), strings.Join(fixes, "; ")
	if step.Detail == "" {
		step.Detail = "Every value could be read."
	}
	return step, true
}

func (t *teller) freshness() (Step, bool) {
	w := t.w
	step := Step{Stage: StageFreshness, Verdict: Passed, Rule: "newer", At: w.at}
	switch {
	case w.out.Disposition == Stale:
		step.Verdict, step.Rule = TooOld, "stale"
		step.Detail = fmt.Sprintf("The row is of %s, and what is known is of %s.", stamp(w.at), stamp(w.bar))
		step.Fix = "nothing, if the file was only late; else check the times that the merchant writes"
		return step, false
	case t.in.Cause != Arrived:
		step.Rule = "kept"
		step.Detail = fmt.Sprintf("The kept row of %s is judged again.", stamp(w.at))
	case w.older:
		step.Verdict, step.Rule = Remark, "older_availability"
		step.Detail = fmt.Sprintf("The row is of %s; its word of availability gives way to one of %s.", stamp(w.at), stamp(w.availability))
	default:
		step.Detail = fmt.Sprintf("The row is of %s; nothing newer is known.", stamp(w.at))
	}
	return step, true
}

func (t *teller) hydrate() (Step, bool) {
	w := t.w
	if p, ok := t.rejection(normalize.NoName); ok {
		return refused(StageHydrate, p, t.in.Now), false
	}
	step := Step{Stage: StageHydrate, Verdict: Passed, Rule: string(w.hydrated.Rule), At: t.in.Now}
	switch w.hydrated.Rule {
	case hydrate.Matched:
		step.Detail = fmt.Sprintf("The catalogue knows GTIN %s and gave %s.", w.item.GTIN, w.hydrated.FromCatalog)
	case hydrate.Unmatched:
		step.Verdict = Remark
		step.Detail = fmt.Sprintf("The catalogue does not know GTIN %s; the merchant's own attributes stand.", w.item.GTIN)
		step.Fix = "add the product to the catalogue"
	case hydrate.NoGTIN:
		step.Detail = "The row has no GTIN to look up; the merchant's own attributes stand."
	case hydrate.InHouse:
		step.Detail = fmt.Sprintf("GTIN %s is the store's own number; the merchant's own attributes stand.", w.item.GTIN)
	case hydrate.NotApplied:
		step.Detail = "The file brings availability only."
	}
	return step, true
}

func (t *teller) price() (Step, bool) {
	w := t.w
	if p, ok := t.rejection(NoPrice, PriceOutOfRange); ok {
		step := refused(StagePrice, p, t.in.Now)
		step.Detail += saleSentence(w.priced.Sale, &w.item)
		return step, false
	}
	step := Step{Stage: StagePrice, Verdict: Passed, Rule: string(w.priced.Rule), At: t.in.Now}
	if t.in.Kind == feed.KindAvailability {
		step.Rule, step.Detail = string(price.Untouched), "The file brings availability only; the price stays."
		return step, true
	}
	currency := w.proposed.Currency
	base := money.Format(w.priced.Base, currency)
	switch w.priced.Rule {
	case price.PerPiece:
		step.Detail = fmt.Sprintf("The merchant's price is %s", base)
	case price.AverageWeight:
		step.Detail = fmt.Sprintf("The merchant's price is %s for %s, and a piece weighs %s on average", base, grams(t.base()), grams(w.priced.Weight))
	case price.PerWeight:
		step.Detail = fmt.Sprintf("The merchant's price is %s for %s, and no average weight is used", base, grams(w.proposed.Per))
	}
	if rate := t.in.Settings.Inflation; rate != 0 {
		step.Detail += fmt.Sprintf("; the store's inflation rate is %d.%02d %%", rate/100, max(rate, -rate)%100)
	}
	step.Detail += fmt.Sprintf(": %s.", amount(&w.proposed))
	step.Detail += saleSentence(w.priced.Sale, &w.item)
	if w.priced.Rounded {
		step.Verdict = Remark
		step.Detail += fmt.Sprintf(" It was rounded (%s).", t.in.Settings.Rounding)
	}
	if w.priced.Sale == price.SaleAboveRegular {
		step.Verdict, step.Fix = Remark, "correct the sale price, or leave it empty"
	}
	return step, true
}

// base is the weight that the merchant's price is for.
func (t *teller) base() normalize.Microgram {
	if item := &t.w.item; item.Price.Set || item.Sale.Set {
		return item.Base
	}
	return t.w.item.UnitBase
}

func saleSentence(s price.SaleState, item *normalize.Item) string {
	switch s {
	case price.SaleHolds:
		if !item.SaleUntil.IsZero() {
			return " It is a sale price until " + stamp(item.SaleUntil) + "."
		}
		return " It is a sale price."
	case price.SaleNotYet:
		return " The sale begins on " + stamp(item.SaleFrom) + "."
	case price.SaleOver:
		return " The sale ended on " + stamp(item.SaleUntil) + "."
	case price.SaleAboveRegular:
		return " The sale price is above the regular one and was passed over."
	}
	return ""
}

func (t *teller) guard() (Step, bool) {
	w := t.w
	step := Step{Stage: StageGuard, Verdict: Passed, Rule: string(w.guarded.Rule), At: t.in.Now}
	if t.in.Kind == feed.KindAvailability {
		step.Rule, step.Detail = string(price.Untouched), "The file brings availability only; the price stays."
		return step, true
	}
	step.Detail = w.guarded.Sentence(&w.proposed)
	switch w.out.Hold.Effect {
	case guard.OpenHold, guard.ReplaceHold, guard.KeepHold:
		step.Verdict = OnHold
		step.Fix = "approve the price if it is right; else discard it and ask the merchant"
		if hold := w.known.State; w.out.Hold.Effect == guard.KeepHold {
			step.At = hold.Hold.OpenedAt
			step.Detail += fmt.Sprintf(" The same price is held since %s.", stamp(step.At))
		}
		if w.out.Hold.Effect == guard.ReplaceHold {
			step.Detail += fmt.Sprintf(" It takes the place of the held %s.", amount(&w.out.Hold.Closed.Price))
		}
		step.Detail += shownMeanwhile(w.known.State)
	case guard.CloseHold:
		step.Verdict = Remark
		step.Detail += fmt.Sprintf(" It supersedes the held %s.", amount(&w.out.Hold.Closed.Price))
	case guard.Ignored:
		step.Verdict, step.Rule = Remark, string(guard.DiscardedBefore)
		step.Detail = fmt.Sprintf("%s was discarded before and stays so.", amount(&w.proposed)) + shownMeanwhile(w.known.State)
		step.Fix = "ask the merchant to correct the price; a different one is judged afresh"
	}
	return step, true
}

func shownMeanwhile(s *State) string {
	if s == nil || s.Price.Effective <= 0 {
		return " Nothing is shown meanwhile, because there was no good price before."
	}
	return fmt.Sprintf(" The last good price, %s, stays shown.", amount(&s.Price))
}

func (t *teller) availability() (Step, bool) {
	w := t.w
	step := Step{Stage: StageAvailability, Verdict: Passed, Rule: string(w.onShelf.Rule), At: w.availability}
	chance := fmt.Sprintf("The item is on the shelf with a probability of %.0f %%, by %s", 100*w.guess.Probability, levelWords[w.guess.Level])
	switch w.onShelf.Rule {
	case availability.MerchantOut:
		step.Verdict = Hides
		step.Detail = "The merchant says that it is out of stock."
		step.Fix = "wait for the merchant's next file, or ask"
	case availability.NoneLeft:
		step.Verdict = Hides
		step.Detail = "The merchant counts none on hand."
		step.Fix = "wait for the merchant's next file, or ask"
	case availability.PredictedOut:
		step.Verdict, step.At = Hides, t.in.Now
		step.Detail = fmt.Sprintf("%s, which is below the limit of %.0f %%.", chance, 100*t.in.Availability.Threshold)
		step.Fix = "a shopper's find, or time, brings it back; else lower the merchant's limit"
	case availability.PredictedIn:
		step.At = t.in.Now
		step.Detail = chance + "."
	case availability.NotPredicted:
		step.Detail = "The merchant does not say that it is out of stock, and nothing predicts."
	}
	if w.onShelf.Contradicted {
		step.Detail += fmt.Sprintf(" A shopper found it on %s all the same.", stamp(w.features.Last.At))
		step.Fix = "ask the merchant whether its stock system is late"
	}
	return step, true
}

var levelWords = [...]string{
	availability.PriorOnly:      "the general experience, as there is no history",
	availability.CategoryLevel:  "its category's history in this store",
	availability.ItemLevel:      "its history in all stores",
	availability.ItemStoreLevel: "its history in this store",
}

func (t *teller) result() Step {
	w := t.w
	step := Step{Stage: StageResult, Rule: w.out.Disposition.String(), At: t.in.Now}
	state := &w.out.State
	switch {
	case w.out.Disposition == Rejected || w.out.Disposition == Stale:
		step.Detail = "Nothing is written; what was known stays."
		if w.known.State == nil {
			step.Verdict, step.Detail = Hides, "Nothing is written, and the item is not known yet."
			return step
		}
	case w.out.Write:
		step.Detail = "The store item is written."
	default:
		step.Detail = "The result is what is stored already; nothing is written."
	}
	if !state.Shown() {
		step.Verdict = Hides
		step.Detail += fmt.Sprintf(" Customers do not see it: %s.", state.Hidden)
		return step
	}
	step.Verdict = Shows
	step.Detail += fmt.Sprintf(" Customers see %s for %s.", state.Name, amount(&state.Price))
	return step
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// amount writes a price with the weight that it is for.
func amount(p *price.Priced) string {
	if p.Per == 0 {
		return money.Format(p.Effective, p.Currency)
	}
	return money.Format(p.Effective, p.Currency) + " for " + grams(p.Per)
}

func grams(w normalize.Microgram) string {
	switch w {
	case normalize.Kilogram:
		return "1 kg"
	case normalize.Pound:
		return "1 lb"
	case normalize.Ounce:
		return "1 oz"
	}
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d.%06d", w/1_000_000, w%1_000_000), "0"), ".") + " g"
}
