package aio

// A stream of which a test decides what each call does, to see exactly what a transport asks for.

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/goaio/aio/internal/netio"
)

// The sizes that tests of transports need to know.
const (
	MaxRead    = maxRead
	ConnBuffer = connBuffer
)

// ErrWouldBlock is what a stream returns when there is nothing to read or no room to write.
var ErrWouldBlock = netio.ErrWouldBlock

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
	owner netio.Owner
	next  netio.Readiness
}

// OpenScripted makes a transport over s.
func OpenScripted(l *Loop, s *ScriptedStream, p Protocol) (Transport, error) {
	s.loop = l
	return l.newStreamTransport(s, p, nil)
}

// Readable, Writable and HungUp have the transport told, when the next pass begins, what a poller would
// tell.
func (s *ScriptedStream) Readable() { s.tell(netio.Readable) }
func (s *ScriptedStream) Writable() { s.tell(netio.Writable) }
func (s *ScriptedStream) HungUp()   { s.tell(netio.HungUp) }

func (s *ScriptedStream) tell(r netio.Readiness) {
	s.next |= r
	s.loop.polling.again(s)
}

// Ready implements netio.Owner: the list of those that are still ready serves as a poller here.
func (s *ScriptedStream) Ready(netio.Readiness) {
	s.owner.Ready(s.next)
	s.next = 0
}

func (s *ScriptedStream) Discard() {}

func (s *ScriptedStream) Attach(owner netio.Owner) error { s.owner = owner; return nil }

func (s *ScriptedStream) Read(p []byte) (n int, more bool, err error) {
	defer func() {
		if err != nil {
			s.Note("read:%v", scriptedErr(err))
		} else {
			s.Note("read:%d", n)
		}
	}()
	if len(s.In) == 0 {
		return 0, false, netio.ErrWouldBlock
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

func (s *ScriptedStream) Write(p []byte) (n int, err error) {
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
	case netio.ErrWouldBlock:
		return "blocks"
	case io.EOF:
		return "EOF"
	}
	return fmt.Sprintf("%T", err)
}

func (s *ScriptedStream) CloseWrite() error {
	s.Note("shutdown")
	return s.HalfCloseErr
}

func (s *ScriptedStream) CanCloseWrite() bool                   { return !s.NoHalfClose }
func (s *ScriptedStream) Close()                                { s.Note("close") }
func (s *ScriptedStream) Abort()                                { s.Note("abort") }
func (s *ScriptedStream) LocalAddr() net.Addr                   { return nil }
func (s *ScriptedStream) RemoteAddr() net.Addr                  { return nil }
func (s *ScriptedStream) SyscallConn() (syscall.RawConn, error) { return nil, net.ErrClosed }
func (s *ScriptedStream) File() (*os.File, error)               { return nil, net.ErrClosed }
