package aio_test

// Each benchmark has a sub-benchmark aio and, if plain Go has an equivalent, one named
// go, so that one run compares them. docs/performance.md contains the goals and the
// latest figures.

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/goaio/aio"
)

// batch is the maximum number of tasks or timers that exist at the same time.
const batch = 200_000

// inLoop runs main as the sub-benchmark aio. main resets the timer after its setup.
func inLoop(b *testing.B, main func(ctx context.Context, b *testing.B) error) {
	b.Run("aio", func(b *testing.B) {
		b.ReportAllocs()
		if err := aio.Run(func(ctx context.Context) error { return main(ctx, b) }); err != nil {
			b.Fatal(err)
		}
	})
}

// inGo runs f as the sub-benchmark go.
func inGo(b *testing.B, f func(b *testing.B)) {
	b.Run("go", func(b *testing.B) {
		b.ReportAllocs()
		f(b)
	})
}

// rounds calls f with numbers of at most size whose sum is b.N.
func rounds(b *testing.B, size int, f func(n int) error) error {
	b.ResetTimer()
	for left := b.N; left > 0; left -= size {
		if err := f(min(left, size)); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkPull is a lower bound: a round trip of the coroutines that tasks are built
// on.
func BenchmarkPull(b *testing.B) {
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		for yield(struct{}{}) {
		}
	})
	defer stop()
	for range b.N {
		next()
	}
}

// switches makes b.N steps in the given number of tasks.
func switches(ctx context.Context, b *testing.B, tasks int) error {
	b.ResetTimer()
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for i := range tasks {
			n := b.N / tasks
			if i < b.N%tasks {
				n++
			}
			tg.Go(func(ctx context.Context) error { letPass(ctx, n); return nil })
		}
		return nil
	})
}

func BenchmarkSwitch(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error { return switches(ctx, b, 2) })
	inGo(b, func(b *testing.B) {
		token := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for range b.N / 2 {
				<-token
				token <- struct{}{}
			}
		})
		for range b.N / 2 {
			token <- struct{}{}
			<-token
		}
		wg.Wait()
	})
}

func BenchmarkSwitch10k(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error { return switches(ctx, b, 10_000) })
}

func one(context.Context) (int, error) { return 1, nil }

func BenchmarkSpawnAwait(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		b.ResetTimer()
		for range b.N {
			if _, err := aio.CreateTask(ctx, one).Await(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	inGo(b, func(b *testing.B) {
		for range b.N {
			result := make(chan int, 1)
			go func() { result <- 1 }()
			<-result
		}
	})
}

func BenchmarkGather(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		aws := make([]aio.Awaitable[int], batch)
		for i := range aws {
			aws[i] = aio.Coro[int](one)
		}
		return rounds(b, batch, func(n int) error {
			_, err := aio.Gather(ctx, aws[:n]...).Await(ctx)
			return err
		})
	})
	inGo(b, benchErrgroup)
}

func BenchmarkTaskGroup(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		return rounds(b, batch, func(n int) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for range n {
					aio.GoResult(tg, one)
				}
				return nil
			})
		})
	})
	inGo(b, benchErrgroup)
}

func benchErrgroup(b *testing.B) {
	results := make([]int, batch)
	err := rounds(b, batch, func(n int) error {
		var g errgroup.Group
		for i := range n {
			g.Go(func() error {
				results[i] = 1
				return nil
			})
		}
		return g.Wait()
	})
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkFutureWake(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		b.ResetTimer()
		for range b.N {
			f := aio.CreateFuture[int](ctx)
			loop.CallSoon(func() { _ = f.SetResult(1) })
			if _, err := f.Await(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkQueueNowait(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		q := aio.NewQueue[int](0)
		// the first call with a ctx binds the queue to the loop
		if err := q.Join(ctx); err != nil {
			return err
		}
		b.ResetTimer()
		for i := range b.N {
			if err := q.PutNowait(i); err != nil {
				return err
			}
			if _, err := q.GetNowait(); err != nil {
				return err
			}
		}
		return nil
	})
	inGo(b, func(b *testing.B) {
		c := make(chan int, 1)
		for i := range b.N {
			c <- i
			<-c
		}
	})
}

// benchQueue passes b.N items through a queue of the given size.
func benchQueue(b *testing.B, size int) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		q := aio.NewQueue[int](size)
		b.ResetTimer()
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				for i := range b.N {
					if err := q.Put(ctx, i); err != nil {
						return err
					}
				}
				return nil
			})
			for range b.N {
				if _, err := q.Get(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	})
	inGo(b, func(b *testing.B) {
		c := make(chan int, size)
		go func() {
			for i := range b.N {
				c <- i
			}
		}()
		for range b.N {
			<-c
		}
	})
}

func BenchmarkQueue1(b *testing.B)   { benchQueue(b, 1) }
func BenchmarkQueue128(b *testing.B) { benchQueue(b, 128) }

func BenchmarkLockUncontended(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		var lock aio.Lock
		b.ResetTimer()
		for range b.N {
			if err := lock.Acquire(ctx); err != nil {
				return err
			}
			lock.Release()
		}
		return nil
	})
	inGo(b, func(b *testing.B) {
		var mu sync.Mutex
		for range b.N {
			mu.Lock()
			mu.Unlock() //lint:ignore SA2001 the pair is what is measured
		}
	})
}

// contended runs section b.N times, distributed over ten tasks.
func contended(ctx context.Context, b *testing.B, section func(ctx context.Context) error) error {
	b.ResetTimer()
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for range 10 {
			tg.Go(func(ctx context.Context) error {
				for range b.N/10 + 1 {
					if err := section(ctx); err != nil {
						return err
					}
				}
				return nil
			})
		}
		return nil
	})
}

// contendedGo is contended with goroutines.
func contendedGo(b *testing.B, section func()) {
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range b.N/10 + 1 {
				section()
			}
		})
	}
	wg.Wait()
}

func BenchmarkLockContended(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		var lock aio.Lock
		return contended(ctx, b, func(ctx context.Context) error {
			if err := lock.Acquire(ctx); err != nil {
				return err
			}
			defer lock.Release()
			return aio.Sleep(ctx, 0)
		})
	})
	inGo(b, func(b *testing.B) {
		var mu sync.Mutex
		contendedGo(b, func() {
			mu.Lock()
			defer mu.Unlock()
			runtime.Gosched()
		})
	})
}

func BenchmarkSemaphoreContended(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		sem := aio.NewSemaphore(3)
		return contended(ctx, b, func(ctx context.Context) error {
			if err := sem.Acquire(ctx); err != nil {
				return err
			}
			defer sem.Release()
			return aio.Sleep(ctx, 0)
		})
	})
	inGo(b, func(b *testing.B) {
		sem := semaphore.NewWeighted(3)
		contendedGo(b, func() {
			if sem.Acquire(context.Background(), 1) == nil {
				defer sem.Release(1)
				runtime.Gosched()
			}
		})
	})
}

func BenchmarkEventPingPong(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		var ping, pong aio.Event
		b.ResetTimer()
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				for range b.N {
					if err := ping.Wait(ctx); err != nil {
						return err
					}
					ping.Clear()
					pong.Set()
				}
				return nil
			})
			for range b.N {
				ping.Set()
				if err := pong.Wait(ctx); err != nil {
					return err
				}
				pong.Clear()
			}
			return nil
		})
	})
	inGo(b, func(b *testing.B) {
		ping, pong := make(chan struct{}), make(chan struct{})
		go func() {
			for range b.N {
				<-ping
				pong <- struct{}{}
			}
		}()
		for range b.N {
			ping <- struct{}{}
			<-pong
		}
	})
}

// BenchmarkTimers100k runs 100 000 sleeps of 1 to 100 ms in each iteration, after a
// round that is not measured. BenchmarkTimers100kFirst measures a first round, with
// -benchtime 1x and in a process of its own.
func BenchmarkTimers100k(b *testing.B)      { benchSleepers(b, 1) }
func BenchmarkTimers100kFirst(b *testing.B) { benchSleepers(b, 0) }

// benchSleepers measures rounds of sleeping tasks, after some others. In asyncio's order
// all tasks exist before the first one starts. So the goroutines of the rival wait for
// each other too: otherwise the first ones end, and are used again, while others are
// made.
func benchSleepers(b *testing.B, before int) {
	const n = 100_000
	span := func(i int) time.Duration { return time.Duration(i%100+1) * time.Millisecond }
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		for round := range before + b.N {
			if round == before {
				b.ResetTimer()
			}
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for i := range n {
					tg.Go(func(ctx context.Context) error { return aio.Sleep(ctx, span(i)) })
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	inGo(b, func(b *testing.B) {
		for round := range before + b.N {
			if round == before {
				b.ResetTimer()
			}
			var wg sync.WaitGroup
			all := make(chan struct{})
			for i := range n {
				wg.Go(func() {
					<-all
					time.Sleep(span(i))
				})
			}
			close(all)
			wg.Wait()
		}
	})
}

func BenchmarkCallSoon(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		calls := 0
		return rounds(b, 1000, func(n int) error {
			for range n {
				loop.CallSoon(func() { calls++ })
			}
			return aio.Sleep(ctx, 0)
		})
	})
}

func BenchmarkCallLaterCancel(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		return rounds(b, 1000, func(n int) error {
			for range n {
				loop.CallLater(time.Hour, func() {}).Cancel()
			}
			return aio.Sleep(ctx, 0)
		})
	})
	inGo(b, func(b *testing.B) {
		for range b.N {
			time.AfterFunc(time.Hour, func() {}).Stop()
		}
	})
}

func BenchmarkWaitFor(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		step := aio.Coro[int](func(ctx context.Context) (int, error) { return 1, aio.Sleep(ctx, 0) })
		b.ResetTimer()
		for range b.N {
			if _, err := aio.WaitFor(ctx, step, time.Hour); err != nil {
				return err
			}
		}
		return nil
	})
}

func BenchmarkTimeout(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		step := func(ctx context.Context) error { return aio.Sleep(ctx, 0) }
		b.ResetTimer()
		for range b.N {
			if err := aio.Timeout(ctx, time.Hour, step); err != nil {
				return err
			}
		}
		return nil
	})
	inGo(b, func(b *testing.B) {
		for range b.N {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			runtime.Gosched()
			if ctx.Err() != nil {
				b.Fatal(ctx.Err())
			}
			cancel()
		}
	})
}

// BenchmarkCancel cancels sleeping tasks and awaits them.
func BenchmarkCancel(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		sleep := aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
		return rounds(b, 100_000, func(n int) error {
			b.StopTimer()
			tasks := make([]*aio.Task[struct{}], n)
			for i := range tasks {
				tasks[i] = aio.CreateTask(ctx, sleep)
			}
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			b.StartTimer()
			for _, t := range tasks {
				t.Cancel()
			}
			for _, t := range tasks {
				if _, err := t.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
					return err
				}
			}
			return nil
		})
	})
}

func BenchmarkToThread(b *testing.B) {
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		b.ResetTimer()
		for range b.N {
			if _, err := aio.ToThread(ctx, one); err != nil {
				return err
			}
		}
		return nil
	})
	inGo(b, func(b *testing.B) {
		for range b.N {
			result := make(chan int)
			go func() { result <- 1 }()
			<-result
		}
	})
}

func BenchmarkRunCoroutineThreadsafe(b *testing.B) {
	b.Run("aio", func(b *testing.B) {
		b.ReportAllocs()
		loop := aio.NewEventLoop(nil)
		stopped := make(chan error)
		go func() { stopped <- loop.RunForever() }()
		b.ResetTimer()
		for range b.N {
			if _, err := aio.RunCoroutineThreadsafe(loop, one).Result(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		loop.CallSoonThreadsafe(loop.Stop)
		if err := <-stopped; err != nil {
			b.Fatal(err)
		}
		loop.Close()
	})
	inGo(b, func(b *testing.B) {
		type call struct{ result chan int }
		calls := make(chan call)
		go func() {
			for c := range calls {
				c.result <- 1
			}
		}()
		for range b.N {
			c := call{make(chan int)}
			calls <- c
			<-c.result
		}
		close(calls)
	})
}

// BenchmarkParked measures the memory of a waiting task, compared with a goroutine that
// waits on a channel, with and without support for cancellation.
func BenchmarkParked(b *testing.B) {
	const n = batch
	inUse := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	inLoop(b, func(ctx context.Context, b *testing.B) error {
		for range b.N {
			var event aio.Event
			before := inUse()
			err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				for range n {
					aio.CreateTask(ctx, aio.NoResult(event.Wait))
				}
				if err := aio.Sleep(ctx, 0); err != nil {
					return err
				}
				b.ReportMetric(float64(inUse()-before)/n, "B/parked")
				event.Set()
				letPass(ctx, 2)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	park := func(b *testing.B, wait func(released <-chan struct{})) {
		for range b.N {
			released := make(chan struct{})
			var started, ended sync.WaitGroup
			started.Add(n)
			before := inUse()
			for range n {
				ended.Go(func() {
					started.Done()
					wait(released)
				})
			}
			started.Wait()
			b.ReportMetric(float64(inUse()-before)/n, "B/parked")
			close(released)
			ended.Wait()
		}
	}
	inGo(b, func(b *testing.B) {
		park(b, func(released <-chan struct{}) { <-released })
	})
	b.Run("go-cancellable", func(b *testing.B) {
		park(b, func(released <-chan struct{}) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			select {
			case <-released:
			case <-ctx.Done():
			}
		})
	})
}
