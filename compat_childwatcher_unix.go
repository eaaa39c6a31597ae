//go:build unix

package aio

import (
	"os"
	"syscall"
)

const haveChildren = true

const sigChild = syscall.SIGCHLD

// takeStatus takes the status of the child pid, or of any child for -1, if it has exited.
// who is the process ID of that child, 0 if none has exited yet. Without such a child it
// returns an error and the code 255.
func takeStatus(pid int) (who, code int, err error) {
	watched.Lock()
	defer watched.Unlock()
	var s syscall.WaitStatus
	for {
		who, err = syscall.Wait4(pid, &s, syscall.WNOHANG, nil)
		if err == nil {
			break
		}
		if err != syscall.EINTR {
			return pid, 255, os.NewSyscallError("wait4", err)
		}
	}
	if who > 0 {
		delete(watched.m, who)
	}
	return who, codeOfStatus(s), nil
}
