package aiomon

// What the handlers show, as JSON: copies of the registry's contents.

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/goaio/aio"
)

type loopView struct {
	Number  int            `json:"number"`
	Name    string         `json:"name"`
	State   string         `json:"state"`
	Blocked *blockedView   `json:"blocked,omitempty"`
	Stats   aio.LoopStats  `json:"stats"`
	Open    map[string]int `json:"open"`
	Alarms  int            `json:"alarms"`
}

type blockedView struct {
	Task  string        `json:"task"`
	For   time.Duration `json:"for"`
	Stack string        `json:"stack"`
}

func (w *watched) view() loopView {
	v := loopView{Number: w.number, Name: w.name, Stats: w.loop.Stats(), Alarms: len(w.warnings())}
	w.mu.Lock()
	defer w.mu.Unlock()
	v.Open = maps.Clone(w.open)
	if w.blocked != nil {
		v.Blocked = &blockedView{w.blocked.Task, w.blocked.For, w.blocked.Stack}
	}
	switch {
	case v.Stats.Closed:
		v.State = "closed"
	case w.ended:
		v.State = "not watched any more"
	case !v.Stats.Running:
		v.State = "stopped"
	case v.Blocked != nil:
		v.State = "blocked"
	case v.Stats.Waiting:
		v.State = "waiting"
	default:
		v.State = "busy"
	}
	return v
}

type taskView struct {
	Loop    int           `json:"loop"`
	ID      uint64        `json:"id"`
	Name    string        `json:"name"`
	State   string        `json:"state"`
	Place   string        `json:"place"`
	By      uint64        `json:"by"`
	Age     time.Duration `json:"age"`
	For     time.Duration `json:"for"` // in this state
	Busy    time.Duration `json:"busy"`
	Waited  time.Duration `json:"waited"`
	Steps   uint64        `json:"steps"`
	What    string        `json:"what"`
	Awaits  []uint64      `json:"awaits,omitempty"`
	Cancels bool          `json:"cancelled,omitempty"`
}

type taskDetail struct {
	taskView
	Stack     string   `json:"stack"`
	AwaitedBy []uint64 `json:"awaitedBy"`
	Children  []uint64 `json:"children"`
}

// elapsed is the loop's time, which does not stand still while nothing happens.
func (w *watched) elapsed() time.Duration { return max(w.now, time.Since(w.start)) }

func (w *watched) viewOf(r *record) taskView {
	now := w.elapsed()
	v := taskView{
		Loop: w.number, ID: r.id, Name: r.name, State: r.state, Place: r.place, By: r.by,
		Age: now - r.created, For: now - r.since, Busy: r.busy, Waited: r.waited, Steps: r.steps,
		Awaits: r.awaits, Cancels: r.cancelled > 0,
	}
	switch r.state {
	case "waiting":
		v.What, v.Waited = r.what, r.waited+v.For
	case "running":
		v.Busy += v.For
	}
	return v
}

// taskViews appends the tasks of the loop to views, in the order in which they were
// created. It holds the lock for a thousand tasks at a time.
func (w *watched) taskViews(views []taskView) []taskView {
	w.mu.Lock()
	ids := make([]uint64, 0, len(w.byID))
	for id := range w.byID {
		ids = append(ids, id)
	}
	w.mu.Unlock()
	slices.Sort(ids)
	for chunk := range slices.Chunk(ids, copied) {
		w.mu.Lock()
		for _, id := range chunk {
			if r := w.byID[id]; r != nil {
				views = append(views, w.viewOf(r))
			}
		}
		w.mu.Unlock()
	}
	return views
}

func (w *watched) detail(id uint64) (taskDetail, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.byID[id]
	if r == nil {
		return taskDetail{}, false
	}
	d := taskDetail{taskView: w.viewOf(r), AwaitedBy: []uint64{}, Children: []uint64{}}
	for _, other := range w.byID {
		if slices.Contains(other.awaits, id) && other.state == "waiting" {
			d.AwaitedBy = append(d.AwaitedBy, other.id)
		}
		if other.by == id {
			d.Children = append(d.Children, other.id)
		}
	}
	slices.Sort(d.AwaitedBy)
	slices.Sort(d.Children)
	return d, true
}

type healthView struct {
	Loop     int         `json:"loop"`
	Name     string      `json:"name"`
	Lags     []lagView   `json:"lags"`
	Slow     []slowStep  `json:"slow"`
	Errors   []lostError `json:"errors"`
	Warnings []warning   `json:"warnings"`
	Places   []placeView `json:"places"`
}

type lagView struct {
	Upto  string `json:"upto"`
	Count uint64 `json:"count"`
}

type placeView struct {
	Place string `json:"place"`
	Live  int    `json:"live"`
	Made  int    `json:"made"`
	Grows bool   `json:"grows"`
}

type warning struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	More string `json:"more,omitempty"`
}

func (w *watched) healthView() healthView {
	v := healthView{Loop: w.number, Name: w.name, Warnings: w.warnings(), Places: []placeView{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, n := range w.lags {
		upto := "more"
		if i < len(lagBounds) {
			upto = lagBounds[i].String()
		}
		v.Lags = append(v.Lags, lagView{upto, n})
	}
	v.Slow = append([]slowStep{}, w.slow...)
	v.Errors = append([]lostError{}, w.errors...)
	for _, name := range slices.Sorted(maps.Keys(w.places)) {
		p := w.places[name]
		v.Places = append(v.Places, placeView{name, p.live, p.made, p.grows()})
	}
	return v
}

func (w *watched) warnings() []warning {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := []warning{}
	add := func(kind, more, format string, args ...any) {
		all = append(all, warning{kind, fmt.Sprintf(format, args...), more})
	}
	if b := w.blocked; b != nil {
		who := "a callback"
		if b.Task != "" {
			who = "task " + b.Task
		}
		add("blocked", b.Stack, "%s blocks the loop", who)
	}
	if n := len(w.slow); n > 0 {
		s := w.slow[n-1]
		add("slow", s.Stack, "%d slow steps; the last one: %s took %v", n, s.What, s.Duration.Round(time.Millisecond))
	}
	for _, text := range w.swallowed {
		add("swallowed", "", "%s", text)
	}
	if n := len(w.errors); n > 0 {
		e := w.errors[n-1]
		add("error", e.Text, "%d errors that nobody looked at; the last one: %s", n, e.About)
	}
	for _, name := range slices.Sorted(maps.Keys(w.places)) {
		if p := w.places[name]; p.grows() {
			add("leak", "", "%d tasks started at %s are alive, and they become more each second", p.live, name)
		}
	}
	for _, cycle := range w.cycles() {
		add("deadlock", "", "tasks wait for each other: %s", cycle)
	}
	return all
}

// cycles finds tasks that wait for each other in a circle. A task that awaits several
// others is followed to each of them.
func (w *watched) cycles() (texts []string) {
	const unseen, onPath, done = 0, 1, 2
	state := map[uint64]int{}
	var path []uint64
	var visit func(id uint64)
	visit = func(id uint64) {
		r := w.byID[id]
		if r == nil || r.state != "waiting" || state[id] == done {
			return
		}
		if state[id] == onPath {
			text := ""
			for _, p := range path[slices.Index(path, id):] {
				text += w.byID[p].name + " → "
			}
			texts = append(texts, text+r.name)
			return
		}
		state[id] = onPath
		path = append(path, id)
		for _, next := range r.awaits {
			visit(next)
		}
		path = path[:len(path)-1]
		state[id] = done
	}
	for _, id := range slices.Sorted(maps.Keys(w.byID)) {
		visit(id)
	}
	return texts
}
