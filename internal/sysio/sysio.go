// Package sysio has non-blocking system calls on descriptors. If a call would block, it
// returns netio.ErrWouldBlock; an interrupted call is repeated. Other errors are those
// of the system, as *os.SyscallError.
package sysio
