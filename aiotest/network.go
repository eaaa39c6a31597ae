package aiotest

// How a simulated network is driven by a run. See internal/simnet.

import (
	"context"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/simnet"
)

// driver is the run as a network sees it.
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

// hostLoop is a loop as its host sees it.
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
			_ = f.SetResult(struct{}{}) // it is not done
		}
	}
	return wait, wake, nil
}

// connect gives the loop of the run a network of its own, if it is to have one.
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
