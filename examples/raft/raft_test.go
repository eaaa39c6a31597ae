package main

// Five hosts run for an hour of virtual time: they crash, are partitioned and restart,
// while a client submits commands. After each step the test checks the guarantees of
// Raft on the data that the nodes have on disk.

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

// memory is the disk of a host. It survives crashes of the host.
type memory struct {
	c     *cluster
	name  string
	state State
	chain []uint64 // for each entry, a hash of the log up to it
}

func (d *memory) Load() (State, error) {
	s := d.state
	s.Log = slices.Clone(s.Log)
	return s, nil
}

func (d *memory) SaveTerm(term int, vote string) error {
	d.state.Term, d.state.Vote = term, vote
	return nil
}

func (d *memory) SaveLog(index int, entries []Entry) error {
	if index <= d.c.lastAcknowledged {
		d.c.overwritten = true
	}
	d.state.Log = append(d.state.Log[:index-1], entries...)
	d.chain = d.chain[:index-1]
	for _, e := range entries {
		h := fnv.New64a()
		var before uint64
		if n := len(d.chain); n > 0 {
			before = d.chain[n-1]
		}
		fmt.Fprint(h, before, e.Term, e.Command)
		d.chain = append(d.chain, h.Sum64())
	}
	// Two logs that have an entry with the same index and term are equal up to this
	// entry.
	for _, other := range d.c.disks {
		last := len(d.state.Log)
		if len(other.state.Log) < last || other == d {
			continue
		}
		if other.state.Log[last-1].Term == d.state.Log[last-1].Term && other.chain[last-1] != d.chain[last-1] {
			d.c.fail("the logs of %s and %s have entry %d with the same term, but differ", d.name, other.name, last)
		}
	}
	return nil
}

// cluster is what the test records about all nodes.
type cluster struct {
	w     *aiotest.World
	names []string
	hosts []*aiotest.Host
	disks []*memory
	err   error

	leaders          map[int]string // by term
	applied          map[int]Entry
	acknowledged     map[int]string // acknowledged commands by index
	lastAcknowledged int
	overwritten      bool // an entry up to this one was overwritten

	elections, partitions int
}

func (c *cluster) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// newCluster starts five nodes.
func newCluster(w *aiotest.World, f faults) *cluster {
	c := &cluster{w: w, leaders: map[int]string{}, applied: map[int]Entry{}, acknowledged: map[int]string{}}
	for i := range 5 {
		c.names = append(c.names, fmt.Sprint("n", i))
	}
	w.Always(func() error {
		if c.overwritten {
			c.overwritten = false
			for index := range c.acknowledged {
				c.kept(index)
			}
		}
		return c.err
	})
	for i, name := range c.names {
		peers := map[string]string{}
		for _, other := range c.names {
			if other != name {
				peers[other] = other + ":7000"
			}
		}
		disk := &memory{c: c, name: name}
		c.disks = append(c.disks, disk)
		c.hosts = append(c.hosts, w.Host(name, func(ctx context.Context) error {
			return Serve(ctx, Options{
				Name: name, Addr: ":7000", Peers: peers, Disk: disk, faults: f,
				Random: func(ctx context.Context, least, most time.Duration) time.Duration {
					// The timeouts differ even without choices of
					// the run.
					own := (most - least) * time.Duration(i) / 10
					return least + own + aiotest.Between(ctx, 0, (most-least)/2)
				},
				Apply: func(index int, e Entry) {
					if was, ok := c.applied[index]; ok && was != e {
						c.fail("%s has committed %v as entry %d, another node %v", name, e, index, was)
					}
					c.applied[index] = e
				},
				Leads: func(term int) {
					c.elections++
					if was := c.leaders[term]; was != "" {
						c.fail("%s and %s lead in term %d", was, name, term)
					}
					c.leaders[term] = name
					w.Note(fmt.Sprintf("%s leads in term %d", name, term))
				},
			})
		}))
	}
	return c
}

// kept checks that an acknowledged entry is on a majority of the disks.
func (c *cluster) kept(index int) {
	n := 0
	for _, d := range c.disks {
		if len(d.state.Log) >= index && d.state.Log[index-1].Command == c.acknowledged[index] {
			n++
		}
	}
	if n < 3 {
		c.fail("entry %d, %q, was acknowledged, and is on %d disks", index, c.acknowledged[index], n)
	}
}

// client submits commands, one after another.
func (c *cluster) client(ctx context.Context) error {
	target := 0
	for i := 0; ; i++ {
		command := fmt.Sprint("command ", i)
		index, leader := 0, ""
		err := aio.Timeout(ctx, 2*time.Second, func(ctx context.Context) (err error) {
			index, leader, err = Propose(ctx, c.names[target]+":7000", command)
			return err
		})
		switch {
		case err == nil:
			c.acknowledged[index] = command
			c.lastAcknowledged = max(c.lastAcknowledged, index)
			c.kept(index)
		case errors.Is(err, aio.ErrCancelled), errors.Is(err, aio.ErrLoopClosed):
			return err
		case leader != "":
			target = slices.Index(c.names, leader)
			continue
		default:
			target = (target + 1) % len(c.names)
		}
		if err := aio.Sleep(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}

// weather crashes hosts and cuts links until the given time, and then repairs
// everything.
func (c *cluster) weather(ctx context.Context, until time.Duration, pace time.Duration) error {
	for day := 0; c.w.Now() < until; day++ {
		if err := aio.Sleep(ctx, pace/2+aiotest.Between(ctx, 0, pace)); err != nil {
			return err
		}
		// even a run without choices has all kinds of failures
		i := (day + aiotest.Choose(ctx, len(c.names), "node")) % len(c.names)
		down := 0
		for _, h := range c.hosts {
			if !h.Running() {
				down++
			}
		}
		switch what := (5*day + aiotest.Choose(ctx, 8, "weather")) % 8; what {
		case 0, 1: // repair everything
			c.mend()
		case 2, 3: // crash a host, if fewer than two are down
			if down < 2 {
				c.hosts[i].Crash()
			}
		case 4: // restart a host
			c.hosts[i].Restart()
		default: // isolate one or two hosts, in both directions or in one
			c.partitions++
			cut := []string{c.names[i]}
			if what == 7 {
				cut = append(cut, c.names[(i+1)%len(c.names)])
			}
			c.w.Note(fmt.Sprintf("partition %d of %v", what, cut))
			for _, a := range cut {
				for _, b := range c.names {
					if slices.Contains(cut, b) {
						continue
					}
					if what == 6 {
						c.w.Way(a, b).Cut()
					} else {
						c.w.Link(a, b).Cut()
					}
				}
			}
		}
	}
	c.mend()
	return aio.Sleep(ctx, 10*time.Second)
}

// mend repairs all links and starts the hosts that are down.
func (c *cluster) mend() {
	for i, h := range c.hosts {
		if !h.Running() {
			h.Restart()
		}
		for _, other := range c.names[i+1:] {
			c.w.Link(c.names[i], other).Heal()
		}
	}
}

// totals are the sums over all runs.
type totals struct {
	elections, crashes, partitions, acknowledged, connections int
}

// simulation runs a cluster for d of virtual time.
func simulation(f faults, d, pace time.Duration, sum *totals) func(ctx context.Context, w *aiotest.World) error {
	return func(ctx context.Context, w *aiotest.World) error {
		c := newCluster(w, f)
		w.Host("client", c.client)
		if err := c.weather(ctx, d, pace); err != nil {
			return err
		}
		before := len(c.acknowledged)
		if err := aio.Sleep(ctx, 10*time.Second); err != nil {
			return err
		}
		if len(c.acknowledged) == before {
			return errors.New("no command is accepted without failures")
		}
		n := w.Counters()
		sum.elections += c.elections
		sum.crashes += n.Crashes
		sum.partitions += c.partitions
		sum.acknowledged += len(c.acknowledged)
		sum.connections += n.Connections
		return nil
	}
}

func TestSimulation(t *testing.T) {
	var sum totals
	runs, d, least := 1, time.Hour, totals{elections: 100, crashes: 50, partitions: 50, acknowledged: 5000}
	switch {
	case stage.Long:
		runs = 20
	case testing.Short(), underRace:
		d, least = 2*time.Minute, totals{elections: 4, crashes: 2, partitions: 2, acknowledged: 150}
		if stage.Full {
			d, least = 6*time.Minute, totals{elections: 10, crashes: 5, partitions: 5, acknowledged: 500}
		}
	}
	start := time.Now()
	aiotest.Simulate(t, aiotest.Simulation{Runs: runs, Seed: 1, AllowDifferences: true}, simulation(faults{}, d, 6*time.Second, &sum))
	t.Logf("%d times %v of virtual time in %v: %+v", runs, d, time.Since(start).Round(time.Millisecond), sum)
	if sum.elections < least.elections || sum.crashes < least.crashes || sum.partitions < least.partitions || sum.acknowledged < least.acknowledged {
		t.Errorf("want at least %+v", least)
	}
}

// Many short runs with more frequent failures.
func TestManySimulations(t *testing.T) {
	var sum totals
	runs, d := 20, time.Minute
	if testing.Short() || underRace {
		runs, d = stage.Amount(2, 10, 10), stage.Amount(6*time.Second, time.Minute, time.Minute)
	}
	aiotest.Simulate(t, aiotest.Simulation{Runs: runs, Seed: 100}, simulation(faults{}, d, 2*time.Second, &sum))
	t.Logf("%+v", sum)
}

// Each planted fault is found.
func TestPlantedFaults(t *testing.T) {
	for name, f := range map[string]faults{
		"two votes in a term":             {twoVotes: true},
		"any log may lead":                {anyLog: true},
		"entries are confirmed too early": {ackFirst: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if underRace && f.ackFirst {
				t.Skip("minimising this failure takes two million steps: too many for the race detector")
			}
			var sum totals
			r := aiotest.Simulation{Runs: 500, Seed: 7, AllowDifferences: true}.Run(simulation(f, time.Minute, time.Second, &sum))
			if len(r.Failures) == 0 {
				t.Fatalf("not found in %d runs: %+v", r.Runs, sum)
			}
			err := r.Failures[0]
			t.Logf("run %d of %d, %d steps: %v", err.Run, r.Runs, r.Steps, err)
			if !strings.Contains(err.Error(), "lead in term") && !strings.Contains(err.Error(), "acknowledged") &&
				!strings.Contains(err.Error(), "has committed") && !strings.Contains(err.Error(), "differ") {
				t.Errorf("found for another reason")
			}
		})
	}
}
