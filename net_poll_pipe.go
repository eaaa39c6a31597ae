//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package aio

// Pipes as descriptors of the loop's poller.

import (
	"errors"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/poll"
	"github.com/goaio/aio/internal/sysio"
)

// fdPipe is a stream over a descriptor that need not be a socket.
type fdPipe struct {
	fdStream
	writes bool // for writing, not for reading
	fifo   bool // neither a socket nor a device
	// the file of the descriptor, nil if the descriptor is a duplicate
	file *os.File
}

// Read makes one read. more is always false: after WatchRead the poller reports whether
// there is more to read. A short read does not show that the descriptor is empty: a
// terminal returns one line, a socket may return one message, and so does a pipe in
// packet mode, which only its writing end can recognize.
func (p *fdPipe) Read(buf []byte) (n int, more bool, err error) {
	n, err = sysio.Read(p.fd, buf)
	switch {
	case err != nil:
		return 0, false, err
	case n == 0:
		return 0, false, io.EOF
	}
	return n, false, nil
}

// Attach registers at once, to find out whether the descriptor can be polled.
func (p *fdPipe) Attach(owner netio.Owner) error {
	want := netio.Readable
	if p.writes {
		want = poll.Edges
	}
	if err := p.loop.polling.register(p.fd, owner, want); err != nil {
		return err
	}
	p.loop.polling.withdraw(p.fd)
	return nil
}

// WatchRead implements levelReader.
func (p *fdPipe) WatchRead(on bool) error {
	switch {
	case p.fd < 0:
		return nil
	case on:
		return p.Repeat(false)
	}
	p.loop.polling.withdraw(p.fd)
	return nil
}

// WatchWrite implements netio.Repeater. A large write to a process turns the watch on
// and off for each part. So a pipe is only muted, which takes no system call.
func (p *fdPipe) WatchWrite(on bool) {
	if on || !p.fifo || p.fd < 0 {
		p.fdStream.WatchWrite(on)
		return
	}
	p.loop.polling.mute(p.fd)
}

func (p *fdPipe) grow() { sysio.GrowPipe(p.fd) }

func (p *fdPipe) Close() {
	if p.file == nil || p.fd < 0 {
		p.fdStream.Close()
		return
	}
	if p.loop.polling.ownerOf(p.fd) != nil {
		p.loop.polling.unregister(p.fd)
	}
	p.file.Close()
	p.fd = -1
}

func (p *fdPipe) Abort() { p.Close() }

// pipe implements fileBackend.
func (b pollBackend) pipe(f *os.File, writes bool, owner netio.Owner) (netio.Stream, error) {
	p, err := b.loop.pipeOf(f, writes)
	if err != nil {
		return nil, err
	}
	err = p.Attach(owner)
	switch {
	case err == nil:
		if p.file == nil {
			f.Close()
		}
		return p, nil
	case p.file == nil:
		unix.Close(p.fd)
	}
	if errors.Is(err, ErrUsage) {
		return nil, err
	}
	// some devices cannot be polled, such as /dev/null
	return b.fallback.pipe(f, writes, owner)
}

// pipeOf makes a stream from a duplicate of f, or from f itself if it is a standard
// stream: if a standard stream were closed, the next file that is opened would get its
// number, and the output of the runtime and of child processes.
func (l *Loop) pipeOf(f *os.File, writes bool) (*fdPipe, error) {
	fd, _, err := descriptorOf("", f)
	if err != nil {
		return nil, err
	}
	p := &fdPipe{fdStream: fdStream{loop: l, fd: fd}, writes: writes}
	var stat unix.Stat_t
	p.fifo = unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO
	if fd <= syscall.Stderr {
		p.file = f
		return p, os.NewSyscallError("fcntl", unix.SetNonblock(fd, true))
	}
	p.fd, err = sysio.DupOf(f)
	return p, err
}
