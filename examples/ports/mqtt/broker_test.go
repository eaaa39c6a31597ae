package mqtt

// A small broker for simulations. It keeps everything in a state that survives its
// crashes, like a broker that writes each change to its disk at once. It reports every
// packet that a client must not send.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/goaio/aio"
)

// memoryJournal is a journal that survives the simulated crash of its program.
type memoryJournal struct {
	content []byte
	fail    error
}

func (j *memoryJournal) Load() ([]byte, error) { return slices.Clone(j.content), nil }
func (j *memoryJournal) Append(entry []byte) error {
	if j.fail == nil {
		j.content = append(j.content, entry...)
	}
	return j.fail
}
func (j *memoryJournal) Replace(content []byte) error {
	if j.fail == nil {
		j.content = slices.Clone(content)
	}
	return j.fail
}

// simBroker is the state of a broker.
type simBroker struct {
	sessions map[string]*simSession
	limits   properties // for CONNACK
	assigned int
	// hook, if it is not nil, sees each packet of a client, and may suppress it.
	hook func(c *simConn, p packet) (handled bool, err error)
	errs []error // mistakes of clients
	// exceeds makes the broker ignore the receive maximum of clients.
	exceeds bool
	// freeRelease makes a PUBREL that is sent again not count for the receive
	// maximum, although its PUBCOMP does.
	freeRelease bool
}

func newSimBroker() *simBroker { return &simBroker{sessions: map[string]*simSession{}} }

// simSession is the part of a client's session that the broker keeps.
type simSession struct {
	filters  map[string]QoS
	out      []*simOut
	lastID   uint16
	received map[uint16]bool
	conn     *simConn
}

type simOut struct {
	msg      publish
	sent     *simConn
	released bool
	again    bool
}

// simConn is a connection of a client.
type simConn struct {
	b       *simBroker
	w       *aio.StreamWriter
	version Version
	quota   int
	session *simSession
}

func (c *simConn) send(p packet) {
	b, err := appendPacket(nil, c.version, p)
	if err != nil {
		panic(err)
	}
	_, _ = c.w.Write(b)
}

// serve serves clients until it is cancelled.
func (b *simBroker) serve(ctx context.Context, addr string) error {
	s, err := aio.StartServer(ctx, b.handle, addr, nil)
	if err != nil {
		return err
	}
	return s.ServeForever(ctx)
}

func (b *simBroker) handle(ctx context.Context, r *aio.StreamReader, w *aio.StreamWriter) error {
	defer w.Close()
	c := &simConn{b: b, w: w, version: V5}
	defer func() {
		if c.session != nil && c.session.conn == c {
			c.session.conn = nil
		}
	}()
	in := r.Reader(ctx).(byteReader)
	for first := true; ; first = false {
		p, err := readPacket(in, c.version, 1<<20)
		if errors.As(err, new(*ProtocolError)) {
			b.errs = append(b.errs, fmt.Errorf("a client has sent: %w", err))
			return nil
		}
		if err != nil {
			return nil // the client is gone
		}
		if _, ok := p.(*connect); ok != first {
			b.errs = append(b.errs, fmt.Errorf("a client has sent %T", p))
			return nil
		}
		if b.hook != nil {
			if handled, err := b.hook(c, p); err != nil {
				return nil
			} else if handled {
				continue
			}
		}
		if over, err := c.do(p); err != nil {
			b.errs = append(b.errs, err)
			return nil
		} else if over {
			return nil
		}
		if err := w.Drain(ctx); err != nil {
			return nil
		}
	}
}

func (c *simConn) do(p packet) (over bool, err error) {
	s := c.session
	switch p := p.(type) {
	case *connect:
		c.version = p.version
		reply := &connack{props: c.b.limits}
		id := p.clientID
		if id == "" {
			c.b.assigned++
			id = fmt.Sprint("assigned", c.b.assigned)
			reply.props = append(slices.Clip(reply.props), property{id: assignedClientID, text: id})
		}
		if c.version < V5 {
			reply.props = nil
		}
		s = c.b.sessions[id]
		if s != nil && s.conn != nil {
			s.conn.w.Close()
		}
		if s == nil || p.cleanStart {
			s = &simSession{filters: map[string]QoS{}, received: map[uint16]bool{}}
			c.b.sessions[id] = s
		} else {
			reply.sessionPresent = true
		}
		c.session, s.conn = s, c
		c.quota = int(p.props.get(receiveMaximum, 0xffff))
		c.send(reply)
		s.pump()
	case *publish:
		if p.props.get(topicAlias, 0) != 0 {
			return true, errors.New("a client uses an alias")
		}
		switch p.qos {
		case AtMostOnce:
			c.b.route(p)
		case AtLeastOnce:
			c.b.route(p)
			c.send(&ack{kind: pubackType, id: p.id})
		case ExactlyOnce:
			if !s.received[p.id] {
				s.received[p.id] = true
				c.b.route(p)
			} else if !p.dup {
				return true, fmt.Errorf("a client uses the identifier %d twice", p.id)
			}
			c.send(&ack{kind: pubrecType, id: p.id})
		}
	case *ack:
		if p.kind == pubrelType {
			reply := &ack{kind: pubcompType, id: p.id}
			if !s.received[p.id] && c.version == V5 {
				reply.result = PacketIDNotFound
			}
			delete(s.received, p.id)
			c.send(reply)
			return false, nil
		}
		i := slices.IndexFunc(s.out, func(o *simOut) bool { return o.msg.id == p.id })
		if i < 0 || s.out[i].sent != c {
			return true, fmt.Errorf("a client has sent %v for the identifier %d, which was not used", p.kind, p.id)
		}
		o := s.out[i]
		switch {
		case p.kind == pubrecType && o.msg.qos == ExactlyOnce:
			o.released = true
			c.send(&ack{kind: pubrelType, id: p.id})
			return false, nil
		case p.kind == pubackType && o.msg.qos == AtLeastOnce, p.kind == pubcompType && o.released:
			s.out = slices.Delete(s.out, i, i+1)
			c.quota++
			s.pump()
		default:
			return true, fmt.Errorf("a client has sent %v for a message with QoS %d", p.kind, o.msg.qos)
		}
	case *subscribe:
		reply := &suback{kind: subackType, id: p.id}
		for _, r := range p.requests {
			s.filters[r.filter] = QoS(r.options & 3)
			reply.results = append(reply.results, ReasonCode(r.options&3))
		}
		c.send(reply)
	case *unsubscribe:
		reply := &suback{kind: unsubackType, id: p.id}
		for _, f := range p.filters {
			_, had := s.filters[f]
			delete(s.filters, f)
			code := ReasonCode(0x11)
			if had {
				code = Success
			}
			reply.results = append(reply.results, code)
		}
		c.send(reply)
	case *ping:
		if p.kind != pingreqType {
			return true, errors.New("a client has sent PINGRESP")
		}
		c.send(&ping{pingrespType})
	case *farewell:
		if c.version == V5 && p.result.Failed() {
			err = fmt.Errorf("a client ends with %v", p.result)
		}
		return true, err
	default:
		return true, fmt.Errorf("a client has sent %T", p)
	}
	return false, nil
}

// save returns a copy of the sessions, for a broker that is started again later.
func (b *simBroker) save() map[string]*simSession {
	saved := map[string]*simSession{}
	for id, s := range b.sessions {
		t := &simSession{filters: maps.Clone(s.filters), lastID: s.lastID, received: maps.Clone(s.received)}
		for _, o := range s.out {
			c := *o
			c.sent = nil
			t.out = append(t.out, &c)
		}
		saved[id] = t
	}
	return saved
}

// route gives a message to the sessions that subscribe to it.
func (b *simBroker) route(p *publish) {
	for _, id := range slices.Sorted(maps.Keys(b.sessions)) {
		s := b.sessions[id]
		qos, wanted := QoS(0), false
		for f, q := range s.filters {
			if Match(f, p.topic) {
				qos, wanted = max(qos, q), true
			}
		}
		if !wanted {
			continue
		}
		o := &simOut{msg: *p}
		o.msg.dup, o.msg.id, o.msg.qos = false, 0, min(qos, p.qos)
		if o.msg.qos == AtMostOnce {
			if s.conn != nil {
				s.conn.send(&o.msg)
			}
			continue
		}
		if s.lastID++; s.lastID == 0 {
			s.lastID = 1
		}
		o.msg.id = s.lastID
		s.out = append(s.out, o)
		s.pump()
	}
}

// pump sends what was not sent on the current connection.
func (s *simSession) pump() {
	for _, o := range s.out {
		if s.conn == nil || s.conn.quota == 0 && !s.conn.b.exceeds {
			return
		}
		if o.sent == s.conn {
			continue
		}
		o.sent = s.conn
		if !(o.released && s.conn.b.freeRelease) {
			s.conn.quota--
		}
		if o.released {
			s.conn.send(&ack{kind: pubrelType, id: o.msg.id})
			continue
		}
		p := o.msg
		p.dup = o.again
		o.again = true
		s.conn.send(&p)
	}
}
