package aiotest_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// readYieldWrite runs three tasks that each read a variable, yield and write it: 9
// steps and some callbacks.
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

// Messages of 64 bytes from one host to another. Each message is a Write, a network
// event and a call of DataReceived.
func BenchmarkMessages(b *testing.B) {
	b.ReportAllocs()
	got := 0
	r := aiotest.Simulation{Runs: 1, AllowDifferences: true, MaxSteps: math.MaxInt}.Run(func(ctx context.Context, w *aiotest.World) error {
		w.Host("sink", func(ctx context.Context) error {
			s, err := aio.CreateServer(ctx, func() *counting { return &counting{&got} }, ":1", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		source := w.Host("source", func(ctx context.Context) error {
			t, _, err := aio.CreateConnection(ctx, func() *counting { return &counting{&got} }, "sink:1", nil)
			if err != nil {
				return err
			}
			defer t.Close()
			message := make([]byte, 64)
			for i := range b.N {
				_, _ = t.Write(message)
				if i%100 == 99 {
					if err := aio.Sleep(ctx, 10*time.Millisecond); err != nil {
						return err
					}
				}
			}
			return aio.Sleep(ctx, time.Second)
		})
		b.ResetTimer()
		return source.Wait(ctx)
	})
	if len(r.Failures) > 0 {
		b.Fatal(r.Failures[0])
	}
	if got != 64*b.N {
		b.Fatalf("%d bytes arrived, not %d", got, 64*b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// counting is a protocol that counts bytes.
type counting struct{ n *int }

func (c *counting) DataReceived(p []byte) { *c.n += len(p) }

// Five hosts send a heartbeat to each other every 50 ms, over 20 connections, and wait
// for each heartbeat with a timeout.
func BenchmarkCluster(b *testing.B) {
	const hosts = 5
	r := aiotest.Simulation{Runs: 1, AllowDifferences: true, MaxSteps: math.MaxInt}.Run(func(ctx context.Context, w *aiotest.World) error {
		for i := range hosts {
			w.Host(fmt.Sprint("n", i), func(ctx context.Context) error {
				s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
					for {
						err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
							_, err := r.ReadExactly(ctx, 8)
							return err
						})
						if err != nil {
							return err
						}
					}
				}, ":1", nil)
				if err != nil {
					return err
				}
				defer s.Close()
				return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
					for j := range hosts {
						if j == i {
							continue
						}
						tg.Go(func(ctx context.Context) error {
							_, c, err := aio.OpenConnection(ctx, fmt.Sprintf("n%d:1", j), nil)
							if err != nil {
								return err
							}
							for {
								_, _ = c.Write([]byte("I live!\n"))
								if err := aio.Sleep(ctx, 50*time.Millisecond); err != nil {
									return err
								}
							}
						})
					}
					return nil
				})
			})
		}
		b.ResetTimer()
		return aio.Sleep(ctx, time.Duration(b.N)*time.Second)
	})
	if len(r.Failures) > 0 {
		b.Fatal(r.Failures[0])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "virtual-s/s")
}
