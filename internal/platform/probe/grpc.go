package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// GRPC asks the standard health service (grpc.health.v1.Health) for a service.
type GRPC struct {
	// Address as host:port.
	Address string
	// Service to ask for; the server as a whole where empty.
	Service string
	// Authority to send instead of the address's host, if set.
	Authority string
	// TLS settings; plain text where nil.
	TLS    *tls.Config
	Dialer *Dialer
}

// Run asks once, over a connection of its own.
func (p *GRPC) Run(ctx context.Context) Result {
	start := time.Now()
	res := p.run(ctx, start)
	res.Latency = time.Since(start)
	return res
}

func (p *GRPC) run(ctx context.Context, start time.Time) Result {
	doing := "health of " + p.subject() + " at " + p.Address

	// The client reports a failed dial as text only; what is needed to tell
	// whose fault it was is kept aside here.
	var mu sync.Mutex
	var dialError error
	dial := func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := p.Dialer.DialContext(ctx, "tcp", address)
		mu.Lock()
		dialError = err
		mu.Unlock()
		return conn, err
	}
	transport := insecure.NewCredentials()
	if p.TLS != nil {
		transport = credentials.NewTLS(p.TLS)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport), grpc.WithContextDialer(dial), grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(), grpc.WithUserAgent("bodega-probe"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 10)),
	}
	if p.Authority != "" {
		options = append(options, grpc.WithAuthority(p.Authority))
	}
	conn, err := grpc.NewClient("passthrough:///"+p.Address, options...)
	if err != nil {
		return Result{Verdict: Broken, Message: fmt.Sprintf("%s: %v", doing, err)}
	}
	defer func() { _ = conn.Close() }() // what was asked has been answered

	resp, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{Service: p.Service})
	if err != nil {
		mu.Lock()
		cause := dialError
		mu.Unlock()
		if cause != nil {
			return failure(ctx, doing, cause, time.Since(start))
		}
		switch status.Code(err) {
		case codes.NotFound:
			return down("%s: the server does not know the service", doing)
		case codes.Unimplemented:
			return down("%s: the server does not offer grpc.health.v1.Health", doing)
		case codes.DeadlineExceeded, codes.Canceled:
			return failure(ctx, doing, context.DeadlineExceeded, time.Since(start))
		}
		// What the client itself says of a broken connection helps; what a server
		// says may be anyone's.
		if text := status.Convert(err).Message(); strings.HasPrefix(text, "connection error") {
			return down("%s: %s: %s", doing, status.Code(err), text)
		}
		return down("%s: %s", doing, status.Code(err))
	}
	if got := resp.GetStatus(); got != healthpb.HealthCheckResponse_SERVING {
		return down("%s: %s", doing, got)
	}
	return Result{Verdict: Up, Message: fmt.Sprintf("SERVING in %s", round(time.Since(start)))}
}

func (p *GRPC) subject() string {
	if p.Service == "" {
		return "the server"
	}
	return p.Service
}
