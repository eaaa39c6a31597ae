package aiomon

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/goaio/aio"
)

type timelineView struct {
	Loop    int            `json:"loop"`
	Name    string         `json:"name"`
	Records []timelineItem `json:"records"`
}

// timelineItem has short JSON names, because there are many items.
type timelineItem struct {
	Kind string `json:"k"`
	At   int64  `json:"at"` // ns of the loop's time
	Took int64  `json:"d"`  // ns
	Task string `json:"t,omitempty"`
	By   string `json:"by,omitempty"`
	What string `json:"w,omitempty"`
	Err  string `json:"e,omitempty"`
}

// timeline sends the latest n steps of the requested loop.
func (m *Monitor) timeline(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	if err != nil || n <= 0 {
		n = 5000
	}
	only, _ := strconv.Atoi(r.FormValue("loop"))
	views := []timelineView{}
	for _, l := range m.all() {
		if only != 0 && l.number != only {
			continue
		}
		views = append(views, timelineViewOf(l.number, l.name, l.timeline, n))
	}
	writeJSON(w, views)
}

// timelineViewOf returns the latest n records of a timeline.
func timelineViewOf(loop int, name string, tl *aio.Timeline, n int) timelineView {
	v := timelineView{Loop: loop, Name: name, Records: []timelineItem{}}
	records := tl.Records()
	for _, r := range records[max(0, len(records)-n):] {
		v.Records = append(v.Records, timelineItem{r.Kind.String(), int64(r.At), int64(r.Duration), r.Task, r.By, r.What, r.Err})
	}
	return v
}

// traceEvent is an event of the trace event format, which Perfetto and chrome://tracing
// read.
type traceEvent struct {
	Name  string         `json:"name"`
	Phase string         `json:"ph"`
	At    float64        `json:"ts"`            // µs
	Took  float64        `json:"dur,omitempty"` // µs
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	Scope string         `json:"s,omitempty"`
	Args  map[string]any `json:"args,omitempty"`
}

// trace sends the timeline as a file for Perfetto. With seconds it first waits that
// long, and sends only the records of that time.
func (m *Monitor) trace(w http.ResponseWriter, r *http.Request) {
	wait, err := time.ParseDuration(r.FormValue("seconds") + "s")
	if r.FormValue("seconds") != "" && (err != nil || wait < 0 || wait > time.Hour) {
		http.Error(w, "aiomon: seconds is not a number from 0 to 3600", http.StatusBadRequest)
		return
	}
	loops := m.all()
	from := make([]time.Duration, len(loops))
	if wait > 0 {
		for i, l := range loops {
			l.mu.Lock()
			from[i] = l.elapsed()
			l.mu.Unlock()
		}
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return
		}
	}
	events := []traceEvent{}
	for i, l := range loops {
		events = append(events, traceEvent{Name: "process_name", Phase: "M", PID: l.number, Args: map[string]any{"name": "loop " + l.name}})
		events = traceOf(events, l.number, from[i], l.timeline.Records())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="aio-trace.json"`)
	// an error means that the client has disconnected
	_ = json.NewEncoder(w).Encode(map[string]any{"traceEvents": events, "displayTimeUnit": "ns"})
}

// traceOf appends the records since from: a track for each task, and one for callbacks.
func traceOf(events []traceEvent, pid int, from time.Duration, records []aio.TimelineRecord) []traceEvent {
	tracks := map[string]int{}
	track := func(name string) int {
		n, ok := tracks[name]
		if !ok {
			n = len(tracks) + 1
			tracks[name] = n
			events = append(events, traceEvent{Name: "thread_name", Phase: "M", PID: pid, TID: n, Args: map[string]any{"name": name}})
		}
		return n
	}
	micro := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	for _, r := range records {
		if r.At < from {
			continue
		}
		e := traceEvent{Phase: "X", At: micro(r.At), Took: max(micro(r.Duration), 0.001), PID: pid, Args: map[string]any{}}
		for key, text := range map[string]string{"woken by": r.By, "awaits": r.What, "error": r.Err} {
			if text != "" {
				e.Args[key] = text
			}
		}
		switch r.Kind {
		case aio.StepEnded:
			e.Name, e.TID = r.Task, track(r.Task)
		case aio.CallbackRan:
			e.Name, e.TID = r.What, track("callbacks")
		case aio.LoopWaited:
			e.Name, e.TID = "waiting", track("callbacks")
		default:
			e.Name, e.Phase, e.Took, e.Scope = fmt.Sprint(r.Kind), "i", 0, "t"
			e.TID = track(cmp.Or(r.Task, "callbacks"))
		}
		events = append(events, e)
	}
	return events
}
