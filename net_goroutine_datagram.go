package aio

// A datagram socket that the loop cannot poll (a net.PacketConn of another package, any
// on a system without a poller) has two goroutines, like connStream: one receives into
// a queue, the other sends from one, and both notify the loop. The queues are limited
// to the same size as those of a transport.

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/sysio"
)

type packetSocket struct {
	served[net.PacketConn]
	peer net.Conn // conn, if it is connected
	// the transport, which is notified of readiness; owned by the token
	owner netio.DatagramOwner

	// Guarded by mu.
	in    datagramQueue
	inErr error // the error after the datagrams of in
	out   datagramQueue
	errs  []error // errors of sends that were not reported yet
	// the sending goroutine holds a datagram that is not in out
	inSend bool
	want   netio.Readiness // the readiness that the owner waits for
}

// BindDatagram makes a socket that is bound to local and connected to remote, unless
// these are nil.
func (b goroutineBackend) BindDatagram(network string, local, remote net.Addr, o netio.DatagramOptions) (netio.Datagram, error) {
	var control func(network, address string, c syscall.RawConn) error
	if o.ReusePort {
		control = sysio.ReusePort
	}
	if remote != nil && !o.Broadcast { // does not block, because remote is not a name
		d := net.Dialer{LocalAddr: local, Control: control}
		conn, err := d.Dial(network, remote.String())
		if err != nil {
			return nil, err
		}
		return b.Datagram(conn.(net.PacketConn))
	}
	address := ""
	if local != nil {
		address = local.String()
	}
	c := net.ListenConfig{Control: control}
	conn, err := c.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return b.Datagram(conn)
}

// Datagram makes a socket from conn.
func (b goroutineBackend) Datagram(conn net.PacketConn) (netio.Datagram, error) {
	s := &packetSocket{}
	s.init(b.loop, conn)
	if c, ok := conn.(net.Conn); ok && c.RemoteAddr() != nil {
		s.peer = c
	}
	return s, nil
}

func (s *packetSocket) Attach(owner netio.DatagramOwner) error {
	s.owner = owner
	s.start(s)
	go s.receiveAll()
	go s.sendAll()
	return nil
}

// run implements runnable.
func (s *packetSocket) run(*future) {
	s.mu.Lock()
	r, errs, closed := s.notified(), s.errs, s.closed
	s.errs = nil
	s.mu.Unlock()
	if closed {
		return
	}
	for _, err := range errs {
		s.owner.ErrorReceived(err)
	}
	s.owner.Ready(r)
}

// Ready implements netio.Owner, for the hot list: there is more to receive.
func (s *packetSocket) Ready(netio.Readiness) { s.owner.Ready(netio.Readable) }

// Discard implements netio.Owner.
func (s *packetSocket) Discard() { s.Close() }

// receiveAll is the goroutine that receives.
func (s *packetSocket) receiveAll() {
	size := maxRead
	if _, ok := s.conn.(*net.UDPConn); ok {
		size = 64 << 10 // the maximum for UDP
	}
	buf := make([]byte, size)
	for {
		n, from, err := s.receiveOne(buf)
		if errors.Is(err, io.EOF) {
			err = net.ErrClosed
		}
		s.mu.Lock()
		if s.inErr = err; err == nil {
			s.in.push(buf[:n], from)
		}
		if s.want&netio.Readable != 0 {
			s.notify(netio.Readable, s)
		}
		for (s.in.size() >= connBuffer || s.inErr != nil) && !s.closed {
			s.toRead.Wait()
		}
		closed := s.closed
		s.mu.Unlock()
		if closed || errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// receiveOne calls the ReadFrom of the socket. It turns a panic into an error, as
// guarded does, and reports runtime.Goexit to the loop.
func (s *packetSocket) receiveOne(p []byte) (n int, from net.Addr, err error) {
	err = ErrGoexit
	defer func() {
		if err == ErrGoexit { // the goroutine ends: nothing will be received
			s.mu.Lock()
			defer s.mu.Unlock()
			s.errs = append(s.errs, err)
			s.notify(0, s)
		}
	}()
	defer recovered(&err)
	return s.conn.ReadFrom(p)
}

// sendAll is the goroutine that sends. At its end it closes the socket.
func (s *packetSocket) sendAll() {
	defer s.end(s)
	var batch datagramQueue
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for s.out.len() == 0 && !s.closed {
			s.toWrite.Wait()
		}
		if s.out.len() == 0 {
			return
		}
		batch, s.out = s.out, batch
		s.inSend = true
		var errs []error
		_ = s.unlocked(func() error {
			for batch.len() > 0 {
				p, to := batch.front()
				if err := s.sendOne(p, to); err != nil {
					errs = append(errs, err)
				}
				batch.pop()
			}
			return nil
		})
		s.inSend = false
		s.errs = append(s.errs, errs...)
		if r := s.want & netio.Writable; len(errs) > 0 || r != 0 && s.out.len() == 0 {
			s.notify(r, s)
		}
	}
}

// sendOne sends a datagram. If there is no room for an empty one, the Write of package
// net fails instead of waiting.
func (s *packetSocket) sendOne(p []byte, to net.Addr) (err error) {
	defer recovered(&err)
	if s.peer == nil {
		_, err = s.conn.WriteTo(p, to)
		return err
	}
	for {
		if _, err = s.peer.Write(p); len(p) > 0 || !errors.Is(err, syscall.EAGAIN) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

func (s *packetSocket) Watch(r netio.Readiness) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = r
	now := netio.Readiness(0)
	if r&netio.Readable != 0 && (s.in.len() > 0 || s.inErr != nil) {
		now |= netio.Readable
	}
	if r&netio.Writable != 0 && s.out.len() == 0 && !s.inSend {
		now |= netio.Writable
	}
	if now != 0 {
		s.notify(now, s)
	}
	return nil
}

func (s *packetSocket) Receive(p []byte) (n int, from net.Addr, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.in.len() > 0:
		q, addr := s.in.front()
		n, from = copy(p, q), addr
		s.in.pop()
	case s.inErr != nil:
		err, s.inErr = s.inErr, nil
	default:
		return 0, nil, netio.ErrWouldBlock
	}
	switch {
	case s.in.len() > 0 || s.inErr != nil:
		s.loop.polling.again(s, -1)
	default:
		s.toRead.Signal()
	}
	return n, from, err
}

func (s *packetSocket) Send(p []byte, to net.Addr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out.size() >= connBuffer {
		return netio.ErrWouldBlock
	}
	s.out.push(p, to)
	s.toWrite.Signal()
	return nil
}

func (s *packetSocket) Sending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.len() > 0 || s.inSend || len(s.errs) > 0
}

func (s *packetSocket) Fits(addr net.Addr) bool {
	switch s.conn.(type) {
	case *net.UDPConn:
		a, ok := addr.(*net.UDPAddr)
		return ok && a != nil
	case *net.UnixConn:
		a, ok := addr.(*net.UnixAddr)
		return ok && a != nil
	}
	return true
}

// closeWithLoop closes the socket without sending the rest.
func (s *packetSocket) closeWithLoop() {
	s.Close()
	s.closeConn()
}

func (s *packetSocket) RemoteAddr() net.Addr {
	if s.peer == nil {
		return nil
	}
	return s.peer.RemoteAddr()
}
