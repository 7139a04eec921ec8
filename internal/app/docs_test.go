package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/bodega-hq/bodega/internal/testkit/markdown"
)

func commandModel(t *testing.T) *kong.Node {
	t.Helper()
	var cli commands
	parser, err := kong.New(&cli, kong.Name("bodega"), kong.DefaultEnvars("BODEGA"))
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model.Node
}

// invocation finds where a command line calls bodega, from PATH or from bin/.
var invocation = regexp.MustCompile(`(?:^|[$;&|(] ?|\bsudo |\btime |\w=\S* )(?:\./)?(?:bin/)?bodega( [^|>#;&]*(?:\|[a-z][^|>#;&]*)*)`)

func TestDocumentsNameCommandsThatExist(t *testing.T) {
	model := commandModel(t)
	seen := map[string]bool{}
	for _, f := range markdown.Files(t, filepath.Join("..", "..")) {
		for _, code := range f.Code() {
			for _, call := range invocation.FindAllStringSubmatch(code.Text, -1) {
				for _, problem := range checkInvocation(model, call[1], seen) {
					t.Errorf("%s:%d: %s: %s", f.Path, code.Line, code.Text, problem)
				}
			}
		}
	}
	// Every command that can be typed is told of somewhere.
	for _, leaf := range model.Leaves(true) {
		if name := strings.TrimPrefix(leaf.FullPath(), "bodega "); !seen[name] {
			t.Errorf("no document names `bodega %s`", name)
		}
	}
}

// checkInvocation holds the words behind bodega against the model, and notes
// the commands that they name. Words may be alternatives (approve|discard),
// optional ([--store S]) or left open (…).
func checkInvocation(model *kong.Node, words string, seen map[string]bool) (problems []string) {
	at := model
	for _, word := range commandFirst(strings.Fields(strings.NewReplacer("[", " ", "]", " ", "`", " ").Replace(words))) {
		switch {
		case strings.HasPrefix(word, "-"):
			if name, _, _ := strings.Cut(word, "="); !hasFlag(at, name) {
				problems = append(problems, "no flag "+name)
			}
		case at.Leaf() || strings.Trim(word, "….") == "":
		default:
			var next *kong.Node
			for name := range strings.SplitSeq(word, "|") {
				i := slices.IndexFunc(at.Children, func(n *kong.Node) bool { return n.Name == name })
				if i < 0 {
					return append(problems, "no command "+name)
				}
				next = at.Children[i]
				seen[strings.TrimPrefix(next.FullPath(), "bodega ")] = true
			}
			at = next
		}
	}
	return problems
}

func hasFlag(n *kong.Node, name string) bool {
	for _, group := range n.AllFlags(false) {
		for _, flag := range group {
			if name == "--"+flag.Name || name == "--no-"+flag.Name && flag.Tag.Negatable != "" || flag.Short != 0 && name == "-"+string(flag.Short) {
				return true
			}
		}
	}
	return name == "--help" || name == "-h"
}

func TestCheckInvocationFindsMistakes(t *testing.T) {
	model := commandModel(t)
	for words, wrong := range map[string]bool{
		" feed submit --merchant M --kind full FILE": false,
		" hold approve|discard ID... [--feed F]":     false,
		" serve --no-reflection -o json":             false,
		" feed …":                                    false,
		" feed send FILE":                            true,
		" hold approve|refuse ID":                    true,
		" feed submit --speed=fast FILE":             true,
		" sell":                                      true,
	} {
		if got := checkInvocation(model, words, map[string]bool{}); (len(got) > 0) != wrong {
			t.Errorf("bodega%s: %q", words, got)
		}
	}
}

var variable = regexp.MustCompile(`\bBODEGA_[A-Z][A-Z0-9_]*\b`)

func TestDocumentsNameVariablesThatExist(t *testing.T) {
	known := map[string]bool{}
	for _, leaf := range commandModel(t).Leaves(false) {
		for _, group := range leaf.AllFlags(false) {
			for _, flag := range group {
				for _, env := range flag.Envs {
					known[env] = true
				}
			}
		}
	}
	// The others are read by scripts, tests and packages that are no commands.
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "dist") {
			return filepath.SkipDir
		}
		if d.IsDir() || !slices.Contains([]string{".go", ".sh", ".ts", ""}, filepath.Ext(path)) || strings.HasSuffix(path, "docs_test.go") {
			return nil
		}
		if d.Name() != "Makefile" && filepath.Ext(path) == "" {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, name := range variable.FindAllString(string(text), -1) {
			known[name] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range markdown.Files(t, root) {
		for _, code := range f.Code() {
			for _, name := range variable.FindAllString(code.Text, -1) {
				// A name that is left open says how the others are made.
				if !known[name] && !strings.HasSuffix(name, "_") {
					t.Errorf("%s:%d: nothing reads %s", f.Path, code.Line, name)
				}
			}
		}
	}
}
