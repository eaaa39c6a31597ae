package simnet

import (
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/goaio/aio/internal/netio"
)

// listener is a bound socket, which may listen. The connections that wait are taken by
// an acceptor or by a user.
type listener struct {
	src      source
	host     *Host
	at       netip.AddrPort // of TCP
	path     string         // the path of a Unix socket
	reuse    bool
	acceptor netio.Acceptor // nil before Start
	backlog  int
	waiting  []*stream // connections to be accepted
	queued   bool

	listening bool
	closed    bool
}

// overlaps reports whether sockets at these addresses would receive the same packets.
func overlaps(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().Is4() == b.Addr().Is4() &&
		(a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

// bindable returns the address at which a socket for addr may be bound. If addr has no
// port, it chooses a free one.
func (h *Host) bindable(addr netip.AddrPort, taken func(netip.AddrPort) bool) (netip.AddrPort, error) {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	if !h.own(addr.Addr()) {
		return addr, os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	if addr.Port() == 0 {
		port, err := h.ephemeral(func(p uint16) bool { return taken(netip.AddrPortFrom(addr.Addr(), p)) })
		return netip.AddrPortFrom(addr.Addr(), port), err
	}
	if taken(addr) {
		return addr, os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	return addr, nil
}

// BindTCP implements netio.Backend.
func (h *Host) BindTCP(addr netip.AddrPort, o netio.ListenOptions) (netio.Listener, error) {
	at, err := h.bindable(addr, func(at netip.AddrPort) bool {
		for other, lns := range h.listeners {
			if overlaps(at, other) && len(lns) > 0 && !(o.ReusePort && lns[0].reuse && at == other) {
				return true
			}
		}
		return false
	})
	if h.loop == nil {
		err = net.ErrClosed
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: net.TCPAddrFromAddrPort(addr), Err: err}
	}
	ln := &listener{host: h, at: at, reuse: o.ReusePort}
	h.listeners[at] = append(h.listeners[at], ln)
	return ln, nil
}

// BindUnix implements netio.Backend.
func (h *Host) BindUnix(path string, _ netio.ListenOptions) (netio.Listener, error) {
	var err error
	switch {
	case h.loop == nil:
		err = net.ErrClosed
	case h.paths[path] != nil || h.mailboxes[path] != nil && !h.mailboxes[path].closed:
		err = os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
	}
	ln := &listener{host: h, path: path}
	h.paths[path] = ln
	return ln, nil
}

// Listener implements netio.Backend.
func (h *Host) Listener(ln net.Listener) (netio.Listener, error) {
	if u, ok := ln.(*Socket); ok && u.ln != nil && u.host == h {
		l := u.ln
		u.release()
		return l, nil
	}
	return nil, h.foreign(ln)
}

// listenerFor returns the socket that accepts connections to addr, nil if there is
// none.
func (h *Host) listenerFor(addr net.Addr) *listener {
	var found []*listener
	switch a := addr.(type) {
	case *net.UnixAddr:
		if ln := h.paths[a.Name]; ln != nil {
			found = []*listener{ln}
		}
	case *net.TCPAddr:
		at := a.AddrPort()
		at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
		any := netip.IPv4Unspecified()
		if at.Addr().Is6() {
			any = netip.IPv6Unspecified()
		}
		if found = h.listeners[at]; len(found) == 0 {
			found = h.listeners[netip.AddrPortFrom(any, at.Port())]
		}
	}
	var open []*listener
	for _, ln := range found {
		if ln.listening {
			open = append(open, ln)
		}
	}
	if len(open) == 0 {
		return nil
	}
	return open[h.net.driver.Choose(len(open), "listener")]
}

// fullQueue reports whether no more connections may wait.
func (ln *listener) fullQueue() bool { return len(ln.waiting) > ln.backlog }

// listen makes the listener accept connections.
func (ln *listener) listen(backlog int) { ln.listening, ln.backlog = true, max(backlog, 0) }

// Start implements netio.Listener.
func (ln *listener) Start(a netio.Acceptor, backlog int) error {
	if ln.acceptor == nil {
		ln.acceptor = a
		ln.listen(backlog)
		ln.src.owner, ln.src.want = ln, netio.Readable
		ln.host.renew(ln, false)
	}
	return nil
}

// Hold stops accepting, or resumes it.
func (ln *listener) Hold(on bool) error {
	if ln.src.want = netio.Readable; on {
		ln.src.want = 0
	}
	ln.host.renew(ln, false)
	return nil
}

// source implements pollable.
func (ln *listener) source() *source { return &ln.src }

// readiness implements pollable.
func (ln *listener) readiness() netio.Readiness {
	if len(ln.waiting) > 0 && !ln.closed {
		return netio.Readable
	}
	return 0
}

// offer queues a connection to be accepted.
func (ln *listener) offer(s *stream) {
	ln.waiting = append(ln.waiting, s)
	ln.host.wake(ln, netio.Readable)
}

// Ready implements netio.Owner.
func (ln *listener) Ready(netio.Readiness) {
	if !ln.queued {
		ln.queued = true
		ln.host.loop.Soon(ln.accept)
	}
}

// Discard implements netio.Owner.
func (ln *listener) Discard() { ln.Close() }

// next takes the connection that has waited longest.
func (ln *listener) next() *stream {
	s := ln.waiting[0]
	ln.waiting = ln.waiting[1:]
	return s
}

// accept passes waiting connections to the acceptor.
func (ln *listener) accept() {
	ln.queued = false
	for range ln.backlog + 1 {
		if ln.closed || len(ln.waiting) == 0 || ln.src.want == 0 {
			return
		}
		s := ln.next()
		switch ln.host.fault("accept") {
		case NoFault, Short:
			ln.acceptor.Accepted(s)
		default: // the connection was closed before it was accepted
			s.abandoned()
		}
	}
}

// abandoned resets a connection that was never accepted.
func (s *stream) abandoned() {
	s.answerReset()
	s.broken = true
	s.Close()
}

// Close implements netio.Listener.
func (ln *listener) Close() {
	if ln.closed {
		return
	}
	ln.closed = true
	h := ln.host
	if ln.path != "" {
		if h.paths[ln.path] == ln {
			delete(h.paths, ln.path)
		}
	} else {
		lns := h.listeners[ln.at]
		for i, other := range lns {
			if other == ln {
				lns = append(lns[:i:i], lns[i+1:]...)
				break
			}
		}
		if len(lns) == 0 {
			delete(h.listeners, ln.at)
		} else {
			h.listeners[ln.at] = lns
		}
	}
	for _, s := range ln.waiting {
		s.abandoned()
	}
	ln.waiting = nil
}

// LocalAddr implements netio.Socket.
func (ln *listener) LocalAddr() net.Addr {
	if ln.path != "" {
		return &net.UnixAddr{Name: ln.path, Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(ln.at)
}

// RemoteAddr implements netio.Socket.
func (ln *listener) RemoteAddr() net.Addr { return nil }

// SyscallConn implements netio.Socket.
func (ln *listener) SyscallConn() (syscall.RawConn, error) {
	return nil, unsupported("give access to a descriptor")
}

// File implements netio.Socket.
func (ln *listener) File() (*os.File, error) { return nil, unsupported("give access to a descriptor") }
