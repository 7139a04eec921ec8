package markdown

import (
	"reflect"
	"testing"
)

const sample = "# Who may `call`: a list\n" +
	"See [the list](list.md#who-may) and `make [x](y)`; ``a `b` c``.\n" +
	"<img src=\"images/a.svg\" alt=\"\">\n" +
	"\n" +
	"```sh\n" +
	"bodega feed submit \\\n" +
	"  --merchant M\n" +
	"# no heading\n" +
	"```\n" +
	"\n" +
	"    go test ./...\n" +
	"\n" +
	"- a list\n" +
	"    that goes on with `more`\n"

func TestCode(t *testing.T) {
	f := File{Text: sample}
	want := []Code{
		{Line: 1, Text: "call"}, {Line: 2, Text: "make [x](y)"}, {Line: 2, Text: "a `b` c"},
		{Line: 6, Text: "bodega feed submit    --merchant M", Block: true}, {Line: 8, Text: "# no heading", Block: true},
		{Line: 11, Text: "go test ./...", Block: true}, {Line: 14, Text: "more"},
	}
	if got := f.Code(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestLinksAndAnchors(t *testing.T) {
	f := File{Text: sample}
	if got, want := f.Links(), []Link{{2, "list.md#who-may"}, {3, "images/a.svg"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("links %v, want %v", got, want)
	}
	if got, want := f.Anchors(), map[string]bool{"who-may-call-a-list": true}; !reflect.DeepEqual(got, want) {
		t.Errorf("anchors %v, want %v", got, want)
	}
}
