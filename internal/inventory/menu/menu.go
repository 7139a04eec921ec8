// Package menu arranges a store's shown items as the tree that shoppers read:
// categories in order, items in order within them. Readers take a whole menu
// at a time, so it is made once and kept as one object.
package menu

import (
	"cmp"
	"slices"

	"github.com/bodega-hq/bodega/internal/platform/money"
)

// Other is the category of items that have none.
const Other = "Other"

// Item is what a shopper sees of one item.
type Item struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Brand    string `json:"brand,omitempty"`
	Size     string `json:"size,omitempty"`
	Category string `json:"-"`
	// Price is what a shopper pays, in minor units, and Regular the ordinary
	// price beside a sale, 0 without one.
	Price   money.Minor `json:"price"`
	Regular money.Minor `json:"regular,omitempty"`
	// Per is the weight in micrograms that Price is for, 0 for one piece.
	Per int64 `json:"per,omitempty"`
	// Percent is the predicted chance of finding the item, -1 where nothing predicts.
	Percent int8 `json:"percent"`
}

// Category is a shelf of the store.
type Category struct {
	Name  string `json:"name"`
	Items []Item `json:"items"`
}

// Tree is a whole menu.
type Tree struct {
	Categories []Category `json:"categories"`
}

// Builder collects items.
type Builder struct {
	shelves map[string][]Item
}

// NewBuilder begins an empty menu.
func NewBuilder() *Builder { return &Builder{shelves: map[string][]Item{}} }

// Add puts an item on the shelf of its category.
func (b *Builder) Add(item Item) {
	category := cmp.Or(item.Category, Other)
	b.shelves[category] = append(b.shelves[category], item)
}

// Tree is the menu: categories by name with Other last, items by name, then id.
func (b *Builder) Tree() *Tree {
	t := &Tree{Categories: make([]Category, 0, len(b.shelves))}
	for name, items := range b.shelves {
		slices.SortFunc(items, func(a, b Item) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
		t.Categories = append(t.Categories, Category{Name: name, Items: items})
	}
	slices.SortFunc(t.Categories, func(a, b Category) int {
		if (a.Name == Other) != (b.Name == Other) {
			return cmp.Compare(boolRank(a.Name == Other), boolRank(b.Name == Other))
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return t
}

func boolRank(last bool) int {
	if last {
		return 1
	}
	return 0
}
