package inventory

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
)

var errNoHeader = fault.New(fault.Invalid, "the first message of SubmitFeed is its header, and no other is")

// SubmitFeed takes a feed in that arrives in pieces after its header.
func (h *Handlers) SubmitFeed(ctx context.Context, stream *connect.ClientStream[inventoryv1.SubmitFeedRequest]) (*inventoryv1.SubmitFeedResponse, error) {
	if !stream.Receive() {
		if err := stream.Err(); err != nil {
			return nil, err
		}
		return nil, errNoHeader
	}
	head := stream.Msg().GetHeader()
	if head == nil {
		return nil, errNoHeader
	}
	if err := auth.MayMerchant(ctx, head.GetMerchantId()); err != nil {
		return nil, err
	}
	sub := Submission{
		Merchant: head.GetMerchantId(), Store: head.GetStoreId(), Region: head.GetRegion(), Kind: kindOf(head.GetKind()),
		Mapping: head.GetMappingName(), FileName: head.GetFileName(), IdempotencyKey: head.GetIdempotencyKey(),
		By: callerName(ctx), Cause: CauseFeed,
	}
	if head.GetSourceTime() != nil {
		sub.SourceTime = head.GetSourceTime().AsTime()
	}
	receipt, err := h.service.Submit(ctx, sub, &pieces{next: func() ([]byte, error) {
		if !stream.Receive() {
			return nil, endOf(stream.Err())
		}
		if stream.Msg().GetHeader() != nil {
			return nil, errNoHeader
		}
		return stream.Msg().GetChunk(), nil
	}})
	if err != nil {
		return nil, err
	}
	return &inventoryv1.SubmitFeedResponse{FeedId: string(receipt.Feed), Resend: receipt.Resend, Sha256: receipt.SHA256}, nil
}

// PutFeed takes a big file in over HTTP:
// PUT /v1/feeds/{merchant}?store=&region=&kind=&mapping=&source_time=&file_name=&idempotency_key=
func (h *Handlers) PutFeed(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := auth.MayMerchant(ctx, r.PathValue("merchant")); err != nil {
		return err
	}
	q := r.URL.Query()
	for name := range q {
		switch name {
		case "store", "region", "kind", "mapping", "source_time", "file_name", "idempotency_key":
		default:
			return fault.Errorf(fault.Invalid, "parameter %q is unknown: use store, region, kind, mapping, source_time, file_name or idempotency_key", name)
		}
	}
	sub := Submission{
		Merchant: r.PathValue("merchant"), Store: q.Get("store"), Region: q.Get("region"), Kind: feed.Kind(q.Get("kind")),
		Mapping: q.Get("mapping"), FileName: q.Get("file_name"), IdempotencyKey: q.Get("idempotency_key"), By: callerName(ctx), Cause: CauseFeed,
	}
	for name, text := range map[string]string{"file_name": sub.FileName, "idempotency_key": sub.IdempotencyKey} {
		if len(text) > 255 {
			return fault.Errorf(fault.Invalid, "%s is longer than 255 bytes", name)
		}
	}
	if text := q.Get("source_time"); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return fault.Errorf(fault.Invalid, "source_time %q: want RFC 3339, such as 2026-07-03T06:00:00Z", text)
		}
		sub.SourceTime = at
	}
	receipt, err := h.service.Submit(ctx, sub, r.Body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/v1/feeds/"+string(receipt.Feed))
	w.WriteHeader(http.StatusAccepted)
	return json.NewEncoder(w).Encode(struct {
		Feed   FeedID `json:"feed_id"`
		Resend bool   `json:"resend"`
		SHA256 string `json:"sha256"`
	}{receipt.Feed, receipt.Resend, receipt.SHA256})
}

// maxInlineBytes bounds an inline batch.
const maxInlineBytes = 1 << 20

// UpsertItems takes a few items in as an operator types them: a delta in
// bodega's own columns.
func (h *Handlers) UpsertItems(ctx context.Context, req *inventoryv1.UpsertItemsRequest) (*inventoryv1.UpsertItemsResponse, error) {
	if err := auth.MayMerchant(ctx, req.GetMerchantId()); err != nil {
		return nil, err
	}
	if n := proto.Size(req); n > maxInlineBytes {
		return nil, fault.Errorf(fault.Invalid, "the batch has %d bytes, more than %d: send a file with `bodega feed submit`", n, maxInlineBytes)
	}
	var body bytes.Buffer
	w := csv.NewWriter(&body)
	rows := [][]string{{"item_id", "gtin", "name", "brand", "category", "price", "sale_price", "unit", "size", "availability"}}
	for _, it := range req.GetItems() {
		rows = append(rows, []string{
			it.GetItemId(), it.GetGtin(), it.GetName(), it.GetBrand(), it.GetCategory(), it.GetPrice(), it.GetSalePrice(),
			it.GetUnit(), it.GetSize(), it.GetAvailability(),
		})
	}
	if err := w.WriteAll(rows); err != nil {
		return nil, fmt.Errorf("encode inline items: %w", err)
	}
	receipt, err := h.service.Submit(ctx, Submission{
		Merchant: req.GetMerchantId(), Store: req.GetStoreId(), Kind: feed.KindDelta, Mapping: canonicalPreset,
		IdempotencyKey: req.GetIdempotencyKey(), By: callerName(ctx), Cause: CauseOperator,
	}, &body)
	if err != nil {
		return nil, err
	}
	return &inventoryv1.UpsertItemsResponse{FeedId: string(receipt.Feed)}, nil
}

// ReportSignals counts what shoppers saw, and judges their items again.
func (h *Handlers) ReportSignals(ctx context.Context, req *inventoryv1.ReportSignalsRequest) (*inventoryv1.ReportSignalsResponse, error) {
	if err := auth.MayMerchant(ctx, req.GetMerchantId()); err != nil {
		return nil, err
	}
	signals := make([]Signal, len(req.GetSignals()))
	for i, sg := range req.GetSignals() {
		signals[i] = Signal{Store: sg.GetStoreId(), Item: sg.GetItemId(), Found: sg.GetFound(), ID: sg.GetSignalId()}
		if sg.GetAt() != nil {
			signals[i].At = sg.GetAt().AsTime()
		}
	}
	c, err := h.service.reportSignals(ctx, req.GetMerchantId(), signals, callerName(ctx))
	if err != nil {
		return nil, err
	}
	return &inventoryv1.ReportSignalsResponse{
		Accepted: int32(c.Accepted), Duplicates: int32(c.Duplicates), UnknownItems: int32(c.UnknownItems),
	}, nil
}

// GetFeed reads a feed and its account.
func (h *Handlers) GetFeed(ctx context.Context, req *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
	f, err := h.service.feedWithStores(ctx, FeedID(req.GetFeedId()))
	if err != nil {
		return nil, err
	}
	return &inventoryv1.GetFeedResponse{Feed: f}, nil
}

// watchEvery is how often a watched feed is looked at.
const watchEvery = 250 * time.Millisecond

// WatchFeed sends a feed now and each time it moves, until it has ended.
func (h *Handlers) WatchFeed(ctx context.Context, req *inventoryv1.WatchFeedRequest, stream *connect.ServerStream[inventoryv1.WatchFeedResponse]) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last *inventoryv1.Feed
	for {
		f, err := h.service.feedWithStores(ctx, FeedID(req.GetFeedId()))
		if err != nil {
			return err
		}
		if !proto.Equal(f, last) {
			if err := stream.Send(&inventoryv1.WatchFeedResponse{Feed: f}); err != nil {
				return err
			}
			last = f
		}
		if f.GetStatus() >= inventoryv1.FeedStatus_FEED_STATUS_DONE {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

type feedCursor struct {
	At time.Time
	ID FeedID
}

// ListFeeds lists feeds, the newest first.
func (h *Handlers) ListFeeds(ctx context.Context, req *inventoryv1.ListFeedsRequest) (*inventoryv1.ListFeedsResponse, error) {
	merchant, err := auth.MerchantFilter(ctx, req.GetMerchantId())
	if err != nil {
		return nil, err
	}
	var at feedCursor
	if err := readCursor(req.GetPageToken(), &at); err != nil {
		return nil, err
	}
	statuses, err := statusNames(req.GetStatuses())
	if err != nil {
		return nil, err
	}
	size := pageSize(req.GetPageSize())
	feeds, err := h.service.store.feeds(ctx, feedFilter{
		Merchant: merchant, Store: req.GetStoreId(), Statuses: statuses, AllCauses: req.GetAllCauses(),
		BeforeTime: at.At, BeforeID: at.ID, Limit: size + 1,
	})
	if err != nil {
		return nil, err
	}
	feeds, next := page(feeds, size, func(f Feed) any { return feedCursor{f.SubmittedAt, f.ID} })
	return &inventoryv1.ListFeedsResponse{Feeds: mapOut(feeds, feedOut), NextPageToken: next}, nil
}

// CancelFeed asks a feed to end; stores that are done by then stay as they are.
func (h *Handlers) CancelFeed(ctx context.Context, req *inventoryv1.CancelFeedRequest) (*inventoryv1.CancelFeedResponse, error) {
	id := FeedID(req.GetFeedId())
	if _, err := h.service.feedWithStores(ctx, id); err != nil {
		return nil, err
	}
	if err := h.service.cancel(ctx, id); err != nil {
		return nil, err
	}
	f, err := h.service.feedWithStores(ctx, id)
	if err != nil {
		return nil, err
	}
	return &inventoryv1.CancelFeedResponse{Feed: f}, nil
}

// rejectCursor is an object among a feed's rejects, and a line within it.
type rejectCursor struct{ Object, Line int }

// ListRejects lists a feed's rejected rows.
func (h *Handlers) ListRejects(ctx context.Context, req *inventoryv1.ListRejectsRequest) (*inventoryv1.ListRejectsResponse, error) {
	var at rejectCursor
	if err := readCursor(req.GetPageToken(), &at); err != nil {
		return nil, err
	}
	size := pageSize(req.GetPageSize())
	out := &inventoryv1.ListRejectsResponse{}
	err := h.service.eachReject(ctx, FeedID(req.GetFeedId()), at, func(r *Reject, at rejectCursor) error {
		if len(out.Rejects) == size {
			out.NextPageToken = cursor(at)
			return errStop
		}
		out.Rejects = append(out.Rejects, &inventoryv1.Reject{
			Row: r.Row, StoreId: r.Store, ItemId: r.Item, Column: r.Column, Value: r.Value, Reason: r.Reason, Fix: r.Fix,
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// eachReject calls f for each rejected row of a feed from a place on; f
// returns errStop to end early.
func (s *Service) eachReject(ctx context.Context, id FeedID, from rejectCursor, f func(*Reject, rejectCursor) error) error {
	of, err := s.store.feed(ctx, id)
	if err != nil {
		return err
	}
	if err := auth.MayMerchant(ctx, of.Merchant); err != nil {
		return ErrFeedUnknown
	}
	keys, err := s.store.rejectObjects(ctx, &of)
	if err != nil {
		return err
	}
	for k := from.Object; k < len(keys); k++ {
		line, stopped := -1, false
		err := s.eachChange(ctx, keys[k], func(l *changeLine) error {
			if l.Reject == nil {
				return nil
			}
			line++
			if k == from.Object && line < from.Line {
				return nil
			}
			if name, ok := of.Detail.Columns[l.Reject.Column]; ok {
				l.Reject.Column = name
			}
			err := f(l.Reject, rejectCursor{k, line})
			stopped = errors.Is(err, errStop)
			return err
		})
		if err != nil || stopped {
			return err
		}
	}
	return nil
}

// GetRejects downloads a feed's rejected rows: GET /v1/feeds/{feed}/rejects.csv
func (h *Handlers) GetRejects(w http.ResponseWriter, r *http.Request) error {
	id := FeedID(r.PathValue("feed"))
	if _, err := h.service.feedWithStores(r.Context(), id); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="rejects-%s.csv"`, id))
	out := csv.NewWriter(w)
	if err := out.Write([]string{"row", "store_id", "item_id", "column", "value", "reason", "fix"}); err != nil {
		return err
	}
	err := h.service.eachReject(r.Context(), id, rejectCursor{}, func(r *Reject, _ rejectCursor) error {
		return out.Write([]string{
			strconv.FormatInt(r.Row, 10), spreadsheetSafe(r.Store), spreadsheetSafe(r.Item), spreadsheetSafe(r.Column),
			spreadsheetSafe(r.Value), r.Reason, r.Fix,
		})
	})
	out.Flush()
	return errors.Join(err, out.Error())
}

// spreadsheetSafe keeps a spreadsheet from taking a merchant's text for a
// formula (OWASP, CSV injection).
func spreadsheetSafe(text string) string {
	if text == "" {
		return text
	}
	switch text[0] {
	case '=', '+', '-', '@', '\t', '\r':
		return "'" + text
	}
	return text
}

// GetRaw downloads a feed's file as it came: GET /v1/feeds/{feed}/raw
func (h *Handlers) GetRaw(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	f, err := h.service.store.feed(ctx, FeedID(r.PathValue("feed")))
	if err != nil {
		return err
	}
	if err := auth.MayMerchant(ctx, f.Merchant); err != nil || f.RawKey == "" {
		return ErrFeedUnknown
	}
	raw, err := h.service.deps.Bucket.Open(ctx, f.RawKey, 0, -1)
	if err != nil {
		return err
	}
	defer raw.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.FormatInt(f.SizeBytes, 10))
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", string(f.ID)))
	_, err = io.Copy(w, raw)
	return err
}
