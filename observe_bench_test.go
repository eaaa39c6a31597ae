package aio_test

import (
	"context"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// The cost of observing: a switch without an observer, with statistics, with an
// observer that does nothing, and with a timeline. clock is the cost of one reading of
// the clock: a step includes one, with other observers two.
func BenchmarkObserved(b *testing.B) {
	run := func(name string, watch func(l *aio.Loop)) {
		b.Run(name, func(b *testing.B) {
			l := aio.NewEventLoop(nil)
			defer l.Close()
			watch(l)
			_, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { return switches(ctx, b, 2) }))
			if err != nil {
				b.Fatal(err)
			}
		})
	}
	run("off", func(*aio.Loop) {})
	run("stats", func(l *aio.Loop) { l.Stats() })
	run("observer", func(l *aio.Loop) { l.AddObserver(aio.ObserverFunc(func(*aio.LoopEvent) {})) })
	run("timeline", func(l *aio.Loop) { l.AddObserver(aio.NewTimeline(0)) })
	b.Run("clock", func(b *testing.B) {
		start := time.Now()
		var sum time.Duration
		for range b.N {
			sum += time.Since(start)
		}
		_ = sum
	})
}
