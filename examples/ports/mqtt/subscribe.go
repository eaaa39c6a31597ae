package mqtt

// Subscriptions, and the requests that make and end them. The task that owns the
// connection receives the answers.

import (
	"context"

	"github.com/goaio/aio"
)

// Subscription is a filter with its options. All but the QoS need version 5.
type Subscription struct {
	Filter string
	QoS    QoS
	// NoLocal excludes the messages of this client.
	NoLocal bool
	// RetainAsPublished keeps the retain flag of forwarded messages.
	RetainAsPublished bool
	// RetainHandling says when retained messages are sent: 0 for each Subscribe, 1 if
	// there was no such subscription, 2 never.
	RetainHandling byte
	// ID is passed with each message that matches; 0 means none. All subscriptions
	// of one Subscribe have the same ID.
	ID uint32
}

func subscribePacket(id uint16, subs []Subscription) *subscribe {
	p := &subscribe{id: id}
	for _, s := range subs {
		options := byte(s.QoS) | s.RetainHandling<<4
		if s.NoLocal {
			options |= 4
		}
		if s.RetainAsPublished {
			options |= 8
		}
		p.requests = append(p.requests, request{s.Filter, options})
		if len(p.props) == 0 {
			p.props.number(subscriptionIdentifier, s.ID)
		}
	}
	return p
}

// Subscribe makes subscriptions, and returns the reason code for each: the granted QoS,
// or a failure. It fails with a [*ReasonError] if all fail. If it is cancelled, the
// client may be subscribed or not.
func (c *Client) Subscribe(ctx context.Context, subs ...Subscription) ([]ReasonCode, error) {
	if len(subs) == 0 {
		return nil, usagef("Subscribe: no filter")
	}
	for _, s := range subs {
		switch {
		case !ValidFilter(s.Filter):
			return nil, usagef("the filter %q is invalid", s.Filter)
		case s.QoS > ExactlyOnce || s.RetainHandling > 2 || s.ID > maxRemaining || s.ID != subs[0].ID:
			return nil, usagef("the options of the filter %q are invalid", s.Filter)
		case c.opts.Version < V5 && (s.NoLocal || s.RetainAsPublished || s.RetainHandling > 0 || s.ID > 0):
			return nil, usagef("version 3.1.1 has no options of subscriptions but the QoS")
		}
		if plain, _ := unshared(s.Filter); plain != s.Filter && s.NoLocal {
			return nil, usagef("a shared subscription with NoLocal")
		}
	}
	codes, err := c.ask(ctx, subs, func(id uint16) packet { return subscribePacket(id, subs) })
	if err != nil {
		return nil, err
	}
	for _, code := range codes {
		if !code.Failed() {
			return codes, nil
		}
	}
	return codes, &ReasonError{"SUBACK", codes[0], ""}
}

// Unsubscribe ends subscriptions. Messages that the server has sent before may still
// arrive. If it is cancelled, the subscriptions may still exist.
func (c *Client) Unsubscribe(ctx context.Context, filters ...string) error {
	if len(filters) == 0 {
		return usagef("Unsubscribe: no filter")
	}
	for _, f := range filters {
		if !ValidFilter(f) {
			return usagef("the filter %q is invalid", f)
		}
	}
	codes, err := c.ask(ctx, nil, func(id uint16) packet { return &unsubscribe{id: id, filters: filters} })
	if err != nil {
		return err
	}
	for _, code := range codes {
		if code.Failed() {
			return &ReasonError{"UNSUBACK", code, ""}
		}
	}
	return nil
}

// ask sends a request, once more after a reconnection, and waits for its answer.
func (c *Client) ask(ctx context.Context, wanted []Subscription, packetFor func(id uint16) packet) ([]ReasonCode, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	id := c.session.nextID(c.inUse)
	if id == 0 {
		return nil, &ReasonError{"SUBSCRIBE", QuotaExceeded, "too many requests wait for the server"}
	}
	p := &pending{id: id, packet: packetFor(id), wanted: wanted, done: aio.CreateFuture[[]ReasonCode](ctx)}
	c.requests = append(c.requests, p)
	c.send(p.packet)
	c.expect()
	defer c.unexpect()
	return p.done.Await(ctx)
}
