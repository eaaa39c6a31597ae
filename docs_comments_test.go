package aio_test

import (
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docLink matches a doc link: [Name], [Type.Method], [*Type], also with a package.
var docLink = regexp.MustCompile(`(?:^|[\s(])\[\*?((?:[a-z][\w./-]*\.)?[A-Z]\w*(?:\.[A-Z]\w*)?|github\.com/goaio/aio/[\w/]+)\](?:[^(:\w]|$)`)

// brokenLinks returns the doc links in a comment whose name is not declared. Code
// blocks are skipped.
func brokenLinks(text string, declared func(name string) bool) (bad []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, " \t") {
			continue
		}
		for _, m := range docLink.FindAllStringSubmatch(line, -1) {
			name := m[1]
			if dir, ok := strings.CutPrefix(name, "github.com/goaio/aio/"); ok {
				if _, err := os.Stat(dir); err != nil {
					bad = append(bad, m[1])
				}
				continue
			}
			if strings.ToLower(name[:1]) == name[:1] && strings.Contains(name, ".") {
				// names of the standard library are not checked
				continue
			}
			if !declared(name) {
				bad = append(bad, m[1])
			}
		}
	}
	return bad
}

func TestDocLinks(t *testing.T) {
	isA := func(name string) bool { return name == "A" || name == "A.M" }
	sample := "see [A], [*A] and [A.M], not [B] or [A.N], a[I] or [text](url)\n\tcode [C]\n"
	if got := brokenLinks(sample, isA); !slices.Equal(got, []string{"B", "A.N"}) {
		t.Fatalf("in the sample %q are broken", got)
	}
	for _, dir := range apiFolders() {
		names := map[string]bool{}
		paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		var all []*ast.File
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(files, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, f)
			for _, d := range f.Decls {
				collectNames(names, d)
			}
		}
		for _, f := range all {
			for _, c := range f.Comments {
				for _, name := range brokenLinks(c.Text(), func(name string) bool { return names[name] }) {
					t.Errorf("%s: the link [%s] leads nowhere", files.Position(c.Pos()), name)
				}
			}
		}
	}
}

// collectNames adds the names of a declaration; methods and fields as Type.Name.
func collectNames(names map[string]bool, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names[d.Name.Name] = true
			return
		}
		of := receiverName(d)
		names[of+"."+d.Name.Name] = true
		// the methods of future belong to the types that embed it
		if of == "future" {
			names["Future."+d.Name.Name], names["Task."+d.Name.Name] = true, true
		}
		if of == "task" {
			names["Task."+d.Name.Name] = true
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names[s.Name.Name] = true
				var fields *ast.FieldList
				switch x := s.Type.(type) {
				case *ast.StructType:
					fields = x.Fields
				case *ast.InterfaceType:
					fields = x.Methods
				default:
					continue
				}
				for _, f := range fields.List {
					for _, n := range f.Names {
						names[s.Name.Name+"."+n.Name] = true
					}
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names[n.Name] = true
				}
			}
		}
	}
}

// Each entry of the list "Which function to use" in doc.go contains a link.
func TestChooserHasLinks(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	_, chooser, found := strings.Cut(f.Doc.Text(), "# Which function to use\n")
	chooser, _, _ = strings.Cut(chooser, "\n# ")
	if !found {
		t.Fatal("doc.go has no section \"Which function to use\"")
	}
	entries := 0
	for _, block := range new(comment.Parser).Parse(chooser).Content {
		list, ok := block.(*comment.List)
		if !ok {
			continue
		}
		for _, item := range list.Items {
			entries++
			text, linked := "", false
			for _, b := range item.Content {
				for _, x := range b.(*comment.Paragraph).Text {
					switch x := x.(type) {
					case comment.Plain:
						text += string(x)
					case *comment.DocLink:
						linked = true
					}
				}
			}
			if !linked && !docLink.MatchString(text+" ") {
				t.Errorf("the entry %q has no link", text)
			}
		}
	}
	if entries < 20 {
		t.Errorf("the chooser has %d entries", entries)
	}
}

// The comments of these functions tell their cost, which decides whether to use them.
func TestCostLines(t *testing.T) {
	cost := map[string]bool{"Gather": false, "WithTaskGroup": false, "ToThread": false, "Receive": false}
	for _, path := range []string{"gather.go", "taskgroup.go", "executor.go", "channels.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			d, ok := d.(*ast.FuncDecl)
			if !ok || d.Recv != nil {
				continue
			}
			if _, wanted := cost[d.Name.Name]; wanted {
				cost[d.Name.Name] = strings.Contains(d.Doc.Text(), "\nCost: ")
			}
		}
	}
	for name, told := range cost {
		if !told {
			t.Errorf("the comment of %s has no line that begins with Cost:", name)
		}
	}
}
