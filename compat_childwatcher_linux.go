package aio

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// openChild returns a descriptor of process pid, which becomes readable when the
// process exits.
func openChild(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return os.NewFile(uintptr(fd), "process"), nil
}

// canOpenChildren reports whether the kernel has such descriptors, and this program may
// open them.
var canOpenChildren = sync.OnceValue(func() bool {
	f, err := openChild(os.Getpid())
	if err == nil {
		f.Close()
	}
	return err == nil
})
