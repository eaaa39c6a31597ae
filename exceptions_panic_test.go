package aio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
)

// A panic of any function that the user passes to this package ends neither the program
// nor the loop, and is reported exactly once: to the caller, as a panic or an error, or
// else to the exception handler.

// brittle is a protocol that panics in one of its methods, by name.
type brittle struct{ where string }

func (p *brittle) at(where string) {
	if p.where == where {
		panic(errBoom)
	}
}

func (p *brittle) ConnectionMade(aio.BaseTransport)   { p.at("ConnectionMade") }
func (p *brittle) DataReceived([]byte)                { p.at("DataReceived") }
func (p *brittle) EOFReceived() bool                  { p.at("EOFReceived"); return false }
func (p *brittle) ConnectionLost(error)               { p.at("ConnectionLost") }
func (p *brittle) DatagramReceived([]byte, net.Addr)  { p.at("DatagramReceived") }
func (p *brittle) PipeDataReceived(int, []byte)       { p.at("PipeDataReceived") }
func (p *brittle) PipeConnectionLost(fd int, _ error) { p.at("PipeConnectionLost") }
func (p *brittle) ProcessExited()                     { p.at("ProcessExited") }

func TestPanicOfEachCallback(t *testing.T) {
	boom := func() { panic(errBoom) }
	boomCtx := func(context.Context) error { panic(errBoom) }
	factory := func() *brittle { panic(errBoom) }
	// tcp is a connection to a peer that sends a byte and EOF.
	tcp := func(ctx context.Context) (near net.Conn, err error) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		near, err = net.Dial("tcp", ln.Addr().String())
		if err != nil {
			return nil, err
		}
		far, err := ln.Accept()
		if err != nil {
			return nil, err
		}
		_, err = far.Write([]byte("x"))
		return near, errors.Join(err, far.Close())
	}
	factoryOf := func(call func(ctx context.Context, l *aio.Loop) error) func(ctx context.Context, l *aio.Loop) error {
		return func(ctx context.Context, l *aio.Loop) error {
			l.SetTaskFactory(func(*aio.TaskSpec) error { panic(errBoom) })
			defer l.SetTaskFactory(nil)
			return call(ctx, l)
		}
	}
	pool := func(o aiokit.PoolOptions[int]) *aiokit.Pool[int] {
		if o.Open == nil {
			o.Open = returns(1)
		}
		return aiokit.NewPool(o)
	}
	use := func(ctx context.Context, p *aiokit.Pool[int], keep bool) error {
		c, err := p.Acquire(ctx)
		if err != nil {
			return err
		}
		return p.Release(ctx, c, keep)
	}
	fails := func(context.Context) error { return errOne }
	calls := map[string]func(ctx context.Context, l *aio.Loop) error{
		"CallSoon":           func(_ context.Context, l *aio.Loop) error { l.CallSoon(boom); return nil },
		"CallLater":          func(_ context.Context, l *aio.Loop) error { l.CallLater(time.Millisecond, boom); return nil },
		"CallAt":             func(_ context.Context, l *aio.Loop) error { l.CallAt(l.Time(), boom); return nil },
		"CallSoonThreadsafe": func(_ context.Context, l *aio.Loop) error { l.CallSoonThreadsafe(boom); return nil },
		"Future.OnDone": func(ctx context.Context, _ *aio.Loop) error {
			f := aio.CreateFuture[int](ctx)
			f.OnDone(boom)
			return f.SetResult(1)
		},
		"Task.AddDoneCallback": func(ctx context.Context, _ *aio.Loop) error {
			aio.CreateTask(ctx, returns(1)).AddDoneCallback(panickingCallback)
			return nil
		},
		"Lock.With": func(ctx context.Context, _ *aio.Loop) error { return new(aio.Lock).With(ctx, boomCtx) },
		"Timeout":   func(ctx context.Context, _ *aio.Loop) error { return aio.Timeout(ctx, time.Hour, boomCtx) },
		"Shielded":  func(ctx context.Context, _ *aio.Loop) error { return aio.Shielded(ctx, boomCtx) },
		"TaskGroup.Go": func(ctx context.Context, _ *aio.Loop) error {
			return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error { tg.Go(boomCtx); return nil })
		},
		"StartTask": func(ctx context.Context, _ *aio.Loop) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				_, err := aio.StartTask(ctx, tg, func(context.Context, func(int)) error { panic(errBoom) })
				return err
			})
		},
		"Condition.WaitFor": func(ctx context.Context, _ *aio.Loop) error {
			c := aio.NewCondition(nil)
			return c.With(ctx, func(ctx context.Context) error { return c.WaitFor(ctx, func() bool { panic(errBoom) }) })
		},
		"PriorityQueue.Put": func(ctx context.Context, _ *aio.Loop) error {
			q := aio.NewPriorityQueue(0, func(int, int) int { panic(errBoom) })
			return errors.Join(q.Put(ctx, 1), q.Put(ctx, 2))
		},
		"Gather": func(ctx context.Context, _ *aio.Loop) error {
			return second(aio.Gather(ctx, aio.AsCoro(func(context.Context) (int, error) { panic(errBoom) })).Await(ctx))
		},
		"WaitFor": func(ctx context.Context, _ *aio.Loop) error {
			return second(aio.WaitFor(ctx, aio.AsCoro(func(context.Context) (int, error) { panic(errBoom) }), time.Hour))
		},
		"ToThread": func(ctx context.Context, _ *aio.Loop) error { return second(aio.ToThread(ctx, aio.NoResult(boomCtx))) },
		"RunInExecutor": func(ctx context.Context, _ *aio.Loop) error {
			return second(aio.RunInExecutor(ctx, nil, func() (int, error) { panic(errBoom) }).Await(ctx))
		},
		"Executor.Submit": func(ctx context.Context, _ *aio.Loop) error {
			return second(aio.RunInExecutor(ctx, brittleExecutor{}, func() (int, error) { return 1, nil }).Await(ctx))
		},
		"RunCoroutineThreadsafe": func(ctx context.Context, l *aio.Loop) error {
			f := aio.RunCoroutineThreadsafe(l, aio.NoResult(boomCtx))
			letPass(ctx, 3)
			return second(f.Result(context.Background()))
		},
		"ConcurrentFuture.AddDoneCallback": func(ctx context.Context, l *aio.Loop) error {
			f := aio.RunCoroutineThreadsafe(l, returns(1))
			f.AddDoneCallback(boom)
			letPass(ctx, 3)
			return second(f.Result(context.Background()))
		},
		"CreateConnection, its factory": func(ctx context.Context, _ *aio.Loop) error {
			conn, err := tcp(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			_, _, err = aio.CreateConnection(ctx, factory, "", &aio.ConnectionOptions{Conn: conn})
			return err
		},
		"CreateServer, its factory": func(ctx context.Context, _ *aio.Loop) error {
			srv, err := aio.CreateServer(ctx, factory, "127.0.0.1:0", nil)
			if err != nil {
				return err
			}
			return visit(ctx, srv)
		},
		"StartServer, its handler": func(ctx context.Context, _ *aio.Loop) error {
			srv, err := aio.StartServer(ctx, func(context.Context, *aio.StreamReader, *aio.StreamWriter) error { panic(errBoom) }, "127.0.0.1:0", nil)
			if err != nil {
				return err
			}
			return visit(ctx, srv)
		},
		"CreateUnixServer, its factory": func(ctx context.Context, _ *aio.Loop) error {
			if runtime.GOOS == "windows" {
				panic(errBoom) // the package has no Unix servers there
			}
			srv, err := aio.CreateUnixServer(ctx, factory, filepath.Join(t.TempDir(), "s"), nil)
			if err != nil {
				return err
			}
			return visit(ctx, srv)
		},
		"CreateDatagramEndpoint, its factory": func(ctx context.Context, _ *aio.Loop) error {
			_, _, err := aio.CreateDatagramEndpoint(ctx, factory, &aio.DatagramOptions{LocalAddr: "127.0.0.1:0"})
			return err
		},
		"SubprocessExec, its factory": func(ctx context.Context, _ *aio.Loop) error {
			exe, err := os.Executable()
			if err != nil {
				return err
			}
			_, _, err = aio.SubprocessExec(ctx, factory, exe, []string{"-test.run", "^$"}, nil)
			return err
		},
		"ConnectReadPipe, its factory": func(ctx context.Context, _ *aio.Loop) error {
			r, w, err := os.Pipe()
			if err != nil {
				return err
			}
			defer w.Close()
			defer r.Close()
			_, _, err = aio.ConnectReadPipe(ctx, factory, r)
			return err
		},
		"ConnectWritePipe, its factory": func(ctx context.Context, _ *aio.Loop) error {
			r, w, err := os.Pipe()
			if err != nil {
				return err
			}
			defer w.Close()
			defer r.Close()
			_, _, err = aio.ConnectWritePipe(ctx, factory, w)
			return err
		},
		"a task factory, CreateTask": factoryOf(func(ctx context.Context, _ *aio.Loop) error { spawn(ctx, emptyBody); return nil }),
		"a task factory, TaskGroup.Go": factoryOf(func(ctx context.Context, _ *aio.Loop) error {
			return aio.WithTaskGroup(ctx, func(_ context.Context, tg *aio.TaskGroup) error { tg.Go(emptyBody); return nil })
		}),
		"a task factory, Gather": factoryOf(func(ctx context.Context, _ *aio.Loop) error {
			return second(aio.Gather(ctx, returns(1)).Await(ctx))
		}),
		"a task factory, RunCoroutineThreadsafe": factoryOf(func(ctx context.Context, l *aio.Loop) error {
			f := aio.RunCoroutineThreadsafe(l, returns(1))
			letPass(ctx, 3)
			return second(f.Result(context.Background()))
		}),
		"a task factory, StartServer": factoryOf(func(ctx context.Context, _ *aio.Loop) error {
			srv, err := aio.StartServer(ctx, func(_ context.Context, _ *aio.StreamReader, w *aio.StreamWriter) error { return w.Close() }, "127.0.0.1:0", nil)
			if err != nil {
				return err
			}
			return visit(ctx, srv)
		}),
		"Retry, If": func(ctx context.Context, _ *aio.Loop) error {
			return aiokit.Retry(ctx, &aiokit.RetryOptions{If: func(error) bool { panic(errBoom) }}, fails)
		},
		"Retry, Before": func(ctx context.Context, _ *aio.Loop) error {
			return aiokit.Retry(ctx, &aiokit.RetryOptions{Before: func(int, error, time.Duration) { panic(errBoom) }}, fails)
		},
		"Retry, Rand": func(ctx context.Context, _ *aio.Loop) error {
			return aiokit.Retry(ctx, &aiokit.RetryOptions{Jitter: 1, Rand: func() float64 { panic(errBoom) }}, fails)
		},
		"Retry, itself": func(ctx context.Context, _ *aio.Loop) error { return aiokit.Retry(ctx, nil, boomCtx) },
		"Every":         func(ctx context.Context, _ *aio.Loop) error { return aiokit.Every(ctx, time.Millisecond, boomCtx) },
		"Pool, Open": func(ctx context.Context, _ *aio.Loop) error {
			return use(ctx, pool(aiokit.PoolOptions[int]{Open: func(context.Context) (int, error) { panic(errBoom) }}), true)
		},
		"Pool, Close": func(ctx context.Context, _ *aio.Loop) error {
			return use(ctx, pool(aiokit.PoolOptions[int]{Close: func(context.Context, int) error { panic(errBoom) }}), false)
		},
		"Pool, Check": func(ctx context.Context, _ *aio.Loop) error {
			p := pool(aiokit.PoolOptions[int]{Check: func(context.Context, int) error { panic(errBoom) }})
			return errors.Join(use(ctx, p, true), use(ctx, p, true))
		},
		"ExitStack.Push": func(ctx context.Context, _ *aio.Loop) error {
			return aiokit.WithExitStack(ctx, func(_ context.Context, s *aiokit.ExitStack) error { s.Push(boomCtx); return nil })
		},
		"CapacityLimiter.With": func(ctx context.Context, _ *aio.Loop) error { return aiokit.NewCapacityLimiter(1).With(ctx, boomCtx) },
	}
	for _, method := range []string{"ConnectionMade", "DataReceived", "EOFReceived", "ConnectionLost"} {
		calls["a protocol, "+method] = func(ctx context.Context, _ *aio.Loop) error {
			conn, err := tcp(ctx)
			if err != nil {
				return err
			}
			_, _, err = aio.CreateConnection(ctx, func() *brittle { return &brittle{method} }, "", &aio.ConnectionOptions{Conn: conn})
			return err
		}
	}
	for name, call := range calls {
		for _, eager := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				reports := 0
				err := aio.Run(func(ctx context.Context) error {
					l, err := aio.GetRunningLoop(ctx)
					if err != nil {
						return err
					}
					l.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) {
						if !errors.Is(ec.Err, errBoom) {
							t.Errorf("report: %v", ec)
						}
						reports++
					})
					body := func(ctx context.Context) error { return call(ctx, l) }
					var task *aio.Task[struct{}]
					if !eager {
						task = spawn(ctx, body)
					} else {
						task = aio.CreateTask(ctx, aio.NoResult(body), aio.WithEagerStart(true))
					}
					_, err = task.Await(ctx)
					if errors.Is(err, errBoom) {
						reports++
					} else if err != nil {
						t.Errorf("the call: %v", err)
					}
					// Wait for a callback that panics in a later
					// pass.
					for until := l.Time().Add(patience); reports == 0 && l.Time().Before(until); {
						if err := aio.Sleep(ctx, time.Millisecond); err != nil {
							return err
						}
					}
					return aio.Sleep(ctx, 5*time.Millisecond)
				})
				same(t, "the loop goes on", err, nil)
				want := 1
				if name == "a task factory, RunCoroutineThreadsafe" {
					// both the future and the handler, as in asyncio
					want = 2
				}
				same(t, "reports and errors", reports, want)
			})
		}
	}
}

// visit connects to a server, waits until the connection ends, and closes the server.
func visit(ctx context.Context, srv *aio.Server) error {
	defer srv.Close()
	at := srv.Addr()
	_, err := aio.ToThread(ctx, aio.NoResult(func(context.Context) error {
		c, err := net.Dial(at.Network(), at.String())
		if err != nil {
			return err
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, _ = c.Read(make([]byte, 1))
		return nil
	}))
	return err
}

// brittleExecutor panics in Submit.
type brittleExecutor struct{}

func (brittleExecutor) Submit(func()) error { panic(errBoom) }
func (brittleExecutor) Shutdown(bool)       {}
