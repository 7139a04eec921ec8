package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
)

// Signal is what a shopper standing in the store saw.
type Signal struct {
	Store string
	Item  string
	Found bool
	At    time.Time
	// ID is the sender's own: the same one twice counts once.
	ID string
}

// signalCount is what became of signals.
type signalCount struct {
	Accepted, Duplicates, UnknownItems int
}

func (c *signalCount) add(b signalCount) {
	c.Accepted += b.Accepted
	c.Duplicates += b.Duplicates
	c.UnknownItems += b.UnknownItems
}

// reportSignals counts shoppers' signals and judges their items again, store
// by store in one transaction each.
func (s *Service) reportSignals(ctx context.Context, merchant string, signals []Signal, by string) (signalCount, error) {
	slices.SortStableFunc(signals, func(a, b Signal) int {
		return cmp.Or(cmp.Compare(a.Store, b.Store), cmp.Compare(a.Item, b.Item), a.At.Compare(b.At))
	})
	var total signalCount
	for i := 0; i < len(signals); {
		j := i
		for j < len(signals) && signals[j].Store == signals[i].Store {
			j++
		}
		counted, err := s.reportStoreSignals(ctx, StoreKey{merchant, signals[i].Store}, signals[i:j], by)
		if err != nil {
			return total, err
		}
		total.add(counted)
		i = j
	}
	return total, nil
}

func (s *Service) reportStoreSignals(ctx context.Context, key StoreKey, signals []Signal, by string) (signalCount, error) {
	u, err := s.synchronous(ctx, key, CauseSignal, fmt.Sprintf("%d signals of shoppers", len(signals)), by)
	if err != nil {
		return signalCount{}, err
	}
	var items []string
	for i := range signals {
		if n := len(items); n == 0 || items[n-1] != signals[i].Item {
			items = append(items, signals[i].Item)
		}
	}
	var counted signalCount
	c := &chunk{IDs: items}
	c.Before = func(ctx context.Context, tx pgx.Tx) error {
		counted, err = s.store.countSignals(ctx, tx, key, signals, s.now())
		if err == nil && counted.Accepted == 0 {
			return errSkip
		}
		return err
	}
	_, err = s.complete(ctx, u, c)
	if errors.Is(err, errSkip) {
		err = nil
	}
	if err == nil {
		s.countSignalMetrics(signals, counted)
	}
	return counted, err
}

func (s *Service) countSignalMetrics(signals []Signal, c signalCount) {
	m := s.deps.Metrics.signals
	m.WithLabelValues("duplicate").Add(float64(c.Duplicates))
	m.WithLabelValues("unknown_item").Add(float64(c.UnknownItems))
	found := 0
	for i := range signals {
		if signals[i].Found {
			found++
		}
	}
	// Which of the signals were duplicates does not matter to a rate.
	m.WithLabelValues("found").Add(float64(found))
	m.WithLabelValues("not_found").Add(float64(len(signals) - found))
}

// signalsKnownFor is how long a signal that comes again is known as a
// repetition. What it counts for fades much sooner.
const signalsKnownFor = 90 * 24 * time.Hour

const insertSignals = `
INSERT INTO signal (merchant_id, store_id, item_id, signal_id, found, at, expires_at)
SELECT $1, $2, n.i, n.s, n.f, n.t, $7 FROM unnest($3::text[], $4::text[], $5::bool[], $6::timestamptz[]) AS n (i, s, f, t)
WHERE EXISTS (SELECT 1 FROM item WHERE item.merchant_id = $1 AND item.store_id = $2 AND item.item_id = n.i)
ON CONFLICT (merchant_id, store_id, item_id, signal_id) DO NOTHING
RETURNING item_id, signal_id`

// countSignals keeps new signals and adds them to the counts of their item,
// of the item over all stores, and of its category.
func (s *store) countSignals(ctx context.Context, tx pgx.Tx, key StoreKey, signals []Signal, now time.Time) (signalCount, error) {
	items, ids := make([]string, len(signals)), make([]string, len(signals))
	found, at := make([]bool, len(signals)), make([]time.Time, len(signals))
	for i := range signals {
		sg := &signals[i]
		if sg.At.IsZero() || sg.At.After(now) {
			sg.At = now
		}
		if sg.ID == "" {
			sg.ID = "at-" + sg.At.UTC().Format(time.RFC3339Nano) + fmt.Sprintf("-%t-%d", sg.Found, i)
		}
		items[i], ids[i], found[i], at[i] = sg.Item, sg.ID, sg.Found, sg.At
	}
	rows, err := tx.Query(ctx, insertSignals, key.Merchant, key.Store, items, ids, found, at, now.Add(signalsKnownFor))
	if err != nil {
		return signalCount{}, fmt.Errorf("keep %d signals of store %s: %w", len(signals), key, err)
	}
	fresh := map[[2]string]bool{}
	var pair [2]string
	if _, err := pgx.ForEachRow(rows, []any{&pair[0], &pair[1]}, func() error { fresh[pair] = true; return nil }); err != nil {
		return signalCount{}, fmt.Errorf("keep %d signals of store %s: %w", len(signals), key, err)
	}
	categories, err := s.categoriesOf(ctx, tx, key, items)
	if err != nil {
		return signalCount{}, err
	}
	counts := map[countKey]*countRow{}
	var counted signalCount
	for i := range signals {
		sg := &signals[i]
		category, known := categories[sg.Item]
		switch {
		case !known:
			counted.UnknownItems++
			continue
		case !fresh[[2]string{sg.Item, sg.ID}]:
			counted.Duplicates++
			continue
		}
		delete(fresh, [2]string{sg.Item, sg.ID}) // the same id twice in one call counts once
		counted.Accepted++
		for _, k := range []countKey{{key.Store, "item", sg.Item}, {"", "item", sg.Item}, {key.Store, "category", category}} {
			if k.Key == "" {
				continue
			}
			c := counts[k]
			if c == nil {
				c = &countRow{}
				counts[k] = c
			}
			c.signals = append(c.signals, availability.Signal{Found: sg.Found, At: sg.At})
		}
	}
	return counted, s.addCounts(ctx, tx, key.Merchant, counts)
}

func (s *store) categoriesOf(ctx context.Context, tx pgx.Tx, key StoreKey, items []string) (map[string]string, error) {
	rows, err := tx.Query(ctx, `
SELECT item_id, coalesce(state->>'category', '') FROM item WHERE merchant_id = $1 AND store_id = $2 AND item_id = ANY($3)`,
		key.Merchant, key.Store, items)
	if err != nil {
		return nil, fmt.Errorf("read categories of store %s: %w", key, err)
	}
	out := map[string]string{}
	var id, category string
	_, err = pgx.ForEachRow(rows, []any{&id, &category}, func() error { out[id] = category; return nil })
	return out, err
}

type countKey struct{ Store, Level, Key string }

type countRow struct {
	counts  availability.Counts
	last    availability.Signal
	signals []availability.Signal
}

const mergeCounts = `
INSERT INTO signal_count (merchant_id, store_id, level, key, found, not_found, at, last_found, last_at)
SELECT $1, s, l, k, f, n, a, lf, la
FROM unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::timestamptz[], $8::bool[], $9::timestamptz[])
  AS c (s, l, k, f, n, a, lf, la)
ON CONFLICT (merchant_id, store_id, level, key) DO UPDATE SET found = excluded.found, not_found = excluded.not_found,
  at = excluded.at, last_found = excluded.last_found, last_at = excluded.last_at`

// addCounts reads, decays and writes counts. The counts over all stores are
// shared with other stores' transactions, so that the rows are locked.
func (s *store) addCounts(ctx context.Context, tx pgx.Tx, merchant string, counts map[countKey]*countRow) error {
	keys := make([]countKey, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	// One order for everybody, so that two transactions never wait for each other.
	slices.SortFunc(keys, func(a, b countKey) int {
		return cmp.Or(cmp.Compare(a.Store, b.Store), cmp.Compare(a.Level, b.Level), cmp.Compare(a.Key, b.Key))
	})
	stores, levels, names := make([]string, len(keys)), make([]string, len(keys)), make([]string, len(keys))
	for i, k := range keys {
		stores[i], levels[i], names[i] = k.Store, k.Level, k.Key
	}
	// Rows that do not exist cannot be locked.
	if _, err := tx.Exec(ctx, `
INSERT INTO signal_count (merchant_id, store_id, level, key, found, not_found, at, last_found, last_at)
SELECT $1, s, l, k, 0, 0, 'epoch', true, 'epoch' FROM unnest($2::text[], $3::text[], $4::text[]) AS w (s, l, k)
ON CONFLICT (merchant_id, store_id, level, key) DO NOTHING`, merchant, stores, levels, names); err != nil {
		return fmt.Errorf("make signal counts of merchant %s: %w", merchant, err)
	}
	rows, err := tx.Query(ctx, `
SELECT c.store_id, c.level, c.key, c.found, c.not_found, c.at, c.last_found, c.last_at
FROM signal_count c JOIN unnest($2::text[], $3::text[], $4::text[]) AS w (s, l, k)
  ON c.store_id = w.s AND c.level = w.l AND c.key = w.k
WHERE c.merchant_id = $1 ORDER BY c.store_id, c.level, c.key FOR UPDATE OF c`, merchant, stores, levels, names)
	if err != nil {
		return fmt.Errorf("read signal counts of merchant %s: %w", merchant, err)
	}
	var k countKey
	var row countRow
	_, err = pgx.ForEachRow(rows, []any{&k.Store, &k.Level, &k.Key, &row.counts.Found, &row.counts.NotFound, &row.counts.At, &row.last.Found, &row.last.At}, func() error {
		counts[k].counts, counts[k].last = row.counts, row.last
		return nil
	})
	if err != nil {
		return fmt.Errorf("read signal counts of merchant %s: %w", merchant, err)
	}
	halfLife := availability.DefaultBackOff().HalfLife
	found, notFound := make([]float64, len(keys)), make([]float64, len(keys))
	at, lastFound, lastAt := make([]time.Time, len(keys)), make([]bool, len(keys)), make([]time.Time, len(keys))
	for i, k := range keys {
		c := counts[k]
		for _, sg := range c.signals {
			c.counts = c.counts.Add(sg, halfLife)
			if !sg.At.Before(c.last.At) {
				c.last = sg
			}
		}
		found[i], notFound[i], at[i], lastFound[i], lastAt[i] = c.counts.Found, c.counts.NotFound, c.counts.At, c.last.Found, c.last.At
	}
	if _, err := tx.Exec(ctx, mergeCounts, merchant, stores, levels, names, found, notFound, at, lastFound, lastAt); err != nil {
		return fmt.Errorf("write signal counts of merchant %s: %w", merchant, err)
	}
	return nil
}
