package aio_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// readmePrograms returns the programs of README.md, and the output block that follows
// each, "" if there is none.
func readmePrograms(t *testing.T) (programs, outputs []string) {
	t.Helper()
	blocks := guideBlocks(t)
	for i, b := range blocks {
		if b.guide != "../README.md" || !b.isProgram() {
			continue
		}
		output := ""
		if next := i + 1; next < len(blocks) && blocks[next].guide == b.guide && blocks[next].language == "text" {
			output = blocks[next].text
		}
		programs, outputs = append(programs, b.text), append(outputs, output)
	}
	return programs, outputs
}

// readmeBuild vets programs as packages of this module, and builds those that run needs.
// It returns the paths of the executables, "" for the others.
func readmeBuild(t *testing.T, programs []string, run func(i int) bool) (exes []string) {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on PATH")
	}
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	build := []string{"build", "-overlay", filepath.Join(dir, "overlay.json"), "-ldflags=-s -w", "-o", dir + string(filepath.Separator)}
	var commands [][]string
	for i, program := range programs {
		source, name := filepath.Join(dir, fmt.Sprint(i, ".go")), fmt.Sprint("readme-", i)
		if err := os.WriteFile(source, []byte(program), 0o644); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, name, "main.go")] = source
		// an overlay does not suffice: vet works in the directory of the package
		commands = append(commands, []string{"vet", source})
		if exes = append(exes, ""); !run(i) {
			continue
		}
		build = append(build, "./"+name)
		if exes[i] = filepath.Join(dir, name); runtime.GOOS == "windows" {
			exes[i] += ".exe"
		}
	}
	text, err := json.Marshal(overlay)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "overlay.json"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, args := range append(commands, build) {
		all.Go(func() {
			if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
				t.Errorf("go %s: %v\n%s", args[0], err, out)
			}
		})
	}
	if all.Wait(); t.Failed() {
		t.FailNow()
	}
	return exes
}

// TestReadmePrograms builds the programs of README.md, and runs those that are followed
// by their output. The server runs on another port.
func TestReadmePrograms(t *testing.T) {
	const addr = `"localhost:8888"`
	programs, outputs := readmePrograms(t)
	server, ran := len(programs), 0
	for _, program := range programs {
		if strings.Contains(program, addr) {
			programs = append(programs, strings.Replace(program, addr, `"127.0.0.1:0"`, 1))
			break
		}
	}
	if len(programs) == server {
		t.Fatal("README.md has no server on " + addr)
	}
	exes := readmeBuild(t, programs, func(i int) bool { return i == server || outputs[i] != "" })
	for i, output := range outputs {
		if output == "" {
			continue
		}
		ran++
		got, err := exec.CommandContext(t.Context(), exes[i]).CombinedOutput()
		if err != nil || string(got) != output {
			t.Errorf("the program prints\n%s\nwith %v, and README.md says\n%s", got, err, output)
		}
	}
	if len(outputs) < 2 || ran == 0 {
		t.Errorf("README.md has %d programs, %d of them with their output", len(outputs), ran)
	}
	talkToReadmeServer(t, exes[server])
}

// talkToReadmeServer runs the server of README.md and sends requests.
func talkToReadmeServer(t *testing.T, exe string) {
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(stdout)
	line, err := in.ReadString('\n')
	listening, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		t.Fatalf("the server prints %q, %v", line, err)
	}
	for _, want := range []string{"1: hello\n", "2: hello\n"} {
		conn, err := net.Dial("tcp", listening)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("hello\n")); err != nil {
			t.Fatal(err)
		}
		if got, err := bufio.NewReader(conn).ReadString('\n'); got != want || err != nil {
			t.Errorf("the response is %q, %v, want %q", got, err, want)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	if runtime.GOOS == "windows" {
		// Windows cannot send SIGINT to a process
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	line, err = in.ReadString('\n')
	if !strings.Contains(line, "interrupt") {
		t.Errorf("after SIGINT the server prints %q, %v", line, err)
	}
	_ = cmd.Wait() // the program exits with status 1
}
