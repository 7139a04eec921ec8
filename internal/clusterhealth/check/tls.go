package check

import (
	"context"
	"crypto/tls"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation/field"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/platform/probe"
)

// A week is enough to notice on a working day that a renewal did not happen.
const defaultMinValidity = 7 * 24 * time.Hour

var tlsType = Type{
	Name:    "tls",
	Present: func(c *health.Check) bool { return c.TLS != nil },
	Validate: func(c *health.Check, at *field.Path) field.ErrorList {
		errs := validateAddress(c.TLS.Address, at.Child("address"))
		errs = append(errs, validateDuration(c.TLS.MinValidity, at.Child("minValidity"), 0, 8760*time.Hour)...)
		return append(errs, validateTLS(c.TLS.TLS, at.Child("tls"))...)
	},
	Target: func(c *health.Check) string { return c.TLS.Address },
	Access: func(c *health.Check, _ meta.RESTMapper) ([]Access, error) { return tlsAccess(c.TLS.TLS), nil },
	New: func(c *health.Check, env *Env) (Check, error) {
		source, err := newTLSSource(c.TLS.TLS, env)
		if err != nil {
			return nil, err
		}
		if source.secret != nil && env.Cluster == nil {
			return nil, ErrNoCluster
		}
		t := &tlsCheck{env: env, tls: source, probe: probe.TLS{
			Address: c.TLS.Address, MinValidity: defaultMinValidity, Dialer: env.Dialer,
		}}
		if c.TLS.MinValidity != nil {
			t.probe.MinValidity = c.TLS.MinValidity.Duration
		}
		return t, nil
	},
}

type tlsCheck struct {
	probe probe.TLS
	tls   *tlsSource
	env   *Env
}

func (t *tlsCheck) Run(ctx context.Context) Outcome {
	config, bad := t.tls.load(ctx)
	if bad != nil {
		return *bad
	}
	if config == nil {
		config = &tls.Config{}
	} else {
		config = config.Clone()
	}
	config.Time = t.env.Now
	p := t.probe
	p.Config = config
	return outcome(p.Run(ctx))
}
