package feed

import (
	"bytes"
	"io"
)

// window is a sliding view of a stream that keeps one whole record in memory
// at a time, up to max bytes of it. Positions inside a record are relative to
// pos, so that they survive a refill.
type window struct {
	r   io.Reader
	buf []byte
	pos int // start of the record being looked at
	end int
	err error // what ended the stream: io.EOF or worse
	max int
}

const firstWindow = 64 << 10

func newWindow(r io.Reader, maxRecord int) *window {
	// One byte above the limit tells a record of exactly max from a longer one.
	return &window{r: r, max: maxRecord + 1, buf: make([]byte, min(firstWindow, maxRecord+1))}
}

// bytes is what is in memory from the record's start on. It is valid until
// the next call to fill.
func (w *window) bytes() []byte { return w.buf[w.pos:w.end] }

// skip moves the record's start n bytes on.
func (w *window) skip(n int) { w.pos += n }

// fill reads more behind what is there. False means that no more can come:
// the stream has ended (err is set), or the record is larger than allowed
// (err is nil).
func (w *window) fill() bool {
	if w.err != nil || w.end-w.pos >= w.max {
		return false
	}
	if w.end == len(w.buf) {
		if w.pos > 0 {
			w.end = copy(w.buf, w.buf[w.pos:w.end])
			w.pos = 0
		} else {
			grown := make([]byte, min(2*len(w.buf), w.max))
			copy(grown, w.buf)
			w.buf = grown
		}
	}
	for range 100 {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		w.err = err
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	w.err = io.ErrNoProgress
	return false
}

// full says that the record has outgrown the limit.
func (w *window) full() bool { return w.err == nil && w.end-w.pos >= w.max }

// outcome is how looking for a record or a line ended.
type outcome uint8

const (
	parsed     outcome = iota
	atEnd              // the stream ended before it began
	tooLong            // it outgrows the limit
	readFailed         // the stream ended badly; see err
	unclosed           // a quote opened in the last value and never closed
	afterQuote         // text between a closing quote and the delimiter
)

// line is the length of the line at the record's start, its end (LF, CR or
// both) included.
func (w *window) line() (int, outcome) {
	from := 0
	for {
		b := w.bytes()
		if at := lineEnd(b[from:]); at >= 0 {
			return w.behindEnd(from + at), parsed
		}
		from = len(b)
		if w.fill() {
			continue
		}
		switch {
		case w.full():
			return from, tooLong
		case w.err != io.EOF:
			return from, readFailed
		case from == 0:
			return 0, atEnd
		}
		return from, parsed
	}
}

// dropLine skips to behind the next line end, however far that is.
func (w *window) dropLine() error {
	for {
		b := w.bytes()
		if at := lineEnd(b); at >= 0 {
			w.skip(w.behindEnd(at))
			return nil
		}
		w.skip(len(b))
		if !w.fill() {
			if w.err == io.EOF {
				return nil
			}
			return w.err
		}
	}
}

// behindEnd is the position behind the line end at position at.
func (w *window) behindEnd(at int) int {
	b := w.bytes()
	if b[at] != '\r' {
		return at + 1
	}
	if at+1 == len(b) && w.fill() {
		b = w.bytes()
	}
	if at+1 < len(b) && b[at+1] == '\n' {
		return at + 2
	}
	return at + 1
}

// lineEnd finds the first LF or CR in b, or -1.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}
