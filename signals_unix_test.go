//go:build unix

package aio_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// signalLoop returns a loop with a real clock that is closed when the test ends.
func signalLoop(t *testing.T) *aio.Loop {
	l := aio.NewEventLoop(nil)
	t.Cleanup(func() { matches(t, "closing the loop", l.Close(), nil) })
	return l
}

// signalSelf sends sig to the process.
func signalSelf(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		t.Fatal(err)
	}
}

// signalCatcher catches sig in addition to the loops, so that it does not end the test
// process. send sends sig to the process and returns when os/signal has received it.
func signalCatcher(t *testing.T, sig syscall.Signal) (send func()) {
	own := make(chan os.Signal, 1)
	signal.Notify(own, sig)
	t.Cleanup(func() { signal.Stop(own) })
	return func() {
		t.Helper()
		signalSelf(t, sig)
		<-own
	}
}

// signalsPosted waits until n signals are in the inbox of l, which does not run.
func signalsPosted(l *aio.Loop, n int) {
	for aio.Posted(l) < n {
		runtime.Gosched()
	}
}

// LOOP-310
func TestSignalHandlerRuns(t *testing.T) {
	for _, debug := range []bool{false, true} {
		l := signalLoop(t)
		l.SetDebug(debug)
		var log eventLog
		var came aio.Event
		handle := func(name string) func() {
			return func() {
				same(t, "a task runs", aio.CurrentTask(l.Context()) != nil, false)
				// CallSoon panics without the token
				l.CallSoon(func() { log.add("after"); came.Set() })
				log.add("%s", name)
			}
		}
		matches(t, "the run", runMain(l, func(ctx context.Context) error {
			matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, handle("usr1")), nil)
			matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR2, handle("usr2")), nil)
			for range 3 {
				for _, sig := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2} {
					came.Clear()
					signalSelf(t, sig)
					if err := came.Wait(ctx); err != nil {
						// only the signal can wake the loop
						return err
					}
				}
			}
			return nil
		}), nil)
		log.want(t, strings.Repeat("usr1 after usr2 after ", 3))
	}
}

// LOOP-310: if a signal arrives while the loop is not running, the handler runs in the
// next run. The loop takes a signal at the start of a pass, after the calls scheduled
// before, and the handler runs in the pass after that.
func TestSignalHandlerRunsInTheSecondPass(t *testing.T) {
	l := signalLoop(t)
	var log eventLog
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, func() { log.add("signal") }), nil)
	send := signalCatcher(t, syscall.SIGUSR1)
	_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		send()
		signalsPosted(l, 1)
		for _, name := range []string{"a", "b", "c"} {
			l.CallSoon(func() { log.add("%s", name) })
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return nil
	}))
	matches(t, "run", err, nil)
	log.want(t, "a b signal c")
}

func TestSignalBetweenRuns(t *testing.T) {
	l := signalLoop(t)
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, l.Stop), nil)
	for range 2 {
		signalSelf(t, syscall.SIGUSR1)
		matches(t, "RunForever", l.RunForever(), nil)
	}
}

// LOOP-310
func TestSignalHandlerPanics(t *testing.T) {
	l := signalLoop(t)
	failure := errors.New("failure")
	l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
		matches(t, "Err", ec.Err, failure)
		contains(t, "Message", ec.Message, "exception in callback Handle")
		contains(t, "Message", ec.Message, "TestSignalHandlerPanics")
		l.Stop()
	})
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, func() { panic(failure) }), nil)
	for range 2 {
		signalSelf(t, syscall.SIGUSR1)
		matches(t, "RunForever", l.RunForever(), nil)
	}
}

// LOOP-310
func TestSignalHandlerIsReplaced(t *testing.T) {
	l := signalLoop(t)
	send := signalCatcher(t, syscall.SIGUSR1)
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, func() { t.Error("the first handler ran") }), nil)
	send()
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, l.Stop), nil)
	// the earlier signal is not lost
	matches(t, "RunForever", l.RunForever(), nil)
	same(t, "RemoveSignalHandler", l.RemoveSignalHandler(syscall.SIGUSR1), true)
	same(t, "RemoveSignalHandler again", l.RemoveSignalHandler(syscall.SIGUSR1), false)
}

// LOOP-311
func TestSignalNumbers(t *testing.T) {
	l := signalLoop(t)
	for _, sig := range []syscall.Signal{-1, 0, 65, 1000} {
		matches(t, fmt.Sprint("AddSignalHandler of ", sig), l.AddSignalHandler(sig, nop), aio.ErrUsage)
		matches(t, fmt.Sprint("RemoveSignalHandler of ", sig), panics(func() { l.RemoveSignalHandler(sig) }), aio.ErrUsage)
	}
}

// LOOP-312
func TestSignalsThatCannotBeCaught(t *testing.T) {
	l := signalLoop(t)
	for _, sig := range []os.Signal{syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGPROF} {
		err := l.AddSignalHandler(sig, nop)
		matches(t, "AddSignalHandler", err, aio.ErrUsage)
		matches(t, "AddSignalHandler", err, errors.ErrUnsupported)
		same(t, "RemoveSignalHandler", l.RemoveSignalHandler(sig), false)

		r := aio.Runner{Signals: []os.Signal{sig}}
		err = r.Run(func(context.Context) error { t.Error("main was started"); return nil })
		matches(t, "Run", err, errors.ErrUnsupported)
		matches(t, "Close", r.Close(), nil)
	}
}

// LOOP-314: in asyncio only one thread may handle signals. Here each loop with a
// handler gets them.
func TestSignalsInSeveralLoops(t *testing.T) {
	const loops, rounds = 3, 3
	var ready, done sync.WaitGroup
	counts := make([]int, loops)
	ready.Add(loops)
	again := make(chan struct{}) // never closed: each send resumes one loop
	for n := range loops {
		done.Go(func() {
			matches(t, "Run", aio.Run(func(ctx context.Context) error {
				l, _ := aio.GetRunningLoop(ctx)
				var came aio.Event
				matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, func() { counts[n]++; came.Set() }), nil)
				for range rounds {
					came.Clear()
					ready.Done()
					if err := came.Wait(ctx); err != nil {
						return err
					}
					if _, _, err := aio.Receive(ctx, again); err != nil {
						return err
					}
				}
				return nil
			}), nil)
		})
	}
	for round := range rounds {
		ready.Wait()
		if round+1 < rounds {
			ready.Add(loops)
		}
		signalSelf(t, syscall.SIGUSR1)
		for range loops {
			again <- struct{}{} // resumes a loop that has received the signal
		}
	}
	done.Wait()
	same(t, "signals in each loop", fmt.Sprint(counts), fmt.Sprint([]int{rounds, rounds, rounds}))
}

// LOOP-316, LOOP-319
func TestSignalOfRemovedHandler(t *testing.T) {
	l := signalLoop(t)
	send := signalCatcher(t, syscall.SIGUSR1)
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, func() { t.Error("the handler ran") }), nil)
	send()
	same(t, "RemoveSignalHandler", l.RemoveSignalHandler(syscall.SIGUSR1), true)
	same(t, "RemoveSignalHandler again", l.RemoveSignalHandler(syscall.SIGUSR1), false)
	send()
	matches(t, "the run", runMain(l, func(ctx context.Context) error { letPass(ctx, 5); return nil }), nil)
}

// LOOP-316, LOOP-319: two signals have arrived, and the first handler removes the other
// one.
func TestSignalHandlerRemovesAnother(t *testing.T) {
	l := signalLoop(t)
	ran := 0
	for _, sigs := range [][2]syscall.Signal{{syscall.SIGUSR1, syscall.SIGUSR2}, {syscall.SIGUSR2, syscall.SIGUSR1}} {
		matches(t, "AddSignalHandler", l.AddSignalHandler(sigs[0], func() {
			ran++
			same(t, "RemoveSignalHandler", l.RemoveSignalHandler(sigs[1]), true)
			l.CallSoon(func() { l.CallSoon(l.Stop) })
		}), nil)
	}
	signalSelf(t, syscall.SIGUSR1)
	signalSelf(t, syscall.SIGUSR2)
	signalsPosted(l, 2)
	matches(t, "RunForever", l.RunForever(), nil)
	same(t, "handlers that ran", ran, 1)
}

// LOOP-317
func TestSignalHandlersAreIndependent(t *testing.T) {
	l := signalLoop(t)
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, nop), nil)
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR2, l.Stop), nil)
	same(t, "RemoveSignalHandler", l.RemoveSignalHandler(syscall.SIGUSR1), true)
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGKILL, nop), errors.ErrUnsupported)
	signalSelf(t, syscall.SIGUSR2)
	matches(t, "RunForever", l.RunForever(), nil)
}

// LOOP-003, LOOP-318
func TestSignalHandlersOfClosedLoop(t *testing.T) {
	l := aio.NewEventLoop(nil)
	send := signalCatcher(t, syscall.SIGUSR1)
	failed := func() { t.Error("a handler ran") }
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, failed), nil)
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR2, failed), nil)
	send()
	matches(t, "Close", l.Close(), nil)
	send()
	same(t, "RemoveSignalHandler", l.RemoveSignalHandler(syscall.SIGUSR1), false)
	matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, failed), aio.ErrLoopClosed)
}

// LOOP-320
func TestSignalOfChildProcess(t *testing.T) {
	if os.Getenv(childMode) != "" {
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	l := signalLoop(t)
	var log eventLog
	var came aio.Event
	cmd := childProcess(t, "child")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	matches(t, "the run", runMain(l, func(ctx context.Context) error {
		matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGTERM, func() { log.add("handler"); came.Set() }), nil)
		line, err := aio.ToThread(ctx, func(context.Context) (string, error) { return bufio.NewReader(stdout).ReadString('\n') })
		same(t, "the child says", fmt.Sprintf("%q %v", line, err), `"ready\n" <nil>`)
		matches(t, "Signal", cmd.Process.Signal(syscall.SIGTERM), nil)
		_, err = aio.ToThread(ctx, aio.NoResult(func(context.Context) error { return cmd.Wait() }))
		var exit *exec.ExitError
		same(t, "the child's end is an ExitError", errors.As(err, &exit), true)
		log.add("%v", strings.ReplaceAll(exit.Error(), " ", ""))
		signalSelf(t, syscall.SIGTERM)
		return came.Wait(ctx)
	}), nil)
	log.want(t, "signal:terminated handler")
}

// With a signal handler, waiting is not a deadlock for a virtual clock.
func TestSignalAndVirtualClock(t *testing.T) {
	l, _ := newLoop(t)
	err := runMain(l, func(ctx context.Context) error {
		for range 2 { // the second iteration replaces the handler
			matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, nop), nil)
		}
		var came aio.Event
		matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGUSR1, came.Set), nil)
		start := l.Time()
		matches(t, "Sleep", aio.Sleep(ctx, time.Hour), nil)
		same(t, "time that passed", l.Time().Sub(start), time.Hour)
		signalSelf(t, syscall.SIGUSR1)
		matches(t, "Wait", came.Wait(ctx), nil)
		same(t, "RemoveSignalHandler", l.RemoveSignalHandler(syscall.SIGUSR1), true)
		came.Clear()
		return came.Wait(ctx)
	})
	matches(t, "the run", err, aio.ErrDeadlock)
}

// signalOf returns the signal in err, or nil.
func signalOf(err error) os.Signal {
	var s *aio.SignalError
	if !errors.As(err, &s) {
		return nil
	}
	return s.Signal
}

// RUN-019, with any signal.
func TestRunnerSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		r := aio.Runner{Signals: []os.Signal{syscall.SIGTERM, os.Interrupt, syscall.SIGTERM}}
		for range 2 {
			err := r.Run(func(ctx context.Context) error {
				signalSelf(t, sig)
				err := aio.Sleep(ctx, time.Hour)
				matches(t, "Sleep", err, aio.ErrCancelled)
				same[os.Signal](t, "the signal of Sleep", signalOf(err), sig)
				same[os.Signal](t, "the signal of the context", signalOf(context.Cause(ctx)), sig)
				return err
			})
			same[os.Signal](t, "the signal of Run", signalOf(err), sig)
			same(t, "interrupted", errors.Is(err, aio.ErrInterrupted), sig == syscall.SIGINT)
			same(t, "cancelled", errors.Is(err, aio.ErrCancelled), false)
		}
		matches(t, "Close", r.Close(), nil)
	}
}

// RUN-024: the second signal may differ from the first.
func TestRunnerTwoSignals(t *testing.T) {
	r := aio.Runner{Signals: []os.Signal{syscall.SIGTERM, os.Interrupt}}
	var log eventLog
	err := r.Run(func(ctx context.Context) error {
		signalSelf(t, syscall.SIGTERM)
		log.add("%v", signalOf(aio.Sleep(ctx, time.Hour)))
		signalSelf(t, syscall.SIGINT)
		err := aio.Sleep(ctx, time.Hour)
		log.add("%v", signalOf(err))
		return err
	})
	same[os.Signal](t, "the signal of Run", signalOf(err), syscall.SIGINT)
	log.want(t, "terminated")
	matches(t, "Close", r.Close(), nil)
	log.want(t, "<nil>")
}

// LOOP-316: when the handler is removed, the Runner handles SIGINT again.
func TestSignalHandlerInRunner(t *testing.T) {
	for _, before := range []bool{false, true} {
		var r aio.Runner
		l, err := r.GetLoop()
		matches(t, "GetLoop", err, nil)
		var log eventLog
		var came aio.Event
		add := func() {
			matches(t, "AddSignalHandler", l.AddSignalHandler(os.Interrupt, func() { log.add("handler"); came.Set() }), nil)
		}
		if before {
			add()
		}
		err = r.Run(func(ctx context.Context) error {
			if !before {
				add()
			}
			for range 4 { // more than are needed to end a run
				came.Clear()
				signalSelf(t, syscall.SIGINT)
				if err := came.Wait(ctx); err != nil {
					return err
				}
			}
			same(t, "RemoveSignalHandler", l.RemoveSignalHandler(os.Interrupt), true)
			same(t, "RemoveSignalHandler again", l.RemoveSignalHandler(os.Interrupt), false)
			signalSelf(t, syscall.SIGINT)
			err := aio.Sleep(ctx, time.Hour)
			log.add("%v", signalOf(err))
			return err
		})
		matches(t, "Run", err, aio.ErrInterrupted)
		log.want(t, "handler handler handler handler interrupt")
		matches(t, "Close", r.Close(), nil)
	}
}

// RUN-024: after two signals the Runner no longer handles signals. A handler
// still gets the next one.
func TestSignalHandlerAfterTwoSignals(t *testing.T) {
	r := aio.Runner{Signals: []os.Signal{syscall.SIGTERM}}
	l, err := r.GetLoop()
	matches(t, "GetLoop", err, nil)
	var came aio.Event
	err = r.Run(func(ctx context.Context) error {
		for n := range 2 {
			signalSelf(t, syscall.SIGTERM)
			signalsPosted(l, n+1)
		}
		matches(t, "AddSignalHandler", l.AddSignalHandler(syscall.SIGTERM, came.Set), nil)
		signalSelf(t, syscall.SIGTERM)
		return aio.Sleep(ctx, time.Hour)
	})
	same[os.Signal](t, "the signal of Run", signalOf(err), syscall.SIGTERM)
	matches(t, "the next run", r.Run(came.Wait), nil)
	err = r.Run(func(ctx context.Context) error { // this Run handles signals again
		same(t, "RemoveSignalHandler", l.RemoveSignalHandler(syscall.SIGTERM), true)
		signalSelf(t, syscall.SIGTERM)
		return aio.Sleep(ctx, time.Hour)
	})
	same[os.Signal](t, "the signal of the last run", signalOf(err), syscall.SIGTERM)
	matches(t, "Close", r.Close(), nil)
}

// A handler stays installed after the run in which it was added, until the loop is
// closed.
func TestSignalHandlerAfterRun(t *testing.T) {
	var r aio.Runner
	var came aio.Event
	matches(t, "Run", r.Run(func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		matches(t, "AddSignalHandler", l.AddSignalHandler(os.Interrupt, came.Set), nil)
		return err
	}), nil)
	signalSelf(t, syscall.SIGINT)
	matches(t, "Run", r.Run(came.Wait), nil)
	matches(t, "Close", r.Close(), nil)
}

// signalled contains the programs of TestSignalDefaults. They print the name of a
// signal, and must be killed by it.
var signalled = map[string]func() error{
	// LOOP-316
	"handler removed": func() error {
		l := aio.NewEventLoop(nil)
		defer l.Close()
		for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGUSR2} {
			if err := l.AddSignalHandler(sig, nop); err != nil {
				return err
			}
		}
		l.RemoveSignalHandler(syscall.SIGTERM)
		return waitFor("SIGTERM")
	},
	"SIGINT handler removed": func() error {
		l := aio.NewEventLoop(nil)
		defer l.Close()
		if err := l.AddSignalHandler(os.Interrupt, nop); err != nil {
			return err
		}
		l.RemoveSignalHandler(os.Interrupt)
		return waitFor("SIGINT")
	},
	// LOOP-318
	"loop closed": func() error {
		l := aio.NewEventLoop(nil)
		if err := l.AddSignalHandler(syscall.SIGTERM, nop); err != nil {
			return err
		}
		l.Close()
		return waitFor("SIGTERM")
	},
	"by default only SIGINT": func() error {
		return aio.Run(func(context.Context) error { return waitFor("SIGTERM") })
	},
	"no signals": func() error {
		r := aio.Runner{Signals: []os.Signal{}}
		return r.Run(func(context.Context) error { return waitFor("SIGINT") })
	},
	"virtual clock": func() error {
		r := aio.Runner{Signals: []os.Signal{syscall.SIGTERM}, Options: &aio.LoopOptions{VirtualClock: true}}
		return r.Run(func(context.Context) error { return waitFor("SIGTERM") })
	},
	// RUN-025
	"after the run": func() error {
		r := aio.Runner{Signals: []os.Signal{syscall.SIGTERM}}
		if err := r.Run(func(ctx context.Context) error { letPass(ctx, 5); return nil }); err != nil {
			return err
		}
		return waitFor("SIGTERM")
	},
	// RUN-024: the third signal kills a program that hangs.
	"main hangs": func() error {
		return signalledTwice(func(*aio.Loop) error { return waitFor("SIGTERM") })
	},
	"main hangs, and has removed its handler": func() error {
		return signalledTwice(func(l *aio.Loop) error {
			if err := l.AddSignalHandler(syscall.SIGTERM, nop); err != nil {
				return err
			}
			l.RemoveSignalHandler(syscall.SIGTERM)
			return waitFor("SIGTERM")
		})
	},
}

// signalledTwice calls main in a run that has got two signals but not handled them yet.
func signalledTwice(main func(l *aio.Loop) error) error {
	r := aio.Runner{Signals: []os.Signal{syscall.SIGTERM}}
	return r.Run(func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		for n := range 2 {
			if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
				return err
			}
			signalsPosted(l, n+1)
		}
		return main(l)
	})
}

// waitFor asks the parent for a signal and blocks.
func waitFor(name string) error {
	fmt.Println(name)
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// LOOP-316, LOOP-318, RUN-024, RUN-025
func TestSignalDefaults(t *testing.T) {
	if mode := os.Getenv(childMode); mode != "" {
		fmt.Println("end:", signalled[mode]())
		os.Exit(0)
	}
	sigs := map[string]syscall.Signal{"SIGINT\n": syscall.SIGINT, "SIGTERM\n": syscall.SIGTERM}
	for name := range signalled {
		t.Run(name, func(t *testing.T) {
			cmd := childProcess(t, name)
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer stdin.Close()
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(stdout).ReadString('\n')
			sig, ok := sigs[line]
			if !ok {
				t.Errorf("the child printed %q, %v", line, err)
				sig = syscall.SIGKILL
			}
			matches(t, "sending the signal", cmd.Process.Signal(sig), nil)
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) {
				t.Fatalf("the child's end: %v", err)
			}
			same(t, "the child was killed by", exit.Sys().(syscall.WaitStatus).Signal(), sig)
		})
	}
}
