package aio

// The calls that work on a socket without a transport. There are two ways to make them,
// behind one interface. On a descriptor a call is tried at once, and if it would block
// the loop's poller tells when to try again (net_poll_sock.go). What has only methods, as
// a net.Conn of another package does, or any where there is no poller, is called in a
// goroutine (goSocket).
//
// What comes for a call that was cancelled must go to the next one. On a descriptor that
// costs nothing: it is read by the task that has been woken, so until then it is in the
// kernel. A goroutine may have read it already when the cancellation comes; then the loop
// keeps it, in an ioQueue.

import (
	"context"
	"net"
)

// socketOf is how each of the calls begins.
func socketOf(ctx context.Context, call string, sock any) (socket, error) {
	c, err := enter(ctx, call)
	if err != nil {
		return nil, err
	}
	return c.fut.loop.descriptors().socket(call, sock)
}

// SockRecv returns what there is to read from sock, up to n bytes, and suspends the
// calling task while there is nothing. At the end of the stream it returns no bytes and
// no error.
//
// sock, here and in the other calls, is the number of a descriptor that is non-blocking
// (int or uintptr), or something that has one: a connection or listener of package net,
// an *os.File. Where the system has no poller (Windows, js) only those of package net
// will do. Any other net.Conn, net.PacketConn or net.Listener is used by its methods, in
// a goroutine; the calls always suspend then, and its deadlines belong to them.
//
// One task at a time may receive from a socket, and one may send. On a descriptor a
// second receiver, or an AddReader, takes the place of the one that waits, which goes on
// waiting; calls by methods have their turns in order. A call that waits does not notice
// that its descriptor is closed: cancel it first.
//
// If the task is cancelled nothing was read: what arrives goes to the next call. The
// error is that of the system, one that matches ErrUsage if n is negative, sock is none
// of these, would block or belongs to a transport, errors.ErrUnsupported where there is
// no poller, or one of those of Future.Await. (asyncio: loop.sock_recv, which refuses a
// blocking socket in debug mode only)
func SockRecv(ctx context.Context, sock any, n int) ([]byte, error) {
	s, err := socketOf(ctx, "SockRecv", sock)
	if err == nil && n < 0 {
		err = usagef("SockRecv", "%d bytes", n)
	}
	if err != nil {
		return nil, err
	}
	return s.recv(ctx, func() []byte { return make([]byte, n) })
}

// SockRecvInto is SockRecv into buf. It returns how many bytes of it were filled, 0 at
// the end of the stream. (asyncio: loop.sock_recv_into)
func SockRecvInto(ctx context.Context, sock any, buf []byte) (int, error) {
	s, err := socketOf(ctx, "SockRecvInto", sock)
	if err != nil {
		return 0, err
	}
	p, err := s.recv(ctx, func() []byte { return buf })
	return len(p), err
}

// SockRecvfrom returns the next datagram and who has sent it, a *net.UDPAddr or
// *net.UnixAddr, nil if the sender has no address. What is longer than n bytes is cut
// off. In all else it is as SockRecv. (asyncio: loop.sock_recvfrom)
func SockRecvfrom(ctx context.Context, sock any, n int) ([]byte, net.Addr, error) {
	s, err := socketOf(ctx, "SockRecvfrom", sock)
	if err == nil && n < 0 {
		err = usagef("SockRecvfrom", "%d bytes", n)
	}
	if err != nil {
		return nil, nil, err
	}
	return s.recvfrom(ctx, func() []byte { return make([]byte, n) })
}

// SockRecvfromInto is SockRecvfrom into buf, and returns how many bytes of it were
// filled. (asyncio: loop.sock_recvfrom_into, whose nbytes is the length of buf here)
func SockRecvfromInto(ctx context.Context, sock any, buf []byte) (int, net.Addr, error) {
	s, err := socketOf(ctx, "SockRecvfromInto", sock)
	if err != nil {
		return 0, nil, err
	}
	p, addr, err := s.recvfrom(ctx, func() []byte { return buf })
	return len(p), addr, err
}

// SockSendall sends all of p, and suspends the calling task while there is no room. p
// must not change until it returns. If it is cancelled or fails, some of p may have been
// sent; nothing tells how much. See SockRecv for sock and the errors. (asyncio:
// loop.sock_sendall)
func SockSendall(ctx context.Context, sock any, p []byte) error {
	s, err := socketOf(ctx, "SockSendall", sock)
	if err != nil {
		return err
	}
	return s.sendall(ctx, p)
}

// SockSendto sends p as one datagram to addr, a *net.UDPAddr or *net.UnixAddr, or nil if
// the socket is connected, and returns the length of p. It suspends the calling task
// while there is no room; if it is cancelled then, nothing was sent. An address of
// another type gives an error that matches ErrUsage. See SockRecv for sock and the other
// errors. (asyncio: loop.sock_sendto)
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

// SockConnect connects a socket of the user's own making, the number of a descriptor, to
// addr: "host:port" or, if it is a Unix socket, a path. A host name is looked up for the
// socket's own family and type, and the first address is taken. It suspends the calling
// task until the connection stands; if it is cancelled, the attempt may go on in the
// system, and the same SockConnect may be called again to wait for its end. A socket that
// is connected already stays as it is.
//
// The error is a *net.OpError if the connection fails and a *net.DNSError if the name is
// not found. It matches ErrUsage if addr has another form or sock is connected by its
// nature. See SockRecv for the other errors. (asyncio: loop.sock_connect)
func SockConnect(ctx context.Context, sock any, addr string) error {
	s, err := socketOf(ctx, "SockConnect", sock)
	if err != nil {
		return err
	}
	return s.connect(ctx, addr)
}

// SockAccept returns the next connection to a socket that listens, and suspends the
// calling task until there is one. The address of the client is the connection's
// RemoteAddr. If it is cancelled, the connection that comes goes to the next call. sock
// may be a net.Listener; one that is not of package net must have a SetDeadline. See
// SockRecv for the errors. (asyncio: loop.sock_accept)
func SockAccept(ctx context.Context, sock any) (net.Conn, error) {
	s, err := socketOf(ctx, "SockAccept", sock)
	if err != nil {
		return nil, err
	}
	return s.accept(ctx)
}
