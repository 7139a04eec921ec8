package availability

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bodega-hq/bodega/internal/inventory/normalize"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestCounts(t *testing.T) {
	c := Counts{}.Add(Signal{Found: true, At: now.Add(-5 * day)}, 5*day).Add(Signal{Found: false, At: now}, 5*day)
	if !near(c.Found, 0.5) || !near(c.NotFound, 1) || !c.At.Equal(now) {
		t.Errorf("a find one half-life ago and a miss now are %+v", c)
	}
	if d := c.Decayed(now.Add(10*day), 5*day); !near(d.Found, 0.125) || !near(d.NotFound, 0.25) {
		t.Errorf("two half-lives later they are %+v", d)
	}
	if d := c.Decayed(now.Add(-day), 5*day); d != c {
		t.Errorf("an earlier instant changed them to %+v", d)
	}
}

// Signals may come in any order.
func TestCountsCommute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var signals []Signal
		for range rapid.IntRange(1, 12).Draw(t, "signals") {
			signals = append(signals, Signal{
				Found: rapid.Bool().Draw(t, "found"), At: now.Add(-time.Duration(rapid.Int64Range(0, int64(60*day)).Draw(t, "age"))),
			})
		}
		var a, b Counts
		for i := range signals {
			a = a.Add(signals[i], 5*day)
			b = b.Add(signals[len(signals)-1-i], 5*day)
		}
		a, b = a.Decayed(now, 5*day), b.Decayed(now, 5*day)
		if !near(a.Found, b.Found) || !near(a.NotFound, b.NotFound) {
			t.Fatalf("in order %+v, in reverse %+v", a, b)
		}
	})
}

func predict(f Features) Prediction {
	out := make([]Prediction, 1)
	DefaultBackOff().Predict([]Features{f}, out)
	return out[0]
}

func drawCounts(t *rapid.T, label string) Counts {
	return Counts{
		Found: rapid.Float64Range(0, 40).Draw(t, label+" found"), NotFound: rapid.Float64Range(0, 40).Draw(t, label+" not found"),
		At: now.Add(-time.Duration(rapid.Int64Range(0, int64(60*day)).Draw(t, label+" age"))),
	}
}

// At every level a miss lowers the prediction and a find raises it, a
// prediction is a probability, and an old miss says less than a new one.
func TestBackOffLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Features{ItemStore: drawCounts(t, "item store"), Item: drawCounts(t, "item"), Category: drawCounts(t, "category"), At: now}
		before := predict(f).Probability
		if !(before > 0 && before < 1) {
			t.Fatalf("the probability is %g", before)
		}
		for name, counts := range map[string]func(*Features) *Counts{
			"item store": func(f *Features) *Counts { return &f.ItemStore },
			"item":       func(f *Features) *Counts { return &f.Item },
			"category":   func(f *Features) *Counts { return &f.Category },
		} {
			missed, found, longAgo := f, f, f
			*counts(&missed) = counts(&f).Add(Signal{Found: false, At: now}, DefaultBackOff().HalfLife)
			*counts(&found) = counts(&f).Add(Signal{Found: true, At: now}, DefaultBackOff().HalfLife)
			*counts(&longAgo) = counts(&f).Add(Signal{Found: false, At: now.Add(-20 * day)}, DefaultBackOff().HalfLife)
			miss, find, old := predict(missed).Probability, predict(found).Probability, predict(longAgo).Probability
			// The order of arithmetic leaves the last digits open.
			const slack = 1e-9
			if miss > before+slack || find < before-slack || old < miss-slack {
				t.Fatalf("%s: %g, and %g after a miss, %g after a find, %g after an old miss", name, before, miss, find, old)
			}
		}
	})
}

func TestBackOffLevels(t *testing.T) {
	some := Counts{Found: 1, NotFound: 3, At: now}
	for _, c := range []struct {
		features Features
		level    Level
	}{
		{Features{At: now}, PriorOnly},
		{Features{At: now, Category: some}, CategoryLevel},
		{Features{At: now, Category: some, Item: some}, ItemLevel},
		{Features{At: now, Category: some, Item: some, ItemStore: some}, ItemStoreLevel},
		{Features{At: now, ItemStore: Counts{NotFound: 1, At: now.Add(-60 * day)}}, PriorOnly},
	} {
		if p := predict(c.features); p.Level != c.level {
			t.Errorf("%+v rests on level %d, want %d", c.features, p.Level, c.level)
		}
	}
	if p := predict(Features{At: now}); !near(p.Probability, DefaultBackOff().Prior) {
		t.Errorf("without history the probability is %g", p.Probability)
	}
	if a, b := DefaultBackOff(), (BackOff{HalfLife: day}); a.Version() == b.Version() {
		t.Errorf("two models share the version %s", a.Version())
	}
}

func TestJudge(t *testing.T) {
	found := Signal{Found: true, At: now}
	likely, unlikely := Prediction{0.9, ItemStoreLevel}, Prediction{0.1, ItemStoreLevel}
	policy := Policy{Threshold: 0.35, MinLevel: ItemLevel}
	for name, c := range map[string]struct {
		features     Features
		noneLeft     bool
		prediction   Prediction
		predicted    bool
		rule         Rule
		contradicted bool
	}{
		"in stock and likely":            {Features{Merchant: normalize.InStock}, false, likely, true, PredictedIn, false},
		"in stock and unlikely":          {Features{Merchant: normalize.InStock}, false, unlikely, true, PredictedOut, false},
		"unlikely by the category alone": {Features{}, false, Prediction{0.1, CategoryLevel}, true, PredictedIn, false},
		"at the threshold":               {Features{}, false, Prediction{0.35, ItemLevel}, true, PredictedIn, false},
		"nothing predicts":               {Features{}, false, Prediction{}, false, NotPredicted, false},
		"out of stock and likely":        {Features{Merchant: normalize.OutOfStock}, false, likely, true, MerchantOut, false},
		"out of stock, found since":      {Features{Merchant: normalize.OutOfStock, MerchantAt: now.Add(-day), Last: found}, false, likely, true, MerchantOut, true},
		"out of stock, found before":     {Features{Merchant: normalize.OutOfStock, MerchantAt: now.Add(day), Last: found}, false, likely, true, MerchantOut, false},
		"none left":                      {Features{Merchant: normalize.InStock}, true, likely, true, NoneLeft, false},
	} {
		v := Judge(&c.features, c.noneLeft, c.prediction, c.predicted, &policy)
		available := c.rule == PredictedIn || c.rule == NotPredicted
		if v.Rule != c.rule || v.Available != available || v.Contradicted != c.contradicted {
			t.Errorf("%s: %+v, want %s, contradicted %t", name, v, c.rule, c.contradicted)
		}
	}
}

func BenchmarkBackOff(b *testing.B) {
	features := make([]Features, 512)
	for i := range features {
		c := Counts{Found: float64(i % 7), NotFound: 1, At: now.Add(-day)}
		features[i] = Features{ItemStore: c, Item: c, Category: c, At: now}
	}
	out := make([]Prediction, len(features))
	model := DefaultBackOff()
	for b.Loop() {
		model.Predict(features, out)
	}
	b.ReportMetric(float64(len(features))*float64(b.N)/b.Elapsed().Seconds(), "predictions/s")
}
