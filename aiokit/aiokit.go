// Package aiokit has common tools for programs of tasks: retries, periodic jobs, limits
// on rates and on concurrency, pools, exit stacks, and channels between tasks.
//
//   - retry after a failure, with increasing pauses: [Retry]
//   - run a function periodically: [Every]
//   - limit the rate of an operation: [RateLimiter]
//   - limit concurrency, with a limit that may change: [CapacityLimiter]
//   - share connections: [Pool]
//   - hold several resources, and release them in reverse order: [WithExitStack]
//   - pass items between tasks that start and end, and detect that the other side is
//     closed: [NewMemoryChannel]
//
// The types here belong to the loop whose tasks use them, like the locks of package
// aio, and need no mutex. A call with an error result returns misuse as an error that
// matches aio.ErrUsage; a call without one panics with it. A cancellation is always
// passed on, and never loses an acquired resource.
package aiokit

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
)

// entered returns an error that matches aio.ErrUsage if the caller is not a task. A
// call that may await checks its ctx in every case, also if it does not await. While a
// loop is being closed, entered returns nil for its tasks: their calls fail as their
// awaits do, and still clean up.
func entered(ctx context.Context) error {
	if aio.CurrentTask(ctx) != nil {
		return nil
	}
	if _, err := aio.GetRunningLoop(ctx); err != nil {
		return err
	}
	return aio.ErrNoTask
}

// home is the loop to which a limiter or a pool belongs. The limiter or pool may
// outlive the loop.
type home struct{ loop *aio.Loop }

// moved sets the loop to that of the calling task, if there is none yet or if the
// previous loop is closed. It reports whether the previous loop is closed: its tasks
// will not return what they held.
func (h *home) moved(ctx context.Context) bool {
	loop := aio.CurrentTask(ctx).GetLoop()
	moved := h.loop != nil && h.loop != loop && h.loop.IsClosed()
	if h.loop == nil || moved {
		h.loop = loop
	}
	return moved
}

func usagef(format string, args ...any) error {
	return fmt.Errorf("aiokit: "+format+": %w", append(args, aio.ErrUsage)...)
}
