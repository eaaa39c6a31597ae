package aio_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// labelled reports whether a goroutine with function on its stack has a profiling label
// whose key or value is label.
func labelled(t *testing.T, function, label string) bool {
	t.Helper()
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	for record := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(record, function) && strings.Contains(record, fmt.Sprintf("%q", label)) {
			return true
		}
	}
	return false
}

func thisTaskLooks(t *testing.T, label string) bool {
	return labelled(t, "aio_test.thisTaskLooks", label)
}
func thisJobLooks(t *testing.T, label string) bool {
	return labelled(t, "aio_test.thisJobLooks", label)
}

func TestLabelsOfATaskEndWithIt(t *testing.T) {
	set := func(ctx context.Context) {
		pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("mine", "set")))
	}
	for name, first := range map[string]func(ctx context.Context) error{
		"set": func(ctx context.Context) error {
			set(ctx)
			return nil
		},
		"set, then panic": func(ctx context.Context) error {
			set(ctx)
			panic("expected")
		},
		"set, then await": func(ctx context.Context) error {
			set(ctx)
			return aio.Sleep(ctx, 0)
		},
		"labels are set, and another goroutine is needed": func(ctx context.Context) error {
			set(ctx)
			task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				if thisTaskLooks(t, "mine") {
					t.Error("a task in a new goroutine has the labels of the task that created it")
				}
				return nil
			}), aio.WithEagerStart(true))
			return await(ctx, task)
		},
	} {
		t.Run(name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				for range 3 {
					_ = await(ctx, aio.CreateTask(ctx, aio.NoResult(first)))
					for range 3 {
						next := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
							if thisTaskLooks(t, "mine") {
								t.Error("a task has the labels that an earlier one has set")
							}
							return aio.Sleep(ctx, 0)
						}))
						if err := await(ctx, next); err != nil {
							return err
						}
					}
				}
				return nil
			})
		})
	}
}

func TestLabelsOfAContextAreThoseOfItsTasksAndJobs(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) (err error) {
		pprof.Do(ctx, pprof.Labels("mine", "inherited"), func(ctx context.Context) {
			err = await(ctx, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				if !thisTaskLooks(t, "inherited") {
					t.Error("a task does not have the labels of its context")
				}
				_, err := aio.ToThread(ctx, func(context.Context) (bool, error) {
					if !thisJobLooks(t, "inherited") {
						t.Error("a job does not have the labels of its context")
					}
					return true, nil
				})
				return err
			})))
		})
		return err
	})
}

func TestTasksHaveTheLabelsOfTheLoopsGoroutine(t *testing.T) {
	pprof.Do(t.Context(), pprof.Labels("mine", "outside"), func(context.Context) {
		aiotest.Run(t, func(ctx context.Context) error {
			for range 3 {
				err := await(ctx, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					if !thisTaskLooks(t, "outside") {
						t.Error("a task does not have the labels of the goroutine that runs the loop")
					}
					_, err := aio.ToThread(ctx, func(context.Context) (bool, error) {
						if !thisJobLooks(t, "outside") {
							t.Error("a job does not have the labels of the goroutine that runs the loop")
						}
						return true, nil
					})
					return err
				})))
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func TestLabelsOfAJobEndWithIt(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		ex := aio.NewThreadPoolExecutor(1)
		defer ex.Shutdown(true)
		first := aio.RunInExecutor(ctx, ex, func() (int, error) {
			pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels("mine", "set")))
			return 0, nil
		})
		second := aio.RunInExecutor(ctx, ex, func() (int, error) {
			// This job runs after the first one.
			if thisJobLooks(t, "mine") {
				t.Error("a job has the labels that the one before it has set")
			}
			return 0, nil
		})
		if _, err := first.Await(ctx); err != nil {
			return err
		}
		_, err := second.Await(ctx)
		return err
	})
}
