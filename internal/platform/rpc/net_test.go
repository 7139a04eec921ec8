package rpc_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/gen/bodega/inventory/v1/inventoryv1connect"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/rpc"
)

// short is a time that a test waits for the server to lose its patience.
const short = 100 * time.Millisecond

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestSlowHeadersAreCutOff(t *testing.T) {
	r := startFeeds(t, &feeds{}, options{cfg: func(c *rpc.ServerConfig) { c.HeaderTimeout = short }})
	conn := dial(t, r.addr)
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "); err != nil {
		t.Fatal(err)
	}
	// The read ends because the server hangs up; a server that waits for ever
	// fails by the test's own time limit.
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}

func TestSlowBodiesAreCutOff(t *testing.T) {
	f := &feeds{submit: func(_ context.Context, s *connect.ClientStream[inventoryv1.SubmitFeedRequest]) (*inventoryv1.SubmitFeedResponse, error) {
		for s.Receive() {
		}
		return nil, fmt.Errorf("read the stream: %w", s.Err())
	}}
	r := startFeeds(t, f, options{cfg: func(c *rpc.ServerConfig) { c.StallTimeout = short }})
	for name, contentType := range map[string]string{
		inventoryv1connect.FeedServiceUpsertItemsProcedure: "application/json",
		inventoryv1connect.FeedServiceSubmitFeedProcedure:  "application/connect+json",
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, r.addr)
			if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operator\r\nContent-Type: %s\r\nContent-Length: 100000\r\n\r\n{", name, contentType); err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(conn) // ends when the server hangs up
			if strings.HasPrefix(string(answer), "HTTP/1.1 200") && !bytes.Contains(answer, []byte(`"error"`)) {
				t.Errorf("the server answered %q", answer)
			}
		})
	}
}

func TestReadersThatStallAreCutOff(t *testing.T) {
	ended := make(chan error, 1)
	chunk := &inventoryv1.WatchFeedResponse{Feed: &inventoryv1.Feed{Error: strings.Repeat("x", 1<<20)}}
	f := &feeds{watch: func(_ context.Context, _ *inventoryv1.WatchFeedRequest, s *connect.ServerStream[inventoryv1.WatchFeedResponse]) error {
		for {
			if err := s.Send(chunk); err != nil {
				ended <- err
				return err
			}
		}
	}}
	r := startFeeds(t, f, options{cfg: func(c *rpc.ServerConfig) { c.StallTimeout = short }})
	conn := dial(t, r.addr)
	body := "\x00\x00\x00\x00\x0e{\"feedId\":\"f\"}"
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operator\r\nContent-Type: application/connect+json\r\nContent-Length: %d\r\n\r\n%s", inventoryv1connect.FeedServiceWatchFeedProcedure, len(body), body); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil { // nobody reads; the handler has to come free
		t.Error("the handler ended without an error")
	}
}

// A stream that is quiet for longer than the stall time is no slow client.
func TestQuietStreamsStayOpen(t *testing.T) {
	f := &feeds{watch: func(ctx context.Context, _ *inventoryv1.WatchFeedRequest, s *connect.ServerStream[inventoryv1.WatchFeedResponse]) error {
		for range 2 {
			select {
			case <-time.After(4 * short):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if err := s.Send(&inventoryv1.WatchFeedResponse{}); err != nil {
				return err
			}
		}
		return nil
	}}
	r := startFeeds(t, f, options{cfg: func(c *rpc.ServerConfig) { c.StallTimeout = short }})
	for name, client := range map[string]inventoryv1connect.FeedServiceClient{
		"http/2": as(r, auth.RoleOperator),
		"http/1": inventoryv1connect.NewFeedServiceClient(&http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			req.Header.Set("Authorization", "Bearer operator")
			return http.DefaultTransport.RoundTrip(req)
		})}, r.url),
	} {
		t.Run(name, func(t *testing.T) {
			stream, err := client.WatchFeed(t.Context(), &inventoryv1.WatchFeedRequest{FeedId: "f"})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for stream.Receive() {
				n++
			}
			if stream.Err() != nil || n != 2 {
				t.Errorf("%d messages, %v", n, stream.Err())
			}
		})
	}
}

func TestDrainLetsCallsFinish(t *testing.T) {
	running, release := make(chan struct{}, 3), make(chan struct{})
	f := &feeds{
		cancel: func(ctx context.Context, _ *inventoryv1.CancelFeedRequest) (*inventoryv1.CancelFeedResponse, error) {
			running <- struct{}{}
			<-release
			return &inventoryv1.CancelFeedResponse{Feed: &inventoryv1.Feed{FeedId: "done"}}, ctx.Err()
		},
		submit: func(_ context.Context, s *connect.ClientStream[inventoryv1.SubmitFeedRequest]) (*inventoryv1.SubmitFeedResponse, error) {
			running <- struct{}{}
			n := 0
			for s.Receive() {
				n++
			}
			return &inventoryv1.SubmitFeedResponse{FeedId: fmt.Sprint(n)}, s.Err()
		},
		watch: func(ctx context.Context, _ *inventoryv1.WatchFeedRequest, s *connect.ServerStream[inventoryv1.WatchFeedResponse]) error {
			running <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		},
	}
	r := startFeeds(t, f, options{})
	client := as(r, auth.RoleOperator)
	type result struct {
		got string
		err error
	}
	unary, upload, watched := make(chan result, 1), make(chan result, 1), make(chan error, 1)
	go func() {
		res, err := client.CancelFeed(t.Context(), &inventoryv1.CancelFeedRequest{FeedId: "f"})
		unary <- result{res.GetFeed().GetFeedId(), err}
	}()
	go func() {
		stream, err := client.SubmitFeed(t.Context())
		if err != nil {
			upload <- result{"", err}
			return
		}
		chunk := &inventoryv1.SubmitFeedRequest{Part: &inventoryv1.SubmitFeedRequest_Chunk{Chunk: []byte("row\n")}}
		err = stream.Send(chunk)
		<-release
		err = errors.Join(err, stream.Send(chunk))
		res, closeErr := stream.CloseAndReceive()
		upload <- result{res.GetFeedId(), errors.Join(err, closeErr)}
	}()
	go func() {
		stream, err := client.WatchFeed(t.Context(), &inventoryv1.WatchFeedRequest{FeedId: "f"})
		if err == nil {
			for stream.Receive() {
			}
			err = stream.Err()
		}
		watched <- err
	}()
	for range 3 {
		<-running
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	// A watcher is told at once that it should come back elsewhere.
	if err := <-watched; connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("the watcher ended in %v", err)
	}
	if _, err := net.DialTimeout("tcp", r.addr, short); err == nil {
		// The listener closes first of all; the backlog may have taken this one.
		t.Log("a connection was still taken while draining")
	}
	close(release)
	if got := <-unary; got.err != nil || got.got != "done" {
		t.Errorf("the running call ended in %v", got)
	}
	if got := <-upload; got.err != nil || got.got != "2" {
		t.Errorf("the running upload ended in %v", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if _, err := client.CancelFeed(t.Context(), &inventoryv1.CancelFeedRequest{FeedId: "f"}); connect.CodeOf(err) != connect.CodeUnavailable {
		t.Errorf("a call after the end = %v", err)
	}
}

func TestDrainGivesUpOnCallsThatDoNotEnd(t *testing.T) {
	running := make(chan struct{})
	f := &feeds{cancel: func(ctx context.Context, _ *inventoryv1.CancelFeedRequest) (*inventoryv1.CancelFeedResponse, error) {
		close(running)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	r := startFeeds(t, f, options{cfg: func(c *rpc.ServerConfig) { c.DrainTimeout = short }})
	ended := make(chan error, 1)
	go func() {
		_, err := as(r, auth.RoleOperator).CancelFeed(t.Context(), &inventoryv1.CancelFeedRequest{FeedId: "f"})
		ended <- err
	}()
	<-running
	if err := r.stop(); err == nil || !strings.Contains(err.Error(), "calls still ran") {
		t.Errorf("Serve = %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the call that never ends ended well")
	}
}

// writeCertificate makes a self-signed certificate for 127.0.0.1.
func writeCertificate(t *testing.T, dir, name string) (cert *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err = x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pool := x509.NewCertPool()
	pool.AddCert(writeCertificate(t, dir, "first"))
	f := &feeds{get: func(context.Context, *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		return &inventoryv1.GetFeedResponse{}, nil
	}}
	clock := &movable{now: time.Now()}
	r := startFeeds(t, f, options{
		cfg: func(c *rpc.ServerConfig) {
			c.TLSCert, c.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		},
		deps: func(d *rpc.ServerDeps) { d.Now = clock.Now },
	})
	for name, opt := range map[string]connect.ClientOption{"connect": connect.WithClientOptions(), "grpc": connect.WithGRPC()} {
		c, err := rpc.NewClient(rpc.ClientConfig{BaseURL: r.url, Secret: "operator", TLS: &tls.Config{RootCAs: pool}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		client := inventoryv1connect.NewFeedServiceClient(c.HTTP(), c.BaseURL(), append(c.Options(), opt)...)
		if _, err := client.GetFeed(t.Context(), &inventoryv1.GetFeedRequest{FeedId: "f"}); err != nil {
			t.Errorf("%s: GetFeed = %v", name, err)
		}
		c.Close()
	}
	if _, err := tls.Dial("tcp", r.addr, &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("the server speaks TLS 1.1")
	}
	untrusting, err := rpc.NewClient(rpc.ClientConfig{BaseURL: r.url, Secret: "operator"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inventoryv1connect.NewFeedServiceClient(untrusting.HTTP(), r.url, untrusting.Options()...).GetFeed(t.Context(), &inventoryv1.GetFeedRequest{FeedId: "f"}); err == nil {
		t.Error("a client without the root trusted the server")
	}

	commonName := func() string {
		conn, err := tls.Dial("tcp", r.addr, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // reads the name alone
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := commonName(); got != "first" {
		t.Errorf("certificate %q", got)
	}
	writeCertificate(t, dir, "second")
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(filepath.Join(dir, "cert.pem"), later, later); err != nil {
		t.Fatal(err)
	}
	clock.move(time.Minute)
	if got := commonName(); got != "second" {
		t.Errorf("after the renewal: certificate %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	clock.move(time.Minute)
	if got := commonName(); got != "second" {
		t.Errorf("beside a broken file: certificate %q", got)
	}
}

func TestBrokenCertificateStopsTheStart(t *testing.T) {
	cfg := rpc.DefaultServerConfig()
	cfg.TLSCert, cfg.TLSKey = "/nowhere/cert.pem", "/nowhere/key.pem"
	_, err := rpc.NewServer(cfg, rpc.ServerDeps{Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/cert.pem") {
		t.Errorf("NewServer = %v", err)
	}
}

// The health service answers a client of gRPC's own making.
func TestHealthByGRPC(t *testing.T) {
	r := start(t, options{register: everyService})
	conn, err := grpc.NewClient(r.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client := healthv1.NewHealthClient(conn)
	status := func(service string) string {
		res, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil {
			return err.Error()
		}
		return res.GetStatus().String()
	}
	const feedService = "bodega.inventory.v1.FeedService"
	if got := status(""); got != "SERVING" {
		t.Errorf("the server: %s", got)
	}
	if got := status(feedService); got != "SERVING" {
		t.Errorf("a service: %s", got)
	}
	if got := status("no.such.Service"); !strings.Contains(got, "NotFound") {
		t.Errorf("no service: %s", got)
	}
	r.SetServing(feedService, false)
	if got := status(feedService); got != "NOT_SERVING" {
		t.Errorf("a service that does not serve: %s", got)
	}
	list, err := client.List(t.Context(), &healthv1.HealthListRequest{})
	// The services of the contracts, health itself, and the server as a whole.
	if err != nil || list.GetStatuses()[feedService].GetStatus() != healthv1.HealthCheckResponse_NOT_SERVING || len(list.GetStatuses()) != len(contracts(t))+2 {
		t.Errorf("List = %v, %v", list, err)
	}
	watch, err := client.Watch(t.Context(), &healthv1.HealthCheckRequest{Service: feedService})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []healthv1.HealthCheckResponse_ServingStatus{healthv1.HealthCheckResponse_NOT_SERVING, healthv1.HealthCheckResponse_SERVING} {
		res, err := watch.Recv()
		if err != nil || res.GetStatus() != want {
			t.Fatalf("Watch = %v, %v; want %s", res, err, want)
		}
		r.SetServing(feedService, true)
	}
}

func TestReflectionListsEveryService(t *testing.T) {
	r := start(t, options{register: everyService})
	client := grpcreflect.NewClient(httpAs(""), r.url, connect.WithGRPC())
	stream := client.NewStream(t.Context())
	defer func() { _, _ = stream.Close() }()
	names, err := stream.ListServices()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range append(contracts(t), "grpc.health.v1.Health") {
		found := false
		for _, name := range names {
			found = found || string(name) == want
		}
		if !found {
			t.Errorf("%s is not listed in %v", want, names)
		}
	}
	files, err := stream.FileContainingSymbol("bodega.inventory.v1.FeedService")
	if err != nil || len(files) == 0 {
		t.Errorf("FileContainingSymbol = %d files, %v", len(files), err)
	}
	off := start(t, options{cfg: func(c *rpc.ServerConfig) { c.Reflection = false }})
	offStream := grpcreflect.NewClient(httpAs(""), off.url, connect.WithGRPC()).NewStream(t.Context())
	defer func() { _, _ = offStream.Close() }()
	if _, err := offStream.ListServices(); err == nil {
		t.Error("reflection answers although it is off")
	}
}

func TestMetricsCountEveryAnswer(t *testing.T) {
	r := startFeeds(t, &feeds{get: func(context.Context, *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		return &inventoryv1.GetFeedResponse{}, nil
	}}, options{})
	for _, opts := range [][]connect.ClientOption{nil, {connect.WithGRPC()}, {connect.WithGRPCWeb()}} {
		if _, err := as(r, auth.RoleOperator, opts...).GetFeed(t.Context(), &inventoryv1.GetFeedRequest{FeedId: "f"}); err != nil {
			t.Fatal(err)
		}
		// Connect itself refuses these before a handler or interceptor runs.
		invoke(t.Context(), httpAs(auth.RoleOperator), r.url, rpc.Method{Procedure: inventoryv1connect.FeedServiceGetFeedProcedure}, append(opts, connect.WithCodec(garbage{}))...)
		invoke(t.Context(), httpAs(""), r.url, rpc.Method{Procedure: inventoryv1connect.FeedServiceGetFeedProcedure}, opts...)
		invoke(t.Context(), httpAs(auth.RoleOperator), r.url, rpc.Method{Procedure: "/bodega.inventory.v1.FeedService/Guess" + rand.Text()}, opts...)
	}
	if err := r.stop(); err != nil { // every answer is counted once the server is down
		t.Fatal(err)
	}
	families, err := r.metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "bodega_rpc_requests_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := ""
			for _, l := range m.GetLabel() {
				labels += " " + l.GetValue()
			}
			got[strings.TrimSpace(labels)] = m.GetCounter().GetValue()
		}
	}
	procedure := inventoryv1connect.FeedServiceGetFeedProcedure
	for labels, want := range map[string]float64{
		"ok " + procedure: 3, "invalid_argument " + procedure: 3, "unauthenticated " + procedure: 3, "unimplemented unknown": 3,
	} {
		if got[labels] != want {
			t.Errorf("%s: %v, want %v", labels, got[labels], want)
		}
	}
	if len(got) != 4 {
		t.Errorf("series %v", got)
	}
	names := []string{}
	for _, m := range r.metrics.List() {
		names = append(names, m.Name)
	}
	if !slices.Contains(names, "bodega_rpc_requests_total") || !slices.Contains(names, "bodega_rpc_request_duration_seconds") {
		t.Errorf("listed metrics %v", names)
	}
}

// garbage sends bytes that are no message.
type garbage struct{}

func (garbage) Name() string                { return "proto" }
func (garbage) Marshal(any) ([]byte, error) { return []byte("\xff\xff\xff\xff"), nil }
func (garbage) Unmarshal([]byte, any) error { return nil }

func TestManyRequestsOnOneConnectionKeepTheirIDs(t *testing.T) {
	r := startFeeds(t, &feeds{get: func(ctx context.Context, req *inventoryv1.GetFeedRequest) (*inventoryv1.GetFeedResponse, error) {
		return &inventoryv1.GetFeedResponse{Feed: &inventoryv1.Feed{FeedId: req.GetFeedId(), Error: rpc.RequestID(ctx)}}, nil
	}}, options{})
	conn := dial(t, r.addr)
	reader := bufio.NewReader(conn)
	for i := range 3 {
		body := fmt.Sprintf(`{"feedId":"f%d"}`, i)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer operator\r\nX-Request-Id: id-%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			inventoryv1connect.FeedServiceGetFeedProcedure, i, len(body), body)
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil || !strings.Contains(string(got), fmt.Sprintf(`"error":"id-%d"`, i)) || res.Header.Get("X-Request-Id") != fmt.Sprintf("id-%d", i) {
			t.Errorf("answer %d: %s, %v", i, got, err)
		}
	}
}
