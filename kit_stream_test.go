package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/netio"
)

// Protocols that record their calls, and a stream whose results are chosen by the test.
// Together they show exactly which calls a transport makes.

// ioEcho is the protocol of an echo server.
type ioEcho struct{ t aio.Transport }

func (p *ioEcho) ConnectionMade(t aio.Transport) { p.t = t }

func (p *ioEcho) DataReceived(b []byte) { p.t.Write(b) }

// ioClient is a protocol that records the received data.
type ioClient struct {
	log  eventLog
	got  []byte
	lost *aio.Future[error]
	more aio.Event
}

func (p *ioClient) ConnectionMade(aio.Transport) { p.log.add("made") }

func (p *ioClient) DataReceived(b []byte) { p.got = append(p.got, b...); p.more.Set() }

func (p *ioClient) ConnectionLost(err error) { p.log.add("lost"); p.lost.SetResult(err) }

// ioLogger is a protocol that logs its calls. on contains further actions, by event.
type ioLogger struct {
	name     string // prefix of each event
	log      *eventLog
	on       map[string]func()
	each     func(event string) // called for each event if not nil
	keepOpen bool               // result of EOFReceived
	t        aio.Transport
	got      []byte
	err      error
	lost     aio.Event
}

func (p *ioLogger) event(name string) {
	p.log.add("%s%s", p.name, name)
	if p.each != nil {
		p.each(p.name + name)
	}
	if f := p.on[name]; f != nil {
		f()
	}
}

func (p *ioLogger) ConnectionMade(t aio.Transport) { p.t = t; p.event("made") }

func (p *ioLogger) DataReceived(b []byte) {
	p.got = append(p.got, b...)
	if len(b) < 10 {
		p.event("data:" + strings.ReplaceAll(string(b), " ", "_"))
	} else {
		p.event("data:" + strconv.Itoa(len(b)))
	}
}

func (p *ioLogger) EOFReceived() bool { p.event("eof"); return p.keepOpen }

func (p *ioLogger) ConnectionLost(err error) {
	p.err = err
	p.lost.Set()
	switch {
	case err == nil:
		p.event("lost")
	default:
		p.event("lost:" + ioErrName(err))
	}
}

func (p *ioLogger) PauseWriting() { p.event("pause") }

func (p *ioLogger) ResumeWriting() { p.event("resume") }

// ioErrName returns a word for an error.
func ioErrName(err error) string {
	var p *aio.PanicError
	switch {
	case errors.As(err, &p):
		return "panic"
	case errors.Is(err, aio.ErrUsage):
		return "usage"
	case errors.Is(err, errIO):
		return "errIO"
	}
	return strings.ReplaceAll(err.Error(), " ", "_")
}

// errIO stands for a network error.
var errIO = errors.New("the cable was cut")

// ioCase is a transport over a scripted stream. One log contains the calls of the
// stream, the calls of the protocol and the reports of the loop. Its methods must be
// called in the task of the test.
type ioCase struct {
	*testing.T
	ctx context.Context
	l   *aio.Loop
	s   *scriptedStream
	p   *ioLogger
	t   aio.Transport
	log *eventLog
}

// scripted runs main in a task with such a transport, whose ConnectionMade has been
// called.
func scripted(t *testing.T, main func(c *ioCase)) {
	t.Helper()
	l, _ := newLoop(t)
	log := new(eventLog)
	ioReportTo(l, log)
	s := &scriptedStream{Note: log.add}
	p := &ioLogger{log: log, on: map[string]func(){}}
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		tr, err := openScripted(l, s, p)
		if err != nil {
			return err
		}
		c := &ioCase{t, ctx, l, s, p, tr, log}
		c.passes(1)
		c.want("| made", "ConnectionMade is called in the first pass")
		main(c)
		return nil
	})); err != nil {
		t.Error(err)
	}
}

// ioReportTo makes the exception handler write to log.
func ioReportTo(l *aio.Loop, log *eventLog) {
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		log.add("reported:%s", ioErrName(ec.Err))
	})
}

// passes runs n passes and logs a bar after each.
func (c *ioCase) passes(n int) {
	c.Helper()
	for range n {
		c.log.add("|")
		letPass(c.ctx, 1)
	}
}

// want compares the log.
func (c *ioCase) want(events, why string) { c.Helper(); c.log.want(c.T, events, why) }

// buffered compares the size of the write buffer.
func (c *ioCase) buffered(want int) {
	c.Helper()
	if got := c.t.GetWriteBufferSize(); got != want {
		c.Errorf("%d bytes are buffered, want %d", got, want)
	}
}

// write writes s, which must succeed.
func (c *ioCase) write(s string) {
	c.Helper()
	if n, err := c.t.Write([]byte(s)); n != len(s) || err != nil {
		c.Errorf("Write(%q) = %d, %v", s, n, err)
	}
}

// readable makes the transport read these results: the bytes of a string, or an error.
func (c *ioCase) readable(in ...any) {
	for _, v := range in {
		if s, ok := v.(string); ok {
			v = []byte(s)
		}
		c.s.In = append(c.s.In, v)
	}
	c.s.Readable()
}

// limits sets the limits of the write buffer to 10 and 3 bytes.
func (c *ioCase) limits() { c.t.SetWriteBufferLimits(10, 3) }

// room makes the stream writable with these results, as in scriptedStream.Out.
func (c *ioCase) room(out ...any) {
	c.s.Out = append(c.s.Out, out...)
	c.s.Writable()
}

// taken compares the data that the stream has accepted.
func (c *ioCase) taken(want string) {
	c.Helper()
	if got := string(c.s.Taken); got != want {
		c.Errorf("the stream has accepted %q, want %q", got, want)
	}
}

// lines writes the pieces with one call of Writelines.
func (c *ioCase) lines(pieces ...string) error {
	var bufs [][]byte
	for _, p := range pieces {
		bufs = append(bufs, []byte(p))
	}
	return c.t.Writelines(bufs)
}

// misused checks that f panics with ErrUsage.
func (c *ioCase) misused(what string, f func()) {
	c.Helper()
	if err := panics(f); !errors.Is(err, aio.ErrUsage) {
		c.Errorf("%s panics with %v, want ErrUsage", what, err)
	}
}

func newIOLogger() *ioLogger { return &ioLogger{log: new(eventLog)} }

// scriptedStream is a stream with scripted results. It calls Note for each call.
type scriptedStream struct {
	Note func(format string, args ...any)
	// In contains the results of reads: a []byte, of which a read copies as many
	// bytes as fit, or an error. When In is empty, a read would block.
	In []any
	// Out contains the results of writes: an int is the maximum number of accepted
	// bytes, an error is returned. When Out is empty, a write accepts everything.
	Out []any
	// Taken contains the accepted data.
	Taken []byte
	// HalfCloseErr is the result of closing the writing half.
	HalfCloseErr error
	// NoHalfClose means that the writing half cannot be closed.
	NoHalfClose bool

	loop  *aio.Loop
	owner netio.Owner
	next  netio.Readiness
}

// openScripted creates a transport over s.
func openScripted(l *aio.Loop, s *scriptedStream, p aio.Protocol) (aio.Transport, error) {
	s.loop = l
	return aio.OpenStream(l, s, p)
}

// Readable, Writable and HungUp make the loop report, in the next pass, what a poller
// would report.
func (s *scriptedStream) Readable() { s.tell(netio.Readable) }
func (s *scriptedStream) Writable() { s.tell(netio.Writable) }
func (s *scriptedStream) HungUp()   { s.tell(netio.HungUp) }

func (s *scriptedStream) tell(r netio.Readiness) {
	s.next |= r
	aio.Again(s.loop, s)
}

// Ready implements netio.Owner. The loop's list of owners that are still ready replaces
// a poller here.
func (s *scriptedStream) Ready(netio.Readiness) {
	s.owner.Ready(s.next)
	s.next = 0
}

func (s *scriptedStream) Discard() {}

func (s *scriptedStream) Attach(owner netio.Owner) error { s.owner = owner; return nil }

func (s *scriptedStream) Read(p []byte) (n int, more bool, err error) {
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

func (s *scriptedStream) Write(p []byte) (n int, err error) {
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

func (s *scriptedStream) CloseWrite() error {
	s.Note("shutdown")
	return s.HalfCloseErr
}

func (s *scriptedStream) CanCloseWrite() bool                   { return !s.NoHalfClose }
func (s *scriptedStream) Close()                                { s.Note("close") }
func (s *scriptedStream) Abort()                                { s.Note("abort") }
func (s *scriptedStream) LocalAddr() net.Addr                   { return nil }
func (s *scriptedStream) RemoteAddr() net.Addr                  { return nil }
func (s *scriptedStream) SyscallConn() (syscall.RawConn, error) { return nil, net.ErrClosed }
func (s *scriptedStream) File() (*os.File, error)               { return nil, net.ErrClosed }
