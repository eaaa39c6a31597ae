package course

import (
	"context"
	"errors"
	"fmt"

	"github.com/goaio/aio"
	"github.com/goaio/aio/cmd/aiotour/internal/play"
)

// errUndelivered is the error of a letter whose address does not exist.
var errUndelivered = errors.New("no such address")

// round lets a postman deliver two letters. The office may cancel the round.
func round(ctx context.Context, s *play.Scene, deliver func(ctx context.Context, letter func(ctx context.Context, i int) error) error) error {
	cancelled, after := false, 0
	s.Show("cancelled", &cancelled)
	s.Show("letters begun after that", &after)
	letter := func(ctx context.Context, i int) error {
		if cancelled {
			after++
		}
		if err := s.Answer(ctx, fmt.Sprint("the door of letter ", i)); err != nil {
			return err
		}
		if i == 2 {
			return errUndelivered
		}
		return nil
	}
	postman := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
		return deliver(ctx, letter)
	}), aio.WithName("postman"))
	s.After(ctx, 7, "the office cancels", func() { cancelled = postman.Cancel() })
	if err := ended(ctx, postman); err != nil {
		return err
	}
	if after > 0 {
		return errors.New("the postman began a letter after the round was cancelled")
	}
	return nil
}

func swallowed(ctx context.Context, s *play.Scene) error {
	return round(ctx, s, func(ctx context.Context, letter func(ctx context.Context, i int) error) error {
		for i := 1; i <= 2; i++ {
			if err := letter(ctx, i); err != nil {
				s.Log("letter %d is returned: %v", i, err)
				continue
			}
			s.Log("letter %d is delivered", i)
		}
		return nil
	})
}

func swallowedCheck(ctx context.Context, s *play.Scene) error {
	return round(ctx, s, func(ctx context.Context, letter func(ctx context.Context, i int) error) error {
		for i := 1; i <= 2; i++ {
			err := letter(ctx, i)
			if errors.Is(err, aio.ErrCancelled) {
				return err
			}
			if err != nil {
				s.Log("letter %d is returned: %v", i, err)
				continue
			}
			s.Log("letter %d is delivered", i)
		}
		return nil
	})
}

func swallowedKnown(ctx context.Context, s *play.Scene) error {
	return round(ctx, s, func(ctx context.Context, letter func(ctx context.Context, i int) error) error {
		for i := 1; i <= 2; i++ {
			switch err := letter(ctx, i); {
			case errors.Is(err, errUndelivered):
				s.Log("letter %d is returned: %v", i, err)
			case err != nil:
				return err // also a cancellation
			default:
				s.Log("letter %d is delivered", i)
			}
		}
		return nil
	})
}

func swallowedRetry(ctx context.Context, s *play.Scene) error {
	return round(ctx, s, func(ctx context.Context, letter func(ctx context.Context, i int) error) error {
		for i := 1; i <= 2; i++ {
			err := letter(ctx, i)
			if err != nil { // try each letter once more
				err = letter(ctx, i)
			}
			if err != nil {
				s.Log("letter %d is returned: %v", i, err)
			}
		}
		return nil
	})
}
