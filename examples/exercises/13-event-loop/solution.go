//go:build solution

package exercise

import "time"

// Settle sets the outcome of f, and makes the tasks that wait for it ready.
func (f *Future) Settle(err error) {
	if f.settled {
		return
	}
	f.settled, f.err = true, err
	for _, t := range f.waiting {
		t.loop.CallSoon(t.step)
	}
	f.waiting = nil
}

// Await suspends t until f is settled, and returns the outcome.
func (t *Task) Await(f *Future) error {
	if !f.settled {
		f.waiting = append(f.waiting, t)
		t.suspend()
	}
	return f.err
}

// Sleep suspends t for d.
func (t *Task) Sleep(d time.Duration) error {
	f := &Future{}
	t.loop.CallAt(t.loop.Now+d, func() { f.Settle(nil) })
	return t.Await(f)
}
