package aiokit_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
	"github.com/goaio/aio/aiotest"
)

func TestMemoryChannel(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		for _, size := range []int{0, 1, aiokit.Unlimited} {
			var log eventLog
			s, r := aiokit.NewMemoryChannel[int](size)
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for i := range 2 {
					end := s.Clone()
					tg.Go(func(ctx context.Context) error {
						defer end.Close()
						for k := range 2 {
							if err := end.Send(ctx, 10*i+k); err != nil {
								return err
							}
							log.add("sent%d", 10*i+k)
						}
						return nil
					})
				}
				s.Close()
				var got []int
				for v, err := range r.All(ctx) {
					if err != nil {
						return err
					}
					got = append(got, v)
					if err := aio.Sleep(ctx, ms); err != nil {
						return err
					}
				}
				slices.Sort(got)
				if !slices.Equal(got, []int{0, 1, 10, 11}) {
					t.Errorf("size %d: received %v", size, got)
				}
				return nil
			})
			if err != nil {
				return err
			}
			log.want(t, "sent0 sent1 sent10 sent11")
		}

		s, r := aiokit.NewMemoryChannel[string](0)
		if err := s.SendNowait("x"); err != aiokit.ErrWouldBlock {
			t.Error(err)
		}
		if _, err := r.ReceiveNowait(); err != aiokit.ErrWouldBlock {
			t.Error(err)
		}
		// A side is closed while tasks wait on it.
		waits := func(f func(ctx context.Context) error) *aio.Task[struct{}] {
			return aio.CreateTask(ctx, aio.NoResult(f))
		}
		clone := r.Clone()
		a := waits(func(ctx context.Context) error { _, err := clone.Receive(ctx); return err })
		b := waits(func(ctx context.Context) error { _, err := r.Receive(ctx); return err })
		if err := aio.Sleep(ctx, ms); err != nil {
			return err
		}
		clone.Close()
		s.Close()
		if _, err := a.Await(ctx); err != aiokit.ErrClosedChannel {
			t.Error(err)
		}
		if _, err := b.Await(ctx); err != aiokit.ErrEndOfChannel {
			t.Error(err)
		}
		if err := s.Send(ctx, "x"); err != aiokit.ErrClosedChannel || !errors.Is(err, aio.ErrUsage) {
			t.Error(err)
		}
		if err := panicked(func() { s.Clone() }); !errors.Is(err, aio.ErrUsage) {
			t.Error(err)
		}
		s, r = aiokit.NewMemoryChannel[string](0)
		c := waits(func(ctx context.Context) error { return s.Send(ctx, "x") })
		if err := aio.Sleep(ctx, ms); err != nil {
			return err
		}
		r.Close()
		if _, err := c.Await(ctx); err != aiokit.ErrBrokenChannel {
			t.Error(err)
		}
		if err := s.Send(ctx, "x"); err != aiokit.ErrBrokenChannel {
			t.Error(err)
		}
		return nil
	})
}

// An item is passed at the moment in which the context of a Receive or Send ends: each
// item that was sent is received, and no other.
func TestMemoryChannelAtTheEndOfAContext(t *testing.T) {
	// The cause contains a CancelledError, but the task was not cancelled.
	joined := errors.Join(&aio.CancelledError{}, errFlaky)
	for passes := range 4 {
		for _, first := range []string{"the item", "the end"} {
			aiotest.Run(t, func(ctx context.Context) error {
				l, err := aio.GetRunningLoop(ctx)
				if err != nil {
					return err
				}
				both := func(end, item func()) {
					one, two := item, end
					if first == "the end" {
						one, two = end, item
					}
					l.CallSoon(func() {
						one()
						var later func(n int)
						later = func(n int) {
							if n == 0 {
								two()
								return
							}
							l.CallSoon(func() { later(n - 1) })
						}
						later(passes)
					})
				}

				s, r := aiokit.NewMemoryChannel[int](0)
				derived, end := context.WithCancelCause(ctx)
				defer end(nil)
				var sent error
				receive := aio.CreateTask(ctx, func(context.Context) (int, error) { return r.Receive(derived) })
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
				both(func() { end(joined) }, func() { sent = s.SendNowait(1) })
				v, err := receive.Await(ctx)
				if err := aio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				if (sent == nil) != (err == nil) || err == nil && v != 1 {
					t.Errorf("%s first, %d passes: SendNowait %v, Receive %d, %v", first, passes, sent, v, err)
				}

				derived, end = context.WithCancelCause(ctx)
				defer end(nil)
				var got error
				send := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return s.Send(derived, 2) }))
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
				both(func() { end(joined) }, func() { v, got = r.ReceiveNowait() })
				_, err = send.Await(ctx)
				if err := aio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				if (got == nil) != (err == nil) || err == nil && v != 2 {
					t.Errorf("%s first, %d passes: ReceiveNowait %d, %v, Send %v", first, passes, v, got, err)
				}
				if receive.Cancelling()+send.Cancelling() > 0 || receive.Cancelled() || send.Cancelled() {
					t.Errorf("%s first, %d passes: a task counts as cancelled", first, passes)
				}
				return nil
			})
		}
	}
}
