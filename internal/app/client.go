package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/bodega-hq/bodega/gen/bodega/identity/v1/identityv1connect"
	"github.com/bodega-hq/bodega/gen/bodega/inventory/v1/inventoryv1connect"
	"github.com/bodega-hq/bodega/internal/platform/auth/local"
	"github.com/bodega-hq/bodega/internal/platform/rpc"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// Remote says which server a command talks to, and as whom.
type Remote struct {
	Server string `default:"http://127.0.0.1:8080" placeholder:"URL" help:"Server to talk to."`
	Token  string `placeholder:"SECRET" help:"API token. Without it, the credential that a server started by the same user on this machine has left is used."`
	Tenant string `placeholder:"NAME" help:"Tenant to see; the server's default without it."`
	CACert string `name:"ca-cert" placeholder:"FILE" help:"Certificate authority, in PEM, to trust besides the system's."`
}

// api is a connection to a server with a client for each service.
type api struct {
	client    *rpc.Client
	identity  identityv1connect.IdentityServiceClient
	merchants inventoryv1connect.MerchantServiceClient
	feeds     inventoryv1connect.FeedServiceClient
	items     inventoryv1connect.ItemServiceClient
}

// connect reaches the server; the context carries the chosen tenant.
func (r *Remote) connect(ctx context.Context) (context.Context, *api, error) {
	base := strings.TrimSuffix(r.Server, "/")
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base)
	if err != nil {
		return ctx, nil, fmt.Errorf("server %q: %w", r.Server, err)
	}
	secret := r.Token
	if secret == "" {
		if secret, err = localSecret(u); err != nil {
			return ctx, nil, err
		}
	}
	trust, err := r.trust()
	if err != nil {
		return ctx, nil, err
	}
	a, err := dial(base, secret, trust)
	if err != nil {
		return ctx, nil, err
	}
	if r.Tenant != "" {
		ctx = tenant.With(ctx, tenant.ID(r.Tenant))
	}
	return ctx, a, nil
}

func dial(base, secret string, trust *tls.Config) (*api, error) {
	c, err := rpc.NewClient(rpc.ClientConfig{BaseURL: base, Secret: secret, TLS: trust, UserAgent: "bodega/" + version()}, nil)
	if err != nil {
		return nil, err
	}
	return &api{
		client:    c,
		identity:  identityv1connect.NewIdentityServiceClient(c.HTTP(), c.BaseURL(), c.Options()...),
		merchants: inventoryv1connect.NewMerchantServiceClient(c.HTTP(), c.BaseURL(), c.Options()...),
		feeds:     inventoryv1connect.NewFeedServiceClient(c.HTTP(), c.BaseURL(), c.Options()...),
		items:     inventoryv1connect.NewItemServiceClient(c.HTTP(), c.BaseURL(), c.Options()...),
	}, nil
}

// localSecret is the credential that a server of the same user has left.
func localSecret(u *url.URL) (string, error) {
	credentials, err := local.Open()
	if err != nil {
		return "", err
	}
	address := u.Host
	if u.Port() == "" {
		address += map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
	}
	found, err := credentials.Find(strings.Replace(address, "localhost:", "127.0.0.1:", 1))
	if errors.Is(err, local.ErrNone) {
		return "", fmt.Errorf("no credential for %s: start `bodega serve` as this user, name another server with --server, or give a token with --token or BODEGA_TOKEN", u.Host)
	}
	return found.Secret, err
}

func (r *Remote) trust() (*tls.Config, error) {
	if r.CACert == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(r.CACert)
	if err != nil {
		return nil, fmt.Errorf("ca-cert: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca-cert %s: no certificate in it", r.CACert)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
