package auth_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bodega-hq/bodega/internal/platform/auth"
)

var update = flag.Bool("update", false, "write the table of permissions into the documentation")

func TestTheDocumentationHasTheTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n| permission | lets its holder |")
	for _, role := range auth.Roles() {
		fmt.Fprintf(&b, " %s |", role)
	}
	b.WriteString("\n|---|---|" + strings.Repeat("---|", len(auth.Roles())) + "\n")
	for _, p := range auth.AllPermissions() {
		fmt.Fprintf(&b, "| `%s` | %s |", p, auth.Describe(p))
		for _, role := range auth.Roles() {
			if slices.Contains(auth.PermissionsOf(role), p) {
				b.WriteString(" yes |")
			} else {
				b.WriteString(" |")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")

	path := filepath.Join("..", "..", "..", "docs", "platform", "identity.md")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const end = "<!-- end of permissions -->"
	head, rest, ok := strings.Cut(string(content), "-update` -->\n")
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the documentation has no place for the table")
	}
	want := head + "-update` -->\n" + b.String() + end + tail
	if want == string(content) {
		return
	}
	if !*update {
		t.Fatal("the table in docs/platform/identity.md is not the one in grants.go; run this test with -update")
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
