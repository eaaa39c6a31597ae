package aio

// Detection of calls from other goroutines that a blocked loop cannot serve. A library
// that a task calls may have its own goroutines, which use connections of the loop. If
// the task then blocks, outside of an await, until they have done their work, they wait
// for the loop and the loop waits for them: a silent deadlock.
//
// Go cannot report which goroutine will wake another. The package can observe two
// facts: the loop has taken nothing out of its inbox for a long time, and the goroutine
// that holds the token is not computing, sleeping or in a system call, but waits for
// another goroutine, on a channel or a lock, in the same place at two checks. That
// state lasts only while a task or callback blocks the loop, which is forbidden. Then
// the calls that wait in the inbox are refused with an error that names the place.
//
// Calls that the loop has begun, such as a Read for which no data has arrived, are
// refused too, but later: most of these calls are unrelated to the blocking one, and a
// refused call loses its connection. If there are no calls in the inbox, a check marks
// the inbox as full: if the loop makes a pass before the next check, it counts as
// having taken something.
//
// A library retries a call that has failed. While the loop is blocked in the same place
// and has not made a pass since, the next call is refused at once. It may also keep the
// error and retry without a limit, so that the task waits for ever. Therefore a check
// that finds the loop still blocked in the place in which calls were refused logs it,
// once.

import (
	"bytes"
	"log/slog"
	"maps"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// blockedPatience is how long the loop has taken nothing before the first check;
// blockedAgain is the time until the second check. Both are a time.Duration; tests
// shorten them.
var blockedPatience, blockedAgain atomic.Int64

// begunPatience is how many times blockedPatience the loop has taken nothing before
// calls that it has begun are refused.
const begunPatience = 4

func init() {
	blockedPatience.Store(int64(time.Second))
	blockedAgain.Store(int64(250 * time.Millisecond))
}

// refusable is a call for which a goroutine waits and which only the loop can complete.
type refusable interface {
	// refuse ends the call with err, unless it is done or the loop works on it.
	refuse(err error)
}

// blockedLook is what a check has seen.
type blockedLook struct {
	taken uint64    // inbox.taken
	since time.Time // when a check first saw this value of taken
	// the stack of the goroutine that blocks the loop; "" if none is known
	stack string
}

// postBlocked is like post, for a refusable entry.
func (l *Loop) postBlocked(r runnable) bool {
	in := &l.inbox
	in.mu.Lock()
	ok, stuck := in.put(&in.events, readyEntry{r, nil}, false), in.stuck
	again := stuck.stack != "" && stuck.taken == in.taken
	in.mu.Unlock()
	switch {
	case !ok:
		return false
	case again:
		if place, stack := blockedPlace(); stack == stuck.stack {
			l.refuseBlocked(stuck, place, false)
		}
	}
	l.watchBlocked()
	return true
}

// outsideCall is a call of a goroutine that does not hold the token. The loop takes the
// call before it works on it, and releases it afterwards. A call that is not taken may
// be refused; a refusal is final. A call of a task is never refused, and its done is
// nil.
type outsideCall struct {
	done  chan struct{}
	state atomic.Int32
	begun bool // begin was called
}

// The states of an outsideCall.
const (
	callFree = iota
	callTaken
	callOver // refused
)

// begin notes that the loop has begun the call, which is not done. self is the call.
func (c *outsideCall) begin(l *Loop, self refusable) {
	c.begun = true
	l.callBegun(self)
}

// wait waits until the call is done.
func (c *outsideCall) wait(l *Loop, self refusable) {
	<-c.done
	if c.begun {
		l.callEnded(self)
	}
}

// take takes the call for the loop, which may have it already, and reports whether the
// call must continue: not if it was refused.
func (c *outsideCall) take() bool {
	return c.done == nil || c.state.CompareAndSwap(callFree, callTaken) || c.state.Load() == callTaken
}

// release ends take for a call that is not done.
func (c *outsideCall) release() {
	if c.done != nil {
		c.state.Store(callFree)
	}
}

// finish tells the goroutine that the call is done. It has no effect on one that was
// refused.
func (c *outsideCall) finish() {
	if c.state.Load() != callOver {
		close(c.done)
	}
}

// takeOver takes the call in order to refuse it.
func (c *outsideCall) takeOver() bool { return c.state.CompareAndSwap(callFree, callOver) }

// callBegun notes that the loop has begun a call, for which another goroutine waits.
func (l *Loop) callBegun(r refusable) {
	in := &l.inbox
	in.mu.Lock()
	if in.begun == nil {
		in.begun = map[refusable]struct{}{}
	}
	in.begun[r] = struct{}{}
	in.mu.Unlock()
	l.watchBlocked()
}

// callEnded notes that the goroutine no longer waits.
func (l *Loop) callEnded(r refusable) {
	in := &l.inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.begun, r)
}

// watchBlocked checks from time to time whether the loop is blocked, until no call waits
// for it.
func (l *Loop) watchBlocked() {
	in := &l.inbox
	// under a virtual clock the loop detects the deadlock
	if in.watched.Load() || l.virtual || l.bubble || !in.watched.CompareAndSwap(false, true) {
		return
	}
	l.lookLater(in.look(l.running.Load(), blockedLook{}), time.Duration(blockedPatience.Load()))
}

func (l *Loop) lookLater(seen blockedLook, after time.Duration) {
	time.AfterFunc(after, func() { l.lookBlocked(seen) })
}

// look returns a new look at the loop, or before if the loop has taken nothing since.
func (in *inbox) look(running bool, before blockedLook) blockedLook {
	in.mu.Lock()
	defer in.mu.Unlock()
	if running && !in.sleeping && !before.since.IsZero() && in.taken == before.taken {
		return before
	}
	in.full.Store(true) // the next pass then takes something, which a check can see
	return blockedLook{taken: in.taken, since: time.Now()}
}

// lookBlocked checks whether calls have to be refused: whether the loop has taken
// nothing since the check before, and is blocked in the same place.
func (l *Loop) lookBlocked(before blockedLook) {
	in := &l.inbox
	now, again := in.look(l.running.Load(), before), blockedPatience.Load()
	var stuckIn string
	if now == before {
		var place string
		if place, now.stack = blockedPlace(); now.stack != "" {
			if in.reportStuck(now) {
				stuckIn = place
			}
			if now.stack == before.stack {
				l.refuseBlocked(now, place, time.Since(now.since) > time.Duration(begunPatience*again))
			}
			again = blockedAgain.Load()
		}
	}
	in.mu.Lock()
	rest := !in.closed && (in.unreported(now) || len(in.begun) > 0 || slices.ContainsFunc(in.events, isRefusable))
	in.watched.Store(rest)
	in.mu.Unlock()
	if rest {
		l.lookLater(now, time.Duration(again))
	}
	if stuckIn != "" { // last, because a handler may block
		slog.Warn("aio: calls were refused, and the event loop is still blocked: a task or callback waits " + stuckIn + ": make the blocking call with aio.ToThread")
	}
}

// unreported reports whether calls were refused, and the loop has taken nothing since and
// is blocked, which was not logged yet. The stack may differ: a library that retries
// waits in several places. The caller holds mu.
func (in *inbox) unreported(now blockedLook) bool {
	return now.stack != "" && in.stuck.stack != "" && in.stuck.taken == now.taken && !in.reported
}

// reportStuck is [inbox.unreported], and then notes that it is logged.
func (in *inbox) reportStuck(now blockedLook) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	report := in.unreported(now)
	in.reported = in.reported || report
	return report
}

func isRefusable(e readyEntry) bool {
	_, ok := e.r.(refusable)
	return ok
}

// refuseBlocked refuses the calls in the inbox of a loop that is blocked in place, and
// those that it has begun if all is set, unless the loop has taken something.
func (l *Loop) refuseBlocked(seen blockedLook, place string, all bool) {
	in := &l.inbox
	var refused []refusable
	in.mu.Lock()
	if in.taken == seen.taken {
		if in.stuck.taken != seen.taken {
			in.reported = false
		}
		in.stuck = seen
		in.events = slices.DeleteFunc(in.events, func(e readyEntry) bool {
			r, ok := e.r.(refusable)
			if ok {
				refused = append(refused, r)
			}
			return ok
		})
		if all {
			refused = slices.AppendSeq(refused, maps.Keys(in.begun))
			clear(in.begun)
		}
	}
	in.mu.Unlock()
	for _, r := range refused {
		// Not a *net.OpError, because libraries retry after an error of the
		// network.
		r.refuse(usagef("", "the event loop, which has to serve this call, is blocked: a task or callback waits %s. If it waits for this call, that is a deadlock: make the blocking call with aio.ToThread", place))
	}
}

// waitsForGoroutine holds the states, as in the runtime's tracebacks, of a goroutine
// that only another goroutine can wake.
var waitsForGoroutine = map[string]bool{
	"chan receive": true, "chan send": true, "select": true, "semacquire": true,
	"sync.Mutex.Lock": true, "sync.RWMutex.RLock": true, "sync.RWMutex.Lock": true,
	"sync.WaitGroup.Wait": true, "sync.Cond.Wait": true,
}

// blockedPlace returns where the goroutines that hold the token of a loop are, if all
// of them wait for other goroutines, and their stacks. The traceback does not show
// which loop each belongs to. So with several loops in a process, the calls of a
// blocked loop may have to wait for a moment in which no other loop computes.
func blockedPlace() (place, stack string) {
	var buf bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&buf, 2) // a bytes.Buffer never fails
	var places, stacks []string
	for _, record := range strings.Split(strings.TrimSpace(buf.String()), "\n\n") {
		state, at, holds := tokenHolder(record)
		if !holds {
			continue
		}
		if !waitsForGoroutine[state] {
			return "", ""
		}
		_, trace, _ := strings.Cut(record, "\n")
		places, stacks = append(places, at), append(stacks, trace)
	}
	// the runtime lists them in no particular order
	slices.Sort(places)
	slices.Sort(stacks)
	return strings.Join(slices.Compact(places), ", or "), strings.Join(stacks, "\n\n")
}

// tokenHolder parses the traceback of a goroutine: its state, its place as text, and
// whether it holds the token of a loop. A goroutine that has switched to a coroutine of
// its loop, or was switched from, is in the state "coroutine"; the goroutine that runs
// the loop and waits for events is in Loop.wait.
func tokenHolder(record string) (state, place string, holds bool) {
	head, trace, _ := strings.Cut(record, "\n")
	_, state, _ = strings.Cut(head, "[")
	state, _, _ = strings.Cut(state, "]")
	state, _, _ = strings.Cut(state, ",")
	state, _, _ = strings.Cut(state, " (")
	if state == "coroutine" {
		return state, "", false
	}
	var inner, outer, function string
	for line := range strings.Lines(trace) {
		line = strings.TrimSuffix(line, "\n")
		if file, ok := strings.CutPrefix(line, "\t"); ok {
			file, _, _ = strings.Cut(file, ":")
			if holds || internalFrame(runtime.Frame{Function: function, File: file}) || strings.HasPrefix(function, "sync.") || strings.HasPrefix(function, "internal/") {
				continue
			}
			if outer = function; inner == "" {
				inner = function
			}
			continue
		}
		if i := strings.LastIndexByte(line, '('); i > 0 {
			function = line[:i]
		}
		switch strings.TrimPrefix(function, packagePath) {
		case "(*Loop).wait":
			return state, "", false
		case "(*coroutine).runTask", "(*Loop).runPass":
			holds = true
		}
	}
	place = "in " + shortFunction(inner)
	if outer != inner {
		place += ", called by " + shortFunction(outer) + ","
	}
	// in a symbol a dot in the last element of the path is escaped
	place = strings.ReplaceAll(place, "%2e", ".")
	return state, place + " for another goroutine", holds
}
