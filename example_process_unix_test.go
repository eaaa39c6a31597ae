//go:build unix

package aio_test

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/goaio/aio"
)

// A command of the shell, whose output a protocol gets as it comes.
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

// The lines of a process as they come, its errors among them.
func ExampleSubprocessOptions() {
	err := aio.Run(func(ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, "sh", []string{"-c", "echo one; echo two >&2; exit 3"}, &aio.SubprocessOptions{
			Stdin:  aio.DEVNULL,
			Stdout: aio.PIPE,
			Stderr: aio.STDOUT, // the same pipe
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

// A signal that the process handles, once it has said that it is ready.
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

// talker is the protocol of a process that is asked something, and of its pipes.
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
func (p *talker) ConnectionLost(error)             { p.over.Set() }

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
