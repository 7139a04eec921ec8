package feed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds nesting in JSON and XML.
const maxDepth = 64

// objectReader turns one JSON object into a row: every text, number and
// boolean in it is a leaf, whose path joins the keys and the positions in
// lists with "/". Numbers keep their digits.
type objectReader struct {
	*leaves
	dec     *jsontext.Decoder
	buf     bytes.Buffer
	path    []byte
	unquote []byte
}

func newObjectReader(l *leaves) *objectReader {
	// A name given twice is no reason to refuse a row: the first text counts.
	// Broken UTF-8 is reported with the column that it is in.
	dec := jsontext.NewDecoder(new(bytes.Buffer), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	return &objectReader{leaves: l, dec: dec}
}

// read fills the row from one JSON value.
func (o *objectReader) read(text []byte, row *Row) error {
	row.Values = [NumFields]string{}
	o.begin()
	// A bytes.Buffer is what the decoder reads without copying.
	o.buf = *bytes.NewBuffer(text)
	o.dec.Reset(&o.buf, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if kind := o.dec.PeekKind(); strings.ContainsRune(`["0ntf`, rune(kind)) {
		return &RowError{Row: row.Number, Line: row.Line, Field: NumFields, Reason: NotAnObject,
			Detail: fmt.Sprintf("a row is an object in braces, but this is %s", kindWord(kind))}
	}
	err := o.object(0)
	if err == nil {
		if _, err = o.dec.ReadToken(); err == io.EOF {
			return o.finish(row)
		}
		if err == nil {
			err = errors.New("more than one value stands where one row should")
		}
	}
	e := &RowError{Row: row.Number, Line: row.Line, Field: NumFields, Reason: BadSyntax, Detail: "the JSON does not parse: " + jsonCause(err)}
	return e
}

func kindWord(k jsontext.Kind) string {
	switch k {
	case '[':
		return "a list"
	case '"':
		return "a text"
	case '0':
		return "a number"
	case 'n':
		return "null"
	}
	return "a truth value"
}

// jsonCause says in a merchant's words what the decoder met.
func jsonCause(err error) string {
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), err == io.EOF:
		return "it ends in the middle"
	case errors.As(err, &syntax):
		return fmt.Sprintf("%v, at character %d of the row", syntax.Err, syntax.ByteOffset+1)
	}
	return err.Error()
}

func (o *objectReader) object(base int) error {
	if _, err := o.dec.ReadToken(); err != nil {
		return err
	}
	for o.dec.PeekKind() != '}' {
		key, err := o.dec.ReadValue()
		if err != nil {
			return err
		}
		o.path = o.path[:base]
		if base > 0 {
			o.path = append(o.path, '/')
		}
		if o.path, err = appendUnquoted(o.path, key); err != nil {
			return err
		}
		if err := o.value(); err != nil {
			return err
		}
	}
	_, err := o.dec.ReadToken()
	return err
}

func (o *objectReader) list(base int) error {
	if _, err := o.dec.ReadToken(); err != nil {
		return err
	}
	for i := int64(0); o.dec.PeekKind() != ']'; i++ {
		o.path = strconv.AppendInt(append(o.path[:base], '/'), i, 10)
		if err := o.value(); err != nil {
			return err
		}
	}
	_, err := o.dec.ReadToken()
	return err
}

// value reads what stands at o.path.
func (o *objectReader) value() error {
	switch kind := o.dec.PeekKind(); kind {
	case '{', '[':
		if o.dec.StackDepth() >= maxDepth {
			return fmt.Errorf("it is nested more than %d deep", maxDepth)
		}
		if kind == '{' {
			return o.object(len(o.path))
		}
		return o.list(len(o.path))
	}
	raw, err := o.dec.ReadValue()
	if err != nil {
		return err
	}
	i := o.column(o.path)
	if !o.wanted(i) {
		return nil
	}
	switch raw[0] {
	case 'n':
		raw = nil
	case '"':
		if o.unquote, err = appendUnquoted(o.unquote[:0], raw); err != nil {
			return err
		}
		raw = o.unquote
	}
	o.add(i, raw)
	return nil
}

// appendUnquoted adds the text of a JSON string. Broken UTF-8 passes as it is.
func appendUnquoted(b, quoted []byte) ([]byte, error) {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return append(b, quoted[1:len(quoted)-1]...), nil
	}
	b, err := jsontext.AppendUnquote(b, quoted)
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		// Its position is that in the string, not that in the row.
		err = syntax.Err
	}
	return b, err
}

// lines reads JSONL: a row a line. A line that does not parse is refused, and
// the next one read.
type lines struct {
	*objectReader
	w            *window
	line, number int64
}

func newLines(w *window, f Format, m *Mapping, o options) source {
	return &lines{objectReader: newObjectReader(newLeaves(m, f, o)), w: w, line: 1}
}

func (s *lines) columns() []ColumnUse { return s.uses() }

func (s *lines) next(row *Row) error {
	for {
		n, out := s.w.line()
		switch out {
		case atEnd:
			if err := s.settle(s.number); err != nil {
				return err
			}
			return io.EOF
		case readFailed:
			return s.w.err
		}
		row.Line = s.line
		s.line++
		text := trim(s.w.bytes()[:n])
		if len(text) == 0 || len(text) == 1 && text[0] == 0x1a {
			s.w.skip(n)
			continue
		}
		s.number++
		row.Number = s.number
		if out == tooLong {
			if err := s.w.dropLine(); err != nil {
				return err
			}
			return &RowError{Row: row.Number, Line: row.Line, Field: NumFields, Reason: RowTooLarge,
				Detail: fmt.Sprintf("the row is longer than the %d bytes allowed", s.w.max-1)}
		}
		err := s.read(text, row)
		s.w.skip(n)
		return err
	}
}
