//go:build linux || darwin || freebsd

package aio

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// systemChunk is how much the system may send at a time: about a millisecond of the loop's time.
const systemChunk = 4 << 20

// systemFile returns the file if it is one that the system may send by itself, nil otherwise.
func (f *fileSend) systemFile() *os.File {
	file, _ := f.file.(*os.File)
	return file
}

// system has the system send what it can of f to the socket fd, and reports whether that was the rest. The
// error may be netio.ErrWouldBlock.
func (f *fileSend) system(fd int) (done bool, err error) {
	file := f.systemFile()
	if file == nil {
		return false, ErrSendfileNotAvailable
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return false, err
	}
	n := 0
	cerr := raw.Control(func(in uintptr) {
		for ok := true; ok; ok = n <= 0 && err == unix.EINTR {
			offset := f.next
			n, err = unix.Sendfile(fd, int(in), &offset, int(min(f.left, systemChunk)))
		}
	})
	switch {
	case cerr != nil:
		return false, cerr
	case n > 0: // with an error as well on some systems, if that was not all
		f.sentMore(int64(n))
	case err == unix.EAGAIN:
		return false, netio.ErrWouldBlock
	case err != nil:
		return false, os.NewSyscallError("sendfile", err)
	default:
		f.left = 0 // the file has become shorter
	}
	return f.left == 0, nil
}

// sendFile implements fileSender.
func (s *fdStream) sendFile(f *fileSend) (done bool, err error) { return f.system(s.fd) }
