package logstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type logged struct {
	at time.Time
	id int
}

// What is read over any number of reconnections, with rotations that drop the
// oldest lines and with many lines in one tick of the clock, is each line once.
func TestResumeReadsEachLineOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var file []logged
		seen := map[int]int{}
		at, next := t0, 0
		resume := NewResume(t0.Add(-time.Minute))
		for range rapid.IntRange(1, 8).Draw(t, "openings") {
			since := resume.Reopen()
			if since.Nanosecond() != 0 {
				t.Fatalf("starts within a second: %s", since)
			}
			// What the API server sends again.
			read := 0
			send := func(l logged) {
				if !l.at.Before(since) && resume.Admit(l.at) {
					seen[l.id]++
				}
				read++
			}
			for _, l := range file {
				send(l)
			}
			for range rapid.IntRange(0, 6).Draw(t, "lines") {
				at = at.Add(rapid.SampledFrom([]time.Duration{0, 0, time.Nanosecond, 300 * time.Millisecond, time.Second, 3 * time.Second}).Draw(t, "step"))
				l := logged{at, next}
				next++
				file = append(file, l)
				send(l)
			}
			if rapid.IntRange(0, 3).Draw(t, "rotate") == 0 {
				// Everything read is rotated away; the file begins anew, later.
				file = nil
				at = at.Add(time.Nanosecond)
			}
		}
		for id := range next {
			if seen[id] != 1 {
				t.Fatalf("line %d was read %d times", id, seen[id])
			}
		}
	})
}

func TestWindowCountsExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 10).Draw(t, "limit")
		w := NewWindow(time.Minute, limit)
		var all []time.Time
		now := t0
		for range rapid.IntRange(0, 60).Draw(t, "matches") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "step")) * time.Second)
			at := now.Add(-time.Duration(rapid.IntRange(0, 90).Draw(t, "late")) * time.Second)
			w.Add(at)
			all = append(all, at)
			want := 0
			for _, match := range all {
				if match.After(now.Add(-time.Minute)) {
					want++
				}
			}
			if got := w.Count(now); got != min(want, limit) {
				t.Fatalf("counts %d of %d, limit %d", got, want, limit)
			}
		}
	})
}

func FuzzSplitLine(f *testing.F) {
	f.Add([]byte("2026-03-01T12:00:00.123456789Z hello"))
	f.Add([]byte("2026-03-01T12:00:00Z"))
	f.Add([]byte("rpc error: code = NotFound"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, line []byte) {
		at, text, ok := SplitLine(line)
		if ok && (at.IsZero() && !bytes.HasPrefix(line, []byte("0001")) || len(text) > len(line)) {
			t.Errorf("SplitLine(%q) = %s, %q", line, at, text)
		}
	})
}

func TestReadLineBoundsLines(t *testing.T) {
	long := strings.Repeat("x", 3*maxLine)
	var lines []string
	f := &Follower{
		Open: func(context.Context, time.Time, bool) (io.ReadCloser, error) {
			text := t0.Format(time.RFC3339Nano) + " " + long + "\n" + t0.Add(time.Second).Format(time.RFC3339Nano) + " next\n"
			return io.NopCloser(strings.NewReader(text)), nil
		},
		Match: func(line []byte) bool {
			lines = append(lines, string(line))
			return false
		},
		Idle: time.Minute, Now: time.Now, Since: t0.Add(-time.Hour),
	}
	if err := f.stream(t.Context(), NewResume(f.Since), false); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 2 || len(lines[0]) >= maxLine || lines[1] != "next" {
		t.Errorf("%d lines, first of %d bytes", len(lines), len(lines[0]))
	}
}

// silent is a stream that never says anything and notices when it is closed.
type silent struct {
	closed chan struct{}
	once   sync.Once
}

func (s *silent) Read([]byte) (int, error) { <-s.closed; return 0, errors.New("closed") }
func (s *silent) Close() error             { s.once.Do(func() { close(s.closed) }); return nil }

// A connection that dies without a word is opened anew, and ends with the
// follower.
func TestIdleStreamsAreReopened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened, open atomic.Int64
		f := &Follower{
			Open: func(_ context.Context, _ time.Time, follow bool) (io.ReadCloser, error) {
				if !follow {
					return io.NopCloser(strings.NewReader("")), nil
				}
				opened.Add(1)
				return &silent{closed: make(chan struct{})}, nil
			},
			Match: func([]byte) bool { return false }, Idle: 10 * time.Second,
			Backoff: 100 * time.Millisecond, MaxBackoff: time.Second, Now: time.Now,
			Opened: func(delta float64) { open.Add(int64(delta)) },
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.Run(ctx)
		}()
		time.Sleep(35 * time.Second)
		synctest.Wait()
		if n := opened.Load(); n < 3 || n > 5 {
			t.Errorf("opened %d times in 35 s, idle timeout 10 s", n)
		}
		if s := f.Status(); !s.CaughtUp || s.Err != nil {
			t.Errorf("a silent log is not an error: %+v", s)
		}
		cancel()
		<-done
		if n := open.Load(); n != 0 {
			t.Errorf("%d streams are left open", n)
		}
	})
}

// broken is a connection that dies in the middle of a line.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = errors.New("connection reset by peer")
	}
	return n, err
}
func (broken) Close() error { return nil }

// A log whose connection breaks again and again, each time in another place and
// once over a rotation, is opened from where it was read to, and each of its
// lines counts once.
func TestBrokenStreamsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lines = 40
		text := func(i int) string {
			// Two lines each at one time, three such times each second.
			at := t0.Add(time.Duration(i/2) * 350 * time.Millisecond)
			return fmt.Sprintf("%s line %d\n", at.Format(time.RFC3339Nano), i)
		}
		openings, first := 0, 0
		var asked []time.Time
		counted := map[string]int{}
		f := &Follower{
			Open: func(_ context.Context, since time.Time, follow bool) (io.ReadCloser, error) {
				openings++
				asked = append(asked, since)
				written := min(3*openings, lines)
				if openings == 5 {
					first = written - 4 // what came before is rotated away
				}
				var log strings.Builder
				for i := first; i < written; i++ {
					if at, _, _ := SplitLine([]byte(strings.TrimSpace(text(i)))); !at.Before(since) {
						log.WriteString(text(i))
					}
				}
				if !follow {
					return io.NopCloser(strings.NewReader(log.String())), nil
				}
				if next := text(written); written < lines {
					log.WriteString(next[:len(next)-len(" 00\n")])
				}
				return broken{strings.NewReader(log.String())}, nil
			},
			Match:   func(line []byte) bool { counted[string(line)]++; return true },
			OnMatch: func(time.Time) {}, Since: t0.Add(-time.Minute), Idle: time.Minute,
			Backoff: 100 * time.Millisecond, MaxBackoff: time.Second, Now: time.Now,
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		f.Run(ctx)
		for i := range lines {
			if n := counted[fmt.Sprint("line ", i)]; n != 1 {
				t.Errorf("line %d counts %d times", i, n)
			}
		}
		for i := 1; i < len(asked); i++ {
			if asked[i].Before(asked[i-1]) || asked[i].Nanosecond() != 0 {
				t.Errorf("opening %d starts at %s, the one before at %s", i, asked[i], asked[i-1])
			}
		}
		if last := asked[len(asked)-1]; last.Before(t0.Add(5 * time.Second)) {
			t.Errorf("the last opening starts at %s, far before what was read", last)
		}
	})
}

// script is what successive openings of a log hold, the last of them for ever on.
// Each ends in order.
func script(openings ...string) (open Open, asked func() int) {
	n := 0
	return func(_ context.Context, since time.Time, _ bool) (io.ReadCloser, error) {
		var log strings.Builder
		for line := range strings.Lines(openings[min(n, len(openings)-1)]) {
			if at, _, ok := SplitLine([]byte(strings.TrimSuffix(line, "\n"))); !ok || !at.Before(since) {
				log.WriteString(line)
			}
		}
		n++
		return io.NopCloser(strings.NewReader(log.String())), nil
	}, func() int { return n }
}

// follow runs a follower over a script, and counts the lines that end with boom.
func follow(t *testing.T, open Open, during time.Duration) (matches int, status Status) {
	t.Helper()
	f := &Follower{
		Open: open, Match: func(line []byte) bool { return bytes.HasSuffix(line, []byte("boom")) }, OnMatch: func(time.Time) { matches++ },
		Since: t0.Add(-time.Minute), Idle: 5 * time.Minute, Backoff: 500 * time.Millisecond, MaxBackoff: 30 * time.Second, Now: time.Now,
	}
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	f.Run(ctx)
	return matches, f.Status()
}

// A container that has ended is not asked for its log again and again, and one
// that starts anew is soon.
func TestEndedLogsAreAskedForRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := t0.Format(time.RFC3339Nano) + " boom\n"
		second := first + t0.Add(time.Second).Format(time.RFC3339Nano) + " boom\n"
		open, asked := script(first, first, first, first, second)
		if matches, _ := follow(t, open, 30*time.Second); matches != 2 {
			t.Errorf("%d matches, want 2", matches)
		}
		open, asked = script(first)
		matches, status := follow(t, open, 10*time.Minute)
		if matches != 1 || status.Err != nil || !status.CaughtUp {
			t.Errorf("%d matches, want 1; %+v", matches, status)
		}
		if n := asked(); n > 50 {
			t.Errorf("a log that has ended was opened %d times in ten minutes", n)
		}
	})
}

// The API server ends a stream in order even where its own connection broke in
// the middle of a line: the line comes again, and counts as a whole.
func TestLinesCutShortComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stamp := t0.Format(time.RFC3339Nano)
		for _, tt := range []struct {
			name     string
			openings []string
			want     int
		}{
			{"cut", []string{stamp + " a line that ends with b", stamp + " a line that ends with boom\n"}, 1},
			{"cut within its time", []string{stamp[:10], stamp + " boom\n"}, 1},
			{"never finished", []string{stamp + " boom"}, 1},
			{"finished later", []string{stamp + " boom", stamp + " boom", stamp + " boom\n"}, 1},
		} {
			open, _ := script(tt.openings...)
			if matches, _ := follow(t, open, time.Minute); matches != tt.want {
				t.Errorf("%s: %d matches, want %d", tt.name, matches, tt.want)
			}
		}
	})
}

// A node that cannot give a log says so where the log should be. That is no log
// without matches.
func TestMessagesInsteadOfLogsAreErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const message = "unable to retrieve container logs for containerd://0123"
		line := t0.Format(time.RFC3339Nano) + " a line\n"
		for _, tt := range []struct {
			name    string
			opening string
			want    bool
		}{
			{"message", message, true},
			{"message on a line", message + "\n", true},
			{"last words after a log", line + message, false},
			{"nothing logged", "", false},
		} {
			open, _ := script(tt.opening)
			_, status := follow(t, open, time.Minute)
			if (status.Err != nil) != tt.want || status.CaughtUp == tt.want {
				t.Errorf("%s: %+v, want an error: %v", tt.name, status, tt.want)
			}
			if status.Err != nil && strings.Contains(status.Err.Error(), "containerd") {
				t.Errorf("the error repeats what was read: %v", status.Err)
			}
		}
	})
}

// Whether a log may be read is asked when it is opened, so one that is never
// silent is opened anew now and then, without losing or repeating a line.
func TestStreamsAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		openings := 0
		open := func(ctx context.Context, since time.Time, follow bool) (io.ReadCloser, error) {
			if !follow {
				return io.NopCloser(strings.NewReader("")), nil
			}
			openings++
			reader, writer := io.Pipe()
			go func() {
				for i := 0; ; i++ {
					into := time.Duration(i) * time.Second
					at := t0.Add(into)
					select {
					case <-time.After(time.Until(begin.Add(into))):
					case <-ctx.Done():
						return
					}
					if at.Before(since) {
						continue
					}
					if _, err := fmt.Fprintf(writer, "%s boom\n", at.Format(time.RFC3339Nano)); err != nil {
						return
					}
				}
			}()
			return reader, nil
		}
		matches, _ := follow(t, open, time.Hour+time.Second/2)
		if openings < 5 || openings > 7 {
			t.Errorf("opened %d times in an hour", openings)
		}
		if matches != 3601 {
			t.Errorf("%d lines of an hour counted, want 3601", matches)
		}
	})
}

func TestOpenErrorsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		f := &Follower{
			Open: func(context.Context, time.Time, bool) (io.ReadCloser, error) {
				attempts++
				return nil, errors.New("container is waiting to start")
			},
			Match: func([]byte) bool { return false }, Idle: time.Minute,
			Backoff: 500 * time.Millisecond, MaxBackoff: 30 * time.Second, Now: time.Now,
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		f.Run(ctx)
		if s := f.Status(); s.Err == nil || s.CaughtUp {
			t.Errorf("status %+v", s)
		}
		if attempts > 40 {
			t.Errorf("%d attempts in five minutes: it does not back off", attempts)
		}
	})
}

// flood makes a log of so many bytes, with a match every so often.
type flood struct {
	left    int64
	every   int
	line    []byte
	match   []byte
	n       int
	pending []byte
}

func (f *flood) Read(p []byte) (int, error) {
	if f.left <= 0 {
		return 0, io.EOF
	}
	total := 0
	for total < len(p) {
		if len(f.pending) == 0 {
			f.n++
			f.pending = f.line
			if f.n%f.every == 0 {
				f.pending = f.match
			}
		}
		k := copy(p[total:], f.pending)
		f.pending = f.pending[k:]
		total += k
	}
	f.left -= int64(total)
	return total, nil
}

// A gigabyte of log costs no memory, and every match in it counts.
func TestFlood(t *testing.T) {
	size := int64(1 << 30)
	if testing.Short() {
		size = 64 << 20
	}
	stamp := t0.Format(time.RFC3339Nano)
	source := &flood{
		left: size, every: 1000,
		line:  fmt.Appendf(nil, "%s %s\n", stamp, strings.Repeat("GET /orders 200 12ms ", 8)),
		match: fmt.Appendf(nil, "%s post-unseal setup failed\n", stamp),
	}
	matches := 0
	f := &Follower{
		Open:    func(context.Context, time.Time, bool) (io.ReadCloser, error) { return io.NopCloser(source), nil },
		Match:   func(line []byte) bool { return bytes.Contains(line, []byte("post-unseal setup failed")) },
		OnMatch: func(time.Time) { matches++ },
		Idle:    time.Minute, Now: time.Now, Since: t0.Add(-time.Minute),
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if err := f.stream(t.Context(), NewResume(f.Since), false); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if want := source.n / 1000; matches < want-1 || matches > want {
		t.Errorf("%d matches, want %d", matches, want)
	}
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if total := after.TotalAlloc - before.TotalAlloc; total > 16<<20 {
		t.Errorf("%d bytes were allocated for %d bytes of log", total, size)
	}
}
