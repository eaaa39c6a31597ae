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

// entered returns the misuse of a call that no task makes. A call that may await checks
// its ctx also where it does not await. A task of a loop that is being closed has
// entered: its calls fail as its awaits do, and still clean up.
func entered(ctx context.Context) error {
	if aio.CurrentTask(ctx) != nil {
		return nil
	}
	if _, err := aio.GetRunningLoop(ctx); err != nil {
		return err
	}
	return aio.ErrNoTask
}

// home is the loop that something belongs to, which may outlive it.
type home struct{ loop *aio.Loop }

// moved notes that the calling task uses the thing. It reports whether another loop did
// so before and is closed: what its tasks held then will not be returned.
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
