package gbdt

import (
	"errors"
	"fmt"
	"math"
)

// ErrData marks input that cannot be trained on or scored: wrong shapes, labels
// out of range, no rows.
var ErrData = errors.New("unusable data")

// Feature is one column.
type Feature struct {
	// Name is unique in its Dataset and free of the characters "[]{},:\" that
	// the model file gives a meaning; spaces become underscores.
	Name string
	// Values holds a number per row; NaN is missing. For a categorical feature
	// they are category codes: integers from 0 below 2^31, anything else is
	// missing.
	Values []float64
	// Categorical features are split by sets of categories, not by order.
	Categorical bool
}

// Dataset is a table of features and what is to be learned from them.
type Dataset struct {
	Features []Feature
	// Label holds a number per row: the class from 0 for multiclass, above 0
	// or not for binary, the value for regression. Kept as float32.
	Label []float64
	// Weight of each row, not negative; nil is 1 for all. Kept as float32.
	Weight []float64
}

// Rows is the number of rows.
func (d *Dataset) Rows() int { return len(d.Label) }

func (d *Dataset) validate() error {
	rows := d.Rows()
	if rows == 0 {
		return fmt.Errorf("%w: no rows", ErrData)
	}
	if rows > math.MaxInt32 {
		return fmt.Errorf("%w: %d rows, at most %d", ErrData, rows, math.MaxInt32)
	}
	if len(d.Features) == 0 {
		return fmt.Errorf("%w: no features", ErrData)
	}
	for _, f := range d.Features {
		if len(f.Values) != rows {
			return fmt.Errorf("%w: feature %q has %d values for %d labels", ErrData, f.Name, len(f.Values), rows)
		}
	}
	for i, y := range d.Label {
		// Beyond float32 the label would become infinite.
		if !(math.Abs(y) <= math.MaxFloat32) {
			return fmt.Errorf("%w: label %v of row %d (from 0) is not a finite number", ErrData, y, i)
		}
	}
	if d.Weight == nil {
		return nil
	}
	if len(d.Weight) != rows {
		return fmt.Errorf("%w: %d weights for %d rows", ErrData, len(d.Weight), rows)
	}
	sum := 0.0
	for i, w := range d.Weight {
		if !(w >= 0 && w <= math.MaxFloat32) {
			return fmt.Errorf("%w: weight %v of row %d (from 0) is not a finite number of at least 0", ErrData, w, i)
		}
		sum += w
	}
	if sum == 0 {
		return fmt.Errorf("%w: all weights are 0", ErrData)
	}
	return nil
}

// target is what objectives and metrics see of a dataset.
type target struct {
	label  []float32
	weight []float32 // nil is 1 for all
}

func newTarget(d *Dataset) target {
	t := target{label: toFloat32(d.Label)}
	if d.Weight != nil {
		t.weight = toFloat32(d.Weight)
	}
	return t
}

func toFloat32(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

func (t *target) sumOfWeights() float64 {
	if t.weight == nil {
		return float64(len(t.label))
	}
	sum := 0.0
	for _, w := range t.weight {
		sum += float64(w)
	}
	return sum
}
