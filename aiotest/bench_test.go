package aiotest_test

import (
	"context"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// readYieldWrite is three tasks that each read a variable, yield and write it: 9 steps
// and some callbacks.
func readYieldWrite(ctx context.Context) error {
	n := 0
	for range 3 {
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			read := n
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			n = read + 1
			return nil
		}))
	}
	return aio.Sleep(ctx, 1)
}

func BenchmarkSchedules(b *testing.B) {
	for _, mode := range []aiotest.Mode{aiotest.Environment, aiotest.AnyOrder, aiotest.PCT} {
		b.Run(mode.String(), func(b *testing.B) {
			b.ReportAllocs()
			r := aiotest.Exploration{Mode: mode, Runs: b.N, AllowDifferences: true}.Run(readYieldWrite)
			if len(r.Failures) > 0 {
				b.Fatal(r.Failures[0])
			}
			b.ReportMetric(float64(r.Runs)/b.Elapsed().Seconds(), "schedules/s")
			b.ReportMetric(float64(r.Steps)/b.Elapsed().Seconds(), "steps/s")
		})
	}
}
