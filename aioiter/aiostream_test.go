package aioiter_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
	"github.com/goaio/aio/aiotest"
)

// expression evaluates an expression of testdata/aiostream: see make.py there. The
// names in it are those of aiostream.
type expression struct {
	source func(words string) aioiter.Stream[string]
}

func (e expression) stream(x ast.Expr) aioiter.Stream[string] {
	call := x.(*ast.CallExpr)
	name := call.Fun.(*ast.Ident).Name
	if name == "src" {
		words, err := strconv.Unquote(call.Args[0].(*ast.BasicLit).Value)
		if err != nil {
			panic(err)
		}
		return e.source(words)
	}
	var sources []aioiter.Stream[string]
	number := 0
	for _, arg := range call.Args {
		if lit, ok := arg.(*ast.BasicLit); ok {
			n, err := strconv.Atoi(lit.Value)
			if err != nil {
				panic(err)
			}
			number = n
			continue
		}
		sources = append(sources, e.stream(arg))
	}
	join := func(_ context.Context, items []string) (string, error) { return strings.Join(items, "+"), nil }
	switch name {
	case "chain":
		return aioiter.Chain(sources...)
	case "merge":
		return aioiter.Merge(sources...)
	case "zip":
		return aioiter.Map(aioiter.ZipAll(sources...), 1, join)
	case "chunks":
		return aioiter.Map(aioiter.Chunk(sources[0], number), 1, join)
	case "ordered":
		return aioiter.Map(sources[0], number, slower)
	case "unordered":
		return aioiter.MapUnordered(sources[0], number, slower)
	case "timeout":
		return aioiter.Timeout(sources[0], time.Duration(number)*ms)
	}
	panic("no operator " + name)
}

// slower sleeps a second for each byte of its item.
func slower(ctx context.Context, v string) (string, error) {
	if v == "bad" {
		return "", errSource
	}
	return strings.ToUpper(v), aio.Sleep(ctx, time.Duration(len(v))*time.Second)
}

// observe ranges over s as consume in make.py does.
func observe(ctx context.Context, s aioiter.Stream[string], pause time.Duration, limit int) string {
	start := now(ctx)
	var events []string
	add := func(what string) { events = append(events, fmt.Sprintf("%s@%d", what, now(ctx).Sub(start)/ms)) }
	n := 0
	for v, err := range s(ctx) {
		if errors.Is(err, aio.ErrTimeout) {
			add("timeout")
			break
		}
		if err != nil {
			add("failed")
			break
		}
		add(v)
		if n++; n == limit {
			break
		}
		if pause > 0 {
			if err := aio.Sleep(ctx, pause); err != nil {
				break
			}
		}
	}
	add("over")
	return strings.Join(events, " ")
}

// aiostreamKinds are the deliberate differences from aiostream.
var aiostreamKinds = map[string]string{
	"order": "when several items wait for the consumer, aiostream takes that of the first source, here the one that came first",
	"ahead": "aiostream works only while the consumer waits: here a source is read, and a call is started, also while the consumer is busy",
	"error": "aiostream raises an error of the source of map at once, here it comes after the results for the items before it",
	"tie":   "one source of zip ends and another one fails at the same moment: whichever comes first counts",
}

// mayDiffer adds the kinds of differences that may show in x. busy reports that the
// consumer of x does something else between two items.
func mayDiffer(x ast.Expr, busy bool, kinds map[string]bool) (fails bool) {
	call := x.(*ast.CallExpr)
	name := call.Fun.(*ast.Ident).Name
	sources, number := 0, ""
	for _, arg := range call.Args {
		if lit, ok := arg.(*ast.BasicLit); ok {
			number = lit.Value
		} else {
			sources++
		}
	}
	concurrent := (name == "ordered" || name == "unordered") && number != "1"
	inner := busy
	switch name {
	case "src":
		return strings.Contains(number, "!") || strings.Contains(number, "bad")
	case "zip", "merge":
		inner = busy || sources > 1
	case "ordered", "unordered":
		inner = busy || number == "1"
	}
	for _, arg := range call.Args {
		if _, ok := arg.(*ast.CallExpr); ok && mayDiffer(arg, inner || concurrent, kinds) {
			fails = true
		}
	}
	kinds["order"] = kinds["order"] || busy && (name == "merge" && sources > 1 || name == "unordered" && concurrent)
	kinds["ahead"] = kinds["ahead"] || busy && concurrent
	kinds["error"] = kinds["error"] || fails && concurrent
	kinds["tie"] = kinds["tie"] || name == "zip" && sources > 1 && fails
	return fails || name == "timeout"
}

// TestAiostream runs the expressions of testdata/aiostream and compares the events with
// those of aiostream.
func TestAiostream(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "aiostream", "cases.txt"))
	if err != nil {
		t.Fatal(err)
	}
	cases, same, alike := 0, 0, 0
	differ := map[string]int{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 6 {
			t.Fatalf("%d fields: %s", len(f), line)
		}
		x, err := parser.ParseExpr(f[1])
		if err != nil {
			t.Fatal(err)
		}
		pause, err1 := strconv.Atoi(f[2])
		limit, err2 := strconv.Atoi(f[3])
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		cases++
		aiotest.Run(t, func(ctx context.Context) error {
			// ignores the errors of tasks that the consumer no longer
			// awaits
			loopOf(ctx).SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
			var log []string
			e := expression{func(words string) aioiter.Stream[string] { return script(ctx, &log, words) }}
			events := observe(ctx, e.stream(x), time.Duration(pause)*ms, limit)
			var ends []int
			for _, l := range log {
				n, err := strconv.Atoi(strings.TrimPrefix(l, "end@"))
				if err != nil {
					return err
				}
				ends = append(ends, n)
			}
			slices.Sort(ends)
			got := strings.Trim(fmt.Sprint(ends), "[]")
			if strings.Contains(f[1], "zip") || limit >= 0 {
				got = f[5]
			}
			kinds := map[string]bool{}
			mayDiffer(x, pause > 0, kinds)
			maps.DeleteFunc(kinds, func(_ string, may bool) bool { return !may })
			switch equal := events == f[4] && got == f[5]; {
			case len(kinds) == 0 && equal:
				same++
			case equal:
				alike++
			case len(kinds) > 0:
				differ[fmt.Sprint(slices.Sorted(maps.Keys(kinds)))]++
			default:
				t.Errorf("%s: %s, pause %s, limit %s\n got %s ends %s\nwant %s ends %s", f[0], f[1], f[2], f[3], events, got, f[4], f[5])
			}
			return nil
		})
	}
	t.Logf("of %d cases %d are the same, %d too though they might differ; different are %v", cases, same, alike, differ)
}

// The differences, each by the shortest expression: what aiostream does and what the
// operators here do.
func TestAiostreamDifferences(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "aiostream", "cases.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind, expression, there, here string
		pause                         time.Duration
	}{
		{"order", `merge(src("10 a b"), src("20 c"))`, "a@10 b@35 c@60 over@85", "a@10 c@35 b@60 over@85", 25 * ms},
		{"order", `unordered(src("10 aa b c"), 0)`, "B@1010 AA@5010 C@9010 over@13010", "B@1010 C@5010 AA@9010 over@13010", 4000 * ms},
		{"ahead", `ordered(src("10 a b 100 c"), 2)`, "A@1010 B@1710 C@3410 over@4110", "A@1010 B@1710 C@2810 over@3510", 700 * ms},
		{"error", `ordered(src("10 a !"), 0)`, "failed@10 over@10", "A@1010 failed@1010 over@1010", 0},
	} {
		line := fmt.Sprintf("\t%s\t%d\t-1\t%s\t", c.expression, c.pause/ms, c.there)
		if aiostreamKinds[c.kind] == "" || strings.Count(string(text), line) != 1 {
			t.Errorf("%s: no such case", c.expression)
		}
		x, err := parser.ParseExpr(c.expression)
		if err != nil {
			t.Fatal(err)
		}
		aiotest.Run(t, func(ctx context.Context) error {
			var log []string
			e := expression{func(words string) aioiter.Stream[string] { return script(ctx, &log, words) }}
			if got := observe(ctx, e.stream(x), c.pause, -1); got != c.here {
				t.Errorf("%s\n got %s\nwant %s", c.expression, got, c.here)
			}
			return nil
		})
	}
}

// TestAiostreamNames compares the table of docs/idioms.md with the names of aiostream.
func TestAiostreamNames(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "idioms.md"))
	if err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadFile(filepath.Join("testdata", "aiostream", "names.txt"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n| aiostream | here |\n")
	table, _, ended := strings.Cut(table, "\n\n")
	if !found || !ended {
		t.Fatal("the page has no table")
	}
	rows := map[string]int{}
	for row := range strings.Lines(table) {
		left := strings.Split(row, "|")[1]
		for _, m := range regexp.MustCompile("`(?:stream\\.)?(\\w+)[^`]*`").FindAllStringSubmatch(left, -1) {
			rows[m[1]]++
		}
	}
	for name := range strings.FieldsSeq(string(names)) {
		if rows[name] == 0 {
			t.Errorf("the table has no %s", name)
		}
		delete(rows, name)
	}
	if len(rows) > 0 {
		t.Errorf("only the table has %v", rows)
	}
}
