package aio

// The timeline: who held the token, and when, over the last moments of a loop. It keeps
// what it was told in a ring of plain records, under a lock that is held for one record
// or for one copy, so any goroutine may read it while the loop runs or is stuck.

import (
	"bufio"
	"fmt"
	"io"
	"sync"
	"time"
)

// TimelineRecord is one thing in a [Timeline].
type TimelineRecord struct {
	// Kind is [StepEnded] for a step of a task, which is the most of a timeline;
	// [CallbackRan], [LoopWaited], [TaskCreated], [TaskCancelled], TaskDone,
	// [JobEnded], [ResourceOpened] or [ResourceClosed].
	Kind LoopEventKind
	// At is when it began, by the loop's time, and Duration how long it took.
	At, Duration time.Duration
	// Task is the name of the task that it is about, By that of the task that caused
	// it: that woke the task for this step, created it, or cancelled it. By is "" if
	// no task did.
	Task, By string
	// What says what the task awaits at the end of the step, or which callback ran.
	What string
	// Err is the text of the error with which something ended.
	Err string
}

// Timeline is an [Observer] that remembers the latest steps of a loop. Make one with
// [NewTimeline], and hand it to [Loop.AddObserver]. It may observe one loop. Records and
// WriteText are for any goroutine, at any time.
type Timeline struct {
	mu    sync.Mutex
	ring  []timelineEntry
	n     uint64            // entries that were ever written
	woken map[*task]taskRef // by which task one was woken that has not run yet
}

// timelineEntry is a record without the texts that would have to be made.
type timelineEntry struct {
	kind           LoopEventKind
	at, took       time.Duration
	task, by, next taskRef // next is the task that is awaited
	what           string
	err            error
}

// NewTimeline returns a timeline that keeps the latest n records; 0 keeps 10 000, which
// takes some two megabytes. A negative n panics with [ErrUsage].
func NewTimeline(n int) *Timeline {
	if n < 0 {
		misuse("NewTimeline", "the number of records is negative: %d", n)
	}
	if n == 0 {
		n = 10_000
	}
	return &Timeline{ring: make([]timelineEntry, n), woken: map[*task]taskRef{}}
}

// Observe implements [Observer].
func (tl *Timeline) Observe(e *LoopEvent) {
	if e == nil {
		misuse("Timeline.Observe", "the event is nil")
	}
	if tl.ring == nil {
		misuse("Timeline.Observe", "a zero Timeline: use NewTimeline")
	}
	switch e.Kind {
	case StepBegan, TimerLate, JobQueued:
		return
	}
	tl.mu.Lock()
	defer tl.mu.Unlock()
	if e.Kind == TaskWoken {
		if e.by != nil {
			tl.woken[e.t] = refTo(e.by)
		}
		return
	}
	r := &tl.ring[tl.n%uint64(len(tl.ring))]
	tl.n++
	*r = timelineEntry{kind: e.Kind, at: e.At - e.Duration, took: e.Duration, task: refTo(e.t), by: refTo(e.by), what: e.what, err: e.Err}
	if e.Kind == StepEnded && len(tl.woken) > 0 {
		r.by = tl.woken[e.t]
		delete(tl.woken, e.t)
	}
	if e.future != nil {
		if t, ok := e.future.sub.(*task); ok {
			r.next = refTo(t)
		} else {
			r.what = e.future.label()
		}
	}
}

// Records returns what is in the timeline, oldest first.
func (tl *Timeline) Records() []TimelineRecord {
	tl.mu.Lock()
	size := uint64(len(tl.ring))
	first := tl.n - min(tl.n, size)
	entries := make([]timelineEntry, 0, tl.n-first)
	for i := first; i < tl.n; i++ {
		entries = append(entries, tl.ring[i%size])
	}
	tl.mu.Unlock()
	records := make([]TimelineRecord, len(entries))
	for i, e := range entries {
		r := TimelineRecord{Kind: e.kind, At: e.at, Duration: e.took, Task: e.task.String(), By: e.by.String(), What: e.what}
		if e.next.id != 0 {
			r.What = e.next.String()
		}
		if e.err != nil {
			r.Err = e.err.Error()
		}
		records[i] = r
	}
	return records
}

// WriteText writes the timeline as a table: when, how long, which task, and what it did.
//
//	0.000000s      12µs  main    step, then awaits Queue.Get
//	0.000012s       3µs  Task-2  step, woken by main, then Sleep(0)
func (tl *Timeline) WriteText(w io.Writer) error {
	if w == nil {
		return usagef("Timeline.WriteText", "the writer is nil")
	}
	records := tl.Records()
	width := 4
	for _, r := range records {
		width = max(width, len(r.Task))
	}
	out := bufio.NewWriter(w)
	for _, r := range records {
		fmt.Fprintf(out, "%12.6fs %9v  %-*s  %s\n", r.At.Seconds(), r.Duration.Round(time.Microsecond), width, r.Task, r.text())
	}
	return out.Flush()
}

// text says what a record is, without the time and the task.
func (r TimelineRecord) text() string {
	s := r.Kind.String()
	if r.Kind == StepEnded {
		s = "step"
		if r.By != "" {
			s += ", woken by " + r.By
		}
		if r.What != "" {
			s += ", then awaits " + r.What
		}
	} else {
		if r.What != "" {
			s += " " + r.What
		}
		if r.By != "" {
			s += " by " + r.By
		}
	}
	if r.Err != "" {
		s += ": " + r.Err
	}
	return s
}
