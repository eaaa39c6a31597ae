package aio_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
)

// LOOP-040
func TestCallLaterRunsOnce(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	start := l.Time()
	l.CallLater(time.Hour, func() { log.add("%v", l.Time().Sub(start)) })
	l.CallSoon(func() { log.add("soon") })
	l.CallLater(3*time.Hour, l.Stop)
	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "soon 1h0m0s")
}

// LOOP-042
func TestCallLaterNegative(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	for _, d := range []time.Duration{0, -1, 1, -2, -3} {
		l.CallLater(d*time.Second, func() { log.add("%d", d) })
	}
	l.CallSoon(func() { log.add("soon") })
	start := l.Time()
	onePass(t, l)
	same(t, "time that passed", l.Time().Sub(start), 0)
	log.want(t, "soon -3 -2 -1 0")
}

// LOOP-043, LOOP-053
func TestCallAtIsNotEarly(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	when := l.Time().Add(90 * time.Minute)
	h := l.CallAt(when, func() {
		log.add("%v", l.Time().Sub(when))
		l.Stop()
	})
	same(t, "When", h.When(), when)
	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "0s")
	same(t, "When afterwards", h.When(), when)

	later := l.CallLater(time.Minute, nop)
	same(t, "When of CallLater", later.When(), l.Time().Add(time.Minute))
}

// A time far in the past is due at once, even if the clock has advanced when the loop
// checks it.
func TestTimersInTheFarPast(t *testing.T) {
	later := func() { time.Sleep(time.Second) }
	for name, schedule := range map[string]func(l *aio.Loop){
		"CallLater": func(l *aio.Loop) { l.CallLater(math.MinInt64, l.Stop); later() },
		"CallAt":    func(l *aio.Loop) { l.CallAt(time.Time{}.Add(1), l.Stop); later() },
		"Wait": func(l *aio.Loop) {
			spawn(l.Context(), func(ctx context.Context) error {
				defer l.Stop()
				_, _, err := aio.Wait(ctx, []*aio.Future[int]{aio.CreateFuture[int](ctx)}, math.MinInt64, aio.AllCompleted)
				return err
			})
			l.CallSoon(later)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := aio.NewEventLoop(nil)
				defer l.Close()
				start := time.Now()
				schedule(l)
				matches(t, "RunForever", l.RunForever(), nil)
				same(t, "time that passed", time.Since(start), time.Second)
			})
		})
	}
}

// A deadline that the clock cannot reach is never due.
func TestCallLaterForever(t *testing.T) {
	l, _ := newLoop(t)
	l.CallLater(time.Hour, l.Stop)
	never := l.CallLater(aio.NoTimeout, func() { t.Error("it came") })
	matches(t, "RunForever", l.RunForever(), nil)
	same(t, "When", never.When(), time.Time{})
}

// LOOP-020, LOOP-045, LOOP-046
func TestTimersJoinThePassLast(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	l.CallLater(0, func() {
		log.add("timer")
		l.CallSoon(func() { log.add("next") })
		l.CallLater(0, func() { log.add("next-timer") })
	})
	l.CallSoon(func() {
		log.add("soon")
		l.CallSoon(func() { log.add("next-soon") })
		l.CallLater(0, func() { log.add("next-timer0") })
	})
	onePass(t, l)
	log.want(t, "soon timer")
	onePass(t, l)
	log.want(t, "next-soon next next-timer0 next-timer")
}

// LOOP-044, LOOP-050: with equal deadlines the order is that of CPython's heapq.
func TestEqualDeadlinesFireInTheOrderOfCPython(t *testing.T) {
	every := make([]int, 120)
	for _, c := range []struct {
		delays []int
		keep   func(i int) bool
		want   string
	}{
		{delays: []int{1, 1}, want: "0 1"},
		{delays: []int{1, 1, 1}, want: "0 1 2"},
		{delays: []int{1, 1, 1, 1}, want: "0 2 1 3"},
		{delays: []int{1, 1, 1, 1, 1}, want: "0 2 4 1 3"},
		{delays: []int{1, 1, 1, 1, 1, 1, 1, 1}, want: "0 2 6 5 7 4 1 3"},
		{delays: []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, want: "0 2 6 11 10 9 8 5 7 4 1 3"},
		{delays: []int{2, 1, 2, 1, 2, 1, 2}, want: "1 5 3 2 6 4 0"},
		{delays: []int{3, 3, 1, 1, 2, 2, 3, 3, 1, 1}, want: "2 3 9 8 5 4 0 6 1 7"},
		{delays: []int{5, 4, 4, 4, 3, 3, 5, 5, 4}, want: "4 5 2 1 3 8 6 0 7"},
		{ // enough cancelled timers for a rebuild of the heap
			delays: every, keep: func(i int) bool { return i%6 == 0 },
			want: "84 36 12 0 54 18 102 42 78 90 30 66 6 114 48 72 96 24 60 108",
		},
	} {
		l, _ := newLoop(t)
		var log eventLog
		var handles []*aio.TimerHandle
		for i, d := range c.delays {
			handles = append(handles, l.CallAt(l.Time().Add(time.Duration(d)*time.Second), func() {
				log.add("%d", i)
				if len(log) == len(strings.Fields(c.want)) {
					l.Stop()
				}
			}))
		}
		for i, h := range handles {
			if c.keep != nil && !c.keep(i) {
				h.Cancel()
			}
		}
		matches(t, "RunForever", l.RunForever(), nil)
		log.want(t, c.want)
	}
}

// LOOP-047, LOOP-048, LOOP-049
func TestWaitIsForTheFirstLiveTimer(t *testing.T) {
	l, _ := newLoop(t)
	var log eventLog
	start := l.Time()
	gone := func() { log.add("cancelled") }
	first := l.CallLater(5*time.Second, gone)
	l.CallLater(48*time.Hour, func() { log.add("%v", l.Time().Sub(start)); l.Stop() })
	behind := l.CallLater(72*time.Hour, gone)
	first.Cancel()
	behind.Cancel()

	matches(t, "RunForever", l.RunForever(), nil)
	log.want(t, "48h0m0s")
	held, cancelled := aio.Timers(l)
	same(t, "timers left, cancelled ones", [2]int{held, cancelled}, [2]int{1, 1})

	onePass(t, l)
	held, cancelled = aio.Timers(l)
	same(t, "timers left after one more pass", [2]int{held, cancelled}, [2]int{0, 0})
}

// LOOP-049, LOOP-050
func TestCancelledTimersAreDroppedWhenTheyAreMost(t *testing.T) {
	for _, c := range []struct{ timers, cancelled, held int }{
		{100, 99, 100},  // too few timers for a rebuild
		{200, 100, 200}, // half is not a majority
		{200, 101, 99},
		{101, 51, 50},
		{101, 50, 101},
	} {
		l, _ := newLoop(t)
		var log eventLog
		var handles []*aio.TimerHandle
		for i := range c.timers {
			handles = append(handles, l.CallLater(time.Duration(i+1)*time.Hour, func() { log.add("%d", i) }))
		}
		var want []string
		for i, h := range handles {
			// The first timer is not cancelled: it must stay active.
			if i > 0 && i <= c.cancelled {
				h.Cancel()
			} else {
				want = append(want, fmt.Sprint(i))
			}
		}
		onePass(t, l)
		held, _ := aio.Timers(l)
		same(t, fmt.Sprintf("timers held of %d, %d of them cancelled", c.timers, c.cancelled), held, c.held)

		l.CallLater(time.Duration(c.timers+1)*time.Hour, l.Stop)
		matches(t, "RunForever", l.RunForever(), nil)
		log.want(t, strings.Join(want, " "))
	}
}

// The order of equal elements is tested by TestEqualDeadlinesFireInTheOrderOfCPython.
func TestHeapSorts(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var model, popped []int
		var h []int
		for range r.IntN(50) {
			model = append(model, r.IntN(20))
		}
		if r.IntN(2) == 0 {
			h = slices.Clone(model)
			aio.Heapify(h, cmp.Less[int])
		} else {
			for _, v := range model {
				h = aio.HeapPush(h, v, cmp.Less[int])
			}
		}
		for len(h) > 0 {
			var v int
			h, v = aio.HeapPop(h, cmp.Less[int])
			popped = append(popped, v)
		}
		slices.Sort(model)
		equal(t, "the order of timers", popped, model)
	}
}

// FuzzTimers schedules and cancels timers and lets time pass as the input specifies,
// and checks each callback when it runs.
func FuzzTimers(f *testing.F) {
	f.Add([]byte("\x00\x05\x00\x03\x00\x05\x03\x09"))
	f.Add([]byte("\x00\x05\x00\x03\x02\x00\x01\x01\x03\x04\x00\x09\x03\x20"))
	f.Add([]byte(strings.Repeat("\x00\x02\x00\x03", 60) + strings.Repeat("\x01\x07\x01\x20\x01\x90", 40) + "\x03\x01\x03\x05"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		type timer struct {
			when   time.Duration
			set    time.Duration // time of scheduling
			handle *aio.TimerHandle
			live   bool
		}
		l, _ := newLoop(t)
		start := l.Time()
		now := func() time.Duration { return l.Time().Sub(start) }
		var timers []*timer
		last := time.Duration(-1 << 62)
		cancel := func(i int) {
			timers[i].handle.Cancel()
			timers[i].live = false
		}
		for len(ops) >= 2 {
			op, arg := ops[0]%4, int(ops[1])
			ops = ops[2:]
			switch {
			case op == 0, op == 2:
				// 2: a timer that cancels another one when it fires
				x := &timer{live: true, set: now()}
				victim := -1
				if op == 2 && len(timers) > 0 {
					victim = arg % len(timers)
				}
				x.handle = l.CallLater(time.Duration(arg%16-4), func() {
					switch {
					case !x.live:
						t.Fatalf("a timer fired that was cancelled or had already fired")
					case now() != max(x.when, x.set):
						t.Fatalf("a timer for %d, set at %d, fired at %d", x.when, x.set, now())
					case x.when < last:
						t.Fatalf("a timer for %d fired after one for %d", x.when, last)
					}
					x.live = false
					last = x.when
					if victim >= 0 {
						cancel(victim)
					}
				})
				x.when = x.handle.When().Sub(start)
				timers = append(timers, x)
			case op == 1 && len(timers) > 0:
				cancel(arg % len(timers))
			case op == 3:
				// Timers that are due since an earlier run come first.
				last = -1 << 62
				l.CallLater(time.Duration(arg%32), l.Stop)
				if err := l.RunForever(); err != nil {
					t.Fatal(err)
				}
				for _, x := range timers {
					if x.live && x.when <= now() {
						t.Fatalf("at %d a timer for %d has not fired", now(), x.when)
					}
				}
			}
		}
	})
}
