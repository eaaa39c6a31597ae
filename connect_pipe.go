package aio

// Transports over existing pipes.

import (
	"context"
	"os"
)

// ConnectReadPipe reads from pipe: the reading end of a pipe, a FIFO, a socket or a
// character device such as a terminal. It returns the transport and the protocol that
// factory has made for it, whose ConnectionMade has been called.
//
// At EOF the protocol's EOFReceived is called, whose result is ignored, and then
// ConnectionLost with nil. A read error goes to the exception handler and to
// ConnectionLost, except for EIO, with which a terminal reports that its other end was
// closed: it goes to ConnectionLost alone. If DataReceived panics, the panic is
// reported and reading continues.
//
// The transport takes pipe over, even if the calling task is cancelled, and closes it
// when ConnectionLost has returned. The program must no longer use it. It becomes
// non-blocking, and so do its duplicates in other processes, which matters for
// [os.Stdin]. To read and write over one descriptor, duplicate it.
//
// It suspends the calling task for one pass of the loop. Cancelling it then closes the
// transport.
//
// The error matches [ErrUsage] if pipe is a regular file or a directory, or if the
// protocol does not fit a [ReadTransport]; other errors are those of the system. After
// any of these errors pipe still belongs to the caller. In goroutine mode, a file in
// blocking mode stays open until a read that is in progress has ended.
//
// (asyncio: loop.connect_read_pipe; here it accepts a BufferedProtocol too)
func ConnectReadPipe[P any](ctx context.Context, factory func() P, pipe *os.File) (ReadTransport, P, error) {
	var zero P
	c, err := enter(ctx, "ConnectReadPipe")
	if err == nil {
		err = checkFactory("ConnectReadPipe", factory)
	}
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

// ConnectWritePipe is [ConnectReadPipe] for writing. The transport closes itself when
// the reading end is closed, even if nothing is written: ConnectionLost is called with
// nil, or with [syscall.EPIPE] if there is data left in the write buffer. For a
// terminal, and where the system has no poller, it notices this only by writing. Close
// and WriteEOF do the same, and CanWriteEOF is true: the data in the write buffer is
// still written, later data is dropped.
//
// (asyncio: loop.connect_write_pipe)
func ConnectWritePipe[P any](ctx context.Context, factory func() P, pipe *os.File) (WriteTransport, P, error) {
	var zero P
	c, err := enter(ctx, "ConnectWritePipe")
	if err == nil {
		err = checkFactory("ConnectWritePipe", factory)
	}
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
