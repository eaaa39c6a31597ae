package aiotest

// A simulation: several hosts, each with its own loop, in one goroutine and one virtual
// time.
//
// The function of the simulation runs in the run's own loop, whose clock is that of the
// world. When that loop begins a pass, each host that has something to do runs a pass
// too. When that loop has nothing to do, the hosts continue, and then the clock
// advances to the next event anywhere. If a host's pass takes long, by a choice, the
// host is ahead of the world's clock and runs no pass until the clock has reached it.

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/plug"
	"github.com/goaio/aio/internal/simnet"
)

// Simulation has the settings of [Simulate]. The zero value means the defaults.
type Simulation struct {
	// Mode is the way in which schedules are made, as in an [Exploration].
	Mode Mode
	// Runs is the number of runs; 0 means 100.
	Runs int
	// Seed is the seed of the random choices of the first run; each further run has
	// the next seed.
	Seed uint64
	// Slack is the longest duration of a pass of a loop in mode [Environment]; 0
	// means 20 ms.
	Slack time.Duration
	// MaxSteps limits the steps of a run, of all hosts together; 0 means 100 000
	// 000.
	MaxSteps int
	// AllowDifferences turns off the check that a repeated run makes the same
	// steps.
	AllowDifferences bool
}

// Simulate runs fn many times, each time in a new [World], until a run fails. fn adds
// hosts to the world, which a simulated network connects, and crashes, restarts and
// separates them. Everything happens in one virtual time. The behaviour that the real
// world leaves open is a choice of the run: how long packets take, how streams are
// split into pieces, how long passes and jobs take. The failure reports how to repeat
// the run, as with [Explore].
//
// A run fails if fn returns an error, if there is a deadlock, if the function of a host
// returns an error that no Wait has returned, if an error reaches the exception handler
// of a host, or if a condition of [World.Always] fails. Hosts that still run when fn
// returns are stopped as by [Host.Crash].
func Simulate(t TB, s Simulation, fn func(ctx context.Context, w *World) error) Report {
	needs(t, "Simulate")
	t.Helper()
	return report(t, func(e *engine) Report { return s.run(e, fn) })
}

// Run is [Simulate] outside of tests: the failure is in the report.
func (s Simulation) Run(fn func(ctx context.Context, w *World) error) Report {
	return guarded(func(e *engine) Report { return s.run(e, fn) })
}

// Replay makes one run with the choices of a record, as in [Failure].Record.
func (s Simulation) Replay(record string, fn func(ctx context.Context, w *World) error) Report {
	return guarded(func(e *engine) Report {
		main := s.main(e, fn)
		if err := s.exploration().check(main); err != nil {
			return e.misuse(err)
		}
		e.replay(s.exploration().setting(), record, main)
		return e.report
	})
}

func (s Simulation) run(e *engine, fn func(ctx context.Context, w *World) error) Report {
	return s.exploration().run(e, s.main(e, fn))
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

// main converts fn into a function for Explore.
func (s Simulation) main(e *engine, fn func(ctx context.Context, w *World) error) func(ctx context.Context) error {
	if fn == nil {
		return nil // Explore reports the misuse
	}
	return func(ctx context.Context) error {
		w := newWorld(&e.run)
		err := fn(ctx, w)
		w.end()
		return errors.Join(err, w.lost())
	}
}

// World is the world of a simulation. Its methods may be called by the tasks and
// callbacks of the function that was passed to [Simulate]; the hosts may call
// [Host.Crash], [Host.Restart], [World.Now] and [World.Note].
type World struct {
	r      *run
	net    *simnet.Network
	hosts  []*Host
	always []func() error
	turn   *Host // the host whose pass is running, nil if there is none
	failed error
	still  int
}

// check panics unless w is the world of a simulation.
func (w *World) check(call string) {
	if w == nil || w.r == nil {
		panic(usagef("World.%s: a simulation makes its world", call))
	}
}

// check panics unless h is a host of a world.
func (h *Host) check(call string) {
	if h == nil || h.w == nil {
		panic(usagef("Host.%s: World.Host makes a host", call))
	}
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

	ends     []*hostEnd // only the last one may be pending
	crashing int        // 1 to crash after the current pass, 2 to restart
	crashes  int
}

// hostEnd is a return of the function of a host. A host that is restarted later gets
// another hostEnd.
type hostEnd struct {
	happened aio.Event
	err      error
	told     bool // by Wait
}

// end returns the last end of the host's function.
func (h *Host) end() *hostEnd { return h.ends[len(h.ends)-1] }

// Host adds a host and starts it: fn runs as a task of its loop. Other hosts find it by
// its name, and communicate with it only over the network. Create the memory of the
// host in fn, so that it is new after each start. Create state that survives a crash,
// such as a disk, outside of fn. Each name may be used once, and "test" is the host of
// the simulation's own tasks; using a name again panics with ErrUsage.
//
//nolint:contextcheck // the task of a host has its own ctx
func (w *World) Host(name string, fn func(ctx context.Context) error) *Host {
	w.check("Host")
	if fn == nil {
		panic(usagef("World.Host: the function is nil"))
	}
	_, err := netip.ParseAddr(name)
	if strings.EqualFold(name, w.r.host.Name()) || strings.EqualFold(name, "localhost") || name == "" || err == nil || strings.HasSuffix(name, ".") {
		panic(usagef("World.Host: %q cannot be the name of a host", name))
	}
	for _, h := range w.hosts {
		if strings.EqualFold(h.Name(), name) {
			panic(usagef("World.Host: there is a host %s already", name))
		}
	}
	h := &Host{w: w, sim: w.net.Host(name), fn: fn}
	w.hosts = append(w.hosts, h)
	h.start()
	return h
}

// start starts the function of the host.
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
	if len(h.ends) == 0 || h.end().happened.IsSet() {
		h.ends = append(h.ends, &hostEnd{})
	}
	h.main = aio.CreateTask(h.loop.Context(), aio.NoResult(h.fn), aio.WithName("main"))
	if err := h.view.Begin(); err != nil {
		panic(err) // a new loop can run
	}
}

// stop ends the loop of the host without notifying its peers.
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
	_ = loop.Close() // cannot fail: the loop is not running
}

// Name returns the name of the host.
func (h *Host) Name() string {
	h.check("Name")
	return h.sim.Name()
}

// Running reports whether the host is up.
func (h *Host) Running() bool { return h.loop != nil }

// Crashes returns how many times the host has crashed.
func (h *Host) Crashes() int { return h.crashes }

// Crash stops the host like a power failure. Its connections disappear without
// notifying the peers. The current await of each of its tasks, and each later one,
// fails with aio.ErrLoopClosed. So deferred functions run, but they have no effect
// outside of the host. If code of the host itself calls it, the crash happens at the
// end of the pass. It has no effect on a host that is down.
func (h *Host) Crash() {
	h.check("Crash")
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

// Restart crashes the host if it is up, and then starts its function again, with a new
// loop. Packets for its earlier connections are answered with resets.
func (h *Host) Restart() {
	h.check("Restart")
	if h.w.turn == h {
		h.crashing = 2
		return
	}
	h.Crash()
	h.w.Note("start of " + h.Name())
	h.start()
}

// Wait suspends the calling task until the function of the host has returned, and
// returns its error. If the host crashes before, Wait waits for the function to return
// after the next start.
func (h *Host) Wait(ctx context.Context) error {
	if h == nil || h.w == nil {
		return usagef("Host.Wait: World.Host makes a host")
	}
	end := h.end()
	if err := end.happened.Wait(ctx); err != nil {
		return err
	}
	end.told = true
	return end.err
}

// Wait waits for these hosts, or for all hosts if none are given, one after the other,
// and returns the first error.
func (w *World) Wait(ctx context.Context, hosts ...*Host) error {
	if w.r == nil {
		return usagef("World.Wait: a simulation makes its world")
	}
	if len(hosts) == 0 {
		hosts = w.hosts
	}
	for _, h := range hosts {
		if h == nil {
			return usagef("World.Wait: a host is nil")
		}
		if err := h.Wait(ctx); err != nil {
			return fmt.Errorf("host %s: %w", h.Name(), err)
		}
	}
	return nil
}

// Always makes the run call condition after each step of any host, and after each step
// of the simulation's own tasks. The first error ends the run.
func (w *World) Always(condition func() error) {
	w.check("Always")
	if condition == nil {
		panic(usagef("World.Always: the condition is nil"))
	}
	w.always = append(w.always, condition)
}

// Now returns the time since the beginning of the run.
func (w *World) Now() time.Duration {
	w.check("Now")
	return w.time()
}

// Note adds text to the timeline of a failure.
func (w *World) Note(text string) {
	w.check("Note")
	driver{w.r}.Note(text)
}

// Counters count the events of a world.
type Counters struct {
	Connections int // established
	Segments    int // stream segments that have arrived
	Datagrams   int // that have arrived
	Dropped     int // datagrams that were lost
	Resets      int // of connections
	Crashes     int
}

// Counters returns the counts so far.
func (w *World) Counters() Counters {
	w.check("Counters")
	n := w.net.Counters()
	c := Counters{n.Connections, n.Segments, n.Datagrams, n.Dropped, n.Resets, 0}
	for _, h := range w.hosts {
		c.Crashes += h.crashes
	}
	return c
}

// Link is the connection between two hosts, in both directions. The simulation's own
// tasks run on the host named "test".
type Link struct{ ways []*simnet.Link }

// Link returns the link between two hosts. It panics with ErrUsage if a host does not
// exist.
func (w *World) Link(a, b string) Link {
	return Link{[]*simnet.Link{w.way(a, b), w.way(b, a)}}
}

// Way returns one direction of a link.
func (w *World) Way(from, to string) Link { return Link{[]*simnet.Link{w.way(from, to)}} }

func (w *World) way(from, to string) *simnet.Link {
	return w.net.Link(w.named(from), w.named(to))
}

func (w *World) named(name string) *simnet.Host {
	w.check("Link")
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

// Latency sets how long packets take: a time from least to most that the run chooses.
// The default is 1 to 10 ms, and 0 to 2 ms within a host.
func (l Link) Latency(least, most time.Duration) Link {
	checkRange("Link.Latency", least, most)
	for _, way := range l.ways {
		way.Latency(least, most)
	}
	return l
}

// Loss sets how many of 1000 datagrams may be lost, and how many may be duplicated.
// Lost packets of streams are retransmitted, and take 200 ms longer.
func (l Link) Loss(lost, twice int) Link {
	if lost < 0 || lost > 1000 || twice < 0 || twice > 1000 {
		panic(usagef("Link.Loss: %d and %d of 1000 datagrams", lost, twice))
	}
	for _, way := range l.ways {
		way.Loss(lost, twice)
	}
	return l
}

// Cut stops all packets. Datagrams are lost. Packets of streams wait for [Link.Heal]. If
// they, or the answers to them, are cut for a quarter of an hour, the sending end of
// their connection fails with ETIMEDOUT; connecting does so after two minutes.
func (l Link) Cut() {
	for _, way := range l.ways {
		way.Cut()
	}
}

// Heal reverts [Link.Cut].
func (l Link) Heal() {
	for _, way := range l.ways {
		way.Heal()
	}
}

// Partition cuts the link between two hosts; [World.Heal] restores it.
func (w *World) Partition(a, b string) {
	link := w.Link(a, b)
	w.Note("partition of " + a + " and " + b)
	link.Cut()
}

// Heal restores the link between two hosts.
func (w *World) Heal(a, b string) {
	link := w.Link(a, b)
	w.Note("no partition of " + a + " and " + b)
	link.Heal()
}

// Between returns a time from least to most, which is a choice of the run: least in the
// ordinary case. It must be called where [Choose] may be called.
func Between(ctx context.Context, least, most time.Duration) time.Duration {
	checkRange("Between", least, most)
	const steps = 1000
	i := Choose(ctx, steps, "between")
	return least + time.Duration(float64(most-least)*float64(i)/(steps-1))
}

// checkRange panics unless a time can be chosen from least to most.
func checkRange(call string, least, most time.Duration) {
	if least < 0 || most < least {
		panic(usagef("%s: a time from %v to %v", call, least, most))
	}
}

// time returns the time of the running host, or that of the world.
func (w *World) time() time.Duration {
	if w.turn != nil {
		return w.turn.view.Now()
	}
	return w.r.view.Now()
}

// round runs a pass of each host.
func (w *World) round() {
	now := w.r.view.Now()
	for i := 0; i < len(w.hosts); i++ {
		w.hosts[i].pass(now)
	}
}

// pass runs a pass, and reports whether there was anything to do.
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
	case h.main.Done() && !h.end().happened.IsSet():
		_, h.end().err = h.main.Result()
		h.end().happened.Set()
	}
	return true
}

// idle runs the hosts, and advances the clock, until the simulation's own loop has
// something to do. It returns false if nothing can ever happen.
func (w *World) idle() bool {
	v := w.r.view
	for at := v.Now(); ; {
		now := v.Now()
		if now != at {
			at, w.still = now, 0
		}
		if w.still++; int64(w.still) > maxStill.Load() {
			w.r.exceeded(v, fmt.Errorf("%d passes, and the clock stands still at %v: a task goes round without waiting", maxStill.Load(), now))
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
				earlier(at, true) // the host is busy until then
				continue
			}
			earlier(h.view.Timer())
			earlier(h.sim.Next())
		}
		switch {
		case jobs > 0 || outside > 0:
			// real time, for events from outside of the simulation
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

// end stops all hosts.
func (w *World) end() {
	for _, h := range w.hosts {
		h.stop()
	}
	w.r.world = nil
}

// lost returns the errors of hosts that no Wait has returned.
func (w *World) lost() error {
	var errs []error
	for _, h := range w.hosts {
		for _, end := range h.ends {
			if end.err != nil && !end.told {
				errs = append(errs, fmt.Errorf("host %s: %w", h.Name(), end.err))
			}
		}
	}
	return errors.Join(errs...)
}

// tasks lists what the tasks of the hosts wait for, after a deadlock.
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
			panic(err) // cannot fail: the same loop ran before
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

// Idle implements plug.Director: the world advances the clock.
func (d hostDirector) Idle() bool { return true }
