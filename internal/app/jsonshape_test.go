package app

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// source is this package as the compiler sees it, from which the shapes of
// what commands print are read.
type source struct {
	pkg   *types.Package
	info  *types.Info
	funcs map[*types.Func]*ast.FuncDecl
}

func readSource(t *testing.T) *source {
	t.Helper()
	// The build cache has the packages that this one imports.
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", ".")
	list.Stderr = t.Output()
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = file
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	s := &source{
		info:  &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}},
		funcs: map[*types.Func]*ast.FuncDecl{},
	}
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	if s.pkg, err = conf.Check("github.com/bodega-hq/bodega/internal/app", fset, files, s.info); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok {
				s.funcs[s.info.Defs[d.Name].(*types.Func)] = d
			}
		}
	}
	return s
}

// prints follows a command's Run to all that it prints as JSON.
func (s *source) prints(command string) []string {
	run, _, _ := types.LookupFieldOrMethod(types.NewPointer(s.pkg.Scope().Lookup(command).Type()), true, s.pkg, "Run")
	var shapes []string
	todo, seen := []*types.Func{run.(*types.Func)}, map[*types.Func]bool{}
	for ; len(todo) > 0; todo = todo[1:] {
		if seen[todo[0]] {
			continue
		}
		seen[todo[0]] = true
		body := s.funcs[todo[0]]
		ast.Inspect(body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			called := s.called(call)
			if called == nil {
				return true
			}
			if called.Name() == "Print" && len(call.Args) == 2 && called.Pkg().Name() == "term" {
				if shape := s.printed(body, call.Args[0]); !slices.Contains(shapes, shape) {
					shapes = append(shapes, shape)
				}
			}
			if called.Pkg() == s.pkg && s.funcs[called] != nil {
				todo = append(todo, called)
			}
			return true
		})
	}
	return shapes
}

func (s *source) called(call *ast.CallExpr) *types.Func {
	var id *ast.Ident
	switch f := call.Fun.(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	default:
		return nil
	}
	f, _ := s.info.Uses[id].(*types.Func)
	return f
}

// printed is the shape of a value that a function prints.
func (s *source) printed(body *ast.FuncDecl, value ast.Expr) string {
	of := s.info.TypeOf(value)
	if list, ok := of.(*types.Slice); ok && s.isMessage(list.Elem()) {
		return "[" + s.shape(s.wrapped(body), "") + ", ...]"
	}
	if s.isMessage(of) {
		return s.shape(s.wrapped(value), "")
	}
	if lit, ok := value.(*ast.CompositeLit); ok {
		if m, ok := of.Underlying().(*types.Map); ok {
			var b strings.Builder
			b.WriteString("{\n")
			for _, e := range lit.Elts {
				pair := e.(*ast.KeyValueExpr)
				key, _ := strconv.Unquote(pair.Key.(*ast.BasicLit).Value)
				fmt.Fprintf(&b, "  %q: %s\n", key, s.shape(m.Elem(), "  "))
			}
			return b.String() + "}"
		}
	}
	return s.shape(of, "")
}

func (s *source) isMessage(t types.Type) bool {
	return types.Identical(t, s.pkg.Scope().Lookup("message").Type())
}

// wrapped is what is put into the first message{...} below a node.
func (s *source) wrapped(below ast.Node) (inner types.Type) {
	ast.Inspect(below, func(n ast.Node) bool {
		if lit, ok := n.(*ast.CompositeLit); ok && inner == nil && s.isMessage(s.info.TypeOf(lit)) && len(lit.Elts) == 1 {
			inner = s.info.TypeOf(lit.Elts[0])
		}
		return true
	})
	return inner
}

// writtenByHand are the shapes of types that write their JSON themselves.
var writtenByHand = map[string]string{
	"modelMetrics": "{name: number or null, ...}",
}

// shape writes a type as the JSON that becomes of it.
func (s *source) shape(t types.Type, indent string) string {
	if named, ok := types.Unalias(t).(*types.Named); ok {
		switch path := named.Obj().Pkg(); {
		case path == nil:
		case path.Path() == "time" && named.Obj().Name() == "Time", strings.HasSuffix(path.Path(), "/timestamppb"), strings.HasSuffix(path.Path(), "/durationpb"):
			return "text"
		}
		if m, _, _ := types.LookupFieldOrMethod(named, true, nil, "Descriptor"); m != nil {
			if _, isEnum := named.Underlying().(*types.Basic); isEnum {
				return "text"
			}
		}
		if written, ok := writtenByHand[named.Obj().Name()]; ok && named.Obj().Pkg() == s.pkg {
			return written
		}
		if m, _, _ := types.LookupFieldOrMethod(types.NewPointer(named), true, nil, "MarshalJSON"); m != nil {
			panic(named.String() + " writes its own JSON: add its shape to writtenByHand")
		}
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		switch info := u.Info(); {
		case info&types.IsBoolean != 0:
			return "true or false"
		case info&types.IsInteger != 0:
			return "integer"
		case info&types.IsNumeric != 0:
			return "number"
		}
		return "text"
	case *types.Pointer:
		return s.shape(u.Elem(), indent)
	case *types.Slice:
		if s.shape(u.Elem(), "") == "integer" && u.Elem().Underlying().(*types.Basic).Kind() == types.Uint8 {
			return "base64 text"
		}
		return "[" + s.shape(u.Elem(), indent) + ", ...]"
	case *types.Map:
		return "{name: " + s.shape(u.Elem(), indent) + ", ...}"
	case *types.Struct:
		var b strings.Builder
		s.fields(&b, u, indent+"  ")
		return "{\n" + b.String() + indent + "}"
	}
	return "any value"
}

func (s *source) fields(b *strings.Builder, u *types.Struct, indent string) {
	for i := range u.NumFields() {
		f, tag := u.Field(i), reflect.StructTag(u.Tag(i))
		_, isPointer := f.Type().(*types.Pointer)
		name, options, _ := strings.Cut(tag.Get("json"), ",")
		optional := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		if wire := tag.Get("protobuf"); wire != "" {
			for part := range strings.SplitSeq(wire, ",") {
				if n, ok := strings.CutPrefix(part, "name="); ok {
					name = n
				}
			}
		} else if f.Anonymous() && name == "" {
			if inner, ok := f.Type().Underlying().(*types.Struct); ok {
				s.fields(b, inner, indent)
				continue
			}
		}
		if !f.Exported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name()
		}
		mark, suffix := "", ""
		switch {
		case optional:
			mark = "?"
		case isPointer:
			suffix = " or null"
		}
		fmt.Fprintf(b, "%s%q%s: %s%s\n", indent, name, mark, s.shape(f.Type(), indent), suffix)
	}
}
