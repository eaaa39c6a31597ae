package aio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/goaio/aio"
)

var (
	errChild = errors.New("child failed")
	errOther = errors.New("other failed")
	errBody  = errors.New("body failed")
)

// grouped checks that err is a *GroupError with exactly these errors, in this order. A
// nil in want matches any other *GroupError.
func grouped(t *testing.T, err error, want ...error) *aio.GroupError {
	t.Helper()
	g, ok := err.(*aio.GroupError)
	if !ok {
		t.Errorf("error %T %v, want a *GroupError", err, err)
		return &aio.GroupError{Errors: make([]error, len(want))}
	}
	if len(g.Errors) != len(want) {
		t.Errorf("the group has %v, want %v", g.Errors, want)
		return &aio.GroupError{Errors: make([]error, len(want))}
	}
	for i, w := range want {
		_, nested := g.Errors[i].(*aio.GroupError)
		if w != nil && !errors.Is(g.Errors[i], w) || nested != (w == nil) {
			t.Errorf("error %d of the group is %v, want %v", i, g.Errors[i], w)
		}
	}
	return g
}

// eachStart runs f twice, with tasks that start in the next pass and with tasks that
// start eagerly. TG-041
func eachStart(t *testing.T, f func(t *testing.T, ctx context.Context, l *aio.Loop)) {
	for name, factory := range map[string]aio.TaskFactory{"start": nil, "eager start": aio.EagerTaskFactory} {
		t.Run(name, func(t *testing.T) {
			inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
				l.SetTaskFactory(factory)
				f(t, ctx, l)
				afterwards(t, ctx)
			})
		})
	}
}

// failsAfter returns a body that returns err after d.
func failsAfter(d time.Duration, err error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if e := aio.Sleep(ctx, d); e != nil {
			return e
		}
		return err
	}
}

// failsInCleanup returns a body that returns err when it is cancelled.
func failsInCleanup(err error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		if e := aio.Sleep(ctx, 1000*time.Hour); errors.Is(e, aio.ErrCancelled) {
			return err
		}
		return nil
	}
}

// await returns the error of a task.
func await[T any](ctx context.Context, task *aio.Task[T]) error {
	_, err := task.Await(ctx)
	return err
}

// TG-001, TG-002
func TestTaskGroupWaitsForItsTasks(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, l *aio.Loop) {
		start := l.Time()
		var a, b *aio.Task[int]
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			a = aio.GoResult(tg, func(ctx context.Context) (int, error) { return 1, aio.Sleep(ctx, time.Hour) })
			if err := aio.Sleep(ctx, time.Minute); err != nil {
				return err
			}
			b = aio.GoResult(tg, func(ctx context.Context) (int, error) { return 2, aio.Sleep(ctx, time.Hour) })
			return nil
		})
		matches(t, "WithTaskGroup", err, nil)
		same(t, "time that passed", l.Time().Sub(start), time.Hour+time.Minute)
		av, aerr := a.Result()
		bv, berr := b.Result()
		same(t, "results", fmt.Sprint(av, aerr, bv, berr), "1 <nil> 2 <nil>")
	})
}

// TG-003
func TestTaskGroupGrowsWhileItWaits(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		var log eventLog
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				defer log.add("first")
				if err := aio.Sleep(ctx, time.Hour); err != nil {
					return err
				}
				tg.Go(func(ctx context.Context) error { defer log.add("second"); return aio.Sleep(ctx, time.Hour) })
				return nil
			})
			log.add("body")
			return nil
		})
		matches(t, "WithTaskGroup", err, nil)
		log.want(t, "body first second")
	})
}

// TG-004, TG-005
func TestTaskGroupAndTaskThatIsCancelledAlone(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		var cancelled, itself, sibling, late *aio.Task[struct{}]
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			cancelled, sibling = tg.Go(sleeps(time.Hour)), tg.Go(sleeps(2*time.Hour))
			itself = tg.Go(func(context.Context) error { return &aio.CancelledError{} })
			if err := aio.Sleep(ctx, time.Minute); err != nil {
				return err
			}
			cancelled.Cancel()
			matches(t, "Await", await(ctx, cancelled), aio.ErrCancelled)
			late = tg.Go(sleeps(3 * time.Hour))
			return nil
		})
		matches(t, "WithTaskGroup", err, nil)
		same(t, "Cancelled", cancelled.Cancelled() && itself.Cancelled(), true)
		matches(t, "sibling", sibling.Exception(), nil)
		matches(t, "late one", late.Exception(), nil)
	})
}

// TG-006, TG-021
func TestTaskGroupTaskFailsWhileItWaits(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, l *aio.Loop) {
		start := l.Time()
		var sibling *aio.Task[struct{}]
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(failsAfter(time.Minute, errChild))
			sibling = tg.Go(func(ctx context.Context) error {
				err := aio.Sleep(ctx, time.Hour)
				matches(t, "Sleep of the sibling", err, aio.ErrCancelled)
				return err
			})
			return nil
		})
		grouped(t, err, errChild)
		same(t, "Cancelled", sibling.Cancelled(), true)
		same(t, "time that passed", l.Time().Sub(start), time.Minute)
	})
}

// TG-007, TG-021, TG-027
func TestTaskGroupTaskFailsWhileTheBodyIsSuspended(t *testing.T) {
	for _, swallow := range []bool{false, true} {
		eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(failsAfter(time.Minute, errChild))
				err := aio.Sleep(ctx, time.Hour)
				matches(t, "Sleep", err, aio.ErrCancelled)
				same(t, "the context is done", ctx.Err() != nil, true)
				if swallow {
					return nil
				}
				return err
			})
			grouped(t, err, errChild)
			matches(t, "the context of the caller", ctx.Err(), nil)
		})
	}
}

// TG-008, TG-011
func TestTaskGroupCollectsErrorsInOrder(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(failsInCleanup(errOther))
			tg.Go(failsAfter(time.Minute, errChild))
			tg.Go(sleeps(time.Hour))
			return nil
		})
		grouped(t, err, errChild, errOther)
		matches(t, "errors.Is", err, errOther)

		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(failsInCleanup(errOther))
			tg.Go(failsAfter(time.Minute, errChild))
			_ = aio.Sleep(ctx, time.Hour)
			return errBody
		})
		grouped(t, err, errChild, errOther, errBody)
	})
}

// TG-009, TG-010
func TestTaskGroupBodyFails(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, l *aio.Loop) {
		var a, b *aio.Task[struct{}]
		started := 0
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			a = tg.Go(sleeps(time.Hour))
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			b = tg.Go(func(ctx context.Context) error { started++; return aio.Sleep(ctx, time.Hour) })
			return errBody
		})
		grouped(t, err, errBody)
		same(t, "Cancelled", a.Cancelled() && b.Cancelled(), true)
		same(t, "started", started, map[bool]int{true: 1}[l.GetTaskFactory() != nil])
	})
}

// TG-012
func TestTaskGroupBodyTurnsItsCancellationIntoAnError(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		for _, body := range map[string]func(ctx context.Context) error{
			"the body":       failsInCleanup(errBody),
			"a scope inside": func(ctx context.Context) error { return aio.Timeout(ctx, aio.NoTimeout, failsInCleanup(errBody)) },
		} {
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(failsAfter(time.Minute, errChild))
				return body(ctx)
			})
			grouped(t, err, errChild, errBody)
			same(t, "Cancelling", aio.CurrentTask(ctx).Cancelling(), 0)
		}
	})
}

// TG-030
func TestTaskGroupWhoseTasksKeepSpawning(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		var tasks []*aio.Task[struct{}]
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			var breed func(ctx context.Context) error
			breed = func(ctx context.Context) error {
				for {
					if err := aio.Sleep(ctx, time.Second); err != nil {
						return err
					}
					if len(tasks) >= 30 {
						return errChild
					}
					tasks = append(tasks, tg.Go(breed))
				}
			}
			tg.Go(breed)
			return nil
		})
		g := grouped(t, err, errChild)
		same(t, "errors", len(g.Errors), 1)
		for _, task := range tasks {
			same(t, "Done", task.Done(), true)
		}
	})
}

// TG-031, TG-032
func TestTaskGroupRefusesTasks(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		never := func(context.Context) error { t.Error("a refused task ran"); return nil }
		refused := func(when string, tg *aio.TaskGroup) {
			matches(t, "Go "+when, panics(func() { tg.Go(never) }), aio.ErrUsage)
		}
		tg := new(aio.TaskGroup)
		refused("before Run", tg)
		err := tg.Run(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				err := aio.Sleep(ctx, time.Hour)
				refused("in a task that is being cancelled", tg)
				return err
			})
			tg.Go(failsAfter(time.Minute, errChild))
			err := aio.Sleep(ctx, time.Hour)
			refused("in the body, after a task failed", tg)
			return err
		})
		grouped(t, err, errChild)
		refused("after the end", tg)
		same(t, "tasks", len(aio.AllTasks(ctx)), 1)

		// A refusal that is not handled is an error like any other.
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				_ = aio.Sleep(ctx, time.Hour)
				tg.Go(never)
				return nil
			})
			tg.Go(failsAfter(time.Minute, errChild))
			return nil
		})
		grouped(t, err, errChild, aio.ErrUsage)
	})
}

// TG-033
func TestTaskGroupRunTwice(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		tg := new(aio.TaskGroup)
		again := func() error {
			return tg.Run(ctx, func(context.Context, *aio.TaskGroup) error { t.Error("the body ran"); return nil })
		}
		err := tg.Run(ctx, func(context.Context, *aio.TaskGroup) error {
			matches(t, "Run within Run", again(), aio.ErrUsage)
			return nil
		})
		matches(t, "Run", err, nil)
		matches(t, "Run after Run", again(), aio.ErrUsage)
	})
}

// TG-034
func TestTaskGroupOutsideOfTask(t *testing.T) {
	l, _ := newLoop(t)
	tg := new(aio.TaskGroup)
	body := func(context.Context, *aio.TaskGroup) error { t.Error("the body ran"); return nil }
	matches(t, "Run outside of a run", tg.Run(l.Context(), body), aio.ErrNoRunningLoop)
	l.CallSoon(func() { matches(t, "Run in a callback", tg.Run(l.Context(), body), aio.ErrNoTask) })
	err := runMain(l, func(ctx context.Context) error {
		return tg.Run(ctx, func(_ context.Context, tg *aio.TaskGroup) error { tg.Go(sleeps(0)); return nil })
	})
	matches(t, "Run in a task", err, nil)
}

// TG-035
func TestTaskGroupForgetsTasksThatAreDone(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(sleeps(time.Hour))
			var done [10]weak.Pointer[aio.Task[struct{}]]
			for i := range done {
				done[i] = weak.Make(tg.Go(sleeps(0)))
			}
			if err := aio.Sleep(ctx, time.Minute); err != nil {
				return err
			}
			collected(t, ctx, "they are collected", func() bool {
				for _, p := range done[:9] {
					// the stack of this pass may still reference
					// the last one
					if p.Value() != nil {
						return false
					}
				}
				return true
			})
			runtime.KeepAlive(tg)
			return nil
		})
		matches(t, "WithTaskGroup", err, nil)
	})
}

// TG-036, TG-037
func TestTaskGroupTaskOptions(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		type key struct{}
		err := aio.WithTaskGroup(context.WithValue(ctx, key{}, "group"), func(ctx context.Context, tg *aio.TaskGroup) error {
			look := func(ctx context.Context) (string, error) {
				return fmt.Sprint(aio.CurrentTask(ctx).GetName(), " ", ctx.Value(key{})), nil
			}
			for want, opts := range map[string][]aio.TaskOption{
				"worker group": {aio.WithName("worker")},
				"guest other":  {aio.WithName("guest"), aio.WithContext(context.WithValue(ctx, key{}, "other"))},
			} {
				task := aio.GoResult(tg, look, opts...)
				same(t, "GetName", task.GetName(), strings.Fields(want)[0])
				v, err := task.Await(ctx)
				matches(t, "Await", err, nil)
				same(t, "the value in the task", v, want)
			}
			return nil
		})
		matches(t, "WithTaskGroup", err, nil)
	})
}

// TG-038, TG-040
func TestTaskGroupAbortComesALaterPass(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, l *aio.Loop) {
		task := aio.CurrentTask(ctx)
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			child := tg.Go(func(context.Context) error { return errChild })
			same(t, "Done in the creating step", child.Done(), l.GetTaskFactory() != nil)
			same(t, "Cancelling in the creating step", task.Cancelling(), 0)
			tg.Go(func(context.Context) error { return errOther })
			return nil
		})
		grouped(t, err, errChild, errOther)
	})
}

// TG-039
func TestTaskGroupPassInWhichAbortArrives(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, l *aio.Loop) {
		var log eventLog
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				tg.Go(func(context.Context) error { return errChild })
				for i := range 2 {
					if err := aio.Sleep(ctx, 0); err != nil {
						log.add("%d", i+1)
						return err
					}
				}
				return nil
			})
			return nil
		})
		grouped(t, err, errChild)
		log.want(t, map[bool]string{false: "2", true: "1"}[l.GetTaskFactory() != nil])
	})
}

// TG-042: a panic of the body leaves Run as a panic, after the tasks have ended.
func TestTaskGroupBodyPanics(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, l *aio.Loop) {
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { matches(t, "the report", ec.Err, errChild) })
		var child *aio.Task[struct{}]
		err := panics(func() {
			aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				child = tg.Go(sleeps(time.Hour))
				tg.Go(failsInCleanup(errChild))
				matches(t, "Sleep", aio.Sleep(ctx, time.Minute), nil)
				panic(errBody)
			})
		})
		same(t, "the panic's value", err, errBody)
		same(t, "Cancelled", child.Cancelled(), true)
		same(t, "tasks", len(aio.AllTasks(ctx)), 1)
	})
}

// TG-043: a task that panics fails like any other.
func TestTaskGroupTaskPanics(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(failsInCleanup(errOther))
			tg.Go(func(context.Context) error { panic(errChild) })
			return aio.Sleep(ctx, time.Hour)
		})
		g := grouped(t, err, errChild, errOther)
		var p *aio.PanicError
		same(t, "the first is a *PanicError", errors.As(g.Errors[0], &p), true)
	})
}

// If the group's context is done while the group waits for its tasks, the tasks are
// cancelled once.
func TestTaskGroupEndsWithADerivedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		err := aio.Run(func(ctx context.Context) error {
			derived, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			return aio.WithTaskGroup(derived, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error {
					err := aio.Sleep(ctx, time.Hour)
					for range 3 {
						matches(t, "Sleep of the cleanup", aio.Sleep(ctx, time.Second), nil)
					}
					return err
				})
				return nil
			})
		})
		grouped(t, err, context.DeadlineExceeded)
		same(t, "it is a cancellation", errors.Is(err, aio.ErrCancelled), false)
		same(t, "time that passed", time.Since(start), 4*time.Second)
	})
}
