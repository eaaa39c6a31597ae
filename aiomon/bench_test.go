package aiomon_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiomon"
)

// BenchmarkSnapshot100k measures a snapshot of 100 000 tasks, and the longest pause of
// the loop meanwhile: the longest step of a task that only yields. Other programs on
// the machine lengthen that step too. json encodes the list of tasks, page requests
// this list over TCP, and ps writes the table with the stack of each task.
//
// nothing and other-work take no snapshot, for comparison: in other-work a goroutine
// uses a processor for 20 ms, as json does, and shares nothing with the loop.
func BenchmarkSnapshot100k(b *testing.B) {
	for _, name := range []string{"nothing", "other-work", "json", "json-of-an-idle-loop", "page", "resources", "health", "file", "ps"} {
		b.Run(name, func(b *testing.B) {
			l, stop := aio.StartLoop(nil)
			p := &program{T: new(testing.T), loop: l, monitor: aiomon.New(&aiomon.Options{SlowStep: time.Hour, Report: func(aiomon.Warning) {}})}
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			server := &http.Server{Handler: p.monitor}
			go server.Serve(listener)
			ask := func(path string) error {
				r, err := http.Get("http://" + listener.Addr().String() + path)
				if err != nil {
					return err
				}
				defer r.Body.Close()
				_, err = io.Copy(io.Discard, r.Body)
				return err
			}
			var longest time.Duration
			var unwatch func()
			quit := make(chan struct{})
			p.run(func(ctx context.Context) error {
				unwatch = p.monitor.Watch(l, "main")
				for range 100_000 {
					aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
				}
				return aio.Sleep(ctx, 0)
			})
			// so that no collection starts during the measurement
			runtime.GC()
			if name != "json-of-an-idle-loop" {
				aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
					for last := time.Now(); ; {
						select {
						case <-quit:
							return nil
						default:
						}
						if err := aio.Sleep(ctx, 0); err != nil {
							return err
						}
						now := time.Now()
						longest = max(longest, now.Sub(last))
						last = now
					}
				}))
			}
			for b.Loop() {
				var err error
				switch name {
				case "nothing":
					time.Sleep(20 * time.Millisecond)
				case "other-work":
					for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end); {
					}
				case "json", "json-of-an-idle-loop":
					err = p.monitor.WriteTasks(io.Discard)
				case "page":
					err = ask("/api/tasks")
				case "file":
					err = p.monitor.WriteHTML(io.Discard)
				case "ps":
					err = ask("/text/ps")
				default:
					err = ask("/api/" + name)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			close(quit)
			_ = stop() // cancels the sleeping tasks
			unwatch()
			server.Close()
			http.DefaultClient.CloseIdleConnections()
			b.ReportMetric(float64(longest)/1e6, "ms-longest-step")
		})
	}
}
