package aiohttp_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

type contextKey struct{}

// TestClientRequestContext: the context that a RoundTripper gets has the values of the
// context of the call, and ends with the request, with its cause; contexts that are
// derived from it end with it, unless they have ended before.
func TestClientRequestContext(t *testing.T) {
	for name, cause := range map[string]error{"cancelled": aio.ErrCancelled, "read": context.Canceled} {
		t.Run(name, func(t *testing.T) {
			began := make(chan struct{}, 1)
			contexts := make(chan context.Context, 10)
			var stopped, twice bool
			called := make(chan string, 10)
			c := &aiohttp.Client{HTTP: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				ctx := req.Context()
				if got := ctx.Value(contextKey{}); got != "tea" {
					t.Errorf("the value is %v", got)
				}
				if at, ok := ctx.Deadline(); ok || ctx.Err() != nil || context.Cause(ctx) != nil {
					t.Errorf("a request has begun with deadline %v, %v, %v", at, ctx.Err(), context.Cause(ctx))
				}
				one, end := context.WithCancelCause(ctx)
				stop := context.AfterFunc(ctx, func() { called <- "stopped" })
				two, endTwo := context.WithCancel(context.WithValue(ctx, contextKey{}, "two"))
				_ = endTwo // the context ends with ctx
				end(errors.New("own"))
				stopped, twice = stop(), stop()
				context.AfterFunc(ctx, func() { called <- "kept" })
				if one.Err() == nil || context.Cause(one).Error() != "own" || two.Err() != nil || ctx.Err() != nil {
					t.Errorf("derived contexts: %v, %v, %v, %v", one.Err(), context.Cause(one), two.Err(), ctx.Err())
				}
				contexts <- ctx
				contexts <- two
				began <- struct{}{}
				if cause == aio.ErrCancelled {
					<-ctx.Done()
					return nil, context.Cause(ctx)
				}
				return answered(req, "tea"), nil
			})}}
			defer c.CloseIdleConnections()
			run(t, func(ctx context.Context) error {
				task := aio.CreateTask(context.WithValue(ctx, contextKey{}, "tea"), func(ctx context.Context) (string, error) {
					ctx = context.WithValue(ctx, contextKey{}, "tea")
					resp, err := c.Get(ctx, "http://shop/")
					if err != nil {
						return "", err
					}
					return resp.Text(ctx)
				})
				if _, _, err := aio.Receive(ctx, began); err != nil {
					return err
				}
				if cause == aio.ErrCancelled {
					task.Cancel("closing time")
				}
				if text, err := task.Await(ctx); cause != aio.ErrCancelled && (text != "tea" || err != nil) {
					t.Errorf("got %q, %v", text, err)
				}
				return nil
			})
			for range 2 {
				ctx := <-contexts
				<-ctx.Done()
				after, end := context.WithCancel(ctx)
				<-after.Done()
				end()
				for _, ctx := range []context.Context{ctx, after} {
					if ctx.Err() != context.Canceled || !errors.Is(context.Cause(ctx), cause) {
						t.Errorf("ended with %v, %v; want the cause %v", ctx.Err(), context.Cause(ctx), cause)
					}
				}
			}
			if got := <-called; got != "kept" || !stopped || twice {
				t.Errorf("called: %s; stop: %v, %v", got, stopped, twice)
			}
		})
	}
}
