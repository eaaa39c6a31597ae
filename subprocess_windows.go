package aio

import (
	"os"
	"os/exec"
	"syscall"
)

// shellCommand passes the command as it is; os/exec would quote it.
func shellCommand(command string) *exec.Cmd {
	shell := os.Getenv("ComSpec")
	if shell == "" {
		shell = "cmd.exe"
	}
	cmd := exec.Command(shell)
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `"` + shell + `" /c "` + command + `"`}
	return cmd
}

// setAttr makes cmd start with attr, but with the command line of shellCommand.
func setAttr(cmd *exec.Cmd, attr syscall.SysProcAttr) {
	if cmd.SysProcAttr != nil {
		attr.CmdLine = cmd.SysProcAttr.CmdLine
	}
	cmd.SysProcAttr = &attr
}
