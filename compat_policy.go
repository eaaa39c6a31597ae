package aio

// asyncio is removing policies, and a Go program knows its loop by the ctx. The package
// has policies so that a ported program can keep using them until it is revised.
//
// asyncio has one policy for the process and one current loop for each thread.
// Goroutines are not threads: a program has many short-lived ones, and they have no
// local state. So there is one current loop for the process, as there is one policy.
// Mutexes guard both; nothing else in the package uses them.

import (
	"context"
	"sync"
)

// AbstractEventLoopPolicy defines which loop is the current one, and how loops are
// made. Any goroutine may call its methods. (asyncio: AbstractEventLoopPolicy)
//
// Deprecated: pass on the ctx of a task, which belongs to its loop, and make loops with
// a Runner, its Options or its LoopFactory.
type AbstractEventLoopPolicy interface {
	// GetEventLoop returns the current loop, or an error if there is none.
	GetEventLoop() (*Loop, error)
	// SetEventLoop makes l the current loop; nil means none.
	SetEventLoop(l *Loop)
	// NewEventLoop returns a new loop. It does not become the current one.
	NewEventLoop() *Loop
	// GetChildWatcher returns the watcher of child processes.
	GetChildWatcher() AbstractChildWatcher
	// SetChildWatcher makes w watch child processes; nil means none.
	SetChildWatcher(w AbstractChildWatcher)
}

// DefaultEventLoopPolicy is the policy of a program that sets none: the current loop is
// the one that any goroutine has set last. The zero value is ready to use. It must not
// be copied. (asyncio: DefaultEventLoopPolicy, where each thread has its own current
// loop)
//
// Deprecated: see AbstractEventLoopPolicy.
type DefaultEventLoopPolicy struct {
	mu      sync.Mutex
	current *Loop
	watcher AbstractChildWatcher // nil if none was set
}

// GetEventLoop returns the loop that [SetEventLoop] has set last, in any goroutine,
// even if it is closed. If there is none the error matches [ErrNoRunningLoop]; no loop
// is made. (asyncio: AbstractEventLoopPolicy.get_event_loop)
func (p *DefaultEventLoopPolicy) GetEventLoop() (*Loop, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return nil, errNoCurrentLoop
	}
	return p.current, nil
}

var errNoCurrentLoop = usagef("", "there is no current event loop: pass the ctx that the task was given, or call SetEventLoop").as(ErrNoRunningLoop)

// SetEventLoop makes l the current loop for every goroutine; nil means none. If a child
// watcher was set, it is attached to l, under the conditions of its AttachLoop.
// (asyncio: AbstractEventLoopPolicy.set_event_loop)
func (p *DefaultEventLoopPolicy) SetEventLoop(l *Loop) {
	p.mu.Lock()
	p.current = l
	w := p.watcher
	p.mu.Unlock()
	if w != nil {
		w.AttachLoop(l)
	}
}

// NewEventLoop returns a new loop with the default options.
// (asyncio: AbstractEventLoopPolicy.new_event_loop)
func (p *DefaultEventLoopPolicy) NewEventLoop() *Loop { return NewEventLoop(nil) }

// GetChildWatcher returns the watcher that was set, or otherwise a
// [*ThreadedChildWatcher], always the same one. (asyncio:
// AbstractEventLoopPolicy.get_child_watcher)
func (p *DefaultEventLoopPolicy) GetChildWatcher() AbstractChildWatcher {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.watcher == nil {
		return builtinWatcher
	}
	return p.watcher
}

// SetChildWatcher closes the watcher that was set before, and sets w; nil means none.
// It does not attach the current loop. (asyncio:
// AbstractEventLoopPolicy.set_child_watcher)
func (p *DefaultEventLoopPolicy) SetChildWatcher(w AbstractChildWatcher) {
	p.mu.Lock()
	old := p.watcher
	p.mu.Unlock()
	if old != nil {
		old.Close()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watcher = w
}

// thePolicy is the policy of the process.
var thePolicy struct {
	sync.Mutex
	set AbstractEventLoopPolicy // nil until the policy is first used
}

// GetEventLoopPolicy returns the policy of the process: the one that was set, or
// otherwise a [*DefaultEventLoopPolicy], always the same one. Any goroutine may call
// it. (asyncio: get_event_loop_policy)
//
// Deprecated: see AbstractEventLoopPolicy.
func GetEventLoopPolicy() AbstractEventLoopPolicy {
	thePolicy.Lock()
	defer thePolicy.Unlock()
	if thePolicy.set == nil {
		thePolicy.set = &DefaultEventLoopPolicy{}
	}
	return thePolicy.set
}

// SetEventLoopPolicy makes p the policy of the process; nil means a new default policy,
// which has no current loop. Any goroutine may call it. Unlike asyncio's, the functions
// [NewEventLoop] and [Run] do not use the policy: pass its NewEventLoop to a [Runner]
// as LoopFactory.
//
// (asyncio: set_event_loop_policy)
//
// Deprecated: see AbstractEventLoopPolicy.
func SetEventLoopPolicy(p AbstractEventLoopPolicy) {
	thePolicy.Lock()
	defer thePolicy.Unlock()
	thePolicy.set = p
}

// GetEventLoop returns the loop of ctx if it runs: in a task, and in a callback that
// has a ctx, this is [GetRunningLoop]. Otherwise it returns the loop of the policy, by
// default the loop of the last [SetEventLoop] or an error that matches
// [ErrNoRunningLoop]. It never makes a loop, never awaits, and any goroutine may call
// it. Unlike in asyncio the calling thread does not matter: without a ctx of the
// running loop, a task gets the policy's loop too.
//
// (asyncio: get_event_loop)
//
// Deprecated: use GetRunningLoop.
func GetEventLoop(ctx context.Context) (*Loop, error) {
	if l, err := GetRunningLoop(ctx); err == nil {
		return l, nil
	}
	return GetEventLoopPolicy().GetEventLoop()
}

// SetEventLoop makes l the current loop of the policy, by default for every goroutine
// of the process; nil means none. Any goroutine may call it. [Run] and [Runner] do not
// set the current loop, because they may run in several goroutines at once.
//
// (asyncio: set_event_loop)
//
// Deprecated: pass the loop, or a ctx of it, to the code that needs it.
func SetEventLoop(l *Loop) { GetEventLoopPolicy().SetEventLoop(l) }
