package simnet

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/goaio/aio/internal/netio"
)

// listener is a bound socket, which may listen.
type listener struct {
	host     *Host
	at       netip.AddrPort // of TCP
	path     string         // of a Unix socket
	reuse    bool
	acceptor netio.Acceptor // nil before Start
	backlog  int
	waiting  []*stream // to be accepted
	queued   bool
	closed   bool
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
	case h.paths[path] != nil || h.mailboxes[path] != nil:
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
	return nil, unsupported(fmt.Sprintf("use a %T, which belongs to the real one", ln))
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
		if ln.acceptor != nil && len(ln.waiting) <= ln.backlog {
			open = append(open, ln)
		}
	}
	if len(open) == 0 {
		return nil
	}
	return open[h.net.driver.Choose(len(open), "listener")]
}

// Start implements netio.Listener.
func (ln *listener) Start(a netio.Acceptor, backlog int) error {
	if ln.acceptor == nil {
		ln.acceptor, ln.backlog = a, max(backlog, 0)
	}
	return nil
}

// offer queues a connection to be accepted.
func (ln *listener) offer(s *stream) {
	ln.waiting = append(ln.waiting, s)
	if !ln.queued {
		ln.queued = true
		ln.host.loop.Soon(ln.accept)
	}
}

// accept passes waiting connections to the acceptor.
func (ln *listener) accept() {
	ln.queued = false
	waiting := ln.waiting
	ln.waiting = nil
	for i, s := range waiting {
		if ln.closed {
			for _, s := range waiting[i:] {
				s.abandoned()
			}
			return
		}
		switch ln.host.fault("accept") {
		case NoFault, Short:
			ln.acceptor.Accepted(s)
		default: // it was closed before it was accepted
			s.abandoned()
		}
	}
}

// abandoned resets a connection that was never accepted.
func (s *stream) abandoned() {
	s.answerReset()
	s.err = syscall.ECONNRESET
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
	if !ln.queued {
		for _, s := range ln.waiting {
			s.abandoned()
		}
		ln.waiting = nil
	}
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
