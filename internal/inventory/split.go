package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/klauspost/compress/zstd"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/blob"
	"github.com/bodega-hq/bodega/internal/platform/fault"
)

// everyStore stands for the store of rows that address a region: one segment
// serves all stores of it.
const everyStore = "*"

// unknownStore is the reason for refusing a row whose store does not exist.
const unknownStore feed.Reason = "unknown_store"

// otherStore is the reason for refusing a row of another store than the one
// that its feed addresses.
const otherStore feed.Reason = "other_store"

// splitFeed reads a feed's raw bytes once and writes a segment per store,
// sorted by item. Nothing is recorded before all of it is durable. A file
// that cannot be read as a whole is an error of kind Invalid, unless it is
// merely cut off: then what it has counts, and it is marked as truncated.
func (s *Service) splitFeed(ctx context.Context, f *Feed, beat func(rows int64)) (*split, error) {
	started := s.deps.Now()
	mapping, err := s.mappings.byVersion(ctx, f.Merchant, f.MappingVersion)
	if err != nil {
		return nil, err
	}
	stores, err := s.addressed(ctx, f)
	if err != nil {
		return nil, err
	}
	raw, err := s.deps.Bucket.Open(ctx, f.RawKey, 0, -1)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	rejects := newRejectWriter(ctx, s.deps.Bucket, s.key(ctx, "rejects", string(f.ID)+"-"+attempt()))
	splitter := feed.NewSplitter(feed.SplitOptions{
		Spill: &spill{dir: s.deps.SpillDir, name: string(f.ID) + "-" + attempt()}, MemoryBytes: s.cfg.SplitMemory,
		OnProblem: rejects.problem,
	})
	out := &split{}
	if err := s.fill(ctx, splitter, raw, f, mapping, stores, out, beat); err != nil {
		return nil, errors.Join(err, splitter.Discard(), rejects.abandon())
	}
	sorted, err := splitter.Finish()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("split feed %s: %w", f.ID, err), rejects.abandon())
	}
	defer sorted.Close()
	infos, err := sorted.WriteSegments(ctx, s.cfg.ChunkRows, func(storeID string) (io.WriteCloser, error) {
		return putter(ctx, s.deps.Bucket, s.key(ctx, "segments", string(f.ID), storeID)), nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write segments of feed %s: %w", f.ID, err), rejects.abandon())
	}
	if out.RejectsKey, err = rejects.finish(); err != nil {
		return nil, fmt.Errorf("keep rejects of feed %s: %w", f.ID, err)
	}
	counts := sorted.Counts()
	out.Account = Account{RowsRead: counts.Rejected + counts.Duplicates, Rejected: counts.Rejected, Duplicates: counts.Duplicates}
	s.deps.Metrics.account(out.Account)
	s.partsOf(ctx, f, infos, stores, out)
	s.deps.Metrics.stage("split", s.deps.Now().Sub(started))
	return out, nil
}

// partsOf says which store gets which segment. A store that a feed addresses
// and that no row names has a part too: a full file may delist all of it.
func (s *Service) partsOf(ctx context.Context, f *Feed, infos []feed.SegmentInfo, stores map[string]bool, out *split) {
	part := func(storeID string, info feed.SegmentInfo) FeedStore {
		return FeedStore{
			Key: StoreKey{f.Merchant, storeID}, SegmentKey: s.key(ctx, "segments", string(f.ID), info.Store),
			Rows: info.Rows, Chunks: info.Chunks,
		}
	}
	if f.Region != "" {
		for storeID := range stores {
			if len(infos) == 1 {
				out.Parts = append(out.Parts, part(storeID, infos[0]))
			}
		}
		return
	}
	for _, info := range infos {
		out.Parts = append(out.Parts, part(info.Store, info))
	}
	if f.Store != "" && len(infos) == 0 {
		out.Parts = []FeedStore{{Key: StoreKey{f.Merchant, f.Store}}}
	}
}

// addressed are the stores that the feed's rows may be of.
func (s *Service) addressed(ctx context.Context, f *Feed) (map[string]bool, error) {
	if f.Store != "" {
		return map[string]bool{f.Store: true}, nil
	}
	ids, err := s.store.storeIDs(ctx, f.Merchant, f.Region)
	if err != nil {
		return nil, err
	}
	stores := make(map[string]bool, len(ids))
	for _, id := range ids {
		stores[id] = true
	}
	return stores, nil
}

// fill reads the rows into the splitter, each under the store that it is of.
func (s *Service) fill(ctx context.Context, sp *feed.Splitter, raw io.Reader, f *Feed, mapping *feed.Mapping, stores map[string]bool, out *split, beat func(int64)) error {
	invalid := func(err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var fileErr *feed.FileError
		if errors.As(err, &fileErr) {
			return fault.Wrap(fault.Invalid, err, fileErr.Error())
		}
		return fmt.Errorf("read feed %s: %w", f.ID, err)
	}
	r, err := feed.NewReader(raw, *mapping, feed.ForKind(f.Kind), feed.MaxBytes(s.cfg.MaxFeedBytes))
	if err != nil {
		return invalid(err)
	}
	defer func() { out.Columns = fileColumns(r.Columns(), mapping) }()
	var row feed.Row
	var last *feed.RowError // the row before the end, where it could not be read
	for n := int64(0); ; n++ {
		if n%4096 == 0 {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			beat(n)
		}
		err := r.Next(&row)
		var rowErr *feed.RowError
		var fileErr *feed.FileError
		switch {
		case err == nil:
			last = nil
			if refused := address(f, &row, stores); refused != nil {
				sp.Reject(refused)
				continue
			}
			if err := sp.Add(&row); err != nil {
				return fmt.Errorf("split feed %s: %w", f.ID, err)
			}
		case errors.Is(err, io.EOF):
			if last != nil && cutOff[last.Reason] {
				out.Truncated = true
				out.Note = "The file is cut off in its last row: " + last.Error()
			}
			return nil
		case errors.As(err, &rowErr):
			last = rowErr
			sp.Reject(rowErr)
		case errors.As(err, &fileErr) && fileErr.Reason == feed.Truncated && sp.Counts().Read > sp.Counts().Rejected:
			out.Truncated, out.Note = true, "The file is cut off: "+fileErr.Error()
			return nil
		default:
			return invalid(err)
		}
	}
}

// cutOff are the reasons for refusing a row that, in the last row of a file,
// say that the file ends in its middle.
var cutOff = map[feed.Reason]bool{feed.TooFewColumns: true, feed.BadQuoting: true, feed.BadSyntax: true}

// fileColumns are the file's names of columns that stages call otherwise: they
// see a row without its file, and take the first name that the mapping knows.
func fileColumns(columns []feed.ColumnUse, mapping *feed.Mapping) map[string]string {
	present := map[string]bool{}
	for _, c := range columns {
		present[c.Name] = true
	}
	named := map[string]string{}
	for f := range feed.NumFields {
		name := feed.ColumnOf(columns, f)
		for _, called := range []string{f.String(), normalize.ColumnName(mapping, f)} {
			if name != "" && !present[called] {
				named[called] = name
			}
		}
	}
	return named
}

// address puts the row under its store, or says why it has none.
func address(f *Feed, row *feed.Row, stores map[string]bool) *feed.RowError {
	named := row.Values[feed.StoreID]
	refuse := func(reason feed.Reason, detail string) *feed.RowError {
		return &feed.RowError{
			Row: row.Number, Line: row.Line, Column: feed.StoreID.String(), Field: feed.StoreID, Reason: reason, Detail: detail,
			Store: named, Item: row.Values[feed.ItemID], Value: named,
		}
	}
	switch {
	case f.Store != "" && (named == "" || named == f.Store):
		row.Values[feed.StoreID] = f.Store
	case f.Store != "":
		return refuse(otherStore, fmt.Sprintf(
			"the row is of store %q, and the feed was sent for store %q; send it without a store, and rows go where they belong", named, f.Store))
	case f.Region != "" && named == "":
		row.Values[feed.StoreID] = everyStore
	case f.Region != "":
		return refuse(otherStore, fmt.Sprintf(
			"the row is of store %q, and the feed was sent for all of region %q; send it without a region", named, f.Region))
	case named != "" && !stores[named]:
		return refuse(unknownStore, fmt.Sprintf("the merchant has no store %q; `bodega store create` makes one", named))
	}
	return nil
}

// rejectWriter streams refused rows into an object, which comes to be only
// where there are any.
type rejectWriter struct {
	ctx    context.Context
	bucket blob.Bucket
	key    string
	out    io.WriteCloser
	z      *zstd.Encoder
	err    error
}

func newRejectWriter(ctx context.Context, b blob.Bucket, key string) *rejectWriter {
	return &rejectWriter{ctx: ctx, bucket: b, key: key}
}

// problem takes a row that the reader or the splitter did not keep. A
// duplicate is no reject: a later row of the file says what counts.
func (w *rejectWriter) problem(e *feed.RowError) {
	if w.err != nil || e.Reason == feed.Duplicate {
		return
	}
	if w.out == nil {
		w.out = putter(w.ctx, w.bucket, w.key)
		if w.z, w.err = zstd.NewWriter(w.out, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1)); w.err != nil {
			return
		}
	}
	line, err := json.Marshal(changeLine{Reject: &Reject{
		Row: e.Row, Line: e.Line, Store: e.Store, Item: e.Item, Column: e.Column, Value: e.Value, Rule: string(e.Reason), Reason: e.Detail,
	}})
	if err == nil {
		_, err = w.z.Write(append(line, '\n'))
	}
	w.err = err
}

func (w *rejectWriter) finish() (string, error) {
	if w.out == nil {
		return "", w.err
	}
	if w.err != nil {
		return "", errors.Join(w.err, w.abandon())
	}
	if err := w.z.Close(); err != nil {
		return "", errors.Join(err, w.abandon())
	}
	return w.key, w.out.Close()
}

func (w *rejectWriter) abandon() error {
	if w.out == nil {
		return nil
	}
	err := w.out.(*put).abandon()
	w.out = nil
	return err
}

// put writes an object as a stream. Close returns when it is durable.
type put struct {
	pipe *io.PipeWriter
	done chan error
}

var errAbandoned = errors.New("the object was given up")

func putter(ctx context.Context, b blob.Bucket, key string) *put {
	r, w := io.Pipe()
	p := &put{pipe: w, done: make(chan error, 1)}
	go func() {
		_, err := b.Put(ctx, key, r)
		_ = r.CloseWithError(errors.Join(errAbandoned, err)) // never an error
		p.done <- err
	}()
	return p
}

func (p *put) Write(b []byte) (int, error) { return p.pipe.Write(b) }

func (p *put) Close() error {
	return errors.Join(p.pipe.Close(), <-p.done)
}

func (p *put) abandon() error {
	err := p.pipe.CloseWithError(errAbandoned)
	<-p.done //nolint:errcheck // that it was given up is no news
	return err
}

// spill keeps a split's sorted runs in files. The process makes the folder its
// own and empties it at start, so that a killed one leaves none behind.
type spill struct {
	dir  string
	name string
}

func (s *spill) path(run int) string {
	return filepath.Join(s.dir, "split-"+s.name+"-"+strconv.Itoa(run))
}

func (s *spill) Create(run int) (io.WriteCloser, error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(s.path(run), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

func (s *spill) Open(run int) (io.ReadCloser, error) { return os.Open(s.path(run)) }

func (s *spill) Remove(run int) error { return os.Remove(s.path(run)) }

// segment opens a store's segment for reading by chunks.
func (s *Service) segment(ctx context.Context, key string) (*feed.SegmentReader, error) {
	size, err := s.deps.Bucket.Size(ctx, key)
	if err != nil {
		return nil, err
	}
	return feed.OpenSegment(blobReader{ctx, s.deps.Bucket, key}, size)
}

// blobReader reads ranges of an object.
type blobReader struct {
	ctx    context.Context
	bucket blob.Bucket
	key    string
}

func (b blobReader) ReadAt(p []byte, off int64) (int, error) {
	r, err := b.bucket.Open(b.ctx, b.key, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return io.ReadFull(r, p)
}
