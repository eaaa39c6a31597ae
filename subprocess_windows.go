package aio

import (
	"os"
	"os/exec"
	"syscall"
)

// shellCommand passes the command on as it is, which os/exec would quote.
func shellCommand(command string) *exec.Cmd {
	shell := os.Getenv("ComSpec")
	if shell == "" {
		shell = "cmd.exe"
	}
	cmd := exec.Command(shell)
	cmd.SysProcAttr = &syscall.SysProcAttr{CmdLine: `"` + shell + `" /c "` + command + `"`}
	return cmd
}

// setAttr has cmd start with attr, but with the command line of shellCommand.
func setAttr(cmd *exec.Cmd, attr syscall.SysProcAttr) {
	if cmd.SysProcAttr != nil {
		attr.CmdLine = cmd.SysProcAttr.CmdLine
	}
	cmd.SysProcAttr = &attr
}
