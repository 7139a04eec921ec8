package inventory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/money"
	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// productRecord is a product as it is stored.
type productRecord struct {
	GTIN          int64
	Name          string
	Brand         string
	Category      string
	Unit          string
	Size          string
	AverageWeight string
	Version       int64
}

// product is the record with types. A size or weight that does not parse was
// refused when the catalogue was loaded.
func (r *productRecord) product() hydrate.Product {
	p := hydrate.Product{
		GTIN: normalize.GTIN(r.GTIN), Name: r.Name, Brand: r.Brand, Category: r.Category, Version: uint64(r.Version),
	}
	if r.Size != "" {
		if size, err := normalize.ParseSize(r.Size, money.Point); err == nil {
			p.Size = size
		}
	}
	switch r.Unit {
	case feed.WordEach:
		p.Sold = normalize.ByEach
	case feed.WordKg, feed.WordLb, feed.WordWeight:
		p.Sold = normalize.ByWeight
	}
	if r.AverageWeight != "" {
		if size, err := normalize.ParseSize(r.AverageWeight, money.Point); err == nil {
			if w, ok := size.Weight(); ok {
				p.AverageWeight = w
			}
		}
	}
	return p
}

func (r *productRecord) fingerprint() int64 {
	h := sha256.New()
	for _, part := range []string{r.Name, r.Brand, r.Category, r.Unit, r.Size, r.AverageWeight} {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return int64(binary.LittleEndian.Uint64(h.Sum(nil)))
}

// catalogProblem is a row of a catalogue file that was not loaded.
type catalogProblem struct {
	Row    int64
	Column string
	Reason string
}

// catalogLoad is what loading a catalogue came to.
type catalogLoad struct {
	Read, Loaded, Unchanged, Rejected int64
	Problems                          []catalogProblem
	// Feed judges again the items of products that changed; empty where none is touched.
	Feed FeedID
}

var catalogColumns = []string{"gtin", "brand", "name", "category", "unit", "size", "average_weight"}

const (
	catalogBatch        = 5000
	maxCatalogProblems  = 1000
	optionalCatalogFrom = 6 // average_weight alone may be absent
)

// loadCatalog reads a CSV file of products, merges them in batches, and has
// the items that rest on changed ones judged again.
func (s *Service) loadCatalog(ctx context.Context, r io.Reader, by string) (*catalogLoad, error) {
	reader := csv.NewReader(r)
	reader.ReuseRecord = true
	reader.FieldsPerRecord = -1
	at, err := catalogHeader(reader)
	if err != nil {
		return nil, err
	}
	load := &catalogLoad{}
	byGTIN := map[int64]int{}
	var batch []productRecord
	flush := func() error {
		changed, units, err := s.mergeCatalog(ctx, batch, by)
		if err != nil {
			return err
		}
		load.Loaded += int64(changed)
		load.Unchanged += int64(len(batch) - changed)
		batch = batch[:0]
		clear(byGTIN)
		for _, id := range units {
			s.start(ctx, id)
			load.Feed = cmp.Or(load.Feed, id)
		}
		return nil
	}
	for {
		fields, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		load.Read++
		var syntax *csv.ParseError
		if errors.As(err, &syntax) {
			load.refuse("", syntax.Err.Error())
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read catalogue: %w", err)
		}
		record, column, reason := catalogRecord(fields, at)
		if reason != "" {
			load.refuse(column, reason)
			continue
		}
		// Of the same GTIN in one file the later row counts.
		if i, ok := byGTIN[record.GTIN]; ok {
			batch[i] = record
			load.Unchanged++
			continue
		}
		byGTIN[record.GTIN] = len(batch)
		if batch = append(batch, record); len(batch) == catalogBatch {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	if load.Read == 0 {
		return nil, fault.New(fault.Invalid, "the catalogue has a header and no rows")
	}
	return load, nil
}

func (l *catalogLoad) refuse(column, reason string) {
	l.Rejected++
	if len(l.Problems) < maxCatalogProblems {
		l.Problems = append(l.Problems, catalogProblem{l.Read, column, reason})
	}
}

func catalogHeader(reader *csv.Reader) (map[string]int, error) {
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "the catalogue is empty")
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the catalogue is not CSV: "+err.Error())
	}
	at := map[string]int{}
	for i, name := range header {
		at[strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))] = i
	}
	var missing []string
	for _, name := range catalogColumns[:optionalCatalogFrom] {
		if _, ok := at[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fault.Errorf(fault.Invalid, "the catalogue lacks the columns %s; it needs %s",
			strings.Join(missing, ", "), strings.Join(catalogColumns[:optionalCatalogFrom], ", "))
	}
	return at, nil
}

func catalogRecord(fields []string, at map[string]int) (r productRecord, column, reason string) {
	value := func(name string) string {
		if i, ok := at[name]; ok && i < len(fields) {
			return strings.Clone(strings.TrimSpace(fields[i]))
		}
		return ""
	}
	g, _, err := normalize.ParseGTIN(value("gtin"))
	if err != nil {
		return r, "gtin", err.Error()
	}
	r = productRecord{
		GTIN: int64(g), Name: value("name"), Brand: value("brand"), Category: value("category"),
		Size: value("size"), AverageWeight: value("average_weight"),
	}
	r.Unit, r.Size = catalogUnit(value("unit"), r.Size)
	if r.Name == "" {
		return r, "name", "is empty"
	}
	for _, c := range []struct{ name, text string }{{"size", r.Size}, {"average_weight", r.AverageWeight}} {
		if c.text == "" {
			continue
		}
		if _, err := normalize.ParseSize(c.text, money.Point); err != nil {
			return r, c.name, err.Error()
		}
	}
	r.Version = r.fingerprint()
	return r, "", ""
}

// catalogUnit settles what a unit is about. Some catalogues say by it how a
// product is sold, some keep a package's number and its unit in two columns: a
// size of 250 in "g" is one of "250 g".
func catalogUnit(unit, size string) (sold, whole string) {
	sold, _ = canonicalMapping().Word(feed.Unit, unit)
	if unit == "" || size == "" || strings.Trim(size, "0123456789.,") != "" {
		return sold, size
	}
	if sold != feed.WordEach {
		sold = ""
	}
	return sold, size + " " + unit
}

// mergeCatalog loads a batch of products and stores, in the same transaction,
// the units of work that judge the items of changed ones again: one for each
// merchant that sells any.
func (s *Service) mergeCatalog(ctx context.Context, batch []productRecord, by string) (changed int, units []FeedID, err error) {
	if len(batch) == 0 {
		return 0, nil, nil
	}
	pool, err := s.store.pool(ctx)
	if err != nil {
		return 0, nil, err
	}
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		units = units[:0]
		gtins, err := s.store.mergeProducts(ctx, tx, batch, s.now())
		if err != nil || len(gtins) == 0 {
			return err
		}
		changed = len(gtins)
		touched, err := s.store.storesOfProducts(ctx, tx, gtinTexts(gtins))
		if err != nil {
			return err
		}
		byMerchant := map[string][]FeedStore{}
		for key, n := range touched {
			byMerchant[key.Merchant] = append(byMerchant[key.Merchant], FeedStore{Key: key, Rows: n})
		}
		for _, merchant := range slices.Sorted(maps.Keys(byMerchant)) {
			id, err := s.enqueue(ctx, tx, CauseCatalog, merchant, byMerchant[merchant],
				Detail{GTINs: gtins, Note: fmt.Sprintf("%d products of the catalogue changed", len(gtins))}, by)
			if err != nil {
				return err
			}
			units = append(units, id)
		}
		return nil
	})
	return changed, units, err
}
