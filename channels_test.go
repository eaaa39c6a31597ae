package aio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// receive returns Receive as a coroutine, for channels that stay open.
func receive[T any](ch <-chan T) aio.Coro[T] {
	return func(ctx context.Context) (T, error) {
		v, _, err := aio.Receive(ctx, ch)
		return v, err
	}
}

// send returns Send as a coroutine.
func send[T any](ch chan<- T, v T) aio.Coro[struct{}] {
	return aio.NoResult(func(ctx context.Context) error { return aio.Send(ctx, ch, v) })
}

func TestReceiveAndSendSuspendOnlyIfTheyMust(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		l, _ := aio.GetRunningLoop(ctx)
		ch := make(chan int, 1)
		l.CallSoon(func() { log.add("pass") })
		if err := aio.Send(ctx, ch, 1); err != nil {
			return err
		}
		v, ok, err := aio.Receive(ctx, ch)
		note(&log, "%d %v %v", v, ok, err)

		receiver := aio.CreateTask(ctx, receive(ch))
		letPass(ctx, 1)
		log.add("%s", state(receiver))
		go func() { ch <- 2 }()
		v, err = receiver.Await(ctx)
		note(&log, "%d %v", v, err)

		ch <- 3
		sender := aio.CreateTask(ctx, send(ch, 4))
		letPass(ctx, 1)
		log.add("%s", state(sender))
		first := <-ch
		_, err = sender.Await(ctx)
		note(&log, "%d %v %d", first, err, <-ch)
		return nil
	})
	log.want(t, "1 true <nil> pass pending 2 <nil> pending 3 <nil> 4")
}

func TestReceiveFromAClosedChannel(t *testing.T) {
	var log eventLog
	aiotest.Run(t, func(ctx context.Context) error {
		ch := make(chan int, 1)
		ch <- 1
		close(ch)
		for range 3 {
			v, ok, err := aio.Receive(ctx, ch)
			note(&log, "%d:%v:%v", v, ok, err)
		}
		ch = make(chan int)
		receiver := aio.CreateTask(ctx, func(ctx context.Context) (string, error) {
			v, ok, err := aio.Receive(ctx, ch)
			return fmt.Sprintf("%d:%v", v, ok), err
		})
		letPass(ctx, 1)
		close(ch)
		v, err := receiver.Await(ctx)
		note(&log, "%s %v", v, err)
		return nil
	})
	log.want(t, "1:true:<nil> 0:false:<nil> 0:false:<nil> 0:false <nil>")
}

// underRace reports whether the race detector is enabled. For it, closing a channel
// while another goroutine waits to send on it is a data race.
func underRace() bool {
	info, _ := debug.ReadBuildInfo()
	return info != nil && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

func TestSendToAClosedChannelPanics(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		for _, waits := range []bool{false, true} {
			if waits && underRace() {
				continue
			}
			ch := make(chan int)
			if !waits {
				close(ch)
			}
			sender := aio.CreateTask(ctx, send(ch, 1))
			letPass(ctx, 1)
			if waits {
				close(ch)
			}
			_, err := sender.Await(ctx)
			var p *aio.PanicError
			var r runtime.Error
			if !errors.As(err, &p) || !errors.As(err, &r) || r.Error() != "send on closed channel" {
				t.Errorf("waits %v: %v", waits, err)
			}
		}
		return nil
	})
}

// A receiver that is cancelled after its value has arrived returns the value, and the
// next await returns the cancellation. The same applies to a sender.
func TestChannelCancellationThatComesTooLateWaits(t *testing.T) {
	for name, tt := range map[string]struct {
		op      func(ctx context.Context, ch chan int) (int, error)
		partner func(ch chan int) int
	}{
		"Receive": {
			func(ctx context.Context, ch chan int) (int, error) { return receive(ch)(ctx) },
			func(ch chan int) int { ch <- 7; return 7 },
		},
		"Send": {
			func(ctx context.Context, ch chan int) (int, error) { return 7, aio.Send(ctx, ch, 7) },
			func(ch chan int) int { return <-ch },
		},
	} {
		t.Run(name, func(t *testing.T) {
			var log eventLog
			aiotest.Run(t, func(ctx context.Context) error {
				ch := make(chan int)
				tk := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
					v, err := tt.op(ctx, ch)
					note(&log, "%d %v", v, err)
					err = aio.Sleep(ctx, time.Hour)
					var c *aio.CancelledError
					if errors.As(err, &c) {
						note(&log, "cancelled:%v:%d", c.Message, aio.CurrentTask(ctx).Cancelling())
					}
					return v, err
				})
				letPass(ctx, 1)
				if v := tt.partner(ch); v != 7 {
					// block the loop until the value has been
					// transferred
					t.Errorf("the value is %d", v)
				}
				tk.Cancel("late")
				_, _ = tk.Await(ctx)
				log.add("%s", state(tk))
				return nil
			})
			log.want(t, "7 <nil> cancelled:late:1 cancelled")
		})
	}
}

// A Timeout that expires after the value has arrived does not discard it.
func TestReceiveInATimeoutThatComesTooLate(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		ch := make(chan int)
		tk := aio.CreateTask(ctx, func(ctx context.Context) (int, error) {
			s := aio.NewTimeout(time.Hour)
			v := 0
			err := s.Run(ctx, func(ctx context.Context) (err error) {
				l, _ := aio.GetRunningLoop(ctx)
				l.CallSoon(func() { ch <- 7; s.Reschedule(l.Time()) })
				v, _, err = aio.Receive(ctx, ch)
				return err
			})
			if err := aio.Sleep(ctx, 0); err != nil {
				// the cancellation of the Timeout has no effect any
				// more
				t.Errorf("after the scope: %v", err)
			}
			return v, err
		})
		if v, err := tk.Await(ctx); v != 7 || err != nil {
			t.Errorf("Receive: %v, %v", v, err)
		}
		return nil
	})
}

// If the context that was passed to Receive is done after the value has arrived, the
// next await with it returns the error.
func TestReceiveWithADerivedContextKeepsWhatComesTooLate(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(task aio.AnyTask, s *aio.TimeoutScope, now time.Time)
		want error
	}{
		"a cancellation":      {func(task aio.AnyTask, _ *aio.TimeoutScope, _ time.Time) { task.Cancel() }, aio.ErrCancelled},
		"its Timeout expires": {func(_ aio.AnyTask, s *aio.TimeoutScope, now time.Time) { s.Reschedule(now) }, aio.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				ch, now := make(chan int), clock(ctx)
				tk := spawn(ctx, func(ctx context.Context) error {
					s := aio.NewTimeout(time.Hour)
					return s.Run(ctx, func(ctx context.Context) error {
						l, _ := aio.GetRunningLoop(ctx)
						self := aio.CurrentTask(ctx)
						l.CallSoon(func() { ch <- 7; tt.end(self, s, l.Time()) })
						derived, cancel := context.WithCancel(ctx)
						defer cancel()
						if v, _, err := aio.Receive(derived, ch); v != 7 || err != nil {
							t.Errorf("Receive: %v, %v", v, err)
						}
						return aio.Sleep(ctx, time.Minute)
					})
				})
				_, err := tk.Await(ctx)
				if !errors.Is(err, tt.want) || now() != 0 {
					t.Errorf("the next await: %v after %v, want %v", err, now(), tt.want)
				}
				return nil
			})
		})
	}
}

// Receivers are cancelled at random moments while another goroutine sends: each value
// arrives exactly once and in order.
func TestReceiveLosesNoValueToACancellation(t *testing.T) {
	const values = 2000
	ch := make(chan int)
	var got, want []int
	err := aio.Run(func(ctx context.Context) error {
		go func() {
			for i := range values {
				ch <- i
			}
		}()
		for i := 0; len(got) < values; i++ {
			tk := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				v, err := receive(ch)(ctx)
				if err == nil {
					got = append(got, v)
				}
				return err
			}))
			letPass(ctx, i%4)
			for range i % 7 {
				runtime.Gosched()
			}
			tk.Cancel()
			if _, err := tk.Await(ctx); err != nil && !errors.Is(err, aio.ErrCancelled) {
				return err
			}
		}
		return nil
	})
	for i := range values {
		want = append(want, i)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v: %d values were sent, received %v", err, values, got)
	}
}

// Senders are cancelled at random moments: the result of Send says whether the value
// was sent.
func TestSendTellsWhetherTheValueWasSent(t *testing.T) {
	const values = 2000
	ch, sum := make(chan int), make(chan []int)
	go func() {
		var got []int
		for v := range ch {
			got = append(got, v)
		}
		sum <- got
	}()
	var sent []int
	err := aio.Run(func(ctx context.Context) error {
		defer close(ch)
		for i := range values {
			tk := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				err := aio.Send(ctx, ch, i)
				if err == nil {
					sent = append(sent, i)
				}
				return err
			}))
			letPass(ctx, i%4)
			for range i % 7 {
				runtime.Gosched()
			}
			tk.Cancel()
			if _, err := tk.Await(ctx); err != nil && !errors.Is(err, aio.ErrCancelled) {
				return err
			}
		}
		return nil
	})
	if got := <-sum; err != nil || !slices.Equal(got, sent) {
		t.Errorf("%v: sent %v, received %v", err, sent, got)
	}
}

func TestChannelOperationsThatNobodyAnswersCanBeCancelled(t *testing.T) {
	for name, op := range map[string]func(ctx context.Context) error{
		"Receive":     func(ctx context.Context) error { return justErr(receive(make(chan int))(ctx)) },
		"Receive nil": func(ctx context.Context) error { return justErr(receive[int](nil)(ctx)) },
		"Send":        func(ctx context.Context) error { return aio.Send(ctx, make(chan int), 1) },
		"Send nil":    func(ctx context.Context) error { return aio.Send[int](ctx, nil, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			aiotest.Run(t, func(ctx context.Context) error {
				tk := aio.CreateTask(ctx, aio.NoResult(op))
				letPass(ctx, 1)
				tk.Cancel("enough")
				_, err := tk.Await(ctx)
				var c *aio.CancelledError
				if !errors.As(err, &c) || c.Message != "enough" {
					t.Errorf("cancelled: %v", err)
				}

				if err := aio.Timeout(ctx, time.Hour, op); err != aio.ErrTimeout {
					t.Errorf("in a Timeout: %v", err)
				}

				derived, cancel := context.WithCancelCause(ctx)
				l, _ := aio.GetRunningLoop(ctx)
				l.CallSoon(func() { cancel(errOne) })
				if err := op(derived); !errors.Is(err, errOne) || errors.Is(err, aio.ErrCancelled) {
					t.Errorf("with a context cancelled during the call: %v", err)
				}
				if err := op(derived); !errors.Is(err, errOne) {
					t.Errorf("with a done context: %v", err)
				}

				other := make(chan error)
				go func() { other <- op(ctx) }()
				if err := <-other; !errors.Is(err, aio.ErrWrongGoroutine) {
					t.Errorf("in another goroutine: %v", err)
				}
				if err := op(context.Background()); !errors.Is(err, aio.ErrNoRunningLoop) {
					t.Errorf("without a loop: %v", err)
				}
				return nil
			})
		})
	}
}

// Closing the loop ends the waits; TestMain checks that no goroutine remains.
func TestChannelOperationsEndWithTheirLoop(t *testing.T) {
	l, _ := newLoop(t)
	ch := make(chan int)
	tasks := []aio.AnyTask{
		aio.CreateTask(l.Context(), receive(ch)),
		aio.CreateTask(l.Context(), send(make(chan int), 1)),
	}
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { letPass(ctx, 2); return nil })); err != nil {
		t.Error(err)
	}
	_ = l.Close()
	for _, tk := range tasks {
		if err := tk.Exception(); !errors.Is(err, aio.ErrLoopClosed) {
			t.Errorf("%v: %v", tk, err)
		}
	}
	select {
	case ch <- 1:
		t.Error("a goroutine still receives")
	default:
	}
}

// A virtual clock does not advance while another goroutine is sending, and does not
// report such a wait as a deadlock.
func TestReceiveUnderAVirtualClock(t *testing.T) {
	aiotest.Run(t, func(ctx context.Context) error {
		ch, release := make(chan int), make(chan struct{})
		go func() { <-release; ch <- 7 }()
		l, _ := aio.GetRunningLoop(ctx)
		l.CallLater(time.Hour, func() { close(release) })
		now := clock(ctx)
		v, _, err := aio.Receive(ctx, ch) // no timer is pending during this wait
		if v != 7 || now() != time.Hour {
			t.Errorf("received %d after %v", v, now())
		}
		return err
	})
}

func TestLoopInASynctestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		elapsed := func() time.Duration { return time.Since(start) }
		ch := make(chan time.Duration)
		go func() {
			defer close(ch)
			for range 3 {
				time.Sleep(time.Minute)
				ch <- elapsed()
			}
		}()
		err := aio.Run(func(ctx context.Context) error {
			if err := aio.Sleep(ctx, time.Hour); err != nil || elapsed() != time.Hour {
				t.Errorf("Sleep: %v after %v", err, elapsed())
			}
			var got []time.Duration
			for {
				v, ok, err := aio.Receive(ctx, ch)
				if err != nil {
					return err
				}
				if !ok {
					break
				}
				got = append(got, v)
			}
			// The sender waited an hour for its first receiver.
			want := []time.Duration{time.Minute, time.Hour + time.Minute, time.Hour + 2*time.Minute}
			equal(t, "the times of the received values", got, want)
			before := elapsed()
			if err := aio.Timeout(ctx, time.Minute, func(ctx context.Context) error { return aio.Send(ctx, make(chan int), 1) }); err != aio.ErrTimeout || elapsed()-before != time.Minute {
				t.Errorf("Send: %v after %v", err, elapsed()-before)
			}
			return justErr(aio.ToThread(ctx, func(context.Context) (int, error) { time.Sleep(time.Hour); return 0, nil }))
		})
		if err != nil || elapsed() != 2*time.Hour+3*time.Minute {
			t.Errorf("Run: %v after %v", err, elapsed())
		}
	})
}

// A loop in a bubble is durably blocked when its tasks wait for each other:
// synctest.Wait returns.
func TestLoopInASynctestBubbleIsDurablyBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := aio.NewEventLoop(nil)
		var steps atomic.Int32
		cf := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
			steps.Add(1)
			err := aio.Sleep(ctx, time.Hour)
			steps.Add(1)
			return err
		}))
		ended := make(chan error)
		go func() { ended <- l.RunForever() }()
		if synctest.Wait(); steps.Load() != 1 {
			t.Errorf("after %d steps all goroutines wait, want 1", steps.Load())
		}
		if _, err := cf.Result(t.Context()); err != nil || steps.Load() != 2 {
			t.Errorf("Result: %v after %d steps", err, steps.Load())
		}
		l.CallSoonThreadsafe(l.Stop)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}
