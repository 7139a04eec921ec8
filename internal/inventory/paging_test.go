package inventory

import (
	"strings"
	"testing"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/platform/fault"
)

// Pages put together are the list: nothing is lost and nothing comes twice.
func TestPagesMakeTheWholeList(t *testing.T) {
	w := newWorld(t)
	const n = 250
	w.send(submission{}, file(1, n, "2.50"))
	w.send(submission{Kind: "delta"}, file(1, n, "25.00"))
	h := &Handlers{service: w.service}
	lists := map[string]func(token string) (ids []string, next string, err error){
		"items": func(token string) ([]string, string, error) {
			out, err := h.SearchItems(w.ctx, &inventoryv1.SearchItemsRequest{MerchantId: "corner", PageSize: 37, PageToken: token})
			var ids []string
			for _, it := range out.GetItems() {
				ids = append(ids, it.GetItemId())
			}
			return ids, out.GetNextPageToken(), err
		},
		"holds": func(token string) ([]string, string, error) {
			out, err := h.ListHolds(w.ctx, &inventoryv1.ListHoldsRequest{PageSize: 37, PageToken: token})
			var ids []string
			for _, hold := range out.GetHolds() {
				ids = append(ids, hold.GetHoldId())
			}
			return ids, out.GetNextPageToken(), err
		},
	}
	for name, list := range lists {
		seen := map[string]bool{}
		for token := ""; ; {
			ids, next, err := list(token)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(ids) > 37 {
				t.Errorf("%s: a page of %d", name, len(ids))
			}
			for _, id := range ids {
				if seen[id] {
					t.Errorf("%s: %s came twice", name, id)
				}
				seen[id] = true
			}
			if token = next; token == "" {
				break
			}
		}
		if len(seen) != n {
			t.Errorf("%s: %d of %d", name, len(seen), n)
		}
		for _, bad := range []string{"not a token!", "bm90IGpzb24"} {
			if _, _, err := list(bad); fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.UserMessage(err), "page_token") {
				t.Errorf("%s: the page token %q: %v", name, bad, err)
			}
		}
	}
}
