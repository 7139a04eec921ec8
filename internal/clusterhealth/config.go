package clusterhealth

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/bodega-hq/bodega/internal/platform/probe"
)

// Config of the operator.
type Config struct {
	Namespace string `env:"POD_NAMESPACE" help:"Namespace that the operator itself runs in, for its lease and its webhook's certificate; the pod's own, or that of the kubeconfig, where absent."`

	LeaderElect   bool          `default:"true" negatable:"" help:"Run checks only while holding the lease. Without it there must be one replica."`
	LeaseDuration time.Duration `default:"15s" help:"How long a lease holds that its leader does not renew."`
	RenewDeadline time.Duration `default:"10s" help:"How long a leader tries to renew before it ends."`
	RetryPeriod   time.Duration `default:"2s" help:"How long between two tries to get or renew the lease."`

	MetricsAddress string `default:":8080" help:"Address to serve metrics on; 0 for none."`
	HealthAddress  string `default:":8081" help:"Address to serve /healthz and /readyz on; 0 for none."`

	Concurrency int     `default:"256" help:"Checks that run at once."`
	PerTarget   int     `default:"4" help:"Checks that meet one target at once."`
	WriteBudget float64 `default:"50" help:"Statuses written a second, besides transitions."`

	AllowMetadataAddresses bool     `help:"Let probes reach the addresses, link-local and other, at which clouds serve credentials."`
	DenyCIDRs              []string `name:"deny-cidr" help:"Networks that probes must not reach, besides those addresses."`

	Webhook     string `enum:"off,self-signed,files" default:"off" help:"Serve the admission webhook with a certificate of its own (self-signed) or from files, as cert-manager mounts them. Without it, checks that read secrets or logs or run commands are refused."`
	WebhookHost string `help:"Address to serve the webhook on; all where empty."`
	// No variable: Kubernetes sets the one of that name to the URL of the webhook's
	// service, in every pod beside it.
	WebhookPort          int    `env:"-" default:"9443" help:"Port to serve the webhook on."`
	WebhookCertDir       string `default:"/etc/bodega-operator/webhook" help:"Folder of tls.crt and tls.key, with --webhook=files."`
	WebhookSecret        string `default:"bodega-operator-webhook" help:"Secret that the certificate is kept in, with --webhook=self-signed."`
	WebhookService       string `default:"bodega-operator-webhook" help:"Service that the API server reaches the webhook by, with --webhook=self-signed."`
	WebhookConfiguration string `default:"bodega-operator" help:"ValidatingWebhookConfiguration that specs are reviewed by; with --webhook=self-signed the authority is written to it."`
}

// Validate says what is wrong with a Config.
func (c *Config) Validate() error {
	switch {
	case c.Concurrency < 1 || c.PerTarget < 1:
		return errors.New("concurrency and per-target are at least 1")
	case c.WriteBudget <= 0:
		return errors.New("write-budget is above 0")
	case c.LeaderElect && !(c.RetryPeriod < c.RenewDeadline && c.RenewDeadline < c.LeaseDuration):
		return fmt.Errorf("retry-period %s, renew-deadline %s and lease-duration %s are not in ascending order", c.RetryPeriod, c.RenewDeadline, c.LeaseDuration)
	}
	_, err := c.denied()
	return err
}

func (c *Config) denied() ([]netip.Prefix, error) {
	var out []netip.Prefix
	if !c.AllowMetadataAddresses {
		out = probe.MetadataRanges()
	}
	for _, text := range c.DenyCIDRs {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("deny-cidr %q: %w", text, err)
		}
		out = append(out, prefix)
	}
	return out, nil
}
