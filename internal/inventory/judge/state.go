package judge

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// Hidden is why an item is not shown.
type Hidden string

// The reasons, in order: the first that applies is told.
const (
	Visible         Hidden = ""
	HiddenDelisted  Hidden = "delisted"      // absent from a full file
	HiddenNoPrice   Hidden = "no_good_price" // its only price is held, was discarded, or was that of a sale that is over
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
	ImageURL string

	// Price is what is shown: the last good price. Its Effective is zero where
	// none ever was.
	Price price.Priced
	// RejudgeAt is when a sale's beginning or end changes the price by itself,
	// zero where none does.
	RejudgeAt time.Time
	Hidden    Hidden
	// Merchant is the merchant's word; Available what decided about
	// availability; Percent the predicted probability of being on the shelf in
	// steps of five, less than ten off, -1 where nothing predicts.
	Merchant  normalize.Availability
	Available availability.Rule
	Percent   int8
	// Approved is the price a person last approved, Discarded those refused,
	// newest last, at most MaxDiscarded.
	Approved  money.Minor
	Discarded []guard.Discard
	// Hold is the open hold, nil for none.
	Hold *guard.Hold

	// FeedID and Row are where the kept row came from.
	FeedID string
	Row    int64
	// SourceTime is when the merchant knew what the row says, AvailabilityTime
	// when it knew its word of availability.
	SourceTime       time.Time
	AvailabilityTime time.Time
	// Rests is the fingerprint of the versions of mapping, catalogue entry,
	// settings and limits that the result rests on, Model that of the policy
	// and the predictor.
	Rests uint64
	Model uint64
	// Hash is of all of the above but provenance and source times. A result of
	// equal hash need not be written.
	Hash uint64
}

// MaxDiscarded is how many discarded prices a store item remembers.
const MaxDiscarded = 8

// Shown says whether customers see the item.
func (s *State) Shown() bool { return s.Hidden == Visible }

// settle works out what follows from the other attributes: whether the item is
// shown, and the hash.
func (s *State) settle(scratch []byte) []byte {
	switch {
	case s.Hidden == HiddenDelisted:
	case s.Price.Effective <= 0:
		s.Hidden = HiddenNoPrice
	case s.Available == availability.MerchantOut, s.Available == availability.NoneLeft:
		s.Hidden = HiddenMerchant
	case s.Available == availability.PredictedOut:
		s.Hidden = HiddenPredicted
	default:
		s.Hidden = Visible
	}
	scratch = s.appendResult(scratch[:0])
	s.Hash = fingerprint(scratch)
	return scratch
}

// appendResult writes every attribute that the hash is of, each of fixed size
// or led by its length, so that no two states write the same bytes.
func (s *State) appendResult(b []byte) []byte {
	b = appendText(b, s.SKU)
	b = appendNumber(b, uint64(s.GTIN))
	b = appendText(b, s.Name)
	b = appendText(b, s.Brand)
	b = appendText(b, s.Category)
	b = appendNumber(b, uint64(s.Size.Count)<<8|uint64(s.Size.Unit))
	b = appendNumber(b, uint64(s.Size.Milli))
	b = appendText(b, s.ImageURL)
	b = appendPriced(b, &s.Price)
	b = appendNumber(b, seconds(s.RejudgeAt))
	b = appendText(b, string(s.Hidden))
	b = append(b, byte(s.Merchant), byte(s.Percent))
	b = appendText(b, string(s.Available))
	b = appendNumber(b, uint64(s.Approved))
	b = append(b, byte(len(s.Discarded)))
	for _, d := range s.Discarded {
		b = appendNumber(b, uint64(d.Price))
		b = appendNumber(b, uint64(d.LastGood))
	}
	if s.Hold == nil {
		b = append(b, 0)
	} else {
		b = append(b, 1)
		b = appendPriced(b, &s.Hold.Price)
	}
	b = appendNumber(b, s.Rests)
	return appendNumber(b, s.Model)
}

func appendPriced(b []byte, p *price.Priced) []byte {
	b = appendText(b, string(p.Currency))
	b = appendNumber(b, uint64(p.Effective))
	b = appendNumber(b, uint64(p.Regular))
	return appendNumber(b, uint64(p.Per))
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendNumber(b []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(b, v) }

func seconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.Unix())
}

// fingerprint is the first 64 bits of SHA-256: the same on every machine and in
// every version, and not to be steered by who writes a feed.
func fingerprint(b []byte) uint64 {
	sum := sha256.Sum256(b)
	return binary.LittleEndian.Uint64(sum[:8])
}

// Delist is the state of an item that a full file of the source time does not
// list. ok is false where nothing changes: it is delisted already, or something
// newer than the file has confirmed it.
func Delist(k *Known, sourceTime time.Time) (state State, ok bool) {
	if k.State == nil || k.State.Hidden == HiddenDelisted {
		return State{}, false
	}
	if latest(k.State.SourceTime, k.Confirmed).After(sourceTime) {
		return State{}, false
	}
	state = *k.State
	state.Hidden = HiddenDelisted
	state.SourceTime = sourceTime
	state.settle(nil)
	return state, true
}

// Decide applies a person's decision to the item whose hold it is. hold is the
// stored hold, which is compared and set.
func Decide(state State, hold guard.Hold, d guard.Decision) (State, guard.Hold, error) {
	decided, err := guard.Decide(hold, d)
	if err != nil {
		return state, hold, fmt.Errorf("item %s: %w", state.SKU, err)
	}
	if state.Hold == nil || !state.Hold.Holds(&decided.Price) {
		return state, decided, nil // a repetition: the state has the decision already
	}
	state.Hold = nil
	switch decided.Status {
	case guard.Approved:
		state.Price, state.Approved = decided.Price, decided.Price.Effective
		if i := slices.IndexFunc(state.Discarded, func(d guard.Discard) bool { return d.Price == state.Approved }); i >= 0 {
			state.Discarded = slices.Delete(slices.Clone(state.Discarded), i, i+1)
		}
	case guard.Discarded:
		kept := state.Discarded[max(0, len(state.Discarded)-MaxDiscarded+1):]
		state.Discarded = append(slices.Clone(kept), guard.Discard{Price: decided.Price.Effective, LastGood: state.Price.Effective})
	}
	state.settle(nil)
	return state, decided, nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
