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
// state lasts only while a task or callback blocks the loop, which none may do. Then
// the calls that wait in the inbox are refused with an error that names the place.
//
// A Read that the loop has started and that waits for data is not detected, because it
// is not in the inbox. The watchdog still reports the step that blocks the loop.

import (
	"bytes"
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

func init() {
	blockedPatience.Store(int64(time.Second))
	blockedAgain.Store(int64(250 * time.Millisecond))
}

// refusable is an entry of the inbox for which a goroutine waits and which only the
// loop can complete.
type refusable interface {
	// refuse ends the call with err. The loop will not run the entry.
	refuse(err error)
}

// postBlocked is post for a refusable entry.
func (l *Loop) postBlocked(r runnable) bool {
	if !l.post(readyEntry{r, nil}, false) {
		return false
	}
	in := &l.inbox
	if in.watched.Load() || l.virtual || l.bubble {
		return true // under a virtual clock the loop detects the deadlock
	}
	if in.watched.CompareAndSwap(false, true) {
		in.mu.Lock()
		taken := in.taken
		in.mu.Unlock()
		time.AfterFunc(time.Duration(blockedPatience.Load()), func() { l.lookBlocked(taken, "") })
	}
	return true
}

// lookBlocked checks whether calls in the inbox have to be refused: whether the loop
// has taken nothing since taken, and is blocked in the place before, which is "" at the
// first check. It checks again as long as there are such calls.
func (l *Loop) lookBlocked(taken uint64, before string) {
	in := &l.inbox
	var place, stack string
	if in.stuckSince(taken) {
		place, stack = blockedPlace()
	}
	again := blockedPatience.Load()
	var refused []refusable
	in.mu.Lock()
	switch {
	case in.taken != taken:
		taken, stack = in.taken, ""
	case stack == "":
	case stack != before:
		again = blockedAgain.Load()
	default:
		in.events = slices.DeleteFunc(in.events, func(e readyEntry) bool {
			r, ok := e.r.(refusable)
			if ok {
				refused = append(refused, r)
			}
			return ok
		})
	}
	rest := slices.ContainsFunc(in.events, func(e readyEntry) bool { _, ok := e.r.(refusable); return ok })
	in.watched.Store(rest)
	in.mu.Unlock()
	if rest {
		time.AfterFunc(time.Duration(again), func() { l.lookBlocked(taken, stack) })
	}
	for _, r := range refused {
		r.refuse(usagef("", "the event loop, which has to do this, is blocked: a task or callback waits %s. If that one waits for this call, nothing goes on: call what blocks by aio.ToThread", place))
	}
}

// stuckSince reports whether nothing was taken since taken.
func (in *inbox) stuckSince(taken uint64) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.taken == taken && len(in.events) > 0
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
	var stacks []string
	for _, record := range strings.Split(buf.String(), "\n\n") {
		state, at, holds := tokenHolder(record)
		if !holds {
			continue
		}
		if !waitsForGoroutine[state] {
			return "", ""
		}
		_, trace, _ := strings.Cut(record, "\n")
		place, stacks = at, append(stacks, trace)
	}
	slices.Sort(stacks) // the runtime lists them in no order
	return place, strings.Join(stacks, "\n\n")
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
	// symbols have a dot in a path escaped
	place = strings.ReplaceAll(place, "%2e", ".")
	return state, place + " for another goroutine", holds
}
