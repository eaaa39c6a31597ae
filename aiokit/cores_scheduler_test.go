package aiokit_test

// The job scheduler of the cores: triggers, the table of jobs, and a program that uses a
// scheduler for two minutes. This file has the part that both versions of the scheduler
// share.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/goaio/aio"
)

// trigger returns the first time of a job after the given one, and zero if there is none.
type trigger interface {
	next(after time.Time) time.Time
}

// interval is each multiple of a duration after a start.
type interval struct {
	start time.Time
	each  time.Duration
}

func (i interval) next(after time.Time) time.Time {
	if after.Before(i.start) {
		return i.start
	}
	return i.start.Add((after.Sub(i.start)/i.each + 1) * i.each)
}

// once is a single time.
type once struct{ at time.Time }

func (o once) next(after time.Time) time.Time {
	if after.Before(o.at) {
		return o.at
	}
	return time.Time{}
}

// cron is the times of each day with the given hours, minutes and seconds; nil means
// all of them.
type cron struct{ hours, minutes, seconds []int }

func (c cron) next(after time.Time) time.Time {
	differs := func(allowed []int, v int) bool { return allowed != nil && !slices.Contains(allowed, v) }
	for t := after.Truncate(time.Second).Add(time.Second); ; {
		switch {
		case differs(c.hours, t.Hour()):
			t = t.Truncate(time.Hour).Add(time.Hour)
		case differs(c.minutes, t.Minute()):
			t = t.Truncate(time.Minute).Add(time.Minute)
		case differs(c.seconds, t.Second()):
			t = t.Add(time.Second)
		default:
			return t
		}
	}
}

// entry is a job of a scheduler.
type entry struct {
	name     string
	when     trigger
	max      int           // instances at a time; others are skipped
	coalesce bool          // if several runs are due, only the last one is done
	grace    time.Duration // how late a run may begin; 0 means any time
	limit    time.Duration // time limit of an attempt
	attempts int
	run      func(ctx context.Context) error

	at      time.Time // time of the next run, zero if there is none
	running int       // instances
}

// jobTable is the state of a scheduler.
type jobTable struct {
	loop    *aio.Loop
	jobs    []*entry
	changed aio.Event // wakes the scheduler
	held    bool
	stopped bool
	report  func(event string, e *entry)
	// saves the table; called every 29 seconds
	save func(ctx context.Context) error
}

func (s *jobTable) add(e *entry) {
	s.jobs = append(s.jobs, e)
	s.resume(e)
}

func (s *jobTable) remove(e *entry) {
	s.jobs = slices.DeleteFunc(s.jobs, func(other *entry) bool { return other == e })
}

// pause drops the runs of a job until resume.
func (s *jobTable) pause(e *entry) { e.at = time.Time{} }

func (s *jobTable) resume(e *entry) {
	e.at = e.when.next(s.loop.Time())
	s.changed.Set()
}

// hold(true) delays the runs of all jobs; after hold(false) they are due.
func (s *jobTable) hold(on bool) {
	s.held = on
	s.changed.Set()
}

// due starts the jobs that are due, and returns the time of the next job. A call of
// start runs an instance of a job, for one or more times.
func (s *jobTable) due(start func(e *entry, times []time.Time) *aio.Task[struct{}]) (next time.Time) {
	s.changed.Clear()
	if s.held {
		return next
	}
	for now, i := s.loop.Time(), 0; i < len(s.jobs); i++ {
		e := s.jobs[i]
		var times []time.Time
		for ; !e.at.IsZero() && !e.at.After(now); e.at = e.when.next(e.at) {
			if e.coalesce {
				times = nil
			}
			times = append(times, e.at)
		}
		if !e.at.IsZero() && (next.IsZero() || e.at.Before(next)) {
			next = e.at
		}
		switch {
		case len(times) == 0:
		case e.running == e.max:
			s.report("skipped", e)
		default:
			e.running++
			start(e, times).OnDone(func() { e.running-- })
		}
	}
	return next
}

// scheduler is the core. run runs body with the scheduler, and returns when body has
// returned, the scheduler was stopped, and the running jobs have ended.
type scheduler interface {
	run(ctx context.Context, body func(ctx context.Context) error) error
	// shutdown stops the scheduler. Running jobs have the time limit to end.
	shutdown(limit time.Duration)
}

// schedulerCore uses a scheduler for two minutes.
func schedulerCore(newScheduler func() (scheduler, *jobTable)) core {
	return func(ctx context.Context, log *eventLog, do func(ctx context.Context, fn func(ctx context.Context) error) error) error {
		start := loopOf(ctx).Time()
		note := func(format string, args ...any) {
			log.add("%s@%g", fmt.Sprintf(format, args...), loopOf(ctx).Time().Sub(start).Seconds())
		}
		const s = time.Second
		after := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * s) }
		running := 0
		work := func(name string, takes time.Duration, fails int) func(ctx context.Context) error {
			return func(ctx context.Context) (err error) {
				note("%s", name)
				running++
				defer func() {
					running--
					if errors.Is(err, aio.ErrCancelled) {
						// the clean-up of the job takes half a
						// second
						running++
						_ = aio.Shielded(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, s/2) })
						running--
						note("%s.closed", name)
					}
				}()
				if err := aio.Sleep(ctx, takes); err != nil {
					return err
				}
				if fails--; fails >= 0 {
					return errFlaky
				}
				return nil
			}
		}
		scheduler, table := newScheduler()
		table.report = func(event string, e *entry) { note("%s.%s", e.name, event) }
		table.save = func(ctx context.Context) error {
			note("save")
			return aio.Sleep(ctx, s/5)
		}
		tick := &entry{name: "tick", when: interval{after(10), 10 * s}, max: 1, coalesce: true, limit: aio.NoTimeout, attempts: 1, run: work("tick", s, 0)}
		late := &entry{name: "late", when: interval{after(12), 10 * s}, max: 1, grace: 12 * s, limit: aio.NoTimeout, attempts: 1, run: work("late", 2*s, 0)}
		err := do(ctx, func(ctx context.Context) error {
			return scheduler.run(ctx, func(ctx context.Context) error {
				for _, e := range []*entry{
					tick, late,
					{name: "slow", when: interval{after(11), 10 * s}, max: 2, limit: aio.NoTimeout, attempts: 1, run: work("slow", 25*s, 0)},
					{name: "half", when: cron{seconds: []int{0, 30}}, max: 1, limit: aio.NoTimeout, attempts: 1, run: work("half", s/4, 0)},
					{name: "noon", when: cron{[]int{12}, []int{0}, []int{0}}, max: 1, limit: aio.NoTimeout, attempts: 1, run: work("noon", 0, 0)},
					{name: "flaky", when: once{after(15)}, max: 1, limit: aio.NoTimeout, attempts: 3, run: work("flaky", s/8, 2)},
					{name: "hangs", when: once{after(23)}, max: 1, limit: 5 * s, attempts: 1, run: work("hangs", time.Hour, 0)},
					{name: "broken", when: once{after(24)}, max: 1, limit: aio.NoTimeout, attempts: 2, run: work("broken", s/8, 9)},
				} {
					table.add(e)
				}
				for _, step := range []struct {
					takes time.Duration
					then  func()
				}{
					{35500 * ms, func() { table.hold(true) }},
					{29 * s, func() { table.hold(false) }},
					{6 * s, func() { table.pause(tick) }},
					{15 * s, func() { table.resume(tick); table.remove(late) }},
					{10 * s, func() { scheduler.shutdown(20 * s) }},
				} {
					if err := aio.Sleep(ctx, step.takes); err != nil {
						return err
					}
					step.then()
					note("--")
				}
				return nil
			})
		})
		if note("end"); running != 0 {
			return fmt.Errorf("%d jobs run still", running)
		}
		return err
	}
}
