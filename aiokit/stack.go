package aiokit

import (
	"context"
	"errors"
	"iter"

	"github.com/goaio/aio"
)

// ExitStack holds the clean-up functions of a body. See [WithExitStack].
type ExitStack struct {
	open  bool
	exits []func(ctx context.Context, err error) error
}

// WithExitStack runs body with a new stack, and then calls the functions pushed on it,
// the last one first, however body ends: also after a panic. Use it for resources whose
// number is not known in advance, or to enter several without nesting.
//
// The result is the error of body, as the exits have changed it: see [ExitStack.Enter].
// The errors of [ExitStack.Push] functions are joined with it, by [errors.Join].
//
// The exits run in the task that calls WithExitStack, and may await. A cancellation
// reaches them, so use aio.Shielded for clean-up that must complete. A nil body is
// misuse. (contextlib: AsyncExitStack)
func WithExitStack(ctx context.Context, body func(ctx context.Context, s *ExitStack) error) (err error) {
	if body == nil {
		return usagef("WithExitStack: the body is nil")
	}
	if err := entered(ctx); err != nil {
		return err
	}
	s := &ExitStack{open: true}
	returned := false
	defer func() {
		if !returned {
			_ = s.unwind(ctx, nil) // a panic, or runtime.Goexit, continues
		}
	}()
	err = body(ctx, s)
	returned = true
	return s.unwind(ctx, err)
}

// unwind calls the exits. If one panics, the others are still called, and the panic
// continues.
func (s *ExitStack) unwind(ctx context.Context, err error) error {
	for len(s.exits) > 0 {
		exit := s.exits[len(s.exits)-1]
		s.exits = s.exits[:len(s.exits)-1]
		returned := false
		func() {
			defer func() {
				if !returned {
					_ = s.unwind(ctx, err)
				}
			}()
			err = exit(ctx, err)
			returned = true
		}()
	}
	s.open = false
	return err
}

func (s *ExitStack) push(call string, exit func(ctx context.Context, err error) error) {
	if !s.open {
		panic(usagef("ExitStack.%s: the stack has been left", call))
	}
	s.exits = append(s.exits, exit)
}

// Push adds f, to be called when the stack is unwound. It never awaits. It panics if f
// is nil or the stack has been unwound. (contextlib: push_async_callback)
func (s *ExitStack) Push(f func(ctx context.Context) error) {
	if f == nil {
		panic(usagef("ExitStack.Push: the function is nil"))
	}
	s.push("Push", func(ctx context.Context, err error) error {
		if e := f(ctx); e != nil {
			return join(err, e)
		}
		return err
	})
}

func join(a, b error) error {
	if a == nil {
		return b
	}
	return errors.Join(a, b)
}

// Enter enters with, a function that runs a body, such as lock.With. It returns the ctx
// that with gives its body; use this ctx from then on. The body of with lasts until the
// stack is unwound. The body then returns the current error, and the result of with
// becomes the new one: so a lock is released, a Timeout converts its cancellation into
// aio.ErrTimeout, a TaskGroup waits for its tasks. If with fails before it calls its
// body, Enter returns that error, and the stack is unchanged. A nil with, one that does
// not call its body, and a stack that has been unwound are misuse. (contextlib:
// enter_async_context)
//
//	ctx, err := stack.Enter(ctx, lock.With)
func (s *ExitStack) Enter(ctx context.Context, with func(ctx context.Context, body func(ctx context.Context) error) error) (inside context.Context, err error) {
	switch {
	case with == nil:
		return nil, usagef("ExitStack.Enter: the function is nil")
	case !s.open:
		return nil, usagef("ExitStack.Enter: the stack has been left")
	}
	if err := entered(ctx); err != nil {
		return nil, err
	}
	var outcome error
	it := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[context.Context, error] {
		return func(yield func(context.Context, error) bool) {
			outcome = with(ctx, func(ctx context.Context) error {
				yield(ctx, nil)
				return outcome
			})
		}
	})
	inside, ok, err := it.Next(ctx)
	switch {
	case err != nil:
		return nil, err
	case !ok && outcome == nil:
		return nil, usagef("ExitStack.Enter: the function has not called its body")
	case !ok:
		return nil, outcome
	}
	s.push("Enter", func(ctx context.Context, err error) error {
		outcome = err
		if err := it.Close(ctx); err != nil && outcome == nil {
			return err
		}
		return outcome
	})
	return inside, nil
}

// PopAll moves the contents of the stack into a function that calls them, for an owner
// that takes over the resources. (contextlib: pop_all)
func (s *ExitStack) PopAll() (leave func(ctx context.Context) error) {
	moved := &ExitStack{open: true, exits: s.exits}
	s.exits = nil
	return func(ctx context.Context) error { return moved.unwind(ctx, nil) }
}
