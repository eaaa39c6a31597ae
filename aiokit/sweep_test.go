package aiokit_test

// A cancellation at each moment of each exported function.

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
	"github.com/goaio/aio/aiotest"
)

// checkSwept checks that the sweeps use each exported function and method of the
// package: a method must be used in a sweep whose name begins with the name of its
// type.
func checkSwept(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var exported [][2]string             // type, "" for a function, and name
	used := map[string]map[string]bool{} // the selectors that each sweep contains
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if !n.Name.IsExported() || strings.HasSuffix(name, "_test.go") {
					return true
				}
				of := ""
				if n.Recv != nil {
					x := n.Recv.List[0].Type.(*ast.StarExpr).X
					if generic, ok := x.(*ast.IndexExpr); ok {
						x = generic.X
					}
					if of = x.(*ast.Ident).Name; !ast.IsExported(of) || n.Name.Name == "Error" || n.Name.Name == "Unwrap" {
						return true
					}
				}
				exported = append(exported, [2]string{of, n.Name.Name})
			case *ast.KeyValueExpr:
				key, isName := n.Key.(*ast.BasicLit)
				body, isFunc := n.Value.(*ast.FuncLit)
				if !isName || !isFunc || len(body.Type.Params.List) != 2 {
					return true
				}
				names := map[string]bool{}
				used[strings.Trim(key.Value, `"`)] = names
				ast.Inspect(body, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok {
						names[s.Sel.Name] = true
					}
					return true
				})
			}
			return true
		})
	}
	if len(exported) < 30 {
		t.Fatalf("only %v are exported", exported)
	}
	for _, e := range exported {
		found := false
		for sweep, names := range used {
			found = found || names[e[1]] && (e[0] == "" || strings.HasPrefix(sweep, e[0]))
		}
		if !found {
			t.Errorf("no sweep for %s.%s", e[0], e[1])
		}
	}
}

// A sweep cancels a task that uses each tool, at every moment: nothing is lost.
func TestCancelled(t *testing.T) {
	type region = func(ctx context.Context, fn func(ctx context.Context) error) error
	sweeps := map[string]func(ctx context.Context, do region) error{
		"Retry": func(ctx context.Context, do region) error {
			return do(ctx, func(ctx context.Context) error {
				n := 0
				return aiokit.Retry(ctx, nil, func(ctx context.Context) error {
					if n++; n < 3 {
						if err := aio.Sleep(ctx, ms); err != nil {
							return err
						}
						return errFlaky
					}
					return nil
				})
			})
		},
		"Every": func(ctx context.Context, do region) error {
			return do(ctx, func(ctx context.Context) error {
				n := 0
				err := aiokit.Every(ctx, ms, func(ctx context.Context) error {
					if n++; n == 3 {
						return errFlaky
					}
					return aio.Sleep(ctx, ms)
				})
				if err == errFlaky {
					return nil
				}
				return err
			})
		},
		"RateLimiter": func(ctx context.Context, do region) error {
			r := aiokit.NewRateLimiter(1, 10*ms)
			other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return errors.Join(r.Wait(ctx), r.Wait(ctx)) }))
			err := do(ctx, func(ctx context.Context) error {
				for range 2 {
					if err := r.Wait(ctx); err != nil {
						return err
					}
				}
				return nil
			})
			_, e := other.Await(ctx)
			return errors.Join(err, e)
		},
		"CapacityLimiter": func(ctx context.Context, do region) error {
			l := aiokit.NewCapacityLimiter(1)
			use := func(ctx context.Context) error {
				return l.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, ms) })
			}
			other := aio.CreateTask(ctx, aio.NoResult(use))
			third := aio.CreateTask(ctx, aio.NoResult(use))
			err := do(ctx, use)
			_, e := aio.Gather(ctx, aio.Awaitable[struct{}](other), third).Await(ctx)
			if l.Borrowed() != 0 || l.Waiting() != 0 {
				return fmt.Errorf("%d borrowed, %d waiting", l.Borrowed(), l.Waiting())
			}
			return errors.Join(err, e)
		},
		"Pool": func(ctx context.Context, do region) error {
			open := 0
			p := aiokit.NewPool(aiokit.PoolOptions[int]{
				Open: func(ctx context.Context) (int, error) {
					err := aio.Sleep(ctx, ms)
					if err == nil {
						open++
					}
					return open, err
				},
				Close: func(ctx context.Context, c int) error { open--; return aio.Sleep(ctx, ms) },
				Check: func(ctx context.Context, c int) error { return aio.Sleep(ctx, ms) },
				Max:   1,
			})
			use := func(ctx context.Context) error {
				for range 2 {
					err := p.With(ctx, func(ctx context.Context, c int) error { return aio.Sleep(ctx, ms) })
					if err != nil {
						return err
					}
				}
				return nil
			}
			other := aio.CreateTask(ctx, aio.NoResult(use))
			err := do(ctx, use)
			_, e := other.Await(ctx)
			err = errors.Join(err, e, p.Close(ctx))
			if open != 0 || p.InUse() != 0 {
				return fmt.Errorf("%d open, %d in use", open, p.InUse())
			}
			return err
		},
		"ExitStack": func(ctx context.Context, do region) error {
			var lock aio.Lock
			entered, left := 0, 0
			err := do(ctx, func(ctx context.Context) error {
				return aiokit.WithExitStack(ctx, func(ctx context.Context, s *aiokit.ExitStack) error {
					ctx, err := s.Enter(ctx, lock.With)
					if err != nil {
						return err
					}
					entered++
					s.Push(func(ctx context.Context) error { left++; return aio.Sleep(ctx, ms) })
					return aio.Sleep(ctx, ms)
				})
			})
			if entered != left || lock.Locked() {
				return fmt.Errorf("%d entered, %d left, locked %v", entered, left, lock.Locked())
			}
			return err
		},
		"Receiver": func(ctx context.Context, do region) error {
			s, r := aiokit.NewMemoryChannel[int](0)
			sent, received := 0, 0
			other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				defer s.Close()
				for range 3 {
					if err := s.Send(ctx, 1); err != nil {
						if err == aiokit.ErrBrokenChannel {
							return nil
						}
						return err
					}
					sent++
				}
				return nil
			}))
			err := do(ctx, func(ctx context.Context) error {
				defer r.Close()
				for {
					v, err := r.Receive(ctx)
					if err == aiokit.ErrEndOfChannel {
						return nil
					}
					if err != nil {
						return err
					}
					received += v
					if err := aio.Sleep(ctx, ms); err != nil {
						return err
					}
				}
			})
			r.Close() // in case the region did not start
			_, e := other.Await(ctx)
			if sent != received {
				return fmt.Errorf("%d sent, %d received", sent, received)
			}
			return errors.Join(err, e)
		},
		"Sender": func(ctx context.Context, do region) error {
			s, r := aiokit.NewMemoryChannel[int](0)
			sent, received := 0, 0
			other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				for _, err := range r.All(ctx) {
					if err != nil {
						return err
					}
					received++
				}
				return nil
			}))
			err := do(ctx, func(ctx context.Context) error {
				defer s.Close()
				for range 3 {
					if err := s.Send(ctx, 1); err != nil {
						return err
					}
					sent++
				}
				return nil
			})
			s.Close() // in case the region did not start
			_, e := other.Await(ctx)
			if sent != received {
				return fmt.Errorf("%d sent, %d received", sent, received)
			}
			return errors.Join(err, e)
		},
		"RetryResult": func(ctx context.Context, do region) error {
			return do(ctx, func(ctx context.Context) error {
				n, err := aiokit.RetryResult(ctx, &aiokit.RetryOptions{Attempts: 2, Jitter: 1, Rand: func() float64 { return 0.5 }}, func(ctx context.Context) (int, error) {
					if err := aio.Sleep(ctx, ms); err != nil {
						return 3, err
					}
					return 3, errFlaky
				})
				if n != 0 || err == nil {
					return fmt.Errorf("%d, %v", n, err)
				}
				if limit := new(aiokit.RetryError); errors.As(err, &limit) {
					return nil
				}
				return err
			})
		},
		"Backoff": func(ctx context.Context, do region) error {
			return do(ctx, func(ctx context.Context) error {
				b, err := aiokit.NewBackoff(ctx, &aiokit.RetryOptions{Attempts: 2, Pause: ms})
				for range 4 {
					if err == nil {
						err = b.Wait(ctx, errFlaky)
						b.Reset()
					}
				}
				return err
			})
		},
		"RateLimiter, several at once": func(ctx context.Context, do region) error {
			r := aiokit.NewRateLimiter(3, 30*ms)
			allowed := 0
			other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				for range 8 {
					if r.Allow(ctx) {
						allowed++
					}
					if err := aio.Sleep(ctx, 5*ms); err != nil {
						return err
					}
				}
				return nil
			}))
			err := do(ctx, func(ctx context.Context) error { return errors.Join(r.WaitN(ctx, 2), r.WaitN(ctx, 3)) })
			_, e := other.Await(ctx)
			if allowed == 0 {
				return errors.New("nothing was allowed")
			}
			return errors.Join(err, e)
		},
		"CapacityLimiter, for others": func(ctx context.Context, do region) error {
			l := aiokit.NewCapacityLimiter(0)
			got := false
			other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				if err := aio.Sleep(ctx, 2*ms); err != nil {
					return err
				}
				if l.SetTotal(1); l.Total() != 1 {
					return fmt.Errorf("%d places", l.Total())
				}
				if err := aio.Sleep(ctx, ms); err != nil {
					return err
				}
				if l.TryAcquire(ctx) {
					defer l.Release(ctx)
				}
				return aio.Sleep(ctx, ms)
			}))
			err := do(ctx, func(ctx context.Context) error {
				if err := l.AcquireFor(ctx, "me"); err != nil {
					return err
				}
				got = true
				defer l.ReleaseFor("me")
				if err := aio.Sleep(ctx, 2*ms); err != nil {
					return err
				}
				l2 := aiokit.NewCapacityLimiter(1)
				if err := l2.Acquire(ctx); err != nil {
					return err
				}
				l2.Release(ctx)
				return nil
			})
			_, e := other.Await(ctx)
			if l.Borrowed() != 0 || l.Waiting() != 0 || err == nil && !got {
				return fmt.Errorf("%d borrowed, %d waiting", l.Borrowed(), l.Waiting())
			}
			return errors.Join(err, e)
		},
		"Pool, by hand": func(ctx context.Context, do region) error {
			open := 0
			p := aiokit.NewPool(aiokit.PoolOptions[int]{
				Open: func(ctx context.Context) (int, error) {
					err := aio.Sleep(ctx, ms)
					if err == nil {
						open++
					}
					return open, err
				},
				Close:       func(ctx context.Context, c int) error { open--; return aio.Sleep(ctx, ms) },
				Max:         2,
				MaxIdle:     1,
				IdleTimeout: 3 * ms,
			})
			err := do(ctx, func(ctx context.Context) error {
				for range 3 {
					c, err := p.Acquire(ctx)
					if err != nil {
						return err
					}
					if err := errors.Join(aio.Sleep(ctx, 2*ms), p.Release(ctx, c, p.Idle() == 0)); err != nil {
						return err
					}
				}
				return p.With(ctx, func(ctx context.Context, c int) error { return aiokit.Keep(aio.Sleep(ctx, 4*ms)) })
			})
			err = errors.Join(err, p.Close(ctx))
			if open != 0 || p.InUse() != 0 || p.Idle() != 0 {
				return fmt.Errorf("%d open, %d in use, %d idle", open, p.InUse(), p.Idle())
			}
			return err
		},
		"ExitStack, moved": func(ctx context.Context, do region) error {
			entered, left := 0, 0
			leave := func(context.Context) error { return nil }
			err := do(ctx, func(ctx context.Context) error {
				return aiokit.WithExitStack(ctx, func(ctx context.Context, s *aiokit.ExitStack) error {
					for range 3 {
						if err := aio.Sleep(ctx, ms); err != nil {
							return err
						}
						entered++
						s.Push(func(ctx context.Context) error { left++; return nil })
					}
					leave = s.PopAll()
					return aio.Sleep(ctx, ms)
				})
			})
			err = errors.Join(err, leave(ctx))
			if entered != left {
				return fmt.Errorf("%d entered, %d left", entered, left)
			}
			return err
		},
		"Sender, clones": func(ctx context.Context, do region) error {
			s, r := aiokit.NewMemoryChannel[int](1)
			clone, reader := s.Clone(), r.Clone()
			r.Close()
			sent, received := 0, 0
			other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				defer s.Close()
				for range 6 {
					if err := s.SendNowait(1); err == nil {
						sent++
					} else if err != aiokit.ErrWouldBlock {
						return err
					}
					if _, err := reader.ReceiveNowait(); err == nil {
						received++
					}
					if err := aio.Sleep(ctx, ms); err != nil {
						return err
					}
				}
				return nil
			}))
			err := do(ctx, func(ctx context.Context) error {
				defer clone.Close()
				for range 2 {
					if err := clone.Send(ctx, 1); err != nil {
						return err
					}
					sent++
					if err := aio.Sleep(ctx, ms); err != nil {
						return err
					}
				}
				return nil
			})
			clone.Close()
			_, e := other.Await(ctx)
			for range reader.Len() {
				if _, err := reader.ReceiveNowait(); err != nil {
					return err
				}
				received++
			}
			if _, err := reader.Receive(ctx); err != aiokit.ErrEndOfChannel || sent != received {
				return fmt.Errorf("%d sent, %d received, then %v", sent, received, err)
			}
			for range reader.All(ctx) {
				return errors.New("an item after the end")
			}
			reader.Close()
			return errors.Join(err, e)
		},
		"Receiver, clones": func(ctx context.Context, do region) error {
			s, r := aiokit.NewMemoryChannel[int](1)
			clone := r.Clone()
			received, elsewhere := 0, 0
			other := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				defer s.Close()
				defer r.Close()
				for range 6 {
					if err := s.Send(ctx, 1); err != nil {
						return err
					}
					if _, err := r.ReceiveNowait(); err == nil {
						elsewhere++
					}
					if err := aio.Sleep(ctx, ms); err != nil {
						return err
					}
				}
				for range r.Len() {
					if _, err := r.ReceiveNowait(); err == nil {
						elsewhere++
					}
				}
				return nil
			}))
			err := do(ctx, func(ctx context.Context) error {
				defer clone.Close()
				for _, err := range clone.All(ctx) {
					if err != nil {
						return err
					}
					received++
					if err := aio.Sleep(ctx, 2*ms); err != nil {
						return err
					}
				}
				return nil
			})
			clone.Close()
			_, e := other.Await(ctx)
			if received+elsewhere != 6 {
				return fmt.Errorf("%d and %d received", received, elsewhere)
			}
			return errors.Join(err, e)
		},
	}
	checkSwept(t)
	for name, use := range sweeps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			aiotest.CancelEverywhere(t, aiotest.Sweep{Schedules: 10, Mode: aiotest.AnyOrder}, func(ctx context.Context, c *aiotest.Cancelled) error {
				began := false
				err := use(ctx, func(ctx context.Context, fn func(ctx context.Context) error) error {
					return c.Do(ctx, func(ctx context.Context) error { began = true; return fn(ctx) })
				})
				if c.Happened() && (errors.Is(err, aio.ErrCancelled) || !began) {
					return nil
				}
				return err
			})
		})
	}
}
