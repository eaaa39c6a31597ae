//go:build unix

// Package supervisor starts processes, watches them and starts them again, as
// supervisord, circus and honcho do. The command supervise is its front end.
//
//	[supervisor]
//	socket = run/supervisor.sock
//
//	[program:web]
//	command = ./web -port 80%(process_num)d
//	numprocs = 2
//	autorestart = always
//	stdout_logfile = log/web-%(process_num)d.log
//	redirect_stderr = true
//
// Each process has a process group of its own. When the process ends, for any reason,
// the rest of its group is killed; if the supervisor itself is killed, all groups are
// killed. Only processes that have made a session or group of their own survive.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/goaio/aio"
)

// Supervisor runs the processes of a configuration. All its methods must be called by
// tasks of the loop of Run.
type Supervisor struct {
	load     func() (*Config, error)
	config   *Config
	spawner  Spawner
	report   func(Change)
	loop     *aio.Loop
	procs    []*process // ordered by priority, then as in the file
	ending   bool
	enough   *aio.Future[struct{}] // done by Shutdown
	reloads  aio.Lock
	executor *executor
}

// New returns a supervisor of real processes. load returns the configuration, at the
// start and for each Reload. report, which may be nil, is called for each transition.
func New(load func() (*Config, error), report func(Change)) *Supervisor {
	e := &executor{logs: map[string]*logFile{}}
	s := newSupervisor(load, e, report)
	s.executor = e
	return s
}

func newSupervisor(load func() (*Config, error), spawner Spawner, report func(Change)) *Supervisor {
	if report == nil {
		report = func(Change) {}
	}
	return &Supervisor{load: load, spawner: spawner, report: report}
}

// Run loads the configuration, starts the programs in the order of their priorities, and
// serves the control socket. It returns after Shutdown, or if it is cancelled, when all
// processes are stopped; programs with a higher priority number stop first. ready, if it
// is not nil, is called when all programs were started.
//
// If it is cancelled again meanwhile, it kills the processes.
func (s *Supervisor) Run(ctx context.Context, ready func()) (err error) {
	if s.loop, err = aio.GetRunningLoop(ctx); err != nil {
		return err
	}
	if s.config, err = s.load(); err != nil {
		return err
	}
	s.enough = aio.CreateFuture[struct{}](ctx)
	defer func() {
		for _, l := range s.logs() {
			err = errors.Join(err, l.close())
		}
	}()
	// In every case each task of a process ends, and the task ends its process.
	defer func() {
		err = errors.Join(err, aio.CancelAndWait(ctx, s.tasks()...))
	}()
	// The processes are added before listen, so that a command or a Reload finds
	// all of them.
	if err := s.add(ctx, s.config.Programs); err != nil {
		return err
	}
	if s.config.Socket != "" {
		stop, err := s.listen(ctx, s.config.Socket)
		if err != nil {
			return err
		}
		defer stop()
	}
	err = s.startAll(ctx, s.procs)
	if err == nil && ready != nil {
		ready()
	}
	if err == nil {
		_, err = s.enough.Await(ctx)
	}
	s.ending = true
	return errors.Join(err, s.stopAll(ctx, s.procs))
}

func (s *Supervisor) logs() map[string]*logFile {
	if s.executor == nil {
		return nil
	}
	return s.executor.logs
}

func (s *Supervisor) tasks() (tasks []*aio.Task[struct{}]) {
	for _, p := range s.procs {
		tasks = append(tasks, p.task)
	}
	return tasks
}

// add adds the processes of programs.
func (s *Supervisor) add(ctx context.Context, programs []*Program) error {
	for _, program := range programs {
		for i := range program.NumProcs {
			expanded, err := program.expand(i)
			if err != nil {
				return err
			}
			p := &process{name: program.Name, program: expanded, spawner: s.spawner, report: s.report, loop: s.loop, state: Stopped, since: s.loop.Time()}
			if program.NumProcs > 1 {
				p.name = fmt.Sprintf("%s:%d", program.Name, i)
			}
			p.task = aio.CreateTask(ctx, aio.NoResult(p.run), aio.WithName("process "+p.name))
			s.procs = append(s.procs, p)
		}
	}
	slices.SortStableFunc(s.procs, func(a, b *process) int { return a.program.Priority - b.program.Priority })
	return nil
}

// byPriority calls f for the processes of one priority after another.
func byPriority(procs []*process, f func(procs []*process) error) error {
	for len(procs) > 0 {
		n := 1
		for n < len(procs) && procs[n].program.Priority == procs[0].program.Priority {
			n++
		}
		if err := f(procs[:n]); err != nil {
			return err
		}
		procs = procs[n:]
	}
	return nil
}

// startAll starts the processes with autostart. The processes of the next priority
// start when all of the previous priority run, or have failed for the first time.
func (s *Supervisor) startAll(ctx context.Context, procs []*process) error {
	return byPriority(slices.Clone(procs), func(procs []*process) error {
		for _, p := range procs {
			if p.program.AutoStart && !s.ending {
				p.want(true)
			}
		}
		for _, p := range procs {
			err := p.await(ctx, func() bool { return !p.wanted || p.state != Stopped && p.state != Starting || s.ending })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// stopAll stops processes, those with the highest priority number first.
func (s *Supervisor) stopAll(ctx context.Context, procs []*process) error {
	procs = slices.Clone(procs)
	slices.Reverse(procs)
	return byPriority(procs, func(procs []*process) error {
		for _, p := range procs {
			p.want(false)
		}
		for _, p := range procs {
			if err := p.await(ctx, p.stopped); err != nil {
				return err
			}
		}
		return nil
	})
}

// Shutdown makes Run stop all processes and return. It does not wait for that.
func (s *Supervisor) Shutdown() {
	s.ending = true
	if !s.enough.Done() {
		_ = s.enough.SetResult(struct{}{})
	}
	for _, p := range s.procs {
		p.wake() // startAll may be waiting
	}
}

// errEnding is the error of a command during the shutdown.
var errEnding = errors.New("the supervisor is shutting down")

// Reload loads the configuration again. Programs that are new are started, if they have
// autostart; those that are gone are stopped; those with other settings are stopped and
// started again. The others are not touched. A configuration with an error changes
// nothing.
func (s *Supervisor) Reload(ctx context.Context) (summary string, err error) {
	err = s.reloads.With(ctx, func(ctx context.Context) error {
		config, err := s.load()
		if err != nil {
			return err
		}
		if config.Socket != s.config.Socket {
			return errors.New("the socket cannot be changed by a reload")
		}
		if s.ending {
			return errEnding
		}
		same := map[string]bool{}
		var added, changed, removed []string
		var programs []*Program
		for _, p := range config.Programs {
			i := slices.IndexFunc(s.config.Programs, func(q *Program) bool { return q.Name == p.Name })
			switch {
			case i < 0:
				added = append(added, p.Name)
			case s.config.Programs[i].equal(p):
				same[p.Name] = true
				continue
			default:
				changed = append(changed, p.Name)
			}
			programs = append(programs, p)
		}
		var gone []*process
		for _, p := range s.procs {
			if !same[p.program.Name] {
				gone = append(gone, p)
			}
		}
		for _, q := range s.config.Programs {
			if !slices.ContainsFunc(config.Programs, func(p *Program) bool { return p.Name == q.Name }) {
				removed = append(removed, q.Name)
			}
		}
		if err := s.stopAll(ctx, gone); err != nil {
			return err
		}
		// The processes are stopped, so their tasks end at once.
		for _, p := range gone {
			p.task.Cancel()
		}
		s.procs = slices.DeleteFunc(s.procs, func(p *process) bool { return slices.Contains(gone, p) })
		s.config = config
		if s.ending {
			return errEnding
		}
		if err := s.add(ctx, programs); err != nil {
			return err
		}
		var started []*process
		for _, p := range s.procs {
			if !same[p.program.Name] {
				started = append(started, p)
			}
		}
		summary = fmt.Sprintf("added: %s; changed: %s; removed: %s", list(added), list(changed), list(removed))
		return s.startAll(ctx, started)
	})
	return summary, err
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

// find returns the processes with these names: NAME, NAME:NUMBER, or all.
func (s *Supervisor) find(names []string) (procs []*process, err error) {
	for _, name := range names {
		found := name == "all"
		for _, p := range s.procs {
			if name != "all" && p.name != name && p.program.Name != name {
				continue
			}
			found = true
			if !slices.Contains(procs, p) {
				procs = append(procs, p)
			}
		}
		if !found {
			return nil, fmt.Errorf("no program %q", name)
		}
	}
	return procs, nil
}

// Start starts processes, several at a time, and waits until they run.
func (s *Supervisor) Start(ctx context.Context, names ...string) error {
	procs, err := s.find(names)
	if err != nil {
		return err
	}
	if s.ending {
		return errEnding
	}
	return each(ctx, procs, (*process).start)
}

// Stop stops processes, and waits for that.
func (s *Supervisor) Stop(ctx context.Context, names ...string) error {
	procs, err := s.find(names)
	if err != nil {
		return err
	}
	return s.stopAll(ctx, procs)
}

// Restart stops processes, and starts them again.
func (s *Supervisor) Restart(ctx context.Context, names ...string) error {
	if err := s.Stop(ctx, names...); err != nil {
		return err
	}
	return s.Start(ctx, names...)
}

// each calls f for several processes concurrently, and joins the errors.
func each(ctx context.Context, procs []*process, f func(p *process, ctx context.Context) error) error {
	var calls []aio.Awaitable[struct{}]
	for _, p := range procs {
		calls = append(calls, aio.NoResult(func(ctx context.Context) error { return f(p, ctx) }))
	}
	results, err := aio.GatherResults(ctx, calls...).Await(ctx)
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	return err
}

// Status describes all processes, one on each line.
func (s *Supervisor) Status() string {
	var b strings.Builder
	for _, p := range s.procs {
		fmt.Fprintf(&b, "%-20s %-8s", p.name, p.state)
		if p.pid != 0 {
			fmt.Fprintf(&b, " pid %d, uptime %v", p.pid, s.loop.Time().Sub(p.since).Truncate(1e9))
		} else if p.detail != "" {
			fmt.Fprintf(&b, " %s", p.detail)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// removeSocket removes a socket that no process serves.
func removeSocket(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
