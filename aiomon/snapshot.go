package aiomon

// The page as one file, which needs neither the program nor a network: the same page,
// with its style and script inlined, and with the responses that it would request.

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/goaio/aio"
)

// snapshotRecords is the number of the latest steps of a loop that the page requests.
const snapshotRecords = 5000

// WriteHTML writes the current page as one HTML file, which can be viewed later and
// elsewhere: tasks, graph, resources, health and timeline, but no stacks of tasks. Any
// goroutine may call it. The error is that of w.
func (m *Monitor) WriteHTML(w io.Writer) error {
	if w == nil {
		return fmt.Errorf("aiomon: WriteHTML: the writer is nil: %w", aio.ErrUsage)
	}
	loops := m.all()
	answers := map[string]any{}
	resources, health := []resourceView{}, []healthView{}
	for _, l := range loops {
		resources = append(resources, l.resourceViews()...)
		health = append(health, l.healthView())
		answers[timelinePath(l.number)] = []timelineView{timelineViewOf(l.number, l.name, l.timeline, snapshotRecords)}
	}
	o := m.overviewNow()
	o.AllowCancel, o.Pages = false, []page{}
	answers["api/overview"], answers["api/resources"], answers["api/health"] = o, resources, health
	return writeSnapshot(w, answers, loops)
}

// WriteTimeline writes a timeline as one HTML file: which task held the token of the
// loop and when, with zoom. A test can write one when it fails. name is a label of the
// loop for people. Any goroutine may call it. The error is that of w. A nil tl panics
// with an error that matches aio.ErrUsage.
func WriteTimeline(w io.Writer, name string, tl *aio.Timeline) error {
	if w == nil || tl == nil {
		return fmt.Errorf("aiomon: WriteTimeline: the writer or the timeline is nil: %w", aio.ErrUsage)
	}
	loop := loopView{Number: 1, Name: name, State: "recorded", Open: map[string]int{}}
	return writeSnapshot(w, map[string]any{
		"view":          "timeline",
		"api/overview":  overview{Loops: []loopView{loop}, Pages: []page{}, PID: os.Getpid()},
		"api/resources": []resourceView{},
		"api/health":    []healthView{},
		timelinePath(1): []timelineView{timelineViewOf(1, name, tl, len(tl.Records()))},
	}, nil)
}

func timelinePath(loop int) string {
	return fmt.Sprintf("api/timeline?loop=%d&n=%d", loop, snapshotRecords)
}

// writeSnapshot writes the page with these answers, and the tasks of some loops.
func writeSnapshot(w io.Writer, answers map[string]any, loops []*watched) error {
	// Marshal escapes < and >, as needed inside a script element; writeTasks does
	// so too
	data, err := json.Marshal(answers)
	if err != nil {
		return err
	}
	file := func(name string) string {
		text, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			panic(err) // the files are part of the program
		}
		return string(text)
	}
	page := strings.NewReplacer(
		`<link rel="stylesheet" href="style.css">`, "<style>\n"+file("style.css")+"</style>",
		`<link rel="icon" href="icon.svg">`, "",
	).Replace(file("index.html"))
	head, tail, _ := strings.Cut(page, `<script type="module" src="app.js"></script>`)
	if _, err := fmt.Fprintf(w, "%s<script>window.aioSnapshot = %s\nwindow.aioSnapshot[\"api/tasks\"] = ", head, data); err != nil {
		return err
	}
	if err := writeTasks(w, loops); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "</script>\n<script type=\"module\">\n%s</script>%s", file("app.js"), tail)
	return err
}

func (m *Monitor) snapshot(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// as a download, because the policy here forbids inline scripts
	w.Header().Set("Content-Disposition", `attachment; filename="aio-snapshot.html"`)
	_ = m.WriteHTML(w) // an error means that the client has disconnected
}
