package gbdt

// derivative is the first and second derivative of a row's loss, rounded to
// float32 as the reference does before it sums them.
type derivative struct{ g, h float32 }

// entry is the sum of derivatives over the rows of a bin.
type entry struct{ g, h float64 }

// window is how many entries a byte can address. Histograms end in so much
// padding that every narrow column can be seen through an array of this length,
// which spares a bounds check per row.
const window = 256

// newHistogram has room for every column's bins.
func (b *binned) newHistogram() []entry { return make([]entry, b.histogramBins+window) }

// fill sums the derivatives of rows into the histograms of the group's columns.
// ordered holds the derivatives in the order of rows; rows nil means all rows.
// Sums run in row order, so that they are the same for any number of threads.
func (b *binned) fill(g *group, hist []entry, rows []int32, ordered []derivative) {
	last := &b.columns[g.first+g.n-1]
	clear(hist[b.columns[g.first].offset : last.offset+last.numBin])
	if g.words == nil {
		b.fillColumn(&b.columns[g.first], hist, rows, ordered)
		return
	}
	h0 := (*[window]entry)(hist[b.columns[g.first].offset:])
	h1 := (*[window]entry)(hist[b.columns[g.first+1].offset:])
	h2 := (*[window]entry)(hist[b.columns[g.first+2].offset:])
	h3 := (*[window]entry)(hist[b.columns[g.first+3].offset:])
	words := g.words
	if rows == nil {
		ordered = ordered[:len(words)]
		for i, word := range words {
			grad, hess := float64(ordered[i].g), float64(ordered[i].h)
			e := &h0[uint8(word)]
			e.g += grad
			e.h += hess
			e = &h1[uint8(word>>8)]
			e.g += grad
			e.h += hess
			e = &h2[uint8(word>>16)]
			e.g += grad
			e.h += hess
			e = &h3[word>>24]
			e.g += grad
			e.h += hess
		}
		return
	}
	// The body stands here twice because a call per row would cost as much as
	// the sums.
	ordered = ordered[:len(rows)]
	for i, row := range rows {
		word := words[row]
		grad, hess := float64(ordered[i].g), float64(ordered[i].h)
		e := &h0[uint8(word)]
		e.g += grad
		e.h += hess
		e = &h1[uint8(word>>8)]
		e.g += grad
		e.h += hess
		e = &h2[uint8(word>>16)]
		e.g += grad
		e.h += hess
		e = &h3[word>>24]
		e.g += grad
		e.h += hess
	}
}

// fillColumn does what fill does, for one column.
func (b *binned) fillColumn(c *column, hist []entry, rows []int32, ordered []derivative) {
	switch {
	case c.narrow != nil:
		h := (*[window]entry)(hist[c.offset:])
		if rows == nil {
			ordered = ordered[:len(c.narrow)]
			for i, bin := range c.narrow {
				e := &h[bin]
				e.g += float64(ordered[i].g)
				e.h += float64(ordered[i].h)
			}
			return
		}
		ordered = ordered[:len(rows)]
		bins := c.narrow
		for i, row := range rows {
			e := &h[bins[row]]
			e.g += float64(ordered[i].g)
			e.h += float64(ordered[i].h)
		}
	case c.wide != nil:
		fillWide(c.wide, hist[c.offset:c.offset+c.numBin], rows, ordered)
	default:
		fillWide(c.vast, hist[c.offset:c.offset+c.numBin], rows, ordered)
	}
}

func fillWide[T uint16 | uint32](bins []T, hist []entry, rows []int32, ordered []derivative) {
	if rows == nil {
		for i, bin := range bins {
			e := &hist[bin]
			e.g += float64(ordered[i].g)
			e.h += float64(ordered[i].h)
		}
		return
	}
	for i, row := range rows {
		e := &hist[bins[row]]
		e.g += float64(ordered[i].g)
		e.h += float64(ordered[i].h)
	}
}

// completeFrequent recomputes the most frequent bin of a column as the leaf's
// total less the other bins. The sum is already there; this one differs from it
// in the last digits in the very way the reference does, so that ties fall the
// same.
func (c *column) completeFrequent(hist []entry, sum entry) {
	if c.frequentBin == 0 {
		return
	}
	bins := hist[c.offset : c.offset+c.numBin]
	for i, e := range bins {
		if i != c.frequentBin {
			sum.g -= e.g
			sum.h -= e.h
		}
	}
	bins[c.frequentBin] = sum
}

// subtract leaves in parent the histogram of the sibling of child.
func (c *column) subtract(parent, child []entry) {
	p := parent[c.offset : c.offset+c.numBin]
	q := child[c.offset : c.offset+c.numBin]
	for i := range p {
		p[i].g -= q[i].g
		p[i].h -= q[i].h
	}
}
