package inventory

import (
	"context"
	"fmt"
	"io"

	"connectrpc.com/connect"
	"github.com/jackc/pgx/v5"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/money"
	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// CreateMerchant makes a merchant. The ids of merchants are natural, so that
// the same request twice is one merchant without a key of idempotency.
func (h *Handlers) CreateMerchant(ctx context.Context, req *inventoryv1.CreateMerchantRequest) (*inventoryv1.CreateMerchantResponse, error) {
	if err := auth.MayMerchant(ctx, req.GetMerchantId()); err != nil {
		return nil, err
	}
	currency, err := money.ParseCurrency(req.GetCurrency())
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, err.Error())
	}
	m, err := h.service.store.createMerchant(ctx, Merchant{ID: req.GetMerchantId(), Name: req.GetName(), Currency: currency})
	if err != nil {
		return nil, err
	}
	return &inventoryv1.CreateMerchantResponse{Merchant: merchantOut(&m)}, nil
}

// ListMerchants lists the merchants that the caller may see.
func (h *Handlers) ListMerchants(ctx context.Context, req *inventoryv1.ListMerchantsRequest) (*inventoryv1.ListMerchantsResponse, error) {
	scope, err := auth.MerchantScope(ctx)
	if err != nil {
		return nil, err
	}
	var after string
	if err := readCursor(req.GetPageToken(), &after); err != nil {
		return nil, err
	}
	size := pageSize(req.GetPageSize())
	merchants, err := h.service.store.merchants(ctx, scope, after, size+1)
	if err != nil {
		return nil, err
	}
	merchants, next := page(merchants, size, func(m Merchant) any { return m.ID })
	return &inventoryv1.ListMerchantsResponse{Merchants: mapOut(merchants, merchantOut), NextPageToken: next}, nil
}

// CreateStore makes a store of a merchant.
func (h *Handlers) CreateStore(ctx context.Context, req *inventoryv1.CreateStoreRequest) (*inventoryv1.CreateStoreResponse, error) {
	if err := auth.MayMerchant(ctx, req.GetMerchantId()); err != nil {
		return nil, err
	}
	st, err := h.service.store.createStore(ctx, StoreKey{req.GetMerchantId(), req.GetStoreId()}, req.GetName(), req.GetRegion())
	if err != nil {
		return nil, err
	}
	return &inventoryv1.CreateStoreResponse{Store: storeOut(&st, h.service.now())}, nil
}

// ListStores lists the stores that the caller may see.
func (h *Handlers) ListStores(ctx context.Context, req *inventoryv1.ListStoresRequest) (*inventoryv1.ListStoresResponse, error) {
	merchant, err := auth.MerchantFilter(ctx, req.GetMerchantId())
	if err != nil {
		return nil, err
	}
	var after StoreKey
	if err := readCursor(req.GetPageToken(), &after); err != nil {
		return nil, err
	}
	size := pageSize(req.GetPageSize())
	stores, err := h.service.store.stores(ctx, merchant, after, size+1)
	if err != nil {
		return nil, err
	}
	stores, next := page(stores, size, func(s Store) any { return s.Key })
	now := h.service.now()
	return &inventoryv1.ListStoresResponse{
		Stores: mapOut(stores, func(s *Store) *inventoryv1.Store { return storeOut(s, now) }), NextPageToken: next,
	}, nil
}

// SetPriceSettings changes how a store's prices are computed, and has its
// items judged again.
func (h *Handlers) SetPriceSettings(ctx context.Context, req *inventoryv1.SetPriceSettingsRequest) (*inventoryv1.SetPriceSettingsResponse, error) {
	if err := auth.MayMerchant(ctx, req.GetMerchantId()); err != nil {
		return nil, err
	}
	set := Settings{
		InflationBasisPoints: req.GetSettings().GetInflationBasisPoints(), RoundToMinor: int64(req.GetSettings().GetRoundToMinor()),
	}
	id, err := h.service.setSettings(ctx, StoreKey{req.GetMerchantId(), req.GetStoreId()}, set, callerName(ctx))
	if err != nil {
		return nil, err
	}
	return &inventoryv1.SetPriceSettingsResponse{FeedId: string(id)}, nil
}

func (s *Service) setSettings(ctx context.Context, key StoreKey, set Settings, by string) (FeedID, error) {
	st, err := s.store.storeByKey(ctx, key)
	if err != nil {
		return "", err
	}
	pool, err := s.store.pool(ctx)
	if err != nil {
		return "", err
	}
	var id FeedID
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		id = ""
		changed, err := s.store.setSettings(ctx, tx, key, set)
		if err != nil || !changed {
			return err
		}
		note := fmt.Sprintf("price settings changed from %+d to %+d basis points", st.Settings.InflationBasisPoints, set.InflationBasisPoints)
		id, err = s.enqueue(ctx, tx, CauseSettings, key.Merchant, []FeedStore{{Key: key, Rows: st.Items}}, Detail{Note: note}, by)
		return err
	})
	if err == nil && id != "" {
		s.start(ctx, id)
	}
	return id, err
}

// ApplyMapping stores a mapping profile: feeds that come from now on and name
// none are read with it.
func (h *Handlers) ApplyMapping(ctx context.Context, req *inventoryv1.ApplyMappingRequest) (*inventoryv1.ApplyMappingResponse, error) {
	if err := auth.MayMerchant(ctx, req.GetMerchantId()); err != nil {
		return nil, err
	}
	parsed, err := feed.ParseMapping(req.GetYaml())
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, err.Error())
	}
	if _, err := h.service.store.merchant(ctx, req.GetMerchantId()); err != nil {
		return nil, err
	}
	if err := h.service.store.applyMapping(ctx, req.GetMerchantId(), parsed.Name, parsed.Version, req.GetYaml(), h.service.now()); err != nil {
		return nil, err
	}
	return &inventoryv1.ApplyMappingResponse{Name: parsed.Name, Version: parsed.Version}, nil
}

// GetMapping reads a merchant's profile, or a preset.
func (h *Handlers) GetMapping(ctx context.Context, req *inventoryv1.GetMappingRequest) (*inventoryv1.GetMappingResponse, error) {
	if err := auth.MayMerchant(ctx, req.GetMerchantId()); err != nil {
		return nil, err
	}
	mapping, err := h.service.mappings.resolve(ctx, req.GetMerchantId(), req.GetName())
	if err != nil {
		return nil, err
	}
	yaml, ok, err := h.service.store.mappingYAML(ctx, req.GetMerchantId(), req.GetName(), "")
	if err != nil {
		return nil, err
	}
	if !ok {
		source, _ := feed.PresetSource(mapping.Name)
		yaml = []byte(source)
	}
	return &inventoryv1.GetMappingResponse{Name: mapping.Name, Version: mapping.Version, Yaml: yaml}, nil
}

// LoadCatalog loads a CSV file of products that arrives in pieces.
func (h *Handlers) LoadCatalog(ctx context.Context, stream *connect.ClientStream[inventoryv1.LoadCatalogRequest]) (*inventoryv1.LoadCatalogResponse, error) {
	load, err := h.service.loadCatalog(ctx, &pieces{next: func() ([]byte, error) {
		if !stream.Receive() {
			return nil, endOf(stream.Err())
		}
		return stream.Msg().GetChunk(), nil
	}}, callerName(ctx))
	if err != nil {
		return nil, err
	}
	return &inventoryv1.LoadCatalogResponse{
		RowsRead: load.Read, Loaded: load.Loaded, Unchanged: load.Unchanged, Rejected: load.Rejected, FeedId: string(load.Feed),
		Problems: mapOut(load.Problems, func(p *catalogProblem) *inventoryv1.CatalogProblem {
			return &inventoryv1.CatalogProblem{Row: p.Row, Column: p.Column, Reason: p.Reason}
		}),
	}, nil
}

// pieces reads a stream of messages as bytes. A stream that broke ends in its
// error, not in an end of file.
type pieces struct {
	next func() ([]byte, error)
	rest []byte
	err  error
}

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		p.rest, p.err = p.next()
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// endOf is how a stream ended: in io.EOF, or in what broke it.
func endOf(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}
