package app

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// ItemCmd is `bodega item`.
type ItemCmd struct {
	Why    ItemWhyCmd    `cmd:"" help:"Say why an item is, or is not, shown."`
	Search ItemSearchCmd `cmd:"" help:"Find items."`
}

// ItemWhyCmd is `bodega item why`.
type ItemWhyCmd struct {
	Remote `embed:""`
	Store  string `required:"" placeholder:"MERCHANT/STORE" help:"Store; its bare id where that is unique."`
	Item   string `required:"" help:"Item's id."`
}

// whyLine is what scripts read of an item's story.
type whyLine struct {
	Merchant   string     `json:"merchant_id"`
	Store      string     `json:"store_id"`
	Item       string     `json:"item_id"`
	Name       string     `json:"name"`
	Shown      bool       `json:"shown"`
	Hidden     string     `json:"hidden_reason,omitempty"`
	PriceMinor *int64     `json:"price_minor"`
	Currency   string     `json:"currency"`
	HoldID     string     `json:"hold_id,omitempty"`
	Stages     []whyStage `json:"stages"`
}

type whyStage struct {
	Stage   string `json:"stage"`
	Verdict string `json:"verdict"`
	Rule    string `json:"rule"`
	Detail  string `json:"detail"`
	Fix     string `json:"fix,omitempty"`
	Feed    string `json:"feed_id"`
	Row     int64  `json:"row"`
	At      string `json:"at"`
}

// Run tells the item's story.
func (c *ItemWhyCmd) Run(ctx context.Context, t *term.Terminal) error {
	merchant, store := splitStore(c.Store)
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.items.ExplainItem(ctx, &inventoryv1.ExplainItemRequest{MerchantId: merchant, StoreId: store, ItemId: c.Item})
	if err != nil {
		return err
	}
	it := out.GetItem()
	line := whyLine{
		Merchant: it.GetMerchantId(), Store: it.GetStoreId(), Item: it.GetItemId(), Name: it.GetName(), Shown: it.GetShown(),
		Hidden: it.GetHiddenReason(), PriceMinor: it.PriceMinor, Currency: it.GetCurrency(), HoldID: it.GetHoldId(), Stages: []whyStage{},
	}
	for _, s := range out.GetStages() {
		line.Stages = append(line.Stages, whyStage{
			s.GetStage(), s.GetVerdict(), s.GetRule(), s.GetDetail(), s.GetFix(), s.GetFeedId(), s.GetRow(), s.GetAt().AsTime().Format(time.RFC3339),
		})
	}
	return t.Print(line, func(w io.Writer) error { return tellWhy(w, &line) })
}

func tellWhy(w io.Writer, l *whyLine) error {
	headline := "is shown"
	if !l.Shown {
		headline = "is NOT shown (" + strings.ReplaceAll(l.Hidden, "_", " ") + ")"
	}
	if l.PriceMinor != nil {
		headline += " at " + money.Format(money.Minor(*l.PriceMinor), money.Currency(l.Currency))
	}
	if _, err := fmt.Fprintf(w, "%s/%s %s %s %s\n", l.Merchant, l.Store, l.Item, l.Name, headline); err != nil {
		return err
	}
	for _, s := range l.Stages {
		if _, err := fmt.Fprintf(w, "  %-13s %-9s %s\n", s.Stage, s.Verdict, s.Detail); err != nil {
			return err
		}
		if s.Fix != "" {
			if _, err := fmt.Fprintf(w, "  %-13s %-9s -> %s\n", "", "", s.Fix); err != nil {
				return err
			}
		}
	}
	return nil
}

// ItemSearchCmd is `bodega item search`.
type ItemSearchCmd struct {
	Remote     `embed:""`
	Store      string `placeholder:"MERCHANT/STORE" help:"In this store only."`
	Merchant   string `help:"Of this merchant only."`
	Visibility string `enum:"any,shown,hidden,held" default:"any" help:"Only: ${enum}."`
	Limit      int    `default:"50" help:"How many."`
	Query      string `arg:"" optional:"" help:"Found anywhere in name, brand, item id or GTIN."`
}

var visibilityOf = map[string]inventoryv1.Visibility{
	"shown":  inventoryv1.Visibility_VISIBILITY_SHOWN,
	"hidden": inventoryv1.Visibility_VISIBILITY_HIDDEN,
	"held":   inventoryv1.Visibility_VISIBILITY_HELD,
}

// Run finds items.
func (c *ItemSearchCmd) Run(ctx context.Context, t *term.Terminal) error {
	merchant, store := splitStore(c.Store)
	if merchant == "" {
		merchant = c.Merchant
	}
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	list := []message{}
	var rows [][]string
	for token := ""; len(list) < c.Limit; {
		out, err := api.items.SearchItems(ctx, &inventoryv1.SearchItemsRequest{
			MerchantId: merchant, StoreId: store, Query: c.Query, Visibility: visibilityOf[c.Visibility], PageToken: token,
			PageSize: int32(min(c.Limit-len(list), 1000)),
		})
		if err != nil {
			return err
		}
		for _, it := range out.GetItems() {
			list = append(list, message{it})
			rows = append(rows, []string{
				it.GetMerchantId() + "/" + it.GetStoreId(), it.GetItemId(), it.GetName(), priceText(it.PriceMinor, it.GetCurrency()),
				shownText(it),
			})
		}
		if token = out.GetNextPageToken(); token == "" {
			break
		}
	}
	return t.Print(list, textTable([]string{"store", "item", "name", "price", "shown"}, rows, "Nothing is found."))
}

func shownText(it *inventoryv1.Item) string {
	if it.GetShown() {
		return "yes"
	}
	return "no: " + strings.ReplaceAll(it.GetHiddenReason(), "_", " ")
}

func priceText(minor *int64, currency string) string {
	if minor == nil {
		return "-"
	}
	return money.Format(money.Minor(*minor), money.Currency(currency))
}

// HoldCmd is `bodega hold`.
type HoldCmd struct {
	List    HoldListCmd    `cmd:"" help:"List open holds."`
	Approve HoldApproveCmd `cmd:"" help:"Let held prices and removals take effect, and wait until they have."`
	Discard HoldDiscardCmd `cmd:"" help:"Refuse held prices and removals for good."`
	Reopen  HoldReopenCmd  `cmd:"" help:"Take decisions back."`
}

// HoldListCmd is `bodega hold list`.
type HoldListCmd struct {
	Remote `embed:""`
	Feed   string `help:"Holds of this feed only."`
	All    bool   `help:"Decided ones too."`
}

// holdLine is what scripts read of a hold.
type holdLine struct {
	Hold     string `json:"hold_id"`
	Merchant string `json:"merchant_id"`
	Store    string `json:"store_id"`
	Item     string `json:"item_id"`
	Guard    string `json:"guard"`
	Before   *int64 `json:"before_minor"`
	After    *int64 `json:"after_minor"`
	Currency string `json:"currency"`
	Feed     string `json:"feed_id"`
	State    string `json:"state"`
	Removals int64  `json:"removals"`
	Detail   string `json:"detail"`
}

// Run lists holds.
func (c *HoldListCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	lines := []holdLine{}
	var rows [][]string
	for token := ""; ; {
		out, err := api.items.ListHolds(ctx, &inventoryv1.ListHoldsRequest{FeedId: c.Feed, IncludeDecided: c.All, PageToken: token, PageSize: 5000})
		if err != nil {
			return err
		}
		for _, h := range out.GetHolds() {
			lines = append(lines, holdLine{
				h.GetHoldId(), h.GetMerchantId(), h.GetStoreId(), h.GetItemId(), h.GetGuard(), h.BeforeMinor, h.AfterMinor, h.GetCurrency(),
				h.GetFeedId(), h.GetState(), h.GetRemovals(), h.GetDetail(),
			})
			rows = append(rows, []string{
				h.GetHoldId(), h.GetMerchantId() + "/" + h.GetStoreId(), h.GetItemId(), h.GetGuard(),
				priceText(h.BeforeMinor, h.GetCurrency()), priceText(h.AfterMinor, h.GetCurrency()), h.GetState(), h.GetDetail(),
			})
		}
		if token = out.GetNextPageToken(); token == "" {
			break
		}
	}
	return t.Print(lines, textTable([]string{"hold", "store", "item", "guard", "before", "after", "state", "detail"}, rows, "Nothing is held."))
}

// holdChoice is which holds a decision is about.
type holdChoice struct {
	Remote `embed:""`
	Feed   string   `help:"Every open hold of this feed."`
	IDs    []string `arg:"" optional:"" name:"id" help:"Holds."`
}

// HoldApproveCmd is `bodega hold approve`.
type HoldApproveCmd struct {
	holdChoice `embed:""`
}

// Run approves.
func (c *HoldApproveCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.decide(ctx, t, inventoryv1.Decision_DECISION_APPROVE, "approved")
}

// HoldDiscardCmd is `bodega hold discard`.
type HoldDiscardCmd struct {
	holdChoice `embed:""`
}

// Run discards.
func (c *HoldDiscardCmd) Run(ctx context.Context, t *term.Terminal) error {
	return c.decide(ctx, t, inventoryv1.Decision_DECISION_DISCARD, "discarded")
}

func (c *holdChoice) decide(ctx context.Context, t *term.Terminal, d inventoryv1.Decision, word string) error {
	if (len(c.IDs) == 0) == (c.Feed == "") {
		return errNothingChosen
	}
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	req := &inventoryv1.DecideHoldsRequest{FeedId: c.Feed, Decision: d}
	for _, id := range c.IDs {
		req.Holds = append(req.Holds, &inventoryv1.HoldChoice{HoldId: id})
	}
	out, err := api.items.DecideHolds(ctx, req)
	if err != nil {
		return err
	}
	for _, id := range out.GetFeedIds() {
		f, err := api.awaitFeed(ctx, t, id)
		if err != nil {
			return err
		}
		if f.GetStatus() != inventoryv1.FeedStatus_FEED_STATUS_DONE {
			return fmt.Errorf("removals by %s %s: %s", id, feedStatus(f), f.GetError())
		}
	}
	if err := t.Print(message{out}, decisionText(out.GetDecided(), word, out.GetSkipped())); err != nil {
		return err
	}
	if len(c.IDs) > 0 && len(out.GetSkipped()) > 0 {
		return &exitError{code: 1, err: fmt.Errorf("%d of %d holds were left alone", len(out.GetSkipped()), len(c.IDs))}
	}
	return nil
}

func decisionText(n int64, word string, left []*inventoryv1.HoldSkipped) func(io.Writer) error {
	return func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, "%s %s.\n", strconv.FormatInt(n, 10), word); err != nil {
			return err
		}
		for _, s := range left {
			if _, err := fmt.Fprintf(w, "%s was left alone: %s\n", s.GetHoldId(), s.GetReason()); err != nil {
				return err
			}
		}
		return nil
	}
}

// HoldReopenCmd is `bodega hold reopen`.
type HoldReopenCmd struct {
	Remote `embed:""`
	IDs    []string `arg:"" name:"id" help:"Holds."`
}

// Run takes decisions back.
func (c *HoldReopenCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.items.ReopenHolds(ctx, &inventoryv1.ReopenHoldsRequest{HoldIds: c.IDs})
	if err != nil {
		return err
	}
	return t.Print(message{out}, decisionText(out.GetReopened(), "open again", out.GetSkipped()))
}
