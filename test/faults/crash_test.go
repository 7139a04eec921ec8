//go:build faults

package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// background are writes that come from time to time, on no feed's way: the
// loops that expire what is over, and what the identity notes of its tokens.
var background = regexp.MustCompile(`^commit (delete (object_expiry|signal)|(insert|update|delete) (bodega_identity|users|sessions|tokens|sign_in_attempts))$`)

// work is what the server is killed over: something that a client asks for,
// and asks for again where it got no answer.
type work struct {
	// from is a text in the name of its first durable write.
	from string
	// ready makes the data folder of a server that can be asked for it.
	ready func(*testing.T) string
	// ask asks once, and returns the unit of work that the answer names, if any.
	ask func(context.Context, *server) (unit string, err error)
}

// sending is a sender's work.
func sending(f sent) *work {
	return &work{"/raw/", fresh, func(ctx context.Context, s *server) (string, error) {
		return s.put(ctx, f, strings.NewReader(f.Body))
	}}
}

func (s *server) mustAsk(w *work) (unit string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	unit, err := w.ask(ctx, s)
	if err != nil {
		s.t.Fatal(err)
	}
	return unit
}

// undisturbed does a work once without a fault, and lists its durable writes.
func undisturbed(t *testing.T, w *work) (writes []point, took time.Duration, left *outcome) {
	t.Helper()
	dir := w.ready(t)
	log := filepath.Join(filepath.Dir(dir), "writes")
	s := start(t, dir, "BODEGA_CRASH_FROM="+w.from, "BODEGA_CRASH_LOG="+log)
	began := time.Now()
	s.mustAsk(w)
	s.settled()
	took = time.Since(began)
	left = s.outcome()
	s.stop()
	for _, p := range passed(t, log) {
		if p.side == "after" && !background.MatchString(p.kind) {
			writes = append(writes, p)
		}
	}
	t.Logf("%d durable writes in %s:", len(writes), took.Round(time.Millisecond))
	for i, p := range writes {
		t.Logf("%3d %s", i+1, p.kind)
	}
	return writes, took, left
}

// point is a place in the order of durable writes.
type point struct {
	side string
	name string
	kind string // the name without what no two runs have in common
}

// passed reads the points that a server came by.
func passed(t *testing.T, log string) []point {
	t.Helper()
	f, err := os.Open(log)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var points []point
	for in := bufio.NewScanner(f); in.Scan(); {
		l := strings.SplitN(in.Text(), " ", 3)
		if len(l) != 3 {
			t.Fatalf("line %q of the log of durable writes", in.Text())
		}
		points = append(points, point{l[0], l[2], unique.ReplaceAllString(l[2], "")})
	}
	return points
}

// made counts the writes of a kind that a server began.
func made(points []point, kind string) (n int) {
	for _, p := range points {
		if p.side == "before" && p.kind == kind {
			n++
		}
	}
	return n
}

var unique = regexp.MustCompile(`/f[0-9a-v]{26}|/\d{6}(?:\d{3})?-\w+|-[A-Z2-7]{10}\b`)

// pattern matches the names of a write's kind.
func (p point) pattern() string {
	var b strings.Builder
	for i, part := range unique.Split(p.name, -1) {
		if i > 0 {
			b.WriteString("(?:" + unique.String() + ")")
		}
		b.WriteString(regexp.QuoteMeta(part))
	}
	return b.String()
}

// recovers starts a killed server again and brings the work to its end, as its
// client would: by asking again, which is the same unit where it was stored.
func recovers(t *testing.T, dir string, w *work, acknowledged string) *server {
	t.Helper()
	s := start(t, dir)
	unit := s.mustAsk(w)
	if acknowledged != "" && unit != "" && unit != acknowledged {
		t.Errorf("unit %s was acknowledged and is lost: asked for again, it is %s", acknowledged, unit)
	}
	return s
}

// meanwhile asks a server that is about to die. The channel is closed when all
// has come to its end all the same; unit is there once either came.
func meanwhile(s *server, w *work) (unit func() string, done <-chan struct{}) {
	ended, answered := make(chan struct{}), make(chan string, 1)
	database := s.databaseAddress()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		acknowledged, err := w.ask(ctx, s)
		answered <- acknowledged
		if err != nil {
			return // the server died first
		}
		db, err := pgx.Connect(ctx, database)
		if err != nil {
			return
		}
		defer func() { _ = db.Close(ctx) }()
		if settle(ctx, db) == nil {
			close(ended)
		}
	}()
	return func() string { return <-answered }, ended
}

// TestKilledAtEveryDurableWrite kills the server before and after each object
// that it makes durable and each transaction that it commits on a work's way,
// and starts it again. What that leaves is what no fault would have left.
func TestKilledAtEveryDurableWrite(t *testing.T) {
	for name, w := range works() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killedAtEachWrite(t, w)
		})
	}
}

func killedAtEachWrite(t *testing.T, w *work) {
	writes, _, want := undisturbed(t, w)
	var mu sync.Mutex
	died, ran := map[string]bool{}, 0
	t.Run("at", func(t *testing.T) {
		nth := map[string]int{}
		for n, p := range writes {
			nth[p.kind]++
			for _, side := range []string{"before", "after"} {
				count := nth[p.kind]
				at := fmt.Sprintf("%s:%d:%s", side, count, p.pattern())
				t.Run(fmt.Sprintf("%s:%d", side, n+1), func(t *testing.T) {
					t.Parallel()
					dir := w.ready(t)
					log := filepath.Join(filepath.Dir(dir), "writes")
					s := start(t, dir, "BODEGA_CRASH_FROM="+w.from, "BODEGA_CRASH_LOG="+log, "BODEGA_CRASH_AT="+at)
					unit, done := meanwhile(s, w)
					// The last write is seen in the database before the server has died of it.
					if !s.killed(done) && (made(passed(t, log), p.kind) < count || !s.killed(nil)) {
						// Only what the background did instead is not met.
						t.Logf("all ended without the write %d, %s", n+1, p.kind)
						s.kill()
					} else {
						points := passed(t, log)
						last := points[len(points)-1]
						if last.side != side || last.kind != p.kind {
							t.Errorf("the server was killed %s %s, not %s %s", last.side, last.kind, side, p.kind)
						}
						mu.Lock()
						died[side+" "+p.kind] = true
						mu.Unlock()
					}
					again := recovers(t, dir, w, unit())
					again.equals(again.outcome(), want)
					mu.Lock()
					defer mu.Unlock()
					ran++
				})
			}
		}
	})
	if ran < 2*len(writes) {
		return // a part of them was asked for, or failed
	}
	for _, p := range writes {
		for _, side := range []string{"before ", "after "} {
			if !died[side+p.kind] {
				t.Errorf("the server was never killed %s%s", side, p.kind)
			}
		}
	}
}

// moments is how many times of a feed's way the server is killed at, besides
// its durable writes.
const moments = 20

// TestKilledAtSeededMoments kills the server at any moment of a feed's way,
// also between and within writes that are Temporal's, and once more while it
// recovers.
func TestKilledAtSeededMoments(t *testing.T) {
	w := sending(full())
	_, took, want := undisturbed(t, w)
	const seed = 2
	random := rand.New(rand.NewPCG(seed, seed))
	for n := range moments {
		first, second := time.Duration(random.Int64N(int64(took))), time.Duration(random.Int64N(int64(2*time.Second)))
		t.Run(fmt.Sprintf("%d", n), func(t *testing.T) {
			t.Parallel()
			t.Logf("killed after %s, and %s after its start", first.Round(time.Millisecond), second.Round(time.Millisecond))
			dir := fresh(t)
			s := start(t, dir)
			moment := time.After(first)
			unit, _ := meanwhile(s, w)
			<-moment
			s.kill()
			recovering := launch(t, dir)
			<-time.After(second)
			recovering.kill()
			again := recovers(t, dir, w, unit())
			again.equals(again.outcome(), want)
		})
	}
}
