package feed

import (
	"strings"
	"unicode"
)

// DecimalStyle is how a merchant writes numbers. The reader does not parse
// numbers; it hands the style on.
type DecimalStyle string

// The decimal styles. In every style a space, a no-break space or an
// apostrophe between digits groups thousands.
const (
	// DecimalAuto: the last of "." and "," in a number is the decimal sign when
	// both occur; a single one followed by other than three digits is; a single
	// one followed by exactly three digits is ambiguous and worth a problem
	// when the mapping gives no better hint.
	DecimalAuto DecimalStyle = "auto"
	// DecimalPoint: 1,234.50. A comma groups thousands.
	DecimalPoint DecimalStyle = "point"
	// DecimalComma: 1.234,50. A point groups thousands.
	DecimalComma DecimalStyle = "comma"
)

// Canonical words of Availability (see Mapping.Word).
const (
	WordIn  = "in"  // can be bought now
	WordOut = "out" // cannot, including what can only be ordered ahead
)

// Canonical words of Unit (see Mapping.Word).
const (
	WordEach   = "each"   // priced by the piece
	WordKg     = "kg"     // priced by weight, per kilogram
	WordG      = "g"      // per gram
	Word100g   = "100g"   // per 100 grams
	WordLb     = "lb"     // per pound
	WordOz     = "oz"     // per ounce
	WordLitre  = "l"      // per litre
	WordMl     = "ml"     // per millilitre
	WordMetre  = "m"      // per metre
	WordWeight = "weight" // priced by weight, per unit that another column tells
)

// Source is where the values of one field come from.
type Source struct {
	// Columns are tried in turn for every row: the first that is not empty wins.
	Columns []Column
	// Constant is the value of rows in which every column is empty or absent.
	Constant string
	// Required makes a file that has none of Columns unreadable. It says
	// nothing about single rows: a required column may be empty in some.
	Required bool
	// Decimal is how this field's numbers are written; never "".
	Decimal DecimalStyle
	// MinorUnits: the numbers are whole cents (of the currency), not units.
	MinorUnits bool
	// Words turns folded raw text into a canonical word; see Mapping.Word.
	Words map[string]string
}

// Column points into a file: by name, or by position for a file without one.
type Column struct {
	// Name is a header of CSV and TSV, a path of elements in XML ("g:price",
	// "shipping/price", "price/@currency") or of keys in JSON ("offer/price",
	// "images/0"). It matches without regard to case, spaces, "_" and "-".
	Name string
	// Index counts the columns of CSV and TSV from 1; 0 means by name.
	Index int
}

// Mapping is a merchant's profile: which column feeds which field and how its
// values are written. The zero Mapping maps nothing; use ParseMapping or
// Preset.
//
// What the stage that parses values may rely on: constants are already in
// Row.Values; alternatives are already resolved; text is valid UTF-8, trimmed,
// without NUL; nothing else was changed. It asks the mapping for Decimal and
// MinorUnits of a field, and Word for Availability and Unit.
type Mapping struct {
	Name string
	// Version is the hex SHA-256 of the mapping's canonical form: two mappings
	// that read every file alike have the same version whatever their name,
	// comments and order of keys.
	Version string
	Layout  Layout
	Fields  [NumFields]Source
}

// Layout overrides what Detect would find. Zero values mean detected.
type Layout struct {
	// Encoding of a file without byte order mark; a mark that is there wins.
	Encoding  Encoding
	Delimiter byte // of CSV and TSV
	// NoHeader: the first line of CSV and TSV is a row already.
	NoHeader bool
	// Record is the path of the repeated element in XML ("rss/channel/item") or
	// of the array in JSON ("data/products").
	Record string
	// PadShortRows reads absent values at the end of a CSV or TSV row as empty
	// instead of refusing the row.
	PadShortRows bool
}

// Decimal is how the numbers of a field are written.
func (m *Mapping) Decimal(f Field) DecimalStyle {
	if d := m.Fields[f].Decimal; d != "" {
		return d
	}
	return DecimalAuto
}

// Word is the canonical word that the mapping gives a value of Availability
// (WordIn, WordOut) or Unit (WordEach, WordKg, …): in the table "in_stock",
// "In Stock" and "IN-STOCK" are the same text. False means that the mapping
// does not know the text.
func (m *Mapping) Word(f Field, text string) (string, bool) {
	word, ok := m.Fields[f].Words[text]
	if !ok {
		word, ok = m.Fields[f].Words[fold(text)]
	}
	return word, ok
}

// fold is how names and words are compared: lower case, without white space,
// "_" and "-".
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || unicode.IsSpace(r) || r == '\ufeff' {
			return -1
		}
		return unicode.ToLower(unicode.ToUpper(r))
	}, s)
}
