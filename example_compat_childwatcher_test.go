//go:build unix

package aio_test

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/goaio/aio"
)

// A process of os/exec that is watched, as ported programs do it, and one that need not be.
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

// A watcher that is set is asked about the processes of the package. None is needed.
func ExampleSetChildWatcher() {
	err := aio.Run(func(ctx context.Context) error {
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		watcher := &aio.SafeChildWatcher{}
		watcher.AttachLoop(l)
		aio.SetChildWatcher(watcher)
		defer aio.SetChildWatcher(nil) // which closes it
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

// Whatever child ends, it is this watcher that gets to know; here it knows of none but its own.
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
	fmt.Println(cmd.Wait() != nil, "as nothing is left for others to wait for")
	// Output:
	// <nil>
	// ended with 7
	// <nil>
	// true as nothing is left for others to wait for
}
