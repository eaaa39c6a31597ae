package loop

import (
	_ "embed" // for the sources
	"fmt"
	"io"
	"time"
)

// Source and ProgramSource are the texts of the loop and of its program, for the course
// in the browser.
var (
	//go:embed loop.go
	Source string
	//go:embed program.go
	ProgramSource string
)

// Waiting returns how many functions are ready, and how many timers are set.
func (l *Loop) Waiting() (ready, timers int) { return len(l.ready), len(l.timers) }

// Program starts the tasks of an example: three of them want a lock, and a fourth cancels
// one of the three.
func Program(loop *Loop, out io.Writer) {
	lock := &Lock{}
	work := func(name string) func(t *Task) error {
		return func(t *Task) error {
			if err := lock.Acquire(t); err != nil {
				fmt.Fprintln(out, loop.Now, name, err)
				return err
			}
			defer lock.Release()
			fmt.Fprintln(out, loop.Now, name, "has the lock")
			return t.Sleep(time.Hour)
		}
	}
	loop.Go(work("a"))
	b := loop.Go(work("b"))
	c := loop.Go(work("c"))
	loop.Go(func(t *Task) error {
		if err := t.Sleep(time.Minute); err != nil {
			return err
		}
		b.Cancel()
		err := t.Await(&c.Done)
		fmt.Fprintln(out, loop.Now, "c is done:", err)
		return nil
	})
}
