package inventory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// cutAtCommit is a connection that breaks once COMMIT is on its way: the
// database reads what was sent, and its answer is lost.
type cutAtCommit struct {
	net.Conn
	armed *atomic.Bool
	cut   atomic.Bool
}

func (c *cutAtCommit) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("commit\x00")) && c.armed.CompareAndSwap(true, false) {
		c.cut.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *cutAtCommit) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.cut.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// The connection breaks while the database commits a feed's row. The sender
// gets no id, and whether the row is there nobody knows; where it is, so are
// its bytes, and the feed comes to its end.
func TestIntakeOverABrokenCommit(t *testing.T) {
	w := newWorld(t)
	pool, err := w.service.store.pool(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	var armed atomic.Bool
	cfg := pool.Config()
	cutting, err := pgxpool.ParseConfig(cfg.ConnString())
	if err != nil {
		t.Fatal(err)
	}
	cutting.ConnConfig.RuntimeParams["search_path"] = cfg.ConnConfig.RuntimeParams["search_path"]
	cutting.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &cutAtCommit{Conn: conn, armed: &armed}, nil
	}
	broken, err := pgxpool.NewWithConfig(w.ctx, cutting)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broken.Close)
	w.service.store.pools = onePool{broken}

	armed.Store(true)
	receipt, err := w.submit(submission{}, file(1, 10, "2.00"))
	if !errors.Is(err, pg.ErrAmbiguousCommit) || receipt.Feed != "" {
		t.Fatalf("the intake says %q, %v", receipt.Feed, err)
	}
	var open []FeedID
	for end := time.Now().Add(10 * time.Second); len(open) == 0 && time.Now().Before(end); {
		if open, err = w.service.store.openFeeds(w.ctx, w.now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if len(open) != 1 {
		t.Fatalf("open feeds %v", open)
	}
	again, err := w.submit(submission{}, file(1, 10, "2.00"))
	if err != nil || again.Feed != open[0] || !again.Resend {
		t.Fatalf("sent again, it is %+v (%v), want feed %s", again, err, open[0])
	}
	if f := w.run(open[0]); f.Status != Done || f.Account.Applied != 10 {
		t.Errorf("the feed is %s: %s %+v", f.Status, f.Error, f.Account)
	}
}
