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
	pieces  []int // the sizes of the pieces in buf, for a Unix socket
	part    int   // how many bytes of the first piece are gone
	cost    int   // the memory of the pieces, for a Unix socket
}

// drop discards the bytes that have arrived.
func (p *pipe) drop() {
	p.freed(p.visible)
	p.buf, p.visible = p.buf[p.visible:], 0
}

// stream is one end of a connection. Both ends of a Unix socket belong to one host, so
// what one end does has its effect on the other at once; over TCP it is an event.
type stream struct {
	src           source
	host          *Host
	unix          bool
	peer          *stream // nil until the connection is established
	to            *Host   // the peer's host
	local, remote net.Addr
	in, out       *pipe

	connecting bool          // the attempt has no outcome yet
	attempts   int           // attempts to reach a listener whose queue is full
	sendBuffer int           // size for a Unix socket, in bytes; 0 means the default
	err        syscall.Errno // that the next read or write returns, 0 if none
	broken     bool          // the connection no longer exists
	ended      bool          // the peer sends no more
	gone       bool          // the peer of a Unix socket is closed
	done       bool          // CloseWrite or Close was called
	full       bool          // a write found no room
	linger     bool          // Close resets the connection
	acked      int           // bytes read since the last acknowledgement

	closed bool
	dead   bool // the host has crashed

	// When the stream fails with ETIMEDOUT unless the peer answers before; 0 while
	// no packet is known to be lost.
	deadline time.Duration
	began    time.Duration // when the attempt to connect began
}

var _ netio.Repeater = (*stream)(nil)

// dial establishes a connection to a listener on the host s.to.
func (h *Host) dial(ctx context.Context, s *stream) error {
	if h.loop == nil {
		return net.ErrClosed
	}
	wait, wake, err := h.loop.Waiter(ctx)
	if err != nil {
		return err
	}
	if s.unix {
		// nothing reports that the listener's queue has room again
		for delay := time.Millisecond; ; delay = min(2*delay, 64*time.Millisecond) {
			if err := h.connect(s); err != syscall.EAGAIN {
				return systemError("connect", err)
			}
			h.at(h.net.driver.Now()+delay, event{kind: evCall, fn: func(*Host) { wake() }})
			if err := wait(); err != nil {
				return err
			}
			if wait, wake, err = h.loop.Waiter(ctx); err != nil {
				return err
			}
		}
	}
	s.src = source{owner: dialer{h, wake}, want: netio.Writable, edge: true}
	if err := h.connect(s); err != 0 {
		return systemError("connect", err)
	}
	err = wait()
	s.host.unqueue(s)
	s.src = source{}
	if err == nil {
		err = systemError("connect", s.takeError())
	}
	if err != nil {
		s.Close()
	}
	return err
}

// dialer is the owner of a stream for which a task waits.
type dialer struct {
	host *Host
	wake func()
}

// Ready implements netio.Owner.
func (d dialer) Ready(netio.Readiness) { d.host.loop.Soon(d.wake) }

// Discard implements netio.Owner.
func (d dialer) Discard() {}

// systemError returns the error of a system call.
func systemError(call string, errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return os.NewSyscallError(call, errno)
}

// connect begins to connect. Over TCP the outcome is an event; a Unix socket has its
// result at once, EAGAIN if the listener's queue is full.
func (h *Host) connect(s *stream) syscall.Errno {
	switch h.fault("connect") {
	case Reset:
		return syscall.ECONNREFUSED
	case TimedOut, EndOfFile:
		return syscall.ETIMEDOUT
	}
	if !s.unix {
		h.streams[s] = struct{}{}
		s.connecting, s.began = true, h.net.driver.Now()
		h.net.Link(h, s.to).send(event{kind: evSyn, from: s, last: &s.out.last})
		return 0
	}
	ln := h.paths[s.remote.String()]
	switch {
	case ln == nil:
		return syscall.ENOENT
	case !ln.listening:
		return syscall.ECONNREFUSED
	case ln.fullQueue():
		return syscall.EAGAIN
	}
	h.streams[s] = struct{}{}
	h.net.count.Connections++
	ln.offer(s.counterpart(h))
	return 0
}

// counterpart makes the other end of s, at the host h.
func (s *stream) counterpart(h *Host) *stream {
	o := &stream{host: h, unix: s.unix, to: s.host, peer: s, in: s.out, out: s.in, local: s.remote, remote: s.local}
	if a, ok := o.local.(*net.TCPAddr); ok && a.IP.IsUnspecified() {
		o.local = o.remoteAt(a.Port)
	}
	h.streams[o] = struct{}{}
	s.peer = o
	return o
}

// DialTCP implements netio.Backend.
func (h *Host) DialTCP(ctx context.Context, remote, local netip.AddrPort) (netio.Stream, error) {
	s, err := h.newTCP(remote, local, nil)
	if err == nil {
		err = h.dial(ctx, s)
	}
	var errno syscall.Errno
	if errors.As(err, &errno) { // otherwise err is the error of the wait
		err = &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(remote), Err: err}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// newTCP returns an unconnected stream from local, if that is valid, to remote. bound is
// the socket that has local already, nil if there is none.
func (h *Host) newTCP(remote, local netip.AddrPort, bound *listener) (*stream, error) {
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	to := h.route(remote.Addr())
	if to == nil {
		return nil, os.NewSyscallError("connect", syscall.EHOSTUNREACH)
	}
	from := netip.AddrPortFrom(h.source(remote.Addr()), local.Port())
	if local.IsValid() {
		if !h.own(local.Addr()) {
			return nil, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
		}
		if !local.Addr().IsUnspecified() {
			from = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
		}
	}
	if from.Port() == 0 {
		port, err := h.ephemeral(func(p uint16) bool { return len(h.listeners[netip.AddrPortFrom(from.Addr(), p)]) > 0 })
		if err != nil {
			return nil, err
		}
		from = netip.AddrPortFrom(from.Addr(), port)
	} else if len(h.listeners[from]) > 0 && bound == nil {
		return nil, fmt.Errorf("%v: %w", from, os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	return &stream{
		host: h, to: to, in: &pipe{}, out: &pipe{},
		local: net.TCPAddrFromAddrPort(from), remote: net.TCPAddrFromAddrPort(remote),
	}, nil
}

// newUnix returns an unconnected stream to the Unix socket at path.
func (h *Host) newUnix(path string) *stream {
	return &stream{
		host: h, to: h, unix: true, in: &pipe{}, out: &pipe{},
		local: &net.UnixAddr{Net: "unix"}, remote: &net.UnixAddr{Name: path, Net: "unix"},
	}
}

// DialUnix implements netio.Backend.
func (h *Host) DialUnix(ctx context.Context, path string) (netio.Stream, error) {
	s := h.newUnix(path)
	err := h.dial(ctx, s)
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = &net.OpError{Op: "dial", Net: "unix", Addr: s.remote, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// arrived is called when the connection attempt of client has reached the host. If the
// queue of the listener is full, the attempt is dropped, and made again later.
func (h *Host) arrived(client *stream) {
	ln := h.listenerFor(client.remote)
	reply := event{to: client, kind: evRefused}
	switch {
	case ln == nil:
	case ln.fullQueue():
		again := time.Second << client.attempts
		if client.attempts++; client.closed || client.attempts > maxAttempts {
			client.expire(h.net.driver.Now() + again)
		} else {
			h.at(h.net.driver.Now()+again, event{kind: evSyn, from: client})
		}
		return
	default:
		s := client.counterpart(h)
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
		s.fail(syscall.ECONNREFUSED)
	case evData:
		s.host.net.count.Segments++
		if s.closed {
			s.answerReset()
			return
		}
		if s.in.visible += e.n; s.ended || s.broken {
			// the stream has ended before, by a fault or a timeout
			s.in.drop()
			if !s.ended {
				s.answerReset()
			}
			return
		}
		s.host.wake(s, netio.Readable)
	case evAck:
		s.out.unacked -= e.n
		if s.full && s.out.unacked < bufferSize {
			s.full = false
			s.host.wake(s, netio.Writable)
		}
	case evFin, evGone:
		s.ended = true
		s.gone = e.kind == evGone
		s.host.wake(s, netio.Readable|netio.Writable|netio.Ending|netio.HungUp)
	case evReset:
		errno := syscall.ECONNRESET
		if s.ended && !s.unix {
			errno = syscall.EPIPE
		}
		s.fail(errno)
	case evTimeout:
		if s.deadline != 0 && e.when >= s.deadline {
			s.deadline = 0
			s.fail(syscall.ETIMEDOUT)
		}
	}
}

// expire makes the stream fail with ETIMEDOUT at that time, unless it has a deadline
// already, or the peer answers before.
func (s *stream) expire(when time.Duration) {
	if s.deadline == 0 && !s.closed && !s.dead && !s.broken {
		s.deadline = when
		s.host.at(when, event{kind: evTimeout, to: s})
	}
}

// unanswered is called for an event of a stream that gets no answer: it is lost, or the
// acknowledgement is. Acknowledgements and resets need none.
func (e event) unanswered(now time.Duration) {
	switch e.kind {
	case evSyn:
		e.from.expire(e.from.began + synTimeout)
	case evAccepted:
		e.to.expire(e.to.began + synTimeout)
		e.from.expire(now + ackTimeout)
	case evRefused:
		e.to.expire(e.to.began + synTimeout)
	case evData, evFin:
		e.from.expire(now + ackTimeout)
	}
}

// connected ends the attempt to connect.
func (s *stream) connected() {
	s.connecting, s.deadline = false, 0
	s.host.wake(s, netio.Writable)
}

// source implements pollable.
func (s *stream) source() *source { return &s.src }

// readiness implements pollable.
func (s *stream) readiness() netio.Readiness {
	switch {
	case s.closed || s.dead || s.connecting:
		return 0
	case s.broken:
		return netio.Readable | netio.Writable | netio.HungUp | netio.Ending
	}
	var r netio.Readiness
	if s.in.visible > 0 {
		r |= netio.Readable
	}
	if s.ended {
		r |= netio.Readable | netio.Ending
		if s.done || s.gone {
			r |= netio.HungUp
		}
	}
	if s.unix && 4*s.out.cost <= s.limit() || !s.unix && !s.full || s.gone {
		r |= netio.Writable
	}
	return r
}

// fail ends the connection at this end.
func (s *stream) fail(errno syscall.Errno) {
	if s.broken || s.closed {
		return
	}
	if !s.connecting {
		s.host.net.count.Resets++
	}
	s.err, s.broken = errno, true
	s.connected()
	s.host.wake(s, netio.Readable|netio.Writable|netio.HungUp|netio.Ending)
}

// takeError returns the error of the connection, once.
func (s *stream) takeError() syscall.Errno {
	errno := s.err
	s.err = 0
	return errno
}

// answerReset sends a reset to the peer. It may be called for a stream whose host has
// crashed since.
func (s *stream) answerReset() { s.send(evReset, 0) }

// send sends an event to the peer.
func (s *stream) send(kind eventKind, n int) {
	if s.peer == nil {
		return
	}
	e := event{kind: kind, n: n, from: s, to: s.peer, last: &s.out.last}
	if s.unix {
		if !s.peer.closed && !s.peer.dead {
			s.peer.happen(e)
		}
		return
	}
	s.host.net.Link(s.host, s.to).send(e)
}

// reset ends the connection at both ends: this end fails with errno.
func (s *stream) reset(errno syscall.Errno) {
	s.fail(errno)
	s.answerReset()
}

// edges is the readiness that an owner learns of if it does not wait for room.
const edges = netio.Readable | netio.Ending | netio.HungUp

// Attach implements netio.Stream.
func (s *stream) Attach(owner netio.Owner) error {
	if s.closed || s.dead {
		return net.ErrClosed
	}
	s.host.unqueue(s)
	s.src = source{owner: owner, edge: true}
	return nil
}

// Repeat makes the stream report its readiness when the next pass begins, as if it had
// just become ready; with keep, in the place of its report in this pass. Before the
// first Repeat the owner gets no reports.
func (s *stream) Repeat(keep bool) error {
	if !s.closed && !s.dead {
		s.src.want |= edges
		s.host.renew(s, keep)
	}
	return nil
}

// Again gives owner an entry in the next pass.
func (s *stream) Again(netio.Owner) {
	if !s.closed && !s.dead {
		s.src.again = true
		s.host.queue(s)
	}
}

// NotReady says that, contrary to the last report, the stream is not ready: the next
// report is a new one.
func (s *stream) NotReady() {
	if !s.src.news {
		s.host.unqueue(s)
	}
}

// WatchWrite sets whether the owner learns that there is room to write.
func (s *stream) WatchWrite(on bool) {
	want := edges
	if on {
		want |= netio.Writable
	}
	if want != s.src.want {
		s.src.want = want
		s.host.wake(s, s.readiness())
	}
}

// Pending reports whether there is data to read.
func (s *stream) Pending() bool { return s.in.visible > 0 }

// Read implements netio.Stream.
func (s *stream) Read(p []byte) (n int, more bool, err error) {
	n, err = s.read(p)
	return n, n == len(p), err
}

func (s *stream) read(p []byte) (n int, err error) {
	if s.closed || s.dead {
		return 0, net.ErrClosed
	}
	if s.in.visible > 0 || s.ended || s.broken {
		switch s.host.fault("read") {
		case Reset:
			s.in.drop()
			s.ended = false
			s.reset(syscall.ECONNRESET)
		case TimedOut:
			s.in.drop()
			s.ended = false
			s.reset(syscall.ETIMEDOUT)
		case EndOfFile:
			s.in.drop()
			s.ended = true
			s.answerReset() // for data that the peer still sends
		case Short:
			p = p[:1]
			// the rest is reported as if it had just arrived
			s.host.at(s.host.net.driver.Now(), event{kind: evCall, fn: func(*Host) { s.host.wake(s, edges) }})
		}
	}
	switch {
	case s.in.visible > 0:
	case s.ended && !s.unix: // a reset after the end is an error only for writes
		return 0, io.EOF
	case s.err != 0:
		return 0, systemError("read", s.takeError())
	case s.ended, s.broken:
		return 0, io.EOF
	default:
		return 0, netio.ErrWouldBlock
	}
	n = copy(p, s.in.buf[:s.in.visible])
	s.in.visible -= n
	if s.in.buf = s.in.buf[n:]; len(s.in.buf) == 0 {
		s.in.buf = nil
	}
	if s.unix {
		s.in.freed(n)
		if s.peer.readiness()&netio.Writable != 0 {
			s.host.wake(s.peer, netio.Writable)
		}
		return n, nil
	}
	if s.acked += n; s.acked >= bufferSize/4 || s.peer != nil && s.peer.full {
		s.send(evAck, s.acked)
		s.acked = 0
	}
	return n, nil
}

// Write implements netio.Stream.
func (s *stream) Write(p []byte) (n int, err error) {
	if s.closed || s.dead {
		return 0, net.ErrClosed
	}
	if !s.broken && !s.done && len(p) > 0 {
		switch s.host.fault("write") {
		case Reset, EndOfFile:
			s.reset(syscall.ECONNRESET)
		case TimedOut:
			s.reset(syscall.ETIMEDOUT)
		case Short:
			if len(p) > 1 {
				p = p[:1]
				s.host.at(s.host.net.driver.Now(), event{kind: evCall, fn: func(*Host) { s.host.wake(s, netio.Writable) }})
			}
		}
	}
	switch {
	case s.err != 0 && !s.unix:
		return 0, systemError("write", s.takeError())
	case s.broken, s.done, s.gone:
		return 0, systemError("write", syscall.EPIPE)
	}
	if s.unix {
		return s.writeUnix(p)
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

// The buffer of a Unix socket works as on Linux: pieces of data have a cost, and there
// is room for another piece while the total cost is below the limit.
const (
	unixBuffer = 212992
	maxPiece   = 36544
	maxHead    = 3776 // bytes in the first memory block of a piece
	page       = 4096
	pieceCost  = 576 // cost of an empty piece
)

// limit is the size of the send buffer of a Unix socket.
func (s *stream) limit() int {
	if s.sendBuffer > 0 {
		return s.sendBuffer
	}
	return unixBuffer
}

// cost is the memory of a piece of n bytes.
func cost(n int) int {
	pages := min(n, (max(0, n-maxHead)+page-1)/page*page)
	head := 512
	for head < n-pages+pieceCost-256 {
		head *= 2
	}
	return head + pages + 256
}

func (s *stream) writeUnix(p []byte) (n int, err error) {
	for n < len(p) && s.out.cost < s.limit() {
		size := min(len(p)-n, s.limit()/2-64, maxPiece)
		s.out.buf = append(s.out.buf, p[n:n+size]...)
		s.out.pieces = append(s.out.pieces, size)
		s.out.cost += cost(size)
		n += size
		s.send(evData, size)
	}
	if n == 0 {
		return 0, netio.ErrWouldBlock
	}
	return n, nil
}

// freed frees the memory of the first n bytes, by whole pieces.
func (p *pipe) freed(n int) {
	for n > 0 && len(p.pieces) > 0 {
		if n < p.pieces[0] {
			p.pieces[0] -= n
			p.part += n
			return
		}
		n -= p.pieces[0]
		p.cost -= cost(p.pieces[0] + p.part)
		p.pieces, p.part = p.pieces[1:], 0
	}
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

// SetLinger makes Close reset the connection, if sec is 0.
func (s *stream) SetLinger(sec int) error {
	if s.closed || s.dead {
		return net.ErrClosed
	}
	s.linger = sec == 0
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
	if s.dead || s.broken {
		return
	}
	switch {
	case s.in.visible > 0, s.linger && !s.unix:
		s.answerReset()
	case s.unix:
		s.send(evGone, 0)
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
	if u, ok := conn.(*Socket); ok && u.st != nil && u.host == h {
		s := u.st
		u.release()
		return s, nil
	}
	return nil, h.foreign(conn)
}

// foreign is the error for a socket of the system.
func (h *Host) foreign(conn any) error {
	return h.Unsupported(fmt.Sprintf("use a %T, which belongs to the real network", conn))
}
