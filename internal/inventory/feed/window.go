package feed

import "io"

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
