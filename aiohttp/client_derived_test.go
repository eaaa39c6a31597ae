package aiohttp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// A task of a group consists of one call with a context that the task has derived. If
// that context is cancelled with a cause, before or during the call, the task fails
// with the cause and does not count as cancelled.
func TestClientUnderADerivedContext(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// otherwise the server does not notice the end of the connection
		_, _ = io.Copy(io.Discard, r.Body)
		if strings.HasPrefix(r.URL.Path, "/body") {
			io.WriteString(w, "[1,\n")
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}))
	c := newClient(t)
	get := func(use func(ctx context.Context, r *aiohttp.Response) error) func(ctx, derived context.Context) error {
		return func(ctx, derived context.Context) error {
			resp, err := c.Get(ctx, s.URL+"/body")
			if err != nil {
				return err
			}
			defer resp.Close()
			return use(derived, resp)
		}
	}
	enough := errors.New("enough")
	calls := map[string]func(ctx, derived context.Context) error{
		"Get": func(_, derived context.Context) error { _, err := c.Get(derived, s.URL); return err },
		"Post": func(_, derived context.Context) error {
			_, err := c.Post(derived, s.URL, "text/plain", strings.NewReader("x"))
			return err
		},
		"PostJSON": func(_, derived context.Context) error { _, err := c.PostJSON(derived, s.URL, 1); return err },
		"Do": func(_, derived context.Context) error {
			req, err := http.NewRequest("DELETE", s.URL, nil)
			if err != nil {
				return err
			}
			_, err = c.Do(derived, req)
			return err
		},
		"a body of the same context": func(_, derived context.Context) error {
			resp, err := c.Get(derived, s.URL+"/body")
			if err != nil {
				return err
			}
			defer resp.Close()
			_, err = resp.Bytes(derived)
			return err
		},
		"Body": func(_, derived context.Context) error {
			resp, err := c.Get(derived, s.URL+"/body")
			if err != nil {
				return err
			}
			defer resp.Close()
			_, err = io.ReadAll(resp.Body)
			return err
		},
		"Bytes": get(func(ctx context.Context, r *aiohttp.Response) error { _, err := r.Bytes(ctx); return err }),
		"Text":  get(func(ctx context.Context, r *aiohttp.Response) error { _, err := r.Text(ctx); return err }),
		"JSON":  get(func(ctx context.Context, r *aiohttp.Response) error { return r.JSON(ctx, new([]int)) }),
		"Read": get(func(ctx context.Context, r *aiohttp.Response) (err error) {
			for err == nil {
				_, err = r.Read(ctx, make([]byte, 100))
			}
			return err
		}),
		"Chunks": get(func(ctx context.Context, r *aiohttp.Response) (err error) {
			for _, err = range r.Chunks(ctx) {
			}
			return err
		}),
		"Lines": get(func(ctx context.Context, r *aiohttp.Response) (err error) {
			for _, err = range r.Lines(ctx) {
			}
			return err
		}),
		"ServeForever": func(ctx, derived context.Context) error {
			srv, err := aiohttp.Serve(ctx, http.NotFoundHandler(), "127.0.0.1:0", nil)
			if err != nil {
				return err
			}
			return srv.ServeForever(derived)
		},
	}
	// The cause may contain a CancelledError, but the task is not cancelled.
	for kind, cause := range map[string]error{"a failure": enough, "joined": errors.Join(&aio.CancelledError{}, enough)} {
		endEachCall(t, kind, cause, calls)
	}
}

// endEachCall ends, with cause, the context that was passed to a call in a task.
func endEachCall(t *testing.T, kind string, cause error, calls map[string]func(ctx, derived context.Context) error) {
	for name, call := range calls {
		for _, moment := range []string{"before", "meanwhile"} {
			t.Run(name+"/"+moment+"/"+kind, func(t *testing.T) {
				run(t, func(ctx context.Context) error {
					loop, err := aio.GetRunningLoop(ctx)
					if err != nil {
						return err
					}
					var task *aio.Task[struct{}]
					err = aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
						task = tg.Go(func(ctx context.Context) error {
							derived, end := context.WithCancelCause(ctx)
							if moment == "before" {
								end(cause)
							} else {
								loop.CallLater(20*time.Millisecond, func() { end(cause) })
							}
							return call(ctx, derived)
						})
						return nil
					})
					if !errors.As(err, new(*aio.GroupError)) || !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
						t.Errorf("the group returned %v", err)
					}
					if aio.IsCancellation(task.Exception()) || task.Cancelled() || task.Cancelling() > 0 {
						t.Errorf("the task counts as cancelled: %v", err)
					}
					return nil
				})
			})
		}
	}
}
