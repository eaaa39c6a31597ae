package tour

// The programs of docs/tour.md. A comment at the end of each contains its output.

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestPrograms(t *testing.T) {
	sources, err := filepath.Glob("*/main.go")
	if err != nil || len(sources) == 0 {
		t.Fatalf("found no programs: %v", err)
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on PATH")
	}
	bin := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), tool, "build", "-ldflags=-s -w", "-o", bin+string(os.PathSeparator), "./...").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, source := range sources {
		name := filepath.Dir(source)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			_, comment, ok := strings.Cut(string(text), "\t// Output:\n")
			if !ok {
				t.Fatal("no comment with the output")
			}
			var want strings.Builder
			for line := range strings.Lines(strings.TrimSuffix(comment, "}\n")) {
				want.WriteString(strings.TrimPrefix(line, "\t// "))
			}
			program := filepath.Join(bin, name)
			if runtime.GOOS == "windows" {
				program += ".exe"
			}
			got, err := exec.CommandContext(t.Context(), program).Output()
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != want.String() {
				t.Errorf("output\n%s\nwant\n%s", got, want.String())
			}
		})
	}
}
