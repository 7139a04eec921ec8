package check

import (
	"context"
	"crypto/tls"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation/field"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/platform/probe"
)

var grpcType = Type{
	Name:    "grpc",
	Present: func(c *health.Check) bool { return c.GRPC != nil },
	Validate: func(c *health.Check, at *field.Path) field.ErrorList {
		errs := validateAddress(c.GRPC.Address, at.Child("address"))
		errs = append(errs, tooLong(c.GRPC.Service, at.Child("service"), 256)...)
		errs = append(errs, tooLong(c.GRPC.Authority, at.Child("authority"), 253)...)
		return append(errs, validateTLS(c.GRPC.TLS, at.Child("tls"))...)
	},
	Target: func(c *health.Check) string { return c.GRPC.Address },
	Access: func(c *health.Check, _ meta.RESTMapper) ([]Access, error) { return tlsAccess(c.GRPC.TLS), nil },
	New: func(c *health.Check, env *Env) (Check, error) {
		source, err := newTLSSource(c.GRPC.TLS, env)
		if err != nil {
			return nil, err
		}
		if source.secret != nil && env.Cluster == nil {
			return nil, ErrNoCluster
		}
		return &grpcCheck{tls: source, probe: probe.GRPC{
			Address: c.GRPC.Address, Service: c.GRPC.Service, Authority: c.GRPC.Authority, Dialer: env.Dialer,
		}}, nil
	},
}

type grpcCheck struct {
	probe probe.GRPC
	tls   *tlsSource
}

func (g *grpcCheck) Run(ctx context.Context) Outcome {
	p := g.probe
	var config *tls.Config
	if g.tls.config != nil {
		var bad *Outcome
		if config, bad = g.tls.load(ctx); bad != nil {
			return *bad
		}
	}
	p.TLS = config
	return outcome(p.Run(ctx))
}
