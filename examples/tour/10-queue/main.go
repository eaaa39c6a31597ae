// A bounded queue applies backpressure: Put waits for room, Get waits for an item.
package main

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
)

// bake makes six cakes and then shuts the queue down.
func bake(ctx context.Context, shelf *aio.Queue[int]) error {
	for cake := range 6 {
		if err := shelf.Put(ctx, cake); err != nil {
			return err
		}
		fmt.Println("baked", cake)
	}
	shelf.Shutdown(false) // items already in the queue can still be taken
	return nil
}

// eat takes cakes until the queue is shut down and empty.
func eat(ctx context.Context, shelf *aio.Queue[int]) error {
	for cake, err := range shelf.All(ctx) {
		if err != nil {
			return err
		}
		fmt.Println("ate", cake)
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	err := aio.Run(func(ctx context.Context) error {
		shelf := aio.NewQueue[int](2)
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error { return bake(ctx, shelf) })
			tg.Go(func(ctx context.Context) error { return eat(ctx, shelf) })
			return nil
		})
	})
	fmt.Println("error:", err)
	// Output:
	// baked 0
	// baked 1
	// ate 0
	// baked 2
	// ate 1
	// baked 3
	// ate 2
	// baked 4
	// ate 3
	// baked 5
	// ate 4
	// ate 5
	// error: <nil>
}
