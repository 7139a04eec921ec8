package normalize

import (
	"fmt"
	"strconv"
)

// GTIN is a Global Trade Item Number as the number that its fourteen-digit
// form spells, which is the key that GS1 says to store: GTIN-8, -12, -13 and
// -14 of one trade item share it whatever zeros lead them. Zero means that
// none is known. The form that the merchant gave stays in Item.GTINText.
//
// Source: GS1 General Specifications, sections 3.3 and 7.9.
type GTIN uint64

// GTINError says why a text is not a GTIN, and what to change.
type GTINError struct {
	Text   string
	Reason string
	Fix    string
}

func (e *GTINError) Error() string {
	return fmt.Sprintf("GTIN %q %s: %s", e.Text, e.Reason, e.Fix)
}

// ParseGTIN reads 8, 12, 13 or 14 digits with a right check digit. Spaces and
// hyphens between them are passed over; digits is the given form without them,
// leading zeros kept. The error is always a *GTINError.
func ParseGTIN(text string) (g GTIN, digits string, err error) {
	digits = text
	for i := range len(text) {
		if c := text[i]; c < '0' || c > '9' {
			digits, err = onlyDigits(text)
			if err != nil {
				return 0, "", err
			}
			break
		}
	}
	switch len(digits) {
	case 8, 12, 13, 14:
	case 7, 11:
		return 0, "", &GTINError{text, fmt.Sprintf("has %d digits", len(digits)),
			"a leading zero may be lost: export the column as text, not as a number"}
	default:
		return 0, "", &GTINError{text, fmt.Sprintf("has %d digits", len(digits)), "send the 8, 12, 13 or 14 digits below the bar code"}
	}
	var v uint64
	for i := range len(digits) {
		v = v*10 + uint64(digits[i]-'0')
	}
	if v == 0 {
		return 0, "", &GTINError{text, "is all zeros", "leave the column empty where an item has no GTIN"}
	}
	if want := CheckDigit(v / 10); want != byte(v%10) {
		return 0, "", &GTINError{text, fmt.Sprintf("ends in %d where its check digit is %d", v%10, want),
			"compare it with the digits below the bar code"}
	}
	return GTIN(v), digits, nil
}

func onlyDigits(text string) (string, error) {
	b := make([]byte, 0, 16)
	for i, r := range text {
		switch {
		case r >= '0' && r <= '9':
			b = append(b, byte(r))
		case r == ' ' || r == '-' || r == '\u00a0':
		case i > 0 && (r == 'E' || r == 'e' || r == '.' || r == ','):
			return "", &GTINError{text, "was written as a number", "export the column as text: a spreadsheet has cut its digits"}
		default:
			return "", &GTINError{text, fmt.Sprintf("holds %q", r), "send digits only"}
		}
		if len(b) > 14 {
			return "", &GTINError{text, "has more than 14 digits", "send the 8, 12, 13 or 14 digits below the bar code"}
		}
	}
	return string(b), nil
}

// CheckDigit is the last digit that belongs to the digits before it, given as
// a number: weights three and one alternate from the right.
func CheckDigit(body uint64) byte {
	sum, weight := uint64(0), uint64(3)
	for ; body > 0; body /= 10 {
		sum += body % 10 * weight
		weight = 4 - weight
	}
	return byte((10 - sum%10) % 10)
}

// String is the fourteen-digit form, and empty for no GTIN.
func (g GTIN) String() string {
	if g == 0 {
		return ""
	}
	const zeros = "00000000000000"
	s := strconv.FormatUint(uint64(g), 10)
	return zeros[:max(0, 14-len(s))] + s
}

// Restricted says that the number means something only within one company or
// region (GS1 prefixes 02, 04 and 20 to 29, and the short GTIN-8 beginning
// with 0 or 2): stores print such labels themselves, so two merchants' equal
// numbers are not the same goods, and no shared catalogue may be asked.
func (g GTIN) Restricted() bool {
	if g < 1e8 {
		first := g / 1e7
		return first == 0 || first == 2
	}
	// A GTIN-14 that wraps a GTIN-13 leads with its packing level; the prefix
	// follows it.
	prefix := uint64(g) / 1e10 % 1000
	return prefix >= 20 && prefix <= 29 || prefix >= 40 && prefix <= 49 || prefix >= 200 && prefix <= 299
}
