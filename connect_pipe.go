package aio

// Transports over pipes that exist already.

import (
	"context"
	"os"
)

// ConnectReadPipe reads from pipe: the reading end of a pipe, a FIFO, a socket or a
// character device such as a terminal. It returns the transport and the protocol that
// factory has made for it, whose ConnectionMade was called by then. At the end of input
// the protocol's EOFReceived is called, whose result does not matter, and then
// ConnectionLost with nil. An error of reading goes to the exception handler and to
// ConnectionLost, except for EIO, by which a terminal tells that its other end was
// closed: that goes to ConnectionLost alone. If DataReceived panics, that is reported and
// reading goes on.
//
// pipe belongs to the transport from then on, also if the calling task is cancelled, and
// is closed when ConnectionLost has returned. It must not be used any more. It does not
// block any more either, and nor do its duplicates in other processes: think of that
// before you give it os.Stdin. To read and write over one descriptor, duplicate it.
//
// It suspends the calling task for one pass of the loop. Cancelling it then closes the
// transport. An error that matches ErrUsage says that pipe is a regular file or a
// directory, or that the protocol is none for a ReadTransport; the others are those of
// the system. With an error of these kinds pipe stays the caller's. Where goroutines
// serve it, a file in blocking mode stays open until a read that is under way has ended.
// (asyncio: loop.connect_read_pipe; a BufferedProtocol will do here too)
func ConnectReadPipe[P any](ctx context.Context, factory func() P, pipe *os.File) (ReadTransport, P, error) {
	var zero P
	c, err := enter(ctx, "ConnectReadPipe")
	if err != nil {
		return nil, zero, err
	}
	p := factory()
	t, err := c.newReadPipe("ConnectReadPipe", p, pipe)
	if err != nil {
		return nil, zero, err
	}
	return t, p, nil
}

// ConnectWritePipe is ConnectReadPipe for writing. The transport closes by itself when
// nobody reads any more, without anything being written: ConnectionLost is called with
// nil, or with syscall.EPIPE if that leaves something in the write buffer. Of a terminal,
// and where the system has no poller, that is only noticed by writing. Close and WriteEOF
// do the same, and CanWriteEOF is true: what is in the write buffer is still written,
// what is written later is dropped. (asyncio: loop.connect_write_pipe)
func ConnectWritePipe[P any](ctx context.Context, factory func() P, pipe *os.File) (WriteTransport, P, error) {
	var zero P
	c, err := enter(ctx, "ConnectWritePipe")
	if err != nil {
		return nil, zero, err
	}
	p := factory()
	t, err := c.newWritePipe("ConnectWritePipe", p, pipe)
	if err != nil {
		return nil, zero, err
	}
	return t, p, nil
}
