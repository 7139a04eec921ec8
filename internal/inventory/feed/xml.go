package feed

import (
	"bytes"
	"fmt"
	"io"
)

// markup reads XML as a stream of tags and texts, and makes a row of every
// element at the record path. It is no validating parser: it holds tags to
// nesting, attributes to quoting and entities to XML's own five, expands
// nothing that a file declares, and resolves no name spaces beyond their
// prefixes. encoding/xml would do, at a tenth of the speed and with no bound on
// what a single element may make it hold in memory.
type markup struct {
	*leaves
	w      *window
	maxRow int

	line, number int64
	path         []byte // names of the open elements, joined by "/"
	marks        []int  // length of path before each of them
	ended        bool   // the root element has closed

	record   string // the path of a row, as the file spells it; "" while unknown
	expected string // folded path that the mapping states

	inRow    int // open elements when the row began, its own included; 0 outside
	rowBytes int // of the row so far
	rowLine  int64
	text     []byte // of the row's open elements, decoded
	starts   []int  // where in text each open element of the row begins
	onStart  func(path []byte, attributes bool)
}

func newMarkup(w *window, f Format, m *Mapping, o options, head []byte) (source, error) {
	x := &markup{leaves: newLeaves(m, f, o), w: w, maxRow: o.maxRowBytes, line: 1, expected: fold(m.Layout.Record)}
	if x.expected == "" {
		record, err := surveyXML(f, m, o, head)
		if err != nil {
			return nil, err
		}
		x.record = record
	}
	return x, nil
}

func (x *markup) columns() []ColumnUse { return x.uses() }

// consume passes over n bytes and counts their lines and their size.
func (x *markup) consume(n int) {
	x.line += int64(bytes.Count(x.w.bytes()[:n], []byte("\n")))
	x.rowBytes += n
	x.w.skip(n)
}

func (x *markup) malformed(format string, args ...any) error {
	return &FileError{Line: x.line, Reason: Malformed, Detail: "the XML is broken: " + fmt.Sprintf(format, args...)}
}

// stop is the error for a stream that gives no more.
func (x *markup) stop() error {
	switch {
	case x.w.full():
		return &FileError{Line: x.line, Reason: RowTooLarge, Detail: fmt.Sprintf("a tag is longer than the %d bytes allowed", x.w.max-1)}
	case x.w.err != io.EOF:
		return x.w.err
	case len(x.marks) > 0:
		return &FileError{Line: x.line, Reason: Truncated, Detail: fmt.Sprintf("the XML ends inside <%s>", clip(x.name(), 40))}
	case !x.ended || len(x.w.bytes()) > 0:
		return &FileError{Line: x.line, Reason: Truncated, Detail: "the XML ends inside a tag"}
	}
	return io.EOF
}

// name is that of the innermost open element.
func (x *markup) name() []byte {
	return bytes.TrimPrefix(x.path[x.marks[len(x.marks)-1]:], []byte("/"))
}

// relative is the path of the innermost open element below the row's.
func (x *markup) relative() []byte {
	at := len(x.path)
	if x.inRow < len(x.marks) {
		at = x.marks[x.inRow] + 1
	}
	return x.path[at:]
}

func (x *markup) next(row *Row) error {
	for {
		done, err := x.step()
		if err == io.EOF {
			return x.end()
		}
		if err != nil {
			return err
		}
		if !done {
			continue
		}
		*row = Row{Number: x.number, Line: x.rowLine}
		if x.rowBytes > x.maxRow {
			return &RowError{Row: row.Number, Line: row.Line, Field: NumFields, Reason: RowTooLarge,
				Detail: fmt.Sprintf("the element is larger than the %d bytes allowed", x.maxRow)}
		}
		return x.finish(row)
	}
}

// end checks a document that has closed.
func (x *markup) end() error {
	if x.number == 0 && x.expected != "" {
		return &FileError{Reason: NoRows, Detail: fmt.Sprintf("the XML has no element at %q, where the mapping expects the rows", x.m.Layout.Record)}
	}
	if err := x.settle(x.number); err != nil {
		return err
	}
	return io.EOF
}

// step takes one tag or piece of text; done when that ended a row.
func (x *markup) step() (done bool, err error) {
	if len(x.w.bytes()) == 0 && !x.w.fill() {
		return false, x.stop()
	}
	b := x.w.bytes()
	if b[0] != '<' {
		return false, x.characters()
	}
	for len(b) < len("<![CDATA[") && x.w.fill() {
		b = x.w.bytes()
	}
	switch {
	case bytes.HasPrefix(b, []byte("<!--")):
		return false, x.dropThrough("<!--", "-->")
	case bytes.HasPrefix(b, []byte("<![CDATA[")):
		return false, x.cdata()
	case bytes.HasPrefix(b, []byte("<!DOCTYPE")):
		return false, x.doctype()
	case bytes.HasPrefix(b, []byte("<?")):
		return false, x.dropThrough("<?", "?>")
	case bytes.HasPrefix(b, []byte("<!")):
		return false, x.malformed("%q is no tag", clip(b, 20))
	case bytes.HasPrefix(b, []byte("</")):
		return x.endTag()
	}
	return x.startTag()
}

// dropThrough passes over everything up to and including the end mark.
func (x *markup) dropThrough(begin, end string) error {
	x.consume(len(begin))
	for {
		b := x.w.bytes()
		if at := bytes.Index(b, []byte(end)); at >= 0 {
			x.consume(at + len(end))
			return nil
		}
		x.consume(max(0, len(b)-len(end)+1))
		if !x.w.fill() {
			return x.stopInside(begin)
		}
	}
}

func (x *markup) stopInside(what string) error {
	if x.w.err == io.EOF {
		return &FileError{Line: x.line, Reason: Truncated, Detail: fmt.Sprintf("the XML ends inside %s", what)}
	}
	return x.stop()
}

// cdata takes text in which nothing is markup.
func (x *markup) cdata() error {
	if len(x.marks) == 0 {
		return x.malformed("text stands outside the root element")
	}
	x.consume(len("<![CDATA["))
	for {
		b := x.w.bytes()
		at := bytes.Index(b, []byte("]]>"))
		piece := b[:max(0, len(b)-2)]
		if at >= 0 {
			piece = b[:at]
		}
		if x.keeps() {
			x.text = appendLines(x.text, piece)
		}
		x.consume(len(piece))
		if at >= 0 {
			x.consume(len("]]>"))
			return nil
		}
		if !x.w.fill() {
			return x.stopInside("a CDATA section")
		}
	}
}

// keeps says whether text is still collected for the row at hand.
func (x *markup) keeps() bool { return x.inRow > 0 && x.rowBytes <= x.maxRow }

// doctype passes over a document type declaration. Entities that it declares
// are never expanded, so it cannot make the file grow.
func (x *markup) doctype() error {
	for {
		b := x.w.bytes()
		if n := doctypeLength(b); n > 0 {
			x.consume(n)
			return nil
		}
		if !x.w.fill() {
			return x.stopInside("its DOCTYPE")
		}
	}
}

// doctypeLength is how far the declaration at the start of b goes, 0 where
// its end is not in b.
func doctypeLength(b []byte) int {
	depth := 0
	var quote byte
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case bytes.HasPrefix(b[i:], []byte("<!--")):
			at := bytes.Index(b[i+4:], []byte("-->"))
			if at < 0 {
				return 0
			}
			i += 4 + at + 2
		case c == '"' || c == '\'':
			quote = c
		case c == '<':
			depth++
		case c == '>':
			depth--
			if depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// characters takes the text up to the next tag, as far as it is in memory.
func (x *markup) characters() error {
	b := x.w.bytes()
	n := bytes.IndexByte(b, '<')
	if n < 0 {
		n = len(b)
		// An entity, or the two halves of a line end, may go on behind what is here.
		if at := bytes.LastIndexByte(b, '&'); at >= 0 && n-at < longestEntity && bytes.IndexByte(b[at:], ';') < 0 {
			n = at
		} else if b[n-1] == '\r' {
			n--
		}
		if n == 0 {
			if x.w.fill() {
				return nil
			}
			n = len(b)
		}
	}
	piece := b[:n]
	switch {
	case len(x.marks) == 0:
		if len(trim(piece)) > 0 {
			return x.malformed("text stands outside the root element: %q", clip(trim(piece), 40))
		}
	case x.keeps():
		var bad string
		if x.text, bad = appendDecoded(x.text, piece); bad != "" {
			if path := x.relative(); len(path) == 0 {
				// Text beside the columns is nobody's.
			} else if i := x.column(path); x.wanted(i) {
				x.fail(i, &RowError{Reason: BadEntity, Detail: entityDetail(bad)})
			}
		}
	}
	x.consume(n)
	return nil
}

// endTag closes an element, and hands its text to the columns.
func (x *markup) endTag() (done bool, err error) {
	b := x.w.bytes()
	end := bytes.IndexByte(b, '>')
	for end < 0 {
		if !x.w.fill() {
			return false, x.stop()
		}
		b = x.w.bytes()
		end = bytes.IndexByte(b, '>')
	}
	name := trim(b[2:end])
	if len(x.marks) == 0 {
		return false, x.malformed("</%s> closes nothing", clip(name, 40))
	}
	if !bytes.Equal(name, x.name()) {
		return false, x.malformed("</%s> stands where </%s> should", clip(name, 40), clip(x.name(), 40))
	}
	done = x.closeElement()
	x.consume(end + 1)
	return done, nil
}

// closeElement ends the innermost element; done when it was a row.
func (x *markup) closeElement() (done bool) {
	depth := len(x.marks)
	if x.inRow > 0 {
		start := x.starts[len(x.starts)-1]
		x.starts = x.starts[:len(x.starts)-1]
		if x.keeps() {
			if path := x.relative(); len(path) > 0 {
				if i := x.column(path); x.wanted(i) {
					x.add(i, x.text[min(start, len(x.text)):])
				}
			}
		} else {
			x.text = x.text[:0]
		}
		if depth == x.inRow {
			x.inRow, done = 0, true
		}
	}
	x.path = x.path[:x.marks[depth-1]]
	x.marks = x.marks[:depth-1]
	x.ended = depth == 1
	return done
}

// startTag opens an element.
func (x *markup) startTag() (done bool, err error) {
	b := x.w.bytes()
	end := tagEnd(b)
	for end < 0 {
		if !x.w.fill() {
			return false, x.stop()
		}
		b = x.w.bytes()
		end = tagEnd(b)
	}
	tag := b[1:end]
	empty := bytes.HasSuffix(tag, []byte("/"))
	if empty {
		tag = tag[:len(tag)-1]
	}
	name := tag
	if at := bytes.IndexAny(tag, " \t\r\n"); at >= 0 {
		name = tag[:at]
	}
	switch {
	case !isName(name):
		return false, x.malformed("%q is no tag; a < in a text is written &lt;", clip(b[:end+1], 40))
	case len(name) > maxPath:
		return false, x.malformed("<%s> has a name of %d bytes", clip(name, 40), len(name))
	case x.ended:
		return false, x.malformed("<%s> follows the end of the root element", clip(name, 40))
	case len(x.marks) >= maxDepth:
		return false, x.malformed("elements are nested more than %d deep", maxDepth)
	}
	attributes := tag[len(name):]
	x.marks = append(x.marks, len(x.path))
	if len(x.path) > 0 {
		x.path = append(x.path, '/')
	}
	x.path = append(x.path, name...)
	if x.onStart != nil {
		x.onStart(x.path, len(trim(attributes)) > 0)
	}
	if x.inRow == 0 && x.isRecord() {
		x.inRow, x.rowBytes, x.rowLine = len(x.marks), 0, x.line
		x.number++
		x.begin()
		x.text, x.starts = x.text[:0], x.starts[:0]
	}
	if x.inRow > 0 {
		x.starts = append(x.starts, len(x.text))
	}
	if err := x.attributes(attributes); err != nil {
		return false, err
	}
	if empty {
		done = x.closeElement()
	}
	x.consume(end + 1)
	return done, nil
}

// isRecord says whether the element just opened is a row.
func (x *markup) isRecord() bool {
	if x.record != "" {
		return string(x.path) == x.record
	}
	if x.expected == "" {
		return false
	}
	path := string(x.path)
	if fold(path) == x.expected || fold(withoutPrefixes(path)) == x.expected {
		x.record = path
		return true
	}
	return false
}

// attributes checks them, and hands those inside a row to the columns.
func (x *markup) attributes(b []byte) error {
	for {
		b = bytes.TrimLeft(b, " \t\r\n")
		if len(b) == 0 {
			return nil
		}
		eq := bytes.IndexByte(b, '=')
		if eq < 0 {
			return x.malformed("attribute %q has no value", clip(b, 40))
		}
		name, value := bytes.TrimRight(b[:eq], " \t\r\n"), bytes.TrimLeft(b[eq+1:], " \t\r\n")
		if !isName(name) {
			return x.malformed("%q is no name of an attribute", clip(name, 40))
		}
		if len(value) == 0 || value[0] != '"' && value[0] != '\'' {
			return x.malformed("the value of attribute %s stands in no quotes", clip(name, 40))
		}
		end := bytes.IndexByte(value[1:], value[0])
		if end < 0 {
			return x.malformed("the value of attribute %s has no closing quote", clip(name, 40))
		}
		if x.keeps() {
			x.attribute(name, value[1:1+end])
		}
		b = value[end+2:]
	}
}

func (x *markup) attribute(name, value []byte) {
	had := len(x.path)
	if len(x.marks) > x.inRow {
		x.path = append(x.path, '/')
	}
	x.path = append(append(x.path, '@'), name...)
	at := had
	if x.inRow < len(x.marks) {
		at = x.marks[x.inRow] + 1
	}
	i := x.column(x.path[at:])
	x.path = x.path[:had]
	if !x.wanted(i) {
		return
	}
	text, bad := appendDecoded(x.text, value)
	if bad != "" {
		x.fail(i, &RowError{Reason: BadEntity, Detail: entityDetail(bad)})
		return
	}
	x.add(i, text[len(x.text):])
}
