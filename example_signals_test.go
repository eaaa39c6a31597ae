//go:build unix

package aio_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/goaio/aio"
)

// A service that reads its configuration again on SIGUSR1.
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

		_ = syscall.Kill(os.Getpid(), syscall.SIGUSR1) // as from a shell
		if err := reload.Wait(ctx); err != nil {
			return err
		}
		fmt.Println("reading the configuration again")
		return nil
	})
	fmt.Println(err)
	// Output:
	// reading the configuration again
	// <nil>
}

// A service that cleans up when it is told to end: by Ctrl-C or, by whoever supervises it, SIGTERM.
func ExampleSignalError() {
	runner := aio.Runner{Signals: []os.Signal{os.Interrupt, syscall.SIGTERM}}
	defer runner.Close()
	err := runner.Run(func(ctx context.Context) error {
		defer fmt.Println("cleaning up")
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM) // as from a supervisor
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
