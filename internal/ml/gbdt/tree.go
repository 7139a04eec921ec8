package gbdt

import "math"

// Bits of a node's decision type, as the model file stores them.
const (
	decisionCategorical = 1
	decisionDefaultLeft = 2
	decisionMissing     = 2 // shift of the missing type
)

// Tree is one regression tree in the shape of the model file: node i is made
// by the i-th split, a child is a node where it is not negative and leaf ^child
// where it is.
type Tree struct {
	SplitFeature []int
	SplitGain    []float64
	// Threshold is the value up to which a row goes left; for a categorical
	// node the number of its set of categories.
	Threshold    []float64
	DecisionType []uint8
	Left, Right  []int
	// LeafValue is what a leaf adds to the raw score, shrinkage included.
	LeafValue []float64
	// LeafWeight is the leaf's sum of hessians, LeafCount its training rows.
	LeafWeight     []float64
	LeafCount      []int
	InternalValue  []float64
	InternalWeight []float64
	InternalCount  []int
	// CategorySet k is the bits of CategoryBits[CategoryStart[k]:CategoryStart[k+1]].
	CategoryStart []int
	CategoryBits  []uint32
	Shrinkage     float64
	// Linear holds a linear model per leaf where the tree has them.
	Linear []LinearLeaf
}

// LinearLeaf is a linear model in a leaf: Constant plus the weighted features.
type LinearLeaf struct {
	Constant     float64
	Features     []int
	Coefficients []float64
}

// Leaves is the number of leaves.
func (t *Tree) Leaves() int { return len(t.LeafValue) }

// constantTree is a tree of one leaf.
func constantTree(value float64, rows int) *Tree {
	return &Tree{LeafValue: []float64{value}, LeafWeight: []float64{0}, LeafCount: []int{rows}, Shrinkage: 1}
}

// split turns a leaf into a node; the left half keeps the leaf's number, the
// right half takes the next. It returns the node's number.
func (t *Tree) split(leaf, parent, feature int, gain float64, left, right *side) int {
	node, added := len(t.SplitFeature), t.Leaves()
	if parent >= 0 {
		if t.Left[parent] == ^leaf {
			t.Left[parent] = node
		} else {
			t.Right[parent] = node
		}
	}
	t.SplitFeature = append(t.SplitFeature, feature)
	// The file's reader and the importance both see the gain as float32.
	t.SplitGain = append(t.SplitGain, float64(float32(gain)))
	t.Left = append(t.Left, ^leaf)
	t.Right = append(t.Right, ^added)
	t.InternalValue = append(t.InternalValue, t.LeafValue[leaf])
	t.InternalWeight = append(t.InternalWeight, left.sum.h+right.sum.h)
	t.InternalCount = append(t.InternalCount, left.rows+right.rows)
	t.LeafValue[leaf], t.LeafWeight[leaf], t.LeafCount[leaf] = notNaN(left.output), left.sum.h, left.rows
	t.LeafValue = append(t.LeafValue, notNaN(right.output))
	t.LeafWeight = append(t.LeafWeight, right.sum.h)
	t.LeafCount = append(t.LeafCount, right.rows)
	return node
}

func notNaN(v float64) float64 {
	if v != v {
		return 0
	}
	return v
}

// addSet stores a set of categories and returns its number.
func (t *Tree) addSet(categories []int32) int {
	if len(t.CategoryStart) == 0 {
		t.CategoryStart = append(t.CategoryStart, 0)
	}
	largest := int32(0)
	for _, c := range categories {
		largest = max(largest, c)
	}
	bits := make([]uint32, largest/32+1)
	for _, c := range categories {
		bits[c/32] |= 1 << (c % 32)
	}
	t.CategoryBits = append(t.CategoryBits, bits...)
	t.CategoryStart = append(t.CategoryStart, len(t.CategoryBits))
	return len(t.CategoryStart) - 2
}

// shrink scales the tree's outputs by the learning rate.
func (t *Tree) shrink(rate float64) {
	t.eachOutput(func(v float64) float64 { return v * rate })
	t.Shrinkage *= rate
}

// addBias adds the start score, which the first tree of each class carries.
func (t *Tree) addBias(bias float64) {
	t.eachOutput(func(v float64) float64 { return v + bias })
	t.Shrinkage = 1
}

func (t *Tree) eachOutput(f func(float64) float64) {
	for _, values := range [][]float64{t.LeafValue, t.InternalValue} {
		for i, v := range values {
			v = f(v)
			if math.Abs(v) <= zeroThreshold {
				v = 0
			}
			values[i] = v
		}
	}
}

// depth is the number of splits above the deepest leaf.
func (t *Tree) depth() int {
	if len(t.Left) == 0 {
		return 0
	}
	// A file's nodes may stand in any order.
	depths := make([]int, len(t.Left))
	deepest := 0
	for stack := []int{0}; len(stack) > 0; {
		node := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		deepest = max(deepest, depths[node]+1)
		for _, child := range []int{t.Left[node], t.Right[node]} {
			if child >= 0 {
				depths[child] = depths[node] + 1
				stack = append(stack, child)
			}
		}
	}
	return deepest
}

// next is the child that a row with this value of the node's feature goes to.
func (t *Tree) next(node int, v float64) int {
	if t.goesLeft(node, v) {
		return t.Left[node]
	}
	return t.Right[node]
}

func (t *Tree) goesLeft(node int, v float64) bool {
	d := t.DecisionType[node]
	if d&decisionCategorical != 0 {
		k := int(t.Threshold[node])
		return inSet(t.CategoryBits[t.CategoryStart[k]:t.CategoryStart[k+1]], v)
	}
	missing := missingType(d >> decisionMissing & 3)
	if v != v && missing != missingNaN {
		v = 0
	}
	if missing == missingZero && math.Abs(v) <= zeroThreshold || missing == missingNaN && v != v {
		return d&decisionDefaultLeft != 0
	}
	return v <= t.Threshold[node]
}

// inSet says whether the category v is in the set of bits.
func inSet(bits []uint32, v float64) bool {
	c := uint32(category(v)) // -1 becomes too large for any set
	word := int(c / 32)
	return word < len(bits) && bits[word]>>(c%32)&1 != 0
}

// leaf returns the leaf that a row of feature values falls into.
func (t *Tree) leaf(row []float64) int {
	if len(t.Left) == 0 {
		return 0
	}
	node := 0
	for node >= 0 {
		node = t.next(node, row[t.SplitFeature[node]])
	}
	return ^node
}

// value is what the tree adds to a row's raw score.
func (t *Tree) value(row []float64) float64 {
	leaf := t.leaf(row)
	if t.Linear == nil {
		return t.LeafValue[leaf]
	}
	model := &t.Linear[leaf]
	sum := model.Constant
	for i, f := range model.Features {
		if row[f] != row[f] {
			return t.LeafValue[leaf]
		}
		sum += model.Coefficients[i] * row[f]
	}
	return sum
}
