//go:build unix

package aio_test

import (
	"context"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

func Example_cookbookProcess() {
	err := aio.Run(func(ctx context.Context) error {
		return aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
			p, err := aio.CreateSubprocessExec(ctx, "sh", []string{"-c", "echo one; echo two; exit 3"}, &aio.SubprocessOptions{
				Stdout:  aio.PIPE,
				Context: ctx,  // the timeout also ends the process,
				Group:   true, // and all processes that it has started
			})
			if err != nil {
				return err
			}
			for line, err := range p.Stdout.Lines(ctx) {
				if err != nil {
					return err
				}
				fmt.Printf("%s", line)
			}
			code, err := p.Wait(ctx)
			fmt.Println("exit code", code)
			return err
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// one
	// two
	// exit code 3
}
