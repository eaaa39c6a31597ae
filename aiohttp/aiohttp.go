// Package aiohttp joins net/http and event loops, in both directions.
//
// Handler makes coroutines the handlers of an ordinary http.Server: its connections stay with their
// goroutines, the handlers run in a loop, one at a time, so that a service keeps its state without
// locks. Serve is for a server that is one of the loop's own: it reads requests from the streams of
// aio.StartServer and calls the same handlers.
package aiohttp

import (
	"context"
	"net/http"
)

// HandlerFunc answers a request as a coroutine of a loop. ctx is that of the task, with the values of the
// request's context as well; r.Context() is the same. The task is cancelled when the client goes away.
//
// Reading from r.Body, and writing and flushing w, suspend the running task when they have to wait
// for the client. Writes are buffered: what was written is sent when the handler returns, when there is
// much of it, and by http.NewResponseController(w).Flush. As in net/http, nothing of r and w may be
// used after the handler has returned.
//
// A panic is reported to the exception handler of the loop. The client gets status 500, or a broken
// connection if the answer had begun.
type HandlerFunc func(ctx context.Context, w http.ResponseWriter, r *http.Request)

// maxBuffered is how much of an answer is kept before it is sent, and how long a body may be to be
// read before the handler is called.
const maxBuffered = 32 << 10
