package rpc

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// call is what one request leaves in the log and in the metrics. It is
// written by the one goroutine that serves the request.
type call struct {
	id     string
	method Method
	caller auth.Caller
	tenant tenant.ID
	code   string // empty until somebody knows it
	err    error
	stack  []byte
}

type callKey struct{}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// RequestID is the id of the request that ctx serves; empty outside one.
func RequestID(ctx context.Context) string {
	if c := callFrom(ctx); c != nil {
		return c.id
	}
	return ""
}

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID takes the caller's id where it is harmless in a log, so that one
// id follows a request through every service.
func requestID(h http.Header) string {
	if id := h.Get(RequestIDHeader); requestIDPattern.MatchString(id) {
		return id
	}
	return rand.Text()
}

const codeOK = "ok"

// settle names how a call ended that no handler or refusal named: Connect
// itself answers what it cannot decode.
func (c *call) settle(w *responseWriter) {
	if c.code != "" {
		return
	}
	status := w.Header().Get("Grpc-Status")
	if status == "" {
		status = w.Header().Get(http.TrailerPrefix + "Grpc-Status")
	}
	if n, err := strconv.Atoi(status); err == nil && n > 0 && n < 17 {
		c.code = connect.Code(n).String()
		return
	}
	c.code = codeOfStatus(w.status)
}

// codeOfStatus names an HTTP status that stands alone.
func codeOfStatus(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return connect.CodeUnauthenticated.String()
	case http.StatusForbidden:
		return connect.CodePermissionDenied.String()
	case http.StatusNotFound:
		return connect.CodeNotFound.String()
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return connect.CodeUnimplemented.String()
	case http.StatusConflict:
		return connect.CodeAborted.String()
	case http.StatusTooManyRequests, http.StatusRequestEntityTooLarge:
		return connect.CodeResourceExhausted.String()
	case http.StatusServiceUnavailable, http.StatusBadGateway:
		return connect.CodeUnavailable.String()
	case http.StatusGatewayTimeout:
		return connect.CodeDeadlineExceeded.String()
	}
	switch {
	case status < 400:
		return codeOK
	case status < 500:
		return connect.CodeInvalidArgument.String()
	default:
		return connect.CodeUnknown.String()
	}
}

func (c *call) level() slog.Level {
	switch c.code {
	case connect.CodeInternal.String(), connect.CodeUnknown.String(), connect.CodeDataLoss.String():
		return slog.LevelError
	case connect.CodeUnavailable.String(), connect.CodeDeadlineExceeded.String():
		return slog.LevelWarn
	case codeOK:
		if c.method.SideEffectFree {
			return slog.LevelDebug // pages poll; what changes something is told
		}
	}
	return slog.LevelInfo
}

// protocolOf names the protocol that a request speaks.
func protocolOf(r *http.Request) string {
	ct := r.Header.Get("Content-Type")
	switch {
	case strings.HasPrefix(ct, "application/grpc-web"):
		return connect.ProtocolGRPCWeb
	case strings.HasPrefix(ct, "application/grpc"):
		return connect.ProtocolGRPC
	default:
		return connect.ProtocolConnect
	}
}
