// Package machine describes the machine and the version that a measurement was made
// with.
package machine

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
)

// System returns the name of the operating system.
func System() string {
	kernel := Command("uname", "-sr")
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return kernel
	}
	for in := bufio.NewScanner(bytes.NewReader(release)); in.Scan(); {
		if name, ok := strings.CutPrefix(in.Text(), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"`) + ", " + kernel
		}
	}
	return kernel
}

// Commit returns the measured version.
func Commit() string {
	return strings.Replace(Command("git", "describe", "--always", "--dirty", "--exclude=*"), "-dirty", " with changes", 1)
}

// Command returns the output of a command, or "unknown" if it fails.
func Command(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
