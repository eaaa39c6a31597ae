//go:build unix

package aio

import (
	"os"
	"syscall"
)

const haveChildren = true

const sigChild = syscall.SIGCHLD

// takeStatus takes the status of the child pid, or for -1 of any child, if it has ended.
// who is that child, 0 if there is none yet. If there is no such child, that is an error,
// and the code 255.
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
