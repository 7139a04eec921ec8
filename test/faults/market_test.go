//go:build faults

package faults

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
)

// morning is the source time of the first feed; the others follow it.
var morning = time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Second)

var stores = []string{"1", "2"}

// template is the data folder of a stopped server, which tests start from in
// copies of their own.
type template struct {
	once sync.Once
	dir  string
}

func (tp *template) copy(t *testing.T, name string, fill func(dir string)) string {
	t.Helper()
	tp.once.Do(func() {
		dir := filepath.Join(scratch, name, "data")
		fill(dir)
		tp.dir = dir
	})
	if tp.dir == "" {
		t.Fatal("the data folder that tests start from could not be made")
	}
	dir := filepath.Join(t.TempDir(), "data")
	copyFolder(t, tp.dir, dir)
	return dir
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", "--reflink=auto", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v\n%s", from, err, out)
	}
}

var freshTemplate, waitingTemplate template

// fresh is a marketplace whose two stores have a menu of 100 items each.
func fresh(t *testing.T) string {
	t.Helper()
	return freshTemplate.copy(t, "fresh", func(dir string) {
		s := start(t, dir)
		s.run("merchant", "create", "--id", "corner", "--name", "Corner & Co.", "--currency", "USD")
		for _, id := range stores {
			s.run("store", "create", "--merchant", "corner", "--id", id, "--name", "Store "+id)
		}
		var token struct {
			Secret string `json:"secret"`
		}
		if err := json.Unmarshal(s.run("token", "create", "--name", "faults", "--role", "admin", "-o", "json"), &token); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "token"), []byte(token.Secret), 0o600); err != nil {
			t.Fatal(err)
		}
		s.token = token.Secret
		s.ends(s.mustPut(sent{Kind: "full", Key: "base", At: morning, Body: base()}))
		s.mustAsk(loading("before"))
		s.mustAsk(reporting("before", true))
		s.settled()
		// A feed's end brings the medians up to date, which a loop would else do later.
		s.ends(s.mustPut(sent{Kind: "full", Key: "again", At: morning.Add(time.Minute), Body: base()}))
		s.outcome()
		s.stop()
	})
}

// waiting is the same marketplace where two prices of store 1 and removals of
// store 2 wait for a person, and where items have a GTIN.
func waiting(t *testing.T) string {
	t.Helper()
	return waitingTemplate.copy(t, "waiting", func(dir string) {
		if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
			t.Fatal(err)
		}
		copyFolder(t, fresh(t), dir)
		s := start(t, dir)
		coded := strings.TrimSuffix(header, "\n") + ",gtin\n"
		for i := range 3 {
			coded += fmt.Sprintf("1,%05d,Item %d,%d.50,Shelf %d,%s\n", i, i, 2+i, i, gtins[i])
		}
		s.ends(s.mustPut(sent{Store: "1", Kind: "delta", Key: "coded", At: morning.Add(10 * time.Minute), Body: coded}))
		var mistaken, cut strings.Builder
		mistaken.WriteString(header)
		line(&mistaken, "1", 3, "550.00")
		line(&mistaken, "1", 4, "650.00")
		s.ends(s.mustPut(sent{Store: "1", Kind: "delta", Key: "mistaken", At: morning.Add(20 * time.Minute), Body: mistaken.String()}))
		z := gzip.NewWriter(&cut)
		var rows strings.Builder
		rows.WriteString(header)
		for i := range 50 {
			line(&rows, "2", i, fmt.Sprintf("%d.50", 2+i%7))
		}
		_, _ = z.Write([]byte(rows.String()))
		_ = z.Close()
		s.ends(s.mustPut(sent{Store: "2", Kind: "full", Key: "cut off", At: morning.Add(30 * time.Minute), Body: cut.String()[:cut.Len()-8]}))
		s.outcome()
		s.stop()
	})
}

// gtins are those of the first items of store 1.
var gtins = []string{"4006381333931", "4006381333948", "4006381333955"}

const header = "store_id,item_id,name,price,category\n"

func line(b *strings.Builder, store string, item int, price string) {
	fmt.Fprintf(b, "%s,%05d,Item %d,%s,Shelf %d\n", store, item, item, price, item%3)
}

// base fills the menus.
func base() string {
	var b strings.Builder
	b.WriteString(header)
	for _, store := range stores {
		for i := range 100 {
			line(&b, store, i, fmt.Sprintf("%d.50", 2+i%7))
		}
	}
	return b.String()
}

// update meets everything that a full file can: changed, unchanged and new
// items, a mistake of a factor of a hundred that a guard holds, rows that
// cannot be read or cannot stand, a duplicate, and items that it leaves out.
// Its second chunk changes nothing.
func update() string {
	var b strings.Builder
	b.WriteString(header)
	for _, store := range stores {
		for i := range 105 {
			switch {
			case i >= 90 && i < 100: // left out
			case i == 3:
				line(&b, store, i, "550.00")
			case i == 5:
				line(&b, store, i, "-1")
			case i < 40 || i >= 100:
				line(&b, store, i, fmt.Sprintf("%d.75", 2+i%7))
			default:
				line(&b, store, i, fmt.Sprintf("%d.50", 2+i%7))
			}
		}
		line(&b, store, 7, "2.95")
	}
	line(&b, "nowhere", 1, "1.00")
	return b.String()
}

// long is a feed of 80 chunks: long enough to be met on its way.
func long() sent {
	var b strings.Builder
	b.WriteString(header)
	for _, store := range stores {
		for i := range 1600 {
			if i == 3 {
				line(&b, store, i, "550.00") // a guard holds it
				continue
			}
			line(&b, store, i, fmt.Sprintf("%d.75", 2+i%7))
		}
	}
	return sent{Kind: "full", Key: "long", At: morning.Add(time.Hour), Body: b.String()}
}

// full is the feed that the tests kill the server over.
func full() sent {
	return sent{Kind: "full", Key: "update", At: morning.Add(time.Hour), Body: update()}
}

// ends waits for a feed's end, and insists that it is done and accounted for.
func (s *server) ends(id string) *inventoryv1.Feed {
	s.t.Helper()
	f, err := s.watch(id)
	if err != nil {
		s.t.Fatalf("watch feed %s: %v", id, err)
	}
	if f.GetStatus() != inventoryv1.FeedStatus_FEED_STATUS_DONE {
		s.t.Fatalf("feed %s is %s: %s", id, f.GetStatus(), f.GetError())
	}
	a := f.GetAccount()
	if a.GetRowsRead() != a.GetApplied()+a.GetUnchanged()+a.GetStale()+a.GetHeld()+a.GetRejected()+a.GetDuplicates() {
		s.t.Fatalf("the account of feed %s does not close: %v", id, a)
	}
	return f
}

func (s *server) watch(id string) (*inventoryv1.Feed, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	watched, err := s.feeds().WatchFeed(ctx, &inventoryv1.WatchFeedRequest{FeedId: id})
	if err != nil {
		return nil, err
	}
	defer func() { _ = watched.Close() }()
	var last *inventoryv1.Feed
	for watched.Receive() {
		last = watched.Msg().GetFeed()
	}
	if err := watched.Err(); err != nil {
		return nil, err
	}
	return last, nil
}
