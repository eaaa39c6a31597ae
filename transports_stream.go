package aio

// streamTransport is the Transport of connections: sockets, and whatever else is a net.Conn. The
// token owns it.
//
// What it reads and writes is a stream, which never blocks and tells when it is worth another try.
// The transport keeps count of that in can: a flag is set when the poller reports it, and cleared by
// the read or write that finds nothing more to do. An edge is never asked for twice.
//
// A transport stands in the ready queue at most once for reading and writing. When it runs it makes
// one read and one flush, as asyncio makes one of each per pass, so that no connection keeps the
// others waiting; if there may be more to read it goes on the hot list.

import (
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/goaio/aio/internal/netio"
)

type streamTransport struct {
	endpoint
	receiver
	stream  netio.Stream
	can     netio.Readiness
	opened  bool // ConnectionMade was called
	hot     bool // on the hot list
	queued  bool // in the ready queue
	toRead  bool // for a read
	toWrite bool // for a flush
	ended   bool // the other end will send no more
	eof     bool // WriteEOF was called
	forced  bool // closed without regard to what is in out
	out     outBuffer
	sending *transfer // of a Sendfile, nil if there is none
	cause   error     // for ConnectionLost
	server  *Server   // that accepted the connection, nil if none did
	upper   Transport // of TLS, over this one; nil if there is none
	opener  *waiter   // of the call that makes the connection
	local   net.Addr  // once somebody has asked, or the transport is closed
	remote  net.Addr
	prev    *streamTransport // in the list of server's clients
	next    *streamTransport
}

// newStreamTransport makes the transport of s, and opens it in the next pass: then ConnectionMade is
// called, reading starts, and opener, if there is one, is woken.
func (l *Loop) newStreamTransport(s netio.Stream, p Protocol, server *Server, opener *waiter) (*streamTransport, error) {
	t := &streamTransport{stream: s, server: server, opener: opener}
	t.endpoint = endpoint{loop: l, self: t, flow: defaultFlow}
	t.use(p)
	t.remote = s.RemoteAddr()
	if err := s.Attach((*streamOwner)(t)); err != nil {
		return nil, err
	}
	if server != nil {
		server.attach(t)
	}
	l.schedule((*openStep)(t), nil)
	return t, nil
}

// front is the transport that the application has.
func (t *streamTransport) front() Transport {
	if t.upper != nil {
		return t.upper
	}
	return t
}

// use makes p the protocol.
func (t *streamTransport) use(p Protocol) {
	t.protocol = p
	t.receiver = newReceiver(p)
}

// openStep is the first entry of a transport in the ready queue.
type openStep streamTransport

func (s *openStep) run(*future) {
	t := (*streamTransport)(s)
	defer func() { // also if the protocol panics, which ends nothing
		t.opened = true
		t.rearm()
		if t.opener != nil {
			t.opener.wake()
			t.opener = nil
		}
	}()
	connectionMade(t.protocol, t.self)
}

// source implements sourced.
func (s *openStep) source() any { return (*streamTransport)(s) }

func (s *openStep) about(ec *ExceptionContext) { (*streamTransport)(s).about(ec) }

// lostStep is the last entry of a transport in the ready queue.
type lostStep streamTransport

func (s *lostStep) run(*future) { (*streamTransport)(s).connectionLost() }

// source implements sourced.
func (s *lostStep) source() any { return (*streamTransport)(s) }

func (s *lostStep) about(ec *ExceptionContext) { (*streamTransport)(s).about(ec) }

// connectionLost is the end of the transport.
func (t *streamTransport) connectionLost() {
	defer func() {
		t.localAddr() // for those who ask later
		if t.forced {
			t.stream.Abort()
		} else {
			t.stream.Close()
		}
		if t.opener != nil {
			t.opener.wake()
			t.opener = nil
		}
		t.sending.wake()
		if t.server != nil {
			t.server.detach(t)
			t.server = nil
		}
	}()
	if p, ok := t.protocol.(lossReceiver); ok {
		p.ConnectionLost(t.cause)
	}
}

// streamOwner is what the stream knows of its transport: methods that a user's Transport must not
// have.
type streamOwner streamTransport

func (o *streamOwner) Ready(r netio.Readiness) { (*streamTransport)(o).ready(r) }
func (o *streamOwner) Discard()                { (*streamTransport)(o).discard() }

// ready queues what can be done and is wanted.
func (t *streamTransport) ready(r netio.Readiness) {
	if r == 0 { // which tells of nothing new: this is the turn of one on the hot list
		t.hot = false
	}
	t.can |= r
	t.toRead = t.toRead || t.mayRead() && t.can&(netio.Readable|netio.HungUp) != 0
	t.toWrite = t.toWrite || (t.out.len() > 0 || t.sending.pending()) && t.can&(netio.Writable|netio.HungUp) != 0
	if (t.toRead || t.toWrite) && !t.queued {
		t.queued = true
		t.loop.enqueue(t)
	}
}

// discard closes the stream because the loop is closed. ConnectionLost is not called any more, but those who have the transport
// still learn that it is closed.
func (t *streamTransport) discard() {
	t.closing, t.lost = true, max(t.lost, 1)
	t.out = outBuffer{}
	t.stream.Close()
}

// mayRead reports whether the protocol wants what there is to read.
func (t *streamTransport) mayRead() bool { return t.opened && !t.closing && !t.paused && !t.ended }

// rearm puts the transport on the hot list if it may go on reading.
func (t *streamTransport) rearm() {
	if t.can&(netio.Readable|netio.HungUp) != 0 && t.mayRead() {
		t.again()
	}
}

// again puts the transport on the hot list.
func (t *streamTransport) again() {
	if !t.hot {
		t.hot = true
		t.loop.polling.again((*streamOwner)(t))
	}
}

// run implements runnable.
func (t *streamTransport) run(*future) {
	read, write := t.toRead, t.toWrite
	t.queued, t.toRead, t.toWrite = false, false, false
	if read && t.mayRead() {
		t.readOnce()
		t.rearm()
	}
	switch {
	case !write:
	case t.out.len() > 0:
		t.flush()
	case t.lost == 0 && t.sending.pending() && t.advance():
		t.sending.wake()
	}
}

// source implements sourced.
func (t *streamTransport) source() any { return t }

// readOnce makes one read and hands on what it got.
func (t *streamTransport) readOnce() {
	to := t.receiver // the one in use when the read begins
	buf, err := to.memory(t.loop)
	if err != nil {
		t.fatal("protocol.GetBuffer() failed", err)
		return
	}
	if !t.mayRead() { // GetBuffer has closed or paused
		return
	}
	n, more, err := t.stream.Read(buf)
	if !more {
		t.can &^= netio.Readable
	}
	switch {
	case err == netio.ErrWouldBlock:
		t.can &^= netio.Readable | netio.HungUp
	case err == io.EOF:
		t.ended = true
		t.atEOF()
	case err != nil:
		t.ended = true
		t.fatal("read error on a connection", err)
	default:
		if err := to.deliver(buf, n); err != nil {
			t.fatal("a protocol callback failed", err)
		}
	}
}

// atEOF tells the protocol that the other end will send no more.
func (t *streamTransport) atEOF() {
	keepOpen, err := t.eofReceived()
	switch {
	case err != nil:
		t.fatal("protocol.EOFReceived() failed", err)
	case !keepOpen:
		t.close()
	}
}

// fatal ends the connection because of err, and reports it if a program is to blame, not the network.
func (t *streamTransport) fatal(what string, err error) {
	if !isCircumstance(err) {
		t.report(what, err)
	}
	t.forceClose(err)
}

// forceClose has ConnectionLost called soon, whatever is in the buffer.
func (t *streamTransport) forceClose(err error) {
	if t.lost > 0 {
		return
	}
	t.out = outBuffer{}
	t.closing, t.forced = true, true
	t.lose(err)
}

// lose schedules ConnectionLost.
func (t *streamTransport) lose(err error) {
	t.lost++
	t.cause = err
	t.loop.schedule((*lostStep)(t), nil)
}

// Close implements BaseTransport.
func (t *streamTransport) Close() error {
	t.loop.check("Transport.Close")
	t.close()
	return nil
}

func (t *streamTransport) close() {
	if t.closing {
		return
	}
	t.closing = true
	if t.out.len() == 0 {
		t.lose(nil)
	}
}

// Abort implements WriteTransport.
func (t *streamTransport) Abort() {
	t.loop.check("Transport.Abort")
	t.forceClose(nil)
}

// PauseReading implements ReadTransport.
func (t *streamTransport) PauseReading() {
	t.loop.check("Transport.PauseReading")
	if t.closing || t.paused {
		return
	}
	t.paused = true
	t.toRead = false
}

// ResumeReading implements ReadTransport.
func (t *streamTransport) ResumeReading() {
	t.loop.check("Transport.ResumeReading")
	if t.closing || !t.paused {
		return
	}
	t.paused = false
	t.rearm()
}

// SetProtocol implements BaseTransport.
func (t *streamTransport) SetProtocol(p Protocol) {
	t.loop.check("Transport.SetProtocol")
	if err := checkProtocol[Transport](p); err != nil {
		panic(err)
	}
	t.use(p)
}

// Write implements WriteTransport.
func (t *streamTransport) Write(p []byte) (int, error) {
	t.loop.check("Transport.Write")
	if err := t.mayWrite(len(p)); err != nil || len(p) == 0 {
		return 0, err
	}
	n := 0
	if t.out.len() == 0 {
		var err error
		if n, err = t.writeNow(p); n == len(p) || err != nil {
			return n, err
		}
	}
	t.hold(&t.out, p[n:])
	t.maybePause(t.out.len())
	return len(p), nil
}

// mayWrite panics if the protocol must not write any more, and returns an error if that makes no
// sense; there is always sense in writing nothing.
func (t *streamTransport) mayWrite(n int) error {
	switch {
	case t.eof:
		misuse("Transport.Write", "WriteEOF was called before")
	case t.sending != nil:
		misuse("Transport.Write", "a Sendfile is in progress")
	case t.lost > 0 && n > 0:
		return t.dropped()
	}
	return nil
}

// Writelines implements WriteTransport. The pieces are joined: for the small ones that people have,
// copying is cheaper than a gathering call.
func (t *streamTransport) Writelines(bufs [][]byte) error {
	t.loop.check("Transport.Writelines")
	size := 0
	for _, p := range bufs {
		size += len(p)
	}
	if err := t.mayWrite(size); err != nil || size == 0 {
		return err
	}
	if t.out.len() > 0 {
		for _, p := range bufs {
			t.out.add(p)
		}
		t.maybePause(t.out.len())
		return nil
	}
	joined := slices.Concat(bufs...)
	n, err := t.writeNow(joined)
	if err == nil && n < size {
		t.out = outBuffer{joined, n}
		t.maybePause(t.out.len())
	}
	return err
}

// writeNow writes what can be written of p at once, while nothing is in the buffer.
func (t *streamTransport) writeNow(p []byte) (n int, err error) {
	n, err = t.stream.Write(p)
	if err != nil && err != netio.ErrWouldBlock {
		t.fatal("write error on a connection", err)
		return n, err
	}
	if n < len(p) {
		t.can &^= netio.Writable
	}
	return n, nil
}

// flush writes from the buffer.
func (t *streamTransport) flush() {
	eof := t.eof // ResumeWriting may call WriteEOF, which then does the rest itself
	n, err := t.stream.Write(t.out.bytes())
	if err != nil && err != netio.ErrWouldBlock {
		t.fatal("write error on a connection", err)
		return
	}
	if n < t.out.len() {
		t.can &^= netio.Writable
	}
	t.written(&t.out, n)
	t.maybeResume(t.out.len())
	if t.out.len() > 0 || t.lost > 0 {
		return
	}
	t.sending.wake()
	switch {
	case t.closing:
		t.lost++
		(*lostStep)(t).run(nil)
	case eof && t.sending == nil:
		t.shutdown()
	}
}

// WriteEOF implements WriteTransport.
func (t *streamTransport) WriteEOF() {
	t.loop.check("Transport.WriteEOF")
	if t.closing || t.eof {
		return
	}
	if !t.stream.CanCloseWrite() {
		misuse("Transport.WriteEOF", "this connection cannot be closed for writing alone: ask CanWriteEOF before")
	}
	t.eof = true
	if t.out.len() == 0 && t.sending == nil {
		t.shutdown()
	}
}

// shutdown closes the writing half.
func (t *streamTransport) shutdown() {
	if err := t.stream.CloseWrite(); err != nil {
		t.fatal("shutdown error on a connection", err)
	}
}

// CanWriteEOF implements WriteTransport.
func (t *streamTransport) CanWriteEOF() bool {
	t.loop.check("Transport.CanWriteEOF")
	return t.stream.CanCloseWrite()
}

// SetWriteBufferLimits implements WriteTransport.
func (t *streamTransport) SetWriteBufferLimits(high, low int) {
	t.loop.check("Transport.SetWriteBufferLimits")
	t.setLimits(high, low, defaultFlow.high)
	t.maybePause(t.out.len())
}

// GetWriteBufferSize implements WriteTransport.
func (t *streamTransport) GetWriteBufferSize() int {
	t.loop.check("Transport.GetWriteBufferSize")
	return t.out.len()
}

// GetExtraInfo implements BaseTransport.
func (t *streamTransport) GetExtraInfo(name string) any {
	t.loop.check("Transport.GetExtraInfo")
	switch name {
	case "socket":
		return &TransportSocket{t.stream}
	case "sockname":
		if addr := t.localAddr(); addr != nil {
			return addr
		}
	case "peername":
		if t.remote != nil {
			return t.remote
		}
	}
	return nil
}

// localAddr is the address of this end, nil if there is none.
func (t *streamTransport) localAddr() net.Addr {
	if t.local == nil {
		t.local = t.stream.LocalAddr()
	}
	return t.local
}

// String names the transport and its state.
func (t *streamTransport) String() string {
	state := "open"
	switch {
	case t.lost > 0:
		state = "closed"
	case t.closing:
		state = "closing"
	}
	return fmt.Sprintf("Transport %s %v-%v write buffer %d", state, t.localAddr(), t.remote, t.out.len())
}
