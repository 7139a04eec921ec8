package rpc

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"

	"connectrpc.com/connect"
)

// errorMapping is the one place where a handler's error becomes what its
// caller sees. It is the outermost interceptor.
type errorMapping struct{ classify Classifier }

func (m errorMapping) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (res connect.AnyResponse, err error) {
		defer func() {
			if p := recover(); p != nil {
				res, err = nil, recovered(ctx, p)
			}
			err = m.leave(ctx, err)
		}()
		return next(ctx, req)
	}
}

func (m errorMapping) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = recovered(ctx, p)
			}
			err = m.leave(ctx, err)
		}()
		return next(ctx, conn)
	}
}

func (errorMapping) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func recovered(ctx context.Context, p any) error {
	// net/http asks for == here; whoever aborts an answer means it.
	if p == http.ErrAbortHandler {
		panic(p)
	}
	if c := callFrom(ctx); c != nil {
		c.stack = debug.Stack()
	}
	return fmt.Errorf("panic: %v", p)
}

func (m errorMapping) leave(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	c := callFrom(ctx)
	if c == nil {
		return outward(ctx, err, "", m.classify)
	}
	out := outward(ctx, err, c.id, m.classify)
	c.err, c.code = err, out.Code().String()
	return out
}
