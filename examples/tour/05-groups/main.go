// A task group owns its tasks: it returns when all of them have finished. If one fails,
// the group cancels the others.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

var errNoMilk = errors.New("there is no milk")

func fetchMilk(ctx context.Context) error {
	if err := aio.Sleep(ctx, time.Millisecond); err != nil {
		return err
	}
	return errNoMilk
}

func boilWater(ctx context.Context) error {
	defer fmt.Println("the stove is off")
	return aio.Sleep(ctx, time.Hour)
}

func main() {
	err := aio.Run(func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(boilWater)
			tg.Go(fetchMilk)
			return nil
		})
	})
	fmt.Println(err)
	fmt.Println("no milk:", errors.Is(err, errNoMilk))
	// Output:
	// the stove is off
	// aio: errors in a task group (1): there is no milk
	// no milk: true
}
