package aiojobs

// The protocol of submitter and worker against the broker of simbroker_test.go, in
// virtual time: hosts that crash, a network that fails, a cancellation at every await, a
// failure of every network operation. A failure prints its seed and how to repeat it.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

const simAddr = "broker:4222"

// simSlack is the longest duration of a pass of a loop.
const simSlack = 20 * time.Millisecond

func simOptions() *Options {
	return &Options{AckWait: 3 * time.Second, RequestTimeout: time.Second, Poll: 2 * time.Second}
}

// simJobs is the number of jobs of a run of TestSimulation. Kinds of jobs are those with
// the same remainder of manners.
const simJobs, manners = 21, 7

const (
	plain      = iota
	flaky      // fails twice
	cancelled  // by the submitter
	delayed    // and of high priority
	keyed      // and of low priority
	long       // runs for longer than AckWait
	hopelessly // fails for good
)

var (
	simWork     = NewJob[int, int]("work", &JobOptions{Attempts: 1000, Pause: 100 * time.Millisecond, MaxPause: time.Second})
	simHopeless = NewJob[int, int]("hopeless", &JobOptions{Attempts: 3, Pause: 100 * time.Millisecond})
)

// program is what the hosts of a run share: their disks, and what the test observes.
type program struct {
	w       *aiotest.World
	server  *simServer
	ids     [simJobs]string // of the acknowledged jobs, on the submitter's disk
	next    int             // the job to submit, on the same disk
	runs    map[string]int
	seen    map[string]string // results that the submitter has seen
	due     map[string]time.Time
	hosts   []*aiotest.Host // all but the broker
	calm    bool            // no more faults
	stop    bool
	mistake error
	sum     *simSum
}

// simSum has the totals of all runs of the simulation.
type simSum struct{ jobs, runs, again, crashes int }

func (p *program) wrong(format string, args ...any) {
	p.mistake = errors.Join(p.mistake, fmt.Errorf(format, args...))
}

// began checks a run of a job when it begins. It has read that there was no result, and
// each run of the client has read that anew.
func (p *program) began(ctx context.Context, client string) JobInfo {
	info, _ := InfoOf(ctx)
	p.runs[info.ID]++
	key := client + " " + info.ID
	if p.server.absent[key]--; p.server.absent[key] < 0 {
		p.wrong("a run of %s on %s began although it has not read that there is no result", info.ID, client)
	}
	// The clocks of two hosts differ by the time that a pass of each takes.
	if due := p.due[info.ID]; info.Began.Before(due.Add(-2 * simSlack)) {
		p.wrong("a run of %s began %v before its time", info.ID, due.Sub(info.Began))
	}
	return info
}

func (p *program) worker(h **aiotest.Host) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		client := fmt.Sprint((*h).Name(), "-", (*h).Crashes())
		c, err := openSim(ctx, simAddr, client, simOptions())
		if err != nil {
			return err
		}
		err = errors.Join(
			Register(c, simWork, func(ctx context.Context, i int) (int, error) {
				info := p.began(ctx, client)
				takes := aiotest.Between(ctx, 0, 300*time.Millisecond)
				switch i % manners {
				case flaky:
					if info.Attempt <= 2 {
						return 0, errors.New("not yet")
					}
				case long:
					takes = 8 * time.Second
				}
				if err := Report(ctx, Progress{Done: int64(i)}); err != nil {
					return 0, err
				}
				return i * i, aio.Sleep(ctx, takes)
			}),
			Register(c, simHopeless, func(ctx context.Context, i int) (int, error) {
				p.began(ctx, client)
				return 0, errors.New("it is hopeless")
			}))
		if err != nil {
			return err
		}
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for !p.stop {
				work := tg.Go(func(ctx context.Context) error { return c.Work(ctx, &WorkOptions{Limit: 3, Prefetch: 1}) })
				end := c.now().Add(aiotest.Between(ctx, 0, 15*time.Second))
				for !p.stop && (p.calm || c.now().Before(end)) {
					if err := aio.Sleep(ctx, 100*time.Millisecond); err != nil {
						return err
					}
				}
				if aiotest.Choose(ctx, 3, "Work is cancelled") == 1 {
					if err := aio.CancelAndWait(ctx, work); err != nil {
						return err
					}
					continue
				}
				c.Drain()
				if err := work.Join(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		return errors.Join(err, c.Close(ctx))
	}
}

func (p *program) submitter(h **aiotest.Host) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		c, err := openSim(ctx, simAddr, fmt.Sprint("submitter-", (*h).Crashes()), simOptions())
		if err != nil {
			return err
		}
		err = aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for i := range p.next { // before a crash
				h, err := simWork.Attach(ctx, c, p.ids[i])
				if err != nil {
					return err
				}
				tg.Go(func(ctx context.Context) error { return p.await(ctx, i, h) })
			}
			for p.next < simJobs {
				i := p.next
				h, err := p.submit(ctx, c, i)
				if err != nil {
					return err
				}
				p.ids[i] = h.ID()
				p.next++
				tg.Go(func(ctx context.Context) error { return p.await(ctx, i, h) })
				if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, 2*time.Second)); err != nil {
					return err
				}
			}
			return nil
		})
		if n := c.Stats().Awaited; err == nil && n != 0 {
			err = fmt.Errorf("%d results are still awaited", n)
		}
		return errors.Join(err, c.Close(ctx))
	}
}

func (p *program) submit(ctx context.Context, c *Client, i int) (*Handle[int], error) {
	switch i % manners {
	case hopelessly:
		return simHopeless.Submit(ctx, c, i, nil)
	case keyed:
		return simWork.Submit(ctx, c, i, &SubmitOptions{Key: fmt.Sprint(i), Priority: Low})
	case delayed:
		due := c.now().Add(aiotest.Between(ctx, 0, 3*time.Second))
		h, err := simWork.Submit(ctx, c, i, &SubmitOptions{At: due, Priority: High})
		if err == nil {
			p.due[h.ID()] = due
		}
		return h, err
	}
	return simWork.Submit(ctx, c, i, nil)
}

// await checks the result of a job.
func (p *program) await(ctx context.Context, i int, h *Handle[int]) error {
	stopped := false
	if i%manners == cancelled {
		if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, time.Second)); err != nil {
			return err
		}
		var err error
		if stopped, err = h.Cancel(ctx); err != nil {
			return err
		}
	}
	r, err := h.Await(ctx)
	if aio.IsCancellation(err) || errors.Is(err, aio.ErrLoopClosed) {
		return err
	}
	var failed *JobError
	text := fmt.Sprint(r, err)
	if errors.As(err, &failed) {
		text = failed.Text // the name is that of the Job that awaits
	}
	if before, ok := p.seen[h.ID()]; ok && before != text {
		p.wrong("job %d has the results %s and %s", i, before, text)
	}
	p.seen[h.ID()] = text
	switch {
	case i%manners == hopelessly:
		if !errors.As(err, &failed) || failed.Cancelled {
			p.wrong("hopeless job %d: %s", i, text)
		}
		if !slices.ContainsFunc(p.server.dead, func(d *DeadLetter) bool { return d.ID == h.ID() }) {
			p.wrong("job %d has failed without a dead letter", i)
		}
	case stopped:
		if !errors.Is(err, ErrCancelled) {
			p.wrong("cancelled job %d: %s", i, text)
		}
	case i%manners == cancelled && errors.Is(err, ErrCancelled):
		// the answer to Cancel was lost
	case err != nil || r != i*i:
		p.wrong("job %d: %s", i, text)
	}
	return nil
}

// fault makes one thing fail, for some time. It starts the hosts that are down.
func (p *program) fault(ctx context.Context, broker *aiotest.Host) error {
	if err := aio.Sleep(ctx, aiotest.Between(ctx, 0, 2*time.Second)); err != nil {
		return err
	}
	h := p.hosts[aiotest.Choose(ctx, len(p.hosts), "who")]
	down := aiotest.Between(ctx, 0, 4*time.Second)
	what := aiotest.Choose(ctx, 6, "fault")
	switch what {
	case 1:
		p.server.cut()
	case 2:
		h.Crash()
	case 3:
		broker.Crash()
	case 4:
		p.w.Partition(h.Name(), "broker")
	case 5:
		p.w.Way("broker", h.Name()).Cut()
	}
	if err := aio.Sleep(ctx, down); err != nil {
		return err
	}
	p.w.Heal(h.Name(), "broker")
	for _, h := range append(p.hosts, broker) {
		if !h.Running() {
			h.Restart()
		}
	}
	return nil
}

// lost makes the client of a request crash, or its connection fail, before or after the
// request has taken effect.
func (p *program) lost(ctx context.Context, client string, f *frame, after bool) bool {
	if p.calm {
		return false
	}
	switch aiotest.Choose(ctx, 60, "lost") {
	case 1:
		i := slices.IndexFunc(p.hosts, func(h *aiotest.Host) bool { return fmt.Sprint(h.Name(), "-", h.Crashes()) == client })
		if i >= 0 && p.hosts[i].Running() {
			p.hosts[i].Crash()
		}
		return true
	case 2:
		p.server.cut()
		return true
	}
	return false
}

// Two workers, a submitter and the broker crash, and their connections fail. Every
// submission that was acknowledged has a result, no run begins after its result is
// readable, and a job has one result.
func TestSimulation(t *testing.T) {
	sum := simulate(t, aiotest.Simulation{Runs: stage.Amount(60, 200, 5000)}, 10)
	if !t.Failed() && (sum.crashes < sum.jobs/10 || sum.again < sum.jobs/2) {
		t.Errorf("too few crashes or repeated runs")
	}
}

// Without faults each run of a job has its reason.
func TestSimulationCalm(t *testing.T) {
	sum := simulate(t, aiotest.Simulation{Runs: stage.Amount(10, 20, 200)}, 0)
	again := sum.jobs / manners * (2 + 2) // flaky and hopeless
	if !t.Failed() && (sum.crashes > 0 || sum.again != again) {
		t.Errorf("%d repeated runs, not %d", sum.again, again)
	}
}

func simulate(t *testing.T, s aiotest.Simulation, faults int) (sum simSum) {
	s.Slack = simSlack
	r := aiotest.Simulate(t, s, func(ctx context.Context, w *aiotest.World) error {
		p := &program{
			w: w, server: newSimServer(), runs: map[string]int{}, seen: map[string]string{}, due: map[string]time.Time{},
			sum: &sum, calm: faults == 0,
		}
		p.server.slow, p.server.maxPending, p.server.lost = true, 8, p.lost
		broker := w.Host("broker", func(ctx context.Context) error { return p.server.serve(ctx, ":4222") })
		var a, b, s *aiotest.Host
		a = w.Host("a", p.worker(&a))
		b = w.Host("b", p.worker(&b))
		s = w.Host("submitter", p.submitter(&s))
		p.hosts = []*aiotest.Host{a, b, s}
		w.Always(func() error { return p.mistake })
		err := aio.Timeout(ctx, time.Hour, func(ctx context.Context) error {
			for range faults {
				if err := p.fault(ctx, broker); err != nil {
					return err
				}
			}
			p.calm = true
			for _, h := range p.hosts {
				if !h.Running() {
					h.Restart()
				}
			}
			if err := w.Wait(ctx, s); err != nil {
				return fmt.Errorf("the submitter: %w", err)
			}
			for len(p.server.work) > 0 {
				// repeated deliveries are acknowledged too
				if err := aio.Sleep(ctx, 100*time.Millisecond); err != nil {
					return err
				}
			}
			p.stop = true
			return w.Wait(ctx, a, b)
		})
		if errors.Is(err, aio.ErrTimeout) {
			return fmt.Errorf("%d of %d jobs are submitted, %d results were seen, %d jobs are in the stream: %w",
				p.next, simJobs, len(p.seen), len(p.server.work), err)
		}
		if err != nil {
			return err
		}
		p.check()
		return p.mistake
	})
	t.Logf("%d runs: %+v", r.Runs, sum)
	for _, f := range r.Failures {
		t.Logf("the seed is %d", f.Seed)
	}
	return sum
}

// check compares what was acknowledged with what has happened.
func (p *program) check() {
	for i, id := range p.ids {
		if p.server.results[id] == nil {
			p.wrong("job %d was acknowledged, and has no result", i)
		}
		if p.runs[id] == 0 && i%manners != cancelled && i%manners != hopelessly {
			p.wrong("job %d has never run", i)
		}
	}
	p.sum.jobs += len(p.ids)
	for _, n := range p.runs {
		p.sum.runs += n
		p.sum.again += n - 1
	}
	p.sum.crashes += p.w.Counters().Crashes
}
