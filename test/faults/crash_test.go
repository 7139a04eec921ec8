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

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
)

// background are writes that come from time to time, on no feed's way: the
// loops that expire what is over, and what the identity notes of its tokens.
var background = regexp.MustCompile(`^commit (delete (object_expiry|signal)|(insert|update|delete) (bodega_identity|users|sessions|tokens|sign_in_attempts))$`)

// undisturbed runs a feed once without a fault, and lists its durable writes.
func undisturbed(t *testing.T, f sent) (writes []point, took time.Duration, left *outcome) {
	t.Helper()
	dir := fresh(t)
	log := filepath.Join(filepath.Dir(dir), "writes")
	s := start(t, dir, "BODEGA_CRASH_FROM=/raw/", "BODEGA_CRASH_LOG="+log)
	began := time.Now()
	s.ends(s.mustPut(f))
	took = time.Since(began)
	left = s.outcome()
	s.stop()
	for _, w := range passed(t, log) {
		if w.side == "after" && !background.MatchString(w.kind) {
			writes = append(writes, w)
		}
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

var unique = regexp.MustCompile(`/f[0-9a-v]{26}|/\d{9}-\w+|-[A-Z2-7]{10}\b`)

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

// recovers starts a killed server again and brings the feed to its end, as its
// sender would: by sending it again, which is the same feed where it was stored.
func recovers(t *testing.T, dir, acknowledged string) *server {
	t.Helper()
	s := start(t, dir)
	id := s.mustPut(full())
	if acknowledged != "" && id != acknowledged {
		t.Errorf("feed %s was acknowledged and is lost: sent again, it is %s", acknowledged, id)
	}
	s.ends(id)
	return s
}

// meanwhile sends the feed to a server that is about to die. The channel is
// closed when the feed has ended all the same; id is there once either came.
func meanwhile(s *server) (id func() string, done <-chan struct{}) {
	ended, sent := make(chan struct{}), make(chan string, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		f := full()
		acknowledged, err := s.put(ctx, f, strings.NewReader(f.Body))
		sent <- acknowledged
		if err != nil {
			return // the server died first
		}
		if f, err := s.watch(acknowledged); err == nil && f.GetStatus() >= inventoryv1.FeedStatus_FEED_STATUS_DONE {
			close(ended)
		}
	}()
	return func() string { return <-sent }, ended
}

// TestKilledAtEveryDurableWrite kills the server before and after each object
// that it makes durable and each transaction that it commits on a feed's way,
// and starts it again. What that leaves is what no fault would have left.
func TestKilledAtEveryDurableWrite(t *testing.T) {
	writes, took, want := undisturbed(t, full())
	t.Logf("the feed makes %d durable writes in %s:", len(writes), took.Round(time.Millisecond))
	for i, w := range writes {
		t.Logf("%3d %s", i+1, w.kind)
	}
	var mu sync.Mutex
	died, ran := map[string]bool{}, 0
	t.Run("at", func(t *testing.T) {
		nth := map[string]int{}
		for n, w := range writes {
			nth[w.kind]++
			for _, side := range []string{"before", "after"} {
				at := fmt.Sprintf("%s:%d:%s", side, nth[w.kind], w.pattern())
				t.Run(fmt.Sprintf("%s:%d", side, n+1), func(t *testing.T) {
					t.Parallel()
					dir := fresh(t)
					log := filepath.Join(filepath.Dir(dir), "writes")
					s := start(t, dir, "BODEGA_CRASH_FROM=/raw/", "BODEGA_CRASH_LOG="+log, "BODEGA_CRASH_AT="+at)
					id, done := meanwhile(s)
					if !s.killed(done) {
						// Only what the background did instead is not met.
						t.Logf("the feed ended without its write %d, %s", n+1, w.kind)
						s.kill()
					} else {
						points := passed(t, log)
						last := points[len(points)-1]
						if last.side != side || last.kind != w.kind {
							t.Errorf("the server was killed %s %s, not %s %s", last.side, last.kind, side, w.kind)
						}
						mu.Lock()
						died[side+" "+w.kind] = true
						mu.Unlock()
					}
					again := recovers(t, dir, id())
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
	for _, w := range writes {
		for _, side := range []string{"before ", "after "} {
			if !died[side+w.kind] {
				t.Errorf("the server was never killed %s%s", side, w.kind)
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
	_, took, want := undisturbed(t, full())
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
			id, _ := meanwhile(s)
			<-moment
			s.kill()
			recovering := launch(t, dir)
			<-time.After(second)
			recovering.kill()
			again := recovers(t, dir, id())
			again.equals(again.outcome(), want)
		})
	}
}
