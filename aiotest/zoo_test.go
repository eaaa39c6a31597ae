package aiotest_test

// The zoo: small programs with kinds of faults found in real programs, each with a
// mended version. In asyncio's own order of steps every program is correct. TestZoo
// checks in how many runs aiotest finds each fault. docs/simulation.md explains these
// programs.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// specimen is a program of the zoo, with and without its fault.
type specimen struct {
	name   string
	kind   string       // of fault
	mode   aiotest.Mode // the mode that finds the fault
	within int          // maximum number of runs for each of ten seeds
	run    func(mended bool) func(ctx context.Context) error

	// Set instead of mode, within and run if a cancellation triggers the fault.
	sweep func(mended bool) func(ctx context.Context, c *aiotest.Cancelled) error

	// Set instead of run if the program needs a network: world for Simulate, fail
	// for FailEverywhere.
	world func(mended bool) func(ctx context.Context, w *aiotest.World) error
	fail  func(mended bool) func(ctx context.Context, c *aiotest.Failing) error
}

// foundBy names the function and mode that find the fault.
func (s specimen) foundBy() string {
	switch {
	case s.sweep != nil:
		return "`CancelEverywhere`"
	case s.fail != nil:
		return "`FailEverywhere`"
	case s.world != nil:
		return "`Simulate`"
	}
	return s.mode.String()
}

var zoo = []specimen{
	{name: "lost update", kind: "a value that was read before an await is written back after it", mode: aiotest.Environment, within: 20, run: lostUpdate},
	{name: "lost update without time", kind: "the same, between tasks that are separated only by awaits", mode: aiotest.AnyOrder, within: 60, run: lostUpdateWithoutTime},
	{name: "unread answer", kind: "a cancelled request leaves its answer in the connection, for the next one", sweep: unreadAnswer},
	{name: "unread answer after a timeout", kind: "the same, by a timeout", mode: aiotest.Environment, within: 20, run: unreadAnswerAfterTimeout},
	{name: "cache filled twice", kind: "two tasks find the cache empty", mode: aiotest.Environment, within: 20, run: cacheFilledTwice},
	{name: "lost notify", kind: "a notification comes before the task waits for it", mode: aiotest.Environment, within: 30, run: lostNotify},
	{name: "permit lost", kind: "a permit is not released after a cancellation", sweep: permitLost},
	{name: "item lost", kind: "an item was taken from a queue by a task that is cancelled", sweep: itemLost},
	{name: "lock order", kind: "two tasks take two locks in opposite orders", mode: aiotest.Environment, within: 20, run: lockOrder},
	{name: "order of tasks", kind: "the program assumes that tasks arrive in the order in which they were started", mode: aiotest.AnyOrder, within: 20, run: orderOfTasks},
	{name: "timer against answer", kind: "an answer and its timeout are both handled", mode: aiotest.Environment, within: 20, run: timerAgainstAnswer},
	{name: "double connect", kind: "two tasks find no connection, and both make one", mode: aiotest.AnyOrder, within: 100, run: doubleConnect},
	{name: "dropped error of a deferred await", kind: "a deferred function awaits, and drops the cancellation that the await returns", sweep: deferredAwait},
	{name: "queue dropped at shutdown", kind: "a worker is cancelled while there is work in its queue", mode: aiotest.Environment, within: 20, run: queueDropped},
	{name: "acknowledged before durable", kind: "the response is sent before the operation that it confirms is done", sweep: acknowledgedEarly},
	{name: "retry that duplicates", kind: "a request that timed out is repeated, although it had its effect", mode: aiotest.Environment, within: 30, run: retryDuplicates},
	{name: "subscriber cut off", kind: "tasks share an operation, which ends with the first of them that is cancelled", sweep: subscriberCutOff},
	{name: "check, then act", kind: "a condition is checked before an await, and used after it", mode: aiotest.Exhaustive, within: 200, run: checkThenAct},
	{name: "stale timer", kind: "a timer that was replaced still has an effect", mode: aiotest.Environment, within: 40, run: staleTimer},
	{name: "closed under a reader", kind: "a resource is closed while a job in a thread uses it", mode: aiotest.Environment, within: 30, run: closedUnderJob},
	{name: "three in a row", kind: "a bug that needs three out of many steps in a certain order", mode: aiotest.PCT, within: 300, run: threeInARow},
	{name: "split brain", kind: "two hosts become leader, because the messages of one are lost", within: 60, world: splitBrain},
	{name: "retry over the network", kind: "a request is repeated because its response was lost", within: 100, world: retryOverNetwork},
	{name: "crash before the disk", kind: "a host acknowledges data that is only in memory, and crashes", within: 60, world: crashBeforeDisk},
	{name: "half-close", kind: "EOF from a client is treated as if the client had closed the connection", within: 60, world: halfClose},
	{name: "abort", kind: "the program assumes that Abort sends a reset, but the peer sees EOF", fail: abortMisread},
	{name: "reordered datagrams", kind: "the datagram that arrived last is treated as the newest", within: 60, world: reorderedDatagrams},
	{name: "silent peer", kind: "a client waits for a host that will never answer", within: 60, world: silentPeer},
	{name: "slow reader", kind: "data written for a slow reader fills the memory", within: 20, world: slowReader},
}

// together runs functions as tasks of a group.
func together(ctx context.Context, fns ...func(ctx context.Context) error) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		for _, fn := range fns {
			tg.Go(fn)
		}
		return nil
	})
}

// hop awaits a task that does nothing: it lets other tasks run and takes no time.
func hop(ctx context.Context) error {
	_, err := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return nil })).Await(ctx)
	return err
}

const ms = time.Millisecond

func lostUpdate(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		balance := 100
		var lock aio.Lock
		deposit := func(ctx context.Context) error {
			if mended {
				if err := lock.Acquire(ctx); err != nil {
					return err
				}
				defer lock.Release()
			}
			read := balance
			if err := aio.Sleep(ctx, 2*ms); err != nil {
				// a query to the database
				return err
			}
			balance = read + 10
			return nil
		}
		err := together(ctx,
			func(ctx context.Context) error { return afterwards(ctx, 1*ms, deposit) },
			func(ctx context.Context) error { return afterwards(ctx, 5*ms, deposit) },
		)
		if err == nil && balance != 120 {
			err = fmt.Errorf("the balance is %d after two deposits of 10 to 100", balance)
		}
		return err
	}
}

// afterwards calls f after d.
func afterwards(ctx context.Context, d time.Duration, f func(ctx context.Context) error) error {
	if err := aio.Sleep(ctx, d); err != nil {
		return err
	}
	return f(ctx)
}

func lostUpdateWithoutTime(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		n := 0
		var lock aio.Lock
		add := func(ctx context.Context) error {
			if mended {
				if err := lock.Acquire(ctx); err != nil {
					return err
				}
				defer lock.Release()
			}
			read := n
			if err := hop(ctx); err != nil {
				return err
			}
			n = read + 1
			return nil
		}
		err := together(ctx, add, func(ctx context.Context) error {
			for range 2 { // the first task has written n long before
				if err := hop(ctx); err != nil {
					return err
				}
			}
			return add(ctx)
		})
		if err == nil && n != 2 {
			err = fmt.Errorf("n is %d after it was increased twice", n)
		}
		return err
	}
}

// wire is a connection on which the responses arrive in the order of the requests, each
// after its latency.
type wire struct {
	answers *aio.Queue[string]
}

func newWire() *wire { return &wire{answers: aio.NewQueue[string](0)} }

// request sends a request and returns the next response.
func (w *wire) request(ctx context.Context, what string, latency time.Duration) (string, error) {
	loop, err := aio.GetRunningLoop(ctx)
	if err == nil {
		err = aio.Sleep(ctx, 1*ms) // write the request
	}
	if err != nil {
		return "", err
	}
	loop.CallLater(latency, func() { _ = w.answers.PutNowait("answer to " + what) })
	return w.answers.Get(ctx)
}

// pool keeps a connection for the next caller.
type pool struct {
	free   []*wire
	mended bool
}

// ask makes a request on a connection of the pool. The mended version does not reuse a
// connection with an unread response.
func (p *pool) ask(ctx context.Context, what string, latency time.Duration) (string, error) {
	w := newWire()
	if n := len(p.free); n > 0 {
		w, p.free = p.free[n-1], p.free[:n-1]
	}
	answered := false
	defer func() {
		if answered || !p.mended {
			p.free = append(p.free, w)
		}
	}()
	answer, err := w.request(ctx, what, latency)
	answered = err == nil
	return answer, err
}

func unreadAnswer(mended bool) func(ctx context.Context, c *aiotest.Cancelled) error {
	return func(ctx context.Context, c *aiotest.Cancelled) error {
		p := &pool{mended: mended}
		_ = c.Do(ctx, func(ctx context.Context) error {
			_, err := p.ask(ctx, "a", 10*ms)
			return err
		})
		answer, err := p.ask(ctx, "b", 20*ms)
		if err == nil && answer != "answer to b" {
			err = fmt.Errorf("the request b got the %s", answer)
		}
		return err
	}
}

func unreadAnswerAfterTimeout(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		p := &pool{mended: mended}
		err := aio.Timeout(ctx, 12*ms, func(ctx context.Context) error {
			_, err := p.ask(ctx, "a", 10*ms)
			return err
		})
		if err != nil && !errors.Is(err, aio.ErrTimeout) {
			return err
		}
		answer, err := p.ask(ctx, "b", 30*ms)
		if err == nil && answer != "answer to b" {
			err = fmt.Errorf("the request b got the %s", answer)
		}
		return err
	}
}

func cacheFilledTwice(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		loads := 0
		load := func(ctx context.Context) (string, error) {
			loads++
			return "value", aio.Sleep(ctx, 3*ms)
		}
		value := ""
		var loading *aio.Task[string]
		get := func(ctx context.Context) error {
			switch {
			case value != "":
				return nil
			case mended:
				if loading == nil {
					loading = aio.CreateTask(ctx, load)
				}
				var err error
				value, err = aio.Shield(ctx, loading).Await(ctx)
				return err
			}
			v, err := load(ctx)
			value = v
			return err
		}
		err := together(ctx,
			func(ctx context.Context) error { return afterwards(ctx, 1*ms, get) },
			func(ctx context.Context) error { return afterwards(ctx, 5*ms, get) },
		)
		if err == nil && loads != 1 {
			err = fmt.Errorf("the value was loaded %d times", loads)
		}
		return err
	}
}

func lostNotify(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		ready := false
		var cond aio.Condition
		producer := func(ctx context.Context) error {
			if err := aio.Sleep(ctx, 6*ms); err != nil {
				return err
			}
			return cond.With(ctx, func(context.Context) error {
				ready = true
				cond.NotifyAll()
				return nil
			})
		}
		consumer := func(ctx context.Context) error {
			for range 2 { // connect and authenticate
				if err := aio.Sleep(ctx, 2*ms); err != nil {
					return err
				}
			}
			return cond.With(ctx, func(ctx context.Context) error {
				if mended {
					return cond.WaitFor(ctx, func() bool { return ready })
				}
				return cond.Wait(ctx)
			})
		}
		return together(ctx, producer, consumer)
	}
}

func permitLost(mended bool) func(ctx context.Context, c *aiotest.Cancelled) error {
	return func(ctx context.Context, c *aiotest.Cancelled) error {
		permits := aio.NewSemaphore(1)
		_ = c.Do(ctx, func(ctx context.Context) error {
			if err := permits.Acquire(ctx); err != nil {
				return err
			}
			if mended {
				defer permits.Release()
			}
			if err := aio.Sleep(ctx, 5*ms); err != nil {
				return err
			}
			if !mended {
				permits.Release()
			}
			return nil
		})
		return aio.Timeout(ctx, time.Second, permits.Acquire)
	}
}

func itemLost(mended bool) func(ctx context.Context, c *aiotest.Cancelled) error {
	return func(ctx context.Context, c *aiotest.Cancelled) error {
		jobs := aio.NewQueue[int](0)
		var done []int
		if err := jobs.PutNowait(1); err != nil {
			return err
		}
		_ = c.Do(ctx, func(ctx context.Context) error {
			job, err := jobs.Get(ctx)
			if err != nil {
				return err
			}
			if err := aio.Sleep(ctx, 5*ms); err != nil { // do the job
				if mended {
					_ = jobs.PutNowait(job) // the queue is unbounded
				}
				return err
			}
			done = append(done, job)
			return nil
		})
		for !jobs.Empty() {
			job, err := jobs.GetNowait()
			if err != nil {
				return err
			}
			done = append(done, job)
		}
		if !slices.Equal(done, []int{1}) {
			return fmt.Errorf("the jobs %v were done", done)
		}
		return nil
	}
}

func lockOrder(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var from, to aio.Lock
		transfer := func(ctx context.Context, first, second *aio.Lock) error {
			return first.With(ctx, func(ctx context.Context) error {
				if err := aio.Sleep(ctx, 2*ms); err != nil {
					return err
				}
				return second.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, ms) })
			})
		}
		return together(ctx,
			func(ctx context.Context) error {
				return afterwards(ctx, 1*ms, func(ctx context.Context) error { return transfer(ctx, &from, &to) })
			},
			func(ctx context.Context) error {
				return afterwards(ctx, 5*ms, func(ctx context.Context) error {
					if mended {
						return transfer(ctx, &from, &to)
					}
					return transfer(ctx, &to, &from)
				})
			},
		)
	}
}

func orderOfTasks(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var lines []string
		var tasks []*aio.Task[struct{}]
		for _, line := range []string{"a", "b", "c"} {
			write := func(context.Context) error { lines = append(lines, line); return nil }
			task := aio.CreateTask(ctx, aio.NoResult(write))
			tasks = append(tasks, task)
			if mended {
				if _, err := task.Await(ctx); err != nil {
					return err
				}
			}
		}
		for _, task := range tasks {
			if _, err := task.Await(ctx); err != nil {
				return err
			}
		}
		if !slices.Equal(lines, []string{"a", "b", "c"}) {
			return fmt.Errorf("lines: %v", lines)
		}
		return nil
	}
}

func timerAgainstAnswer(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		outcomes := 0
		over := aio.CreateFuture[string](ctx)
		settle := func(outcome string) {
			if mended && over.Done() {
				return
			}
			outcomes++
			if !over.Done() {
				_ = over.SetResult(outcome)
			}
		}
		timeout := loop.CallLater(15*ms, func() { settle("timeout") })
		loop.CallLater(10*ms, func() { settle("answer") })
		request := aio.CreateTask(ctx, over.Await)
		if _, err := request.Await(ctx); err != nil {
			return err
		}
		timeout.Cancel()
		if err := aio.Sleep(ctx, 50*ms); err != nil {
			return err
		}
		if outcomes != 1 {
			return fmt.Errorf("the request had %d outcomes", outcomes)
		}
		return nil
	}
}

func doubleConnect(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		connects := 0
		var conn *wire
		var lock aio.Lock
		dial := func(ctx context.Context) (*wire, error) {
			_, err := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { connects++; return nil })).Await(ctx)
			return newWire(), err
		}
		connect := func(ctx context.Context) (err error) {
			if mended {
				if err := lock.Acquire(ctx); err != nil {
					return err
				}
				defer lock.Release()
			}
			if conn == nil {
				conn, err = dial(ctx)
			}
			return err
		}
		err := together(ctx, connect, func(ctx context.Context) error {
			for range 3 {
				if err := hop(ctx); err != nil {
					return err
				}
			}
			return connect(ctx)
		})
		if err == nil && connects != 1 {
			err = fmt.Errorf("%d connections were made", connects)
		}
		return err
	}
}

func deferredAwait(mended bool) func(ctx context.Context, c *aiotest.Cancelled) error {
	return func(ctx context.Context, c *aiotest.Cancelled) error {
		serve := func(ctx context.Context) (err error) {
			pump := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
			defer func() {
				pump.Cancel()
				_, _, werr := aio.Wait(ctx, []aio.AnyFuture{pump}, aio.NoTimeout, aio.AllCompleted)
				if mended && err == nil {
					err = werr
				}
			}()
			return aio.Sleep(ctx, 5*ms)
		}
		return expected(c, c.Do(ctx, serve))
	}
}

// expected ignores the cancellation that the sweep made.
func expected(c *aiotest.Cancelled, err error) error {
	if c.Happened() && errors.Is(err, aio.ErrCancelled) {
		return nil
	}
	return err
}

func queueDropped(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		jobs := aio.NewQueue[int](0)
		done := 0
		worker := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for {
				if _, err := jobs.Get(ctx); err != nil {
					return err
				}
				if err := aio.Sleep(ctx, 4*ms); err != nil {
					return err
				}
				done++
				jobs.TaskDone()
			}
		}))
		for i := range 3 {
			if err := jobs.PutNowait(i); err != nil {
				return err
			}
		}
		if mended {
			if err := jobs.Join(ctx); err != nil {
				return err
			}
		} else if err := aio.Sleep(ctx, 25*ms); err != nil { // long enough
			return err
		}
		worker.Cancel()
		if _, err := worker.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
			return err
		}
		if done != 3 {
			return fmt.Errorf("%d of 3 jobs were done", done)
		}
		return nil
	}
}

func acknowledgedEarly(mended bool) func(ctx context.Context, c *aiotest.Cancelled) error {
	return func(ctx context.Context, c *aiotest.Cancelled) error {
		acknowledged, stored := false, false
		store := func(ctx context.Context) error {
			if err := aio.Sleep(ctx, 3*ms); err != nil {
				return err
			}
			stored = true
			return nil
		}
		err := c.Do(ctx, func(ctx context.Context) error {
			if mended {
				if err := store(ctx); err != nil {
					return err
				}
				acknowledged = true
				return nil
			}
			acknowledged = true
			return store(ctx)
		})
		if acknowledged && !stored {
			return fmt.Errorf("it was acknowledged and is not stored: %w", err)
		}
		return nil
	}
}

func retryDuplicates(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		charged := map[string]int{}
		charge := func(ctx context.Context, id string) error {
			// a call to another service
			if err := aio.Sleep(ctx, 4*ms); err != nil {
				return err
			}
			charged[id]++
			return aio.Sleep(ctx, 4*ms)
		}
		for try := range 3 {
			id := "order"
			if !mended {
				// each attempt has another id
				id = fmt.Sprint("order, try ", try)
			}
			err := aio.Timeout(ctx, 20*ms, func(ctx context.Context) error { return charge(ctx, id) })
			if err == nil {
				break
			}
			if !errors.Is(err, aio.ErrTimeout) {
				return err
			}
		}
		if len(charged) != 1 {
			return fmt.Errorf("charged for %v", charged)
		}
		return nil
	}
}

func subscriberCutOff(mended bool) func(ctx context.Context, c *aiotest.Cancelled) error {
	return func(ctx context.Context, c *aiotest.Cancelled) error {
		var shared *aio.Task[string]
		get := func(ctx context.Context) (string, error) {
			if shared == nil {
				shared = aio.CreateTask(ctx, func(ctx context.Context) (string, error) { return "value", aio.Sleep(ctx, 5*ms) })
			}
			if mended {
				return aio.Shield(ctx, shared).Await(ctx)
			}
			return shared.Await(ctx)
		}
		other := aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			if err := aio.Sleep(ctx, ms); err != nil {
				return "", err
			}
			return get(ctx)
		})
		_ = c.Do(ctx, func(ctx context.Context) error { _, err := get(ctx); return err })
		_, err := other.Await(ctx)
		return err
	}
}

func checkThenAct(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		tickets, sold := 1, 0
		buy := func(ctx context.Context) error {
			if tickets == 0 {
				return nil
			}
			if mended {
				tickets--
				sold++
				return hop(ctx) // pays
			}
			if err := hop(ctx); err != nil { // pays
				return err
			}
			tickets--
			sold++
			return nil
		}
		err := together(ctx, buy, func(ctx context.Context) error {
			for range 2 {
				// wait for something else
				if err := hop(ctx); err != nil {
					return err
				}
			}
			return buy(ctx)
		})
		if err == nil && sold != 1 {
			err = fmt.Errorf("%d tickets were sold, there was 1", sold)
		}
		return err
	}
}

func staleTimer(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		start := loop.Time()
		deadline := 10 * ms
		var closedAt time.Duration
		var expire func()
		arm := func() { loop.CallAt(start.Add(deadline), expire) }
		expire = func() {
			if now := loop.Time().Sub(start); mended && now < deadline {
				arm()
			} else if closedAt == 0 {
				closedAt = now
			}
		}
		// An idle connection is closed after 10 ms. Traffic moves the deadline.
		arm()
		if err := aio.Sleep(ctx, 3*ms); err != nil {
			return err
		}
		idle := loop.Time().Sub(start)
		if mended {
			deadline = idle + 10*ms
		} else if idle < 5*ms {
			// an early message: only extend the deadline, do not start
			// another timer
			deadline = idle + 7*ms
		} else {
			deadline = idle + 10*ms
			arm()
		}
		if err := aio.Sleep(ctx, 50*ms); err != nil {
			return err
		}
		if closedAt != 0 && closedAt < deadline {
			return fmt.Errorf("closed at %v, the deadline was %v", closedAt, deadline)
		}
		return nil
	}
}

func closedUnderJob(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		open, late := true, false
		query := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			return aio.ToThread(ctx, func(context.Context) (int, error) {
				late = !open
				return 1, nil
			})
		})
		if mended {
			if _, err := query.Await(ctx); err != nil {
				return err
			}
		} else if err := aio.Sleep(ctx, 5*ms); err != nil {
			// the query takes a millisecond
			return err
		}
		open = false
		if _, err := query.Await(ctx); err != nil {
			return err
		}
		if late {
			return errors.New("the job used a closed resource")
		}
		return nil
	}
}

func threeInARow(mended bool) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		step := 0
		var lock aio.Lock
		slow := func(ctx context.Context) error {
			for range 6 {
				if err := hop(ctx); err != nil {
					return err
				}
			}
			if mended {
				if err := lock.Acquire(ctx); err != nil {
					return err
				}
				defer lock.Release()
			}
			step = 1
			if err := hop(ctx); err != nil {
				return err
			}
			if step != 1 {
				return fmt.Errorf("another task changed step to %d", step)
			}
			return nil
		}
		quick := func(ctx context.Context) error {
			if mended {
				if err := lock.Acquire(ctx); err != nil {
					return err
				}
				defer lock.Release()
			}
			step = 2
			return hop(ctx)
		}
		return together(ctx, slow, quick, quick)
	}
}
