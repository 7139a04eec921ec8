package rpc

import (
	"io"
	"net/http"
	"time"
)

// responseWriter notes what an answer became, and keeps slow clients from
// holding on to the server: every read and every write has a deadline.
type responseWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	status  int
	written int64
}

// Unwrap is for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *responseWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.begin()
	n, err := w.ResponseWriter.Write(p)
	w.end()
	w.written += int64(n)
	return n, err
}

// Flush is what Connect asks of a writer that streams.
func (w *responseWriter) Flush() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.begin()
	// A connection that is gone shows itself at the next write.
	_ = w.control.Flush()
	w.end()
}

// begin gives what is written next its deadline. Not every writer has one; a
// recorder in a test has none.
func (w *responseWriter) begin() { _ = w.control.SetWriteDeadline(time.Now().Add(w.stall)) }

// end takes the deadline away: HTTP/2 would end a stream by it that has
// nothing to say for a while.
func (w *responseWriter) end() { _ = w.control.SetWriteDeadline(time.Time{}) }

// guard sets the read deadline of a body: for a call with one message, once;
// for a stream, anew whenever something arrives.
func (w *responseWriter) guard(body io.ReadCloser, limit time.Duration, streaming bool) io.ReadCloser {
	if body == nil || body == http.NoBody {
		return body
	}
	g := &guardedBody{ReadCloser: body, control: w.control, stall: min(limit, w.stall), streaming: streaming}
	_ = w.control.SetReadDeadline(time.Now().Add(g.stall))
	return g
}

type guardedBody struct {
	io.ReadCloser
	control   *http.ResponseController
	stall     time.Duration
	streaming bool
}

func (g *guardedBody) Read(p []byte) (int, error) {
	n, err := g.ReadCloser.Read(p)
	switch {
	case err == io.EOF:
		// The server goes on reading the connection to see whether the client
		// leaves; a deadline left behind would look as if it had. After any other
		// error it stays, since closing the body reads the rest of it.
		_ = g.control.SetReadDeadline(time.Time{})
	case g.streaming && n > 0:
		_ = g.control.SetReadDeadline(time.Now().Add(g.stall))
	}
	return n, err
}
