// Package browsertest tests the pages of this repository in a real browser, headless
// Chromium. The tests fail if Chromium is not installed. With AIO_SCREENSHOTS=DIR they
// save a picture of each view.
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiomon"
	"github.com/goaio/aio/aiomon/testdata/troubles"
)

// browser returns the context of a new tab.
func browser(t *testing.T, width, height int, dark bool) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Fatal("no Chromium on the PATH: install Debian's package chromium")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WindowSize(width, height), chromedp.Flag("force-dark-mode", false))
	if dark {
		opts = append(opts, chromedp.Flag("blink-settings", "preferredColorScheme=0"))
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	ctx, stop = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(stop)
	return ctx
}

// do runs actions; why names them in a failure.
func do(t *testing.T, ctx context.Context, why string, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatalf("%s: %v", why, err)
	}
}

// until waits until a JavaScript expression is true. An evaluation that fails, for
// example because the page is being replaced, is repeated.
func until(t *testing.T, ctx context.Context, why, expression string) {
	t.Helper()
	limit := time.Now().Add(time.Minute)
	for {
		var ok bool
		err := chromedp.Run(ctx, chromedp.Evaluate("Boolean("+expression+")", &ok))
		if err == nil && ok {
			return
		}
		if time.Now().After(limit) {
			var page string
			_ = chromedp.Run(ctx, chromedp.Evaluate("document.body.innerText.slice(0, 1500)", &page))
			t.Fatalf("%s: %s: %v\nthe page:\n%s", why, expression, err, page)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// set sets the value of a field and sends the event that a user's input would send.
func set(id, value, event string) chromedp.Action {
	return chromedp.Evaluate(fmt.Sprintf(`{ const e = document.getElementById(%q); e.value = %q; e.dispatchEvent(new Event(%q)); }`, id, value, event), nil)
}

func eval[T any](t *testing.T, ctx context.Context, expression string) (v T) {
	t.Helper()
	do(t, ctx, expression, chromedp.Evaluate(expression, &v))
	return v
}

// picture saves a screenshot if AIO_SCREENSHOTS is set.
func picture(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("AIO_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	do(t, ctx, "screenshot", chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// monitored runs main in an event loop with a monitor, and returns the URL of the page.
func monitored(t *testing.T, opts *aiomon.Options, main func(ctx context.Context) error) (url string, m *aiomon.Monitor) {
	t.Helper()
	m = aiomon.New(opts)
	stop, err := m.ListenAndServe("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	l, stopLoop := aio.StartLoop(nil)
	t.Cleanup(func() { stopLoop() })
	done := aio.RunCoroutineThreadsafe(l, aio.NoResult(func(ctx context.Context) error {
		m.Watch(l, "main")
		return main(ctx)
	}))
	if _, err := done.Result(context.Background()); err != nil {
		t.Fatal(err)
	}
	return m.URL(), m
}

// service returns a program with several workers that share a queue, a deadlock, a lost
// error and the given number of sleeping tasks.
func service(sleepers int) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		q := aio.NewQueue[int](10)
		for i := range 4 {
			aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
				for {
					if _, err := q.Get(ctx); err != nil {
						return err
					}
					if err := aio.Sleep(ctx, 5*time.Millisecond); err != nil {
						return err
					}
				}
			}), aio.WithName(fmt.Sprint("worker-", i)))
		}
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			for i := 0; ; i++ {
				if err := q.Put(ctx, i); err != nil {
					return err
				}
			}
		}), aio.WithName("producer"))
		aio.CreateTask(ctx, aio.NoResult(func(context.Context) error { return errors.New("nobody looks at this") }), aio.WithName("failing"))
		var hen, egg *aio.Task[struct{}]
		hen = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { _, err := egg.Await(ctx); return err }), aio.WithName("hen"))
		egg = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { _, err := hen.Await(ctx); return err }), aio.WithName("egg"))
		var shelf aio.Lock
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			return shelf.With(ctx, func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) })
		}), aio.WithName("librarian"))
		for i := range 2 {
			aio.CreateTask(ctx, aio.NoResult(shelf.Acquire), aio.WithName(fmt.Sprint("reader-", i)))
		}
		for range sleepers {
			aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Hour) }))
		}
		return nil
	}
}

const rows = `[...document.querySelectorAll("#rows .row")]`

// Tests the table of tasks: sorting, filter, groups, the keyboard, ten thousand tasks,
// the details of one task, and cancelling.
func TestTasks(t *testing.T) {
	url, _ := monitored(t, &aiomon.Options{AllowCancel: true}, service(10_000))
	ctx := browser(t, 1280, 800, false)
	do(t, ctx, "open the page", chromedp.Navigate(url))
	until(t, ctx, "all tasks are counted", `document.getElementById("count").textContent.startsWith("10011 tasks") || document.getElementById("count").textContent.startsWith("10010 tasks")`)
	if n := eval[int](t, ctx, rows+".length"); n == 0 || n > 100 {
		t.Errorf("%d rows are made for 10 000 tasks", n)
	}
	picture(t, ctx, "tasks-10000")

	do(t, ctx, "filter", chromedp.SendKeys("#filter", "worker- browsertest", chromedp.ByQuery))
	until(t, ctx, "only workers are left", rows+`.length > 0 && `+rows+`.every((r) => r.firstChild.textContent.startsWith("worker-"))`)
	do(t, ctx, "another filter", set("filter", "worker-", "input"))
	until(t, ctx, "the four workers", rows+".length === 4")

	do(t, ctx, "sort by name", chromedp.Click(`[data-sort="name"]`, chromedp.ByQuery))
	until(t, ctx, "ascending", rows+`.map((r) => r.firstChild.textContent).join() === "worker-0,worker-1,worker-2,worker-3"`)
	do(t, ctx, "sort again", chromedp.Click(`[data-sort="name"]`, chromedp.ByQuery))
	until(t, ctx, "descending", rows+`.map((r) => r.firstChild.textContent).join() === "worker-3,worker-2,worker-1,worker-0"`)

	do(t, ctx, "group by place", set("filter", "", "input"),
		set("group", "place", "change"))
	until(t, ctx, "the largest group is first, with its count", rows+`[0].classList.contains("group") && `+rows+`[0].textContent.startsWith("10000")`)
	picture(t, ctx, "tasks-grouped")
	do(t, ctx, "no groups", set("group", "", "change"))

	// With the keyboard only: filter, leave the field, select, open, close.
	do(t, ctx, "keys", chromedp.Evaluate(`document.activeElement.blur()`, nil), chromedp.KeyEvent("/"))
	until(t, ctx, "the filter has the focus", `document.activeElement.id === "filter"`)
	// In the DevTools protocol the key event also types the slash, unlike a real
	// keyboard.
	do(t, ctx, "type and choose", set("filter", "", "input"), chromedp.KeyEvent("producer"), chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "the producer", rows+`.length === 1`)
	do(t, ctx, "open it", chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "its page", `!document.getElementById("detail").hidden && document.querySelector("#detail h2").textContent === "producer"`)
	until(t, ctx, "its stack", `document.querySelector("#detail pre").textContent.includes("monitor_test.go")`)
	picture(t, ctx, "task")
	do(t, ctx, "close it", chromedp.KeyEvent(kb.Escape))
	until(t, ctx, "closed", `document.getElementById("detail").hidden`)

	do(t, ctx, "cancel it", chromedp.Evaluate(`window.confirm = () => true`, nil), chromedp.KeyEvent(kb.Enter))
	until(t, ctx, "the button", `document.getElementById("cancel")`)
	do(t, ctx, "press", chromedp.Click("#cancel", chromedp.ByQuery))
	until(t, ctx, "it is gone", `document.getElementById("count").textContent.startsWith("0 of")`)

	do(t, ctx, "dark", chromedp.Evaluate(`document.getElementById("theme").click()`, nil))
	until(t, ctx, "a dark background", `getComputedStyle(document.body).backgroundColor === "rgb(20, 25, 26)"`)
	do(t, ctx, "all again", set("filter", "", "input"))
	picture(t, ctx, "tasks-dark")
}

// A monitor without AllowCancel shows no button to cancel, and refuses the request.
func TestReadOnly(t *testing.T) {
	url, _ := monitored(t, nil, service(0))
	ctx := browser(t, 1280, 800, false)
	do(t, ctx, "open the page", chromedp.Navigate(url))
	until(t, ctx, "the tasks", rows+".length >= 7")
	do(t, ctx, "open a task", chromedp.Click(`#rows .row`, chromedp.ByQuery))
	until(t, ctx, "it is open", `document.querySelector("#detail h2")`)
	if eval[bool](t, ctx, `Boolean(document.getElementById("cancel"))`) {
		t.Error("there is a button to cancel")
	}
	type answer struct {
		Status int
		Text   string
	}
	var got answer
	do(t, ctx, "send the request without a button", chromedp.Evaluate(`fetch("api/cancel", {method: "POST", headers: {"X-Aiomon": "1"}, body: "loop=1&task=1"}).then(async (r) => ({Status: r.status, Text: await r.text()}))`, &got, awaitPromise))
	if got.Status != 403 || !strings.Contains(got.Text, "AllowCancel") {
		t.Errorf("cancelling: %+v", got)
	}
}

// Tests the other views: the graph with its cycle, health with its warnings, and the
// timeline with its zoom.
func TestViews(t *testing.T) {
	url, m := monitored(t, &aiomon.Options{SlowStep: 20 * time.Millisecond}, service(20))
	m.AddPage("Pool", func() any { return []map[string]any{{"connection": "db:5432", "idle": 3}} })
	ctx := browser(t, 1280, 800, false)
	do(t, ctx, "open the page", chromedp.Navigate(url))
	until(t, ctx, "the tasks", rows+".length >= 7")

	do(t, ctx, "graph, by key", chromedp.KeyEvent("2"))
	until(t, ctx, "hen and egg", `document.querySelector("#tree .cycle")?.textContent.includes("cycle")`)
	do(t, ctx, "follow the graph to a task", chromedp.Evaluate(`[...document.querySelectorAll("#tree .link")].find((b) => b.textContent === "egg").click()`, nil))
	until(t, ctx, "egg", `document.querySelector("#detail h2")?.textContent === "egg"`)
	do(t, ctx, "follow it to the task that it waits for", chromedp.Evaluate(`[...document.querySelectorAll("#detail .link")].find((b) => b.textContent === "hen").click()`, nil))
	until(t, ctx, "hen", `document.querySelector("#detail h2")?.textContent === "hen"`)
	do(t, ctx, "close", chromedp.KeyEvent(kb.Escape))
	picture(t, ctx, "graph")

	do(t, ctx, "resources", chromedp.KeyEvent("3"))
	until(t, ctx, "the full queue and the task that waits", `[...document.querySelectorAll(".resources tbody tr")].some((r) => r.textContent.startsWith("Queuefull, 10") && r.textContent.includes("producer"))`)
	until(t, ctx, "the lock and its holder", `[...document.querySelectorAll(".resources tbody tr")].some((r) => r.textContent.startsWith("Lockheld") && r.textContent.includes("librarian"))`)
	picture(t, ctx, "resources")
	do(t, ctx, "filter", set("res-filter", "lock librarian", "input"))
	until(t, ctx, "one is left", `document.querySelectorAll(".resources tbody tr").length === 1`)
	do(t, ctx, "follow the lock to its holder", chromedp.Evaluate(`[...document.querySelectorAll("#resources .link")].find((b) => b.textContent === "librarian").click()`, nil))
	until(t, ctx, "librarian", `document.querySelector("#detail h2")?.textContent === "librarian" && document.getElementById("detail").textContent.includes("holds")`)
	picture(t, ctx, "task-holds")
	do(t, ctx, "close", chromedp.KeyEvent(kb.Escape))

	do(t, ctx, "timeline", chromedp.KeyEvent("5"))
	until(t, ctx, "records", `/[1-9]\d* records/.test(document.getElementById("tl-info").textContent)`)
	picture(t, ctx, "timeline")
	do(t, ctx, "pause", chromedp.KeyEvent(" "))
	until(t, ctx, "it stands still", `document.getElementById("pause").textContent === "Resume"`)
	before := eval[string](t, ctx, `document.getElementById("tl-info").textContent`)
	do(t, ctx, "zoom by key", chromedp.Focus("#tl", chromedp.ByQuery), chromedp.KeyEvent("+"), chromedp.KeyEvent("+"), chromedp.KeyEvent(kb.ArrowRight))
	if after := eval[string](t, ctx, `document.getElementById("tl-info").textContent`); after == before {
		t.Errorf("zooming left %q", after)
	}
	picture(t, ctx, "timeline-zoomed")
	do(t, ctx, "fit", chromedp.KeyEvent("f"))
	if after := eval[string](t, ctx, `document.getElementById("tl-info").textContent`); after != before {
		t.Errorf("fit shows %q, want %q", after, before)
	}
	do(t, ctx, "go on", chromedp.Evaluate(`document.getElementById("pause").click()`, nil))

	do(t, ctx, "health", chromedp.KeyEvent("4"))
	until(t, ctx, "the cycle is a warning", `[...document.querySelectorAll(".warning.deadlock")].some((w) => w.textContent.includes("hen → egg → hen") || w.textContent.includes("egg → hen → egg"))`)
	picture(t, ctx, "health")

	do(t, ctx, "a page of another package", chromedp.Evaluate(`[...document.querySelectorAll("#tabs button")].find((b) => b.textContent === "Pool").click()`, nil))
	until(t, ctx, "its row", `document.getElementById("extra").textContent.includes("db:5432")`)
}

// A saved page shows all views after the program has ended.
func TestSavedPage(t *testing.T) {
	url, m := monitored(t, nil, service(3))
	ctx := browser(t, 1280, 800, false)
	do(t, ctx, "open the page", chromedp.Navigate(url))
	until(t, ctx, "the tasks", rows+".length >= 9")
	file := filepath.Join(t.TempDir(), "saved.html")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.WriteHTML(f), f.Close()); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, "open the file", chromedp.Navigate("file://"+file))
	until(t, ctx, "its tasks", rows+`.some((r) => r.textContent.startsWith("producer"))`)
	do(t, ctx, "open one", chromedp.Evaluate(rows+`.find((r) => r.textContent.startsWith("hen")).click()`, nil))
	until(t, ctx, "hen", `document.querySelector("#detail h2")?.textContent === "hen" && document.getElementById("detail").textContent.includes("egg")`)
	do(t, ctx, "close, resources", chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent("3"))
	until(t, ctx, "the lock", `document.getElementById("resources").textContent.includes("librarian")`)
	do(t, ctx, "timeline", chromedp.KeyEvent("5"))
	until(t, ctx, "records", `/[1-9]\d* records/.test(document.getElementById("tl-info").textContent)`)

	timeline := aio.NewTimeline(0)
	l := aio.NewEventLoop(&aio.LoopOptions{VirtualClock: true})
	defer l.Close()
	l.AddObserver(timeline)
	if _, err := aio.RunUntilComplete(l, aio.NoResult(func(ctx context.Context) error { return aio.Sleep(ctx, time.Second) })); err != nil {
		t.Fatal(err)
	}
	if f, err = os.Create(file); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(aiomon.WriteTimeline(f, "</script>", timeline), f.Close()); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, "a timeline alone", chromedp.Navigate("about:blank"), chromedp.Navigate("file://"+file))
	until(t, ctx, "the view the page opens with", `/[1-9]\d* records/.test(document.getElementById("tl-info").textContent)`)
	until(t, ctx, "with its name", `document.getElementById("loops").textContent.includes("</script>")`)
	picture(t, ctx, "saved-timeline")
}

// While a task blocks the loop, the page still responds, and shows the blocking task
// and its position in the source.
func TestBlockedLoop(t *testing.T) {
	release := make(chan struct{})
	url, _ := monitored(t, &aiomon.Options{SlowStep: 20 * time.Millisecond}, func(ctx context.Context) error {
		aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error {
			if err := aio.Sleep(ctx, time.Millisecond); err != nil {
				return err
			}
			waitForTheTest(release)
			return nil
		}), aio.WithName("stuck"))
		return nil
	})
	defer close(release)
	ctx := browser(t, 1280, 800, true)
	do(t, ctx, "open the page", chromedp.Navigate(url+"#health"))
	until(t, ctx, "a warning says that the loop is blocked", `document.querySelector(".loop.blocked")`)
	until(t, ctx, "it names the task and the function", `document.querySelector(".warning.blocked")?.textContent.includes("task stuck") && document.querySelector(".warning.blocked").textContent.includes("waitForTheTest")`)
	picture(t, ctx, "blocked-dark")
	do(t, ctx, "the tasks", chromedp.KeyEvent("1"))
	until(t, ctx, "are there too", rows+`.some((r) => r.textContent.includes("stuck") && r.textContent.includes("running"))`)
}

func waitForTheTest(release <-chan struct{}) { <-release }

// The health page shows each trouble.
func TestTroubles(t *testing.T) {
	ctx := browser(t, 1280, 800, false)
	for _, trouble := range troubles.All {
		opts := troubles.Options()
		opts.Report = func(aiomon.Warning) {}
		program, err := trouble.Start(opts)
		if err != nil {
			t.Fatal(err)
		}
		stop, err := program.Monitor.ListenAndServe("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		do(t, ctx, trouble.Name, chromedp.Navigate("about:blank"), chromedp.Navigate(program.Monitor.URL()+"#health"))
		until(t, ctx, trouble.Name, fmt.Sprintf(`[...document.querySelectorAll(".warning.%s")].some((w) => w.textContent.includes(%q) && w.textContent.includes(%q))`,
			trouble.Kind, trouble.Text, trouble.More))
		picture(t, ctx, "trouble-"+strings.ReplaceAll(trouble.Name, " ", "-"))
		stop()
		if err := program.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// Each view has a dark theme if the system prefers one.
func TestDark(t *testing.T) {
	url, _ := monitored(t, nil, service(50))
	ctx := browser(t, 1280, 800, true)
	for _, view := range []string{"tasks", "graph", "resources", "health", "timeline"} {
		do(t, ctx, "open "+view, chromedp.Navigate("about:blank"), chromedp.Navigate(url+"#"+view))
		until(t, ctx, view+" is there", `document.body.dataset.ready === "`+view+`" && document.querySelector(".loop")`)
		until(t, ctx, "a dark background", `getComputedStyle(document.body).backgroundColor === "rgb(20, 25, 26)"`)
		picture(t, ctx, "dark-"+view)
	}
}

// On a narrow screen nothing is wider than the window.
func TestNarrow(t *testing.T) {
	url, _ := monitored(t, nil, service(50))
	ctx := browser(t, 400, 800, false)
	for _, view := range []string{"tasks", "graph", "resources", "health", "timeline"} {
		do(t, ctx, "open "+view, chromedp.Navigate("about:blank"), chromedp.Navigate(url+"#"+view))
		until(t, ctx, view+" is there", `document.body.dataset.ready === "`+view+`" && document.querySelector(".loop")`)
		if over := eval[int](t, ctx, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
			t.Errorf("%s is %d pixels wider than the window", view, over)
		}
		picture(t, ctx, "narrow-"+view)
	}
}
