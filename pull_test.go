package aio_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

type seqOf[T any] = func(ctx context.Context) iter.Seq2[T, error]

// counting yields 1 to n, and awaits for d before each item. It logs its start and end.
func counting(log *eventLog, n int, d time.Duration) seqOf[int] {
	return func(ctx context.Context) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			log.add("begin")
			defer log.add("end")
			for i := 1; i <= n; i++ {
				if err := aio.Sleep(ctx, d); err != nil {
					log.add("cancelled")
					yield(0, err)
					return
				}
				if !yield(i, nil) {
					log.add("closed")
					return
				}
			}
		}
	}
}

func TestPullOrder(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		it := aio.Pull(ctx, counting(&log, 2, 0))
		log.add("made")
		ticker := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for i := 1; i <= 4; i++ {
				log.add("pass%d", i)
				letPass(ctx, 1)
			}
			return nil
		}))
		for {
			v, ok, err := it.Next(ctx)
			if err != nil {
				return err
			}
			log.add("%d,%v", v, ok)
			if !ok {
				break
			}
		}
		// Each item takes one pass, that of its own await.
		log.want(t, "made begin pass1 1,true pass2 2,true end 0,false")
		if v, ok, err := it.Next(ctx); v != 0 || ok || err != nil {
			t.Errorf("after the end Next returns %v %v %v", v, ok, err)
		}
		if err := it.Close(ctx); err != nil {
			t.Errorf("after the end Close returns %v", err)
		}
		_, err := ticker.Await(ctx)
		log.want(t, "pass3 pass4")
		return err
	})
}

func TestPullClose(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		unused := aio.Pull(ctx, counting(&log, 2, 0))
		if err := unused.Close(ctx); err != nil {
			t.Error(err)
		}
		if _, ok, err := unused.Next(ctx); ok || err != nil {
			t.Errorf("Next after Close returns %v %v", ok, err)
		}
		log.want(t, "", "a body that has not started does not run")

		it := aio.Pull(ctx, counting(&log, 2, 0))
		if v, ok, err := it.Next(ctx); v != 1 || !ok || err != nil {
			t.Errorf("%v %v %v", v, ok, err)
		}
		if err := it.Close(ctx); err != nil {
			t.Error(err)
		}
		log.want(t, "begin closed end")

		slow := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				if !yield(1, nil) {
					log.add("cleaning")
					letPass(ctx, 2)
					log.add("clean")
				}
			}
		})
		if _, _, err := slow.Next(ctx); err != nil {
			return err
		}
		if err := slow.Close(ctx); err != nil {
			t.Error(err)
		}
		log.want(t, "cleaning clean", "the body may await when it is closed")

		stubborn := aio.Pull(ctx, func(context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for range 2 {
					yield(1, nil)
				}
			}
		})
		if _, _, err := stubborn.Next(ctx); err != nil {
			return err
		}
		if err := stubborn.Close(ctx); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("a body that continues: %v", err)
		}

		errFlush := errors.New("flush failed")
		failing := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				yield(1, nil)
				log.add("%v", yield(0, errFlush))
			}
		})
		if _, _, err := failing.Next(ctx); err != nil {
			return err
		}
		if err := failing.Close(ctx); err != errFlush {
			t.Errorf("a body whose clean-up fails: %v", err)
		}
		log.want(t, "false", "yield goes on returning false")
		return errors.Join(stubborn.Close(ctx), failing.Close(ctx))
	})
}

// Calling Next or Close while another call is in progress is misuse, in another task
// and in the body itself.
func TestPullInUse(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		it := aio.Pull(ctx, counting(&log, 2, time.Second))
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, _, err := it.Next(ctx)
			return err
		}))
		letPass(ctx, 1)
		if _, _, err := it.Next(ctx); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("Next: %v", err)
		}
		if err := it.Close(ctx); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("Close: %v", err)
		}
		if _, err := task.Await(ctx); err != nil {
			return err
		}
		var self *aio.Iterator[int]
		self = aio.Pull(ctx, func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				_, _, err := self.Next(ctx)
				yield(0, err)
			}
		})
		if _, _, err := self.Next(ctx); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("Next in the body: %v", err)
		}
		return errors.Join(it.Close(ctx), self.Close(ctx))
	})
}

func TestPullCancelled(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		it := aio.Pull(ctx, counting(&log, 3, time.Second))
		next := func(ctx context.Context) error { _, _, err := it.Next(ctx); return err }
		if err := next(ctx); err != nil {
			return err
		}
		task := aio.CreateTask(ctx, aio.NoResult(next))
		letPass(ctx, 1)
		task.Cancel("enough")
		if _, err := task.Await(ctx); !task.Cancelled() || !strings.Contains(err.Error(), "enough") {
			t.Errorf("the task ends with %v", err)
		}
		log.want(t, "begin cancelled", "a cancellation arrives at the await of the body")
		if err := it.Close(ctx); err != nil {
			return err
		}
		log.want(t, "end")

		// The iteration can continue after a timeout that its body handles.
		patient := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				for {
					err := aio.Sleep(ctx, time.Hour)
					if !yield(7, err) {
						return
					}
				}
			}
		})
		for range 2 {
			if err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error {
				_, _, err := patient.Next(ctx)
				return err
			}); err != aio.ErrTimeout {
				t.Errorf("an item that takes too long: %v", err)
			}
		}
		if v, ok, err := patient.Next(ctx); v != 7 || !ok || err != nil {
			t.Errorf("%v %v %v", v, ok, err)
		}
		return patient.Close(ctx)
	})
}

// If the body swallows a cancellation, the task still gets it.
func TestPullDroppedCancellation(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		deaf := func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				_ = yield(1, nil)
				_ = aio.Sleep(ctx, time.Hour)
			}
		}
		for _, end := range []string{"Next", "Close"} {
			it := aio.Pull(ctx, deaf)
			if _, _, err := it.Next(ctx); err != nil {
				return err
			}
			task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				if end == "Close" {
					return it.Close(ctx)
				}
				_, _, err := it.Next(ctx)
				return err
			}))
			letPass(ctx, 1)
			task.Cancel()
			if _, err := task.Await(ctx); !errors.Is(err, aio.ErrCancelled) {
				t.Errorf("%s returns %v", end, err)
			}
		}
		// A cancellation by a scope in the body does not cancel the task.
		own := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				err := aio.Timeout(ctx, time.Second, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
				if err != aio.ErrTimeout {
					t.Error(err)
				}
			}
		})
		if _, ok, err := own.Next(ctx); ok || err != nil {
			t.Errorf("%v %v", ok, err)
		}
		return nil
	})
}

// Several tasks call Next in turns, and the body sees the context of the calling task.
func TestPullContext(t *testing.T) {
	type key struct{}
	aiotest.Run(t, func(ctx context.Context) error {
		it := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[any, error] {
			return func(yield func(any, error) bool) {
				for {
					name := aio.CurrentTask(ctx).GetName()
					err := aio.Sleep(ctx, 0)
					if !yield([2]any{name, ctx.Value(key{})}, err) {
						return
					}
				}
			}
		})
		for _, name := range []string{"a", "b"} {
			ctx := context.WithValue(ctx, key{}, name+"'s")
			got, err := aio.CreateTask(ctx, func(ctx context.Context) (any, error) {
				v, _, err := it.Next(ctx)
				return v, err
			}, aio.WithName(name)).Await(ctx)
			if want := [2]any{name, name + "'s"}; got != want || err != nil {
				t.Errorf("%v %v", got, err)
			}
		}
		// Next with a derived context that is done
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, _, err := it.Next(ended); !errors.Is(err, context.Canceled) || errors.Is(err, aio.ErrCancelled) {
			t.Errorf("with a done context: %v", err)
		}
		return it.Close(ctx)
	})
}

func TestPullNested(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		inner := aio.Pull(ctx, counting(&log, 4, time.Second))
		pairs := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[[2]int, error] {
			return func(yield func([2]int, error) bool) {
				for {
					var p [2]int
					for i := range p {
						v, ok, err := inner.Next(ctx)
						if !ok {
							if err != nil {
								yield(p, err)
							}
							return
						}
						p[i] = v
					}
					// an eager task and a group in the body
					aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
						log.add("eager")
						return 0, aio.Sleep(ctx, 0)
					}, aio.WithEagerStart(true))
					err := aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
						tg.Go(func(ctx context.Context) error { log.add("child"); return nil })
						return nil
					})
					if !yield(p, err) {
						return
					}
				}
			}
		})
		for p, err := range pairs.All(ctx) {
			if err != nil {
				return err
			}
			log.add("%d%d", p[0], p[1])
		}
		log.want(t, "begin eager child 12 eager child 34 end")
		return nil
	})
}

func TestPullStack(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var log eventLog
		it := aio.Pull(ctx, counting(&log, 1, time.Second))
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, _, err := it.Next(ctx)
			return err
		}))
		letPass(ctx, 1)
		var names []string
		for _, f := range task.GetStack(0) {
			names = append(names, f.Function[strings.LastIndexByte(f.Function, '/')+1:])
		}
		if got := strings.Join(names, " "); !strings.HasPrefix(got, "aio_test.TestPullStack.func1.1 aio_test.") || !strings.Contains(got, "counting") {
			t.Errorf("the stack is %s", got)
		}
		_, err := task.Await(ctx)
		return errors.Join(err, it.Close(ctx))
	})
}

func TestPullPanics(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		it := aio.Pull(ctx, func(context.Context) iter.Seq2[int, error] {
			return func(func(int, error) bool) { panic("oops") }
		})
		err := panics(func() { _, _, _ = it.Next(ctx) })
		var p *aio.PanicError
		if !errors.As(err, &p) || p.Value != "oops" || !strings.Contains(string(p.Stack), "TestPullPanics") {
			t.Errorf("Next panics with %v", err)
		}
		if _, ok, err := it.Next(ctx); ok || err != nil {
			t.Errorf("after the panic: %v %v", ok, err)
		}
		// runtime.Goexit ends the task, as without Pull
		exits := aio.Pull(ctx, func(context.Context) iter.Seq2[int, error] {
			return func(func(int, error) bool) { runtime.Goexit() }
		})
		l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
		done := make(chan error, 1)
		go func() {
			defer close(done)
			defer l.Close()
			_, err := aio.RunUntilComplete(l, aio.Coro[int](func(ctx context.Context) (int, error) {
				exits := aio.Pull(ctx, func(context.Context) iter.Seq2[int, error] {
					return func(func(int, error) bool) { runtime.Goexit() }
				})
				_, _, err := exits.Next(ctx)
				return 0, err
			}))
			done <- err
		}()
		if err, returned := <-done; returned {
			t.Errorf("runtime.Goexit in the body returns %v", err)
		}
		return exits.Close(ctx)
	})
}

func TestPullMisuse(t *testing.T) {
	if err := panics(func() { aio.Pull(context.Background(), counting(nil, 1, 0)) }); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Error(err)
	}
	aiotest.Run(t, func(ctx context.Context) error {
		if err := panics(func() { aio.Pull[int](ctx, nil) }); !errors.Is(err, aio.ErrUsage) {
			t.Error(err)
		}
		// a yield from a child task would switch between two goroutines
		it := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				_, err := aio.CreateTask(ctx, func(context.Context) (int, error) {
					yield(1, nil)
					return 0, nil
				}).Await(ctx)
				yield(0, err)
			}
		})
		if _, _, err := it.Next(ctx); !errors.Is(err, aio.ErrWrongGoroutine) {
			t.Errorf("a yield from another task: %v", err)
		}
		if err := it.Close(ctx); err != nil {
			return err
		}
		it = aio.Pull(ctx, counting(new(eventLog), 1, 0))
		_, err := aio.ToThread(ctx, func(ctx context.Context) (int, error) {
			_, _, err := it.Next(ctx)
			return 0, err
		})
		if !errors.Is(err, aio.ErrWrongGoroutine) {
			t.Errorf("Next in a worker: %v", err)
		}
		return nil
	})
}

// An iterator that is not closed by the program is closed by Run, during which its body
// may still await, or else by Loop.Close.
func TestPullLeftOpen(t *testing.T) {
	var log eventLog
	body := func(ctx context.Context) iter.Seq2[int, error] {
		return func(yield func(int, error) bool) {
			defer log.add("end")
			yield(1, nil)
			log.add("%v", aio.Sleep(ctx, 0) == nil)
		}
	}
	err := aio.Run(func(ctx context.Context) error {
		_, _, err := aio.Pull(ctx, body).Next(ctx)
		return err
	})
	log.want(t, "true end")
	if err != nil {
		t.Error(err)
	}
	l, reports := newLoop(t)
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error {
		_, _, err := aio.Pull(ctx, body).Next(ctx)
		return err
	})); err != nil {
		t.Error(err)
	}
	// another iterator, which is closed while its body is awaiting
	aio.CreateTask(l.Context(), aio.NoResult(func(ctx context.Context) error {
		_, _, err := aio.Pull(ctx, counting(&log, 1, time.Hour)).Next(ctx)
		return err
	}))
	l.CallSoon(func() { l.CallSoon(l.Stop) })
	if err := l.RunForever(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	log.want(t, "begin cancelled end false end")
	if len(*reports) != 1 {
		t.Errorf("reports: %v", *reports)
	}

	// An error of the clean-up, and a body that does not end, are reported.
	var messages []error
	runner := &aio.Runner{}
	if err := runner.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { messages = append(messages, ec.Err) })
		for _, failure := range []error{errChild, nil} {
			_, _, err := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[int, error] {
				return func(yield func(int, error) bool) {
					yield(1, nil)
					yield(2, failure)
				}
			}).Next(ctx)
			if err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := runner.Close(); err != nil {
		t.Error(err)
	}
	if len(messages) != 2 || !errors.Is(messages[0], aio.ErrUsage) || messages[1] != errChild {
		t.Errorf("reports: %v", messages)
	}
}

// A scope that the body is inside of when it yields belongs to the task that has entered
// it. Other tasks may only close the iterator.
func TestPullScopeOfAnotherTask(t *testing.T) {
	for name, with := range map[string]func(ctx context.Context, body func(ctx context.Context) error) error{
		"Timeout": func(ctx context.Context, body func(ctx context.Context) error) error {
			return aio.Timeout(ctx, time.Hour, body)
		},
		"CancelScope": new(aio.CancelScope).Run,
		"TaskGroup": func(ctx context.Context, body func(ctx context.Context) error) error {
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				tg.Go(func(ctx context.Context) error { return aio.Sleep(ctx, time.Second) })
				return body(ctx)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				var log eventLog
				it := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[int, error] {
					return func(yield func(int, error) bool) {
						err := with(ctx, func(ctx context.Context) error {
							for i := 1; yield(i, nil); i++ {
							}
							log.add("closed")
							return nil
						})
						log.add("%v", err)
					}
				})
				other := func(f func(ctx context.Context) error) error {
					_, err := aio.CreateTask(ctx, aio.NoResult(f)).Await(ctx)
					return err
				}
				next := func(ctx context.Context) error { _, _, err := it.Next(ctx); return err }
				if err := errors.Join(next(ctx), next(ctx)); err != nil {
					return err
				}
				err := other(next)
				if !errors.Is(err, aio.ErrUsage) || !strings.Contains(err.Error(), aio.CurrentTask(ctx).GetName()) {
					t.Errorf("Next in another task: %v", err)
				}
				log.want(t, "", "the body is not resumed")
				if err := next(ctx); err != nil {
					t.Errorf("Next in the task of the scope: %v", err)
				}
				if err := other(it.Close); !errors.Is(err, aio.ErrUsage) {
					t.Errorf("Close in another task: %v", err)
				}
				log.want(t, "closed <nil>", "Close ends the body all the same")
				if _, ok, err := it.Next(ctx); ok || err != nil {
					t.Errorf("%v %v", ok, err)
				}
				return nil
			})
		})
	}
	// An iterator that Run closes at its end is not reported as left in the wrong
	// order.
	runner := &aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}
	if err := runner.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		loop.SetExceptionHandler(func(_ *aio.Loop, ec aio.ExceptionContext) { t.Errorf("report: %v", ec) })
		_, _, err = aio.Pull(ctx, func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				err := new(aio.CancelScope).Run(ctx, func(context.Context) error { yield(1, nil); return nil })
				if err != nil {
					yield(0, err)
				}
			}
		}).Next(ctx)
		return err
	}); err != nil {
		t.Error(err)
	}
	if err := runner.Close(); err != nil {
		t.Error(err)
	}
}

// A scope of an iterator is left before one that the consumer has entered later: that is
// misuse, and the scopes of the task stay in order.
func TestPullScopeLeftEarly(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		var held, later, around aio.CancelScope
		it := aio.Pull(ctx, func(ctx context.Context) iter.Seq2[int, error] {
			return func(yield func(int, error) bool) {
				err := held.Run(ctx, func(context.Context) error { yield(1, nil); return nil })
				yield(0, err)
			}
		})
		err := around.Run(ctx, func(ctx context.Context) error {
			if _, _, err := it.Next(ctx); err != nil {
				return err
			}
			return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
				return later.Run(ctx, func(ctx context.Context) error {
					child := tg.Go(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
					if err := it.Close(ctx); !errors.Is(err, aio.ErrUsage) {
						t.Errorf("Close in an inner scope: %v", err)
					}
					// no effect, because the scope has been left
					held.Cancel()
					if err := aio.Sleep(ctx, time.Second); err != nil {
						t.Errorf("in the inner scope: %v", err)
					}
					around.Cancel()
					if err := aio.Sleep(ctx, time.Second); !errors.Is(err, aio.ErrCancelled) {
						t.Errorf("after the scope around was cancelled: %v", err)
					}
					_ = child
					return nil
				})
			})
		})
		if err != nil || later.Caught() {
			t.Errorf("%v, caught by the inner scope: %v", err, later.Caught())
		}
		return aio.Sleep(ctx, time.Second) // the task is in no scope
	})
}
