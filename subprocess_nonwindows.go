//go:build !windows

package aio

import (
	"os/exec"
	"syscall"
)

func shellCommand(command string) *exec.Cmd { return exec.Command("/bin/sh", "-c", command) }

// setAttr makes cmd start with attr.
func setAttr(cmd *exec.Cmd, attr syscall.SysProcAttr) { cmd.SysProcAttr = &attr }
