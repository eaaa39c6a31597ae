package browsertest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// tourFiles builds the course once, as a user does, and returns its folder. The program
// aiotour is in the parent folder.
var tourFiles = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "aiotour")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "aiotour"), "./cmd/aiotour")
	build.Dir = "../.."
	site := filepath.Join(dir, "site")
	for _, cmd := range []*exec.Cmd{build, exec.Command(filepath.Join(dir, "aiotour"), "-o", site)} {
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w\n%s", err, out)
		}
	}
	return site, nil
})

// TestMain removes the course.
func TestMain(m *testing.M) {
	code := m.Run()
	if toured {
		if dir, err := tourFiles(); err == nil {
			_ = os.RemoveAll(filepath.Dir(dir))
		}
	}
	os.Exit(code)
}

// toured reports whether a test has built the course.
var toured bool

// tour serves the course with an ordinary file server, and returns its URL.
func tour(t *testing.T) string {
	t.Helper()
	toured = true
	dir, err := tourFiles()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	return server.URL + "/"
}

// open opens a page of the course and waits until its programs are there.
func open(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	do(t, ctx, "open "+url, chromedp.Navigate("about:blank"), chromedp.Navigate(url))
	until(t, ctx, url+" is ready", `document.body.dataset.ready === "yes"`)
}

// at returns the expression that is true while the player shows a step.
func at(step int) string {
	return fmt.Sprintf(`document.querySelector(".player").dataset.at === "%d"`, step)
}

// press clicks a button of the player or level.
func press(what string) chromedp.Action {
	return chromedp.Evaluate(fmt.Sprintf(`document.querySelector('[data-do="%s"]').click()`, what), nil)
}

// entries has the texts of the ready queue.
const entries = `[...document.querySelectorAll(".queue button")].map((b) => b.querySelector("span").textContent.trim()).join("|")`

// choose clicks the first entry of the ready queue whose text contains a name.
func choose(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	before := eval[int](t, ctx, `Number(document.querySelector(".player").dataset.at)`)
	button := fmt.Sprintf(`[...document.querySelectorAll(".queue button:not(:disabled)")].find((b) => b.textContent.includes(%q))`, name)
	if !eval[bool](t, ctx, "Boolean("+button+")") {
		t.Fatalf("%s is not among %s", name, eval[string](t, ctx, entries))
	}
	do(t, ctx, "choose "+name, chromedp.Evaluate(button+".click()", nil))
	until(t, ctx, "the step of "+name, at(before+1))
	if ran := eval[string](t, ctx, `document.querySelector(".now").textContent`); !strings.HasPrefix(ran, name) {
		t.Fatalf("chose %s, and the page says: %s", name, ran)
	}
}

// Tests a player: step, back, run, reset, the keyboard, and a choice that makes another
// run.
func TestTourPlayer(t *testing.T) {
	url := tour(t)
	ctx := browser(t, 1280, 900, false)
	open(t, ctx, url+"token.html")
	until(t, ctx, "the second player, without a question", `document.querySelector('.player[data-program="turns"]')`)
	until(t, ctx, "nothing has run", at(0)+` && `+entries+` === "1. main"`)
	do(t, ctx, "step", press("step"))
	until(t, ctx, "main has run", at(1)+` && document.querySelector(".now").textContent.startsWith("main ran, and awaits Gather")`)
	until(t, ctx, "A and B are ready", entries+` === "1. A|2. B"`)
	picture(t, ctx, "tour-token")

	choose(t, ctx, "B")
	until(t, ctx, "the output of B", `document.querySelector(".output").textContent === "B1"`)
	until(t, ctx, "B has called Sleep(0): it must not overtake A", `document.querySelector('[data-entry="1"]').disabled && document.querySelector('[data-entry="1"]').textContent.includes("must come after A")`)
	do(t, ctx, "back", press("back"))
	until(t, ctx, "one step back", at(1)+` && document.querySelector(".output").textContent === ""`)
	choose(t, ctx, "A")
	until(t, ctx, "the output of A", `document.querySelector(".output").textContent === "A1"`)
	do(t, ctx, "run", press("run"))
	until(t, ctx, "the end", `document.querySelector(".player").dataset.ended === "true"`)
	until(t, ctx, "all output", `document.querySelector(".output").textContent === "A1\nB1\nA2\nB2\nA3\nB3"`)
	until(t, ctx, "one lane for each task", `[...document.querySelectorAll(".lanes .labels text")].map((e) => e.firstChild.textContent).join() === "main,A,B,the loop"`)
	picture(t, ctx, "tour-token-ended")
	do(t, ctx, "reset", press("reset"))
	until(t, ctx, "the beginning", at(0))

	// The same by keyboard.
	do(t, ctx, "keys", chromedp.Focus(`[data-do="step"]`, chromedp.ByQuery), chromedp.KeyEvent("s"))
	until(t, ctx, "a step by key", at(1))
	do(t, ctx, "choose by key", chromedp.KeyEvent("2"))
	until(t, ctx, "B", at(2)+` && document.querySelector(".output").textContent === "B1"`)
	do(t, ctx, "back and reset by key", chromedp.KeyEvent("b"))
	until(t, ctx, "back by key", at(1))
	do(t, ctx, "reset by key", chromedp.KeyEvent("0"))
	until(t, ctx, "reset by key", at(0))
}

// The page reports whether a guess is right, and then shows the program.
func TestTourGuess(t *testing.T) {
	url := tour(t)
	ctx := browser(t, 1280, 900, false)
	open(t, ctx, url+"back-pressure.html")
	answer := func(text string) chromedp.Action {
		return chromedp.Evaluate(fmt.Sprintf(`document.querySelector('[data-guess="bakery"] [data-answer="%s"]').click()`, text), nil)
	}
	picture(t, ctx, "tour-guess")
	do(t, ctx, "a wrong answer", answer("baked-1 baked-2 baked-3 ate-1 ate-2 ate-3"))
	until(t, ctx, "it is wrong", `document.querySelector("[data-answer].wrong") && !document.querySelector("[data-answer].right") && document.querySelector('[data-guess="bakery"] .player .bar')`)
	do(t, ctx, "the right answer", answer("baked-1 ate-1 baked-2 ate-2 baked-3 ate-3"))
	until(t, ctx, "it is right", `document.querySelectorAll("[data-answer].right").length === 1 && document.querySelector('[data-guess="bakery"] [role="status"]').textContent.startsWith("Yes.")`)
}

// Plays a level. In asyncio's order the program survives, so the learner loses; then
// the learner breaks the program. A version that does not mend the fault loses, one
// that mends it wins.
func TestTourLevel(t *testing.T) {
	url := tour(t)
	ctx := browser(t, 1280, 900, false)
	open(t, ctx, url+"level-lost-update.html")
	if eval[bool](t, ctx, `!document.querySelector(".mend").hidden`) {
		t.Error("the remedies are shown before the program is broken")
	}
	do(t, ctx, "run in asyncio's order", press("run"))
	until(t, ctx, "the program survives", `document.querySelector('[data-verdict="lose"]')?.textContent.includes("survived")`)
	picture(t, ctx, "tour-level-survived")
	do(t, ctx, "reset and hint", press("reset"))
	until(t, ctx, "reset", at(0))
	do(t, ctx, "hint", press("hint"))
	until(t, ctx, "the hint", `document.querySelector("[data-verdict]")?.textContent.includes("Ann reads the balance")`)

	for _, name := range []string{"main", "Ann", "Bob", "Bob finds the bank", "Bob"} {
		choose(t, ctx, name)
	}
	until(t, ctx, "both tasks are in their audits", entries+` === "1. the audit of Ann|2. the audit of Bob"`)
	picture(t, ctx, "tour-level-playing")
	do(t, ctx, "to the end", press("run"))
	until(t, ctx, "it is broken", `document.querySelector('[data-verdict="win"]')?.textContent.includes("You broke it: the balance is 70")`)
	until(t, ctx, "and a short way is shown", `document.querySelector('[data-verdict="win"]').textContent.includes("found a way with 1,")`)
	picture(t, ctx, "tour-level-broken")

	version := func(name string) chromedp.Action {
		return chromedp.Evaluate(fmt.Sprintf(`document.querySelector('[data-version="%s"]').click()`, name), nil)
	}
	do(t, ctx, "no remedy", version("lostUpdateYield"))
	until(t, ctx, "it is lost", `document.querySelector('[data-version="lostUpdateYield"].wrong') && document.querySelector('[data-verdict="lose"]')?.textContent.includes("Not yet")`)
	do(t, ctx, "play the schedule of the search", press("run"))
	until(t, ctx, "this version fails in it", `document.querySelector('[data-verdict="lose"]')?.textContent.includes("This version fails: the balance is 70")`)
	do(t, ctx, "a remedy", version("lostUpdateLock"))
	until(t, ctx, "it is won", `document.querySelector('[data-version="lostUpdateLock"].right') && document.querySelector('[data-verdict="win"]')?.textContent.includes("works in all")`)
	picture(t, ctx, "tour-level-mended")

	open(t, ctx, url+"levels.html")
	until(t, ctx, "the page remembers it", `document.querySelector('[data-card="lost-update"]').textContent.includes("broken and mended")`)
}

// In each level the schedule that the page shows breaks the program, and exactly the
// versions that survive the search win.
func TestTourLevels(t *testing.T) {
	url := tour(t)
	dir, _ := tourFiles()
	var course struct {
		Levels []struct {
			ID, Broken string
			Versions   []struct{ Func string }
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "course.json"))
	if err == nil {
		err = json.Unmarshal(data, &course)
	}
	if err != nil || len(course.Levels) < 8 {
		t.Fatal(len(course.Levels), err)
	}
	ctx := browser(t, 1280, 900, false)
	for _, l := range course.Levels {
		open(t, ctx, url+"level-"+l.ID+".html")
		do(t, ctx, l.ID, press("show"))
		until(t, ctx, l.ID+": a schedule", `document.querySelector("[data-verdict]")?.textContent.includes("The search found a schedule")`)
		do(t, ctx, l.ID, chromedp.Evaluate(`while (!document.querySelector('[data-do="step"]').disabled) document.querySelector('[data-do="step"]').click()`, nil))
		until(t, ctx, l.ID+" breaks", `document.querySelector("[data-verdict]")?.textContent.includes("This schedule breaks the program")`)
		for _, v := range l.Versions {
			do(t, ctx, v.Func, chromedp.Evaluate(fmt.Sprintf(`document.querySelector('[data-version="%s"]').click()`, v.Func), nil))
			until(t, ctx, v.Func+" has a verdict", fmt.Sprintf(`document.querySelector('[data-version="%s"]').matches(".right, .wrong")`, v.Func))
		}
		until(t, ctx, l.ID+": some win and some lose", `document.querySelector("[data-version].right") && document.querySelector("[data-version].wrong")`)
		picture(t, ctx, "tour-level-"+l.ID)
	}
}

// The page on testing finds the order in which a program fails, and plays it; for another
// program it reports that all orders work. The small loop of the page on how it works
// runs pass by pass, and prints the same as outside of the browser.
func TestTourWidgets(t *testing.T) {
	url := tour(t)
	ctx := browser(t, 1280, 900, false)
	open(t, ctx, url+"testing.html")
	first := func(selector string) string {
		return fmt.Sprintf(`document.querySelector('[data-search="testedOnce"] %s')`, selector)
	}
	do(t, ctx, "search", chromedp.Evaluate(first(`[data-do="search"]`)+".click()", nil))
	until(t, ctx, "a schedule", first(`[data-verdict="lose"]`)+`?.textContent.includes("an addition is lost")`)
	do(t, ctx, "play it", chromedp.Evaluate(`while (!`+first(`[data-do="step"]`)+`.disabled) `+first(`[data-do="step"]`)+".click()", nil))
	until(t, ctx, "its last value", first(".thing")+`.textContent === "n1"`)
	do(t, ctx, "search", chromedp.Evaluate(`document.querySelector('[data-search="testedLock"] [data-do="search"]').click()`, nil))
	until(t, ctx, "no schedule", `document.querySelector('[data-search="testedLock"] [data-verdict="win"]')?.textContent.includes("works in all")`)
	picture(t, ctx, "tour-testing")

	open(t, ctx, url+"how-it-works.html")
	loop := func(id string) chromedp.Action {
		return chromedp.Evaluate(fmt.Sprintf(`document.querySelector('[data-loop-do="%s"]').click()`, id), nil)
	}
	output := func(text string) string {
		return fmt.Sprintf(`document.querySelector("[data-loop-output]").textContent === %q`, text)
	}
	until(t, ctx, "no output", output("")+` && document.querySelector("[data-loop]").textContent.includes("time 0s, 4 functions ready, 0 timers.")`)
	do(t, ctx, "a pass", loop("pass"))
	until(t, ctx, "the lock is held", output("0s a has the lock")+` && document.querySelector("[data-loop]").textContent.includes("After pass 1: time 0s, 0 functions ready, 2 timers.")`)
	do(t, ctx, "the rest", loop("run"))
	until(t, ctx, "all output", output("0s a has the lock\n1m0s b cancelled\n1h0m0s c has the lock\n2h0m0s c is done: <nil>"))
	do(t, ctx, "reset", loop("reset"))
	until(t, ctx, "the beginning", output(""))
}

// Each page works, wide and narrow, light and dark: its programs start, and nothing is
// wider than the window.
func TestTourPages(t *testing.T) {
	url := tour(t)
	dir, _ := tourFiles()
	pages, err := filepath.Glob(filepath.Join(dir, "*.html"))
	if err != nil || len(pages) < 20 {
		t.Fatal(pages, err)
	}
	ctx := browser(t, 1280, 900, false)
	for _, file := range pages {
		name := strings.TrimSuffix(filepath.Base(file), ".html")
		do(t, ctx, "wide and light", look(1280, false))
		open(t, ctx, url+name+".html")
		if failure := eval[string](t, ctx, `document.querySelector(".failure")?.textContent ?? ""`); failure != "" {
			t.Errorf("%s: %s", name, failure)
		}
		if name == "check" {
			until(t, ctx, "the check", `/^\d+ runs are as expected/.test(document.getElementById("result").textContent)`)
		}
		for _, view := range []struct {
			name  string
			width int
			dark  bool
		}{{"wide", 1280, false}, {"narrow", 400, false}, {"dark", 1280, true}} {
			do(t, ctx, view.name, look(view.width, view.dark))
			if over := eval[int](t, ctx, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
				t.Errorf("%s, %s: %d pixels wider than the window", name, view.name, over)
			}
			if dark := eval[bool](t, ctx, `getComputedStyle(document.body).backgroundColor === "rgb(20, 25, 26)"`); dark != view.dark {
				t.Errorf("%s, %s: dark is %v", name, view.name, dark)
			}
			full(t, ctx, "tour-"+view.name+"-"+name)
		}
	}
}

// look sets the width of the window, and whether its user prefers dark pages.
func look(width int, dark bool) chromedp.Action {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	return chromedp.ActionFunc(func(ctx context.Context) error {
		if err := emulation.SetDeviceMetricsOverride(int64(width), 900, 1, width < 500).Do(ctx); err != nil {
			return err
		}
		return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}).Do(ctx)
	})
}

// workbench copies an exercise, so that the test can solve it, and returns the folder of
// the exercises.
func workbench(t *testing.T, name string) string {
	t.Helper()
	const root = "../../examples/exercises"
	dir := t.TempDir()
	for _, part := range []string{"internal", name} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(root, part))); err != nil {
			t.Fatal(err)
		}
	}
	// The pages have the texts of all exercises.
	others, err := filepath.Glob(root + "/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range others {
		if filepath.Base(other) != name {
			if err := os.CopyFS(filepath.Join(dir, filepath.Base(other)), os.DirFS(other)); err != nil {
				t.Fatal(err)
			}
		}
	}
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("=> ../../"), []byte("=> "+repository))
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Checks an exercise on the page that aiotour serves: the skeleton fails with a message
// that explains the idea, a file that does not compile shows the position of the error,
// the solution passes, and the list marks the exercise as solved. A page of another
// origin cannot request a check.
func TestTourExercise(t *testing.T) {
	files := tour(t)
	const name = "01-first-await"
	dir := workbench(t, name)
	site, _ := tourFiles()
	cmd := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(site), "aiotour"), "-exercises", dir)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cmd.Cancel(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}()
	url := ""
	for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
		if _, rest, ok := strings.Cut(lines.Text(), "the course is at "); ok {
			url, _, _ = strings.Cut(rest, " ")
		}
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	ctx := browser(t, 1280, 900, false)
	result := func(text string) string {
		return fmt.Sprintf(`document.querySelector("[data-result]").dataset.result === %q`, text)
	}
	check := chromedp.Evaluate(`document.querySelector("[data-check]").click()`, nil)
	file := filepath.Join(dir, name, "exercise.go")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	open(t, ctx, url+"/exercise-"+name+".html")
	do(t, ctx, "check the skeleton", check)
	until(t, ctx, "the skeleton fails", result("failed"))
	until(t, ctx, "the message teaches", `["What happened:", "The idea:", "Read:"].every((part) => document.querySelector("details.failed[open]").textContent.includes(part))`)
	do(t, ctx, "scroll", chromedp.Evaluate(`document.querySelector("[data-result]").scrollIntoView()`, nil))
	picture(t, ctx, "tour-exercise-failed")

	solution, err := os.ReadFile(filepath.Join(dir, name, "solution.go"))
	if err != nil {
		t.Fatal(err)
	}
	right := strings.Replace(string(solution), "//go:build solution", "//go:build !solution", 1)
	put(strings.Replace(right, "package exercise", "package exercise\n\nvar wrong int = \"text\"", 1))
	do(t, ctx, "check what does not compile", check)
	until(t, ctx, "it does not compile", result("failed")+` && document.querySelector("[data-result]").textContent.includes("exercise.go:") && document.querySelector("[data-source]").textContent.includes("var wrong")`)
	put(right)
	do(t, ctx, "check the solution", check)
	until(t, ctx, "it is solved", result("passed")+` && document.querySelectorAll("details.failed").length === 0 && document.querySelectorAll("details.passed").length > 2`)
	picture(t, ctx, "tour-exercise-solved")
	open(t, ctx, url+"/exercise-"+name+".html")
	until(t, ctx, "the page shows the file as it is now", `document.querySelector("[data-source]").textContent.includes("aio.Sleep(")`)
	open(t, ctx, url+"/exercises.html")
	until(t, ctx, "the list remembers it", fmt.Sprintf(`document.querySelector('[data-card="%s"]').textContent.includes("solved")`, name))

	// The static pages say what to do instead. Their origin is not that of the
	// server.
	open(t, ctx, files+"exercise-"+name+".html")
	until(t, ctx, "the command", `!document.querySelector("[data-check]") && document.querySelector("main").textContent.includes("go test ./`+name+`")`)
	r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/exercises/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", strings.TrimSuffix(files, "/"))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("a request from elsewhere: %s", answer.Status)
	}
}

// full saves a picture of the whole page if AIO_SCREENSHOTS is set, after two steps of
// its first player.
func full(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("AIO_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	do(t, ctx, "screenshot", chromedp.Evaluate(`for (const b of [...document.querySelectorAll('[data-do="step"]')].slice(0, 1)) { b.click(); b.click(); b.click(); }`, nil),
		chromedp.FullScreenshot(&png, 100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.Fatal(err)
	}
}
