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
	"github.com/goaio/aio/internal/sysio"
)

// fdPipe is a stream over a descriptor that need not be a socket.
type fdPipe struct {
	fdStream
	file *os.File // whose descriptor it is, nil for one of its own
}

// read cannot take a short read for the last: a terminal gives a line at a time and a socket perhaps a
// message. So may a pipe, if it was made to keep packets apart, which only its writing end tells.
func (p *fdPipe) Read(buf []byte) (n int, more bool, err error) {
	n, err = sysio.Read(p.fd, buf)
	switch {
	case err != nil:
		return 0, false, err
	case n == 0:
		return 0, false, io.EOF
	}
	return n, true, nil
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
	p, err := b.loop.pipeOf(f)
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
	return b.fallback.pipe(f, writes, owner) // there are devices that cannot be polled, like /dev/null
}

// pipeOf makes a stream of a duplicate of f, or of f itself if it is a standard stream: another file
// that got its number would be given what the runtime prints, and what child processes write.
func (l *Loop) pipeOf(f *os.File) (*fdPipe, error) {
	fd, _, err := descriptorOf("", f)
	if err != nil {
		return nil, err
	}
	if fd <= syscall.Stderr {
		err := unix.SetNonblock(fd, true)
		return &fdPipe{fdStream{loop: l, fd: fd}, f}, os.NewSyscallError("fcntl", err)
	}
	fd, err = sysio.DupOf(f)
	return &fdPipe{fdStream{loop: l, fd: fd}, nil}, err
}
