package aiohttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
	"github.com/goaio/aio/internal/goid"
)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func answered(req *http.Request, body string) *http.Response {
	return &http.Response{
		StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Request: req,
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
}

// stacks counts the goroutines that have the function in their stacks.
func stacks(function string) int {
	var all strings.Builder
	pprof.Lookup("goroutine").WriteTo(&all, 2)
	return strings.Count(all.String(), function+"(")
}

// idles waits until no goroutine of a client waits for a request.
func idles(t *testing.T) {
	t.Helper()
	for limit := time.Now().Add(patience); stacks("aiohttp.(*workers).work") > 0; runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatal("a goroutine of a client has not ended")
		}
	}
}

// TestClientGoroutines: requests use the same goroutines again, with the labels of
// their tasks, also after a request that has panicked; runtime.Goexit ends the
// goroutine, and so do CloseIdleConnections and a time without requests.
func TestClientGoroutines(t *testing.T) {
	var used []string
	c := &aiohttp.Client{HTTP: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		label := ""
		if goid.CurrentLabels() != (goid.Labels{}) {
			label = req.URL.Path[1:]
		}
		number := string(debug.Stack())
		number, _, _ = strings.Cut(strings.TrimPrefix(number, "goroutine "), " ")
		used = append(used, number+" "+label)
		switch req.URL.Path {
		case "/panic":
			panic("spilt")
		case "/exit":
			runtime.Goexit()
		}
		return answered(req, "tea"), nil
	})}}
	run(t, func(ctx context.Context) error {
		// get makes a request, and waits until its goroutine waits for the next
		get := func(ctx context.Context, path string) error {
			resp, err := c.Get(ctx, "http://shop/"+path)
			if err == nil {
				_, err = resp.Bytes(ctx)
			}
			aio.ToThread(ctx, func(context.Context) (struct{}, error) {
				for limit := time.Now().Add(patience); time.Now().Before(limit); runtime.Gosched() {
					if stacks("aiohttp.(*responseBody).run") == 0 {
						return struct{}{}, nil
					}
				}
				t.Error("the goroutine of a request has not ended it")
				return struct{}{}, nil
			})
			return err
		}
		labelled := func(label string) error {
			return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) (err error) {
					pprof.Do(ctx, pprof.Labels("path", label), func(ctx context.Context) { err = get(ctx, label) })
					return err
				})
				return nil
			})
		}
		if err := errors.Join(get(ctx, "one"), labelled("two"), get(ctx, "three")); err != nil {
			t.Error(err)
		}
		if err := get(ctx, "panic"); !errors.As(err, new(*aio.PanicError)) {
			t.Errorf("a RoundTripper that panics: %v", err)
		}
		if err := get(ctx, "four"); err != nil {
			t.Error(err)
		}
		if err := get(ctx, "exit"); !errors.Is(err, aio.ErrGoexit) {
			t.Errorf("a RoundTripper that calls Goexit: %v", err)
		}
		return get(ctx, "five")
	})
	goroutine := strings.Fields(used[0])[0]
	want := []string{goroutine + " ", goroutine + " two", goroutine + " ", goroutine + " ", goroutine + " ", goroutine + " "}
	if got := used[:6]; !slices.Equal(got, want) {
		t.Errorf("requests ran in the goroutines %q, want %q", got, want)
	}
	idles(t)
	run(t, func(ctx context.Context) error { _, err := c.Get(ctx, "http://shop/six"); return err })
	c.CloseIdleConnections()
	idles(t)
}

// TestClientInBubble: a client leaves no goroutine in a bubble.
func TestClientInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &aiohttp.Client{HTTP: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return answered(req, "tea"), nil
		})}}
		began := time.Now()
		run(t, func(ctx context.Context) error {
			for range 2 {
				resp, err := c.Get(ctx, "http://shop/")
				if err != nil {
					return err
				}
				if text, err := resp.Text(ctx); text != "tea" || err != nil {
					t.Errorf("got %q, %v", text, err)
				}
			}
			return nil
		})
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestClientContextOfAnotherTask: a request ends with the context that it was given, also
// if that belongs to another task, or has ended before.
func TestClientContextOfAnotherTask(t *testing.T) {
	c := &aiohttp.Client{HTTP: &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, context.Cause(req.Context())
	})}}
	defer c.CloseIdleConnections()
	run(t, func(ctx context.Context) error {
		var left context.Context
		var got *aio.Task[error]
		err := aio.Timeout(ctx, time.Hour, func(inner context.Context) error {
			left = inner
			got = aio.CreateTask(ctx, func(context.Context) (error, error) {
				_, err := c.Get(inner, "http://shop/")
				return err, nil
			})
			return aio.Sleep(inner, 0) // until the request has begun
		})
		if err != nil {
			return err
		}
		other, err := got.Await(ctx)
		if err != nil {
			return err
		}
		_, own := c.Get(left, "http://shop/")
		for _, err := range []error{other, own} {
			if err == nil || !strings.Contains(err.Error(), "the context of the request has ended") {
				t.Errorf("got %v", err)
			}
		}
		return nil
	})
}

// TestClientBytesOfOwnArray: what Bytes returns belongs to the caller, for small bodies
// too, which arrive in an array of their own.
func TestClientBytesOfOwnArray(t *testing.T) {
	bodies := map[string][]string{
		"/whole": {"one piece"}, "/parts": {"one", "two", "three"}, "/large": {strings.Repeat("x", 5000)}, "/none": {""},
	}
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := bodies[r.URL.Path]
		w.Header().Set("Content-Length", fmt.Sprint(len(strings.Join(parts, ""))))
		for _, part := range parts {
			io.WriteString(w, part)
			w.(http.Flusher).Flush()
		}
	}))
	c := newClient(t)
	run(t, func(ctx context.Context) error {
		for path, parts := range bodies {
			for _, before := range []int{0, 1, 4} { // bytes that Read takes
				want := strings.Join(parts, "")
				resp, err := c.Get(ctx, s.URL+path)
				if err != nil {
					return err
				}
				head := make([]byte, min(before, len(want)))
				for n := 0; n < len(head); {
					k, err := resp.Read(ctx, head[n:])
					if err != nil {
						return err
					}
					n += k
				}
				rest, err := resp.Bytes(ctx)
				if got := string(head) + string(rest); got != want || rest == nil || err != nil {
					t.Errorf("%s: got %q of %q, %v", path, got, want, err)
				}
				other, err := c.Get(ctx, s.URL+"/large")
				if err != nil {
					return err
				}
				if _, err := other.Bytes(ctx); err != nil {
					return err
				}
				if got := string(head) + string(append(rest, "more"...)[:len(rest)]); got != want {
					t.Errorf("%s: Bytes has changed to %q", path, got)
				}
			}
		}
		return nil
	})
}
