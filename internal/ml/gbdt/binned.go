package gbdt

import (
	"context"
	"fmt"
	"math"
)

// perWord is how many narrow features share one packed word, so that one load
// fetches four bins and the row's derivatives are loaded once for four.
const perWord = 4

// binned is the training data as bin numbers, once by column for partitioning
// and once packed by row for histograms.
type binned struct {
	rows    int
	columns []column
	groups  []group
	// histogramBins is the number of bins over all columns.
	histogramBins int
}

// column is a feature that can be split on.
type column struct {
	*binMapper
	// feature is its number in the Dataset.
	feature int
	// offset is where its bins start in a histogram.
	offset int
	// Exactly one of these is set, by the number of bins.
	narrow []uint8
	wide   []uint16
	vast   []uint32
}

// group is a run of neighbouring columns whose histograms are built together.
type group struct {
	first, n int
	// words holds the bins of perWord narrow columns per row, the first column in
	// the lowest byte; nil where the group is one column.
	words []uint32
}

// newMappers finds the bins of every feature from a sample of rows.
func newMappers(ctx context.Context, d *Dataset, p *Params, w workers) ([]*binMapper, error) {
	rows := d.Rows()
	sampled := min(rows, p.BinConstructSampleCount)
	var picked []int
	if sampled < rows {
		random := lcg(uint32(p.DataRandomSeed))
		picked = random.sample(rows, sampled)
	}
	minSplitRows := int(float64(p.MinDataInLeaf*sampled) / float64(rows))
	mappers := make([]*binMapper, len(d.Features))
	w.each(len(d.Features), func(i int) {
		if ctx.Err() != nil {
			return
		}
		f := &d.Features[i]
		values := make([]float64, sampled)
		if picked == nil {
			copy(values, f.Values)
		} else {
			for j, row := range picked {
				values[j] = f.Values[row]
			}
		}
		maxBin := p.MaxBin
		if len(p.MaxBinByFeature) > 0 {
			maxBin = p.MaxBinByFeature[i]
		}
		mappers[i] = newBinMapper(values, f.Categorical, binParams{
			maxBin: maxBin, minDataInBin: p.MinDataInBin, minSplitRows: minSplitRows,
			preFilter: p.FeaturePreFilter, useMissing: p.UseMissing, zeroMissing: p.ZeroAsMissing,
		})
	})
	return mappers, ctx.Err()
}

// newBinned turns every useful feature into bins.
func newBinned(ctx context.Context, d *Dataset, mappers []*binMapper, w workers) (*binned, error) {
	b := &binned{rows: d.Rows()}
	for i, m := range mappers {
		if m.useless {
			continue
		}
		b.columns = append(b.columns, column{binMapper: m, feature: i, offset: b.histogramBins})
		b.histogramBins += m.numBin
		if b.histogramBins > math.MaxInt32/2 {
			return nil, fmt.Errorf("%w: over %d bins in all", ErrData, math.MaxInt32/2)
		}
	}
	w.each(len(b.columns), func(i int) {
		if ctx.Err() != nil {
			return
		}
		c := &b.columns[i]
		values := d.Features[c.feature].Values
		switch {
		case c.numBin <= 1<<8:
			c.narrow = binValues[uint8](c.binMapper, values)
		case c.numBin <= 1<<16:
			c.wide = binValues[uint16](c.binMapper, values)
		default:
			c.vast = binValues[uint32](c.binMapper, values)
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.pack()
	return b, nil
}

func binValues[T uint8 | uint16 | uint32](m *binMapper, values []float64) []T {
	bins := make([]T, len(values))
	for i, v := range values {
		bins[i] = T(m.bin(v))
	}
	return bins
}

func (b *binned) pack() {
	for i := 0; i < len(b.columns); {
		n := 0
		for n < perWord && i+n < len(b.columns) && b.columns[i+n].narrow != nil {
			n++
		}
		if n < perWord {
			b.groups = append(b.groups, group{first: i, n: 1})
			i++
			continue
		}
		words := make([]uint32, b.rows)
		for k := range perWord {
			for row, bin := range b.columns[i+k].narrow {
				words[row] |= uint32(bin) << (8 * k)
			}
		}
		b.groups = append(b.groups, group{first: i, n: perWord, words: words})
		i += perWord
	}
}
