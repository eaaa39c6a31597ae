//go:build linux || darwin || freebsd

package sysio

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// CanSendfile reports whether there is a Sendfile.
const CanSendfile = true

// maxSendfile is how much one Sendfile sends at most: about a millisecond of the loop's
// time.
const maxSendfile = 4 << 20

// Sendfile sends up to n bytes of the file in, which begin at offset at, to the socket
// out, and returns how many it has sent: 0 without an error at the end of the file.
func Sendfile(out int, in syscall.RawConn, at, n int64) (sent int64, err error) {
	cerr := in.Control(func(fd uintptr) {
		for {
			var k int
			offset := at
			k, err = unix.Sendfile(out, int(fd), &offset, int(min(n, maxSendfile)))
			if k > 0 {
				// with an error too on some systems, if that was not all
				sent, err = int64(k), nil
			}
			if err != unix.EINTR {
				return
			}
		}
	})
	switch {
	case cerr != nil:
		return 0, cerr
	case err == unix.EAGAIN:
		return 0, netio.ErrWouldBlock
	}
	return sent, os.NewSyscallError("sendfile", err)
}
