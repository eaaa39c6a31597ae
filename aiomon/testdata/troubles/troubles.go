// Package troubles has programs with problems that a monitor must detect. It is for
// tests.
package troubles

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiomon"
)

// Options returns options with which a monitor detects the problems within a short
// time.
func Options() *aiomon.Options {
	return &aiomon.Options{SlowStep: 20 * time.Millisecond, Interval: 20 * time.Millisecond, LongWait: 60 * time.Millisecond}
}

// Trouble is a program that has a problem.
type Trouble struct {
	// Name describes the problem.
	Name string
	// Kind is the Kind of the expected warning. The Text of the warning contains
	// Text, and its More contains More.
	Kind, Text, More string
	// Run causes the problem in the loop of ctx, until stop is closed.
	Run func(ctx context.Context, stop <-chan struct{}) error
}

// All has a program for each problem.
var All = []Trouble{
	{"tasks wait for each other", "deadlock", "hen → egg → hen", "", deadlock},
	{"tasks wait for each other's locks", "deadlock", "left → right → left", "", lockDeadlock},
	{"a place starts more and more tasks", "leak", "troubles.leak.func1 troubles.go", "", leak},
	{"a task waits for a channel", "blocked", "task blocker blocks the loop", "troubles.waitFor", blocked},
	{"a task is in an endless loop", "blocked", "task spinner blocks the loop", "troubles.spin", endless},
	{"many steps leave a task no time", "starving", "task ", "", starving},
	{"a task swallows its cancellation", "swallowed", "task deaf was cancelled and goes on", "", swallowed},
	{"an error is never retrieved", "error", "never retrieved", "the disk is full", lost},
	{"a queue is full", "full", "task putter waits to put for", "", full},
	{"a queue only becomes longer", "grows", "the queue of troubles.growing.func1", "", growing},
	{"a lock is held for long", "wait", "which task owner holds, for", "", heldLock},
}

func start(ctx context.Context, name string, body func(ctx context.Context) error) *aio.Task[struct{}] {
	return aio.CreateTask(ctx, aio.NoResult(body), aio.WithName(name))
}

func deadlock(ctx context.Context, _ <-chan struct{}) error {
	var hen, egg *aio.Task[struct{}]
	hen = start(ctx, "hen", func(ctx context.Context) error { _, err := egg.Await(ctx); return err })
	egg = start(ctx, "egg", func(ctx context.Context) error { _, err := hen.Await(ctx); return err })
	return nil
}

func lockDeadlock(ctx context.Context, _ <-chan struct{}) error {
	var a, b aio.Lock
	both := func(first, second *aio.Lock) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			return first.With(ctx, func(ctx context.Context) error {
				if err := aio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
				return second.Acquire(ctx)
			})
		}
	}
	start(ctx, "left", both(&a, &b))
	start(ctx, "right", both(&b, &a))
	return nil
}

func leak(ctx context.Context, _ <-chan struct{}) error {
	start(ctx, "accept", func(ctx context.Context) error {
		for range 2000 {
			aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
			if err := aio.Sleep(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

func blocked(ctx context.Context, stop <-chan struct{}) error {
	start(ctx, "blocker", func(context.Context) error { waitFor(stop); return nil })
	return nil
}

func waitFor(stop <-chan struct{}) { <-stop }

func endless(ctx context.Context, stop <-chan struct{}) error {
	start(ctx, "spinner", func(context.Context) error {
		var stopped atomic.Bool
		go func() {
			<-stop
			stopped.Store(true)
		}()
		spin(&stopped)
		return nil
	})
	return nil
}

func spin(stopped *atomic.Bool) {
	for !stopped.Load() {
	}
}

func starving(ctx context.Context, stop <-chan struct{}) error {
	for range 40 { // each step is short enough
		start(ctx, "hog", func(ctx context.Context) error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				time.Sleep(10 * time.Millisecond)
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
		})
	}
	return nil
}

func swallowed(ctx context.Context, _ <-chan struct{}) error {
	deaf := start(ctx, "deaf", func(ctx context.Context) error {
		_ = aio.Sleep(ctx, time.Hour)
		for range 10_000 {
			if err := aio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	})
	err := aio.Sleep(ctx, 0)
	deaf.Cancel()
	return err
}

func lost(ctx context.Context, _ <-chan struct{}) error {
	start(ctx, "failing", func(context.Context) error { return errors.New("the disk is full") })
	return nil
}

func full(ctx context.Context, _ <-chan struct{}) error {
	q := aio.NewQueue[int](3)
	start(ctx, "putter", func(ctx context.Context) error {
		for i := 0; ; i++ {
			if err := q.Put(ctx, i); err != nil {
				return err
			}
		}
	})
	return nil
}

func growing(ctx context.Context, _ <-chan struct{}) error {
	q := aio.NewQueue[int](0)
	start(ctx, "producer", func(ctx context.Context) error {
		for i := range 10_000 {
			if err := errors.Join(q.Put(ctx, i), aio.Sleep(ctx, time.Millisecond)); err != nil {
				return err
			}
		}
		return nil
	})
	return nil
}

func heldLock(ctx context.Context, _ <-chan struct{}) error {
	var lock aio.Lock
	start(ctx, "owner", func(ctx context.Context) error {
		return lock.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
	})
	start(ctx, "next", lock.Acquire)
	return nil
}

// Program is a running Trouble, and a monitor that watches it.
type Program struct {
	Monitor *aiomon.Monitor
	Loop    *aio.Loop
	stop    chan struct{}
	end     func() error
	unwatch func()
}

// Start starts the program in its own loop.
func (t Trouble) Start(opts *aiomon.Options) (*Program, error) {
	p := &Program{Monitor: aiomon.New(opts), stop: make(chan struct{})}
	p.Loop, p.end = aio.StartLoop(nil)
	started := make(chan error)
	aio.RunCoroutineThreadsafe(p.Loop, aio.NoResult(func(ctx context.Context) error {
		p.unwatch = p.Monitor.Watch(p.Loop, "main")
		// A channel passes the error, because the loop may be blocked before it
		// can pass the result of the coroutine.
		started <- t.Run(ctx, p.stop)
		return nil
	}))
	return p, <-started
}

// Stop ends the program. The error is that of its loop; the tasks are cancelled.
func (p *Program) Stop() error {
	close(p.stop)
	defer p.unwatch()
	if err := p.end(); !aio.IsCancellation(err) {
		return err
	}
	return nil
}
