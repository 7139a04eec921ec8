package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/gen/bodega/inventory/v1/inventoryv1connect"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/rpc"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// flaky is a FeedService that fails as it is told, and counts its calls.
type flaky struct {
	feeds
	calls atomic.Int64
	fail  atomic.Pointer[error] // nil answers well
}

func (f *flaky) answer() error {
	f.calls.Add(1)
	if err := f.fail.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *flaky) set(err error) {
	if err == nil {
		f.fail.Store(nil)
		return
	}
	f.fail.Store(&err)
}

func newFlaky() *flaky {
	f := &flaky{}
	f.get = func(context.Context, *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		return &inventoryv1.GetFeedResponse{}, f.answer()
	}
	f.cancel = func(context.Context, *inventoryv1.CancelFeedRequest) (*inventoryv1.CancelFeedResponse, error) {
		return &inventoryv1.CancelFeedResponse{}, f.answer()
	}
	f.upsert = func(context.Context, *inventoryv1.UpsertItemsRequest) (*inventoryv1.UpsertItemsResponse, error) {
		return &inventoryv1.UpsertItemsResponse{}, f.answer()
	}
	f.watch = func(_ context.Context, _ *inventoryv1.WatchFeedRequest, s *connect.ServerStream[inventoryv1.WatchFeedResponse]) error {
		if err := f.answer(); err != nil {
			return err
		}
		return s.Send(&inventoryv1.WatchFeedResponse{})
	}
	return f
}

// quick is the default policy with waits that a test can bear, and a breaker
// that does not open unless a test says so.
func quick() rpc.Policy {
	p := rpc.DefaultPolicy()
	p.Backoff, p.MaxBackoff = time.Millisecond, 4*time.Millisecond
	p.BreakerCalls = 1 << 20
	return p
}

func clientOf(t *testing.T, r *running, p rpc.Policy, metrics *telemetry.Metrics, opts ...connect.ClientOption) inventoryv1connect.FeedServiceClient {
	t.Helper()
	c, err := rpc.NewClient(rpc.ClientConfig{BaseURL: r.url, Secret: "operator", Policy: p, UserAgent: "test"}, metrics)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return inventoryv1connect.NewFeedServiceClient(c.HTTP(), c.BaseURL(), append(c.Options(), opts...)...)
}

var errDown = fault.New(fault.Unavailable, "down for a moment")

func get(ctx context.Context, c inventoryv1connect.FeedServiceClient) error {
	_, err := c.GetFeed(ctx, &inventoryv1.GetFeedRequest{FeedId: "f"})
	return err
}

func upsert(ctx context.Context, c inventoryv1connect.FeedServiceClient, key string) error {
	_, err := c.UpsertItems(ctx, &inventoryv1.UpsertItemsRequest{
		MerchantId: "corner", StoreId: "1", Items: []*inventoryv1.InlineItem{{ItemId: "a"}}, IdempotencyKey: key,
	})
	return err
}

func TestOnlyRepeatableCallsAreRetried(t *testing.T) {
	f := newFlaky()
	r := startFeeds(t, &f.feeds, options{})
	attempts := int64(quick().Attempts)
	for _, c := range []struct {
		name string
		fail error
		call func(context.Context, inventoryv1connect.FeedServiceClient) error
		want int64
	}{
		{"reading, unavailable", errDown, get, attempts},
		{"reading, exhausted", fault.New(fault.ResourceExhausted, "slow down"), get, attempts},
		{"reading, not found", fault.New(fault.NotFound, "absent"), get, 1},
		{"reading, invalid", fault.New(fault.Invalid, "wrong"), get, 1},
		{"reading, internal", errors.New("defect"), get, 1},
		{"reading, stale", fault.New(fault.Stale, "moved on"), get, 1},
		{"writing without key", errDown, func(ctx context.Context, c inventoryv1connect.FeedServiceClient) error { return upsert(ctx, c, "") }, 1},
		{"writing with key", errDown, func(ctx context.Context, c inventoryv1connect.FeedServiceClient) error { return upsert(ctx, c, "k1") }, attempts},
		{"writing with key, denied", fault.New(fault.PermissionDenied, "no"), func(ctx context.Context, c inventoryv1connect.FeedServiceClient) error { return upsert(ctx, c, "k1") }, 1},
		{"writing, no key in the contract", errDown, func(ctx context.Context, c inventoryv1connect.FeedServiceClient) error {
			_, err := c.CancelFeed(ctx, &inventoryv1.CancelFeedRequest{FeedId: "f"})
			return err
		}, 1},
		{"stream", errDown, func(ctx context.Context, c inventoryv1connect.FeedServiceClient) error {
			s, err := c.WatchFeed(ctx, &inventoryv1.WatchFeedRequest{FeedId: "f"})
			if err != nil {
				return err
			}
			for s.Receive() {
			}
			return s.Err()
		}, 1},
	} {
		for protocol, opt := range map[string]connect.ClientOption{"connect": connect.WithClientOptions(), "grpc": connect.WithGRPC()} {
			t.Run(c.name+" by "+protocol, func(t *testing.T) {
				f.set(c.fail)
				before := f.calls.Load()
				err := c.call(t.Context(), clientOf(t, r, quick(), nil, opt))
				if err == nil {
					t.Fatal("no error")
				}
				if got := f.calls.Load() - before; got != c.want {
					t.Errorf("%d attempts, want %d; %v", got, c.want, err)
				}
			})
		}
	}
}

func TestRetriesSucceedOnceTheServerIsBack(t *testing.T) {
	f := newFlaky()
	tries := 0
	f.get = func(context.Context, *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		if tries++; tries < 3 {
			return nil, errDown
		}
		return &inventoryv1.GetFeedResponse{Feed: &inventoryv1.Feed{FeedId: "f"}}, nil
	}
	r := startFeeds(t, &f.feeds, options{})
	ctx, info := connect.NewClientContext(t.Context())
	res, err := clientOf(t, r, quick(), nil).GetFeed(ctx, &inventoryv1.GetFeedRequest{FeedId: "f"})
	if err != nil || res.GetFeed().GetFeedId() != "f" || tries != 3 {
		t.Errorf("GetFeed = %v, %v after %d tries", res, err, tries)
	}
	if info.ResponseHeader().Get(rpc.RequestIDHeader) == "" {
		t.Error("the answer's headers are lost")
	}
}

// TestRetryStormsAreBounded calls a server that is down from many sides: what
// retries add is the share that the budget allows, and the burst.
func TestRetryStormsAreBounded(t *testing.T) {
	f := newFlaky()
	f.set(errDown)
	r := startFeeds(t, &f.feeds, options{})
	metrics := telemetry.NewMetrics()
	policy := quick()
	client := clientOf(t, r, policy, metrics)
	const calls, at = 2000, 20
	next := make(chan struct{}, calls)
	for range calls {
		next <- struct{}{}
	}
	close(next)
	done := make(chan struct{})
	for range at {
		go func() {
			defer func() { done <- struct{}{} }()
			for range next {
				if get(t.Context(), client) == nil {
					t.Error("a server that is down answered")
				}
			}
		}()
	}
	for range at {
		<-done
	}
	retries := f.calls.Load() - calls
	most := int64(policy.RetryRatio*calls + policy.RetryBurst)
	if retries > most || retries == 0 {
		t.Errorf("%d calls made %d retries, want 1 to %d", calls, retries, most)
	}
	if got := counter(t, metrics, "bodega_rpc_client_retries_total", "retried"); got != float64(retries) {
		t.Errorf("the metric counts %v retries, the server %d", got, retries)
	}
	if got := counter(t, metrics, "bodega_rpc_client_retries_total", "over_budget"); got == 0 {
		t.Error("no retry was over the budget")
	}
	t.Logf("%d calls to a server that is down: %d retries, %.1f%% extra load", calls, retries, 100*float64(retries)/calls)
}

func counter(t *testing.T, m *telemetry.Metrics, name, label string) float64 {
	t.Helper()
	families, err := m.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, one := range f.GetMetric() {
			for _, l := range one.GetLabel() {
				if l.GetValue() == label {
					return one.GetCounter().GetValue() + one.GetGauge().GetValue()
				}
			}
		}
	}
	t.Fatalf("no series %s with %q", name, label)
	return 0
}

func TestBreakerOpensHalfOpensAndCloses(t *testing.T) {
	f := newFlaky()
	f.set(errDown)
	r := startFeeds(t, &f.feeds, options{})
	policy := quick()
	policy.Attempts = 1
	policy.BreakerCalls, policy.BreakerDelay, policy.BreakerProbes = 5, short, 2
	metrics := telemetry.NewMetrics()
	client := clientOf(t, r, policy, metrics)
	for range 5 {
		if err := get(t.Context(), client); rpc.KindOf(err) != fault.Unavailable {
			t.Fatalf("GetFeed = %v", err)
		}
	}
	before := f.calls.Load()
	err := get(t.Context(), client)
	if rpc.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "did not answer several times") {
		t.Errorf("behind the open breaker: %v", err)
	}
	stream, err := client.WatchFeed(t.Context(), &inventoryv1.WatchFeedRequest{FeedId: "f"})
	if err == nil {
		for stream.Receive() {
		}
		err = stream.Err()
	}
	if rpc.KindOf(err) != fault.Unavailable {
		t.Errorf("a stream behind the open breaker: %v", err)
	}
	if got := f.calls.Load(); got != before {
		t.Errorf("the open breaker let %d calls through", got-before)
	}
	if got := counter(t, metrics, "bodega_rpc_client_breaker_open", r.addr); got != 1 {
		t.Errorf("the metric says %v", got)
	}

	// Half open, it lets a call through; that one fails, and it opens again.
	reach := func(want bool) {
		t.Helper()
		for before := f.calls.Load(); f.calls.Load() == before; {
			if err := get(t.Context(), client); (err == nil) != want && f.calls.Load() != before {
				t.Fatalf("the probe ended in %v", err)
			}
			time.Sleep(time.Millisecond)
		}
	}
	reach(false)
	f.set(nil)
	reach(true)
	for range 10 {
		if err := get(t.Context(), client); err != nil {
			t.Fatalf("the server is back, and GetFeed = %v", err)
		}
	}
	if got := counter(t, metrics, "bodega_rpc_client_breaker_open", r.addr); got != 0 {
		t.Errorf("the metric says %v after the server came back", got)
	}
}

// A server that refuses is up: its refusals must not shut others out.
func TestRefusalsDoNotOpenTheBreaker(t *testing.T) {
	f := newFlaky()
	r := startFeeds(t, &f.feeds, options{})
	policy := quick()
	policy.Attempts, policy.BreakerCalls = 1, 5
	client := clientOf(t, r, policy, nil)
	for _, err := range []error{fault.New(fault.NotFound, "absent"), fault.New(fault.ResourceExhausted, "slow down"), errors.New("defect")} {
		f.set(err)
		for range 20 {
			_ = get(t.Context(), client)
		}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		_ = get(canceled, client)
	}
	f.set(nil)
	if err := get(t.Context(), client); err != nil {
		t.Errorf("GetFeed = %v", err)
	}
}

func TestDeadlines(t *testing.T) {
	given := make(chan time.Duration, 16)
	f := newFlaky()
	f.get = func(ctx context.Context, _ *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		deadline, _ := ctx.Deadline()
		given <- time.Until(deadline)
		return &inventoryv1.GetFeedResponse{}, nil
	}
	f.cancel = func(ctx context.Context, _ *inventoryv1.CancelFeedRequest) (*inventoryv1.CancelFeedResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r := startFeeds(t, &f.feeds, options{})
	policy := quick()
	policy.Deadline = 20 * time.Second
	client := clientOf(t, r, policy, nil)
	if err := get(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if got := <-given; got > policy.Deadline {
		t.Errorf("without a deadline the server got %s", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := get(ctx, client); err != nil {
		t.Fatal(err)
	}
	if got := <-given; got > 10*time.Second {
		t.Errorf("with a deadline the server got %s", got)
	}
	policy.Deadline = short
	if _, err := clientOf(t, r, policy, nil).CancelFeed(t.Context(), &inventoryv1.CancelFeedRequest{FeedId: "f"}); rpc.KindOf(err) != fault.Timeout {
		t.Errorf("a call that does not end = %v", err)
	}
}

// Retries end with the deadline: a wait that would outlast it is not begun.
func TestRetriesHoldTheDeadline(t *testing.T) {
	f := newFlaky()
	f.set(fault.After(errDown, time.Hour))
	r := startFeeds(t, &f.feeds, options{})
	for protocol, opt := range map[string]connect.ClientOption{"connect": connect.WithClientOptions(), "grpc": connect.WithGRPC()} {
		before := f.calls.Load()
		err := get(t.Context(), clientOf(t, r, quick(), nil, opt))
		if rpc.KindOf(err) != fault.Unavailable || f.calls.Load()-before != 1 {
			t.Errorf("%s: told to come back in an hour: %v after %d attempts", protocol, err, f.calls.Load()-before)
		}
	}
}

func TestPushbackIsHeeded(t *testing.T) {
	var attempts atomic.Int64
	var pushback string
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		attempts.Add(1)
		if pushback != "" {
			w.Header().Set("Grpc-Retry-Pushback-Ms", pushback)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"code":"unavailable","message":"down"}`)
	})
	url := serveRaw(t, mux)
	for value, want := range map[string]int64{"": 4, "0": 4, "1": 4, "-1": 1, "never": 1, "3600000": 1} {
		pushback = value
		before := attempts.Load()
		c, err := rpc.NewClient(rpc.ClientConfig{BaseURL: url, Policy: quick()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = get(t.Context(), inventoryv1connect.NewFeedServiceClient(c.HTTP(), c.BaseURL(), c.Options()...))
		if got := attempts.Load() - before; err == nil || got != want {
			t.Errorf("pushback %q: %d attempts, want %d; %v", value, got, want, err)
		}
		c.Close()
	}
}

func serveRaw(t *testing.T, h http.Handler) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return "http://" + ln.Addr().String()
}

func TestConnectionsThatAreRefusedAreRetried(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	metrics := telemetry.NewMetrics()
	c, err := rpc.NewClient(rpc.ClientConfig{BaseURL: "http://" + addr, Policy: quick()}, metrics)
	if err != nil {
		t.Fatal(err)
	}
	err = get(t.Context(), inventoryv1connect.NewFeedServiceClient(c.HTTP(), c.BaseURL(), c.Options()...))
	if rpc.KindOf(err) != fault.Unavailable {
		t.Errorf("GetFeed = %v", err)
	}
	if got := counter(t, metrics, "bodega_rpc_client_attempts_total", "unavailable"); got != float64(quick().Attempts) {
		t.Errorf("%v attempts", got)
	}
}

func TestTenantRequestIDAndCredentialTravel(t *testing.T) {
	type seen struct {
		tenant tenant.ID
		id     string
	}
	inner := make(chan seen, 1)
	back := newFlaky()
	back.get = func(ctx context.Context, _ *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		id, err := tenant.From(ctx)
		inner <- seen{id, rpc.RequestID(ctx)}
		return &inventoryv1.GetFeedResponse{}, err
	}
	behind := startFeeds(t, &back.feeds, options{})
	front := newFlaky()
	var outerID string
	front.get = func(ctx context.Context, req *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		outerID = rpc.RequestID(ctx)
		return clientOf(t, behind, quick(), nil).GetFeed(ctx, req)
	}
	r := startFeeds(t, &front.feeds, options{})
	if err := get(tenant.With(t.Context(), "test"), clientOf(t, r, quick(), nil)); err != nil {
		t.Fatal(err)
	}
	if got := <-inner; got.tenant != "test" || got.id != outerID || got.id == "" {
		t.Errorf("the inner service saw %v, the outer one %q", got, outerID)
	}
}

func TestAddressesBehindAreNotPassedOn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := &running{url: "http://" + ln.Addr().String()}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	policy := quick()
	policy.Attempts, policy.BreakerCalls = 1, 3
	behind := clientOf(t, gone, policy, nil)
	front := newFlaky()
	front.get = func(ctx context.Context, req *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		return behind.GetFeed(ctx, req)
	}
	front.watch = func(ctx context.Context, req *inventoryv1.WatchFeedRequest, _ *connect.ServerStream[inventoryv1.WatchFeedResponse]) error {
		s, err := behind.WatchFeed(ctx, req)
		if err == nil {
			for s.Receive() {
			}
			err = s.Err()
		}
		return err
	}
	r := startFeeds(t, &front.feeds, options{})
	client := as(r, "operator")
	for range 6 { // by the connection's error first, then by the open breaker
		s, err := client.WatchFeed(t.Context(), &inventoryv1.WatchFeedRequest{FeedId: "f"})
		if err != nil {
			t.Fatal(err)
		}
		for s.Receive() {
		}
		for _, err := range []error{get(t.Context(), client), s.Err()} {
			if connect.CodeOf(err) != connect.CodeUnavailable || strings.Contains(err.Error(), "127.0.0.1") {
				t.Errorf("the caller reads %v", err)
			}
		}
	}
}

// The words of a service behind are not for this one's callers.
func TestErrorsOfServicesBehindAreNotPassedOn(t *testing.T) {
	for name, c := range map[string]struct {
		behind error
		want   connect.Code
	}{
		"denied":      {fault.New(fault.PermissionDenied, "the service token 77 may not"), connect.CodeInternal},
		"unavailable": {fault.New(fault.Unavailable, "the store in 10.0.0.7 is down"), connect.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			back := newFlaky()
			back.set(c.behind)
			behind := startFeeds(t, &back.feeds, options{})
			front := newFlaky()
			policy := quick()
			policy.Attempts = 1
			front.get = func(ctx context.Context, req *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
				return clientOf(t, behind, policy, nil).GetFeed(ctx, req)
			}
			r := startFeeds(t, &front.feeds, options{})
			err := get(t.Context(), clientOf(t, r, policy, nil))
			if connect.CodeOf(err) != c.want || strings.Contains(err.Error(), "77") || strings.Contains(err.Error(), "10.0.0.7") {
				t.Errorf("GetFeed = %v", err)
			}
		})
	}
}

func TestClientConfigIsChecked(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8080", "ftp://x", "http://", "::"} {
		if _, err := rpc.NewClient(rpc.ClientConfig{BaseURL: url}, nil); err == nil || !strings.Contains(err.Error(), "want http") {
			t.Errorf("%q: %v", url, err)
		}
	}
	// Two clients of one process share the metrics.
	m := telemetry.NewMetrics()
	for range 2 {
		if _, err := rpc.NewClient(rpc.ClientConfig{BaseURL: "http://127.0.0.1:1"}, m); err != nil {
			t.Fatal(err)
		}
	}
}
