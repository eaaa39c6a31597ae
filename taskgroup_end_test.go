package aio_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// An eager child that ends the group before it first suspends does so before the group
// has added it to its list.
func TestTaskGroupCancelledByAnEagerChild(t *testing.T) {
	for name, end := range map[string]func(tg *aio.TaskGroup){
		"Cancel": func(tg *aio.TaskGroup) { tg.Cancel() },
		"Cancel of a grandchild": func(tg *aio.TaskGroup) {
			tg.Go(func(context.Context) error { tg.Cancel(); return nil }, aio.WithEagerStart(true))
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := inBubble(t, func(ctx context.Context) error {
				return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
					return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						tg.Go(func(ctx context.Context) error {
							end(tg)
							return aio.Sleep(ctx, time.Hour)
						}, aio.WithEagerStart(true))
						return nil
					})
				})
			})
			same(t, "the group", err, nil)
		})
	}
}

// An action of an eager child before its first suspension has the same effect on the
// group as a pass later.
func TestTaskGroupWithAnEagerChild(t *testing.T) {
	type child struct {
		before func(ctx context.Context, tg *aio.TaskGroup, parent aio.AnyTask) error
		want   error // error of the group, ErrCancelled if it is cancelled
	}
	for name, c := range map[string]child{
		"fails":  {func(context.Context, *aio.TaskGroup, aio.AnyTask) error { return errOne }, errOne},
		"panics": {func(context.Context, *aio.TaskGroup, aio.AnyTask) error { panic(errOne) }, errOne},
		"cancels itself": {func(ctx context.Context, _ *aio.TaskGroup, _ aio.AnyTask) error {
			aio.CurrentTask(ctx).Cancel()
			return nil
		}, nil},
		"cancels the parent": {func(_ context.Context, _ *aio.TaskGroup, parent aio.AnyTask) error {
			parent.Cancel()
			return nil
		}, aio.ErrCancelled},
		"cancels group and parent": {func(_ context.Context, tg *aio.TaskGroup, parent aio.AnyTask) error {
			tg.Cancel()
			parent.Cancel()
			return nil
		}, aio.ErrCancelled},
		"starts a child that fails": {func(_ context.Context, tg *aio.TaskGroup, _ aio.AnyTask) error {
			tg.Go(func(context.Context) error { return errOne }, aio.WithEagerStart(true))
			return nil
		}, errOne},
		"cancels the group, in an expired Timeout": {func(ctx context.Context, tg *aio.TaskGroup, _ aio.AnyTask) error {
			tg.Cancel()
			return aio.Timeout(ctx, 0, func(context.Context) error { return nil })
		}, nil},
	} {
		for _, start := range []string{"Go", "StartTask", "Limit"} {
			t.Run(name+"/"+start, func(t *testing.T) {
				_ = inBubble(t, func(ctx context.Context) error {
					parent := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						me := aio.CurrentTask(ctx)
						tg := new(aio.TaskGroup)
						if start == "Limit" {
							tg.Limit = 1
						}
						return tg.Run(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
							body := func(ctx context.Context) error {
								if err := c.before(ctx, tg, me); err != nil {
									return err
								}
								return aio.Sleep(ctx, time.Hour)
							}
							if start != "StartTask" {
								tg.Go(body, aio.WithEagerStart(true))
								return nil
							}
							_, err := aio.StartTask(ctx, tg, func(ctx context.Context, started func(int)) error {
								started(1)
								return body(ctx)
							}, aio.WithEagerStart(true))
							return err
						})
					}))
					_, err := aio.WaitFor(ctx, parent, 2*time.Hour)
					switch {
					case c.want == nil:
						same(t, "the group", err, nil)
					case c.want == aio.ErrCancelled:
						matches(t, "the group", err, aio.ErrCancelled)
						same(t, "the parent is cancelled", parent.Cancelled(), true)
					default:
						grouped(t, err, c.want)
						same(t, "requests", parent.Cancelling(), 0)
					}
					return nil
				})
			})
		}
	}
}

// cancelledGroup runs a group that is cancelled by its body; its child takes a second to
// clean up.
func cancelledGroup(ctx context.Context) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(func(ctx context.Context) error {
			err := aio.Sleep(ctx, time.Hour)
			return errors.Join(err, aio.Sleep(ctx, time.Second))
		})
		letPass(ctx, 1)
		tg.Cancel()
		return nil
	})
}

func TestTaskGroupThatWasCancelledPassesOnACancellation(t *testing.T) {
	err := inBubble(t, func(ctx context.Context) error {
		same(t, "Timeout", aio.Timeout(ctx, time.Second/2, cancelledGroup), aio.ErrTimeout)

		task := aio.CreateTask(ctx, aio.NoResult(cancelledGroup))
		same(t, "Sleep", aio.Sleep(ctx, time.Second/2), nil)
		task.Cancel("stop")
		_, err := task.Await(ctx)
		same(t, "Cancelled", task.Cancelled(), true)
		var c *aio.CancelledError
		if !errors.As(err, &c) || c.Message != "stop" {
			t.Errorf("the task returned %v, want the cancellation with its message", err)
		}

		same(t, "without another cancellation", cancelledGroup(ctx), nil)
		same(t, "Cancelling", aio.CurrentTask(ctx).Cancelling(), 0)
		return nil
	})
	same(t, "Run", err, nil)
}

// The body of a group that was cancelled fails, and the task is cancelled while the group
// ends: the group returns the error, and the next await the cancellation.
func TestTaskGroupThatWasCancelledKeepsTheErrorOfItsBody(t *testing.T) {
	err := inBubble(t, func(ctx context.Context) error {
		var group, next error
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			group = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error {
					err := aio.Sleep(ctx, time.Hour)
					return errors.Join(err, aio.Sleep(ctx, time.Second))
				})
				letPass(ctx, 1)
				tg.Cancel()
				return errOne
			})
			next = aio.Sleep(ctx, 0)
			return next
		}))
		same(t, "Sleep", aio.Sleep(ctx, time.Second/2), nil)
		task.Cancel()
		_ = task.Join(ctx)
		var g *aio.GroupError
		if !errors.As(group, &g) || len(g.Errors) != 1 || g.Errors[0] != errOne {
			t.Errorf("the group returned %v", group)
		}
		same(t, "cancelled in the next await", aio.IsCancellation(next), true)
		same(t, "Cancelling", task.Cancelling(), 1)
		return nil
	})
	same(t, "Run", err, nil)
}

// If a task is cancelled while it runs a group that is ending, the task gets this
// cancellation afterwards, whatever is around the group, unless the request is
// withdrawn.
func TestTaskGroupPassesOnEachCancellation(t *testing.T) {
	for name, c := range map[string]struct {
		// the body of a task that is cancelled after half a second
		run  func(ctx context.Context) error
		want string // how the task ends
	}{
		"in another group": {func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, _ *aio.TaskGroup) error { return cancelledGroup(ctx) })
		}, "cancelled"},
		"in another group that is cancelled too": {func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Cancel()
				// the Sleep returns the cancellation by that group
				_ = aio.Sleep(ctx, 0)
				return cancelledGroup(ctx)
			})
		}, "cancelled"},
		"in a Timeout that goes on": {func(ctx context.Context) error {
			return aio.Timeout(ctx, time.Hour, cancelledGroup)
		}, "cancelled"},
		"in a Timeout that expires meanwhile": {func(ctx context.Context) error {
			return aio.Timeout(ctx, 700*time.Millisecond, cancelledGroup)
		}, "cancelled"},
		"in a CancelScope": {func(ctx context.Context) error {
			return new(aio.CancelScope).Run(ctx, cancelledGroup)
		}, "cancelled"},
		"in a shield": {func(ctx context.Context) error {
			if err := aio.Shielded(ctx, cancelledGroup); err != nil {
				return err
			}
			return aio.Sleep(ctx, 0)
		}, "cancelled"},
		"that is withdrawn": {func(ctx context.Context) error {
			me := aio.CurrentTask(ctx)
			l, _ := aio.GetRunningLoop(ctx)
			l.CallLater(600*time.Millisecond, func() { me.Uncancel() })
			return cancelledGroup(ctx)
		}, "ok"},
		"twice": {func(ctx context.Context) error {
			me := aio.CurrentTask(ctx)
			l, _ := aio.GetRunningLoop(ctx)
			l.CallLater(600*time.Millisecond, func() { me.Cancel() })
			return cancelledGroup(ctx)
		}, "cancelled"},
		"and the body fails": {func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error {
					_ = aio.Sleep(ctx, time.Hour)
					return aio.Shielded(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Second) })
				})
				letPass(ctx, 1)
				tg.Cancel()
				return errOne
			})
		}, "failed, next await cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			_ = inBubble(t, func(ctx context.Context) error {
				var got string
				task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					err := c.run(ctx)
					switch {
					case err == nil:
						got = "ok"
					case errors.Is(err, errOne):
						got = "failed"
						if errors.Is(aio.Sleep(ctx, 0), aio.ErrCancelled) {
							got += ", next await cancelled"
						}
					case errors.Is(err, aio.ErrCancelled):
						got = "cancelled"
					default:
						got = err.Error()
					}
					return err
				}))
				if err := aio.Sleep(ctx, time.Second/2); err != nil {
					return err
				}
				task.Cancel()
				_, _, err := aio.Wait(ctx, []aio.AnyFuture{task}, time.Hour, aio.AllCompleted)
				same(t, "the end of the task", got, c.want)
				same(t, "Cancelled", task.Cancelled(), c.want == "cancelled")
				_ = task.Exception()
				return err
			})
		})
	}
}

func TestTaskGroupWhoseBodyPanicsReportsTheErrorsOfItsTasks(t *testing.T) {
	var reports []error
	err := inBubble(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reports = append(reports, ec.Err) })
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, err := range []error{errOne, errOther} {
				tg.Go(func(ctx context.Context) error {
					_ = aio.Sleep(ctx, time.Hour)
					return err
				})
			}
			letPass(ctx, 1)
			panic(errBoom)
		})
	})
	matches(t, "Run", err, errBoom)
	same(t, "reports", len(reports), 2)
	matches(t, "the first", reports[0], errOne)
	matches(t, "the second", reports[1], errOther)
}
