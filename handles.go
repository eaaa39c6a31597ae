package aio

// The state of a handle is owned by the token, except for one that CallSoonThreadsafe
// returned. That is guarded by a lock of its own, held while the callback runs: when
// Cancel returns to another goroutine, the callback has ended or will never begin. The
// callback itself, and tasks that it starts eagerly, hold the token and go past the lock.

import (
	"sync"

	"github.com/goaio/aio/internal/goid"
)

// Handle is a callback that was scheduled. (asyncio: Handle)
type Handle struct {
	loop   *Loop
	fn     func()
	stack  *[]uintptr  // of the call that made it, in debug mode
	shared *handleLock // of a handle that other goroutines may cancel
	done   bool        // cancelled
}

// handleLock lets any goroutine cancel a handle: it is held while the callback runs.
type handleLock struct {
	sync.Mutex
	running bool // the callback runs; owned by the token
}

// lock begins a use of the handle that may come from another goroutine.
func (h *Handle) lock(call string) (unlock func()) {
	if h.shared == nil {
		h.loop.check(call)
		return func() {}
	}
	if held, running := goid.Holder(&h.loop.owner); held == running && h.shared.running {
		// the callback itself, or a task that it has started eagerly
		return func() {}
	}
	h.shared.Lock()
	return h.shared.Unlock
}

// Cancel keeps the callback from running. Doing it again does nothing, nor does it once
// the callback has run. Only the handle of CallSoonThreadsafe may be cancelled by other
// goroutines; if its callback runs at that moment, Cancel waits for its end. (asyncio:
// Handle.cancel)
func (h *Handle) Cancel() {
	defer h.lock("Handle.Cancel")()
	h.cancel()
}

func (h *Handle) cancel() {
	h.done = true
	h.fn = nil
}

// Cancelled reports whether Cancel was called. For other goroutines the same holds as for
// Cancel. (asyncio: Handle.cancelled)
func (h *Handle) Cancelled() bool {
	defer h.lock("Handle.Cancelled")()
	return h.done
}

// run implements runnable.
func (h *Handle) run(*future) {
	if h.shared != nil {
		h.shared.Lock()
		h.shared.running = true
		defer func() {
			h.shared.running = false
			h.shared.Unlock()
		}()
	}
	if h.fn != nil {
		h.fn()
	}
}

// about tells an exception handler of the callback.
func (h *Handle) about(ec *ExceptionContext) {
	ec.Message += " " + h.String()
	ec.Handle = h
	if h.stack != nil {
		ec.Stack = *h.stack
	}
}

// String names the callback's function. A goroutine that may not touch the handle learns
// nothing.
func (h *Handle) String() string {
	if h.shared == nil && h.loop.checked("Handle.String") != nil {
		return "Handle of a loop that another goroutine runs"
	}
	defer h.lock("Handle.String")()
	if h.fn == nil {
		return "Handle cancelled"
	}
	return "Handle " + funcName(h.fn)
}

// newHandle makes the handle of a callback that call was given.
func (l *Loop) newHandle(call string, fn func()) *Handle {
	h := &Handle{}
	h.init(l, call, fn)
	return h
}

func (h *Handle) init(l *Loop, call string, fn func()) {
	if fn == nil {
		misuse(call, "the callback is nil")
	}
	h.loop, h.fn = l, fn
	if l.debug.Load() {
		stack := callers()
		h.stack = &stack
	}
}
