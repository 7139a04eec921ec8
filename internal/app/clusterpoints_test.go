package app

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/bodega-hq/bodega/internal/app/term"
	"github.com/bodega-hq/bodega/internal/ml/dbscan"
)

// clusterPointsRun runs the command line as main would.
func clusterPointsRun(t *testing.T, format term.Format, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var cli commands
	parser, err := kong.New(&cli, kong.Name("bodega"), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(append([]string{"cluster-points"}, args...))
	if err != nil {
		return "", "", err
	}
	var out, progress strings.Builder
	parsed.BindTo(t.Context(), (*context.Context)(nil))
	err = parsed.Run(&term.Terminal{Format: format, In: strings.NewReader(stdin), Out: &out, Err: &progress})
	return out.String(), progress.String(), err
}

func clusterPointsFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "F.csv")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const clusterPointsJournals = `id,amount,day,currency,memo
1,-250,14,CAD,"order cart, adjusted"
2,-250,14,CAD,x
3,-240,15,CAD,"two
lines"
4,-250,14,USD,
5,9900,15,CAD,"said ""no"""
6,-250,15,CAD,x
`

func TestClusterPointsRepeatsTheTableWithLabels(t *testing.T) {
	for _, c := range []struct {
		name, content, want string
	}{
		{"comma", clusterPointsJournals, `id,amount,day,currency,memo,label
1,-250,14,CAD,"order cart, adjusted",0
2,-250,14,CAD,x,0
3,-240,15,CAD,"two
lines",0
4,-250,14,USD,,-1
5,9900,15,CAD,"said ""no""",-1
6,-250,15,CAD,x,0
`},
		{"semicolon", "amount;day;currency\n1;1;A\n1;1;A\n1;2;A\n", "amount;day;currency;label\n1;1;A;0\n1;1;A;0\n1;2;A;0\n"},
		{"tab", "amount\tday\tcurrency\n1\t1\tA\n1\t1\tB\n1\t1\tC,D;E\n", "amount\tday\tcurrency\tlabel\n1\t1\tA\t-1\n1\t1\tB\t-1\n1\t1\tC,D;E\t-1\n"},
		{"carriage returns and no last newline", "amount,day,currency\r\n1,1,A\r\n1,1,A\r\n1,1,A", "amount,day,currency,label\n1,1,A,0\n1,1,A,0\n1,1,A,0\n"},
		{"byte order mark, blank lines and spaces", "\xef\xbb\xbfamount, day ,currency\n\n 1 ,1,A\n\n1,1,A\n1, 1,A\n\n", "amount, day ,currency,label\n 1 ,1,A,0\n1,1,A,0\n1, 1,A,0\n"},
		{"a column that is called label already", "amount,day,currency,label\n1,1,A,q\n", "amount,day,currency,label,cluster_label\n1,1,A,q,-1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"--numeric", "amount:100,day:3", "--layer", "currency", "--eps", "0.5", "--min-samples", "3"}
			got, stderr, err := clusterPointsRun(t, term.Text, "", append(args, "--data", clusterPointsFile(t, c.content))...)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if !strings.Contains(stderr, "rows of noise") {
				t.Errorf("standard error %q says nothing of the outcome", stderr)
			}
			piped, _, err := clusterPointsRun(t, term.Text, c.content, append(args, "--data", "-")...)
			if err != nil || piped != c.want {
				t.Errorf("from standard input: error %v, got\n%s", err, piped)
			}
		})
	}
}

func TestClusterPointsScalesAndLayers(t *testing.T) {
	table := "a:b,x,country,currency\n0,0,CA,CAD\n6,0,CA,CAD\n0,0,US,CAD\n6,0,US,USD\n"
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"scale defaults to 1", "-1 -1 -1 -1", []string{"--numeric", "a:b", "--layer", "country"}},
		{"scale divides", "0 0 1 1", []string{"--numeric", "a:b:10", "--layer", "country"}},
		{"no layer", "0 0 0 0", []string{"--numeric", "a:b:10,x"}},
		{"two layers", "0 0 -1 -1", []string{"--numeric", "a:b:10", "--layer", "country,currency"}},
		{"flags repeated", "0 0 -1 -1", []string{"--numeric", "a:b:10", "--numeric", "x:2e0", "--layer", "country", "--layer", "currency"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, _, err := clusterPointsRun(t, term.Text, table, append(c.args, "--data", "-", "--eps", "1", "--min-samples", "2")...)
			if err != nil {
				t.Fatal(err)
			}
			records, err := csv.NewReader(strings.NewReader(out)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			var labels []string
			for _, record := range records[1:] {
				labels = append(labels, record[len(record)-1])
			}
			if got := strings.Join(labels, " "); got != c.want {
				t.Errorf("labels %s, want %s", got, c.want)
			}
		})
	}
}

func TestClusterPointsJSON(t *testing.T) {
	out, _, err := clusterPointsRun(t, term.JSON, clusterPointsJournals,
		"--data", "-", "--numeric", "amount:100,day:3", "--layer", "currency", "--eps", "0.5", "--min-samples", "3")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Compact(&got, []byte(out)); err != nil {
		t.Fatal(err)
	}
	const want = `{"eps":0.5,"min_samples":3,"points":6,"distinct_points":5,"clusters":1,"noise":2,"method":"rows",` +
		`"cluster_sizes":[4],"labels":[0,0,0,-1,-1,0],"core":[true,true,true,false,false,true]}`
	if got.String() != want {
		t.Errorf("got  %s\nwant %s", &got, want)
	}
}

func TestClusterPointsRefuses(t *testing.T) {
	row := func(amount string) string { return "amount,day,currency\n1,2,A\n" + amount + ",3,A\n" }
	for _, c := range []struct {
		name, content, says string
		args                []string // instead of the usual ones
	}{
		{name: "empty file", content: "", says: "F.csv: the file is empty"},
		{name: "blank file", content: "\n \n\r\n", says: "the file is empty"},
		{name: "header alone", content: "amount,day,currency\n", says: "a header and no rows"},
		{name: "missing column", content: "amount,day\n1,2\n", says: `there is no column "currency"; the header has amount, day`},
		{name: "missing numeric column", content: "amout,day,currency\n1,2,A\n", says: `there is no column "amount"`},
		{name: "column twice in the header", content: "amount,amount,day,currency\n1,2,3,A\n", says: `"amount" more than once`},
		{name: "text", content: row("twelve"), says: `row 2 (line 3), column "amount": "twelve" is not a number`},
		{name: "thousands separator", content: row(`"1,250"`), says: `"1,250" is not a number`},
		{name: "empty field", content: row(""), says: "the field is empty where a number belongs"},
		{name: "NaN", content: row("NaN"), says: `row 2 (line 3), column "amount": NaN has no place`},
		{name: "infinity", content: row("inf"), says: "inf has no place"},
		{name: "negative infinity", content: row("-Infinity"), says: "-Infinity has no place"},
		{name: "beyond a float64", content: row("1e400"), says: "1e400 is out of a float64's range"},
		{name: "line numbers count lines inside quotes", content: "amount,day,currency\n1,2,\"A\nB\"\n\nx,3,A\n", says: "row 2 (line 5)"},
		{name: "short row", content: "amount,day,currency\n1,2,A\n1,2\n", says: `row 2 (line 3) has 2 fields where the header has 3: column "currency" is missing`},
		{name: "long row", content: "amount,day,currency\n1,2,A,9\n", says: `row 1 (line 2) has 4 fields where the header has 3: "9" belongs to no column`},
		{name: "stray quote", content: "amount,day,currency\n1,2,A\"B\n", says: "row 1 (line 2), at line 2 byte 6"},
		{name: "open quote", content: "amount,day,currency\n1,2,\"A\n", says: "row 1 (line 2)"},
		{name: "UTF-16", content: "\xff\xfea\x00m\x00", says: "save it as UTF-8"},
		{name: "eps 0", content: row("1"), args: []string{"--numeric", "amount", "--eps", "0"}, says: "eps is 0"},
		{name: "eps negative", content: row("1"), args: []string{"--numeric", "amount", "--eps=-2"}, says: "eps is -2"},
		{name: "eps NaN", content: row("1"), args: []string{"--numeric", "amount", "--eps", "NaN"}, says: "eps is NaN"},
		{name: "eps is text", content: row("1"), args: []string{"--numeric", "amount", "--eps", "near"}, says: "--eps"},
		{name: "min_samples 0", content: row("1"), args: []string{"--numeric", "amount", "--eps", "1", "--min-samples", "0"}, says: "min_samples is 0"},
		{name: "min_samples 0 for a suggestion", content: row("1"), args: []string{"--numeric", "amount", "--suggest-eps", "--min-samples", "0"}, says: "min_samples is 0"},
		{name: "scale 0", content: row("1"), args: []string{"--numeric", "amount:0", "--eps", "1"}, says: `--numeric amount:0: scale "0" is not a positive finite number`},
		{name: "scale is text", content: row("1"), args: []string{"--numeric", "amount:big", "--eps", "1"}, says: `scale "big"`},
		{name: "scale overflows", content: row("1e300"), args: []string{"--numeric", "amount:1e-20", "--eps", "1"}, says: "1e300 divided by scale 1e-20 is out"},
		{name: "numeric column twice", content: row("1"), args: []string{"--numeric", "amount:2,amount", "--eps", "1"}, says: "named twice"},
		{name: "neither eps nor suggestion", content: row("1"), args: []string{"--numeric", "amount"}, says: "--eps"},
		{name: "both eps and suggestion", content: row("1"), args: []string{"--numeric", "amount", "--eps", "1", "--suggest-eps"}, says: "--eps and --suggest-eps can't be used together"},
		{name: "no numeric column", content: row("1"), args: []string{"--eps", "1"}, says: "--numeric"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if args == nil {
				args = []string{"--numeric", "amount:100,day:3", "--layer", "currency", "--eps", "0.5"}
			}
			out, _, err := clusterPointsRun(t, term.Text, "", append(args, "--data", clusterPointsFile(t, c.content))...)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
			if out != "" {
				t.Errorf("printed %q beside the error", out)
			}
		})
	}
	t.Run("missing file", func(t *testing.T) {
		_, _, err := clusterPointsRun(t, term.Text, "", "--numeric", "amount", "--eps", "1", "--data", filepath.Join(t.TempDir(), "absent.csv"))
		if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "absent.csv") {
			t.Errorf("error %v", err)
		}
	})
}

func TestClusterPointsSuggestsEps(t *testing.T) {
	var table strings.Builder
	table.WriteString("amount\n")
	for i := range 200 {
		fmt.Fprintf(&table, "%d\n", 100*(i%2)+i/20) // two clumps of twenty values, each five times
	}
	table.WriteString("5000\n9000\n")
	args := []string{"--data", "-", "--numeric", "amount", "--min-samples", "12"}
	text, _, err := clusterPointsRun(t, term.Text, table.String(), append(args, "--suggest-eps")...)
	if err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"DISTANCE TO NEAREST 12", "99%", "Suggested eps: 1,", "1.0% of the rows lie beyond it"} {
		if !strings.Contains(text, says) {
			t.Errorf("no %q in\n%s", says, text)
		}
	}
	out, _, err := clusterPointsRun(t, term.JSON, table.String(), append(args, "--suggest-eps")...)
	if err != nil {
		t.Fatal(err)
	}
	var got clusterPointsSuggestion
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Suggested == nil || *got.Suggested != 1 || got.Points != 202 || len(got.Curve) != 22 {
		t.Errorf("got %s", out)
	}
	for _, c := range []struct{ name, content, says string }{
		{"identical rows", "amount\n" + strings.Repeat("3\n", 30), "No suggestion: every row has 12 or more"},
		{"too few rows", "amount\n1\n2\n", "No suggestion: no layer has 12 rows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text, _, err := clusterPointsRun(t, term.Text, c.content, append(args, "--suggest-eps")...)
			if err != nil || !strings.Contains(text, c.says) {
				t.Errorf("error %v, no %q in\n%s", err, c.says, text)
			}
			out, _, err := clusterPointsRun(t, term.JSON, c.content, append(args, "--suggest-eps")...)
			if err != nil || !json.Valid([]byte(out)) || !strings.Contains(out, `"suggested_eps": null`) {
				t.Errorf("error %v, got\n%s", err, out)
			}
		})
	}
}

func TestClusterPointsStops(t *testing.T) {
	stop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	eps := 1.0
	cmd := ClusterPointsCmd{Data: "-", Numeric: []string{"amount"}, Eps: &eps, MinSamples: 2}
	content := "amount\n" + strings.Repeat("1\n", 50_000)
	err := cmd.Run(ctx, &term.Terminal{In: strings.NewReader(content), Out: io.Discard, Err: io.Discard})
	if !errors.Is(err, stop) {
		t.Errorf("error %v, want %v", err, stop)
	}
	err = cmd.Run(t.Context(), &term.Terminal{In: strings.NewReader(content), Out: clusterPointsFullDisk{}, Err: io.Discard})
	if !errors.Is(err, errClusterPointsFullDisk) {
		t.Errorf("error %v, want %v", err, errClusterPointsFullDisk)
	}
}

var errClusterPointsFullDisk = errors.New("no space left on device")

type clusterPointsFullDisk struct{}

func (clusterPointsFullDisk) Write([]byte) (int, error) { return 0, errClusterPointsFullDisk }

// Whatever the bytes: no panic, and where a table is accepted, as many rows and
// values as it has, and rows that read back as they were.
func FuzzClusterPointsParse(f *testing.F) {
	f.Add([]byte(clusterPointsJournals), "amount:100", "currency")
	f.Add([]byte("a;b\n1;2\n\n3;\"x\ny\"\r\n"), "a", "b")
	f.Add([]byte("\xef\xbb\xbfa\tb\n-0\t\xff\n"), "a:1e-300", "b")
	f.Add([]byte("\"a:b\"\n5e-324\n"), "a:b", "a:b")
	f.Fuzz(func(t *testing.T, content []byte, numeric, layer string) {
		table, err := clusterPointsParse(t.Context(), content, []string{numeric}, []string{layer})
		if err != nil {
			return
		}
		n := len(table.rows)
		if n == 0 || len(table.columns.Dimensions[0].Values) != n || len(table.columns.Layers[0].Codes) != n {
			t.Fatalf("%d rows, %d values, %d codes", n, len(table.columns.Dimensions[0].Values), len(table.columns.Layers[0].Codes))
		}
		clustering, err := dbscan.Cluster(t.Context(), table.columns, dbscan.Options{Eps: 1, MinSamples: 2})
		if err != nil {
			t.Fatalf("an accepted table was refused: %v", err)
		}
		var out bytes.Buffer
		if err := table.write(&out, clustering.Labels); err != nil {
			t.Fatal(err)
		}
		reader := csv.NewReader(&out)
		reader.Comma = rune(table.delimiter)
		records, err := reader.ReadAll()
		if err != nil || len(records) != n+1 {
			t.Fatalf("reads back as %d records for %d rows: %v", len(records), n, err)
		}
		for i, record := range records[1:] {
			if got := record[len(record)-1]; got != fmt.Sprint(clustering.Labels[i]) {
				t.Fatalf("row %d has label %s, want %d", i+1, got, clustering.Labels[i])
			}
		}
	})
}
