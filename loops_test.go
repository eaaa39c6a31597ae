package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// Each loop runs its own main, and the loops exchange values.
func TestLoopsSendWorkAndValues(t *testing.T) {
	loops := aio.LoopGroup{N: 3}
	var totals [3]int // each element is accessed by one loop
	all := aio.NewConcurrentFuture[struct{}]()
	var arrived atomic.Int32
	err := loops.Run(func(ctx context.Context, i int) error {
		if l, err := aio.GetRunningLoop(ctx); err != nil || l != loops.Loop(i) {
			t.Errorf("loop %d runs in another one: %v", i, err)
		}
		next := (i + 1) % loops.Len()
		for n := range 100 {
			got, err := aio.WrapFuture(ctx, aio.RunCoroutineThreadsafe(loops.Loop(next), func(ctx context.Context) (int, error) {
				totals[next] += n
				return totals[next], aio.Sleep(ctx, 0)
			})).Await(ctx)
			if err != nil {
				return err
			}
			if want := n * (n + 1) / 2; got != want {
				t.Errorf("loop %d has %d for loop %d, want %d", next, got, i, want)
			}
		}
		if arrived.Add(1) == 3 {
			// a loop that has ended accepts no more work, so all wait for
			// the last one
			all.SetResult(struct{}{})
		}
		_, err := aio.WrapFuture(ctx, all).Await(ctx)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if totals != [3]int{4950, 4950, 4950} {
		t.Errorf("the totals are %v", totals)
	}
}

// A failing main does not stop the other loops, and is reported at once.
func TestLoopsGoOnWithoutOne(t *testing.T) {
	boom := errors.New("boom")
	loops := aio.LoopGroup{N: 3}
	var mu sync.Mutex
	var reports []string
	for i := range loops.Len() {
		loops.Loop(i).SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
			mu.Lock()
			defer mu.Unlock()
			reports = append(reports, fmt.Sprintf("%s: %v", ec.Message, ec.Err))
		})
	}
	failed := aio.NewConcurrentFuture[struct{}]()
	err := loops.Run(func(ctx context.Context, i int) error {
		if i == 1 {
			defer failed.SetResult(struct{}{})
			return boom
		}
		_, err := aio.WrapFuture(ctx, failed).Await(ctx)
		return err
	})
	var of *aio.LoopError
	if !errors.Is(err, boom) || !errors.As(err, &of) || of.Index != 1 {
		t.Errorf("Run returned %v", err)
	}
	if want := []string{"the main of loop 1 has failed: boom"}; fmt.Sprint(reports) != fmt.Sprint(want) {
		t.Errorf("reported %q, want %q", reports, want)
	}
	if !loops.Loop(1).IsClosed() {
		t.Error("the loop is still open")
	}
	if _, err := aio.RunCoroutineThreadsafe(loops.Loop(1), returns(1)).Result(t.Context()); !errors.Is(err, aio.ErrLoopClosed) {
		t.Errorf("a closed loop accepted work: %v", err)
	}
	if err := loops.Run(func(context.Context, int) error { return nil }); !errors.Is(err, aio.ErrLoopRunning) {
		t.Errorf("a second run: %v", err)
	}
}

func TestLoopsFailFast(t *testing.T) {
	boom := errors.New("boom")
	loops := aio.LoopGroup{N: 4, FailFast: true}
	var cleaned atomic.Int32
	err := loops.Run(func(ctx context.Context, i int) error {
		if i == 2 {
			return boom
		}
		defer cleaned.Add(1)
		return aio.Sleep(ctx, time.Hour)
	})
	var group *aio.GroupError
	if !errors.As(err, &group) || len(group.Errors) != 1 || !errors.Is(err, boom) {
		t.Errorf("Run returned %v", err)
	}
	if n := cleaned.Load(); n > 3 {
		t.Errorf("%d others ran", n)
	}
}

// A panic becomes the error of its own loop.
func TestLoopsPanic(t *testing.T) {
	loops := aio.LoopGroup{N: 2}
	for i := range loops.Len() {
		loops.Loop(i).SetExceptionHandler(func(*aio.Loop, aio.ExceptionContext) {})
	}
	err := loops.Run(func(ctx context.Context, i int) error {
		if i == 0 {
			panic("oh no")
		}
		return nil
	})
	var p *aio.PanicError
	if !errors.As(err, &p) || p.Value != "oh no" {
		t.Errorf("Run returned %v", err)
	}
}

// Servers of several loops share a port; each connection is served by one of them.
func TestSharedListeners(t *testing.T) {
	const n, clients = 3, 60
	lns, err := aio.SharedListeners(n, "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := lns[0].Addr().String()
	for _, ln := range lns {
		if ln.Addr().String() != addr {
			t.Errorf("one listens on %v, another on %s", ln.Addr(), addr)
		}
	}
	var served [n]int
	loops := aio.LoopGroup{N: n}
	over := aio.NewConcurrentFuture[struct{}]()
	var up sync.WaitGroup
	up.Add(n)
	go func() {
		defer over.SetResult(struct{}{})
		up.Wait()
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				buf := make([]byte, 2)
				if _, err := c.Write([]byte("hi")); err != nil {
					t.Error(err)
				}
				if _, err := io.ReadFull(c, buf); err != nil || string(buf) != "hi" {
					t.Errorf("%q, %v", buf, err)
				}
			})
		}
		all.Wait()
	}()
	err = loops.Run(func(ctx context.Context, i int) error {
		srv, err := aio.CreateServer(ctx, func() *ioEcho {
			served[i]++
			return &ioEcho{}
		}, "", &aio.ServerOptions{Listener: lns[i]})
		up.Done()
		if err != nil {
			return err
		}
		if _, err := aio.WrapFuture(ctx, over).Await(ctx); err != nil {
			return err
		}
		return srv.Shutdown(ctx, time.Minute)
	})
	if err != nil {
		t.Error(err)
	}
	total := 0
	for _, n := range served {
		total += n
	}
	if total != clients {
		t.Errorf("%v connections were served, want %d in all", served, clients)
	}
	if _, err := aio.SharedListeners(0, "tcp", "127.0.0.1:0"); !errors.Is(err, aio.ErrUsage) {
		t.Errorf("no listeners: %v", err)
	}
	if _, err := aio.SharedListeners(2, "tcp", "127.0.0.1:nonsense"); err == nil {
		t.Error("listening on an invalid port succeeded")
	}
}
