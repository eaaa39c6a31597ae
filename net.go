package aio

// The choice of a back end for connections, and what all back ends use.
//
//	interface        on the poller                 on goroutines
//	netio.Backend    pollBackend, net_poll*.go     goroutineBackend, net_goroutine*
//	netio.Stream     fdStream, net_poll_stream     connStream, net_goroutine_stream
//	                 fdPipe, net_poll_pipe
//	netio.Listener   fdListener, net_poll_listen  connListener, net_goroutine_listen
//	netio.Datagram   fdDatagram, net_poll_datagram
//	                                       packetSocket, net_goroutine_datagram
//	fileBackend      pollBackend, net_poll_pipe
//	                                       goroutineBackend, net_goroutine_stream
//	socket           fdSocket, net_poll_sock       goSocket, net_goroutine_sock
//
// A simulated network is a netio.Backend outside of this package. Its fileBackend is
// simulatedFiles, its socket simSocket, both in net_simulated.
//
// The two back ends are independent of each other. The poller back end passes what it
// cannot serve (a net.Conn of another package, a device) to a fallback, which it is
// given here.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// fileBackend is the part of a back end that serves descriptors and files of this
// process.
type fileBackend interface {
	// pipe makes a stream of f, which the stream takes over, and attaches owner to
	// it. writes says which of the two directions is used. After an error f still
	// belongs to the caller.
	pipe(f *os.File, writes bool, owner netio.Owner) (netio.Stream, error)
	// socket returns the socket for call, one of the Sock calls, which a user has
	// called with sock.
	socket(call string, sock any) (socket, error)
	// watch makes the poller notify owner in each pass in which fd is readable. The
	// error matches errors.ErrUnsupported if that is not possible.
	watch(fd int, owner netio.Owner) error
}

// backend serves connections and descriptors.
type backend interface {
	netio.Backend
	fileBackend
}

// network returns the back end for the loop's connections.
func (l *Loop) network() netio.Backend {
	l.chooseBackends()
	return l.net
}

// descriptors returns the back end for descriptors and files.
func (l *Loop) descriptors() fileBackend {
	l.chooseBackends()
	return l.files
}

// chooseBackends sets the back ends at their first use, unless they are set.
func (l *Loop) chooseBackends() {
	if l.net != nil && l.files != nil {
		return
	}
	var b backend = goroutineBackend{l}
	if p := newPollBackend(l, b); p != nil {
		b = p
	}
	if l.net == nil {
		l.net = b
	}
	if l.files == nil {
		l.files = b
	}
}

// backoff is the time between attempts where nothing reports when the next one can
// succeed: 1 ms at first, and twice as long each time, up to 64 ms. The zero value is
// ready to use.
type backoff time.Duration

// next returns the time until the next attempt.
func (b *backoff) next() time.Duration {
	*b = min(max(2**b, backoff(time.Millisecond)), backoff(64*time.Millisecond))
	return time.Duration(*b)
}

// dialError adds the destination of a connection to an error of the system.
func dialError(network string, to net.Addr, err error) error {
	if interrupted(err) || errors.Is(err, ErrLoopClosed) {
		return err
	}
	return &net.OpError{Op: "dial", Net: network, Addr: to, Err: err}
}

// acceptRetryDelay is how long a server without free descriptors waits before it
// accepts again.
const acceptRetryDelay = time.Second

// isExhaustion reports whether err says that there are no descriptors, or no memory for
// them.
func isExhaustion(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// socket is what the Sock calls work on. memory returns the memory to read into; it is
// called each time something may be there, so that a waiting call holds none.
type socket interface {
	recv(ctx context.Context, memory func() []byte) ([]byte, error)
	recvfrom(ctx context.Context, memory func() []byte) ([]byte, net.Addr, error)
	sendall(ctx context.Context, p []byte) error
	sendto(ctx context.Context, p []byte, addr net.Addr) error
	connect(ctx context.Context, addr string) error
	accept(ctx context.Context) (net.Conn, error)
	// sendfile sends s with the system call. The error matches
	// ErrSendfileNotAvailable if that is not possible, and nothing was sent.
	sendfile(ctx context.Context, s *fileSend) error
	// sendcopy sends s by reading and writing.
	sendcopy(ctx context.Context, s *fileSend) error
}

// syscallConnOf is like SyscallConn, for Go's own connections and listeners.
func syscallConnOf(c any) (syscall.RawConn, error) {
	if c, ok := c.(syscall.Conn); ok {
		return c.SyscallConn()
	}
	return nil, fmt.Errorf("aio: a %T has no descriptor: %w", c, errors.ErrUnsupported)
}

// fileOf calls the method File of a connection or listener of package net.
func fileOf(c any) (*os.File, error) {
	if c, ok := c.(interface{ File() (*os.File, error) }); ok {
		return c.File()
	}
	return nil, fmt.Errorf("aio: a %T has no descriptor: %w", c, errors.ErrUnsupported)
}
