package aio_test

// Programs of bytes, random or made up by the fuzzer, that are run on one primitive by
// four tasks, with cancellations in every possible place. What happens is compared with a
// plain model. The model is exact: a step ends only at an await, so what a task writes
// down before a call and after it happens at the same moment as the call's beginning and
// end.

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/internal/stage"
)

// A place is a call that is in progress.
type place struct {
	number  int  // of the call
	granted int  // when it was woken, counted; 0 if it was not
	doomed  bool // it was cancelled
}

// A line has the calls in progress, in the order in which they began.
type line []*place

// live returns those that were not cancelled.
func (l line) live() line {
	return slices.DeleteFunc(slices.Clone(l), func(p *place) bool { return p.doomed })
}

// A slot is one of the tasks.
type slot struct {
	task  *aio.Task[struct{}]
	place *place // of the call that it is in
}

func (t *slot) busy() bool { return t.task != nil && !t.task.Done() }

// A machine runs a program.
type machine struct {
	*scene
	slots  [4]slot
	polite bool // one thing at a time: everybody has come to rest before the next
	calls  int
	grants int
}

// A subject is the primitive under test with its model.
type subject struct {
	ops   []func(t *slot) // what a program can do; t is the task that shall do it
	still func()          // checks what must be true when nothing moves
	end   func()          // lets all calls that are in progress end
}

// execute runs a program. The first byte is for setup; each of the others has the number
// of a task in its two low bits and an operation in the rest.
func execute(t *testing.T, program []byte, setup func(m *machine, variant int) subject) {
	if len(program) == 0 {
		return
	}
	play(t, func(s *scene) {
		m := &machine{scene: s, polite: program[0]&1 != 0}
		sub := setup(m, int(program[0]>>1))
		settle := func() {
			// the clock stands still while anything is ready
			s.must(aio.Sleep(s.ctx, time.Millisecond))
			sub.still()
		}
		for _, b := range program[1:] {
			t, op := &m.slots[b&3], int(b>>2)%(len(sub.ops)+4)
			switch op {
			case 0:
				s.letPass(1)
			case 1:
				settle()
			case 2:
				m.cancel(t)
			case 3:
				m.cancel(m.oldest())
			default:
				sub.ops[op-4](t)
				if m.polite {
					settle()
				}
			}
		}
		settle()
		sub.end()
		settle()
		for i := range m.slots {
			if m.slots[i].busy() {
				m.Fatalf("task %d has not ended: %v", i, m.slots[i].task)
			}
		}
	})
}

// do has the task run f, unless it is busy.
func (m *machine) do(t *slot, f func(ctx context.Context)) {
	if !t.busy() {
		t.task = m.play(f)
	}
}

func (m *machine) cancel(t *slot) {
	if t.busy() {
		t.task.Cancel()
		if t.place != nil {
			t.place.doomed = true
		}
	}
}

// cancelAll cancels every task at each of the waits that it may have before it.
func (m *machine) cancelAll() {
	for range 3 {
		for i := range m.slots {
			m.cancel(&m.slots[i])
		}
		m.letPass(3)
	}
}

// oldest is the task whose call has been in progress for longest: it is the next to be
// woken, or has been.
func (m *machine) oldest() *slot {
	oldest := &m.slots[0]
	for i := range m.slots {
		if t := &m.slots[i]; t.place != nil && (oldest.place == nil || t.place.number < oldest.place.number) {
			oldest = t
		}
	}
	return oldest
}

// enter puts the task in a line.
func (m *machine) enter(l *line, t *slot) *place {
	m.calls++
	t.place = &place{number: m.calls}
	*l = append(*l, t.place)
	return t.place
}

// leave takes the task out of the line. Its call has returned err, which must be a
// *CancelledError if it was cancelled, and only then. If fair is set nobody else may have
// come before and still wait.
func (m *machine) leave(l *line, t *slot, err error, fair bool) {
	p := t.place
	t.place = nil
	if errors.Is(err, aio.ErrCancelled) != p.doomed {
		m.Fatalf("a call returned %v; cancelled: %t", err, p.doomed)
	}
	if fair && err == nil && l.live()[0] != p {
		m.Fatalf("a call returned before one that began earlier")
	}
	i := slices.Index(*l, p)
	*l = slices.Delete(*l, i, i+1)
}

// grant marks a place as woken.
func (m *machine) grant(p *place) {
	m.grants++
	p.granted = m.grants
}

func (m *machine) check(holds bool, format string, args ...any) {
	m.Helper()
	if !holds {
		m.Fatalf(format, args...)
	}
}

func lockSubject(m *machine, _ int) subject {
	var k aio.Lock
	var waiting line
	held := false
	acquire := func(ctx context.Context, t *slot) bool {
		m.enter(&waiting, t)
		err := k.Acquire(ctx)
		m.leave(&waiting, t, err, true)
		if err == nil {
			m.check(!held, "two tasks hold the lock")
			held = true
		}
		return err == nil
	}
	release := func() {
		if held { // it does not matter who releases it
			held = false
			k.Release()
		}
	}
	return subject{
		ops: []func(t *slot){
			func(t *slot) { m.do(t, func(ctx context.Context) { acquire(ctx, t) }) },
			func(t *slot) {
				m.do(t, func(ctx context.Context) {
					for range 3 {
						if acquire(ctx, t) {
							letPass(ctx, 1)
							// and takes it again in the same
							// step
							release()
						}
					}
				})
			},
			func(*slot) { release() },
		},
		still: func() {
			m.check(k.Locked() == held, "Locked is %t", k.Locked())
			m.check(held || len(waiting) == 0, "%d tasks wait for a free lock", len(waiting))
		},
		end: func() {
			m.cancelAll()
			release()
		},
	}
}

func eventSubject(m *machine, _ int) subject {
	var v aio.Event
	var waiting line
	set := func() {
		if !v.IsSet() {
			for _, p := range waiting.live() {
				if p.granted == 0 {
					m.grant(p)
				}
			}
		}
		v.Set()
	}
	return subject{
		ops: []func(t *slot){
			func(t *slot) {
				m.do(t, func(ctx context.Context) {
					p := m.enter(&waiting, t)
					direct := v.IsSet()
					err := v.Wait(ctx)
					m.leave(&waiting, t, err, !direct)
					m.check(err != nil || direct || p.granted > 0, "Wait returned, but the event was not set")
				})
			},
			func(*slot) { set() },
			func(*slot) { v.Clear() },
		},
		still: func() {
			for _, p := range waiting {
				m.check(p.granted == 0, "the event was set, but a task still waits")
			}
			m.check(!v.IsSet() || len(waiting) == 0, "%d tasks wait for an event that is set", len(waiting))
		},
		end: set,
	}
}

func conditionSubject(m *machine, _ int) subject {
	var c aio.Condition
	var waiting line
	held := false
	grab := func() {
		m.check(!held && c.Locked(), "two tasks hold the lock, or none: %t", held)
		held = true
	}
	release := func() {
		if held {
			held = false
			c.Release()
		}
	}
	notified := func(n int) {
		for _, p := range waiting.live() {
			if n > 0 && p.granted == 0 {
				m.grant(p)
				n--
			}
		}
	}
	wait := func(ctx context.Context, t *slot) {
		if c.Acquire(ctx) != nil {
			return
		}
		grab()
		p := m.enter(&waiting, t)
		held = false
		err := c.Wait(ctx)
		grab()
		m.leave(&waiting, t, err, false)
		switch {
		case err != nil:
			notified(1) // it passes on what it may have been woken for
		case p.granted == 0:
			m.Fatal("Wait returned, but nobody had notified it")
		default:
			for _, q := range waiting.live() {
				m.check(q.granted == 0 || q.granted > p.granted, "a task went on before one that was notified earlier")
			}
		}
	}
	notify := func(n int) func(t *slot) {
		return func(t *slot) {
			m.do(t, func(ctx context.Context) {
				if c.Acquire(ctx) != nil {
					return
				}
				grab()
				c.Notify(n)
				notified(n)
				letPass(ctx, 1)
				release()
			})
		}
	}
	return subject{
		ops: []func(t *slot){
			func(t *slot) { m.do(t, func(ctx context.Context) { wait(ctx, t); release() }) },
			func(t *slot) { m.do(t, func(ctx context.Context) { wait(ctx, t) }) },
			func(t *slot) { m.do(t, func(ctx context.Context) { wait(ctx, t); letPass(ctx, 1); release() }) },
			notify(1),
			notify(2),
			func(*slot) {
				if held {
					c.NotifyAll()
					notified(len(waiting))
				}
			},
			func(*slot) { release() },
		},
		still: func() {
			m.check(c.Locked() == held, "Locked is %t", c.Locked())
			if !held {
				for _, p := range waiting {
					m.check(p.granted == 0 && !p.doomed, "a task was notified (%d) or cancelled (%t), but still waits", p.granted, p.doomed)
				}
			}
		},
		end: func() {
			for range m.slots {
				release()
				m.letPass(3)
			}
			for i := range m.slots {
				m.cancel(&m.slots[i])
			}
			for range m.slots {
				m.letPass(3)
				release()
			}
		},
	}
}

func semaphoreSubject(m *machine, variant int) subject {
	total, held := variant>>1%4, 0
	bounded := variant&1 != 0
	sem := aio.NewSemaphore(total)
	if bounded {
		sem = aio.NewBoundedSemaphore(total)
	}
	var waiting line
	acquire := func(ctx context.Context, t *slot) bool {
		m.enter(&waiting, t)
		err := sem.Acquire(ctx)
		m.leave(&waiting, t, err, true)
		if err == nil {
			held++
			m.check(held <= total, "%d of %d permits are taken", held, total)
		}
		return err == nil
	}
	release := func() {
		if held > 0 {
			held--
			sem.Release()
		}
	}
	return subject{
		ops: []func(t *slot){
			func(t *slot) { m.do(t, func(ctx context.Context) { acquire(ctx, t) }) },
			func(t *slot) {
				m.do(t, func(ctx context.Context) {
					for range 3 {
						if acquire(ctx, t) {
							letPass(ctx, 1)
							// and takes one again in the same
							// step
							release()
						}
					}
				})
			},
			func(*slot) { release() },
			func(*slot) {
				switch {
				case !bounded:
					total++
					sem.Release()
				case held == 0 && len(waiting) == 0:
					misused(m.T, "Release", sem.Release, aio.ErrOverRelease)
				}
			},
		},
		still: func() {
			m.check(sem.Locked() == (held == total), "Locked is %t with %d of %d permits taken", sem.Locked(), held, total)
			m.check(held == total || len(waiting) == 0, "%d tasks wait, but only %d of %d permits are taken", len(waiting), held, total)
		},
		end: func() {
			m.cancelAll()
			for ; held < total; held++ {
				m.check(!sem.Locked(), "%d of %d permits are taken, and no more are left", held, total)
				m.must(sem.Acquire(m.ctx))
			}
			m.check(sem.Locked(), "%d permits are taken, and there are more", total)
		},
	}
}

func barrierSubject(m *machine, variant int) subject {
	parties := variant%3 + 1
	b := aio.NewBarrier(parties)
	var waiting line
	breaks, passed, opened := 0, 0, 0
	brk := func(call func(ctx context.Context) error) func(t *slot) {
		return func(t *slot) {
			m.do(t, func(ctx context.Context) {
				if call(ctx) == nil {
					breaks++
				}
			})
		}
	}
	wait := func(t *slot) {
		m.do(t, func(ctx context.Context) {
			m.enter(&waiting, t)
			before, may := breaks, b.Broken()
			i, err := b.Wait(ctx)
			m.leave(&waiting, t, err, false)
			switch {
			case err == nil:
				m.check(i >= 0 && i < parties, "index %d of %d", i, parties)
				if passed++; i == parties-1 {
					opened++
				}
				m.check(passed <= opened*parties, "%d tasks passed a barrier of %d that opened %d times", passed, parties, opened)
			case errors.Is(err, aio.ErrBrokenBarrier):
				m.check(may || before != breaks, "the barrier broke by itself")
			}
		})
	}
	return subject{
		ops: []func(t *slot){wait, wait, wait, wait, wait, wait, brk(b.Reset), brk(b.Abort), brk(b.Reset)},
		still: func() {
			if b.Broken() {
				m.check(len(waiting) == 0, "%d tasks wait at a broken barrier", len(waiting))
			}
			m.check(b.NWaiting() == len(waiting) && len(waiting) < parties, "NWaiting is %d with %d of %d tasks there", b.NWaiting(), len(waiting), parties)
		},
		end: func() {
			m.must(b.Abort(m.ctx))
			breaks++
		},
	}
}

func queueSubject(m *machine, variant int) subject {
	kind, max, ends := queueKinds[variant%4], variant>>2%4, variant>>4%2 != 0
	q := kind.new(max)
	var items []int // in the order in which they went in
	var getters, putters, joiners line
	unfinished, serial, shut := 0, 0, false
	stored := func(item int) {
		items = append(items, item)
		unfinished++
		m.check(max == 0 || len(items) <= max, "%d items in a queue of %d", len(items), max)
	}
	taken := func(item int) {
		want := 0 // index of the item that should come out
		switch kind.name {
		case "LIFO":
			want = len(items) - 1
		case "ordered":
			want = slices.Index(items, slices.Min(append(items, 1<<20)))
		case "priority":
			want = slices.Index(items, slices.Max(append(items, -1)))
		}
		m.check(len(items) > 0 && items[want] == item, "got %d from %v", item, items)
		items = slices.Delete(items, want, want+1)
	}
	done := func(n int) {
		if unfinished -= n; unfinished == 0 {
			for _, p := range joiners.live() {
				m.grant(p)
			}
		}
	}
	item := func() int { // a new one, at a random place in the order
		serial++
		return (serial*37)%101*1000 + serial
	}
	// refused are the errors of a put or get other than a cancellation.
	refused := func(err, also error) {
		if errors.Is(err, aio.ErrCancelled) {
			return
		}
		m.check(err == aio.ErrQueueShutDown && shut || err == also, "a call failed: %v", err)
	}
	shutdown := func(immediate bool) {
		shut = true
		q.Shutdown(immediate)
		if immediate {
			done(min(len(items), unfinished))
			items = nil
		}
	}
	get := func(t *slot) {
		m.do(t, func(ctx context.Context) {
			m.enter(&getters, t)
			item, err := q.Get(ctx)
			m.leave(&getters, t, err, m.polite)
			if err != nil {
				refused(err, nil)
				return
			}
			taken(item)
		})
	}
	put := func(t *slot) {
		m.do(t, func(ctx context.Context) {
			m.enter(&putters, t)
			item := item()
			err := q.Put(ctx, item)
			m.leave(&putters, t, err, m.polite)
			if err != nil {
				refused(err, nil)
				return
			}
			stored(item)
		})
	}
	return subject{
		ops: []func(t *slot){
			get, put, get, put,
			func(*slot) {
				item := item()
				if err := q.PutNowait(item); err != nil {
					refused(err, aio.ErrQueueFull)
					m.check(shut || q.Full(), "PutNowait failed: %v", err)
					return
				}
				stored(item)
			},
			func(*slot) {
				item, err := q.GetNowait()
				if err != nil {
					refused(err, aio.ErrQueueEmpty)
					m.check(len(items) == 0, "GetNowait failed: %v", err)
					return
				}
				taken(item)
			},
			func(*slot) {
				if unfinished > 0 {
					q.TaskDone()
					done(1)
				} else {
					misused(m.T, "TaskDone", q.TaskDone, aio.ErrOverRelease)
				}
			},
			func(t *slot) {
				m.do(t, func(ctx context.Context) {
					p := m.enter(&joiners, t)
					if unfinished == 0 {
						m.grant(p)
					}
					err := q.Join(ctx)
					m.leave(&joiners, t, err, false)
					m.check(err != nil || p.granted > 0, "Join returned with %d items that are not done", unfinished)
				})
			},
			func(t *slot) {
				if ends && serial > 20 { // let something happen before
					shutdown(t == &m.slots[0])
				}
			},
		},
		still: func() {
			m.check(q.QSize() == len(items), "QSize is %d, want %d", q.QSize(), len(items))
			m.check(q.Empty() == (len(items) == 0) && q.Full() == (max > 0 && len(items) == max), "Empty is %t, Full is %t, with %d items", q.Empty(), q.Full(), len(items))
			m.check(len(getters) == 0 || len(items) == 0 && !shut, "%d tasks wait for one of %d items; shut down: %t", len(getters), len(items), shut)
			m.check(len(putters) == 0 || q.Full() && !shut, "%d tasks wait for a slot with %d items; shut down: %t", len(putters), len(items), shut)
			m.check(len(joiners) == 0 || unfinished > 0, "%d tasks wait in Join, and all is done", len(joiners))
		},
		end: func() {
			shutdown(false)
			m.letPass(3)
			shutdown(true)
			for unfinished > 0 {
				q.TaskDone()
				done(1)
			}
		},
	}
}

var subjects = []struct {
	name  string
	setup func(m *machine, variant int) subject
}{
	{"Lock", lockSubject},
	{"Event", eventSubject},
	{"Condition", conditionSubject},
	{"Semaphore", semaphoreSubject},
	{"Barrier", barrierSubject},
	{"Queue", queueSubject},
}

func TestPrimitivesKeepTheirPromisesUnderRandomCancellation(t *testing.T) {
	seeds := stage.Amount[uint64](128, 128, 10_000)
	for _, sub := range subjects {
		for seed := range seeds {
			t.Run(fmt.Sprint(sub.name, " ", seed), func(t *testing.T) {
				execute(t, randomProgram(seed), sub.setup)
			})
		}
	}
}

// randomProgram has the seed as its variant.
func randomProgram(seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 0))
	program := make([]byte, 1+rng.IntN(400))
	for i := range program {
		program[i] = byte(rng.Uint32())
	}
	program[0] = byte(seed)
	return program
}

// fuzz has the fuzzer make up programs for one primitive.
func fuzz(f *testing.F, setup func(m *machine, variant int) subject) {
	for seed := range uint64(16) {
		f.Add(randomProgram(seed))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		execute(t, program[:min(len(program), 400)], setup)
	})
}

func FuzzQueue(f *testing.F)     { fuzz(f, queueSubject) }
func FuzzSemaphore(f *testing.F) { fuzz(f, semaphoreSubject) }
func FuzzCondition(f *testing.F) { fuzz(f, conditionSubject) }
