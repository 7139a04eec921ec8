package inventory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/inventory/normalize"
	"github.com/bodega-hq/bodega/internal/platform/auth"
	"github.com/bodega-hq/bodega/internal/platform/fault"
)

const (
	// previewBytes is how much of a file a preview takes in, and previewText how
	// much text it reads of it, so that neither a big file nor a compressed one
	// costs more than an interactive request may.
	previewBytes = 8 << 20
	previewText  = 32 << 20
	// previewProblems is how many problems a preview lists; all are counted.
	previewProblems = 500
)

// Preview is what reading a file would make of its rows before they meet what
// is known of the store: nothing is kept, and no price is judged.
type Preview struct {
	Format      string          `json:"format"` // csv, tsv, xml, jsonl, json; empty where unknown
	Delimiter   string          `json:"delimiter,omitempty"`
	Encoding    string          `json:"encoding"`
	Compression string          `json:"compression"`
	Mapping     string          `json:"mapping"`
	Columns     []PreviewColumn `json:"columns"`
	// Rows = Good + Rejected + Duplicates.
	Rows       int64 `json:"rows"`
	Good       int64 `json:"good"`
	Rejected   int64 `json:"rejected"`
	Duplicates int64 `json:"duplicates"`
	// Whole is false where only the beginning of the file was read.
	Whole    bool             `json:"whole"`
	Problems []PreviewProblem `json:"problems"`
	Counts   map[string]int64 `json:"problem_counts"` // by reason
	// Error is what keeps the file from being read on, or at all.
	Error *PreviewError `json:"error,omitempty"`
}

// PreviewColumn is a column of the file and the fields that it is read as.
type PreviewColumn struct {
	Name   string `json:"name"`
	Field  string `json:"field"` // several joined by commas; empty where it is not read
	Sample string `json:"sample"`
}

// PreviewProblem is what is wrong with one value or one row.
type PreviewProblem struct {
	Row      int64  `json:"row"`
	Line     int64  `json:"line,omitempty"`
	Column   string `json:"column"`
	Value    string `json:"value,omitempty"`
	Severity string `json:"severity"` // rejected, dropped (the value alone), noted
	Reason   string `json:"reason"`
	Detail   string `json:"detail"`
	Fix      string `json:"fix,omitempty"`
}

// PreviewError says why a file cannot be read on after a row.
type PreviewError struct {
	Reason string `json:"reason"`
	Row    int64  `json:"after_row"`
	Detail string `json:"detail"`
}

// PreviewFeed says what is wrong with a file before it is sent:
// POST /v1/feeds/{merchant}/preview?store=&kind=&mapping=&partial=
// The body is the file, or its beginning where partial is true.
func (h *Handlers) PreviewFeed(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	if err := auth.MayMerchant(ctx, r.PathValue("merchant")); err != nil {
		return err
	}
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains([]string{"store", "kind", "mapping", "partial"}, name) {
			return fault.Errorf(fault.Invalid, "parameter %q is unknown: use store, kind, mapping or partial", name)
		}
	}
	sub := Submission{Merchant: r.PathValue("merchant"), Store: q.Get("store"), Kind: feed.Kind(q.Get("kind")), Mapping: q.Get("mapping")}
	preview, err := h.service.Preview(ctx, sub, r.Body, q.Get("partial") == "true")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(preview)
}

// Preview reads a file, or its beginning where partial, as a feed would be.
// A file that cannot be read is no error here: the preview says so.
func (s *Service) Preview(ctx context.Context, sub Submission, body io.Reader, partial bool) (*Preview, error) {
	mapping, err := s.checkSubmission(ctx, &sub)
	if err != nil {
		return nil, err
	}
	merchant, err := s.store.merchant(ctx, sub.Merchant)
	if err != nil {
		return nil, err
	}
	f := &Feed{Merchant: sub.Merchant, Store: sub.Store, Kind: sub.Kind}
	stores, err := s.addressed(ctx, f)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(body, previewBytes+1))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the upload broke off: send it again")
	}
	if len(raw) > previewBytes {
		raw, partial = raw[:previewBytes], true
	}
	if cut := bytes.LastIndexByte(raw, '\n'); partial && cut > 0 {
		raw = raw[:cut+1] // a row that the cut went through is no news about the file
	}
	p := &previewer{
		out:   &Preview{Mapping: mapping.Name, Whole: !partial, Columns: []PreviewColumn{}, Problems: []PreviewProblem{}, Counts: map[string]int64{}},
		rules: normalize.Rules{Mapping: mapping, Currency: merchant.Currency, FileTime: s.now(), Latest: s.now().Add(latestSourceTime), Kind: sub.Kind},
	}
	if err := p.read(ctx, raw, f, mapping, stores); err != nil {
		return nil, fmt.Errorf("preview a file of merchant %s: %w", sub.Merchant, err)
	}
	return p.out, nil
}

// previewer fills in one preview.
type previewer struct {
	out     *Preview
	rules   normalize.Rules
	columns []feed.ColumnUse
}

func (p *previewer) read(ctx context.Context, raw []byte, f *Feed, mapping *feed.Mapping, stores map[string]bool) error {
	if detected, err := feed.Detect(raw); err == nil {
		p.out.Format, p.out.Encoding, p.out.Compression = string(detected.Syntax), string(detected.Encoding), string(detected.Compression)
		if detected.Delimiter != 0 {
			p.out.Delimiter = string(rune(detected.Delimiter))
		}
	}
	r, err := feed.NewReader(bytes.NewReader(raw), *mapping, feed.ForKind(f.Kind), feed.WithSamples(), feed.MaxBytes(previewText))
	if err != nil {
		return p.end(err)
	}
	p.columns = r.Columns()
	splitter := feed.NewSplitter(feed.SplitOptions{MemoryBytes: 4 * previewText, OnProblem: p.refused})
	var (
		row      feed.Row
		problems []normalize.Problem
	)
	for n := 0; ; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := r.Next(&row)
		if errors.Is(err, io.EOF) {
			break
		}
		var refused *feed.RowError
		if errors.As(err, &refused) {
			splitter.Reject(refused)
			continue
		}
		if err != nil {
			if err := p.end(err); err != nil {
				return err
			}
			break
		}
		if refused = address(f, &row, stores); refused != nil {
			splitter.Reject(refused)
			continue
		}
		if row.Values[feed.ItemID] != "" { // the splitter says what lacks identity
			var stands bool
			if _, problems, stands = normalize.Row(&row, &p.rules, problems[:0]); !stands {
				p.out.Rejected++
			}
			for i := range problems {
				p.normalized(&problems[i])
			}
			if !stands {
				p.out.Rows++
				continue
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
	for err == nil { // reading the sorted rows finds the duplicates
		err = sorted.Next(&row)
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	counts := sorted.Counts()
	p.out.Rows += counts.Read
	p.out.Good, p.out.Duplicates = counts.Kept, counts.Duplicates
	p.out.Rejected += counts.Rejected
	p.columns = r.Columns() // in XML and JSON the rows bring them
	for _, use := range p.columns {
		names := make([]string, len(use.Fields))
		for i, field := range use.Fields {
			names[i] = field.String()
		}
		p.out.Columns = append(p.out.Columns, PreviewColumn{
			Name: cmp.Or(use.Name, "number "+strconv.Itoa(use.Index)), Field: strings.Join(names, ","), Sample: use.Sample,
		})
	}
	slices.SortStableFunc(p.out.Problems, func(a, b PreviewProblem) int { return cmp.Compare(a.Row, b.Row) })
	return nil
}

// end notes what ended the file, unless it is merely where the preview stops.
func (p *previewer) end(err error) error {
	var fileErr *feed.FileError
	if !errors.As(err, &fileErr) {
		return err
	}
	switch fileErr.Reason {
	case feed.TooLarge:
		p.out.Whole = false
		return nil
	case feed.Truncated, feed.Corrupt, feed.Malformed:
		if !p.out.Whole && fileErr.Row > 0 {
			return nil
		}
	}
	p.out.Error = &PreviewError{Reason: string(fileErr.Reason), Row: fileErr.Row, Detail: fileErr.Error()}
	return nil
}

// named is what the file itself calls the column of a field.
func (p *previewer) named(field feed.Field, otherwise string) string {
	for _, use := range p.columns {
		if use.Name != "" && slices.Contains(use.Fields, field) {
			return use.Name
		}
	}
	return otherwise
}

func (p *previewer) add(problem PreviewProblem) {
	p.out.Counts[problem.Reason]++
	if len(p.out.Problems) < previewProblems {
		p.out.Problems = append(p.out.Problems, problem)
	}
}

func (p *previewer) refused(e *feed.RowError) {
	severity := "rejected"
	if e.Reason == feed.Duplicate {
		severity = "noted"
	}
	p.add(PreviewProblem{
		Row: e.Row, Line: e.Line, Column: p.named(e.Field, e.Column), Severity: severity, Reason: string(e.Reason), Detail: e.Detail,
	})
}

func (p *previewer) normalized(e *normalize.Problem) {
	p.add(PreviewProblem{
		Row: e.Row, Line: e.Line, Column: p.named(e.Field, e.Column), Value: e.Value, Severity: e.Severity.String(),
		Reason: string(e.Rule), Detail: e.Reason, Fix: e.Fix,
	})
}
