package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiomon"
	"github.com/goaio/aio/aiomon/testdata/troubles"
	_ "github.com/goaio/aio/internal/stage" // no sleep at the exit
)

// monitored returns a monitor of a loop with two tasks.
func monitored(t *testing.T, opts *aiomon.Options) *aiomon.Monitor {
	t.Helper()
	m := aiomon.New(opts)
	stop, err := m.ListenAndServe("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	l, stopLoop := aio.StartLoop(nil)
	t.Cleanup(func() {
		if err := stopLoop(); err != nil && !errors.Is(err, aio.ErrCancelled) {
			t.Error(err)
		}
	})
	_, err = aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
		m.Watch(l, "main")
		sleeper := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }), aio.WithName("sleeper"))
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { _, err := sleeper.Await(ctx); return err }), aio.WithName("awaiter"))
		return aio.Sleep(ctx, 0)
	})).Result(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func aioCommand(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

func TestCommands(t *testing.T) {
	m := monitored(t, &aiomon.Options{AllowCancel: true})
	where := strings.TrimSuffix(strings.TrimPrefix(m.URL(), "http://"), "/")

	code, out, errOut := aioCommand(t, "ps", where)
	if code != 0 || !strings.Contains(out, "sleeper") || !strings.Contains(out, "awaiter") || !strings.HasPrefix(out, "loop") {
		t.Errorf("ps: %d\n%s%s", code, out, errOut)
	}
	code, out, errOut = aioCommand(t, "pstree", m.URL())
	if code != 0 || !strings.HasPrefix(out, "└── (T) awaiter\n") || !strings.Contains(out, "(T) sleeper") {
		t.Errorf("pstree: %d\n%s%s", code, out, errOut)
	}
	code, out, _ = aioCommand(t, "stacks", where)
	if code != 0 || !strings.Contains(out, `"aio_task":"sleeper"`) {
		t.Errorf("stacks: %d\n%s", code, out)
	}
	m.AddPage("pool", func() any { return []map[string]int{{"idle": 3}} })
	code, out, errOut = aioCommand(t, "pages", where)
	if code != 0 || out != "pool\nidle\n3\n" {
		t.Errorf("pages: %d\n%s%s", code, out, errOut)
	}
	file := filepath.Join(t.TempDir(), "trace.json")
	code, _, errOut = aioCommand(t, "trace", "-o", file, where)
	data, err := os.ReadFile(file)
	var trace struct{ TraceEvents []map[string]any }
	if err == nil {
		err = json.Unmarshal(data, &trace)
	}
	if code != 0 || err != nil || len(trace.TraceEvents) < 4 {
		t.Errorf("trace: %d, %v, %s\n%s", code, err, errOut, data)
	}

	page := filepath.Join(t.TempDir(), "page.html")
	code, _, errOut = aioCommand(t, "snapshot", "-o", page, where)
	data, err = os.ReadFile(page)
	if code != 0 || err != nil || !bytes.Contains(data, []byte(`"name":"sleeper"`)) || bytes.Contains(data, []byte(`src=`)) {
		t.Errorf("snapshot: %d, %v, %s\n%s", code, err, errOut, data)
	}

	ctx, stop := context.WithCancel(t.Context())
	var top bytes.Buffer
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"top", where}, writerFunc(func(p []byte) { top.Write(p); stop() }), &top)
	}()
	if code := <-done; code != 0 {
		t.Errorf("top ended with %d", code)
	}
	for _, want := range []string{"LOOP  NAME  STATE", "1     main", "sleeper", "WAITS FOR"} {
		if !strings.Contains(top.String(), want) {
			t.Errorf("top shows no %q:\n%s", want, top.String())
		}
	}

	// Cancel with the number that top shows.
	id := ""
	for line := range strings.Lines(top.String()) {
		if f := strings.Fields(line); len(f) > 3 && f[2] == "sleeper" {
			id = f[1]
		}
	}
	if code, _, errOut := aioCommand(t, "cancel", where, "1", id); code != 0 {
		t.Errorf("cancel: %d %s", code, errOut)
	}
	for { // The cancellation has been requested; the task ends when the loop runs it.
		if _, out, _ := aioCommand(t, "ps", where); !strings.Contains(out, "sleeper") {
			break
		}
	}
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// aio health shows each kind of trouble, and aio resources shows what tasks wait for.
func TestTroubles(t *testing.T) {
	for _, trouble := range troubles.All {
		t.Run(trouble.Name, func(t *testing.T) {
			opts := troubles.Options()
			opts.Report = func(aiomon.Warning) {}
			program, err := trouble.Start(opts)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := program.Stop(); err != nil {
					t.Error(err)
				}
			}()
			stop, err := program.Monitor.ListenAndServe("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			var out string
			for limit := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
				var code int
				var errOut string
				code, out, errOut = aioCommand(t, "health", program.Monitor.URL())
				if code != 0 {
					t.Fatalf("%d %s", code, errOut)
				}
				if strings.Contains(out, "  "+trouble.Kind+": ") && strings.Contains(out, trouble.Text) && strings.Contains(out, trouble.More) {
					break
				}
				if time.Now().After(limit) {
					t.Fatalf("aio health does not show it:\n%s", out)
				}
			}
			code, out, errOut := aioCommand(t, "resources", program.Monitor.URL())
			if code != 0 || !strings.HasPrefix(out, "loop  kind") {
				t.Errorf("resources: %d\n%s%s", code, out, errOut)
			}
			for kind, want := range map[string]string{"full": "full   3      3     1 ", "wait": "held                1        owner"} {
				if trouble.Kind == kind && !strings.Contains(out, want) {
					t.Errorf("aio resources does not show %q:\n%s", want, out)
				}
			}
		})
	}
}

// For tasks that wait for each other, pstree prints the same as python -m asyncio
// pstree.
func TestTreeOfACycle(t *testing.T) {
	trouble := troubles.All[slices.IndexFunc(troubles.All, func(t troubles.Trouble) bool { return t.Name == "tasks wait for each other" })]
	program, err := trouble.Start(troubles.Options())
	if err != nil {
		t.Fatal(err)
	}
	stop, err := program.Monitor.ListenAndServe("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	code, out, errOut := aioCommand(t, "pstree", program.Monitor.URL())
	if code != 1 || out != "" || errOut != "ERROR: await-graph contains cycles - cannot print a tree!\n\ncycle: egg → hen → egg\n" {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	stop()
	if err := program.Stop(); err != nil {
		t.Error(err)
	}
}

func TestByProcess(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	m := monitored(t, nil)
	stop, err := m.ListenUnix()
	if err != nil {
		t.Skip("no Unix sockets here:", err)
	}
	pid := strings.TrimSuffix(filepath.Base(socketPath(t)), ".sock")
	code, out, errOut := aioCommand(t, "pstree", pid)
	if code != 0 || !strings.Contains(out, "sleeper") {
		t.Errorf("pstree PID: %d\n%s%s", code, out, errOut)
	}
	stop()
	if code, _, errOut := aioCommand(t, "ps", pid); code != 1 || !strings.Contains(errOut, "ListenUnix") {
		t.Errorf("after stop: %d %s", code, errOut)
	}
}

func socketPath(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(aiomon.SocketDir(), "*.sock"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	return found[0]
}

func TestWrongCommandLines(t *testing.T) {
	m := monitored(t, nil)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "no command"},
		{[]string{"ls", "1"}, 2, `no command "ls"`},
		{[]string{"ps"}, 2, "WHERE is missing"},
		{[]string{"ps", "a", "b"}, 2, "2 arguments"},
		{[]string{"ps", "-o", "f", m.URL()}, 2, "only trace and snapshot have the flag -o"},
		{[]string{"trace", m.URL(), "soon"}, 2, "not a number of seconds"},
		{[]string{"ps", "%"}, 2, "neither an address"},
		{[]string{"ps", "127.0.0.1:1"}, 1, "refused"},
		{[]string{"cancel", m.URL(), "1", "1"}, 1, "AllowCancel"},
		{[]string{"help"}, 0, ""},
	} {
		code, _, errOut := aioCommand(t, c.args...)
		if code != c.code || !strings.Contains(errOut, c.want) {
			t.Errorf("aio %q: %d, %q; want %d, %q", c.args, code, errOut, c.code, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	if got := clean("a\x1b[2J\u009b\x7fb\n\tc"); got != "a?[2J??b\n\tc" {
		t.Errorf("%q", got)
	}
}
