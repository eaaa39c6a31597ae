package examples

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// All programs have the same conventions for signals: SIGINT and SIGTERM stop them, and
// they print the name of the signal. A server then exits with 0; a program that has not
// finished its work exits with 128 plus the number of the signal. treehash has its own
// test.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	t.Setenv("SMTP_PASSWORD", "")
	bin, dir := built(t), t.TempDir()
	config := filepath.Join(dir, "supervisor.conf")
	if err := os.WriteFile(config, []byte("[supervisor]\nsocket = sock\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	message := filepath.Join(dir, "message")
	if err := os.WriteFile(message, []byte("From: <ann@a.example>\r\nTo: <bob@b.example>\r\n\r\nHello\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args  string // PEER is an address where the test listens
		ready string // a part of the program's output, or "PEER": a connection
		task  bool   // the program has to finish something
	}{
		{"chat -addr 127.0.0.1:0", "listening on", false},
		{"kv -addr 127.0.0.1:0", "listening on", false},
		{"proxy -listen 127.0.0.1:0 -to PEER", "listening on", false},
		{"service -addr 127.0.0.1:0", "listening", false},
		{"mail -serve -addr 127.0.0.1:0 -dir " + dir, "listening on", false},
		{"mail -send -addr PEER " + message, "PEER", true},
		{"raft -name a -data " + filepath.Join(dir, "log") + " -peers a=127.0.0.1:0", "leader of term", false},
		{"raft -propose x -peers a=PEER", "PEER", true},
		{"crawl http://PEER", "PEER", true},
		{"mqttc -url mqtt://PEER sub a", "PEER", false},
		{"mqttc -url mqtt://PEER pub a b", "PEER", true},
		{"supervise -c " + config, "ready", false},
		{"supervise -c " + config + " ctl status", "sock", true},
		{"procs -grace 0s -f " + commands(t, dir), "ready", true},
	} {
		name := strings.Fields(c.args)[0]
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			continue // the program does not exist on this system
		}
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			t.Run(strings.Join(strings.Fields(c.args)[:2], " ")+"/"+sig.String(), func(t *testing.T) {
				peer, err := net.Listen("tcp", "127.0.0.1:0")
				if c.ready == "sock" {
					path := filepath.Join(dir, "sock")
					_ = os.Remove(path)
					peer, err = net.Listen("unix", path)
				}
				if err != nil {
					t.Fatal(err)
				}
				defer peer.Close()
				args := strings.Fields(strings.ReplaceAll(c.args, "PEER", peer.Addr().String()))
				cmd := exec.Command(filepath.Join(bin, name), args[1:]...)
				out, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer out.Close()
				cmd.Stdout, cmd.Stderr = w, w
				err = cmd.Start()
				w.Close()
				if err != nil {
					t.Fatal(err)
				}
				limit := time.AfterFunc(time.Minute, func() {
					_ = cmd.Process.Kill()
					peer.Close()
				})
				defer limit.Stop()
				lines, text := bufio.NewScanner(out), ""
				if c.ready == "PEER" || c.ready == "sock" {
					conn, err := peer.Accept()
					if err != nil {
						all, _ := io.ReadAll(out)
						t.Fatalf("%v\n%s", err, all)
					}
					defer conn.Close()
				} else {
					for !strings.Contains(text, c.ready) && lines.Scan() {
						text += lines.Text() + "\n"
					}
				}
				_ = cmd.Process.Signal(sig)
				for lines.Scan() {
					text += lines.Text() + "\n"
				}
				_ = cmd.Wait() // the status is checked below
				status := 0
				if c.task {
					status = 128 + int(sig)
				}
				want := "stopped by " + sig.String()
				switch name {
				case "procs":
					// procs prints this message before the commands
					// have ended
					want = "procs: " + sig.String() + ": stopping"
				case "service":
					want = "stopped signal=" + sig.String()
				}
				if got := cmd.ProcessState; got.ExitCode() != status || !strings.Contains(text, want) {
					t.Errorf("%v, want status %d and %q, got\n%s", got, status, want, text)
				}
			})
		}
	}
}

// commands makes a file with a command for procs.
func commands(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "commands")
	if err := os.WriteFile(name, []byte("echo ready; sleep 1000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
