package feed

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Defaults of the limits.
const (
	DefaultMaxRowBytes = 1 << 20
	// A feed compresses ten to fiftyfold, one row repeated for ever 350-fold, and
	// deflate ends at 1032.
	maxExpansion = 200
	// expansionFloor is what may be expanded before the ratio is looked at:
	// small files of one repeated line are no attack.
	expansionFloor = 64 << 20
)

// Option changes how NewReader reads.
type Option func(*options)

type options struct {
	maxBytes    int64
	maxRowBytes int
	kind        Kind
	samples     bool
}

// MaxBytes limits the uncompressed size of the file; reading beyond it ends
// with a *FileError of reason TooLarge. 0, the default, is no limit, but
// gzip that expands more than 200-fold is refused in any case.
func MaxBytes(n int64) Option { return func(o *options) { o.maxBytes = n } }

// MaxRowBytes limits a single row, line or element; larger ones are refused
// with reason RowTooLarge. The default is 1 MiB. It bounds the memory that a
// Reader uses.
func MaxRowBytes(n int) Option { return func(o *options) { o.maxRowBytes = n } }

// ForKind makes NewReader refuse a file whose columns cannot be what the kind
// claims: a full feed needs a price, an availability feed needs availability
// or quantity, all need the item id.
func ForKind(k Kind) Option { return func(o *options) { o.kind = k } }

// WithSamples keeps the first non-empty value of every column for Columns.
func WithSamples() Option { return func(o *options) { o.samples = true } }

// ColumnUse is a column of the file and what the mapping makes of it.
type ColumnUse struct {
	Name   string  // as the file spells it; "" in a file without header
	Index  int     // from 1; in XML and JSON the order of first appearance
	Fields []Field // fields that may take their value here, maybe none
	Sample string  // first non-empty value, with WithSamples
}

// ColumnOf is how a file with these columns calls the one of a field: the first
// of them where several feed it, "" where none has a name.
func ColumnOf(columns []ColumnUse, f Field) string {
	for _, use := range columns {
		if slices.Contains(use.Fields, f) && use.Name != "" {
			return use.Name
		}
	}
	return ""
}

// Reader reads rows one by one, in memory bounded by the largest row allowed.
// It is not safe for concurrent use.
type Reader struct {
	format  Format
	mapping Mapping
	src     source
	rows    int64
	err     error
}

// source is a syntax. next fills the row's values, line and number, or
// returns a *RowError, io.EOF or an error that ends the file.
type source interface {
	next(row *Row) error
	columns() []ColumnUse
}

// NewReader detects what r is, and matches its columns with the mapping. The
// error is a *FileError, or the error of r.
//
// XML and JSON have no header: there, columns that the mapping needs and the
// file has not are found out at the first item, by Next.
func NewReader(r io.Reader, m Mapping, opts ...Option) (*Reader, error) {
	o := options{maxRowBytes: DefaultMaxRowBytes}
	for _, opt := range opts {
		opt(&o)
	}
	o.maxRowBytes = max(o.maxRowBytes, 64)
	rd := &Reader{mapping: m, format: Format{Compression: NoCompression}}

	raw := &counter{r: r}
	in := bufio.NewReaderSize(raw, headSize)
	start, err := in.Peek(2)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read feed: %w", err)
	}
	content := &limiter{r: in, max: o.maxBytes}
	if isGzip(start) {
		rd.format.Compression = Gzip
		zr, err := gzip.NewReader(in)
		if err != nil {
			return nil, gzipError(err)
		}
		content.r, content.packed = zr, raw
	}
	head := make([]byte, headSize)
	n, readErr := io.ReadFull(content, head)
	if readErr == io.ErrUnexpectedEOF {
		readErr = io.EOF
	}
	head = head[:n]
	rd.format, err = detectText(rd.format, head, m.Layout)
	if err != nil {
		if readErr != nil && readErr != io.EOF {
			// What cut the head short explains more than that it holds nothing.
			return nil, readErr
		}
		return nil, err
	}
	w := newWindow(decodeStream(rd.format, &replay{head: head, err: readErr, r: content}), o.maxRowBytes)
	switch rd.format.Syntax {
	case CSV, TSV:
		rd.src, err = newTable(w, rd.format, &rd.mapping, o)
	case XML:
		rd.src, err = newMarkup(w, rd.format, &rd.mapping, o, head)
	case JSON:
		rd.src = newDocument(w, rd.format, &rd.mapping, o)
	case JSONL:
		rd.src = newLines(w, rd.format, &rd.mapping, o)
	}
	if err != nil {
		return nil, err
	}
	return rd, nil
}

// Next reads the next row into row. It returns io.EOF after the last, a
// *RowError for a row that was refused and can be passed over (row then has
// its Number and Line, and no values), and any other error when the file
// cannot be read further; that error is returned again by later calls.
func (r *Reader) Next(row *Row) error {
	if r.err != nil {
		return r.err
	}
	err := r.src.next(row)
	switch {
	case err == nil:
		r.rows = row.Number
		return nil
	case err == io.EOF && r.rows == 0:
		err = &FileError{Reason: NoRows, Detail: "the file has no rows"}
	case err == io.EOF:
	default:
		var re *RowError
		if errors.As(err, &re) {
			r.rows = re.Row
			*row = Row{Number: re.Row, Line: re.Line}
			return err
		}
		err = r.place(err)
	}
	*row = Row{}
	r.err = err
	return err
}

// place says after which row reading stopped.
func (r *Reader) place(err error) error {
	var fe *FileError
	if !errors.As(err, &fe) {
		return fmt.Errorf("read feed after row %d: %w", r.rows, err)
	}
	placed := *fe
	if placed.Row == 0 {
		placed.Row = r.rows
	}
	return &placed
}

// Format is what the file was found to be.
func (r *Reader) Format() Format { return r.format }

// Mapping is the mapping that the reader was made with.
func (r *Reader) Mapping() *Mapping { return &r.mapping }

// Columns are the columns of the file; in XML and JSON those met so far.
func (r *Reader) Columns() []ColumnUse { return r.src.columns() }

// counter counts what is read from the caller's stream.
type counter struct {
	r    io.Reader
	read int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read += int64(n)
	return n, err
}

// limiter watches how much text comes out, and out of how little.
type limiter struct {
	r      io.Reader
	max    int64    // 0 for none
	packed *counter // the compressed bytes, nil for plain text
	out    int64
}

func (l *limiter) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.out += int64(n)
	if l.max > 0 && l.out > l.max {
		n -= int(min(l.out-l.max, int64(n)))
		return n, &FileError{Reason: TooLarge, Detail: fmt.Sprintf("the file is larger than the %d bytes allowed, uncompressed", l.max)}
	}
	if l.packed == nil {
		return n, err
	}
	if l.out > expansionFloor && l.out/maxExpansion > l.packed.read {
		return n, &FileError{Reason: TooLarge, Detail: fmt.Sprintf(
			"%d compressed bytes expand to more than %d: this looks like a compression bomb", l.packed.read, l.out)}
	}
	if err != nil && err != io.EOF {
		err = gzipError(err)
	}
	return n, err
}

// gzipError says what is wrong with a gzip stream.
func gzipError(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return &FileError{Reason: Truncated, Detail: "the gzip stream is truncated: send the file again", Err: err}
	case errors.Is(err, gzip.ErrHeader):
		return &FileError{Reason: Corrupt, Detail: "the gzip header is damaged, or other bytes follow the end of the gzip stream", Err: err}
	case errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return &FileError{Reason: Corrupt, Detail: "the gzip stream is damaged: send the file again", Err: err}
	}
	return err
}

// replay gives back the head that was looked at, then the rest.
type replay struct {
	head []byte
	err  error // what ended the head early
	r    io.Reader
}

func (p *replay) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	if p.err != nil {
		return 0, p.err
	}
	return p.r.Read(b)
}

// trim cuts surrounding white space, no-break spaces included.
func trim(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	if len(b) > 0 && (b[0] >= 0x80 || b[len(b)-1] >= 0x80) {
		return bytes.TrimSpace(b)
	}
	return b
}

func isSpace(b byte) bool {
	return b == ' ' || b == '\t' || b == '\n' || b == '\r' || b == '\v' || b == '\f'
}
