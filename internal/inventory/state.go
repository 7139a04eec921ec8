package inventory

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/inventory/price"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// document is an item's hot attributes as they are stored in one JSONB
// column. SQL reads gtin, name, brand, category, hidden and price by name.
type document struct {
	GTIN      string         `json:"gtin,omitempty"`
	Name      string         `json:"name,omitempty"`
	Brand     string         `json:"brand,omitempty"`
	Category  string         `json:"category,omitempty"`
	Size      [3]int64       `json:"size,omitempty"` // count, thousandths, unit
	Image     string         `json:"image,omitempty"`
	Price     *priceDocument `json:"price,omitempty"`
	RejudgeAt *time.Time     `json:"rejudge_at,omitempty"`
	Hidden    judge.Hidden   `json:"hidden,omitempty"`
	Merchant  uint8          `json:"merchant,omitempty"`
	Available string         `json:"available,omitempty"`
	Percent   int8           `json:"percent"`
	Approved  int64          `json:"approved,omitempty"`
	Discarded [][2]int64     `json:"discarded,omitempty"` // price, last good price
	Hold      *holdDocument  `json:"hold,omitempty"`
	Feed      string         `json:"feed,omitempty"`
	Row       int64          `json:"row,omitempty"`
	ShelfTime *time.Time     `json:"shelf_time,omitempty"`
	// Fingerprints are text: JSON numbers of 64 bits do not survive every reader.
	Rests string `json:"rests,omitempty"`
	Model string `json:"model,omitempty"`
	Hash  string `json:"hash"`
}

type priceDocument struct {
	Currency money.Currency `json:"currency"`
	Minor    int64          `json:"minor"`
	Regular  int64          `json:"regular,omitempty"`
	Per      int64          `json:"per,omitempty"`
}

type holdDocument struct {
	Price    priceDocument  `json:"price"`
	LastGood *priceDocument `json:"last_good,omitempty"`
	Rule     string         `json:"rule"`
	Against  int64          `json:"against,omitempty"`
	Times    int64          `json:"times,omitempty"`
	Rise     bool           `json:"rise,omitempty"`
	Limit    int64          `json:"limit,omitempty"`
	Opened   time.Time      `json:"opened"`
	Feed     string         `json:"feed,omitempty"`
	Row      int64          `json:"row,omitempty"`
}

func documentOfPrice(p *price.Priced) *priceDocument {
	if p.Effective == 0 && p.Regular == 0 {
		return nil
	}
	return &priceDocument{Currency: p.Currency, Minor: int64(p.Effective), Regular: int64(p.Regular), Per: int64(p.Per)}
}

func (d *priceDocument) priced() price.Priced {
	if d == nil {
		return price.Priced{}
	}
	return price.Priced{
		Currency: d.Currency, Effective: money.Minor(d.Minor), Regular: money.Minor(d.Regular), Per: normalize.Microgram(d.Per),
	}
}

// decodeState reads what appendState wrote. SKU and SourceTime are columns of
// their own.
func decodeState(raw []byte) (judge.State, error) {
	var d document
	// A JSONB column holds no name twice, so that nothing has to look for one.
	if err := jsonv2.Unmarshal(raw, &d, jsontext.AllowDuplicateNames(true)); err != nil {
		return judge.State{}, err
	}
	st := judge.State{
		Name: d.Name, Brand: d.Brand, Category: d.Category, ImageURL: d.Image,
		Size:  normalize.Size{Count: uint32(d.Size[0]), Milli: d.Size[1], Unit: normalize.Unit(d.Size[2])},
		Price: d.Price.priced(), RejudgeAt: orZero(d.RejudgeAt), Hidden: d.Hidden,
		Merchant: normalize.Availability(d.Merchant), Available: availability.Rule(d.Available), Percent: d.Percent,
		Approved: money.Minor(d.Approved), FeedID: d.Feed, Row: d.Row, AvailabilityTime: orZero(d.ShelfTime),
	}
	if d.GTIN != "" {
		g, err := strconv.ParseUint(d.GTIN, 10, 64)
		if err != nil {
			return st, fmt.Errorf("gtin %q: %w", d.GTIN, err)
		}
		st.GTIN = normalize.GTIN(g)
	}
	for _, p := range d.Discarded {
		st.Discarded = append(st.Discarded, guard.Discard{Price: money.Minor(p[0]), LastGood: money.Minor(p[1])})
	}
	if h := d.Hold; h != nil {
		st.Hold = &guard.Hold{
			Price: h.Price.priced(), LastGood: h.LastGood.priced(), Status: guard.Open, OpenedAt: h.Opened, FeedID: h.Feed, Row: h.Row,
			Verdict: guard.Verdict{Rule: guard.Rule(h.Rule), Held: true, Against: money.Minor(h.Against), Times: guard.Ratio(h.Times), Rise: h.Rise, Limit: h.Limit},
		}
	}
	for _, print := range []struct {
		text string
		to   *uint64
	}{{d.Rests, &st.Rests}, {d.Model, &st.Model}, {d.Hash, &st.Hash}} {
		if print.text == "" {
			continue
		}
		v, err := strconv.ParseUint(print.text, 16, 64)
		if err != nil {
			return st, fmt.Errorf("fingerprint %q: %w", print.text, err)
		}
		*print.to = v
	}
	return st, nil
}

// appendState appends the state as a JSON document. It is written by hand
// because every changed item passes through here.
func appendState(b []byte, s *judge.State) []byte {
	b = append(b, '{')
	if s.GTIN != 0 {
		b = append(b, `"gtin":"`...)
		b = append(b, s.GTIN.String()...)
		b = append(b, `",`...)
	}
	b = appendTextMember(b, "name", s.Name)
	b = appendTextMember(b, "brand", s.Brand)
	b = appendTextMember(b, "category", s.Category)
	if s.Size != (normalize.Size{}) {
		b = append(b, `"size":[`...)
		b = strconv.AppendUint(b, uint64(s.Size.Count), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, s.Size.Milli, 10)
		b = append(b, ',')
		b = strconv.AppendUint(b, uint64(s.Size.Unit), 10)
		b = append(b, `],`...)
	}
	b = appendTextMember(b, "image", s.ImageURL)
	if s.Price.Effective != 0 || s.Price.Regular != 0 {
		b = append(b, `"price":`...)
		b = appendPrice(b, &s.Price)
		b = append(b, ',')
	}
	b = appendTimeMember(b, "rejudge_at", s.RejudgeAt)
	b = appendTextMember(b, "hidden", string(s.Hidden))
	b = appendNumberMember(b, "merchant", int64(s.Merchant))
	b = appendTextMember(b, "available", string(s.Available))
	b = appendNumberMember(b, "approved", int64(s.Approved))
	for i, d := range s.Discarded {
		if i == 0 {
			b = append(b, `"discarded":[`...)
		}
		b = append(b, '[')
		b = strconv.AppendInt(b, int64(d.Price), 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, int64(d.LastGood), 10)
		b = append(b, `],`...)
		if i == len(s.Discarded)-1 {
			b[len(b)-1] = ']'
			b = append(b, ',')
		}
	}
	if s.Hold != nil {
		b = append(b, `"hold":`...)
		b = appendHold(b, s.Hold)
		b = append(b, ',')
	}
	b = appendTextMember(b, "feed", s.FeedID)
	b = appendNumberMember(b, "row", s.Row)
	b = appendTimeMember(b, "shelf_time", s.AvailabilityTime)
	b = appendFingerprint(b, "rests", s.Rests)
	b = appendFingerprint(b, "model", s.Model)
	b = appendFingerprint(b, "hash", s.Hash)
	b = append(b, `"percent":`...)
	b = strconv.AppendInt(b, int64(s.Percent), 10)
	return append(b, '}')
}

func appendPrice(b []byte, p *price.Priced) []byte {
	b = append(b, `{"currency":"`...)
	b = append(b, p.Currency...)
	b = append(b, `",`...)
	b = appendNumberMember(b, "regular", int64(p.Regular))
	b = appendNumberMember(b, "per", int64(p.Per))
	b = append(b, `"minor":`...)
	b = strconv.AppendInt(b, int64(p.Effective), 10)
	return append(b, '}')
}

func appendHold(b []byte, h *guard.Hold) []byte {
	b = append(b, `{"price":`...)
	b = appendPrice(b, &h.Price)
	b = append(b, ',')
	if last := documentOfPrice(&h.LastGood); last != nil {
		b = append(b, `"last_good":`...)
		b = appendPrice(b, &h.LastGood)
		b = append(b, ',')
	}
	b = appendTextMember(b, "rule", string(h.Verdict.Rule))
	b = appendNumberMember(b, "against", int64(h.Verdict.Against))
	b = appendNumberMember(b, "times", int64(h.Verdict.Times))
	if h.Verdict.Rise {
		b = append(b, `"rise":true,`...)
	}
	b = appendNumberMember(b, "limit", h.Verdict.Limit)
	b = appendTextMember(b, "feed", h.FeedID)
	b = appendNumberMember(b, "row", h.Row)
	b = append(b, `"opened":"`...)
	b = h.OpenedAt.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, `"}`...)
}

func appendTextMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	b = appendJSONText(b, value)
	return append(b, ',')
}

func appendNumberMember(b []byte, name string, value int64) []byte {
	if value == 0 {
		return b
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	b = strconv.AppendInt(b, value, 10)
	return append(b, ',')
}

func appendTimeMember(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":"`...)
	b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, `",`...)
}

func appendFingerprint(b []byte, name string, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":"`...)
	b = strconv.AppendUint(b, v, 16)
	return append(b, `",`...)
}

// appendJSONText quotes text, which the normalizer has left in valid UTF-8
// without control characters; anything else goes the long way.
func appendJSONText(b []byte, s string) []byte {
	ascii := true
	for i := range len(s) {
		c := s[i]
		if c < 0x20 || c == '"' || c == '\\' || c == 0x7f {
			return appendOddText(b, s)
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii && !utf8.ValidString(s) {
		return appendOddText(b, s)
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendOddText puts the replacement character where bytes are no UTF-8, and
// for NUL, which a JSONB column refuses even when it is escaped.
func appendOddText(b []byte, s string) []byte {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	return append(b, quoted...)
}

// keptCodes are the letters by which kept rows name their fields. A letter
// never changes its meaning, since rows that were written long ago use it.
var keptCodes = [feed.NumFields]byte{
	feed.StoreID: 's', feed.ItemID: 'i', feed.GTIN: 'g', feed.Name: 'n', feed.Description: 'd', feed.Brand: 'b',
	feed.Category: 'c', feed.Price: 'p', feed.SalePrice: 'q', feed.SalePeriod: 'r', feed.Currency: 'm',
	feed.UnitPrice: 'u', feed.UnitPriceBase: 'v', feed.Unit: 'w', feed.Size: 'z', feed.AverageWeight: 'a',
	feed.Availability: 'h', feed.Quantity: 'k', feed.SourceTime: 't', feed.ImageURL: 'x', feed.ProductURL: 'y',
}

var keptFields = func() (fields [256]feed.Field) {
	for i := range fields {
		fields[i] = feed.NumFields
	}
	for f, code := range keptCodes {
		fields[code] = feed.Field(f)
	}
	return fields
}()

// keptMapping leads the name of the mapping that a kept row is read with.
const keptMapping = 'M'

// appendKept appends a row as a letter, a length and the text for each value
// that is there, led by the mapping that reads it.
func appendKept(b []byte, row *feed.Row, m mappingRef) []byte {
	b = appendKeptText(b, keptMapping, string(m))
	for f, v := range row.Values {
		if v != "" {
			b = appendKeptText(b, keptCodes[f], v)
		}
	}
	return b
}

func appendKeptText(b []byte, code byte, text string) []byte {
	b = append(b, code)
	b = appendLength(b, len(text))
	return append(b, text...)
}

func appendLength(b []byte, n int) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// decodeKept reads what appendKept wrote. Fields that this version does not
// know are passed over.
func decodeKept(b []byte) (row feed.Row, m mappingRef, err error) {
	rest := string(b)
	for len(rest) > 0 {
		code, n, shift := rest[0], 0, 0
		rest = rest[1:]
		for {
			if rest == "" || shift > 28 {
				return row, m, fmt.Errorf("kept row of %d bytes is cut short", len(b))
			}
			c := rest[0]
			rest = rest[1:]
			n |= int(c&0x7f) << shift
			if c < 0x80 {
				break
			}
			shift += 7
		}
		if n > len(rest) {
			return row, m, fmt.Errorf("kept row of %d bytes is cut short", len(b))
		}
		switch field := keptFields[code]; {
		case code == keptMapping:
			m = mappingRef(rest[:n])
		case field < feed.NumFields:
			row.Values[field] = rest[:n]
		}
		rest = rest[n:]
	}
	return row, m, nil
}
