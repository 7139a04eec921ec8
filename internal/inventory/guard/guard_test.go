package guard

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

func usd(amount money.Minor) price.Priced { return price.Priced{Currency: "USD", Effective: amount} }

func TestJudge(t *testing.T) {
	limits := DefaultLimits("USD")
	limits.Floor = 5
	median := func(p money.Minor, stores int) Median { return Median{Price: p, Stores: stores} }
	sale := price.Priced{Currency: "USD", Effective: 50, Regular: 299}
	perKilogram := price.Priced{Currency: "USD", Effective: 999, Per: normalize.Kilogram}
	for name, c := range map[string]struct {
		proposed price.Priced
		evidence Evidence
		rule     Rule
		held     bool
	}{
		"zero":                                    {usd(0), Evidence{}, ZeroPrice, true},
		"zero again":                              {usd(0), Evidence{LastGood: usd(0), Approved: 0}, ZeroPrice, true},
		"below zero":                              {usd(-5), Evidence{Approved: -5}, ZeroPrice, true},
		"the same":                                {usd(299), Evidence{LastGood: usd(299), Median: median(29900, 5)}, Unchanged, false},
		"the same below the floor":                {usd(3), Evidence{LastGood: usd(3)}, Unchanged, false},
		"below the floor":                         {usd(3), Evidence{LastGood: usd(6)}, BelowFloor, true},
		"above the ceiling":                       {usd(10_000_001), Evidence{LastGood: usd(9_999_999)}, AboveCeiling, true},
		"a small step":                            {usd(319), Evidence{LastGood: usd(299)}, WithinLimits, false},
		"a sale of 60 %":                          {usd(120), Evidence{LastGood: usd(299)}, WithinLimits, false},
		"the end of a sale of 60 %":               {usd(299), Evidence{LastGood: usd(120)}, WithinLimits, false},
		"the end of a dearer sale":                {usd(299), Evidence{LastGood: sale}, WithinLimits, false},
		"a sale of 80 % with its regular price":   {sale, Evidence{LastGood: usd(299)}, WithinLimits, false},
		"a sale of 80 % without":                  {usd(50), Evidence{LastGood: usd(299)}, JumpOnPrevious, true},
		"a sale of 80 % off what was never shown": {sale, Evidence{LastGood: usd(499)}, PowerOfTen, true},
		"a slip in the sale column":               {price.Priced{Currency: "USD", Effective: 25, Regular: 299}, Evidence{LastGood: usd(299)}, PowerOfTen, true},
		"beyond the end of that sale":             {usd(399), Evidence{LastGood: sale}, JumpOnPrevious, true},
		"times ten":                               {usd(2990), Evidence{LastGood: usd(299)}, PowerOfTen, true},
		"times ten and dearer":                    {usd(3290), Evidence{LastGood: usd(299)}, PowerOfTen, true},
		"a tenth":                                 {usd(30), Evidence{LastGood: usd(299)}, PowerOfTen, true},
		"times a hundred":                         {usd(29900), Evidence{LastGood: usd(299)}, PowerOfTen, true},
		"a hundredth":                             {usd(30), Evidence{LastGood: usd(2999)}, PowerOfTen, true},
		"times four":                              {usd(1200), Evidence{LastGood: usd(300)}, JumpOnPrevious, true},
		"times four, as others":                   {usd(1200), Evidence{LastGood: usd(300), Median: median(1199, 3)}, MedianAgrees, false},
		"times four, as two others":               {usd(1200), Evidence{LastGood: usd(300), Median: median(1199, 2)}, JumpOnPrevious, true},
		"a correction to others' price":           {usd(299), Evidence{LastGood: usd(29900), Median: median(310, 4)}, MedianAgrees, false},
		"first":                                   {usd(299), Evidence{}, FirstSeen, false},
		"first, near others":                      {usd(299), Evidence{Median: median(349, 3)}, WithinLimits, false},
		"first, far from others":                  {usd(1500), Evidence{Median: median(310, 3)}, OffMedian, true},
		"first, ten times others":                 {usd(3000), Evidence{Median: median(310, 3)}, PowerOfTen, true},
		"first, far from too few":                 {usd(3000), Evidence{Median: median(310, 2)}, FirstSeen, false},
		"creeping away from others":               {usd(1290), Evidence{LastGood: usd(600), Median: median(300, 9)}, OffMedian, true},
		"dear by habit, and cheaper":              {usd(1290), Evidence{LastGood: usd(1390), Median: median(300, 9)}, WithinLimits, false},
		"another currency":                        {price.Priced{Currency: "CAD", Effective: 299}, Evidence{LastGood: usd(299)}, CurrencyChanged, true},
		"approved":                                {usd(2990), Evidence{LastGood: usd(299), Approved: 2990}, ApprovedBefore, false},
		"by weight after by piece":                {perKilogram, Evidence{LastGood: usd(99)}, FirstSeen, false},
		"by weight against others":                {perKilogram, Evidence{LastGood: usd(99), Median: Median{Price: 99, Per: normalize.Kilogram, Stores: 3}}, PowerOfTen, true},
		"others by weight do not count":           {usd(9990), Evidence{Median: Median{Price: 99, Per: normalize.Kilogram, Stores: 3}}, FirstSeen, false},
	} {
		v := Judge(&c.proposed, &c.evidence, &limits)
		if v.Rule != c.rule || v.Held != c.held {
			t.Errorf("%s: %s, held %t; want %s, held %t", name, v.Rule, v.Held, c.rule, c.held)
		}
		if s := v.Sentence(&c.proposed); !strings.HasSuffix(s, ".") || strings.Contains(s, "%!") {
			t.Errorf("%s is told as %q", name, s)
		}
	}
}

// Whatever is known, a price of zero or less is held, the last good price
// passes, and a jump of ten times that no store agrees with is held.
func TestJudgeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := DefaultLimits(rapid.SampledFrom([]money.Currency{"USD", "JPY", "KWD"}).Draw(t, "currency"))
		l.Ceiling = 0
		e := Evidence{
			LastGood: usd(money.Minor(rapid.Int64Range(1, 1e9).Draw(t, "last"))),
			Median:   Median{Price: money.Minor(rapid.Int64Range(0, 1e9).Draw(t, "median")), Stores: rapid.IntRange(0, 9).Draw(t, "stores")},
		}
		none := usd(-money.Minor(rapid.Int64Range(0, 1e9).Draw(t, "none")))
		if v := Judge(&none, &e, &l); !v.Held || v.Rule != ZeroPrice {
			t.Fatalf("%d passes as %s", none.Effective, v.Rule)
		}
		if v := Judge(&e.LastGood, &e, &l); v.Held {
			t.Fatalf("the last good price %d is held as %s", e.LastGood.Effective, v.Rule)
		}
		ten := usd(e.LastGood.Effective * 10)
		if v := Judge(&ten, &e, &l); !v.Held && v.Rule != MedianAgrees {
			t.Fatalf("ten times %d passes as %s", e.LastGood.Effective, v.Rule)
		}
		e.LastGood = price.Priced{}
		if e.Median.Price > 0 && e.Median.Stores >= l.MinStores {
			ten := usd(e.Median.Price * 10)
			if v := Judge(&ten, &e, &l); !v.Held {
				t.Fatalf("ten times the median %d passes as %s", e.Median.Price, v.Rule)
			}
		}
	})
}

func TestJudgeAbsences(t *testing.T) {
	for _, c := range []struct {
		listed, absent int
		held           bool
	}{{0, 0, false}, {1000, 300, false}, {1000, 301, true}, {1000, 1000, true}, {30, 19, false}, {30, 20, true}} {
		if v := JudgeAbsences(c.listed, c.absent, DefaultLimits("USD").Absences); v.Held != c.held {
			t.Errorf("%d of %d absent: held is %t", c.absent, c.listed, v.Held)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []money.Currency{"USD", "JPY", "KWD"} {
		l := DefaultLimits(c)
		if err := l.Validate(); err != nil {
			t.Errorf("the default limits of %s: %v", c, err)
		}
	}
	for name, l := range map[string]Limits{
		"no bands":          {},
		"a floor too high":  {Floor: 5, Ceiling: 5, Bands: []Band{{Up: 2000}}},
		"bands out of turn": {Bands: []Band{{Below: 9, Up: 2000}, {Below: 5}, {}}},
		"a ratio of one":    {Bands: []Band{{Up: 1000}}},
	} {
		if err := l.Validate(); err == nil {
			t.Errorf("%s: limits are taken", name)
		}
	}
}

func proposal(amount, lastGood money.Minor, held bool) *Hold {
	return &Hold{Price: usd(amount), LastGood: usd(lastGood), Verdict: Verdict{Rule: JumpOnPrevious, Held: held}, OpenedAt: time.Unix(50, 0)}
}

func TestNext(t *testing.T) {
	open := &Hold{Price: usd(2990), LastGood: usd(299), Status: Open, OpenedAt: time.Unix(10, 0)}
	refused := []Discard{{Price: 2990, LastGood: 299}}
	for name, c := range map[string]struct {
		open      *Hold
		discarded []Discard
		proposed  *Hold
		effect    Effect
	}{
		"good, nothing held":                  {nil, nil, proposal(300, 299, false), NoHold},
		"held, nothing before":                {nil, nil, proposal(2990, 299, true), OpenHold},
		"the same again":                      {open, nil, proposal(2990, 299, true), KeepHold},
		"another":                             {open, nil, proposal(3990, 299, true), ReplaceHold},
		"good supersedes":                     {open, nil, proposal(310, 299, false), CloseHold},
		"the same, and by now it is good":     {open, nil, proposal(2990, 299, false), CloseHold},
		"discarded again":                     {nil, refused, proposal(2990, 299, true), Ignored},
		"discarded, other limits":             {nil, refused, proposal(2990, 299, false), Ignored},
		"discarded, another price shown":      {nil, refused, proposal(2990, 350, true), Ignored},
		"discarded, and reached step by step": {nil, refused, proposal(2990, 2500, false), NoHold},
		"discarded while another is held":     {&Hold{Price: usd(5000), Status: Open}, refused, proposal(2990, 299, true), Ignored},
		"another than the discarded":          {nil, refused, proposal(2991, 299, true), OpenHold},
	} {
		got := Next(c.open, c.discarded, c.proposed)
		if got.Effect != c.effect {
			t.Errorf("%s: effect %d, want %d", name, got.Effect, c.effect)
		}
		wantOpened := c.effect == OpenHold || c.effect == ReplaceHold
		wantClosed := c.open != nil && c.effect != KeepHold
		if (got.Opened != nil) != wantOpened || (got.Closed != nil) != wantClosed {
			t.Errorf("%s: opened %+v, closed %+v", name, got.Opened, got.Closed)
		}
		if got.Opened != nil && (got.Opened.Status != Open || !got.Opened.Holds(&c.proposed.Price)) {
			t.Errorf("%s: opened %+v", name, got.Opened)
		}
		if got.Closed != nil && (got.Closed.Status != Superseded || got.Closed.ClosedAt.IsZero() || c.open.Status != Open) {
			t.Errorf("%s: closed %+v, and the hold that came in is %s", name, got.Closed, c.open.Status)
		}
	}
}

func TestDecide(t *testing.T) {
	open := Hold{Price: usd(2990), Status: Open}
	at := time.Unix(99, 0)
	approved, err := Decide(open, Decision{Status: Approved, Price: 2990, By: "ana", At: at})
	if err != nil || approved.Status != Approved || approved.ClosedBy != "ana" || !approved.ClosedAt.Equal(at) || open.Status != Open {
		t.Errorf("approved: %+v, %v", approved, err)
	}
	if again, err := Decide(approved, Decision{Status: Approved, Price: 2990, By: "ana", At: at.Add(1)}); err != nil || again != approved {
		t.Errorf("approved twice: %+v, %v", again, err)
	}
	for name, c := range map[string]struct {
		hold     Hold
		decision Decision
		want     error
	}{
		"another price":     {open, Decision{Status: Approved, Price: 299, By: "ana"}, ErrPriceChanged},
		"too late":          {approved, Decision{Status: Discarded, Price: 2990, By: "ana"}, ErrClosed},
		"someone was first": {approved, Decision{Status: Approved, Price: 2990, By: "bo"}, ErrClosed},
		"superseded":        {Hold{Price: usd(2990), Status: Superseded}, Decision{Status: Approved, Price: 2990}, ErrClosed},
		"no decision":       {open, Decision{Status: Superseded, Price: 2990}, ErrDecision},
		"for nothing":       {Hold{Price: usd(0), Status: Open}, Decision{Status: Approved}, ErrZero},
	} {
		if got, err := Decide(c.hold, c.decision); !errors.Is(err, c.want) || got != c.hold {
			t.Errorf("%s: %+v, %v; want %v and the hold as it was", name, got, err, c.want)
		}
	}
}

// TestHoldLaws drives one item through random prices and decisions, and checks
// what must hold after every step.
func TestHoldLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := DefaultLimits("USD")
		lastGood, approved := price.Priced{}, money.Minor(0)
		var open *Hold
		var discarded []Discard
		for step := range rapid.IntRange(1, 30).Draw(t, "steps") {
			now := time.Unix(int64(step), 0)
			if open != nil && rapid.IntRange(0, 3).Draw(t, "decide") == 0 {
				status := rapid.SampledFrom([]Status{Approved, Discarded}).Draw(t, "status")
				seen := rapid.SampledFrom([]money.Minor{open.Price.Effective, 12345}).Draw(t, "seen")
				decided, err := Decide(*open, Decision{Status: status, Price: seen, By: "ana", At: now})
				if (err == nil) != (seen == open.Price.Effective && (status == Discarded || seen > 0)) {
					t.Fatalf("%s of %d seen at %d: %v", status, open.Price.Effective, seen, err)
				}
				if err != nil {
					continue
				}
				open = nil
				if status == Approved {
					lastGood, approved = decided.Price, decided.Price.Effective
				} else {
					discarded = append(discarded, Discard{decided.Price.Effective, lastGood.Effective})
				}
				continue
			}
			proposed := usd(rapid.SampledFrom([]money.Minor{0, 30, 250, 299, 310, 900, 2990, 3000, 29900}).Draw(t, "price"))
			e := Evidence{LastGood: lastGood, Approved: approved}
			v := Judge(&proposed, &e, &limits)
			before := open
			next := Next(open, discarded, &Hold{Price: proposed, LastGood: lastGood, Verdict: v, OpenedAt: now})
			switch next.Effect {
			case NoHold, CloseHold:
				lastGood, open = proposed, nil
			case OpenHold, ReplaceHold:
				open = next.Opened
			case Ignored:
				open = nil
			}
			if lastGood.Effective < 0 || proposed.Effective <= 0 && lastGood == proposed && step > 0 && lastGood.Effective != 0 {
				t.Fatalf("a price of %d became good", lastGood.Effective)
			}
			if next.Effect == KeepHold && (before == nil || open != before) {
				t.Fatal("the same hold is not the same")
			}
			if before != nil && open != before && (next.Closed == nil || next.Closed.Price != before.Price) {
				t.Fatalf("a hold of %d vanished with effect %d", before.Price.Effective, next.Effect)
			}
			if open != nil && (open.Status != Open || !open.Holds(&proposed)) {
				t.Fatalf("after %d the open hold is %+v", proposed.Effective, open)
			}
			for _, d := range discarded {
				if d.Price == proposed.Effective && v.Held && next.Effect != Ignored {
					t.Fatalf("the discarded %d is judged again with effect %d", d.Price, next.Effect)
				}
			}
		}
	})
}

func TestRatio(t *testing.T) {
	for r, want := range map[Ratio]string{1000: "1", 2500: "2.5", 10_034: "10.034", 3: "0.003"} {
		if got := fmt.Sprint(r); got != want {
			t.Errorf("%d thousandths are written %q, want %q", int64(r), got, want)
		}
	}
}
