package aio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goaio/aio"
)

// connOnLoop returns a loop that runs in a goroutine until the test ends, a connection
// that the loop serves, and the other end of the connection.
func connOnLoop(t *testing.T, goroutines bool) (l *aio.Loop, c, other net.Conn) {
	t.Helper()
	a, other, err := connPair("tcp", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	l, stop := connLoop(goroutines)
	t.Cleanup(stop)
	if c, err = connTake(l, a, nil).Result(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l, c, other
}

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
				l, c, b := connOnLoop(t, false)
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
				refusedCall(t, <-refused)
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

// refusedCall checks that err refuses a call because the loop is blocked. A library must
// not take it for a failure of the network, after which it would retry.
func refusedCall(t *testing.T, err error) {
	t.Helper()
	matches(t, "the call", err, aio.ErrUsage)
	if n := net.Error(nil); errors.As(err, &n) {
		t.Errorf("the error is a %T, which is a net.Error", n)
	}
	if err != nil && !strings.Contains(err.Error(), "aio.ToThread") {
		t.Errorf("the error does not say what to do: %v", err)
	}
}

// blockedIn calls make in another goroutine, waits until the loop has begun the call, and
// blocks the loop until it has returned.
func blockedIn(t *testing.T, l *aio.Loop, call func() error) {
	t.Helper()
	before, ended := aio.Begun(l), make(chan error)
	go func() { ended <- call() }()
	for aio.Begun(l) == before {
		runtime.Gosched()
	}
	_, err := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(context.Context) error { return <-ended })).Result(t.Context())
	refusedCall(t, err)
}

// Calls that the loop has begun are refused too. They have no effect afterwards.
func TestBlockedLoopBegun(t *testing.T) {
	for _, path := range []bool{false, true} {
		for what, test := range map[string]func(t *testing.T, l *aio.Loop, c, peer net.Conn){
			"Read": func(t *testing.T, l *aio.Loop, c, peer net.Conn) {
				for _, size := range []int{1, 1 << 20} {
					got := make([]byte, size)
					blockedIn(t, l, func() error { _, err := c.Read(got); return err })
					io.WriteString(peer, "hello")
					wantRead(t, c, "hello")
					if got[0] != 0 {
						t.Error("the refused Read has got data")
					}
				}
			},
			"the first of two Reads": func(t *testing.T, l *aio.Loop, c, peer net.Conn) {
				blockedIn(t, l, func() error {
					second := make(chan error)
					go func() { _, err := c.Read(make([]byte, 1)); second <- err }()
					_, err := c.Read(make([]byte, 1))
					refusedCall(t, <-second)
					return err
				})
				io.WriteString(peer, "hello")
				wantRead(t, c, "hello")
			},
			"Write": func(t *testing.T, l *aio.Loop, c, peer net.Conn) {
				const size = 64 << 20
				n := 0
				blockedIn(t, l, func() (err error) {
					n, err = c.Write(make([]byte, size))
					return err
				})
				if n == 0 || n == size {
					t.Errorf("the Write has written %d bytes", n)
				}
				wrote := make(chan error)
				go func() { _, err := io.WriteString(c, "hello"); wrote <- err }()
				if _, err := io.CopyN(io.Discard, peer, int64(n)); err != nil {
					t.Error(err)
				}
				wantRead(t, peer, "hello")
				if err := <-wrote; err != nil {
					t.Error(err)
				}
			},
			"Accept": func(t *testing.T, l *aio.Loop, _, _ net.Conn) {
				ln, err := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (net.Listener, error) {
					return aio.Listen(ctx, "tcp", "127.0.0.1:0", nil)
				}).Result(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer ln.Close()
				blockedIn(t, l, func() error { _, err := ln.Accept(); return err })
				client, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				c, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(client, "hello")
				wantRead(t, c, "hello")
				c.Close()
			},
		} {
			name := what
			if path {
				name += " over goroutines"
			}
			t.Run(name, func(t *testing.T) {
				t.Cleanup(aio.HurryBlocked())
				l, c, b := connOnLoop(t, path)
				test(t, l, c, b)
				if n := aio.Begun(l); n != 0 {
					t.Errorf("%d calls wait", n)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A library that retries is refused at once, as long as the loop is blocked in the same
// place.
func TestBlockedLoopRetries(t *testing.T) {
	undo := aio.HurryBlocked()
	l, c, b := connOnLoop(t, false)
	begun, ended := make(chan struct{}), make(chan error)
	go func() {
		<-begun
		_, err := c.Write([]byte("x"))
		undo()
		t.Cleanup(aio.NoticeBlocked(time.Hour, time.Hour))
		for range 20 {
			if err == nil {
				break
			}
			refusedCall(t, err)
			_, err = c.Write([]byte("x"))
		}
		ended <- err
	}()
	_, err := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(context.Context) error {
		close(begun)
		return <-ended
	})).Result(t.Context())
	refusedCall(t, err)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
	wantRead(t, b, "hello")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// A library may keep the error to itself, and its caller still waits: then the place is
// logged, once.
func TestBlockedLoopKeptError(t *testing.T) {
	t.Cleanup(aio.HurryBlocked())
	reports := logLines(t, "TestBlockedLoopKeptError")
	l, c, _ := connOnLoop(t, false)
	begun, release := make(chan struct{}), make(chan struct{})
	go func() {
		<-begun
		_, err := c.Write([]byte("x"))
		refusedCall(t, err)
		if report := <-reports; !strings.Contains(report, "aio.ToThread") {
			t.Errorf("the report does not say what to do: %q", report)
		}
		for range 20 { // as a library that retries
			_, err := c.Write([]byte("x"))
			refusedCall(t, err)
		}
		close(release)
	}()
	_, err := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(context.Context) error {
		close(begun)
		<-release
		return nil
	})).Result(t.Context())
	if err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	select {
	case again := <-reports:
		t.Errorf("a second report: %q", again)
	default:
	}
}

// A loop that works is not taken for one that is blocked, however long a Read waits, and
// however often its tasks wait for other goroutines.
func TestBlockedLoopBusy(t *testing.T) {
	t.Cleanup(aio.NoticeBlocked(time.Millisecond, time.Millisecond))
	l, c, b := connOnLoop(t, false)
	read := make(chan error)
	go func() {
		got := make([]byte, 1)
		_, err := c.Read(got)
		read <- err
	}()
	asks, answers := make(chan int), make(chan int)
	go func() {
		for i := range asks {
			answers <- i
		}
		close(answers)
	}()
	_, err := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
		for i := range 1000 { // each blocks the loop for a moment
			asks <- i
			<-answers
			if err := aio.Sleep(ctx, 0); err != nil {
				return err
			}
		}
		return aio.Sleep(ctx, 50*time.Millisecond)
	})).Result(t.Context())
	close(asks)
	if err != nil {
		t.Error(err)
	}
	if _, err := b.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if err := <-read; err != nil {
		t.Errorf("Read: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
