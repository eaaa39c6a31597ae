package aio_test

// The Go examples of docs/idioms.md, which contains the bodies of these functions word
// for word.

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

func Example_portingAwait() {
	double := func(n int) aio.Coro[int] {
		return func(ctx context.Context) (int, error) {
			return 2 * n, aio.Sleep(ctx, time.Millisecond)
		}
	}
	err := aio.Run(func(ctx context.Context) error {
		n, err := double(21)(ctx) // as part of this task
		if err != nil {
			return err
		}
		fmt.Println(n)
		task := aio.CreateTask(ctx, double(4)) // concurrently
		n, err = task.Await(ctx)
		if err != nil {
			return err
		}
		fmt.Println(n)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 42
	// 8
}

func Example_portingGather() {
	square := func(n int) aio.Coro[int] {
		return func(ctx context.Context) (int, error) {
			if n < 0 {
				return 0, fmt.Errorf("%d is negative", n)
			}
			return n * n, aio.Sleep(ctx, time.Millisecond)
		}
	}
	err := aio.Run(func(ctx context.Context) error {
		squares, err := aio.Gather(ctx, square(2), square(3)).Await(ctx)
		if err != nil {
			return err
		}
		fmt.Println(squares[0], squares[1])
		_, err = aio.Gather(ctx, square(2), square(-3)).Await(ctx)
		fmt.Println("failed:", err)
		results, err := aio.GatherResults(ctx, square(2), square(-3)).Await(ctx)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Err != nil {
				fmt.Println(r.Err)
			} else {
				fmt.Println(r.Value)
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 4 9
	// failed: -3 is negative
	// 4
	// -3 is negative
}

func Example_portingTaskGroup() {
	square := func(n int) aio.Coro[int] {
		return func(ctx context.Context) (int, error) { return n * n, aio.Sleep(ctx, 0) }
	}
	err := aio.Run(func(ctx context.Context) error {
		var a, b *aio.Task[int]
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			a = aio.GoResult(tg, square(2))
			b = aio.GoResult(tg, square(3))
			return nil
		})
		if err != nil {
			return err
		}
		x, _ := a.Result() // without an error: the group would have returned it
		y, _ := b.Result()
		fmt.Println(x, y)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: 4 9
}

func Example_portingAsyncWith() {
	withConnection := func(ctx context.Context, name string, body func(ctx context.Context, conn string) error) error {
		fmt.Println("open", name)
		defer fmt.Println("close", name)
		return body(ctx, "connection to "+name)
	}
	err := aio.Run(func(ctx context.Context) error {
		err := withConnection(ctx, "db", func(ctx context.Context, conn string) error {
			fmt.Println("use the", conn)
			return nil
		})
		if err != nil {
			return err
		}
		var lock aio.Lock
		err = lock.With(ctx, func(ctx context.Context) error {
			fmt.Println("locked")
			return nil
		})
		if err != nil {
			return err
		}
		err = aio.Timeout(ctx, time.Millisecond, func(ctx context.Context) error {
			return aio.Sleep(ctx, time.Hour)
		})
		if errors.Is(err, aio.ErrTimeout) {
			fmt.Println("too late")
			err = nil
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// open db
	// use the connection to db
	// close db
	// locked
	// too late
}

func Example_portingAsyncFor() {
	ticks := func(ctx context.Context, n int) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			defer fmt.Println("closed")
			for i := range n {
				if err := aio.Sleep(ctx, time.Millisecond); err != nil {
					yield(0, err)
					return
				}
				if !yield(i, nil) {
					return
				}
			}
		}
	}
	err := aio.Run(func(ctx context.Context) error {
		for i, err := range ticks(ctx, 10) {
			if err != nil {
				return err
			}
			fmt.Println(i)
			if i == 1 {
				break
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0
	// 1
	// closed
}

func Example_portingQueue() {
	err := aio.Run(func(ctx context.Context) error {
		queue := aio.NewQueue[int](2)
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(func(ctx context.Context) error {
				for n, err := range queue.All(ctx) {
					if err != nil {
						return err
					}
					fmt.Println("got", n)
				}
				return nil
			})
			for n := range 3 {
				if err := queue.Put(ctx, n); err != nil {
					return err
				}
			}
			queue.Shutdown(false)
			return nil
		})
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// got 0
	// got 1
	// got 2
}

func Example_portingExceptions() {
	errNotFound := errors.New("not found")
	load := func(ctx context.Context, name string) (string, error) {
		if err := aio.Sleep(ctx, 0); err != nil {
			return "", err
		}
		return "", fmt.Errorf("%s: %w", name, errNotFound)
	}
	err := aio.Run(func(ctx context.Context) error {
		_, err := load(ctx, "tea")
		if errors.Is(err, errNotFound) {
			fmt.Println(err)
		} else if err != nil {
			return err
		}
		task := aio.CreateTask(ctx, func(context.Context) (int, error) { panic("a bug") })
		_, err = task.Await(ctx)
		var bug *aio.PanicError
		if errors.As(err, &bug) {
			fmt.Println("caught", bug.Value)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// tea: not found
	// caught a bug
}

func Example_portingExceptionGroups() {
	errDisk, errNet := errors.New("disk full"), errors.New("net down")
	fail := func(err error) func(context.Context) error {
		return func(context.Context) error { return err }
	}
	err := aio.Run(func(ctx context.Context) error {
		err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(fail(errDisk))
			tg.Go(fail(errNet))
			return aio.Sleep(ctx, time.Hour) // the group cancels this
		})
		if errors.Is(err, errDisk) { // in the group, at whatever depth
			fmt.Println("free some space")
		}
		var group *aio.GroupError
		if errors.As(err, &group) {
			for _, err := range group.Errors {
				fmt.Println(err)
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// free some space
	// disk full
	// net down
}

func Example_portingCancellation() {
	work := func(ctx context.Context) (int, error) {
		defer func() {
			_ = aio.Sleep(ctx, 0) // cleaning up may await
			fmt.Println("cleaned up")
		}()
		err := aio.Sleep(ctx, time.Hour)
		if errors.Is(err, aio.ErrCancelled) {
			fmt.Println("asked to stop")
		}
		return 0, err
	}
	err := aio.Run(func(ctx context.Context) error {
		task := aio.CreateTask(ctx, work)
		if err := aio.Sleep(ctx, 0); err != nil { // work has started
			return err
		}
		task.Cancel()
		_, err := task.Await(ctx)
		if task.Cancelled() {
			fmt.Println("cancelled")
			return nil
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// asked to stop
	// cleaned up
	// cancelled
}

// A deferred function that awaits passes its error on.
func Example_portingDeferredAwait() {
	err := aio.Run(func(ctx context.Context) error {
		serve := func(ctx context.Context) (err error) {
			pump := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
			defer func() {
				pump.Cancel()
				_, _, werr := aio.Wait(ctx, []aio.AnyFuture{pump}, aio.NoTimeout, aio.AllCompleted)
				if err == nil {
					err = werr
				}
			}()
			return aio.Sleep(ctx, 0)
		}
		task := aio.CreateTask(ctx, aio.NoResult(serve))
		for range 2 { // serve waits for pump now
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		task.Cancel()
		_, err := task.Await(ctx)
		if task.Cancelled() {
			fmt.Println("cancelled")
			return nil
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// cancelled
}

func Example_portingShield() {
	save := func(ctx context.Context) (string, error) {
		return "saved", aio.Sleep(ctx, time.Millisecond)
	}
	err := aio.Run(func(ctx context.Context) error {
		saving := aio.CreateTask(ctx, save) // keep it: it must be awaited
		request := aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			return aio.Shield(ctx, saving).Await(ctx)
		})
		if err := aio.Sleep(ctx, 0); err != nil {
			return err
		}
		request.Cancel()
		if _, err := request.Await(ctx); errors.Is(err, aio.ErrCancelled) {
			fmt.Println("request cancelled")
		}
		text, err := saving.Await(ctx)
		fmt.Println(text)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// request cancelled
	// saved
}

func Example_portingContextVars() {
	type userKey struct{}
	greet := func(ctx context.Context) (string, error) {
		return "hello " + ctx.Value(userKey{}).(string), aio.Sleep(ctx, 0)
	}
	err := aio.Run(func(ctx context.Context) error {
		ctx = context.WithValue(ctx, userKey{}, "Ada")
		task := aio.CreateTask(ctx, greet) // inherits the current values
		ctx = context.WithValue(ctx, userKey{}, "Bob")
		text, err := task.Await(ctx)
		if err != nil {
			return err
		}
		fmt.Println(text)
		text, err = greet(ctx)
		fmt.Println(text)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// hello Ada
	// hello Bob
}

func Example_portingThreads() {
	var double aio.Coro[int] = func(ctx context.Context) (int, error) {
		return 42, aio.Sleep(ctx, 0)
	}
	err := aio.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		blocking := func(ctx context.Context) (string, error) {
			time.Sleep(time.Millisecond) // the loop continues
			n, err := aio.RunCoroutineThreadsafe(loop, double).Result(ctx)
			return fmt.Sprint("a thread asked the loop: ", n), err
		}
		text, err := aio.ToThread(ctx, blocking)
		fmt.Println(text)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: a thread asked the loop: 42
}

func Example_portingStreams() {
	serve := func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
		defer w.Close()
		for line, err := range r.Lines(ctx) {
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "you said %s", line)
			if err := w.Drain(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	err := aio.Run(func(ctx context.Context) error {
		server, err := aio.StartServer(ctx, serve, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer server.Close()
		r, w, err := aio.OpenConnection(ctx, server.Addr().String(), nil)
		if err != nil {
			return err
		}
		w.Write([]byte("hello\n"))
		w.WriteEOF()
		line, err := r.ReadLine(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s", line)
		w.Close()
		return w.WaitClosed(ctx)
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: you said hello
}

// shout repeats what it receives, louder.
type shout struct{ t aio.Transport }

func (s *shout) ConnectionMade(t aio.Transport) { s.t = t }
func (s *shout) DataReceived(p []byte)          { fmt.Fprintf(s.t, "%s!", p) }

// ask sends a question and keeps the answer.
type ask struct {
	t      aio.Transport
	answer *aio.Future[string]
}

func (a *ask) ConnectionMade(t aio.Transport) {
	a.t = t
	t.Write([]byte("hello"))
}

func (a *ask) DataReceived(p []byte) {
	if err := a.answer.SetResult(string(p)); err != nil {
		panic(err) // it is already set: reported, as in Python
	}
	a.t.Close()
}

func Example_portingProtocols() {
	err := aio.Run(func(ctx context.Context) error {
		server, err := aio.CreateServer(ctx, func() *shout { return &shout{} }, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		defer server.Close()
		_, client, err := aio.CreateConnection(ctx, func() *ask {
			return &ask{answer: aio.CreateFuture[string](ctx)}
		}, server.Addr().String(), nil)
		if err != nil {
			return err
		}
		answer, err := client.answer.Await(ctx)
		fmt.Println(answer)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: hello!
}

func TestPatience(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		start := loop.Time()
		if err := aio.Sleep(ctx, time.Hour); err != nil { // takes no time
			return err
		}
		if waited := loop.Time().Sub(start); waited != time.Hour {
			t.Errorf("waited %v", waited)
		}
		return nil
	})
}
