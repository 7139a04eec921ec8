package guard

import (
	"errors"
	"fmt"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/price"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// Status is where a hold stands.
type Status uint8

// The statuses. Open is the only one that is not final.
const (
	Open Status = iota + 1
	Approved
	Discarded
	Superseded
)

func (s Status) String() string {
	switch s {
	case Open:
		return "open"
	case Approved:
		return "approved"
	case Discarded:
		return "discarded"
	case Superseded:
		return "superseded"
	}
	return "unknown"
}

// Hold is one held price of one store item.
type Hold struct {
	Price    price.Priced
	LastGood price.Priced // what is shown meanwhile, Effective zero for nothing
	Verdict  Verdict
	Status   Status
	OpenedAt time.Time
	ClosedAt time.Time
	ClosedBy string // who decided; empty where a newer price superseded it
	FeedID   string // the feed and row that first brought the price
	Row      int64
}

// Holds says that a price is the one held.
func (h *Hold) Holds(p *price.Priced) bool {
	return h.Price.Effective == p.Effective && h.Price.Per == p.Per && h.Price.Currency == p.Currency
}

// Discard is a price that a person refused, and what was shown when they did.
type Discard struct {
	Price    money.Minor
	LastGood money.Minor
}

// Effect is what a proposed price does to an item's hold.
type Effect uint8

// The effects.
const (
	NoHold      Effect = iota // nothing held after the row
	OpenHold                  // a hold begins
	KeepHold                  // the held price came again: the same hold
	ReplaceHold               // another price is held: the old hold is superseded
	CloseHold                 // a good price supersedes the hold
	Ignored                   // the price was discarded before and stays so
)

// Transition is the step of an item's hold that one row causes.
type Transition struct {
	Effect Effect
	// Closed is the superseded hold: always for ReplaceHold and CloseHold, and
	// for Ignored where another price was held.
	Closed *Hold
	// Opened is the new hold, for OpenHold and ReplaceHold.
	Opened *Hold
}

// Next is the step from the open hold (nil for none) and the discarded prices
// that a proposed price with its verdict causes. proposed.OpenedAt is the time
// of the step.
//
// A discarded price is ignored when it comes again, for as long as it would be
// held, or what is shown is what was shown when it was discarded. Only where
// good prices have moved the item to it step by step does it pass.
func Next(open *Hold, discarded []Discard, proposed *Hold) Transition {
	for _, d := range discarded {
		if d.Price != proposed.Price.Effective {
			continue
		}
		if proposed.Verdict.Held || d.LastGood == proposed.LastGood.Effective && d.Price != d.LastGood {
			t := Transition{Effect: Ignored}
			if open != nil {
				t.Closed = open.supersede(proposed.OpenedAt)
			}
			return t
		}
	}
	switch {
	case !proposed.Verdict.Held && open == nil:
		return Transition{Effect: NoHold}
	case !proposed.Verdict.Held:
		return Transition{Effect: CloseHold, Closed: open.supersede(proposed.OpenedAt)}
	case open != nil && open.Holds(&proposed.Price):
		return Transition{Effect: KeepHold}
	}
	opened := *proposed
	opened.Status = Open
	if open == nil {
		return Transition{Effect: OpenHold, Opened: &opened}
	}
	return Transition{Effect: ReplaceHold, Closed: open.supersede(proposed.OpenedAt), Opened: &opened}
}

func (h *Hold) supersede(at time.Time) *Hold {
	closed := *h
	closed.Status, closed.ClosedAt = Superseded, at
	return &closed
}

// Decision is what a person decided about an open hold.
type Decision struct {
	Status Status // Approved or Discarded
	// Price is the one that the person saw. The decision fails where another is
	// held by now.
	Price money.Minor
	By    string
	At    time.Time
}

// The reasons why a decision does not take.
var (
	ErrClosed       = errors.New("the hold is closed")
	ErrPriceChanged = errors.New("another price is held by now")
	ErrDecision     = errors.New("a hold is approved or discarded")
	ErrZero         = errors.New("a price of zero or less cannot be approved")
)

// Decide closes the hold by compare-and-set on its price. The same decision by
// the same person a second time finds the hold as it left it, and succeeds.
func Decide(h Hold, d Decision) (Hold, error) {
	if d.Status != Approved && d.Status != Discarded {
		return h, fmt.Errorf("decide on a hold: %w, not %s", ErrDecision, d.Status)
	}
	if d.Status == Approved && h.Price.Effective <= 0 {
		return h, fmt.Errorf("decide on a hold: %w: discard it, and ask for a price", ErrZero)
	}
	if d.Price != h.Price.Effective {
		return h, fmt.Errorf("decide on a hold of %s seen at %s: %w: look again",
			money.Format(h.Price.Effective, h.Price.Currency), money.Format(d.Price, h.Price.Currency), ErrPriceChanged)
	}
	if h.Status == d.Status && h.ClosedBy == d.By {
		return h, nil
	}
	if h.Status != Open {
		return h, fmt.Errorf("decide on a hold that is %s since %s: %w", h.Status, h.ClosedAt.UTC().Format(time.RFC3339), ErrClosed)
	}
	h.Status, h.ClosedAt, h.ClosedBy = d.Status, d.At, d.By
	return h, nil
}
