package inventory

import (
	"errors"
	"fmt"
	"time"

	"github.com/bodega-hq/bodega/internal/inventory/availability"
)

// Config is how the inventory works. The tags are flags, YAML keys and, with
// BODEGA_ before them, environment variables.
type Config struct {
	ChunkRows      int           `name:"chunk-rows" default:"4000" help:"Rows that are judged and merged in one transaction. make bench-inventory shows how the rate follows it."`
	MaxFeedBytes   int64         `name:"max-feed-bytes" default:"8589934592" help:"Largest feed, uncompressed, in bytes."`
	SplitMemory    int           `name:"split-memory-bytes" default:"67108864" help:"Memory in which a feed is sorted before it spills to disk."`
	RemovalShare   float64       `name:"removal-share" default:"0.3" help:"Share of a store that one full file may delist without a person, for merchants without limits of their own."`
	HideBelow      float64       `name:"hide-below" default:"0.35" help:"Predicted chance of finding an item below which it is hidden; 0 never hides."`
	SweepEvery     time.Duration `name:"sweep-every" default:"10s" help:"How often feeds that were stored and never started are looked for."`
	PublishEvery   time.Duration `name:"publish-every" default:"500ms" help:"How soon a change outside a feed reaches the menu."`
	StoresAtOnce   int           `name:"stores-at-once" default:"4" help:"Stores of one feed that are worked on at once."`
	HeartbeatLimit time.Duration `name:"heartbeat-limit" default:"15s" help:"Silence after which a worker is given up and its feed goes on elsewhere."`
}

// DefaultConfig is what the flags default to.
func DefaultConfig() Config {
	return Config{
		ChunkRows: 4000, MaxFeedBytes: 8 << 30, SplitMemory: 64 << 20, RemovalShare: 0.3, HideBelow: 0.35,
		SweepEvery: 10 * time.Second, PublishEvery: 500 * time.Millisecond, StoresAtOnce: 4, HeartbeatLimit: 15 * time.Second,
	}
}

// Validate says what is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.ChunkRows < 1 || c.ChunkRows > 100_000 {
		errs = append(errs, fmt.Errorf("chunk-rows %d: want 1 to 100000", c.ChunkRows))
	}
	if c.MaxFeedBytes < 1 {
		errs = append(errs, fmt.Errorf("max-feed-bytes %d: want at least 1", c.MaxFeedBytes))
	}
	if c.SplitMemory < 1<<20 {
		errs = append(errs, fmt.Errorf("split-memory-bytes %d: want at least 1048576", c.SplitMemory))
	}
	if c.RemovalShare < 0 || c.RemovalShare > 1 {
		errs = append(errs, fmt.Errorf("removal-share %g: want 0 to 1", c.RemovalShare))
	}
	if c.HideBelow < 0 || c.HideBelow > 1 {
		errs = append(errs, fmt.Errorf("hide-below %g: want 0 to 1", c.HideBelow))
	}
	if c.StoresAtOnce < 1 {
		errs = append(errs, fmt.Errorf("stores-at-once %d: want at least 1", c.StoresAtOnce))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"sweep-every", c.SweepEvery}, {"publish-every", c.PublishEvery}, {"heartbeat-limit", c.HeartbeatLimit}} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("%s %s: want a time above zero", d.name, d.value))
		}
	}
	return errors.Join(errs...)
}

func (c Config) availabilityPolicy() availability.Policy {
	return availability.Policy{
		Threshold: c.HideBelow, MinLevel: availability.ItemStoreLevel, Version: uint64(c.HideBelow * 1_000_000),
	}
}
