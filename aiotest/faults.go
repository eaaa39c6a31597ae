package aiotest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/simnet"
)

// NetworkFailure is a way in which a network operation fails, for [FailEverywhere].
type NetworkFailure uint8

const (
	// ConnectionReset resets the connection: the operation fails with ECONNRESET, a
	// connect with ECONNREFUSED. Sending a datagram fails with ECONNREFUSED, or with
	// ENETUNREACH if the socket is not connected.
	ConnectionReset NetworkFailure = iota
	// ConnectionTimedOut ends a connection because the peer does not answer: the
	// operation fails with ETIMEDOUT. A datagram of UDP is lost.
	ConnectionTimedOut
	// EndOfFile makes the peer seem to have closed the connection, in the middle of
	// its data.
	EndOfFile
	// ShortOperation reads or writes one byte.
	ShortOperation
)

// String returns the name of the failure.
func (f NetworkFailure) String() string {
	if int(f) < len(failureNames) {
		return failureNames[f]
	}
	return "unknown failure"
}

var failureNames = [...]string{"reset", "timed-out", "end-of-file", "short"}

// Failures has the settings of [FailEverywhere]. The zero value means the defaults.
type Failures struct {
	// Kinds are the failures to try; nil means all of them.
	Kinds []NetworkFailure
	// Schedules and Mode are those of a [Sweep].
	Schedules int
	Mode      Mode
	// MaxSteps limits the steps of a run; 0 means 1 000 000.
	MaxSteps int
}

// Failing is the marked region of a function for [FailEverywhere].
type Failing struct{ r *run }

// Do runs fn and returns its error. While fn runs, the network operation with the
// number of this run fails, in any connection of the program.
func (f *Failing) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	switch {
	case f.r == nil:
		return usagef("Failing.Do: FailEverywhere makes a Failing")
	case fn == nil:
		return usagef("Failing.Do: the function is nil")
	}
	if _, err := aio.GetRunningLoop(ctx); err != nil {
		return err
	}
	f.r.regions++
	f.r.failing++
	defer func() { f.r.failing-- }()
	return fn(ctx)
}

// Happened reports whether the failure of this run has occurred. In the first run it
// never does.
func (f *Failing) Happened() bool {
	if f.r == nil {
		panic(usagef("Failing.Happened: FailEverywhere makes a Failing"))
	}
	return f.r.failed != ""
}

// FailEverywhere runs fn once without a failure. Then it runs fn once for each
// operation of the simulated network in its region (see [Failing.Do]) and each kind of
// failure, and makes that operation fail. The operations are connecting, accepting,
// reads that return data, writes, and sending a datagram. An operation that cannot fail
// in that way succeeds, and [Failing.Happened] is false. The code after the region
// checks the result.
//
// A run fails for the reasons of [Explore]. All operations are tried; failures are
// reported once for each operation of the network and each error. fn must be
// deterministic and create all its state itself, so that each run starts in the same
// state.
func FailEverywhere(t TB, f Failures, fn func(ctx context.Context, c *Failing) error) Report {
	needs(t, "FailEverywhere")
	t.Helper()
	return report(t, func(e *engine) Report { return f.run(e, fn) })
}

// Run is [FailEverywhere] outside of tests: failures are in the report.
func (f Failures) Run(fn func(ctx context.Context, c *Failing) error) Report {
	return guarded(func(e *engine) Report { return f.run(e, fn) })
}

func (f Failures) run(e *engine, fn func(ctx context.Context, c *Failing) error) Report {
	if fn == nil {
		return e.misuse(usagef("the function is nil"))
	}
	for _, k := range f.Kinds {
		if int(k) >= len(failureNames) {
			return e.misuse(usagef("there is no kind of failure %d", k))
		}
	}
	c := &Failing{&e.run}
	main := func(ctx context.Context) error { return fn(ctx, c) }
	base := setting{mode: f.Mode, maxSteps: f.MaxSteps, network: true}
	kinds := f.Kinds
	if kinds == nil {
		kinds = []NetworkFailure{ConnectionReset, ConnectionTimedOut, EndOfFile, ShortOperation}
	}
	return e.sweep(base, f.Schedules, disturbance{
		unused: "FailEverywhere: the function never calls Do, so there is nothing that could fail",
		points: func() int { return e.run.ops * len(kinds) },
		disturb: func(set *setting, i int) {
			set.op, set.faults = i/len(kinds)+1, simnet.Fault(kinds[i%len(kinds)])+1
		},
		place: func() string { return e.run.failed },
	}, main)
}

// fault is called before each operation of the network.
func (r *run) fault(op string, _ *simnet.Host, can ...simnet.Fault) simnet.Fault {
	if r.failing == 0 || r.over {
		return simnet.NoFault
	}
	r.ops++
	if r.ops != r.op || len(can) > 0 && !slices.Contains(can, r.faults) {
		return simnet.NoFault
	}
	r.failed = fmt.Sprintf("operation %d of the network failed: %s, %s", r.op, op, NetworkFailure(r.faults-1))
	driver{r}.Note(op + ": " + NetworkFailure(r.faults-1).String())
	return r.faults
}

// parseFailure parses the failure of a record: "fail=12:reset".
func parseFailure(text string) (op int, fault simnet.Fault, ok bool) {
	number, name, _ := strings.Cut(text, ":")
	if _, err := fmt.Sscanf(number, "%d", &op); err != nil || op <= 0 {
		return 0, 0, false
	}
	for i, n := range failureNames {
		if n == name {
			return op, simnet.Fault(i) + 1, true
		}
	}
	return 0, 0, false
}
