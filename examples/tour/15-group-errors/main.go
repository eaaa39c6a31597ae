// Several tasks of a group can fail. The error of the group has the errors of all.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

var (
	errDisk = errors.New("the disk is full")
	errNet  = errors.New("the network is down")
)

func save(ctx context.Context) error { return errDisk }

// send is cancelled, and fails while it cleans up.
func send(ctx context.Context) error {
	if err := aio.Sleep(ctx, time.Hour); aio.IsCancellation(err) {
		return errNet
	}
	return nil
}

// wait has nothing to report: its cancellation is not an error of the group.
func wait(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }

func main() {
	err := aio.Run(func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(send)
			tg.Go(wait)
			tg.Go(save)
			return nil
		})
	})
	fmt.Println("disk:", errors.Is(err, errDisk), "net:", errors.Is(err, errNet))
	var group *aio.GroupError
	if errors.As(err, &group) {
		for _, err := range group.Errors {
			fmt.Println("-", err)
		}
	}
	// Output:
	// disk: true net: true
	// - the disk is full
	// - the network is down
}
