//go:build !unix

package aio

import (
	"errors"
	"os"
	"os/exec"
)

func leadGroup(*exec.Cmd) error { return errors.New("this system has no process groups") }

func killGroup(int, os.Signal) error { return errors.ErrUnsupported }

func duplicateForChild(fd int) (*os.File, error) {
	return nil, usagef("", "descriptor %d: this system cannot pass on descriptors: use an *os.File", fd)
}
