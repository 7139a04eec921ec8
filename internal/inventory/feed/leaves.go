package feed

import (
	"bytes"
	"slices"
	"strings"
)

const (
	// maxPaths and maxPath bound how many different paths are remembered, and how
	// long ones: a file whose keys are data would fill memory otherwise.
	maxPaths = 4096
	maxPath  = 1024
	// settled is the row by which every column that the mapping needs must
	// have shown itself in a file without a header.
	settled = 100
)

// leaves lays a mapping over a file of nested records: every path to a text is
// a column, met when it first appears.
type leaves struct {
	m       *Mapping
	format  Format
	kind    Kind
	samples bool
	// prefixed: "g:price" and "@price" are read for a column "price" too.
	prefixed bool

	byName map[string][]target // folded column name
	byPath map[string]int      // raw path to cols
	cols   []leafColumn
	seen   [NumFields]bool // fields for which a column has shown itself

	arena []byte // texts of the row at hand
	at    [NumFields]piece
	bad   *RowError // first thing wrong with the row at hand, without place
}

// target is a field that a column may feed, and how early in its list of
// alternatives the column stands.
type target struct {
	field Field
	rank  int
}

type leafColumn struct {
	name    string
	targets []target
	sample  string
}

// piece is the best text for a field so far.
type piece struct {
	start, end int
	rank       int
}

func newLeaves(m *Mapping, f Format, o options) *leaves {
	l := &leaves{m: m, format: f, kind: o.kind, samples: o.samples, prefixed: f.Syntax == XML,
		byName: make(map[string][]target), byPath: make(map[string]int)}
	for f := range NumFields {
		for rank, c := range m.Fields[f].Columns {
			if c.Index == 0 {
				l.byName[fold(c.Name)] = append(l.byName[fold(c.Name)], target{f, rank})
			}
		}
		l.seen[f] = m.Fields[f].Constant != ""
	}
	return l
}

func (l *leaves) begin() {
	l.arena, l.bad = l.arena[:0], nil
	l.at = [NumFields]piece{}
}

// column finds the column of a path, -1 for one that is not remembered.
func (l *leaves) column(path []byte) int {
	if i, ok := l.byPath[string(path)]; ok {
		return i
	}
	if len(path) > maxPath {
		return -1
	}
	name := strings.ToValidUTF8(string(path), "\ufffd")
	c := leafColumn{name: name, targets: slices.Clone(l.byName[fold(name)])}
	if bare := withoutPrefixes(name); l.prefixed && bare != name {
		c.targets = append(c.targets, l.byName[fold(bare)]...)
	}
	// The mapping's own columns have room left when the others have used up theirs.
	if n := len(l.cols); n >= 2*maxPaths || n >= maxPaths && len(c.targets) == 0 {
		return -1
	}
	l.byPath[string(path)] = len(l.cols)
	l.cols = append(l.cols, c)
	return len(l.cols) - 1
}

// withoutPrefixes is "shipping/price" for "g:shipping/g:price", and
// "price/currency" for "price/@currency".
func withoutPrefixes(path string) string {
	if !strings.ContainsAny(path, ":@") {
		return path
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = strings.TrimPrefix(p[strings.LastIndexByte(p, ':')+1:], "@")
	}
	return strings.Join(parts, "/")
}

// wanted says whether the text of column i is of any use.
func (l *leaves) wanted(i int) bool {
	return i >= 0 && (len(l.cols[i].targets) > 0 || l.samples && l.cols[i].sample == "")
}

// add takes the text of column i, which need not outlive the call.
func (l *leaves) add(i int, text []byte) {
	c := &l.cols[i]
	for _, t := range c.targets {
		l.seen[t.field] = true
	}
	text = trim(text)
	if len(text) == 0 {
		return
	}
	if l.samples && c.sample == "" {
		c.sample = strings.ToValidUTF8(string(text[:min(len(text), 200)]), "\ufffd")
	}
	if len(c.targets) == 0 {
		return
	}
	if e := unsoundValue(text, l.format); e != nil {
		l.fail(i, e)
		return
	}
	start := -1
	for _, t := range c.targets {
		p := &l.at[t.field]
		if p.end > p.start && p.rank <= t.rank {
			continue
		}
		if start < 0 {
			start = len(l.arena)
			l.arena = append(l.arena, text...)
		}
		*p = piece{start: start, end: len(l.arena), rank: t.rank}
	}
}

// fail notes what is wrong with a row, once.
func (l *leaves) fail(i int, e *RowError) {
	if l.bad != nil {
		return
	}
	e.Field = NumFields
	if i >= 0 {
		e.Column = l.cols[i].name
		if len(l.cols[i].targets) > 0 {
			e.Field = l.cols[i].targets[0].field
		}
	}
	l.bad = e
}

// finish makes the row of what was added.
func (l *leaves) finish(row *Row) error {
	if l.bad != nil {
		l.bad.Row, l.bad.Line = row.Number, row.Line
		return l.bad
	}
	if row.Number == settled {
		if err := l.check(); err != nil {
			return err
		}
	}
	text := string(l.arena)
	for f, p := range l.at {
		row.Values[f] = text[p.start:p.end]
		if row.Values[f] == "" {
			row.Values[f] = l.m.Fields[f].Constant
		}
	}
	return nil
}

// settle checks a file that is at its end, unless it was checked before.
func (l *leaves) settle(rows int64) error {
	if rows == 0 || rows >= settled {
		return nil
	}
	return l.check()
}

// check is the error for a file in which columns that the mapping needs have
// not shown themselves.
func (l *leaves) check() error {
	var absent []Field
	for f, seen := range l.seen {
		if !seen {
			absent = append(absent, Field(f))
		}
	}
	var unused []string
	for _, c := range l.cols {
		if len(c.targets) == 0 {
			unused = append(unused, c.name)
		}
	}
	err := missing(l.m, absent, unused, false, l.kind)
	if fe, ok := err.(*FileError); ok {
		fe.Line = 0
	}
	return err
}

func (l *leaves) uses() []ColumnUse {
	uses := make([]ColumnUse, len(l.cols))
	for i, c := range l.cols {
		uses[i] = ColumnUse{Name: c.name, Index: i + 1, Sample: c.sample}
		for _, t := range c.targets {
			if !slices.Contains(uses[i].Fields, t.field) {
				uses[i].Fields = append(uses[i].Fields, t.field)
			}
		}
	}
	return uses
}

// lineEnds counts the line ends in b, as LF where there is one, else as CR.
func lineEnds(b []byte) int64 {
	if n := bytes.Count(b, []byte("\n")); n > 0 {
		return int64(n)
	}
	return int64(bytes.Count(b, []byte("\r")))
}
