package aiojobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/contrib/aiojobs"
)

// patience is how long a test waits for something that happens soon.
const patience = 30 * time.Second

// run calls main with a client of a new server.
func run(t *testing.T, opts aiojobs.Options, main func(ctx context.Context, c *aiojobs.Client) error) {
	t.Helper()
	if opts.Dir == "" && opts.Server == nil && opts.URLs == nil {
		opts.Dir = t.TempDir()
	}
	err := aio.Run(func(ctx context.Context) error {
		return aio.Timeout(ctx, 2*patience, func(ctx context.Context) error {
			c, err := aiojobs.Open(ctx, &opts)
			if err != nil {
				return err
			}
			err = main(ctx, c)
			return errors.Join(err, c.Close(ctx))
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// working calls body while c works, and drains it then.
func working(ctx context.Context, c *aiojobs.Client, opts *aiojobs.WorkOptions, body func(ctx context.Context) error) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(func(ctx context.Context) error { return c.Work(ctx, opts) })
		err := body(ctx)
		c.Drain()
		return err
	})
}

// idle waits until no run is left: a submitter can have the result before the worker has
// the answer to storing it.
func idle(ctx context.Context, c *aiojobs.Client) error {
	for c.Stats().Running > 0 {
		if err := aio.Sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func register[A, R any](t *testing.T, c *aiojobs.Client, j *aiojobs.Job[A, R], f func(ctx context.Context, args A) (R, error)) {
	t.Helper()
	if err := aiojobs.Register(c, j, f); err != nil {
		t.Fatal(err)
	}
}

type sum struct{ A, B int }

var add = aiojobs.NewJob[sum, int]("add", nil)

func addNow(_ context.Context, s sum) (int, error) { return s.A + s.B, nil }

func TestResult(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		register(t, c, add, addNow)
		return working(ctx, c, nil, func(ctx context.Context) error {
			var hs []aio.Awaitable[int]
			for i := range 100 {
				h, err := add.Submit(ctx, c, sum{i, 1}, nil)
				if err != nil {
					return err
				}
				hs = append(hs, h)
			}
			sums, err := aio.Gather(ctx, hs...).Await(ctx)
			for i, s := range sums {
				if s != i+1 {
					t.Errorf("sum %d is %d", i, s)
				}
			}
			// A handle keeps its result, and another one reads it.
			h, err2 := add.Attach(ctx, c, hs[7].(*aiojobs.Handle[int]).ID())
			if err2 != nil {
				return errors.Join(err, err2)
			}
			if s, err := h.Await(ctx); s != 8 || err != nil {
				t.Errorf("an attached handle has %d, %v", s, err)
			}
			err = errors.Join(err, idle(ctx, c))
			s := c.Stats()
			if s.Submitted != 100 || s.Started != 100 || s.Succeeded != 100 || s.Duplicates+s.Skipped+s.Retried+s.Dead != 0 || s.Awaited != 0 {
				t.Errorf("stats are %+v", s)
			}
			return err
		})
	})
}

func TestFailures(t *testing.T) {
	options := &aiojobs.JobOptions{Attempts: 3, Pause: time.Millisecond, Retry: func(err error) bool { return err.Error() != "hopeless" }}
	flaky := aiojobs.NewJob[string, string]("flaky", options)
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		var log []string
		register(t, c, flaky, func(ctx context.Context, how string) (string, error) {
			info, ok := aiojobs.InfoOf(ctx)
			if !ok || info.Name != "flaky" || info.Queue != "default" {
				t.Errorf("info is %+v, %t", info, ok)
			}
			log = append(log, fmt.Sprint(how, info.Attempt))
			switch {
			case how == "panics":
				panic("at the disco")
			case how == "recovers" && info.Attempt == 3:
				return "well", nil
			case how == "cancels itself":
				return "", &aio.CancelledError{}
			}
			return "", errors.New(how)
		})
		return working(ctx, c, nil, func(ctx context.Context) error {
			for _, test := range []struct{ how, text, log string }{
				{"recovers", "", "recovers1 recovers2 recovers3"},
				{"hopeless", "failed 1 times: hopeless", "hopeless1"},
				{"bad", "failed 3 times: bad", "bad1 bad2 bad3"},
				{"panics", "failed 3 times: aio: panic: at the disco", "panics1 panics2 panics3"},
				{"cancels itself", "failed 3 times: ", "cancels itself1 cancels itself2 cancels itself3"},
			} {
				log = nil
				h, err := flaky.Submit(ctx, c, test.how, nil)
				if err != nil {
					return err
				}
				_, err = h.Await(ctx)
				var failed *aiojobs.JobError
				switch {
				case test.text == "" && err != nil:
					t.Errorf("%s: %v", test.how, err)
				case test.text != "" && (!errors.As(err, &failed) || failed.Cancelled || failed.ID != h.ID() || !strings.Contains(err.Error(), test.text)):
					t.Errorf("%s: %v", test.how, err)
				}
				if got := strings.Join(log, " "); got != test.log {
					t.Errorf("%s: runs %q, not %q", test.how, got, test.log)
				}
			}
			if err := idle(ctx, c); err != nil {
				return err
			}
			if s := c.Stats(); s.Dead != 4 || s.Retried != 8 || s.Succeeded != 1 {
				t.Errorf("stats are %+v", s)
			}
			return nil
		})
	})
}

func TestKey(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		runs := 0
		register(t, c, add, func(ctx context.Context, s sum) (int, error) {
			runs++
			return addNow(ctx, s)
		})
		key := &aiojobs.SubmitOptions{Key: "once. and * for > all"}
		first, err := add.Submit(ctx, c, sum{1, 2}, key)
		if err != nil {
			return err
		}
		second, err := add.Submit(ctx, c, sum{3, 4}, key)
		if err != nil {
			return err
		}
		return working(ctx, c, nil, func(ctx context.Context) error {
			a, err1 := first.Await(ctx)
			b, err2 := second.Await(ctx)
			// after the job has ended
			third, err := add.Submit(ctx, c, sum{5, 6}, key)
			if err != nil {
				return err
			}
			d, err3 := third.Await(ctx)
			if a != 3 || b != 3 || d != 3 || runs != 1 || first.ID() != third.ID() {
				t.Errorf("results %d, %d, %d of %d runs", a, b, d, runs)
			}
			return errors.Join(err1, err2, err3)
		})
	})
}

func TestCancel(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		var begun, ended aio.Event
		sleep := aiojobs.NewJob[int, int]("sleep", nil)
		register(t, c, sleep, func(ctx context.Context, i int) (int, error) {
			if i == 2 {
				t.Error("a job that was cancelled before runs")
			}
			begun.Set()
			err := aio.Sleep(ctx, patience)
			if !aio.IsCancellation(err) {
				t.Errorf("the run ends with %v", err)
			}
			ended.Set()
			return 0, err
		})
		submit := func(i int) *aiojobs.Handle[int] {
			h, err := sleep.Submit(ctx, c, i, nil)
			if err != nil {
				t.Error(err)
			}
			return h
		}
		running, waiting := submit(1), submit(2)
		return working(ctx, c, &aiojobs.WorkOptions{Limit: 1}, func(ctx context.Context) error {
			if err := begun.Wait(ctx); err != nil {
				return err
			}
			for _, h := range []*aiojobs.Handle[int]{waiting, running} {
				if ok, err := h.Cancel(ctx); !ok || err != nil {
					t.Errorf("Cancel: %t, %v", ok, err)
				}
				if _, err := h.Await(ctx); !errors.Is(err, aiojobs.ErrCancelled) || aio.IsCancellation(err) {
					t.Errorf("Await: %v", err)
				}
				if ok, err := h.Cancel(ctx); ok || err != nil {
					t.Errorf("a second Cancel: %t, %v", ok, err)
				}
			}
			return ended.Wait(ctx)
		})
	})
}

// The request to cancel is lost: the worker notices the result when it checks.
func TestCancelNewsLost(t *testing.T) {
	run(t, aiojobs.Options{AckWait: time.Second}, func(ctx context.Context, c *aiojobs.Client) error {
		var begun, ended aio.Event
		sleep := aiojobs.NewJob[int, int]("sleep", nil)
		register(t, c, sleep, func(ctx context.Context, i int) (int, error) {
			begun.Set()
			err := aio.Sleep(ctx, patience)
			ended.Set()
			return 0, err
		})
		return working(ctx, c, nil, func(ctx context.Context) error {
			h, err := sleep.Submit(ctx, c, 1, nil)
			if err != nil {
				return err
			}
			if err := begun.Wait(ctx); err != nil {
				return err
			}
			if first, err := aiojobs.SettleCancelled(ctx, c, h.ID()); !first || err != nil {
				t.Errorf("settle: %t, %v", first, err)
			}
			return ended.Wait(ctx)
		})
	})
}

// A job that runs for longer than AckWait is delivered once.
func TestLongJob(t *testing.T) {
	run(t, aiojobs.Options{AckWait: time.Second}, func(ctx context.Context, c *aiojobs.Client) error {
		runs := 0
		sleep := aiojobs.NewJob[int, int]("sleep", nil)
		register(t, c, sleep, func(ctx context.Context, i int) (int, error) {
			runs++
			return i, aio.Sleep(ctx, 2500*time.Millisecond)
		})
		return working(ctx, c, &aiojobs.WorkOptions{Limit: 1, Prefetch: 1}, func(ctx context.Context) error {
			var hs []aio.Awaitable[int]
			for i := range 2 { // the second one waits in the worker
				h, err := sleep.Submit(ctx, c, i, nil)
				if err != nil {
					return err
				}
				hs = append(hs, h)
			}
			_, err := aio.Gather(ctx, hs...).Await(ctx)
			if s := c.Stats(); runs != 2 || s.Skipped+s.Duplicates != 0 {
				t.Errorf("%d runs, %+v", runs, s)
			}
			return err
		})
	})
}

func TestProgress(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		var seen aio.Event
		slow := aiojobs.NewJob[int, string]("slow", nil)
		register(t, c, slow, func(ctx context.Context, n int) (string, error) {
			for i := range n {
				seen.Clear()
				if err := aiojobs.Report(ctx, aiojobs.Progress{Done: int64(i), Total: int64(n), Text: "step"}); err != nil {
					return "", err
				}
				if err := seen.Wait(ctx); err != nil {
					return "", err
				}
			}
			return "all", nil
		})
		if err := aiojobs.Report(ctx, aiojobs.Progress{}); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("Report outside of a run: %v", err)
		}
		return working(ctx, c, nil, func(ctx context.Context) error {
			h, err := slow.Submit(ctx, c, 3, nil)
			if err != nil {
				return err
			}
			var got []string
			for p, err := range h.Updates(ctx) {
				if err != nil {
					return err
				}
				got = append(got, fmt.Sprintf("%s %d of %d", p.Text, p.Done, p.Total))
				seen.Set()
			}
			want := []string{"step 0 of 3", "step 1 of 3", "step 2 of 3"}
			if !slices.Equal(got, want) {
				t.Errorf("updates %q", got)
			}
			r, err := h.Await(ctx)
			if r != "all" {
				t.Errorf("the result is %q", r)
			}
			return err
		})
	})
}

func TestPriorities(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		var order []string
		var gate, begun aio.Event
		named := aiojobs.NewJob[string, int]("named", nil)
		register(t, c, named, func(ctx context.Context, name string) (int, error) {
			order = append(order, name)
			begun.Set()
			return 0, gate.Wait(ctx)
		})
		return working(ctx, c, &aiojobs.WorkOptions{Limit: 1, Prefetch: 20}, func(ctx context.Context) error {
			var hs []aio.Awaitable[int]
			submit := func(name string, p aiojobs.Priority) error {
				h, err := named.Submit(ctx, c, name, &aiojobs.SubmitOptions{Priority: p})
				hs = append(hs, h)
				return err
			}
			if err := submit("first", aiojobs.Low); err != nil {
				return err
			}
			if err := begun.Wait(ctx); err != nil {
				return err
			}
			for i := range 3 {
				err := errors.Join(submit(fmt.Sprint("low", i), aiojobs.Low), submit(fmt.Sprint("normal", i), aiojobs.Normal),
					submit(fmt.Sprint("high", i), aiojobs.High))
				if err != nil {
					return err
				}
			}
			for c.Stats().Waiting < 9 {
				if err := aio.Sleep(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			gate.Set()
			_, err := aio.Gather(ctx, hs...).Await(ctx)
			want := "first high0 high1 high2 normal0 normal1 normal2 low0 low1 low2"
			if got := strings.Join(order, " "); got != want {
				t.Errorf("order: %s", got)
			}
			return err
		})
	})
}

func TestDelay(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		clock := aiojobs.NewJob[int, time.Time]("clock", nil)
		register(t, c, clock, func(context.Context, int) (time.Time, error) { return time.Now(), nil })
		return working(ctx, c, nil, func(ctx context.Context) error {
			at := time.Now().Add(1500 * time.Millisecond)
			a, err1 := clock.Submit(ctx, c, 1, &aiojobs.SubmitOptions{At: at})
			b, err2 := clock.Submit(ctx, c, 2, &aiojobs.SubmitOptions{Delay: 1500 * time.Millisecond, Priority: aiojobs.High})
			d, err3 := clock.Submit(ctx, c, 3, &aiojobs.SubmitOptions{Delay: time.Hour})
			if err := errors.Join(err1, err2, err3); err != nil {
				return err
			}
			for _, h := range []*aiojobs.Handle[time.Time]{a, b} {
				began, err := h.Await(ctx)
				if err != nil || began.Before(at.Truncate(time.Millisecond)) {
					t.Errorf("began at %v, not at %v: %v", began, at, err)
				}
			}
			if ok, err := d.Cancel(ctx); !ok || err != nil {
				t.Errorf("Cancel: %t, %v", ok, err)
			}
			return nil
		})
	})
}

// The jobs of a program that has ended are in its folder.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	var ids []string
	run(t, aiojobs.Options{Dir: dir}, func(ctx context.Context, c *aiojobs.Client) error {
		for i := range 10 {
			h, err := add.Submit(ctx, c, sum{i, i}, nil)
			if err != nil {
				return err
			}
			ids = append(ids, h.ID())
		}
		return nil
	})
	run(t, aiojobs.Options{Dir: dir}, func(ctx context.Context, c *aiojobs.Client) error {
		register(t, c, add, addNow)
		return working(ctx, c, nil, func(ctx context.Context) error {
			for i, id := range ids {
				h, err := add.Attach(ctx, c, id)
				if err != nil {
					return err
				}
				if s, err := h.Await(ctx); s != 2*i || err != nil {
					t.Errorf("job %d: %d, %v", i, s, err)
				}
			}
			return nil
		})
	})
	run(t, aiojobs.Options{Dir: dir}, func(ctx context.Context, c *aiojobs.Client) error {
		h, err := add.Attach(ctx, c, ids[3])
		if err != nil {
			return err
		}
		s, err := h.Await(ctx)
		if s != 6 {
			t.Errorf("after another restart the result is %d", s)
		}
		return err
	})
}

// A submitter waits while the stream is full.
func TestBackPressure(t *testing.T) {
	run(t, aiojobs.Options{MaxPending: 3}, func(ctx context.Context, c *aiojobs.Client) error {
		register(t, c, add, addNow)
		var hs []aio.Awaitable[int]
		for i := range 3 {
			h, err := add.Submit(ctx, c, sum{i, 0}, nil)
			if err != nil {
				return err
			}
			hs = append(hs, h)
		}
		_, err := aio.WaitFor(ctx, aio.Coro[*aiojobs.Handle[int]](func(ctx context.Context) (*aiojobs.Handle[int], error) {
			return add.Submit(ctx, c, sum{}, nil)
		}), 300*time.Millisecond)
		if !errors.Is(err, aio.ErrTimeout) || c.Stats().Submitted != 3 {
			t.Errorf("Submit to a full stream: %v, %+v", err, c.Stats())
		}
		return working(ctx, c, nil, func(ctx context.Context) error {
			h, err := add.Submit(ctx, c, sum{3, 0}, nil)
			if err != nil {
				return err
			}
			sums, err := aio.Gather(ctx, append(hs, h)...).Await(ctx)
			if !slices.Equal(sums, []int{0, 1, 2, 3}) {
				t.Errorf("results %v", sums)
			}
			return err
		})
	})
}

// Cancelling Work gives its jobs to another worker at once.
func TestCancelWork(t *testing.T) {
	s := startServer(t)
	run(t, aiojobs.Options{URLs: []string{s}}, func(ctx context.Context, a *aiojobs.Client) error {
		b, err := aiojobs.Open(ctx, &aiojobs.Options{URLs: []string{s}})
		if err != nil {
			return err
		}
		var begun aio.Event
		register(t, a, add, func(ctx context.Context, s sum) (int, error) {
			begun.Set()
			return 0, aio.Sleep(ctx, patience)
		})
		register(t, b, add, addNow)
		h, err := add.Submit(ctx, b, sum{1, 1}, nil)
		if err != nil {
			return err
		}
		work := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return a.Work(ctx, nil) }))
		if err := begun.Wait(ctx); err != nil {
			return err
		}
		if err := aio.CancelAndWait(ctx, work); err != nil || !work.Cancelled() {
			t.Errorf("Work ended with %v, %v", err, work)
		}
		err = working(ctx, b, nil, func(ctx context.Context) error {
			r, err := h.Await(ctx)
			if r != 2 {
				t.Errorf("the result is %d", r)
			}
			return err
		})
		return errors.Join(err, b.Close(ctx))
	})
}

// Drain waits for the running jobs, and gives the waiting ones back to the server.
func TestDrain(t *testing.T) {
	run(t, aiojobs.Options{}, func(ctx context.Context, c *aiojobs.Client) error {
		var begun, gate aio.Event
		runs := 0
		register(t, c, add, func(ctx context.Context, s sum) (int, error) {
			runs++
			begun.Set()
			return s.A + s.B, gate.Wait(ctx)
		})
		var hs []*aiojobs.Handle[int]
		for i := range 5 {
			h, err := add.Submit(ctx, c, sum{i, 0}, nil)
			if err != nil {
				return err
			}
			hs = append(hs, h)
		}
		work := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return c.Work(ctx, &aiojobs.WorkOptions{Limit: 1, Prefetch: 4})
		}))
		if err := begun.Wait(ctx); err != nil {
			return err
		}
		c.Drain()
		c.Drain()
		gate.Set()
		if _, err := work.Await(ctx); err != nil {
			return err
		}
		if r, err := hs[0].Await(ctx); r != 0 || err != nil || runs != 1 {
			t.Errorf("result %d, %v after %d runs", r, err, runs)
		}
		return working(ctx, c, nil, func(ctx context.Context) error {
			// the others run in another Work
			for i, h := range hs {
				if r, err := h.Await(ctx); r != i || err != nil {
					t.Errorf("result %d: %d, %v", i, r, err)
				}
			}
			return nil
		})
	})
}

// startServer starts a server with an address, and returns the address.
func startServer(t *testing.T) string {
	t.Helper()
	l, stop := aio.StartLoop(nil)
	s, err := aio.RunCoroutineThreadsafe(l, func(ctx context.Context) (*aiojobs.Server, error) {
		return aiojobs.StartServer(ctx, &aiojobs.ServerOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	}).Result(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := aio.RunCoroutineThreadsafe(l, aio.NoResult(s.Stop)).Result(context.Background())
		if err := errors.Join(err, stop()); err != nil {
			t.Error(err)
		}
	})
	return s.Addr()
}
