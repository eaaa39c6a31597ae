package aio_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// guides are the documents whose code blocks are compared with compiled code.
var guides = []string{"../README.md", "idioms.md", "tour.md", "service.md", "testing.md", "cookbook.md", "migration.md", "how-it-works.md", "project.md"}

// guideBlock is a code block of a guide.
type guideBlock struct {
	guide, language, text string
	section               int // the number of the block's section in the guide
}

// guideBlocks returns the code blocks of all guides, in order.
func guideBlocks(t *testing.T) (blocks []guideBlock) {
	t.Helper()
	fence := regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	for _, guide := range guides {
		text, err := os.ReadFile(filepath.Join("docs", guide))
		if err != nil {
			t.Fatal(err)
		}
		n := len(blocks)
		for _, m := range fence.FindAllSubmatchIndex(text, -1) {
			section := strings.Count(string(text[:m[0]]), "\n## ")
			blocks = append(blocks, guideBlock{guide, string(text[m[2]:m[3]]), string(text[m[4]:m[5]]), section})
		}
		if len(blocks) == n {
			t.Fatalf("%s has no block of code", guide)
		}
	}
	return blocks
}

// isProgram reports whether the block is a whole Go file, with package and imports.
func (b guideBlock) isProgram() bool {
	return b.language == "go" && strings.HasPrefix(b.text, "package ")
}

// output returns the text of the block's Output comment; ok is false if it has none.
func (b guideBlock) output() (out string, ok bool) {
	_, comment, ok := strings.Cut(b.text, "// Output:")
	for line := range strings.Lines(comment) {
		line = strings.TrimSpace(line)
		out += strings.TrimPrefix(strings.TrimPrefix(line, "//"), " ") + "\n"
	}
	return strings.TrimSpace(out), ok
}

// guideSources are the texts that Go blocks may consist of.
type guideSources struct {
	bodies       map[string]bool // bodies of examples, not indented
	declarations map[string]bool // declarations with their comments
}

// add reads the Go files that match the pattern.
func (s *guideSources) add(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s.bodies[string(src)] = true // a whole program
		for _, d := range guideDeclarations(t, string(src)) {
			s.declarations[d.text] = true
			if f, ok := d.decl.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Example") {
				s.bodies[d.body] = true
			}
		}
	}
}

type guideDeclaration struct {
	decl ast.Decl
	text string // the declaration with its comment
	body string // body of a function, not indented
}

// guideDeclarations returns the declarations in src, or none if src is not valid Go.
func guideDeclarations(t *testing.T, src string) (found []guideDeclaration) {
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, "", src, parser.ParseComments)
	if err != nil {
		return nil
	}
	at := func(p token.Pos) int { return files.Position(p).Offset }
	for _, decl := range parsed.Decls {
		d := guideDeclaration{decl: decl}
		from := decl.Pos()
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Doc != nil {
				from = decl.Doc.Pos()
			}
			if decl.Body != nil && at(decl.Body.Rbrace) > at(decl.Body.Lbrace)+2 {
				lines := strings.SplitAfter(src[at(decl.Body.Lbrace)+2:at(decl.Body.Rbrace)], "\n")
				for _, line := range lines {
					d.body += strings.TrimPrefix(line, "\t")
				}
			}
		case *ast.GenDecl:
			if decl.Doc != nil {
				from = decl.Doc.Pos()
			}
		}
		d.text = src[at(from):at(decl.End())]
		found = append(found, d)
	}
	return found
}

// has reports whether a block is the body of an example or consists of declarations.
func (s *guideSources) has(t *testing.T, block string) bool {
	if s.bodies[block] {
		return true
	}
	found := guideDeclarations(t, "package p\n"+block)
	for _, d := range found {
		if !s.declarations[d.text] {
			return false
		}
	}
	return len(found) > 0
}

// TestGuideGo checks that the Go blocks of the guides also exist, word for word, in
// code that is compiled and run.
func TestGuideGo(t *testing.T) {
	sources := &guideSources{map[string]bool{}, map[string]bool{}}
	for _, pattern := range []string{"*_test.go", "aiotest/*_test.go", "aiohttp/*_test.go", "aiosql/*_test.go", "aiokit/*_test.go", "examples/tour/*/*.go", "examples/service/main.go", "examples/miniloop/loop/*.go", "examples/chatsteps/*.go"} {
		sources.add(t, pattern)
	}
	for _, block := range []string{
		"fmt.Println(\"no such example\")\n",
		"func (b guideBlock) output() string { return \"\" }\n",
		"// only a comment\n",
	} {
		if sources.has(t, block) {
			t.Fatalf("a block that does not exist was found:\n%s", block)
		}
	}
	for _, b := range guideBlocks(t) {
		// TestReadmePrograms checks the programs of README.md.
		if b.isProgram() && b.guide == "../README.md" {
			continue
		}
		if b.language == "go" && !sources.has(t, b.text) {
			t.Errorf("this is neither the body of an example nor declarations of a test or of the tour:\n%s\n%s", b.guide, b.text)
		}
	}
}

// TestGuidePython runs the Python blocks, with a virtual clock where they only wait for
// timers. Each must print the same as the Go blocks after it in its section.
func TestGuidePython(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("asyncio has no signal handlers on Windows")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	version, err := exec.CommandContext(t.Context(), python, "-c",
		"import sys; print(sys.version_info >= (3, 11))").Output()
	if err != nil || strings.TrimSpace(string(version)) != "True" {
		t.Skipf("python3 is not 3.11 or newer: %s %v", version, err)
	}
	blocks := guideBlocks(t)
	var programs []string
	for _, b := range blocks {
		if b.language == "python" {
			programs = append(programs, b.text)
		}
	}
	input, err := json.Marshal(programs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/virtual_clock.py")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	output, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var results []struct {
		Status         int
		Stdout, Stderr string
	}
	if err := json.Unmarshal(output, &results); err != nil || len(results) != len(programs) {
		t.Fatalf("%d results of %d programs: %v", len(results), len(programs), err)
	}
	for i, b := range blocks {
		if b.language != "python" {
			continue
		}
		result := results[0]
		results = results[1:]
		t.Run(b.guide, func(t *testing.T) {
			if result.Status != 0 {
				t.Fatalf("exit status %d\n%s\n%s", result.Status, b.text, result.Stderr)
			}
			for _, next := range blocks[i+1:] {
				if next.guide != b.guide || next.section != b.section || next.language != "go" {
					break
				}
				want, ok := next.output()
				if got := strings.TrimSpace(result.Stdout); ok && got != want {
					t.Errorf("%s\n\nprints\n%s\n\nand in Go\n%s", b.text, got, want)
				}
			}
		})
	}
}

// unpaired are the sections of docs/idioms.md that have no Python program, and why.
var unpaired = map[string]string{
	"Cancel scopes":                      "asyncio has none",
	"Stream operators":                   "aiostream is not in the standard library; aioiter has a test of each pair",
	"TLS":                                "a program would need certificates in files",
	"Rate limits":                        "asyncio has none",
	"Gather of slices and mixed results": "its Python is that of Gather",
	"Linters":                            "it is about tools of Go",
	"Compiler messages":                  "it is about tools of Go",
}

// TestGuidePairs checks that each section of docs/idioms.md has a Python program and Go
// code, in pairs, or is listed as unpaired.
func TestGuidePairs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("docs", "idioms.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(text), "\n## ")[1:]
	listed := 0
	for _, section := range sections {
		title, _, _ := strings.Cut(section, "\n")
		python, golang := strings.Count(section, "```python\n"), strings.Count(section, "```go\n")
		if unpaired[title] != "" {
			listed++
			if python > 0 {
				t.Errorf("section %q has a Python program, and is listed as unpaired", title)
			}
			continue
		}
		if python == 0 || golang < python {
			t.Errorf("section %q has %d programs in Python and %d in Go", title, python, golang)
		}
	}
	if listed != len(unpaired) {
		t.Errorf("%d sections are unpaired, and %d are listed", listed, len(unpaired))
	}
}
