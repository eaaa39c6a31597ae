//go:build !solution

package exercise

import "time"

// Settle sets the outcome of f, and makes the tasks that wait for it ready.
func (f *Future) Settle(err error) {
	f.settled = true
	// TODO: store the outcome, and make the waiting tasks ready.
}

// Await suspends t until f is settled, and returns the outcome.
func (t *Task) Await(f *Future) error {
	// TODO: wait.
	return nil
}

// Sleep suspends t for d.
func (t *Task) Sleep(d time.Duration) error {
	// TODO: make a future, and let a timer settle it.
	return nil
}
