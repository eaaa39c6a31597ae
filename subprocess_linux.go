package aio

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goaio/aio/internal/netio"
	"github.com/goaio/aio/internal/sysio"
)

// startProcess starts cmd, and returns a descriptor of the process that can be polled,
// -1 if the kernel does not support that.
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

// exitWatch notices the exit of a process by its descriptor.
type exitWatch struct {
	*subprocess
	fd     int
	queued bool
}

// watchDescriptor registers the descriptor with the poller, and reports whether that
// worked.
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

// awaitExit waits until the child with this id has exited, and does not take its status.
// It reports whether it succeeded.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}
