// Package aiohttp connects net/http to event loops, in both directions: servers whose
// handlers are tasks of a loop, and a client whose calls are awaits. HTTP itself is
// net/http's alone: nothing here parses or writes it.
//
// [Handler] makes an http.Handler run as tasks of a loop: connections stay with the
// goroutines of an ordinary http.Server, handlers take turns in the loop, so that they
// share state without locks. [Serve] starts such a server from a task, with limits on
// slow clients and a shutdown that loses no request. [Client] is an http.Client for
// tasks.
//
// # Inside and outside
//
// Middleware may wrap a handler on either side of Handler. Outside, it runs in the
// goroutine of the connection, concurrently with other requests, and may block. Inside,
// it runs in the task: it may use the state of the loop and await, and must not block.
// [http.ServeMux], [http.MaxBytesHandler], [http.StripPrefix] and
// [http.CrossOriginProtection] work on both sides. Only outside, http.MaxBytesHandler and
// [http.MaxBytesReader] tell the server to close the connection when a body is too large.
// Inside, the read fails as well, with a *http.MaxBytesError, and the server then does
// what it does with every body that a handler has not read: it reads up to 256 KiB more
// and keeps the connection, or closes it if there is more than that.
//
// These block or start goroutines, so they belong outside, or in [Blocking]:
//
//   - httputil.ReverseProxy waits for the other server. Inside, it stops the loop for
//     that time.
//   - http.FileServer and http.ServeContent read files. Inside, the response is awaited,
//     but each access to the disk blocks the loop.
//   - http.TimeoutHandler calls its handler in another goroutine, where awaits fail with
//     aio.ErrWrongGoroutine. Inside, use aio.Timeout.
//
// # WebSockets
//
// A handler may hijack its connection, as the WebSocket packages do. The net.Conn that it
// gets suspends the calling task where it would block, so the reads and writes of these
// packages are awaits. It may be used by other goroutines as well, which then block. What
// waits for something other than the connection blocks the loop all the same: a Ping of
// github.com/coder/websocket waits for a reader, and a second writer waits on a mutex for
// the first. Call such functions by aio.ToThread, or let a single task write.
package aiohttp

import (
	"context"
	"net/http"
)

// HandlerFunc is an http.Handler of a function that runs in a task. ctx is the context of
// the request, which is that of the task; see [Handler]. Serve it through Handler or
// [Serve], at the end of whatever mux and middleware: net/http's own server would call it
// outside of the loop, where awaits fail with aio.ErrNoRunningLoop.
//
//	mux.Handle("GET /tea", aiohttp.HandlerFunc(tea))
type HandlerFunc func(ctx context.Context, w http.ResponseWriter, r *http.Request)

// ServeHTTP calls f with the context of the request.
func (f HandlerFunc) ServeHTTP(w http.ResponseWriter, r *http.Request) { f(r.Context(), w, r) }
