package feed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
)

// A segment is the part of a feed that concerns one store, sorted by item id:
//
//	magic      8 bytes
//	chunks     one frame each, of the records of up to N items
//	trailer    one frame: store, names of the fields, one entry per chunk
//	footer     offset of the trailer (8 bytes, little-endian), magic
//
// The trailer is at the end so that a segment is written in one pass, and
// describes the chunks so that one of them can be fetched by its byte range.
// Fields go by name, so that a segment outlives changes to the field list.
const (
	segmentMagic   = "BODSEG1\n"
	segmentFooter  = 8 + len(segmentMagic)
	tailRead       = 64 << 10
	DefaultChunk   = 1000 // items per chunk where the caller does not say
	maxChunkFields = 64
)

// SegmentInfo describes a segment that was written.
type SegmentInfo struct {
	Store     string
	Rows      int64
	Chunks    int
	Bytes     int64
	FirstItem string
	LastItem  string
}

// Chunk is a part of a segment that can be read alone.
type Chunk struct {
	Offset    int64 // of its frame in the segment
	Length    int64 // of its frame, in bytes
	Rows      int
	FirstItem string
}

// SegmentWriter writes one store's rows, which must come sorted by item id
// and without duplicates.
type SegmentWriter struct {
	w       io.Writer
	info    SegmentInfo
	size    int // rows per chunk
	chunks  []Chunk
	records []byte
	frame   []byte
	inChunk int
	err     error
}

// NewSegmentWriter begins a segment of a store. chunkRows is how many rows a
// chunk holds; 0 means DefaultChunk.
func NewSegmentWriter(w io.Writer, store string, chunkRows int) *SegmentWriter {
	if chunkRows <= 0 {
		chunkRows = DefaultChunk
	}
	s := &SegmentWriter{w: w, size: chunkRows, info: SegmentInfo{Store: store}}
	s.write([]byte(segmentMagic))
	return s
}

func (s *SegmentWriter) write(b []byte) {
	if s.err == nil {
		var n int
		n, s.err = s.w.Write(b)
		s.info.Bytes += int64(n)
	}
}

// Add appends a row. It is an error if the row is of another store, or its
// item id is not above that of the row before.
func (s *SegmentWriter) Add(row *Row) error {
	item := row.Values[ItemID]
	switch {
	case s.err != nil:
		return s.err
	case row.Values[StoreID] != s.info.Store:
		return fmt.Errorf("write segment of store %q: row %d is of store %q", s.info.Store, row.Number, row.Values[StoreID])
	case item == "":
		return fmt.Errorf("write segment of store %q: row %d has no item id", s.info.Store, row.Number)
	case s.info.Rows > 0 && item <= s.info.LastItem:
		return fmt.Errorf("write segment of store %q: row %d has item %q after %q", s.info.Store, row.Number, item, s.info.LastItem)
	}
	if s.inChunk == s.size {
		s.flush()
	}
	if s.inChunk == 0 {
		s.chunks = append(s.chunks, Chunk{Offset: s.info.Bytes, FirstItem: item})
	}
	if s.info.Rows == 0 {
		s.info.FirstItem = item
	}
	s.records, _ = appendRecord(s.records, row, false)
	s.inChunk++
	s.info.Rows++
	s.info.LastItem = item
	return s.err
}

func (s *SegmentWriter) flush() {
	if s.inChunk == 0 {
		return
	}
	c := &s.chunks[len(s.chunks)-1]
	if len(s.records) > maxFrame && s.err == nil {
		s.err = fmt.Errorf("write segment of store %q: chunk %d holds %d bytes, more than the %d allowed: use smaller chunks",
			s.info.Store, len(s.chunks)-1, len(s.records), maxFrame)
	}
	s.frame = appendFrame(s.frame[:0], s.records)
	c.Length, c.Rows = int64(len(s.frame)), s.inChunk
	s.write(s.frame)
	s.records, s.inChunk = s.records[:0], 0
}

// Close writes what is left and the trailer. It does not close the writer
// below. Without Close there is no segment.
func (s *SegmentWriter) Close() (SegmentInfo, error) {
	s.flush()
	s.info.Chunks = len(s.chunks)
	b := appendText(nil, s.info.Store)
	b = binary.AppendUvarint(b, uint64(NumFields))
	for f := range NumFields {
		b = appendText(b, f.String())
	}
	b = binary.AppendUvarint(b, uint64(s.info.Rows))
	b = appendText(b, s.info.LastItem)
	b = binary.AppendUvarint(b, uint64(len(s.chunks)))
	for _, c := range s.chunks {
		b = binary.AppendUvarint(b, uint64(c.Length))
		b = binary.AppendUvarint(b, uint64(c.Rows))
		b = appendText(b, c.FirstItem)
	}
	at := s.info.Bytes
	s.write(appendFrame(nil, b))
	s.write(append(binary.LittleEndian.AppendUint64(nil, uint64(at)), segmentMagic...))
	if s.err != nil {
		return SegmentInfo{}, fmt.Errorf("write segment of store %q: %w", s.info.Store, s.err)
	}
	done := s.info
	s.err = errors.New("the segment is closed")
	return done, nil
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// SegmentReader reads a segment chunk by chunk.
type SegmentReader struct {
	r      io.ReaderAt
	store  string
	fields []Field
	rows   int64
	last   string
	chunks []Chunk
}

// OpenSegment reads the trailer of a segment of size bytes, with a single
// ReadAt of up to 64 KiB at its end where the trailer is no larger. The error
// is a *FileError of reason Truncated or Corrupt, or that of r.
func OpenSegment(r io.ReaderAt, size int64) (*SegmentReader, error) {
	if size < int64(len(segmentMagic)+frameHead+segmentFooter) {
		return nil, &FileError{Reason: Truncated, Detail: fmt.Sprintf("open segment: %d bytes are too few for one", size)}
	}
	tail := make([]byte, min(size, tailRead))
	if err := readAt(r, tail, size-int64(len(tail))); err != nil {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	footer := tail[len(tail)-segmentFooter:]
	if string(footer[8:]) != segmentMagic {
		return nil, &FileError{Reason: Truncated, Detail: "open segment: it does not end like a segment, so its writing was not finished"}
	}
	at := binary.LittleEndian.Uint64(footer)
	end := size - int64(segmentFooter)
	if at < uint64(len(segmentMagic)) || at > uint64(end-frameHead) || end-int64(at) > maxFrame {
		return nil, corruptSegment("its footer points nowhere")
	}
	trailer := tail[:len(tail)-segmentFooter]
	if length := end - int64(at); length <= int64(len(trailer)) {
		trailer = trailer[int64(len(trailer))-length:]
	} else {
		trailer = make([]byte, length)
		if err := readAt(r, trailer, int64(at)); err != nil {
			return nil, fmt.Errorf("open segment: %w", err)
		}
	}
	content, err := openFrame(trailer)
	if err != nil {
		return nil, corruptSegment(err.Error())
	}
	s := &SegmentReader{r: r}
	if err := s.parseTrailer(string(content), int64(at)); err != nil {
		return nil, err
	}
	return s, nil
}

func corruptSegment(detail string) error {
	return &FileError{Reason: Corrupt, Detail: "open segment: " + detail}
}

// readAt fills b; some io.ReaderAt say io.EOF beside the last bytes.
func readAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (s *SegmentReader) parseTrailer(t string, end int64) error {
	bad := false
	number := func() int64 {
		v, n := uvarint(t)
		if n <= 0 || v > 1<<62 {
			bad = true
			return 0
		}
		t = t[n:]
		return int64(v)
	}
	text := func() string {
		n := number()
		if n > int64(len(t)) {
			bad = true
			return ""
		}
		v := t[:n]
		t = t[n:]
		return v
	}
	s.store = text()
	for range min(number(), maxChunkFields) {
		f, known := ParseField(text())
		if !known {
			f = NumFields
		}
		s.fields = append(s.fields, f)
	}
	s.rows, s.last = number(), text()
	n := number()
	if n > int64(len(t)) {
		bad = true
	}
	offset, rows := int64(len(segmentMagic)), int64(0)
	for k := int64(0); k < n && !bad; k++ {
		c := Chunk{Offset: offset, Length: number(), Rows: int(number()), FirstItem: text()}
		// A record takes four bytes at least.
		if c.Length < frameHead || c.Length > end-offset || int64(c.Rows) > c.Length/4 || c.Rows < 1 ||
			k > 0 && c.FirstItem <= s.chunks[k-1].FirstItem {
			bad = true
		}
		offset += c.Length
		rows += int64(c.Rows)
		s.chunks = append(s.chunks, c)
	}
	if bad || t != "" || offset != end || rows != s.rows {
		return corruptSegment("its trailer does not parse")
	}
	return nil
}

// Store is the store that the rows are of.
func (s *SegmentReader) Store() string { return s.store }

// Rows is how many rows the segment has.
func (s *SegmentReader) Rows() int64 { return s.rows }

// Chunks are the segment's chunks in order, each with the byte range that
// holds it. The slice must not be changed.
func (s *SegmentReader) Chunks() []Chunk { return s.chunks }

// ReadChunk appends the rows of chunk k to rows, with one ReadAt. Their values
// alias the chunk's memory; Clone a row that is to be kept for long.
func (s *SegmentReader) ReadChunk(rows []Row, k int) ([]Row, error) {
	if k < 0 || k >= len(s.chunks) {
		return rows, fmt.Errorf("read chunk %d of store %q: the segment has %d chunks", k, s.store, len(s.chunks))
	}
	frame := make([]byte, s.chunks[k].Length)
	if err := readAt(s.r, frame, s.chunks[k].Offset); err != nil {
		return rows, fmt.Errorf("read chunk %d of store %q: %w", k, s.store, err)
	}
	return s.DecodeChunk(rows, k, frame)
}

// DecodeChunk is ReadChunk for a caller who fetched the chunk's byte range
// already.
func (s *SegmentReader) DecodeChunk(rows []Row, k int, frame []byte) ([]Row, error) {
	content, err := openFrame(frame)
	if err != nil {
		return rows, s.corruptChunk(k, err)
	}
	had := len(rows)
	previous := ""
	for rest := string(content); rest != ""; {
		var body string
		if body, rest, err = cutRecord(rest); err != nil {
			return rows[:had], s.corruptChunk(k, err)
		}
		rows = append(rows, Row{})
		row := &rows[len(rows)-1]
		if err := decodeBody(body, row, s.fields); err != nil {
			return rows[:had], s.corruptChunk(k, err)
		}
		row.Values[StoreID] = s.store
		item := row.Values[ItemID]
		if len(rows) == had+1 && item != s.chunks[k].FirstItem || len(rows) > had+1 && item <= previous {
			return rows[:had], s.corruptChunk(k, errors.New("its items are not the ones that the trailer names"))
		}
		previous = item
	}
	if len(rows)-had != s.chunks[k].Rows {
		return rows[:had], s.corruptChunk(k, fmt.Errorf("it has %d rows, not %d", len(rows)-had, s.chunks[k].Rows))
	}
	return rows, nil
}

func (s *SegmentReader) corruptChunk(k int, err error) error {
	return &FileError{Reason: Corrupt, Detail: fmt.Sprintf("read chunk %d of store %q", k, s.store), Err: err}
}

// ChunkOf is the number of the chunk that holds the item if the segment has
// it; false when no chunk can.
func (s *SegmentReader) ChunkOf(item string) (int, bool) {
	k := sort.Search(len(s.chunks), func(k int) bool { return s.chunks[k].FirstItem > item })
	return k - 1, k > 0 && item <= s.last
}

// Find is the row of an item; false when the segment has none. It reads one
// chunk at most.
func (s *SegmentReader) Find(item string) (Row, bool, error) {
	k, ok := s.ChunkOf(item)
	if !ok {
		return Row{}, false, nil
	}
	rows, err := s.ReadChunk(nil, k)
	if err != nil {
		return Row{}, false, err
	}
	i := sort.Search(len(rows), func(i int) bool { return rows[i].Values[ItemID] >= item })
	if i == len(rows) || rows[i].Values[ItemID] != item {
		return Row{}, false, nil
	}
	return rows[i].Clone(), true, nil
}
