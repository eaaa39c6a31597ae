package aio

// Files as a source of what is sent. Where the system can, it moves the bytes by itself: past the memory
// of the program, and for a transport past its write buffer, so that while this goes on nothing else can
// be written. The other way is to read pieces in a worker goroutine and to send them.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// SendfileOptions are the settings of Sendfile and SockSendfile. The zero value sends the whole file.
type SendfileOptions struct {
	// Offset is where in the file to begin, in bytes, whatever its position is.
	Offset int64
	// Count is how many bytes to send; zero is all up to the end. (asyncio: count, where that is None)
	Count int64
	// NoFallback has the call fail with ErrSendfileNotAvailable where the system cannot send the file by
	// itself, instead of reading it. (asyncio: fallback=False)
	NoFallback bool
}

// copyChunk is how much is read at a time.
const copyChunk = 256 << 10

// SockSendfile sends file over sock, a stream socket as SockRecv takes it, and returns how many bytes
// that were: as many as were asked for, less if the file ends before. Afterwards the position of file
// is behind what was sent, also after an error or a cancellation; if nothing was sent it is where it
// was.
//
// It suspends the calling task while there is no room to send to, and while file is read, which happens
// in another goroutine. If it is cancelled nothing more is sent. The system sends an *os.File by itself
// on Linux, macOS and FreeBSD; see SendfileOptions.NoFallback for the rest. opts may be nil.
//
// The error is that of the connection or of file, ErrSendfileNotAvailable, or one that matches ErrUsage
// if an option is negative or sock is no stream. See SockRecv for the other errors.
// (asyncio: loop.sock_sendfile)
func SockSendfile(ctx context.Context, sock any, file io.ReadSeeker, opts *SendfileOptions) (sent int64, err error) {
	const call = "SockSendfile"
	s, err := socketOf(ctx, call, sock)
	if err != nil {
		return 0, err
	}
	f, err := newFileSend(call, file, opts)
	if err != nil {
		return 0, err
	}
	defer f.finish(&err)
	err = s.sendfile(ctx, f)
	if f.mayCopy(err) {
		err = s.sendcopy(ctx, f)
	}
	return f.sent, err
}

// Sendfile sends file over t, after what is in its write buffer, and returns how many bytes that was: as
// many as were asked for, less if the file ends before. What is sent by the system itself has reached it
// by then, otherwise the last bytes may be in the write buffer. Afterwards the position of file is behind
// what was sent or written, also after an error or a cancellation; if that is nothing it is where it was.
//
// It suspends the calling task while there is no room to send to, and while file is read, which happens
// in another goroutine. Reading from t is paused meanwhile. If it is cancelled nothing more is sent. The
// system sends an *os.File by itself over a socket, without TLS, on Linux, macOS and FreeBSD; see
// SendfileOptions.NoFallback for the rest. During that a Write to t is misuse, a WriteEOF waits, and a
// Close ends the Sendfile. opts may be nil.
//
// The error is that of the connection, which is closed then, net.ErrClosed if t is closing or is closed
// meanwhile, that of file, ErrSendfileNotAvailable, or one of those of Future.Await. It matches ErrUsage
// if an option is negative, another Sendfile is in progress or WriteEOF was called before.
// (asyncio: loop.sendfile)
func Sendfile(ctx context.Context, t Transport, file io.ReadSeeker, opts *SendfileOptions) (sent int64, err error) {
	const call = "Sendfile"
	if _, err := enter(ctx, call); err != nil {
		return 0, err
	}
	if t.IsClosing() {
		return 0, fmt.Errorf("aio: %s: the transport is closing: %w", call, net.ErrClosed)
	}
	if _, ok := t.GetProtocol().(*sendfileProtocol); ok {
		return 0, errSendfileTwice(call)
	}
	f, err := newFileSend(call, file, opts)
	if err != nil {
		return 0, err
	}
	defer f.finish(&err)
	err = ErrSendfileNotAvailable
	if s, ok := t.(*streamTransport); ok {
		err = s.sendfile(ctx, call, f)
	}
	if f.mayCopy(err) {
		err = f.copyTo(ctx, call, t)
	}
	return f.sent, err
}

// fileSend is a part of a file that is being sent.
type fileSend struct {
	file     io.ReadSeeker
	reader   io.ReaderAt
	start    int64 // the position of file before
	next     int64 // where what comes next begins
	left     int64
	sent     int64
	fallback bool
}

// newFileSend finds out what there is to send.
func newFileSend(call string, file io.ReadSeeker, opts *SendfileOptions) (*fileSend, error) {
	if opts == nil {
		opts = &SendfileOptions{}
	}
	switch {
	case file == nil:
		return nil, &usageError{text: "aio: " + call + ": the file is nil"}
	case opts.Offset < 0 || opts.Count < 0:
		return nil, &usageError{text: fmt.Sprintf("aio: %s: offset %d and count %d must not be negative", call, opts.Offset, opts.Count)}
	}
	f := &fileSend{file: file, next: opts.Offset, fallback: !opts.NoFallback}
	var size int64
	var err error
	if f.start, err = file.Seek(0, io.SeekCurrent); err == nil {
		size, err = file.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, err
	}
	f.left = max(0, size-opts.Offset)
	if opts.Count > 0 {
		f.left = min(f.left, opts.Count)
	}
	var ok bool
	if f.reader, ok = file.(io.ReaderAt); !ok {
		f.reader = &seekReader{file: file}
	}
	return f, nil
}

// finish sets the position of the file.
func (f *fileSend) finish(err *error) {
	at := f.start
	if f.sent > 0 {
		at = f.next
	}
	var seeker io.Seeker = f.file
	if s, ok := f.reader.(*seekReader); ok {
		seeker = s
	}
	if _, serr := seeker.Seek(at, io.SeekStart); *err == nil {
		*err = serr
	}
}

// mayCopy reports whether err says that the system cannot do it, and reading is the way.
func (f *fileSend) mayCopy(err error) bool {
	return f.fallback && errors.Is(err, ErrSendfileNotAvailable)
}

// sentMore counts n bytes as sent.
func (f *fileSend) sentMore(n int64) {
	f.next += n
	f.sent += n
	f.left -= n
}

// unlessNothing is err, or ErrSendfileNotAvailable if it is the system's and nothing was sent: most
// likely file or socket are of a kind that it cannot do this with.
func (f *fileSend) unlessNothing(err error) error {
	var no *os.SyscallError
	if f.sent == 0 && errors.As(err, &no) {
		return fmt.Errorf("%w: %w", ErrSendfileNotAvailable, err)
	}
	return err
}

// copy sends by reading.
func (f *fileSend) copy(ctx context.Context, send func(p []byte) error) error {
	buf := make([]byte, min(f.left, copyChunk))
	for f.left > 0 {
		p := buf[:min(f.left, copyChunk)]
		n, err := f.read(ctx, p)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil // the file has become shorter
		}
		if err := send(p[:n]); err != nil {
			return err
		}
		f.sentMore(int64(n))
	}
	return nil
}

// read reads what comes next, in a worker goroutine, as a disk may be slow. It returns 0 at the end.
func (f *fileSend) read(ctx context.Context, p []byte) (int, error) {
	at := f.next
	return ToThread(ctx, func(context.Context) (int, error) {
		n, err := f.reader.ReadAt(p, at)
		if n > 0 || err == io.EOF {
			err = nil
		}
		return n, err
	})
}

// seekReader reads a file that has no ReadAt. A read that was given up may still be under way when the
// position is set in the end, so there is a lock.
type seekReader struct {
	mu   sync.Mutex
	file io.ReadSeeker
}

func (s *seekReader) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.file.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	return s.file.Read(p)
}

func (s *seekReader) Seek(offset int64, whence int) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.file.Seek(offset, whence)
}

// copyTo sends by reading and writing to t.
func (f *fileSend) copyTo(ctx context.Context, call string, t Transport) error {
	e, err := enter(ctx, call)
	if err != nil {
		return err
	}
	wasPaused := writingPaused(t)
	p := &sendfileProtocol{user: t.GetProtocol(), paused: wasPaused}
	if t.IsReading() {
		t.PauseReading()
		defer t.ResumeReading()
	}
	t.SetProtocol(p)
	defer func() {
		t.SetProtocol(p.user)
		p.tellUser(wasPaused)
	}()
	return f.copy(ctx, func(b []byte) error {
		if p.lost {
			return p.cause()
		}
		if _, err := t.Write(b); err != nil {
			return err
		}
		if t.IsClosing() {
			return p.cause()
		}
		if err := p.drain(e, call); err != nil {
			return err
		}
		if p.lost {
			return p.cause()
		}
		return nil
	})
}

// errSendfileTwice is the error of a Sendfile during another one.
func errSendfileTwice(call string) error {
	return &usageError{text: "aio: " + call + ": another Sendfile is in progress on the transport"}
}

// writingPaused reports whether the protocol of t was told to pause. That of a transport of another
// package has been, as far as one can tell, if there is more in the buffer than there should be.
func writingPaused(t Transport) bool {
	if e, ok := t.(interface{ writingPaused() bool }); ok {
		return e.writingPaused()
	}
	_, high := t.GetWriteBufferLimits()
	return t.GetWriteBufferSize() > high
}

// sendfileProtocol stands in for the protocol of a transport while a file is written to it, to learn
// when to pause.
type sendfileProtocol struct {
	user   Protocol
	paused bool
	lost   bool
	err    error   // that ConnectionLost was called with
	wait   *waiter // of the Sendfile, nil while it does not wait
}

func (p *sendfileProtocol) PauseWriting() { p.paused = true }

func (p *sendfileProtocol) ResumeWriting() {
	p.paused = false
	p.wake()
}

func (p *sendfileProtocol) ConnectionLost(err error) {
	p.lost, p.err = true, err
	p.wake()
	if user, ok := p.user.(lossReceiver); ok {
		user.ConnectionLost(err)
	}
}

func (p *sendfileProtocol) wake() {
	if p.wait != nil {
		p.wait.wake()
	}
}

// drain waits until there is room in the write buffer, or the connection is lost.
func (p *sendfileProtocol) drain(e entry, call string) (err error) {
	for p.paused && !p.lost && err == nil {
		p.wait = e.fut.loop.newWaiter(call)
		err = e.await(&p.wait.future)
		e.fut.loop.freeWaiter(p.wait)
		p.wait = nil
	}
	return err
}

// cause is why the connection is closed.
func (p *sendfileProtocol) cause() error {
	if p.err != nil {
		return p.err
	}
	return net.ErrClosed
}

// tellUser tells the user's protocol of the pause or resumption that it has missed.
func (p *sendfileProtocol) tellUser(wasPaused bool) {
	if p.lost || p.paused == wasPaused {
		return
	}
	if user, ok := p.user.(writingPauser); ok && p.paused {
		user.PauseWriting()
	}
	if user, ok := p.user.(writingResumer); ok && !p.paused {
		user.ResumeWriting()
	}
}

// fileSender is a stream over which the system can send a file by itself.
type fileSender interface {
	// sendFile sends some of f, and reports whether all of it is sent. The error may be errWouldBlock.
	sendFile(f *fileSend) (done bool, err error)
}

// transfer is a Sendfile that goes past the write buffer of a transport. The transport has it from
// before the buffer is written until the call returns.
type transfer struct {
	file  *fileSend
	moves bool // the buffer was written, and it is file's turn
	err   error
	wait  *waiter // of the call, nil while it does not wait
}

// pending reports whether there is something to send as soon as there is room.
func (s *transfer) pending() bool {
	return s != nil && s.moves && s.wait != nil && s.wait.state == pending
}

// wake ends a wait of the call.
func (s *transfer) wake() {
	if s != nil && s.wait != nil {
		s.wait.wake()
	}
}

// await suspends the calling task until wake.
func (s *transfer) await(e entry, call string) error {
	s.wait = e.fut.loop.newWaiter(call)
	err := e.await(&s.wait.future)
	e.fut.loop.freeWaiter(s.wait)
	s.wait = nil
	return err
}

// sendfile sends f by the system's own call.
func (t *streamTransport) sendfile(ctx context.Context, call string, f *fileSend) error {
	_, ok := t.stream.(fileSender)
	switch {
	case t.eof:
		return &usageError{text: "aio: " + call + ": WriteEOF was called before"}
	case t.sending != nil:
		return errSendfileTwice(call)
	case !ok || f.systemFile() == nil:
		return ErrSendfileNotAvailable
	case f.left == 0:
		return nil
	}
	e, err := enter(ctx, call)
	if err != nil {
		return err
	}
	if t.IsReading() {
		t.PauseReading()
		defer t.ResumeReading()
	}
	s := &transfer{file: f}
	t.sending = s
	defer t.endTransfer()
	if t.out.len() > 0 {
		if err := s.await(e, call); err != nil {
			return err
		}
	}
	if t.lost == 0 {
		s.moves = true
		if !t.advance() {
			if err := s.await(e, call); err != nil {
				return err
			}
		}
	}
	return t.outcome(s)
}

// advance sends some of the file, and reports whether the transfer is over.
func (t *streamTransport) advance() bool {
	s := t.sending
	done, err := t.stream.(fileSender).sendFile(s.file)
	switch {
	case err == errWouldBlock:
		t.can &^= writable
		return false
	case err != nil:
		s.err = err
		return true
	case !done: // the others have their turn first
		t.can |= writable
		t.again()
	}
	return done
}

// outcome is the error of a transfer that is over.
func (t *streamTransport) outcome(s *transfer) error {
	err := s.file.unlessNothing(s.err)
	var no *os.SyscallError
	switch {
	case err == nil && s.file.left == 0, errors.Is(err, ErrSendfileNotAvailable):
		return err
	case errors.As(err, &no) && !errors.Is(err, syscall.EIO): // which is the disk's
		t.fatal("write error on a connection", err)
	case err == nil: // the connection was lost
		err = t.cause
		if err == nil {
			err = net.ErrClosed
		}
	}
	return err
}

// endTransfer makes up for what had to wait.
func (t *streamTransport) endTransfer() {
	t.sending = nil
	if t.eof && t.lost == 0 && t.out.len() == 0 {
		t.shutdown()
	}
}
