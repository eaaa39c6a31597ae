package aio

// A connection without a pollable descriptor (net.Pipe, a net.Conn of another package,
// any on a system without a poller) has two goroutines, behind the same interface as a
// socket. Each has a buffer that corresponds to the kernel's buffer of a socket: one
// goroutine fills the first buffer from the connection, the other writes the second
// buffer to it, and both notify the loop.

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/goaio/aio/internal/netio"
)

const (
	// connBuffer is the size to which each buffer grows under load, and connIdle
	// the size that it has otherwise.
	connBuffer = 64 << 10
	connIdle   = 4 << 10
)

type connStream struct {
	served[net.Conn]
	gone      chan struct{} // closed when the connection is closed
	writeOnly bool          // nothing is read; immutable

	// Owned by the token.
	owner netio.Owner // notified of readiness
	// closeWithLoop was called with data left to send
	lingers bool

	// Guarded by mu.
	in       []byte // read from conn, and not yet by the owner
	inErr    error
	out      []byte // written by the owner, and not yet to conn
	spare    []byte // the next out
	outErr   error
	full     bool // a write found no room
	writing  bool // conn.Write is in progress
	halfDone bool // CloseWrite was called, and conn.CloseWrite has not returned
}

// newConnStream makes a stream from conn.
func (l *Loop) newConnStream(conn net.Conn) *connStream {
	s := &connStream{gone: make(chan struct{})}
	s.init(l, conn)
	if c, ok := conn.(interface{ SetNoDelay(bool) error }); ok {
		_ = c.SetNoDelay(true) // as asyncio does
	}
	return s
}

func (s *connStream) Attach(owner netio.Owner) error {
	s.owner = owner
	s.start(s)
	if !s.writeOnly {
		go s.readAll()
	}
	go s.writeAll()
	return nil
}

// run implements runnable.
func (s *connStream) run(*future) {
	s.mu.Lock()
	r, closed := s.notified(), s.closed
	s.mu.Unlock()
	if !closed {
		s.owner.Ready(r)
	}
}

// readAll is the goroutine that reads.
func (s *connStream) readAll() {
	exited := true
	defer func() {
		if exited { // Read has called runtime.Goexit
			s.mu.Lock()
			defer s.mu.Unlock()
			s.in, s.inErr = nil, ErrGoexit
			s.notify(netio.Readable, s)
		}
	}()
	s.readLoop()
	exited = false
}

func (s *connStream) readLoop() {
	buf := make([]byte, connIdle)
	for {
		n, err := s.readConn(buf)
		s.mu.Lock()
		if s.outErr == ErrGoexit || s.outErr != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			err = s.outErr
		}
		s.in, s.inErr = buf[:n], err
		if n > 0 || err != nil {
			s.notify(netio.Readable, s)
		}
		for len(s.in) > 0 && !s.closed {
			s.toRead.Wait()
		}
		closed := s.closed
		s.mu.Unlock()
		if closed || err != nil {
			return
		}
		switch { // the buffer grows and shrinks with the load
		case n == len(buf) && n < connBuffer:
			buf = make([]byte, 2*n)
		case n < len(buf)/4 && len(buf) > connIdle:
			buf = make([]byte, len(buf)/2)
		}
	}
}

// readConn calls the Read of the connection. A panic becomes an error, as in guarded.
func (s *connStream) readConn(p []byte) (n int, err error) {
	defer recovered(&err)
	return s.conn.Read(p)
}

// writeAll is the goroutine that writes. At its end it closes the connection.
func (s *connStream) writeAll() {
	defer func() {
		s.end(s)
		close(s.gone)
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	exited := true
	defer func() {
		if exited { // Write has called runtime.Goexit
			s.outErr, s.out = ErrGoexit, nil
			s.notify(netio.Writable|netio.HungUp, s)
		}
	}()
	s.writeLoop()
	exited = false
}

// writeLoop is the body of writeAll. mu is locked before and after.
func (s *connStream) writeLoop() {
	for {
		for len(s.out) == 0 && !s.halfDone && !s.closed {
			s.toWrite.Wait()
		}
		switch {
		case len(s.out) > 0:
			if err := s.writeSome(); err != nil {
				s.failWrites(err)
				return
			}
		case s.closed:
			return
		default:
			// If CloseWrite fails, the following calls fail too.
			_ = s.unlocked(s.conn.(writeCloser).CloseWrite)
			s.halfDone = false
		}
	}
}

// writeSome writes the contents of out. mu is locked before and after.
func (s *connStream) writeSome() error {
	p := s.out
	s.out, s.writing = s.spare[:0], true
	n := 0
	err := s.unlocked(func() (err error) {
		n, err = s.conn.Write(p)
		return err
	})
	s.spare, s.writing = p, false
	if err == nil && n < len(p) {
		err = io.ErrShortWrite // a net.Conn must not do this
	}
	if len(s.out) == 0 && max(cap(s.out), cap(s.spare)) > connIdle {
		s.out, s.spare = nil, nil
	}
	if err == nil && s.full {
		s.full = false
		s.notify(netio.Writable, s)
	}
	return err
}

// failWrites makes writes fail, and waits for the close. Later writes do not report the
// error; reading does, after the data that has arrived.
func (s *connStream) failWrites(err error) {
	s.outErr, s.out = err, nil
	s.notify(netio.Writable|netio.HungUp, s)
	_ = guarded(func() error { return s.conn.SetReadDeadline(time.Now().Add(connAbortTimeout)) })
	for !s.closed {
		s.toWrite.Wait()
	}
}

func (s *connStream) Read(p []byte) (n int, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.in) == 0 {
		if s.inErr != nil {
			return 0, false, s.inErr
		}
		return 0, false, netio.ErrWouldBlock
	}
	n = copy(p, s.in)
	if s.in = s.in[n:]; len(s.in) == 0 {
		s.toRead.Signal()
	}
	return n, len(s.in) > 0 || s.inErr != nil, nil
}

func (s *connStream) Write(p []byte) (n int, err error) {
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
		return 0, netio.ErrWouldBlock
	}
	return n, nil
}

// writeCloser is a connection that can be closed for writing.
type writeCloser interface{ CloseWrite() error }

func (s *connStream) CanCloseWrite() bool {
	_, ok := s.conn.(writeCloser)
	return ok
}

func (s *connStream) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.halfDone = true
	s.toWrite.Signal()
	return nil
}

func (s *connStream) Abort() {
	s.Close()
	s.setWriteTimeout(connAbortTimeout)
}

// closeWithLoop closes the stream because the loop is closed. Data that the application
// has written is still sent if it can be written within connAbortTimeout: otherwise a
// program that writes and ends would lose it, which does not happen with a socket of
// the kernel.
func (s *connStream) closeWithLoop() {
	s.owner.Discard()
	s.mu.Lock()
	s.lingers = len(s.out) > 0 || s.writing || s.halfDone
	s.mu.Unlock()
	if s.lingers {
		s.setWriteTimeout(connAbortTimeout)
	} else {
		s.closeConn()
	}
}

// wait waits until closeWithLoop is done.
func (s *connStream) wait() {
	if !s.lingers {
		return
	}
	select {
	case <-s.gone:
	case <-time.After(connAbortTimeout): // the net.Conn ignores deadlines
		s.closeConn()
	}
}

// missesHangup reports that only a write shows that the other end is closed.
func (s *connStream) missesHangup() bool { return true }

func (s *connStream) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// pipe implements fileBackend.
func (b goroutineBackend) pipe(f *os.File, writes bool, owner netio.Owner) (netio.Stream, error) {
	s := b.loop.newConnStream(fileConn{f})
	s.writeOnly = writes
	return s, s.Attach(owner)
}

// fileConn is a file in place of a net.Conn.
type fileConn struct{ *os.File }

func (fileConn) LocalAddr() net.Addr { return nil }

func (fileConn) RemoteAddr() net.Addr { return nil }
