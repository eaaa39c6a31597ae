package aiohttp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// patience is how long a test waits before it has failed.
const patience = time.Minute

// failsAfterwards checks the error of a read after a Timeout that ended an earlier read:
// the Timeout has handled the cancellation, so a task that returns the error has failed.
func failsAfterwards(t *testing.T, ctx context.Context, body io.Reader) {
	t.Helper()
	task := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error {
		_, err := body.Read(make([]byte, 1))
		return err
	}))
	// net/http ends the context of a request whose body it could not read
	_, err := task.Await(context.WithoutCancel(ctx))
	if !errors.Is(err, aio.ErrCancelled) || errors.Is(err, context.Canceled) || task.Cancelled() {
		t.Errorf("the task that reads afterwards: %v, cancelled %v", err, task.Cancelled())
	}
}

// readHeader calls a parser of the standard library that drops an error and reads
// again.
func readHeader(r io.Reader) error {
	_, err := textproto.NewReader(bufio.NewReader(r)).ReadMIMEHeader()
	return err
}

func TestParserOfABodyIsTimedOut(t *testing.T) {
	l, _ := startLoop(t)
	done := make(chan error, 1)
	s := serve(t, tasks(l, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		err := aio.Timeout(ctx, 10*time.Millisecond, func(context.Context) error { return readHeader(r.Body) })
		failsAfterwards(t, ctx, r.Body)
		done <- err
	}))
	body, w := io.Pipe()
	defer w.Close()
	go io.WriteString(w, "Subject: x\r\n")
	go func() {
		if resp, err := http.Post(s.URL, "text/plain", body); err == nil {
			resp.Body.Close()
		}
	}()
	select {
	case err := <-done:
		if err != aio.ErrTimeout {
			t.Errorf("the Timeout around the parser: %v", err)
		}
	case <-time.After(patience):
		t.Error("the Timeout around the parser does not end")
	}
}

func TestParserOfAResponseIsTimedOut(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "Subject: x\r\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	run(t, func(ctx context.Context) error {
		resp, err := newClient(t).Get(ctx, s.URL)
		if err != nil {
			return err
		}
		defer resp.Close()
		err = aio.Timeout(ctx, 10*time.Millisecond, func(context.Context) error { return readHeader(resp.Body) })
		if err != aio.ErrTimeout {
			t.Errorf("the Timeout around the parser: %v", err)
		}
		failsAfterwards(t, ctx, resp.Body)
		return nil
	})
}

// transport is a RoundTripper that is a function.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// badBody is a body whose methods end as bad does.
type badBody struct {
	io.Reader
	bad func()
}

func (b badBody) Read([]byte) (int, error) { b.bad(); return 0, io.EOF }
func (b badBody) Close() error             { return nil }

var errBad = errors.New("bad")

// Code that the user passes to a client runs in a goroutine of the package: its panic is
// the error of the request, not the end of the program.
func TestClientWhoseTransportPanics(t *testing.T) {
	for name, bad := range map[string]func(){"panic": func() { panic(errBad) }, "Goexit": runtime.Goexit} {
		for where, rt := range map[string]transport{
			"RoundTrip": func(*http.Request) (*http.Response, error) { bad(); return nil, nil },
			"Read": func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: badBody{nil, bad}}, nil
			},
		} {
			t.Run(name+"/"+where, func(t *testing.T) {
				run(t, func(ctx context.Context) error {
					c := &aiohttp.Client{HTTP: &http.Client{Transport: rt}, PerHost: 1}
					for range 2 {
						// the request has released its slot for
						// the host
						err := aio.Timeout(ctx, patience, func(ctx context.Context) error {
							resp, err := c.Get(ctx, "http://host.test/")
							if err == nil {
								_, err = resp.Bytes(ctx)
							}
							return err
						})
						want := errBad
						if name == "Goexit" {
							want = aio.ErrGoexit
						}
						if !errors.Is(err, want) {
							t.Errorf("the request: %v", err)
						}
					}
					return nil
				})
			})
		}
	}
}

// badWriter is a ResponseWriter of middleware.
type badWriter struct {
	http.ResponseWriter
	bad func()
}

func (w badWriter) Write(p []byte) (int, error) { w.bad(); return len(p), nil }

// If middleware around the handler panics in an operation that the task waits for, the
// panic continues in the task, and then, like a panic of a handler, in the goroutine of
// the connection.
func TestMiddlewareThatPanics(t *testing.T) {
	for name, middleware := range map[string]func(h http.Handler) http.Handler{
		"body": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Body = badBody{nil, func() { panic(errBad) }}
				h.ServeHTTP(w, r)
			})
		},
		"writer": func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(badWriter{w, func() { panic(errBad) }}, r)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := startLoop(t)
			inHandler, outside := make(chan any, 1), make(chan any, 1)
			h := middleware(tasks(l, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
				defer func() {
					v := recover()
					inHandler <- v
					panic(v)
				}()
				if name == "body" {
					_, _ = r.Body.Read(make([]byte, 1))
				} else {
					_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
				}
			}))
			s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer func() { outside <- recover(); panic(http.ErrAbortHandler) }()
				h.ServeHTTP(w, r)
			}))
			go func() {
				if resp, err := http.Post(s.URL, "text/plain", strings.NewReader("x")); err == nil {
					resp.Body.Close()
				}
			}()
			for where, ch := range map[string]chan any{"in the handler": inHandler, "outside": outside} {
				select {
				case v := <-ch:
					if err, ok := v.(error); !ok || !errors.Is(err, errBad) {
						t.Errorf("%s: %v", where, v)
					}
				case <-time.After(patience):
					t.Fatalf("%s: nothing", where)
				}
			}
		})
	}
}
