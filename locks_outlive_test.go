package aio_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
)

// Locks and queues may be package variables and outlive the loop in which they are
// used. The next loop finds them as if the tasks of the first loop had released
// everything, because these tasks no longer exist.

// outliving are uses of a lock or queue that outlives a loop: occupy acquires
// everything and does not release it, wait waits for more, and use is called in the
// next loop, where it must not wait for tasks of the first one.
var outliving = map[string]func() (occupy, wait, use func(ctx context.Context) error){
	"Lock": func() (occupy, wait, use func(ctx context.Context) error) {
		k := new(aio.Lock)
		return k.Acquire, k.Acquire, func(ctx context.Context) error {
			return k.With(ctx, func(context.Context) error { return nil })
		}
	},
	"Lock.Locked": func() (occupy, wait, use func(ctx context.Context) error) {
		k := new(aio.Lock)
		return k.Acquire, k.Acquire, func(context.Context) error { return free(!k.Locked()) }
	},
	"Condition": func() (occupy, wait, use func(ctx context.Context) error) {
		c := aio.NewCondition(nil)
		wait = func(ctx context.Context) error { return c.With(ctx, c.Wait) }
		return c.Acquire, wait, func(ctx context.Context) error {
			return c.With(ctx, func(context.Context) error { c.NotifyAll(); return nil })
		}
	},
	"Condition, waiting": func() (occupy, wait, use func(ctx context.Context) error) {
		c := aio.NewCondition(nil)
		wait = func(ctx context.Context) error { return c.With(ctx, c.Wait) }
		return func(context.Context) error { return nil }, wait, func(ctx context.Context) error {
			waiter := aio.CreateTask(ctx, aio.NoResult(wait))
			letPass(ctx, 1)
			if err := c.With(ctx, func(context.Context) error { c.Notify(1); return nil }); err != nil {
				return err
			}
			_, err := waiter.Await(ctx)
			return err
		}
	},
	"Semaphore": func() (occupy, wait, use func(ctx context.Context) error) {
		return semaphoreUses(aio.NewSemaphore(2))
	},
	"BoundedSemaphore": func() (occupy, wait, use func(ctx context.Context) error) {
		return semaphoreUses(aio.NewBoundedSemaphore(2))
	},
	"Semaphore.Locked": func() (occupy, wait, use func(ctx context.Context) error) {
		s := aio.NewSemaphore(1)
		return s.Acquire, s.Acquire, func(context.Context) error { return free(!s.Locked()) }
	},
	"Event": func() (occupy, wait, use func(ctx context.Context) error) {
		v := new(aio.Event)
		return func(context.Context) error { return nil }, v.Wait, func(ctx context.Context) error {
			waiter := aio.CreateTask(ctx, aio.NoResult(v.Wait))
			letPass(ctx, 1)
			v.Set()
			_, err := waiter.Await(ctx)
			return err
		}
	},
	"Event.Set": func() (occupy, wait, use func(ctx context.Context) error) {
		v := new(aio.Event)
		return func(context.Context) error { v.Clear(); return nil }, v.Wait, func(ctx context.Context) error {
			v.Set()
			return v.Wait(ctx)
		}
	},
	"Barrier": func() (occupy, wait, use func(ctx context.Context) error) {
		b := aio.NewBarrier(3)
		wait = func(ctx context.Context) error { _, err := b.Wait(ctx); return err }
		return func(context.Context) error { return nil }, wait, func(ctx context.Context) error {
			if b.NWaiting() != 0 || b.Broken() {
				return fmt.Errorf("%d wait, broken %v", b.NWaiting(), b.Broken())
			}
			_, err := aio.Gather(ctx, aio.NoResult(wait), aio.NoResult(wait), aio.NoResult(wait)).Await(ctx)
			return err
		}
	},
	"Queue.Join": func() (occupy, wait, use func(ctx context.Context) error) {
		q := aio.NewQueue[int](0)
		occupy = func(ctx context.Context) error {
			for i := range 3 {
				_ = q.PutNowait(i)
			}
			_, err := q.Get(ctx) // without TaskDone
			return err
		}
		return occupy, q.Join, func(ctx context.Context) error {
			for want := 1; !q.Empty(); want++ {
				if v, err := q.GetNowait(); v != want || err != nil {
					return fmt.Errorf("item %v, %v, want %d", v, err, want)
				}
				q.TaskDone()
			}
			return q.Join(ctx)
		}
	},
	"Queue.Get": func() (occupy, wait, use func(ctx context.Context) error) {
		q := aio.NewQueue[int](1)
		get := func(ctx context.Context) error { _, err := q.Get(ctx); return err }
		return func(context.Context) error { return nil }, get, func(ctx context.Context) error {
			if err := q.PutNowait(1); err != nil {
				return err
			}
			return get(ctx)
		}
	},
	"Queue.Put": func() (occupy, wait, use func(ctx context.Context) error) {
		q := aio.NewQueue[int](1)
		put := func(ctx context.Context) error { return q.Put(ctx, 1) }
		return put, put, func(ctx context.Context) error {
			if _, err := q.GetNowait(); err != nil {
				return err
			}
			return put(ctx)
		}
	},
	"CapacityLimiter": func() (occupy, wait, use func(ctx context.Context) error) {
		l := aiokit.NewCapacityLimiter(1)
		return l.Acquire, l.Acquire, func(ctx context.Context) error { return l.With(ctx, emptyBody) }
	},
	"CapacityLimiter.AcquireFor": func() (occupy, wait, use func(ctx context.Context) error) {
		l := aiokit.NewCapacityLimiter(1)
		occupy = func(ctx context.Context) error { return l.AcquireFor(ctx, "somebody") }
		return occupy, l.Acquire, func(ctx context.Context) error {
			if err := occupy(ctx); err != nil {
				return err
			}
			l.ReleaseFor("somebody")
			return nil
		}
	},
	"CapacityLimiter.TryAcquire": func() (occupy, wait, use func(ctx context.Context) error) {
		l := aiokit.NewCapacityLimiter(1)
		return l.Acquire, l.Acquire, func(ctx context.Context) error {
			if err := free(l.TryAcquire(ctx)); err != nil {
				return err
			}
			defer l.Release(ctx)
			if l.Borrowed() != 1 || l.Waiting() != 0 {
				return fmt.Errorf("%d borrowed, %d wait", l.Borrowed(), l.Waiting())
			}
			return nil
		}
	},
	"RateLimiter": func() (occupy, wait, use func(ctx context.Context) error) {
		r := aiokit.NewRateLimiter(1, time.Millisecond)
		return r.Wait, r.Wait, r.Wait
	},
	"RateLimiter, in line": func() (occupy, wait, use func(ctx context.Context) error) {
		r := aiokit.NewRateLimiter(1, time.Millisecond)
		wait = func(ctx context.Context) error { return r.WaitN(ctx, 1) }
		return r.Wait, wait, func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
				tg.Go(wait)
				tg.Go(wait)
				return nil
			})
		}
	},
	"Pool": func() (occupy, wait, use func(ctx context.Context) error) {
		p := aiokit.NewPool(aiokit.PoolOptions[int]{Open: returns(1), Max: 1})
		occupy = func(ctx context.Context) error { return second(p.Acquire(ctx)) }
		return occupy, occupy, func(ctx context.Context) error {
			return p.With(ctx, func(context.Context, int) error { return nil })
		}
	},
	"Pool.With": func() (occupy, wait, use func(ctx context.Context) error) {
		p := aiokit.NewPool(aiokit.PoolOptions[int]{Open: returns(1), Max: 2})
		occupy = func(ctx context.Context) error { return second(p.Acquire(ctx)) }
		wait = func(ctx context.Context) error {
			return p.With(ctx, func(ctx context.Context, _ int) error { return second(forever(ctx)) })
		}
		return occupy, wait, func(ctx context.Context) error {
			return p.With(ctx, func(ctx context.Context, _ int) error {
				return p.With(ctx, func(context.Context, int) error {
					if p.InUse() != 2 {
						return fmt.Errorf("%d are lent", p.InUse())
					}
					return nil
				})
			})
		}
	},
	"Pool.Close": func() (occupy, wait, use func(ctx context.Context) error) {
		p := aiokit.NewPool(aiokit.PoolOptions[int]{Open: returns(1), Max: 1})
		occupy = func(ctx context.Context) error {
			if err := second(p.Acquire(ctx)); err != aiokit.ErrPoolClosed {
				return err
			}
			return nil // in the second round the pool is closed already
		}
		return occupy, occupy, p.Close
	},
	"MemoryChannel.Receive": func() (occupy, wait, use func(ctx context.Context) error) {
		s, r := aiokit.NewMemoryChannel[int](0)
		get := func(ctx context.Context) error { return second(r.Receive(ctx)) }
		return emptyBody, get, func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(get)
				return s.Send(ctx, 1)
			})
		}
	},
	"MemoryChannel.Send": func() (occupy, wait, use func(ctx context.Context) error) {
		s, r := aiokit.NewMemoryChannel[int](0)
		put := func(ctx context.Context) error { return s.Send(ctx, 1) }
		return emptyBody, put, func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error { return s.Send(ctx, 2) })
				v, err := r.Receive(ctx)
				if v != 2 {
					return fmt.Errorf("received %d, %v", v, err)
				}
				return err
			})
		}
	},
	"MemoryChannel.Close": func() (occupy, wait, use func(ctx context.Context) error) {
		s, r := aiokit.NewMemoryChannel[int](0)
		wait = func(ctx context.Context) error { return second(r.Receive(ctx)) }
		return emptyBody, wait, func(ctx context.Context) error {
			other := s.Clone()
			other.Close()
			_, err := r.ReceiveNowait()
			if err != aiokit.ErrWouldBlock {
				return fmt.Errorf("ReceiveNowait: %v", err)
			}
			return nil
		}
	},
}

// A RateLimiter serves loops whose clocks differ: the time of a virtual clock begins
// anew with each loop, and is years before that of a real one.
func TestRateLimiterOfClocksThatDiffer(t *testing.T) {
	virtual := func(f func(ctx context.Context) error) error {
		l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
		defer l.Close()
		return runMain(l, f)
	}
	r := aiokit.NewRateLimiter(2, 2*time.Hour)
	use := func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		start := l.Time()
		for range 10 {
			if err := r.Wait(ctx); err != nil {
				return err
			}
		}
		if took := l.Time().Sub(start); took > 10*time.Hour {
			return fmt.Errorf("ten events took %v", took)
		}
		return nil
	}
	same(t, "the first virtual loop", virtual(use), nil)
	same(t, "a real loop", aio.Run(func(ctx context.Context) error { _ = r.Allow(ctx); return nil }), nil)
	for range 2 {
		same(t, "another virtual loop", virtual(use), nil)
	}
}

func semaphoreUses(s *aio.Semaphore) (occupy, wait, use func(ctx context.Context) error) {
	occupy = func(ctx context.Context) error {
		_ = s.Acquire(ctx)
		return s.Acquire(ctx)
	}
	return occupy, s.Acquire, func(ctx context.Context) error {
		// exactly two permits are available
		for range 2 {
			if err := s.Acquire(ctx); err != nil {
				return err
			}
		}
		if !s.Locked() {
			return fmt.Errorf("it has more permits than initially")
		}
		s.Release()
		s.Release()
		return nil
	}
}

func free(is bool) error {
	if !is {
		return fmt.Errorf("it is held by a task that no longer exists")
	}
	return nil
}

func TestLocksAndQueuesOutliveTheirLoop(t *testing.T) {
	// the state of the tasks when the first loop ends
	for how, leave := range map[string]func(ctx context.Context, occupy, wait func(ctx context.Context) error) error{
		"the holder is done": func(ctx context.Context, occupy, _ func(ctx context.Context) error) error { return occupy(ctx) },
		"others wait": func(ctx context.Context, occupy, wait func(ctx context.Context) error) error {
			err := occupy(ctx)
			for range 2 {
				spawn(ctx, wait)
			}
			letPass(ctx, 2)
			return err
		},
		"the holder sleeps": func(ctx context.Context, occupy, wait func(ctx context.Context) error) error {
			spawn(ctx, func(ctx context.Context) error {
				if err := occupy(ctx); err != nil {
					return err
				}
				return aio.Sleep(ctx, time.Hour)
			})
			letPass(ctx, 1)
			spawn(ctx, wait)
			letPass(ctx, 2)
			return nil
		},
	} {
		for name, make := range outliving {
			// whether Close unwinds the tasks, or Run cancels them first
			for _, closed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/%v", name, how, closed), func(t *testing.T) {
					occupy, wait, use := make()
					for range 3 {
						// repeated: the second loop leaves it
						// in the same state as the first
						leaveIn(t, closed, func(ctx context.Context) error { return leave(ctx, occupy, wait) })
						err := aio.Run(func(ctx context.Context) error { return aio.Timeout(ctx, patience, use) })
						same(t, "use in another loop", err, nil)
						if name == "Event" || name == "Event.Set" || name == "Queue.Put" {
							// the event stays set, or the
							// queue full
							break
						}
					}
				})
			}
		}
	}
}

// leaveIn runs f in a loop that ends normally, or is closed while its tasks are
// pending.
func leaveIn(t *testing.T, closed bool, f func(ctx context.Context) error) {
	t.Helper()
	if !closed {
		same(t, "the first loop", aio.Run(f), nil)
		return
	}
	l := aio.NewEventLoop(nil)
	// ignores the reports of destroyed tasks
	l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
	same(t, "the first loop", runMain(l, f), nil)
	matches(t, "Close", l.Close(), nil)
}

// While a loop is being closed, its unwinding tasks still use its locks.
func TestLockIsReleasedByATaskThatIsUnwound(t *testing.T) {
	var k aio.Lock
	var log eventLog
	l := aio.NewEventLoop(nil)
	l.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
	_ = runMain(l, func(ctx context.Context) error {
		for i := range 2 {
			spawn(ctx, func(ctx context.Context) error {
				err := k.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
				log.add("%d: locked %v", i, k.Locked())
				return err
			})
		}
		letPass(ctx, 1)
		return nil
	})
	_ = l.Close()
	slices.Sort(log)
	equal(t, "log", []string(log), []string{"0: locked false", "1: locked false"})
	same(t, "locked afterwards", k.Locked(), false)
}
