package cloud

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gocloud.dev/blob/memblob"
)

// A provider lists a thousand objects in a page.
func TestListOfManyPages(t *testing.T) {
	b := &bucket{memblob.OpenBucket(nil)}
	want := map[string]bool{}
	put := func(key string) {
		t.Helper()
		if _, err := b.Put(t.Context(), key, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 2500 {
		key := fmt.Sprintf("prod/raw/%d/%d", n%3, n)
		want[key] = true
		put(key)
	}
	put("prod2/raw/0/1")
	put("prod/rawer")
	for o, err := range b.List(t.Context(), "prod/raw") {
		if err != nil {
			t.Fatal(err)
		}
		if age := time.Since(o.Written); !want[o.Key] || age < 0 || age > time.Hour {
			t.Errorf("%s of %s is listed", o.Key, o.Written)
		}
		delete(want, o.Key)
	}
	if len(want) > 0 {
		t.Errorf("%d objects are not listed: %v", len(want), want)
	}
}
