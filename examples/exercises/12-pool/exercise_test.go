package exercise

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
	"github.com/goaio/aio/examples/exercises/internal/check"
)

func newPool(size int) *Pool { return &Pool{Server: &Server{limit: size}, Size: size} }

// ask uses a connection for two questions.
func ask(p *Pool, name string) func(context.Context) error {
	return func(ctx context.Context) error {
		return p.With(ctx, func(ctx context.Context, c *Conn) error {
			for i := range 2 {
				question := fmt.Sprint(name, i)
				answer, err := c.Ask(ctx, question)
				if err != nil {
					return err
				}
				if answer != "answer to "+question {
					return fmt.Errorf("%s got %q", name, answer)
				}
			}
			return nil
		})
	}
}

// users makes n tasks use the pool at the same time.
func users(ctx context.Context, p *Pool, n int) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for i := range n {
			name := string(rune('a' + i))
			tg.Go(ask(p, name), aio.WithName(name))
		}
		return nil
	})
}

// works returns an error if the pool is damaged: it lets Size tasks meet, each with a
// connection, and asks once more with each.
func works(ctx context.Context, p *Pool) error {
	if p.Server.Wrong != nil {
		return p.Server.Wrong
	}
	inside, all := 0, aio.Event{}
	err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for i := range p.Size {
			tg.Go(func(ctx context.Context) error {
				return p.With(ctx, func(ctx context.Context, c *Conn) error {
					if inside++; inside == p.Size {
						all.Set()
					}
					if err := all.Wait(ctx); err != nil {
						return err
					}
					_, err := c.Ask(ctx, "still there?")
					return err
				})
			}, aio.WithName(fmt.Sprintf("later user %d", i+1)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if p.Server.Wrong != nil {
		return p.Server.Wrong
	}
	if p.Server.Open != p.Size || p.Server.Dialing > 0 {
		return fmt.Errorf("the pool has a size of %d; at the end %d connections are open, and %d are dialled", p.Size, p.Server.Open, p.Server.Dialing)
	}
	return nil
}

func TestLends(t *testing.T) {
	check.Lesson{Idea: "A pool keeps its connections: it dials no more than it needs."}.Run(t, func(ctx context.Context) error {
		p := newPool(2)
		if err := users(ctx, p, 5); err != nil {
			return err
		}
		if p.Server.Dialed != 2 {
			return fmt.Errorf("five users of a pool of two have dialled %d times, want 2", p.Server.Dialed)
		}
		return works(ctx, p)
	})
}

func TestEveryOrder(t *testing.T) {
	check.Lesson{Idea: "A pool must work in whatever order its users run."}.Explore(t, func(ctx context.Context) error {
		p := newPool(1)
		if err := users(ctx, p, 3); err != nil {
			return err
		}
		return works(ctx, p)
	})
}

func TestError(t *testing.T) {
	check.Lesson{
		Idea: "After an error, the state of a connection is unknown. Close it, and give its place\nback.",
		Read: "docs/idioms.md, Pools",
	}.Run(t, func(ctx context.Context) error {
		p := newPool(2)
		errUser := errors.New("the user failed")
		err := p.With(ctx, func(ctx context.Context, c *Conn) error { return errUser })
		if !errors.Is(err, errUser) {
			return fmt.Errorf("the user failed, and With returned the error %v", err)
		}
		if p.Server.Open != 0 {
			return errors.New("the user failed, and its connection is still open")
		}
		return works(ctx, p)
	})
}

func TestCancelledEverywhere(t *testing.T) {
	check.Lesson{
		Idea: "Whatever a task takes, it gives back on every way out, and an await is a way out.\nLook at each await of With: what does the task have at that moment, and who gives it\nback if the await fails? A task that waits can be cancelled after it was given\nwhat it waits for, and before it runs: then the waiting future has the connection, and\nno task has the future.",
		Read: "docs/simulation.md, Cancel at every await",
	}.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		p := newPool(2)
		// first with an empty pool, then with one whose connections are all in
		// use
		if err := c.Do(ctx, ask(p, "cancelled")); err != nil && !(c.Happened() && aio.IsCancellation(err)) {
			return err
		}
		others := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return users(ctx, p, 3) }), aio.WithName("others"))
		for range 2 {
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		err := c.Do(ctx, ask(p, "cancelled"))
		if _, err := others.Await(ctx); err != nil {
			return err
		}
		if err != nil && !(c.Happened() && aio.IsCancellation(err)) {
			return err
		}
		return works(ctx, p)
	})
}

func TestManyCancelledEverywhere(t *testing.T) {
	check.Lesson{
		Idea: "If one of its users is cancelled, the others must still get their turn: a place that\nis given back wakes the next one, whoever that is.",
		Read: "docs/simulation.md, Cancel at every await",
	}.Cancel(t, func(ctx context.Context, c *aiotest.Cancelled) error {
		p := newPool(1)
		err := c.Do(ctx, func(ctx context.Context) error { return users(ctx, p, 3) })
		if err != nil && !(c.Happened() && aio.IsCancellation(err)) {
			return err
		}
		return works(ctx, p)
	})
}
