package course

import (
	"context"
	"errors"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// archive has readers, which may read at the same time, and a writer, which must be
// alone.
type archive struct {
	reading int
	asked   bool      // the writer waits
	left    aio.Event // set when the writer should check again
	passed  int       // readers that arrived after the writer and entered before it
}

// visit lets Ann read twice, Bob once, and a writer write. A writer that each reader
// has passed starves: if they continued, it would never write.
func visit(ctx context.Context, s *play.Scene, a *archive, enter, leave, write func(ctx context.Context) error) error {
	s.Show("readers inside", &a.reading)
	s.Show("the writer waits", &a.asked)
	reader := func(name string, times int) aio.Coro[struct{}] {
		return aio.NoResult(func(ctx context.Context) error {
			for range times {
				late := a.asked
				if err := enter(ctx); err != nil {
					return err
				}
				if late && a.asked {
					a.passed++
				}
				if err := s.Answer(ctx, name+" has read"); err != nil {
					return err
				}
				if err := leave(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	ann := aio.CreateTask(ctx, reader("Ann", 2), aio.WithName("Ann"))
	bob := aio.CreateTask(ctx, reader("Bob", 1), aio.WithName("Bob"))
	writer := aio.CreateTask(ctx, aio.NoResult(write), aio.WithName("writer"))
	if _, err := aio.Gather(ctx, ann, bob, writer).Await(ctx); err != nil {
		return err
	}
	if a.passed > 1 {
		return errors.New("the writer starves: Bob and Ann came later, and were first")
	}
	return nil
}

// leave lets a reader leave.
func (a *archive) leave(context.Context) error {
	a.reading--
	if a.reading == 0 {
		a.left.Set()
	}
	return nil
}

// write waits until no reader is inside.
func (a *archive) write(ctx context.Context) error {
	a.asked = true
	for a.reading > 0 {
		a.left.Clear()
		if err := a.left.Wait(ctx); err != nil {
			return err
		}
	}
	a.asked = false
	return nil
}

func starvation(ctx context.Context, s *play.Scene) error {
	a := &archive{}
	enter := func(context.Context) error {
		a.reading++ // several readers may be inside
		return nil
	}
	return visit(ctx, s, a, enter, a.leave, a.write)
}

func starvationWake(ctx context.Context, s *play.Scene) error {
	a := &archive{}
	enter := func(context.Context) error {
		a.reading++
		return nil
	}
	leave := func(context.Context) error {
		a.reading--
		a.left.Set() // the writer looks
		return nil
	}
	return visit(ctx, s, a, enter, leave, a.write)
}

func starvationTurns(ctx context.Context, s *play.Scene) error {
	a := &archive{}
	var written aio.Event
	enter := func(ctx context.Context) error {
		if a.asked {
			if err := written.Wait(ctx); err != nil {
				return err
			}
		}
		a.reading++
		return nil
	}
	write := func(ctx context.Context) error {
		err := a.write(ctx)
		written.Set()
		return err
	}
	return visit(ctx, s, a, enter, a.leave, write)
}

func starvationLock(ctx context.Context, s *play.Scene) error {
	a := &archive{}
	var lock aio.Lock
	s.Show("lock", &lock)
	enter := func(ctx context.Context) error {
		if err := lock.Acquire(ctx); err != nil {
			return err
		}
		a.reading++
		return nil
	}
	leave := func(context.Context) error {
		a.reading--
		lock.Release()
		return nil
	}
	write := func(ctx context.Context) error {
		a.asked = true
		return lock.With(ctx, func(context.Context) error {
			a.asked = false
			return nil
		})
	}
	return visit(ctx, s, a, enter, leave, write)
}
