package aio

// One pass of a loop: it waits until something is ready, takes what is due, and runs
// the entries that were in the ready queue at that moment; entries that they add run in
// the next pass. Tasks that await begin passes too (token.go).

// runPass makes a pass, and runs the passes that tasks begin during it if chaining is
// set. It reports whether the loop must stop.
func (l *Loop) runPass() (stop bool) {
	l.timers.prune()
	if l.ready.n == 0 && !l.stopping {
		l.ready.trim()
		if l.observed != nil {
			l.observed.wait()
		} else {
			l.wait()
		}
	} else {
		l.pollNow()
	}
	if l.director != nil {
		l.director.Pass()
		l.takeDue()
		l.runDirected()
	} else {
		l.takeDue()
	}
	for l.todo > 0 {
		e := l.ready.pop()
		l.todo--
		if l.debug.Load() {
			l.runTimed(e)
		} else if t, ok := e.r.(*task); ok {
			if t.prepare(e.f) {
				co := l.switchTo(t)
				co.next()
				l.switchBack(co, &l.root)
				l.current, l.resumeTarget = nil, nil
			}
		} else if l.observed != nil {
			l.observed.call(e)
		} else {
			l.call(e)
		}
	}
	if len(l.exiting) > 0 {
		l.exitPending()
	}
	return l.stopping
}

// runEntry runs an entry, which may also be a step of a task. runPass makes those steps
// itself, because a frame between the two ends of a switch costs some 6 ns.
func (l *Loop) runEntry(e readyEntry) {
	if _, ok := e.r.(*task); !ok && l.observed != nil {
		l.observed.call(e)
	} else {
		l.call(e)
	}
}

// call runs an entry other than a step of a task, and reports its panic. The panic
// comes from the user's code, or from a cancellation that met a cycle of awaits.
// runtime.Goexit continues in the goroutine that runs the loop.
func (l *Loop) call(e readyEntry) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		ec := ExceptionContext{Message: "exception in callback", Err: panicError(v)}
		if r, ok := e.r.(interface{ about(*ExceptionContext) }); ok {
			r.about(&ec)
		}
		l.CallExceptionHandler(ec)
	}()
	e.r.run(e.f)
}

// beginPass begins the next pass if nothing has to wait, and nothing has to run on the
// goroutine of the loop itself.
func (l *Loop) beginPass() bool {
	if l.stopping || l.debug.Load() || len(l.exiting) > 0 {
		return false
	}
	l.timers.prune()
	if l.ready.n == 0 {
		return false
	}
	l.pollNow()
	l.takeDue()
	return true
}

// takeDue moves events from outside and timers that are due into the pass that begins.
func (l *Loop) takeDue() {
	l.collectAll()
	if len(l.watched) > 0 {
		l.lookAtContexts()
	}
	if len(l.timers.heap) > 0 {
		l.expire()
	}
	l.todo = l.ready.n
	if l.observed != nil {
		l.observed.passBegan()
	}
}

// wait blocks until an event happens, and takes ready descriptors into the pass.
func (l *Loop) wait() {
	switch {
	case l.virtual:
		l.waitVirtual()
	case len(l.timers.heap) == 0:
		l.block(-1)
	default:
		when, now := l.timers.heap[0].when, l.now()
		// Compare first: the difference to a time in the far past would
		// overflow.
		if when <= now {
			now = when
		}
		l.block(when - now)
	}
}
