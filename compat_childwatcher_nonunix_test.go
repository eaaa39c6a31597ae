//go:build !unix

package aio_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/goaio/aio"
)

// On other systems than Unix, child watchers return an error that says so.
func TestChildWatchersUnsupported(t *testing.T) {
	inVirtualLoop(t, func(ctx context.Context, l *aio.Loop) {
		for _, w := range []aio.AbstractChildWatcher{
			&aio.PidfdChildWatcher{}, &aio.ThreadedChildWatcher{}, &aio.SafeChildWatcher{},
			&aio.FastChildWatcher{}, &aio.MultiLoopChildWatcher{}, aio.GetChildWatcher(),
		} {
			w.AttachLoop(l)
			same(t, fmt.Sprintf("%T is active", w), w.IsActive(), false)
			w.Enter()
			matches(t, fmt.Sprintf("%T", w), w.AddChildHandler(ctx, 1, func(int, int) {}), errors.ErrUnsupported)
			w.Exit()
			same(t, "RemoveChildHandler", w.RemoveChildHandler(1), false)
			w.Close()
		}
	})
}
