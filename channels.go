package aio

// Go channels connect a task with goroutines outside of its loop.

import "context"

// Receive receives from ch like v, ok := <-ch. It suspends the calling task until there
// is a value or the channel is closed; if there is one already, it does not suspend.
//
// A cancellation never loses a value: if a value was received at the moment of the
// cancellation, Receive returns it and the task's next await is cancelled instead. The
// error is a [*CancelledError] or one of those of [Future.Await].
//
// Cost: while Receive waits it occupies a goroutine, and a wake-up from outside the
// loop takes about as long as one of [ToThread]. Between tasks of one loop a [Queue] is
// much faster.
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

// Send sends v to ch like ch <- v. It suspends the calling task until the value is
// received or there is room for it; if there is room already, it does not suspend.
//
// If Send returns a [*CancelledError], the value was not sent; as with [Receive], a
// cancellation that comes too late is delivered at the next await. Sending to a closed
// channel panics.
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

// inGoroutine suspends the running task until op, which runs in a new goroutine, is
// done. op returns false if it stopped because quit was closed. op must return at once
// when it has succeeded or quit is closed.
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
	o := <-result // at once: op is done or has seen quit
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

// outcome is the result of the op of inGoroutine.
type outcome struct {
	happened bool
	panicked error
}

// outsideWait is the entry that ends the wait of inGoroutine. It may run after the wait
// has ended.
type outsideWait struct{ w *waiter }

func (x *outsideWait) run(*future) {
	if x.w != nil {
		x.w.wake()
	}
}
