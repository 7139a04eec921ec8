package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/bodega-hq/bodega/internal/platform/fault"
)

// RequestIDHeader carries a request's id in both directions.
const RequestIDHeader = "X-Request-Id"

// Headers by which a server says when a retry makes sense: HTTP's, in whole
// seconds, and gRPC's, in milliseconds.
const (
	retryAfterHeader    = "Retry-After"
	retryPushbackHeader = "Grpc-Retry-Pushback-Ms"
)

var codes = map[fault.Kind]connect.Code{
	fault.Internal:           connect.CodeInternal,
	fault.Invalid:            connect.CodeInvalidArgument,
	fault.NotFound:           connect.CodeNotFound,
	fault.AlreadyExists:      connect.CodeAlreadyExists,
	fault.PermissionDenied:   connect.CodePermissionDenied,
	fault.Unauthenticated:    connect.CodeUnauthenticated,
	fault.FailedPrecondition: connect.CodeFailedPrecondition,
	fault.ResourceExhausted:  connect.CodeResourceExhausted,
	fault.Unavailable:        connect.CodeUnavailable,
	fault.Stale:              connect.CodeAborted,
	fault.Timeout:            connect.CodeDeadlineExceeded,
	fault.Canceled:           connect.CodeCanceled,
}

// CodeOf is the Connect code that a kind travels as.
func CodeOf(kind fault.Kind) connect.Code {
	if code, ok := codes[kind]; ok {
		return code
	}
	return connect.CodeInternal
}

// KindOf is the kind of an error that came back from a call, or of any other.
func KindOf(err error) fault.Kind {
	var ce *connect.Error
	if kind := fault.KindOf(err); kind != fault.Internal || !errors.As(err, &ce) {
		return kind
	}
	switch ce.Code() {
	case connect.CodeOutOfRange:
		return fault.Invalid
	case connect.CodeUnimplemented:
		return fault.FailedPrecondition
	}
	for kind, code := range codes {
		if code == ce.Code() {
			return kind
		}
	}
	return fault.Internal
}

// RequestIDOf is the request id that came back with an error of a call; empty
// where there is none.
func RequestIDOf(err error) string {
	var ce *connect.Error
	if !errors.As(err, &ce) {
		return ""
	}
	if id := ce.Meta().Get(RequestIDHeader); id != "" {
		return id
	}
	for _, d := range ce.Details() {
		if v, err := d.Value(); err == nil {
			if info, ok := v.(*errdetails.RequestInfo); ok {
				return info.GetRequestId()
			}
		}
	}
	return ""
}

// callFailed is the error of a call that this process made. It keeps apart
// what other services say from what this one says.
type callFailed struct{ err error }

func (e *callFailed) Error() string { return e.err.Error() }
func (e *callFailed) Unwrap() error { return e.err }

// Classifier sorts the errors of libraries that know no kinds, such as those
// of a database that is down. It answers fault.Internal for all others.
type Classifier func(error) fault.Kind

// classified is what the user reads of an error that a Classifier sorted.
var classified = map[fault.Kind]string{
	fault.Unavailable: "a part of the server that this call needs is not available now; try again",
	fault.Stale:       "this collided with another change; try again",
	fault.Invalid:     "a text in this request holds a character that cannot be stored, such as NUL",
	fault.Timeout:     "a part of the server that this call needs took too long; try again",
}

// outward is the error that leaves the process: a code, a text that its
// reader may see, and the request id to ask about it with. What is not sorted
// leaves as "internal"; the log has the rest.
func outward(ctx context.Context, err error, requestID string, classify Classifier) *connect.Error {
	if errors.Is(context.Cause(ctx), errDraining) && errors.Is(err, context.Canceled) {
		err = errDraining
	}
	kind := fault.KindOf(err)
	var ce *connect.Error
	var cf *callFailed
	switch {
	case kind != fault.Internal:
	case errors.As(err, &cf):
		// A service behind this one is in trouble. Its words are not for our
		// caller, that a retry may help is.
		if fault.Retryable(KindOf(cf)) {
			kind, err = fault.Unavailable, fault.Wrap(fault.Unavailable, err, "a service that this call needs is not available now")
		}
	case errors.As(err, &ce) && ce.Code() != connect.CodeInternal && ce.Code() != connect.CodeUnknown:
		// Connect's own refusals, such as of a message that is too large, and
		// protovalidate's are written for the caller.
		addRequestInfo(ce, requestID)
		return ce
	}
	if kind == fault.Internal && classify != nil {
		kind = classify(err)
		err = fault.Wrap(kind, err, classified[kind])
	}
	message := fault.UserMessage(err)
	if message == "" {
		kind, message = fault.Internal, "internal error; the log of request "+requestID+" says more"
	}
	out := connect.NewError(CodeOf(kind), errors.New(message))
	if wait, ok := fault.RetryAfter(err); ok {
		setRetryAfter(out.Meta(), wait)
	}
	addRequestInfo(out, requestID)
	return out
}

func addRequestInfo(ce *connect.Error, requestID string) {
	if detail, err := connect.NewErrorDetail(&errdetails.RequestInfo{RequestId: requestID}); err == nil {
		ce.AddDetail(detail)
	}
}

func setRetryAfter(h http.Header, wait time.Duration) {
	h.Set(retryAfterHeader, strconv.FormatInt(int64(math.Ceil(wait.Seconds())), 10))
	h.Set(retryPushbackHeader, strconv.FormatInt(wait.Milliseconds(), 10))
}

var statuses = map[connect.Code]int{
	connect.CodeCanceled:           499,
	connect.CodeInvalidArgument:    http.StatusBadRequest,
	connect.CodeDeadlineExceeded:   http.StatusGatewayTimeout,
	connect.CodeNotFound:           http.StatusNotFound,
	connect.CodeAlreadyExists:      http.StatusConflict,
	connect.CodePermissionDenied:   http.StatusForbidden,
	connect.CodeResourceExhausted:  http.StatusTooManyRequests,
	connect.CodeFailedPrecondition: http.StatusBadRequest,
	connect.CodeAborted:            http.StatusConflict,
	connect.CodeOutOfRange:         http.StatusBadRequest,
	connect.CodeUnimplemented:      http.StatusNotImplemented,
	connect.CodeUnavailable:        http.StatusServiceUnavailable,
	connect.CodeUnauthenticated:    http.StatusUnauthorized,
}

// httpError is what a plain HTTP route answers with.
type httpError struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
}

// writeHTTPError answers a plain HTTP route with the status that Connect
// gives the same code, so that both faces of the server read alike.
func writeHTTPError(w http.ResponseWriter, out *connect.Error, err error, requestID string) *connect.Error {
	status, ok := statuses[out.Code()]
	if !ok {
		status = http.StatusInternalServerError
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
		out = connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("the body is larger than %d bytes", tooLarge.Limit))
	}
	for name, values := range out.Meta() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A client that is gone does not need its error.
	_ = json.NewEncoder(w).Encode(httpError{Code: out.Code().String(), Message: out.Message(), RequestID: requestID})
	return out
}
