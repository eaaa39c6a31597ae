// Package aiotest runs tests of programs that use package aio in virtual time: a test that sleeps
// for an hour takes no time, makes the same steps in each run, and fails if its tasks wait for each
// other for ever.
//
//	func TestWaits(t *testing.T) {
//		aiotest.Run(t, func(ctx context.Context) error {
//			return aio.Sleep(ctx, time.Hour)
//		})
//	}
package aiotest

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/goaio/aio"
)

// Run runs main as a task of a loop with a virtual clock. The test fails
//   - if main returns an error;
//   - with a list of all tasks and what they wait for, if there is a deadlock;
//   - if tasks are left that are not done when main returns; they are cancelled then;
//   - if an error of a task, future or callback reaches the exception handler, which it does at
//     the latest when the loop is closed.
//
// Jobs of ToThread are waited for in real time, see aio.LoopOptions. A test of what happens when one
// takes too long is better run by aio.Run in a bubble of testing/synctest.
//
// The body of the test, and any task, may call t.FailNow, t.Fatal and t.Skip, which end the test.
// Signals are left alone.
func Run(t testing.TB, main func(ctx context.Context) error) {
	t.Helper()
	r := aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
	loop, err := r.GetLoop()
	if err != nil {
		t.Fatal(err)
	}
	loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		t.Helper()
		subject := ""
		if ec.Task != nil {
			subject = ": " + ec.Task.String()
		}
		t.Errorf("aiotest: %s%s: %v", ec.Message, subject, ec.Err)
	})
	defer func() { // also when a task called t.FailNow, which ends this goroutine
		if err := r.Close(); err != nil {
			t.Errorf("aiotest: shutting down: %v", err)
		}
	}()
	err = r.Run(main)
	if err != nil {
		t.Errorf("aiotest: main: %v", err)
	}
	if errors.Is(err, aio.ErrDeadlock) {
		return // it lists them
	}
	if left := aio.AllTasks(loop.Context()); len(left) > 0 {
		var b strings.Builder
		for _, task := range left {
			b.WriteString("\n" + task.String() + "\n")
			_ = task.PrintStack(&b, 0) // a strings.Builder does not fail
		}
		t.Errorf("aiotest: %d tasks are left that are not done:%s", len(left), b.String())
	}
}
