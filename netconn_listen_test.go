package aio_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/goaio/aio"
)

// listenOn calls Listen with a new address of the network.
func listenOn(t testing.TB, ctx context.Context, network string, opts *aio.ServerOptions) net.Listener {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		addr = filepath.Join(t.TempDir(), "s")
	}
	ln, err := aio.Listen(ctx, network, addr, opts)
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// A library serves connections of the loop in a goroutine, with tasks of the loop as
// clients.
func TestListenServesLibraries(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				ln := listenOn(t, ctx, network, nil)
				served := make(chan error, 1)
				go lines(ln, served)
				err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
					for i := range 20 {
						tg.Go(func(ctx context.Context) error {
							c, err := new(aio.Dialer).DialContext(ctx, network, ln.Addr().String())
							if err != nil {
								return err
							}
							defer c.Close()
							in := bufio.NewScanner(c)
							for j := range 5 {
								fmt.Fprintf(c, "line %d of %d\n", j, i)
								if want := fmt.Sprintf("LINE %d OF %d", j, i); !in.Scan() || in.Text() != want {
									t.Errorf("got %q, %v, want %s", in.Text(), in.Err(), want)
								}
							}
							return nil
						})
					}
					return nil
				})
				if err != nil {
					return err
				}
				if err := ln.Close(); err != nil {
					t.Error(err)
				}
				end, _, err := aio.Receive(ctx, served)
				matches(t, "Accept after Close", end, net.ErrClosed)
				matches(t, "a second Close", ln.Close(), net.ErrClosed)
				return err
			})
		})
	}
}

// Accept calls of tasks and goroutines get connections in FIFO order; a cancelled call
// loses none.
func TestListenAcceptOrder(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		ln := listenOn(t, ctx, "tcp", nil)
		defer ln.Close()
		var log eventLog
		accept := func(name string) *aio.Task[struct{}] {
			return spawn(ctx, func(ctx context.Context) error {
				c, err := ln.Accept()
				switch {
				case errors.Is(err, aio.ErrCancelled):
					log.add("%s:cancelled", name)
				case err != nil:
					log.add("%s:%v", name, err)
				default:
					b, _ := io.ReadAll(c)
					log.add("%s:%s", name, b)
					c.Close()
				}
				return err
			})
		}
		first, second, third := accept("first"), accept("second"), accept("third")
		letPass(ctx, 1)
		second.Cancel()
		letPass(ctx, 1)
		log.want(t, "second:cancelled")
		say := func(word string) {
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			io.WriteString(c, word)
			c.Close()
		}
		say("a")
		if _, err := first.Await(ctx); err != nil {
			return err
		}
		say("b")
		if _, err := third.Await(ctx); err != nil {
			return err
		}
		log.want(t, "first:a third:b")
		// Connections that arrive without a pending Accept are kept in order.
		say("c")
		say("d")
		for _, name := range []string{"fourth", "fifth"} {
			if _, err := accept(name).Await(ctx); err != nil {
				return err
			}
		}
		log.want(t, "fourth:c fifth:d")
		return nil
	})
}

// If many connections are not accepted, they stay in the kernel, and all are accepted
// later.
func TestListenHoldsBack(t *testing.T) {
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		const most = 128 // maximum number of connections that wait in the loop
		ln := listenOn(t, ctx, "tcp", &aio.ServerOptions{Backlog: 100})
		defer ln.Close()
		sent := 0
		clients := func(n int) {
			t.Helper()
			for range n {
				c, err := net.Dial("tcp", ln.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				fmt.Fprintln(c, sent)
				sent++
			}
		}
		for sent < most {
			clients(most / 4) // fewer than the kernel's queue holds
			eventually(t, ctx, "all in the loop", func() bool { return aio.ConnectionsWaiting(ln) == sent })
		}
		clients(50)
		letPass(ctx, 50)
		if n := aio.ConnectionsWaiting(ln); n > most+1 {
			// seen also has the one connection that was just being accepted
			t.Errorf("%d connections wait in the loop", n)
		}
		seen := map[int]bool{}
		for range sent {
			c, err := ln.Accept()
			if err != nil {
				return err
			}
			var i int
			if _, err := fmt.Fscanln(c, &i); err != nil {
				t.Error(err)
			}
			c.Close()
			seen[i] = true
		}
		if len(seen) != sent {
			t.Errorf("%d of %d clients were accepted", len(seen), sent)
		}
		return nil
	})
}

// Close ends the pending calls of tasks and goroutines, and closes the connections that
// Accept has not returned. So does closing the loop.
func TestListenEnds(t *testing.T) {
	for _, by := range []string{"task", "goroutine", "loop"} {
		t.Run(by, func(t *testing.T) {
			ended := make(chan error, 1)
			bothPaths(t, func(t *testing.T, ctx context.Context) error {
				ln := listenOn(t, ctx, "tcp", nil)
				go func() {
					_, err := ln.Accept()
					ended <- err
				}()
				if by == "loop" {
					eventually(t, ctx, "the call", func() bool { return aio.AcceptsWaiting(ln) == 1 })
					return nil
				}
				task := spawn(ctx, func(context.Context) error { _, err := ln.Accept(); return err })
				eventually(t, ctx, "two calls", func() bool { return aio.AcceptsWaiting(ln) == 2 })
				if by == "task" {
					ln.Close()
				} else if err := inThread(ctx, ln.Close); err != nil {
					t.Error(err)
				}
				_, err := task.Await(ctx)
				matches(t, "Accept of a task", err, net.ErrClosed)
				err, _, _ = aio.Receive(ctx, ended)
				matches(t, "Accept of a goroutine", err, net.ErrClosed)
				_, err = ln.Accept()
				matches(t, "Accept after Close", err, net.ErrClosed)

				other := listenOn(t, ctx, "tcp", nil)
				c, err := net.Dial("tcp", other.Addr().String())
				if err != nil {
					return err
				}
				defer c.Close()
				eventually(t, ctx, "a connection", func() bool { return aio.ConnectionsWaiting(other) == 1 })
				other.Close()
				return inThread(ctx, func() error {
					if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
						t.Errorf("the client that was not accepted read %d bytes, %v", n, err)
					}
					return nil
				})
			})
			if by == "loop" {
				for range 2 { // once for each path
					err := <-ended
					matches(t, "Accept when the loop is closed", err, aio.ErrLoopClosed)
					matches(t, "Accept when the loop is closed", err, net.ErrClosed)
				}
			}
		})
	}
}

func TestListenErrors(t *testing.T) {
	closed := aio.NewEventLoop(nil)
	if err := closed.Close(); err != nil {
		t.Error(err)
	}
	_, err := aio.Listen(closed.Context(), "tcp", "127.0.0.1:0", nil)
	matches(t, "a closed loop", err, aio.ErrLoopClosed)
	matches(t, "a closed loop", err, aio.ErrNoRunningLoop)
	bothPaths(t, func(t *testing.T, ctx context.Context) error {
		_, err := aio.Listen(ctx, "udp", "127.0.0.1:0", nil)
		matches(t, "udp", err, net.UnknownNetworkError("udp"))
		_, err = aio.Listen(ctx, "tcp", "127.0.0.1:0", &aio.ServerOptions{DeferServing: true})
		matches(t, "DeferServing", err, aio.ErrUsage)
		_, err = aio.Listen(ctx, "tcp", "127.0.0.1", nil)
		matches(t, "no port", err, aio.ErrUsage)
		_, err = aio.Listen(context.Background(), "tcp", "127.0.0.1:0", nil)
		matches(t, "no loop", err, aio.ErrNoRunningLoop)
		ln := listenOn(t, ctx, "tcp", nil)
		defer ln.Close()
		_, err = aio.Listen(ctx, "tcp", ln.Addr().String(), nil)
		var op *net.OpError
		if !errors.As(err, &op) {
			t.Errorf("an address in use: %v", err)
		}
		l, err := aio.GetRunningLoop(ctx)
		called := aio.CreateFuture[error](ctx)
		l.CallSoon(func() {
			_, err := ln.Accept()
			_ = called.SetResult(err)
		})
		cerr, _ := called.Await(ctx)
		matches(t, "Accept in a callback", cerr, aio.ErrNoTask)
		return err
	})
}
