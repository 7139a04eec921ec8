package dbscan

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
)

// ErrInvalidInput marks every error that the caller's columns or options
// cause, as opposed to a cancelled context.
var ErrInvalidInput = errors.New("invalid input")

// maxPoints keeps point, cell and slab numbers inside 32 bits with room for
// the gaps between layers.
const maxPoints = 1 << 30

// Dimension is one numeric column. Distances are measured on Values divided by
// Scale, so a Scale is "how much of this column counts as one unit of eps":
// with amounts in cents and days, scales 500 and 1 make five currency units
// as far as one day.
type Dimension struct {
	Name   string
	Values []float64 // one value per point, finite
	Scale  float64   // positive and finite; 0 means 1
}

// Layer is one categorical column. Points whose codes differ in any layer are
// never neighbours, however close their numbers are.
type Layer struct {
	Name  string
	Codes []uint32 // one code per point; only equality matters
}

// EncodeLayer turns category names into a Layer, numbering them in order of
// first appearance.
func EncodeLayer(name string, categories []string) Layer {
	codes := make([]uint32, len(categories))
	number := make(map[string]uint32)
	for i, category := range categories {
		code, seen := number[category]
		if !seen {
			code = uint32(len(number))
			number[category] = code
		}
		codes[i] = code
	}
	return Layer{Name: name, Codes: codes}
}

// Columns are the points: at least one dimension, any number of layers, all of
// one length.
type Columns struct {
	Dimensions []Dimension
	Layers     []Layer
}

// length is the number of points, after checking everything about the columns
// that can be checked without looking at their values.
func (c Columns) length() (int, error) {
	if len(c.Dimensions) == 0 {
		return 0, fmt.Errorf("%w: no dimension given; at least one numeric column is needed", ErrInvalidInput)
	}
	n := len(c.Dimensions[0].Values)
	for _, dim := range c.Dimensions {
		if len(dim.Values) != n {
			return 0, fmt.Errorf("%w: dimension %q has %d values and dimension %q has %d", ErrInvalidInput,
				c.Dimensions[0].Name, n, dim.Name, len(dim.Values))
		}
		if dim.Scale != 0 && !(dim.Scale > 0 && !math.IsInf(dim.Scale, 0)) {
			return 0, fmt.Errorf("%w: dimension %q has scale %v; a scale is a positive finite number", ErrInvalidInput, dim.Name, dim.Scale)
		}
	}
	for _, layer := range c.Layers {
		if len(layer.Codes) != n {
			return 0, fmt.Errorf("%w: dimension %q has %d values and layer %q has %d", ErrInvalidInput,
				c.Dimensions[0].Name, n, layer.Name, len(layer.Codes))
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("%w: no points", ErrInvalidInput)
	}
	if n > maxPoints {
		return 0, fmt.Errorf("%w: %d points; at most %d can be numbered", ErrInvalidInput, n, maxPoints)
	}
	return n, nil
}

// layerOf folds all layers into one code per point, nil where there is none.
func (c Columns) layerOf() []uint32 {
	if len(c.Layers) == 0 {
		return nil
	}
	folded := c.Layers[0].Codes
	for _, layer := range c.Layers[1:] {
		pairs := make(map[uint64]uint32)
		next := make([]uint32, len(folded))
		for i, code := range layer.Codes {
			pair := uint64(folded[i])<<32 | uint64(code)
			number, seen := pairs[pair]
			if !seen {
				number = uint32(len(pairs))
				pairs[pair] = number
			}
			next[i] = number
		}
		folded = next
	}
	return folded
}

// pointSet holds the distinct points. Journals repeat the same amount on the
// same day thousands of times; everything after this step works on distinct
// points that know how often they occur, so repeats cost nothing.
type pointSet struct {
	dims   int
	coords []float64 // dims values per point, scaled
	layer  []uint32  // numbered from 0
	layers int       // how many there are
	weight []int64   // occurrences in the input
	// of maps an input position to its distinct point. Distinct points are
	// numbered by first appearance, which is also the order that cluster
	// numbers follow.
	of []int32
}

func (s *pointSet) len() int { return len(s.layer) }

func (s *pointSet) at(p int32) []float64 {
	return s.coords[int(p)*s.dims : (int(p)+1)*s.dims]
}

// distinct scales, validates and deduplicates the columns.
func distinct(c Columns, t *tracker) (*pointSet, error) {
	n, err := c.length()
	if err != nil {
		return nil, err
	}
	dims := len(c.Dimensions)
	scales := make([]float64, dims)
	for j, dim := range c.Dimensions {
		scales[j] = dim.Scale
		if dim.Scale == 0 {
			scales[j] = 1
		}
	}
	layers := c.layerOf()
	set := &pointSet{dims: dims, of: make([]int32, n)}
	keys := newKeyTable(dims + 1)
	key := make([]uint64, dims+1)
	for i := range n {
		for j := range c.Dimensions {
			raw := c.Dimensions[j].Values[i]
			v := raw / scales[j]
			if v-v != 0 { // NaN or infinite
				return nil, valueError(c.Dimensions[j], i, raw, scales[j])
			}
			// Adding zero turns -0 into +0, so that equal numbers have equal bits.
			key[j] = math.Float64bits(v + 0)
		}
		if layers != nil {
			key[dims] = uint64(layers[i])
		}
		p, added := keys.add(key)
		if added {
			set.weight = append(set.weight, 0)
		}
		set.weight[p]++
		set.of[i] = p
		if t.advance(1) {
			return nil, t.err
		}
	}
	m := len(set.weight)
	set.coords = make([]float64, m*dims)
	set.layer = make([]uint32, m)
	number := make(map[uint64]uint32)
	for p := range m {
		words := keys.words[p*(dims+1) : (p+1)*(dims+1)]
		for j := range dims {
			set.coords[p*dims+j] = math.Float64frombits(words[j])
		}
		layer, seen := number[words[dims]]
		if !seen {
			layer = uint32(len(number))
			number[words[dims]] = layer
		}
		set.layer[p] = layer
	}
	set.layers = len(number)
	return set, nil
}

func valueError(dim Dimension, i int, raw, scale float64) error {
	if raw-raw != 0 {
		return fmt.Errorf("%w: dimension %q, point %d is %v; every value must be a finite number", ErrInvalidInput, dim.Name, i, raw)
	}
	return fmt.Errorf("%w: dimension %q, point %d: %v divided by scale %v is out of a float64's range", ErrInvalidInput, dim.Name, i, raw, scale)
}

// keyTable numbers distinct keys of a fixed count of words in order of first
// appearance: open addressing, so that the million look-ups of a large input
// neither allocate nor hash through an interface.
type keyTable struct {
	width int
	words []uint64
	slots []keySlot
	seed  uint64
}

// keySlot carries 32 bits of the hash, so that growing needs no rehash and a
// probe touches the key only where it almost surely matches.
type keySlot struct {
	hash   uint32
	number int32 // key number + 1; 0 is free
}

func newKeyTable(width int) *keyTable {
	// A random seed: no file can be crafted to make every key collide. Numbers
	// follow first appearance, so results do not depend on it.
	return &keyTable{width: width, slots: make([]keySlot, 1<<10), seed: maphash.Bytes(maphash.MakeSeed(), nil)}
}

func (k *keyTable) len() int { return len(k.words) / k.width }

func (k *keyTable) add(key []uint64) (number int32, added bool) {
	h := k.seed
	for _, w := range key {
		h = (h ^ w) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	h *= 0xbf58476d1ce4e5b9
	hash := uint32(h >> 32)
	mask := uint32(len(k.slots) - 1)
	at := hash & mask
	for ; k.slots[at].number != 0; at = (at + 1) & mask {
		if k.slots[at].hash == hash && k.same(k.slots[at].number-1, key) {
			return k.slots[at].number - 1, false
		}
	}
	number = int32(k.len())
	if len(k.words)+k.width > cap(k.words) {
		k.words = slices.Grow(k.words, len(k.words)+k.width) // double: append would grow a large slice by a quarter
	}
	k.words = append(k.words, key...)
	k.slots[at] = keySlot{hash, number + 1}
	if 2*k.len() > len(k.slots) {
		k.grow()
	}
	return number, true
}

func (k *keyTable) same(number int32, key []uint64) bool {
	stored := k.words[int(number)*k.width:]
	for j, w := range key {
		if stored[j] != w {
			return false
		}
	}
	return true
}

func (k *keyTable) grow() {
	old := k.slots
	k.slots = make([]keySlot, 4*len(old))
	mask := uint32(len(k.slots) - 1)
	for _, slot := range old {
		if slot.number == 0 {
			continue
		}
		at := slot.hash & mask
		for k.slots[at].number != 0 {
			at = (at + 1) & mask
		}
		k.slots[at] = slot
	}
}
