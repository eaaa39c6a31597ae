package aio

// A stream of which a test decides what each call does, to see exactly what a transport asks for.

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
)

// The sizes that tests of transports need to know.
const (
	MaxRead    = maxRead
	ConnBuffer = connBuffer
)

// ErrWouldBlock is what a stream returns when there is nothing to read or no room to write.
var ErrWouldBlock = errWouldBlock

// ScriptedStream is a stream that answers from lists. Each call is noted with Note.
type ScriptedStream struct {
	Note func(format string, args ...any)
	// In is what reads give: a []byte, of which a read takes what fits, or an error. When it is
	// empty they would block.
	In []any
	// Out is what writes do: an int is how many bytes are taken at most, an error is returned.
	// When it is empty they take all.
	Out []any
	// Taken is what writes have taken.
	Taken []byte
	// HalfCloseErr is what closing the writing half returns.
	HalfCloseErr error
	// NoHalfClose has it that there is no such thing.
	NoHalfClose bool

	loop  *Loop
	owner pollable
	next  readiness
}

// OpenScripted makes a transport over s.
func OpenScripted(l *Loop, s *ScriptedStream, p Protocol) (Transport, error) {
	s.loop = l
	return l.newStreamTransport(s, p, nil, nil)
}

// Readable, Writable and HungUp have the transport told, when the next pass begins, what a poller would
// tell.
func (s *ScriptedStream) Readable() { s.tell(readable) }
func (s *ScriptedStream) Writable() { s.tell(writable) }
func (s *ScriptedStream) HungUp()   { s.tell(hungUp) }

func (s *ScriptedStream) tell(r readiness) {
	s.next |= r
	s.loop.polling.hot = append(s.loop.polling.hot, s)
}

// ready implements pollable: the list of those that are still ready serves as a poller here.
func (s *ScriptedStream) ready(readiness) {
	s.owner.ready(s.next)
	s.next = 0
}

func (s *ScriptedStream) discard() {}

func (s *ScriptedStream) attach(owner pollable) error { s.owner = owner; return nil }

func (s *ScriptedStream) read(p []byte) (n int, more bool, err error) {
	defer func() {
		if err != nil {
			s.Note("read:%v", scriptedErr(err))
		} else {
			s.Note("read:%d", n)
		}
	}()
	if len(s.In) == 0 {
		return 0, false, errWouldBlock
	}
	switch in := s.In[0].(type) {
	case error:
		s.In = s.In[1:]
		return 0, false, in
	case []byte:
		n = copy(p, in)
		if s.In[0] = in[n:]; n == len(in) {
			s.In = s.In[1:]
		}
	}
	return n, len(s.In) > 0, nil
}

func (s *ScriptedStream) write(p []byte) (n int, err error) {
	defer func() {
		if err != nil {
			s.Note("write:%v", scriptedErr(err))
		} else {
			s.Note("write:%d/%d", n, len(p))
		}
	}()
	n = len(p)
	if len(s.Out) > 0 {
		out := s.Out[0]
		s.Out = s.Out[1:]
		if err, ok := out.(error); ok {
			return 0, err
		}
		n = min(n, out.(int))
	}
	s.Taken = append(s.Taken, p[:n]...)
	return n, nil
}

func scriptedErr(err error) string {
	switch err {
	case errWouldBlock:
		return "blocks"
	case io.EOF:
		return "EOF"
	}
	return fmt.Sprintf("%T", err)
}

func (s *ScriptedStream) closeWrite() error {
	s.Note("shutdown")
	return s.HalfCloseErr
}

func (s *ScriptedStream) canCloseWrite() bool                   { return !s.NoHalfClose }
func (s *ScriptedStream) close()                                { s.Note("close") }
func (s *ScriptedStream) abort()                                { s.Note("abort") }
func (s *ScriptedStream) localAddr() net.Addr                   { return nil }
func (s *ScriptedStream) remoteAddr() net.Addr                  { return nil }
func (s *ScriptedStream) socket() *TransportSocket              { return &TransportSocket{s} }
func (s *ScriptedStream) syscallConn() (syscall.RawConn, error) { return nil, net.ErrClosed }
func (s *ScriptedStream) file() (*os.File, error)               { return nil, net.ErrClosed }
