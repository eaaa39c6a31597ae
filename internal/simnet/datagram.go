package simnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/goaio/aio/internal/netio"
)

// datagram is a datagram socket.
type datagram struct {
	src     source
	host    *Host
	network string
	at      netip.AddrPort // of UDP
	path    string         // the path of a Unix socket, "" if it has none
	peer    net.Addr       // set if the socket is connected
	box     *datagram      // the connected peer of a Unix socket, nil once it is gone
	reuse   bool
	queue   []packet
	size    int
	err     error // the error that the next Receive or Send returns
	done    bool  // CloseWrite was called
	used    int   // the memory of datagrams that were sent and not received
	closed  bool

	blocked *datagram   // the socket whose queue was full for a Send
	senders []*datagram // the sockets that wait for room in the queue of this socket
}

// packet is a received datagram.
type packet struct {
	p      []byte
	from   net.Addr
	sender *datagram // set for a Unix socket
}

// BindDatagram implements netio.Backend.
func (h *Host) BindDatagram(network string, local, remote net.Addr, o netio.DatagramOptions) (netio.Datagram, error) {
	d := &datagram{host: h, network: network, reuse: o.ReusePort}
	op, about := "listen", local
	if remote != nil {
		op, about = "dial", remote
		if !o.Broadcast {
			d.peer = remote
		}
	}
	var err error
	switch {
	case h.loop == nil:
		err = net.ErrClosed
	case network == "unixgram":
		if err = d.bindPath(local); err == nil && d.peer != nil {
			err = d.connect(d.peer)
		}
	default:
		err = d.bind(local, remote)
	}
	if err != nil {
		return nil, &net.OpError{Op: op, Net: network, Source: local, Addr: about, Err: err}
	}
	return d, nil
}

func (d *datagram) bindPath(local net.Addr) error {
	h := d.host
	if local == nil {
		return nil
	}
	d.path = local.String()
	if box := h.mailboxes[d.path]; box != nil && !box.closed || h.paths[d.path] != nil {
		return os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	h.mailboxes[d.path] = d
	return nil
}

func (d *datagram) bind(local, remote net.Addr) error {
	h := d.host
	at := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if d.network == "udp6" {
		at = netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	}
	if local != nil {
		at = local.(*net.UDPAddr).AddrPort()
	}
	at, err := h.bindable(at, func(at netip.AddrPort) bool {
		for other, ds := range h.datagrams {
			if overlaps(at, other) && len(ds) > 0 && !(d.reuse && ds[0].reuse && at == other) {
				return true
			}
		}
		return false
	})
	if err != nil {
		return err
	}
	if remote != nil && d.peer != nil {
		to := remote.(*net.UDPAddr).AddrPort().Addr().Unmap()
		if h.route(to) == nil {
			return os.NewSyscallError("connect", syscall.ENETUNREACH)
		}
		if at.Addr().IsUnspecified() {
			at = netip.AddrPortFrom(h.source(to), at.Port())
		}
	}
	d.at = at
	h.datagrams[at] = append(h.datagrams[at], d)
	return nil
}

// Datagram implements netio.Backend.
func (h *Host) Datagram(conn net.PacketConn) (netio.Datagram, error) {
	if u, ok := conn.(*Socket); ok && u.dg != nil && u.host == h {
		d := u.dg
		u.release()
		return d, nil
	}
	return nil, h.foreign(conn)
}

// connect sets the destination of all datagrams.
func (d *datagram) connect(to net.Addr) error {
	if !d.Fits(to) {
		return os.NewSyscallError("connect", syscall.EAFNOSUPPORT)
	}
	if d.network == "unixgram" {
		box := d.host.mailboxes[to.String()]
		switch {
		case box == nil:
			return os.NewSyscallError("connect", syscall.ENOENT)
		case box.closed:
			return os.NewSyscallError("connect", syscall.ECONNREFUSED)
		}
		d.peer, d.box = to, box
		return nil
	}
	d.peer = to
	if d.at.IsValid() {
		return nil
	}
	return d.bind(nil, to)
}

// Attach implements netio.Datagram.
func (d *datagram) Attach(owner netio.DatagramOwner) error {
	d.src.owner = owner
	return d.Watch(netio.Readable)
}

// Watch implements netio.Datagram.
func (d *datagram) Watch(r netio.Readiness) error {
	if d.src.want = r; !d.closed {
		d.host.wake(d, d.readiness())
	}
	return nil
}

// source implements pollable.
func (d *datagram) source() *source { return &d.src }

// readiness implements pollable. There is always room to send over UDP.
func (d *datagram) readiness() netio.Readiness {
	if d.closed {
		return 0
	}
	var r netio.Readiness
	if to := d.blocked; (to == nil || to.closed || !to.fullQueue()) && 4*d.used <= unixBuffer {
		r |= netio.Writable
	}
	if len(d.queue) > 0 || d.err != nil {
		r |= netio.Readable
	}
	return r
}

// fullQueue reports whether a sender must wait. Only Unix sockets have such a limit.
func (d *datagram) fullQueue() bool { return d.network == "unixgram" && len(d.queue) > maxQueue }

// Receive implements netio.Datagram.
func (d *datagram) Receive(p []byte) (n int, from net.Addr, err error) {
	if d.closed {
		return 0, nil, net.ErrClosed
	}
	if err := d.err; err != nil {
		d.err = nil
		return 0, nil, &net.OpError{Op: "read", Net: d.network, Source: d.LocalAddr(), Addr: d.peer, Err: err}
	}
	if len(d.queue) == 0 {
		return 0, nil, netio.ErrWouldBlock
	}
	q := d.queue[0]
	d.queue[0] = packet{}
	if d.queue = d.queue[1:]; len(d.queue) == 0 {
		d.queue = nil
	}
	d.size -= len(q.p) + packetCost
	if q.sender != nil {
		q.sender.used -= datagramCost(len(q.p))
		d.host.wake(q.sender, netio.Writable)
	}
	d.wakeSenders()
	return copy(p, q.p), q.from, nil
}

// A sender waits while more than maxQueue datagrams are in the queue of a Unix socket.
// (net.unix.max_dgram_qlen)
const maxQueue = 10

// packetCost is the overhead of a datagram in a socket's receive buffer.
const packetCost = 256

// Send implements netio.Datagram.
func (d *datagram) Send(p []byte, to net.Addr) error {
	if d.closed {
		return net.ErrClosed
	}
	if d.peer != nil {
		to = d.peer
	}
	err := d.send(p, to)
	if err == netio.ErrWouldBlock {
		return err
	}
	if err != nil {
		return &net.OpError{Op: "write", Net: d.network, Source: d.LocalAddr(), Addr: to, Err: os.NewSyscallError("sendto", err)}
	}
	return nil
}

func (d *datagram) send(p []byte, to net.Addr) error {
	switch {
	case d.done:
		return syscall.EPIPE
	case d.network == "unixgram":
		return d.sendUnix(p, to)
	case d.err != nil:
		var errno syscall.Errno
		errors.As(d.err, &errno)
		d.err = nil
		return errno
	}
	if len(p) > maxDatagram {
		return syscall.EMSGSIZE
	}
	h := d.host
	data := slices.Clone(p)
	addr, _ := to.(*net.UDPAddr)
	if addr == nil {
		return syscall.EDESTADDRREQ
	}
	target := netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), addr.AddrPort().Port())
	if target.Addr().Is4() != (d.network != "udp6") {
		return syscall.EAFNOSUPPORT
	}
	dest := h.route(target.Addr())
	if dest == nil {
		return syscall.ENETUNREACH
	}
	source := netip.AddrPortFrom(h.source(target.Addr()), d.at.Port())
	if !d.at.Addr().IsUnspecified() {
		source = d.at
	}
	switch h.fault("send", Reset, TimedOut) {
	case Reset:
		// an unconnected socket does not report the answer of a closed port
		if d.peer == nil {
			return syscall.ENETUNREACH
		}
		return syscall.ECONNREFUSED
	case TimedOut:
		h.net.count.Dropped++
		return nil
	}
	l := h.net.Link(h, dest)
	copies := 1
	if l.chance(l.twice, "twice") {
		copies = 2
	}
	for range copies {
		if l.cut || dest.loop == nil || l.chance(l.loss, "loss") {
			h.net.count.Dropped++
			h.net.driver.Note(fmt.Sprintf("a datagram from %s to %s is lost", h.name, dest.name))
			continue
		}
		l.deliver(h.net.driver.Now()+l.latency(), event{kind: evCall, fn: func(dest *Host) { dest.receive(data, source, target, d) }})
	}
	return nil
}

func (d *datagram) sendUnix(p []byte, to net.Addr) error {
	if len(p) > unixBuffer-32 {
		return syscall.EMSGSIZE
	}
	box := d.box
	if d.peer == nil {
		addr, ok := to.(*net.UnixAddr)
		if !ok {
			return syscall.ENOTCONN
		}
		box = d.host.mailboxes[addr.Name]
	}
	switch {
	case box == nil && d.peer != nil:
		return syscall.ENOTCONN
	case box == nil:
		return syscall.ENOENT
	case box.closed && d.peer != nil:
		// as on Linux, which also drops the datagrams that wait to be received
		d.box = nil
		d.drop()
		return syscall.ECONNREFUSED
	case box.closed:
		return syscall.ECONNREFUSED
	case d.used >= unixBuffer:
		return netio.ErrWouldBlock
	case box.fullQueue():
		d.blocked = box
		box.senders = append(box.senders, d)
		return netio.ErrWouldBlock
	}
	d.blocked = nil
	// datagrams between Unix sockets are not lost
	if d.host.fault("send", Reset) == Reset {
		return syscall.ECONNREFUSED
	}
	var from net.Addr
	if d.path != "" {
		from = &net.UnixAddr{Name: d.path, Net: "unixgram"}
	}
	d.used += datagramCost(len(p))
	box.arrived(packet{slices.Clone(p), from, d})
	return nil
}

// datagramCost is the memory that a datagram of a Unix socket takes on Linux.
func datagramCost(n int) int {
	const most = 16064 // bytes in one memory block
	pages := 0
	if n > most {
		pages = (n - most + page - 1) / page * page
	}
	head := 512
	for head < n-pages+320 {
		head *= 2
	}
	return head + pages + 256
}

// receive finds the socket for a datagram from sender.
func (h *Host) receive(p []byte, from, to netip.AddrPort, sender *datagram) {
	found := h.datagrams[to]
	if len(found) == 0 {
		any := netip.IPv4Unspecified()
		if to.Addr().Is6() {
			any = netip.IPv6Unspecified()
		}
		found = h.datagrams[netip.AddrPortFrom(any, to.Port())]
	}
	var open []*datagram
	for _, d := range found {
		if d.peer == nil || d.peer.(*net.UDPAddr).AddrPort().Port() == from.Port() &&
			d.peer.(*net.UDPAddr).AddrPort().Addr().Unmap() == from.Addr() {
			open = append(open, d)
		}
	}
	if len(open) > 0 {
		open[h.net.driver.Choose(len(open), "socket")].arrived(packet{p, net.UDPAddrFromAddrPort(from), nil})
		return
	}
	h.net.count.Dropped++
	if sender.peer == nil {
		return
	}
	// The answer for a closed port.
	back := h.net.Link(h, sender.host)
	if back.cut || sender.host.loop == nil {
		return
	}
	back.deliver(h.net.driver.Now()+back.latency(), event{kind: evCall, fn: func(*Host) {
		if !sender.closed {
			sender.err = os.NewSyscallError("recvfrom", syscall.ECONNREFUSED)
			sender.host.wake(sender, netio.Readable)
		}
	}})
}

// arrived adds a datagram to the queue, if there is room.
func (d *datagram) arrived(p packet) {
	n := d.host.net
	if d.closed || d.network != "unixgram" && d.size+len(p.p)+packetCost > datagramsMax {
		n.count.Dropped++
		return
	}
	n.count.Datagrams++
	d.size += len(p.p) + packetCost
	d.queue = append(d.queue, p)
	d.host.wake(d, netio.Readable)
}

// wakeSenders tells the waiting senders that there is room.
func (d *datagram) wakeSenders() {
	if len(d.senders) == 0 || !d.closed && d.fullQueue() {
		return
	}
	senders := d.senders
	d.senders = nil
	for _, s := range senders {
		s.host.wake(s, netio.Writable)
	}
}

// Sending implements netio.Datagram.
func (d *datagram) Sending() bool { return false }

// Fits implements netio.Datagram.
func (d *datagram) Fits(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.UDPAddr:
		return a != nil && strings.HasPrefix(d.network, "udp")
	case *net.UnixAddr:
		return a != nil && d.network == "unixgram"
	}
	return false
}

// Close implements netio.Datagram.
func (d *datagram) Close() {
	if d.closed {
		return
	}
	d.closed = true
	d.drop()
	d.wakeSenders()
	if d.network == "unixgram" {
		return // the file of the socket remains
	}
	h := d.host
	ds := slices.DeleteFunc(slices.Clone(h.datagrams[d.at]), func(other *datagram) bool { return other == d })
	if len(ds) == 0 {
		delete(h.datagrams, d.at)
	} else {
		h.datagrams[d.at] = ds
	}
}

// drop discards the datagrams that were not received.
func (d *datagram) drop() {
	for _, q := range d.queue {
		if q.sender != nil {
			q.sender.used -= datagramCost(len(q.p))
			d.host.wake(q.sender, netio.Writable)
		}
	}
	d.queue, d.size = nil, 0
}

// LocalAddr implements netio.Socket.
func (d *datagram) LocalAddr() net.Addr {
	if d.network == "unixgram" {
		return &net.UnixAddr{Name: d.path, Net: "unixgram"}
	}
	return net.UDPAddrFromAddrPort(d.at)
}

// RemoteAddr implements netio.Socket.
func (d *datagram) RemoteAddr() net.Addr {
	if d.peer == nil {
		return nil
	}
	return d.peer
}

// SyscallConn implements netio.Socket.
func (d *datagram) SyscallConn() (syscall.RawConn, error) {
	return nil, unsupported("give access to a descriptor")
}

// File implements netio.Socket.
func (d *datagram) File() (*os.File, error) { return nil, unsupported("give access to a descriptor") }
