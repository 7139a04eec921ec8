package inventory

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bodega-hq/bodega/internal/inventory/feed"
	"github.com/bodega-hq/bodega/internal/platform/fault"
)

func TestPreview(t *testing.T) {
	w := newWorld(t)
	preview := func(sub Submission, body string, partial bool) *Preview {
		t.Helper()
		sub.Merchant = "corner"
		p, err := w.service.Preview(w.ctx, sub, strings.NewReader(body), partial)
		if err != nil {
			t.Fatal(err)
		}
		if p.Rows != p.Good+p.Rejected+p.Duplicates {
			t.Errorf("%d rows are not %d good, %d rejected and %d duplicates", p.Rows, p.Good, p.Rejected, p.Duplicates)
		}
		return p
	}
	full := Submission{Store: "1", Kind: feed.KindFull}

	messy := preview(full, rows("1,Milk,1.29,Dairy", "2,Bread,ask us,Bakery", ",Nameless,2.00,Dairy", "1,Milk again,1.39,Dairy", "3,Short"), false)
	if messy.Rows != 5 || messy.Good != 1 || messy.Rejected != 3 || messy.Duplicates != 1 || !messy.Whole || messy.Error != nil {
		t.Errorf("messy file: %+v", messy)
	}
	if messy.Format != "csv" || messy.Delimiter != "," || len(messy.Columns) != 4 || messy.Columns[2] != (PreviewColumn{"price", "price", "1.29"}) {
		t.Errorf("format %q, delimiter %q, columns %+v", messy.Format, messy.Delimiter, messy.Columns)
	}
	found := ""
	for _, p := range messy.Problems {
		found += fmt.Sprintf("%d %s %s %s\n", p.Row, p.Column, p.Severity, p.Reason)
	}
	const want = "1 item_id noted duplicate\n2 price rejected bad_price\n3 item_id rejected no_item\n5  rejected too_few_columns\n"
	if found != want {
		t.Errorf("problems:\n%swant:\n%s", found, want)
	}
	if bad := messy.Problems[1]; bad.Value != "ask us" || bad.Fix == "" {
		t.Errorf("the bad price: %+v", bad)
	}

	if p := preview(full, rows("1,Milk,1.29,Dairy", "2,Bread,2.0"), true); p.Rows != 2 || p.Whole {
		t.Errorf("a whole line at the end of a beginning: %+v", p)
	}
	if p := preview(full, "item_id,name,price,category\n1,Milk,1.29,Dairy\n2,Bre", true); p.Rows != 1 || p.Rejected != 0 || p.Error != nil {
		t.Errorf("a beginning that ends within a row: %+v", p)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprint(z, file(1, 5000, "1.00"))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if p := preview(full, zipped.String()[:zipped.Len()/2], true); p.Rows < 100 || p.Error != nil || p.Compression != "gzip" {
		t.Errorf("the beginning of a compressed file: %d rows, %+v", p.Rows, p.Error)
	}
	if p := preview(full, zipped.String()[:zipped.Len()/2], false); p.Error == nil || p.Error.Row < 100 {
		t.Errorf("half a compressed file that is said to be whole: %d rows, %+v", p.Rows, p.Error)
	}
	for body, reason := range map[string]feed.Reason{"": feed.Empty, "PK\x03\x04junk": feed.Binary, "a,b\n1,2\n": feed.MissingColumns} {
		if p := preview(full, body, false); p.Error == nil || p.Error.Reason != string(reason) || p.Rows != 0 {
			t.Errorf("%q: %+v, want %s", body, p.Error, reason)
		}
	}
	all := preview(Submission{Kind: feed.KindDelta}, "store_id,item_id,name,price\n1,1,Milk,1.00\n9,1,Milk,1.00\n,1,Milk,1.00\n", false)
	if all.Good != 1 || all.Counts[string(unknownStore)] != 1 || all.Counts[string(feed.NoStore)] != 1 {
		t.Errorf("rows that name their stores: %+v", all)
	}
	if n := len(preview(full, file(1, 2*previewProblems, "no"), false).Problems); n != previewProblems {
		t.Errorf("%d problems are listed", n)
	}
	if feeds, err := w.service.store.feeds(w.ctx, feedFilter{AllCauses: true, Limit: 10}); err != nil || len(feeds) != 0 {
		t.Errorf("previews left %d feeds (%v)", len(feeds), err)
	}
}

func TestPreviewOverHTTP(t *testing.T) {
	w := newWorld(t)
	h := &Handlers{service: w.service}
	post := func(query string) (*httptest.ResponseRecorder, error) {
		r := httptest.NewRequestWithContext(w.ctx, http.MethodPost, "/v1/feeds/corner/preview?"+query, strings.NewReader(file(1, 3, "1.00")))
		r.SetPathValue("merchant", "corner")
		answer := httptest.NewRecorder()
		return answer, h.PreviewFeed(answer, r)
	}
	answer, err := post("store=1&kind=full")
	if err != nil {
		t.Fatal(err)
	}
	var p Preview
	if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil || p.Good != 3 {
		t.Errorf("answer %s: %v", answer.Body, err)
	}
	for query, says := range map[string]string{"kind=half": `"half"`, "kind=full&stroe=1": `"stroe"`} {
		if _, err := post(query); fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.UserMessage(err), says) {
			t.Errorf("POST ?%s: %v", query, err)
		}
	}
	if _, err := post("kind=full&store=9"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an unknown store: %v", err)
	}
}
