// Package aiotest runs tests of programs that use package aio in virtual time: a test
// that sleeps for an hour takes no time, runs the same steps in each run, and fails if
// its tasks deadlock.
//
//	func TestWaits(t *testing.T) {
//		aiotest.Run(t, func(ctx context.Context) error {
//			return aio.Sleep(ctx, time.Hour)
//		})
//	}
//
// The same test searches for concurrency bugs if another function runs it: [Explore]
// runs it with many schedules, [CancelEverywhere] with a cancellation at every await.
package aiotest

import (
	"context"
)

// Run runs main as a task of a loop with a virtual clock. The test fails
//   - if main returns an error;
//   - if there is a deadlock; the failure lists all tasks and what they wait for;
//   - if tasks are not done when main returns; they are then cancelled;
//   - if an error of a task, future or callback reaches the exception handler, which
//     happens at the latest when the loop is closed;
//   - if the program loops without waiting: 10 000 000 passes at the same virtual time;
//   - if a step blocks for half a minute of real time, or for the duration in the
//     environment variable AIOTEST_STUCK; the failure has the stack of the running
//     goroutine. Nothing can end such a step: its goroutine is leaked.
//
// Run waits for jobs of ToThread in real time, see [aio.LoopOptions]. To test what
// happens when a job takes too long, use [Explore], where jobs take virtual time, or
// [aio.Run] in a bubble of testing/synctest.
//
// The body of the test, and any task, may call t.FailNow, t.Fatal and t.Skip, which end
// the test. Run does not handle signals.
//
// A nil t or main is misuse.
func Run(t TB, main func(ctx context.Context) error) {
	needs(t, "Run")
	if main == nil {
		panic(usagef("Run: the function is nil"))
	}
	t.Helper()
	e := &engine{}
	end := e.guard(func(e *engine) Report {
		e.run.threads, e.run.strict, e.run.maxSteps = true, true, 0
		if out := e.run.do(main); out.err != nil {
			e.report.Failures = append(e.report.Failures, &Failure{Err: out.err})
		}
		return e.report
	})
	if end.exited {
		for _, err := range e.run.reported {
			t.Errorf("aiotest: %v", err)
		}
	}
	end.pass()
	for _, f := range end.report.Failures {
		t.Errorf("aiotest: %v", f.Err)
	}
}
