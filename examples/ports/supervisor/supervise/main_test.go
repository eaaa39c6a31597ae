//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio/internal/stage"
)

// childEnv makes the test binary run as supervise.
const childEnv = "SUPERVISE_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(stage.Run(m))
	}
	main()
}

func supervise(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	return cmd
}

// status runs a command, and returns its output and exit status.
func status(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"start"}, 2, `supervise: want ctl and a command, got ["start"]`},
		{[]string{"ctl"}, 2, `supervise: want ctl and a command, got ["ctl"]`},
		{[]string{"ctl", "dance"}, 2, `supervise: unknown command "dance"`},
		{[]string{"ctl", "start"}, 2, "supervise: start: want a name"},
		{[]string{"ctl", "status", "x"}, 2, `supervise: status: want no names, got ["x"]`},
		{[]string{"ctl", "tail", "-x", "a"}, 2, "supervise: tail: flag provided but not defined: -x"},
		{[]string{"ctl", "tail", "-bytes", "-1", "a"}, 2, "supervise: tail: -bytes must not be negative, got -1"},
		{[]string{"-c", "/no/such/file"}, 1, "supervise: open /no/such/file: no such file or directory"},
		{[]string{"-c", "/no/such/file", "ctl", "status"}, 1, "supervise: open /no/such/file: no such file or directory"},
	} {
		stdout, stderr, code := status(t, supervise(c.args...))
		if code != c.code || stdout != "" || !strings.HasPrefix(stderr, c.stderr) {
			t.Errorf("%q: status %d, %q, %q", c.args, code, stdout, stderr)
		}
	}
}

// server is a running supervise.
type server struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   *bufio.Reader
	file string
}

func start(t *testing.T, config string) *server {
	t.Helper()
	s := &server{t: t, file: filepath.Join(t.TempDir(), "supervisor.conf")}
	s.write(config)
	s.cmd = supervise("-c", s.file)
	pipe, err := s.cmd.StderrPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	overdue := time.AfterFunc(time.Minute, func() { _ = s.cmd.Process.Kill() })
	t.Cleanup(func() {
		overdue.Stop()
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	s.in = bufio.NewReader(pipe)
	return s
}

func (s *server) write(config string) {
	s.t.Helper()
	if err := os.WriteFile(s.file, []byte("[supervisor]\nsocket = sock\n"+config), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// await reads the log up to a line with the text, without its time.
func (s *server) await(text string) {
	s.t.Helper()
	for {
		line, err := s.in.ReadString('\n')
		if strings.Contains(line, text) {
			return
		}
		if err != nil {
			s.t.Fatalf("no line with %q: %v", text, err)
		}
	}
}

func (s *server) ctl(args ...string) string {
	s.t.Helper()
	stdout, stderr, code := status(s.t, supervise(append([]string{"-c", s.file, "ctl"}, args...)...))
	if code != 0 {
		s.t.Errorf("ctl %q: status %d, %s", args, code, stderr)
	}
	return stdout
}

const sleeper = "[program:sleeper]\ncommand = sleep 1000\nstartsecs = 0\n"

// SIGHUP loads the configuration again, SIGTERM stops the supervisor and its programs.
func TestSignals(t *testing.T) {
	s := start(t, sleeper)
	s.await(" ready")
	if out := s.ctl("status"); !strings.HasPrefix(out, "sleeper              RUNNING  pid ") {
		t.Errorf("status: %q", out)
	}
	s.write("[program:other]\ncommand = sh -c 'echo hello; sleep 1000'\nstartsecs = 0\nstdout_logfile = out\n")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.await("reload: added: other; changed: none; removed: sleeper")
	for s.ctl("tail", "-bytes", "5", "other") != "ello\n" {
		time.Sleep(10 * time.Millisecond)
	}
	s.write("nonsense")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.await("reload: " + s.file + ": line 3: want NAME = VALUE")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.await("other: STOPPING to STOPPED")
	s.await("supervise: stopped by terminated")
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(s.file), "sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket: %v", err)
	}
}

func TestShutdown(t *testing.T) {
	s := start(t, sleeper)
	s.await(" ready")
	s.ctl("shutdown")
	s.await("sleeper: STOPPING to STOPPED")
	if err := s.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// alive reports whether a process exists and is not a zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	i := bytes.LastIndexByte(b, ')')
	return err != nil || i < 0 || !bytes.HasPrefix(b[i:], []byte(") Z"))
}

// A second signal kills programs that ignore the first one. And if supervise itself is
// killed, so are its programs.
func TestKilled(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		s := start(t, "[program:deaf]\ncommand = sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done'\nstartsecs = 0\nstopwaitsecs = 1000\nstdout_logfile = out\n")
		s.await(" ready")
		pid := 0
		for pid == 0 {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(s.file), "out"))
			if err != nil {
				t.Fatal(err)
			}
			pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
		}
		_ = s.cmd.Process.Signal(sig)
		if sig == syscall.SIGINT {
			s.await("deaf: RUNNING to STOPPING")
			_ = s.cmd.Process.Signal(sig)
		}
		_, _ = io.Copy(io.Discard, s.in)
		_ = s.cmd.Wait()
		for until := time.Now().Add(time.Minute); alive(pid); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("after %v the program %d is alive", sig, pid)
			}
		}
	}
}
