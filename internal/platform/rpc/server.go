package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpcreflect"
	"connectrpc.com/validate"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/telemetry"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// unknownProcedure stands in metrics for whatever callers make up.
const unknownProcedure = "unknown"

var errDraining = fault.New(fault.Unavailable, "the server is going down; call again")

// ServerDeps is what a Server needs from its process.
type ServerDeps struct {
	Logger        *slog.Logger
	Metrics       *telemetry.Metrics
	Authenticator auth.Authenticator
	Tenants       tenant.Set
	Now           func() time.Time
	// Classify sorts errors that carry no kind; nil sorts none.
	Classify Classifier
}

// Server serves RPCs by gRPC, gRPC-Web and Connect, and plain HTTP routes, on
// one listener.
type Server struct {
	cfg         ServerConfig
	deps        ServerDeps
	mux         *http.ServeMux
	methods     []Method
	services    []string
	health      *health
	origins     *http.CrossOriginProtection
	writer      *connect.ErrorWriter
	certificate *certificate
	requests    *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	draining    context.Context
	drain       context.CancelCauseFunc
}

// NewServer makes a server without services but for health. Handle adds them.
func NewServer(cfg ServerConfig, deps ServerDeps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("server configuration: %w", err)
	}
	s := &Server{cfg: cfg, deps: deps, mux: http.NewServeMux(), health: newHealth(), origins: http.NewCrossOriginProtection()}
	for _, origin := range cfg.TrustedOrigins {
		if err := s.origins.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("trusted origin %q: %w", origin, err)
		}
	}
	if cfg.TLS() {
		s.certificate = &certificate{certFile: cfg.TLSCert, keyFile: cfg.TLSKey, now: deps.Now}
		if _, err := s.certificate.load(); err != nil {
			return nil, err
		}
	}
	s.requests = deps.Metrics.Counter(RequestsTotal)
	s.seconds = deps.Metrics.Histogram(RequestSeconds)
	s.inFlight = deps.Metrics.Gauge(RequestsInFlight).WithLabelValues()
	s.writer = connect.NewErrorWriter(s.Options()...)
	s.draining, s.drain = context.WithCancelCause(context.Background())
	s.handleHealth()
	return s, nil
}

// Options are what every Connect handler on this server is made with.
func (s *Server) Options() []connect.HandlerOption {
	return []connect.HandlerOption{
		connect.WithReadMaxBytes(s.cfg.MaxMessage),
		connect.WithSendMaxBytes(s.cfg.MaxMessage),
		connect.WithInterceptors(errorMapping{s.deps.Classify}, validate.NewInterceptor()),
	}
}

// Handle adds a generated Connect handler, made with Options:
//
//	s.Handle(inventoryv1connect.NewFeedServiceHandler(feeds, s.Options()...))
//
// It panics where a method names no permission: a mistake of the program,
// like a pattern that two routes claim.
func (s *Server) Handle(path string, h http.Handler) {
	methods, err := MethodsOf(serviceOf(path))
	if err != nil {
		panic(err)
	}
	s.methods = append(s.methods, methods...)
	s.services = append(s.services, serviceOf(path))
	s.health.set(serviceOf(path), true)
	s.handleService(path, h, methods)
}

func (s *Server) handleService(path string, h http.Handler, methods []Method) {
	byPath := make(map[string]Method, len(methods))
	for _, m := range methods {
		byPath[m.Procedure] = m
	}
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		method, ok := byPath[r.URL.Path]
		if !ok {
			method = Method{Procedure: unknownProcedure, Permission: auth.Public}
			s.serve(w, r, method, func(http.ResponseWriter, *http.Request) error {
				return connect.NewError(connect.CodeUnimplemented, fmt.Errorf("%s has no method %s", serviceOf(path), strings.TrimPrefix(r.URL.Path, path)))
			})
			return
		}
		s.serve(w, r, method, func(w http.ResponseWriter, r *http.Request) error {
			h.ServeHTTP(w, r)
			return nil
		})
	})
}

// HTTPHandler serves a plain HTTP route. An error that it returns before it
// has written anything becomes the answer, as JSON with code, message and
// request_id.
type HTTPHandler func(w http.ResponseWriter, r *http.Request) error

// HandleHTTP adds a plain HTTP route, in the patterns of http.ServeMux, behind
// the same authentication, permission and tenant as an RPC. It panics on a
// permission that does not exist.
func (s *Server) HandleHTTP(pattern string, permission auth.Permission, h HTTPHandler) {
	verb, _, _ := strings.Cut(pattern, " ")
	m := Method{
		Procedure: pattern, Permission: permission, HTTP: true, ClientStream: true,
		SideEffectFree: verb == http.MethodGet || verb == http.MethodHead,
	}
	if err := checkPermission(m); err != nil {
		panic(err)
	}
	s.methods = append(s.methods, m)
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, m, h) })
}

// Methods lists what the server serves, in the order it was added.
func (s *Server) Methods() []Method { return slices.Clone(s.methods) }

// SetServing says whether a service, or with an empty name the whole server,
// takes calls; health checks answer with it.
func (s *Server) SetServing(service string, serving bool) { s.health.set(service, serving) }

// serve is the way of every request, whatever it asks for.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, m Method, h HTTPHandler) {
	start := s.deps.Now()
	c := &call{id: requestID(r.Header), method: m}
	rw := &responseWriter{ResponseWriter: w, control: http.NewResponseController(w), stall: s.cfg.StallTimeout}
	rw.Header().Set(RequestIDHeader, c.id)
	rw.Header().Set("X-Content-Type-Options", "nosniff")
	if m.Permission != auth.Public {
		// One caller's rows are not for a cache; a route that knows better says so.
		rw.Header().Set("Cache-Control", "no-store")
	}
	s.inFlight.Inc()
	defer func() {
		// net/http asks for == here; an aborted answer is no defect.
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			c.stack = debug.Stack()
			s.refuse(rw, r, c, fmt.Errorf("panic: %v", p))
		}
		c.settle(rw)
		rw.begin() // what is buffered leaves after this function
		s.inFlight.Dec()
		elapsed := s.deps.Now().Sub(start)
		s.requests.WithLabelValues(m.Procedure, c.code).Inc()
		s.seconds.WithLabelValues(m.Procedure).Observe(elapsed.Seconds())
		s.log(r, c, rw, elapsed)
	}()

	limit := s.cfg.UnaryTimeout
	if m.ClientStream || m.ServerStream {
		limit = s.cfg.StreamTimeout
	}
	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), callKey{}, c), limit)
	defer cancel()
	if m.ServerStream {
		// A stream that only watches could outlive any drain.
		watched, stop := context.WithCancelCause(ctx)
		defer stop(nil)
		defer context.AfterFunc(s.draining, func() { stop(errDraining) })()
		ctx = watched
	}
	body := rw.guard(r.Body, limit, m.ClientStream)
	ctx, err := s.admit(ctx, r, c)
	// A copy: net/http has to find its own body in its own request, to see
	// whether the connection can be used again.
	r = r.WithContext(ctx)
	r.Body = body
	if err == nil {
		err = h(rw, r)
	}
	if err != nil {
		s.refuse(rw, r, c, err)
	}
}

// refuse answers with err, unless the answer has begun.
func (s *Server) refuse(w *responseWriter, r *http.Request, c *call, err error) {
	out := outward(r.Context(), err, c.id, s.deps.Classify)
	c.err, c.code = err, out.Code().String()
	switch {
	case w.status != 0:
	case c.method.HTTP:
		c.code = writeHTTPError(w, out, err, c.id).Code().String()
	default:
		// A client that is gone does not need its error.
		_ = s.writer.Write(w, r, out)
	}
}

func (s *Server) log(r *http.Request, c *call, w *responseWriter, elapsed time.Duration) {
	attrs := []slog.Attr{
		slog.String("procedure", c.method.Procedure),
		slog.String("code", c.code),
		slog.String("request_id", c.id),
		slog.Duration("duration", elapsed),
		slog.String("peer", r.RemoteAddr),
		slog.Int64("bytes_out", w.written),
	}
	if !c.method.HTTP {
		attrs = append(attrs, slog.String("protocol", protocolOf(r)))
	}
	if c.caller.Subject != "" {
		attrs = append(attrs, slog.String("subject", c.caller.Subject), slog.String("tenant", string(c.tenant)))
	}
	if c.err != nil {
		attrs = append(attrs, slog.String("error", c.err.Error()))
	}
	if c.stack != nil {
		attrs = append(attrs, slog.String("stack", string(c.stack)))
	}
	s.deps.Logger.LogAttrs(r.Context(), c.level(), "request", attrs...)
}

// Handler is the whole server as one handler.
func (s *Server) Handler() http.Handler {
	nowhere := Method{Procedure: unknownProcedure, Permission: auth.Public, HTTP: true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := s.mux.Handler(r); pattern != "" {
			s.mux.ServeHTTP(w, r)
			return
		}
		s.serve(w, r, nowhere, func(_ http.ResponseWriter, r *http.Request) error {
			return fault.Errorf(fault.NotFound, "there is nothing at %s %s", r.Method, r.URL.Path)
		})
	})
}

// Listen opens the configured address.
func (s *Server) Listen() (net.Listener, error) {
	ln, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", s.cfg.Listen, err)
	}
	return ln, nil
}

// Serve answers on ln until ctx ends, then drains: it takes no new calls,
// ends the streams that only watch, lets the other calls finish for
// DrainTimeout, and closes what is left. It returns nil after a clean drain.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if s.cfg.Reflection {
		s.handleReflection()
	}
	srv := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(s.deps.Logger.Handler(), slog.LevelDebug),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 250, SendPingTimeout: 30 * time.Second},
		Protocols:         new(http.Protocols),
	}
	srv.Protocols.SetHTTP1(true)
	serve := srv.Serve
	if s.certificate != nil {
		srv.Protocols.SetHTTP2(true)
		srv.TLSConfig = s.certificate.config()
		serve = func(ln net.Listener) error { return srv.ServeTLS(ln, "", "") }
	} else {
		srv.Protocols.SetUnencryptedHTTP2(true)
	}
	served := make(chan error, 1)
	go func() { served <- serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	s.health.shutdown()
	s.drain(errDraining)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainTimeout)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("drain %s: calls still ran after %s", ln.Addr(), s.cfg.DrainTimeout), srv.Close())
	}
	return nil
}

func (s *Server) handleReflection() {
	reflector := grpcreflect.NewStaticReflector(slices.Concat(s.services, []string{healthService})...)
	for _, add := range []func(*grpcreflect.Reflector, ...connect.HandlerOption) (string, http.Handler){
		grpcreflect.NewHandlerV1, grpcreflect.NewHandlerV1Alpha,
	} {
		path, h := add(reflector, s.Options()...)
		s.handleService(path, h, []Method{{
			Procedure: path + "ServerReflectionInfo", Permission: auth.Public,
			SideEffectFree: true, ClientStream: true, ServerStream: true,
		}})
	}
}
