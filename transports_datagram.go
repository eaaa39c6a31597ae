package aio

// datagramTransport is the DatagramTransport of sockets, and of every other
// net.PacketConn. The token owns it.
//
// Its socket reports its readiness in each pass, like a level-triggered poller. An edge
// would require reading until there is nothing left, and a datagram does not tell
// whether it was the last one: if requests come one by one, that is a second read and a
// second poll for each. asyncio is level-triggered too, so passes and their order are
// the same.
//
// When the transport runs it makes one read, so that no socket keeps the others
// waiting, or sends from the queue until the socket accepts no more. After a datagram
// that failed, the rest waits for the next pass.

import (
	"errors"
	"fmt"
	"net"

	"github.com/goaio/aio/internal/netio"
)

type datagramTransport struct {
	endpoint
	flow
	sock netio.Datagram
	data DatagramReceiver // the protocol, if it is a DatagramReceiver; otherwise nil
	// the destination of all datagrams, nil if each has its own
	target net.Addr
	local  net.Addr // set once the address was requested, or the transport is closed

	out      datagramQueue
	flushing bool // the datagrams in out wait for the socket
	gone     bool // ConnectionLost was called
}

// newDatagramTransport makes the transport of s, which opens in the next pass: then
// ConnectionMade is called, and reading starts. After an error s still belongs to the
// caller.
func (l *Loop) newDatagramTransport(s netio.Datagram, target net.Addr, p Protocol) (*datagramTransport, error) {
	t := &datagramTransport{sock: s, target: target}
	t.endpoint = endpoint{loop: l, self: t}
	t.flow = newFlow(&t.endpoint, defaultHigh)
	if err := t.use(p); err != nil {
		return nil, err
	}
	if err := s.Attach((*datagramOwner)(t)); err != nil {
		return nil, err
	}
	t.open()
	return t, nil
}

func (t *datagramTransport) use(p Protocol) error {
	if err := checkProtocol[DatagramTransport](p); err != nil {
		return err
	}
	t.protocol = p
	t.data, _ = p.(DatagramReceiver)
	return nil
}

// proceed implements lifeCycle.
func (t *datagramTransport) proceed() {
	if !t.lost {
		t.watch()
	}
}

// release implements lifeCycle.
func (t *datagramTransport) release() {
	t.gone = true
	t.localAddr() // stores the address for later requests
	t.sock.Close()
}

// watch tells the socket which readiness the transport waits for.
func (t *datagramTransport) watch() {
	var r netio.Readiness
	if !t.closing {
		r |= netio.Readable
	}
	if t.flushing {
		r |= netio.Writable
	}
	if err := t.sock.Watch(r); err != nil {
		t.forceClose(err)
	}
}

// datagramOwner is the transport as its socket sees it: methods that a user's transport
// must not have.
type datagramOwner datagramTransport

func (o *datagramOwner) Ready(r netio.Readiness) { (*datagramTransport)(o).ready(r) }
func (o *datagramOwner) Discard()                { (*datagramTransport)(o).discard() }
func (o *datagramOwner) ErrorReceived(err error) { (*datagramTransport)(o).errorReceived(err) }

// ready queues the work that is possible and wanted.
func (t *datagramTransport) ready(r netio.Readiness) {
	t.toRead = t.toRead || t.opened && !t.closing && r&(netio.Readable|netio.HungUp) != 0
	t.toWrite = t.toWrite || t.flushing && r&(netio.Writable|netio.HungUp) != 0
	t.enqueue(t)
}

// discard closes the socket because the loop is closed.
func (t *datagramTransport) discard() { t.sock.Close() }

// run implements runnable.
func (t *datagramTransport) run(*future) {
	read, write := t.dequeued()
	if read && !t.closing {
		t.readOnce()
	}
	if write && t.flushing {
		t.flush()
	}
}

// source implements sourced.
func (t *datagramTransport) source() any { return t }

// readOnce receives one datagram and delivers it.
func (t *datagramTransport) readOnce() {
	buf := t.loop.readBuffer()
	n, from, err := t.sock.Receive(buf)
	switch {
	case err == netio.ErrWouldBlock:
	case errors.Is(err, net.ErrClosed):
		t.forceClose(err)
	case err != nil:
		t.errorReceived(err)
	case t.data != nil:
		if err := t.deliver(buf[:n:n], from); err != nil {
			t.report("protocol.DatagramReceived() failed", err)
		}
	}
}

// deliver passes a datagram to the protocol.
func (t *datagramTransport) deliver(p []byte, from net.Addr) (err error) {
	defer recovered(&err)
	t.data.DatagramReceived(p, from)
	return nil
}

// errorReceived passes the error of one datagram to the protocol.
func (t *datagramTransport) errorReceived(err error) {
	if p, ok := t.protocol.(ErrorReceiver); ok && !t.gone {
		t.guard("protocol.ErrorReceived() failed", func() { p.ErrorReceived(err) })
	}
}

// forceClose closes the transport without regard to the queue.
func (t *datagramTransport) forceClose(err error) {
	if !t.lost {
		t.out = datagramQueue{}
		t.flushing = false
		t.lose(err)
	}
}

func (t *datagramTransport) close() {
	if t.closing {
		return
	}
	t.closing = true
	if t.out.len() == 0 && !t.sock.Sending() {
		t.flushing = false
		t.lose(nil)
		return
	}
	t.flushing = true
	t.watch()
}

// Abort implements DatagramTransport.
func (t *datagramTransport) Abort() {
	t.loop.check("DatagramTransport.Abort")
	t.forceClose(nil)
}

// SendTo implements [DatagramTransport]. An endpoint without a target continues to send
// until ConnectionLost, as in asyncio.
func (t *datagramTransport) SendTo(p []byte, addr net.Addr) error {
	if err := t.loop.checked("DatagramTransport.SendTo"); err != nil {
		return err
	}
	to, err := t.destination(addr)
	if err != nil {
		return err
	}
	if t.gone || t.lost && t.target != nil {
		return t.dropped()
	}
	if t.out.len() == 0 {
		err := t.sock.Send(p, to)
		if err == nil {
			return nil
		}
		if err != netio.ErrWouldBlock {
			t.errorReceived(err)
			return nil
		}
		if !t.lost {
			t.flushing = true
			t.watch()
		}
		if t.lost {
			return t.dropped()
		}
	}
	t.out.push(p, to)
	t.maybePause(t.out.size())
	return nil
}

// destination returns the destination of a datagram that is sent to addr.
func (t *datagramTransport) destination(addr net.Addr) (net.Addr, error) {
	switch {
	case t.target != nil && (addr == nil || sameAddr(addr, t.target)):
		return t.target, nil
	case t.target != nil:
		return nil, usagef("DatagramTransport.SendTo", "the address must be nil or %v, not %v", t.target, addr)
	case addr == nil:
		return nil, usagef("DatagramTransport.SendTo", "the endpoint has no remote address, so each datagram needs one")
	case !t.sock.Fits(addr):
		return nil, usagef("DatagramTransport.SendTo", "a %T is not an address for a socket that has a %T", addr, t.localAddr())
	}
	return addr, nil
}

// sameAddr reports whether two addresses are equivalent.
func sameAddr(a, b net.Addr) bool {
	ua, aIsUDP := a.(*net.UDPAddr)
	ub, bIsUDP := b.(*net.UDPAddr)
	if aIsUDP && bIsUDP {
		return ua != nil && ua.IP.Equal(ub.IP) && ua.Port == ub.Port && ua.Zone == ub.Zone
	}
	return a.Network() == b.Network() && a.String() == b.String()
}

// flush sends from the queue.
func (t *datagramTransport) flush() {
	failed := false
	for t.out.len() > 0 && !failed {
		p, to := t.out.front()
		err := t.sock.Send(p, to)
		if err == netio.ErrWouldBlock {
			break
		}
		t.out.pop()
		if failed = err != nil; failed {
			t.errorReceived(err)
		}
	}
	if !failed {
		t.maybeResume(t.out.size()) // the protocol may send again, or close
	}
	switch {
	case t.lost:
	case failed || t.out.len() > 0 || t.closing && t.sock.Sending():
		t.watch()
	case t.closing:
		t.flushing = false
		t.loseNow()
	default:
		t.flushing = false
		t.watch()
	}
}

// SetWriteBufferLimits implements DatagramTransport.
func (t *datagramTransport) SetWriteBufferLimits(high, low int) {
	t.loop.check("DatagramTransport.SetWriteBufferLimits")
	t.setLimits(high, low, defaultHigh)
	t.maybePause(t.out.size())
}

// GetWriteBufferSize implements DatagramTransport.
func (t *datagramTransport) GetWriteBufferSize() int {
	t.loop.check("DatagramTransport.GetWriteBufferSize")
	return t.out.size()
}

// GetExtraInfo implements BaseTransport.
func (t *datagramTransport) GetExtraInfo(name string) any {
	t.loop.check("DatagramTransport.GetExtraInfo")
	switch name {
	case "socket":
		return &TransportSocket{t.sock}
	case "sockname":
		if addr := t.localAddr(); addr != nil {
			return addr
		}
	case "peername":
		if addr := t.sock.RemoteAddr(); addr != nil {
			return addr
		}
	}
	return nil
}

// localAddr returns the local address, nil if it is not known.
func (t *datagramTransport) localAddr() net.Addr {
	if t.local == nil {
		t.local = t.sock.LocalAddr()
	}
	return t.local
}

// String names the transport and its state.
func (t *datagramTransport) String() string {
	return t.text("DatagramTransport", func() string {
		return fmt.Sprintf("%s %v-%v write buffer %d", t.state(), t.localAddr(), t.target, t.out.size())
	})
}
