package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"

	"github.com/bodega-hq/bodega/internal/inventory/judge"
	"github.com/bodega-hq/bodega/internal/inventory/menu"
)

// menuCounts is what making a menu counted.
type menuCounts struct {
	Items  int64
	Shown  int64
	Hidden map[string]int64
}

// draft is a menu in the making.
type draft struct {
	shelves *menu.Builder
	counts  menuCounts
}

func newDraft() *draft {
	return &draft{shelves: menu.NewBuilder(), counts: menuCounts{Hidden: map[string]int64{}}}
}

// add puts a store's item on the menu, if shoppers see it.
func (d *draft) add(st *judge.State) {
	if st.Hidden == judge.HiddenDelisted {
		return
	}
	d.counts.Items++
	if !st.Shown() {
		d.counts.Hidden[string(st.Hidden)]++
		return
	}
	d.counts.Shown++
	d.shelves.Add(menu.Item{
		ID: st.SKU, Name: st.Name, Brand: st.Brand, Size: st.Size.String(), Category: st.Category,
		Price: st.Price.Effective, Regular: st.Price.Regular, Per: int64(st.Price.Per), Percent: st.Percent,
	})
}

// publish makes a store's menu from its items as they are, and points readers
// to it.
func (s *Service) publish(ctx context.Context, key StoreKey) error {
	for range 5 {
		started := s.deps.Now()
		d := newDraft()
		writes, version, err := s.store.menuSnapshot(ctx, key, d.add)
		if err != nil {
			return fmt.Errorf("make menu of store %s: %w", key, err)
		}
		if flipped, err := s.flip(ctx, key, d, version, writes, started); err != nil || flipped {
			return err
		}
		// Another publisher was faster; its menu may lack what this one has.
	}
	return fmt.Errorf("publish menu of store %s: others keep publishing it", key)
}

// flip keeps a menu that has all of the store's writes as a new object, and
// points readers to it, unless they were pointed to another one since version.
// They see the old menu or the new one, whole.
func (s *Service) flip(ctx context.Context, key StoreKey, d *draft, version, writes int64, started time.Time) (bool, error) {
	objectKey := s.key(ctx, "menus", key.Merchant, key.Store, fmt.Sprintf("%09d-%s", version+1, attempt()))
	encoded, err := encodeMenu(d.shelves.Tree())
	if err != nil {
		return false, fmt.Errorf("encode menu of store %s: %w", key, err)
	}
	if _, err := s.deps.Bucket.Put(ctx, objectKey, bytes.NewReader(encoded)); err != nil {
		return false, fmt.Errorf("keep menu of store %s: %w", key, err)
	}
	flipped, err := s.store.flipMenu(ctx, key, version, objectKey, d.counts, writes, s.now())
	if err != nil {
		return false, err
	}
	if !flipped {
		return false, s.deps.Bucket.Delete(ctx, objectKey)
	}
	s.deps.Metrics.stage("publish", s.deps.Now().Sub(started))
	return true, nil
}

func encodeMenu(t *menu.Tree) ([]byte, error) {
	encoded, err := jsonv2.Marshal(t)
	if err != nil {
		return nil, err
	}
	return compress(encoded), nil
}

// readMenu reads the menu that a store's pointer names.
func (s *Service) readMenu(ctx context.Context, st *Store) (*menu.Tree, error) {
	t := &menu.Tree{}
	if st.MenuKey == "" {
		return t, nil
	}
	r, err := s.deps.Bucket.Open(ctx, st.MenuKey, 0, -1)
	if err != nil {
		return nil, fmt.Errorf("read menu of store %s: %w", st.Key, err)
	}
	defer r.Close()
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("read menu of store %s: %w", st.Key, err)
	}
	defer z.Close()
	encoded, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("read menu of store %s: %w", st.Key, err)
	}
	if err := json.Unmarshal(encoded, t); err != nil {
		return nil, fmt.Errorf("decode menu of store %s: %w", st.Key, err)
	}
	return t, nil
}

// publishBehind publishes a store whose menu lacks what was written to it: a
// step that was cut off after its last write is not done before.
func (s *Service) publishBehind(ctx context.Context, key StoreKey) error {
	behind, err := s.store.menuBehind(ctx, key)
	if err != nil || !behind {
		return err
	}
	return s.publish(ctx, key)
}

// publishChanged publishes the stores that changed outside a feed.
func (s *Service) publishChanged(ctx context.Context) error {
	keys, err := s.store.unpublished(ctx, 100)
	if err != nil {
		return err
	}
	var errs []error
	for _, key := range keys {
		errs = append(errs, s.publish(ctx, key))
	}
	return errors.Join(errs...)
}

// loop calls f every so often until ctx ends. What goes wrong is logged once
// and again when it changes: an outage would fill the log otherwise.
func (s *Service) loop(ctx context.Context, wg *sync.WaitGroup, name string, every time.Duration, f func(context.Context) error) {
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		said := ""
		for {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				if text := err.Error(); text != said {
					said = text
					s.deps.Logger.WarnContext(ctx, "background work will be tried again", "loop", name, "error", text)
				}
			} else {
				said = ""
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
}
