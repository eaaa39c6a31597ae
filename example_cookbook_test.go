package aio_test

// The recipes of docs/cookbook.md, which contains them word for word.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aioiter"
	"github.com/goaio/aio/aiokit"
)

// simulate runs main with a virtual clock and prints its error.
func simulate(main func(ctx context.Context) error) {
	loop := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer loop.Close()
	if _, err := aio.RunUntilComplete(loop, aio.NoResult(main)); err != nil {
		fmt.Println(err)
	}
}

func Example_cookbookLimit() {
	simulate(func(ctx context.Context) error {
		running, most := 0, 0
		download := func(ctx context.Context, url string) error {
			running++
			most = max(most, running)
			defer func() { running-- }()
			return aio.Sleep(ctx, time.Second) // simulates the work
		}
		urls := strings.Fields("a b c d e f g h")
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Limit = 3
			for _, url := range urls {
				tg.Go(func(ctx context.Context) error { return download(ctx, url) })
			}
			return nil
		})
		fmt.Println(len(urls), "downloads, at most", most, "at a time")
		return err
	})
	// Output: 8 downloads, at most 3 at a time
}

func Example_cookbookWorkers() {
	simulate(func(ctx context.Context) error {
		jobs := aio.NewQueue[int](2) // Put waits while two jobs are queued
		worker := func(ctx context.Context) error {
			for job, err := range jobs.All(ctx) { // until the shutdown
				if err != nil {
					return err
				}
				if err := aio.Sleep(ctx, time.Second); err != nil {
					return err
				}
				fmt.Println("done:", job)
			}
			return nil
		}
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for range 3 {
				tg.Go(worker)
			}
			for job := range 6 {
				if err := jobs.Put(ctx, job); err != nil {
					return err
				}
			}
			jobs.Shutdown(false) // queued jobs are still done
			return nil
		})
	})
	// Output:
	// done: 0
	// done: 1
	// done: 2
	// done: 3
	// done: 4
	// done: 5
}

func Example_cookbookOrderedMap() {
	simulate(func(ctx context.Context) error {
		lengths := aioiter.Map(aioiter.Of("pear", "fig", "banana"), 2,
			func(ctx context.Context, word string) (int, error) {
				// the longest word takes the longest
				return len(word), aio.Sleep(ctx, time.Duration(len(word))*time.Second)
			})
		for n, err := range lengths(ctx) {
			if err != nil {
				return err
			}
			fmt.Println(n)
		}
		return nil
	})
	// Output:
	// 4
	// 3
	// 6
}

func Example_cookbookRetry() {
	simulate(func(ctx context.Context) error {
		errNotFound := errors.New("not found")
		answers := []error{errors.New("busy"), errors.New("busy"), nil}
		calls := 0
		request := func(ctx context.Context) error {
			calls++
			return answers[calls-1]
		}
		err := aiokit.Retry(ctx, &aiokit.RetryOptions{
			Attempts: 5,
			Timeout:  time.Minute, // for all attempts together
			If:       func(err error) bool { return !errors.Is(err, errNotFound) },
		}, request)
		fmt.Println(calls, "calls:", err)
		return nil
	})
	// Output: 3 calls: <nil>
}

func Example_cookbookPeriodic() {
	simulate(func(ctx context.Context) error {
		n := 0
		flush := func(ctx context.Context) error {
			n++
			if n == 2 {
				return errors.New("disk full")
			}
			fmt.Println("flushed")
			return nil
		}
		_, err := aio.MoveOnAfter(ctx, 3*time.Minute+time.Second, func(ctx context.Context) error {
			return aiokit.Every(ctx, time.Minute, func(ctx context.Context) error {
				if err := flush(ctx); err != nil && !errors.Is(err, aio.ErrCancelled) {
					fmt.Println("flush:", err) // log it and continue
					return nil
				} else {
					return err
				}
			})
		})
		return err
	})
	// Output:
	// flushed
	// flush: disk full
	// flushed
}

func Example_cookbookHedge() {
	simulate(func(ctx context.Context) error {
		mirror := func(name string, latency time.Duration) aio.Coro[string] {
			return func(ctx context.Context) (string, error) {
				return "from " + name, aio.Sleep(ctx, latency)
			}
		}
		// ask the second mirror if the first has not answered after 200 ms
		r, err := aio.StaggeredRace(ctx, 200*time.Millisecond,
			mirror("Oslo", 3*time.Second),
			mirror("Rome", time.Second))
		if err != nil {
			return err
		}
		fmt.Println(r.Value)
		return nil
	})
	// Output: from Rome
}

func Example_cookbookProgress() {
	simulate(func(ctx context.Context) error {
		var tasks []*aio.Task[string]
		for i, name := range []string{"slow", "quick"} {
			tasks = append(tasks, aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
				return name, aio.Sleep(ctx, time.Duration(2-i)*time.Second)
			}))
		}
		done := 0
		for task, err := range aio.AsCompleted(ctx, tasks, aio.NoTimeout).All(ctx) {
			if err != nil {
				return err
			}
			name, err := task.Result()
			if err != nil {
				return err
			}
			done++
			fmt.Printf("%d of %d: %s\n", done, len(tasks), name)
		}
		return nil
	})
	// Output:
	// 1 of 2: quick
	// 2 of 2: slow
}

// cache computes each value once, even if several tasks ask for it at the same time.
type cache struct {
	load func(ctx context.Context, key string) (string, error)
	// The tasks that compute a value. They are shared, so a caller that is cancelled
	// does not cancel them.
	loading map[string]*aio.Task[string]
}

func (c *cache) Get(ctx context.Context, key string) (string, error) {
	task := c.loading[key]
	if task == nil {
		task = aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			v, err := c.load(ctx, key)
			if err != nil {
				delete(c.loading, key) // do not keep a failure
			}
			return v, err
		})
		c.loading[key] = task
	}
	return aio.Shield(ctx, task).Await(ctx)
}

func Example_cookbookCache() {
	simulate(func(ctx context.Context) error {
		loads := 0
		c := &cache{
			load: func(ctx context.Context, key string) (string, error) {
				loads++
				return "value of " + key, aio.Sleep(ctx, time.Second)
			},
			loading: map[string]*aio.Task[string]{},
		}
		get := func(ctx context.Context) (string, error) { return c.Get(ctx, "k") }
		values, err := aio.Gather[string](ctx, aio.Coro[string](get), aio.Coro[string](get)).Await(ctx)
		fmt.Println(values, "with", loads, "load")
		return err
	})
	// Output: [value of k value of k] with 1 load
}

// broadcast sends each item to all subscribers. A subscriber that falls behind by more
// than its queue holds misses items, so it cannot slow down the others.
type broadcast struct{ subscribers map[*aio.Queue[string]]bool }

// Subscribe calls body with a queue of the items that are published while body runs.
func (b *broadcast) Subscribe(ctx context.Context, body func(ctx context.Context, items *aio.Queue[string]) error) error {
	q := aio.NewQueue[string](100)
	b.subscribers[q] = true
	defer delete(b.subscribers, q)
	return body(ctx, q)
}

func (b *broadcast) Publish(item string) (missed int) {
	for q := range b.subscribers {
		if q.PutNowait(item) != nil {
			missed++
		}
	}
	return missed
}

func Example_cookbookBroadcast() {
	simulate(func(ctx context.Context) error {
		b := &broadcast{map[*aio.Queue[string]]bool{}}
		listen := func(name string) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				return b.Subscribe(ctx, func(ctx context.Context, items *aio.Queue[string]) error {
					item, err := items.Get(ctx)
					fmt.Println(name, "got", item)
					return err
				})
			}
		}
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(listen("anna"))
			tg.Go(listen("ben"))
			if err := aio.Sleep(ctx, 0); err != nil { // lets both subscribe
				return err
			}
			b.Publish("news")
			return nil
		})
	})
	// Unordered output:
	// anna got news
	// ben got news
}

func Example_cookbookBatch() {
	simulate(func(ctx context.Context) error {
		events := aio.NewQueue[int](0)
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for i := range 5 {
				if err := aio.Sleep(ctx, 400*time.Millisecond); err != nil {
					return err
				}
				if err := events.Put(ctx, i); err != nil {
					return err
				}
			}
			events.Shutdown(false)
			return nil
		}))
		for {
			// wait for the first item, then up to a second for two more
			first, err := events.Get(ctx)
			if errors.Is(err, aio.ErrQueueShutDown) {
				return nil
			} else if err != nil {
				return err
			}
			batch := []int{first}
			_, err = aio.MoveOnAfter(ctx, time.Second, func(ctx context.Context) error {
				for len(batch) < 3 {
					item, err := events.Get(ctx)
					if err != nil {
						return err
					}
					batch = append(batch, item)
				}
				return nil
			})
			fmt.Println(batch)
			if err != nil && !errors.Is(err, aio.ErrQueueShutDown) {
				return err
			}
		}
	})
	// Output:
	// [0 1 2]
	// [3 4]
}

func Example_cookbookIdle() {
	simulate(func(ctx context.Context) error {
		messages := aio.NewQueue[string](0)
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for _, m := range []string{"one", "two"} {
				if err := aio.Sleep(ctx, 20*time.Second); err != nil {
					return err
				}
				if err := messages.Put(ctx, m); err != nil {
					return err
				}
			}
			return nil
		}))
		var scope aio.CancelScope
		const idle = 30 * time.Second
		scope.SetTimeout(idle)
		err := scope.Run(ctx, func(ctx context.Context) error {
			for {
				m, err := messages.Get(ctx)
				if err != nil {
					return err
				}
				fmt.Println(m)
				scope.SetTimeout(idle) // moves the deadline
			}
		})
		fmt.Println("idle:", scope.Caught())
		return err
	})
	// Output:
	// one
	// two
	// idle: true
}

// client sends requests over one connection, and matches the responses, which arrive in
// any order, to the requests by a number.
type client struct {
	send    func(ctx context.Context, id int, request string) error
	next    int
	waiting map[int]*aio.Future[string]
}

func (c *client) Call(ctx context.Context, request string) (string, error) {
	c.next++
	id := c.next
	f := aio.CreateFuture[string](ctx)
	c.waiting[id] = f
	defer delete(c.waiting, id) // also if the caller is cancelled
	if err := c.send(ctx, id, request); err != nil {
		return "", err
	}
	return f.Await(ctx)
}

// received is called by the task that reads the connection.
func (c *client) received(id int, response string) error {
	f := c.waiting[id]
	if f == nil || f.Done() {
		return nil // the caller was cancelled
	}
	return f.SetResult(response)
}

func Example_cookbookMatch() {
	simulate(func(ctx context.Context) error {
		c := &client{waiting: map[int]*aio.Future[string]{}}
		// this server answers the second request first
		c.send = func(ctx context.Context, id int, request string) error {
			aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				if err := aio.Sleep(ctx, time.Duration(3-id)*time.Second); err != nil {
					return err
				}
				return c.received(id, strings.ToUpper(request))
			}))
			return nil
		}
		call := func(s string) aio.Coro[string] {
			return func(ctx context.Context) (string, error) { return c.Call(ctx, s) }
		}
		answers, err := aio.Gather[string](ctx, call("one"), call("two")).Await(ctx)
		fmt.Println(answers)
		return err
	})
	// Output: [ONE TWO]
}

// keyLocks lets one task at a time work on each key.
type keyLocks map[string]*keyLock

type keyLock struct {
	lock  aio.Lock
	users int
}

func (k keyLocks) With(ctx context.Context, key string, body func(ctx context.Context) error) error {
	l := k[key]
	if l == nil {
		l = &keyLock{}
		k[key] = l
	}
	l.users++
	defer func() {
		if l.users--; l.users == 0 {
			delete(k, key)
		}
	}()
	return l.lock.With(ctx, body)
}

func Example_cookbookKeys() {
	simulate(func(ctx context.Context) error {
		locks := keyLocks{}
		update := func(key string) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				return locks.With(ctx, key, func(ctx context.Context) error {
					fmt.Println("begin", key)
					err := aio.Sleep(ctx, time.Second)
					fmt.Println("end", key)
					return err
				})
			}
		}
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(update("a"))
			tg.Go(update("a"))
			tg.Go(update("b"))
			return nil
		})
		fmt.Println(len(locks), "locks are left")
		return err
	})
	// Output:
	// begin a
	// begin b
	// end a
	// end b
	// begin a
	// end a
	// 0 locks are left
}

func Example_cookbookPause() {
	simulate(func(ctx context.Context) error {
		var running aio.Event // the worker works while it is set
		worker := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for i := 0; ; i++ {
				if err := running.Wait(ctx); err != nil {
					return err
				}
				fmt.Println("item", i)
				if err := aio.Sleep(ctx, time.Second); err != nil {
					return err
				}
			}
		}))
		for _, run := range []bool{true, false, true} {
			if run {
				fmt.Println("run")
				running.Set()
			} else {
				fmt.Println("pause")
				running.Clear()
			}
			if err := aio.Sleep(ctx, 1500*time.Millisecond); err != nil {
				return err
			}
		}
		return aio.CancelAndWait(ctx, worker)
	})
	// Output:
	// run
	// item 0
	// item 1
	// pause
	// run
	// item 2
	// item 3
}

func Example_cookbookOutlive() {
	simulate(func(ctx context.Context) error {
		save := func(ctx context.Context) error {
			if err := aio.Sleep(ctx, 2*time.Second); err != nil {
				fmt.Println("not saved")
				return err
			}
			fmt.Println("saved")
			return nil
		}
		request := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			// the request may be cancelled; the save, once begun, is not
			return aio.Shielded(ctx, func(ctx context.Context) error {
				return aio.FailAfter(ctx, 5*time.Second, save)
			})
		}))
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		return aio.CancelAndWait(ctx, request)
	})
	// Output: saved
}

func Example_cookbookDrain() {
	simulate(func(ctx context.Context) error {
		jobs := aio.NewQueue[string](10)
		worker := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for job, err := range jobs.All(ctx) {
				if err != nil {
					return err
				}
				if err := aio.Sleep(ctx, time.Second); err != nil {
					fmt.Println("cut off:", job)
					return err
				}
				fmt.Println("done:", job)
			}
			return nil
		}))
		for _, job := range []string{"a", "b", "c"} {
			if err := jobs.Put(ctx, job); err != nil {
				return err
			}
		}
		// accept no more items, and process the queued ones for at most 2.5 s
		jobs.Shutdown(false)
		err := aio.Timeout(ctx, 2500*time.Millisecond, func(ctx context.Context) error {
			_, err := worker.Await(ctx)
			return err
		})
		fmt.Println(err)
		return nil
	})
	// Output:
	// done: a
	// done: b
	// cut off: c
	// aio: timed out
}

func Example_cookbookThreads() {
	err := aio.Run(func(ctx context.Context) error {
		resize := func(name string) (string, error) { // blocks
			time.Sleep(time.Millisecond)
			return "small " + name, nil
		}
		workers := aio.NewThreadPoolExecutor(2) // at most two at a time
		defer workers.Shutdown(true)
		var results []*aio.Future[string]
		for _, name := range []string{"a.png", "b.png", "c.png"} {
			results = append(results, aio.RunInExecutor(ctx, workers, func() (string, error) { return resize(name) }))
		}
		names, err := aio.GatherSlice(ctx, results).Await(ctx)
		fmt.Println(names)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: [small a.png small b.png small c.png]
}

func Example_cookbookSubmit() {
	loop, stop := aio.StartLoop(nil) // once, when the program begins
	total := 0                       // owned by the loop: no mutex
	add := func(n int) aio.Coro[int] {
		return func(ctx context.Context) (int, error) {
			total += n
			return total, nil
		}
	}
	var all sync.WaitGroup
	for n := range 5 {
		all.Go(func() { // any goroutine
			if _, err := aio.RunCoroutineThreadsafe(loop, add(n)).Result(context.Background()); err != nil {
				fmt.Println(err)
			}
		})
	}
	all.Wait()
	fmt.Println(aio.RunCoroutineThreadsafe(loop, add(0)).Result(context.Background()))
	fmt.Println(stop())
	// Output:
	// 10 <nil>
	// <nil>
}
