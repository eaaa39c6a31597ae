package aio

// Locks, queues and other primitives, for observers. After the first call of Resources
// a loop keeps an entry for each primitive that a task uses. The primitive writes its
// state to the entry, and any goroutine may read it, so the answer is current even
// while a task blocks the loop.
//
// A primitive reaches its entry through its waitLists, which have a pointer to the
// entry: nil until then, so each use costs one nil test. The registry must not keep
// primitives alive. So an entry has only a weak pointer to its primitive, and entries
// whose primitive was collected are dropped whenever the registry has doubled in size.

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"weak"
)

// Resource is a snapshot of the state of a lock, queue or another primitive. See
// [Loop.Resources].
type Resource struct {
	// ID identifies the resource within its loop.
	ID uint64
	// Kind is the type of the primitive, [Lock], [Condition], [Semaphore], [Event]
	// or [Queue], or one of connection, server and process.
	Kind string
	// Place is where a task first used the primitive after the loop began to list
	// its resources: the function, file and line of the caller. For a connection it
	// is the address of the peer, for a server its own address, and for a process
	// its id. It is "" if there is none, as for pipes.
	Place string
	// Holder is the task that holds a lock, HolderName its name when it acquired
	// the lock. They are nil and "" if the lock is free, if it was acquired before
	// the loop listed it, and for the other kinds. Only code that holds the loop's
	// token may call methods of Holder.
	Holder     AnyTask
	HolderName string
	// Value is 1 for a held lock and for an event that is set, the number of free
	// permits of a semaphore, or the number of items in a queue.
	Value int
	// Limit is the maximum Value of a queue or a bounded semaphore, 0 if there is
	// none.
	Limit int
	// Peak is the largest number of items that a queue has had since it was listed.
	Peak int
	// Waiting is the number of tasks that wait for it now.
	Waiting int
}

// String returns the resource in one line: "Lock of kv.(*Store).Set store.go:31, held
// by Task-7, 2 waiting".
func (r Resource) String() string {
	switch r.Kind {
	case "connection", "server", "process":
		return strings.TrimSpace(r.Kind + " " + r.Place)
	}
	s := fmt.Sprintf("%s of %s", r.Kind, r.Place)
	switch {
	case r.HolderName != "":
		s += ", held by " + r.HolderName
	case r.Kind == "Lock" && r.Value > 0:
		s += ", held"
	case r.Kind == "Lock":
		s += ", free"
	case r.Kind == "Event" && r.Value > 0:
		s += ", set"
	case r.Kind == "Event":
		s += ", not set"
	case r.Kind == "Queue":
		s += fmt.Sprintf(", %d items", r.Value)
	case r.Kind == "Semaphore":
		s += fmt.Sprintf(", %d free", r.Value)
	}
	if r.Limit > 0 {
		s += fmt.Sprintf(" of %d", r.Limit)
	}
	if r.Kind == "Queue" {
		s += fmt.Sprintf(", peak %d", r.Peak)
	}
	return s + fmt.Sprintf(", %d waiting", r.Waiting)
}

// Resources returns the locks, conditions, semaphores, events and queues of the loop
// that its tasks have used, and the open connections, servers and processes, in the
// order in which they were first used or opened. Primitives that the program no longer
// references are left out. Any goroutine may call it at any time: it does not wait for
// the loop, so it returns even while a task blocks the loop, and after the loop is
// closed.
//
// A loop lists nothing until the first call of Resources. From then on it lists what is
// used or opened; [Loop.Stats] starts in the same way. Each use of a primitive then
// takes some 20 ns longer, and the first use of each a few microseconds.
//
// asyncio has no equivalent; tokio-console lists resources.
func (l *Loop) Resources() []Resource {
	m := l.meterOf()
	reg := m.resources.Load()
	if reg == nil {
		if m.resources.CompareAndSwap(nil, new(resourceRegistry)) {
			l.startCounting(m)
		}
		return nil
	}
	return reg.list()
}

// resourceRegistry holds the entries of a loop.
type resourceRegistry struct {
	mu      sync.Mutex
	entries []*resource
	seq     uint64
	pruneAt int // the number of entries at which to drop the dead ones
	open    map[any]*resource
}

// resource is the entry of a primitive. mu guards state; the other fields do not
// change.
type resource struct {
	registry *resourceRegistry
	alive    func() bool
	gone     bool // guarded by registry.mu
	mu       sync.Mutex
	state    Resource
	holder   taskRef
}

func (reg *resourceRegistry) list() []Resource {
	reg.mu.Lock()
	reg.prune()
	entries := slices.Clone(reg.entries)
	reg.mu.Unlock()
	all := make([]Resource, len(entries))
	for i, r := range entries {
		r.mu.Lock()
		all[i] = r.state
		holder := r.holder
		r.mu.Unlock()
		all[i].HolderName = holder.String()
	}
	return all
}

// prune drops the entries whose primitive was collected. The caller holds reg.mu.
func (reg *resourceRegistry) prune() {
	reg.entries = slices.DeleteFunc(reg.entries, func(r *resource) bool { return !r.alive() })
	reg.pruneAt = 2*len(reg.entries) + 100
}

// opened lists a resource that has an explicit open and close.
func (reg *resourceRegistry) opened(key any, state Resource) {
	r := &resource{state: state}
	r.alive = func() bool { return !r.gone } // called with reg.mu held
	reg.add(r)
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if reg.open == nil {
		reg.open = map[any]*resource{}
	}
	reg.open[key] = r
}

func (reg *resourceRegistry) closed(key any) {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if r := reg.open[key]; r != nil {
		r.gone = true
		delete(reg.open, key)
	}
}

func (reg *resourceRegistry) add(r *resource) {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if len(reg.entries) >= reg.pruneAt {
		reg.prune()
	}
	reg.seq++
	r.registry, r.state.ID = reg, reg.seq
	reg.entries = append(reg.entries, r)
}

// listResource gives primitive p of an observed loop an entry, through its lists, if
// the loop lists resources and p has none yet. state returns the current state of p.
func listResource[T any](l *Loop, p *T, state func() Resource, lists ...*waitList) {
	reg := l.observed.meter.resources.Load()
	if reg == nil || lists[0].entry != nil && lists[0].entry.registry == reg {
		return
	}
	w := weak.Make(p)
	r := &resource{alive: func() bool { return w.Value() != nil }, state: state()}
	if r.state.Kind == "Queue" {
		r.state.Peak = r.state.Value
	}
	r.state.Place = userPlace()
	for _, list := range lists {
		list.entry = r
		r.state.Waiting += list.n
	}
	reg.add(r)
}

// userPlace returns the innermost place in the user's code.
func userPlace() string {
	stack := frames(wholeStack(), 0)
	if len(stack) == 0 {
		return "unknown"
	}
	f := stack[len(stack)-1]
	return fmt.Sprintf("%s %s:%d", shortFunction(f.Function), path.Base(f.File), f.Line)
}

// held records that t holds the lock; nil means that it is free.
func (r *resource) held(t *task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holder, r.state.Holder, r.state.Value = refTo(t), taskOrNil(t), 0
	if t != nil {
		r.state.Value = 1
	}
}

// now records the current value.
func (r *resource) now(value int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Value = value
	if r.state.Kind == "Queue" {
		r.state.Peak = max(r.state.Peak, value)
	}
}

// wait records n more waiting tasks.
func (r *resource) wait(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Waiting += n
}

// Resource returns the ID of the resource that the task of a [StepEnded] waits for, 0
// if it waits for something else or the loop does not list the resource. See
// [Loop.Resources]. Like [LoopEvent.What], call it only within Observe.
func (e *LoopEvent) Resource() uint64 {
	if e.future != nil {
		if w, ok := e.future.sub.(*waiter); ok && w.list != nil && w.list.entry != nil {
			return w.list.entry.state.ID
		}
	}
	return 0
}
