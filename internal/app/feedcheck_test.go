package app

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/bodega-hq/bodega/internal/app/term"
)

// feedCheckRun runs the command line as main would.
func feedCheckRun(t testing.TB, format term.Format, stdin string, args ...string) (stdout string, err error) {
	t.Helper()
	var cli struct {
		Feed struct {
			Check FeedCheckCmd `cmd:""`
		} `cmd:""`
	}
	parser, err := kong.New(&cli, kong.Name("bodega"), kong.Exit(func(int) {}))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(append([]string{"feed", "check"}, args...))
	if err != nil {
		return "", err
	}
	var out, progress strings.Builder
	parsed.BindTo(t.Context(), (*context.Context)(nil))
	err = parsed.Run(&term.Terminal{Format: format, In: strings.NewReader(stdin), Out: &out, Err: &progress})
	return out.String(), err
}

func feedCheckJSON(t testing.TB, stdin string, args ...string) (feedCheckReport, error) {
	t.Helper()
	out, runErr := feedCheckRun(t, term.JSON, stdin, args...)
	var r feedCheckReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v, of the output %q beside error %v", err, out, runErr)
	}
	return r, runErr
}

const feedCheckMixed = "id,name,price,gtin,availability,unit\n" +
	"1,Milk,2.50,0036000291452,in,each\n" +
	"1,Milk again,2.60,0036000291452,in,each\n" +
	"2,Bread,abc,3850334043642,perhaps,each\n" +
	",Nothing,1,,,\n" +
	"3,Cake,4,,in\n" +
	"4,\"Tea,1,,in,each\n" +
	"5,Soap,1.0050,,in,each\n"

func TestFeedCheckCountsProblems(t *testing.T) {
	r, err := feedCheckJSON(t, feedCheckMixed, "-", "--currency", "EUR")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{
		"duplicate": 1, "bad_price": 1, "bad_gtin": 1, "bad_availability": 1, "no_item": 1,
		"too_few_columns": 1, "bad_quoting": 1, "price_rounded": 1,
	}
	if fmt.Sprint(r.ProblemCounts) != fmt.Sprint(want) {
		t.Errorf("counts %v, want %v", r.ProblemCounts, want)
	}
	if !r.Readable || r.Rows != 7 || r.Items != 3 || r.Stores != 1 || r.Error != nil {
		t.Errorf("readable %v, %d rows, %d items in %d stores, error %v", r.Readable, r.Rows, r.Items, r.Stores, r.Error)
	}
	for _, p := range []struct {
		row      int64
		column   string
		severity string
		reason   string
	}{
		{1, "id", "rejected", "duplicate"}, {3, "price", "rejected", "bad_price"}, {3, "gtin", "dropped", "bad_gtin"},
		{4, "id", "rejected", "no_item"}, {5, "", "rejected", "too_few_columns"}, {6, "name", "rejected", "bad_quoting"},
		{7, "price", "noted", "price_rounded"},
	} {
		if !slices.ContainsFunc(r.Problems, func(q feedCheckProblem) bool {
			return q.Row == p.row && q.Reason == p.reason && q.Severity == p.severity && p.column == q.Column && q.Line == p.row+1 && q.Detail != ""
		}) {
			t.Errorf("no problem like %+v in %+v", p, r.Problems)
		}
	}
	if !slices.IsSortedFunc(r.Problems, func(a, b feedCheckProblem) int { return int(a.Row - b.Row) }) {
		t.Errorf("problems are out of order: %+v", r.Problems)
	}
	wantColumns := []feedCheckColumn{
		{"id", "item_id", "1"}, {"name", "name", "Milk"}, {"price", "price", "2.50"}, {"gtin", "gtin", "0036000291452"},
		{"availability", "availability", "in"}, {"unit", "unit", "each"},
	}
	if !slices.Equal(r.Columns, wantColumns) {
		t.Errorf("columns %+v", r.Columns)
	}
	if r.Format != "csv" || r.Delimiter != "," || r.Encoding != "utf-8" || r.Compression != "none" {
		t.Errorf("format %s %q %s %s", r.Format, r.Delimiter, r.Encoding, r.Compression)
	}
	if r.Mapping.Name != "bodega" || !r.Mapping.Proposed || len(r.Mapping.Version) != 64 {
		t.Errorf("mapping %+v", r.Mapping)
	}
}

func TestFeedCheckListsTheFirstAndCountsAll(t *testing.T) {
	var b strings.Builder
	b.WriteString("id,price\n")
	for i := range 500 {
		fmt.Fprintf(&b, "%d,x\n", i)
	}
	r, err := feedCheckJSON(t, b.String(), "-", "--currency", "EUR")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Problems) != 100 || r.ProblemCounts["bad_price"] != 500 {
		t.Errorf("%d listed, %v counted", len(r.Problems), r.ProblemCounts)
	}
	text, err := feedCheckRun(t, term.Text, b.String(), "-", "--currency", "EUR", "--problems", "3")
	if err != nil || !strings.Contains(text, "… and 497 more") || !strings.Contains(text, "row 3 (line 4), column price: rejected:") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestFeedCheckProposesPresets(t *testing.T) {
	for _, tc := range []struct{ name, data, preset string }{
		{"own columns", "store_id,item_id,price,availability\n1,2,3,in\n", "bodega"},
		{"konzum", "Product,ProductId,Brand,Quantity,Unit,Barcode,Category,Price,UnitPrice,SpecialPrice,BestPrice30,AnchorPrice\nA,1,B,1.00 l,ko,,C,1,1,,,\n", "konzum"},
		{"google table", "id\ttitle\tdescription\tlink\timage link\tavailability\tprice\tbrand\tgtin\tgoogle product category\n1\tA\tB\thttps://example.com\t\tin_stock\t1.00 USD\tX\t\t5\n", "google-merchant"},
		{"google xml", `<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>1</g:id><title>A</title><g:price>1 USD</g:price><g:availability>in_stock</g:availability></item></channel></rss>`, "google-merchant"},
		{"jsonl", "{\"sku\":\"1\",\"price\":1}\n", "bodega"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := feedCheckJSON(t, tc.data, "-")
			if err != nil || r.Mapping.Name != tc.preset || !r.Mapping.Proposed || r.Items != 1 {
				t.Errorf("%v: mapping %+v, %d items", err, r.Mapping, r.Items)
			}
		})
	}
}

func TestFeedCheckTakesAProfile(t *testing.T) {
	dir := t.TempDir()
	file, profile := filepath.Join(dir, "f.csv"), filepath.Join(dir, "p.yaml")
	for path, text := range map[string]string{
		file:    "1;2,50\n2;1.234,00\n",
		profile: "format: {header: false}\ndecimal: comma\nfields:\n  item_id: {index: 1}\n  price: {index: 2}\n  currency: {constant: EUR}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := feedCheckJSON(t, "", file, "--mapping", profile, "--store", "7", "--kind", "full")
	if err != nil || len(r.ProblemCounts) != 0 || r.Items != 2 || r.Mapping.Name != "p.yaml" || r.Mapping.Proposed {
		t.Fatalf("%v: %+v", err, r)
	}
	if err := os.WriteFile(profile, []byte("fields:\n  item_id: x\n  prise: y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := feedCheckRun(t, term.Text, "", file, "--mapping", profile); err == nil || !strings.Contains(err.Error(), `line 3: fields has no key "prise", did you mean "price"?`) {
		t.Error(err)
	}
	if _, err := feedCheckRun(t, term.Text, "", file, "--mapping", "nowhere"); err == nil || !strings.Contains(err.Error(), "the presets are bodega, google-merchant, konzum") {
		t.Error(err)
	}
}

// What cannot be read to its end fails the command, and the report still says
// all that was found out.
func TestFeedCheckUnreadable(t *testing.T) {
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	for i := range 50_000 {
		fmt.Fprintf(zw, "%s%d,%d.%02d\n", strings.Repeat("id,price\n", max(0, 1-i)), i, i%97, i%89)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, data, reason, detail string
		rows                       bool
	}{
		{"truncated gzip", packed.String()[:packed.Len()/2], "truncated", "after row ", true},
		{"empty", "", "empty", "the file is empty", false},
		{"workbook", "PK\x03\x04 and so on", "binary", "Excel workbook", false},
		{"header only", "id,price\n", "no_rows", "no rows", false},
		{"unknown columns", "ProdID;Nam\n1;Milk\n", "missing_columns", `did you mean "ProdID"?`, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := feedCheckJSON(t, tc.data, "-")
			if err == nil || r.Readable || r.Error == nil || r.Error.Reason != tc.reason || !strings.Contains(r.Error.Detail, tc.detail) {
				t.Fatalf("%v: %+v", err, r.Error)
			}
			if (r.Rows > 0) != tc.rows || tc.rows && r.Error.Row != r.Rows {
				t.Errorf("%d rows, error after row %d", r.Rows, r.Error.Row)
			}
			text, _ := feedCheckRun(t, term.Text, tc.data, "-")
			if !strings.Contains(text, "not readable") {
				t.Errorf("the text does not say that the file is not readable:\n%s", text)
			}
		})
	}
	t.Run("the columns of a file that no mapping reads", func(t *testing.T) {
		r, _ := feedCheckJSON(t, "ProdID;Nam\n1;Milk\n", "-")
		if want := []feedCheckColumn{{"ProdID", "", "1"}, {"Nam", "", "Milk"}}; !slices.Equal(r.Columns, want) {
			t.Errorf("columns %+v", r.Columns)
		}
		// The draft reads the file.
		draft := filepath.Join(t.TempDir(), "draft.yaml")
		if err := os.WriteFile(draft, []byte(r.Draft), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := feedCheckJSON(t, "ProdID;Nam\n1;Milk\n", "-", "--mapping", draft); err != nil || r.Items != 1 {
			t.Errorf("%v, with the draft\n%s", err, r.Draft)
		}
	})
	t.Run("no file", func(t *testing.T) {
		if _, err := feedCheckRun(t, term.Text, "", filepath.Join(t.TempDir(), "none.csv")); err == nil || !strings.Contains(err.Error(), "no such file") {
			t.Error(err)
		}
	})
	t.Run("a folder", func(t *testing.T) {
		if _, err := feedCheckRun(t, term.Text, "", t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a folder") {
			t.Error(err)
		}
	})
}

// A terminal's control sequences in a feed do not reach the terminal.
func TestFeedCheckDisarmsControlSequences(t *testing.T) {
	text, err := feedCheckRun(t, term.Text, "id,na\x1bme,price\n1,\x1b[2Jx,\x1b]0;x\x07\n"+strings.Repeat("2,plain text,1\n", 20), "-", "--currency", "EUR")
	if err != nil || strings.ContainsAny(text, "\x1b\x07") {
		t.Errorf("%v: %q", err, text)
	}
}

func TestFeedCheckKonzum(t *testing.T) {
	root := os.Getenv("BODEGA_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "data")
	}
	dir := filepath.Join(root, "feeds", "konzum")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no corpus at %s (set BODEGA_CORPORA): that the command takes in the Konzum price lists is not checked", dir)
	}
	var total int64
	for _, store := range []string{"0204", "0530", "0901", "1601"} {
		r, err := feedCheckJSON(t, "", filepath.Join(dir, store+"-2025-07-03.csv"), "--kind", "full", "--store", store)
		if err != nil || r.Mapping.Name != "konzum" || r.Rows != r.Items || r.Stores != 1 {
			t.Errorf("store %s: %v: %d rows, %d items, mapping %+v", store, err, r.Rows, r.Items, r.Mapping)
		}
		for _, unexpected := range []string{"bad_price", "bad_gtin", "duplicate", "bad_unit", "no_item"} {
			if n := r.ProblemCounts[unexpected]; n > 0 {
				t.Errorf("store %s: %d times %s", store, n, unexpected)
			}
		}
		total += r.Rows
	}
	if total != 35205 {
		t.Errorf("%d rows in all, want 35,205", total)
	}
}

// A file without prices can be an availability feed; that it can be no full
// one is said before it is sent as one.
func TestFeedCheckSaysWhatAFullFeedWouldLack(t *testing.T) {
	r, err := feedCheckJSON(t, "sku,PRICE (EUR),stock\n1,2.50,3\n", "-")
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(r.Suggestions, "\n"); !strings.Contains(text, "As a full feed it would be refused") || !strings.Contains(text, `did you mean "PRICE (EUR)"?`) {
		t.Errorf("the suggestions are %q", text)
	}
	for _, args := range [][]string{{"-"}, {"-", "--kind", "availability"}} {
		data := "sku,price,stock\n1,2.50,3\n"
		if len(args) > 1 {
			data = "sku,stock\n1,3\n"
		}
		if r, err := feedCheckJSON(t, data, args...); err != nil || strings.Contains(strings.Join(r.Suggestions, "\n"), "full feed") {
			t.Errorf("%q: %v, %q", data, err, r.Suggestions)
		}
	}
}
