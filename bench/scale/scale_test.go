// Package scale measures how the time of one operation grows with the number of tasks,
// timers and queue items.
package scale

// Each benchmark repeats the work on n items b.N times, and reports the time per item
// as ns/item. The sub-benchmarks "go" do the same in plain Go where there is an
// equivalent. They show which part of the growth is due to the machine, whose caches
// hold a thousand goroutines but not a million.

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/goaio/aio"
)

// sizes are the compared numbers of items.
var sizes = []int{1_000, 1_000_000}

// eachSize runs f for every size, as a sub-benchmark of name.
func eachSize(b *testing.B, name string, f func(b *testing.B, n int)) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) { f(b, n) })
	}
}

// inLoop runs f for every size as the sub-benchmark aio.
func inLoop(b *testing.B, f func(ctx context.Context, b *testing.B, n int) error) {
	eachSize(b, "aio", func(b *testing.B, n int) {
		if err := aio.Run(func(ctx context.Context) error { return f(ctx, b, n) }); err != nil {
			b.Fatal(err)
		}
	})
}

// perItem reports the time per item.
func perItem(b *testing.B, items int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(items), "ns/item")
}

// steps is the number of Sleep(0) calls of each task. The first one, in which tasks get
// their stacks, is not measured.
const steps = 5

// BenchmarkSteps measures a Sleep(0) step among n tasks.
func BenchmarkSteps(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B, n int) error {
		b.StopTimer()
		for range b.N {
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for range n {
					tg.Go(func(ctx context.Context) error {
						for range steps + 1 {
							if err := aio.Sleep(ctx, 0); err != nil {
								return err
							}
						}
						return nil
					})
				}
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
				b.StartTimer()
				defer b.StopTimer()
				for range steps {
					if err := aio.Sleep(ctx, 0); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		perItem(b, b.N*n*steps)
		return nil
	})
	eachSize(b, "go", func(b *testing.B, n int) {
		b.StopTimer()
		for range b.N {
			var started, ended sync.WaitGroup
			begin := make(chan struct{})
			started.Add(n)
			for range n {
				ended.Go(func() {
					started.Done()
					<-begin
					for range steps {
						runtime.Gosched()
					}
				})
			}
			started.Wait()
			b.StartTimer()
			close(begin)
			ended.Wait()
			b.StopTimer()
		}
		perItem(b, b.N*n*steps)
	})
}

// BenchmarkGather measures a trivial coroutine among n in one Gather.
func BenchmarkGather(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B, n int) error {
		aws := make([]aio.Awaitable[int], n)
		for i := range aws {
			aws[i] = aio.Coro[int](func(context.Context) (int, error) { return i, nil })
		}
		b.ResetTimer()
		for range b.N {
			if _, err := aio.Gather(ctx, aws...).Await(ctx); err != nil {
				return err
			}
		}
		perItem(b, b.N*n)
		return nil
	})
	eachSize(b, "go", func(b *testing.B, n int) {
		results := make([]int, n)
		b.ResetTimer()
		for range b.N {
			var g errgroup.Group
			for i := range n {
				g.Go(func() error {
					results[i] = i
					return nil
				})
			}
			if err := g.Wait(); err != nil {
				b.Fatal(err)
			}
		}
		perItem(b, b.N*n)
	})
}

// BenchmarkTimers measures one of n timers that are set in one order and fire in
// another. They are due a nanosecond apart, so that waiting for them takes no time.
func BenchmarkTimers(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B, n int) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		order := rand.New(rand.NewPCG(1, 2)).Perm(n)
		b.ResetTimer()
		for range b.N {
			all := aio.CreateFuture[struct{}](ctx)
			left := n
			fire := func() {
				if left--; left == 0 {
					_ = all.SetResult(struct{}{})
				}
			}
			for _, i := range order {
				loop.CallLater(time.Duration(i), fire)
			}
			if _, err := all.Await(ctx); err != nil {
				return err
			}
		}
		perItem(b, b.N*n)
		return nil
	})
	eachSize(b, "go", func(b *testing.B, n int) {
		order := rand.New(rand.NewPCG(1, 2)).Perm(n)
		b.ResetTimer()
		for range b.N {
			var fired sync.WaitGroup
			fired.Add(n)
			for _, i := range order {
				time.AfterFunc(time.Duration(i), fired.Done)
			}
			fired.Wait()
		}
		perItem(b, b.N*n)
	})
}

// BenchmarkPendingTimers measures creating and cancelling a timer while n others are
// pending.
func BenchmarkPendingTimers(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B, n int) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
			loop.CallLater(time.Hour+time.Duration(i)*time.Microsecond, func() {})
		}
		const ops = 1000
		b.ResetTimer()
		for range b.N {
			for i := range ops {
				loop.CallLater(time.Hour+time.Duration(i)*time.Millisecond, func() {}).Cancel()
			}
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		perItem(b, b.N*ops)
		return nil
	})
	eachSize(b, "go", func(b *testing.B, n int) {
		pending := make([]*time.Timer, n)
		for at, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
			pending[at] = time.AfterFunc(time.Hour+time.Duration(i)*time.Microsecond, func() {})
		}
		const ops = 1000
		b.ResetTimer()
		for range b.N {
			for i := range ops {
				time.AfterFunc(time.Hour+time.Duration(i)*time.Millisecond, func() {}).Stop()
			}
		}
		perItem(b, b.N*ops)
		for _, t := range pending {
			t.Stop()
		}
	})
}

// BenchmarkQueue measures putting and getting an item, with n items in a queue.
func BenchmarkQueue(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B, n int) error {
		for range b.N {
			q := aio.NewQueue[int](0)
			for i := range n {
				if err := q.Put(ctx, i); err != nil {
					return err
				}
			}
			for range n {
				if _, err := q.Get(ctx); err != nil {
					return err
				}
			}
		}
		perItem(b, b.N*n)
		return nil
	})
	eachSize(b, "go", func(b *testing.B, n int) {
		for range b.N {
			c := make(chan int, n)
			for i := range n {
				c <- i
			}
			for range n {
				<-c
			}
		}
		perItem(b, b.N*n)
	})
}
