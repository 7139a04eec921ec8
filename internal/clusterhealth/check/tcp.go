package check

import (
	"context"

	"k8s.io/apimachinery/pkg/util/validation/field"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/platform/probe"
)

var tcpType = Type{
	Name:    "tcp",
	Present: func(c *health.Check) bool { return c.TCP != nil },
	Validate: func(c *health.Check, at *field.Path) field.ErrorList {
		return validateAddress(c.TCP.Address, at.Child("address"))
	},
	Target: func(c *health.Check) string { return c.TCP.Address },
	Access: noAccess,
	New: func(c *health.Check, env *Env) (Check, error) {
		return &tcpCheck{probe.TCP{Address: c.TCP.Address, Dialer: env.Dialer}}, nil
	},
}

type tcpCheck struct{ probe probe.TCP }

func (t *tcpCheck) Run(ctx context.Context) Outcome { return outcome(t.probe.Run(ctx)) }
