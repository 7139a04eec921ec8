package inventory

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/klauspost/compress/zstd"

	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/platform/blob"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// A before/after object is JSON lines, compressed with Zstandard (RFC 8878),
// in the order of item ids: one line for each item that a chunk changed and
// for each row that it rejected. Events, history and rollback read it.
type changeLine struct {
	Item   string          `json:"item,omitempty"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	// The unit of work and chunk that wrote Before, whose own object holds what
	// was before that: an item's history is this chain.
	PreviousFeed  FeedID  `json:"previous_feed,omitempty"`
	PreviousChunk int     `json:"previous_chunk,omitempty"`
	KeptBefore    []byte  `json:"kept_before,omitempty"`
	Reject        *Reject `json:"reject,omitempty"`
}

// key names an object of the tenant in ctx. Parts may hold anything: what a
// path does not bear is escaped.
func (s *Service) key(ctx context.Context, parts ...string) string {
	id, err := tenant.From(ctx)
	if err != nil {
		id = "none"
	}
	escaped := make([]string, 0, len(parts)+2)
	escaped = append(escaped, string(id), "inventory")
	for _, p := range parts {
		escaped = append(escaped, escapePart(p))
	}
	return strings.Join(escaped, "/")
}

func escapePart(p string) string {
	var b strings.Builder
	for i := range len(p) {
		c := p[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' && i > 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "~%02x", c)
	}
	return b.String()
}

// compress is one Zstandard frame of b.
func compress(b []byte) []byte { return compressor().EncodeAll(b, nil) }

var compressor = sync.OnceValue(func() *zstd.Encoder {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic(err) // of the options above
	}
	return z
})

// putChanges makes a chunk's before/after object durable.
func (s *Service) putChanges(ctx context.Context, key string, a *applied) error {
	var lines []byte
	for i := range a.writes {
		lines = appendChange(lines, &a.writes[i])
		if i == 0 {
			lines = slices.Grow(lines, len(a.writes)*len(lines)*5/4)
		}
	}
	for i := range a.rejects {
		encoded, err := json.Marshal(changeLine{Item: a.rejects[i].Item, Reject: &a.rejects[i]})
		if err != nil {
			return fmt.Errorf("encode reject of row %d: %w", a.rejects[i].Row, err)
		}
		lines = append(append(lines, encoded...), '\n')
	}
	if _, err := s.deps.Bucket.Put(ctx, key, bytes.NewReader(compress(lines))); err != nil {
		return fmt.Errorf("keep changes: %w", err)
	}
	return nil
}

func appendChange(b []byte, w *write) []byte {
	b = append(b, `{"item":`...)
	b = appendJSONText(b, w.ID)
	if w.Before != nil {
		b = append(b, `,"before":`...)
		b = append(b, w.Before.stateBytes...)
		b = append(b, `,"previous_feed":`...)
		b = appendJSONText(b, string(w.Before.ChangeFeed))
		b = fmt.Appendf(b, `,"previous_chunk":%d,"kept_before":"`, w.Before.ChangeChunk)
		b = base64.StdEncoding.AppendEncode(b, w.Before.keptBytes)
		b = append(b, '"')
	}
	b = append(b, `,"after":`...)
	b = append(b, w.stateBytes...)
	return append(b, '}', '\n')
}

// eachChange reads a before/after object, or an object of rejects, line by
// line. f returns errStop to end early.
func (s *Service) eachChange(ctx context.Context, key string, f func(*changeLine) error) error {
	r, err := s.deps.Bucket.Open(ctx, key, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("read changes %s: %w", key, err)
	}
	defer z.Close()
	dec := json.NewDecoder(z)
	for {
		var line changeLine
		if err := dec.Decode(&line); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read changes %s: %w", key, err)
		}
		if err := f(&line); err != nil {
			if errors.Is(err, errStop) {
				return nil
			}
			return err
		}
	}
}

var errStop = errors.New("that is enough")

// changeOf finds an item's line in a chunk's before/after object; nil where
// the object is gone or has none.
func (s *Service) changeOf(ctx context.Context, id FeedID, storeID string, chunk int, item string) (*changeLine, error) {
	key, err := s.store.outboxObject(ctx, id, storeID, chunk)
	if err != nil || key == "" {
		return nil, err
	}
	var found *changeLine
	err = s.eachChange(ctx, key, func(l *changeLine) error {
		if l.Item == item && l.Reject == nil {
			found = l
			return errStop
		}
		return nil
	})
	if errors.Is(err, blob.ErrNotFound) {
		return nil, nil
	}
	return found, err
}

func (l *changeLine) before() (*judge.State, error) {
	if l.Before == nil {
		return nil, nil
	}
	st, err := decodeState(l.Before)
	if err != nil {
		return nil, err
	}
	st.SKU = l.Item
	return &st, nil
}

// constraintOf is the constraint that a database error names.
func constraintOf(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.ConstraintName
	}
	return ""
}
