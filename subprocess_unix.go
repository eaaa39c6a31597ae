//go:build unix

package aio

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/goaio/aio/internal/sysio"
)

// leadGroup makes the process of cmd the leader of a new process group.
func leadGroup(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	switch attr := cmd.SysProcAttr; {
	case attr.Setpgid && attr.Pgid != 0:
		return errors.New("SysProcAttr makes the process join another group, so it cannot lead one")
	case !attr.Setsid: // a session leader leads a group already
		attr.Setpgid = true
	}
	return nil
}

// killGroup sends a signal to a process group.
func killGroup(leader int, sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return usagef("SendSignal", "%v is not a signal of this system", sig)
	}
	err := syscall.Kill(-leader, s)
	if err == syscall.ESRCH {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("kill", err)
}

// duplicateForChild returns a duplicate of fd.
func duplicateForChild(fd int) (*os.File, error) {
	n, err := sysio.Dup(fd)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), "descriptor "+strconv.Itoa(fd)), nil
}
