// Package mqtt is an MQTT client, for the versions 5.0 and 3.1.1 of the protocol, as the
// Python packages aiomqtt and gmqtt are.
//
//	c, err := mqtt.Dial(ctx, "mqtt://localhost", nil)
//	…
//	defer c.Close()
//	err = c.Publish(ctx, &mqtt.Message{Topic: "greeting", Payload: []byte("hello")})
//	…
//	_, err = c.Subscribe(ctx, mqtt.Subscription{Filter: "sensors/+/temperature"})
//	…
//	for m, err := range c.Messages(ctx) {
//
// A Client belongs to the loop of the task that has made it. Its methods may be called by
// any number of tasks of this loop. A call that is cancelled leaves the client usable;
// only a cancelled [Client.Disconnect] leaves it closed.
//
// Not implemented: extended authentication (AUTH), and WebSockets as a transport.
package mqtt

// One task of a client, run, owns the connection: it reads all packets, and connects
// again. Another task sends the pings of the connection. All other state is shared by
// the tasks of the loop without a lock. Packets are written to the buffer of the
// connection without an await, in the step that changes the state, so their order is
// that of the changes.

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/goaio/aio"
	"github.com/goaio/aio/aiokit"
)

var (
	// ErrClosed is the error of calls after Disconnect or Close, and of calls that
	// were waiting then.
	ErrClosed = errors.New("mqtt: the client is closed")
	// ErrNoResponse says that the server did not answer a ping.
	ErrNoResponse = errors.New("mqtt: the server does not respond")
	// ErrSessionLost says that the server has forgotten the session while a message
	// with QoS 2 was on its way. It is unknown whether the message has arrived.
	ErrSessionLost = errors.New("mqtt: the server has lost the session")
)

// LostError says that the connection is lost, and that the client does not connect again.
type LostError struct{ Err error }

func (e *LostError) Error() string { return "mqtt: the connection is lost: " + e.Err.Error() }

// Unwrap returns the reason: for example a [*ReasonError] if the server has ended the
// connection, or io.EOF.
func (e *LostError) Unwrap() error { return e.Err }

// Options are the settings of a client. The zero value has the defaults.
type Options struct {
	// Version is V5 if it is zero.
	Version Version
	// ClientID identifies the session. If it is empty, the server assigns one.
	ClientID string
	// CleanStart makes the server forget an earlier session. Version 3.1.1 then does
	// not keep the new one either.
	CleanStart bool
	// Session is the state of the client for messages with QoS 1 and 2; nil means a
	// new one. Only one client may use it at a time.
	Session *Session
	// SessionExpiry is how long the server keeps the session after the end of a
	// connection, in seconds. Without it, a message with QoS 1 or 2 may be lost
	// with the connection. It is ignored with version 3.1.1, which has no such
	// limit.
	SessionExpiry time.Duration
	// KeepAlive is the time without a packet after which the client sends a ping; 0
	// means a minute, a negative value no pings. The server may choose another
	// time.
	KeepAlive time.Duration
	// PingTimeout is how long the server may take to answer a ping; 0 means 10 s.
	// Then the connection is lost with ErrNoResponse.
	PingTimeout time.Duration
	// ConnectTimeout limits each attempt to connect, and how long Disconnect waits;
	// 0 means 30 s.
	ConnectTimeout time.Duration
	Username       string
	Password       []byte
	// Will is the message that the server publishes if the connection ends without
	// Disconnect, WillDelay later.
	Will      *Message
	WillDelay time.Duration
	// Reconnect, if it is not nil, makes the client connect again when the connection
	// is lost, with these pauses, and restore its subscriptions. Calls wait
	// meanwhile. The first attempt, of Dial, is not repeated.
	Reconnect *aiokit.RetryOptions
	// MaxInFlight is how many messages with QoS 1 or 2 may be on their way to the
	// server; 0 means 20. The server may lower it.
	MaxInFlight int
	// Buffer is how many received messages may wait for Messages; 0 means 100. With
	// version 5 the server must send no more messages with QoS 1 or 2 until some
	// are acknowledged. If the buffer is full otherwise, the client stops reading
	// from the connection, except while a call waits for a response of the server:
	// see [Client.Dropped]. Meanwhile a server that breaks its limit, as mosquitto
	// 2.0.11 does, may fill the buffer with Buffer times MaxPacket bytes. More data
	// than that ends the client with ReceiveMaximumExceeded.
	Buffer int
	// MaxPacket is the largest packet that is accepted; 0 means 1 MiB.
	MaxPacket int
	// TopicAliases is how many aliases the server may use instead of topics.
	TopicAliases uint16
	// TLS is the configuration for mqtts; nil means the default one.
	TLS *tls.Config
}

// maxFlight leaves packet identifiers for subscriptions.
const maxFlight = 0xff00

func (o *Options) withDefaults() (Options, error) {
	var d Options
	if o != nil {
		d = *o
	}
	d.Version = cmp.Or(d.Version, V5)
	d.KeepAlive = cmp.Or(d.KeepAlive, time.Minute)
	d.PingTimeout = cmp.Or(d.PingTimeout, 10*time.Second)
	d.ConnectTimeout = cmp.Or(d.ConnectTimeout, 30*time.Second)
	d.MaxInFlight = cmp.Or(d.MaxInFlight, 20)
	d.Buffer = cmp.Or(d.Buffer, 100)
	d.MaxPacket = cmp.Or(d.MaxPacket, 1<<20)
	if d.Session == nil {
		d.Session = NewSession()
	}
	switch {
	case d.Version != V5 && d.Version != V311:
		return d, usagef("the version is %d", d.Version)
	case d.KeepAlive.Seconds() > 0xffff, d.PingTimeout < 0, d.ConnectTimeout < 0, d.WillDelay < 0, d.SessionExpiry < 0,
		d.WillDelay.Seconds() > 1<<32-1, d.SessionExpiry.Seconds() > 1<<32-1:
		return d, usagef("a duration of the options is out of range")
	case d.MaxInFlight < 0 || d.MaxInFlight > maxFlight || d.Buffer < 0 || d.Buffer > 0xffff || d.MaxPacket < 0 || d.MaxPacket > maxRemaining:
		return d, usagef("a number of the options is out of range")
	case d.ClientID == "" && d.Session.journal != nil:
		return d, usagef("a session with a journal needs a ClientID")
	case d.ClientID == "" && d.Version == V311 && !d.CleanStart:
		return d, usagef("version 3.1.1 needs a ClientID or CleanStart")
	case d.Version == V311 && d.Password != nil && d.Username == "":
		return d, usagef("version 3.1.1 needs a user name for a password")
	case d.Session.user != nil:
		return d, usagef("the session is in use")
	}
	return d, nil
}

// Client is a client of one server. Make it with [Dial] or [With].
type Client struct {
	opts    Options
	address *url.URL
	loop    *aio.Loop
	session *Session
	task    *aio.Task[struct{}] // run
	backoff *aiokit.Backoff     // nil without Reconnect
	online  aio.Event           // there is a connection, or the client has ended
	err     error               // why the client has ended

	conn   *connection // nil if there is none
	conns  int         // counts the connections
	flight *aiokit.CapacityLimiter

	requests      []*pending     // pending requests in the order of the calls
	subscriptions []Subscription // to restore on the next connection
	waiting       int            // calls that wait for a response of the server

	inbox   []*Message
	size    int64     // size of the messages in inbox, in bytes
	arrived aio.Event // something is in inbox, or the client has ended
	// set when the task that reads should check the buffer again
	room    aio.Event
	undone  map[uint16]*Message // QoS 1 and 2, received and not acknowledged
	dropped int

	forgotten []*Message // see Forgotten
}

// pending is a SUBSCRIBE or UNSUBSCRIBE that waits for its acknowledgement.
type pending struct {
	id     uint16
	packet packet                    // a subscribe or an unsubscribe
	wanted []Subscription            // the subscriptions of a Subscribe
	done   *aio.Future[[]ReasonCode] // nil for a request that restore has made
}

// connection is the state of one connection.
type connection struct {
	number   int
	r        *aio.StreamReader
	w        *aio.StreamWriter
	props    properties // of CONNACK
	quota    int        // messages with QoS 1 and 2 that may still be sent
	aliases  map[string]uint16
	names    map[uint16]string   // the server's aliases
	unacked  map[uint16]struct{} // received messages with QoS 1 and 2
	sent     time.Time           // when the last packet was sent
	received time.Time
	heard    aio.Event // set by each packet of the server
	blocked  bool      // the reader waits for room in the buffer
	blocks   int       // how often the reader has waited
	answered bool      // there was a packet after CONNACK
	fault    error     // a failure found by another task than run
}

// Dial connects to the server at an address like mqtt://host:1883, mqtts://host:8883 or
// unix:///path, and returns when the server has accepted the client. nil opts mean the
// defaults.
//
// If it is cancelled, the connection is closed. The error is that of aio.OpenConnection,
// a [*ReasonError] if the server refuses, a [*ProtocolError] or aio.ErrTimeout. Invalid
// options match aio.ErrUsage.
func Dial(ctx context.Context, address string, opts *Options) (*Client, error) {
	loop, err := aio.GetRunningLoop(ctx)
	if err != nil {
		return nil, err
	}
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	c := &Client{
		opts: o, address: u, loop: loop, session: o.Session,
		flight: aiokit.NewCapacityLimiter(maxFlight),
		undone: map[uint16]*Message{},
	}
	if _, err := c.connectPacket(); err != nil {
		return nil, err
	}
	if o.Reconnect != nil {
		if c.backoff, err = aiokit.NewBackoff(ctx, o.Reconnect); err != nil {
			return nil, err
		}
	}
	c.session.user = c
	for _, m := range c.session.out {
		// The messages of the session take their places. AcquireFor does not wait
		// here, because the limiter is empty.
		if err := c.flight.AcquireFor(ctx, m); err != nil {
			c.session.user = nil
			return nil, err
		}
	}
	if err := c.connect(ctx); err != nil {
		c.session.user = nil
		return nil, err
	}
	c.task = aio.CreateTask(ctx, aio.NoResult(c.run), aio.WithName("mqtt"))
	return c, nil
}

// With connects as [Dial] does, calls body, and disconnects. If body fails, the
// connection is closed without a DISCONNECT, so that the server publishes the will.
func With(ctx context.Context, address string, opts *Options, body func(ctx context.Context, c *Client) error) (err error) {
	c, err := Dial(ctx, address, opts)
	if err != nil {
		return err
	}
	defer func() {
		c.Close()
		err = errors.Join(err, aio.CancelAndWait(ctx, c.task))
	}()
	if err := body(ctx, c); err != nil {
		return err
	}
	return c.Disconnect(ctx, Success)
}

func parseAddress(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, usagef("%v", err)
	}
	port := map[string]string{"mqtt": "1883", "mqtts": "8883"}[u.Scheme]
	switch {
	case u.Scheme == "unix" && u.Path != "":
	case port != "" && u.Hostname() != "" && (u.Path == "" || u.Path == "/"):
		u.Host = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
	default:
		return nil, usagef("the address %q is not mqtt://HOST, mqtts://HOST or unix:///PATH", address)
	}
	return u, nil
}

// connectPacket returns the packet for the next connection.
func (c *Client) connectPacket() (*connect, error) {
	o := &c.opts
	p := &connect{
		version: o.Version,
		// Only the first connection begins a new session. Version 3.1.1 has no
		// other way to say that no session is to be kept.
		cleanStart: o.CleanStart && (c.conns == 0 || o.Version == V311),
		clientID:   cmp.Or(o.ClientID, c.session.clientID),
		password:   o.Password,
	}
	if o.KeepAlive > 0 {
		p.keepAlive = uint16(seconds(o.KeepAlive))
	}
	if o.Username != "" {
		p.username = &o.Username
	}
	if o.Version == V5 {
		p.props.number(sessionExpiry, seconds(o.SessionExpiry))
		p.props.number(receiveMaximum, uint32(o.Buffer))
		p.props.number(maximumPacketSize, uint32(o.MaxPacket))
		p.props.number(topicAliasMaximum, uint32(o.TopicAliases))
	}
	if o.Will != nil {
		var err error
		if p.will, err = o.Will.packet(o.Version); err != nil {
			return nil, err
		}
		if o.Version == V5 {
			p.will.props.number(willDelay, seconds(o.WillDelay))
		}
	}
	if _, err := appendPacket(nil, o.Version, p); err != nil {
		return nil, usagef("the options: %v", err)
	}
	return p, nil
}

// connect makes a connection, and sends everything that has to be sent again.
func (c *Client) connect(ctx context.Context) error {
	return aio.Timeout(ctx, c.opts.ConnectTimeout, c.handshake)
}

func (c *Client) handshake(ctx context.Context) (err error) {
	var r *aio.StreamReader
	var w *aio.StreamWriter
	switch c.address.Scheme {
	case "unix":
		r, w, err = aio.OpenUnixConnection(ctx, c.address.Path, nil)
	case "mqtts":
		config := c.opts.TLS
		if config == nil {
			config = &tls.Config{}
		}
		r, w, err = aio.OpenConnection(ctx, c.address.Host, &aio.ConnectionOptions{TLS: config})
	default:
		r, w, err = aio.OpenConnection(ctx, c.address.Host, nil)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.Transport().Abort()
		}
	}()
	conn := &connection{
		r: r, w: w,
		aliases: map[string]uint16{}, names: map[uint16]string{}, unacked: map[uint16]struct{}{},
	}
	hello, err := c.connectPacket()
	if err != nil {
		return err
	}
	c.write(conn, hello)
	p, err := readPacket(r.Reader(ctx).(byteReader), c.opts.Version, c.opts.MaxPacket)
	if err != nil {
		return unexpected(err)
	}
	reply, ok := p.(*connack)
	switch {
	case !ok:
		return unwanted(p)
	case reply.result != Success:
		return &ReasonError{"CONNACK", reply.result, reply.props.text(reasonString)}
	case reply.sessionPresent && hello.cleanStart:
		return &ProtocolError{ProtocolFault, "the server has kept a session that it was to forget"}
	}
	// No await from here on: a cancellation cannot separate these changes.
	c.conns++
	conn.number = c.conns
	conn.props = reply.props
	conn.received = c.loop.Time()
	c.conn = conn
	c.session.clientID = cmp.Or(reply.props.text(assignedClientID), c.session.clientID)
	conn.quota = int(reply.props.get(receiveMaximum, 0xffff))
	c.flight.SetTotal(min(c.opts.MaxInFlight, conn.quota))
	if !reply.sessionPresent {
		if err := c.sessionLost(); err != nil {
			c.conn = nil
			return err
		}
	}
	c.restore(reply.sessionPresent)
	c.online.Set()
	return nil
}

// unwanted is the error for a packet that a server must not send, or not now.
func unwanted(p packet) error {
	t, _ := p.header()
	return &ProtocolError{ProtocolFault, fmt.Sprintf("an unexpected %v", t)}
}

// sessionLost is called when the server has no session of the client.
func (c *Client) sessionLost() error {
	uncertain, err := c.session.lost()
	for _, o := range uncertain {
		c.flight.ReleaseFor(o)
		switch {
		case o.done != nil && o.done.Done():
		case o.released && o.done != nil:
			_ = o.done.SetResult(struct{}{}) // the message has arrived
		case o.done != nil:
			_ = o.done.SetException(ErrSessionLost)
		case !o.released:
			c.forgotten = append(c.forgotten, o.msg.message())
		}
	}
	// The messages that the application has not seen yet remain, but the server no
	// longer expects an acknowledgement.
	clear(c.undone)
	return err
}

// restore sends what the server does not know, in the order in which it was first sent.
func (c *Client) restore(sessionPresent bool) {
	c.requests = slices.DeleteFunc(c.requests, func(p *pending) bool {
		// an earlier restore has made the request, or the caller was cancelled
		return p.done == nil || p.done.Done()
	})
	if !sessionPresent && len(c.subscriptions) > 0 {
		again := make([]*pending, 0, len(c.subscriptions))
		for _, s := range c.subscriptions {
			// One request for each subscription: each may have its own
			// identifier.
			if id := c.session.nextID(c.inUse); id != 0 {
				again = append(again, &pending{id: id, packet: subscribePacket(id, []Subscription{s})})
				c.requests = append(c.requests, again[len(again)-1])
			}
		}
		// The new requests come before an UNSUBSCRIBE that waits.
		c.requests = append(again, c.requests[:len(c.requests)-len(again)]...)
	}
	for _, p := range c.requests {
		c.send(p.packet)
	}
	c.pump()
}

// inUse reports whether a request has the packet identifier.
func (c *Client) inUse(id uint16) bool {
	return slices.ContainsFunc(c.requests, func(p *pending) bool { return p.id == id })
}

// write encodes a packet into the buffer of a connection. A failed connection is noticed
// by the task that reads from it.
func (c *Client) write(conn *connection, p packet) {
	b, err := appendPacket(nil, c.opts.Version, p)
	if err != nil {
		// All values were checked before.
		panic(err)
	}
	if conn.w.IsClosing() {
		// the connection is lost, and the task that reads has not noticed yet
		return
	}
	_, _ = conn.w.Write(b)
	conn.sent = c.loop.Time()
}

// send is write to the current connection, if there is one.
func (c *Client) send(p packet) {
	if c.conn != nil {
		c.write(c.conn, p)
	}
}

// drain waits until the buffer of the connection has room.
func (c *Client) drain(ctx context.Context) error {
	if c.conn == nil {
		return nil
	}
	err := c.conn.w.Drain(ctx)
	if errors.Is(err, aio.ErrCancelled) || ctx.Err() != nil {
		return err
	}
	return nil // run handles a broken connection
}

// ready waits for a connection.
func (c *Client) ready(ctx context.Context) error {
	for c.conn == nil && c.err == nil {
		if err := c.online.Wait(ctx); err != nil {
			return err
		}
	}
	return c.err
}

// Delivery is a message on its way to the server.
type Delivery struct {
	c    *Client
	done *aio.Future[struct{}] // nil for QoS 0
}

// Wait waits until the server has acknowledged the message. If it is cancelled, the
// message is still delivered. The error may be a [*ReasonError], [ErrSessionLost],
// [ErrClosed] or a [*LostError]. Call it once.
func (d *Delivery) Wait(ctx context.Context) error {
	if d.done == nil {
		return nil
	}
	d.c.expect()
	defer d.c.unexpect()
	_, err := d.done.Await(ctx)
	return err
}

// expect says that a call waits for a response of the server.
func (c *Client) expect() {
	c.waiting++
	c.room.Set()
}

func (c *Client) unexpect() { c.waiting-- }

// Publish sends a message and, for QoS 1 and 2, waits until the server has acknowledged
// it. It waits while there is no connection or too many other messages are on their way.
// If it is cancelled, the message may have been sent or not; a message with QoS 1 or 2
// that was sent is still delivered. The error for an invalid message matches
// aio.ErrUsage.
func (c *Client) Publish(ctx context.Context, m *Message) error {
	d, err := c.Send(ctx, m)
	if err != nil {
		return err
	}
	return d.Wait(ctx)
}

// Send is the first half of [Client.Publish]: when it returns, a message with QoS 1 or 2
// is in the session, and is sent until the server has it; without a connection, it is
// sent on the next one. No other task runs between the change of the session and the
// return: a program with a journal can note in the same step that it need not send the
// message again. If Send fails or is cancelled, the message is not sent.
func (c *Client) Send(ctx context.Context, m *Message) (*Delivery, error) {
	p, err := m.packet(c.opts.Version)
	if err != nil {
		return nil, err
	}
	if m.QoS > AtMostOnce {
		p.id = 1 // any identifier, to check and measure the packet
	}
	encoded, err := appendPacket(nil, c.opts.Version, p)
	if err != nil {
		return nil, usagef("%v", err)
	}
	if len(encoded) > maxRemaining-8 { // leaves room for an alias
		return nil, usagef("a message of %d bytes", len(encoded))
	}
	if c.err != nil {
		return nil, c.err
	}
	if err := c.supported(m, len(encoded)); err != nil {
		return nil, err
	}
	// Wait for room before the message is in the buffer: a cancellation later could
	// not remove it.
	if err := c.drain(ctx); err != nil {
		return nil, err
	}
	if m.QoS == AtMostOnce {
		if err := c.ready(ctx); err != nil {
			return nil, err
		}
		c.send(c.aliased(p))
		return &Delivery{c: c}, nil
	}
	o := &outgoing{msg: p, done: aio.CreateFuture[struct{}](ctx)}
	c.expect()
	err = c.flight.AcquireFor(ctx, o)
	c.unexpect()
	if err != nil {
		return nil, err
	}
	if c.err != nil {
		c.flight.ReleaseFor(o)
		return nil, c.err
	}
	p.id = c.session.nextID(c.inUse)
	if err := c.session.log(sentEntry, p.id, p); err != nil {
		c.flight.ReleaseFor(o)
		return nil, err
	}
	c.session.out = append(c.session.out, o)
	c.pump()
	return &Delivery{c, o.done}, nil
}

// supported checks a message against the limits of the server.
func (c *Client) supported(m *Message, size int) error {
	if c.conn == nil {
		return nil
	}
	props := c.conn.props
	switch {
	case uint32(m.QoS) > props.get(maximumQoS, 2):
		return &ReasonError{"PUBLISH", QoSNotSupported, "the server said so in CONNACK"}
	case m.Retain && props.get(retainAvailable, 1) == 0:
		return &ReasonError{"PUBLISH", RetainNotSupported, "the server said so in CONNACK"}
	case uint32(size) > props.get(maximumPacketSize, 1<<32-1):
		return &ReasonError{"PUBLISH", PacketTooLarge, "the server said so in CONNACK"}
	}
	return nil
}

// aliased returns p with an alias instead of its topic, if the server accepts aliases.
// The first messages of a connection define them.
func (c *Client) aliased(p *publish) *publish {
	conn := c.conn
	n, known := conn.aliases[p.topic]
	if !known {
		if uint32(len(conn.aliases)) >= conn.props.get(topicAliasMaximum, 0) {
			return p
		}
		n = uint16(len(conn.aliases) + 1)
		conn.aliases[p.topic] = n
	}
	short := *p
	short.props = append(slices.Clip(p.props), property{id: topicAlias, n: uint32(n)})
	if known {
		short.topic = ""
	}
	return &short
}

// pump sends the messages of the session that were not sent on this connection, as far
// as the server accepts more.
func (c *Client) pump() {
	if c.conn == nil {
		return
	}
	for _, o := range c.session.out {
		if o.conn == c.conn.number {
			continue
		}
		if c.conn.quota == 0 {
			return
		}
		c.conn.quota--
		o.conn = c.conn.number
		if o.released {
			c.send(&ack{kind: pubrelType, id: o.msg.id})
			continue
		}
		c.send(c.aliased(o.msg))
		o.msg.dup = true // for the next time
	}
}

// acknowledged completes the delivery of a message.
func (c *Client) acknowledged(o *outgoing, failure error) error {
	if err := c.session.log(doneEntry, o.msg.id, nil); err != nil {
		return err
	}
	c.session.remove(o)
	c.flight.ReleaseFor(o)
	if o.conn == c.conn.number {
		c.conn.quota++
	}
	if o.done != nil && !o.done.Done() {
		if failure != nil {
			_ = o.done.SetException(failure)
		} else {
			_ = o.done.SetResult(struct{}{})
		}
	}
	c.pump()
	return nil
}

// ClientID returns the identifier of the client, which the server may have assigned.
func (c *Client) ClientID() string { return cmp.Or(c.opts.ClientID, c.session.clientID) }

// Connections returns how many connections the client has made.
func (c *Client) Connections() int { return c.conns }

// Dropped returns how many messages with QoS 0 were dropped: they arrived while the
// buffer was full and a call waited for a response of the server, so the client could
// not stop reading.
func (c *Client) Dropped() int { return c.dropped }

// Forgotten returns the messages with QoS 2 of an opened session that the server has
// lost. It is unknown whether they have arrived, and no call waits for them.
func (c *Client) Forgotten() []*Message { return c.forgotten }
