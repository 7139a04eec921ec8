package rpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	validatev1 "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/gen/bodega/inventory/v1/inventoryv1connect"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/rpc"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// byName knows a caller for each role, by the bearer token that is its name,
// and a session by the cookie "role".
type byName struct{}

const sessionCSRF = "csrf-of-the-session"

func (byName) Authenticate(_ context.Context, r *http.Request) (auth.Caller, error) {
	name, ok := auth.Bearer(r)
	caller := auth.Caller{Credential: auth.Token}
	if !ok {
		cookie, err := r.Cookie("role")
		if err != nil || r.Header.Get("Authorization") != "" {
			return auth.Caller{}, auth.ErrNoCredential
		}
		name = cookie.Value
		caller = auth.Caller{Credential: auth.Session, CSRFToken: sessionCSRF}
	}
	for _, role := range auth.Roles() {
		if string(role) == name {
			caller.Subject, caller.Role = "user:"+name, role
			if role == auth.RoleMerchant {
				caller.MerchantID = "corner"
			}
			return caller, nil
		}
	}
	return auth.Caller{}, auth.ErrCredential
}

// feeds is a FeedService whose methods a test fills in.
type feeds struct {
	inventoryv1connect.UnimplementedFeedServiceHandler
	get    func(context.Context, *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error)
	cancel func(context.Context, *inventoryv1.CancelFeedRequest) (*inventoryv1.CancelFeedResponse, error)
	upsert func(context.Context, *inventoryv1.UpsertItemsRequest) (*inventoryv1.UpsertItemsResponse, error)
	watch  func(context.Context, *inventoryv1.WatchFeedRequest, *connect.ServerStream[inventoryv1.WatchFeedResponse]) error
	submit func(context.Context, *connect.ClientStream[inventoryv1.SubmitFeedRequest]) (*inventoryv1.SubmitFeedResponse, error)
}

func (f *feeds) GetFeed(ctx context.Context, req *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
	return f.get(ctx, req)
}

func (f *feeds) CancelFeed(ctx context.Context, req *inventoryv1.CancelFeedRequest) (*inventoryv1.CancelFeedResponse, error) {
	return f.cancel(ctx, req)
}

func (f *feeds) UpsertItems(ctx context.Context, req *inventoryv1.UpsertItemsRequest) (*inventoryv1.UpsertItemsResponse, error) {
	return f.upsert(ctx, req)
}

func (f *feeds) WatchFeed(ctx context.Context, req *inventoryv1.WatchFeedRequest, s *connect.ServerStream[inventoryv1.WatchFeedResponse]) error {
	return f.watch(ctx, req, s)
}

func (f *feeds) SubmitFeed(ctx context.Context, s *connect.ClientStream[inventoryv1.SubmitFeedRequest]) (*inventoryv1.SubmitFeedResponse, error) {
	return f.submit(ctx, s)
}

// logLines collects what a server logs, one JSON object a line.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// of answers with the lines of one request.
func (l *logLines) of(t *testing.T, requestID string) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []map[string]any
	for line := range strings.Lines(l.b.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if m["request_id"] == requestID {
			found = append(found, m)
		}
	}
	return found
}

// running is a server that a test talks to.
type running struct {
	*rpc.Server
	url     string
	addr    string
	log     *logLines
	metrics *telemetry.Metrics
	stop    func() error // drains, and answers with what Serve returned
}

type options struct {
	cfg      func(*rpc.ServerConfig)
	deps     func(*rpc.ServerDeps)
	register func(*rpc.Server)
}

func start(t *testing.T, o options) *running {
	t.Helper()
	lines := &logLines{}
	tenants, err := tenant.NewSet("prod", "test")
	if err != nil {
		t.Fatal(err)
	}
	cfg := rpc.DefaultServerConfig()
	cfg.Listen = "127.0.0.1:0"
	if o.cfg != nil {
		o.cfg(&cfg)
	}
	deps := rpc.ServerDeps{
		Logger:        slog.New(slog.NewJSONHandler(lines, nil)),
		Metrics:       telemetry.NewMetrics(),
		Authenticator: byName{}, Tenants: tenants, Now: time.Now,
	}
	if o.deps != nil {
		o.deps(&deps)
	}
	s, err := rpc.NewServer(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	if o.register != nil {
		o.register(s)
	}
	ln, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	stop := sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	scheme := "http"
	if cfg.TLS() {
		scheme = "https"
	}
	return &running{Server: s, url: scheme + "://" + ln.Addr().String(), addr: ln.Addr().String(), log: lines, metrics: deps.Metrics, stop: stop}
}

func startFeeds(t *testing.T, f *feeds, o options) *running {
	t.Helper()
	o.register = func(s *rpc.Server) { s.Handle(inventoryv1connect.NewFeedServiceHandler(f, s.Options()...)) }
	return start(t, o)
}

// as makes a client without a policy, for what the server alone decides.
func as(r *running, role auth.Role, opts ...connect.ClientOption) inventoryv1connect.FeedServiceClient {
	return inventoryv1connect.NewFeedServiceClient(httpAs(role), r.url, opts...)
}

func httpAs(role auth.Role) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		if role != "" {
			req.Header.Set("Authorization", "Bearer "+string(role))
		}
		return (&http.Transport{Protocols: protocols}).RoundTrip(req)
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestEveryProtocolCarriesAnswersAndErrors(t *testing.T) {
	f := &feeds{get: func(ctx context.Context, req *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		if req.GetFeedId() == "absent" {
			return nil, fmt.Errorf("load feed absent: %w", fault.New(fault.NotFound, "this feed does not exist"))
		}
		return &inventoryv1.GetFeedResponse{Feed: &inventoryv1.Feed{FeedId: req.GetFeedId()}}, nil
	}}
	r := startFeeds(t, f, options{})
	for name, opts := range map[string][]connect.ClientOption{
		"connect":      nil,
		"connect json": {connect.WithProtoJSON()},
		"connect get":  {connect.WithHTTPGet()},
		"grpc":         {connect.WithGRPC()},
		"grpc-web":     {connect.WithGRPCWeb()},
	} {
		t.Run(name, func(t *testing.T) {
			client := as(r, auth.RoleOperator, opts...)
			res, err := client.GetFeed(t.Context(), &inventoryv1.GetFeedRequest{FeedId: "f1"})
			if err != nil || res.GetFeed().GetFeedId() != "f1" {
				t.Fatalf("GetFeed = %v, %v", res, err)
			}
			_, err = client.GetFeed(t.Context(), &inventoryv1.GetFeedRequest{FeedId: "absent"})
			if got := connect.CodeOf(err); got != connect.CodeNotFound {
				t.Errorf("code = %s, want not_found", got)
			}
			var ce *connect.Error
			if !errors.As(err, &ce) || ce.Message() != "this feed does not exist" {
				t.Errorf("the user reads %q", err)
			}
			id := rpc.RequestIDOf(err)
			lines := r.log.of(t, id)
			if len(lines) != 1 || lines[0]["error"] != "load feed absent: this feed does not exist" || lines[0]["code"] != "not_found" {
				t.Errorf("the log of %q says %v", id, lines)
			}
		})
	}
}

func TestUnknownErrorsAreHiddenAndLoggedWhole(t *testing.T) {
	secret := errors.New(`dial tcp 10.1.2.3:5432: password "hunter2" refused`)
	f := &feeds{
		get: func(context.Context, *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
			return nil, fmt.Errorf("load feed f1: %w", secret)
		},
		watch: func(_ context.Context, _ *inventoryv1.WatchFeedRequest, s *connect.ServerStream[inventoryv1.WatchFeedResponse]) error {
			if err := s.Send(&inventoryv1.WatchFeedResponse{}); err != nil {
				return err
			}
			return fmt.Errorf("load feed f1: %w", secret)
		},
	}
	r := startFeeds(t, f, options{})
	client := as(r, auth.RoleOperator)
	_, unary := client.GetFeed(t.Context(), &inventoryv1.GetFeedRequest{FeedId: "f1"})
	stream, err := client.WatchFeed(t.Context(), &inventoryv1.WatchFeedRequest{FeedId: "f1"})
	if err != nil {
		t.Fatal(err)
	}
	for stream.Receive() {
	}
	for name, err := range map[string]error{"unary": unary, "stream": stream.Err()} {
		t.Run(name, func(t *testing.T) {
			if connect.CodeOf(err) != connect.CodeInternal || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "load feed") {
				t.Fatalf("the user reads %v", err)
			}
			id := rpc.RequestIDOf(err)
			if id == "" || !strings.Contains(err.Error(), id) {
				t.Fatalf("no request id in %v", err)
			}
			lines := r.log.of(t, id)
			if len(lines) != 1 || lines[0]["error"] != "load feed f1: "+secret.Error() || lines[0]["level"] != "ERROR" {
				t.Errorf("the log says %v", lines)
			}
		})
	}
}

func TestPanicsAreRecovered(t *testing.T) {
	f := &feeds{
		get: func(context.Context, *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
			panic("index out of range")
		},
		watch: func(_ context.Context, _ *inventoryv1.WatchFeedRequest, s *connect.ServerStream[inventoryv1.WatchFeedResponse]) error {
			if err := s.Send(&inventoryv1.WatchFeedResponse{}); err != nil {
				return err
			}
			panic("half-way")
		},
	}
	r := startFeeds(t, f, options{})
	r.HandleHTTP("GET /v1/broken", auth.Public, func(http.ResponseWriter, *http.Request) error { panic("route") })
	for name, opts := range map[string][]connect.ClientOption{"connect": nil, "grpc": {connect.WithGRPC()}, "grpc-web": {connect.WithGRPCWeb()}} {
		t.Run(name, func(t *testing.T) {
			client := as(r, auth.RoleOperator, opts...)
			_, err := client.GetFeed(t.Context(), &inventoryv1.GetFeedRequest{FeedId: "f1"})
			mustBePanic(t, r, err, "panic: index out of range")
			stream, err := client.WatchFeed(t.Context(), &inventoryv1.WatchFeedRequest{FeedId: "f1"})
			if err != nil {
				t.Fatal(err)
			}
			for stream.Receive() {
			}
			mustBePanic(t, r, stream.Err(), "panic: half-way")
		})
	}
	res, err := http.Get(r.url + "/v1/broken")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusInternalServerError {
		t.Errorf("status = %d", res.StatusCode)
	}
}

func mustBePanic(t *testing.T, r *running, err error, logged string) {
	t.Helper()
	if connect.CodeOf(err) != connect.CodeInternal || strings.Contains(err.Error(), "panic") {
		t.Fatalf("the user reads %v", err)
	}
	lines := r.log.of(t, rpc.RequestIDOf(err))
	if len(lines) != 1 || lines[0]["error"] != logged || !strings.Contains(fmt.Sprint(lines[0]["stack"]), "server_test.go") {
		t.Errorf("the log says %v", lines)
	}
}

func TestValidationNamesTheField(t *testing.T) {
	r := startFeeds(t, &feeds{}, options{})
	for name, opts := range map[string][]connect.ClientOption{"connect": nil, "grpc": {connect.WithGRPC()}} {
		t.Run(name, func(t *testing.T) {
			client := as(r, auth.RoleOperator, opts...)
			_, err := client.UpsertItems(t.Context(), &inventoryv1.UpsertItemsRequest{
				MerchantId: "corner", StoreId: "1", Items: []*inventoryv1.InlineItem{{ItemId: "a"}, {ItemId: ""}},
			})
			if connect.CodeOf(err) != connect.CodeInvalidArgument {
				t.Fatalf("UpsertItems = %v", err)
			}
			var ce *connect.Error
			errors.As(err, &ce)
			fields := violations(t, ce)
			if len(fields) != 1 || fields[0] != "items[1].item_id" {
				t.Errorf("violated fields %v", fields)
			}
			if !strings.Contains(ce.Message(), "items[1].item_id") {
				t.Errorf("the message %q does not name the field", ce.Message())
			}
			if rpc.RequestIDOf(err) == "" {
				t.Error("no request id")
			}
		})
	}
}

func violations(t *testing.T, ce *connect.Error) []string {
	t.Helper()
	var fields []string
	for _, d := range ce.Details() {
		v, err := d.Value()
		if err != nil {
			t.Fatal(err)
		}
		if vs, ok := v.(*validatev1.Violations); ok {
			for _, one := range vs.GetViolations() {
				var path []string
				for _, e := range one.GetField().GetElements() {
					name := e.GetFieldName()
					if e.HasIndex() {
						name = fmt.Sprintf("%s[%d]", name, e.GetIndex())
					}
					path = append(path, name)
				}
				fields = append(fields, strings.Join(path, "."))
			}
		}
	}
	return fields
}

func TestOversizedMessagesAreRefused(t *testing.T) {
	const limit = 64 << 10
	called := false
	f := &feeds{upsert: func(context.Context, *inventoryv1.UpsertItemsRequest) (*inventoryv1.UpsertItemsResponse, error) {
		called = true
		return &inventoryv1.UpsertItemsResponse{}, nil
	}}
	r := startFeeds(t, f, options{cfg: func(c *rpc.ServerConfig) { c.MaxMessage = limit }})
	big := &inventoryv1.UpsertItemsRequest{MerchantId: "corner", StoreId: "1"}
	for proto.Size(big) <= limit {
		big.Items = append(big.Items, &inventoryv1.InlineItem{ItemId: "i", Name: strings.Repeat("x", 500)})
	}
	for name, opts := range map[string][]connect.ClientOption{
		"connect": nil, "grpc": {connect.WithGRPC()}, "bomb": {connect.WithSendGzip()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := as(r, auth.RoleOperator, opts...).UpsertItems(t.Context(), big)
			if connect.CodeOf(err) != connect.CodeResourceExhausted {
				t.Errorf("UpsertItems of %d bytes = %v", proto.Size(big), err)
			}
		})
	}
	if called {
		t.Error("the handler saw a message above the limit")
	}
}

func TestRefusalsReadNoBody(t *testing.T) {
	r := startFeeds(t, &feeds{}, options{})
	for _, role := range []auth.Role{"", auth.RoleFinance} {
		body := &countingReader{}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+inventoryv1connect.FeedServiceUpsertItemsProcedure, io.LimitReader(body, 512<<20))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/proto")
		res, err := httpAs(role).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusForbidden {
			t.Errorf("role %q: status %d", role, res.StatusCode)
		}
		if body.n > 64<<20 {
			t.Errorf("role %q: the server took %d bytes of a refused call", role, body.n)
		}
	}
}

type countingReader struct{ n int64 }

func (c *countingReader) Read(p []byte) (int, error) {
	clear(p)
	c.n += int64(len(p))
	return len(p), nil
}

func TestTenants(t *testing.T) {
	seen := make(chan tenant.ID, 1)
	f := &feeds{get: func(ctx context.Context, _ *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		id, err := tenant.From(ctx)
		seen <- id
		return &inventoryv1.GetFeedResponse{}, err
	}}
	r := startFeeds(t, f, options{})
	for _, c := range []struct {
		name, baggage string
		role          auth.Role
		want          tenant.ID
		code          connect.Code
	}{
		{"none named", "", auth.RoleOperator, "prod", 0},
		{"other members alone", "trace=1", auth.RoleOperator, "prod", 0},
		{"named", "tenant=test", auth.RoleOperator, "test", 0},
		{"named among others", "a=b,tenant=test;p=1,c=d", auth.RoleOperator, "test", 0},
		{"default named", "tenant=prod", auth.RoleMerchant, "prod", 0},
		{"unknown", "tenant=staging", auth.RoleOperator, "", connect.CodeInvalidArgument},
		{"not for merchants", "tenant=test", auth.RoleMerchant, "", connect.CodePermissionDenied},
		{"garbage", "=;;,\x01", auth.RoleOperator, "", connect.CodeInvalidArgument},
		{"injection", `tenant=prod"; DROP`, auth.RoleOperator, "", connect.CodeInvalidArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, info := connect.NewClientContext(t.Context())
			if c.baggage != "" {
				info.RequestHeader()["Baggage"] = []string{strings.ReplaceAll(c.baggage, "\x01", "%")}
			}
			_, err := as(r, c.role).GetFeed(ctx, &inventoryv1.GetFeedRequest{FeedId: "f1"})
			if c.code != 0 {
				if connect.CodeOf(err) != c.code {
					t.Errorf("GetFeed = %v, want %s", err, c.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := <-seen; got != c.want {
				t.Errorf("tenant %q, want %q", got, c.want)
			}
		})
	}
}

func TestRequestIDs(t *testing.T) {
	var inside string
	f := &feeds{get: func(ctx context.Context, _ *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		inside = rpc.RequestID(ctx)
		return &inventoryv1.GetFeedResponse{}, nil
	}}
	r := startFeeds(t, f, options{})
	for _, c := range []struct {
		sent string
		kept bool
	}{{"abc-123", true}, {"", false}, {strings.Repeat("x", 65), false}, {"a b", false}, {`"}{`, false}} {
		ctx, info := connect.NewClientContext(t.Context())
		if c.sent != "" {
			info.RequestHeader().Set(rpc.RequestIDHeader, c.sent)
		}
		if _, err := as(r, auth.RoleOperator).GetFeed(ctx, &inventoryv1.GetFeedRequest{FeedId: "f1"}); err != nil {
			t.Fatal(err)
		}
		got := info.ResponseHeader().Get(rpc.RequestIDHeader)
		if got == "" || got != inside || (got == c.sent) != c.kept {
			t.Errorf("sent %q, came back %q, the handler saw %q", c.sent, got, inside)
		}
	}
}

func TestUnknownMethodsAreUnimplemented(t *testing.T) {
	r := startFeeds(t, &feeds{}, options{})
	for _, opt := range []connect.ClientOption{connect.WithClientOptions(), connect.WithGRPC()} {
		client := connect.NewClient[inventoryv1.GetFeedRequest, inventoryv1.GetFeedResponse](httpAs(auth.RoleAdmin), r.url+"/bodega.inventory.v1.FeedService/Explode", opt)
		_, err := client.CallUnary(t.Context(), connect.NewRequest(&inventoryv1.GetFeedRequest{}))
		if connect.CodeOf(err) != connect.CodeUnimplemented || !strings.Contains(err.Error(), "FeedService has no method Explode") {
			t.Errorf("Explode = %v", err)
		}
	}
}

func TestDeadlinesAreCapped(t *testing.T) {
	left := make(chan time.Duration, 1)
	f := &feeds{
		get: func(ctx context.Context, _ *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
			deadline, _ := ctx.Deadline()
			left <- time.Until(deadline)
			return &inventoryv1.GetFeedResponse{}, nil
		},
		cancel: func(ctx context.Context, _ *inventoryv1.CancelFeedRequest) (*inventoryv1.CancelFeedResponse, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("cancel feed: %w", ctx.Err())
		},
	}
	limit := time.Minute
	r := startFeeds(t, f, options{cfg: func(c *rpc.ServerConfig) { c.UnaryTimeout = limit }})
	for name, asked := range map[string]time.Duration{"none": 0, "longer": time.Hour, "shorter": limit / 2} {
		ctx := t.Context()
		want := limit
		if asked > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, asked)
			defer cancel()
			want = min(asked, limit)
		}
		if _, err := as(r, auth.RoleOperator).GetFeed(ctx, &inventoryv1.GetFeedRequest{FeedId: "f"}); err != nil {
			t.Fatal(err)
		}
		if got := <-left; got > want {
			t.Errorf("%s: %s left, want at most %s", name, got, want)
		}
	}
	short := startFeeds(t, f, options{cfg: func(c *rpc.ServerConfig) { c.UnaryTimeout = 50 * time.Millisecond }})
	_, err := as(short, auth.RoleOperator).CancelFeed(t.Context(), &inventoryv1.CancelFeedRequest{FeedId: "f"})
	if connect.CodeOf(err) != connect.CodeDeadlineExceeded {
		t.Errorf("a call that does not end = %v", err)
	}
}

func TestClassifierSortsLibraryErrors(t *testing.T) {
	down := errors.New("connection refused")
	f := &feeds{get: func(context.Context, *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		return nil, fmt.Errorf("load feed f: %w", down)
	}}
	r := startFeeds(t, f, options{deps: func(d *rpc.ServerDeps) {
		d.Classify = func(err error) fault.Kind {
			if errors.Is(err, down) {
				return fault.Unavailable
			}
			return fault.Internal
		}
	}})
	_, err := as(r, auth.RoleOperator).GetFeed(t.Context(), &inventoryv1.GetFeedRequest{FeedId: "f"})
	if connect.CodeOf(err) != connect.CodeUnavailable || strings.Contains(err.Error(), "refused") {
		t.Errorf("GetFeed = %v", err)
	}
}

func TestServerConfigIsChecked(t *testing.T) {
	for name, breakIt := range map[string]func(*rpc.ServerConfig){
		"listen":              func(c *rpc.ServerConfig) { c.Listen = "8080" },
		"tls-cert and":        func(c *rpc.ServerConfig) { c.TLSKey = "key.pem" },
		"trusted-origins":     func(c *rpc.ServerConfig) { c.TrustedOrigins = []string{"example.com"} },
		"max-message-bytes 0": func(c *rpc.ServerConfig) { c.MaxMessage = 0 },
		"drain-timeout -1s":   func(c *rpc.ServerConfig) { c.DrainTimeout = -time.Second },
	} {
		cfg := rpc.DefaultServerConfig()
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		breakIt(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: Validate = %v", name, err)
		}
	}
}
