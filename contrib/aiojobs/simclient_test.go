package aiojobs

// The broker of a Client in a simulation: a connection to a simServer, which it makes
// anew when it is lost.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/goaio/aio"
)

type simClient struct {
	loop     *aio.Loop
	events   events
	id       string
	opts     *Options
	w        *aio.StreamWriter // nil without a connection
	heard    time.Time
	requests map[uint64]*aio.Future[*frame]
	last     uint64
	queues   map[string]time.Duration // that are subscribed to
	pulls    map[string]int           // messages that a request may still bring
	watched  map[string]bool
	up       aio.Event
	task     *aio.Task[struct{}]
}

var _ broker = (*simClient)(nil)

// openSim is Open with a simulated server. No other client has the id.
func openSim(ctx context.Context, addr, id string, opts *Options) (*Client, error) {
	c, o, err := newClient(ctx, opts)
	if err != nil {
		return nil, err
	}
	b := &simClient{
		loop: c.loop, events: c, id: id, opts: o, requests: map[uint64]*aio.Future[*frame]{},
		queues: map[string]time.Duration{}, pulls: map[string]int{}, watched: map[string]bool{},
	}
	b.task = aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return b.run(ctx, addr) }))
	c.stop = append(c.stop, func(ctx context.Context) error {
		return aio.CancelAndWait(ctx, b.task)
	})
	if err := b.up.Wait(ctx); err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	c.start(ctx, b, id)
	return c, nil
}

// run keeps a connection.
func (b *simClient) run(ctx context.Context, addr string) error {
	for {
		r, w, err := aio.OpenConnection(ctx, addr, nil)
		if err == nil {
			err = b.connected(ctx, r, w)
		}
		if aio.IsCancellation(err) {
			return err
		}
		if err := aio.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func (b *simClient) connected(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	b.w, b.heard = w, b.loop.Time()
	defer func() { b.w = nil }()
	b.send(frame{Op: "hello", ID: b.id})
	for _, q := range slices.Sorted(maps.Keys(b.queues)) {
		b.send(frame{Op: "subscribe", Queue: q, Wait: b.queues[q]})
	}
	for _, id := range slices.Sorted(maps.Keys(b.watched)) {
		b.send(frame{Op: "watch", ID: id})
	}
	clear(b.pulls)
	if b.up.IsSet() {
		for _, q := range slices.Sorted(maps.Keys(b.queues)) {
			b.events.requestEnded(q)
		}
		b.events.reconnected()
	}
	b.up.Set()
	var check func()
	var timer *aio.TimerHandle
	check = func() {
		if b.loop.Time().Sub(b.heard) > 3*b.opts.RequestTimeout {
			w.Transport().Abort()
			return
		}
		b.send(frame{Op: "ping"})
		timer = b.loop.CallLater(b.opts.RequestTimeout, check)
	}
	check()
	defer func() { timer.Cancel() }()
	for {
		line, err := r.ReadLine(ctx)
		if err != nil {
			return err
		}
		if len(line) == 0 || line[len(line)-1] != '\n' {
			return errUnavailable
		}
		b.heard = b.loop.Time()
		var f frame
		if err := json.Unmarshal(line, &f); err != nil {
			return err
		}
		b.receive(&f)
	}
}

func (b *simClient) receive(f *frame) {
	switch f.Op {
	case "answer":
		if r := b.requests[f.N]; r != nil {
			delete(b.requests, f.N)
			r.SetResult(f)
		}
	case "settled":
		b.events.settled(f.ID, f.outcome())
	case "progress":
		b.events.progressed(f.ID, f.Data)
	case "cancel":
		b.events.cancelRequested(f.ID)
	case "deliver":
		d := &delivery{attempt: f.Attempts, token: fmt.Sprint(f.Sequence), message: message{
			id: f.ID, name: f.Name, queue: f.Queue, priority: f.Priority, args: f.Data,
		}}
		if _, ok := b.queues[f.Queue]; !ok {
			b.refuse(d, 0)
			return
		}
		if key := pullKey(f.Queue, f.Priority); b.pulls[key] > 0 {
			b.pulls[key]--
		}
		b.events.delivered(d)
	}
}

func (f *frame) outcome() *outcome {
	return &outcome{status: f.Status, data: f.Data, attempts: f.Attempts}
}

// send loses the frame if there is no connection.
func (b *simClient) send(f frame) {
	if b.w != nil {
		writeFrame(b.w, &f)
	}
}

func (b *simClient) ask(ctx context.Context, f frame) (*frame, error) {
	if b.w == nil {
		return nil, fmt.Errorf("%w: there is no connection", errUnavailable)
	}
	b.last++
	f.N = b.last
	answer := aio.CreateFuture[*frame](ctx)
	b.requests[f.N] = answer
	defer delete(b.requests, f.N)
	b.send(f)
	timer := b.loop.CallLater(b.opts.RequestTimeout, func() {
		if !answer.Done() {
			answer.SetException(errUnavailable)
		}
	})
	defer timer.Cancel()
	a, err := answer.Await(ctx)
	if err != nil {
		return nil, err
	}
	if a.Status == "full" {
		return nil, errFull
	}
	return a, nil
}

// yes asks, and returns the answer to a question of yes and no.
func (b *simClient) yes(ctx context.Context, f frame) (bool, error) {
	a, err := b.ask(ctx, f)
	return err == nil && a.Yes, err
}

func (m *message) frame(op string) frame {
	return frame{
		Op: op, ID: m.id, Name: m.name, Queue: m.queue, Priority: m.priority, Data: m.args, Dedup: m.dedup, Schedule: m.schedule,
	}
}

func (b *simClient) publish(ctx context.Context, m *message) error {
	_, err := b.ask(ctx, m.frame("publish"))
	return err
}

func (b *simClient) result(ctx context.Context, id string) (*outcome, error) {
	a, err := b.ask(ctx, frame{Op: "result", ID: id})
	if err != nil || !a.Yes {
		return nil, err
	}
	return a.outcome(), nil
}

func (b *simClient) settle(ctx context.Context, id string, o *outcome) (bool, error) {
	return b.yes(ctx, frame{Op: "settle", ID: id, Status: o.status, Data: o.data, Attempts: o.attempts})
}

func (b *simClient) bury(ctx context.Context, d *delivery, reason string) error {
	f := d.frame("bury")
	f.Attempts, f.Status = d.attempt, reason
	_, err := b.ask(ctx, f)
	return err
}

func (b *simClient) schedule(ctx context.Context, name string, m *message) error {
	f := m.frame("schedule")
	f.ID, f.Name = m.name, name
	a, err := b.ask(ctx, f)
	if err == nil && a.Status != "" {
		err = errors.New(a.Status)
	}
	return err
}

func (b *simClient) unschedule(ctx context.Context, name string) (bool, error) {
	return b.yes(ctx, frame{Op: "unschedule", Name: name})
}

func (b *simClient) dead(ctx context.Context, after uint64) (*DeadLetter, error) {
	a, err := b.ask(ctx, frame{Op: "dead", Sequence: after})
	if err != nil || !a.Yes {
		return nil, err
	}
	return &DeadLetter{
		ID: a.ID, Name: a.Name, Queue: a.Queue, Attempts: a.Attempts, Reason: a.Status, Args: a.Data, sequence: a.Sequence,
	}, nil
}

func (b *simClient) removeDead(ctx context.Context, sequence uint64) (bool, error) {
	return b.yes(ctx, frame{Op: "remove", Sequence: sequence})
}

func (b *simClient) forget(ctx context.Context, id string) error {
	_, err := b.ask(ctx, frame{Op: "forget", ID: id})
	return err
}

func (b *simClient) subscribe(ctx context.Context, queue string, ackWait time.Duration) error {
	b.queues[queue] = ackWait
	b.send(frame{Op: "subscribe", Queue: queue, Wait: ackWait})
	return nil
}

func (b *simClient) unsubscribe(queue string) {
	delete(b.queues, queue)
	for _, p := range priorities {
		delete(b.pulls, pullKey(queue, p))
	}
	b.send(frame{Op: "unsubscribe", Queue: queue})
}

func (b *simClient) request(queue string, n int) {
	for _, p := range priorities {
		if key := pullKey(queue, p); n > 0 && b.w != nil && b.pulls[key] == 0 {
			b.pulls[key] = n
			b.send(frame{Op: "pull", Queue: queue, Priority: p, Count: n})
		}
	}
}

// answerTo is an acknowledgement of a delivery, or the opposite.
func (b *simClient) answerTo(d *delivery, op string, wait time.Duration) {
	f := frame{Op: op, Wait: wait}
	if _, err := fmt.Sscan(d.token, &f.Sequence); err != nil {
		panic(err)
	}
	b.send(f)
}

func (b *simClient) ack(d *delivery)                         { b.answerTo(d, "ack", 0) }
func (b *simClient) refuse(d *delivery, after time.Duration) { b.answerTo(d, "refuse", after) }
func (b *simClient) working(d *delivery)                     { b.answerTo(d, "working", b.opts.AckWait) }

func (b *simClient) watch(id string) {
	b.watched[id] = true
	b.send(frame{Op: "watch", ID: id})
}

func (b *simClient) unwatch(id string) {
	delete(b.watched, id)
	b.send(frame{Op: "unwatch", ID: id})
}

func (b *simClient) progress(id string, data []byte) {
	b.send(frame{Op: "progress", ID: id, Data: data})
}

func (b *simClient) requestCancel(id string) { b.send(frame{Op: "cancel", ID: id}) }
