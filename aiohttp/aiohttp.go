// Package aiohttp connects net/http to event loops, in both directions: servers whose
// handlers are tasks of a loop, and a client whose calls are awaits. net/http
// implements HTTP; this package neither parses nor writes it.
//
// [Handler] makes an http.Handler run as tasks of a loop: connections stay with the
// goroutines of an ordinary http.Server, and handlers run one at a time in the loop, so
// they share state without locks. [Serve] starts such a server from a task, with
// timeouts for slow clients and a graceful shutdown that loses no request. [Client] is
// an http.Client for tasks.
//
// # Inside and outside
//
// Middleware may wrap a handler on either side of Handler. Outside, it runs in the
// goroutine of the connection, concurrently with other requests, and may block. Inside,
// it runs in the task: it may use the state of the loop and await, and must not block.
// [http.ServeMux], [http.MaxBytesHandler], [http.StripPrefix] and
// [http.CrossOriginProtection] work on both sides. Only outside do http.MaxBytesHandler
// and [http.MaxBytesReader] tell the server to close the connection when a body is too
// large. Inside, the read fails as well, with a *http.MaxBytesError, and the server
// then treats the body like any other that a handler has not read: it reads up to 256
// KiB more and keeps the connection, or closes it if there is more than that.
//
// The following handlers block or start goroutines, so they belong outside, or in
// [Blocking]:
//
//   - httputil.ReverseProxy waits for the other server. Inside, it blocks the loop for
//     that time.
//   - http.FileServer and http.ServeContent read files. Inside, sending the response is
//     awaited, but each disk access blocks the loop.
//   - http.TimeoutHandler calls its handler in another goroutine, where awaits fail
//     with aio.ErrWrongGoroutine. Inside, use aio.Timeout.
//
// # WebSockets
//
// A handler may hijack its connection, as the WebSocket packages do. The net.Conn that
// it gets suspends the calling task where it would block, so the reads and writes of
// these packages are awaits. Other goroutines may use it as well; they block. A call
// that waits for something other than the connection still blocks the loop: a Ping of
// github.com/coder/websocket waits for a reader, and a second writer waits on a mutex
// for the first. Call such functions with aio.ToThread, or let only one task write.
package aiohttp

import (
	"context"
	"net/http"
)

// HandlerFunc is a function that runs in a task, as an http.Handler. ctx is the context
// of the request, which is that of the task; see [Handler]. Serve it through Handler or
// [Serve], behind any mux and middleware: net/http's own server would call it outside
// of the loop, where awaits fail with aio.ErrNoRunningLoop.
//
//	mux.Handle("GET /tea", aiohttp.HandlerFunc(tea))
type HandlerFunc func(ctx context.Context, w http.ResponseWriter, r *http.Request)

// ServeHTTP calls f with the context of the request.
func (f HandlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) { f(r.Context(), w, r) }
