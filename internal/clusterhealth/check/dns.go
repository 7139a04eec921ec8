package check

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/platform/probe"
)

var dnsType = Type{
	Name:    "dns",
	Present: func(c *health.Check) bool { return c.DNS != nil },
	Validate: func(c *health.Check, at *field.Path) field.ErrorList {
		errs := validateName(c.DNS.Name, at.Child("name"))
		switch c.DNS.RecordType {
		case "", "A", "AAAA", "CNAME", "TXT", "MX", "NS", "SRV":
		default:
			errs = append(errs, field.NotSupported(at.Child("recordType"), c.DNS.RecordType, []string{"A", "AAAA", "CNAME", "TXT", "MX", "NS", "SRV"}))
		}
		if c.DNS.Server != "" {
			errs = append(errs, validateAddress(c.DNS.Server, at.Child("server"))...)
		}
		if len(c.DNS.ExpectedValues) > 32 {
			errs = append(errs, field.TooMany(at.Child("expectedValues"), len(c.DNS.ExpectedValues), 32))
		}
		for i, value := range c.DNS.ExpectedValues {
			errs = append(errs, tooLong(value, at.Child("expectedValues").Index(i), 255)...)
		}
		return errs
	},
	Target: func(c *health.Check) string { return fmt.Sprintf("dns/%s", c.DNS.Server) },
	Access: noAccess,
	New: func(c *health.Check, env *Env) (Check, error) {
		recordType := c.DNS.RecordType
		if recordType == "" {
			recordType = "A"
		}
		return &dnsCheck{probe.DNS{
			Name: c.DNS.Name, RecordType: recordType, Server: c.DNS.Server,
			ExpectedValues: c.DNS.ExpectedValues, Dialer: env.Dialer,
		}}, nil
	},
}

type dnsCheck struct{ probe probe.DNS }

func (d *dnsCheck) Run(ctx context.Context) Outcome { return outcome(d.probe.Run(ctx)) }
