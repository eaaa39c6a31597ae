package aio

// Files as a source of what is sent. Where the system can, it moves the bytes by itself:
// past the memory of the program, and for a transport past its write buffer, so that
// while this goes on nothing else can be written. The other way is to read pieces in a
// worker goroutine and to send them.

import (
	"context"
	"fmt"
	"io"
	"net"
)

// SendfileOptions are the settings of Sendfile and SockSendfile. The zero value sends the
// whole file.
type SendfileOptions struct {
	// Offset is where in the file to begin, in bytes, whatever its position is.
	Offset int64
	// Count is how many bytes to send; zero is all up to the end. (asyncio: count,
	// where that is None)
	Count int64
	// NoFallback has the call fail with ErrSendfileNotAvailable where the system
	// cannot send the file by itself, instead of reading it. (asyncio:
	// fallback=False)
	NoFallback bool
}

// SockSendfile sends file over sock, a stream socket as SockRecv takes it, and returns
// how many bytes that were: as many as were asked for, less if the file ends before.
// Afterwards the position of file is behind what was sent, also after an error or a
// cancellation; if nothing was sent it is where it was.
//
// It suspends the calling task while there is no room to send to, and while file is read,
// which happens in another goroutine. If it is cancelled nothing more is sent. The system
// sends an *os.File by itself on Linux, macOS and FreeBSD; see SendfileOptions.NoFallback
// for the rest. opts may be nil.
//
// The error is that of the connection or of file, ErrSendfileNotAvailable, or one that
// matches ErrUsage if an option is negative or sock is no stream. See SockRecv for the
// other errors. (asyncio: loop.sock_sendfile)
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

// Sendfile sends file over t, after what is in its write buffer, and returns how many
// bytes that was: as many as were asked for, less if the file ends before. What is sent
// by the system itself has reached it by then, otherwise the last bytes may be in the
// write buffer. Afterwards the position of file is behind what was sent or written, also
// after an error or a cancellation; if that is nothing it is where it was.
//
// It suspends the calling task while there is no room to send to, and while file is read,
// which happens in another goroutine. Reading from t is paused meanwhile. If it is
// cancelled nothing more is sent. The system sends an *os.File by itself over a socket,
// without TLS, on Linux, macOS and FreeBSD; see SendfileOptions.NoFallback for the rest.
// During that a Write to t is misuse, a WriteEOF waits, and a Close ends the Sendfile.
// opts may be nil.
//
// The error is that of the connection, which is closed then, net.ErrClosed if t is
// closing or is closed meanwhile, that of file, ErrSendfileNotAvailable, or one of those
// of Future.Await. It matches ErrUsage if an option is negative, another Sendfile is in
// progress or WriteEOF was called before. (asyncio: loop.sendfile)
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
		err = copyTo(ctx, call, f, t)
	}
	return f.sent, err
}

// copyTo sends f by reading it and writing to t.
func copyTo(ctx context.Context, call string, f *fileSend, t Transport) error {
	c, err := enter(ctx, call)
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
		if err := p.drain(c, call); err != nil {
			return err
		}
		if p.lost {
			return p.cause()
		}
		return nil
	})
}

// newFileSend finds out what there is to send.
func newFileSend(call string, file io.ReadSeeker, opts *SendfileOptions) (*fileSend, error) {
	if opts == nil {
		opts = &SendfileOptions{}
	}
	switch {
	case file == nil:
		return nil, usagef(call, "the file is nil")
	case opts.Offset < 0 || opts.Count < 0:
		return nil, usagef(call, "offset %d and count %d must not be negative", opts.Offset, opts.Count)
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
	f.remaining = max(0, size-opts.Offset)
	if opts.Count > 0 {
		f.remaining = min(f.remaining, opts.Count)
	}
	var ok bool
	if f.reader, ok = file.(io.ReaderAt); !ok {
		f.reader = &seekReader{file: file}
	}
	return f, nil
}

// sendfileProtocol stands in for the protocol of a transport while a file is written to
// it, to learn when to pause.
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
	if user, ok := p.user.(LossReceiver); ok {
		user.ConnectionLost(err)
	}
}

func (p *sendfileProtocol) wake() {
	if p.wait != nil {
		p.wait.wake()
	}
}

// drain waits until there is room in the write buffer, or the connection is lost.
func (p *sendfileProtocol) drain(c caller, call string) (err error) {
	for p.paused && !p.lost && err == nil {
		err = c.waitOnce(call, &p.wait)
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
	if user, ok := p.user.(WritingPauser); ok && p.paused {
		user.PauseWriting()
	}
	if user, ok := p.user.(WritingResumer); ok && !p.paused {
		user.ResumeWriting()
	}
}
