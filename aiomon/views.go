package aiomon

// The JSON views of the handlers: copies of the registry's contents.

import (
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
	For     time.Duration `json:"for"` // time in this state
	Busy    time.Duration `json:"busy"`
	Waited  time.Duration `json:"waited"`
	Steps   uint64        `json:"steps"`
	What    string        `json:"what"`
	Awaits  []uint64      `json:"awaits,omitempty"`
	Cancels bool          `json:"cancelled,omitempty"`
	// the resource that the task waits for, and its holder
	Resource uint64 `json:"resource,omitempty"`
	HeldBy   uint64 `json:"heldBy,omitempty"`
	Holder   string `json:"holder,omitempty"`
}

type taskDetail struct {
	taskView
	Stack     string   `json:"stack"`
	AwaitedBy []uint64 `json:"awaitedBy"`
	Children  []uint64 `json:"children"`
	// resources that the task holds or waits for
	Resources []resourceView `json:"resources,omitempty"`
}

// elapsed is the loop's time, which advances even while there are no events.
func (w *watched) elapsed() time.Duration { return max(w.now, time.Since(w.start)) }

// viewOf returns the view of a task, without the holder of its resource.
func (w *watched) viewOf(r *record, now time.Duration) taskView {
	v := taskView{
		Loop: w.number, ID: r.id, Name: r.name, State: r.state, Place: r.place, By: r.by,
		Age: now - r.created, For: now - r.since, Busy: r.busy, Waited: r.waited, Steps: r.steps,
		Awaits: r.awaits, Cancels: r.cancelled > 0, Resource: r.resource,
	}
	switch r.state {
	case "waiting":
		v.What, v.Waited = r.what, r.waited+v.For
	case "running":
		v.Busy += v.For
	}
	return v
}

// heldBy adds the holder of the resource that the task waits for.
func (v *taskView) heldBy(holders map[uint64]holder) {
	if h, ok := holders[v.Resource]; ok && v.State == "waiting" {
		v.HeldBy, v.Holder = h.id, h.name
	}
}

// records returns the records of the tasks, in the order in which they were created;
// some may be done.
func (w *watched) records() []*record {
	var all []*record
	w.mu.Lock()
	for n := len(w.order); cap(all) < n; n = len(w.order) {
		// allocates without the lock, because that may take a millisecond
		w.mu.Unlock()
		all = make([]*record, 0, n+n/8)
		w.mu.Lock()
	}
	all = append(all, w.order...)
	w.mu.Unlock()
	return all
}

// each calls f with the record of each task, in the order in which they were created,
// with the lock held.
func (w *watched) each(f func(r *record)) {
	records := w.records()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, r := range records {
		if r.state != "done" {
			f(r)
		}
		w.mu.giveWay(i)
	}
}

func (w *watched) detail(id uint64) (taskDetail, bool) {
	w.mu.Lock()
	r := w.byID[id]
	if r == nil {
		w.mu.Unlock()
		return taskDetail{}, false
	}
	d := taskDetail{taskView: w.viewOf(r, w.elapsed()), AwaitedBy: []uint64{}, Children: []uint64{}}
	w.mu.Unlock()
	d.heldBy(w.holders())
	w.each(func(other *record) {
		if slices.Contains(other.awaits, id) && other.state == "waiting" {
			d.AwaitedBy = append(d.AwaitedBy, other.id)
		}
		if other.by == id {
			d.Children = append(d.Children, other.id)
		}
	})
	for _, r := range w.resourceViews() {
		if r.HolderID == id || slices.Contains(r.Waiters, id) {
			d.Resources = append(d.Resources, r)
		}
	}
	return d, true
}

type healthView struct {
	Loop     int         `json:"loop"`
	Name     string      `json:"name"`
	Lags     []lagView   `json:"lags"`
	Slow     []slowStep  `json:"slow"`
	Errors   []lostError `json:"errors"`
	Warnings []Warning   `json:"warnings"`
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
