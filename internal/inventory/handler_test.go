package inventory

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
	"github.com/bodega-hq/bodega/internal/platform/tenant"
)

// A merchant's user who reaches for another merchant's rows learns nothing:
// not even that they exist.
func TestMerchantsDoNotSeeEachOther(t *testing.T) {
	w := newWorld(t)
	hold := openOneHold(t, w)
	rejected := w.send(submission{Store: "3"}, rows("a1,Milk,1.00,Shelf", "a2,Bread,secret-price,Shelf"))
	w.merchant("rival", "USD", "1")
	h := &Handlers{service: w.service}
	rival := auth.WithCaller(tenant.With(t.Context(), tenant.Prod), auth.Caller{Subject: "user:r@example.com", Role: auth.RoleMerchant, MerchantID: "rival"})
	id := string(rejected.ID)

	route := func(f func(http.ResponseWriter, *http.Request) error) func(context.Context) error {
		return func(ctx context.Context) error {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
			r.SetPathValue("feed", id)
			answer := httptest.NewRecorder()
			err := f(answer, r)
			if err != nil && answer.Body.Len() > 0 {
				t.Errorf("a refusal comes after %q", answer.Body.String())
			}
			return err
		}
	}
	for name, reach := range map[string]func(context.Context) error{
		"feed": func(ctx context.Context) error {
			_, err := h.GetFeed(ctx, &inventoryv1.GetFeedRequest{FeedId: id})
			return err
		},
		"cancel": func(ctx context.Context) error {
			_, err := h.CancelFeed(ctx, &inventoryv1.CancelFeedRequest{FeedId: id})
			return err
		},
		"rejects": func(ctx context.Context) error {
			_, err := h.ListRejects(ctx, &inventoryv1.ListRejectsRequest{FeedId: id})
			return err
		},
		"rejects.csv": route(h.GetRejects),
		"raw file":    route(h.GetRaw),
		"item": func(ctx context.Context) error {
			_, err := h.ExplainItem(ctx, &inventoryv1.ExplainItemRequest{MerchantId: "corner", StoreId: "2", ItemId: "00003"})
			return err
		},
		"item by bare store": func(ctx context.Context) error {
			_, err := h.ExplainItem(ctx, &inventoryv1.ExplainItemRequest{StoreId: "2", ItemId: "00003"})
			return err
		},
		"menu": func(ctx context.Context) error {
			_, err := h.GetMenu(ctx, &inventoryv1.GetMenuRequest{MerchantId: "corner", StoreId: "2"})
			return err
		},
		"stores": func(ctx context.Context) error {
			_, err := h.ListStores(ctx, &inventoryv1.ListStoresRequest{MerchantId: "corner"})
			return err
		},
		"holds": func(ctx context.Context) error {
			_, err := h.ListHolds(ctx, &inventoryv1.ListHoldsRequest{MerchantId: "corner"})
			return err
		},
		"decide on a feed's holds": func(ctx context.Context) error {
			_, err := h.DecideHolds(ctx, &inventoryv1.DecideHoldsRequest{FeedId: id, Decision: inventoryv1.Decision_DECISION_DISCARD})
			return err
		},
		"feeds": func(ctx context.Context) error {
			_, err := h.ListFeeds(ctx, &inventoryv1.ListFeedsRequest{MerchantId: "corner"})
			return err
		},
	} {
		err := reach(rival)
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v, want not found", name, err)
			continue
		}
		for _, secret := range []string{"corner", "Item 3", "secret-price"} {
			if strings.Contains(fault.UserMessage(err), secret) {
				t.Errorf("%s: the refusal tells %q: %s", name, secret, fault.UserMessage(err))
			}
		}
		if name != "cancel" { // the owner's side finds what was asked for
			if err := reach(w.ctx); err != nil && name != "item by bare store" {
				t.Errorf("%s, asked by an admin: %v", name, err)
			}
		}
	}

	// Lists without a wish hold their own alone, and decisions pass others by.
	feeds, err := h.ListFeeds(rival, &inventoryv1.ListFeedsRequest{AllCauses: true})
	if err != nil || len(feeds.GetFeeds()) != 0 {
		t.Errorf("feeds: %d, %v", len(feeds.GetFeeds()), err)
	}
	stores, err := h.ListStores(rival, &inventoryv1.ListStoresRequest{})
	if err != nil || len(stores.GetStores()) != 1 || stores.GetStores()[0].GetMerchantId() != "rival" {
		t.Errorf("stores: %v, %v", stores.GetStores(), err)
	}
	items, err := h.SearchItems(rival, &inventoryv1.SearchItemsRequest{})
	if err != nil || len(items.GetItems()) != 0 {
		t.Errorf("items: %d, %v", len(items.GetItems()), err)
	}
	found, err := h.Find(rival, &inventoryv1.FindRequest{Query: "Item"})
	if err != nil || len(found.GetItems())+len(found.GetFeeds())+len(found.GetStores()) != 0 {
		t.Errorf("find: %v, %v", found, err)
	}
	if _, err := h.DecideHolds(rival, &inventoryv1.DecideHoldsRequest{
		Holds: []*inventoryv1.HoldChoice{{HoldId: hold.ID}}, Decision: inventoryv1.Decision_DECISION_APPROVE,
	}); err != nil {
		t.Errorf("decide: %v", err)
	}
	if left := w.holds(); len(left) != 1 || left[0].State != HoldOpen {
		t.Errorf("another merchant's decision took: %+v", left)
	}
}

func TestDecidingOnAFeedThatIsNotThereIsAnError(t *testing.T) {
	w := newWorld(t)
	h := &Handlers{service: w.service}
	_, err := h.DecideHolds(w.ctx, &inventoryv1.DecideHoldsRequest{FeedId: "nosuch", Decision: inventoryv1.Decision_DECISION_APPROVE})
	wantKind(t, err, fault.NotFound)
}
