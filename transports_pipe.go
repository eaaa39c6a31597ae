package aio

// Transports of one direction: over pipes, FIFOs, terminals, and sockets used as pipes.
// The token owns them. They read and write as streamTransport does, which documents the
// state between two edges, but they close differently, as in asyncio:
//   - EOF closes the transport, whatever EOFReceived returns.
//   - A panic of DataReceived is reported, and reading continues.
//   - A read error is reported, except for the one with which a terminal reports that
//     its other end is closed.
//   - A transport for writing notices when the reading end is closed. For a socket
//     asyncio treats any data that can be read in the same way; here it must be EOF.
//   - Close and WriteEOF are the same, and data written after them is dropped, even
//     while the buffer is still being written.

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

// pipe is the common part of both directions.
type pipe struct {
	streamEndpoint
	terminal bool // a terminal or another character device
	grown    bool // see grow
}

// levelReader is implemented by a stream that can tell its owner repeatedly while there
// is data to read.
type levelReader interface {
	// WatchRead says whether the owner is told; initially it is not.
	WatchRead(on bool) error
}

// pipeSize is the capacity of a pipe on most systems.
const pipeSize = 64 << 10

// processPipe is a protocol of a pipe to a process.
type processPipe interface {
	// directSink returns the destination for data that bypasses the protocol, nil
	// if the protocol must be called.
	directSink() directSink
}

// directSink provides the memory for a read that bypasses the protocol.
type directSink interface {
	readTarget() []byte
	commit(n int) // the first n bytes of readTarget were filled
}

// grow enlarges the pipe of a process, where the system can, once it has turned out to be
// too small: its two ends then wait for each other less often. Pipes do not start large,
// because beyond the limit for all pipes of a user the kernel creates one-page pipes.
func (p *pipe) grow() {
	if _, ok := p.protocol.(processPipe); !ok || p.grown {
		return
	}
	p.grown = true
	if s, ok := p.stream.(interface{ grow() }); ok {
		s.grow()
	}
}

// attach makes f the pipe of the transport, whose stream tells owner.
func (p *pipe) attach(call string, f *os.File, writes bool, owner netio.Owner) error {
	info, err := statPipe(call, f)
	if err == nil {
		err = p.loop.refuse(call, "use a pipe of the system")
	}
	if err != nil {
		return err
	}
	p.terminal = info.Mode()&fs.ModeCharDevice != 0
	p.stream, err = p.loop.descriptors().pipe(f, writes, owner)
	return err
}

// waitOpen waits until ConnectionMade was called.
func (p *pipe) waitOpen(c caller, call string) error {
	p.open()
	err := p.waitMade(c, call)
	if err != nil {
		p.self.close()
	}
	return err
}

// statPipe returns the kind of f, or an error if it cannot be a pipe.
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

// source implements sourced, for the steps as well.
func (p *pipe) source() any { return p }

// GetExtraInfo implements BaseTransport.
func (p *pipe) GetExtraInfo(name string) any {
	p.loop.check("Transport.GetExtraInfo")
	if name == "pipe" {
		return &TransportSocket{p.stream}
	}
	return nil
}

// readPipe is the ReadTransport of a pipe.
type readPipe struct {
	pipe
	readHalf
	level levelReader // the stream, if it is a levelReader; otherwise nil
	full  bool        // the last read has filled a large buffer
	later bool        // there is a deferredReadStep in the ready queue
	atEOF Protocol    // the protocol that must be told of EOF, nil if there is none
}

// newReadPipe makes the transport of f, and waits until ConnectionMade was called.
func (c caller) newReadPipe(call string, p Protocol, f *os.File) (*readPipe, error) {
	t := &readPipe{}
	t.endpoint = endpoint{loop: c.fut.loop, self: t}
	t.readHalf.of = &t.endpoint
	if err := t.use(p); err != nil {
		return nil, err
	}
	if err := t.attach(call, f, false, (*readPipeOwner)(t)); err != nil {
		return nil, err
	}
	t.level, _ = t.stream.(levelReader)
	if err := t.waitOpen(c, call); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *readPipe) use(p Protocol) error {
	if err := checkProtocol[ReadTransport](p); err != nil {
		return err
	}
	t.protocol, t.receiver = p, newReceiver(p)
	return nil
}

// proceed implements lifeCycle.
func (t *readPipe) proceed() {
	switch {
	case t.level == nil:
		t.lookAgain()
	case t.mayRead():
		if err := t.level.WatchRead(true); err != nil {
			t.fatal("a pipe cannot be polled", err)
		}
	}
}

// lookAgain makes the transport check in the next pass for data to read.
func (t *readPipe) lookAgain() {
	switch {
	case t.level != nil: // the stream reports it at that time
		t.can = 0
	case t.can != 0 && !t.lost:
		t.again((*readPipeOwner)(t))
	}
}

// readPipeOwner is the transport as its stream sees it: methods that a user's
// ReadTransport must not have.
type readPipeOwner readPipe

func (o *readPipeOwner) Ready(r netio.Readiness) { (*readPipe)(o).ready(r) }
func (o *readPipeOwner) Discard()                { o.discard() }

// ready queues a read if there may be data and the protocol accepts it.
func (t *readPipe) ready(r netio.Readiness) {
	t.hot = false
	t.can |= r
	if !t.mayRead() {
		if t.level != nil { // otherwise the stream would report it in each pass
			_ = t.level.WatchRead(false)
		}
		return
	}
	t.toRead = t.toRead || !t.later && t.can&toRead != 0
	t.enqueue(t)
}

// run implements runnable.
func (t *readPipe) run(*future) {
	if read, _ := t.dequeued(); !read || !t.mayRead() {
		return
	}
	if t.full && t.directSink() != nil {
		t.readLater()
		return
	}
	defer t.lookAgain() // runs even if the protocol panics
	to := t.receiver    // the receiver at the time when the read begins
	buf, err := to.memory(t.loop)
	if err != nil {
		t.fatal("protocol.GetBuffer() failed", err)
		return
	}
	if !t.mayRead() { // GetBuffer has closed or paused the transport
		return
	}
	switch n, err := t.read(buf); {
	case err == io.EOF:
		t.closing = true
		t.atEOF = t.protocol
		t.loop.schedule((*eofStep)(t), nil)
		t.lose(nil)
	case err != nil:
		t.fatal("read error on a pipe", err)
	case n > 0:
		t.got(buf, n)
		to.receive(buf, n)
	}
}

// got notes that a read into buf has brought n bytes.
func (t *readPipe) got(buf []byte, n int) {
	t.full = n == len(buf) && n > maxCopy
	if n >= pipeSize {
		t.grow() // the pipe was full, so the process had to wait
	}
}

// read reads into buf. It is not an error if there is no data.
func (t *readPipe) read(buf []byte) (int, error) {
	n, more, err := t.stream.Read(buf)
	if !more && t.can&(netio.HungUp|netio.Ending) == 0 {
		t.can &^= netio.Readable
	}
	if err == netio.ErrWouldBlock {
		t.can &^= toRead
		err = nil
	}
	return n, err
}

// directSink returns the destination for data that bypasses the protocol, nil if the
// protocol must be called.
func (t *readPipe) directSink() directSink {
	if p, ok := t.protocol.(processPipe); ok {
		return p.directSink()
	}
	return nil
}

// deferredReadStep reads what a process has written, straight into a stream or the
// memory of a task that waits there.
//
// The callback of a process's protocol runs one pass after the read. If a process fills
// the pipe, it is faster than the loop. Then the read for its stream is made one pass
// later itself, so no data has to be stored or copied in between. In other cases a
// later read would be visible: it would also return data that was written in the
// meantime.
type deferredReadStep readPipe

// readLater makes t read in the next pass.
func (t *readPipe) readLater() {
	if !t.later && t.mayRead() {
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
	if sink == nil { // the protocol was replaced
		t.lookAgain()
		return
	}
	buf := sink.readTarget()
	n, err := t.read(buf)
	if err != nil {
		t.loseLate(err)
		return
	}
	t.got(buf, n)
	if n > 0 {
		sink.commit(n)
	}
	// More data is known to be available; otherwise the poller reports it.
	if t.full || t.can&(netio.HungUp|netio.Ending) != 0 || t.level == nil && t.can != 0 {
		t.readLater()
	}
}

// loseLate closes the transport after the error or EOF of a read that was made one pass
// late, so ConnectionLost is called at once.
func (t *readPipe) loseLate(err error) {
	if err != io.EOF {
		if !errors.Is(err, syscall.EIO) {
			t.report("read error on a pipe", err)
		}
		t.cause = err
	}
	t.loseNow()
}

// eofStep reports EOF to the protocol that was in use when EOF was read.
type eofStep readPipe

func (s *eofStep) run(*future) {
	p, ok := s.atEOF.(EOFReceiver)
	s.atEOF = nil
	if ok {
		p.EOFReceived()
	}
}

// fatal closes the transport because of err.
func (t *readPipe) fatal(what string, err error) {
	if !errors.Is(err, syscall.EIO) {
		t.report(what, err)
	}
	t.lose(err)
}

func (t *readPipe) close() { t.lose(nil) }

// String names the transport and its state.
func (t *readPipe) String() string { return t.text("ReadTransport", t.state) }

// writePipe is the WriteTransport of a pipe.
type writePipe struct {
	pipe
	writeHalf
	// the transport is in the ready queue because the reading end is closed
	broken bool
}

// newWritePipe is like newReadPipe, for writing.
func (c caller) newWritePipe(call string, p Protocol, f *os.File) (*writePipe, error) {
	t := &writePipe{}
	t.endpoint = endpoint{loop: c.fut.loop, self: t}
	t.flow = newFlow(&t.endpoint, defaultHigh)
	if err := t.use(p); err != nil {
		return nil, err
	}
	if err := t.attach(call, f, true, (*writePipeOwner)(t)); err != nil {
		return nil, err
	}
	if err := t.waitOpen(c, call); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *writePipe) use(p Protocol) error {
	if err := checkProtocol[WriteTransport](p); err != nil {
		return err
	}
	t.protocol = p
	return nil
}

// proceed implements lifeCycle.
func (t *writePipe) proceed() {
	if err := t.repeat((*writePipeOwner)(t), false); err != nil {
		t.drop(err)
	}
}

// writePipeOwner is the writePipe as the owner of its stream. It has methods that the
// user's WriteTransport must not have.
type writePipeOwner writePipe

func (o *writePipeOwner) Ready(r netio.Readiness) { (*writePipe)(o).ready(r) }
func (o *writePipeOwner) Discard()                { o.discard() }

// ready queues a flush, or the close of the transport.
func (t *writePipe) ready(r netio.Readiness) {
	t.hot = false
	t.can |= r
	if !t.opened || t.lost {
		return
	}
	t.broken = t.broken || !t.terminal && t.can&(netio.HungUp|netio.Ending) != 0
	t.toWrite = t.toWrite || t.broken || t.out.len() > 0 && t.can&(netio.Writable|netio.HungUp) != 0
	t.enqueue(t)
}

// run implements runnable.
func (t *writePipe) run(*future) {
	_, write := t.dequeued()
	switch {
	case t.lost:
	case t.broken && t.out.len() > 0:
		t.drop(os.NewSyscallError("write", syscall.EPIPE))
	case t.broken:
		t.lose(nil)
	case write && t.out.len() > 0:
		t.flush()
	}
}

// missesHangup reports whether t notices only by writing that the reading end is
// closed.
func (t *writePipe) missesHangup() bool {
	s, ok := t.stream.(interface{ missesHangup() bool })
	return t.terminal || ok && s.missesHangup()
}

// drop closes the transport because of err, without regard to the buffer.
func (t *writePipe) drop(err error) {
	if !t.lost {
		t.out = outBuffer{}
		t.forced = true
		t.lose(err)
	}
}

// Write implements WriteTransport.
func (t *writePipe) Write(p []byte) (int, error) {
	if err := t.loop.checked("Transport.Write"); err != nil {
		return 0, err
	}
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
			t.drop(err)
			return n, err
		}
		if n == len(p) {
			return n, nil
		}
		t.can &^= netio.Writable
		t.watchWrite(true)
		t.grow()
	}
	t.hold(p[n:])
	return len(p), nil
}

// Writelines implements WriteTransport.
func (t *writePipe) Writelines(bufs [][]byte) error {
	if err := t.loop.checked("Transport.Writelines"); err != nil {
		return err
	}
	_, err := t.Write(bytes.Join(bufs, nil))
	return err
}

// flush writes from the buffer.
func (t *writePipe) flush() {
	n, err := t.stream.Write(t.out.bytes())
	if err != nil && err != netio.ErrWouldBlock {
		t.drop(err)
		return
	}
	if n < t.out.len() {
		t.can &^= netio.Writable
	}
	t.written(n)
	if t.out.len() > 0 {
		// asyncio makes the protocol wait until the buffer is empty, for
		// sockets only until the low mark
		return
	}
	t.watchWrite(false)
	t.maybeResume(0)
	if t.closing && t.out.len() == 0 && !t.lost {
		t.loseNow()
	}
}

func (t *writePipe) close() {
	t.closing = true
	if t.out.len() == 0 {
		t.lose(nil)
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

// String names the transport and its state.
func (t *writePipe) String() string {
	return t.text("WriteTransport", func() string {
		return fmt.Sprintf("%s write buffer %d", t.state(), t.out.len())
	})
}
