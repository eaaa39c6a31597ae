package aiojobs

// A cancellation at every await of the API, and a failure of every network operation,
// against the simulated broker in the same loop.

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

const sweepAddr = "localhost:4222"

// withSim calls body with a broker and a client that can run simWork and simHopeless.
func withSim(ctx context.Context, opts *Options, body func(ctx context.Context, s *simServer, c *Client) error) error {
	s := newSimServer()
	server := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return s.serve(ctx, sweepAddr) }))
	c, err := openSim(ctx, sweepAddr, "c", opts)
	if err == nil {
		err = errors.Join(
			Register(c, simWork, func(ctx context.Context, i int) (int, error) {
				err := Report(ctx, Progress{Done: int64(i)})
				return i * i, errors.Join(err, aio.Sleep(ctx, 100*time.Millisecond))
			}),
			Register(c, simHopeless, func(context.Context, int) (int, error) { return 0, errors.New("it is hopeless") }),
			body(ctx, s, c),
			c.Close(ctx))
	}
	return errors.Join(err, aio.CancelAndWait(ctx, server))
}

// square submits a job, and checks its result.
func square(ctx context.Context, c *Client, i int) error {
	h, err := simWork.Submit(ctx, c, i, nil)
	if err != nil {
		return err
	}
	r, err := h.Await(ctx)
	if err == nil && r != i*i {
		err = fmt.Errorf("the result is %d", r)
	}
	return err
}

// whileWorking calls body while c works.
func whileWorking(ctx context.Context, c *Client, body func(ctx context.Context) error) error {
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		tg.Go(func(ctx context.Context) error { return c.Work(ctx, nil) })
		err := body(ctx)
		c.Drain()
		return err
	})
}

// Each call is cancelled at each of its awaits. Afterwards the client works as before, it
// awaits nothing, and the streams are empty.
func TestCancelledCalls(t *testing.T) {
	ours := func(err error) error { // of a region that was cancelled
		if aio.IsCancellation(err) {
			return nil
		}
		return err
	}
	for _, test := range []struct {
		name   string
		region func(ctx context.Context, c *Client) error
	}{
		{"Submit and Await", func(ctx context.Context, c *Client) error { return square(ctx, c, 3) }},
		{"Submit with a key", func(ctx context.Context, c *Client) error {
			_, err := simWork.Submit(ctx, c, 3, &SubmitOptions{Key: "three"})
			return err
		}},
		{"Submit with a delay", func(ctx context.Context, c *Client) error {
			_, err := simWork.Submit(ctx, c, 3, &SubmitOptions{Delay: time.Second})
			return err
		}},
		{"Submit to a full stream", func(ctx context.Context, c *Client) error {
			for i := range 6 {
				if _, err := simWork.Submit(ctx, c, i, nil); err != nil {
					return err
				}
			}
			return nil
		}},
		{"Updates", func(ctx context.Context, c *Client) error {
			h, err := simWork.Submit(ctx, c, 3, nil)
			if err != nil {
				return err
			}
			for _, err := range h.Updates(ctx) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"Cancel", func(ctx context.Context, c *Client) error {
			h, err := simWork.Submit(ctx, c, 3, nil)
			if err != nil {
				return err
			}
			_, err = h.Cancel(ctx)
			return err
		}},
		{"Every", func(ctx context.Context, c *Client) error {
			if err := simWork.Every(ctx, c, "tick", "@every 1s", 3, nil); err != nil {
				return err
			}
			_, err := c.StopEvery(ctx, "tick")
			return err
		}},
		{"dead letters", func(ctx context.Context, c *Client) error {
			h, err := simHopeless.Submit(ctx, c, 3, nil)
			if err != nil {
				return err
			}
			if _, err := h.Await(ctx); !errors.As(err, new(*JobError)) {
				return err
			}
			for d, err := range c.DeadLetters(ctx) {
				if err != nil {
					return err
				}
				if err := c.Resubmit(ctx, d); err != nil {
					return err
				}
				break
			}
			return nil
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := aiotest.CancelEverywhere(t, aiotest.Sweep{Network: true}, func(ctx context.Context, region *aiotest.Cancelled) error {
				return withSim(ctx, simOptions(), func(ctx context.Context, s *simServer, c *Client) error {
					s.maxPending = 4
					return whileWorking(ctx, c, func(ctx context.Context) error {
						err := region.Do(ctx, func(ctx context.Context) error { return test.region(ctx, c) })
						if err := ours(err); err != nil {
							return err
						}
						if _, err := c.StopEvery(ctx, "tick"); err != nil {
							return err
						}
						if err := square(ctx, c, 7); err != nil {
							return err
						}
						// A job of the region ends too.
						err = aio.Timeout(ctx, time.Minute, func(ctx context.Context) error {
							for len(s.work) > 0 || c.Stats().Awaited > 0 {
								if err := aio.Sleep(ctx, 100*time.Millisecond); err != nil {
									return err
								}
							}
							return nil
						})
						if err != nil {
							err = fmt.Errorf("%d jobs are left, %d results are awaited: %w", len(s.work), c.Stats().Awaited, err)
						}
						return err
					})
				})
			})
			if r.Moments < 5 {
				t.Errorf("%d moments", r.Moments)
			}
		})
	}
}

// Work and Close are cancelled at each await, with runs in between. The jobs are done by
// another Work.
func TestCancelledWork(t *testing.T) {
	r := aiotest.CancelEverywhere(t, aiotest.Sweep{Network: true, AllowSwallowed: true}, func(ctx context.Context, region *aiotest.Cancelled) error {
		return withSim(ctx, simOptions(), func(ctx context.Context, s *simServer, c *Client) error {
			var hs []aio.Awaitable[int]
			for i := range 3 {
				h, err := simWork.Submit(ctx, c, i, nil)
				if err != nil {
					return err
				}
				hs = append(hs, h)
			}
			l, err := aio.GetRunningLoop(ctx)
			if err != nil {
				return err
			}
			l.CallLater(150*time.Millisecond, c.Drain)
			err = region.Do(ctx, func(ctx context.Context) error { return c.Work(ctx, &WorkOptions{Limit: 2, Prefetch: 1}) })
			if err != nil && !aio.IsCancellation(err) {
				return err
			}
			if err := aio.Sleep(ctx, 200*time.Millisecond); err != nil {
				return err
			}
			c.drained = false // it was cancelled before the Drain
			return whileWorking(ctx, c, func(ctx context.Context) error {
				results, err := aio.Gather(ctx, hs...).Await(ctx)
				if err == nil && fmt.Sprint(results) != "[0 1 4]" {
					err = fmt.Errorf("the results are %v", results)
				}
				return err
			})
		})
	})
	if r.Moments < 20 {
		t.Errorf("%d moments", r.Moments)
	}
	aiotest.CancelEverywhere(t, aiotest.Sweep{Network: true, AllowSwallowed: true}, func(ctx context.Context, region *aiotest.Cancelled) error {
		return withSim(ctx, simOptions(), func(ctx context.Context, s *simServer, c *Client) error {
			h, err := simWork.Submit(ctx, c, 3, nil)
			if err != nil {
				return err
			}
			began := false
			err = region.Do(ctx, func(ctx context.Context) error {
				began = true
				return c.Close(ctx)
			})
			if err != nil && !aio.IsCancellation(err) {
				return err
			}
			if !began { // cancelled before its first step
				return c.Close(ctx)
			}
			if _, err := h.Await(ctx); !errors.Is(err, ErrClosed) {
				return fmt.Errorf("after Close: %w", err)
			}
			return nil
		})
	})
}

// Each operation of the network fails once. The client makes a new connection, and all
// calls succeed.
func TestFailedNetwork(t *testing.T) {
	r := aiotest.FailEverywhere(t, aiotest.Failures{}, func(ctx context.Context, region *aiotest.Failing) error {
		return withSim(ctx, simOptions(), func(ctx context.Context, s *simServer, c *Client) error {
			return region.Do(ctx, func(ctx context.Context) error {
				return whileWorking(ctx, c, func(ctx context.Context) error {
					if err := square(ctx, c, 3); err != nil {
						return err
					}
					h, err := simHopeless.Submit(ctx, c, 3, &SubmitOptions{Key: "k"})
					if err != nil {
						return err
					}
					if _, err := h.Await(ctx); !errors.As(err, new(*JobError)) {
						return fmt.Errorf("a hopeless job: %w", err)
					}
					letters := 0
					for _, err := range c.DeadLetters(ctx) {
						if err != nil {
							return err
						}
						letters++
					}
					if letters != 1 {
						return fmt.Errorf("%d dead letters", letters)
					}
					return nil
				})
			})
		})
	})
	if r.Runs < 50 {
		t.Errorf("%d runs", r.Runs)
	}
}

// A program is asked to stop before the task of Work has begun.
func TestDrainBeforeWork(t *testing.T) {
	aiotest.Explore(t, aiotest.Exploration{Runs: 5, Network: true}, func(ctx context.Context) error {
		return withSim(ctx, simOptions(), func(ctx context.Context, _ *simServer, c *Client) error {
			work := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return c.Work(ctx, nil) }))
			c.Drain()
			if err := work.Join(ctx); err != nil {
				return err
			}
			return whileWorking(ctx, c, func(ctx context.Context) error { return square(ctx, c, 3) })
		})
	})
}
