package aio_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
)

// notASignal implements os.Signal but is not a signal of the system.
type notASignal struct{}

func (notASignal) Signal()        {}
func (notASignal) String() string { return "not a signal" }

// LOOP-311
func TestSignalHandlerOfWhatIsNoSignal(t *testing.T) {
	l, _ := newLoop(t)
	for _, sig := range []os.Signal{nil, notASignal{}} {
		err := l.AddSignalHandler(sig, nop)
		matches(t, "AddSignalHandler", err, aio.ErrUsage)
		matches(t, "RemoveSignalHandler", panics(func() { l.RemoveSignalHandler(sig) }), aio.ErrUsage)
	}
}

// LOOP-313: passing a coroutine does not compile.
func TestSignalHandlerNil(t *testing.T) {
	l, _ := newLoop(t)
	matches(t, "AddSignalHandler", l.AddSignalHandler(os.Interrupt, nil), aio.ErrUsage)
	same(t, "RemoveSignalHandler", l.RemoveSignalHandler(os.Interrupt), false)
}

// LOOP-314: a loop in any goroutine can handle signals. AddSignalHandler fails only in
// a synctest bubble, and without the token.
func TestSignalHandlerInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A bubble begins in the year 2000; the package must not detect a bubble
		// by that year.
		for range 2 {
			for _, virtual := range []bool{false, true} {
				l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: virtual})
				defer l.Close()
				err := l.AddSignalHandler(os.Interrupt, nop)
				matches(t, "AddSignalHandler", err, errors.ErrUnsupported)
				contains(t, "the error", err.Error(), "testing/synctest")
				same(t, "RemoveSignalHandler", l.RemoveSignalHandler(os.Interrupt), false)
			}
			time.Sleep(2 * 365 * 24 * time.Hour)
		}
	})
}

func TestSignalHandlerNeedsTheToken(t *testing.T) {
	l, _ := newLoop(t)
	matches(t, "the run", runMain(l, func(ctx context.Context) error {
		_, err := aio.ToThread(ctx, aio.NoResult(func(context.Context) error {
			matches(t, "AddSignalHandler", l.AddSignalHandler(os.Interrupt, nop), aio.ErrWrongGoroutine)
			matches(t, "RemoveSignalHandler", panics(func() { l.RemoveSignalHandler(os.Interrupt) }), aio.ErrWrongGoroutine)
			return nil
		}))
		return err
	}), nil)
}

func TestRunnerWithWhatIsNoSignal(t *testing.T) {
	r := aio.Runner{Signals: []os.Signal{os.Interrupt, notASignal{}}}
	defer r.Close()
	err := r.Run(func(context.Context) error { t.Error("main was started"); return nil })
	matches(t, "Run", err, aio.ErrUsage)
}

func TestSignalError(t *testing.T) {
	interrupt, kill := &aio.SignalError{Signal: os.Interrupt}, &aio.SignalError{Signal: os.Kill}
	same(t, "Error", interrupt.Error(), "aio: signal: interrupt")
	same(t, "SIGINT is ErrInterrupted", errors.Is(interrupt, aio.ErrInterrupted), true)
	same(t, "another signal is", errors.Is(kill, aio.ErrInterrupted), false)
	same(t, "SIGINT is ErrCancelled", errors.Is(interrupt, aio.ErrCancelled), false)
}
