package inventory

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
)

// Handlers decode requests, ask the service, and encode what it says: each
// authorizes, decodes, calls and encodes. The permission of every RPC was
// checked before it came here; what is left is whose rows the caller may see.
type Handlers struct {
	service *Service
}

func callerName(ctx context.Context) string {
	c, ok := auth.From(ctx)
	if !ok {
		return ""
	}
	return c.Subject
}

const defaultPage = 100

// pageSize is the number of rows of a page; requests were validated against
// the largest already.
func pageSize(asked int32) int {
	if asked <= 0 {
		return defaultPage
	}
	return int(asked)
}

var errCursor = fault.New(fault.Invalid, "page_token: not one that this list gave out")

// cursor encodes where a page ended.
func cursor(at any) string {
	encoded, err := json.Marshal(at)
	if err != nil {
		panic(err) // cursors are structs of texts and times
	}
	return base64.RawURLEncoding.EncodeToString(encoded)
}

// readCursor reads a cursor into at; an empty one leaves it as it is.
func readCursor(token string, at any) error {
	if token == "" {
		return nil
	}
	encoded, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return errCursor
	}
	if err := json.Unmarshal(encoded, at); err != nil {
		return errCursor
	}
	return nil
}

// page cuts one row more than a page holds off, and says where the page ended.
func page[T any](rows []T, size int, end func(T) any) ([]T, string) {
	if len(rows) <= size {
		return rows, ""
	}
	rows = rows[:size]
	return rows, cursor(end(rows[size-1]))
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func kindOf(k inventoryv1.FeedKind) feed.Kind {
	switch k {
	case inventoryv1.FeedKind_FEED_KIND_FULL:
		return feed.KindFull
	case inventoryv1.FeedKind_FEED_KIND_DELTA:
		return feed.KindDelta
	case inventoryv1.FeedKind_FEED_KIND_AVAILABILITY:
		return feed.KindAvailability
	}
	return ""
}

var kindsOut = map[feed.Kind]inventoryv1.FeedKind{
	feed.KindFull:         inventoryv1.FeedKind_FEED_KIND_FULL,
	feed.KindDelta:        inventoryv1.FeedKind_FEED_KIND_DELTA,
	feed.KindAvailability: inventoryv1.FeedKind_FEED_KIND_AVAILABILITY,
}

var statusesOut = map[Status]inventoryv1.FeedStatus{
	Queued:   inventoryv1.FeedStatus_FEED_STATUS_QUEUED,
	Running:  inventoryv1.FeedStatus_FEED_STATUS_RUNNING,
	Done:     inventoryv1.FeedStatus_FEED_STATUS_DONE,
	Failed:   inventoryv1.FeedStatus_FEED_STATUS_FAILED,
	Canceled: inventoryv1.FeedStatus_FEED_STATUS_CANCELED,
}

func statusOf(s inventoryv1.FeedStatus) (Status, bool) {
	for status, out := range statusesOut {
		if out == s {
			return status, true
		}
	}
	return "", false
}

var causesOut = map[Cause]inventoryv1.FeedCause{
	CauseFeed:     inventoryv1.FeedCause_FEED_CAUSE_FEED,
	CauseCatalog:  inventoryv1.FeedCause_FEED_CAUSE_CATALOG,
	CauseSettings: inventoryv1.FeedCause_FEED_CAUSE_SETTINGS,
	CauseSignal:   inventoryv1.FeedCause_FEED_CAUSE_SIGNAL,
	CauseOperator: inventoryv1.FeedCause_FEED_CAUSE_OPERATOR,
	CauseSchedule: inventoryv1.FeedCause_FEED_CAUSE_SCHEDULE,
	CauseRollback: inventoryv1.FeedCause_FEED_CAUSE_ROLLBACK,
}

func accountOut(a Account) *inventoryv1.FeedAccount {
	return &inventoryv1.FeedAccount{
		RowsRead: a.RowsRead, Applied: a.Applied, Unchanged: a.Unchanged, Stale: a.Stale, Held: a.Held,
		Rejected: a.Rejected, Duplicates: a.Duplicates, Removed: a.Removed, RemovalsHeld: a.RemovalsHeld,
	}
}

func feedOut(f *Feed) *inventoryv1.Feed {
	out := &inventoryv1.Feed{
		FeedId: string(f.ID), MerchantId: f.Merchant, MerchantName: f.MerchantName, StoreId: f.Store, Region: f.Region,
		Kind: kindsOut[f.Kind], Cause: causesOut[f.Cause], Status: statusesOut[f.Status],
		FileName: f.FileName, SizeBytes: f.SizeBytes, Sha256: f.SHA256, MappingName: f.MappingName, MappingVersion: f.MappingVersion,
		SourceTime: stamp(f.SourceTime), SubmittedAt: stamp(f.SubmittedAt), StartedAt: stamp(f.StartedAt), FinishedAt: stamp(f.FinishedAt),
		SubmittedBy: f.SubmittedBy, Account: accountOut(f.Account), Error: f.Error, Truncated: f.Truncated,
	}
	if !f.FinishedAt.IsZero() {
		out.DurationMs = f.FinishedAt.Sub(f.SubmittedAt).Milliseconds()
	}
	return out
}

// feedWithStores is a feed with its stores' accounts and, while it runs, how
// far it has come.
func (s *Service) feedWithStores(ctx context.Context, id FeedID) (*inventoryv1.Feed, error) {
	f, err := s.store.feed(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := auth.MayMerchant(ctx, f.Merchant); err != nil {
		return nil, ErrFeedUnknown
	}
	pool, err := s.store.pool(ctx)
	if err != nil {
		return nil, err
	}
	parts, err := s.store.feedStores(ctx, pool, id)
	if err != nil {
		return nil, err
	}
	out := feedOut(&f)
	running := f.Account
	var total int64
	finished := 0
	for i := range parts {
		p := &parts[i]
		running.add(p.Account)
		total += p.Rows
		if p.Finished {
			finished++
		}
		out.Stores = append(out.Stores, &inventoryv1.FeedStore{
			StoreId: p.Key.Store, StoreName: p.Name, Account: accountOut(p.Account),
			Chunks: int32(p.Chunks), ChunksDone: int32(p.ChunksDone),
		})
	}
	if f.Status.Final() {
		return out, nil
	}
	out.Account = accountOut(running)
	out.Progress = progress(&f, running, total, finished == len(parts) && len(parts) > 0, s.now())
	return out, nil
}

func progress(f *Feed, a Account, total int64, applied bool, now time.Time) *inventoryv1.FeedProgress {
	p := &inventoryv1.FeedProgress{Phase: "queued", RowsDone: a.RowsRead}
	switch {
	case f.Status == Queued:
		return p
	case f.SplitAt.IsZero():
		p.Phase = "splitting"
		return p
	case applied:
		p.Phase = "publishing"
	default:
		p.Phase = "applying"
	}
	p.RowsTotal = max(total+f.Account.RowsRead, p.RowsDone)
	if since := now.Sub(f.SplitAt).Seconds(); since > 0.2 && p.RowsDone > 0 {
		p.RowsPerSecond = float64(p.RowsDone) / since
		p.EtaMs = int64(float64(p.RowsTotal-p.RowsDone) / p.RowsPerSecond * 1000)
	}
	return p
}

func storeOut(st *Store, now time.Time) *inventoryv1.Store {
	_, late := st.Late(now)
	return &inventoryv1.Store{
		MerchantId: st.Key.Merchant, StoreId: st.Key.Store, Name: st.Name, Region: st.Region, MerchantName: st.MerchantName,
		Currency: string(st.Currency),
		Settings: &inventoryv1.PriceSettings{
			InflationBasisPoints: st.Settings.InflationBasisPoints, RoundToMinor: int32(st.Settings.RoundToMinor),
		},
		Items: st.Items, Shown: st.Shown, Hidden: st.Items - st.Shown, Held: st.Held,
		MenuVersion: st.MenuVersion, LastFeedAt: stamp(st.Watermark), Late: late,
	}
}

func merchantOut(m *Merchant) *inventoryv1.Merchant {
	return &inventoryv1.Merchant{
		MerchantId: m.ID, Name: m.Name, Currency: string(m.Currency), StoreCount: int32(m.Stores), MappingName: m.Mapping,
	}
}

func holdOut(h *Hold) *inventoryv1.Hold {
	return &inventoryv1.Hold{
		HoldId: h.ID, MerchantId: h.Key.Merchant, StoreId: h.Key.Store, StoreName: h.StoreName, MerchantName: h.MerchantName,
		ItemId: h.Item, ItemName: h.ItemName, Guard: h.Guard, BeforeMinor: h.Before, AfterMinor: h.After, MedianMinor: h.Median,
		Currency: h.Currency, FeedId: string(h.Feed), Row: h.Row, State: string(h.State), Detail: h.Detail,
		CreatedAt: stamp(h.CreatedAt), DecidedAt: stamp(h.DecidedAt), DecidedBy: h.DecidedBy, Removals: h.Removals,
	}
}

// perOut says what a price is for in a word: nothing for a piece.
func perOut(micrograms int64) string {
	const gram = 1_000_000
	switch micrograms {
	case 0:
		return ""
	case 1000 * gram:
		return "kg"
	case 100 * gram:
		return "100 g"
	case 453_592_370:
		return "lb"
	case 28_349_523:
		return "oz"
	}
	return trimDecimals(float64(micrograms)/gram) + " g"
}

func itemOut(it *Item) *inventoryv1.Item {
	st := &it.State
	out := &inventoryv1.Item{
		MerchantId: it.Key.Merchant, StoreId: it.Key.Store, ItemId: it.ID, Name: st.Name, Brand: st.Brand, Category: st.Category,
		Gtin: st.GTIN.String(), Size: st.Size.String(), Shown: st.Shown(), HiddenReason: string(st.Hidden),
		Currency: string(st.Price.Currency), PricePer: perOut(int64(st.Price.Per)), UpdatedAt: stamp(it.ChangedAt),
		FeedId: st.FeedID, Row: st.Row, HoldId: it.HoldID, StoreName: it.StoreName, MerchantName: it.MerchantName,
	}
	if st.Percent >= 0 {
		out.Availability = float64(st.Percent) / 100
	}
	if st.Price.Effective > 0 {
		out.PriceMinor = minorPointer(st.Price.Effective)
	}
	if st.Price.OnSale() {
		out.RegularPriceMinor = minorPointer(st.Price.Regular)
	}
	return out
}

// mapOut encodes each row of a list.
func mapOut[T, U any](rows []T, out func(*T) U) []U {
	encoded := make([]U, len(rows))
	for i := range rows {
		encoded[i] = out(&rows[i])
	}
	return encoded
}

func statusNames(statuses []inventoryv1.FeedStatus) ([]string, error) {
	var names []string
	for _, s := range statuses {
		status, ok := statusOf(s)
		if !ok {
			return nil, fault.Errorf(fault.Invalid, "statuses: %s is no status to list by", s)
		}
		if !slices.Contains(names, string(status)) {
			names = append(names, string(status))
		}
	}
	return names, nil
}
