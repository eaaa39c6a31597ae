// Events, conditions and semaphores: three ways to let tasks wait for each other.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

// An Event tells any number of tasks that something has happened.
type shop struct {
	open    aio.Event
	counter *aio.Semaphore
	served  int
	changed aio.Condition // of served
}

// customer waits for the door, and then for one of the two places at the counter.
func (s *shop) customer(ctx context.Context, name string) error {
	if err := s.open.Wait(ctx); err != nil {
		return err
	}
	err := s.counter.With(ctx, func(ctx context.Context) error {
		fmt.Println(name, "at the counter")
		return aio.Sleep(ctx, time.Millisecond)
	})
	if err != nil {
		return err
	}
	return s.changed.With(ctx, func(context.Context) error {
		s.served++
		s.changed.NotifyAll()
		return nil
	})
}

// boss waits until three customers were served. WaitFor checks that again after each
// notification.
func (s *shop) boss(ctx context.Context) error {
	return s.changed.With(ctx, func(ctx context.Context) error {
		if err := s.changed.WaitFor(ctx, func() bool { return s.served == 3 }); err != nil {
			return err
		}
		fmt.Println(s.served, "were served")
		return nil
	})
}

func main() {
	err := aio.Run(func(ctx context.Context) error {
		s := &shop{counter: aio.NewSemaphore(2)}
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(s.boss)
			for _, name := range []string{"Ann", "Ben", "Cid"} {
				tg.Go(func(ctx context.Context) error { return s.customer(ctx, name) })
			}
			if err := aio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
			fmt.Println("the door is open")
			s.open.Set()
			return nil
		})
	})
	fmt.Println("error:", err)
	// Output:
	// the door is open
	// Ann at the counter
	// Ben at the counter
	// Cid at the counter
	// 3 were served
	// error: <nil>
}
