package feed

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// headSize is how much of a file Detect needs at most: enough lines to tell a
// delimiter from a comma inside a name.
const headSize = 64 << 10

// Detect finds out what a file is from its first bytes; 64 KiB are plenty. It
// peels gzip first. The error is a *FileError with reason Empty, Binary,
// UnknownFormat or Corrupt.
func Detect(head []byte) (Format, error) {
	f := Format{Compression: NoCompression}
	if isGzip(head) {
		f.Compression = Gzip
		zr, err := gzip.NewReader(bytes.NewReader(head))
		if err != nil {
			return f, gzipError(err)
		}
		// The head is cut somewhere, so an unexpected end is expected.
		text, err := io.ReadAll(io.LimitReader(zr, headSize))
		if len(text) == 0 && err != nil && err != io.ErrUnexpectedEOF {
			return f, gzipError(err)
		}
		head = text
	}
	return detectText(f, head, Layout{})
}

func isGzip(head []byte) bool {
	return len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b
}

// magics are the files that merchants send by mistake.
var magics = []struct{ prefix, what string }{
	{"PK\x03\x04", "a ZIP archive or an Excel workbook: unpack the archive, or save the sheet as CSV"},
	{"\xd0\xcf\x11\xe0", "an old Excel workbook: save the sheet as CSV"},
	{"%PDF-", "a PDF document"},
	{"\x1f\x8b", "gzip inside gzip: compress once"},
	{"\x28\xb5\x2f\xfd", "compressed with zstd: send it plain or gzipped"},
	{"BZh", "compressed with bzip2: send it plain or gzipped"},
	{"\xfd7zXZ", "compressed with xz: send it plain or gzipped"},
	{"7z\xbc\xaf", "a 7-Zip archive: send it plain or gzipped"},
	{"Rar!", "a RAR archive: send it plain or gzipped"},
	{"\x89PNG", "a PNG image"},
	{"\xff\xd8\xff", "a JPEG image"},
	{"GIF8", "a GIF image"},
	{"SQLite format 3\x00", "an SQLite database"},
	{"PAR1", "a Parquet file"},
	{"\x7fELF", "a program"},
	{"\xff\xfe\x00\x00", "text in UTF-32: save it as UTF-8"},
	{"\x00\x00\xfe\xff", "text in UTF-32: save it as UTF-8"},
}

// detectText tells encoding and syntax of uncompressed bytes; what the layout
// states is taken over unseen.
func detectText(f Format, head []byte, layout Layout) (Format, error) {
	if len(head) == 0 {
		return f, &FileError{Reason: Empty, Detail: "the file is empty"}
	}
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.prefix)) {
			return f, &FileError{Reason: Binary, Detail: "the file is " + m.what}
		}
	}
	if err := detectEncoding(&f, head, layout.Encoding); err != nil {
		return f, err
	}
	text := decodeHead(f, head)
	trimmed := bytes.TrimSpace(text)
	if len(trimmed) == 0 {
		return f, &FileError{Reason: Empty, Detail: "the file holds white space only"}
	}
	whole := len(head) < headSize
	switch {
	case layout.Delimiter != 0:
		f.Syntax, f.Delimiter = delimited(layout.Delimiter), layout.Delimiter
	case trimmed[0] == '<':
		if htmlStart.Match(trimmed) {
			return f, &FileError{Reason: UnknownFormat, Detail: "the file is an HTML page: a sign-in or an error page may have been saved instead of the feed"}
		}
		f.Syntax = XML
	case trimmed[0] == '[' && !bytes.HasPrefix(trimmed, []byte("[\"")):
		f.Syntax = JSON
	case trimmed[0] == '{':
		f.Syntax = jsonSyntax(trimmed, whole)
	default:
		d, ok := detectDelimiter(text, whole)
		if !ok {
			return f, &FileError{Reason: UnknownFormat, Detail: fmt.Sprintf(
				"the file is text, but neither XML nor JSON, and its first line has no tab, comma, semicolon or bar to part columns by: it begins %q", clip(trimmed, 40))}
		}
		f.Syntax, f.Delimiter = delimited(d), d
	}
	return f, nil
}

var htmlStart = regexp.MustCompile(`(?i)^(<!--.*?-->\s*)*<(!doctype\s+html|html)\b`)

func delimited(d byte) Syntax {
	if d == '\t' {
		return TSV
	}
	return CSV
}

// jsonSyntax tells one object a line from one document. A first line that is
// a whole object is a row, unless it is all there is and wraps a list of rows.
func jsonSyntax(trimmed []byte, whole bool) Syntax {
	line, rest, more := bytes.Cut(trimmed, []byte("\n"))
	if !more {
		line, rest, _ = bytes.Cut(trimmed, []byte("\r"))
	}
	if !json.Valid(line) {
		// A broken first line followed by sound ones is a bad row of JSONL; a
		// line that opens and does not close is a document.
		second, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte("\n"))
		if len(second) > 0 && second[0] == '{' && json.Valid(second) {
			return JSONL
		}
		return JSON
	}
	if whole && len(bytes.TrimSpace(rest)) == 0 {
		var members map[string]json.RawMessage
		if json.Unmarshal(line, &members) == nil && len(members) <= 8 {
			for _, v := range members {
				var list []map[string]json.RawMessage
				if json.Unmarshal(v, &list) == nil && len(list) > 0 && list[0] != nil {
					if _, single := members["id"]; !single {
						return JSON
					}
				}
			}
		}
	}
	return JSONL
}

// delimiters in the order in which a tie is decided: who writes tabs,
// semicolons or bars into a header means them as delimiters.
var delimiters = []byte{'\t', ';', '|', ','}

// detectDelimiter takes the delimiter that splits the first line and splits
// the following ones into the same number of columns most often.
func detectDelimiter(text []byte, whole bool) (byte, bool) {
	if d, ok := sepLine(text); ok {
		return d, true
	}
	var lines [][256]int
	var counts [256]int
	quoted, fieldStart, blank := false, true, true
	end := func() {
		if !blank {
			lines = append(lines, counts)
		}
		counts, fieldStart, blank = [256]int{}, true, true
	}
	for _, c := range text {
		switch {
		case c == '"' && (quoted || fieldStart):
			quoted = !quoted
			blank = false
		case quoted:
		case c == '\n' || c == '\r':
			end()
		default:
			counts[c]++
			blank = blank && c == ' '
			fieldStart = c == '\t' || c == ';' || c == '|' || c == ',' || c == ' ' && fieldStart
			continue
		}
		fieldStart = false
		if c == '\n' || c == '\r' {
			fieldStart = true
		}
		if len(lines) >= 50 {
			break
		}
	}
	if whole || len(lines) == 0 {
		end()
	}
	if len(lines) == 0 {
		return 0, false
	}
	best, bestScore := byte(0), 0.0
	for _, d := range delimiters {
		n := lines[0][d]
		if n == 0 {
			continue
		}
		same := 0
		for _, l := range lines {
			if l[d] == n {
				same++
			}
		}
		// Agreement between lines counts most, then the number of columns.
		score := float64(same)/float64(len(lines)) + 0.02*float64(min(n, 40))
		if score > bestScore {
			best, bestScore = d, score
		}
	}
	return best, best != 0
}

// sepLine reads the line "sep=;" that spreadsheets write in front.
func sepLine(text []byte) (byte, bool) {
	if len(text) < 6 || !strings.EqualFold(string(text[:4]), "sep=") {
		return 0, false
	}
	if text[5] != '\n' && text[5] != '\r' {
		return 0, false
	}
	return text[4], true
}

// String is the format in one line: "CSV with ';', gzip, windows-1250 (guessed)".
func (f Format) String() string {
	var b strings.Builder
	b.WriteString(strings.ToUpper(string(f.Syntax)))
	if f.Syntax == CSV {
		fmt.Fprintf(&b, " with %q", string(rune(f.Delimiter)))
	}
	if f.Compression == Gzip {
		b.WriteString(", gzip")
	}
	fmt.Fprintf(&b, ", %s", f.Encoding)
	if f.BOM {
		b.WriteString(" with byte order mark")
	}
	if f.Guessed {
		b.WriteString(" (guessed)")
	}
	return b.String()
}

// clip shortens text for a message without cutting a character in two.
func clip(text []byte, n int) string {
	if len(text) <= n {
		return string(text)
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return string(text[:n]) + "…"
}
