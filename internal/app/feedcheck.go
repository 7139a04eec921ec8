package app

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/money"
)

// FeedCheckCmd reads an inventory file the way a feed is read, without a
// server, and says what it found: `bodega feed check`.
type FeedCheckCmd struct {
	File     string `arg:"" help:"Inventory file: CSV, TSV, XML, JSONL or JSON, plain or gzip; - reads standard input."`
	Mapping  string `short:"m" placeholder:"NAME|F.yaml" help:"Mapping profile: a preset's name or a file. Without it the preset that fits best is taken."`
	Kind     string `enum:"full,delta,availability,unstated" default:"unstated" help:"What the file claims to be; a full feed must have prices, an availability feed stock."`
	Store    string `help:"Store of the rows that name none."`
	Currency string `placeholder:"EUR" help:"Currency of the prices that name none."`
	Problems int    `default:"100" help:"How many problems to list; all are counted."`
}

// Help is the long help text.
func (c *FeedCheckCmd) Help() string {
	return `Prints format, columns and what each is read as, the number of rows, and what is wrong with them.
The exit code is 0 when the file can be read to its end, even if single rows are refused, and 1 when not.

  bodega feed check prices.csv
  bodega feed check prices.xml.gz --mapping google-merchant --kind full
  bodega feed check prices.csv --mapping profile.yaml --store 0204 -o json`
}

// feedCheckReport is what `-o json` prints.
type feedCheckReport struct {
	File          string             `json:"file"`
	Readable      bool               `json:"readable"`
	Format        string             `json:"format"`
	Delimiter     string             `json:"delimiter,omitempty"`
	Encoding      string             `json:"encoding"`
	EncodingFrom  string             `json:"encoding_from"` // detected or guessed
	Compression   string             `json:"compression"`
	Mapping       feedCheckMapping   `json:"mapping"`
	Columns       []feedCheckColumn  `json:"columns"`
	Rows          int64              `json:"rows"`
	Items         int64              `json:"items"`
	Stores        int                `json:"stores"`
	Problems      []feedCheckProblem `json:"problems"`
	ProblemCounts map[string]int64   `json:"problem_counts"`
	Suggestions   []string           `json:"suggestions"`
	Draft         string             `json:"draft_mapping,omitempty"` // YAML, where no profile reads the columns
	Error         *feedCheckError    `json:"error,omitempty"`

	detected feed.Format
}

type feedCheckMapping struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Proposed bool   `json:"proposed"` // nobody asked for it; it fits best
}

type feedCheckColumn struct {
	Name   string `json:"name"`
	Field  string `json:"field"` // several joined by commas; empty when the column is not read
	Sample string `json:"sample"`
}

type feedCheckProblem struct {
	Row      int64  `json:"row"`
	Line     int64  `json:"line,omitempty"`
	Column   string `json:"column"`
	Severity string `json:"severity"` // rejected, dropped (the value), noted
	Reason   string `json:"reason"`
	Detail   string `json:"detail"`
}

type feedCheckError struct {
	Reason string `json:"reason"`
	Row    int64  `json:"after_row"`
	Detail string `json:"detail"`
}

// feedCheckHead is how much of a file decides which preset fits.
const feedCheckHead = 1 << 20

// Run checks the file and prints the report. The error is that of a file that
// cannot be read to its end.
func (c *FeedCheckCmd) Run(ctx context.Context, t *term.Terminal) error {
	in, size, err := c.open(t)
	if err != nil {
		return fmt.Errorf("check feed: %w", err)
	}
	defer in.Close()
	buffered := bufio.NewReaderSize(in, feedCheckHead)
	head, err := buffered.Peek(feedCheckHead)
	if err != nil && err != io.EOF {
		return fmt.Errorf("check feed %s: %w", c.File, err)
	}
	m, proposed, err := c.mapping(head)
	if err != nil {
		return fmt.Errorf("check feed: %w", err)
	}
	report := &feedCheckReport{
		File: c.File, Mapping: feedCheckMapping{m.Name, m.Version, proposed},
		Columns: []feedCheckColumn{}, Problems: []feedCheckProblem{}, ProblemCounts: map[string]int64{}, Suggestions: []string{},
	}
	fatal := c.check(ctx, t, buffered, size, head, m, report)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("check feed %s: %w", c.File, context.Cause(ctx))
	}
	report.Readable = fatal == nil
	if fatal != nil {
		report.Error = &feedCheckError{Detail: fatal.Error()}
		var fe *feed.FileError
		if errors.As(fatal, &fe) {
			report.Error.Reason, report.Error.Row = string(fe.Reason), fe.Row
		}
	}
	if err := t.Print(report, report.text); err != nil {
		return err
	}
	if fatal != nil {
		return fmt.Errorf("check feed %s: %w", c.File, fatal)
	}
	return nil
}

func (c *FeedCheckCmd) open(t *term.Terminal) (io.ReadCloser, int64, error) {
	if c.File == "-" {
		return io.NopCloser(t.In), 0, nil
	}
	f, err := os.Open(c.File) // its errors name the operation and the file
	if err != nil {
		return nil, 0, err
	}
	stat, err := f.Stat()
	if err == nil && stat.IsDir() {
		err = fmt.Errorf("%s is a folder", c.File)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, stat.Size(), nil
}

// mapping is the profile asked for, or the preset that fits best.
func (c *FeedCheckCmd) mapping(head []byte) (m feed.Mapping, proposed bool, err error) {
	if c.Mapping == "" {
		return feedCheckPropose(head), true, nil
	}
	if m, ok := feed.Preset(c.Mapping); ok {
		return m, false, nil
	}
	text, err := os.ReadFile(c.Mapping)
	if errors.Is(err, os.ErrNotExist) {
		return m, false, fmt.Errorf("there is neither a preset nor a file named %q; the presets are %s", c.Mapping, strings.Join(feed.PresetNames(), ", "))
	}
	if err != nil {
		return m, false, err
	}
	if m, err = feed.ParseMapping(text); err != nil {
		return m, false, fmt.Errorf("%s: %w", c.Mapping, err)
	}
	if m.Name == "" {
		m.Name = filepath.Base(c.Mapping)
	}
	return m, false, nil
}

// feedCheckPropose tries every preset on the head of the file. The one that
// feeds the most fields wins; one whose columns are all there is made for this
// very file, and beats one that merely knows many names.
func feedCheckPropose(head []byte) feed.Mapping {
	best, _ := feed.Preset(feed.DefaultPreset)
	bestScore := 0.0
	for _, name := range feed.PresetNames() {
		m, _ := feed.Preset(name)
		found := len(feedCheckFields(head, m))
		asked := 0
		for f := range feed.NumFields {
			if len(m.Fields[f].Columns) > 0 {
				asked++
			}
		}
		if name != feed.DefaultPreset && found < 4 {
			continue // an id and a price are anybody's
		}
		if score := float64(found) + 5*float64(found)/float64(asked); found > 0 && score > bestScore {
			best, bestScore = m, score
		}
	}
	return best
}

// feedCheckFields are the fields that a mapping finds columns for in a head.
func feedCheckFields(head []byte, m feed.Mapping) map[feed.Field]bool {
	fields := make(map[feed.Field]bool)
	r, err := feed.NewReader(bytes.NewReader(head), m)
	if err != nil {
		return fields
	}
	var row feed.Row
	for range 200 {
		var re *feed.RowError
		if err := r.Next(&row); err != nil && !errors.As(err, &re) {
			var fe *feed.FileError
			if errors.As(err, &fe) && fe.Reason == feed.MissingColumns {
				return fields
			}
			break
		}
	}
	for _, column := range r.Columns() {
		for _, f := range column.Fields {
			fields[f] = true
		}
	}
	return fields
}

// check reads the whole file and fills in the report. The error is what kept
// the file from being read to its end.
func (c *FeedCheckCmd) check(ctx context.Context, t *term.Terminal, in io.Reader, size int64, head []byte, m feed.Mapping, report *feedCheckReport) error {
	fields := feedCheckFields(head, m)
	store := c.Store
	if store == "" && !fields[feed.StoreID] && m.Fields[feed.StoreID].Constant == "" {
		// The rows of one store: which one does not matter for checking them.
		store = "-"
	}
	if store != "" {
		m = m.WithConstant(feed.StoreID, store)
	}
	counted := &feedCheckCounter{r: in}
	options := []feed.Option{feed.WithSamples()}
	if c.Kind != "unstated" {
		options = append(options, feed.ForKind(feed.Kind(c.Kind)))
	}
	r, err := feed.NewReader(counted, m, options...)
	if err != nil {
		report.observe(head, err)
		c.suggest(report, head, m, fields, false)
		return err
	}
	report.format(r.Format())

	spill := &feedCheckSpill{}
	defer spill.close()
	listed := feedCheckList{report: report, most: c.Problems, columns: r.Columns}
	splitter := feed.NewSplitter(feed.SplitOptions{Spill: spill, OnProblem: listed.refused})
	rules := normalize.Rules{Mapping: r.Mapping(), Kind: feed.Kind(c.Kind)}
	rules.Currency, _ = money.ParseCurrency(cmp.Or(c.Currency, m.Fields[feed.Currency].Constant))
	if c.Currency != "" && rules.Currency == "" {
		return fmt.Errorf("%q is no ISO 4217 currency code", c.Currency)
	}
	unpriced := rules.Currency == ""

	progress := t.Progress("checking "+filepath.Base(c.File), size)
	var (
		row      feed.Row
		problems []normalize.Problem
		fatal    error
	)
	for {
		if report.Rows%4096 == 0 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			progress.Set(counted.read, strconv.FormatInt(report.Rows, 10)+" rows")
		}
		err := r.Next(&row)
		if err == io.EOF {
			break
		}
		var re *feed.RowError
		if errors.As(err, &re) {
			report.Rows++
			splitter.Reject(re)
			continue
		}
		if err != nil {
			fatal = err
			break
		}
		report.Rows++
		if unpriced {
			if rules.Currency = feedCheckCurrency(&row); rules.Currency != "" {
				unpriced = false
			}
		}
		if row.Values[feed.ItemID] != "" { // the splitter says what lacks identity
			problems = problems[:0]
			_, problems, _ = normalize.Row(&row, &rules, problems)
			for i := range problems {
				if p := &problems[i]; p.Rule != normalize.NoItemID {
					listed.normalized(p)
				}
			}
		}
		if err := splitter.Add(&row); err != nil {
			return err
		}
	}
	sorted, err := splitter.Finish()
	if err != nil {
		return err
	}
	defer sorted.Close()
	if err := report.count(ctx, sorted); err != nil {
		return err
	}
	if size > 32<<20 {
		progress.Set(counted.read, strconv.FormatInt(report.Rows, 10)+" rows")
		progress.Finish()
	}
	slices.SortStableFunc(report.Problems, func(a, b feedCheckProblem) int { return cmp.Compare(a.Row, b.Row) })
	report.columns(r.Columns())
	report.draft(fatal, r.Columns())
	c.suggest(report, head, m, fields, unpriced)
	return fatal
}

// feedCheckCurrency is the currency that a row names, or none.
func feedCheckCurrency(row *feed.Row) money.Currency {
	if c, err := money.ParseCurrency(row.Values[feed.Currency]); err == nil {
		return c
	}
	for _, f := range []feed.Field{feed.Price, feed.SalePrice, feed.UnitPrice} {
		for _, word := range strings.Fields(row.Values[f]) {
			if c, err := money.ParseCurrency(word); err == nil {
				return c
			}
		}
	}
	return ""
}

// count reads the sorted rows, which finds the duplicates.
func (r *feedCheckReport) count(ctx context.Context, sorted *feed.Sorted) error {
	var row feed.Row
	store := ""
	for {
		if r.Items%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		err := sorted.Next(&row)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if s := row.Values[feed.StoreID]; s != store {
			store = s
			r.Stores++
		}
		r.Items++
	}
}

func (r *feedCheckReport) format(f feed.Format) {
	r.detected = f
	r.Format, r.Encoding, r.Compression = string(f.Syntax), string(f.Encoding), string(f.Compression)
	if f.Delimiter != 0 {
		r.Delimiter = string(rune(f.Delimiter))
	}
	r.EncodingFrom = "detected"
	if f.Guessed {
		r.EncodingFrom = "guessed"
	}
}

func (r *feedCheckReport) columns(uses []feed.ColumnUse) {
	for _, use := range uses {
		column := feedCheckColumn{Name: cmp.Or(use.Name, "number "+strconv.Itoa(use.Index)), Sample: use.Sample}
		var names []string
		for _, f := range use.Fields {
			names = append(names, f.String())
		}
		column.Field = strings.Join(names, ",")
		r.Columns = append(r.Columns, column)
	}
}

// observe fills in format and columns of a file that the mapping cannot read
// for that cause, by a mapping that asks for nothing.
func (r *feedCheckReport) observe(head []byte, cause error) {
	if f, err := feed.Detect(head); err == nil {
		r.format(f)
	}
	var blank feed.Mapping
	reader, err := feed.NewReader(bytes.NewReader(head), blank.WithConstant(feed.ItemID, "-"), feed.WithSamples())
	if err != nil {
		return
	}
	var row feed.Row
	for range 200 {
		var re *feed.RowError
		if err := reader.Next(&row); err != nil && !errors.As(err, &re) {
			break
		}
	}
	r.columns(reader.Columns())
	r.draft(cause, reader.Columns())
}

// draft proposes a mapping where the one at hand lacks columns.
func (r *feedCheckReport) draft(cause error, columns []feed.ColumnUse) {
	var fe *feed.FileError
	if errors.As(cause, &fe) && fe.Reason == feed.MissingColumns {
		r.Draft = feed.Draft(columns)
	}
}

// feedCheckList lists the first problems and counts all.
type feedCheckList struct {
	report  *feedCheckReport
	most    int
	columns func() []feed.ColumnUse
}

func (l *feedCheckList) add(p feedCheckProblem) {
	l.report.ProblemCounts[p.Reason]++
	if len(l.report.Problems) < l.most {
		l.report.Problems = append(l.report.Problems, p)
	}
}

func (l *feedCheckList) refused(e *feed.RowError) {
	column := e.Column
	if column == e.Field.String() {
		column = cmp.Or(feed.ColumnOf(l.columns(), e.Field), column)
	}
	l.add(feedCheckProblem{e.Row, e.Line, column, "rejected", string(e.Reason), e.Detail})
}

func (l *feedCheckList) normalized(p *normalize.Problem) {
	column := p.Column
	if len(l.report.Problems) < l.most {
		column = cmp.Or(feed.ColumnOf(l.columns(), p.Field), column)
	}
	l.add(feedCheckProblem{p.Row, p.Line, column, p.Severity.String(), string(p.Rule), fmt.Sprintf("%q %s; %s", p.Value, p.Reason, p.Fix)})
}

// suggest says what to do next, most pressing first.
func (c *FeedCheckCmd) suggest(r *feedCheckReport, head []byte, m feed.Mapping, fields map[feed.Field]bool, unpriced bool) {
	say := func(format string, args ...any) { r.Suggestions = append(r.Suggestions, fmt.Sprintf(format, args...)) }
	if len(fields) == 0 && len(r.Columns) > 0 {
		say("The mapping %s does not know enough of these columns: complete the draft of a mapping profile, and pass its file with --mapping.", m.Name)
	}
	if r.Mapping.Proposed && len(fields) > 0 {
		say("The mapping was proposed because it knows %d fields of this file; name it with --mapping %s to keep to it.", len(fields), m.Name)
	}
	if len(fields) > 0 && !fields[feed.StoreID] && c.Store == "" {
		say("The rows name no store: the feed must be handed in for one store (here --store), or a column be mapped to store_id.")
	}
	if c.Kind == "unstated" && len(fields) > 0 && !fields[feed.Price] && !fields[feed.SalePrice] && !fields[feed.UnitPrice] {
		var lacks *feed.FileError
		if _, err := feed.NewReader(bytes.NewReader(head), m, feed.ForKind(feed.KindFull)); errors.As(err, &lacks) {
			say("As a full feed it would be refused: %s.", lacks.Detail)
		}
	}
	if unpriced && (fields[feed.Price] || fields[feed.SalePrice]) {
		say("Neither the rows nor the mapping name a currency, so prices were only checked to be numbers: add fields: {currency: {constant: EUR}} to the mapping, or pass --currency.")
	}
	if r.detected.Guessed {
		say("The encoding %s was guessed from letter frequencies: look at the samples, and state it in the mapping (format: {encoding: %s}).", r.Encoding, r.Encoding)
	}
	if r.ProblemCounts[string(feed.BadQuoting)] > 0 && r.detected.Syntax == feed.CSV {
		say("Quotes are broken in some rows: a value with a quote in it is quoted, and the quote inside written twice.")
	}
	if r.ProblemCounts[string(feed.TooFewColumns)] > 0 {
		say("Some rows have fewer values than there are columns: if the exporter leaves empty values off at the end, add format: {pad_short_rows: true} to the mapping.")
	}
	if r.ProblemCounts[string(normalize.BadAvailability)] > 0 {
		say("Some words of availability are unknown: add them to the mapping's words (availability: {words: {in: [...], out: [...]}}).")
	}
	if r.ProblemCounts[string(normalize.BadUnit)] > 0 {
		say("Some words of unit are unknown: add them to the mapping's words (unit: {words: {each: [...], kg: [...]}}).")
	}
}

// text is the report for people.
func (r *feedCheckReport) text(w io.Writer) error {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-14s%s\n", label, fmt.Sprintf(format, args...))
	}
	line("file", "%s", r.File)
	if r.Format != "" {
		line("format", "%s", r.detected)
	}
	how := ""
	if r.Mapping.Proposed {
		how = " (proposed)"
	}
	line("mapping", "%s%s, version %.12s", r.Mapping.Name, how, r.Mapping.Version)
	line("rows", "%d: %d items in %s", r.Rows, r.Items, feedCheckPlural(int64(r.Stores), "store"))
	if r.Error != nil {
		line("not readable", "%s", r.Error.Detail)
	}
	if len(r.Columns) > 0 {
		b.WriteString("\n")
		var rows [][]string
		for _, c := range r.Columns {
			rows = append(rows, []string{feedCheckCell(c.Name, 40), cmp.Or(c.Field, "-"), feedCheckCell(c.Sample, 50)})
		}
		if err := term.Table(&b, []string{"column", "read as", "sample"}, rows); err != nil {
			return err
		}
	}
	if len(r.ProblemCounts) > 0 {
		b.WriteString("\n")
		var rows [][]string
		for _, reason := range slices.SortedFunc(maps.Keys(r.ProblemCounts), func(a, b string) int {
			return cmp.Or(cmp.Compare(r.ProblemCounts[b], r.ProblemCounts[a]), cmp.Compare(a, b))
		}) {
			rows = append(rows, []string{reason, strconv.FormatInt(r.ProblemCounts[reason], 10)})
		}
		if err := term.Table(&b, []string{"problem", "rows"}, rows); err != nil {
			return err
		}
		b.WriteString("\n")
		for _, p := range r.Problems {
			fmt.Fprintf(&b, "row %d", p.Row)
			if p.Line > 0 {
				fmt.Fprintf(&b, " (line %d)", p.Line)
			}
			if p.Column != "" {
				fmt.Fprintf(&b, ", column %s", feedCheckCell(p.Column, 40))
			}
			fmt.Fprintf(&b, ": %s: %s\n", p.Severity, p.Detail)
		}
		var total int64
		for _, n := range r.ProblemCounts {
			total += n
		}
		if more := total - int64(len(r.Problems)); more > 0 {
			fmt.Fprintf(&b, "… and %d more\n", more)
		}
	}
	if r.Draft != "" {
		fmt.Fprintf(&b, "\na mapping profile to start from:\n%s", r.Draft)
	}
	if len(r.Suggestions) > 0 {
		b.WriteString("\n")
		for _, s := range r.Suggestions {
			fmt.Fprintf(&b, "- %s\n", s)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func feedCheckPlural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}

// feedCheckCell keeps a merchant's text on one line of a table, and a
// terminal's control sequences out of it.
func feedCheckCell(s string, most int) string {
	quoted := strconv.Quote(s)
	quoted = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if runes := []rune(quoted); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return quoted
}

// feedCheckCounter counts what was read of the file.
type feedCheckCounter struct {
	r    io.Reader
	read int64
}

func (c *feedCheckCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.read += int64(n)
	return n, err
}
