package aio_test

// The programs of testdata/conformance are small concurrent programs in their own
// language, each with the trace that CPython 3.14's asyncio produced under a virtual
// clock; see the README there. TestConformance runs each program with this package and
// compares the traces line by line.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

func (f *listFuture[E]) Await(ctx context.Context) (any, error) { return f.list(f.Future.Await(ctx)) }
func (f *listFuture[E]) Result() (any, error)                   { return f.list(f.Future.Result()) }

func (f *frame) wait(ctx context.Context, s statement) error {
	names := s.strs(0)
	var fs []awaitable
	for _, name := range names {
		fs = append(fs, f.m.slots[name])
	}
	when := map[string]aio.ReturnWhen{
		"ALL_COMPLETED":   aio.AllCompleted,
		"FIRST_COMPLETED": aio.FirstCompleted,
		"FIRST_EXCEPTION": aio.FirstException,
	}[s.str(2)]
	var done, pending []awaitable
	err := caught(func() (err error) {
		done, pending, err = aio.Wait(ctx, fs, s.ticks(1), when)
		return err
	})
	if err != nil {
		f.log("wait %s", errorText(err))
		return err
	}
	in := func(set []awaitable) string {
		var list []string
		for _, name := range names {
			for _, x := range set {
				if x == f.m.slots[name] {
					list = append(list, name)
				}
			}
		}
		return strings.Join(list, ",")
	}
	f.log("wait done=%s pending=%s", in(done), in(pending))
	return nil
}

func (f *frame) asCompleted(ctx context.Context, s statement) error {
	var fs []awaitable
	for _, name := range s.strs(0) {
		fs = append(fs, f.m.slots[name])
	}
	i := 0
	for next := range aio.AsCompleted(ctx, fs, s.ticks(1)).Next() {
		x, err := next(ctx)
		var v any
		if err == nil {
			v, err = x.Result()
		}
		var prog progError
		switch {
		case err == nil:
			f.log("as_completed %d ok:%s", i, value(v))
		case errors.As(err, &prog) && !errors.As(err, new(*aio.GroupError)):
			f.log("as_completed %d %s", i, errorText(err))
		default:
			f.log("as_completed %s", errorText(err))
			return err
		}
		i++
	}
	f.log("as_completed end")
	return nil
}

func (f *frame) try(ctx context.Context, s statement) (err error) {
	defer func() {
		if e := f.block(ctx, s.body(3)); e != nil {
			err = e
		}
	}()
	err = caught(func() error { return f.block(ctx, s.body(0)) })
	if err == nil {
		return nil
	}
	text := errorText(err)
	kind, _, _ := strings.Cut(text, ":")
	kind, _, _ = strings.Cut(kind, "(")
	for _, k := range s.strs(1) {
		if k == "any" || k == kind {
			f.log("caught %s", text)
			return f.block(ctx, s.body(2))
		}
	}
	return err
}

// objectStatement runs a statement on a lock, queue or similar object.
func (f *frame) objectStatement(ctx context.Context, op, name string, s statement) error {
	type locker interface {
		Acquire(context.Context) error
		Release()
		Locked() bool
	}
	o := f.m.objects[name]
	lock, _ := o.(locker)
	event, _ := o.(*aio.Event)
	cond, _ := o.(*aio.Condition)
	queue, _ := o.(*aio.Queue[int])
	barrier, _ := o.(*aio.Barrier)
	what := op + " " + name
	quiet := func(fn func()) error {
		return f.logged(what, nil, false, caught(func() error { fn(); return nil }))
	}
	switch op {
	case "acquire":
		return f.logged(what, true, true, lock.Acquire(ctx))
	case "release":
		return quiet(lock.Release)
	case "locked":
		f.log("%s %t", what, lock.Locked())
	case "with":
		if err := f.logged("acquire "+name, nil, false, lock.Acquire(ctx)); err != nil {
			return err
		}
		err := caught(func() error { return f.block(ctx, s.body(1)) })
		if e := f.logged("release "+name, nil, false, caught(func() error { lock.Release(); return nil })); e != nil {
			return e
		}
		return err
	case "event_set":
		event.Set()
	case "event_clear":
		event.Clear()
	case "event_wait":
		return f.logged(what, true, true, event.Wait(ctx))
	case "cond_wait":
		return f.logged(what, true, true, caught(func() error { return cond.Wait(ctx) }))
	case "notify":
		return quiet(func() { cond.Notify(s.num(1)) })
	case "notify_all":
		return quiet(cond.NotifyAll)
	case "put":
		return f.logged(what, nil, false, queue.Put(ctx, s.num(1)))
	case "get":
		v, err := queue.Get(ctx)
		return f.logged(what, v, true, err)
	case "put_nowait":
		return f.logged(what, nil, false, queue.PutNowait(s.num(1)))
	case "get_nowait":
		v, err := queue.GetNowait()
		return f.logged(what, v, true, err)
	case "task_done":
		return quiet(queue.TaskDone)
	case "join":
		return f.logged(what, nil, false, queue.Join(ctx))
	case "shutdown":
		queue.Shutdown(s.flag(1))
	case "qsize":
		title := func(b bool) string { return map[bool]string{true: "true", false: "false"}[b] }
		f.log("%s %d %s %s", what, queue.QSize(), title(queue.Empty()), title(queue.Full()))
	case "barrier_wait":
		i, err := barrier.Wait(ctx)
		return f.logged(what, i, true, err)
	case "barrier_reset":
		return f.logged(what, nil, false, barrier.Reset(ctx))
	case "barrier_abort":
		return f.logged(what, nil, false, barrier.Abort(ctx))
	case "barrier_state":
		f.log("%s %d %t", what, barrier.NWaiting(), barrier.Broken())
	default:
		panic("conformance: unknown statement " + op)
	}
	return nil
}

// programs reads the conformance programs.
func programs(t testing.TB) []program {
	dir := os.Getenv("AIO_CONFORMANCE_DIR")
	if dir == "" {
		dir = filepath.Join("testdata", "conformance")
	}
	return readPrograms(t, dir)
}

// sample returns every fourth program, and all of them in .ci/run: for tests that run the
// programs once more, in another way.
func sample(all []program) (some []program) {
	for i := 0; i < len(all); i += stage.Amount(4, 1, 1) {
		some = append(some, all[i])
	}
	return some
}

func readPrograms(t testing.TB, dir string) []program {
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no conformance programs in %s (%v)", dir, err)
	}
	var all []program
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(file)
		in.Buffer(nil, 1<<24)
		for in.Scan() {
			if len(bytes.TrimSpace(in.Bytes())) == 0 {
				continue
			}
			var p program
			if err := json.Unmarshal(in.Bytes(), &p); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			all = append(all, p)
		}
		if err := in.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		file.Close()
	}
	return all
}

// difference describes the first difference of the traces; it is "" if they are equal.
func difference(want, got []string) string {
	line := func(trace []string, i int) string {
		if i < len(trace) {
			return trace[i]
		}
		return "(end)"
	}
	for i := range max(len(want), len(got)) {
		if line(want, i) == line(got, i) {
			continue
		}
		var b strings.Builder
		fmt.Fprintf(&b, "line %d differs:\n", i+1)
		for j := max(0, i-5); j < i; j++ {
			fmt.Fprintf(&b, "        %s\n", want[j])
		}
		for j := i; j < i+4; j++ {
			fmt.Fprintf(&b, "   want %s\n    got %s\n", line(want, j), line(got, j))
		}
		return b.String()
	}
	return ""
}

func TestConformance(t *testing.T) {
	quiet(t)
	all := programs(t)
	matched := 0
	for _, p := range all {
		t.Run(p.ID, func(t *testing.T) {
			if diff := difference(p.Trace, run(p, false)); diff != "" {
				source, _ := json.Marshal(p.Coros)
				t.Errorf("%s\nobjects: %v\nprogram: %s", diff, p.Objects, source)
				return
			}
			matched++
		})
	}
	fmt.Printf("conformance: %d of %d programs match\n", matched, len(all))
}

// TestConformanceFound runs the programs with which random testing against CPython once
// found a difference. Their traces come from the same oracle.
func TestConformanceFound(t *testing.T) {
	for _, p := range readPrograms(t, filepath.Join("testdata", "found")) {
		if diff := difference(p.Trace, run(p, false)); diff != "" {
			t.Errorf("%s: %s", p.ID, diff)
		}
	}
}

// TestConformanceInDebugMode runs the programs in debug mode, which must not change any
// order.
func TestConformanceInDebugMode(t *testing.T) {
	quiet(t)
	for _, p := range sample(programs(t)) {
		if diff := difference(p.Trace, run(p, true)); diff != "" {
			t.Errorf("%s: %s", p.ID, diff)
		}
	}
}

// stepCounter is a director that keeps the default order and counts.
type stepCounter struct{ passes, steps, ran int }

func (c *stepCounter) Pass()      { c.passes++ }
func (c *stepCounter) Choose()    { c.steps++ }
func (c *stepCounter) Idle() bool { return false }
func (c *stepCounter) Ran()       { c.ran++ }

// TestConformanceDirected runs the programs under a director, so each step is made from
// the root. With the default choices the order is that of an ordinary loop.
func TestConformanceDirected(t *testing.T) {
	quiet(t)
	for i, p := range sample(programs(t)) {
		var c stepCounter
		if diff := difference(p.Trace, runDirected(p, i%2 == 1, &c)); diff != "" {
			t.Errorf("%s: %s", p.ID, diff)
		}
		if c.passes == 0 || c.steps == 0 || c.ran != c.steps {
			t.Errorf("%s: the director saw %d passes, %d starts and %d ends of steps", p.ID, c.passes, c.steps, c.ran)
		}
	}
}

// TestConformanceCanFail changes a line in some of the traces, and checks that the
// comparison notices it.
func TestConformanceCanFail(t *testing.T) {
	for i, p := range programs(t) {
		if i%50 != 0 {
			continue
		}
		got := run(p, false)
		want := append([]string(nil), got...)
		want[i%len(want)] += "!"
		if difference(want, got) == "" {
			t.Errorf("%s: a changed line %d was not noticed", p.ID, i%len(want))
		}
		if len(got) > 1 && (difference(got[1:], got) == "" || difference(got[:len(got)-1], got) == "") {
			t.Errorf("%s: a missing line was not noticed", p.ID)
		}
	}
}
