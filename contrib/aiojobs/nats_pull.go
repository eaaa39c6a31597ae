package aiojobs

// Pulling messages from consumers. A consumer has at most one request of this client
// outstanding. The server ends it with the last message or with a status; heartbeats show
// that it still knows the request.

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/goaio/aio"
)

// pull is the subscription of a consumer: of one priority of a queue, in one stream.
type pull struct {
	b        *natsBroker
	queue    string
	priority Priority
	subject  string // subject of the messages, without the namespace
	api      string // subject of requests
	left     int    // messages that the outstanding request may still bring
	request  uint64
	heard    time.Time // time of the last message from the server
	timer    *aio.TimerHandle
	sub      *nats.Subscription
}

// kinds are the kinds of subjects with jobs that can run, and their streams.
var kinds = []struct{ kind, stream string }{{"run", "_work"}, {"due", "_later"}}

func (b *natsBroker) subscribe(ctx context.Context, queue string, ackWait time.Duration) error {
	for _, k := range kinds {
		for _, priority := range priorities {
			p := &pull{b: b, queue: queue, priority: priority, subject: k.kind + "." + queue + "." + priority.String()}
			config := jetstream.ConsumerConfig{
				Durable: queue + "_" + priority.String(), FilterSubject: b.ns + "." + p.subject,
				AckPolicy: jetstream.AckExplicitPolicy, AckWait: ackWait, MaxDeliver: -1, MaxAckPending: -1,
			}
			p.api = "$JS.API.CONSUMER.MSG.NEXT." + b.ns + k.stream + "." + config.Durable
			var err error
			p.sub, err = aio.ToThread(ctx, func(ctx context.Context) (*nats.Subscription, error) {
				err := b.repeat(ctx, func(ctx context.Context) error {
					_, err := b.js.CreateOrUpdateConsumer(ctx, b.ns+k.stream, config)
					return err
				})
				if err != nil {
					return nil, err
				}
				return b.subscribeTo(b.pullInbox + p.subject + ".*")
			})
			if err != nil {
				return fmt.Errorf("aiojobs: making consumer %s: %w", config.Durable, err)
			}
			b.pulls[p.subject] = p
			b.order = append(b.order, p)
		}
	}
	var err error
	if _, ok := b.watched[""]; !ok {
		b.watched[""], err = aio.ToThread(ctx, func(context.Context) ([]*nats.Subscription, error) {
			sub, err := b.subscribeTo(b.ns + ".cancel.>")
			return []*nats.Subscription{sub}, err
		})
	}
	return err
}

func (b *natsBroker) unsubscribe(queue string) {
	b.order = slices.DeleteFunc(b.order, func(p *pull) bool {
		if p.queue != queue {
			return false
		}
		p.end()
		delete(b.pulls, p.subject)
		b.out.add(call{do: func() {
			_ = p.sub.Unsubscribe() // fails only without a connection
		}})
		return true
	})
}

func (b *natsBroker) request(queue string, n int) {
	if n <= 0 {
		return
	}
	for _, p := range b.order {
		if p.queue == queue && p.left == 0 && p.timer == nil {
			p.ask(n)
		}
	}
}

func (p *pull) ask(n int) {
	b := p.b
	b.last++
	p.request, p.left, p.heard = b.last, n, time.Now()
	b.out.add(call{msg: &nats.Msg{
		Subject: p.api,
		Reply:   b.pullInbox + p.subject + "." + strconv.FormatUint(p.request, 36),
		Data:    fmt.Appendf(nil, `{"batch":%d,"expires":%d,"idle_heartbeat":%d}`, n, pullExpires, b.timeout),
	}})
	p.watchdog()
}

// watchdog ends the request if the server is silent for two heartbeats.
func (p *pull) watchdog() {
	p.timer = p.b.loop.CallLater(p.b.timeout, func() {
		if time.Since(p.heard) > 2*p.b.timeout {
			p.reset()
			return
		}
		p.watchdog()
	})
}

// end forgets the outstanding request.
func (p *pull) end() {
	p.left = 0
	p.request = 0
	if p.timer != nil {
		p.timer.Cancel()
		p.timer = nil
	}
}

// reset forgets the outstanding request, and lets the worker make another one.
func (p *pull) reset() {
	p.end()
	p.b.events.requestEnded(p.queue)
}

// pullStatus handles a message without data from the server: rest is
// KIND.QUEUE.PRIORITY.REQUEST.
func (b *natsBroker) pullStatus(rest string, m *nats.Msg) {
	i := strings.LastIndexByte(rest, '.')
	p := b.pulls[rest[:i]]
	if p == nil || strconv.FormatUint(p.request, 36) != rest[i+1:] {
		return // a status of an earlier request
	}
	p.heard = time.Now()
	switch m.Header.Get("Status") {
	case "100": // heartbeat
	case "404", "408": // expired
		p.reset()
	default:
		// The consumer has no leader, or the server is about to stop.
		p.end()
		p.timer = b.loop.CallLater(pullPause, p.reset)
	}
}

func (b *natsBroker) delivery(m *nats.Msg) {
	p := b.pulls[strings.TrimPrefix(m.Subject, b.ns+".")]
	meta, err := m.Metadata()
	if err != nil {
		return // not from a stream
	}
	d := &delivery{token: m.Reply, attempt: int(meta.NumDelivered), message: message{
		id: m.Header.Get(headerID), name: m.Header.Get(headerJob), args: m.Data,
	}}
	if d.id == "" {
		// A periodic job: the scheduler has made the message.
		slot := m.Header.Get(jetstream.SchedulerHeader)
		d.id = "every." + slot[strings.LastIndexByte(slot, '.')+1:] + "-" + strconv.FormatUint(meta.Sequence.Stream, 10)
	}
	if p == nil {
		b.refuse(d, 0) // the worker has stopped
		return
	}
	d.queue, d.priority = p.queue, p.priority
	p.heard = time.Now()
	if p.left > 0 {
		p.left--
	}
	if p.left == 0 && p.request != 0 {
		p.end()
	}
	b.events.delivered(d)
}
