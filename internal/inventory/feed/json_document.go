package feed

import (
	"fmt"
	"io"
	"strings"
)

// document reads one JSON document with a list of rows in it: the document
// itself, the list at the mapping's record path, or else the first list of
// objects that is met. One row at a time is in memory; what stands around the
// list is passed over without being checked beyond its brackets.
type document struct {
	*objectReader
	w            *window
	line, number int64
	open         int  // objects around the list
	found        bool // the list
	comma        bool // a comma must come before the next row
	done         bool
}

func newDocument(w *window, f Format, m *Mapping, o options) source {
	return &document{objectReader: newObjectReader(newLeaves(m, f, o)), w: w, line: 1}
}

func (d *document) columns() []ColumnUse { return d.uses() }

// skip passes over n bytes and counts their lines.
func (d *document) skip(n int) {
	d.line += lineEnds(d.w.bytes()[:n])
	d.w.skip(n)
}

// peek passes over white space and is the byte behind it, not consumed.
func (d *document) peek() (byte, error) {
	for {
		b := d.w.bytes()
		i := 0
		for i < len(b) && isSpace(b[i]) {
			i++
		}
		d.skip(i)
		if i < len(b) {
			return b[i], nil
		}
		if !d.w.fill() {
			return 0, d.w.err
		}
	}
}

// must is peek where the document cannot be at its end.
func (d *document) must() (byte, error) {
	c, err := d.peek()
	if err == io.EOF {
		return 0, d.cut()
	}
	return c, err
}

func (d *document) cut() error {
	return &FileError{Line: d.line, Reason: Truncated, Detail: "the JSON document ends in the middle: brackets are left open"}
}

func (d *document) malformed(format string, args ...any) error {
	return &FileError{Line: d.line, Reason: Malformed, Detail: fmt.Sprintf(format, args...)}
}

// value is the length of the value at the window's start, by its brackets and
// quotes only.
func (d *document) value() (int, outcome) {
	var s jsonScan
	i := 0
	for {
		b := d.w.bytes()
		for i < len(b) {
			if s.ends(b[i]) {
				return i, parsed
			}
			i++
			if s.closed {
				return i, parsed
			}
		}
		if d.w.fill() {
			continue
		}
		switch {
		case d.w.full():
			return i, tooLong
		case d.w.err != io.EOF:
			return i, readFailed
		}
		return i, atEnd
	}
}

// drop passes over the value at the window's start, however large it is.
func (d *document) drop() error {
	var s jsonScan
	for {
		b := d.w.bytes()
		i := 0
		for i < len(b) && !s.closed && !s.ends(b[i]) {
			i++
		}
		d.skip(i)
		if i < len(b) || s.closed {
			return nil
		}
		if !d.w.fill() {
			if d.w.err == io.EOF {
				return d.cut()
			}
			return d.w.err
		}
	}
}

// jsonScan follows a value byte by byte. depth may start above zero, to leave
// containers that are open already.
type jsonScan struct {
	depth             int
	inString, escaped bool
	closed            bool // the byte just taken was the last
	begun             bool
}

// ends takes a byte in, unless that byte is not of the value any more.
func (s *jsonScan) ends(c byte) bool {
	switch {
	case s.inString:
		switch {
		case s.escaped:
			s.escaped = false
		case c == '\\':
			s.escaped = true
		case c == '"':
			s.inString = false
			s.closed = s.depth == 0
		}
	case c == '"':
		s.inString = true
	case c == '{', c == '[':
		s.depth++
	case c == '}', c == ']':
		if s.depth == 0 {
			return true
		}
		s.depth--
		s.closed = s.depth == 0
	case s.depth == 0 && (c == ',' || c == ':' || s.begun && isSpace(c)):
		return true
	}
	s.begun = true
	return false
}

// seek goes to the first row of the list. path is that of the object at the
// window's start.
func (d *document) seek(path string, depth int) error {
	c, err := d.must()
	if err != nil {
		return err
	}
	record := fold(d.m.Layout.Record)
	if c == '[' && path == "" && record == "" {
		d.skip(1)
		d.found = true
		return nil
	}
	if c != '{' {
		return d.malformed("a JSON feed is a list of objects, or an object with such a list in it")
	}
	if depth >= maxDepth {
		return d.malformed("the JSON is nested more than %d deep", maxDepth)
	}
	d.skip(1)
	for first := true; ; first = false {
		c, err := d.must()
		if err != nil {
			return err
		}
		if c == '}' {
			d.skip(1)
			return nil
		}
		if !first {
			if c != ',' {
				return d.malformed("a comma is missing between two members of an object")
			}
			d.skip(1)
		}
		key, err := d.key()
		if err != nil {
			return err
		}
		if path != "" {
			key = path + "/" + key
		}
		if c, err = d.must(); err != nil {
			return err
		}
		here := fold(key)
		switch {
		case record != "" && here == record && c == '[':
			d.skip(1)
			d.open, d.found = depth+1, true
			return nil
		case record != "" && here == record:
			return d.malformed("%q is no list of rows", key)
		case record == "" && c == '[':
			d.skip(1)
			if c, err = d.must(); err != nil {
				return err
			}
			if c == '{' {
				d.open, d.found = depth+1, true
				return nil
			}
			if err := d.leave(1); err != nil {
				return err
			}
		case c == '{' && (record == "" || strings.HasPrefix(record, here+"/")):
			if err := d.seek(key, depth+1); err != nil || d.found {
				return err
			}
		default:
			if err := d.drop(); err != nil {
				return err
			}
		}
	}
}

// key reads a member's name and the colon.
func (d *document) key() (string, error) {
	c, err := d.must()
	if err != nil {
		return "", err
	}
	n, out := 0, parsed
	if c == '"' {
		n, out = d.value()
	}
	if c != '"' || out == tooLong {
		return "", d.malformed("a member of an object has no name in quotes")
	}
	if out == atEnd {
		return "", d.cut()
	}
	if out == readFailed {
		return "", d.w.err
	}
	name, err := appendUnquoted(nil, d.w.bytes()[:n])
	if err != nil {
		return "", d.malformed("the name of a member does not parse: %v", err)
	}
	d.skip(n)
	if c, err = d.must(); err != nil {
		return "", err
	}
	if c != ':' {
		return "", d.malformed("a colon is missing behind the name %q", clip(name, 40))
	}
	d.skip(1)
	return string(name), nil
}

// leave passes over the rest of as many containers as are open.
func (d *document) leave(open int) error {
	s := jsonScan{depth: open, begun: true}
	for open > 0 {
		b := d.w.bytes()
		i := 0
		for i < len(b) && !s.closed {
			s.ends(b[i])
			i++
		}
		d.skip(i)
		if s.closed {
			return nil
		}
		if !d.w.fill() {
			if d.w.err == io.EOF {
				return d.cut()
			}
			return d.w.err
		}
	}
	return nil
}

func (d *document) next(row *Row) error {
	if !d.found {
		if err := d.seek("", 0); err != nil {
			return err
		}
		if !d.found {
			if d.m.Layout.Record != "" {
				return d.malformed("the document has no list at %q, where the mapping expects the rows", d.m.Layout.Record)
			}
			return d.malformed("the document has no list of objects in it")
		}
	}
	if d.done {
		return io.EOF
	}
	c, err := d.must()
	if err != nil {
		return err
	}
	if d.comma && c == ',' {
		d.skip(1)
		if c, err = d.must(); err != nil {
			return err
		}
		d.comma = false
		if c == ']' {
			return d.malformed("a comma stands behind the last row")
		}
	}
	switch {
	case c == ']':
		d.skip(1)
		return d.end()
	case d.comma:
		return d.malformed("a comma is missing between two rows")
	case c == ',' || c == ':' || c == '}':
		return d.malformed("a row should stand where %q does", string(rune(c)))
	}
	d.number++
	d.comma = true
	row.Number, row.Line = d.number, d.line
	n, out := d.value()
	switch out {
	case atEnd:
		return d.cut()
	case readFailed:
		return d.w.err
	case tooLong:
		if err := d.drop(); err != nil {
			return err
		}
		return &RowError{Row: row.Number, Line: row.Line, Field: NumFields, Reason: RowTooLarge,
			Detail: fmt.Sprintf("the row is longer than the %d bytes allowed", d.w.max-1)}
	}
	err = d.read(d.w.bytes()[:n], row)
	d.skip(n)
	return err
}

// end passes over what follows the list, and checks that it closes.
func (d *document) end() error {
	d.done = true
	if err := d.leave(d.open); err != nil {
		return err
	}
	if _, err := d.peek(); err != io.EOF {
		if err == nil {
			err = d.malformed("something follows the end of the JSON document")
		}
		return err
	}
	if err := d.settle(d.number); err != nil {
		return err
	}
	return io.EOF
}
