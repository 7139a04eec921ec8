package inventory

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"

	"github.com/jackc/pgx/v5"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/money"
	"github.com/bodega-hq/bodega/internal/platform/pg"
)

// limits are when a store's prices are held: its merchant's own limits, or
// everybody's. They come with the store's one read.
func (s *Service) limits(st *Store) guard.Limits {
	l := s.standardLimits(st.Currency)
	if st.Limits != nil {
		l = *st.Limits
	}
	l.Version = limitsVersion(&l)
	return l
}

func (s *Service) standardLimits(currency money.Currency) guard.Limits {
	l := guard.DefaultLimits(currency)
	l.Absences = absences(s.cfg.RemovalShare)
	return l
}

// absences are the limits on what one full file may delist.
func absences(share float64) guard.Absences {
	return guard.Absences{Share: thousandths(share), AtLeast: 1}
}

func thousandths(v float64) guard.Ratio { return guard.Ratio(math.Round(v * 1000)) }

// limitsVersion is a fingerprint of the limits' content.
func limitsVersion(l *guard.Limits) uint64 {
	numbers := []int64{int64(l.Floor), int64(l.Ceiling), int64(l.MinStores), int64(l.Absences.Share), int64(l.Absences.AtLeast)}
	for _, b := range l.Bands {
		numbers = append(numbers, int64(b.Below), int64(b.Up), int64(b.Down), int64(b.MedianUp), int64(b.MedianDown))
	}
	h := fnv.New64a()
	for _, n := range numbers {
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
	return h.Sum64()
}

// limitsDocument is a merchant's limits as they are stored: amounts in minor
// units, ratios in thousandths.
type limitsDocument struct {
	Floor     int64      `json:"floor"`
	Ceiling   int64      `json:"ceiling"`
	MinStores int        `json:"min_stores"`
	Bands     [][5]int64 `json:"bands"` // below, up, down, median up, median down
	Removals  int64      `json:"removals"`
}

func encodeLimits(l *guard.Limits) ([]byte, error) {
	d := limitsDocument{Floor: int64(l.Floor), Ceiling: int64(l.Ceiling), MinStores: l.MinStores, Removals: int64(l.Absences.Share)}
	for _, b := range l.Bands {
		d.Bands = append(d.Bands, [5]int64{int64(b.Below), int64(b.Up), int64(b.Down), int64(b.MedianUp), int64(b.MedianDown)})
	}
	return json.Marshal(d)
}

// decodeLimits reads what encodeLimits wrote; nothing is nil.
func decodeLimits(raw []byte) (*guard.Limits, error) {
	if raw == nil {
		return nil, nil
	}
	var d limitsDocument
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, err
	}
	l := &guard.Limits{
		Floor: money.Minor(d.Floor), Ceiling: money.Minor(d.Ceiling), MinStores: d.MinStores,
		Absences: guard.Absences{Share: guard.Ratio(d.Removals), AtLeast: 1},
	}
	for _, b := range d.Bands {
		l.Bands = append(l.Bands, guard.Band{
			Below: money.Minor(b[0]), Up: guard.Ratio(b[1]), Down: guard.Ratio(b[2]), MedianUp: guard.Ratio(b[3]), MedianDown: guard.Ratio(b[4]),
		})
	}
	return l, nil
}

// GetGuardLimits reads when a merchant's prices are held.
func (h *Handlers) GetGuardLimits(ctx context.Context, req *inventoryv1.GetGuardLimitsRequest) (*inventoryv1.GetGuardLimitsResponse, error) {
	if err := auth.MayMerchant(ctx, req.GetMerchantId()); err != nil {
		return nil, err
	}
	m, own, err := h.service.store.merchantLimits(ctx, req.GetMerchantId())
	if err != nil {
		return nil, err
	}
	if own != nil {
		return &inventoryv1.GetGuardLimitsResponse{Limits: limitsOut(own)}, nil
	}
	standard := h.service.standardLimits(m.Currency)
	return &inventoryv1.GetGuardLimitsResponse{Limits: limitsOut(&standard), Standard: true}, nil
}

// SetGuardLimits changes when a merchant's prices are held, and has its items
// judged again.
func (h *Handlers) SetGuardLimits(ctx context.Context, req *inventoryv1.SetGuardLimitsRequest) (*inventoryv1.SetGuardLimitsResponse, error) {
	if err := auth.MayMerchant(ctx, req.GetMerchantId()); err != nil {
		return nil, err
	}
	var own *guard.Limits
	if req.GetLimits() != nil {
		own = limitsOf(req.GetLimits())
		if err := own.Validate(); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, err.Error())
		}
	}
	id, err := h.service.setLimits(ctx, req.GetMerchantId(), own, callerName(ctx))
	if err != nil {
		return nil, err
	}
	return &inventoryv1.SetGuardLimitsResponse{FeedId: string(id)}, nil
}

func limitsOf(l *inventoryv1.GuardLimits) *guard.Limits {
	out := &guard.Limits{
		Floor: money.Minor(l.GetFloorMinor()), Ceiling: money.Minor(l.GetCeilingMinor()), MinStores: int(l.GetMinStores()),
		Absences: absences(l.GetRemovalShare()),
	}
	for _, b := range l.GetBands() {
		out.Bands = append(out.Bands, guard.Band{
			Below: money.Minor(b.GetBelowMinor()), Up: thousandths(b.GetUp()), Down: thousandths(b.GetDown()),
			MedianUp: thousandths(b.GetMedianUp()), MedianDown: thousandths(b.GetMedianDown()),
		})
	}
	return out
}

func limitsOut(l *guard.Limits) *inventoryv1.GuardLimits {
	out := &inventoryv1.GuardLimits{
		FloorMinor: int64(l.Floor), CeilingMinor: int64(l.Ceiling), MinStores: int32(l.MinStores), RemovalShare: float64(l.Absences.Share) / 1000,
	}
	for _, b := range l.Bands {
		out.Bands = append(out.Bands, &inventoryv1.GuardBand{
			BelowMinor: int64(b.Below), Up: float64(b.Up) / 1000, Down: float64(b.Down) / 1000,
			MedianUp: float64(b.MedianUp) / 1000, MedianDown: float64(b.MedianDown) / 1000,
		})
	}
	return out
}

// setLimits stores a merchant's limits, nil for everybody's, and in the same
// transaction the unit of work that judges its items again.
func (s *Service) setLimits(ctx context.Context, merchant string, own *guard.Limits, by string) (FeedID, error) {
	pool, err := s.store.pool(ctx)
	if err != nil {
		return "", err
	}
	var encoded []byte
	if own != nil {
		if encoded, err = encodeLimits(own); err != nil {
			return "", fmt.Errorf("encode limits of merchant %s: %w", merchant, err)
		}
	}
	if _, err := s.store.merchant(ctx, merchant); err != nil {
		return "", err
	}
	stores, err := s.store.storeIDs(ctx, merchant, "")
	if err != nil {
		return "", err
	}
	parts := make([]FeedStore, len(stores))
	for i, id := range stores {
		parts[i].Key = StoreKey{merchant, id}
	}
	var id FeedID
	err = pg.RunTx(ctx, pool, func(tx pgx.Tx) error {
		id = ""
		tag, err := tx.Exec(ctx, `
UPDATE merchant SET limits = $2::jsonb WHERE merchant_id = $1 AND limits IS DISTINCT FROM $2::jsonb`, merchant, encoded)
		if err != nil {
			return fmt.Errorf("set limits of merchant %s: %w", merchant, err)
		}
		if tag.RowsAffected() == 0 || len(parts) == 0 {
			return nil
		}
		id, err = s.enqueue(ctx, tx, CauseSettings, merchant, parts, Detail{Note: "the limits of prices changed"}, by)
		return err
	})
	if err == nil && id != "" {
		s.start(ctx, id)
	}
	return id, err
}

// merchantLimits reads a merchant and its own limits, nil where it has none.
func (s *store) merchantLimits(ctx context.Context, id string) (Merchant, *guard.Limits, error) {
	m, err := s.merchant(ctx, id)
	if err != nil {
		return m, nil, err
	}
	pool, err := s.pool(ctx)
	if err != nil {
		return m, nil, err
	}
	var raw []byte
	if err := pool.QueryRow(ctx, `SELECT limits FROM merchant WHERE merchant_id = $1`, id).Scan(&raw); err != nil {
		return m, nil, fmt.Errorf("read limits of merchant %s: %w", id, err)
	}
	own, err := decodeLimits(raw)
	if err != nil {
		return m, nil, fmt.Errorf("decode limits of merchant %s: %w", id, err)
	}
	return m, own, nil
}
