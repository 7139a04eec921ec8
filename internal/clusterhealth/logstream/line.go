// Package logstream follows the log of a container line by line, through
// rotations, restarts and broken connections, and counts what matches. Each
// line is seen once.
package logstream

import (
	"bytes"
	"sort"
	"time"
)

// SplitLine parts a line of a log that was asked for with timestamps. A line
// without one, such as the API server's own last words, is not ok.
func SplitLine(line []byte) (at time.Time, text []byte, ok bool) {
	space := bytes.IndexByte(line, ' ')
	stamp := line
	if space >= 0 {
		stamp, text = line[:space], line[space+1:]
	}
	if len(stamp) > len("2006-01-02T15:04:05.000000000+00:00") {
		return time.Time{}, nil, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return time.Time{}, nil, false
	}
	return at, text, true
}

// Resume remembers how far a log was read, so that it can be opened anew
// without missing a line or counting one twice. The API server takes the time
// to start from in whole seconds, so what was read of the last second comes
// again.
type Resume struct {
	last time.Time
	// read lines of the second of last, in the order of the file
	read int
	skip int
}

// NewResume starts at a time.
func NewResume(since time.Time) *Resume { return &Resume{last: since} }

// Reopen says where to start from, and expects from there again what was read
// already.
func (r *Resume) Reopen() time.Time {
	r.skip = r.read
	return r.last.Truncate(time.Second)
}

// Admit takes the time of the next line and says whether the line is new. Lines
// are told by their place in the file, since programs write equal lines within
// one tick of the clock; a line later than all that was read is always new,
// since a rotation removes lines before it.
func (r *Resume) Admit(at time.Time) bool {
	if r.skip > 0 {
		if !at.After(r.last) {
			r.skip--
			return false
		}
		// Of what was read of this second, so much is no longer in the file.
		r.read -= r.skip
		r.skip = 0
	}
	second := r.last.Truncate(time.Second)
	switch {
	case !at.Before(second.Add(time.Second)):
		r.read = 1
	case !at.Before(second):
		r.read++
	}
	if at.After(r.last) {
		r.last = at
	}
	return true
}

// Window counts matches of the last while, exactly, up to a limit.
type Window struct {
	span  time.Duration
	limit int
	at    []time.Time // ascending, at most limit, the latest
}

// NewWindow counts up to limit matches within span.
func NewWindow(span time.Duration, limit int) *Window { return &Window{span: span, limit: limit} }

// Add notes a match. Matches may come out of order, as from several pods.
func (w *Window) Add(at time.Time) {
	i := sort.Search(len(w.at), func(i int) bool { return w.at[i].After(at) })
	if len(w.at) == w.limit {
		// Only the latest can ever decide whether the limit is reached.
		if i == 0 {
			return
		}
		copy(w.at[:i-1], w.at[1:i])
		w.at[i-1] = at
		return
	}
	w.at = append(w.at, time.Time{})
	copy(w.at[i+1:], w.at[i:])
	w.at[i] = at
}

// Count is the number of matches after now minus the span, at most the limit.
func (w *Window) Count(now time.Time) int {
	from := now.Add(-w.span)
	first := sort.Search(len(w.at), func(i int) bool { return w.at[i].After(from) })
	w.at = append(w.at[:0], w.at[first:]...)
	return len(w.at)
}
