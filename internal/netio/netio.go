// Package netio says what a back end of package aio is: where the bytes of connections
// come from. Package aio has two, the system's poller and goroutines; a simulated network
// is a third one. There are only interfaces here, in terms of the standard library, so
// that a back end needs to know nothing of loops and tasks.
//
// Unless something else is said, everything is called under the token of one loop, and no
// call blocks.
package netio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// Readiness is what a stream or descriptor can do without blocking, as a set of bits.
type Readiness uint8

const (
	Readable Readiness = 1 << iota
	Writable
	HungUp // the other end is gone, or there is an error: reads and writes tell
	Ending // the other end sends no more: io.EOF follows on what can be read
)

// ErrWouldBlock says that there is nothing to read, or no room to write, at the moment.
var ErrWouldBlock = errors.New("aio: would block")

// Owner is told when what it has attached to becomes ready.
type Owner interface {
	// Ready is called when a pass of the loop begins, with what was found. It only
	// queues.
	Ready(Readiness)
	// Discard closes what the owner holds, because the loop is closed.
	Discard()
}

// Socket is the part of a connection or listener that can be looked at.
type Socket interface {
	// LocalAddr and RemoteAddr are the addresses of the two ends, nil for what is not
	// known.
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
	// SyscallConn and File give access to the descriptor and to a duplicate of it.
	// The errors are net.ErrClosed after a close, errors.ErrUnsupported where there
	// is no descriptor.
	SyscallConn() (syscall.RawConn, error)
	File() (*os.File, error)
}

// Stream is one connection.
type Stream interface {
	Socket
	// Attach has owner told about readiness from now on: of each edge, and of nothing
	// else.
	Attach(owner Owner) error
	// Read reads into p, which is not empty. more says that there may be more to read
	// at once. The error is ErrWouldBlock if there is nothing yet, io.EOF at the end.
	Read(p []byte) (n int, more bool, err error)
	// Write writes what it can of p. If that is less than all, the owner is told when
	// there is room again; the error may be ErrWouldBlock.
	Write(p []byte) (n int, err error)
	// CloseWrite tells the other end that no more will be written. CanCloseWrite
	// reports whether there is a way to do so.
	CloseWrite() error
	CanCloseWrite() bool
	// Close ends the use of the stream. What was written is still sent.
	Close()
	// Abort is Close, but a peer that does not take what was written delays nothing
	// for long.
	Abort()
}

// Acceptor is told of the connections to a Listener, and of what goes wrong.
type Acceptor interface {
	// Accepted takes over a new connection, to which nobody is attached.
	Accepted(Stream)
	// Failed reports an error after which the listener goes on, or is closed.
	Failed(error)
	// Exhausted reports that there is no descriptor or memory for a connection. The
	// listener tries again later.
	Exhausted(error)
}

// Listener is a socket that is bound to an address.
type Listener interface {
	Socket
	// Start begins to accept. backlog is how many connections may wait for that, and
	// how many are accepted in one pass, beside one more. A Start after a successful
	// one does nothing.
	Start(a Acceptor, backlog int) error
	Close()
}

// ListenOptions are the settings of a listener. The zero value has the defaults.
type ListenOptions struct {
	NoReuseAddress bool // the address of an earlier listener stays in use for a while
	ReusePort      bool // several listeners may have the same port
	KeepAlive      bool // the system asks idle clients whether they are still there
}

// DatagramOwner is the owner of a Datagram.
type DatagramOwner interface {
	Owner
	// ErrorReceived tells of a datagram that could not be sent.
	ErrorReceived(error)
}

// Datagram is a socket for datagrams.
type Datagram interface {
	Socket
	// Attach makes owner the one to be told. It asks to be, by Watch, once it is
	// open.
	Attach(owner DatagramOwner) error
	// Watch says what the owner is to be told about, in each pass in which it is so.
	Watch(Readiness) error
	// Receive puts the next datagram into p. The error is ErrWouldBlock if there is
	// none yet, and net.ErrClosed if there never will be one.
	Receive(p []byte) (n int, from net.Addr, err error)
	// Send sends p, to the other end if there is one. The error is ErrWouldBlock if
	// there is no room. It does not keep p.
	Send(p []byte, to net.Addr) error
	// Sending reports whether the owner may still be told that something could not be
	// sent.
	Sending() bool
	// Fits reports whether addr is of the type that the socket takes.
	Fits(addr net.Addr) bool
	// Close ends the use of the socket. What was sent still goes out.
	Close()
}

// DatagramOptions are the settings of a socket for datagrams. The zero value has the
// defaults.
type DatagramOptions struct {
	ReusePort bool // several sockets may have the same port
	// datagrams may go to all hosts of a network; the socket is not connected
	Broadcast bool
}

// Backend is where connections come from. The calls with a context suspend the task whose
// context that is, until the connection is established.
type Backend interface {
	// Stream makes a stream of a connection, which belongs to the stream from then
	// on.
	Stream(conn net.Conn) (Stream, error)
	// DialTCP connects to remote, from local if that is valid. The error is a
	// *net.OpError unless the waiting was ended.
	DialTCP(ctx context.Context, remote, local netip.AddrPort) (Stream, error)
	// DialUnix connects to the Unix socket at path.
	DialUnix(ctx context.Context, path string) (Stream, error)
	// BindTCP makes a socket that is bound to addr, and, where that is possible, does
	// not listen before Start.
	BindTCP(addr netip.AddrPort, o ListenOptions) (Listener, error)
	// BindUnix is BindTCP for the Unix socket at path.
	BindUnix(path string, o ListenOptions) (Listener, error)
	// Listener makes a listener of one that exists, which belongs to the former from
	// then on.
	Listener(ln net.Listener) (Listener, error)
	// BindDatagram makes a socket that is bound to local and connected to remote, as
	// far as they are not nil. network is "udp4", "udp6" or "unixgram".
	BindDatagram(network string, local, remote net.Addr, o DatagramOptions) (Datagram, error)
	// Datagram makes a socket of one that exists, which belongs to the former from
	// then on.
	Datagram(conn net.PacketConn) (Datagram, error)
}

// Names is what a Backend may be besides: one whose network has names of its own, as a
// simulated network has. Names of the system are not asked for then.
type Names interface {
	// LookupNetIP returns the addresses of host, or a *net.DNSError. network is "ip",
	// "ip4" or "ip6"; addresses of another family are ignored. It may suspend the
	// task whose context ctx is.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}
