package inventory

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/money"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// mappingRef names the mapping that a kept row is read with: enough of its
// version to be unique, since every item carries one.
type mappingRef string

func refOf(m *feed.Mapping) mappingRef { return mappingRef(m.Version[:min(16, len(m.Version))]) }

// canonicalPreset is the mapping of bodega's own column names, in which rows
// that were read with different mappings meet.
const canonicalPreset = "bodega"

func canonicalMapping() *feed.Mapping {
	m, ok := feed.Preset(canonicalPreset)
	if !ok {
		panic("the preset of bodega's own columns is missing")
	}
	return &m
}

// mappings finds mapping profiles: a merchant's own, then the presets.
type mappings struct {
	store  *store
	mu     sync.Mutex
	parsed map[string]*feed.Mapping
}

// resolve finds the profile that a feed names; no name means the merchant's
// newest, and bodega's own columns where the merchant has none.
func (m *mappings) resolve(ctx context.Context, merchant, name string) (*feed.Mapping, error) {
	yaml, ok, err := m.store.mappingYAML(ctx, merchant, name, "")
	if err != nil {
		return nil, err
	}
	if ok {
		parsed, err := feed.ParseMapping(yaml)
		if err != nil {
			return nil, fmt.Errorf("mapping %q of merchant %s: %w", name, merchant, err)
		}
		return &parsed, nil
	}
	if name == "" {
		return canonicalMapping(), nil
	}
	if preset, ok := feed.Preset(name); ok {
		return &preset, nil
	}
	return nil, fault.Explain(fmt.Errorf("mapping %q of merchant %s: %w", name, merchant, ErrMappingUnknown),
		fmt.Sprintf("no such mapping profile: %q is neither one of the merchant's nor a preset (%s); `bodega mapping apply` adds one", name, strings.Join(feed.PresetNames(), ", ")))
}

// byVersion finds the very profile that a feed or a kept row was read with.
// version may be cut to a mappingRef.
func (m *mappings) byVersion(ctx context.Context, merchant, version string) (*feed.Mapping, error) {
	id, err := tenant.From(ctx)
	if err != nil {
		return nil, err
	}
	ref := version[:min(16, len(version))]
	cacheKey := string(id) + "/" + merchant + "/" + ref
	m.mu.Lock()
	cached := m.parsed[cacheKey]
	m.mu.Unlock()
	if cached != nil {
		return cached, nil
	}
	found, err := m.lookUp(ctx, merchant, ref)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.parsed == nil {
		m.parsed = map[string]*feed.Mapping{}
	}
	m.parsed[cacheKey] = found
	return found, nil
}

func (m *mappings) lookUp(ctx context.Context, merchant, ref string) (*feed.Mapping, error) {
	for _, name := range feed.PresetNames() {
		if preset, _ := feed.Preset(name); strings.HasPrefix(preset.Version, ref) {
			return &preset, nil
		}
	}
	yaml, ok, err := m.store.mappingYAML(ctx, merchant, "", ref)
	if err == nil && !ok {
		yaml, ok, err = m.store.presetYAML(ctx, ref)
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("mapping version %s of merchant %s: %w", ref, merchant, ErrMappingUnknown)
	}
	parsed, err := feed.ParseMapping(yaml)
	if err != nil {
		return nil, fmt.Errorf("mapping version %s of merchant %s: %w", ref, merchant, err)
	}
	return &parsed, nil
}

// KeepPresets notes the presets of this version of bodega in a tenant's
// tables, where those of earlier versions are. It is for every start, before
// any feed is read.
func KeepPresets(ctx context.Context, pool *pgxpool.Pool) error {
	for _, name := range feed.PresetNames() {
		preset, _ := feed.Preset(name)
		source, _ := feed.PresetSource(name)
		if err := keepPreset(ctx, pool, preset.Version, []byte(source)); err != nil {
			return fmt.Errorf("keep preset %s: %w", name, err)
		}
	}
	return nil
}

func keepPreset(ctx context.Context, pool *pgxpool.Pool, version string, yaml []byte) error {
	_, err := pool.Exec(ctx, `
INSERT INTO preset_version (version, yaml) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING`, version, yaml)
	return err
}

// canonical rewrites a row that a mapping reads into one that bodega's own
// columns read to the same values: plain decimals with a point, canonical
// words. What does not parse stays as it is, for the normalizer to refuse.
func canonical(row *feed.Row, m *feed.Mapping, currency money.Currency) feed.Row {
	out := row.Clone()
	for _, f := range [...]feed.Field{feed.Price, feed.SalePrice, feed.UnitPrice} {
		text := out.Values[f]
		if text == "" {
			continue
		}
		style := moneyStyle(m.Decimal(f))
		if m.Fields[f].MinorUnits {
			if whole, err := money.ParseDecimal(text, style); err == nil {
				if minor, _, ok := whole.Shift(0, money.HalfAwayFromZero); ok {
					out.Values[f] = string(money.AppendDecimal(nil, money.Minor(minor), currency))
				}
			}
			continue
		}
		if amount, err := money.Parse(text, currency, style, money.HalfAwayFromZero); err == nil {
			out.Values[f] = string(money.AppendDecimal(nil, amount.Minor, currency))
		}
	}
	for _, f := range [...]feed.Field{feed.Size, feed.AverageWeight, feed.UnitPriceBase, feed.Quantity} {
		if m.Decimal(f) == feed.DecimalComma {
			out.Values[f] = strings.ReplaceAll(strings.ReplaceAll(out.Values[f], ".", ""), ",", ".")
		}
	}
	for _, f := range [...]feed.Field{feed.Availability, feed.Unit} {
		if word, ok := m.Word(f, out.Values[f]); ok {
			out.Values[f] = word
		}
	}
	return out
}

func moneyStyle(d feed.DecimalStyle) money.Style {
	style, err := money.ParseStyle(string(d))
	if err != nil {
		return money.Auto
	}
	return style
}
