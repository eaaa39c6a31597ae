package play

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goaio/aio"
	_ "github.com/goaio/aio/internal/stage" // no sleep at the exit
)

// two is a program with two tasks that log a line each, after an answer.
func two(ctx context.Context, s *Scene) error {
	var order []string
	s.Show("order", &order)
	task := func(name string) aio.Coro[struct{}] {
		return aio.NoResult(func(ctx context.Context) error {
			if err := s.Answer(ctx, "answer to "+name); err != nil {
				return err
			}
			s.Log("%s", name)
			order = append(order, name)
			return nil
		})
	}
	a := aio.CreateTask(ctx, task("a"), aio.WithName("a"))
	b := aio.CreateTask(ctx, task("b"), aio.WithName("b"))
	if _, err := aio.Gather(ctx, a, b).Await(ctx); err != nil {
		return err
	}
	if !slices.Equal(order, []string{"a", "b"}) {
		return fmt.Errorf("the order is %v", order)
	}
	return nil
}

// steps returns the names of the steps of a run.
func steps(r *Run) (names []string) {
	for _, f := range r.Frames[1:] {
		names = append(names, f.Last.Name)
	}
	return names
}

// Without choices a run makes asyncio's steps, and with a choice other steps. Each is
// the same in every run.
func TestChoices(t *testing.T) {
	r := Do(two, nil)
	want := []string{"main", "a", "b", "event: answer to a", "event: answer to b", "a", "b", "Gather", "Gather", "main"}
	if got := steps(r); !slices.Equal(got, want) || r.Failed {
		t.Errorf("asyncio's order: %q, %s", got, r.Text)
	}
	// Each choice point in turn takes its second entry, where it may run.
	for i := range r.Frames {
		f := r.Frames[i]
		if f.Choice < 0 || len(f.Ready) < 2 || !f.Ready[1].May {
			continue
		}
		choices := make([]int, f.Choice+1)
		choices[f.Choice] = 1
		other := Do(two, choices)
		if got := other.Frames[i+1].Last.Name; got != f.Ready[1].Name {
			t.Errorf("choice %d: %s ran, not %s", f.Choice, got, f.Ready[1].Name)
		}
		if !slices.Equal(steps(other)[:i], steps(r)[:i]) {
			t.Errorf("choice %d has changed earlier steps: %q", f.Choice, steps(other))
		}
		first, _ := json.Marshal(other)
		second, _ := json.Marshal(Do(two, choices))
		if string(first) != string(second) {
			t.Errorf("choice %d: two runs differ", f.Choice)
		}
	}
}

// The frames show tasks, what they wait for, values, output, and which step made which
// task ready.
func TestFrames(t *testing.T) {
	r := Do(two, nil)
	f := r.Frames[3] // main, a and b have run
	var states []string
	for _, task := range f.Tasks {
		states = append(states, fmt.Sprintf("%s %s %s", task.Name, task.State, task.What))
	}
	want := []string{"main waiting Gather", "a waiting event: answer to a", "b waiting event: answer to b", "event: answer to a ready ", "event: answer to b ready "}
	if !slices.Equal(states, want) {
		t.Errorf("tasks %q", states)
	}
	if e := f.Ready[1]; e.Name != "event: answer to b" || e.By != 2 || !e.May {
		t.Errorf("entry %+v", e)
	}
	last := r.Frames[len(r.Frames)-1]
	if got := strings.Join(last.Output, " "); got != "a b" || last.Things[0].Text != "[a b]" || len(f.Output) > 0 {
		t.Errorf("output %q, value %q, earlier output %q", got, last.Things[0].Text, f.Output)
	}
}

// An entry that would break an order that asyncio guarantees cannot be chosen: a task
// that called Sleep(0) runs after everything that was ready before.
func TestMay(t *testing.T) {
	program := func(ctx context.Context, s *Scene) error {
		other := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { s.Log("other"); return nil }), aio.WithName("other"))
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		s.Log("main")
		_, err := other.Await(ctx)
		return err
	}
	r := Do(program, []int{1, 1, 1, 1})
	f := r.Frames[1]
	if len(f.Ready) != 2 || f.Ready[1].Name != "main" || f.Ready[1].May || f.Ready[f.Ready[1].Oldest].Name != "other" {
		t.Errorf("the queue is %+v", f.Ready)
	}
	if got := r.Frames[len(r.Frames)-1].Output; !slices.Equal(got, []string{"other", "main"}) {
		t.Errorf("output %q", got)
	}
}

// Locks have holders, queues a size and a limit.
func TestThings(t *testing.T) {
	r := Do(func(ctx context.Context, s *Scene) error {
		var lock aio.Lock
		var event aio.Event
		queue := aio.NewQueue[int](2)
		permits := aio.NewSemaphore(1)
		s.Show("lock", &lock)
		s.Show("event", &event)
		s.Show("queue", queue)
		s.Show("permits", permits)
		return errors.Join(lock.Acquire(ctx), queue.Put(ctx, 1), permits.Acquire(ctx), func() error { event.Set(); return aio.Sleep(ctx, 0) }(), func() error { lock.Release(); return nil }())
	}, nil)
	var held, free []string
	for _, th := range r.Frames[1].Things {
		held = append(held, fmt.Sprintf("%s %s %d/%d %s", th.Kind, th.Text, th.N, th.Max, th.Holder))
	}
	want := []string{"lock held 1/0 main", "event set 1/0 ", "queue 1 of 2 1/2 ", "semaphore no permit is free 1/0 "}
	if !slices.Equal(held, want) {
		t.Errorf("%q", held)
	}
	for _, th := range r.Frames[2].Things[:1] {
		free = append(free, th.Text+th.Holder)
	}
	if !slices.Equal(free, []string{"free"}) || r.Failed {
		t.Errorf("%q, %s", free, r.Text)
	}
}

// A failure, a deadlock and an endless program end a run, each with its kind.
func TestVerdicts(t *testing.T) {
	for kind, p := range map[string]Program{
		"error": func(context.Context, *Scene) error { return errors.New("wrong") },
		"deadlock": func(ctx context.Context, _ *Scene) error {
			var e aio.Event
			return e.Wait(ctx)
		},
		"limit": func(ctx context.Context, _ *Scene) error {
			for {
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		},
	} {
		r := Do(p, nil)
		if !r.Failed || r.Kind != kind || r.Text == "" || len(r.Frames) == 0 {
			t.Errorf("%s: %v %s %q, %d frames", kind, r.Failed, r.Kind, r.Text, len(r.Frames))
		}
	}
}

// The search finds the failure with one changed choice, and playing it fails in the
// same way. For a program without a failure the search is complete.
func TestSearch(t *testing.T) {
	f := Search(two, 1000)
	if !f.Failed || f.Changed != 1 || f.Text != "the order is [b a]" {
		t.Errorf("%+v", f)
	}
	if r := Do(two, f.Choices); r.Text != f.Text {
		t.Errorf("playing %v: %q", f.Choices, r.Text)
	}
	f = Search(func(ctx context.Context, s *Scene) error {
		_ = two(ctx, s)
		return nil
	}, 1000)
	if f.Failed || !f.Complete || f.Runs < 10 || len(f.Choices) > 0 {
		t.Errorf("%+v", f)
	}
}

// An event comes late in asyncio's order, and early in another one.
func TestAfter(t *testing.T) {
	program := func(ctx context.Context, s *Scene) error {
		rung := false
		s.After(ctx, 3, "bell", func() { rung = true })
		if err := s.Answer(ctx, "door"); err != nil {
			return err
		}
		if rung {
			return errors.New("the bell rang before the door opened")
		}
		return nil
	}
	if r := Do(program, nil); r.Failed {
		t.Errorf("asyncio's order: %s", r.Text)
	}
	f := Search(program, 1000)
	got := steps(Do(program, f.Choices))
	got = slices.DeleteFunc(got, func(s string) bool { return !strings.HasPrefix(s, outside+"bell") })
	want := []string{"event: bell, in 3", "event: bell, in 2", "event: bell, in 1", "event: bell"}
	if !f.Failed || !slices.Equal(got, want) {
		t.Errorf("%+v, with the steps %q", f, got)
	}
}
