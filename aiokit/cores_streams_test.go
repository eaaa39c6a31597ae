package aiokit_test

// The stream combinator program of the cores: quotes of several feeds that fail and hang
// are looked up, collected in batches by time, and each batch is paired with the setting
// of its time. This file has the part that both versions of the program share.

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
)

// pipeline is the program: its sources, its functions, and its limits.
type pipeline struct {
	feeds    []aioiter.Stream[string] // a feed starts again when it fails
	limit    time.Duration            // time limit for each line of a feed
	lookup   func(ctx context.Context, line string) (string, error)
	window   time.Duration // time in which a batch is collected
	settings aioiter.Stream[int]
	quiet    time.Duration // how long a setting must be stable before it counts
}

// quotes is a batch with its setting.
type quotes = aioiter.Pair[[]string, int]

// line is an item of a feed, after a pause. A feed fails where the text is "!".
type line struct {
	after time.Duration
	text  string
}

// pipelineCase is one run of the program. Consumers leave after some batches, or take
// some time for each.
type pipelineCase struct {
	name     string
	feeds    [][]line
	settings []time.Duration // pauses between two settings
	// the consumer leaves after this number of batches; 0 means never
	leave int
	busy  time.Duration // how long the consumer takes for each batch
}

var pipelineCases = []pipelineCase{
	{
		name: "whole",
		feeds: [][]line{
			{{7 * ms, "a1"}, {13 * ms, "a2"}, {9 * ms, "!"}, {11 * ms, "a3"}, {time.Hour, ""}, {5 * ms, "a4"}},
			{{10 * ms, "b2"}, {8 * ms, "!"}, {8 * ms, "!"}, {21 * ms, "b1"}, {16 * ms, "b3"}},
			{{90 * ms, ""}, {33 * ms, "c1"}, {1 * ms, "c1"}, {1 * ms, "c1"}, {1 * ms, "c1"}},
		},
		settings: []time.Duration{3 * ms, 5 * ms, 41 * ms, 30 * ms, 2 * ms, 35 * ms, 90 * ms, 90 * ms},
	},
	{
		name:     "leave",
		feeds:    [][]line{{{4 * ms, "a1"}, {70 * ms, "a1"}, {40 * ms, "a2"}, {40 * ms, "a3"}}, {{6 * ms, "b3"}, {20 * ms, "b1"}, {90 * ms, "b1"}}},
		settings: []time.Duration{1 * ms, 30 * ms, 30 * ms, 30 * ms, time.Minute},
		leave:    2,
	},
	{
		name:     "feed fails",
		feeds:    [][]line{{{4 * ms, "a5"}, {9 * ms, "!"}, {9 * ms, "!"}, {9 * ms, "!"}, {1 * ms, "a2"}}, {{6 * ms, "b1"}, {20 * ms, "b1"}, {9 * ms, "b1"}, {13 * ms, "b1"}, {90 * ms, "b1"}}},
		settings: []time.Duration{1 * ms, 30 * ms, 30 * ms, 30 * ms, time.Minute},
	},
	{
		name:     "lookup fails",
		feeds:    [][]line{{{4 * ms, "a5"}, {31 * ms, "a1"}, {32 * ms, "a0"}, {9 * ms, "a1"}}, {{6 * ms, "b1"}, {20 * ms, "b1"}, {50 * ms, "b1"}}},
		settings: []time.Duration{1 * ms, 30 * ms, 30 * ms, 30 * ms, time.Minute},
	},
	{
		name:     "settings end",
		feeds:    [][]line{{{4 * ms, "a2"}, {31 * ms, "a1"}, {32 * ms, "a4"}, {9 * ms, "a1"}}, {{time.Hour, ""}, {time.Hour, ""}, {20 * ms, "b1"}}},
		settings: []time.Duration{1 * ms, 30 * ms, 2 * ms, 3 * ms},
	},
	{
		name:     "busy",
		feeds:    [][]line{{{4 * ms, "a2"}, {11 * ms, "a1"}, {12 * ms, "a4"}, {9 * ms, "a1"}, {9 * ms, "a2"}, {18 * ms, "a1"}}, {{6 * ms, "b1"}, {20 * ms, "b1"}, {70 * ms, "b6"}}},
		settings: []time.Duration{1 * ms, 30 * ms, 30 * ms, 30 * ms, 45 * ms, 30 * ms, time.Minute},
		busy:     45 * ms,
	},
}

var errNoSuchLine = errors.New("no such line")

// pipelineCore runs the program.
func pipelineCore(c pipelineCase, batches func(p *pipeline) aioiter.Stream[quotes]) core {
	return func(ctx context.Context, log *eventLog, do func(ctx context.Context, fn func(ctx context.Context) error) error) error {
		open, calls := 0, 0
		now := clock(ctx)
		note := func(format string, args ...any) { log.add("%s@%d", fmt.Sprintf(format, args...), now()) }
		// An error that occurs while the consumer is being cancelled goes to
		// the exception handler.
		reported := 0
		handler := loopOf(ctx).GetExceptionHandler()
		loopOf(ctx).SetExceptionHandler(func(loop *aio.Loop, ec aio.ExceptionContext) {
			if reported++; !errors.Is(ec.Err, errFlaky) && !errors.Is(ec.Err, errNoSuchLine) {
				handler(loop, ec)
			}
		})
		p := &pipeline{limit: 50 * ms, window: 25 * ms, quiet: 8 * ms}
		for i, lines := range c.feeds {
			p.feeds = append(p.feeds, func(ctx context.Context) iter.Seq2[string, error] {
				return func(yield func(string, error) bool) {
					open++
					defer func() { open-- }()
					note("feed%d", i)
					for len(lines) > 0 {
						l := lines[0]
						lines = lines[1:]
						// different times for each feed
						err := aio.Sleep(ctx, l.after+time.Duration(17*(i+1))*time.Microsecond)
						if err == nil && l.text == "!" {
							err = errFlaky
						}
						if !yield(l.text, err) || err != nil {
							return
						}
					}
				}
			})
		}
		p.settings = func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				open++
				defer func() { open-- }()
				for i, pause := range c.settings {
					if err := aio.Sleep(ctx, pause+7*time.Microsecond); !yield(i, err) || err != nil {
						return
					}
				}
			}
		}
		p.lookup = func(ctx context.Context, line string) (string, error) {
			if calls++; calls > 2 {
				return "", errors.New("more than two look-ups")
			}
			defer func() { calls-- }()
			note("%s", line)
			if err := aio.Sleep(ctx, time.Duration(line[1]-'0')*7*ms+3*time.Microsecond); err != nil {
				return "", err
			}
			if line[1] == '0' {
				return "", errNoSuchLine
			}
			return "<" + line + ">", nil
		}
		err := do(ctx, func(ctx context.Context) error {
			n := 0
			for q, err := range batches(p)(ctx) {
				if errors.Is(err, aio.ErrCancelled) {
					return err
				}
				if err != nil {
					note("%v", err)
					return nil
				}
				note("%v/%d", q.First, q.Second)
				if err := aio.Sleep(ctx, c.busy); err != nil {
					return err
				}
				if n++; n == c.leave {
					break
				}
			}
			return nil
		})
		if note("end"); open != 0 || calls != 0 {
			return fmt.Errorf("%d sources are open, %d calls run", open, calls)
		}
		if reported > 1 || reported > 0 && !errors.Is(err, aio.ErrCancelled) {
			return fmt.Errorf("%d errors were reported: %w", reported, err)
		}
		return err
	}
}
