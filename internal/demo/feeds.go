package demo

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// fileDays is how many days full files tell of, today's the last.
const fileDays = 3

// Fault is what is wrong with a file on purpose.
type Fault string

// The faults.
const (
	NoFault   Fault = ""
	Late      Fault = "late"      // arrives after the reference time
	InCents   Fault = "in_cents"  // the prices of one store are a hundred times too high
	Truncated Fault = "truncated" // ends in the middle of a row
)

// centsStore is the store whose prices the faulty file gives in cents.
const centsStore = "verdure-03"

// kept is the share of a truncated file that arrives.
const kept = 0.62

// Feed is one file that a merchant sends.
type Feed struct {
	ID         string
	Merchant   *Merchant
	Kind       feed.Kind
	FileName   string
	SourceTime time.Time
	// ArrivesAt is when the file is there. One that is Late comes after the
	// world's Now.
	ArrivesAt time.Time
	Fault     Fault

	day    int
	stream uint64
}

// planFeeds sets out three days of full files six hours before the reference
// time, and today's smaller ones.
func (w *World) planFeeds() {
	for i, m := range w.Merchants {
		for day := range fileDays {
			at := w.Now.Add(time.Duration(day-fileDays+1)*24*time.Hour - 6*time.Hour)
			f := Feed{Merchant: m, Kind: feed.KindFull, SourceTime: at, ArrivesAt: at.Add(8 * time.Minute), day: day}
			if day == fileDays-1 {
				switch m.ID {
				case "corner":
					f.Fault = Truncated
				case "verdure":
					f.Fault = InCents
				case "kiosk24":
					f.Fault, f.ArrivesAt = Late, w.Now.Add(40*time.Minute)
				}
			}
			w.plan(f, i)
		}
		for hours, kind := range map[int]feed.Kind{3: feed.KindDelta, 2: feed.KindAvailability, 1: feed.KindAvailability} {
			at := w.Now.Add(-time.Duration(hours) * time.Hour)
			w.plan(Feed{Merchant: m, Kind: kind, SourceTime: at, ArrivesAt: at.Add(2 * time.Minute), day: fileDays - 1}, i)
		}
	}
	slices.SortFunc(w.Feeds, func(a, b Feed) int {
		if c := a.ArrivesAt.Compare(b.ArrivesAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}

var extensions = map[feed.Syntax]string{feed.CSV: "csv", feed.TSV: "txt", feed.JSONL: "jsonl"}

func (w *World) plan(f Feed, merchant int) {
	stamp := f.SourceTime.Format("20060102T1504Z")
	f.ID = fmt.Sprintf("%s-%s-%s", f.Merchant.ID, f.Kind, stamp)
	f.FileName = fmt.Sprintf("%s_%s_%s.%s", f.Merchant.ID, f.Kind, stamp, extensions[f.Merchant.Syntax])
	f.stream = 10_000 + uint64(merchant)*1000 + uint64(w.Now.Sub(f.SourceTime)/time.Hour)
	w.Feeds = append(w.Feeds, f)
}

// offer is one row before it is written in a merchant's way.
type offer struct {
	store   *Store
	item    *Item
	regular money.Minor
	sale    money.Minor
	inStock bool
	onHand  int
}

// WriteFeed writes the file, faults included. The same feed is written to the
// same bytes every time.
func (w *World) WriteFeed(out io.Writer, f *Feed) error {
	var file bytes.Buffer
	var err error
	switch f.Merchant.Syntax {
	case feed.CSV:
		err = writeCorner(&file, f, w.offers(f))
	case feed.TSV:
		err = writeVerdure(&file, f, w.offers(f))
	case feed.JSONL:
		err = writeKiosk(&file, f, w.offers(f))
	}
	if err != nil {
		return fmt.Errorf("write feed %s: %w", f.ID, err)
	}
	content := file.Bytes()
	if f.Fault == Truncated {
		content = content[:int(float64(len(content))*kept)]
		// A cut between two rows could not be told from a small shop.
		if content[len(content)-1] == '\n' {
			content = content[:len(content)-3]
		}
	}
	if _, err := out.Write(content); err != nil {
		return fmt.Errorf("write feed %s: %w", f.ID, err)
	}
	return nil
}

// Bytes is the whole file.
func (w *World) Bytes(f *Feed) ([]byte, error) {
	var b bytes.Buffer
	err := w.WriteFeed(&b, f)
	return b.Bytes(), err
}

// offers are the rows of a file: all that a store lists, or a hundredth for a
// delta, or a twentieth for a file of availability.
func (w *World) offers(f *Feed) []offer {
	r := w.rand(f.stream)
	minute := w.minute(f.SourceTime)
	var offers []offer
	for _, s := range f.Merchant.Stores {
		for i := range s.Listings {
			l := &s.Listings[i]
			q := l.quotes[f.day]
			o := offer{store: s, item: l.Item, regular: q.regular, sale: q.sale}
			o.inStock, o.onHand = w.word(r, l, s, minute)
			chosen := r.Float64()
			drift := 1 + 0.05*r.NormFloat64()
			switch {
			case !q.listed:
				continue
			case f.Kind == feed.KindDelta:
				if chosen > 0.01 {
					continue
				}
				o.regular = shelfPrice(float64(o.regular)/float64(f.Merchant.Currency.Unit())*drift, f.Merchant.Currency)
				o.sale = 0
			case f.Kind == feed.KindAvailability:
				if chosen > 0.05 {
					continue
				}
			}
			if f.Fault == InCents && s.ID == centsStore {
				o.regular, o.sale = o.regular*100, o.sale*100
			}
			offers = append(offers, o)
		}
	}
	return offers
}

// word is what the merchant's stock system believes: it misses more than half
// of the empty shelves, and now and then calls a full one empty. The system of
// the store that deliveries do not reach believes that they do.
func (w *World) word(r *rand.Rand, l *Listing, s *Store, minute int32) (inStock bool, onHand int) {
	believes, count := r.Float64(), 1+r.IntN(40)
	out := believes < 0.01
	if !l.shelf.on(minute) {
		out = believes < 0.4 && s.ID != outageStore
	}
	if out {
		return false, 0
	}
	return true, count
}

const cornerProfile = `# Corner & Co.: one comma-separated file for all stores.
name: corner
decimal: point
fields:
  store_id: {column: store_code, required: true}
  item_id: {column: item_code, required: true}
  gtin: upc
  name: description
  brand: brand
  category: department
  price: regular_price
  sale_price: promo_price
  size: pack
  quantity: on_hand
  availability:
    column: status
    words: {in: [A], out: [O]}
  source_time: as_of
  currency: {constant: USD}
`

func writeCorner(out io.Writer, f *Feed, offers []offer) error {
	header := []string{"store_code", "item_code", "upc", "description", "brand", "department", "pack", "regular_price", "promo_price", "on_hand", "status", "as_of"}
	columns := header
	if f.Kind == feed.KindAvailability {
		columns = []string{"store_code", "item_code", "on_hand", "status", "as_of"}
	}
	c := csv.NewWriter(out)
	if err := c.Write(columns); err != nil {
		return err
	}
	for i := range offers {
		o := &offers[i]
		status := "A"
		if !o.inStock {
			status = "O"
		}
		row := []string{
			o.store.ID, o.item.SKU, o.item.GTIN, o.item.Name, o.item.Brand, o.item.Category, o.item.Size.String(),
			decimal(o.regular, "USD"), decimal(o.sale, "USD"), strconv.Itoa(o.onHand), status, f.SourceTime.Format(time.RFC3339),
		}
		if f.Kind == feed.KindAvailability {
			row = []string{row[0], row[1], row[9], row[10], row[11]}
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

const verdureProfile = `# Verdure Market: tab-separated, by the attribute names of product listings, with
# columns of its own for what is weighed.
name: verdure
decimal: point
fields:
  store_id: {column: store_code, required: true}
  item_id: {column: id, required: true}
  gtin: gtin
  name: title
  brand: brand
  category: product_type
  price: price
  sale_price: sale_price
  size: unit_pricing_measure
  unit:
    column: sell_unit
    words: {each: [each], kg: [kg]}
  average_weight: average_weight
  availability:
    column: availability
    words: {in: [in_stock], out: [out_of_stock]}
`

func writeVerdure(out io.Writer, f *Feed, offers []offer) error {
	columns := []string{"store_code", "id", "gtin", "title", "brand", "product_type", "unit_pricing_measure", "sell_unit", "average_weight", "price", "sale_price", "availability"}
	if f.Kind == feed.KindAvailability {
		columns = []string{"store_code", "id", "availability"}
	}
	if _, err := io.WriteString(out, strings.Join(columns, "\t")+"\n"); err != nil {
		return err
	}
	for i := range offers {
		o := &offers[i]
		word := "in_stock"
		if !o.inStock {
			word = "out_of_stock"
		}
		unit, weight := "each", ""
		if o.item.Base > 0 {
			unit = "kg"
			if o.item.Average > 0 {
				weight = normalize.Size{Count: 1, Milli: int64(o.item.Average) / 1000, Unit: normalize.Gram}.String()
			}
		}
		row := []string{
			o.store.ID, o.item.SKU, o.item.GTIN, o.item.Name, o.item.Brand, o.item.Category, o.item.Size.String(), unit, weight,
			withCurrency(o.regular, "CAD"), withCurrency(o.sale, "CAD"), word,
		}
		if f.Kind == feed.KindAvailability {
			row = []string{row[0], row[1], row[11]}
		}
		if _, err := io.WriteString(out, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

const kioskProfile = `# Kiosk 24: one JSON object a line, prices in cents.
name: kiosk24
decimal: point
fields:
  store_id: {column: outlet, required: true}
  item_id: {column: sku, required: true}
  gtin: barcode
  name: title
  brand: brand
  category: range
  size: pack
  price: {column: price/cents, minor_units: true}
  sale_price: {column: price/special_cents, minor_units: true}
  currency: price/currency
  availability:
    column: in_stock
    words: {in: ["true"], out: ["false"]}
  quantity: stock
  source_time: as_of
`

// kioskOffer is a line of Kiosk 24's files.
type kioskOffer struct {
	Outlet  string      `json:"outlet"`
	SKU     string      `json:"sku"`
	Barcode string      `json:"barcode,omitempty"`
	Title   string      `json:"title,omitempty"`
	Brand   string      `json:"brand,omitempty"`
	Range   string      `json:"range,omitempty"`
	Pack    string      `json:"pack,omitempty"`
	Price   *kioskPrice `json:"price,omitempty"`
	InStock bool        `json:"in_stock"`
	Stock   int         `json:"stock"`
	AsOf    time.Time   `json:"as_of"`
}

type kioskPrice struct {
	Cents        money.Minor `json:"cents"`
	SpecialCents money.Minor `json:"special_cents,omitempty"`
	Currency     string      `json:"currency"`
}

func writeKiosk(out io.Writer, f *Feed, offers []offer) error {
	encoder := json.NewEncoder(out)
	for i := range offers {
		o := &offers[i]
		line := kioskOffer{Outlet: o.store.ID, SKU: o.item.SKU, InStock: o.inStock, Stock: o.onHand, AsOf: f.SourceTime}
		if f.Kind != feed.KindAvailability {
			line.Barcode, line.Title, line.Brand, line.Range, line.Pack = o.item.GTIN, o.item.Name, o.item.Brand, o.item.Category, o.item.Size.String()
			line.Price = &kioskPrice{Cents: o.regular, SpecialCents: o.sale, Currency: "AUD"}
		}
		if err := encoder.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// decimal writes an amount, and nothing for none.
func decimal(amount money.Minor, c money.Currency) string {
	if amount == 0 {
		return ""
	}
	return string(money.AppendDecimal(nil, amount, c))
}

func withCurrency(amount money.Minor, c money.Currency) string {
	if amount == 0 {
		return ""
	}
	return money.Format(amount, c)
}
