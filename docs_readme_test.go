package aio_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
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

// readmeBuild builds a program as part of this module and returns the path of the
// executable.
func readmeBuild(t *testing.T, program string) string {
	t.Helper()
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on PATH")
	}
	dir := t.TempDir()
	source, exe := filepath.Join(dir, "main.go"), filepath.Join(dir, "main.exe")
	if err := os.WriteFile(source, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"vet", source}, {"build", "-o", exe, source}} {
		if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, out)
		}
	}
	return exe
}

// TestReadmePrograms builds the programs of README.md, and runs those that are followed
// by their output.
func TestReadmePrograms(t *testing.T) {
	programs, outputs := readmePrograms(t)
	ran := 0
	for i, program := range programs {
		exe := readmeBuild(t, program)
		if outputs[i] == "" {
			continue
		}
		ran++
		got, err := exec.CommandContext(t.Context(), exe).CombinedOutput()
		if err != nil || string(got) != outputs[i] {
			t.Errorf("the program prints\n%s\nwith %v, and README.md says\n%s", got, err, outputs[i])
		}
	}
	if len(programs) < 2 || ran == 0 {
		t.Errorf("README.md has %d programs, %d of them with their output", len(programs), ran)
	}
}

// TestReadmeServer runs the server of README.md on another port and sends requests.
func TestReadmeServer(t *testing.T) {
	const addr = `"localhost:8888"`
	programs, _ := readmePrograms(t)
	for _, program := range programs {
		if !strings.Contains(program, addr) {
			continue
		}
		exe := readmeBuild(t, strings.Replace(program, addr, `"127.0.0.1:0"`, 1))
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
		_ = cmd.Wait() // it exits with status 1
		return
	}
	t.Error("README.md has no server on " + addr)
}
