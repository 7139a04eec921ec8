package gbdt

// sortRanks puts ranks in ascending order of their ratios; equal ones keep
// their order. With cat_smooth = 0 a category without rows has the ratio 0/0,
// which is neither less nor more than any other, and the order then depends on
// the algorithm. This is the one that LightGBM's Linux builds get from libstdc++
// (std::stable_sort: two halves of merged runs of seven), so that trees come out
// the same. scratch is at least as long as ranks.
func sortRanks(ranks, scratch []rank) {
	middle := (len(ranks) + 1) / 2
	left, right := ranks[:middle], ranks[middle:]
	sortHalf(left, scratch)
	sortHalf(right, scratch)
	if len(left) == len(right) {
		mergeRanks(scratch[:copy(scratch, left)], right, ranks)
		return
	}
	mergeRanksFromEnd(left, scratch[:copy(scratch, right)], ranks)
}

// firstRun is the length of the runs that merging starts from.
const firstRun = 7

// sortHalf leaves its result in half; scratch is at least as long.
func sortHalf(half, scratch []rank) {
	scratch = scratch[:len(half)]
	for from := 0; from < len(half); from += firstRun {
		insertRanks(half[from:min(from+firstRun, len(half))])
	}
	for run := firstRun; run < len(half); run *= 4 {
		mergeRuns(half, scratch, run)
		mergeRuns(scratch, half, 2*run)
	}
}

func insertRanks(ranks []rank) {
	for i := 1; i < len(ranks); i++ {
		r, at := ranks[i], i
		if r.ratio < ranks[0].ratio {
			at = 0
		} else {
			for r.ratio < ranks[at-1].ratio {
				at--
			}
		}
		copy(ranks[at+1:i+1], ranks[at:i])
		ranks[at] = r
	}
}

// mergeRuns merges each two neighbouring runs of from into to.
func mergeRuns(from, to []rank, run int) {
	for at := 0; at < len(from); at += 2 * run {
		middle, end := min(at+run, len(from)), min(at+2*run, len(from))
		mergeRanks(from[at:middle], from[middle:end], to[at:end])
	}
}

// mergeRanks merges a and b into out, of which b may be the end.
func mergeRanks(a, b, out []rank) {
	for len(a) > 0 && len(b) > 0 {
		if b[0].ratio < a[0].ratio {
			out[0], b = b[0], b[1:]
		} else {
			out[0], a = a[0], a[1:]
		}
		out = out[1:]
	}
	copy(out[copy(out, a):], b)
}

// mergeRanksFromEnd does the same with the largest first; a may be the start of
// out.
func mergeRanksFromEnd(a, b, out []rank) {
	for len(a) > 0 && len(b) > 0 {
		i, j := len(a)-1, len(b)-1
		if b[j].ratio < a[i].ratio {
			out[i+j+1], a = a[i], a[:i]
		} else {
			out[i+j+1], b = b[j], b[:j]
		}
	}
	copy(out, b)
}
