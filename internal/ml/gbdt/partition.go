package gbdt

// parallelRows is from how many rows on a leaf is divided by several
// goroutines.
const parallelRows = 4 * rowsPerTask

// sides fills table with 1 for each bin of the column that the split sends
// left, else 0. One table serves numbers, missing values and categories alike.
func (c *column) sides(split *candidate, table []uint8) []uint8 {
	if cap(table) < max(c.numBin, window) {
		table = make([]uint8, max(c.numBin, window))
	}
	table = table[:max(c.numBin, window)]
	clear(table)
	if c.categorical {
		for _, bin := range split.categories {
			table[bin] = 1
		}
		return table
	}
	for bin := range split.threshold + 1 {
		table[bin] = 1
	}
	missing := -1
	switch c.missing {
	case missingNaN:
		missing = c.numBin - 1
	case missingZero:
		missing = c.defaultBin
	}
	if missing >= 0 {
		table[missing] = 0
		if split.defaultLeft {
			table[missing] = 1
		}
	}
	return table
}

// partition divides the rows of a leaf into those that go left, first, and
// those that go right, keeping their order, and returns how many go left.
func (g *grower) partition(first, rows int, c *column, split *candidate) int {
	g.goes = c.sides(split, g.goes)
	from := g.order[first : first+rows]
	if g.threads == 1 || rows < parallelRows {
		// Both sides are written on every row, so that the loop has no branch
		// to mispredict; the left side never overtakes the reader.
		n := c.divide(from, from, g.scratch, g.goes)
		copy(from[n:], g.scratch[:rows-n])
		return n
	}
	// Each block divides into its own piece of the scratch space; then the
	// pieces are put side by side.
	blocks := (rows + rowsPerTask - 1) / rowsPerTask
	if cap(g.blocks) < blocks {
		g.blocks = make([]int, blocks)
	}
	lefts := g.blocks[:blocks]
	space := g.scratch[:rows]
	g.each(blocks, func(i int) {
		lo := i * rowsPerTask
		hi := min(lo+rowsPerTask, rows)
		lefts[i] = c.divide(from[lo:hi], from[lo:hi], space[lo:hi], g.goes)
	})
	total := 0
	for _, n := range lefts {
		total += n
	}
	// Lefts move down within order, block after block, and never onto a left
	// that has not moved yet; rights are all in the scratch space.
	left, right := 0, total
	for i, n := range lefts {
		lo := i * rowsPerTask
		hi := min(lo+rowsPerTask, rows)
		copy(from[left:], from[lo:lo+n])
		left += n
		lefts[i] = right
		right += hi - lo - n
	}
	for i, at := range lefts {
		lo := i * rowsPerTask
		hi := min(lo+rowsPerTask, rows)
		end := right
		if i+1 < blocks {
			end = lefts[i+1]
		}
		copy(from[at:end], space[lo:hi])
	}
	return total
}

// divide writes the rows that go left to left and the others to right, and
// returns the number of the former. left may be rows itself.
func (c *column) divide(rows, left, right []int32, goes []uint8) int {
	switch {
	case c.narrow != nil:
		table := (*[window]uint8)(goes)
		bins := c.narrow
		l, r := 0, 0
		left, right = left[:len(rows)], right[:len(rows)]
		for _, row := range rows {
			goesLeft := int(table[bins[row]])
			left[l], right[r] = row, row
			l += goesLeft
			r += 1 - goesLeft
		}
		return l
	case c.wide != nil:
		return divideWide(c.wide, rows, left, right, goes)
	default:
		return divideWide(c.vast, rows, left, right, goes)
	}
}

func divideWide[T uint16 | uint32](bins []T, rows, left, right []int32, goes []uint8) int {
	l, r := 0, 0
	for _, row := range rows {
		goesLeft := int(goes[bins[row]])
		left[l], right[r] = row, row
		l += goesLeft
		r += 1 - goesLeft
	}
	return l
}

// binAt is the row's bin.
func (c *column) binAt(row int32) int {
	switch {
	case c.narrow != nil:
		return int(c.narrow[row])
	case c.wide != nil:
		return int(c.wide[row])
	default:
		return int(c.vast[row])
	}
}

// route returns the leaf of the last grown tree that each of rows falls into,
// by calling reach for each; it is for rows outside the bag.
func (g *grower) route(tree *Tree, rows []int32, reach func(row int32, leaf int)) {
	tables := make([][]uint8, len(g.splits))
	for node := range g.splits {
		split := &g.splits[node]
		tables[node] = g.data.columns[split.column].sides(split, nil)
	}
	g.ranges(len(rows), func(from, to int) {
		for _, row := range rows[from:to] {
			node := 0
			for node >= 0 {
				c := &g.data.columns[g.splits[node].column]
				if tables[node][c.binAt(row)] != 0 {
					node = tree.Left[node]
				} else {
					node = tree.Right[node]
				}
			}
			reach(row, ^node)
		}
	})
}
