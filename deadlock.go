package aio

// Cycles of awaits, and tasks that nothing can wake any more.

// deadlock describes why nothing can happen any more.
func (l *Loop) deadlock() error {
	e := &DeadlockError{}
	seen := map[*task]bool{}
	for t := l.tasks.head; t != nil; t = t.next {
		e.Tasks = append(e.Tasks, t.describe())
		if c := l.cycleFrom(t, seen); c != nil {
			e.Cycles = append(e.Cycles, c.Error())
		}
	}
	return e
}

// cycleFrom returns the cycle of awaits that t is in, unless seen has it.
func (l *Loop) cycleFrom(t *task, seen map[*task]bool) *AwaitCycleError {
	if seen[t] {
		return nil
	}
	var path []*future
	var walk func(f *future) bool
	walk = func(f *future) bool {
		if f == nil || f.state != pending {
			return false
		}
		for i, p := range path {
			if p == f {
				path = path[i:]
				return true
			}
		}
		path = append(path, f)
		switch sub := f.sub.(type) {
		case *task:
			if !seen[sub] {
				seen[sub] = true
				if walk(sub.waiting) {
					return true
				}
			}
		case interface{ awaited() []*future }:
			for _, child := range sub.awaited() {
				if walk(child) {
					return true
				}
			}
		}
		path = path[:len(path)-1]
		return false
	}
	if !walk(t.fut) {
		return nil
	}
	e := &AwaitCycleError{}
	for _, f := range path {
		e.Cycle = append(e.Cycle, f.label())
	}
	return e
}

// cycle makes the error for a cancellation that has come back to f, and drops the
// cancellation.
func (l *Loop) cycle(f *future) error {
	e := &AwaitCycleError{}
	for _, g := range l.path {
		g.cancelling = false
		if g == f || len(e.Cycle) > 0 {
			e.Cycle = append(e.Cycle, g.label())
		}
	}
	l.path = l.path[:0]
	return e
}
