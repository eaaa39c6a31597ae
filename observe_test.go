package aio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
)

// observed runs main in a loop with a virtual clock, and returns the events of an
// observer.
func observed(t *testing.T, kinds []aio.LoopEventKind, main func(ctx context.Context) error) string {
	t.Helper()
	want := map[aio.LoopEventKind]bool{}
	for _, k := range kinds {
		want[k] = true
	}
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer l.Close()
	var log []string
	remove := l.AddObserver(aio.ObserverFunc(func(e *aio.LoopEvent) {
		if len(want) > 0 && !want[e.Kind] {
			return
		}
		s := e.Kind.String()
		if e.Task() != nil {
			s = e.Task().GetName() + " " + s
		}
		if e.By() != nil {
			s += " by " + e.By().GetName()
		}
		if e.What() != "" {
			s += " (" + e.What() + ")"
		}
		if e.Duration > 0 {
			s += " " + e.Duration.String()
		}
		if e.Err != nil {
			s += ": " + e.Err.Error()
		}
		log = append(log, s)
	}))
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		aio.CurrentTask(ctx).SetName("main")
		return main(ctx)
	}))
	remove()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(log, "\n")
}

func sameText(t *testing.T, why, got, want string) {
	t.Helper()
	if got = strings.TrimSpace(got); got != strings.TrimSpace(want) {
		t.Errorf("%s:\ngot:\n%s\nwant:\n%s", why, got, strings.TrimSpace(want))
	}
}

func TestObserverOfTasks(t *testing.T) {
	kinds := []aio.LoopEventKind{aio.TaskCreated, aio.TaskWoken, aio.TaskCancelled, aio.StepBegan, aio.StepEnded, aio.TaskDone}
	t.Run("one task waits for another with a queue", func(t *testing.T) {
		got := observed(t, kinds, func(ctx context.Context) error {
			q := aio.NewQueue[int](1)
			getter := aio.CreateTask(ctx, q.Get, aio.WithName("getter"))
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			if err := q.Put(ctx, 1); err != nil {
				return err
			}
			_, err := getter.Await(ctx)
			return err
		})
		sameText(t, "events", got, `
Task-1 task created
Task-1 step began
getter task created by main
main step ended (Sleep(0))
getter step began
getter step ended (Queue.Get)
main step began
getter task woken by main
main step ended (getter)
getter step began
main task woken by getter
getter step ended
getter task done
main step began
main step ended
main task done`[1:])
	})
	t.Run("a task is started eagerly, and cancelled", func(t *testing.T) {
		got := observed(t, kinds, func(ctx context.Context) error {
			sleeper := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }),
				aio.WithName("sleeper"), aio.WithEagerStart(true))
			sleeper.Cancel()
			if _, err := sleeper.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
				return fmt.Errorf("sleeper: %w", err)
			}
			return nil
		})
		sameText(t, "events", got, `
Task-1 task created
Task-1 step began
sleeper task created by main
sleeper step began
sleeper step ended (Sleep)
sleeper task cancelled by main: aio: cancelled
sleeper task woken by main
main step ended (sleeper)
sleeper step began
main task woken by sleeper
sleeper step ended
sleeper task done: aio: cancelled
main step began
main step ended
main task done`[1:])
	})
	t.Run("a task that is cancelled before it starts has no step", func(t *testing.T) {
		got := observed(t, kinds, func(ctx context.Context) error {
			never := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return nil }), aio.WithName("never"))
			never.Cancel()
			_, _, err := aio.Wait(ctx, []aio.AnyFuture{never}, aio.NoTimeout, aio.AllCompleted)
			return err
		})
		if strings.Contains(got, "never step") || !strings.Contains(got, "never task done: aio: cancelled") {
			t.Errorf("events:\n%s", got)
		}
	})
}

func TestObserverOfTheLoop(t *testing.T) {
	got := observed(t, []aio.LoopEventKind{aio.CallbackRan, aio.TimerLate, aio.LoopWaited, aio.JobQueued, aio.JobEnded}, func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		l.CallSoon(callbackForObserver)
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		_, err = aio.ToThread(ctx, func(context.Context) (int, error) { return 0, nil })
		return err
	})
	for _, want := range []string{"callback ran (Handle github.com/goaio/aio_test.callbackForObserver)", "loop waited 1s", "timer late", "job queued by main", "job ended"} {
		if !strings.Contains(got+"\n", want) {
			t.Errorf("no event %q:\n%s", want, got)
		}
	}
}

func callbackForObserver() {}

// Observers are called in order. An observer that is removed during an event, by itself
// or by another one, gets no more events.
func TestObserversComeAndGo(t *testing.T) {
	l := aio.NewEventLoop(nil)
	defer l.Close()
	var log []string
	var removeFirst, removeSecond func()
	removeFirst = l.AddObserver(aio.ObserverFunc(func(e *aio.LoopEvent) {
		log = append(log, "first: "+e.Kind.String())
		if e.Kind == aio.StepEnded {
			removeFirst()
			removeFirst()
		}
	}))
	removeSecond = l.AddObserver(aio.ObserverFunc(func(e *aio.LoopEvent) {
		log = append(log, "second: "+e.Kind.String())
		if e.Kind == aio.TaskDone {
			removeSecond()
		}
	}))
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, 0) }))
	if err != nil {
		t.Fatal(err)
	}
	sameText(t, "events", strings.Join(log, "\n"), `
first: task created
second: task created
first: step began
second: step began
first: step ended
second: step ended
second: step began
second: step ended
second: task done`[1:])
}

func TestTimeline(t *testing.T) {
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer l.Close()
	tl := aio.NewTimeline(5)
	l.AddObserver(tl)
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		var event aio.Event
		waiter := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return event.Wait(ctx) }), aio.WithName("waiter"))
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		event.Set()
		_, err := waiter.Await(ctx)
		return err
	}))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := tl.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	sameText(t, "the latest five", strings.TrimRight(b.String(), "\n"), strings.Trim(`
    1.000000s        0s  waiter  step, woken by Task-1
    1.000000s        0s  waiter  task done
    1.000000s        0s  Task-1  step, woken by waiter
    1.000000s        0s  Task-1  task done
    1.000000s        0s          callback ran RunUntilComplete`, "\n"))
	if n := len(tl.Records()); n != 5 {
		t.Errorf("%d records, want 5", n)
	}
}

// Stats works before the loop has run, while a task blocks it, and after it is closed.
func TestStats(t *testing.T) {
	l := aio.NewEventLoop(nil)
	if s := l.Stats(); s.Observed || s.Running || s.Closed {
		t.Errorf("a new loop: %+v", s)
	}
	blocked, release := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
			other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			close(blocked)
			<-release
			other.Cancel()
			return nil
		}))
		done <- err
	}()
	<-blocked
	s := l.Stats()
	if !s.Observed || !s.Running || s.Waiting || s.Tasks != 2 || s.Steps == 0 || s.Passes == 0 {
		t.Errorf("while a task blocks the loop: %+v", s)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	l.Close()
	if s := l.Stats(); s.Running || !s.Closed || s.Tasks != 0 {
		t.Errorf("after Close: %+v", s)
	}
}

// Open resources are counted until they are closed; a TLS connection counts once.
func TestStatsOfResources(t *testing.T) {
	l := aio.NewEventLoop(nil)
	defer l.Close()
	var log []string
	l.AddObserver(aio.ObserverFunc(func(e *aio.LoopEvent) {
		if e.Kind == aio.ResourceOpened || e.Kind == aio.ResourceClosed {
			log = append(log, e.Kind.String()+" "+e.What())
		}
	}))
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		served := aio.CreateFuture[struct{}](ctx)
		srv, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			_, err := r.ReadLine(ctx)
			s := l.Stats()
			if s.Servers != 1 || s.Connections != 2 {
				t.Errorf("with a server and the two ends of a connection: %+v", s)
			}
			return errors.Join(err, served.SetResult(struct{}{}))
		}, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		_, w, err := aio.OpenConnection(ctx, srv.Addr().String(), nil)
		if err != nil {
			return err
		}
		w.Write([]byte("hello\n"))
		if _, err := served.Await(ctx); err != nil {
			return err
		}
		w.Close()
		srv.Close()
		return errors.Join(w.WaitClosed(ctx), srv.WaitClosed(ctx))
	}))
	if err != nil {
		t.Fatal(err)
	}
	if s := l.Stats(); s.Connections != 0 || s.Servers != 0 {
		t.Errorf("at the end: %+v", s)
	}
	slices.Sort(log)
	sameText(t, "opened and closed resources", strings.Join(log, "\n"), `
closed connection
closed connection
closed server
opened connection
opened connection
opened server`)
}

// A reader sees whole records, in order and without a gap, while the loop writes.
func TestTimelineIsReadWhileItIsWritten(t *testing.T) {
	const size, steps = 700, 20_000
	l := aio.NewEventLoop(nil)
	defer l.Close()
	tl := aio.NewTimeline(size)
	l.AddObserver(tl)
	done := make(chan struct{})
	var readers sync.WaitGroup
	read := func() (records []aio.TimelineRecord) {
		records = tl.Records()
		if len(records) > size {
			t.Errorf("%d records of at most %d", len(records), size)
		}
		for i, r := range records {
			if r.Kind != aio.StepEnded || r.What != "Sleep(0)" {
				continue
			}
			if r.Task != "left" && r.Task != "right" || r.Duration < 0 {
				t.Errorf("record %d: %+v", i, r)
			}
			// A step begins when the one before it ended.
			if before := records[max(i-1, 0)]; before.What == "Sleep(0)" && (before.At+before.Duration != r.At && i > 0 || before.Task == r.Task && i > 0) {
				t.Errorf("record %d: %+v after %+v", i, r, before)
			}
		}
		return records
	}
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					read()
				}
			}
		})
	}
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		yields := func(ctx context.Context) error {
			for range steps {
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			return nil
		}
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(yields, aio.WithName("left"))
			tg.Go(yields, aio.WithName("right"))
			return nil
		})
	}))
	close(done)
	readers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if records := read(); len(records) != size {
		t.Errorf("%d records, want %d", len(records), size)
	}
}

// The duration of a step is the time from its beginning to its end. It does not include
// the time of a task that it started eagerly, of a callback, or of a wait before it.
func TestTimelineDurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := aio.NewEventLoop(nil)
		defer l.Close()
		tl := aio.NewTimeline(0)
		l.AddObserver(tl)
		block := func(ms int) { time.Sleep(time.Duration(ms) * time.Millisecond) }
		run := func(main func(ctx context.Context) error) {
			if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
				aio.CurrentTask(ctx).SetName("main")
				return main(ctx)
			})); err != nil {
				t.Error(err)
			}
		}
		run(func(ctx context.Context) error {
			eager := func(ms int) {
				aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					block(ms)
					return aio.Sleep(ctx, 0)
				}), aio.WithName(fmt.Sprint("eager", ms)), aio.WithEagerStart(true))
			}
			block(1)
			eager(10)
			block(100)
			eager(20)
			l.CallSoon(func() { block(200) })
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			block(2)
			return aio.Sleep(ctx, time.Second)
		})
		block(5000) // blocks while the loop does not run: this must not count
		run(func(ctx context.Context) error { block(3); return nil })
		var b strings.Builder
		for _, r := range tl.Records() {
			fmt.Fprintf(&b, "%5d +%4d %s %v %s\n", r.At.Milliseconds(), r.Duration.Milliseconds(), r.Task, r.Kind, r.What)
		}
		sameText(t, "the timeline", b.String(), `
0 +   0 Task-1 task created 
    1 +   0 eager10 task created 
    1 +  10 eager10 step ended Sleep(0)
  111 +   0 eager20 task created 
  111 +  20 eager20 step ended Sleep(0)
    0 + 131 main step ended Sleep(0)
  131 +   0 eager10 step ended 
  131 +   0 eager10 task done 
  131 +   0 eager20 step ended 
  131 +   0 eager20 task done 
  131 + 200  callback ran Handle github.com/goaio/aio_test.TestTimelineDurations.func1.3.2
  331 +   2 main step ended Sleep
  333 +1000  loop waited 
 1333 +   0  callback ran Timer
 1333 +   0 main step ended 
 1333 +   0 main task done 
 1333 +   0  callback ran RunUntilComplete
 6333 +   0 Task-4 task created 
 6333 +   3 main step ended 
 6336 +   0 main task done 
 6336 +   0  callback ran RunUntilComplete`[1:])
	})
}

// A timeline belongs to the loop that it has observed.
func TestTimelineOfAnotherLoop(t *testing.T) {
	one, two := aio.NewEventLoop(nil), aio.NewEventLoop(nil)
	defer one.Close()
	defer two.Close()
	tl := aio.NewTimeline(1)
	one.AddObserver(tl)()
	one.AddObserver(tl)
	for why, tl := range map[string]*aio.Timeline{"another loop": tl, "a zero Timeline": {}, "nil": nil} {
		func() {
			defer func() {
				if err, _ := recover().(error); !errors.Is(err, aio.ErrUsage) {
					t.Errorf("%s: %v", why, err)
				}
			}()
			two.AddObserver(tl)
		}()
	}
}
