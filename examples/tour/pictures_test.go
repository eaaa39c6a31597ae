package tour

// The pictures of docs/tour.md: one for each program whose steps are the same in each
// run. A row is a step, a column a task. The programs are compiled with
// testdata/record.go, which records their steps with an aio.Timeline.

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goaio/aio"
	_ "github.com/goaio/aio/internal/stage" // no sleep at the exit
)

var update = flag.Bool("update", false, "write the pictures of docs/tour.md")

// picture says how the runs of a program are drawn.
type picture struct {
	program string
	runs    []string // titles, one for each loop that is drawn
	// names of the tasks; others are not drawn, such as the one in which Run ends
	// the loop
	names map[string]string
}

var pictures = []picture{
	{"02-turns", []string{""}, map[string]string{"Task-1": "main", "Task-2": "left", "Task-3": "right"}},
	{"03-lost-update", []string{"broken", "fixed", "locked"}, map[string]string{"Task-1": "main", "Task-2": "withdraw 30", "Task-3": "withdraw 30 too"}},
	{"04-together", []string{"in turn", "together"}, map[string]string{"Task-1": "main", "Task-2": "fetch a", "Task-3": "fetch b"}},
	{"05-groups", []string{""}, map[string]string{"Task-1": "main", "Task-2": "boilWater", "Task-3": "fetchMilk"}},
	{"06-cancel", []string{""}, map[string]string{"Task-1": "main", "Task-2": "watch"}},
	{"07-swallowed-cancellation", []string{"broken", "fixed"}, map[string]string{"Task-1": "deliver letters"}},
	{"08-forgotten-shield", []string{"broken", "fixed"}, map[string]string{"Task-1": "main", "Task-2": "booking"}},
	{"10-queue", []string{""}, map[string]string{"Task-1": "main", "Task-2": "bake", "Task-3": "eat"}},
	{"13-events", []string{""}, map[string]string{"Task-1": "main", "Task-2": "boss", "Task-3": "Ann", "Task-4": "Ben", "Task-5": "Cid"}},
	{"17-shutdown", []string{""}, map[string]string{"Task-1": "main", "Task-2": "serve", "Task-3": "take", "Task-4": "2s", "Task-5": "7s", "Task-6": "1h"}},
	{"14-futures", []string{""}, map[string]string{"Task-1": "main", "Task-2": "coffee"}},
	{"15-group-errors", []string{""}, map[string]string{"Task-1": "main", "Task-2": "send", "Task-3": "wait", "Task-4": "save"}},
	{"16-fairness", []string{"broken", "fixed"}, map[string]string{"Task-1": "main", "Task-2": "compute", "Task-3": "print"}},
	{"11-deadlock", []string{"broken", "fixed"}, map[string]string{"Task-1": "main", "eggs": "eggs", "fish": "fish"}},
}

// recordedRun is a run in testdata/record.go.
type recordedRun struct {
	Records []aio.TimelineRecord
	Prints  map[int][]string
}

// recordRuns runs the programs of the pictures, and returns their runs.
func recordRuns(t *testing.T) map[string][]recordedRun {
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not on PATH")
	}
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	absolute := func(name string) string {
		path, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	recorder := absolute(filepath.Join("testdata", "record.go"))
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	args := []string{"build", "-ldflags=-s -w", "-o", dir + string(os.PathSeparator)}
	for _, p := range pictures {
		main := filepath.Join(p.program, "main.go")
		src, err := os.ReadFile(main)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer(
			"aio.NewEventLoop(", "record(",
			"aio.Runner{Options: &aio.LoopOptions{VirtualClock: true}}", "recordRunner()",
			"aio.Run(", "recordRun(",
			"fmt.Println(", "recordPrintln(",
			"fmt.Printf(", "recordPrintf(",
			"func main() {\n", "func main() {\n\tdefer recorded()\n",
		).Replace(string(src)) + "\nvar _ = fmt.Sprint\n"
		overlay.Replace[absolute(main)] = write(p.program+".go", []byte(text))
		overlay.Replace[absolute(filepath.Join(p.program, "record.go"))] = recorder
		args = append(args, "./"+p.program)
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	args = append(args[:1:1], append([]string{"-overlay=" + write("overlay.json", text)}, args[1:]...)...)
	if out, err := exec.CommandContext(t.Context(), tool, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	all := map[string][]recordedRun{}
	for _, p := range pictures {
		program := filepath.Join(dir, p.program)
		if runtime.GOOS == "windows" {
			program += ".exe"
		}
		cmd := exec.CommandContext(t.Context(), program)
		file := filepath.Join(dir, p.program+".json")
		cmd.Env = append(os.Environ(), "TOUR_RECORD="+file)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", p.program, err, out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var runs []recordedRun
		if err := json.Unmarshal(text, &runs); err != nil {
			t.Fatal(err)
		}
		all[p.program] = runs
	}
	return all
}

// TestPictures compares the pictures with the runs. With -update it writes them.
func TestPictures(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "tour.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := recordRuns(t)
	for _, p := range pictures {
		runs := all[p.program]
		if len(runs) != len(p.runs) {
			t.Errorf("%s made %d loops, and its picture has %d", p.program, len(runs), len(p.runs))
			continue
		}
		got := p.draw(runs)
		file := filepath.Join("..", "..", "docs", "tour-"+p.program+".svg")
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))) {
			t.Errorf("%s differs from the run of the program; write it with\n\tgo test ./examples/tour -run TestPictures -update", file)
		}
		if link := "](" + filepath.Base(file) + ")"; !bytes.Contains(page, []byte(link)) {
			t.Errorf("docs/tour.md does not show %s", filepath.Base(file))
		}
	}
}

// TestPictureOfAnotherRun checks that a run with another order has another picture.
func TestPictureOfAnotherRun(t *testing.T) {
	step := func(name string, at time.Duration) aio.TimelineRecord {
		return aio.TimelineRecord{Kind: aio.StepEnded, Task: name, At: at}
	}
	a, b := step("a", 0), step("b", 0)
	p := picture{runs: []string{""}, names: map[string]string{"a": "a", "b": "b"}}
	first := p.draw([]recordedRun{{Records: []aio.TimelineRecord{a, b}}})
	for _, other := range [][]aio.TimelineRecord{{b, a}, {a, step("b", time.Second)}, {a}} {
		if bytes.Equal(first, p.draw([]recordedRun{{Records: other}})) {
			t.Errorf("the picture of %v is that of %v", other, []aio.TimelineRecord{a, b})
		}
	}
}

// Sizes in pixels.
const (
	timeWidth  = 72  // the column with the time
	laneWidth  = 212 // the column of a task
	boxWidth   = 180
	lineHeight = 16
	boxPadding = 5
	rowGap     = 12
	textWidth  = 23 // characters in a line of a box
)

// pictureStep is a step of a task, as it is drawn.
type pictureStep struct {
	lane    int
	at      time.Duration
	lines   []string // what the step printed
	end     string   // what the task awaits after the step, or how it ended
	ends    []string // the lines of end
	y, h    int
	created bool // the first step of its task
}

// pictureArrow leads from a step to a later one.
type pictureArrow struct {
	from, to int
	kind     string // wake, create or cancel
}

// pictureRun has the steps of one run.
type pictureRun struct {
	lanes  []string
	after  []string // printed after the last step
	steps  []pictureStep
	arrows []pictureArrow
}

// read makes steps of the records of a run.
func (p picture) read(r recordedRun) (run pictureRun) {
	lanes := map[string]int{}
	last := map[string]int{} // the last step of each task
	type cause struct {
		from int
		kind string
	}
	causes := map[string][]cause{} // the causes of the next step of a task
	var printed []string
	lane := func(task string) int {
		i, ok := lanes[task]
		if !ok {
			i = len(run.lanes)
			lanes[task] = i
			name, ok := p.names[task]
			if !ok {
				name = task // the callbacks
			}
			run.lanes = append(run.lanes, name)
		}
		return i
	}
	ended := -1    // the latest step that ended a task
	callback := -1 // the latest callback that printed something
	first, seen := "", 0
records:
	for n, rec := range r.Records {
		if first == "" {
			first = rec.Task
		}
		printed, seen = append(printed, r.Prints[n]...), n+1
		if rec.Kind == aio.CallbackRan && len(printed) > 0 {
			callback = len(run.steps)
			run.steps = append(run.steps, pictureStep{lane: lane("callback"), at: rec.At, lines: printed, created: true})
			printed = nil
		}
		if p.names[rec.Task] == "" {
			continue
		}
		switch rec.Kind {
		case aio.TaskCreated:
			lane(rec.Task)
			// the creator's step has not ended: its record is the next one
			if rec.By != "" {
				causes[rec.Task] = append(causes[rec.Task], cause{len(run.steps), "create"})
			}
		case aio.TaskCancelled:
			switch {
			case rec.By != "" && rec.By != rec.Task:
				causes[rec.Task] = append(causes[rec.Task], cause{len(run.steps), "cancel"})
			case rec.By == "" && ended >= 0 && run.steps[ended].at == rec.At && strings.HasPrefix(run.steps[ended].end, "fails"):
				// a group cancels its tasks by a callback of the task
				// that failed
				causes[rec.Task] = append(causes[rec.Task], cause{ended, "cancel"})
			}
		case aio.TaskDone:
			i, ok := last[rec.Task]
			if !ok {
				continue
			}
			if strings.HasPrefix(rec.Err, aio.ErrLoopClosed.Error()) {
				break records // what follows is the end of the loop
			}
			switch end := &run.steps[i].end; {
			case strings.HasPrefix(rec.Err, aio.ErrCancelled.Error()):
				*end = "is cancelled"
			case rec.Err != "":
				*end = "fails: " + strings.TrimPrefix(rec.Err, "aio: ")
			default:
				*end = "is done"
			}
			ended = i
			if rec.Task == first {
				break records // main has ended
			}
		case aio.StepEnded:
			s := pictureStep{lane: lane(rec.Task), at: rec.At, lines: printed}
			printed = nil
			if rec.What != "" {
				what := rec.What
				if name, ok := p.names[what]; ok {
					what = name
				}
				s.end = "awaits " + what
			}
			i := len(run.steps)
			_, ran := last[rec.Task]
			s.created = !ran
			cancelled := false
			for _, c := range causes[rec.Task] {
				cancelled = cancelled || c.kind == "cancel"
				run.arrows = append(run.arrows, pictureArrow{c.from, i, c.kind})
			}
			causes[rec.Task] = nil
			from, ok := last[rec.By]
			if before, ran := last[rec.Task]; ran && !ok && ended > before {
				// The last task of a group wakes the group by a callback.
				awaited := run.steps[before].end
				if awaited == "awaits TaskGroup" || awaited == "awaits Gather" {
					from, ok = ended, true
				}
			}
			if before, ran := last[rec.Task]; ran && !ok && callback > before && run.steps[before].end == "awaits Future" {
				from, ok = callback, true
			}
			if ok && rec.By != rec.Task && !cancelled {
				run.arrows = append(run.arrows, pictureArrow{from, i, "wake"})
			}
			last[rec.Task] = i
			run.steps = append(run.steps, s)
		}
	}
	run.after = printed
	for n := seen; n <= len(r.Records); n++ {
		run.after = append(run.after, r.Prints[n]...)
	}
	return run
}

// wrap splits a line into lines that fit into a box.
func wrap(line string) (lines []string) {
	for {
		r := []rune(line)
		if len(r) <= textWidth {
			return append(lines, line)
		}
		cut := strings.LastIndexByte(string(r[:textWidth+1]), ' ')
		if cut <= 0 {
			cut = len(string(r[:textWidth]))
		}
		lines = append(lines, line[:cut])
		line = strings.TrimLeft(line[cut:], " ")
	}
}

// pictureStyle has the colours, for light and dark pages.
const pictureStyle = `<style>
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328 }
.back { fill: #ffffff }
.title, .lane { font-weight: bold }
.lane, .time { text-anchor: middle }
.time, .end { fill: #59636e }
.step { fill: #ddf4ff; stroke: #0969da }
.life { stroke: #afb8c1; stroke-dasharray: 3 4 }
.later { stroke: #d1d9e0 }
.wake { stroke: #0969da; fill: none }
.create { stroke: #818b98; fill: none; stroke-dasharray: 2 3 }
.cancel { stroke: #d1242f; fill: none; stroke-width: 1.5 }
.head-wake { fill: #0969da }
.head-create { fill: #818b98 }
.head-cancel { fill: #d1242f }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.back { fill: #0d1117 }
.time, .end { fill: #9198a1 }
.step { fill: #122d4a; stroke: #4493f8 }
.life { stroke: #3d444d }
.later { stroke: #2a313a }
.wake { stroke: #4493f8 }
.create { stroke: #6e7681 }
.cancel { stroke: #f85149 }
.head-wake { fill: #4493f8 }
.head-create { fill: #6e7681 }
.head-cancel { fill: #f85149 }
}
</style>
`

// draw returns the runs as an SVG file.
func (p picture) draw(runs []recordedRun) []byte {
	var b strings.Builder
	y, lanes := 12, 0
	for i, r := range runs {
		run := p.read(r)
		lanes = max(lanes, len(run.lanes))
		if p.runs[i] != "" {
			fmt.Fprintf(&b, "<text class=\"title\" x=\"12\" y=\"%d\">%s</text>\n", y+12, html.EscapeString(p.runs[i]))
			y += 24
		}
		y = run.draw(&b, y) + 12
	}
	y = key(&b, y)
	width := timeWidth + max(lanes, 2)*laneWidth
	var out bytes.Buffer
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n", width, y, width, y)
	fmt.Fprintf(&out, "<title>The steps of %s</title>\n", html.EscapeString(p.program))
	out.WriteString(pictureStyle + "<defs>\n")
	for _, kind := range []string{"wake", "create", "cancel"} {
		fmt.Fprintf(&out, "<marker id=\"%s\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"head-%s\" d=\"M0,0 L8,4 L0,8 z\"/></marker>\n", kind, kind)
	}
	fmt.Fprintf(&out, "</defs>\n<rect class=\"back\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n%s</svg>\n", width, y, b.String())
	return out.Bytes()
}

func laneX(lane int) int { return timeWidth + lane*laneWidth + laneWidth/2 }

// draw writes the run at y, and returns where it ends.
func (r *pictureRun) draw(b *strings.Builder, y int) int {
	for i, name := range r.lanes {
		fmt.Fprintf(b, "<text class=\"lane\" x=\"%d\" y=\"%d\">%s</text>\n", laneX(i), y+12, html.EscapeString(name))
	}
	y += 26
	first, last := make([]int, len(r.lanes)), make([]int, len(r.lanes))
	for i := range r.steps {
		s := &r.steps[i]
		var lines []string
		for _, line := range s.lines {
			lines = append(lines, wrap(line)...)
		}
		s.lines = lines
		if s.end != "" {
			s.ends = wrap(s.end)
		}
		n := len(lines) + len(s.ends)
		if i > 0 && s.at > r.steps[i-1].at {
			fmt.Fprintf(b, "<path class=\"later\" d=\"M12,%d H%d\"/>\n", y, timeWidth+len(r.lanes)*laneWidth-12)
			y += rowGap
		}
		s.y, s.h = y, max(n, 1)*lineHeight+2*boxPadding
		if i == 0 || s.at > r.steps[i-1].at {
			fmt.Fprintf(b, "<text class=\"time\" x=\"%d\" y=\"%d\">%v</text>\n", timeWidth/2+6, y+boxPadding+12, s.at)
		}
		y += s.h + rowGap
		if s.created {
			first[s.lane] = s.y
		}
		last[s.lane] = s.y + s.h
	}
	for i := range r.lanes {
		if last[i] > 0 {
			fmt.Fprintf(b, "<path class=\"life\" d=\"M%d,%d V%d\"/>\n", laneX(i), first[i], last[i])
		}
	}
	for _, a := range r.arrows {
		from, to := r.steps[a.from], r.steps[a.to]
		side := boxWidth / 2
		if to.lane < from.lane {
			side = -side
		}
		x1, y1 := laneX(from.lane)+side, from.y+from.h/2
		x2, y2 := laneX(to.lane)-side, to.y+to.h/2
		bend := 26
		if side < 0 {
			bend = -bend
		}
		fmt.Fprintf(b, "<path class=\"%s\" marker-end=\"url(#%s)\" d=\"M%d,%d C%d,%d %d,%d %d,%d\"/>\n",
			a.kind, a.kind, x1, y1, x1+bend, y1, x2-bend, y2, x2, y2)
	}
	for _, s := range r.steps {
		x := laneX(s.lane) - boxWidth/2
		fmt.Fprintf(b, "<rect class=\"step\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\"/>\n", x, s.y, boxWidth, s.h)
		line := s.y + boxPadding + 12
		for _, text := range s.lines {
			fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\">%s</text>\n", x+6, line, html.EscapeString(text))
			line += lineHeight
		}
		for _, text := range s.ends {
			fmt.Fprintf(b, "<text class=\"end\" x=\"%d\" y=\"%d\">%s</text>\n", x+6, line, html.EscapeString(text))
			line += lineHeight
		}
	}
	for _, text := range r.after {
		fmt.Fprintf(b, "<text x=\"12\" y=\"%d\">%s</text>\n", y+8, html.EscapeString(text))
		y += lineHeight
	}
	return y
}

// key explains the arrows.
func key(b *strings.Builder, y int) int {
	x := 12
	for _, k := range [][2]string{{"create", "starts"}, {"wake", "wakes"}, {"cancel", "cancels"}} {
		fmt.Fprintf(b, "<path class=\"%s\" marker-end=\"url(#%s)\" d=\"M%d,%d h34\"/>\n", k[0], k[0], x, y+8)
		fmt.Fprintf(b, "<text class=\"end\" x=\"%d\" y=\"%d\">%s</text>\n", x+42, y+12, k[1])
		x += 120
	}
	return y + 24
}
