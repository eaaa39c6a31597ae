package aiohttp

// The context of a client's request. net/http derives one context from it for each
// request. With a context of the standard library, this would cost three allocations
// for the context, and a map for the derived one. requestContext is a part of the
// request.

import (
	"context"
	"sync"
	"time"
)

// requestContext has the values of the context of a call, but not its cancellation and
// its deadline, like context.WithoutCancel. The method end ends it. Any goroutine may
// use it.
type requestContext struct {
	values context.Context // nil until the request is sent

	mu    sync.Mutex
	done  chan struct{}   // nil until a caller of Done has requested it
	ended context.Context // has the cause; nil until the context has ended
	// the functions of AfterFunc; those that were stopped are nil. Nearly always
	// there is one.
	after []func()
	one   [1]func() // the initial array of after
}

// canceled is an ended context. Its Value returns a value only for the private key of
// package context, which asks for the standard library's context that a context was
// derived from.
var canceled = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// end ends the context. Only the first call has an effect.
func (c *requestContext) end(cause error) {
	ended := canceled
	if cause != context.Canceled {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		ended = ctx
	}
	c.mu.Lock()
	if c.ended != nil {
		c.mu.Unlock()
		return
	}
	c.ended = ended
	after := c.after
	c.after = nil
	if c.done != nil {
		close(c.done)
	}
	c.mu.Unlock()
	for _, f := range after {
		if f != nil {
			f()
		}
	}
}

// AfterFunc implements the interface that package context looks for when it derives a
// context. f ends the derived context, and does not block.
func (c *requestContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		go f() // in a goroutine, because the caller holds a lock that f needs
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = c.one[:0]
	}
	i := len(c.after) // the index of f in after; -1 when f is stopped
	c.after = append(c.after, f)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if i < 0 || c.after == nil {
			return false
		}
		c.after[i], i = nil, -1
		for n := len(c.after); n > 0 && c.after[n-1] == nil; n-- {
			c.after = c.after[:n-1]
		}
		return true
	}
}

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.ended != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err implements context.Context.
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		return nil
	}
	return c.ended.Err()
}

// Value implements context.Context. It also provides the cause.
func (c *requestContext) Value(key any) any {
	if canceled.Value(key) == nil {
		if c.values == nil {
			return nil
		}
		return c.values.Value(key)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		return nil
	}
	return c.ended.Value(key)
}

// Deadline implements context.Context.
func (c *requestContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }
