package aiotest_test

// More programs with faults of the kinds in the zoo. They were written without
// considering how aiotest finds the faults of the zoo.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// foundWithin is the number of runs in which each fault must be found.
const foundWithin = 1000

var kinds = []specimen{
	{name: "stock sold twice", kind: "lost update", mode: aiotest.Environment, run: kindStock},
	{name: "counter behind a queue", kind: "lost update without time", mode: aiotest.AnyOrder, run: kindCounter},
	{name: "mail server", kind: "unread answer", sweep: kindMail},
	{name: "token fetched twice", kind: "cache filled twice", mode: aiotest.Environment, run: kindToken},
	{name: "event cleared", kind: "lost notify", mode: aiotest.Environment, run: kindEvent},
	{name: "worker count", kind: "permit lost", sweep: kindCount},
	{name: "batch", kind: "item lost", sweep: kindBatch},
	{name: "philosophers", kind: "lock order", mode: aiotest.Environment, run: kindPhilosophers},
	{name: "first and second", kind: "order of tasks", mode: aiotest.AnyOrder, run: kindFirstSecond},
	{name: "hedged request", kind: "timer against answer", mode: aiotest.Environment, run: kindHedge},
	{name: "singleton", kind: "double connect", mode: aiotest.AnyOrder, run: kindSingleton},
	{name: "unlock at the end", kind: "dropped error of a deferred await", sweep: kindUnlock},
	{name: "flush at exit", kind: "queue dropped at shutdown", mode: aiotest.Environment, run: kindFlush},
	{name: "two files", kind: "acknowledged before durable", sweep: kindTwoFiles},
	{name: "debounce", kind: "stale timer", mode: aiotest.Environment, run: kindDebounce},
	{name: "limit of connections", kind: "check, then act", mode: aiotest.Exhaustive, run: kindLimit},
	{name: "report written by a job", kind: "closed under a reader", mode: aiotest.Environment, run: kindReport},
}

func TestOthersOfTheKinds(t *testing.T) {
	for _, s := range kinds {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if !slices.ContainsFunc(zoo, func(z specimen) bool { return z.name == s.kind }) {
				t.Fatalf("the zoo has no %q", s.kind)
			}
			var r aiotest.Report
			if s.sweep != nil {
				r = aiotest.Sweep{}.Run(s.sweep(false))
				if len(r.Failures) == 0 || r.Failures[0].Run == 1 {
					t.Fatalf("the sweep does not find it: %+v", r)
				}
			} else {
				x := aiotest.Exploration{Mode: s.mode, Runs: foundWithin}
				if r := x.Replay("default", s.run(false)); len(r.Failures) > 0 {
					t.Fatalf("it is wrong in asyncio's own order: %v", r.Failures[0])
				}
				worst := 0
				for seed := range uint64(zooSeeds) {
					x.Seed = 10_000 * seed
					r = x.Run(s.run(false))
					if len(r.Failures) == 0 {
						t.Fatalf("seed %d: not found in %d runs", x.Seed, foundWithin)
					}
					worst = max(worst, r.Failures[0].Run)
				}
				t.Logf("found in %d runs at most", worst)
			}
			t.Logf("%s: %v", s.kind, r.Failures[0])
		})
	}
}

// Only the faulty versions; the zoo has the mended ones.

func kindStock(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		stock, shipped := 3, 0
		order := func(ctx context.Context, n int) error {
			left := stock
			if left < n {
				return nil
			}
			if err := aio.Sleep(ctx, 3*ms); err != nil { // print the label
				return err
			}
			stock = left - n
			shipped += n
			return nil
		}
		err := together(ctx,
			func(ctx context.Context) error { return order(ctx, 2) },
			func(ctx context.Context) error {
				return afterwards(ctx, 4*ms, func(ctx context.Context) error {
					return afterwards(ctx, 1*ms, func(ctx context.Context) error { return order(ctx, 2) })
				})
			},
			func(ctx context.Context) error { return aio.Sleep(ctx, 2*ms) },
		)
		early := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return afterwards(ctx, 2*ms, func(ctx context.Context) error { return order(ctx, 1) })
		}))
		late := afterwards(ctx, 6*ms, func(ctx context.Context) error { return order(ctx, 1) })
		_, err2 := early.Await(ctx)
		if err := errors.Join(err, err2, late); err != nil {
			return err
		}
		if shipped+stock != 3 {
			return fmt.Errorf("%d shipped, %d in stock", shipped, stock)
		}
		return nil
	}
}

func kindCounter(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		total := 0
		add := func(ctx context.Context, q *aio.Queue[int]) error {
			before := total
			n, err := q.Get(ctx) // may have to wait
			total = before + n
			return err
		}
		q := aio.NewQueue[int](0)
		err := together(ctx,
			func(ctx context.Context) error { return add(ctx, q) },
			func(ctx context.Context) error { return q.Put(ctx, 1) },
			func(ctx context.Context) error {
				for range 4 {
					if err := hop(ctx); err != nil {
						return err
					}
				}
				return add(ctx, q)
			},
			func(ctx context.Context) error {
				for range 5 {
					if err := hop(ctx); err != nil {
						return err
					}
				}
				return q.Put(ctx, 1)
			},
		)
		if err == nil && total != 2 {
			err = fmt.Errorf("the total is %d, not 2", total)
		}
		return err
	}
}

func kindMail(bool) func(ctx context.Context, c *aiotest.Cancelled) error {
	return func(ctx context.Context, c *aiotest.Cancelled) error {
		commands, replies := aio.NewQueue[string](0), aio.NewQueue[string](0)
		server := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for command, err := range commands.All(ctx) {
				if err == nil {
					err = aio.Sleep(ctx, 7*ms)
				}
				if err != nil {
					return err
				}
				_ = replies.PutNowait("250 " + command)
			}
			return nil
		}))
		defer server.Cancel()
		var busy aio.Lock
		command := func(ctx context.Context, what string) (reply string, err error) {
			err = busy.With(ctx, func(ctx context.Context) error {
				if err := commands.Put(ctx, what); err != nil {
					return err
				}
				reply, err = replies.Get(ctx)
				return err
			})
			return reply, err
		}
		_ = c.Do(ctx, func(ctx context.Context) error { _, err := command(ctx, "VRFY a"); return err })
		reply, err := command(ctx, "VRFY b")
		if err == nil && reply != "250 VRFY b" {
			err = fmt.Errorf("VRFY b got %q", reply)
		}
		return err
	}
}

func kindToken(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		var expires time.Time
		fetched := 0
		call := func(ctx context.Context) error {
			if loop.Time().Before(expires) {
				return aio.Sleep(ctx, 5*ms)
			}
			fetched++
			if err := aio.Sleep(ctx, 8*ms); err != nil {
				return err
			}
			expires = loop.Time().Add(time.Minute)
			return nil
		}
		var calls []aio.AnyFuture
		for i := range 4 {
			delay := time.Duration(0)
			if i > 0 {
				delay = time.Duration(10+3*i) * ms
			}
			calls = append(calls, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return afterwards(ctx, delay, call) })))
		}
		if _, _, err := aio.Wait(ctx, calls, aio.NoTimeout, aio.AllCompleted); err != nil {
			return err
		}
		if fetched != 1 {
			return fmt.Errorf("the token was fetched %d times", fetched)
		}
		return nil
	}
}

func kindEvent(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var start aio.Event
		starter := func(ctx context.Context) error {
			if err := aio.Sleep(ctx, 9*ms); err != nil {
				return err
			}
			start.Set()
			start.Clear() // for the next race
			return nil
		}
		runner := func(ctx context.Context) error {
			for range 2 { // warm up, and walk to the start
				if err := aio.Sleep(ctx, 3*ms); err != nil {
					return err
				}
			}
			return start.Wait(ctx)
		}
		return together(ctx, starter, runner, runner)
	}
}

func kindCount(bool) func(ctx context.Context, c *aiotest.Cancelled) error {
	return func(ctx context.Context, c *aiotest.Cancelled) error {
		running, most := 0, 1
		var cond aio.Condition
		work := func(ctx context.Context) error {
			err := cond.With(ctx, func(ctx context.Context) error {
				err := cond.WaitFor(ctx, func() bool { return running < most })
				if err == nil {
					running++
				}
				return err
			})
			if err != nil {
				return err
			}
			err = aio.Sleep(ctx, 3*ms)
			// The clean-up awaits too, and a cancellation may be delivered
			// there.
			werr := cond.With(ctx, func(context.Context) error {
				running--
				cond.NotifyAll()
				return nil
			})
			return errors.Join(err, werr)
		}
		other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			// hold the lock from time to time
			for range 4 {
				if err := cond.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, ms) }); err != nil {
					return err
				}
			}
			return nil
		}))
		_ = c.Do(ctx, work)
		if _, err := other.Await(ctx); err != nil {
			return err
		}
		return aio.Timeout(ctx, time.Second, work)
	}
}

func kindBatch(bool) func(ctx context.Context, c *aiotest.Cancelled) error {
	return func(ctx context.Context, c *aiotest.Cancelled) error {
		in := aio.NewQueue[int](0)
		var written []int
		for i := range 3 {
			_ = in.PutNowait(i)
		}
		_ = c.Do(ctx, func(ctx context.Context) error {
			var batch []int
			for len(batch) < 3 {
				n, err := in.Get(ctx)
				if err == nil {
					err = aio.Sleep(ctx, ms)
				}
				if err != nil {
					return err
				}
				batch = append(batch, n)
			}
			if err := aio.Sleep(ctx, 2*ms); err != nil { // open the file
				return err
			}
			written = append(written, batch...)
			return nil
		})
		if got := len(written) + in.QSize(); got != 3 {
			return fmt.Errorf("%d of 3 remain", got)
		}
		return nil
	}
}

func kindPhilosophers(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var forks [3]aio.Lock
		dine := func(i int, from time.Duration) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				return afterwards(ctx, from, func(ctx context.Context) error {
					return forks[i].With(ctx, func(ctx context.Context) error {
						// thinks
						if err := aio.Sleep(ctx, 2*ms); err != nil {
							return err
						}
						return forks[(i+1)%3].With(ctx, hop)
					})
				})
			}
		}
		return together(ctx, dine(0, 1*ms), dine(1, 5*ms), dine(2, 6*ms))
	}
}

func kindFirstSecond(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var config map[string]string
		load := func(context.Context) error { config = map[string]string{"a": "b"}; return nil }
		use := func(context.Context) error {
			if config["a"] != "b" {
				return errors.New("there is no configuration")
			}
			return nil
		}
		return together(ctx, load, use)
	}
}

func kindHedge(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		answers := 0
		ask := func(ctx context.Context) error {
			if err := aio.Sleep(ctx, 6*ms); err != nil {
				return err
			}
			answers++
			return nil
		}
		first := aio.CreateTask(ctx, aio.NoResult(ask))
		done, _, err := aio.Wait(ctx, []aio.AnyFuture{first}, 10*ms, aio.AllCompleted)
		if err != nil {
			return err
		}
		if len(done) == 0 { // slow: ask another server too
			if err := ask(ctx); err != nil {
				return err
			}
			first.Cancel()
		}
		if err := aio.Sleep(ctx, 50*ms); err != nil {
			return err
		}
		if first.Done() && !first.Cancelled() && len(done) == 0 || answers != 1 {
			return fmt.Errorf("%d answers", answers)
		}
		return nil
	}
}

func kindSingleton(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var service *int
		made := 0
		get := func(ctx context.Context) (*int, error) {
			if service != nil {
				return service, nil
			}
			s, err := aio.CreateTask(ctx, func(context.Context) (*int, error) { made++; return new(int), nil }).Await(ctx)
			service = s
			return s, err
		}
		var a, b *int
		err := together(ctx,
			func(ctx context.Context) (err error) { a, err = get(ctx); return err },
			func(ctx context.Context) (err error) {
				for range 2 {
					if err := hop(ctx); err != nil {
						return err
					}
				}
				b, err = get(ctx)
				return err
			},
		)
		if err == nil && a != b {
			err = fmt.Errorf("there are %d services", made)
		}
		return err
	}
}

func kindUnlock(bool) func(ctx context.Context, c *aiotest.Cancelled) error {
	return func(ctx context.Context, c *aiotest.Cancelled) error {
		return expected(c, c.Do(ctx, func(ctx context.Context) error {
			defer func() {
				// a request to the lock server
				_ = aio.Sleep(ctx, ms)
			}()
			return aio.Sleep(ctx, ms)
		}))
	}
}

func kindFlush(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		lines := aio.NewQueue[string](0)
		var disk []string
		writer := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for line, err := range lines.All(ctx) {
				for range 2 { // write and sync
					if err == nil {
						err = aio.Sleep(ctx, 1*ms)
					}
				}
				if err != nil {
					return err
				}
				disk = append(disk, line)
			}
			return nil
		}))
		for i := range 3 {
			_ = lines.PutNowait(fmt.Sprint(i))
		}
		// much longer than the writer needs
		if err := aio.Sleep(ctx, 9*ms); err != nil {
			return err
		}
		writer.Cancel()
		if _, err := writer.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			return err
		}
		if len(disk) != 3 {
			return fmt.Errorf("%d of 3 are on disk", len(disk))
		}
		return nil
	}
}

func kindTwoFiles(bool) func(ctx context.Context, c *aiotest.Cancelled) error {
	return func(ctx context.Context, c *aiotest.Cancelled) error {
		index, data := map[string]bool{}, map[string]bool{}
		_ = c.Do(ctx, func(ctx context.Context) error {
			index["k"] = true
			// fsync
			_, err := aio.ToThread(ctx, func(context.Context) (int, error) { return 0, nil })
			if err != nil {
				return err
			}
			data["k"] = true
			return nil
		})
		if index["k"] && !data["k"] {
			return errors.New("the index has a key whose data is missing")
		}
		return nil
	}
}

func kindDebounce(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		saves, typing := 0, false
		key := func() {
			if typing {
				return // the pending timer saves everything
			}
			typing = true
			loop.CallLater(10*ms, func() { saves++; typing = false })
		}
		for range 3 {
			key()
			if err := aio.Sleep(ctx, 4*ms); err != nil {
				return err
			}
		}
		if err := aio.Sleep(ctx, 50*ms); err != nil {
			return err
		}
		if saves != 1 {
			return fmt.Errorf("saved %d times", saves)
		}
		return nil
	}
}

func kindLimit(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		open, most := 0, 0
		serve := func(wait int) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				for range wait {
					if err := hop(ctx); err != nil {
						return err
					}
				}
				if open >= 1 {
					return nil // full
				}
				// look up the client's name
				if err := hop(ctx); err != nil {
					return err
				}
				open++
				most = max(most, open)
				err := hop(ctx)
				open--
				return err
			}
		}
		err := together(ctx, serve(0), serve(4))
		if err == nil && most > 1 {
			err = fmt.Errorf("%d connections at once", most)
		}
		return err
	}
}

func kindReport(bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		rows := []int{1, 2, 3}
		sum := 0
		job := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, err := aio.ToThread(ctx, func(context.Context) (int, error) {
				for _, n := range rows {
					sum += n
				}
				return 0, nil
			})
			return err
		}))
		if err := aio.Sleep(ctx, 30*ms); err != nil {
			return err
		}
		rows = rows[:0] // for the next report
		if _, err := job.Await(ctx); err != nil {
			return err
		}
		if sum != 6 {
			return fmt.Errorf("the sum is %d", sum)
		}
		return nil
	}
}
