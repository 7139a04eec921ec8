package demo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// shelf is when an item was there: it begins in a state and changes at each of
// the minutes.
type shelf struct {
	first bool
	flips []int32
}

func (s *shelf) on(minute int32) bool {
	n := sort.Search(len(s.flips), func(i int) bool { return s.flips[i] > minute })
	return s.first == (n%2 == 0)
}

const minutes = Days * 24 * 60

// keep draws a shelf that is empty for the given share of time, and for a day
// and a half on average when it is.
func keep(r *rand.Rand, absence float64) shelf {
	const emptyFor = 1.5 * 24 * 60
	filledFor := emptyFor * (1 - absence) / absence
	s := shelf{first: r.Float64() >= absence}
	on := s.first
	for at := 0.0; ; on = !on {
		mean := emptyFor
		if on {
			mean = filledFor
		}
		at += 1 + r.ExpFloat64()*mean
		if at >= minutes {
			return s
		}
		s.flips = append(s.flips, int32(at))
	}
}

// empty clears the shelf from a minute on.
func (s *shelf) empty(from int32) {
	on := s.on(from)
	n := sort.Search(len(s.flips), func(i int) bool { return s.flips[i] > from })
	s.flips = s.flips[:n]
	if on {
		s.flips = append(s.flips, from)
	}
}

// list chooses what the store sells, for how much, and what its shelves were
// like.
func (w *World) list(s *Store, p plan, r *rand.Rand) {
	m := s.Merchant
	chosen := r.Perm(len(m.Items))[:p.listed]
	slices.Sort(chosen)
	level := 1 + 0.02*r.NormFloat64() // some streets are dearer
	for _, i := range chosen {
		item := &m.Items[i]
		l := Listing{Item: item, shelf: keep(r, min(item.absence*math.Exp(0.3*r.NormFloat64()), 0.6))}
		if s.ID == outageStore && r.Float64() < outageShare {
			l.shelf.empty(w.minute(w.Now.Add(-outage)))
		}
		own := item.List
		if r.Float64() < 0.3 {
			own = shelfPrice(float64(item.List)/float64(m.Currency.Unit())*level*(1+0.03*r.NormFloat64()), m.Currency)
		}
		l.quote(r, own, m.Currency)
		s.bySKU[item.SKU] = len(s.Listings)
		s.Listings = append(s.Listings, l)
	}
}

// quote is what a store asks for an item on a day.
type quote struct {
	regular money.Minor
	sale    money.Minor // zero for none
	listed  bool
}

// quote draws the days that files tell of: a few prices drift, some sales begin
// and end, a handful of items come and go.
func (l *Listing) quote(r *rand.Rand, regular money.Minor, c money.Currency) {
	now := quote{regular: regular, listed: r.Float64() >= 0.005}
	reduce := func() money.Minor {
		return shelfPrice(float64(now.regular)/float64(c.Unit())*(0.45+0.4*r.Float64()), c)
	}
	if r.Float64() < 0.09 {
		now.sale = reduce()
	}
	for day := range l.quotes {
		if day > 0 {
			switch p := r.Float64(); {
			case p < 0.015:
				now.regular = shelfPrice(float64(now.regular)/float64(c.Unit())*(1+0.06*r.NormFloat64()), c)
				now.sale = 0
			case p < 0.035 && now.sale == 0:
				now.sale = reduce()
			case p < 0.2 && now.sale > 0:
				now.sale = 0
			case p > 0.998:
				now.listed = !now.listed
			}
		}
		if now.sale >= now.regular {
			now.sale = 0
		}
		l.quotes[day] = now
	}
}

// takeOrders sends shoppers to every store on every day.
func (w *World) takeOrders() {
	for i, p := range plans {
		m := w.Merchants[i]
		for j, s := range m.Stores {
			w.shop(s, p, w.rand(1000+uint64(i)*100+uint64(j)))
		}
	}
	slices.SortStableFunc(w.Orders, func(a, b Order) int { return a.At.Compare(b.At) })
}

// shop draws the orders of one store. A shopper overlooks three in a hundred
// items that are there, and finds one in fifty that are not, at the back.
func (w *World) shop(s *Store, p plan, r *rand.Rand) {
	sums := make([]float64, len(s.Listings))
	total := 0.0
	for i := range s.Listings {
		total += s.Listings[i].Item.popularity
		sums[i] = total
	}
	first := w.Now.Add(-Days * 24 * time.Hour)
	number := 0
	for day := range Days {
		orders := p.orders
		if s.ID == outageStore && Days-day <= int(outage/(24*time.Hour)) {
			orders *= rush
		}
		for range orders {
			at := first.Add(time.Duration(day)*24*time.Hour + w.hour(r, s))
			if !at.Before(w.Now) {
				continue
			}
			number++
			o := Order{ID: fmt.Sprintf("%s-%06d", s.ID, number), Store: s, At: at}
			minute := w.minute(at)
			for range 1 + int(r.ExpFloat64()*(p.lines-0.5)) {
				if len(o.Lines) == 40 {
					break
				}
				l := &s.Listings[sort.SearchFloat64s(sums, r.Float64()*total)]
				if slices.ContainsFunc(o.Lines, func(line Line) bool { return line.SKU == l.Item.SKU }) {
					continue
				}
				chance := 0.02
				if l.shelf.on(minute) {
					chance = 0.97
				}
				o.Lines = append(o.Lines, Line{SKU: l.Item.SKU, Found: r.Float64() < chance})
			}
			w.Orders = append(w.Orders, o)
		}
	}
}

// hour is a moment of a day as shoppers keep it: mostly from nine to nine
// local time.
func (w *World) hour(r *rand.Rand, s *Store) time.Duration {
	local := 15*time.Hour + time.Duration(r.NormFloat64()*3.2*float64(time.Hour))
	start := w.Now.Add(-Days * 24 * time.Hour)
	midnight := start.Add(s.UTCOffset).Truncate(24 * time.Hour).Add(-s.UTCOffset)
	d := midnight.Add(local).Sub(start) % (24 * time.Hour)
	if d < 0 {
		d += 24 * time.Hour
	}
	return d.Truncate(time.Second)
}

// History is what the orders before an instant tell about a store, in the form
// that the prediction of availability takes.
func (w *World) History(s *Store, at time.Time, halfLife time.Duration) availability.History {
	h := availability.History{Items: map[string]availability.ItemHistory{}, Categories: map[string]availability.Counts{}}
	for i := range w.Orders {
		o := &w.Orders[i]
		if !o.At.Before(at) {
			break
		}
		if o.Store.Merchant != s.Merchant {
			continue
		}
		for _, line := range o.Lines {
			signal := availability.Signal{Found: line.Found, At: o.At}
			item := h.Items[line.SKU]
			item.Item = item.Item.Add(signal, halfLife)
			if o.Store == s {
				item.ItemStore, item.Last = item.ItemStore.Add(signal, halfLife), signal
				category := s.Listings[s.bySKU[line.SKU]].Item.Category
				h.Categories[category] = h.Categories[category].Add(signal, halfLife)
			}
			h.Items[line.SKU] = item
		}
	}
	return h
}
