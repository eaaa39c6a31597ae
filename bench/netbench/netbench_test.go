//go:build linux

package main

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Runs the program with a short load of each kind. Rivals that need other tools than Go
// are included if the tools are installed.
func TestMeasures(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "netbench")
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, part := range []struct {
		load, tool string
		rivals     []string
	}{
		{"echo64x50", "", []string{"protocol", "stream", "net"}},
		{"echo64x1", "", []string{"gnet"}},
		{"datagram", "", []string{"datagram", "net", "gnet"}},
		{"datagram", "python3", []string{"asyncio-datagram"}},
		{"tlsecho64x50", "", []string{"protocol", "stream", "net"}},
		{"echo64x1", "python3", []string{"asyncio", "asyncio-stream"}},
		{"idle64x5000", "", []string{"protocol", "stream", "stream with a buffer", "net"}},
		{"connect", "", []string{"protocol", "stream", "net"}},
		{"get-P16", "redis-benchmark", []string{"kv"}},
		{"set-P1", "redis-server", []string{"redis-server"}},
		{"http50", "wrk", webs},
		{"client50", "", clients},
		{"true", "", []string{"aio", "os/exec"}},
		{"read", "dd", []string{"aio", "os/exec"}},
		{"write", "dd", []string{"aio", "os/exec"}},
		{"cat-cores", "taskset", []string{"aio", "os/exec"}},
		{"true", "python3", []string{"asyncio"}},
		{"sendfile", "", []string{"Sendfile", "io.Copy"}},
		{"cores-hash64", "", splits},
	} {
		t.Run(part.load, func(t *testing.T) {
			if _, err := exec.LookPath(part.tool); part.tool != "" && err != nil {
				t.Skip(err)
			}
			page := filepath.Join(dir, "page.md")
			if err := os.WriteFile(page, []byte(beginMark+endMark), 0o600); err != nil {
				t.Fatal(err)
			}
			match := "^" + part.load + "/(" + strings.Join(part.rivals, "|") + ")$"
			out, err := exec.Command(bin, "-seconds", "0.05", "-rounds", "1", "-run", match, "-out", page).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			got, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			for _, rival := range part.rivals {
				row := regexp.MustCompile(`(?m)^\| ` + part.load + ` \| ` + rival + `( \| [0-9.]*[1-9][0-9.]*)+ \| 0 % \|$`)
				if !row.Match(got) {
					t.Errorf("no row for %s:\n%s\n%s", rival, got, out)
				}
			}
		})
	}
}

// A run that excludes loads keeps their rows on the page, including the rows about
// goals.
func TestPageKeepsWhatWasNotMeasured(t *testing.T) {
	i := slices.IndexFunc(tables, func(t table) bool { return t.title == "Subprocesses" })
	spawns := tables[i]
	one := func(*bench, string) ([]float64, error) { return []float64{1, 1}, nil }
	measured := func(load load) *bench {
		load.measure = one
		b := &bench{rounds: 1, match: regexp.MustCompile(""), lines: map[string][]string{}}
		b.run(spawns, load)
		return b
	}
	first := measured(spawns.loads[0]).markdown("")
	second := measured(spawns.loads[1]).markdown(first)
	for _, want := range []string{
		"### Subprocesses\n",
		"\n| true | aio | 1.00 | 1.00 | 0 % |\n",
		"\n| read | aio | 1.00 | 1.00 | 0 % |\n",
		"\n| `true` | ms/run | aio | os/exec | 1.00 | at most 1.10 |\n| `read` | ms/run | aio | os/exec | 1.00 | at most 1.11 |\n",
	} {
		if strings.Count(second, want) != 1 {
			t.Errorf("want %q exactly once:\n%s", want, second)
		}
	}
	if strings.Contains(second, "### Echo") {
		t.Errorf("a table without measurements was written:\n%s", second)
	}
}

func TestSpread(t *testing.T) {
	rounds := [][]float64{{math.NaN(), 90}, {math.NaN(), 100}, {math.NaN(), 115}}
	if got := spread(rounds); got != 0.25 {
		t.Errorf("got %v, want 0.25", got)
	}
}

func TestGoalsThatAreMissedAreBold(t *testing.T) {
	for _, c := range []struct {
		goal  goal
		ratio float64
		want  string
	}{
		{goal{atMost: 1.1}, 1.2, "**1.20** | at most 1.10 |"},
		{goal{atMost: 1.1}, 1.1, " 1.10 | at most 1.10 |"},
		{goal{atLeast: 0.8}, 0.7, "**0.70** | at least 0.80 |"},
		{goal{atLeast: 0.8}, 0.9, " 0.90 | at least 0.80 |"},
		{goal{}, 2, " 2.00 |  |"},
	} {
		if got := c.goal.row("x", c.ratio); !strings.HasSuffix(got, c.want) {
			t.Errorf("%+v of %v is %q, want suffix %q", c.goal, c.ratio, got, c.want)
		}
	}
}

// Every goal names a rival and a column of its load.
func TestGoals(t *testing.T) {
	seen := map[string]bool{}
	for _, table := range tables {
		for _, l := range table.loads {
			if seen[l.name] {
				t.Errorf("two loads are named %s", l.name)
			}
			seen[l.name] = true
			for _, g := range l.goals {
				if table.index(g.column) < 0 || !slices.Contains(l.rivals, g.of) || !slices.Contains(l.rivals, g.than) {
					t.Errorf("%s does not have the figures of %+v", l.name, g)
				}
			}
		}
	}
}

func TestWrkFigures(t *testing.T) {
	const said = `Running 1s test @ http://127.0.0.1:1
  1 threads and 50 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   378.00us  250.00us   3.59ms   92.50%
    Req/Sec   100.00k     1.00k  101.00k    70.00%
  Latency Distribution
     50%  378.00us
     75%  400.00us
     90%  450.00us
     99%    3.59ms
  100258 requests in 1.00s, 12.00MB read
Requests/sec: 100250.50
Transfer/sec:     12.00MB
`
	got, err := wrkFigures(said, 200516)
	if want := []float64{2, 100250.5, 378, 3590}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}
