package gbdt

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// WriteTo writes the model in LightGBM's text format, version v4.
func (m *Model) WriteTo(w io.Writer) (int64, error) {
	var head, trees bytes.Buffer
	sizes := make([]string, len(m.Trees))
	for i, t := range m.Trees {
		before := trees.Len()
		fmt.Fprintf(&trees, "Tree=%d\n", i)
		t.write(&trees)
		trees.WriteByte('\n')
		sizes[i] = strconv.Itoa(trees.Len() - before)
	}
	fmt.Fprintf(&head, "tree\nversion=v4\nnum_class=%d\nnum_tree_per_iteration=%d\nlabel_index=%d\nmax_feature_idx=%d\n",
		m.NumClass, m.TreesPerIteration, m.LabelIndex, m.Features()-1)
	if m.Objective != "" {
		fmt.Fprintf(&head, "objective=%s\n", m.Objective)
	}
	if m.AverageOutput {
		head.WriteString("average_output\n")
	}
	fmt.Fprintf(&head, "feature_names=%s\n", strings.Join(m.FeatureNames, " "))
	if len(m.MonotoneConstraints) > 0 {
		fmt.Fprintf(&head, "monotone_constraints=%s\n", joinInts(m.MonotoneConstraints))
	}
	fmt.Fprintf(&head, "feature_infos=%s\ntree_sizes=%s\n\n", strings.Join(m.FeatureInfos, " "), strings.Join(sizes, " "))
	trees.WriteString("end of trees\n\nfeature_importances:\n")
	m.writeImportances(&trees)
	if len(m.Parameters) > 0 {
		trees.WriteString("\nparameters:\n")
		for _, p := range m.Parameters {
			fmt.Fprintf(&trees, "[%s: %s]\n", p.Name, p.Value)
		}
		trees.WriteString("\nend of parameters\n")
	}
	if m.PandasCategorical != nil {
		text, err := json.Marshal(m.PandasCategorical)
		if err != nil {
			return 0, fmt.Errorf("write categories of model: %w", err)
		}
		fmt.Fprintf(&trees, "\npandas_categorical:%s\n", text)
	} else {
		trees.WriteString("\npandas_categorical:null\n")
	}
	n, err := head.WriteTo(w)
	if err != nil {
		return n, fmt.Errorf("write model: %w", err)
	}
	rest, err := trees.WriteTo(w)
	if err != nil {
		err = fmt.Errorf("write model: %w", err)
	}
	return n + rest, err
}

// writeImportances lists the features that are used at all, the most important
// first.
func (m *Model) writeImportances(w io.Writer) {
	kind, _ := m.Parameter("saved_feature_importance_type")
	importance := m.Importance(kind == "1")
	var used []int
	for i, v := range importance {
		if int64(v) > 0 {
			used = append(used, i)
		}
	}
	slices.SortStableFunc(used, func(a, b int) int { return cmp.Compare(int64(importance[b]), int64(importance[a])) })
	for _, i := range used {
		fmt.Fprintf(w, "%s=%d\n", m.FeatureNames[i], int64(importance[i]))
	}
}

func (t *Tree) write(w io.Writer) {
	sets := max(len(t.CategoryStart)-1, 0)
	fmt.Fprintf(w, "num_leaves=%d\nnum_cat=%d\n", t.Leaves(), sets)
	fmt.Fprintf(w, "split_feature=%s\n", joinInts(t.SplitFeature))
	fmt.Fprintf(w, "split_gain=%s\n", joinFloats(t.SplitGain, formatShort))
	fmt.Fprintf(w, "threshold=%s\n", joinFloats(t.Threshold, formatExact))
	fmt.Fprintf(w, "decision_type=%s\n", joinInts(t.DecisionType))
	fmt.Fprintf(w, "left_child=%s\n", joinInts(t.Left))
	fmt.Fprintf(w, "right_child=%s\n", joinInts(t.Right))
	fmt.Fprintf(w, "leaf_value=%s\n", joinFloats(t.LeafValue, formatExact))
	fmt.Fprintf(w, "leaf_weight=%s\n", joinFloats(t.LeafWeight, formatExact))
	fmt.Fprintf(w, "leaf_count=%s\n", joinInts(t.LeafCount))
	fmt.Fprintf(w, "internal_value=%s\n", joinFloats(t.InternalValue, formatShort))
	fmt.Fprintf(w, "internal_weight=%s\n", joinFloats(t.InternalWeight, formatShort))
	fmt.Fprintf(w, "internal_count=%s\n", joinInts(t.InternalCount))
	if sets > 0 {
		fmt.Fprintf(w, "cat_boundaries=%s\ncat_threshold=%s\n", joinInts(t.CategoryStart), joinInts(t.CategoryBits))
	}
	if t.Linear == nil {
		fmt.Fprintf(w, "is_linear=0\n")
	} else {
		t.writeLinear(w)
	}
	fmt.Fprintf(w, "shrinkage=%s\n\n", formatShort(t.Shrinkage))
}

func (t *Tree) writeLinear(w io.Writer) {
	var constants []float64
	var counts []int
	var features, coefficients strings.Builder
	for _, leaf := range t.Linear {
		constants = append(constants, leaf.Constant)
		counts = append(counts, len(leaf.Features))
		if len(leaf.Features) > 0 {
			features.WriteString(joinInts(leaf.Features) + " ")
			coefficients.WriteString(joinFloats(leaf.Coefficients, formatExact) + " ")
		}
		features.WriteByte(' ')
		coefficients.WriteByte(' ')
	}
	fmt.Fprintf(w, "is_linear=1\nleaf_const=%s\nnum_features=%s\nleaf_features=%s\nleaf_coeff=%s\n",
		joinFloats(constants, formatExact), joinInts(counts), features.String(), coefficients.String())
}

func joinInts[T int | uint8 | uint32](v []T) string {
	var b []byte
	for i, x := range v {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, int64(x), 10)
	}
	return string(b)
}

func joinFloats(v []float64, format func(float64) string) string {
	items := make([]string, len(v))
	for i, x := range v {
		items[i] = format(x)
	}
	return strings.Join(items, " ")
}
