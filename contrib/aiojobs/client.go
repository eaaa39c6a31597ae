package aiojobs

// The tasks and callbacks of the loop that called Open own the state of a Client.

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/goaio/aio"
)

// Options are the settings of [Open]. Clients of one namespace should agree about those
// of the streams: MaxPending, ResultTTL, DeadTTL, DedupWindow, AckWait, Replicas. The
// client that opened last decides.
type Options struct {
	// Namespace is the prefix of all streams and subjects; "" means jobs.
	Namespace string
	// URLs are the addresses of servers, such as "127.0.0.1:4222". Without URLs and
	// Server, Open starts a server with the data in Dir, see [ServerOptions.Dir].
	URLs   []string
	Server *Server
	Dir    string
	// NATS are further options of the connection: TLS, credentials.
	NATS []nats.Option

	// MaxPending is the maximum number of jobs that are not done; [Job.Submit] awaits
	// while there is no room. Zero means 1 000 000. Delayed and periodic jobs are
	// not counted, and not limited.
	MaxPending int64
	// ResultTTL is how long a result can be read; zero means 1 h.
	ResultTTL time.Duration
	// DeadTTL is how long a dead letter is kept; zero means 30 days.
	DeadTTL time.Duration
	// DedupWindow is how long a key is remembered after its submission; zero means
	// 10 min. The server keeps the keys in memory.
	DedupWindow time.Duration
	// AckWait is how long a worker may be silent before its jobs are given to
	// another worker; zero means 30 s.
	AckWait time.Duration
	// Replicas is the number of servers that keep each message, 1, 3 or 5; zero means
	// 3 if the server belongs to a cluster, else 1.
	Replicas int
	// RequestTimeout is how long to wait for an answer of the server before a
	// request is repeated; zero means 3 s.
	RequestTimeout time.Duration
	// Poll is how often results that are awaited are read, in case a notification
	// was lost; zero means 5 s.
	Poll time.Duration
}

func defaulted[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Stats are the counters of a [Client].
type Stats struct {
	Submitted  int // jobs that the server has accepted
	Started    int // runs that have begun
	Succeeded  int // runs whose result was the first to be stored
	Retried    int // failed runs that will be repeated
	Dead       int // failed runs after which the job was not repeated
	Skipped    int // deliveries of jobs that had a result already
	Duplicates int // runs that ended after another run had stored the result
	Running    int // runs now
	Waiting    int // deliveries that wait for a free place now
	Awaited    int // submitted jobs of this client whose result is not known yet
}

// Client submits jobs, runs them, and awaits their results. It belongs to the loop whose
// task called [Open]; its methods must be called by tasks of this loop, or callbacks if
// they do not take a ctx.
type Client struct {
	loop    *aio.Loop
	opts    Options
	broker  broker
	id      string
	serial  uint64
	jobs    map[string]*registration
	tracked map[string]*tracked
	worker  *worker
	drained bool // the next Work returns at once
	stats   Stats
	lost    aio.Event // set if notifications may have been lost
	poller  *aio.Task[struct{}]
	stop    []func(ctx context.Context) error // called by Close in reverse order
	closed  bool
}

// ErrClosed is the error of calls of a client that was closed.
var ErrClosed = errors.New("aiojobs: the client is closed")

// names are allowed for namespaces, queues, jobs and schedules.
var names = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Open connects to a server and makes the streams that are missing; nil means the
// defaults: a server in this process, with its data in the folder aiojobs.data. It
// awaits until the server, or enough servers of a cluster, are there. Call
// [Client.Close] at the end.
//
// It fails with an error of the server if the server refuses the streams, for example
// because they need more replicas than there are servers, and with one that matches
// [aio.ErrUsage] if options contradict each other. A cancelled Open leaves nothing
// behind.
func Open(ctx context.Context, opts *Options) (*Client, error) {
	c, o, err := newClient(ctx, opts)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Client, error) {
		return nil, errors.Join(err, c.Close(ctx))
	}
	var extra []nats.Option
	switch {
	case len(o.URLs) > 0 && (o.Server != nil || o.Dir != ""), o.Server != nil && o.Dir != "":
		return nil, usage("Open", "only one of URLs, Server and Dir can be set")
	case len(o.URLs) == 0 && o.Server == nil:
		if o.Server, err = StartServer(ctx, &ServerOptions{Dir: o.Dir}); err != nil {
			return nil, err
		}
		c.stop = append(c.stop, o.Server.Stop)
	}
	if o.Server != nil {
		extra = append(extra, nats.InProcessServer(o.Server.s))
	}
	b, err := connectNATS(ctx, c.loop, o, c, extra...)
	if err != nil {
		return fail(err)
	}
	c.stop = append(c.stop, b.close)
	c.start(ctx, b, b.client)
	return c, nil
}

func newClient(ctx context.Context, opts *Options) (*Client, *Options, error) {
	l, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return nil, nil, err
	}
	c := &Client{loop: l, jobs: map[string]*registration{}, tracked: map[string]*tracked{}}
	o := &c.opts
	if opts != nil {
		*o = *opts
	}
	defaulted(&o.Namespace, "jobs")
	defaulted(&o.MaxPending, 1_000_000)
	defaulted(&o.ResultTTL, time.Hour)
	defaulted(&o.DeadTTL, 30*24*time.Hour)
	defaulted(&o.DedupWindow, 10*time.Minute)
	defaulted(&o.AckWait, 30*time.Second)
	defaulted(&o.RequestTimeout, 3*time.Second)
	defaulted(&o.Poll, 5*time.Second)
	if !names.MatchString(o.Namespace) {
		return nil, nil, usage("Open", "Namespace has other characters than letters, digits, - and _")
	}
	if o.MaxPending < 0 || min(o.ResultTTL, o.DeadTTL, o.DedupWindow, o.AckWait, o.RequestTimeout, o.Poll) < 0 {
		return nil, nil, usage("Open", "a limit or a duration is negative")
	}
	return c, o, nil
}

// start begins to use the broker.
func (c *Client) start(ctx context.Context, b broker, id string) {
	c.broker, c.id = b, id
	c.poller = aio.CreateTask(ctx, aio.NoResult(c.poll), aio.WithName("aiojobs poll"))
}

// Close ends the client: it awaits until what it has sent is written, and stops the
// server that Open has started. Cancel or drain [Client.Work] first: its runs fail
// otherwise. Awaits of results fail with [ErrClosed]; the jobs are not affected. A second
// Close does nothing. Close also takes place if the task is cancelled meanwhile.
func (c *Client) Close(ctx context.Context) error {
	if c.closed {
		return nil
	}
	c.closed = true
	return aio.Shielded(ctx, func(ctx context.Context) error {
		var errs []error
		if c.poller != nil {
			errs = append(errs, aio.CancelAndWait(ctx, c.poller))
		}
		for _, id := range slices.Sorted(maps.Keys(c.tracked)) {
			t := c.tracked[id]
			t.result.SetResult(nil)
			t.changed.Set()
		}
		clear(c.tracked)
		for _, stop := range slices.Backward(c.stop) {
			errs = append(errs, stop(ctx))
		}
		return errors.Join(errs...)
	})
}

// Stats returns the counters of the client.
func (c *Client) Stats() Stats {
	s := c.stats
	s.Awaited = len(c.tracked)
	if w := c.worker; w != nil {
		s.Running, s.Waiting = len(w.running), w.ready.QSize()
	}
	return s
}

// persist repeats f while the broker does not answer.
func (c *Client) persist(ctx context.Context, f func() error) error {
	for d := 10 * time.Millisecond; ; d = min(2*d, time.Second) {
		if c.closed {
			return ErrClosed
		}
		err := f()
		if err == nil || !errors.Is(err, errUnavailable) {
			return err
		}
		if err := aio.Sleep(ctx, d); err != nil {
			return err
		}
	}
}

// result reads a result, which may be nil.
func (c *Client) result(ctx context.Context, id string) (o *outcome, err error) {
	err = c.persist(ctx, func() (err error) {
		o, err = c.broker.result(ctx, id)
		return err
	})
	return o, err
}

// settle stores a result, and reports whether it is the first one. If an answer was
// lost, the stored result may be that of this call. settle cannot know that, and
// returns false.
func (c *Client) settle(ctx context.Context, id string, o *outcome) (first bool, err error) {
	err = c.persist(ctx, func() (err error) {
		first, err = c.broker.settle(ctx, id, o)
		return err
	})
	return first, err
}

// newID makes an id that no other client makes.
func (c *Client) newID() string {
	c.serial++
	return c.id + "." + strconv.FormatUint(c.serial, 36)
}

// tracked is a job whose result this client awaits.
type tracked struct {
	id       string
	result   *aio.Future[*outcome] // the value is nil if the client was closed
	watched  bool                  // whether the broker was told to watch it
	progress []byte
	changed  aio.Event // set when there is progress or the result
}

// track returns the state of a job; the first call for an id makes it.
func (c *Client) track(ctx context.Context, id string, watch bool) *tracked {
	t := c.tracked[id]
	if t == nil {
		t = &tracked{id: id, result: aio.CreateFuture[*outcome](ctx), watched: watch}
		c.tracked[id] = t
		if watch {
			c.broker.watch(id)
		}
	}
	return t
}

func (c *Client) untrack(t *tracked) {
	if c.tracked[t.id] == t {
		delete(c.tracked, t.id)
		if t.watched {
			c.broker.unwatch(t.id)
		}
	}
}

// settled implements events.
func (c *Client) settled(id string, o *outcome) {
	if t := c.tracked[id]; t != nil {
		c.untrack(t)
		t.result.SetResult(o)
		t.changed.Set()
	}
}

// progressed implements events.
func (c *Client) progressed(id string, data []byte) {
	if t := c.tracked[id]; t != nil {
		t.progress = data
		t.changed.Set()
	}
}

// reconnected implements events.
func (c *Client) reconnected() { c.lost.Set() }

// poll reads the results whose notifications may have been lost.
func (c *Client) poll(ctx context.Context) error {
	old := map[string]bool{} // ids that were tracked a round ago
	for {
		all := false
		if err := aio.Timeout(ctx, c.opts.Poll, c.lost.Wait); err == nil {
			all = true
			c.lost.Clear()
		} else if !errors.Is(err, aio.ErrTimeout) {
			return err
		}
		ids := make([]string, 0, len(c.tracked))
		for id := range c.tracked {
			if all || old[id] {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		for _, id := range ids {
			if c.tracked[id] == nil {
				continue
			}
			o, err := c.result(ctx, id)
			if aio.IsCancellation(err) {
				return err
			}
			if err == nil && o != nil {
				c.settled(id, o)
			}
		}
		clear(old)
		for id := range c.tracked {
			old[id] = true
		}
	}
}

// now is the time of the loop, virtual in a simulation.
func (c *Client) now() time.Time { return c.loop.Time() }
