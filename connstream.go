package aio

// A connection without a descriptor that the loop could poll (net.Pipe, a user's own net.Conn, any on a
// system without a poller) is served by two goroutines, behind the same interface as a socket. Each
// has a buffer that stands for the one the kernel has for a socket: one goroutine fills the first
// from the connection, the other empties the second into it, and both tell the loop.
//
// mu guards everything but what is immutable. The goroutines wait on conditions of it, so that they
// are durably blocked in a bubble of testing/synctest.

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// connBuffer is the size of each buffer.
	connBuffer = 64 << 10
	// connLinger is for how long a connection that was closed may take to send the rest.
	connLinger = time.Minute
)

type connStream struct {
	loop  *Loop
	conn  net.Conn
	owner pollable // of the loop, to whom readiness is told; owned by the token

	mu       sync.Mutex
	toRead   sync.Cond // in is empty, or closed is set
	toWrite  sync.Cond // there is something to do for the writing goroutine
	in       []byte    // that was read and not yet taken
	inErr    error
	inBuf    []byte
	out      []byte // that was taken and not yet written
	outErr   error
	full     bool // a write found no room
	halfDone bool // closeWrite was called
	closed   bool
	told     readiness // posted to the loop, and not yet passed on
}

// newConnStream starts serving conn.
func (l *Loop) newConnStream(conn net.Conn) *connStream {
	s := &connStream{loop: l, conn: conn}
	s.toRead.L, s.toWrite.L = &s.mu, &s.mu
	return s
}

func (s *connStream) attach(owner pollable) error {
	s.owner = owner
	s.loop.watching++
	s.loop.open.add(s)
	go s.readAll()
	go s.writeAll()
	return nil
}

// tell passes r on to the owner, by way of the loop. mu is locked.
func (s *connStream) tell(r readiness) {
	if s.told == 0 {
		s.loop.post(event{s, nil}, false)
	}
	s.told |= r
}

// run implements runnable.
func (s *connStream) run(*future) {
	s.mu.Lock()
	r := s.told
	s.told = 0
	closed := s.closed
	s.mu.Unlock()
	if !closed {
		s.owner.ready(r)
	}
}

// readAll is the goroutine that reads.
func (s *connStream) readAll() {
	buf := make([]byte, connBuffer)
	for {
		n, err := s.conn.Read(buf)
		s.mu.Lock()
		s.in, s.inErr = buf[:n], err
		if n > 0 || err != nil {
			s.tell(readable)
		}
		for len(s.in) > 0 && !s.closed {
			s.toRead.Wait()
		}
		closed := s.closed
		s.mu.Unlock()
		if closed || err != nil {
			return
		}
	}
}

// writeAll is the goroutine that writes. The last thing it does is to close the connection.
func (s *connStream) writeAll() {
	defer s.gone()
	var spare []byte
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.out) == 0 && !s.halfDone && !s.closed {
			s.toWrite.Wait()
		}
		switch {
		case len(s.out) > 0:
			p := s.out
			s.out = spare[:0]
			s.mu.Unlock()
			_, err := s.conn.Write(p)
			s.mu.Lock()
			spare = p
			if err != nil {
				s.outErr, s.out = err, nil
				s.tell(writable | hungUp)
				for !s.closed {
					s.toWrite.Wait()
				}
				return
			}
			if s.full {
				s.full = false
				s.tell(writable)
			}
		case s.closed:
			return
		default:
			s.halfDone = false
			s.mu.Unlock()
			_ = s.conn.(writeCloser).CloseWrite() // if it fails, so will what comes after it
			s.mu.Lock()
		}
	}
}

// gone is the end of the writing goroutine, and of the connection.
func (s *connStream) gone() {
	s.conn.Close()
	s.loop.open.remove(s)
}

func (s *connStream) read(p []byte) (n int, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.in) == 0 {
		if s.inErr != nil {
			return 0, false, s.inErr
		}
		return 0, false, errWouldBlock
	}
	n = copy(p, s.in)
	if s.in = s.in[n:]; len(s.in) == 0 {
		s.toRead.Signal()
	}
	return n, len(s.in) > 0 || s.inErr != nil, nil
}

func (s *connStream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outErr != nil {
		return 0, s.outErr
	}
	n = min(len(p), connBuffer-len(s.out))
	s.out = append(s.out, p[:n]...)
	s.full = n < len(p)
	s.toWrite.Signal()
	if n == 0 {
		return 0, errWouldBlock
	}
	return n, nil
}

// writeCloser is a connection whose writing half can be closed.
type writeCloser interface{ CloseWrite() error }

func (s *connStream) canCloseWrite() bool {
	_, ok := s.conn.(writeCloser)
	return ok
}

func (s *connStream) closeWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halfDone = true
	s.toWrite.Signal()
	return nil
}

func (s *connStream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	if s.owner == nil { // there are no goroutines
		s.conn.Close()
		return
	}
	s.loop.watching--
	_ = s.conn.SetWriteDeadline(time.Now().Add(connLinger))
	s.toRead.Signal()
	s.toWrite.Signal()
}

// shut closes the connection without sending the rest.
func (s *connStream) shut() {
	s.close()
	s.conn.Close()
}

func (s *connStream) localAddr() net.Addr  { return s.conn.LocalAddr() }
func (s *connStream) remoteAddr() net.Addr { return s.conn.RemoteAddr() }

func (s *connStream) socket() *TransportSocket { return &TransportSocket{s} }

func (s *connStream) syscallConn() (syscall.RawConn, error) { return syscallConnOf(s.conn) }

func (s *connStream) file() (*os.File, error) { return fileOf(s.conn) }

// openSet is what a loop has to close when it is closed itself, beside the descriptors in its
// poller: listeners, and connections that goroutines serve. Those included that are closed and still
// send the rest.
type openSet struct {
	mu sync.Mutex
	m  map[interface{ shut() }]struct{}
}

func (o *openSet) add(c interface{ shut() }) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.m == nil {
		o.m = map[interface{ shut() }]struct{}{}
	}
	o.m[c] = struct{}{}
}

func (o *openSet) remove(c interface{ shut() }) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.m, c)
}

// shut closes all at once.
func (o *openSet) shut() {
	o.mu.Lock()
	m := o.m
	o.m = nil
	o.mu.Unlock()
	for c := range m {
		c.shut()
	}
}
