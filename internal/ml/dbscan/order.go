package dbscan

import "math"

// ascending returns the positions of values in ascending order, stably, and
// the values in that order: a radix sort on the bits, since a comparison sort
// of a million floats would be a large part of the whole run.
func ascending(values []float64) (order []int32, sorted []float64) {
	const digit = 11
	const passes = 6
	type entry struct {
		key   uint64
		index int32
	}
	from := make([]entry, len(values))
	to := make([]entry, len(values))
	var counts [passes][1 << digit]int32
	for i, v := range values {
		key := math.Float64bits(v)
		// Negative floats order backwards: flip them wholly, and lift the
		// others above them.
		if key>>63 == 1 {
			key = ^key
		} else {
			key |= 1 << 63
		}
		from[i] = entry{key, int32(i)}
		for pass := range passes {
			counts[pass][key>>(pass*digit)&(1<<digit-1)]++
		}
	}
	for pass := range passes {
		count := &counts[pass]
		shift := pass * digit
		if len(values) == 0 || int(count[from[0].key>>shift&(1<<digit-1)]) == len(values) {
			continue
		}
		next := int32(0)
		for d, c := range count {
			count[d] = next
			next += c
		}
		for _, e := range from {
			d := e.key >> shift & (1<<digit - 1)
			to[count[d]] = e
			count[d]++
		}
		from, to = to, from
	}
	order, sorted = make([]int32, len(values)), make([]float64, len(values))
	for i, e := range from {
		order[i] = e.index
		if e.key>>63 == 1 {
			sorted[i] = math.Float64frombits(e.key &^ (1 << 63))
		} else {
			sorted[i] = math.Float64frombits(^e.key)
		}
	}
	return order, sorted
}

// groupStably reorders order so that group rises, keeping the order inside
// each group. Groups are numbers below groups.
func groupStably(order []int32, group []uint32, groups int) []int32 {
	if groups == 1 {
		return order
	}
	next := make([]int32, groups+1)
	for _, g := range group {
		next[g+1]++
	}
	for g := range groups {
		next[g+1] += next[g]
	}
	grouped := make([]int32, len(order))
	for _, p := range order {
		g := group[p]
		grouped[next[g]] = p
		next[g]++
	}
	return grouped
}

// column copies one coordinate of every point.
func (s *pointSet) column(j int) []float64 {
	values := make([]float64, s.len())
	for p := range values {
		values[p] = s.coords[p*s.dims+j]
	}
	return values
}
