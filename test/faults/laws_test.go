//go:build faults

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
)

// outcome is everything that units of work leave behind which does not depend
// on when and how often the server was killed over them.
type outcome struct {
	Feeds  []string
	Ledger []string
	Outbox []string
	Items  []string
	Holds  []string
	Fences []string
	Stores []string
	Menus  []string
	// Medians are those of prices over stores.
	Medians  []string
	Products []string
	Signals  []string
	Counts   []string
}

// named gives units of work names, since each run gives them other ids: those
// of idempotency that feeds were sent with, and what the others are about.
const named = `
CREATE TEMPORARY VIEW unit AS
SELECT *, coalesce(idempotency_key, concat_ws(' ', cause, store_id, detail->>'note')) AS name FROM feed`

// outcomes reads each of them as lines of JSON. What a state says of its feed
// is left out there and compared by the columns beside it.
var outcomes = []struct {
	into func(*outcome) *[]string
	sql  string
}{
	{func(o *outcome) *[]string { return &o.Feeds }, `
SELECT json_build_array(name, cause, status, error, truncated, rows_read, applied, unchanged, stale, held, rejected, duplicates, removed, removals_held)
FROM unit ORDER BY name`},
	{func(o *outcome) *[]string { return &o.Ledger }, `
SELECT json_build_array(name, c.store_id, chunk, rows, c.applied, c.unchanged, c.stale, c.held, c.rejected, c.removed)
FROM feed_chunk c JOIN unit USING (feed_id) ORDER BY name, c.store_id, chunk`},
	{func(o *outcome) *[]string { return &o.Outbox }, `
SELECT json_build_array(name, o.store_id, chunk, o.cause, changes)
FROM inventory_outbox o JOIN unit USING (feed_id) ORDER BY name, o.store_id, chunk`},
	{func(o *outcome) *[]string { return &o.Items }, `
SELECT json_build_array(i.store_id, item_id, state - 'feed' #- '{hold,feed}' #- '{hold,opened}', encode(kept, 'hex'), i.source_time, change.name, change_chunk, source.name)
FROM item i JOIN unit change ON change.feed_id = change_feed LEFT JOIN unit source ON source.feed_id = state->>'feed' ORDER BY i.store_id, item_id`},
	{func(o *outcome) *[]string { return &o.Holds }, `
SELECT json_build_array(h.store_id, item_id, guard, before_minor, after_minor, median_minor, held.name, row, removals, state, decided_by, decided.name)
FROM hold h JOIN unit held USING (feed_id) LEFT JOIN unit decided ON decided.feed_id = decided_feed ORDER BY h.store_id, item_id, held.name`},
	{func(o *outcome) *[]string { return &o.Fences }, `
SELECT json_build_array(store_id, feed_id, token, writes, writes - published) FROM store_fence ORDER BY store_id`},
	{func(o *outcome) *[]string { return &o.Stores }, `
SELECT json_build_array(s.store_id, watermark, name, full_interval_ms, items, shown, hidden, inflation_basis_points, round_to_minor)
FROM (SELECT store_id, watermark, watermark_feed AS feed_id, full_interval_ms, items, shown, hidden, inflation_basis_points, round_to_minor FROM store) s
LEFT JOIN unit USING (feed_id) ORDER BY s.store_id`},
	{func(o *outcome) *[]string { return &o.Medians }, `
SELECT json_build_array(item_id, price_minor, per, stores) FROM item_median ORDER BY item_id`},
	{func(o *outcome) *[]string { return &o.Products }, `
SELECT json_build_array(gtin, name, brand, category, unit, size, version) FROM product ORDER BY gtin`},
	{func(o *outcome) *[]string { return &o.Signals }, `
SELECT json_build_array(store_id, item_id, signal_id, found, at) FROM signal ORDER BY store_id, item_id, signal_id`},
	{func(o *outcome) *[]string { return &o.Counts }, `
SELECT json_build_array(store_id, level, key, found, not_found, at, last_found, last_at) FROM signal_count ORDER BY store_id, level, key`},
}

// outcome reads what a server holds once its work has ended, and checks what
// has to hold by itself.
func (s *server) outcome() *outcome {
	s.t.Helper()
	s.settled()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	db := s.database()
	if _, err := db.Exec(ctx, named); err != nil {
		s.t.Fatal(err)
	}
	out := &outcome{}
	for _, o := range outcomes {
		*o.into(out) = s.lines(ctx, db, o.sql)
	}
	for _, store := range stores {
		out.Menus = append(out.Menus, s.menu(ctx, store)...)
	}
	s.chunksMatch(ctx, db)
	if amiss := s.lines(ctx, db, `
SELECT json_build_array(name, status, error) FROM unit
WHERE status <> 'done' OR rows_read <> applied + unchanged + stale + held + rejected + duplicates`); len(amiss) > 0 {
		s.t.Errorf("units of work did not end well: %v", amiss)
	}
	if left := s.lines(ctx, db, `SELECT json_build_array(load, item_id) FROM item_staging`); len(left) > 0 {
		s.t.Errorf("staged rows are left: %v", left)
	}
	return out
}

func (s *server) lines(ctx context.Context, db *pgx.Conn, sql string) []string {
	s.t.Helper()
	rows, err := db.Query(ctx, sql)
	if err != nil {
		s.t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return found
}

// settled waits until all work has come to its end.
func (s *server) settled() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := settle(ctx, s.database()); err != nil {
		s.t.Fatal(err)
	}
}

// settle waits until no unit of work is open and what follows on one's end is
// there: menus that have every write, and medians that are newer and those of
// the prices as they are.
func settle(ctx context.Context, db *pgx.Conn) error {
	var open, behind, medians int
	for tick := time.NewTicker(50 * time.Millisecond); ; <-tick.C {
		if err := db.QueryRow(ctx, `
WITH medians AS (
  SELECT item_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY (state->'price'->>'minor')::int8) AS price_minor, count(*)::int4 AS stores
  FROM item WHERE state->'price' IS NOT NULL AND coalesce(state->>'hidden', '') <> 'delisted' GROUP BY item_id
)
SELECT (SELECT count(*) FROM feed WHERE status IN ('queued', 'running')), (SELECT count(*) FROM store_fence WHERE writes > published),
  (SELECT count(*) FROM medians FULL JOIN item_median m USING (item_id, price_minor, stores)
   WHERE medians.item_id IS NULL OR m.item_id IS NULL) +
  (SELECT count(*) FROM store JOIN merchant USING (merchant_id) WHERE menu_at > coalesce(medians_at, 'epoch'))`).Scan(&open, &behind, &medians); err != nil {
			return fmt.Errorf("wait for %d units, %d menus and %d medians: %w", open, behind, medians, err)
		}
		if open+behind+medians == 0 {
			return nil
		}
	}
}

// menu is what shoppers read of a store.
func (s *server) menu(ctx context.Context, store string) []string {
	s.t.Helper()
	m, err := s.items().GetMenu(ctx, &inventoryv1.GetMenuRequest{MerchantId: "corner", StoreId: store})
	if err != nil {
		s.t.Fatalf("menu of store %s: %v", store, err)
	}
	var found []string
	for _, c := range m.GetCategories() {
		for _, it := range c.GetItems() {
			found = append(found, fmt.Sprintf("%s/%s %s %d", store, it.GetItemId(), c.GetName(), it.GetPriceMinor()))
		}
	}
	slices.Sort(found)
	return found
}

// changeLine is a line of a before/after object.
type changeLine struct {
	Item   string          `json:"item"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
	Reject json.RawMessage `json:"reject"`
	// Who wrote Before.
	PreviousFeed  string `json:"previous_feed"`
	PreviousChunk int    `json:"previous_chunk"`
}

// chunksMatch insists that ledger, outbox, before/after objects and items say
// the same of every chunk: each item was changed by one chunk of a feed, from
// what the one before left to what is there now.
func (s *server) chunksMatch(ctx context.Context, db *pgx.Conn) {
	s.t.Helper()
	type chunk struct {
		Feed, Store     string
		Chunk           int
		Object          *string
		Changes         *int64
		Counted, Reject int64
	}
	rows, err := db.Query(ctx, `
SELECT c.feed_id, c.store_id, c.chunk, o.object_key, o.changes, c.applied + c.held + c.removed, c.rejected
FROM feed_chunk c
LEFT JOIN inventory_outbox o ON o.feed_id = c.feed_id AND o.store_id = c.store_id AND o.chunk = c.chunk
ORDER BY c.done_at, c.store_id, c.chunk`)
	if err != nil {
		s.t.Fatal(err)
	}
	chunks, err := pgx.CollectRows(rows, pgx.RowToStructByPos[chunk])
	if err != nil {
		s.t.Fatal(err)
	}
	type writer struct {
		feed  string
		chunk int
	}
	type seen struct {
		after any
		by    writer
	}
	known := map[string]seen{}
	for _, c := range chunks {
		name := fmt.Sprintf("feed %s, store %s, chunk %d", c.Feed, c.Store, c.Chunk)
		if c.Object == nil {
			if c.Counted > 0 || c.Reject > 0 {
				s.t.Errorf("%s: the ledger counts %d changes and %d rejects, and the outbox has no row", name, c.Counted, c.Reject)
			}
			continue
		}
		var changes, rejects int64
		for _, l := range s.changes(*c.Object) {
			if l.Reject != nil {
				rejects++
				continue
			}
			changes++
			item := c.Store + "/" + l.Item
			had, ok := known[item]
			if before := decoded(s, l.Before); ok != (l.Before != nil) || ok && (!reflect.DeepEqual(before, had.after) || had.by != writer{l.PreviousFeed, l.PreviousChunk}) {
				s.t.Fatalf("%s: item %s changed from %v by %s/%d, and what was there is %v by %v", name, l.Item, before, l.PreviousFeed, l.PreviousChunk, had.after, had.by)
			}
			known[item] = seen{decoded(s, l.After), writer{c.Feed, c.Chunk}}
		}
		if changes != *c.Changes || rejects != c.Reject {
			s.t.Errorf("%s: the object has %d changes and %d rejects, the outbox row and the ledger %d and %d", name, changes, rejects, *c.Changes, c.Reject)
		}
	}
	var store, item, feed, state string
	var by int
	rows, err = db.Query(ctx, `SELECT store_id, item_id, change_feed, change_chunk, state FROM item`)
	if err != nil {
		s.t.Fatal(err)
	}
	items := 0
	if _, err := pgx.ForEachRow(rows, []any{&store, &item, &feed, &by, &state}, func() error {
		items++
		last := known[store+"/"+item]
		if now := decoded(s, []byte(state)); last.by != (writer{feed, by}) || !reflect.DeepEqual(now, last.after) {
			s.t.Fatalf("item %s/%s is %v by %s/%d, and the last before/after object has %v by %v", store, item, now, feed, by, last.after, last.by)
		}
		return nil
	}); err != nil {
		s.t.Fatal(err)
	}
	if items != len(known) {
		s.t.Errorf("there are %d items, and the before/after objects name %d", items, len(known))
	}
}

// decoded reads JSON whose order of keys does not matter.
func decoded(s *server, raw []byte) any {
	if raw == nil {
		return nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		s.t.Errorf("decode %s: %v", raw, err)
	}
	return v
}

func (s *server) changes(key string) []changeLine {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.dir, "objects", filepath.FromSlash(key)))
	if err != nil {
		s.t.Errorf("before/after object: %v", err)
		return nil
	}
	z, err := zstd.NewReader(bytes.NewReader(raw))
	if err != nil {
		s.t.Fatal(err)
	}
	defer z.Close()
	var found []changeLine
	for in := json.NewDecoder(z); ; {
		var l changeLine
		err := in.Decode(&l)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			s.t.Errorf("read before/after object %s: %v", key, err)
			return found
		}
		found = append(found, l)
	}
}

// equals insists that feeds left what they leave where nothing disturbs them.
func (s *server) equals(got, want *outcome) {
	s.t.Helper()
	g, w := reflect.ValueOf(*got), reflect.ValueOf(*want)
	for i := range g.NumField() {
		have, expected := g.Field(i).Interface().([]string), w.Field(i).Interface().([]string)
		if len(expected) == 0 {
			s.t.Fatalf("the undisturbed run left no %s: it compares nothing", g.Type().Field(i).Name)
		}
		if !slices.Equal(have, expected) {
			s.t.Errorf("%s are not those of the undisturbed run:\nonly here:  %s\nonly there: %s", g.Type().Field(i).Name,
				strings.Join(without(have, expected), "\n            "), strings.Join(without(expected, have), "\n            "))
		}
	}
}

// without lists what a has and b has not.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(l string) bool { return slices.Contains(b, l) })
}
