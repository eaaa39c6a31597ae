package aio

// The calls that work on a socket without a transport. There are two ways to make them, behind one
// interface. On a descriptor a call is tried at once, and if it would block the loop's poller tells when
// to try again (net_poll_sock.go). What has only methods, as a net.Conn of another package does, or any
// where there is no poller, is called in a goroutine (goSocket).
//
// What comes for a call that was cancelled must go to the next one. On a descriptor that costs nothing:
// it is read by the task that has been woken, so until then it is in the kernel. A goroutine may have
// read it already when the cancellation comes; then the loop keeps it, in a lane.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"time"
)

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

// socketOf is how each of the calls begins.
func socketOf(ctx context.Context, call string, sock any) (socket, error) {
	e, err := enter(ctx, call)
	if err != nil {
		return nil, err
	}
	l := e.fut.loop
	switch sock.(type) {
	case *net.TCPConn, *net.UnixConn, *net.UDPConn, *net.IPConn, *net.TCPListener, *net.UnixListener:
		if l.goroutines {
			return &goSocket{l, call, sock}, nil
		}
	case net.Conn, net.PacketConn, net.Listener:
		// It may have a descriptor, and do more than read and write it.
		if !reflect.ValueOf(sock).Comparable() {
			return nil, &usageError{text: fmt.Sprintf("aio: %s: a %T cannot be told from others: pass a pointer", call, sock)}
		}
		return &goSocket{l, call, sock}, nil
	}
	return l.descriptorSocket(call, sock)
}

// SockRecv returns what there is to read from sock, up to n bytes, and suspends the calling task while
// there is nothing. At the end of the stream it returns no bytes and no error.
//
// sock, here and in the other calls, is the number of a descriptor that is non-blocking (int or
// uintptr), or something that has one: a connection or listener of package net, an *os.File. Where the
// system has no poller (Windows, js) only those of package net will do. Any other net.Conn,
// net.PacketConn or net.Listener is used by its methods, in a goroutine; the calls always suspend
// then, and its deadlines belong to them.
//
// One task at a time may receive from a socket, and one may send. On a descriptor a second receiver, or
// an AddReader, takes the place of the one that waits, which goes on waiting; calls by methods have
// their turns in order. A call that waits does not notice that its descriptor is closed: cancel it first.
//
// If the task is cancelled nothing was read: what arrives goes to the next call. The error is that of
// the system, one that matches ErrUsage if n is negative, sock is none of these, would block or belongs
// to a transport, errors.ErrUnsupported where there is no poller, or one of those of Future.Await.
// (asyncio: loop.sock_recv, which refuses a blocking socket in debug mode only)
func SockRecv(ctx context.Context, sock any, n int) ([]byte, error) {
	s, err := socketOf(ctx, "SockRecv", sock)
	if err == nil && n < 0 {
		err = &usageError{text: fmt.Sprintf("aio: SockRecv: %d bytes", n)}
	}
	if err != nil {
		return nil, err
	}
	return s.recv(ctx, func() []byte { return make([]byte, n) })
}

// SockRecvInto is SockRecv into buf. It returns how many bytes of it were filled, 0 at the end of the
// stream. (asyncio: loop.sock_recv_into)
func SockRecvInto(ctx context.Context, sock any, buf []byte) (int, error) {
	s, err := socketOf(ctx, "SockRecvInto", sock)
	if err != nil {
		return 0, err
	}
	p, err := s.recv(ctx, func() []byte { return buf })
	return len(p), err
}

// SockRecvfrom returns the next datagram and who has sent it, a *net.UDPAddr or *net.UnixAddr, nil if the
// sender has no address. What is longer than n bytes is cut off. In all else it is as SockRecv.
// (asyncio: loop.sock_recvfrom)
func SockRecvfrom(ctx context.Context, sock any, n int) ([]byte, net.Addr, error) {
	s, err := socketOf(ctx, "SockRecvfrom", sock)
	if err == nil && n < 0 {
		err = &usageError{text: fmt.Sprintf("aio: SockRecvfrom: %d bytes", n)}
	}
	if err != nil {
		return nil, nil, err
	}
	return s.recvfrom(ctx, func() []byte { return make([]byte, n) })
}

// SockRecvfromInto is SockRecvfrom into buf, and returns how many bytes of it were filled.
// (asyncio: loop.sock_recvfrom_into, whose nbytes is the length of buf here)
func SockRecvfromInto(ctx context.Context, sock any, buf []byte) (int, net.Addr, error) {
	s, err := socketOf(ctx, "SockRecvfromInto", sock)
	if err != nil {
		return 0, nil, err
	}
	p, addr, err := s.recvfrom(ctx, func() []byte { return buf })
	return len(p), addr, err
}

// SockSendall sends all of p, and suspends the calling task while there is no room. p must not change
// until it returns. If it is cancelled or fails, some of p may have been sent; nothing tells how much.
// See SockRecv for sock and the errors. (asyncio: loop.sock_sendall)
func SockSendall(ctx context.Context, sock any, p []byte) error {
	s, err := socketOf(ctx, "SockSendall", sock)
	if err != nil {
		return err
	}
	return s.sendall(ctx, p)
}

// SockSendto sends p as one datagram to addr, a *net.UDPAddr or *net.UnixAddr, or nil if the socket is
// connected, and returns the length of p. It suspends the calling task while there is no room; if it is
// cancelled then, nothing was sent. An address of another type gives an error that matches ErrUsage. See
// SockRecv for sock and the other errors. (asyncio: loop.sock_sendto)
func SockSendto(ctx context.Context, sock any, p []byte, addr net.Addr) (int, error) {
	s, err := socketOf(ctx, "SockSendto", sock)
	if err != nil {
		return 0, err
	}
	if err := s.sendto(ctx, p, addr); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SockConnect connects a socket of the user's own making, the number of a descriptor, to addr: "host:port"
// or, if it is a Unix socket, a path. A host name is looked up for the socket's own family and type,
// and the first address is taken. It suspends the calling task until the connection stands; if it is
// cancelled, the attempt may go on in the system, and the same SockConnect may be called again to
// wait for its end. A socket that is connected already stays as it is.
//
// The error is a *net.OpError if the connection fails and a *net.DNSError if the name is not found. It
// matches ErrUsage if addr has another form or sock is connected by its nature. See SockRecv for the
// other errors. (asyncio: loop.sock_connect)
func SockConnect(ctx context.Context, sock any, addr string) error {
	s, err := socketOf(ctx, "SockConnect", sock)
	if err != nil {
		return err
	}
	return s.connect(ctx, addr)
}

// SockAccept returns the next connection to a socket that listens, and suspends the calling task until
// there is one. The address of the client is the connection's RemoteAddr. If it is cancelled, the
// connection that comes goes to the next call. sock may be a net.Listener; one that is not of package
// net must have a SetDeadline. See SockRecv for the errors. (asyncio: loop.sock_accept)
func SockAccept(ctx context.Context, sock any) (net.Conn, error) {
	s, err := socketOf(ctx, "SockAccept", sock)
	if err != nil {
		return nil, err
	}
	return s.accept(ctx)
}

// goSocket makes the calls by the methods of sock.
type goSocket struct {
	loop *Loop
	call string
	sock any
}

// unable is the error of a call that sock has no methods for.
func (s *goSocket) unable() error {
	return &usageError{text: fmt.Sprintf("aio: %s: a %T cannot do that", s.call, s.sock)}
}

func (s *goSocket) recv(ctx context.Context, memory func() []byte) ([]byte, error) {
	c, ok := s.sock.(net.Conn)
	if !ok {
		return nil, s.unable()
	}
	buf := memory()
	if len(buf) == 0 {
		return buf, nil
	}
	n := 0
	err := s.inTurn(ctx, readable, func(q *lane) error {
		if len(q.kept) > 0 {
			k := &q.kept[0]
			n = copy(buf, k.data)
			if k.data = k.data[n:]; len(k.data) == 0 {
				q.kept = q.kept[1:]
			}
			return nil
		}
		late, err := s.offload(ctx, c.SetReadDeadline, func() (err error) {
			if n, err = c.Read(buf); n > 0 || err == io.EOF {
				err = nil // what else there is to say the next call will hear
			}
			return err
		})
		if late && n > 0 {
			q.kept = append(q.kept, leftover{data: bytes.Clone(buf[:n])})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}

func (s *goSocket) recvfrom(ctx context.Context, memory func() []byte) ([]byte, net.Addr, error) {
	c, ok := s.sock.(net.PacketConn)
	if !ok {
		return nil, nil, s.unable()
	}
	buf := memory()
	var n int
	var addr net.Addr
	err := s.inTurn(ctx, readable, func(q *lane) error {
		if len(q.kept) > 0 {
			n, addr = copy(buf, q.kept[0].data), q.kept[0].addr
			q.kept = q.kept[1:]
			return nil
		}
		late, err := s.offload(ctx, c.SetReadDeadline, func() (err error) {
			n, addr, err = c.ReadFrom(buf)
			return err
		})
		if late {
			q.kept = append(q.kept, leftover{data: bytes.Clone(buf[:n]), addr: addr})
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return buf[:n], addr, nil
}

func (s *goSocket) accept(ctx context.Context) (conn net.Conn, err error) {
	ln, ok := s.sock.(interface {
		net.Listener
		SetDeadline(time.Time) error
	})
	if !ok {
		return nil, s.unable()
	}
	err = s.inTurn(ctx, readable, func(q *lane) error {
		if len(q.kept) > 0 {
			conn = q.kept[0].conn
			q.kept = q.kept[1:]
			return nil
		}
		var got net.Conn
		late, err := s.offload(ctx, ln.SetDeadline, func() (err error) {
			got, err = ln.Accept()
			return err
		})
		switch {
		case late:
			q.kept = append(q.kept, leftover{conn: got})
		case err == nil:
			conn = got
		}
		return err
	})
	return conn, err
}

func (s *goSocket) sendall(ctx context.Context, p []byte) error {
	c, ok := s.sock.(net.Conn)
	if !ok {
		return s.unable()
	}
	if len(p) == 0 {
		return nil
	}
	return s.write(ctx, c.SetWriteDeadline, func() error {
		_, err := c.Write(p)
		return err
	})
}

func (s *goSocket) sendto(ctx context.Context, p []byte, addr net.Addr) error {
	c, ok := s.sock.(net.PacketConn)
	if !ok {
		return s.unable()
	}
	return s.write(ctx, c.SetWriteDeadline, func() (err error) {
		if conn, ok := c.(net.Conn); ok && addr == nil {
			_, err = conn.Write(p)
		} else {
			_, err = c.WriteTo(p, addr)
		}
		return err
	})
}

func (s *goSocket) connect(context.Context, string) error { return s.unable() }

func (s *goSocket) sendfile(context.Context, *fileSend) error {
	if c, ok := s.sock.(net.Conn); !ok || c.LocalAddr() != nil && isDatagram(c.LocalAddr().Network()) {
		return s.unable()
	}
	return ErrSendfileNotAvailable
}

// isDatagram reports whether network is one of datagrams.
func isDatagram(network string) bool {
	return strings.HasPrefix(network, "udp") || strings.HasPrefix(network, "ip") || network == "unixgram"
}

// sendcopy leaves it to package io, and so to the connection, which may know a fast way.
func (s *goSocket) sendcopy(ctx context.Context, f *fileSend) error {
	if _, err := f.file.Seek(f.next, io.SeekStart); err != nil {
		return err
	}
	c := s.sock.(net.Conn) // as sendfile has made sure of
	return s.write(ctx, c.SetWriteDeadline, func() error {
		n, err := io.Copy(c, io.LimitReader(f.file, f.left))
		f.sentMore(n)
		return err
	})
}

// write has fn called in a goroutine after the writes of other calls.
func (s *goSocket) write(ctx context.Context, deadline func(time.Time) error, fn func() error) error {
	return s.inTurn(ctx, writable, func(*lane) error {
		_, err := s.offload(ctx, deadline, fn)
		return err
	})
}

// lane is one direction of a socket. One call at a time uses it: if the next one began while a cancelled
// one is still about to end, its own deadline would have that go on.
type lane struct {
	busy bool
	line waitList   // of the calls that wait for their turn
	kept []leftover // for the next call
}

// leftover is what has come for a call that was cancelled: data of a stream, a datagram, or a
// connection that was accepted.
type leftover struct {
	data []byte
	addr net.Addr
	conn net.Conn
}

// laneKey tells lanes apart. A socket that listens has the one for reading.
type laneKey struct {
	sock any
	way  readiness
}

// lanes are those in which there is a call or something left over. There is nearly never anything left
// over: a cancellation must have come just when something else did.
type lanes map[laneKey]*lane

// inTurn calls f when it is the turn of this call.
func (s *goSocket) inTurn(ctx context.Context, way readiness, f func(q *lane) error) error {
	e, err := enter(ctx, s.call)
	if err != nil {
		return err
	}
	all, key := &s.loop.lanes, laneKey{s.sock, way}
	if *all == nil {
		*all = lanes{}
	}
	q := (*all)[key]
	if q == nil {
		q = &lane{}
		(*all)[key] = q
	}
	if q.busy {
		if woken, err := e.waitIn(&q.line, s.call); err != nil {
			if woken {
				all.leave(key, q)
			}
			return err
		}
	}
	q.busy = true
	defer all.leave(key, q)
	return f(q)
}

// leave makes q free for the next call.
func (m lanes) leave(key laneKey, q *lane) {
	if q.line.wakeNext() {
		return
	}
	q.busy = false
	if len(q.kept) == 0 {
		delete(m, key)
	}
}

// close closes the connections that nobody has asked for.
func (m lanes) close() {
	for _, q := range m {
		for _, k := range q.kept {
			if k.conn != nil {
				k.conn.Close()
			}
		}
	}
}

// offload calls fn in a goroutine, and suspends the calling task until it has returned. If the task is
// cancelled, fn is ended by a deadline in the past; late tells that it was successful nevertheless.
//
// deadline is called first, to make sure that it works: without, a cancelled call would go on, and take
// what is meant for the next one. It need not work on a connection that is closed, where fn will not block.
func (s *goSocket) offload(ctx context.Context, deadline func(time.Time) error, fn func() error) (late bool, err error) {
	e, err := enter(ctx, s.call)
	if err != nil {
		return false, err
	}
	err = deadline(time.Time{})
	if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
		return false, err
	}
	o := &offloaded{what: s.call, fn: fn, deadline: deadline, returned: make(chan struct{})}
	o.loop, o.sub = s.loop, o
	s.loop.watching++
	go o.work()
	err = e.await(&o.future)
	s.loop.watching--
	if o.state == pending { // the loop is closed; the memory of the call is the caller's again
		o.end()
		<-o.returned
	}
	if err == nil {
		return false, o.err
	}
	return o.err == nil, err
}

// offloaded is a call in a goroutine that a deadline can end.
type offloaded struct {
	future   // owned by the token
	what     string
	fn       func() error
	deadline func(time.Time) error
	returned chan struct{}   // closed when fn has
	err      error           // of fn, set before that
	reason   *CancelledError // why the call was cancelled; owned by the token

	mu   sync.Mutex
	over bool // fn has returned
	cut  bool // the deadline was moved
}

// work is the goroutine.
func (o *offloaded) work() {
	defer o.loop.post(event{o, nil}, false)
	defer o.finish()
	o.err = ErrGoexit
	o.err = o.try()
}

func (o *offloaded) try() (err error) {
	defer recovered(&err)
	return o.fn()
}

// finish takes back what end has done. Nobody else uses the connection yet.
func (o *offloaded) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over = true; o.cut {
		_ = o.deadline(time.Time{}) // it fails if the connection is closed, which the next call will find
	}
	close(o.returned)
}

// end has fn return.
func (o *offloaded) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		o.cut = true
		_ = o.deadline(time.Unix(1, 0))
	}
}

// cancelFuture implements subFuture. The future is not done before fn has returned: until then it
// uses the caller's memory.
func (o *offloaded) cancelFuture(reason *CancelledError) bool {
	if o.reason == nil {
		o.reason = reason
		o.end()
	}
	return true
}

// describe implements subFuture.
func (o *offloaded) describe() string { return o.what }

// run implements runnable: fn has returned.
func (o *offloaded) run(*future) {
	switch {
	case o.state != pending:
	case o.reason != nil:
		o.settle(cancelled, o.reason)
	default:
		o.settle(finished, nil)
	}
}
