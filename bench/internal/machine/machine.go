// Package machine says on what something was measured.
package machine

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"strings"
)

// System names the operating system.
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

// Commit names the version that is measured.
func Commit() string {
	return strings.Replace(Command("git", "describe", "--always", "--dirty", "--exclude=*"), "-dirty", " with changes", 1)
}

// Command returns what a command prints, or "unknown".
func Command(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
