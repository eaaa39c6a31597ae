package aio_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// TG-013, TG-014, TG-025
func TestTaskGroupOwnerIsCancelled(t *testing.T) {
	slow := func(log *eventLog, who string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			err := aio.Sleep(ctx, 100*time.Hour)
			log.add("%s-cancelled", who)
			// the second cancellation of the owner does not reach it
			_ = aio.Sleep(ctx, time.Minute)
			log.add("%s-ends", who)
			return err
		}
	}
	for name, c := range map[string]struct {
		children, body bool
		requests       int
		want           string
	}{
		"while it waits":             {true, false, 1, "child-cancelled child-ends end"},
		"twice while it waits":       {true, false, 2, "child-cancelled child-ends end"},
		"while the body is waiting":  {true, true, 1, "body-cancelled body-ends child-cancelled child-ends end"},
		"in the body, without tasks": {false, true, 1, "body-cancelled body-ends end"},
	} {
		t.Run(name, func(t *testing.T) {
			eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
				var log eventLog
				owner := spawn(ctx, func(ctx context.Context) error {
					defer log.add("end")
					err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						if c.children {
							tg.Go(slow(&log, "child"))
						}
						if c.body {
							return slow(&log, "body")(ctx)
						}
						return nil
					})
					matches(t, "WithTaskGroup", err, aio.ErrCancelled)
					return err
				})
				for i := range c.requests {
					matches(t, "Sleep", aio.Sleep(ctx, time.Second), nil)
					same(t, fmt.Sprintf("Cancel %d", i), owner.Cancel(), true)
				}
				matches(t, "Await", await(ctx, owner), aio.ErrCancelled)
				same(t, "Cancelled", owner.Cancelled(), true)
				log.want(t, c.want)
			})
		})
	}
}

// TG-015, TG-016, TG-017
func TestTaskGroupOwnerIsCancelledAndSomethingFails(t *testing.T) {
	for name, c := range map[string]struct {
		child, body func(ctx context.Context) error
		want        error
	}{
		"the body converts it to an error": {sleeps(time.Hour), failsInCleanup(errBody), errBody},
		"a task fails in its cleanup":      {failsInCleanup(errChild), sleeps(time.Hour), errChild},
		"a task fails, no body":            {failsInCleanup(errChild), nil, errChild},
		"a task fails while the body cleans up": {
			failsAfter(time.Minute, errChild),
			func(ctx context.Context) error {
				err := aio.Sleep(ctx, time.Hour)
				_ = aio.Sleep(ctx, time.Hour)
				return err
			}, errChild,
		},
	} {
		for _, through := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, through another task %v", name, through), func(t *testing.T) {
				eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
					owner := spawn(ctx, func(ctx context.Context) error {
						return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
							tg.Go(c.child)
							if c.body == nil {
								return nil
							}
							return c.body(ctx)
						})
					})
					target := owner
					if through {
						target = spawn(ctx, func(ctx context.Context) error { return await(ctx, owner) })
					}
					matches(t, "Sleep", aio.Sleep(ctx, time.Second), nil)
					target.Cancel()
					grouped(t, await(ctx, target), c.want)
				})
			})
		}
	}
}

// TG-017: the tasks are not cancelled until the body has returned.
func TestTaskGroupTasksGoOnWhileTheCancelledBodyUnwinds(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		var child *aio.Task[struct{}]
		owner := spawn(ctx, func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				child = tg.Go(sleeps(time.Minute))
				err := aio.Sleep(ctx, time.Hour)
				_ = aio.Sleep(ctx, time.Hour)
				return err
			})
		})
		matches(t, "Sleep", aio.Sleep(ctx, time.Second), nil)
		owner.Cancel()
		matches(t, "owner", await(ctx, owner), aio.ErrCancelled)
		matches(t, "child", child.Exception(), nil)
	})
}

// TG-018
func TestTaskGroupNestedOwnerIsCancelled(t *testing.T) {
	for _, outerHasTask := range []bool{false, true} {
		eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
			owner := spawn(ctx, func(ctx context.Context) error {
				return aio.WithTaskGroup(ctx, func(ctx context.Context, outer *aio.TaskGroup) error {
					if outerHasTask {
						outer.Go(failsInCleanup(errOther))
					}
					return aio.WithTaskGroup(ctx, func(ctx context.Context, inner *aio.TaskGroup) error {
						inner.Go(failsInCleanup(errChild))
						return aio.Sleep(ctx, time.Hour)
					})
				})
			})
			matches(t, "Sleep", aio.Sleep(ctx, time.Second), nil)
			owner.Cancel()
			err := await(ctx, owner)
			if outerHasTask {
				grouped(t, grouped(t, err, errOther, nil).Errors[1], errChild)
			} else {
				grouped(t, grouped(t, err, nil).Errors[0], errChild)
			}
		})
	}
}

// TG-019
func TestTaskGroupOuterTaskFails(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		var child *aio.Task[struct{}]
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, outer *aio.TaskGroup) error {
			outer.Go(failsAfter(time.Minute, errOther))
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, inner *aio.TaskGroup) error {
				child = inner.Go(sleeps(time.Hour))
				return nil
			})
			matches(t, "inner", err, aio.ErrCancelled)
			return err
		})
		grouped(t, err, errOther)
		same(t, "Cancelled", child.Cancelled(), true)
	})
}

// TG-020
func TestTaskGroupInnerTaskFails(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		var outerTask *aio.Task[struct{}]
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, outer *aio.TaskGroup) error {
			outerTask = outer.Go(sleeps(time.Hour))
			return aio.WithTaskGroup(ctx, func(ctx context.Context, inner *aio.TaskGroup) error {
				inner.Go(failsAfter(time.Minute, errChild))
				return nil
			})
		})
		grouped(t, grouped(t, err, nil).Errors[0], errChild)
		same(t, "Cancelled", outerTask.Cancelled(), true)
	})
}

// TG-022, TG-023
func TestTaskGroupInnerAndOuterTaskFailTogether(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		task := aio.CurrentTask(ctx)
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, outer *aio.TaskGroup) error {
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, inner *aio.TaskGroup) error {
				inner.Go(failsAfter(time.Minute, errChild))
				outer.Go(failsAfter(time.Minute, errOther))
				return nil
			})
			grouped(t, err, errChild)
			same(t, "Cancelling in between", task.Cancelling(), 1)
			matches(t, "Sleep in between", aio.Sleep(ctx, time.Hour), aio.ErrCancelled)
			return nil
		})
		grouped(t, err, errOther)
		same(t, "Cancelling", task.Cancelling(), 0)
	})
}

// TG-024
func TestTaskGroupOwnerIsCancelledAsATaskFails(t *testing.T) {
	for _, cancelFirst := range []bool{true, false} {
		eachStart(t, func(t *testing.T, ctx context.Context, l *aio.Loop) {
			owner := spawn(ctx, func(ctx context.Context) error {
				self := aio.CurrentTask(ctx)
				err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
					tg.Go(func(ctx context.Context) error {
						if err := aio.Sleep(ctx, time.Minute); err != nil {
							return err
						}
						if cancelFirst {
							self.Cancel()
						} else {
							l.CallSoon(func() { self.Cancel() })
						}
						return errChild
					})
					return nil
				})
				grouped(t, err, errChild)
				same(t, "Cancelling", self.Cancelling(), 1)
				return aio.Sleep(ctx, 0)
			})
			matches(t, "Await", await(ctx, owner), aio.ErrCancelled)
			same(t, "Cancelled", owner.Cancelled(), true)
		})
	}
}

// TG-026
func TestTaskGroupKeepsAnOlderRequest(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		task := aio.CurrentTask(ctx)
		task.Cancel()
		matches(t, "Sleep", aio.Sleep(ctx, 0), aio.ErrCancelled)
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(failsAfter(time.Minute, errChild))
			return aio.Sleep(ctx, time.Hour)
		})
		grouped(t, err, errChild)
		same(t, "Cancelling", task.Cancelling(), 1)
		matches(t, "Sleep afterwards", aio.Sleep(ctx, 0), aio.ErrCancelled)
		same(t, "Uncancel", task.Uncancel(), 0)
	})
}

// TG-028
func TestTaskGroupSiblingSwallowsItsCancellation(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		var sibling *aio.Task[int]
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			sibling = aio.GoResult(tg, func(ctx context.Context) (int, error) {
				matches(t, "Sleep", aio.Sleep(ctx, time.Hour), aio.ErrCancelled)
				return 5, nil
			})
			tg.Go(failsAfter(time.Minute, errChild))
			return nil
		})
		grouped(t, err, errChild)
		v, err := sibling.Result()
		same(t, "sibling", fmt.Sprint(v, err), "5 <nil>")
	})
}

// TG-029
func TestTaskGroupBodyReturnsCancelledError(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		var child *aio.Task[struct{}]
		own := &aio.CancelledError{Message: "own"}
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			child = tg.Go(sleeps(time.Hour))
			return own
		})
		same(t, "the error is the body's", err == error(own), true)
		same(t, "Cancelled", child.Cancelled(), true)
	})
}

// Cancel, which asyncio has from Python 3.15 on.
func TestTaskGroupCancel(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, l *aio.Loop) {
		start := l.Time()
		var child *aio.Task[struct{}]
		tg := new(aio.TaskGroup)
		err := tg.Run(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			child = tg.Go(sleeps(time.Hour))
			l.CallLater(time.Minute, func() { tg.Cancel(); tg.Cancel() })
			err := aio.Sleep(ctx, time.Hour)
			matches(t, "Sleep", err, aio.ErrCancelled)
			matches(t, "Go once it is cancelled", panics(func() { tg.Go(sleeps(0)) }), aio.ErrUsage)
			return err
		})
		matches(t, "Run", err, nil)
		same(t, "Cancelled", child.Cancelled(), true)
		same(t, "time that passed", l.Time().Sub(start), time.Minute)
		tg.Cancel()
		afterwards(t, ctx)

		tg = new(aio.TaskGroup)
		tg.Cancel()
		err = tg.Run(ctx, func(ctx context.Context, _ *aio.TaskGroup) error { return aio.Sleep(ctx, time.Hour) })
		matches(t, "Run of a group that was cancelled before", err, nil)

		err = aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
			tg.Go(failsInCleanup(errChild))
			tg.Go(func(context.Context) error { tg.Cancel(); return nil })
			return nil
		})
		grouped(t, err, errChild)
	})
}

// A cancellation requested elsewhere is distinguished from the group's own.
func TestTaskGroupCancelAndOwnerIsCancelled(t *testing.T) {
	eachStart(t, func(t *testing.T, ctx context.Context, _ *aio.Loop) {
		var tg aio.TaskGroup
		owner := spawn(ctx, func(ctx context.Context) error {
			return tg.Run(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(sleeps(time.Hour))
				return aio.Sleep(ctx, time.Hour)
			})
		})
		matches(t, "Sleep", aio.Sleep(ctx, time.Second), nil)
		tg.Cancel()
		owner.Cancel()
		matches(t, "Await", await(ctx, owner), aio.ErrCancelled)
		same(t, "Cancelled", owner.Cancelled(), true)
	})
}
