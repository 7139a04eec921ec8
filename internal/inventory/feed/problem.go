package feed

import (
	"fmt"
	"strings"
)

// Reason is why a row or a file was refused: a word for counting by, stable
// across versions.
type Reason string

// Reasons for refusing one row. Reading goes on after it.
const (
	TooManyColumns Reason = "too_many_columns" // more values than the header has columns
	TooFewColumns  Reason = "too_few_columns"  // fewer
	BadQuoting     Reason = "bad_quoting"      // a quote that never closes, or text after a closing quote
	BadEncoding    Reason = "bad_encoding"     // bytes that the file's encoding does not know
	NULByte        Reason = "nul_byte"         // a zero byte inside a value
	RowTooLarge    Reason = "row_too_large"    // above MaxRowBytes
	NotAnObject    Reason = "not_an_object"    // a JSON value that is no object
	BadSyntax      Reason = "bad_syntax"       // a JSON line or an XML item that does not parse
	BadEntity      Reason = "bad_entity"       // an XML entity that is not one of XML's own five
	NoStore        Reason = "no_store"         // empty store id
	NoItem         Reason = "no_item"          // empty item id
	Duplicate      Reason = "duplicate"        // a later row of the same store and item was kept
)

// Reasons for giving up on a file.
const (
	Empty          Reason = "empty"           // no bytes, or white space only
	Binary         Reason = "binary"          // not a text file: a workbook, an archive, an image
	NoRows         Reason = "no_rows"         // a header or an envelope, and nothing in it
	UnknownFormat  Reason = "unknown_format"  // text, and none of the formats
	MissingColumns Reason = "missing_columns" // the mapping needs columns that the file has not
	DuplicateName  Reason = "duplicate_name"  // two columns of one name, and the mapping uses it
	Truncated      Reason = "truncated"       // the file ends in the middle
	Malformed      Reason = "malformed"       // the syntax breaks in a way that cannot be stepped over
	Corrupt        Reason = "corrupt"         // gzip or segment checksums do not hold
	TooLarge       Reason = "too_large"       // above MaxBytes, or expanding like a compression bomb
)

// RowError says why one row was refused. The reader can go on after it.
type RowError struct {
	Row    int64 // number of the data row, from 1
	Line   int64 // line in the uncompressed file, 0 where unknown
	Column string
	Field  Field // NumFields where the column is mapped to nothing or the whole row is meant
	Reason Reason
	Detail string // what happened and what to do, as a sentence without the place
	// What the row says, where it could be read that far.
	Store, Item, Value string
}

// Error names row, line and column, then what happened.
func (e *RowError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "row %d", e.Row)
	if e.Line > 0 {
		fmt.Fprintf(&b, " (line %d)", e.Line)
	}
	if e.Column != "" {
		fmt.Fprintf(&b, ", column %q", e.Column)
	}
	b.WriteString(": ")
	b.WriteString(e.Detail)
	return b.String()
}

// FileError says why a file was given up. Rows returned before it stand.
type FileError struct {
	// Row is the number of the last data row before the error, 0 for none.
	Row    int64
	Line   int64 // line of the error, 0 where unknown
	Reason Reason
	Detail string
	Err    error // the cause from below, may be nil
}

// Error names the place, then what happened.
func (e *FileError) Error() string {
	var b strings.Builder
	switch {
	case e.Row > 0 && e.Line > 0:
		fmt.Fprintf(&b, "after row %d (line %d): ", e.Row, e.Line)
	case e.Row > 0:
		fmt.Fprintf(&b, "after row %d: ", e.Row)
	case e.Line > 0:
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	b.WriteString(e.Detail)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap is the cause from below.
func (e *FileError) Unwrap() error { return e.Err }
