package aio

// The way into a loop for other goroutines. Everything here is guarded by inbox.mu,
// except for the flag that tells the loop at a glance whether there is anything.
//
// A loop that waits has said so under the lock, and whoever hands it the next event then
// sends one token: there is never more than one, and none gets lost between the loop's
// last look and its wait. For a loop that waits in the system's poller that is an event
// of its own, which may come late and then ends a wait for nothing.

import (
	"sync"
	"sync/atomic"

	"github.com/goaio/aio/internal/poll"
)

// inbox is where other goroutines hand in events.
type inbox struct {
	full atomic.Bool   // events is not empty
	wake chan struct{} // has a token when a sleeping loop shall wake

	mu       sync.Mutex
	events   []readyEntry
	signals  []readyEntry // come in when a pass begins, not before
	sleeping bool         // the loop waits, and nobody has woken it yet
	poller   *poll.Poller // in which it waits, nil if it waits for the token in wake
	closed   bool
}

// post hands e to the loop and reports whether the loop will run it: not if it is closed.
// Any goroutine may call it. quiet leaves a sleeping loop asleep.
func (l *Loop) post(e readyEntry, quiet bool) bool {
	return l.postTo(&l.inbox.events, e, quiet)
}

// postTo is post with the list of the inbox that e goes to.
func (l *Loop) postTo(list *[]readyEntry, e readyEntry, quiet bool) bool {
	in := &l.inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return false
	}
	*list = append(*list, e)
	in.full.Store(true)
	if in.sleeping && !quiet {
		in.sleeping = false
		if in.poller != nil {
			in.poller.Wake()
		} else {
			in.wake <- struct{}{}
		}
	}
	return true
}

// sleep announces that the loop is about to wait, in poller if that is not nil, unless
// there is something in the inbox.
func (in *inbox) sleep(poller *poll.Poller) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.poller = poller
	in.sleeping = len(in.events) == 0 && len(in.signals) == 0
	return in.sleeping
}

// awake ends sleep when the loop was not woken through the inbox.
func (in *inbox) awake() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.sleeping && in.poller == nil {
		<-in.wake // somebody has just decided to wake it
	}
	in.sleeping = false
}

// collect moves what other goroutines handed in to the ready queue, but not signals.
func (l *Loop) collect() {
	in := &l.inbox
	if !in.full.Load() {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	l.take(&in.events)
	in.full.Store(len(in.signals) > 0)
}

// collectAll is collect with the signals, for the beginning of a pass. asyncio learns of
// a signal by polling: the signal comes after whatever was scheduled in the pass in which
// it arrived.
func (l *Loop) collectAll() {
	in := &l.inbox
	if !in.full.Load() {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	l.take(&in.events)
	l.take(&in.signals)
	in.full.Store(false)
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
// holder of the token goes straight to the ready queue, to which it has the right of way.
func (l *Loop) submit(r runnable) bool {
	if l.holdsToken() {
		if l.closed.Load() {
			return false
		}
		l.schedule(r, nil)
		return true
	}
	return l.post(readyEntry{r, nil}, false)
}

// act runs r at once for the holder of the token, and submits it for any other goroutine.
// What crosses from a loop into the same loop takes no pass longer than a call, and a
// coroutine that is cancelled before its first step does not make that step.
func (l *Loop) act(r runnable) {
	if l.holdsToken() && !l.closed.Load() {
		r.run(nil)
	} else {
		l.submit(r)
	}
}
