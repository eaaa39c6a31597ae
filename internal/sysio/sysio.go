// Package sysio has system calls on descriptors that do not block. If a call would block,
// it returns netio.ErrWouldBlock; an interrupted call is made again. Other errors are
// those of the system, as *os.SyscallError.
package sysio
