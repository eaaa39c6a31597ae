package aio

// The calls that use a socket without a transport. They have two implementations behind
// one interface. On a descriptor a call is tried at once, and if it would block, the
// loop's poller reports when to try again (net_poll_sock.go). A socket that has only
// methods, such as a net.Conn of another package, or any socket where there is no
// poller, is used in a goroutine (goSocket).
//
// Data that arrives for a cancelled call must go to the next one. On a descriptor this
// needs no code: the woken task itself reads, so until then the data is in the kernel.
// A goroutine may have read it already when the cancellation comes; then the loop keeps
// it, in an ioQueue.

import (
	"context"
	"net"
)

// socketOf begins each of the calls.
func socketOf(ctx context.Context, call string, sock any) (socket, error) {
	c, err := enter(ctx, call)
	if err != nil {
		return nil, err
	}
	return c.fut.loop.descriptors().socket(call, sock)
}

// SockRecv returns data from sock, up to n bytes, and suspends the calling task while
// there is none. At EOF it returns no bytes and no error.
//
// sock, here and in the other calls, is the number of a non-blocking descriptor (int or
// uintptr), or a value that has a descriptor: a connection or listener of package net,
// an [*os.File]. Where the system has no poller (Windows, js) it must be one of package
// net. Any other [net.Conn], [net.PacketConn] or [net.Listener] is used through its
// methods, in a goroutine; then the calls always suspend, and they set its deadlines.
//
// One task at a time may receive from a socket, and one may send. On a descriptor a
// second receiver, or an AddReader, replaces the one that waits, which then waits for
// ever; calls through methods are served in order. A call that waits does not notice
// that its descriptor is closed: cancel it first.
//
// If the task is cancelled nothing was read: data that arrives goes to the next call.
// The error is that of the system, one that matches [ErrUsage] if n is negative, sock
// is none of these, is blocking or belongs to a transport, [errors.ErrUnsupported]
// where there is no poller, or one of those of [Future.Await].
//
// (asyncio: loop.sock_recv, which refuses a blocking socket in debug mode only)
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

// SockRecvInto is [SockRecv] into buf. It returns the number of bytes read, 0 at EOF.
// (asyncio: loop.sock_recv_into)
func SockRecvInto(ctx context.Context, sock any, buf []byte) (int, error) {
	s, err := socketOf(ctx, "SockRecvInto", sock)
	if err != nil {
		return 0, err
	}
	p, err := s.recv(ctx, func() []byte { return buf })
	return len(p), err
}

// SockRecvfrom returns the next datagram and its sender, a [*net.UDPAddr] or
// [*net.UnixAddr], nil if the sender has no address. A datagram longer than n bytes is
// truncated. Otherwise it is like [SockRecv]. (asyncio: loop.sock_recvfrom)
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

// SockRecvfromInto is [SockRecvfrom] into buf, and returns the number of bytes read.
// (asyncio: loop.sock_recvfrom_into, whose nbytes is the length of buf here)
func SockRecvfromInto(ctx context.Context, sock any, buf []byte) (int, net.Addr, error) {
	s, err := socketOf(ctx, "SockRecvfromInto", sock)
	if err != nil {
		return 0, nil, err
	}
	p, addr, err := s.recvfrom(ctx, func() []byte { return buf })
	return len(p), addr, err
}

// SockSendall sends all of p, and suspends the calling task while there is no room. p
// must not change until it returns. If it is cancelled or fails, an unknown part of p
// may have been sent. [SockRecv] describes sock and the errors. (asyncio:
// loop.sock_sendall)
func SockSendall(ctx context.Context, sock any, p []byte) error {
	s, err := socketOf(ctx, "SockSendall", sock)
	if err != nil {
		return err
	}
	return s.sendall(ctx, p)
}

// SockSendto sends p as one datagram to addr, a [*net.UDPAddr] or [*net.UnixAddr], or
// nil if the socket is connected, and returns the length of p. It suspends the calling
// task while there is no room; if it is cancelled then, nothing was sent. An address of
// another type gives an error that matches [ErrUsage]. [SockRecv] describes sock and
// the other errors.
//
// (asyncio: loop.sock_sendto)
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

// SockConnect connects a socket that the caller has made, given by the number of its
// descriptor, to addr: "host:port" or, for a Unix socket, a path. A host name is looked
// up for the socket's own family and type, and the first address is used. A socket that
// is connected already stays as it is.
//
// It suspends the calling task until the connection is established. If it is cancelled,
// the attempt may continue in the system, and the same SockConnect may be called again
// to wait for its end.
//
// The error is a [*net.OpError] if the connection fails and a [*net.DNSError] if the
// name is not found. It matches [ErrUsage] if addr has another form or sock is a type
// that is always connected. [SockRecv] lists the other errors.
//
// (asyncio: loop.sock_connect)
func SockConnect(ctx context.Context, sock any, addr string) error {
	s, err := socketOf(ctx, "SockConnect", sock)
	if err != nil {
		return err
	}
	return s.connect(ctx, addr)
}

// SockAccept returns the next connection to a listening socket, and suspends the
// calling task until there is one. The address of the client is the connection's
// RemoteAddr.
//
// If SockAccept is cancelled, the next connection goes to the next call. sock may be a
// [net.Listener]; one of another package than net must have a SetDeadline method.
// [SockRecv] lists the errors.
//
// (asyncio: loop.sock_accept)
func SockAccept(ctx context.Context, sock any) (net.Conn, error) {
	s, err := socketOf(ctx, "SockAccept", sock)
	if err != nil {
		return nil, err
	}
	return s.accept(ctx)
}
