package aiotest

// SetMaxStill changes the bound on passes during which the clock stands still, and
// returns a function that restores it.
func SetMaxStill(n int) (restore func()) {
	old := maxStill
	maxStill = n
	return func() { maxStill = old }
}
