package aiotest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiotest"
)

// A program that is not a test can call Exploration.Run. The failure contains the
// smallest set of choices found that makes the program fail, and a record that repeats
// it.
func ExampleExploration_Run() {
	count := func(ctx context.Context) error {
		n := 0
		add := func(ctx context.Context) error {
			read := n
			if err := hop(ctx); err != nil { // other tasks run here
				return err
			}
			n = read + 1
			return nil
		}
		later := func(ctx context.Context) error {
			for range 2 {
				// in asyncio's order the first task is done at this time
				if err := hop(ctx); err != nil {
					return err
				}
			}
			return add(ctx)
		}
		if err := together(ctx, add, later); err != nil {
			return err
		}
		if n != 2 {
			return fmt.Errorf("n is %d", n)
		}
		return nil
	}
	report := aiotest.Exploration{Mode: aiotest.AnyOrder}.Run(count)
	for _, failure := range report.Failures {
		fmt.Println(failure.Err)
		again := aiotest.Exploration{Mode: aiotest.AnyOrder}.Replay(failure.Record, count)
		fmt.Println(again.Failures[0].Err)
	}
	// Output:
	// main: n is 1
	// main: n is 1
}

// The program loses a permit if the task is cancelled between Acquire and Release.
func ExampleSweep_Run() {
	report := aiotest.Sweep{}.Run(func(ctx context.Context, c *aiotest.Cancelled) error {
		permits := aio.NewSemaphore(1)
		_ = c.Do(ctx, func(ctx context.Context) error {
			// the sweep cancels only this function
			if err := permits.Acquire(ctx); err != nil {
				return err
			}
			if err := aio.Sleep(ctx, time.Second); err != nil {
				return err
			}
			permits.Release()
			return nil
		})
		return aio.Timeout(ctx, time.Minute, permits.Acquire) // the check
	})
	fmt.Println(report.Moments, "moments,", len(report.Failures), "places where it fails")
	fmt.Println(report.Failures[0].Err)
	// Output:
	// 6 moments, 1 places where it fails
	// main: aio: timed out
}

// Whole converts a test body for Run to one for CancelEverywhere.
func ExampleWhole() {
	main := func(ctx context.Context) error {
		_ = aio.Sleep(ctx, time.Second) // ignores a cancellation
		return nil
	}
	report := aiotest.Sweep{}.Run(aiotest.Whole(main))
	fmt.Println(report.Failures[0].Err)
	// Output:
	// the cancellation was swallowed: task region ended with the error <nil>
}

// A fake server lets the run choose what a real server may do: here, whether it
// answers.
func ExampleChoose() {
	ask := func(ctx context.Context) (string, error) {
		if aiotest.Choose(ctx, 10, "server is down") == 9 {
			return "", errors.New("connection refused")
		}
		return "answer", aio.Sleep(ctx, time.Duration(1+aiotest.Choose(ctx, 3, "latency"))*time.Second)
	}
	report := aiotest.Exploration{}.Run(func(ctx context.Context) error {
		_, err := ask(ctx)
		return err
	})
	fmt.Println(report.Failures[0].Err)
	fmt.Println(report.Failures[0].Record)
	// Output:
	// main: connection refused
	// 0=9/10:server_is_down
}

// A program uses an executor with one worker. The test passes a virtual executor
// instead.
func ExampleVirtualExecutor() {
	write := func(ctx context.Context, disk aio.Executor) error {
		var file []string
		first := aio.RunInExecutor(ctx, disk, func() (int, error) { file = append(file, "first"); return 0, nil })
		second := aio.RunInExecutor(ctx, disk, func() (int, error) { file = append(file, "second"); return 0, nil })
		if _, err := aio.Gather(ctx, first, second).Await(ctx); err != nil {
			return err
		}
		if file[0] != "first" {
			return fmt.Errorf("the file has %q", file)
		}
		return nil
	}
	for _, workers := range []int{1, 2} {
		report := aiotest.Exploration{}.Run(func(ctx context.Context) error {
			return write(ctx, aiotest.VirtualExecutor(ctx, workers))
		})
		fmt.Println(workers, "workers,", len(report.Failures), "failures")
	}
	// Output:
	// 1 workers, 0 failures
	// 2 workers, 1 failures
}

// A timeline lists the steps of a run: which task or callback ran, why, and where it
// awaited then.
func ExampleTimeline() {
	report := aiotest.Exploration{}.Run(func(ctx context.Context) error {
		if err := aio.Sleep(ctx, time.Second); err != nil {
			return err
		}
		return errors.New("failure")
	})
	for _, step := range report.Failures[0].Timeline {
		fmt.Printf("%v %s (%s)\n", step.At, step.Name, step.Why)
	}
	// Output:
	// 0s Task-1 (start)
	// 1s timer of Sleep ()
	// 1s Task-1 (Sleep)
}

// Two hosts and their network in one test: a client repeats its request until the link
// to the server works again.
func ExampleSimulation() {
	report := aiotest.Simulation{Runs: 1, AllowDifferences: true}.Run(func(ctx context.Context, w *aiotest.World) error {
		w.Host("clock", func(ctx context.Context) error {
			s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, c *aio.StreamWriter) error {
				defer c.Close()
				_, err := fmt.Fprintf(c, "%v\n", w.Now().Round(time.Second))
				return err
			}, ":13", nil)
			if err != nil {
				return err
			}
			return s.ServeForever(ctx)
		})
		client := w.Host("client", func(ctx context.Context) error {
			r, c, err := aio.OpenConnection(ctx, "clock:13", nil)
			if err != nil {
				return err
			}
			defer c.Close()
			line, err := r.ReadLine(ctx)
			fmt.Printf("the clock says %s", line)
			return err
		})
		w.Partition("clock", "client")
		if err := aio.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		w.Heal("clock", "client")
		return w.Wait(ctx, client)
	})
	fmt.Println(len(report.Failures), "failures")
	// Output:
	// the clock says 1m0s
	// 0 failures
}

// A client that treats EOF as the end of the response, although the connection may have
// failed.
func ExampleFailures() {
	report := aiotest.Failures{}.Run(func(ctx context.Context, c *aiotest.Failing) error {
		s, err := aio.StartServer(ctx, func(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
			defer w.Close()
			_, _ = w.Write([]byte("to be or"))
			_ = aio.Sleep(ctx, time.Second)
			_, _ = w.Write([]byte(" not to be"))
			return nil
		}, "localhost:17", nil)
		if err != nil {
			return err
		}
		defer s.Close()
		var quote []byte
		err = c.Do(ctx, func(ctx context.Context) error {
			r, w, err := aio.OpenConnection(ctx, "localhost:17", nil)
			if err != nil {
				return err
			}
			defer w.Close()
			quote, err = r.Read(ctx, -1)
			return err
		})
		if err == nil && string(quote) != "to be or not to be" {
			err = fmt.Errorf("the quote of the day is %q", quote)
		}
		if c.Happened() && !strings.Contains(fmt.Sprint(err), "quote") {
			return nil // the client got an error
		}
		return err
	})
	for _, f := range report.Failures {
		fmt.Println(f.Err)
	}
	// Output:
	// main: the quote of the day is ""
	// main: the quote of the day is "to be or"
}

// A program that makes its sockets itself gets them from a function, which the test
// replaces. Here the program reads whenever the loop reports that there is data.
func ExampleSocket() {
	report := aiotest.Exploration{Runs: 1, Network: true, AllowDifferences: true}.Run(func(ctx context.Context) error {
		loop, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		s, err := aiotest.NewSocket(ctx, "udp4")
		if err != nil {
			return err
		}
		defer s.Close()
		if err := s.Bind("127.0.0.1:53"); err != nil {
			return err
		}
		var end aio.Event
		if err := loop.AddReader(s, func() {
			buf := make([]byte, 100)
			for {
				n, _, err := s.ReadFrom(buf)
				if errors.Is(err, syscall.EAGAIN) {
					return // waits for more data
				}
				fmt.Printf("%s, %v\n", buf[:n], err)
				end.Set()
			}
		}); err != nil {
			return err
		}
		client, err := aiotest.NewSocket(ctx, "udp4")
		if err != nil {
			return err
		}
		defer client.Close()
		if _, err := aio.SockSendto(ctx, client, []byte("who is there?"), s.Addr()); err != nil {
			return err
		}
		if err := end.Wait(ctx); err != nil {
			return err
		}
		_, err = loop.RemoveReader(s)
		return err
	})
	fmt.Println(len(report.Failures), "failures")
	// Output:
	// who is there?, <nil>
	// 0 failures
}
