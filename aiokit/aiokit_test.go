package aiokit_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

const ms = time.Millisecond

var errFlaky = errors.New("flaky")

func loopOf(ctx context.Context) *aio.Loop {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		panic(err)
	}
	return loop
}

// clock returns a function that returns the milliseconds since the call of clock.
func clock(ctx context.Context) func() int {
	start := loopOf(ctx).Time()
	return func() int { return int(loopOf(ctx).Time().Sub(start) / ms) }
}

type eventLog []string

func (l *eventLog) add(format string, args ...any) { *l = append(*l, fmt.Sprintf(format, args...)) }

func (l *eventLog) want(t *testing.T, events string) {
	t.Helper()
	if got := strings.Join(*l, " "); got != events {
		t.Errorf("\n got %s\nwant %s", got, events)
	}
	*l = nil
}

// panicked returns the error that f panics with.
func panicked(f func()) (err error) {
	defer func() { err, _ = recover().(error) }()
	f()
	return nil
}

func TestRetry(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		half := func() float64 { return 0.5 }
		other := errors.New("other")
		for _, c := range []struct {
			name   string
			opts   *aiokit.RetryOptions
			fails  int // number of calls that fail
			err    error
			events string
		}{
			{"at once", nil, 0, nil, "call@0 <nil>@0"},
			{"pauses double", nil, 3, nil, "call@0 call@100 call@300 call@700 <nil>@700"},
			{"attempts", &aiokit.RetryOptions{Attempts: 2, Pause: 10 * ms}, 9, nil, "call@0 call@10 aiokit: after 2 attempts: flaky@10"},
			{"longest pause", &aiokit.RetryOptions{Pause: 10 * ms, Factor: 10, MaxPause: 50 * ms}, 3, nil, "call@0 call@10 call@60 call@110 <nil>@110"},
			{"equal pauses", &aiokit.RetryOptions{Pause: 10 * ms, Factor: 1}, 3, nil, "call@0 call@10 call@20 call@30 <nil>@30"},
			{"timeout", &aiokit.RetryOptions{Timeout: 250 * ms}, 9, nil, "call@0 call@100 aiokit: after 2 attempts: flaky@100"},
			{"jitter", &aiokit.RetryOptions{Jitter: 1, Rand: half}, 2, nil, "call@0 call@50 call@150 <nil>@150"},
			{"not for this one", &aiokit.RetryOptions{If: func(err error) bool { return err != other }}, 9, other, "call@0 other@0"},
			{"misuse is passed on", nil, 9, aio.ErrUsage, "call@0 aio: misuse@0"},
			{"a cancellation is passed on", nil, 9, &aio.CancelledError{}, "call@0 aio: cancelled@0"},
		} {
			var log eventLog
			now, calls := clock(ctx), 0
			err := aiokit.Retry(ctx, c.opts, func(ctx context.Context) error {
				log.add("call@%d", now())
				if calls++; calls > c.fails {
					return nil
				}
				if c.err != nil {
					return c.err
				}
				return errFlaky
			})
			log.add("%v@%d", err, now())
			t.Run(c.name, func(t *testing.T) { log.want(t, c.events) })
		}
		var before eventLog
		n, err := aiokit.RetryResult(ctx, &aiokit.RetryOptions{Before: func(n int, err error, pause time.Duration) {
			before.add("%d %v %v", n, err, pause)
		}}, func(ctx context.Context) (int, error) {
			if len(before) == 0 {
				return 1, errFlaky
			}
			return 2, nil
		})
		if before.want(t, "1 flaky 100ms"); n != 2 || err != nil {
			t.Errorf("%v %v", n, err)
		}
		// When the caller's context is done, Retry returns its error.
		derived, cancel := context.WithCancel(ctx)
		calls := 0
		err = aiokit.Retry(derived, nil, func(ctx context.Context) error {
			calls++
			cancel()
			return aio.Sleep(ctx, time.Second)
		})
		if calls != 1 || !errors.Is(err, context.Canceled) {
			t.Errorf("%d calls, %v", calls, err)
		}
		return nil
	})
}

func TestEvery(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		now, calls := clock(ctx), 0
		err := aiokit.Every(ctx, 10*ms, func(ctx context.Context) error {
			log.add("%d", now())
			if calls++; calls == 5 {
				return errFlaky
			}
			// The second call takes too long: the ticks at 30 and 40 are
			// skipped.
			return aio.Sleep(ctx, time.Duration([]int{0, 25, 0, 10}[calls-1])*ms)
		})
		log.want(t, "10 20 50 60 80")
		if err != errFlaky {
			t.Error(err)
		}
		return nil
	})
}

func TestRateLimiter(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		now := clock(ctx)
		r := aiokit.NewRateLimiter(3, 300*ms)
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range 6 {
				tg.Go(func(ctx context.Context) error {
					err := r.Wait(ctx)
					log.add("%d@%d", i, now())
					return err
				})
			}
			return nil
		})
		log.want(t, "0@0 1@0 2@0 3@100 4@200 5@300")
		if r.Allow(ctx) {
			t.Error("a token is available")
		}
		err = errors.Join(err, aio.Sleep(ctx, time.Hour))
		for range 3 {
			if !r.Allow(ctx) {
				t.Error("at most the burst is saved")
			}
		}
		if r.Allow(ctx) {
			t.Error("more than the burst was saved")
		}
		return errors.Join(err, r.WaitN(ctx, 3))
	})
}

// More events than nanoseconds in the period.
func TestRateLimiterHighRate(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		start := loopOf(ctx).Time()
		r := aiokit.NewRateLimiter(1000, 10)
		counts := map[time.Duration]int{}
		for range 1250 {
			if err := r.Wait(ctx); err != nil {
				return err
			}
			counts[loopOf(ctx).Time().Sub(start)]++
		}
		if want := map[time.Duration]int{0: 1000, 1: 100, 2: 100, 3: 50}; !maps.Equal(counts, want) {
			t.Errorf("events by nanosecond: %v, want %v", counts, want)
		}
		for range 50 {
			if !r.Allow(ctx) {
				t.Error("no token is left of the nanosecond")
			}
		}
		if r.Allow(ctx) {
			t.Error("more than 100 tokens in a nanosecond")
		}
		r = aiokit.NewRateLimiter(math.MaxInt, 1)
		return errors.Join(r.WaitN(ctx, math.MaxInt), r.Wait(ctx))
	})
}

func TestCapacityLimiter(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		now := clock(ctx)
		l := aiokit.NewCapacityLimiter(2)
		loopOf(ctx).CallLater(15*ms, func() { l.SetTotal(1) })
		loopOf(ctx).CallLater(35*ms, func() { l.SetTotal(3) })
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range 7 {
				tg.Go(func(ctx context.Context) error {
					return l.With(ctx, func(ctx context.Context) error {
						log.add("%d@%d", i, now())
						return aio.Sleep(ctx, 10*ms)
					})
				})
			}
			return nil
		})
		log.want(t, "0@0 1@0 2@10 3@10 4@20 5@30 6@35")
		if l.Borrowed() != 0 || l.Waiting() != 0 || l.Total() != 3 {
			t.Errorf("%d borrowed, %d waiting, of %d", l.Borrowed(), l.Waiting(), l.Total())
		}
		if !l.TryAcquire(ctx) {
			t.Error("there are places")
		}
		if err := l.Acquire(ctx); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("acquired twice: %v", err)
		}
		l.Release(ctx)
		if err := panicked(func() { l.Release(ctx) }); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("released twice: %v", err)
		}
		for _, who := range []any{nil, []int{1}, [1]any{[]int{1}}} {
			// values that cannot be keys of a map
			if err := l.AcquireFor(ctx, who); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("a place for %v: %v", who, err)
			}
			if err := panicked(func() { l.ReleaseFor(who) }); !errors.Is(err, aio.ErrUsage) {
				t.Errorf("the place of %v: %v", who, err)
			}
		}
		return err
	})
}

// When a loop is closed, its tasks end and return their connections.
func TestPoolOfClosedLoop(t *testing.T) {
	loop := aio.NewEventLoop(nil)
	// ignores the report of the pending task
	loop.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
	p := aiokit.NewPool(aiokit.PoolOptions[int]{Open: func(context.Context) (int, error) { return 1, nil }})
	_, err := aio.RunUntilComplete(loop, aio.NoResult(func(ctx context.Context) error {
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return p.With(ctx, func(ctx context.Context, _ int) error { return aio.Sleep(ctx, time.Hour) })
		}))
		return aio.Sleep(ctx, 0)
	}))
	if err != nil || p.InUse() != 1 {
		t.Fatal(err, p.InUse())
	}
	if err := loop.Close(); err != nil || p.InUse() != 0 {
		t.Errorf("%v, %d in use", err, p.InUse())
	}
}

func TestPool(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		made := 0
		bad := map[int]bool{}
		p := aiokit.NewPool(aiokit.PoolOptions[int]{
			Open: func(ctx context.Context) (int, error) {
				made++
				log.add("open%d", made)
				n := made
				return n, aio.Sleep(ctx, ms)
			},
			Close: func(ctx context.Context, c int) error {
				log.add("close%d", c)
				return aio.Sleep(ctx, ms)
			},
			Check: func(ctx context.Context, c int) error {
				if bad[c] {
					return errFlaky
				}
				return nil
			},
			Max: 2, IdleTimeout: time.Minute,
		})
		use := func(name string, end error) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				return p.With(ctx, func(ctx context.Context, c int) error {
					log.add("%s:%d", name, c)
					if err := aio.Sleep(ctx, 10*ms); err != nil {
						return err
					}
					return end
				})
			}
		}
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, name := range []string{"a", "b", "c"} {
				tg.Go(use(name, nil))
			}
			return nil
		})
		if err != nil {
			return err
		}
		log.want(t, "open1 open2 a:1 b:2 c:2")
		if err := use("fails", errFlaky)(ctx); err != errFlaky {
			t.Error(err)
		}
		if err := use("kept", aiokit.Keep(errFlaky))(ctx); err != errFlaky {
			t.Error(err)
		}
		log.want(t, "fails:2 close2 kept:1")
		bad[1] = true
		if err := use("checked", nil)(ctx); err != nil {
			return err
		}
		log.want(t, "close1 open3 checked:3")
		if err := aio.Sleep(ctx, time.Hour); err != nil {
			return err
		}
		if err := use("late", nil)(ctx); err != nil {
			return err
		}
		log.want(t, "close3 open4 late:4")

		task := aio.CreateTask(ctx, aio.NoResult(use("last", nil)))
		if err := aio.Sleep(ctx, 5*ms); err != nil {
			return err
		}
		if err := p.Close(ctx); err != nil {
			return err
		}
		log.want(t, "last:4 close4")
		if err := use("never", nil)(ctx); err != aiokit.ErrPoolClosed {
			t.Error(err)
		}
		if err := p.Release(ctx, 1, true); !errors.Is(err, aio.ErrUsage) || p.Idle() != 0 || p.InUse() != 0 {
			t.Errorf("%v, %d idle, %d in use", err, p.Idle(), p.InUse())
		}
		_, err = task.Await(ctx)
		return err
	})
}

func TestExitStack(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		note := func(what string, err error) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				log.add("%s", what)
				return errors.Join(err, aio.Sleep(ctx, ms))
			}
		}
		errA, errB := errors.New("a"), errors.New("b")
		err := aiokit.WithExitStack(ctx, func(ctx context.Context, s *aiokit.ExitStack) error {
			s.Push(note("first", errA))
			s.Push(note("second", nil))
			s.Push(note("third", errB))
			log.add("body")
			return errFlaky
		})
		log.want(t, "body third second first")
		if !errors.Is(err, errA) || !errors.Is(err, errB) || !errors.Is(err, errFlaky) {
			t.Error(err)
		}

		// An entered context manager gets the error and can change it.
		var lock aio.Lock
		err = aiokit.WithExitStack(ctx, func(ctx context.Context, s *aiokit.ExitStack) error {
			ctx, err := s.Enter(ctx, func(ctx context.Context, body func(ctx context.Context) error) error {
				return aio.Timeout(ctx, time.Second, body)
			})
			if err != nil {
				return err
			}
			if ctx, err = s.Enter(ctx, lock.With); err != nil {
				return err
			}
			s.Push(func(context.Context) error { log.add("locked=%v", lock.Locked()); return nil })
			return aio.Sleep(ctx, time.Hour)
		})
		log.want(t, "locked=true")
		if err != aio.ErrTimeout || lock.Locked() {
			t.Errorf("%v, locked %v", err, lock.Locked())
		}

		// One context manager fails to enter, and one does not call its body.
		err = aiokit.WithExitStack(ctx, func(ctx context.Context, s *aiokit.ExitStack) error {
			if _, err := s.Enter(ctx, func(context.Context, func(ctx context.Context) error) error { return errFlaky }); err != errFlaky {
				t.Error(err)
			}
			if _, err := s.Enter(ctx, func(context.Context, func(ctx context.Context) error) error { return nil }); !errors.Is(err, aio.ErrUsage) {
				t.Error(err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}

		// A panic of the body, and one of an exit callback.
		err = panicked(func() {
			_ = aiokit.WithExitStack(ctx, func(ctx context.Context, s *aiokit.ExitStack) error {
				s.Push(note("last", nil))
				s.Push(func(context.Context) error { panic(errB) })
				s.Push(note("one", nil))
				panic(errA)
			})
		})
		log.want(t, "one last")
		if !errors.Is(err, errB) {
			t.Error(err)
		}

		var leave func(ctx context.Context) error
		var left *aiokit.ExitStack
		err = aiokit.WithExitStack(ctx, func(ctx context.Context, s *aiokit.ExitStack) error {
			left = s
			s.Push(note("moved", nil))
			leave = s.PopAll()
			return nil
		})
		log.want(t, "")
		if err = errors.Join(err, leave(ctx)); err != nil {
			t.Error(err)
		}
		log.want(t, "moved")
		if err := panicked(func() { left.Push(note("late", nil)) }); !errors.Is(err, aio.ErrUsage) {
			t.Error(err)
		}
		return nil
	})
}

func TestMisuse(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		open := func(context.Context) (int, error) { return 0, nil }
		for name, err := range map[string]error{
			"Retry":         aiokit.Retry(ctx, nil, nil),
			"RetryOptions":  aiokit.Retry(ctx, &aiokit.RetryOptions{Jitter: 2}, func(context.Context) error { return nil }),
			"Every":         aiokit.Every(ctx, time.Second, nil),
			"interval":      aiokit.Every(ctx, 0, func(context.Context) error { return nil }),
			"WaitN":         aiokit.NewRateLimiter(2, time.Second).WaitN(ctx, 3),
			"NewRate":       panicked(func() { aiokit.NewRateLimiter(0, time.Second) }),
			"NewCapacity":   panicked(func() { aiokit.NewCapacityLimiter(-1) }),
			"AcquireFor":    aiokit.NewCapacityLimiter(1).AcquireFor(ctx, nil),
			"NewPool":       panicked(func() { aiokit.NewPool(aiokit.PoolOptions[int]{}) }),
			"Pool.With":     aiokit.NewPool(aiokit.PoolOptions[int]{Open: open}).With(ctx, nil),
			"WithExitStack": aiokit.WithExitStack(ctx, nil),
			"channel":       panicked(func() { aiokit.NewMemoryChannel[int](-2) }),
		} {
			if !errors.Is(err, aio.ErrUsage) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := aiokit.Retry(context.Background(), nil, func(context.Context) error { return nil }); !errors.Is(err, aio.ErrNoRunningLoop) {
			t.Error(err)
		}
		return nil
	})
}
