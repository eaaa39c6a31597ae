//go:build unix

package aio_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

// A process that answers, line by line.
func ExampleCreateSubprocessExec() {
	err := aio.Run(func(ctx context.Context) error {
		p, err := aio.CreateSubprocessExec(ctx, "cat", nil, &aio.SubprocessOptions{
			Stdin:   aio.PIPE,
			Stdout:  aio.PIPE,
			Context: ctx, // whatever happens, it does not outlive this task
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

// Input and output, whatever their size, without a deadlock.
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
func (p *processPrinter) ConnectionLost(error)              { p.over.Set() }

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
