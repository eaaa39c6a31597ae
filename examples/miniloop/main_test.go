package main

import "fmt"

func Example() {
	main()
	// Output:
	// 0s a has the lock
	// 1m0s b cancelled
	// 1h0m0s c has the lock
	// 2h0m0s c is done: <nil>
}

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
	fmt.Println(t.done.err, lock.held)
	// Output:
	// <nil>
	// cancelled false
}
