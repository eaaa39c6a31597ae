package aio_test

import (
	"context"
	"iter"
	"sync"
	"testing"

	"github.com/goaio/aio"
)

func benchRun(b *testing.B, main func(ctx context.Context) error) {
	b.Helper()
	b.ReportAllocs()
	if err := aio.Run(main); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPull(b *testing.B) {
	next, stop := iter.Pull(func(y func(struct{}) bool) {
		for y(struct{}{}) {
		}
	})
	defer stop()
	for b.Loop() {
		next()
	}
}

func BenchmarkSwitch(b *testing.B) {
	b.Run("aio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			n := b.N
			b.ResetTimer()
			t := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
				for range n / 2 {
					aio.Sleep(ctx, 0)
				}
				return 0, nil
			})
			for range n / 2 {
				aio.Sleep(ctx, 0)
			}
			t.Await(ctx)
			return nil
		})
	})
	b.Run("go", func(b *testing.B) {
		c := make(chan struct{})
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range b.N / 2 {
				<-c
				c <- struct{}{}
			}
		}()
		for range b.N / 2 {
			c <- struct{}{}
			<-c
		}
		wg.Wait()
	})
}

func BenchmarkSpawnAwait(b *testing.B) {
	b.Run("aio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			b.ResetTimer()
			for range b.N {
				aio.CreateTask(ctx, func(ctx context.Context) (int, error) { return 1, nil }).Await(ctx)
			}
			return nil
		})
	})
	b.Run("go", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			c := make(chan int, 1)
			go func() { c <- 1 }()
			<-c
		}
	})
}

func BenchmarkQueueNowait(b *testing.B) {
	b.Run("aio", func(b *testing.B) {
		benchRun(b, func(ctx context.Context) error {
			q := aio.NewQueue[int](0)
			q.Put(ctx, 1)
			q.Get(ctx)
			b.ResetTimer()
			for range b.N {
				q.PutNowait(1)
				q.GetNowait()
			}
			return nil
		})
	})
	b.Run("go", func(b *testing.B) {
		c := make(chan int, 1)
		for range b.N {
			c <- 1
			<-c
		}
	})
}
