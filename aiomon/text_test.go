package aiomon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"expvar"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiomon"
)

// A monitor is an expvar variable.
var _ expvar.Var = (*aiomon.Monitor)(nil)

func TestMetrics(t *testing.T) {
	p := newProgram(t, nil)
	p.run(func(ctx context.Context) error {
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
		return aio.Sleep(ctx, 0)
	})
	strange := aio.NewEventLoop(nil)
	unwatch := p.monitor.Watch(strange, "a \"strange\"\\\nname")
	strange.Close()
	defer unwatch()
	w := httptest.NewRecorder()
	p.monitor.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "http://scraped.example/metrics", nil))
	text := w.Body.String()
	for _, want := range []string{
		"# HELP aio_tasks Tasks that are not done.\n# TYPE aio_tasks gauge\naio_tasks{loop=\"main\"} 1\n",
		"aio_loop_up{loop=\"main\"} 1\n",
		`aio_loop_up{loop="a \"strange\"\\\nname"} 0` + "\n",
		"aio_loop_blocked{loop=\"main\"} 0\n",
		"# TYPE aio_steps_total counter\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if w := p.ask("GET", "/metrics"); w.Body.Len() == 0 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("/metrics: %v %s", w.Header(), w.Body)
	}

	var vars map[string]aio.LoopStats
	if err := json.Unmarshal([]byte(p.monitor.String()), &vars); err != nil {
		t.Fatal(err)
	}
	if s := vars["main"]; s.Tasks != 1 || !s.Running {
		t.Errorf("expvar: %+v", s)
	}
}

type resource struct {
	Kind, Place, Holder, State string
	HolderTask                 uint64
	Waiters                    []uint64
	Value, Limit, Peak         int
}

func TestResources(t *testing.T) {
	p := newProgram(t, nil)
	var lock aio.Lock
	p.run(func(ctx context.Context) error {
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return lock.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
		}), aio.WithName("owner"))
		aio.CreateTask(ctx, aio.NoResult(lock.Acquire), aio.WithName("next"))
		return aio.Sleep(ctx, 0)
	})
	tasks := get[[]struct {
		ID           uint64
		Name, Holder string
		HeldBy       uint64
	}](p, "/api/tasks")
	all := get[[]resource](p, "/api/resources")
	if len(all) != 1 || len(tasks) != 2 {
		t.Fatalf("%+v %+v", all, tasks)
	}
	owner, next := tasks[0], tasks[1]
	r := all[0]
	if r.Kind != "Lock" || r.State != "held" || r.Holder != "owner" || r.HolderTask != owner.ID || len(r.Waiters) != 1 || r.Waiters[0] != next.ID ||
		!strings.HasPrefix(r.Place, "aiomon_test.TestResources.") {
		t.Errorf("the lock: %+v", r)
	}
	if next.Name != "next" || next.Holder != "owner" || next.HeldBy != owner.ID {
		t.Errorf("the waiting task: %+v", next)
	}
	if w := p.ask("GET", "/text/resources"); !strings.Contains(w.Body.String(), "main  Lock  held") {
		t.Errorf("as a text:\n%s", w.Body)
	}
}

// No response contains the data of the program: arguments, items of queues, values of
// contexts, or buffers.
func TestNoSecretsInAnswers(t *testing.T) {
	const secret = "hunter2-secret"
	type key struct{}
	p := newProgram(t, nil)
	p.run(func(ctx context.Context) error {
		q := aio.NewQueue[string](1)
		if err := q.Put(ctx, secret); err != nil {
			return err
		}
		with := context.WithValue(ctx, key{}, secret)
		work := func(arg string) *aio.Task[struct{}] {
			return aio.CreateTask(with, aio.NoResult(func(ctx context.Context) error { return q.Put(ctx, arg) }), aio.WithName("worker"))
		}
		work(secret)
		aio.CreateTask(with, func(ctx context.Context) (string, error) { return secret, nil })
		if _, err := aio.ToThread(with, func(context.Context) (string, error) { return secret, nil }); err != nil {
			return err
		}
		l, err := aio.GetRunningLoop(ctx)
		if err != nil {
			return err
		}
		l.CallLater(time.Millisecond, func() { _ = secret })
		return aio.Sleep(ctx, 2*time.Millisecond)
	})
	worker := fmt.Sprintf("/api/task?loop=1&task=%d", p.tasks()["worker"].ID)
	for _, path := range []string{"/api/overview", "/api/tasks", worker, "/api/resources", "/api/health", "/api/timeline",
		"/api/trace", "/text/ps", "/text/pstree", "/text/stacks", "/text/resources", "/text/health", "/metrics"} {
		w := p.ask("GET", path)
		if w.Code != 200 || w.Body.Len() < 10 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if bytes.Contains(w.Body.Bytes(), []byte(secret)) {
			t.Errorf("%s reveals the secret:\n%s", path, w.Body)
		}
	}
}

// Several loops, each in its own goroutine, create thousands of tasks a second. All
// pages can be requested during that, and at the end no task remains.
func TestManyBusyLoops(t *testing.T) {
	const loops = 4
	p := newProgram(t, &aiomon.Options{Interval: time.Millisecond, TimelineRecords: 1000, Report: func(aiomon.Warning) {}})
	asked := make(chan struct{})
	var made [loops]int
	var unwatch [loops]func()
	var ends []func() error
	var done []*aio.ConcurrentFuture[struct{}]
	for i := range loops {
		l, stop := aio.StartLoop(nil)
		ends = append(ends, stop)
		done = append(done, aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
			unwatch[i] = p.monitor.Watch(l, fmt.Sprint("busy-", i))
			var lock aio.Lock
			for {
				select {
				case <-asked:
					return nil
				default:
				}
				var g []aio.AnyFuture
				for range 20 {
					made[i]++
					g = append(g, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
						return lock.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, 0) })
					})))
				}
				if _, _, err := aio.Wait(ctx, g, aio.NoTimeout, aio.AllCompleted); err != nil {
					return err
				}
			}
		})))
	}
	for range 4 {
		for _, path := range []string{"/api/overview", "/api/tasks", "/api/resources", "/api/health", "/api/timeline?n=100", "/metrics", "/text/ps", "/text/resources", "/text/health"} {
			if w := p.ask("GET", path); w.Code != 200 {
				t.Fatalf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	}
	close(asked)
	for i, d := range done {
		if _, err := d.Result(t.Context()); err != nil {
			t.Error(err)
		}
		if err := ends[i](); err != nil {
			t.Error(err)
		}
		unwatch[i]()
	}
	type overview struct {
		Loops []struct {
			Name, State string
			Stats       aio.LoopStats
		}
	}
	o := get[overview](p, "/api/overview")
	for i, l := range o.Loops[1:] {
		if l.State != "closed" || l.Stats.Tasks != 0 {
			t.Errorf("%+v", l)
		}
		n := 0
		fmt.Sscanf(l.Name, "busy-%d", &n)
		if made[n] < 100 || l.Stats.Steps < uint64(made[n]) {
			t.Errorf("loop %d: %d tasks, %d steps", i, made[n], l.Stats.Steps)
		}
	}
	for name, task := range p.tasks() {
		t.Errorf("left: %s: %+v", name, task)
	}
}
