package aio_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/goaio/aio"
)

// While a task or callback blocks the loop, a Write that waits for the loop is refused,
// whatever the blocking call waits for; here it waits for that Write. The connection
// stays usable.
func TestBlockedLoop(t *testing.T) {
	t.Cleanup(aio.HurryBlocked())
	for _, in := range []string{"task", "callback"} {
		for name, blocker := range map[string]func() (wait, release func()){
			"receive": func() (func(), func()) {
				c := make(chan int)
				return func() { <-c }, func() { c <- 1 }
			},
			"send": func() (func(), func()) {
				c := make(chan int)
				return func() { c <- 1 }, func() { <-c }
			},
			"select": func() (func(), func()) {
				c := make(chan int)
				return func() {
					select {
					case <-c:
					case <-make(chan int):
					}
				}, func() { c <- 1 }
			},
			"mutex": func() (func(), func()) {
				var mu sync.Mutex
				mu.Lock()
				return mu.Lock, mu.Unlock
			},
			"group": func() (func(), func()) {
				var group sync.WaitGroup
				group.Add(1)
				return group.Wait, group.Done
			},
		} {
			t.Run(name+" in a "+in, func(t *testing.T) {
				t.Parallel()
				a, b, err := connPair("tcp", "")
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				l, stop := connLoop(false)
				defer stop()
				c, err := connTake(l, a, nil).Result(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				wait, release := blocker()
				begun := make(chan struct{})
				refused := make(chan error, 1)
				go func() {
					<-begun
					_, err := c.Write([]byte("x"))
					refused <- err
					release()
				}()
				block := func() { close(begun); wait() }
				if in == "task" {
					aio.RunCoroutineThreadsafe(l, aio.NoResult(func(context.Context) error { block(); return nil }))
				} else {
					l.CallSoonThreadsafe(block)
				}
				err = <-refused
				matches(t, "the Write", err, aio.ErrUsage)
				if op, ok := err.(*net.OpError); !ok || op.Op != "write" {
					t.Errorf("the error is a %T", err)
				}
				if _, err := c.Write([]byte("hello")); err != nil {
					t.Error(err)
				}
				wantRead(t, b, "hello")
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
