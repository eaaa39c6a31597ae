package course

import (
	"context"
	"fmt"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// wire is a connection: what arrives on it is the answer to the request that waits.
type wire struct{ answers *aio.Queue[string] }

func newWire() *wire { return &wire{aio.NewQueue[string](0)} }

// ask sends a request and waits for an answer.
func (w *wire) ask(ctx context.Context, s *play.Scene, what string) (string, error) {
	s.After(ctx, 0, "answer to "+what, func() { _ = w.answers.PutNowait("answer to " + what) })
	return w.answers.Get(ctx)
}

// shop asks for the price of apples, which a user may cancel, and then of pears.
func shop(ctx context.Context, s *play.Scene, ask func(ctx context.Context, what string) (string, error)) error {
	apples := aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
		return ask(ctx, "apples")
	}, aio.WithName("apples"))
	s.After(ctx, 3, "the user cancels apples", func() { apples.Cancel() })
	if err := ended(ctx, apples); err != nil {
		return err
	}
	answer, err := ask(ctx, "pears")
	if err == nil && answer != "answer to pears" {
		err = fmt.Errorf("the request for pears got the %s", answer)
	}
	return err
}

func unreadAnswer(ctx context.Context, s *play.Scene) error {
	w := newWire()
	s.Show("unread answers", w.answers)
	return shop(ctx, s, func(ctx context.Context, what string) (string, error) {
		return w.ask(ctx, s, what)
	})
}

func unreadAnswerClose(ctx context.Context, s *play.Scene) error {
	w := newWire()
	s.Show("unread answers", w.answers)
	return shop(ctx, s, func(ctx context.Context, what string) (string, error) {
		answer, err := w.ask(ctx, s, what)
		if err != nil {
			w = newWire() // an answer may still arrive on the old connection
		}
		return answer, err
	})
}

func unreadAnswerDrain(ctx context.Context, s *play.Scene) error {
	w := newWire()
	s.Show("unread answers", w.answers)
	return shop(ctx, s, func(ctx context.Context, what string) (string, error) {
		for !w.answers.Empty() { // drop unread answers
			if _, err := w.answers.GetNowait(); err != nil {
				return "", err
			}
		}
		return w.ask(ctx, s, what)
	})
}

func unreadAnswerShield(ctx context.Context, s *play.Scene) error {
	w := newWire()
	s.Show("unread answers", w.answers)
	var asking aio.Lock
	s.Show("asking", &asking)
	return shop(ctx, s, func(ctx context.Context, what string) (string, error) {
		request := aio.CreateTask(ctx, func(ctx context.Context) (answer string, err error) {
			err = asking.With(ctx, func(ctx context.Context) error {
				answer, err = w.ask(ctx, s, what)
				return err
			})
			return answer, err
		}, aio.WithName("request "+what))
		return aio.Shield(ctx, request).Await(ctx)
	})
}
