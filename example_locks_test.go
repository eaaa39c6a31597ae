package aio_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goaio/aio"
)

// A lock protects a section that awaits in the middle.
func ExampleLock() {
	var lock aio.Lock
	balance := 100
	withdraw := func(ctx context.Context, amount int) error {
		return lock.With(ctx, func(ctx context.Context) error {
			if balance < amount {
				fmt.Println("refused:", amount)
				return nil
			}
			if err := aio.Sleep(ctx, time.Millisecond); err != nil {
				// asks the bank, for example
				return err
			}
			balance -= amount
			fmt.Println("paid out:", amount)
			return nil
		})
	}
	err := aio.Run(func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, amount := range []int{70, 60, 30} {
				tg.Go(func(ctx context.Context) error { return withdraw(ctx, amount) })
			}
			return nil
		})
	})
	fmt.Println("left:", balance, err)
	// Output:
	// paid out: 70
	// refused: 60
	// paid out: 30
	// left: 0 <nil>
}

func ExampleEvent() {
	err := aio.Run(func(ctx context.Context) error {
		var start aio.Event
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, name := range []string{"Ann", "Bob", "Cid"} {
				tg.Go(func(ctx context.Context) error {
					fmt.Println(name, "is ready")
					if err := start.Wait(ctx); err != nil {
						return err
					}
					fmt.Println(name, "runs")
					return nil
				})
			}
			if err := aio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
			fmt.Println("go!")
			start.Set()
			return nil
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Ann is ready
	// Bob is ready
	// Cid is ready
	// go!
	// Ann runs
	// Bob runs
	// Cid runs
}

// A condition lets a task wait until a state is reached.
func ExampleCondition() {
	err := aio.Run(func(ctx context.Context) error {
		var changed aio.Condition
		temperature := 20
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, limit := range []int{22, 21} {
				tg.Go(func(ctx context.Context) error {
					return changed.With(ctx, func(ctx context.Context) error {
						if err := changed.WaitFor(ctx, func() bool { return temperature >= limit }); err != nil {
							return err
						}
						fmt.Println(limit, "degrees reached")
						return nil
					})
				})
			}
			for temperature < 22 {
				if err := aio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
				err := changed.With(ctx, func(context.Context) error {
					temperature++
					changed.NotifyAll()
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 21 degrees reached
	// 22 degrees reached
}

// A semaphore limits the number of tasks that do something concurrently.
func ExampleSemaphore() {
	err := aio.Run(func(ctx context.Context) error {
		connections := aio.NewSemaphore(2)
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for page := 1; page <= 4; page++ {
				tg.Go(func(ctx context.Context) error {
					return connections.With(ctx, func(ctx context.Context) error {
						fmt.Println("fetching page", page)
						// other tasks run while the page is
						// fetched
						err := aio.Sleep(ctx, 0)
						fmt.Println("got page", page)
						return err
					})
				})
			}
			return nil
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// fetching page 1
	// fetching page 2
	// got page 1
	// got page 2
	// fetching page 3
	// fetching page 4
	// got page 3
	// got page 4
}

// Releasing a bounded semaphore too often is a programming error: Release panics, and
// the panic becomes the error of the task.
func ExampleNewBoundedSemaphore() {
	err := aio.Run(func(ctx context.Context) error {
		seats := aio.NewBoundedSemaphore(1)
		if err := seats.Acquire(ctx); err != nil {
			return err
		}
		seats.Release()
		seats.Release()
		return nil
	})
	fmt.Println(err)
	// Output:
	// aio: Semaphore.Release: released more often than acquired
}

func ExampleBarrier() {
	err := aio.Run(func(ctx context.Context) error {
		barrier := aio.NewBarrier(3)
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, name := range []string{"Ann", "Bob", "Cid"} {
				tg.Go(func(ctx context.Context) error {
					for round := 1; round <= 2; round++ {
						fmt.Println(name, "ends round", round)
						index, err := barrier.Wait(ctx)
						if err != nil {
							return err
						}
						if index == barrier.Parties()-1 {
							fmt.Println("all have ended round", round)
						}
					}
					return nil
				})
			}
			return nil
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Ann ends round 1
	// Bob ends round 1
	// Cid ends round 1
	// all have ended round 1
	// Cid ends round 2
	// Ann ends round 2
	// Bob ends round 2
	// all have ended round 2
}

// Workers process jobs until all are done; then Shutdown ends their loops.
func ExampleQueue() {
	err := aio.Run(func(ctx context.Context) error {
		jobs := aio.NewQueue[int](0)
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, worker := range []string{"Ann", "Bob"} {
				tg.Go(func(ctx context.Context) error {
					for job, err := range jobs.All(ctx) {
						if err != nil {
							return err
						}
						// process the job
						if err := aio.Sleep(ctx, 5*time.Millisecond); err != nil {
							return err
						}
						fmt.Println(worker, "has done job", job)
						jobs.TaskDone()
					}
					fmt.Println(worker, "stops")
					return nil
				})
			}
			for job := 1; job <= 4; job++ {
				if err := jobs.Put(ctx, job); err != nil {
					return err
				}
			}
			if err := jobs.Join(ctx); err != nil {
				return err
			}
			fmt.Println("all jobs are done")
			jobs.Shutdown(false)
			return nil
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Ann has done job 1
	// Bob has done job 2
	// Ann has done job 3
	// Bob has done job 4
	// all jobs are done
	// Ann stops
	// Bob stops
}

// A bounded queue makes its producer wait. After its last item the producer calls
// Shutdown, and the consumer's loop ends after the remaining items.
func ExampleQueue_All() {
	err := aio.Run(func(ctx context.Context) error {
		lines := aio.NewQueue[string](1)
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				defer lines.Shutdown(false)
				for _, line := range []string{"one", "two", "three"} {
					if err := lines.Put(ctx, line); err != nil {
						return err
					}
				}
				return nil
			})
			for line, err := range lines.All(ctx) {
				if err != nil {
					return err
				}
				fmt.Println(line)
			}
			fmt.Println("no more")
			return nil
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// one
	// two
	// three
	// no more
}

// PutNowait fails if the queue is full.
func ExampleQueue_PutNowait() {
	queue := aio.NewQueue[string](2)
	for _, item := range []string{"a", "b", "c"} {
		fmt.Println(item, queue.PutNowait(item))
	}
	// Output:
	// a <nil>
	// b <nil>
	// c aio: queue is full
}

// drain prints the items of a queue.
func drain[T any](queue *aio.Queue[T]) {
	for !queue.Empty() {
		item, err := queue.GetNowait()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(item)
	}
}

func ExampleNewLifoQueue() {
	undo := aio.NewLifoQueue[string](0)
	for _, step := range []string{"type", "paste", "delete"} {
		if err := undo.PutNowait(step); err != nil {
			fmt.Println(err)
		}
	}
	drain(undo)
	// Output:
	// delete
	// paste
	// type
}

// A priority queue does not keep the order of jobs with equal priority, so the
// comparison includes a sequence number.
func ExampleNewPriorityQueue() {
	type job struct {
		priority, number int
		name             string
	}
	jobs := aio.NewPriorityQueue(0, func(a, b job) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.number, b.number))
	})
	for number, j := range []job{
		{priority: 2, name: "wash up"},
		{priority: 1, name: "cook"},
		{priority: 2, name: "sweep"},
		{priority: 1, name: "lay the table"},
	} {
		j.number = number
		if err := jobs.PutNowait(j); err != nil {
			fmt.Println(err)
		}
	}
	for !jobs.Empty() {
		j, err := jobs.GetNowait()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(j.priority, j.name)
	}
	// Output:
	// 1 cook
	// 1 lay the table
	// 2 wash up
	// 2 sweep
}

func ExampleNewOrderedQueue() {
	numbers := aio.NewOrderedQueue[int](0)
	for _, n := range []int{3, 1, 2} {
		if err := numbers.PutNowait(n); err != nil {
			fmt.Println(err)
		}
	}
	drain(numbers)
	// Output:
	// 1
	// 2
	// 3
}

// Two conditions that share a lock: a producer wakes a consumer, and a consumer wakes a
// producer.
func ExampleNewCondition() {
	var lock aio.Lock
	notEmpty, notFull := aio.NewCondition(&lock), aio.NewCondition(&lock)
	var box []int // holds one
	put := func(ctx context.Context, n int) error {
		return lock.With(ctx, func(ctx context.Context) error {
			if err := notFull.WaitFor(ctx, func() bool { return len(box) == 0 }); err != nil {
				return err
			}
			box = append(box, n)
			notEmpty.Notify(1)
			return nil
		})
	}
	take := func(ctx context.Context) error {
		return lock.With(ctx, func(ctx context.Context) error {
			if err := notEmpty.WaitFor(ctx, func() bool { return len(box) > 0 }); err != nil {
				return err
			}
			fmt.Println("took", box[0])
			box = box[:0]
			notFull.Notify(1)
			return nil
		})
	}
	err := aio.Run(func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for n := range 3 {
				tg.Go(take)
				tg.Go(func(ctx context.Context) error { return put(ctx, n) })
			}
			return nil
		})
	})
	fmt.Println(err)
	// Output:
	// took 0
	// took 1
	// took 2
	// <nil>
}

// A task that will not arrive aborts the barrier, so that the others do not wait
// forever.
func ExampleBarrier_Abort() {
	err := aio.Run(func(ctx context.Context) error {
		start := aio.NewBarrier(3)
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			for _, name := range []string{"Ann", "Bob"} {
				tg.Go(func(ctx context.Context) error {
					_, err := start.Wait(ctx)
					fmt.Println(name, errors.Is(err, aio.ErrBrokenBarrier))
					return nil
				})
			}
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
			fmt.Println(start.NWaiting(), "wait for Cid")
			return start.Abort(ctx)
		})
	})
	fmt.Println(err)
	// Output:
	// 2 wait for Cid
	// Ann true
	// Bob true
	// <nil>
}
