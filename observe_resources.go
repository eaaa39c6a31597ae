package aio

// Locks, queues and other primitives, for those who look on. A loop whose resources were
// asked for keeps an entry for each primitive that a task has used since. The primitive
// writes its state there, and any goroutine may read it, so the answer is that of this
// moment also while a task blocks the loop.
//
// An entry is found by its primitive through the waitLists in it, which have a pointer to
// the entry: nil until then, and one nil test for each use. The registry must not keep
// primitives alive. So an entry has only a weak pointer to its primitive, and entries
// whose primitive is gone are dropped when the registry has doubled.

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"weak"
)

// Resource is the state of a lock, queue or another primitive at one moment. See
// [Loop.Resources].
type Resource struct {
	// ID tells the resources of a loop apart.
	ID uint64
	// Kind is [Lock], [Condition], [Semaphore], [Event] or [Queue] for those, and
	// connection, server or process.
	Kind string
	// Place is where a task has used it first since the loop lists its resources: the
	// function, file and line of the caller. For a connection it is the address of
	// the peer, for a server its own, and for a process its number. It is "" if there
	// is none, as for pipes.
	Place string
	// Holder is the task that holds a lock, HolderName its name at the time when it
	// acquired the lock. They are nil and "" if the lock is free, was acquired before
	// the loop listed it, or for the other kinds. Only the loop may call methods of
	// Holder.
	Holder     AnyTask
	HolderName string
	// Value is 1 for a lock that is held and for an event that is set, the number of
	// free permits of a semaphore, or the number of items in a queue.
	Value int
	// Limit is the maximal Value of a queue or a bounded semaphore, 0 without one.
	Limit int
	// Peak is the largest number of items that a queue has had since it is listed.
	Peak int
	// Waiting is how many tasks wait for it now, of those that began to wait since it
	// is listed.
	Waiting int
}

// String is the resource in one line: "Lock of kv.(*Store).Set store.go:31, held by
// Task-7, 2 waiting".
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

// Resources returns the locks, conditions, semaphores, events and queues of the loop that
// its tasks have used, and the connections, servers and processes that are open, in the
// order in which they were used first or opened. Those that the program has dropped are
// left out. Any goroutine may call it at any time: it does not wait for
// the loop, so it answers while a task blocks the loop, and when the loop is closed.
//
// A loop lists nothing until somebody asks. It begins with the first call of Resources,
// as [Loop.Stats] does, and lists what is used after that. Each use of a primitive then
// costs some 20 ns more, and the first use of each a few microseconds.
//
// asyncio has nothing of the kind; tokio-console lists resources.
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

// resourceRegistry has the entries of a loop.
type resourceRegistry struct {
	mu      sync.Mutex
	entries []*resource
	seq     uint64
	pruneAt int // the number of entries at which to drop the dead ones
	open    map[any]*resource
}

// resource is the entry of a primitive. mu guards state; the rest does not change.
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

// prune drops the entries whose primitive is gone. The caller holds reg.mu.
func (reg *resourceRegistry) prune() {
	reg.entries = slices.DeleteFunc(reg.entries, func(r *resource) bool { return !r.alive() })
	reg.pruneAt = 2*len(reg.entries) + 100
}

// opened lists what has a beginning and an end.
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

// listResource gives primitive p of a loop that is observed an entry, through its lists,
// if the loop lists resources and p has none yet. state says how p is now.
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
	reg.add(r)
	for _, list := range lists {
		list.entry = r
	}
}

// userPlace is the innermost place in the user's code.
func userPlace() string {
	stack := frames(wholeStack(), 0)
	if len(stack) == 0 {
		return "unknown"
	}
	f := stack[len(stack)-1]
	return fmt.Sprintf("%s %s:%d", shortFunction(f.Function), path.Base(f.File), f.Line)
}

// held says that t holds the lock, or nobody does if t is nil.
func (r *resource) held(t *task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holder, r.state.Holder, r.state.Value = refTo(t), taskOrNil(t), 0
	if t != nil {
		r.state.Value = 1
	}
}

// now says what the value is.
func (r *resource) now(value int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Value = value
	if r.state.Kind == "Queue" {
		r.state.Peak = max(r.state.Peak, value)
	}
}

// wait counts n tasks more that wait.
func (r *resource) wait(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Waiting += n
}

// Resource returns the ID of the resource for which the task of a [StepEnded] waits, 0
// if it waits for something else or the loop does not list it. See [Loop.Resources].
// Like What, it has to be asked while the event is observed.
func (e *LoopEvent) Resource() uint64 {
	if e.future != nil {
		if w, ok := e.future.sub.(*waiter); ok && w.list != nil && w.list.entry != nil {
			return w.list.entry.state.ID
		}
	}
	return 0
}
