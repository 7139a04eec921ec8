// Package table reads the text files that LightGBM's tools read: tables
// separated by comma or tab, with or without a header line, and LibSVM's sparse
// lines. Columns are numbers where every cell is one; other columns keep their
// texts, to be used as categories.
package table

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

var (
	// ErrFormat marks a file that cannot be read as a table.
	ErrFormat = errors.New("not a table")
	// ErrColumn marks a column that a table does not have.
	ErrColumn = errors.New("no such column")
	// ErrText marks a cell of text where a number belongs.
	ErrText = errors.New("is not a number")
)

// Format is how a file separates its cells.
type Format string

// The formats that are told apart by a file's first lines.
const (
	CSV    Format = "csv"
	TSV    Format = "tsv"
	LibSVM Format = "libsvm"
)

// Header says whether the first line names the columns.
type Header string

// Auto takes the first line for a header where some cell of it is neither a
// number nor missing.
const (
	Auto Header = "auto"
	Yes  Header = "yes"
	No   Header = "no"
)

// Table is a file's content by column.
type Table struct {
	Format Format
	// Names are the columns' names; nil where there is no header.
	Names []string
	// Rows and Columns are the table's size. A LibSVM file has a column per
	// feature number up to the largest, without the label.
	Rows, Columns int
	// Label is the number that starts LibSVM lines; nil where there is none.
	Label []float64

	numbers [][]float64
	// textual holds, for a column that is not all numbers, where the first text
	// stands.
	textual map[int]place
	lines   []int
	content []byte
}

type place struct {
	line int
	text string
}

// largestInfinite is what an infinite number is read as, so that sums and
// midpoints stay finite.
const largestInfinite = 1e308

// mostCells bounds a LibSVM file's dense form, 2 GiB of numbers, and mostFeatures
// its width, so that a short line does not ask for all of that.
const (
	mostCells    = 1 << 28
	mostFeatures = 1 << 20
)

// Parse reads a whole file.
func Parse(content []byte, header Header) (*Table, error) {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	first := firstLines(content, 2)
	if len(first) == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrFormat)
	}
	t := &Table{content: content, textual: make(map[int]place)}
	if isSparse(first[0]) || len(first) > 1 && isSparse(first[1]) {
		t.Format = LibSVM
		return t, t.parseSparse()
	}
	t.Format = CSV
	if strings.Contains(first[0], "\t") {
		t.Format = TSV
	}
	return t, t.parseDelimited(header)
}

// firstLines are the first n lines that are not blank.
func firstLines(content []byte, n int) []string {
	var out []string
	for len(content) > 0 && len(out) < n {
		line, rest, _ := bytes.Cut(content, []byte{'\n'})
		content = rest
		if text := strings.TrimSpace(string(line)); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// isSparse says whether a line is of the form "label 1:0.5 7:2".
func isSparse(line string) bool {
	if strings.Contains(line, ",") {
		return false
	}
	pairs := 0
	for i, field := range strings.Fields(line) {
		index, value, ok := strings.Cut(field, ":")
		if !ok {
			if i > 0 {
				return false
			}
			continue
		}
		if _, err := strconv.Atoi(index); err != nil && index != "qid" {
			return false
		}
		if _, ok := Number(value); !ok {
			return false
		}
		pairs++
	}
	return pairs > 0
}

// Number reads a cell: a number, or NaN for an empty cell, "na", "nan", "null"
// in any case. ok is false for any other text.
func Number(cell string) (v float64, ok bool) {
	cell = strings.TrimSpace(cell)
	switch len(cell) {
	case 0:
		return math.NaN(), true
	case 2, 3, 4:
		switch strings.ToLower(cell) {
		case "na", "n/a", "nan", "null":
			return math.NaN(), true
		}
	}
	v, err := strconv.ParseFloat(cell, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, false
	case math.IsInf(v, 0):
		return math.Copysign(largestInfinite, v), true
	}
	return v, true
}

// eachRecord calls f with the cells of every line that is not blank. The cells
// are only f's until it returns.
func (t *Table) eachRecord(f func(line int, cells []string) error) error {
	separator := byte(',')
	if t.Format == TSV {
		separator = '\t'
	}
	if bytes.IndexByte(t.content, '"') >= 0 {
		return eachQuoted(t.content, rune(separator), f)
	}
	var cells []string
	line := 0
	for rest := t.content; len(rest) > 0; {
		var text []byte
		text, rest, _ = bytes.Cut(rest, []byte{'\n'})
		line++
		text = bytes.TrimSuffix(text, []byte{'\r'})
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		cells = cells[:0]
		for more := true; more; {
			var cell []byte
			cell, text, more = bytes.Cut(text, []byte{separator})
			cells = append(cells, string(cell))
		}
		if err := f(line, cells); err != nil {
			return err
		}
	}
	return nil
}

func eachQuoted(content []byte, separator rune, f func(line int, cells []string) error) error {
	r := csv.NewReader(bytes.NewReader(content))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = separator, -1, true
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		line, _ := r.FieldPos(0)
		if err := f(line, cells); err != nil {
			return err
		}
	}
}

func (t *Table) parseDelimited(header Header) error {
	err := t.eachRecord(func(line int, cells []string) error {
		if t.numbers == nil {
			t.Columns = len(cells)
			t.numbers = make([][]float64, t.Columns)
			if header == Yes || header == Auto && hasText(cells) {
				return t.setNames(cells)
			}
		}
		if len(cells) != t.Columns {
			return fmt.Errorf("%w: line %d has %d cells, the lines before have %d", ErrFormat, line, len(cells), t.Columns)
		}
		for i, cell := range cells {
			v, ok := Number(cell)
			if _, known := t.textual[i]; !ok && !known {
				t.textual[i] = place{line, strings.Clone(cell)}
			}
			t.numbers[i] = append(t.numbers[i], v)
		}
		t.lines = append(t.lines, line)
		return nil
	})
	if err != nil {
		return err
	}
	t.Rows = len(t.lines)
	if t.Rows == 0 {
		return fmt.Errorf("%w: the file has a header and no rows", ErrFormat)
	}
	return nil
}

func hasText(cells []string) bool {
	for _, cell := range cells {
		if _, ok := Number(cell); !ok {
			return true
		}
	}
	return false
}

func (t *Table) setNames(cells []string) error {
	seen := make(map[string]int)
	for i, cell := range cells {
		name := strings.Clone(strings.TrimSpace(cell))
		if name == "" {
			// An index that was written without a name.
			name = fmt.Sprintf("Column_%d", i)
		}
		if before, ok := seen[name]; ok {
			return fmt.Errorf("%w: the header names columns %d and %d %q", ErrFormat, before, i, name)
		}
		seen[name] = i
		t.Names = append(t.Names, name)
	}
	return nil
}

// parseSparse reads LibSVM lines. What a line does not name is 0.
func (t *Table) parseSparse() error {
	type cell struct {
		row, column int
		value       float64
	}
	var cells []cell
	var labels []float64
	line := 0
	for rest := t.content; len(rest) > 0; {
		var text []byte
		text, rest, _ = bytes.Cut(rest, []byte{'\n'})
		line++
		fields := strings.Fields(string(text))
		if len(fields) == 0 {
			continue
		}
		row := len(t.lines)
		t.lines = append(t.lines, line)
		if !strings.Contains(fields[0], ":") {
			v, ok := Number(fields[0])
			if !ok {
				return fmt.Errorf("%w: line %d starts with %q, which is no label", ErrFormat, line, fields[0])
			}
			labels = append(labels, v)
			fields = fields[1:]
		}
		if len(labels) != 0 && len(labels) != len(t.lines) {
			return fmt.Errorf("%w: line %d has no label, or the lines before it have none", ErrFormat, line)
		}
		seen := make(map[int]bool, len(fields))
		for _, field := range fields {
			index, value, _ := strings.Cut(field, ":")
			column, err := strconv.ParseInt(index, 10, 32)
			v, ok := Number(value)
			switch {
			case index == "qid":
				return fmt.Errorf("%w: line %d: %q belongs to ranking, which is not supported", ErrFormat, line, field)
			case err != nil || !ok || value == "" || column < 0:
				return fmt.Errorf("%w: line %d: %q is not number:value", ErrFormat, line, field)
			case column >= mostFeatures:
				return fmt.Errorf("%w: line %d: feature %d is beyond the %d that fit", ErrFormat, line, column, mostFeatures)
			case seen[int(column)]:
				return fmt.Errorf("%w: line %d: feature %d appears twice", ErrFormat, line, column)
			}
			seen[int(column)] = true
			cells = append(cells, cell{row, int(column), v})
			t.Columns = max(t.Columns, int(column)+1)
		}
	}
	t.Rows, t.Label = len(t.lines), labels
	if t.Columns > mostCells/t.Rows {
		return fmt.Errorf("%w: %d rows of %d features are too many to hold with their zeros", ErrFormat, t.Rows, t.Columns)
	}
	t.numbers = make([][]float64, t.Columns)
	for i := range t.numbers {
		t.numbers[i] = make([]float64, t.Rows)
	}
	for _, c := range cells {
		t.numbers[c.column][c.row] = c.value
	}
	return nil
}

// Name is a column's name, or its number where there is no header.
func (t *Table) Name(column int) string {
	if t.Names != nil {
		return t.Names[column]
	}
	return strconv.Itoa(column)
}

// Index finds a column by its name, else by its number from 0.
func (t *Table) Index(column string) (int, error) {
	for i, name := range t.Names {
		if name == column {
			return i, nil
		}
	}
	n, err := strconv.Atoi(column)
	switch {
	case err != nil && t.Names == nil:
		return 0, fmt.Errorf("%w: %q; the file has no header, so columns go by number, 0 to %d", ErrColumn, column, t.Columns-1)
	case err != nil:
		return 0, fmt.Errorf("%w: %q; there are %s", ErrColumn, column, t.listNames())
	case n < 0 || n >= t.Columns:
		return 0, fmt.Errorf("%w: %d; there are 0 to %d", ErrColumn, n, t.Columns-1)
	}
	return n, nil
}

func (t *Table) listNames() string {
	const most = 12
	if len(t.Names) <= most {
		return strings.Join(t.Names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(t.Names[:most], ", "), len(t.Names)-most)
}

// Line is the line of the file that a row came from, from 1.
func (t *Table) Line(row int) int { return t.lines[row] }

// Numeric says whether every cell of a column is a number or missing.
func (t *Table) Numeric(column int) bool {
	_, textual := t.textual[column]
	return !textual
}

// Numbers are a column's numbers; NaN is missing. A cell of text is an error
// that says where it stands.
func (t *Table) Numbers(column int) ([]float64, error) {
	if at, textual := t.textual[column]; textual {
		return nil, fmt.Errorf("column %q, line %d: %q %w", t.Name(column), at.line, at.text, ErrText)
	}
	return t.numbers[column], nil
}

// Texts are a column's cells as they are written.
func (t *Table) Texts(column int) ([]string, error) {
	texts := make([]string, 0, t.Rows)
	if t.Format == LibSVM {
		for _, v := range t.numbers[column] {
			texts = append(texts, strconv.FormatFloat(v, 'g', -1, 64))
		}
		return texts, nil
	}
	err := t.eachRecord(func(line int, cells []string) error {
		if line >= t.lines[0] {
			texts = append(texts, strings.Clone(strings.TrimSpace(cells[column])))
		}
		return nil
	})
	return texts, err
}
