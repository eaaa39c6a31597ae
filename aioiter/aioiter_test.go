package aioiter_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
	"github.com/goaio/aio/aiokit"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

const ms = time.Millisecond

var errSource = errors.New("the source failed")

// script returns a source: words are items, numbers are milliseconds to wait, "!" is an
// error, and "x" is a cancellation that was not requested.
func script(ctx context.Context, log *[]string, words string) aioiter.Stream[string] {
	start := now(ctx)
	return func(ctx context.Context) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			defer func() { *log = append(*log, fmt.Sprintf("end@%d", now(ctx).Sub(start)/ms)) }()
			for _, w := range strings.Fields(words) {
				var n int
				var err error
				switch _, scanned := fmt.Sscan(w, &n); {
				case scanned == nil:
					if err = aio.Sleep(ctx, time.Duration(n)*ms); err == nil {
						continue
					}
				case w == "!":
					err = errSource
				case w == "x":
					f := aio.CreateFuture[int](ctx)
					f.Cancel()
					_, err = f.Await(ctx)
				}
				if !yield(w, err) || err != nil {
					return
				}
			}
		}
	}
}

func loopOf(ctx context.Context) *aio.Loop {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		panic(err)
	}
	return loop
}

func now(ctx context.Context) time.Time { return loopOf(ctx).Time() }

// word formats an item for a log.
func word(v any) string {
	switch v := v.(type) {
	case []string:
		return strings.Join(v, "+")
	case aioiter.Pair[string, int]:
		return fmt.Sprintf("%s+%d", v.First, v.Second)
	}
	return fmt.Sprint(v)
}

// run ranges over s and returns the items with their times, and what the sources log.
// The consumer takes pause for each item and leaves after limit items.
func run[T any](ctx context.Context, log *[]string, s aioiter.Stream[T], pause time.Duration, limit int) string {
	start := now(ctx)
	add := func(what string) { *log = append(*log, fmt.Sprintf("%s@%d", what, now(ctx).Sub(start)/ms)) }
	n := 0
	for v, err := range s(ctx) {
		switch {
		case errors.Is(err, aioiter.ErrSourceCancelled):
			add("source-cancelled")
		case errors.Is(err, aio.ErrTimeout):
			add("timeout")
		case err != nil:
			add(strings.ReplaceAll(err.Error(), " ", "-"))
		default:
			add(word(v))
		}
		if n++; n == limit {
			break
		}
		if err := aio.Sleep(ctx, pause); err != nil {
			add("cancelled")
			break
		}
	}
	add("over")
	events := strings.Join(*log, " ")
	*log = nil
	return events
}

// slow sleeps one millisecond for each byte of its item.
func slow(ctx context.Context, v string) (string, error) {
	if v == "bad" {
		return "", errSource
	}
	return strings.ToUpper(v), aio.Sleep(ctx, time.Duration(len(v))*10*ms)
}

func TestOperators(t *testing.T) {
	type streamOf = func(src func(words string) aioiter.Stream[string]) any
	for _, c := range []struct {
		name   string
		make   streamOf
		pause  time.Duration
		limit  int
		events string
	}{
		{"chain", func(s func(string) aioiter.Stream[string]) any { return aioiter.Chain(s("10 a b"), s("10 c")) },
			0, -1, "a@10 b@10 end@10 c@20 end@20 over@20"},
		{"chain of nothing", func(s func(string) aioiter.Stream[string]) any { return aioiter.Chain[string]() },
			0, -1, "over@0"},
		{"chain that is left does not start the rest", func(s func(string) aioiter.Stream[string]) any { return aioiter.Chain(s("a"), s("b")) },
			0, 1, "a@0 end@0 over@0"},
		{"chain with an error", func(s func(string) aioiter.Stream[string]) any { return aioiter.Chain(s("a !"), s("b")) },
			0, -1, "a@0 the-source-failed@0 end@0 over@0"},

		{"merge, as items arrive", func(s func(string) aioiter.Stream[string]) any {
			return aioiter.Merge(s("10 a 20 b"), s("20 c 20 d"))
		}, 0, -1, "a@10 c@20 b@30 end@30 d@40 end@40 over@40"},
		{"merge of nothing", func(s func(string) aioiter.Stream[string]) any { return aioiter.Merge[string]() },
			0, -1, "over@0"},
		{"merge is one item of each source ahead", func(s func(string) aioiter.Stream[string]) any {
			return aioiter.Merge(s("a b"), s("10 c 10 d"))
		}, 100 * ms, -1, "a@0 c@100 b@200 d@300 end@300 end@400 over@400"},
		{"merge with an error waits for the others to end", func(s func(string) aioiter.Stream[string]) any {
			return aioiter.Merge(s("10 a 10 !"), s("15 b 100 c"))
		}, 0, -1, "a@10 b@15 end@20 end@20 the-source-failed@20 over@20"},
		{"merge with a cancelled source", func(s func(string) aioiter.Stream[string]) any { return aioiter.Merge(s("10 x"), s("20 a")) },
			0, -1, "end@10 end@10 source-cancelled@10 over@10"},
		{"merge that is left", func(s func(string) aioiter.Stream[string]) any { return aioiter.Merge(s("10 a 10 b"), s("90 c")) },
			0, 1, "a@10 end@10 end@10 over@10"},

		{"zip waits for its sources concurrently", func(s func(string) aioiter.Stream[string]) any {
			return aioiter.ZipAll(s("10 a 30 b"), s("20 c 10 d"))
		}, 0, -1, "a+c@20 b+d@50 end@50 end@50 over@50"},
		{"zip ends with the shorter source", func(s func(string) aioiter.Stream[string]) any {
			return aioiter.ZipAll(s("a 10"), s("b 20 c"))
		}, 0, -1, "a+b@0 end@10 end@10 over@10"},
		{"zip of nothing", func(s func(string) aioiter.Stream[string]) any { return aioiter.ZipAll[string]() }, 0, -1, "over@0"},
		{"zip with an error", func(s func(string) aioiter.Stream[string]) any { return aioiter.ZipAll(s("a 10 !"), s("b 20 c")) },
			0, -1, "a+b@0 end@10 end@10 the-source-failed@10 over@10"},
		{"zip of two types", func(s func(string) aioiter.Stream[string]) any { return aioiter.Zip(s("a b"), aioiter.Of(1, 2, 3)) },
			0, -1, "a+1@0 b+2@0 end@0 over@0"},

		{"map in turn", func(s func(string) aioiter.Stream[string]) any { return aioiter.Map(s("aaa b cc"), 1, slow) },
			0, -1, "AAA@30 B@40 CC@60 end@60 over@60"},
		{"map in order", func(s func(string) aioiter.Stream[string]) any { return aioiter.Map(s("aaa b cc"), 0, slow) },
			0, -1, "end@0 AAA@30 B@30 CC@30 over@30"},
		{"map in order with a limit", func(s func(string) aioiter.Stream[string]) any { return aioiter.Map(s("aaa b cc"), 2, slow) },
			0, -1, "AAA@30 B@30 end@30 CC@50 over@50"},
		{"map out of order", func(s func(string) aioiter.Stream[string]) any { return aioiter.MapUnordered(s("aaa b cc"), 0, slow) },
			0, -1, "end@0 B@10 CC@20 AAA@30 over@30"},
		{"map out of order with a limit", func(s func(string) aioiter.Stream[string]) any {
			return aioiter.MapUnordered(s("aaa b cc"), 2, slow)
		}, 0, -1, "B@10 AAA@30 CC@30 end@30 over@30"},
		{"map with a failing call, in order", func(s func(string) aioiter.Stream[string]) any {
			return aioiter.Map(s("aa bad c"), 0, slow)
		}, 0, -1, "end@0 AA@20 the-source-failed@20 over@20"},
		{"map with a failing call, out of order", func(s func(string) aioiter.Stream[string]) any {
			return aioiter.MapUnordered(s("aa bad c"), 0, slow)
		}, 0, -1, "end@0 the-source-failed@0 over@0"},
		{"map with a failing source", func(s func(string) aioiter.Stream[string]) any { return aioiter.Map(s("aa !"), 0, slow) },
			0, -1, "end@0 AA@20 the-source-failed@20 over@20"},
		{"map that is left", func(s func(string) aioiter.Stream[string]) any { return aioiter.Map(s("a bbbbbb 100 c"), 0, slow) },
			0, 1, "A@10 end@10 over@10"},

		{"buffer", func(s func(string) aioiter.Stream[string]) any { return aioiter.Buffer(s("10 a 10 b 10 c 10 d"), 2) },
			25 * ms, -1, "a@10 b@35 end@40 c@60 d@85 over@110"},
		{"buffer with an error", func(s func(string) aioiter.Stream[string]) any { return aioiter.Buffer(s("a b !"), 2) },
			25 * ms, -1, "end@0 a@0 b@25 the-source-failed@50 over@75"},

		{"chunk", func(s func(string) aioiter.Stream[string]) any { return aioiter.Chunk(s("a b c d e"), 2) },
			0, -1, "a+b@0 c+d@0 end@0 e@0 over@0"},
		{"chunk with an error", func(s func(string) aioiter.Stream[string]) any { return aioiter.Chunk(s("a b c !"), 2) },
			0, -1, "a+b@0 the-source-failed@0 end@0 over@0"},

		{"debounce", func(s func(string) aioiter.Stream[string]) any {
			return aioiter.Debounce(s("a 5 b 20 c 5 d 5 e"), 10*ms)
		},
			0, -1, "b@15 end@35 e@35 over@35"},
		{"debounce with an error", func(s func(string) aioiter.Stream[string]) any { return aioiter.Debounce(s("a 5 b !"), 10*ms) },
			0, -1, "end@5 b@5 the-source-failed@5 over@5"},
		{"debounce with a slow consumer", func(s func(string) aioiter.Stream[string]) any {
			return aioiter.Debounce(s("a 20 b 20 c 20 d 20"), 10*ms)
		}, 35 * ms, -1, "a@10 c@50 end@80 d@85 over@120"},
		{"debounce of nothing", func(s func(string) aioiter.Stream[string]) any { return aioiter.Debounce(s("20"), 10*ms) },
			0, -1, "end@20 over@20"},

		{"timeout", func(s func(string) aioiter.Stream[string]) any { return aioiter.Timeout(s("10 a 10 b 40 c"), 20*ms) },
			100 * ms, -1, "a@10 b@120 end@240 timeout@240 over@340"},
		{"timeout that is left", func(s func(string) aioiter.Stream[string]) any { return aioiter.Timeout(s("10 a 10 b"), 20*ms) },
			0, 1, "a@10 end@10 over@10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				var log []string
				var got string
				switch s := c.make(func(words string) aioiter.Stream[string] { return script(ctx, &log, words) }).(type) {
				case aioiter.Stream[string]:
					got = run(ctx, &log, s, c.pause, c.limit)
				case aioiter.Stream[[]string]:
					got = run(ctx, &log, s, c.pause, c.limit)
				case aioiter.Stream[aioiter.Pair[string, int]]:
					got = run(ctx, &log, s, c.pause, c.limit)
				default:
					return fmt.Errorf("a %T", s)
				}
				if got != c.events {
					t.Errorf("\n got %s\nwant %s", got, c.events)
				}
				return nil
			})
		})
	}
}

// exported returns the names of the exported functions of the package.
func exported(t *testing.T) map[string]bool {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Name.IsExported() {
				names[d.Name.Name] = true
			}
		}
	}
	if len(names) < 10 {
		t.Fatalf("only %v are exported", names)
	}
	return names
}

// A sweep cancels the consumer at every moment: no operator leaves a source open or a
// task running, or swallows the cancellation.
func TestOperatorsCancelled(t *testing.T) {
	ops := map[string]func(a, b aioiter.Stream[string]) any{
		"Of": func(a, b aioiter.Stream[string]) any { return aioiter.Chain(aioiter.Of("a", "bb"), a) },
		"FromSeq": func(a, b aioiter.Stream[string]) any {
			return aioiter.Chain(aioiter.FromSeq(slices.Values([]string{"a"})), a)
		},
		"Collect": func(a, b aioiter.Stream[string]) any {
			return aioiter.Stream[[]string](func(ctx context.Context) iter.Seq2[[]string, error] {
				return func(yield func([]string, error) bool) { yield(aioiter.Collect(ctx, a)) }
			})
		},
		"Retry": func(a, b aioiter.Stream[string]) any {
			tries := 0
			return aioiter.Retry(func(ctx context.Context) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					for v, err := range a(ctx) {
						if !yield(v, err) || err != nil {
							return
						}
					}
					if tries++; tries < 3 {
						yield("", errSource)
					}
				}
			}, &aiokit.RetryOptions{Pause: 2 * ms})
		},
		"Zip":          func(a, b aioiter.Stream[string]) any { return aioiter.Zip(a, b) },
		"Chain":        func(a, b aioiter.Stream[string]) any { return aioiter.Chain(a, b) },
		"Merge":        func(a, b aioiter.Stream[string]) any { return aioiter.Merge(a, b) },
		"ZipAll":       func(a, b aioiter.Stream[string]) any { return aioiter.ZipAll(a, b) },
		"Map":          func(a, b aioiter.Stream[string]) any { return aioiter.Map(a, 2, slow) },
		"MapUnordered": func(a, b aioiter.Stream[string]) any { return aioiter.MapUnordered(a, 2, slow) },
		"map in turn":  func(a, b aioiter.Stream[string]) any { return aioiter.Map(a, 1, slow) },
		"Buffer":       func(a, b aioiter.Stream[string]) any { return aioiter.Buffer(a, 1) },
		"Chunk":        func(a, b aioiter.Stream[string]) any { return aioiter.Chunk(a, 2) },
		"Debounce":     func(a, b aioiter.Stream[string]) any { return aioiter.Debounce(a, 4*ms) },
		"Timeout":      func(a, b aioiter.Stream[string]) any { return aioiter.Timeout(a, time.Minute) },
		"all": func(a, b aioiter.Stream[string]) any {
			return aioiter.Chunk(aioiter.Map(aioiter.Timeout(aioiter.Merge(a, aioiter.Buffer(b, 1)), time.Hour), 2, slow), 2)
		},
	}
	for name := range exported(t) {
		if ops[name] == nil {
			t.Errorf("no sweep for %s", name)
		}
	}
	for name, op := range ops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: 6}, func(ctx context.Context, c *aiotest.Cancelled) error {
				began, ended := 0, 0
				source := func(ctx context.Context) iter.Seq2[string, error] {
					return func(yield func(string, error) bool) {
						began++
						defer func() {
							_ = aio.Shielded(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, 2*ms) })
							ended++
						}()
						for _, v := range []string{"a", "bb", "c"} {
							if err := aio.Sleep(ctx, 3*ms); !yield(v, err) || err != nil {
								return
							}
						}
					}
				}
				err := c.Do(ctx, func(ctx context.Context) error {
					switch s := op(source, source).(type) {
					case aioiter.Stream[string]:
						return drain(ctx, s)
					case aioiter.Stream[[]string]:
						return drain(ctx, s)
					case aioiter.Stream[aioiter.Pair[string, string]]:
						return drain(ctx, s)
					}
					return errors.New("no stream")
				})
				if began != ended {
					return fmt.Errorf("%d sources started, %d ended", began, ended)
				}
				if c.Happened() && errors.Is(err, aio.ErrCancelled) {
					return nil
				}
				return err
			})
		})
	}
}

// drain consumes all items and awaits at each.
func drain[T any](ctx context.Context, s aioiter.Stream[T]) error {
	for _, err := range s(ctx) {
		if err != nil {
			return err
		}
		if err := aio.Sleep(ctx, ms); err != nil {
			return err
		}
	}
	return nil
}

// A panic in a source or in a function arrives as an error.
func TestOperatorsPanics(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		bad := aioiter.Stream[string](func(context.Context) iter.Seq2[string, error] {
			return func(func(string, error) bool) { panic("oops") }
		})
		for name, s := range map[string]aioiter.Stream[string]{
			"Merge":  aioiter.Merge(bad),
			"Buffer": aioiter.Buffer(bad, 1),
			"Map":    aioiter.Map(aioiter.Of("a"), 2, func(context.Context, string) (string, error) { panic("oops") }),
		} {
			_, err := aioiter.Collect(ctx, s)
			var p *aio.PanicError
			if !errors.As(err, &p) || p.Value != "oops" {
				t.Errorf("%s: %v", name, err)
			}
		}
		// A panic in the consumer ends the sources.
		began, ended := 0, 0
		source := aioiter.Stream[int](func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				began++
				defer func() { ended++ }()
				for yield(1, aio.Sleep(ctx, 0)) {
				}
			}
		})
		func() {
			defer func() { _ = recover() }()
			for range aioiter.Merge(source, source)(ctx) {
				panic("mine")
			}
		}()
		if began != 2 || ended != 2 {
			t.Errorf("%d sources started, %d ended", began, ended)
		}
		return nil
	})
}

func TestRetry(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		start, tries := now(ctx), 0
		s := aioiter.Stream[int](func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				tries++
				if tries != 2 && !yield(tries, nil) {
					return
				}
				if tries < 4 {
					yield(0, errSource)
				}
			}
		})
		got, err := aioiter.Collect(ctx, aioiter.Retry(s, nil))
		// An item resets the delay.
		if took := now(ctx).Sub(start); !slices.Equal(got, []int{1, 3, 4}) || err != nil || took != (1+2+1)*100*ms {
			t.Errorf("%v %v after %v", got, err, took)
		}
		return nil
	})
}

func TestMisuse(t *testing.T) {
	var none aioiter.Stream[int]
	one := aioiter.Of(1)
	double := func(_ context.Context, v int) (int, error) { return 2 * v, nil }
	for name, call := range map[string]func(){
		"Chain":        func() { aioiter.Chain(one, none) },
		"Merge":        func() { aioiter.Merge(none) },
		"Zip":          func() { aioiter.Zip(one, none) },
		"ZipAll":       func() { aioiter.ZipAll(none) },
		"Map":          func() { aioiter.Map(none, 1, double) },
		"Map limit":    func() { aioiter.Map(one, -1, double) },
		"Map function": func() { aioiter.Map[int, int](one, 1, nil) },
		"MapUnordered": func() { aioiter.MapUnordered(one, -1, double) },
		"Buffer":       func() { aioiter.Buffer(one, 0) },
		"Buffer nil":   func() { aioiter.Buffer(none, 1) },
		"Chunk":        func() { aioiter.Chunk(one, 0) },
		"Debounce":     func() { aioiter.Debounce(none, 1) },
		"Timeout":      func() { aioiter.Timeout(none, 1) },
		"Retry":        func() { aioiter.Retry(none, nil) },
		"FromSeq":      func() { aioiter.FromSeq[int](nil) },
	} {
		err := func() (err error) {
			defer func() { err, _ = recover().(error) }()
			call()
			return nil
		}()
		if !errors.Is(err, aio.ErrUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := aioiter.Collect(context.Background(), none); !errors.Is(err, aio.ErrUsage) {
		t.Error(err)
	}
	// Outside of a loop the iteration returns the error.
	if _, err := aioiter.Collect(context.Background(), aioiter.Debounce(one, 1)); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Error(err)
	}
}
