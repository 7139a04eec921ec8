package normalize

import (
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// Rules are what the texts of a file mean.
type Rules struct {
	// Mapping tells decimal styles, minor units and words; nil reads every
	// field in the automatic way.
	Mapping *feed.Mapping
	// Currency is the one that the store sells in. A row in another currency is
	// rejected: nothing here converts. Empty where it is not known: prices then
	// only have to be numbers.
	Currency money.Currency
	// Rounding is for prices finer than the currency's minor unit.
	Rounding money.Rounding
	// FileTime is the file's source time, which rows without a time of their
	// own take.
	FileTime time.Time
	// Location reads times that name no zone; nil is UTC.
	Location *time.Location
	// Latest is the latest source time that is believed; a row's own time
	// beyond it is replaced by FileTime. Zero believes every time.
	Latest time.Time
	// Kind is feed.KindAvailability where only availability columns count, so
	// that a bad price cannot reject the row.
	Kind feed.Kind
}

// Row reads one row. ok is false where the row cannot stand; the problem of
// severity Rejected says why. Problems are appended to problems, so that a
// caller's slice serves many rows. Of a rejected row only SKU is to be relied
// on.
func Row(row *feed.Row, rules *Rules, problems []Problem) (item Item, out []Problem, ok bool) {
	r := reader{row: row, rules: rules, problems: problems, ok: true}
	r.identity(&item)
	r.availability(&item)
	r.sourceTime(&item)
	if rules.Kind != feed.KindAvailability {
		r.texts(&item)
		r.gtin(&item)
		r.measures(&item)
		r.prices(&item)
	}
	return item, r.problems, r.ok
}

// reader reads the columns of one row and gathers what is wrong with them.
type reader struct {
	row      *feed.Row
	rules    *Rules
	problems []Problem
	ok       bool
}

func (r *reader) problem(f feed.Field, s Severity, rule Rule, reason, fix string) {
	if s == Rejected {
		r.ok = false
	}
	r.problems = append(r.problems, About(r.row, r.rules.Mapping, f, s, rule, reason, fix))
}

// unreadable tells what a parser had against the value.
func (r *reader) unreadable(f feed.Field, s Severity, rule Rule, err error) {
	var (
		amount *money.SyntaxError
		size   *SizeError
		number *GTINError
	)
	switch {
	case errors.As(err, &amount):
		r.problem(f, s, rule, amount.Reason, amount.Fix)
	case errors.As(err, &size):
		r.problem(f, s, rule, size.Reason, size.Fix)
	case errors.As(err, &number):
		r.problem(f, s, rule, number.Reason, number.Fix)
	}
}

// About is a problem with one value of a row.
func About(row *feed.Row, mapping *feed.Mapping, f feed.Field, s Severity, rule Rule, reason, fix string) Problem {
	return Problem{
		Row: row.Number, Line: row.Line, Column: ColumnName(mapping, f), Field: f, Value: clip(row.Values[f]),
		Severity: s, Rule: rule, Reason: reason, Fix: fix,
	}
}

// ColumnName is what the merchant calls the column of a field: the first name
// that the mapping has for it.
func ColumnName(mapping *feed.Mapping, f feed.Field) string {
	if mapping != nil && len(mapping.Fields[f].Columns) > 0 {
		column := mapping.Fields[f].Columns[0]
		if column.Index > 0 {
			return "column " + strconv.Itoa(column.Index)
		}
		return column.Name
	}
	return f.String()
}

// clip keeps a hostile cell from filling a report.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	end := most
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

func (r *reader) style(f feed.Field) money.Style {
	if r.rules.Mapping == nil {
		return money.Auto
	}
	switch r.rules.Mapping.Decimal(f) {
	case feed.DecimalPoint:
		return money.Point
	case feed.DecimalComma:
		return money.Comma
	}
	return money.Auto
}

// maxID is the longest item id in bytes, which is part of a primary key.
const maxID = 200

func (r *reader) identity(item *Item) {
	item.SKU = r.row.Values[feed.ItemID]
	switch {
	case item.SKU == "":
		r.problem(feed.ItemID, Rejected, NoItemID, "is empty", "give every item an id of its own")
	case len(item.SKU) > maxID:
		item.SKU = item.SKU[:maxID]
		r.problem(feed.ItemID, Rejected, NoItemID, "is longer than 200 bytes", "check that the mapping points at the id column")
	}
}

func (r *reader) texts(item *Item) {
	for _, t := range [...]struct {
		field feed.Field
		into  *string
	}{{feed.Name, &item.Name}, {feed.Brand, &item.Brand}, {feed.Category, &item.Category}} {
		text, cut := clean(r.row.Values[t.field])
		*t.into = text
		if cut {
			r.problem(t.field, Noted, TextCut, "is longer than 300 bytes and was cut", "put descriptions in the description column")
		}
	}
}

// gtin drops a number that is not a GTIN: the item can be sold without one, it
// only misses what the catalogue knows. Looking up a mistyped number could
// sell another product's name.
func (r *reader) gtin(item *Item) {
	text := r.row.Values[feed.GTIN]
	if text == "" {
		return
	}
	g, digits, err := ParseGTIN(text)
	if err != nil {
		r.unreadable(feed.GTIN, Dropped, BadGTIN, err)
		return
	}
	item.GTIN, item.GTINText = g, digits
}

func (r *reader) availability(item *Item) {
	if text := r.row.Values[feed.Availability]; text != "" {
		item.Availability = r.availabilityWord(text)
		if item.Availability == Unstated {
			r.problem(feed.Availability, Dropped, BadAvailability, "is not a word for in or out of stock",
				"add it to the mapping's words of availability")
		}
	}
	text := r.row.Values[feed.Quantity]
	if text == "" {
		return
	}
	d, err := money.ParseDecimal(text, r.style(feed.Quantity))
	if err != nil {
		// A column named stock counts in some files and says yes or no in others.
		if word := r.availabilityWord(text); word != Unstated {
			if item.Availability == Unstated {
				item.Availability = word
			}
			return
		}
		r.unreadable(feed.Quantity, Dropped, BadQuantity, err)
		return
	}
	// Up, because 0.4 kg of cheese on hand is not nothing.
	n, _, ok := d.Shift(0, money.Up)
	if !ok {
		r.problem(feed.Quantity, Dropped, BadQuantity, "is too large", "send the number on hand")
		return
	}
	if n < 0 {
		r.problem(feed.Quantity, Noted, BadQuantity, "is below zero and read as none", "send 0 where nothing is left")
		n = 0
	}
	item.Quantity, item.QuantityKnown = n, true
}

func (r *reader) availabilityWord(text string) Availability {
	if r.rules.Mapping != nil {
		switch word, _ := r.rules.Mapping.Word(feed.Availability, text); word {
		case feed.WordIn:
			return InStock
		case feed.WordOut:
			return OutOfStock
		}
	}
	f := fold(text)
	switch string(f.word()) {
	case "in", "instock", "available", "yes", "y", "true", "t", "1", "lowstock", "limited", "limitedavailability", "instoreonly":
		return InStock
	case "out", "outofstock", "oos", "soldout", "unavailable", "notavailable", "no", "n", "false", "f", "0",
		"preorder", "backorder", "discontinued":
		return OutOfStock
	}
	return Unstated
}

func (r *reader) sourceTime(item *Item) {
	item.SourceTime = r.rules.FileTime
	text := r.row.Values[feed.SourceTime]
	if text == "" {
		return
	}
	t, _, err := parseInstant(text, r.rules.Location)
	switch {
	case err != nil:
		r.problem(feed.SourceTime, Dropped, BadSourceTime, err.Error()+"; the file's own time stands", "write times as 2026-01-31T15:04:05Z")
	case !r.rules.Latest.IsZero() && t.After(r.rules.Latest):
		r.problem(feed.SourceTime, Dropped, FutureSourceTime, "lies in the future; the file's own time stands",
			"check the clock and the time zone of the system that wrote the file")
	default:
		item.SourceTime = t
	}
}

// measures reads how the item is sold and how much one package holds.
func (r *reader) measures(item *Item) {
	if text := r.row.Values[feed.Size]; text != "" {
		size, err := ParseSize(text, r.style(feed.Size))
		if err != nil {
			r.unreadable(feed.Size, Dropped, BadSize, err)
		}
		item.Size = size
	}
	if text := r.row.Values[feed.AverageWeight]; text != "" {
		item.AverageWeight = r.weight(feed.AverageWeight, BadAverageWeight)
	}
	if r.row.Values[feed.UnitPriceBase] != "" {
		item.UnitBase = r.unitBase()
	} else if r.row.Values[feed.UnitPrice] != "" {
		item.UnitBase = Kilogram
	}
	if text := r.row.Values[feed.Unit]; text != "" {
		r.unit(item, text)
	}
}

func (r *reader) weight(f feed.Field, rule Rule) Microgram {
	size, err := ParseSize(r.row.Values[f], r.style(f))
	if err != nil {
		r.unreadable(f, Dropped, rule, err)
		return 0
	}
	w, ok := size.Weight()
	if !ok {
		r.problem(f, Dropped, rule, "is not a weight", `write a weight with its unit, such as "180 g"`)
	}
	return w
}

// unitBase reads what the unit price is for; "kg" is "1 kg". A volume or a
// count is a comparison price for the shelf label and no basis for weighing.
func (r *reader) unitBase() Microgram {
	text := r.row.Values[feed.UnitPriceBase]
	if text[0] < '0' || text[0] > '9' {
		text = "1 " + text
	}
	size, err := ParseSize(text, r.style(feed.UnitPriceBase))
	if err != nil {
		r.unreadable(feed.UnitPriceBase, Dropped, BadUnitPrice, err)
		return 0
	}
	w, _ := size.Weight()
	// Sizes end at the milligram; prices of a pound must all be for one pound.
	switch {
	case max(w-Pound, Pound-w) < 1000:
		return Pound
	case max(w-Ounce, Ounce-w) < 1000:
		return Ounce
	}
	return w
}

func (r *reader) unit(item *Item, text string) {
	word := ""
	if r.rules.Mapping != nil {
		word, _ = r.rules.Mapping.Word(feed.Unit, text)
	}
	if word == "" {
		f := fold(text)
		switch string(f.word()) {
		case "each", "ea", "pc", "pcs", "piece", "unit", "ct", "stk", "ko", "kom":
			word = feed.WordEach
		case "kg", "kilo", "kilogram":
			word = feed.WordKg
		case "g", "gram":
			word = feed.WordG
		case "100g":
			word = feed.Word100g
		case "lb", "lbs", "pound":
			word = feed.WordLb
		case "oz", "ounce":
			word = feed.WordOz
		case "weight", "weighted":
			word = feed.WordWeight
		case "l", "ml", "m":
			word = feed.WordLitre
		}
	}
	item.Sold = ByWeight
	switch word {
	case feed.WordKg:
		item.Base = Kilogram
	case feed.WordG:
		item.Base = Kilogram / 1000
	case feed.Word100g:
		item.Base = Kilogram / 10
	case feed.WordLb:
		item.Base = Pound
	case feed.WordOz:
		item.Base = Ounce
	case feed.WordWeight:
		if item.Base = item.UnitBase; item.Base == 0 {
			item.Base = Kilogram
		}
	case feed.WordEach:
		item.Sold = ByEach
	case feed.WordLitre, feed.WordMl, feed.WordMetre:
		item.Sold = ByEach
		r.problem(feed.Unit, Noted, BadUnit, "sells by volume or length; the price is taken as that of one unit",
			"send the price of what a customer can order")
	default:
		item.Sold = SoldUnknown
		r.problem(feed.Unit, Dropped, BadUnit, "is not a unit that is known", "add it to the mapping's words of unit")
	}
}

func (r *reader) prices(item *Item) {
	item.Currency = r.rules.Currency
	if text := r.row.Values[feed.Currency]; text != "" && text != string(item.Currency) {
		switch c, err := money.ParseCurrency(text); {
		case err != nil:
			r.problem(feed.Currency, Rejected, BadCurrency, "is not an active ISO 4217 code", "write a code such as "+string(item.Currency))
		case c != item.Currency:
			r.problem(feed.Currency, Rejected, WrongCurrency, "is not the store's currency "+string(item.Currency),
				"send prices in "+string(item.Currency)+", or correct the store's currency")
		}
	}
	// Only the price that the item is sold at can reject the row; without a
	// readable unit price nothing is lost where a price stands.
	item.Price = r.price(feed.Price, BadPrice, Rejected)
	item.Sale = r.price(feed.SalePrice, BadSalePrice, Rejected)
	severity := Dropped
	if item.Sold == ByWeight && !item.Price.Set && !item.Sale.Set {
		severity = Rejected
	}
	if item.UnitPrice = r.price(feed.UnitPrice, BadUnitPrice, severity); item.UnitBase == 0 || !item.UnitPrice.Set {
		item.UnitPrice, item.UnitBase = Price{}, 0 // for the shelf label, nothing to weigh by
	}
	if text := r.row.Values[feed.SalePeriod]; text != "" && item.Sale.Set {
		from, until, err := parsePeriod(text, r.rules.Location)
		if err != nil {
			// Whether the sale holds cannot be known: the regular price is what
			// the merchant loses least by.
			r.problem(feed.SalePeriod, Dropped, BadSalePeriod, err.Error()+"; the sale price is passed over",
				"write it as 2026-01-31T00:00Z/2026-02-07T00:00Z")
			item.Sale = Price{}
			return
		}
		item.SaleFrom, item.SaleUntil = from, until
	}
}

func (r *reader) price(f feed.Field, rule Rule, severity Severity) Price {
	text := r.row.Values[f]
	if text == "" {
		return Price{}
	}
	var p Price
	if r.rules.Mapping != nil && r.rules.Mapping.Fields[f].MinorUnits {
		d, err := money.ParseDecimal(text, r.style(f))
		if err != nil {
			r.unreadable(f, severity, rule, err)
			return Price{}
		}
		v, exact, ok := d.Shift(0, r.rules.Rounding)
		if !ok {
			r.problem(f, severity, rule, "is too large", "send the price in minor units")
			return Price{}
		}
		p = Price{money.Minor(v), true, !exact}
	} else {
		a, err := money.Parse(text, r.rules.Currency, r.style(f), r.rules.Rounding)
		if err != nil {
			r.unreadable(f, severity, rule, err)
			return Price{}
		}
		p = Price{a.Minor, true, a.Rounded}
	}
	if p.Minor < 0 {
		r.problem(f, severity, NegativePrice, "is below zero", "send the price that a customer pays")
		return Price{}
	}
	if p.Rounded && r.rules.Currency != "" {
		r.problem(f, Noted, PriceRounded, "is finer than the currency's smallest unit and was rounded to "+
			money.Format(p.Minor, r.rules.Currency), "send prices in whole "+r.smallest())
	}
	return p
}

func (r *reader) smallest() string {
	return "steps of " + money.Format(1, r.rules.Currency)
}
