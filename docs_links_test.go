package aio_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// codeSpan matches code blocks and inline code, which contain no links.
var codeSpan = regexp.MustCompile("(?ms)^```.*?^```$|^(?:    |\t)[^\n]*$|`[^`\n]*`")

var (
	linkTarget     = regexp.MustCompile(`\]\(\s*<?([^)>\s]+)>?[^)]*\)`)
	linkDefinition = regexp.MustCompile(`(?m)^\[[^\]]+\]:\s*<?([^>\s]+)`)
	linkAttribute  = regexp.MustCompile(`(?:src|href)="([^"]+)"`)
	headingLine    = regexp.MustCompile(`(?m)^#+ +(.*?) *$`)
	notInAnchor    = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// headingAnchors returns the anchors of the headings of a document, as GitHub generates
// them.
func headingAnchors(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, m := range headingLine.FindAllStringSubmatch(text, -1) {
		anchors[strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return anchors
}

// relativeLinks returns the relative links of a document.
func relativeLinks(text string) (links []string) {
	text = codeSpan.ReplaceAllString(text, "")
	for _, re := range []*regexp.Regexp{linkTarget, linkDefinition, linkAttribute} {
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			if u, err := url.Parse(m[1]); err != nil || u.Scheme == "" && u.Host == "" {
				links = append(links, m[1])
			}
		}
	}
	return links
}

// deadLink returns why a link in the document at page is dead, "" if it is not.
func deadLink(page, link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return err.Error()
	}
	target := page
	if u.Path != "" {
		target = filepath.Join(filepath.Dir(page), filepath.FromSlash(u.Path))
	}
	if _, err := os.Stat(target); err != nil {
		return err.Error()
	}
	if u.Fragment == "" || filepath.Ext(target) != ".md" {
		return ""
	}
	anchors := anchorsOf[target]
	if anchors == nil {
		text, err := os.ReadFile(target)
		if err != nil {
			return err.Error()
		}
		anchors = headingAnchors(string(text))
		anchorsOf[target] = anchors
	}
	if !anchors[u.Fragment] {
		return "no such heading"
	}
	return ""
}

// anchorsOf has the anchors of the pages that links have led to.
var anchorsOf = map[string]map[string]bool{}

// TestLinks finds dead links in the documents of the repository. It does not follow
// links to other hosts.
func TestLinks(t *testing.T) {
	sample := "[a](b.md) ![c](<d.svg> \"title\") [e](https://example.com/f) `[g](h)` <a href=\"i.md\">\n" +
		"\n    [j](k)\n\n[l]: m.md\n```\n[n](o)\n```\n"
	if got := strings.Join(relativeLinks(sample), " "); got != "b.md d.svg m.md i.md" {
		t.Fatalf("links of the sample: %s", got)
	}
	for link, dead := range map[string]bool{
		"CHANGELOG.md": false, "docs": false, "README.md#install": false, "#install": false,
		"no-such-file.md": true, "README.md#no-such-heading": true, "docs/no-such-file.md": true,
	} {
		if reason := deadLink("README.md", link); (reason != "") != dead {
			t.Fatalf("link %s of the sample: dead is %v, %s", link, !dead, reason)
		}
	}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, link := range relativeLinks(string(text)) {
			if reason := deadLink(path, link); reason != "" {
				t.Errorf("%s: the link to %s is dead: %s", path, link, reason)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	packageLink   = regexp.MustCompile(`https://pkg\.go\.dev/github\.com/goaio/([\w/]+)#([\w.]+)`)
	nameReference = regexp.MustCompile("\\[`[^`\n]+`\\](:|\\[|\\()?")
)

// apiNames returns the names in api.txt in the form of pkg.go.dev URLs:
// aio#Loop.CallSoon.
func apiNames(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("api.txt")
	if err != nil {
		t.Fatal(err)
	}
	entry := regexp.MustCompile(`^(\w+) (?:\w+) (?:\(\*?(\w+)[^)]*\) )?([\w.]+)`)
	names := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		m := entry.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("cannot parse the line %s of api.txt", line)
		}
		name := m[3]
		if m[2] != "" {
			name = m[2] + "." + name
		}
		names[m[1]+"#"+name] = true
	}
	return names
}

// deadNames returns the links to pkg.go.dev whose name does not exist, and the names
// in brackets without a link definition.
func deadNames(text string, names map[string]bool) (dead []string) {
	defined := map[string]bool{}
	for _, m := range packageLink.FindAllStringSubmatch(text, -1) {
		if !names[path.Base(m[1])+"#"+m[2]] {
			dead = append(dead, m[0])
		}
	}
	references := nameReference.FindAllStringSubmatch(text, -1)
	for _, m := range references {
		if m[1] == ":" {
			defined[strings.TrimSuffix(m[0], ":")] = true
		}
	}
	for _, m := range references {
		if m[1] == "" && !defined[m[0]] {
			dead = append(dead, m[0])
		}
	}
	return dead
}

// TestNameLinks finds links to names of the package that do not exist.
func TestNameLinks(t *testing.T) {
	names := apiNames(t)
	sample := "[`Run`] [`Nothing`] [`Loop.Stop`](https://pkg.go.dev/github.com/goaio/aio#Loop.Stop)\n" +
		"[`Run`]: https://pkg.go.dev/github.com/goaio/aio#Run\n" +
		"[`Serve`]: https://pkg.go.dev/github.com/goaio/aio/aiohttp#Serve\n" +
		"[`None`]: https://pkg.go.dev/github.com/goaio/aio#None\n" +
		"[`Field`]: https://pkg.go.dev/github.com/goaio/aio#Runner.Signals\n"
	got := strings.Join(deadNames(sample, names), " ")
	if got != "https://pkg.go.dev/github.com/goaio/aio#None [`Nothing`]" {
		t.Fatalf("dead names of the sample: %s", got)
	}
	pages, err := filepath.Glob(filepath.Join("docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, "README.md", "CONTRIBUTING.md", "SECURITY.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range deadNames(string(text), names) {
			t.Errorf("%s: the link %s names nothing in the package", page, link)
		}
	}
}

// unlinkedNames returns the names of the package in table rows that are not links.
func unlinkedNames(text string, names map[string]bool) (unlinked []string) {
	name := regexp.MustCompile("\\[?`(?:(aiohttp|aiosql|aiotest)\\.)?([\\w.]+)`")
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		for _, m := range name.FindAllStringSubmatch(line, -1) {
			of := m[1]
			if of == "" {
				of = "aio"
			}
			if names[of+"#"+m[2]] && !strings.HasPrefix(m[0], "[") {
				unlinked = append(unlinked, m[0])
			}
		}
	}
	return unlinked
}

// TestChooserLinks finds names in the tables of README.md that are not links.
func TestChooserLinks(t *testing.T) {
	names := apiNames(t)
	sample := "| a | `Run`, [`Gather`], `net.Conn`, `aiotest.Run`, `Nothing` |\nand `Shield`\n"
	if got := strings.Join(unlinkedNames(sample, names), " "); got != "`Run` `aiotest.Run`" {
		t.Fatalf("unlinked names of the sample: %s", got)
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range unlinkedNames(string(text), names) {
		t.Errorf("README.md: %s is not a link", name)
	}
}

// undocumented returns the exported names of a file that have no comment.
func undocumented(files *token.FileSet, file *ast.File) (names []string) {
	check := func(exported bool, name string, comments ...*ast.CommentGroup) (documented bool) {
		for _, c := range comments {
			documented = documented || strings.TrimSpace(c.Text()) != ""
		}
		if exported && !documented {
			names = append(names, name)
		}
		return documented
	}
	// A comment also documents the fields and methods directly below it, up to the
	// next empty line.
	members := func(of string, fields *ast.FieldList) {
		documented, last := false, 0
		for _, f := range fields.List {
			if files.Position(f.Pos()).Line != last+1 || f.Doc != nil {
				documented = false
			}
			last = files.Position(f.End()).Line
			for _, n := range f.Names {
				documented = documented || check(n.IsExported(), of+"."+n.Name, f.Doc, f.Comment)
			}
		}
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			name, exported := decl.Name.Name, decl.Name.IsExported()
			if decl.Recv != nil {
				of := typeName(decl.Recv.List[0].Type)
				// The method Error implements the interface error and
				// needs no comment.
				name, exported = of+"."+name, exported && ast.IsExported(of) && name != "Error"
			}
			check(exported, name, decl.Doc)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					check(s.Name.IsExported(), s.Name.Name, decl.Doc, s.Doc)
					if !s.Name.IsExported() {
						continue
					}
					switch typ := s.Type.(type) {
					case *ast.StructType:
						members(s.Name.Name, typ.Fields)
					case *ast.InterfaceType:
						members(s.Name.Name, typ.Methods)
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						check(n.IsExported(), n.Name, decl.Doc, s.Doc, s.Comment)
					}
				}
			}
		}
	}
	return names
}

// TestDocComments finds exported names without a comment, on all platforms.
func TestDocComments(t *testing.T) {
	files := token.NewFileSet()
	sample, err := parser.ParseFile(files, "", `package p

// A has a comment.
type A struct {
	B, C int
	// D and E share one.
	D int
	E int

	F int
	G int // has one too
	h int
}

type I interface{ M() }

// N has one.
func N()

func (a *A) O()
func (a *A) Error() string
func (b *b) P()
func q()

// Of all.
const (
	R = 1
	S = 2
)

var T = 1
`, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(undocumented(files, sample), " "); got != "A.B A.C A.F I I.M A.O T" {
		t.Fatalf("names of the sample without a comment: %s", got)
	}
	for _, dir := range []string{".", "aiohttp", "aiosql", "aiotest"} {
		sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(sources) == 0 {
			t.Fatalf("%s has no sources: %v", dir, err)
		}
		for _, path := range sources {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(files, path, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range undocumented(files, file) {
				t.Errorf("%s: %s has no comment", path, name)
			}
		}
	}
}
