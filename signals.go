package aio

import (
	"os"
	"os/signal"
)

// interrupt is what SIGINT does during a Runner.Run.
type interrupt struct {
	loop  *Loop
	main  *task
	count int  // owned by the token
	over  bool // the run is: what is still in the inbox does nothing
	ch    chan os.Signal
	done  chan struct{}
}

// catchInterrupt has SIGINT cancel t.
func (l *Loop) catchInterrupt(t *task) *interrupt {
	i := &interrupt{loop: l, main: t}
	// The runtime's signal goroutine is started by the first signal.Notify of the process: inside
	// a synctest bubble it would belong to the bubble, which then never ends. A virtual clock
	// belongs to tests too, and to runs that must be repeatable.
	if l.virtual || l.inBubble() || signal.Ignored(os.Interrupt) {
		return i
	}
	i.ch = make(chan os.Signal, 1)
	i.done = make(chan struct{})
	signal.Notify(i.ch, os.Interrupt)
	go func() {
		defer close(i.done)
		for n := 1; n <= 2; n++ {
			if _, ok := <-i.ch; !ok {
				return
			}
			if n == 2 {
				signal.Stop(i.ch) // a third one reaches a program that hangs
			}
			l.post(event{i, nil}, false)
		}
	}()
	return i
}

// run implements runnable: SIGINT came.
func (i *interrupt) run(*future) {
	if i.over {
		return
	}
	i.count++
	if i.count == 1 && i.main.fut.state == pending {
		i.main.forceCancel(&CancelledError{Cause: ErrInterrupted})
		return
	}
	i.loop.runErr = ErrInterrupted
	i.loop.stopping = true
}

// stop gives SIGINT back.
func (i *interrupt) stop() {
	i.over = true
	if i.ch == nil {
		return
	}
	signal.Stop(i.ch)
	select {
	case <-i.done: // both interrupts came
	default:
		close(i.ch) // nothing is sent after Stop has returned
		<-i.done
	}
}

// outcome turns the error of main into that of Run.
func (i *interrupt) outcome(err error) error {
	if _, ok := asCancelled(err); ok && i.count > 0 && i.main.uncancel() == 0 {
		return ErrInterrupted
	}
	return err
}
