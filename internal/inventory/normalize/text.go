package normalize

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxText is the longest name, brand or category in bytes. Longer ones are cut:
// they are descriptions in the wrong column.
const maxText = 300

// clean makes a text fit to be shown: NFC, without control and invisible
// direction characters, white space as single spaces. cut says that it was too
// long.
func clean(s string) (text string, cut bool) {
	if tidy(s) {
		return s, false
	}
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r) || r == '\u0085':
			space = b.Len() > 0
			continue
		case unicode.IsControl(r), invisible(r):
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	s = norm.NFC.String(b.String())
	if len(s) <= maxText {
		return s, false
	}
	end := maxText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimRightFunc(s[:end], unicode.IsSpace), true
}

// tidy recognizes the texts that need nothing done: printable ASCII, single
// spaces, not too long.
func tidy(s string) bool {
	if len(s) > maxText {
		return false
	}
	previous := byte(' ')
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c >= 0x7f || c == ' ' && previous == ' ' {
			return false
		}
		previous = c
	}
	return previous != ' ' || s == ""
}

// invisible characters change how text looks without being seen. The joiners
// U+200C and U+200D stay: scripts and emoji are spelt with them.
func invisible(r rune) bool {
	switch {
	case r == '\u00ad', r == '\u200b', r == '\u200e', r == '\u200f', r == '\u2060', r == '\ufeff':
		return true
	case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return true
	}
	return false
}

// folded compares words as mappings do: lower case, without spaces, "_" and
// "-". Words that are longer than any known one fold to nothing.
type folded struct {
	bytes [24]byte
	n     int
}

func fold(s string) (f folded) {
	for _, r := range s {
		if r == '_' || r == '-' || unicode.IsSpace(r) {
			continue
		}
		r = unicode.ToLower(r)
		if f.n+utf8.UTFMax > len(f.bytes) {
			return folded{}
		}
		f.n += utf8.EncodeRune(f.bytes[f.n:], r)
	}
	return f
}

func (f *folded) word() []byte { return f.bytes[:f.n] }
