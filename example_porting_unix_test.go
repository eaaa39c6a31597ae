//go:build unix

package aio_test

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/goaio/aio"
)

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
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM) // as a supervisor does
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
