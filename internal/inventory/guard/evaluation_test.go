package guard

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bodega-hq/bodega/internal/inventory/price"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// TestEvaluation measures the default limits on a seeded, simulated day of a
// merchant with eight stores: honest changes and sales, and among them the four
// mistakes of a slipped decimal point. It prints the figures that
// docs/inventory/stages.md quotes, and fails where they fall.
func TestEvaluation(t *testing.T) {
	const (
		items, stores = 20000, 8
		faultShare    = 0.02
	)
	r := rand.New(rand.NewPCG(20260301, 7))
	limits := DefaultLimits("USD")
	var all class
	byFault := map[string]*class{"x10": {}, "/10": {}, "x100": {}, "/100": {}}
	byEvidence := map[string]*class{"previous": {}, "median only": {}, "nothing": {}}
	byHonest := map[string]*class{"unchanged": {}, "drift": {}, "sale": {}, "sale ends": {}, "clearance": {}, "new item": {}}
	for range items {
		// Shelf prices are about log-normal around 4.50.
		base := math.Exp(math.Log(450) + 0.9*r.NormFloat64())
		carried := 1 + r.IntN(stores)
		shelf := make([]money.Minor, carried)
		for s := range shelf {
			shelf[s] = max(money.Minor(math.Round(base*(1+0.06*r.NormFloat64()))), 9)
		}
		sorted := slices.Sorted(slices.Values(shelf))
		median := Median{Price: sorted[(carried-1)/2], Stores: carried}
		for s := range shelf {
			e := Evidence{LastGood: usd(shelf[s]), Median: median}
			honest, proposed := honestChange(r, shelf[s], &e)
			evidence := "previous"
			if r.Float64() < 0.05 {
				e.LastGood, honest, evidence = price.Priced{}, "new item", "median only"
				if e.Median.Stores--; e.Median.Stores < limits.MinStores { // its own price is not known
					evidence = "nothing"
				}
			}
			fault := ""
			if r.Float64() < faultShare {
				fault = []string{"x10", "/10", "x100", "/100"}[r.IntN(4)]
				proposed.Effective = slip(proposed.Effective, fault)
				if r.IntN(2) == 0 { // the other half slips in one column only
					proposed.Regular = slip(proposed.Regular, fault)
				}
				if proposed.Regular <= proposed.Effective {
					proposed.Regular = 0
				}
			}
			held := Judge(&proposed, &e, &limits).Held
			for _, c := range []*class{&all, byEvidence[evidence]} {
				c.count(fault != "", held)
			}
			if fault != "" {
				byFault[fault].count(true, held)
			} else {
				byHonest[honest].count(false, held)
			}
		}
	}
	recall := func(c *class) float64 { return float64(c.caught) / float64(max(c.faults, 1)) }
	falseHolds := func(c *class) float64 { return float64(c.held) / float64(max(c.honest, 1)) }
	t.Logf("simulated: %d honest changes and %d mistakes", all.honest, all.faults)
	t.Logf("recall %.4f, false holds %.5f", recall(&all), falseHolds(&all))
	for _, name := range []string{"x10", "/10", "x100", "/100"} {
		t.Logf("  mistake %-11s recall %.4f of %d", name, recall(byFault[name]), byFault[name].faults)
	}
	for _, name := range []string{"previous", "median only", "nothing"} {
		c := byEvidence[name]
		t.Logf("  knowing %-11s recall %.4f of %d, false holds %.5f of %d", name, recall(c), c.faults, falseHolds(c), c.honest)
	}
	for _, name := range []string{"unchanged", "drift", "sale", "sale ends", "clearance", "new item"} {
		t.Logf("  honest %-12s false holds %.5f of %d", name, falseHolds(byHonest[name]), byHonest[name].honest)
	}
	if recall(byEvidence["previous"]) < 0.985 || recall(byEvidence["median only"]) < 0.99 {
		t.Error("more than 15 in 1000 mistakes pass where a previous price is known, or 10 where a median is")
	}
	if falseHolds(&all) > 0.005 || byHonest["sale"].held+byHonest["sale ends"].held > 0 {
		t.Error("more than 1 in 200 honest changes are held, or any sale of up to 60 %")
	}
}

// class counts one kind of change: mistakes and those caught, honest changes
// and those held.
type class struct{ faults, caught, honest, held int }

func (c *class) count(fault, held bool) {
	switch {
	case fault && held:
		c.faults, c.caught = c.faults+1, c.caught+1
	case fault:
		c.faults++
	case held:
		c.honest, c.held = c.honest+1, c.held+1
	default:
		c.honest++
	}
}

// honestChange is what a merchant does to a price on an ordinary day. Half of
// all reductions come with the regular price.
func honestChange(r *rand.Rand, shelf money.Minor, e *Evidence) (kind string, proposed price.Priced) {
	times := func(f float64) price.Priced { return usd(max(money.Minor(math.Round(float64(shelf)*f)), 1)) }
	reduced := func(f float64) price.Priced {
		p := times(f)
		if r.IntN(2) == 0 && p.Effective < shelf {
			p.Regular = shelf
		}
		return p
	}
	switch p := r.Float64(); {
	case p < 0.70:
		return "unchanged", usd(shelf)
	case p < 0.85:
		return "drift", times(1 + 0.06*r.NormFloat64())
	case p < 0.93:
		return "sale", reduced(0.40 + 0.30*r.Float64()) // 30 to 60 % off
	case p < 0.98:
		e.LastGood = reduced(0.40 + 0.30*r.Float64()) // yesterday's price was the sale price
		return "sale ends", usd(shelf)
	default:
		return "clearance", reduced(0.20 + 0.20*r.Float64()) // 60 to 80 % off
	}
}

func slip(p money.Minor, fault string) money.Minor {
	switch fault {
	case "x10":
		return p * 10
	case "x100":
		return p * 100
	}
	by := int64(10)
	if fault == "/100" {
		by = 100
	}
	v, _, _ := money.MulDiv(p, 1, by, money.HalfAwayFromZero)
	return v
}
