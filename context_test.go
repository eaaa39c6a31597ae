package aio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

type ctxKey string

// closed reports whether ctx is done.
func closed(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

// Context values correspond to asyncio's context variables. A task cannot change them,
// only derive a new context, so the creator is not affected.
//
// TASK-180, TASK-181, TASK-185
func TestContextValuesAreInheritedAtCreation(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var tasks []aio.Awaitable[struct{}]
		for i := range 100 {
			mine := context.WithValue(ctx, ctxKey("n"), i)
			tasks = append(tasks, aio.CreateTask(mine, aio.NoResult(func(ctx context.Context) error {
				for step := range 3 {
					if n := ctx.Value(ctxKey("n")); n != i {
						t.Errorf("task %d, step %d: %v", i, step, n)
					}
					if err := aio.Sleep(ctx, time.Duration(i%7)); err != nil {
						return err
					}
				}
				changed := context.WithValue(ctx, ctxKey("n"), -i)
				grandchild := aio.CreateTask(changed, func(ctx context.Context) (any, error) { return ctx.Value(ctxKey("n")), nil })
				if n, err := grandchild.Await(ctx); n != -i || err != nil {
					t.Errorf("grandchild of %d: %v, %v", i, n, err)
				}
				if n := ctx.Value(ctxKey("n")); n != i {
					t.Errorf("task %d, changed: %v", i, n)
				}
				return nil
			})))
		}
		_, err := aio.Gather(ctx, tasks...).Await(ctx)
		if n := ctx.Value(ctxKey("n")); n != nil {
			t.Errorf("the creator sees %v", n)
		}
		return err
	})
}

// TASK-183, TASK-184
func TestContextOfATaskMayBeGiven(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		given := context.WithValue(ctx, ctxKey("who"), "given")
		var read aio.Coro[any] = func(ctx context.Context) (any, error) { return ctx.Value(ctxKey("who")), nil }
		var nothing context.Context
		here := context.WithValue(ctx, ctxKey("who"), "creator")
		for _, tt := range []struct {
			name string
			read aio.Awaitable[any]
			want any
		}{
			{"task", aio.CreateTask(here, read), "creator"},
			{"WithContext", aio.CreateTask(here, read, aio.WithContext(given)), "given"},
			{"WithContext, again", aio.CreateTask(here, read, aio.WithContext(given)), "given"},
			{"no values", aio.CreateTask(here, read, aio.WithContext(context.Background())), nil},
			{"WithContext of nothing", aio.CreateTask(here, read, aio.WithContext(nothing)), "creator"},
			{"inline", read, nil},
		} {
			if v, err := tt.read.Await(ctx); v != tt.want || err != nil {
				t.Errorf("%s: %v, %v", tt.name, v, err)
			}
		}
		return nil
	})
}

// A task inherits the values of the context it was created with, but not its
// cancellation or deadline.
func TestContextOfATaskDoesNotEndWithItsCreators(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		short, cancel := context.WithTimeout(ctx, time.Hour)
		var in context.Context
		task := aio.CreateTask(short, aio.NoResult(func(ctx context.Context) error {
			in = ctx
			return aio.Sleep(ctx, time.Second)
		}))
		letPass(ctx, 1)
		cancel()
		_, has := in.Deadline()
		if has || closed(in) || in.Err() != nil {
			t.Errorf("deadline %v, Err %v", has, in.Err())
		}
		_, err := task.Await(ctx)
		return err
	})
}

// Done of a task's context is closed when the task ends, and when it is cancelled,
// before Cancel returns.
func TestContextEndsWithItsTask(t *testing.T) {
	for _, asked := range []bool{true, false} {
		// whether Done was called before the end
		aiotest.Run(t, func(ctx context.Context) error {
			park := func(ctx context.Context) (context.Context, error) {
				if asked && closed(ctx) {
					t.Error("closed at the start")
				}
				return ctx, aio.Sleep(ctx, time.Second)
			}
			ends := aio.CreateTask(ctx, park)
			cancelled := aio.CreateTask(ctx, park)
			letPass(ctx, 1)
			cancelled.Cancel("m")
			var c *aio.CancelledError
			switch in := cancelled.GetContext(); {
			case !closed(in), in.Err() != context.Canceled:
				t.Errorf("cancelled: Err %v", in.Err())
			case !errors.As(context.Cause(in), &c) || c.Message != "m":
				t.Errorf("cancelled: cause %v", context.Cause(in))
			}
			in, err := ends.Await(ctx)
			if err != nil {
				return err
			}
			if !closed(in) || in.Err() != context.Canceled || context.Cause(in) == nil || errors.Is(context.Cause(in), aio.ErrCancelled) {
				t.Errorf("at the end: Err %v, cause %v", in.Err(), context.Cause(in))
			}
			if closed(ctx) {
				t.Error("the context of the creator was closed")
			}
			_, _ = cancelled.Await(ctx)
			return nil
		})
	}
}

// Done stays closed after a cancellation; awaits work again after the cancellation was
// swallowed.
func TestContextSwallowedCancellationStaysSwallowed(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		task := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			_, err := forever(ctx)
			if !errors.Is(err, aio.ErrCancelled) || !closed(ctx) {
				t.Errorf("got %v, closed %v", err, closed(ctx))
			}
			for _, c := range []context.Context{ctx, context.WithValue(ctx, ctxKey("k"), 1)} {
				if err := aio.Sleep(c, time.Second); err != nil {
					t.Errorf("sleep: %v", err)
				}
				if v, err := aio.CreateTask(c, returns(7)).Await(c); v != 7 || err != nil {
					t.Errorf("await: %v, %v", v, err)
				}
				err := aio.Timeout(c, time.Hour, func(ctx context.Context) error { return aio.Sleep(ctx, time.Second) })
				if err != nil {
					t.Errorf("timeout: %v", err)
				}
			}
			return 1, nil
		})
		letPass(ctx, 1)
		task.Cancel()
		v, err := task.Await(ctx)
		if v != 1 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		return nil
	})
}

// Timeout and TaskGroup cancel their own context, but not that of the task.
func TestContextOfAScopeEndsAlone(t *testing.T) {
	scopes := map[string]func(ctx context.Context, inside func(ctx context.Context)) error{
		"timeout that expires": func(ctx context.Context, inside func(ctx context.Context)) error {
			return aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
				inside(ctx)
				err := aio.Sleep(ctx, time.Hour)
				if !closed(ctx) || ctx.Err() != context.DeadlineExceeded || context.Cause(ctx) != aio.ErrTimeout {
					t.Errorf("expired: Err %v, cause %v", ctx.Err(), context.Cause(ctx))
				}
				return err
			})
		},
		"timeout that does not expire": func(ctx context.Context, inside func(ctx context.Context)) error {
			return aio.Timeout(ctx, time.Second, func(ctx context.Context) error { inside(ctx); return nil })
		},
		"group that fails": func(ctx context.Context, inside func(ctx context.Context)) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				inside(ctx)
				tg.Go(func(context.Context) error { return errBoom })
				err := aio.Sleep(ctx, time.Hour)
				if !closed(ctx) {
					t.Error("failed: not closed")
				}
				return err
			})
		},
		"group that ends normally": func(ctx context.Context, inside func(ctx context.Context)) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error { inside(ctx); return nil })
		},
	}
	for name, scope := range scopes {
		for _, asked := range []bool{true, false} {
			aiotest.Run(t, func(ctx context.Context) error {
				outside := ctx.Done()
				var in context.Context
				_ = scope(ctx, func(ctx context.Context) {
					in = ctx
					if asked && closed(ctx) || ctx.Err() != nil {
						t.Errorf("%s: closed at the start", name)
					}
				})
				if !closed(in) || in.Err() == nil {
					t.Errorf("%s: not closed at the end", name)
				}
				select {
				case <-outside:
					t.Errorf("%s: the task's context was closed", name)
				default:
				}
				if ctx.Err() != nil {
					t.Errorf("%s: Err of the task's context: %v", name, ctx.Err())
				}
				return aio.Sleep(ctx, time.Second)
			})
		}
	}
}

// Cancelling a task cancels the contexts of all scopes in it.
func TestContextOfAScopeEndsWithItsTask(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var in []context.Context
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return aio.Timeout(ctx, time.Hour, func(ctx context.Context) error {
				in = append(in, ctx)
				return aio.WithTaskGroup(ctx, func(ctx context.Context, _ *aio.TaskGroup) error {
					in = append(in, ctx)
					return aio.Sleep(ctx, time.Hour)
				})
			})
		}))
		letPass(ctx, 1)
		task.Cancel()
		for i, c := range in {
			if !closed(c) {
				t.Errorf("scope %d is open", i)
			}
		}
		letPass(ctx, 1)
		if len(in) != 2 || !task.Cancelled() {
			t.Errorf("%d scopes, %v", len(in), task)
		}
		return nil
	})
}

// An await with a context that the caller derived ends with that context: the awaited
// operation is cancelled, and the error contains the context's cause. The task itself
// is not cancelled.
//
// These tests run in real time, because contexts of the standard library do.
func TestContextDerivedByTheCallerEndsAnAwait(t *testing.T) {
	derive := map[string]func(ctx context.Context) (c context.Context, end func(), cause error){
		"WithCancelCause": func(ctx context.Context) (context.Context, func(), error) {
			c, cancel := context.WithCancelCause(ctx)
			return c, func() { cancel(errBoom) }, errBoom
		},
		"WithCancel": func(ctx context.Context) (context.Context, func(), error) {
			c, cancel := context.WithCancel(ctx)
			return c, cancel, context.Canceled
		},
		"WithTimeout": func(ctx context.Context) (context.Context, func(), error) {
			c, cancel := context.WithTimeout(ctx, time.Millisecond)
			_ = cancel // the deadline ends the await
			return c, func() {}, context.DeadlineExceeded
		},
		"WithValue over WithCancelCause": func(ctx context.Context) (context.Context, func(), error) {
			c, cancel := context.WithCancelCause(ctx)
			return context.WithValue(c, ctxKey("k"), 1), func() { cancel(errBoom) }, errBoom
		},
	}
	await := map[string]func(ctx context.Context, f *aio.Future[int], child *aio.Task[int]) error{
		"future": func(ctx context.Context, f *aio.Future[int], _ *aio.Task[int]) error {
			_, err := f.Await(ctx)
			return err
		},
		"task": func(ctx context.Context, _ *aio.Future[int], child *aio.Task[int]) error {
			_, err := child.Await(ctx)
			return err
		},
		"gather": func(ctx context.Context, _ *aio.Future[int], child *aio.Task[int]) error {
			_, err := aio.Gather(ctx, child).Await(ctx)
			return err
		},
		"sleep": func(ctx context.Context, _ *aio.Future[int], _ *aio.Task[int]) error {
			return aio.Sleep(ctx, time.Hour)
		},
		"event": func(ctx context.Context, _ *aio.Future[int], _ *aio.Task[int]) error { return new(aio.Event).Wait(ctx) },
		"in a nested timeout": func(ctx context.Context, f *aio.Future[int], _ *aio.Task[int]) error {
			return aio.Timeout(ctx, time.Hour, func(ctx context.Context) error { _, err := f.Await(ctx); return err })
		},
		"in a nested group": func(ctx context.Context, f *aio.Future[int], _ *aio.Task[int]) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, _ *aio.TaskGroup) error {
				_, err := f.Await(ctx)
				return err
			})
		},
		"wait_for": func(ctx context.Context, f *aio.Future[int], _ *aio.Task[int]) error {
			_, err := aio.WaitFor(ctx, f, time.Hour)
			return err
		},
	}
	for how, derive := range derive {
		for on, await := range await {
			for _, before := range []bool{false, true} {
				// the context is done before the await
				t.Run(fmt.Sprintf("%s/%s/%v", how, on, before), func(t *testing.T) {
					err := aio.Run(func(ctx context.Context) error {
						f := aio.CreateFuture[int](ctx)
						g := aio.CreateFuture[int](ctx)
						child := aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return g.Await(ctx) })
						letPass(ctx, 1)
						c, end, cause := derive(ctx)
						if before {
							end()
							<-c.Done()
						} else {
							loop, err := aio.GetRunningLoop(ctx)
							if err != nil {
								return err
							}
							// the context ends during the
							// await
							loop.CallSoon(end)
						}
						err := await(c, f, child)
						if !endOf(err, c, cause) {
							t.Errorf("got %v", err)
						}
						letPass(ctx, 3)
						switch on {
						case "task", "gather":
							if !child.Cancelled() || !g.Cancelled() {
								t.Errorf("child %v", child)
							}
						case "future", "in a nested timeout", "in a nested group", "wait_for":
							if !f.Cancelled() {
								t.Errorf("future %v", f)
							}
						}
						// Later awaits with the derived context
						// fail too; those with the context of
						// the task do not.
						if err := aio.Sleep(c, 0); !endOf(err, c, cause) {
							t.Errorf("a later await: %v", err)
						}
						if me := aio.CurrentTask(ctx); me.(*aio.Task[struct{}]).Cancelling() != 0 || closed(ctx) {
							t.Error("the task itself was cancelled")
						}
						child.Cancel()
						return aio.Sleep(ctx, 0)
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// endOf reports whether err says that an await ended with the context c and was not
// cancelled.
func endOf(err error, c context.Context, cause error) bool {
	return errors.Is(err, c.Err()) && errors.Is(err, cause) && !errors.Is(err, aio.ErrCancelled)
}

// A context that is cancelled at the moment at which an await starts ends it too.
func TestContextDerivedThatEndsAsTheAwaitBegins(t *testing.T) {
	err := aio.Run(func(ctx context.Context) error {
		for i := range stage.Amount(600, 2000, 20_000) {
			c, cancel := context.WithCancel(ctx)
			var ready, begun atomic.Bool
			go func() {
				ready.Store(true)
				for n := i % 30; n > 0 || !begun.Load(); n-- {
					// vary the moment
				}
				cancel()
			}()
			for !ready.Load() {
				runtime.Gosched()
			}
			begun.Store(true)
			if _, err := forever(c); !endOf(err, c, context.Canceled) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// After a cancellation, a clean-up usually runs with context.WithoutCancel and its own
// timeout.
func TestContextOfACleanupEndsItsAwaits(t *testing.T) {
	err := aio.Run(func(ctx context.Context) error {
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, _ = forever(ctx)
			c, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Millisecond)
			defer cancel()
			if err := aio.Sleep(c, 0); err != nil {
				t.Errorf("the clean-up ended early: %v", err)
			}
			if err := aio.Sleep(c, 5*time.Second); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the timeout had no effect: %v", err)
			}
			return nil
		}))
		letPass(ctx, 1)
		task.Cancel()
		_, err := task.Await(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// An await that does not suspend succeeds even if its derived context is done.
func TestContextDerivedAndEndedLetsDoneFuturesThrough(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		c, cancel := context.WithCancel(ctx)
		cancel()
		if v, err := ended(ctx, "7").Await(c); v != 7 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		return nil
	})
}

// An await suspends the running task, whichever task's context is passed.
func TestContextOfAnotherTaskSuspendsTheCaller(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		child := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
			log.add("child")
			err := aio.Sleep(ctx, 0) // ctx is the context of the parent task
			log.add("child")
			return err
		}))
		log.add("parent")
		letPass(ctx, 1)
		log.add("parent")
		_, err := child.Await(ctx)
		log.want(t, "parent child parent child")
		return err
	})
}

// If the task's cancellation cancels a derived context, that is the same cancellation,
// not a second one.
func TestContextDerivedDoesNotCancelTwice(t *testing.T) {
	// a second cancellation would come from a goroutine, so repeat the test
	for range 20 {
		err := aio.Run(func(ctx context.Context) error {
			child := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				_, err := forever(ctx)
				for range 200 {
					if again := aio.Sleep(ctx, 0); again != nil {
						return errors.New("the cleanup was cancelled")
					}
				}
				return err
			}))
			parent := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				c, cancel := context.WithCancel(ctx)
				defer cancel()
				_, err := child.Await(c)
				return err
			}))
			letPass(ctx, 2)
			parent.Cancel()
			_, _, err := aio.Wait(ctx, []*aio.Task[struct{}]{parent}, aio.NoTimeout, aio.AllCompleted)
			if n := child.Cancelling(); n != 1 {
				return fmt.Errorf("the child was cancelled %d times", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// sliceError is an error that is not comparable.
type sliceError []string

func (e sliceError) Error() string { return e[0] }

// The outer context is done; the await uses one that is derived from it inside a
// Timeout.
func TestContextDerivedEndsAwaitsOfThoseDerivedFromIt(t *testing.T) {
	for _, cause := range []error{context.Canceled, errBoom, sliceError{"not comparable"}} {
		t.Run(cause.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				err := aio.Run(func(ctx context.Context) error {
					outer, end := context.WithCancelCause(ctx)
					time.AfterFunc(time.Second, func() { end(cause) })
					return aio.Timeout(outer, time.Hour, func(ctx context.Context) error {
						inner, cancel := context.WithCancel(ctx)
						defer cancel()
						return aio.Sleep(inner, time.Hour)
					})
				})
				if errors.Is(err, aio.ErrCancelled) || !errors.Is(err, context.Canceled) || !strings.HasSuffix(err.Error(), cause.Error()) {
					t.Errorf("error %v, want the error of the context with cause %v", err, cause)
				}
				same(t, "time that passed", time.Since(start), time.Second)
			})
		})
	}
}

// Calls from a worker goroutine return an error and have no effect.
func TestContextInAnotherGoroutineIsRefused(t *testing.T) {
	tries := stage.Amount(1000, 1000, 10_000)
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		f := aio.CreateFuture[int](ctx)
		calls := map[string]func() error{
			"Sleep":       func() error { return aio.Sleep(ctx, 0) },
			"Sleep, long": func() error { return aio.Sleep(ctx, time.Hour) },
			"Await":       func() error { _, err := f.Await(ctx); return err },
			"Timeout": func() error {
				return aio.Timeout(ctx, 0, func(context.Context) error { t.Error("the body ran"); return nil })
			},
			"WithTaskGroup": func() error {
				return aio.WithTaskGroup(ctx, func(context.Context, *aio.TaskGroup) error { t.Error("the body ran"); return nil })
			},
			"CreateTask":   func() error { return panics(func() { aio.CreateTask(ctx, forever) }) },
			"CreateFuture": func() error { return panics(func() { aio.CreateFuture[int](ctx) }) },
			"Gather":       func() error { return panics(func() { aio.Gather[int](ctx) }) },
			"SetResult":    func() error { return f.SetResult(1) },
			"Done":         func() error { return panics(func() { f.Done() }) },
			"Cancel":       func() error { return panics(func() { f.Cancel() }) },
			"CallSoon":     func() error { return panics(func() { loop.CallSoon(func() { t.Error("it ran") }) }) },
		}
		var over atomic.Bool
		go func() {
			defer over.Store(true)
			for i := 0; i < tries; {
				for name, call := range calls {
					if err := call(); !errors.Is(err, aio.ErrWrongGoroutine) {
						t.Errorf("%s: %v", name, err)
						return
					}
					i++
				}
				if me := aio.CurrentTask(ctx); me != nil {
					t.Errorf("current task: %v", me)
				}
			}
		}()
		rounds := 0
		other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for !over.Load() {
				rounds++
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
			}
			return nil
		}))
		for mine := 0; !over.Load(); mine++ {
			if rounds != mine {
				return fmt.Errorf("%d rounds of the other task, %d of this one", rounds, mine)
			}
			letPass(ctx, 1)
		}
		if n := len(aio.AllTasks(ctx)); n > 2 || f.Done() {
			t.Errorf("%d tasks, %v", n, f)
		}
		_, err = other.Await(ctx)
		return err
	})
}

// An await outside of a task returns an error.
func TestContextWithoutATaskCannotAwait(t *testing.T) {
	l, _ := newLoop(t)
	f := aio.CreateFuture[int](l.Context())
	awaits := map[string]func(ctx context.Context) error{
		"Sleep": func(ctx context.Context) error { return aio.Sleep(ctx, 0) },
		"Await": func(ctx context.Context) error { _, err := f.Await(ctx); return err },
		"Timeout": func(ctx context.Context) error {
			return aio.Timeout(ctx, 0, func(context.Context) error { return nil })
		},
		"WithTaskGroup": func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(context.Context, *aio.TaskGroup) error { return nil })
		},
		"Wait": func(ctx context.Context) error {
			_, _, err := aio.Wait(ctx, []*aio.Future[int]{f}, aio.NoTimeout, aio.AllCompleted)
			return err
		},
		"Acquire":  func(ctx context.Context) error { return new(aio.Lock).Acquire(ctx) },
		"ToThread": func(ctx context.Context) error { _, err := aio.ToThread(ctx, returns(1)); return err },
	}
	for name, await := range awaits {
		if err := await(context.Background()); !errors.Is(err, aio.ErrNoRunningLoop) {
			t.Errorf("%s with Background: %v", name, err)
		}
		if err := await(l.Context()); !errors.Is(err, aio.ErrNoRunningLoop) {
			t.Errorf("%s before the run: %v", name, err)
		}
	}
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		for name, await := range awaits {
			if err := await(context.Background()); !errors.Is(err, aio.ErrNoRunningLoop) {
				t.Errorf("%s in a task with Background: %v", name, err)
			}
			l.CallSoon(func() {
				for _, c := range []context.Context{ctx, l.Context()} {
					if err := await(c); !errors.Is(err, aio.ErrNoTask) {
						t.Errorf("%s in a callback: %v", name, err)
					}
				}
			})
		}
		return aio.Sleep(ctx, 0)
	}))
	if err != nil || f.Done() {
		t.Errorf("%v, %v", err, f)
	}
	//lint:ignore SA1012 that is what is tested
	if err := aio.Sleep(nil, 0); !errors.Is(err, aio.ErrUsage) { //nolint:staticcheck // what a nil context does
		t.Errorf("nil context: %v", err)
	}
}

func TestContextRunningLoop(t *testing.T) {
	l, _ := newLoop(t)
	if _, err := aio.GetRunningLoop(l.Context()); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("before the run: %v", err)
	}
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		c, cancel := context.WithCancel(context.WithValue(ctx, ctxKey("k"), 1))
		defer cancel()
		for _, c := range []context.Context{ctx, c, context.WithoutCancel(ctx), l.Context()} {
			if got, err := aio.GetRunningLoop(c); got != l || err != nil {
				t.Errorf("%v: %v, %v", c, got, err)
			}
		}
		return nil
	}))
	if err != nil {
		t.Error(err)
	}
	if _, err := aio.GetRunningLoop(context.Background()); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("Background: %v", err)
	}
}

// Deadline returns the deadline of a Timeout if the loop runs in real time.
func TestContextHasTheDeadlineOfItsTimeout(t *testing.T) {
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		if _, has := ctx.Deadline(); has {
			t.Error("a task has a deadline")
		}
		outer := loop.Time().Add(time.Hour)
		return aio.TimeoutAt(ctx, outer, func(ctx context.Context) error {
			for _, tt := range []struct{ inner, want time.Time }{
				{outer.Add(-time.Minute), outer.Add(-time.Minute)},
				{outer.Add(time.Minute), outer},
				{time.Time{}, outer},
			} {
				if err := aio.TimeoutAt(ctx, tt.inner, func(ctx context.Context) error {
					if d, has := ctx.Deadline(); !has || !d.Equal(tt.want) {
						t.Errorf("got %v %v, want %v", d, has, tt.want)
					}
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
}

// context.AfterFunc and contexts derived from a task's context need no goroutine, and
// are notified.
func TestContextDerivedCostsNoGoroutine(t *testing.T) {
	leavesNoGoroutine(t)
	count := goroutines(t)
	aiotest.Run(t, func(ctx context.Context) error {
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return aio.Timeout(ctx, time.Hour, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
		}))
		letPass(ctx, 1)
		in := task.GetContext()
		told := make(chan struct{}, 100)
		before := count()
		var children []context.Context
		for range 100 {
			context.AfterFunc(in, func() { told <- struct{}{} })
			c, cancel := context.WithCancel(in)
			defer cancel()
			children = append(children, c)
		}
		same(t, "goroutines for 100 contexts", count()-before, 0)
		task.Cancel()
		for range children {
			<-told
		}
		for _, c := range children {
			if !closed(c) {
				t.Error("a child is open")
			}
		}
		letPass(ctx, 1)
		return nil
	})
}
