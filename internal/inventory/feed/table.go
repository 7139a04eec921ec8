package feed

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxColumns bounds what a header may declare.
const maxColumns = 10_000

// table reads CSV and TSV after RFC 4180, and what is written in its name:
// any line end, blank lines, quotes inside unquoted values, blanks around
// quoted ones. Where quoting breaks, only the line on which it broke is
// refused, so that one stray quote does not swallow the file.
type table struct {
	w       *window
	m       *Mapping
	delim   byte
	format  Format
	pad     bool
	special [256]bool // bytes at which an unquoted value may end

	names  []string
	width  int
	plan   *plan
	sample []string // nil unless asked for
	unseen int      // columns without sample yet

	line, number int64
	consumed     int64
	rescanned    int64
	spans        []span // of the record parsed last, relative to its start
	count        int    // values in it, which may be more than spans
	surplus      bool   // a value beyond the spans is not empty
}

// span is a value's place in its record, without quotes.
type span struct {
	start, end int
	escapes    bool
}

func newTable(w *window, format Format, m *Mapping, o options) (source, error) {
	t := &table{w: w, m: m, delim: format.Delimiter, format: format, pad: m.Layout.PadShortRows, line: 1}
	t.special['\n'], t.special['\r'], t.special['"'], t.special[t.delim] = true, true, true, true
	if err := t.header(o); err != nil {
		return nil, err
	}
	if o.samples {
		t.sample, t.unseen = make([]string, t.width), t.width
	}
	return t, nil
}

// header reads the names of the columns, or counts the columns of the first
// row where there is no header.
func (t *table) header(o options) error {
	t.width = maxColumns
	for {
		n, out := t.parse(true)
		first := t.w.bytes()[:n]
		switch out {
		case atEnd:
			return &FileError{Reason: Empty, Detail: "the file holds blank lines only"}
		case unclosed:
			return &FileError{Line: t.line, Reason: BadQuoting, Detail: "a quote opened in the header never closes"}
		case afterQuote:
			return &FileError{Line: t.line, Reason: BadQuoting, Detail: "text follows a closing quote in the header"}
		case tooLong:
			return &FileError{Line: t.line, Reason: RowTooLarge, Detail: fmt.Sprintf("the first line is longer than the %d bytes allowed", t.w.max-1)}
		case readFailed:
			return t.w.err
		}
		if _, isSep := sepLine(first); isSep || t.blank(first) {
			t.consume(n)
			continue
		}
		if t.count > maxColumns {
			return &FileError{Line: t.line, Reason: Malformed, Detail: fmt.Sprintf("the first line has more than %d columns", maxColumns)}
		}
		break
	}
	t.width = t.count
	if !t.m.Layout.NoHeader {
		n, _ := t.parse(true)
		record := t.w.bytes()[:n]
		if !utf8.Valid(record) {
			return &FileError{Line: t.line, Reason: BadEncoding, Detail: t.encodingHint("the header is no valid " + string(t.format.Encoding))}
		}
		for i := range t.spans {
			t.names = append(t.names, strings.Clone(strings.TrimPrefix(t.value(string(record), i), "\ufeff")))
		}
		t.consume(n)
	}
	var err error
	t.plan, err = planColumns(t.m, t.names, t.width, o.kind)
	return err
}

// parse finds the values of the record at the window's start and how many
// bytes it takes, its line end included. Nothing is consumed.
func (t *table) parse(quotes bool) (int, outcome) {
	t.spans, t.count, t.surplus = t.spans[:0], 0, false
	if n := t.plainLine(); n > 0 {
		return n, parsed
	}
	b := t.w.bytes()
	i := 0
	for {
		start, end, escapes, ended := i, 0, false, false
		literal := !quotes
	value:
		for {
			for i < len(b) && !t.special[b[i]] {
				i++
			}
			switch {
			case i == len(b):
				if t.w.fill() {
					b = t.w.bytes()
					continue
				}
				switch {
				case t.w.full():
					return i, tooLong
				case t.w.err != io.EOF:
					return i, readFailed
				case i == 0:
					return 0, atEnd
				}
				end, ended = i, true
				break value
			case b[i] != '"':
				end = i
				break value
			case !literal && onlyBlanks(b[start:i]):
				var out outcome
				i++
				start = i
				end, i, escapes, out = t.quoted(i)
				b = t.w.bytes()
				if out != parsed {
					t.keep(span{start: start, end: end}, b)
					return i, out
				}
				ended = i == len(b)
				break value
			default:
				literal = true
				i++
			}
		}
		t.keep(span{start: start, end: end, escapes: escapes}, b)
		if ended {
			return i, parsed
		}
		switch b[i] {
		case t.delim:
			i++
		case '\n':
			return i + 1, parsed
		default: // '\r', of which a '\n' may be the other half
			return t.w.behindEnd(i), parsed
		}
	}
}

// plainLine parses a line in memory that has no quotes and no lone CR, as most
// have none. It gives back 0 for any other.
func (t *table) plainLine() int {
	b := t.w.bytes()
	n := bytes.IndexByte(b, '\n')
	if n < 0 {
		return 0
	}
	line := b[:n]
	if bytes.IndexByte(line, '"') >= 0 {
		return 0
	}
	if cr := bytes.IndexByte(line, '\r'); cr >= 0 {
		if cr != n-1 {
			return 0
		}
		line = line[:cr]
	}
	start, delim := 0, t.delim
	for i, c := range line {
		if c == delim {
			t.keep(span{start: start, end: i}, line)
			start = i + 1
		}
	}
	t.keep(span{start: start, end: len(line)}, line)
	return n + 1
}

// quoted finds the end of a quoted value whose text begins at i, and the
// delimiter or line end behind it; next is the record's length where the file
// ends there.
func (t *table) quoted(i int) (end, next int, escapes bool, out outcome) {
	b := t.w.bytes()
	for {
		at := bytes.IndexByte(b[i:], '"')
		if at < 0 {
			i = len(b)
			if t.w.fill() {
				b = t.w.bytes()
				continue
			}
			if t.w.err != nil && t.w.err != io.EOF {
				return i, i, escapes, readFailed
			}
			return i, i, escapes, unclosed
		}
		i += at + 1
		if i == len(b) && t.w.fill() {
			b = t.w.bytes()
		}
		if i < len(b) && b[i] == '"' {
			escapes = true
			i++
			continue
		}
		break
	}
	end = i - 1
	for {
		for i < len(b) && (b[i] == ' ' || b[i] == '\t') && b[i] != t.delim {
			i++
		}
		if i < len(b) || !t.w.fill() {
			break
		}
		b = t.w.bytes()
	}
	switch {
	case i < len(b) && b[i] != t.delim && b[i] != '\n' && b[i] != '\r':
		return end, i, escapes, afterQuote
	case i == len(b) && t.w.full():
		return end, i, escapes, tooLong
	case i == len(b) && t.w.err != io.EOF:
		return end, i, escapes, readFailed
	}
	return end, i, escapes, parsed
}

// keep notes a value, up to the number of columns; of more it only keeps
// whether there is something in them.
func (t *table) keep(s span, b []byte) {
	if t.count < t.width {
		t.spans = append(t.spans, s)
	} else if !t.surplus {
		t.surplus = len(trim(b[s.start:s.end])) > 0
	}
	t.count++
}

func onlyBlanks(b []byte) bool {
	for _, c := range b {
		if c != ' ' && c != '\t' {
			return false
		}
	}
	return true
}

// blank tells lines without a row on them; DOS editors end files with 0x1a.
func (t *table) blank(record []byte) bool {
	return t.count == 1 && len(bytes.Trim(record, " \t\r\n\x1a")) == 0
}

// consume passes over the record of n bytes and counts its lines.
func (t *table) consume(n int) {
	record := t.w.bytes()[:n]
	t.line += lineEnds(record)
	t.consumed += int64(n)
	t.w.skip(n)
}

// firstLine is the length of the line at the window's start, its end included,
// as far as the n bytes go.
func (t *table) firstLine(n int) int {
	at := lineEnd(t.w.bytes()[:n])
	if at < 0 {
		return n
	}
	return min(t.w.behindEnd(at), n)
}

func (t *table) next(row *Row) error {
	for {
		n, out := t.parse(true)
		if (out == unclosed || out == afterQuote) && t.delim == '\t' {
			// Tab-separated files mostly do not quote at all, and then a value may
			// begin with a quote that means itself.
			n, out = t.parse(false)
		}
		switch out {
		case atEnd:
			return io.EOF
		case readFailed:
			return t.w.err
		case tooLong:
			return t.refuseLong(n)
		case unclosed, afterQuote:
			return t.refuseQuoting(n, out)
		}
		record := t.w.bytes()[:n]
		if t.blank(record) {
			t.consume(n)
			continue
		}
		if t.count != t.width {
			if t.count > t.width && t.surplus || t.count < t.width && !t.pad {
				return t.refuseRagged(n)
			}
			for len(t.spans) < t.width {
				t.spans = append(t.spans, span{})
			}
		}
		t.number++
		row.Number, row.Line = t.number, t.line
		err := t.values(record, row)
		t.consume(n)
		return err
	}
}

// values takes the mapped values out of the record.
func (t *table) values(record []byte, row *Row) error {
	row.Values = [NumFields]string{}
	last := t.spans[min(t.count, t.width)-1].end
	sound := utf8.Valid(record[:last]) && bytes.IndexByte(record[:last], 0) < 0
	if sound && t.format.Encoding != UTF8 {
		sound = !bytes.Contains(record[:last], []byte("\ufffd"))
	}
	if !sound {
		if err := t.unsound(record, row); err != nil {
			return err
		}
	}
	text := string(record[:last])
	for i := range t.plan.steps {
		s := &t.plan.steps[i]
		v := ""
		for _, c := range s.columns {
			if v = t.value(text, c); v != "" {
				break
			}
		}
		if v == "" {
			v = s.constant
		}
		row.Values[s.field] = v
	}
	if t.unseen > 0 {
		for c, have := range t.sample {
			if have == "" {
				if v := t.value(text, c); v != "" {
					t.sample[c] = strings.ToValidUTF8(strings.Clone(v), "\ufffd")
					t.unseen--
				}
			}
		}
	}
	return nil
}

// value is the trimmed text of column c.
func (t *table) value(text string, c int) string {
	s := t.spans[c]
	v := text[s.start:s.end]
	if s.escapes {
		v = strings.ReplaceAll(v, `""`, `"`)
	}
	return trimString(v)
}

func trimString(s string) string {
	if len(s) == 0 || isInk(s[0]) && isInk(s[len(s)-1]) {
		return s
	}
	return trimBlanks(s)
}

// isInk is true of ASCII that surely needs no trimming.
func isInk(b byte) bool { return b > ' ' && b < utf8.RuneSelf }

func trimBlanks(s string) string {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	if len(s) > 0 && (s[0] >= 0x80 || s[len(s)-1] >= 0x80) {
		return strings.TrimSpace(s)
	}
	return s
}

// unsound finds the mapped column that holds bytes it must not; columns that
// nobody reads may hold anything.
func (t *table) unsound(record []byte, row *Row) error {
	for c, s := range t.spans {
		if len(t.plan.uses[c]) == 0 {
			continue
		}
		if e := unsoundValue(record[s.start:s.end], t.format); e != nil {
			e.Row, e.Line, e.Column, e.Field = row.Number, row.Line, t.columnName(c), t.plan.uses[c][0]
			if e.Reason == BadEncoding {
				e.Detail = t.encodingHint(e.Detail)
			}
			return e
		}
	}
	return nil
}

// unsoundValue is the error for a value that is no clean text, without place.
func unsoundValue(v []byte, f Format) *RowError {
	switch {
	case bytes.IndexByte(v, 0) >= 0:
		return &RowError{Reason: NULByte, Detail: "the value holds a zero byte"}
	case !utf8.Valid(v):
		return &RowError{Reason: BadEncoding, Detail: fmt.Sprintf("the value is no valid UTF-8: %q", clip(v, 40))}
	case f.Encoding != UTF8 && bytes.Contains(v, []byte("\ufffd")):
		return &RowError{Reason: BadEncoding, Detail: fmt.Sprintf("the value has bytes that %s does not know: %q", f.Encoding, clip(v, 40))}
	}
	return nil
}

func (t *table) encodingHint(detail string) string {
	return detail + "; save the file as UTF-8, or state its encoding in the mapping (format: {encoding: windows-1250})"
}

func (t *table) columnName(c int) string {
	switch {
	case c < len(t.names) && t.names[c] != "":
		return t.names[c]
	case c >= t.width:
		return ""
	}
	return fmt.Sprintf("number %d", c+1)
}

// refuse counts a row that is passed over.
func (t *table) refuse(column int, reason Reason, detail string) *RowError {
	t.number++
	e := &RowError{Row: t.number, Line: t.line, Field: NumFields, Reason: reason, Detail: detail}
	if column >= 0 {
		e.Column = t.columnName(column)
		if column < t.width && len(t.plan.uses[column]) > 0 {
			e.Field = t.plan.uses[column][0]
		}
	}
	return e
}

func (t *table) refuseRagged(n int) error {
	e := t.refuse(-1, TooFewColumns, fmt.Sprintf("the row has %d values under %d columns", t.count, t.width))
	if t.count > t.width {
		e.Reason = TooManyColumns
		e.Detail += fmt.Sprintf(": a %q inside a value must be quoted", string(rune(t.delim)))
	}
	if t.firstLine(n) < n {
		// A quoted value took in a line end and the columns do not add up: the
		// quote was likely a stray one, and the lines behind it are rows.
		e.Detail += "; a quoted value goes on over a line end, so a quote may be missing or too many"
	}
	return t.passOver(n, e)
}

func (t *table) refuseQuoting(n int, out outcome) error {
	detail := "a quote opens here and never closes"
	if out == afterQuote {
		detail = `text follows the closing quote: a quote inside a quoted value is written twice ("")`
	}
	return t.passOver(n, t.refuse(t.count-1, BadQuoting, detail))
}

func (t *table) refuseLong(n int) error {
	return t.passOver(n, t.refuse(-1, RowTooLarge, fmt.Sprintf("the row is longer than the %d bytes allowed", t.w.max-1)))
}

// passOver skips the first line of the n bytes that were parsed in vain. A
// file made so that every line is parsed in vain up to the row limit would
// take for ever; it is given up instead.
func (t *table) passOver(n int, e *RowError) error {
	first := t.firstLine(n)
	if first == n {
		t.line++
		t.consumed += int64(n)
		if err := t.w.dropLine(); err != nil {
			return err
		}
		return e
	}
	t.consume(first)
	t.rescanned += int64(n - first)
	if t.rescanned > 64*int64(t.w.max) && t.rescanned > 16*t.consumed {
		return &FileError{Row: e.Row, Line: e.Line, Reason: BadQuoting, Detail: "quotes are broken throughout the file"}
	}
	return e
}

func (t *table) columns() []ColumnUse {
	uses := make([]ColumnUse, t.width)
	for i := range uses {
		uses[i] = ColumnUse{Index: i + 1, Fields: t.plan.uses[i]}
		if i < len(t.names) {
			uses[i].Name = t.names[i]
		}
		if t.sample != nil {
			uses[i].Sample = t.sample[i]
		}
	}
	return uses
}
