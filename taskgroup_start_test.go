package aio_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

func TestTaskGroupLimit(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		tg := aio.TaskGroup{Limit: 2}
		err := tg.Run(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range 4 {
				aio.GoResult(tg, func(ctx context.Context) (int, error) {
					log.add("%d", i)
					err := aio.Sleep(ctx, time.Duration(2-i%2)*time.Second)
					log.add("-%d", i)
					return i, err
				})
			}
			return nil
		})
		log.want(t, "0 1 -1 2 -0 3 -2 -3")
		return err
	})
}

func TestTaskGroupCollectsErrors(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		e1, e2, e3 := errors.New("1"), errors.New("2"), errors.New("3")
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.CollectErrors = true
			tg.Go(func(ctx context.Context) error { return errors.Join(aio.Sleep(ctx, 2*time.Second), e2) })
			tg.Go(func(ctx context.Context) error { return e1 })
			tg.Go(func(ctx context.Context) error {
				err := aio.Sleep(ctx, 3*time.Second)
				log.add("%v", outcomeOf(err))
				return err
			})
			return e3
		})
		log.want(t, "ok")
		var g *aio.GroupError
		if !errors.As(err, &g) || len(g.Errors) != 3 || !errors.Is(g.Errors[0], e1) || !errors.Is(g.Errors[1], e2) || g.Errors[2] != e3 {
			t.Errorf("%v", err)
		}
		// A cancellation ends a group with CollectErrors as usual.
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.CollectErrors = true
				tg.Go(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
				return nil
			})
		}))
		letPass(ctx, 2)
		task.Cancel()
		_, err = task.Await(ctx)
		if !task.Cancelled() {
			t.Errorf("%v", err)
		}
		return nil
	})
}

func TestStartTask(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		failed := errors.New("no address")
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			serve := func(ctx context.Context, started func(string)) error {
				if err := aio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				started("address")
				started("again")
				log.add("serving")
				err := aio.Sleep(ctx, time.Hour)
				log.add("%v", outcomeOf(err))
				return err
			}
			addr, err := aio.StartTask(ctx, tg, serve)
			log.add("%v,%v", addr, err)
			addr, err = aio.StartTask(ctx, tg, func(ctx context.Context, started func(string)) error {
				started("eager")
				return nil
			}, aio.WithEagerStart(true))
			log.add("%v,%v", addr, err)
			for _, eager := range []bool{false, true} {
				if _, err = aio.StartTask(ctx, tg, func(context.Context, func(string)) error { return failed }, aio.WithEagerStart(eager)); err != failed {
					t.Errorf("a task that fails before it is ready: %v", err)
				}
				if _, err = aio.StartTask(ctx, tg, func(context.Context, func(string)) error { return nil }, aio.WithEagerStart(eager)); !errors.Is(err, aio.ErrUsage) {
					t.Errorf("a task that is never ready: %v", err)
				}
			}
			// StartTask is cancelled while the task starts.
			err = aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
				_, err := aio.StartTask(ctx, tg, func(ctx context.Context, started func(int)) error {
					err := aio.Sleep(ctx, time.Hour)
					_ = aio.Sleep(ctx, time.Second)
					started(1)
					log.add("gave-up")
					return err
				})
				return err
			})
			log.add("%v", outcomeOf(err))
			tg.Cancel()
			return nil
		})
		log.want(t, "serving address,<nil> eager,<nil> gave-up timeout cancelled")
		if err != nil {
			return err
		}
		if _, err := aio.StartTask[int](ctx, nil, nil); !errors.Is(err, aio.ErrUsage) {
			t.Error(err)
		}
		if _, err := aio.StartTask[int](ctx, new(aio.TaskGroup), func(context.Context, func(int)) error { return nil }); !errors.Is(err, aio.ErrUsage) {
			t.Error(err)
		}
		return nil
	})
}

// A group waits for a task that another task, outside of the group, starts in it, even
// while StartTask is still waiting.
func TestStartTaskFromOutside(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		failed := errors.New("refused")
		for _, c := range []struct {
			name   string
			fails  bool // the task fails before it is ready
			cancel bool // the group is cancelled while the task starts
			events string
		}{
			{"starts", false, false, "ready 7,<nil> task:ok group:ok"},
			{"fails", true, false, "group:ok 0,refused"},
			{"starts in a cancelled group", false, true, "ready 7,<nil> task:cancelled group:ok"},
		} {
			var outside *aio.Task[struct{}]
			err := aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
				outside = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					v, err := aio.StartTask(ctx, tg, func(ctx context.Context, started func(int)) error {
						if err := aio.Sleep(ctx, time.Second); err != nil || c.fails {
							return cmp.Or(err, failed)
						}
						log.add("ready")
						started(7)
						err := aio.Sleep(ctx, time.Second)
						log.add("task:%v", outcomeOf(err))
						return err
					})
					log.add("%v,%v", v, err)
					return nil
				}))
				err := aio.Sleep(ctx, time.Second/2)
				if c.cancel {
					tg.Cancel()
				}
				return err
			})
			log.add("group:%v", outcomeOf(err))
			if _, err := outside.Await(ctx); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			log.want(t, c.events)
		}
		return nil
	})
}

func ExampleStartTask() {
	err := aio.Run(func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			port, err := aio.StartTask(ctx, tg, func(ctx context.Context, started func(port int)) error {
				started(8080) // listening
				return aio.Sleep(ctx, time.Hour)
			})
			fmt.Println(port, err)
			tg.Cancel()
			return nil
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: 8080 <nil>
}
