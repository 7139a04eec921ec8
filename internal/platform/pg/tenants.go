package pg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrUnknownTenant says that no tenant has that name.
var ErrUnknownTenant = errors.New("unknown tenant")

// Names have no underscore, so that "prod_inventory" reads in one way only, and
// are short enough that both together fit PostgreSQL's 63 bytes.
var namePattern = regexp.MustCompile(`^[a-z][a-z0-9]{0,29}$`)

// Schema names the schema that a system has in a tenant: "prod_inventory".
func Schema(tenant, system string) string { return tenant + "_" + system }

// Tenants holds one pool per tenant. Each connection of a tenant's pool looks
// unqualified names up in that tenant's schemas and nowhere else, from its
// start on; no statement changes that, so nothing has to be put back.
type Tenants struct {
	pools   map[string]*pgxpool.Pool
	systems []string
}

// OpenTenants makes a pool on the database at url for each tenant and waits
// until the database answers. The tables of every system in systems are in
// reach of every tenant's pool; table names are unique across systems.
// opts.MaxConns bounds each pool, and opts.SearchPath is not used.
func OpenTenants(ctx context.Context, url string, tenants, systems []string, opts Options) (_ *Tenants, err error) {
	if len(tenants) == 0 || len(systems) == 0 {
		return nil, fmt.Errorf("open tenants: %d tenants and %d systems given, at least one of each is needed", len(tenants), len(systems))
	}
	for _, name := range slices.Concat(tenants, systems) {
		if !namePattern.MatchString(name) {
			return nil, fmt.Errorf("open tenants: %q is no name for a tenant or a system: use up to 30 lower-case letters and digits, a letter first", name)
		}
	}
	t := &Tenants{pools: make(map[string]*pgxpool.Pool, len(tenants)), systems: slices.Clone(systems)}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	for _, tenant := range tenants {
		if t.pools[tenant] != nil {
			return nil, fmt.Errorf("open tenants: tenant %s is named twice", tenant)
		}
		opts.SearchPath = nil
		for _, system := range systems {
			opts.SearchPath = append(opts.SearchPath, Schema(tenant, system))
		}
		pool, err := Open(ctx, url, opts)
		if err != nil {
			return nil, fmt.Errorf("tenant %s: %w", tenant, err)
		}
		t.pools[tenant] = pool
	}
	return t, nil
}

// Pool returns the pool of a tenant, or an error that wraps [ErrUnknownTenant].
func (t *Tenants) Pool(tenant string) (*pgxpool.Pool, error) {
	pool, ok := t.pools[tenant]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknownTenant, tenant)
	}
	return pool, nil
}

// Names lists the tenants in alphabetical order.
func (t *Tenants) Names() []string { return slices.Sorted(maps.Keys(t.pools)) }

// Migrate brings a system's schema up to date in every tenant; see [Migrate].
func (t *Tenants) Migrate(ctx context.Context, system string, files fs.FS) error {
	if !slices.Contains(t.systems, system) {
		return fmt.Errorf("migrate system %q: these tenants have %v", system, t.systems)
	}
	for _, tenant := range t.Names() {
		if err := Migrate(ctx, t.pools[tenant], Schema(tenant, system), files); err != nil {
			return err
		}
	}
	return nil
}

// Close closes every pool and waits for the connections in use.
func (t *Tenants) Close() {
	for _, pool := range t.pools {
		pool.Close()
	}
}
