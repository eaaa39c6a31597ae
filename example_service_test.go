package aio_test

// The Go code of docs/service.md, which contains it word for word.

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiohttp"
)

// stock is a component of a service. Its state is owned by its loop; any goroutine may
// call its methods.
type stock struct {
	loop    *aio.Loop
	Close   func() error   // cancels all pending calls and stops the loop
	items   map[string]int // owned by the loop
	changed aio.Event      // owned by the loop
}

func newStock() *stock {
	s := &stock{items: map[string]int{}}
	s.loop, s.Close = aio.StartLoop(nil)
	return s
}

// do runs a coroutine in the loop, and cancels it when ctx is done.
func (s *stock) do(ctx context.Context, coro aio.Coro[int]) (int, error) {
	f := aio.RunCoroutineThreadsafe(s.loop, coro)
	defer f.Cancel() // has no effect if f is done
	return f.Result(ctx)
}

// Add adds n items to the stock.
func (s *stock) Add(ctx context.Context, name string, n int) error {
	_, err := s.do(ctx, func(context.Context) (int, error) {
		s.items[name] += n
		s.changed.Set()
		return 0, nil
	})
	return err
}

// Take waits until there are n items, and takes them.
func (s *stock) Take(ctx context.Context, name string, n int) (left int, err error) {
	return s.do(ctx, func(ctx context.Context) (int, error) {
		for s.items[name] < n {
			s.changed.Clear()
			if err := s.changed.Wait(ctx); err != nil {
				return 0, err
			}
		}
		s.items[name] -= n
		return s.items[name], nil
	})
}

func Example_serviceLoop() {
	s := newStock()
	ctx := context.Background()
	var all sync.WaitGroup
	all.Go(func() {
		fmt.Println(s.Take(ctx, "tea", 3)) // waits
	})
	for range 2 {
		if err := s.Add(ctx, "tea", 2); err != nil {
			fmt.Println(err)
		}
	}
	all.Wait()

	hurry, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, err := s.Take(hurry, "tea", 100)
	fmt.Println(err)
	fmt.Println(s.Close())
	// Output:
	// 1 <nil>
	// context deadline exceeded
	// <nil>
}

func Example_serviceHandler() {
	s := newStock()
	visits := 0 // owned by the loop, which runs the handlers
	server := httptest.NewServer(aiohttp.Handler(s.loop, aiohttp.HandlerFunc(func(ctx context.Context, w http.ResponseWriter, r *http.Request) {
		visits++
		fmt.Fprintf(w, "visit %d of %s", visits, r.URL.Path)
	})))
	for range 2 {
		resp, err := http.Get(server.URL + "/tea")
		if err != nil {
			fmt.Println(err)
			break
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Println(string(body), err)
	}
	server.Close()
	fmt.Println(s.Close())
	// Output:
	// visit 1 of /tea <nil>
	// visit 2 of /tea <nil>
	// <nil>
}

func Example_serviceBlocking() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done() // it never answers
	}))
	defer server.Close()
	get := func(ctx context.Context, url string) (string, error) {
		return aio.ToThread(ctx, func(ctx context.Context) (string, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return "", err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return string(body), err
		})
	}
	err := aio.Run(func(ctx context.Context) error {
		return aio.Timeout(ctx, 10*time.Millisecond, func(ctx context.Context) error {
			_, err := get(ctx, server.URL)
			return err
		})
	})
	fmt.Println(err)
	// Output: aio: timed out
}

func Example_serviceCleanup() {
	rollback := aio.NoResult(func(ctx context.Context) error {
		return ctx.Err() // a query with this ctx would fail
	})
	transaction := func(ctx context.Context) (string, error) {
		if err := aio.Sleep(ctx, time.Hour); err != nil {
			_, tooLate := aio.ToThread(ctx, rollback)
			fmt.Println("rollback:", tooLate)
			_, tooLate = aio.ToThread(context.WithoutCancel(ctx), rollback)
			fmt.Println("rollback:", tooLate)
			return "", err
		}
		return "committed", nil
	}
	err := aio.Run(func(ctx context.Context) error {
		_, err := aio.WaitFor(ctx, aio.Coro[string](transaction), time.Millisecond)
		return err
	})
	fmt.Println(err)
	// Output:
	// rollback: context deadline exceeded
	// rollback: <nil>
	// aio: timed out
}

func Example_serviceChannels() {
	orders := make(chan string)
	go func() { // the existing service
		defer close(orders)
		for _, order := range []string{"tea", "milk"} {
			orders <- order
		}
	}()
	err := aio.Run(func(ctx context.Context) error {
		for {
			order, ok, err := aio.Receive(ctx, orders)
			if err != nil || !ok {
				return err
			}
			fmt.Println("order of", order)
		}
	})
	fmt.Println(err)
	// Output:
	// order of tea
	// order of milk
	// <nil>
}

func Example_serviceShutdown() {
	// or signal.NotifyContext
	service, stop := context.WithCancel(context.Background())
	// the service handles signals itself
	runner := aio.Runner{Signals: []os.Signal{}}
	defer runner.Close()
	serve := func(ctx context.Context) error {
		defer fmt.Println("closed")
		fmt.Println("serving")
		stop() // called when the service is told to stop
		return aio.Sleep(ctx, time.Hour)
	}
	err := runner.Run(func(ctx context.Context) error {
		return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
			tg.Go(serve)
			_, _, err := aio.Receive(ctx, service.Done())
			tg.Cancel()
			return err
		})
	})
	fmt.Println(err)
	// Output:
	// serving
	// closed
	// <nil>
}
