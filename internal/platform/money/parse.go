package money

import (
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Style says how a text writes its decimals.
type Style uint8

const (
	// Auto decides by the text itself and refuses a text that can be read two
	// ways, such as "1,234".
	Auto Style = iota
	// Point is 1,234.56: a point before the decimals; commas, spaces and
	// apostrophes between thousands.
	Point
	// Comma is 1.234,56: a comma before the decimals; points, spaces and
	// apostrophes between thousands.
	Comma
)

// String names the style as mappings spell it.
func (s Style) String() string {
	switch s {
	case Point:
		return "point"
	case Comma:
		return "comma"
	}
	return "auto"
}

// ParseStyle reads what String writes; the empty text is Auto.
func ParseStyle(s string) (Style, error) {
	switch s {
	case "", "auto":
		return Auto, nil
	case "point":
		return Point, nil
	case "comma":
		return Comma, nil
	}
	return Auto, fmt.Errorf("decimal style %q is unknown: use auto, point or comma", s)
}

// SyntaxError says why a text is not an amount, and what to change.
type SyntaxError struct {
	Text   string
	Reason string
	Fix    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("amount %q %s: %s", clip(e.Text), e.Reason, e.Fix)
}

// clip keeps a hostile cell from filling a log line.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// Decimal is an exact decimal number: Unscaled / 10^Scale.
type Decimal struct {
	Unscaled int64
	Scale    uint8 // 0 to 18
}

var powersOfTen = [19]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// Shift is the number times 10^places as a whole number. exact is false where
// decimals were rounded off; ok is false where the result does not fit.
func (d Decimal) Shift(places int, r Rounding) (v int64, exact, ok bool) {
	switch by := places - int(d.Scale); {
	case by == 0:
		return d.Unscaled, true, true
	case by > 0:
		if by >= len(powersOfTen) {
			return 0, d.Unscaled == 0, d.Unscaled == 0
		}
		m, exact, ok := MulDiv(Minor(d.Unscaled), powersOfTen[by], 1, r)
		return int64(m), exact, ok
	default:
		m, exact, ok := MulDiv(Minor(d.Unscaled), 1, powersOfTen[min(-by, 18)], r)
		return int64(m), exact, ok
	}
}

// Amount is a parsed text.
type Amount struct {
	Minor Minor
	// Currency is the one that the text itself names ("15.00 USD", "€ 15"),
	// and empty where it names none.
	Currency Currency
	// Rounded says that the text was finer than the currency's minor unit.
	Rounded bool
}

// Parse reads a decimal text as an amount of the currency. A code or symbol
// may stand before or after the number; it must agree with the currency. Signs
// are read, so that the caller can say what is wrong with a negative price.
// Where no currency is known, any may stand there, and amounts have two decimals.
// Scientific notation, NaN and infinities are refused. The error is always a
// *SyntaxError.
func Parse(text string, c Currency, style Style, r Rounding) (Amount, error) {
	number, named, err := splitCurrency(text, c)
	if err != nil {
		return Amount{}, err
	}
	d, wrong := parseDecimal(number, style)
	if wrong != nil {
		wrong.Text = text
		return Amount{}, wrong
	}
	v, exact, ok := d.Shift(c.Exponent(), r)
	if !ok {
		return Amount{}, &SyntaxError{text, "is too large", fmt.Sprintf("an amount of %s holds at most %s", c, Format(math.MaxInt64, c))}
	}
	return Amount{Minor: Minor(v), Currency: named, Rounded: !exact}, nil
}

// splitCurrency takes a code or symbol off either end.
func splitCurrency(text string, want Currency) (number string, named Currency, err error) {
	s := strings.TrimSpace(text)
	if plain(s) {
		return s, "", nil
	}
	for _, mark := range []func(string) (rest, word string){leadingWord, trailingWord} {
		rest, word := mark(s)
		if word == "" {
			continue
		}
		code := Currency(strings.ToUpper(word))
		if code.Known() {
			if code != want && want != "" {
				return "", "", &SyntaxError{text, "is in " + string(code) + " where the store sells in " + string(want),
					"send the price in " + string(want) + ", or map the currency column"}
			}
			return rest, code, nil
		}
		for _, symbol := range symbols {
			if word != symbol.text {
				continue
			}
			if !strings.Contains(symbol.of, string(want)) {
				return "", "", &SyntaxError{text, "carries the symbol " + word + " where the store sells in " + string(want),
					"send the price in " + string(want) + ", or map the currency column"}
			}
			return rest, want, nil
		}
	}
	return s, "", nil
}

// plain says that the text holds nothing but what numbers are written with, so
// that the common case looks for no currency.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && c != '.' && c != ',' && c != '-' {
			return false
		}
	}
	return true
}

func numeric(r rune) bool { return (r >= '0' && r <= '9') || r == '-' || r == '+' || r == '(' }

func leadingWord(s string) (rest, word string) {
	sign := ""
	body := s
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		sign, body = s[:1], s[1:]
	}
	i := strings.IndexFunc(body, numeric)
	if i <= 0 {
		return s, ""
	}
	// "kr." ends in a point, ".99" begins with one.
	word = strings.TrimSpace(body[:i])
	return sign + body[i:], word
}

func trailingWord(s string) (rest, word string) {
	i := strings.LastIndexFunc(s, func(r rune) bool { return numeric(r) || r == ')' })
	if i < 0 || i+1 == len(s) {
		return s, ""
	}
	word = strings.TrimSpace(s[i+1:])
	return s[:i+1], word
}

// ParseDecimal reads a number as an exact decimal. Thousands must stand in
// groups of three, so that "1,23,4" is refused rather than guessed at. The
// error is always a *SyntaxError.
func ParseDecimal(text string, style Style) (Decimal, error) {
	d, wrong := parseDecimal(text, style)
	if wrong != nil {
		return Decimal{}, wrong
	}
	return d, nil
}

func parseDecimal(text string, style Style) (Decimal, *SyntaxError) {
	s := strings.TrimSpace(text)
	if s == "" {
		return Decimal{}, &SyntaxError{text, "is empty", "leave the column out or write a number"}
	}
	if d, ok := parseSimple(s, style); ok {
		return d, nil
	}
	negative := false
	switch s[0] {
	case '-':
		negative, s = true, s[1:]
	case '+':
		s = s[1:]
	default:
		if rest, ok := strings.CutPrefix(s, "−"); ok { // U+2212, as spreadsheets write it
			negative, s = true, rest
		}
	}
	lastPoint, lastComma, points, commas := -1, -1, 0, 0
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9', r == '\'', r == '’', r == ' ', r == '\u00a0', r == '\u202f', r == '\u2009':
		case r == '.':
			lastPoint, points = i, points+1
		case r == ',':
			lastComma, commas = i, commas+1
		case (r == 'e' || r == 'E') && i > 0:
			return Decimal{}, &SyntaxError{text, "is in scientific notation", "write the number out; a spreadsheet column saved as text keeps its digits"}
		case r == '(' || r == ')':
			return Decimal{}, &SyntaxError{text, "is in accounting brackets", "write a minus sign, or a positive number"}
		case unicode.IsDigit(r):
			return Decimal{}, &SyntaxError{text, "is not written in the digits 0 to 9", "write the number in the digits 0 to 9"}
		default:
			return Decimal{}, &SyntaxError{text, fmt.Sprintf("holds %q, which no number does", r), "write a plain decimal number such as 12.34"}
		}
	}
	point, wrong := decimalMark(text, s, style, lastPoint, lastComma, points, commas)
	if wrong != nil {
		return Decimal{}, wrong
	}
	whole, fraction := s, ""
	if point >= 0 {
		whole, fraction = s[:point], s[point+1:]
	}
	return assemble(text, whole, fraction, negative)
}

// parseSimple is the whole work for the texts that feeds are made of: digits
// with at most one mark, which can only stand before decimals.
func parseSimple(s string, style Style) (Decimal, bool) {
	if len(s) > 16 {
		return Decimal{}, false
	}
	var v int64
	mark := -1
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			v = v*10 + int64(c-'0')
		case mark < 0 && i > 0 && (c == '.' && style != Comma || c == ',' && style != Point):
			mark = i
		default:
			return Decimal{}, false
		}
	}
	if mark < 0 {
		return Decimal{Unscaled: v}, true
	}
	decimals := len(s) - mark - 1
	if decimals == 0 || decimals == 3 && style == Auto {
		return Decimal{}, false
	}
	return Decimal{Unscaled: v, Scale: uint8(decimals)}, true
}

// decimalMark finds the index of the mark before the decimals, or -1.
func decimalMark(text, s string, style Style, lastPoint, lastComma, points, commas int) (int, *SyntaxError) {
	ambiguous := func() *SyntaxError {
		return &SyntaxError{text, "can be read as thousands or as decimals",
			"set the mapping's decimal style to point or comma"}
	}
	twice := func(mark string) *SyntaxError {
		return &SyntaxError{text, "has more than one decimal " + mark, "set the mapping's decimal style to the one the file uses"}
	}
	switch style {
	case Point:
		if points > 1 {
			return -1, twice("point")
		}
		if points == 1 && lastComma > lastPoint {
			return -1, &SyntaxError{text, "has a comma after its decimal point", "set the mapping's decimal style to comma"}
		}
		return lastPoint, nil
	case Comma:
		if commas > 1 {
			return -1, twice("comma")
		}
		if commas == 1 && lastPoint > lastComma {
			return -1, &SyntaxError{text, "has a point after its decimal comma", "set the mapping's decimal style to point"}
		}
		return lastComma, nil
	}
	switch {
	case points == 0 && commas == 0:
		return -1, nil
	case points > 0 && commas > 0:
		// The later of two different marks stands before the decimals.
		if lastPoint > lastComma {
			if points > 1 {
				return -1, twice("point")
			}
			return lastPoint, nil
		}
		if commas > 1 {
			return -1, twice("comma")
		}
		return lastComma, nil
	case points > 1 || commas > 1:
		return -1, nil // one mark again and again stands between thousands
	}
	mark := max(lastPoint, lastComma)
	decimals := len(s) - mark - 1
	if decimals != 3 {
		return mark, nil
	}
	// Three digits after a single mark: thousands or thousandths. Only a whole
	// part that no thousands group can have ("0.125", "1234.567") settles it.
	whole := s[:mark]
	if whole == "" || whole[0] == '0' || len(whole) > 3 {
		return mark, nil
	}
	return -1, ambiguous()
}

// assemble joins the digits, checking that thousands stand in threes.
func assemble(text, whole, fraction string, negative bool) (Decimal, *SyntaxError) {
	var d Decimal
	digits, since, grouped := 0, 0, false
	tooLong := &SyntaxError{text, "has more digits than any price", "write at most 18 digits"}
	add := func(c byte) bool {
		digit := int64(c - '0')
		if d.Unscaled > (math.MaxInt64-digit)/10 {
			return false
		}
		d.Unscaled = d.Unscaled*10 + digit
		return true
	}
	for _, r := range whole {
		if r >= '0' && r <= '9' {
			if !add(byte(r)) {
				return Decimal{}, tooLong
			}
			digits++
			since++
			continue
		}
		if digits == 0 || (grouped && since != 3) || since > 3 {
			return Decimal{}, &SyntaxError{text, "has thousands that do not stand in threes", "write the number without thousands separators, or set the mapping's decimal style"}
		}
		grouped, since = true, 0
	}
	if grouped && since != 3 {
		return Decimal{}, &SyntaxError{text, "has thousands that do not stand in threes", "write the number without thousands separators, or set the mapping's decimal style"}
	}
	for i, r := range fraction {
		if r < '0' || r > '9' {
			return Decimal{}, &SyntaxError{text, "has a separator among its decimals", "write the decimals without separators"}
		}
		digits++
		// Zeros at the end carry nothing, however many there are.
		if i >= 18 || !add(byte(r)) {
			if strings.Trim(fraction[i:], "0") == "" {
				break
			}
			return Decimal{}, tooLong
		}
		d.Scale++
	}
	if digits == 0 {
		return Decimal{}, &SyntaxError{text, "has no digits", "write a plain decimal number such as 12.34"}
	}
	if negative {
		d.Unscaled = -d.Unscaled
	}
	return d, nil
}
