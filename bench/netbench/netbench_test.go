//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The program itself is run, with a short load on each of its own servers.
func TestMeasures(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "netbench")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("before\n"+beginMark+"old\n"+endMark+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(bin, "-seconds", "0.05", "-rounds", "1", "-run", "echo64x50/(protocol|stream|net)$", "-out", page).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, load := range []string{"echo64x50", "tlsecho64x50"} {
		for _, server := range []string{"protocol", "stream", "net"} {
			row := regexp.MustCompile(`(?m)^\| ` + load + ` \| ` + server + ` \| [0-9.]+ \| [1-9][0-9]* \| [0-9]+ \| [0-9]+ \|$`)
			if !row.Match(got) {
				t.Errorf("there is no row for %s/%s:\n%s", load, server, got)
			}
		}
	}
	if s := string(got); !strings.HasPrefix(s, "before\n") || !strings.HasSuffix(s, "\nafter\n") || strings.Contains(s, "old") {
		t.Errorf("the page is\n%s", s)
	}
}
