package main

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/bodega-hq/bodega/internal/inventory"
)

// counter counts the statements that reach the database, transactions' begins
// and commits and the COPY included.
type counter struct{ n atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *counter) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	c.n.Add(1)
	return ctx
}

func (c *counter) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

// none starts nothing: the measurement runs the feed itself.
type none struct{}

func (none) StartFeed(context.Context, inventory.FeedID) (bool, error)  { return true, nil }
func (none) CancelFeed(context.Context, inventory.FeedID) (bool, error) { return false, nil }
