package aio

// streamTransport is the Transport of connections: of sockets, and of every other
// net.Conn. The token owns it.
//
// When it runs it makes one read and one flush, as asyncio makes one of each per pass,
// so that no connection keeps the others waiting. If there may be more to read it goes
// on the hot list.

import (
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/goaio/aio/internal/netio"
)

type streamTransport struct {
	streamEndpoint
	readHalf
	writeHalf
	sending *transfer     // the Sendfile in progress, nil if there is none
	upper   *tlsTransport // the TLS layer above it, nil if there is none

	// The addresses. local is set once it was requested, or the transport is
	// closed.
	local, remote net.Addr

	owner                  connOwner // nil if there is none
	links[streamTransport]           // the links in the owner's list
}

var _ linked[streamTransport] = (*streamTransport)(nil)

// connOwner has the list of the connections that it has accepted.
type connOwner interface {
	attach(*streamTransport)
	detach(*streamTransport) // removes a connection that is gone
}

// newStreamTransport makes the transport of s, which opens in the next pass: then
// ConnectionMade is called, and reading starts. After an error s still belongs to the
// caller.
func (l *Loop) newStreamTransport(s netio.Stream, p Protocol, owner connOwner) (*streamTransport, error) {
	t := &streamTransport{owner: owner, remote: s.RemoteAddr()}
	t.streamEndpoint = streamEndpoint{endpoint: endpoint{loop: l, self: t}, stream: s}
	t.readHalf.of, t.flow = &t.endpoint, newFlow(&t.endpoint, defaultHigh)
	if err := t.use(p); err != nil {
		return nil, err
	}
	if err := s.Attach((*streamOwner)(t)); err != nil {
		return nil, err
	}
	if owner != nil {
		owner.attach(t)
	}
	t.open()
	return t, nil
}

// front returns the transport that the application uses.
func (t *streamTransport) front() Transport {
	if t.upper != nil {
		return t.upper
	}
	return t
}

func (t *streamTransport) use(p Protocol) error {
	if err := checkProtocol[Transport](p); err != nil {
		return err
	}
	t.protocol, t.receiver = p, newReceiver(p)
	return nil
}

// release implements lifeCycle.
func (t *streamTransport) release() {
	t.localAddr() // stores the address for later requests
	t.streamEndpoint.release()
	t.wakeSendfile()
	if t.owner != nil {
		t.owner.detach(t)
		t.owner = nil
	}
}

// streamOwner is the transport as its stream sees it: methods that a user's Transport
// must not have.
type streamOwner streamTransport

func (o *streamOwner) Ready(r netio.Readiness) { (*streamTransport)(o).ready(r) }

func (o *streamOwner) Discard() {
	o.out = outBuffer{}
	o.discard()
}

// ready queues the work that is possible and wanted.
func (t *streamTransport) ready(r netio.Readiness) {
	if r == 0 { // no news: this is the entry of a transport on the hot list
		if !t.hot { // reading was paused since then
			return
		}
		t.hot = false
		if s, ok := t.stream.(netio.Repeater); ok && t.can&toRead == netio.Readable && !s.Pending() {
			// the last bytes just filled the memory
			t.can &^= netio.Readable
			s.NotReady()
		}
	}
	t.can |= r
	t.toRead = t.toRead || t.mayRead() && t.can&toRead != 0
	t.toWrite = t.toWrite || (t.out.len() > 0 || t.maySendfile()) && t.can&(netio.Writable|netio.HungUp) != 0
	t.enqueue(t)
}

// proceed implements lifeCycle.
func (t *streamTransport) proceed() {
	t.hot = false
	if err := t.repeat((*streamOwner)(t), t.out.len() > 0); err != nil {
		t.fatal("a connection cannot be polled", err)
	}
}

// run implements runnable.
func (t *streamTransport) run(*future) {
	read, write := t.dequeued()
	if read && t.mayRead() {
		t.readOnce()
		if t.can&toRead != 0 && t.mayRead() {
			t.again((*streamOwner)(t))
		}
	}
	switch {
	case !write:
	case t.out.len() > 0:
		t.flush()
	case !t.lost && t.maySendfile() && t.advance():
		t.wakeSendfile()
	}
}

// source implements sourced.
func (t *streamTransport) source() any { return t }

// readOnce makes one read and delivers its result.
func (t *streamTransport) readOnce() {
	to := t.receiver // the receiver at the time when the read begins
	buf, err := to.memory(t.loop)
	if err != nil {
		t.fatal("protocol.GetBuffer() failed", err)
		return
	}
	if !t.mayRead() { // GetBuffer has closed or paused the transport
		return
	}
	n, more, err := t.stream.Read(buf)
	if !more {
		t.can &^= netio.Readable
	}
	switch {
	case err == netio.ErrWouldBlock:
		t.can &^= toRead
	case err == io.EOF:
		t.ended = true
		t.atEOF()
	case err != nil:
		t.ended = true
		t.fatal("read error on a connection", err)
	default:
		if err := to.deliver(buf, n); err != nil {
			t.fatal(to.what()+" failed", err)
		} else if n == len(buf) {
			t.readRest(to, n)
		}
	}
}

// restReader is implemented by a BufferedProtocol that may get more in a pass than fits
// into its memory.
type restReader interface {
	// wantsRest reports whether the last read has filled the memory.
	wantsRest() bool
	// brought says that the pass has brought n bytes.
	brought(n int)
}

// readRest continues a read of n bytes that has filled the memory of a restReader. In one
// pass its task gets up to maxRead bytes, as in asyncio, read with any number of system
// calls. It checks Pending before each of them, because an error belongs to the next
// pass.
func (t *streamTransport) readRest(to receiver, n int) {
	p, wants := to.buffered.(restReader)
	s, ok := t.stream.(netio.Repeater)
	if !wants || !ok {
		return
	}
	for n < maxRead && p.wantsRest() {
		if !s.Pending() {
			t.can &^= netio.Readable
			break
		}
		buf := to.buffered.GetBuffer(-1)
		got, more, err := t.stream.Read(buf[:min(len(buf), maxRead-n)])
		if err != nil { // there was data: the error belongs to the next pass
			return
		}
		if !more {
			t.can &^= netio.Readable
		}
		n += got
		if err := to.deliver(buf, got); err != nil {
			t.fatal(to.what()+" failed", err)
			return
		}
	}
	p.brought(n)
}

// atEOF tells the protocol of EOF.
func (t *streamTransport) atEOF() {
	keepOpen, err := t.eofReceived()
	switch {
	case err != nil:
		t.fatal("protocol.EOFReceived() failed", err)
	case !keepOpen:
		t.close()
	}
}

// fatal closes the connection because of err, and reports err if it is the fault of a
// program rather than of the network.
func (t *streamTransport) fatal(what string, err error) {
	if !isIOError(err) {
		t.report(what, err)
	}
	t.forceClose(err)
}

// forceClose closes the connection without regard to the buffer.
func (t *streamTransport) forceClose(err error) {
	if !t.lost {
		t.out = outBuffer{}
		t.forced = true
		t.lose(err)
	}
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

// Write implements WriteTransport.
func (t *streamTransport) Write(p []byte) (int, error) {
	if err := t.loop.checked("Transport.Write"); err != nil {
		return 0, err
	}
	if err := t.mayWrite("Transport.Write", len(p)); err != nil || len(p) == 0 {
		return 0, err
	}
	n := 0
	if t.out.len() == 0 {
		var err error
		if n, err = t.writeNow(p); n == len(p) || err != nil {
			return n, err
		}
	}
	if t.out.len() == 0 {
		t.watchWrite(true)
	}
	t.hold(p[n:])
	return len(p), nil
}

// mayWrite returns an error if the transport cannot be written to, or not n bytes.
func (t *streamTransport) mayWrite(call string, n int) error {
	switch {
	case t.eof:
		return usagef(call, "WriteEOF was called before")
	case t.sending != nil:
		return usagef(call, "a Sendfile is in progress")
	case t.lost && n > 0:
		return t.dropped()
	}
	return nil
}

// Writelines implements [WriteTransport]. The pieces are joined: for the usual small
// ones, copying is cheaper than writev.
func (t *streamTransport) Writelines(bufs [][]byte) error {
	if err := t.loop.checked("Transport.Writelines"); err != nil {
		return err
	}
	size := 0
	for _, p := range bufs {
		size += len(p)
	}
	if err := t.mayWrite("Transport.Writelines", size); err != nil || size == 0 {
		return err
	}
	if t.out.len() > 0 {
		for _, p := range bufs {
			t.out.add(p)
		}
		t.flush() // as in asyncio, Write does not flush here
		t.maybePause(t.out.len())
		return nil
	}
	joined := slices.Concat(bufs...)
	n, err := t.writeNow(joined)
	if err == nil && n < size {
		t.out = outBuffer{joined, n}
		t.watchWrite(true)
		t.maybePause(t.out.len())
	}
	return err
}

// writeNow writes as much of p as is possible at once, while the buffer is empty.
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
	eof := t.eof // ResumeWriting may call WriteEOF, which does the rest itself
	n, err := t.stream.Write(t.out.bytes())
	if err != nil && err != netio.ErrWouldBlock {
		t.fatal("write error on a connection", err)
		return
	}
	if n < t.out.len() {
		t.can &^= netio.Writable
	}
	if t.written(n); t.out.len() == 0 && !t.closing {
		t.watchWrite(false)
	}
	t.maybeResume(t.out.len())
	if t.out.len() > 0 || t.lost {
		return
	}
	t.wakeSendfile()
	switch {
	case t.closing:
		t.loseNow()
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
		misuse("Transport.WriteEOF", "this connection cannot be closed for writing alone: check CanWriteEOF first")
	}
	t.eof = true
	if t.out.len() == 0 && t.sending == nil {
		t.shutdown()
	}
}

// shutdown closes the connection for writing.
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

// localAddr returns the local address, nil if there is none.
func (t *streamTransport) localAddr() net.Addr {
	if t.local == nil {
		t.local = t.stream.LocalAddr()
	}
	return t.local
}

// String names the transport and its state.
func (t *streamTransport) String() string {
	return t.text("Transport", func() string {
		return fmt.Sprintf("%s %v-%v write buffer %d", t.state(), t.localAddr(), t.remote, t.out.len())
	})
}
