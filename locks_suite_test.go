package aio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// lockLike is the interface of the locks in the following suite.
type lockLike interface {
	Acquire(ctx context.Context) error
	Release()
	Locked() bool
	With(ctx context.Context, body func(ctx context.Context) error) error
}

// tokenLock is a lock built from a queue with one token.
type tokenLock struct{ *aio.Queue[struct{}] }

func newTokenLock() lockLike {
	q := aio.NewQueue[struct{}](1)
	if err := q.PutNowait(struct{}{}); err != nil {
		panic(err)
	}
	return tokenLock{q}
}

func (k tokenLock) Acquire(ctx context.Context) error { _, err := k.Get(ctx); return err }

func (k tokenLock) Locked() bool { return k.Empty() }

func (k tokenLock) Release() {
	if err := k.PutNowait(struct{}{}); err != nil {
		panic(err)
	}
}

func (k tokenLock) With(ctx context.Context, body func(ctx context.Context) error) error {
	if err := k.Acquire(ctx); err != nil {
		return err
	}
	defer k.Release()
	return body(ctx)
}

var lockLikes = []struct {
	name   string
	new    func() lockLike
	barges bool // a newcomer may overtake a woken waiter
	// the error of releasing the lock while it is free; nil if that is allowed
	misuse error
}{
	{"Lock", func() lockLike { return new(aio.Lock) }, false, aio.ErrNotLocked},
	{"Condition", func() lockLike { return new(aio.Condition) }, false, aio.ErrNotLocked},
	{"Semaphore", func() lockLike { return aio.NewSemaphore(1) }, false, nil},
	{"BoundedSemaphore", func() lockLike { return aio.NewBoundedSemaphore(1) }, false, aio.ErrOverRelease},
	{"Queue", newTokenLock, true, aio.ErrQueueFull},
}

// LOCK-003, LOCK-015, LOCK-018, SEM-017, COND-002
func TestLockLike(t *testing.T) {
	for _, test := range lockLikes {
		scenario := func(name string, f func(s *scene, k lockLike)) {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				play(t, func(s *scene) { f(s, test.new()) })
			})
		}
		hold := func(s *scene, k lockLike, body func(ctx context.Context) error) func(ctx context.Context) error {
			inside := 0
			return func(ctx context.Context) error {
				return k.With(ctx, func(ctx context.Context) error {
					if inside++; inside > 1 {
						s.Errorf("%d tasks hold the lock", inside)
					}
					defer func() { inside-- }()
					return body(ctx)
				})
			}
		}
		scenario("one at a time, in order", func(s *scene, k lockLike) {
			f := hold(s, k, func(ctx context.Context) error { return aio.Sleep(ctx, time.Millisecond) })
			for _, name := range []string{"A", "B", "C", "D"} {
				s.start(name, f)
			}
			s.must(aio.Sleep(s.ctx, time.Second))
			s.want("A B C D")
		})
		scenario("free: no switch", func(s *scene, k lockLike) {
			s.start("other", ok)
			s.ended("main", k.With(s.ctx, func(context.Context) error {
				same(s, "inside: Locked", k.Locked(), true)
				return nil
			}))
			same(s, "outside: Locked", k.Locked(), false)
			s.after(1, "main other")
		})
		scenario("held: waits for the release", func(s *scene, k lockLike) {
			s.must(k.Acquire(s.ctx))
			s.start("A", k.Acquire)
			s.after(3, "")
			k.Release()
			s.after(1, "A")
			same(s, "A holds it: Locked", k.Locked(), true)
		})
		scenario("free after an error or a panic", func(s *scene, k lockLike) {
			failure := errors.New("failure")
			if err := k.With(s.ctx, func(context.Context) error { return failure }); err != failure {
				s.Errorf("With returned %v, want the error of the body", err)
			}
			same(s, "error: Locked", k.Locked(), false)
			if err := panics(func() { _ = k.With(s.ctx, func(context.Context) error { panic(failure) }) }); err != failure {
				s.Errorf("With panicked with %v, want the panic of the body", err)
			}
			same(s, "panic: Locked", k.Locked(), false)
		})
		scenario("cancelled before its turn", func(s *scene, k lockLike) {
			s.must(k.Acquire(s.ctx))
			a := s.start("A", k.Acquire)
			s.start("B", hold(s, k, ok))
			s.start("C", hold(s, k, ok))
			s.letPass(1)
			a.Cancel()
			s.after(3, "A!cancelled")
			k.Release()
			s.after(5, "B C")
		})
		scenario("cancelled when its turn has come", func(s *scene, k lockLike) {
			s.must(k.Acquire(s.ctx))
			a := s.start("A", hold(s, k, ok))
			s.start("B", hold(s, k, ok))
			s.letPass(1)
			k.Release()
			a.Cancel()
			s.after(3, "A!cancelled B")
			same(s, "at the end: Locked", k.Locked(), false)
		})
		scenario("cancelled while it holds the lock", func(s *scene, k lockLike) {
			a := s.start("A", hold(s, k, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
			s.start("B", hold(s, k, ok))
			s.letPass(1)
			a.Cancel()
			s.after(3, "A!cancelled B")
		})
		scenario("timed out", func(s *scene, k lockLike) {
			s.must(k.Acquire(s.ctx))
			s.ended("main", aio.Timeout(s.ctx, time.Second, k.Acquire))
			same(s, "timed out: Locked", k.Locked(), true)
			k.Release()
			s.ended("again", aio.Timeout(s.ctx, time.Second, k.Acquire))
			s.want("main!timeout again")
		})
		scenario("derived context ends", func(s *scene, k lockLike) {
			derived, cancel := context.WithCancelCause(s.ctx)
			cause := errors.New("cause")
			cancel(cause)
			// the lock is free: an Acquire that does not wait ignores the
			// context
			s.must(k.Acquire(derived))
			a := s.start("A", func(context.Context) error {
				err := k.Acquire(derived)
				if !errors.Is(err, cause) {
					s.Errorf("Acquire returned %v, want %v", err, cause)
				}
				return err
			})
			s.start("B", k.Acquire)
			_, _ = a.Await(s.ctx)
			s.want("A!context-ended")
			k.Release()
			s.after(1, "B")
		})
		scenario("newcomer", func(s *scene, k lockLike) {
			s.must(k.Acquire(s.ctx))
			s.start("waiter", hold(s, k, ok))
			s.letPass(1)
			// the newcomer is ready before the waiter
			s.start("newcomer", hold(s, k, ok))
			k.Release()
			if test.barges {
				s.after(5, "newcomer waiter")
			} else {
				s.after(5, "waiter newcomer")
			}
		})
		scenario("released while free", func(s *scene, k lockLike) {
			if err := panics(k.Release); !errors.Is(err, test.misuse) {
				s.Errorf("panic with %v, want %v", err, test.misuse)
			}
		})
		t.Run(test.name+"/loop closed", func(t *testing.T) {
			testLockLikeLoopClosed(t, test.new())
		})
	}
}

// testLockLikeLoopClosed closes a loop while tasks hold and wait for a lock: they are
// unwound, and the lock can be used in another loop.
func testLockLikeLoopClosed(t *testing.T, k lockLike) {
	l, reports := newLoop(t)
	var log eventLog
	for _, name := range []string{"A", "B", "C"} {
		aio.CreateTask(l.Context(), aio.NoResult(func(ctx context.Context) error {
			err := k.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
			if !errors.Is(err, aio.ErrLoopClosed) {
				t.Errorf("%s got %v, want ErrLoopClosed", name, err)
			}
			log.add("%s", name)
			return err
		}))
	}
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, 0) })); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	log.want(t, "A B C")
	if len(*reports) != 3 {
		t.Errorf("%d reports of destroyed tasks, want 3: %v", len(*reports), *reports)
	}
	play(t, func(s *scene) {
		s.start("A", func(ctx context.Context) error { return k.With(ctx, ok) })
		s.start("B", func(ctx context.Context) error { return k.With(ctx, ok) })
		s.after(3, "A B")
	})
}

// primitives contains one primitive of each kind, all in use by one loop.
type primitives struct {
	k aio.Lock
	v aio.Event
	c aio.Condition
	m *aio.Semaphore
	b *aio.Barrier
	q *aio.Queue[int]
}

func newPrimitives(ctx context.Context) (*primitives, error) {
	p := &primitives{m: aio.NewSemaphore(3), b: aio.NewBarrier(1), q: aio.NewQueue[int](3)}
	p.v.Set()
	_, err := p.b.Wait(ctx)
	expired := p.c.With(ctx, func(ctx context.Context) error { return aio.Timeout(ctx, 1, p.c.Wait) })
	if expired != aio.ErrTimeout {
		err = expired
	}
	return p, errors.Join(err, p.k.Acquire(ctx), p.v.Wait(ctx), p.m.Acquire(ctx), p.q.Put(ctx, 1), p.q.Put(ctx, 2))
}

func (p *primitives) String() string {
	return fmt.Sprint(p.k.Locked(), p.v.IsSet(), p.c.Locked(), p.m.Locked(), p.b.NWaiting(), p.b.Broken(),
		p.q.QSize(), p.q.Empty(), p.q.Full())
}

// awaits returns the calls that take a ctx.
func (p *primitives) awaits() map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Lock.Acquire":      p.k.Acquire,
		"Lock.With":         func(ctx context.Context) error { return p.k.With(ctx, ok) },
		"Event.Wait":        p.v.Wait,
		"Condition.Acquire": p.c.Acquire,
		"Condition.With":    func(ctx context.Context) error { return p.c.With(ctx, ok) },
		"Condition.Wait":    p.c.Wait,
		"Condition.WaitFor": func(ctx context.Context) error { return p.c.WaitFor(ctx, func() bool { return false }) },
		"Semaphore.Acquire": p.m.Acquire,
		"Semaphore.With":    func(ctx context.Context) error { return p.m.With(ctx, ok) },
		"Barrier.Wait":      func(ctx context.Context) error { _, err := p.b.Wait(ctx); return err },
		"Barrier.With":      func(ctx context.Context) error { return p.b.With(ctx, func(context.Context, int) error { return nil }) },
		"Barrier.Reset":     p.b.Reset,
		"Barrier.Abort":     p.b.Abort,
		"Queue.Put":         func(ctx context.Context) error { return p.q.Put(ctx, 3) },
		"Queue.Get":         func(ctx context.Context) error { _, err := p.q.Get(ctx); return err },
		"Queue.Join":        p.q.Join,
		"Queue.All": func(ctx context.Context) (err error) {
			for _, err = range p.q.All(ctx) {
				break
			}
			return err
		},
	}
}

// plain returns the calls that never await.
func (p *primitives) plain() map[string]func() {
	return map[string]func(){
		"Lock.Release":        p.k.Release,
		"Lock.Locked":         func() { p.k.Locked() },
		"Event.Set":           p.v.Set,
		"Event.Clear":         p.v.Clear,
		"Event.IsSet":         func() { p.v.IsSet() },
		"Condition.Release":   p.c.Release,
		"Condition.Locked":    func() { p.c.Locked() },
		"Condition.Notify":    func() { p.c.Notify(1) },
		"Condition.NotifyAll": p.c.NotifyAll,
		"Semaphore.Release":   p.m.Release,
		"Semaphore.Locked":    func() { p.m.Locked() },
		"Barrier.NWaiting":    func() { p.b.NWaiting() },
		"Barrier.Broken":      func() { p.b.Broken() },
		"Queue.QSize":         func() { p.q.QSize() },
		"Queue.Empty":         func() { p.q.Empty() },
		"Queue.Full":          func() { p.q.Full() },
		"Queue.PutNowait":     func() { raise(p.q.PutNowait(3)) },
		"Queue.GetNowait":     func() { _, err := p.q.GetNowait(); raise(err) },
		"Queue.TaskDone":      p.q.TaskDone,
		"Queue.Shutdown":      func() { p.q.Shutdown(true) },
	}
}

// LOCK-017, COND-024: in Go a call from another loop is refused even if it need not
// wait.
func TestPrimitivesBelongToOneLoop(t *testing.T) {
	l, _ := newLoop(t)
	p, err := aio.RunUntilComplete(l, aio.Coro[*primitives](newPrimitives))
	if err != nil {
		t.Fatal(err)
	}
	before := p.String()
	play(t, func(s *scene) {
		for name, f := range p.awaits() {
			if err := f(s.ctx); !errors.Is(err, aio.ErrOtherLoop) {
				t.Errorf("%s: %v, want ErrOtherLoop", name, err)
			}
		}
	})
	if after := p.String(); after != before {
		t.Errorf("calls of another loop changed something: %s, was %s", after, before)
	}
}

func TestPrimitivesRefuseAGoroutineWithoutTheToken(t *testing.T) {
	play(t, func(s *scene) {
		p, err := newPrimitives(s.ctx)
		s.must(err)
		before := p.String()
		done := make(chan struct{})
		go func() { // while the task blocks the loop and holds the token
			defer close(done)
			for name, f := range p.awaits() {
				if err := f(s.ctx); !errors.Is(err, aio.ErrWrongGoroutine) {
					t.Errorf("%s: %v, want ErrWrongGoroutine", name, err)
				}
			}
			for name, f := range p.plain() {
				misused(t, name, f, aio.ErrWrongGoroutine)
			}
		}()
		<-done
		same(s, "the state after the calls", p.String(), before)
	})
}

func TestPrimitivesAwaitOnlyInATask(t *testing.T) {
	l, _ := newLoop(t)
	p, err := aio.RunUntilComplete(l, aio.Coro[*primitives](newPrimitives))
	if err != nil {
		t.Fatal(err)
	}
	before := p.String()
	for _, where := range []struct {
		name string
		run  func(f func())
		want error
	}{
		{"callback", func(f func()) {
			l.CallSoon(func() { f(); l.Stop() })
			if err := l.RunForever(); err != nil {
				t.Error(err)
			}
		}, aio.ErrNoTask},
		{"loop not running", func(f func()) { f() }, aio.ErrNoRunningLoop},
	} {
		where.run(func() {
			for name, f := range p.awaits() {
				if err := f(l.Context()); !errors.Is(err, where.want) {
					t.Errorf("%s: %s: %v, want %v", where.name, name, err, where.want)
				}
				if err := f(context.Background()); !errors.Is(err, aio.ErrNoRunningLoop) {
					t.Errorf("%s: %s with a foreign context: %v, want ErrNoRunningLoop", where.name, name, err)
				}
			}
		})
	}
	if after := p.String(); after != before {
		t.Errorf("calls outside of a task changed something: %s, was %s", after, before)
	}
}

func TestPrimitivesThatNeedNotWaitAllocateNothing(t *testing.T) {
	play(t, func(s *scene) {
		ctx := s.ctx
		var k aio.Lock
		var v aio.Event
		var c aio.Condition
		m := aio.NewSemaphore(2)
		q, lifo, prio := aio.NewQueue[int](8), aio.NewLifoQueue[int](8), aio.NewOrderedQueue[int](8)
		through := func(q *aio.Queue[int]) func() {
			return func() {
				s.must(q.Put(ctx, 1))
				s.must(q.PutNowait(2))
				_, err := q.Get(ctx)
				s.must(err)
				_, err = q.GetNowait()
				s.must(err)
				q.TaskDone()
				q.TaskDone()
				s.must(q.Join(ctx))
			}
		}
		for _, test := range []struct {
			name string
			f    func()
		}{
			{"Lock", func() { s.must(k.Acquire(ctx)); k.Release() }},
			{"Lock.With", func() { s.must(k.With(ctx, ok)) }},
			{"Event", func() { v.Set(); s.must(v.Wait(ctx)); v.Clear(); _ = v.IsSet() }},
			{"Condition", func() { s.must(c.Acquire(ctx)); c.Notify(1); c.NotifyAll(); c.Release() }},
			{"Semaphore", func() { s.must(m.Acquire(ctx)); m.Release() }},
			{"Semaphore.With", func() { s.must(m.With(ctx, ok)) }},
			{"Queue", through(q)},
			{"LifoQueue", through(lifo)},
			{"OrderedQueue", through(prio)},
		} {
			if n := testing.AllocsPerRun(100, test.f); n != 0 {
				t.Errorf("%s: %v allocations, want none", test.name, n)
			}
		}
	})
}

func TestPrimitivesThatWaitAllocateNothing(t *testing.T) {
	play(t, func(s *scene) {
		var there, back aio.Event
		var k aio.Lock
		var c aio.Condition
		hold := func(ctx context.Context) error { return aio.Sleep(ctx, 0) }
		m, n := aio.NewSemaphore(0), aio.NewSemaphore(0)
		in, out := aio.NewQueue[int](1), aio.NewQueue[int](1)
		for _, test := range []struct {
			name        string
			other, main func(ctx context.Context) error
		}{
			{
				"Event",
				func(ctx context.Context) error { err := there.Wait(ctx); there.Clear(); back.Set(); return err },
				func(ctx context.Context) error { there.Set(); err := back.Wait(ctx); back.Clear(); return err },
			},
			{
				"Lock",
				func(ctx context.Context) error { return k.With(ctx, hold) },
				func(ctx context.Context) error { return k.With(ctx, hold) },
			},
			{
				"Condition",
				func(ctx context.Context) error { return c.With(ctx, c.Wait) },
				func(ctx context.Context) error {
					err := c.Acquire(ctx)
					c.NotifyAll()
					c.Release()
					letPass(ctx, 1)
					return err
				},
			},
			{
				"Semaphore",
				func(ctx context.Context) error { err := m.Acquire(ctx); n.Release(); return err },
				func(ctx context.Context) error { m.Release(); return n.Acquire(ctx) },
			},
			{
				"Queue",
				func(ctx context.Context) error {
					item, err := in.Get(ctx)
					if err != nil {
						return err
					}
					return out.Put(ctx, item)
				},
				func(ctx context.Context) error {
					if err := in.Put(ctx, 1); err != nil {
						return err
					}
					_, err := out.Get(ctx)
					return err
				},
			},
		} {
			other := s.play(func(ctx context.Context) {
				for test.other(ctx) == nil {
				}
			})
			s.letPass(1)
			if n := testing.AllocsPerRun(100, func() { s.must(test.main(s.ctx)) }); n != 0 {
				t.Errorf("%s: %v allocations, want none", test.name, n)
			}
			other.Cancel()
			s.letPass(3)
		}
	})
}
