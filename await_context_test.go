package aio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
)

// If a context that a coroutine derived is done, the await in it fails. That is never a
// cancellation: nobody has cancelled the task.

// outOfTime returns the error of an await whose derived context reaches its deadline.
func outOfTime(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := aio.Sleep(ctx, time.Hour); err != nil {
		return fmt.Errorf("outOfTime: %w", err)
	}
	return nil
}

// inBubble runs main in a synctest bubble and returns its error.
func inBubble(t *testing.T, main func(ctx context.Context) error) (err error) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { err = aio.Run(main) })
	return err
}

func TestDerivedContextFailsAGroup(t *testing.T) {
	err := inBubble(t, func(ctx context.Context) error {
		q := aio.NewQueue[int](0)
		return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
			// produces nothing
			tg.Go(outOfTime)
			// without the failure this would wait forever
			tg.Go(func(ctx context.Context) error { _, err := q.Get(ctx); return err })
			return nil
		})
	})
	grouped(t, err, context.DeadlineExceeded)
	same(t, "it matches ErrCancelled", errors.Is(err, aio.ErrCancelled), false)
	same(t, "it matches context.Canceled", errors.Is(err, context.Canceled), false)
}

func TestDerivedContextIsAFailureOfATask(t *testing.T) {
	_ = inBubble(t, func(ctx context.Context) error {
		task := aio.CreateTask(ctx, aio.NoResult(outOfTime))
		other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
		done, _, err := aio.Wait(ctx, []aio.AnyFuture{task, other}, aio.NoTimeout, aio.FirstException)
		same(t, "the error of Wait", err, nil)
		same(t, "done futures", len(done), 1)
		same(t, "Cancelled", task.Cancelled(), false)
		same(t, "Cancelling", task.Cancelling(), 0)
		matches(t, "Exception", task.Exception(), context.DeadlineExceeded)
		other.Cancel()
		return nil
	})
}

func TestDerivedContextIsReported(t *testing.T) {
	var reports []error
	_ = inBubble(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { reports = append(reports, ec.Err) })
		aio.CreateTask(ctx, aio.NoResult(outOfTime))
		return aio.Sleep(ctx, time.Minute)
	})
	same(t, "reports", len(reports), 1)
	matches(t, "the error", reports[0], context.DeadlineExceeded)
}

// If the task is cancelled at the moment at which its derived context is done, the
// cancellation wins.
func TestCancellationWinsOverADerivedContext(t *testing.T) {
	for _, first := range []string{"the context", "Cancel"} {
		t.Run(first, func(t *testing.T) {
			err := inBubble(t, func(ctx context.Context) error {
				l, _ := aio.GetRunningLoop(ctx)
				var end context.CancelFunc
				var got error
				task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					var derived context.Context
					derived, end = context.WithCancel(ctx)
					got = aio.Sleep(derived, time.Hour)
					return got
				}))
				letPass(ctx, 1)
				l.CallLater(time.Second, func() {
					if first == "the context" {
						end()
					}
					task.Cancel("enough")
					end()
				})
				_, err := task.Await(ctx)
				same(t, "Cancelled", task.Cancelled(), true)
				var c *aio.CancelledError
				if !errors.As(got, &c) || c.Message != "enough" {
					t.Errorf("the await returned %v, want the cancellation", got)
				}
				return err
			})
			matches(t, "the task", err, aio.ErrCancelled)
		})
	}
}

// When a Timeout expires, an await with a context derived inside it returns the
// cancellation of the Timeout.
func TestTimeoutWinsOverAContextDerivedInIt(t *testing.T) {
	for _, when := range []string{"parked", "a later await"} {
		err := inBubble(t, func(ctx context.Context) error {
			return aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
				derived, cancel := context.WithCancel(ctx)
				defer cancel()
				err := aio.Sleep(derived, time.Hour)
				if when == "a later await" {
					err = aio.Sleep(derived, time.Hour)
				}
				return err
			})
		})
		same(t, when, err, aio.ErrTimeout)
	}
}

// If a derived context is done because another task was cancelled, this task is not
// cancelled.
func TestContextOfACancelledTaskIsNoCancellationOfAnother(t *testing.T) {
	err := inBubble(t, func(ctx context.Context) error {
		other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
		derived, cancel := context.WithCancel(other.GetContext())
		defer cancel()
		l, _ := aio.GetRunningLoop(ctx)
		l.CallLater(time.Second, func() { other.Cancel() })
		return aio.Sleep(derived, time.Hour)
	})
	matches(t, "Sleep", err, context.Canceled)
	same(t, "it matches ErrCancelled", errors.Is(err, aio.ErrCancelled), false)
}

// A task is cancelled, and before it runs, the loop notices that its derived context is
// done: the task is still cancelled.
func TestDerivedContextEndsAfterACancellation(t *testing.T) {
	// needs another pass to finish after its cancellation
	slow := func(ctx context.Context) error {
		err := aio.Sleep(ctx, time.Hour)
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		return err
	}
	for name, wait := range map[string]func(ctx, derived context.Context) error{
		"Sleep":     func(_, derived context.Context) error { return aio.Sleep(derived, time.Hour) },
		"Queue.Get": func(_, derived context.Context) error { _, err := aio.NewQueue[int](0).Get(derived); return err },
		"a task": func(ctx, derived context.Context) error {
			_, err := aio.CreateTask(ctx, aio.NoResult(slow)).Await(derived)
			return err
		},
	} {
		inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
			derived, end := context.WithCancelCause(ctx)
			task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return wait(ctx, derived) }))
			_ = aio.Sleep(ctx, time.Minute)
			l.CallSoon(func() {
				end(errors.New("enough"))
				// in the next pass, in which the loop notices the
				// context
				l.CallSoon(func() { task.Cancel() })
			})
			_, err := task.Await(ctx)
			matches(t, name, err, aio.ErrCancelled)
			same(t, name+": Cancelled", task.Cancelled(), true)
		})
	}
}
