//go:build unix

package aio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

// A callback that is called when a descriptor is readable.
func Example_watchDescriptor() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	fds := make([]int, 2)
	if err := syscall.Pipe(fds); err != nil {
		fmt.Println(err)
		return
	}
	defer syscall.Close(fds[0])
	defer syscall.Close(fds[1])
	err := loop.AddReader(fds[0], func() {
		p := make([]byte, 100)
		n, err := syscall.Read(fds[0], p)
		fmt.Printf("received %q, %v\n", p[:max(n, 0)], err)
		_, err = loop.RemoveReader(fds[0]) // before the descriptor is closed
		fmt.Println(err)
		loop.Stop()
	})
	fmt.Println(err)
	// simulates another writer
	loop.CallSoon(func() { _, _ = syscall.Write(fds[1], []byte("abc")) })
	fmt.Println(loop.RunForever())
	// Output:
	// <nil>
	// received "abc", <nil>
	// <nil>
	// <nil>
}

// A program that runs until it gets one of two signals.
func Example_signalHandlers() {
	loop := aio.NewEventLoop(nil)
	defer loop.Close()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if err := loop.AddSignalHandler(sig, func() {
			fmt.Println("got", sig)
			loop.Stop()
		}); err != nil {
			fmt.Println(err)
		}
	}
	// simulates a signal from a shell
	loop.CallSoon(func() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) })
	fmt.Println(loop.RunForever())
	// Output:
	// got terminated
	// <nil>
}

// A program that runs until it gets a signal, with Run: the signal sets an event.
func Example_signalEvent() {
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		var stop aio.Event
		if err := loop.AddSignalHandler(syscall.SIGTERM, stop.Set); err != nil {
			return err
		}
		// simulates a signal from a shell
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		if err := stop.Wait(ctx); err != nil {
			return err
		}
		fmt.Println("cleaning up")
		return nil
	})
	fmt.Println(err)
	// Output:
	// cleaning up
	// <nil>
}

// docDate collects the output of a process until the process has exited.
type docDate struct {
	output []byte
	exited *aio.Future[struct{}]
}

func (d *docDate) PipeDataReceived(_ int, p []byte) { d.output = append(d.output, p...) }

func (d *docDate) ProcessExited() { fmt.Println("it has exited") }

func (d *docDate) ConnectionLost(error) { _ = d.exited.SetResult(struct{}{}) }

// Reads the output of a program with a protocol. ConnectionLost is called when the
// process has exited and all of its output has arrived; ProcessExited may be called
// earlier.
func Example_subprocessProtocol() {
	err := aio.Run(func(ctx context.Context) error {
		t, d, err := aio.SubprocessExec(ctx, func() *docDate {
			return &docDate{exited: aio.CreateFuture[struct{}](ctx)}
		}, "date", []string{"-u", "+the time zone is %Z"}, &aio.SubprocessOptions{Stdin: aio.DEVNULL})
		if err != nil {
			return err
		}
		defer t.Close()
		if _, err := d.exited.Await(ctx); err != nil {
			return err
		}
		code, _ := t.GetReturncode()
		fmt.Printf("%s%d\n", d.output, code)
		return nil
	})
	fmt.Println(err)
	// Output:
	// it has exited
	// the time zone is UTC
	// 0
	// <nil>
}

// Reads the output of a program with streams.
func Example_subprocessStreams() {
	err := aio.Run(func(ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, "date", []string{"-u", "+the time zone is %Z"},
			&aio.SubprocessOptions{Stdout: aio.PIPE})
		if err != nil {
			return err
		}
		line, err := p.Stdout.ReadLine(ctx)
		if err != nil {
			return err
		}
		code, err := p.Wait(ctx)
		fmt.Printf("%s%d\n", line, code)
		return err
	})
	fmt.Println(err)
	// Output:
	// the time zone is UTC
	// 0
	// <nil>
}

// Watches an os/exec process, as ported programs do, and waits for one without a
// watcher.
func ExampleAbstractChildWatcher() {
	err := aio.Run(func(ctx context.Context) error {
		ended := aio.CreateFuture[int](ctx)
		start := func(watcher aio.AbstractChildWatcher) error {
			watcher.Enter() // with watcher:
			defer watcher.Exit()
			cmd := exec.Command("/bin/sh", "-c", "exit 3")
			if err := cmd.Start(); err != nil {
				return err
			}
			return watcher.AddChildHandler(ctx, cmd.Process.Pid, func(pid, returncode int) {
				ended.SetResult(returncode)
			})
		}
		if err := start(aio.GetChildWatcher()); err != nil {
			return err
		}
		returncode, err := ended.Await(ctx)
		fmt.Println(returncode, err)

		cmd := exec.Command("/bin/sh", "-c", "exit 3")
		_, err = aio.ToThread(ctx, func(context.Context) (struct{}, error) { return struct{}{}, cmd.Run() })
		fmt.Println(cmd.ProcessState.ExitCode(), err)
		return nil
	})
	fmt.Println(err)
	// Output:
	// 3 <nil>
	// 3 exit status 3
	// <nil>
}

// A configured watcher watches the processes of the package. No watcher is needed.
func ExampleSetChildWatcher() {
	err := aio.Run(func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		watcher := &aio.SafeChildWatcher{}
		watcher.AttachLoop(l)
		aio.SetChildWatcher(watcher)
		defer aio.SetChildWatcher(nil) // closes the watcher
		p, err := aio.CreateSubprocessShell(ctx, "kill $$", nil)
		if err != nil {
			return err
		}
		fmt.Println(p.Wait(ctx))
		return nil
	})
	fmt.Println(err)
	// Output:
	// -15 <nil>
	// <nil>
}

// A FastChildWatcher takes the status of all children of the process. This process has
// only one.
func ExampleFastChildWatcher() {
	l := aio.NewEventLoop(nil)
	defer l.Close()
	var watcher aio.FastChildWatcher
	watcher.AttachLoop(l)
	defer watcher.Close()

	watcher.Enter()
	cmd := exec.Command("/bin/sh", "-c", "exit 7")
	err := cmd.Start()
	if err == nil {
		err = watcher.AddChildHandler(l.Context(), cmd.Process.Pid, func(pid, returncode int) {
			fmt.Println("ended with", returncode)
			l.Stop()
		})
	}
	watcher.Exit()
	fmt.Println(err)
	fmt.Println(l.RunForever())
	fmt.Println(cmd.Wait() != nil, "no child is left for others to wait for")
	// Output:
	// <nil>
	// ended with 7
	// <nil>
	// true no child is left for others to wait for
}

func Example_portingSignals() {
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		var stop aio.Event
		if err := loop.AddSignalHandler(syscall.SIGTERM, stop.Set); err != nil {
			return err
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM) // simulates a supervisor
		if err := stop.Wait(ctx); err != nil {
			return err
		}
		fmt.Println("told to end")
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: told to end
}

func Example_portingSubprocesses() {
	err := aio.Run(func(ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, "tr", []string{"a-z", "A-Z"},
			&aio.SubprocessOptions{Stdin: aio.PIPE, Stdout: aio.PIPE})
		if err != nil {
			return err
		}
		out, _, err := p.Communicate(ctx, []byte("hello"))
		if err != nil {
			return err
		}
		code, _ := p.Returncode()
		fmt.Println(string(out), code)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: HELLO 0
}

// A shell command, whose protocol gets the output as it arrives.
func ExampleSubprocessShell() {
	err := aio.Run(func(ctx context.Context) error {
		t, p, err := aio.SubprocessShell(ctx, func() *processPrinter { return &processPrinter{} },
			"echo $GREETING | tr a-z A-Z", &aio.SubprocessOptions{Env: append(os.Environ(), "GREETING=hello")})
		if err != nil {
			return err
		}
		if err := p.over.Wait(ctx); err != nil {
			return err
		}
		fmt.Println(t.GetReturncode())
		return nil
	})
	fmt.Println(err)
	// Output:
	// 1: HELLO
	// 0 true
	// <nil>
}

// Reads the lines of a process, including its standard error, as they arrive.
func ExampleSubprocessOptions() {
	err := aio.Run(func(ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, "sh", []string{"-c", "echo one; echo two >&2; exit 3"}, &aio.SubprocessOptions{
			Stdin:  aio.DEVNULL,
			Stdout: aio.PIPE,
			Stderr: aio.STDOUT, // into the same pipe
		})
		if err != nil {
			return err
		}
		for line, err := range p.Stdout.Lines(ctx) {
			if err != nil {
				return err
			}
			fmt.Printf("%q\n", line)
		}
		code, err := p.Wait(ctx)
		fmt.Println("it ended with", code)
		return err
	})
	fmt.Println(err)
	// Output:
	// "one\n"
	// "two\n"
	// it ended with 3
	// <nil>
}

// Sends a signal to a process that handles it, after the process has printed that it is
// ready.
func ExampleProcess_SendSignal() {
	err := aio.Run(func(ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, "sh", []string{"-c", "trap 'echo bye; exit 7' USR1; echo ready; while :; do sleep 0.01; done"},
			&aio.SubprocessOptions{Stdout: aio.PIPE, Context: ctx})
		if err != nil {
			return err
		}
		ready, err := p.Stdout.ReadLine(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s", ready)
		if err := p.SendSignal(syscall.SIGUSR1); err != nil {
			return err
		}
		rest, _, err := p.Communicate(ctx, nil)
		code, _ := p.Returncode()
		fmt.Printf("%s%d\n", rest, code)
		return err
	})
	fmt.Println(err)
	// Output:
	// ready
	// bye
	// 7
	// <nil>
}

// talker is the protocol of an interactive process and its pipes.
type talker struct {
	over aio.Event
	text []byte
}

func (p *talker) ConnectionMade(t aio.SubprocessTransport) {
	in := t.GetPipeTransport(0).(aio.WriteTransport)
	in.Write([]byte("2 + 3\n"))
	in.WriteEOF()
}

func (p *talker) PipeDataReceived(_ int, b []byte) { p.text = append(p.text, b...) }

func (p *talker) ConnectionLost(error) { p.over.Set() }

func ExampleSubprocessTransport() {
	err := aio.Run(func(ctx context.Context) error {
		t, p, err := aio.SubprocessExec(ctx, func() *talker { return &talker{} }, "cat", nil, nil)
		if err != nil {
			return err
		}
		if err := p.over.Wait(ctx); err != nil {
			return err
		}
		code, ended := t.GetReturncode()
		fmt.Printf("%s%d %v, a process id: %v\n", p.text, code, ended, t.GetPID() > 0)
		return nil
	})
	fmt.Println(err)
	// Output:
	// 2 + 3
	// 0 true, a process id: true
	// <nil>
}

// A service that reloads its configuration on SIGUSR1.
func ExampleLoop_AddSignalHandler() {
	err := aio.Run(func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		var reload aio.Event
		if err := l.AddSignalHandler(syscall.SIGUSR1, reload.Set); err != nil {
			return err
		}
		defer l.RemoveSignalHandler(syscall.SIGUSR1)

		// simulates a signal from a shell
		_ = syscall.Kill(os.Getpid(), syscall.SIGUSR1)
		if err := reload.Wait(ctx); err != nil {
			return err
		}
		fmt.Println("reloading the configuration")
		return nil
	})
	fmt.Println(err)
	// Output:
	// reloading the configuration
	// <nil>
}

// A service that cleans up on Ctrl-C or on SIGTERM from a supervisor.
func ExampleSignalError() {
	runner := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer runner.Close()
	err := runner.Run(func(ctx context.Context) error {
		defer fmt.Println("cleaning up")
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM) // simulates a supervisor
		return aio.Sleep(ctx, time.Hour)
	})
	var stopped *aio.SignalError
	if errors.As(err, &stopped) {
		fmt.Println("stopped:", stopped.Signal)
	}
	// Output:
	// cleaning up
	// stopped: terminated
}

// A process that answers each line.
func ExampleCreateSubprocessExec() {
	err := aio.Run(func(ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, "cat", nil, &aio.SubprocessOptions{
			Stdin:   aio.PIPE,
			Stdout:  aio.PIPE,
			Context: ctx, // the process does not outlive this task
		})
		if err != nil {
			return err
		}
		for _, word := range []string{"one", "two"} {
			fmt.Fprintln(p.Stdin, word)
			line, err := p.Stdout.ReadLine(ctx)
			if err != nil {
				return err
			}
			fmt.Printf("%s", line)
		}
		p.Stdin.Close()
		code, err := p.Wait(ctx)
		fmt.Println("it ended with", code)
		return err
	})
	fmt.Println(err)
	// Output:
	// one
	// two
	// it ended with 0
	// <nil>
}

func ExampleCreateSubprocessShell() {
	err := aio.Run(func(ctx context.Context) error {
		p, err := aio.CreateSubprocessShell(ctx, "exit 3", nil)
		if err != nil {
			return err
		}
		code, err := p.Wait(ctx)
		fmt.Println(code)
		return err
	})
	fmt.Println(err)
	// Output:
	// 3
	// <nil>
}

// Input and output of any size without a deadlock.
func ExampleProcess_Communicate() {
	err := aio.Run(func(ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, "tr", []string{"a-z", "A-Z"}, &aio.SubprocessOptions{
			Stdin:     aio.PIPE,
			Stdout:    aio.PIPE,
			Stderr:    aio.STDOUT,
			MaxOutput: 1 << 20,
		})
		if err != nil {
			return err
		}
		out, _, err := p.Communicate(ctx, []byte("hello"))
		fmt.Printf("%s\n", out)
		return err
	})
	fmt.Println(err)
	// Output:
	// HELLO
	// <nil>
}

// A process that takes too long is killed.
func ExampleProcess_Kill() {
	err := aio.Run(func(ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, "sleep", []string{"1000"}, nil)
		if err != nil {
			return err
		}
		_, err = aio.WaitFor(ctx, aio.Coro[int](p.Wait), 10*time.Millisecond)
		fmt.Println(errors.Is(err, aio.ErrTimeout))
		p.Kill()
		code, err := p.Wait(ctx)
		fmt.Println(code)
		return err
	})
	fmt.Println(err)
	// Output:
	// true
	// -9
	// <nil>
}

// processPrinter is a protocol that prints what a process writes.
type processPrinter struct{ over aio.Event }

func (p *processPrinter) PipeDataReceived(fd int, b []byte) { fmt.Printf("%d: %s", fd, b) }

func (p *processPrinter) ConnectionLost(error) { p.over.Set() }

func ExampleSubprocessExec() {
	err := aio.Run(func(ctx context.Context) error {
		t, p, err := aio.SubprocessExec(ctx, func() *processPrinter { return &processPrinter{} }, "echo", []string{"hello"}, nil)
		if err != nil {
			return err
		}
		if err := p.over.Wait(ctx); err != nil {
			return err
		}
		fmt.Println(t.GetReturncode())
		return nil
	})
	fmt.Println(err)
	// Output:
	// 1: hello
	// 0 true
	// <nil>
}
