package aio_test

import (
	"context"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio"
)

// A user who asks for a descriptor of the process gets one of their own.
func TestSubprocessPidFD(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		fd := -1
		tr, p := procShell(t, ctx, "read line", &aio.SubprocessOptions{SysProcAttr: &syscall.SysProcAttr{PidFD: &fd}})
		if fd < 0 {
			t.Skip("the kernel has no such descriptors")
		}
		if err := unix.PidfdSendSignal(fd, unix.SIGHUP, nil, 0); err != nil {
			t.Error(err)
		}
		p.wantOver(t, ctx, -1)
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
		tr.Close()
		return nil
	})
}
