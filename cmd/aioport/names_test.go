package main

import (
	"bufio"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	_ "github.com/goaio/aio/internal/stage" // no sleep at the exit
)

var update = flag.Bool("update", false, "TestNames writes names.tsv in place of comparing with it")

// The names are those of docs/porting.md.
func TestNames(t *testing.T) {
	page, err := os.Open("../../docs/porting.md")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	row := regexp.MustCompile("^\\| `([^`]+)` \\| (?:\\[`([^`]+)`\\]\\(.*?\\)|–) \\| (.*?) ?\\|$")
	var want strings.Builder
	for lines := bufio.NewScanner(page); lines.Scan(); {
		if lines.Text() == "## concurrent.futures" {
			break
		}
		if m := row.FindStringSubmatch(lines.Text()); m != nil {
			want.WriteString(m[1] + "\t" + m[2] + "\t" + strings.TrimSpace(m[3]) + "\n")
		}
	}
	if n := strings.Count(want.String(), "\n"); n < 350 {
		t.Fatalf("the page has only %d rows that can be read", n)
	}
	if *update {
		if err := os.WriteFile("names.tsv", []byte(want.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), namesTable); diff != "" {
		t.Errorf("names.tsv is not that of docs/porting.md (go test ./cmd/aioport -run TestNames -update): -page +file\n%s", diff)
	}
}
