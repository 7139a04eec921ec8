package feed

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	utf "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// bom is the UTF-8 byte order mark.
const bom = "\xef\xbb\xbf"

// xmlDeclared finds the encoding that an XML declaration states.
var xmlDeclared = regexp.MustCompile(`^\s*<\?xml[^>]*\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']`)

// encodingNames are the names under which XML declarations and mappings know
// an encoding. ISO 8859-1 is read as Windows-1252, as browsers do: the two
// differ in control characters that no feed means.
var encodingNames = map[string]Encoding{
	"utf-8": UTF8, "utf8": UTF8, "us-ascii": UTF8, "ascii": UTF8,
	"utf-16le": UTF16LE, "utf-16be": UTF16BE,
	"windows-1252": Windows1252, "cp1252": Windows1252, "iso-8859-1": Windows1252,
	"latin1": Windows1252, "iso-8859-15": Windows1252,
	"windows-1250": Windows1250, "cp1250": Windows1250,
}

// detectEncoding fills in Encoding, BOM and Guessed.
func detectEncoding(f *Format, head []byte, stated Encoding) error {
	switch {
	case bytes.HasPrefix(head, []byte(bom)):
		f.Encoding, f.BOM = UTF8, true
		return nil
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		f.Encoding, f.BOM = UTF16LE, true
		return nil
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		f.Encoding, f.BOM = UTF16BE, true
		return nil
	case stated != "":
		f.Encoding = stated
		return nil
	}
	if e, ok := looksUTF16(head); ok {
		f.Encoding, f.Guessed = e, true
		return nil
	}
	if looksBinary(head) {
		return &FileError{Reason: Binary, Detail: "the file is not text: it is full of control bytes"}
	}
	if m := xmlDeclared.FindSubmatch(head); m != nil {
		e, ok := encodingNames[strings.ToLower(string(m[1]))]
		if !ok && strings.EqualFold(string(m[1]), "utf-16") {
			// Without zero bytes in it, it cannot be.
			e, ok = UTF8, true
		}
		if !ok {
			return &FileError{Reason: UnknownFormat, Line: 1, Detail: "the XML declaration states encoding " + string(m[1]) +
				", which is not read: send UTF-8, or state the encoding in the mapping"}
		}
		f.Encoding = e
		return nil
	}
	sound, broken := countUTF8(head)
	if broken <= sound {
		// A few broken bytes in a file that is UTF-8 otherwise are bad rows.
		f.Encoding = UTF8
		return nil
	}
	f.Encoding, f.Guessed = guessWindows(head), true
	return nil
}

// countUTF8 counts the multi-byte characters and the bytes that belong to
// none. A character cut by the end of the head counts as neither.
func countUTF8(head []byte) (sound, broken int) {
	for len(head) > 0 {
		if head[0] < utf8.RuneSelf {
			head = head[1:]
			continue
		}
		r, n := utf8.DecodeRune(head)
		switch {
		case r != utf8.RuneError || n > 1:
			sound++
		case !utf8.FullRune(head):
			return sound, broken
		default:
			broken++
		}
		head = head[n:]
	}
	return sound, broken
}

// looksUTF16 tells UTF-16 without a mark: every other byte of Latin text is 0.
func looksUTF16(head []byte) (Encoding, bool) {
	var zero [2]int
	for i, b := range head[:len(head)&^1] {
		if b == 0 {
			zero[i&1]++
		}
	}
	half := len(head) / 2
	switch {
	case half < 2:
	case zero[1] > half*2/5 && zero[0] < half/20+1:
		return UTF16LE, true
	case zero[0] > half*2/5 && zero[1] < half/20+1:
		return UTF16BE, true
	}
	return "", false
}

// looksBinary: text has tabs and line ends, and next to no other control bytes.
func looksBinary(head []byte) bool {
	control := 0
	for _, b := range head {
		if b < 0x20 && b != '\t' && b != '\n' && b != '\r' && b != '\f' && b != 0x1a {
			control++
		}
	}
	return control*20 > len(head)
}

// codePageWeights says, by what Windows-1252 makes of a byte, how much that
// byte speaks for Windows-1250 (above zero) or against it. Bytes missing here
// are letters in both code pages and common in both halves of Europe, such as
// è, which is č, and œ, which is ś: only company tells.
var codePageWeights = map[rune]int{
	// Central European text is full of š and ž; in Western Europe they are rare,
	// though the byte is the same in both code pages.
	'š': 2, 'ž': 2, 'Š': 2, 'Ž': 2,
	'ð': 2, 'Ð': 2, // đ
	'õ': 1, 'Õ': 1, // ő; Portuguese has ã beside its õ
	'þ': 1, 'Þ': 1, // ţ
	'Ÿ': 1, // ź
	'ñ': -1, 'Ñ': -1, 'ê': -1, 'Ê': -1, 'à': -1, 'À': -1, 'å': -1, 'Å': -1,
	'ø': -1, 'Ø': -1, 'ã': -2, 'Ã': -2,
}

// guessWindows decides between Windows-1250 and Windows-1252 by which of the
// two makes likely letters of the odd bytes, inside words.
func guessWindows(head []byte) Encoding {
	score := 0 // above zero: 1250
	for i, b := range head {
		if b < 0x80 {
			continue
		}
		r50 := charmap.Windows1250.DecodeByte(b)
		r52 := charmap.Windows1252.DecodeByte(b)
		before := i > 0 && isLetterByte(head[i-1])
		after := i+1 < len(head) && isLetterByte(head[i+1])
		switch {
		case r52 == utf8.RuneError && r50 != utf8.RuneError:
			score += 3
		case r50 == utf8.RuneError && r52 != utf8.RuneError:
			score -= 3
		case !before && !after:
		case unicode.IsLetter(r50) && !unicode.IsLetter(r52):
			// A sign such as the ³ of m³ stands at the end, ł within the word.
			if before && after {
				score += 2
			}
		case unicode.IsLetter(r52) && !unicode.IsLetter(r50):
			score -= 2
		default:
			score += codePageWeights[r52]
		}
	}
	if score > 0 {
		return Windows1250
	}
	return Windows1252
}

func isLetterByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0xc0
}

// decoder is nil for UTF-8, whose rows are checked one by one instead.
func decoder(e Encoding) *encoding.Decoder {
	switch e {
	case UTF16LE:
		return utf.UTF16(utf.LittleEndian, utf.UseBOM).NewDecoder()
	case UTF16BE:
		return utf.UTF16(utf.BigEndian, utf.UseBOM).NewDecoder()
	case Windows1252:
		return charmap.Windows1252.NewDecoder()
	case Windows1250:
		return charmap.Windows1250.NewDecoder()
	}
	return nil
}

// decodeHead is the head as UTF-8 without a mark, for looking at only.
func decodeHead(f Format, head []byte) []byte {
	if d := decoder(f.Encoding); d != nil {
		if f.Encoding == UTF16LE || f.Encoding == UTF16BE {
			head = head[:len(head)&^1]
		}
		if text, err := d.Bytes(head); err == nil {
			head = text
		}
	}
	return bytes.TrimPrefix(head, []byte(bom))
}

// decodeStream turns the stream into UTF-8 without a mark.
func decodeStream(f Format, r io.Reader) io.Reader {
	if d := decoder(f.Encoding); d != nil {
		return transform.NewReader(r, d)
	}
	return &markSkipper{r: r}
}

// markSkipper drops a byte order mark at the very beginning.
type markSkipper struct {
	r       io.Reader
	started bool
}

func (s *markSkipper) Read(p []byte) (int, error) {
	if s.started || len(p) < len(bom) {
		return s.r.Read(p)
	}
	s.started = true
	n, err := io.ReadAtLeast(s.r, p, len(bom))
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	if bytes.HasPrefix(p[:n], []byte(bom)) {
		n = copy(p, p[len(bom):n])
	}
	return n, err
}
