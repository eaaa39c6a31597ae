package aiomon_test

import (
	"context"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiomon"
)

// Measures a snapshot of many tasks, as the page requests it, and the longest time
// during which it stops the loop: the longest step of a task that only yields.
func BenchmarkSnapshot100k(b *testing.B) {
	for name, path := range map[string]string{"copy": "", "copy-of-an-idle-loop": "", "tasks": "/api/tasks", "resources": "/api/resources", "health": "/api/health"} {
		b.Run(name, func(b *testing.B) {
			l, stop := aio.StartLoop(nil)
			p := &program{T: new(testing.T), loop: l, monitor: aiomon.New(&aiomon.Options{Report: func(aiomon.Warning) {}})}
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
			aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
				if name == "copy-of-an-idle-loop" {
					return nil
				}
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
			for b.Loop() {
				if path == "" {
					p.monitor.CopyTasks()
				} else if w := p.ask("GET", path); w.Code != 200 {
					b.Fatal(w.Code)
				}
			}
			close(quit)
			_ = stop() // returns the cancellation of the sleepers
			unwatch()
			b.ReportMetric(float64(longest)/1e6, "ms-longest-step")
		})
	}
}
