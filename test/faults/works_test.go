//go:build faults

package faults

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
)

// works are what changes items.
func works() map[string]*work {
	shelf := sending(onTheShelf())
	shelf.ready = waiting
	return map[string]*work{
		"full":         sending(full()),
		"delta":        sending(delta()),
		"availability": shelf,
		"decisions":    {"/changes/", waiting, decisions},
		"removals":     {"insert feed", waiting, approveRemovals},
		"signals":      reporting("after", false),
		"catalogue":    loading("after"),
		"settings":     {"insert feed", waiting, changeSettings},
	}
}

// delta meets in two chunks what a file that names some items can: changed,
// unchanged and new items, a price that a guard holds, a row that cannot
// stand, and a duplicate.
func delta() sent {
	var b strings.Builder
	b.WriteString(header)
	for i := 60; i < 105; i++ {
		switch {
		case i == 63:
			line(&b, "1", i, "550.00")
		case i == 65:
			line(&b, "1", i, "-1")
		case i%2 == 0:
			line(&b, "1", i, fmt.Sprintf("%d.75", 2+i%7))
		default:
			line(&b, "1", i, fmt.Sprintf("%d.50", 2+i%7))
		}
	}
	line(&b, "1", 67, "2.95")
	return sent{Store: "1", Kind: "delta", Key: "delta", At: morning.Add(time.Hour), Body: b.String()}
}

// onTheShelf takes a part of store 1 off the shelf, confirms others, and names
// an item that nobody knows.
func onTheShelf() sent {
	var b strings.Builder
	b.WriteString("store_id,item_id,availability\n")
	for i := range 20 {
		fmt.Fprintf(&b, "1,%05d,%s\n", i, []string{"in", "out"}[i%2])
	}
	b.WriteString("1,unknown,in\n")
	return sent{Store: "1", Kind: "availability", Key: "on the shelf", At: morning.Add(time.Hour), Body: b.String()}
}

// held finds what waits for a person, by its item; removals have none.
func (s *server) held(ctx context.Context, item string) (string, error) {
	listed, err := s.items().ListHolds(ctx, &inventoryv1.ListHoldsRequest{IncludeDecided: true})
	if err != nil {
		return "", err
	}
	for _, h := range listed.GetHolds() {
		if h.GetItemId() == item {
			return h.GetHoldId(), nil
		}
	}
	return "", fmt.Errorf("nothing is held of item %q", item)
}

func (s *server) decide(ctx context.Context, item string, d inventoryv1.Decision) (units []string, err error) {
	hold, err := s.held(ctx, item)
	if err != nil {
		return nil, err
	}
	decided, err := s.items().DecideHolds(ctx, &inventoryv1.DecideHoldsRequest{
		Holds: []*inventoryv1.HoldChoice{{HoldId: hold}}, Decision: d,
	})
	return decided.GetFeedIds(), err
}

// decisions approves a price and discards another, each in one transaction.
func decisions(ctx context.Context, s *server) (string, error) {
	_, approved := s.decide(ctx, "00003", inventoryv1.Decision_DECISION_APPROVE)
	if approved != nil {
		return "", approved
	}
	_, discarded := s.decide(ctx, "00004", inventoryv1.Decision_DECISION_DISCARD)
	return "", discarded
}

// approveRemovals stores a unit of work that a workflow carries out.
func approveRemovals(ctx context.Context, s *server) (string, error) {
	units, err := s.decide(ctx, "", inventoryv1.Decision_DECISION_APPROVE)
	return strings.Join(units, " "), err
}

// reporting is that shoppers did or did not find items of both stores: one
// transaction for each.
func reporting(id string, found bool) *work {
	return &work{"/changes/", waiting, func(ctx context.Context, s *server) (string, error) {
		req := &inventoryv1.ReportSignalsRequest{MerchantId: "corner"}
		for _, store := range stores {
			for i := range 3 {
				req.Signals = append(req.Signals, &inventoryv1.Signal{
					StoreId: store, ItemId: fmt.Sprintf("%05d", i), Found: found, At: timestamppb.New(morning), SignalId: id,
				})
			}
		}
		_, err := s.feeds().ReportSignals(ctx, req)
		return "", err
	}}
}

// loading is a catalogue whose products have a brand.
func loading(brand string) *work {
	return &work{"insert product", waiting, func(ctx context.Context, s *server) (string, error) {
		stream, err := s.merchants().LoadCatalog(ctx)
		if err != nil {
			return "", err
		}
		body := "gtin,brand,name,category,unit,size\n"
		for i, gtin := range gtins {
			body += fmt.Sprintf("%s,%s,Product %d,Pens,each,\n", gtin, brand, i)
		}
		if err := stream.Send(&inventoryv1.LoadCatalogRequest{Chunk: []byte(body)}); err != nil {
			return "", err
		}
		loaded, err := stream.CloseAndReceive()
		return loaded.GetFeedId(), err
	}}
}

// changeSettings has all items of store 1 judged again.
func changeSettings(ctx context.Context, s *server) (string, error) {
	set, err := s.merchants().SetPriceSettings(ctx, &inventoryv1.SetPriceSettingsRequest{
		MerchantId: "corner", StoreId: "1", Settings: &inventoryv1.PriceSettings{InflationBasisPoints: 1000},
	})
	return set.GetFeedId(), err
}
