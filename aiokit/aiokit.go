// Package aiokit has the tools that programs of tasks write again and again: retries,
// periodic jobs, limits on rates and on concurrency, pools, exit stacks, and channels
// between tasks.
//
//   - try again after a failure, with a growing pause: [Retry]
//   - run something at intervals: [Every]
//   - limit how often something happens: [RateLimiter]
//   - limit how many tasks do something, by a number that may change: [CapacityLimiter]
//   - share connections: [Pool]
//   - hold several resources, and give them back in reverse order: [WithExitStack]
//   - pass items between tasks that come and go, and learn when the other side is gone:
//     [NewMemoryChannel]
//
// The types here belong to the loop whose tasks use them, as the locks of package aio do,
// and need no mutex. A call with an error result returns misuse as an error that matches
// aio.ErrUsage; one without panics with it. A cancellation is passed on everywhere, and
// nothing that was acquired is lost to one.
package aiokit

import (
	"fmt"

	"github.com/goaio/aio"
)

func usagef(format string, args ...any) error {
	return fmt.Errorf("aiokit: "+format+": %w", append(args, aio.ErrUsage)...)
}
