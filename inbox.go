package aio

// How other goroutines reach a loop. inbox.mu guards everything here, except for the
// flag that tells the loop without locking whether there is anything.
//
// A loop that is about to wait sets a mark under the lock, and the goroutine that posts
// the next event clears it and sends one token: there is never more than one, and none
// is lost between the loop's last check and its wait. If the loop waits in the system's
// poller, the token is an event of the poller, which may come late; then it ends a
// later wait without need.

import (
	"sync"
	"sync/atomic"

	"github.com/goaio/aio/internal/poll"
)

// inbox is where other goroutines post events.
type inbox struct {
	full atomic.Bool   // events is not empty
	wake chan struct{} // has a token if a sleeping loop must wake up
	// whether a timer repeatedly checks that the loop is not blocked
	// (inbox_blocked.go)
	watched atomic.Bool

	mu     sync.Mutex
	events []readyEntry
	taken  uint64 // how often the loop has taken events
	// calls of other goroutines that the loop has begun and that wait
	// (inbox_blocked.go)
	begun    map[refusable]struct{}
	stuck    blockedLook  // when calls were refused last
	reported bool         // it was logged that the loop is still in that state
	signals  []readyEntry // taken by signalsRead only
	sleeping bool         // the loop waits and has not been woken yet
	promised bool         // the caller of postAsleep has not called wakeUp yet
	// the poller in which the loop waits; nil if the loop waits for the token in
	// wake
	poller *poll.Poller
	closed bool
}

// post passes e to the loop and reports whether the loop will run it: not if it is
// closed. Any goroutine may call it. quiet does not wake a sleeping loop.
func (l *Loop) post(e readyEntry, quiet bool) bool {
	return l.postTo(&l.inbox.events, e, quiet)
}

// postTo is like post, for a given list of the inbox.
func (l *Loop) postTo(list *[]readyEntry, e readyEntry, quiet bool) bool {
	in := &l.inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.put(list, e, quiet)
}

// put is like postTo, while the inbox is locked.
func (in *inbox) put(list *[]readyEntry, e readyEntry, quiet bool) bool {
	if in.closed {
		return false
	}
	*list = append(*list, e)
	in.full.Store(true)
	if !quiet {
		in.rouse()
	}
	return true
}

// rouse wakes the loop if it sleeps. The inbox is locked.
func (in *inbox) rouse() {
	if !in.sleeping {
		return
	}
	in.sleeping = false
	if in.poller != nil {
		in.poller.Wake()
	} else {
		in.wake <- struct{}{}
	}
}

// postAsleep is like post, but does not wake a sleeping loop. If asleep is true, the
// caller must call wakeUp: the loop sleeps, and postAsleep has returned true to no
// other caller.
func (l *Loop) postAsleep(e readyEntry) (ok, asleep bool) {
	in := &l.inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return false, false
	}
	in.events = append(in.events, e)
	in.full.Store(true)
	if !in.sleeping || in.promised {
		return true, false
	}
	in.promised = true
	return true, true
}

// wakeUp wakes the loop after postAsleep has returned true.
func (l *Loop) wakeUp() {
	in := &l.inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	in.promised = false
	if len(in.events) > 0 {
		in.rouse()
	}
}

// sleep records that the loop is about to wait, in poller if that is not nil, and
// reports true. If the inbox has entries, it reports false: the loop must not wait.
func (in *inbox) sleep(poller *poll.Poller) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.poller = poller
	in.sleeping = len(in.events) == 0 && len(in.signals) == 0
	return in.sleeping
}

// awake ends sleep if the loop was not woken through the inbox.
func (in *inbox) awake() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.sleeping && in.poller == nil {
		<-in.wake // another goroutine has just decided to wake it
	}
	in.sleeping = false
}

// collect moves posted entries to the ready queue, but not signals.
func (l *Loop) collect() {
	in := &l.inbox
	if !in.full.Load() {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	l.takeEvents()
	in.full.Store(len(in.signals) > 0)
}

// collectAll is like collect, at the beginning of a pass, which may also be one that
// reads signals.
func (l *Loop) collectAll() {
	l.collect()
	if l.signalHandlers > 0 && (l.selfWoken || l.inbox.full.Load()) {
		l.enqueue((*signalsRead)(l))
	}
	l.selfWoken = false
}

// signalsRead takes the signals that have arrived until it runs. asyncio learns of a
// signal through its self-pipe, to which other threads also write to wake the loop.
// asyncio reads the pipe in a pass only if the pipe was not empty when the pass began:
// because of another thread's call, or of a signal.
type signalsRead Loop

func (s *signalsRead) run(*future) {
	l := (*Loop)(s)
	in := &l.inbox
	in.mu.Lock()
	signals := in.signals
	in.signals = nil
	in.full.Store(len(in.events) > 0)
	in.mu.Unlock()
	for _, e := range signals {
		e.r.run(nil)
	}
}

// takeEvents moves the events to the ready queue. The inbox is locked.
func (l *Loop) takeEvents() {
	l.inbox.taken++
	l.selfWoken = l.selfWoken || len(l.inbox.events) > 0
	l.take(&l.inbox.events)
}

// take moves a list of the inbox to the ready queue. The inbox is locked.
func (l *Loop) take(list *[]readyEntry) {
	for i, e := range *list {
		l.ready.push(e)
		(*list)[i] = readyEntry{}
	}
	*list = (*list)[:0]
	if cap(*list) > maxSpare {
		*list = nil
	}
}

// submit schedules r from any goroutine and reports whether the loop will run it. The
// holder of the token uses the ready queue directly, without the inbox.
func (l *Loop) submit(r runnable) bool {
	if l.holdsToken() {
		if l.closed.Load() {
			return false
		}
		l.schedule(r, nil)
		l.selfWoken = true
		return true
	}
	return l.post(readyEntry{r, nil}, false)
}

// act runs r at once for the holder of the token, and submits it for any other
// goroutine. So a call from a loop to itself takes effect in the same pass, and a
// coroutine that is cancelled before its first step does not make that step.
func (l *Loop) act(r runnable) {
	if l.holdsToken() && !l.closed.Load() {
		r.run(nil)
	} else {
		l.submit(r)
	}
}
