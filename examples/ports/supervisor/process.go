//go:build unix

package supervisor

// The state machine of one process. A separate task, run, makes all transitions; other
// tasks set the wanted state and wait for it. The process itself is behind an
// interface, so that simulations can replace it.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

// State is the state of a process.
type State string

// The states are those of supervisord.
const (
	Stopped  State = "STOPPED"  // was not started, or stopped on request
	Starting State = "STARTING" // runs, but not for startsecs yet
	Running  State = "RUNNING"
	// has exited too early, and waits for the next attempt
	Backoff  State = "BACKOFF"
	Stopping State = "STOPPING" // was sent the stop signal
	Exited   State = "EXITED"   // has exited from RUNNING
	Fatal    State = "FATAL"    // could not be started
)

// next are the possible transitions.
var next = map[State][]State{
	Stopped:  {Starting},
	Starting: {Running, Backoff, Stopping},
	Running:  {Exited, Stopping},
	Backoff:  {Starting, Fatal, Stopped},
	Stopping: {Stopped},
	Exited:   {Starting},
	Fatal:    {Starting},
}

// idle reports whether there is no process in that state, and none will be started
// without a request.
func (s State) idle() bool { return s == Stopped || s == Exited || s == Fatal }

// Child is a running process with its process group.
type Child interface {
	PID() int
	// Wait returns when the process has exited: its exit status, or -N if signal N
	// has ended it. It may be called again, and be cancelled.
	Wait(ctx context.Context) (int, error)
	// Signal sends a signal to the process, or to the whole group.
	Signal(sig syscall.Signal, group bool)
	// Close kills what is left of the group, and waits until its output is written.
	// It finishes this even if it is cancelled.
	Close(ctx context.Context) error
}

// Spawner starts processes.
type Spawner interface {
	Start(ctx context.Context, name string, p *Program) (Child, error)
}

// Change is a transition of a process.
type Change struct {
	Name   string
	From   State
	To     State
	PID    int    // of STARTING and later states, 0 if there is no process
	Detail string // the reason, for people
}

// process is one process of a program.
type process struct {
	name    string
	program *Program // expanded
	spawner Spawner
	report  func(Change)
	loop    *aio.Loop

	state   State
	since   time.Time
	changes int
	detail  string
	pid     int
	code    int                 // exit code of the last exit, see Child.Wait
	task    *aio.Task[struct{}] // run

	wanted  bool                  // the process should run
	asked   *aio.Future[struct{}] // done when wanted has changed; what run waits for
	waiters []*aio.Future[struct{}]
}

// set makes a transition.
func (p *process) set(to State, detail string) {
	if !slices.Contains(next[p.state], to) {
		panic(fmt.Sprintf("%s: from %s to %s", p.name, p.state, to))
	}
	from := p.state
	p.state, p.detail, p.since = to, detail, p.loop.Time()
	p.changes++
	p.report(Change{p.name, from, to, p.pid, detail})
	p.wake()
}

// wake makes the tasks in await look at the state again.
func (p *process) wake() {
	for _, w := range p.waiters {
		if !w.Done() {
			_ = w.SetResult(struct{}{})
		}
	}
	p.waiters = nil
}

// await waits until the condition is true, or until run has ended.
func (p *process) await(ctx context.Context, condition func() bool) error {
	for !condition() && !p.task.Done() {
		w := aio.CreateFuture[struct{}](ctx)
		p.waiters = append(p.waiters, w)
		if _, err := w.Await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// want says whether the process is to run.
func (p *process) want(running bool) {
	if p.wanted == running {
		return
	}
	p.wanted = running
	if p.asked != nil && !p.asked.Done() {
		_ = p.asked.SetResult(struct{}{})
	}
}

// start waits until the process runs, or cannot be started.
func (p *process) start(ctx context.Context) error {
	if p.state == Running && p.wanted {
		return fmt.Errorf("%s: already started", p.name)
	}
	before := p.changes
	p.want(true)
	err := p.await(ctx, func() bool {
		return p.state == Running && p.wanted || p.state.idle() && (p.changes != before || !p.wanted)
	})
	switch {
	case err != nil:
		return err
	case p.state == Running, p.state == Exited && p.program.expects(p.code):
		return nil
	}
	return fmt.Errorf("%s: %s: %s", p.name, p.state, cmp.Or(p.detail, "not started"))
}

// stopped is the condition for the end of a stop: the process is stopped, or there was a
// request to start it again.
func (p *process) stopped() bool { return p.state.idle() || p.wanted }

// expects reports whether the exit code is in exitcodes.
func (p *Program) expects(code int) bool { return slices.Contains(p.ExitCodes, code) }

// run makes the transitions until it is cancelled. Then it kills the process.
func (p *process) run(ctx context.Context) error {
	defer p.wake()
	failures := 0
	for {
		if !p.wanted {
			failures = 0
			p.asked = aio.CreateFuture[struct{}](ctx)
			if err := p.asked.Join(ctx); err != nil {
				return err
			}
			continue
		}
		started := p.loop.Time()
		if err := p.life(ctx); err != nil {
			return err
		}
		if p.state != Backoff {
			failures = 0
			if p.wanted && p.state == Exited {
				// With startsecs = 0 a program that exits at once never
				// fails to start. supervisord starts it about once a
				// second, because it looks at exited processes that
				// often.
				if err := p.until(ctx, aio.CreateFuture[struct{}](ctx), started.Add(time.Second).Sub(p.loop.Time())); err != nil {
					return err
				}
			}
			continue
		}
		if failures++; failures > p.program.StartRetries {
			p.wanted = false
			p.set(Fatal, p.detail)
			continue
		}
		// 1 s, 2 s, 4 s and so on.
		pause := min(time.Second<<min(failures-1, 10), time.Minute)
		if err := p.until(ctx, aio.CreateFuture[struct{}](ctx), pause); err != nil {
			return err
		}
		if !p.wanted {
			p.set(Stopped, "")
		}
	}
}

// life is one start of the process, up to its end.
func (p *process) life(ctx context.Context) (err error) {
	p.set(Starting, "")
	started := false
	child, err := p.spawner.Start(ctx, p.name, p.program)
	if errors.Is(err, aio.ErrCancelled) || errors.Is(err, aio.ErrLoopClosed) {
		return err
	}
	if err != nil {
		p.set(Backoff, err.Error())
		return nil
	}
	p.pid = child.PID()
	exit := aio.CreateTask(ctx, child.Wait, aio.WithName("exit of "+p.name))
	defer func() {
		// Close ends the process and its group, also after a cancellation.
		p.pid = 0
		err = cmp.Or(err, child.Close(ctx))
		err = cmp.Or(err, aio.CancelAndWait(ctx, exit))
	}()
	if err := p.until(ctx, exit, p.program.StartTime); err != nil {
		return err
	}
	if !exit.Done() && p.wanted || exit.Done() && p.program.StartTime == 0 {
		p.set(Running, "")
		started = true
		if err := p.until(ctx, exit, aio.NoTimeout); err != nil {
			return err
		}
	}
	if exit.Done() {
		// Close the child before the next state: tasks that wait for that state
		// may rely on it.
		if err := child.Close(ctx); err != nil {
			return err
		}
		return p.exited(exit, started)
	}
	p.set(Stopping, "")
	child.Signal(p.program.StopSignal, p.program.StopAsGroup)
	if _, _, err := aio.Wait(ctx, []aio.AnyFuture{exit}, p.program.StopWait, aio.AllCompleted); err != nil {
		return err
	}
	detail := ""
	if !exit.Done() {
		detail = "killed"
		child.Signal(syscall.SIGKILL, true)
		if err := exit.Join(ctx); err != nil {
			return err
		}
	}
	if err := child.Close(ctx); err != nil {
		return err
	}
	p.pid = 0
	p.set(Stopped, detail)
	return nil
}

// until waits until the process exits, until there is a request to stop it, or for the
// time d.
func (p *process) until(ctx context.Context, exit aio.AnyFuture, d time.Duration) error {
	start, left := p.loop.Time(), d
	for p.wanted && !exit.Done() && left > 0 {
		p.asked = aio.CreateFuture[struct{}](ctx)
		if _, _, err := aio.Wait(ctx, []aio.AnyFuture{exit, p.asked}, left, aio.FirstCompleted); err != nil {
			return err
		}
		if d != aio.NoTimeout {
			left = d - p.loop.Time().Sub(start)
		}
	}
	return nil
}

// exited makes the transition after an exit that was not asked for.
func (p *process) exited(exit *aio.Task[int], started bool) error {
	code, err := exit.Result()
	if err != nil {
		return err
	}
	p.pid, p.code = 0, code
	detail := fmt.Sprintf("exit status %d", code)
	if code < 0 {
		detail = fmt.Sprintf("signal %d (%v)", -code, syscall.Signal(-code))
	}
	if !started {
		p.set(Backoff, detail+" too early")
		return nil
	}
	expected := p.program.expects(code)
	again := p.program.AutoRestart == Always || p.program.AutoRestart == Unexpected && !expected
	p.wanted = p.wanted && again
	p.set(Exited, detail)
	return nil
}
