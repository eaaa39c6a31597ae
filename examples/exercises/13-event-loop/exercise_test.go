package exercise

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio/examples/exercises/internal/check"
)

// program runs f in a loop, and compares its events with want.
func program(t *testing.T, l check.Lesson, want []string, f func(loop *Loop, log func(format string, args ...any))) {
	t.Helper()
	loop := &Loop{}
	var events []string
	var story []string
	log := func(format string, args ...any) {
		event := fmt.Sprintf(format, args...)
		events = append(events, event)
		story = append(story, fmt.Sprintf("%6v  %s", loop.Now, event))
	}
	f(loop, log)
	loop.Run()
	if !slices.Equal(events, want) {
		l.Fail(t, fmt.Sprintf("the events are\n%q, want\n%q", events, want), story)
	}
}

func TestSleep(t *testing.T) {
	program(t, check.Lesson{
		Idea: "A sleeping task is a task that awaits a future, which a timer settles. The loop runs\nthe other tasks meanwhile, and sets its clock forward when none is ready.",
		Read: "docs/how-it-works.md, Futures",
	}, []string{"a sleeps", "b sleeps", "b wakes at 1s", "a wakes at 2s"},
		func(loop *Loop, log func(string, ...any)) {
			for _, c := range []struct {
				name string
				d    time.Duration
			}{{"a", 2 * time.Second}, {"b", time.Second}} {
				loop.Go(func(t *Task) error {
					log("%s sleeps", c.name)
					err := t.Sleep(c.d)
					log("%s wakes at %v", c.name, loop.Now)
					return err
				})
			}
		})
}

func TestSettleDoesNotSwitch(t *testing.T) {
	program(t, check.Lesson{
		Idea: "Settling a future makes the waiting tasks ready, and does not run them: the code\nafter Settle still has the loop for itself. They run in the order in which they began\nto wait.",
		Read: "docs/how-it-works.md, Futures",
	}, []string{"a waits", "b waits", "c settles", "c goes on", "a has <nil>", "b has <nil>"},
		func(loop *Loop, log func(string, ...any)) {
			f := &Future{}
			for _, name := range []string{"a", "b"} {
				loop.Go(func(t *Task) error {
					log("%s waits", name)
					err := t.Await(f)
					log("%s has %v", name, err)
					return err
				})
			}
			loop.Go(func(t *Task) error {
				log("c settles")
				f.Settle(nil)
				log("c goes on")
				return nil
			})
		})
}

func TestSettledAlready(t *testing.T) {
	program(t, check.Lesson{
		Idea: "An await of a future that is settled returns at once, and no other task runs. Only\nan await that has to wait suspends.",
		Read: "docs/how-it-works.md, Futures",
	}, []string{"a begins", "a has done", "b runs"},
		func(loop *Loop, log func(string, ...any)) {
			f := &Future{}
			f.Settle(errors.New("done"))
			loop.Go(func(t *Task) error {
				log("a begins")
				log("a has %v", t.Await(f))
				return nil
			})
			loop.Go(func(t *Task) error {
				log("b runs")
				return nil
			})
		})
}

func TestOnce(t *testing.T) {
	program(t, check.Lesson{
		Idea: "A future has one outcome: the first one. A second Settle changes nothing, and must not\nresume a task that waits for something else by now.",
		Read: "docs/how-it-works.md, Futures",
	}, []string{"a has first", "a has first", "a slept until 1s"},
		func(loop *Loop, log func(string, ...any)) {
			f := &Future{}
			loop.Go(func(t *Task) error {
				log("a has %v", t.Await(f))
				log("a has %v", t.Await(f))
				err := t.Sleep(time.Second)
				log("a slept until %v", loop.Now)
				return err
			})
			loop.CallSoon(func() {
				f.Settle(errors.New("first"))
				f.Settle(errors.New("second"))
			})
		})
}

func TestTasksAwaitTasks(t *testing.T) {
	program(t, check.Lesson{
		Idea: "A task is a future too: the outcome of its function. So a task can wait for another\none.",
		Read: "docs/how-it-works.md, Tasks",
	}, []string{"parent waits", "child ends at 1m0s", "parent has lost"},
		func(loop *Loop, log func(string, ...any)) {
			child := loop.Go(func(t *Task) error {
				err := t.Sleep(time.Minute)
				log("child ends at %v", loop.Now)
				return errors.Join(err, errors.New("lost"))
			})
			loop.Go(func(t *Task) error {
				log("parent waits")
				log("parent has %v", t.Await(&child.Done))
				return nil
			})
		})
}
