package inventory

import (
	"context"
	"strconv"
	"time"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/inventory/guard"
	"github.com/bodega-hq/bodega/internal/inventory/menu"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
)

var visibilities = map[inventoryv1.Visibility]string{
	inventoryv1.Visibility_VISIBILITY_SHOWN:  "shown",
	inventoryv1.Visibility_VISIBILITY_HIDDEN: "hidden",
	inventoryv1.Visibility_VISIBILITY_HELD:   "held",
}

type itemCursor struct{ Merchant, Store, Item string }

// SearchItems finds items by what they are called, numbered or hidden for.
func (h *Handlers) SearchItems(ctx context.Context, req *inventoryv1.SearchItemsRequest) (*inventoryv1.SearchItemsResponse, error) {
	merchant, err := auth.MerchantFilter(ctx, req.GetMerchantId())
	if err != nil {
		return nil, err
	}
	var at itemCursor
	if err := readCursor(req.GetPageToken(), &at); err != nil {
		return nil, err
	}
	size := pageSize(req.GetPageSize())
	items, err := h.service.store.searchItems(ctx, itemFilter{
		Merchant: merchant, Store: req.GetStoreId(), Query: req.GetQuery(), Visibility: visibilities[req.GetVisibility()],
		Category: req.GetCategory(), After: Item{Key: StoreKey{at.Merchant, at.Store}, ID: at.Item}, Limit: size + 1,
	})
	if err != nil {
		return nil, err
	}
	items, next := page(items, size, func(it Item) any { return itemCursor{it.Key.Merchant, it.Key.Store, it.ID} })
	return &inventoryv1.SearchItemsResponse{Items: mapOut(items, itemOut), NextPageToken: next}, nil
}

// ExplainItem tells an item's story.
func (h *Handlers) ExplainItem(ctx context.Context, req *inventoryv1.ExplainItemRequest) (*inventoryv1.ExplainItemResponse, error) {
	key, err := h.storeOf(ctx, req.GetMerchantId(), req.GetStoreId())
	if err != nil {
		return nil, err
	}
	story, err := h.service.explain(ctx, key, req.GetItemId())
	if err != nil {
		return nil, err
	}
	out := &inventoryv1.ExplainItemResponse{
		Item: itemOut(&story.Item), FileName: story.FileName,
		Stages: mapOut(story.Stages, func(s *StoryStage) *inventoryv1.Stage {
			return &inventoryv1.Stage{
				Stage: s.Stage, Verdict: s.Verdict, Rule: s.Rule, Detail: s.Detail, Fix: s.Fix, FeedId: string(s.Feed), Row: s.Row, At: stamp(s.At),
			}
		}),
		Source: mapOut(story.Source, func(c *SourceColumn) *inventoryv1.SourceColumn {
			return &inventoryv1.SourceColumn{Field: c.Field, Value: c.Value}
		}),
		Changes: mapOut(story.Changes, func(c *StoryChange) *inventoryv1.ItemChange {
			change := &inventoryv1.ItemChange{
				At: stamp(c.At), FeedId: string(c.Feed), Cause: causesOut[c.Cause], Row: c.State.Row, Shown: c.State.Shown(),
				HiddenReason: string(c.State.Hidden),
			}
			if c.State.Price.Effective > 0 {
				change.PriceMinor = minorPointer(c.State.Price.Effective)
			}
			return change
		}),
	}
	if story.Hold != nil {
		out.Hold = holdOut(story.Hold)
		out.Item.HoldId = story.Hold.ID
	}
	return out, nil
}

// storeOf finds the store that a caller means; its bare id will do where it is
// unique among those that the caller may see.
func (h *Handlers) storeOf(ctx context.Context, merchant, store string) (StoreKey, error) {
	if merchant != "" {
		return StoreKey{merchant, store}, auth.MayMerchant(ctx, merchant)
	}
	scope, err := auth.MerchantScope(ctx)
	if err != nil {
		return StoreKey{}, err
	}
	found, err := h.service.store.storesNamed(ctx, scope, store)
	switch {
	case err != nil:
		return StoreKey{}, err
	case len(found) == 0:
		return StoreKey{}, ErrStoreUnknown
	case len(found) > 1:
		return StoreKey{}, fault.Errorf(fault.Invalid, "store %s exists at several merchants: name one, as in %s", store, found[0].Key)
	}
	return found[0].Key, nil
}

type holdCursor struct {
	At time.Time
	ID string
}

// ListHolds lists prices and removals that wait for a person.
func (h *Handlers) ListHolds(ctx context.Context, req *inventoryv1.ListHoldsRequest) (*inventoryv1.ListHoldsResponse, error) {
	merchant, err := auth.MerchantFilter(ctx, req.GetMerchantId())
	if err != nil {
		return nil, err
	}
	var at holdCursor
	if err := readCursor(req.GetPageToken(), &at); err != nil {
		return nil, err
	}
	size := pageSize(req.GetPageSize())
	holds, err := h.service.store.holds(ctx, holdFilter{
		Merchant: merchant, Store: req.GetStoreId(), Feed: FeedID(req.GetFeedId()), All: req.GetIncludeDecided(),
		BeforeTime: at.At, BeforeID: at.ID, Limit: size + 1,
	})
	if err != nil {
		return nil, err
	}
	open, err := h.service.store.countOpenHolds(ctx, merchant)
	if err != nil {
		return nil, err
	}
	holds, next := page(holds, size, func(h Hold) any { return holdCursor{h.CreatedAt, h.ID} })
	return &inventoryv1.ListHoldsResponse{Holds: mapOut(holds, holdOut), NextPageToken: next, OpenTotal: open}, nil
}

// holdsPerDecision bounds what one decision on a whole feed loads at a time.
const holdsPerDecision = 5000

// DecideHolds approves or discards holds, by compare-and-set.
func (h *Handlers) DecideHolds(ctx context.Context, req *inventoryv1.DecideHoldsRequest) (*inventoryv1.DecideHoldsResponse, error) {
	scope, err := auth.MerchantScope(ctx)
	if err != nil {
		return nil, err
	}
	if (len(req.GetHolds()) == 0) == (req.GetFeedId() == "") {
		return nil, fault.New(fault.Invalid, "name holds or a feed, one of them")
	}
	if id := FeedID(req.GetFeedId()); id != "" {
		f, err := h.service.store.feed(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := auth.MayMerchant(ctx, f.Merchant); err != nil {
			return nil, ErrFeedUnknown
		}
	}
	status := guard.Approved
	if req.GetDecision() == inventoryv1.Decision_DECISION_DISCARD {
		status = guard.Discarded
	}
	var choices []choice
	for _, c := range req.GetHolds() {
		choices = append(choices, choice{c.GetHoldId(), c.AfterMinor})
	}
	out := &inventoryv1.DecideHoldsResponse{}
	for {
		if req.GetFeedId() != "" {
			holds, err := h.service.store.holds(ctx, holdFilter{Merchant: scope, Feed: FeedID(req.GetFeedId()), Limit: holdsPerDecision})
			if err != nil {
				return nil, err
			}
			choices = choices[:0]
			for i := range holds {
				choices = append(choices, choice{holds[i].ID, holds[i].After})
			}
		}
		if len(choices) == 0 {
			return out, nil
		}
		d, err := h.service.decide(ctx, scope, choices, status, callerName(ctx))
		if err != nil {
			return nil, err
		}
		out.Decided += d.Decided
		out.Skipped = append(out.Skipped, mapOut(d.Left, skippedOut)...)
		for _, id := range d.Feeds {
			out.FeedIds = append(out.FeedIds, string(id))
		}
		if req.GetFeedId() == "" || d.Decided == 0 || len(choices) < holdsPerDecision {
			return out, nil
		}
	}
}

func skippedOut(s *skipped) *inventoryv1.HoldSkipped {
	return &inventoryv1.HoldSkipped{HoldId: s.ID, Reason: s.Reason}
}

// ReopenHolds takes decisions back.
func (h *Handlers) ReopenHolds(ctx context.Context, req *inventoryv1.ReopenHoldsRequest) (*inventoryv1.ReopenHoldsResponse, error) {
	scope, err := auth.MerchantScope(ctx)
	if err != nil {
		return nil, err
	}
	reopened, left, err := h.service.reopen(ctx, scope, req.GetHoldIds(), callerName(ctx))
	if err != nil {
		return nil, err
	}
	return &inventoryv1.ReopenHoldsResponse{Reopened: reopened, Skipped: mapOut(left, skippedOut)}, nil
}

// GetMenu reads the menu that shoppers see.
func (h *Handlers) GetMenu(ctx context.Context, req *inventoryv1.GetMenuRequest) (*inventoryv1.GetMenuResponse, error) {
	if err := auth.MayMerchant(ctx, req.GetMerchantId()); err != nil {
		return nil, err
	}
	st, err := h.service.store.storeByKey(ctx, StoreKey{req.GetMerchantId(), req.GetStoreId()})
	if err != nil {
		return nil, err
	}
	tree, err := h.service.readMenu(ctx, &st)
	if err != nil {
		return nil, err
	}
	return &inventoryv1.GetMenuResponse{
		Store: storeOut(&st, h.service.now()), Version: st.MenuVersion, PublishedAt: stamp(st.MenuAt),
		Categories: mapOut(tree.Categories, func(c *menu.Category) *inventoryv1.MenuCategory {
			return &inventoryv1.MenuCategory{Name: c.Name, Items: mapOut(c.Items, menuItemOut)}
		}),
	}, nil
}

func menuItemOut(it *menu.Item) *inventoryv1.MenuItem {
	out := &inventoryv1.MenuItem{
		ItemId: it.ID, Name: it.Name, Brand: it.Brand, Size: it.Size, PriceMinor: int64(it.Price), PricePer: perOut(it.Per),
	}
	if it.Percent >= 0 {
		out.Availability = float64(it.Percent) / 100
	}
	if it.Regular > it.Price {
		out.RegularPriceMinor = minorPointer(it.Regular)
	}
	return out
}

func trimDecimals(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
