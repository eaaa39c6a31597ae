package aiojobs

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// Every makes the server submit the job again and again. The schedule is "@every 90s"
// with any duration of at least a second, a cron expression with seconds such as "0 30
// 4 * * *", or one of @hourly, @daily, @weekly, @monthly, @yearly, in UTC. name
// identifies it: another schedule of that name is replaced, and the same one continues,
// so each process may call Every when it starts. opts may have a priority only; nil
// means the default. Every awaits until the server has stored the schedule.
//
// The runs that are missed because no worker is there take place later, one run for
// each time. The run at a time of the schedule does not wait for the one before.
//
// It fails if the server does not understand the schedule, with [aio.ErrUsage] for a
// name or an option that is not valid, and with [ErrClosed].
func (j *Job[A, R]) Every(ctx context.Context, c *Client, name, schedule string, args A, opts *SubmitOptions) error {
	var o SubmitOptions
	if opts != nil {
		o = *opts
	}
	switch {
	case c == nil:
		return usage("Job.Every", "the client is nil")
	case c.closed:
		return ErrClosed
	case !names.MatchString(name):
		return usage("Job.Every", "the name has other characters than letters, digits, - and _")
	case o.Key != "" || o.Delay != 0 || !o.At.IsZero():
		return usage("Job.Every", "Key, Delay and At are for single jobs")
	case o.Priority < Normal || o.Priority > Low:
		return usage("Job.Every", "no such priority")
	case schedule == "":
		return usage("Job.Every", "the schedule is empty")
	}
	data, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("aiojobs: arguments of %s: %w", j.name, err)
	}
	m := &message{name: j.name, queue: j.opts.Queue, priority: o.Priority, args: data, schedule: schedule}
	return c.persist(ctx, func() error { return c.broker.schedule(ctx, name, m) })
}

// StopEvery ends a periodic job of [Job.Every], and reports whether there was one. Jobs
// that the server has submitted already are not affected. It awaits the server.
func (c *Client) StopEvery(ctx context.Context, name string) (found bool, err error) {
	if !names.MatchString(name) {
		return false, usage("Client.StopEvery", "the name has other characters than letters, digits, - and _")
	}
	err = c.persist(ctx, func() (err error) {
		found, err = c.broker.unschedule(ctx, name)
		return err
	})
	return found, err
}

// DeadLetter is a job that has failed for good.
type DeadLetter struct {
	ID       string // the [Handle.ID]
	Name     string
	Queue    string
	Attempts int
	Reason   string // the last error, up to 1000 bytes on one line
	Time     time.Time
	Args     json.RawMessage
	sequence uint64
}

// DeadLetters iterates over the dead letters of the namespace, the oldest first. It
// awaits the server for each dead letter. An error is yielded as the last item.
func (c *Client) DeadLetters(ctx context.Context) iter.Seq2[*DeadLetter, error] {
	return func(yield func(*DeadLetter, error) bool) {
		var after uint64
		for {
			var d *DeadLetter
			err := c.persist(ctx, func() (err error) {
				d, err = c.broker.dead(ctx, after)
				return err
			})
			if err != nil {
				yield(nil, err)
				return
			}
			if d == nil || !yield(d, nil) {
				return
			}
			after = d.sequence
		}
	}
}

// Resubmit submits a job that has failed for good once more, and removes its dead
// letter. The job keeps its id: its first result is forgotten, and [Job.Attach] awaits
// the next one. Its attempts are counted anew, its priority is normal. Resubmit awaits
// the server; if it fails or is cancelled, call it again.
func (c *Client) Resubmit(ctx context.Context, d *DeadLetter) error {
	if d == nil {
		return usage("Client.Resubmit", "the dead letter is nil")
	}
	if err := c.persist(ctx, func() error { return c.broker.forget(ctx, d.ID) }); err != nil {
		return err
	}
	m := &message{id: d.ID, name: d.Name, queue: d.Queue, args: d.Args, dedup: d.ID + ".again." + strconv.FormatUint(d.sequence, 10)}
	if err := c.publish(ctx, m); err != nil {
		return err
	}
	return c.Discard(ctx, d)
}

// Discard removes a dead letter. A dead letter that does not exist any more is not an
// error. Discard awaits the server.
func (c *Client) Discard(ctx context.Context, d *DeadLetter) error {
	if d == nil {
		return usage("Client.Discard", "the dead letter is nil")
	}
	return c.persist(ctx, func() error {
		_, err := c.broker.removeDead(ctx, d.sequence)
		return err
	})
}
