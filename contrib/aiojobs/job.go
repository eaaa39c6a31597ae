package aiojobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/goaio/aio"
)

// Priority is the order in which workers take the jobs of a queue.
type Priority int

const (
	Normal Priority = iota // the default
	High                   // before Normal
	Low                    // after Normal
)

// priorities has all priorities, the most urgent one first.
var priorities = []Priority{High, Normal, Low}

// String returns high, normal or low.
func (p Priority) String() string {
	switch p {
	case High:
		return "high"
	case Low:
		return "low"
	}
	return "normal"
}

// rank is less for a more urgent priority.
func (p Priority) rank() int { return [...]int{High: 0, Normal: 1, Low: 2}[p] }

// JobOptions are the settings of a job.
type JobOptions struct {
	// Queue is the queue of the job's messages; "" means default. A worker serves
	// whole queues.
	Queue string
	// Attempts is the maximum number of deliveries; zero means 5. A delivery to a
	// worker that has died counts, so a job that kills its workers ends too.
	Attempts int
	// Pause is the time between a failed run and the next one; it doubles each time
	// up to MaxPause. Zero means 1 s and 1 min.
	Pause, MaxPause time.Duration
	// Timeout ends a run that takes longer: it fails with [aio.ErrTimeout]. Zero
	// means no limit.
	Timeout time.Duration
	// ResultTTL is how long the result can be read, at least 1 s; zero means
	// [Options.ResultTTL].
	ResultTTL time.Duration
	// Retry reports whether a failed run is worth another one; nil means always.
	Retry func(error) bool
}

// Job is the description of a job with arguments A and result R. Both are passed as JSON
// of package encoding/json. A Job does not change; programs usually keep it in a package
// variable that submitters and workers share.
type Job[A, R any] struct {
	name string
	opts JobOptions
}

// NewJob describes a job; nil means the default options. Names consist of letters,
// digits, - and _. It panics with [aio.ErrUsage] if a name or an option is not valid.
func NewJob[A, R any](name string, opts *JobOptions) *Job[A, R] {
	j := &Job[A, R]{name: name}
	if opts != nil {
		j.opts = *opts
	}
	o := &j.opts
	defaulted(&o.Queue, "default")
	defaulted(&o.Attempts, 5)
	defaulted(&o.Pause, time.Second)
	defaulted(&o.MaxPause, max(time.Minute, o.Pause))
	if !names.MatchString(name) || !names.MatchString(o.Queue) {
		panic(usage("NewJob", "a name has other characters than letters, digits, - and _"))
	}
	if o.Attempts < 0 || min(o.Pause, o.MaxPause, o.Timeout, o.ResultTTL) < 0 || o.ResultTTL > 0 && o.ResultTTL < time.Second {
		panic(usage("NewJob", "Attempts or a duration is out of range"))
	}
	return j
}

// Name returns the name of the job.
func (j *Job[A, R]) Name() string { return j.name }

// SubmitOptions are the settings of one submission.
type SubmitOptions struct {
	// Key makes a repeated submission of this job with the same key within
	// [Options.DedupWindow], or while the result can be read, return a handle of
	// the first submission.
	Key string
	// Priority is the priority in the queue of the job.
	Priority Priority
	// At and Delay postpone the job: it can run from then on. The server starts it
	// up to a second late.
	At    time.Time
	Delay time.Duration
}

// Submit stores a job, and awaits until the server has acknowledged it; from then on it
// is not lost. While the stream is full ([Options.MaxPending]) Submit waits for room,
// and while no server answers it repeats the request, without limit: use [aio.Timeout]
// to limit that. nil means the default options.
//
// If Submit fails or is cancelled, the job may have been submitted or not. Submit it
// with a key to make sure that it runs once.
//
// It fails if args cannot be encoded, and with [ErrClosed].
func (j *Job[A, R]) Submit(ctx context.Context, c *Client, args A, opts *SubmitOptions) (*Handle[R], error) {
	var o SubmitOptions
	if opts != nil {
		o = *opts
	}
	if c == nil {
		return nil, usage("Job.Submit", "the client is nil")
	}
	if c.closed {
		return nil, ErrClosed
	}
	if o.Priority < Normal || o.Priority > Low {
		return nil, usage("Job.Submit", "no such priority")
	}
	if o.Delay < 0 || o.Delay > 0 && !o.At.IsZero() {
		return nil, usage("Job.Submit", "Delay is negative, or both Delay and At are set")
	}
	data, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("aiojobs: arguments of %s: %w", j.name, err)
	}
	m := &message{name: j.name, queue: j.opts.Queue, priority: o.Priority, args: data}
	if o.Key != "" {
		sum := sha256.Sum256([]byte(j.name + "\x00" + o.Key))
		m.id = "key." + hex.EncodeToString(sum[:16])
	} else {
		m.id = c.newID()
	}
	m.dedup = m.id
	if o.Delay > 0 {
		o.At = c.now().Add(o.Delay)
	}
	if !o.At.IsZero() {
		m.schedule = "@at " + o.At.UTC().Format(time.RFC3339Nano)
		m.slot = "later." + m.id
	}
	t := c.track(ctx, m.id, o.Key != "")
	if err := c.publish(ctx, m); err != nil {
		c.untrack(t)
		return nil, err
	}
	c.stats.Submitted++
	if o.Key != "" && !t.result.Done() {
		// The job may have ended before it was watched.
		r, err := c.result(ctx, m.id)
		if err != nil {
			return nil, err
		}
		if r != nil {
			c.settled(m.id, r)
		}
	}
	return &Handle[R]{c: c, t: t, name: j.name}, nil
}

// publish stores a job. It waits while there is no room.
func (c *Client) publish(ctx context.Context, m *message) error {
	for d := time.Millisecond; ; d = min(2*d, 250*time.Millisecond) {
		err := c.persist(ctx, func() error { return c.broker.publish(ctx, m) })
		if !errors.Is(err, errFull) {
			return err
		}
		if err := aio.Sleep(ctx, d); err != nil {
			return err
		}
	}
}

// Attach returns a handle of a job that was submitted elsewhere, by its [Handle.ID]. It
// does not await, and does not check that there is such a job.
func (j *Job[A, R]) Attach(ctx context.Context, c *Client, id string) (*Handle[R], error) {
	if c == nil || id == "" {
		return nil, usage("Job.Attach", "the client is nil or the id is empty")
	}
	if c.closed {
		return nil, ErrClosed
	}
	t := c.track(ctx, id, true)
	c.lost.Set() // makes the client read the result at once
	return &Handle[R]{c: c, t: t, name: j.name}, nil
}

// Handle is a submitted job: an [aio.Awaitable] of its result.
type Handle[R any] struct {
	c    *Client
	t    *tracked
	name string
}

// ID returns the id of the job, for [Job.Attach] and [JobInfo].
func (h *Handle[R]) ID() string { return h.t.id }

// Done reports whether the result has arrived.
func (h *Handle[R]) Done() bool { return h.t.result.Done() }

// Await suspends the calling task until the job has ended, and returns its result. A
// cancelled Await does not affect the job: see [Handle.Cancel]. Any number of tasks may
// await a handle, any number of times; the result stays in the handle.
//
// The errors are a [*JobError] if the job has failed for good or was cancelled, and
// [ErrClosed]. A result that was not read within its time to live is lost: awaiting a
// handle of [Job.Attach] never ends then.
func (h *Handle[R]) Await(ctx context.Context) (R, error) {
	var r R
	o, err := aio.Shield(ctx, h.t.result).Await(ctx)
	if err != nil {
		return r, err
	}
	if o == nil {
		return r, ErrClosed
	}
	if o.status != statusOK {
		return r, &JobError{ID: h.t.id, Name: h.name, Attempts: o.attempts, Text: string(o.data), Cancelled: o.status == statusCancelled}
	}
	if err := json.Unmarshal(o.data, &r); err != nil {
		return r, fmt.Errorf("aiojobs: result of %s: %w", h.name, err)
	}
	return r, nil
}

// Cancel ends the job, wherever it is: a job that waits will not run, and a running one
// is cancelled like any task. It awaits until the server has stored the cancellation as
// the result of the job, and reports false if the job had a result before. Await then
// fails with a [*JobError] that matches [ErrCancelled]; the run may still be cleaning up.
func (h *Handle[R]) Cancel(ctx context.Context) (bool, error) {
	if h.c.closed {
		return false, ErrClosed
	}
	return h.c.cancel(ctx, h.t.id)
}

func (c *Client) cancel(ctx context.Context, id string) (bool, error) {
	first, err := c.settle(ctx, id, &outcome{status: statusCancelled, data: []byte("the job was cancelled")})
	if err == nil {
		// Also if there was a result: an answer may have been lost.
		c.broker.requestCancel(id)
	}
	return first, err
}

// Progress is the progress of a run, which the run reports with [Report].
type Progress struct {
	Done  int64  `json:"done"`
	Total int64  `json:"total,omitempty"`
	Text  string `json:"text,omitempty"`
}

// Progress returns the latest progress that has arrived. It does not await.
func (h *Handle[R]) Progress() Progress {
	var p Progress
	if h.t.progress != nil {
		// a message that Report has not made counts as no progress
		_ = json.Unmarshal(h.t.progress, &p)
	}
	return p
}

// Updates iterates over the progress of the job, and ends with the job. A slow reader
// sees the latest progress only; some may be lost. The iteration awaits, and yields the
// error of an await as its last item. Only one task may iterate at a time.
func (h *Handle[R]) Updates(ctx context.Context) iter.Seq2[Progress, error] {
	return func(yield func(Progress, error) bool) {
		for {
			if err := h.t.changed.Wait(ctx); err != nil {
				yield(Progress{}, err)
				return
			}
			h.t.changed.Clear()
			if h.t.progress != nil {
				p := h.Progress()
				h.t.progress = nil
				if !yield(p, nil) {
					return
				}
			}
			if h.Done() {
				h.t.changed.Set() // for the next iteration
				return
			}
		}
	}
}

// ErrCancelled matches the [*JobError] of a job that was cancelled. It is not a
// cancellation of the task that awaits it.
var ErrCancelled = errors.New("aiojobs: the job was cancelled")

// JobError is the error of a job that has failed for good, or was cancelled. JobError
// has the text of the error of the run; the error value itself is not transferred.
type JobError struct {
	ID        string
	Name      string
	Attempts  int
	Text      string
	Cancelled bool
}

// Error returns the text of the last error.
func (e *JobError) Error() string {
	if e.Cancelled {
		return fmt.Sprintf("aiojobs: job %s %s was cancelled", e.Name, e.ID)
	}
	return fmt.Sprintf("aiojobs: job %s %s failed %d times: %s", e.Name, e.ID, e.Attempts, e.Text)
}

// Is reports whether target is [ErrCancelled], for a job that was cancelled.
func (e *JobError) Is(target error) bool { return e.Cancelled && target == ErrCancelled }
