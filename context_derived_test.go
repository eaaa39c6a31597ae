package aio_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// Contexts derived from that of a scope are done in the same way as if the scope were a
// context of the standard library: with context.DeadlineExceeded if a Timeout expired,
// with context.Canceled otherwise, and with the cause.

// derivations are ways to derive a context.
var derivations = map[string]func(ctx context.Context) context.Context{
	"the same":  func(ctx context.Context) context.Context { return ctx },
	"WithValue": func(ctx context.Context) context.Context { return context.WithValue(ctx, ctxKey("k"), 1) },
	"WithCancel": func(ctx context.Context) context.Context {
		ctx, cancel := context.WithCancel(ctx)
		_ = cancel
		return ctx
	},
	"WithTimeout": func(ctx context.Context) context.Context {
		ctx, cancel := context.WithTimeout(ctx, 24*time.Hour)
		_ = cancel
		return ctx
	},
	"WithDeadlineCause": func(ctx context.Context) context.Context {
		ctx, cancel := context.WithDeadlineCause(ctx, time.Now().Add(24*time.Hour), errBoom)
		_ = cancel
		return ctx
	},
	"WithCancel of WithValue": func(ctx context.Context) context.Context {
		ctx, cancel := context.WithCancel(context.WithValue(ctx, ctxKey("k"), 1))
		_ = cancel
		return ctx
	},
	"WithTimeout of WithCancelCause": func(ctx context.Context) context.Context {
		ctx, cancel := context.WithCancelCause(ctx)
		ctx, cancel2 := context.WithTimeout(ctx, 24*time.Hour)
		_, _ = cancel, cancel2
		return ctx
	},
	"AfterFunc": func(ctx context.Context) context.Context {
		// a context that is cancelled by AfterFunc
		own, cancel := context.WithCancelCause(context.Background())
		context.AfterFunc(ctx, func() { cancel(fmt.Errorf("%w, %w", ctx.Err(), context.Cause(ctx))) })
		return own
	},
	"WithoutCancel": context.WithoutCancel,
	"WithCancel of WithoutCancel": func(ctx context.Context) context.Context {
		ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		_ = cancel
		return ctx
	},
}

// surroundings are scopes inside the ended scope that enclose the place where the
// context is derived.
var surroundings = map[string]func(ctx context.Context, body func(ctx context.Context) error) error{
	"nothing": func(ctx context.Context, body func(ctx context.Context) error) error { return body(ctx) },
	"a Timeout": func(ctx context.Context, body func(ctx context.Context) error) error {
		return aio.Timeout(ctx, 24*time.Hour, body)
	},
	"a TaskGroup": func(ctx context.Context, body func(ctx context.Context) error) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, _ *aio.TaskGroup) error { return body(ctx) })
	},
	"a Timeout in a TaskGroup": func(ctx context.Context, body func(ctx context.Context) error) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, _ *aio.TaskGroup) error {
			return aio.Timeout(context.WithValue(ctx, ctxKey("k"), 1), aio.NoTimeout, body)
		})
	},
	"a Timeout in WithCancel": func(ctx context.Context, body func(ctx context.Context) error) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		return aio.Timeout(ctx, 24*time.Hour, body)
	},
	"a TaskGroup in a Timeout in WithTimeout": func(ctx context.Context, body func(ctx context.Context) error) error {
		ctx, cancel := context.WithTimeout(ctx, 24*time.Hour)
		defer cancel()
		return aio.Timeout(ctx, 24*time.Hour, func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, _ *aio.TaskGroup) error { return body(ctx) })
		})
	},
}

// ends are the ways in which a scope can end while its body is suspended. Each runs
// body within the scope.
var ends = map[string]struct {
	run        func(ctx context.Context, body func(ctx context.Context) error) error
	err, cause error
}{
	"Timeout": {func(ctx context.Context, body func(ctx context.Context) error) error {
		return aio.Timeout(ctx, time.Second, body)
	}, context.DeadlineExceeded, aio.ErrTimeout},
	"TaskGroup.Cancel": {func(ctx context.Context, body func(ctx context.Context) error) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				err := aio.Sleep(ctx, time.Second)
				tg.Cancel()
				return err
			})
			return body(ctx)
		})
	}, context.Canceled, aio.ErrCancelled},
	"failure in a TaskGroup": {func(ctx context.Context, body func(ctx context.Context) error) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error { _ = aio.Sleep(ctx, time.Second); return errBoom })
			return body(ctx)
		})
	}, context.Canceled, aio.ErrCancelled},
	"Task.Cancel": {func(ctx context.Context, body func(ctx context.Context) error) error {
		task := aio.CreateTask(ctx, aio.NoResult(body))
		_ = aio.Sleep(ctx, time.Second)
		task.Cancel()
		_, err := task.Await(ctx)
		return err
	}, context.Canceled, aio.ErrCancelled},
	"the user's WithTimeout": {func(ctx context.Context, body func(ctx context.Context) error) error {
		ctx, cancel := context.WithTimeoutCause(ctx, time.Second, errBoom)
		defer cancel()
		return body(ctx)
	}, context.DeadlineExceeded, errBoom},
	"the user's WithCancelCause": {func(ctx context.Context, body func(ctx context.Context) error) error {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(time.Second, func() { cancel(errBoom) })
		return body(ctx)
	}, context.Canceled, errBoom},
}

func TestDerivedContextsEndAsThoseOfTheStandardLibrary(t *testing.T) {
	for endName, end := range ends {
		for around, surround := range surroundings {
			t.Run(endName+" around "+around, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					err := aio.Run(func(ctx context.Context) error {
						_ = end.run(ctx, func(ctx context.Context) error {
							return surround(ctx, func(ctx context.Context) error {
								before := map[string]context.Context{}
								for how, derive := range derivations {
									before[how] = derive(ctx)
								}
								err := aio.Sleep(ctx, time.Hour)
								// waits for the
								// functions of
								// AfterFunc
								synctest.Wait()
								for how, derive := range derivations {
									wantEnd(t, how+", before", before[how], how, end.err, end.cause)
									after := derive(ctx)
									synctest.Wait()
									wantEnd(t, how+", after", after, how, end.err, end.cause)
								}
								return err
							})
						})
						return nil
					})
					same(t, "Run", err, nil)
				})
			})
		}
	}
}

// wantEnd checks Err and Cause of ctx, which was derived as how says.
func wantEnd(t *testing.T, what string, ctx context.Context, how string, err, cause error) {
	t.Helper()
	switch how {
	case "WithoutCancel", "WithCancel of WithoutCancel":
		if ctx.Err() != nil || context.Cause(ctx) != nil || how != "WithoutCancel" && closed(ctx) {
			t.Errorf("%s: Err %v, cause %v, want none", what, ctx.Err(), context.Cause(ctx))
		}
	case "AfterFunc":
		same(t, what+": closed", closed(ctx), true)
		matches(t, what+": in AfterFunc", context.Cause(ctx), err)
		matches(t, what+": in AfterFunc", context.Cause(ctx), cause)
	default:
		same(t, what+": closed", closed(ctx), true)
		same(t, what+": Err", ctx.Err(), err)
		matches(t, what+": Cause", context.Cause(ctx), cause)
	}
}

// Err and Cause of a done context never change, even if enclosing scopes later end for
// another reason.
func TestContextStaysEndedAsItWas(t *testing.T) {
	for _, asked := range []bool{false, true} { // whether Done was called before
		synctest.Test(t, func(t *testing.T) {
			_ = aio.Run(func(ctx context.Context) error {
				var seen []context.Context
				keep := func(ctx context.Context) {
					seen = append(seen, ctx)
					if asked {
						same(t, "closed", closed(ctx), false)
					}
				}
				err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
					keep(ctx)
					return aio.WithTaskGroup(ctx, func(ctx context.Context, _ *aio.TaskGroup) error {
						keep(ctx)
						return aio.Timeout(ctx, time.Hour, func(ctx context.Context) error {
							keep(ctx)
							err := aio.Sleep(ctx, time.Hour)
							for i, ctx := range seen {
								same(t, fmt.Sprintf("%d: Err at the deadline", i), ctx.Err(), context.DeadlineExceeded)
							}
							return err
						})
					})
				})
				same(t, "Timeout", err, aio.ErrTimeout)
				for i, ctx := range seen {
					same(t, fmt.Sprintf("%d: closed", i), closed(ctx), true)
					same(t, fmt.Sprintf("%d: Err", i), ctx.Err(), context.DeadlineExceeded)
					same(t, fmt.Sprintf("%d: Cause", i), context.Cause(ctx), aio.ErrTimeout)
				}
				return nil
			})
		})
	}
}

// Goroutines watch a context and a derived one while its scope ends. Done, Err and
// Cause are consistent at every moment: once one of them reports the end, so do the
// others.
func TestDoneErrAndCauseAgreeAtEveryMoment(t *testing.T) {
	for range stage.Amount(200, 200, 2000) {
		err := aio.Run(func(ctx context.Context) error {
			var watching, watched sync.WaitGroup
			_ = aio.Timeout(ctx, 20*time.Microsecond, func(ctx context.Context) error {
				derived, cancel := context.WithCancel(ctx)
				defer cancel()
				for i := range 4 {
					c := []context.Context{ctx, derived}[i%2]
					watching.Add(1)
					watched.Go(func() {
						watching.Done()
						for {
							switch i / 2 {
							case 0: // Err first
								if c.Err() == nil {
									runtime.Gosched()
									continue
								}
							case 1: // Done first
								select {
								case <-c.Done():
								default:
									runtime.Gosched()
									continue
								}
							}
							same(t, "closed", closed(c), true)
							same(t, "Err", c.Err(), context.DeadlineExceeded)
							same(t, "Cause", context.Cause(c), aio.ErrTimeout)
							return
						}
					})
				}
				watching.Wait()
				err := aio.Sleep(ctx, time.Hour)
				watched.Wait()
				return err
			})
			return nil
		})
		if err != nil || t.Failed() {
			t.Fatal(err)
		}
	}
}

// An ended scope is released by its enclosing scope: a long-running task that derives
// contexts in a Timeout for each operation keeps none of them in memory.
func TestScopesThatEndAreForgotten(t *testing.T) {
	err := aio.Run(func(ctx context.Context) error {
		for name, derive := range map[string]func(ctx context.Context) (context.Context, context.CancelFunc){
			"in the task's": func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
			"in the user's": context.WithCancel,
		} {
			around, end := derive(ctx)
			kept := new([1 << 10]byte)
			forgotten := weak.Make(kept)
			err := aio.Timeout(context.WithValue(around, ctxKey("kept"), kept), time.Hour, func(ctx context.Context) error {
				_, cancel := context.WithCancel(ctx)
				defer cancel()
				return aio.Sleep(ctx, 0)
			})
			same(t, "Timeout", err, nil)
			kept = nil
			collected(t, ctx, name, func() bool { return forgotten.Value() == nil })
			end()
		}
		return nil
	})
	same(t, "Run", err, nil)
}
