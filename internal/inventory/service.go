package inventory

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
	"github.com/bodega-hq/bodega/internal/inventory/price"
	"github.com/bodega-hq/bodega/internal/platform/blob"
	"github.com/bodega-hq/bodega/internal/platform/money"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// Deps is what the inventory needs from its process.
type Deps struct {
	Pools  Pools
	Bucket blob.Bucket
	// Starter runs the workflow of a feed; starting one twice is one run.
	Starter Starter
	// Predictor says whether items are on the shelf.
	Predictor availability.Predictor
	Metrics   *Metrics
	Logger    *slog.Logger
	Now       func() time.Time
	// SpillDir is where a feed that memory does not hold is sorted.
	SpillDir string
}

// Starter starts units of work.
type Starter interface {
	// StartFeed starts the workflow of a feed of the tenant in ctx, and does
	// nothing where it runs or has ended already: then started is false.
	StartFeed(ctx context.Context, id FeedID) (started bool, err error)
	// CancelFeed asks the workflow of a feed to end; running is false where it
	// was not started yet or has ended.
	CancelFeed(ctx context.Context, id FeedID) (running bool, err error)
}

// Service is the inventory: handlers, activities and loops share it.
type Service struct {
	cfg      Config
	deps     Deps
	store    *store
	mappings *mappings
	measured struct {
		sync.Mutex
		waiting map[tenant.ID]waiting
	}
}

// New assembles the inventory.
func New(cfg Config, deps Deps) *Service {
	s := &store{pools: deps.Pools}
	service := &Service{cfg: cfg, deps: deps, store: s, mappings: &mappings{store: s}}
	service.measured.waiting = map[tenant.ID]waiting{}
	return service
}

// SetStarter gives the service its workflows, which need the service first.
func (s *Service) SetStarter(starter Starter) { s.deps.Starter = starter }

func (s *Service) now() time.Time { return s.deps.Now().UTC().Truncate(time.Microsecond) }

// priceSettings are the store's settings as the price stage takes them; their
// version is a fingerprint of their content.
func priceSettings(st *Store) price.Settings {
	set := price.Settings{
		Currency:  st.Currency,
		Inflation: price.BasisPoints(st.Settings.InflationBasisPoints),
		Rounding:  money.HalfAwayFromZero,
		Step:      money.Minor(st.Settings.RoundToMinor),
	}
	h := fnv.New64a()
	h.Write([]byte(set.Currency))
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(set.Inflation)))
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(set.Step)))
	set.Version = h.Sum64()
	return set
}
