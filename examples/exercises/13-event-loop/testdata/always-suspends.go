// Fails: TestSettledAlready, the events are.

package exercise

import "time"

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

func (t *Task) Await(f *Future) error {
	{
		f.waiting = append(f.waiting, t)
		t.suspend()
	}
	return f.err
}

func (t *Task) Sleep(d time.Duration) error {
	f := &Future{}
	t.loop.CallAt(t.loop.Now+d, func() { f.Settle(nil) })
	return t.Await(f)
}
