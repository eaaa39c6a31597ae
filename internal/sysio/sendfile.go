//go:build linux || darwin || freebsd

package sysio

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
)

// CanSendfile reports whether Sendfile is available.
const CanSendfile = true

// maxSendfile is the maximum that one Sendfile sends: about a millisecond of the loop's
// time.
const maxSendfile = 4 << 20

// Sendfile sends up to n bytes of the file in, from offset at, to the socket out. It
// returns how many it has sent: 0 without an error at the end of the file.
func Sendfile(out int, in syscall.RawConn, at, n int64) (sent int64, err error) {
	cerr := in.Control(func(fd uintptr) {
		for {
			var k int
			offset := at
			k, err = unix.Sendfile(out, int(fd), &offset, int(min(n, maxSendfile)))
			if k > 0 {
				// some systems also return an error if not all was sent
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
