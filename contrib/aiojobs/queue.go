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
//   - There is no Shutdown.
//
// Every call asks the server, and so awaits. Items are passed as JSON.
type Queue[T any] struct {
	c        *Client
	b        *natsBroker
	stream   string
	subject  string
	consumer jetstream.Consumer
	taken    map[aio.AnyTask][]jetstream.Msg // not done, the oldest first
	keeper   *aio.Task[struct{}]
}

// OpenQueue opens the queue with that name, of up to maxsize items, and makes it if it
// is missing; zero or less means no limit. It awaits the server. Call [Queue.Close] at
// the end, before [Client.Close].
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
	q := &Queue[T]{c: c, b: b, stream: b.ns + "_queue_" + name, subject: b.ns + ".queue." + name, taken: map[aio.AnyTask][]jetstream.Msg{}}
	stream := jetstream.StreamConfig{
		Name: q.stream, Subjects: []string{q.subject}, Retention: jetstream.WorkQueuePolicy,
		Discard: jetstream.DiscardNew, MaxMsgs: int64(maxsize), Replicas: b.replicas,
	}
	consumer := jetstream.ConsumerConfig{
		Durable: "getters", AckPolicy: jetstream.AckExplicitPolicy, AckWait: c.opts.AckWait, MaxDeliver: -1, MaxAckPending: -1,
	}
	_, err := aio.ToThread(ctx, func(ctx context.Context) (struct{}, error) {
		for {
			err := b.try(ctx, func(ctx context.Context) (err error) {
				if _, err = b.js.CreateOrUpdateStream(ctx, stream); err == nil {
					q.consumer, err = b.js.CreateOrUpdateConsumer(ctx, q.stream, consumer)
				}
				return err
			})
			if err == nil || permanent(err) || !pause(ctx, pullPause) {
				return struct{}{}, err
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("aiojobs: opening queue %s: %w", name, err)
	}
	q.keeper = aio.CreateTask(ctx, aio.NoResult(q.keep), aio.WithName("aiojobs queue "+name))
	return q, nil
}

// keep tells the server that the items are in use.
func (q *Queue[T]) keep(ctx context.Context) error {
	for {
		if err := aio.Sleep(ctx, q.c.opts.AckWait/3); err != nil {
			return err
		}
		for _, ms := range q.taken {
			for _, m := range ms {
				q.b.send(m.Reply(), []byte("+WPI"))
			}
		}
	}
}

// Close gives the items that were taken and are not done to other getters. The queue
// itself remains.
func (q *Queue[T]) Close(ctx context.Context) error {
	for _, ms := range q.taken {
		for _, m := range ms {
			q.b.send(m.Reply(), []byte("-NAK"))
		}
	}
	clear(q.taken)
	return aio.CancelAndWait(ctx, q.keeper)
}

// Put adds an item, and awaits until the server has stored it. While the queue is full it
// waits for room, and while no server answers it repeats the request; a repeated request
// adds one item. (asyncio: Queue.put)
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
			if e := q.b.store(ctx, m); e != nil {
				return e.err
			}
			return nil
		})
	}, nil
}

// Get takes the next item, and awaits until there is one. The calling task has to call
// [Queue.TaskDone] when it has processed the item. A Get that is cancelled takes
// nothing: an item on its way goes to another getter. (asyncio: Queue.get)
func (q *Queue[T]) Get(ctx context.Context) (T, error) { return q.get(ctx, false) }

// GetNowait is [Queue.Get], but fails with [aio.ErrQueueEmpty] if there is no item. It
// awaits the answer of the server. (asyncio: Queue.get_nowait)
func (q *Queue[T]) GetNowait(ctx context.Context) (T, error) { return q.get(ctx, true) }

func (q *Queue[T]) get(ctx context.Context, nowait bool) (T, error) {
	var item T
	f := aio.CreateFuture[jetstream.Msg](ctx)
	fetching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		m, err := q.fetch(fetching, nowait)
		q.b.post(func() {
			switch {
			case f.Done() && m != nil: // the Get was cancelled
				q.b.send(m.Reply(), []byte("-NAK"))
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
				q.b.send(m.Reply(), []byte("-NAK"))
			}
		}
		return item, err
	}
	if err := json.Unmarshal(m.Data(), &item); err != nil {
		return item, fmt.Errorf("aiojobs: item of %s: %w", q.subject, err)
	}
	task := aio.CurrentTask(ctx)
	q.taken[task] = append(q.taken[task], m)
	return item, nil
}

// fetch blocks until there is an item, ctx ends or, with nowait, the server has none.
func (q *Queue[T]) fetch(ctx context.Context, nowait bool) (jetstream.Msg, error) {
	for {
		var batch jetstream.MessageBatch
		var err error
		if nowait {
			batch, err = q.consumer.FetchNoWait(1)
		} else {
			batch, err = q.consumer.Fetch(1, jetstream.FetchContext(ctx))
		}
		if err == nil {
			for m := range batch.Messages() {
				return m, nil
			}
			err = batch.Error()
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, nats.ErrConnectionClosed):
			return nil, ErrClosed
		case nowait && (err == nil || errors.Is(err, nats.ErrTimeout)):
			return nil, aio.ErrQueueEmpty
		case err != nil && !pause(ctx, pullPause):
			return nil, ctx.Err()
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
	q.b.send(ms[0].Reply(), []byte("+ACK"))
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

// counts returns the number of items, and of those that getters have.
func (q *Queue[T]) counts(ctx context.Context) (all, taken int, err error) {
	var stream struct {
		State struct {
			Messages int `json:"messages"`
		} `json:"state"`
	}
	var consumer struct {
		Taken int `json:"num_ack_pending"`
	}
	err = q.c.persist(ctx, func() error {
		if e := q.b.api(ctx, "STREAM.INFO."+q.stream, nil, &stream); e != nil {
			return e.err
		}
		if e := q.b.api(ctx, "CONSUMER.INFO."+q.stream+".getters", nil, &consumer); e != nil {
			return e.err
		}
		return nil
	})
	return stream.State.Messages, consumer.Taken, err
}
