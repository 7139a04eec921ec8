package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// patience is the deadline of a run that has no reason to reach it.
const patience = 30 * time.Second

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func refused(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func expect(t *testing.T, got Result, want Verdict, message string) {
	t.Helper()
	if got.Verdict != want || !strings.Contains(got.Message, message) {
		t.Errorf("verdict %d, %q; want %d, %q", got.Verdict, got.Message, want, message)
	}
}

func httpProbe(t *testing.T, address string) *HTTP {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return &HTTP{Method: http.MethodGet, URL: u, Transport: NewTransport(&Dialer{}, nil)}
}

func TestHTTP(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = w.Write([]byte(`{"status":"green","auth":"` + r.Header.Get("Authorization") + `"}`))
	})
	mux.HandleFunc("/teapot", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/ok", http.StatusFound)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) { time.Sleep(50 * time.Millisecond) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("X-A") != "b" || r.ContentLength != 4 {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
	// A byte at a time, for ever.
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte("x")); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	})
	mux.HandleFunc("/drip-header", func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		for _, char := range []byte("HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 1<<10)) {
			if _, err := conn.Write([]byte{char}); err != nil {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 128<<10)) })
	hijack := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_, _ = io.WriteString(conn, answer)
				conn.Close()
			}
		}
	}
	mux.HandleFunc("/closed", hijack(""))
	mux.HandleFunc("/cut", hijack("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ngreen\r\n"))
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 64<<10)
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	// A status is in before the body begins, and is all that was asked for.
	expect(t, httpProbe(t, server.URL+"/drip").Run(within(t, patience), nil), Up, "status 200")

	for _, tt := range []struct {
		name    string
		path    string
		change  func(*HTTP)
		want    Verdict
		message string
	}{
		{"ok", "/ok", nil, Up, "status 200"},
		{"other status", "/teapot", nil, Down, "status 418, want 2xx"},
		{"expected status", "/teapot", func(p *HTTP) { p.ExpectedStatus = []int{200, 418} }, Up, "status 418"},
		{"unexpected status", "/ok", func(p *HTTP) { p.ExpectedStatus = []int{204, 418} }, Down, "want 204 or 418"},
		{"body", "/ok", func(p *HTTP) { p.BodyMatches = regexp.MustCompile(`"green"`) }, Up, ""},
		{"other body", "/ok", func(p *HTTP) { p.BodyMatches = regexp.MustCompile(`"red"`) }, Down, "match"},
		{"too late", "/slow", func(p *HTTP) { p.MaxLatency = time.Millisecond }, Down, "want at most 1ms"},
		{"redirect", "/moved", nil, Down, "status 302"},
		{"followed", "/moved", func(p *HTTP) { p.FollowRedirects = true }, Up, "status 200"},
		{"not followed elsewhere", "/elsewhere", func(p *HTTP) { p.FollowRedirects = true }, Down, "redirects to another host"},
		{"method, header and body", "/echo", func(p *HTTP) {
			p.Method, p.Body, p.Header = http.MethodPost, []byte("ping"), http.Header{"X-A": {"b"}}
		}, Up, ""},
		{"hangs", "/hang", nil, Down, "no answer in"},
		{"drips without end", "/drip", func(p *HTTP) { p.BodyMatches = regexp.MustCompile("y") }, Down, "bytes of the body in"},
		{"drips its header", "/drip-header", nil, Down, "no answer in"},
		{"closes without an answer", "/closed", nil, Down, "closed before an answer"},
		{"closes in the middle", "/cut", func(p *HTTP) { p.BodyMatches = regexp.MustCompile("green") }, Down, "closed in the middle of an answer"},
		{"headers without end", "/headers", nil, Down, "more than 64 KiB of headers"},
		{"body without end", "/endless", func(p *HTTP) { p.BodyMatches = regexp.MustCompile("y") }, Down, "1048576 bytes"},
		{"body without end and an expression", "/endless", func(p *HTTP) { p.BodyMatches = regexp.MustCompile("y[^z]") }, Down, "1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := httpProbe(t, server.URL+tt.path)
			if tt.change != nil {
				tt.change(p)
			}
			deadline := patience
			if tt.path == "/hang" || strings.HasPrefix(tt.path, "/drip") {
				deadline = 400 * time.Millisecond
			}
			got := p.Run(within(t, deadline), http.Header{"Authorization": {"hunter2"}})
			expect(t, got, tt.want, tt.message)
			if strings.Contains(got.Message, "hunter2") || strings.Contains(got.Message, "green\"") {
				t.Errorf("the message repeats what was sent: %q", got.Message)
			}
		})
	}

	expect(t, httpProbe(t, "http://"+refused(t)).Run(within(t, patience), nil), Down, "connection refused")
	expect(t, httpProbe(t, "http://no-such-host.invalid").Run(within(t, patience), nil), Down, "no such host")

	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expect(t, httpProbe(t, server.URL+"/hang").Run(cancelled, nil), Broken, "cancelled")

	denied := httpProbe(t, server.URL+"/ok")
	denied.Transport = NewTransport(&Dialer{Deny: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, nil)
	expect(t, denied.Run(within(t, patience), nil), Broken, "not allowed for probes")
}

// Whatever a target says instead of HTTP, it is down, and is not quoted.
func TestNotHTTP(t *testing.T) {
	for _, answer := range []string{
		"-ERR hunter2 is the password\r\n",
		"HTTP/1.1 200 OK\r\nhunter2 is the password\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: hunter2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: hunter2\r\n\r\n",
		"HTTP/1.1 hunter2\r\n\r\n",
		"HTTP/hunter2 200 OK\r\n\r\n",
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte(answer))
				_, _ = io.Copy(io.Discard, conn) // closing on an unread request would reset the answer away
				conn.Close()
			}
		}()
		got := httpProbe(t, "http://"+listener.Addr().String()).Run(within(t, 5*time.Second), nil)
		if got.Verdict != Down || !strings.Contains(got.Message, "not HTTP") || strings.Contains(got.Message, "hunter2") {
			t.Errorf("%q: %+v", answer, got)
		}
	}
}

// Matching ends with the run, however large the expression and its input are,
// and until then finds what the expression finds.
func TestMatch(t *testing.T) {
	text := []byte(strings.Repeat("a", 1<<20))
	slow := regexp.MustCompile("(.{0,10}){90}x")
	begin := time.Now()
	if _, err := Match(within(t, 100*time.Millisecond), slow, text); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v after %s", err, time.Since(begin))
	}
	if took := time.Since(begin); took > patience {
		t.Errorf("goes on for %s after its deadline", took)
	}
	for _, tt := range []struct {
		pattern string
		text    string
		want    bool
	}{
		{"green", strings.Repeat("x", 5000) + "green", true},
		{"gr[e]{2}n", strings.Repeat("x", 5000) + "green", true},
		{"^gr[e]{2}n", strings.Repeat("x", 5000) + "green", false},
		{"gr.en$", strings.Repeat("\xff", 5000) + "gréen", true},
		{"gr[e]{2}n", "green", true},
		{"gr[e]{2}n", "", false},
	} {
		got, err := Match(within(t, patience), regexp.MustCompile(tt.pattern), []byte(tt.text))
		if err != nil || got != tt.want {
			t.Errorf("%s: %v, %v", tt.pattern, got, err)
		}
	}
}

// An expression that is too slow says nothing of a target that answered.
func TestHTTPSlowExpression(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 1<<20))
	}))
	defer server.Close()
	p := httpProbe(t, server.URL)
	p.BodyMatches = regexp.MustCompile("(.{0,10}){90}x")
	expect(t, p.Run(within(t, 2*time.Second), nil), Broken, "too long to match")
}

func TestMetadataIsOutOfReach(t *testing.T) {
	d := &Dialer{Deny: MetadataRanges()}
	for _, address := range []string{"169.254.169.254:80", "[fe80::1%lo]:80", "[fd00:ec2::254]:80", "[::ffff:169.254.169.254]:80", "[64:ff9b::a9fe:a9fe]:80", "168.63.129.16:80"} {
		if err := d.control("tcp", address, nil); err == nil {
			t.Errorf("%s can be dialled", address)
		}
	}
	if err := d.control("tcp", "10.0.0.1:80", nil); err != nil {
		t.Error(err)
	}
}

func TestGRPC(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	service := health.NewServer()
	service.SetServingStatus("good", healthpb.HealthCheckResponse_SERVING)
	service.SetServingStatus("bad", healthpb.HealthCheckResponse_NOT_SERVING)
	healthpb.RegisterHealthServer(server, service)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()

	bare, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := grpc.NewServer()
	go func() { _ = other.Serve(bare) }()
	defer other.Stop()

	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	for _, tt := range []struct {
		name, address, service string
		want                   Verdict
		message                string
	}{
		{"server", listener.Addr().String(), "", Up, "SERVING"},
		{"service", listener.Addr().String(), "good", Up, "SERVING"},
		{"not serving", listener.Addr().String(), "bad", Down, "NOT_SERVING"},
		{"unknown", listener.Addr().String(), "none", Down, "does not know the service"},
		{"no health service", bare.Addr().String(), "", Down, "does not offer"},
		{"refused", refused(t), "", Down, "connection refused"},
		{"silent", silent.Addr().String(), "", Down, "no answer in"},
		{"no such host", "no-such-host.invalid:1", "", Down, "no such host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &GRPC{Address: tt.address, Service: tt.service, Dialer: &Dialer{}}
			deadline := patience
			if tt.name == "silent" {
				deadline = time.Second
			}
			expect(t, p.Run(within(t, deadline)), tt.want, tt.message)
		})
	}
}

func TestTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	expect(t, (&TCP{Address: listener.Addr().String(), Dialer: &Dialer{}}).Run(within(t, patience)), Up, "connected")
	expect(t, (&TCP{Address: refused(t), Dialer: &Dialer{}}).Run(within(t, patience)), Down, "connection refused")
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	end := server.Certificate().NotAfter
	at := func(left time.Duration) func() time.Time { return func() time.Time { return end.Add(-left) } }
	for _, tt := range []struct {
		name    string
		config  *tls.Config
		want    Verdict
		message string
	}{
		{"valid", &tls.Config{RootCAs: roots, Time: at(30 * 24 * time.Hour)}, Up, "valid until"},
		{"expires soon", &tls.Config{RootCAs: roots, Time: at(24 * time.Hour)}, Down, "want at least 168h0m0s"},
		{"expired", &tls.Config{RootCAs: roots, Time: at(-time.Hour)}, Down, "expired"},
		{"expired and not verified", &tls.Config{InsecureSkipVerify: true, Time: at(-time.Hour)}, Down, "expired at"},
		{"unknown authority", nil, Down, "certificate signed by unknown authority"},
		{"other name", &tls.Config{RootCAs: roots, ServerName: "other.test", Time: at(30 * 24 * time.Hour)}, Down, "other.test"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &TLS{Address: server.Listener.Addr().String(), MinValidity: 168 * time.Hour, Config: tt.config, Dialer: &Dialer{}}
			expect(t, p.Run(within(t, 5*time.Second)), tt.want, tt.message)
		})
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	expect(t, (&TLS{Address: plain.Listener.Addr().String(), Dialer: &Dialer{}}).Run(within(t, patience)), Down, "TLS handshake")
}

func TestDNS(t *testing.T) {
	server := newNameServer(t)
	for _, tt := range []struct {
		name, record, host string
		expected           []string
		want               Verdict
		message            string
	}{
		{"address", "A", "web.test", nil, Up, "1 answers"},
		{"expected address", "A", "web.test", []string{"10.1.2.3"}, Up, ""},
		{"other address", "A", "web.test", []string{"10.1.2.4"}, Down, "10.1.2.4 is not among"},
		{"text", "TXT", "web.test", []string{"v=1"}, Up, ""},
		{"no such name", "A", "none.test", nil, Down, "no such host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &DNS{Name: tt.host + ".", RecordType: tt.record, Server: server, ExpectedValues: tt.expected, Dialer: &Dialer{}}
			expect(t, p.Run(within(t, 5*time.Second)), tt.want, tt.message)
		})
	}
	// A server that was named and does not answer is what fails.
	gone := &DNS{Name: "web.test.", RecordType: "A", Server: refused(t), Dialer: &Dialer{}}
	got := gone.Run(within(t, time.Second))
	expect(t, got, Down, "look up web.test.: connection refused")
}
