package aio

// Sending files. Where the system supports it, the kernel moves the bytes: they do not
// pass through the program's memory, nor through the write buffer of a transport, so
// nothing else can be written during that time. Otherwise a worker goroutine reads
// pieces of the file, which are then sent.

import (
	"context"
	"fmt"
	"io"
	"net"
)

// SendfileOptions are the settings of [Sendfile] and [SockSendfile]. The zero value
// sends the whole file.
type SendfileOptions struct {
	// Offset is the offset in the file at which to begin, in bytes; the file's
	// position does not matter.
	Offset int64
	// Count is the number of bytes to send; zero means up to the end. (asyncio:
	// count, where None means that)
	Count int64
	// NoFallback makes the call fail with [ErrSendfileNotAvailable] if the kernel
	// cannot send the file, instead of reading it. (asyncio: fallback=False)
	NoFallback bool
}

// SockSendfile sends file over sock, a stream socket as for [SockRecv], and returns the
// number of bytes sent: as many as requested, or fewer if the file ends before.
// Afterwards the position of file is behind the last byte sent, also after an error or
// a cancellation; if nothing was sent it is unchanged. opts may be nil.
//
// It suspends the calling task while there is no room to send, and while another
// goroutine reads file. If it is cancelled, nothing more is sent. The kernel sends an
// [*os.File] on Linux, macOS and FreeBSD; [SendfileOptions] NoFallback describes the
// other cases.
//
// The error is that of the connection or of file, [ErrSendfileNotAvailable], or one
// that matches [ErrUsage] if an option is negative or sock is not a stream. SockRecv
// lists the other errors.
//
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

// Sendfile sends file over t, after the data in its write buffer, and returns the
// number of bytes sent: as many as requested, or fewer if the file ends before. If the
// kernel sends the file, it has received all of them when Sendfile returns; otherwise
// the last bytes may still be in the write buffer. Afterwards the position of file is
// behind the last byte sent or written, also after an error or a cancellation; if no
// byte was sent or written, it is unchanged. opts may be nil.
//
// It suspends the calling task while there is no room to send, and while another
// goroutine reads file. Reading from t is paused in the meantime.
//
// If it is cancelled, nothing more is sent. The kernel sends an [*os.File] over a
// socket, without TLS, on Linux, macOS and FreeBSD; [SendfileOptions] NoFallback
// describes the other cases. During a Sendfile a Write to t is misuse, a WriteEOF is
// delayed, and a Close ends the Sendfile.
//
// The error is that of the connection, [net.ErrClosed] if t is closing or is closed
// during the call, that of file, [ErrSendfileNotAvailable], or one of those of
// [Future.Await]. None of them closes t, but a part of the file may have been sent.
// After WriteEOF the error is ErrSendfileNotAvailable with NoFallback and matches
// [ErrUsage] without. It also matches ErrUsage if an option is negative or another
// Sendfile is in progress.
//
// (asyncio: loop.sendfile)
func Sendfile(ctx context.Context, t Transport, file io.ReadSeeker, opts *SendfileOptions) (sent int64, err error) {
	const call = "Sendfile"
	if _, err := enter(ctx, call); err != nil {
		return 0, err
	}
	if t == nil {
		return 0, usagef(call, "the transport is nil")
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

// newFileSend determines which part of the file to send.
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

// sendfileProtocol replaces the protocol of a transport while a file is written to it,
// to learn when to pause.
type sendfileProtocol struct {
	user   Protocol
	paused bool
	lost   bool
	err    error   // the argument of ConnectionLost
	wait   *waiter // the waiter of the Sendfile, while it waits
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

// DataReceived and EOFReceived pass on what arrives although the Sendfile has paused
// reading: the user has resumed it.
func (p *sendfileProtocol) DataReceived(b []byte) {
	to := newReceiver(p.user)
	for len(b) > 0 && to.buffered != nil {
		buf, err := to.ownMemory()
		if err != nil {
			panic(err)
		}
		n := copy(buf, b)
		b = b[n:]
		to.buffered.BufferUpdated(n)
	}
	if len(b) > 0 {
		to.receive(b, len(b))
	}
}

func (p *sendfileProtocol) EOFReceived() bool {
	user, ok := p.user.(EOFReceiver)
	return ok && user.EOFReceived()
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

// cause returns the reason why the connection is closed.
func (p *sendfileProtocol) cause() error {
	if p.err != nil {
		return p.err
	}
	return net.ErrClosed
}

// tellUser calls the PauseWriting or ResumeWriting that the user's protocol has missed.
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
