package simnet

// Sockets that a user drives without a transport, as non-blocking descriptors of a
// system are.

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// Socket is a socket that a user owns. It is the net.Conn, net.Listener and
// net.PacketConn of package aiotest: no method blocks, and the error matches EAGAIN
// instead.
type Socket struct {
	host    *Host
	network string

	// At most one of these fields is set: a stream socket has none before Bind or
	// Connect.
	st *stream
	ln *listener // bound, and perhaps listening
	dg *datagram

	closed bool
	owner  netio.Owner // of Watch
}

// NewSocket makes a socket for a network: "tcp4", "tcp6", "udp4", "udp6", "unix" or
// "unixgram".
func (h *Host) NewSocket(network string) (*Socket, error) {
	u := &Socket{host: h, network: network}
	switch network {
	case "tcp4", "tcp6", "unix":
	case "udp4", "udp6", "unixgram":
		u.dg = &datagram{host: h, network: network}
	default:
		return nil, net.UnknownNetworkError(network)
	}
	return u, nil
}

// SocketPair makes two connected Unix sockets.
func (h *Host) SocketPair() (a, b *Socket) {
	s := h.newUnix("")
	h.streams[s] = struct{}{}
	return &Socket{host: h, network: "unix", st: s}, &Socket{host: h, network: "unix", st: s.counterpart(h)}
}

// UserSocket implements netio.Simulated.
func (h *Host) UserSocket(sock any) netio.UserSocket {
	if u, ok := sock.(*Socket); ok && u.host == h {
		return u
	}
	return nil
}

// Network implements netio.UserSocket.
func (u *Socket) Network() string { return u.network }

// release detaches the socket from its connection, which a transport uses from now on.
func (u *Socket) release() {
	u.Watch(nil, 0)
	u.st, u.ln, u.dg, u.closed = nil, nil, nil, true
}

// opError returns err in the form of package net.
func (u *Socket) opError(op string, err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case err == netio.ErrWouldBlock:
		err = os.NewSyscallError(op, syscall.EAGAIN)
	default:
		if _, ok := err.(*net.OpError); ok {
			return err
		}
	}
	return &net.OpError{Op: op, Net: u.network, Source: u.LocalAddr(), Addr: u.RemoteAddr(), Err: err}
}

// ready returns an error if the socket is closed.
func (u *Socket) ready() error {
	if u.closed || u.host.loop == nil {
		return net.ErrClosed
	}
	return nil
}

// address parses an address of this socket's network. For TCP and UDP the host must be
// an IP address.
func (u *Socket) address(addr string) (net.Addr, error) {
	if u.network == "unix" || u.network == "unixgram" {
		return &net.UnixAddr{Name: addr, Net: u.network}, nil
	}
	at, err := netip.ParseAddrPort(addr)
	if err != nil || at.Addr().Is4() != (u.network[3] == '4') {
		return nil, &net.AddrError{Err: "no address of " + u.network, Addr: addr}
	}
	if u.network[0] == 'u' {
		return net.UDPAddrFromAddrPort(at), nil
	}
	return net.TCPAddrFromAddrPort(at), nil
}

// Bind binds the socket to an address: a path, or "IP:port".
func (u *Socket) Bind(addr string) error {
	at, err := u.address(addr)
	if err == nil {
		err = u.ready()
	}
	if err == nil && (u.st != nil || u.ln != nil) {
		err = os.NewSyscallError("bind", syscall.EINVAL)
	}
	if err == nil {
		err = u.bind(at)
	}
	return u.opError("bind", err)
}

func (u *Socket) bind(at net.Addr) error {
	var ln netio.Listener
	var err error
	switch a := at.(type) {
	case *net.TCPAddr:
		ln, err = u.host.BindTCP(a.AddrPort(), netio.ListenOptions{})
	case *net.UnixAddr:
		if u.dg != nil {
			return u.dg.bindPath(at)
		}
		ln, err = u.host.BindUnix(a.Name, netio.ListenOptions{})
	default:
		return u.dg.bind(at, nil)
	}
	if err == nil {
		u.ln = ln.(*listener)
	}
	return err
}

// Listen makes a bound stream socket accept connections.
func (u *Socket) Listen(backlog int) error {
	err := u.ready()
	switch {
	case err != nil:
	case u.dg != nil:
		err = os.NewSyscallError("listen", syscall.EOPNOTSUPP)
	case u.ln == nil:
		err = os.NewSyscallError("listen", syscall.EINVAL)
	default:
		u.ln.listen(backlog)
	}
	return u.opError("listen", err)
}

// Connect implements netio.UserSocket.
func (u *Socket) Connect(to net.Addr) error {
	if err := u.ready(); err != nil {
		return err
	}
	if u.dg != nil {
		return u.dg.connect(to)
	}
	if u.st == nil {
		s, err := u.dial(to)
		if err != nil {
			return err
		}
		if errno := u.host.connect(s); errno != 0 {
			if errno == syscall.EAGAIN {
				return netio.ErrWouldBlock
			}
			return os.NewSyscallError("connect", errno)
		}
		if u.ln != nil {
			u.ln.Close()
			u.ln = nil
		}
		u.st = s
		if !s.unix {
			// also if the connection is established already, as on Linux
			return netio.ErrWouldBlock
		}
	}
	switch s := u.st; {
	case s.connecting:
		return netio.ErrWouldBlock
	case s.err != 0:
		err := os.NewSyscallError("connect", s.takeError())
		s.Close()
		u.st = nil
		return err
	}
	return nil
}

// dial makes a stream that is not connected yet.
func (u *Socket) dial(to net.Addr) (*stream, error) {
	switch a := to.(type) {
	case *net.UnixAddr:
		return u.host.newUnix(a.Name), nil
	case *net.TCPAddr:
		var local netip.AddrPort
		if u.ln != nil {
			local = u.ln.at
		}
		return u.host.newTCP(a.AddrPort(), local, u.ln)
	}
	return nil, os.NewSyscallError("connect", syscall.EAFNOSUPPORT)
}

// Receive implements netio.UserSocket.
func (u *Socket) Receive(p []byte) (n int, from net.Addr, err error) {
	if err := u.ready(); err != nil {
		return 0, nil, err
	}
	switch {
	case u.dg != nil:
		return u.dg.Receive(p)
	case u.st != nil && len(p) == 0:
		return 0, nil, nil
	case u.st != nil:
		n, err = u.st.read(p)
		return n, nil, err
	}
	return 0, nil, os.NewSyscallError("read", syscall.ENOTCONN)
}

// Send implements netio.UserSocket.
func (u *Socket) Send(p []byte, to net.Addr) (n int, err error) {
	if err := u.ready(); err != nil {
		return 0, err
	}
	switch {
	case u.dg != nil:
		if u.dg.network != "unixgram" && !u.dg.at.IsValid() {
			if err := u.dg.bind(nil, nil); err != nil {
				return 0, err
			}
		}
		if err := u.dg.Send(p, to); err != nil {
			return 0, err
		}
		return len(p), nil
	case u.st != nil && len(p) == 0:
		return 0, nil
	case u.st != nil:
		return u.st.Write(p)
	}
	return 0, os.NewSyscallError("write", syscall.EPIPE)
}

// AcceptConn implements netio.UserSocket.
func (u *Socket) AcceptConn() (net.Conn, error) {
	if err := u.ready(); err != nil {
		return nil, err
	}
	switch {
	case u.ln == nil || !u.ln.listening:
		return nil, os.NewSyscallError("accept", syscall.EINVAL)
	case len(u.ln.waiting) == 0:
		return nil, netio.ErrWouldBlock
	}
	s := u.ln.next()
	switch u.host.fault("accept") {
	case NoFault, Short:
		return &Socket{host: u.host, network: u.network, st: s}, nil
	}
	s.abandoned() // the connection was closed before it was accepted
	return nil, netio.ErrWouldBlock
}

// pollable returns what notifies the owner of Watch, nil if there is nothing yet.
func (u *Socket) pollable() pollable {
	switch {
	case u.st != nil:
		return u.st
	case u.ln != nil:
		return u.ln
	case u.dg != nil:
		return u.dg
	}
	return nil
}

// Watch implements netio.UserSocket.
func (u *Socket) Watch(owner netio.Owner, r netio.Readiness) {
	if u.owner = owner; r == 0 {
		u.owner = nil
	}
	p := u.pollable()
	if p == nil {
		return
	}
	s := p.source()
	s.owner, s.want, s.edge = u.owner, r, false
	if r != 0 {
		s.want |= netio.HungUp // reported for each r
		u.host.wake(p, p.readiness())
	}
}

// Watcher implements netio.UserSocket.
func (u *Socket) Watcher() netio.Owner { return u.owner }

// The methods for users of package net.

// Read implements net.Conn.
func (u *Socket) Read(p []byte) (int, error) {
	n, _, err := u.Receive(p)
	return n, u.opError("read", err)
}

// Write implements net.Conn. It writes as much as there is room for.
func (u *Socket) Write(p []byte) (int, error) {
	n, err := u.Send(p, nil)
	return n, u.opError("write", err)
}

// ReadFrom implements net.PacketConn.
func (u *Socket) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := u.Receive(p)
	return n, from, u.opError("read", err)
}

// WriteTo implements net.PacketConn.
func (u *Socket) WriteTo(p []byte, to net.Addr) (int, error) {
	n, err := u.Send(p, to)
	return n, u.opError("write", err)
}

// Accept implements net.Listener.
func (u *Socket) Accept() (net.Conn, error) {
	c, err := u.AcceptConn()
	if err != nil {
		return nil, u.opError("accept", err)
	}
	return c, nil
}

// CloseWrite closes a connected socket for writing.
func (u *Socket) CloseWrite() error {
	err := u.ready()
	switch {
	case err != nil:
	case u.dg != nil && u.dg.peer != nil:
		u.dg.done = true
	case u.st == nil, u.st.broken && !u.st.unix:
		err = os.NewSyscallError("shutdown", syscall.ENOTCONN)
	default:
		err = u.st.CloseWrite()
	}
	return u.opError("close", err)
}

// SetLinger makes Close reset the connection, if sec is 0.
func (u *Socket) SetLinger(sec int) error {
	if u.st == nil {
		return u.opError("set", os.NewSyscallError("setsockopt", syscall.ENOTCONN))
	}
	return u.opError("set", u.st.SetLinger(sec))
}

// SetWriteBuffer sets the size of the send buffer of a connected Unix socket, as Linux
// does: to twice the number of bytes, and at least 4608.
func (u *Socket) SetWriteBuffer(bytes int) error {
	if u.st == nil || !u.st.unix {
		return u.opError("set", errUnsupported)
	}
	u.st.sendBuffer = max(2*bytes, 4608)
	return nil
}

// Close implements net.Conn.
func (u *Socket) Close() error {
	if u.closed {
		return u.opError("close", net.ErrClosed)
	}
	u.Watch(nil, 0)
	switch {
	case u.st != nil:
		u.st.Close()
	case u.ln != nil:
		u.ln.Close()
	case u.dg != nil:
		u.dg.Close()
	}
	u.closed = true
	return nil
}

// LocalAddr implements net.Conn.
func (u *Socket) LocalAddr() net.Addr {
	switch {
	case u.st != nil:
		return u.st.LocalAddr()
	case u.ln != nil:
		return u.ln.LocalAddr()
	case u.dg != nil:
		return u.dg.LocalAddr()
	case u.network == "unix":
		return &net.UnixAddr{Net: "unix"}
	}
	return &net.TCPAddr{}
}

// Addr implements net.Listener.
func (u *Socket) Addr() net.Addr { return u.LocalAddr() }

// RemoteAddr implements net.Conn: nil if the socket is not connected.
func (u *Socket) RemoteAddr() net.Addr {
	switch {
	case u.st != nil:
		return u.st.RemoteAddr()
	case u.dg != nil:
		return u.dg.RemoteAddr()
	}
	return nil
}

// SetDeadline implements net.Conn. It fails: no call blocks, so a deadline would have
// no effect.
func (u *Socket) SetDeadline(time.Time) error {
	if u.closed {
		return u.opError("set", net.ErrClosed)
	}
	return u.opError("set", fmt.Errorf("a non-blocking socket has no deadline: %w", errUnsupported))
}

// SetReadDeadline implements net.Conn.
func (u *Socket) SetReadDeadline(t time.Time) error { return u.SetDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (u *Socket) SetWriteDeadline(t time.Time) error { return u.SetDeadline(t) }
