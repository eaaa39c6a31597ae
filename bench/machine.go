package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// fact is something that one has to know to make sense of the figures.
type fact struct{ what, value string }

// about describes the machine and the versions. config is what go test said.
func about(config map[string]string, found []python) []fact {
	facts := []fact{
		{"processor", fmt.Sprintf("%s, %d cores", strings.Join(strings.Fields(config["cpu"]), " "), runtime.NumCPU())},
		{"system", system() + ", " + config["goos"] + "/" + config["goarch"]},
		{"Go", command("go", "env", "GOVERSION")},
	}
	if len(found) > 0 {
		facts = append(facts, fact{"asyncio", "Python " + found[0].Label})
	}
	if p, ok := withUVLoop(found); ok {
		facts = append(facts, fact{"uvloop", p.UVLoop + " on Python " + p.Label})
	}
	return facts
}

// system names the operating system.
func system() string {
	kernel := command("uname", "-sr")
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

// commit names the version that is measured.
func commit() string {
	return strings.Replace(command("git", "describe", "--always", "--dirty", "--exclude=*"), "-dirty", " with changes", 1)
}

// command returns what a command prints, or "unknown".
func command(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
