package aio

// Cycles of awaits, and tasks that nothing can wake.

import "slices"

// deadlock describes why nothing further can happen.
func (l *Loop) deadlock() error {
	e := &DeadlockError{}
	search := cycleSearch[*future]{next: awaitedBy, found: func(cycle []*future) {
		e.Cycles = append(e.Cycles, cycleError(cycle).Error())
	}}
	for t := l.tasks.head; t != nil; t = t.next {
		e.Tasks = append(e.Tasks, t.describe())
		search.from(t.fut)
	}
	return e
}

// awaitedBy returns the pending futures that f waits for.
func awaitedBy(f *future) (fs []*future) {
	var all []*future
	switch sub := f.sub.(type) {
	case *task:
		all = []*future{sub.waiting}
	case interface{ awaited() []*future }:
		all = sub.awaited()
	}
	for _, f := range all {
		if f != nil && f.state == pending {
			fs = append(fs, f)
		}
	}
	return fs
}

// cycleError makes the error for a cycle.
func cycleError(cycle []*future) *AwaitCycleError {
	e := &AwaitCycleError{}
	for _, f := range cycle {
		e.Cycle = append(e.Cycle, f.label())
	}
	return e
}

// cycleSearch is a depth-first search for cycles. It visits each node once, so of
// cycles that share nodes it may find some only.
type cycleSearch[N comparable] struct {
	next  func(N) []N
	found func(cycle []N) // valid during the call
	path  []N
	// the nodes that were visited; true while a node is on the path
	onPath map[N]bool
}

// from searches the nodes that can be reached from n.
func (s *cycleSearch[N]) from(n N) {
	switch on, visited := s.onPath[n]; {
	case on:
		s.found(s.path[slices.Index(s.path, n):])
		return
	case visited:
		return
	}
	if s.onPath == nil {
		s.onPath = map[N]bool{}
	}
	s.onPath[n] = true
	s.path = append(s.path, n)
	for _, next := range s.next(n) {
		s.from(next)
	}
	s.path = s.path[:len(s.path)-1]
	s.onPath[n] = false
}

// cycle makes the error for a cancellation that was passed on along a cycle of awaits
// and has reached f again. It drops the cancellation.
func (l *Loop) cycle(f *future) error {
	for _, g := range l.path {
		g.cancelling = false
	}
	e := cycleError(l.path[slices.Index(l.path, f):])
	l.path = l.path[:0]
	return e
}
