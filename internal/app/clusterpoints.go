package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/ml/dbscan"
)

// ClusterPointsCmd groups the rows of a table by density: `bodega
// cluster-points`.
type ClusterPointsCmd struct {
	Data       string   `required:"" placeholder:"F.csv" help:"Table with a header line, separated by comma, tab or semicolon; - reads standard input."`
	Numeric    []string `required:"" placeholder:"COLUMN[:SCALE]" help:"Columns that distances are measured in, each divided by its scale (1 where none is given)."`
	Layer      []string `placeholder:"COLUMN" help:"Columns that keep rows apart: rows that differ in any of them are never neighbours."`
	Eps        *float64 `required:"" xor:"eps" placeholder:"E" help:"Largest distance between neighbours, in scaled units."`
	SuggestEps bool     `required:"" xor:"eps" help:"Print the k-distance curve and an eps to start from, instead of labels."`
	MinSamples int      `default:"5" help:"Rows within eps, the row itself counted, that make a row the core of a cluster."`
}

// Help is the long help text.
func (c *ClusterPointsCmd) Help() string {
	return `Writes the table back with one more column, the cluster's number from 0 or -1 for noise.

  bodega cluster-points --data variances.csv --numeric amount:500,day:3 --layer currency --suggest-eps
  bodega cluster-points --data variances.csv --numeric amount:500,day:3 --layer currency --eps 0.4 --min-samples 5 > labels.csv`
}

// Run reads the table, clusters it and writes it with its labels.
func (c *ClusterPointsCmd) Run(ctx context.Context, t *term.Terminal) error {
	options := dbscan.Options{Eps: 1, MinSamples: c.MinSamples}
	if c.Eps != nil {
		options.Eps = *c.Eps
	}
	if err := options.Validate(); err != nil {
		return fmt.Errorf("cluster points: %w", err)
	}
	content, err := c.read(t)
	if err != nil {
		return fmt.Errorf("cluster points: %w", err)
	}
	table, err := clusterPointsParse(ctx, content, c.Numeric, c.Layer)
	if err != nil {
		return fmt.Errorf("cluster points of %s: %w", c.Data, err)
	}
	if c.SuggestEps {
		return c.suggest(ctx, t, table)
	}
	return c.label(ctx, t, table, options)
}

func (c *ClusterPointsCmd) read(t *term.Terminal) ([]byte, error) {
	if c.Data == "-" {
		content, err := io.ReadAll(t.In)
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return content, nil
	}
	return os.ReadFile(c.Data) // its errors name the operation and the file
}

// clusterPointsLabels is what `-o json` prints.
type clusterPointsLabels struct {
	Eps        float64 `json:"eps"`
	MinSamples int     `json:"min_samples"`
	Points     int     `json:"points"`
	Distinct   int     `json:"distinct_points"`
	Clusters   int     `json:"clusters"`
	Noise      int     `json:"noise"`
	Method     string  `json:"method"`
	Sizes      []int   `json:"cluster_sizes"`
	Labels     []int32 `json:"labels"`
	Core       []bool  `json:"core"`
}

func (c *ClusterPointsCmd) label(ctx context.Context, t *term.Terminal, table *clusterPointsTable, options dbscan.Options) error {
	rows := len(table.rows)
	bar := t.Progress("cluster", int64(rows))
	options.Progress = func(done, total int64) { bar.Set(done*int64(rows)/total, "") }
	clustering, err := dbscan.Cluster(ctx, table.columns, options)
	if err != nil {
		return err
	}
	noise := clustering.NoisePoints()
	bar.Set(int64(rows), fmt.Sprintf("%d clusters, %d rows of noise", clustering.Clusters, noise))
	bar.Finish()
	out := clusterPointsLabels{
		Eps: options.Eps, MinSamples: options.MinSamples,
		Points: rows, Distinct: clustering.Distinct, Clusters: clustering.Clusters, Noise: noise,
		Method: string(clustering.Method), Sizes: make([]int, clustering.Clusters),
		Labels: clustering.Labels, Core: clustering.Core,
	}
	for _, label := range clustering.Labels {
		if label != dbscan.Noise {
			out.Sizes[label]++
		}
	}
	if err := t.Print(out, func(w io.Writer) error { return table.write(w, clustering.Labels) }); err != nil {
		return fmt.Errorf("write labels: %w", err)
	}
	return nil
}

// clusterPointsSuggestion is what `--suggest-eps -o json` prints.
type clusterPointsSuggestion struct {
	MinSamples int                      `json:"min_samples"`
	Points     int64                    `json:"points"`
	Asked      int64                    `json:"points_on_curve"`
	Alone      int64                    `json:"points_in_small_layers"`
	Suggested  *float64                 `json:"suggested_eps"`
	Beyond     *float64                 `json:"share_beyond_suggestion,omitempty"`
	Curve      []clusterPointsCurveStep `json:"k_distance_curve"`
}

type clusterPointsCurveStep struct {
	Quantile float64 `json:"quantile"`
	Distance float64 `json:"distance"`
}

func (c *ClusterPointsCmd) suggest(ctx context.Context, t *term.Terminal, table *clusterPointsTable) error {
	rows := int64(len(table.rows))
	bar := t.Progress("measure k-distances", rows)
	curve, err := dbscan.KDistances(ctx, table.columns, c.MinSamples, func(done, total int64) { bar.Set(done*rows/total, "") })
	if err != nil {
		return err
	}
	bar.Finish()
	out := clusterPointsSuggestion{
		MinSamples: c.MinSamples, Points: curve.Points, Asked: curve.Asked - curve.Alone, Alone: curve.Alone,
		Curve: []clusterPointsCurveStep{},
	}
	if len(curve.Distances) > 0 {
		for percent := 0; percent <= 100; percent += 5 {
			out.Curve = append(out.Curve, clusterPointsCurveStep{float64(percent) / 100, curve.Quantile(float64(percent) / 100)})
			if percent == 95 {
				out.Curve = append(out.Curve, clusterPointsCurveStep{0.99, curve.Quantile(0.99)})
			}
		}
	}
	if eps, ok := curve.Knee(); ok {
		beyond := curve.Alone
		for i, distance := range curve.Distances {
			if distance > eps {
				beyond += curve.Weights[i]
			}
		}
		share := float64(beyond) / float64(curve.Asked)
		out.Suggested, out.Beyond = &eps, &share
	}
	if err := t.Print(out, out.write); err != nil {
		return fmt.Errorf("write k-distance curve: %w", err)
	}
	return nil
}

func (s clusterPointsSuggestion) write(w io.Writer) error {
	const width = 40
	var full float64 // the distance that fills a bar
	for _, step := range s.Curve {
		if step.Quantile <= 0.99 {
			full = step.Distance
		}
	}
	var rows [][]string
	for _, step := range s.Curve {
		bar := ""
		if full > 0 {
			bar = strings.Repeat("#", int(math.Round(width*min(step.Distance/full, 1))))
		}
		rows = append(rows, []string{fmt.Sprintf("%.0f%%", 100*step.Quantile), strconv.FormatFloat(step.Distance, 'g', 6, 64), bar})
	}
	if len(rows) > 0 {
		if err := term.Table(w, []string{"rows", fmt.Sprintf("distance to nearest %d", s.MinSamples), ""}, rows); err != nil {
			return err
		}
	}
	if s.Asked+s.Alone < s.Points {
		fmt.Fprintf(w, "The curve is of an even sample of %d of %d rows.\n", s.Asked+s.Alone, s.Points)
	}
	if s.Alone > 0 {
		fmt.Fprintf(w, "%d rows are in layers of fewer than %d rows and can only be noise.\n", s.Alone, s.MinSamples)
	}
	var err error
	switch {
	case s.Suggested != nil:
		_, err = fmt.Fprintf(w, "Suggested eps: %s, the knee of the curve; %.1f%% of the rows lie beyond it and would not be cores.\n",
			strconv.FormatFloat(*s.Suggested, 'g', 6, 64), 100**s.Beyond)
	case len(s.Curve) > 0:
		_, err = fmt.Fprintf(w, "No suggestion: every row has %d or more rows equal to it, itself counted, so any small eps makes all of them cores.\n", s.MinSamples)
	default:
		_, err = fmt.Fprintf(w, "No suggestion: no layer has %d rows. Lower --min-samples, or name fewer layers.\n", s.MinSamples)
	}
	return err
}

// clusterPointsTable is a table's columns, and its rows as they were written.
type clusterPointsTable struct {
	delimiter byte
	header    []byte
	labelName string
	rows      [][]byte
	columns   dbscan.Columns
}

// write repeats the table byte for byte, with a label at the end of each row.
func (t *clusterPointsTable) write(w io.Writer, labels []int32) error {
	out := bufio.NewWriterSize(w, 1<<16)
	out.Write(t.header)
	out.WriteByte(t.delimiter)
	out.WriteString(t.labelName)
	out.WriteByte('\n')
	var digits []byte
	for i, row := range t.rows {
		out.Write(row)
		out.WriteByte(t.delimiter)
		digits = append(strconv.AppendInt(digits[:0], int64(labels[i]), 10), '\n')
		if _, err := out.Write(digits); err != nil {
			return err // a bufio.Writer keeps its first error
		}
	}
	return out.Flush()
}

// clusterPointsNumeric is one --numeric column: where it stands and its scale.
type clusterPointsNumeric struct {
	at    int
	scale float64
}

// clusterPointsParse reads the table. Rows in errors count from 1 below the
// header, lines from 1 at the top of the file.
func clusterPointsParse(ctx context.Context, content []byte, numeric, layers []string) (*clusterPointsTable, error) {
	content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff")) {
		return nil, errors.New("the file is UTF-16; save it as UTF-8")
	}
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, errors.New("the file is empty; a header line and rows are needed")
	}
	table := &clusterPointsTable{delimiter: clusterPointsDelimiter(content)}
	reader := csv.NewReader(bytes.NewReader(content))
	reader.Comma = rune(table.delimiter)
	header, err := reader.Read()
	if err != nil {
		return nil, clusterPointsCSVError(err, 0, nil, nil)
	}
	names := make([]string, len(header))
	for i, name := range header {
		names[i] = strings.TrimSpace(name)
	}
	reader.ReuseRecord = true
	start := reader.InputOffset()
	raw := func() []byte {
		end := reader.InputOffset()
		row := bytes.Trim(content[start:end], "\r\n") // blank lines before it, its own end after it
		start = end
		return row
	}
	table.header = bytes.Trim(content[:start], "\r\n")
	table.labelName = "label"
	if slices.Contains(names, table.labelName) {
		table.labelName = "cluster_label"
	}

	dims := make([]clusterPointsNumeric, len(numeric))
	for j, spec := range numeric {
		name, scale, err := clusterPointsSpec(names, spec)
		if err != nil {
			return nil, err
		}
		at, err := clusterPointsColumn(names, name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(dims[:j], func(d clusterPointsNumeric) bool { return d.at == at }) {
			return nil, fmt.Errorf("column %q is named twice by --numeric", name)
		}
		dims[j] = clusterPointsNumeric{at, scale}
		table.columns.Dimensions = append(table.columns.Dimensions, dbscan.Dimension{Name: name, Scale: scale})
	}
	layerAt := make([]int, len(layers))
	codes := make([]map[string]uint32, len(layers))
	for j, name := range layers {
		if layerAt[j], err = clusterPointsColumn(names, name); err != nil {
			return nil, err
		}
		codes[j] = make(map[string]uint32)
		table.columns.Layers = append(table.columns.Layers, dbscan.Layer{Name: name})
	}

	for row := 1; ; row++ {
		if row%4096 == 0 && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		fields, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, clusterPointsCSVError(err, row, fields, names)
		}
		for j, dim := range dims {
			value, err := clusterPointsNumber(fields[dim.at], dim.scale)
			if err != nil {
				line, _ := reader.FieldPos(dim.at)
				return nil, fmt.Errorf("row %d (line %d), column %q: %w", row, line, names[dim.at], err)
			}
			d := &table.columns.Dimensions[j]
			d.Values = append(d.Values, value)
		}
		for j, at := range layerAt {
			code, seen := codes[j][fields[at]]
			if !seen {
				code = uint32(len(codes[j]))
				codes[j][strings.Clone(fields[at])] = code // a field shares its record's memory
			}
			l := &table.columns.Layers[j]
			l.Codes = append(l.Codes, code)
		}
		table.rows = append(table.rows, raw())
	}
	if len(table.rows) == 0 {
		return nil, errors.New("the file has a header and no rows")
	}
	return table, nil
}

// clusterPointsDelimiter is the separator that occurs most in the header line,
// outside quotes.
func clusterPointsDelimiter(content []byte) byte {
	var counts [256]int
	quoted := false
	for _, b := range bytes.TrimLeft(content, "\r\n") {
		if b == '"' {
			quoted = !quoted
		} else if b == '\n' && !quoted {
			break
		} else if !quoted {
			counts[b]++
		}
	}
	best := byte(',')
	for _, b := range []byte{'\t', ';'} {
		if counts[b] > counts[best] {
			best = b
		}
	}
	return best
}

// clusterPointsSpec splits COLUMN:SCALE. A column whose own name is the whole
// of it, colon included, comes first.
func clusterPointsSpec(names []string, spec string) (name string, scale float64, err error) {
	colon := strings.LastIndexByte(spec, ':')
	if colon < 0 || slices.Contains(names, spec) {
		return spec, 1, nil
	}
	name, text := spec[:colon], spec[colon+1:]
	scale, err = strconv.ParseFloat(text, 64)
	if err != nil || !(scale > 0) || math.IsInf(scale, 0) {
		return "", 0, fmt.Errorf("--numeric %s: scale %q is not a positive finite number", spec, text)
	}
	return name, scale, nil
}

func clusterPointsColumn(names []string, name string) (int, error) {
	at := slices.Index(names, name)
	if at < 0 {
		return 0, fmt.Errorf("there is no column %q; the header has %s", name, strings.Join(names, ", "))
	}
	if slices.Contains(names[at+1:], name) {
		return 0, fmt.Errorf("the header has column %q more than once", name)
	}
	return at, nil
}

func clusterPointsNumber(field string, scale float64) (float64, error) {
	field = strings.TrimSpace(field)
	value, err := strconv.ParseFloat(field, 64)
	switch {
	case field == "":
		return 0, errors.New("the field is empty where a number belongs")
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%s is out of a float64's range", field)
	case err != nil:
		return 0, fmt.Errorf("%q is not a number", field)
	case math.IsNaN(value) || math.IsInf(value, 0):
		return 0, fmt.Errorf("%s has no place on a scale; every value must be a finite number", field)
	case math.IsInf(value/scale, 0):
		return 0, fmt.Errorf("%s divided by scale %v is out of a float64's range", field, scale)
	}
	return value, nil
}

// clusterPointsCSVError says a CSV error in rows and fields; row 0 is the
// header.
func clusterPointsCSVError(err error, row int, fields, names []string) error {
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	where := fmt.Sprintf("row %d (line %d)", row, parse.StartLine)
	if row == 0 {
		where = "the header"
	}
	if !errors.Is(err, csv.ErrFieldCount) {
		return fmt.Errorf("%s, at line %d byte %d: %w", where, parse.Line, parse.Column, parse.Err)
	}
	if len(fields) < len(names) {
		return fmt.Errorf("%s has %d fields where the header has %d: column %q is missing", where, len(fields), len(names), names[len(fields)])
	}
	return fmt.Errorf("%s has %d fields where the header has %d: %q belongs to no column", where, len(fields), len(names), fields[len(names)])
}
