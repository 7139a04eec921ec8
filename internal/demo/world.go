// Package demo invents one small marketplace: three merchants, twelve stores,
// 25,000 store items, their catalogue, sixty days of orders with what shoppers
// found, and the files that the merchants send, faults included. All of it
// follows from a seed and a reference time; nothing of it is copied from
// anywhere, and every figure that comes from it is demo data.
//
// The package is pure. It knows the truth about every shelf, so that
// predictions can be scored against it.
package demo

import (
	"math/rand/v2"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// Days is how many days of orders lie before the reference time.
const Days = 60

// World is the whole marketplace. It is read only.
type World struct {
	Seed      uint64
	Now       time.Time
	Merchants []*Merchant
	// Products is the catalogue.
	Products []hydrate.Product
	// Orders are in the order of time.
	Orders []Order
	// Feeds are the files, in the order of arrival. Those that arrive after Now
	// are late.
	Feeds []Feed

	stores map[string]*Store
}

// Merchant is a company with stores of one currency.
type Merchant struct {
	ID       string
	Name     string
	Trade    string // "convenience" or "grocery"
	Country  string // ISO 3166-1 alpha-2
	Currency money.Currency
	// Profile is the mapping of its files, in the form that feed.ParseMapping
	// reads; Syntax is theirs.
	Profile string
	Syntax  feed.Syntax
	// Settings hold for stores without their own inflation rate.
	Settings price.Settings
	Limits   guard.Limits
	Policy   availability.Policy
	Items    []Item
	Stores   []*Store
}

// Item is what a merchant sells, in any of its stores.
type Item struct {
	SKU string
	// GTIN is in the form that the merchant writes, empty for its own goods.
	GTIN     string
	Name     string
	Brand    string
	Category string
	Size     normalize.Size
	// Base is the weight that the price is for, zero for pieces; Average the
	// weight of one piece, zero where the merchant does not say.
	Base    normalize.Microgram
	Average normalize.Microgram
	// List is the recommended price.
	List money.Minor

	absence    float64 // share of time that it is not on the shelf
	popularity float64
}

// Store is one shop.
type Store struct {
	ID        string
	Name      string
	City      string
	TimeZone  string // IANA name
	UTCOffset time.Duration
	Merchant  *Merchant
	Settings  price.Settings
	Listings  []Listing

	bySKU map[string]int
}

// Listing is an item in a store.
type Listing struct {
	Item *Item
	// quotes are what the store asks on each day that a file tells of.
	quotes [fileDays]quote
	shelf  shelf
}

// Order is what a shopper was sent for, and met.
type Order struct {
	ID    string
	Store *Store
	At    time.Time
	Lines []Line
}

// Line is one item of an order.
type Line struct {
	SKU   string
	Found bool
}

// Generate makes the world of a seed as of a reference time, which is taken in
// UTC to the second.
func Generate(seed uint64, now time.Time) *World {
	w := &World{Seed: seed, Now: now.UTC().Truncate(time.Second), stores: map[string]*Store{}}
	for i, plan := range plans {
		r := w.rand(uint64(i) + 1)
		m := w.open(plan, r)
		w.stock(m, plan, uint64(i)+1, r)
		for _, s := range m.Stores {
			w.list(s, plan, r)
			w.stores[s.ID] = s
		}
		w.Merchants = append(w.Merchants, m)
	}
	w.takeOrders()
	w.planFeeds()
	return w
}

// rand is a stream of its own for one purpose, so that a change to one part of
// the world leaves the others as they are.
func (w *World) rand(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(w.Seed, stream)) }

// Merchant finds a merchant by its id, nil for none.
func (w *World) Merchant(id string) *Merchant {
	for _, m := range w.Merchants {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// Store finds a store by its id, nil for none.
func (w *World) Store(id string) *Store { return w.stores[id] }

// OnShelf is the truth: whether the item could be found in the store at the
// instant, which lies within the days of orders. ok is false for an item that
// the store does not sell.
func (w *World) OnShelf(store, sku string, at time.Time) (on, ok bool) {
	s := w.stores[store]
	if s == nil {
		return false, false
	}
	i, ok := s.bySKU[sku]
	if !ok {
		return false, false
	}
	return s.Listings[i].shelf.on(w.minute(at)), true
}

// minute counts from the first moment of the orders' days.
func (w *World) minute(at time.Time) int32 {
	return int32(at.Sub(w.Now.Add(-Days*24*time.Hour)) / time.Minute)
}
