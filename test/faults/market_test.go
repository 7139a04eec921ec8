//go:build faults

package faults

import (
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

// template is the data folder of a stopped server whose two stores have a
// menu of 100 items each: what every test starts from, in a copy of its own.
var template struct {
	once sync.Once
	dir  string
}

func fresh(t *testing.T) string {
	t.Helper()
	template.once.Do(func() {
		dir := filepath.Join(scratch, "template", "data")
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
		s.stop()
		template.dir = dir
	})
	if template.dir == "" {
		t.Fatal("the data folder that tests start from could not be made")
	}
	dir := filepath.Join(t.TempDir(), "data")
	if out, err := exec.Command("cp", "-a", "--reflink=auto", template.dir, dir).CombinedOutput(); err != nil {
		t.Fatalf("copy the template: %v\n%s", err, out)
	}
	return dir
}

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
