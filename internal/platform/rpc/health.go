package rpc

import (
	"context"
	"net/http"
	"sync"

	"connectrpc.com/connect"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
)

// healthService is the standard gRPC health service:
// https://github.com/grpc/grpc/blob/master/doc/health-checking.md
const healthService = "grpc.health.v1.Health"

var errUnknownService = fault.New(fault.NotFound, "this server does not have that service")

// health answers whether services take calls. The empty name is the server.
type health struct {
	mu       sync.Mutex
	services map[string]bool
	down     bool
	changed  chan struct{} // closed and replaced at every change
}

func newHealth() *health {
	return &health{services: map[string]bool{"": true, healthService: true}, changed: make(chan struct{})}
}

func (h *health) set(service string, serving bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if was, ok := h.services[service]; ok && was == serving {
		return
	}
	h.services[service] = serving
	h.announce()
}

// shutdown makes every answer NOT_SERVING, whatever is set later.
func (h *health) shutdown() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = true
	h.announce()
}

func (h *health) announce() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *health) status(service string) (status healthv1.HealthCheckResponse_ServingStatus, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	serving, ok := h.services[service]
	switch {
	case !ok:
		return healthv1.HealthCheckResponse_SERVICE_UNKNOWN, h.changed
	case h.down || !serving:
		return healthv1.HealthCheckResponse_NOT_SERVING, h.changed
	default:
		return healthv1.HealthCheckResponse_SERVING, h.changed
	}
}

func (h *health) check(_ context.Context, req *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	status, _ := h.status(req.GetService())
	if status == healthv1.HealthCheckResponse_SERVICE_UNKNOWN {
		return nil, errUnknownService
	}
	return &healthv1.HealthCheckResponse{Status: status}, nil
}

func (h *health) watch(ctx context.Context, req *healthv1.HealthCheckRequest, stream *connect.ServerStream[healthv1.HealthCheckResponse]) error {
	sent := healthv1.HealthCheckResponse_ServingStatus(-1)
	for {
		status, changed := h.status(req.GetService())
		if status != sent {
			if err := stream.Send(&healthv1.HealthCheckResponse{Status: status}); err != nil {
				return err
			}
			sent = status
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *health) list(context.Context, *healthv1.HealthListRequest) (*healthv1.HealthListResponse, error) {
	res := &healthv1.HealthListResponse{Statuses: make(map[string]*healthv1.HealthCheckResponse)}
	h.mu.Lock()
	defer h.mu.Unlock()
	for service, serving := range h.services {
		status := healthv1.HealthCheckResponse_SERVING
		if h.down || !serving {
			status = healthv1.HealthCheckResponse_NOT_SERVING
		}
		res.Statuses[service] = &healthv1.HealthCheckResponse{Status: status}
	}
	return res, nil
}

// handleHealth serves health to everybody: whoever balances load has no
// credential.
func (s *Server) handleHealth() {
	check, watch, list := "/"+healthService+"/Check", "/"+healthService+"/Watch", "/"+healthService+"/List"
	mux := http.NewServeMux()
	mux.Handle(check, connect.NewUnaryHandlerSimple(check, s.health.check, s.Options()...))
	mux.Handle(watch, connect.NewServerStreamHandlerSimple(watch, s.health.watch, s.Options()...))
	mux.Handle(list, connect.NewUnaryHandlerSimple(list, s.health.list, s.Options()...))
	s.handleService("/"+healthService+"/", mux, []Method{
		{Procedure: check, Permission: auth.Public, SideEffectFree: true},
		{Procedure: watch, Permission: auth.Public, SideEffectFree: true, ServerStream: true},
		{Procedure: list, Permission: auth.Public, SideEffectFree: true},
	})
}
