package inventory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bodega-hq/bodega/internal/inventory/hydrate"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// Pools gives the pool whose connections see one tenant's tables.
type Pools interface {
	Pool(tenant string) (*pgxpool.Pool, error)
}

// store keeps everything of this system that lives in SQL. Methods that take a
// querier run inside the caller's transaction or outside any.
type store struct {
	pools Pools
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// planned has a statement planned for the very arguments that it is given. A
// plan that serves any argument compares each row with every one of thousands
// of ids, where the database knows too little of the table to use its key:
// a hundred times slower, on a new installation.
const planned = pgx.QueryExecModeCacheDescribe

// pool is that of the tenant in ctx.
func (s *store) pool(ctx context.Context) (*pgxpool.Pool, error) {
	id, err := tenant.From(ctx)
	if err != nil {
		return nil, err
	}
	return s.pools.Pool(string(id))
}

const insertMerchant = `
INSERT INTO merchant (merchant_id, name, currency) VALUES ($1, $2, $3)
ON CONFLICT (merchant_id) DO NOTHING`

const selectMerchant = `
SELECT m.merchant_id, m.name, m.currency, m.created_at,
  (SELECT count(*) FROM store s WHERE s.merchant_id = m.merchant_id),
  coalesce((SELECT p.name FROM mapping p WHERE p.merchant_id = m.merchant_id ORDER BY p.applied_at DESC LIMIT 1), '')
FROM merchant m`

// createMerchant makes a merchant; the same one twice is one, another one
// under a taken id is an error.
func (s *store) createMerchant(ctx context.Context, m Merchant) (Merchant, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return Merchant{}, err
	}
	if _, err := pool.Exec(ctx, insertMerchant, m.ID, m.Name, string(m.Currency)); err != nil {
		return Merchant{}, fmt.Errorf("insert merchant %s: %w", m.ID, err)
	}
	have, err := s.merchant(ctx, m.ID)
	if err != nil {
		return Merchant{}, err
	}
	if have.Name != m.Name || have.Currency != m.Currency {
		return Merchant{}, fault.Errorf(fault.AlreadyExists, "merchant %s exists already, as %q in %s", m.ID, have.Name, have.Currency)
	}
	return have, nil
}

func (s *store) merchant(ctx context.Context, id string) (Merchant, error) {
	found, err := s.merchants(ctx, id, "", 1)
	if err != nil {
		return Merchant{}, err
	}
	if len(found) == 0 {
		return Merchant{}, fmt.Errorf("merchant %s: %w", id, ErrMerchantUnknown)
	}
	return found[0], nil
}

// HasMerchant says whether the tenant of ctx has a merchant.
func (s *Service) HasMerchant(ctx context.Context, id string) (bool, error) {
	_, err := s.store.merchant(ctx, id)
	if errors.Is(err, ErrMerchantUnknown) {
		return false, nil
	}
	return err == nil, err
}

// merchants lists merchants by id after one, or the one that only names.
func (s *store) merchants(ctx context.Context, only, after string, limit int) ([]Merchant, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, selectMerchant+`
WHERE ($1 = '' OR m.merchant_id = $1) AND m.merchant_id > $2 ORDER BY m.merchant_id LIMIT $3`, only, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list merchants: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Merchant, error) {
		var m Merchant
		err := row.Scan(&m.ID, &m.Name, &m.Currency, &m.CreatedAt, &m.Stores, &m.Mapping)
		return m, err
	})
}

const insertStore = `
WITH made AS (
  INSERT INTO store (merchant_id, store_id, name, region) VALUES ($1, $2, $3, $4)
  ON CONFLICT (merchant_id, store_id) DO NOTHING
  RETURNING merchant_id, store_id
)
INSERT INTO store_fence (merchant_id, store_id) SELECT merchant_id, store_id FROM made`

// createStore makes a store and its fence.
func (s *store) createStore(ctx context.Context, key StoreKey, name, region string) (Store, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return Store{}, err
	}
	if _, err := s.merchant(ctx, key.Merchant); err != nil {
		return Store{}, err
	}
	if _, err := pool.Exec(ctx, insertStore, key.Merchant, key.Store, name, region); err != nil {
		return Store{}, fmt.Errorf("insert store %s: %w", key, err)
	}
	have, err := s.storeByKey(ctx, key)
	if err != nil {
		return Store{}, err
	}
	if have.Name != name || have.Region != region {
		return Store{}, fault.Errorf(fault.AlreadyExists, "store %s exists already, as %q in region %q", key, have.Name, have.Region)
	}
	return have, nil
}

const selectStore = `
SELECT s.merchant_id, s.store_id, s.name, s.region, m.name, m.currency, m.limits,
  s.inflation_basis_points, s.round_to_minor, s.watermark, s.full_interval_ms,
  s.menu_version, s.menu_key, s.menu_at, s.items, s.shown, s.hidden,
  (SELECT count(*) FROM hold h WHERE h.merchant_id = s.merchant_id AND h.store_id = s.store_id AND h.state = 'open')
FROM store s JOIN merchant m ON m.merchant_id = s.merchant_id`

func scanStore(row pgx.CollectableRow) (Store, error) {
	var st Store
	var watermark, menuAt *time.Time
	var interval int64
	var hidden, limits []byte
	err := row.Scan(&st.Key.Merchant, &st.Key.Store, &st.Name, &st.Region, &st.MerchantName, &st.Currency, &limits,
		&st.Settings.InflationBasisPoints, &st.Settings.RoundToMinor, &watermark, &interval,
		&st.MenuVersion, &st.MenuKey, &menuAt, &st.Items, &st.Shown, &hidden, &st.Held)
	if err != nil {
		return st, err
	}
	st.Watermark, st.MenuAt = orZero(watermark), orZero(menuAt)
	st.FullInterval = time.Duration(interval) * time.Millisecond
	if err := json.Unmarshal(hidden, &st.Hidden); err != nil {
		return st, fmt.Errorf("decode hidden counts of store %s: %w", st.Key, err)
	}
	if st.Limits, err = decodeLimits(limits); err != nil {
		return st, fmt.Errorf("decode limits of merchant %s: %w", st.Key.Merchant, err)
	}
	return st, nil
}

func (s *store) storeByKey(ctx context.Context, key StoreKey) (Store, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return Store{}, err
	}
	rows, err := pool.Query(ctx, selectStore+` WHERE s.merchant_id = $1 AND s.store_id = $2`, key.Merchant, key.Store)
	if err != nil {
		return Store{}, fmt.Errorf("read store %s: %w", key, err)
	}
	st, err := pgx.CollectExactlyOneRow(rows, scanStore)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrStoreUnknown
	}
	if err != nil {
		return Store{}, fmt.Errorf("read store %s: %w", key, err)
	}
	return st, nil
}

// stores lists the stores of a merchant, or of all for "", after a key.
func (s *store) stores(ctx context.Context, merchant string, after StoreKey, limit int) ([]Store, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, selectStore+`
WHERE ($1 = '' OR s.merchant_id = $1) AND (s.merchant_id, s.store_id) > ($2, $3)
ORDER BY s.merchant_id, s.store_id LIMIT $4`, merchant, after.Merchant, after.Store, limit)
	if err != nil {
		return nil, fmt.Errorf("list stores: %w", err)
	}
	return pgx.CollectRows(rows, scanStore)
}

// storesNamed finds the stores that a bare id means, two at most.
func (s *store) storesNamed(ctx context.Context, merchant, id string) ([]Store, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, selectStore+`
WHERE ($1 = '' OR s.merchant_id = $1) AND s.store_id = $2 ORDER BY s.merchant_id LIMIT 2`, merchant, id)
	if err != nil {
		return nil, fmt.Errorf("find store %s: %w", id, err)
	}
	return pgx.CollectRows(rows, scanStore)
}

// storeIDs lists the ids of a merchant's stores, of one region where it is given.
func (s *store) storeIDs(ctx context.Context, merchant, region string) ([]string, error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := pool.Query(ctx, `
SELECT store_id FROM store WHERE merchant_id = $1 AND ($2 = '' OR region = $2) ORDER BY store_id`, merchant, region)
	if err != nil {
		return nil, fmt.Errorf("list stores of %s: %w", merchant, err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// setSettings writes a store's settings and says whether they changed.
func (s *store) setSettings(ctx context.Context, tx pgx.Tx, key StoreKey, set Settings) (bool, error) {
	tag, err := tx.Exec(ctx, `
UPDATE store SET inflation_basis_points = $3, round_to_minor = $4
WHERE merchant_id = $1 AND store_id = $2 AND (inflation_basis_points, round_to_minor) <> ($3, $4)`,
		key.Merchant, key.Store, set.InflationBasisPoints, set.RoundToMinor)
	if err != nil {
		return false, fmt.Errorf("set price settings of store %s: %w", key, err)
	}
	return tag.RowsAffected() > 0, nil
}

const insertMapping = `
INSERT INTO mapping (merchant_id, name, version, yaml, applied_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (merchant_id, name, version) DO UPDATE SET applied_at = excluded.applied_at, yaml = excluded.yaml`

func (s *store) applyMapping(ctx context.Context, merchant, name, version string, yaml []byte, now time.Time) error {
	pool, err := s.pool(ctx)
	if err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, insertMapping, merchant, name, version, yaml, now); err != nil {
		return fmt.Errorf("insert mapping %s of merchant %s: %w", name, merchant, err)
	}
	return nil
}

// mappingYAML reads a merchant's newest profile, of one name and version where
// they are given; ok is false where there is none.
func (s *store) mappingYAML(ctx context.Context, merchant, name, version string) (yaml []byte, ok bool, err error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, false, err
	}
	err = pool.QueryRow(ctx, `
SELECT yaml FROM mapping
WHERE merchant_id = $1 AND ($2 = '' OR name = $2) AND ($3 = '' OR version LIKE $3 || '%')
ORDER BY applied_at DESC LIMIT 1`, merchant, name, version).Scan(&yaml)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read mapping %q of merchant %s: %w", name, merchant, err)
	}
	return yaml, true, nil
}

// presetYAML reads a preset of this or an earlier version of bodega.
func (s *store) presetYAML(ctx context.Context, version string) (yaml []byte, ok bool, err error) {
	pool, err := s.pool(ctx)
	if err != nil {
		return nil, false, err
	}
	err = pool.QueryRow(ctx, `SELECT yaml FROM preset_version WHERE version LIKE $1 || '%' LIMIT 1`, version).Scan(&yaml)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read preset %s: %w", version, err)
	}
	return yaml, true, nil
}

const selectProducts = `
SELECT gtin, name, brand, category, unit, size, average_weight, version FROM product WHERE gtin = ANY($1)`

// products is the catalogue's one batch lookup.
func (s *store) products(ctx context.Context, q querier, gtins []normalize.GTIN) (map[normalize.GTIN]hydrate.Product, error) {
	keys := make([]int64, len(gtins))
	for i, g := range gtins {
		keys[i] = int64(g)
	}
	rows, err := q.Query(ctx, selectProducts, planned, keys)
	if err != nil {
		return nil, fmt.Errorf("look up %d products: %w", len(gtins), err)
	}
	found := make(map[normalize.GTIN]hydrate.Product, len(gtins))
	var record productRecord
	_, err = pgx.ForEachRow(rows, []any{&record.GTIN, &record.Name, &record.Brand, &record.Category,
		&record.Unit, &record.Size, &record.AverageWeight, &record.Version}, func() error {
		found[normalize.GTIN(record.GTIN)] = record.product()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up %d products: %w", len(gtins), err)
	}
	return found, nil
}

const mergeProducts = `
INSERT INTO product (gtin, name, brand, category, unit, size, average_weight, version, loaded_at)
SELECT g, n, b, c, u, s, w, v, $9
FROM unnest($1::int8[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::int8[])
  AS incoming (g, n, b, c, u, s, w, v)
ON CONFLICT (gtin) DO UPDATE SET name = excluded.name, brand = excluded.brand, category = excluded.category,
  unit = excluded.unit, size = excluded.size, average_weight = excluded.average_weight,
  version = excluded.version, loaded_at = excluded.loaded_at
WHERE product.version <> excluded.version
RETURNING gtin`

// mergeProducts loads products and returns the GTINs of those that changed.
func (s *store) mergeProducts(ctx context.Context, tx pgx.Tx, products []productRecord, now time.Time) ([]uint64, error) {
	columns := struct {
		gtin, version                         []int64
		name, brand, category, unit, size, wt []string
	}{}
	for i := range products {
		p := &products[i]
		columns.gtin, columns.version = append(columns.gtin, p.GTIN), append(columns.version, p.Version)
		columns.name, columns.brand = append(columns.name, p.Name), append(columns.brand, p.Brand)
		columns.category, columns.unit = append(columns.category, p.Category), append(columns.unit, p.Unit)
		columns.size, columns.wt = append(columns.size, p.Size), append(columns.wt, p.AverageWeight)
	}
	rows, err := tx.Query(ctx, mergeProducts, columns.gtin, columns.name, columns.brand, columns.category,
		columns.unit, columns.size, columns.wt, columns.version, now)
	if err != nil {
		return nil, fmt.Errorf("merge %d products: %w", len(products), err)
	}
	changed, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("merge %d products: %w", len(products), err)
	}
	gtins := make([]uint64, len(changed))
	for i, g := range changed {
		gtins[i] = uint64(g)
	}
	return gtins, nil
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// orNull is NULL for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
