package aiohttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// The context of a request has a deadline, and the handler waits until after it, for the
// rest of the request's body or for something else. This is no cancellation of its task.
// A response that begins afterwards reaches the client, as under net/http; one that was
// begun before is broken off.
func TestDeadlineOfTheRequest(t *testing.T) {
	long := strings.Repeat("long ", 30_000)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		before, after func(w http.ResponseWriter, r *http.Request)
		want          string
	}{
		"nothing": {nil, func(http.ResponseWriter, *http.Request) {}, `HTTP 503 "Service Unavailable\n" 20`},
		"short":   {nil, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "late", http.StatusGatewayTimeout) }, `HTTP 504 "late\n" 5`},
		"at length": {nil, func(w http.ResponseWriter, _ *http.Request) {
			n, err := io.WriteString(w, long)
			if n != len(long) || err != nil {
				t.Errorf("Write returned %d, %v", n, err)
			}
		}, fmt.Sprintf("HTTP 200 %.20q %d", long, len(long))},
		"flushed": {nil, func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				io.WriteString(w, "late ")
				if err := http.NewResponseController(w).Flush(); err != nil {
					t.Errorf("Flush returned %v", err)
				}
			}
		}, `HTTP 200 "late late late " 15`},
		"file": {nil, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }, fmt.Sprintf("HTTP 200 %.20q %d", long, len(long))},
		"begun before": {
			func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "half") },
			func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "late") },
			"broken off",
		},
	} {
		for _, protocol := range []string{"HTTP/1", "HTTP/2"} {
			for _, awaits := range []string{"Sleep", "body", "body in a group"} {
				t.Run(name+", "+awaits+", "+protocol, func(t *testing.T) {
					l, _ := startLoop(t)
					inner := tasks(l, func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
						if c.before != nil {
							c.before(w, r)
						}
						read := func(context.Context) error { _, err := io.ReadAll(r.Body); return err }
						var err error
						switch awaits {
						case "Sleep":
							err = aio.Sleep(ctx, time.Hour)
						case "body":
							err = read(ctx)
							if again := read(ctx); !errors.Is(again, context.DeadlineExceeded) || aio.IsCancellation(again) {
								t.Errorf("the second read returned %v", again)
							}
						case "body in a group":
							err = aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error { tg.Go(read); return nil })
						}
						if task := aio.CurrentTask(ctx); !errors.Is(err, context.DeadlineExceeded) || aio.IsCancellation(err) || task.Cancelling() != 0 {
							t.Errorf("the await returned %v, %d requests to cancel", err, task.Cancelling())
						}
						c.after(w, r)
					})
					body, rest := io.Pipe() // nothing is sent
					s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						ctx, cancel := context.WithTimeout(r.Context(), 5*time.Millisecond)
						defer func() {
							if v := recover(); v != nil {
								// the client waits for it
								rest.Close()
								panic(v)
							}
						}()
						defer cancel()
						inner.ServeHTTP(w, r.WithContext(ctx))
					}))
					s.Config.ErrorLog = log.New(io.Discard, "", 0)
					s.EnableHTTP2 = protocol == "HTTP/2"
					s.StartTLS()
					t.Cleanup(s.Close)
					if awaits == "Sleep" {
						// otherwise net/http waits for it first
						rest.Close()
					}
					got := ""
					switch r, err := s.Client().Post(s.URL, "text/plain", body); {
					case err != nil:
						got = "broken off"
					default:
						b, err := io.ReadAll(r.Body)
						r.Body.Close()
						rest.Close()
						if got = fmt.Sprintf("%s %d %.20q %d", r.Proto[:6], r.StatusCode, b, len(b)); err != nil {
							got = "broken off"
						}
					}
					if want := strings.ReplaceAll(c.want, "HTTP", protocol); got != want {
						t.Errorf("the client got %s, want %s", got, want)
					}
				})
			}
		}
	}
}

// A handler derives a context for its request, as a middleware inside does. Its end does
// not end reads and writes, as under net/http; aio.Timeout does.
func TestContextDerivedFromTheRequest(t *testing.T) {
	long := strings.Repeat("long ", 30_000)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		r = r.WithContext(ctx)
		cancel()
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading returned %v", err)
		}
		if _, err := w.Write(b); err != nil {
			t.Errorf("Write returned %v", err)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("Flush returned %v", err)
		}
	})
	l, _ := startLoop(t)
	for name, h := range map[string]http.Handler{"net/http": h, "aiohttp": aiohttp.Handler(l, h)} {
		r, err := http.Post(serve(t, h).URL, "text/plain", strings.NewReader(long))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if string(b) != long || err != nil {
			t.Errorf("%s: the client got %d bytes, %v", name, len(b), err)
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
