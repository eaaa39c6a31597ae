package aiohttp

import (
	"context"
	"reflect"
	"time"
)

// taskContext is the context of a request's task. It has the end of the task, which the
// end of the request cancels, and the values and deadline of both.
//
// If the request has a deadline, or is cancelled by more than its client's leaving,
// awaits must end with the error of that context, and no cancellation of the task says
// so. Context is then derived from the task's and ends with the request. Other requests
// use the task's own: each await under a derived context has to watch it.
type taskContext struct {
	context.Context
	request context.Context
}

// derive sets c, and returns a function that releases what it holds.
func (c *taskContext) derive(task, request context.Context) (release func()) {
	*c = taskContext{task, request}
	if _, ok := request.Deadline(); !ok {
		return func() {}
	}
	derived, cancel := context.WithCancelCause(task)
	stop := context.AfterFunc(request, func() { cancel(context.Cause(request)) })
	c.Context = derived
	return func() {
		stop()
		cancel(nil)
	}
}

// Deadline implements context.Context.
func (c *taskContext) Deadline() (time.Time, bool) {
	d, ok := c.Context.Deadline()
	if e, has := c.request.Deadline(); has && (!ok || e.Before(d)) {
		return e, true
	}
	return d, ok
}

// Err implements context.Context. Once the task knows of the request's end, its error is
// that one.
func (c *taskContext) Err() error {
	err := c.Context.Err()
	if err != nil {
		if r := c.request.Err(); r != nil {
			return r
		}
	}
	return err
}

// Value implements context.Context. context.Cause asks a context for the standard
// library's context that it comes from: once the request has ended, that one has the
// cause.
func (c *taskContext) Value(key any) any {
	v := c.Context.Value(key)
	switch {
	case v == nil:
		return c.request.Value(key)
	case c.request.Err() != nil && reflect.TypeOf(v) == cancelContext:
		if r := c.request.Value(key); reflect.TypeOf(r) == cancelContext {
			return r
		}
	}
	return v
}

// cancelContext is the type of what context.Cause asks for.
var cancelContext = func() reflect.Type {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return reflect.TypeOf(ctx)
}()
