package archtest

import (
	"fmt"
	"go/ast"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bodega-hq/bodega/internal/testkit/markdown"
)

const root = "../.."

// examples are paths that a document invents to show how something is added.
var examples = map[string][]string{
	"docs/adding-a-system.md": {
		"internal/support", "internal/app/support.go", "proto/bodega/support", "gen/bodega/support", "console/src/gen/bodega/support", "docs/systems/support.md",
	},
	"docs/clusterhealth/add-a-check-type.md": {"internal/clusterhealth/check/nats.go"},
}

// made are paths that a command makes and Git does not keep.
var made = []string{"console/dist", "console/test-results", "console/node_modules"}

func TestDocumentsLinkToWhatIsThere(t *testing.T) {
	files := markdown.Files(t, root)
	anchors := map[string]map[string]bool{}
	for i := range files {
		anchors[files[i].Path] = files[i].Anchors()
	}
	for i := range files {
		f := &files[i]
		for _, link := range f.Links() {
			u, err := url.Parse(link.Target)
			if err != nil {
				t.Errorf("%s:%d: %s: %v", f.Path, link.Line, link.Target, err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			target := path.Join(path.Dir(f.Path), u.Path)
			if u.Path == "" {
				target = f.Path
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s:%d: the link to %s leads nowhere", f.Path, link.Line, link.Target)
				continue
			}
			if u.Fragment != "" && !anchors[target][u.Fragment] {
				t.Errorf("%s:%d: %s has no heading %q", f.Path, link.Line, target, u.Fragment)
			}
		}
	}
}

// ours begins like a path from the module's root.
var ours = regexp.MustCompile(`^(?:\./)?((?:\.ci|api|bench|cmd|console|deploy|docs|gen|internal|proto|scripts|test|third_party)/[A-Za-z0-9_./*-]+)$`)

func TestDocumentsNamePathsThatExist(t *testing.T) {
	files := markdown.Files(t, root)
	named := 0
	for i := range files {
		f := &files[i]
		for _, code := range f.Code() {
			for word := range strings.FieldsSeq(code.Text) {
				m := ours.FindStringSubmatch(strings.Trim(word, `"',;:()`))
				if m == nil {
					continue
				}
				named++
				invented := slices.ContainsFunc(slices.Concat(examples[f.Path], made), func(p string) bool { return under(strings.TrimSuffix(m[1], "/"), p) })
				if !invented && !exists(m[1]) {
					t.Errorf("%s:%d: there is no %s", f.Path, code.Line, m[1])
				}
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d paths were found: the test does not see them", named)
	}
}

// exists takes a path, a pattern, a pattern of packages, or a package with one
// of its names behind a dot.
func exists(name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(name, "..."), "/")
	for _, candidate := range []string{name, strings.TrimSuffix(name, path.Ext(name))} {
		if found, err := filepath.Glob(filepath.Join(root, candidate)); err == nil && len(found) > 0 {
			return true
		}
	}
	return false
}

var (
	makeCall   = regexp.MustCompile(`(?:^|[\s(&;])make((?: +[a-z][a-z-]*)+)`)
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
)

func TestDocumentsNameTargetsThatExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range makeTarget.FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	files := markdown.Files(t, root)
	seen := map[string]bool{}
	for i := range files {
		for _, code := range files[i].Code() {
			call := makeCall.FindStringSubmatch(code.Text)
			if call == nil || code.Block && strings.HasPrefix(code.Text, "//") {
				continue
			}
			for target := range strings.FieldsSeq(call[1]) {
				if seen[target] = true; !targets[target] {
					t.Errorf("%s:%d: the Makefile has no target %s", files[i].Path, code.Line, target)
				}
			}
		}
	}
	// What people are to run is told where they look first.
	for _, target := range []string{"run", "dev", "test", "test-faults", "lint", "generate", "verify", "bench-inventory", "bench-ml", "bench-health", "kube"} {
		if !seen[target] {
			t.Errorf("no document names make %s", target)
		}
	}
}

var (
	testName   = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)
	metricName = regexp.MustCompile(`\bbodega_[a-z0-9]+_[a-z0-9_]+\b`)
)

func TestDocumentsNameTestsAndMetricsThatExist(t *testing.T) {
	var declared, source strings.Builder
	for _, s := range sources(t) {
		text, err := os.ReadFile(filepath.Join(root, s.file))
		if err != nil {
			t.Fatal(err)
		}
		if s.test {
			declared.Write(text)
		}
		source.Write(text)
	}
	files := markdown.Files(t, root)
	for i := range files {
		for _, code := range files[i].Code() {
			for _, name := range testName.FindAllString(code.Text, -1) {
				// A pattern of -run may name the beginning.
				if !strings.Contains(declared.String(), "func "+name) {
					t.Errorf("%s:%d: there is no %s", files[i].Path, code.Line, name)
				}
			}
			for _, name := range metricName.FindAllString(code.Text, -1) {
				if !strings.Contains(source.String(), fmt.Sprintf("%q", name)) && !strings.Contains(source.String(), fmt.Sprintf("%q", histogramOf(name))) {
					t.Errorf("%s:%d: nothing is called %s", files[i].Path, code.Line, name)
				}
			}
		}
	}
}

func histogramOf(series string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if name, ok := strings.CutSuffix(series, suffix); ok {
			return name
		}
	}
	return series
}

// qualified is a name of a package as Go code and prose write it.
var qualified = regexp.MustCompile(`(?:^|[^\w./])([a-z]+)\.([A-Z]\w*)`)

func TestDocumentsNameGoThatExists(t *testing.T) {
	// Packages of the same name (two are called embedded) count as one.
	declared := map[string]map[string]bool{}
	for _, s := range sources(t) {
		if s.test || !under(s.dir, "internal") {
			continue
		}
		name := s.ast.Name.Name
		if declared[name] == nil {
			declared[name] = map[string]bool{}
		}
		for _, d := range s.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				declared[name][d.Name.Name] = declared[name][d.Name.Name] || d.Recv == nil
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						declared[name][spec.Name.Name] = true
					case *ast.ValueSpec:
						for _, ident := range spec.Names {
							declared[name][ident.Name] = true
						}
					}
				}
			}
		}
	}
	files := markdown.Files(t, root)
	seen := 0
	for i := range files {
		f := &files[i]
		for _, code := range f.Code() {
			for _, m := range qualified.FindAllStringSubmatch(code.Text, -1) {
				names, ours := declared[m[1]]
				if !ours || slices.Contains(examples[f.Path], "internal/"+m[1]) {
					continue
				}
				if seen++; !names[m[2]] {
					t.Errorf("%s:%d: package %s has no %s", f.Path, code.Line, m[1], m[2])
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d names were found: the test does not see them", seen)
	}
}

// What a reader of the tree has to find in the lists of documents.
func TestEveryDocumentIsListed(t *testing.T) {
	listed := map[string]bool{"docs/README.md": true}
	files := markdown.Files(t, root)
	for i := range files {
		f := &files[i]
		if path.Base(f.Path) != "README.md" || !under(f.Path, "docs") {
			continue
		}
		for _, link := range f.Links() {
			target, _, _ := strings.Cut(link.Target, "#")
			listed[path.Join(path.Dir(f.Path), target)] = true
		}
	}
	for i := range files {
		if p := files[i].Path; under(p, "docs") && !listed[p] {
			t.Errorf("no README.md below docs lists %s", p)
		}
	}
}
