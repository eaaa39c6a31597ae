//go:build !linux

package aio

import "os/exec"

func startProcess(cmd *exec.Cmd) (int, error) { return -1, cmd.Start() }

func (t *subprocess) watchDescriptor(int) bool { return false }

func awaitExit(int) bool { return false }
