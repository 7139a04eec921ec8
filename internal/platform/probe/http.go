package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	// bodyRead is how much of a response a body pattern sees.
	bodyRead = 1 << 20
	// maxHeader is how much header a response may have.
	maxHeader = 64 << 10
)

// HTTP wants a response with an expected status, and optionally a body and a
// latency.
type HTTP struct {
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte
	// ExpectedStatus codes; any of 200 to 299 where empty.
	ExpectedStatus []int
	// BodyMatches what the first MiB of the body must match, if set.
	BodyMatches *regexp.Regexp
	// MaxLatency from dialling to the last byte read, if above zero.
	MaxLatency time.Duration
	// FollowRedirects to the same host, at most ten.
	FollowRedirects bool
	Transport       *http.Transport
}

// NewTransport is a transport for HTTP probes. Probes with the same TLS
// settings share one.
func NewTransport(dialer *Dialer, config *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        config,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		// A probe is made from here: through a proxy it would test the proxy.
		Proxy: nil,
		// Most responses to a probe are short, and the buffers live for one run.
		ReadBufferSize: 2 << 10, WriteBufferSize: 2 << 10,
	}
}

var errRedirect = errors.New("redirects")

// Run makes one request. extra holds headers that are known only now, such as
// those from secrets; they never follow a redirect to another host.
func (p *HTTP) Run(ctx context.Context, extra http.Header) Result {
	start := time.Now()
	res := p.run(ctx, start, extra)
	res.Latency = time.Since(start)
	return res
}

func (p *HTTP) run(ctx context.Context, start time.Time, extra http.Header) Result {
	doing := p.Method + " " + p.URL.Redacted()
	req := (&http.Request{
		Method: p.Method, URL: p.URL, Host: p.URL.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: p.header(extra),
	}).WithContext(ctx)
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	if len(p.Body) > 0 {
		req.ContentLength = int64(len(p.Body))
		req.Body = io.NopCloser(bytes.NewReader(p.Body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.Body)), nil }
	}

	resp, err := p.send(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		if strings.Contains(err.Error(), "server response headers exceeded") {
			return down("%s: answers with more than %d KiB of headers", doing, maxHeader>>10)
		}
		if ctx.Err() == nil && !ofThisSide(err) {
			return down("%s: answers with something that is not HTTP", doing)
		}
		return failure(ctx, doing, err, time.Since(start))
	}
	defer resp.Body.Close()

	if !p.expected(resp.StatusCode) {
		return down("%s: status %d, want %s", doing, resp.StatusCode, p.want())
	}
	if p.BodyMatches != nil || p.MaxLatency > 0 {
		body, err := io.ReadAll(io.LimitReader(resp.Body, bodyRead))
		if err != nil {
			if ctx.Err() != nil || isTimeout(err) {
				return down("%s: status %d, but only %d bytes of the body in %s", doing, resp.StatusCode, len(body), round(time.Since(start)))
			}
			return failure(ctx, doing+": read body", err, time.Since(start))
		}
		if took := time.Since(start); p.MaxLatency > 0 && took > p.MaxLatency {
			return down("%s: status %d after %s, want at most %s", doing, resp.StatusCode, round(took), p.MaxLatency)
		}
		if p.BodyMatches != nil {
			matched, err := Match(ctx, p.BodyMatches, body)
			switch {
			case err != nil:
				// The target answered; the expression is what takes too long.
				return Result{Verdict: Broken, Message: fmt.Sprintf("%s: status %d, but %d bytes of body take too long to match %q", doing, resp.StatusCode, len(body), p.BodyMatches)}
			case !matched:
				return down("%s: status %d, but none of the %d bytes of body read match %q", doing, resp.StatusCode, len(body), p.BodyMatches)
			}
		}
	}
	return Result{Verdict: Up, Message: fmt.Sprintf("status %d in %s", resp.StatusCode, round(time.Since(start)))}
}

// ofThisSide says that an error tells what happened on this side. Others are
// about what the target sent, and quote it, which may be anyone's to read.
func ofThisSide(err error) bool {
	var network net.Error
	var verification *tls.CertificateVerificationError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &network), errors.As(err, &verification), errors.As(err, &alert), errors.As(err, &record),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errRedirect), errors.Is(err, ErrDenied):
		return true
	}
	text := err.Error()
	return strings.HasPrefix(text, "tls: ") || strings.HasPrefix(text, "remote error: tls: ") ||
		strings.HasPrefix(text, "http: server gave HTTP response to HTTPS client")
}

func (p *HTTP) send(req *http.Request) (*http.Response, error) {
	if !p.FollowRedirects {
		return p.Transport.RoundTrip(req)
	}
	client := http.Client{Transport: p.Transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if next.URL.Host != via[0].URL.Host {
			return fmt.Errorf("%w to another host: %s", errRedirect, next.URL.Host)
		}
		if via[0].URL.Scheme == "https" && next.URL.Scheme != "https" {
			return fmt.Errorf("%w from https to http", errRedirect)
		}
		if len(via) >= 10 {
			return fmt.Errorf("%w more than 10 times", errRedirect)
		}
		return nil
	}}
	return client.Do(req)
}

func (p *HTTP) header(extra http.Header) http.Header {
	out := make(http.Header, len(p.Header)+len(extra)+1)
	for name, values := range p.Header {
		out[name] = values
	}
	for name, values := range extra {
		out[name] = values
	}
	if out.Get("User-Agent") == "" {
		out.Set("User-Agent", "bodega-probe")
	}
	return out
}

func (p *HTTP) expected(status int) bool {
	if len(p.ExpectedStatus) == 0 {
		return status >= 200 && status <= 299
	}
	return slices.Contains(p.ExpectedStatus, status)
}

func (p *HTTP) want() string {
	if len(p.ExpectedStatus) == 0 {
		return "2xx"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(p.ExpectedStatus), " ", " or "), "[]")
}
