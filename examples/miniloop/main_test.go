package main

func Example() {
	main()
	// Output:
	// 0s a has the lock
	// 1m0s b cancelled
	// 1h0m0s c has the lock
	// 2h0m0s c is done: <nil>
}
