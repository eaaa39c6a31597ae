package aiomon_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiomon"
	"github.com/goaio/aio/internal/stage"
)

func TestMain(m *testing.M) { os.Exit(stage.Run(m)) }

// program is a loop that runs in a goroutine, and its monitor.
type program struct {
	*testing.T
	monitor *aiomon.Monitor
	loop    *aio.Loop
}

func newProgram(t *testing.T, opts *aiomon.Options) *program {
	t.Helper()
	p := &program{T: t, monitor: aiomon.New(opts)}
	l, stop := aio.StartLoop(nil)
	p.loop = l
	var unwatch func()
	p.run(func(ctx context.Context) error {
		unwatch = p.monitor.Watch(l, "main")
		return nil
	})
	t.Cleanup(func() {
		p.run(func(context.Context) error { unwatch(); unwatch(); return nil })
		if err := stop(); err != nil && !errors.Is(err, aio.ErrCancelled) {
			t.Error(err)
		}
	})
	return p
}

// run runs f in a task of the loop.
func (p *program) run(f func(ctx context.Context) error) {
	p.Helper()
	if _, err := aio.RunCoroutineThreadsafe(p.loop, aio.NoResult(f)).Result(context.Background()); err != nil {
		p.Fatal(err)
	}
}

// ask sends a request to the monitor, as a browser on this machine would.
func (p *program) ask(method, target string, change ...func(r *http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:1234"+target, nil)
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	p.monitor.ServeHTTP(w, r)
	return w
}

func get[T any](p *program, target string) (v T) {
	p.Helper()
	w := p.ask("GET", target)
	if w.Code != 200 {
		p.Fatalf("GET %s: %d %s", target, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		p.Fatalf("GET %s: %v", target, err)
	}
	return v
}

type health struct {
	Warnings []struct{ Kind, Text, More string }
	Slow     []struct{ What, Stack string }
	Places   []struct {
		Place      string
		Live, Made int
	}
}

// warned waits until there is a warning of the given kind that contains text.
func (p *program) warned(kind, text string) {
	p.Helper()
	limit := time.Now().Add(time.Minute)
	for {
		all := get[[]health](p, "/api/health")
		for _, w := range all[0].Warnings {
			if w.Kind == kind && strings.Contains(w.Text+w.More, text) {
				return
			}
		}
		if time.Now().After(limit) {
			p.Fatalf("no warning of %q with %q: %+v", kind, text, all)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestWhoMayAsk(t *testing.T) {
	p := newProgram(t, &aiomon.Options{Hosts: []string{"monitor.internal"}, AllowCancel: true})
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	header := func(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }
	for _, c := range []struct {
		why    string
		method string
		change []func(*http.Request)
		want   int
	}{
		{"a loopback address", "GET", nil, 200},
		{"localhost", "GET", []func(*http.Request){host("localhost:80")}, 200},
		{"a loopback address of IPv6", "GET", []func(*http.Request){host("[::1]:80")}, 200},
		{"a name in Hosts", "GET", []func(*http.Request){host("monitor.internal")}, 200},
		{"another name, as after DNS rebinding", "GET", []func(*http.Request){host("evil.example:1234")}, 403},
		{"another address", "GET", []func(*http.Request){host("10.0.0.1:1234")}, 403},
		{"no host", "GET", []func(*http.Request){host("")}, 403},
		{"the page itself", "GET", []func(*http.Request){header("Origin", "http://127.0.0.1:1234")}, 200},
		{"a page of another site", "GET", []func(*http.Request){header("Origin", "http://evil.example")}, 403},
		{"a page of another port", "GET", []func(*http.Request){header("Origin", "http://127.0.0.1:9")}, 403},
		{"a sandboxed page", "GET", []func(*http.Request){header("Origin", "null")}, 403},
		{"a form", "POST", nil, 403},
		{"a form of another site with the header", "POST", []func(*http.Request){header("X-Aiomon", "1"), header("Origin", "http://evil.example")}, 403},
	} {
		t.Run(c.why, func(t *testing.T) {
			target := "/api/overview"
			if c.method == "POST" {
				target = "/api/cancel?loop=1&task=1"
			}
			if w := p.ask(c.method, target, c.change...); w.Code != c.want {
				t.Errorf("%d %s, want %d", w.Code, w.Body, c.want)
			}
		})
	}
	if w := p.ask("GET", "/"); !strings.Contains(w.Body.String(), "<title>aio monitor</title>") || w.Header().Get("Content-Security-Policy") == "" {
		t.Errorf("the page: %v\n%s", w.Header(), w.Body)
	}
}

func TestCancelHasToBeAllowed(t *testing.T) {
	header := func(r *http.Request) { r.Header.Set("X-Aiomon", "1") }
	p := newProgram(t, nil)
	if w := p.ask("POST", "/api/cancel?loop=1&task=1", header); w.Code != 403 || !strings.Contains(w.Body.String(), "AllowCancel") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	p = newProgram(t, &aiomon.Options{AllowCancel: true})
	if w := p.ask("POST", "/api/cancel?loop=1&task=99", header); w.Code != 404 {
		t.Errorf("an unknown task: %d %s", w.Code, w.Body)
	}
	if w := p.ask("POST", "/api/cancel?loop=7&task=1", header); w.Code != 404 {
		t.Errorf("an unknown loop: %d %s", w.Code, w.Body)
	}
	if w := p.ask("GET", "/api/cancel?loop=1&task=1"); w.Code == 200 {
		t.Errorf("GET cancels: %d %s", w.Code, w.Body)
	}
}

type task struct {
	ID, By            uint64
	Name, State, What string
	Place             string
	Steps             uint64
	Awaits            []uint64
}

func (p *program) tasks() map[string]task {
	p.Helper()
	byName := map[string]task{}
	for _, t := range get[[]task](p, "/api/tasks") {
		byName[t.Name] = t
	}
	return byName
}

func TestTasks(t *testing.T) {
	p := newProgram(t, nil)
	var event aio.Event
	p.run(func(ctx context.Context) error {
		waiter := aio.CreateTask(ctx, aio.NoResult(event.Wait), aio.WithName("waiter"))
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, err := aio.Gather[struct{}](ctx, waiter).Await(ctx)
			return err
		}), aio.WithName("gatherer"))
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { _, err := waiter.Await(ctx); return err }), aio.WithName("awaiter"))
		return errors.Join(aio.Sleep(ctx, 0), aio.Sleep(ctx, 0))
	})
	tasks := p.tasks()
	waiter, awaiter := tasks["waiter"], tasks["awaiter"]
	if waiter.State != "waiting" || waiter.What != "Event.Wait" || waiter.Steps != 1 || !strings.HasPrefix(waiter.Place, "aiomon_test.TestTasks.func1 aiomon_test.go:") {
		t.Errorf("waiter: %+v", waiter)
	}
	if awaiter.What != "waiter" || len(awaiter.Awaits) != 1 || awaiter.Awaits[0] != waiter.ID {
		t.Errorf("awaiter: %+v", awaiter)
	}
	if g := tasks["gatherer"]; len(g.Awaits) != 1 || len(tasks) != 3 {
		t.Errorf("gatherer: %+v of %v", g, p.tasks())
	}
	d := get[struct {
		Name, Stack string
		AwaitedBy   []uint64
	}](p, fmt.Sprintf("/api/task?loop=1&task=%d", waiter.ID))
	if d.Name != "waiter" || len(d.AwaitedBy) == 0 {
		t.Errorf("detail: %+v", d)
	}
	p.run(func(ctx context.Context) error {
		event.Set()
		return errors.Join(aio.Sleep(ctx, 0), aio.Sleep(ctx, 0), aio.Sleep(ctx, 0), aio.Sleep(ctx, 0))
	})
	if left := p.tasks(); len(left) != 0 {
		t.Errorf("tasks that are done are listed: %v", left)
	}
	if w := p.ask("GET", fmt.Sprintf("/api/task?loop=1&task=%d", waiter.ID)); w.Code != 404 {
		t.Errorf("a task that is done: %d", w.Code)
	}
}

// Each of these situations causes a warning.
func TestWarnings(t *testing.T) {
	t.Run("tasks wait for each other", func(t *testing.T) {
		p := newProgram(t, nil)
		p.run(func(ctx context.Context) error {
			var a, b *aio.Task[struct{}]
			a = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { _, err := b.Await(ctx); return err }), aio.WithName("a"))
			b = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { _, err := a.Await(ctx); return err }), aio.WithName("b"))
			return nil
		})
		p.warned("deadlock", "a → b → a")
	})
	t.Run("an error that is never retrieved", func(t *testing.T) {
		p := newProgram(t, nil)
		p.run(func(ctx context.Context) error {
			l, err := aio.GetRunningLoop(ctx)
			if err == nil {
				l.CallExceptionHandler(aio.ExceptionContext{Message: "task x: error was never retrieved", Err: errors.New("boom")})
			}
			return err
		})
		p.warned("error", "boom")
	})
	t.Run("a cancellation is swallowed", func(t *testing.T) {
		p := newProgram(t, nil)
		p.run(func(ctx context.Context) error {
			deaf := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				_ = aio.Sleep(ctx, time.Hour)
				for {
					if err := aio.Sleep(ctx, time.Millisecond); err != nil {
						return err
					}
				}
			}), aio.WithName("deaf"))
			err := aio.Sleep(ctx, 0)
			deaf.Cancel()
			return err
		})
		p.warned("swallowed", "deaf")
	})
	t.Run("a step that blocks, during the step and after it", func(t *testing.T) {
		p := newProgram(t, &aiomon.Options{SlowStep: 5 * time.Millisecond})
		release := make(chan struct{})
		p.loop.CallSoonThreadsafe(func() {
			aio.CreateTask(p.loop.Context(), aio.NoResult(func(context.Context) error { blockUntil(release); return nil }), aio.WithName("stuck"))
		})
		p.warned("blocked", "task stuck blocks the loop")
		p.warned("blocked", "blockUntil")
		type overview struct{ Loops []struct{ State string } }
		if o := get[overview](p, "/api/overview"); o.Loops[0].State != "blocked" {
			t.Errorf("the loop is %q", o.Loops[0].State)
		}
		// without brief the request would wait for two seconds
		brief := func(r *http.Request) {
			ctx, stop := context.WithTimeout(r.Context(), time.Millisecond)
			t.Cleanup(stop)
			*r = *r.WithContext(ctx)
		}
		if w := p.ask("GET", "/text/ps", brief); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "blocked") {
			t.Errorf("ps of a blocked loop: %d %s", w.Code, w.Body)
		}
		if w := p.ask("GET", "/text/stacks"); w.Code != 200 || !strings.Contains(w.Body.String(), "blockUntil") {
			t.Errorf("stacks of a blocked loop: %d", w.Code)
		}
		close(release)
		p.warned("slow", "stuck took")
		if all := get[[]health](p, "/api/health"); !strings.Contains(all[0].Slow[len(all[0].Slow)-1].Stack, "blockUntil") {
			t.Errorf("slow steps: %+v", all[0].Slow)
		}
	})
}

func blockUntil(release <-chan struct{}) { <-release }

// A monitor reports closed loops, and keeps serving the others.
func TestClosedLoop(t *testing.T) {
	p := newProgram(t, nil)
	l := aio.NewEventLoop(nil)
	unwatch := p.monitor.Watch(l, "")
	l.Close()
	type overview struct {
		Loops []struct{ Name, State string }
	}
	o := get[overview](p, "/api/overview")
	if len(o.Loops) != 2 || o.Loops[1].Name != "loop 2" || o.Loops[1].State != "closed" {
		t.Errorf("%+v", o)
	}
	unwatch()
	if w := p.ask("GET", "/text/ps"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "closed") {
		t.Errorf("ps: %d %s", w.Code, w.Body)
	}
}

func TestTimelineAndTrace(t *testing.T) {
	p := newProgram(t, nil)
	p.run(func(ctx context.Context) error {
		_, err := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, 0) }), aio.WithName("traced")).Await(ctx)
		return err
	})
	type timeline struct {
		Records []struct{ K, T, W string }
	}
	steps := 0
	for _, r := range get[[]timeline](p, "/api/timeline?loop=1")[0].Records {
		if r.T == "traced" && r.K == "step ended" {
			steps++
		}
	}
	if steps != 2 {
		t.Errorf("%d steps of the task, want 2", steps)
	}
	trace := get[struct{ TraceEvents []map[string]any }](p, "/api/trace")
	if len(trace.TraceEvents) == 0 || trace.TraceEvents[0]["name"] != "process_name" {
		t.Errorf("%v", trace)
	}
	if w := p.ask("GET", "/api/trace?seconds=x"); w.Code != 400 {
		t.Errorf("seconds=x: %d", w.Code)
	}
}

func TestPagesOfOthers(t *testing.T) {
	p := newProgram(t, nil)
	p.monitor.AddPage("Queues", func() any { return []map[string]int{{"length": 3}} })
	if rows := get[[]map[string]int](p, "/api/page/Queues"); rows[0]["length"] != 3 {
		t.Error(rows)
	}
	if w := p.ask("GET", "/api/page/Nothing"); w.Code != 404 {
		t.Error(w.Code)
	}
	p.monitor.AddPage("Pool", func() any {
		return []any{map[string]any{"a name": "x\ty", "idle": 3}, map[string]any{"idle": nil, "more": []int{1, 2}}}
	})
	p.monitor.AddPage("Broken", func() any { return 3 })
	want := "Queues\nlength\n3\n\nPool\na name  idle  more\nx y     3     \n              [1,2]\n\nBroken\nthe table has no rows: "
	if w := p.ask("GET", "/text/pages"); !strings.HasPrefix(w.Body.String(), want) {
		t.Errorf("the pages are:\n%s", w.Body)
	}
}

// The page can be served below a path prefix, and it sends events until the client
// disconnects.
func TestEventsBelowAPrefix(t *testing.T) {
	p := newProgram(t, nil)
	mux := http.NewServeMux()
	mux.Handle("/debug/aio/", http.StripPrefix("/debug/aio", p.monitor))
	server := httptest.NewServer(mux)
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/debug/aio/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, `data: {"loops":[{"number":1,"name":"main"`) {
		t.Errorf("%q %v", line, err)
	}
}

func TestWhereItListens(t *testing.T) {
	m := aiomon.New(nil)
	if stop, err := m.ListenAndServe("0.0.0.0:0"); !errors.Is(err, aio.ErrUsage) {
		t.Errorf("a public address: %v", err)
		stop()
	}
	stop, err := m.ListenAndServe("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(m.URL() + "api/overview")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	stop()
	stop()
	if _, err := http.Get(m.URL()); err == nil {
		t.Error("the monitor responds after stop")
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestStart(t *testing.T) {
	err := aio.Run(func(ctx context.Context) error {
		m, stop, err := aiomon.Start(ctx, "127.0.0.1:0", nil)
		if err != nil {
			return err
		}
		if m.URL() == "" {
			t.Error("no URL")
		}
		stop()
		if _, _, err := aiomon.Start(ctx, "0.0.0.0:0", nil); !errors.Is(err, aio.ErrUsage) {
			t.Errorf("a public address: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, _, err := aiomon.Start(context.Background(), "127.0.0.1:0", nil); !errors.Is(err, aio.ErrNoRunningLoop) {
		t.Errorf("without a loop: %v", err)
	}
}

func TestUnixSocketIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "js" {
		t.Skip("no file modes on this system")
	}
	dir := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", dir)
	m := aiomon.New(nil)
	stop, err := m.ListenUnix()
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(aiomon.SocketDir(), fmt.Sprint(os.Getpid(), ".sock"))
	for path, want := range map[string]os.FileMode{aiomon.SocketDir(): 0o700, socket: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
	stop()
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket file remains: %v", err)
	}
	if err := os.Chmod(aiomon.SocketDir(), 0o755); err != nil {
		t.Fatal(err)
	}
	if stop, err := m.ListenUnix(); err == nil {
		t.Error("a directory readable by other users is accepted")
		stop()
	}
}

func TestMisuse(t *testing.T) {
	for why, f := range map[string]func(){
		"a negative threshold": func() { aiomon.New(&aiomon.Options{SlowStep: -1}) },
		"a negative number":    func() { aiomon.New(&aiomon.Options{TimelineRecords: -1}) },
		"no loop":              func() { aiomon.New(nil).Watch(nil, "") },
	} {
		func() {
			defer func() {
				if err, _ := recover().(error); !errors.Is(err, aio.ErrUsage) {
					t.Errorf("%s: %v", why, err)
				}
			}()
			f()
		}()
	}
}

// A snapshot of many tasks comes from the registry: the loop makes no step for it, and
// continues while it is written.
func TestManyTasks(t *testing.T) {
	p := newProgram(t, nil)
	n := stage.Amount(5000, 20_000, 100_000)
	p.run(func(ctx context.Context) error {
		for range n {
			aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
		}
		return aio.Sleep(ctx, 0)
	})
	if got := len(get[[]task](p, "/api/tasks")); got != n {
		t.Errorf("%d tasks, want %d", got, n)
	}
	parts := 0
	if err := p.monitor.WriteTasks(writerFunc(func(b []byte) (int, error) {
		parts++
		if tasks := bytes.Count(b, []byte(`"id":`)); tasks > 1000 {
			t.Errorf("%d tasks in one part", tasks)
		}
		// A task of the loop starts another one, which is entered in the
		// registry.
		p.run(func(ctx context.Context) error {
			_, err := aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return nil })).Await(ctx)
			return err
		})
		return len(b), nil
	})); err != nil || parts < n/1000 {
		t.Errorf("%d parts, %v", parts, err)
	}
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// The table and the tree of many tasks are captured a part at a time, and have the same
// content as for a few tasks: each task once, with its stack and its awaiter.
func TestStacksOfManyTasks(t *testing.T) {
	p := newProgram(t, nil)
	const n = 2000
	p.run(func(ctx context.Context) error {
		var sleepers []aio.AnyFuture
		for i := range n {
			sleepers = append(sleepers, aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }), aio.WithName(fmt.Sprint("sleeper-", i))))
		}
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			_, _, err := aio.Wait(ctx, sleepers, aio.NoTimeout, aio.AllCompleted)
			return err
		}), aio.WithName("parent"))
		return errors.Join(aio.Sleep(ctx, 0), aio.Sleep(ctx, 0))
	})
	lines := strings.Split(strings.TrimSpace(p.ask("GET", "/text/ps").Body.String()), "\n")
	if len(lines) != 2+n+1 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines[2 : 2+n] {
		cells := strings.Fields(line)
		if cells[2] != fmt.Sprint("sleeper-", i) || !strings.HasPrefix(cells[3], "aiomon_test.") || cells[5] != "parent" {
			t.Fatalf("line %d: %s", i, line)
		}
	}
	tree := p.ask("GET", "/text/pstree").Body.String()
	if !strings.HasPrefix(tree, "└── (T) parent\n") || strings.Count(tree, "(T) sleeper-") != n {
		t.Errorf("the tree: %.300s", tree)
	}
}

// Several loops start and end tasks on all cores, one of them blocks, and one is closed,
// while others request every page: each response is complete, and no task is lost.
func TestManyLoopsUnderLoad(t *testing.T) {
	monitor := aiomon.New(&aiomon.Options{SlowStep: 5 * time.Millisecond, Interval: time.Millisecond, Report: func(aiomon.Warning) {}})
	loops := max(3, runtime.GOMAXPROCS(0)+1)
	each := stage.Amount(1000, 3000, 30_000)
	programs := make([]*program, loops)
	for i := range programs {
		l, stop := aio.StartLoop(nil)
		programs[i] = &program{t, monitor, l}
		programs[i].run(func(context.Context) error {
			unwatch := monitor.Watch(l, fmt.Sprint("loop-", i))
			t.Cleanup(func() {
				if err := stop(); err != nil && !errors.Is(err, aio.ErrCancelled) {
					t.Error(err)
				}
				unwatch()
			})
			return nil
		})
	}
	first := programs[0]
	closed := aio.NewEventLoop(nil)
	defer monitor.Watch(closed, "closed")()
	closed.Close()

	// A loop whose task is in an endless loop, until all others are done.
	var release atomic.Bool
	stuck, stopStuck := aio.StartLoop(nil)
	spins := make(chan struct{})
	spinner := &program{t, monitor, stuck}
	var unwatch func()
	spinner.run(func(context.Context) error { unwatch = monitor.Watch(stuck, "stuck"); return nil })
	defer func() {
		release.Store(true)
		if err := stopStuck(); err != nil && !errors.Is(err, aio.ErrCancelled) {
			t.Error(err)
		}
		unwatch()
	}()
	stuck.CallSoonThreadsafe(func() {
		aio.CreateTask(stuck.Context(), aio.NoResult(func(context.Context) error {
			close(spins)
			for !release.Load() {
			}
			return nil
		}), aio.WithName("spinner"))
	})
	<-spins

	done := make(chan struct{})
	var readers sync.WaitGroup
	answers := map[string]*atomic.Int64{}
	for _, path := range []string{"/api/overview", "/api/tasks", "/api/resources", "/api/health", "/api/timeline?loop=1", "/metrics", "/text/health"} {
		n := new(atomic.Int64)
		answers[path] = n
		readers.Go(func() {
			for {
				w := first.ask("GET", path)
				if w.Code != 200 || strings.HasPrefix(path, "/api/") && !json.Valid(w.Body.Bytes()) {
					t.Errorf("%s: %d %.200s", path, w.Code, w.Body)
				}
				n.Add(1)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	var busy sync.WaitGroup
	for _, p := range programs {
		busy.Go(func() {
			_, err := aio.RunCoroutineThreadsafe(p.loop, aio.NoResult(func(ctx context.Context) error {
				return churn(ctx, each)
			})).Result(t.Context())
			if err != nil {
				t.Error(err)
			}
		})
	}
	busy.Wait()
	type overview struct {
		Loops []struct{ Name, State string }
	}
	until(t, "the loop is blocked", func() bool {
		o := get[overview](first, "/api/overview")
		return o.Loops[loops].State == "closed" && o.Loops[loops+1].State == "blocked"
	})
	release.Store(true)
	close(done)
	readers.Wait()
	for path, n := range answers {
		if n.Load() == 0 {
			t.Errorf("%s was never answered", path)
		}
	}
	for i, h := range get[[]health](first, "/api/health")[:loops] {
		made, live := 0, 0
		for _, p := range h.Places {
			if strings.HasPrefix(p.Place, "aiomon_test.churn") {
				made, live = made+p.Made, live+p.Live
			}
		}
		if made != each || live != 0 {
			t.Errorf("loop %d: %d tasks made, %d left, of %d", i, made, live, each)
		}
	}
	// the spinner ends some time after its release
	until(t, "no task is left", func() bool { return len(get[[]task](first, "/api/tasks")) == 0 })
}

// churn creates n tasks, some of which wait, fail or are cancelled, and awaits each.
func churn(ctx context.Context, n int) error {
	var lock aio.Lock
	for i := range n {
		task := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			switch i % 4 {
			case 0:
				return lock.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, 0) })
			case 1:
				return aio.Sleep(ctx, 10*time.Microsecond)
			case 2:
				return errors.New("failed")
			}
			return aio.Sleep(ctx, time.Hour)
		}))
		if i%4 == 3 {
			task.Cancel()
		}
		if _, err := task.Await(ctx); err != nil && i%4 < 2 {
			return err
		}
	}
	return nil
}
