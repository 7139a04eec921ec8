package identity

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bodega-hq/bodega/gen/bodega/identity/v1/identityv1connect"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/pg"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

//go:embed migrations/*.sql
var migrations embed.FS

var (
	errNotDemo = errors.New("demo users exist only where the server runs on demo data")
	errNoPeer  = errors.New("the call has no peer")
)

// Merchants says which merchants there are.
type Merchants interface {
	// HasMerchant says whether the tenant of ctx has a merchant.
	HasMerchant(ctx context.Context, id string) (bool, error)
}

// Deps is what identity needs from its process.
type Deps struct {
	// Pool looks unqualified names up in Schema.
	Pool    *pgxpool.Pool
	Tenants tenant.Set
	// Merchants are those that users and tokens may be bound to.
	Merchants Merchants
	Now       func() time.Time
	// SecureCookies says that the server speaks TLS.
	SecureCookies bool
	// Demo lets demo users exist.
	Demo bool
}

// Module is identity, put together.
type Module struct {
	deps      Deps
	cfg       Config
	store     *store
	sessions  *Sessions
	tokens    *tokens
	passwords *passwords
}

// New puts identity together. Start has to run before anybody is answered.
func New(cfg Config, deps Deps) (*Module, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("identity configuration: %w", err)
	}
	s := &store{pool: deps.Pool}
	return &Module{
		deps: deps, cfg: cfg, store: s,
		sessions:  &Sessions{store: s, cfg: cfg, secure: deps.SecureCookies || cfg.SecureCookies, demo: deps.Demo, now: deps.Now},
		tokens:    &tokens{store: s, now: deps.Now},
		passwords: newPasswords(s, cfg, deps.Demo, deps.Now),
	}, nil
}

// Migrations are the files that make Schema.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

// Start brings the schema up to date, and removes what demo users an earlier
// start with demo data left behind, unless this is one too.
func (m *Module) Start(ctx context.Context) error {
	if err := pg.Migrate(ctx, m.deps.Pool, Schema, Migrations()); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if m.deps.Demo {
		return nil
	}
	return m.store.removeDemoUsers(ctx)
}

// Authenticator knows API tokens and sessions.
func (m *Module) Authenticator() auth.Authenticator {
	return auth.FirstOf(m.tokens, m.sessions)
}

// Handler answers IdentityService.
func (m *Module) Handler() identityv1connect.IdentityServiceHandler { return &service{m} }

// Sessions starts and ends sessions, for other ways to sign in.
func (m *Module) Sessions() *Sessions { return m.sessions }

// Expire deletes what is over: sessions and counts of attempts. Call it from a
// schedule.
func (m *Module) Expire(ctx context.Context) error {
	for _, e := range []pg.Expiry{
		{Schema: Schema, Table: "sessions", Column: "expires_at", Key: []string{"secret_hash"}},
		{Schema: Schema, Table: "sign_in_attempts", Column: "expires_at", Key: []string{"scope"}},
	} {
		if _, err := pg.Expire(ctx, m.deps.Pool, e); err != nil {
			return fmt.Errorf("expire %s: %w", e.Table, err)
		}
	}
	return nil
}
