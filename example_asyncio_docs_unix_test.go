//go:build unix

package aio_test

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/goaio/aio"
)

// A callback that is called when a descriptor can be read from.
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
		_, err = loop.RemoveReader(fds[0]) // before it is closed
		fmt.Println(err)
		loop.Stop()
	})
	fmt.Println(err)
	loop.CallSoon(func() { _, _ = syscall.Write(fds[1], []byte("abc")) }) // as from elsewhere
	fmt.Println(loop.RunForever())
	// Output:
	// <nil>
	// received "abc", <nil>
	// <nil>
	// <nil>
}

// A program that runs until it is told to end, by either of two signals.
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
	loop.CallSoon(func() { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) }) // as from a shell
	fmt.Println(loop.RunForever())
	// Output:
	// got terminated
	// <nil>
}

// The same where the loop is that of Run: an event that the signal sets.
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
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM) // as from a shell
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

// docDate collects what a process writes until the process is gone.
type docDate struct {
	output []byte
	exited *aio.Future[struct{}]
}

func (d *docDate) PipeDataReceived(_ int, p []byte) { d.output = append(d.output, p...) }
func (d *docDate) ProcessExited()                   { fmt.Println("it has exited") }
func (d *docDate) ConnectionLost(error)             { _ = d.exited.SetResult(struct{}{}) }

// The output of another program, with a protocol. ConnectionLost is called when the process has ended
// and all of its output has come; ProcessExited may be called before that.
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

// The same with streams.
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
