package aio

// Connections and servers with streams: OpenConnection, StartServer and their
// counterparts for Unix sockets.

import "context"

// OpenConnection connects to addr as [CreateConnection] does, and returns the two sides
// of the connection. Awaiting, cancellation and errors are those of CreateConnection;
// nil opts are the defaults. (asyncio: open_connection)
func OpenConnection(ctx context.Context, addr string, opts *ConnectionOptions) (*StreamReader, *StreamWriter, error) {
	return openStream(ctx, "OpenConnection", addr, opts, createConnection[*StreamReaderProtocol])
}

// OpenUnixConnection is [OpenConnection] to the Unix socket at path. (asyncio:
// open_unix_connection)
func OpenUnixConnection(ctx context.Context, path string, opts *ConnectionOptions) (*StreamReader, *StreamWriter, error) {
	return openStream(ctx, "OpenUnixConnection", path, opts, createUnixConnection[*StreamReaderProtocol])
}

// connector is createConnection or createUnixConnection.
type connector func(ctx context.Context, call string, factory func() *StreamReaderProtocol, addr string, opts *ConnectionOptions) (Transport, *StreamReaderProtocol, error)

func openStream(ctx context.Context, call, addr string, opts *ConnectionOptions, connect connector) (*StreamReader, *StreamWriter, error) {
	var o ConnectionOptions
	if opts != nil {
		o = *opts
	}
	c, err := enter(ctx, call)
	if err == nil {
		err = checkLimit(call, o.Limit)
	}
	if err != nil {
		return nil, nil, err
	}
	r := c.fut.loop.newStreamReader(o.Limit)
	o.Limit = 0
	t, p, err := connect(ctx, call, func() *StreamReaderProtocol { return NewStreamReaderProtocol(r, nil) }, addr, &o)
	if err != nil {
		return nil, nil, err
	}
	return r, NewStreamWriter(t, p), nil
}

// StreamHandler handles a connection of [StartServer], as a task. It must close w at
// the end: a connection that its handler leaves open stays open, because other code may
// use it by then.
type StreamHandler = func(ctx context.Context, r *StreamReader, w *StreamWriter) error

// StartServer listens on addr as [CreateServer] does, and calls handler for each
// connection, in a task of its own. The context of that task has the values of ctx.
//
// An error or a panic of handler is reported to the exception handler and closes its
// connection; other connections are not affected. The connection of a handler that is
// cancelled is closed too, and nothing is reported. Closing the server does not cancel
// the handlers.
//
// Awaiting, cancellation and errors are those of CreateServer; nil opts are the
// defaults.
//
// (asyncio: start_server. For a callback that is not a task use CreateServer with
// [NewStreamReaderProtocol])
func StartServer(ctx context.Context, handler StreamHandler, addr string, opts *ServerOptions) (*Server, error) {
	return startStreamServer(ctx, "StartServer", handler, addr, opts, createServer[*StreamReaderProtocol])
}

// StartUnixServer is [StartServer] on the Unix socket at path. (asyncio:
// start_unix_server)
func StartUnixServer(ctx context.Context, handler StreamHandler, path string, opts *ServerOptions) (*Server, error) {
	return startStreamServer(ctx, "StartUnixServer", handler, path, opts, createUnixServer[*StreamReaderProtocol])
}

// listen is createServer or createUnixServer.
type listen func(ctx context.Context, call string, factory func() *StreamReaderProtocol, addr string, opts *ServerOptions) (*Server, error)

func startStreamServer(ctx context.Context, call string, handler StreamHandler, addr string, opts *ServerOptions, create listen) (*Server, error) {
	var o ServerOptions
	if opts != nil {
		o = *opts
	}
	e, err := enter(ctx, call)
	if err == nil {
		err = checkLimit(call, o.Limit)
	}
	if err == nil && handler == nil {
		err = usagef(call, "the handler is nil")
	}
	if err != nil {
		return nil, err
	}
	l, limit := e.fut.loop, o.Limit
	o.Limit = 0
	var srv *Server
	ctx = context.WithValue(ctx, servedBy{}, &srv)
	srv, err = create(ctx, call, func() *StreamReaderProtocol {
		return NewStreamReaderProtocol(l.newStreamReader(limit), func(r *StreamReader, w *StreamWriter) {
			c := &client{w: w, handler: handler}
			// Not NoResult: with its frame on top, the stack of a handler
			// that waits in Read just exceeds the smallest size, and an
			// idle connection takes 2 KiB more.
			c.task = CreateTask(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, handler(ctx, r, w) })
			c.task.addCallback(c)
		})
	}, addr, &o)
	return srv, err
}

// client is a connection and the task that handles it, as the done callback of the
// task.
type client struct {
	w       *StreamWriter
	handler StreamHandler
	task    *Task[struct{}]
}

// run implements runnable: the task is done.
func (c *client) run(*future) {
	err := c.task.thrown()
	switch {
	case c.task.Future.state == cancelled:
		c.w.transport.Close()
	case err != nil:
		c.w.clientFailed(c.task, err, c.handler)
	}
}

// clientFailed closes the connection because its handler failed with err.
func (w *StreamWriter) clientFailed(t AnyTask, err error, handler any) {
	w.gate.loop.CallExceptionHandler(ExceptionContext{
		Message:   "unhandled error in client-connected callback " + funcName(handler),
		Err:       err,
		Task:      t,
		Transport: w.transport,
		Protocol:  w.protocol,
	})
	w.transport.Close()
}
