// Package markdown reads what the documentation claims, so that tests can hold
// it against what there is: its links, its code, its headings. It knows the
// part of Markdown that the project writes, not all of CommonMark.
package markdown

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// File is one document.
type File struct {
	// Path is slash-separated, from the module's root.
	Path string
	Text string
}

// Code is a piece of code in a document: a span in running text, or a line of
// a block, continued lines joined.
type Code struct {
	Line int
	Text string
	// Block says that the piece is a line of a fenced or indented block.
	Block bool
}

// Link is where a document points to.
type Link struct {
	Line   int
	Target string
}

// skipped are folders that hold other people's documents, or none.
var skipped = map[string]bool{"node_modules": true, "third_party": true, "testdata": true, "dist": true, "bin": true}

// Files reads every document below root, and fails the test where there are
// none: then the walk is broken.
func Files(t testing.TB, root string) []File {
	t.Helper()
	var files []File
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && (skipped[d.Name()] || strings.HasPrefix(d.Name(), ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files = append(files, File{Path: filepath.ToSlash(rel), Text: string(text)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("no document below %s", root)
	}
	return files
}

var (
	fence    = regexp.MustCompile("^ *(```+|~~~+)")
	span     = regexp.MustCompile("``([^`].*?)``|`([^`]+)`")
	indented = regexp.MustCompile(`^(?: {4}|\t)(\S.*)$`)
)

// blocks calls text for each line of running text and code for each line of a
// block.
func (f *File) blocks(text, code func(line int, s string)) {
	open, wasBlank, inIndent := "", true, false
	for i, line := range strings.Split(f.Text, "\n") {
		mark := fence.FindStringSubmatch(line)
		switch {
		case open == "" && mark != nil:
			open = mark[1]
		case open != "" && mark != nil && strings.HasPrefix(mark[1], open):
			open = ""
		case open != "":
			code(i+1, line)
		default:
			m := indented.FindStringSubmatch(line)
			if m != nil && (wasBlank || inIndent) {
				inIndent = true
				code(i+1, m[1])
			} else {
				inIndent = false
				text(i+1, line)
			}
		}
		wasBlank = strings.TrimSpace(line) == ""
	}
}

// Code lists the document's code.
func (f *File) Code() []Code {
	var found []Code
	joined, at := "", 0
	f.blocks(func(line int, s string) {
		for _, m := range span.FindAllStringSubmatch(s, -1) {
			found = append(found, Code{Line: line, Text: strings.TrimSpace(m[1] + m[2])})
		}
	}, func(line int, s string) {
		if joined == "" {
			at = line
		}
		if head, ok := strings.CutSuffix(s, `\`); ok {
			joined += head + " "
			return
		}
		found = append(found, Code{Line: at, Text: strings.TrimSpace(joined + s), Block: true})
		joined = ""
	})
	return found
}

var links = regexp.MustCompile(`\]\(([^)\s]+)(?:\s+"[^"]*")?\)|(?:src|href|srcset)="([^"]+)"`)

// Links lists where the document points to, code left out.
func (f *File) Links() []Link {
	var found []Link
	f.blocks(func(line int, s string) {
		for _, m := range links.FindAllStringSubmatch(span.ReplaceAllString(s, ""), -1) {
			found = append(found, Link{Line: line, Target: m[1] + m[2]})
		}
	}, func(int, string) {})
	return found
}

var (
	heading = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
	linked  = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// Anchors are the names by which the document's headings are linked to.
func (f *File) Anchors() map[string]bool {
	found := map[string]bool{}
	f.blocks(func(_ int, s string) {
		if m := heading.FindStringSubmatch(s); m != nil {
			name := strings.ToLower(linked.ReplaceAllString(m[1], "$1"))
			found[strings.ReplaceAll(noSlug.ReplaceAllString(name, ""), " ", "-")] = true
		}
	}, func(int, string) {})
	return found
}
