package aiohttp

import (
	"context"
	"reflect"
	"time"
)

// taskContext is the context of a request's task. It ends with the task, which is
// cancelled when the request ends, and it has the values and deadline of both.
//
// If the request has a deadline, or can be cancelled for another reason than a
// disconnected client, awaits must fail with the error of that context, and a
// cancellation of the task would not do that. Then Context is derived from the task's
// context and ends with the request. Other requests use the task's own context, because
// each await under a derived context has to watch it.
type taskContext struct {
	context.Context
	request context.Context
}

// derive initialises c, and returns a function that releases its resources.
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

// Err implements context.Context. Once the task has received the end of the request,
// Err is the request's error.
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
// library's context that it comes from. Once the request has ended, the request's
// context answers, because it has the cause.
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

// cancelContext is the type of the value that context.Cause asks for.
var cancelContext = func() reflect.Type {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return reflect.TypeOf(ctx)
}()
