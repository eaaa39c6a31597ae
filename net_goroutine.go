package aio

// The back end on goroutines: for systems without a poller, and for what a poller cannot
// serve.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/goaio/aio/internal/netio"
)

// goroutineBackend serves connections of any type, each with goroutines of its own.
type goroutineBackend struct{ loop *Loop }

func (b goroutineBackend) Stream(conn net.Conn) (netio.Stream, error) {
	return b.loop.newConnStream(conn), nil
}

func (b goroutineBackend) DialTCP(ctx context.Context, remote, local netip.AddrPort) (netio.Stream, error) {
	return b.loop.dialInGoroutine(ctx, "tcp", remote.String(), local)
}

func (b goroutineBackend) DialUnix(ctx context.Context, path string) (netio.Stream, error) {
	return b.loop.dialInGoroutine(ctx, "unix", path, netip.AddrPort{})
}

// watch implements fileBackend: there is no way to wait for a descriptor.
func (goroutineBackend) watch(int, netio.Owner) error { return errors.ErrUnsupported }

const (
	// connLinger is how long a closed connection may take to send the rest, and
	// connAbortTimeout the same after Abort or when the loop is closed. After a
	// failed write the connection is still read for that long.
	connLinger       = time.Minute
	connAbortTimeout = time.Second
)

// served is a connection or socket that two goroutines serve, one in each direction.
// Each has a buffer that corresponds to the kernel's buffer of a socket.
//
// mu guards everything but what is immutable. The goroutines wait on conditions of it,
// so that they are durably blocked in a bubble of testing/synctest.
type served[C servedConn] struct {
	loop *Loop
	conn C

	mu       sync.Mutex
	toRead   sync.Cond // the reading goroutine may continue, or closed is set
	toWrite  sync.Cond // there is work for the writing goroutine
	attached bool      // the goroutines run
	closed   bool
	pending  netio.Readiness // posted to the loop, and not passed on yet
	posted   bool

	// conn was closed: a user's own type may not support closing twice
	connClosed atomic.Bool
}

// servedConn has the methods that are common to net.Conn and net.PacketConn.
type servedConn interface {
	Close() error
	LocalAddr() net.Addr
	SetWriteDeadline(time.Time) error
}

func (s *served[C]) init(l *Loop, conn C) {
	s.loop, s.conn = l, conn
	s.toRead.L, s.toWrite.L = &s.mu, &s.mu
}

// start must be called before the goroutines run; self is closed with the loop.
func (s *served[C]) start(self interface{ closeWithLoop() }) {
	s.attached = true
	s.loop.outsideWaits++
	s.loop.open.add(self)
}

// end must be called when the goroutines have ended.
func (s *served[C]) end(self interface{ closeWithLoop() }) {
	s.closeConn()
	s.loop.open.remove(self)
}

// notify reports r to the owner: the loop runs entry, which reads the report. mu must
// be locked.
func (s *served[C]) notify(r netio.Readiness, entry runnable) {
	s.pending |= r
	if !s.posted {
		s.posted = true
		s.loop.post(readyEntry{entry, nil}, false)
	}
}

// notified returns what notify has recorded. mu must be locked.
func (s *served[C]) notified() netio.Readiness {
	r := s.pending
	s.pending, s.posted = 0, false
	return r
}

// Close ends the goroutines, after giving them time to send the rest.
func (s *served[C]) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	if !s.attached {
		s.closeConn()
		return
	}
	s.loop.outsideWaits--
	s.setWriteTimeout(connLinger)
	s.toRead.Signal()
	s.toWrite.Signal()
}

// closeConn closes the connection itself, once.
func (s *served[C]) closeConn() {
	if !s.connClosed.Swap(true) {
		_ = guarded(s.conn.Close)
	}
}

// setWriteTimeout limits the time for sending the rest.
func (s *served[C]) setWriteTimeout(d time.Duration) {
	_ = guarded(func() error { return s.conn.SetWriteDeadline(time.Now().Add(d)) })
}

// guarded calls a method of a type of the user. In a goroutine of this package, where
// nothing else recovers it, a panic would end the program: it becomes an error of the
// connection.
func guarded(f func() error) (err error) {
	defer recovered(&err)
	return f()
}

// unlocked is like guarded, for a call during which mu is unlocked. If f calls
// runtime.Goexit, mu is locked again for what the goroutine has deferred.
func (s *served[C]) unlocked(f func() error) (err error) {
	s.mu.Unlock()
	defer s.mu.Lock()
	defer recovered(&err)
	return f()
}

func (s *served[C]) LocalAddr() net.Addr { return s.conn.LocalAddr() }

func (s *served[C]) SyscallConn() (syscall.RawConn, error) { return syscallConnOf(s.conn) }

func (s *served[C]) File() (*os.File, error) { return fileOf(s.conn) }

// SetLinger is for TransportSocket.
func (s *served[C]) SetLinger(sec int) error {
	if c, ok := any(s.conn).(interface{ SetLinger(sec int) error }); ok {
		return c.SetLinger(sec)
	}
	return fmt.Errorf("aio: a %T has no SetLinger: %w", s.conn, errors.ErrUnsupported)
}

// dialInGoroutine connects where the loop cannot: the caller waits as for any job. A
// connection that is established after the caller has stopped waiting is closed.
func (l *Loop) dialInGoroutine(ctx context.Context, network, addr string, local netip.AddrPort) (netio.Stream, error) {
	d := net.Dialer{KeepAlive: -1}
	if local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(local)
	}
	var mu sync.Mutex
	var got net.Conn
	unwanted := false
	conn, err := inExecutor(ctx, func(ctx context.Context) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		if got = conn; err == nil && unwanted {
			conn.Close()
		}
		return conn, err
	})
	if err != nil {
		mu.Lock()
		defer mu.Unlock()
		if unwanted = true; got != nil {
			got.Close()
		}
		return nil, err
	}
	return l.newConnStream(conn), nil
}
