// Package term is how commands speak to the person or the script in front of
// them: one object as JSON, or text for people, on standard output; progress
// on standard error, and only where somebody watches it.
package term

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// Format is what a command prints: text for people, JSON for scripts.
type Format string

// The formats that every command knows.
const (
	Text Format = "text"
	JSON Format = "json"
)

// Terminal carries a command's streams. Commands get it injected, so that a
// test can read what they wrote.
type Terminal struct {
	Format Format
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	// Interactive says that Err is a terminal somebody watches: only then do
	// progress bars redraw themselves.
	Interactive bool
}

// Standard is the terminal of this process.
func Standard() *Terminal {
	stat, err := os.Stderr.Stat()
	return &Terminal{
		Format: Text, In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Interactive: err == nil && stat.Mode()&os.ModeCharDevice != 0,
	}
}

// Print writes v as one JSON value when JSON was asked for, else what text
// writes.
func (t *Terminal) Print(v any, text func(w io.Writer) error) error {
	if t.Format == JSON {
		enc := json.NewEncoder(t.Out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(v)
	}
	return text(t.Out)
}

// Table writes rows under headers in aligned columns.
func Table(w io.Writer, headers []string, rows [][]string) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	if _, err := fmt.Fprintln(tw, strings.ToUpper(strings.Join(headers, "\t"))); err != nil {
		return err
	}
	for _, row := range rows {
		if _, err := fmt.Fprintln(tw, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	return tw.Flush()
}

// Progress is a bar on Err with a count, a rate and the time left. On a
// stream that nobody watches it writes nothing but the closing line.
type Progress struct {
	t       *Terminal
	label   string
	total   int64
	started time.Time
	drawn   time.Time
	done    int64
	note    string
}

// Progress starts a bar over total units of work; total 0 means unknown.
func (t *Terminal) Progress(label string, total int64) *Progress {
	return &Progress{t: t, label: label, total: total, started: time.Now()}
}

// Set moves the bar to done units, with a note such as a metric beside it.
func (p *Progress) Set(done int64, note string) {
	p.done, p.note = done, note
	if !p.t.Interactive || time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	fmt.Fprintf(p.t.Err, "\r\033[K%s", p.line())
}

// SetTotal changes what the bar counts to, for work whose size shows itself late.
func (p *Progress) SetTotal(total int64) { p.total = total }

// Finish draws the bar a last time and ends its line.
func (p *Progress) Finish() {
	if p.t.Interactive {
		fmt.Fprintf(p.t.Err, "\r\033[K")
	}
	fmt.Fprintln(p.t.Err, p.line())
}

func (p *Progress) line() string {
	const width = 24
	var b strings.Builder
	fmt.Fprintf(&b, "%s ", p.label)
	if p.total > 0 {
		filled := min(int(p.done*width/p.total), width)
		fmt.Fprintf(&b, "[%s%s] %d/%d", strings.Repeat("#", filled), strings.Repeat(".", width-filled), p.done, p.total)
	} else {
		fmt.Fprintf(&b, "%d", p.done)
	}
	elapsed := time.Since(p.started)
	if elapsed > time.Second && p.done > 0 {
		rate := float64(p.done) / elapsed.Seconds()
		fmt.Fprintf(&b, " %.0f/s", rate)
		if left := p.total - p.done; left > 0 {
			fmt.Fprintf(&b, " %s left", (time.Duration(float64(left)/rate) * time.Second).Round(time.Second))
		}
	}
	if p.note != "" {
		fmt.Fprintf(&b, " %s", p.note)
	}
	return b.String()
}
