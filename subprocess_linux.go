package aio

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/sysio"
)

// startProcess starts cmd, and returns a descriptor of the process that can be polled. It
// is -1 if the kernel has none.
func startProcess(cmd *exec.Cmd) (int, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	fd := -1
	users := cmd.SysProcAttr.PidFD
	cmd.SysProcAttr.PidFD = &fd
	if err := cmd.Start(); err != nil {
		return -1, err
	}
	if users != nil {
		*users = -1
		if fd >= 0 {
			*users, _ = sysio.Dup(fd)
		}
	}
	return fd, nil
}

// exitWatch notices the end of a process by its descriptor.
type exitWatch struct {
	*subprocess
	fd     int
	queued bool
}

// watchDescriptor has the poller notice that the process ends, and reports whether it
// can.
func (t *subprocess) watchDescriptor(fd int) bool {
	if fd < 0 {
		return false
	}
	if t.loop.descriptors().watch(fd, &exitWatch{subprocess: t, fd: fd}) == nil {
		return true
	}
	unix.Close(fd)
	return false
}

// Ready implements netio.Owner.
func (w *exitWatch) Ready(netio.Readiness) {
	if !w.queued {
		w.queued = true
		w.loop.enqueue(w)
	}
}

func (w *exitWatch) close() {
	w.loop.polling.unregister(w.fd)
	unix.Close(w.fd)
}

// run implements runnable.
func (w *exitWatch) run(*future) {
	w.close()
	w.reap()
}

// Discard implements netio.Owner.
func (w *exitWatch) Discard() {
	w.close()
	w.loopClosed()
	go (&exitWait{subprocess: w.subprocess}).abandon()
}

// awaitExit waits until the child with this id has ended, and leaves its status for
// somebody else. It reports whether it could.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}
