package aio

// Go's channels are where a task meets goroutines outside of its loop.

import "context"

// Receive receives from ch like v, ok := <-ch: it suspends the calling task until there
// is a value or the channel is closed, and does not suspend if there is one already. No
// value is lost to a cancellation: if one was received at the moment in which the task
// was cancelled, Receive returns it and the task's next await is cancelled instead. The
// error is a *CancelledError or one of those of Future.Await. While it waits it takes a
// goroutine; between tasks of one loop a Queue is much faster.
func Receive[T any](ctx context.Context, ch <-chan T) (v T, ok bool, err error) {
	c, err := enter(ctx, "Receive")
	if err != nil {
		return v, false, err
	}
	select {
	case v, ok = <-ch:
		return v, ok, nil
	default:
	}
	err = c.inGoroutine("Receive", func(quit <-chan struct{}) bool {
		select {
		case v, ok = <-ch:
			return true
		case <-quit:
			return false
		}
	})
	return v, ok, err
}

// Send sends v to ch like ch <- v: it suspends the calling task until somebody takes the
// value or there is room for it, and does not suspend if there is already. If it returns
// a *CancelledError the value was not sent; as with Receive, a cancellation that comes
// too late waits for the next await. Sending to a closed channel panics.
func Send[T any](ctx context.Context, ch chan<- T, v T) error {
	c, err := enter(ctx, "Send")
	if err != nil {
		return err
	}
	select {
	case ch <- v:
		return nil
	default:
	}
	return c.inGoroutine("Send", func(quit <-chan struct{}) bool {
		select {
		case ch <- v:
			return true
		case <-quit:
			return false
		}
	})
}

// inGoroutine suspends the running task until op, in a goroutine of its own, has done its
// work. op returns false if it gave up because of quit. It must do either at once when it
// can.
func (e caller) inGoroutine(what string, op func(quit <-chan struct{}) bool) error {
	l := e.fut.loop
	x := &outsideWait{}
	quit, result := make(chan struct{}), make(chan outcome, 1)
	l.outsideWaits++
	go func() {
		o := outcome{}
		defer func() {
			if v := recover(); v != nil {
				o.panicked = panicError(v)
			}
			result <- o
			l.post(readyEntry{x, nil}, false)
		}()
		o.happened = op(quit)
	}()
	err := e.waitOnce(what, &x.w)
	l.outsideWaits--
	close(quit)
	o := <-result // at once: op has done its work or seen quit
	if o.panicked != nil {
		panic(o.panicked)
	}
	if err == nil || !o.happened {
		return err
	}
	if c, ok := asCancelled(err); ok {
		e.mustCancel, e.reason = true, c
	}
	return nil
}

// outcome is what became of the op of inGoroutine.
type outcome struct {
	happened bool
	panicked error
}

// outsideWait is the entry that ends the wait of inGoroutine. It may come after that has
// ended.
type outsideWait struct{ w *waiter }

func (x *outsideWait) run(*future) {
	if x.w != nil {
		x.w.wake()
	}
}
