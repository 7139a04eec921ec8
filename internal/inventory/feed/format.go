package feed

// Syntax is the grammar of a file.
type Syntax string

// The syntaxes that are read.
const (
	CSV   Syntax = "csv" // any delimiter but the tab
	TSV   Syntax = "tsv"
	XML   Syntax = "xml"
	JSONL Syntax = "jsonl" // one object a line
	JSON  Syntax = "json"  // one document with an array of objects
)

// Encoding is how a file writes characters as bytes.
type Encoding string

// The encodings that are read.
const (
	UTF8        Encoding = "utf-8"
	UTF16LE     Encoding = "utf-16le"
	UTF16BE     Encoding = "utf-16be"
	Windows1252 Encoding = "windows-1252"
	Windows1250 Encoding = "windows-1250"
)

// Compression is what a file is wrapped in.
type Compression string

// The compressions that are read.
const (
	NoCompression Compression = "none"
	Gzip          Compression = "gzip"
)

// Format is what Detect found out about a file from its first bytes.
type Format struct {
	Syntax      Syntax
	Delimiter   byte // of CSV and TSV, else 0
	Compression Compression
	Encoding    Encoding
	BOM         bool // a byte order mark opens the text
	// Guessed: the encoding is inferred from letter frequencies, not declared.
	Guessed bool
}
