package identity

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/bodega-hq/bodega/internal/identity/password"
	"github.com/bodega-hq/bodega/internal/platform/auth"
)

// DemoSignIn is a user of the demo marketplace with the password that is
// shown to everybody.
type DemoSignIn struct {
	Email    string
	Password string
	Name     string
	Role     auth.Role
}

// EnsureDemo makes the users of the demo marketplace, and answers with all of
// them and their passwords, which are drawn once for each database.
func (m *Module) EnsureDemo(ctx context.Context, users []User) ([]DemoSignIn, error) {
	if !m.deps.Demo {
		return nil, errNotDemo
	}
	existing, err := m.store.demoSignIns(ctx)
	if err != nil {
		return nil, err
	}
	drawn := make(map[string]string, len(existing))
	for _, d := range existing {
		drawn[d.Email] = d.Password
	}
	for _, u := range users {
		secret, hash := drawn[u.Email], ""
		if secret == "" {
			secret = "demo-" + strings.ToLower(rand.Text()[:10])
			hash = password.Hash(secret)
		}
		u.CreatedAt = m.deps.Now()
		if err := checkMerchant(u.Role, u.MerchantID); err != nil {
			return nil, err
		}
		if err := m.store.putDemoUser(ctx, u, hash, secret); err != nil {
			return nil, err
		}
	}
	return m.store.demoSignIns(ctx)
}
