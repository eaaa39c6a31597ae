package aiotest

// SetMaxStill sets the maximum number of passes without progress of the clock, and
// returns a function that restores it.
func SetMaxStill(n int) (restore func()) {
	old := maxStill.Swap(int64(n))
	return func() { maxStill.Store(old) }
}
