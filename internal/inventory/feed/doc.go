// Package feed reads the inventory files that merchants send and splits them
// by store, in memory that does not grow with the file.
//
// The flow:
//
//	bytes ── Detect ──> Format (gzip peeled, encoding and syntax known)
//	Format + Mapping ── NewReader ──> Row, Row, *RowError, Row … io.EOF
//	rows ── Splitter ──> one sequence per store, sorted by item, last row wins
//	sequence ── SegmentWriter ──> a blob of chunks that can be read alone
//
// A Reader decides nothing about what a value means: it hands on text. What a
// mapping knows about the meaning (decimal style, words for "in stock", minor
// units) travels in Mapping for the stage that parses the values.
//
// The package is pure: it reads from io.Reader and io.ReaderAt, spills through
// an interface, and looks at no clock and no file system.
package feed
