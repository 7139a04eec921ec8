//go:build faults

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
)

// until asks again and again until it is so.
func (s *server) until(what string, is func() bool) {
	s.t.Helper()
	end := time.After(deadline)
	for tick := time.NewTicker(2 * time.Millisecond); !is(); {
		select {
		case <-tick.C:
		case <-s.exited:
			s.t.Fatalf("the server ended before %s: %v\n%s", what, s.err, s.log)
		case <-end:
			s.t.Fatalf("waited in vain until %s\n%s", what, s.log)
		}
	}
}

// underWay sends a long feed and returns when some of its chunks are applied.
func (s *server) underWay(log string) string {
	s.t.Helper()
	id := s.mustPut(long())
	s.until("chunks are applied", func() bool {
		raw, err := os.ReadFile(log)
		return err == nil && strings.Count(string(raw), "insert feed_chunk\n")+strings.Count(string(raw), "insert feed_chunk,") > 10
	})
	return id
}

// stillUnderWay insists that a fault met the feed on its way.
func (s *server) stillUnderWay(id string) {
	s.t.Helper()
	f, err := s.feeds().GetFeed(context.Background(), &inventoryv1.GetFeedRequest{FeedId: id})
	if err != nil {
		s.t.Fatal(err)
	}
	if f.GetFeed().GetStatus() != inventoryv1.FeedStatus_FEED_STATUS_RUNNING {
		s.t.Fatalf("the feed is %s already: the fault did not meet it", f.GetFeed().GetStatus())
	}
}

// watched starts a server whose durable writes are seen as they are made.
func watched(t *testing.T, dir string) (*server, string) {
	t.Helper()
	log := filepath.Join(filepath.Dir(dir), "writes")
	return start(t, dir, "BODEGA_CRASH_FROM=/raw/", "BODEGA_CRASH_LOG="+log), log
}

// PostgreSQL goes away in the middle of a feed, in each way that it can be
// told to; the server starts it again, and the feed goes on.
func TestDatabaseGoesAwayInMidFeed(t *testing.T) {
	_, _, want := undisturbed(t, sending(long()))
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "immediate": syscall.SIGQUIT, "fast": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			s, log := watched(t, fresh(t))
			id := s.underWay(log)
			s.stillUnderWay(id)
			gone := s.postgresPID
			if err := syscall.Kill(gone, signal); err != nil {
				t.Fatal(err)
			}
			s.databaseEnds()
			s.ends(s.resend(long(), id))
			s.hold()
			if s.postgresPID == gone {
				t.Fatal("PostgreSQL was never gone")
			}
			s.equals(s.outcome(), want)
			s.stop()
		})
	}
}

// resend sends a feed again until the server answers, as a sender does over an
// outage, and insists that it is the feed that was acknowledged.
func (s *server) resend(f sent, acknowledged string) string {
	s.t.Helper()
	var id string
	s.until("the feed is taken in again", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		var err error
		id, err = s.put(ctx, f, strings.NewReader(f.Body))
		var r *refused
		if errors.As(err, &r) && r.status != http.StatusServiceUnavailable && r.status != http.StatusGatewayTimeout {
			s.t.Fatalf("in an outage the server answers %v", err)
		}
		return err == nil
	})
	if acknowledged != "" && id != acknowledged {
		s.t.Errorf("feed %s was acknowledged and is lost: sent again, it is %s", acknowledged, id)
	}
	return id
}

// halfway is a body whose second half waits for a word.
func halfway(body string) (r io.Reader, first <-chan struct{}, goOn func()) {
	half, rest := make(chan struct{}), make(chan struct{})
	in, out := io.Pipe()
	go func() {
		_, _ = io.WriteString(out, body[:len(body)/2])
		close(half)
		<-rest
		_, _ = io.WriteString(out, body[len(body)/2:])
		_ = out.Close()
	}()
	return in, half, func() { close(rest) }
}

// The disk is full while a feed is under way and another is sent. The sender
// learns why, and everything goes on by itself once there is space again.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT RUN: a disk of its own that can be filled needs root to mount it")
	}
	_, _, want := undisturbed(t, sending(long()))
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=256m,mode=0755"); err != nil {
		t.Skipf("NOT RUN: mount a disk that can be filled: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	dir := filepath.Join(disk, "data")
	if out, err := exec.Command("cp", "-a", fresh(t), dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	log := filepath.Join(t.TempDir(), "writes")
	s := start(t, dir, "BODEGA_CRASH_FROM=/raw/", "BODEGA_CRASH_LOG="+log)
	id := s.underWay(log)
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	s.stillUnderWay(id)
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	another := sent{Store: "1", Kind: "delta", Key: "another", At: morning.Add(90 * time.Minute), Body: base()}
	_, err := s.put(ctx, another, strings.NewReader(another.Body))
	var r *refused
	if !errors.As(err, &r) || !strings.Contains(r.body, "storage is full") || !strings.Contains(r.body, "resource_exhausted") {
		t.Errorf("on a full disk the sender reads: %v", err)
	}
	s.until("the feed meets the full disk", func() bool { return strings.Contains(s.log.String(), "storage is full") })
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.ends(s.resend(long(), id))
	s.equals(s.outcome(), want)
	s.stop()
}

// fill takes all the space of a disk that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := bytes.Repeat([]byte{1}, 1<<20)
	for len(block) > 0 {
		if _, err := f.Write(block); errors.Is(err, unix.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// Two files at once for one store apply one after the other, and the newer
// one is what shoppers see, in whatever order they came.
func TestTwoFilesAtOnceForOneStore(t *testing.T) {
	s := start(t, fresh(t))
	for round := range 6 {
		price := func(n int) sent {
			var b strings.Builder
			b.WriteString(header)
			for i := range 100 {
				line(&b, "1", i, fmt.Sprintf("%d.%02d", 2+i%7, 60+2*round+n))
			}
			at := morning.Add(time.Minute * time.Duration(10*round+n+1))
			return sent{Store: "1", Kind: "full", Key: fmt.Sprintf("round %d of %d", round, n), At: at, Body: b.String()}
		}
		type answer struct {
			id  string
			err error
		}
		answers := make(chan answer, 2)
		for n := range 2 {
			go func() {
				ctx, cancel := context.WithTimeout(context.Background(), deadline)
				defer cancel()
				f := price((n + round) % 2)
				id, err := s.put(ctx, f, strings.NewReader(f.Body))
				answers <- answer{id, err}
			}()
		}
		a, b := <-answers, <-answers
		if err := errors.Join(a.err, b.err); err != nil || a.id == b.id {
			t.Fatalf("feeds %q and %q: %v", a.id, b.id, err)
		}
		s.ends(a.id)
		s.ends(b.id)
		s.outcome()
		m, err := s.items().GetMenu(t.Context(), &inventoryv1.GetMenuRequest{MerchantId: "corner", StoreId: "1"})
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		for _, c := range m.GetCategories() {
			for _, it := range c.GetItems() {
				shown++
				if got := it.GetPriceMinor() % 100; got != int64(60+2*round+1) {
					t.Fatalf("round %d: item %s is shown at %d, a price of the older file", round, it.GetItemId(), it.GetPriceMinor())
				}
			}
		}
		if shown != 100 {
			t.Errorf("round %d: %d items are shown", round, shown)
		}
	}
}

// A server that is told to stop ends what it is answering, hands over the feed
// that it is working on, and exits with 0.
func TestDrain(t *testing.T) {
	_, _, want := undisturbed(t, sending(long()))
	dir := fresh(t)
	s, log := watched(t, dir)
	body, half, goOn := halfway(base())
	type answer struct {
		id  string
		err error
	}
	answered := make(chan answer, 1)
	again := sent{Kind: "full", Key: "base", At: morning}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		id, err := s.put(ctx, again, body)
		answered <- answer{id, err}
	}()
	<-half
	id := s.underWay(log)
	s.stillUnderWay(id)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// From now on it takes no new connection.
	refuses := func() bool {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := c.Get(s.address + "/healthz")
		if err == nil {
			resp.Body.Close()
		}
		return err != nil
	}
	s.until("it takes no new requests", refuses)
	goOn()
	if a := <-answered; a.err != nil || a.id == "" {
		t.Errorf("the request in flight ends in %q, %v", a.id, a.err)
	}
	<-s.exited
	if s.err != nil {
		t.Errorf("the server that was told to stop ends in %v", s.err)
	}
	s.databaseEnds()
	after := start(t, dir)
	after.ends(after.resend(long(), id))
	after.equals(after.outcome(), want)
}

// A data folder is one server's.
func TestSecondServerOnOneDataFolder(t *testing.T) {
	dir := fresh(t)
	s := start(t, dir)
	second := launch(t, dir)
	select {
	case <-second.exited:
	case <-time.After(deadline):
		t.Fatal("the second server does not give up")
	}
	if second.err == nil {
		t.Error("the second server exits with 0")
	}
	if said := second.log.String(); !strings.Contains(said, dir) || !strings.Contains(said, "in use") || strings.Count(strings.TrimSpace(said), "\n") > 1 {
		t.Errorf("the second server says: %s", said)
	}
	// The first is none the worse.
	s.ends(s.mustPut(full()))
	s.stop()
}

// Nothing that a killed server started outlives it.
func TestKilledServerLeavesNoProcess(t *testing.T) {
	dir := fresh(t)
	s, log := watched(t, dir)
	s.underWay(log)
	if len(processesOf(t, dir)) < 2 {
		t.Fatal("the test does not see the server's processes")
	}
	s.kill()
	end := time.Now().Add(deadline)
	for tick := time.NewTicker(10 * time.Millisecond); len(processesOf(t, dir)) > 0; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("processes are left: %v", processesOf(t, dir))
		}
	}
}

// processesOf lists the processes that work on a data folder: which name it,
// or have it as their working folder, as PostgreSQL has.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		cwd, _ := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		if strings.Contains(string(line), dir) || strings.HasPrefix(cwd, dir) {
			found = append(found, e.Name()+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}
