package aiotest

// A simulation: several hosts, each with a loop of its own, in one goroutine and one
// virtual time.
//
// The function of the simulation runs in the run's own loop, whose clock is that of the
// world. When that loop begins a pass each host makes a pass too, if it has something to
// do; when it has nothing to do the hosts go on, and then the clock moves to what comes
// next anywhere. A host whose pass takes long, by a choice, is ahead of the world's clock
// and has no pass until the world is there.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
	"github.com/goaio/aio/internal/simnet"
)

// Simulation says how Simulate makes its runs. The zero value has the defaults.
type Simulation struct {
	// Mode is how schedules are made, as that of an [Exploration].
	Mode Mode
	// Runs is the number of runs; 0 is 100.
	Runs int
	// Seed is where the random choices of the first run come from; each run has the
	// next seed.
	Seed uint64
	// Slack is the longest time that a pass of a loop takes in mode [Environment];
	// 0 is 20 ms.
	Slack time.Duration
	// MaxSteps bounds the steps of a run, those of all hosts together; 0 is 100 000
	// 000.
	MaxSteps int
	// AllowDifferences turns off the check that a run which is repeated makes the
	// same steps.
	AllowDifferences bool
}

// Simulate runs fn many times in a world of its own, until a run fails: with hosts that
// are connected by a simulated network, which fn makes, crashes, restarts and separates.
// All of it is in one virtual time, and what a real world leaves open are choices of the
// run: how long packets take, how streams are cut into pieces, how long passes and jobs
// take. A failure tells how to see the run again, as that of Explore.
//
// A run fails if fn returns an error, if there is a deadlock, if the function of a host
// returns an error that nobody was told by Wait, if an error reaches the exception
// handler of a host, or if a condition of Always does not hold. Hosts that still run when
// fn returns are ended as by Crash.
func Simulate(t TB, s Simulation, fn func(ctx context.Context, w *World) error) Report {
	t.Helper()
	return report(t, func(e *engine) Report { return s.exploration().run(e, s.main(e, fn)) })
}

// Run is Simulate for programs that are no tests: the failure is in the report.
func (s Simulation) Run(fn func(ctx context.Context, w *World) error) Report {
	return guarded(func(e *engine) Report { return s.exploration().run(e, s.main(e, fn)) })
}

// Replay makes one run with the choices of a record, as [Failure].Record has it.
func (s Simulation) Replay(record string, fn func(ctx context.Context, w *World) error) Report {
	return guarded(func(e *engine) Report {
		e.replay(s.exploration().setting(), record, s.main(e, fn))
		return e.report
	})
}

func (s Simulation) exploration() Exploration {
	x := Exploration{Mode: s.Mode, Runs: s.Runs, Seed: s.Seed, Slack: s.Slack, MaxSteps: s.MaxSteps, AllowDifferences: s.AllowDifferences}
	if x.Runs == 0 {
		x.Runs = 100
	}
	if x.MaxSteps == 0 {
		x.MaxSteps = 100_000_000
	}
	return x
}

// main makes a function of one for Explore.
func (s Simulation) main(e *engine, fn func(ctx context.Context, w *World) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		w := newWorld(&e.run)
		err := fn(ctx, w)
		w.end()
		return errors.Join(err, w.lost())
	}
}

// World is the world of a simulation. Its methods are called by the tasks and callbacks
// of the function that was given to Simulate; [Host.Crash], [Host.Restart], Now and
// Note also by the hosts.
type World struct {
	r      *run
	net    *simnet.Network
	hosts  []*Host
	always []func() error
	turn   *Host // whose pass runs, nil if none does
	failed error
	still  int
}

func newWorld(r *run) *World {
	n := simnet.New(driver{r})
	w := &World{r: r, net: n}
	r.host = n.Host("test")
	r.host.Start(hostLoop{r.loop})
	r.view.SetNetwork(r.host)
	r.world = w
	return w
}

// Host is a host of a [World].
type Host struct {
	w    *World
	sim  *simnet.Host
	fn   func(ctx context.Context) error
	loop *aio.Loop // nil while the host is down
	view plug.Loop
	main *aio.Task[struct{}]

	ended    aio.Event // fn has returned
	err      error     // of fn
	told     bool      // by Wait
	crashing int       // 1 to crash after the pass under way, 2 to restart
	crashes  int
}

// Host adds a host and starts it: fn runs as a task of its loop. Others find the host by
// its name, and hear from it through the network alone. What fn keeps in memory is new
// each time it starts; what is to outlive a crash, as a disk does, is made outside of it.
// Each name may be used once, and "test" is that of the simulation's own tasks; another
// use panics with ErrUsage.
func (w *World) Host(name string, fn func(ctx context.Context) error) *Host {
	if name == w.r.host.Name() || name == "localhost" || name == "" {
		panic(usagef("World.Host: %q cannot be the name of a host", name))
	}
	for _, h := range w.hosts {
		if h.Name() == name {
			panic(usagef("World.Host: there is a host %s already", name))
		}
	}
	h := &Host{w: w, sim: w.net.Host(name), fn: fn}
	w.hosts = append(w.hosts, h)
	h.start()
	return h
}

// start lets the function of the host begin.
func (h *Host) start() {
	r := h.w.r
	h.loop = aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	h.view = plug.Direct(h.loop, hostDirector{h})
	h.view.SetNow(h.w.time())
	h.view.SetNetwork(h.sim)
	h.sim.Start(hostLoop{h.loop})
	runs.Store(h.loop, r)
	h.loop.SetDefaultExecutor(&virtualExecutor{loop: h.loop, workers: aio.DefaultMaxWorkers})
	h.loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		r.exceptionOf(h.Name()+": ", ec)
	})
	h.err, h.told = nil, false
	h.ended.Clear()
	h.main = aio.CreateTask(h.loop.Context(), aio.NoResult(h.fn), aio.WithName("main"))
	if err := h.view.Begin(); err != nil {
		panic(err) // a new loop can run
	}
}

// stop ends the loop of the host without a farewell to anybody.
func (h *Host) stop() {
	if h.loop == nil {
		return
	}
	h.sim.Crash()
	h.view.End()
	h.loop.SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
	loop := h.loop
	h.loop, h.view, h.main = nil, nil, nil
	runs.Delete(loop)
	_ = loop.Close() // it does not run
}

// Name is the name of the host.
func (h *Host) Name() string { return h.sim.Name() }

// Running reports whether the host is up.
func (h *Host) Running() bool { return h.loop != nil }

// Crashes is how often the host has crashed.
func (h *Host) Crashes() int { return h.crashes }

// Crash ends the host as a loss of power does. Its connections are gone, and nobody is
// told. Each await of its tasks, and each further one, fails with aio.ErrLoopClosed, so
// deferred functions run, but nothing they do leaves the host. If code of the host itself
// calls it, the crash comes at the end of the pass. A host that is down stays so.
func (h *Host) Crash() {
	if h.loop == nil {
		return
	}
	if h.w.turn == h {
		h.crashing = 1
		return
	}
	h.crashes++
	h.w.Note("crash of " + h.Name())
	h.stop()
}

// Restart is Crash, if the host is up, and then starts its function again, with a new
// loop. What its former self had left in the network is answered with resets.
func (h *Host) Restart() {
	if h.w.turn == h {
		h.crashing = 2
		return
	}
	h.Crash()
	h.w.Note("start of " + h.Name())
	h.start()
}

// Wait waits until the function of the host has returned, and returns its error. While
// the host is down it waits for the end of the next start.
func (h *Host) Wait(ctx context.Context) error {
	if err := h.ended.Wait(ctx); err != nil {
		return err
	}
	h.told = true
	return h.err
}

// Wait waits for these hosts, or for all if there are none given, one after the other,
// and returns the first error.
func (w *World) Wait(ctx context.Context, hosts ...*Host) error {
	if len(hosts) == 0 {
		hosts = w.hosts
	}
	for _, h := range hosts {
		if err := h.Wait(ctx); err != nil {
			return fmt.Errorf("host %s: %w", h.Name(), err)
		}
	}
	return nil
}

// Always has condition called after each step of any host, and after each one of the
// simulation's own tasks. The run ends with the first error.
func (w *World) Always(condition func() error) { w.always = append(w.always, condition) }

// Now is the time since the beginning of the run.
func (w *World) Now() time.Duration { return w.time() }

// Note has text stand in the timeline of a failure.
func (w *World) Note(text string) { driver{w.r}.Note(text) }

// Counters are what a world has seen.
type Counters struct {
	Connections int // that were established
	Segments    int // of streams, that arrived
	Datagrams   int // that arrived
	Dropped     int // datagrams that did not
	Resets      int // of connections
	Crashes     int
}

// Counters returns what there was so far.
func (w *World) Counters() Counters {
	n := w.net.Counters()
	c := Counters{n.Connections, n.Segments, n.Datagrams, n.Dropped, n.Resets, 0}
	for _, h := range w.hosts {
		c.Crashes += h.crashes
	}
	return c
}

// Link is what lies between two hosts, in both directions. "test" is the name of where
// the tasks of the simulation itself are.
type Link struct{ ways []*simnet.Link }

// Link returns the link between two hosts. It panics with ErrUsage if there is no such
// host.
func (w *World) Link(a, b string) Link {
	return Link{[]*simnet.Link{w.way(a, b), w.way(b, a)}}
}

// Way returns one direction of a link.
func (w *World) Way(from, to string) Link { return Link{[]*simnet.Link{w.way(from, to)}} }

func (w *World) way(from, to string) *simnet.Link {
	return w.net.Link(w.named(from), w.named(to))
}

func (w *World) named(name string) *simnet.Host {
	if name == w.r.host.Name() {
		return w.r.host
	}
	for _, h := range w.hosts {
		if h.Name() == name {
			return h.sim
		}
	}
	panic(usagef("World: there is no host %s", name))
}

// Latency sets how long packets take: from least to most, as the run chooses. It is 1 to
// 10 ms at first, and 0 to 2 ms within a host.
func (l Link) Latency(least, most time.Duration) Link {
	for _, way := range l.ways {
		way.Latency(least, most)
	}
	return l
}

// Loss sets how many of 1000 datagrams may be lost, and how many may arrive twice.
// Packets of streams are sent again when they are lost, and take 200 ms longer.
func (l Link) Loss(lost, twice int) Link {
	for _, way := range l.ways {
		way.Loss(lost, twice)
	}
	return l
}

// Cut has no packet get through. Datagrams are lost. Packets of streams wait for Heal,
// for a quarter of an hour; then their connection ends with ETIMEDOUT at the end that
// sends.
func (l Link) Cut() {
	for _, way := range l.ways {
		way.Cut()
	}
}

// Heal is the reverse of Cut.
func (l Link) Heal() {
	for _, way := range l.ways {
		way.Heal()
	}
}

// Partition cuts the link between two hosts, Heal makes it whole.
func (w *World) Partition(a, b string) {
	w.Note("partition of " + a + " and " + b)
	w.Link(a, b).Cut()
}

// Heal makes the link between two hosts whole.
func (w *World) Heal(a, b string) {
	w.Note("no partition of " + a + " and " + b)
	w.Link(a, b).Heal()
}

// Between returns a time from least to most, which is a choice of the run: least in the
// ordinary case. The caller is as that of [Choose].
func Between(ctx context.Context, least, most time.Duration) time.Duration {
	const steps = 1000
	i := Choose(ctx, steps, "between")
	return least + time.Duration(float64(most-least)*float64(i)/(steps-1))
}

// time is the time of whoever runs.
func (w *World) time() time.Duration {
	if w.turn != nil {
		return w.turn.view.Now()
	}
	return w.r.view.Now()
}

// round gives each host a pass.
func (w *World) round() {
	now := w.r.view.Now()
	for i := 0; i < len(w.hosts); i++ {
		w.hosts[i].pass(now)
	}
}

// pass makes a pass, and reports whether there was something to do.
func (h *Host) pass(now time.Duration) bool {
	if h.loop == nil || h.view.Now() > now {
		return false
	}
	h.view.SetNow(now)
	when, ok := h.sim.Next()
	if !h.view.Due() && !(ok && when <= now) {
		return false
	}
	w := h.w
	w.turn = h
	_, err := h.view.RunPass()
	w.turn = nil
	if err != nil {
		w.fail(fmt.Errorf("host %s: %w", h.Name(), err))
	}
	switch crashing := h.crashing; {
	case crashing != 0:
		h.crashing = 0
		if crashing == 2 {
			h.Restart()
		} else {
			h.Crash()
		}
	case h.main.Done() && !h.ended.IsSet():
		_, h.err = h.main.Result()
		h.ended.Set()
	}
	return true
}

// idle goes on with the hosts, and moves the clock, until the simulation's own loop has
// something to do. It reports false if nothing can ever happen.
func (w *World) idle() bool {
	v := w.r.view
	for at := v.Now(); ; {
		now := v.Now()
		if now != at {
			at, w.still = now, 0
		}
		if w.still++; w.still > maxStill {
			w.r.exceeded(v, fmt.Errorf("%d passes, and the clock stands still at %v: a task goes round without waiting", maxStill, now))
		}
		busy := false
		for i := 0; i < len(w.hosts); i++ {
			busy = w.hosts[i].pass(now) || busy
		}
		next, ok := w.r.host.Next()
		if v.Due() || ok && next <= now {
			return true
		}
		if busy {
			continue
		}
		jobs, outside := v.Jobs(), v.Outside()
		earlier := func(when time.Duration, found bool) {
			if found && (!ok || when < next) {
				next, ok = when, true
			}
		}
		earlier(v.Timer())
		for _, h := range w.hosts {
			if h.loop == nil {
				continue
			}
			jobs, outside = jobs+h.view.Jobs(), outside+h.view.Outside()
			if at := h.view.Now(); at > now {
				earlier(at, true) // it is busy until then
				continue
			}
			earlier(h.view.Timer())
			earlier(h.sim.Next())
		}
		switch {
		case jobs > 0 || outside > 0:
			// real time, for what is outside of the simulation
			v.Block(time.Millisecond)
			if jobs > 0 {
				continue
			}
		case !ok:
			return false
		}
		if !ok {
			continue
		}
		v.SetNow(max(now, next))
	}
}

// stepped is called after each step.
func (w *World) stepped() {
	if w.failed != nil || w.r.over {
		return
	}
	for _, condition := range w.always {
		if err := condition(); err != nil {
			w.fail(err)
			return
		}
	}
}

// fail ends the run.
func (w *World) fail(err error) {
	if w.failed == nil {
		w.failed = err
		w.r.view.Stop(err)
	}
}

// end ends all hosts.
func (w *World) end() {
	for _, h := range w.hosts {
		h.stop()
	}
	w.r.world = nil
}

// lost are the errors of hosts that nobody was told.
func (w *World) lost() error {
	var errs []error
	for _, h := range w.hosts {
		if h.err != nil && !h.told {
			errs = append(errs, fmt.Errorf("host %s: %w", h.Name(), h.err))
		}
	}
	return errors.Join(errs...)
}

// tasks lists what the hosts wait for, after a deadlock.
func (w *World) tasks() string {
	var b strings.Builder
	for _, h := range w.hosts {
		if h.loop == nil {
			continue
		}
		h.view.End()
		for _, task := range aio.AllTasks(h.loop.Context()) {
			fmt.Fprintf(&b, "\n\t%s: %s", h.Name(), task)
		}
		if err := h.view.Begin(); err != nil {
			panic(err) // it ran before
		}
	}
	return b.String()
}

// hostDirector is the director of a host's loop.
type hostDirector struct{ h *Host }

// Pass implements plug.Director.
func (d hostDirector) Pass() {
	d.h.w.r.delay(d.h.view)
	d.h.sim.Poll()
}

// Choose implements plug.Director.
func (d hostDirector) Choose() {
	r := d.h.w.r
	r.choice(d.h.view)
	r.count(d.h.view)
	r.begin(d.h.view, d.h.Name())
}

// Ran implements plug.Director.
func (d hostDirector) Ran() {
	d.h.w.r.end(d.h.view)
	d.h.w.stepped()
}

// Idle implements plug.Director: the world moves the clock.
func (d hostDirector) Idle() bool { return true }
