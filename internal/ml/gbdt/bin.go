package gbdt

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// zeroThreshold is float32(1e-35) as a double: values this close to zero count
// as zero, and it stands in model files as the bound of the zero bin.
const zeroThreshold = 1.0000000180025095e-35

// epsilon is float32(1e-15) as a double: the guard that both sides of a split
// carry in their sum of hessians.
const epsilon = 1.00000000362749e-15

// missingType says what of a feature counts as missing, in the numbering of
// the model file.
type missingType uint8

const (
	missingNone missingType = 0
	missingZero missingType = 1
	missingNaN  missingType = 2
)

// binMapper turns a feature's values into bin numbers.
type binMapper struct {
	missing     missingType
	categorical bool
	numBin      int
	// bounds are the upper bounds of numeric bins, the last one +Inf, and a
	// NaN after it where missing is missingNaN.
	bounds []float64
	// categories holds the category of each bin; bin 0 is -1, which is NaN,
	// negatives and every category too rare to have a bin.
	categories []int32
	binOf      map[int32]int
	// defaultBin holds the value 0. frequentBin is the bin that histograms
	// rebuild from the leaf's total; 0 has a meaning of its own in the scan.
	defaultBin, frequentBin int
	// useless says that no cut of this feature can leave enough rows on both
	// sides, so that training leaves it out.
	useless  bool
	min, max float64
}

// info is the feature's entry of feature_infos in a model file.
func (m *binMapper) info() string {
	if m.useless {
		return "none"
	}
	if m.categorical {
		var b strings.Builder
		for i, c := range m.categories {
			if i > 0 {
				b.WriteByte(':')
			}
			b.WriteString(strconv.Itoa(int(c)))
		}
		return b.String()
	}
	return "[" + formatExact(m.min) + ":" + formatExact(m.max) + "]"
}

// bin returns the bin of v.
func (m *binMapper) bin(v float64) int {
	if m.categorical {
		return m.binOf[category(v)]
	}
	last := m.numBin - 1
	if m.missing == missingNaN {
		if v != v {
			return last
		}
		last--
	} else if v != v {
		v = 0
	}
	lo, hi := 0, last
	for lo < hi {
		mid := (lo + hi) / 2
		if v <= m.bounds[mid] {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// category is v cut to an integer, so that -0.5 is 0; -1 for NaN, negatives and
// whatever does not fit 32 bits.
func category(v float64) int32 {
	if v > -1 && v < 1<<31 {
		return int32(v)
	}
	return -1
}

// binParams are the parameters that shape bins.
type binParams struct {
	maxBin, minDataInBin, minSplitRows int
	preFilter, useMissing, zeroMissing bool
}

// newBinMapper finds the bins of one feature from a sample of its values.
// It reorders values.
func newBinMapper(values []float64, categorical bool, p binParams) *binMapper {
	m := &binMapper{categorical: categorical, numBin: 1}
	total := len(values)
	kept := values[:0]
	nan := 0
	for _, v := range values {
		switch {
		case v != v:
			nan++
		case math.Abs(v) > zeroThreshold:
			kept = append(kept, v)
		}
	}
	zeros := total - nan - len(kept)
	switch {
	case !p.useMissing:
		// A NaN is then a plain zero.
		zeros, nan = zeros+nan, 0
	case p.zeroMissing:
		m.missing = missingZero
		zeros, nan = zeros+nan, 0
	case nan > 0:
		m.missing = missingNaN
	}
	slices.Sort(kept)
	distinct, counts := distinctValues(kept, zeros)
	m.min, m.max = distinct[0], distinct[len(distinct)-1]

	var binRows []int
	if categorical {
		binRows = m.findCategories(distinct, counts, total, nan, p)
	} else {
		binRows = m.findBounds(distinct, counts, total, nan, p)
	}
	m.useless = m.numBin <= 1 || p.preFilter && needless(binRows, total, p.minSplitRows, categorical)
	if m.useless {
		return m
	}
	m.defaultBin = m.bin(0)
	m.frequentBin = indexOfMax(binRows)
	// A dense feature keeps the zero bin in this part, whatever its share.
	if m.frequentBin != m.defaultBin && float64(binRows[m.frequentBin])/float64(total) < 0.7 {
		m.frequentBin = m.defaultBin
	}
	return m
}

func indexOfMax(v []int) int {
	best := 0
	for i := range v {
		if v[i] > v[best] {
			best = i
		}
	}
	return best
}

// distinctValues merges equal neighbours (up to one unit in the last place,
// keeping the larger) and puts zeros at their place.
func distinctValues(sorted []float64, zeros int) (distinct []float64, counts []int) {
	add := func(v float64, n int) {
		distinct = append(distinct, v)
		counts = append(counts, n)
	}
	if len(sorted) == 0 {
		add(0, zeros)
		return distinct, counts
	}
	if sorted[0] > 0 && zeros > 0 {
		add(0, zeros)
	}
	add(sorted[0], 1)
	for i := 1; i < len(sorted); i++ {
		previous, v := sorted[i-1], sorted[i]
		if v <= math.Nextafter(previous, math.Inf(1)) {
			distinct[len(distinct)-1] = v
			counts[len(counts)-1]++
			continue
		}
		if previous < 0 && v > 0 {
			add(0, zeros)
		}
		add(v, 1)
	}
	if sorted[len(sorted)-1] < 0 && zeros > 0 {
		add(0, zeros)
	}
	return distinct, counts
}

func (m *binMapper) findBounds(distinct []float64, counts []int, total, nan int, p binParams) []int {
	if m.missing == missingNaN {
		m.bounds = append(boundsAroundZero(distinct, counts, p.maxBin-1, total-nan, p.minDataInBin), math.NaN())
	} else {
		m.bounds = boundsAroundZero(distinct, counts, p.maxBin, total, p.minDataInBin)
		if m.missing == missingZero && len(m.bounds) == 2 {
			m.missing = missingNone
		}
	}
	m.numBin = len(m.bounds)
	rows := make([]int, m.numBin)
	bin := 0
	for i, v := range distinct {
		for bin < m.numBin-1 && v > m.bounds[bin] {
			bin++
		}
		rows[bin] += counts[i]
	}
	if m.missing == missingNaN {
		rows[m.numBin-1] = nan
	}
	return rows
}

// boundsAroundZero gives zero a bin of its own and shares the other bins
// between negatives and positives by their number of rows.
func boundsAroundZero(distinct []float64, counts []int, maxBin, total, minDataInBin int) []float64 {
	firstRight := sort.Search(len(distinct), func(i int) bool { return distinct[i] > zeroThreshold })
	firstZero := sort.Search(len(distinct), func(i int) bool { return distinct[i] > -zeroThreshold })
	leftRows, rightRows, zeroRows := 0, 0, 0
	for i, n := range counts {
		switch {
		case distinct[i] <= -zeroThreshold:
			leftRows += n
		case distinct[i] > zeroThreshold:
			rightRows += n
		default:
			zeroRows += n
		}
	}
	var bounds []float64
	if firstZero > 0 && maxBin > 1 {
		share := int(float64(leftRows) / float64(total-zeroRows) * float64(maxBin-1))
		bounds = greedyBounds(distinct[:firstZero], counts[:firstZero], max(share, 1), leftRows, minDataInBin)
		bounds[len(bounds)-1] = -zeroThreshold
	}
	rest := maxBin - 1 - len(bounds)
	if firstRight < len(distinct) && rest > 0 {
		bounds = append(bounds, zeroThreshold)
		return append(bounds, greedyBounds(distinct[firstRight:], counts[firstRight:], rest, rightRows, minDataInBin)...)
	}
	return append(bounds, math.Inf(1))
}

// greedyBounds closes bins of about equal rows from the left. Values that
// alone fill a bin get one to themselves.
func greedyBounds(distinct []float64, counts []int, maxBin, total, minDataInBin int) []float64 {
	var bounds []float64
	add := func(a, b float64) bool {
		bound := math.Nextafter((a+b)/2, math.Inf(1))
		if n := len(bounds); n > 0 && bound <= math.Nextafter(bounds[n-1], math.Inf(1)) {
			return false
		}
		bounds = append(bounds, bound)
		return true
	}
	last := len(distinct) - 1
	if len(distinct) <= maxBin {
		rows := 0
		for i := range last {
			rows += counts[i]
			if rows >= minDataInBin && add(distinct[i], distinct[i+1]) {
				rows = 0
			}
		}
		return append(bounds, math.Inf(1))
	}
	maxBin = max(min(maxBin, total/max(minDataInBin, 1)), 1)
	mean := float64(total) / float64(maxBin)
	restBins, restRows := maxBin, total
	big := make([]bool, len(distinct))
	for i, n := range counts {
		if float64(n) >= mean {
			big[i] = true
			restBins--
			restRows -= n
		}
	}
	mean = float64(restRows) / float64(restBins)
	upper := make([]float64, 0, maxBin)
	lower := append(make([]float64, 0, maxBin), distinct[0])
	rows := 0
	for i := range last {
		if !big[i] {
			restRows -= counts[i]
		}
		rows += counts[i]
		// The half is a float32 in the original; 0.5 is exact in both.
		if big[i] || float64(rows) >= mean || big[i+1] && float64(rows) >= math.Max(1, mean*0.5) {
			upper = append(upper, distinct[i])
			lower = append(lower, distinct[i+1])
			if len(upper) >= maxBin-1 {
				break
			}
			rows = 0
			if !big[i] {
				restBins--
				mean = float64(restRows) / float64(restBins)
			}
		}
	}
	for i := range upper {
		add(upper[i], lower[i+1])
	}
	return append(bounds, math.Inf(1))
}

// findCategories gives a bin to each category that is frequent enough, the
// most frequent first.
func (m *binMapper) findCategories(distinct []float64, counts []int, total, nan int, p binParams) []int {
	var codes []int32
	var rows []int
	for i, v := range distinct {
		code := category(v)
		if code < 0 {
			nan += counts[i]
			continue
		}
		if n := len(codes); n > 0 && codes[n-1] == code {
			rows[n-1] += counts[i]
		} else {
			codes = append(codes, code)
			rows = append(rows, counts[i])
		}
	}
	m.missing = missingNaN
	if total-nan <= 0 {
		return nil
	}
	order := make([]int, len(codes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rows[b] - rows[a] })

	share := float32(total-nan) * float32(0.99)
	enough := int(float64(share) + 0.5)
	most := len(codes)
	if nan > 0 {
		most++
	}
	most = min(most, p.maxBin)
	m.categories = []int32{-1}
	m.binOf = map[int32]int{-1: 0}
	binRows := []int{0}
	used, taken := 0, 0
	for taken < len(order) && (used < enough || m.numBin < most) {
		n := rows[order[taken]]
		if n < p.minDataInBin && taken > 1 {
			break
		}
		m.categories = append(m.categories, codes[order[taken]])
		m.binOf[codes[order[taken]]] = m.numBin
		binRows = append(binRows, n)
		used += n
		m.numBin++
		taken++
	}
	if taken == len(order) && nan == 0 {
		m.missing = missingNone
	}
	binRows[0] = total - used
	return binRows
}

// needless says that no cut between bins leaves minRows on both sides.
func needless(binRows []int, total, minRows int, categorical bool) bool {
	if categorical {
		if len(binRows) > 2 {
			return false
		}
		for _, n := range binRows[:len(binRows)-1] {
			if n >= minRows && total-n >= minRows {
				return false
			}
		}
		return true
	}
	left := 0
	for _, n := range binRows[:len(binRows)-1] {
		left += n
		if left >= minRows && total-left >= minRows {
			return false
		}
	}
	return true
}
