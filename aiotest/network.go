package aiotest

// The adapter between a run and its simulated network. See internal/simnet.

import (
	"context"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/simnet"
)

// driver is the run in the form that a network uses.
type driver struct{ r *run }

// Now implements simnet.Driver.
func (d driver) Now() time.Duration {
	if d.r.world != nil {
		return d.r.world.time()
	}
	return d.r.view.Now()
}

// Choose implements simnet.Driver.
func (d driver) Choose(n int, what string) int { return d.r.choose(n, what) }

// Note implements simnet.Driver.
func (d driver) Note(text string) {
	if d.r.log != nil {
		d.r.log.note(text)
	}
}

// hostLoop is a loop in the form that its host uses.
type hostLoop struct{ loop *aio.Loop }

// Soon implements simnet.Loop.
func (h hostLoop) Soon(f func()) { h.loop.CallSoon(f) }

// Waiter implements simnet.Loop.
func (h hostLoop) Waiter(ctx context.Context) (wait func() error, wake func(), err error) {
	f := aio.CreateFuture[struct{}](ctx)
	wait = func() error {
		_, err := f.Await(ctx)
		return err
	}
	wake = func() {
		if !f.Done() {
			// it cannot fail: the future is not done
			_ = f.SetResult(struct{}{})
		}
	}
	return wait, wake, nil
}

// connect gives the loop of the run a simulated network, if the run has one.
func (r *run) connect() {
	r.host = nil
	if !r.network {
		return
	}
	n := simnet.New(driver{r})
	n.Fault = r.fault
	r.host = n.Host("localhost")
	r.host.Start(hostLoop{r.loop})
	r.view.SetNetwork(r.host)
}
