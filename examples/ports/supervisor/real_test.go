//go:build unix

package supervisor

// The supervisor with real processes.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// patience limits every wait. It is much longer than needed.
const patience = time.Minute

// real runs a supervisor with a configuration in dir while body runs. In the
// configuration, HERE means dir.
func real(t *testing.T, text string, body func(ctx context.Context, s *Supervisor, dir string) error) {
	t.Helper()
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "supervisor.conf")
	if err := os.WriteFile(path, []byte("[supervisor]\nsocket = sock\n"+strings.ReplaceAll(text, "HERE", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	var r aio.Runner
	defer r.Close()
	loop, err := r.GetLoop()
	if err != nil {
		t.Fatal(err)
	}
	loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { t.Errorf("reported: %s: %v", ec.Message, ec.Err) })
	var log []string
	err = r.Run(func(ctx context.Context) error {
		return aio.Timeout(ctx, patience, func(ctx context.Context) error {
			s := New(func() (*Config, error) { return LoadConfig(path) }, func(c Change) {
				log = append(log, fmt.Sprintf("%s %s %s", c.Name, c.To, c.Detail))
			})
			ready := aio.CreateFuture[struct{}](ctx)
			run := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				return s.Run(ctx, func() { _ = ready.SetResult(struct{}{}) })
			}))
			if _, _, err := aio.Wait(ctx, []aio.AnyFuture{run, ready}, aio.NoTimeout, aio.FirstCompleted); err != nil {
				return err
			}
			if run.Done() {
				return run.Exception()
			}
			err := body(ctx, s, dir)
			s.Shutdown()
			_, again := run.Await(ctx)
			return errors.Join(err, again)
		})
	})
	if err != nil {
		t.Errorf("%v\n%s", err, strings.Join(log, "\n"))
	}
}

// process returns the only process of a program.
func (s *Supervisor) process(name string) *process {
	for _, p := range s.procs {
		if p.name == name {
			return p
		}
	}
	return nil
}

// awaitState waits for a state of a program.
func awaitState(ctx context.Context, s *Supervisor, name string, state State) error {
	p := s.process(name)
	return p.await(ctx, func() bool { return p.state == state })
}

// awaitFile waits until a file has n lines, and returns them.
func awaitFile(ctx context.Context, path string, n int) ([]string, error) {
	for {
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		if lines := strings.Split(string(b), "\n"); len(lines) > n {
			return lines[:len(lines)-1], nil
		}
		if err := aio.Sleep(ctx, 5*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// gone waits until no process has that id. A process that was killed may be a zombie of
// process 1 for a moment.
func gone(ctx context.Context, pid string) error {
	n, err := strconv.Atoi(pid)
	if err != nil {
		return err
	}
	for {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n))
		if errors.Is(err, os.ErrNotExist) && !errors.Is(syscall.Kill(n, 0), nil) {
			return nil
		}
		if i := strings.LastIndexByte(string(b), ')'); i > 0 && strings.HasPrefix(string(b[i:]), ") Z") {
			return nil
		}
		if err := aio.Sleep(ctx, 5*time.Millisecond); err != nil {
			return fmt.Errorf("the process %d: %w", n, err)
		}
	}
}

func TestStartAndStop(t *testing.T) {
	real(t, `
[program:sleep]
command = sleep 1000
startsecs = 0
[program:late]
command = sh -c 'echo "$NAME in $PWD, $0 $1" >&2; exec sleep 1000' zero one
environment = NAME="late one"
directory = /
autostart = false
startsecs = 0.01
stderr_logfile = err
stopsignal = INT
`, func(ctx context.Context, s *Supervisor, dir string) error {
		p, late := s.process("sleep"), s.process("late")
		if p.state != Running || late.state != Stopped {
			return errors.New(s.Status())
		}
		pid := fmt.Sprint(p.pid)
		if err := s.Stop(ctx, "sleep"); err != nil || p.state != Stopped {
			return fmt.Errorf("%s: %w", s.Status(), err)
		}
		// The process was reaped: there is not even a zombie.
		if err := syscall.Kill(must(strconv.Atoi(pid)), 0); !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("the process is still there: %w", err)
		}
		if err := s.Start(ctx, "late", "sleep"); err != nil {
			return err
		}
		if err := s.Start(ctx, "late"); err == nil || err.Error() != "late: already started" {
			return fmt.Errorf("a second start: %w", err)
		}
		if err := s.Start(ctx, "nothing"); err == nil {
			return errors.New("a program that does not exist was started")
		}
		lines, err := awaitFile(ctx, filepath.Join(dir, "err"), 1)
		if err != nil || lines[0] != "late one in /, zero one" {
			return fmt.Errorf("the output is %q, %w", lines, err)
		}
		old := late.pid
		if err := s.Restart(ctx, "late"); err != nil || late.pid == old {
			return fmt.Errorf("after a restart: %s, %w", s.Status(), err)
		}
		return nil
	})
}

func must(n int, err error) int {
	if err != nil {
		panic(err)
	}
	return n
}

// A process that ignores the stop signal is killed, with all that it has started.
func TestIgnoresTheSignal(t *testing.T) {
	real(t, `
[program:deaf]
command = sh -c 'trap "echo asked" TERM; (trap "" TERM; echo $$; exec sleep 1000) & echo $!; while :; do wait; done'
startsecs = 0
stopwaitsecs = 0.1
stdout_logfile = out
`, func(ctx context.Context, s *Supervisor, dir string) error {
		lines, err := awaitFile(ctx, filepath.Join(dir, "out"), 2)
		if err != nil {
			return err
		}
		if err := s.Stop(ctx, "deaf"); err != nil {
			return err
		}
		if p := s.process("deaf"); p.state != Stopped || p.detail != "killed" {
			return errors.New(s.Status())
		}
		for _, pid := range lines {
			if err := gone(ctx, pid); err != nil {
				return err
			}
		}
		lines, err = awaitFile(ctx, filepath.Join(dir, "out"), 3)
		if err != nil || lines[2] != "asked" {
			return fmt.Errorf("the output is %q, %w", lines, err)
		}
		return nil
	})
}

// Processes that a process leaves behind when it exits are killed.
func TestLeavesProcesses(t *testing.T) {
	real(t, `
[program:parent]
command = sh -c 'sleep 1000 & echo $!; (sleep 1000 & echo $!)'
startsecs = 0
stdout_logfile = out
[program:group]
command = sh -c 'sleep 1000 & echo $!; wait'
startsecs = 0
stopasgroup = true
stdout_logfile = group
`, func(ctx context.Context, s *Supervisor, dir string) error {
		if err := awaitState(ctx, s, "parent", Exited); err != nil {
			return err
		}
		group, err := awaitFile(ctx, filepath.Join(dir, "group"), 1)
		if err != nil {
			return err
		}
		if err := s.Stop(ctx, "group"); err != nil {
			return err
		}
		lines, err := awaitFile(ctx, filepath.Join(dir, "out"), 2)
		if err != nil {
			return err
		}
		for _, pid := range append(lines, group...) {
			if err := gone(ctx, pid); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestExits(t *testing.T) {
	real(t, `
[program:early]
command = false
startretries = 0
[program:missing]
command = /no/such/program
startretries = 0
[program:nolog]
command = true
startretries = 0
stdout_logfile = no/such/directory/log
[program:once]
command = sh -c 'exit 3'
startsecs = 0
exitcodes = 3
[program:again]
command = sh -c 'test -e stop && exit 0; touch stop; kill -KILL $$'
directory = HERE
startsecs = 0
stopwaitsecs = 1
`, func(ctx context.Context, s *Supervisor, dir string) error {
		for name, want := range map[string]string{
			"early": "FATAL exit status 1 too early", "missing": "FATAL fork/exec /no/such/program: no such file or directory",
			"nolog": "FATAL open " + filepath.Join(dir, "no/such/directory/log") + ": no such file or directory", "once": "EXITED exit status 3",
		} {
			p := s.process(name)
			if err := p.await(ctx, func() bool { return p.state.idle() }); err != nil {
				return err
			}
			if got := string(p.state) + " " + p.detail; got != want {
				return fmt.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		return s.Stop(ctx, "again")
	})
}

// An unexpected end is followed by another start.
func TestStartsAgain(t *testing.T) {
	real(t, `
[program:again]
command = sh -c 'echo started; test -e stop && exit 0; touch stop; kill -KILL $$'
directory = HERE
startsecs = 0
stdout_logfile = out
[program:always]
command = sh -c 'echo started; sleep 0.01'
startsecs = 0
autorestart = always
stdout_logfile = always
`, func(ctx context.Context, s *Supervisor, dir string) error {
		if _, err := awaitFile(ctx, filepath.Join(dir, "always"), 3); err != nil {
			return err
		}
		p := s.process("again")
		if err := p.await(ctx, func() bool { return p.state == Exited && !p.wanted }); err != nil {
			return err
		}
		_, err := awaitFile(ctx, filepath.Join(dir, "out"), 2)
		return err
	})
}

// All commands over the socket.
func TestControl(t *testing.T) {
	real(t, `
[program:talk]
command = sh -c 'echo one; echo ø; echo error >&2; read line <%(program_name)s.fifo; echo $line; exec sleep 1000'
directory = DIR
startsecs = 0
stdout_logfile = out
redirect_stderr = true
[program:pair]
command = sleep 1000
numprocs = 2
startsecs = 0
`, func(ctx context.Context, s *Supervisor, dir string) error {
		// The directory is known only now.
		path := filepath.Join(dir, "supervisor.conf")
		change := func(old, new string) error {
			b, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, []byte(strings.ReplaceAll(string(b), old, new)), 0o600)
			}
			return err
		}
		if err := errors.Join(change("DIR", dir), syscall.Mkfifo(filepath.Join(dir, "talk.fifo"), 0o600)); err != nil {
			return err
		}
		socket := filepath.Join(dir, "sock")
		ctl := func(q Request) (string, error) {
			var out strings.Builder
			err := Control(ctx, socket, q, func(text string) error { out.WriteString(text); return nil })
			return out.String(), err
		}
		before := s.process("pair:1").pid
		if out, err := ctl(Request{Command: "reload"}); err != nil || out != "added: none; changed: talk; removed: none\n" {
			return fmt.Errorf("reload: %q, %w", out, err)
		}
		if s.process("pair:1").pid != before {
			return errors.New("a program that has not changed was started again")
		}
		if _, err := awaitFile(ctx, filepath.Join(dir, "out"), 3); err != nil {
			return err
		}
		// The last 8 bytes begin within a character.
		out, err := ctl(Request{Command: "tail", Names: []string{"talk"}, Bytes: 8})
		if err != nil || out != "\xb8\nerror\n" {
			return fmt.Errorf("tail: %q, %w", out, err)
		}
		// tail -f: the end of the log, and then a new line.
		var followed strings.Builder
		following, line := aio.CreateFuture[struct{}](ctx), aio.CreateFuture[struct{}](ctx)
		tail := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return Control(ctx, socket, Request{Command: "tail", Names: []string{"talk"}, Bytes: 6, Follow: true}, func(text string) error {
				followed.WriteString(text)
				if !following.Done() {
					return following.SetResult(struct{}{})
				}
				if strings.Contains(followed.String(), "three\n") && !line.Done() {
					return line.SetResult(struct{}{})
				}
				return nil
			})
		}))
		if _, err := following.Await(ctx); err != nil {
			return err
		}
		fifo, err := os.OpenFile(filepath.Join(dir, "talk.fifo"), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer fifo.Close()
		if _, err := fifo.WriteString("three\n"); err != nil {
			return err
		}
		if _, err := line.Await(ctx); err != nil {
			return err
		}
		if err := aio.CancelAndWait(ctx, tail); err != nil {
			return err
		}
		for len(s.executor.logs[filepath.Join(dir, "out")].followers) > 0 {
			// wait until the server notices that the client is gone
			if err := aio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		for _, c := range []struct {
			q      Request
			out    string // a part of the output
			failed string
		}{
			{Request{Command: "stop", Names: []string{"pair:1"}}, "", ""},
			{Request{Command: "status"}, "pair:1               STOPPED", ""},
			{Request{Command: "start", Names: []string{"pair"}}, "", "pair:0: already started"},
			{Request{Command: "status"}, "pair:1               RUNNING  pid ", ""},
			{Request{Command: "restart", Names: []string{"all"}}, "", ""},
			{Request{Command: "restart", Names: []string{"pair", "pair:0", "pair:0"}}, "", ""},
			{Request{Command: "start", Names: []string{"nobody"}}, "", `no program "nobody"`},
			{Request{Command: "start"}, "", "start with 0 names"},
			{Request{Command: "tail", Names: []string{"pair"}}, "", `want one process, ["pair"] are 2`},
			{Request{Command: "tail", Names: []string{"pair:0"}}, "", "pair:0 has no log yet"},
			{Request{Command: "dance"}, "", `unknown command "dance"`},
		} {
			out, err := ctl(c.q)
			if !strings.Contains(out, c.out) || (err == nil) != (c.failed == "") || err != nil && err.Error() != c.failed {
				return fmt.Errorf("%+v: %q, %w", c.q, out, err)
			}
		}
		// A configuration with a mistake changes nothing; then one program is
		// replaced.
		if err := change("[program:pair]", "[program:new]"); err != nil {
			return err
		}
		if err := change("numprocs = 2", "numprocs = zero"); err != nil {
			return err
		}
		if _, err := ctl(Request{Command: "reload"}); err == nil || !strings.Contains(err.Error(), "numprocs: want a number") {
			return fmt.Errorf("reload with a mistake: %w", err)
		}
		if err := change("numprocs = zero", "numprocs = 1"); err != nil {
			return err
		}
		if out, err := ctl(Request{Command: "reload"}); err != nil || out != "added: new; changed: none; removed: pair\n" {
			return fmt.Errorf("reload: %q, %w", out, err)
		}
		if len(s.procs) != 2 || s.process("new").state != Running {
			return errors.New(s.Status())
		}
		// Only one supervisor serves a socket.
		other := New(func() (*Config, error) { return LoadConfig(path) }, nil)
		if err := other.Run(ctx, nil); err == nil || !strings.Contains(err.Error(), "another supervisor serves") {
			return fmt.Errorf("a second supervisor: %w", err)
		}
		// A connection that does not speak the protocol, and then the shutdown.
		_, w, err := aio.OpenUnixConnection(ctx, socket, nil)
		if err != nil {
			return err
		}
		_, _ = w.Write([]byte("hello\n"))
		w.Close()
		if _, err := ctl(Request{Command: "shutdown"}); err != nil {
			return err
		}
		if _, err := ctl(Request{Command: "start", Names: []string{"new"}}); err == nil {
			return errors.New("a program was started during the shutdown")
		}
		return nil
	})
}
