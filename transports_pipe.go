package aio

// Transports of one direction: over pipes, FIFOs, terminals, and sockets used as pipes. The token owns
// them. They read and write as streamTransport does, see there for what is remembered between two
// edges, but they end in other ways, which are asyncio's:
//
//   - The end of input is the end of the transport, whatever EOFReceived returns.
//   - A panic of DataReceived is reported, and reading goes on.
//   - An error of reading is reported, except for the one by which a terminal says that its other
//     end is gone.
//   - A transport for writing notices by itself that nobody reads any more. With a socket asyncio
//     takes it for that if something can be read; here it must be the end.
//   - Close and WriteEOF are the same, and what is written after them is dropped, also while the
//     buffer is still being written.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/goaio/aio/internal/netio"
)

// pipeTransport is one of the two kinds.
type pipeTransport interface {
	BaseTransport
	runnable
	ready(netio.Readiness)
	close()
}

// pipe is what both kinds have.
type pipe struct {
	endpoint
	stream   netio.Stream
	owner    pipeTransport
	terminal bool // or another character device
	can      netio.Readiness
	opened   bool // ConnectionMade was called
	hot      bool // on the hot list
	queued   bool // in the ready queue
	ended    bool // ConnectionLost is scheduled
	forced   bool // without regard to what was written
	cause    error
	opener   *waiter // of the call that makes the transport
	grown    bool    // see grow
}

// pipeSize is what a pipe holds on most systems.
const pipeSize = 64 << 10

// processPipe is a protocol of a pipe to a process.
type processPipe interface {
	// directSink returns what data goes straight into, nil if the protocol is to be called.
	directSink() directSink
}

// directSink brings the memory for a read of which no protocol is told.
type directSink interface {
	readTarget() []byte
	commit(n int) // the first n bytes of readTarget were filled
}

// grow enlarges the pipe of a process, where the system can, once it has turned out to be too
// small: its two ends then wait for each other less often. Pipes do not start large, because
// beyond the limit for all pipes of a user the kernel creates one-page pipes.
func (p *pipe) grow() {
	if _, ok := p.protocol.(processPipe); !ok || p.grown {
		return
	}
	p.grown = true
	if s, ok := p.stream.(interface{ grow() }); ok {
		s.grow()
	}
}

// open attaches the transport to f, and waits until ConnectionMade was called.
func (p *pipe) open(c caller, call string, f *os.File, owner pipeTransport) error {
	info, err := statPipe(call, f)
	if err != nil {
		return err
	}
	p.owner = owner
	p.terminal = info.Mode()&fs.ModeCharDevice != 0
	_, writes := owner.(WriteTransport)
	if p.stream, err = p.loop.descriptors().pipe(f, writes, (*pipeOwner)(p)); err != nil {
		return err
	}
	w := p.loop.newWaiter(call)
	p.opener = w
	p.loop.schedule((*pipeOpening)(p), nil)
	err = c.await(&w.future)
	p.opener = nil
	p.loop.freeWaiter(w)
	if err != nil {
		owner.close()
	}
	return err
}

// statPipe says what f is, or why it cannot be a pipe.
func statPipe(call string, f *os.File) (fs.FileInfo, error) {
	if f == nil {
		return nil, usagef(call, "the pipe is nil")
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	switch m := info.Mode(); {
	case m&(fs.ModeNamedPipe|fs.ModeSocket|fs.ModeCharDevice) != 0:
		return info, nil
	case m.IsDir():
		return nil, usagef(call, "%s is a directory", f.Name())
	default:
		return nil, usagef(call, "%s is a regular file, which is always ready: read and write it in ToThread", f.Name())
	}
}

// pipeOpening is the first entry of a transport in the ready queue.
type pipeOpening pipe

func (s *pipeOpening) run(*future) {
	p := (*pipe)(s)
	defer func() { // also if the protocol panics, which ends nothing
		p.opened = true
		p.again()
		if p.opener != nil {
			p.opener.wake()
		}
	}()
	connectionMade(p.protocol, p.self)
}

// source implements sourced.
func (s *pipeOpening) source() any { return (*pipe)(s) }

// again has the transport look in the next pass at what it can do.
func (p *pipe) again() {
	if p.can != 0 && !p.ended && !p.hot {
		p.hot = true
		p.loop.polling.again((*pipeOwner)(p))
	}
}

// enqueue puts the transport in the ready queue.
func (p *pipe) enqueue() {
	if !p.queued {
		p.queued = true
		p.loop.enqueue(p.owner)
	}
}

// pipeOwner is what the stream knows of its transport: methods that a user's transport must not
// have.
type pipeOwner pipe

func (o *pipeOwner) Ready(r netio.Readiness) { o.owner.ready(r) }
func (o *pipeOwner) Discard()                { (*pipe)(o).discard() }

// discard closes the stream because the loop is closed.
func (p *pipe) discard() {
	p.closing, p.ended = true, true
	p.stream.Close()
}

// end schedules ConnectionLost.
func (p *pipe) end(err error) {
	if p.ended {
		return
	}
	p.closing, p.ended = true, true
	p.cause = err
	p.loop.schedule((*pipeLost)(p), nil)
}

// pipeLost is the last entry of a transport in the ready queue.
type pipeLost pipe

func (s *pipeLost) run(*future) {
	p := (*pipe)(s)
	if p.forced {
		defer p.stream.Abort()
	} else {
		defer p.stream.Close()
	}
	if l, ok := p.protocol.(lossReceiver); ok {
		l.ConnectionLost(p.cause)
	}
}

// source implements sourced.
func (s *pipeLost) source() any { return (*pipe)(s) }

// Close implements BaseTransport.
func (p *pipe) Close() error {
	p.loop.check("Transport.Close")
	p.owner.close()
	return nil
}

// GetExtraInfo implements BaseTransport.
func (p *pipe) GetExtraInfo(name string) any {
	p.loop.check("Transport.GetExtraInfo")
	if name == "pipe" {
		return &TransportSocket{p.stream}
	}
	return nil
}

// state says in a word what state the transport is in.
func (p *pipe) state() string {
	switch {
	case p.ended:
		return "closed"
	case p.closing:
		return "closing"
	}
	return "open"
}

// readPipe is the ReadTransport of a pipe.
type readPipe struct {
	pipe
	receiver
	toRead bool // in the ready queue to do so
	later  bool // there is a deferredReadStep in the ready queue
}

// ready queues a read if there may be something and the protocol wants it.
func (t *readPipe) ready(r netio.Readiness) {
	t.hot = false
	t.can |= r
	if t.mayRead() && t.can&(netio.Readable|netio.HungUp) != 0 {
		t.toRead = true
		t.enqueue()
	}
}

// mayRead reports whether the protocol wants what there is to read.
func (t *readPipe) mayRead() bool { return t.opened && !t.closing && !t.paused }

// run implements runnable.
func (t *readPipe) run(*future) {
	read := t.toRead
	t.queued, t.toRead = false, false
	if !read || !t.mayRead() {
		return
	}
	if t.directSink() != nil {
		t.readLater()
		return
	}
	defer t.again()  // also if the protocol panics
	to := t.receiver // the one in use when the read begins
	buf, err := to.memory(t.loop)
	if err != nil {
		t.fatal("protocol.GetBuffer() failed", err)
		return
	}
	if !t.mayRead() { // GetBuffer has closed or paused
		return
	}
	if n := t.read(buf); n > 0 {
		to.receive(buf, n)
	}
}

// source implements sourced.
func (t *readPipe) source() any { return &t.pipe }

// read reads into buf. What is no data it deals with.
func (t *readPipe) read(buf []byte) int {
	n, more, err := t.stream.Read(buf)
	if !more && t.can&netio.HungUp == 0 {
		t.can &^= netio.Readable
	}
	switch {
	case err == netio.ErrWouldBlock:
		t.can &^= netio.Readable | netio.HungUp
	case err == io.EOF:
		t.closing = true
		t.loop.schedule((*pipeEOF)(&t.pipe), nil)
		t.end(nil)
	case err != nil:
		t.fatal("read error on a pipe", err)
	}
	return n
}

// directSink returns what data goes straight into, nil if the protocol is to be called.
func (t *readPipe) directSink() directSink {
	if p, ok := t.protocol.(processPipe); ok {
		return p.directSink()
	}
	return nil
}

// deferredReadStep reads what a process has written, straight into the stream or the memory of a
// task that waits there. The protocol of a process is told one pass after the read. A stream cannot
// tell when the read was, so here the read itself is one pass later, and nothing is copied.
type deferredReadStep readPipe

// readLater has t read in the next pass, and in each one after that as long as there is something.
func (t *readPipe) readLater() {
	if !t.later && t.can != 0 && t.mayRead() {
		t.later = true
		t.loop.schedule((*deferredReadStep)(t), nil)
	}
}

func (s *deferredReadStep) run(*future) {
	t := (*readPipe)(s)
	t.later = false
	if !t.mayRead() {
		return
	}
	sink := t.directSink()
	if sink == nil { // there is another protocol now
		t.again()
		return
	}
	defer t.readLater()
	n := t.read(sink.readTarget())
	if n >= pipeSize {
		t.grow() // the process had to wait
	}
	if n > 0 {
		sink.commit(n)
	}
}

// source implements sourced.
func (s *deferredReadStep) source() any { return &s.pipe }

// pipeEOF has the protocol told that there is no more.
type pipeEOF pipe

func (s *pipeEOF) run(*future) {
	if p, ok := s.protocol.(eofReceiver); ok {
		p.EOFReceived()
	}
}

// source implements sourced.
func (s *pipeEOF) source() any { return (*pipe)(s) }

// fatal ends the transport because of err.
func (t *readPipe) fatal(what string, err error) {
	if !errors.Is(err, syscall.EIO) {
		t.report(what, err)
	}
	t.end(err)
}

func (t *readPipe) close() { t.end(nil) }

// PauseReading implements ReadTransport.
func (t *readPipe) PauseReading() {
	t.loop.check("Transport.PauseReading")
	if t.closing || t.paused {
		return
	}
	t.paused = true
	t.toRead = false
}

// ResumeReading implements ReadTransport.
func (t *readPipe) ResumeReading() {
	t.loop.check("Transport.ResumeReading")
	if t.closing || !t.paused {
		return
	}
	t.paused = false
	t.again()
}

// SetProtocol implements BaseTransport.
func (t *readPipe) SetProtocol(p Protocol) {
	t.loop.check("Transport.SetProtocol")
	if err := checkProtocol[ReadTransport](p); err != nil {
		panic(err)
	}
	t.protocol = p
	t.receiver = newReceiver(p)
}

// String names the transport and its state.
func (t *readPipe) String() string { return "ReadTransport " + t.state() }

// writePipe is the WriteTransport of a pipe.
type writePipe struct {
	pipe
	out     outBuffer
	toWrite bool // in the ready queue to do so
	broken  bool // in the ready queue because the reader is gone
}

// ready queues a flush, or the end of the transport.
func (t *writePipe) ready(r netio.Readiness) {
	t.hot = false
	t.can |= r
	if !t.opened || t.ended {
		return
	}
	t.toWrite = t.toWrite || t.out.len() > 0 && t.can&(netio.Writable|netio.HungUp) != 0
	t.broken = t.broken || !t.terminal && t.can&netio.HungUp != 0
	if t.toWrite || t.broken {
		t.enqueue()
	}
}

// run implements runnable.
func (t *writePipe) run(*future) {
	write, broken := t.toWrite, t.broken
	t.queued, t.toWrite, t.broken = false, false, false
	switch {
	case t.ended:
	case broken && t.out.len() > 0:
		t.drop(os.NewSyscallError("write", syscall.EPIPE))
	case broken:
		t.end(nil)
	case write && t.out.len() > 0:
		t.flush()
	}
}

// source implements sourced.
func (t *writePipe) source() any { return &t.pipe }

// missesHangup reports whether t only notices by writing that nobody reads any more.
func (t *writePipe) missesHangup() bool {
	s, ok := t.stream.(interface{ missesHangup() bool })
	return t.terminal || ok && s.missesHangup()
}

// drop ends the transport because of err, whatever is in the buffer.
func (t *writePipe) drop(err error) {
	t.out = outBuffer{}
	t.forced = true
	t.end(err)
}

// Write implements WriteTransport.
func (t *writePipe) Write(p []byte) (int, error) {
	t.loop.check("Transport.Write")
	if len(p) == 0 {
		return 0, nil
	}
	if t.closing {
		return 0, t.dropped()
	}
	n := 0
	if t.out.len() == 0 {
		var err error
		n, err = t.stream.Write(p)
		if err != nil && err != netio.ErrWouldBlock {
			t.lost++
			t.drop(err)
			return n, err
		}
		if n == len(p) {
			return n, nil
		}
		t.can &^= netio.Writable
		t.grow()
	}
	t.hold(&t.out, p[n:])
	t.maybePause(t.out.len())
	return len(p), nil
}

// Writelines implements WriteTransport.
func (t *writePipe) Writelines(bufs [][]byte) error {
	t.loop.check("Transport.Writelines")
	_, err := t.Write(bytes.Join(bufs, nil))
	return err
}

// flush writes from the buffer.
func (t *writePipe) flush() {
	n, err := t.stream.Write(t.out.bytes())
	if err != nil && err != netio.ErrWouldBlock {
		t.lost++
		t.drop(err)
		return
	}
	if n < t.out.len() {
		t.can &^= netio.Writable
	}
	t.written(&t.out, n)
	if t.out.len() > 0 {
		return // asyncio has the protocol wait for the very end, sockets only for the low mark
	}
	t.maybeResume(0)
	if t.closing && t.out.len() == 0 && !t.ended {
		t.ended = true
		(*pipeLost)(&t.pipe).run(nil)
	}
}

func (t *writePipe) close() {
	t.closing = true
	if t.out.len() == 0 {
		t.end(nil)
	}
}

// WriteEOF implements WriteTransport.
func (t *writePipe) WriteEOF() {
	t.loop.check("Transport.WriteEOF")
	t.close()
}

// CanWriteEOF implements WriteTransport.
func (t *writePipe) CanWriteEOF() bool {
	t.loop.check("Transport.CanWriteEOF")
	return true
}

// Abort implements WriteTransport.
func (t *writePipe) Abort() {
	t.loop.check("Transport.Abort")
	t.drop(nil)
}

// SetWriteBufferLimits implements WriteTransport.
func (t *writePipe) SetWriteBufferLimits(high, low int) {
	t.loop.check("Transport.SetWriteBufferLimits")
	t.setLimits(high, low, defaultFlow.high)
	t.maybePause(t.out.len())
}

// GetWriteBufferSize implements WriteTransport.
func (t *writePipe) GetWriteBufferSize() int {
	t.loop.check("Transport.GetWriteBufferSize")
	return t.out.len()
}

// SetProtocol implements BaseTransport.
func (t *writePipe) SetProtocol(p Protocol) {
	t.loop.check("Transport.SetProtocol")
	if err := checkProtocol[WriteTransport](p); err != nil {
		panic(err)
	}
	t.protocol = p
}

// String names the transport and its state.
func (t *writePipe) String() string {
	return fmt.Sprintf("WriteTransport %s write buffer %d", t.state(), t.out.len())
}
