package aio_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// The programs of testdata/asyncgen, which use asynchronous generators, and the traces
// that CPython wrote for them (make.py). This file reads the Python of these programs,
// and runs each statement by its counterpart here: a generator is the body of an
// iterator, anext is Iterator.Next, aclose is Iterator.Close, async for is Iterator.All.
// GeneratorExit is a yield that returns false. An exception that ends a generator is an
// error that its body yields last.

// genNode is a statement, with those that are indented below it.
type genNode struct {
	words []string // what the pattern of its form has captured
	form  string
	block []*genNode
}

// genForms are the statements that programs may have.
var genForms = map[string]*regexp.Regexp{
	"def":      regexp.MustCompile(`^async def (\w+)\(\):$`),
	"sleep":    regexp.MustCompile(`^await sleep\((\d+)\)$`),
	"yield":    regexp.MustCompile(`^yield (\w+)$`),
	"log":      regexp.MustCompile(`^log\("?([^"]*?)"?\)$`),
	"raise":    regexp.MustCompile(`^raise(?: Err\("(\w+)"\))?$`),
	"return":   regexp.MustCompile(`^return$`),
	"pass":     regexp.MustCompile(`^pass$`),
	"break":    regexp.MustCompile(`^break$`),
	"continue": regexp.MustCompile(`^continue$`),
	"try":      regexp.MustCompile(`^try:$`),
	"except":   regexp.MustCompile(`^except (\w+):$`),
	"finally":  regexp.MustCompile(`^finally:$`),
	"loop":     regexp.MustCompile(`^for _ in range\((\d+)\):$`),
	"for":      regexp.MustCompile(`^async for x in (\w+):$`),
	"aclosing": regexp.MustCompile(`^async with aclosing\((\w+)\):$`),
	"timeout":  regexp.MustCompile(`^async with timeout\((\d+)\):$`),
	"next":     regexp.MustCompile(`^await next_of\("(\w+)"\)$`),
	"close":    regexp.MustCompile(`^await close\("(\w+)"\)$`),
	"wait_for": regexp.MustCompile(`^await wait_for\((next_of|close)\("(\w+)"\), (\d+)\)$`),
	"spawn":    regexp.MustCompile(`^spawn\((\w+)\)$`),
	"cancel":   regexp.MustCompile(`^cancel\((\w+)\)$`),
	"join":     regexp.MustCompile(`^await join\((\w+)\)$`),
}

func parseGenLine(line string) (*genNode, error) {
	for form, pattern := range genForms {
		if m := pattern.FindStringSubmatch(line); m != nil {
			return &genNode{form: form, words: m[1:]}, nil
		}
	}
	return nil, fmt.Errorf("unknown statement: %s", line)
}

// genProgram is a program, with its iterators when it runs.
type genProgram struct {
	iterators [][2]string // name and generator, in order
	functions map[string][]*genNode

	loop  *aio.Loop
	start time.Time
	trace []string
	names map[string]bool // the names of the functions that ran as tasks
	tasks map[string]*aio.Task[struct{}]
	its   map[string]*aio.Iterator[int]
}

func parseGenProgram(text string) (*genProgram, error) {
	p := &genProgram{functions: map[string][]*genNode{}}
	blocks := []*genNode{{}}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if names, ok := strings.CutPrefix(line, "# "); ok {
			name, function, _ := strings.Cut(names, " = ")
			p.iterators = append(p.iterators, [2]string{name, function})
			continue
		}
		statement := strings.TrimLeft(line, " ")
		depth := (len(line) - len(statement)) / 4
		n, err := parseGenLine(statement)
		if err != nil {
			return nil, err
		}
		blocks = blocks[:depth+1]
		blocks[depth].block = append(blocks[depth].block, n)
		blocks = append(blocks, n)
	}
	for _, n := range blocks[0].block {
		p.functions[n.words[0]] = n.block
	}
	return p, nil
}

func (p *genProgram) log(ctx context.Context, format string, args ...any) {
	name := aio.CurrentTask(ctx).GetName()
	if !p.names[name] {
		name = "loop"
	}
	p.trace = append(p.trace, fmt.Sprintf("%d %s %s", p.loop.Time().Sub(p.start)/time.Second, name, fmt.Sprintf(format, args...)))
}

// genError is the exception Err of the Python programs.
type genError string

func (e genError) Error() string { return "error:" + string(e) }

// The outcomes of a statement that are not errors of the package.
var (
	errGenBreak    = errors.New("break")
	errGenContinue = errors.New("continue")
	errGenReturn   = errors.New("return")
	errGenExit     = errors.New("exit") // GeneratorExit
)

// genKind names an error as make.py does.
func genKind(err error) string {
	var e genError
	switch {
	case errors.Is(err, aio.ErrCancelled):
		return "cancelled"
	case errors.Is(err, aio.ErrTimeout):
		return "timeout"
	case errors.Is(err, aio.ErrUsage):
		return "misuse"
	case errors.As(err, &e):
		return e.Error()
	}
	return fmt.Sprintf("%T %v", err, err)
}

func genCaught(err error, class string) bool {
	var e genError
	switch class {
	case "CancelledError":
		return errors.Is(err, aio.ErrCancelled)
	case "GeneratorExit":
		return err == errGenExit
	case "Err":
		return errors.As(err, &e)
	case "TimeoutError":
		return errors.Is(err, aio.ErrTimeout)
	case "RuntimeError":
		return errors.Is(err, aio.ErrUsage)
	case "BaseException":
		return true
	}
	panic("unknown exception: " + class)
}

func genIsJump(err error) bool {
	return err == errGenBreak || err == errGenContinue || err == errGenReturn
}

// genFrame is a running function.
type genFrame struct {
	p      *genProgram
	yield  func(int) error // nil outside of generators
	x      int             // the variable of async for
	raised error           // what an except clause has caught
}

func (f *genFrame) run(ctx context.Context, block []*genNode) error {
	for i := 0; i < len(block); i++ {
		n := block[i]
		var err error
		if n.form == "try" {
			last := i + 1
			for last < len(block) && (block[last].form == "except" || block[last].form == "finally") {
				last++
			}
			err = f.try(ctx, n, block[i+1:last])
			i = last - 1
		} else {
			err = f.statement(ctx, n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *genFrame) try(ctx context.Context, n *genNode, clauses []*genNode) error {
	err := f.run(ctx, n.block)
	for _, c := range clauses {
		if c.form == "finally" {
			if e := f.run(ctx, c.block); e != nil {
				err = e
			}
		} else if err != nil && !genIsJump(err) && genCaught(err, c.words[0]) {
			outer := f.raised
			f.raised = err
			err = f.run(ctx, c.block)
			f.raised = outer
		}
	}
	return err
}

func genSeconds(word string) time.Duration {
	n, err := strconv.Atoi(word)
	if err != nil {
		panic(err)
	}
	return time.Duration(n) * time.Second
}

func (f *genFrame) statement(ctx context.Context, n *genNode) error {
	p := f.p
	arg := func(i int) string { return n.words[i] }
	switch n.form {
	case "sleep":
		return aio.Sleep(ctx, genSeconds(arg(0)))
	case "yield":
		if arg(0) == "x" {
			return f.yield(f.x)
		}
		return f.yield(int(genSeconds(arg(0)) / time.Second))
	case "log":
		if arg(0) == "x" {
			p.log(ctx, "%d", f.x)
		} else {
			p.log(ctx, "%s", arg(0))
		}
	case "raise":
		if arg(0) == "" {
			return f.raised
		}
		return genError(arg(0))
	case "return":
		return errGenReturn
	case "pass":
	case "break":
		return errGenBreak
	case "continue":
		return errGenContinue
	case "loop":
		for range int(genSeconds(arg(0)) / time.Second) {
			if err := f.run(ctx, n.block); err == errGenBreak {
				break
			} else if err != nil && err != errGenContinue {
				return err
			}
		}
	case "for":
		for v, err := range p.its[arg(0)].All(ctx) {
			if err != nil {
				return err
			}
			f.x = v
			if err := f.run(ctx, n.block); err == errGenBreak {
				break
			} else if err != nil && err != errGenContinue {
				return err
			}
		}
	case "aclosing":
		err := f.run(ctx, n.block)
		if e := p.its[arg(0)].Close(ctx); e != nil {
			return e
		}
		return err
	case "timeout":
		return aio.Timeout(ctx, genSeconds(arg(0)), func(ctx context.Context) error { return f.run(ctx, n.block) })
	case "next":
		return p.next(ctx, arg(0))
	case "close":
		return p.close(ctx, arg(0))
	case "wait_for":
		call := p.next
		if arg(0) == "close" {
			call = p.close
		}
		_, err := aio.WaitFor(ctx, aio.NoResult(func(ctx context.Context) error { return call(ctx, arg(1)) }), genSeconds(arg(2)))
		return err
	case "spawn":
		p.tasks[arg(0)] = aio.CreateTask(ctx, p.body(arg(0)), aio.WithName(arg(0)))
	case "cancel":
		p.tasks[arg(0)].Cancel()
	case "join":
		_, err := p.tasks[arg(0)].Await(ctx)
		return p.ended(ctx, "join "+arg(0), err, "ok")
	default:
		return fmt.Errorf("a statement in the wrong place: %s", n.form)
	}
	return nil
}

// ended logs the outcome of an await.
func (p *genProgram) ended(ctx context.Context, what string, err error, ok string) error {
	if err != nil {
		p.log(ctx, "%s %s", what, genKind(err))
	} else {
		p.log(ctx, "%s %s", what, ok)
	}
	return err
}

func (p *genProgram) next(ctx context.Context, it string) error {
	v, ok, err := p.its[it].Next(ctx)
	if !ok {
		return p.ended(ctx, "next "+it, err, "end")
	}
	return p.ended(ctx, "next "+it, err, strconv.Itoa(v))
}

func (p *genProgram) close(ctx context.Context, it string) error {
	return p.ended(ctx, "close "+it, p.its[it].Close(ctx), "ok")
}

// body is a function that runs as a task.
func (p *genProgram) body(name string) aio.Coro[struct{}] {
	p.names[name] = true
	return aio.NoResult(func(ctx context.Context) error {
		f := &genFrame{p: p}
		err := f.run(ctx, p.functions[name])
		if err != nil && err != errGenReturn {
			p.log(ctx, "ends: %s", genKind(err))
			return err
		}
		p.log(ctx, "ends")
		return nil
	})
}

// generator is a function that yields.
func (p *genProgram) generator(name string) func(ctx context.Context) iter.Seq2[int, error] {
	return func(ctx context.Context) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			f := &genFrame{p: p, yield: func(v int) error {
				if !yield(v, nil) {
					return errGenExit
				}
				return nil
			}}
			err := f.run(ctx, p.functions[name])
			switch err {
			case nil, errGenReturn, errGenExit:
			default:
				yield(0, err)
			}
		}
	}
}

// run runs the program and returns its trace.
func (p *genProgram) run() []string {
	p.names, p.tasks, p.its = map[string]bool{}, map[string]*aio.Task[struct{}]{}, map[string]*aio.Iterator[int]{}
	r := &aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
	_ = r.Run(func(ctx context.Context) error {
		aio.CurrentTask(ctx).SetName("main")
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		p.loop, p.start = loop, loop.Time()
		loop.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
		for _, it := range p.iterators {
			p.its[it[0]] = aio.Pull(ctx, p.generator(it[1]))
		}
		_, err = p.body("main")(ctx)
		return err
	})
	_ = r.Close()
	return p.trace
}

// readGenParts reads a file whose parts begin with a line "## TITLE".
func readGenParts(t *testing.T, name string) (titles []string, parts map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "asyncgen", name))
	if err != nil {
		t.Fatal(err)
	}
	parts = map[string]string{}
	for _, part := range strings.Split(string(text), "## ")[1:] {
		title, body, _ := strings.Cut(part, "\n")
		titles = append(titles, title)
		parts[title] = body
	}
	if len(titles) != len(parts) {
		t.Fatalf("%s: a title occurs twice", name)
	}
	return titles, parts
}

// pullDiffers has the traces, by program, that differ from those of CPython. The
// section "Iterators" of docs/differences.md has the reasons.
var pullDiffers = map[string]string{
	// A cancellation is not lost.
	"the body catches the cancellation and ends": `
1 a caught
1 a next it cancelled
1 a ends: cancelled
1 main join a cancelled
1 main ends: cancelled`,
	// A scope belongs to the task that has entered it.
	"a timeout around a yield, left by another task": `
0 a next it 1
0 a ends
0 main join a ok
0 b next it misuse
0 b ends: misuse
0 main join b misuse
0 main ends: misuse`,
	// CPython's second aclose raises StopAsyncIteration, and does not close.
	"a body that ignores the exit": `
0 main next it 1
0 main ignored
0 main close it misuse
0 main refused
0 main next it 3
0 main close it ok
0 main ends`,
}

func TestPullPython(t *testing.T) {
	events := 0
	for _, name := range []string{"programs", "generated"} {
		titles, sources := readGenParts(t, name+".py")
		_, traces := readGenParts(t, name+".trace")
		for _, title := range titles {
			p, err := parseGenProgram(sources[title])
			if err != nil {
				t.Fatalf("%s: %v", title, err)
			}
			want := strings.TrimSpace(traces[title])
			if here, ok := pullDiffers[title]; ok {
				want = here[1:]
			}
			run := p.run()
			events += len(run)
			got := strings.Join(run, "\n")
			if got != want {
				t.Errorf("%s %s\n%s\ngot\n%s\nwant\n%s", name, title, sources[title], got, want)
			}
		}
		if len(titles) < 80 {
			t.Errorf("%s has only %d programs", name, len(titles))
		}
	}
	t.Logf("%d events", events)
}
