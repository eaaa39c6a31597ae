package aio

// The timeline: which task held the token, and when, in the recent past of a loop. It
// keeps the events in a ring of plain records, under a lock that is held for one record
// or for one copy, so any goroutine may read it while the loop runs or is blocked.

import (
	"bufio"
	"fmt"
	"io"
	"sync"
	"time"
)

// TimelineRecord is one record of a [Timeline].
type TimelineRecord struct {
	// Kind is [StepEnded] for a step of a task, which is the most frequent kind;
	// [CallbackRan], [LoopWaited], [TaskCreated], [TaskCancelled], [TaskDone],
	// [JobEnded], [ResourceOpened] or [ResourceClosed].
	Kind LoopEventKind
	// At is the loop's time at which it began, and Duration how long it took.
	At, Duration time.Duration
	// Task is the name of the task of the record. By is the name of the task that
	// caused it: the task that woke Task for this step, created it, or cancelled
	// it. By is "" if no task did.
	Task, By string
	// What is the operation that the task awaits after the step, or the callback
	// that ran.
	What string
	// Err is the text of the error of a task or resource.
	Err string
}

// Timeline is an [Observer] that keeps the latest steps of a loop. Make one with
// [NewTimeline], and pass it to [Loop.AddObserver]. It may observe only one loop. Any
// goroutine may call Records and WriteText at any time.
type Timeline struct {
	mu   sync.Mutex
	ring []timelineEntry
	n    uint64 // entries written so far
	// for each woken task that has not run yet, the task that woke it
	woken map[*task]taskRef
}

// timelineEntry is a record without the texts that are made on demand.
type timelineEntry struct {
	kind           LoopEventKind
	at, took       time.Duration
	task, by, next taskRef // next is the awaited task
	what           string
	err            error
}

// NewTimeline returns a timeline that keeps the latest n records; 0 means 10 000, which
// take about two megabytes. A negative n panics with [ErrUsage].
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

// Records returns the records of the timeline, oldest first.
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

// WriteText writes the timeline as a table: the time, the duration, the task, and what
// the task did.
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

// text describes a record, without the time and the task.
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
