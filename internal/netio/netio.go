// Package netio defines the interfaces of a back end of package aio, which carries the
// bytes of connections. Package aio has two, the system's poller and goroutines; a
// simulated network is a third one. The interfaces use only the standard library, so a
// back end does not depend on loops and tasks.
//
// Unless documented otherwise, everything is called under the token of one loop, and no
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

// Readiness is the set of operations that a stream or descriptor can do without
// blocking.
type Readiness uint8

const (
	Readable Readiness = 1 << iota
	Writable
	// the other end is closed, or there is an error: reads and writes report it
	HungUp
	// the other end has closed its side: io.EOF follows the data that can be read
	Ending
)

// ErrWouldBlock says that there is nothing to read, or no room to write, at the moment.
var ErrWouldBlock = errors.New("aio: would block")

// Owner is notified when what it has attached to becomes ready.
type Owner interface {
	// Ready is called with the readiness when a pass of the loop begins. It only
	// queues.
	Ready(Readiness)
	// Discard closes the connection of the owner, because the loop is closed.
	Discard()
}

// Socket is the part of a connection or listener for reading properties.
type Socket interface {
	// LocalAddr and RemoteAddr are the addresses of the two ends, nil if unknown.
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
	// Attach notifies owner of readiness from now on: of each edge, and of nothing
	// else.
	Attach(owner Owner) error
	// Read reads into p, which is not empty. more says that another read may return
	// more at once. The error is ErrWouldBlock if there is nothing yet, io.EOF at
	// the end.
	Read(p []byte) (n int, more bool, err error)
	// Write writes as much of p as possible. If that is not all, the owner is
	// notified when there is room again; the error may be ErrWouldBlock.
	Write(p []byte) (n int, err error)
	// CloseWrite closes the stream for writing. CanCloseWrite reports whether that
	// is supported.
	CloseWrite() error
	CanCloseWrite() bool
	// Close closes the stream. Data that was written is still sent.
	Close()
	// Abort is Close, but a peer that does not read delays it only briefly.
	Abort()
}

// Repeater is implemented by a Stream whose readiness the system knows.
type Repeater interface {
	// Repeat makes the stream report its readiness to its owner when the next pass
	// begins, as if it had just become ready: after the streams that are ready
	// already. With keep, a stream that has reported in this pass keeps its place.
	// Before the first Repeat the owner gets no reports.
	Repeat(keep bool) error
	// Again tells owner in the next pass that the stream is still ready as far as is
	// known.
	Again(owner Owner)
	// WatchWrite sets whether the stream reports to its owner that there is room to
	// write; initially it does not. If there is room already, it reports at once.
	WatchWrite(on bool)
	// Pending reports whether there is data to read.
	Pending() bool
	// NotReady says that there is no data to read in the pass that Again has
	// requested.
	NotReady()
}

// Acceptor gets the connections of a Listener, and its errors.
type Acceptor interface {
	// Accepted takes over a new connection, which has no owner yet.
	Accepted(Stream)
	// Failed reports an error after which the listener continues, or is closed.
	Failed(error)
	// Exhausted reports that there is no descriptor or memory for a connection. The
	// listener tries again later.
	Exhausted(error)
}

// Listener is a socket that is bound to an address.
type Listener interface {
	Socket
	// Start begins to accept. backlog is how many connections may wait to be
	// accepted. One pass accepts at most backlog+1 connections. A Start after a
	// successful one does nothing.
	Start(a Acceptor, backlog int) error
	Close()
}

// ListenOptions are the settings of a listener. The zero value has the defaults.
type ListenOptions struct {
	// fail while connections of an earlier listener are in TIME_WAIT
	NoReuseAddress bool
	ReusePort      bool // several listeners may have the same port
	KeepAlive      bool // the system probes idle connections
}

// DatagramOwner is the owner of a Datagram.
type DatagramOwner interface {
	Owner
	// ErrorReceived reports a datagram that could not be sent.
	ErrorReceived(error)
}

// Datagram is a socket for datagrams.
type Datagram interface {
	Socket
	// Attach sets the owner. The owner requests notifications with Watch, once the
	// socket is open.
	Attach(owner DatagramOwner) error
	// Watch sets the readiness for which the owner is notified, in each pass in
	// which the socket has it.
	Watch(Readiness) error
	// Receive stores the next datagram in p. The error is ErrWouldBlock if there is
	// none yet, and net.ErrClosed if there will never be one.
	Receive(p []byte) (n int, from net.Addr, err error)
	// Send sends p, to the remote address if the socket has one. The error is
	// ErrWouldBlock if there is no room. Send does not keep p.
	Send(p []byte, to net.Addr) error
	// Sending reports whether the owner may still be notified of a failed send.
	Sending() bool
	// Fits reports whether addr is of the type that the socket accepts.
	Fits(addr net.Addr) bool
	// Close closes the socket. Datagrams that were accepted are still sent.
	Close()
}

// DatagramOptions are the settings of a socket for datagrams. The zero value has the
// defaults.
type DatagramOptions struct {
	ReusePort bool // several sockets may have the same port
	// datagrams may go to all hosts of a network; the socket is not connected
	Broadcast bool
}

// Backend makes connections. The calls with a context suspend the task of that context,
// until the connection is established.
type Backend interface {
	// Stream makes a stream of a connection, which it takes over.
	Stream(conn net.Conn) (Stream, error)
	// DialTCP connects to remote, from local if that is valid. The error is a
	// *net.OpError unless the wait was ended.
	DialTCP(ctx context.Context, remote, local netip.AddrPort) (Stream, error)
	// DialUnix connects to the Unix socket at path.
	DialUnix(ctx context.Context, path string) (Stream, error)
	// BindTCP makes a socket that is bound to addr, and, if possible, does not
	// listen before Start.
	BindTCP(addr netip.AddrPort, o ListenOptions) (Listener, error)
	// BindUnix is BindTCP for the Unix socket at path.
	BindUnix(path string, o ListenOptions) (Listener, error)
	// Listener makes a listener of an existing net.Listener, which it takes over.
	Listener(ln net.Listener) (Listener, error)
	// BindDatagram makes a socket that is bound to local and connected to remote,
	// unless these are nil. network is "udp4", "udp6" or "unixgram".
	BindDatagram(network string, local, remote net.Addr, o DatagramOptions) (Datagram, error)
	// Datagram makes a socket of an existing net.PacketConn, which it takes over.
	Datagram(conn net.PacketConn) (Datagram, error)
}

// Names may be implemented by a Backend whose network has names of its own, such as a
// simulated network. Then the names of the system are not used.
type Names interface {
	// LookupNetIP returns the addresses of host, or a *net.DNSError. network is
	// "ip", "ip4" or "ip6"; addresses of another family are ignored. It may suspend
	// the task of ctx.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Simulated is a Backend that does not use the system: it has no descriptors, no pipes
// and no processes.
type Simulated interface {
	Backend
	Names
	// UserSocket returns the socket that sock is, nil if it is not one of this
	// network.
	UserSocket(sock any) UserSocket
	// Unsupported returns the error of an operation that the network cannot do.
	Unsupported(what string) error
}

// UserSocket is a socket of a simulated network that a user owns, where the system has
// a non-blocking descriptor. The errors may be ErrWouldBlock.
type UserSocket interface {
	// Network is the network of the socket: "tcp4", "tcp6", "udp4", "udp6", "unix"
	// or "unixgram".
	Network() string
	// Receive reads from a stream, or stores the next datagram in p. The error is
	// io.EOF at the end of a stream.
	Receive(p []byte) (n int, from net.Addr, err error)
	// Send writes as much of p as possible to a stream, or p as one datagram; to is
	// nil if the socket is connected.
	Send(p []byte, to net.Addr) (n int, err error)
	// Connect begins to connect, or returns the outcome of an earlier call once the
	// socket is writable.
	Connect(to net.Addr) error
	// AcceptConn returns the next connection of a socket that listens.
	AcceptConn() (net.Conn, error)
	// Watch notifies owner in each pass in which the socket is ready for r. An r of
	// 0 ends the notifications. Watcher returns the owner, nil if there is none.
	Watch(owner Owner, r Readiness)
	Watcher() Owner
}
