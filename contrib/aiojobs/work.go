package aiojobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/goaio/aio"
)

// registration is a job that this client can run.
type registration struct {
	opts JobOptions
	run  func(ctx context.Context, args []byte) ([]byte, error)
}

// Register makes [Client.Work] run the job with f, as a task. The ctx of f is cancelled
// when the job is cancelled, or the task of Work. f may run more than once for one
// submission, on several machines, even at the same time: see the package comment.
// [InfoOf] tells f about its job, and [Report] its progress to the submitter.
//
// An error, or a panic, makes the run fail. Register fails with [aio.ErrUsage] if the
// client has a job of this name already, or works.
func Register[A, R any](c *Client, j *Job[A, R], f func(ctx context.Context, args A) (R, error)) error {
	switch {
	case c == nil || j == nil || f == nil:
		return usage("Register", "an argument is nil")
	case c.jobs[j.name] != nil:
		return usage("Register", "job "+j.name+" is already registered")
	case c.worker != nil:
		return usage("Register", "the client already works")
	}
	c.jobs[j.name] = &registration{opts: j.opts, run: func(ctx context.Context, data []byte) ([]byte, error) {
		var args A
		if err := json.Unmarshal(data, &args); err != nil {
			return nil, fmt.Errorf("arguments of %s: %w", j.name, err)
		}
		r, err := f(ctx, args)
		if err != nil {
			return nil, err
		}
		result, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("result of %s: %w", j.name, err)
		}
		return result, nil
	}}
	return nil
}

// WorkOptions are the settings of [Client.Work].
type WorkOptions struct {
	// Limit is the maximum number of runs at a time; zero means 16.
	Limit int
	// Prefetch is how many more messages of each priority the worker may ask for,
	// so that the next run need not wait for the server. It makes short jobs
	// faster; but a message that was fetched waits for this worker, although
	// another worker may be idle. The default is 0.
	Prefetch int
	// Queues are the queues to serve; nil means those of the registered jobs.
	Queues []string
}

// worker is the state of Client.Work.
type worker struct {
	c        *Client
	queues   []string
	limit    int // with Prefetch
	ready    *aio.Queue[*delivery]
	free     *aio.Semaphore
	running  []*run
	draining bool
}

// run is a delivery that occupies a place.
type run struct {
	d         *delivery
	c         *Client
	task      *aio.Task[[]byte] // nil before and after the run
	cancelled bool              // the job has a result already
	began     time.Time
	reported  time.Time
	pending   *Progress // progress to be reported
}

// Work runs jobs until it is drained or cancelled. Runs are tasks of the client's loop,
// up to [WorkOptions.Limit] at a time; nil means the default options. Jobs of a higher
// priority begin first; those of the same priority in the order of their submission,
// except that repeated ones come later.
//
// [Client.Drain] makes Work return nil once its runs have ended. Cancelling the task of
// Work cancels the runs, and gives their jobs back at once. While no server answers, Work
// waits for it. It fails with [aio.ErrUsage] if no queue is to be served or the client
// already works, and if the server refuses a request.
//
// The server delivers a message of a job that is not registered again after 5 s, so that
// a worker of another version can take it.
func (c *Client) Work(ctx context.Context, opts *WorkOptions) (err error) {
	var o WorkOptions
	if opts != nil {
		o = *opts
	}
	defaulted(&o.Limit, 16)
	switch {
	case c.closed:
		return ErrClosed
	case c.worker != nil:
		return usage("Client.Work", "the client already works")
	case o.Limit < 0 || o.Prefetch < 0:
		return usage("Client.Work", "Limit or Prefetch is negative")
	}
	if o.Queues == nil {
		for _, r := range c.jobs {
			o.Queues = append(o.Queues, r.opts.Queue)
		}
		slices.Sort(o.Queues)
		o.Queues = slices.Compact(o.Queues)
	}
	if len(o.Queues) == 0 {
		return usage("Client.Work", "there is no queue to serve")
	}
	for _, q := range o.Queues {
		if !names.MatchString(q) {
			return usage("Client.Work", "the name of a queue has other characters than letters, digits, - and _")
		}
	}
	if c.drained {
		c.drained = false
		return nil
	}
	w := &worker{
		c: c, queues: o.Queues, limit: o.Limit + o.Prefetch, free: aio.NewSemaphore(o.Limit),
		ready: aio.NewPriorityQueue(0, func(a, b *delivery) int {
			return cmp.Or(cmp.Compare(a.priority.rank(), b.priority.rank()), cmp.Compare(a.order, b.order))
		}),
	}
	c.worker = w
	defer func() { c.worker = nil }()
	defer w.drain()
	for _, q := range w.queues {
		if w.draining {
			break
		}
		if err := c.broker.subscribe(ctx, q, c.opts.AckWait); err != nil {
			return err
		}
	}
	return aio.WithTaskGroup(ctx, func(ctx context.Context, tg *aio.TaskGroup) error {
		ticker := tg.Go(w.tick, aio.WithName("aiojobs ticker"))
		w.pull()
		for {
			if err := w.free.Acquire(ctx); err != nil {
				return err
			}
			d, err := w.ready.Get(ctx)
			if errors.Is(err, aio.ErrQueueShutDown) {
				break
			}
			if err != nil {
				return err
			}
			r := &run{d: d, c: c}
			w.running = append(w.running, r)
			tg.Go(func(ctx context.Context) error {
				defer w.leave(r)
				return w.process(ctx, r)
			}, aio.WithName(d.name+" "+d.id))
		}
		for range o.Limit - 1 { // with the one that is already acquired
			if err := w.free.Acquire(ctx); err != nil {
				return err
			}
		}
		return aio.CancelAndWait(ctx, ticker)
	})
}

// Drain makes [Client.Work] take no more jobs, and return when its runs have ended.
// Messages that wait for a place go back to the server. It does not await; call it for
// example in a handler of SIGTERM. Without a Work it makes the next one return at once:
// its task may have been created, and not have begun.
func (c *Client) Drain() {
	if c.worker == nil {
		c.drained = true
		return
	}
	c.worker.drain()
}

func (w *worker) drain() {
	if w.draining {
		return
	}
	w.draining = true
	for _, q := range w.queues {
		w.c.broker.unsubscribe(q)
	}
	for !w.ready.Empty() {
		if d, err := w.ready.GetNowait(); err == nil {
			w.c.broker.refuse(d, 0)
		}
	}
	w.ready.Shutdown(false)
}

// pull asks for as many messages as there is room for.
func (w *worker) pull() {
	if w.draining {
		return
	}
	for _, q := range w.queues {
		w.c.broker.request(q, w.limit-len(w.running)-w.ready.QSize())
	}
}

// requestEnded implements events.
func (c *Client) requestEnded(string) {
	if c.worker != nil {
		c.worker.pull()
	}
}

// delivered implements events.
func (c *Client) delivered(d *delivery) {
	w := c.worker
	if w == nil || w.draining {
		c.broker.refuse(d, 0)
		return
	}
	c.serial++
	d.order = c.serial
	if err := w.ready.PutNowait(d); err != nil {
		panic(err) // the queue has no limit, and is open
	}
	w.pull()
}

// cancelRequested implements events.
func (c *Client) cancelRequested(id string) {
	if c.worker == nil {
		return
	}
	for _, r := range c.worker.running {
		if r.d.id == id {
			r.cancel()
		}
	}
}

// cancel ends a run because its job has a result.
func (r *run) cancel() {
	if r.task != nil && !r.cancelled {
		r.cancelled = true
		r.task.Cancel("the job has a result")
	}
}

// leave gives the place of a run to the next delivery.
func (w *worker) leave(r *run) {
	i := slices.Index(w.running, r)
	w.running = slices.Delete(w.running, i, i+1)
	w.free.Release()
	w.pull()
}

// tick tells the server that deliveries are in progress, and cancels the runs of jobs
// that have a result.
func (w *worker) tick(ctx context.Context) error {
	c := w.c
	for {
		if err := aio.Sleep(ctx, c.opts.AckWait/3); err != nil {
			return err
		}
		for _, d := range w.waiting() {
			c.broker.working(d)
		}
		running := slices.Clone(w.running)
		for _, r := range running {
			c.broker.working(r.d)
		}
		for _, r := range running {
			if r.task == nil {
				continue
			}
			o, err := c.broker.result(ctx, r.d.id)
			switch {
			case err == nil && o != nil:
				r.cancel()
			case errors.Is(err, errUnavailable):
			case err != nil:
				return err
			}
		}
	}
}

// waiting returns the deliveries that wait for a place.
func (w *worker) waiting() []*delivery {
	var ds []*delivery
	for !w.ready.Empty() {
		d, err := w.ready.GetNowait()
		if err != nil {
			break
		}
		ds = append(ds, d)
	}
	for _, d := range ds {
		if err := w.ready.PutNowait(d); err != nil {
			w.c.broker.refuse(d, 0) // Work was drained
		}
	}
	return ds
}

// unknownPause is the pause before a job that is not registered is delivered again.
const unknownPause = 5 * time.Second

// process handles a delivery: see the package comment. Its error ends Work.
func (w *worker) process(ctx context.Context, r *run) error {
	c, d := w.c, r.d
	reg := c.jobs[d.name]
	if reg == nil {
		slog.WarnContext(ctx, "aiojobs: a job is not registered", "job", d.name, "queue", d.queue, "id", d.id)
		c.broker.refuse(d, unknownPause)
		return nil
	}
	var o *outcome
	err := c.persist(ctx, func() (err error) {
		r.began = c.now()
		o, err = c.broker.result(ctx, d.id)
		return err
	})
	if err != nil {
		return w.giveBack(r, err)
	}
	if o != nil {
		c.stats.Skipped++
		c.broker.ack(d)
		return nil
	}
	if d.attempt > reg.opts.Attempts {
		return w.bury(ctx, r, reg, errors.New("the workers that ran the job have died"))
	}
	c.stats.Started++
	r.task = aio.CreateTask(context.WithValue(ctx, runKey{}, r), func(ctx context.Context) (data []byte, err error) {
		if reg.opts.Timeout == 0 {
			return reg.run(ctx, d.args)
		}
		err = aio.Timeout(ctx, reg.opts.Timeout, func(ctx context.Context) error {
			data, err = reg.run(ctx, d.args)
			return err
		})
		return data, err
	}, aio.WithName("run "+d.name+" "+d.id))
	data, err := r.task.Await(ctx)
	r.task = nil
	switch {
	case aio.CurrentTask(ctx).Cancelling() > 0:
		return w.giveBack(r, err)
	case r.cancelled:
		c.broker.ack(d)
		return nil
	case err == nil:
		return w.succeed(ctx, r, reg, data)
	case d.attempt >= reg.opts.Attempts, reg.opts.Retry != nil && !reg.opts.Retry(err):
		return w.bury(ctx, r, reg, err)
	}
	c.stats.Retried++
	c.broker.refuse(d, reg.opts.pause(d.attempt))
	return nil
}

// pause returns the time between a failed delivery and the next one.
func (o *JobOptions) pause(attempt int) time.Duration {
	d := o.Pause
	for range attempt - 1 {
		if d >= o.MaxPause/2 {
			return o.MaxPause
		}
		d *= 2
	}
	return min(d, o.MaxPause)
}

func (w *worker) succeed(ctx context.Context, r *run, reg *registration, data []byte) error {
	first, err := w.c.settle(ctx, r.d.id, &outcome{status: statusOK, data: data, attempts: r.d.attempt, ttl: reg.opts.ResultTTL})
	if err != nil {
		return w.giveBack(r, err)
	}
	if first {
		w.c.stats.Succeeded++
	} else {
		w.c.stats.Duplicates++
	}
	w.c.broker.ack(r.d)
	return nil
}

// bury ends a job that has failed for good.
func (w *worker) bury(ctx context.Context, r *run, reg *registration, reason error) error {
	c, d := w.c, r.d
	err := c.persist(ctx, func() error { return c.broker.bury(ctx, d, reason.Error()) })
	if err != nil {
		return w.giveBack(r, err)
	}
	_, err = c.settle(ctx, d.id, &outcome{status: statusFailed, data: []byte(reason.Error()), attempts: d.attempt, ttl: reg.opts.ResultTTL})
	if err != nil {
		return w.giveBack(r, err)
	}
	c.stats.Dead++
	c.broker.ack(d)
	return nil
}

// giveBack lets another worker have the job at once.
func (w *worker) giveBack(r *run, err error) error {
	w.c.broker.refuse(r.d, 0)
	return err
}

type runKey struct{}

// JobInfo describes the job that a task runs.
type JobInfo struct {
	ID       string // the [Handle.ID]
	Name     string
	Queue    string
	Attempt  int // 1 for the first delivery
	Priority Priority
	// Began is when the run began: it had no result that could be read before then.
	Began time.Time
}

// InfoOf returns the job whose run ctx belongs to; false if there is none. Any goroutine
// may call it.
func InfoOf(ctx context.Context) (JobInfo, bool) {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return JobInfo{}, false
	}
	d := r.d
	return JobInfo{ID: d.id, Name: d.name, Queue: d.queue, Attempt: d.attempt, Priority: d.priority, Began: r.began}, true
}

// reportInterval is the shortest time between two messages about progress.
const reportInterval = 50 * time.Millisecond

// Report tells the submitter the progress of the job that ctx belongs to: see
// [Handle.Progress]. It does not await. At most 20 messages a second are sent for a job,
// the latest progress always; they may be lost with a connection. It fails with
// [aio.ErrUsage] if ctx does not belong to a run.
func Report(ctx context.Context, p Progress) error {
	r, ok := ctx.Value(runKey{}).(*run)
	if !ok {
		return usage("Report", "ctx does not belong to the run of a job")
	}
	if r.pending == nil {
		wait := reportInterval - r.c.now().Sub(r.reported)
		r.c.loop.CallLater(max(wait, 0), func() {
			r.reported = r.c.now()
			data, err := json.Marshal(r.pending)
			if err != nil {
				panic(err) // integers and a string
			}
			r.pending = nil
			r.c.broker.progress(r.d.id, data)
		})
	}
	r.pending = &p
	return nil
}
