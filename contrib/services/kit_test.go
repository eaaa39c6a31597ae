// Package services tests that client libraries of real servers work with aio in the
// ways that docs/service.md lists. The tests start the servers.
package services_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) {
	playRole()
	code := m.Run()
	for _, stop := range slices.Backward(shared.stops) {
		stop()
	}
	if code == 0 {
		err := errors.Join(exercised.compare(), stage.Leaks(patience, goleak.IgnoreAnyFunction("modernc.org/libc.init")))
		if err != nil {
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

// The connections over which a client works.
const (
	itsOwn   = "its own connections"
	theLoops = "the loop's connections"
)

// overBoth runs a test over the client's own connections, and over those of the loop.
func overBoth(t *testing.T, test func(t *testing.T, over string)) {
	for _, over := range []string{itsOwn, theLoops} {
		t.Run(over, func(t *testing.T) { test(t, over) })
	}
}

// dialerOf returns a dialer of the loop for a test with the loop's connections, otherwise
// nil.
func dialerOf(l *aio.Loop, over string) *aio.Dialer {
	if over != theLoops {
		return nil
	}
	return &aio.Dialer{Loop: l}
}

// inLoop runs a test in a new event loop. The test fails if the loop reports an error,
// or if a connection or server of the loop is still open at the end.
func inLoop(t *testing.T, f func(ctx context.Context, l *aio.Loop) error) {
	t.Helper()
	var runner aio.Runner
	l, err := runner.GetLoop()
	if err != nil {
		t.Fatal(err)
	}
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { t.Errorf("reported: %s: %v", ec.Message, ec.Err) })
	l.SetDefaultExecutor(aio.NewThreadPoolExecutor(2 * many))
	l.Resources() // makes the loop list its resources
	err = runner.Run(func(ctx context.Context) error {
		return aio.Timeout(ctx, 5*patience, func(ctx context.Context) error {
			if err := f(ctx, l); err != nil {
				return err
			}
			return eventually(ctx, "remaining connections and servers", 0, func(context.Context) (n int, err error) {
				for _, r := range l.Resources() {
					if r.Kind == "connection" || r.Kind == "server" {
						n++
					}
				}
				return n, nil
			})
		})
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

// closing closes c, which may block, and joins the error to err.
func closing(ctx context.Context, err error, c interface{ Close() error }) error {
	return errors.Join(err, inThread(ctx, func(context.Context) error { return c.Close() }))
}

// eventually waits until count returns n.
func eventually(ctx context.Context, what string, n int, count func(ctx context.Context) (int, error)) error {
	for end := time.Now().Add(patience); ; {
		got, err := aio.ToThread(ctx, count)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", what, err)
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

// many is the number of concurrent calls.
const many = 1000

// calls describes a way to call a server, for exercise.
type calls struct {
	// quick makes one call, whose answer depends on i, and checks the answer.
	quick func(ctx context.Context, i int) error
	// hang makes a call that the server never answers.
	hang func(ctx context.Context) error
	// running asks the server how many calls of hang are running there. It may
	// block.
	running func(ctx context.Context) (int, error)
	// together is the number of concurrent calls of hang; zero means many.
	together int
	// over is the kind of connections, if there is no subtest for each kind.
	over string

	// server is killed during calls; it is nil if there is no server process.
	server *process
	// lost reports whether err is an error of a call whose server was killed.
	lost func(err error) bool
	// outlive means that calls of hang survive: they continue when the server is
	// back.
	outlive bool
	// renew makes a new client for the restarted server, and may block; it is nil
	// if the client reconnects.
	renew func(ctx context.Context) error
	// byCaller means that the client does not reconnect, and that quick and hang do.
	byCaller bool
}

// exercise ends calls in every possible way and checks that the server has stopped
// working on them.
func exercise(ctx context.Context, t *testing.T, c calls) error {
	if c.together == 0 {
		c.together = many
	}
	type step struct {
		name string
		run  func(ctx context.Context) error
	}
	steps := []step{
		{"a call", func(ctx context.Context) error { return c.quick(ctx, 1) }},
		{"cancelled during the call", c.cancelled},
		{"Timeout", c.timeout},
		{"TaskGroup that fails", c.failing},
		{"many at once", c.atOnce},
	}
	if c.server != nil {
		steps = append(steps, step{"server killed during the call", c.killed}, step{"cancelled after the restart", c.cancelled})
	}
	for _, step := range steps {
		begun := time.Now()
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		t.Logf("%s: %v", step.name, time.Since(begun).Round(time.Millisecond))
	}
	exercised.add(t.Name(), c)
	return nil
}

// started waits until the server has n calls.
func (c *calls) started(ctx context.Context, n int) error {
	return eventually(ctx, "running calls", n, c.running)
}

// stopped waits until the server has no calls, and makes another call.
func (c *calls) stopped(ctx context.Context) error {
	return errors.Join(eventually(ctx, "calls that are still running", 0, c.running), c.quick(ctx, 7))
}

// cancelled cancels a task during a call.
func (c *calls) cancelled(ctx context.Context) error {
	task := aio.CreateTask(ctx, aio.NoResult(c.hang))
	if err := c.started(ctx, 1); err != nil {
		return err
	}
	task.Cancel()
	_, err := task.Await(ctx)
	return errors.Join(wants(err, aio.ErrCancelled), c.stopped(ctx))
}

// timeout lets a Timeout expire during a call.
func (c *calls) timeout(ctx context.Context) error {
	limit := aio.NewTimeout(aio.NoTimeout)
	expire := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		err := c.started(ctx, 1)
		limit.Reschedule(time.Now())
		return err
	}))
	err := wants(limit.Run(ctx, c.hang), aio.ErrTimeout)
	_, other := expire.Await(ctx)
	return errors.Join(err, other, c.stopped(ctx))
}

// failing lets a TaskGroup fail during the calls of its tasks.
func (c *calls) failing(ctx context.Context) error {
	broken := errors.New("broken")
	err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for range c.together {
			tg.Go(c.hang)
		}
		if err := c.started(ctx, c.together); err != nil {
			return err
		}
		return broken
	})
	return errors.Join(wants(err, broken), c.stopped(ctx))
}

// atOnce makes many concurrent calls.
func (c *calls) atOnce(ctx context.Context) error {
	err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for i := range many {
			tg.Go(func(ctx context.Context) error { return c.quick(ctx, i) })
		}
		return nil
	})
	return errors.Join(err, c.stopped(ctx))
}

// killed kills the server during calls and restarts it.
func (c *calls) killed(ctx context.Context) error {
	var tasks []*aio.Task[struct{}]
	for range c.together {
		tasks = append(tasks, aio.CreateTask(ctx, aio.NoResult(c.hang)))
	}
	if err := c.started(ctx, c.together); err != nil {
		return err
	}
	if err := inThread(ctx, func(context.Context) error { c.server.kill(); return nil }); err != nil {
		return err
	}
	if !c.outlive {
		for i, task := range tasks {
			if _, err := task.Await(ctx); err == nil || !c.lost(err) {
				return fmt.Errorf("call %d of %d returned %w", i, c.together, err)
			}
		}
		if err := c.quick(ctx, 1); err == nil || !c.lost(err) {
			return fmt.Errorf("a call without a server returned %w", err)
		}
	}
	if err := inThread(ctx, func(context.Context) error { return c.server.start() }); err != nil {
		return err
	}
	if c.renew != nil {
		if err := inThread(ctx, c.renew); err != nil {
			return fmt.Errorf("a new client: %w", err)
		}
	}
	if c.outlive {
		if err := c.started(ctx, c.together); err != nil {
			return fmt.Errorf("after the restart: %w", err)
		}
		for _, task := range tasks {
			task.Cancel()
		}
		for _, task := range tasks {
			_, err := task.Await(ctx)
			if err := wants(err, aio.ErrCancelled); err != nil {
				return err
			}
		}
	}
	// A client may notice only now that a connection of its pool is broken.
	for end := time.Now().Add(patience); ; {
		err := c.quick(ctx, 1)
		switch {
		case err == nil:
			return c.stopped(ctx)
		case c.renew != nil || !c.lost(err) || time.Now().After(end):
			return fmt.Errorf("a call after the restart: %w", err)
		}
		if err := aio.Sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
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

// brokenConn reports whether err says that a connection broke or could not be made.
func brokenConn(err error) bool {
	if errors.Is(err, aio.ErrCancelled) || errors.Is(err, aio.ErrTimeout) || errors.Is(err, aio.ErrUsage) {
		return false
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EPIPE)
}

// refused checks that err refuses a call that would have made a task wait for its own
// loop.
func refused(err error) error {
	if err == nil || !strings.Contains(err.Error(), "aio.ToThread") {
		return fmt.Errorf("the call was not refused: %v", err)
	}
	return nil
}
