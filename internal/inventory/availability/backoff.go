package availability

import (
	"fmt"
	"math"
	"time"
)

// Decayed is the counts as of a later instant. Weights halve every halfLife; an
// earlier instant changes nothing.
func (c Counts) Decayed(at time.Time, halfLife time.Duration) Counts {
	age := at.Sub(c.At)
	if c.At.IsZero() || age <= 0 || halfLife <= 0 {
		return c
	}
	keep := math.Exp2(-float64(age) / float64(halfLife))
	return Counts{Found: c.Found * keep, NotFound: c.NotFound * keep, At: at}
}

// Add counts a signal. Signals may come in any order: one older than At is
// weighted by its age as of At.
func (c Counts) Add(s Signal, halfLife time.Duration) Counts {
	weight := 1.0
	if s.At.Before(c.At) {
		weight = math.Exp2(-float64(c.At.Sub(s.At)) / float64(halfLife))
	} else {
		c = c.Decayed(s.At, halfLife)
		c.At = s.At
	}
	if s.Found {
		c.Found += weight
	} else {
		c.NotFound += weight
	}
	return c
}

// Weight is how many fresh signals the counts are worth.
func (c Counts) Weight() float64 { return c.Found + c.NotFound }

// BackOff predicts by three nested Beta posteriors: the category's mean is the
// prior of the item's, the item's that of this item in this store. A level with
// many fresh signals speaks for itself; one with few leans on the next wider.
// Strengths are in signals. The zero value is not useful; take DefaultBackOff.
type BackOff struct {
	// HalfLife is the age at which a signal counts half.
	HalfLife time.Duration
	// Prior is the mean without any history, and PriorStrength how many
	// category signals it is worth.
	Prior         float64
	PriorStrength float64
	// CategoryStrength is how many of an item's signals the category's mean is
	// worth, ItemStrength how many of this store's the item's is.
	CategoryStrength float64
	ItemStrength     float64
}

// DefaultBackOff was chosen on one seed of the demo marketplace and scored on
// another; docs/inventory/stages.md has the figures.
func DefaultBackOff() BackOff {
	return BackOff{
		HalfLife: 2 * 24 * time.Hour, Prior: 0.92, PriorStrength: 8, CategoryStrength: 8, ItemStrength: 1,
	}
}

// Version names the model and its parameters.
func (b BackOff) Version() string {
	return fmt.Sprintf("backoff-1/%s/%g/%g/%g/%g", b.HalfLife, b.Prior, b.PriorStrength, b.CategoryStrength, b.ItemStrength)
}

// Predict implements Predictor.
func (b BackOff) Predict(features []Features, out []Prediction) {
	for i := range features {
		out[i] = b.one(&features[i])
	}
}

func (b BackOff) one(f *Features) Prediction {
	p := Prediction{Probability: b.Prior, Level: PriorOnly}
	for _, step := range [...]struct {
		counts   *Counts
		strength float64
		level    Level
	}{
		{&f.Category, b.PriorStrength, CategoryLevel},
		{&f.Item, b.CategoryStrength, ItemLevel},
		{&f.ItemStore, b.ItemStrength, ItemStoreLevel},
	} {
		if step.counts.Found <= 0 && step.counts.NotFound <= 0 {
			continue
		}
		c := step.counts.Decayed(f.At, b.HalfLife)
		p.Probability = (c.Found + step.strength*p.Probability) / (c.Weight() + step.strength)
		if c.Weight() >= minWeight {
			p.Level = step.level
		}
	}
	return p
}

// minWeight is the least weight at which a level is said to carry the
// prediction: a signal two half-lives old.
const minWeight = 0.25

// LastSignal is the naive predictor that others are measured against: the item
// is where the last shopper found it, and was not where they did not.
type LastSignal struct {
	Prior float64
}

// Version implements Predictor.
func (l LastSignal) Version() string { return fmt.Sprintf("last-signal-1/%g", l.Prior) }

// Predict implements Predictor.
func (l LastSignal) Predict(features []Features, out []Prediction) {
	for i := range features {
		switch f := &features[i]; {
		case f.Last.At.IsZero():
			out[i] = Prediction{Probability: l.Prior, Level: PriorOnly}
		case f.Last.Found:
			out[i] = Prediction{Probability: 1, Level: ItemStoreLevel}
		default:
			out[i] = Prediction{Probability: 0, Level: ItemStoreLevel}
		}
	}
}
