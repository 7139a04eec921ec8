package app

import (
	"encoding/json"
	"testing"

	inventoryv1 "github.com/bodega-hq/bodega/gen/bodega/inventory/v1"
)

func TestMessagesPrintWholeNumbers(t *testing.T) {
	after := int64(1299)
	encoded, err := json.Marshal(message{&inventoryv1.ListHoldsResponse{
		Holds: []*inventoryv1.Hold{{HoldId: "7", AfterMinor: &after, Row: 3}}, OpenTotal: 12,
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Holds []struct {
			HoldID     string `json:"hold_id"`
			AfterMinor int64  `json:"after_minor"`
			Row        int64  `json:"row"`
		} `json:"holds"`
		OpenTotal     int64   `json:"open_total"`
		NextPageToken *string `json:"next_page_token"`
	}
	if err := json.Unmarshal(encoded, &got); err != nil {
		t.Fatalf("%s: %v", encoded, err)
	}
	if h := got.Holds[0]; h.HoldID != "7" || h.AfterMinor != 1299 || h.Row != 3 || got.OpenTotal != 12 || got.NextPageToken == nil {
		t.Fatalf("%s", encoded)
	}
}

func TestLimitsAreReadAsTheyArePrinted(t *testing.T) {
	limits := &inventoryv1.GuardLimits{
		FloorMinor: 5, CeilingMinor: 100_000, MinStores: 3, RemovalShare: 0.25,
		Bands: []*inventoryv1.GuardBand{{BelowMinor: 100, Up: 5, Down: 4.5, MedianUp: 5, MedianDown: 6}, {Up: 2.5}},
	}
	printed, err := json.Marshal(message{limits})
	if err != nil {
		t.Fatal(err)
	}
	read, err := parseLimits(printed)
	if err != nil || read.String() != limits.String() {
		t.Fatalf("%s reads as %v, error %v", printed, read, err)
	}
	if read, err = parseLimits([]byte("bands:\n- {below_minor: 100, up: 2}\n- {up: 1.5}\nfloor_minor: 10\n")); err != nil || read.GetBands()[1].GetUp() != 1.5 {
		t.Fatalf("YAML reads as %v, error %v", read, err)
	}
	for name, text := range map[string]string{"empty": "", "unknown name": "flor_minor: 1", "no number": "floor_minor: cheap", "not an object": "- 1"} {
		if _, err := parseLimits([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
