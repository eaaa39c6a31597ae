package main

import _ "github.com/goaio/aio/internal/stage" // no sleep at the exit

func Example() {
	main()
	// Output:
	// 0s a has the lock
	// 1m0s b cancelled
	// 1h0m0s c has the lock
	// 2h0m0s c is done: <nil>
}
