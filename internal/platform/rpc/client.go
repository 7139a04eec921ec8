package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bodega-hq/bodega/internal/platform/telemetry"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// Policy is how clients treat a server: how long they wait, how often they
// ask again, and when they leave it alone. docs/platform/client-policy.md
// says why the numbers are what they are.
type Policy struct {
	// Deadline is given to calls whose context has none. Streams get none.
	Deadline time.Duration
	// Attempts is how often one call is tried at most, the first time included.
	Attempts int
	// Backoff is the longest wait before the first retry; it doubles with each
	// one, up to MaxBackoff. The wait itself is drawn evenly from zero to that.
	Backoff    time.Duration
	MaxBackoff time.Duration
	// RetryRatio is how many retries each call earns, and RetryBurst how many
	// may be saved up: retries add at most that share to a server's load.
	RetryRatio float64
	RetryBurst float64
	// The breaker opens when, within BreakerWindow, at least BreakerCalls calls
	// were made and BreakerRate of them met a server that did not answer. After
	// about BreakerDelay it lets BreakerProbes calls through to see.
	BreakerWindow time.Duration
	BreakerCalls  uint
	BreakerRate   float64
	BreakerDelay  time.Duration
	BreakerProbes uint
}

// DefaultPolicy is the policy of every client that has no reason for another.
func DefaultPolicy() Policy {
	return Policy{
		Deadline: 30 * time.Second,
		Attempts: 4, Backoff: 100 * time.Millisecond, MaxBackoff: 5 * time.Second,
		RetryRatio: 0.1, RetryBurst: 10,
		BreakerWindow: 10 * time.Second, BreakerCalls: 20, BreakerRate: 0.5,
		BreakerDelay: 5 * time.Second, BreakerProbes: 3,
	}
}

// ClientConfig names a server and how to reach it.
type ClientConfig struct {
	// BaseURL is http(s)://host:port.
	BaseURL string
	// Secret is sent as a bearer token; empty for calls without a credential.
	Secret string
	// TLS is what to trust beyond the system's roots; nil for those alone.
	TLS *tls.Config
	// Policy is DefaultPolicy where it is zero.
	Policy Policy
	// UserAgent names the program, such as "bodega-cli/1.2".
	UserAgent string
}

// Client is the one way to call a Bodega server. Make generated clients with
// its three parts:
//
//	c, err := rpc.NewClient(cfg, metrics)
//	feeds := inventoryv1connect.NewFeedServiceClient(c.HTTP(), c.BaseURL(), c.Options()...)
type Client struct {
	cfg       ClientConfig
	http      *http.Client
	transport *http.Transport
	policy    *policy
}

// NewClient makes a client for one server. metrics may be nil, in a program
// that nobody scrapes. The breaker and the retry budget belong to the client,
// so that a process shares one client per server.
func NewClient(cfg ClientConfig, metrics *telemetry.Metrics) (*Client, error) {
	u, err := url.Parse(cfg.BaseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("server address %q: want http://host:port or https://host:port", cfg.BaseURL)
	}
	if cfg.Policy == (Policy{}) {
		cfg.Policy = DefaultPolicy()
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     cfg.TLS,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     90 * time.Second,
		MaxIdleConnsPerHost: 16,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: 30 * time.Second},
		Protocols:           new(http.Protocols),
	}
	if u.Scheme == "https" {
		transport.Protocols.SetHTTP1(true)
		transport.Protocols.SetHTTP2(true)
	} else {
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	return &Client{
		cfg: cfg, transport: transport, policy: newPolicy(cfg.Policy, u.Host, metrics),
		http: &http.Client{Transport: credentials{next: transport, cfg: cfg}},
	}, nil
}

// BaseURL is the server's address.
func (c *Client) BaseURL() string { return c.cfg.BaseURL }

// HTTP carries the credential, the request id and the tenant of a request's
// context, also for plain HTTP routes. It retries nothing.
func (c *Client) HTTP() *http.Client { return c.http }

// Options are the policy, for generated clients.
func (c *Client) Options() []connect.ClientOption {
	return []connect.ClientOption{connect.WithInterceptors(c.policy)}
}

// Close gives up the idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// credentials adds to each request what follows from the client and from the
// request's context.
type credentials struct {
	next http.RoundTripper
	cfg  ClientConfig
}

func (t credentials) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if t.cfg.Secret != "" && r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", "Bearer "+t.cfg.Secret)
	}
	if t.cfg.UserAgent != "" {
		r.Header.Set("User-Agent", t.cfg.UserAgent)
	}
	if id := RequestID(r.Context()); id != "" {
		r.Header.Set(RequestIDHeader, id)
	}
	id, err := tenant.From(r.Context())
	switch {
	case errors.Is(err, tenant.ErrNone):
	case err != nil:
		return nil, err
	default:
		bag, err := tenant.IntoBaggage(r.Header.Get(tenant.Header), id)
		if err != nil {
			return nil, err
		}
		r.Header.Set(tenant.Header, bag)
	}
	return t.next.RoundTrip(r)
}

// withDeadline gives ctx the policy's deadline where it has none.
func withDeadline(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok || d <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

// clientMetrics are nil in a program that nobody scrapes.
type clientMetrics struct {
	attempts *prometheus.CounterVec
	retries  *prometheus.CounterVec
	breaker  prometheus.Gauge
}

func metricsOf(m *telemetry.Metrics, target string) *clientMetrics {
	return &clientMetrics{
		attempts: m.Counter(AttemptsTotal),
		retries:  m.Counter(RetriesTotal),
		breaker:  m.Gauge(BreakerOpen).WithLabelValues(target),
	}
}
