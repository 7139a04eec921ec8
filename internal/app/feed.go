package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/app/term"
)

// FeedCmd is `bodega feed`.
type FeedCmd struct {
	Check   FeedCheckCmd   `cmd:"" help:"Look at a file without a server: format, encoding, columns, rows, problems."`
	Submit  FeedSubmitCmd  `cmd:"" help:"Send a file."`
	Show    FeedShowCmd    `cmd:"" help:"Show a feed and its account."`
	List    FeedListCmd    `cmd:"" help:"List feeds, the newest first."`
	Rejects FeedRejectsCmd `cmd:"" help:"List a feed's rejected rows with reasons."`
	Cancel  FeedCancelCmd  `cmd:"" help:"Ask a feed to end."`
}

// FeedSubmitCmd is `bodega feed submit`.
type FeedSubmitCmd struct {
	Remote         `embed:""`
	Merchant       string `required:"" help:"Merchant's id."`
	Store          string `help:"Store; without it the rows name their stores."`
	Region         string `help:"Region, all of whose stores get the rows."`
	Kind           string `required:"" enum:"full,delta,availability" help:"What the file's silence means: ${enum}."`
	Mapping        string `help:"Mapping profile or preset; the merchant's newest without it."`
	SourceTime     string `placeholder:"RFC3339" help:"When the merchant's system wrote the file; now without it."`
	IdempotencyKey string `help:"The same key twice is one feed."`
	Wait           bool   `help:"Wait until the feed has ended."`
	Strict         bool   `help:"With --wait: exit with 3 where rows were held or rejected."`
	File           string `arg:"" placeholder:"FILE" help:"File to send; - reads standard input."`
}

// Run sends the file.
func (c *FeedSubmitCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	id, err := c.send(ctx, t, api)
	if err != nil {
		return err
	}
	f, err := api.feed(ctx, id)
	if err != nil {
		return err
	}
	if c.Wait {
		if f, err = api.awaitFeed(ctx, t, id); err != nil {
			return err
		}
	}
	if err := printFeed(t, f); err != nil || !c.Wait {
		return err
	}
	switch a := f.GetAccount(); {
	case f.GetStatus() != inventoryv1.FeedStatus_FEED_STATUS_DONE:
		return &exitError{code: 1, err: fmt.Errorf("feed %s %s: %s", id, feedStatus(f), f.GetError())}
	case c.Strict && a.GetHeld()+a.GetRejected()+a.GetRemovalsHeld() > 0:
		return &exitError{code: 3, err: fmt.Errorf("feed %s: %d rows held, %d rejected, %d removals held", id, a.GetHeld(), a.GetRejected(), a.GetRemovalsHeld())}
	}
	return nil
}

// send puts the file with a progress bar of its bytes.
func (c *FeedSubmitCmd) send(ctx context.Context, t *term.Terminal, api *api) (string, error) {
	body, size, name := t.In, int64(0), ""
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return "", err
		}
		defer file.Close()
		stat, err := file.Stat()
		if err != nil {
			return "", err
		}
		if stat.IsDir() {
			return "", fmt.Errorf("%s is a folder: name a file", c.File)
		}
		body, size, name = file, stat.Size(), filepath.Base(c.File)
	}
	bar := t.Progress("sending", size)
	return api.putFeed(ctx, c.Merchant, url.Values{
		"store": {c.Store}, "region": {c.Region}, "kind": {c.Kind}, "mapping": {c.Mapping},
		"source_time": {c.SourceTime}, "file_name": {name}, "idempotency_key": {c.IdempotencyKey},
	}, &watchedReader{r: body, bar: bar}, size)
}

type watchedReader struct {
	r   io.Reader
	n   int64
	bar *term.Progress
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.n += int64(n)
	w.bar.Set(w.n, "bytes")
	return n, err
}

// putFeed sends a feed over HTTP, which is made for big files.
func (a *api) putFeed(ctx context.Context, merchant string, params url.Values, body io.Reader, size int64) (string, error) {
	for name, values := range params {
		if values[0] == "" {
			delete(params, name)
		}
	}
	address := a.client.BaseURL() + "/v1/feeds/" + url.PathEscape(merchant) + "?" + params.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, address, body)
	if err != nil {
		return "", err
	}
	if size > 0 {
		req.ContentLength = size
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	resp, err := a.client.HTTP().Do(req)
	if err != nil {
		return "", fmt.Errorf("send feed: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("send feed: %w", err)
	}
	var said struct {
		Feed      string `json:"feed_id"`
		Message   string `json:"message"`
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		return "", fmt.Errorf("send feed: the server answered %s and not in JSON", resp.Status)
	}
	if resp.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s (request %s)", said.Message, said.RequestID)
	}
	return said.Feed, nil
}

func (a *api) feed(ctx context.Context, id string) (*inventoryv1.Feed, error) {
	out, err := a.feeds.GetFeed(ctx, &inventoryv1.GetFeedRequest{FeedId: id})
	return out.GetFeed(), err
}

// pollEvery is how often a feed is looked at that somebody waits for. Looking
// survives a server that restarts, which a stream does not.
const pollEvery = 150 * time.Millisecond

// awaitFeed follows a feed to its end.
func (a *api) awaitFeed(ctx context.Context, t *term.Terminal, id string) (*inventoryv1.Feed, error) {
	bar := t.Progress("applying", 0)
	for {
		f, err := a.feed(ctx, id)
		if err != nil {
			return nil, err
		}
		if f.GetStatus() >= inventoryv1.FeedStatus_FEED_STATUS_DONE {
			bar.SetTotal(f.GetAccount().GetRowsRead())
			bar.Set(f.GetAccount().GetRowsRead(), feedStatus(f))
			bar.Finish()
			return f, nil
		}
		bar.SetTotal(f.GetProgress().GetRowsTotal())
		bar.Set(f.GetProgress().GetRowsDone(), f.GetProgress().GetPhase())
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("stopped waiting; the feed goes on: bodega feed show %s", id)
		case <-time.After(pollEvery):
		}
	}
}

// feedLine is what scripts read of a feed.
type feedLine struct {
	Feed         string `json:"feed_id"`
	Status       string `json:"status"`
	RowsRead     int64  `json:"rows_read"`
	Applied      int64  `json:"applied"`
	Unchanged    int64  `json:"unchanged"`
	Stale        int64  `json:"stale"`
	Held         int64  `json:"held"`
	Rejected     int64  `json:"rejected"`
	Duplicates   int64  `json:"duplicates"`
	Removed      int64  `json:"removed"`
	RemovalsHeld int64  `json:"removals_held"`
	DurationMS   int64  `json:"duration_ms"`
	Merchant     string `json:"merchant_id"`
	Store        string `json:"store_id,omitempty"`
	Kind         string `json:"kind"`
	Truncated    bool   `json:"truncated"`
	Error        string `json:"error,omitempty"`
}

// enumWord is the word of an enumeration's value: FEED_STATUS_DONE is "done".
func enumWord(value fmt.Stringer, prefix string) string {
	return strings.ToLower(strings.TrimPrefix(value.String(), prefix))
}

func feedStatus(f *inventoryv1.Feed) string { return enumWord(f.GetStatus(), "FEED_STATUS_") }

func feedLineOf(f *inventoryv1.Feed) feedLine {
	a := f.GetAccount()
	return feedLine{
		Feed: f.GetFeedId(), Status: feedStatus(f), RowsRead: a.GetRowsRead(), Applied: a.GetApplied(), Unchanged: a.GetUnchanged(),
		Stale: a.GetStale(), Held: a.GetHeld(), Rejected: a.GetRejected(), Duplicates: a.GetDuplicates(), Removed: a.GetRemoved(),
		RemovalsHeld: a.GetRemovalsHeld(), DurationMS: f.GetDurationMs(), Merchant: f.GetMerchantId(), Store: f.GetStoreId(),
		Kind: enumWord(f.GetKind(), "FEED_KIND_"), Truncated: f.GetTruncated(), Error: f.GetError(),
	}
}

func printFeed(t *term.Terminal, f *inventoryv1.Feed) error {
	l := feedLineOf(f)
	return t.Print(l, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, `feed %s  %s  %s feed of %s
  rows read   %8d
  applied     %8d
  unchanged   %8d
  stale       %8d
  held        %8d
  rejected    %8d
  duplicates  %8d
  removed     %8d  (%d removals held)
  took        %8d ms
`, l.Feed, l.Status, l.Kind, strings.Trim(l.Merchant+"/"+l.Store, "/"), l.RowsRead, l.Applied, l.Unchanged, l.Stale, l.Held, l.Rejected,
			l.Duplicates, l.Removed, l.RemovalsHeld, l.DurationMS)
		if err == nil && l.Error != "" {
			_, err = fmt.Fprintf(w, "%s\n", l.Error)
		}
		return err
	})
}

// FeedShowCmd is `bodega feed show`.
type FeedShowCmd struct {
	Remote `embed:""`
	ID     string `arg:"" help:"Feed's id."`
}

// Run shows the feed.
func (c *FeedShowCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	f, err := api.feed(ctx, c.ID)
	if err != nil {
		return err
	}
	return printFeed(t, f)
}

// FeedListCmd is `bodega feed list`.
type FeedListCmd struct {
	Remote    `embed:""`
	Merchant  string `help:"Feeds of this merchant only."`
	Store     string `help:"Feeds that reached this store only."`
	AllCauses bool   `help:"Also units of work that no file caused."`
	Limit     int    `default:"20" help:"How many."`
}

// Run lists feeds.
func (c *FeedListCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	lines := []feedLine{}
	var rows [][]string
	for token := ""; len(lines) < c.Limit; {
		out, err := api.feeds.ListFeeds(ctx, &inventoryv1.ListFeedsRequest{
			MerchantId: c.Merchant, StoreId: c.Store, AllCauses: c.AllCauses, PageToken: token, PageSize: int32(min(c.Limit-len(lines), 500)),
		})
		if err != nil {
			return err
		}
		for _, f := range out.GetFeeds() {
			l := feedLineOf(f)
			lines = append(lines, l)
			rows = append(rows, []string{
				l.Feed, f.GetSubmittedAt().AsTime().Format(time.RFC3339), strings.Trim(l.Merchant+"/"+l.Store, "/"), l.Kind,
				enumWord(f.GetCause(), "FEED_CAUSE_"), l.Status, strconv.FormatInt(l.RowsRead, 10),
			})
		}
		if token = out.GetNextPageToken(); token == "" {
			break
		}
	}
	return t.Print(lines, textTable([]string{"feed", "submitted", "of", "kind", "cause", "status", "rows"}, rows,
		"There is no feed yet: `bodega feed submit` sends one."))
}

// FeedRejectsCmd is `bodega feed rejects`.
type FeedRejectsCmd struct {
	Remote `embed:""`
	ID     string `arg:"" help:"Feed's id."`
}

// Run lists the rejected rows.
func (c *FeedRejectsCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	list := []message{}
	var rows [][]string
	for token := ""; ; {
		out, err := api.feeds.ListRejects(ctx, &inventoryv1.ListRejectsRequest{FeedId: c.ID, PageToken: token, PageSize: 5000})
		if err != nil {
			return err
		}
		for _, r := range out.GetRejects() {
			list = append(list, message{r})
			rows = append(rows, []string{
				strconv.FormatInt(r.GetRow(), 10), r.GetStoreId(), r.GetItemId(), r.GetColumn(), strconv.Quote(r.GetValue()), r.GetReason(), r.GetFix(),
			})
		}
		if token = out.GetNextPageToken(); token == "" {
			break
		}
	}
	return t.Print(list, textTable([]string{"row", "store", "item", "column", "value", "reason", "fix"}, rows, "No row was rejected."))
}

// FeedCancelCmd is `bodega feed cancel`.
type FeedCancelCmd struct {
	Remote `embed:""`
	ID     string `arg:"" help:"Feed's id."`
}

// Run asks the feed to end.
func (c *FeedCancelCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.feeds.CancelFeed(ctx, &inventoryv1.CancelFeedRequest{FeedId: c.ID})
	if err != nil {
		return err
	}
	return printFeed(t, out.GetFeed())
}

// splitStore cuts MERCHANT/STORE; a bare store has no merchant.
func splitStore(text string) (merchant, store string) {
	if m, s, ok := strings.Cut(text, "/"); ok {
		return m, s
	}
	return "", text
}

var errNothingChosen = errors.New("name holds, or a feed with --feed")
