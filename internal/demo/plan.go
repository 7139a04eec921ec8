package demo

import (
	"fmt"
	"math"
	"math/rand/v2"
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

// plan is what is fixed about a merchant, whatever the seed.
type plan struct {
	id, name, trade, country string
	currency                 money.Currency
	prices                   float64 // level of prices, against the aisles'
	items                    int     // that the merchant sells
	listed                   int     // of which each store lists
	orders                   int     // of each store on a day
	lines                    float64 // of an order, on average
	skus                     string  // form of item ids
	profile                  string
	syntax                   feed.Syntax
	stores                   []place
}

type place struct {
	id, name, city, zone string
	offset               time.Duration
	inflation            price.BasisPoints
}

var plans = []plan{
	{
		id: "corner", name: "Corner & Co.", trade: "convenience", country: "US", currency: "USD", prices: 1,
		items: 2200, listed: 1800, orders: 55, lines: 3.5, skus: "%06d", profile: cornerProfile, syntax: feed.CSV,
		stores: []place{
			{"corner-01", "Corner & Co. Maple Street", "Portland", "America/Los_Angeles", -8 * time.Hour, 0},
			{"corner-02", "Corner & Co. Union Station", "Denver", "America/Denver", -7 * time.Hour, 0},
			{"corner-03", "Corner & Co. Lakeside", "Chicago", "America/Chicago", -6 * time.Hour, 150},
			{"corner-04", "Corner & Co. Old Mill", "Columbus", "America/New_York", -5 * time.Hour, 0},
			{"corner-05", "Corner & Co. Harbor", "Boston", "America/New_York", -5 * time.Hour, 300},
		},
	},
	{
		id: "verdure", name: "Verdure Market", trade: "grocery", country: "CA", currency: "CAD", prices: 1.3,
		items: 3600, listed: 3100, orders: 70, lines: 9, skus: "V%05d", profile: verdureProfile, syntax: feed.TSV,
		stores: []place{
			{"verdure-01", "Verdure Market Kensington", "Toronto", "America/Toronto", -5 * time.Hour, 0},
			{"verdure-02", "Verdure Market Plateau", "Montreal", "America/Toronto", -5 * time.Hour, 0},
			{"verdure-03", "Verdure Market Kitsilano", "Vancouver", "America/Vancouver", -8 * time.Hour, 250},
			{"verdure-04", "Verdure Market Glebe", "Ottawa", "America/Toronto", -5 * time.Hour, 0},
		},
	},
	{
		id: "kiosk24", name: "Kiosk 24", trade: "convenience", country: "AU", currency: "AUD", prices: 1.5,
		items: 1500, listed: 1200, orders: 40, lines: 2.5, skus: "K-%04d", profile: kioskProfile, syntax: feed.JSONL,
		stores: []place{
			{"kiosk24-cbd", "Kiosk 24 Collins Street", "Melbourne", "Australia/Melbourne", 11 * time.Hour, 0},
			{"kiosk24-quay", "Kiosk 24 The Quay", "Sydney", "Australia/Sydney", 11 * time.Hour, 200},
			{outageStore, "Kiosk 24 Roma Street", "Brisbane", "Australia/Brisbane", 10 * time.Hour, 0},
		},
	},
}

// outageStore is the one that deliveries stopped reaching outage before the
// reference time, while a festival multiplied its orders by rush: most of its
// items are predicted out of stock.
const (
	outageStore = "kiosk24-roma"
	outage      = 3 * 24 * time.Hour
	outageShare = 0.85
	rush        = 14
)

func (w *World) open(p plan, r *rand.Rand) *Merchant {
	m := &Merchant{
		ID: p.id, Name: p.name, Trade: p.trade, Country: p.country, Currency: p.currency, Profile: p.profile, Syntax: p.syntax,
		Settings: price.Settings{Currency: p.currency, Version: 1},
		Limits:   guard.DefaultLimits(p.currency),
		Policy:   availability.Policy{Threshold: 0.35, MinLevel: availability.ItemLevel, Version: 1},
	}
	m.Limits.Version = 1
	m.Limits.Floor = 5 * p.currency.Unit() / 100
	for _, place := range p.stores {
		s := &Store{
			ID: place.id, Name: place.name, City: place.city, TimeZone: place.zone, UTCOffset: place.offset, Merchant: m,
			Settings: m.Settings, bySKU: map[string]int{},
		}
		s.Settings.Inflation = place.inflation
		m.Stores = append(m.Stores, s)
	}
	return m
}

// stock invents the merchant's items and enters most of them in the catalogue.
func (w *World) stock(m *Merchant, p plan, merchant uint64, r *rand.Rand) {
	m.Items = make([]Item, 0, p.items)
	add := func(product hydrate.Product, list money.Minor, absence float64) {
		n := len(m.Items)
		item := Item{
			SKU: fmt.Sprintf(p.skus, 1+n*7+r.IntN(7)), Name: product.Name, Brand: product.Brand, Category: product.Category,
			Size: product.Size, List: list, Average: product.AverageWeight,
			absence: min(absence*math.Exp(0.5*r.NormFloat64()), 0.45), popularity: math.Exp(0.9 * r.NormFloat64()),
		}
		if product.Sold == normalize.ByWeight {
			item.Base = normalize.Kilogram
		}
		// 952 is the prefix that GS1 keeps for demonstrations: the numbers are
		// real in form and name nobody's goods.
		body := 952_000_000_000 + merchant*10_000_000 + uint64(n)
		product.GTIN = normalize.GTIN(body*10 + uint64(normalize.CheckDigit(body)))
		switch share := r.Float64(); {
		case share < 0.03:
			item.Name = strings.ToUpper(item.Name) // its own label, without a number
		case share < 0.04:
			own := 200_000_000_000 + merchant*1_000_000 + uint64(n)
			item.GTIN = normalize.GTIN(own*10 + uint64(normalize.CheckDigit(own))).String()[1:]
		default:
			item.GTIN = product.GTIN.String()
			if m.ID != "kiosk24" {
				item.GTIN = item.GTIN[1:] // as GTIN-13
			}
			if r.Float64() < 0.97 { // the catalogue lacks the newest
				w.Products = append(w.Products, product)
			}
			if r.Float64() < 0.3 {
				item.Name = strings.ToUpper(item.Name) // as tills write
			}
			if r.Float64() < 0.5 {
				item.Average = 0 // the merchant leaves it to the catalogue
			}
		}
		m.Items = append(m.Items, item)
	}
	if m.Trade == "grocery" {
		for _, kind := range looseKinds {
			for _, l := range looseGoods {
				product := hydrate.Product{
					Name: kind + l.name, Category: looseAisle, Sold: normalize.ByWeight, Version: 1,
					AverageWeight: normalize.Microgram(l.grams) * normalize.Kilogram / 1000,
				}
				if kind == "Large " {
					product.AverageWeight = product.AverageWeight * 3 / 2
				}
				add(product, shelfPrice(l.low+(l.top-l.low)*r.Float64(), m.Currency), l.absence)
			}
		}
	}
	names := map[string]bool{}
	for len(m.Items) < p.items {
		a := &aisles[r.IntN(len(aisles))]
		if !strings.Contains(a.trades, m.Trade) {
			continue
		}
		size := a.sizes[r.IntN(len(a.sizes))]
		brand := brands[r.IntN(len(brands))]
		name := fmt.Sprintf("%s %s %s", brand, a.kinds[r.IntN(len(a.kinds))], a.goods[r.IntN(len(a.goods))])
		if key := name + size.String(); names[key] {
			continue
		} else {
			names[key] = true
		}
		level := p.prices * a.low * math.Pow(a.top/a.low, r.Float64())
		add(hydrate.Product{
			Name: name, Brand: brand, Category: a.name, Size: size, Sold: normalize.ByEach, Version: 1,
		}, shelfPrice(level, m.Currency), a.absence)
	}
}

// shelfPrice ends in a nine, as prices on shelves do.
func shelfPrice(level float64, c money.Currency) money.Minor {
	unit := float64(c.Unit())
	tenths := math.Max(math.Round(level*10), 3)
	return money.Minor(math.Round(tenths*unit/10)) - money.Minor(unit/100)
}
