package aio

// The ready queue: the entries of this pass and the next one, first in, first out. The
// token owns it; other goroutines add entries through the inbox. An entry is something
// to run and the future that caused it, stored as two words of a ring, so that
// scheduling a step allocates nothing.

// runnable is an entry of the ready queue or of a future's callbacks: a task, a handle,
// a callback, or one step of a transport. run gets the future that caused it, nil if
// there is none. Many steps are pointers to their owner, converted to another type with
// the same underlying struct, such as (*openStep)(e): so an owner has several run
// methods without an allocation. Such a type is named xxxStep. Methods that other code
// calls on an object, and that users must not see, are on a converted type too, named
// after its role: streamOwner, netConnProtocol, tlsWire. A runnable may have five more
// methods, which are found by type assertions:
//
//	abandon()               the loop is closed and will not run it, and code
//	                        outside of the loop waits for it (orphan)
//	about(*ExceptionContext)        describes it when it has panicked
//	waitsFor(*future, func(found))  the futures that wait for its run (call graph)
//	String() string         its name in debug mode
//	source() any            entries with the same source stay in order under a
//	                        director (sourced)
//
// The sub of a future may also have a method awaited, which returns the futures that it
// waits for. The search for cycles uses it.
type runnable interface {
	run(f *future)
}

// readyEntry is an element of the ready queue.
type readyEntry struct {
	r runnable
	f *future // the future that caused it, nil if none did
}

// orphan is implemented by a runnable that code outside of the loop waits for: a closed
// loop, which will not run it, calls abandon.
type orphan interface{ abandon() }

// schedule puts r on the ready queue, behind entries that other goroutines posted
// before.
func (l *Loop) schedule(r runnable, f *future) {
	if l.inbox.full.Load() {
		l.collect()
	}
	if l.closed.Load() {
		if o, ok := r.(orphan); ok {
			o.abandon()
		}
		return
	}
	l.ready.push(readyEntry{r, f})
	if l.observed != nil && f != nil {
		if t, ok := r.(*task); ok {
			l.observed.taskWoken(t)
		}
	}
}

// enqueue puts r at the end of the ready queue: for entries that the pass itself finds
// (descriptors, timers), which no future has caused and which need not follow the
// inbox.
func (l *Loop) enqueue(r runnable) { l.ready.push(readyEntry{r, nil}) }
