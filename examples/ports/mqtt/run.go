package mqtt

// The task that owns the connection, the received messages, and the end of a client.

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/goaio/aio"
)

// run reads from one connection after another, until the client ends.
func (c *Client) run(ctx context.Context) error {
	defer c.end(ErrClosed) // for a panic; in other cases the client has ended already
	for {
		err := c.converse(ctx)
		conn := c.conn
		c.conn = nil
		c.online.Clear()
		switch {
		case c.err != nil: // Disconnect and Close end the connection themselves
		case errors.As(err, new(*ProtocolError)) && c.opts.Version == V5:
			c.write(conn, &farewell{kind: disconnectType, result: codeOf(err)})
			conn.w.Close()
		default:
			conn.w.Transport().Abort()
		}
		if errors.Is(err, aio.ErrCancelled) {
			c.end(ErrClosed)
			return err
		}
		if c.err != nil {
			return nil // how the connection has ended does not matter
		}
		if c.backoff == nil || final(err) {
			c.end(&LostError{err})
			return nil
		}
		if conn.answered {
			c.backoff.Reset()
		}
		for {
			if err := c.backoff.Wait(ctx, err); err != nil {
				if errors.Is(err, aio.ErrCancelled) {
					c.end(ErrClosed)
					return err
				}
				c.end(&LostError{err})
				return nil
			}
			if err = c.connect(ctx); err == nil {
				break
			}
			if final(err) {
				c.end(&LostError{err})
				return nil
			}
		}
	}
}

// journalError is a failure to write the journal.
type journalError struct{ error }

func (e journalError) Unwrap() error { return e.error }

// final reports whether the next connection would fail in the same way.
func final(err error) bool {
	var refused *ReasonError
	return errors.As(err, &refused) && refused.Code.permanent() || errors.As(err, new(*ProtocolError)) || errors.As(err, new(journalError))
}

// converse reads from the connection until it ends.
func (c *Client) converse(ctx context.Context) (err error) {
	conn := c.conn
	pings := aio.CreateTask(ctx, aio.NoResult(func(ctx context.Context) error { return c.ping(ctx, conn) }), aio.WithName("mqtt pings"))
	err = c.read(ctx, conn)
	if again := aio.CancelAndWait(ctx, pings); again != nil && !errors.Is(err, aio.ErrCancelled) {
		return again
	}
	if conn.fault != nil && !errors.Is(err, aio.ErrCancelled) {
		return conn.fault
	}
	return err
}

func (c *Client) read(ctx context.Context, conn *connection) error {
	in := conn.r.Reader(ctx).(byteReader)
	for {
		for len(c.inbox) >= c.opts.Buffer && c.waiting == 0 {
			conn.blocked = true
			conn.blocks++
			c.room.Clear()
			err := c.room.Wait(ctx)
			conn.blocked = false
			if err != nil {
				return err
			}
		}
		p, err := readPacket(in, c.opts.Version, c.opts.MaxPacket)
		if err != nil {
			return err
		}
		conn.answered = true
		conn.received = c.loop.Time()
		conn.heard.Set()
		if err := c.handle(conn, p); err != nil {
			return err
		}
		if err := conn.w.Drain(ctx); err != nil {
			return err
		}
	}
}

// ping sends a ping when there was no packet in one of the two directions for the time of
// the keep alive. It breaks the connection if the server does not react.
func (c *Client) ping(ctx context.Context, conn *connection) error {
	every := c.opts.KeepAlive
	if s := conn.props.get(serverKeepAlive, math.MaxUint32); s != math.MaxUint32 {
		every = time.Duration(s) * time.Second
	}
	if every <= 0 {
		return nil
	}
	for {
		last := conn.sent
		if conn.received.Before(last) {
			last = conn.received
		}
		if wait := last.Add(every).Sub(c.loop.Time()); wait > 0 {
			if err := aio.Sleep(ctx, wait); err != nil {
				return err
			}
			continue
		}
		c.write(conn, &ping{pingreqType})
		conn.heard.Clear()
		for {
			blocks := conn.blocks
			err := aio.Timeout(ctx, c.opts.PingTimeout, conn.heard.Wait)
			if err == nil {
				break
			}
			if !errors.Is(err, aio.ErrTimeout) {
				return err
			}
			if !conn.blocked && conn.blocks == blocks {
				c.fail(conn, ErrNoResponse)
				return nil
			}
			// An answer may wait behind messages for which there is no room.
			if c.loop.Time().Sub(conn.sent) >= every {
				c.write(conn, &ping{pingreqType})
			}
		}
	}
}

// fail breaks a connection, because of an error that the task that reads does not see.
func (c *Client) fail(conn *connection, err error) {
	if conn.fault == nil {
		conn.fault = err
	}
	conn.w.Transport().Abort()
	c.room.Set()
}

// handle handles a packet of the server.
func (c *Client) handle(conn *connection, p packet) error {
	switch p := p.(type) {
	case *publish:
		return c.receive(conn, p)
	case *ack:
		return c.handleAck(conn, p)
	case *suback:
		return c.handleSuback(p)
	case *ping:
		if p.kind == pingrespType {
			return nil
		}
	case *farewell:
		if p.kind == disconnectType && c.opts.Version == V5 {
			return &ReasonError{"DISCONNECT", p.result, p.props.text(reasonString)}
		}
	}
	return unwanted(p)
}

func (c *Client) handleAck(conn *connection, p *ack) error {
	if p.kind == pubrelType {
		return c.released(conn, p.id)
	}
	o := c.session.find(p.id)
	if o == nil {
		// the server must be able to complete its exchange
		if p.kind == pubrecType {
			c.send(&ack{kind: pubrelType, id: p.id, result: c.notFound()})
		}
		return nil
	}
	var refused error
	if p.result.Failed() {
		refused = &ReasonError{p.kind.String(), p.result, p.props.text(reasonString)}
	}
	switch {
	case (p.kind == pubackType) != (o.msg.qos == AtLeastOnce), p.kind == pubcompType && !o.released:
		return unwanted(p)
	case p.kind == pubrecType && refused == nil:
		if !o.released {
			if err := c.session.log(releasedEntry, p.id, nil); err != nil {
				return err
			}
			o.release()
		}
		c.send(&ack{kind: pubrelType, id: p.id})
		return nil
	case p.kind == pubcompType:
		refused = nil // "not found": the server has completed the exchange before
	}
	return c.acknowledged(o, refused)
}

// notFound is the reason code for an unknown identifier.
func (c *Client) notFound() ReasonCode {
	if c.opts.Version < V5 {
		return Success
	}
	return PacketIDNotFound
}

// released ends a received message with QoS 2.
func (c *Client) released(conn *connection, id uint16) error {
	if m := c.undone[id]; m != nil && m.QoS == ExactlyOnce {
		return unwanted(&ack{kind: pubrelType}) // before PUBREC
	}
	reply := &ack{kind: pubcompType, id: id}
	if !c.session.received[id] {
		reply.result = c.notFound()
	} else {
		if err := c.session.log(forgetEntry, id, nil); err != nil {
			return err
		}
		delete(c.session.received, id)
	}
	delete(conn.unacked, id)
	c.send(reply)
	return nil
}

func (c *Client) handleSuback(p *suback) error {
	i := slices.IndexFunc(c.requests, func(q *pending) bool { return q.id == p.id })
	if i < 0 {
		return unwanted(p)
	}
	q := c.requests[i]
	switch asked := q.packet.(type) {
	case *subscribe:
		if p.kind != subackType || len(p.results) != len(asked.requests) {
			return unwanted(p)
		}
		for j, s := range q.wanted {
			if !p.results[j].Failed() {
				c.forget(s.Filter)
				c.subscriptions = append(c.subscriptions, s)
			}
		}
	case *unsubscribe:
		if p.kind != unsubackType || c.opts.Version == V5 && len(p.results) != len(asked.filters) {
			return unwanted(p)
		}
		for j, f := range asked.filters {
			if len(p.results) == 0 || !p.results[j].Failed() {
				c.forget(f)
			}
		}
	}
	c.requests = slices.Delete(c.requests, i, i+1)
	if q.done != nil && !q.done.Done() {
		_ = q.done.SetResult(p.results)
	}
	return nil
}

// forget removes a subscription from those to restore.
func (c *Client) forget(filter string) {
	c.subscriptions = slices.DeleteFunc(c.subscriptions, func(s Subscription) bool { return s.Filter == filter })
}

// receive handles a received message.
func (c *Client) receive(conn *connection, p *publish) error {
	if n := uint16(p.props.get(topicAlias, 0)); n > 0 {
		if n > c.opts.TopicAliases {
			return &ProtocolError{TopicAliasInvalid, "the server uses an alias that it may not use"}
		}
		if p.topic == "" {
			p.topic = conn.names[n]
		}
		if p.topic == "" {
			return &ProtocolError{ProtocolFault, "the server uses an alias that it has not defined"}
		}
		conn.names[n] = p.topic
	}
	if p.qos == AtMostOnce {
		if len(c.inbox) >= c.opts.Buffer {
			c.dropped++
			return nil
		}
		c.deliver(p.message())
		return nil
	}
	_, again := conn.unacked[p.id]
	if again && !c.session.received[p.id] {
		return &ProtocolError{ProtocolFault, "the server uses an identifier twice"}
	}
	conn.unacked[p.id] = struct{}{}
	if c.session.received[p.id] {
		if p.qos == ExactlyOnce {
			c.send(&ack{kind: pubrecType, id: p.id})
			return nil
		}
		// The server no longer knows the old message: it was killed before it had
		// saved its state.
		if err := c.session.log(forgetEntry, p.id, nil); err != nil {
			return err
		}
		delete(c.session.received, p.id)
	}
	if old := c.undone[p.id]; old != nil {
		// The old message was received on an earlier connection, and is still in
		// the buffer or in use.
		if p.dup && old.repeatedBy(p) {
			return nil
		}
		// The server has dropped that message, because it has expired for
		// example.
		old.id = 0
	}
	m := p.message()
	// The number of these messages is not checked against the receive maximum. Some
	// servers exceed it, and they may: a PUBCOMP that completes an exchange of an
	// earlier connection raises their quota (section 4.9). Only the memory of the
	// buffered messages is limited; messages within the receive maximum always fit.
	if c.opts.Version == V5 && len(c.inbox) >= c.opts.Buffer && c.size+m.bytes > int64(c.opts.Buffer)*int64(c.opts.MaxPacket) {
		return &ProtocolError{ReceiveMaximumExceeded, "the server sends more messages than it may"}
	}
	c.undone[p.id] = m
	c.deliver(m)
	return nil
}

// repeatedBy reports whether p, with the DUP flag and the same identifier, is m again.
// A server that has lost a part of its state may use an identifier for a second
// message, and the first copy of the second message may be lost. For QoS 2 the
// identifier alone decides (section 4.3.3).
func (m *Message) repeatedBy(p *publish) bool {
	return m.QoS == p.qos && (p.qos == ExactlyOnce || m.Topic == p.topic && bytes.Equal(m.Payload, p.payload))
}

// deliver puts a message into the buffer.
func (c *Client) deliver(m *Message) {
	m.client, m.session, m.epoch = c, c.session, c.session.epoch
	c.inbox = append(c.inbox, m)
	c.size += m.bytes
	c.arrived.Set()
}

// Ack tells the server that a message with QoS 1 or 2 was processed. It never awaits.
// The server sends a message again, to this client or to the next client of the
// session, until it was acknowledged. Further calls, and calls for other messages, have
// no effect.
//
// [Client.Messages] calls Ack. Ack fails if the journal of the session fails.
func (m *Message) Ack() error {
	if m.client == nil || m.id == 0 || m.epoch != m.session.epoch {
		return nil
	}
	c, id := m.client, m.id
	if m.QoS == ExactlyOnce {
		// After PUBREC the server does not send the message again; if it does
		// nevertheless, the client recognises the message.
		if err := m.session.log(receivedEntry, id, nil); err != nil {
			if c.conn != nil {
				c.fail(c.conn, journalError{err})
			}
			return err
		}
		m.session.received[id] = true
	}
	m.id = 0
	delete(c.undone, id)
	if c.conn == nil {
		return nil
	}
	// If the message has not arrived on this connection, the server will send it
	// again, and receive answers it.
	if _, here := c.conn.unacked[id]; here {
		if m.QoS == ExactlyOnce {
			c.send(&ack{kind: pubrecType, id: id})
		} else {
			delete(c.conn.unacked, id)
			c.send(&ack{kind: pubackType, id: id})
		}
	}
	return nil
}

// Receive waits for the next message. The caller must call Ack for it. If it is
// cancelled, no message is lost. Messages that were received before the end of the client
// are returned before its error.
func (c *Client) Receive(ctx context.Context) (*Message, error) {
	for len(c.inbox) == 0 {
		if c.err != nil {
			return nil, c.err
		}
		c.arrived.Clear()
		if err := c.arrived.Wait(ctx); err != nil {
			return nil, err
		}
	}
	m := c.inbox[0]
	c.inbox = slices.Delete(c.inbox, 0, 1)
	c.size -= m.bytes
	c.room.Set()
	return m, nil
}

// Messages returns an iterator over the received messages. A message is acknowledged
// when the loop body continues with the next one. If the loop ends instead, with break,
// return or a panic, a message with QoS 1 or 2 that was not acknowledged with
// [Message.Ack] is the first one of the next call. The iterator ends after an error,
// and without one after [Client.Disconnect] or [Client.Close]. Each message goes to one
// of the tasks that iterate.
func (c *Client) Messages(ctx context.Context) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		for {
			m, err := c.Receive(ctx)
			if err == ErrClosed {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !c.process(m, yield) {
				return
			}
		}
	}
}

// process passes a message to the loop body, and reports whether to continue.
func (c *Client) process(m *Message, yield func(*Message, error) bool) (more bool) {
	defer func() {
		if !more && m.id != 0 && m.epoch == c.session.epoch {
			c.inbox = slices.Insert(c.inbox, 0, m)
			c.size += m.bytes
			c.arrived.Set()
		}
	}()
	if !yield(m, nil) {
		return false
	}
	if err := m.Ack(); err != nil {
		yield(nil, err)
		return false
	}
	return true
}

// end ends the client: calls that wait fail with err, and further calls.
func (c *Client) end(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.session.user = nil
	// An error that no task waits for is reported, but only once for a lost
	// connection. ErrClosed is not reported: the program has closed the client
	// itself.
	report := err != ErrClosed
	for _, o := range c.session.out {
		if o.done != nil && !o.done.Done() {
			_ = o.done.SetException(err)
			if !report {
				_ = o.done.Exception() // retrieves it
			}
			report = false
		}
		// As if the session had just been opened.
		o.done, o.conn = nil, 0
	}
	for _, p := range c.requests {
		if p.done != nil && !p.done.Done() {
			_ = p.done.SetException(err)
		}
	}
	c.flight.SetTotal(math.MaxInt)
	c.online.Set()
	c.arrived.Set()
	c.room.Set()
}

// Disconnect sends DISCONNECT with a reason code, [Success] or [DisconnectWithWill] for
// example, and closes the connection. It waits until that is done, at most for
// ConnectTimeout. Calls that wait fail with [ErrClosed]; messages of the session that the
// server has not acknowledged remain in it. Further calls have no effect.
//
// If it is cancelled, the client is closed, and the connection is closed in the
// background.
func (c *Client) Disconnect(ctx context.Context, code ReasonCode) error {
	bye := &farewell{kind: disconnectType, result: code}
	if _, err := appendPacket(nil, c.opts.Version, bye); err != nil || c.opts.Version < V5 && code != Success {
		return usagef("Disconnect with %v", code)
	}
	conn := c.conn
	if c.err == nil && conn != nil {
		c.write(conn, bye)
		conn.w.Close()
	}
	c.end(ErrClosed)
	if err := aio.CancelAndWait(ctx, c.task); err != nil {
		return err
	}
	if conn == nil {
		return nil
	}
	err := aio.Timeout(ctx, c.opts.ConnectTimeout, conn.w.WaitClosed)
	switch {
	case errors.Is(err, aio.ErrTimeout):
		conn.w.Transport().Abort()
		return err
	case errors.Is(err, aio.ErrCancelled), ctx.Err() != nil:
		return err
	}
	return nil // how the server has closed its side does not matter
}

// Close closes the client without a DISCONNECT: the server publishes the will. It never
// awaits, and may be called more than once. Calls that wait fail with [ErrClosed].
func (c *Client) Close() {
	c.end(ErrClosed)
	if c.conn != nil {
		c.conn.w.Transport().Abort()
	}
	c.task.Cancel()
}
