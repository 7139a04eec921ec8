package feed

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// longestEntity is how much of "&…;" is waited for: "&#x0010FFFF;" fits.
const longestEntity = 64

// tagEnd finds the ">" that ends the tag at the start of b, outside of
// quotes; -1 where it is not in b.
func tagEnd(b []byte) int {
	from := 0
	for {
		at := bytes.IndexByte(b[from:], '>')
		if at < 0 {
			return -1
		}
		at += from
		for from < at {
			q := bytes.IndexAny(b[from:at], `"'`)
			if q < 0 {
				return at
			}
			q += from
			closing := bytes.IndexByte(b[q+1:], b[q])
			if closing < 0 {
				return -1
			}
			from = q + 1 + closing + 1
		}
		if from == at {
			return at
		}
	}
}

// isName is lenient: whatever starts like a name and has no markup in it.
func isName(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	c := b[0]
	return (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':' || c >= utf8.RuneSelf) &&
		!bytes.ContainsAny(b, "<>&=\"'/ \t\r\n\x00")
}

// appendLines adds text with its line ends made LF, as XML 1.0 section 2.11
// asks.
func appendLines(dst, text []byte) []byte {
	for {
		at := bytes.IndexByte(text, '\r')
		if at < 0 {
			return append(dst, text...)
		}
		dst = append(append(dst, text[:at]...), '\n')
		text = text[at+1:]
		if len(text) > 0 && text[0] == '\n' {
			text = text[1:]
		}
	}
}

// appendDecoded adds text with its character references and XML's own five
// entities replaced. Anything else behind an "&" is bad, and left as it is.
func appendDecoded(dst, text []byte) (out []byte, bad string) {
	for {
		at := bytes.IndexByte(text, '&')
		if at < 0 {
			return appendLines(dst, text), bad
		}
		dst = appendLines(dst, text[:at])
		text = text[at:]
		end := bytes.IndexByte(text[:min(len(text), longestEntity)], ';')
		var c rune = -1
		if end > 0 {
			c = entity(text[1:end])
		}
		if c < 0 {
			if bad == "" {
				bad = clip(text[:min(len(text), 10)], 10)
				if end > 0 {
					bad = clip(text[:end+1], 20)
				}
			}
			dst = append(dst, '&')
			text = text[1:]
			continue
		}
		dst = utf8.AppendRune(dst, c)
		text = text[end+1:]
	}
}

// entity is the character that a name between "&" and ";" stands for, or -1.
func entity(name []byte) rune {
	switch string(name) {
	case "amp":
		return '&'
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "quot":
		return '"'
	case "apos":
		return '\''
	}
	if len(name) < 2 || name[0] != '#' {
		return -1
	}
	digits, radix := name[1:], 10
	if digits[0] == 'x' {
		digits, radix = digits[1:], 16
	}
	n, err := strconv.ParseUint(string(digits), radix, 32)
	if err != nil || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) ||
		n < 0x20 && n != '\t' && n != '\n' && n != '\r' {
		return -1
	}
	return rune(n)
}

func entityDetail(bad string) string {
	if strings.Contains(bad, ";") {
		return fmt.Sprintf("%q is no entity of XML, and entities that a file declares are not expanded: write the character itself", bad)
	}
	return fmt.Sprintf("an & in a text is written &amp;, but here stands %q", bad)
}

// recordNames are what the element of a row is commonly called.
var recordNames = []string{
	"item", "entry", "product", "offer", "row", "record", "article", "shopitem", "good", "sku", "listing",
	"artikl", "proizvod", "artikel", "produkt", "produit", "producto", "prodotto", "produto", "towar",
}

// surveyXML finds the path of the rows in the head of a file: the first
// element of a common name, else the outermost one that repeats.
func surveyXML(f Format, m *Mapping, o options, head []byte) (string, error) {
	o.samples = false
	w := newWindow(bytes.NewReader(decodeHead(f, head)), headSize*3)
	x := &markup{leaves: newLeaves(m, f, o), w: w, maxRow: headSize * 3, line: 1}
	type element struct {
		path   string
		count  int
		depth  int
		filled bool // has elements or attributes
	}
	var order []*element
	byPath := make(map[string]*element)
	x.onStart = func(path []byte, attributes bool) {
		e := byPath[string(path)]
		if e == nil {
			if len(order) >= maxPaths {
				return
			}
			e = &element{path: string(path), depth: len(x.marks)}
			byPath[e.path] = e
			order = append(order, e)
		}
		e.count++
		e.filled = e.filled || attributes
		if at := bytes.LastIndexByte(path, '/'); at > 0 {
			if parent := byPath[string(path[:at])]; parent != nil {
				parent.filled = true
			}
		}
	}
	var err error
	for err == nil {
		_, err = x.step()
	}
	best := ""
	bestDepth, bestCount := maxDepth+1, 0
	var names []string
	for _, e := range order {
		names = append(names, e.path)
		if e.depth < 2 || !e.filled {
			continue
		}
		last := e.path[strings.LastIndexByte(e.path, '/')+1:]
		if slices.Contains(recordNames, fold(withoutPrefixes(last))) {
			return e.path, nil
		}
		if e.count > 1 && (e.depth < bestDepth || e.depth == bestDepth && e.count > bestCount) {
			best, bestDepth, bestCount = e.path, e.depth, e.count
		}
	}
	if best != "" {
		return best, nil
	}
	if fe, ok := err.(*FileError); ok && (fe.Reason == Malformed || len(head) < headSize) {
		return "", fe
	}
	return "", &FileError{Reason: NoRows, Detail: "the XML has no element that repeats and looks like a row. Its elements are " +
		quoteList(names, 12) + "; if one of them is a row, name it in the mapping (format: {record: ...})"}
}
