package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
	"github.com/bodega-hq/bodega/internal/app/term"
)

// MerchantLimitsCmd is `bodega merchant limits`.
type MerchantLimitsCmd struct {
	Show MerchantLimitsShowCmd `cmd:"" help:"Show the limits in force."`
	Set  MerchantLimitsSetCmd  `cmd:"" help:"Set the limits from a file, and judge the merchant's items again."`
}

// MerchantLimitsShowCmd is `bodega merchant limits show`.
type MerchantLimitsShowCmd struct {
	Remote   `embed:""`
	Merchant string `required:"" help:"Merchant's id."`
}

// Run shows the limits; what it prints with -o json is what set reads.
func (c *MerchantLimitsShowCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.merchants.GetGuardLimits(ctx, &inventoryv1.GetGuardLimitsRequest{MerchantId: c.Merchant})
	if err != nil {
		return err
	}
	l := out.GetLimits()
	return t.Print(message{l}, func(w io.Writer) error {
		whose := "its own limits"
		if out.GetStandard() {
			whose = "everybody's limits"
		}
		if _, err := fmt.Fprintf(w, "%s has %s. Amounts are in minor units; a dash is no limit.\n\nfloor %s, ceiling %s, medians of at least %d stores, a full file may delist %.4g%%\n\n",
			c.Merchant, whose, amountOrNone(l.GetFloorMinor()), amountOrNone(l.GetCeilingMinor()), l.GetMinStores(), 100*l.GetRemovalShare()); err != nil {
			return err
		}
		var rows [][]string
		for i, b := range l.GetBands() {
			below := strconv.FormatInt(b.GetBelowMinor(), 10)
			if i == len(l.GetBands())-1 {
				below = "-"
			}
			rows = append(rows, []string{below, ratio(b.GetUp()), ratio(b.GetDown()), ratio(b.GetMedianUp()), ratio(b.GetMedianDown())})
		}
		return term.Table(w, []string{"prices below", "up", "down", "above median", "below median"}, rows)
	})
}

func amountOrNone(minor int64) string {
	if minor == 0 {
		return "-"
	}
	return strconv.FormatInt(minor, 10)
}

func ratio(v float64) string {
	if v == 0 {
		return "-"
	}
	return strconv.FormatFloat(v, 'f', -1, 64) + "x"
}

// MerchantLimitsSetCmd is `bodega merchant limits set`.
type MerchantLimitsSetCmd struct {
	Remote   `embed:""`
	Merchant string `required:"" help:"Merchant's id."`
	File     string `short:"f" xor:"limits" required:"" placeholder:"LIMITS.yaml" help:"Limits in YAML or JSON, as show prints them with -o json; - reads standard input."`
	Standard bool   `xor:"limits" required:"" help:"Give the merchant everybody's limits again."`
}

// Run sets the limits.
func (c *MerchantLimitsSetCmd) Run(ctx context.Context, t *term.Terminal) error {
	req := &inventoryv1.SetGuardLimitsRequest{MerchantId: c.Merchant}
	if !c.Standard {
		raw, err := readInput(t, c.File)
		if err != nil {
			return err
		}
		if req.Limits, err = parseLimits(raw); err != nil {
			return fmt.Errorf("limits %s: %w", c.File, err)
		}
	}
	ctx, api, err := c.connect(ctx)
	if err != nil {
		return err
	}
	out, err := api.merchants.SetGuardLimits(ctx, req)
	if err != nil {
		return err
	}
	text := textLine("The limits were so already, or there is no store to judge again.")
	if out.GetFeedId() != "" {
		text = textLine("The limits are changed; %s judges the merchant's items again.", out.GetFeedId())
	}
	return t.Print(message{out}, text)
}

// parseLimits reads YAML, of which JSON is a part, with the names of the API.
func parseLimits(raw []byte) (*inventoryv1.GuardLimits, error) {
	var document any
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty")
		}
		return nil, err
	}
	encoded, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	limits := &inventoryv1.GuardLimits{}
	if err := protojson.Unmarshal(encoded, limits); err != nil {
		return nil, err
	}
	return limits, nil
}
