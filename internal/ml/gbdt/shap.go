package gbdt

import (
	"context"
)

// Contributions explains the raw scores of rows: per row, then per class, a
// value per feature and the expected value last, which together add up to the
// raw score. It is the path-dependent TreeSHAP of Lundberg and Lee (arXiv
// 1706.06060 and 1802.03888), with numbers of training rows as weights. Trees
// with linear leaves are refused.
func (m *Model) Contributions(ctx context.Context, columns [][]float64, threads int) ([]float64, error) {
	rows, err := m.checkColumns(columns)
	if err != nil {
		return nil, err
	}
	explainers := make([]*explainer, len(m.Trees))
	for i, t := range m.Trees {
		if explainers[i], err = newExplainer(t, i); err != nil {
			return nil, err
		}
	}
	width := (m.Features() + 1) * m.TreesPerIteration
	out := make([]float64, rows*width)
	const perTask = 64
	threadsOf(threads).each((rows+perTask-1)/perTask, func(task int) {
		row := make([]float64, m.Features())
		var scratch []pathElement
		for r := task * perTask; r < min(task*perTask+perTask, rows); r++ {
			if ctx.Err() != nil {
				return
			}
			for i := range columns {
				row[i] = columns[i][r]
			}
			for t, x := range explainers {
				phi := out[r*width+t%m.TreesPerIteration*(m.Features()+1):][:m.Features()+1]
				scratch = x.explain(row, phi, scratch)
			}
		}
	})
	return out, ctx.Err()
}

// deepestExplained bounds the memory that a path takes.
const deepestExplained = 10000

// explainer is a tree with what explaining it needs for every row.
type explainer struct {
	*Tree
	expected float64
	pathRoom int
}

func newExplainer(t *Tree, number int) (*explainer, error) {
	if t.Linear != nil {
		return nil, modelError(number, "has linear leaves, whose contributions are not defined")
	}
	x := &explainer{Tree: t, expected: t.LeafValue[0]}
	if len(t.Left) == 0 {
		return x, nil
	}
	for node := range t.Left {
		if t.rows(node) <= 0 || t.rows(t.Left[node]) <= 0 || t.rows(t.Right[node]) <= 0 {
			return nil, modelError(number, "does not say how many rows each node has, without which there are no contributions")
		}
	}
	x.expected = 0
	for leaf, v := range t.LeafValue {
		x.expected += float64(t.LeafCount[leaf]) / float64(t.InternalCount[0]) * v
	}
	depth := t.depth()
	if depth > deepestExplained {
		return nil, modelError(number, "is too deep for contributions")
	}
	// A path holds each feature once, and every level of the tree has a copy.
	features := make(map[int]bool)
	for _, f := range t.SplitFeature {
		features[f] = true
	}
	x.pathRoom = (depth + 2) * (min(depth, len(features)) + 2)
	return x, nil
}

// rows is the number of training rows below a child.
func (t *Tree) rows(child int) int {
	if child >= 0 {
		return t.InternalCount[child]
	}
	return t.LeafCount[^child]
}

// pathElement is a feature on the path from the root: the share of rows that
// flow on where the feature is not known and where it is, and the weight of the
// subsets with as many known features as its place says.
type pathElement struct {
	feature   int
	zero, one float64
	weight    float64
}

// explain adds the tree's contributions for row to phi.
func (x *explainer) explain(row, phi []float64, scratch []pathElement) []pathElement {
	phi[len(phi)-1] += x.expected
	if len(x.Left) == 0 {
		return scratch
	}
	if len(scratch) < x.pathRoom {
		scratch = make([]pathElement, x.pathRoom)
	}
	x.descend(row, phi, 0, scratch, 0, 1, 1, -1)
	return scratch
}

// descend walks down both children of every node, the one that row takes and
// the other. parents holds the path so far, of depth elements; this call's own
// copy follows it.
func (x *explainer) descend(row, phi []float64, node int, parents []pathElement, depth int, zero, one float64, feature int) {
	path := parents[depth:]
	copy(path, parents[:depth])
	extend(path, depth, zero, one, feature)
	if node < 0 {
		for i := 1; i <= depth; i++ {
			e := &path[i]
			phi[e.feature] += unwoundSum(path, depth, i) * (e.one - e.zero) * x.LeafValue[^node]
		}
		return
	}
	split := x.SplitFeature[node]
	hot, cold := x.Left[node], x.Right[node]
	if !x.goesLeft(node, row[split]) {
		hot, cold = cold, hot
	}
	all := float64(x.rows(node))
	hotShare, coldShare := float64(x.rows(hot))/all, float64(x.rows(cold))/all
	zeroBefore, oneBefore := 1.0, 1.0
	// A feature that was split on above is taken out and put in anew.
	for i := 0; i <= depth; i++ {
		if path[i].feature == split {
			zeroBefore, oneBefore = path[i].zero, path[i].one
			unwind(path, depth, i)
			depth--
			break
		}
	}
	x.descend(row, phi, hot, path, depth+1, hotShare*zeroBefore, oneBefore, split)
	x.descend(row, phi, cold, path, depth+1, coldShare*zeroBefore, 0, split)
}

// extend adds a feature to the path.
func extend(path []pathElement, depth int, zero, one float64, feature int) {
	path[depth] = pathElement{feature, zero, one, 0}
	if depth == 0 {
		path[0].weight = 1
	}
	for i := depth - 1; i >= 0; i-- {
		path[i+1].weight += one * path[i].weight * float64(i+1) / float64(depth+1)
		path[i].weight = zero * path[i].weight * float64(depth-i) / float64(depth+1)
	}
}

// unwind undoes extend for the feature at place at.
func unwind(path []pathElement, depth, at int) {
	one, zero := path[at].one, path[at].zero
	next := path[depth].weight
	for i := depth - 1; i >= 0; i-- {
		if one != 0 {
			before := path[i].weight
			path[i].weight = next * float64(depth+1) / (float64(i+1) * one)
			next = before - path[i].weight*zero*float64(depth-i)/float64(depth+1)
		} else {
			path[i].weight = path[i].weight * float64(depth+1) / (zero * float64(depth-i))
		}
	}
	for i := at; i < depth; i++ {
		path[i].feature, path[i].zero, path[i].one = path[i+1].feature, path[i+1].zero, path[i+1].one
	}
}

// unwoundSum is the sum of weights of the path with the feature at place at
// undone.
func unwoundSum(path []pathElement, depth, at int) float64 {
	one, zero := path[at].one, path[at].zero
	next, total := path[depth].weight, 0.0
	for i := depth - 1; i >= 0; i-- {
		if one != 0 {
			w := next * float64(depth+1) / (float64(i+1) * one)
			total += w
			next = path[i].weight - w*zero*(float64(depth-i)/float64(depth+1))
		} else {
			total += path[i].weight / zero / (float64(depth-i) / float64(depth+1))
		}
	}
	return total
}
