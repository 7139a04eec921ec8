package logstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// renewEvery is how long a stream is followed before it is opened anew: only then
// does the API server ask whether it may still be read.
const renewEvery = 10 * time.Minute

// maxLine bounds what is looked at of one line; the rest of a longer one is
// dropped.
const maxLine = 64 << 10

// Open opens a log with timestamps from a time on. With follow it does not end
// until the container does.
type Open func(ctx context.Context, since time.Time, follow bool) (io.ReadCloser, error)

// Follower reads one log until its context ends.
type Follower struct {
	Open Open
	// Match says whether a line counts.
	Match func(line []byte) bool
	// OnMatch is called with the time of each line that counts.
	OnMatch func(at time.Time)
	// Since is where to start.
	Since time.Time
	// Idle is how long a stream may be silent before it is opened anew: a
	// connection may die without a word, and a rotated file may be forgotten.
	Idle time.Duration
	// Backoff between two attempts to open, doubled up to MaxBackoff.
	Backoff, MaxBackoff time.Duration
	// Now is the wall clock.
	Now func() time.Time
	// Opened is called with 1 when a stream opens and -1 when it closes; may be
	// nil.
	Opened func(delta float64)

	unfinished []byte // line that the last stream ended with

	mu       sync.Mutex
	caughtUp bool
	err      error
	lastLine time.Time
	lastRead time.Time
	lines    int64
}

// Status is where a Follower stands.
type Status struct {
	// CaughtUp says that all there was at the start has been read.
	CaughtUp bool
	// Err is why the stream is not open; nil while it is.
	Err error
	// Lag is how far behind the clock the last line was when it was read; zero
	// if nothing was read lately.
	Lag   time.Duration
	Lines int64
}

// Status of the follower now.
func (f *Follower) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := Status{CaughtUp: f.caughtUp, Err: f.err, Lines: f.lines}
	if !f.lastRead.IsZero() && time.Since(f.lastRead) < 10*time.Second {
		s.Lag = max(0, f.Now().Sub(f.lastLine))
	}
	return s
}

// Run follows the log until ctx ends. What there is already is read to its end
// first, so that it is known when the past has been seen.
func (f *Follower) Run(ctx context.Context) {
	resume := NewResume(f.Since)
	backoff := f.Backoff
	follow := false
	for ctx.Err() == nil {
		started, lines := time.Now(), f.Status().Lines
		err := f.stream(ctx, resume, follow)
		f.mu.Lock()
		grew := f.lines > lines
		f.err = err
		if err == nil && !follow {
			// Of what there was nothing is late, however long ago it was written.
			f.caughtUp, follow, f.lastRead = true, true, time.Time{}
			f.mu.Unlock()
			continue
		}
		f.mu.Unlock()
		// A container that restarts ends its stream and soon has more to say; one
		// that has ended for good ends each stream at once.
		if err == nil && grew || time.Since(started) >= min(f.Idle, f.MaxBackoff) {
			backoff = f.Backoff
		}
		// Many streams that end together must not come back together.
		wait := backoff/2 + rand.N(backoff)
		backoff = min(2*backoff, f.MaxBackoff)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// errAnew ends a stream that is to be opened anew.
var errAnew = errors.New("to be opened anew")

// stream reads one opening of the log to its end. A stream that ends or falls
// silent is no error; one that cannot be opened or breaks is, and so is one that
// holds nothing but what the node has to say for itself.
func (f *Follower) stream(ctx context.Context, resume *Resume, follow bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(f.Idle, func() { cancel(errAnew) })
	defer idle.Stop()

	body, err := f.Open(ctx, resume.Reopen(), follow)
	if err != nil {
		if context.Cause(ctx) == errAnew {
			return fmt.Errorf("open log: no answer in %s", f.Idle)
		}
		return fmt.Errorf("open log: %w", err)
	}
	defer body.Close()
	// A read that hangs ends with its body, whatever the transport does.
	stop := context.AfterFunc(ctx, func() { body.Close() })
	defer stop()
	if f.Opened != nil {
		f.Opened(1)
		defer f.Opened(-1)
	}
	f.mu.Lock()
	if follow {
		f.err = nil
		renew := time.AfterFunc(renewEvery, func() { cancel(errAnew) })
		defer renew.Stop()
	}
	f.mu.Unlock()

	reader := bufio.NewReaderSize(body, 16<<10)
	var line []byte
	logged, said := false, false
	for {
		line, err = readLine(reader, line[:0])
		if len(line) > 0 && (err == nil || err == io.EOF) {
			idle.Reset(f.Idle)
			at, text, ok := SplitLine(line)
			if ok && (err == nil || f.complete(line)) {
				f.take(resume, at, text)
			}
			logged, said = logged || ok, said || !ok
		}
		switch {
		case err == nil:
		case err == io.EOF && said && !logged:
			return errors.New("read log: the node sends a message of its own instead of a log")
		case err == io.EOF, context.Cause(ctx) == errAnew && follow, ctx.Err() != nil && context.Cause(ctx) != errAnew:
			return nil
		default:
			return fmt.Errorf("read log: %w", err)
		}
	}
}

// complete says whether an unfinished line is all there is of it: whether a
// second stream ends with it as well. One that was cut short comes again, whole;
// the API server ends a stream in order even where its connection to the node
// broke.
func (f *Follower) complete(line []byte) bool {
	again := bytes.Equal(line, f.unfinished)
	f.unfinished = append(f.unfinished[:0], line...)
	return again
}

func (f *Follower) take(resume *Resume, at time.Time, text []byte) {
	if !resume.Admit(at) {
		return
	}
	f.mu.Lock()
	f.lastLine, f.lastRead = at, time.Now()
	f.lines++
	f.mu.Unlock()
	if f.Match(text) {
		f.OnMatch(at)
	}
}

// readLine appends the next line without its end to buf, at most maxLine of it.
func readLine(r *bufio.Reader, buf []byte) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		if room := maxLine - len(buf); room > 0 {
			buf = append(buf, part[:min(room, len(part))]...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if n := len(buf); n > 0 && buf[n-1] == '\n' {
			buf = buf[:n-1]
		}
		return buf, err
	}
}
