package inventory

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bodega-hq/bodega/internal/platform/fault"
)

func TestPutRefusals(t *testing.T) {
	w := newWorld(t)
	h := &Handlers{service: w.service}
	put := func(query string, body io.Reader) error {
		r := httptest.NewRequestWithContext(w.ctx, http.MethodPut, "/v1/feeds/corner?"+query, body)
		r.SetPathValue("merchant", "corner")
		return h.PutFeed(httptest.NewRecorder(), r)
	}
	broken := io.MultiReader(strings.NewReader(file(1, 3, "1.00")), iotest.ErrReader(errors.New("connection reset")))
	for _, c := range []struct {
		query string
		body  io.Reader
		kind  fault.Kind
		says  string
	}{
		{"store=1&kind=full&stroe=2", strings.NewReader(file(1, 3, "1.00")), fault.Invalid, `"stroe"`},
		{"store=1&kind=half", strings.NewReader(file(1, 3, "1.00")), fault.Invalid, `"half"`},
		{"store=1", strings.NewReader(file(1, 3, "1.00")), fault.Invalid, "kind"},
		{"store=1&region=north&kind=full", strings.NewReader(file(1, 3, "1.00")), fault.Invalid, "not both"},
		{"store=1&kind=full&source_time=yesterday", strings.NewReader(file(1, 3, "1.00")), fault.Invalid, `"yesterday"`},
		{"store=1&kind=full", strings.NewReader(""), fault.Invalid, "empty"},
		{"store=1&kind=full", broken, fault.Invalid, "broke off"},
		{"store=9&kind=full", strings.NewReader(file(1, 3, "1.00")), fault.NotFound, "store"},
		{"region=south&kind=full", strings.NewReader(file(1, 3, "1.00")), fault.NotFound, `"south"`},
	} {
		err := put(c.query, c.body)
		if fault.KindOf(err) != c.kind || !strings.Contains(fault.UserMessage(err), c.says) {
			t.Errorf("PUT ?%s: %v, want %s that says %s", c.query, err, c.kind, c.says)
		}
	}
	feeds, err := w.service.store.feeds(w.ctx, feedFilter{AllCauses: true, Limit: 10})
	if err != nil || len(feeds) != 0 {
		t.Errorf("what was refused left %d feeds (%v)", len(feeds), err)
	}
	if err := put("store=1&kind=full&idempotency_key=k", strings.NewReader(file(1, 3, "1.00"))); err != nil {
		t.Fatal(err)
	}
	if err := put("store=1&kind=full&idempotency_key=k", strings.NewReader(file(1, 3, "2.00"))); fault.KindOf(err) != fault.AlreadyExists {
		t.Errorf("the same key for other content: %v", err)
	}
}
