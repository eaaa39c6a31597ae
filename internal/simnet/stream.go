package simnet

// Streams: connections of TCP and Unix sockets. A stream has a pipe in each direction,
// which both ends share: the sender appends, and an event makes the sent bytes visible
// to the receiver.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio/internal/netio"
)

var errUnsupported = errors.ErrUnsupported

// pipe is one direction of a connection.
type pipe struct {
	buf     []byte // begins with the first unread byte
	visible int    // how many bytes of buf have arrived
	unacked int    // bytes that the sender must keep
	last    time.Duration
}

// drop discards the bytes that have arrived.
func (p *pipe) drop() { p.buf, p.visible = p.buf[p.visible:], 0 }

// stream is one end of a connection.
type stream struct {
	host          *Host
	peer          *stream // nil until the connection is established
	to            *Host   // the peer's host
	local, remote net.Addr
	in, out       *pipe
	owner         netio.Owner

	wake  func() // wakes the task that connects
	err   error  // that ended the connection
	ended bool   // the peer sends no more
	done  bool   // CloseWrite or Close was called
	full  bool   // a write found no room
	acked int    // bytes read since the last acknowledgement

	closed bool
	dead   bool // its host has crashed
	stuck  bool // one of its packets waits for a link or a host
}

// connect establishes a connection to a listener on the host s.to.
func (h *Host) connect(ctx context.Context, s *stream) error {
	if h.loop == nil {
		return net.ErrClosed
	}
	switch h.fault("connect") {
	case Reset:
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	case TimedOut, EndOfFile:
		return os.NewSyscallError("connect", syscall.ETIMEDOUT)
	}
	wait, wake, err := h.loop.Waiter(ctx)
	if err != nil {
		return err
	}
	s.wake = wake
	h.streams[s] = struct{}{}
	h.net.Link(h, s.to).send(event{kind: evSyn, from: s, last: &s.out.last})
	if err := wait(); err != nil {
		s.wake = nil
		s.Close()
		return err
	}
	if s.err != nil {
		s.Close()
		return os.NewSyscallError("connect", s.err)
	}
	return nil
}

// DialTCP implements netio.Backend.
func (h *Host) DialTCP(ctx context.Context, remote, local netip.AddrPort) (netio.Stream, error) {
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	fail := func(err error) error {
		var errno syscall.Errno
		if !errors.As(err, &errno) {
			return err // the error of waiting
		}
		return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(remote), Err: err}
	}
	to := h.route(remote.Addr())
	if to == nil {
		return nil, fail(os.NewSyscallError("connect", syscall.EHOSTUNREACH))
	}
	from := netip.AddrPortFrom(h.source(remote.Addr()), 0)
	if local.IsValid() {
		if !h.own(local.Addr()) {
			return nil, fail(os.NewSyscallError("bind", syscall.EADDRNOTAVAIL))
		}
		if !local.Addr().IsUnspecified() {
			from = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
		}
	}
	if from.Port() == 0 {
		port, err := h.ephemeral(func(p uint16) bool { return len(h.listeners[netip.AddrPortFrom(from.Addr(), p)]) > 0 })
		if err != nil {
			return nil, fail(err)
		}
		from = netip.AddrPortFrom(from.Addr(), port)
	} else if len(h.listeners[from]) > 0 {
		return nil, fail(fmt.Errorf("%v: %w", from, os.NewSyscallError("bind", syscall.EADDRINUSE)))
	}
	s := &stream{
		host: h, to: to, in: &pipe{}, out: &pipe{},
		local: net.TCPAddrFromAddrPort(from), remote: net.TCPAddrFromAddrPort(remote),
	}
	if err := h.connect(ctx, s); err != nil {
		return nil, fail(err)
	}
	return s, nil
}

// DialUnix implements netio.Backend.
func (h *Host) DialUnix(ctx context.Context, path string) (netio.Stream, error) {
	addr := &net.UnixAddr{Name: path, Net: "unix"}
	s := &stream{host: h, to: h, in: &pipe{}, out: &pipe{}, local: &net.UnixAddr{Net: "unix"}, remote: addr}
	var err error
	if h.paths[path] == nil {
		err = os.NewSyscallError("connect", syscall.ENOENT)
	} else {
		err = h.connect(ctx, s)
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = &net.OpError{Op: "dial", Net: "unix", Addr: addr, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// arrived is called when the connection attempt of client has reached the host.
func (h *Host) arrived(client *stream) {
	ln := h.listenerFor(client.remote)
	reply := event{to: client, kind: evRefused}
	if ln != nil {
		s := &stream{host: h, to: client.host, peer: client, in: client.out, out: client.in, local: client.remote, remote: client.local}
		if a, ok := s.local.(*net.TCPAddr); ok && a.IP.IsUnspecified() {
			s.local = s.remoteAt(a.Port)
		}
		h.streams[s] = struct{}{}
		client.peer = s
		reply.kind, reply.from, reply.last = evAccepted, s, &s.out.last
		ln.offer(s)
	}
	h.net.Link(h, client.host).send(reply)
}

// remoteAt returns the address of the peer with another port.
func (s *stream) remoteAt(port int) net.Addr {
	a := *s.remote.(*net.TCPAddr)
	a.Port = port
	return &a
}

// happen applies an event to the stream.
func (s *stream) happen(e event) {
	switch e.kind {
	case evAccepted:
		if s.closed {
			s.answerReset()
			return
		}
		s.host.net.count.Connections++
		s.connected()
	case evRefused:
		s.err = syscall.ECONNREFUSED
		s.connected()
	case evData:
		s.host.net.count.Segments++
		if s.closed {
			s.answerReset()
			return
		}
		if s.in.visible += e.n; s.ended || s.err != nil {
			s.in.drop() // possible only after a fault
			return
		}
		s.tell(netio.Readable)
	case evAck:
		s.out.unacked -= e.n
		if s.full && s.out.unacked < bufferSize {
			s.full = false
			s.tell(netio.Writable)
		}
	case evFin:
		s.ended = true
		r := netio.Readable | netio.Ending
		if s.done {
			r |= netio.HungUp
		}
		s.tell(r)
	case evReset:
		s.fail(syscall.ECONNRESET)
	case evTimeout:
		if s.stuck {
			s.stuck = false
			s.fail(syscall.ETIMEDOUT)
		}
	}
}

// connected ends the wait of the task that connects.
func (s *stream) connected() {
	if wake := s.wake; wake != nil {
		s.wake = nil
		wake()
	}
}

// tell notifies the owner of r.
func (s *stream) tell(r netio.Readiness) {
	if s.owner != nil && !s.closed {
		s.owner.Ready(r)
	}
}

// fail ends the connection at this end.
func (s *stream) fail(errno syscall.Errno) {
	if s.err != nil || s.closed {
		return
	}
	s.host.net.count.Resets++
	s.err = errno
	s.connected()
	s.tell(netio.Readable | netio.Writable | netio.HungUp | netio.Ending)
}

// answerReset sends a reset to the peer. It may be called for a stream whose host has
// crashed since.
func (s *stream) answerReset() {
	if s.peer != nil {
		s.host.net.Link(s.host, s.to).send(event{kind: evReset, from: s, to: s.peer, last: &s.out.last})
	}
}

// send sends an event to the peer.
func (s *stream) send(kind eventKind, n int) {
	if s.peer != nil {
		s.host.net.Link(s.host, s.to).send(event{kind: kind, n: n, from: s, to: s.peer, last: &s.out.last})
	}
}

// reset ends the connection at both ends: this end fails with errno.
func (s *stream) reset(errno syscall.Errno) {
	s.fail(errno)
	s.answerReset()
}

// Attach implements netio.Stream.
func (s *stream) Attach(owner netio.Owner) error {
	if s.closed || s.dead {
		return net.ErrClosed
	}
	s.owner = owner
	s.host.at(s.host.net.driver.Now(), event{kind: evCall, fn: func(*Host) {
		r := netio.Writable
		if s.in.visible > 0 {
			r |= netio.Readable
		}
		if s.ended {
			r |= netio.Readable | netio.Ending
		}
		if s.err != nil {
			r |= netio.Readable | netio.HungUp | netio.Ending
		}
		s.tell(r)
	}})
	return nil
}

// Read implements netio.Stream.
func (s *stream) Read(p []byte) (n int, more bool, err error) {
	if s.closed || s.dead {
		return 0, false, net.ErrClosed
	}
	if s.in.visible > 0 || s.ended || s.err != nil {
		switch s.host.fault("read") {
		case Reset:
			s.in.drop()
			s.reset(syscall.ECONNRESET)
		case TimedOut:
			s.in.drop()
			s.reset(syscall.ETIMEDOUT)
		case EndOfFile:
			s.in.drop()
			s.ended = true
			s.answerReset() // for data that the peer still sends
		case Short:
			p = p[:1]
		}
	}
	switch {
	case s.in.visible > 0:
	case s.err != nil:
		return 0, false, os.NewSyscallError("read", s.err)
	case s.ended:
		return 0, false, io.EOF
	default:
		return 0, false, netio.ErrWouldBlock
	}
	n = copy(p, s.in.buf[:s.in.visible])
	s.in.visible -= n
	if s.in.buf = s.in.buf[n:]; len(s.in.buf) == 0 {
		s.in.buf = nil
	}
	if s.acked += n; s.acked >= bufferSize/4 || s.peer != nil && s.peer.full {
		s.send(evAck, s.acked)
		s.acked = 0
	}
	return n, s.in.visible > 0 || s.ended || s.err != nil, nil
}

// Write implements netio.Stream.
func (s *stream) Write(p []byte) (n int, err error) {
	if s.closed || s.dead {
		return 0, net.ErrClosed
	}
	if s.err == nil && !s.done && len(p) > 0 {
		switch s.host.fault("write") {
		case Reset, EndOfFile:
			s.reset(syscall.ECONNRESET)
		case TimedOut:
			s.reset(syscall.ETIMEDOUT)
		case Short:
			if len(p) > 1 {
				p = p[:1]
				s.host.at(s.host.net.driver.Now(), event{kind: evCall, fn: func(*Host) { s.tell(netio.Writable) }})
			}
		}
	}
	switch {
	case s.err == syscall.ECONNRESET, s.done:
		return 0, os.NewSyscallError("write", syscall.EPIPE)
	case s.err != nil:
		return 0, os.NewSyscallError("write", s.err)
	}
	n = min(len(p), bufferSize-s.out.unacked)
	s.full = n < len(p)
	if n == 0 {
		return 0, netio.ErrWouldBlock
	}
	s.out.buf = append(s.out.buf, p[:n]...)
	s.out.unacked += n
	for rest := n; rest > 0; {
		piece := rest
		if rest > 1 && s.host.net.driver.Choose(4, "segment") == 3 {
			piece = 1 + s.host.net.driver.Choose(rest-1, "size")
		}
		s.send(evData, piece)
		rest -= piece
	}
	return n, nil
}

// CanCloseWrite implements netio.Stream.
func (s *stream) CanCloseWrite() bool { return true }

// CloseWrite implements netio.Stream.
func (s *stream) CloseWrite() error {
	if s.closed || s.dead {
		return net.ErrClosed
	}
	if !s.done {
		s.done = true
		s.send(evFin, 0)
	}
	return nil
}

// Close implements netio.Stream. As on Linux, it resets the connection if there is
// unread data.
func (s *stream) Close() {
	if s.closed {
		return
	}
	s.closed = true
	delete(s.host.streams, s)
	if s.dead || s.err != nil {
		return
	}
	switch {
	case s.in.visible > 0:
		s.answerReset()
	case !s.done:
		s.done = true
		s.send(evFin, 0)
	}
}

// Abort implements netio.Stream. It is the same as Close: the network sends the
// remaining data.
func (s *stream) Abort() { s.Close() }

// LocalAddr implements netio.Socket.
func (s *stream) LocalAddr() net.Addr { return s.local }

// RemoteAddr implements netio.Socket.
func (s *stream) RemoteAddr() net.Addr { return s.remote }

// SyscallConn implements netio.Socket.
func (s *stream) SyscallConn() (syscall.RawConn, error) {
	return nil, unsupported("give access to a descriptor")
}

// File implements netio.Socket.
func (s *stream) File() (*os.File, error) { return nil, unsupported("give access to a descriptor") }

// Stream implements netio.Backend.
func (h *Host) Stream(conn net.Conn) (netio.Stream, error) {
	return nil, unsupported(fmt.Sprintf("use a %T, which belongs to the real one", conn))
}
