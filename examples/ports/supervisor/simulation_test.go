//go:build unix

package supervisor

// The state machine with simulated processes in virtual time: explored schedules, random
// crashes and commands, a cancellation at every moment. Every transition is compared with
// a model.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

const ms = time.Millisecond

// simSpawner starts simulated processes. Their behaviour is a choice of the run, or is
// returned by act.
type simSpawner struct {
	act  func(ctx context.Context, p *Program) behaviour
	live map[*simChild]bool
	pids int
	loop *aio.Loop
}

// behaviour is what a simulated process does.
type behaviour struct {
	fails bool // the process cannot be started
	// how long the process runs until it exits on its own; 0 means forever
	lasts time.Duration
	code  int
	deaf  bool          // ignores the stop signal
	takes time.Duration // time from the stop signal to the exit
}

type simChild struct {
	s       *simSpawner
	name    string
	pid     int
	exit    *aio.Event
	code    int
	signals []time.Time // when the stop signal came
	killed  time.Time
	behaves behaviour
	program *Program
	handles []*aio.TimerHandle
}

// Start implements Spawner.
func (s *simSpawner) Start(ctx context.Context, name string, p *Program) (Child, error) {
	b := s.act(ctx, p)
	if err := aio.Sleep(ctx, 2*ms); err != nil {
		return nil, err
	}
	if b.fails {
		return nil, errors.New("no such file")
	}
	s.pids++
	c := &simChild{s: s, name: name, pid: s.pids, exit: new(aio.Event), behaves: b, program: p}
	s.live[c] = true
	if b.lasts > 0 {
		c.after(b.lasts, b.code)
	}
	return c, nil
}

func (c *simChild) after(d time.Duration, code int) {
	c.handles = append(c.handles, c.s.loop.CallLater(d, func() {
		if !c.exit.IsSet() {
			c.code = code
			c.exit.Set()
		}
	}))
}

func (c *simChild) PID() int { return c.pid }

func (c *simChild) Wait(ctx context.Context) (int, error) { return c.code, c.wait(ctx) }

func (c *simChild) wait(ctx context.Context) error { return c.exit.Wait(ctx) }

func (c *simChild) Signal(sig syscall.Signal, group bool) {
	if sig == syscall.SIGKILL {
		c.killed = c.s.loop.Time()
		c.after(0, -int(sig))
		return
	}
	c.signals = append(c.signals, c.s.loop.Time())
	if !c.behaves.deaf {
		c.after(c.behaves.takes, -int(sig))
	}
}

func (c *simChild) Close(ctx context.Context) error {
	if !c.s.live[c] {
		return nil
	}
	return aio.Shielded(ctx, func(ctx context.Context) error {
		c.after(0, -9)
		err := c.exit.Wait(ctx)
		if err == nil {
			err = aio.Sleep(ctx, ms)
		}
		for _, h := range c.handles {
			h.Cancel()
		}
		delete(c.s.live, c)
		return err
	})
}

// model checks the transitions of all processes against the rules of supervisord.
type model struct {
	programs map[string]*Program
	states   map[string]State
	since    map[string]time.Time
	backoffs map[string]int
	stops    int // number of running commands that may stop a process
	loop     *aio.Loop
	log      []Change
	err      error
}

func (m *model) wrong(c Change, format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf("%s: %s to %s: %s; its states were %s", c.Name, c.From, c.To, fmt.Sprintf(format, args...), m.transitions(c.Name))
	}
}

// change is the function that the supervisor reports to.
func (m *model) change(c Change) {
	m.log = append(m.log, c)
	now := m.loop.Time()
	name, _, _ := strings.Cut(c.Name, ":")
	p := m.programs[name]
	was, known := m.states[c.Name]
	if !known {
		was = Stopped
	}
	if was != c.From {
		m.wrong(c, "it was %s", was)
	}
	spent := now.Sub(m.since[c.Name])
	switch c.To {
	case Starting:
		if c.From == Backoff && spent < time.Second {
			m.wrong(c, "after %v", spent)
		}
	case Running:
		if spent < p.StartTime {
			m.wrong(c, "after %v", spent)
		}
		m.backoffs[c.Name] = 0
	case Backoff:
		m.backoffs[c.Name]++
	case Fatal:
		if m.backoffs[c.Name] != p.StartRetries+1 {
			m.wrong(c, "after %d attempts", m.backoffs[c.Name])
		}
		m.backoffs[c.Name] = 0
	case Stopped, Stopping:
		if m.stops == 0 {
			m.wrong(c, "nobody has asked for it")
		}
		if c.To == Stopped {
			m.backoffs[c.Name] = 0
		}
		if c.From == Stopping && spent > p.StopWait+time.Second {
			m.wrong(c, "after %v", spent)
		}
	}
	if c.From == Backoff && c.To == Starting && m.backoffs[c.Name] > p.StartRetries {
		m.wrong(c, "after %d attempts", m.backoffs[c.Name])
	}
	if (c.To == Running || c.To == Stopping) != (c.PID != 0) {
		m.wrong(c, "the process id is %d", c.PID)
	}
	m.states[c.Name], m.since[c.Name] = c.To, now
}

// simulate is a supervisor of simulated processes.
func simulate(ctx context.Context, text string, act func(ctx context.Context, p *Program) behaviour) (*Supervisor, *simSpawner, *model, error) {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := ParseConfig(strings.NewReader(text))
	if err != nil {
		return nil, nil, nil, err
	}
	m := &model{programs: map[string]*Program{}, states: map[string]State{}, since: map[string]time.Time{}, backoffs: map[string]int{}, loop: loop}
	for _, p := range c.Programs {
		m.programs[p.Name] = p
	}
	sp := &simSpawner{act: act, live: map[*simChild]bool{}, loop: loop}
	return newSupervisor(func() (*Config, error) { return c, nil }, sp, m.change), sp, m, nil
}

// transitions describes the log of one process.
func (m *model) transitions(name string) (states []State) {
	for _, c := range m.log {
		if c.Name == name {
			states = append(states, c.To)
		}
	}
	return states
}

// scenario runs one program with a behaviour, and compares its states.
func scenario(t *testing.T, options string, act func(n int) behaviour, control func(ctx context.Context, s *Supervisor) error, want ...State) {
	t.Helper()
	aiotest.Explore(t, aiotest.Exploration{Runs: stage.Amount(10, 50, 500)}, func(ctx context.Context) error {
		n := 0
		s, sp, m, err := simulate(ctx, "[program:a]\ncommand = a\n"+options, func(context.Context, *Program) behaviour {
			n++
			return act(n)
		})
		if err != nil {
			return err
		}
		m.stops = 1
		run := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return s.Run(ctx, nil) }))
		if err := aio.Sleep(ctx, ms); err != nil {
			return err
		}
		if err := control(ctx, s); err != nil {
			return err
		}
		s.Shutdown()
		if _, err := run.Await(ctx); err != nil {
			return err
		}
		if got := m.transitions("a"); !slices.Equal(got, want) {
			return fmt.Errorf("the states are %v, want %v", got, want)
		}
		if len(sp.live) > 0 {
			return fmt.Errorf("%d processes are left", len(sp.live))
		}
		return m.err
	})
}

// after waits in virtual time.
func after(d time.Duration) func(ctx context.Context, s *Supervisor) error {
	return func(ctx context.Context, _ *Supervisor) error { return aio.Sleep(ctx, d) }
}

func always(b behaviour) func(int) behaviour { return func(int) behaviour { return b } }

func TestStates(t *testing.T) {
	for _, c := range []struct {
		name, options string
		act           func(n int) behaviour
		control       func(ctx context.Context, s *Supervisor) error
		want          []State
	}{
		{"runs and is stopped", "", always(behaviour{takes: 10 * ms}), after(time.Hour), []State{Starting, Running, Stopping, Stopped}},
		{"is not started", "autostart = false", always(behaviour{}), after(time.Hour), nil},
		{"is stopped while it starts", "startsecs = 100", always(behaviour{}), after(time.Second), []State{Starting, Stopping, Stopped}},
		{"exits at once, for ever", "startretries = 2", always(behaviour{lasts: 10 * ms, code: 1}), after(time.Hour),
			[]State{Starting, Backoff, Starting, Backoff, Starting, Backoff, Fatal}},
		{"cannot be started", "startretries = 1", always(behaviour{fails: true}), after(time.Hour), []State{Starting, Backoff, Starting, Backoff, Fatal}},
		{"starts at the second attempt", "", func(n int) behaviour { return behaviour{fails: n == 1} }, after(time.Hour),
			[]State{Starting, Backoff, Starting, Running, Stopping, Stopped}},
		{"is stopped in a pause", "", func(n int) behaviour { return behaviour{fails: n == 1} },
			func(ctx context.Context, s *Supervisor) error {
				return errors.Join(aio.Sleep(ctx, 500*ms), s.Stop(ctx, "a"), aio.Sleep(ctx, time.Hour))
			}, []State{Starting, Backoff, Stopped}},
		{"an expected exit", "", always(behaviour{lasts: time.Minute}), after(time.Hour), []State{Starting, Running, Exited}},
		{"an unexpected exit", "", func(n int) behaviour {
			return map[int]behaviour{1: {lasts: time.Minute, code: 3}, 2: {lasts: time.Minute}}[n]
		}, after(time.Hour), []State{Starting, Running, Exited, Starting, Running, Exited}},
		{"always again", "autorestart = always", func(n int) behaviour {
			return map[int]behaviour{1: {lasts: time.Minute}, 2: {lasts: time.Minute, code: -9}}[n]
		}, after(time.Hour), []State{Starting, Running, Exited, Starting, Running, Exited, Starting, Running, Stopping, Stopped}},
		{"never again", "autorestart = never", always(behaviour{lasts: time.Minute, code: 3}), after(time.Hour), []State{Starting, Running, Exited}},
		{"other exit codes", "exitcodes = 3,4", always(behaviour{lasts: time.Minute, code: 4}), after(time.Hour), []State{Starting, Running, Exited}},
		{"needs no time to start", "startsecs = 0", always(behaviour{lasts: 1}), after(time.Hour), []State{Starting, Running, Exited}},
		{"exits at once without startsecs, started once a second", "startsecs = 0", always(behaviour{lasts: 1, code: 1}), after(3500 * ms),
			[]State{Starting, Running, Exited, Starting, Running, Exited, Starting, Running, Exited, Starting, Running, Exited}},
		{"is stopped before it starts again", "startsecs = 0", always(behaviour{lasts: 1, code: 1}),
			func(ctx context.Context, s *Supervisor) error {
				return errors.Join(aio.Sleep(ctx, 500*ms), s.Stop(ctx, "a"), aio.Sleep(ctx, time.Hour))
			}, []State{Starting, Running, Exited}},
		{"is started before it starts again", "startsecs = 0", func(n int) behaviour {
			return map[int]behaviour{1: {lasts: 1, code: 1}}[n]
		}, func(ctx context.Context, s *Supervisor) error {
			return errors.Join(aio.Sleep(ctx, 500*ms), s.Start(ctx, "a"))
		}, []State{Starting, Running, Exited, Starting, Running, Stopping, Stopped}},
		{"is stopped and started before it starts again", "startsecs = 0", func(n int) behaviour {
			return map[int]behaviour{1: {lasts: 1, code: 1}}[n]
		}, func(ctx context.Context, s *Supervisor) error {
			return errors.Join(aio.Sleep(ctx, 500*ms), s.Stop(ctx, "a"), s.Start(ctx, "a"))
		}, []State{Starting, Running, Exited, Starting, Running, Stopping, Stopped}},
		{"ignores the signal", "stopwaitsecs = 3", always(behaviour{deaf: true}), after(time.Hour), []State{Starting, Running, Stopping, Stopped}},
		{"restart", "", always(behaviour{takes: time.Second}), func(ctx context.Context, s *Supervisor) error {
			return errors.Join(aio.Sleep(ctx, time.Minute), s.Restart(ctx, "all"))
		}, []State{Starting, Running, Stopping, Stopped, Starting, Running, Stopping, Stopped}},
		{"start after FATAL", "startretries = 0", func(n int) behaviour { return behaviour{fails: n < 3} },
			func(ctx context.Context, s *Supervisor) error {
				if err := aio.Sleep(ctx, time.Minute); err != nil {
					return err
				}
				if err := s.Start(ctx, "a"); err == nil || err.Error() != "a: FATAL: no such file" {
					return fmt.Errorf("start: %w", err)
				}
				return s.Start(ctx, "a")
			}, []State{Starting, Backoff, Fatal, Starting, Backoff, Fatal, Starting, Running, Stopping, Stopped}},
	} {
		t.Run(c.name, func(t *testing.T) { scenario(t, c.options, c.act, c.control, c.want...) })
	}
}

const three = `
[program:db]
command = db
priority = 1
stopwaitsecs = 2
[program:app]
command = app
numprocs = 2
priority = 2
startretries = 1
autorestart = always
[program:cron]
command = cron
priority = 3
startsecs = 0
`

// Programs start in the order of their priorities, and stop in the opposite order.
func TestOrder(t *testing.T) {
	aiotest.Explore(t, aiotest.Exploration{Runs: stage.Amount(20, 100, 1000)}, func(ctx context.Context) error {
		s, sp, m, err := simulate(ctx, three, func(ctx context.Context, _ *Program) behaviour {
			return behaviour{takes: time.Duration(aiotest.Choose(ctx, 3, "takes")) * time.Second}
		})
		if err != nil {
			return err
		}
		if err := s.Run(ctx, func() { m.stops = 1; s.Shutdown() }); err != nil {
			return err
		}
		var got []string
		for _, c := range m.log {
			name, _, _ := strings.Cut(c.Name, ":")
			if line := name + " " + string(c.To); !slices.Contains(got, line) {
				got = append(got, line)
			}
		}
		want := []string{"db STARTING", "db RUNNING", "app STARTING", "app RUNNING", "cron STARTING", "cron RUNNING",
			"cron STOPPING", "cron STOPPED", "app STOPPING", "app STOPPED", "db STOPPING", "db STOPPED"}
		if !slices.Equal(got, want) {
			return fmt.Errorf("the order is %q", got)
		}
		if len(sp.live) > 0 {
			return errors.New("a process is left")
		}
		return m.err
	})
}

// random is a process whose life the run chooses.
func random(ctx context.Context, _ *Program) behaviour {
	b := behaviour{takes: aiotest.Between(ctx, 0, time.Second)}
	switch aiotest.Choose(ctx, 6, "life") {
	case 1:
		b.fails = true
	case 2:
		b.lasts, b.code = 500*ms, 1
	case 3:
		b.lasts = aiotest.Between(ctx, 2*time.Second, 10*time.Second)
		b.code = aiotest.Choose(ctx, 2, "code")
	case 4:
		b.deaf = true
	}
	return b
}

// Random lives and commands: every transition agrees with the model, and the state of a
// process says whether it lives.
func TestSimulation(t *testing.T) {
	runs := stage.Amount(40, 500, 5000)
	transitions := 0
	seen := map[State]int{}
	for _, mode := range []aiotest.Mode{aiotest.Environment, aiotest.AnyOrder} {
		aiotest.Explore(t, aiotest.Exploration{Runs: runs, Mode: mode}, func(ctx context.Context) error {
			s, sp, m, err := simulate(ctx, three, random)
			if err != nil {
				return err
			}
			running := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return s.Run(ctx, nil) }))
			commands := 0
			for range 12 {
				if err := aio.Sleep(ctx, aiotest.Between(ctx, 10*ms, 3*time.Second)); err != nil {
					return err
				}
				name := []string{"db", "app", "app:1", "cron", "all"}[aiotest.Choose(ctx, 5, "program")]
				command := []func(ctx context.Context, names ...string) error{s.Start, s.Stop, s.Restart}[aiotest.Choose(ctx, 3, "command")]
				commands++
				m.stops++
				aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					err := command(ctx, name)
					if errors.Is(err, aio.ErrCancelled) {
						return err
					}
					commands--
					// a program that does not start is not a failure
					// here
					return nil
				}))
				for _, p := range s.procs {
					lives := 0
					for c := range sp.live {
						if c.name == p.name {
							lives++
						}
					}
					if lives > 1 || p.state == Running && lives == 0 || (p.state.idle() || p.state == Backoff) && lives > 0 {
						return fmt.Errorf("%s is %s with %d processes", p.name, p.state, lives)
					}
				}
			}
			m.stops++
			s.Shutdown()
			if _, err := running.Await(ctx); err != nil {
				return err
			}
			if err := aio.Sleep(ctx, time.Minute); err != nil {
				return err
			}
			if commands > 0 || len(sp.live) > 0 {
				return fmt.Errorf("%d commands do not end, %d processes are left", commands, len(sp.live))
			}
			for name, state := range m.states {
				if !state.idle() {
					return fmt.Errorf("%s is %s at the end", name, state)
				}
			}
			transitions += len(m.log)
			for _, c := range m.log {
				seen[c.To]++
			}
			return m.err
		})
	}
	t.Logf("%d transitions: %v", transitions, seen)
	for state := range next {
		if seen[state] < runs/10 {
			t.Errorf("only %d transitions to %s", seen[state], state)
		}
	}
}

// A cancellation at every moment of Run, also during the shutdown: no process is left.
func TestSweep(t *testing.T) {
	schedules := stage.Amount(1, 5, 50)
	r := aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: schedules, Network: true}, func(ctx context.Context, c *aiotest.Cancelled) error {
		starts := map[string]int{}
		s, sp, m, err := simulate(ctx, three+"[supervisor]\nsocket = /run/s.sock\n", func(_ context.Context, p *Program) behaviour {
			starts[p.Name]++
			switch {
			case p.Name == "cron":
				return behaviour{deaf: true}
			case p.Name == "app" && starts["app"] <= 2:
				return behaviour{lasts: 1500 * ms, code: 1}
			}
			return behaviour{takes: 10 * ms}
		})
		if err != nil {
			return err
		}
		m.stops = 1
		err = c.Do(ctx, func(ctx context.Context) error {
			return s.Run(ctx, func() {
				client := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
					var out strings.Builder
					err := Control(ctx, "/run/s.sock", Request{Command: "status"}, func(text string) error {
						out.WriteString(text)
						return nil
					})
					if err != nil {
						return err
					}
					if !strings.HasPrefix(out.String(), "db                   RUNNING  pid 1") {
						return fmt.Errorf("status: %s", out.String())
					}
					if err := Control(ctx, "/run/s.sock", Request{Command: "restart", Names: []string{"db"}}, nil); err != nil {
						return err
					}
					return Control(ctx, "/run/s.sock", Request{Command: "shutdown"}, nil)
				}))
				client.AddDoneCallback(func(f *aio.Future[struct{}]) {
					if err := f.Exception(); err != nil && !c.Happened() {
						m.err = errors.Join(m.err, err)
					}
				})
			})
		})
		if err != nil && !errors.Is(err, aio.ErrCancelled) {
			return err
		}
		if len(sp.live) > 0 {
			return fmt.Errorf("%d processes are left", len(sp.live))
		}
		for _, p := range s.procs {
			if !p.task.Done() {
				return fmt.Errorf("the task of %s has not ended", p.name)
			}
		}
		return m.err
	})
	t.Logf("%d moments", r.Moments)
	if r.Moments < 50*schedules {
		t.Error("too few")
	}
}

// A command that is cancelled at every moment leaves the supervisor in a consistent
// state.
func TestSweepCommands(t *testing.T) {
	schedules := stage.Amount(1, 10, 100)
	aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: schedules}, func(ctx context.Context, c *aiotest.Cancelled) error {
		s, sp, m, err := simulate(ctx, three, func(context.Context, *Program) behaviour { return behaviour{takes: 10 * ms} })
		if err != nil {
			return err
		}
		m.stops = 1
		ready := aio.CreateFuture[struct{}](ctx)
		running := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return s.Run(ctx, func() { _ = ready.SetResult(struct{}{}) })
		}))
		if _, err := ready.Await(ctx); err != nil {
			return err
		}
		err = c.Do(ctx, func(ctx context.Context) error {
			if err := s.Restart(ctx, "all"); err != nil {
				return err
			}
			_, err := s.Reload(ctx)
			return err
		})
		if err != nil && !errors.Is(err, aio.ErrCancelled) {
			return err
		}
		for _, p := range s.procs {
			if p.state != Running || !p.wanted {
				if err := s.Start(ctx, p.name); err != nil {
					return err
				}
			}
		}
		if len(sp.live) != 4 {
			return fmt.Errorf("%d processes run", len(sp.live))
		}
		s.Shutdown()
		if _, err := running.Await(ctx); err != nil {
			return err
		}
		if len(sp.live) > 0 {
			return fmt.Errorf("%d processes are left", len(sp.live))
		}
		return m.err
	})
}

// A Reload may come before the programs are started, as by SIGHUP.
func TestReloadEarly(t *testing.T) {
	aiotest.Explore(t, aiotest.Exploration{Runs: stage.Amount(10, 50, 500)}, func(ctx context.Context) error {
		s, sp, m, err := simulate(ctx, "[supervisor]\nsocket = /run/s\n[program:a]\ncommand = a\n", func(context.Context, *Program) behaviour { return behaviour{} })
		if err != nil {
			return err
		}
		m.stops = 1
		before, err := s.load()
		if err != nil {
			return err
		}
		loads := 0
		s.load = func() (*Config, error) {
			if loads++; loads == 1 {
				return before, nil
			}
			p, q := newProgram("a"), newProgram("b")
			p.Command, q.Command = []string{"changed"}, []string{"b"}
			m.programs["a"], m.programs["b"] = p, q
			return &Config{Socket: before.Socket, Programs: []*Program{p, q}}, nil
		}
		ready := aio.CreateFuture[struct{}](ctx)
		run := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return s.Run(ctx, func() { _ = ready.SetResult(struct{}{}) })
		}))
		for s.config == nil {
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		if summary, err := s.Reload(ctx); err != nil || summary != "added: b; changed: a; removed: none" {
			return fmt.Errorf("%s: %w", summary, err)
		}
		if _, err := ready.Await(ctx); err != nil {
			return err
		}
		if len(s.procs) != 2 || len(sp.live) != 2 {
			return fmt.Errorf("%d processes run:\n%s", len(sp.live), s.Status())
		}
		s.Shutdown()
		if _, err := run.Await(ctx); err != nil {
			return err
		}
		return m.err
	})
}
