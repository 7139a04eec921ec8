// Package availability predicts whether an item can be found on the shelf,
// from what shoppers found and did not find. The arithmetic is floating point:
// these are probabilities, not money.
package availability

import (
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/normalize"
)

// Counts are found and not-found signals, each weighted by its age: a signal
// one half-life old counts half. The weights are as of At. Counts are kept with
// one half-life, the predictor's.
type Counts struct {
	Found    float64
	NotFound float64
	At       time.Time
}

// Signal is what one shopper met at the shelf.
type Signal struct {
	Found bool
	At    time.Time
}

// Features are what a predictor may know of one store item at one instant.
type Features struct {
	// ItemStore, Item and Category count the signals of this item in this
	// store, of this item in all stores of the merchant, and of the category in
	// this store, all as of the same instant.
	ItemStore Counts
	Item      Counts
	Category  Counts
	// Last is the newest signal of this item in this store; its zero time means
	// that there is none.
	Last Signal
	// Merchant is the merchant's word, and MerchantAt when it was given.
	Merchant   normalize.Availability
	MerchantAt time.Time
	// At is the instant predicted for.
	At time.Time
}

// Level is the narrowest history that a prediction rests on.
type Level uint8

// The levels, from no history at all to this item in this store.
const (
	PriorOnly Level = iota
	CategoryLevel
	ItemLevel
	ItemStoreLevel
)

// Prediction is the probability that the item is on the shelf.
type Prediction struct {
	Probability float64
	Level       Level
}

// Predictor is what the pipeline asks. Predict fills out[i] for features[i];
// the slices are of one length. It is pure: the same features give the same
// predictions for one Version.
type Predictor interface {
	Predict(features []Features, out []Prediction)
	Version() string
}

// History is what is known of one store: counts by the merchant's item id and
// by category.
type History struct {
	Items      map[string]ItemHistory
	Categories map[string]Counts
}

// ItemHistory is what is known of one item of a store.
type ItemHistory struct {
	ItemStore Counts
	Item      Counts
	Last      Signal
}

// Policy says what becomes of a prediction.
type Policy struct {
	// Threshold is the probability below which an item is hidden; 0 never
	// hides.
	Threshold float64
	// MinLevel is the widest history that may hide an item: ItemStoreLevel
	// hides only what this store's own shoppers missed.
	MinLevel Level
	Version  uint64
}

// Rule names what decided.
type Rule string

// The rules of this stage.
const (
	MerchantOut  Rule = "merchant_out_of_stock" // the merchant's own word: always wins downwards
	NoneLeft     Rule = "quantity_zero"         // the merchant's count says so
	PredictedOut Rule = "predicted_out_of_stock"
	PredictedIn  Rule = "predicted_in_stock"
	NotPredicted Rule = "not_predicted" // no predictor: the merchant's word stands
)

// Verdict is what the stage decided.
type Verdict struct {
	Rule       Rule
	Available  bool
	Prediction Prediction
	// Contradicted says that a shopper found the item after the merchant had
	// called it out of stock. The merchant's word stands; somebody should ask.
	Contradicted bool
}

// Judge decides from the merchant's words and the prediction. predicted is
// false where no predictor was asked. The merchant's own "out of stock" wins
// whatever shoppers found: the merchant may know that the last one is gone, or
// recalled, and an item wrongly hidden costs a sale where one wrongly shown
// costs an order.
func Judge(f *Features, noneLeft bool, p Prediction, predicted bool, policy *Policy) Verdict {
	v := Verdict{Prediction: p}
	switch {
	case f.Merchant == normalize.OutOfStock:
		v.Rule = MerchantOut
		v.Contradicted = f.Last.Found && f.Last.At.After(f.MerchantAt)
	case noneLeft:
		v.Rule = NoneLeft
		v.Contradicted = f.Last.Found && f.Last.At.After(f.MerchantAt)
	case !predicted:
		v.Rule, v.Available = NotPredicted, true
	case p.Probability < policy.Threshold && p.Level >= policy.MinLevel:
		v.Rule = PredictedOut
	default:
		v.Rule, v.Available = PredictedIn, true
	}
	return v
}
