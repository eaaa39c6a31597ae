package aio

// The timeline: which task held the token, and when, in the recent past of a loop. Any
// goroutine may read it while the loop runs or is blocked.
//
// The loop writes plain records without a lock, and publishes each with one atomic store
// of their number; readers see only those below that number. The records are in chunks.
// When one is full, the loop takes the lock, and continues with the oldest chunk or,
// while there are readers, with a new one: records that a reader sees are never
// overwritten. Texts are made when they are read: a record has the id of a task and the
// pointer to its name.

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
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
	size int                  // the number of records to keep; immutable
	loop atomic.Pointer[Loop] // the loop that it observes

	// Owned by the token of the loop.
	chunk []timelineRecord // the chunk that is being written
	used  int              // the number of records in chunk
	// the number of records written since the beginning; the token writes it, and
	// any goroutine reads it
	written atomic.Uint64

	mu      sync.Mutex
	chunks  [][]timelineRecord // oldest first; the last one is chunk
	first   uint64             // the number of records before chunks
	readers int
}

// timelineChunk is the number of records in a chunk of a large timeline.
const timelineChunk = 512

// timelineRecord is a record without the texts that are made on demand.
type timelineRecord struct {
	at, took time.Duration
	task, by taskRef
	what     string
	next     taskRef // the awaited task
	err      error
	kind     LoopEventKind
}

// NewTimeline returns a timeline that keeps the latest n records; 0 means 10 000, which
// take about a megabyte. A negative n panics with [ErrUsage].
func NewTimeline(n int) *Timeline {
	if n < 0 {
		misuse("NewTimeline", "the number of records is negative: %d", n)
	}
	if n == 0 {
		n = 10_000
	}
	return &Timeline{size: n}
}

// Observe implements [Observer]. The loop of a timeline does not call it for steps,
// which it writes directly.
func (tl *Timeline) Observe(e *LoopEvent) {
	if e == nil {
		misuse("Timeline.Observe", "the event is nil")
	}
	if tl.size == 0 {
		misuse("Timeline.Observe", "a zero Timeline: use NewTimeline")
	}
	switch e.Kind {
	case StepBegan, TaskWoken, TimerLate, JobQueued:
		return
	case StepEnded:
		if e.t != nil {
			tl.step(e.t, e.waker, e.future, e.At-e.Duration, e.At)
			return
		}
	}
	*tl.next() = timelineRecord{kind: e.Kind, at: e.At - e.Duration, took: e.Duration, task: refTo(e.t), by: refTo(e.by), what: e.what, err: e.Err}
	tl.publish()
}

// step writes a step of t, which then awaits f; if f is nil, t has yielded or is done.
func (tl *Timeline) step(t, waker *task, f *future, began, ended time.Duration) {
	r := tl.next()
	r.kind, r.at, r.took = StepEnded, began, ended-began
	r.task, r.by, r.next = taskRef{t.id, t.extra.Load()}, taskRef{}, taskRef{}
	r.what, r.err = "", nil
	if waker != nil {
		r.by = refTo(waker)
	}
	if f != nil {
		switch sub := f.sub.(type) {
		case *waiter:
			r.what = sub.what
		case *task:
			r.next = refTo(sub)
		default:
			r.what = f.label()
		}
	} else if t.fut.state == pending {
		r.what = yielded
	}
	tl.publish()
}

// next returns the record to write next.
func (tl *Timeline) next() *timelineRecord {
	if tl.used == len(tl.chunk) {
		tl.nextChunk()
	}
	return &tl.chunk[tl.used]
}

// publish makes the record that was written visible to other goroutines.
func (tl *Timeline) publish() {
	tl.used++
	tl.written.Store(tl.written.Load() + 1)
}

// nextChunk continues with another chunk.
func (tl *Timeline) nextChunk() {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	n := min(timelineChunk, tl.size)
	// fewer and fewer records of the oldest chunk are still kept
	full := (tl.size+n-1)/n + 1
	var c []timelineRecord
	if len(tl.chunks) == full {
		if tl.readers == 0 {
			c = tl.chunks[0]
		}
		tl.chunks = slices.Delete(tl.chunks, 0, 1)
		tl.first += uint64(n)
	}
	if c == nil {
		c = make([]timelineRecord, n)
	}
	tl.chunks = append(tl.chunks, c)
	tl.chunk, tl.used = c, 0
}

// Records returns the records of the timeline, oldest first.
func (tl *Timeline) Records() []TimelineRecord {
	tl.mu.Lock()
	chunks, first, written := slices.Clone(tl.chunks), tl.first, tl.written.Load()
	tl.readers++
	tl.mu.Unlock()
	defer func() {
		tl.mu.Lock()
		tl.readers--
		tl.mu.Unlock()
	}()
	n := min(written, uint64(tl.size))
	records := make([]TimelineRecord, 0, n)
	for i := written - n; i < written; i++ {
		size := uint64(len(chunks[0])) // all chunks have the same size
		e := &chunks[(i-first)/size][(i-first)%size]
		r := TimelineRecord{Kind: e.kind, At: e.at, Duration: e.took, Task: e.task.String(), By: e.by.String(), What: e.what}
		if e.next.id != 0 {
			r.What = e.next.String()
		}
		if e.err != nil {
			r.Err = e.err.Error()
		}
		records = append(records, r)
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
