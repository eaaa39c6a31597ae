package aiojobs

// The tasks of the client's loop own the state of a Queue. A Get that waits has a
// goroutine, which posts its message to the loop.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/goaio/aio"
)

// Queue is a queue that several processes share, with the contract of [aio.Queue] as
// far as a distributed one can keep it:
//
//   - An item that was put survives each process. It is given to one getter at a time.
//   - [Queue.TaskDone] ends an item. An item whose getter dies, or cannot reach the
//     server for [Options.AckWait], is given to another getter, later than the items
//     behind it. So an item may be got more than once.
//   - The order is that in which the server has stored the items, with the exception
//     above. Getters that wait are served in no particular order among processes.
//   - Items that were taken and are not done count against the limit.
//   - A Put that fails may have put its item.
//   - [Queue.Shutdown] is for all processes, and for good: a queue of the same name can
//     be made after [Client.DeleteQueue].
//
// Every call asks the server, and so awaits. Items are passed as JSON. (asyncio: Queue)
type Queue[T any] struct {
	c        *Client
	b        *natsBroker
	name     string
	stream   string
	subject  string
	consumer jetstream.Consumer
	taken    map[aio.AnyTask][]*nats.Msg // not done, the oldest first
	keeper   *aio.Task[struct{}]
	news     *nats.Subscription // of Shutdown
	open     context.Context    // ends when the queue is known to be shut down
	shut     context.CancelFunc
}

// shutSize is the maximum size of a message in a queue that was shut down. No item is so
// small, since its message has an id; so the server itself refuses to put it.
const shutSize = 1

// OpenQueue opens the queue with that name, of up to maxsize items, and makes it if it
// is missing; zero or less means no limit. It awaits the server. Call [Queue.Close] at
// the end, before [Client.Close]. A queue that was shut down can be opened, to get
// its items.
//
// It fails with [aio.ErrUsage] if the name is not valid or the queue has another maxsize,
// and with [ErrClosed].
func OpenQueue[T any](ctx context.Context, c *Client, name string, maxsize int) (*Queue[T], error) {
	switch {
	case c == nil:
		return nil, usage("OpenQueue", "the client is nil")
	case c.closed:
		return nil, ErrClosed
	case !names.MatchString(name):
		return nil, usage("OpenQueue", "the name has other characters than letters, digits, - and _")
	}
	b, ok := c.broker.(*natsBroker)
	if !ok {
		return nil, fmt.Errorf("aiojobs: a queue needs a server: %w", errors.ErrUnsupported)
	}
	if maxsize <= 0 {
		maxsize = -1
	}
	q := &Queue[T]{
		c: c, b: b, name: name, stream: b.ns + "_queue_" + name, subject: b.ns + ".queue." + name,
		taken: map[aio.AnyTask][]*nats.Msg{},
	}
	q.open, q.shut = context.WithCancel(context.Background())
	stream := jetstream.StreamConfig{
		Name: q.stream, Subjects: []string{q.subject}, Retention: jetstream.WorkQueuePolicy,
		Discard: jetstream.DiscardNew, MaxMsgs: int64(maxsize), Replicas: b.replicas,
	}
	consumer := jetstream.ConsumerConfig{
		Durable: "getters", AckPolicy: jetstream.AckExplicitPolicy, AckWait: c.opts.AckWait, MaxDeliver: -1, MaxAckPending: -1,
	}
	config, err := aio.ToThread(ctx, func(ctx context.Context) (config jetstream.StreamConfig, err error) {
		err = b.repeat(ctx, func(ctx context.Context) error {
			s, err := b.js.CreateStream(ctx, stream)
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
				// An update could undo a Shutdown.
				s, err = b.js.Stream(ctx, q.stream)
			}
			if err != nil {
				return err
			}
			config = s.CachedInfo().Config
			q.consumer, err = b.js.CreateOrUpdateConsumer(ctx, q.stream, consumer)
			return err
		})
		if err == nil {
			q.news, err = b.nc.Subscribe(q.shutSubject(), func(*nats.Msg) { q.shut() })
		}
		return config, err
	})
	if err != nil {
		return nil, fmt.Errorf("aiojobs: opening queue %s: %w", name, err)
	}
	if config.MaxMsgs != int64(maxsize) {
		err := usage("OpenQueue", fmt.Sprintf("queue %s has maxsize %d, not %d", name, max(config.MaxMsgs, 0), max(maxsize, 0)))
		return nil, errors.Join(err, q.unsubscribe(ctx))
	}
	if config.MaxMsgSize == shutSize {
		q.shut()
	}
	q.keeper = aio.CreateTask(ctx, aio.NoResult(q.keep), aio.WithName("aiojobs queue "+name))
	return q, nil
}

func (q *Queue[T]) shutSubject() string { return q.b.ns + ".shutdown." + q.name }

func (q *Queue[T]) unsubscribe(ctx context.Context) error {
	_, err := aio.ToThread(context.WithoutCancel(ctx), func(context.Context) (struct{}, error) {
		_ = q.news.Unsubscribe() // fails only without a connection
		return struct{}{}, nil
	})
	return err
}

// keep tells the server that the items are in use, and reads whether the queue was shut
// down: the news of that may have been lost.
func (q *Queue[T]) keep(ctx context.Context) error {
	for {
		if err := aio.Sleep(ctx, q.c.opts.AckWait/3); err != nil {
			return err
		}
		if q.open.Err() == nil {
			if _, _, err := q.counts(ctx); aio.IsCancellation(err) {
				return err
			}
		}
		for _, ms := range q.taken {
			for _, m := range ms {
				q.b.send(m.Reply, []byte("+WPI"))
			}
		}
	}
}

// Close gives the items that were taken and are not done to other getters. The queue
// itself remains.
func (q *Queue[T]) Close(ctx context.Context) error {
	for _, ms := range q.taken {
		for _, m := range ms {
			q.b.send(m.Reply, []byte("-NAK"))
		}
	}
	clear(q.taken)
	return errors.Join(aio.CancelAndWait(ctx, q.keeper), q.unsubscribe(ctx))
}

// Shutdown shuts the queue down, for all processes: Put fails with
// [aio.ErrQueueShutDown] from then on, and so does Get once no item is left. Those that
// wait return at once; if the news does not reach a process, after a third of
// [Options.AckWait]. If immediate is true, Shutdown also takes and ends the items that no
// getter has. Items that getters have are not affected: Join awaits them, and one whose
// getter dies is in the queue again, for a later Get.
//
// It awaits until the server has stored this, and may be called again. If it fails or is
// cancelled, the queue may be shut down or not. (asyncio: Queue.shutdown, which does not
// await)
func (q *Queue[T]) Shutdown(ctx context.Context, immediate bool) error {
	_, err := aio.ToThread(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, q.b.repeat(ctx, func(ctx context.Context) error {
			s, err := q.b.js.Stream(ctx, q.stream)
			if err != nil {
				return err
			}
			if config := s.CachedInfo().Config; config.MaxMsgSize != shutSize {
				config.MaxMsgSize = shutSize
				if _, err := q.b.js.UpdateStream(ctx, config); err != nil {
					return err
				}
			}
			if !immediate {
				return nil
			}
			return q.endAll(ctx)
		})
	})
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		if aio.IsCancellation(err) {
			return err
		}
		return fmt.Errorf("aiojobs: shutting down queue %s: %w", q.name, err)
	}
	q.shut()
	q.b.send(q.shutSubject(), nil)
	return nil
}

// endAll takes and ends the items that no getter has, and returns when they have left the
// stream. It may block.
func (q *Queue[T]) endAll(ctx context.Context) error {
	for {
		batch, err := q.consumer.FetchNoWait(1000)
		if err != nil {
			return err
		}
		var last jetstream.Msg
		for m := range batch.Messages() {
			if last != nil {
				err = errors.Join(err, last.Ack())
			}
			last = m
		}
		if err := errors.Join(err, batch.Error()); err != nil {
			return err
		}
		if last != nil {
			// The server handles acknowledgements in order: this waits for
			// all of them.
			if err := last.DoubleAck(ctx); err != nil {
				return err
			}
			continue
		}
		// An item leaves the stream some time after its acknowledgement.
		s, err := q.b.js.Stream(ctx, q.stream)
		if err != nil {
			return err
		}
		c, err := q.consumer.Info(ctx)
		if err != nil {
			return err
		}
		if s.CachedInfo().State.Msgs <= uint64(c.NumAckPending) {
			return nil
		}
		if !pause(ctx, time.Millisecond) {
			return ctx.Err()
		}
	}
}

// DeleteQueue removes a queue and its items, and reports whether there was one. For those
// who have it open it is a queue that was shut down. It awaits the server.
func (c *Client) DeleteQueue(ctx context.Context, name string) (found bool, err error) {
	b, ok := c.broker.(*natsBroker)
	switch {
	case c.closed:
		return false, ErrClosed
	case !names.MatchString(name):
		return false, usage("Client.DeleteQueue", "the name has other characters than letters, digits, - and _")
	case !ok:
		return false, fmt.Errorf("aiojobs: a queue needs a server: %w", errors.ErrUnsupported)
	}
	err = c.persist(ctx, func() error {
		var answer struct {
			Success bool `json:"success"`
		}
		e := b.api(ctx, "STREAM.DELETE."+b.ns+"_queue_"+name, nil, &answer)
		if e != nil && e.code != codeNoStream {
			return e.err
		}
		found = answer.Success
		return nil
	})
	if err == nil {
		b.send(b.ns+".shutdown."+name, nil)
	}
	return found, err
}

// Put adds an item, and awaits until the server has stored it. While the queue is full it
// waits for room, and while no server answers it repeats the request; a repeated request
// adds one item. It fails with [aio.ErrQueueShutDown] if the queue was shut down, also
// meanwhile. (asyncio: Queue.put)
func (q *Queue[T]) Put(ctx context.Context, item T) error {
	put, err := q.putter(item)
	if err != nil {
		return err
	}
	for d := time.Millisecond; ; d = min(2*d, 250*time.Millisecond) {
		if err := put(ctx); !errors.Is(err, errFull) {
			return err
		}
		if err := aio.Sleep(ctx, d); err != nil {
			return err
		}
	}
}

// PutNowait is [Queue.Put], but fails with [aio.ErrQueueFull] if there is no room. It
// awaits the answer of the server. (asyncio: Queue.put_nowait)
func (q *Queue[T]) PutNowait(ctx context.Context, item T) error {
	put, err := q.putter(item)
	if err != nil {
		return err
	}
	if err := put(ctx); !errors.Is(err, errFull) {
		return err
	}
	return aio.ErrQueueFull
}

// putter returns a function that makes attempts to put an item.
func (q *Queue[T]) putter(item T) (func(ctx context.Context) error, error) {
	data, err := json.Marshal(item)
	if err != nil {
		return nil, fmt.Errorf("aiojobs: item of %s: %w", q.subject, err)
	}
	id := q.c.newID()
	return func(ctx context.Context) error {
		return q.c.persist(ctx, func() error {
			m := &nats.Msg{Subject: q.subject, Data: data, Header: nats.Header{jetstream.MsgIDHeader: {id}}}
			e := q.b.store(ctx, m)
			switch {
			case e == nil:
				return nil
			case e.code == codeTooLarge:
				q.shut()
				return aio.ErrQueueShutDown
			case errors.Is(e.err, nats.ErrNoResponders):
				// It is starting, or the queue was deleted.
				if _, _, err := q.counts(ctx); err == nil && q.open.Err() != nil {
					return aio.ErrQueueShutDown
				}
			}
			return e.err
		})
	}, nil
}

// Get takes the next item, and awaits until there is one. The calling task has to call
// [Queue.TaskDone] when it has processed the item. A Get that is cancelled takes
// nothing: an item on its way is given back. It fails with [aio.ErrQueueShutDown] if the
// queue was shut down and has no item. (asyncio: Queue.get)
func (q *Queue[T]) Get(ctx context.Context) (T, error) { return q.get(ctx, false) }

// GetNowait is [Queue.Get], but fails with [aio.ErrQueueEmpty] if there is no item. It
// awaits the answer of the server. (asyncio: Queue.get_nowait)
func (q *Queue[T]) GetNowait(ctx context.Context) (T, error) { return q.get(ctx, true) }

func (q *Queue[T]) get(ctx context.Context, nowait bool) (T, error) {
	var item T
	m, err := q.fetch(ctx, nowait || q.open.Err() != nil)
	if errors.Is(err, errShutMeanwhile) {
		m, err = q.fetch(ctx, true)
	}
	if errors.Is(err, aio.ErrQueueEmpty) {
		if q.open.Err() == nil {
			if _, _, err := q.counts(ctx); err != nil {
				return item, err
			}
		}
		if q.open.Err() != nil {
			err = aio.ErrQueueShutDown
		}
	}
	if err != nil {
		return item, err
	}
	if err := json.Unmarshal(m.Data, &item); err != nil {
		return item, fmt.Errorf("aiojobs: item of %s: %w", q.subject, err)
	}
	task := aio.CurrentTask(ctx)
	q.taken[task] = append(q.taken[task], m)
	return item, nil
}

// errShutMeanwhile is the error of a fetch that waited when the queue was shut down.
var errShutMeanwhile = errors.New("aiojobs: the queue was shut down")

// fetch awaits a message.
func (q *Queue[T]) fetch(ctx context.Context, nowait bool) (*nats.Msg, error) {
	f := aio.CreateFuture[*nats.Msg](ctx)
	parent := q.open
	if nowait {
		parent = context.Background()
	}
	fetching, cancel := context.WithCancel(parent)
	defer cancel()
	go func() {
		m, err := q.receive(fetching, nowait)
		q.b.post(func() {
			switch {
			case f.Done() && m != nil: // the Get was cancelled
				q.b.send(m.Reply, []byte("-NAK"))
			case f.Done():
			case err != nil:
				f.SetException(err)
			default:
				f.SetResult(m)
			}
		})
	}()
	m, err := f.Await(ctx)
	if err != nil {
		// Cancelled at the last moment: there may be an item.
		if f.Done() && !f.Failed() && !f.Cancelled() {
			if m, rerr := f.Result(); rerr == nil {
				q.b.send(m.Reply, []byte("-NAK"))
			}
		}
		return nil, err
	}
	return m, nil
}

// receive blocks until there is an item, ctx ends or, with nowait, the server has none.
func (q *Queue[T]) receive(ctx context.Context, nowait bool) (*nats.Msg, error) {
	for {
		m, status, err := q.pull(ctx, nowait)
		switch {
		case m != nil:
			return m, nil
		case ctx.Err() != nil:
			return nil, errShutMeanwhile // or the Get was cancelled
		case errors.Is(err, nats.ErrConnectionClosed):
			return nil, ErrClosed
		case nowait && (status == "404" || status == "408"):
			return nil, aio.ErrQueueEmpty
		case status == "404" || status == "408": // expired
			continue
		case status == "503" || status == "409":
			// The server is starting or stopping, or the queue was deleted.
			if _, err := q.b.js.Stream(ctx, q.stream); errors.Is(err, jetstream.ErrStreamNotFound) {
				return nil, aio.ErrQueueShutDown
			}
		}
		pause(ctx, pullPause)
	}
}

// pull asks the server for one message, and blocks until it arrives, the server ends the
// request with a status, or is silent, or ctx ends.
func (q *Queue[T]) pull(ctx context.Context, nowait bool) (m *nats.Msg, status string, err error) {
	b := q.b
	arrived := make(chan *nats.Msg, 64)
	inbox := nats.NewInbox()
	sub, err := b.nc.ChanSubscribe(inbox, arrived)
	if err != nil {
		return nil, "", err
	}
	defer func() {
		if m != nil || status != "" {
			_ = sub.Unsubscribe() // fails only without a connection
			return
		}
		// A message that the server has sent before it knows of the end is taken,
		// so that it need not wait for AckWait.
		if errors.Join(sub.Drain(), b.nc.FlushTimeout(b.timeout)) != nil {
			return
		}
		for len(arrived) > 0 && m == nil {
			if late := <-arrived; late.Header.Get("Status") == "" {
				m = late
			}
		}
	}()
	request := fmt.Appendf(nil, `{"batch":1,"expires":%d,"idle_heartbeat":%d}`, pullExpires, b.timeout)
	if nowait {
		request = []byte(`{"batch":1,"no_wait":true}`)
	}
	if err := b.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+q.stream+".getters", inbox, request); err != nil {
		return nil, "", err
	}
	silence := time.NewTimer(2 * b.timeout)
	defer silence.Stop()
	for {
		select {
		case m := <-arrived:
			switch status := m.Header.Get("Status"); status {
			case "":
				return m, "", nil
			case "100": // heartbeat
				silence.Reset(2 * b.timeout)
			default:
				return nil, status, nil
			}
		case <-silence.C:
			return nil, "", nil
		case <-ctx.Done():
			return nil, "", ctx.Err()
		}
	}
}

// TaskDone completes the oldest item that the calling task has got and not completed:
// no getter gets the item again. It does not wait for the server: if the
// acknowledgement is lost, another getter gets the item. It fails with
// [aio.ErrOverRelease] if the task has no item. (asyncio: Queue.task_done, which any
// task may call: here the items are those of one task)
func (q *Queue[T]) TaskDone(ctx context.Context) error {
	task := aio.CurrentTask(ctx)
	ms := q.taken[task]
	if len(ms) == 0 {
		return fmt.Errorf("aiojobs: Queue.TaskDone: %w", aio.ErrOverRelease)
	}
	q.b.send(ms[0].Reply, []byte("+ACK"))
	if q.taken[task] = ms[1:]; len(ms) == 1 {
		delete(q.taken, task)
	}
	return nil
}

// QSize returns the number of items that no getter has. (asyncio: Queue.qsize)
func (q *Queue[T]) QSize(ctx context.Context) (int, error) {
	all, taken, err := q.counts(ctx)
	return max(all-taken, 0), err
}

// Join awaits until all items of the queue are done, no matter which process has put
// them. It asks the server again and again. (asyncio: Queue.join)
func (q *Queue[T]) Join(ctx context.Context) error {
	for d := time.Millisecond; ; d = min(2*d, 250*time.Millisecond) {
		all, _, err := q.counts(ctx)
		if err != nil || all == 0 {
			return err
		}
		if err := aio.Sleep(ctx, d); err != nil {
			return err
		}
	}
}

// counts returns the number of items, and of those that getters have. It notices that the
// queue was shut down or deleted.
func (q *Queue[T]) counts(ctx context.Context) (all, taken int, err error) {
	var stream struct {
		Config struct {
			MaxMsgSize int `json:"max_msg_size"`
		} `json:"config"`
		State struct {
			Messages int `json:"messages"`
		} `json:"state"`
	}
	var consumer struct {
		Taken int `json:"num_ack_pending"`
	}
	err = q.c.persist(ctx, func() error {
		e := q.b.api(ctx, "STREAM.INFO."+q.stream, nil, &stream)
		if e == nil {
			e = q.b.api(ctx, "CONSUMER.INFO."+q.stream+".getters", nil, &consumer)
		}
		switch {
		case e == nil:
			return nil
		case e.code == codeNoStream:
			q.shut()
			return nil
		}
		return e.err
	})
	if stream.Config.MaxMsgSize == shutSize {
		q.shut()
	}
	return stream.State.Messages, consumer.Taken, err
}
