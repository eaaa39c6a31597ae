// Package services tests that client libraries of real servers work with aio in the
// ways that docs/service.md lists. The tests start the servers.
package services_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/goaio/aio"
)

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range slices.Backward(shared.stops) {
		stop()
	}
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("modernc.org/libc.init")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// patience is how long a test waits for an action of a server. Only a failing test
// waits that long.
const patience = time.Minute

// shared lists the functions that stop what all tests share.
var shared struct {
	sync.Mutex
	stops []func()
}

// atEnd makes TestMain call stop after the tests.
func atEnd(stop func()) {
	shared.Lock()
	defer shared.Unlock()
	shared.stops = append(shared.stops, stop)
}

// once is like sync.OnceValue, for a fixture that several tests use.
func once[T any](start func(t testing.TB, cleanup func(func())) T) func(t testing.TB) T {
	var mu sync.Mutex
	var v *T
	return func(t testing.TB) T {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if v == nil {
			made := start(t, atEnd)
			v = &made
		}
		return *v
	}
}

// program returns the path of a program that Debian may install outside of PATH.
func program(t testing.TB, name string, dirs ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range dirs {
		if found, _ := filepath.Glob(filepath.Join(dir, name)); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// process is a server process.
type process struct {
	cmd    *exec.Cmd
	out    bytes.Buffer
	ended  chan struct{}
	killed sync.Once
}

// start starts a server. If the tests run as root, the server runs as the user as; an
// empty as means root.
func start(t testing.TB, cleanup func(func()), as, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = credential(t, as)
	p.cmd.WaitDelay = time.Second // its children may still hold its output open
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // returns an error once it is killed
	}()
	cleanup(p.kill)
	return p
}

// kill kills the server and waits until it has ended.
func (p *process) kill() {
	p.killed.Do(func() { _ = p.cmd.Process.Kill() })
	<-p.ended
}

// credential returns the attributes that start a process as the user as, if the tests
// run as root.
func credential(t testing.TB, as string) *syscall.SysProcAttr {
	t.Helper()
	if as == "" || os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup(as)
	if err != nil {
		t.Skipf("%s is not installed: %v", as, err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// dirOf makes a temporary directory that belongs to the user as.
func dirOf(t testing.TB, cleanup func(func()), as string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "aio-services")
	if err != nil {
		t.Fatal(err)
	}
	cleanup(func() { _ = os.RemoveAll(dir) })
	if attr := credential(t, as); attr != nil {
		if err := os.Chown(dir, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// freePort returns a port that is not in use at the moment.
func freePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// ready waits until try, which sends a request to the new server, succeeds.
func (p *process) ready(t testing.TB, try func() error) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-p.ended:
			t.Fatalf("the server has ended:\n%s", &p.out)
		default:
		}
		if time.Now().After(end) {
			p.kill()
			t.Fatalf("the server does not answer: %v\n%s", err, &p.out)
		}
	}
}

// inLoop runs a test in a new event loop. The test fails if the loop reports an error.
func inLoop(t *testing.T, f func(ctx context.Context, l *aio.Loop) error) {
	t.Helper()
	var runner aio.Runner
	l, err := runner.GetLoop()
	if err != nil {
		t.Fatal(err)
	}
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { t.Errorf("reported: %s: %v", ec.Message, ec.Err) })
	err = runner.Run(func(ctx context.Context) error {
		return aio.Timeout(ctx, 2*patience, func(ctx context.Context) error { return f(ctx, l) })
	})
	if err := errors.Join(err, runner.Close()); err != nil {
		t.Error(err)
	}
}

// inThread calls f, which may block, with ToThread.
func inThread(ctx context.Context, f func(ctx context.Context) error) error {
	_, err := aio.ToThread(ctx, aio.NoResult(f))
	return err
}

// eventually waits until count returns n.
func eventually(ctx context.Context, what string, n int, count func(ctx context.Context) (int, error)) error {
	for end := time.Now().Add(patience); ; {
		got, err := aio.ToThread(ctx, count)
		switch {
		case err != nil:
			return err
		case got == n:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("%s: %d, want %d", what, got, n)
		}
		if err := aio.Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// calls describes a way to call a server, for exercise.
type calls struct {
	// quick makes one call, whose answer depends on i, and checks the answer.
	quick func(ctx context.Context, i int) error
	// hang makes a call that the server never answers.
	hang func(ctx context.Context) error
	// running asks the server how many calls of hang are running there. It may
	// block.
	running func(ctx context.Context) (int, error)
	// kill ends the server; it is nil if there is no server process.
	kill func()
	// atOnce is the number of concurrent quick calls; zero means 1000.
	atOnce int
	// together is the number of concurrent calls of hang; zero means 3.
	together int
}

// exercise ends calls in every possible way and checks that the server has stopped
// working on them.
func exercise(ctx context.Context, c calls) error {
	broken := errors.New("broken")
	if c.atOnce == 0 {
		c.atOnce = 1000
	}
	if c.together == 0 {
		c.together = 3
	}
	started := func(ctx context.Context, n int) error { return eventually(ctx, "calls that run", n, c.running) }
	stopped := func(ctx context.Context) error {
		return errors.Join(eventually(ctx, "calls that are still running", 0, c.running), c.quick(ctx, 7))
	}
	for _, step := range []struct {
		name string
		run  func(ctx context.Context) error
	}{
		{"a call", func(ctx context.Context) error { return c.quick(ctx, 1) }},
		{"cancelled during the call", func(ctx context.Context) error {
			task := aio.CreateTask(ctx, aio.NoResult(c.hang))
			if err := started(ctx, 1); err != nil {
				return err
			}
			task.Cancel()
			_, err := task.Await(ctx)
			return wants(err, aio.ErrCancelled)
		}},
		{"Timeout", func(ctx context.Context) error {
			limit := aio.NewTimeout(aio.NoTimeout)
			expire := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				err := started(ctx, 1)
				limit.Reschedule(time.Now())
				return err
			}))
			err := wants(limit.Run(ctx, c.hang), aio.ErrTimeout)
			_, other := expire.Await(ctx)
			return errors.Join(err, other)
		}},
		{"TaskGroup that fails", func(ctx context.Context) error {
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for range c.together {
					tg.Go(c.hang)
				}
				if err := started(ctx, c.together); err != nil {
					return err
				}
				return broken
			})
			return wants(err, broken)
		}},
		{"many at once", func(ctx context.Context) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for i := range c.atOnce {
					tg.Go(func(ctx context.Context) error { return c.quick(ctx, i) })
				}
				return nil
			})
		}},
		{"server killed during the call", func(ctx context.Context) error {
			if c.kill == nil {
				return nil
			}
			task := aio.CreateTask(ctx, aio.NoResult(c.hang))
			if err := started(ctx, 1); err != nil {
				return err
			}
			if err := inThread(ctx, func(context.Context) error { c.kill(); return nil }); err != nil {
				return err
			}
			_, err := task.Await(ctx)
			if err == nil || errors.Is(err, aio.ErrCancelled) {
				return fmt.Errorf("the call returned %v", err)
			}
			if err := c.quick(ctx, 1); err == nil || errors.Is(err, aio.ErrCancelled) {
				return fmt.Errorf("a later call returned %v", err)
			}
			return nil
		}},
	} {
		err := step.run(ctx)
		if err == nil && step.name != "server killed during the call" {
			err = stopped(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// wants returns an error unless err matches target.
func wants(err, target error) error {
	if !errors.Is(err, target) {
		return fmt.Errorf("the error is %w, want %w", err, target)
	}
	return nil
}

// orCause returns the reason for which the task was cancelled during a library call
// that returned err: the library may have returned an error of its own instead. If the
// task was not cancelled it returns err.
func orCause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
