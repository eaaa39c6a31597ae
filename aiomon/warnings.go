package aiomon

// The problems that a monitor detects. A goroutine for each loop checks for them
// periodically. Checks that visit all tasks work on a copy, so that the loop does not
// wait for them.

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goaio/aio"
)

// Warning is a problem that a [Monitor] has detected.
type Warning struct {
	// Loop is the name of the loop.
	Loop string `json:"loop"`
	// Kind is one of these:
	//
	//	blocked    a step has lasted longer than Options.SlowStep
	//	slow       a step that lasted longer than that has ended
	//	starving   a ready task did not run for ten times Options.SlowStep
	//	deadlock   tasks wait for each other, also through locks
	//	wait       a wait longer than Options.LongWait for a lock or permit
	//	full       a wait longer than Options.LongWait for room in a queue
	//	grows      the length of a queue only increases
	//	leak       the number of tasks started at one place only increases
	//	swallowed  a task was cancelled, and continues
	//	error      an error has reached the exception handler
	Kind string `json:"kind"`
	// Text describes the problem in one line.
	Text string `json:"text"`
	// More is a stack or the text of an error, "" if there is none.
	More string `json:"more,omitempty"`

	key string // identifies a problem, which is reported once
}

// String returns the warning in one line, followed by More.
func (w Warning) String() string {
	s := fmt.Sprintf("%s: %s: %s", w.Loop, w.Kind, w.Text)
	if w.More != "" {
		s += "\n" + w.More
	}
	return s
}

func logWarning(w Warning) {
	slog.Warn("aiomon: "+w.Text, "loop", w.Loop, "kind", w.Kind, "more", w.More)
}

// starving is how long a task may be ready without running.
func (w *watched) starving() time.Duration { return 10 * w.monitor.options.SlowStep }

// growthSamples is the number of consecutive samples in which the number of tasks of a
// place, or of items in a queue, must increase without ever decreasing, before it is
// reported as growing.
const growthSamples = 10

func grows(samples []int) bool {
	return len(samples) == growthSamples && slices.IsSorted(samples) && samples[growthSamples-1] >= samples[0]+growthSamples/2
}

// sampled appends a sample, and keeps the most recent ones.
func sampled(samples []int, n int) []int {
	if len(samples) == growthSamples {
		samples = slices.Delete(samples, 0, 1)
	}
	return append(samples, n)
}

func (p *place) grows() bool { return grows(p.samples) }

// sample checks for problems until quit is closed or the loop is closed.
func (w *watched) sample(quit <-chan struct{}) {
	timer := time.NewTimer(w.monitor.options.Interval)
	defer timer.Stop()
	for {
		select {
		case <-quit:
			return
		case <-timer.C:
		}
		began, closed := time.Now(), w.loop.IsClosed()
		w.look()
		if closed {
			return
		}
		timer.Reset(max(w.monitor.options.Interval, 20*time.Since(began)))
	}
}

// look detects the current problems, and reports the new ones.
func (w *watched) look() {
	w.mu.Lock()
	for _, p := range w.places {
		p.samples = sampled(p.samples, p.live)
	}
	w.mu.Unlock()
	found := w.troubles()
	w.mu.Lock()
	w.found = found
	w.mu.Unlock()
	for _, f := range append(found, w.pastTroubles()...) {
		if !w.reported[f.key] {
			w.reported[f.key] = true
			w.monitor.options.Report(f)
		}
	}
}

// warnings returns the warnings that the page shows.
func (w *watched) warnings() []Warning {
	past := w.pastTroubles()
	w.mu.Lock()
	defer w.mu.Unlock()
	all := []Warning{}
	if b := w.blocked; b != nil {
		who := "a callback"
		if b.Task != "" {
			who = "task " + b.Task
		}
		all = append(all, Warning{Loop: w.name, Kind: "blocked", Text: who + " blocks the loop", More: b.Stack})
	}
	return append(append(all, w.found...), past...)
}

// pastTroubles returns the problems that the observer has recorded.
func (w *watched) pastTroubles() (all []Warning) {
	w.mu.Lock()
	defer w.mu.Unlock()
	add := func(kind, key, more, format string, args ...any) {
		all = append(all, Warning{w.name, kind, fmt.Sprintf(format, args...), more, kind + " " + key})
	}
	if n := len(w.slow); n > 0 {
		s := w.slow[n-1]
		add("slow", s.What, s.Stack, "%s; the last one: %s took %v", count(n, "slow step"), s.What, s.Duration.Round(time.Millisecond))
	}
	if w.starved != "" {
		add("starving", "", "", "%s: the others leave it no time", w.starved)
	}
	for _, text := range w.swallowed {
		add("swallowed", text, "", "%s", text)
	}
	if n := len(w.errors); n > 0 {
		e := w.errors[n-1]
		add("error", e.About+e.Text, e.Text, "%s never retrieved; the last one: %s", count(n, "error"), e.About)
	}
	return all
}

// count returns a number of things, as words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// waiting is a task that waits for a task or a resource.
type waiting struct {
	name     string
	what     string
	since    time.Duration
	awaits   []uint64
	resource uint64
}

// troubles detects the current problems.
func (w *watched) troubles() (all []Warning) {
	add := func(kind, key, format string, args ...any) {
		all = append(all, Warning{Loop: w.name, Kind: kind, Text: fmt.Sprintf(format, args...), key: kind + " " + key})
	}
	w.mu.Lock()
	now := w.elapsed()
	for _, name := range slices.Sorted(maps.Keys(w.places)) {
		if p := w.places[name]; p.grows() {
			add("leak", name, "%d tasks started at %s are alive, and their number only increases", p.live, name)
		}
	}
	w.mu.Unlock()

	tasks := map[uint64]waiting{}
	// the waiting tasks of each resource, not ordered by waiting time
	byResource := map[uint64][]waiting{}
	var hungriest waiting
	starving := 0
	w.each(func(r *record) {
		switch {
		case r.state == "ready" && now-r.since >= w.starving():
			// one warning covers all: usually nearly every task of the loop
			// starves
			if starving++; starving == 1 || r.since < hungriest.since {
				hungriest = waiting{name: r.name, since: r.since}
			}
		case r.state == "waiting" && (len(r.awaits) > 0 || r.resource != 0):
			// awaits can be shared: its elements never change
			t := waiting{r.name, r.what, r.since, r.awaits, r.resource}
			tasks[r.id] = t
			byResource[r.resource] = append(byResource[r.resource], t)
		}
	})
	if starving > 0 {
		add("starving", hungriest.name, "%s has been ready for %v and has not run", several(hungriest.name, starving), (now - hungriest.since).Round(time.Millisecond))
	}
	resources := w.loop.Resources()
	holders := w.holdersOf(resources)
	long := w.monitor.options.LongWait
	lengths := map[uint64][]int{}
	for _, r := range resources {
		if r.Kind == "Queue" {
			lengths[r.ID] = sampled(w.lengths[r.ID], r.Value)
			if grows(lengths[r.ID]) && r.Limit == 0 {
				add("grows", r.Place, "the queue of %s only becomes longer: %d items", r.Place, r.Value)
			}
		}
		var first *waiting
		n := 0
		for _, t := range byResource[r.ID] {
			if (t.what == "Lock.Acquire" || t.what == "Semaphore.Acquire" || t.what == "Queue.Put") && now-t.since >= long {
				n++
				if first == nil || t.since < first.since {
					first = &t
				}
			}
		}
		if first == nil {
			continue
		}
		for_ := (now - first.since).Round(time.Millisecond)
		switch {
		case first.what == "Queue.Put":
			add("full", r.Place, "the queue of %s is full, with %d items: %s waits to put for %v", r.Place, r.Value, several(first.name, n), for_)
		default:
			held := ""
			if h, ok := holders[r.ID]; ok {
				held = ", which task " + h.name + " holds"
			}
			add("wait", r.Place, "%s waits for the %s of %s%s, for %v", several(first.name, n), r.Kind, r.Place, held, for_)
		}
	}
	w.lengths = lengths
	for _, cycle := range cyclesOf(tasks, holders) {
		add("deadlock", cycle, "tasks wait for each other: %s", cycle)
	}
	// problems that cannot resolve themselves come first
	slices.SortStableFunc(all, func(a, b Warning) int { return cmp.Compare(oneIf(b.Kind == "deadlock"), oneIf(a.Kind == "deadlock")) })
	return all
}

// several names the first of n tasks.
func several(first string, n int) string {
	if n == 1 {
		return "task " + first
	}
	return fmt.Sprintf("task %s, with %d more,", first, n-1)
}

// holder is a task that holds a resource; id is 0 if the task is not known.
type holder struct {
	id   uint64
	name string
}

// holders returns the holder of each resource.
func (w *watched) holders() map[uint64]holder { return w.holdersOf(w.loop.Resources()) }

func (w *watched) holdersOf(resources []aio.Resource) map[uint64]holder {
	holders := map[uint64]holder{}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, r := range resources {
		w.mu.giveWay(i)
		if r.Holder == nil {
			continue
		}
		h := holder{name: r.HolderName}
		if t := w.byTask[r.Holder]; t != nil {
			h.id = t.id
		}
		holders[r.ID] = h
	}
	return holders
}

// cyclesOf finds cycles of tasks that wait for each other. From a task that awaits
// several others it follows each of them; from a task that waits for a resource it
// follows the holder.
func cyclesOf(tasks map[uint64]waiting, holders map[uint64]holder) (texts []string) {
	const onPath, done = 1, 2
	state := map[uint64]int{}
	var path []uint64
	var visit func(id uint64)
	visit = func(id uint64) {
		t, ok := tasks[id]
		if !ok || state[id] == done {
			return
		}
		if state[id] == onPath {
			text := ""
			for _, p := range path[slices.Index(path, id):] {
				text += tasks[p].name + " → "
			}
			texts = append(texts, text+t.name)
			return
		}
		state[id] = onPath
		path = append(path, id)
		for _, next := range t.awaits {
			visit(next)
		}
		if h, ok := holders[t.resource]; ok && h.id != 0 {
			visit(h.id)
		}
		path = path[:len(path)-1]
		state[id] = done
	}
	for _, id := range slices.Sorted(maps.Keys(tasks)) {
		visit(id)
	}
	return texts
}

// resourceView is a row of the resources view.
type resourceView struct {
	Loop     int      `json:"loop"`
	ID       uint64   `json:"id"`
	Kind     string   `json:"kind"`
	Place    string   `json:"place"`
	Holder   string   `json:"holder,omitempty"`
	HolderID uint64   `json:"holderTask,omitempty"`
	State    string   `json:"state"`
	Value    int      `json:"value"`
	Limit    int      `json:"limit"`
	Peak     int      `json:"peak"`
	Waiting  int      `json:"waiting"`
	Waiters  []uint64 `json:"waiters,omitempty"`
}

// mostWaiters limits the number of tasks that are named for one resource.
const mostWaiters = 100

// resourceViews returns the resources of the loop, those with the most waiting tasks
// first.
func (w *watched) resourceViews() []resourceView {
	waiters := map[uint64][]uint64{}
	w.each(func(r *record) {
		if r.state == "waiting" && r.resource != 0 && len(waiters[r.resource]) < mostWaiters {
			waiters[r.resource] = append(waiters[r.resource], r.id)
		}
	})
	resources := w.loop.Resources()
	holders := w.holdersOf(resources)
	views := make([]resourceView, len(resources))
	for i, r := range resources {
		v := resourceView{
			Loop: w.number, ID: r.ID, Kind: r.Kind, Place: r.Place, Holder: r.HolderName, HolderID: holders[r.ID].id,
			Value: r.Value, Limit: r.Limit, Peak: r.Peak, Waiting: r.Waiting, Waiters: waiters[r.ID],
		}
		switch {
		case r.Kind == "Lock" && r.Value > 0:
			v.State = "held"
		case r.Kind == "Lock":
			v.State = "free"
		case r.Kind == "Event" && r.Value > 0:
			v.State = "set"
		case r.Kind == "Event":
			v.State = "not set"
		case r.Kind == "Queue" && r.Limit > 0 && r.Value >= r.Limit:
			v.State = "full"
		case r.Kind == "Queue":
			v.State = fmt.Sprintf("%d items", r.Value)
		case r.Kind == "Semaphore":
			v.State = fmt.Sprintf("%d free", r.Value)
		case r.Kind != "Condition":
			v.State = "open"
		}
		views[i] = v
	}
	slices.SortStableFunc(views, func(a, b resourceView) int { return cmp.Compare(b.Waiting, a.Waiting) })
	return views
}

// indent puts a tab before each line of a text.
func indent(s string) string { return "\t" + strings.ReplaceAll(s, "\n", "\n\t") }
