package aio

// What the back ends of connections have in common. There are two: the poller (net_poll*)
// and, for what it cannot serve, goroutines (net_goroutine*).

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// dialError adds to an error of the system where to the connection was to go.
func dialError(network string, to net.Addr, err error) error {
	if _, cancelled := asCancelled(err); cancelled || errors.Is(err, ErrLoopClosed) {
		return err
	}
	return &net.OpError{Op: "dial", Net: network, Addr: to, Err: err}
}

// acceptRetryDelay is how long a server that has run out of descriptors waits before it accepts again.
const acceptRetryDelay = time.Second

// isExhaustion reports whether err says that there are no descriptors, or no memory for them.
func isExhaustion(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// socket is what the calls work on. memory returns where to read to; it is asked each time something
// may be there, so that a call that waits holds none.
type socket interface {
	recv(ctx context.Context, memory func() []byte) ([]byte, error)
	recvfrom(ctx context.Context, memory func() []byte) ([]byte, net.Addr, error)
	sendall(ctx context.Context, p []byte) error
	sendto(ctx context.Context, p []byte, addr net.Addr) error
	connect(ctx context.Context, addr string) error
	accept(ctx context.Context) (net.Conn, error)
	// sendfile sends s by the system's own call. The error matches ErrSendfileNotAvailable if that
	// cannot be, and nothing was sent.
	sendfile(ctx context.Context, s *fileSend) error
	// sendcopy sends s by reading and writing.
	sendcopy(ctx context.Context, s *fileSend) error
}

// syscallConnOf is SyscallConn for Go's own connections and listeners.
func syscallConnOf(c any) (syscall.RawConn, error) {
	if c, ok := c.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, fmt.Errorf("aio: a %T has no descriptor: %w", c, errors.ErrUnsupported)
}

// fileOf is File for Go's own connections and listeners.
func fileOf(c any) (*os.File, error) {
	if c, ok := c.(interface{ File() (*os.File, error) }); ok {
		return c.File()
	}
	return nil, fmt.Errorf("aio: a %T has no descriptor: %w", c, errors.ErrUnsupported)
}
