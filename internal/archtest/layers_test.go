// Package archtest holds the rules of who may import whom. Each ban says why.
package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/bodega-hq/bodega/"

// systems are the products; none imports another: app hands a consumer the
// other's client.
var systems = []string{"inventory", "support", "creative", "variance", "clusterhealth", "fleet", "compute", "identity"}

// pure packages think and touch nothing: they can be tested by tables and
// reused by whoever has the values at hand.
var pure = []string{
	"internal/inventory/feed", "internal/inventory/normalize", "internal/inventory/hydrate", "internal/inventory/price",
	"internal/inventory/availability", "internal/inventory/guard", "internal/inventory/judge", "internal/inventory/menu",
	"internal/demo", "internal/ml/gbdt", "internal/ml/dbscan", "internal/platform/money",
}

// pureBans are what a pure package must not reach.
var pureBans = []struct{ prefix, why string }{
	{"os", "files are fetched by the caller"},
	{"net", "the network is the caller's"},
	{"database/sql", "SQL lives in store files"},
	{"github.com/jackc/pgx", "SQL lives in store files"},
	{"connectrpc.com/", "transport lives in handlers"},
	{"go.temporal.io/", "order and retries live in workflows"},
	{"log", "pure code returns what it has to say"},
	{module + "internal/platform/pg", "SQL lives in store files"},
	{module + "internal/platform/rpc", "transport lives in handlers"},
	{module + "internal/platform/blob", "objects are fetched by the caller"},
	{module + "internal/platform/durable", "order and retries live in workflows"},
}

// heavy packages may be linked by the main binary alone.
var heavy = []struct{ pkg, why string }{
	{"internal/platform/durable/embedded", "Temporal's server compiles for minutes"},
	{"internal/platform/blob/cloud", "the cloud providers' libraries are large"},
}

type source struct {
	dir     string // of the package, from the module's root
	file    string
	test    bool
	imports []string
	ast     *ast.File
	fset    *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var found []source
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if d.Name() == "node_modules" || d.Name() == "testdata" || rel == "gen" || strings.HasPrefix(d.Name(), ".") && rel != "." {
				return filepath.SkipDir
			}
			// Another module has rules of its own.
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil && rel != "." {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		s := source{dir: path.Dir(rel), file: rel, test: strings.HasSuffix(rel, "_test.go"), ast: f, fset: fset}
		for _, spec := range f.Imports {
			s.imports = append(s.imports, strings.Trim(spec.Path.Value, `"`))
		}
		found = append(found, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 50 {
		t.Fatalf("only %d Go files were found: the walk is broken", len(found))
	}
	return found
}

func under(name, prefix string) bool { return name == prefix || strings.HasPrefix(name, prefix+"/") }

func systemOf(dir string) string {
	for _, s := range systems {
		if under(dir, "internal/"+s) {
			return s
		}
	}
	return ""
}

func TestPlatformKnowsNoSystem(t *testing.T) {
	for _, s := range sources(t) {
		if !under(s.dir, "internal/platform") && !under(s.dir, "internal/ml") {
			continue
		}
		for _, imported := range s.imports {
			local := strings.TrimPrefix(imported, module)
			if system := systemOf(local); system != "" || under(local, "internal/app") || under(local, "internal/operatorapp") {
				t.Errorf("%s imports %s: platform is what systems stand on", s.file, imported)
			}
		}
	}
}

func TestSystemsDoNotKnowEachOther(t *testing.T) {
	for _, s := range sources(t) {
		own := systemOf(s.dir)
		if own == "" {
			continue
		}
		for _, imported := range s.imports {
			local := strings.TrimPrefix(imported, module)
			if other := systemOf(local); other != "" && other != own {
				t.Errorf("%s imports %s: declare an interface, and let app hand the client in", s.file, imported)
			}
			if under(local, "internal/app") {
				t.Errorf("%s imports %s: app knows the systems, not the reverse", s.file, imported)
			}
		}
	}
}

func TestPurePackagesArePure(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || !slices.ContainsFunc(pure, func(p string) bool { return under(s.dir, p) }) {
			continue
		}
		for _, imported := range s.imports {
			for _, ban := range pureBans {
				if imported == ban.prefix || strings.HasPrefix(imported, strings.TrimSuffix(ban.prefix, "/")+"/") {
					t.Errorf("%s imports %s: %s", s.file, imported, ban.why)
				}
			}
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if pkg, ok := call.X.(*ast.Ident); ok && pkg.Name == "time" && (call.Sel.Name == "Now" || call.Sel.Name == "Since") {
				t.Errorf("%s: time.%s: the time is an argument", s.fset.Position(call.Pos()), call.Sel.Name)
			}
			return true
		})
	}
}

func TestHeavyPackagesAreLinkedByTheMainBinaryAlone(t *testing.T) {
	for _, s := range sources(t) {
		for _, h := range heavy {
			if under(s.dir, h.pkg) || s.dir == "cmd/bodega" {
				continue
			}
			if slices.Contains(s.imports, module+h.pkg) {
				t.Errorf("%s imports %s: %s", s.file, h.pkg, h.why)
			}
		}
	}
}

func TestMainsAreSmall(t *testing.T) {
	for _, s := range sources(t) {
		if path.Base(s.file) != "main.go" || !under(s.dir, "cmd") {
			continue
		}
		if lines := s.fset.Position(s.ast.End()).Line; lines >= 40 {
			t.Errorf("%s has %d lines: what it does belongs into app", s.file, lines)
		}
	}
}
