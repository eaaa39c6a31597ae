package aio

// The token owns the state of a handle, except for a handle that CallSoonThreadsafe
// returned. That one has a lock, which is held while the callback runs: when Cancel
// returns to another goroutine, the callback has returned or will never run. The
// callback itself, and tasks that it starts eagerly, hold the token and do not take the
// lock.
//
// Allocation was most of the cost of CallSoon, so its handles are made in blocks. A
// handle that the user keeps also keeps the others of its block in memory, but not what
// their callbacks refer to: a handle forgets its callback when that has returned.

import (
	"reflect"
	"runtime"
	"sync"

	"github.com/goaio/aio/internal/goid"
)

// Handle is a scheduled callback. (asyncio: Handle)
type Handle struct {
	loop   *Loop
	fn     func()
	stack  *[]uintptr  // the stack of the call that made the handle, in debug mode
	shared *handleLock // nil unless other goroutines may cancel the handle
	done   bool        // cancelled
	once   bool        // the handle forgets its callback when that has returned
	ran    uintptr     // the code of a callback that was forgotten, for String
}

// handleBlock is the number of handles in a block.
const handleBlock = 16

// handles has the unused ones of a block.
type handles []Handle

// take returns an unused handle.
func (s *handles) take() *Handle {
	if len(*s) == 0 {
		*s = make([]Handle, handleBlock)
	}
	h := &(*s)[0]
	*s = (*s)[1:]
	return h
}

// handleLock lets any goroutine cancel a handle: it is held while the callback runs.
type handleLock struct {
	sync.Mutex
	running bool // the callback runs; owned by the token
}

// lock begins a use of the handle by any goroutine.
func (h *Handle) lock(call string) (unlock func()) {
	if h.shared == nil {
		h.loop.check(call)
		return func() {}
	}
	if held, running := goid.Holder(&h.loop.owner); held == running && h.shared.running {
		// the callback itself, or a task that it started eagerly
		return func() {}
	}
	h.shared.Lock()
	return h.shared.Unlock
}

// Cancel keeps the callback from running. Calling it again, or after the callback has
// run, does nothing. Other goroutines may cancel only a handle of
// [Loop.CallSoonThreadsafe]; if its callback is running, Cancel waits until it has
// returned.
//
// (asyncio: Handle.cancel)
func (h *Handle) Cancel() {
	defer h.lock("Handle.Cancel")()
	h.cancel()
}

func (h *Handle) cancel() {
	h.done = true
	h.fn = nil
}

// Cancelled reports whether Cancel was called. Other goroutines may call it under the
// same conditions as Cancel. (asyncio: Handle.cancelled)
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
	if h.fn == nil {
		return
	}
	h.fn()
	if h.once {
		h.ran = reflect.ValueOf(h.fn).Pointer()
		h.fn = nil
	}
}

// about adds the callback to the context of an exception handler.
func (h *Handle) about(ec *ExceptionContext) {
	ec.Message += " " + h.String()
	ec.Handle = h
	if h.stack != nil {
		ec.Stack = *h.stack
	}
}

// String names the callback's function. For a goroutine that may not touch the handle
// it returns only a constant.
func (h *Handle) String() string {
	if h.loop == nil {
		return "zero Handle"
	}
	if h.shared == nil && !h.loop.holds() {
		return "Handle of a loop that another goroutine runs"
	}
	defer h.lock("Handle.String")()
	switch {
	case h.fn != nil:
		return "Handle " + funcName(h.fn)
	case h.done:
		return "Handle cancelled"
	default:
		return "Handle " + runtime.FuncForPC(h.ran).Name()
	}
}

// newHandle makes the handle of a callback that was passed to call.
func (l *Loop) newHandle(call string, fn func()) *Handle {
	h := &Handle{}
	h.init(l, call, fn)
	return h
}

func (h *Handle) init(l *Loop, call string, fn func()) {
	if fn == nil {
		misuse(call, "the callback is nil")
	}
	if err := l.made(call); err != nil {
		panic(err)
	}
	h.loop, h.fn = l, fn
	if l.debug.Load() {
		stack := callers()
		h.stack = &stack
	}
}
