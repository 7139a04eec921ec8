package feed

import (
	"fmt"
	"slices"
	"strings"
)

// plan is a mapping laid over one file: for every mapped field the columns to
// try, by their place in the file.
type plan struct {
	steps []step
	uses  [][]Field // per column of the file, the fields that read it
}

type step struct {
	field    Field
	columns  []int // from 0, in the order of preference
	constant string
}

// planColumns matches the header with the mapping. names is empty for a file
// without header, which has width columns.
func planColumns(m *Mapping, names []string, width int, kind Kind) (*plan, error) {
	byName := make(map[string][]int, len(names))
	for i, name := range names {
		byName[fold(name)] = append(byName[fold(name)], i)
	}
	p := &plan{uses: make([][]Field, width)}
	var absent []Field
	for f := range NumFields {
		src := &m.Fields[f]
		s := step{field: f, constant: src.Constant}
		for _, c := range src.Columns {
			at := c.Index - 1
			if c.Index == 0 {
				found := byName[fold(c.Name)]
				if len(found) > 1 {
					return nil, &FileError{Line: 1, Reason: DuplicateName, Detail: fmt.Sprintf(
						"columns %d and %d are both named %q, and %s is read from there: rename one, or map %s by index",
						found[0]+1, found[1]+1, names[found[0]], f, f)}
				}
				if len(found) == 0 {
					continue
				}
				at = found[0]
			}
			if at < width && !slices.Contains(s.columns, at) {
				s.columns = append(s.columns, at)
				p.uses[at] = append(p.uses[at], f)
			}
		}
		if len(s.columns) > 0 || s.constant != "" {
			p.steps = append(p.steps, s)
		} else {
			absent = append(absent, f)
		}
	}
	var unused []string
	for i, name := range names {
		if len(p.uses[i]) == 0 && name != "" {
			unused = append(unused, name)
		}
	}
	return p, missing(m, absent, unused, len(names) == 0, kind)
}

// needed are the groups of fields of which a kind of feed needs at least one.
func needed(kind Kind) [][]Field {
	groups := [][]Field{{ItemID}}
	switch kind {
	case KindFull:
		groups = append(groups, []Field{Price, SalePrice, UnitPrice})
	case KindAvailability:
		groups = append(groups, []Field{Availability, Quantity})
	}
	return groups
}

// missing is the error for a file that has not what mapping and kind need.
func missing(m *Mapping, absent []Field, unused []string, headerless bool, kind Kind) error {
	var lacks []string
	for _, group := range needed(kind) {
		if !slices.ContainsFunc(group, func(f Field) bool { return !slices.Contains(absent, f) }) {
			lacks = append(lacks, lack(m, group, unused, headerless))
		}
	}
	for _, f := range absent {
		if m.Fields[f].Required && f != ItemID {
			lacks = append(lacks, lack(m, []Field{f}, unused, headerless))
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	detail := "the file lacks " + strings.Join(lacks, "; and ")
	if len(unused) > 0 {
		detail += ". Columns that the mapping does not know: " + quoteList(unused, 20)
	}
	return &FileError{Line: 1, Reason: MissingColumns, Detail: detail}
}

// lack words what is missing: which column was looked for, and which one of
// the file may be meant.
func lack(m *Mapping, group []Field, unused []string, headerless bool) string {
	const most = 8
	var fields, looked []string
	near := ""
	for _, f := range group {
		fields = append(fields, f.String())
		for _, c := range m.Fields[f].Columns {
			if c.Index > 0 {
				looked = append(looked, fmt.Sprintf("number %d", c.Index))
				continue
			}
			looked = append(looked, fmt.Sprintf("%q", c.Name))
			if near == "" && !headerless {
				near, _ = nearest(c.Name, unused)
			}
		}
	}
	if len(looked) > most {
		looked = append(looked[:most], "…")
	}
	s := strings.Join(fields, " or ")
	switch {
	case len(looked) == 0:
		return s + " (the mapping names no column for it)"
	case len(looked) == 1:
		s += " (column " + looked[0]
	default:
		s += " (one of the columns " + strings.Join(looked, ", ")
	}
	switch {
	case headerless:
		s += "; the file was read as one without header, whose columns go by index"
	case near != "":
		s += fmt.Sprintf("; did you mean %q?", near)
	}
	return s + ")"
}

func quoteList(names []string, most int) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == most {
			fmt.Fprintf(&b, "and %d more", len(names)-most)
			break
		}
		fmt.Fprintf(&b, "%q", clip([]byte(n), 60))
	}
	return b.String()
}

// nearest finds the candidate that want is a misspelling of: at most a third
// of its letters differ, or one contains the other.
func nearest(want string, candidates []string) (string, bool) {
	w := []rune(fold(want))
	best, bestCost := "", max(len(w)/3, 1)+1
	for _, c := range candidates {
		folded := []rune(fold(c))
		if len(folded) > 64 || len(folded) == 0 || len(w) <= 3 && folded[0] != w[0] {
			continue
		}
		cost := editDistance(w, folded)
		if len(w) >= 4 && strings.Contains(string(folded), string(w)) ||
			len(folded) >= 4 && strings.Contains(string(w), string(folded)) {
			cost = min(cost, 1)
		}
		if cost < bestCost {
			best, bestCost = c, cost
		}
	}
	return best, best != ""
}

// editDistance is Levenshtein's, with neighbours swapped counting as one.
func editDistance(a, b []rune) int {
	before, previous, current := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
		before, previous, current = previous, current, before
	}
	return previous[len(b)]
}
