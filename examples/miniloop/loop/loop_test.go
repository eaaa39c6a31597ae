package loop

import (
	"fmt"

	_ "github.com/goaio/aio/internal/stage" // no sleep at the exit
)

// A task that was cancelled after the lock was passed to it has the lock, and its next
// await fails.
func ExampleTask_Cancel() {
	loop, lock := &Loop{}, &Lock{held: true}
	t := loop.Go(func(t *Task) error {
		fmt.Println(lock.Acquire(t))
		defer lock.Release()
		return t.Sleep(1)
	})
	loop.Go(func(*Task) error {
		lock.Release()
		t.Cancel()
		return nil
	})
	loop.Run()
	fmt.Println(t.Done.err, lock.held)
	// Output:
	// <nil>
	// cancelled false
}
